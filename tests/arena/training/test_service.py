"""The trainer as a process: warm between orders, obedient to its input, gone when its daemon is gone."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arena.protocol import BEAT_LINE, EVENT_LINE, READY_LINE, Event, EventKind, Order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.world import CHECKOUT
from tests.support import tiny_hero

pytestmark = pytest.mark.slow

LONG = replace(tiny_hero.RECIPE, epochs=10_000, save_every=1_000_000)


@pytest.fixture
def service() -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "arena.training", "--serve"],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        yield child
        child.kill()
        child.wait()


def tell(service: subprocess.Popen[str], line: str) -> None:
    assert service.stdin is not None
    service.stdin.write(line + "\n")
    service.stdin.flush()


def hear(service: subprocess.Popen[str]) -> str:
    """The next line that says more than that it lives."""
    assert service.stdout is not None
    while (line := service.stdout.readline().strip()).startswith(BEAT_LINE):
        pass
    return line


def events(order: Order) -> list[Event]:
    return [Event.from_line(line) for line in (Path(order.battle_folder) / "events.jsonl").read_bytes().splitlines()]


def test_pause_then_the_same_order_then_the_end_of_input(service: subprocess.Popen[str], tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LONG)
    path = str(tmp_path / "battle" / "order.json")
    assert hear(service) == READY_LINE
    tell(service, f"run {path}")
    assert hear(service) == EVENT_LINE  # it has begun
    tell(service, "pause")
    while hear(service) != READY_LINE:
        pass
    paused = events(order)[-1]
    assert paused.kind == EventKind.BATTLE_PAUSED
    assert sidecar.read(checkpoint_folders(Path(order.hero_folder))[0]).step == paused.step

    tell(service, f"run {path}")
    assert hear(service) == EVENT_LINE
    assert events(order)[-1].kind == EventKind.BATTLE_RESUMED
    assert events(order)[-1].data["quest_step"] == paused.data["quest_step"]
    assert service.stdin is not None
    service.stdin.close()  # the daemon is gone
    assert service.wait(60) == 0
    last = events(order)[-1]
    assert (last.kind, last.data["asked"]) == (EventKind.BATTLE_PAUSED, "shutdown")
    assert sidecar.verify(checkpoint_folders(Path(order.hero_folder))[0]).step == last.step


def test_sigterm_saves_and_ends(service: subprocess.Popen[str], tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LONG)
    assert hear(service) == READY_LINE
    tell(service, f"run {tmp_path / 'battle' / 'order.json'}")
    assert hear(service) == EVENT_LINE
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert events(order)[-1].kind == EventKind.BATTLE_PAUSED


def test_a_broken_order_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text('{"battle": 3}')
    done = subprocess.run(
        [sys.executable, "-m", "arena.training", "--serve"],
        cwd=CHECKOUT, input=f"run {path}\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert "not an order" in done.stderr
    assert "battle: a text is expected, not 3" in done.stderr


def test_help_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "arena.training", "--help"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "--serve" in done.stdout
    assert "| torch" not in done.stderr.replace("  ", " ")
