"""The oracle's addresses: the asked step answers or nobody does, and every host's trouble is one sentence."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import resolve

from realm import hosts
from realm.world import World
from tavern import json_or_form
from tavern.models import Answer, Conversation, Question
from tavern.oracle import asking
from tests.support.pages import in_one_line
from tests.support.servers import free_port
from tests.support.stub_host import OTHER_SHA, SHA, Stub, chunk, events, realm_model, spoken, stub_host, witness
from tests.support.tavern_quests import HOSTILE

pytestmark = pytest.mark.django_db(transaction=True)

M0, M1000 = realm_model(0), realm_model(1000)
CHAT = "POST /v1/chat/completions"
KEY = "6f0d9f5e-3c0b-4a52-9a55-0c9b7b1f2a10"


@pytest.fixture
def stub(world: World) -> Iterator[Stub]:
    with stub_host() as running:
        running.replies |= {
            "GET /health": (200, {"status": "healthy", "device": "cpu"}),
            "GET /models/info": (200, {"models": [M0, M1000], "available": []}),
            "GET /v1/models": (200, {"data": [{"id": "dio-1000"}]}),
            CHAT: lambda body: spoken(M1000 if body["model"] == M1000["id"] else M0, "For", "ty", "-two"),
        }
        know(world, f"local: {{url: '{running.url}'}}\n")
        yield running


def know(world: World, text: str) -> None:
    hosts.hosts_file(world).write_text(text, encoding="utf-8")


def post(path: str, body: Any, **headers: str) -> Any:
    """With CSRF checks on, as the real server has them."""
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body if isinstance(body, str) else json.dumps(body), "application/json", headers=headers)


def ask(**keys: Any) -> Any:
    return post("/oracle/chat", {"message": "How many?", "host": "local", "step": 1000} | keys)


async def stream(address: str = "/oracle/chat", **keys: Any) -> tuple[int, list[Any]]:
    body = {"message": "How many?", "step": 1000, "stream": True} | keys
    response = await AsyncClient().post(address, json.dumps(body), "application/json")
    if not response.streaming:
        return response.status_code, [response.json()]
    data = b"".join([piece async for piece in response.streaming_content])
    return response.status_code, [json.loads(line) for line in data.splitlines()]


def test_the_reply_names_model_path_step_host_and_digest(stub: Stub) -> None:
    response = ask()
    assert response.status_code == 200
    said = response.json()
    assert {key: said[key] for key in ("success", "response", "model", "model_path", "step", "host", "sha256")} == {
        "success": True, "response": "Forty-two", "model": M1000["id"], "model_path": M1000["model_path"],
        "step": 1000, "host": "local", "sha256": SHA,
    }  # fmt: skip
    assert (said["tokens"], said["finish_reason"]) == (3, "stop")
    assert ask(step=0).json()["model"] == "DIO/base"
    assert not Conversation.objects.exists(), "nothing is kept that was not asked to be"


def test_programs_ask_and_keep_as_the_page_does(stub: Stub, client: Client) -> None:
    key = "11111111-1111-4111-8111-111111111111"
    body = {"message": "How many?", "host": "local", "step": 1000, "conversation": key}
    told, page = post("/api/oracle/chat", body).json(), ask().json()
    same = ("response", "model", "sha256", "step", "host")
    assert [told[name] for name in same] == [page[name] for name in same]
    listed = client.get("/api/oracle/conversations").json()["items"]
    assert [(each["key"], each["title"]) for each in listed] == [(key, "How many?")]
    address = f"/api/oracle/conversations/{key}"
    (question,) = client.get(address).json()["questions"]
    assert [(each["text"], each["step"]) for each in question["answers"]] == [("Forty-two", 1000)]
    assert client.put(address, {"title": "numbers"}, "application/json").json()["success"]
    assert client.put(address, {"title": " "}, "application/json").status_code == 422
    assert client.get(address).json()["title"] == "numbers"
    assert [client.delete(address).status_code, client.get(address).status_code] == [200, 404]
    assert post("/api/oracle/chat", body | {"step": 7}).status_code == 424


async def test_a_stream_is_of_the_page_s_lines(stub: Stub) -> None:
    (_, told), (_, page) = await stream(address="/api/oracle/chat"), await stream()
    assert told[:-1] == page[:-1]
    assert told[-1]["response"] == "Forty-two"


def check_not_answered(stub: Stub) -> None:
    response = ask(step=148000)
    assert response.status_code == 404
    assert response.json() == {"success": False, "error": "Step 148000 not loaded. Available: [1000, 0]"}
    assert not stub.bodies(CHAT), "nobody was asked"


def test_a_step_that_is_not_loaded_is_never_answered_for(stub: Stub) -> None:
    check_not_answered(stub)


def test_twin_with_a_fallback_another_model_would_answer(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "find_loaded", lambda models, **wanted: models[0])
    with pytest.raises(AssertionError):
        check_not_answered(stub)
    assert stub.bodies(CHAT)


def test_another_heros_step_is_not_this_ones(stub: Stub) -> None:
    response = ask(hero="EVA")
    assert (response.status_code, response.json()["error"]) == (404, "Step 1000 not loaded. Available: []")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"step": None}, "step is required"),
        ({"step": "1000"}, "request: step: a whole number is expected, not '1000'."),
        ({"step": True}, "request: step: a whole number is expected"),
        ({"step": 1.5}, "request: step: a whole number is expected"),
        ({"step": -1}, "request: step: -1 is no step"),
        ({"step": 10**30}, "step: a whole number is expected, not 1e+30"),
        ({"step": 2**63}, "is no step"),
        ({"message": "\ud800"}, "no JSON"),
        ({"hero": "\ud800"}, "no JSON"),
        ({"message": " \n"}, "message: there is nothing in it"),
        ({"message": "a\x00b"}, "U+0000"),
        ({"message": "x" * 100_001}, "message: it is too long"),
        ({"message": None}, "request: message: a text is expected"),
        ({"temperature": 3}, "temperature: 3.0 is not allowed; allowed are 0 to 2"),
        ({"model": "x"}, "unknown key 'model'"),
        ({"conversation": "../x"}, "conversation: '../x' is no UUID"),
        ({"question": KEY}, "question: it needs a conversation"),
        ({"side": 2}, "side: 2 is not allowed"),
    ],
)
def test_what_is_not_understood_is_told(stub: Stub, keys: dict[str, Any], told: str) -> None:
    response = ask(**keys)
    assert response.status_code == 400
    assert response.json()["success"] is False
    assert told in response.json()["error"]
    assert not stub.seen


@pytest.mark.parametrize("body", [" ", "nonsense", "[1]", "5", "[" * 100_000, '{"step": NaN}', '"x"'])
@pytest.mark.parametrize("path", ["/oracle/chat", "/oracle/load", "/oracle/unload"])
def test_what_is_no_json_object_is_told(stub: Stub, path: str, body: str) -> None:
    response = post(path, body)
    assert (response.status_code, response.json()["success"]) == (400, False)


def test_step_is_required_to_load_as_well(stub: Stub) -> None:
    response = post("/oracle/load", {"host": "local"})
    assert (response.status_code, response.json()["error"]) == (
        400, "step is required: a whole number, 0 for the base model.",
    )  # fmt: skip


def test_loading_asks_the_host_and_names_what_is_loaded(stub: Stub) -> None:
    stub.replies["POST /models/load"] = (200, M1000)
    said = post("/oracle/load", {"step": 1000, "host": "local"}).json()
    assert said == {
        "success": True, "model": M1000["id"], "model_path": M1000["model_path"], "hero": "DIO", "step": 1000,
        "host": "local", "sha256": SHA,
    }  # fmt: skip
    assert stub.bodies("POST /models/load") == [{"hero": "DIO", "step": 1000}]
    stub.replies["POST /models/unload"] = (200, {"unloaded": True})
    assert post("/oracle/unload", {"step": 1000}).json() == {"success": True, "step": 1000, "host": "local"}


@pytest.mark.parametrize(
    ("status", "body", "seen", "told"),
    [
        (404, {"error": {"message": "no step 5. Available: [0]"}, "available": [0]}, 404, "Available: [0]"),
        (409, {"error": {"message": "model.safetensors has changed"}}, 409, "model.safetensors has changed"),
        (507, {"error": {"message": "no room"}}, 507, "no room"),
        (500, {}, 502, "refused with status 500"),
    ],
)
def test_a_host_that_refuses_to_load_is_heard(stub: Stub, status: int, body: Any, seen: int, told: str) -> None:
    stub.replies["POST /models/load"] = (status, body)
    response = post("/oracle/load", {"step": 5})
    assert (response.status_code, response.json()["success"]) == (seen, False)
    assert told in response.json()["error"]


def test_an_unknown_host_is_told_with_the_known_ones(stub: Stub) -> None:
    for path in ("/oracle/chat", "/oracle/load"):
        response = post(
            path, {"message": "hi", "step": 0, "host": "moon"} if "chat" in path else {"step": 0, "host": "moon"}
        )
        assert (response.status_code, response.json()["error"]) == (404, "There is no host 'moon'. Known: local.")


def test_a_dead_host_is_one_sentence_and_the_page_stays(world: World, client: Client) -> None:
    know(world, f"local: {{url: 'http://127.0.0.1:{free_port()}'}}\n")
    response = ask()
    assert response.status_code == 503
    assert response.json()["error"].startswith("Nobody answers for local at http://127.0.0.1:")
    (host,) = client.get("/oracle/status").json()["hosts"].values()
    assert not host["alive"]
    assert "Nobody answers" in host["trouble"]
    assert client.get("/oracle").status_code == 200


def test_a_broken_registry_is_told_and_the_page_stays(world: World, client: Client) -> None:
    know(world, "local: {kind: tgi}\n")
    assert ask().status_code == 500
    assert "kind: &#x27;tgi&#x27; is not allowed" in client.get("/oracle").content.decode()
    told = client.get("/oracle/status").json()
    assert (told["success"], told["hosts"]) == (True, {})
    assert "is not allowed" in told["trouble"]


def test_a_broken_host_is_told_and_the_others_answer(stub: Stub, world: World, client: Client) -> None:
    know(world, f"local: {{url: '{stub.url}'}}\nfast: {{kind: tgi}}\n")
    assert ask().json()["response"] == "Forty-two"
    assert ask(host=None).json()["host"] == "local"
    refused = ask(host="fast")
    assert refused.status_code == 500
    assert "fast: kind: 'tgi' is not allowed" in refused.json()["error"]
    told = client.get("/oracle/status").json()
    assert list(told["hosts"]) == ["local"]
    assert "fast: kind: 'tgi' is not allowed" in told["trouble"]
    page = client.get("/oracle").content.decode()
    assert "fast: kind: &#x27;tgi&#x27; is not allowed" in page
    assert '<option value="local"' in page


def test_a_file_of_hosts_that_cannot_be_read_leaves_the_shipped_ones(world: World, client: Client) -> None:
    know(world, "local: [\n")
    told = client.get("/oracle/status").json()
    assert list(told["hosts"]) == ["local"]
    assert "not readable as YAML" in told["trouble"]
    assert "not readable as YAML" in client.get("/oracle").content.decode()


def test_weights_of_another_digest_are_refused(stub: Stub) -> None:
    stub.replies[CHAT] = spoken(realm_model(1000, sha256=OTHER_SHA), "hi")
    response = ask(conversation=KEY)
    assert response.status_code == 502
    assert "its answer was thrown away" in response.json()["error"]
    check_nothing_claimed(response.json()["error"])


def test_a_foreign_host_that_answers_with_another_model_is_refused(world: World, stub: Stub) -> None:
    know(world, f"box: {{kind: openai, url: '{stub.url}', models: {{1000: dio-1000, 5: dio-5}}}}\n")
    stub.replies[CHAT] = events(chunk("dio-1000", "hi"), chunk("dio-1000", finish="stop"))
    said = ask(host="box", name="checkpoint-1000-20261121-1200").json()
    assert (said["response"], said["model"], said["sha256"]) == ("hi", "dio-1000", None)
    stub.replies[CHAT] = events(chunk("llama-3", "hi"), chunk("llama-3", finish="stop"))
    response = ask(host="box")
    assert response.status_code == 502
    assert response.json()["error"] == "box answered as llama-3, not as dio-1000; its answer was thrown away."
    assert ask(host="box", step=5).json()["error"] == "Step 5 not loaded. Available: [1000]"


def test_a_foreign_host_answers_for_the_hero_that_its_entry_names(world: World, stub: Stub) -> None:
    know(world, f"box: {{kind: openai, url: '{stub.url}', hero: LUNA, models: {{1000: dio-1000}}}}\n")
    stub.replies[CHAT] = events(chunk("dio-1000", "hi"), chunk("dio-1000", finish="stop"))
    assert ask(host="box").json()["hero"] == "LUNA"
    assert ask(host="box", hero="DIO").json()["error"] == "Step 1000 not loaded. Available: []"


def test_the_status_lists_hosts_and_what_they_hold(stub: Stub, client: Client, world: World) -> None:
    know(world, f"local: {{url: '{stub.url}'}}\ndead: {{kind: realm, url: 'http://127.0.0.1:{free_port()}'}}\n")
    told = client.get("/oracle/status").json()
    assert list(told["hosts"]) == ["local", "dead"]
    local, dead = told["hosts"].values()
    assert local["alive"]
    assert local["health"] == {"status": "healthy", "device": "cpu"}
    assert [(model["step"], model["id"], model["sha256"]) for model in local["loaded_models"]] == [
        (1000, M1000["id"], SHA), (0, "DIO/base", SHA),
    ]  # fmt: skip
    assert (local["model_count"], dead["alive"], dead["loaded_models"], dead["model_count"]) == (2, False, [], 0)
    assert told["checkpoints"][-1]["value"] == "0 base"
    assert list(client.get("/oracle/status?host=dead").json()["hosts"]) == ["dead"]
    assert client.get("/oracle/status?host=moon").status_code == 404


async def test_a_streamed_answer_says_who_speaks_then_speaks(stub: Stub) -> None:
    status, lines = await stream()
    assert status == 200
    assert lines[0]["model"] == M1000["id"]
    assert lines[0]["sha256"] == SHA
    assert [line["text"] for line in lines[1:-1]] == ["For", "ty", "-two"]
    assert lines[-1]["success"] is True
    assert lines[-1]["response"] == "Forty-two"


async def test_trouble_before_the_first_word_has_a_status_and_later_a_line(stub: Stub) -> None:
    assert (await stream(step=7))[0] == 404
    stub.replies[CHAT] = events(chunk("DIO/base", "hi", **witness(M0)))
    assert (await stream())[0] == 502
    told = witness(M1000)
    stub.replies[CHAT] = events(chunk(M1000["id"], "hi", **told), chunk("DIO/base", "there"))
    status, lines = await stream(conversation=KEY)
    assert status == 200
    assert lines[1] == {"text": "hi"}
    assert lines[-1]["success"] is False
    assert "its answer was thrown away" in lines[-1]["error"]
    assert lines[-1]["thrown_away"]
    await sync_to_async(check_nothing_claimed)(lines[-1]["error"])


def check_nothing_claimed(trouble: str) -> None:
    """The question is kept with what went wrong, and with nobody's words."""
    answer = Answer.objects.get()
    assert (answer.text, answer.model, answer.sha256) == ("", "", "")
    assert (answer.trouble, answer.finish_reason) == (trouble, "broken off")
    assert answer.question.text == "How many?"


