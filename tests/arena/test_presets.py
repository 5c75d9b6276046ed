"""Presets: files, the command, what is in force, and that a arena that runs takes them up."""

import contextlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from arena import presets
from arena.daemon.battles import ensure_hero
from arena.daemon.loop import ArenaDaemon
from arena.daemon.trainer.process import TrainerProcess
from arena.models import ChronicleEntry
from arena.presets import PresetError
from arena.profiles.resolving import resolve
from arena.protocol import Order
from arena.recipe import Recipe
from realm import heroes, strict
from realm.config import SHIPPED_PRESETS, RealmConfig, load
from realm.disk import durable
from realm.heroes import HeroRecord
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import read_yaml
from tests.support.fake_trainer import FakeTrainer
from tests.support.local_gate import LocalGate

SHIPPED = ["deep-training", "quick-test", "standard"]


def recipe_in_force(world: World) -> Recipe:
    return strict.read(Recipe, load(world, {}, recipe=Recipe).training, source="settings")


def of_preset(world: World, name: str) -> Recipe:
    """With what suits the embedded hero."""
    return resolve(world, RealmConfig(training=read_yaml(presets.find(world, name).path))).recipe


def configure(world: World, text: str) -> Path:
    path = world.home / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def say(world: World, settings: Settings) -> Callable[..., str]:
    """One command line, with the settings as they stand in the files at that moment."""

    def run(*words: str) -> str:
        settings.REALM = load(world, {}, recipe=Recipe)
        out = io.StringIO()
        call_command("preset", *words, stdout=out)
        return out.getvalue()

    return run


def test_every_shipped_preset_is_a_recipe_and_says_what_it_is_for(world: World) -> None:
    found = presets.list_presets(world)
    assert [preset.name for preset in found] == SHIPPED
    assert all(preset.shipped and preset.about.endswith(".") for preset in found)
    recipes = {name: presets.recipe_of(world, name) for name in SHIPPED}
    assert len({str(recipe) for recipe in recipes.values()}) == 3
    # The mode belongs to a hero for life: a preset must be no reason to refuse its checkpoints.
    assert all("mode" not in read_yaml(SHIPPED_PRESETS / f"{name}.yaml") for name in SHIPPED)


def test_defaults_then_preset_then_the_players_own_keys(world: World) -> None:
    configure(world, "preset: deep-training\ntraining: {epochs: 7}\n")
    deep = presets.recipe_of(world, "deep-training")
    found = recipe_in_force(world)
    assert found.epochs == 7
    assert asdict(found) == asdict(deep) | {"epochs": 7}
    assert found.beta2 == Recipe().beta2
    assert found.rows_per_step == deep.rows_per_step != Recipe().rows_per_step


def test_without_a_preset_the_recipe_is_the_codes(world: World) -> None:
    configure(world, "preset: null\n")
    assert recipe_in_force(world) == Recipe()


def test_a_preset_of_the_world_wins_over_a_shipped_one_of_its_name(world: World) -> None:
    (world.presets / "standard.yaml").write_text("# mine\nepochs: 4\n")
    assert recipe_in_force(world) == Recipe(epochs=4)
    assert not presets.find(world, "standard").shipped


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("config.yaml", "preset: fast\n", "preset: there is none called 'fast'; allowed are deep-training, "),
        ("config.yaml", "preset: ../../x\n", "preset: there is none called '../../x'; allowed are "),
        ("config.yaml", "preset: 3\n", "preset: a text is expected, not 3"),
        ("config.yaml", "training: {epochs: 0}\n", "training: epochs: 0 is too small; the least allowed is 1"),
        ("config.yaml", "training: {seed: 4294967296}\n", "training: seed: 4294967296 is too large; the most"),
        ("config.yaml", "port: 1\nport: 2\n", "not readable as YAML: line 2, column 1: the key 'port' stands"),
        ("config.yaml", "hero: 2024-13-45\n", "not readable as YAML: line 1, column 7: month must be in 1..12"),
        ("config.yaml", f"a: {'[' * 3000}\n", "not readable as YAML: "),
        ("presets/standard.yaml", "epoch: 1\n", "unknown key 'epoch'; allowed are beta1, "),
        ("presets/standard.yaml", "mode: loar\n", "mode: 'loar' is not allowed; allowed are full, lora, qlora"),
        ("presets/standard.yaml", "clip_norm: .inf\n", "clip_norm: inf is too large; the most allowed is 1000000"),
        ("presets/standard.yaml", "learning_rate: -.inf\n", "learning_rate: -inf is too small; the least allowed is 0"),
        ("presets/standard.yaml", "- epochs\n", "a mapping is expected, list found"),
        (
            "presets/standard.yaml",
            "schedule: linear\nwarmup_steps: 30\nschedule_steps: 30\n",
            "warmup_steps: 30 must be below schedule_steps, which is 30",
        ),
        ("presets/standard.yaml", "rows_per_step: 65536\nmax_length: 65536\n", "rows_per_step: 65536 rows"),
        ("presets/standard.yaml", "lora_targets: ['']\n", "lora_targets: an empty text names no layer"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_and_what_is_allowed(world: World, file: str, text: str, sentence: str) -> None:
    path = world.home / file
    path.write_text(text)
    with pytest.raises(BadConfig) as caught:
        load(world, {}, recipe=Recipe)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_keys_that_do_not_go_together_are_found_across_files(world: World) -> None:
    """Each file alone is right; a key that is right only beside another file's is no mistake either."""
    (world.presets / "mine.yaml").write_text("schedule: linear\nschedule_steps: 100\n")
    path = configure(world, "preset: mine\ntraining: {warmup_steps: 100}\n")
    with pytest.raises(BadConfig) as caught:
        load(world, {}, recipe=Recipe)
    assert str(caught.value).startswith(f"{path}: training, with preset mine: warmup_steps: 100 must be below")
    configure(world, "preset: mine\ntraining: {warmup_steps: 5, schedule_steps: 10}\n")
    assert recipe_in_force(world).schedule_steps == 10


def test_twin_without_the_ranges_an_endless_seed_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "ranges_of", lambda cls: {})
    configure(world, "training: {seed: 4294967296}\n")
    assert recipe_in_force(world).seed == 2**32


