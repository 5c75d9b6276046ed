"""Strongholds under faults: transfers cut at random bytes, flipped bits, spellings of paths; a folder, real sshd."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from realm.checkpoints.sidecar import CHUNK_BYTES
from tests.campaigns.report import Figure, none_of
from tests.support.servers import free_port
from tests.support.traversals import traversals
from vault.assets.manifest import Manifest, of_path
from vault.errors import Damaged, Unreachable, VaultError
from vault.strongholds.backend import Backend
from vault.strongholds.contract import StoredAsset
from vault.strongholds.copying import FileStronghold
from vault.strongholds.filesystem import UrlBackend
from vault.strongholds.folder import FolderBackend

CUTS, FLIPS, QUICK = 100, 200, 5
FILES = {"model.safetensors": 2 * CHUNK_BYTES + 17, "optimizer.safetensors": CHUNK_BYTES, "config.json": 40}
_LEAST_SPELLINGS = 400


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count`: cuts each way on each kind of storage, and flipped bytes."""
    rng = random.Random(seed)
    source = home / "model_x"
    source.mkdir()
    for name, size in FILES.items():
        (source / name).write_bytes(rng.randbytes(size))
    manifest = of_path("model_x", "model", source)
    cuts, flips = count or (QUICK if quick else CUTS), count or (QUICK if quick else FLIPS)
    (home / "nas").mkdir()
    nas = FolderBackend("nas", home / "nas")
    figures = _cut(nas, source, manifest, rng, cuts)
    figures += _flip(home / "nas", nas, source, manifest, rng, flips)
    figures += _climb(home, nas, manifest)
    with _sshd(home / "ssh") as backend:
        figures += _cut(backend, source, manifest, rng, max(2, cuts // 5))
    return figures


def _cut(backend: Backend, source: Path, manifest: Manifest, rng: random.Random, cuts: int) -> list[Figure]:
    """Each transfer is cut once at a random byte on its way there, and once on its way back."""
    torn, again = [], [0]
    stronghold, target = FileStronghold(backend, writer="campaign"), source.parent / "back"
    for number in range(cuts):
        put = functools.partial(stronghold.put, source, manifest)
        stored, sent = _with_a_cut(backend, "write", rng, manifest, put)
        _, fetched = _with_a_cut(backend, "read_at", rng, manifest, functools.partial(stronghold.get, stored, target))
        again += [sent - manifest.size_bytes, fetched - manifest.size_bytes]
        if of_path("model_x", "model", target).files != manifest.files:
            torn.append(f"back {number}")
        shutil.rmtree(target)
        stronghold.drop(stored)
        if list(stronghold.assets()):
            torn.append(f"dropped {number}")
    kind = backend.name
    return [
        none_of("G1", f"{kind}: transfers cut and gone on with, torn", torn, 2 * cuts),
        Figure(
            promise="G1",
            what=f"{kind}: most bytes sent again after a cut",
            figure=max(again),
            wanted=f"at most {CHUNK_BYTES}",
            kept=max(again) <= CHUNK_BYTES,
        ),
    ]


def _with_a_cut(
    backend: Backend, method: str, rng: random.Random, manifest: Manifest, transfer: Callable[[], StoredAsset | None]
) -> tuple[StoredAsset, int]:
    """What the second try returns, and the bytes that went in both."""
    kept, gone = getattr(type(backend), method), [0]
    left = [rng.randrange(manifest.size_bytes)]

    def pieces_until(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            part = piece[: max(0, left[0])]
            left[0] -= len(piece)
            gone[0] += len(part)
            yield part
            if left[0] <= 0:
                raise Unreachable("cut")

    def cut_write(self: Backend, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        kept(self, path, pieces_until(pieces), append=append)

    def cut_read(self: Backend, path: str, offset: int, length: int) -> bytes:
        return b"".join(pieces_until(iter([kept(self, path, offset, length)])))

    setattr(type(backend), method, cut_write if method == "write" else cut_read)
    try:
        transfer()
        raise AssertionError("the cut did not happen")
    except Unreachable:
        left[0] = sys.maxsize
        return transfer(), gone[0]  # type: ignore[return-value]
    finally:
        setattr(type(backend), method, kept)


def _flip(
    root: Path, nas: FolderBackend, source: Path, manifest: Manifest, rng: random.Random, flips: int
) -> list[Figure]:
    stronghold, accepted, unmended = FileStronghold(nas, writer="campaign"), [], []
    stored = stronghold.put(source, manifest)
    for number in range(flips):
        path = root / stored.path / rng.choice(list(FILES))
        data, at = bytearray(path.read_bytes()), rng.randrange(path.stat().st_size)
        data[at] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        target = source.parent / f"flipped-{number}"  # what came right at the last try is not read again
        try:
            stronghold.get(stored, target)
            accepted.append(f"{path.name} at {at}")
            shutil.rmtree(target)
        except Damaged as error:
            if path.name not in str(error) or target.exists():
                accepted.append(f"{number}: {error}")
        stronghold.put(source, manifest)
        if path.read_bytes() != (source / path.name).read_bytes():
            unmended.append(path.name)
    return [
        none_of("G2", "flipped bits on the NAS that were not refused with the file named", accepted, flips),
        none_of("G2", "damaged copies that were not mended by copying again", unmended, flips),
    ]


def _climb(home: Path, nas: FolderBackend, manifest: Manifest) -> list[Figure]:
    before = {path for path in home.rglob("*") if not path.is_relative_to(home / "nas")}
    stronghold, out, spellings = FileStronghold(nas, writer="campaign"), list[object](), traversals()
    for path in spellings:
        stored = StoredAsset(asset_id="model_x", kind="model", name="x", path=path, size_bytes=1, created_at="")
        for call in (stronghold.manifest, stronghold.drop, stronghold.verify):
            with suppress(VaultError):  # some are names that may well exist
                call(stored)
        with suppress(VaultError):
            nas.write(f"{path}/../../../x", iter([b"x"]))
            out.append(f"{path!r} was taken")
    after = {path for path in home.rglob("*") if not path.is_relative_to(home / "nas")}
    enough = len(spellings) >= _LEAST_SPELLINGS
    return [
        none_of("hostile", "spellings of paths that led out of the root", [*out, *(after ^ before)], len(spellings)),
        Figure(promise="hostile", what="spellings", figure=len(spellings), wanted="400", kept=enough),
    ]


@contextmanager
def _sshd(folder: Path) -> Iterator[UrlBackend]:
    """Debian's OpenSSH server, for this user alone."""
    (folder / "root").mkdir(parents=True)
    for name in ("host", "own"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = free_port()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/own.pub\n"
        f"PidFile none\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    try:
        options = {"client_keys": [str(folder / "own")], "known_hosts": str(folder / "known"), "username": "root"}
        yield _connected(f"ssh://127.0.0.1:{port}{folder}/root", options)
    finally:
        server.terminate()
        server.wait()


def _connected(url: str, options: dict[str, object]) -> UrlBackend:
    for _ in range(50):
        try:
            return UrlBackend("sshd", url, options)
        except Unreachable:
            time.sleep(0.1)
    return UrlBackend("sshd", url, options)
