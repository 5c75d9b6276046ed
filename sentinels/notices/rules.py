"""What a player may set of notices: the keys under `notices` in the settings. Addresses, being secret, do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from realm import config_edit, strict
from realm.config import RealmConfig
from realm.world import World
from sentinels.notices.errors import NoticeError
from sentinels.notices.events import BY_DEFAULT, EVENTS

MOST_DESTINATIONS = 20
Digest = Literal["immediate", "hourly", "daily"]
DIGESTS: tuple[Digest, ...] = get_args(Digest)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_AT, _QUIET = re.compile(_CLOCK), re.compile(f"({_CLOCK})-({_CLOCK})")


@dataclass(frozen=True, kw_only=True)
class DestinationRules:
    enabled: bool = True
    events: tuple[str, ...] = BY_DEFAULT
    """Names of sentinels.notices.events.EVENTS."""
    digest: Digest = "immediate"
    """`hourly` and `daily` put what happened into one notice."""
    digest_at: str = "08:00"
    """When the daily one goes."""
    quiet: str = ""
    """Hours in which nothing goes, such as `22:00-07:00`; what happens then goes at their end, in one notice."""
    urgent_breaks_quiet: bool = False
    """Whether what is urgent goes at once all the same."""

    def __post_init__(self) -> None:
        for name in self.events:
            if name not in EVENTS:
                raise ValueError(f"events: {strict.unknown_key(name, EVENTS).replace('key', 'event', 1)}")
        if not _AT.fullmatch(self.digest_at):
            raise ValueError(f"digest_at: {strict.shown(self.digest_at)} is no time; allowed is one such as 08:00")
        if self.quiet and not ((found := _QUIET.fullmatch(self.quiet)) and found[1] != found[2]):
            raise ValueError(f"quiet: {strict.shown(self.quiet)} is not allowed; allowed are hours such as 22:00-07:00")


@dataclass(frozen=True, kw_only=True)
class Rules:
    time_zone: str = ""
    """In which hours are meant, such as Europe/Berlin; empty: the machine's."""
    destinations: dict[str, DestinationRules] = field(default_factory=dict)
    """By a name that the player gives."""

    def __post_init__(self) -> None:
        if self.time_zone:
            try:
                ZoneInfo(self.time_zone)
            except (KeyError, ValueError, OSError):  # not found, no name of a file, a folder
                raise ValueError(
                    f"time_zone: {strict.shown(self.time_zone)} is none; allowed are names such as Europe/Berlin"
                ) from None
        for name in self.destinations:
            if not is_destination_name(name):
                raise ValueError(f"destinations: {strict.shown(name)} is no name; {NAMES}")
        if len(self.destinations) > MOST_DESTINATIONS:
            raise ValueError(f"destinations: {len(self.destinations)} are too many; allowed are {MOST_DESTINATIONS}")


NAMES = "allowed are 1 to 30 letters (a-z), digits, '-' and '_', a letter first"


def is_destination_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name))


def read_rules(config: RealmConfig, *, source: str = "notices") -> Rules:
    """Raises strict.BadConfig for rules that cannot be."""
    return strict.read(Rules, config.notices, source=source)


def save_destinations(world: World, changes: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Put keys of destinations into the world's `config.yaml`; None takes the destination out of it.

    Raises strict.BadConfig, and then nothing is changed.
    """
    values: dict[config_edit.Path, Any] = {}
    for name, keys in changes.items():
        if not is_destination_name(name):
            raise NoticeError(f"{strict.shown(name)} is no name of a destination; {NAMES}")
        path = ("notices", "destinations", name)
        if keys is None or not keys:
            values[path] = config_edit.ABSENT if keys is None else {}
        values |= {(*path, key): value for key, value in (keys or {}).items()}
    config_edit.change(world, values, check=lambda settings: _check_settings(world, settings))


def _check_settings(world: World, settings: dict[str, Any]) -> None:
    strict.read(Rules, settings.get("notices") or {}, source=f"{world.home / 'config.yaml'}: notices")
