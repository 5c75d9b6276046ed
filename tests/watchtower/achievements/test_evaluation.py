"""Achievements: each by the moment that proves it, once, of the past too, and again when the database is lost."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command

from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import ORDER_FILE, Order
from guild.models import Evaluation
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.fought import fought
from tests.watchtower.factories import HERO, append_steps, make_battle, record, tell
from vault.index import scan
from vault.models import Checkpoint, HistoryEntry
from watchtower.achievements import evaluation, of_growth, of_training, past
from watchtower.achievements import record as kept
from watchtower.achievements.catalogue import ACHIEVEMENTS, BY_KEY
from watchtower.achievements.evaluation import Evaluator, evaluate, nearest, standings
from watchtower.achievements.past import Past, battle_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def trained(world: World) -> World:
    """A world that trained before there were achievements: three steps, a checkpoint, a quest."""
    (world.heroes / HERO).mkdir()
    battle = make_battle(world, "b1", state=Battle.State.COMPLETED)
    append_steps(world, "b1", [record(step, loss=2.0) for step in (1, 2, 3)])
    make_checkpoint(world.heroes, 1200, train_loss=1.9, battle="b1")
    scan(world)
    tell("b1", 1, kind="checkpoint_saved", step=1200, name=Checkpoint.objects.get().name, battle="b1")
    tell("b1:hero_level_up", 1, kind="hero_level_up", step=1200, level=1, battle="b1")
    tell("b1:quest_completed", 2, kind="quest_completed", battle="b1")
    Quest.objects.filter(pk=battle.quest_id).update(state=Quest.State.COMPLETED)
    return world


def keys(found: list[kept.Unlocked]) -> set[str]:
    return {one.key for one in found}


def test_the_past_is_asked_once_and_each_has_its_proof(trained: World) -> None:
    found = {one.key: one for one in evaluate(trained, HERO)}
    assert {"first_blood", "squire", "sharpened"} <= found.keys()
    assert found["first_blood"].unlocked_at == 1_000_001.0, "when it happened, not when it was found"
    assert found["first_blood"].proof.battle == "b1"
    assert found["sharpened"].proof.sha256 == Checkpoint.objects.get().sidecar_sha256
    assert kept.seq_of(found["squire"].proof) == ChronicleEntry.objects.get(kind="hero_level_up").id
    assert evaluate(trained, HERO) == []
    told = ChronicleEntry.objects.filter(kind=kept.KIND)
    assert told.count() == len(found)
    assert told.get(data__key="squire").message.startswith("Achievement: Squire.")


def test_a_lost_database_tells_the_same_again(trained: World) -> None:
    first = {one.key: one for one in evaluate(trained, HERO)}
    ChronicleEntry.objects.all().delete()
    Battle.objects.all().delete()
    evaluate(trained, HERO)
    told = ChronicleEntry.objects.filter(kind=kept.KIND)
    assert {entry.data["key"]: entry.time.timestamp() for entry in told} == {
        key: pytest.approx(one.unlocked_at, abs=1e-3) for key, one in first.items()
    }


def unlocked_twice(world: World) -> int:
    """How many files and rows are written by two who find the same at once."""
    found = evaluate(world, HERO)
    again = [kept.Unlocked(key=one.key, unlocked_at=5.0, run="", value=9.0, proof=one.proof) for one in found]
    kept.unlock(world, HERO, again)
    return sum(one.unlocked_at == 5.0 for one in kept.read(world, HERO).values())


def test_what_is_unlocked_stays_as_it_was(trained: World) -> None:
    assert unlocked_twice(trained) == 0


def test_twin_without_the_record_it_would_be_unlocked_again(trained: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluate(trained, HERO)
    monkeypatch.setattr(kept, "read", lambda world, hero: {})
    assert keys(evaluate(trained, HERO)) == keys(found)


def test_each_rule_by_the_entries_that_prove_it(world: World) -> None:
    (world.heroes / HERO).mkdir()
    make_battle(world, "b1")
    tell("b1", 1, kind="battle_started", battle="b1")
    tell("b1", 2, kind="fault", fault="non_finite", battle="b1")
    tell("arena", 1, kind="trainer_died", exit_code=-9)
    tell("b1", 3, kind="battle_resumed", battle="b1")
    for number in range(10):
        tell("b1", 4 + number, kind="checkpoint_saved", battle="b1")
    tell("b1", 20, kind="battle_completed", battle="b1", measured={"memory_error": -0.04})
    tell("b1:new_champion", 20, kind="new_champion", battle="b1", name="c")
    tell("b1:skill_level_up", 20, kind="skill_level_up", battle="b1", skill="bin", level=2)
    for number in range(10):
        tell("b1:quest_completed", 20 + number, kind="quest_completed", battle="b1")
    asked: dict[str, Any] = {"hero": HERO, "checkpoint": "c", "step": 5, "evaluated_at": datetime.now(UTC)}
    Evaluation.objects.create(**asked, skill="bin", level=1, correct=20, total=20)
    found = keys(evaluate(world, HERO))
    assert found >= {
        "exorcist", "phoenix", "hoarder", "sprinter", "quartermaster", "champion", "graduate", "rich", "flawless_eval",
        "sharpshooter",
    }  # fmt: skip
    assert not found & {"dynasty", "comeback", "centurion", "legend", "first_blood"}


def heros_steps_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    asked: list[str] = []

    def count(world: World, hero: str) -> int:
        asked.append(hero)
        return 5

    monkeypatch.setattr(past, "living_steps", count)
    standings(world, HERO)
    return len(asked)


def test_a_look_asks_once_how_many_steps_the_hero_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert heros_steps_asked(world, monkeypatch) == 1


def test_twin_every_level_would_ask_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Past, "xp", property(Past.xp.func))
    assert heros_steps_asked(world, monkeypatch) == 4


def test_another_heros_battles_count_for_that_hero_alone(world: World) -> None:
    (world.heroes / HERO).mkdir()
    make_battle(world, "other", hero="MIRA")
    for number in range(10):
        tell("other", number, kind="checkpoint_saved", battle="other")
    assert keys(evaluate(world, HERO)) == set()


def test_nothing_is_asked_while_nothing_was_told(trained: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_SHARE", 1e9)
    watched = Evaluator(trained)
    assert keys(watched.evaluate())
    watched.evaluate()  # the entries of the achievements themselves
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments: pytest.fail("nothing was told"))
    assert watched.evaluate() == []


def test_a_long_past_is_asked_less_often(trained: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_SHARE", 1e-9)
    watched = Evaluator(trained)
    watched.evaluate()
    tell("b1", 99)
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments: pytest.fail("it was asked just now"))
    assert watched.evaluate() == []


@pytest.mark.parametrize("is_twin", [False, True])
def test_a_busy_machine_puts_no_deed_off_by_minutes(
    trained: World, monkeypatch: pytest.MonkeyPatch, is_twin: bool
) -> None:
    """Waiting for a core costs nothing, and no cost puts off by more than a minute; the twin counts without an end."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0, thread_time=iter([0.0, 5.0]).__next__)
    monkeypatch.setattr(evaluation, "time", clock)
    if is_twin:
        monkeypatch.setattr(evaluation, "LONGEST_SECONDS", float("inf"))
    watched = Evaluator(trained)
    watched.evaluate()
    assert (watched._not_before > 1060.0) == is_twin