LEAVES = st.none() | st.booleans() | st.integers() | st.integers(10**20, 10**400) | st.floats() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
KEYS = st.sampled_from(sorted(field.name for field in fields(Recipe))) | st.text() | st.integers()


@given(key=KEYS, value=VALUES)
def test_any_value_of_any_key_makes_a_recipe_or_a_sentence_that_names_the_key(key: Any, value: Any) -> None:
    sentence = ""
    try:
        recipe = strict.read(Recipe, {key: value}, source="mine.yaml")
    except BadConfig as error:
        sentence = str(error)
    if sentence:
        assert sentence.startswith(f"mine.yaml: {key}") or f"unknown key {strict.shown(key)}" in sentence
        return
    taken = getattr(recipe, key)
    assert type(taken) is type(getattr(Recipe(), key))
    assert not isinstance(taken, float) or math.isfinite(taken)
    assert list(taken) == value if isinstance(taken, tuple) else taken == value or float(value) == taken
    schedule_rate(recipe)


@given(keys=st.dictionaries(KEYS, VALUES, max_size=4))
def test_so_do_several_keys_together(keys: dict[Any, Any]) -> None:
    with contextlib.suppress(BadConfig):
        schedule_rate(strict.read(Recipe, keys, source="mine.yaml"))


def schedule_rate(recipe: Recipe) -> None:
    """What the trainer computes from any recipe before each step must be a number."""
    assert recipe.rows_per_step * recipe.max_length < 2**31
    assert math.isfinite(recipe.learning_rate * min(1.0, 1 / recipe.schedule_steps))


def test_list_show_use_save_delete(world: World, say: Callable[..., str]) -> None:
    configure(world, "# what I like\nhero: EVA # not DIO\ntraining:\n  save_every: 7\n")
    listed = say("list").splitlines()
    assert [line.split(":")[0] for line in listed[:3]] == ["  deep-training", "  quick-test", "* standard"]
    assert listed[3] == "Keys under training in the settings win over it: {save_every: 7}"
    assert "schedule: cosine" in say("show", "deep-training")

    assert "The next battle is fought by it" in say("use", "quick-test")
    text = (world.home / "config.yaml").read_text()
    assert text == "# what I like\nhero: EVA # not DIO\ntraining:\n  save_every: 7\npreset: quick-test\n"
    assert recipe_in_force(world).warmup_steps == 5

    say("save", "mine")
    assert presets.recipe_of(world, "mine") == recipe_in_force(world)
    say("save", "two", "epochs=2", "lora_targets=[q_proj, v_proj]", "--about", "Twice.")
    assert (world.presets / "two.yaml").read_text() == "# Twice.\nepochs: 2\nlora_targets:\n- q_proj\n- v_proj\n"
    say("use", "two")
    assert recipe_in_force(world).lora_targets == ("q_proj", "v_proj")
    assert "* two (yours): Twice." in say("list").splitlines()

    with pytest.raises(CommandError, match="two is in force; use another one first"):
        say("delete", "two")
    say("use", "standard")
    (world.heroes / "KNIGHT").mkdir(parents=True)
    heroes.write(world, "KNIGHT", HeroRecord(preset="two"))
    with pytest.raises(CommandError, match="KNIGHT fights by two when it is its turn"):
        say("delete", "two")
    heroes.write(world, "KNIGHT", HeroRecord())
    say("delete", "two")
    assert not (world.presets / "two.yaml").exists()


