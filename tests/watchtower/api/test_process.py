"""The vault's own process, reached as by another machine: 127.0.0.2 is no name of loopback to it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from realm.config import RealmConfig
from realm.disk import mailbox
from realm.web import tokens
from realm.web.serve import CannotServe
from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint
from tests.support.servers import environment, free_port, migrate, wait_until
from vault.client import VaultKeeperClient
from vault.errors import NotFound, Refused, Unreachable
from watchtower.api import process

pytestmark = pytest.mark.slow

ADDRESS = "127.0.0.2"


@dataclass(frozen=True)
class Vault:
    world: World
    port: int
    secret: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"{ADDRESS}:{self.port}"

    def client(self) -> VaultKeeperClient:
        return VaultKeeperClient(self.address, token=self.secret)

    def ask(self, path: str, *, token: str = "", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(f"http://{self.address}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    world = World(tmp_path_factory.mktemp("vault") / "world")
    world.create()
    migrate(world)
    make_checkpoint(world.heroes, 100)
    secret, port = tokens.of_world(world).issue("api").secret, free_port()
    command = [sys.executable, "-m", "watchtower.api", "--bind", ADDRESS, "--port", str(port)]
    with open(world.logs / "vault.log", "wb") as log:
        running = subprocess.Popen(command, cwd=CHECKOUT, env=environment(world), stdout=log, stderr=log)
    try:
        here = Vault(world, port, secret, running)
        wait_until(lambda: running.poll() is not None or here.client().is_available())
        assert running.poll() is None, (world.logs / "vault.log").read_text()
        yield here
    finally:
        running.kill()
        running.wait()


def test_nobody_without_a_token(vault: Vault) -> None:
    for path in ("/health", "/api/stats", "/api/docs", "/api/nothing", "/static/ninja/swagger-ui.css",
                 "/fetch/checkpoint_100", "/"):  # fmt: skip
        code, body = vault.ask(path)
        assert (code, json.loads(body)["success"]) == (401, False), path
    read, zone = (tokens.of_world(vault.world).issue(purpose).secret for purpose in ("read", "zone"))
    assert vault.ask("/api/ledger", token=read)[0] == 200
    assert vault.ask("/api/ledger", token=zone)[0] == 401
    assert vault.ask("/metrics", token=zone)[0] == vault.ask("/metrics")[0] == 401
    assert b"realm_build_info" in vault.ask("/metrics", token=read)[1]
    assert vault.ask("/fetch/checkpoint_100", token=zone)[0] == 200
    assert vault.ask("/api/scan", token=read, body=b"{}")[0] == 401
    assert {vault.ask("/fetch/config_config", token=each)[0] for each in (read, zone)} == {401}
    assert vault.ask("/fetch/config_config", token=vault.secret)[0] == 404, "this world has none"
    tokens.of_world(vault.world).revoke(read[:12])
    assert vault.ask("/api/ledger", token=read)[0] == 401
    assert not VaultKeeperClient(vault.address, token=read).is_available()
    with pytest.raises(Refused, match="Its token is not good for this"):
        VaultKeeperClient(vault.address, token=read).stats()


def test_a_client_finds_and_fetches(vault: Vault, tmp_path: Path) -> None:
    client = vault.client()
    found = client.locate("checkpoint_100")
    assert found.found
    assert found.best_location is not None
    assert found.best_location.path == str(vault.world.heroes / "DIO" / "checkpoint-100-20260101-1230")
    assert not client.locate("checkpoint_9").found
    assert [one["step"] for one in client.checkpoints()] == [100]
    (listed,) = client.search(type="checkpoint")
    assert (listed["asset_id"], listed["whole_id"]) == ("checkpoint_100", found.asset_id)
    assert client.stats()["assets"] == 1
    here = client.ensure_local("checkpoint_100")
    assert here == Path(found.best_location.path), "it is this machine"
    with pytest.raises(NotFound, match="step 9"):
        client.ensure_local("checkpoint_9", into=tmp_path)


def test_it_samples_this_machine(vault: Vault) -> None:
    wait_until((vault.world.status / "machines.json").exists)
    told = json.loads(vault.ask("/api/system/metrics?hours=1", token=vault.secret)[1])
    assert told["hosts"][0]["here"]
    known = [use for use in told["history"]["series"]["memory_used_bytes"] if use is not None]
    assert known


def test_bytes_come_in_parts_and_whole(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = (vault.world.heroes / "DIO" / "checkpoint-100-20260101-1230" / "model.safetensors").read_bytes()
    path = "/fetch/checkpoint_100/model.safetensors"
    assert vault.ask(path, token=vault.secret, Range="bytes=5-9") == (206, weights[5:10])
    monkeypatch.setattr("vault.client._is_here", lambda *_: False)  # as on another machine
    fetched = vault.client().ensure_local("checkpoint_100", into=tmp_path)
    assert (fetched / "model.safetensors").read_bytes() == weights
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [fetched.name]


def test_bodies_are_bounded(vault: Vault) -> None:
    """By the length that is announced: who would send the whole would find the connection closed."""
    with closing(http.client.HTTPConnection(vault.address, timeout=30)) as connection:
        connection.putrequest("POST", "/api/fetch")
        headers = {"Authorization": f"Bearer {vault.secret}", "Content-Type": "application/json"}
        for name, value in (headers | {"Content-Length": str(3 * 1024**2)}).items():
            connection.putheader(name, value)
        connection.endheaders()
        reply = connection.getresponse()
        assert reply.status == 413
        assert b"at most" in reply.read()


def test_what_answers_is_no_vault(vault: Vault) -> None:
    for address in ("127.0.0.1:1", f"{ADDRESS}:{free_port()}"):
        assert not VaultKeeperClient(address).is_available()
        with pytest.raises(Unreachable, match="does not answer"):
            VaultKeeperClient(address).locate("checkpoint_100")
    with pytest.raises(ValueError, match="is no vault's address"):
        VaultKeeperClient("ftp://host")


@pytest.mark.django_db
def test_beyond_loopback_it_does_not_begin_without_a_token(world: World) -> None:
    with pytest.raises(CannotServe, match=r"there is none: make one by `manage\.py tokens new"):
        process.run(world, RealmConfig(), address="0.0.0.0", port=0)
    issued = tokens.of_world(world).issue("read")
    tokens.of_world(world).revoke(issued.token.token_id)
    with pytest.raises(CannotServe):
        process.run(world, RealmConfig(), address="192.168.1.5", port=0)


def test_it_ends_soon_though_somebody_waits(vault: Vault) -> None:
    """The last test: the process is gone after it. The zone that the job is for answers nobody."""
    (vault.world.home / "hosts.yaml").write_text("3090: {host: 192.0.2.30, services: {zone: {}}}\n")
    asked = json.dumps({"asset_id": "checkpoint_100", "to_zone": "3090", "wait": 600}).encode()
    told: list[tuple[int, bytes]] = []
    waiting = threading.Thread(
        target=lambda: told.append(vault.ask("/api/transfer", token=vault.secret, body=asked)), daemon=True
    )
    waiting.start()
    client = vault.client()
    wait_until(lambda: client._ask("GET", "/api/jobs")["count"] == 1)
    assert mailbox.read_json(vault.world.status / "vault.json")["pid"] == vault.process.pid
    vault.process.send_signal(signal.SIGTERM)
    assert vault.process.wait(60) in (0, -signal.SIGTERM)
    waiting.join(10)
    assert [code for code, _ in told] == [202]
