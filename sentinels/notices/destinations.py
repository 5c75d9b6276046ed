"""Destinations as page, command and API show and change them: rules in the settings, addresses among the secrets."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realm import config, strict
from realm.config import RealmConfig
from realm.disk import locks
from realm.disk.locks import Taken
from realm.world import World
from realm.yaml_files import read_yaml
from sentinels.notices import addresses, outbox, rules, sending
from sentinels.notices.errors import NoSuchDestination, NoticeError
from sentinels.notices.notifier import NO_ADDRESS
from sentinels.notices.outbox import Box, Outbox, Outcome
from sentinels.notices.own_ports import own_ports
from sentinels.notices.rules import DestinationRules, Rules
from sentinels.notices.sending import MISSING, Answer, Order, Send

TEST_SECONDS = 8.0
_TEST_LOCK = "notices-test.lock"


@dataclass(frozen=True, kw_only=True)
class Destination:
    name: str
    address: str
    """Masked; empty: there is none yet."""
    rules: DestinationRules
    waiting: int
    """Events that are not told yet."""
    failures: int
    """In a row."""
    last_sent: Outcome | None
    last_failed: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    time_zone: str
    destinations: tuple[Destination, ...]
    trouble: str
    """In one sentence why nothing is sent, empty where it is."""


def overview(world: World, found: RealmConfig) -> Overview:
    """Raises strict.BadConfig for rules that cannot be."""
    known = rules.read_rules(found)
    trouble = "" if is_installed() or not known.destinations else MISSING
    kept: dict[str, str] = {}
    try:
        kept = addresses.read(world)
    except (NoticeError, OSError) as error:
        trouble = str(error)
    state = outbox.look(world)
    each = tuple(_destination(name, known, kept.get(name, ""), state) for name in known.destinations)
    return Overview(time_zone=known.time_zone, destinations=each, trouble=trouble)


def history(world: World) -> list[Outcome]:
    """What was sent and what was not, the newest first."""
    return list(reversed(outbox.look(world).log))


def is_installed() -> bool:
    """Whether the extra `notify` is there; looking does not load it."""
    return importlib.util.find_spec("apprise") is not None


def add(world: World, name: str, address: str, changes: Mapping[str, Any] | None = None) -> None:
    """A new destination, or a new address of a known one. Raises NoticeError, strict.BadConfig, OSError."""
    found = config.load(world)
    address = address.strip()
    addresses.check(address, own_ports=own_ports(found))
    if changes or name not in rules.read_rules(found).destinations:
        rules.save_destinations(world, {name: changes or {}})
    addresses.keep(world, name, address, own_ports=own_ports(found))


def save(world: World, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Keys of known destinations' rules. Raises NoticeError, strict.BadConfig."""
    for name in changes:
        _known(world, name)
    rules.save_destinations(world, {name: keys for name, keys in changes.items() if keys})


def remove(world: World, name: str) -> None:
    """Its rules and its address. Raises NoticeError, strict.BadConfig, OSError."""
    is_own = name in _own_rules(world)
    if is_own:
        rules.save_destinations(world, {name: None})
    if not addresses.forget(world, name) and not is_own:
        _known(world, name)
        raise NoticeError(f"{name} stands in the checkout's configs/realm.yaml; take it out there")


def send_test(world: World, name: str, *, send: Send = sending.send) -> Answer:
    """What the server answers to a test, within ten seconds. Raises NoticeError, strict.BadConfig, OSError."""
    found = config.load(world)
    _known(world, name)
    address = addresses.read(world).get(name)
    if address is None:
        raise NoticeError(NO_ADDRESS.format(name=name))
    order = Order(
        address=address, title=f"{found.hero}: a test", body=f"Notices about {found.hero} come here.",
        seconds=TEST_SECONDS, own_ports=own_ports(found),
    )  # fmt: skip
    try:
        with locks.only_one(world.control / _TEST_LOCK):
            return send(order)
    except Taken:
        raise NoticeError("another test is under way; try again in a few seconds") from None


def _own_rules(world: World) -> Mapping[str, Any]:
    """What stands in the world's own settings, by destination."""
    path = config.config_file(world)
    said = strict.read(RealmConfig, read_yaml(path), source=str(path)).notices.get("destinations")
    return said if isinstance(said, Mapping) else {}


def _known(world: World, name: str) -> DestinationRules:
    known = rules.read_rules(config.load(world)).destinations
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none yet"
        raise NoSuchDestination(f"there is no destination {strict.shown(name)}; {there}")
    return known[name]


def _destination(name: str, known: Rules, address: str, state: Outbox) -> Destination:
    box = state.boxes.get(name, Box())
    mine = [outcome for outcome in reversed(state.log) if outcome.destination == name]
    return Destination(
        name=name, address=addresses.masked(address), rules=known.destinations[name],
        waiting=len(box.waiting) + box.left_out, failures=box.failures,
        last_sent=next((outcome for outcome in mine if outcome.ok), None),
        last_failed=next((outcome for outcome in mine if not outcome.ok), None),
    )  # fmt: skip
