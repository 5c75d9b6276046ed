"""A checkpoint as a model folder that transformers, and whatever reads its format, loads without us: float32, merged.

What was written is loaded again and compared with the hero before the merge; one that answers otherwise is not left.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from arena.hero import adapter, portable
from arena.hero import origin as base
from arena.hero.model import ends_of, hero_tokenizer, load_tokenizer, whole_model
from arena.hero.origin import Origin, UnloadableHero
from arena.protocol import resolved_path
from arena.rows.masking import ChatMask
from arena.rows.model_ends import model_ends
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import Sidecar
from realm.disk import durable


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Logits of a few sequences, of a model folder and of the hero before any merge."""

    largest_difference: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether they differ by rounding alone; what is not a number differs."""
        return self.largest_difference <= self.tolerance


@dataclass(frozen=True, kw_only=True)
class Merged(Comparison):
    checkpoint: str
    mode: str


def export(checkpoint: Path, out: Path) -> Merged:
    """Write the whole model of `checkpoint` to the new folder `out`, which is whole or absent.

    Raises DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero, or FileExistsError.
    """
    # Where it goes, before anything is loaded.
    checkpoint, out = checkpoint.resolve(), out.resolve()
    if out.exists():
        raise FileExistsError(f"{out} exists already")
    if out.is_relative_to(checkpoint):
        raise FileExistsError(f"{out} lies inside the checkpoint, which holds nothing but what it was saved with")

    # What the hero answers, and the model without an adapter.
    saved, origin = _verified(checkpoint)
    hero = _load(origin)
    expected_BTV = adapter.probe(hero)
    model = adapter.merge(hero) if isinstance(hero, PeftModel) else hero
    model.config.use_cache = True  # off only while training

    # Written, read again and compared under a temporary name.
    out.parent.mkdir(parents=True, exist_ok=True)
    with durable.new_folder(out) as folder:
        tokenizer, own = load_tokenizer(origin.newest), base.folder_of(origin.source)
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(folder)
        ends = ends_of(model, ChatMask(hero_tokenizer(tokenizer, ends=model_ends(own))))
        portable.finish(folder, generation=portable.generation_settings(own), ends=ends)
        found = _compare(expected_BTV, folder)
        if not found.holds:
            raise UnloadableHero(
                f"the merged model's logits differ from those of {checkpoint.name} by {found.largest_difference:.1e}, "
                f"more than {found.tolerance:.1e}: it would answer otherwise, so {out} is not made"
            )
    return Merged(checkpoint=saved.name, mode=saved.mode, **asdict(found))


def compare(checkpoint: Path, folder: Path) -> Comparison:
    """How far a model folder answers from the hero at `checkpoint`.

    Raises DamagedCheckpoint, IncompatibleCheckpoint, or UnloadableHero where either cannot be loaded.
    """
    _, origin = _verified(checkpoint.resolve())
    return _compare(adapter.probe(_load(origin)), folder)


def merged(checkpoint: Path) -> tuple[Sidecar, Origin, PreTrainedModel]:
    """Its verified sidecar, where it came from, and the whole model, float32 on the host.

    Raises DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero.
    """
    saved, origin = _verified(checkpoint)
    hero = _load(origin)
    return saved, origin, adapter.merge(hero) if isinstance(hero, PeftModel) else hero


def _verified(checkpoint: Path) -> tuple[Sidecar, Origin]:
    saved = sidecar.verify(checkpoint)
    return saved, base.origin_of(resolved_path(saved.base_model, checkpoint.parent), checkpoint)


def _load(origin: Origin) -> PreTrainedModel | PeftModel:
    """The hero as it was saved; on the host, in float32."""
    model = whole_model(origin.source, dtype=torch.float32)
    if origin.adapter is None:
        return model
    base.prove(origin)
    return adapter.load(model, origin.adapter)


def _compare(expected_BTV: Tensor, folder: Path) -> Comparison:
    """Loaded as anybody would load it, by transformers alone."""
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    except Exception as error:  # files of a stranger's break a library in every way
        raise UnloadableHero(f"the model {folder} cannot be loaded: {base.in_short(error)}") from error
    found_BTV = adapter.probe(model)
    if found_BTV.shape != expected_BTV.shape:
        raise UnloadableHero(f"the model {folder} has another vocabulary than the hero")
    return Comparison(
        largest_difference=adapter.largest_difference(expected_BTV, found_BTV),
        tolerance=adapter.tolerance(expected_BTV),
    )
