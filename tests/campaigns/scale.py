"""P14 and every other page over a world of years: the server time of each, and what scans of its checkpoints read.

The web server is a real one; filling and each scan have processes of their own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from realm.standalone import ensure_django
from realm.world import CHECKOUT, World
from scripts.bench import large_ledger
from tests.campaigns.report import Figure, none_of
from tests.support import large_worlds, routes, servers
from tests.support.checkpoints import make_checkpoint

REPEATS, QUICK_REPEATS = 3, 1
PAGE_MS = 300
LIMITS_MS = {"/vault": 100, "/api/training/runs/newest/curve": 50}
"""The newest run is the longest battle."""
EXPORTS = ("/curves.json", "/curves.csv", "/curves.png")
"""Every step of a battle, streamed: a file that takes as long as it is large, and no page."""
TOLD_PAGES = 12
MOST_GROWTH = 1.05
_LONGEST_ANSWER_SECONDS = 60


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """Nothing of it depends on chance; `count` is how many checkpoints."""
    size = large_worlds.QUICK if quick else large_worlds.WHOLE
    checkpoints = count or size.checkpoints
    world = large_ledger.make_world(folder / "world", checkpoints)
    servers.migrate(world)
    figures = _scans(world, checkpoints)
    _process("fill", world, *(["--quick"] if quick else []))
    with servers.web_server(world, servers.free_port()) as server:
        took = _walk(server.port, _process("pages", world), QUICK_REPEATS if quick else REPEATS)
        before = _pss_mb(server.process.pid)
        _walk(server.port, took, QUICK_REPEATS)
        after = _pss_mb(server.process.pid)
    return [*figures, *_of_pages(took), _of_memory(before, after)]


def _scans(world: World, checkpoints: int) -> list[Figure]:
    first, again = _process("scan", world), _process("scan", world)
    make_checkpoint(world.heroes, 7, hero="EVA")
    one = _process("scan", world)
    return [
        Figure(promise="P14", what="seconds of a first scan", figure=f"{first['seconds']} of {first['read']} sidecars"),
        Figure(
            promise="P14", what="sidecars read by a first scan", figure=first["read"],
            wanted=str(checkpoints), kept=first["read"] == checkpoints,
        ),
        Figure(promise="P14", what="seconds of a scan with nothing new", figure=again["seconds"]),
        Figure(promise="P14", what="sidecars it read", figure=again["read"], wanted="0", kept=again["read"] == 0),
        Figure(promise="P14", what="seconds of a scan with one new checkpoint", figure=one["seconds"]),
        Figure(promise="P14", what="sidecars that one read", figure=one["read"], wanted="1", kept=one["read"] == 1),
    ]  # fmt: skip


def _walk(port: int, paths: Iterable[str], repeats: int) -> dict[str, tuple[float, float]]:
    """Median and largest milliseconds of each page that answers, after one request that nobody counts."""
    found = {}
    for path in paths:
        if path.endswith(EXPORTS):
            continue
        status, _ = _ask(port, path)
        if status < 400:
            took = sorted(_ask(port, path)[1] for _ in range(repeats))
            found[path] = statistics.median(took), took[-1]
    return found


def _ask(port: int, path: str) -> tuple[int, float]:
    """Status and milliseconds until the whole page is here; of an endless stream, until it begins."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_LONGEST_ANSWER_SECONDS)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html,application/json"})
    answer = connection.getresponse()
    if answer.headers.get_content_type() != "text/event-stream":
        answer.read()
    took = 1000 * (time.perf_counter() - began)
    connection.close()
    return answer.status, took


def _of_pages(took: Mapping[str, tuple[float, float]]) -> list[Figure]:
    slowest = sorted(took, key=lambda path: -took[path][0])
    late = [f"{path} {took[path][0]:.0f} ms" for path in slowest if took[path][0] > LIMITS_MS.get(path, PAGE_MS)]
    over = replace(
        none_of("P14", f"pages over {PAGE_MS} ms, the vault over 100, the curve over 50", late, len(took)), timed=True
    )
    told = dict.fromkeys([*slowest[:TOLD_PAGES], *(path for path in LIMITS_MS if path in took)])
    return [
        over,
        *(
            Figure(promise="P14", what=path, figure=f"{took[path][0]:.0f} ms, at most {took[path][1]:.0f}")
            for path in told
        ),
    ]


def _of_memory(before: float, after: float) -> Figure:
    return Figure(
        promise="P12", what="MB of the web server after every page, and after all once more",
        figure=f"{before:.0f}, {after:.0f}", wanted="5 % more at most", kept=after <= MOST_GROWTH * before, timed=True,
    )  # fmt: skip


def _pss_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().pss) / 1e6


def _process(act: str, world: World, *options: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.scale", act, *options],
        cwd=CHECKOUT, env=servers.environment(world), check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told: dict[str, float] = json.loads(done.stdout)
    return told


def fill(world: World, quick: bool) -> dict[str, float]:
    large_worlds.fill_rows(world, large_worlds.QUICK if quick else large_worlds.WHOLE)
    return {}


def scan(world: World) -> dict[str, float]:
    """Seconds of it, and how many sidecars it read."""
    from realm.checkpoints import sidecar
    from vault import index

    read, verify = 0, sidecar.verify

    def count(folder: Path, *, quick: bool = False) -> sidecar.Sidecar:
        nonlocal read
        read += 1
        return verify(folder, quick=quick)

    sidecar.verify = count
    began = time.monotonic()
    index.scan(world)
    return {"seconds": round(time.monotonic() - began, 2), "read": read}


def pages() -> dict[str, float]:
    """Every address of the URL table, of things that this world has."""
    from vault.models import Checkpoint

    name = Checkpoint.objects.filter(step=100).values_list("name", flat=True).first() or ""
    paths = [route.path.replace("checkpoint-100-20260101-1230", name) for route in routes.of_django()]
    return dict.fromkeys([*paths, *LIMITS_MS, *_SORTED], 0.0)


_SORTED = tuple(f"/vault?sort={sort}" for sort in ("age", "step", "train_loss", "val_loss", "levels", "size"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=("fill", "scan", "pages"))
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    ensure_django()
    from django.conf import settings

    world: World = settings.WORLD
    print(
        json.dumps(fill(world, asked.quick) if asked.act == "fill" else scan(world) if asked.act == "scan" else pages())
    )


if __name__ == "__main__":
    main()
