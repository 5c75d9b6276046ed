"""What the pages of battles do: notes and tags, repeating with a change, stopping all, deleting and putting back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from arena import history_orders, orders
from arena import status as arena_status
from arena.history import deleting, notes, repeating
from arena.history.notes import BadNotes
from arena.history.repeating import CannotRepeat, UnconfirmedRate
from arena.history_orders import Act
from arena.models import Battle
from arena.orders import Wish
from realm import strict
from tavern.battles import views
from tavern.battles.views import find, sentence
from tavern.live_settings import read_settings
from tavern.page_frame import frame_context

BY = "tavern"
MOST_AT_ONCE = 10_000
STOPS = "The battle ends with a checkpoint and the arena rests; what waits in the queue stays there until you resume."
_LATER = " The arena is not running; it will obey when it starts."


@require_POST
def save_notes(request: HttpRequest, battle_id: str) -> HttpResponse:
    """Label, note and tags of one battle; what is refused stands beside its field."""
    found = find(battle_id)
    entered = {key: request.POST.get(key, "") for key in ("label", "note", "tags")}
    try:
        notes.change(
            settings.WORLD, found,
            label=entered["label"], note=entered["note"], tags=notes.split(entered["tags"]),
        )  # fmt: skip
    except BadNotes as error:
        return _refused(request, found, entered, str(error), form="notes")
    except OSError as error:
        return _refused(request, found, entered, f"note: it could not be written: {error.strerror}", form="notes")
    messages.success(request, "The notes are kept.")
    return redirect("tavern:battle", battle_id)


@require_POST
def repeat(request: HttpRequest, battle_id: str) -> HttpResponse:
    """Put the battle's quest back into the queue with one key of its recipe changed."""
    found = find(battle_id)
    entered = {key: request.POST.get(key, "").strip() for key in ("key", "value")}
    config, _ = read_settings(settings.WORLD)
    try:
        done = repeating.repeat(
            settings.WORLD, config, found, key=entered["key"], value=entered["value"],
            confirmed="confirmed" in request.POST, by=BY,
        )  # fmt: skip
    except UnconfirmedRate as error:
        return _refused(request, found, entered | {"asked": "1"}, f"value: {error}", form="repeat")
    except (CannotRepeat, ValueError) as error:
        return _refused(request, found, entered, str(error), form="repeat")
    except OSError as error:
        return _refused(request, found, entered, f"battle: the file cannot be copied: {error.strerror}", form="repeat")
    messages.success(
        request, f"{done.job.name} waits in the queue, with {done.key} {done.before} → {done.after} and all else alike."
    )
    return redirect("tavern:battle", battle_id)


def _refused(request: HttpRequest, found: Battle, entered: dict[str, str], why: str, *, form: str) -> HttpResponse:
    field, mark, _ = why.partition(": ")
    refusal = {"form": form, "field": field if mark and field.isidentifier() else "", "said": sentence(ValueError(why))}
    context: dict[str, Any] = views.battle_context(request, found) | {"entered": entered, "refusal": refusal}
    return render(request, "tavern/battles/battle.html", context, status=400)


@require_POST
def tag(request: HttpRequest) -> HttpResponse:
    """Give the chosen battles tags, or take them away."""
    names, wanted = request.POST.getlist("battle")[:MOST_AT_ONCE], notes.split(request.POST.get("tags", ""))
    rows = list(Battle.objects.filter(battle_id__in=names).select_related("quest", "record"))
    takes = request.POST.get("do") == "untag"
    if not rows or not wanted:
        messages.error(request, "Choose battles and write a tag." if not rows else "Write a tag first.")
        return _back(request)
    try:
        for row in rows:
            notes.change(settings.WORLD, row, add=() if takes else wanted, remove=wanted if takes else ())
    except BadNotes as error:
        messages.error(request, sentence(error))
        return _back(request)
    what = "lost" if takes else "got"
    messages.success(request, f"{_counted(len(rows))} {what} {', '.join(f'#{one}' for one in wanted)}.")
    return _back(request)


