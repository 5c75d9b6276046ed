"""What the guardian did and what patrols found stands in the chronicle once, whoever reads it how often."""

from __future__ import annotations

import json
import time
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError
from pytest_django import DjangoAssertNumQueries

from arena.models import ChronicleEntry
from realm.world import World
from sentinels import record
from sentinels.guardian.events import EventFile
from sentinels.inspector.finding import UNKNOWN, Finding, ok, trouble, warning
from sentinels.inspector.report import HEALTH_FILE, read_report, write_report
from sentinels.record import Record, take_in
from tavern.log_looks import LOOKS

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return list(ChronicleEntry.objects.order_by("id").values_list("kind", flat=True))


def messages() -> list[str]:
    return list(ChronicleEntry.objects.order_by("id").values_list("message", flat=True))


def patrolled(world: World, *found: Finding, at: float | None = None) -> int:
    """Entries that are added after a patrol that found this."""
    report = write_report(world, found)
    if at is not None:
        path = world.status / HEALTH_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"time": at}))
    assert read_report(world) is not None
    assert report.found == found
    return take_in(world)


def guarded(world: World) -> None:
    events = EventFile(world)
    events.add("stuck", "oracle", "it does not answer")
    events.add("restarted", "oracle", "oracle was started again", ("Traceback", "ValueError"))
    events.add("recovered", "oracle", "oracle works again")
    events.add("gave_up", "vault", "vault ended five times")
    events.add("mended", "", "supervisord was started again")
    events.flush()


def test_events_of_the_guardian_are_taken_in_once(world: World) -> None:
    guarded(world)
    assert take_in(world) == 5
    assert kinds() == [
        "service_stuck", "service_restarted", "service_recovered", "service_gave_up", "weaver_mended",
    ]  # fmt: skip
    entry = ChronicleEntry.objects.get(kind="service_restarted")
    assert (entry.source, entry.data) == ("guardian", {"service": "oracle", "lines": ["Traceback", "ValueError"]})
    assert take_in(world) == 0
    assert len(kinds()) == 5


def test_where_nothing_has_changed_the_database_is_let_be(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    kept = Record(world)
    kept.take_in()
    with django_assert_num_queries(0):
        assert kept.take_in() == 0
    guarded(world)
    assert kept.take_in() == 5
    write_report(world, [trouble("disk", "0.1 GB are free")])
    assert kept.take_in() == 1


def test_what_the_database_did_not_take_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Record(world)
    guarded(world)
    with monkeypatch.context() as patch:
        patch.setattr(record, "_patrol", Mock(side_effect=DatabaseError))
        with pytest.raises(DatabaseError):
            kept.take_in()
    assert kept.take_in() == 5


def test_twin_events_would_be_taken_in_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that forgot how far it was is refused by the chronicle itself."""
    guarded(world)
    take_in(world)
    monkeypatch.setattr(record, "_last_seq", lambda source: 0)
    with pytest.raises(Exception, match=r"(?i)unique"):
        take_in(world)


def test_a_finding_is_told_when_it_comes_and_when_it_goes(world: World) -> None:
    full = trouble("disk", "0.1 GB are free", "`rm something`", path="/x")
    assert patrolled(world, ok("arena", "idle"), full) == 1
    assert patrolled(world, trouble("disk", "0.2 GB are free")) == 0, "it is the same one"
    assert patrolled(world, warning("disk", "2 GB are free")) == 1, "it is another matter now"
    assert patrolled(world, ok("disk", "9 GB are free")) == 1
    assert patrolled(world, ok("disk", "9 GB are free")) == 0
    assert kinds() == ["finding", "finding", "finding_gone"]
    assert messages()[0] == "disk: 0.1 GB are free"
    first = ChronicleEntry.objects.earliest("id")
    assert (first.data["remedy"], first.data["verdict"], first.source) == ("`rm something`", "trouble", "patrol")


def flap(world: World, times: int) -> list[str]:
    now = time.time()
    for number in range(times):
        patrolled(world, trouble("disk", "full"), at=now + 2 * number)
        patrolled(world, ok("disk", "free"), at=now + 2 * number + 1)
    return kinds()


def test_one_that_comes_and_goes_is_not_told_each_time(world: World) -> None:
    assert len(flap(world, 10)) == record.MOST_CHANGES
    assert patrolled(world, trouble("disk", "full"), at=time.time() + 2 * 86400) == 1, "another day"


def test_twin_without_the_bound_it_would_flood(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_CHANGES", 1000)
    assert len(flap(world, 10)) == 20


def test_a_flood_of_findings_is_bounded_and_trouble_goes_first(world: World) -> None:
    many = [warning(f"thing {number:03}", "odd") for number in range(100)]
    assert patrolled(world, *many, trouble("disk", "full")) == record.MOST_OPEN
    assert messages()[0] == "disk: full"
    assert patrolled(world, *many, trouble("disk", "full")) == 0


def test_what_could_not_be_looked_at_is_not_gone(world: World) -> None:
    found = Finding(what="ledger summary", check="ledger", verdict="warning", sentence="old")
    patrolled(world, found)
    blind = Finding(what="ledger", check="ledger", verdict="trouble", sentence=f"{UNKNOWN}: OSError: x")
    assert patrolled(world, blind) == 1
    assert kinds() == ["finding", "finding"]
    assert patrolled(world, ok("ledger", "fine")) == 2, "now both are"


@pytest.mark.parametrize(
    "rubbish", [b"", b"[]", b'{"time": 1e99}', b'{"time": true}', b'{"time": 5, "found": [1, {}, {"what": "x"}]}']
)
def test_a_report_that_is_none_is_none(world: World, rubbish: bytes) -> None:
    (world.status / HEALTH_FILE).write_bytes(rubbish)
    assert take_in(world) == 0


def test_a_report_of_an_earlier_release_is_read(world: World) -> None:
    told: dict[str, Any] = {"time": 5.0, "found": [{"what": "disk", "verdict": "trouble", "said": "full"}]}
    (world.status / HEALTH_FILE).write_text(json.dumps(told))
    assert take_in(world) == 1
    assert messages() == ["disk: full"]


def test_each_kind_has_a_look() -> None:
    assert {*record.KINDS.values(), record.FOUND, record.GONE} <= set(LOOKS)
