"""The Guild Hall without a browser: what it shows of skills and runs, and what each form leaves."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from arena.models import Battle, Quest
from guild.models import Evaluation, EvaluationTask, Run
from guild.skills import health, samples
from guild.skills.registry import get_skill
from guild.tasks.only_master import only_master
from guild.trainers.problems import Problem
from realm.world import World
from tavern.guild import views
from tavern.guild.grid import PER_PAGE
from tests.support.checkpoints import make_checkpoint
from tests.support.pages import in_one_line
from tests.support.tavern_guild import HERO, a_run, answered, skill_folder, works_on, write_skill
from tests.support.tavern_quests import HOSTILE

__all__ = ["skill_folder"]  # a fixture
pytestmark = pytest.mark.django_db
MOST_QUERIES = 40


@pytest.fixture(autouse=True)
def _skills(world: World, skill_folder: Path) -> None:
    """Every test has a world and skills of its own."""


def page(client: Client, address: str = "/guild", status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content[-2000:]
    return in_one_line(response.content.decode())


def read(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def section(html: str, name: str) -> str:
    (found,) = re.findall(rf'<section[^>]* id="{name}".*?</section>', html, re.DOTALL)
    return str(found)


def steps(html: str) -> list[str]:
    (strip,) = re.findall(r'<ol class="steps".*?</ol>', html, re.DOTALL)
    return re.findall(r'<li class="(\w+)"', strip)


def test_an_empty_world_claims_nothing(client: Client) -> None:
    html = page(client)
    text = read(html)
    assert "level 1 of 3" in text
    assert "0 of 3 in a row" in text
    assert "no checkpoint was asked at this level yet" in text
    assert "No checkpoint was asked about Bits yet" in text
    assert "No run yet" in text
    assert "%" not in read(section(html, "skills")).replace("80%", "")


def test_levels_won_lost_and_worked_on(client: Client) -> None:
    works_on(3)
    for step in (1, 2, 3):
        answered(step, 10, level=1)
        answered(step, 10, level=2)
    for step in (4, 5):
        answered(step, 0, level=1)
    answered(6, 9, level=3)
    html = page(client)
    assert steps(html) == ["lost", "won", "current"]
    text = read(html)
    assert "level 3 of 3" in text
    assert "1 of 3 in a row" in text
    assert "lost again: level 1" in text
    assert "✓ 90%" in re.sub("✓", "✓ ", text)


def test_the_grid_has_the_newest_checkpoint_first_and_says_in_text_what_it_colours(client: Client) -> None:
    answered(100, 10)
    answered(200, 0)
    answered(300, 5, level=2)
    grid = section(page(client), "grid")
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", grid, re.DOTALL)
    assert [read(row).split()[1] for row in rows] == ["300", "200", "100"]
    assert "✓100%" in rows[2]
    assert "✗0%" in rows[1]
    assert "not asked" in rows[0]
    assert "50%" in rows[0]
    assert "5 of 10 right, answered by trainer" in rows[0]
    assert '<caption class="unseen">' in grid


def test_the_grid_is_shown_page_by_page(client: Client) -> None:
    for step in range(1, 31):
        answered(step, 10)
    first = section(page(client, "/guild?grid=bits"), "grid")
    last = section(page(client, "/guild/panels/grid?grid=bits&page=3"), "grid")
    assert "1–12 of 30 checkpoints" in first
    assert first.count('scope="row"') == 12
    assert re.findall(r"step (\d+)", last) == ["6", "5", "4", "3", "2", "1"]


def fill(checkpoints: int, levels: int) -> None:
    Evaluation.objects.bulk_create(
        Evaluation(
            hero=HERO, checkpoint=f"checkpoint-{step}", step=step, skill="many", level=level, correct=step % 11,
            total=10, evaluated_at=datetime.now(UTC),
        )
        for step in range(1, checkpoints + 1) for level in range(1, levels + 1)
    )  # fmt: skip


@pytest.mark.slow
def test_no_more_queries_for_80_levels_and_1000_checkpoints_than_for_one(client: Client, skill_folder: Path) -> None:
    write_skill(skill_folder, "many", levels=80)
    addresses = ("/guild?grid=many", "/guild/many")
    fill(1, 1)
    few = [queries(client, address) for address in addresses]
    Evaluation.objects.all().delete()
    fill(1000, 80)
    many = [queries(client, address) for address in addresses]
    assert all(after <= before + 2 < MOST_QUERIES for before, after in zip(few, many, strict=True)), (few, many)
    assert page(client, addresses[0]).count('scope="row"') == PER_PAGE


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as found:
        page(client, address)
    return len(found)


def test_a_grid_that_asks_for_each_cell_is_noticed(
    client: Client, skill_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage twin of the above."""
    write_skill(skill_folder, "many", levels=80)
    fill(20, 80)
    whole = views.read_grid

    def cell_by_cell(hero: str, skill: Any, *, page: Any = None) -> Any:
        grid = whole(hero, skill, page=page)
        for line in grid.lines:
            for level in grid.levels:
                Evaluation.objects.filter(hero=hero, checkpoint=line.checkpoint, level=level).first()
        return grid

    monkeypatch.setattr(views, "read_grid", cell_by_cell)
    assert queries(client, "/guild?grid=many") > MOST_QUERIES


