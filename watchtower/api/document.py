"""`/api/openapi.json`: every operation says how it refuses, too."""

from __future__ import annotations

import functools
import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI, Schema
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema

from realm.web.problems import MEDIA_TYPE

MOST_PREFIXES = 4
"""Under which one process is asked: its own, and those of reverse proxies before it."""
_REFUSALS = {
    "400": "The request cannot be read.",
    "401": "A token is needed, or is not good for this.",
    "404": "There is no such thing.",
    "409": "Not in the state in which it is.",
    "413": "The body is too large.",
    "422": "What is asked cannot be.",
    "424": "The inference host does not answer, or not as it is asked to.",
    "502": "Another machine does not answer.",
    "503": "The disk, the database or the settings hinder it.",
}


class Problem(Schema):
    """A refusal (RFC 9457), with the keys of the first documents beside."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    success: bool
    error: str


class Docs(Swagger):
    """The page from this server's own files; ninja, which is no installed app here, would name another's."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        settings = {**self.settings, "url": self.get_openapi_url(api, kwargs)}
        context = {"swagger_settings": json.dumps(settings), "api": api, "add_csrf": False}
        return render(request, self.template, context)


class RealmAPI(NinjaAPI):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._document_under = functools.lru_cache(maxsize=MOST_PREFIXES)(self._document)

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Built once a process for each prefix, half a second of work: nobody may change what is returned."""
        return self._document_under(self.get_root_path(path_params or {}) if path_prefix is None else path_prefix)

    def _document(self, prefix: str) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=prefix)
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operations in document["paths"].values():
            for operation in operations.values():
                _summarise(operation)
                for status, words in _REFUSALS.items():
                    told = operation["responses"].setdefault(int(status), {"description": words, "content": {}})
                    told.setdefault("content", {}).update(content)
        return document


def _summarise(operation: dict[str, Any]) -> None:
    """The first sentence of what an operation does, which its page lists, in place of a function's name."""
    first, _, rest = operation.pop("description", "").partition("\n\n")
    sentence, dot, more = " ".join(first.split()).partition(". ")
    operation["summary"] = sentence.rstrip(".") or operation["summary"]
    described = "\n\n".join(filter(None, (more if dot else "", rest.strip())))
    if described:
        operation["description"] = described
