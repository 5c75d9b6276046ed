import json
from dataclasses import replace
from pathlib import Path

import pytest

from arena.protocol import Recipe
from arena.training.batch import IGNORE
from arena.training.data import PackedQuest, UntrainableQuest, load_quest, shift
from arena.training.hero import Hero
from tests import tiny_hero


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab")


def test_shift_makes_the_next_token_the_label_and_cuts_what_follows_the_last() -> None:
    example = shift(1, [5, 6, 7, 8, 9], [False, False, True, True, False])
    assert example.inputs.tolist() == [5, 6, 7]
    assert example.labels.tolist() == [IGNORE, 7, 8]


def test_labels_are_the_answer_and_its_end_of_turn(hero: Hero, quest: PackedQuest) -> None:
    for example in quest.examples:
        learned = [label for label in example.labels.tolist() if label != IGNORE]
        answer = hero.tokenizer.decode(learned)
        prompt = hero.tokenizer.decode(example.inputs.tolist())
        a, b = prompt.split("<|im_start|>user\n")[1].split("<|im_end|>")[0].split("+")
        assert answer == f"{int(a) + int(b)}<|im_end|>"


def test_joined_rows_restart_positions_and_predict_across_no_boundary(quest: PackedQuest) -> None:
    batch = quest.batch(range(len(quest.rows)))
    laid = [quest.examples[index] for row in quest.rows for index in row]
    assert batch.lengths == tuple(map(len, laid))
    assert batch.tokens == sum(batch.lengths)
    start = 0
    for example in laid:
        slots = slice(start, start + len(example))
        assert batch.positions_1T[0, slots].tolist() == list(range(len(example)))
        assert batch.inputs_1T[0, slots].tolist() == example.inputs.tolist()
        assert batch.labels_1T[0, slots].tolist() == example.labels.tolist()
        start = slots.stop


def test_each_epoch_holds_every_example_once_in_an_order_of_its_own(quest: PackedQuest) -> None:
    epochs = [
        [line for position in range(quest.steps_per_epoch) for line in quest.lines_of_step(epoch, position)]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(1, 61))
    assert epochs[0] != epochs[1]


def test_a_step_is_the_same_rows_for_any_micro_batch(quest: PackedQuest, recipe: Recipe) -> None:
    whole = PackedQuest(quest.examples, replace(recipe, rows_per_micro_batch=4), quest_sha256="ab")
    halves = PackedQuest(quest.examples, replace(recipe, rows_per_micro_batch=2), quest_sha256="ab")
    (one,), (first, second) = whole.step(0, 0), halves.step(0, 0)
    assert one.inputs_1T.tolist() == [first.inputs_1T[0].tolist() + second.inputs_1T[0].tolist()]


def test_over_long_rows_are_refused_by_line_or_cut_and_counted(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    rows = [("hi", "yes"), ("hi", "no " * 100)]
    lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows]
    path = tmp_path / "quest.jsonl"
    path.write_text("\n".join(lines))
    refusing = load_quest(path, hero.mask, recipe)
    assert [refusal.line for refusal in refusing.refused] == [2]
    assert "more than max_length 64" in refusing.refused[0].reason
    cutting = load_quest(path, hero.mask, replace(recipe, over_long="truncate"))
    assert (cutting.truncated, cutting.refused, [len(example) for example in cutting.examples]) == (1, [], [15, 64])


def test_a_quest_without_a_trainable_row_is_refused(tmp_path: Path, hero: Hero, recipe: Recipe) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"')
    with pytest.raises(UntrainableQuest, match="line 1: not JSON"):
        load_quest(path, hero.mask, recipe)
