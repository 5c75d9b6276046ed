"""The hero's model and tokenizer: a causal LM from a folder or the hub.

Mode `full` trains every weight, kept in float32. `lora` trains float32 adapters on frozen weights, which are held in
the dtype that is computed in; `qlora` on frozen weights held in 4 bits. A checkpoint of either is an adapter.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, prepare_model_for_kbit_training
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.import_utils import is_bitsandbytes_available

from arena.confined.probe import ADAPTER_FILE
from arena.hero import adapter, architecture, attention, portable
from arena.hero import origin as base
from arena.hero.origin import UnloadableHero as UnloadableHero
from arena.hero.origin import in_short
from arena.recipe import Recipe
from arena.rows.mask import Mask
from arena.rows.masking import SOME_DAY, ChatMask, MaskingError
from arena.rows.model_ends import model_ends
from arena.rows.tokenizer import HeroTokenizer, default_template
from realm.disk import durable

transformers_logging.disable_progress_bar()  # they would fill the trainer's log
attention.register()


@dataclass(frozen=True)
class Hero:
    """`model` is what trains (wrapped by peft where that is an adapter), `mask` knows its tokenizer."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    mask: Mask
    device: torch.device
    compute_dtype: torch.dtype = torch.float32
    adapter_base: str | None = None
    """The full checkpoint that an adapter sits on, where that is not the base model."""
    base_sha256: str | None = None
    """Digest of the frozen weights under an adapter."""
    together: nn.Module | None = None
    """Where several processes train this hero: the module whose forward pass brings them together; see ranks.py."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """How the base's authors would have it generate: kept for other readers of its checkpoints, never followed."""
    source: str = ""
    """Hub id or folder of the base model."""

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
        """Write copies of this model's or its adapter's weights, configuration and tokenizer, as transformers does.

        Changes nothing of the model: training may go on meanwhile.
        """
        if isinstance(self.model, PeftModel):
            self.model.save_pretrained(str(folder), state_dict=weights, save_embedding_layers=False)
        else:
            self.model.save_pretrained(str(folder), state_dict=weights)
        for name, data in self.tokenizer_files.items():
            durable.write_bytes(folder / name, data, sync=False)
        ends = ends_of(self.causal_lm, self.mask)
        portable.finish(folder, generation=self.generation, ends=ends, base_model=self.source)

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


@contextmanager
def dropout_off(hero: Hero) -> Iterator[None]:
    """Leaves the model in the mode it was in."""
    was_training = hero.model.training
    hero.model.eval()
    try:
        yield
    finally:
        hero.model.train(was_training)


def load(
    base_model: str, recipe: Recipe, *, checkpoint: Path | None, device: torch.device, day: datetime = SOME_DAY
) -> Hero:
    """Load the base, or `checkpoint` if one is given (its bytes already verified), to train as the recipe says.

    `day` is today's date for a chat template that writes one into the rows.
    A full checkpoint gets an adapter, and an adapter is merged into what it sits on, where the recipe's mode asks for
    it. Only safetensors are read and no code of a model is run. Raises UnloadableHero or base.IncompatibleCheckpoint.
    """
    # The whole model that the newest checkpoint is, or sits on.
    origin = base.origin_of(base_model, checkpoint)
    adapts = base.is_adapter(recipe.mode)
    if recipe.mode == "qlora":
        check_quantisable(device)
        model = quantised(origin.source, recipe, device)
    else:
        # What trains stays in float32, and so does what an adapter is merged into.
        model = whole_model(origin.source, dtype=getattr(torch, recipe.dtype) if adapts else torch.float32)
    base_sha256 = base.prove(origin) if adapts or origin.adapter else None

    # What trains: an adapter on it, new or saved; or all of it, a saved adapter merged.
    trained: PreTrainedModel | PeftModel = model
    if adapts:
        if recipe.gradient_checkpointing:
            model.enable_input_require_grads()
        trained = adapter.attach(model, recipe, origin.adapter, device)
    elif origin.adapter:
        trained = model = adapter.merge(adapter.load(model, origin.adapter))

    # Where and how it computes.
    if recipe.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    if recipe.mode != "qlora":  # that one came to the device as it was quantised
        trained.to(device)  # type: ignore[arg-type]  # transformers' wrapper names another type

    tokenizer = load_tokenizer(origin.newest)
    folder = base.folder_of(origin.source)
    return Hero(
        model=trained,
        tokenizer=tokenizer,
        mask=ChatMask(hero_tokenizer(tokenizer, ends=model_ends(folder)), day=day),
        device=device,
        compute_dtype=getattr(torch, recipe.dtype),
        adapter_base=origin.checkpoint if adapts else None,
        base_sha256=base_sha256 if adapts else None,
        generation=portable.generation_settings(folder),
        source=base_model,
    )


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    try:
        config = architecture.read(base.folder_of(source)) if architecture.lies_in(source) else None
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, config=config, trust_remote_code=False
        )
    except Exception as error:  # files of a stranger's break a library in every way
        raise UnloadableHero(f"the tokenizer of {source} cannot be loaded: {in_short(error)}") from error
    return tokenizer


