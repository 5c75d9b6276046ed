"""Runs, models, dashboard and quests over REST: the seeds' addresses, done by what pages and commands call."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from arena.jobs import jobs
from arena.models import Battle, Quest
from arena.orders import MAILBOX
from arena.protocol import StepRecord
from arena.quest_orders import MAILBOX as QUEST_MAILBOX
from arena.sources import folders
from guild.models import Run
from guild.work import runs
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.local_gate import admit_one
from vault.index import scan
from watchtower.api import slashes

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NAME = "checkpoint-100-20260101-1230"
ID = "checkpoint_100_DIO_20260101-1230"
JSON = "application/json"
ROWS = [{"prompt": "2 + 2 =", "completion": "4"}]


@pytest.fixture
def place(world: World, skills_folder: Path) -> World:
    for step in (100, 200, 300):
        make_checkpoint(world.heroes, step, train_loss=300.0 / step, val_loss=400.0 / step)
    scan(world)
    return world


def ask(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    sent: dict[str, Any] = {} if body is None else {"data": json.dumps(body), "content_type": JSON}
    reply = getattr(client, method.lower())(path, **sent)
    return reply.status_code, reply.json()


def good(client: Client, method: str, path: str, body: Any = None) -> Any:
    code, told = ask(client, method, path, body)
    assert code == 200, (method, path, told)
    return told


PAGE = {"items", "total", "limit", "offset", "count"}
LISTS = {
    "/api/training/runs": "runs", "/api/train/history": "history", "/api/training/data-sources": "data_sources",
    "/api/simulation/runs": "runs", "/api/benchmark/runs": "runs", "/api/sparring/runs": "runs",
    "/api/models/": "models", "/api/dashboard/recent-activity": "activity", "/api/quests": "quests",
}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_one_shape(client: Client, place: World, path: str) -> None:
    told = good(client, "GET", f"{path}?limit=2&offset=1")
    assert PAGE | {LISTS[path]} <= told.keys()
    assert told["items"] == told[LISTS[path]]
    assert (told["limit"], told["offset"], len(told["items"])) == (2, 1, told["count"])
    assert told["count"] <= 2
    for bad in ("limit=0", "limit=1001", "offset=-1", f"offset={10**10}", "limit=x"):
        assert ask(client, "GET", f"{path}?{bad}")[0] == 422


def test_a_run_from_asking_to_its_history(client: Client, place: World) -> None:
    body = {"rows": ROWS, "model_name": "sums", "epochs": 2, "learning_rate": 0.001, "preset": "standard"}
    started = good(client, "POST", "/api/train", body)
    assert (started["success"], started["name"], started["status"]) == (True, "sums", "waiting")
    job_id = started["job_id"]
    recipe = (place.lane("normal") / "sums.jsonl.recipe.yaml").read_text()
    assert recipe == "preset: standard\nepochs: 2\nlearning_rate: 0.001\n"
    for path in (f"/api/train/status/{job_id}", f"/api/training/runs/{job_id}", f"/api/train/status/{job_id}/"):
        assert good(client, "GET", path)["id"] == job_id
    quest = fight(place, losses=[3.0, float("nan"), 1.0])
    told = good(client, "GET", f"/api/training/runs/{job_id}?points=4")
    assert (told["status"], told["battle"], told["current_step"], told["total_steps"]) == ("running", "sums-1", 3, 6)
    assert (told["progress"]["percent"], told["loss"]) == (50.0, 1.0)
    assert [point["loss"] for point in told["loss_history"]] == [3.0, None, 1.0]
    assert good(client, "GET", "/api/training/runs/sums-1")["loss_history"] == told["loss_history"]
    assert good(client, "GET", "/api/training/runs?state=running")["total"] == 1
    assert good(client, "GET", "/api/training/runs?state=failed")["total"] == 0
    assert good(client, "GET", "/api/train/history?q=sum")["items"][0]["id"] == job_id
    good(client, "POST", f"/api/train/stop/{job_id}")
    ((_, order),) = QUEST_MAILBOX.waiting(place)
    assert (order.act, [target.id for target in order.quests], order.by) == ("cancel", [quest.pk], "api")
    good(client, "POST", f"/api/training/pause/{job_id}")
    assert [request.wish for _, request in MAILBOX.waiting(place)] == ["pause"]


def fight(world: World, *, losses: list[float]) -> Quest:
    """As if the arena trained the one quest."""
    admit_one(world)
    quest = Quest.objects.get()
    quest.state = Quest.State.BATTLING
    quest.save()
    battle = Battle.objects.create(
        battle_id="sums-1", quest=quest, hero="DIO", started_at=datetime(2026, 1, 1, tzinfo=UTC), total_steps=6
    )
    folder = world.battles / battle.battle_id
    folder.mkdir()
    with open(folder / "steps.bin", "wb") as file:
        for number, loss in enumerate(losses, 1):
            file.write(a_step(number, loss).pack())
    return quest


def a_step(number: int, loss: float) -> StepRecord:
    return StepRecord(
        step=100 + number, time=float(number), loss=loss, learning_rate=0.001, grad_norm=1.0, step_seconds=0.5,
        tokens=10, trained_tokens=5, slots=64, quest_step=number, memory_bytes=1,
    )  # fmt: skip


def test_everything_listed_as_trainable_can_be_trained(client: Client, place: World, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "talk.jsonl").write_text('{"text": "hello"}\n')
    folders.register(place, "talks", str(folder))
    (place.validation / "set.jsonl").write_text('{"text": "hello"}\n')
    listed = good(client, "GET", "/api/training/data-sources")["items"]
    kinds = {source["kind"] for source in listed}
    assert kinds == {"inbox", "queue", "completed", "skills", "folder", "file", "skill", "validation"}
    trainable = [source["id"] for source in listed if source["trainable"]]
    assert trainable == ["talks", "talks/talk.jsonl", "skill:bin"]
    for source in trainable:
        assert good(client, "POST", "/api/training/start", {"data_source": source, "count": 20})["status"] == "waiting"
    assert good(client, "POST", "/api/train", {"model_name": "mine"})["name"] == "mine", "the first skill's problems"
    assert jobs(place).total == 4


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/api/training/start", {"source": "none"}, 422, "There is no source"),
    ("POST", "/api/training/start", {"source": "quest:7"}, 422, "There is no quest"),
    ("POST", "/api/training/start", {"source": "skill:nope"}, 404, "nope"),
    ("POST", "/api/training/start", {"rows": ROWS, "text": "x"}, 422, "just one of"),
    ("POST", "/api/training/start", {"rows": ROWS, "recipe": {"epoch": 2}}, 422, "did you mean 'epochs'"),
    ("POST", "/api/training/start", {"rows": ROWS, "learning_rate": 1.0}, 409, "with confirm: true"),
    ("POST", "/api/training/start", {"rows": ROWS, "priority": "now"}, 422, "allowed are high"),
    ("POST", "/api/training/start", {"rows": ROWS, "name": "bin-level-1-0001"}, 422, "as the guild names"),
    ("POST", "/api/training/start", {"file": "secrets/x.jsonl"}, 409, "is not allowed"),
    ("POST", "/api/training/start", {"rows": [1]}, 422, "rows"),
    ("GET", "/api/training/runs/none", None, 404, "there is no job 'none'"),
    ("GET", "/api/training/runs?state=dead", None, 422, "none of waiting"),
    ("POST", "/api/train/stop/job-0000000000000000", None, 404, "there is no job"),
    ("GET", f"/api/train/status/{'9' * 30}", None, 404, "there is no job"),
    ("POST", "/api/simulation/start", {"skill": "nope"}, 404, "nope"),
    ("POST", "/api/simulation/start", {"skill": "bin", "level": 99}, 409, "has no level 99"),
    ("GET", "/api/simulation/runs/7", None, 404, "there is no forge 7"),
    ("POST", f"/api/benchmark/stop/{10**30}", None, 404, "there is no trial"),
    ("POST", "/api/benchmark/start", {"checkpoints": ["dragon"]}, 409, "is no checkpoint"),
    ("DELETE", "/api/benchmark/runs/9", None, 404, "there is no trial 9"),
    ("GET", "/api/models/dragon", None, 404, "no such model"),
    ("POST", "/api/models/base/activate", None, 409, "is not promoted"),
    ("DELETE", "/api/models/base", None, 409, "is not deleted"),
    ("DELETE", "/api/models/300", None, 409, "newest"),
    ("GET", "/api/quests?state=dead", None, 422, "allowed are arrived"),
    ("GET", "/api/quests/7", None, 404, "there is no quest 7"),
    ("POST", "/api/quests/7/dance", None, 422, "allowed are hold"),
    ("POST", "/api/training/rate", {"learning_rate": 0.1}, 409, "no battle"),
    ("POST", "/api/training/go-on", {"checkpoint": "dragon"}, 404, "no checkpoint"),
    ("POST", "/api/system/reload-oracle", None, 424, "has not loaded it"),
    ("POST", "/api/oracle/load", {"host": "nowhere"}, 404, "nowhere"),
    ("GET", "/api/dashboard/nothing", None, 404, "There is nothing at"),
]  # fmt: skip


def test_a_refusal_is_one_sentence(client: Client, place: World) -> None:
    for method, path, body, expected, words in REFUSED:
        code, told = ask(client, method, path, body)
        assert (code, told["success"], told["status"]) == (expected, False, expected), (method, path, told)
        assert words in told["detail"] == told["error"], (method, path, told)
    assert jobs(place).total == 0
    assert not Run.objects.exists()


def test_runs_of_the_guild(client: Client, place: World) -> None:
    forge = good(client, "POST", "/api/simulation/start", {"skill": "bin", "levels": [1, 2], "count": 10})
    trial = good(client, "POST", "/api/benchmark/start", {"checkpoints": ["newest", "base"], "skills": ["bin"]})
    spar = good(client, "POST", "/api/sparring/start", {"skill": "bin", "count": 5})
    assert [run["status"] for run in (forge, trial, spar)] == ["waiting"] * 3
    assert trial["parameters"]["checkpoints"] == ["checkpoint-300-20260101-1230", "base"]
    assert good(client, "GET", "/api/simulation/runs")["total"] == 1
    assert ask(client, "GET", f"/api/simulation/runs/{trial['id']}")[0] == 404, "it is a trial"
    assert ask(client, "DELETE", f"/api/benchmark/runs/{trial['id']}")[0] == 409, "it waits"
    assert good(client, "POST", f"/api/benchmark/stop/{trial['id']}")["status"] == "stopped"
    told = good(client, "GET", f"/api/benchmark/runs/{trial['id']}")
    assert {"results", "events", "progress", "parameters"} <= told.keys()
    assert good(client, "GET", "/api/benchmark/runs?status=stopped")["total"] == 1
    assert good(client, "DELETE", f"/api/benchmark/runs/{trial['id']}")["success"] is True
    assert [run.kind for run in runs.history()] == ["sparring", "forge"]


def test_a_completed_run_once_more_is_another_to_be_compared(client: Client, place: World) -> None:
    forge = good(client, "POST", "/api/simulation/start", {"skill": "bin", "count": 10})
    assert ask(client, "POST", f"/api/simulation/again/{forge['id']}")[0] == 409, "it waits"
    Run.objects.filter(pk=forge["id"]).update(state="completed", results={"rows": 10})
    again = good(client, "POST", f"/api/simulation/again/{forge['id']}")
    assert (again["status"], again["created_by"]) == ("waiting", "api")
    told = good(client, "GET", f"/api/simulation/compare/{forge['id']}/{again['id']}")
    assert [run["results"] for run in told["runs"]] == [{"rows": 10}, {}]
    assert ask(client, "GET", f"/api/benchmark/compare/{forge['id']}/{again['id']}")[0] == 404


def test_models_are_checkpoints(client: Client, place: World) -> None:
    told = good(client, "GET", "/api/models/")
    assert [model["id"] for model in told["models"]] == [f"checkpoint-{n}-20260101-1230" for n in (300, 200, 100)] + [
        "base"
    ]
    assert told == good(client, "GET", "/api/models")
    assert [model["id"] for model in good(client, "GET", "/api/models?limit=2&offset=3")["items"]] == ["base"]
    for spelling in (NAME, "100", "checkpoint-100", ID, "checkpoint_100"):
        assert good(client, "GET", f"/api/models/{spelling}")["id"] == NAME
    assert good(client, "GET", "/api/models/base")["step"] == 0
    assert good(client, "GET", "/api/models/newest")["step"] == 300
    activated = good(client, "POST", "/api/models/100/activate")
    assert (activated["success"], activated["id"], activated["loaded_by"]) == (True, NAME, [])
    assert [model["id"] for model in good(client, "GET", "/api/models/")["models"] if model["active"]] == [NAME]
    assert good(client, "GET", "/api/dashboard/stats")["active_model"]["id"] == NAME
    assert ask(client, "DELETE", f"/api/models/{NAME}")[0] == 409, "the champion stays"
    deleted = good(client, "DELETE", "/api/models/200")
    assert ask(client, "GET", "/api/models/200")[0] == 404
    good(client, "POST", f"/api/trash/{deleted['undo']}/undo")
    assert good(client, "GET", "/api/models/200")["step"] == 200


def test_the_board_for_programs(client: Client, place: World) -> None:
    good(client, "POST", "/api/quests", {"text": '{"text": "a"}', "name": "one"})
    admit_one(place)
    (told,) = good(client, "GET", "/api/quests?q=ON")["quests"]
    quest = good(client, "GET", f"/api/quests/{told['id']}")
    assert {"hold", "move", "cancel", "recipe"} <= set(quest["acts"])
    assert good(client, "GET", f"/api/quests/{quest['job']}/report")["rows"] == 1
    good(client, "POST", f"/api/quests/{told['id']}/move", {"priority": "high"})
    good(client, "POST", f"/api/quests/{told['id']}/recipe", {"recipe": {"epochs": 3}})
    good(client, "POST", f"/api/quests/{told['id']}/hold")
    given = [(order.act, order.priority, order.recipe) for _, order in QUEST_MAILBOX.waiting(place)]
    assert given == [("move", "high", {}), ("recipe", None, {"epochs": 3}), ("hold", None, {})]
    assert ask(client, "POST", f"/api/quests/{told['id']}/release")[0] == 409


def either_spelling(client: Client) -> bool:
    return [ask(client, "GET", f"/api/{path}")[0] for path in ("stats/", "dashboard/stats/", "models")] == [200] * 3


def test_a_slash_at_the_end_is_no_other_address(client: Client, place: World) -> None:
    assert either_spelling(client)


def test_a_slash_at_the_end_is_no_other_address_twin(
    client: Client, place: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slashes, "_ROOT", "/nowhere/")
    assert not either_spelling(client)
