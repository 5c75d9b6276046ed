"""The files of a model folder, before any of them is used: regular, and none larger than it can sensibly be."""

from __future__ import annotations

import functools
import hashlib
import stat
from pathlib import Path

from arena.rows.model_ends import FILES
from arena.rows.tokenizer import CONFIG_FILE, SPECIAL_TOKENS_FILE, TEMPLATE_FILE, TOKENIZER_FILE, UnusableTokenizer
from realm.disk.regular_files import UnfitFile, read_regular

SMALL_FILES = (*FILES, TOKENIZER_FILE, CONFIG_FILE, SPECIAL_TOKENS_FILE, TEMPLATE_FILE)
"""By which a folder is read, but for its weights; the first two say at which tokens the model ends."""
_MB = 10**6
_MOST_BYTES = {"tokenizer.json": 100 * _MB, "vocab.json": 50 * _MB, "merges.txt": 50 * _MB, "config.json": 4 * _MB}
"""The largest tokenizer.json in use has 35 MB; a config.json may name some thousand labels."""
_MOST_OTHER_BYTES = {".json": 32 * _MB, ".jinja": _MB, ".txt": 50 * _MB, ".model": 50 * _MB}
MOST_ENTRIES = 10_000


def check_files(folder: Path) -> None:
    """Raises UnusableTokenizer, which names the file, for one that must not be opened."""
    try:
        entries = sorted(path for path in folder.iterdir())[: MOST_ENTRIES + 1]
        if len(entries) > MOST_ENTRIES:
            raise UnusableTokenizer(f"the model {folder} holds more than {MOST_ENTRIES:,} files")
        for path in entries:
            _check(path)
    except OSError as error:
        raise UnusableTokenizer(f"the model {folder} cannot be read: {error.strerror or error}") from error


def most_bytes(name: str) -> int | None:
    """How large a file of that name may be; None where it is not read as a whole."""
    return _MOST_BYTES.get(name, _MOST_OTHER_BYTES.get(Path(name).suffix))


def digest_of(path: Path) -> str:
    """SHA-256 of a small file, or a word where there is none; read anew only when stat tells of a change."""
    try:
        found = path.stat()
    except OSError:
        return "none"
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    try:
        return _digest_once(path, stamp)
    except (UnfitFile, OSError) as error:
        return f"unfit: {error}"


def digest_of_rows(folder: Path, ends: Path) -> str:
    """Of all files that decide how a row becomes tokens, and at which of them the model ends."""
    told = [digest_of(folder / name) for name in SMALL_FILES] + [digest_of(ends / name) for name in FILES]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


@functools.lru_cache(maxsize=512)
def _digest_once(path: Path, stamp: tuple[int, ...]) -> str:
    return hashlib.sha256(read_regular(path, most_bytes=most_bytes(path.name) or _MB)).hexdigest()


def _check(path: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UnusableTokenizer(f"the model {path.parent}: {path.name} is a link to nothing") from None
    is_file = path.suffix in (*_MOST_OTHER_BYTES, ".safetensors", ".bin")
    if not stat.S_ISREG(found.st_mode) and (is_file or not stat.S_ISDIR(found.st_mode)):
        raise UnusableTokenizer(f"the model {path.parent}: {path.name} is no regular file")
    most = most_bytes(path.name)
    if most is not None and found.st_size > most:
        told = f"{path.name} has {found.st_size:,} bytes, and none of its kind has more than {most:,}"
        raise UnusableTokenizer(f"the model {path.parent}: {told}")
