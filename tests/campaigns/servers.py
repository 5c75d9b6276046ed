"""D1 on PostgreSQL and Redis: a battle that browsers of three web processes follow while both servers are restarted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tests.campaigns.report import Figure, none_of
from tests.campaigns.written import steps_of
from tests.support import tiny_hero
from tests.support.database_servers import Servers, running
from tests.support.live_arena import LiveArena
from tests.support.restarts import Browser
from tests.support.servers import free_port, wait_until, web_server

WEB_PROCESSES = 3
QUESTS, QUICK_QUESTS = 5, 1
ROWS, QUICK_ROWS = 800, 240
OUTAGES, QUICK_OUTAGES = 4, 1
AWAY_SECONDS, QUICK_AWAY_SECONDS = 60.0, 2.0


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the number of times that each server is taken away, in place of the promised one."""
    base = tiny_hero.make_base(folder / "base")
    quests, rows = (QUICK_QUESTS, QUICK_ROWS) if quick else (QUESTS, ROWS)
    outages, away = (QUICK_OUTAGES, QUICK_AWAY_SECONDS) if quick else (OUTAGES, AWAY_SECONDS)
    with running() as servers:
        urls = {"REALM_DATABASE_URL": servers.database.url("realm"), "REALM_REDIS_URL": servers.redis.url}
        arena = LiveArena(folder / "world", base, **urls)
        for number in range(quests):
            arena.drop(f"quest-{number:02}.jsonl", rows, seed=seed + number)
        arena.manage("migrate", "-v0")
        began = time.monotonic()
        with ExitStack() as open_things:
            ports = [free_port() for _ in range(WEB_PROCESSES)]
            for port in ports:
                open_things.enter_context(web_server(arena.world, port, **urls))
            browsers = [open_things.enter_context(_following(port)) for port in ports]
            open_things.callback(arena.stop)
            arena.start()
            for _ in range(count or outages):
                _take_away(servers, arena, away)
            arena.wait_for(lambda: len(arena.completed()) == quests, "all is completed", seconds=90 + 60 * quests)
            wait_until(lambda: not arena.status.get("battle"))
            told = _told(servers)
            wait_until(lambda: all(browser.seq >= told[-1] for browser in browsers))
        steps = [record.step for battle in sorted(arena.world.battles.iterdir()) for record in steps_of(battle)]
        return [
            Figure(promise="D1", what="web processes", figure=WEB_PROCESSES),
            Figure(promise="D1", what="seconds, outages included", figure=round(time.monotonic() - began, 1)),
            *(
                none_of(
                    "D1", f"events missed, doubled or out of order, process {number}", _wrong(browser, told), len(told)
                )
                for number, browser in enumerate(browsers, start=1)
            ),
            none_of("A1", "steps twice, missing or out of order", _unlike(sorted(steps)), len(steps)),
        ]


@contextmanager
def _following(port: int) -> Iterator[Browser]:
    browser = Browser(port)
    browser.start()
    try:
        yield browser
    finally:
        browser.done.set()
        browser.join()


def _take_away(servers: Servers, arena: LiveArena, seconds: float) -> None:
    """Each for a while, as a restart of its machine would."""
    done = _steps(arena)
    arena.wait_for(lambda: _steps(arena) > done or bool(arena.completed()), "a step is done")
    for server in (servers.redis, servers.database):
        server.stop()
        time.sleep(seconds)
        server.start()


def _steps(arena: LiveArena) -> int:
    return sum(path.stat().st_size for path in arena.world.battles.glob("*/steps.bin"))


def _told(servers: Servers) -> list[int]:
    """Numbers of the chronicle's entries."""
    with psycopg.connect(servers.database.url("realm")) as database:
        return [number for (number,) in database.execute("SELECT id FROM arena_chronicleentry ORDER BY id")]


def _wrong(browser: Browser, told: list[int]) -> list[str]:
    """A browser that came before the first event has heard them all."""
    if browser.events == told:
        return []
    missed = sorted(set(told) - set(browser.events))
    return [f"{number} missed" for number in missed] or ["doubled or out of order"]


def _unlike(steps: list[int]) -> list[int]:
    return [wanted for wanted, step in enumerate(steps, start=1) if wanted != step]