@pytest.mark.parametrize("text", ["{port: 9001, training: {save_every: 7}}\n", "port: 9001\ntraining: {save_every: 7}"])
def test_use_keeps_every_other_setting_however_it_is_written(world: World, say: Callable[..., str], text: str) -> None:
    path = configure(world, text)
    path.chmod(0o600)
    say("use", "quick-test")
    assert yaml.safe_load(path.read_text()) == {"port": 9001, "training": {"save_every": 7}, "preset": "quick-test"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_preset_called_like_a_number_stays_a_name(world: World, say: Callable[..., str]) -> None:
    say("save", "007", "epochs=2")
    say("use", "007")
    assert recipe_in_force(world).epochs == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("save", "standard"), "standard is a shipped preset; save yours under another name"),
        (("save", "../up"), "'../up' is no name for a preset"),
        (("save", "mine", "epochs=none"), "mine: epochs: a whole number is expected, not 'none'"),
        (("save", "mine", "epoch=2"), "mine: unknown key 'epoch'; allowed are "),
        (("save", "mine", "epochs"), "'epochs' is not understood; each key is given once, as KEY=VALUE"),
        (("save", "mine", "epochs=["), "epochs: '[' is no value"),
        (("save", "mine", "--about", "two\nlines"), "what a preset is for is said in one line"),
        (("delete", "standard"), "standard is a shipped preset and stays"),
        (("use", "fast"), "there is no preset called 'fast'; there are deep-training, "),
        (("show", "fast"), "there is no preset called 'fast'; there are deep-training, "),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    world: World, say: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as caught:
        say(*words)
    assert str(caught.value).startswith(sentence)
    assert not list(world.presets.iterdir())
    assert not (world.home / "config.yaml").exists()


def test_use_refuses_what_would_not_start_again(world: World, say: Callable[..., str]) -> None:
    path = configure(world, "training: {warmup_steps: 20000}\n")
    with pytest.raises(CommandError, match="warmup_steps: 20000 must be below schedule_steps"):
        say("use", "deep-training")
    assert "preset" not in path.read_text()


def test_saving_writes_whole_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    presets.save(world, "mine", {"epochs": 2}, about="Two.")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        presets.save(world, "mine", {"epochs": 3}, about="Three.")
    assert [path.name for path in world.presets.iterdir()] == ["mine.yaml"]
    assert presets.recipe_of(world, "mine").epochs == 2


def test_an_order_with_a_bad_recipe_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    order = Order(
        battle="b", battle_folder="b", quest="q", quest_file="q", quest_sha256="0", hero="DIO", hero_folder="h",
        base_model="m",
    )  # fmt: skip
    path.write_text(json.dumps(asdict(order) | {"recipe": {"max_length": 4}}))
    with pytest.raises(BadConfig) as caught:
        Order.read(path)
    assert str(caught.value) == f"{path}: recipe: max_length: 4 is too small; the least allowed is 8"


@pytest.fixture
def arena(world: World) -> tuple[ArenaDaemon, FakeTrainer]:
    ensure_hero(world, load(world, {}))
    configure(world, "autoplay: false\npreset: quick-test\n")
    trainer = FakeTrainer()
    daemon = ArenaDaemon(
        world=world,
        config=load(world, {}, recipe=Recipe),
        trainer=cast(TrainerProcess, trainer),
        gate=LocalGate(world),
        reload_config=lambda: load(world, {}, recipe=Recipe),
    )
    return daemon, trainer


def fight(world: World, daemon: ArenaDaemon, trainer: FakeTrainer, name: str) -> Recipe:
    """One battle from the queue to its end; the recipe of its order."""
    (world.lane("normal") / f"{name}.jsonl").write_text(f'{{"prompt": "{name}", "completion": "{name}"}}\n')
    fought = len(trainer.orders)
    while daemon.tick() or len(trainer.orders) == fought:
        pass  # a lane that took long to read is not read again at once
    trainer.begin()
    trainer.complete(1)
    while daemon.tick():
        pass
    return trainer.orders[-1].recipe


@pytest.mark.django_db(transaction=True)
def test_a_running_arena_fights_its_next_battle_by_the_changed_recipe(
    world: World, arena: tuple[ArenaDaemon, FakeTrainer]
) -> None:
    assert fight(world, *arena, "a") == of_preset(world, "quick-test")
    configure(world, "preset: deep-training\n")
    assert fight(world, *arena, "b") == of_preset(world, "deep-training")


@pytest.mark.django_db(transaction=True)
def test_a_bad_file_leaves_the_old_recipe_in_force_and_is_told_once(
    world: World, arena: tuple[ArenaDaemon, FakeTrainer]
) -> None:
    configure(world, "preset: quick-test\ntraining: {epochs: many}\n")
    assert fight(world, *arena, "a") == of_preset(world, "quick-test")
    assert fight(world, *arena, "b") == of_preset(world, "quick-test")
    told = ChronicleEntry.objects.get(kind="settings_refused").message
    assert told.startswith("The old settings stay in force: ")
    assert "training: epochs: a whole number is expected, not 'many'" in told
    status = json.loads((world.status / "arena.json").read_text())
    assert "epochs: a whole number is expected" in status["message"]
    configure(world, "preset: standard\n")
    assert fight(world, *arena, "c") == of_preset(world, "standard")
    assert json.loads((world.status / "arena.json").read_text())["message"] == ""


def test_a_name_that_is_none_is_refused_before_any_file_is_touched(world: World) -> None:
    with pytest.raises(PresetError, match="is no name"):
        presets.save(world, "x/y", {}, about="")
