"""Units for systemd: what it says of them, and that services say what it waits for."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from realm.config import RealmConfig
from realm.processes import notify
from realm.weaver import WeaverError, service_lock, systemd_units, verbs
from realm.weaver.services import GUARDIAN, services
from realm.world import CHECKOUT, World
from tests.support.servers import TIMEOUT_SECONDS, environment, free_port, wait_until

pytestmark = pytest.mark.slow

CONFIG = RealmConfig(serve_trainers=("bin",), bridges=("tensorboard",))
LARGEST_EXPOSURE = "20"
"""In tenths, as systemd-analyze has it; below 5.0 it says OK."""
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def written(tmp_path: Path) -> tuple[World, list[Path]]:
    """Of a world whose name holds what unit files trip over."""
    world = World(tmp_path / 'a world; 100%s "of" $it')
    world.create()
    return world, systemd_units.write(world, CONFIG, tmp_path / "units", user=False)


def verify(paths: list[Path]) -> str:
    command = ["systemd-analyze", "verify", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    return done.stderr + str(done.returncode or "")


@analyze
def test_systemd_takes_every_unit_as_it_is(written: tuple[World, list[Path]]) -> None:
    _, paths = written
    assert len(paths) == len(services(CONFIG))  # a target in the guardian's place
    assert verify(paths) == ""


@analyze
def test_twin_a_path_that_is_not_quoted_is_found(
    tmp_path: Path, written: tuple[World, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd_units, "_quoted", lambda word: word)
    assert "path is not absolute" in verify(systemd_units.write(written[0], CONFIG, tmp_path / "units", user=False))


@analyze
@pytest.mark.parametrize("removed", ["", "ProtectSystem=strict\n"], ids=["as it is", "twin"])
def test_every_unit_is_hardened(written: tuple[World, list[Path]], removed: str) -> None:
    units = [path for path in written[1] if path.suffix == ".service"]
    for path in units:
        path.write_text(path.read_text().replace(removed, ""))
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={LARGEST_EXPOSURE}", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert (done.returncode == 0) is not bool(removed), done.stdout


def test_what_each_unit_must_say(written: tuple[World, list[Path]]) -> None:
    world, paths = written
    names = {path.name for path in paths}
    assert not any(GUARDIAN in name for name in names)
    for path in paths:
        if path.suffix == ".service":
            lines = path.read_text().splitlines()
            for line in ("Type=notify", "WatchdogSec=30", "Restart=always", "StartLimitBurst=5"):
                assert line in lines, path.name
            folder = str(world.home).replace("%", "%%").replace('"', '\\"')
            assert f'ReadWritePaths="{folder}"' in lines


def test_several_worlds_have_units_of_their_own() -> None:
    assert systemd_units.prefix_of(World(CHECKOUT / "world")) == "realm"
    assert systemd_units.prefix_of(World(Path("/srv/my game"))) == "realm-my-game"


SERVER = """
import sys, time
from realm.web import serve

async def answer(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/stuck":
            time.sleep(600)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

serve.run(answer, serve.bind_port("127.0.0.1", int(sys.argv[1]), remedy=""))
"""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(TIMEOUT_SECONDS)
        yield listening


def test_a_server_is_ready_when_it_answers_and_silent_when_its_loop_is_stuck(
    world: World, systemd: socket.socket
) -> None:
    port = free_port()
    said = environment(world) | {notify.VARIABLE: systemd.getsockname()}
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=CHECKOUT, env=said) as server:
        try:
            assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
            with urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT_SECONDS) as reply:
                assert reply.status == 200
            assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /stuck HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
                systemd.settimeout(2 * notify.EVERY_SECONDS)
                while True:
                    try:
                        systemd.recv(100)
                    except TimeoutError:
                        break
        finally:
            server.kill()


def test_the_weaver_starts_no_second_set_beside_systemd_s(world: World) -> None:
    words = [sys.executable, "-S", "-m", "realm.weaver.starter", "arena", "10", service_lock.SYSTEMD]
    run = {"cwd": CHECKOUT, "env": environment(world)}
    with subprocess.Popen([*words, "-c", "import time; time.sleep(600)"], **run) as first:  # type: ignore[call-overload]
        try:
            wait_until(lambda: service_lock.run_by(first.pid) == service_lock.SYSTEMD)
            wait_until(lambda: service_lock.holder(world, "arena") == first.pid)
            with pytest.raises(WeaverError, match=f"arena is process {first.pid}, which systemd runs"):
                verbs.mend(world, RealmConfig(), prepare=lambda: None)
            states = {state.name: state for state in verbs.status(world, RealmConfig())}
            assert (states["arena"].runs, states["arena"].run_by) == (True, "systemd")
            second = subprocess.run([*words, "-c", ""], capture_output=True, text=True, check=False, **run)  # type: ignore[call-overload]
            assert second.returncode == 1
            assert f"is process {first.pid}, which systemd runs" in second.stderr
        finally:
            first.kill()
    assert service_lock.holder(world, "arena") is None
