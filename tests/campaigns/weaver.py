"""Services that signals kill and stop, again and again, and the supervisor under them.

C3: a dead one is back within 5 s, one that is stopped is seen within 30 s and started again within 45 s, five fast
deaths stop a service. C4: killed, the supervisor is back within 10 s, every service lives on and none runs twice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from realm.config import RealmConfig
from realm.disk import locks, mailbox
from realm.weaver import guarded, orphans, service_lock
from realm.weaver.services import GUARDIAN, ORACLE, VAULT, services
from realm.weaver.supervisord import LOCK_FILE
from realm.world import World
from sentinels.guardian import events
from tests.campaigns.report import Figure
from tests.support.injected import without_training
from tests.support.servers import free_port, manage, migrate

COUNT = 50
SETTINGS = RealmConfig(serve_trainers=("bin",))
NAMES = [service.name for service in services(SETTINGS)]
BACK_SECONDS, SEEN_SECONDS, RESTARTED_SECONDS, MENDED_SECONDS = 5.0, 30.0, 45.0, 10.0
MOST_SECONDS = 180.0
"""After which what does not happen is told as that."""
SETTLE_SECONDS = 4.0
_POLL_SECONDS = 0.05
_FAILING = """
import os
if os.environ.get("REALM_SERVICE") == "oracle" and os.path.exists({flag!r}):
    os.write(2, b"the cause of it\\n")
    os._exit(7)
