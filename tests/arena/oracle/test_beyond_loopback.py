"""Beyond loopback the oracle answers nobody without a token, and the world's own programs with theirs.

127.0.0.2 is no name of loopback to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from arena.oracle import server
from realm.config import RealmConfig
from realm.hosts import get_host
from realm.oracle import own_token
from realm.oracle.sync_client import HostTrouble, OracleClient
from realm.web import tokens
from realm.web.serve import CannotServe
from realm.world import World
from sentinels import vitals
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import RunningOracle
from tests.support.servers import free_port

ADDRESS = "127.0.0.2"
ASKED = [
    ("GET", "/health"), ("GET", "/models/info"), ("GET", "/v1/models"), ("GET", "/v1/models/x"), ("GET", "/nothing"),
    ("POST", "/v1/chat/completions"), ("POST", "/v1/answers"), ("POST", "/models/load"), ("POST", "/models/unload"),
]  # fmt: skip
LOADING = {"/models/load", "/models/unload"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOracle]:
    world = World(tmp_path_factory.mktemp("opened") / "world")
    world.create()
    secret = tokens.of_world(world).issue("oracle").secret
    with heroes.oracle(world, address=ADDRESS, token=secret, REALM_ORACLE_BIND=ADDRESS) as host:
        yield host


def statuses(host: RunningOracle, token: str, **headers: str) -> dict[str, int]:
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    with httpx2.Client(base_url=host.url, headers=headers, timeout=30) as http:
        return {path: http.request(method, path).status_code for method, path in ASKED}


@pytest.mark.slow
def test_nobody_gets_in_without_a_token(opened: RunningOracle) -> None:
    read = tokens.of_world(opened.world).issue("api").secret
    for token in ("", "rot_wrong", read):
        assert set(statuses(opened, token).values()) == {401}


@pytest.mark.slow
def test_who_may_ask_models_may_not_load_them(opened: RunningOracle) -> None:
    store = tokens.of_world(opened.world)
    issued = store.issue("chat")
    assert {path for path, status in statuses(opened, issued.secret).items() if status == 401} == LOADING
    assert 401 not in statuses(opened, store.issue("oracle").secret).values()
    store.revoke(issued.token.token_id)
    assert set(statuses(opened, issued.secret).values()) == {401}


@pytest.mark.slow
def test_a_token_is_no_way_in_for_another_sites_page(opened: RunningOracle) -> None:
    secret = tokens.of_world(opened.world).issue("oracle").secret
    assert set(statuses(opened, secret, Origin="http://evil.example").values()) == {403}


@pytest.mark.slow
def test_the_worlds_own_programs_ask_with_its_own_token(opened: RunningOracle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_ORACLE_BIND", ADDRESS)
    host = get_host("local", opened.world, oracle_port=opened.port)
    with OracleClient(host) as client:
        assert client.health()["status"] == "healthy"
    config = RealmConfig(oracle_bind=ADDRESS, oracle_port=opened.port)
    assert vitals.oracle(opened.world, config) == ""
    monkeypatch.setattr(own_token, "file_of", lambda world: None)
    assert "is taken by another program" in vitals.oracle(opened.world, config)
    host = get_host("local", opened.world, oracle_port=opened.port)
    with OracleClient(host) as client, pytest.raises(HostTrouble, match="does not let us in"):
        client.health()


@pytest.mark.slow
def test_no_token_is_seen_in_logs_or_in_what_processes_are_called(opened: RunningOracle) -> None:
    own = own_token.read(opened.world)
    secret = tokens.of_world(opened.world).issue("oracle").secret
    statuses(opened, secret)
    told = Path(f"/proc/{opened.process.pid}/cmdline").read_bytes()
    told += Path(f"/proc/{opened.process.pid}/environ").read_bytes()
    told += b"".join(path.read_bytes() for path in opened.world.home.rglob("*.log*"))
    assert own.encode() not in told
    assert secret.encode() not in told
    assert (opened.world.secrets / own_token.FILE).stat().st_mode & 0o777 == 0o600


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.create()
    return world


def start(world: World) -> None:
    server.run(world, RealmConfig(), address=ADDRESS, port=free_port())


def test_without_a_token_it_does_not_start_there_and_says_how(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.serve, "run", lambda *arguments, **options: pytest.fail("it serves"))
    tokens.of_world(world).issue("api")
    with pytest.raises(CannotServe, match=r"make one by `manage\.py tokens new --purpose chat` or `oracle`, or listen"):
        start(world)


def test_with_one_it_stands_behind_the_wall(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr(server.serve, "run", lambda application, *arguments, **options: served.append(application))
    tokens.of_world(world).issue("chat")
    start(world)
    server.run(world, RealmConfig(), address="127.0.0.1", port=free_port())
    assert [application._required for application in served] == [True, False]


def test_twin_taken_for_loopback_it_starts_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOPBACK", {ADDRESS})
    with pytest.raises(pytest.fail.Exception, match="it serves"):
        test_without_a_token_it_does_not_start_there_and_says_how(world, monkeypatch)