def test_the_nearest_lack_least_and_secrets_stay_secret(trained: World) -> None:
    evaluate(trained, HERO)
    found = standings(trained, HERO)
    assert len(found) == len(ACHIEVEMENTS) == len(BY_KEY)
    shares = [one.share for one in nearest(found)]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share < 1 for share in shares)
    assert not any(one.rule.secret for one in nearest(found, most=99))


def test_the_command_says_what_the_api_says(trained: World) -> None:
    out = io.StringIO()
    call_command("achievements", "--json", stdout=out)
    told = json.loads(out.getvalue())
    by_key = {one["key"]: one for one in told["achievements"]}
    assert told["unlocked"] == sum(one["unlocked"] is not None for one in told["achievements"])
    assert by_key["squire"]["unlocked"]["seq"] == ChronicleEntry.objects.get(kind="hero_level_up").id
    assert by_key["nothing_happened"]["requirement"] == ""
    out = io.StringIO()
    call_command("achievements", stdout=out)
    assert "First Blood" in out.getvalue()
    assert "a secret" in out.getvalue()


def of_others(world: World) -> set[str]:
    """What a hero is given for what another one did: won a level by a host's word, died, deleted checkpoints."""
    (world.heroes / "GALAHAD").mkdir()
    own, other = make_battle(world, "own"), make_battle(world, "other")
    Battle.objects.filter(pk=own.pk).update(hero="GALAHAD")
    asked = Evaluation.objects.create(
        hero=HERO, checkpoint="checkpoint-5-20260101-1200", step=5, skill="bin", level=1, correct=20, total=20,
        evaluated_at=datetime.now(UTC),
    )  # fmt: skip
    tell("evaluation:skill_level_up", asked.pk, kind="skill_level_up", skill="bin", level=2)
    tell("arena", 1, kind="trainer_died", battle=other.battle_id)
    tell("own", 2, kind="battle_resumed")
    for seq in range(5):
        name = f"checkpoint_{seq}_SIR_GALAHAD_20260101-1200"
        HistoryEntry.objects.create(seq=seq, time=datetime.now(UTC), action="delete", asset_id=name, by="cli")
    return keys(evaluate(world, "GALAHAD"))


def test_a_hero_gets_nothing_for_what_another_one_did(world: World) -> None:
    assert not of_others(world) & {"graduate", "phoenix", "tidy_vault"}


def test_twin_by_the_battle_alone_it_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Past, "_is_own", lambda self, entry: battle_of(entry) not in self._battles_of_others)
    assert "graduate" in of_others(world)


def test_a_clock_that_was_set_back_makes_no_sprinter(world: World) -> None:
    battle = make_battle(world, "long")
    append_steps(world, "long", [record(step, step_seconds=200.0) for step in (1, 2)])
    tell(battle.battle_id, 1, kind="battle_started")
    tell(battle.battle_id, 2, kind="battle_completed")
    assert of_training.sprinter(Past(world, HERO)).proof is None


def test_an_order_that_was_written_anew_is_read_anew(world: World) -> None:
    """As long as a battle has trained nothing, it follows the settings."""
    for name, rate in (("a", 1e-3), ("b", 2e-3)):
        fought(world, name, learning_rate=rate)
    assert of_growth.rates(Past(world, HERO), 3).value == 2
    order = Order.read(world.battles / "b" / ORDER_FILE)
    replace(order, recipe=replace(order.recipe, learning_rate=1e-3)).write()
    assert of_growth.rates(Past(world, HERO), 3).value == 1
