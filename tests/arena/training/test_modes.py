"""A hero trains in full, by adapters or by adapters on 4-bit weights, and goes from one to another between battles."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BitsAndBytesConfig, PreTrainedModel

from arena.hero import adapter
from arena.hero import model as heroes
from arena.hero import origin as base
from arena.hero.model import Hero, UnloadableHero
from arena.protocol import Event, EventKind, Order
from arena.recipe import Recipe
from arena.training import packing_certificate, train
from arena.training.control import Control, Request
from arena.training.data import PackedQuest, load_quest
from arena.training.loss import mean_loss
from arena.training.service import run_order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import Sidecar
from tests.arena.training.test_resume import run_in_parts
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
FULL = tiny_hero.RECIPE
LORA = replace(FULL, mode="lora", lora_rank=4)
QLORA = replace(LORA, mode="qlora")
PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def after(order: Order, name: str, recipe: Recipe, **changes: Any) -> Order:
    """The same hero's next battle, on the same quest."""
    folder = Path(order.battle_folder).parent / name
    folder.mkdir()
    return replace(order, battle=name, battle_folder=str(folder), recipe=recipe, **changes)


def trained(order: Order) -> tuple[Event, Sidecar]:
    """What a battle that is fought to its end begins with, and the checkpoint it leaves."""
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED, events[-1].message
    return events[0], sidecar.verify(newest(order))


def refused(order: Order) -> str:
    before = [path.name for path in checkpoint_folders(Path(order.hero_folder))]
    (failed,) = run(order)
    assert (failed.kind, failed.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")
    assert [path.name for path in checkpoint_folders(Path(order.hero_folder))] == before
    return str(failed.data["reason"])


def loss_of(order: Order, hero: Hero) -> float:
    loaded = load_quest(Path(order.quest_file), hero.mask, order.recipe)
    return mean_loss(hero, PackedQuest(loaded.examples, order.recipe, quest_sha256=order.quest_sha256).step(0, 0))


def loaded(order: Order, recipe: Recipe, folder: Path | None = None) -> Hero:
    return heroes.load(order.base_model, recipe, checkpoint=folder or newest(order), device=CPU)


def optimizer_steps(folder: Path) -> set[float]:
    """How many updates the moments in a checkpoint have seen."""
    state = load_file(folder / "optimizer.safetensors")
    return {tensor.item() for name, tensor in state.items() if name.endswith(".step")}


@pytest.fixture
def in_four_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """qlora without its library and device: weights as coarse as 4 bits, in float32."""

    def coarse(source: str, recipe: Recipe, device: torch.device) -> PreTrainedModel:
        model = heroes.whole_model(source, dtype=torch.float32)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name:
                step = parameter.data.abs().max() / 7
                parameter.data.div_(step).round_().mul_(step)
        return model

    monkeypatch.setattr(heroes, "check_quantisable", lambda device: None)
    monkeypatch.setattr(heroes, "quantised", coarse)


# From mode to mode


def test_a_full_hero_goes_on_with_an_adapter_on_its_checkpoint(tmp_path: Path) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=FULL)
    _, full = trained(first)
    folder = newest(first)
    second = after(first, "second", LORA)
    began, entry = trained(second)

    assert began.data["goes_on_from_mode"] == "full"
    assert began.message.endswith(
        "so far the hero trained in mode full, from here on a new adapter on its weights (mode lora)"
    )
    assert (entry.mode, entry.adapter_base, entry.base_model) == ("lora", full.name, full.base_model)
    assert entry.base_sha256 == base.weights_digest(str(folder))
    assert entry.step == 2 * full.step
    chain = [sidecar.read(path) for path in checkpoint_folders(Path(first.hero_folder))]
    assert [each.parent for each in chain[:-1]] == [each.name for each in chain[1:]]
    assert optimizer_steps(newest(first)) == {entry.step - full.step}
    assert not (newest(first) / "model.safetensors").exists()
    assert sidecar.verify(folder) == full

    began, third = trained(after(first, "third", LORA))
    assert began.data["goes_on_from_mode"] is None
    assert (third.adapter_base, third.base_sha256) == (full.name, entry.base_sha256)
    assert optimizer_steps(newest(first)) == {third.step - full.step}


