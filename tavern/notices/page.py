"""Destinations of notices and the matrix of what each is told, as the page shows and sets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import QueryDict

from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World
from sentinels.notices import destinations
from sentinels.notices.addresses import LONGEST
from sentinels.notices.destinations import Destination
from sentinels.notices.events import EVENTS, Event
from sentinels.notices.outbox import Outcome
from sentinels.notices.rules import DIGESTS
from tavern.forms import StyledForm
from tavern.live_settings import read_settings

MOST_OUTCOMES = 20
DIGEST_WORDS = {"immediate": "at once", "hourly": "once an hour", "daily": "once a day"}


class RulesForm(StyledForm):
    """What one destination is told, and when."""

    enabled = forms.BooleanField(required=False, label="switched on")
    events = forms.MultipleChoiceField(
        required=False, label="Told", choices=[(name, event.title) for name, event in EVENTS.items()]
    )
    digest = forms.ChoiceField(label="Goes", choices=[(digest, DIGEST_WORDS[digest]) for digest in DIGESTS])
    digest_at = forms.CharField(label="Daily at", max_length=5)
    quiet = forms.CharField(
        required=False, label="Quiet hours", max_length=11, widget=forms.TextInput({"placeholder": "22:00-07:00"})
    )
    urgent_breaks_quiet = forms.BooleanField(required=False, label="what is urgent goes at once")

    def changes(self) -> dict[str, Any]:
        """Of a form that is valid."""
        return {key: self.cleaned_data[key] for key in self.changed_data}


class AddForm(StyledForm):
    name = forms.CharField(label="Name", max_length=30, widget=forms.TextInput({"placeholder": "phone"}))
    address = forms.CharField(
        label="Address", max_length=LONGEST, help_text="It is a secret: it is kept, and never shown again.",
        widget=forms.PasswordInput({"placeholder": "ntfys://ntfy.sh/TOPIC"}),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Box:
    """One of the matrix."""

    destination: str
    field: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    event: Event
    boxes: list[Box]


@dataclass(frozen=True, kw_only=True)
class Column:
    destination: Destination
    form: RulesForm

    @property
    def lines(self) -> list[tuple[datetime, Outcome, str]]:
        """The last that was sent and the last that was not: when, what, and the colour."""
        last = ((self.destination.last_sent, "moss"), (self.destination.last_failed, "blood"))
        return [(datetime.fromtimestamp(one.time, UTC), one, tone) for one, tone in last if one]


@dataclass(frozen=True, kw_only=True)
class NoticesPage:
    columns: list[Column]
    rows: list[Row]
    log: list[tuple[datetime, Outcome]]
    time_zone: str
    trouble: str


def read(world: World, *, refused: Sequence[RulesForm] = ()) -> NoticesPage:
    """`refused` are forms that were not understood; they keep what was typed."""
    found, trouble = read_settings(world)
    try:
        seen = destinations.overview(world, found)
    except BadConfig as error:
        return NoticesPage(columns=[], rows=[], log=[], time_zone="", trouble=str(error))
    typed = {str(form.prefix): form for form in refused}
    columns = [Column(destination=one, form=typed.get(one.name) or _form(one)) for one in seen.destinations]
    log = [(datetime.fromtimestamp(one.time, UTC), one) for one in destinations.history(world)[:MOST_OUTCOMES]]
    return NoticesPage(
        columns=columns, rows=[_row(name, event, columns) for name, event in EVENTS.items()], log=log,
        time_zone=seen.time_zone, trouble=trouble or seen.trouble,
    )  # fmt: skip


def forms_of(world: World, config: RealmConfig, typed: QueryDict) -> list[RulesForm]:
    """Raises strict.BadConfig."""
    return [_form(one, typed) for one in destinations.overview(world, config).destinations]


def _form(one: Destination, typed: QueryDict | None = None) -> RulesForm:
    names = ("enabled", "digest", "digest_at", "quiet", "urgent_breaks_quiet")
    initial = {name: getattr(one.rules, name) for name in names} | {"events": list(one.rules.events)}
    return RulesForm(typed, prefix=one.name, initial=initial)


def _row(name: str, event: Event, columns: Sequence[Column]) -> Row:
    boxes = [
        Box(
            destination=column.destination.name, field=column.form["events"].html_name,
            is_on=name in (column.form["events"].value() or ()),
        )
        for column in columns
    ]  # fmt: skip
    return Row(name=name, event=event, boxes=boxes)
