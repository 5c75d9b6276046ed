"""What a branch officer is asked, and what of its answers is believed: no more than what can be checked. No Django."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from realm import strict
from realm.checkpoints.sidecar import CHUNK_BYTES
from realm.version import version
from realm.web import outbound
from realm.web.outbound import Compressed, ForbiddenAddress, TooLarge
from vault.assets import ids, manifest
from vault.assets.manifest import Manifest
from vault.assets.partial import Gap
from vault.errors import Damaged, NotFound, Refused, Unreachable
from vault.officer import wire
from vault.strongholds.contract import StoredAsset
from vault.zones.replies import Replies

STATUS_SECONDS = 5.0
LIST_SECONDS = 60.0
MANIFEST_SECONDS = 1800.0
"""The other machine may have to read all bytes of what it has never told of before, or was pushed in part."""
_WRONG = {404: NotFound, 422: Damaged} | dict.fromkeys((400, 401, 403, 409, 413, 421, 507), Refused)
"""What a status of a refusal means to us."""


@dataclass(frozen=True, kw_only=True)
class ZoneStatus:
    zone_id: str
    version: str
    protocol: str
    base_dir: str
    assets: int
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An upload, begun or found."""

    state: str
    """`open`, or `there` where the zone has all of it."""
    upload: str = ""
    destination: str = ""
    bytes_done: int = 0
    gaps: tuple[Gap, ...] = ()


class Busy(Unreachable):
    """Another caller sends the same thing there."""


