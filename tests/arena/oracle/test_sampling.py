"""Sampled rows: a seed gives the same answer, whatever stands beside it in the batch."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from arena.hero import answering
from arena.hero.model import Hero
from arena.oracle import generation
from arena.oracle.catalogue import Catalogue
from arena.oracle.loading import Loader
from arena.oracle.rows import Row, Sampling
from realm.config import RealmConfig
from realm.oracle.wire import Selector
from realm.world import World


@pytest.fixture(scope="module")
def hero(stocked: World) -> Hero:
    catalogue = Catalogue(stocked, RealmConfig())
    loader = Loader(stocked, catalogue, dtype="float32", device=torch.device("cpu"))
    return loader.load(loader.plan(catalogue.find(Selector(step=5)), ()), None).speaker


def row(hero: Hero, prompt: str = "1+1", tokens: int = 12, **sampling: float) -> Row:
    chosen = Sampling(**sampling) if sampling else None
    return Row(prompt_ids=answering.prompt_ids(hero, prompt), max_new_tokens=tokens, sampling=chosen)


def ids(hero: Hero, *rows: Row) -> list[list[int]]:
    generation.write(hero, rows, lambda _: None)
    return [each.ids for each in rows]


def sampled(hero: Hero, seed: int, **more: float) -> list[int]:
    return ids(hero, row(hero, temperature=1.0, seed=seed, **more))[0]


def test_a_seed_gives_the_same_answer_alone_and_among_others(hero: Hero) -> None:
    alone = [sampled(hero, seed) for seed in range(6)]
    assert alone == [sampled(hero, seed) for seed in range(6)]
    assert len(set(map(tuple, alone))) == 6
    among = [row(hero, temperature=1.0, seed=seed) for seed in range(6)]
    others = [row(hero, prompt, temperature=1.3, seed=9) for prompt in ("7", "a longer question?")]
    assert ids(hero, others[0], *among[:3], row(hero, "2"), *among[3:], others[1])[1:4] == alone[:3]
    assert [each.ids for each in among] == alone


def test_twin_with_one_generator_for_all_the_neighbours_change_it(hero: Hero, monkeypatch: pytest.MonkeyPatch) -> None:
    common = torch.Generator().manual_seed(0)

    class Shared(generation._Dice):
        def __init__(self, sampling: Sampling) -> None:
            super().__init__(sampling)
            self._generator = common

    monkeypatch.setattr(generation, "_Dice", Shared)
    assert sampled(hero, 1) != sampled(hero, 1)


def test_greedy_rows_are_left_as_they_are_beside_sampled_ones(hero: Hero) -> None:
    greedy = ids(hero, row(hero))[0]
    assert ids(hero, row(hero, temperature=2.0, seed=1), row(hero), row(hero, temperature=2.0, seed=2))[1] == greedy


def test_top_k_of_one_and_a_tiny_top_p_leave_the_likeliest(hero: Hero) -> None:
    greedy = ids(hero, row(hero))[0]
    assert sampled(hero, 3, top_k=1) == greedy
    assert sampled(hero, 3, top_p=1e-6) == greedy
    assert sampled(hero, 3) != greedy


def test_draws_follow_the_models_own_chances(hero: Hero) -> None:
    prompt_ids = answering.prompt_ids(hero, "1+1")
    with torch.no_grad():
        logits_V = hero.causal_lm(input_ids=torch.tensor([prompt_ids])).logits[0, -1]
    chance, likeliest = torch.softmax(logits_V / 0.2, dim=-1).max(dim=-1)
    rows = [row(hero, tokens=1, temperature=0.2, seed=seed) for seed in range(300)]
    found = sum(written == [int(likeliest)] for written in ids(hero, *rows)) / len(rows)
    assert 0.02 < float(chance) < 0.98
    assert abs(found - float(chance)) < 4 * (float(chance) * (1 - float(chance)) / len(rows)) ** 0.5


def test_each_row_has_its_own_length_and_its_own_end(hero: Hero) -> None:
    rows = [row(hero, tokens=tokens) for tokens in (1, 5, 12)]
    ended: list[Row] = []
    generation.write(hero, rows, ended.extend)
    assert [len(each.ids) for each in rows] == [1, 5, 12]
    assert ended == rows
    assert [each.ids for each in rows] == [rows[2].ids[:1], rows[2].ids[:5], rows[2].ids]
    tokenizer: PreTrainedTokenizerBase = hero.tokenizer
    assert [each.text for each in rows] == tokenizer.batch_decode([each.ids for each in rows], skip_special_tokens=True)


def test_a_row_that_is_gone_ends_its_batch(hero: Hero) -> None:
    left = row(hero, tokens=2000)
    left.on_text = lambda _: setattr(left, "gone", True)
    generation.write(hero, [left], lambda _: None)
    assert len(left.ids) < 20
