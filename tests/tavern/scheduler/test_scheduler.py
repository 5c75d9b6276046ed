"""The scheduler without a browser: what is forged next and why, the Task Master and its tasks, and what is saved."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from guild.curriculum.plan import plan, read_curriculum
from guild.tasks import run_requests, state
from guild.tasks.master import STATUS_FILE
from guild.tasks.only_master import only_master
from guild.tasks.state import LastRun, TaskState
from guild.tasks.task_settings import read_rules
from realm import config
from realm.disk import durable
from realm.world import World
from tavern import formatting
from tavern.scheduler import tasks, views
from tests.support.tavern_guild import HERO, answered, skill_folder, works_on, write_skill
from tests.support.tavern_quests import HOSTILE

__all__ = ["skill_folder"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _skills(world: World, skill_folder: Path) -> None:
    """Every test has a world and skills of its own."""


def page(client: Client, address: str = "/scheduler") -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content[-2000:]
    return response.content.decode()


def read(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def task(html: str, name: str) -> str:
    (found,) = re.findall(rf'<li class="task-card[^>]*id="task-{name}".*?</li>', html, re.DOTALL)
    return read(found)


def post(client: Client, address: str, **fields: Any) -> Any:
    return client.post(f"/scheduler/{address}", fields, follow=True)


def ran(world: World, name: str, outcome: Any = "ok", said: str = "", ago: float = 60.0) -> None:
    now = time.time()
    last = LastRun(
        started_at=now - ago - 5, ended_at=now - ago, outcome=outcome, exit_code=0 if outcome == "ok" else 1, said=said
    )
    failures = 0 if outcome == "ok" else 2
    state.update(world, name, lambda before: TaskState(last=last, runs=1, failures=failures))


# What is forged


def test_the_next_quest_and_why(client: Client, world: World, skill_folder: Path) -> None:
    write_skill(skill_folder, "others", title="Others", more="priority: 0\n")
    works_on(3)
    for level in (1, 2):
        for step in (1, 2, 3):
            answered(step, 10, level=level)
    for step in (4, 5):
        answered(step, 0, level=1)
    text = read(page(client))
    assert "Next, when nothing waits: bits-level-3-0001" in text
    assert "it is the only skill that wants quests" in text
    planned = plan(world, HERO)
    assert planned is not None
    rows = {part.level: part.rows for part in planned.mix}
    whole = sum(rows.values())
    for level, said in ((1, "lost again"), (2, "rehearsal"), (3, "works on it")):
        assert (
            f"level {level} {said}, {formatting.whole(rows[level])} rows ({formatting.percent(rows[level] / whole)})"
            in text
        )
    assert "not now: its priority is 0" in text


def test_levels_of_other_skills_in_the_mix_are_named(client: Client, skill_folder: Path) -> None:
    write_skill(skill_folder, "aside", title="Aside", more="priority: 9\n")
    works_on(2, "aside")
    for step in (1, 2, 3):
        answered(step, 10, skill="aside")
    text = read(page(client))
    assert "Next, when nothing waits: aside-level-2-0001" in text
    works_on(2)
    answered(4, 10)
    assert "level 1 of Bits, rehearsal," in read(page(client, "/scheduler/panels/plan"))


def wanted(world: World, skill: str = "bits") -> dict[str, Any]:
    return read_curriculum(config.load(world)).wishes[skill].given()


def test_wishes_are_saved_in_the_worlds_settings(client: Client, world: World) -> None:
    config.config_file(world).write_text("# mine\nhero: DIO\n", encoding="utf-8")
    fields = {"bits-priority": "7", "bits-rehearsal_share": "12.5", "bits-preview_share": "", "bits-quest_rows": "99"}
    response = post(client, "curriculum", **fields)
    assert "Saved for bits" in response.content.decode()
    assert wanted(world) == {"priority": 7, "rehearsal_share": 0.125, "quest_rows": 99}
    assert config.config_file(world).read_text(encoding="utf-8").startswith("# mine\nhero: DIO\n")
    html = page(client)
    assert re.search(r'name="bits-priority" value="7"', html)
    assert re.search(r'name="bits-rehearsal_share" value="12.5"', html)
    assert "99 rows" in read(html), "the plan follows"
    assert "Nothing was changed" in post(client, "curriculum", **fields).content.decode()
    post(client, "curriculum", **(fields | {"bits-priority": ""}))
    assert wanted(world) == {"rehearsal_share": 0.125, "quest_rows": 99}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("priority", "1001", "less than or equal to 1000"), ("rehearsal_share", "91", "less than or equal to 90"),
     ("quest_rows", "many", "Enter a whole number"), ("lost_weight", "0", "greater than or equal to 1")],
)  # fmt: skip
def test_what_cannot_be_is_said_beside_the_field(
    client: Client, world: World, field: str, value: str, said: str
) -> None:
    response = post(client, "curriculum", **{f"bits-{field}": value})
    html = response.content.decode()
    assert response.status_code == 400
    (paragraph,) = re.findall(rf'<div class="asked-for wrong-field">.*?name="bits-{field}".*?</div>', html, re.DOTALL)
    assert said in read(paragraph)
    assert f'value="{value}"' in paragraph
    assert not config.config_file(world).exists()


def test_settings_that_cannot_be_read_are_told_and_not_overwritten(client: Client, world: World) -> None:
    config.config_file(world).write_text("hero: [", encoding="utf-8")
    assert "The settings cannot be read" in page(client)
    response = post(client, "curriculum", **{"bits-priority": "7"})
    assert "Nothing more was saved" in response.content.decode()
    assert config.config_file(world).read_text(encoding="utf-8") == "hero: ["


def test_auto_play_is_turned_off_and_on(client: Client, world: World) -> None:
    assert config.load(world).autoplay
    assert "Auto-play is off" in read(post(client, "autoplay", autoplay="off").content.decode())
    assert not config.load(world).autoplay
    assert "Nothing is forged by itself" in page(client)
    post(client, "autoplay", autoplay="on")
    assert config.load(world).autoplay


# The Task Master


def test_a_dead_task_master_is_marked(client: Client, world: World) -> None:
    text = read(page(client))
    assert "The Task Master dead" in text
    assert "No task ever ran in this world" in text
    with only_master(world):
        assert "silent" in read(page(client)), "it lives and has said nothing"
        told = {"time": time.time(), "pid": 77, "idle": {"limit_percent": 40, "cpu_percent_of_others": 12.4}}
        durable.write_json(world.status / STATUS_FILE, told)
        text = read(page(client))
        assert "The Task Master alive" in text
        assert "processors 12%, without the tasks&#x27; own; idle is below 40%" in text
    assert "The Task Master dead" in read(page(client))


def test_a_task_shows_when_it_ran_how_it_ended_and_what_it_said(client: Client, world: World) -> None:
    ran(world, "health_check")
    ran(world, "vault_scan", "failed", said=f"Traceback {HOSTILE}", ago=600)
    html = page(client)
    assert "never ran" in task(html, "lineage_report")
    assert "last run -- due at any time" in task(html, "lineage_report")
    assert re.search(r"done .* last 1m 0\ds ago, took 5s due in", task(html, "health_check"))
    failed = task(html, "vault_scan")
    assert "2 failures in a row" in failed
    assert "Traceback" in failed
    assert "<script>alert" not in html
    timeline = html[html.index('class="timeline"') :]
    assert timeline.index("health") < timeline.index("list of checkpoints")


def test_a_task_is_set(client: Client, world: World) -> None:
    fields = {
        "health_check-priority": "9",
        "health_check-cooldown_seconds": "120",
        "health_check-timeout_seconds": "60",
        "health_check-beside_battle": "yes",
    }
    assert "saved" in post(client, "tasks/health_check", **fields).content.decode()
    rules = read_rules(config.load(world)).health_check
    assert (rules.enabled, rules.priority, rules.cooldown_seconds) == (False, 9, 120.0)
    assert (rules.timeout_seconds, rules.beside_battle) == (60.0, True)
    assert 'name="health_check-count"' not in page(client), "it has no problems"
    text = task(page(client), "health_check")
    assert "off" in text
    assert "priority 9" in text
    assert "switched off" in text
    assert "nothing was changed" in post(client, "tasks/health_check", **fields).content.decode()


def test_a_sparring_is_set_for_its_own_skill(client: Client, world: World) -> None:
    (row,) = [row for row in tasks.read(world).cards if row.row.task.name == "sparring_bits"]
    assert row.form
    fields = {f"sparring_bits-{key}": value for key, value in row.form.initial.items() if value is not None}
    assert "nothing was changed" in post(client, "tasks/sparring_bits", **fields).content.decode()
    fields |= {"sparring_bits-count": "50", "sparring_bits-beside_battle": "no"}
    post(client, "tasks/sparring_bits", **fields)
    rules = read_rules(config.load(world)).sparring
    assert (rules.skills["bits"].count, rules.skills["bits"].beside_battle, rules.count) == (50, False, None)
    html = page(client)
    assert 'name="sparring_bits-count" value="50"' in html
    assert '<option value="no" selected>' in html
    post(client, "tasks/sparring_bits", **(fields | {"sparring_bits-count": "", "sparring_bits-beside_battle": ""}))
    own = read_rules(config.load(world)).sparring.skills.get("bits")
    assert own is None or (own.count, own.beside_battle) == (None, None)


def test_a_task_is_not_set_to_what_cannot_be(client: Client, world: World) -> None:
    fields = {
        "health_check-priority": "11",
        "health_check-cooldown_seconds": "120",
        "health_check-timeout_seconds": "60",
    }
    response = post(client, "tasks/health_check", **fields)
    html = response.content.decode()
    assert response.status_code == 400
    assert "less than or equal to 10" in task(html, "health_check")
    assert 'name="health_check-priority" value="11"' in html
    assert '<details id="set-health_check" open>' in html
    assert not config.config_file(world).exists()


def test_a_task_is_asked_for(client: Client, world: World) -> None:
    response = post(client, "tasks/health_check/run")
    assert "it waits until one is started" in response.content.decode()
    assert list(run_requests.waiting(world)) == ["health_check"]
    text = task(page(client), "health_check")
    assert "asked for: it begins within seconds" in text
    assert "Run now" not in text


@pytest.mark.parametrize("address", ["tasks/nothing", "tasks/nothing/run"])
def test_what_is_no_task_is_not_found(client: Client, address: str) -> None:
    assert post(client, address).status_code == 404
    assert client.get("/scheduler/panels/nothing").status_code == 404


def test_orders_are_not_given_by_links(client: Client) -> None:
    for address in ("autoplay", "curriculum", "tasks/health_check", "tasks/health_check/run"):
        assert client.get(f"/scheduler/{address}").status_code == 405


def test_a_status_file_of_nonsense_does_not_break_the_page(client: Client, world: World) -> None:
    for nonsense in ("[]", "{", json.dumps({"idle": {"gpu_percents": None}}), json.dumps({"idle": [1]})):
        (world.status / STATUS_FILE).write_text(nonsense, encoding="utf-8")
        with only_master(world):
            assert "The Task Master" in page(client)


def test_panels_are_the_pages_own(client: Client) -> None:
    for name in views.PANELS:
        assert f'<div id="{name}"' in page(client, f"/scheduler/panels/{name}")


@pytest.mark.parametrize(("silence", "word"), [(1, "alive"), (11, "silent for 1")])
def test_a_task_master_that_says_nothing_for_ten_seconds_is_marked(
    client: Client, world: World, silence: float, word: str
) -> None:
    durable.write_json(world.status / STATUS_FILE, {"time": time.time() - silence, "pid": 77})
    with only_master(world):
        text = read(page(client))
        hall = read(page(client, "/guild/panels/master"))
    assert f"The Task Master {word}" in text
    assert ("has said nothing since" in hall) == (silence > 10)
