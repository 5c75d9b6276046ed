"""`/vault`: the shelf of chests, one chest with all that is known of it, room, copies and champions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from guild.skills.registry import read_skills
from realm.config import is_hero_name
from realm.world import World
from tavern.page_frame import HtmxHttpRequest, frame_context
from tavern.vault import chest, shelf
from tavern.vault.champions import metrics, read_board
from tavern.vault.chests import chests_of
from tavern.vault.jobs import jobs_context
from tavern.vault.room import read_plan, room_context
from tavern.vault.shelf import Wanted
from tavern.vault.tree import in_order, read_tree
from tavern.vault.zones import zones_context


@require_safe
def vault(request: HtmxHttpRequest) -> HttpResponse:
    wanted = Wanted.of(request.GET, settings.REALM.hero)
    context = shelf_context(settings.WORLD, wanted) | jobs_context(settings.WORLD)
    return _page(request, "shelf", wanted.hero, part="shelf", **context)


def shelf_context(world: World, wanted: Wanted) -> dict[str, Any]:
    nodes = read_tree(wanted.hero)
    page = shelf.read_page(world, wanted, branches=in_order(nodes))
    damage = shelf.damaged(wanted.hero)
    chests = chests_of(world, wanted.hero, list(page.object_list), damage=damage)
    listed = {chest.row.name for chest in chests}
    return {
        "wanted": wanted,
        "heroes": heroes(world),
        "nodes": nodes,
        "total": sum(node.count for node in nodes),
        "total_bytes": sum(node.size_bytes for node in nodes),
        "page": page,
        "chests": chests,
        "damaged": {name: why for name, why in damage.items() if name not in listed},
        "by_branch": wanted.sort == shelf.BRANCHES and len(nodes) > 1,
        "sorts": shelf.SORTS,
        "shown": shelf.SHOWN,
        "skills": read_skills(),
        "may_go_on": wanted.hero == settings.REALM.hero,
    }


@require_safe
def checkpoint(request: HtmxHttpRequest, hero: str, name: str) -> HttpResponse:
    known = chest.read(settings.WORLD, hero, name)
    if known is None:
        raise Http404(f"{hero} has no checkpoint {name}, or none any more")
    context = {"known": known, "said": known.said, "chest": known.chest, "may_go_on": hero == settings.REALM.hero}
    return _page(request, "checkpoint", hero, part="known", **context)


@require_safe
def room(request: HtmxHttpRequest) -> HttpResponse:
    """With `?plan=1` what the rules would do now."""
    hero = hero_of(request)
    plan = read_plan(settings.WORLD, hero) if "plan" in request.GET else None
    if request.htmx:
        return _page(request, "room", hero, part="plan", plan=plan)
    return _page(request, "room", hero, **room_context(settings.WORLD), **jobs_context(settings.WORLD), plan=plan)


@require_safe
def zones(request: HtmxHttpRequest) -> HttpResponse:
    context = zones_context(settings.WORLD) | jobs_context(settings.WORLD)
    return _page(request, "zones", settings.REALM.hero, **context)


@require_safe
def champions(request: HtmxHttpRequest) -> HttpResponse:
    hero = hero_of(request)
    board = read_board(settings.WORLD, hero, request.GET.get("metric", ""))
    return _page(request, "champions", hero, part="champions", board=board, metrics=metrics())


def _trash(request: HttpRequest) -> dict[str, Any]:
    return room_context(settings.WORLD)


def _jobs(request: HttpRequest) -> dict[str, Any]:
    return jobs_context(settings.WORLD)


def _places(request: HttpRequest) -> dict[str, Any]:
    return zones_context(settings.WORLD)


PANELS: dict[str, tuple[str, Callable[[HttpRequest], dict[str, Any]]]] = {
    "jobs": ("tavern/vault/jobs.html", _jobs),
    "disk": ("tavern/vault/room.html#disk", _trash),
    "trash": ("tavern/vault/room.html#trash", _trash),
    "snapshots": ("tavern/vault/room.html#snapshots", _trash),
    "places": ("tavern/vault/zones.html#places", _places),
}


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of a page, from the page's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name!r} is none of {', '.join(PANELS)}")
    template, read = PANELS[name]
    return render(request, template, {"hero": hero_of(request)} | read(request))


def _page(request: HtmxHttpRequest, name: str, hero: str, *, part: str = "", **context: Any) -> HttpResponse:
    """The whole page, or for htmx the `part` of it that follows what happens."""
    if part and request.htmx:
        return render(request, f"tavern/vault/{name}.html#{part}", context | {"hero": hero})
    everywhere = frame_context(settings.WORLD) | {"hero": hero}
    return render(request, f"tavern/vault/{name}.html", everywhere | context)


def heroes(world: World) -> list[str]:
    return sorted(path.name for path in world.heroes.iterdir() if path.is_dir() and is_hero_name(path.name))


def hero_of(request: HttpRequest) -> str:
    asked = request.GET.get("hero", "")
    return asked if is_hero_name(asked) else settings.REALM.hero
