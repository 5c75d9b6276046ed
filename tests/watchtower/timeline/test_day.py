"""The last day without a hole: what was recorded, and what battles and chronicle tell where nobody recorded."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arena.models import ChronicleEntry
from realm.world import World
from tests.watchtower.factories import append_steps, make_battle, record
from watchtower.timeline import day as days
from watchtower.timeline.day import day, read_day, whole
from watchtower.timeline.recorder import NOBODY
from watchtower.timeline.records import FILE, encode
from watchtower.timeline.spans import Kind, Span

pytestmark = pytest.mark.django_db
NOW = 1_800_000_000.0
START = NOW - 24 * 3600


def span(kind: Kind, start: float, end: float, why: str = "") -> Span:
    return Span(kind=kind, start=START + start, end=START + end, why=why)


def write(world: World, *spans: Span) -> None:
    (world.status / FILE).write_bytes(b"".join(map(encode, spans)))


def shape(spans: list[Span]) -> list[tuple[str, float, float]]:
    return [(each.kind, each.start - START, each.end - START) for each in spans]


def test_a_world_without_records_says_that_nobody_recorded(world: World) -> None:
    (only,) = day(world, now=NOW)
    assert (only.kind, only.seconds, only.why) == (Kind.UNKNOWN, 86_400.0, NOBODY)


def test_what_was_recorded_is_cut_to_the_day_and_goes_on_to_now(world: World) -> None:
    write(world, span(Kind.TRAINING, -3600, 3600), span(Kind.PAUSED, 3600, 86_380, "paused by tavern"))
    assert shape(day(world, now=NOW)) == [("training", 0, 3600), ("paused", 3600, 86_400)]


def test_of_no_time_at_all_there_is_nothing(world: World) -> None:
    write(world, span(Kind.TRAINING, -600, -300))
    assert day(world, now=NOW, hours=5e-324) == []


def test_a_hole_is_named(world: World) -> None:
    write(world, span(Kind.TRAINING, 0, 3600), span(Kind.TRAINING, 7200, 86_400))
    assert shape(day(world, now=NOW)) == [("training", 0, 3600), ("unknown", 3600, 7200), ("training", 7200, 86_400)]


def test_a_battle_fought_while_nobody_recorded_is_rebuilt_from_its_steps(world: World) -> None:
    write(world, span(Kind.FORGING, 0, 1000), span(Kind.FORGING, 5000, 86_400))
    battle = make_battle(world)
    battle.started_at = datetime.fromtimestamp(START + 1900, UTC)
    battle.save()
    moments = [*range(2000, 2500), *range(3000, 3100)]
    append_steps(world, "b1", [record(n, time=START + at, step_seconds=1.0) for n, at in enumerate(moments, 1)])
    found = day(world, now=NOW)
    assert shape(found) == [
        ("forging", 0, 1000), ("unknown", 1000, 1999), ("training", 1999, 2499), ("unknown", 2499, 2999),
        ("training", 2999, 3099), ("unknown", 3099, 5000), ("forging", 5000, 86_400),
    ]  # fmt: skip
    assert (found[2].quest, found[2].battle) == ("quest-b1", "b1")


def test_twin_without_the_steps_that_battle_would_be_unknown_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    battle = make_battle(world)
    battle.started_at = datetime.fromtimestamp(START, UTC)
    battle.save()
    append_steps(world, "b1", [record(n, time=START + n, step_seconds=1.0) for n in range(1, 100)])
    assert read_day(world, now=NOW).seconds[Kind.TRAINING] == 99
    monkeypatch.setattr(days, "_trained", lambda world, start, end: [])
    assert Kind.TRAINING not in read_day(world, now=NOW).seconds


def test_the_chronicle_explains_a_hole(world: World) -> None:
    def said(number: int, kind: str, at: float, message: str) -> None:
        ChronicleEntry.objects.create(
            source="arena", source_seq=number, kind=kind, time=datetime.fromtimestamp(START + at, UTC), message=message
        )

    write(world, span(Kind.TRAINING, 0, 1000), span(Kind.TRAINING, 2000, 86_400))
    said(1, "disk_trouble", 1001, "The battle waits: / is full")
    (_, hole, _) = day(world, now=NOW)
    assert (hole.kind, hole.why) == (Kind.WAITING, f"The battle waits: / is full; {NOBODY}")
    said(2, "disk_recovered", 1002, "The battle goes on")
    assert day(world, now=NOW)[1].kind == Kind.UNKNOWN


@pytest.mark.parametrize(("asked", "kind"), [("shutdown", Kind.OFF), ("pause", Kind.PAUSED), ("faults", Kind.PAUSED)])
def test_a_realm_that_was_stopped_was_off_and_not_paused(world: World, asked: str, kind: Kind) -> None:
    write(world, span(Kind.TRAINING, 0, 1000), span(Kind.TRAINING, 2000, 86_400))
    ChronicleEntry.objects.create(
        source="battle", source_seq=1, kind="battle_paused", time=datetime.fromtimestamp(START + 1001, UTC),
        message="Resting at step 7", data={"asked": asked},
    )  # fmt: skip
    (_, hole, _) = day(world, now=NOW)
    assert (hole.kind, hole.why) == (kind, f"Resting at step 7; {NOBODY}")


def test_the_document_and_the_command_say_the_same(world: World, client: Client) -> None:
    told = client.get("/api/system/timeline?hours=2", headers={"host": "localhost"}).json()
    assert told["until"] - told["from"] == pytest.approx(7200)
    assert told["idle"] == told["spans"]
    assert told["spans"][0]["why"] == NOBODY
    assert client.get("/api/system/timeline?hours=99", headers={"host": "localhost"}).status_code == 422
    out = io.StringIO()
    call_command("timeline", "--json", "--hours", "2", stdout=out)
    assert json.loads(out.getvalue())["seconds"] == {"unknown": pytest.approx(7200)}
    out = io.StringIO()
    call_command("timeline", stdout=out)
    assert f"unknown    {NOBODY}" in out.getvalue()
    for hours in ("25", "0", "nan", "x"):
        with pytest.raises(CommandError, match="no number of hours"):
            call_command("timeline", f"--hours={hours}")


MOMENTS = st.floats(-5000, 95_000, allow_nan=False)


@hypothesis_settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(Kind), MOMENTS, st.floats(0, 20_000)), max_size=12))
def test_every_second_is_in_one_span(recorded: list[tuple[Kind, float, float]]) -> None:
    found = whole([span(kind, start, start + lasts) for kind, start, lasts in recorded], START, NOW)
    assert (found[0].start, found[-1].end) == (START, NOW)
    assert all(before.end == after.start for before, after in pairwise(found))
    assert all(each.end > each.start for each in found)
