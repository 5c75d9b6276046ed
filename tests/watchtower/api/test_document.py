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
    assert unlike_the_document("/api/models/.model_id.$")


def shapes() -> Iterator[type[BaseModel]]:
    for room in (watchtower.api, vault.api):
        for found in iter_modules(room.__path__, f"{room.__name__}."):
            if found.name.endswith(("__main__", ".settings", ".urls")):
                continue
            module = import_module(found.name)
            for _, shape in inspect.getmembers(module, inspect.isclass):
                if issubclass(shape, BaseModel) and shape.__module__ == module.__name__:
                    yield shape


def test_no_two_shapes_have_one_name() -> None:
    """The document would show one of them for both."""
    names = [shape.__name__ for shape in shapes()]
    assert sorted(names) == sorted(set(names))
