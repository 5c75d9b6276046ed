"""The oracle: the page, and addresses for it and for programs. A step that is not loaded is never answered for."""

from __future__ import annotations

import uuid
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from realm.hosts import UnknownHost
from realm.strict import BadConfig
from tavern.json_or_form import is_json, json_or_form
from tavern.models import Conversation
from tavern.oracle import asking, history, hosts, page, replies
from tavern.oracle.replies import STATUS, TROUBLES
from tavern.oracle.requests import ChatOrder, LoadOrder, read_chat, read_load
from tavern.page_frame import frame_context


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
    except TROUBLES as trouble:
        return _refuse(trouble) if is_json(request) else await _back(request, order, trouble)
    if is_json(request):
        return JsonResponse(replies.who(host, model))
    return await _back(request, order, f"{model.id} is loaded on {host.id}.")


@json_or_form
async def unload(request: HttpRequest) -> HttpResponseBase:
    order: LoadOrder | None = None
    try:
        order = read_load(request)
        host = await asking.unload(order)
    except TROUBLES as trouble:
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
            return replies.streamed(answering)
        reply = replies.reply(answering, *await asking.whole(answering))
    except TROUBLES as trouble:
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


def _with_conversation(request: HttpRequest, order: ChatOrder) -> ChatOrder:
    """The form's answer is read on the page of a conversation, so it needs one."""
    if is_json(request) or order.conversation:
        return order
    return order.model_copy(update={"conversation": str(uuid.uuid4())})


def _refuse(trouble: Exception) -> JsonResponse:
    return JsonResponse(replies.failure(trouble), status=_status_of(trouble), headers={"Cache-Control": "no-store"})


def _status_of(trouble: Exception) -> int:
    return next(status for kind, status in STATUS.items() if isinstance(trouble, kind))


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
