"""G3: the cable to a zone is pulled for ten minutes while a hero trains, and plugged in again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from realm.world import CHECKOUT
from tests.campaigns.namespaces import Machine, other_machine
from tests.campaigns.report import Figure
from tests.campaigns.vault_zones import Zone, officer
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena
from tests.support.servers import environment, free_port, web_server

GONE_SECONDS, QUICK_GONE_SECONDS = 600.0, 30.0
BACK_SECONDS = 30.0
QUESTS, ROWS = 10, 80
"""Dropped one after the other while it is gone."""
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Realm:
    arena: LiveArena
    web_port: int

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/vault/zones", timeout=30) as reply:
            return str(reply.read().decode())

    def told(self, question: str) -> str:
        with closing(sqlite3.connect(self.arena.world.database, timeout=30)) as database:
            row = database.execute(question).fetchone()
        return str(row[0]) if row else ""

    @property
    def zone_state(self) -> str:
        return self.told("SELECT state FROM vault_zone")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        self.arena.wait_for(condition, what, seconds=_PATIENCE_SECONDS)


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    with other_machine() as machine:
        if not machine.namespace:
            why = "not tried: this user may make no network namespace"
            return [Figure(promise="G3", what="the cable to a zone is pulled", figure=why)]
        with officer(machine, home / "zone") as zone, realm(home, zone, seed) as here:
            return gone(here, zone, machine, QUICK_GONE_SECONDS if quick else GONE_SECONDS, seed)


@contextmanager
def realm(home: Path, zone: Zone, seed: int) -> Iterator[Realm]:
    """A world that trains, its vault's process and its pages; it has one checkpoint and has heard of the zone."""
    arena = LiveArena(home / "world", tiny_hero.make_base(home / "base"))
    world, port = arena.world, free_port()
    (world.secrets / "zone").write_text(zone.token, encoding="ascii")
    machine = f"{{host: {zone.address}, services: {{zone: {{port: {zone.port}}}}}, token_file: zone}}"
    (world.home / "hosts.yaml").write_text(f"3090: {machine}\n", encoding="utf-8")
    here = Realm(arena, port)
    with ExitStack() as stack:
        stack.enter_context(vault_process(arena))
        stack.enter_context(web_server(world, port))
        stack.callback(arena.stop)
        arena.drop("first.jsonl", ROWS, seed=seed)
        arena.start()
        here.wait_for(lambda: len(arena.completed()) == 1, "the first quest is completed")
        arena.manage("vault", "scan")
        here.wait_for(lambda: here.zone_state == "online", "the zone is heard of")
        yield here


@contextmanager
def vault_process(arena: LiveArena) -> Iterator[None]:
    variables = environment(arena.world, REALM_VAULT_PORT=free_port())
    with open(arena.world.logs / "vault.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "watchtower.api"], cwd=CHECKOUT, env=variables, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def gone(here: Realm, zone: Zone, machine: Machine, seconds: float, seed: int) -> list[Figure]:
    arena, checkpoint = here.arena, here.told("SELECT asset_id FROM vault_asset WHERE kind = 'checkpoint'")
    machine.unplug()
    for number in range(QUESTS):
        end = time.monotonic() + seconds / QUESTS
        arena.drop(f"gone-{number}.jsonl", ROWS, seed=seed + 1 + number)
        time.sleep(max(0.0, end - time.monotonic()))
    here.wait_for(lambda: here.zone_state == "silent", "the zone is missed")
    trained, page = len(arena.completed()) - 1, here.page()
    machine.plug()
    began = time.monotonic()
    here.wait_for(lambda: here.zone_state == "online", "it is heard of again")
    back = time.monotonic() - began
    arena.manage("vault", "push", checkpoint, "3090")
    arrived = [path for path in zone.base.rglob("*.safetensors") if ".part" not in str(path)]
    return [
        Figure(promise="G3", what=f"quests completed while its cable was out for {seconds:.0f} s", figure=trained,
               wanted=f">= {QUESTS - 1}", kept=trained >= QUESTS - 1),
        Figure(promise="G3", what="its page says that it is silent, and when it was last seen",
               figure=f"{'silent' in page}, {'last seen' in page}", wanted="True, True",
               kept="silent" in page and "last seen" in page),
        Figure(promise="G3", what="seconds from its return until it is online", figure=f"{back:.1f}",
               wanted="< 30", kept=back < BACK_SECONDS, timed=True),
        Figure(promise="G3", what="weights pushed then", figure=len(arrived), wanted=">= 1", kept=bool(arrived)),
    ]  # fmt: skip
