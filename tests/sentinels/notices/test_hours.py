"""Quiet hours and digests, by clocks that are handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from realm.world import World
from sentinels.notices import hours
from sentinels.notices.hours import is_digest_due, is_quiet
from sentinels.notices.rules import Digest
from tests.sentinels.notices.post_office import Clock, Courier, say, told

BERLIN, NIGHT = "Europe/Berlin", "22:00-07:00"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("utc", "quiet", "is_so"),
    [
        ("2026-07-01T19:59:59", NIGHT, False), ("2026-07-01T20:00:00", NIGHT, True),  # summer: two hours ahead
        ("2026-07-02T04:59:59", NIGHT, True), ("2026-07-02T05:00:00", NIGHT, False),
        ("2026-01-01T20:59:59", NIGHT, False), ("2026-01-01T21:00:00", NIGHT, True),  # winter: one
        ("2026-03-29T04:59:59", NIGHT, True), ("2026-03-29T05:00:00", NIGHT, False),  # the night lost an hour
        ("2026-10-25T05:59:59", NIGHT, True), ("2026-10-25T06:00:00", NIGHT, False),  # and got it back
        ("2026-07-01T11:00:00", "13:00-14:00", True), ("2026-07-01T12:00:00", "13:00-14:00", False),
        ("2026-07-01T02:00:00", "", False),
    ],
)  # fmt: skip
def test_quiet_by_the_wall_clock(utc: str, quiet: str, is_so: bool) -> None:
    assert is_quiet(at(utc), quiet, BERLIN) is is_so


def test_the_twin_with_a_fixed_offset_is_wrong_in_winter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "_local", lambda moment, zone: moment + timedelta(hours=2))
    assert not is_quiet(at("2026-01-02T05:30:00"), NIGHT, BERLIN)
    monkeypatch.undo()
    assert is_quiet(at("2026-01-02T05:30:00"), NIGHT, BERLIN)


@pytest.mark.parametrize(
    ("digest", "oldest", "now", "is_due"),
    [
        ("immediate", "2026-07-01T10:00:00", "2026-07-01T10:00:00", True),
        ("hourly", "2026-07-01T10:01:00", "2026-07-01T10:59:59", False),
        ("hourly", "2026-07-01T10:59:59", "2026-07-01T11:00:00", True),
        ("daily", "2026-07-01T05:00:00", "2026-07-01T05:59:00", False),
        ("daily", "2026-07-01T05:00:00", "2026-07-01T06:00:00", True),
        ("daily", "2026-07-01T06:00:00", "2026-07-02T05:59:59", False),
        ("daily", "2026-03-28T08:00:00", "2026-03-29T05:59:59", False),  # 23 hours
        ("daily", "2026-03-28T08:00:00", "2026-03-29T06:00:00", True),
        ("daily", "2026-10-24T07:00:00", "2026-10-25T06:59:59", False),  # 25
        ("daily", "2026-10-24T07:00:00", "2026-10-25T07:00:00", True),
    ],
)
def test_a_digest_goes_at_its_hour(digest: Digest, oldest: str, now: str, is_due: bool) -> None:
    assert is_digest_due(at(oldest), at(now), digest, "08:00", BERLIN) is is_due


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 1), ("2026-10-25", 1)])
def test_an_hour_that_is_left_out_or_comes_twice_gives_one_digest(day: str, length: int) -> None:
    """At 02:30, every ten minutes of the day; each time what waits happened just before."""
    begin, step = at(f"{day}T00:00:00") - timedelta(hours=3), timedelta(minutes=10)
    moments = [begin + step * count for count in range(24 * 6)]
    due = [now for now in moments if is_digest_due(now - step, now, "daily", "02:30", BERLIN)]
    assert len(due) == length


@pytest.mark.django_db
def test_a_night_is_told_in_the_morning_in_one_notice(world: World) -> None:
    clock, courier = Clock(at("2026-07-01T21:00:00").timestamp()), Courier()
    (world.home / "config.yaml").write_text(f"notices:\n  time_zone: {BERLIN} # at home\n")
    follower = told(world, courier, clock, events=["level_up", "fault"], quiet=NIGHT)
    for level in (2, 3, 4):
        say("skill_level_up", f"BIN {level}", clock=clock)
        follower.step()
    clock.now = at("2026-07-02T05:00:00").timestamp() - 1
    follower.step()
    assert not courier.orders
    clock.now += 1
    follower.step()
    assert [order.title for order in courier.orders] == ["DIO: 3 level-ups while you slept"]
    assert "# at home" in (world.home / "config.yaml").read_text()


@pytest.mark.django_db
@pytest.mark.parametrize("breaks", [True, False])
def test_what_is_urgent_breaks_the_night_where_it_may(world: World, breaks: bool) -> None:
    clock, courier = Clock(at("2026-07-01T23:00:00").timestamp()), Courier()
    (world.home / "config.yaml").write_text("notices: {time_zone: UTC}\n")
    rules = {"events": ["level_up", "fault"], "quiet": NIGHT, "urgent_breaks_quiet": breaks}
    follower = told(world, courier, clock, **rules)
    say("skill_level_up", "BIN 2", clock=clock)
    say("fault", "loss is NaN", clock=clock)
    follower.step()
    assert courier.bodies == ["loss is NaN"] * breaks
    clock.now += 9 * 3600
    follower.step()
    assert courier.bodies[breaks:] == ["BIN 2" if breaks else "BIN 2\nloss is NaN"]