def hero_tokenizer(tokenizer: PreTrainedTokenizerBase, *, ends: frozenset[int] = frozenset()) -> HeroTokenizer:
    """What masks and preview need of a loaded tokenizer; it shares its backend. Raises MaskingError."""
    if not tokenizer.is_fast:
        raise MaskingError("this tokenizer has no character offsets; use its fast version (tokenizer.json)")
    named = tokenizer.special_tokens_map
    return HeroTokenizer(
        backend=tokenizer.backend_tokenizer,
        template=default_template(tokenizer.chat_template),
        named_tokens=named,
        extra_tokens=tuple(token for token in tokenizer.all_special_tokens if token not in named.values()),
        model_ends=ends,
    )


def whole_model(source: str, *, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """A model without an adapter, by our attention; a tensor that is missing is never made up."""
    try:
        folder = base.folder_of(source, may_download=True)
        if (folder / ADAPTER_FILE).exists():  # transformers would put it on its model, frozen
            raise UnloadableHero(f"the model {source} is an adapter: merge it into its model, and name the merged one")
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention.NAME,
            output_loading_info=True,
            config=architecture.read(folder),
            generation_config=GenerationConfig(),  # so that the model's own is not even opened
            **options,
        )
    except (UnloadableHero, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # files of a stranger's break a library in every way
        raise UnloadableHero(f"the model {source} cannot be loaded: {in_short(error)}") from error
    model, report = loaded
    if report["missing_keys"]:
        raise UnloadableHero(f"the model {source} lacks {', '.join(sorted(report['missing_keys'])[:3])}")
    assert isinstance(model, PreTrainedModel)
    if not any(parameter.is_floating_point() for parameter in model.parameters()):
        raise UnloadableHero(f"the model {source} has no parameter that can be trained")
    model.generation_config = GenerationConfig()
    model.config.use_cache = False
    return model


def ends_of(model: PreTrainedModel, mask: Mask) -> list[int]:
    """The tokens at which the model ends, for whoever generates by its saved files alone."""
    vocabulary = len(model.get_input_embeddings().weight)  # type: ignore[arg-type]  # nn.Module hides it
    return sorted(index for index in mask.ends.ids if index < vocabulary)


def check_quantisable(device: torch.device) -> None:
    """Raises UnloadableHero where 4-bit weights cannot be had."""
    missing = [
        what
        for what, there in (
            ("a CUDA device", device.type == "cuda"),
            ("the package bitsandbytes 0.46.1 or newer", is_bitsandbytes_available()),
        )
        if not there
    ]
    if missing:
        raise UnloadableHero(
            f"training.mode qlora needs {' and '.join(missing)}, which this machine lacks: "
            "set training.mode: lora, or leave it out"
        )


def quantised(source: str, recipe: Recipe, device: torch.device) -> PreTrainedModel:
    """Linear layers of the body in 4 bits (NF4, their scales quantised too), norms in float32.

    Source: QLoRA (Dettmers et al. 2023). Head and embeddings are left in the dtype that is computed in.
    """
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    dtype = getattr(torch, recipe.dtype)
    model = whole_model(source, dtype=dtype, quantization_config=config, device_map={"": device})
    prepared: PreTrainedModel = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    for ends in (prepared.get_input_embeddings(), prepared.get_output_embeddings()):
        ends.to(dtype)  # peft makes float32 of all that is not quantised, and these are the largest of it
    return prepared