def test_a_new_adapter_changes_nothing_before_its_first_step(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=FULL)
    trained(order)
    assert loss_of(order, loaded(order, LORA)) == pytest.approx(loss_of(order, loaded(order, FULL)), abs=1e-6)


def test_an_adapter_is_merged_where_the_hero_goes_on_in_full(tmp_path: Path) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=LORA)
    _, lora = trained(first)
    merged = loaded(first, FULL)
    assert not merged.has_adapter
    assert set(merged.trainable) == set(heroes.load(first.base_model, FULL, checkpoint=None, device=CPU).trainable)
    assert loss_of(first, merged) == pytest.approx(loss_of(first, loaded(first, LORA)), abs=1e-5)

    began, entry = trained(after(first, "second", FULL))
    assert began.data["goes_on_from_mode"] == "lora"
    assert began.message.endswith(
        "; the adapter trained in mode lora is merged, and all weights train from here on (mode full)"
    )
    assert (entry.mode, entry.adapter_base, entry.base_sha256) == ("full", None, None)
    assert entry.step == 2 * lora.step
    assert optimizer_steps(newest(first)) == {entry.step - lora.step}
    moved = load_file(newest(first) / "model.safetensors")["model.embed_tokens.weight"]
    assert not torch.equal(moved, load_file(Path(first.base_model) / "model.safetensors")["model.embed_tokens.weight"])


def test_round_and_round(tmp_path: Path) -> None:
    """Full, adapter, full, adapter: each sits on or comes out of the one before."""
    order = tiny_hero.make_order(tmp_path, recipe=FULL)
    _, last = trained(order)
    for number, recipe in enumerate((LORA, FULL, LORA)):
        loss = loss_of(order, loaded(order, replace(FULL, mode=last.mode, lora_rank=4)))
        assert loss_of(order, loaded(order, recipe)) == pytest.approx(loss, abs=1e-5)
        _, entry = trained(after(order, f"next-{number}", recipe))
        assert entry.step > last.step
        assert entry.adapter_base == (last.name if recipe == LORA else None)
        last = entry


@pytest.mark.usefixtures("in_four_bits")
@pytest.mark.parametrize(("was", "recipe"), [(LORA, QLORA), (QLORA, LORA)], ids=["to-qlora", "from-qlora"])
def test_the_same_adapter_goes_on_over_weights_of_another_precision(
    tmp_path: Path, was: Recipe, recipe: Recipe
) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=was)
    _, entry = trained(first)
    before = load_file(newest(first) / "adapter_model.safetensors")
    hero = loaded(first, recipe)
    for name, parameter in hero.trainable.items():
        assert torch.equal(parameter, before[name.replace(".default", "")])
    began, other = trained(after(first, "second", recipe))
    assert began.data["goes_on_from_mode"] == was.mode
    assert f"from here on the same adapter (mode {recipe.mode})" in began.message
    assert (other.mode, other.base_sha256) == (recipe.mode, entry.base_sha256)
    assert optimizer_steps(newest(first)) == {other.step}, "its moments are carried on"


@pytest.mark.usefixtures("in_four_bits")
def test_qlora_from_full_and_to_full(tmp_path: Path) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=FULL)
    _, full = trained(first)
    _, entry = trained(after(first, "second", QLORA))
    assert (entry.mode, entry.adapter_base) == ("qlora", full.name)
    _, last = trained(after(first, "third", FULL))
    assert (last.mode, last.adapter_base) == ("full", None)


