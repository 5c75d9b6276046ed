"""The oracle: the page, and addresses for it and for programs. A step that is not loaded is never answered for."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from realm.hosts import Host, UnknownHost
from realm.oracle.errors import Ambiguous, Damaged, HostDown, HostTrouble, NoRoom, NotLoaded, TooLong, WrongModel
from realm.oracle.wire import LoadedModel
from realm.strict import BadConfig
from tavern.json_or_form import BadOrder, is_json, json_or_form
from tavern.models import Conversation
from tavern.oracle import asking, history, hosts, page
from tavern.oracle.asking import Answering, Told
from tavern.oracle.history import AnotherQuestion
from tavern.oracle.requests import ChatOrder, LoadOrder, read_chat, read_load
from tavern.page_frame import frame_context

_STATUS: dict[type[Exception], int] = {
    BadOrder: 400, AnotherQuestion: 409, UnknownHost: 404, BadConfig: 500, NotLoaded: 404, Damaged: 409, Ambiguous: 409,
    NoRoom: 507, HostDown: 503, TooLong: 400, HostTrouble: 502,
}  # fmt: skip
_TROUBLES = tuple(_STATUS)


@require_safe
def oracle(request: HttpRequest, key: uuid.UUID | None = None) -> HttpResponse:
    conversation = _find(key) if key else None
    context = page.page_context(
        conversation,
        page=request.GET.get("page"),
        chosen=request.GET.get("name") or request.GET.get("checkpoint"),
    )
    return render(request, "tavern/oracle/oracle.html", frame_context(settings.WORLD) | context)


@require_safe
async def status(request: HttpRequest) -> HttpResponseBase:
    """Every host with its health and what it has loaded, or the `host` that is named; `trouble`: what is broken."""
    name = request.GET.get("host")
    try:
        registry = await hosts.known_hosts()
        found = [registry.find_inference(name)] if name else registry.hosts
    except (UnknownHost, BadConfig) as trouble:
        return _refuse(trouble)
    told = {
        "success": True,
        "trouble": registry.trouble or None,
        "hosts": await hosts.states(found),
        "checkpoints": await sync_to_async(page.status_choices)(),
    }
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


@json_or_form
async def load(request: HttpRequest) -> HttpResponseBase:
    order: LoadOrder | None = None
    try:
        order = read_load(request)
        host, model = await asking.load(order)
    except _TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    if is_json(request):
        return JsonResponse(_who(host, model))
    return await _back(request, order, f"{model.id} is loaded on {host.id}.")


@json_or_form
async def unload(request: HttpRequest) -> HttpResponseBase:
    order: LoadOrder | None = None
    try:
        order = read_load(request)
        host = await asking.unload(order)
    except _TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    if is_json(request):
        return JsonResponse({"success": True, "step": order.step, "host": host.id})
    return await _back(request, order, f"Step {order.step} is no longer loaded on {host.id}.")


@json_or_form
async def chat(request: HttpRequest) -> HttpResponseBase:
    order: ChatOrder | None = None
    try:
        order = _with_conversation(request, read_chat(request))
        answering = await asking.begin(order)
        if order.stream:
            return _streamed(answering)
        reply = _reply(answering, *await asking.whole(answering))
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


def _streamed(answering: Answering) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[bytes]:
        said: list[str] = []
        async with aclosing(answering.pieces) as pieces:
            yield _line(_who(answering.host, answering.model) | {"earlier_turns": answering.read.turns})
            try:
                async for piece in pieces:
                    if isinstance(piece, str):
                        said.append(piece)
                        yield _line({"text": piece})
                    else:
                        yield _line(_reply(answering, "".join(said), piece))
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
        "host": host.id,
        "sha256": model.sha256,
    }


def _reply(answering: Answering, text: str, told: Told) -> dict[str, Any]:
    ending = told.ending
    seconds, tokens = ending.seconds, ending.answer_tokens
    return _who(answering.host, answering.model) | {
        "response": text,
        "finish_reason": ending.finish_reason,
        "prompt_tokens": ending.prompt_tokens,
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds, 1) if tokens and seconds > 0 else None,
        "earlier_turns": told.read.turns,
        "forgotten": told.read.forgotten,
        "conversation": answering.order.conversation,
    }


def _with_conversation(request: HttpRequest, order: ChatOrder) -> ChatOrder:
    """The form's answer is read on the page of a conversation, so it needs one."""
    if is_json(request) or order.conversation:
        return order
    return order.model_copy(update={"conversation": str(uuid.uuid4())})


def _failure(trouble: Exception) -> dict[str, Any]:
    return {"success": False, "error": str(trouble)}


def _refuse(trouble: Exception) -> JsonResponse:
    return JsonResponse(_failure(trouble), status=_status_of(trouble), headers={"Cache-Control": "no-store"})


def _status_of(trouble: Exception) -> int:
    return next(status for kind, status in _STATUS.items() if isinstance(trouble, kind))


async def _back(request: HttpRequest, order: LoadOrder | None, told: Exception | str | None) -> HttpResponseBase:
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


def _again(request: HttpRequest, order: LoadOrder | None, told: Exception | str) -> HttpResponse:
    """The page as it was filled in."""
    key = order.conversation if order else request.POST.get("conversation")
    conversation = None
    with suppress(ValueError):
        conversation = history.find(uuid.UUID(key)) if key else None
    context = page.page_context(conversation, page=None, chosen=request.POST.get("checkpoint"))
    context |= {
        "draft": request.POST["message"],
        "chosen_host": request.POST.get("host", ""),
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
