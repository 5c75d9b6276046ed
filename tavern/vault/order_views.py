"""`/vault/orders` and what is asked before one: pages, or dialogs where there are scripts; JSON for programs."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from tavern.json_or_form import BadOrder, is_json, json_body, json_or_form
from tavern.page_frame import HtmxHttpRequest, frame_context
from tavern.vault import orders
from tavern.vault.farewell import farewell
from tavern.vault.orders import Chosen, Given, Order
from tavern.vault.zones import goals
from vault.errors import NotFound, Unreachable, VaultError

ASKED = ("delete", "export", "copy")
COMPARE = "compare"
OPTIONS = ("quick", "adapter_only", "to", "note")


@json_or_form
async def order(request: HttpRequest) -> HttpResponseBase:
    """`do`: a verb of tavern.vault.orders, and whom it concerns behind it; else `checkpoint`, once or several times."""
    return await sync_to_async(_order)(cast(HtmxHttpRequest, request))


def _order(request: HtmxHttpRequest) -> HttpResponse:
    try:
        asked = _read_json(request) if is_json(request) else _read_form(request)
        verb, _, what = asked.verb.partition("-")
        if verb == "ask" and what in (*ASKED, COMPARE):  # a browser without scripts
            return redirect(f"{_place(what)}?{_query(asked)}")
        given = orders.give(settings.WORLD, asked)
    except BadOrder as error:
        return _refused(request, f"That order was not understood: {error}.", 400)
    except VaultError as error:
        status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, Unreachable) else 409
        return _refused(request, orders.sentence(error), status)
    return _given(request, given)


def _place(what: str) -> str:
    return reverse("tavern:vault_compare") if what == COMPARE else reverse("tavern:vault_ask", args=[what])


def _query(asked: Order) -> str:
    return urlencode([("checkpoint", key) for key in asked.whom])


def _read_form(request: HttpRequest) -> Order:
    verb, _, whom = request.POST.get("do", "").partition(" ")
    chosen = (whom,) if whom else tuple(request.POST.getlist("checkpoint"))
    return Order(verb=verb, whom=chosen, options={key: request.POST[key] for key in OPTIONS if key in request.POST})


def _read_json(request: HttpRequest) -> Order:
    """Raises BadOrder."""
    said = json_body(request)
    if not isinstance(said, dict) or not isinstance(said.get("do"), str):
        raise BadOrder("a mapping with the key do is expected")
    whom = said.get("checkpoint", said.get("whom", []))
    listed = whom if isinstance(whom, list) else [whom]
    if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in listed):
        raise BadOrder("checkpoint: a name such as DIO/checkpoint-100-20260101-1230, or a list of them, is expected")
    options = {key: str(said[key]) for key in OPTIONS if key in said}
    return Order(verb=said["do"], whom=tuple(map(str, listed)), options=options)


def _given(request: HtmxHttpRequest, given: Given) -> HttpResponse:
    if is_json(request):
        facts = {"undo": given.undo, "jobs": given.jobs} | dict(given.facts)
        return JsonResponse({"success": True, "message": given.text} | facts)
    if request.htmx:
        return render(request, "tavern/vault/notice.html", {"text": given.text, "undo": given.undo})
    messages.success(request, given.text, extra_tags=given.undo)
    return redirect(_back(request))


def _refused(request: HtmxHttpRequest, text: str, status: int) -> HttpResponse:
    if is_json(request):
        return JsonResponse({"success": False, "error": text}, status=status)
    if request.htmx:
        return render(request, "tavern/vault/notice.html", {"text": text, "urgent": True}, status=status)
    messages.error(request, text)
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page that asked; after a question the one before it."""
    address = request.POST.get("back") or request.headers.get("Referer", "")
    known = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()})
    return address if known else reverse("tavern:vault")


@require_safe
def ask(request: HtmxHttpRequest, verb: str) -> HttpResponse:
    """What an order would do, and the form that gives it."""
    if verb not in ASKED:
        raise Http404(f"{verb!r} is none of {', '.join(ASKED)}")
    try:
        order = Order(verb=verb, whom=tuple(request.GET.getlist("checkpoint")))
        found = orders.chosen(order)
        if len({one.hero for one in found}) > 1 or len(found) > orders.MOST_AT_ONCE:
            raise BadOrder("choose checkpoints of one hero, at most 500 of them")
        context = _QUESTIONS[verb](found)
    except BadOrder as error:
        return _refused(request, f"That order was not understood: {error}.", 400)
    except VaultError as error:
        return _refused(request, orders.sentence(error), 409)
    context |= {"verb": verb, "found": found, "whom": orders.whom_of(found), "hero": found[0].hero}
    if request.htmx:
        return render(request, f"tavern/vault/ask_{verb}.html", context)
    context |= frame_context(settings.WORLD) | {"back": _back(request), "question": f"tavern/vault/ask_{verb}.html"}
    return render(request, "tavern/vault/ask.html", context)


def _of_deleting(found: list[Chosen]) -> dict[str, Any]:
    return {"farewell": farewell(settings.WORLD, found)}


def _of_exporting(found: list[Chosen]) -> dict[str, Any]:
    return {"folders": [settings.WORLD.home / "exports" / one.name for one in found]}


def _of_copying(found: list[Chosen]) -> dict[str, Any]:
    return {"goals": goals(settings.WORLD)}


_QUESTIONS = {"delete": _of_deleting, "export": _of_exporting, "copy": _of_copying}
