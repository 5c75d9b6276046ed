"""The report on return: a row only where the formatted value changed, kept apart for each who looks."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from arena.models import Battle, ChronicleEntry, Quest
from realm.world import World
from tavern.away import report as reports
from tavern.away.changes import Pair
from tavern.away.report import Report, report
from tavern.away.since import BadSince, parse_since
from tavern.models import Visitor
from tests.support.checkpoints import make_checkpoint
from tests.watchtower.factories import HERO, append_steps, make_battle, record, tell
from vault.index import scan
from vault.models import Checkpoint
from watchtower.achievements.record import read

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(hours=2)
REPORT = f"/away?since={SINCE.timestamp()}"
HX = {"HX-Request": "true"}


def told_at(moment: datetime, source: str, number: int, **data: Any) -> ChronicleEntry:
    entry = tell(source, number, **data)
    ChronicleEntry.objects.filter(pk=entry.pk).update(time=moment)
    return entry


@pytest.fixture
def night(world: World) -> World:
    """A battle that began before the absence and went on through it, over a level's border."""
    battle = make_battle(world, "b1", state=Battle.State.COMPLETED)
    Battle.objects.update(started_at=SINCE - timedelta(hours=1))
    ended = {"state": Quest.State.COMPLETED, "ended_at": NOW - timedelta(minutes=30)}
    Quest.objects.filter(pk=battle.quest_id).update(**ended)
    before, after = SINCE.timestamp() - 60, SINCE.timestamp() + 60
    append_steps(world, "b1", [record(step, time=before) for step in range(998, 1000)])
    append_steps(world, "b1", [record(step, time=after) for step in range(1000, 1003)])
    for step in (900, 1002):
        make_checkpoint(world.heroes, step, battle="b1")
    scan(world)
    for step, moment in ((900, SINCE - timedelta(hours=1)), (1002, NOW - timedelta(minutes=1))):
        Checkpoint.objects.filter(step=step).update(created_at=moment, val_loss=3000 / step, val_set_sha256="a" * 64)
    at = NOW - timedelta(minutes=30)
    told_at(at, "b1:quest_completed", 1, kind="quest_completed", battle="b1")
    told_at(at, "b1:skill_level_up", 1, kind="skill_level_up", step=1001, skill="bin", level=2, battle="b1")
    told_at(at, "b1:skill_level_lost", 2, kind="skill_level_lost", step=1002, skill="bin", level=1, battle="b1")
    told_at(SINCE - timedelta(minutes=1), "b1", 3, kind="fault", battle="b1")
    return world


def rows_of(found: Report) -> dict[str, str]:
    return {row.key: row.said for row in found.rows if row.key != "waited"}


def test_each_row_says_what_was_and_what_is(night: World) -> None:
    found = report(night, HERO, since=SINCE, until=NOW)
    assert rows_of(found) == {
        "level": "0 → 1", "steps": "999 → 1,002", "val_loss": "3.333 → 2.994", "quests": "1", "won": "1", "lost": "1",
        "gold": "0 → 100",
    }  # fmt: skip
    (lost,) = [row for row in found.rows if row.key == "lost"]
    assert lost.moments[0].href == "/battles/b1/replay#step=1002"


def test_losses_over_two_sets_are_not_compared(night: World) -> None:
    Checkpoint.objects.filter(step=900).update(val_set_sha256="b" * 64)
    assert "val_loss" not in rows_of(report(night, HERO, since=SINCE, until=NOW))


def rows_without_a_change(world: World) -> dict[str, str]:
    return rows_of(report(world, HERO, since=NOW - timedelta(seconds=1), until=NOW))


def test_where_nothing_changed_there_is_no_row(night: World) -> None:
    assert rows_without_a_change(night) == {}
    assert not report(night, HERO, since=NOW - timedelta(seconds=1), until=NOW).happened


