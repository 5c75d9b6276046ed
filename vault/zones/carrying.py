"""Bytes between this machine and a zone until they are all there, whatever breaks in between. No Django.

Both ways are the same loop: ask where the copy arrives what is missing of it, carry that, and ask again. Nothing else
is remembered, so it makes no difference how a try ended.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from vault.assets.manifest import Manifest
from vault.assets.members import DamagedChunk
from vault.assets.partial import AlreadyThere, Gap, Partial, Taken, opened, refusal
from vault.errors import Damaged, Unreachable, VaultError
from vault.officer import wire
from vault.strongholds.contract import Progress
from vault.zones.client import Busy, Opened, ZoneClient
from vault.zones.streams import Stream

BROKEN_TRIES, DAMAGED_TRIES = 6, 3
"""In a row, without a byte gained."""
BUSY_SECONDS = 3600.0
"""The longest wait for another caller who sends the same thing."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 3.0
_BUSY_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Carried:
    bytes_sent: int
    """Over the wire, those that were lost with it too."""
    breaks: int
    """How often it went on where it broke."""
    damaged: int
    """How often bytes were not what their digests say, and were sent again."""
    destination: str = ""


class _Way:
    """How far it is, how often it broke, and whether to try again."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress, self._doing = progress, doing
        self._at = self._best = 0
        self._failures = 0
        self.sent = self.breaks = self.damaged = 0

    def stands_at(self, bytes_done: int) -> None:
        """As the side says where the copy arrives."""
        if bytes_done > self._best:
            self._best, self._failures = bytes_done, 0
        self._at = bytes_done
        self._progress(bytes_done, self._doing)

    def came(self, count: int) -> None:
        self.sent += count
        self._at += count
        self._progress(self._at, self._doing)

    def broke(self, error: VaultError) -> None:
        """Waits, or raises `error` where another try is of no use."""
        is_damage = isinstance(error, Damaged)
        self.damaged, self.breaks = self.damaged + is_damage, self.breaks + (not is_damage)
        self._failures += 1
        if self._failures >= (DAMAGED_TRIES if is_damage else BROKEN_TRIES):
            raise error
        self._progress(self._at, f"again: {error}")
        time.sleep(min(_FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS))

    def wait(self) -> None:
        self._progress(self._at, "another one sends it already; waiting")
        time.sleep(_BUSY_PAUSE_SECONDS)

    def carried(self, destination: str = "") -> Carried:
        return Carried(bytes_sent=self.sent, breaks=self.breaks, damaged=self.damaged, destination=destination)


def pull(client: ZoneClient, manifest: Manifest, target: Path, *, progress: Progress) -> Carried:
    """`target` is whole when this returns, as it may have been before.

    Raises Unreachable, after some tries; Damaged, Refused, NotFound, and what `progress` raises.
    """
    way = _Way(progress, f"{manifest.name} from zone {client.zone}")
    try:
        with opened(target, manifest, wait_seconds=BUSY_SECONDS) as partial, Stream(client) as stream:
            partial.check_room()
            while gaps := partial.gaps():
                way.stands_at(partial.bytes_done)
                try:
                    for gap in gaps:
                        _fill(stream, partial, gap, way)
                except (Unreachable, DamagedChunk) as error:
                    way.stands_at(partial.bytes_done)
                    way.broke(error)
            partial.commit()
    except AlreadyThere:
        pass
    except Taken as error:
        raise Unreachable(str(error)) from error
    except OSError as error:
        raise refusal(error, target.parent) from error
    return way.carried(str(target))


def _fill(stream: Stream, partial: Partial, gap: Gap, way: _Way) -> None:
    writer = partial.members[gap.path].writer(gap.start)
    try:
        stream.receive(
            partial.manifest.asset_id, gap, partial.manifest.files[gap.path].sha256, writer, way.came
        )  # fmt: skip
    finally:
        writer.end()


def push(client: ZoneClient, source: Path, manifest: Manifest, *, destination: str = "", progress: Progress) -> Carried:
    """It is whole there when this returns, as it may have been before. Raises as `pull`."""
    way, sender = _Way(progress, f"{manifest.name} to zone {client.zone}"), secrets.token_hex(8)
    give_up_at = time.monotonic() + BUSY_SECONDS
    root = source.parent if manifest.is_file else source
    with Stream(client) as stream:
        while True:
            try:
                upload = client.open_upload(manifest, destination, sender)
                way.stands_at(upload.bytes_done)
                for gap in upload.gaps:
                    stream.send(upload.upload, sender, root / gap.path, gap, way.came)
            except Busy:
                if time.monotonic() > give_up_at:
                    raise
                way.wait()
            except (Unreachable, Damaged) as error:
                way.broke(error)
            else:
                if _is_there(client, upload, sender, way):
                    return way.carried(upload.destination)


def _is_there(client: ZoneClient, upload: Opened, sender: str, way: _Way) -> bool:
    if upload.state == wire.THERE:
        return True
    try:
        client.commit(upload.upload, sender)
    except Unreachable as error:  # whether it is there now is asked anew
        way.broke(error)
        return False
    return True
