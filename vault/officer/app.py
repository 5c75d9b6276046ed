"""What a branch officer answers: what lies in its folder, the bytes of it, and what arrives there."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from realm.checkpoints.sidecar import CHUNK_BYTES, SIDECAR
from realm.health import HEALTHY
from realm.machine import readings
from realm.machine import wire as machine_wire
from realm.version import version
from realm.web import bodies
from realm.web.bodies import TooLarge, TooSlow
from vault.assets import ids
from vault.assets.manifest import Manifest
from vault.assets.pace import SILENT_SECONDS, Pace
from vault.assets.partial import AlreadyThere, check_is_same
from vault.assets.unwritable import Unwritable, in_words
from vault.errors import Damaged, NotFound, Refused
from vault.officer import announcements, metalink, ranges, tarring, wire
from vault.officer.catalog import Held
from vault.officer.opening import open_below
from vault.officer.shelf import Shelf
from vault.officer.uploads import Busy, Uploads

_FEED_BYTES = 2**20
BAD_REQUEST, MISSING, CONFLICT, DAMAGED, FULL, UNSUPPORTED = 400, 404, 409, 422, 507, 415

T = TypeVar("T")


class Officer:
    def __init__(self, zone: str, base: Path) -> None:
        self._zone, self._base = zone, base
        self._shelf = Shelf(base)
        self._uploads = Uploads()
        self.application = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/status", self._status),
                Route("/assets", self._assets),
                Route("/assets/{asset_id}", self._asset),
                Route("/assets/{asset_id}", self._drop, methods=["DELETE"]),
                Route("/verify/{asset_id}", self._verify, methods=["POST"]),
                Route("/fetch/{asset_id}", self._told),
                Route("/fetch/{asset_id}/{path:path}", self._bytes),
                Route("/scan", self._scan, methods=["POST"]),
                Route("/receive", self._receive, methods=["POST"]),
                Route("/receive/{upload}/commit", self._commit, methods=["POST"]),
                Route("/receive/{upload}/{path:path}", self._fill, methods=["PATCH"]),
            ],
            exception_handlers={
                HTTPException: _no_such, NotFound: _says(MISSING), Refused: _says(CONFLICT), Damaged: _says(DAMAGED),
                TooLarge: _says(413), TooSlow: _says(408), Busy: _busy,
            },
        )  # fmt: skip
        self.application.router.redirect_slashes = False

    def close(self) -> None:
        self._uploads.close()

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": HEALTHY, "service": wire.SERVICE, "world": f"zone {self._zone}"})

    async def _status(self, request: Request) -> Response:
        catalog, disk = await _work(self._shelf.catalog), shutil.disk_usage(self._base)
        machine = await _work(lambda: readings.read(self._base))
        counts = catalog.counts()
        return JSONResponse(
            {
                "status": "online",
                "zone_id": self._zone,
                "version": version(),
                "protocol": wire.PROTOCOL,
                "base_dir": str(self._base),
                "catalog": {"total": sum(counts.values()), **counts, "by_type": counts},
                "disk": {"total_bytes": disk.total, "free_bytes": disk.free, "used_bytes": disk.used},
                "arriving": self._uploads.told(),
                machine_wire.KEY: machine_wire.told(machine),
            }
        )

    async def _assets(self, request: Request) -> Response:
        wanted = request.query_params.get("type") or request.query_params.get("kind")
        if wanted and wanted not in ids.KINDS:
            raise HTTPException(BAD_REQUEST, f"type: allowed are {', '.join(ids.KINDS)}")
        catalog = await _work(self._shelf.catalog)
        told = catalog.told()
        listed = [_listed(each, told) for each in catalog.held.values() if wanted in (None, "", each.kind)]
        return JSONResponse({"zone_id": self._zone, "count": len(listed), "assets": listed})

    async def _asset(self, request: Request) -> Response:
        held = await self._find(request)
        told = (await _work(self._shelf.catalog)).told()
        return JSONResponse({"zone_id": self._zone, **_listed(held, told), "files": list(held.files)})

    async def _told(self, request: Request) -> Response:
        held, made = await self._manifest(request)
        if request.query_params.get("format") == "tar":
            return self._tar(held, made, head_only=request.method == "HEAD")
        root = f"{request.url.scheme}://{request.headers['host']}"
        if metalink.MEDIA_TYPE in request.headers.get("accept", ""):
            body = metalink.metalink(made, lambda path: root + wire.path_of(made.asset_id, path))
            return Response(body, media_type=metalink.MEDIA_TYPE)
        here = wire.path_of(made.asset_id)
        files = [
            {"path": path, "url": root + wire.path_of(made.asset_id, path), **asdict(made.files[path])}
            for path in made.order
        ]
        return JSONResponse(
            {
                **_listed(held),
                "asset_id": request.path_params["asset_id"],
                "zone_id": self._zone,
                "method": "http",
                "size_bytes": made.size_bytes,
                "chunk_bytes": CHUNK_BYTES,
                "files": files,
                "url": files[0]["url"] if made.is_file else None,
                "tar": f"{root}{here}?format=tar",
                "manifest": asdict(made),
            }
        )

    async def _bytes(self, request: Request) -> Response:
        held, made = await self._manifest(request)
        path = request.path_params["path"]
        if path not in made.files:
            raise NotFound("the asset has no such file")
        proof, handle = made.files[path], await _work(self._open, held, path)
        if os.fstat(handle).st_size != proof.size_bytes:
            os.close(handle)
            raise Damaged(f"{path} is not what it was when it was listed")
        lasting = held.kind == ids.CHECKPOINT and SIDECAR in made.files
        return ranges.answer(handle, proof, request.headers, method=request.method, lasting=lasting)

    def _open(self, held: Held, path: str) -> int:
        return open_below(self._base, held.path if held.is_file else held.path / path)

    def _tar(self, held: Held, made: Manifest, *, head_only: bool) -> Response:
        headers = {
            "Content-Length": str(tarring.size_bytes(made)),
            "Content-Disposition": f'attachment; filename="{made.asset_id}.tar"',
        }
        if head_only:
            return Response(headers=headers, media_type="application/x-tar")
        stream = tarring.stream(made, lambda path: self._open(held, path))
        return StreamingResponse(stream, headers=headers, media_type="application/x-tar")

    async def _verify(self, request: Request) -> Response:
        held, made = await self._manifest(request)
        await _work(check_is_same, self._base / held.path, made)
        return JSONResponse({"success": True, "asset_id": held.asset_id, "bytes_read": made.size_bytes})

    async def _drop(self, request: Request) -> Response:
        held = await self._find(request)
        await _work(self._shelf.received.drop, held)
        await _work(self._shelf.scan)
        return JSONResponse({"success": True, "asset_id": held.asset_id, "bytes_freed": held.size_bytes})

    async def _scan(self, request: Request) -> Response:
        before = (await _work(self._shelf.catalog)).held
        catalog = await _work(self._shelf.scan)
        return JSONResponse(
            {
                "success": True,
                "zone_id": self._zone,
                "scanned": len(catalog.held),
                "added": sorted(set(catalog.held) - set(before)),
                "removed": sorted(set(before) - set(catalog.held)),
                "left_out": list(catalog.left_out),
                "catalog": catalog.counts(),
            }
        )

    async def _receive(self, request: Request) -> Response:
        body = await bodies.receive(request, largest_bytes=wire.LARGEST_MANIFEST_BYTES)
        return JSONResponse(await _work(self._announced, body))

    def _announced(self, body: bytes) -> Mapping[str, Any]:
        """In a thread: a manifest may be long."""
        told = announcements.read(body)
        target = announcements.target_of(self._base, told)
        said = {"success": True, "zone_id": self._zone, "asset_id": told.asset_id, "destination": str(target)}
        if told.manifest is None:
            return {**said, "ready": True, "state": "announced", "next": "send its manifest to /receive"}
        try:
            with in_words(target.parent):
                upload = self._uploads.open(target, told.manifest, told.sender)
        except AlreadyThere:
            return {**said, "ready": False, "state": wire.THERE, "missing": []}
        gaps = upload.partial.gaps()
        return {
            **said,
            "ready": True,
            "state": wire.OPEN,
            "upload": upload.upload_id,
            "chunk_bytes": CHUNK_BYTES,
            "bytes_done": upload.partial.bytes_done,
            "bytes_total": upload.partial.size_bytes,
            "missing": [asdict(gap) for gap in gaps],
        }

    async def _fill(self, request: Request) -> Response:
        path, offset = request.path_params["path"], request.headers.get(wire.OFFSET_HEADER, "")
        if not (offset.isascii() and offset.isdecimal() and len(offset) < 20):
            raise HTTPException(BAD_REQUEST, f"the header {wire.OFFSET_HEADER} says where the bytes begin")
        with self._uploads.working(request.path_params["upload"], _sender(request)) as upload:
            member = upload.partial.members.get(path)
            if member is None:
                raise NotFound("the manifest names no such file")
            try:
                writer = await _work(member.writer, int(offset))
                try:
                    async for piece in _pieces(request):
                        await _work(writer.feed, piece)
                except (ClientDisconnect, TimeoutError):
                    self._uploads.leave(upload)
                finally:
                    await asyncio.shield(_work(writer.end))
            except Unwritable as error:
                # Whoever works on a full disk needs the room more than we need what is half done.
                self._uploads.give_up(upload.upload_id, discard=error.is_full)
                raise
            return JSONResponse({"success": True, "bytes_done": upload.partial.bytes_done})

    async def _commit(self, request: Request) -> Response:
        with self._uploads.working(request.path_params["upload"], _sender(request)) as upload:
            try:
                await _work(self._uploads.commit, upload)
                await _work(self._shelf.received.note, upload.partial.manifest.asset_id, upload.target)
                state = wire.DONE
            except AlreadyThere:
                state = wire.THERE
        await _work(self._shelf.scan)
        return JSONResponse({"success": True, "state": state, "destination": str(upload.target)})

    async def _find(self, request: Request) -> Held:
        return await _work(self._shelf.find, request.path_params["asset_id"])

    async def _manifest(self, request: Request) -> tuple[Held, Manifest]:
        held = await self._find(request)
        return held, await _work(self._shelf.manifest, held)


async def _work(work: Callable[..., T], *arguments: Any) -> T:
    """In a thread, so that others are answered meanwhile."""
    return await anyio.to_thread.run_sync(work, *arguments)


async def _pieces(request: Request) -> Any:
    """The body in pieces of a size that is worth a thread. Raises ClientDisconnect, TimeoutError."""
    gathered, pace = bytearray(), Pace(SILENT_SECONDS)
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                piece = await anext(stream)
            gathered += piece
            pace.moved(len(piece))
        except StopAsyncIteration:
            break
        except (ClientDisconnect, TimeoutError):
            if gathered:
                yield bytes(gathered)
            raise
        if len(gathered) >= _FEED_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _sender(request: Request) -> str:
    return request.headers.get(wire.SENDER_HEADER, "")[:64]


def _listed(held: Held, told: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "asset_id": (told or {}).get(held.asset_id, held.asset_id),
        "whole_id": held.asset_id,
        "asset_type": held.kind,
        "type": held.kind,
        "kind": held.kind,
        "name": held.name,
        "path": held.path.as_posix(),
        "size_bytes": held.size_bytes,
        "created_at": held.created_at.isoformat(),
        "is_file": held.is_file,
        "hero": held.hero or None,
        "step": held.step,
    }


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"success": False, "error": error.detail}, status_code=error.status_code)


async def _busy(request: Request, error: Exception) -> Response:
    words = "another caller sends the same thing; wait for it, or ask again"
    return JSONResponse({"success": False, "state": wire.BUSY, "error": words}, status_code=CONFLICT)


def _says(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        return JSONResponse({"success": False, "error": str(error)}, status_code=status)

    return refuse
