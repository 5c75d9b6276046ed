"""What is told, in which order, how often, and what is not."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import pytest
from django.db import connection, transaction

from arena.models import ChronicleEntry
from realm.world import World
from sentinels.notices import destinations, notifier, outbox
from sentinels.notices.notifier import MOST_TRIES, Notifier
from sentinels.notices.outbox import MOST_WAITING, Box, Outbox
from sentinels.notices.sending import Answer, Order
from sentinels.notices.texts import Message
from tavern.log_looks import LOOKS
from tests.sentinels.notices.post_office import Clock, Courier, say, told

pytestmark = pytest.mark.django_db

FAILED = Answer(ok=False, status=500, words="500 Internal Server Error")


def test_what_happens_is_told_once_in_order(world: World) -> None:
    clock, courier = Clock(), Courier()
    say("fault", "long ago", clock=clock)
    follower = told(world, courier, clock, events=["level_up", "fault"])
    for message in ("first", "second"):
        say("skill_level_up", message, clock=clock)
        follower.step()
    say("checkpoint_saved", "nobody asked for it", clock=clock)
    follower.step()
    assert courier.bodies == ["first", "second"]
    assert courier.orders[0].title == "DIO: level-up"


def test_a_restart_neither_repeats_nor_loses(world: World) -> None:
    clock, courier = Clock(), Courier()
    told(world, courier, clock, events=["fault"])
    say("fault", "while it was down", clock=clock)
    for _ in range(2):
        Notifier(world, now=clock, send=courier).step()
    assert courier.bodies == ["while it was down"]


def sent_over_a_death(world: World, *, has_gone: bool) -> list[str]:
    """The process dies before the notice has gone, or when it is not noted yet; then another one goes on."""
    clock, courier = Clock(), Courier()

    def die(order: Order) -> Answer:
        if has_gone:
            courier(order)
        raise KeyboardInterrupt

    told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)
    with pytest.raises(KeyboardInterrupt):
        Notifier(world, now=clock, send=die).step()
    for _ in range(2):
        Notifier(world, now=clock, send=courier).step()
    return courier.bodies


@pytest.mark.parametrize("has_gone", [False, True])
def test_a_death_while_sending_loses_nothing_and_repeats_once_at_most(world: World, has_gone: bool) -> None:
    assert sent_over_a_death(world, has_gone=has_gone) == ["one"] * (1 + has_gone)


def test_the_twin_that_notes_before_it_sends_loses_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Notifier._told

    def noted_first(self: Notifier, name: str, message: Message) -> Answer:
        self._put(name, Box())
        return tell(self, name, message)

    monkeypatch.setattr(Notifier, "_told", noted_first)
    assert sent_over_a_death(world, has_gone=False) == []


def test_who_fails_is_tried_later_and_later_and_then_given_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    clock, courier = Clock(), Courier(*[FAILED] * MOST_TRIES)
    follower = told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)
    waits = []
    with caplog.at_level(logging.WARNING):
        for _ in range(MOST_TRIES):
            follower.step()
            follower.step()  # nothing at once
            box = outbox.read(world).boxes["phone"]
            waits.append(box.next_try - clock.now)
            clock.now = max(clock.now, box.next_try)
    assert (len(courier.orders), waits[:4]) == (MOST_TRIES, [30.0, 120.0, 480.0, 1920.0])
    (*_, last) = outbox.read(world).log
    assert (last.gave_up, last.words) == (True, FAILED.words)
    assert FAILED.words in caplog.text
    say("fault", "two", clock=clock)
    follower.step()
    assert courier.bodies[-1] == "two"


def test_what_happened_meanwhile_goes_in_one_notice(world: World) -> None:
    clock, courier = Clock(), Courier(FAILED)
    follower = told(world, courier, clock, events=["level_up", "fault"])
    for kind, message in (("skill_level_up", "BIN 2"), ("skill_level_up", "BIN 3"), ("fault", "loss is NaN")):
        say(kind, message, clock=clock)
        follower.step()
    clock.now += 31
    follower.step()
    assert courier.bodies[1:] == ["2 level-ups, the newest: BIN 3\nloss is NaN"]
    assert courier.orders[1].title == "DIO: 2 level-ups, 1 fault"


def test_one_that_fails_holds_up_no_other(world: World) -> None:
    clock, courier = Clock(), Courier(FAILED)
    destinations.add(world, "mail", "json://127.0.0.1:2/", {"events": ["fault"]})
    follower = told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)
    follower.step()
    follower.step()
    assert len(courier.orders) == 2
    seen = outbox.read(world)
    assert sorted(outcome.ok for outcome in seen.log) == [False, True]


def test_a_flood_is_bounded_and_counted(world: World) -> None:
    clock, courier = Clock(), Courier()
    follower = told(world, courier, clock, events=["fault"], digest="daily")
    flood = [
        ChronicleEntry(source="flood", source_seq=seq, kind="fault", message=str(seq), time="2026-07-01T12:00Z")
        for seq in range(MOST_WAITING + 50)
    ]
    ChronicleEntry.objects.bulk_create(flood)
    follower.step()
    assert len(outbox.read(world).boxes["phone"].waiting) == MOST_WAITING
    clock.now += 24 * 3600
    follower.step()
    assert courier.bodies == [f"{MOST_WAITING} faults, the newest: {MOST_WAITING + 49}\nand 50 more"]


def test_a_database_made_anew_tells_only_what_is_new(world: World) -> None:
    clock, courier = Clock(), Courier()
    follower = told(world, courier, clock, events=["fault"])
    for at in range(3):
        say("fault", f"old {at}", clock=clock, source="battle")
        clock.now += 1
    follower.step()
    ChronicleEntry.objects.all().delete()
    clock.now -= 2
    for at in range(3):
        say("fault", f"again {at}", clock=clock, source="arena")
    clock.now += 60
    say("fault", "new", clock=clock, source="arena")
    follower.step()
    assert courier.bodies[1:] == ["new"]


def test_without_a_destination_nothing_is_read_or_written(world: World) -> None:
    say("fault", "one", clock=Clock())
    Notifier(world, send=Courier()).step()
    assert not (world.status / outbox.FILE).exists()


def test_a_removed_destination_begins_anew(world: World) -> None:
    clock, courier = Clock(), Courier()
    follower = told(world, courier, clock, events=["fault"])
    destinations.remove(world, "phone")
    follower.step()
    say("fault", "unheard", clock=clock)
    follower.step()
    destinations.add(world, "phone", "json://127.0.0.1:1/", {"events": ["fault"]})
    follower.step()
    say("fault", "heard", clock=clock)
    follower.step()
    assert courier.bodies == ["heard"]


def test_a_damaged_file_is_set_aside(world: World) -> None:
    clock, courier = Clock(), Courier()
    told(world, courier, clock, events=["fault"])
    (world.status / outbox.FILE).write_bytes(b"{ cut o")
    follower = Notifier(world, now=clock, send=courier)
    follower.step()
    say("fault", "one", clock=clock)
    follower.step()
    assert courier.bodies == ["one"]
    assert list(world.status.glob("notices.json.damaged-*"))


def sent_on_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    clock, courier = Clock(), Courier()
    follower = told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)

    def full(world: World, state: Outbox) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outbox, "write", full)
    for _ in range(3):
        follower.step()
    return len(courier.orders)


def test_a_full_disk_repeats_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent_on_a_full_disk(world, monkeypatch) == 1


def test_the_twin_that_trusts_the_disk_alone_repeats_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Notifier._keep

    def forgets(self: Notifier, state: Outbox) -> None:
        before = self._state()
        kept(self, state)
        if self._is_unwritten and len(state.log) > len(before.log):
            self._outbox = before

    monkeypatch.setattr(Notifier, "_keep", forgets)
    assert sent_on_a_full_disk(world, monkeypatch) == 3


def test_broken_settings_leave_the_old_ones_in_force(world: World, caplog: pytest.LogCaptureFixture) -> None:
    clock, courier = Clock(), Courier()
    follower = told(world, courier, clock, events=["fault"])
    with (world.home / "config.yaml").open("a") as file:
        file.write("notices: 3\n")
    say("fault", "one", clock=clock)
    for _ in range(3):
        follower.step()
    assert courier.bodies == ["one"]
    assert caplog.text.count("what was set before") == 1


def test_a_clock_set_back_does_not_silence(world: World) -> None:
    clock, courier = Clock(), Courier(FAILED)
    follower = told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)
    follower.step()
    clock.now -= 30 * 24 * 3600
    follower.step()
    assert len(courier.orders) == 2


def test_every_kind_that_is_told_is_said_by_the_realm() -> None:
    later = {"service_restarted", "service_stuck", "service_gave_up", "service_recovered", "weaver_mended"}
    later |= {"finding", "finding_gone"}
    assert set(notifier.OF_KIND) <= set(LOOKS) | later


def open_transactions_while_sending(world: World, *, wrapped: bool) -> int:
    """How many more than before are open while a server is waited for: each would keep the battle's daemon out."""
    clock, seen = Clock(), list[int]()

    def slow(order: Order) -> Answer:
        seen.append(len(connection.savepoint_ids))
        return Answer(ok=True)

    told(world, Courier(), clock, events=["fault"])
    say("fault", "one", clock=clock)
    before = len(connection.savepoint_ids)
    with transaction.atomic() if wrapped else nullcontext():
        Notifier(world, now=clock, send=slow).step()
    return seen[0] - before


def test_no_battle_waits_for_a_server(world: World) -> None:
    assert open_transactions_while_sending(world, wrapped=False) == 0


def test_the_twin_within_a_transaction_would_be_seen(world: World) -> None:
    assert open_transactions_while_sending(world, wrapped=True) == 1
