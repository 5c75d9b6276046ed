"""`/guild`: the skills of the hero, what it answered, and the work that the player asks of the guild."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from guild.errors import GuildError
from guild.models import EvaluationTask, Run
from guild.skills.registry import broken_skills, get_skill, read_skills
from guild.tasks.selectors import master_status
from guild.work import forging, sparring, trials
from tavern.forms import StyledForm
from tavern.guild import run_cards
from tavern.guild import skills as guild_skills
from tavern.guild.forms import ForgeForm, SparringForm, TrialForm
from tavern.guild.grid import read_grid
from tavern.page_frame import frame_context

BY = "Guild Hall"
MOST_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class Work:
    """What can be asked of the guild, and the form that asks for it."""

    kind: Run.Kind
    form: type[StyledForm]
    title: str
    said: str
    button: str

    @property
    def icon(self) -> str:
        return run_cards.ICONS[self.kind]


WORKS = {
    work.kind: work
    for work in (
        Work(
            kind=Run.Kind.FORGE, form=ForgeForm, title="Forge a quest", button="Forge",
            said="Problems with their answers, put into the inbox as a quest. What evaluations ask is left out.",
        ),
        Work(
            kind=Run.Kind.SPARRING, form=SparringForm, title="Spar", button="Spar",
            said=(
                "The hero answers fresh problems; each mistake becomes three examples and its plain problem, "
                "in a quest of high priority."
            ),
        ),
        Work(
            kind=Run.Kind.TRIAL, form=TrialForm, title="Hold a trial", button="Hold the trial",
            said="Checkpoints side by side on the same problems. Nothing is trained by it.",
        ),
    )
}  # fmt: skip


@require_safe
def hall(request: HttpRequest) -> HttpResponse:
    return _hall(request)


def _hall(request: HttpRequest, *, refused: Mapping[Run.Kind, StyledForm] | None = None) -> HttpResponse:
    """`refused`: forms that were not understood; they keep what was typed."""
    context = frame_context(settings.WORLD) | {"hero": settings.REALM.hero, "works": works(refused or {})}
    for part in PANELS.values():
        context |= part(request)
    return render(request, "tavern/guild/hall.html", context, status=400 if refused else 200)


def works(refused: Mapping[Run.Kind, StyledForm], *, skill: str = "") -> list[dict[str, Any]]:
    """The forms; of the page of a skill with that skill chosen."""
    initial = {"skill": skill, "skills": [skill]} if skill else {}
    return [
        {
            "kind": kind,
            "icon": work.icon,
            "title": work.title,
            "said": work.said,
            "button": work.button,
            "form": refused.get(kind) or work.form(prefix=kind, initial=initial),
            "open": kind in refused,
        }
        for kind, work in WORKS.items()
    ]


@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """One part of the hall, from the hall's own template."""
    if name not in PANELS:
        raise Http404(f"panel {name!r} is none of {', '.join(PANELS)}")
    return render(request, f"tavern/guild/hall.html#{name}", PANELS[name](request))


def _master(request: HttpRequest) -> dict[str, Any]:
    said = master_status(settings.WORLD)
    return {"master": said, "silence": None if said.time is None else time.time() - said.time}


def _skills(request: HttpRequest) -> dict[str, Any]:
    return {"groups": guild_skills.groups(settings.WORLD, settings.REALM.hero), "broken": broken_skills()}


def _evaluations(request: HttpRequest) -> dict[str, Any]:
    """The queue: how much waits, and what came to nothing."""
    mine = EvaluationTask.objects.filter(hero=settings.REALM.hero)
    return {
        "tasks_waiting": mine.filter(state=EvaluationTask.State.WAITING).count(),
        "tasks_failed": mine.filter(state=EvaluationTask.State.FAILED).count(),
        "evaluation_tasks": mine.exclude(state=EvaluationTask.State.DONE).order_by("-updated_at")[:MOST_TOLD],
    }


def _grid(request: HttpRequest) -> dict[str, Any]:
    skills = {skill.name: skill for skill in read_skills()}
    skill = skills.get(request.GET.get("grid", "")) or next(iter(skills.values()), None)
    grid = read_grid(settings.REALM.hero, skill, page=request.GET.get("page")) if skill else None
    return {"grid": grid, "grid_skills": [] if "alone" in request.GET else list(skills.values())}


def _runs(request: HttpRequest) -> dict[str, Any]:
    return run_cards.runs_context(kind=request.GET.get("kind", ""), page=request.GET.get("runs"))


PANELS = {"master": _master, "skills": _skills, "evaluations": _evaluations, "grid": _grid, "runs": _runs}


@require_POST
def ask(request: HttpRequest, kind: str) -> HttpResponse:
    """Work for the Task Master: a run that waits for it."""
    if kind not in WORKS:
        raise Http404(f"work {kind!r} is none of {', '.join(WORKS)}")
    form = WORKS[Run.Kind(kind)].form(request.POST, prefix=kind)
    if form.is_valid():
        try:
            run = _create(form)
        except GuildError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Asked: {run.title}.{asleep()}")
            # Without a place of its own the address would keep the form's, below the notice.
            return redirect(f"{reverse('tavern:guild')}#notices")
    return _hall(request, refused={Run.Kind(kind): form})


def _create(form: StyledForm) -> Run:
    """Raises GuildError."""
    if isinstance(form, ForgeForm):
        return forging.create(form.order(), by=BY)
    if isinstance(form, SparringForm):
        return sparring.create(form.order(settings.WORLD, settings.REALM.hero), by=BY)
    assert isinstance(form, TrialForm)
    return trials.create(form.order(settings.WORLD, settings.REALM.hero), by=BY)


def asleep() -> str:
    """What is to be said beside work that nobody takes up."""
    return "" if master_status(settings.WORLD).alive else " No Task Master lives: it waits until one is started."


def find_skill(name: str) -> Any:
    """Raises Http404, which says why a skill cannot be used."""
    try:
        return get_skill(name)
    except GuildError as error:
        raise Http404(str(error)) from error
