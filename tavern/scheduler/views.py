"""`/scheduler`: what is forged by itself, and what the Task Master does when the machine has nothing better to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from guild.errors import GuildError
from guild.tasks import run_requests
from guild.tasks.only_master import master_alive
from realm.strict import BadConfig
from tavern.page_frame import frame_context
from tavern.scheduler import curriculum as curriculum_page
from tavern.scheduler import tasks
from tavern.scheduler.curriculum import WishesForm
from tavern.scheduler.tasks import TaskForm

BY = "scheduler"
PANELS = ("plan", "tasks")


@require_safe
def scheduler(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: HttpRequest,
    *,
    curriculum: Sequence[WishesForm] | None = None,
    task: TaskForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """`curriculum` and `task` are forms that were not understood; they keep what was typed."""
    context = frame_context(settings.WORLD) | _plan() | {"tasks": tasks.read(settings.WORLD, refused=task)}
    context |= {"wishes": curriculum or curriculum_page.forms_of(settings.WORLD), "hero": settings.REALM.hero}
    return render(request, "tavern/scheduler/scheduler.html", context, status=status)


def _plan() -> dict[str, Any]:
    return {"curriculum": curriculum_page.read(settings.WORLD, settings.REALM.hero)}


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the page, from the page's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name!r} is none of {', '.join(PANELS)}")
    context = _plan() if name == "plan" else {"tasks": tasks.read(settings.WORLD)}
    return render(request, f"tavern/scheduler/scheduler.html#{name}", context)


@require_POST
def save_wishes(request: HttpRequest) -> HttpResponse:
    found = curriculum_page.forms_of(settings.WORLD, request.POST)
    if [form for form in found if not form.is_valid()]:
        return _page(request, curriculum=found, status=400)
    try:
        changed = curriculum_page.save(settings.WORLD, found)
    except (BadConfig, GuildError) as error:
        messages.error(request, f"Nothing more was saved: {error}")
        return _page(request, curriculum=found, status=400)
    said = f"Saved for {', '.join(changed)}. The next quest is forged by it." if changed else "Nothing was changed."
    messages.success(request, said)
    return _back("curriculum")


@require_POST
def set_autoplay(request: HttpRequest) -> HttpResponse:
    on = request.POST.get("autoplay") == "on"
    try:
        curriculum_page.save_autoplay(settings.WORLD, on)
    except BadConfig as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Auto-play is {'on' if on else 'off'}.")
    return redirect("tavern:home") if request.POST.get("back") == "home" else _back("curriculum")


@require_POST
def save_task(request: HttpRequest, name: str) -> HttpResponse:
    try:
        row = tasks.find_row(settings.WORLD, name)
        if row is None or row.task.run_id is not None:
            raise Http404(f"there is no task {name!r} that can be set")
        form = tasks.find_form(settings.WORLD, row, request.POST)
        if not form.is_valid():
            return _page(request, task=form, status=400)
        changed = tasks.save(settings.WORLD, name, form)
    except BadConfig as error:
        messages.error(request, str(error))
        return _back("tasks")
    messages.success(request, f"{row.task.title}: {'saved' if changed else 'nothing was changed'}.")
    return _back("tasks")


@require_POST
def run_task(request: HttpRequest, name: str) -> HttpResponse:
    """A wish for the Task Master, which begins it as soon as nothing else has its resource."""
    try:
        row = tasks.find_row(settings.WORLD, name)
    except BadConfig as error:
        messages.error(request, str(error))
        return _back("tasks")
    if row is None:
        raise Http404(f"there is no task {name!r}")
    run_requests.send(settings.WORLD, name, by=BY)
    asleep = "" if master_alive(settings.WORLD) else " No Task Master lives: it waits until one is started."
    messages.success(request, f"Asked: {row.task.title}.{asleep}")
    return _back("tasks")


def _back(place: str) -> HttpResponse:
    return redirect(f"{reverse('tavern:scheduler')}#{place}")
