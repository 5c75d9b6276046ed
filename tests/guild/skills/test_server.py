"""`manage.py trainer SKILL`: the realm's own trainers for others, behind the guard, within bounds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx2
import pytest
from django.core.management import CommandError, call_command

from guild.skills.registry import get_skill, get_trainer
from guild.trainers import protocol
from guild.trainers.http import HttpTrainer
from realm.world import CHECKOUT, World
from tests.support import skill_files
from tests.support.served_trainer import TIMEOUT_SECONDS, served
from tests.support.servers import environment, free_port

LEVELS = "[{ operations: [NOT], width: 20 }, { operations: [ADD], width: 11 }]"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    skill_files.put(tmp_path, monkeypatch, "box", trainer="guild.trainers.binary.BinaryAlchemist", levels=LEVELS)
    with served(get_skill("box"), get_trainer("box")) as address:
        yield address


def post(url: str, body: object, **headers: str) -> tuple[int, str]:
    reply = httpx2.post(url, content=body if isinstance(body, bytes) else json.dumps(body), headers=headers)
    return reply.status_code, reply.json()["error"] if reply.status_code != 200 else ""


def test_what_is_served_is_what_the_class_gives(url: str) -> None:
    assert httpx2.get(f"{url}/health").json() == {"status": "healthy"}
    assert httpx2.get(f"{url}/skill").json() == {"protocol": 1, "name": "box", "max_level": 2}
    body = {"level": 2, "count": 30, "seed": 5, "parameters": {}}
    given = httpx2.post(f"{url}/sample", json=body).json()
    ours = get_trainer("box").sample(level=2, count=30, seed=5)
    assert (given["skill"], given["level"]) == ("box", 2)
    assert [told["prompt"] for told in given["problems"]] == [problem.prompt for problem in ours]
    asked = [{"prompt": p.prompt, "answer": p.answer, "given": p.answer if n else "no"} for n, p in enumerate(ours)]
    verdicts = httpx2.post(f"{url}/judge", json={"level": 2, "problems": asked}).json()["verdicts"]
    assert verdicts == [False] + [True] * 29


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("sample", {"level": 3, "count": 1, "seed": 1, "parameters": {}}, 400, "box has no level 3; it has 1 to 2"),
        ("sample", {"level": 1, "count": 1001, "seed": 1, "parameters": {}}, 400, "count: 1001 is not allowed"),
        ("sample", {"level": 1, "count": 0, "seed": 1, "parameters": {}}, 400, "count: 0 is not allowed"),
        ("sample", {"level": 1, "count": 1, "seed": -1, "parameters": {}}, 400, "seed: -1 is not allowed"),
        ("sample", {"level": 1, "count": 1, "parameters": {}}, 400, "/sample: key 'seed' is missing"),
        ("sample", {"level": 1, "count": 1, "seed": 1, "parameters": {"width": 9}}, 400, "parameters: level 1 has"),
        ("sample", {"level": 1, "count": 1, "sead": 1, "parameters": {}}, 400, "did you mean 'seed'?"),
        ("sample", b"\xff", 400, "/sample: no JSON"),
        ("sample", b"[" * 100_000, 400, "/sample: no JSON"),
        ("judge", {"level": 1, "problems": []}, 400, "problems: 1 to 1000 are taken at once, not 0"),
        ("judge", {"level": 1, "problems": [{"prompt": "a", "answer": 1, "given": ""}]}, 400, "problems[0]: answer: a"),
        ("elsewhere", {}, 404, "Not Found"),
        ("health", {}, 405, "Method Not Allowed"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_with_one_sentence(
    url: str, path: str, body: object, status: int, sentence: str
) -> None:
    found, told = post(f"{url}/{path}", body)
    assert found == status
    assert sentence in told
    assert "\n" not in told


def test_a_body_has_a_largest_size(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"level": 1, "problems": [{"prompt": "a" * 50_000, "answer": "1", "given": "1"}]}
    assert post(f"{url}/judge", body)[0] == 200
    monkeypatch.setattr(protocol, "LARGEST_BODY_BYTES", 10_000)
    assert post(f"{url}/judge", body) == (413, "a request holds at most 10000 bytes")


def test_strangers_are_turned_away(url: str) -> None:
    assert httpx2.get(f"{url}/skill", headers={"Host": "evil.example"}).status_code == 421
    assert httpx2.get(f"{url}/skill", headers={"Origin": "http://evil.example"}).status_code == 403


def test_the_command_serves_until_it_is_ended(world: World) -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "trainer", "bin", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=CHECKOUT, env=environment(world), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        client = HttpTrainer("bin", f"http://127.0.0.1:{port}", get_skill("bin").levels)
        _wait_for(port, server)
        assert client.sample(level=2, count=3, seed=9)[0].skill == "bin"
        with pytest.raises(
            CommandError, match=f"port {port} of .* is taken by another program; end it, or choose another with --port"
        ):
            call_command("trainer", "bin", port=port, stdout=StringIO())
    finally:
        server.send_signal(signal.SIGTERM)
        told = server.communicate(timeout=TIMEOUT_SECONDS)[0].decode()
    assert f"serves http://127.0.0.1:{port} until it is stopped." in told
    assert "Traceback" not in told


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("trainer", "more", "words", "sentence"),
    [
        ("http", "api_url: http://127.0.0.1:9\n", [], "is a server already, at http://127.0.0.1:9"),
        ("guild.trainers.binary.BinaryAlchemist", "", [], "has no api_url with a port: choose one with --port"),
        ("guild.trainers.binary.BinaryAlchemist", "", ["--port", "0"], "0 is no port; allowed are 1 to 65535"),
    ],
)
def test_what_cannot_be_served_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str, more: str, words: list[str], sentence: str
) -> None:
    skill_files.put(tmp_path, monkeypatch, "box", trainer=trainer, levels=LEVELS, more=more)
    with pytest.raises(CommandError, match=sentence):
        call_command("trainer", "box", *words, stdout=StringIO())


def test_a_task_of_reasoning_gym_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = "[{ min_numbers: 3, max_numbers: 3 }]"
    skill_files.put(tmp_path, monkeypatch, "count", trainer="reasoning-gym:countdown", levels=levels)
    with served(get_skill("count"), get_trainer("count")) as url:
        client = HttpTrainer("count", url, ({},))
        (problem,) = client.sample(level=1, count=1, seed=1)
        assert client.judge_all([problem, problem], [f"({problem.answer})", "1"]) == [True, False]


def test_the_command_skill_lists_shows_and_checks(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skill_files.put(
        tmp_path / "skills", monkeypatch, "box", trainer="guild.trainers.binary.BinaryAlchemist", levels=LEVELS
    )
    skill_files.put(tmp_path / "skills", monkeypatch, "bad", trainer="guild.lost.Lost", levels=LEVELS)
    assert "box: box, 2 levels, guild.trainers.binary.BinaryAlchemist" in _said("list")
    assert f"left out: {tmp_path}{os.sep}skills{os.sep}bad.yaml: trainer: 'guild.lost.Lost'" in _said("list")
    assert "operations: [ADD]" in _said("show", "box")
    told = _said("check", "box", "--count", "50")
    assert [line.split(" different")[0] for line in told.splitlines()[:2]] == ["level 1: 50", "level 2: 50"]
    assert told.endswith("box keeps its promises.\n")
    with pytest.raises(CommandError, match="box has no level 9; it has 1 to 2"):
        _said("check", "box", "--level", "9")


def _said(*words: str) -> str:
    out = StringIO()
    call_command("skill", *words, stdout=out)
    return out.getvalue()
