"""Estimate, its error, memory by component and the rolling loss: in the snapshot and on the page."""

import re
import statistics
from typing import Any

import pytest
from django.test import Client

from realm.world import World
from tests.support.pages import in_one_line
from tests.tavern.home.test_home import fight, live
from tests.watchtower import factories
from watchtower.snapshot import build_snapshot

pytestmark = pytest.mark.django_db

MEMORY = {
    "weights": 4 * 10**6,
    "gradients": 4 * 10**6,
    "optimizer": 8 * 10**6,
    "process": 400 * 10**6,
    "peak": 600 * 10**6,
}
ESTIMATE = {"steps": 100, "seconds": 98.0, "memory": MEMORY}


def battle_of(world: World) -> dict[str, Any]:
    found = build_snapshot(world, factories.HERO)["battle"]
    assert isinstance(found, dict)
    return found


def page(client: Client) -> str:
    return in_one_line(client.get("/").content.decode())


def held(html: str) -> str:
    found = re.search(r'data-title="memory" title="([^"]*)"', html)
    assert found
    return found[1]


def test_a_battle_that_told_no_estimate_shows_none(world: World, client: Client) -> None:
    fight(world, steps=30)
    factories.tell("b1", 1, kind="battle_started", estimate=None)
    assert live(page(client), "forecast") == ""
    assert held(page(client)) == ""
    assert battle_of(world)["memory"] is None


def test_while_it_runs_the_estimate_stands_beside_what_is_in_use(world: World, client: Client) -> None:
    factories.make_battle(world, "b1")
    records = [factories.record(step, memory_bytes=550 * 10**6) for step in range(1, 31)]
    factories.append_steps(world, "b1", records)
    factories.tell("b1", 1, kind="battle_started", estimate=ESTIMATE)
    html = page(client)
    assert live(html, "forecast") == "estimate 1m 38s, 600 MB; in use 550 MB"
    assert held(html) == (
        "weights 4.00 MB, gradients 4.00 MB, optimizer 8.00 MB, process 400 MB, activations and the rest 134 MB"
    )
    memory = battle_of(world)["memory"]
    assert sum(memory[name] for name in ("weights", "gradients", "optimizer", "process", "rest")) == memory["peak"]


def test_a_time_that_was_never_measured_is_left_out(world: World, client: Client) -> None:
    factories.make_battle(world, "b1")
    factories.tell("b1", 1, kind="battle_started", estimate=ESTIMATE | {"seconds": None})
    assert live(page(client), "forecast") == "estimate 600 MB"
    assert held(page(client)).endswith("activations and the rest --")


def test_a_resume_estimates_anew(world: World) -> None:
    factories.make_battle(world, "b1")
    factories.tell("b1", 1, kind="battle_started", estimate=ESTIMATE)
    factories.tell("b1", 2, kind="battle_resumed", estimate=ESTIMATE | {"seconds": 40.0})
    assert battle_of(world)["est_s"] == 40.0


def test_afterwards_it_says_how_far_off_it_was(world: World, client: Client) -> None:
    fight(world, steps=30)
    factories.tell("b1", 1, kind="battle_started", estimate=ESTIMATE)
    errors = {"seconds_error": 0.0693, "memory_error": -0.014}
    factories.tell("b1", 2, kind="battle_completed", measured=errors)
    assert live(page(client), "forecast") == "estimate off by: time +6.9%, memory -1.4%"
    factories.tell("b1", 3, kind="battle_completed", measured=errors | {"seconds_error": None})
    assert live(page(client), "forecast") == "estimate off by: memory -1.4%"


def test_the_rolling_loss_is_of_the_last_fifty_steps(world: World, client: Client) -> None:
    factories.make_battle(world, "b1")
    losses = [5.0 + 0.01 * (step % 7) for step in range(1, 81)]
    factories.append_steps(
        world, "b1", [factories.record(step, loss=loss) for step, loss in enumerate(losses, start=1)]
    )
    battle = battle_of(world)
    assert battle["mean"] == pytest.approx(statistics.fmean(losses[-50:]), abs=1e-5)
    assert battle["spread"] == pytest.approx(statistics.pstdev(losses[-50:]), abs=1e-4)
    assert re.fullmatch(r"5\.03\d ± 0\.0\d+", live(page(client), "rolling"))


def test_few_steps_have_no_rolling_loss(world: World, client: Client) -> None:
    fight(world, steps=19)
    assert live(page(client), "rolling") == "--"
