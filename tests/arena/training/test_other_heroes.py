"""A real Qwen3 folder takes the same path: another tokenizer, another template, full and LoRA."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import trl
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from arena import embedded
from arena.hero import model as heroes
from arena.protocol import EvaluationSet, Event, EventKind, Order
from arena.recipe import Recipe
from arena.training.control import Control
from arena.training.service import run_order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero


def save_qwen3(folder: Path) -> Path:
    """A small random Qwen3 with Qwen3's own chat template and a tokenizer trained here, saved as people save them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the sum of two and two is four " * 20, "user assistant think"], trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    wrapped.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text()
    torch.manual_seed(3)
    config = Qwen3Config(
        vocab_size=512, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=False, max_position_embeddings=512,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def run(order: Order) -> list[Event]:
    events: list[Event] = []
    run_order(order, Control(), None, events.append)
    return events


def order_for(tmp_path: Path, recipe: Recipe) -> Order:
    base = save_qwen3(tmp_path / "qwen3")
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps({"prompt": "1+1", "answer": "2"}) + "\n")
    requested = EvaluationSet(skill="sum", level=1, path=str(problems), max_new_tokens=4)
    validation = tiny_hero.validation(tmp_path, 4, seed=5)
    return tiny_hero.make_order(
        tmp_path,
        recipe=recipe,
        base_model=str(base),
        evaluation_sets=(requested,),
        validation_sets=validation,
    )


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_trains_saves_answers_and_resumes(tmp_path: Path, mode: str) -> None:
    recipe = replace(tiny_hero.RECIPE, mode=mode, max_length=96, lora_rank=4, learning_rate=0.01)
    order = order_for(tmp_path, recipe)
    events = run(order)
    kinds = [event.kind for event in events]
    assert kinds[0] == EventKind.BATTLE_STARTED
    assert events[0].data["certificate"]["largest_difference"] <= 1e-5
    assert kinds[-1] == EventKind.BATTLE_COMPLETED
    newest = checkpoint_folders(Path(order.hero_folder))[0]
    entry = sidecar.verify(newest)
    answers = json.loads((tmp_path / "battle" / "answers" / f"{entry.name}.sum-1.json").read_text())
    assert len(answers) == 1
    first = next(event for event in events if event.kind == EventKind.VALIDATED)
    assert entry.val_loss is not None
    assert entry.val_loss < first.data["val_loss"], "it learns"

    heroes.load(order.base_model, recipe, checkpoint=newest, device=torch.device("cpu"))
    assert {name.rpartition(".")[2] for name in entry.files} >= {"safetensors", "json"}
    assert not [name for name in entry.files if name.endswith((".bin", ".pt", ".pkl"))]


def test_a_full_checkpoint_loads_in_plain_transformers(tmp_path: Path) -> None:
    order = order_for(tmp_path, replace(tiny_hero.RECIPE, max_length=96))
    run(order)
    newest = checkpoint_folders(Path(order.hero_folder))[0]
    plain = AutoModelForCausalLM.from_pretrained(newest)
    ours = heroes.load(order.base_model, order.recipe, checkpoint=newest, device=torch.device("cpu"))
    for (name, parameter), (other_name, other) in zip(
        plain.named_parameters(), ours.model.named_parameters(), strict=True
    ):
        assert name == other_name
        assert torch.equal(parameter, other)


def test_lora_leaves_embeddings_and_head_alone(tmp_path: Path) -> None:
    recipe = replace(tiny_hero.RECIPE, mode="lora", lora_rank=4)
    hero = heroes.load(str(save_qwen3(tmp_path / "q")), recipe, checkpoint=None, device=torch.device("cpu"))
    adapted = {name.split(".")[-4] for name in hero.trainable}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_another_base_than_the_heros_is_refused(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    run(order)
    other = tiny_hero.make_base(tmp_path / "other", hidden_size=16)
    (failed,) = run(replace(order, base_model=str(other)))
    assert failed.data["blame"] == "hero"
    assert "was trained with base_model ../base, the settings say ../other" in failed.message


def test_a_base_that_lacks_a_tensor_is_refused_and_not_filled_at_random(tmp_path: Path) -> None:
    base = tiny_hero.make_base(tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    (failed,) = run(tiny_hero.make_order(tmp_path))
    assert failed.data["blame"] == "hero"
    assert "lacks model.norm.weight" in failed.message


def test_a_model_that_is_not_there_is_the_heros_fault(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, base_model=str(tmp_path / "nowhere"))
    (failed,) = run(order)
    assert failed.data["blame"] == "hero"
    assert "nowhere cannot be loaded" in failed.message


def test_a_pickled_model_is_not_loaded(tmp_path: Path) -> None:
    base = tiny_hero.make_base(tmp_path / "pickled")
    (base / "model.safetensors").unlink()
    torch.save({}, base / "pytorch_model.bin")
    order = tiny_hero.make_order(tmp_path, base_model=str(base))
    (failed,) = run(order)
    assert failed.data["blame"] == "hero"


def test_the_embedded_hero_is_a_qwen3_of_about_a_million_parameters(tmp_path: Path) -> None:
    model, report = AutoModelForCausalLM.from_pretrained(embedded.ensure(tmp_path), output_loading_info=True)
    assert type(model) is Qwen3ForCausalLM
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert 0.8e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.2e6
