"""Who joins a battle from another machine, who is refused and told why, and when one counts as lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from arena.training.machines.alike import difference
from arena.training.machines.joining import Node
from arena.training.machines.meeting import Meeting
from arena.training.machines.ties import SILENT_SECONDS, Broken, Tie, tied
from realm import node_address
from realm.world import World
from tests.support.servers import free_port

KEY, ALIKE = b"the key of one world", {"torch": "2.13.0"}


@pytest.fixture
def address() -> tuple[str, int]:
    return "127.0.0.1", free_port()


def joins(world: World, address: tuple[str, int], name: str, *, key: bytes = KEY, torch: str = "2.13.0") -> Node:
    node = Node(world, address, name, key=key, alike={"torch": torch})
    threading.Thread(target=node.serve, daemon=True).start()
    return node


def meeting(address: tuple[str, int], is_over: Callable[[], bool]) -> tuple[Meeting | None, list[str]]:
    """Of one that waits for `gpubox`, and what it says that it waits for."""
    said: list[str] = []
    found = Meeting.of(
        address, ["gpubox"], key=KEY, alike=ALIKE, waits_for=lambda text: said.append(text), is_over=is_over
    )
    return found, said


def test_a_machine_joins_under_its_name_and_is_waited_for(world: World, address: tuple[str, int]) -> None:
    node = joins(world, address, "gpubox")
    found, said = meeting(address, lambda: False)
    assert found is not None
    assert list(found.ties) == ["gpubox"]
    there = f"manage.py node 127.0.0.1:{address[1]} --name gpubox"
    assert said[0] == f"The battle waits for the machine gpubox to join it; there: {there}"
    assert said[-1] == ""
    node.over.set()
    found.close()


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"name": "laptop"}, "is named 'laptop', and the battle's recipe names gpubox as its nodes"),
        (
            {"name": "gpubox", "torch": "2.12.0"},
            "cannot train with this machine: torch is 2.12.0 there and 2.13.0 here",
        ),
        ({"name": "gpubox", "key": b"of another world"}, "does not hold the key of this world"),
    ],
)
def test_who_is_no_machine_of_ours_is_refused_in_a_sentence(
    world: World, address: tuple[str, int], caplog: pytest.LogCaptureFixture, odd: dict[str, Any], told: str
) -> None:
    refused = threading.Event()
    node = joins(world, address, **odd)

    def is_over() -> bool:
        if any(told in record.getMessage() for record in caplog.records):
            refused.set()
        return refused.is_set()

    found, _ = meeting(address, is_over)
    assert found is None
    node.over.set()


def test_twin_without_the_look_at_the_libraries_it_joins(
    world: World, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.training.machines.meeting.difference", lambda ours, theirs: "")
    node = joins(world, address, "gpubox", torch="2.12.0")
    found, _ = meeting(address, lambda: False)
    assert found is not None
    node.over.set()
    found.close()


@pytest.mark.parametrize("speech", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64], ids=["none", "http", "bytes"])
def test_a_stranger_keeps_nobody_waiting(
    world: World, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, speech: bytes
) -> None:
    """As a scan of ports: it says nothing, or something else, and stays."""
    monkeypatch.setattr("arena.training.machines.ties.ANSWER_SECONDS", 1)
    node: list[Node] = []
    opened: list[socket.socket] = []

    def stranger() -> None:
        while True:
            try:
                opened.append(socket.create_connection(address))
                break
            except ConnectionRefusedError:
                continue
        opened[0].sendall(speech)
        node.append(joins(world, address, "gpubox"))

    threading.Thread(target=stranger, daemon=True).start()
    found, _ = meeting(address, lambda: False)
    assert found is not None
    node[0].over.set()
    found.close()
    opened[0].close()


def both_ends() -> tuple[Tie, Tie]:
    near, far = socket.socketpair()
    made: list[Tie] = []
    asking = threading.Thread(target=lambda: made.append(tied(near, KEY, asks_first=True)))
    asking.start()
    other = tied(far, KEY, asks_first=False)
    asking.join()
    return made[0], other


def test_rubbish_and_the_end_are_told() -> None:
    near, far = both_ends()
    far.say(name="gpubox")
    assert near.hear() == {"name": "gpubox"}
    far.close()
    with pytest.raises(Broken):
        near.hear()


def test_a_word_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cable that is pulled before the answer: the node tries again."""
    monkeypatch.setattr("arena.training.machines.ties.ANSWER_SECONDS", 1)
    near, far = both_ends()
    with pytest.raises(Broken):
        near.hear()
    far.close()
    near.close()


class Silent:
    """A connection on which nothing is heard."""


def lost_after(now: list[float], steps: list[float]) -> str:
    tie = Tie(Silent(), clock=lambda: now[0])  # type: ignore[arg-type]
    said = ""
    for step in steps:
        now[0] += step
        said = tie.silence()
    return said


def test_a_machine_is_lost_after_its_silence_and_not_before() -> None:
    assert lost_after([0.0], [1.0] * 14) == ""
    assert lost_after([0.0], [1.0] * 15) == f"has not been heard for {SILENT_SECONDS:.0f} s"


def test_who_slept_itself_has_lost_nobody() -> None:
    assert lost_after([0.0], [1.0, 3600.0, 1.0]) == ""


def test_twin_by_the_clock_alone_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.training.machines.ties.LONGEST_LOOK_SECONDS", float("inf"))
    assert lost_after([0.0], [1.0, 3600.0, 1.0])


def test_what_differs_is_named() -> None:
    assert difference({"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}) == ""
    assert difference({"a": "1", "b": "2"}, {"a": "3"}) == "a is 3 there and 1 here, b is missing there and 2 here"


@pytest.mark.parametrize("text", ["10.0.0.1:29400", "127.0.0.1:1", "192.168.1.20:65535"])
def test_addresses_of_ones_own_network_are_taken(text: str) -> None:
    host, port = node_address.parse(text)
    assert f"{host}:{port}" == text


@pytest.mark.parametrize("text", ["", "gpubox:29400", "8.8.8.8:29400", "0.0.0.0:29400", "10.0.0.1:0", "10.0.0.1:99999"])
def test_others_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^node_address: "):
        node_address.parse(text)
