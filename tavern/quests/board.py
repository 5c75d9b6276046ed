"""The lists of the quest board, each a page at a time: 10,000 quests cost no more than 50."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet

from arena import selectors as arena_selectors
from arena.models import Battle, Quest
from arena.quest_orders import Act
from arena.queue import files as queue
from realm.world import PRIORITIES, World
from tavern.quests.cards import Card, Fight, cards_of, orders_waiting

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What stands in a list, and what may be done with many of it at once."""

    name: str
    title: str
    state: Quest.State
    empty: str
    acts: tuple[Act, ...] = ()
    lane: bool = False
    folded: bool = False
    """On narrow screens, until the player unfolds it."""

    @property
    def batch(self) -> str:
        """What the buttons for many at once may say, as words."""
        moves = PRIORITIES if self.lane or self.state == Quest.State.INSPECTED else ()
        return " ".join((*moves, *self.acts))


_LANE_ACTS = (Act.HOLD, Act.CANCEL)
KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="high", title="High", state=Quest.State.QUEUED, lane=True, acts=_LANE_ACTS,
             empty="Nothing urgent. Drag a quest here and it is fought first."),
        Kind(name="normal", title="Normal", state=Quest.State.QUEUED, lane=True, acts=_LANE_ACTS,
             empty="No quest waits here."),
        Kind(name="low", title="Low", state=Quest.State.QUEUED, lane=True, acts=_LANE_ACTS,
             empty="Nothing is left for idle hours."),
        Kind(name="battling", title="In battle", state=Quest.State.BATTLING, empty="No quest is being fought."),
        Kind(name="arriving", title="At the gate", state=Quest.State.ARRIVED, acts=(Act.CANCEL,),
             empty="The gatekeepers have nothing to look at."),
        Kind(name="held", title="On hold", state=Quest.State.INSPECTED, acts=(Act.RELEASE, Act.CANCEL),
             empty="No quest waits for your word."),
        Kind(name="done", title="Won", state=Quest.State.COMPLETED, acts=(Act.FORCE, Act.DISCARD), folded=True,
             empty="No quest has been won yet."),
        Kind(name="failed", title="Refused or failed", state=Quest.State.FAILED,
             acts=(Act.RETRY, Act.FORCE, Act.DISCARD), empty="No quest has failed."),
        Kind(name="cancelled", title="Cancelled", state=Quest.State.CANCELLED, acts=(Act.RETRY, Act.DISCARD),
             folded=True, empty="No quest was cancelled."),
    )
}  # fmt: skip
LANES = tuple(kind.name for kind in KINDS.values() if kind.lane)


@dataclass(frozen=True, kw_only=True)
class QuestList:
    kind: Kind
    page: Page[Quest]
    cards: list[Card]
    query: str
    after: int | None
    """The first quest of the next page, which one that is moved to the end of this one goes in front of."""

    @property
    def count(self) -> int:
        return self.page.paginator.count


def quests_of(kind: Kind, query: str = "") -> QuerySet[Quest]:
    """In the order in which they are shown; lanes as they will be fought, what is over newest first."""
    found = queue.waiting().filter(priority=kind.name) if kind.lane else _of_state(kind.state)
    return found.filter(name__icontains=query) if query else found


def _of_state(state: Quest.State) -> QuerySet[Quest]:
    quests = Quest.objects.filter(state=state)
    if state == Quest.State.ARRIVED:
        return queue.arrived()
    if state == Quest.State.INSPECTED:
        return queue.in_order(quests)
    over = state in (Quest.State.COMPLETED, Quest.State.FAILED, Quest.State.CANCELLED)
    return quests.order_by("-ended_at", "-id") if over else quests.order_by("id")


def read_list(world: World, name: str, *, page: str | int | None = 1, query: str = "") -> QuestList:
    """One page; a number past the end is the last one. Raises KeyError for a name that is no list."""
    kind = KINDS[name]
    shown = Paginator(quests_of(kind, query), PER_PAGE).get_page(page)
    first = shown.start_index() if kind.lane and not query else None
    quests = list(shown.object_list)
    fights = _fights(world, quests) if kind.state == Quest.State.BATTLING else {}
    cards = cards_of(world, quests, asked=orders_waiting(world), fights=fights, first=first)
    following = shown.paginator.page(shown.next_page_number()).object_list[:1] if shown.has_next() else []
    after = next((quest.pk for quest in following), None)
    return QuestList(kind=kind, page=shown, cards=cards, query=query, after=after)


def _fights(world: World, quests: list[Quest]) -> dict[int, Fight]:
    battles = Battle.objects.filter(quest__in=quests).order_by("id")
    return {battle.quest_id: _fight(world, battle) for battle in battles}


def _fight(world: World, battle: Battle) -> Fight:
    last = arena_selectors.last_step(world, battle)
    is_parted = battle.state == Battle.State.PAUSED and battle.hero != settings.REALM.hero
    return Fight(
        battle=battle.battle_id, step=last.quest_step if last else None, total=battle.total_steps,
        waits_for=battle.hero if is_parted else "",
    )  # fmt: skip


def counts() -> dict[str, int]:
    """How many stand in each list, whatever is searched for."""
    rows = list(Quest.objects.order_by().values_list("state", "priority").annotate(many=Count("id")))
    return {
        kind.name: sum(
            many for state, priority, many in rows if state == kind.state and (not kind.lane or priority == kind.name)
        )
        for kind in KINDS.values()
    }
