"""Moments of a checkpoint as a frame of Zstandard, `optimizer.safetensors.zst`, which `zstd -d` undoes as well.

The lowest level, since higher ones gain nothing: trained numbers of 32 bits are close to noise. Of the embedded hero's
moments 7% are saved, at 440 MB a second of one core; of its weights 8%, which no library would load that way.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm.checkpoints.moments import COMPRESSED_FILE, OPTIMIZER_FILE
from realm.disk.durable import TEMP_PREFIX

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 1
COPIED_BYTES = 2**20


def compress(folder: Path) -> None:
    """Put the compressed file in place of the plain one, in a folder that nobody knows of yet."""
    plain = folder / OPTIMIZER_FILE
    with open(plain, "rb") as source, zstd.open(folder / COMPRESSED_FILE, "wb", level=LEVEL) as target:
        shutil.copyfileobj(source, target, COPIED_BYTES)
    plain.unlink()


@contextmanager
def plain_file(folder: Path) -> Iterator[Path]:
    """The moments of a checkpoint as a plain file, which is mapped; a compressed one is laid beside the checkpoint."""
    if (folder / OPTIMIZER_FILE).exists():
        yield folder / OPTIMIZER_FILE
        return
    with tempfile.NamedTemporaryFile(dir=folder.parent, prefix=f"{TEMP_PREFIX}moments-") as target:
        with zstd.open(folder / COMPRESSED_FILE, "rb") as source:
            shutil.copyfileobj(source, target, COPIED_BYTES)
        target.flush()
        yield Path(target.name)
