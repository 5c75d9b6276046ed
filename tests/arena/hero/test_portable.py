"""What other programs find in a checkpoint: what transformers 4.57 reads, every end, and no place of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from arena.hero import model, portable
from arena.hero.model import Hero
from arena.recipe import Recipe
from arena.rows.tokenizer import HeroTokenizer
from tests.support.tiny_hero import make_base

pytestmark = pytest.mark.slow
THETA = 1_000_000.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_base(
        tmp_path_factory.mktemp("portable") / "base", rope_parameters={"rope_theta": THETA, "rope_type": "default"}
    )
    (folder / "generation_config.json").write_text(json.dumps({"temperature": 0.6, "eos_token_id": [7]}))
    return folder


def saved(base: Path, folder: Path, mode: Any) -> Path:
    hero = model.load(str(base), Recipe(mode=mode), checkpoint=None, device=torch.device("cpu"))
    folder.mkdir()
    hero.write_model(folder, weights_of(hero))
    return folder


def weights_of(hero: Hero) -> dict[str, torch.Tensor]:
    return (
        {name: each.detach() for name, each in hero.trainable.items()} if hero.has_adapter else hero.model.state_dict()
    )


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def understood(folder: Path) -> bool:
    """By transformers 4.57: rotary base and the tokenizer's class, each where that release looks."""
    class_name = read(folder / "tokenizer_config.json").get("tokenizer_class")
    return read(folder / "config.json").get("rope_theta") == THETA and class_name == "PreTrainedTokenizerFast"


def test_release_4_finds_what_it_looks_for(base: Path, tmp_path: Path) -> None:
    folder = saved(base, tmp_path / "checkpoint", "full")
    assert understood(folder)
    assert read(folder / "config.json")["use_cache"] is True


def test_twin_as_transformers_writes_it_release_4_does_not(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable, "finish", lambda *args, **more: None)
    assert not understood(saved(base, tmp_path / "checkpoint", "full"))


def test_every_end_and_the_authors_settings_are_handed_on(base: Path, tmp_path: Path) -> None:
    told = read(saved(base, tmp_path / "checkpoint", "full") / "generation_config.json")
    eos = HeroTokenizer.load(base).eos_id
    assert told["temperature"] == 0.6
    assert told["eos_token_id"] == sorted([7, eos or 0])


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_nothing_names_a_place_of_this_machine(base: Path, tmp_path: Path, mode: str) -> None:
    folder = saved(base, tmp_path / "checkpoint", mode)
    texts = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not [name for name, text in texts.items() if str(tmp_path.parent).encode() in text]
    if mode == "lora":
        assert read(folder / "adapter_config.json")["base_model_name_or_path"] == "base"


def test_twin_as_peft_writes_it_an_adapter_does(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "finish", lambda *args, **more: None)
    assert str(base) in (saved(base, tmp_path / "checkpoint", "lora") / "adapter_config.json").read_text()


def test_the_tokenizer_is_the_same_to_us(base: Path, tmp_path: Path) -> None:
    folder = saved(base, tmp_path / "checkpoint", "full")
    assert HeroTokenizer.load(folder).sha256 == HeroTokenizer.load(base).sha256


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"rope_parameters": {"rope_theta": 5.0, "rope_type": "yarn", "factor": 4.0}},
         {"rope_theta": 5.0, "rope_scaling": {"rope_theta": 5.0, "rope_type": "yarn", "factor": 4.0}}),
        ({"text_config": {"rope_parameters": {"rope_theta": 5.0}}},
         {"text_config": {"rope_parameters": {"rope_theta": 5.0}, "rope_theta": 5.0}}),
        ({"rope_parameters": {"full_attention": {"rope_theta": 5.0}}}, {}),
        ({"rope_parameters": None}, {}),
    ],
)  # fmt: skip
def test_the_rotary_base_of_other_shapes(told: dict[str, Any], expected: dict[str, Any]) -> None:
    assert portable._with_rope_base(told) == told | expected


@pytest.mark.parametrize("text", ["[]", "{", "", '"a"', "1"])
def test_settings_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "generation_config.json").write_text(text)
    assert portable.generation_settings(tmp_path) == {}
