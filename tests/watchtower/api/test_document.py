"""The API answers as its document says, whatever it is asked; `scripts/campaign.sh api` asks ten thousand times."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, settings
from ninja import NinjaAPI
from pydantic import BaseModel
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import vault.api
import watchtower.api
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.index import scan
from vault.jobs import kinds
from vault.models import Job
from watchtower.api import document
from watchtower.api.realm_api import api

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CHECKS: Any = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def place(world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Jobs are done at once and move nothing."""
    monkeypatch.setattr(kinds, "ACTS", dict.fromkeys(Job.Kind.values, lambda job, progress: {}))
    for step in (100, 200):
        make_checkpoint(world.heroes, step, train_loss=300.0 / step)
    scan(world)
    return world


def unlike_the_document(paths: str) -> list[str]:
    """What the API answered otherwise than its document says, to one case of each operation."""
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
    found = [unlike(operation.ok()) for operation in schema.include(path_regex=paths).get_all_operations()]
    return [each for each in found if each]


def unlike(operation: Any) -> str:
    said: list[str] = []

    @settings(max_examples=1, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        try:
            case.validate_response(case.call(), checks=CHECKS)
        except FailureGroup as failures:
            said.append(f"{operation.label}: {failures.exceptions[0]}")

    check()
    return said[0] if said else ""


def test_operations_answer_as_the_document_says(place: World) -> None:
    """Some; all of them in a campaign, for building the cases takes long."""
    assert unlike_the_document("/api/(models|dashboard)") == []


def test_operations_answer_as_the_document_says_twin(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_REFUSALS", {})
    monkeypatch.setattr(api, "_document_under", api._document)
    assert unlike_the_document("/api/models/.model_id.$")


def modules() -> Iterator[str]:
    yield from ("sentinels.api", "sentinels.notices.api")
    for room in (watchtower.api, vault.api):
        names = [found.name for found in iter_modules(room.__path__, f"{room.__name__}.")]
        yield from (name for name in names if not name.endswith(("__main__", ".settings", ".urls")))


def shapes() -> Iterator[type[BaseModel]]:
    for module in map(import_module, modules()):
        for _, shape in inspect.getmembers(module, inspect.isclass):
            if issubclass(shape, BaseModel) and shape.__module__ == module.__name__:
                yield shape


def test_no_two_shapes_have_one_name() -> None:
    """The document would show one of them for both."""
    names = [shape.__name__ for shape in shapes()]
    assert sorted(names) == sorted(set(names))


def test_the_document_is_built_once_for_each_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert builds_of_four(monkeypatch) == ["/a/", "/b/"]


def test_twin_without_its_memory_it_is_built_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_PREFIXES", 0)
    assert len(builds_of_four(monkeypatch)) == 4


def builds_of_four(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    built: list[str] = []

    def build(self: NinjaAPI, *, path_prefix: str) -> dict[str, Any]:
        built.append(path_prefix)
        return {"components": {"schemas": {}}, "paths": {}}

    monkeypatch.setattr(NinjaAPI, "get_openapi_schema", build)
    small = document.RealmAPI(urls_namespace="small")
    for prefix in ("/a/", "/b/", "/a/", "/b/"):
        assert "Problem" in small.get_openapi_schema(path_prefix=prefix)["components"]["schemas"]
    return built
