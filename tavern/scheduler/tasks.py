"""The Task Master and its tasks, as the scheduler shows them and sets them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import QueryDict

from guild.tasks import run_requests
from guild.tasks.selectors import MasterStatus, TaskRow, overview
from guild.tasks.task_settings import (
    LONGEST_SECONDS,
    MOST_PROBLEMS,
    CountRules,
    Rules,
    SkillCountRules,
    TaskRules,
    kind_and_skill,
    read_rules,
    save_tasks,
)
from guild.workers import roster
from guild.workers.jobs import DOING
from guild.workers.roster import Seen
from realm.strict import BadConfig
from realm.world import World
from tavern import formatting
from tavern.forms import StyledForm, without_point
from tavern.live_settings import read_settings

MOST_ON_THE_LINE = 12
TONES = {"ok": "moss", "failed": "blood", "timeout": "blood", "stopped": "plain", "lost": "gold"}
WORDS = {"ok": "done", "timeout": "took too long", "lost": "ended unwatched"}


class TaskForm(StyledForm):
    """What the player sets of one task; what may be empty is then as the realm ships it."""

    enabled = forms.BooleanField(required=False, label="switched on")
    priority = forms.IntegerField(min_value=0, max_value=10)
    cooldown_seconds = forms.FloatField(label="Rests between runs, s", min_value=1, max_value=LONGEST_SECONDS)
    timeout_seconds = forms.FloatField(label="Longest run, s", min_value=1, max_value=LONGEST_SECONDS)
    count = forms.IntegerField(
        required=False, label="Problems", min_value=1, max_value=MOST_PROBLEMS, help_text="empty: as shipped"
    )
    beside_battle = forms.TypedChoiceField(
        required=False,
        label="Beside a battle",
        choices=[("", "as shipped"), ("yes", "yes, it slows it down"), ("no", "no")],
        coerce=lambda said: said == "yes",
        empty_value=None,
    )

    def changes(self) -> dict[str, Any]:
        """Of a form that is valid."""
        return {key: self.cleaned_data[key] for key in self.changed_data}


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    row: TaskRow
    form: TaskForm | None
    """None for a run of the player, of which nothing is set here."""
    now: float
    asked: bool
    """To run as soon as its resource is free."""

    @property
    def last_at(self) -> datetime | None:
        return datetime.fromtimestamp(self.row.last.started_at, UTC) if self.row.last else None

    @property
    def outcome(self) -> str:
        last = self.row.last
        return WORDS.get(last.outcome, last.outcome) if last else "never ran"

    @property
    def tone(self) -> str:
        return TONES[self.row.last.outcome] if self.row.last else "plain"

    @property
    def due_in(self) -> float | None:
        return self.row.due_at - self.now if self.row.due_at else None

    @property
    def failed(self) -> bool:
        return self.row.last is not None and self.row.last.outcome in ("failed", "timeout")


@dataclass(frozen=True, kw_only=True)
class WorkerCard:
    """A worker on some machine, and what it does."""

    seen: Seen

    @property
    def tone(self) -> str:
        return "sky" if self.doing else "moss" if self.seen.alive else "blood"

    @property
    def doing(self) -> str:
        return ", ".join(job.act for job in self.seen.jobs if job.state == DOING) if self.seen.alive else ""

    @property
    def left(self) -> str:
        """What waits for it; of a dead one all that it had."""
        return ", ".join(job.act for job in self.seen.jobs if job.state != DOING or not self.seen.alive)


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    master: MasterStatus | None
    silence: float | None
    idle: str
    """How busy the machine is, in words."""
    cards: list[TaskCard]
    line: list[TaskCard]
    """The last runs, the newest first."""
    notes: tuple[str, ...]
    trouble: str
    workers: tuple[WorkerCard, ...] = ()


def read(world: World, *, refused: TaskForm | None = None) -> TaskPage:
    found, trouble = read_settings(world)
    now = time.time()
    try:
        seen = overview(world, found, now=now)
    except BadConfig as error:
        return TaskPage(master=None, silence=None, idle="", cards=[], line=[], notes=(), trouble=str(error))
    wished = run_requests.waiting(world)
    rules = read_rules(found)
    cards = [_card(row, rules, now, refused, asked=row.task.name in wished) for row in seen.tasks]
    ran = [card for card in cards if card.row.last]
    return TaskPage(
        master=seen.master,
        silence=None if seen.master.time is None else now - seen.master.time,
        idle=idle_in_words(seen.master.idle),
        cards=cards,
        line=sorted(ran, key=lambda card: -(card.row.last.started_at if card.row.last else 0))[:MOST_ON_THE_LINE],
        notes=seen.notes,
        trouble=trouble or (seen.master.trouble if seen.master.alive else ""),
        workers=tuple(WorkerCard(seen=worker) for worker in roster.look().workers),
    )


def _card(row: TaskRow, rules: Rules, now: float, refused: TaskForm | None, *, asked: bool) -> TaskCard:
    form = None
    if row.task.run_id is None:
        form = refused if refused and refused.prefix == row.task.name else form_of(row, rules)
    return TaskCard(row=row, form=form, now=now, asked=asked)


def form_of(row: TaskRow, rules: Rules, typed: QueryDict | None = None) -> TaskForm:
    task, own = row.task, _rules_of(rules, row.task.name)
    initial = {
        "enabled": task.enabled,
        "priority": task.priority,
        "cooldown_seconds": without_point(task.cooldown_seconds),
        "timeout_seconds": without_point(task.timeout_seconds),
        "beside_battle": "" if own.beside_battle is None else "yes" if own.beside_battle else "no",
    }
    form = TaskForm(typed, prefix=task.name, initial=initial)
    if isinstance(own, CountRules):
        form.initial["count"] = own.count
    else:
        del form.fields["count"]
    return form


def _rules_of(rules: Rules, name: str) -> TaskRules:
    kind, skill = kind_and_skill(name)
    found: TaskRules = getattr(rules, kind)
    return found.skills.get(skill, CountRules()) if isinstance(found, SkillCountRules) else found


def find_form(world: World, row: TaskRow, typed: QueryDict) -> TaskForm:
    """Raises strict.BadConfig."""
    config, _ = read_settings(world)
    return form_of(row, read_rules(config), typed)


def find_row(world: World, name: str) -> TaskRow | None:
    """Raises strict.BadConfig."""
    config, _ = read_settings(world)
    return _named(overview(world, config).tasks, name)


def _named(rows: Sequence[TaskRow], name: str) -> TaskRow | None:
    return next((row for row in rows if row.task.name == name), None)


def save(world: World, name: str, form: TaskForm) -> bool:
    """Whether anything was changed. Raises strict.BadConfig."""
    changes = form.changes()
    if changes:
        save_tasks(world, {name: changes})
    return bool(changes)


def idle_in_words(idle: Any) -> str:
    """Of what a file says: `processors 12%, GPU 0 3%, without the tasks' own; idle is below 40%`."""
    if not isinstance(idle, dict) or not idle:
        return formatting.UNKNOWN
    said = [f"GPU {at} {_percent(value)}" for at, value in enumerate(idle.get("gpu_percents") or [])]
    said.insert(0, f"processors {_percent(idle.get('cpu_percent_of_others'))}")
    battle = "; a battle is fought" if idle.get("battle_trains") else ""
    return f"{', '.join(said)}, without the tasks' own; idle is below {_percent(idle.get('limit_percent'))}{battle}"


def _percent(value: Any) -> str:
    return f"{value:.0f}%" if isinstance(value, int | float) else formatting.UNKNOWN
