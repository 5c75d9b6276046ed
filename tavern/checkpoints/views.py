"""`/checkpoints/go-on`: the hero goes on from an older checkpoint, as a branch; from any page that shows one."""

from __future__ import annotations

from typing import cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from arena import branch_orders
from arena import status as arena_status
from arena.branch_orders import CannotGoOn, GoOnFrom, UnknownCheckpoint
from tavern.json_or_form import BadOrder, is_json, json_body, json_or_form
from tavern.page_frame import HtmxHttpRequest, told

BY = "tavern"


@json_or_form
async def go_on(request: HttpRequest) -> HttpResponseBase:
    """`checkpoint`: a name, a step (also as `step`), step and name as the oracle's picker has them, or `base`; `hero`.

    A `name`, also as `?name=`, decides where several checkpoints are of one step.
    """
    return await sync_to_async(_go_on)(cast(HtmxHttpRequest, request))


def _go_on(request: HtmxHttpRequest) -> HttpResponseBase:
    try:
        wish, hero = _read(request)
        order = branch_orders.send(settings.WORLD, hero=hero, wish=wish, by=BY)
    except BadOrder as why:
        return _answer(request, str(why), status=400)
    except CannotGoOn as why:
        status = 404 if isinstance(why, UnknownCheckpoint) else 409
        return _answer(request, f"{why}.", status=status)
    return _answer(request, f"{branch_orders.promise(order)}{_asleep()}", order)


def _read(request: HttpRequest) -> tuple[str, str]:
    """Raises BadOrder."""
    values = json_body(request) if is_json(request) else request.POST
    if not isinstance(values, dict):
        raise BadOrder("The request is no mapping.")
    named = (values.get("name"), request.GET.get("name"), values.get("checkpoint"), values.get("step"))
    wish = next((one for one in named if one not in (None, "")), "")
    hero = values.get("hero") or settings.REALM.hero
    wish = str(wish) if isinstance(wish, int) else wish
    if not isinstance(wish, str) or not isinstance(hero, str) or not wish.strip():
        raise BadOrder("checkpoint is required: a name, a step, or base.")
    return wish.split()[-1], hero


def _answer(
    request: HtmxHttpRequest, text: str, order: GoOnFrom | None = None, *, status: int = 200
) -> HttpResponseBase:
    if is_json(request):
        said = {"success": True, "hero": order.hero, "checkpoint": order.name, "message": text} if order else None
        return JsonResponse(said or {"success": False, "error": text}, status=status)
    return told(request, text, back=_back(request), urgent=order is None, status=status)


def _asleep() -> str:
    return "" if arena_status.daemon_alive(settings.WORLD) else " The arena is not running: it obeys when it starts."


def _back(request: HttpRequest) -> str:
    """The page that asked, where it is one of these."""
    address = request.headers.get("Referer", "")
    known = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()})
    return address if known else reverse("tavern:guild")