def test_a_broken_skill_file_is_named_and_the_others_stay(client: Client, skill_folder: Path) -> None:
    (skill_folder / "broken.yaml").write_text("title: Broken\nnonsense: <script>alert(1)</script>\n", encoding="utf-8")
    html = page(client)
    assert "Skill files that cannot be used" in html
    assert "broken.yaml: unknown key" in read(html)
    assert "<script>alert" not in html
    assert "Bits" in html


def test_a_trainer_that_is_down_is_told_with_its_reason(client: Client, world: World, skill_folder: Path) -> None:
    write_skill(skill_folder, "far", title="Far", trainer="http", more="api_url: http://127.0.0.1:9\n")
    health.mark_down(world, "far", "nobody answers <b>")
    html = page(client)
    assert "Its trainer is down: nobody answers &lt;b&gt;; tried again in" in html
    assert "trainer: server http://127.0.0.1:9" in html


def test_skills_that_rest_stand_apart(client: Client, skill_folder: Path) -> None:
    write_skill(skill_folder, "resting", title="Resting one", more="priority: 0\n")
    html = page(client)
    write_skill(skill_folder, "later", title="Later one", more="requires: {bits: 2}\n")
    html = page(client)
    assert html.index("At rest") < html.index("Later one") < html.index("Resting one")
    assert "it joins when the hero has reached bits level 2" in html
    assert "its priority is 0" in html
    assert html.index("Bits") < html.index("At rest")


def test_what_players_and_files_say_is_escaped(client: Client) -> None:
    run = a_run(title=HOSTILE[:160], message=HOSTILE, parameters={"skill": "bits", "note": HOSTILE})
    EvaluationTask.objects.create(
        hero=HERO, checkpoint=HOSTILE[:80], step=1, skill="bits", level=1, state="failed", reason=HOSTILE
    )
    for address in ("/guild", f"/guild/runs/{run.pk}"):
        html = page(client, address)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "&lt;script&gt;alert" in html


def test_the_evaluation_queue_tells_what_waits_and_what_failed(client: Client) -> None:
    for level, state in ((1, "waiting"), (2, "failed"), (3, "done")):
        EvaluationTask.objects.create(
            hero=HERO, checkpoint="c", step=7, skill="bits", level=level, state=state, reason="the host is gone"
        )
    text = read(section(page(client), "evaluations"))
    assert "1 waiting" in text
    assert "bits level 2 step 7 failed" in text
    assert "the host is gone" in text
    assert "level 3" not in text


