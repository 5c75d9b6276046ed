"""The oracle: the page, and three addresses for it and for programs. A step that is not loaded is never answered for.

`/oracle/load` and `/oracle/chat` take JSON without a CSRF token: no foreign page can send it, for it would need a
preflight, and realm.web.guard refuses whatever names another origin. Forms need the token as everywhere.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from realm.hosts import Host, UnknownHost
from realm.oracle.client import AsyncOracle, Ending, LoadedModel, Turn, find_loaded
from realm.oracle.errors import Damaged, HostDown, HostTrouble, NoRoom, NotLoaded, TooLong, WrongModel
from realm.strict import BadConfig
from tavern.models import Conversation
from tavern.oracle import history, hosts, page
from tavern.oracle.history import AnotherQuestion
from tavern.oracle.requests import BadOrder, ChatOrder, LoadOrder, is_json, read_chat, read_load
from tavern.quests.views import frame_context

_STATUS: dict[type[Exception], int] = {
    BadOrder: 400, AnotherQuestion: 409, UnknownHost: 404, BadConfig: 500, NotLoaded: 404, Damaged: 409, NoRoom: 507,
    HostDown: 503, TooLong: 400, HostTrouble: 502,
}  # fmt: skip
_TROUBLES = tuple(_STATUS)

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


@require_safe
def oracle(request: HttpRequest, key: uuid.UUID | None = None) -> HttpResponse:
    conversation = _find(key) if key else None
    context = page.page_context(
        conversation, page=request.GET.get("page"), chosen=request.GET.get("checkpoint")
    )  # fmt: skip
    return render(request, "tavern/oracle/oracle.html", frame_context(settings.WORLD) | context)


@require_safe
async def status(request: HttpRequest) -> HttpResponseBase:
    """Every host with its health and what it has loaded, or the `host` that is named; `trouble`: what is broken."""
    name = request.GET.get("host")
    try:
        registry = await hosts.known_hosts()
        found = [registry.find(name)] if name else registry.hosts
    except (UnknownHost, BadConfig) as trouble:
        return _refuse(trouble)
    told = {
        "success": True,
        "trouble": registry.trouble or None,
        "hosts": await hosts.states(found),
        "checkpoints": await sync_to_async(page.status_choices)(),
    }
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


def json_or_form(view: View) -> View:
    with_token: View = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    async def either(request: HttpRequest) -> HttpResponseBase:
        return await (view if is_json(request) else with_token)(request)

    return require_POST(either)


@json_or_form
async def load(request: HttpRequest) -> HttpResponseBase:
    order: LoadOrder | None = None
    try:
        order = read_load(request)
        host = await hosts.find_host(order.host)
        async with AsyncOracle(host) as speaker:
            model = await speaker.load(**_selector(order, host))
    except _TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    if is_json(request):
        return JsonResponse(_who(host, model))
    return await _back(request, order, f"{model.id} is loaded on {host.name}.")


@json_or_form
async def unload(request: HttpRequest) -> HttpResponseBase:
    order: LoadOrder | None = None
    try:
        order = read_load(request)
        host = await hosts.find_host(order.host)
        async with AsyncOracle(host) as speaker:
            await speaker.unload(**_selector(order, host))
    except _TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    if is_json(request):
        return JsonResponse({"success": True, "step": order.step, "host": host.name})
    return await _back(request, order, f"Step {order.step} is no longer loaded on {host.name}.")


@json_or_form
async def chat(request: HttpRequest) -> HttpResponseBase:
    order: ChatOrder | None = None
    try:
        order = _with_conversation(request, read_chat(request))
        host = await _host_of(order)
        answer = _answer(order, host)
        model, read = await anext(answer), await anext(answer)
        assert isinstance(model, LoadedModel)
        assert isinstance(read, Read)
        if order.stream:
            return _streamed(order, host, model, read, answer)
        reply = await _whole(order, host, model, answer)
    except _TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    return JsonResponse(reply) if is_json(request) else await _back(request, order, None)


@require_POST
def rename(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    conversation = _find(key)
    if not history.rename(conversation, request.POST.get("title", "")):
        messages.error(request, "A conversation needs a name.")
    return redirect("tavern:oracle_conversation", key)


@require_POST
def delete(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    conversation = _find(key)
    history.delete(conversation)
    messages.success(request, f"“{conversation.title}” is deleted.")
    return redirect("tavern:oracle")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What the model reads before the question."""

    turns: int
    forgotten: int
    """Oldest exchanges of the conversation that did not fit into the model's context and were not read."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a whole answer ends with."""

    ending: Ending
    read: Read