def test_a_mode_changed_within_a_quest_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=FULL)
    control = Control()
    original = train.step_record

    def pausing(trainee: train.Trainee, *rest: Any) -> Any:
        if trainee.step == 3:
            control.request(Request.PAUSE)
        return original(trainee, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(train, "step_record", pausing)
        run(order, control)
    paused = sidecar.read(newest(order))
    began, entry = trained(replace(order, recipe=LORA))
    assert began.kind == EventKind.BATTLE_RESUMED
    assert began.data["quest_step"] == paused.cursor.quest_step == 3
    assert began.data["goes_on_from_mode"] == "full"
    assert entry.adapter_base == paused.name
    assert entry.step == entry.cursor.quest_step == began.data["total_steps"]


# Exact resume


def bf16_lora(tmp_path: Path) -> Order:
    return tiny_hero.make_order(tmp_path, recipe=replace(LORA, dtype="bfloat16"))


def lora_on_full(tmp_path: Path) -> Order:
    first = tiny_hero.make_order(tmp_path, rows=30, recipe=FULL)
    trained(first)
    (tmp_path / "next").mkdir()
    quest = tiny_hero.write_quest(tmp_path / "next.jsonl", 80, seed=2)
    return after(first, "second", LORA, quest_file=str(quest), quest_sha256=sidecar.digest(quest))


def full_on_lora(tmp_path: Path) -> Order:
    first = tiny_hero.make_order(tmp_path, rows=30, recipe=LORA)
    trained(first)
    return after(first, "second", FULL)


@pytest.mark.parametrize("made", [bf16_lora, lora_on_full, full_on_lora])
def test_resumed_equals_uninterrupted_in_each_mode(tmp_path: Path, made: Callable[[Path], Order]) -> None:
    orders = []
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        orders.append(made(tmp_path / name))
    whole, parts = orders
    trained(whole)
    begun = sidecar.read(newest(parts)).step if Path(parts.hero_folder).exists() else 0
    run_in_parts(parts, (begun + 1, begun + 2))
    assert digests(parts) == digests(whole)


def test_twin_adapters_rounded_as_they_are_loaded_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        orders.append(bf16_lora(tmp_path / name))
    whole, parts = orders
    trained(whole)
    attach = adapter.attach

    def rounded(*args: Any) -> Any:
        model = attach(*args)
        for parameter in model.parameters():
            parameter.data = parameter.data.bfloat16().to(parameter.dtype)
        return model

    monkeypatch.setattr(adapter, "attach", rounded)
    run_in_parts(parts, (2,))
    assert digests(parts) != digests(whole)


# The weights under an adapter


def change_weights(folder: Path) -> None:
    """One weight becomes another, of the same size."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.norm.weight"][0] += 0.5
    save_file(tensors, path, metadata={"format": "pt"})


def test_other_weights_under_an_adapter_are_refused(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    _, entry = trained(order)
    assert entry.base_sha256 == base.weights_digest(order.base_model)
    change_weights(Path(order.base_model))
    reason = refused(after(order, "second", LORA))
    assert f"{entry.name} is an adapter on other weights than {order.base_model} holds now" in reason
    assert "put the former weights back, or name another hero" in reason
    refused(after(order, "third", FULL))  # merged they would be another model as well


def test_twin_unproven_they_are_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    change_weights(Path(order.base_model))
    monkeypatch.setattr(base, "prove", lambda origin: origin.sha256)
    trained(after(order, "second", LORA))


def test_an_adapter_of_before_digests_were_kept_goes_on_and_gets_one(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    sidecar.write(newest(order), replace(sidecar.read(newest(order)), base_sha256=None))
    _, entry = trained(after(order, "second", LORA))
    assert entry.base_sha256 == base.weights_digest(order.base_model)


def _spoil(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def _remove(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize(("damage", "told"), [(_spoil, "SHA-256 differs"), (_remove, ".ledger.json is missing")])
def test_an_adapter_whose_full_checkpoint_is_damaged_or_gone_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=FULL)
    trained(order)
    full = newest(order)
    _, entry = trained(after(order, "second", LORA))
    damage(full)
    reason = refused(after(order, "third", LORA))
    assert reason.startswith(f"{entry.name} is an adapter on {full.name}, which cannot be used (")
    assert told in reason


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    sidecar.write(newest(order), replace(sidecar.read(newest(order)), adapter_base="../base"))
    assert "which is no checkpoint's name" in refused(after(order, "second", LORA))


def test_weights_are_read_once_while_they_stay_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_hero.make_base(tmp_path / "base")
    read: list[Path] = []
    digest = sidecar.digest
    monkeypatch.setattr(base.sidecar, "digest", lambda path: read.append(path) or digest(path))
    first = base.weights_digest(str(folder))
    assert base.weights_digest(str(folder)) == first
    assert len(read) == 1
    change_weights(folder)
    assert base.weights_digest(str(folder)) != first
    assert len(read) == 2


def test_a_hub_id_is_the_snapshot_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny_hero.make_base(tmp_path / "base")
    repository = tmp_path / "hub" / "models--some--hero"
    (repository / "refs").mkdir(parents=True)
    (repository / "snapshots").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    made.rename(repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = repository / "snapshots" / ("0" * 40)
    assert base.weights_digest("some/hero") == base.weights_digest(str(snapshot))


# The adapter's shape


@pytest.mark.parametrize(
    ("changes", "was", "wanted"),
    [
        ({"lora_rank": 8}, "training.lora_rank 4", "8"),
        ({"lora_alpha": 7}, "training.lora_alpha 32", "7"),
        (
            {"lora_targets": ("q_proj", "v_proj")},
            f"training.lora_targets {', '.join(sorted(PROJECTIONS))}",
            "q_proj, v_proj",
        ),
    ],
)
def test_an_adapter_keeps_its_shape(tmp_path: Path, changes: dict[str, Any], was: str, wanted: str) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    reason = refused(after(order, "second", replace(LORA, **changes)))
    assert (
        f"is an adapter with {was}, the settings say {wanted}: set it back, or train a quest in training.mode full"
        in reason
    )
    trained(after(order, "third", FULL))
    _, entry = trained(after(order, "fourth", replace(LORA, **changes)))
    assert entry.adapter_base is not None, "what the sentence advises works"


def test_twin_unchecked_the_saved_shape_wins_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    monkeypatch.setattr(adapter, "_check_same", lambda *_: None)
    trained(after(order, "second", replace(LORA, lora_rank=8)))
    assert json.loads((newest(order) / "adapter_config.json").read_bytes())["r"] == 4


def test_named_otherwise_the_same_layers_are_the_same(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    trained(after(order, "second", replace(LORA, lora_targets=tuple(sorted(PROJECTIONS)))))


def test_dropout_is_the_settings_own_and_may_change(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=LORA)
    trained(order)
    assert not heroes.has_dropout(loaded(order, LORA))
    wet = replace(LORA, lora_dropout=0.25)
    assert heroes.has_dropout(loaded(order, wet))
    trained(after(order, "second", wet))
    assert json.loads((newest(order) / "adapter_config.json").read_bytes())["lora_dropout"] == 0.25


def fresh(folder: Path, recipe: Recipe) -> Hero:
    return heroes.load(str(folder), recipe, checkpoint=None, device=CPU)


def adapted(hero: Hero) -> set[str]:
    return {name.split(".")[-4] for name in hero.trainable}


def test_only_named_layers_get_adapters(tiny_base: Path) -> None:
    assert adapted(fresh(tiny_base, LORA)) == PROJECTIONS
    assert adapted(fresh(tiny_base, replace(LORA, lora_targets=("q_proj", "mlp.up_proj")))) == {"q_proj", "up_proj"}


@pytest.mark.parametrize("mode", ["lora", "qlora"])
@pytest.mark.usefixtures("in_four_bits")
def test_a_layer_that_is_not_there_is_refused_and_the_others_are_named(tiny_base: Path, mode: str) -> None:
    with pytest.raises(UnloadableHero) as told:
        fresh(tiny_base, replace(LORA, mode=mode, lora_targets=("q_proj", "query")))
    assert "lora_targets names query, which is no linear layer of this model" in str(told.value)
    assert str(told.value).endswith(", ".join(sorted(PROJECTIONS)))


@pytest.mark.parametrize("end", ["embed_tokens", "lm_head"])
@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_and_head_are_never_adapted(tmp_path: Path, end: str, tied: bool) -> None:
    folder = tiny_hero.make_base(tmp_path / "base")
    if not tied:
        tensors = load_file(folder / "model.safetensors")
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(UnloadableHero, match=f"names {end}, but embeddings and output head are never adapted"):
        fresh(folder, replace(LORA, lora_targets=("q_proj", end)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tied_weights_stay_tied_and_as_they_were(tmp_path: Path, dtype: str) -> None:
    """An adapter on one of two tied tensors unties them, or is lost (unsloth#9331)."""
    recipe = replace(LORA, dtype=dtype)
    order = tiny_hero.make_order(tmp_path, recipe=recipe)
    trained(order)
    original = load_file(Path(order.base_model) / "model.safetensors")
    model = loaded(order, recipe).causal_lm
    ends = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert ends[0] is ends[1]
    assert torch.equal(ends[0], original["model.embed_tokens.weight"].to(ends[0].dtype))
    saved = load_file(newest(order) / "adapter_model.safetensors")
    assert not [name for name in saved if "embed" in name or "head" in name]

    whole = loaded(order, FULL).causal_lm
    ends = whole.get_input_embeddings().weight, whole.get_output_embeddings().weight
    assert ends[0] is ends[1]
    assert torch.equal(ends[0], original["model.embed_tokens.weight"])


# What is kept in which precision


def dtypes(hero: Hero, *, trains: bool) -> set[torch.dtype]:
    return {parameter.dtype for parameter in hero.model.parameters() if parameter.requires_grad == trains}


def test_what_trains_is_float32_and_what_is_frozen_as_it_is_computed(tiny_base: Path) -> None:
    rounded = fresh(tiny_base, replace(LORA, dtype="bfloat16"))
    assert (dtypes(rounded, trains=True), dtypes(rounded, trains=False)) == ({torch.float32}, {torch.bfloat16})
    exact = fresh(tiny_base, LORA)
    assert (dtypes(exact, trains=True), dtypes(exact, trains=False)) == ({torch.float32}, {torch.float32})
    full = fresh(tiny_base, replace(FULL, dtype="bfloat16"))
    assert (dtypes(full, trains=True), dtypes(full, trains=False)) == ({torch.float32}, set())


def test_an_adapter_learns_on_frozen_weights_in_bfloat16(tmp_path: Path) -> None:
    losses = {}
    for dtype in ("float32", "bfloat16"):
        (tmp_path / dtype).mkdir()
        order = tiny_hero.make_order(tmp_path / dtype, recipe=replace(LORA, dtype=dtype, lora_rank=8))
        _, entry = trained(order)
        losses[dtype] = entry.train_loss, loss_of(order, fresh(Path(order.base_model), order.recipe))
    (exact, before), (rounded, _) = losses["float32"], losses["bfloat16"]
    assert exact is not None
    assert exact < 0.97 * before, "it learns"
    assert rounded == pytest.approx(exact, rel=0.01)


def test_the_certificate_of_an_adapter_on_bfloat16_holds(tiny_base: Path, tmp_path: Path) -> None:
    hero = fresh(tiny_base, replace(LORA, dtype="bfloat16"))
    rows = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 40), hero.mask, LORA).examples
    packing_certificate.check(packing_certificate.certify(hero, PackedQuest(rows, LORA, quest_sha256="0" * 64)))


