"""E6: tokens of every purpose used everywhere: no secret in a file, a log, a page, an address or a process list."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.campaigns.report import Figure, none_of
from tests.support.six_servers import prepare

ADDRESS = "127.0.0.2"
"""Beyond loopback as servers judge it, and on this machine all the same."""
UNAUTHORIZED = 401
_ENDLESS = "/stream"
_FEW = 15


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the number of routes. Nothing in it is left to chance."""
    home = prepare(folder / "world")
    from realm.web import tokens
    from realm.web.tokens import TokenStore
    from realm.world import World
    from tests.support import routes
    from tests.support.servers import free_port, web_server

    world, shelf = World(home), folder / "shelf"
    shelf.mkdir()
    store, zone_store = tokens.of_world(world), TokenStore(folder / "zone-tokens.json")
    issued = {purpose: store.issue(purpose) for purpose in tokens.PURPOSES}
    zone = zone_store.issue(tokens.ZONE, zone="3090")
    (world.secrets / "3090").write_text(zone.secret)
    secrets = [each.secret for each in (*issued.values(), zone)]
    paths = [each.path for each in routes.of_django() if _ENDLESS not in each.path][
        : count or (_FEW if quick else None)
    ]
    told: list[bytes] = []
    asked = 0
    with ExitStack() as running:
        officer = free_port()
        hosts = {"3090": {"host": ADDRESS, "services": {"zone": {"port": officer}}, "token_file": "secrets/3090"}}
        (home / "hosts.yaml").write_text(json.dumps(hosts))
        serve = (
            "-m", "vault.officer", "--zone", "3090", "--base-dir", str(shelf), "--port", str(officer),
            "--bind", ADDRESS, "--token-file", str(folder / "zone-tokens.json"),
        )  # fmt: skip
        running.enter_context(_started(home, serve, folder / "officer.log"))
        port = free_port()
        vault = ("-m", "watchtower.api", "--bind", ADDRESS, "--port", str(port))
        running.enter_context(_started(home, vault, folder / "vault.log"))
        web = running.enter_context(web_server(world, free_port()))
        _wait(f"http://{ADDRESS}:{port}/health", issued[tokens.READ].secret)
        for path in paths:
            for each in issued.values():
                told.append(_ask(f"http://{ADDRESS}:{port}{path}", each.secret)[1])
                asked += 1
            told.append(_ask(f"http://127.0.0.1:{web.port}{path}", issued[tokens.READ].secret)[1])
            told.append(_ask(f"http://{ADDRESS}:{officer}{path}", zone.secret)[1])
            asked += 2
        listed = _processes()
        still = []
        for purpose, each in issued.items():
            store.revoke(each.token.token_id)
            status, _ = _ask(f"http://{ADDRESS}:{port}/api/stats", each.secret)
            still += [] if status == UNAUTHORIZED else [purpose]
    files = _files_with(secrets, folder, apart=world.secrets / "3090")
    return [
        Figure(promise="E6", what="requests with a token", figure=asked),
        none_of("E6", "files and logs with a secret", files, len(secrets)),
        none_of("E6", "answers with a secret", [each for each in secrets if each.encode() in b"".join(told)], asked),
        none_of(
            "E6", "secrets among arguments and variables", [each for each in secrets if each in listed], len(secrets)
        ),
        none_of("E6", "tokens that open after they were revoked", still, len(issued)),
    ]


@contextmanager
def _started(home: Path, command: tuple[str, ...], log: Path) -> Iterator[None]:
    from realm.world import CHECKOUT, World
    from tests.support.servers import environment

    with open(log, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=CHECKOUT, env=environment(World(home)), stdout=file, stderr=file
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, secret: str) -> None:
    from tests.support.servers import wait_until

    wait_until(lambda: _ask(url, secret)[0] == 200)


def _ask(url: str, secret: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def _processes() -> str:
    """Arguments and variables of all that this process started."""
    children = psutil.Process().children(recursive=True)
    return " ".join(str([each.cmdline(), each.environ()]) for each in children if each.is_running())


def _files_with(secrets: list[str], folder: Path, *, apart: Path) -> list[str]:
    """Of the world, the zone and all logs. `apart` is where a machine keeps the token of another, for itself alone."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path != apart:
            data = path.read_bytes()
            found += [str(path.relative_to(folder)) for each in secrets if each.encode() in data]
    return found
