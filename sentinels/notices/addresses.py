"""Where notices go: URLs as apprise reads them. They hold passwords, so they lie among the world's secrets."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from realm import strict
from realm.disk import durable, locks, mailbox
from realm.strict import Range
from realm.web.forbidden_addresses import leads_to_forbidden
from realm.web.served_hosts import is_loopback
from realm.world import World
from sentinels.notices.errors import NoticeError
from sentinels.notices.rules import MOST_DESTINATIONS, NAMES, is_destination_name

FILE = "notices.json"
LONGEST = 2000
SCHEMES = frozenset({
    "bark", "barks", "discord", "form", "forms", "gchat", "gotify", "gotifys", "hassio", "hassios", "json",
    "jsons", "mailto", "mailtos", "matrix", "matrixs", "mmost", "mmosts", "msteams", "nctalk", "nctalks",
    "ntfy", "ntfys", "pbul", "pover", "prowl", "rocket", "rockets", "signal", "signals", "slack", "tgram",
    "webex", "workflow", "workflows", "xml", "xmls", "zulip",
})  # fmt: skip
"""What reaches a person, or a program of the player's, over HTTP or by mail.

Not what acts on this machine (dbus, gnome, windows, syslog), speaks to other sockets (mqtt, irc, xmpp, rsyslog, smpp),
or wants files and keys of its own (fcm, deltachat, vapid): each would be a way past the rules for addresses.
"""
_OF_ONE_SERVICE = frozenset(
    {"discord", "gchat", "msteams", "pbul", "pover", "prowl", "slack", "tgram", "webex", "zulip"}
)
"""What stands there in place of a host is an id, which may look like an address's number."""
_SHAPE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\S+)")
_LARGEST_BYTES = 256 * 1024
_FORMAT_VERSION = 1
_SHORTEST_SECRET = 4
_HIDDEN = "•••"


@dataclass(frozen=True, kw_only=True)
class _File:
    format_version: Annotated[int, Range(_FORMAT_VERSION, _FORMAT_VERSION, "is not known")] = _FORMAT_VERSION
    addresses: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        strict.check_ranges(self)


def read(world: World) -> dict[str, str]:
    """By destination; they are shown to nobody. Raises NoticeError, OSError."""
    path = world.secrets / FILE
    try:
        said = mailbox.read_json(path, largest_bytes=_LARGEST_BYTES)
        return strict.read(_File, said, source=str(path)).addresses
    except FileNotFoundError:
        return {}
    except strict.BadConfig:  # its sentence quotes what stands there
        raise NoticeError(f"{path} is not as this release writes it") from None
    except mailbox.Damaged as error:
        raise NoticeError(f"{path}: {error}") from None


def keep(world: World, name: str, address: str, *, own_ports: Collection[int]) -> None:
    """Of a destination, in place of an earlier one. Raises NoticeError, OSError."""
    if not is_destination_name(name):
        raise NoticeError(f"{strict.shown(name)} is no name of a destination; {NAMES}")
    address = address.strip()
    check(address, own_ports=own_ports)
    with locks.held(_lock(world)):
        found = read(world)
        if name not in found and len(found) >= MOST_DESTINATIONS:
            raise NoticeError(f"there are {len(found)} destinations already, as many as are allowed")
        _write(world, found | {name: address})


def forget(world: World, name: str) -> bool:
    """Whether there was one. Raises NoticeError, OSError."""
    with locks.held(_lock(world)):
        found = read(world)
        kept = {other: address for other, address in found.items() if other != name}
        if kept != found:
            _write(world, kept)
    return kept != found


def check(address: str, *, own_ports: Collection[int]) -> None:
    """Raises NoticeError for what is never sent to. Where a name leads to is judged once it is connected."""
    found = _SHAPE.fullmatch(address)
    if not found or len(address) > LONGEST or not address.isprintable():
        raise NoticeError(f"an address is expected such as ntfys://ntfy.sh/TOPIC, of at most {LONGEST} letters")
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        web = "; for a web-hook write jsons:// in place of https://" if scheme in ("http", "https") else ""
        raise NoticeError(f"{strict.shown(scheme)} is not allowed{web}; allowed are {', '.join(sorted(SCHEMES))}")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # such as a token in place of a port
        host, port = "", None
    if scheme not in _OF_ONE_SERVICE and leads_to_forbidden(address):
        raise NoticeError("no notice goes to link-local addresses, or to those where clouds keep credentials")
    if port in own_ports and is_loopback(host):
        raise NoticeError("no notice goes to the realm's own servers")


def masked(address: str) -> str:
    """Its scheme alone: of some services the very host is the secret."""
    return f"{address.partition('://')[0].lower()}://{_HIDDEN}" if address else ""


def without_secrets(text: str, address: str) -> str:
    """What a server or a library said, with no part of the address in it."""
    _, _, rest = address.partition("://")
    parts = {part for spelled in (rest, unquote(rest)) for part in (spelled, *re.split(r"[/:@?&=#,\s]+", spelled))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, _HIDDEN)
    return text


def _lock(world: World) -> Path:
    return world.secrets / f"{FILE}.lock"


def _write(world: World, addresses: dict[str, str]) -> None:
    durable.write_json(world.secrets / FILE, asdict(_File(addresses=addresses)), mode=0o600)
