"""What a hero's weights come from: a whole model, and the adapter on it where the newest checkpoint is one.

An adapter answers as its hero only on the very weights it was trained on, so their digest stands in its sidecar.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from transformers.utils.hub import cached_file

from arena.rows.model import shortened
from realm.checkpoints import sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint

WEIGHT_FILES = "model*.safetensors"
"""What transformers names the weights of a model, in one file or in several."""


class UnloadableHero(Exception):
    """The model cannot be loaded; the text says from where and why."""


class IncompatibleCheckpoint(Exception):
    """The checkpoint is whole, but does not fit what the settings, or the weights under it, have become."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    source: str
    """A whole model: local folder or hub id."""
    checkpoint: str | None = None
    """The name of that model where it is a full checkpoint of this hero."""
    adapter: Path | None = None
    """Folder of the checkpoint that holds an adapter on it."""
    sha256: str | None = None
    """Digest of the whole model as that adapter's sidecar has it."""

    @property
    def newest(self) -> str:
        """Where the tokenizer as last saved lies."""
        return str(self.adapter or self.source)


def in_short(error: Exception) -> str:
    """What a library's error says, in a sentence: some say it in a page."""
    said = " ".join(str(error).split())
    known = isinstance(error, (OSError, ValueError, RuntimeError))
    return shortened(said if known and said else f"{type(error).__name__}: {said}")


def origin_of(base_model: str, checkpoint: Path | None) -> Origin:
    """Where the weights of `checkpoint` (its bytes already verified), or of a hero without one, come from.

    Raises IncompatibleCheckpoint for an adapter whose full checkpoint is gone or damaged.
    """
    if checkpoint is None:
        return Origin(source=base_model)
    saved = sidecar.read(checkpoint)
    if not is_adapter(saved.mode):
        return Origin(source=str(checkpoint), checkpoint=checkpoint.name)
    if saved.adapter_base is None:
        return Origin(source=base_model, adapter=checkpoint, sha256=saved.base_sha256)
    full = adapter_base_of(checkpoint, saved.adapter_base)
    try:
        sidecar.verify(full)
    except DamagedCheckpoint as damage:
        raise IncompatibleCheckpoint(
            f"{checkpoint.name} is an adapter on {full.name}, which cannot be used ({damage}): "
            "bring that one back from a backup, or name another hero"
        ) from damage
    return Origin(source=str(full), checkpoint=full.name, adapter=checkpoint, sha256=saved.base_sha256)


def is_adapter(mode: str) -> bool:
    """Whether a checkpoint of `mode` holds an adapter only."""
    return mode != "full"


def carries_moments(was: str, mode: str) -> bool:
    """Whether the optimizer's moments go on where training goes on in `mode`: they are of the same tensors."""
    return is_adapter(was) == is_adapter(mode)


def prove(origin: Origin, *, afresh: bool = False) -> str:
    """The digest of the whole model's weights, which must be at hand; `afresh` as in `weights_digest`.

    Raises IncompatibleCheckpoint if the adapter on it was trained on others.
    """
    found = weights_digest(origin.source, afresh=afresh)
    if origin.adapter and origin.sha256 and origin.sha256 != found:
        raise IncompatibleCheckpoint(
            f"{origin.adapter.name} is an adapter on other weights than {origin.source} holds now (their SHA-256 was "
            f"{origin.sha256[:12]}…, it is {found[:12]}…): put the former weights back, or name another hero"
        )
    return found


def weights_digest(source: str, *, afresh: bool = False) -> str:
    """SHA-256 over names and digests of the weight files of a model folder, or of a hub id that was loaded before.

    With `afresh` every byte is read, also where this process has read a file of that size and time before.
    """
    folder = folder_of(source)
    digest_of = sidecar.digest if afresh else _digest_once
    digests = {path.name: digest_of(path) for path in sorted(folder.glob(WEIGHT_FILES))}
    if not digests:
        raise UnloadableHero(f"{folder} holds no {WEIGHT_FILES}")
    return sidecar.weights_digest(digests)


def adapter_base_of(checkpoint: Path, name: str) -> Path:
    """The full checkpoint that an adapter sits on. Raises IncompatibleCheckpoint for a name that leads elsewhere."""
    if step_of(name) is None:
        raise IncompatibleCheckpoint(f"{checkpoint.name} is an adapter on {name!r}, which is no checkpoint's name")
    return checkpoint.parent / name


def folder_of(source: str, *, may_download: bool = False) -> Path:
    """Of a model's files; of a hub id the one in its cache. Raises OSError or ValueError where it is not here."""
    if Path(source).is_dir():
        return Path(source)
    config = cached_file(source, "config.json", local_files_only=not may_download)
    assert config is not None  # else it raises
    return Path(config).parent


def _digest_once(path: Path) -> str:
    """Read once in a process while size and time of the file stay: gigabytes take seconds."""
    found = path.stat()
    return _digest(path.resolve(), found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _digest(path: Path, size_bytes: int, mtime_ns: int) -> str:
    return sidecar.digest(path)
