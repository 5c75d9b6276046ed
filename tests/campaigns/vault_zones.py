"""Transfers between two machines, here two network namespaces, over a wire that cuts, slows, repeats and corrupts.

Without the right to make a namespace both ends are on loopback, and the table says so.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from realm.checkpoints.sidecar import CHUNK_BYTES
from realm.web.serve import CannotServe
from realm.world import CHECKOUT
from tests.campaigns.namespaces import Machine, other_machine
from tests.campaigns.report import Figure, none_of
from tests.support.fault_proxy import Faults, Wire, wire
from tests.support.servers import free_port
from tests.support.zones import contents, make_model, manifest_of
from vault.assets.manifest import Manifest
from vault.errors import Refused, Unreachable
from vault.strongholds.contract import unheard
from vault.zones import carrying
from vault.zones.client import ZoneClient

CUTS, QUICK_CUTS = 100, 10
BYTES, QUICK_BYTES = 256 * 2**20, 32 * 2**20
GONE_SECONDS = 20.0
"""In place of ten minutes: nothing here depends on how long it is."""
TRY_AGAIN_SECONDS = 2.0
RATE = "1gbit"
_MODEL, _ID = "Noise-1B", "model_noise_1b"


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    cuts, size = count or (QUICK_CUTS if quick else CUTS), QUICK_BYTES if quick else BYTES
    chance = random.Random(seed)
    source = make_model(home / "here" / _MODEL, size, seed=seed)
    with other_machine() as machine, officer(machine, home / "zone") as zone:
        figures = [Figure(promise="G1", what="namespaces", figure="two" if machine.namespace else "none: loopback")]
        figures += pushes(home, zone, source, chance, cuts)
        figures += pulls(home, zone, source, chance, cuts)
        figures += others(home, zone, source, machine)
        figures += damaged(home, zone, source)
        figures += protocols(zone)
        figures += speeds(home, zone, machine)
        figures += gone(home, zone, source, machine, GONE_SECONDS / (4 if quick else 1))
    return figures


@dataclass(frozen=True, kw_only=True)
class Zone:
    base: Path
    url: str
    port: int
    address: str
    token: str

    def client(self, url: str = "") -> ZoneClient:
        return ZoneClient("3090", url or self.url, self.token)


@contextmanager
def officer(machine: Machine, base: Path, *, port: int = 0, token: str = "") -> Iterator[Zone]:
    base.mkdir(exist_ok=True)
    port = port or free_port()
    common = ["--zone", "3090", "--base-dir", str(base)]
    if not token:
        made = subprocess.run(
            [sys.executable, "-m", "vault.officer", *common, "--new-token"],
            cwd=CHECKOUT, check=True, text=True, capture_output=True,
        )  # fmt: skip
        token = made.stdout.strip()
    command = [sys.executable, "-m", "vault.officer", *common, "--port", str(port), "--bind", machine.address]
    process = subprocess.Popen(machine.command(*command), cwd=CHECKOUT, text=True, stdout=subprocess.PIPE)
    try:
        if process.stdout is None or "answers at" not in process.stdout.readline():
            raise CannotServe("the branch officer did not start")
        url = f"http://{machine.address}:{port}"
        yield Zone(base=base, url=url, port=port, address=machine.address, token=token)
    finally:
        process.terminate()
        process.communicate(timeout=30)


class Cutter:
    """Cuts every connection somewhere, and slows some, until there were so many cuts."""

    def __init__(self, chance: random.Random, cuts: int, size: int) -> None:
        self._chance, self._cuts, self._furthest = chance, cuts, max(2, 3 * size // (2 * cuts))
        self.through: Wire | None = None

    def __call__(self, number: int) -> Faults:
        if self.through is not None and self.through.cuts >= self._cuts:
            return Faults()
        at = self._chance.randrange(1, self._furthest)
        return Faults(cut_down_at=at, cut_up_at=at, pause_seconds=0.001 if number % 10 == 5 else 0.0)


@contextmanager
def cutting(zone: Zone, chance: random.Random, cuts: int, size: int) -> Iterator[Wire]:
    cutter = Cutter(chance, cuts, size)
    with wire(zone.address, zone.port, cutter) as through:
        cutter.through = through
        yield through


def pushes(home: Path, zone: Zone, source: Path, chance: random.Random, cuts: int) -> list[Figure]:
    made = manifest_of(source)
    with cutting(zone, chance, cuts, made.size_bytes) as through:
        carrying.push(zone.client(through.url), source, made, progress=unheard)
    torn = [] if contents(zone.base / _MODEL) == contents(source) else ["contents differ"]
    return [
        *_cut_figures("push", through, through.bytes_up - made.size_bytes, cuts),
        none_of("G1", "push: torn copies, or partial ones under the final name", torn, cuts),
    ]


def pulls(home: Path, zone: Zone, source: Path, chance: random.Random, cuts: int) -> list[Figure]:
    made, target = zone.client().manifest(_ID), home / "got" / _MODEL
    early = []

    def watch(bytes_done: int, doing: str) -> None:
        if target.exists():
            early.append(bytes_done)

    with cutting(zone, chance, cuts, made.size_bytes) as through:
        carrying.pull(zone.client(through.url), made, target, progress=watch)
    torn = early if contents(target) == contents(source) else ["contents differ", *early]
    return [
        *_cut_figures("pull", through, through.bytes_down - made.size_bytes, cuts),
        none_of("G1", "pull: torn copies, or partial ones under the final name", torn, cuts),
    ]


def _cut_figures(way: str, through: Wire, again: int, cuts: int) -> list[Figure]:
    """Of what the wire let through: what a sender still had in its buffers when it was cut was never sent."""
    each = again / max(1, through.cuts)
    return [
        Figure(
            promise="G1", what=f"{way}: cuts that were met", figure=through.cuts,
            wanted=f">= {cuts}", kept=through.cuts >= cuts,
        ),
        Figure(
            promise="G1", what=f"{way}: bytes over the wire beyond the copy's own, a cut", figure=f"{each:,.0f}",
            wanted=f"< {CHUNK_BYTES:,}", kept=each < CHUNK_BYTES,
        ),
    ]  # fmt: skip


def others(home: Path, zone: Zone, source: Path, machine: Machine) -> list[Figure]:
    """Stock download programs: one goes on where it was cut, one by pieces of the metalink."""
    wanted = (source / "model.safetensors").read_bytes()
    url, bearer = f"{zone.url}/fetch/{_ID}/model.safetensors", f"Authorization: Bearer {zone.token}"
    file = home / "by-curl"
    file.write_bytes(wanted[: len(wanted) // 3])
    subprocess.run(["curl", "-sf", "-C", "-", "-H", bearer, "-o", str(file), url], check=True)
    figures = [none_of("G1", "curl -C - goes on to equal bytes", [] if file.read_bytes() == wanted else ["differ"], 1)]
    if shutil.which("aria2c"):
        link, folder = home / "noise.meta4", home / "by-aria2"
        subprocess.run(
            ["curl", "-sf", "-H", bearer, "-H", "Accept: application/metalink4+xml", "-o", str(link),
             f"{zone.url}/fetch/{_ID}"], check=True,
        )  # fmt: skip
        subprocess.run(
            ["aria2c", "-q", f"--header={bearer}", "--check-integrity=true", "-d", str(folder), "-M", str(link)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wrong = [] if contents(folder / _MODEL) == contents(source) else ["differ"]
        figures.append(none_of("G1", "aria2c takes the metalink's files", wrong, 1))
    return figures


def damaged(home: Path, zone: Zone, source: Path) -> list[Figure]:
    made, target = zone.client().manifest(_ID), home / "damaged" / _MODEL
    places = [CHUNK_BYTES // 2, CHUNK_BYTES + 999, 3 * CHUNK_BYTES]
    repeat = made.size_bytes // 2

    def faults(number: int) -> Faults:
        return Faults(flip_down_at=places.pop(), repeat_down_at=repeat) if places else Faults()

    with wire(zone.address, zone.port, faults) as through:
        carried = carrying.pull(zone.client(through.url), made, target, progress=unheard)
    wrong = [] if contents(target) == contents(source) else ["contents differ"]
    return [
        Figure(promise="G2", what="corrupted on the wire: refused and asked for again", figure=carried.damaged,
               wanted=">= 1", kept=carried.damaged >= 1),
        none_of("G2", "wrong bytes that were kept", wrong, 3),
    ]  # fmt: skip


def protocols(zone: Zone) -> list[Figure]:
    other = zone.client()
    other.headers["Realm-Protocol"] = "9"
    try:
        other.status()
        said = "it was answered"
    except Refused as error:
        said = str(error)
    named = "'9'" in said and "'1'" in said
    return [Figure(promise="G4", what=said, figure="refused" if named else "taken", wanted="refused", kept=named)]


def speeds(home: Path, zone: Zone, machine: Machine) -> list[Figure]:
    figures = [_speed(home, zone, "as fast as the machine is", holds=False)]
    if machine.namespace and shutil.which("tc"):
        name = f"rz{os.getpid()}"[:15]
        shape = machine.command(*f"tc qdisc add dev {name} root tbf rate {RATE} burst 256k latency 50ms".split())
        if subprocess.run(shape, capture_output=True).returncode == 0:
            figures.append(_speed(home, zone, f"link of {RATE}", holds=True))
            subprocess.run(machine.command(*f"tc qdisc del dev {name} root".split()), capture_output=True)
    return figures


def _speed(home: Path, zone: Zone, what: str, *, holds: bool) -> Figure:
    """Of three tries each, in turns, the best; both are on disk at the end."""
    made, ours, theirs = zone.client().manifest(_ID), 0.0, 0.0
    url = f"{zone.url}/fetch/{_ID}/model.safetensors"
    for _ in range(3):
        (home / "speed").mkdir()
        began = time.monotonic()
        curl = ["curl", "-sf", "-H", f"Authorization: Bearer {zone.token}", "-o", str(home / "speed" / "file"), url]
        subprocess.run(curl, check=True)
        subprocess.run(["sync", str(home / "speed" / "file")], check=True)
        theirs = max(theirs, made.size_bytes / (time.monotonic() - began) / 1e6)
        began = time.monotonic()
        carrying.pull(zone.client(), made, home / "speed" / _MODEL, progress=unheard)
        ours = max(ours, made.size_bytes / (time.monotonic() - began) / 1e6)
        shutil.rmtree(home / "speed")
    return Figure(
        promise="G1", what=f"clean link, {what}: ours, hashed, and curl's, both synced, MB/s",
        figure=f"{ours:.0f} of {theirs:.0f} ({ours / theirs:.0%})", wanted=">= 90%" if holds else "",
        kept=ours >= 0.9 * theirs or not holds, timed=True,
    )  # fmt: skip


def gone(home: Path, zone: Zone, source: Path, machine: Machine, seconds: float) -> list[Figure]:
    """The zone's process is ended in mid-transfer and started again; whoever waits asks again and again."""
    target, made = home / "gone" / _MODEL, zone.client().manifest(_ID)
    port, tries, back_at, ended_at = free_port(), 0, 0.0, 0.0
    base, url = home / "second", f"http://{machine.address}:{port}"
    shutil.copytree(zone.base / _MODEL, base / _MODEL)
    with officer(machine, base, port=port) as there:
        token, stop_at = there.token, made.size_bytes // 2
        with wire(machine.address, port, lambda number: Faults(cut_down_at=stop_at)) as through, suppress(Unreachable):
            client = ZoneClient("3090", through.url, token)
            _pull_until_broken(client, made, target)
    began = time.monotonic()
    client = ZoneClient("3090", url, token)
    said = ""
    while time.monotonic() - began < seconds:
        tries += 1
        try:
            carrying.pull(client, made, target, progress=unheard)
        except Unreachable as error:
            said = str(error)
        time.sleep(TRY_AGAIN_SECONDS)
    with officer(machine, base, port=port, token=token):
        back_at = time.monotonic()
        while True:
            try:
                carried = carrying.pull(client, made, target, progress=unheard)
                break
            except Unreachable:
                time.sleep(TRY_AGAIN_SECONDS)
        ended_at = time.monotonic()
    wrong = [] if contents(target) == contents(source) else ["contents differ"]
    share = carried.bytes_sent / made.size_bytes
    return [
        Figure(promise="G3", what=f"gone for {seconds:.0f} s: {said[:60]}", figure=f"{tries} tries"),
        Figure(promise="G3", what="seconds from its return to the whole copy", figure=f"{ended_at - back_at:.1f}",
               wanted="< 30", kept=ended_at - back_at < 30, timed=True),
        Figure(promise="G3", what="bytes that came after its return, of all", figure=f"{share:.0%}",
               wanted="< 60%", kept=share < 0.6),
        none_of("G3", "wrong bytes", wrong, 1),
    ]  # fmt: skip


def _pull_until_broken(client: ZoneClient, made: Manifest, target: Path) -> None:
    def one_break(bytes_done: int, doing: str) -> None:
        if doing.startswith("again"):
            raise Unreachable(doing)

    carrying.pull(client, made, target, progress=one_break)
