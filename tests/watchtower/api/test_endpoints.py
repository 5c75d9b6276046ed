"""Every address of the API: its status and the keys of its answer; a refusal is one sentence, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from arena.orders import MAILBOX
from realm.web import problems
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault import chronicle
from vault.index import scan
from vault.jobs import kinds, status
from vault.models import Checkpoint, Job
from watchtower.api import refusals, service

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NAME = "checkpoint-100-20260101-1230"
ID = "checkpoint_100_DIO_20260101-1230"
JSON = "application/json"


@pytest.fixture
def place(world: World) -> World:
    for step in (100, 200):
        make_checkpoint(world.heroes, step, train_loss=300.0 / step)
    (world.home / "hosts.yaml").write_text("3090: {host: 192.0.2.30, services: {zone: {}}}\n")
    (world.home / "data" / "train_syllo.jsonl").write_text('{"text": "a"}\n')
    scan(world)
    return world


@pytest.fixture
def acts(place: World, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs that were asked for; each is done at once and moves nothing."""
    done: list[Job] = []

    def act(job: Job, progress: Any) -> dict[str, Any]:
        done.append(job)
        return {"local_path": "/x", "bytes_transferred": 7}

    monkeypatch.setattr(kinds, "ACTS", dict.fromkeys(Job.Kind.values, act))
    return done


def ask(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    sent: dict[str, Any] = {} if body is None else {"data": json.dumps(body), "content_type": JSON}
    reply = getattr(client, method.lower())(path, **sent)
    return reply.status_code, reply.json()


def test_ids_are_short_where_they_can_mean_nothing_else(client: Client, place: World) -> None:
    def told(path: str, key: str) -> dict[str, str]:
        return {each["whole_id"]: each["asset_id"] for each in ask(client, "GET", path)[1][key]}

    other = ID.replace("100", "200")
    short = {ID: "checkpoint_100", other: "checkpoint_200"}
    assert told("/api/checkpoints", "checkpoints") == short
    make_checkpoint(place.heroes, 100, hero="EVE")
    scan(place)
    assert told("/api/checkpoints", "checkpoints") == short | {ID: ID}
    said = ask(client, "GET", "/api/locate/checkpoint_100")[1]
    assert (said["asset_id"], said["whole_id"]) == ("checkpoint_100", ID), "the active hero's is meant"


def test_another_method_is_refused_in_words(client: Client) -> None:
    reply = client.put("/api/stats", {}, JSON)
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET")
    assert reply.headers["Content-Type"] == problems.MEDIA_TYPE
    sentence = "PUT is not allowed here; allowed: GET"
    assert reply.json() == {
        "type": "about:blank", "title": "Method Not Allowed", "status": 405, "detail": sentence,
        "instance": "/api/stats", "success": False, "error": sentence,
    }  # fmt: skip


def is_a_page(client: Client, method: str, path: str) -> bool:
    reply = client.generic(method, path)
    assert reply.status_code in (403, 404), path
    return reply.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/docs"), ("DELETE", "/api/"), ("GET", "/api/"), ("POST", "/v1/"), ("GET", "/v1/x")],
)
def test_what_no_handler_is_asked_for_is_refused_for_programs(method: str, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert not is_a_page(strict, method, path)
    told = strict.generic(method, path).json()
    assert told["detail"] if path.startswith("/api") else told["error"]["message"]


def test_what_no_handler_is_asked_for_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals.RefusalsAsProblems, "__call__", lambda self, request: self._get_response(request))
    assert is_a_page(Client(enforce_csrf_checks=True), "POST", "/api/docs")