# Forms


def ask(client: Client, kind: str, **fields: Any) -> Any:
    return client.post(f"/guild/ask/{kind}", {f"{kind}-{key}": value for key, value in fields.items()})


def test_a_forge_is_asked_for_as_a_run(client: Client) -> None:
    assert ask(client, "forge", skill="bits", levels="1, 2-3", count="30").status_code == 302
    run = Run.objects.get()
    assert (run.kind, run.state, run.created_by) == ("forge", "waiting", "Guild Hall")
    assert (run.parameters["skill"], run.parameters["levels"], run.parameters["count"]) == ("bits", [1, 2, 3], 30)
    html = page(client)
    assert f'value="stop {run.pk}"' in html
    assert "No Task Master lives" in html


def test_sparring_and_trial_are_asked_for_as_runs(client: Client, world: World) -> None:
    given = ask(client, "sparring", skill="bits", count="20", checkpoint="newest", level="")
    assert "DIO has no checkpoint yet" in given.content.decode()
    assert not Run.objects.exists()
    make_checkpoint(world.heroes, 7)
    assert ask(client, "sparring", skill="bits", count="20", checkpoint="newest", level="").status_code == 302
    given = ask(client, "trial", checkpoints="base, 5", skills=["bits"], levels="2", problems="")
    assert given.status_code == 302, given.content.decode()
    trial, sparring = Run.objects.order_by("-id")
    assert (sparring.kind, sparring.parameters["count"], sparring.parameters["level"]) == ("sparring", 20, None)
    assert trial.parameters["checkpoints"] == ["base", "5"]
    assert trial.parameters["levels"] == {"bits": [2]}


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("forge", {"skill": "bits", "levels": "0-2", "count": "5"}, "is no range of levels"),
        ("forge", {"skill": "bits", "levels": "x", "count": "5"}, "is no level"),
        ("forge", {"skill": "bits", "levels": "9", "count": "5"}, "bits has no level 9; it has 1 to 3"),
        ("forge", {"skill": "none", "levels": "1", "count": "5"}, "Select a valid choice"),
        ("forge", {"skill": "bits", "levels": "1", "count": "0"}, "greater than or equal to 1"),
        ("trial", {"checkpoints": "newest", "skills": ["bits"]}, "DIO has no checkpoint yet"),
        ("trial", {"checkpoints": "base", "skills": []}, "This field is required"),
        ("sparring", {"skill": "bits", "count": "10", "checkpoint": "newest", "level": "7"}, "bits has no level 7"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_beside_the_field_and_nothing_typed_is_lost(
    client: Client, kind: str, fields: dict[str, Any], said: str
) -> None:
    response = ask(client, kind, **fields)
    html = response.content.decode()
    assert response.status_code == 400
    assert said in read(html).replace("&#x27;", "'")
    assert re.search(rf'<details[^>]* id="ask-{kind}" open', html)
    typed = next(value for key, value in fields.items() if key in ("levels", "checkpoints", "checkpoint"))
    assert f'value="{typed}"' in html
    assert not Run.objects.exists()


def test_the_page_says_whether_a_task_master_lives(client: Client, world: World) -> None:
    assert "No Task Master lives" in page(client)
    with only_master(world):
        assert "No Task Master lives" not in page(client, "/guild/panels/master")


# Runs


def order(client: Client, do: str, *, htmx: bool = True) -> Any:
    return client.post("/guild/runs/orders", {"do": do}, headers={"hx-request": "true"} if htmx else {})


def test_runs_are_stopped_begun_again_and_deleted(client: Client) -> None:
    waiting, over = a_run(state="waiting", started_at=None), a_run(title="the old one")
    assert "stopped before it began" in order(client, f"stop {waiting.pk}").content.decode()
    assert order(client, f"again {waiting.pk}").status_code == 200
    waiting.refresh_from_db()
    assert waiting.state == "waiting"
    assert order(client, f"again {over.pk}").status_code == 200
    twin = Run.objects.order_by("-id")[0]
    assert (twin.title, twin.state, twin.parameters) == ("the old one", "waiting", over.parameters)
    assert order(client, f"delete {over.pk}", htmx=False).status_code == 302
    assert not Run.objects.filter(pk=over.pk).exists()


@pytest.mark.parametrize("do", ["", "stop", "burn 1", "stop x", "stop 99999999999999999999", "delete 1e3"])
def test_orders_that_no_button_sends_are_refused(client: Client, do: str) -> None:
    assert order(client, do).status_code == 400


def test_a_run_that_is_not_over_is_not_deleted(client: Client) -> None:
    run = a_run(state="waiting")
    assert order(client, f"delete {run.pk}").status_code == 409
    assert Run.objects.filter(pk=run.pk).exists()
    assert order(client, "delete 12345").status_code == 409


def test_a_run_whose_process_died_is_told_as_failed(client: Client) -> None:
    run = a_run(state="running", pid=2**22 + 7)
    assert "its process died" in read(page(client, f"/guild/runs/{run.pk}"))


def cell(level: int, correct: int, low: float, high: float, **fields: Any) -> dict[str, Any]:
    return {"skill": "bits", "level": level, "correct": correct, "total": 10, "low": low, "high": high, **fields}


def a_trial(*correct: int) -> Run:
    wrong = [{"problem": "NOT <1>", "answer": "0 & 1", "expected": "01"}]
    cells = [cell(level, right, 0.1, 0.9, wrong=wrong) for level, right in enumerate(correct, 1)]
    columns = [{"checkpoint": "checkpoint-7", "step": 7, "sha256": "ab", "cells": cells}]
    events = [{"seq": 1, "time": "2026-11-21T12:00:00", "done": 1, "total": 2, "message": "it is loaded"}]
    return a_run(results={"columns": columns, "seconds": 2.5, "events": events})


def test_a_trial_shows_its_matrix_with_intervals_and_wrong_answers(client: Client) -> None:
    text = read(page(client, f"/guild/runs/{a_trial(8, 3).pk}"))
    assert "8/10 10.0% – 90.0%" in text
    assert "bits 2" in text
    assert "NOT &lt;1&gt;" in text
    assert "0 &amp; 1" in text
    assert "it is loaded" in text


def test_two_trials_are_compared_with_what_noise_allows(client: Client) -> None:
    before, after = a_trial(1, 5), a_trial(10, 5)
    for address in (f"a={before.pk}&b={after.pk}", f"run={after.pk}&run={before.pk}"):
        text = read(page(client, f"/guild/runs/compare?{address}"))
        assert "1/10 checkpoint-7" in text
        assert re.search(r"bits 1 .*? better bits 2 .*? no clear difference", text)


@pytest.mark.parametrize("query", ["", "a=1", "a=x&b=2", "run=1&run=1"])
def test_a_comparison_needs_two(client: Client, query: str) -> None:
    response = client.get(f"/guild/runs/compare?{query}", follow=True)
    assert "Tick two runs" in response.content.decode()


def sparred_at(level: int) -> Run:
    """Its battle went from step 100 to 120."""
    name = f"sparring-bits-level-{level}-100-0001"
    result = {
        "hero": HERO, "skill": "bits", "level": level, "checkpoint": "checkpoint-100", "step": 100, "sha256": None,
        "asked": 50, "wrong": 20, "examples": 60, "quest": name, "file": f"inbox/high/{name}.jsonl", "seconds": 1.0,
    }  # fmt: skip
    run = a_run(kind="sparring", parameters={"hero": HERO, "skill": "bits"}, results=result)
    quest = Quest.objects.create(name=name, sha256="ab", size_bytes=1, arrived_at=datetime.now(UTC))
    Battle.objects.create(
        battle_id="q-0", quest=quest, hero=HERO, started_at=datetime.now(UTC), first_step=100, total_steps=20
    )
    return run


def test_a_sparring_says_what_its_battle_cost_the_levels_below(client: Client) -> None:
    run = sparred_at(3)
    addresses = (f"/guild/runs/{run.pk}", "/guild/bits")
    assert "levels below: --" in read(page(client, addresses[0]))
    for step, level, correct in ((100, 3, 5), (120, 3, 6), (100, 1, 10), (120, 1, 0)):
        answered(step, correct, level=level)
    for address in addresses:
        assert "level 1: -100.0 points 10/10 at step 100, 0/10 at step 120 ; others --" in read(page(client, address))
    for step in (100, 120):
        answered(step, 10, level=2)
    for address in addresses:
        text = read(page(client, address))
        assert "0/10 at step 120 ; level 2: +0.0 points (no clear difference)" in text
        assert "others --" not in text


def test_a_sparring_and_a_trial_are_not_compared(client: Client) -> None:
    one, other = a_trial(1), a_run(kind="sparring")
    response = client.get(f"/guild/runs/compare?a={one.pk}&b={other.pk}", follow=True)
    assert "compare two of a kind" in response.content.decode()


def test_results_of_another_version_do_not_break_the_page(client: Client) -> None:
    run = a_run(results={"columns": "none", "seconds": {}})
    assert "in a form that is not known here" in page(client, f"/guild/runs/{run.pk}")
    page(client, f"/guild/runs/compare?a={run.pk}&b={a_trial(1).pk}")


def test_only_running_runs_are_asked_for_often(client: Client) -> None:
    a_run()
    assert "data-busy" not in page(client, "/guild/panels/runs")
    a_run(state="waiting")
    assert "data-busy" in page(client, "/guild/panels/runs")


@pytest.mark.parametrize("address", ["/guild/runs/999", "/guild/runs/99999999999999999999999", "/guild/nothing"])
def test_what_is_not_there_is_a_page_that_says_so(client: Client, address: str) -> None:
    page(client, address, 404)


# A skill


def test_the_page_of_a_skill_has_problems_curve_and_runs(client: Client) -> None:
    answered(10, 9)
    a_run(title="of these bits")
    a_run(title="of others", parameters={"skill": "other"})
    html = page(client, "/guild/bits?level=2")
    assert html.count("<dt>NOT") == samples.SAMPLES
    assert '{"step": [10], "level": [1], "accuracy": [0.9], "branch": [""]}' in html
    assert "of these bits" in html
    assert "of others" not in html
    assert "<dt>NOT" not in page(client, "/guild/bits")
    assert "<dt>NOT" in page(client, "/guild/bits/samples?level=99999")


class SlowTrainer:
    def __init__(self, may_answer: threading.Event) -> None:
        self.may_answer = may_answer

    def sample(self, *, level: int, count: int) -> list[Problem]:
        self.may_answer.wait(30)
        return [Problem(prompt=f"p{level}", answer="a", skill="far", level=level)]


def test_a_slow_trainer_holds_nobody_up(skill_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_skill(skill_folder, "far", trainer="http", more="api_url: http://127.0.0.1:9\n")
    may_answer = threading.Event()
    monkeypatch.setattr(samples, "get_trainer", lambda name: SlowTrainer(may_answer))
    found = samples.read(get_skill("far"), 1, timeout_seconds=0.05)
    may_answer.set()
    assert "did not answer" in found.trouble
    assert [problem.prompt for problem in samples.read(get_skill("far"), 2).problems] == ["p2"]


def test_an_unreachable_trainer_is_told(client: Client, skill_folder: Path) -> None:
    write_skill(skill_folder, "far", trainer="http", more="api_url: http://127.0.0.1:9\n")
    assert 'class="trouble' in page(client, "/guild/far/samples?level=1")