class ZoneClient:
    """Methods raise Unreachable where the zone does not answer, or not as it must; NotFound, Refused, Damaged."""

    def __init__(self, zone: str, url: str, token: str = "") -> None:
        self.zone, self.url = zone, url
        self.headers = {wire.PROTOCOL_HEADER: wire.PROTOCOL} | ({"Authorization": f"Bearer {token}"} if token else {})

    def status(self, *, seconds: float = STATUS_SECONDS) -> ZoneStatus:
        said = self._ask("GET", "/status", seconds=seconds)
        reading = Replies(said, who=self._who)
        if (zone_id := reading.text("zone_id", 40)) != self.zone:
            raise Refused(f"{self._who} at {self.url} calls itself zone {strict.shown(zone_id)}")
        catalog, disk = reading.below("catalog"), reading.below("disk")
        return ZoneStatus(
            zone_id=zone_id,
            version=reading.text("version", 40),
            protocol=reading.text("protocol", 20),
            base_dir=reading.text("base_dir", 1024),
            assets=catalog.count("total"),
            total_bytes=disk.count("total_bytes"),
            free_bytes=disk.count("free_bytes"),
        )

    def assets(self) -> list[StoredAsset]:
        said = self._ask("GET", "/assets", seconds=LIST_SECONDS, largest_bytes=wire.LARGEST_MANIFEST_BYTES)
        return [self._stored(each) for each in Replies(said, who=self._who).rows("assets")]

    def asset(self, asset_id: str) -> StoredAsset:
        """A short id will do."""
        path = f"/assets/{_checked(asset_id)}"
        said = self._ask("GET", path, seconds=LIST_SECONDS, largest_bytes=wire.LARGEST_MANIFEST_BYTES)
        return self._stored(Replies(said, who=self._who))

    def manifest(self, asset_id: str) -> Manifest:
        said = self._ask(
            "GET", wire.path_of(_checked(asset_id)),
            seconds=MANIFEST_SECONDS, largest_bytes=wire.LARGEST_MANIFEST_BYTES,
        )  # fmt: skip
        told = manifest.parse(said.get("manifest"), source=self._who)
        if told.asset_id != asset_id and not told.asset_id.startswith(f"{asset_id}_"):
            raise Refused(f"{self._who} was asked for {asset_id} and told of {told.asset_id}")
        return told

    def scan(self) -> dict[str, Any]:
        return self._ask("POST", "/scan", seconds=LIST_SECONDS, largest_bytes=wire.LARGEST_MANIFEST_BYTES)

    def open_upload(self, told: Manifest, destination: str, sender: str) -> Opened:
        """Raises Busy too."""
        body = {"asset_id": told.asset_id, "asset_type": told.kind, "sender": sender, "manifest": asdict(told)}
        said = self._ask(
            "POST", "/receive", json=body | ({"destination": destination} if destination else {}),
            seconds=MANIFEST_SECONDS, largest_bytes=wire.LARGEST_MANIFEST_BYTES,
        )  # fmt: skip
        reading = Replies(said, who=self._who)
        state, where = reading.text("state", 20), reading.text("destination", 4096)
        if state == wire.THERE:
            return Opened(state=state, destination=where)
        if state != wire.OPEN:
            raise Unreachable(f"{self._who} answers rubbish: an upload is {strict.shown(state)}")
        gaps = tuple(self._gap(each, told) for each in reading.rows("missing"))
        return Opened(
            state=state,
            upload=reading.text("upload", 64),
            destination=where,
            bytes_done=reading.count("bytes_done"),
            gaps=gaps,
        )

    def verify(self, asset_id: str) -> None:
        """Have every byte of it read there."""
        self._ask("POST", f"/verify/{_checked(asset_id)}", seconds=MANIFEST_SECONDS)

    def drop(self, asset_id: str) -> None:
        """Delete what it was sent once."""
        self._ask("DELETE", f"/assets/{_checked(asset_id)}", seconds=LIST_SECONDS)

    def commit(self, upload: str, sender: str) -> str:
        """`done`, or `there` where another one was first."""
        said = self._ask(
            "POST", f"/receive/{upload}/commit",
            headers=self.headers | {wire.SENDER_HEADER: sender}, seconds=MANIFEST_SECONDS,
        )  # fmt: skip
        return Replies(said, who=self._who).text("state", 20)

    def check_head(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Raises for an answer that is no success of our protocol."""
        if 300 <= status < 400:
            raise Unreachable(f"{self._who} redirects, which is not followed")
        theirs = next((headers[name] for name in headers if name.lower() == wire.PROTOCOL_HEADER.lower()), None)
        if theirs is not None and theirs != wire.PROTOCOL:
            raise Refused(f"{wire.other_protocol(theirs, who=self._who)} (this is release {version()})")
        if 200 <= status < 300 and theirs is not None:
            return
        sentence, state = _sentence(body)
        if status in _WRONG and (theirs is not None or status in (401, 421)):
            if state == wire.BUSY:
                raise Busy(f"{self._who} receives it from another machine")
            raise _WRONG[status](f"{self._who}: {sentence or f'it answers {status}'}")
        if theirs is None:
            raise Unreachable(f"{self._who} is no branch officer: it answers {status} without a {wire.PROTOCOL_HEADER}")
        raise Unreachable(f"{self._who} answers {status}: {sentence or 'no word'}")

    @property
    def _who(self) -> str:
        return f"zone {self.zone}"

    def _ask(
        self, method: str, path: str, *, seconds: float, largest_bytes: int = wire.LARGEST_REPLY_BYTES, **options: Any
    ) -> dict[str, Any]:
        options.setdefault("headers", self.headers)
        try:
            reply = outbound.ask_once(
                self.url, method, path, seconds=seconds, largest_bytes=largest_bytes, **options
            )  # fmt: skip
        except TimeoutError as error:
            raise Unreachable(f"{self._who} does not answer within {seconds:.0f} s") from error
        except (TooLarge, Compressed) as error:
            raise Unreachable(f"{self._who} answers more than can be an answer") from error
        except ForbiddenAddress as error:
            raise Refused(f"{self._who} is at {error}, where no zone can be") from error
        except outbound.FAILURES as error:
            raise Unreachable(f"{self._who} at {self.url} does not answer: {error or type(error).__name__}") from error
        self.check_head(reply.status, reply.headers, reply.body)
        try:
            said = wire.decode(reply.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise Unreachable(f"{self._who} answers rubbish")
        return said

    def _stored(self, reading: Replies) -> StoredAsset:
        asset_id, kind = reading.text("whole_id", ids.LONGEST), reading.text("kind", 20)
        name = reading.text("name", 255)
        known = ids.parse_checkpoint_id(asset_id)
        is_named = name == known.name if known and known.name else manifest.is_plain_name(name)
        if not ids.is_asset_id(asset_id) or ids.kind_of(asset_id) != kind or not is_named:
            raise Unreachable(f"{self._who} answers rubbish: an asset called {strict.shown(asset_id)}")
        return StoredAsset(
            asset_id=asset_id,
            kind=kind,
            name=name,
            path=reading.text("path", 1024),
            size_bytes=reading.count("size_bytes"),
            created_at=reading.moment("created_at"),
        )

    def _gap(self, reading: Replies, told: Manifest) -> Gap:
        gap = Gap(path=reading.text("path", 1000), start=reading.count("start"), end=reading.count("end"))
        proof = told.files.get(gap.path)
        size = proof.size_bytes if proof else 0
        if not gap.start < gap.end <= size or (gap.end % CHUNK_BYTES and gap.end != size):
            raise Unreachable(f"{self._who} answers rubbish: it misses what there is not")
        return gap


def _checked(asset_id: str) -> str:
    if not ids.is_asset_id(asset_id):
        raise NotFound(f"{strict.shown(asset_id)} is no asset's id")
    return asset_id


def _sentence(body: bytes) -> tuple[str, str]:
    """What the other machine says of its refusal, so that it can be shown, and the word for it."""
    try:
        said = json.loads(body)
        error, state = str(said["error"]), str(said.get("state", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""
    return "".join(letter if letter.isprintable() else " " for letter in error)[:500], state
