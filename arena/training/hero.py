"""The hero's model and tokenizer: a causal LM from a folder or the hub, trained in full or through LoRA."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from arena.protocol import Recipe
from arena.training import attention
from arena.training.masking import ChatMask
from realm import durable

transformers_logging.disable_progress_bar()  # they would fill the trainer's log
attention.register()


# RuntimeError: tensors of another shape than the configuration's.
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


class UnloadableHero(Exception):
    """The model cannot be loaded; the text says from where and why."""


@dataclass(frozen=True)
class Hero:
    """`model` is what trains (wrapped by peft in LoRA mode), `mask` knows its tokenizer."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    mask: ChatMask
    device: torch.device
    compute_dtype: torch.dtype = torch.float32

    def autocast(self) -> torch.autocast:
        """What forward passes of training and scoring run under: weights stay as they are kept."""
        enabled = self.compute_dtype != torch.float32
        return torch.autocast(self.device.type, self.compute_dtype if enabled else torch.bfloat16, enabled=enabled)

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The transformers model inside; LoRA layers are part of it."""
        model = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        assert isinstance(model, PreTrainedModel)
        return model

    @property
    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters with a gradient, by name, in the model's order; a tied weight stands once."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained and the weights under it are frozen."""
        return isinstance(self.model, PeftModel)

    def write_model(self, folder: Path, weights: dict[str, Tensor]) -> None:
        """Write copies of this model's (or its adapter's) weights, with configuration and tokenizer, as transformers does.

        Changes nothing of the model: training may go on meanwhile.
        """
        if isinstance(self.model, PeftModel):
            self.model.save_pretrained(str(folder), state_dict=weights, save_embedding_layers=False)
        else:
            self.model.save_pretrained(str(folder), state_dict=weights)
        for name, data in self.tokenizer_files.items():
            durable.write_bytes(folder / name, data, sync=False)

    @functools.cached_property
    def tokenizer_files(self) -> dict[str, bytes]:
        """The tokenizer as it is saved, by file name; serialised once, because it takes longer than the weights."""
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer.save_pretrained(folder)
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}

    @property
    def pad_id(self) -> int:
        """Padding is never attended to nor trained on, so any token will do where none is named."""
        return int(self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0)


def has_dropout(hero: Hero) -> bool:
    """Whether a training step's loss depends on random numbers."""
    layers = any(isinstance(module, nn.Dropout) and module.p > 0 for module in hero.model.modules())
    return layers or bool(getattr(hero.causal_lm.config, "attention_dropout", 0.0))


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(base_model: str, recipe: Recipe, *, checkpoint: Path | None, device: torch.device) -> Hero:
    """Load the base, or `checkpoint` if one is given (its bytes already verified).

    Only safetensors are read and no code of a model is run. Raises UnloadableHero.
    """
    weights = str(checkpoint) if checkpoint and recipe.mode == "full" else base_model
    try:
        tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            weights,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention.NAME,
            output_loading_info=True,
        )
    except LOAD_ERRORS as error:
        raise UnloadableHero(f"the model {weights} cannot be loaded: {error}") from error
    model, report = loaded
    if report["missing_keys"]:
        raise UnloadableHero(f"the model {weights} lacks {', '.join(sorted(report['missing_keys'])[:3])}")
    model.config.use_cache = False
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    trained = _with_lora(model, recipe, checkpoint) if recipe.mode == "lora" else model
    trained.to(device)
    return Hero(trained, tokenizer, ChatMask(tokenizer), device, getattr(torch, recipe.dtype))


def _with_lora(model: PreTrainedModel, recipe: Recipe, checkpoint: Path | None) -> PeftModel:
    """Adapters on every linear layer of the body; the (often tied) embeddings and head stay as they are."""
    if recipe.gradient_checkpointing:
        model.enable_input_require_grads()
    if checkpoint:
        try:
            return PeftModel.from_pretrained(model, str(checkpoint), is_trainable=True)
        except LOAD_ERRORS as error:
            raise UnloadableHero(f"the adapter {checkpoint} does not fit its base model: {error}") from error
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    # The adapters' first weights are drawn from torch's RNG; the recipe's seed makes them repeatable.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return get_peft_model(model, config)
