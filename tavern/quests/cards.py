"""A quest as the board and its own page show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from arena import quest_orders
from arena.gate import report
from arena.models import Quest
from arena.quest_orders import Act
from realm.world import World
from tavern.home.foes import Foe, foe_of
from tavern.page_frame import Button

LABELS = {
    Act.HOLD: "Hold",
    Act.RELEASE: "Release",
    Act.CANCEL: "Cancel",
    Act.RETRY: "Retry",
    Act.FORCE: "Fight it anyway",
    Act.DISCARD: "Discard",
}
HELP = {
    Act.HOLD: "It waits until you release it, whatever stands behind it",
    Act.RELEASE: "It takes its place in the queue",
    Act.CANCEL: "It is not fought; its file stays, so that it can be tried again",
    Act.RETRY: "The gatekeepers look at it again",
    Act.FORCE: "What the gatekeepers refused it for is let pass",
    Act.DISCARD: "Delete its file",
}
ASKED = {
    Act.HOLD: "hold asked",
    Act.RELEASE: "release asked",
    Act.MOVE: "move asked",
    Act.CANCEL: "cancel asked",
    Act.RETRY: "retry asked",
    Act.FORCE: "fight asked",
    Act.DISCARD: "discard asked",
    Act.RECIPE: "recipe asked",
}
CONFIRMED = frozenset({Act.CANCEL, Act.DISCARD})

# What to do about a quest that was refused as a whole, by the kind of its reason.
ADVICE = {
    "duplicate": "Discard it, or fight it anyway if twice is what you want.",
    "bad-rows": "Open it to mend the refused rows, or fight it anyway with the rows that are good.",
    "not-a-file": "Drop the file itself, not a link, a pipe or a folder.",
    "unreadable": "Make the file readable for the arena, then retry.",
    "not-jsonl": "Write one JSON object a line and drop it again.",
    "compression": "Compress it anew, or drop it uncompressed.",
    "too-large": "Split it into several quests.",
    "changed": "Leave the file alone once it is dropped, then retry.",
    "json": "Mend the line that is named and drop it again.",
    "recipe": "Mend its recipe, or give it another one, then retry.",
    "gate-died": "Nothing is known to be wrong with it: the gatekeepers died while they looked. Retry.",
    "utf-8": "Save the file as UTF-8 and drop it again.",
}
OTHER_ADVICE = "Mend what the reason names, then retry."
ENDED_ADVICE = "Retry to have it fought again."


@dataclass(frozen=True, kw_only=True)
class Fight:
    """How far the battle on a quest is."""

    battle: str
    step: int | None
    total: int | None
    waits_for: str = ""
    """The hero whose battle it is, where another one fights now."""

    @property
    def progress(self) -> float | None:
        if not self.total or self.step is None:
            return None
        return min(self.step, self.total - 1) / self.total


@dataclass(frozen=True, kw_only=True)
class Card:
    quest: Quest
    foe: Foe
    place: int | None
    """Its number in its list, from 1; None where the order means nothing."""
    buttons: list[Button]
    movable: bool
    lanes: list[Button]
    """To the other priorities."""
    asked: str
    fight: Fight | None = None
    line: int | None = None
    advice: str = ""

    @property
    def refused(self) -> int:
        return self.quest.rows - self.quest.taken - self.quest.held_out

    @property
    def form(self) -> str:
        """`messages +2`: the first of the formats of its rows, and how many others there are."""
        first, *others = self.quest.data_format.split(", ")
        return f"{first} +{len(others)}" if others else first

    @property
    def since(self) -> datetime:
        return self.quest.ended_at or self.quest.arrived_at

    @property
    def since_said(self) -> str:
        return "ended" if self.quest.ended_at else "arrived"


def cards_of(
    world: World,
    quests: Iterable[Quest],
    *,
    asked: Mapping[int, str],
    fights: Mapping[int, Fight],
    first: int | None = None,
) -> list[Card]:
    """`first`: the place of the first one; None where the order means nothing."""
    return [
        card_of(world, quest, asked=asked, place=None if first is None else first + number, fight=fights.get(quest.pk))
        for number, quest in enumerate(quests)
    ]


def card_of(
    world: World,
    quest: Quest,
    *,
    asked: Mapping[int, str],
    place: int | None = None,
    fight: Fight | None = None,
) -> Card:
    acts = quest_orders.acts_for(quest)
    lanes = [lane_button(quest, lane) for lane in Quest.Priority.values if lane != quest.priority]
    return Card(
        quest=quest,
        foe=foe_of(quest.name, quest.tokens),
        place=place,
        buttons=[button_of(quest, act) for act in acts if act is not Act.MOVE],
        movable=Act.MOVE in acts,
        lanes=lanes if Act.MOVE in acts else [],
        asked=asked.get(quest.pk, ""),
        fight=fight,
        line=reason_line(world, quest),
        advice=advice_on(quest),
    )


def button_of(quest: Quest, act: Act) -> Button:
    again = act is Act.FORCE and quest.state == Quest.State.COMPLETED
    fought = act is Act.CANCEL and quest.state == Quest.State.BATTLING
    return Button(
        value=f"{act} {quest.pk}",
        key=f"{act}-{quest.pk}",
        label="Fight it again" if again else LABELS[act],
        help="It joins the queue once more" if again else "The battle is saved and ended" if fought else HELP[act],
        confirm=f"ask-{act}" if act in CONFIRMED else "",
        tone="blood" if act in CONFIRMED else "",
    )


def lane_button(quest: Quest, lane: str) -> Button:
    return Button(
        value=f"{lane} {quest.pk}", key=f"{lane}-{quest.pk}", label=lane.capitalize(), help=f"To {lane} priority"
    )


def reason_line(world: World, quest: Quest) -> int | None:
    """The line that a failed quest was refused for, from the reason beside its file."""
    if quest.state != Quest.State.FAILED or not quest.file:
        return None
    line = report.read_reason(world.queue / quest.file).get("line")
    return line if isinstance(line, int) and line > 0 else None


def advice_on(quest: Quest) -> str:
    if quest.state == Quest.State.FAILED:
        return ADVICE.get(quest.refusal, OTHER_ADVICE)
    return ENDED_ADVICE if quest.state == Quest.State.CANCELLED and quest.file else ""


def orders_waiting(world: World) -> dict[int, str]:
    """What was asked of each quest and is not carried out yet, by the quest's id."""
    return {target.id: ASKED[order.act] for _, order in quest_orders.MAILBOX.waiting(world) for target in order.quests}
