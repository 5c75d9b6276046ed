"""A skill's trainer as a server, for others that speak the trainer protocol: see guild/trainers/protocol.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guild.errors import GuildError
from guild.skills.registry import Skill
from guild.trainers import protocol
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem
from realm import strict
from realm.health import HEALTHY
from realm.web import bodies
from realm.web.bodies import Body, TooLarge, TooSlow
from realm.web.serve import bind_port, run

HOST = "127.0.0.1"
MOST_AT_WORK = 2
"""Requests that make or judge problems at once; the others wait."""
MOST_CONNECTIONS = 100
BAD_REQUEST, TOO_SLOW, TOO_LARGE, UNAVAILABLE = 400, 408, 413, 503

B = TypeVar("B", bound=Body)


def serve(skill: Skill, trainer: Trainer, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe."""
    with bind_port(HOST, port, remedy="choose another with --port") as listening:
        run(application(skill, trainer), listening, most_connections=MOST_CONNECTIONS)


def application(skill: Skill, trainer: Trainer) -> Starlette:
    return _Desk(skill, trainer).application


class _Desk:
    def __init__(self, skill: Skill, trainer: Trainer) -> None:
        self._skill, self._trainer = skill, trainer
        self._limiter: anyio.CapacityLimiter | None = None
        self.application = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/skill", self._told),
                Route("/sample", self._sample, methods=["POST"]),
                Route("/judge", self._judge, methods=["POST"]),
            ],
            exception_handlers={
                HTTPException: _no_such, TooLarge: _refusal(TOO_LARGE), TooSlow: _refusal(TOO_SLOW),
                strict.BadConfig: _refusal(BAD_REQUEST), GuildError: _refusal(UNAVAILABLE),
            },
        )  # fmt: skip

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": HEALTHY})

    async def _told(self, request: Request) -> Response:
        told = protocol.SkillReply(protocol=protocol.PROTOCOL, name=self._skill.name, max_level=self._skill.max_level)
        return JSONResponse(told.model_dump())

    async def _sample(self, request: Request) -> Response:
        asked = await _read(request, protocol.SampleRequest)
        self._check_level(asked.level)
        ours = self._skill.levels[asked.level - 1]
        if asked.parameters and asked.parameters != ours:
            raise strict.BadConfig(f"parameters: level {asked.level} has {strict.shown(ours)}; send those, or none")
        problems = await self._work(lambda: self._draw(asked))
        return JSONResponse({"skill": self._skill.name, "level": asked.level, "problems": problems})

    def _draw(self, asked: protocol.SampleRequest) -> list[dict[str, str]]:
        problems = self._trainer.sample(level=asked.level, count=asked.count, seed=asked.seed)
        return [{"prompt": problem.prompt, "answer": problem.answer, "ticket": problem.ticket} for problem in problems]

    async def _judge(self, request: Request) -> Response:
        asked = await _read(request, protocol.JudgeRequest)
        self._check_level(asked.level)
        problems = [
            Problem(told.prompt, told.answer, self._skill.name, asked.level, told.ticket) for told in asked.problems
        ]
        given = [told.given for told in asked.problems]
        return JSONResponse({"verdicts": await self._work(lambda: self._trainer.judge_all(problems, given))})

    def _check_level(self, level: int) -> None:
        if not 1 <= level <= self._skill.max_level:
            raise strict.BadConfig(
                f"level: {self._skill.name} has no level {level}; it has 1 to {self._skill.max_level}"
            )

    async def _work(self, work: Any) -> Any:
        """In a thread, so that /health is answered meanwhile."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MOST_AT_WORK)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def _read(request: Request, cls: type[B]) -> B:
    """Raises TooLarge, TooSlow, strict.BadConfig for a body that is not of the protocol."""
    body = await bodies.receive(request, largest_bytes=protocol.LARGEST_BODY_BYTES)
    return protocol.read(cls, body, source=request.url.path)


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


def _refusal(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=status)

    return refuse
