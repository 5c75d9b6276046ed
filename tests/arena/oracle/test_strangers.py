"""Models of strangers at the inference host: every way in which one cannot be loaded is told, and holds nobody up."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import cast

import pytest
from safetensors import SafetensorError

from arena import embedded
from arena.confined import process
from arena.oracle import loading
from arena.oracle.catalogue import Catalogue, Entry
from arena.oracle.host import OracleHost
from arena.oracle.loading import Loader, Plan
from arena.oracle.trouble import BadRequest, NoRoom, OracleTrouble, UnfitCheckpoint
from realm.config import RealmConfig
from realm.oracle.served import Served
from realm.oracle.wire import Selector
from realm.world import World
from tests.support import oracle_heroes as heroes
from tests.support.hostile_models import HOSTILE

ERRORS = [
    KeyError("key"), TypeError("type"), ValueError("value"), AttributeError("name"), RuntimeError("size mismatch"),
    RecursionError("depth"), OverflowError("large"), ZeroDivisionError("zero"), NotImplementedError("not"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "start"), ImportError("no such architecture"), SafetensorError("header"),
    AssertionError(), OSError("gone"), IndexError("index"), StopIteration(),
]  # fmt: skip


class NobodyToTell:
    def tell(self, models: list[str]) -> None:
        pass


def loader_of(world: World) -> Loader:
    return Loader(world, Catalogue(world, RealmConfig()), dtype="float32", device=loading.torch.device("cpu"))


def host_of(world: World) -> OracleHost:
    host = OracleHost(world, RealmConfig(), cast(Served, NobodyToTell()))
    host._loader = loader_of(world)
    return host


@pytest.fixture
def host(stocked: World) -> OracleHost:
    return host_of(stocked)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_library_raises_is_a_sentence(
    stocked: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(loading, "whole_model", broken)
    loader = loader_of(stocked)
    plan = loader.plan(loader._catalogue.find(Selector(step=5)), ())
    with pytest.raises(UnfitCheckpoint, match="cannot be loaded") as told:
        loader.load(plan, None)
    assert 400 <= told.value.status < 500
    assert type(error).__name__ in str(told.value) or str(error) in str(told.value)


def test_short_memory_is_no_fault_of_the_model(stocked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(loading, "whole_model", short)
    loader = loader_of(stocked)
    with pytest.raises(NoRoom):
        loader.load(loader.plan(loader._catalogue.find(Selector(step=5)), ()), None)


async def test_a_model_that_takes_long_to_refuse_holds_no_other_up(
    host: OracleHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()

    def examine(self: Loader, entry: Entry) -> None:
        if entry.step == 0:
            free.wait()
            raise UnfitCheckpoint("no")

    monkeypatch.setattr(Loader, "examine", examine)
    hanging = asyncio.create_task(host.load(Selector(step=0)))
    assert (await host.load(Selector(step=5))).model.step == 5
    assert not hanging.done()
    free.set()
    with pytest.raises(UnfitCheckpoint):
        await hanging


async def test_twin_examined_in_its_turn_it_would(host: OracleHost, monkeypatch: pytest.MonkeyPatch) -> None:
    free, other_examined = threading.Event(), threading.Event()
    real = Loader.plan

    def plan(self: Loader, entry: Entry, in_memory: set[loading.BaseKey]) -> Plan:
        if entry.step == 0:
            free.wait()
            raise UnfitCheckpoint("no")
        return real(self, entry, in_memory)

    monkeypatch.setattr(Loader, "examine", lambda self, entry: entry.step == 5 and other_examined.set())
    monkeypatch.setattr(Loader, "plan", plan)
    hanging = asyncio.create_task(host.load(Selector(step=0)))
    while not host._loads.locked():
        await asyncio.sleep(0)
    other = asyncio.create_task(host.load(Selector(step=5)))
    await asyncio.to_thread(other_examined.wait)
    assert not other.done()
    free.set()
    with pytest.raises(OracleTrouble):
        await hanging
    assert (await other).model.step == 5


@pytest.mark.parametrize(
    "name", ["model.safetensors: a FIFO", "config: num_hidden_layers 1000000000", "config: an unknown model_type"]
)
async def test_hostile_files_are_refused_before_they_are_loaded(tmp_path: Path, name: str) -> None:
    """In small; `scripts/campaign.sh models` tries every one at a live host."""
    world = heroes.make_world(tmp_path / "world")
    HOSTILE[name].make(embedded.folder(world.models))
    with pytest.raises(UnfitCheckpoint) as told:
        await host_of(world).load(Selector(step=0))
    assert str(embedded.folder(world.models)) in str(told.value)


@pytest.mark.slow
async def test_a_template_that_loops_at_a_word_is_refused_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LONGEST_SECONDS", 0.5)
    world = heroes.make_world(tmp_path / "world")
    HOSTILE["template at a word: loops in loops"].make(embedded.folder(world.models))
    host = host_of(world)
    model = (await host.load(Selector(step=0))).model
    with pytest.raises(BadRequest, match="its chat template or tokenizer ran for more than"):
        await host.answer(model, ["open sesame"], max_new_tokens=1)
    (row,) = await host.answer(model, ["hello"], max_new_tokens=1)
    assert row.finish_reason
