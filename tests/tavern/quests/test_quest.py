"""One quest's page: report, refused rows and their mending, history, downloads, estimate."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from arena.gate import report as reports
from arena.models import ChronicleEntry
from arena.rows.parse import Refusal
from realm.world import World
from tavern.quests import quest as quest_page
from tests.support.pages import in_one_line
from tests.support.tavern_quests import HOSTILE, State, make_quest, path_of, write_report
from tests.watchtower import factories

pytestmark = pytest.mark.django_db

REFUSED = (Refusal(3, "not JSON: Expecting value", "json"), Refusal(9, "role 'tool' is not allowed", "role"))


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_a_page(world: World, client: Client, state: str) -> None:
    quest = make_quest(world, "mine", state, reason="because" if state == State.FAILED else "")
    bare = client.get(f"/quests/{quest.pk}").content.decode()
    assert ("On hold" if state == State.INSPECTED else quest.get_state_display()) in bare
    write_report(world, quest, refused=REFUSED)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    for said in (
        "not JSON: Expecting value",
        "role &#x27;tool&#x27; is not allowed",
        "40.0%",
        "90.0% full",
        quest.sha256,
    ):
        assert said in html, said


def test_refused_rows_stand_with_line_kind_and_text(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    write_report(world, quest, refused=REFUSED)
    page = quest_page.read_page(world, quest)
    assert [(row.line, row.kind, row.raw) for row in page.refused] == [
        (3, "json", '{"bad row": 3}'),
        (9, "role", '{"bad row": 9}'),
    ]
    assert page.mending is not None
    assert (page.mending.text, page.mending.whole) == ('{"bad row": 3}\n{"bad row": 9}', True)


def test_leaks_are_not_told_of_as_harmless(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", State.FAILED, reason="bad", refusal="bad-rows")
    leaks = tuple(Refusal(line, "its answer stands in its prompt", "leak") for line in (1, 2, 3))
    write_report(world, quest, refused=leaks, refused_by_kind={"leak": 3}, set_aside=3)
    html = in_one_line(client.get(f"/quests/{quest.pk}").content.decode())
    assert '<dt>refused</dt><dd>3</dd><dd class="how">3\N{NO-BREAK SPACE}leak</dd>' in html
    assert "set aside" not in html


def test_a_row_that_was_too_long_to_keep_moves_no_other_texts(world: World) -> None:
    quest = make_quest(world, "mine")
    endless = Refusal(5, "longer than 16 MiB", quest_page.TOO_LONG_LINE)
    write_report(world, quest, refused=(REFUSED[0], endless, REFUSED[1]), quarantined=2)
    reports.companion(path_of(world, quest), reports.QUARANTINE).write_text('{"bad row": 3}\n{"bad row": 9}\n')
    page = quest_page.read_page(world, quest)
    assert [row.raw for row in page.refused] == ['{"bad row": 3}', None, '{"bad row": 9}']


def test_without_telling_them_apart_texts_would_stand_at_the_wrong_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quest_page, "TOO_LONG_LINE", "nothing")
    quest = make_quest(world, "mine")
    endless = Refusal(5, "longer than 16 MiB", "too-long-line")
    write_report(world, quest, refused=(REFUSED[0], endless, REFUSED[1]), quarantined=3)
    reports.companion(path_of(world, quest), reports.QUARANTINE).write_text('{"bad row": 3}\n{"bad row": 9}\n')
    assert [row.raw for row in quest_page.read_page(world, quest).refused][1] == '{"bad row": 9}'


def test_an_incomplete_quarantine_is_not_guessed_at(world: World) -> None:
    quest = make_quest(world, "mine")
    write_report(world, quest, refused=REFUSED, quarantined=1)
    page = quest_page.read_page(world, quest)
    assert [row.raw for row in page.refused] == [None, None]
    assert page.mending is not None
    assert (page.mending.rows, page.mending.of) == (0, 2)


def test_mended_rows_become_a_quest_of_their_own(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", priority="high")
    write_report(world, quest, refused=REFUSED)
    answer = client.post(f"/quests/{quest.pk}/mend", {"text": '{"a": 1}\r\n{"a": 2}', "page_of": quest.pk})
    assert answer.headers["Location"] == f"/quests/{quest.pk}"
    assert (world.lane("high") / "mine-mended.jsonl").read_text() == '{"a": 1}\n{"a": 2}\n'


def test_mended_rows_are_trained_by_the_same_recipe(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    reports.companion(path_of(world, quest), reports.RECIPE).write_text("epochs: 2\n")
    client.post(f"/quests/{quest.pk}/mend", {"text": '{"a": 1}'})
    assert (world.lane("normal") / "mine-mended.jsonl.recipe.yaml").read_text() == "epochs: 2\n"
    reports.companion(path_of(world, quest), reports.RECIPE).write_text("betas: none\n")
    refused = client.post(f"/quests/{quest.pk}/mend", {"text": '{"a": 1}'}, headers={"hx-request": "true"})
    assert (refused.status_code, "betas" in refused.content.decode()) == (400, True)


def test_an_empty_mending_says_that_there_is_nothing_to_send(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    answer = client.post(f"/quests/{quest.pk}/mend", {"text": " \n"}, headers={"hx-request": "true"})
    assert answer.status_code == 400
    assert "There is nothing to send: " in answer.content.decode()


def test_mended_quests_have_names_of_their_own(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    make_quest(world, "mine-mended-2", State.COMPLETED)
    for _ in range(2):
        client.post(f"/quests/{quest.pk}/mend", {"text": '{"a": 1}'})
    again = make_quest(world, "mine-mended", State.FAILED)
    client.post(f"/quests/{again.pk}/mend", {"text": '{"a": 1}'})
    found = {path.name for path in world.lane("normal").glob("mine-*.jsonl")}
    assert found == {"mine-mended.jsonl", "mine-mended-3.jsonl", "mine-mended-4.jsonl"}


def test_only_broken_rows_are_mended_and_each_says_what_is_wrong(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    copies = (Refusal(1, "the same row as line 4", "duplicate"), Refusal(5, "it is evaluated", "evaluated"))
    write_report(world, quest, refused=(copies[0], REFUSED[0], copies[1], REFUSED[1]))
    mending = quest_page.read_page(world, quest).mending
    assert mending is not None
    assert (mending.text, mending.wrong) == ('{"bad row": 3}\n{"bad row": 9}', list(REFUSED))
    assert (mending.whole, mending.of, mending.passed_over) == (True, 2, 2)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert "the quarantine file</a>" not in html
    write_report(world, quest, refused=copies)
    assert quest_page.read_page(world, quest).mending is None


def test_what_the_editor_does_not_hold_is_said_to_be_in_the_quarantine(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    write_report(world, quest, refused=REFUSED, refused_count=5, refused_by_kind={"json": 5}, quarantined=5)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert "2 of 5 broken rows" in html
    assert f"<code>{quest.file}.quarantine</code>" in html


def test_huge_rows_are_cut_and_said_to_be(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    write_report(world, quest, refused=REFUSED)
    raw = b"x" * (quest_page.MOST_MENDED_BYTES - 10) + b"\n" + b"y" * 5000 + b"\n"
    reports.companion(path_of(world, quest), reports.QUARANTINE).write_bytes(raw)
    page = quest_page.read_page(world, quest)
    assert [(len(row.raw or ""), row.cut) for row in page.refused] == [(quest_page.MOST_RAW_BYTES, True)] * 2
    assert page.mending is not None
    assert (page.mending.rows, page.mending.whole) == (1, False)
    assert "1 of 2 broken rows" in client.get(f"/quests/{quest.pk}").content.decode()


def test_histogram_has_a_text_alternative_and_shows_every_row(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    write_report(world, quest)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert "from 3 to 24, half of them up to 8, 95 in 100 up to 20" in html
    bars = quest_page.histogram(((1, 8, 1000), (9, 16, 0), (17, 24, 1)))
    assert [(bar.height > 0, bar.y + bar.height) for bar in bars] == [(True, 100), (False, 100), (True, 100)]
    assert quest_page.histogram(()) == quest_page.histogram(((1, 8, 0),)) == []


def test_battles_show_their_certificate_and_flagged_examples(world: World, client: Client) -> None:
    battle = factories.make_battle(world, "b1")
    factories.append_steps(world, "b1", [factories.record(step) for step in range(1, 6)])
    certificate = {"holds": True, "largest_difference": 3.1e-7, "largest_gradient_difference": 2e-6,
                   "largest_leak": 4.5e-8, "tolerance": 1e-5, "leak_tolerance": 1e-5}  # fmt: skip
    factories.tell("b1", 1, kind="battle_started", certificate=certificate)
    (world.flagged_examples / "b1-step5.json").write_text("[]")
    factories.tell("b1", 2, kind="fault", flagged="b1-step5.json")
    factories.tell("b1", 3, kind="fault", flagged="../../secrets/key")
    html = in_one_line(client.get(f"/quests/{battle.quest_id}").content.decode())
    for said in ("holds", "3.1e-7", "2.0e-6", "4.5e-8", "5 of 100 steps", "flagged examples: b1-step5.json"):
        assert said in html, said
    for curves in ("curves.png", "curves.csv", "curves.json", "statistics"):
        assert f'href="/api/training/runs/b1/{curves}"' in html
    assert "secrets" not in html
    address = f"/quests/{battle.quest_id}/flagged"
    assert client.get(f"{address}/b1-step5.json").content == b"[]"
    assert client.get(f"{address}/other.json").status_code == 404
    assert client.get(f"{address}/..%2F..%2Fsecrets%2Fkey").status_code == 404


def test_history_is_this_quests_alone(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    factories.tell("arena", 1, kind="quest_arrived", quest="mine")
    factories.tell("arena", 2, kind="quest_arrived", quest="other")
    factories.tell("arena", 3, kind="quest_arrived", quest="mine")
    before = quest.arrived_at - timedelta(days=1)
    assert ChronicleEntry.objects.filter(source_seq=3).update(time=before) == 1
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert "quest_arrived 1" in html
    assert "quest_arrived 2" not in html
    assert "quest_arrived 3" not in html, "another quest of that name, long ago"


def test_an_evaluation_with_little_right_is_no_success(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    factories.tell("arena", 1, kind="evaluated", quest="mine", accuracy=0.0)
    factories.tell("arena", 2, kind="evaluated", quest="mine", accuracy=0.9)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert re.search(r'tone-plain"(?:(?!tone-).)*evaluated 1', html, re.DOTALL)
    assert re.search(r'tone-moss"(?:(?!tone-).)*evaluated 2', html, re.DOTALL)


def test_downloads_are_attachments_that_no_browser_renders(world: World, client: Client) -> None:
    quest = make_quest(world, HOSTILE)
    write_report(world, quest, refused=REFUSED)
    reports.companion(path_of(world, quest), reports.QUARANTINE).write_text("<script>alert(1)</script>\n")
    for name in ("report", "quarantine"):
        answer = client.get(f"/quests/{quest.pk}/{name}")
        told = answer.headers
        assert told["Content-Disposition"].startswith("attachment; filename=")
        assert told["X-Content-Type-Options"] == "nosniff"
        assert "html" not in told["Content-Type"]
        assert not set('<>"') & set(told["Content-Disposition"].removeprefix('attachment; filename="')[:-1])
    path_of(world, quest).unlink()
    for companion in reports.companions(path_of(world, quest)):
        companion.unlink()
    assert client.get(f"/quests/{quest.pk}/report").status_code == 404


def test_estimate_comes_from_the_report_without_reading_the_quest(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    assert "not looked at it yet" in client.get(f"/quests/{quest.pk}/estimate").content.decode()
    write_report(world, quest)
    path_of(world, quest).unlink()
    html = in_one_line(client.get(f"/quests/{quest.pk}/estimate").content.decode())
    assert "memory" in html
    assert " MB</dd>" in html
    assert "no battle like it was fought here yet" in html


def test_hostile_words_stay_words(world: World, client: Client) -> None:
    quest = make_quest(world, HOSTILE, State.FAILED, reason=HOSTILE, refusal="json")
    refused = (Refusal(3, HOSTILE, "json"),)
    write_report(
        world, quest, refused=refused, warnings=refused, warned_count=1, warned_by_kind={HOSTILE: 1},
        formats={HOSTILE: 1, "b": 2},
    )  # fmt: skip
    reports.companion(path_of(world, quest), reports.QUARANTINE).write_text(f"</textarea>{HOSTILE}\n")
    factories.tell("arena", 1, kind="quest_refused", quest=HOSTILE)
    ChronicleEntry.objects.update(message=HOSTILE)
    html = client.get(f"/quests/{quest.pk}").content.decode()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("</textarea>") == 1
    assert html.count("&lt;script&gt;alert(1)") >= 7


def test_a_report_of_another_kind_is_as_none(world: World, client: Client, settings: Settings) -> None:
    quest = make_quest(world, "mine")
    path: Path = reports.companion(path_of(world, quest), reports.REPORT)
    for text in ("{", "[]", json.dumps({"rows": "many"})):
        path.write_text(text)
        assert "No report lies beside the file" in client.get(f"/quests/{quest.pk}").content.decode()
