"""`/heroes`: who there is, who fights, a new one, matches; each act answers at once and shows what has become of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from arena.roster import creating, names, retiring, switching
from arena.roster.errors import HeroRefused, UnknownHero
from guild.errors import GuildError
from guild.tasks.only_master import master_alive
from guild.work import trials
from realm.strict import BadConfig
from tavern.forms import StyledForm
from tavern.heroes import page
from tavern.heroes.forms import BranchForm, CreateForm, MatchForm
from tavern.page_frame import HtmxHttpRequest, frame_context, told

PAGE = "tavern/heroes/heroes.html"
BY = "tavern"
PANELS = ("roster", "matches")
ACTS = ("switch", "retire", "restore")
_FORMS: dict[str, type[StyledForm]] = {"create": CreateForm, "branch": BranchForm, "match": MatchForm}


@require_safe
def heroes(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the page, from the page's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name[:40]!r} is none of {', '.join(PANELS)}")
    return render(request, f"{PAGE}#{name}", _panel(name))


@require_safe
def check(request: HttpRequest) -> HttpResponse:
    """Of a name as it is typed: whether it is free, and which ones would be."""
    found = names.check(settings.WORLD, request.GET.get("name", ""))
    if "application/json" in request.headers.get("Accept", ""):
        said = {"name": found.name, "free": found.free, "refusal": found.refusal}
        return JsonResponse(said | {"suggestions": found.suggestions})
    return render(request, "tavern/heroes/name.html", {"checked": found})


@require_POST
def act(request: HtmxHttpRequest) -> HttpResponse:
    """The hero's name under `switch`, `retire` or `restore`."""
    wish, back = next((each for each in ACTS if each in request.POST), ""), reverse("tavern:heroes")
    if not wish:
        raise Http404(f"an act is one of {', '.join(ACTS)}")
    hero = request.POST[wish]
    try:
        if wish == "switch":
            said = switching.switch(settings.WORLD, hero, by=BY).said
        else:
            do = retiring.retire if wish == "retire" else retiring.restore
            said = do(settings.WORLD, hero, by=BY)
    except (HeroRefused, BadConfig) as why:
        status = 404 if isinstance(why, UnknownHero) else 409
        return told(request, str(why), back=back, urgent=True, status=status)
    return told(request, said, back=back)


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    return _given(request, "create")


@require_POST
def branch(request: HttpRequest) -> HttpResponse:
    return _given(request, "branch")


@require_POST
def match(request: HttpRequest) -> HttpResponse:
    return _given(request, "match")


def _given(request: HttpRequest, kind: str) -> HttpResponse:
    """What was refused stands beside what was entered."""
    form = _FORMS[kind](request.POST)
    if form.is_valid():
        try:
            said = _carry_out(form)
        except (HeroRefused, GuildError, BadConfig) as why:
            form.add_error(None, str(why))
        else:
            messages.success(request, said)
            return redirect(f"{reverse('tavern:heroes')}{'#matches' if kind == 'match' else ''}")
    return _page(request, {kind: form}, status=422)


def _carry_out(form: StyledForm) -> str:
    """Raises HeroRefused, GuildError or strict.BadConfig."""
    world, given = settings.WORLD, form.cleaned_data
    if isinstance(form, CreateForm):
        made = creating.create(world, name=given["name"], base_model=given["base"], preset=given["preset"], by=BY)
        return f"{made.said} It trains by {made.reason}." if made.reason else made.said
    if isinstance(form, BranchForm):
        return creating.branch(
            world, name=given["name"], hero=given["hero"], checkpoint=given["checkpoint"], by=BY
        ).said
    assert isinstance(form, MatchForm)
    run = trials.create(form.order(world), by=BY)
    asleep = "" if master_alive(world) else f" No Task Master is there: `manage.py perform {run.pk}` does it."
    return f"The match is on: run {run.pk}.{asleep}"


def _page(request: HttpRequest, refused: dict[str, StyledForm] | None = None, *, status: int = 200) -> HttpResponse:
    context = frame_context(settings.WORLD) | _panel("roster") | _panel("matches")
    others = (card.hero.name for card in context["cards"] if not card.hero.active)
    forms = {
        "create": CreateForm(),
        "branch": _branch_form(request),
        "match": MatchForm(initial={"first": settings.REALM.hero, "second": next(others, settings.REALM.hero)}),
    }
    return render(request, PAGE, context | {"forms": forms | (refused or {}), "refused": refused}, status=status)


def _branch_form(request: HttpRequest) -> StyledForm:
    """`?from=HERO&checkpoint=NAME`, as a chest's page links here."""
    asked = {"hero": request.GET.get("from", settings.REALM.hero), "checkpoint": request.GET.get("checkpoint", "best")}
    return BranchForm(initial=asked)


def _panel(name: str) -> dict[str, Any]:
    if name == "matches":
        return {"matches": page.recent_matches()}
    cards = page.cards(settings.WORLD)
    return {"cards": cards, "family": page.family(cards), "hero": settings.REALM.hero}