async def _host_of(order: ChatOrder) -> Host:
    """A question to a host that cannot be had is kept as well."""
    try:
        return await hosts.find_host(order.host)
    except (UnknownHost, BadConfig) as trouble:
        if order.conversation:
            await sync_to_async(history.keep)(order, host=order.host or "", model=None, trouble=str(trouble))
        raise


async def _answer(order: ChatOrder, host: Host) -> AsyncGenerator[LoadedModel | Read | str | Told, None]:
    """Who answers, what it reads, the pieces, the ending. All is kept as far as it came, and why it came no further.

    Each piece has proven whose it is; words of whoever was not asked are thrown away.
    """
    said: list[str] = []
    model, read, ending, trouble = None, None, None, ""
    try:
        async with AsyncOracle(host) as speaker:
            model = await _found(speaker, order, host)
            yield model
            turns = await sync_to_async(history.turns)(order)
            async with aclosing(_fitting(speaker, model, turns, order)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Read):
                        read = piece
                        yield piece
                    elif isinstance(piece, Ending):
                        ending = piece
                    else:
                        said.append(piece)
                        yield piece
    except HostTrouble as error:
        trouble = str(error)
        if isinstance(error, WrongModel):
            said.clear()
        raise
    finally:
        if order.conversation:
            await sync_to_async(history.keep)(
                order, host=host.name, model=model, text="".join(said), ending=ending, trouble=trouble,
                earlier_turns=read.turns if read else None,
            )  # fmt: skip
    assert read
    assert ending
    yield Told(ending=ending, read=read)


async def _found(speaker: AsyncOracle, order: ChatOrder, host: Host) -> LoadedModel:
    wanted = _selector(order, host)
    try:
        return find_loaded(await speaker.loaded(), **wanted)
    except NotLoaded:
        if not order.load:
            raise
        return await speaker.load(**wanted)


async def _fitting(
    speaker: AsyncOracle, model: LoadedModel, turns: list[Turn], order: ChatOrder
) -> AsyncGenerator[Read | str | Ending, None]:
    """What is read, the pieces, the ending; the older half of what was said is left out until the rest fits."""
    exchanges = left = len(turns) // 2
    while True:
        try:
            async with aclosing(speaker.chat(model, turns[-2 * left - 1 :], order.sampling)) as pieces:  # type: ignore[type-var]
                first = await anext(pieces)
                yield Read(turns=2 * left, forgotten=exchanges - left)
                yield first
                async for piece in pieces:
                    yield piece
            return
        except TooLong:
            if left == 0:
                raise
            left //= 2


async def _whole(
    order: ChatOrder, host: Host, model: LoadedModel, answer: AsyncIterator[LoadedModel | Read | str | Told]
) -> dict[str, Any]:
    pieces = [piece async for piece in answer]
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    (told,) = (piece for piece in pieces if isinstance(piece, Told))
    return _reply(order, host, model, text, told)


def _streamed(
    order: ChatOrder,
    host: Host,
    model: LoadedModel,
    read: Read,
    answer: AsyncGenerator[LoadedModel | Read | str | Told, None],
) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[bytes]:
        said: list[str] = []
        async with aclosing(answer):
            yield _line(_who(host, model) | {"earlier_turns": read.turns})
            try:
                async for piece in answer:
                    if isinstance(piece, str):
                        said.append(piece)
                        yield _line({"text": piece})
                    elif isinstance(piece, Told):
                        yield _line(_reply(order, host, model, "".join(said), piece))
            except _TROUBLES as trouble:
                yield _line(_failure(trouble) | {"thrown_away": isinstance(trouble, WrongModel)})

    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines(), content_type="application/x-ndjson", headers=headers)


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _who(host: Host, model: LoadedModel) -> dict[str, Any]:
    return {
        "success": True,
        "model": model.id,
        "model_path": model.model_path,
        "hero": model.hero,
        "step": model.step,
        "host": host.name,
        "sha256": model.sha256,
    }


