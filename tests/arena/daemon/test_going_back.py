"""The hero goes on from an older checkpoint: what the daemon does, and that all else follows the branch."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from arena import branch_orders
from arena.branch_orders import CannotGoOn
from arena.daemon import going_back
from arena.daemon.loop import ArenaDaemon
from arena.models import Battle, ChronicleEntry
from guild.curriculum.plan import plan
from guild.evaluation.judging import Judged, remember
from guild.selectors import skill_level
from realm.checkpoints import branches, sidecar
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, states, trainer
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_trainer import FakeTrainer
from vault import chronicle
from vault.index import scan
from vault.ledger import get_ledger
from vault.treasury import trash
from watchtower import selectors as watchtower
from watchtower.hero import saved_card

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

Fight = Callable[..., str]


@pytest.fixture
def daemon(open_daemon: Callable[..., ArenaDaemon]) -> ArenaDaemon:
    return open_daemon()


@pytest.fixture
def fight(world: World, trainer: FakeTrainer, daemon: ArenaDaemon) -> Fight:
    """A battle of a few steps that ends with a checkpoint; its name."""
    numbers = itertools.count(1)

    def fight(step: int, *, val_loss: float | None = None) -> str:
        drop(world, f"quest-{next(numbers)}.jsonl")
        settle(daemon)
        trainer.begin(first_step=step - 10)
        name = trainer.save(step, val_loss=val_loss)
        trainer.complete(step)
        settle(daemon)
        return name

    return fight


def made(world: World, *steps: int) -> list[str]:
    """Checkpoints that no battle of this test has saved."""
    names = [make_checkpoint(world.heroes, step).name for step in steps]
    scan(world)
    return names


def go_on(daemon: ArenaDaemon, wish: str) -> str:
    """By the command; what it says."""
    out = io.StringIO()
    call_command("ledger", "go-on-from", wish, stdout=out)
    settle(daemon)
    return out.getvalue()


def answered(world: World, checkpoint: str, level: int) -> None:
    """Three good evaluations of one checkpoint's step win the level; the names after the first are no checkpoints'."""
    saved = sidecar.read(world.heroes / "DIO" / checkpoint)
    for extra in ("", "-b", "-c"):
        remember(
            Judged(
                hero="DIO", checkpoint=checkpoint + extra, step=saved.step - bool(extra), skill="bin", level=level,
                correct=10, total=10, branch=saved.branch,
            )
        )  # fmt: skip


def level() -> int:
    return skill_level("DIO", "bin").level


def test_all_follows_the_branch_and_back_again(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, fight: Fight
) -> None:
    first, second = fight(100, val_loss=2.0), fight(1200, val_loss=1.0)
    answered(world, first, 1)
    answered(world, second, 2)
    before = (level(), saved_card(world, "DIO"), plan(world, "DIO"))
    assert before[0] == 3

    told = go_on(daemon, first)
    assert "Nothing is deleted" in told
    latest, best = get_ledger().get_latest(), get_ledger().get_best("val_loss")
    assert latest
    assert best
    assert (latest.canonical_name, best.canonical_name, get_ledger().get(1200)) == (first, first, None)
    card = saved_card(world, "DIO")
    assert (level(), card.level, card.xp) == (2, 0, 100)
    assert (forged := plan(world, "DIO"))
    assert forged.level == 2
    assert {entry.canonical_name for entry in get_ledger().list_all()} == {first, second}
    assert states() == {"quest-1": "completed", "quest-2": "completed"}
    entry = ChronicleEntry.objects.get(kind=going_back.KIND)
    assert (entry.step, entry.data["active_branch"]) == (100, "2")
    (line,) = [line for line in chronicle.read(world) if line.action == "go-on-from"]
    assert (line.by, line.details) == ("command line", {"hero": "DIO", "branch": "2", "change": 1})

    third = fight(1200, val_loss=3.0)
    assert third != second
    assert trainer.orders[-1].branch == "2"
    assert sidecar.read(world.heroes / "DIO" / third).branch == "2"
    assert Battle.objects.order_by("id").last().branch == "2"  # type: ignore[union-attr]
    assert get_ledger().get(1200).canonical_name == third  # type: ignore[union-attr]
    answered(world, third, 2)
    assert level() == 3
    facts = watchtower.current_battle("DIO")
    assert facts
    assert watchtower.battles_before("DIO", facts, most=5)[0][1] == "quest-1"

    go_on(daemon, second)
    assert (level(), saved_card(world, "DIO").xp, plan(world, "DIO")) == (before[0], before[1].xp, before[2])
    assert branches.read(world.heroes / "DIO").active == ""


def test_twin_without_lines_the_left_branch_counts(
    world: World, daemon: ArenaDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(world, 100, 1200)
    answered(world, second, 1)
    go_on(daemon, first)
    assert (level(), saved_card(world, "DIO").xp) == (1, 100)
    monkeypatch.setattr(branches, "read", lambda folder: branches.Branches())
    assert (level(), saved_card(world, "DIO").xp) == (2, 1200)


def test_from_its_base_the_hero_begins_anew(world: World, daemon: ArenaDaemon) -> None:
    answered(world, *made(world, 100), 1)
    go_on(daemon, "base")
    assert get_ledger().get_latest() is None
    assert (level(), saved_card(world, "DIO").xp, watchtower.current_battle("DIO")) == (1, 0, None)
    with pytest.raises(CommandError, match="stands at its base model already"):
        go_on(daemon, "base")


def test_killed_before_it_was_told_the_file_decides(
    world: World, open_daemon: Callable[..., ArenaDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = made(world, 100, 200)
    answered(world, first, 1)
    branch_orders.send(world, hero="DIO", wish="100", by="test")

    def die(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(going_back, "_tell", die)
        with pytest.raises(KeyboardInterrupt):
            settle(open_daemon())
    for _ in range(2):
        assert branches.tip(world.heroes / "DIO") == first
        assert (level(), branches.read(world.heroes / "DIO").changes) == (2, 1)
        settle(open_daemon())
    assert ChronicleEntry.objects.filter(kind=going_back.KIND).count() == 1


def test_a_battle_under_way_a_damaged_target_and_an_unknown_one_are_refused_in_words(
    world: World, daemon: ArenaDaemon
) -> None:
    first, _ = made(world, 100, 200)
    for wish in ("300", "../DIO", "checkpoint-100-20300101-0000", "best of all"):
        with pytest.raises(CannotGoOn, match="no checkpoint"):
            branch_orders.send(world, hero="DIO", wish=wish, by="test")
    with pytest.raises(CannotGoOn, match="no hero"):
        branch_orders.send(world, hero="../EVA", wish="100", by="test")

    order = branch_orders.send(world, hero="DIO", wish="100", by="test")
    weights = world.heroes / "DIO" / first / "model.safetensors"
    sound = weights.read_bytes()
    weights.write_bytes(sound.upper())
    settle(daemon)
    (refusal,) = ChronicleEntry.objects.filter(kind="order_refused")
    assert "model.safetensors has changed" in refusal.message
    with pytest.raises(CannotGoOn, match=r"model\.safetensors has changed"):
        branch_orders.send(world, hero="DIO", wish=first, by="test")
    weights.write_bytes(sound)

    drop(world, "longer.jsonl")
    settle(daemon)
    with pytest.raises(CannotGoOn, match="longer is being fought: let it end or stop it"):
        branch_orders.send(world, hero="DIO", wish=first, by="test")
    branch_orders.MAILBOX.leave(world, order)
    settle(daemon)
    assert "longer is being fought" in ChronicleEntry.objects.filter(kind="order_refused").last().message  # type: ignore[union-attr]
    assert not (world.heroes / "DIO" / branches.FILE).exists()


def delete_before_it_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is checked, then the player deletes what it names."""
    first, _ = made(world, 10, 20)
    check = branch_orders.check

    def late(world: World, hero: str, start: sidecar.Sidecar | None) -> None:
        check(world, hero, start)
        trash.delete(world, "DIO", [first], by="page", config=RealmConfig(oracle_port=1))

    monkeypatch.setattr(branch_orders, "check", late)
    going_back.carry_out(world, branch_orders.GoOnFrom(hero="DIO", name=first, by="page", weights_only=False))


