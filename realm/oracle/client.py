"""Speaking with one inference host, asynchronously: bounded in time and size, no redirects, no proxies.

What it answers counts only when it names the model that was asked; a realm host must name the weights' digest, too, and
an engine must serve the proven file before and after.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import httpx2
import orjson
from pydantic import BaseModel, ValidationError

from realm.health import HEALTHY
from realm.hosts import Host
from realm.oracle import engines, wire
from realm.oracle.errors import (
    Ambiguous,
    Damaged,
    HostDown,
    HostTrouble,
    NoRoom,
    NotLoaded,
    TooLong,
    WrongModel,
    not_loaded,
)
from realm.oracle.wire import ChatRequest, LoadedModel, Sampling, Selector, Turn
from realm.web import outbound
from realm.web.bodies import Body

LARGEST_REPLY_BYTES = 16 * 1024**2
LARGEST_EVENT_BYTES = 1024**2
ASKED_SECONDS = 5.0
"""The longest that a host may think over what it holds."""
PROMPTS_AT_ONCE = 256
FOREIGN_AT_ONCE = 8
"""Requests in flight at a host without `/v1/answers`; it batches them itself."""

_BROKEN_OFF = ("server disconnected", "peer closed connection")
"""How the library says that a connection ended before its time; it has no class of error for it."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The last thing that a streamed answer yields."""

    finish_reason: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    seconds: float


