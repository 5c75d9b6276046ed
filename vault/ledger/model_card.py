"""README.md of an exported checkpoint: what it is, what it was measured by, where it comes from, how to load it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guild.models import Evaluation
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import MeasuredOver, Sidecar
from realm.world import World
from vault.ledger.ancestry import ancestry

FILE = "README.md"


def model_card(world: World, saved: Sidecar, folder_name: str, *, adapter_only: bool) -> str:
    """`folder_name` is what the lines to copy load."""
    return "\n".join(
        [
            *_front(saved, adapter_only),
            f"# {saved.hero} at step {saved.step}",
            "",
            *_what(saved, adapter_only),
            "## How to load it",
            "",
            "```python",
            *load_lines(folder_name, base=base_name(saved) if adapter_only else None),
            "```",
            "",
            "## What it was measured by",
            "",
            *_losses(saved),
            *_answers(saved),
            "## Where it comes from",
            "",
            *_lineage(world, saved),
        ]
    )


def load_lines(folder: str, *, base: str | None) -> tuple[str, ...]:
    """`base`: what an adapter sits on; None where the folder holds a whole model."""
    tokenizer = f"tokenizer = AutoTokenizer.from_pretrained({folder!r})"
    names = "from transformers import AutoModelForCausalLM, AutoTokenizer"
    if base is None:
        return names, f"model = AutoModelForCausalLM.from_pretrained({folder!r})", tokenizer
    return (
        "from peft import PeftModel",
        names,
        f"base = AutoModelForCausalLM.from_pretrained({base!r})",
        f"model = PeftModel.from_pretrained(base, {folder!r})",
        tokenizer,
    )


def base_name(saved: Sidecar) -> str:
    """What an adapter sits on, or what training began from: a hub's name as it is, of a folder its own name."""
    base = saved.adapter_base or saved.base_model
    return Path(base).name if base.startswith((".", "/")) else base


def _front(saved: Sidecar, adapter_only: bool) -> Iterator[str]:
    library = "peft" if adapter_only else "transformers"
    yield from ("---", f"library_name: {library}", "pipeline_tag: text-generation")
    if "/" in base_name(saved):  # a hub's name; no folder of this machine
        yield f"base_model: {base_name(saved)}"
    yield from ("tags:", "- realm-of-training", "---", "")


def _what(saved: Sidecar, adapter_only: bool) -> Iterator[str]:
    kind = "An adapter (LoRA)" if adapter_only else "A whole model, in float32"
    yield f"{kind}, exported from checkpoint `{saved.name}` of the hero {saved.hero}, saved {saved.created_at}."
    yield ""
    yield f"- Base model: `{base_name(saved)}`" + (f", weights `{saved.base_sha256}`" if saved.base_sha256 else "")
    yield f"- Mode of training: {saved.mode}; learning rate at the save {saved.learning_rate:g}"
    taught = f", {saved.skill} level {saved.level}" if saved.skill else ""
    yield f"- Trained last on: `{saved.quest}`{taught}, epoch {saved.epoch}"
    yield f"- Digest of the checkpoint's weights (SHA-256): `{sidecar.answering_digest(saved)}`"
    versions = ", ".join(f"{name} {version}" for name, version in saved.versions.items())
    yield f"- Made with: {versions}"
    yield ""


def _losses(saved: Sidecar) -> Iterator[str]:
    scored = [("what it was taught", saved.val_loss, saved.val_set)] if saved.val_loss is not None else []
    scored += [(name, loss, saved.val_sets.get(name)) for name, loss in saved.val_losses.items()]
    if saved.train_loss is None and not scored:
        yield from ("Nothing was measured.", "")
        return
    yield from ("| loss over | loss | rows | digest of the rows |", "|---|---|---|---|")
    if saved.train_loss is not None:
        yield f"| the step that it was saved after | {saved.train_loss:.6g} | | |"
    for name, loss, over in scored:
        yield f"| {name} | {loss:.6g} | {_over(over)} |"
    yield ""


def _over(over: MeasuredOver | None) -> str:
    return f"{over.rows} | `{over.sha256}`" if over else "not said | "


def _answers(saved: Sidecar) -> Iterator[str]:
    rows = list(Evaluation.objects.filter(hero=saved.hero, checkpoint=saved.name).order_by("skill", "level"))
    if rows:
        yield from ("| skill | level | right |", "|---|---|---|")
        yield from (f"| {row.skill} | {row.level} | {row.correct} of {row.total} |" for row in rows)
        yield ""


def _lineage(world: World, saved: Sidecar) -> Iterator[str]:
    found = ancestry(world, saved)
    for name in found.ancestors:
        yield f"- `{name}`"
    if found.more:
        yield f"- and {found.more} before"
    yield f"- the base model `{base_name(saved) if not saved.adapter_base else Path(saved.base_model).name}`"
    yield ""