"""


@dataclass
class Village:
    world: World
    python_path: str
    flag: Path

    def weave(self, *arguments: str) -> str:
        done = manage(self.world, "weave", *arguments, REALM_AUTOPLAY=0, PYTHONPATH=self.python_path)
        return done.stdout + done.stderr

    def pid(self, name: str) -> int | None:
        return service_lock.holder(self.world, name)

    def works(self, name: str) -> bool:
        """The process that is it now; the guardian, who is not among those that it tells of, works where it tells."""
        if name == GUARDIAN:
            told = mailbox.read_json(self.world.status / guarded.STATUS_FILE)
            return isinstance(told, dict) and told["pid"] == self.pid(name)
        seen = guarded.read(self.world).get(name)
        return seen is not None and seen.state == guarded.UP and seen.pid == self.pid(name)

    def kinds(self, after: int) -> list[str]:
        return [event.kind for event in events.read(self.world, after)]


@contextmanager
def village(folder: Path) -> Iterator[Village]:
    world, flag = World(folder / "world"), folder / "oracle fails"
    world.create()
    migrate(world)
    ports = {f"{name}_port": free_port() for name in ("", "oracle", "vault")}
    lines = [f"{name.removeprefix('_')}: {port}" for name, port in ports.items()]
    (world.home / "config.yaml").write_text("\n".join([*lines, "serve_trainers: [bin]"]), encoding="utf-8")
    python_path = without_training(folder, everywhere=_FAILING.format(flag=str(flag)))
    made = Village(world, python_path, flag)
    try:
        made.weave("--daemon")
        yield made
    finally:
        made.weave("--stop")


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    times = 2 if quick else count or COUNT
    with village(folder) as made:
        return [*_killed_and_orphaned(made, times), *_stopped(made, times), *_fast_deaths(made)]


@dataclass
class Round:
    """What a signal to several services at once was followed by: seconds by service, only of what came."""

    names: list[str]
    seen: dict[str, float]
    back: dict[str, float]
    works: dict[str, float]


def _round(made: Village, names: list[str], number: int, *, apart_seconds: float) -> Round:
    """Signals that long after each other, until each of them is another process that works."""
    _until(lambda: all(made.works(name) for name in NAMES))
    before = {name: made.pid(name) for name in names}
    assert None not in before.values(), f"not all came up: {made.weave('--status')}"
    newest = max((event.seq for event in events.read(made.world)), default=0)
    sent: dict[str, tuple[float, float]] = {}
    for name in names:
        sent[name] = time.monotonic(), time.time()
        os.kill(before[name] or 0, number)
        time.sleep(apart_seconds)
    done = Round(names, {}, {}, {})

    def look() -> bool:
        for name in names:
            passed = time.monotonic() - sent[name][0]
            if name not in done.back and made.pid(name) not in (None, before[name]):
                done.back[name] = passed
            if name in done.back and name not in done.works and made.works(name):
                done.works[name] = passed
        return len(done.works) == len(names)

    _until(look)
    for event in events.read(made.world, newest):
        if event.kind == "stuck" and event.service in sent:
            done.seen.setdefault(event.service, event.time - sent[event.service][1])
    return done


def _killed_and_orphaned(made: Village, times: int) -> list[Figure]:
    """All services, at the same moment or one after the other; and then, as soon as all work, the supervisor."""
    rounds, orphaned = [], Orphaned()
    for number in range(times):
        names = NAMES if number % 2 == 0 else NAMES[::-1]
        rounds.append(_round(made, names, signal.SIGKILL, apart_seconds=(0.0, 0.3)[number // 2 % 2]))
        # A service that lived for less than supervisord's startsecs counts as one that could not be started.
        time.sleep(SETTLE_SECONDS)
        orphaned.kill_supervisor(made, stopped=NAMES[:3] if number % 2 else [])
    return [*_in_figures("killed", rounds, BACK_SECONDS), *orphaned.figures()]


def _stopped(made: Village, times: int) -> list[Figure]:
    """All but the guardian, and then it, which the vault heals; sometimes with all others but the vault.

    Stopped both, nobody heals the others.
    """
    rounds = []
    for number in range(times):
        apart = (0.0, 0.3)[number % 2]
        rounds.append(_round(made, [name for name in NAMES if name != GUARDIAN], signal.SIGSTOP, apart_seconds=apart))
        with_guardian = [name for name in NAMES if name != VAULT] if number % 5 == 0 else [GUARDIAN]
        rounds.append(_round(made, with_guardian, signal.SIGSTOP, apart_seconds=apart))
    return _in_figures("stopped", rounds, RESTARTED_SECONDS)


def _in_figures(what: str, rounds: list[Round], most: float) -> list[Figure]:
    figures = []
    for name in NAMES:
        times = sum(name in one.names for one in rounds)
        back = [one.back[name] for one in rounds if name in one.back]
        works = [one.works[name] for one in rounds if name in one.works]
        figures.append(_timed("C3", f"{name} {what}, another process", back, most))
        figures.append(Figure(promise="C3", what=f"{name} {what}, works", figure=_median_and_max(works)))
        figures.append(_figure("C3", f"{name} {what}, times it came back", len(works), times, len(works) == times))
        if what == "stopped" and name != GUARDIAN:  # of which the vault's log tells
            seen = [one.seen[name] for one in rounds if name in one.seen]
            figures.append(_timed("C3", f"{name} stopped, seen", seen, SEEN_SECONDS))
            figures.append(_figure("C3", f"{name} stopped, times seen", len(seen), times, len(seen) == times))
    return figures


class Orphaned:
    """Services whose supervisor was killed."""

    def __init__(self) -> None:
        self._taken: list[float] = []
        self._kept = self._doubled = 0

    def kill_supervisor(self, made: Village, *, stopped: list[str]) -> None:
        """While a signal has stopped some of the services: to those the kernel then sends SIGHUP and SIGCONT."""
        before = {name: made.pid(name) for name in NAMES}
        pid = _supervisor(made)
        assert pid is not None, made.weave("--status")
        for name in stopped:
            os.kill(before[name] or 0, signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        self._taken.append(_until(lambda: _supervisor(made) not in (None, pid)))
        time.sleep(SETTLE_SECONDS)
        self._kept += before == {name: made.pid(name) for name in NAMES}
        self._doubled += any(len(found) > 1 for found in orphans.find(made.world).values())

    def figures(self) -> list[Figure]:
        times = len(self._taken)
        return [
            _timed("C4", "supervisor killed, back", self._taken, MENDED_SECONDS),
            _figure("C4", "supervisor killed, every service lives on", self._kept, times, self._kept == times),
            _figure("C4", "supervisor killed, a service runs twice", self._doubled, 0, not self._doubled),
        ]


def _supervisor(made: Village) -> int | None:
    if not locks.is_held(made.world.control / LOCK_FILE):
        return None
    try:
        return int((made.world.control / "weaver.pid").read_text())
    except (OSError, ValueError):
        return None


def _fast_deaths(made: Village) -> list[Figure]:
    newest = max(event.seq for event in events.read(made.world))
    made.flag.touch()
    oracle = made.pid(ORACLE)
    assert oracle is not None, made.weave("--status")
    os.kill(oracle, signal.SIGKILL)
    took = _until(lambda: "gave_up" in made.kinds(newest))
    told = next((event for event in events.read(made.world, newest) if event.kind == "gave_up"), None)
    shown = "the cause of it" in made.weave("--status")
    made.flag.unlink()
    made.weave("--start", ORACLE)
    again = _until(lambda: made.works(ORACLE))
    return [
        _figure("C3", "five fast deaths stop a service", f"{took:.0f} s", "it happens", told is not None),
        _figure("C3", "its last lines are shown", shown, "True", shown and told is not None and bool(told.lines)),
        _figure("C3", "after that it is started by hand", f"{again:.1f} s", "it works", again < MOST_SECONDS),
    ]


def _until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > MOST_SECONDS:
            return MOST_SECONDS
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began


def _timed(promise: str, what: str, taken: list[float], most: float) -> Figure:
    worst = max(taken, default=MOST_SECONDS)
    wanted = f"at most {most:.0f} s"
    return Figure(
        promise=promise, what=what, figure=_median_and_max(taken), wanted=wanted, kept=worst <= most, timed=True
    )


def _median_and_max(taken: list[float]) -> str:
    return f"median {median(taken):.1f} s, max {max(taken):.1f} s of {len(taken)}" if taken else "never"


def _figure(promise: str, what: str, figure: object, wanted: object, kept: bool) -> Figure:
    return Figure(promise=promise, what=what, figure=str(figure), wanted=str(wanted), kept=kept)
