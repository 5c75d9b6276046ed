"""`/api/oracle`: inference hosts, what they hold, and questions to a checkpoint that is loaded."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from realm import config
from realm.checkpoints.names import step_of
from realm.hosts import Host, read_hosts
from realm.oracle.errors import HostTrouble
from realm.oracle.sync_client import OracleClient, find_loaded
from realm.oracle.wire import LoadedModel
from vault.api.asking import Liberal

router = Router()
_ASK_SECONDS = 1.0
"""That the list of hosts waits for one that is silent."""


class Which(Liberal):
    other_names: ClassVar = {"checkpoint": "name", "model": "name"}

    name: Annotated[str | None, Field(max_length=80)] = None
    """Canonical name; with neither name nor step the base model."""
    step: Annotated[int | None, Field(ge=0, lt=10**18)] = None
    hero: Annotated[str | None, Field(max_length=80)] = None
    host: Annotated[str | None, Field(max_length=80)] = None
    """None: the default one."""


class Questions(Which):
    prompts: Annotated[list[Annotated[str, Field(max_length=100_000)]], Field(min_length=1, max_length=100)]
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 128


class Loaded(Schema):
    id: str
    hero: str
    step: int
    name: str
    model_path: str
    sha256: str | None


class InferenceHost(Schema):
    id: str
    name: str
    kind: str
    here: bool
    evaluates: bool
    loaded: list[Loaded]
    trouble: str
    """Why it does not answer; empty where it does."""


class Hosts(Schema):
    count: int
    hosts: list[InferenceHost]


class OnHost(Schema):
    success: bool
    host: str
    message: str


class LoadedOn(OnHost):
    model: Loaded


class Answers(LoadedOn):
    answers: list[str]
    """Greedy, in the order of the prompts."""


@router.get("/hosts", response=Hosts)
def hosts(request: HttpRequest) -> Any:
    """Every inference host, and what it has loaded now."""
    found = [_told(host) for host in _registry().hosts if host.infers]
    return {"count": len(found), "hosts": found}


@router.post("/load", response=LoadedOn)
def load(request: HttpRequest, body: Which) -> Any:
    """Let a host load a checkpoint."""
    host = _registry().find_inference(body.host)
    with OracleClient(host) as oracle:
        model = oracle.load(hero=_hero(body), step=_step(body), name=body.name)
    return {"success": True, "host": host.id, "message": f"{model.id} is loaded.", "model": _loaded(model)}


@router.post("/unload", response=OnHost)
def unload(request: HttpRequest, body: Which) -> Any:
    """Let a host give up a checkpoint's memory."""
    host = _registry().find_inference(body.host)
    with OracleClient(host) as oracle:
        oracle.unload(hero=_hero(body), step=_step(body), name=body.name)
    return {"success": True, "host": host.id, "message": "It is no longer loaded."}


@router.post("/ask", response=Answers)
def ask(request: HttpRequest, body: Questions) -> Any:
    """Greedy answers of a checkpoint that is loaded; one that is not is never answered for."""
    host = _registry().find_inference(body.host)
    with OracleClient(host) as oracle:
        step = body.step if body.step is not None else step_of(body.name or "") or 0
        model = find_loaded(oracle.loaded(), hero=_hero(body), step=step, name=body.name)
        answers = oracle.answer(model, body.prompts, max_new_tokens=body.max_new_tokens)
    said = f"{model.id} answered."
    return {"success": True, "host": host.id, "message": said, "model": _loaded(model), "answers": answers}


def _registry() -> Any:
    return read_hosts(settings.WORLD, oracle_port=config.load(settings.WORLD).oracle_port)


def _told(host: Host) -> dict[str, Any]:
    loaded: list[LoadedModel] = []
    trouble = ""
    try:
        with OracleClient(host, timeout_seconds=_ASK_SECONDS) as oracle:
            loaded = oracle.loaded()
    except HostTrouble as error:
        trouble = str(error)
    return {
        "id": host.id,
        "name": host.name,
        "kind": host.kind,
        "here": host.here,
        "evaluates": host.evaluates,
        "loaded": [_loaded(model) for model in loaded],
        "trouble": trouble,
    }


def _loaded(model: LoadedModel) -> dict[str, Any]:
    return {key: getattr(model, key) for key in Loaded.model_fields}


def _hero(body: Which) -> str:
    return body.hero or str(settings.REALM.hero)


def _step(body: Which) -> int | None:
    return 0 if body.step is None and body.name is None else body.step
