"""`/guild/runs/…`: one run with what came of it, two beside each other, and the orders to runs."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from arena.reports.sparrings import Sparring, sparring_of
from guild.errors import GuildError
from guild.models import Run
from guild.work import runs
from guild.work.again import once_more
from realm import strict
from tavern.guild import run as run_page
from tavern.guild.run_cards import card_of
from tavern.page_frame import LARGEST_ID, HtmxHttpRequest, frame_context, told

BY = "Guild Hall"


@require_safe
def run(request: HtmxHttpRequest, run_id: int) -> HttpResponse:
    found = find(run_id)
    context = {"card": card_of(found), "run": found, "shown": run_page.read(found), "sparring": _sparring(found)}
    if request.htmx:
        return render(request, "tavern/guild/run.html#run", context)
    return render(request, "tavern/guild/run.html", frame_context(settings.WORLD) | context)


def _sparring(found: Run) -> Sparring | None:
    """What became of its quest, and whether the hero is the better for it."""
    return sparring_of(settings.WORLD, found) if found.kind == Run.Kind.SPARRING and found.is_over else None


def find(run_id: int) -> Run:
    """Raises Http404."""
    try:
        return runs.get(min(run_id, LARGEST_ID))
    except GuildError as error:
        raise Http404(str(error)) from error


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """`?a=…&b=…`, or two `run=…` of the hall's list, of which the older one comes first."""
    given = request.GET.getlist("run") or [request.GET.get("a", ""), request.GET.get("b", "")]
    numbers = [number for number in map(strict.whole_number, given) if number is not None]
    if len(numbers) != 2 or numbers[0] == numbers[1]:
        messages.error(request, "Tick two runs to compare them.")
        return redirect(f"{reverse('tavern:guild')}#runs")
    before, after = (find(number) for number in (sorted(numbers) if request.GET.getlist("run") else numbers))
    try:
        runs.check_comparable(before, after)
    except GuildError as error:
        messages.error(request, f"{error}.")
        return redirect(f"{reverse('tavern:guild')}#runs")
    context = {"before": card_of(before), "after": card_of(after), "comparison": run_page.compare(before, after)}
    return render(request, "tavern/guild/compare.html", frame_context(settings.WORLD) | context)


@require_POST
def order(request: HtmxHttpRequest) -> HttpResponse:
    """`do` is `stop`, `again` or `delete` and a run's number."""
    verb, _, text = request.POST.get("do", "").partition(" ")
    number = strict.whole_number(text)
    if verb not in _ORDERS or number is None:
        return _told(request, "That order was not understood.", urgent=True, status=400)
    try:
        text, goal = _ORDERS[verb](number)
    except GuildError as error:
        return _told(request, f"{error}.", urgent=True, status=409)
    return _told(request, text, goal=goal)


def _stop(number: int) -> tuple[str, int | None]:
    stopped = runs.stop(number)
    return (f"{stopped.title}: {stopped.message}." if stopped.is_over else f"Asked: stop {stopped.title}.", number)


def _delete(number: int) -> tuple[str, int | None]:
    return f"{runs.delete(number).title} is deleted. What it made stays.", None


def _again(number: int) -> tuple[str, int | None]:
    new = once_more(number, by=BY)
    return f"Asked once more: {new.title}.", new.pk


_ORDERS = {"stop": _stop, "delete": _delete, "again": _again}


def _told(
    request: HtmxHttpRequest, text: str, *, urgent: bool = False, status: int = 200, goal: int | None = None
) -> HttpResponse:
    on_its_page = request.POST.get("from") == "run" and goal is not None
    back = reverse("tavern:guild_run", args=[goal]) if on_its_page else f"{reverse('tavern:guild')}#runs"
    return told(request, text, back=back, urgent=urgent, status=status)
