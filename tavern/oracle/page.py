"""What the oracle's page shows before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator

from guild.champion import crown
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.oracle.wire import Sampling
from realm.strict import BadConfig
from tavern import formatting
from tavern.live_settings import read_settings
from tavern.models import Answer, Conversation
from tavern.oracle import history
from tavern.oracle.hosts import describe, read_hosts
from vault import selectors
from vault.models import Checkpoint

CONVERSATIONS_A_PAGE = 30
MOST_CHECKPOINTS = 500
BASE_NAME = "base"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A checkpoint as the picker offers it."""

    step: int
    name: str
    label: str
    champion: bool = False

    @property
    def value(self) -> str:
        return f"{self.step} {self.name}"


def choices() -> list[Choice]:
    """What the hero has come from, newest first; then the branches that it left; the base model last."""
    hero = settings.REALM.hero
    champion = crown.quick_champion(settings.WORLD, hero, read_settings(settings.WORLD)[0].champion_metric)
    rows = selectors.list_checkpoints(settings.WORLD, hero, limit=MOST_CHECKPOINTS)
    known = branches_of(hero)
    if known.branches:
        line = known.line()
        rows.sort(key=lambda row: not line.holds(row.branch, row.step, row.name))
    found = [
        _choice(
            row,
            champion=champion is not None and row.name == champion.name,
            branch=branches.title(row.branch) if known.branches else "",
        )
        for row in rows
    ]
    return [*found, Choice(step=0, name=BASE_NAME, label="Base model · step 0, untrained here")]


def _choice(row: Checkpoint, *, champion: bool, branch: str) -> Choice:
    over = f" over {row.val_set['rows']:,} rows" if row.val_set else ""
    losses = [("loss", row.train_loss, ""), ("val", row.val_loss, over)]
    told = [f"{word} {formatting.loss(value)}{of}" for word, value, of in losses if value is not None]
    moment = f"{row.created_at:%d %b %H:%M}".lstrip("0")
    place = [branch] if branch else []
    parts = [f"Step {formatting.whole(row.step)}", *place, moment, *told, *(["champion"] if champion else [])]
    return Choice(step=row.step, name=row.name, label=" · ".join(parts), champion=champion)


def page_context(conversation: Conversation | None, *, page: str | None, chosen: str | None) -> dict[str, Any]:
    """`chosen` is a picker's value, or a checkpoint's name, that the address asks for."""
    offered = choices()
    try:
        registry = read_hosts()
        known, trouble = [describe(host) for host in registry.hosts], registry.trouble
    except BadConfig as error:
        known, trouble = [], str(error)
    questions = list(history.questions_of(conversation)) if conversation else []
    last = _last_answer(questions)
    return {
        "hero": settings.REALM.hero,
        "hosts": known,
        "hosts_trouble": trouble,
        "choices": offered,
        "chosen": next(
            (choice.value for choice in offered if chosen in (choice.value, choice.name)), _value_of(last, offered)
        ),
        "chosen_host": last.host if last else "",
        "remember": True,
        "sampling": last or Sampling(),
        "conversation": conversation,
        "questions": questions,
        "conversations": Paginator(history.conversations(), CONVERSATIONS_A_PAGE).get_page(page),
        "picker": {"hosts": known, "choices": [_plain(choice) for choice in offered]},
    }


def _plain(choice: Choice) -> dict[str, Any]:
    return {"step": choice.step, "name": choice.name, "label": choice.label, "value": choice.value}


def _last_answer(questions: list[Any]) -> Answer | None:
    answers = [answer for question in questions for answer in question.answers.all() if answer.side == Answer.Side.LEFT]
    return answers[-1] if answers else None


def _value_of(answer: Answer | None, offered: list[Choice]) -> str:
    """Who answered last is asked again; at first the newest."""
    if answer is None:
        return offered[0].value
    name = answer.model.rpartition("/")[2]  # empty where nobody answered
    fitting = (choice for choice in offered if choice.step == answer.step and name in ("", choice.name))
    return next((choice.value for choice in fitting), "0 base")


def status_choices() -> list[dict[str, Any]]:
    return [_plain(choice) for choice in choices()]
