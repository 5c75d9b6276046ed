"""The web server as the weaver starts it, for those who measure it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from realm.config import RealmConfig
from realm.weaver.services import TAVERN, services
from realm.world import CHECKOUT, World
from tests.support.servers import answers, environment, free_port, wait_until


@contextmanager
def tavern(world: World, *, core: int | None, **variables: str) -> Iterator[tuple[int, psutil.Process]]:
    """As the weaver starts it, on one core or on any."""
    port = free_port()
    (service,) = (each for each in services(RealmConfig(port=port)) if each.name == TAVERN)
    with open(world.logs / "web.log", "ab") as log:
        process = psutil.Popen(
            [sys.executable, *service.arguments],
            cwd=CHECKOUT, env=environment(world, REALM_PORT=port, **variables), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        if core is not None:
            process.cpu_affinity([core])
        wait_until(lambda: process.poll() is not None or answers(port))
        yield port, process
    finally:
        process.kill()
        process.wait()
