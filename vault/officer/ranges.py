"""One file over HTTP, whole or in part: RFC 9110 §13-14 (conditions, one range), RFC 9530 (Repr-Digest)."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import AsyncIterator, Mapping

import anyio.to_thread
from starlette.responses import Response, StreamingResponse

from realm.checkpoints.sidecar import FileProof

PIECE_BYTES = 2**20
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
OK, PARTIAL, NOT_MODIFIED, PRECONDITION_FAILED, NOT_SATISFIABLE = 200, 206, 304, 412, 416


def answer(handle: int, proof: FileProof, headers: Mapping[str, str], *, method: str, lasting: bool) -> Response:
    """The bytes of an opened file, which it closes; `lasting`: they will never be others under this address."""
    etag = f'"{proof.sha256}"'
    told = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(proof.sha256)).decode()}:",
        "Cache-Control": f"private, {'max-age=31536000, immutable' if lasting else 'no-cache'}",
        "X-Content-Type-Options": "nosniff",
    }
    size = proof.size_bytes
    span: tuple[int, int] | None = (0, size)
    status = OK
    if not _names(headers.get("if-match", "*"), etag):
        status = PRECONDITION_FAILED
    elif "if-none-match" in headers and _names(headers["if-none-match"], etag):
        status = NOT_MODIFIED
    elif (asked := _RANGE.fullmatch(headers.get("range", "").strip())) and headers.get("if-range", etag) == etag:
        span = _span(asked[1], asked[2], size)
        status = PARTIAL if span else NOT_SATISFIABLE
    if status == NOT_SATISFIABLE:
        told["Content-Range"] = f"bytes */{size}"
    if span is None or status not in (OK, PARTIAL):
        os.close(handle)
        return Response(status_code=status, headers=told)
    start, end = span
    told |= {"Content-Length": str(end - start), "Content-Type": "application/octet-stream"}
    if status == PARTIAL:
        told["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if method == "HEAD":
        os.close(handle)
        return Response(status_code=status, headers=told)
    return StreamingResponse(pieces(handle, start, end), status_code=status, headers=told)


async def pieces(handle: int, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to `end` of an opened file, which it closes; fewer where the file was cut meanwhile."""
    try:
        while start < end:
            piece = await anyio.to_thread.run_sync(os.pread, handle, min(PIECE_BYTES, end - start), start)
            if not piece:
                return  # the server ends the connection, since it has promised more
            yield piece
            start += len(piece)
    finally:
        os.close(handle)


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (each.strip() for each in header.split(","))


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """From a byte up to the one before another; None for bytes that the file has not. Without numbers: all."""
    if not first:
        count = min(int(last), size) if last else size
        return (size - count, size) if count else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None
