"""What a quest of the player's taught and what it cost: written beside it and told, once, whenever it becomes known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arena.daemon import outcomes
from arena.daemon.loop import ArenaDaemon
from arena.gate import report as reports
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind, Order
from guild.evaluation import host as evaluation_host
from guild.models import Evaluation, EvaluationTask, SkillProgress
from realm.disk import durable
from realm.world import World
from tests.arena.daemon.test_evaluations import golden, process
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.arena.daemon.test_recovery import lose_database
from tests.arena.daemon.test_validation_sets import drop_own
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_host import FakeHost
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Opener = Callable[..., ArenaDaemon]
WON = (1, 2)


@pytest.fixture
def parent(world: World) -> str:
    """The hero's newest checkpoint; it has won BIN 1 and 2."""
    SkillProgress.objects.create(hero="DIO", skill="bin", level=3)
    return make_checkpoint(world.heroes, 100).name


def open_quest(world: World, daemon: ArenaDaemon, trainer: FakeTrainer, name: str = "own.jsonl") -> Order:
    drop_own(world, name, range(300))
    settle(daemon)
    return trainer.orders[-1]


def begin(trainer: FakeTrainer, parent: str) -> None:
    trainer.begin(first_step=100)
    path = Path(trainer.orders[-1].battle_folder) / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"refused":', f'"checkpoint": "{parent}", "refused":'.encode()))


def validate(trainer: FakeTrainer, step: int, **losses: float) -> None:
    over = {f"quest/{name}": {"name": f"quest/{name}", "rows": 20, "sha256": name} for name in losses}
    said = {f"quest/{name}": loss for name, loss in losses.items()}
    trainer.say(EventKind.VALIDATED, step=step, quest_step=step - 100, losses=said, sets=over, val_loss=None)


def answer(world: World, trainer: FakeTrainer, step: int, checkpoint: str, level: int, right: int) -> None:
    answers = [text if number < right else "?" for number, text in enumerate(golden(world, level))]
    folder = Path(trainer.orders[-1].battle_folder) / "answers"
    folder.mkdir(exist_ok=True)
    durable.write_json(folder / f"{checkpoint}.bin-{level}.json", answers)
    file = f"answers/{checkpoint}.bin-{level}.json"
    trainer.say(EventKind.ANSWERED, step=step, checkpoint=checkpoint, skill="bin", level=level, file=file, seconds=0.5)


def fight(world: World, daemon: ArenaDaemon, trainer: FakeTrainer, parent: str, *, answers: bool = True) -> Order:
    order = open_quest(world, daemon, trainer)
    begin(trainer, parent)
    validate(trainer, 100, own=2.31, old=1.0, other=3.0)
    if answers:
        answer(world, trainer, 100, parent, 1, 24)
        answer(world, trainer, 100, parent, 2, 20)
    last = trainer.save(110)
    validate(trainer, 110, own=1.74, old=1.25)
    if answers:
        answer(world, trainer, 110, last, 1, 23)
        answer(world, trainer, 110, last, 2, 10)
    trainer.say(EventKind.BATTLE_COMPLETED, step=110, quest="own", checkpoint=last)
    settle(daemon)
    return order


def outcome(world: World) -> Any:
    return json.loads((world.recently_completed / "own.jsonl.outcome.json").read_bytes())


def told() -> list[str]:
    return list(ChronicleEntry.objects.filter(kind="quest_outcome").values_list("message", flat=True))


EXPECTED = {
    "held_out_loss": {"before": 2.31, "after": 1.74, "rows": 20},
    "earlier_quests": {"old": {"before": 1.0, "after": 1.25, "rows": 20}},
    "levels": {"bin": {"1": {"before": 0.96, "after": 0.92}, "2": {"before": 0.8, "after": 0.4}}},
}
SAID = "own: held-out loss 2.31 → 1.74 on 20 rows; BIN 1 96% → 92%; BIN 2 80% → 40%; old 1.00 → 1.25"


def test_what_it_taught_and_cost_is_written_and_told(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str
) -> None:
    order = fight(world, open_daemon(), trainer, parent)
    assert [(one.skill, one.level) for one in order.asked_first] == [("bin", 1), ("bin", 2)]
    assert {(one.skill, one.level) for one in order.asked_last} == {("bin", 1), ("bin", 2), ("bin", 3)}
    assert outcome(world) == EXPECTED
    assert told() == [SAID]
    entry = ChronicleEntry.objects.get(kind="quest_outcome")
    assert {key: entry.data[key] for key in EXPECTED} == EXPECTED
    assert list(world.battles.glob("*/outcome.pending")) == []
    assert companion_is_one_of_those_that_move(world)


def after_the_database_was_lost(world: World, daemon: ArenaDaemon, trainer: FakeTrainer, parent: str) -> Any:
    """The outcome, once the battle's events were read again by a database that knows no answers of its parent."""
    order = fight(world, daemon, trainer, parent)
    Evaluation.objects.all().delete()
    ChronicleEntry.objects.filter(kind="quest_outcome").delete()
    outcomes.completed(world, Battle.objects.get(battle_id=order.battle))
    return outcome(world)


