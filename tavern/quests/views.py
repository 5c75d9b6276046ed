"""The quest board: lists, orders, and the ways in for new quests."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from arena import quest_orders, quest_templates
from arena import status as arena_status
from arena.models import Quest
from arena.quest_orders import Act
from arena.queue import asking, names
from arena.queue.asking import BadRows
from arena.queue.names import BadName
from realm import strict
from realm.config import preset_files
from realm.web.body_sizes import FILES_BYTES, takes_up_to
from realm.world import World
from tavern import page_frame
from tavern.page_frame import BOARD_CHANGED, LARGEST_ID, Button, HtmxHttpRequest, attachment, frame_context, sentence
from tavern.quests import orders as quest_acts
from tavern.quests import uploads
from tavern.quests.board import KINDS, QuestList, counts, read_list
from tavern.quests.cards import HELP, LABELS
from tavern.quests.forms import AddForm, BadRecipe, PasteForm, SliceForm
from tavern.quests.gate_panel import at_the_gate
from tavern.quests.orders import BadOrder
from tavern.quests.recipe import Own
from tavern.quests.uploads import RefusedUpload, WrongPlace

EXAMPLE = (
    {"messages": [{"role": "user", "content": "Which planet is nearest to the sun?"},
                  {"role": "assistant", "content": "Mercury."}]},
    {"prompt": "Translate to German: good morning", "completion": "Guten Morgen"},
    {"instruction": "Name the opposite.", "input": "cold", "output": "hot"},
    {"text": "A text without turns is learned from its first token to its last."},
)  # fmt: skip


@require_safe
def board(request: HtmxHttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    lists = {name: read_list(settings.WORLD, name, page=request.GET.get(name), query=query) for name in KINDS}
    template = "tavern/quests/board.html#board" if request.htmx.target == "board" else "tavern/quests/board.html"
    context = frame_context(settings.WORLD) | _board_context(lists, query) | _template_context(request)
    return render(request, template, context)


def _template_context(request: HttpRequest) -> dict[str, Any]:
    """With `?template=NAME` the dialog of rows to paste is open and filled; with `?open=add` that of files."""
    found = quest_templates.list_templates()
    wanted = request.GET.get("template", "")
    chosen = next((template for template in found if template.name == wanted), None)
    own = Own(keys=chosen.pairs) if chosen else None
    return {"templates": found, "begins_from": chosen, "pasted": own, "opens": request.GET.get("open")}


@require_safe
def one_list(request: HttpRequest, name: str) -> HttpResponse:
    """One page of one list, from the board's own template."""
    if name not in KINDS:
        raise Http404(f"list {name!r} is none of {', '.join(KINDS)}")
    query = request.GET.get("q", "").strip()
    shown = read_list(settings.WORLD, name, page=request.GET.get("page"), query=query)
    return render(request, "tavern/quests/board.html#list", {"list": shown, **_list_context(shown)})


@require_safe
def summary(request: HttpRequest) -> HttpResponse:
    """Counts, and whether the arena acts on orders."""
    return render(request, "tavern/quests/board.html#summary", _summary_context(settings.WORLD))


def _board_context(lists: dict[str, QuestList], query: str) -> dict[str, Any]:
    return _summary_context(settings.WORLD) | {
        "lists": lists,
        "lanes": [found for found in lists.values() if found.kind.lane],
        "now": [lists["battling"], lists["arriving"], lists["held"]],
        "over": [lists["done"], lists["failed"], lists["cancelled"]],
        "query": query,
        "gate": at_the_gate(settings.WORLD),
        "batch": _batch_buttons(),
        "inbox": str(settings.WORLD.inbox),
        "presets": list(preset_files(settings.WORLD)),
    }


def _summary_context(world: World) -> dict[str, Any]:
    many = counts()
    return {
        "counts": many,
        "waiting": sum(many[lane] for lane in Quest.Priority.values),
        "total": sum(many.values()),
        "arena": arena_status.read_status(world),
        "hero": settings.REALM.hero,
        "orders_waiting": len(list(quest_orders.MAILBOX.waiting(world))),
    }


def _list_context(shown: QuestList) -> dict[str, Any]:
    return {"gate": at_the_gate(settings.WORLD)} if shown.kind.name == "arriving" else {}


def _batch_buttons() -> list[Button]:
    lanes = [
        Button(value=lane, key=lane, label=lane.capitalize(), help=f"To {lane} priority")
        for lane in Quest.Priority.values
    ]
    acts = [
        Button(
            value=act, key=act, label="Fight again" if act is Act.FORCE else LABELS[act], help=HELP[act],
            confirm=f"ask-{act}" if act in (Act.CANCEL, Act.DISCARD) else "",
            tone="blood" if act in (Act.CANCEL, Act.DISCARD) else "",
        )
        for act in (Act.HOLD, Act.RELEASE, Act.RETRY, Act.FORCE, Act.CANCEL, Act.DISCARD)
    ]  # fmt: skip
    return [*lanes, *acts]


