"""A server whose loop goes round and of whose threads none works: found by its silence to requests."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from realm.config import RealmConfig
from realm.processes import notify
from realm.weaver import guarded
from realm.weaver.services import TAVERN, Service, services
from realm.world import World
from sentinels.guardian import probe as probing
from sentinels.guardian.guardian import Guardian
from sentinels.guardian.probe import EVERY_SECONDS, MOST_SILENCES, Probe, answers
from sentinels.guardian.processes import Sight

(SERVICE,) = (service for service in services(RealmConfig()) if service.name == TAVERN)
RUNS = Sight(pid=os.getpid(), frozen=False, wants_processor=False, cpu_seconds=0.0)


def asked(probe: Probe, times: int, *, pid: int = 7, now: float = 0.0) -> str:
    """What it says after so many questions."""
    said = probe.look(now, pid)
    for number in range(1, times + 1):
        said = probe.look(now + number * EVERY_SECONDS, pid)
        assert probe._asking is not None
        probe._asking.join()
    return probe.look(now + times * EVERY_SECONDS, pid) or said


def test_one_that_answers_nobody_again_and_again_is_stuck_and_another_process_begins_anew() -> None:
    probe = Probe(SERVICE, ask=lambda service: False)
    assert asked(probe, MOST_SILENCES - 1) == ""
    assert asked(probe, MOST_SILENCES) == f"it answered none of the last {MOST_SILENCES} requests"
    assert probe.look(1000.0, 8) == ""


def test_a_slow_answer_now_and_then_is_no_fault() -> None:
    replies = iter([False, False, True, False, False])
    assert asked(Probe(SERVICE, ask=lambda service: next(replies)), 5) == ""


def test_any_answer_will_do_and_silence_will_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        service = replace(SERVICE, port=listening.getsockname()[1])
        assert not answers(service, seconds=0.05)
        listening.accept()[0].close()
        with socket.create_connection(listening.getsockname()):  # nothing else is in the line
            assert not answers(service, seconds=0.05)
    assert not answers(service, seconds=0.05)


@pytest.mark.parametrize(("silent", "ended"), [(True, True), (False, False)], ids=["silent", "twin: it answers"])
def test_the_guardian_ends_what_is_heard_and_answers_nobody(world: World, *, silent: bool, ended: bool) -> None:
    sent: list[int] = []
    now = [1000.0]

    def probe(service: Service, *, ask: Callable[[Service], bool] = lambda service: not silent) -> Probe:
        return Probe(service, ask=ask)

    guardian = Guardian(
        world, [SERVICE], probe=probe, holder=lambda *_: RUNS.pid, sight=lambda pid: RUNS,
        send=lambda pid, number: sent.append(number), clock=lambda: now[0],
    )  # fmt: skip
    for _ in range(int(EVERY_SECONDS * (MOST_SILENCES + 2))):
        notify._say(b"WATCHDOG=1", {notify.VARIABLE: str(world.control / "guardian.sock")})
        now[0] += 1
        guardian.tick()
        for made in guardian._probes.values():
            assert made._asking is None or made._asking.join() is None
    assert (guarded.read(world)[TAVERN].state == guarded.STUCK) == ended
    assert (signal.SIGTERM in sent) == ended
    guardian._pings.close()


@pytest.mark.parametrize("is_probed", [False, True], ids=["engine", "twin: probed"])
def test_an_engine_that_waits_for_a_checkpoint_is_not_asked(world: World, *, is_probed: bool) -> None:
    (world.home / "hosts.yaml").write_text("e: { kind: llamacpp, url: 'http://127.0.0.1:8081', start: true }")
    engine = next(one for one in services(RealmConfig(), world) if one.name == "engine-e")
    guardian = Guardian(world, [replace(engine, is_probed=True) if is_probed else engine])
    assert ("engine-e" in guardian._probes) == is_probed
    guardian._pings.close()


def test_who_is_asked_may_take_its_time() -> None:
    """Together longer than a machine is busy, and each longer than a page takes."""
    assert probing.ASK_SECONDS * MOST_SILENCES > 30
