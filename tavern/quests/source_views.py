"""`/quests/sources`: what can be trained on, and the player's folders."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from arena import source_orders
from arena import status as arena_status
from arena.gate.findings import Findings
from arena.preview import mirror
from arena.preview.mirror import NoMirror
from arena.preview.rows import NoSuchRow
from arena.queue import inbox
from arena.reports import training_sources
from arena.rows.model import UnreadableQuest
from arena.sources import folders, records, taking
from arena.sources.folders import BadSource
from tavern.page_frame import frame_context
from tavern.quests import sources as source_page
from tavern.quests import token_mirror
from tavern.quests.forms import AddForm
from tavern.quests.gate_panel import MOST_LYING
from tavern.quests.mirror_views import LARGEST_LINE, line_number

BY = "quest board"
MOST_AT_ONCE = 1000
"""Files that a request copies; the command line has no such bound."""
MOST_BYTES_AT_ONCE = 4 * 10**9
MOST_TOLD = 3


@require_http_methods(["GET", "HEAD", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    """All sources; a POST registers a folder."""
    if request.method == "POST":
        return _register(request)
    return _overview(request)


def _overview(request: HttpRequest, *, status: int = 200, **given: str) -> HttpResponse:
    context: dict[str, Any] = {"cards": [], "trouble": ""} | given
    try:
        context["cards"] = source_page.cards(settings.WORLD)
    except BadSource as error:
        own = training_sources.built_in(settings.WORLD)
        context |= {"trouble": str(error), "cards": [source_page.card_of(source) for source in own]}
    return render(request, "tavern/quests/sources.html", frame_context(settings.WORLD) | context, status=status)


def _register(request: HttpRequest) -> HttpResponse:
    name, folder = request.POST.get("name", "").strip(), request.POST.get("folder", "").strip()
    try:
        path = folders.register(settings.WORLD, name, folder)
    except BadSource as error:
        return _overview(request, status=400, name=name[:200], folder=folder[:4096], refused=str(error))
    messages.success(request, f"{path} is registered as {name}. Nothing in it is ever changed.")
    return redirect("tavern:quest_source", name)


@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    try:
        folder = folders.remove(settings.WORLD, name)
        source_orders.withdraw(settings.WORLD, name)
        others = list(folders.folders(settings.WORLD).values())
    except BadSource as error:
        raise Http404(str(error)) from error
    records.forget_folder(settings.WORLD, folder, still_known=others)
    messages.success(request, f"{name} is no longer a source. {folder} is as it was.")
    return redirect("tavern:quest_sources")


@require_safe
def source(request: HttpRequest, name: str) -> HttpResponse:
    number, query = request.GET.get("page"), request.GET.get("q", "").strip()
    context = frame_context(settings.WORLD)
    if name == "skills":
        return render(request, "tavern/quests/source_skills.html", context | {"skills": training_sources.skills()})
    if name == "inbox":
        lying = inbox.left_lying(settings.WORLD.inbox, most=MOST_LYING)
        return render(
            request, "tavern/quests/source_inbox.html", context | {"lying": lying, "inbox": settings.WORLD.inbox}
        )
    if name in folders.BUILT_IN:
        card, page = source_page.quest_page(settings.WORLD, name, page=number)
        return render(request, "tavern/quests/source_quests.html", context | {"card": card, "page": page})
    try:
        shown = source_page.folder_page(settings.WORLD, name, page=number, query=query)
    except BadSource as error:
        raise Http404(str(error)) from error
    return render(request, "tavern/quests/source_folder.html", context | {"shown": shown, "name": name})


@require_POST
def order(request: HttpRequest, name: str) -> HttpResponse:
    """`do` is `look` or `queue` for the ticked files, the same and ` all` for all, or ` file ` and a name for one.

    `stop` takes back what the gatekeepers have not looked at yet.
    """
    verb, _, rest = request.POST.get("do", "").partition(" ")
    if verb == "stop":
        source_orders.withdraw(settings.WORLD, name)
        messages.success(request, "The gatekeepers look no further here; what they found is kept.")
        return _back(request, name)
    form = AddForm(request.POST)
    if verb not in ("look", "queue") or not form.is_valid():
        messages.error(request, "That was not understood; load the page again.")
        return _back(request, name)
    try:
        names = _chosen(request, name, rest)
        if not names:
            messages.error(request, "No file is ticked.")
        elif verb == "look":
            _look(request, name, names)
        else:
            _queue(request, name, names, form)
    except BadSource as error:
        messages.error(request, str(error))
    return _back(request, name)


def _chosen(request: HttpRequest, name: str, rest: str) -> list[str]:
    """Raises Http404 for a source that is not registered, BadSource for a file that is not there."""
    try:
        folder = folders.folder_of(settings.WORLD, name)
    except BadSource as error:
        raise Http404(str(error)) from error
    if rest == "all":
        return [file.name for file in training_sources.files_of(settings.WORLD, name).found]
    _, _, single = rest.partition(" ")
    wanted = [single] if single else request.POST.getlist("file")
    return [folders.find(folder, file).name for file in wanted]


def _look(request: HttpRequest, name: str, names: list[str]) -> None:
    if len(names) > source_orders.MOST_FILES:
        raise BadSource(f"At most {source_orders.MOST_FILES:,} files are looked at in one go; tick those you need.")
    source_orders.send(settings.WORLD, source=name, files=names, by=BY)
    asleep = (
        "" if arena_status.daemon_alive(settings.WORLD) else " The arena is not running: they wait until it is started."
    )
    messages.success(request, f"The gatekeepers will look at {_many(names)}, when no quest waits for them.{asleep}")


def _queue(request: HttpRequest, name: str, names: list[str], form: AddForm) -> None:
    folder, wanted = folders.folder_of(settings.WORLD, name), form.wanted("")
    size = sum(folders.find(folder, file).size_bytes for file in names)
    if len(names) > MOST_AT_ONCE or size > MOST_BYTES_AT_ONCE:
        raise BadSource(
            f"{len(names):,} files of {size / 1e9:.1f} GB are more than this page copies at once "
            f"({MOST_AT_ONCE:,} files, {MOST_BYTES_AT_ONCE / 1e9:.0f} GB). "
            f"Tick fewer, or run: manage.py source queue {name}"
        )
    taken = taking.take(settings.WORLD, folder, names, wanted=wanted)
    if taken.paths:
        held = ", on hold until you release them" if wanted.hold else ""
        messages.success(
            request,
            f"{_many([path.name for path in taken.paths])} copied to the gate, {wanted.priority} priority{held}.",
        )
    for trouble in taken.troubles[:MOST_TOLD]:
        messages.error(request, trouble)
    if len(taken.troubles) > MOST_TOLD:
        messages.error(request, f"… and {len(taken.troubles) - MOST_TOLD} more could not be copied.")


def _many(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} files"


def _back(request: HttpRequest, name: str) -> HttpResponseRedirect:
    place = {key: request.POST[key][:200] for key in ("page", "q") if request.POST.get(key)}
    address = reverse("tavern:quest_source", args=[name])
    return HttpResponseRedirect(f"{address}?{urlencode(place)}" if place else address)


@require_safe
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """Rows of `file`: from line `first` on, or the single row in `line`."""
    file, line = request.GET.get("file", ""), line_number(request.GET.get("line", ""))
    first = min(line_number(request.GET.get("first", "")) or 1, source_page.LAST_LINE)
    context: dict[str, Any] = {"name": name, "file": file, "first": first, "line": line, "trouble": "", "single": None}
    try:
        folder = folders.folder_of(settings.WORLD, name)
        context["shown"] = source_page.bare_page(settings.WORLD, folder, file)
        through = mirror.glass(settings.WORLD, settings.REALM)
        if line is not None:
            found = folders.find(folder, file)
            findings = Findings(report=source_page.report_of(settings.WORLD, found))
            context["single"] = token_mirror.read_row(found.path, min(line, LARGEST_LINE), through, findings)
        else:
            context["shown"] = source_page.preview_page(settings.WORLD, folder, file, first=first, through=through)
    except (BadSource, NoSuchRow) as error:
        raise Http404(str(error)) from error
    except (NoMirror, UnreadableQuest, OSError) as error:
        context["trouble"] = str(error)
    return render(request, "tavern/quests/source_preview.html", frame_context(settings.WORLD) | context)
