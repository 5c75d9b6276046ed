"""Pull and push over a wire that cuts and corrupts: whole or not at all, and on from where it broke."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.fault_proxy import Faults, Wire, wire
from tests.support.zones import SMALL_CHUNK_BYTES, Served, contents, make_model, manifest_of, served, small_chunks
from vault.assets import members
from vault.assets.manifest import Manifest
from vault.assets.partial import Gap
from vault.errors import Damaged, Unreachable
from vault.strongholds.contract import Cancelled, unheard
from vault.zones import carrying, streams
from vault.zones.carrying import Carried
from vault.zones.client import ZoneClient
from vault.zones.streams import Stream

pytestmark = pytest.mark.slow
SIZE_BYTES = 10 * SMALL_CHUNK_BYTES + 4321
CUTS = 12
HEADS_BYTES = 4096
"""The most that the heads of one try take."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch)


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "zone") as there:
        yield there


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "Small-1M", SIZE_BYTES)


def cutting(cuts: int, seed: int) -> Callable[[int], Faults]:
    """Cuts both ways at some byte in each of the first connections that carry bytes."""
    chance = random.Random(seed)
    places = [chance.randrange(1000, SIZE_BYTES // 4) for _ in range(cuts)]

    def faults(number: int) -> Faults:
        at = places.pop() if places and number else None
        return Faults(cut_down_at=at, cut_up_at=at)

    return faults


def pull(zone: Served, through: Wire, target: Path) -> tuple[Carried, Manifest]:
    client = ZoneClient("3090", through.url)
    made = client.manifest("model_small_1m")
    return carrying.pull(client, made, target, progress=unheard), made


@pytest.mark.parametrize("seed", range(2))
def test_a_pull_that_is_cut_goes_on_and_sends_less_than_a_chunk_again(zone: Served, tmp_path: Path, seed: int) -> None:
    source = make_model(zone.base / "Small-1M", SIZE_BYTES)
    target = tmp_path / "got" / "Small-1M"
    with wire("127.0.0.1", zone.port, cutting(CUTS, seed)) as through:
        carried, made = pull(zone, through, target)
        assert through.cuts > 2
        again = carried.bytes_sent - made.size_bytes
        assert again < SMALL_CHUNK_BYTES * through.cuts
        assert through.bytes_down < made.size_bytes + (SMALL_CHUNK_BYTES + HEADS_BYTES) * (through.connections + 1)
    assert contents(target) == contents(source)
    assert [path.name for path in target.parent.iterdir()] == ["Small-1M"]


@pytest.mark.parametrize("seed", range(2))
def test_a_push_that_is_cut_goes_on(zone: Served, model: Path, seed: int) -> None:
    made = manifest_of(model)
    with wire("127.0.0.1", zone.port, cutting(CUTS, seed)) as through:
        carried = carrying.push(ZoneClient("3090", through.url), model, made, progress=unheard)
        assert through.cuts > 2
    assert carried.destination == str(zone.base / "Small-1M")
    assert contents(zone.base / "Small-1M") == contents(model)
    assert not list(zone.base.glob(".part-*"))


def flipping(zone: Served, tmp_path: Path) -> Carried:
    with wire("127.0.0.1", zone.port, lambda number: Faults(flip_down_at=100_000 if number == 1 else None)) as through:
        return pull(zone, through, tmp_path / "got" / "Small-1M")[0]


def test_a_byte_that_changes_on_the_wire_is_asked_for_again(zone: Served, tmp_path: Path) -> None:
    source = make_model(zone.base / "Small-1M", SIZE_BYTES)
    assert flipping(zone, tmp_path).damaged == 1
    assert contents(tmp_path / "got" / "Small-1M") == contents(source)


def test_twin_without_digests_of_chunks_the_byte_is_found_only_at_the_end(
    zone: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model(zone.base / "Small-1M", SIZE_BYTES)

    def put(self: members.Member, index: int, buffer: bytearray) -> None:
        members._write_all(self._open(66), memoryview(buffer), index * SMALL_CHUNK_BYTES)
        self._right[index] = True

    monkeypatch.setattr(members.Member, "_put", put)
    with pytest.raises(Damaged, match=r"model\.safetensors is not what its digest says"):
        flipping(zone, tmp_path)
    assert not (tmp_path / "got" / "Small-1M").exists()


def test_a_byte_that_changes_on_its_way_to_the_zone_is_sent_again(zone: Served, model: Path) -> None:
    faults = lambda number: Faults(flip_up_at=100_000 if number == 1 else None)  # noqa: E731
    with wire("127.0.0.1", zone.port, faults) as through:
        carrying.push(ZoneClient("3090", through.url), model, manifest_of(model), progress=unheard)
    assert contents(zone.base / "Small-1M") == contents(model)


def test_a_copy_that_is_damaged_there_is_refused_by_name(zone: Served, tmp_path: Path) -> None:
    source = make_model(zone.base / "Small-1M", SIZE_BYTES)
    made = zone.client.manifest("model_small_1m")
    stat, weights = (source / "model.safetensors").stat(), source / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[70_000] ^= 1
    weights.write_bytes(data)
    zone.officer._shelf._manifests._stamp = lambda held: zone.officer._shelf._manifests._known[held.asset_id][0]  # type: ignore[method-assign]
    assert stat.st_size == weights.stat().st_size
    with pytest.raises(Damaged, match=r"model\.safetensors: bytes 65536 to 131072"):
        carrying.pull(zone.client, made, tmp_path / "got", progress=unheard)
    assert not (tmp_path / "got").exists()


def test_what_was_cancelled_goes_on_with_the_next_call(zone: Served, tmp_path: Path) -> None:
    make_model(zone.base / "Small-1M", SIZE_BYTES)
    made = zone.client.manifest("model_small_1m")

    def cancel(bytes_done: int, doing: str) -> None:
        if bytes_done > SIZE_BYTES // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        carrying.pull(zone.client, made, tmp_path / "got", progress=cancel)
    assert not (tmp_path / "got").exists()
    carried = carrying.pull(zone.client, made, tmp_path / "got", progress=unheard)
    assert carried.bytes_sent < SIZE_BYTES // 2 + SMALL_CHUNK_BYTES
    assert (tmp_path / "got" / "model.safetensors").stat().st_size == SIZE_BYTES


def test_a_zone_that_is_gone_in_mid_transfer_is_told_and_the_rest_comes_later(
    zone: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_LONGEST_PAUSE_SECONDS", 0.01)
    make_model(zone.base / "Small-1M", SIZE_BYTES)
    made = zone.client.manifest("model_small_1m")
    with wire("127.0.0.1", zone.port, lambda number: Faults(cut_down_at=200_000 if number == 0 else 0)) as through:
        gone = ZoneClient("3090", through.url)
        with pytest.raises(Unreachable, match="zone 3090"):
            carrying.pull(gone, made, tmp_path / "got", progress=unheard)
    (part,) = tmp_path.glob(".part-*")
    have = sum(map(len, contents(part).values()))
    carried = carrying.pull(zone.client, made, tmp_path / "got", progress=unheard)
    assert carried.bytes_sent == made.size_bytes - have


def test_two_pushes_of_one_thing_send_it_once(zone: Served, model: Path) -> None:
    made = manifest_of(model)
    both: list[Carried] = []
    threads = [
        threading.Thread(target=lambda: both.append(carrying.push(zone.client, model, made, progress=unheard)))
        for _ in range(2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.bytes_sent for each in both) == [0, made.size_bytes]
    assert contents(zone.base / "Small-1M") == contents(model)


@contextmanager
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, Path]]:
    """A zone that is reached by https, and what it offers."""
    certificate = make_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with served(tmp_path / "encrypted", certificate=certificate) as zone:
        yield zone, make_model(zone.base / "Small-1M", 3 * SMALL_CHUNK_BYTES)


def test_bytes_to_and_from_a_zone_behind_https_are_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with encrypted(tmp_path, monkeypatch) as (zone, model):
        carrying.pull(zone.client, manifest_of(model), tmp_path / "got", progress=unheard)
        assert contents(tmp_path / "got") == contents(model)
        other = make_model(tmp_path / "Other-1M", 3 * SMALL_CHUNK_BYTES, seed=1)
        told = {"asset_id": "model_other_1m", "manifest": asdict(manifest_of(other)), "sender": "me"}
        opened = zone.officer._announced(json.dumps(told).encode())
        with Stream(zone.client) as stream:
            for gap in opened["missing"]:
                stream.send(opened["upload"], "me", other / gap["path"], Gap(**gap), lambda count: None)
        assert zone.officer._announced(json.dumps(told).encode())["missing"] == []


def test_twin_where_only_the_address_says_https_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HTTPSConnection", HTTPConnection)
    monkeypatch.setattr(carrying, "BROKEN_TRIES", 1)
    with encrypted(tmp_path, monkeypatch) as (zone, model), pytest.raises(Unreachable):
        carrying.pull(zone.client, manifest_of(model), tmp_path / "got", progress=unheard)
