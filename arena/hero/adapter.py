"""LoRA on frozen weights: which layers get an adapter, an adapter from its checkpoint, and merging one away.

Shapes: B sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from arena.hero.origin import IncompatibleCheckpoint, UnloadableHero
from arena.recipe import Recipe

# RuntimeError: tensors of another shape than the configuration's.
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, StrictDataclassError)

TOLERANCE = 1e-4
"""How far logits may move when an adapter is merged, in float32, as a share of the largest: rounding alone."""
PROBE_SHAPE = (4, 32)


def attach(model: PreTrainedModel, recipe: Recipe, checkpoint: Path | None, device: torch.device) -> PeftModel:
    """`model` frozen, with the adapter of `checkpoint`, or a new one, that trains. Adapters are float32.

    Raises UnloadableHero, or IncompatibleCheckpoint where the settings want another adapter than the saved one.
    """
    layers = adapted_layers(model, recipe.lora_targets)
    if checkpoint is None:
        return _new(model, recipe, layers)
    config = _saved_config(checkpoint)
    _check_same(checkpoint, model, config, recipe, layers)
    config.lora_dropout = recipe.lora_dropout
    return load(model, checkpoint, config=config, trainable=True, device=device)


def load(
    model: PreTrainedModel,
    checkpoint: Path,
    *,
    config: PeftConfig | None = None,
    trainable: bool = False,
    device: torch.device | None = None,
) -> PeftModel:
    """`model` with the saved adapter on it."""
    try:
        return PeftModel.from_pretrained(
            model, str(checkpoint), is_trainable=trainable, config=config, torch_device=str(device or model.device)
        )
    except LOAD_ERRORS as error:
        raise UnloadableHero(f"the adapter {checkpoint} does not fit its base model: {error}") from error


def adapted_layers(model: PreTrainedModel, targets: tuple[str, ...]) -> set[str]:
    """Full names of the linear layers that get an adapter: those that `targets` name, or every one of the body.

    A target is a name or the end of one, as `q_proj` or `self_attn.q_proj`. Embeddings and head, which are often one
    tensor, stay as they are. Raises UnloadableHero for a target that is neither.
    """
    body = body_layers(model)
    if not targets:
        return body
    return {name for target in targets for name in _named(model, body, target)}


def body_layers(model: PreTrainedModel) -> set[str]:
    head = model.get_output_embeddings()
    linear = (nn.Linear, Conv1D)
    return {name for name, module in model.named_modules() if isinstance(module, linear) and module is not head}


def merge(model: PeftModel) -> PreTrainedModel:
    """The same model with its adapter added into the weights, all of which can be trained.

    Raises UnloadableHero unless it answers as before, within rounding.
    """
    before_BTV = probe(model)
    whole = add_up(model)
    worst = largest_difference(before_BTV, probe(whole))
    allowed = tolerance(before_BTV)
    if not worst <= allowed:
        raise UnloadableHero(
            f"merging the adapter moves logits by {worst:.1e}, more than {allowed:.1e}: the merged model would answer "
            "otherwise than the hero, so it is not used"
        )
    return whole.requires_grad_(True)


def add_up(model: PeftModel) -> PreTrainedModel:
    whole = model.merge_and_unload(safe_merge=True)
    assert isinstance(whole, PreTrainedModel)
    return whole


@torch.no_grad()
def probe(model: PreTrainedModel | PeftModel) -> Tensor:
    """Logits on a few sequences of random tokens, always the same, dropout off; (B, T, V) on the host."""
    vocabulary = model.config.get_text_config().vocab_size
    inputs_BT = torch.randint(vocabulary, PROBE_SHAPE, generator=torch.Generator().manual_seed(0))
    was_training = model.training
    model.eval()
    logits_BTV: Tensor = model(input_ids=inputs_BT.to(model.device), use_cache=False).logits.float().cpu()
    model.train(was_training)
    return logits_BTV


def largest_difference(one: Tensor, other: Tensor) -> float:
    return (one - other).abs().max().item()


def tolerance(logits: Tensor) -> float:
    """The largest difference that rounding may make of these."""
    return TOLERANCE * max(1.0, logits.abs().max().item())


def _new(model: PreTrainedModel, recipe: Recipe, layers: Set[str]) -> PeftModel:
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=sorted(layers),
        task_type="CAUSAL_LM",
    )
    # The adapters' first weights are drawn from torch's RNG; the recipe's seed makes them repeatable.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return get_peft_model(model, config)


def _named(model: PreTrainedModel, body: set[str], target: str) -> set[str]:
    found = {name for name in body if _fits(name, target)}
    if found:
        return found
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    if any(_fits(name, target) for name, module in model.named_modules() if any(module is end for end in ends)):
        raise UnloadableHero(
            f"lora_targets names {target}, but embeddings and output head are never adapted: choose among {_told(body)}"
        )
    raise UnloadableHero(
        f"lora_targets names {target}, which is no linear layer of this model: choose among {_told(body)}"
    )


def _fits(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _saved_config(checkpoint: Path) -> LoraConfig:
    try:
        config = PeftConfig.from_pretrained(str(checkpoint))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnloadableHero(f"the adapter {checkpoint} cannot be read: {error}") from error
    if not isinstance(config, LoraConfig):
        raise UnloadableHero(f"the adapter {checkpoint} is of type {config.peft_type}, only LORA is trained")
    return config


def _check_same(checkpoint: Path, model: PreTrainedModel, config: LoraConfig, recipe: Recipe, layers: set[str]) -> None:
    """An adapter keeps its shape for life."""
    saved = {name for name in body_layers(model) if check_target_module_exists(config, name)}
    for setting, was, wanted in (
        ("lora_rank", config.r, recipe.lora_rank),
        ("lora_alpha", config.lora_alpha, recipe.lora_alpha),
        ("lora_targets", saved, layers),
    ):
        if was != wanted:
            raise IncompatibleCheckpoint(
                f"{checkpoint.name} is an adapter with training.{setting} {_told(was)}, the settings say "
                f"{_told(wanted)}: set it back, or train a quest in training.mode full first, which merges the adapter"
            )


def _told(value: int | set[str]) -> str:
    """A number, or the last parts of layers' names."""
    return ", ".join(sorted({name.rpartition(".")[2] for name in value})) if isinstance(value, set) else str(value)