async def broken_off(stub: Stub) -> Any:
    """The host goes away in the middle of a sentence."""
    stub.replies[CHAT] = events(chunk(M1000["id"], "So far", **witness(M1000)), done=False)
    _, lines = await stream(conversation=KEY)
    return lines


async def test_what_was_broken_off_is_kept_with_its_source_and_the_reason(stub: Stub) -> None:
    lines = await broken_off(stub)
    assert lines[1] == {"text": "So far"}
    assert lines[-1] == {
        "success": False, "error": "local broke off before its answer was complete.", "thrown_away": False,
    }  # fmt: skip
    page = (await AsyncClient().get(f"/oracle/{KEY}")).content.decode()
    assert "So far" in page
    assert "local broke off before its answer was complete." in page
    answer = await Answer.objects.aget()
    assert (answer.model, answer.sha256, answer.earlier_turns) == (M1000["id"], SHA, 0)


async def test_twin_words_of_who_was_not_asked_would_be_kept_if_they_were_not_thrown_away(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overlooked(Exception):
        """What no trouble ever is."""

    monkeypatch.setattr(asking, "WrongModel", Overlooked)
    stub.replies[CHAT] = events(chunk(M1000["id"], "hi", **witness(M1000)), chunk("DIO/base", "there"))
    _, lines = await stream(conversation=KEY)
    with pytest.raises(AssertionError):
        await sync_to_async(check_nothing_claimed)(lines[-1]["error"])


def test_a_question_that_nobody_answered_is_kept_with_the_reason(stub: Stub, client: Client) -> None:
    key = str(uuid.uuid4())
    assert ask(step=7, conversation=KEY, question=key).status_code == 404
    assert ask(host="moon", conversation=KEY, message="Who is there?").status_code == 404
    page = client.get(f"/oracle/{KEY}").content.decode()
    assert "Step 7 not loaded. Available: [1000, 0]" in page
    assert "There is no host &#x27;moon&#x27;. Known: local." in page
    assert [question.text for question in Question.objects.all()] == ["How many?", "Who is there?"]
    assert ask(conversation=KEY, question=key).status_code == 200
    answer = Answer.objects.get(question__key=key)
    assert (answer.text, answer.trouble, answer.finish_reason) == ("Forty-two", "", "stop")
    assert [turn["content"] for turn in stub.bodies(CHAT)[-1]["messages"]] == ["How many?"], "troubles are not read"


def test_a_wish_to_load_first_loads_what_is_not_loaded(stub: Stub) -> None:
    stub.replies["GET /models/info"] = (200, {"models": [M0], "available": []})
    assert ask().status_code == 404
    stub.replies["POST /models/load"] = (200, M1000)
    said = ask(load=True).json()
    assert (said["response"], said["model"]) == ("Forty-two", M1000["id"])
    assert stub.bodies("POST /models/load") == [{"hero": "DIO", "step": 1000}]
    assert ask(load=True, step=0).json()["model"] == "DIO/base"
    assert len(stub.bodies("POST /models/load")) == 1, "it was loaded"


def test_each_answer_tells_how_many_earlier_turns_it_read(stub: Stub, client: Client) -> None:
    assert ask(conversation=KEY).json()["earlier_turns"] == 0
    key = str(uuid.uuid4())
    left, right = (ask(conversation=KEY, question=key, side=side).json() for side in (0, 1))
    assert (left["earlier_turns"], right["earlier_turns"]) == (2, 0)
    assert ask(conversation=KEY, remember=False).json()["earlier_turns"] == 0
    page = client.get(f"/oracle/{KEY}").content.decode()
    assert page.count("read 0 earlier turns") == 3
    assert page.count("read 2 earlier turns") == 1


def test_a_conversation_is_kept_and_read_by_the_model(stub: Stub) -> None:
    ask(message="First  one?\nof two", conversation=KEY, temperature=0.2, seed=7)
    ask(message="Second?", conversation=KEY)
    conversation = Conversation.objects.get()
    assert (str(conversation.key), conversation.title) == (KEY, "First one? of two")
    first = Answer.objects.first()
    assert first is not None
    assert (first.text, first.model, first.sha256, first.step, first.host) == (
        "Forty-two",
        M1000["id"],
        SHA,
        1000,
        "local",
    )
    assert (first.temperature, first.seed, first.tokens, first.finish_reason) == (0.2, 7, 3, "stop")
    assert [turn["content"] for turn in stub.bodies(CHAT)[-1]["messages"]] == [
        "First  one?\nof two",
        "Forty-two",
        "Second?",
    ]
    ask(message="Third?", conversation=KEY, remember=False)
    assert [turn["content"] for turn in stub.bodies(CHAT)[-1]["messages"]] == ["Third?"]


def test_what_does_not_fit_into_the_context_is_left_out_from_the_oldest_on_and_told(stub: Stub) -> None:
    def forgetful(body: Any) -> Any:
        if len(body["messages"]) > 3:
            return 400, {"error": {"message": "the conversation has 999 tokens", "code": "context_length_exceeded"}}
        return spoken(M1000, "yes")

    stub.replies[CHAT] = forgetful
    said = [ask(message=f"q{number}", conversation=KEY).json()["forgotten"] for number in range(4)]
    assert said == [0, 0, 1, 2]
    assert [turn["content"] for turn in stub.bodies(CHAT)[-1]["messages"]] == ["q2", "yes", "q3"]
    stub.replies[CHAT] = (400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
    response = ask(message="endless", conversation=KEY)
    assert (response.status_code, response.json()["error"]) == (400, "local: too long")


def test_a_conversation_that_begins_with_nothing_visible_can_still_be_opened(stub: Stub, client: Client) -> None:
    ask(message="\u200b", conversation=KEY)
    assert f'/oracle/{KEY}">…</a>' in in_one_line(client.get("/oracle").content.decode())


def test_two_sides_answer_one_question_and_read_only_their_own_words(stub: Stub) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    ask(message="a", conversation=KEY, question=first, side=0)
    ask(message="a", conversation=KEY, question=first, side=1, step=0)
    ask(message="b", conversation=KEY, question=second, side=1, step=0)
    assert Question.objects.count() == 2
    assert [answer.step for answer in Question.objects.get(key=first).answers.all()] == [1000, 0]
    stub.replies[CHAT] = spoken(M1000, "other")
    ask(message="c", conversation=KEY, side=0)
    assert [turn["content"] for turn in stub.bodies(CHAT)[-1]["messages"]] == ["a", "Forty-two", "c"]


def test_a_questions_key_belongs_to_one_question(stub: Stub) -> None:
    key = str(uuid.uuid4())
    ask(message="a", conversation=KEY, question=key)
    response = ask(message="b", conversation=KEY, question=key, side=1)
    assert (response.status_code, response.json()["success"]) == (409, False)
    assert ask(message="a", conversation=str(uuid.uuid4()), question=key).status_code == 409
    assert (Conversation.objects.count(), Answer.objects.count()) == (1, 1)


def test_the_page_works_without_scripts(stub: Stub, client: Client) -> None:
    stub.replies["POST /models/load"] = (200, M1000)
    response = client.post("/oracle/load", {"checkpoint": f"1000 {M1000['name']}", "host": "local"}, follow=True)
    assert f"{M1000['id']} is loaded on local." in response.content.decode()
    form = {
        "checkpoint": f"1000 {M1000['name']}",
        "host": "local",
        "message": "How many?",
        "temperature": "0",
        "seed": "",
    }
    response = client.post("/oracle/chat", form, follow=True)
    page = response.content.decode()
    assert response.status_code == 200
    assert "How many?" in page
    assert "Forty-two" in page
    assert SHA[:12] in page
    assert response.redirect_chain[-1][0].startswith(f"/oracle/{Conversation.objects.get().key}")
    response = client.post("/oracle/chat", form | {"checkpoint": "7", "temperature": "0.25"}, follow=True)
    page = response.content.decode()
    assert response.status_code == 404
    assert "Step 7 not loaded. Available: [1000, 0]" in page
    assert "How many?</textarea>" in page
    assert 'name="temperature" min="0" max="2" step="any" value="0.25"' in in_one_line(page)
    assert 'data-pill="unknown"' in page
    response = client.post("/oracle/load", form, follow=True)
    assert "is loaded on local." in response.content.decode()
    assert "How many?</textarea>" in response.content.decode()
    stub.replies["POST /models/load"] = (200, realm_model(8))
    response = client.post("/oracle/chat", form | {"checkpoint": "8", "load": "yes"}, follow=True)
    assert stub.bodies("POST /models/load")[-1] == {"hero": "DIO", "step": 8}
    page = client.post("/oracle/chat", form | {"checkpoint": "", "step": "8"}, follow=True).content.decode()
    assert "Step 8 not loaded. Available: [1000, 0]" in page
    page = client.post("/oracle/chat", form | {"checkpoint": ""}, follow=True).content.decode()
    assert "step is required" in page


FORM = {"checkpoint": "1000", "host": "local", "message": "hi"}


def check_token_needed() -> None:
    for path in ("/oracle/chat", "/oracle/load", "/oracle/unload"):
        client = Client(enforce_csrf_checks=True)
        assert client.post(path, FORM).status_code == 403
        # What a foreign page's form could send without a preflight.
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            assert client.post(path, json.dumps(FORM), kind).status_code == 403


def test_twin_without_the_check_a_form_needs_no_token(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve("/oracle/load")  # so that no view is imported with the stand-in
    monkeypatch.setattr(json_or_form, "is_json", lambda request: True)
    with pytest.raises(AssertionError):
        check_token_needed()


def test_a_form_needs_the_token_and_json_needs_to_be_json(stub: Stub) -> None:
    check_token_needed()
    assert not stub.seen
    token = Client(enforce_csrf_checks=True)
    token.get("/oracle")
    answer = token.post("/oracle/chat", FORM | {"csrfmiddlewaretoken": token.cookies["realm-csrf-8888"].value})
    assert answer.status_code == 302
    assert stub.bodies(CHAT)


def test_hostile_words_are_only_words(stub: Stub, client: Client) -> None:
    model = realm_model(1000) | {"model_path": HOSTILE}
    stub.replies["GET /models/info"] = (200, {"models": [model], "available": []})
    stub.replies[CHAT] = spoken(model, HOSTILE)
    assert ask(message=HOSTILE, conversation=KEY).status_code == 200
    page = client.get(f"/oracle/{KEY}").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4, "title, heading, question, answer"


def test_a_conversation_is_renamed_and_deleted(stub: Stub, client: Client) -> None:
    ask(conversation=KEY)
    page = client.post(f"/oracle/{KEY}/rename", {"title": "  About\nnumbers "}, follow=True).content.decode()
    assert "About numbers" in page
    client.post(f"/oracle/{KEY}/rename", {"title": " "})
    assert Conversation.objects.get().title == "About numbers"
    assert client.get(f"/oracle/{KEY}/delete").status_code == 405
    page = client.post(f"/oracle/{KEY}/delete", follow=True).content.decode()
    assert "“About numbers” is deleted." in page
    assert not Answer.objects.exists()
    for path in (f"/oracle/{KEY}", f"/oracle/{uuid.uuid4()}"):
        assert client.get(path).status_code == 404


def check_refused(response: HttpResponse) -> None:
    assert response.status_code == 405


def test_only_posts_change_anything(stub: Stub, client: Client) -> None:
    for path in ("/oracle/chat", "/oracle/load", "/oracle/unload"):
        check_refused(client.get(path))  # type: ignore[arg-type]
    check_refused(client.post("/oracle/status"))  # type: ignore[arg-type]
