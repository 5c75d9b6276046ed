"""The sidecar `.ledger.json` of a checkpoint folder proves every byte of it, its own too: its key `seal_sha256` is the
digest of all its other keys.

The sidecars are the truth about checkpoints; the database is an index of them. Standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realm import strict
from realm.checkpoints.cursor import Cursor
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, open_regular, read_regular

SIDECAR = ".ledger.json"
SEAL = "seal_sha256"
FORMAT_VERSION = 1
LARGEST_BYTES = 16 * 2**20
"""Of a sidecar."""
CHUNK_BYTES = 4 * 2**20
"""Of a file that has a digest of its own: what a damaged or interrupted copy costs."""

# Troubles of the machine, which may pass; they prove nothing of the checkpoint.
_PASSING = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})


class DamagedCheckpoint(Exception):
    """The folder is not what its sidecar says; the text names the file."""


class NewerCheckpoint(DamagedCheckpoint):
    """A newer release saved it: it is whole perhaps, and nothing that this release may set aside."""


class NewerFormat(strict.BadConfig):
    """Of a sidecar."""


@dataclass(frozen=True, kw_only=True)
class FileProof:
    sha256: str
    size_bytes: int
    chunks: tuple[str, ...] = ()
    """SHA-256 of each CHUNK_BYTES of the file, the last one shorter; empty where one chunk is the whole file, and in
    sidecars of releases that did not say."""

    def chunk_digests(self) -> tuple[str, ...]:
        """As `chunks`, for a file of one chunk too; empty where they are not known."""
        return self.chunks or ((self.sha256,) if self.size_bytes <= CHUNK_BYTES else ())


@dataclass(frozen=True, kw_only=True)
class Thinned:
    """What was taken out of a checkpoint to make room: it still answers, training goes on with a fresh optimizer."""

    at: str
    """ISO 8601 with offset."""
    files: dict[str, FileProof]
    """As the checkpoint was saved with them."""


@dataclass(frozen=True, kw_only=True)
class MeasuredOver:
    """What a loss is the loss of: losses over different sets are never compared."""

    name: str
    rows: int
    sha256: str
    """Of the set's rows; two sets are the same where their digests are."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    format_version: int = FORMAT_VERSION
    name: str
    hero: str
    step: int
    created_at: str
    """ISO 8601 with offset."""
    train_loss: float | None
    val_loss: float | None
    """Mean over the rows of `val_set`."""
    val_set: MeasuredOver | None = None
    """What the hero had been taught when it was scored; None in checkpoints of releases that did not say."""
    val_losses: dict[str, float] = field(default_factory=dict)
    """By set: `<skill>/<level>`, `quest/<name>` for rows held out of a quest, `file/<stem>` for the player's own."""
    val_sets: dict[str, MeasuredOver] = field(default_factory=dict)
    """What each of `val_losses` was measured over."""
    unscored_tokens: int = 0
    """Trained since every set was last scored: what pays for the next time."""
    learning_rate: float
    epoch: int
    skill: str | None
    level: int | None
    quest: str
    battle: str
    cursor: Cursor
    parent: str | None
    branch: str = ""
    """Of the hero's branches, the one that was active; empty: the first."""
    mode: str
    base_model: str
    adapter_base: str | None = None
    """What an adapter sits on where that is not `base_model`: a full checkpoint of this hero, by its name."""
    base_sha256: str | None = None
    """Digest of the frozen weights under an adapter; None where all weights lie in the checkpoint."""
    faults: dict[str, int] = field(default_factory=dict)
    """How often each kind of fault was met in this battle so far."""
    versions: dict[str, str]
    files: dict[str, FileProof] = field(default_factory=dict)
    thinned: Thinned | None = None


def digest(path: Path) -> str:
    """SHA-256 of a regular file. Raises DamagedCheckpoint for anything else, such as a FIFO, or OSError."""
    try:
        file = open_regular(path)
    except UnfitFile as error:
        raise DamagedCheckpoint(str(error)) from error
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_weight_file(name: str) -> bool:
    """Whether a checkpoint's file of that name holds weights that answer: the model's, or an adapter's."""
    return name.endswith(".safetensors") and name.startswith(("model", "adapter_model"))


def weights_digest(digests: Mapping[str, str], base: str | None = None) -> str:
    """One digest over those of all weight files, by file name; with an adapter's goes that of the weights under it."""
    told: dict[str, Any] = dict(digests) if base is None else {"adapter": dict(digests), "base": base}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def answering_digest(sidecar: Sidecar) -> str:
    """What an inference host says of the weights that answer, where they are those that this sidecar proves."""
    digests = {name: proof.sha256 for name, proof in sidecar.files.items() if is_weight_file(name)}
    return weights_digest(digests, sidecar.base_sha256)


def prove_files(folder: Path) -> dict[str, FileProof]:
    """Digest and size of every file under `folder`, the sidecar itself left out."""
    return {name: prove_file(path) for name, path in files_of(folder).items()}


def prove_file(path: Path) -> FileProof:
    """Digests and size of a regular file, read once. Raises DamagedCheckpoint for anything else, or OSError."""
    try:
        file = open_regular(path)
    except UnfitFile as error:
        raise DamagedCheckpoint(str(error)) from error
    whole, size, chunks = hashlib.sha256(), 0, []
    with file:
        while chunk := file.read(CHUNK_BYTES):
            whole.update(chunk)
            size += len(chunk)
            chunks.append(hashlib.sha256(chunk).hexdigest())
    return FileProof(sha256=whole.hexdigest(), size_bytes=size, chunks=tuple(chunks) if len(chunks) > 1 else ())


