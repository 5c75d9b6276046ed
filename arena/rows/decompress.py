"""Compressed quests as a stream of blocks: gzip and Zstandard, several members or frames, limits while reading.

Nothing is inflated that was not asked for: a block of output is bounded whatever the input promises.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from arena.rows.model import Kind, UnreadableQuest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = 256 * 1024
LARGEST_WINDOW_LOG = 27
"""Zstandard frames may ask for a window of 2^27 bytes (128 MiB), as the `zstd` tool itself allows without --long."""
RATIO_COUNTS_FROM = 64 * 1024**2
"""Short and very regular files may shrink more than the limit allows; they harm nobody."""


class _Engine(Protocol):
    """One member or frame."""

    @property
    def needs_input(self) -> bool: ...

    @property
    def eof(self) -> bool: ...

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """At most BLOCK_BYTES of output, and what was not read of `data`."""


class _Gzip:
    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)

    @property
    def needs_input(self) -> bool:
        return True

    @property
    def eof(self) -> bool:
        return self._engine.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        block = self._engine.decompress(data, BLOCK_BYTES)
        return block, self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail


class _Zstandard:
    def __init__(self) -> None:
        bound: dict[int, int] = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
        self._engine = zstd.ZstdDecompressor(options=bound)

    @property
    def needs_input(self) -> bool:
        return self._engine.needs_input

    @property
    def eof(self) -> bool:
        return self._engine.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        block = self._engine.decompress(data, BLOCK_BYTES)
        return block, self._engine.unused_data if self._engine.eof else b""


_ENGINES: dict[str, Callable[[], _Engine]] = {"gzip": _Gzip, "Zstandard": _Zstandard}


def inflated(file: BinaryIO, method: str, name: str, *, largest_ratio: int) -> Iterator[bytes]:
    """The content of `file`, block by block; `method` is "gzip" or "Zstandard".

    Raises UnreadableQuest where the stream is cut off, damaged, or grows over `largest_ratio` times its size.
    """
    consumed = produced = 0
    engine, data, begun = _ENGINES[method](), b"", False
    while True:
        ended = False
        if not data and engine.needs_input:
            data = file.read(BLOCK_BYTES)
            consumed += len(data)
            ended = not data
        if not begun:
            data = data.lstrip(b"\0")  # padding behind a member, as tapes leave it
            if ended:
                return
            if not data:
                continue
        block, data = _feed(engine, data, method, name)
        begun = not engine.eof
        produced += len(block)
        if produced > RATIO_COUNTS_FROM and produced > largest_ratio * consumed:
            raise UnreadableQuest(
                f"{name} inflates to more than {largest_ratio} times its size, which no text does; "
                "check what is in it, and split it or drop it uncompressed",
                Kind.TOO_LARGE,
            )
        if block:
            yield block
        if engine.eof:
            engine = _ENGINES[method]()
        elif ended and not block:
            raise UnreadableQuest(
                f"{name} is cut off: its {method} stream ends in the middle; copy or compress it again",
                Kind.COMPRESSION,
            )


def _feed(engine: _Engine, data: bytes, method: str, name: str) -> tuple[bytes, bytes]:
    try:
        return engine.feed(data)
    except (zlib.error, zstd.ZstdError) as error:
        if "memory" in str(error) and method == "Zstandard":
            reason = f"asks for a window over {2**LARGEST_WINDOW_LOG // 1024**2} MiB; compress it without --long"
        else:
            reason = f"is damaged: its {method} stream cannot be read ({error}); copy or compress it again"
        raise UnreadableQuest(f"{name} {reason}", Kind.COMPRESSION) from error
