"""Whatever lies in `control/`: the daemon goes on, does the good command beside it, and says what it set aside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from arena import orders, quest_orders
from arena import status as arena_status
from arena.daemon.loop import ArenaDaemon
from arena.models import ChronicleEntry, Quest
from arena.orders import Wish
from arena.quest_orders import Act
from realm.disk import durable, mailbox
from realm.disk.mailbox import Damaged
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, trainer
from tests.realm.disk.test_mailbox import read_plainly
from tests.support.fake_trainer import FakeTrainer
from tests.support.rubbish import KINDS

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)

Opener = Callable[..., ArenaDaemon]
MAILBOXES = ("command.json", "quests.json", "look.json")


def refused() -> list[str]:
    return list(ChronicleEntry.objects.filter(kind="order_refused").values_list("message", flat=True))


@pytest.mark.parametrize("suffix", MAILBOXES)
@pytest.mark.parametrize("kind", KINDS)
def test_rubbish_beside_a_command(world: World, open_daemon: Opener, kind: str, suffix: str) -> None:
    daemon = open_daemon()
    name = f"{1:020d}-1-x.{suffix}"
    KINDS[kind](world.control / name)
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(daemon)
    assert arena_status.read_rest(world) == {"asked": "pause", "by": "test"}
    (said,) = refused()
    assert name in said
    assert not os.path.lexists(world.control / name)
    assert len(list(world.control.glob(f"{name}.damaged-*"))) == 1
    settle(daemon)
    assert len(refused()) == 1


@pytest.mark.parametrize("name", [arena_status.REST_FILE, arena_status.SKIP_FILE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_cannot_be_read_is_set_aside_and_the_arena_goes_on(
    world: World, trainer: FakeTrainer, open_daemon: Opener, kind: str, name: str
) -> None:
    KINDS[kind](world.control / name)
    drop(world, "a.jsonl")
    settle(open_daemon())
    assert [order.quest for order in trainer.orders] == ["a"], "it does not rest"
    (said,) = refused()
    assert name in said
    assert len(list(world.control.glob(f"{name}.damaged-*"))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rest_can_be_asked_for_over_a_damaged_one(world: World, open_daemon: Opener, kind: str) -> None:
    KINDS[kind](world.control / arena_status.REST_FILE)
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(open_daemon())
    assert arena_status.read_rest(world) == {"asked": "pause", "by": "test"}


@pytest.mark.parametrize("kind", ["deeply nested", "nested and whole"])
@pytest.mark.parametrize("name", ["1.command.json", arena_status.REST_FILE])
def test_twin_with_a_plain_reader_the_daemon_ends(
    world: World, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setattr(mailbox, "read_json", read_plainly)
    KINDS[kind](world.control / name)
    with pytest.raises(RecursionError):
        settle(open_daemon())


def test_twin_a_state_that_is_left_where_it_lies_stops_who_writes_it(
    world: World, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena_status, "set_damaged_aside", lambda *_: None)
    (world.control / arena_status.REST_FILE).mkdir()
    orders.send(world, wish=Wish.PAUSE, by="test")
    with pytest.raises(OSError, match="directory"):
        settle(open_daemon())


def test_a_flood_is_told_in_few_words(world: World, open_daemon: Opener) -> None:
    for number in range(50):
        (world.control / f"{number}.command.json").write_text("{")
    settle(open_daemon())
    (said,) = refused()
    assert said.endswith("(and 49 more)")


@pytest.mark.parametrize("wish", [Wish.PAUSE, Wish.STOP])
def test_a_touched_file_is_a_command(world: World, open_daemon: Opener, wish: Wish) -> None:
    daemon = open_daemon()
    (world.control / f".{wish}").touch()
    settle(daemon)
    assert arena_status.read_rest(world) == {"asked": wish, "by": "touch"}
    assert not (world.control / f".{wish}").exists()
    (world.control / ".resume").touch()
    settle(daemon)
    assert not daemon.rest.active
    assert not (world.control / ".resume").exists()


@pytest.mark.parametrize("first", [".pause", ".resume"])
def test_touched_files_are_obeyed_in_their_order_among_the_others(
    world: World, open_daemon: Opener, first: str
) -> None:
    last = ".resume" if first == ".pause" else ".pause"
    command = orders.send(world, wish=Wish.RESUME if first == ".pause" else Wish.PAUSE, by="test")
    given_at = int(command.name[:20])
    for name, at in ((first, given_at - 1_000_000), (last, given_at + 1_000_000)):
        (world.control / name).touch()
        os.utime(world.control / name, ns=(at, at))
    daemon = open_daemon()
    settle(daemon)
    assert daemon.rest.active == (last == ".pause")


def test_without_the_plain_names_nothing_is_heard(
    world: World, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage twin of the above."""
    monkeypatch.setattr(orders, "MAILBOX", mailbox.Mailbox(orders.Request, ".command.json"))
    (world.control / ".pause").touch()
    daemon = open_daemon()
    settle(daemon)
    assert not daemon.rest.active


ODD_ORDERS = {
    "a priority that is none": {"act": "move", "priority": "bogus"},
    "the same quest twice": {"act": "cancel"},
    "a number beyond the database": {"act": "hold", "quests": [{"id": 2**63, "name": "a"}]},
    "a name with a zero byte": {"act": "hold", "quests": [{"id": 1, "name": "\0"}], "before": {"id": 1, "name": "\0"}},
    "a negative number": {"act": "discard", "quests": [{"id": -1, "name": ""}]},
}


@pytest.mark.parametrize("odd", ODD_ORDERS)
def test_orders_that_are_well_formed_and_make_no_sense(world: World, open_daemon: Opener, odd: str) -> None:
    daemon = open_daemon()
    arena_status.rest(world, asked="pause")
    drop(world, "a.jsonl")
    settle(daemon)
    quest = Quest.objects.get(name="a")
    same = {"id": quest.pk, "name": "a"}
    order = {"quests": [same, same], "priority": None, "before": None, "by": "test"} | ODD_ORDERS[odd]
    durable.write_json(world.control / f"{1:020d}-1-x.quests.json", order)
    quest_orders.send(world, act=Act.HOLD, quests=[quest], by="test")
    settle(daemon)
    assert not list(world.control.glob("*.quests.json"))
    quest.refresh_from_db()
    assert quest.state == ("cancelled" if odd == "the same quest twice" else "inspected")


def test_a_status_that_is_damaged_says_nothing(world: World) -> None:
    for text in ("[" * 100_000, "[]", "{"):
        world.arena_status.write_text(text)
        assert arena_status.read_status(world).state == "offline"


def test_a_rest_for_a_long_reason_is_a_rest(world: World) -> None:
    arena_status.rest(world, asked="trouble", reason="x" * 1024 * 1024)
    assert len(arena_status.read_rest(world)["reason"]) == 1024 * 1024


def test_what_is_kept_of_a_rest_is_read_as_before(world: World) -> None:
    durable.write_json(world.control / arena_status.REST_FILE, {"asked": "trouble", "reason": "r", "since": "then"})
    assert arena_status.read_rest(world)["reason"] == "r", "of another release"
    with pytest.raises(Damaged):
        mailbox.read_json(world.control)
    assert json.loads((world.control / arena_status.REST_FILE).read_bytes())["since"] == "then"