def _reply(order: ChatOrder, host: Host, model: LoadedModel, text: str, told: Told) -> dict[str, Any]:
    ending = told.ending
    seconds, tokens = ending.seconds, ending.answer_tokens
    return _who(host, model) | {
        "response": text,
        "finish_reason": ending.finish_reason,
        "prompt_tokens": ending.prompt_tokens,
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds, 1) if tokens and seconds > 0 else None,
        "earlier_turns": told.read.turns,
        "forgotten": told.read.forgotten,
        "conversation": order.conversation,
    }


def _selector(order: ChatOrder | LoadOrder, host: Host) -> dict[str, Any]:
    """A foreign host knows steps only by its own models' names, of the hero that its entry names."""
    hero = order.hero or host.hero or settings.REALM.hero
    return {"hero": hero, "step": order.step, "name": order.name if host.is_realm else None}


def _with_conversation(request: HttpRequest, order: ChatOrder) -> ChatOrder:
    """The form's answer is read on the page of a conversation, so it needs one."""
    if is_json(request) or order.conversation:
        return order
    return replace(order, conversation=str(uuid.uuid4()))


def _failure(trouble: Exception) -> dict[str, Any]:
    return {"success": False, "error": str(trouble)}


def _refuse(trouble: Exception) -> JsonResponse:
    return JsonResponse(_failure(trouble), status=_status_of(trouble), headers={"Cache-Control": "no-store"})


def _status_of(trouble: Exception) -> int:
    return next(status for kind, status in _STATUS.items() if isinstance(trouble, kind))


async def _back(
    request: HttpRequest, order: ChatOrder | LoadOrder | None, told: Exception | str | None
) -> HttpResponseBase:
    """To the page, with what there is to tell; what was typed and not answered stays in its field."""
    if isinstance(told, Exception):
        await sync_to_async(messages.error)(request, str(told))
    elif told:
        await sync_to_async(messages.success)(request, told)
    if told and request.POST.get("message", "").strip():
        return await sync_to_async(_again)(request, order, told)
    key = uuid.UUID(order.conversation) if order and order.conversation else None
    known = key is not None and await sync_to_async(history.find)(key) is not None
    address = reverse("tavern:oracle_conversation", args=[key]) if known else reverse("tavern:oracle")
    query = {"checkpoint": f"{order.step} {order.name}"} if order and order.name else {}
    return redirect(f"{address}?{urlencode(query)}" if query else address)


def _again(request: HttpRequest, order: ChatOrder | LoadOrder | None, told: Exception | str) -> HttpResponse:
    """The page as it was filled in."""
    key = order.conversation if order else request.POST.get("conversation")
    conversation = None
    with suppress(ValueError):
        conversation = history.find(uuid.UUID(key)) if key else None
    context = page.page_context(conversation, page=None, chosen=request.POST.get("checkpoint"))
    context |= {
        "draft": request.POST["message"],
        "chosen_host": request.POST.get("host", ""),
        "can_load": isinstance(told, NotLoaded) and isinstance(order, ChatOrder) and not order.load,
    }
    if isinstance(order, ChatOrder):
        context |= {"sampling": order, "remember": order.remember}
    status = _status_of(told) if isinstance(told, Exception) else 200
    return render(request, "tavern/oracle/oracle.html", frame_context(settings.WORLD) | context, status=status)


def _find(key: uuid.UUID) -> Conversation:
    conversation = history.find(key)
    if conversation is None:
        raise Http404("that conversation is not known, or no longer")
    return conversation
