"""Every server of the realm from outside: wrong hosts, other machines, starts beyond loopback without login or token.

The other machine is a network namespace with two addresses. Without the right to make one, 127.0.0.2 stands in for
it, and the table says so.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from realm.web import tokens
from realm.world import CHECKOUT, World
from tests.campaigns.namespaces import ALSO_THERE, Machine, other_machine
from tests.campaigns.report import Figure, none_of
from tests.support.servers import environment, free_port, migrate
from vault.officer.shelf import ZONE_FOLDER

START_SECONDS = 60.0
LOOPBACK = {"127.0.0.1", "::1"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WRONG_HOSTS = (
    "", "localhost", "localhost.:{port}", "127.1:{port}", "2130706433:{port}", "0.0.0.0:{port}", "[::]:{port}",
    "[::ffff:127.0.0.1]:{port}", "evil.example", "evil.example:{port}", "localhost.evil.example:{port}",
    "a@localhost:{port}", "localhost:{port},evil.example", "localhost:0{port}", "127.0.0.2:{port}", "localhost:1",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Door:
    name: str
    arguments: tuple[str, ...]
    """Of the Python interpreter; `{port}` and `{address}` are filled in."""
    settings: dict[str, str] = field(default_factory=dict)
    way_out: str = ""
    """What the sentence names that refuses to start beyond loopback; empty where no setting leads there."""
    path: str = "/health"
    """Answered to who may ask."""
    purpose: str = ""
    """Of the token that lets in; empty where it is a login."""


def doors(base: Path) -> list[Door]:
    place = ("--base-dir", str(base), "--port", "{port}", "--bind", "{address}")
    officer = ("-m", "vault.officer", "--zone", "3090", *place)
    tavern = ("-m", "daphne", "-b", "{address}", "-p", "{port}", "realm.asgi:application")
    return [
        Door(name="tavern", arguments=tavern, settings={"REALM_PORT": "{port}", "REALM_BIND": "{address}"},
             way_out="manage.py account new"),
        Door(name="vault", arguments=("-m", "watchtower.api"), way_out="manage.py tokens new", purpose=tokens.READ,
             settings={"REALM_VAULT_PORT": "{port}", "REALM_VAULT_BIND": "{address}"}),
        Door(name="oracle", arguments=("-m", "arena.oracle"), way_out="manage.py tokens new", purpose=tokens.CHAT,
             settings={"REALM_ORACLE_PORT": "{port}", "REALM_ORACLE_BIND": "{address}"}),
        Door(name="officer", arguments=officer, way_out="--new-token", path="/status", purpose=tokens.ZONE),
        *(Door(name=f"trainer {skill}", arguments=("manage.py", "trainer", skill, "--port", "{port}"))
          for skill in ("sy", "bin")),
    ]  # fmt: skip


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    world, base = World(home / "world"), home / "zone"
    world.create()
    migrate(world)
    base.mkdir()
    served = doors(base)
    with other_machine() as machine:
        there = machine if machine.namespace else Machine(address="127.0.0.2")
        how = (
            "a namespace with two addresses" if machine.namespace else "none: 127.0.0.2, since this user may make none"
        )
        return [
            Figure(promise="E3", what="other machine", figure=how),
            *strangers_hosts(world, served),
            *refusals(world, [door for door in served if door.way_out], there),
            *with_tokens(world, base, [door for door in served if door.purpose], there),
        ]


def strangers_hosts(world: World, served: Sequence[Door]) -> list[Figure]:
    """E2, and by the way where they listen as they are shipped."""
    reached, beyond, asked = [], [], 0
    with ExitStack() as stack:
        for door in served:
            port = free_port()
            process = stack.enter_context(running(world, door, Machine(address="127.0.0.1"), port))
            beyond += [f"{door.name}: {address}" for address in listening(process) if address not in LOOPBACK]
            for host in WRONG_HOSTS:
                for method in METHODS:
                    asked += 1
                    status = ask("127.0.0.1", port, door.path, method=method, host=host.format(port=port))
                    if status != 421:
                        reached.append(f"{door.name}: {method} {host}: {status}")
    return [
        none_of("E2", f"wrong Host that is not refused, {len(served)} servers", reached, asked),
        none_of("E3", "listens beyond loopback by default", beyond, len(served)),
    ]


def refusals(world: World, served: Sequence[Door], there: Machine) -> list[Figure]:
    """Started on another machine's address, with nobody who may come in."""
    wrong = []
    for door in served:
        port = free_port()
        done = subprocess.run(
            command_of(door, there, port), cwd=CHECKOUT, env=variables(world, door, there, port), text=True,
            capture_output=True, timeout=START_SECONDS,
        )  # fmt: skip
        said = done.stdout + done.stderr
        if done.returncode == 0 or door.way_out not in said:
            wrong.append(f"{door.name}: {done.returncode}, {said[-200:]!r}")
    return [none_of("E3", "starts beyond loopback without login or token, or does not say how", wrong, len(served))]


