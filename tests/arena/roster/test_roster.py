"""Several heroes: made, switched to and back, set aside, branched off; what is refused, and what each keeps."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from arena.models import Battle, Quest
from arena.roster import creating, listing, retiring, switching
from arena.roster.errors import BadHero, HeroRefused, UnknownHero
from realm import config, heroes
from realm.config import config_file
from realm.heroes import HeroRecord
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.index import scan
from vault.jobs import waiting
from vault.ledger import exporting
from vault.models import Job

pytestmark = pytest.mark.django_db

OWN = "# mine\nhero: DIO\nbase_model: Qwen/Qwen3-0.6B # small\nport: 9001\n"


def hero(*words: str) -> Any:
    out = io.StringIO()
    call_command("hero", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def made(world: World, name: str = "KNIGHT") -> None:
    creating.create(world, name=name, by="test")


def test_a_switch_and_back_changes_nothing_of_either(world: World) -> None:
    config_file(world).write_text(OWN)
    made(world)
    switching.switch(world, "KNIGHT", by="test")
    found = config.load(world)
    assert (found.hero, found.base_model, found.port) == ("KNIGHT", None, 9001)
    assert [(one.name, one.active, one.base_model) for one in listing.list_heroes(world)] == [
        ("KNIGHT", True, "embedded"), ("DIO", False, "Qwen/Qwen3-0.6B"),
    ]  # fmt: skip
    switching.switch(world, "DIO", by="test")
    back = config.load(world)
    assert (back.hero, back.base_model, back.preset) == ("DIO", "Qwen/Qwen3-0.6B", "standard")
    text = config_file(world).read_text()
    assert "# mine" in text
    assert "# small" in text


def test_unremembered_the_first_hero_would_come_back_with_the_others_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""
    config_file(world).write_text(OWN)
    made(world)
    monkeypatch.setattr(heroes, "write", lambda *_: None)
    switching.switch(world, "KNIGHT", by="test")
    switching.switch(world, "DIO", by="test")
    assert config.load(world).base_model is None


def test_a_battle_under_way_is_named(world: World) -> None:
    quest = Quest.objects.create(name="sums", state=Quest.State.BATTLING, arrived_at="2026-01-01T00:00Z")
    Battle.objects.create(battle_id="b", quest=quest, hero="DIO", started_at="2026-01-01T00:00Z")
    made(world)
    said = hero("switch", "KNIGHT")
    assert (said["waits"], said["before"]) == ("sums", "DIO")
    assert "sums is saved" in said["message"]
    assert listing.find(world, "DIO").waiting_quest == "sums"


def test_what_cannot_be_is_refused_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made(world)
    for name, base, why in (
        ("knight", "embedded", "already.* How about knight-2"),
        ("A", "/nowhere/at/all", "holds no model"),
        ("A", "no model!", "is no base model"),
        ("A", "../x", "is no base model"),
    ):
        with pytest.raises(BadHero, match=why):
            creating.create(world, name=name, base_model=base, by="test")
    with pytest.raises(BadHero, match="no preset called 'none'"):
        creating.create(world, name="A", preset="none", by="test")
    assert not (world.heroes / "A").exists()
    for act, name, why in (
        (switching.switch, "DIO", "fights already"),
        (retiring.retire, "DIO", "who fights"),
        (retiring.restore, "KNIGHT", "not retired"),
    ):
        (world.heroes / "DIO").mkdir(exist_ok=True)
        with pytest.raises(HeroRefused, match=why):
            act(world, name, by="test")
    for act in (switching.switch, retiring.retire, retiring.restore):
        with pytest.raises(UnknownHero):
            act(world, "../KNIGHT", by="test")
    monkeypatch.setenv("REALM_BASE_MODEL", "Qwen/Qwen3-0.6B")
    with pytest.raises(HeroRefused, match="REALM_BASE_MODEL"):
        switching.switch(world, "KNIGHT", by="test")


def test_a_retired_hero_keeps_all_and_comes_back(world: World) -> None:
    made(world)
    make_checkpoint(world.heroes, 1200, hero="KNIGHT")
    scan(world)
    assert hero("retire", "KNIGHT")["hero"] == "KNIGHT"
    found = listing.find(world, "KNIGHT")
    assert (found.level, found.title, found.xp_in_level, found.checkpoints) == (1, "Squire", 200, 1)
    assert found.retired_at
    with pytest.raises(CommandError, match="retired: bring it back"):
        hero("switch", "KNIGHT")
    hero("restore", "KNIGHT")
    assert hero("switch", "KNIGHT")["hero"] == "KNIGHT"
    assert hero("show", "KNIGHT")["xp"] == 1200


def merged(source: Path, folder: Path, progress: Any) -> dict[str, float]:
    """Without torch: what is merged and compared is arena.hero's own test."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(Path("configs/heroes/embedded") / name, folder / name)
    (folder / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    return {"largest_difference": 0.0, "tolerance": 1.0}


def test_a_branch_begins_from_a_checkpoint_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_merge", merged)
    monkeypatch.setattr(switching.base_models, "check", lambda *_: None)  # its weights are no model's
    saved = make_checkpoint(world.heroes, 1200).name
    scan(world)
    done = creating.branch(world, name="SON", hero="DIO", checkpoint="newest", by="test")
    assert (done.base_model, done.preset) == ("models/base/SON", "standard")
    with pytest.raises(HeroRefused, match="not written yet"):
        switching.switch(world, "SON", by="test")
    assert "being written" in listing.find(world, "SON").trouble
    job = waiting.finish(world, Job.objects.get(), seconds=1)
    assert job.state == Job.State.DONE, job.message
    found = listing.find(world, "SON")
    assert found.parent
    assert (found.parent.hero, found.parent.checkpoint, found.parent.step) == ("DIO", saved, 1200)
    assert (found.trouble, found.xp, listing.find(world, "DIO").branched) == ("", 0, ("SON",))
    switching.switch(world, "SON", by="test")
    assert "base_model: models/base/SON" in config_file(world).read_text()
    moved = World(world.home.rename(world.home.with_name("moved")))
    assert config.load(moved).base_model == str(moved.models / "base" / "SON")


def test_a_record_of_nonsense_is_none(world: World) -> None:
    (world.heroes / "DIO").mkdir()
    (world.heroes / "DIO" / heroes.FILE).write_text('{"base_model": 7}')
    assert heroes.read(world, "DIO") is None
    assert listing.find(world, "DIO").base_model == "embedded"
    heroes.write(world, "DIO", HeroRecord(preset=None))
    assert heroes.read(world, "DIO") == HeroRecord(preset=None)
