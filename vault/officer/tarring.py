"""An asset as an uncompressed tar, for whoever has nothing but curl and tar; it is no resumable transfer."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator, Callable

from vault.assets.manifest import Manifest
from vault.errors import Damaged
from vault.officer.ranges import pieces

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)


def size_bytes(manifest: Manifest) -> int:
    """Of the whole stream."""
    heads = sum(len(_head(manifest, path)) for path in manifest.order)
    return heads + sum(_padded(proof.size_bytes) for proof in manifest.files.values()) + len(_END)


async def stream(manifest: Manifest, open_file: Callable[[str], int]) -> AsyncIterator[bytes]:
    """Ends early where a file is not as the manifest says: what came is then no whole tar."""
    for path in manifest.order:
        size, sent = manifest.files[path].size_bytes, 0
        yield _head(manifest, path)
        try:
            handle = open_file(path)
        except Damaged:
            return
        async for piece in pieces(handle, 0, size):
            sent += len(piece)
            yield piece
        if sent < size:
            return
        yield bytes(_padded(size) - size)
    yield _END


def _head(manifest: Manifest, path: str) -> bytes:
    info = tarfile.TarInfo(path if manifest.is_file else f"{manifest.name}/{path}")
    info.size = manifest.files[path].size_bytes
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
