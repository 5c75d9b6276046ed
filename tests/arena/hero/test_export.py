"""A checkpoint as a model folder of its own: plain transformers loads it, and it answers as the hero."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from arena.hero import __main__ as command
from arena.hero import adapter, export
from arena.hero import model as heroes
from arena.hero.origin import IncompatibleCheckpoint, UnloadableHero
from arena.protocol import Order
from arena.recipe import Recipe
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from tests.arena.training.test_modes import FULL, LORA, after, change_weights, trained
from tests.support import tiny_hero
from tests.support.runs import newest, run

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[3]


def fought(folder: Path, *recipes: Recipe) -> Order:
    """A hero that fought one battle after the other, in these ways."""
    order = tiny_hero.make_order(folder, recipe=recipes[0])
    trained(order)
    for number, recipe in enumerate(recipes[1:]):
        trained(after(order, f"battle-{number}", recipe))
    return order


BF16_LORA = replace(LORA, dtype="bfloat16")


@pytest.mark.parametrize(
    "recipes", [(FULL,), (LORA,), (BF16_LORA,), (FULL, LORA)], ids=["full", "lora", "bf16-lora", "lora-on-full"]
)
def test_a_merged_checkpoint_is_an_ordinary_model(tmp_path: Path, recipes: tuple[Recipe, ...]) -> None:
    order = fought(tmp_path, *recipes)
    out = tmp_path / "exports" / "merged"
    made = export.export(newest(order), out)
    assert (made.checkpoint, made.mode) == (newest(order).name, recipes[-1].mode)
    assert made.largest_difference <= made.tolerance

    plain, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert {parameter.dtype for parameter in plain.parameters()} == {torch.float32}
    assert plain.config.use_cache is True
    assert not (out / "adapter_config.json").exists()
    exact = replace(recipes[-1], dtype="float32")
    ours = heroes.load(order.base_model, exact, checkpoint=newest(order), device=torch.device("cpu"))
    text = ours.tokenizer.apply_chat_template([{"role": "user", "content": "12+30"}], tokenize=False)
    tokens = ours.tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        expected, found = ours.model.eval()(tokens).logits, plain(tokens).logits
    assert (expected - found).abs().max().item() <= made.tolerance

    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.chat_template == ours.tokenizer.chat_template
    assert tokenizer(text).input_ids == tokens[0].tolist()


def test_a_full_checkpoints_weights_are_copied_bit_for_bit(tmp_path: Path) -> None:
    order = fought(tmp_path, FULL)
    made = export.export(newest(order), tmp_path / "out")
    assert made.largest_difference == 0
    before, after_ = (load_file(folder / "model.safetensors") for folder in (newest(order), tmp_path / "out"))
    assert before.keys() == after_.keys()
    assert all(torch.equal(before[name], after_[name]) for name in before)


def miss_one_layer(patch: pytest.MonkeyPatch) -> None:
    def without_the_last(model: PeftModel) -> PreTrainedModel:
        layers = [module for module in model.modules() if hasattr(module, "lora_B")]
        layers[-1].set_scale("default", 0.0)
        return add_up(model)

    add_up = adapter.add_up
    patch.setattr(adapter, "add_up", without_the_last)


def spoil_as_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """One layer of what reaches the disk is not the merged one."""
    save = PreTrainedModel.save_pretrained

    def spoiled(self: PreTrainedModel, folder: str) -> None:
        with torch.no_grad():
            self.get_submodule("model.layers.1.mlp.up_proj").weight += 1e-2  # type: ignore[operator]
        save(self, folder)

    patch.setattr(PreTrainedModel, "save_pretrained", spoiled)


@pytest.mark.parametrize(
    ("sabotage", "told"),
    [
        (miss_one_layer, "merging the adapter moves logits by "),
        (spoil_as_it_is_written, "the merged model's logits differ from those of checkpoint-"),
    ],
)
def test_a_merge_that_answers_otherwise_is_not_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sabotage: Callable[[pytest.MonkeyPatch], None],
    told: str,
) -> None:
    order = fought(tmp_path, LORA)
    sabotage(monkeypatch)
    with pytest.raises(UnloadableHero, match=told):
        export.export(newest(order), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".tmp-*"))


def test_twin_uncompared_it_would_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = fought(tmp_path, LORA)
    miss_one_layer(monkeypatch)
    monkeypatch.setattr(adapter, "tolerance", lambda logits: float("inf"))
    export.export(newest(order), tmp_path / "out")
    assert (tmp_path / "out").is_dir()


def test_a_hero_does_not_go_on_from_a_merge_that_answers_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = fought(tmp_path, LORA)
    miss_one_layer(monkeypatch)
    (failed,) = run(after(order, "second", FULL))
    assert failed.data["blame"] == "hero"
    assert "the merged model would answer otherwise than the hero, so it is not used" in failed.data["reason"]


def test_what_is_damaged_or_sits_on_other_weights_is_not_merged(tmp_path: Path) -> None:
    order = fought(tmp_path, LORA)
    change_weights(Path(order.base_model))
    with pytest.raises(IncompatibleCheckpoint, match="is an adapter on other weights"):
        export.export(newest(order), tmp_path / "out")
    weights = newest(order) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(DamagedCheckpoint, match=r"adapter_model\.safetensors has changed"):
        export.export(newest(order), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_and_no_checkpoint_is_added_to(tmp_path: Path) -> None:
    order = fought(tmp_path, FULL)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        export.export(newest(order), tmp_path / "out")
    with pytest.raises(FileExistsError, match="lies inside the checkpoint"):
        export.export(newest(order), newest(order) / "merged")
    sidecar.verify(newest(order))


def test_a_model_folder_is_held_against_its_checkpoint(tmp_path: Path) -> None:
    order = fought(tmp_path, LORA)
    export.export(newest(order), tmp_path / "out")
    assert export.compare(newest(order), tmp_path / "out").holds
    other = tiny_hero.make_base(tmp_path / "other")
    assert not export.compare(newest(order), other).holds
    assert command.compare(newest(order), other) == 1
    (tmp_path / "out" / "model.safetensors").unlink()
    with pytest.raises(UnloadableHero, match=r"out cannot be loaded: "):
        export.compare(newest(order), tmp_path / "out")


def run_merge(
    *arguments: str, where: Path = CHECKOUT, module: str = "arena.training"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=where, env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def test_from_the_command_line(tmp_path: Path) -> None:
    order = fought(tmp_path, LORA)
    name = newest(order).name
    done = run_merge("merge", name, "../merged", where=Path(order.hero_folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{name} (lora) is now ../merged; largest difference of its logits ")
    assert json.loads((tmp_path / "merged" / "config.json").read_bytes())["architectures"] == ["Qwen3ForCausalLM"]

    compared = run_merge("compare", name, "../merged", where=Path(order.hero_folder), module="arena.hero")
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.startswith(f"../merged answers as {name}; largest difference of its logits ")

    again = run_merge("merge", name, "../merged", where=Path(order.hero_folder))
    assert again.returncode == 1
    assert again.stderr.strip().splitlines()[-1] == f"{tmp_path / 'merged'} exists already"


@pytest.mark.parametrize("arguments", [(), ("--serve", "merge", "a", "b")])
def test_one_thing_at_a_time(arguments: tuple[str, ...]) -> None:
    done = run_merge(*arguments)
    assert done.returncode == 2
    assert "one of --order, --serve, --replay and merge is required" in done.stderr
