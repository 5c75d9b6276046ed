"""The report on return: what is otherwise than when somebody looked last, a row each, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, QuerySet
from django.urls import reverse

from arena.models import ChronicleEntry
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, level_at
from tavern import formatting
from tavern.away import changes
from tavern.away.changes import Pair
from tavern.moments import addresses
from watchtower.selectors import quests_completed
from watchtower.timeline.day import read_day
from watchtower.timeline.spans import Kind

MOST_MOMENTS = 5
"""Named in a row; the others are counted."""
LEAST_WAIT_SECONDS = 60.0
FAULTS = ("fault", "trainer_died", "trainer_hung", "service_restarted")
REFUSED = ("quest_refused", "battle_failed")
_DAY_HOURS = 24.0


@dataclass(frozen=True, kw_only=True)
class Moment:
    said: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Row:
    key: str
    label: str
    said: str
    """Formatted, as `3 → 9` or `4`."""
    icon: str
    tone: str
    moments: list[Moment] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Report:
    since: datetime
    until: datetime
    rows: list[Row]
    """Those whose formatted value changed."""

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    @property
    def happened(self) -> bool:
        """Waiting is nothing that happened, nor is a disk that others fill."""
        return any(row.key not in QUIET for row in self.rows)


WAITED, DISK = "waited", "disk"
QUIET = (WAITED, DISK)
ROWS = {
    "level": "Level", "steps": "Steps trained", "val_loss": "Validation loss", "quests": "Quests completed",
    "failed": "Quests that failed", "won": "Levels won", "lost": "Levels lost", "champions": "New champions",
    "checkpoints": "Checkpoints saved", "faults": "Faults survived", "achievements": "Achievements", "gold": "Gold",
    DISK: "Free disk", WAITED: "Waited",
}  # fmt: skip
"""Keys of the rows, in their order, and what each is called."""
_LOOKS = {
    "level": ("upgrade", "arcane"), "steps": ("crossed-swords", "ember"), "val_loss": ("checked-shield", "sky"),
    "quests": ("scroll-unfurled", "moss"), "failed": ("skull-crossed-bones", "blood"), "won": ("spell-book", "moss"),
    "lost": ("cursed-star", "ember"), "champions": ("laurel-crown", "gold"), "checkpoints": ("locked-chest", "gold"),
    "faults": ("cursed-star", "blood"), "achievements": ("trophy-cup", "gold"), "gold": ("two-coins", "gold"),
    DISK: ("locked-chest", "plain"), WAITED: ("hourglass", "plain"),
}  # fmt: skip


def report(world: World, hero: str, *, since: datetime, until: datetime) -> Report:
    """Raises DatabaseError."""
    told = Told(since, until)
    found = [*_of_hero(world, hero, since), *_of_chronicle(told), *_of_gold(hero, told), *_of_machine(world, told)]
    order = list(ROWS)
    return Report(since=since, until=until, rows=sorted(found, key=lambda row: order.index(row.key)))


class Told:
    """The chronicle's entries between two moments, counted by kind in one question."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self.since, self.until = since, until
        rows = self._entries().order_by().values_list("kind").annotate(count=Count("id"))
        self._counts: dict[str, int] = dict(rows)

    def count(self, *kinds: str) -> int:
        return sum(self._counts.get(kind, 0) for kind in kinds)

    def newest(self, *kinds: str) -> list[ChronicleEntry]:
        """At most MOST_MOMENTS, the newest first; asked only where there are any."""
        if not self.count(*kinds):
            return []
        return list(self._entries().filter(kind__in=kinds).order_by("-id")[:MOST_MOMENTS])

    def _entries(self) -> QuerySet[ChronicleEntry]:
        return ChronicleEntry.objects.filter(time__gt=self.since, time__lte=self.until)


def _of_hero(world: World, hero: str, since: datetime) -> Iterator[Row]:
    steps = changes.steps_of(world, hero, since)
    level = Pair(before=level_at(int(steps.before or 0)), after=level_at(int(steps.after or 0)))
    yield from _changed("level", level, formatting.whole)
    yield from _changed("steps", steps, formatting.whole)
    yield from _changed("val_loss", changes.validation_loss_of(hero, since), formatting.loss)


def _of_chronicle(told: Told) -> Iterator[Row]:
    for key, kinds in (
        ("quests", ("quest_completed",)), ("failed", REFUSED),
        ("won", ("skill_level_up", "skill_level_regained")), ("lost", ("skill_level_lost",)),
        ("champions", ("new_champion",)), ("checkpoints", ("checkpoint_saved",)), ("faults", FAULTS),
        ("achievements", ("achievement",)),
    ):  # fmt: skip
        if count := told.count(*kinds):
            entries = [] if key == "checkpoints" else told.newest(*kinds)
            hrefs = addresses(entries) if entries else {}
            yield _row(key, formatting.whole(count), [Moment(said=one.message, href=hrefs[one.id]) for one in entries])


def _of_gold(hero: str, told: Told) -> Iterator[Row]:
    after = quests_completed(hero) * GOLD_PER_QUEST
    before = after - quests_completed(hero, since=told.since) * GOLD_PER_QUEST
    yield from _changed("gold", Pair(before=before, after=after), formatting.whole)


def _of_machine(world: World, told: Told) -> Iterator[Row]:
    yield from _changed(DISK, changes.free_disk_of(world, told.since, told.until), formatting.size)
    hours = (told.until - told.since).total_seconds() / 3600
    if not 0 < hours <= _DAY_HOURS:
        return
    waits: dict[str, float] = {}
    for span in read_day(world, now=told.until.timestamp(), hours=hours).idle:
        if span.kind == Kind.UNKNOWN:
            continue
        why = span.why or _WHY.get(span.kind, str(span.kind))
        waits[why] = waits.get(why, 0.0) + span.seconds
    long = {why: seconds for why, seconds in waits.items() if seconds >= LEAST_WAIT_SECONDS}
    if long:
        worst = sorted(long, key=lambda why: -long[why])[:MOST_MOMENTS]
        href = f"{reverse('tavern:watchtower')}#timeline"
        moments = [Moment(said=f"{formatting.duration(long[why])}: {why}", href=href) for why in worst]
        yield _row(WAITED, formatting.duration(sum(long.values())), moments)


_WHY = {Kind.ASLEEP: "no quest was there", Kind.PAUSED: "paused", Kind.OFF: "the arena was off"}


def _changed(key: str, pair: Pair, written: object) -> Iterator[Row]:
    """A row where both are known and read differently."""
    assert callable(written)
    if pair.known and (before := written(pair.before)) != (after := written(pair.after)):
        yield _row(key, f"{before} → {after}", [])


def _row(key: str, said: str, moments: list[Moment]) -> Row:
    icon, tone = _LOOKS[key]
    return Row(key=key, label=ROWS[key], said=said, icon=icon, tone=tone, moments=moments)
