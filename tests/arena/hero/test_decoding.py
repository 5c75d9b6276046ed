"""Greedy answers equal a plain loop over the logits, whatever the model's folder says of how to generate."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from arena.hero import answering, architecture, model
from arena.hero.model import Hero
from arena.oracle import generation
from arena.oracle.rows import Row
from tests.support.tiny_hero import RECIPE, make_base

pytestmark = pytest.mark.slow
NEW_TOKENS = 10
PROMPTS = ["1+1", "copy 1011", "ab"]
HOSTILE: list[tuple[str, Any]] = [
    ("repetition_penalty", 5.0),
    ("encoder_repetition_penalty", 3.0),
    ("no_repeat_ngram_size", 1),
    ("num_beams", 4),
    ("do_sample", True),
    ("temperature", 0.0),
    ("top_k", 0),
    ("min_new_tokens", 8),
    ("min_length", 60),
    ("max_length", 3),
    ("max_new_tokens", 1),
    ("max_time", 1e-9),
    ("suppress_tokens", list(range(200))),
    ("begin_suppress_tokens", list(range(900))),
    ("bad_words_ids", [[index] for index in range(0, 900, 2)]),
    ("forced_bos_token_id", 5),
    ("forced_eos_token_id", 5),
    ("sequence_bias", [[[7], 100.0]]),
    ("exponential_decay_length_penalty", [1, 50.0]),
    ("return_dict_in_generate", True),
    ("num_return_sequences", 3),
    ("stop_strings", ["a", "1"]),
    ("output_scores", True),
    ("use_cache", False),
    ("cache_implementation", "static"),
    ("prompt_lookup_num_tokens", 3),
    ("guidance_scale", 3.0),
    ("watermarking_config", {"bias": 9.0}),
    ("penalty_alpha", 0.6),
    ("dola_layers", "high"),
    ("eos_token_id", "many"),
    ("pad_token_id", [1, 2]),
    ("temperature", "warm"),
]
CONFIGS: list[tuple[str, Any]] = [
    ("use_cache", False),
    ("return_dict", False),
    ("output_hidden_states", True),
    ("output_attentions", True),
    ("torchscript", True),
    ("pad_token_id", 10**6),
    ("pad_token_id", -1),
    ("bos_token_id", "x"),
    ("eos_token_id", ["x", 10**9]),
    ("is_encoder_decoder", True),
    ("attn_implementation", "flash_attention_2"),
    ("_attn_implementation", "eager"),
    ("compile_config", {}),
    ("cache_implementation", "static"),
    ("prompt_lookup_num_tokens", 3),
    ("max_length", 3),
    ("num_beams", 4),
    ("repetition_penalty", 5.0),
    ("suppress_tokens", list(range(200))),
    ("num_return_sequences", 3),
    ("task_specific_params", {"text-generation": {"max_length": 3, "do_sample": True}}),
    ("generation_config", {"num_beams": 3}),
    ("gradient_checkpointing", True),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("decoding") / "base")


@pytest.fixture(scope="module")
def expected(base: Path) -> list[list[int]]:
    hero = loaded(base)
    return [plainly(hero, answering.prompt_ids(hero, prompt)) for prompt in PROMPTS]


def loaded(folder: Path) -> Hero:
    hero = model.load(str(folder), RECIPE, checkpoint=None, device=torch.device("cpu"))
    hero.model.eval()
    return hero


@torch.no_grad()
def plainly(hero: Hero, ids: list[int]) -> list[int]:
    """The likeliest token, again and again, without a cache."""
    written: list[int] = []
    while len(written) < NEW_TOKENS and not (written and hero.mask.ends.end_at(written)):
        logits = hero.causal_lm(input_ids=torch.tensor([[*ids, *written]])).logits
        written.append(int(logits[0, -1].argmax()))
    return written


def greedily(hero: Hero) -> list[list[int]]:
    """What is written for all prompts together, up to the end of each."""
    rows = [Row(prompt_ids=answering.prompt_ids(hero, prompt), max_new_tokens=NEW_TOKENS) for prompt in PROMPTS]
    generation.write(hero, rows, lambda _: None)
    return [row.ids for row in rows]


def with_key(base: Path, folder: Path, name: str, key: str, value: Any) -> Path:
    shutil.copytree(base, folder)
    path = folder / name
    told = json.loads(path.read_bytes()) if path.exists() else {}
    path.write_text(json.dumps(told | {key: value}))
    return folder


@pytest.mark.parametrize(("key", "value"), HOSTILE, ids=[f"{key}-{number}" for number, (key, _) in enumerate(HOSTILE)])
def test_no_generation_config_changes_an_answer(
    base: Path, tmp_path: Path, expected: list[list[int]], key: str, value: object
) -> None:
    hero = loaded(with_key(base, tmp_path / "hostile", "generation_config.json", key, value))
    assert greedily(hero) == expected


@pytest.mark.parametrize(("key", "value"), CONFIGS, ids=[f"{key}-{number}" for number, (key, _) in enumerate(CONFIGS)])
def test_no_configuration_changes_an_answer(
    base: Path, tmp_path: Path, expected: list[list[int]], key: str, value: object
) -> None:
    hero = loaded(with_key(base, tmp_path / "hostile", "config.json", key, value))
    if key == "eos_token_id":  # the template's own end is left
        expected = [plainly(hero, answering.prompt_ids(hero, prompt)) for prompt in PROMPTS]
    assert greedily(hero) == expected


def test_what_is_saved_of_a_hostile_folder_answers_as_it_does(
    base: Path, tmp_path: Path, expected: list[list[int]]
) -> None:
    folder = base
    for number, (key, value) in enumerate(CONFIGS):
        if key != "eos_token_id":
            folder = with_key(folder, tmp_path / str(number), "config.json", key, value)
    hero = loaded(folder)
    hero.write_model(tmp_path / "saved", {name: tensor.clone() for name, tensor in hero.model.state_dict().items()})
    assert greedily(loaded(tmp_path / "saved")) == expected


@pytest.mark.parametrize("key", ["repetition_penalty", "suppress_tokens"])
def test_twin_with_the_models_own_settings_they_do(base: Path, expected: list[list[int]], key: str) -> None:
    hero = loaded(base)
    hero.causal_lm.generation_config = GenerationConfig(**{key: dict(HOSTILE)[key]})
    assert greedily(hero) != expected


def test_the_models_own_ends_end_an_answer(base: Path, tmp_path: Path, expected: list[list[int]]) -> None:
    """The token that would be written second is named as an end, beside one that no vocabulary holds."""
    ends = [expected[0][-1], 10**6]
    own = loaded(with_key(base, tmp_path / "own", "generation_config.json", "eos_token_id", ends))
    length = expected[0].index(ends[0]) + 1
    assert greedily(own)[0] == expected[0][:length]
    spoken = own.tokenizer.decode(expected[0][: length - 1], skip_special_tokens=True)
    assert answering.answer(own, PROMPTS[:1], max_new_tokens=NEW_TOKENS) == [spoken]


def test_an_end_that_is_plain_text_ends_an_answer(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hero = loaded(base)
    (whole,) = answering.answer(hero, PROMPTS[:1], max_new_tokens=NEW_TOKENS)
    assert len(whole) > 2
    monkeypatch.setattr(hero.mask, "ends", dataclasses.replace(hero.mask.ends, text=whole[1:3]))
    assert answering.answer(hero, PROMPTS[:1], max_new_tokens=NEW_TOKENS) == [whole[:1]]


@pytest.mark.parametrize("key", ["return_dict", "is_encoder_decoder", "compile_config"])
def test_twin_that_reads_all_of_a_configuration_cannot_answer(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(architecture, "_without_decoding", lambda described: described)
    folder = with_key(base, tmp_path / "hostile", "config.json", key, dict(CONFIGS)[key])
    with pytest.raises(Exception, match=r"tuple|cannot be loaded|decoder_start_token_id"):
        greedily(loaded(folder))
