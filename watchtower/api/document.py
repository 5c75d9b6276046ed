"""`/api/openapi.json`: every operation says how it refuses, too."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI, Schema
from ninja.openapi.schema import OpenAPISchema

from realm.web.problems import MEDIA_TYPE

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


class RealmAPI(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**options)
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
