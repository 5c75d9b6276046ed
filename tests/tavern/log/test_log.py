"""The log: what belongs together is one row, on the page and in what the socket says."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from arena.models import ChronicleEntry
from realm.world import CHECKOUT, World
from tavern import log_groups
from tavern.log_groups import RANK, groups_of
from tavern.log_looks import LOOKS, entry_of
from tests.support.pages import in_one_line
from watchtower import selectors, telling

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, 14, 32, tzinfo=UTC)
BIN = {"skill": "bin", "level": 3}
OF_600: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("checkpoint_saved", "Checkpoint 600 saved", {"name": "checkpoint-600-20260101-1432"}),
    ("validated", "Validation loss 0.0200", {"val_loss": 0.02}),
    ("answered", "Answered 25 problems", {}),
    ("evaluated", "BIN level 3: 25 of 25 right", {**BIN, "correct": 25, "total": 25, "accuracy": 1.0}),
    ("skill_level_up", "BIN level 3 is won, level 4 begins", {"skill": "bin", "level": 4}),
    ("new_champion", "New champion!", {}),
)


def tell(entries: Iterable[tuple[str, str, dict[str, Any]]], *, step: int = 600) -> None:
    for kind, message, data in entries:
        number = ChronicleEntry.objects.count() + 1
        ChronicleEntry.objects.create(
            source="a", source_seq=number, kind=kind, time=NOW, step=step, message=message, data=data
        )


def rows(client: Client, address: str = "/log") -> list[str]:
    """The words of each row that one sees before opening any."""
    html = in_one_line(client.get(address).content.decode())
    listed = html.split('<ol id="entries"', 1)[1].split("</main>")[0]
    lines = re.sub(r"</summary><ol>.*?</ol>", "", listed)
    found = re.findall(r'<span class="what">(.*?)</span>(?:<span class="times">(.*?)</span>)?<time', lines)
    return [re.sub(r"<[^>]*>", "", " ".join(filter(None, row))) for row in found]


def test_what_a_checkpoint_brought_is_one_row(client: Client, world: World) -> None:
    tell(OF_600)
    line = "Checkpoint 600: val 0.02, BIN 3: 25 of 25 right, BIN 3 won, new champion"
    assert rows(client) == [line]
    assert rows(client, "/") == [line]


def test_what_comes_late_joins_its_checkpoint(client: Client, world: World) -> None:
    tell(OF_600[:1])
    tell([("quest_arrived", "rows.jsonl arrived", {})], step=0)
    tell(OF_600[3:4])
    assert rows(client) == ["rows.jsonl arrived", "Checkpoint 600: BIN 3: 25 of 25 right"]


def test_a_flood_is_one_row(client: Client, world: World) -> None:
    tell([("quest_arrived", f"{number}.jsonl arrived", {}) for number in range(150)], step=0)
    tell([("fault", "Loss is NaN", {})])
    tell([("quest_arrived", "last.jsonl arrived", {})], step=0)
    assert rows(client) == ["last.jsonl arrived", "Loss is NaN", "149.jsonl arrived ×150"]


def test_twin_without_groups_each_has_a_row(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "group_of", lambda *facts: "")
    tell(OF_600)
    assert len(rows(client)) == len(OF_600)


def test_branches_keep_their_checkpoints_apart() -> None:
    assert telling.group_of("validated", 600, {}) != telling.group_of("validated", 600, {"branch": "b2"})


def test_a_group_has_the_tone_of_its_worst() -> None:
    tell([*OF_600, ("skill_level_lost", "BIN level 2 is lost again", {"skill": "bin", "level": 2})])
    (group,) = groups_of(entry_of(event) for event in reversed(selectors.last_events(10**6)))
    assert group.tone == "ember"
    assert "BIN 2 lost" in group.briefs


def test_search_topic_and_pages(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tavern.log.views.ON_A_PAGE", 2)
    tell([("battle_started", f"Battle {number}", {}) for number in range(3)])
    tell([("disk_trouble", "The disk is full", {})], step=0)
    assert rows(client, "/log?topic=trouble") == ["The disk is full"]
    assert rows(client, "/log?q=disk") == ["The disk is full"]
    assert rows(client, "/log?topic=battles") == ["Battle 2", "Battle 1"]
    older = re.findall(r'href="(/log\?[^"]*before=\d+)"', client.get("/log?topic=battles").content.decode())
    assert rows(client, older[0].replace("&amp;", "&")) == ["Battle 0"]
    assert rows(client, "/log?topic=nothing") == []


def test_command_and_api_find_the_same(client: Client, world: World) -> None:
    tell(OF_600)
    out = io.StringIO()
    call_command("chronicle", "list", "--topic", "checkpoints", "--search", "champion", "--json", stdout=out)
    assert [entry["kind"] for entry in json.loads(out.getvalue())] == ["new_champion"]
    found = client.get("/api/dashboard/recent-activity?topic=checkpoints&q=champion").json()["activity"]
    assert [(entry["type"], entry["brief"]) for entry in found] == [("new_champion", "new champion")]


def test_figures_of_the_packing_proof_stand_in_the_tooltip(client: Client, world: World) -> None:
    proof = {"largest_difference": 1.5e-7, "largest_leak": 0.0}
    tell([("battle_started", "rows: 20 lessons in 1 step; packing proven", {"certificate": proof})])
    assert "within 1.5e-07; leak 0.0e+00 (2026-01-01 14:32:00 UTC)" in client.get("/log").content.decode()


def test_every_kind_with_a_look_has_a_topic() -> None:
    assert {kind for kinds in telling.TOPICS.values() for kind in kinds} <= set(LOOKS)


def test_the_browser_ranks_tones_alike() -> None:
    script = (CHECKOUT / "static/js/home/log.js").read_text()
    (ranked,) = re.findall(r"const RANK = \[(.*?)\]", script)
    assert tuple(re.findall(r'"(\w+)"', ranked)) == RANK == log_groups.RANK
    assert {look.tone for look in LOOKS.values()} <= set(RANK)
