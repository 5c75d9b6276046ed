"""The watchtower without a browser: what it shows of machines, the last day, services, logs and checkpoints."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from realm.config import RealmConfig
from realm.logs import levels
from realm.machine.machine import Gpu, Machine
from realm.weaver import WeaverError, orders, verbs
from realm.weaver.orders import ServiceOrder
from realm.weaver.services import services as planned
from realm.weaver.supervisord import ServiceState
from realm.world import World
from tavern.watchtower import logs, past, views
from tavern.watchtower import machines as machine_cards
from tavern.watchtower.speed import Speed, read_speed
from tests.support.checkpoints import make_checkpoint
from tests.support.tavern_guild import HERO, answered, skill_folder
from tests.support.tavern_quests import HOSTILE
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status
from vault.index import scan
from watchtower import machines
from watchtower.machines import HostMachine
from watchtower.timeline.records import FILE, encode
from watchtower.timeline.spans import Kind, Span

__all__ = ["skill_folder"]  # a fixture
pytestmark = pytest.mark.django_db
HERE = HostMachine(
    host="local", name="box", here=True, seen_at=time.time(), fresh=True, trouble="",
    machine=Machine(time=time.time(), name="box", cpu_percent=37.4, cores=2, gpus=()),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine that tests run on does is of no interest."""
    monkeypatch.setattr(machines, "now", lambda world, config: [HERE])


def page(client: Client, address: str = "/watchtower") -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content[-2000:]
    return response.content.decode()


def panel(client: Client, name: str) -> str:
    return read(page(client, f"/watchtower/panels/{name}"))


def read(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


# The whole page


def test_a_fresh_world_has_words_for_everything(client: Client) -> None:
    text = read(page(client))
    for said in ("its daemon does not run", "37% of 2 cores", "No GPU.", "No weaver runs here", "No such line"):
        assert said in text
    assert client.get("/watchtower/panels/nothing").status_code == 404


def test_every_panel_is_its_part_of_the_page(client: Client) -> None:
    whole = page(client)
    for name in views.PANELS:
        opening = re.search(r"<section[^>]*id=\"([a-z-]+)\"", page(client, f"/watchtower/panels/{name}"))
        assert opening
        assert f'id="{opening[1]}"' in whole


def test_all_is_well_or_what_to_look_at(client: Client, world: World) -> None:
    say_status(world, "idle")
    with daemon_lock(world):
        assert "All is well" in panel(client, "verdict")
    assert "1 thing to look at arena its daemon does not run" in panel(client, "verdict")


# Machines


def told(**fields: Any) -> Callable[..., list[HostMachine]]:
    return lambda world, config: [HERE, replace(HERE, here=False, **fields)]


def test_a_machine_that_is_silent_is_marked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machines, "now", told(name="far", fresh=False, seen_at=time.time() - 99, trouble="silent since 99 s")
    )
    text = panel(client, "machines")
    assert re.search(r"far stale last seen 1m 3\ds ago silent since 99 s", text)
    monkeypatch.setattr(machines, "now", told(name="far", fresh=False, seen_at=None, machine=None, trouble="<b>no</b>"))
    assert "far stale never seen <b>no</b>" in panel(client, "machines")


HOT = Gpu(index=0, name="H200", use_percent=99.0, temperature_celsius=91.0, power_watts=610.0, power_limit_watts=700.0,
          throttled_by=("it is too hot",))  # fmt: skip


