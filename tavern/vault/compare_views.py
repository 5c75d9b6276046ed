"""`/vault/compare`: two checkpoints of a hero, what moved between them."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from realm.checkpoints.names import step_of
from tavern.json_or_form import BadOrder
from tavern.page_frame import frame_context
from tavern.vault.compare import read_pair
from tavern.vault.orders import Chosen, sentence
from vault.errors import VaultError


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """`?a=HERO/NAME&b=HERO/NAME`, or two `checkpoint=…` of the shelf, of which the lower step comes first.

    `tensor` shows its single weights; `whole` reads the weights however many there are.
    """
    try:
        before, after = _two(request)
        tensor = request.GET.get("tensor", "")
        pair = read_pair(settings.WORLD, before, after, whole="whole" in request.GET, tensor=tensor)
    except BadOrder as error:
        return _told(request, VaultError(str(error)))
    except VaultError as error:
        return _told(request, error)
    context = frame_context(settings.WORLD) | {"hero": before.hero, "pair": pair}
    return render(request, "tavern/vault/compare.html", context)


def _told(request: HttpRequest, error: VaultError) -> HttpResponse:
    messages.error(request, sentence(error))
    return redirect(reverse("tavern:vault"))


def _two(request: HttpRequest) -> tuple[Chosen, Chosen]:
    """Raises BadOrder."""
    ticked = request.GET.getlist("checkpoint")
    given = [Chosen.of(text) for text in ticked or [request.GET.get("a", ""), request.GET.get("b", "")]]
    if len(given) != 2 or given[0] == given[1] or given[0].hero != given[1].hero:
        raise BadOrder("choose two checkpoints of one hero to compare them")
    if ticked:
        given.sort(key=lambda one: step_of(one.name) or 0)
    return given[0], given[1]