def test_no_branch_begins_at_what_is_deleted_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotGoOn, match="was deleted just now"):
        delete_before_it_begins(world, monkeypatch)
    assert not branches.read(world.heroes / "DIO").branches


def test_twin_without_a_last_look_it_begins_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(going_back, "_is_gone", lambda *_: False)
    delete_before_it_begins(world, monkeypatch)
    assert branches.read(world.heroes / "DIO").branches


def test_the_command_lists_branches(world: World) -> None:
    first, second = (make_checkpoint(world.heroes, step) for step in (100, 200))
    branches.go_on_from(first.parent, sidecar.read(first), moment=datetime.now(UTC))
    scan(world)
    out = io.StringIO()
    call_command("ledger", "list", stdout=out)
    lines = [line for line in out.getvalue().splitlines() if "checkpoint-" in line]
    assert {"left" in line: line.split("checkpoint-")[1][:3] for line in lines} == {False: "100", True: "200"}
    assert "DIO is on branch 2 of 2." in out.getvalue()
    with pytest.raises(CommandError, match="no such checkpoint"):
        call_command("ledger", "show", "200", stdout=out)
    shown = io.StringIO()
    call_command("ledger", "show", second.name, "--json", stdout=shown)
    assert json.loads(shown.getvalue())["branch"] == ""