def test_what_was_settled_stays(world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str) -> None:
    assert after_the_database_was_lost(world, open_daemon(), trainer, parent) == EXPECTED
    assert told() == [SAID]


def test_twin_that_does_not_keep_it_it_forgets(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_settled", lambda path: None)
    found = after_the_database_was_lost(world, open_daemon(), trainer, parent)
    assert found["levels"]["bin"]["1"] == {"before": None, "after": None}


def test_of_a_battle_that_was_stopped_early_what_the_hero_kept_counts(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str
) -> None:
    daemon = open_daemon()
    open_quest(world, daemon, trainer)
    begin(trainer, parent)
    for step, loss in ((100, 2.31), (105, 1.5), (110, 1.74)):
        validate(trainer, step, own=loss)
    stop = {"best_step": 105, "best_loss": 1.5, "loss": 1.74, "what": "held-out loss"}
    last = trainer.save(110)
    trainer.say(EventKind.BATTLE_COMPLETED, step=110, quest="own", checkpoint=last, early_stop=stop)
    settle(daemon)
    assert outcome(world)["held_out_loss"] == {"before": 2.31, "after": 1.5, "rows": 20}


def companion_is_one_of_those_that_move(world: World) -> bool:
    names = [path.name for path in reports.companions(world.recently_completed / "own.jsonl")]
    return "own.jsonl.outcome.json" in names


def test_what_the_parent_was_asked_before_is_not_asked_again(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str
) -> None:
    daemon = open_daemon()
    Evaluation.objects.create(
        hero="DIO", checkpoint=parent, step=100, skill="bin", level=1, correct=24, total=25,
        evaluated_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    order = open_quest(world, daemon, trainer)
    assert [(one.skill, one.level) for one in order.asked_first] == [("bin", 2)]
    assert [(one.skill, one.level) for one in order.outcome_sets] == [("bin", 1), ("bin", 2)]


def read_again(battle: str) -> None:
    """As after a kill between the writing and the commit: the events are taken in once more."""
    Battle.objects.filter(battle_id=battle).update(events_offset=0, state=Battle.State.TRAINING)


def test_it_is_told_once_however_often_the_events_are_read(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str
) -> None:
    order = fight(world, open_daemon(), trainer, parent)
    read_again(order.battle)
    settle(open_daemon())
    assert told() == [SAID]
    lose_database()
    for model in (Evaluation, EvaluationTask):
        model.objects.all().delete()
    settle(open_daemon())
    assert told() == [SAID]
    assert outcome(world) == EXPECTED


def test_a_kill_before_the_outcome_was_written_only_delays_it(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    daemon = open_daemon()
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "completed", dies)
        with pytest.raises(Killed):
            fight(world, daemon, trainer, parent)
    assert told() == []
    settle(open_daemon())
    assert told() == [SAID]


def asks_a_host(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str, monkeypatch: pytest.MonkeyPatch
) -> ArenaDaemon:
    fake = FakeHost(lambda model, prompt: "?")
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    daemon = open_daemon()
    daemon._hosts.answers = True
    order = fight(world, daemon, trainer, parent, answers=False)
    assert (order.asked_first, order.asked_last) == ((), ())
    return daemon


def test_where_a_host_evaluates_it_comes_when_the_answers_are_there(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_a_host(world, trainer, open_daemon, parent, monkeypatch)
    assert told() == []
    process(world)
    settle(open_daemon())  # another daemon: what is to come outlives the first one
    assert told() == [SAID.replace("96% → 92%", "0% → 0%").replace("80% → 40%", "0% → 0%")]
    assert outcome(world)["levels"] == {"bin": {str(level): {"before": 0.0, "after": 0.0} for level in WON}}
    assert list(world.battles.glob("*/outcome.pending")) == []


def test_twin_that_does_not_wait_it_lacks_the_levels(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "_WAITS", ())
    asks_a_host(world, trainer, open_daemon, parent, monkeypatch)
    assert outcome(world)["levels"]["bin"]["1"] == {"before": None, "after": None}


def test_losses_over_other_rows_are_no_before_and_after(
    world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str
) -> None:
    daemon = open_daemon()
    open_quest(world, daemon, trainer)
    begin(trainer, parent)
    validate(trainer, 100, own=2.0)
    over = {"quest/own": {"name": "quest/own", "rows": 20, "sha256": "changed"}}
    trainer.say(EventKind.VALIDATED, step=110, quest_step=10, losses={"quest/own": 1.0}, sets=over, val_loss=None)
    trainer.complete(110)
    settle(daemon)
    assert outcome(world)["held_out_loss"] is None


def test_what_the_guild_forged_has_none(world: World, trainer: FakeTrainer, open_daemon: Opener, parent: str) -> None:
    daemon = open_daemon()
    order = open_quest(world, daemon, trainer, "bin-level-1-0001.jsonl")
    begin(trainer, parent)
    trainer.complete(110)
    settle(daemon)
    assert Quest.objects.get().state == Quest.State.COMPLETED
    assert (order.outcome_sets, order.asked_first, told()) == ((), (), [])


def test_moving_a_quest_takes_its_outcome_along(world: World) -> None:
    assert reports.OUTCOME in reports.COMPANIONS
    assert reports.OUTCOME not in reports.FOUND, "the gatekeepers do not make it anew"
