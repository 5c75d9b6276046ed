"""Whether a checkpoint's folder and row are still those that a scan held against each other: then nothing is read."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from realm.checkpoints import sidecar

DIGEST_BYTES = 16


def stamp_of(folder: Path, facts_digest: bytes) -> str:
    """32 hexadecimal digits of what stat tells of every file, and of the row's facts; no file is opened.

    Empty for what is gone, has no sidecar or holds something that is no regular file: that is looked at each time.
    """
    try:
        return _stamp(folder, facts_digest)
    except OSError:
        return ""


def _stamp(folder: Path, facts_digest: bytes) -> str:
    told = hashlib.blake2b(facts_digest, digest_size=DIGEST_BYTES)
    files = sidecar.files_of(folder) | {sidecar.SIDECAR: folder / sidecar.SIDECAR}
    for name, path in files.items():
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return ""
        # The time of its change of status is set by the kernel alone: bytes put back with their old time are seen.
        told.update(f"{name}\0{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n".encode())
    return told.hexdigest()
