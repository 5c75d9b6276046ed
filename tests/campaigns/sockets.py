"""D1 with many who watch: their sockets go over three web processes behind nginx, and one of these is killed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from realm.world import CHECKOUT, World
from tests.campaigns.report import Figure, none_of
from tests.support.database_servers import running
from tests.support.servers import WebServer, answers, environment, free_port, manage, wait_until, web_server

SOCKETS, QUICK_SOCKETS = 1000, 30
ENTRIES, QUICK_ENTRIES = 120, 24
"""A third of them before the kill, and a third after those who were cut are back."""
EVERY_SECONDS = 0.1
AT_ONCE = 25
"""That connect; a crowd does not come in one second either."""
ALL_TOLD_SECONDS = 120.0
_NGINX = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; {temporary}
  upstream realm {{ least_conn; {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://realm; proxy_http_version 1.1; proxy_set_header Host 127.0.0.1:{named};
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;
    }}
  }}
}}
"""


class Follower:
    """Comes back when it is cut, from what it heard last."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self._port, self._dice = port, dice
        self.heard: list[int] = []
        self.at: dict[int, float] = {}
        self.comings = 0
        self.here = asyncio.Event()

    async def follow(self, gate: asyncio.Semaphore) -> None:
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._listen(gate)
            await asyncio.sleep(self._dice.random())

    async def _listen(self, gate: asyncio.Semaphore) -> None:
        since = self.heard[-1] if self.heard else 0
        address = f"ws://127.0.0.1:{self._port}/ws/battle/?since={since}"
        async with gate:
            socket = await connect(address, close_timeout=1, open_timeout=60, max_size=None, compression=None)
        async with socket:
            self.comings += 1
            async for message in socket:
                self.here.set()
                if '"type":"event"' in message[:200] or '"type": "event"' in message[:200]:
                    event = json.loads(message)
                    self.heard.append(event["seq"])
                    self.at[event["seq"]] = time()


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the number of sockets."""
    sockets, entries = (QUICK_SOCKETS, QUICK_ENTRIES) if quick else (SOCKETS, ENTRIES)
    with running() as servers:
        world = World(folder / "world")
        world.create()
        urls = {"REALM_DATABASE_URL": servers.database.url("realm"), "REALM_REDIS_URL": servers.redis.url}
        done = manage(world, "migrate", "-v0", **urls)
        assert done.returncode == 0, done.stderr
        named, *ports = (free_port() for _ in range(4))
        (world.home / "config.yaml").write_text(json.dumps({"web_ports": [named]}))
        with (
            web_server(world, ports[0], **urls) as first,
            web_server(world, ports[1], **urls),
            web_server(world, ports[2], **urls),
            _nginx(folder / "nginx", ports, named) as port,
        ):
            followers = [Follower(port, random.Random(seed + number)) for number in range(count or sockets)]
            told = asyncio.run(_watch(followers, world, entries, urls, first))
    return _figures(followers, told, entries // 3)


async def _watch(
    followers: list[Follower], world: World, entries: int, urls: dict[str, str], doomed: WebServer
) -> list[tuple[int, float]]:
    """What was told, each with its time; the `doomed` web process is killed after the first third."""
    gate = asyncio.Semaphore(AT_ONCE)
    following = [asyncio.create_task(follower.follow(gate)) for follower in followers]
    try:
        await asyncio.gather(*(follower.here.wait() for follower in followers))
        told = await _tell(world, entries // 3, urls)
        killed = asyncio.create_task(_tell(world, entries // 3, urls))
        await asyncio.sleep(EVERY_SECONDS)
        doomed.process.kill()
        told += await killed
        await _all_told(followers, told)
        told += await _tell(world, entries - 2 * (entries // 3), urls)
        await _all_told(followers, told)
        return told
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _tell(world: World, count: int, urls: dict[str, str]) -> list[tuple[int, float]]:
    teller = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.campaigns.teller", str(count), str(EVERY_SECONDS),
        cwd=CHECKOUT, env=environment(world, **urls), stdout=subprocess.PIPE,
    )  # fmt: skip
    said, _ = await teller.communicate()
    return [(number, when) for number, when in map(json.loads, said.splitlines())]


async def _all_told(followers: list[Follower], told: list[tuple[int, float]]) -> None:
    """Until everybody has heard the last entry, or the time is over: then the figures say who has not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ALL_TOLD_SECONDS):
            while not all(follower.heard and follower.heard[-1] >= told[-1][0] for follower in followers):
                await asyncio.sleep(0.1)


def _figures(followers: list[Follower], told: list[tuple[int, float]], third: int) -> list[Figure]:
    numbers = [number for number, _ in told]
    wrong = [str(number) for number, follower in enumerate(followers) if follower.heard != numbers]
    back = sum(follower.comings > 1 for follower in followers)
    phases = {"before": told[:third], "while one is killed": told[third : 2 * third], "after": told[2 * third :]}
    return [
        Figure(promise="D1", what="sockets over three web processes", figure=len(followers)),
        Figure(promise="D1", what="of them cut by the kill, and back", figure=back, wanted="some", kept=back > 0),
        none_of(
            "D1", f"who missed one of {len(told)} events, or heard it twice or out of order", wrong, len(followers)
        ),
        *(
            Figure(promise="D1", what=f"event to socket, {phase}", figure=_spread(followers, part))
            for phase, part in phases.items()
        ),
    ]


def _spread(followers: list[Follower], told: list[tuple[int, float]]) -> str:
    delays = sorted(
        follower.at[number] - when for follower in followers for number, when in told if number in follower.at
    )
    if not delays:
        return "nobody heard any"
    p50, p95, p99 = (delays[int(share * (len(delays) - 1))] for share in (0.5, 0.95, 0.99))
    return f"p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms, p99 {1000 * p99:.0f} ms, at most {delays[-1]:.1f} s"


@contextmanager
def _nginx(home: Path, ports: list[int], named: int) -> Iterator[int]:
    """Its port. The web processes know it by the port `named`, which all of them answer to."""
    home.mkdir(parents=True)
    port = free_port()
    modules = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{module}_temp_path {home}/{module};" for module in modules)
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    config = _NGINX.format(home=home, temporary=temporary, servers=servers, port=port, named=named)
    (home / "nginx.conf").write_text(config)
    process = subprocess.Popen(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (home / "error.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()
