"""`quest add --preset --set`, `quest recipe`, and what `quest show` and `estimate` make of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from arena.recipe import Recipe
from realm.config import load
from realm.world import World

pytestmark = pytest.mark.django_db


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def quest(world: World, settings: Settings, tmp_path: Path) -> Path:
    settings.REALM = load(world, {}, recipe=Recipe)
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n')
    return path


def lane(world: World) -> list[str]:
    return sorted(path.name for path in world.lane("normal").iterdir())


def test_the_recipe_lies_beside_the_quest(world: World, quest: Path) -> None:
    said = say("quest", "add", str(quest), "--preset", "quick-test", "--set", "epochs=2", "--set", "learning_rate=1e-4")
    assert "recipe: preset quick-test, epochs 2, learning_rate 1e-4" in said
    beside = world.lane("normal") / "mine.jsonl.recipe.yaml"
    assert beside.read_text() == "preset: quick-test\nepochs: 2\nlearning_rate: 0.0001\n"
    shown = " ".join(say("quest", "show", str(world.lane("normal") / "mine.jsonl")).split())
    assert "of its own: preset quick-test, epochs 2" in shown
    assert "full, 1e-4, fp32: about" in shown
    assert "steps     2 (" in say("estimate", str(world.lane("normal") / "mine.jsonl"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--preset", "quick"), "--preset: preset: there is none called 'quick'; allowed are deep-training"),
        (("--set", "epoch=1"), "--set: unknown key 'epoch'; allowed are .*did you mean 'epochs'"),
        (("--set", "epochs"), "--set: 'epochs' is not understood"),
        (("--set", "mode=half"), "--set: mode: 'half' is not allowed; allowed are full, lora, qlora"),
        (("--set", "learning_rate=1.0"), "is 500 times 2e-3.*add --yes"),
        (("--set", "max_length=1000000", "--set", "mode=full"), "--set: the embedded hero has .* would need"),
    ],
)
def test_a_bad_one_is_refused_before_anything_is_queued(
    world: World, quest: Path, words: tuple[str, ...], why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        say("quest", "add", str(quest), *words)
    assert lane(world) == []


def test_a_rate_that_is_meant_is_taken(world: World, quest: Path) -> None:
    say("quest", "add", str(quest), "--set", "learning_rate=1.0", "--yes")
    assert lane(world) == [
        "mine.jsonl",
        *(f"mine.jsonl.{given}" for given in ("job.json", "recipe.yaml", "wishes.json")),
    ]


def test_the_estimate_says_which_recipe_and_why(quest: Path) -> None:
    assert "recipe    full, 2e-3, fp32: about" in say("estimate", str(quest))
    assert "recipe    LoRA r16, 2e-3, fp32: about" in say("estimate", str(quest), "--set", "mode=lora")
