"""The trainer protocol, version 1: what is sent between the guild and a trainer that is an HTTP server.

All bodies are JSON objects in UTF-8 with exactly these keys; a refusal has a status of 400 or more and a body
`{"error": "one sentence"}`.

    GET  /health → {"status": "healthy"}
    GET  /skill  → {"protocol": 1, "name": "bin", "max_level": 30}
    POST /sample   {"level": 5, "count": 100, "seed": 7, "parameters": {}}
                 → {"skill": "bin", "level": 5, "problems": [{"prompt": "…", "answer": "…", "ticket": ""}, …]}
    POST /judge    {"level": 5, "problems": [{"prompt": "…", "answer": "…", "ticket": "", "given": "…"}, …]}
                 → {"verdicts": [true, …]}

`name` and `skill` are the name of the skill's file without `.yaml`, or what stands there under `trainer_skill`, and
`max_level` is the number of levels there; a server that says otherwise is refused.

`/sample` gives `count` different problems of the level, the same ones for the same seed, a whole number from 0
to 2^53 - 1. `parameters` are those of the level in the skill's file. `ticket`, which may be left out, is whatever the
trainer needs back, besides prompt and answer, to judge. `/judge` gives one verdict for each `given`, in their order;
`answer` itself is always right.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from realm import strict
from realm.web import bodies
from realm.web.bodies import Body, between, counted

PROTOCOL = 1
MOST_PROBLEMS = 1000
"""In one request; whoever wants more asks again with another seed."""
LARGEST_SEED = 2**53 - 1
"""JSON numbers are exact up to it in every language."""
LARGEST_BODY_BYTES = 32 * 1024**2

B = TypeVar("B", bound=Body)
Number = Annotated[int, between(-LARGEST_SEED, LARGEST_SEED)]


class SkillReply(Body):
    protocol: Number
    name: str
    max_level: Number


class SampleRequest(Body):
    level: Number
    count: Annotated[int, between(1, MOST_PROBLEMS)]
    seed: Annotated[int, between(0, LARGEST_SEED)]
    parameters: dict[str, Any]


class Stated(Body):
    prompt: str
    answer: str
    ticket: str = ""


class SampleReply(Body):
    skill: str
    level: Number
    problems: Annotated[list[Stated], counted(0, MOST_PROBLEMS)]


class Given(Stated):
    given: str


class JudgeRequest(Body):
    level: Number
    problems: Annotated[list[Given], counted(1, MOST_PROBLEMS)]


class JudgeReply(Body):
    verdicts: Annotated[list[bool], counted(0, MOST_PROBLEMS)]


class Refusal(Body):
    error: str


def read(cls: type[B], body: bytes, *, source: str) -> B:
    """Raises strict.BadConfig."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise strict.BadConfig(f"{source}: no JSON: {' '.join(str(error).split())}") from error
    return bodies.read(cls, value, source=source)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)