def test_twin_unless_values_are_compared_as_they_are_written(night: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def every(key: str, pair: Pair, written: Any) -> Any:
        yield reports._row(key, f"{written(pair.before)} → {written(pair.after)}", [])

    monkeypatch.setattr(reports, "_changed", every)
    assert rows_without_a_change(night) != {}


def test_who_comes_back_gets_one_report_and_the_next_time_none(client: Client, night: World) -> None:
    assert "data-due" not in client.get("/").content.decode(), "who was never here was not away"
    first = client.post("/away/seen", headers=HX).json()
    assert (first["gap_s"], first["unread"]) == (pytest.approx(0, abs=5), 0)
    Visitor.objects.update(seen_at=SINCE)
    page = client.get("/").content.decode()
    assert "data-due" in page
    assert "You were away for" in page, "without a script too"
    told = client.post("/away/report", headers=HX).content.decode()
    assert "Levels lost" in told
    assert "0 → 1" in told
    assert "data-due" not in client.get("/").content.decode()


def test_a_page_that_was_hidden_tells_nothing_if_another_was_looked_at(client: Client, night: World) -> None:
    client.post("/away/seen", headers=HX)
    Visitor.objects.update(seen_at=SINCE)
    hidden = {"since": SINCE.timestamp(), "hidden": "yes"}
    assert "Levels lost" in client.post("/away/report", hidden, headers=HX).content.decode()
    assert client.post("/away/report", hidden, headers=HX).status_code == 204


def test_two_browsers_are_away_for_themselves(client: Client, world: World) -> None:
    other = Client()
    client.post("/away/seen", headers=HX)
    Visitor.objects.update(seen_at=SINCE)
    other.post("/away/seen", headers=HX)
    assert "data-due" in client.get("/").content.decode()
    assert "data-due" not in other.get("/").content.decode()


def test_a_row_is_hidden_for_good_and_shown_again(client: Client, night: World) -> None:
    client.post("/away/seen", headers=HX)
    client.post("/away/rows", {"row": "gold"}, headers=HX)
    page = client.get(REPORT).content.decode()
    assert 'data-row="gold"' not in page
    assert 'data-row="level"' in page
    assert "Show gold" in client.get("/settings").content.decode()
    client.post("/away/rows", {"row": "gold", "show": "yes", "settings": "yes"})
    assert 'data-row="gold"' in client.get(REPORT).content.decode()
    assert client.post("/away/rows", {"row": "nonsense"}).status_code == 400


def test_nothing_happened_is_said_and_is_an_achievement(client: Client, world: World) -> None:
    (world.heroes / HERO).mkdir()
    client.post("/away/seen", headers=HX)
    Visitor.objects.update(seen_at=timezone.now() - timedelta(hours=2))
    assert "Nothing happened." in client.post("/away/report", headers=HX).content.decode()
    assert "nothing_happened" in read(world, HERO)


@pytest.mark.parametrize(
    ("text", "moment"),
    [("", NOW - timedelta(hours=8)), ("90m", NOW - timedelta(minutes=90)), ("0", datetime(1970, 1, 1, tzinfo=UTC))],
)
def test_since_when(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["tomorrow", "9" * 12, "-1", "8 hours", "2999-01-01", "1e9h"])
def test_what_is_no_moment_is_refused_in_words(client: Client, world: World, text: str) -> None:
    with pytest.raises(BadSince, match="since"):
        parse_since(text, NOW)
    assert client.get("/away", {"since": text}).status_code == 400
    assert client.get("/api/away", {"since": text}).status_code == 422


def test_the_command_says_what_the_api_says(night: World, client: Client) -> None:
    out = io.StringIO()
    call_command("away", "--since", str(SINCE.timestamp()), "--json", stdout=out)
    rows = {row["key"]: row["said"] for row in json.loads(out.getvalue())["rows"]}
    assert rows["level"] == "0 → 1"
    assert {row["key"] for row in client.get(f"/api{REPORT}").json()["rows"]} >= rows.keys() - {"waited"}
    out = io.StringIO()
    call_command("away", "--since", str(SINCE.timestamp()), stdout=out)
    assert "While you were away for 2h " in out.getvalue()
    with pytest.raises(CommandError, match="since"):
        call_command("away", "--since", "soon")


def test_a_hundred_thousand_entries_cost_a_bounded_number_of_questions(
    night: World, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(40):
        report(night, HERO, since=SINCE, until=NOW)


def test_gold_of_a_hero_is_not_lessened_by_what_another_one_earned(night: World) -> None:
    (night.heroes / "GALAHAD").mkdir()
    earned = make_battle(night, "g1", state=Battle.State.COMPLETED)
    Battle.objects.filter(pk=earned.pk).update(hero="GALAHAD")
    Quest.objects.filter(pk=earned.quest_id).update(state=Quest.State.COMPLETED, ended_at=SINCE - timedelta(hours=1))
    found = {row.key: row.said for row in report(night, "GALAHAD", since=SINCE, until=NOW).rows}
    assert "gold" not in found, "the quest of this night is DIO's"


def test_nothing_is_won_by_a_time_in_which_somebody_looked(client: Client, world: World) -> None:
    (world.heroes / HERO).mkdir(exist_ok=True)
    client.post("/away/report", {"since": "8h"}, headers=HX)
    assert "nothing_happened" not in read(world, HERO)
