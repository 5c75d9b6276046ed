"""C7: the clock of a whole running realm is set: a day forward and back, an hour back, over both ends of summer time.

libfaketime stands before every process of a real world; the monotonic clock and the times of files stay the kernel's,
as where an administrator sets the clock. After each change every service must still be the same process, a quest is
to be fought, a pause obeyed, and no page or command may tell of a negative time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import yaml

from arena import orders
from arena import status as arena_status
from arena.orders import Wish
from realm.config import RealmConfig
from realm.weaver.services import services
from realm.world import World
from tests.campaigns.report import Figure, none_of
from tests.support import tiny_hero
from tests.support.live_arena import TRAINING
from tests.support.servers import free_port, manage, wait_until

LIBRARY = "/usr/lib/$LIB/faketime/libfaketimeMT.so.1"
"""The dynamic linker fills in the machine's folder: ld.so(8)."""
ZONE = "Europe/Berlin"
CHANGES = {
    "a day forward": "+1d",
    "true again": "+0",
    "a day back": "-1d",
    "an hour back": "-90000s",
    "an hour forward": "-1d",
    "the end of summer time": "@2026-10-25 02:59:50",
    "its beginning": "@2027-03-28 01:59:50",
    "true at last": "+0",
}
QUICK = ("a day forward", "an hour back")
SETTLE_SECONDS = 15.0
PAGES = ("/", "/quests", "/guild", "/scheduler", "/watchtower", "/vault", "/health", "/api/system/timeline")
COMMANDS = (("tasks", "status"), ("taskmaster", "--status"), ("runs", "list"), ("timeline",), ("healthcheck",))
NEGATIVE = re.compile(r"(?<![\w.:/+-])[-\u2212]\d+(?:\.\d+)? ?(?:ms|s|m|h|d|seconds?|minutes?|hours?|days?)\b(?! ?/)")
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Realm:
    world: World
    port: int
    variables: dict[str, object]

    @property
    def offset(self) -> Path:
        return self.world.home / "clock"

    def manage(self, *arguments: str) -> str:
        return manage(self.world, *arguments, **self.variables).stdout

    def pids(self) -> dict[str, str]:
        """Of each service, with its state where it does not run."""
        rows = [line.split() for line in self.manage("weave", "--status").splitlines()[1:]]
        return {row[0]: row[1] if row[2] == "running" else row[2] for row in rows}


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """Nothing depends on chance; `count` takes only so many changes."""
    changes = [name for name in CHANGES if not quick or name in QUICK][:count]
    realm = _realm(folder)
    try:
        _start(realm)
        return [figure for number, name in enumerate(changes) for figure in _change(realm, name, number)]
    finally:
        realm.offset.write_text("+0\n")
        realm.manage("weave", "--stop")


def _realm(folder: Path) -> Realm:
    world = World(folder / "world")
    world.create()
    base = tiny_hero.make_base(folder / "base")
    settings = {"training": TRAINING, "tasks": {"idle_percent": 100}}
    (world.home / "config.yaml").write_text(yaml.safe_dump(settings))
    port = free_port()
    return Realm(world, port, {
        "REALM_PORT": port, "REALM_ORACLE_PORT": free_port(), "REALM_VAULT_PORT": free_port(),
        "REALM_AUTOPLAY": 0, "REALM_BASE_MODEL": base, "TZ": ZONE, "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": world.home / "clock", "FAKETIME_CACHE_DURATION": 1,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1, "NO_FAKE_STAT": 1,
    })  # fmt: skip


def _start(realm: Realm) -> None:
    realm.offset.write_text("+0\n")
    realm.manage("weave", "--daemon")
    names = {service.name for service in services(RealmConfig())}
    wait_until(lambda: {name for name, pid in realm.pids().items() if pid.isdigit()} == names)
    wait_until(lambda: arena_status.daemon_alive(realm.world))


def _change(realm: Realm, name: str, number: int) -> Iterator[Figure]:
    before = realm.pids()
    realm.offset.write_text(f"{offset_of(CHANGES[name], datetime.now(UTC))}\n")
    time.sleep(SETTLE_SECONDS)
    quest = tiny_hero.write_quest(realm.world.home / f"quest-{number}.jsonl", 12, seed=number)
    quest.rename(realm.world.inbox / quest.name)
    done = _within(120, lambda: (realm.world.recently_completed / quest.name).exists())
    orders.send(realm.world, wish=Wish.PAUSE, by="campaign")
    rests = _within(30, lambda: _state(realm) == "resting")
    orders.send(realm.world, wish=Wish.RESUME, by="campaign")
    wakes = _within(30, lambda: _state(realm) != "resting")
    time.sleep(SETTLE_SECONDS)
    after = realm.pids()
    other = [f"{service}: {before[service]} to {pid}" for service, pid in after.items() if before.get(service) != pid]
    yield none_of("C7", f"{name}: services that are not the same process", other, len(before))
    yield Figure(promise="C7", what=f"{name}: a quest is fought", figure=str(done), wanted="True", kept=done)
    yield Figure(
        promise="C7", what=f"{name}: pause and resume", figure=f"{rests}, {wakes}", wanted="True, True",
        kept=rests and wakes,
    )  # fmt: skip
    yield none_of("C7", f"{name}: negative times told", list(negative_times(_told(realm))), len(PAGES) + len(COMMANDS))


def offset_of(change: str, now: datetime) -> str:
    """As libfaketime spells it; to `@` and a time of day each process would count from its own start."""
    if not change.startswith("@"):
        return change
    moment = datetime.fromisoformat(change[1:]).replace(tzinfo=ZoneInfo(ZONE))
    return f"{(moment - now).total_seconds():+.0f}s"


def _told(realm: Realm) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        with urlopen(f"http://127.0.0.1:{realm.port}{page}", timeout=30) as reply:
            yield page, _TAGS.sub(" ", reply.read().decode())
    for command in COMMANDS:
        yield " ".join(command), realm.manage(*command)


def negative_times(told: Iterator[tuple[str, str]]) -> Iterator[str]:
    for where, text in told:
        yield from (f"{where}: {found[0]}" for found in NEGATIVE.finditer(text))


def _state(realm: Realm) -> str:
    return str(json.loads(realm.world.arena_status.read_bytes()).get("state"))


def _within(seconds: float, condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not (done := bool(condition())) and time.monotonic() < end:
        time.sleep(0.2)
    return done