@require_POST
def stop_all(request: HttpRequest) -> HttpResponse:
    """The battle under way ends with a checkpoint, and nothing else is fought until the player resumes."""
    orders.send(settings.WORLD, wish=Wish.STOP, by=BY)
    messages.success(request, f"Asked: stop. {STOPS}{_when()}")
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """GET shows what would go and what stays for what reason; POST has the arena do it."""
    data = request.POST if request.method == "POST" else request.GET
    try:
        rows = _chosen(data)
    except ValueError as error:
        messages.error(request, sentence(error))
        return _back(request)
    preview = deleting.preview(settings.WORLD, rows)
    if request.method == "POST" and preview.going:
        names = [one.battle for one in preview.going]
        history_orders.send(settings.WORLD, act=Act.DELETE, battles=names, by=BY)
        said = f"Asked: delete {_counted(len(names)).lower()}. Put back what you miss within {deleting.TRASH_DAYS} days"
        messages.success(request, f"{said}: choose the state “deleted”.{_when()}")
        return redirect("tavern:battles")
    context = frame_context(settings.WORLD) | {
        "preview": preview, "days": deleting.TRASH_DAYS, "asked": _asked(data), "named": data.getlist("battle"),
    }  # fmt: skip
    return render(request, "tavern/battles/delete.html", context)


@require_POST
def chosen(request: HttpRequest) -> HttpResponse:
    """To the page that compares or deletes the ticked ones; its address names them alone, and no form's token."""
    page = "tavern:battles_delete" if request.POST.get("do") == "delete" else "tavern:battles_compare"
    return redirect(f"{reverse(page)}?{urlencode({'battle': request.POST.getlist('battle')}, doseq=True)}")


@require_POST
def restore(request: HttpRequest) -> HttpResponse:
    names = request.POST.getlist("battle")[:MOST_AT_ONCE]
    if not names:
        messages.error(request, "Choose battles to put back.")
        return _back(request)
    history_orders.send(settings.WORLD, act=Act.RESTORE, battles=names, by=BY)
    messages.success(request, f"Asked: put back {_counted(len(names)).lower()}.{_when()}")
    return _back(request)


def _asked(data: QueryDict) -> list[tuple[str, str]]:
    """What is asked once more when it is confirmed: thousands of old ones are not named one by one."""
    keys = ("battle",) if data.getlist("battle") else ("older_than_days", "keep_newest")
    return [(key, value) for key in keys for value in data.getlist(key)]


def _chosen(data: QueryDict) -> list[Battle]:
    """The battles that are named, or those that are old. Raises ValueError."""
    names = data.getlist("battle")[:MOST_AT_ONCE]
    if names:
        return list(Battle.objects.filter(battle_id__in=names).select_related("quest", "record").order_by("-id"))
    days, newest = data.get("older_than_days", "").strip(), data.get("keep_newest", "").strip()
    if not days and not newest:
        raise ValueError("Choose battles first, or say how old ones are to be deleted.")
    return deleting.old(older_than_days=_number(days, "older_than_days"), keep_newest=_number(newest, "keep_newest"))


def _number(text: str, field: str) -> int | None:
    number = strict.whole_number(text) if text else None
    if text and number is None:
        raise ValueError(f"{field}: {text[:40]!r} is no whole number")
    return number


def _back(request: HttpRequest) -> HttpResponse:
    """To the list as it was searched."""
    query = request.POST.get("back", "")[:1000]
    return redirect(f"{reverse('tavern:battles')}{f'?{query}' if query else ''}")


def _counted(count: int) -> str:
    return f"{count:,} battle{'' if count == 1 else 's'}"


def _when() -> str:
    return "" if arena_status.daemon_alive(settings.WORLD) else _LATER
