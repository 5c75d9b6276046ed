"""From files to a model: every byte proven, weights shared and never mixed, answers those of plain transformers."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from arena import embedded
from arena.hero import answering, origin
from arena.oracle import loading
from arena.oracle.catalogue import Catalogue
from arena.oracle.generation import write
from arena.oracle.loading import Base, LoadedModel, Loader
from arena.oracle.rows import Row
from arena.oracle.trouble import UnfitCheckpoint, UnknownModel
from realm.checkpoints import sidecar
from realm.config import RealmConfig
from realm.oracle.wire import Selector
from realm.world import World
from tests.support import oracle_heroes as heroes
from tests.support.checkpoints import rewrite_sidecar
from tests.support.oracle_heroes import PROMPTS

CPU = torch.device("cpu")


class Bench:
    """Loads as the host does, without its process."""

    def __init__(self, world: World) -> None:
        self.catalogue = Catalogue(world, RealmConfig())
        self.loader = Loader(world, self.catalogue, dtype="float32", device=CPU)
        self.bases: dict[loading.BaseKey, Base] = {}

    def load(self, step: int) -> LoadedModel:
        plan = self.loader.plan(self.catalogue.find(Selector(step=step)), self.bases.keys())
        model = self.loader.load(plan, self.bases.get(plan.base_key))
        self.bases[model.base.key] = model.base
        return model


def said(model: LoadedModel) -> list[str]:
    return answering.answer(model.speaker, list(PROMPTS), max_new_tokens=8)


def plain(folder: Path, under: Path | None, prompts: list[list[int]], eos: int) -> list[list[int]]:
    """Token ids that transformers alone writes, one prompt after the other."""
    model: Any = AutoModelForCausalLM.from_pretrained(under or folder)
    if under:
        model = PeftModel.from_pretrained(model, folder)
    written = []
    for ids in prompts:
        row = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=0)
        new = row[0, len(ids) :].tolist()
        written.append(new[: new.index(eos) + 1] if eos in new else new)
    return written


@pytest.mark.parametrize(("step", "under"), [(0, None), (5, None), (15, 0), (25, 5)])
def test_greedy_answers_are_those_of_plain_generate(stocked: World, step: int, under: int | None) -> None:
    def folder(number: int) -> Path:
        found = stocked.heroes / "DIO" / heroes.folder_name(number)
        return found if number else embedded.folder(stocked.models)

    model = Bench(stocked).load(step)
    prompts = [answering.prompt_ids(model.speaker, prompt) for prompt in PROMPTS]
    rows = [Row(prompt_ids=ids, max_new_tokens=12) for ids in prompts]
    write(model.speaker, rows, lambda _: None)
    eos = int(model.speaker.tokenizer.eos_token_id)
    expected = plain(folder(step), None if under is None else folder(under), prompts, eos)
    assert [row.ids for row in rows] == expected
    assert len(set(map(tuple, expected))) > 1


def test_models_answer_each_in_its_own_way(stocked: World) -> None:
    bench = Bench(stocked)
    assert len({tuple(said(bench.load(step))) for step in (0, 5, 10, 15, 20, 25)}) == 6


def test_adapters_share_the_weights_under_them_and_answer_as_if_they_were_alone(stocked: World) -> None:
    alone = [said(Bench(stocked).load(step)) for step in (0, 15, 20)]
    bench = Bench(stocked)
    models = [bench.load(step) for step in (0, 15, 20)]
    assert [said(model) for model in models] == alone
    assert [said(model) for model in reversed(models)] == alone[::-1]
    assert len({id(model.base) for model in models}) == 1
    whole = {parameter.data_ptr() for parameter in models[0].base.model.parameters()}
    for model in models[1:]:
        mine = {parameter.data_ptr() for parameter in model.speaker.model.parameters()}
        assert whole < mine
        assert 0 < model.own_bytes < models[0].base.memory_bytes / 2


def test_an_adapter_on_a_full_checkpoint_shares_that_ones_weights(stocked: World) -> None:
    bench = Bench(stocked)
    assert bench.load(25).base is bench.load(5).base


def test_the_digest_is_the_one_that_the_sidecar_proves(stocked: World) -> None:
    bench = Bench(stocked)
    for step in (5, 10, 15, 25):
        saved = sidecar.read(stocked.heroes / "DIO" / heroes.folder_name(step))
        assert bench.load(step).sha256 == sidecar.answering_digest(saved)
    assert bench.load(0).sha256 == origin.weights_digest(str(embedded.folder(stocked.models)))
    assert len({bench.load(step).sha256 for step in (0, 5, 10, 15, 20, 25)}) == 6


FILES = ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_by_name(tmp_path: Path, name: str) -> None:
    world = heroes.make_world(tmp_path / "world")
    flip(heroes.add_full(world, 5) / name)
    with pytest.raises(UnfitCheckpoint, match=name):
        Bench(world).load(5)


def test_twin_without_digests_a_flipped_bit_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = sidecar.verify
    monkeypatch.setattr(sidecar, "verify", lambda folder: verify(folder, quick=True))
    world = heroes.make_world(tmp_path / "world")
    flip(heroes.add_full(world, 5) / "model.safetensors")
    assert len(said(Bench(world).load(5))) == len(PROMPTS)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


def test_a_damaged_adapter_and_damaged_weights_under_it_are_refused(tmp_path: Path) -> None:
    world = heroes.make_world(tmp_path / "world")
    full = heroes.add_full(world, 5)
    flip(heroes.add_adapter(world, 10) / "adapter_model.safetensors")
    heroes.add_adapter(world, 15, on=full)
    heroes.add_adapter(world, 20)
    flip(full / "model.safetensors")
    flip(embedded.folder(world.models) / "model.safetensors")
    bench = Bench(world)
    for step, told in ((10, "adapter_model.safetensors"), (15, "model.safetensors"), (20, "other weights")):
        with pytest.raises(UnfitCheckpoint, match=told):
            bench.load(step)


def test_weights_are_proven_again_although_size_and_time_are_the_same(tmp_path: Path) -> None:
    world = heroes.make_world(tmp_path / "world")
    heroes.add_adapter(world, 5)
    Bench(world).load(5)
    file = embedded.folder(world.models) / "model.safetensors"
    was = file.stat()
    flip(file)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(UnfitCheckpoint, match="other weights"):
        Bench(world).load(5)


@pytest.mark.parametrize("step", [0, 5, 10])
def test_a_file_that_changes_later_changes_no_answer(tmp_path: Path, step: int) -> None:
    model, file = loaded_from(tmp_path, step)
    before = said(model)
    overwrite(file)
    assert said(model) == before


def test_twin_of_mapped_weights_the_answers_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_detach", lambda model, keep: None)
    model, file = loaded_from(tmp_path, 5)
    before = said(model)
    overwrite(file)
    assert said(model) != before


def loaded_from(folder: Path, step: int) -> tuple[LoadedModel, Path]:
    world = heroes.make_world(folder / "world")
    heroes.add_full(world, 5)
    heroes.add_adapter(world, 10)
    source = world.heroes / "DIO" / heroes.folder_name(step) if step == 5 else embedded.folder(world.models)
    return Bench(world).load(step), source / "model.safetensors"


def overwrite(file: Path) -> None:
    """In place, as a dying disk or a broken program does; noise, because zeros might answer alike."""
    size = file.stat().st_size
    with open(file, "r+b") as opened:
        opened.seek(size // 2)
        opened.write(bytes(range(256)) * (size // 2 // 256))


def test_files_that_change_between_proof_and_loading_are_refused(tmp_path: Path) -> None:
    world = heroes.make_world(tmp_path / "world")
    folder = heroes.add_full(world, 5)
    bench = Bench(world)
    plan = bench.loader.plan(bench.catalogue.find(Selector(step=5)), ())
    flip(folder / "model.safetensors")
    with pytest.raises(UnfitCheckpoint, match=r"model\.safetensors has changed while"):
        bench.loader.load(plan, None)


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "../../base/embedded"},
        {"model": "DIO/../../base/embedded"},
        {"model": "../heroes/DIO/base"},
        {"hero": "..", "name": "base"},
        {"hero": "../models/heroes/DIO", "step": 5},
        {"name": "/etc"},
        {"name": ""},
        {"step": -5},
        {"name": "a link"},
        {"name": "checkpoint-7-20260101-1230"},
    ],
)
def test_nothing_outside_the_heroes_folders_can_be_named(tmp_path: Path, wanted: dict[str, Any]) -> None:
    world = heroes.make_world(tmp_path / "world")
    elsewhere = heroes.add_full(heroes.make_world(tmp_path / "elsewhere"), 7)
    heroes.add_full(world, 5)
    (world.heroes / "DIO" / elsewhere.name).symlink_to(elsewhere)
    (world.heroes / "DIO" / "a link").symlink_to(elsewhere)
    with pytest.raises(UnknownModel):
        Catalogue(world, RealmConfig()).find(Selector(**wanted))


def test_a_sidecar_cannot_lead_to_a_base_elsewhere(tmp_path: Path) -> None:
    elsewhere = embedded.folder(heroes.make_world(tmp_path / "elsewhere").models)
    world = heroes.make_world(tmp_path / "world")
    folder = heroes.add_adapter(world, 5)
    rewrite_sidecar(folder, base_model=str(elsewhere))
    with pytest.raises(UnknownModel, match="outside this world's models"):
        Bench(world).load(5)
    settings = RealmConfig(base_model=str(elsewhere))
    loader = Loader(world, Catalogue(world, settings), dtype="float32", device=CPU)
    assert loader.plan(Catalogue(world, settings).find(Selector(step=5)), ()).sha256


def test_a_checkpoint_of_another_hero_is_refused(tmp_path: Path) -> None:
    world = heroes.make_world(tmp_path / "world")
    folder = heroes.add_full(world, 5, hero="EVA")
    folder.rename(world.heroes / folder.name)
    (world.heroes / "DIO").mkdir()
    (world.heroes / folder.name).rename(world.heroes / "DIO" / folder.name)
    with pytest.raises(UnfitCheckpoint, match="EVA"):
        Bench(world).load(5)


def test_of_one_step_the_newest_is_meant_and_a_name_means_itself(stocked: World) -> None:
    catalogue = Catalogue(stocked, RealmConfig())
    entry = catalogue.find(Selector(step=5))
    assert entry == catalogue.find(Selector(name=entry.name)) == catalogue.find(Selector(model=entry.id))
    with contextlib.suppress(UnknownModel):
        catalogue.find(Selector(step=6))
        pytest.fail("step 6 is nowhere")
    with pytest.raises(ValueError, match="exactly one"):
        Selector(step=5, name=entry.name)


def test_the_embedded_heros_base_is_made_where_it_is_missing(tmp_path: Path) -> None:
    world = World(tmp_path / "bare")
    (world.heroes / "DIO").mkdir(parents=True)
    assert Bench(world).load(0).sha256 == origin.weights_digest(str(embedded.ensure(world.models)))
