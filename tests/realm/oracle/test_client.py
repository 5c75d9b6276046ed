"""An answer counts only from the model that was asked; every other host is one sentence, soon."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from realm.hosts import Host
from realm.oracle import client
from realm.oracle.client import AsyncOracle, Ending
from realm.oracle.sync_client import (
    Damaged,
    HostDown,
    HostTrouble,
    LoadedModel,
    NoRoom,
    NotLoaded,
    OracleClient,
    WrongModel,
    find_loaded,
)
from realm.oracle.wire import RealmModel, Sampling, Turn
from realm.strict import BadConfig
from realm.web import bodies, outbound
from tests.support.servers import free_port
from tests.support.stub_host import (
    OTHER_SHA,
    SHA,
    Raw,
    Stub,
    chunk,
    events,
    raw_host,
    realm_model,
    spoken,
    stub_host,
    witness,
)

CHAT = "POST /v1/chat/completions"
M1000 = realm_model(1000)


def loaded_model(step: int = 1000, **keys: Any) -> LoadedModel:
    return RealmModel(**realm_model(step, **keys))


FOREIGN = LoadedModel(id="dio-1000", hero="DIO", step=1000, name="dio-1000", model_path="dio-1000", sha256=None)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_host() as running:
        running.replies["GET /models/info"] = (200, {"models": [realm_model(0), M1000], "available": []})
        running.replies["GET /v1/models"] = (200, {"data": [{"id": "base-model"}, {"id": "dio-1000"}, {"id": "x"}]})
        yield running


def answers_of(prompts: list[str], **keys: Any) -> dict[str, Any]:
    said = {"model": M1000["id"], "step": 1000, "sha256": SHA, "answers": [f"echo: {prompt}" for prompt in prompts]}
    return said | keys


def answer(host: Host, model: LoadedModel | None = None, prompts: tuple[str, ...] = ("a", "b")) -> list[str]:
    with OracleClient(host) as oracle:
        return oracle.answer(model or loaded_model(), prompts, max_new_tokens=7)


def hear(host: Host, model: LoadedModel | None = None, **sampling: Any) -> tuple[str, Ending]:
    """A streamed answer to its end."""

    async def listen() -> tuple[str, Ending]:
        texts: list[str] = []
        async with AsyncOracle(host) as oracle:
            async for piece in oracle.chat(
                model or loaded_model(), [Turn(role="user", content="hi")], Sampling(**sampling)
            ):
                if isinstance(piece, Ending):
                    return "".join(texts), piece
                texts.append(piece)
        raise AssertionError("it had no ending")

    return anyio.run(listen)


def test_a_realm_host_tells_what_is_loaded(stub: Stub) -> None:
    stub.replies["GET /health"] = (200, {"status": "healthy", "device": "cpu", "loaded": 2, "busy": False, "news": [1]})
    with OracleClient(stub.host()) as oracle:
        assert oracle.health() == {"status": "healthy", "device": "cpu", "loaded": 2, "busy": False}
        assert oracle.loaded() == [loaded_model(1000), loaded_model(0)]


def test_loading_names_hero_and_step_and_gives_the_model(stub: Stub) -> None:
    stub.replies["POST /models/load"] = (200, M1000)
    with OracleClient(stub.host()) as oracle:
        assert oracle.load(hero="DIO", step=1000) == loaded_model()
        assert oracle.load(hero="DIO", name=M1000["name"]) == loaded_model()
    assert stub.bodies("POST /models/load") == [{"hero": "DIO", "step": 1000}, {"hero": "DIO", "name": M1000["name"]}]


@pytest.mark.parametrize("wanted", [{"hero": "DIO", "step": 0}, {"hero": "EVA", "step": 1000}])
def test_a_host_that_loads_something_else_is_refused(stub: Stub, wanted: dict[str, Any]) -> None:
    stub.replies["POST /models/load"] = (200, M1000)
    with OracleClient(stub.host()) as oracle, pytest.raises(WrongModel, match="instead of what was asked for"):
        oracle.load(**wanted)


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (404, {"error": "Step 5 is no checkpoint of DIO.", "available": [0, 1000]}, NotLoaded, r"\[1000, 0\]$"),
        (404, {"error": "no", "available": [{"step": 7}, {"step": True}, "x"]}, NotLoaded, r"Available: \[7\]"),
        (409, {"error": {"message": "model.safetensors has changed"}}, Damaged, "stub: model.safetensors has changed"),
        (507, {"detail": "9 GB do not fit"}, NoRoom, "stub: 9 GB do not fit"),
        (401, {"message": "no key"}, HostTrouble, r"does not let us in \(status 401\): no key"),
        (500, {"error": "<b>\n\x1b[31mboom" + "!" * 999}, HostTrouble, r"stub: <b> \[31mboom!+…$"),
        (500, [], HostTrouble, "refused with status 500"),
    ],
)
def test_a_refusal_is_told_in_the_hosts_words(
    stub: Stub, status: int, body: Any, kind: type[HostTrouble], told: str
) -> None:
    stub.replies["POST /models/load"] = (status, body)
    with OracleClient(stub.host()) as oracle, pytest.raises(HostTrouble, match=told) as caught:
        oracle.load(hero="DIO", step=5)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_greedy_answers_come_in_order_and_in_batches(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROMPTS_AT_ONCE", 2)
    stub.replies["POST /v1/answers"] = lambda body: (200, answers_of(body["prompts"]))
    assert answer(stub.host(), prompts=("a", "b", "c")) == ["echo: a", "echo: b", "echo: c"]
    asked = stub.bodies("POST /v1/answers")
    assert [body["prompts"] for body in asked] == [["a", "b"], ["c"]]
    assert {(body["model"], body["max_new_tokens"]) for body in asked} == {(M1000["id"], 7)}


LIES = [
    {"sha256": OTHER_SHA},
    {"step": 0},
    {"model": "DIO/checkpoint-999-20261121-1200"},
]


@pytest.mark.parametrize("lie", LIES)
def test_answers_of_another_model_are_refused(stub: Stub, lie: dict[str, Any]) -> None:
    stub.replies["POST /v1/answers"] = lambda body: (200, answers_of(body["prompts"], **lie))
    with pytest.raises(WrongModel, match="its answer was thrown away"):
        answer(stub.host())


@pytest.mark.parametrize("answers", [[], ["one"], ["a", "b", "c"]])
def test_too_few_or_too_many_answers_are_refused(stub: Stub, answers: list[str]) -> None:
    stub.replies["POST /v1/answers"] = (200, answers_of([], answers=answers))
    with pytest.raises(HostTrouble, match=rf"gave {len(answers)} answers to 2 prompts"):
        answer(stub.host())


def test_a_model_that_was_unloaded_meanwhile_is_not_loaded(stub: Stub) -> None:
    stub.replies["POST /v1/answers"] = (404, {"error": {"code": "model_not_found", "message": "gone"}})
    with pytest.raises(NotLoaded) as caught:
        answer(stub.host(), loaded_model(148000))
    assert str(caught.value) == "Step 148000 not loaded. Available: [1000, 0]"
    assert caught.value.available == [1000, 0]


def test_only_the_asked_step_of_the_asked_hero_is_found() -> None:
    models = [loaded_model(1000), loaded_model(0), loaded_model(500, hero="EVA")]
    assert find_loaded(models, hero="DIO", step=0) == models[1]
    assert find_loaded(models, hero="DIO", step=1000, name=models[0].name) == models[0]
    for wanted in ({"step": 500}, {"step": 999}, {"step": 1000, "name": "checkpoint-1000-20261121-1201"}):
        with pytest.raises(NotLoaded, match=r"not loaded\. Available: \[1000, 0\]"):
            find_loaded(models, hero="DIO", **wanted)  # type: ignore[arg-type]


def test_a_streamed_answer_ends_with_what_it_took(stub: Stub) -> None:
    stub.replies[CHAT] = spoken(M1000, "Hel", "lo", "!")
    text, ending = hear(stub.host(), temperature=0.5, top_p=0.9, max_tokens=5, seed=3)
    assert text == "Hello!"
    assert (ending.finish_reason, ending.prompt_tokens, ending.answer_tokens) == ("stop", 3, 3)
    (asked,) = stub.bodies(CHAT)
    assert asked["model"] == M1000["id"]
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"], asked["seed"]) == (0.5, 0.9, 5, 3)
    assert asked["stream"] is True


TOLD = witness(M1000)
OTHER = witness(realm_model(1000, sha256=OTHER_SHA))
CHUNKS_THAT_LIE = {
    "another name": [chunk("DIO/base", "hi", **TOLD)],
    "another name later": [chunk(M1000["id"], "hi", **TOLD), chunk("DIO/base", "there")],
    "another digest": [chunk(M1000["id"], "hi", **OTHER)],
    "another digest later": [chunk(M1000["id"], "hi", **TOLD), chunk(M1000["id"], finish="stop", **OTHER)],
    "another step": [chunk(M1000["id"], "hi", **witness(realm_model(7)))],
    "another hero": [chunk(M1000["id"], "hi", **witness(realm_model(1000, hero="EVA")))],
    "no digest": [chunk(M1000["id"], "hi"), chunk(M1000["id"], finish="stop", **TOLD)],
}


@pytest.mark.parametrize("case", CHUNKS_THAT_LIE)
def test_a_stream_of_another_model_is_refused(stub: Stub, case: str) -> None:
    stub.replies[CHAT] = events(*CHUNKS_THAT_LIE[case])
    with pytest.raises(WrongModel, match="its answer was thrown away"):
        hear(stub.host())


@pytest.mark.parametrize("case", [case for case in CHUNKS_THAT_LIE if case != "another name later"])
def test_twin_without_the_check_another_model_would_be_believed(
    stub: Stub, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_check_model", lambda *arguments, **keys: True)
    stub.replies[CHAT] = events(*CHUNKS_THAT_LIE[case], chunk(M1000["id"], finish="stop", **TOLD))
    assert hear(stub.host())[0] == "hi"


def test_a_stream_that_breaks_off_is_no_answer(stub: Stub) -> None:
    stub.replies[CHAT] = events(chunk(M1000["id"], "hi", **TOLD), done=False)
    with pytest.raises(HostTrouble, match="broke off before its answer was complete"):
        hear(stub.host())


def test_an_error_within_a_stream_is_told(stub: Stub) -> None:
    stub.replies[CHAT] = events(chunk(M1000["id"], "hi", **TOLD), {"error": {"message": "out of memory"}})
    with pytest.raises(HostTrouble, match="stub: out of memory"):
        hear(stub.host())


def test_whoever_stops_listening_makes_the_host_stop(stub: Stub) -> None:
    stub.replies[CHAT] = Raw(
        body=events(chunk(M1000["id"], "hi", **TOLD), done=False).body,
        headers=(("Content-Type", "text/event-stream"),),
        then_waits=True,
    )

    async def listen() -> None:
        async with AsyncOracle(stub.host()) as oracle:
            pieces = oracle.chat(loaded_model(), [Turn(role="user", content="hi")], Sampling())
            assert await anext(pieces) == "hi"
            assert not stub.gone.is_set()
            await pieces.aclose()  # type: ignore[attr-defined]
            assert await anyio.to_thread.run_sync(stub.gone.wait, 30)

    anyio.run(listen)


def test_a_foreign_host_has_the_steps_that_are_mapped_and_served(stub: Stub) -> None:
    stub.replies["GET /v1/models"] = (200, {"data": [{"id": "dio-1000"}, {"id": "other"}]})
    with OracleClient(stub.host("openai")) as oracle:
        assert oracle.health() == {"status": "healthy", "loaded": 2}
        assert oracle.loaded() == [FOREIGN]
        assert oracle.load(hero="DIO", step=1000) == FOREIGN
        for hero, step in (("DIO", 0), ("DIO", 5), ("EVA", 1000)):
            with pytest.raises(NotLoaded, match=f"Step {step} not loaded. Available: "):
                oracle.load(hero=hero, step=step)
        with pytest.raises(HostTrouble, match="keeps its own models"):
            oracle.unload(hero="DIO", step=1000)


def completion(body: Any, **keys: Any) -> tuple[int, Any]:
    text = f"echo: {body['messages'][0]['content']}"
    return 200, {"model": body["model"], "choices": [{"message": {"content": text}, "finish_reason": "stop"}]} | keys


def test_a_foreign_host_answers_greedily_one_prompt_a_request(stub: Stub) -> None:
    stub.replies[CHAT] = completion
    prompts = tuple(f"p{number}" for number in range(20))
    assert answer(stub.host("openai"), FOREIGN, prompts) == [f"echo: {prompt}" for prompt in prompts]
    assert {(body["temperature"], body["max_tokens"], body["model"]) for body in stub.bodies(CHAT)} == {
        (0.0, 7, "dio-1000")
    }


def test_a_foreign_host_that_answers_with_another_model_is_refused(stub: Stub) -> None:
    stub.replies[CHAT] = lambda body: completion(body, model="llama-3")
    with pytest.raises(WrongModel, match=r"^stub answered as llama-3, not as dio-1000; its answer was thrown away\.$"):
        answer(stub.host("openai"), FOREIGN)
    stub.replies[CHAT] = events(chunk("llama-3", "hi"), chunk("llama-3", finish="stop"))
    with pytest.raises(WrongModel, match="answered as llama-3"):
        hear(stub.host("openai"), FOREIGN)


def test_twin_without_the_check_a_foreign_hosts_other_model_would_be_believed(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_check_model", lambda *arguments, **keys: False)
    stub.replies[CHAT] = lambda body: completion(body, model="llama-3")
    assert answer(stub.host("openai"), FOREIGN) == ["echo: a", "echo: b"]


def test_a_token_goes_with_every_request(stub: Stub, tmp_path: Any) -> None:
    token = tmp_path / "box.token"
    with pytest.raises(HostTrouble, match="its token cannot be read from"):
        answer(stub.host(token_file=token))
    token.write_text("two words\n")
    with pytest.raises(HostTrouble, match="holds no token"):
        answer(stub.host(token_file=token))
    token.write_text("s3cret\n")
    with OracleClient(stub.host(token_file=token)) as oracle:
        oracle.loaded()
    assert stub.seen[-1][1]["Authorization"] == "Bearer s3cret"


def test_a_redirect_is_not_followed(stub: Stub) -> None:
    elsewhere = f"{stub.url}/v1/models"
    stub.replies["GET /models/info"] = Raw(status=302, headers=(("Location", elsewhere),))
    with OracleClient(stub.host()) as oracle, pytest.raises(HostTrouble, match=r"another address \(status 302\)"):
        oracle.loaded()
    assert not stub.bodies("GET /v1/models")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Raw(body=b"<html>hello"), "no JSON: '<html>hello'"),
        (Raw(body=b"[" * 100_000), "no JSON"),
        (Raw(body=b"\xff\xfe\x00"), "no JSON"),
        (Raw(body=b'{"models": "\\ud800"}'), "no JSON"),
        (Raw(body=b'{"models": 5}'), "does not answer as an oracle does: models: "),
        (Raw(body=b'{"models": [{"id": "x"}]}'), r"models\.0\.hero: Field required"),
        (Raw(body=b"\x1f\x8b", headers=(("Content-Encoding", "gzip"),)), "answers compressed"),
        (Raw(body=b'{"models": "' + b"x" * 20 * 1024**2), "more than 16 MB"),
    ],
)
def test_rubbish_is_one_sentence(stub: Stub, reply: Raw, told: str) -> None:
    stub.replies["GET /models/info"] = reply
    with OracleClient(stub.host()) as oracle, pytest.raises(HostTrouble, match=told) as caught:
        oracle.loaded()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Raw(body=b'{"a": 1}'), "text/event-stream"),
        (events({"model": M1000["id"]}), "choices: Field required"),
        (Raw(body=b"data: nonsense\n\n", headers=(("Content-Type", "text/event-stream"),)), "no JSON"),
        (Raw(body=b"data: " + b"x" * 3_000_000, headers=(("Content-Type", "text/event-stream"),)), "exceeded"),
    ],
)
def test_rubbish_in_a_stream_is_one_sentence(stub: Stub, reply: Raw, told: str) -> None:
    stub.replies[CHAT] = reply
    with pytest.raises(HostTrouble, match=told):
        hear(stub.host())


def test_a_host_that_never_stops_is_cut_off(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST_REPLY_BYTES", 100)
    stub.replies[CHAT] = spoken(M1000, *["word"] * 50)
    with pytest.raises(HostTrouble, match="does not stop answering"):
        hear(stub.host())


def test_nobody_there_is_one_sentence() -> None:
    host = Host(id="local", name="local", url=f"http://127.0.0.1:{free_port()}", kind="realm")
    with OracleClient(host) as oracle, pytest.raises(HostDown, match=r"Nobody answers for local at http://127"):
        oracle.health()
    with pytest.raises(HostDown, match=r"Start it there: manage\.py oracle$"):
        hear(host)


SLOW = [
    Raw(then_waits=True),
    Raw(body=b'{"models": [', then_waits=True, drip=b" "),
]


@pytest.mark.parametrize("reply", SLOW)
def test_a_slow_host_is_given_up_even_if_it_drips(stub: Stub, reply: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASKED_SECONDS", 0.2)
    stub.replies["GET /models/info"] = stub.replies["POST /v1/answers"] = reply
    with OracleClient(stub.host()) as oracle, pytest.raises(HostDown, match=r"did not answer within 0\.2 s"):
        oracle.loaded()
    with pytest.raises(HostDown, match=r"did not answer within 0\.3 s"):
        answer(stub.host(timeout_seconds=0.3))


@pytest.mark.parametrize("drip", [b"", b": still here\n\n"])
def test_a_stream_that_falls_silent_is_given_up(stub: Stub, drip: bytes) -> None:
    stub.replies[CHAT] = Raw(
        body=events(chunk(M1000["id"], "hi", **TOLD), done=False).body,
        headers=(("Content-Type", "text/event-stream"),),
        then_waits=True,
        drip=drip,
    )
    with pytest.raises(HostDown, match=r"did not answer within 0\.3 s"):
        hear(stub.host(timeout_seconds=0.3))


def babble(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"\x00\xff220 smtp ready\r\n\r\n" * 100)


def hang_up(connection: socket.socket) -> None:
    connection.recv(4096)


def die_while_speaking(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"mod\r\n')


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    connection.settimeout(0.02)
    while True:
        connection.sendall(b"X-More: x\r\n")
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            continue


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (babble, "does not speak HTTP"),
        (hang_up, "broke off the connection"),
        (die_while_speaking, "broke off the connection"),
        (drip_headers, "did not answer within"),
    ],
)
def test_what_is_no_http_server_is_one_sentence(serve: Any, told: str) -> None:
    with raw_host(serve) as host, pytest.raises(HostTrouble, match=told):
        answer(host)


def test_a_proxy_of_the_environment_is_not_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with OracleClient(stub.host()) as oracle:
        assert len(oracle.loaded()) == 2


def check_name_that_moved(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for where a name must not lead."""
    monkeypatch.setattr(outbound, "is_forbidden", lambda address: address == "127.0.0.1")
    with OracleClient(stub.host()) as oracle, pytest.raises(HostTrouble, match=r"is at 127\.0\.0\.1 now"):
        oracle.loaded()


def test_a_name_that_resolves_to_a_forbidden_address_is_told_nothing(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_name_that_moved(stub, monkeypatch)
    assert stub.seen == []


def test_twin_without_a_look_at_the_connection_it_is_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "_check_address", None)
    with pytest.raises(pytest.fail.Exception):
        check_name_that_moved(stub, monkeypatch)
    assert stub.seen


@pytest.mark.parametrize(
    "bad", [{"temperature": 2.1}, {"temperature": -0.1}, {"top_p": 0.0}, {"max_tokens": 0}, {"seed": -1}]
)
def test_sampling_beyond_its_limits_is_refused(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(BadConfig, match=f"{name}: .* is not allowed; allowed "):
        bodies.read(Sampling, bad, source="request")
