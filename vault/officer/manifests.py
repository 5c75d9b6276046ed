"""Manifests of what lies here, kept in `.zone/manifests/` for as long as no file has changed since."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import durable, mailbox
from vault.assets import ids, manifest
from vault.assets.chunked import with_chunks
from vault.assets.manifest import Manifest
from vault.errors import Damaged, Refused
from vault.officer.catalog import Held
from vault.officer.opening import open_below

_LARGEST_BYTES = 256 * 1024**2


class Manifests:
    def __init__(self, base: Path, folder: Path) -> None:
        self._base, self._folder = base, folder
        self._known: dict[str, tuple[list[Any], Manifest]] = {}
        self._hashing = threading.Lock()

    def of(self, held: Held) -> Manifest:
        """What a copy consists of; every byte is read the first time. Raises Damaged naming a file, Refused."""
        with self._hashing:  # twice at once would take twice as long
            stamp = self._stamp(held)
            known = self._known.get(held.asset_id) or self._read(held.asset_id)
            if known is None or known[0] != stamp:
                known = stamp, make(held, self._base / held.path)
                if self._stamp(held) != stamp:
                    raise Damaged(f"{held.name} changes while it is read; ask again later")
                self._write(held.asset_id, *known)
            self._known[held.asset_id] = known
            return known[1]

    def _stamp(self, held: Held) -> list[Any]:
        """Changes with every file; none of them is behind a link. Raises Damaged."""
        return [[path, *self._facts(held, path)] for path in held.files]

    def _facts(self, held: Held, path: str) -> Iterable[int]:
        handle = open_below(self._base, held.path if held.is_file else held.path / path)
        try:
            found = os.fstat(handle)
            return found.st_size, found.st_mtime_ns, found.st_ino
        finally:
            os.close(handle)

    def _read(self, asset_id: str) -> tuple[list[Any], Manifest] | None:
        try:
            said = mailbox.read_json(self._path(asset_id), largest_bytes=_LARGEST_BYTES)
            return said["stamp"], manifest.parse(said["manifest"], source=asset_id)
        except (OSError, ValueError, KeyError, TypeError, mailbox.Damaged, Refused):
            return None

    def _write(self, asset_id: str, stamp: list[Any], made: Manifest) -> None:
        with suppress(OSError):  # it is made anew next time
            self._folder.mkdir(parents=True, exist_ok=True)
            durable.write_json(self._path(asset_id), {"stamp": stamp, "manifest": asdict(made)}, sync=False)

    def _path(self, asset_id: str) -> Path:
        return self._folder / f"{asset_id}.json"


def make(held: Held, place: Path) -> Manifest:
    """The manifest of what lies at `place`, read anew. Raises Damaged naming a file, Refused."""
    try:
        if held.kind == ids.CHECKPOINT and SIDECAR in held.files:
            return with_chunks(manifest.of_checkpoint(held.asset_id, place), place)
        root = place.parent if held.is_file else place
        files = {path: sidecar.prove_file(root / path) for path in held.files}
        return Manifest(asset_id=held.asset_id, kind=held.kind, name=held.name, is_file=held.is_file, files=files)
    except DamagedCheckpoint as error:
        raise Damaged(str(error)) from error
    except ValueError as error:
        raise Refused(f"{held.name} cannot be offered: {error}") from error
    except OSError as error:
        raise Damaged(f"{held.name} cannot be read: {error.strerror}") from error
