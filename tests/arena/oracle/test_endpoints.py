"""A real host, asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from realm.checkpoints import sidecar
from realm.oracle.wire import LARGEST_REQUEST_BYTES
from realm.world import CHECKOUT, World
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import PROMPTS, RunningOracle
from tests.support.servers import environment, wait_until

pytestmark = pytest.mark.slow

BASE = "DIO/base"


def name(step: int) -> str:
    return f"DIO/{heroes.folder_name(step)}"


def refused(reply: httpx2.Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    error: dict[str, Any] = reply.json()["error"]
    assert error["message"]
    return error


def test_a_host_tells_what_is_loaded_and_what_could_be(running: RunningOracle) -> None:
    health = running.http.get("/health").json()
    assert (health["status"], health["loaded"], health["device"]) == ("healthy", 3, "cpu")
    assert 0 < health["memory_bytes"] < health["budget_bytes"]
    assert health["machine"]["memory_total_bytes"] > health["memory_bytes"]
    info = running.http.get("/models/info").json()
    assert [model["step"] for model in info["models"]] == [0, 5, 15]
    assert [entry["step"] for entry in info["available"]] == [25, 20, 15, 10, 5, 0]
    first = running.world.heroes / "DIO" / heroes.folder_name(5)
    told = next(model for model in info["models"] if model["step"] == 5)
    assert (told["id"], told["model_path"], told["mode"]) == (name(5), str(first), "full")
    assert told["sha256"] == sidecar.answering_digest(sidecar.read(first))


def test_answers_are_those_of_the_model_that_is_named(running: RunningOracle) -> None:
    said = {step: running.answers(model) for step, model in ((0, BASE), (5, name(5)), (15, name(15)))}
    assert len({tuple(reply["answers"]) for reply in said.values()}) == 3
    for step, reply in said.items():
        loaded = running.load(step)
        assert {key: reply[key] for key in ("model", "step", "sha256", "model_path")} == {
            "model": loaded["id"], "step": step, "sha256": loaded["sha256"], "model_path": loaded["model_path"],
        }  # fmt: skip
        assert len(reply["answers"]) == len(PROMPTS)
        assert reply["seconds"] > 0


def test_a_step_that_is_not_there_is_told_with_those_that_are(running: RunningOracle) -> None:
    reply = running.http.post("/models/load", json={"step": 148_000})
    assert refused(reply, 404)["code"] == "model_not_found"
    assert reply.json()["available"] == [25, 20, 15, 10, 5, 0]
    reply = running.http.post("/models/unload", json={"step": 10})
    assert "not loaded" in refused(reply, 404)["message"]
    assert reply.json()["available"] == [15, 5, 0]


def test_a_model_that_is_not_loaded_answers_nothing(running: RunningOracle) -> None:
    for body, path in (
        ({"model": name(10), "messages": [{"role": "user", "content": "1+1"}]}, "/v1/chat/completions"),
        ({"model": name(10), "messages": [{"role": "user", "content": "1+1"}], "stream": True}, "/v1/chat/completions"),
        ({"model": name(10), "prompts": ["1+1"], "max_new_tokens": 4}, "/v1/answers"),
    ):
        error = refused(running.http.post(path, json=body), 404)
        assert error["code"] == "model_not_found"
        assert name(5) in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/models/load", {}, "exactly one of step, name and model"),
        ("/models/load", {"step": 5, "name": "base"}, "exactly one"),
        ("/models/load", {"stepp": 5}, "did you mean 'step'"),
        ("/models/load", {"step": "5"}, "step: a whole number"),
        ("/models/load", {"model": "checkpoint-5"}, "is no id"),
        ("/v1/answers", {"model": BASE, "prompts": [], "max_new_tokens": 4}, "prompts: 1 to"),
        ("/v1/answers", {"model": BASE, "prompts": "1+1", "max_new_tokens": 4}, "prompts: a list"),
        ("/v1/answers", {"model": BASE, "prompts": ["1"], "max_new_tokens": 0}, "max_new_tokens: 0"),
        ("/v1/answers", {"model": BASE, "prompts": ["1", "2" * 9000], "max_new_tokens": 4}, "prompt 2 has"),
        ("/v1/chat/completions", {"model": BASE, "messages": []}, "at least one"),
    ],
)
def test_a_bad_request_is_told_in_a_sentence(
    running: RunningOracle, path: str, body: dict[str, Any], told: str
) -> None:
    assert told in refused(running.http.post(path, json=body), 400)["message"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"name": "\\ud800"}'])
def test_what_is_no_json_object_is_told(running: RunningOracle, data: bytes) -> None:
    refused(running.http.post("/models/load", content=data), 400)


def test_a_body_beyond_the_limit_is_refused_declared_or_not(running: RunningOracle) -> None:
    large = b'{"step": "' + b"5" * LARGEST_REQUEST_BYTES + b'"}'
    refused(running.http.post("/models/load", content=large), 413)
    refused(running.http.post("/models/load", content=iter([large[:1000], large[1000:]])), 413)


def test_strangers_are_refused(running: RunningOracle) -> None:
    assert running.http.get("/health", headers={"Host": "evil.example"}).status_code == 421
    assert (
        running.http.post("/models/load", json={"step": 0}, headers={"Origin": "http://evil.example"}).status_code
        == 403
    )
    assert running.http.get("/nowhere").status_code == 404
    assert running.http.get("/models/load").status_code == 405


def pieces(reply: httpx2.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in reply.iter_lines() if line]


def test_a_stream_names_its_model_in_every_piece(running: RunningOracle) -> None:
    body = {"model": name(5), "messages": [{"role": "user", "content": "1+1"}], "stream": True, "temperature": 0}
    body |= {"max_tokens": 8, "stream_options": {"include_usage": True}}
    with running.http.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        *told, end = pieces(reply)
    assert end == "[DONE]"
    events = [json.loads(each) for each in told]
    digest = running.load(5)["sha256"]
    assert {(each["model"], each["realm"]["step"], each["realm"]["sha256"]) for each in events} == {
        (name(5), 5, digest)
    }
    text = "".join(choice["delta"].get("content", "") for each in events for choice in each["choices"])
    assert text == running.answers(name(5), ["1+1"])["answers"][0]
    assert events[-1]["usage"]["completion_tokens"] == 8


def long_chat(running: RunningOracle) -> dict[str, Any]:
    """Of a model that never ends its turn: the test would see how it is ended."""
    return {
        "model": name(5), "messages": [{"role": "user", "content": "1+1"}], "max_tokens": 2000, "stream": True,
        "temperature": 0,
    }  # fmt: skip


def test_a_client_that_leaves_is_not_answered_further(running: RunningOracle) -> None:
    with running.http.stream("POST", "/v1/chat/completions", json=long_chat(running)) as reply:
        lines = reply.iter_lines()  # without a name it would be closed, and the connection with it
        next(lines)
        assert running.http.get("/health").json()["busy"]  # it answers meanwhile
    wait_until(lambda: not running.http.get("/health").json()["busy"])
    body = {"model": name(5), "prompts": ["1"] * 2000, "max_new_tokens": 500}
    with pytest.raises(httpx2.TimeoutException):
        running.http.post("/v1/answers", json=body, timeout=0.3)
    wait_until(lambda: not running.http.get("/health").json()["busy"])


def test_a_model_is_unloaded_under_those_it_answers(running: RunningOracle) -> None:
    running.load(10)
    body = long_chat(running) | {"model": name(10), "max_tokens": 60}
    with running.http.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = reply.iter_lines()
        next(lines)
        running.post("/models/unload", step=10)
        refused(running.http.post("/models/unload", json={"step": 10}), 404)
        told = [json.loads(line[6:]) for line in lines if line and line != "data: [DONE]"]
    assert {each["model"] for each in told} == {name(10)}
    assert told[-1]["choices"][0]["finish_reason"] in ("length", "stop")


def test_a_second_host_on_a_port_says_whose_it_is(running: RunningOracle) -> None:
    command = [sys.executable, "-m", "arena.oracle", "--port", str(running.port)]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment(running.world), capture_output=True, text=True, timeout=100
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"port {running.port} of 127.0.0.1 is taken by the oracle of {running.world.home}; end it, or set "
        "REALM_ORACLE_PORT\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        command[-1] = str(other.getsockname()[1])
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment(running.world), capture_output=True, text=True, timeout=100
        )  # fmt: skip
    assert "is taken by another program" in done.stderr


def test_a_small_budget_a_damaged_file_and_an_end(tmp_path: Path) -> None:
    """A host elsewhere has the models of a world and nothing else."""
    made = heroes.make_world(tmp_path / "world")
    for step in (5, 10):
        heroes.add_full(made, step)
    size = (made.heroes / "DIO" / heroes.folder_name(5) / "model.safetensors").stat().st_size
    world = World(tmp_path / "elsewhere")
    shutil.copytree(made.models, world.models, symlinks=True)
    world.home.joinpath("config.yaml").write_text(f"oracle_memory_gb: {1.5 * size / 1e9:.9f}\n")
    with heroes.oracle(world) as host:
        assert host.http.get("/health").json()["device"] is None
        host.load(5)
        host.load(10)
        assert [model["step"] for model in host.http.get("/models/info").json()["models"]] == [10]
        weights = world.heroes / "DIO" / heroes.folder_name(5) / "model.safetensors"
        with open(weights, "r+b") as file:
            file.seek(-8, os.SEEK_END)
            file.write(b"damaged!")
        error = refused(host.http.post("/models/load", json={"step": 5}), 409)
        assert "model.safetensors" in error["message"]
        assert [model["step"] for model in host.http.get("/models/info").json()["models"]] == [10]
        busy = {"model": name(10), "messages": [{"role": "user", "content": "1"}], "stream": True, "max_tokens": 2000}
        with host.http.stream("POST", "/v1/chat/completions", json=busy | {"temperature": 0}) as reply:
            lines = reply.iter_lines()
            next(lines)
            error = refused(host.http.post("/models/load", json={"step": 0}), 507)
            assert "oracle_memory_gb" in error["message"]
            host.process.send_signal(signal.SIGTERM)
            host.process.wait(60)


def test_the_command_becomes_the_host(running: RunningOracle) -> None:
    command = [sys.executable, "manage.py", "oracle", "--port", str(running.port)]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment(running.world), capture_output=True, text=True, timeout=100
    )  # fmt: skip
    assert (done.returncode, "is taken by the oracle of" in done.stderr) == (1, True)
