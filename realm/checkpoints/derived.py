"""What was made of a checkpoint for another program, a GGUF file or a merged folder: a sealed record beside it.

`model.gguf.json` binds the digest of the bytes to that of the checkpoint's weights, so that a server which tells what
it serves tells whose weights answer.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from realm import strict
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.disk import durable
from realm.disk.regular_files import read_regular

ENDING = ".json"
LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Derived:
    hero: str
    name: str
    """Of the checkpoint."""
    step: int
    sha256: str
    """What an inference host says of the checkpoint's weights: sidecar.answering_digest."""
    made_sha256: str
    """Of what was made: the file's, or that over all files of the folder."""
    tensor_type: str = "f32"

    @property
    def id(self) -> str:
        return f"{self.hero}/{self.name}"


def path_of(made: Path) -> Path:
    return made.with_name(made.name + ENDING)


def record(made: Path, saved: Sidecar, *, tensor_type: str = "f32") -> Derived:
    """Written beside what was made of the checkpoint of that sidecar."""
    told = Derived(
        hero=saved.hero, name=saved.name, step=saved.step, sha256=sidecar.answering_digest(saved),
        made_sha256=digest(made), tensor_type=tensor_type,
    )  # fmt: skip
    durable.write_json(path_of(made), sidecar.seal(asdict(told)))
    return told


def read(made: Path) -> Derived:
    """The record beside it. Raises DamagedCheckpoint where there is none, or not as it was written."""
    path = path_of(made)
    try:
        value = json.loads(read_regular(path, most_bytes=LARGEST_BYTES))
        if not isinstance(value, dict) or value != sidecar.seal(value):
            raise strict.BadConfig("it has changed since it was written")
        told = {key: item for key, item in value.items() if key != sidecar.SEAL}
        return strict.read(Derived, told, source=path.name)
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"{made.name}: no record beside it says which checkpoint it is") from error
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path.name} cannot be read: {error}") from error


def verify(made: Path) -> Derived:
    """The record, every byte proven. Raises DamagedCheckpoint, or OSError."""
    told = read(made)
    if digest(made) != told.made_sha256:
        raise DamagedCheckpoint(f"{made.name} has changed since it was made of {told.id} (SHA-256 differs)")
    return told


def prove(path: Path) -> Derived:
    """Which checkpoint a file or folder is that an engine serves: by its record, or as a checkpoint's own folder.

    Bytes are read once as long as nothing about the files changes. Raises DamagedCheckpoint, or OSError.
    """
    return _prove_once(path, _state_of(path))


def records(folder: Path) -> Iterator[Derived]:
    """Of everything made there whose record can be read."""
    for path in sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else ():
        try:
            yield read(path.with_name(path.name.removesuffix(ENDING)))
        except (DamagedCheckpoint, OSError):
            continue


def digest(made: Path) -> str:
    """SHA-256 of the file, or one over those of all files of the folder."""
    if not made.is_dir():
        return sidecar.digest(made)
    return sidecar.weights_digest({name: sidecar.digest(path) for name, path in sidecar.files_of(made).items()})


@functools.lru_cache(maxsize=64)
def _prove_once(path: Path, state: tuple[tuple[int, ...], ...]) -> Derived:
    if not (path / sidecar.SIDECAR).is_file():
        return verify(path)
    saved = sidecar.verify(path)
    if saved.base_sha256 is not None:
        raise DamagedCheckpoint(f"{path.name} is an adapter alone, which no engine serves as the whole hero")
    return Derived(
        hero=saved.hero, name=saved.name, step=saved.step, sha256=sidecar.answering_digest(saved), made_sha256=""
    )


def _state_of(path: Path) -> tuple[tuple[int, ...], ...]:
    """What changes whenever a byte does, without reading any. Raises DamagedCheckpoint for what is not there."""
    beside = path / sidecar.SIDECAR if (path / sidecar.SIDECAR).is_file() else path_of(path)
    files = [*sidecar.files_of(path).values()] if path.is_dir() else [path]
    try:
        found = [file.lstat() for file in (*files, beside)]
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"{path}: {Path(error.filename).name} is not there, so nothing proves it") from error
    return tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)
