"""`/vault`: the shelf of chests, and one chest with all that is known of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from guild.skills.registry import read_skills
from realm.config import is_hero_name
from realm.world import World
from tavern.page_frame import HtmxHttpRequest, frame_context
from tavern.vault import chest, shelf
from tavern.vault.chests import chests_of
from tavern.vault.shelf import Wanted
from tavern.vault.tree import in_order, read_tree


@require_safe
def vault(request: HtmxHttpRequest) -> HttpResponse:
    wanted = Wanted.of(request.GET, settings.REALM.hero)
    context = shelf_context(settings.WORLD, wanted)
    if request.htmx:
        return render(request, "tavern/vault/shelf.html#shelf", context)
    return render(request, "tavern/vault/shelf.html", frame_context(settings.WORLD) | context)


def shelf_context(world: World, wanted: Wanted) -> dict[str, Any]:
    nodes = read_tree(wanted.hero)
    page = shelf.read_page(world, wanted, branches=in_order(nodes))
    damage = shelf.damaged(wanted.hero)
    chests = chests_of(world, wanted.hero, list(page.object_list), damage=damage)
    listed = {chest.row.name for chest in chests}
    return {
        "wanted": wanted,
        "hero": wanted.hero,
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
    }


@require_safe
def checkpoint(request: HtmxHttpRequest, hero: str, name: str) -> HttpResponse:
    known = chest.read(settings.WORLD, hero, name)
    if known is None:
        raise Http404(f"{hero} has no checkpoint {name}, or none any more")
    context = frame_context(settings.WORLD) | {"known": known, "hero": hero, "said": known.said, "chest": known.chest}
    return render(request, "tavern/vault/checkpoint.html", context)


def heroes(world: World) -> list[str]:
    return sorted(path.name for path in world.heroes.iterdir() if path.is_dir() and is_hero_name(path.name))