ANSWERED: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/api/stats", None, {"assets", "copies", "by_kind", "size_bytes"}),
    ("GET", "/api/locate/checkpoint_100", None, {"found", "asset_id", "locations", "best_location"}),
    ("GET", f"/api/asset/{ID}", None, {"asset_id", "type", "kind", "size_bytes", "locations", "history"}),
    ("GET", "/api/checkpoints", None, {"hero", "count", "checkpoints"}),
    ("GET", "/api/search?type=checkpoint", None, {"count", "assets"}),
    ("GET", "/api/search?kind=data&q=syllo", None, {"count", "assets"}),
    ("GET", "/api/zones", None, {"count", "zones"}),
    ("GET", "/api/zones/3090", None, {"zone_id", "state", "url", "copies", "last_seen_at"}),
    ("GET", "/api/ledger", None, {"count", "checkpoints"}),
    ("GET", "/api/ledger/100", None, {"canonical_name", "loss", "val_loss", "learning_rate", "epoch", "skill_name"}),
    ("GET", f"/api/ledger/{NAME}", None, {"canonical_name", "skill_level", "training_file"}),
    ("GET", "/api/ledger/best?metric=train_loss", None, {"canonical_name", "train_loss"}),
    ("GET", "/api/ledger/latest", None, {"canonical_name"}),
    ("GET", "/api/ledger/summary", None, {"count", "latest", "best"}),
    ("GET", "/api/training/status", None, {"status", "is_training", "current_step", "loss", "hero"}),
    ("GET", "/api/training/queue", None, {"total", "queued", "states", "quests"}),
    ("POST", "/api/training/control", {"action": "pause"}, {"success", "action", "message"}),
    ("POST", "/api/fetch", {"asset_id": "checkpoint_100"}, {"success", "local_path", "bytes_transferred", "job_id"}),
    ("POST", "/api/register", {"path": "data/train_syllo.jsonl", "asset_type": "data"}, {"success", "asset_id"}),
    ("POST", "/api/scan", None, {"success", "job_id"}),
    ("POST", "/api/scan", {"directory": "models"}, {"success", "job_id"}),
    ("POST", "/api/transfer", {"asset_id": ID, "target_zone": "3090"}, {"success", "bytes_transferred"}),
    ("POST", "/api/transfer", {"asset_path": f"models/heroes/DIO/{NAME}", "to_zone": "3090"}, {"success"}),
    ("POST", "/api/transfer", {"asset_id": "model_x", "from_zone": "3090", "to_zone": "local"}, {"success"}),
    ("POST", "/api/ledger/100/verify", {"quick": True}, {"success", "job_id", "state"}),
    ("POST", "/api/ledger/100/export", None, {"success", "job_id", "state"}),
    ("POST", "/api/ledger/100/protect", {"note": "mine"}, {"success", "protected"}),
    ("POST", "/api/ledger/100/unprotect", None, {"success", "protected"}),
    ("GET", "/api/trash", None, {"count", "entries"}),
    ("DELETE", "/api/trash", None, {"success"}),
    ("POST", "/api/snapshots", {"reason": "before a try"}, {"success", "job_id"}),
    ("GET", "/api/jobs", None, {"count", "jobs"}),
    ("GET", "/api/history?asset_id=" + ID, None, {"count", "entries"}),
]  # fmt: skip

REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/api/locate/checkpoint_9", None, 404, "no checkpoint of step 9"),
    ("GET", "/api/locate/dragon", None, 404, "is no asset's id"),
    ("GET", "/api/asset/model_none", None, 404, "knows no model_none"),
    ("GET", "/api/search?type=dragon", None, 422, "allowed are checkpoint, model, data, config"),
    ("GET", "/api/zones/none", None, 404, "there is no zone 'none'"),
    ("GET", "/api/ledger/9", None, 404, "no such checkpoint"),
    ("GET", "/api/ledger/best?metric=beauty", None, 422, "metric 'beauty' is not known"),
    ("GET", "/api/ledger?limit=-1", None, 422, "limit: "),
    ("GET", "/api/ledger?hero=..", None, 422, "is no hero's name"),
    ("GET", "/api/jobs/99", None, 404, "there is no job 99"),
    ("GET", "/api/jobs?state=x", None, 422, "allowed are waiting"),
    ("GET", "/api/dragon", None, 404, "There is nothing at /api/dragon"),
    ("POST", "/api/jobs/99/cancel", None, 404, "there is no job 99"),
    ("POST", "/api/fetch", {}, 422, "asset_id is missing"),
    ("POST", "/api/fetch", [], 422, "dictionary"),
    ("POST", "/api/fetch", {"asset_id": 7}, 422, "asset_id: "),
    ("POST", "/api/fetch", {"asset_id": ID, "destinaton": "x"}, 422, "did you mean 'destination'?"),
    ("POST", "/api/fetch", {"asset_id": ID, "destination": "a", "dest_path": "b"}, 422, "is given twice"),
    ("POST", "/api/fetch", {"asset_id": "model_none"}, 404, "knows no model_none"),
    ("POST", "/api/fetch", {"asset_id": ID, "destination": "/etc/x"}, 409, "is not allowed"),
    ("POST", "/api/transfer", {"asset_id": ID}, 422, "name either the zone"),
    ("POST", "/api/transfer", {"asset_id": ID, "to_zone": "3090", "from_zone": "nas"}, 422, "name either the zone"),
    ("POST", "/api/transfer", {"asset_id": ID, "to_zone": "none"}, 404, "there is no zone"),
    ("POST", "/api/transfer", {"to_zone": "3090"}, 422, "asset_id or asset_path is missing"),
    ("POST", "/api/register", {"path": "secrets/tokens.json"}, 409, "is not allowed"),
    ("POST", "/api/training/control", {"action": "dance"}, 422, "allowed are pause, resume, stop, skip"),
    ("POST", "/api/ledger/100/export", {"name": "../x"}, 409, "is not allowed"),
    ("POST", "/api/ledger/unpin", None, 404, "no champion of DIO is pinned"),
    ("POST", "/api/trash/none/undo", None, 404, "none"),
    ("DELETE", "/api/ledger/200", None, 409, "newest"),
]  # fmt: skip


def test_every_address_answers_in_its_shape(client: Client, acts: list[Job]) -> None:
    for method, path, body, keys in ANSWERED:
        code, told = ask(client, method, path, body)
        assert (code, keys - told.keys()) == (200, set()), (method, path, told)
    assert Job.objects.count() == len(acts) == 9


def test_a_refusal_is_one_sentence(client: Client, acts: list[Job]) -> None:
    for method, path, body, expected, words in REFUSED:
        code, told = ask(client, method, path, body)
        assert (code, told["success"], told["status"]) == (expected, False, expected), (method, path, told)
        assert words in told["error"] == told["detail"], (method, path, told)
        assert told["instance"] == path.partition("?")[0]
    assert not acts


def test_the_seeds_values(client: Client, place: World) -> None:
    _, found = ask(client, "GET", "/api/locate/checkpoint_100")
    assert found["best_location"]["path"] == str(place.heroes / "DIO" / NAME)
    assert found["best_location"]["type"] == "local"
    assert ask(client, "GET", "/api/ledger/best?metric=train_loss")[1]["step"] == 200
    assert [one["step"] for one in ask(client, "GET", "/api/ledger?limit=1")[1]["checkpoints"]] == [200]
    _, lost = ask(client, "GET", "/api/locate/checkpoint_9")
    assert (lost["found"], lost["locations"], lost["best_location"]) == (False, [], None)


def test_what_is_done_is_what_pages_and_commands_do(client: Client, place: World) -> None:
    assert ask(client, "POST", "/api/ledger/100/protect", {"note": "mine"})[0] == 200
    assert Checkpoint.objects.get(name=NAME).protected
    assert ask(client, "DELETE", "/api/ledger/100")[0] == 409
    ask(client, "POST", "/api/ledger/100/unprotect")
    _, deleted = ask(client, "DELETE", "/api/ledger/100")
    assert not (place.heroes / "DIO" / NAME).exists()
    assert ask(client, "POST", f"/api/trash/{deleted['entry']}/undo")[0] == 200
    assert (place.heroes / "DIO" / NAME).exists()
    assert {(line.action, line.by) for line in chronicle.read(place)} >= {
        ("protect", "api"), ("delete", "api"), ("undo", "api"),
    }  # fmt: skip
    ask(client, "POST", "/api/training/control", {"command": "skip"})
    assert [order.wish for _, order in MAILBOX.waiting(place)] == ["skip"]