class AsyncOracle:
    def __init__(self, host: Host, *, timeout_seconds: float | None = None) -> None:
        self.host = host
        self._timeout_seconds = host.timeout_seconds if timeout_seconds is None else timeout_seconds
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(
            outbound.client(self.host.url, connect_seconds=self.host.connect_seconds, headers=_authorization(self.host))
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def health(self) -> dict[str, Any]:
        """Raises HostTrouble; at a foreign host it is that its models are listed."""
        if self.host.is_engine:
            await engines.is_well(self.host, self._ask_engine)
            return {"status": HEALTHY}
        if not self.host.is_realm:
            served = await self._ask("GET", "/v1/models", wire.ServedModels, seconds=ASKED_SECONDS)
            return {"status": HEALTHY, "loaded": len(served.data)}
        health = await self._ask("GET", "/health", wire.Health, seconds=ASKED_SECONDS)
        return health.model_dump(exclude_none=True)

    async def loaded(self) -> list[LoadedModel]:
        """What the host answers for now, highest step first."""
        if self.host.is_realm:
            told = await self._ask("GET", "/models/info", wire.RealmModels, seconds=ASKED_SECONDS)
            found: list[LoadedModel] = [*told.models]
        elif self.host.is_engine:
            found = await engines.served(self.host, self._ask_engine)
        else:
            served = await self._ask("GET", "/v1/models", wire.ServedModels, seconds=ASKED_SECONDS)
            names = {model.id for model in served.data}
            found = [_foreign(self.host, step) for step, name in self.host.models.items() if name in names]
        return sorted(found, key=lambda model: (model.step, model.name), reverse=True)

    async def load(self, *, hero: str, step: int | None = None, name: str | None = None) -> LoadedModel:
        """Raises NotLoaded with the steps that there are, Damaged, NoRoom, HostTrouble."""
        if self.host.is_engine:
            return await self._wish(hero, step, name)
        if not self.host.is_realm:
            return await self._find_served(hero, step, name)
        wanted = _selector(hero, step, name)
        model = await self._ask("POST", "/models/load", wire.RealmModel, body=wanted, seconds=self.host.load_seconds)
        if model.hero != hero or step not in (None, model.step) or name not in (None, model.name):
            raise WrongModel(f"{self.host.id} has loaded {wire.one_line(model.id)} instead of what was asked for.")
        return model

    async def unload(self, *, hero: str, step: int | None = None, name: str | None = None) -> None:
        if self.host.is_engine:
            await engines.take_back(self.host)
            return
        if not self.host.is_realm:
            raise HostTrouble(f"{self.host.id} keeps its own models; nothing can be unloaded there.")
        wanted = _selector(hero, step, name)
        await self._ask("POST", "/models/unload", wire.Done, body=wanted, seconds=self._timeout_seconds)

    async def answer(self, model: LoadedModel, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Greedy answers, one user turn each, in the order of `prompts`."""
        if self.host.is_realm:
            batches = [prompts[at : at + PROMPTS_AT_ONCE] for at in range(0, len(prompts), PROMPTS_AT_ONCE)]
            answers = [await self._answer_batch(model, batch, max_new_tokens) for batch in batches]
            return [answer for batch in answers for answer in batch]
        async with self._proven(model):
            return await self._answer_singly(model, prompts, max_new_tokens)

    async def chat(self, model: LoadedModel, turns: Sequence[Turn], sampling: Sampling) -> AsyncIterator[str | Ending]:
        """The answer piece by piece, then its Ending; closing the iterator makes the host stop."""
        asked = _chat_request(model, turns, sampling, stream=True, stream_options={"include_usage": True})
        began, finish, usage, size, witnessed = time.monotonic(), None, None, 0, False
        async with self._proven(model), self._stream("/v1/chat/completions", asked, model) as response:
            async for said in self._events(response):
                size += len(said.text)
                witnessed = _check_model(self.host, model, said, witnessed=witnessed) or witnessed
                if size > LARGEST_REPLY_BYTES:
                    raise HostTrouble(f"{self.host.id} does not stop answering; its answer was cut off.")
                finish, usage = said.finish_reason or finish, said.usage or usage
                if said.text:
                    yield said.text
        if finish is None:
            raise HostTrouble(f"{self.host.id} broke off before its answer was complete.")
        yield Ending(
            finish_reason=finish,
            prompt_tokens=usage.prompt_tokens if usage else None,
            answer_tokens=usage.completion_tokens if usage else None,
            seconds=time.monotonic() - began,
        )

    async def _events(self, response: httpx2.Response) -> AsyncIterator[wire.Completion]:
        events = aiter(httpx2.EventSource(response, max_event_size=LARGEST_EVENT_BYTES))
        while True:
            with _told(self.host, self._timeout_seconds), anyio.fail_after(self._timeout_seconds):
                event = await anext(events, None)
            if event is None or event.data.strip() == "[DONE]":
                return
            value = _parse(self.host, event.data.encode())
            if isinstance(value, dict) and "error" in value:
                raise HostTrouble(f"{self.host.id}: {wire.refusal(value) or 'it failed while it answered'}")
            yield _as(self.host, wire.Completion, value)

    async def _answer_batch(self, model: LoadedModel, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        asked = wire.AnswersRequest(model=model.id, prompts=list(prompts), max_new_tokens=max_new_tokens)
        said = await self._ask(
            "POST", "/v1/answers", wire.Answers, body=asked, seconds=self._timeout_seconds, model=model
        )
        if (said.model, said.step, said.sha256) != (model.id, model.step, model.sha256):
            raise _wrong_model(self.host, model, said.model, said.sha256)
        if len(said.answers) != len(prompts):
            raise HostTrouble(f"{self.host.id} gave {len(said.answers)} answers to {len(prompts)} prompts.")
        return said.answers

    async def _answer_singly(self, model: LoadedModel, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        answers = [""] * len(prompts)
        places = anyio.CapacityLimiter(FOREIGN_AT_ONCE)
        greedy = Sampling(temperature=0.0, max_tokens=max_new_tokens)

        async def one(at: int, prompt: str) -> None:
            asked = _chat_request(model, [Turn(role="user", content=prompt)], greedy)
            async with places:
                said = await self._ask(
                    "POST",
                    "/v1/chat/completions",
                    wire.Completion,
                    body=asked,
                    seconds=self._timeout_seconds,
                    model=model,
                )
            _check_model(self.host, model, said, witnessed=False)
            answers[at] = said.text

        try:
            async with anyio.create_task_group() as group:
                for at, prompt in enumerate(prompts):
                    group.start_soon(one, at, prompt)
        except BaseExceptionGroup as troubles:
            raise _first(troubles) from None
        return answers

    async def _wish(self, hero: str, step: int | None, name: str | None) -> LoadedModel:
        try:
            return await self._find_served(hero, step, name)
        except (NotLoaded, WrongModel, HostDown):
            return await engines.wish(self.host, name or str(step), self.loaded)

    @asynccontextmanager
    async def _proven(self, model: LoadedModel) -> AsyncIterator[None]:
        """Around an answer: an engine that serves anything else before or after it may have answered with that."""
        await self._check_served(model)
        yield
        await self._check_served(model)

    async def _check_served(self, model: LoadedModel) -> None:
        """Raises WrongModel."""
        if not self.host.is_engine:
            return
        found = await engines.served(self.host, self._ask_engine)
        if not any((one.id, one.sha256) == (model.id, model.sha256) for one in found):
            who = ", ".join(one.id for one in found) or "nobody"
            raise _wrong_model(self.host, model, who, found[0].sha256 if found else None)

    async def _ask_engine(self, method: str, path: str, kind: type[M], *, body: Body | None = None) -> M:
        return await self._ask(method, path, kind, seconds=ASKED_SECONDS, body=body)

    async def _find_served(self, hero: str, step: int | None, name: str | None) -> LoadedModel:
        models = [model for model in await self.loaded() if model.hero == hero]
        for model in models:
            if step in (None, model.step) and name in (None, model.name):
                return model
        steps = [model.step for model in models]
        raise not_loaded(step, steps) if step is not None else NotLoaded(
            f"{name} not loaded. Available: {steps}", steps
        )  # fmt: skip

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[M],
        *,
        seconds: float,
        body: Body | None = None,
        model: LoadedModel | None = None,
    ) -> M:
        with _told(self.host, seconds):
            reply = await outbound.ask(
                self._client, method, path, seconds=seconds, largest_bytes=LARGEST_REPLY_BYTES, json=_plain(body)
            )
        if reply.status != 200:
            await self._refuse(reply, model)
        return _as(self.host, kind, _parse(self.host, reply.body))

    @asynccontextmanager
    async def _stream(self, path: str, body: Body, model: LoadedModel) -> AsyncIterator[httpx2.Response]:
        """An answer with status 200, its body unread; `model` is who a 404 speaks of."""
        request = self._client.build_request("POST", path, json=_plain(body))
        with _told(self.host, self._timeout_seconds), anyio.fail_after(self._timeout_seconds):
            response = await self._client.send(request, stream=True)
        try:
            with _told(self.host, self._timeout_seconds), anyio.fail_after(self._timeout_seconds):
                outbound.check_encoding(response)
                if response.status_code != 200:
                    refusal = await outbound.read(response, largest_bytes=LARGEST_REPLY_BYTES)
                    await self._refuse(outbound.Reply(status=response.status_code, body=refusal), model)
            yield response
        finally:
            await response.aclose()

    async def _refuse(self, reply: outbound.Reply, model: LoadedModel | None) -> None:
        status, name = reply.status, self.host.id
        if 300 <= status < 400:
            raise HostTrouble(f"{name} sends to another address (status {status}), which is not followed.")
        value = _parse_leniently(reply.body)
        said = wire.refusal(value)
        if status == 404 and model is not None:
            raise not_loaded(model.step, [other.step for other in await self.loaded() if other.hero == model.hero])
        if status == 404 and isinstance(value, dict) and "available" in value:
            steps = _steps(value["available"])
            told = f"{name}: {said or 'it does not have that'}"
            raise NotLoaded(told if "Available:" in told or not steps else f"{told}. Available: {steps}", steps)
        if status in (401, 403):
            raise HostTrouble(f"{name} does not let us in (status {status}): {said or 'is its token_file right?'}")
        if wire.code(value) == "context_length_exceeded":
            raise TooLong(f"{name}: {said}")
        if wire.code(value) == "ambiguous_step":
            raise Ambiguous(f"{name}: {said}")
        if status == 503 and self.host.is_engine:  # as llama.cpp says while it reads its file
            raise HostDown(f"{name}: {said or 'it is not ready yet'}")
        kind = {409: Damaged, 507: NoRoom}.get(status, HostTrouble) if self.host.is_realm else HostTrouble
        raise kind(f"{name}: {said}" if said else f"{name} refused with status {status}.")


def find_loaded(models: Iterable[LoadedModel], *, hero: str, step: int, name: str | None = None) -> LoadedModel:
    """The one of that step and no other. Raises NotLoaded, or Ambiguous where only a name could tell."""
    known = [model for model in models if model.hero == hero]
    found = [model for model in known if model.step == step and name in (None, model.name)]
    if len(found) > 1:
        names = ", ".join(model.name for model in found)
        raise Ambiguous(f"Several models of step {step} are loaded: name one of {names}.")
    if not found:
        raise not_loaded(step, [model.step for model in known])
    return found[0]


def _authorization(host: Host) -> dict[str, str]:
    if host.token_file is None:
        return {}
    try:
        token = host.token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise HostTrouble(f"{host.id}: its token cannot be read from {host.token_file}: {error}") from error
    if not token or not token.isprintable() or " " in token:
        raise HostTrouble(f"{host.id}: {host.token_file} holds no token; one word is expected.")
    return {"Authorization": f"Bearer {token}"}


def _selector(hero: str, step: int | None, name: str | None) -> Selector:
    """A host takes one of both; the name says more."""
    return Selector(hero=hero, step=step) if name is None else Selector(hero=hero, name=name)


def _foreign(host: Host, step: int) -> LoadedModel:
    name = host.models[step]
    return LoadedModel(id=name, hero=host.hero, step=step, name=name, model_path=name, sha256=None)


def _chat_request(model: LoadedModel, turns: Sequence[Turn], sampling: Sampling, **options: Any) -> ChatRequest:
    chosen = sampling.model_dump(include=set(Sampling.model_fields))
    return ChatRequest(model=model.id, messages=list(turns), **chosen, **options)


def _plain(body: Body | None) -> dict[str, Any] | None:
    return None if body is None else body.model_dump(exclude_none=True)


def _check_model(host: Host, model: LoadedModel, said: wire.Completion, *, witnessed: bool) -> bool:
    """Whether this piece proves by a digest who speaks. Raises WrongModel."""
    if said.model != model.id:
        raise _wrong_model(host, model, said.model, None)
    if not host.is_realm:
        return False
    if said.realm is None:
        if said.text and not witnessed:
            raise WrongModel(f"{host.id} does not say which weights answered; its answer was thrown away.")
        return False
    if (said.realm.hero, said.realm.step, said.realm.sha256) != (model.hero, model.step, model.sha256):
        raise _wrong_model(host, model, f"{said.realm.hero} at step {said.realm.step}", said.realm.sha256)
    return True


def _wrong_model(host: Host, model: LoadedModel, who: str, sha256: str | None) -> WrongModel:
    weights = f" with weights {sha256[:12]}" if sha256 else ""
    asked = f" with weights {model.sha256[:12]}" if sha256 and model.sha256 else ""
    return WrongModel(
        f"{host.id} answered as {wire.one_line(who, longest=80)}{weights}, not as {model.id}{asked}; "
        "its answer was thrown away."
    )


def _parse(host: Host, data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        start = wire.one_line(data[:80].decode("utf-8", "replace"), longest=60)
        raise HostTrouble(f"{host.id} answers with what is no JSON: {start!r}.") from None


def _parse_leniently(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _as(host: Host, kind: type[M], value: Any) -> M:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise HostTrouble(
            f"{host.id} does not answer as an oracle does: {wire.one_line(where, longest=80)}: {first['msg']}."
        ) from None


def _steps(value: Any) -> list[int]:
    rows = value if isinstance(value, list) else []
    steps = [row.get("step") if isinstance(row, dict) else row for row in rows]
    return sorted({step for step in steps if type(step) is int}, reverse=True)


def _first(troubles: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = troubles
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


@contextmanager
def _told(host: Host, seconds: float) -> Iterator[None]:
    """What may go wrong on the way, in a sentence."""
    try:
        yield
    except (TimeoutError, httpx2.TimeoutException) as error:
        if isinstance(error, httpx2.ConnectTimeout):
            seconds = host.connect_seconds
        raise HostDown(f"{host.id} did not answer within {seconds:g} s ({host.url}).") from None
    except httpx2.ConnectError:
        hint = " Start it there: manage.py oracle" if host.is_realm else " Is its server running?"
        raise HostDown(f"Nobody answers for {host.id} at {host.url}.{hint}") from None
    except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
        is_broken_off = any(words in str(error).lower() for words in _BROKEN_OFF)
        if isinstance(error, httpx2.RemoteProtocolError) and not is_broken_off:
            told = wire.one_line(str(error), longest=120)
            raise HostTrouble(f"{host.id} does not speak HTTP as a server should: {told}.") from None
        raise HostDown(f"{host.id} broke off the connection ({host.url}).") from None
    except outbound.ForbiddenAddress as error:
        raise HostTrouble(f"{host.id} is at {error} now, where no inference host can be.") from None
    except outbound.Compressed:
        raise HostTrouble(f"{host.id} answers compressed, which was not asked for.") from None
    except outbound.TooLarge:
        raise HostTrouble(f"{host.id} answers with more than {LARGEST_REPLY_BYTES // 1024**2} MB.") from None
    except httpx2.HTTPError as error:
        told = wire.one_line(str(error), longest=120).rstrip(".")
        raise HostTrouble(f"{host.id} does not answer as an oracle does: {told}.") from None