@require_POST
def order(request: HtmxHttpRequest) -> HttpResponse:
    """An order of the board or of a quest's own page; the reply says that it was given."""
    try:
        given = quest_acts.give(settings.WORLD, request.POST)
    except BadOrder as error:
        return told(request, f"That order was not understood: {error}.", urgent=True, status=400)
    text = given.text
    if not given.urgent and not arena_status.daemon_alive(settings.WORLD):
        text += " The arena is not running: the order waits until it is started."
    return told(request, text, urgent=given.urgent)


def told(request: HtmxHttpRequest, text: str, *, urgent: bool = False, status: int = 200) -> HttpResponse:
    """To the board, or to the page of a quest whose form it was."""
    number = strict.whole_number(request.POST.get("page_of", ""))
    back = reverse("tavern:quests") if number is None else reverse("tavern:quest", args=[number])
    return page_frame.told(request, text, back=back, urgent=urgent, status=status, trigger=BOARD_CHANGED)


@takes_up_to(FILES_BYTES)
@require_POST
def upload(request: HtmxHttpRequest) -> HttpResponse:
    """Files as one ordinary form, for browsers without scripts."""
    form = AddForm(request.POST)
    files = request.FILES.getlist("files")
    if not form.is_valid() or not files:
        return told(request, "Choose one or more files, and a priority that exists.", urgent=True, status=400)
    for file in files:
        _take_file(request, form, file)
    return redirect("tavern:quests")


def _take_file(request: HttpRequest, form: AddForm, file: UploadedFile[bytes]) -> None:
    try:
        path = asking.ask_chunks(settings.WORLD, file.chunks(), form.wanted(file.name or ""))
    except (BadName, BadRecipe, OSError) as error:
        messages.error(request, sentence(error))
    else:
        messages.success(request, f"{path.name} is at the gate.")


@takes_up_to(uploads.LARGEST_SLICE_BYTES)
@require_POST
def upload_slice(request: HttpRequest, key: str) -> HttpResponse:
    """One slice of a file as the raw body.

    200 `{"size"}`; 201 `{"name"}` once the file is whole; 409 `{"size"}` for a slice that is not the next one.
    """
    form = SliceForm(request.GET)
    if not form.is_valid():
        return _refused("The upload was not understood; load the page again.", 400)
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > uploads.LARGEST_SLICE_BYTES:
        return _refused(f"A slice is at most {uploads.LARGEST_SLICE_BYTES} bytes.", 413)
    given = form.cleaned_data
    try:
        path = uploads.take_slice(
            settings.WORLD, key, request.read(), offset=given["offset"], total=given["total"],
            wanted=form.wanted(given["name"]),
        )  # fmt: skip
    except WrongPlace as error:
        return JsonResponse({"size": error.size}, status=409)
    except (BadName, BadRecipe, RefusedUpload) as error:
        return _refused(str(error), 400)
    except OSError as error:
        return _refused(sentence(error), 507)
    if path is None:
        return JsonResponse({"size": given["offset"] + length})
    return JsonResponse({"name": path.name}, status=201)


def _refused(sentence: str, status: int) -> JsonResponse:
    return JsonResponse({"refused": sentence}, status=status)


@takes_up_to(FILES_BYTES)
@require_POST
def paste(request: HtmxHttpRequest) -> HttpResponse:
    form = PasteForm(request.POST)
    if not form.is_valid():
        return told(request, "The form was not understood; load the page again.", urgent=True, status=400)
    given = form.cleaned_data
    try:
        name = names.pasted_name(given["name"] or "pasted")
        data = asking.lines_of(given["text"])
        path = asking.ask_chunks(settings.WORLD, [data], form.wanted(name))
    except (BadName, BadRecipe, BadRows, OSError) as error:
        return told(request, sentence(error), urgent=True, status=400)
    return told(request, f"{path.name} is at the gate.")


@require_safe
def example(request: HttpRequest) -> HttpResponse:
    """A quest of four rows, one in each common form."""
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in EXAMPLE)
    return attachment(rows.encode(), "example-quest.jsonl", "application/x-ndjson")


def find(quest_id: int) -> Quest:
    """Raises Http404."""
    quest = Quest.objects.filter(pk=quest_id).first() if quest_id <= LARGEST_ID else None
    if quest is None:
        raise Http404(f"there is no quest {quest_id}, or none any more")
    return quest
