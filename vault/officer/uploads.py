"""What arrives at a branch officer: opened by its manifest, filled in any number of requests, named when it is whole.

An upload's id is made of its manifest, so whoever pushes the same thing again finds it. One caller at a time fills it;
another one waits until it is there, or until the first has been silent for a while.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vault.assets import partial
from vault.assets.manifest import Manifest
from vault.assets.partial import AlreadyThere, Partial, Taken
from vault.errors import NotFound, Refused

SILENT_SECONDS = 20.0
"""After which another caller may go on with what one has begun."""
MOST_OPEN = 32


class Busy(Exception):
    """Another caller sends the same thing."""


@dataclass(kw_only=True)
class Upload:
    upload_id: str
    target: Path
    partial: Partial
    sender: str
    heard_at: float
    at_work: bool = False


class Uploads:
    """All calls may come from any thread. They raise what Partial raises, NotFound, Busy."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: dict[str, Upload] = {}
        self._guard = threading.Lock()

    def open(self, target: Path, manifest: Manifest, sender: str) -> Upload:
        """Begun, or found as it is. Raises AlreadyThere, Busy, Refused."""
        upload_id = _id_of(target, manifest)
        with self._guard:
            if (mine := self._take_over(upload_id, sender)) is not None:
                return mine
            if len(self._open) >= MOST_OPEN:
                raise Refused(f"{MOST_OPEN} transfers arrive here already; try again later")
        try:
            partial.sweep(target.parent)
            begun = partial.begin(target, manifest)
        except Taken as error:
            raise Busy from error
        try:
            begun.check_room()
        except BaseException:
            begun.close()
            raise
        upload = Upload(upload_id=upload_id, target=target, partial=begun, sender=sender, heard_at=self._now())
        with self._guard:
            self._open[upload_id] = upload
        return upload

    def _take_over(self, upload_id: str, sender: str) -> Upload | None:
        """That upload, if it is for `sender` to go on with; those that nobody goes on with are closed. Raises Busy."""
        for each in list(self._open.values()):
            if not each.at_work and self._now() - each.heard_at > SILENT_SECONDS:
                self._close(each)
        upload = self._open.get(upload_id)
        if upload is not None:
            if upload.at_work or upload.sender not in ("", sender):
                raise Busy
            upload.sender, upload.heard_at = sender, self._now()
        return upload

    @contextmanager
    def working(self, upload_id: str, sender: str) -> Iterator[Upload]:
        """For one request that fills or ends it."""
        with self._guard:
            upload = self._open.get(upload_id)
            if upload is None or upload.sender not in ("", sender):
                raise NotFound("there is no such upload; begin it anew")
            if upload.at_work:
                raise Busy
            upload.at_work = True
        try:
            yield upload
        finally:
            with self._guard:
                upload.at_work = False
                upload.heard_at = self._now()

    def leave(self, upload: Upload) -> None:
        """Its caller is gone in the middle: whoever comes next may go on."""
        upload.sender = ""

    def commit(self, upload: Upload) -> None:
        """The target is there when this returns. Raises AlreadyThere too."""
        try:
            upload.partial.commit()
        except AlreadyThere:
            upload.partial.discard()
            self.give_up(upload.upload_id, discard=True)
            raise
        self.give_up(upload.upload_id, discard=False)

    def give_up(self, upload_id: str, *, discard: bool) -> None:
        """Forget it; what is half done stays for the next try, unless it shall make room."""
        with self._guard:
            upload = self._open.get(upload_id)
            if upload is not None:
                if discard:
                    upload.partial.discard()
                self._close(upload)

    def told(self) -> list[dict[str, object]]:
        """What arrives now, for whoever watches."""
        with self._guard:
            return [
                {
                    "asset_id": each.partial.manifest.asset_id,
                    "bytes_done": each.partial.bytes_done,
                    "bytes_total": each.partial.size_bytes,
                }
                for each in self._open.values()
            ]

    def close(self) -> None:
        with self._guard:
            for upload in list(self._open.values()):
                self._close(upload)

    def _close(self, upload: Upload) -> None:
        del self._open[upload.upload_id]
        upload.partial.close()


def _id_of(target: Path, manifest: Manifest) -> str:
    return hashlib.sha256(f"{target}\0{manifest.sha256}".encode()).hexdigest()[:32]