def test_a_copy_that_takes_long_is_told_as_running(client: Client, acts: list[Job], place: World) -> None:
    with status.only_vault(place):
        code, told = ask(client, "POST", "/api/fetch", {"asset_id": ID, "wait": 0})
    assert (code, told["success"], told["state"]) == (202, None, "waiting")
    assert ask(client, "POST", f"{told['address']}/cancel")[1]["state"] == "cancelled"
    assert not acts


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [(b"{", JSON, "is no JSON"), (b'{"asset_id": "\\ud800"}', JSON, "is no JSON"), (b"[" * 100_000, JSON, "is no JSON"),
     (b"asset_id=x", "application/x-www-form-urlencoded", "must be application/json"),
     (b'{"asset_id": "x"}', "text/plain", "must be application/json"), (b"\xff\xfe", JSON, "is no JSON"),
     (b'{"asset_id": NaN}', JSON, "is no JSON")],
)  # fmt: skip
def test_a_body_that_is_none(client: Client, world: World, body: bytes, kind: str, words: str) -> None:
    reply = client.post("/api/fetch", body, kind)
    assert reply.status_code == 422
    assert words in reply.json()["error"]


def test_a_fault_of_ours_tells_no_more_than_its_kind(
    client: Client, place: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("secrets/tokens.json")

    monkeypatch.setattr("vault.api.ledger.summarize", broken)
    reply = client.get("/api/ledger/summary")
    assert (reply.status_code, reply.json()["error"]) == (500, "RuntimeError; the log has more")


def test_the_documents_take_nothing_from_elsewhere(client: Client, world: World) -> None:
    page = client.get("/api/docs")
    assert b"//" not in page.content.replace(b"</", b"")
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"".join(client.get("/static/ninja/swagger-ui.css").streaming_content).startswith(b".swagger-ui")
    paths = client.get("/api/openapi.json").json()["paths"]
    wanted = {
        "/api/stats",
        "/api/locate/{asset_id}",
        "/api/transfer",
        "/api/ledger/{checkpoint}",
        "/api/training/control",
    }
    assert wanted <= paths.keys()
    assert all(operation["description"] for path in paths.values() for operation in path.values())


def test_the_vaults_own_health(world: World) -> None:
    from django.test import RequestFactory

    told = json.loads(service.health(RequestFactory().get("/health")).content)
    assert (told["status"], told["service"], told["world"]) == ("healthy", "vault", str(world.home))
    assert told["machine"]["memory_total_bytes"] > 0


def test_the_machines_and_what_they_did(client: Client, world: World) -> None:
    code, told = ask(client, "GET", "/api/system/metrics")
    assert code == 200
    assert 0 < told["memory_percent"] < 100
    assert [(host["host"], host["here"], host["fresh"]) for host in told["hosts"]] == [("local", True, True)]
    assert "history" not in told
    past = ask(client, "GET", "/api/system/metrics?hours=1&points=6&host=local")[1]["history"]
    assert len(past["times"]) == len(past["series"]["cpu_percent"]) == 6
    for odd in ("nobody", "../../secrets", "%00", "_here"):
        assert ask(client, "GET", f"/api/system/metrics?hours=1&host={odd}")[0] == 404, odd
    assert ask(client, "GET", "/api/system/metrics?hours=25")[0] == 422
    assert ask(client, "GET", "/api/system/energy")[1] == {"price_per_kwh": None, "battles": [], "levels": []}