# Four bits


def test_without_library_and_device_qlora_is_refused_in_one_sentence(tmp_path: Path) -> None:
    reason = refused_first(tiny_hero.make_order(tmp_path, recipe=QLORA))
    assert reason.startswith("training.mode qlora needs ")
    assert "which this machine lacks: set training.mode: lora" in reason


def refused_first(order: Order) -> str:
    (failed,) = run(order)
    assert (failed.kind, failed.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")
    return str(failed.data["reason"])


@pytest.mark.parametrize(
    ("device", "library", "missing"),
    [
        ("cpu", True, "a CUDA device, which"),
        ("cuda", False, "the package bitsandbytes 0.46.1 or newer, which"),
        ("cpu", False, "a CUDA device and the package bitsandbytes 0.46.1 or newer, which"),
        ("cuda", True, None),
    ],
)
def test_qlora_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, device: str, library: bool, missing: str | None
) -> None:
    monkeypatch.setattr(heroes, "is_bitsandbytes_available", lambda: library)
    if missing is None:
        heroes.check_quantisable(torch.device(device))
        return
    with pytest.raises(UnloadableHero, match=f"qlora needs {missing} this machine lacks"):
        heroes.check_quantisable(torch.device(device))


def test_what_is_asked_of_the_library(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: dict[str, Any] = {}
    from_pretrained = heroes.AutoModelForCausalLM.from_pretrained

    def without_library(source: str, *, quantization_config: Any, device_map: Any, **rest: Any) -> Any:
        requested.update(rest, config=quantization_config, device_map=device_map)
        return from_pretrained(source, **rest)

    monkeypatch.setattr(heroes.AutoModelForCausalLM, "from_pretrained", without_library)
    monkeypatch.setattr(heroes, "check_quantisable", lambda device: None)
    hero = fresh(tiny_base, replace(QLORA, dtype="bfloat16"))

    config = requested["config"]
    assert isinstance(config, BitsAndBytesConfig)
    assert (config.load_in_4bit, config.load_in_8bit) == (True, False)
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == ("nf4", True)
    assert config.bnb_4bit_compute_dtype == torch.bfloat16
    assert requested["device_map"] == {"": CPU}
    assert requested["dtype"] == torch.bfloat16
    assert requested["trust_remote_code"] is False
    assert requested["use_safetensors"] is True
    kept = dict(hero.model.named_parameters())
    assert dtypes(hero, trains=True) == {torch.float32}
    assert {kept[name].dtype for name in kept if "norm" in name} == {torch.float32}
    assert hero.causal_lm.get_input_embeddings().weight.dtype == torch.bfloat16
    assert hero.causal_lm.get_input_embeddings().weight is hero.causal_lm.get_output_embeddings().weight


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_qlora_in_earnest(tmp_path: Path) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    tiny_hero.make_base(tmp_path / "base", hidden_size=64, intermediate_size=128, head_dim=32)  # whole blocks of 64
    order = tiny_hero.make_order(tmp_path, recipe=replace(QLORA, dtype="bfloat16", lora_rank=8))
    hero = heroes.load(order.base_model, order.recipe, checkpoint=None, device=torch.device("cuda"))
    layer = hero.causal_lm.model.layers[0].self_attn.q_proj.base_layer
    assert isinstance(layer, bitsandbytes.nn.Linear4bit)
    assert layer.weight.quant_type == "nf4"
    assert dtypes(hero, trains=True) == {torch.float32}
    events = run(order)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED, events[-1].message
    assert sidecar.verify(newest(order)).base_sha256 == base.weights_digest(order.base_model)
    trained(after(order, "second", order.recipe))
    _, entry = trained(after(order, "third", FULL))
    assert (entry.mode, entry.adapter_base) == ("full", None)


# The warm hero


def test_the_warm_hero_is_loaded_anew_for_another_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=FULL)
    loads: list[str] = []
    load = heroes.load
    monkeypatch.setattr(heroes, "load", lambda *args, **kw: loads.append(args[1].mode) or load(*args, **kw))

    def train_quest(order: Order, warm: train.Trainee | None) -> train.Trainee:
        trainee = run_order(order, Control(), warm, lambda event: None)
        assert trainee is not None
        return trainee

    warm = train_quest(first, None)
    warm = train_quest(after(first, "second", FULL), warm)
    assert loads == ["full"]
    warm = train_quest(after(first, "third", LORA), warm)
    warm = train_quest(after(first, "fourth", LORA), warm)
    assert loads == ["full", "lora"]
    train_quest(after(first, "fifth", FULL), warm)
    assert loads == ["full", "lora", "full"]


def test_what_a_change_of_mode_made_and_nothing_saved_yet_is_not_reused(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=FULL)
    _, full = trained(order)
    changed = replace(order, recipe=LORA)
    trainee = train.Trainee(changed, loaded(order, LORA), torch.optim.AdamW([torch.zeros(1)]), full, full.step)
    assert not trainee.fits(changed, full)
    trainee.saved = replace(full, mode="lora")
    assert trainee.fits(changed, trainee.saved)
