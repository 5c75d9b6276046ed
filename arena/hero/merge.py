"""A checkpoint as a model folder that transformers, and whatever reads its format, loads without us: float32, merged.

What was written is loaded again and compared with the hero before the merge; one that answers otherwise is not left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from arena.hero import adapter
from arena.hero import origin as base
from arena.hero.model import load_tokenizer, whole_model
from arena.hero.origin import Origin, UnloadableHero
from arena.protocol import resolved_path
from realm import sidecar
from realm.disk import durable


@dataclass(frozen=True, kw_only=True)
class Merged:
    checkpoint: str
    mode: str
    largest_difference: float
    """Of the logits of a few sequences, between the folder that was written and the hero before the merge."""
    tolerance: float


def export(checkpoint: Path, out: Path) -> Merged:
    """Write the whole model of `checkpoint` to the new folder `out`, which is whole or absent.

    Raises DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero, or FileExistsError.
    """
    checkpoint, out = checkpoint.resolve(), out.resolve()
    if out.exists():
        raise FileExistsError(f"{out} exists already")
    if out.is_relative_to(checkpoint):
        raise FileExistsError(f"{out} lies inside the checkpoint, which holds nothing but what it was saved with")
    saved = sidecar.verify(checkpoint)
    origin = base.origin_of(resolved_path(saved.base_model, checkpoint.parent), checkpoint)
    model, expected_BTV = _whole(origin)
    tokenizer = load_tokenizer(origin.newest)
    model.config.use_cache = True  # off only while training
    out.parent.mkdir(parents=True, exist_ok=True)
    with durable.new_folder(out) as folder:
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(folder)
        found_BTV = adapter.probe(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
        difference, allowed = adapter.largest_difference(expected_BTV, found_BTV), adapter.tolerance(expected_BTV)
        if not difference <= allowed:
            raise UnloadableHero(
                f"the merged model's logits differ from those of {checkpoint.name} by {difference:.1e}, more than "
                f"{allowed:.1e}: it would answer otherwise, so {out} is not made"
            )
    return Merged(checkpoint=saved.name, mode=saved.mode, largest_difference=difference, tolerance=allowed)


def _whole(origin: Origin) -> tuple[PreTrainedModel, torch.Tensor]:
    """The model without an adapter, and the logits of the hero with it; on the host, in float32."""
    model = whole_model(origin.source, dtype=torch.float32)
    if origin.adapter is None:
        return model, adapter.probe(model)
    base.prove(origin)
    adapted = adapter.load(model, origin.adapter)
    expected_BTV = adapter.probe(adapted)
    return adapter.merge(adapted), expected_BTV
