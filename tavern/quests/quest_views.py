"""A quest's own page, its downloads and its mending."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from arena.estimate import UnknownShape
from arena.gate import report as reports
from arena.models import Quest
from arena.preview.quest_estimate import outlook_of
from arena.profiles import quest_recipe
from arena.profiles.quest_recipe import NO_RECIPE, OwnRecipe
from arena.quest_orders import Act, makes_sense, send
from arena.queue import asking
from arena.queue import files as queue
from arena.queue.asking import BadRows, Wanted
from arena.queue.names import BadName
from arena.rows import lines
from realm.strict import BadConfig
from realm.world import PRIORITIES, World
from tavern.live_settings import read_settings
from tavern.page_frame import HtmxHttpRequest, attachment, frame_context, sentence
from tavern.quests.forms import BadRecipe, MendForm, RecipeForm
from tavern.quests.orders import BY
from tavern.quests.quest import flagged_files, read_page
from tavern.quests.views import find, told

NOTHING_LEFT = "the text is empty; the refused rows stand here again, to be corrected"
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_MENDED = re.compile(r"-mended(-[0-9]+)?$")


@require_safe
def quest(request: HtmxHttpRequest, quest_id: int) -> HttpResponse:
    found = find(quest_id)
    context = frame_context(settings.WORLD) | {
        "quest": found,
        "hero": settings.REALM.hero,
        "page": read_page(settings.WORLD, found),
    }
    template = "tavern/quests/quest.html#quest" if request.htmx.target == "quest" else "tavern/quests/quest.html"
    return render(request, template, context)


@require_safe
def estimate(request: HttpRequest, quest_id: int) -> HttpResponse:
    """Time and memory, from the report beside the quest; drawn after the page, since it looks at past battles."""
    found = find(quest_id)
    report = reports.read_report(settings.WORLD.queue / found.file) if found.file else None
    context: dict[str, Any] = {"outlook": None, "trouble": "the gatekeepers have not looked at it yet"}
    if report is not None:
        try:
            config, _ = read_settings(settings.WORLD)
            resolved = quest_recipe.resolve_for(settings.WORLD, config, settings.WORLD.queue / found.file)
            context["outlook"] = outlook_of(settings.WORLD, config, resolved, report)
        except (UnknownShape, BadConfig) as error:
            context["trouble"] = str(error)
    return render(request, "tavern/quests/estimate.html", context)


@require_POST
def mend(request: HtmxHttpRequest, quest_id: int) -> HttpResponse:
    """The corrected rows become a quest of their own, `<name>-mended`, or `-mended-2` where that one is there.

    It is trained by the same recipe.
    """
    found = find(quest_id)
    form = MendForm(request.POST)
    if not form.is_valid():
        return told(request, "The form was not understood; load the page again.", urgent=True, status=400)
    if not form.cleaned_data["text"].strip():
        return told(request, f"There is nothing to send: {NOTHING_LEFT}.", urgent=True, status=400)
    try:
        data = asking.lines_of(form.cleaned_data["text"])
        name = mended_name(settings.WORLD, found)
        wanted = Wanted(by=BY, name=name, priority=found.priority, own=_recipe_of(found))
        path = asking.ask_chunks(settings.WORLD, [data], wanted)
    except (BadConfig, BadName, BadRows, OSError) as error:
        return told(request, sentence(error), urgent=True, status=400)
    return told(request, f"{path.name} is at the gate.")


def _recipe_of(quest: Quest) -> OwnRecipe:
    """Raises BadConfig for one that cannot be."""
    if not quest.file:
        return NO_RECIPE
    path = settings.WORLD.queue / quest.file
    own, wishes = quest_recipe.read_beside(settings.WORLD, path), reports.read_wishes(path)
    return OwnRecipe(keys=own, confirmed_rate=wishes.confirmed_rate)


@require_POST
def recipe(request: HtmxHttpRequest, quest_id: int) -> HttpResponse:
    """A recipe of the quest's own in the place of what it has; an empty form: it follows the realm's."""
    found = find(quest_id)
    form = RecipeForm(request.POST)
    if not form.is_valid():
        return told(request, "The form was not understood; load the page again.", urgent=True, status=400)
    if not makes_sense(found, Act.RECIPE):
        return told(request, "Its recipe can no longer be changed.", urgent=True, status=400)
    try:
        own = form.own_recipe()
    except BadRecipe as error:
        return told(request, sentence(error), urgent=True, status=400)
    send(settings.WORLD, act=Act.RECIPE, quests=[found], recipe=own.keys, confirmed_rate=own.confirmed_rate, by=BY)
    then = "The gatekeepers look at the quest again." if found.state in queue.WAITING else "Retry the quest to use it."
    return told(request, f"Asked: another recipe. {then}")


def mended_name(world: World, quest: Quest) -> str:
    """The first that no quest has, and no file that waits to become one."""
    stem = _MENDED.sub("", lines.stem_of(Path(quest.file).name) if quest.file else quest.name)
    for number in itertools.count(1):
        name = f"{stem}-mended" if number == 1 else f"{stem}-mended-{number}"
        lies = any((world.lane(lane) / f"{name}.jsonl").exists() for lane in PRIORITIES)
        if not lies and not Quest.objects.filter(name=name).exists():
            break
    return f"{name}.jsonl"


@require_safe
def report(request: HttpRequest, quest_id: int) -> HttpResponse:
    return _companion(find(quest_id), reports.REPORT, "application/json")


@require_safe
def quarantine(request: HttpRequest, quest_id: int) -> HttpResponse:
    return _companion(find(quest_id), reports.QUARANTINE, "application/octet-stream", ending=".jsonl")


@require_safe
def flagged(request: HttpRequest, quest_id: int, name: str) -> HttpResponse:
    """Examples that a battle's fault named; only files that the chronicle tells of this quest."""
    if name not in {known for battle in find(quest_id).battles.all() for known in flagged_files(battle)}:
        raise Http404(f"no battle of quest {quest_id} flagged {name!r}")
    return _download(settings.WORLD.flagged_examples / name, name, "application/json")


def _companion(quest: Quest, suffix: str, content_type: str, *, ending: str = "") -> HttpResponse:
    if not quest.file:
        raise Http404(f"the file of quest {quest.pk} is gone")
    path = settings.WORLD.queue / quest.file
    return _download(reports.companion(path, suffix), f"{path.name}.{suffix}{ending}", content_type)


def _download(path: Path, name: str, content_type: str) -> HttpResponse:
    """An attachment under a plain name, never shown as a page. In memory: the server would read it there anyway."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Http404(f"{name} is not there") from error
    return attachment(data, _ODD.sub("_", name), content_type)
