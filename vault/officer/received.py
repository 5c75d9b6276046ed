"""What a branch officer was sent and keeps: this alone it may be told to delete, nothing that it found."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from realm.disk import durable, mailbox
from vault.assets import partial
from vault.assets.manifest import PART_PREFIX
from vault.errors import Refused
from vault.officer.catalog import Held

_LARGEST_BYTES = 64 * 1024


class Received:
    def __init__(self, base: Path, folder: Path) -> None:
        self._base, self._folder = base, folder

    def note(self, asset_id: str, target: Path) -> None:
        """Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        said = {"path": target.relative_to(self._base).as_posix(), "at": datetime.now(UTC).isoformat()}
        durable.write_json(self._note_of(asset_id), said)

    def drop(self, held: Held) -> None:
        """Raises Refused for what was not sent here, or where the disk refuses."""
        note = self._note_of(held.asset_id)
        try:
            said = mailbox.read_json(note, largest_bytes=_LARGEST_BYTES)
        except (OSError, mailbox.Damaged):
            said = {}
        if not isinstance(said, dict) or said.get("path") != held.path.as_posix():
            raise Refused(f"{held.asset_id} was not sent here, and is deleted by the owner of this machine alone")
        target = self._base / held.path
        doomed = target.with_name(f"{PART_PREFIX}doomed-{target.name[:100]}")
        try:
            durable.move(target, doomed)
            doomed.unlink() if held.is_file else shutil.rmtree(doomed)
            note.unlink(missing_ok=True)
        except OSError as error:
            raise partial.refusal(error, target.parent) from error

    def _note_of(self, asset_id: str) -> Path:
        return self._folder / f"{asset_id}.json"
