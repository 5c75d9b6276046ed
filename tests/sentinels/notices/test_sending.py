"""One notice over a real socket, by the real library in its process; what that process does not do."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from sentinels.notices import sending
from sentinels.notices.sender import delivery, fence
from sentinels.notices.sender.session import Session
from sentinels.notices.sending import Answer, Order, send
from tests.sentinels.notices.post_office import hook

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")]


def order(address: str, **options: object) -> Order:
    return Order(address=address, title="DIO: level-up", body="DIO masters BIN 3", **options)  # type: ignore[arg-type]


def test_it_arrives_past_every_proxy_and_the_answer_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with hook() as proxy, hook() as server:
        for name in ("http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        answer = send(order(server.address))
    assert answer == Answer(ok=True, status=200, words="200 OK: the key ••• is known")
    (got,) = server.got
    assert (got["title"], got["message"], proxy.got) == ("DIO: level-up", "DIO masters BIN 3", [])


def redirected(monkeypatch: pytest.MonkeyPatch) -> tuple[Answer, int, int]:
    """The answer, and what the server and the one behind its redirect got; in this process."""
    for module in (requests, requests.sessions):
        monkeypatch.setattr(module, "Session", requests.Session)  # put back after the test
    with hook() as elsewhere, hook(307, Location=elsewhere.address.replace("json", "http")) as server:
        answer = delivery.deliver(order(f"{server.address}?redirect=yes"), [])
    return answer, len(server.got), len(elsewhere.got)


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked, followed = redirected(monkeypatch)
    assert (answer.ok, answer.status, asked, followed) == (False, 307, 1, 0)


def test_the_twin_with_the_librarys_own_sessions_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Session, "get_redirect_target")
    answer, asked, followed = redirected(monkeypatch)
    assert (answer.ok, asked, followed) == (True, 1, 1)


def test_where_credentials_lie_nothing_goes() -> None:
    """A name that leads to 169.254.169.254 looks as harmless as this number."""
    answer = send(order("json://2852039166:9/"))
    assert (answer.ok, answer.words) == (False, fence.CREDENTIALS)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (("169.254.169.254", 80), "link-local"), (("fe80::1%eth0", 80, 0, 2), "link-local"),
        (("::ffff:169.254.169.254", 80, 0, 0), "link-local"), (("0.0.0.0", 80), "link-local"),
        (("127.0.0.1", 8888), "own servers"), (("::ffff:127.0.0.1", 8888), "own servers"),
        (("::ffff:192.168.1.5", 8888), "own servers"), (("::1", 8767, 0, 0), "own servers"),
        (("192.168.1.5", 8767), "own servers"), (("example.org", 80), "without a number"),
        ("/run/docker.sock", "no socket"), (("127.0.0.1", 8080), ""), (("192.168.1.6", 8767), ""),
        (("93.184.216.34", 443), ""),
    ],
)  # fmt: skip
def test_the_fence_of_addresses(address: object, why: str) -> None:
    said = fence._of_address(address, {"192.168.1.5"}, (8888, 8767))
    assert why in said
    assert bool(why) == bool(said)


def test_the_fence_of_files() -> None:
    prefixes = fence.readable()
    for path, flags in (("/etc/passwd", os.O_RDONLY), ("/proc/1/environ", os.O_RDONLY), (fence.__file__, os.O_WRONLY)):
        assert fence._of_file(path, flags, prefixes), path
    for code in (fence.__file__, os.__file__, "/etc/ssl/certs/ca-certificates.crt", 5):
        assert not fence._of_file(code, os.O_RDONLY, prefixes), code


@contextmanager
def silent() -> Iterator[str]:
    """Takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"json://127.0.0.1:{server.getsockname()[1]}/"


def test_who_says_nothing_is_not_waited_for() -> None:
    with silent() as address:
        answer = send(order(address, seconds=1.5))
    assert (answer.ok, answer.words) == (False, "no answer within 2 s")


@contextmanager
def mail_server() -> Iterator[tuple[int, list[bytes]]]:
    """As much of SMTP as one letter needs."""
    got: list[bytes] = []

    def talk(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rwb", buffering=0) as file:
            file.write(b"220 here\r\n")
            for line in file:
                word = line.strip().upper()
                got.append(line)
                if word == b"DATA":
                    file.write(b"354 go on\r\n")
                    while (line := file.readline()).strip() != b".":
                        got.append(line)
                file.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(10)


def test_a_letter_arrives() -> None:
    with mail_server() as (port, got):
        answer = delivery.deliver(
            order(f"mailto://127.0.0.1:{port}/?smtp=127.0.0.1&from=dio@realm.example&to=me@home.example"), []
        )
    assert (answer.ok, answer.words) == (True, "taken by the server")
    letter = b"".join(got)
    assert b"Subject: DIO: level-up" in letter
    assert b"DIO masters BIN 3" in letter


def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    assert delivery.deliver(order("json://127.0.0.1:1/"), []) == Answer(ok=False, words=sending.MISSING)


def test_a_process_that_cannot_begin_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending.sys, "executable", "/nonexistent/python")
    assert not send(order("json://127.0.0.1:1/")).ok
