"""The machines of a world: this one read, others as they told of themselves, none of them waited for."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realm.config import RealmConfig
from realm.hosts import Host, UnknownHost
from realm.machine import wire
from realm.machine.machine import Gpu, Machine
from realm.world import World
from tests.support.task_master import until
from watchtower import machines
from watchtower.machines import others, sampler, selectors
from watchtower.machines.others import Others, Told, ask_host
from watchtower.machines.sampler import Sampler

FAR = Machine(time=0.0, name="far", cpu_percent=12.0, gpus=(Gpu(index=0, uuid="GPU-9", use_percent=3.0),))


class Health(BaseHTTPRequestHandler):
    said: Any = {}
    asked: list[tuple[str, str | None]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        body = self.said if isinstance(self.said, bytes) else json.dumps(self.said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def far(world: World) -> Iterator[type[Health]]:
    """A host of hosts.yaml whose `/health` a test writes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    Health.said, Health.asked = {"status": "healthy", wire.KEY: wire.told(FAR)}, []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    write_hosts(world, f"http://127.0.0.1:{server.server_port}")
    yield Health
    server.shutdown()
    thread.join()
    server.server_close()


def write_hosts(world: World, url: str) -> None:
    """Its address is loopback's, and yet it is to count as another machine."""
    world.secrets.joinpath("far.token").write_text("rot_secret\n")
    (world.home / "hosts.yaml").write_text(f"far: {{kind: realm, name: Far, url: '{url}', token_file: far.token}}\n")


@pytest.fixture(autouse=True)
def nothing_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realm.host_services.is_this_machine", lambda address: False)


def far_of(world: World) -> machines.HostMachine:
    return next(host for host in machines.now(world, RealmConfig(oracle_port=1)) if host.host == "far")


def a_sampler(world: World, **changes: Any) -> Sampler:
    return Sampler(world, RealmConfig(oracle_port=1), **changes)


def test_another_host_s_health_tells_of_its_machine(world: World, far: type[Health]) -> None:
    assert far_of(world).machine is None
    assert "does not run" in far_of(world).trouble
    watching = a_sampler(world)

    def heard() -> bool:
        watching.sample()
        return far_of(world).fresh

    until(heard)
    told = far_of(world)
    assert told.machine is not None
    assert (told.name, told.machine.cpu_percent, told.trouble) == ("Far", 12.0, "")
    assert told.machine.gpus == FAR.gpus
    assert set(far.asked) == {("/health", "Bearer rot_secret")}
    watching.sample()
    (gpu,) = machines.history(world, "far", 0.1).gpus
    assert set(gpu.series["use_percent"]) - {None} == {3.0}


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ({"status": "healthy"}, "an older release"),
        (b"<html>", "rubbish"),
        ([], "an older release"),
        (b"[" * 100_000, "rubbish"),
    ],
)
def test_a_host_that_does_not_tell_is_unknown(world: World, far: type[Health], said: Any, trouble: str) -> None:
    far.said = said
    host = next(each for each in selectors.other_hosts(world, None) if each.id == "far")
    told = ask_host(host)
    assert told.machine is None
    assert trouble in told.trouble


def a_host(name: str = "far") -> Host:
    return Host(id=name, name=name, url="http://10.0.0.1:1", kind="realm")


def test_a_silent_host_holds_nobody_up_and_keeps_what_it_told() -> None:
    silence, answers = threading.Event(), [Told(machine=FAR, seen_at=5.0)]

    def ask(host: Host) -> Told:
        if answers:
            return answers.pop()
        silence.wait(60)
        return Told(trouble="gone")

    asking = Others(ask)
    until(lambda: asking.look([a_host()])["far"].machine)
    began = time.monotonic()
    for _ in range(50):
        told = asking.look([a_host()])["far"]
    assert time.monotonic() - began < 30, "its silence lasts a minute"
    assert told.machine == FAR
    silence.set()
    until(lambda: asking.look([a_host()])["far"].trouble == "gone")
    assert asking.look([a_host()])["far"].seen_at == 5.0, "last seen"
    assert asking.look([]) == {}


def test_what_a_host_told_last_outlives_the_process_that_asked(world: World, far: type[Health]) -> None:
    watching = a_sampler(world, others=Others(lambda host: Told(machine=FAR, seen_at=5.0)))
    until(lambda: watching.sample() or selectors.last_told(world))
    later = a_sampler(world, others=Others(lambda host: Told(trouble="gone"), before=selectors.last_told(world)))
    until(lambda: later.sample() or far_of(world).trouble == "gone")
    told = far_of(world)
    assert (told.fresh, told.seen_at) == (False, 5.0)
    assert told.machine is not None


def test_a_history_is_of_a_known_host(world: World, far: type[Health]) -> None:
    for odd in ("nobody", "../../secrets", "a\0b", "_here"):
        with pytest.raises(UnknownHost):
            machines.history(world, odd)
        with pytest.raises(CommandError, match="Known: local, far"):
            call_command("machines", "--host", odd)
    assert machines.history(world, "far", 0.1).host == "far"
    told = io.StringIO()
    call_command("machines", "--host", "far", "--json", stdout=told)
    assert [each["host"] for each in json.loads(told.getvalue())] == ["far"]


def test_twin_asked_in_its_turn_a_silent_host_holds_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(host: Host) -> Told:
        raise TimeoutError("it waits")

    class InTurn:
        def __init__(self, question: Any, **options: Any) -> None:
            self.get = question

    monkeypatch.setattr(others, "InTime", InTurn)
    with pytest.raises(TimeoutError, match="it waits"):
        Others(ask).look([a_host()])


def test_this_machine_is_first_and_its_first_figures_are_the_sampler_s(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.time()
    told = Machine(time=moment, name="here", cpu_percent=44.0)
    monkeypatch.setattr(sampler.selectors.readings, "read", lambda home: Machine(time=moment))
    assert machines.now(world, RealmConfig())[0].machine == Machine(time=moment)
    a_sampler(world, read=lambda home: told, others=Others(lambda host: Told(trouble="no"))).sample()
    first = machines.now(world, RealmConfig())[0]
    assert first.here
    assert first.machine is not None
    assert first.machine.cpu_percent == 44.0
    (world.status / "machines.json").write_text('{"hosts": {"_here": {"seen_at": "x", "services": [1]}, "far": 3}}')
    assert machines.now(world, RealmConfig())[0].machine == Machine(time=moment)
