"""`/battles`: the history, one battle, several beside each other, what levels cost, and reports to hand on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from arena.history import recipes, repeating
from arena.history.finding import NoSuchBattle
from arena.history.repeating import CannotRepeat
from arena.models import Battle
from arena.selectors import battle_before, latest_battle
from realm import heroes
from tavern.battles import report
from tavern.battles.page import TONES, read_list
from tavern.home.page import crown_of
from tavern.page_frame import HtmxHttpRequest, frame_context
from watchtower.battles import comparing, facts, weights
from watchtower.battles.comparing import CannotCompare
from watchtower.battles.drawing import Axis
from watchtower.battles.efficiency import efficiency as read_efficiency
from watchtower.machines import energy
from watchtower.rivals import Rival, ghost

NEWEST = "newest"
"""In place of a battle's id."""
_SAID_OF_AXES = {Axis.STEPS: "Steps", Axis.TOKENS: "Tokens", Axis.TIME: "Time", Axis.ROWS: "Rows seen"}


@require_safe
def battles(request: HtmxHttpRequest) -> HttpResponse:
    """All battles, the newest first, or those that are searched for."""
    context = {"listed": read_list(settings.WORLD, request.GET.dict())}
    if request.htmx.target == "battles":
        return render(request, "tavern/battles/rows.html", context)
    return render(request, "tavern/battles/battles.html", frame_context(settings.WORLD) | context)


@require_safe
def battle(request: HttpRequest, battle_id: str) -> HttpResponse:
    return render(request, "tavern/battles/battle.html", battle_context(request, find(battle_id)))


def battle_context(request: HttpRequest, found: Battle) -> dict[str, Any]:
    """What the page of one battle shows; `weights` in the address reads them however large they are."""
    world, side, axis = settings.WORLD, facts.read(settings.WORLD, found), axis_of(request)
    before = battle_before(found)
    whole = "weights" in request.GET
    return frame_context(world) | {
        "side": side,
        "battle": found,
        "tone": TONES[found.state],
        "pictures": comparing.drawn([side], axis),
        "axes": axes_for(axis),
        "ghost": _ghost(found),
        "energy": energy.of_battle(world, settings.REALM, found.battle_id),
        "moved": weights.moved(world, found, side.source, whole=whole) if side.source else None,
        "from_defaults": recipes.from_defaults(world, found),
        "before": before,
        "from_before": recipes.between(world, before, found) if before else None,
        "repeated": _repeated(found, side.repeat_of),
        "repeats": _repeats(found),
        "keys": _keys(found),
    }


def _ghost(found: Battle) -> Rival | None:
    """To draw beside it, where its curves are still there."""
    record, throne = heroes.read(settings.WORLD, found.hero), crown_of(settings.WORLD, found.hero)
    champion = throne.champion.name if throne.champion else None
    rival = ghost(found.hero, now=found.battle_id, champion=champion, parent=record.parent if record else None)
    return rival if rival and Battle.objects.filter(battle_id=rival.battle).exists() else None


def _keys(found: Battle) -> dict[str, Any]:
    """Empty where nobody knows the recipe any more."""
    try:
        return repeating.keys_of(settings.WORLD, found)
    except CannotRepeat:
        return {}


def _repeated(found: Battle, repeat_of: str) -> dict[str, Any] | None:
    """The battle that this one repeats, and what is another than there."""
    first = Battle.objects.filter(battle_id=repeat_of).first() if repeat_of else None
    return {"battle": first, "changes": recipes.between(settings.WORLD, first, found)} if first else None


def _repeats(found: Battle) -> list[Battle]:
    """Battles of the same rows that came later: among them are those that repeat this one."""
    later = Battle.objects.filter(quest__sha256=found.quest.sha256, pk__gt=found.pk).exclude(quest__sha256="")
    return list(later.select_related("quest", "record").order_by("pk")[:5])


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """`?ids=a,b,…` or several `battle=…` of the list: up to six; `all` shows the keys that are alike, too."""
    axis = axis_of(request)
    try:
        found = comparing.compare(settings.WORLD, [*request.GET.getlist("ids"), *request.GET.getlist("battle")])
    except (CannotCompare, NoSuchBattle) as error:
        messages.error(request, sentence(error))
        return redirect("tavern:battles")
    context = frame_context(settings.WORLD) | {
        "comparison": found,
        "columns": list(zip(found.titles, found.sides, found.moved, strict=True)),
        "pictures": comparing.drawn(found.sides, axis),
        "axes": axes_for(axis),
        "ids": ",".join(side.battle.battle_id for side in found.sides),
        "first": found.sides[0].battle.battle_id,
        "others": " ".join(side.battle.battle_id for side in found.sides[1:]),
        "all": "all" in request.GET,
    }
    return render(request, "tavern/battles/compare.html", context)


@require_safe
def efficiency(request: HttpRequest) -> HttpResponse:
    context = frame_context(settings.WORLD) | {"efficiency": read_efficiency(settings.WORLD)}
    return render(request, "tavern/battles/efficiency.html", context)


@require_safe
def battle_report(request: HttpRequest, battle_id: str) -> HttpResponse:
    found = find(battle_id)
    return report.answer(report.of_battle(settings.WORLD, found), f"{found.battle_id}.html")


@require_safe
def compare_report(request: HttpRequest) -> HttpResponse:
    try:
        found = comparing.compare(settings.WORLD, request.GET.getlist("ids"))
    except (CannotCompare, NoSuchBattle) as error:
        messages.error(request, sentence(error))
        return redirect("tavern:battles")
    return report.answer(report.of_comparison(found), "battles-compared.html")


def find(battle_id: str) -> Battle:
    """By its id, or the `newest`: the one that is fought, if any. Raises Http404."""
    rows = Battle.objects.select_related("quest", "record")
    found = latest_battle() if battle_id == NEWEST else rows.filter(battle_id=battle_id).first()
    if found is None:
        raise Http404(f"there is no battle {battle_id[:80]!r}")
    return found


def axis_of(request: HttpRequest) -> Axis:
    asked = request.GET.get("x", "")
    return Axis(asked) if asked in list(Axis) else Axis.STEPS


def axes_for(chosen: Axis) -> list[tuple[str, str, bool]]:
    return [(axis.value, said, axis is chosen) for axis, said in _SAID_OF_AXES.items()]


def sentence(error: Exception) -> str:
    """Without the name of the field, as people read it."""
    text = str(error)
    head, mark, rest = text.partition(": ")
    said = rest if mark and head.isidentifier() else text
    return f"{said[:1].upper()}{said[1:]}{'' if said.endswith('.') else '.'}"
