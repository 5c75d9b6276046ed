"""The endpoints of an inference host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from arena.oracle.chat import DONE, Completion, conversation, event, sampling, witness
from arena.oracle.host import OracleHost
from arena.oracle.loaded_models import Place, described
from arena.oracle.trouble import BadRequest, OracleTrouble, TooLarge, TooSlow
from realm.health import HEALTHY
from realm.machine import readings, wire
from realm.oracle.wire import LARGEST_REQUEST_BYTES, AnswersRequest, ChatRequest, Selector
from realm.strict import BadConfig
from realm.web import bodies
from realm.web.bodies import Body

if TYPE_CHECKING:
    from arena.oracle.loading import LoadedModel
    from arena.oracle.rows import Row

T = TypeVar("T")
B = TypeVar("B", bound=Body)


def application(host: OracleHost) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await host.scheduler.stop()

    oracle = _Oracle(host)
    routes = [
        Route("/health", oracle.health),
        Route("/livez", oracle.livez),
        Route("/readyz", oracle.readyz),
        Route("/models/info", oracle.info),
        Route("/models/load", oracle.load, methods=["POST"]),
        Route("/models/unload", oracle.unload, methods=["POST"]),
        Route("/v1/models", oracle.models),
        Route("/v1/models/{model:path}", oracle.model),
        Route("/v1/chat/completions", oracle.chat, methods=["POST"]),
        Route("/v1/answers", oracle.answers, methods=["POST"]),
    ]
    handlers: Any = {OracleTrouble: _refused, HTTPException: _no_such, ClientDisconnect: _nobody, Exception: _broken}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


class _Oracle:
    def __init__(self, host: OracleHost) -> None:
        self._host = host

    async def health(self, request: Request) -> Response:
        machine = await asyncio.to_thread(readings.read, self._host.home)
        return JSONResponse(self._host.health() | {wire.KEY: wire.told(machine)})

    async def livez(self, request: Request) -> Response:
        """200 whenever this process takes requests."""
        return JSONResponse({"status": "pass"})

    async def readyz(self, request: Request) -> Response:
        """503 until it can load models: what they are computed with takes seconds to come."""
        word = str(self._host.health()["status"])
        if word == HEALTHY:
            return JSONResponse({"status": "pass"})
        return JSONResponse({"status": "fail", "output": word}, status_code=503)

    async def info(self, request: Request) -> Response:
        return JSONResponse(await self._host.info())

    async def load(self, request: Request) -> Response:
        wanted = await _read(request, Selector)
        return JSONResponse(described(await self._host.load(wanted)))

    async def unload(self, request: Request) -> Response:
        wanted = await _read(request, Selector)
        return JSONResponse(described(self._host.unload(wanted)))

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_listed(place) for place in self._host.shelf.places]})

    async def model(self, request: Request) -> Response:
        return JSONResponse(_listed(self._host.shelf.get(request.path_params["model"])))

    async def answers(self, request: Request) -> Response:
        asked = await _read(request, AnswersRequest)
        began = time.perf_counter()
        with self._host.shelf.using(asked.model) as model:
            work = self._host.answer(model, asked.prompts, max_new_tokens=asked.max_new_tokens)
            rows = await _unless_gone(request, work)
            told = {"model": model.id, **witness(model), "answers": [row.text for row in rows]}
            told["finish_reasons"] = [row.finish_reason for row in rows]
            return JSONResponse(told | {"seconds": round(time.perf_counter() - began, 6)})

    async def chat(self, request: Request) -> Response:
        asked = await _read(request, ChatRequest)
        with ExitStack() as held:
            model = held.enter_context(self._host.shelf.using(asked.model))
            if asked.stream:
                pieces: asyncio.Queue[str | None] = asyncio.Queue()
                row = await self._row(model, asked, on_text=_sender(pieces))
                return _Stream(self._pieces(model, row, asked, pieces), held.pop_all())
            row = await self._row(model, asked)
            await _unless_gone(request, self._host.scheduler.write(model, [row]))
            return JSONResponse(Completion(model=model).whole(row))

    async def _row(self, model: LoadedModel, asked: ChatRequest, **options: Any) -> Row:
        return await self._host.chat(
            model,
            conversation(asked),
            max_new_tokens=asked.max_new_tokens,
            stop=tuple(asked.stop or ()),
            sampling=sampling(asked),
            **options,
        )

    async def _pieces(
        self, model: LoadedModel, row: Row, asked: ChatRequest, pieces: asyncio.Queue[str | None]
    ) -> AsyncIterator[bytes]:
        told = Completion(model=model)
        writing = asyncio.create_task(self._host.scheduler.write(model, [row]))
        writing.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            yield told.opening()
            while (piece := await pieces.get()) is not None:
                yield told.piece(piece)
            await writing
            yield told.end(row)
            if asked.include_usage:
                yield told.usage(row)
            yield DONE
        except OracleTrouble as trouble:
            yield event(trouble.body())
        finally:
            row.gone = True
            writing.cancel()


class _Stream(StreamingResponse):
    """Holds its model until the last piece is sent or the client is gone."""

    def __init__(self, content: AsyncIterator[bytes], held: ExitStack) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


async def _read(request: Request, cls: type[B]) -> B:
    """Raises BadRequest, TooLarge, TooSlow."""
    try:
        body = await bodies.receive(request, largest_bytes=LARGEST_REQUEST_BYTES)
        return bodies.read(cls, orjson.loads(body), source="request")  # which takes no lone surrogates
    except bodies.TooLarge as error:
        raise TooLarge(str(error)) from error
    except bodies.TooSlow as error:
        raise TooSlow(str(error)) from error
    except BadConfig as error:
        raise BadRequest(str(error).removeprefix("request: ")) from error
    except ValueError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error


def _sender(pieces: asyncio.Queue[str | None]) -> Callable[[str], None]:
    """For the thread that writes."""
    loop = asyncio.get_running_loop()

    def send(piece: str) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, piece)

    return send


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Cancels the work when the client hangs up. Raises ClientDisconnect."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _listed(place: Place) -> dict[str, Any]:
    model = place.model
    created = int(place.loaded_at.timestamp())
    return {
        "id": model.id,
        "object": "model",
        "created": created,
        "owned_by": model.hero,
        "max_model_len": model.context,
        "realm": witness(model),
    }


async def _refused(request: Request, trouble: OracleTrouble) -> Response:
    return JSONResponse(trouble.body(), status_code=trouble.status)


async def _no_such(request: Request, error: HTTPException) -> Response:
    told = {"message": str(error.detail), "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": told}, status_code=error.status_code, headers=error.headers)


async def _nobody(request: Request, error: ClientDisconnect) -> Response:
    """Nobody reads it."""
    return Response(status_code=499)


async def _broken(request: Request, error: Exception) -> Response:
    told = {"message": f"{type(error).__name__}: {error}", "type": "server_error", "param": None, "code": None}
    return JSONResponse({"error": told}, status_code=500)