def seal(value: dict[str, Any]) -> dict[str, Any]:
    """`value` with the seal over all its other keys, as the file holds it."""
    rest = {key: item for key, item in value.items() if key != SEAL}
    canonical = json.dumps(rest, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return rest | {SEAL: hashlib.sha256(canonical.encode()).hexdigest()}


def write(folder: Path, sidecar: Sidecar) -> None:
    """Write the sidecar; called last, when every other file of the folder is written."""
    durable.write_json(folder / SIDECAR, seal(asdict(sidecar)))


def rewrite(folder: Path, sidecar: Sidecar) -> None:
    """Replace the sidecar of a checkpoint that has its name: a kill leaves nothing in it that would be damage."""
    durable.write_json(folder / SIDECAR, seal(asdict(sidecar)), via=folder.parent)


def read(folder: Path) -> Sidecar:
    """The sidecar of `folder`; raises DamagedCheckpoint if it is missing, not a sidecar, or not as it was written."""
    path = folder / SIDECAR
    try:
        return decode(read_regular(path, most_bytes=LARGEST_BYTES), source=str(path))
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"{folder.name}: {SIDECAR} is missing") from error
    except NewerFormat as error:
        raise NewerCheckpoint(f"{folder.name}: {SIDECAR} is of a newer release: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in _PASSING:
            raise
        raise DamagedCheckpoint(f"{folder.name}: {SIDECAR} cannot be read: {error}") from error


def decode(data: bytes, *, source: str) -> Sidecar:
    """What the bytes of a sidecar say; raises ValueError or RecursionError where they are not as they were written."""
    value = json.loads(data)
    _check_bytes(data, value, source=source)
    return parse(value, source=source)


def parse(value: Any, *, source: str) -> Sidecar:
    """Raises strict.BadConfig for anything that is not a sealed sidecar of this format."""
    if not isinstance(value, dict):
        raise strict.BadConfig(f"{source}: a mapping is expected")
    version = value.get("format_version")
    if version != FORMAT_VERSION:
        # A flipped bit may make a later number; that one is damage, and its seal tells.
        is_newer = isinstance(version, int) and version > FORMAT_VERSION and value.get(SEAL) == seal(value)[SEAL]
        raise (NewerFormat if is_newer else strict.BadConfig)(
            f"{source}: format_version {strict.shown(version)} is not {FORMAT_VERSION}"
        )
    _check_seal(value, source=source)
    return strict.read(Sidecar, {key: item for key, item in value.items() if key != SEAL}, source=source)


def _check_seal(value: dict[str, Any], *, source: str) -> None:
    if SEAL not in value:
        raise strict.BadConfig(f"{source}: key {SEAL!r} is missing")
    if value[SEAL] != seal(value)[SEAL]:
        raise strict.BadConfig(f"{source}: it has changed since it was saved ({SEAL} differs)")


def _check_bytes(data: bytes, value: Any, *, source: str) -> None:
    """The seal is over values; what spells the same ones otherwise, as by another white space, is damage as well."""
    if data != durable.encode_json(value):
        raise strict.BadConfig(f"{source}: it has changed since it was saved (its bytes are not as they are written)")


def verify(folder: Path, *, quick: bool = False) -> Sidecar:
    """Check every file against the sidecar (names and sizes; digests too unless `quick`) and return it.

    Raises DamagedCheckpoint naming the first file that is missing, foreign or changed. What a killed thinning left
    behind is none of its files, and no damage; nor is it that one is thinned meanwhile.
    """
    while True:
        sidecar = read(folder)
        try:
            _check_files(folder, sidecar, quick=quick)
        except (DamagedCheckpoint, FileNotFoundError) as damage:
            if read(folder) == sidecar:
                raise DamagedCheckpoint(_in_words(folder, damage)) from damage
        else:
            return sidecar


def _check_files(folder: Path, sidecar: Sidecar, *, quick: bool) -> None:
    if sidecar.name != folder.name:
        raise DamagedCheckpoint(f"{folder.name}: its sidecar belongs to {sidecar.name}")
    present = files_of(folder)
    for name in sorted(set(present) - set(sidecar.files) - left_behind(sidecar)):
        raise DamagedCheckpoint(f"{folder.name}: {name} is not in its sidecar")
    for name, proof in sorted(sidecar.files.items()):
        if name not in present:
            raise DamagedCheckpoint(f"{folder.name}: {name} is missing")
        found = present[name].lstat()
        if not stat.S_ISREG(found.st_mode):
            raise DamagedCheckpoint(f"{folder.name}: {name} is no regular file")
        if found.st_size != proof.size_bytes:
            raise DamagedCheckpoint(f"{folder.name}: {name} has another size than when it was saved")
        if not quick and digest(present[name]) != proof.sha256:
            raise DamagedCheckpoint(f"{folder.name}: {name} has changed since it was saved (SHA-256 differs)")


def _in_words(folder: Path, damage: DamagedCheckpoint | FileNotFoundError) -> str:
    if isinstance(damage, DamagedCheckpoint):
        return str(damage)
    return f"{folder.name}: {os.path.relpath(damage.filename, folder)} is missing"


def left_behind(sidecar: Sidecar) -> set[str]:
    """Files that may still lie in a thinned checkpoint, where its thinning was killed or has not ended; none of its."""
    return set(sidecar.thinned.files) - set(sidecar.files) if sidecar.thinned else set()


def files_of(folder: Path) -> dict[str, Path]:
    """By name below `folder`, with slashes: every file in it, and whatever else is no folder; the sidecar left out."""
    found = dict(_walk(folder, ""))
    found.pop(SIDECAR, None)
    return found


def _walk(folder: Path, above: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{above}{entry.name}/")
            else:
                yield f"{above}{entry.name}", folder / entry.name