def test_heat_is_set_against_the_speed_of_the_battle(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = replace(HERE, machine=Machine(time=time.time(), gpus=(HOT, replace(HOT, index=1, throttled_by=None))))
    monkeypatch.setattr(machines, "now", lambda world, config: [hot])
    text = panel(client, "machines")
    assert text.count("Its clocks are held down: it is too hot (91 °C).") == 1
    assert "610 W of 700 W" in text
    assert "steps a second" not in text, "no battle is fought"
    make_battle(world)
    seconds = [0.5] * 300 + [0.625] * 60
    append_steps(world, "b1", [record(number, step_seconds=each) for number, each in enumerate(seconds, 1)])
    assert "The battle makes 1.60 steps a second, 20% fewer than usual." in panel(client, "machines")


def test_too_few_steps_compare_with_nothing(world: World) -> None:
    make_battle(world)
    append_steps(world, "b1", [record(number) for number in range(1, 100)])
    assert read_speed(world) is None
    assert machine_cards.slowed(HOT, Speed(now=2.0, usual=2.0)).endswith("2.00 steps a second, as many as usual.")


def test_a_curve_has_a_line_for_each_stretch_without_a_gap() -> None:
    (curve,) = past.curve("power", [None, 100.0, 300.0, None, 200.0], lambda value: f"{value:.0f} W")
    assert curve.paths == ["0.2500,0.667 0.5000,0.000", "1.0000,0.333 1.1250,0.333"]
    assert curve.said == "100 W to 300 W, now 200 W"
    assert list(past.curve("power", [None, None], str)) == []


# The last day


def test_the_last_day_says_why_nothing_was_trained(client: Client, world: World) -> None:
    now = time.time()
    spans = [
        Span(kind=Kind.TRAINING, start=now - 50_000, end=now - 7200, why="", quest="q", battle="q-1"),
        Span(kind=Kind.WAITING, start=now - 7200, end=now - 3600, why=f"the disk is full {HOSTILE}"),
        Span(kind=Kind.PAUSED, start=now - 3600, end=now - 3590, why="paused by tavern"),
        Span(kind=Kind.TRAINING, start=now - 3590, end=now, why="", quest="q", battle="q-2"),
    ]
    (world.status / FILE).write_bytes(b"".join(map(encode, spans)))
    html = page(client, "/watchtower/panels/timeline")
    text = read(html)
    assert "idle for 1h 00m of 24 hours" in text
    assert "waiting the disk is full" in text
    assert HOSTILE not in html
    assert "1 more, short or long ago." in text, "ten seconds are no minute"
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', html)]
    assert sum(widths) == pytest.approx(1, abs=1e-4)


# Services


def states(**changed: ServiceState) -> list[ServiceState]:
    running = {
        service.name: ServiceState(name=service.name, state="RUNNING", pid=7, uptime_seconds=3700)
        for service in planned(RealmConfig())
    }
    return list((running | changed).values())


@pytest.fixture
def woven(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def weave(**changed: ServiceState) -> None:
        monkeypatch.setattr(verbs, "status", lambda world, config: states(**changed))

    return weave


def test_services_with_what_may_be_ordered(client: Client, world: World, woven: Callable[..., None]) -> None:
    woven(
        oracle=ServiceState(name="oracle", state="FATAL", pid=None, uptime_seconds=None, why="Exited <too> quickly"),
        vault=ServiceState(name="vault", state="STOPPING", pid=9, uptime_seconds=5),
    )
    (world.logs / "weaver").mkdir()
    (world.logs / "weaver" / "weaver.log").write_text("spawned: 'arena' with pid 1\n" * 3)
    html = page(client, "/watchtower/panels/services")
    text = read(html)
    assert "2 of 6 do not run" in text
    assert "given it up Exited <too> quickly" in text
    assert "arena runs up 1h 01m 2 restarts" in text
    offered = set(re.findall(r'name="do"\s+value="([^"]+)"', html))
    assert offered == {
        "restart tavern", "restart arena", "stop arena", "start oracle", "restart taskmaster", "stop taskmaster",
        "restart guardian", "stop guardian",
    }  # fmt: skip
    assert "nothing is trained until the arena is started again" in html


def test_without_a_weaver_nothing_can_be_ordered(
    client: Client, woven: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = ServiceState(name="", state="STOPPED", pid=None, uptime_seconds=None)
    woven(**{service.name: replace(stopped, name=service.name) for service in planned(RealmConfig())})
    html = page(client, "/watchtower/panels/services")
    assert 'name="do"' not in html
    assert "scripts/start_all.sh" in html

    def stuck(world: World, config: RealmConfig) -> list[ServiceState]:
        raise WeaverError("the weaver is silent")

    monkeypatch.setattr(verbs, "status", stuck)
    assert "the weaver is silent" in panel(client, "services")


def test_an_order_is_given_and_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, ServiceOrder]] = []

    def give(world: World, config: RealmConfig, name: str, order: ServiceOrder) -> str:
        if name == "nobody":
            raise WeaverError("there is no service 'nobody'")
        given.append((name, order))
        return f"{name} is started"

    monkeypatch.setattr(orders, "give", give)

    def order(do: str, **headers: str) -> Any:
        return client.post("/watchtower/services", {"do": do}, headers=headers or None)

    assert order("start oracle").headers["Location"] == "/watchtower#services"
    assert "oracle is started." in order("start oracle", **{"hx-request": "true"}).content.decode()
    assert order("stop nobody", **{"hx-request": "true"}).status_code == 409
    for wrong in ("burn arena", "", "start"):
        assert order(wrong, **{"hx-request": "true"}).status_code in (400, 200)
    assert given[:2] == [("oracle", ServiceOrder.START)] * 2
    assert client.get("/watchtower/services").status_code == 405
    answer = client.post("/api/system/services/oracle", {"action": "start"}, "application/json")
    assert answer.json() == {"success": True, "action": "start", "message": "oracle is started."}
    assert client.post("/api/system/services/nobody", {"action": "stop"}, "application/json").status_code == 409
    assert client.post("/api/system/services/arena", {"action": "burn"}, "application/json").status_code == 422


def test_the_document_of_the_services(client: Client, woven: Callable[..., None]) -> None:
    woven()
    found = client.get("/api/system/services").json()["services"]
    assert [each["name"] for each in found] == [service.name for service in planned(RealmConfig())]
    assert (found[0]["said"], found[0]["port"]) == ("runs", RealmConfig().port)


# Logs


def log(world: World, service: str, *lines: dict[str, Any] | str) -> Path:
    path = world.logs / service / f"{service}.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        for line in lines:
            text = line if isinstance(line, str) else json.dumps({"level": "info", "event": "e"} | line)
            file.write(text.encode("utf-8", "surrogatepass") + b"\n")
    return path


def at(second: int) -> str:
    return f"2026-11-30T12:00:{second:02d}.000+00:00"


def lines(html: str) -> list[str]:
    return [read(item).strip() for item in re.findall(r"<li class=\"level-.*?</li>", html, re.DOTALL)]


def cursors(html: str, name: str) -> str:
    (found,) = re.findall(rf'data-{name}="([^"]*)"', html)
    return unescape(found)


def test_the_logs_of_all_are_one_log(client: Client, world: World) -> None:
    log(world, "arena", {"time": at(1), "message": "one"}, {"time": at(3), "message": "three", "level": "error"})
    log(world, "oracle", {"time": at(2), "message": "two", "level": "debug"}, {"time": at(4), "message": "four"})
    assert lines(page(client)) == ["12:00:01 info arena one", "12:00:03 error arena three", "12:00:04 info oracle four"]
    assert len(lines(page(client, "/watchtower?level=debug"))) == 4
    assert lines(page(client, "/watchtower?service=oracle&text=FOU")) == ["12:00:04 info oracle four"]
    assert lines(page(client, "/watchtower?level=error")) == ["12:00:03 error arena three"]
    assert "nobody has logged nothing yet" in read(page(client, "/watchtower?service=nobody")).lower()


def test_new_lines_come_once_and_older_ones_on_demand(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tavern.watchtower.logs.SHOWN", 5)
    for second in range(20):
        log(world, "arena" if second % 3 else "oracle", {"time": at(second), "message": f"line {second}"})
    html = page(client, "/watchtower/logs")
    shown = lines(html)
    while cursors(html, "older") != "{}":
        html = client.get("/watchtower/logs", {"before": cursors(html, "older")}).content.decode()
        shown = lines(html) + shown
    assert [line.split()[-1] for line in shown] == [str(second) for second in range(20)]
    html = page(client, "/watchtower/logs")
    log(world, "oracle", {"time": at(21), "message": "fresh"})
    log(world, "vault", {"time": at(22), "message": "a first line"})
    html = client.get("/watchtower/logs", {"after": cursors(html, "after")}).content.decode()
    assert lines(html) == ["12:00:21 info oracle fresh", "12:00:22 info vault a first line"]
    html = client.get("/watchtower/logs", {"after": cursors(html, "after")}).content.decode()
    assert lines(html) == []


@pytest.mark.parametrize(
    "message", [HOSTILE, "\x1b[2J\x1b]0;x\x07", "\u202egnp.exe", "\0" * 9, "x" * 300_000, "a\nb", "\ud800"]
)
def test_hostile_lines_are_shown_and_drive_nothing(client: Client, world: World, message: str) -> None:
    log(world, "arena", {"time": at(1), "message": message}, message)
    html = page(client, "/watchtower/logs?service=arena")
    assert HOSTILE not in html
    assert not set(html) & {"\x1b", "\x07", "\0", "\u202e", "\ud800"}
    assert len(html) < 250_000


def test_a_blank_of_any_width_is_a_blank() -> None:
    assert logs.visible("6.2\xa0MB\u2009\u200b") == "6.2\xa0MB\u2009\\u200b"


def test_twin_a_panel_that_shows_what_it_reads_would_turn_the_text_round(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tavern.watchtower.logs.visible", lambda text, most=0: text)
    log(world, "arena", {"time": at(1), "message": "\u202egnp.exe"})
    assert "\u202e" in page(client, "/watchtower/logs")


def test_twin_without_cursors_a_line_would_be_told_again(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tavern.watchtower.logs._ends", lambda world, names: {})
    log(world, "arena", {"time": at(1), "message": "one"})
    html = page(client, "/watchtower/logs")
    assert lines(client.get("/watchtower/logs", {"after": cursors(html, "after")}).content.decode()) == lines(html)


@pytest.mark.parametrize("place", ["[]", "x", '{"arena": 1}', '{"arena": "x"}', "[" * 5000, '{"arena": "1-1-1"}'])
def test_a_cursor_that_is_none_is_refused(client: Client, world: World, place: str) -> None:
    log(world, "arena", {"time": at(1), "message": "one"})
    for name in ("after", "before"):
        assert client.get("/watchtower/logs", {name: place}).status_code == 400


def test_a_level_is_chosen_while_a_service_runs(client: Client, world: World) -> None:
    log(world, "arena", {"message": "one"})
    answer = client.post("/watchtower/logs/level", {"service": "arena", "log_level": "debug"}, follow=True)
    assert "arena logs from debug on." in answer.content.decode()
    assert levels.chosen_levels(world) == {"arena": "debug"}
    client.post("/watchtower/logs/level", {"service": "arena", "log_level": ""})
    assert levels.chosen_levels(world) == {}
    wrong = client.post("/watchtower/logs/level", {"service": "arena", "log_level": "loud"}, follow=True)
    assert "is not allowed" in wrong.content.decode()


# The board


def test_the_best_checkpoints_by_any_metric(client: Client, world: World, skill_folder: Path) -> None:
    for step, loss, right in ((1, 2.0, 10), (2, 1.0, 3)):
        name = make_checkpoint(world.heroes, step, train_loss=loss).name
        answered(step, right, checkpoint=name)
    scan(world)
    first = {
        metric: re.findall(r"<th scope=\"row\">.*?step (\d)", page(client, f"/watchtower/panels/board?metric={metric}"),
                           re.DOTALL)
        for metric in ("train_loss", "accuracy", "levels", "skill:bits", "skill:nobody")
    }  # fmt: skip
    assert first["train_loss"] == ["2", "1"]
    assert first["accuracy"] == first["levels"] == first["skill:bits"] == ["1", "2"]
    text = read(page(client, "/watchtower/panels/board?metric=skill:bits"))
    assert "1 level, 100.0% right" in text
    assert HERO in page(client)