def with_tokens(world: World, base: Path, served: Sequence[Door], there: Machine) -> list[Figure]:
    """Started on one address of the other machine: nobody without a token gets in, and its other address is shut."""
    wrong, zone = [], tokens.TokenStore(base / ZONE_FOLDER / tokens.FILE)
    for door in served:
        store = zone if door.name == "officer" else tokens.of_world(world)
        secret, port = store.issue(door.purpose).secret, free_port()
        with running(world, door, there, port):
            answers = {
                "without": ask(there.address, port, door.path),
                "another": ask(there.address, port, door.path, token="rot_" + "A" * 43),
                "with": ask(there.address, port, door.path, token=secret),
                "with, of another site": ask(
                    there.address, port, door.path, token=secret, origin="http://evil.example"
                ),
                "loopback": ask("127.0.0.1", port, door.path, token=secret),
                "other address": ask(ALSO_THERE, port, door.path, token=secret) if there.namespace else 0,
            }
        wanted = dict(zip(answers, (401, 401, 200, 403, 0, 0), strict=True))
        wrong += [f"{door.name} {who}: {answers[who]}" for who in wanted if answers[who] != wanted[who]]
    return [none_of("E3", "answers beyond loopback that should be others (token, address)", wrong, 6 * len(served))]


def command_of(door: Door, there: Machine, port: int) -> list[str]:
    filled = (text.format(port=port, address=there.address) for text in door.arguments)
    return there.command(sys.executable, *filled)


def variables(world: World, door: Door, there: Machine, port: int) -> dict[str, str]:
    settings = {name: text.format(port=port, address=there.address) for name, text in door.settings.items()}
    return environment(world, **settings)


@contextmanager
def running(world: World, door: Door, there: Machine, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with open(world.logs / "doors.log", "ab") as log:
        process = subprocess.Popen(
            command_of(door, there, port), cwd=CHECKOUT, env=variables(world, door, there, port), stdout=log, stderr=log
        )  # fmt: skip
    try:
        end = time.monotonic() + START_SECONDS
        while not ask(there.address, port, door.path):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"{door.name} does not answer; see its log: {(world.logs / 'doors.log').read_text()}"
                )
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def listening(process: subprocess.Popen[bytes]) -> set[str]:
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    found = (each for member in family for each in member.net_connections("inet"))
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


def ask(
    address: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    host: str | None = None,
    token: str = "",
    origin: str = "",
) -> int:
    """The status of the answer; 0 where nobody answers."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {f'{address}:{port}' if host is None else host}", "Connection: close"]
    head += [f"Authorization: Bearer {token}"] if token else []
    head += [f"Origin: {origin}"] if origin else []
    try:
        with socket.create_connection((address, port), timeout=10) as connection:
            connection.sendall(("\r\n".join([*head, "Content-Length: 0"]) + "\r\n\r\n").encode())
            with connection.makefile("rb") as answer:
                words = answer.readline().split()
    except OSError:
        return 0
    return int(words[1]) if len(words) > 1 else 0
