"""The services as the page shows them: what one may order, and what each said last."""

from __future__ import annotations

from dataclasses import dataclass

from realm.config import RealmConfig
from realm.logs import reading
from realm.logs.line import LogLine
from realm.logs.sources import NoSuchLog
from realm.weaver import WeaverError
from realm.weaver.orders import ServiceOrder
from realm.weaver.services import ARENA, TAVERN
from realm.world import World
from tavern.page_frame import Button
from watchtower.services import RunningService, services

LAST_LINES = 3
_START = Button(value="start", key="start", label="Start", help="Start it now")
_RESTART = Button(
    value="restart", key="restart", label="Restart", help="Let it save and end, and start it again",
    confirm="ask-service",
)  # fmt: skip
_STOP = Button(
    value="stop", key="stop", label="Stop", help="Let it save and end; it stays away until it is started",
    confirm="ask-service", tone="blood",
)  # fmt: skip
_CONSEQUENCES = {
    (TAVERN, ServiceOrder.RESTART): "This page is gone for some seconds, and comes back by itself. Training goes on.",
    (ARENA, ServiceOrder.RESTART): "The battle saves a checkpoint, and goes on from it when the arena is back.",
    (ARENA, ServiceOrder.STOP): "The battle saves a checkpoint; nothing is trained until the arena is started again.",
}


@dataclass(frozen=True, kw_only=True)
class Order:
    button: Button
    consequence: str


@dataclass(frozen=True, kw_only=True)
class Card:
    service: RunningService
    lines: list[LogLine]
    """What it said last, the oldest first."""
    orders: list[Order]


@dataclass(frozen=True, kw_only=True)
class Overview:
    cards: list[Card]
    trouble: str
    """Why nothing is known of them, or nothing can be ordered; empty where all is well."""

    @property
    def unwell(self) -> int:
        return sum(not card.service.is_well for card in self.cards)


def read_services(world: World, config: RealmConfig) -> Overview:
    try:
        found = services(world, config)
    except WeaverError as error:
        return Overview(cards=[], trouble=str(error))
    woven = any(service.state not in ("STOPPED", "ORPHANED") for service in found)
    cards = [
        Card(service=service, lines=_last_lines(world, service.name), orders=_orders(service) if woven else [])
        for service in found
    ]
    return Overview(
        cards=cards, trouble="" if woven else "No weaver runs here: `scripts/start_all.sh` starts everything."
    )


def _orders(service: RunningService) -> list[Order]:
    """The Tavern, which serves this page, cannot be stopped from it: nothing would be left to start it again by."""
    if service.state == "STOPPING":
        return []
    buttons = [_START] if service.pid is None else [_RESTART] if service.name == TAVERN else [_RESTART, _STOP]
    return [
        Order(button=button, consequence=_CONSEQUENCES.get((service.name, ServiceOrder(button.value)), ""))
        for button in buttons
    ]


def _last_lines(world: World, name: str) -> list[LogLine]:
    try:
        return reading.tail(world, name, limit=LAST_LINES).lines
    except (NoSuchLog, OSError):
        return []
