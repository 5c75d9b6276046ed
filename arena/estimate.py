"""What a battle will take: parameters, memory by component, FLOPs, seconds. Read from numbers alone, without torch.

Memory follows from what autograd keeps for the backward pass of a Qwen3-like decoder; seconds from what an earlier
battle of the same size on the same device measured, and from nothing else. The trainer writes the estimate into the
event that begins a battle and what was measured into the one that ends it, so that its error is known.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.protocol import EVENTS_FILE, EventKind
from arena.recipe import Recipe
from realm.disk.regular_files import read_regular

FLOAT32, HALF = 4, 2
LOGITS_AT_ONCE = 2**27
"""As arena.training.loss: beyond it logits are computed part by part, and again in the backward pass."""
LARGEST_CONFIG_BYTES = 4_000_000
MOST_BATTLES = 50
"""Newest battles that are looked through for one of the same size."""
_TAIL_BYTES = 256 * 1024


_NUMBERS = {
    "hidden_size": ("n_embd", "d_model"),
    "num_hidden_layers": ("n_layer", "num_layers"),
    "num_attention_heads": ("n_head", "num_heads"),
    "intermediate_size": ("n_inner", "ffn_dim"),
    "vocab_size": (),
}
"""Keys of a configuration, and what older architectures call them."""


class UnknownShape(ValueError):
    """The model's configuration does not say what an estimate needs; the text names what is missing."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers of a decoder's `config.json`."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    intermediate: int
    vocabulary: int
    tied: bool
    head_norms: bool
    """Queries and keys are normalised per head, as in Qwen3."""
    attention_bias: bool
    counted: int | None = None
    """Parameters as the weight files have them; None: as the other numbers give them."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """Raises UnknownShape."""
        text = config.get("text_config") or config
        numbers: dict[str, Any] = {
            name: next((text[alias] for alias in (name, *aliases) if text.get(alias) is not None), None)
            for name, aliases in _NUMBERS.items()
        }
        if numbers["intermediate_size"] is None and isinstance(numbers["hidden_size"], int):
            numbers["intermediate_size"] = 4 * numbers["hidden_size"]  # as GPT-2 and its kin leave it out
        missing = [name for name, value in numbers.items() if not isinstance(value, int) or value < 1]
        if missing:
            raise UnknownShape(f"the model's configuration lacks {', '.join(missing)}")
        hidden, layers, heads, intermediate, vocabulary = (int(value) for value in numbers.values())
        kind = str(text.get("model_type", ""))
        return cls(
            hidden=hidden,
            layers=layers,
            heads=heads,
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head_width=int(text.get("head_dim") or hidden // heads),
            intermediate=intermediate,
            vocabulary=vocabulary,
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            head_norms=kind.startswith("qwen3"),
            attention_bias=bool(text.get("attention_bias", kind == "qwen2")),
        )

    @property
    def query_width(self) -> int:
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_width

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(in, out) of a layer's linear projections."""
        return {
            "q_proj": (self.hidden, self.query_width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.query_width, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def body_linear(self) -> int:
        """Parameters of the linear projections of all layers."""
        return self.layers * sum(width_in * width_out for width_in, width_out in self.linears.values())

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def small(self) -> int:
        """Norms and biases."""
        norms = 2 * self.hidden + (2 * self.head_width if self.head_norms else 0)
        biases = (self.query_width + 2 * self.kv_width) if self.attention_bias else 0
        return self.layers * (norms + biases) + self.hidden

    @property
    def parameters(self) -> int:
        return self.counted or self.body_linear + self.small + self.embedding * (1 if self.tied else 2)

    def adapter(self, recipe: Recipe) -> int:
        """Parameters of the recipe's LoRA adapters."""
        chosen = recipe.lora_targets or tuple(self.linears)
        widths = (sum(self.linears[name]) for name in chosen if name in self.linears)
        return self.layers * recipe.lora_rank * sum(widths)


def read_shape(folder: Path) -> Shape:
    """Of a model folder. Raises UnknownShape."""
    try:
        config = json.loads(read_regular(folder / "config.json", most_bytes=LARGEST_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise UnknownShape(f"{folder}/config.json cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise UnknownShape(f"{folder}/config.json is no mapping")
    try:
        return Shape.of(config)
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UnknownShape(f"{folder}/config.json describes no decoder: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Load:
    """What of a quest decides the memory of its steps."""

    tokens: int
    """Of the largest micro-batch."""
    trained_tokens: int
    """Of these, how many have a label."""
    micro_batches: int = 1
    """In a step."""

    @classmethod
    def of(
        cls, recipe: Recipe, *, tokens: int | None = None, trained_share: float = 1.0, row_fill: float = 1.0
    ) -> Load:
        """Rows filled to that share, but no more than the quest's `tokens`."""
        rows = min(recipe.rows_per_micro_batch, recipe.rows_per_step)
        full = math.ceil(rows * recipe.max_length * row_fill)
        largest = full if tokens is None else min(full, tokens)
        whole = math.ceil(recipe.rows_per_step / rows)
        held = whole if tokens is None else min(whole, math.ceil(tokens / full))
        return cls(tokens=largest, trained_tokens=math.ceil(largest * trained_share), micro_batches=max(1, held))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes by component, in the memory of the device that trains; `heap`, `copies` and `process` are in the host's."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    heap: int
    """What the C library keeps between tensors in the host's memory instead of handing it back."""
    copies: int
    """The copy of the state that a checkpoint is written from."""
    process: int | None
    """Of the process before any of these, measured; None where it was not."""
    peak: int
    """The most that is there at once: gradients and activations come and go."""


def memory_of(
    shape: Shape,
    recipe: Recipe,
    load: Load,
    *,
    cuda: bool = False,
    process: int | None = None,
    saves_before: bool = True,
) -> Memory:
    """Peak of a battle. On CUDA that of the device's allocations, on the CPU of the process's resident memory.

    `saves_before`: a checkpoint is saved before the last step, and its copy stays in memory beside later steps. Of
    several processes it is that of the first, which alone holds copies.
    """
    trained = trained_parameters(shape, recipe)
    parts = recipe.ranks if recipe.strategy == "fsdp2" else 1
    weights = weight_bytes(shape, recipe) // parts
    gradients, optimizer = FLOAT32 * trained // parts, moment_bytes(shape, recipe) // parts
    copies = FLOAT32 * trained + moment_bytes(shape, recipe)
    activations, logits = activation_bytes(shape, recipe, load), logit_bytes(shape, recipe, load)
    step = _step_peak(shape, recipe, load, gradients, activations, logits)
    heap = 0 if cuda else _heap_bytes(shape, recipe, load)
    host = 0 if cuda else (process or 0) + heap + (copies if saves_before else 0)
    return Memory(
        weights=weights, gradients=gradients, optimizer=optimizer, activations=activations, logits=logits, heap=heap,
        copies=copies, process=process, peak=weights + optimizer + step + host,
    )  # fmt: skip


def weight_bytes(shape: Shape, recipe: Recipe) -> int:
    if recipe.mode == "full":
        return FLOAT32 * shape.parameters
    adapter, frozen = FLOAT32 * shape.adapter(recipe), HALF if recipe.dtype == "bfloat16" else FLOAT32
    if recipe.mode == "qlora":
        return shape.body_linear // 2 + frozen * max(0, shape.parameters - shape.body_linear) + adapter
    return frozen * shape.parameters + adapter


def moment_bytes(shape: Shape, recipe: Recipe) -> int:
    """AdamW keeps two for each parameter that trains, Muon one for those of its matrices; an average is one more."""
    matrices = shape.body_linear if recipe.mode == "full" else shape.adapter(recipe)
    muons = matrices if recipe.optimizer == "muon" else 0
    trained = trained_parameters(shape, recipe)
    return FLOAT32 * (2 * trained - muons + (trained if recipe.weight_average else 0))


def trained_parameters(shape: Shape, recipe: Recipe) -> int:
    return shape.parameters if recipe.mode == "full" else shape.adapter(recipe)


_HEAP_SHARE = {"full": 0.45, "lora": 0.8, "qlora": 0.8}
"""Fitted to battles of models of 4 to 8 layers and 1 to 30 M parameters with glibc: what its allocator keeps, as a
share of the activations of all layers. Gradient checkpointing frees those, but frees them into the heap."""


def _heap_bytes(shape: Shape, recipe: Recipe, load: Load) -> int:
    """Twice as much with several micro-batches, whose gradients lie among the gaps of earlier activations."""
    whole = load.tokens * shape.layers * layer_activation_bytes(shape, recipe)
    return int(_HEAP_SHARE[recipe.mode] * whole * (1 if load.micro_batches == 1 else 2))


def _step_peak(shape: Shape, recipe: Recipe, load: Load, gradients: int, activations: int, logits: int) -> int:
    """Above weights and moments. With one micro-batch gradients grow while activations go."""
    forward = activations + logits
    head = FLOAT32 * shape.embedding if recipe.mode == "full" else 0
    if load.micro_batches > 1:
        return gradients + forward + head
    return max(forward + head, gradients + activations // shape.layers + head)


def activation_bytes(shape: Shape, recipe: Recipe, load: Load) -> int:
    """What autograd keeps of a micro-batch's forward pass through the body."""
    layer = layer_activation_bytes(shape, recipe)
    # Autocast casts each matrix once a pass and keeps what it cast; frozen weights are held in half precision anyway.
    casts = recipe.dtype == "bfloat16" and recipe.mode == "full"
    cast = HALF * (shape.body_linear + shape.embedding) if casts else 0
    # The last norm; with adapters nothing before the first of them needs a gradient.
    ends = FLOAT32 * shape.hidden * (3 if recipe.mode == "full" else -2)
    if not recipe.gradient_checkpointing:
        return cast + load.tokens * (shape.layers * layer + ends)
    return cast + load.tokens * (layer + ends + FLOAT32 * shape.hidden * shape.layers)


def layer_activation_bytes(shape: Shape, recipe: Recipe) -> int:
    """Of one token in one layer, in the order of the forward pass.

    A norm keeps what comes in and, where its weight learns, what that weight multiplies. A projection keeps its input;
    autocast casts it anew for each of the five that read a norm's output.
    """
    hidden, query, kv = shape.hidden, shape.query_width, shape.kv_width
    full = recipe.mode == "full"
    heads = (query + kv) if shape.head_norms else 0
    # Queries, keys and values side by side, what attention gives, its place in the row again; gate, up and down.
    computed = 4 * query + 2 * kv + 4 * shape.intermediate + (0 if full else 7 * recipe.lora_rank)
    if recipe.dtype == "bfloat16":
        kept = 2 * hidden * (2 if full else 1) + heads
        both = 0 if full else 7 * recipe.lora_rank  # an adapter's product is kept in float32 as well
        return FLOAT32 * (kept + both) + HALF * (5 * hidden + (heads if full else 0) + computed)
    kept = 2 * hidden * (3 if full else 2) + heads * (2 if full else 1)
    return FLOAT32 * (kept + computed)


def logit_bytes(shape: Shape, recipe: Recipe, load: Load) -> int:
    """Logarithms of probabilities, their gradient, and the logits' own: all there when the backward pass begins."""
    logits = min(load.trained_tokens * shape.vocabulary, LOGITS_AT_ONCE)
    return logits * (3 * FLOAT32 + (HALF if recipe.dtype == "bfloat16" else 0))


def flops_per_token(shape: Shape, recipe: Recipe, *, context: float, trained_share: float) -> float:
    """Of forward and backward; `context` is Σlen²/Σlen over the examples. Padding and recomputation do not count."""
    linear = 6 if recipe.mode == "full" else 4
    attention = 6 * shape.layers * shape.query_width
    return linear * shape.body_linear + attention * (context + 1) + linear * shape.embedding * trained_share


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a battle took, from its last event. Seconds are of the run that ended it, since its beginning or resume."""

    battle: str
    like: dict[str, Any]
    """What must be equal for another battle's steps to take as long: see `likeness`."""
    seconds: float
    step_seconds: float
    """Of these, in steps; the rest went into saving, scoring and answering."""
    tokens: int
    stops: int
    """Checkpoints."""
    peak_bytes: int
    process: int | None
    """Resident memory of the process without what training holds; None on CUDA."""
    quest_bytes: int
    quest_tokens: int
    trained_share: float
    row_fill: float
    """Share of its packed rows' slots that examples filled."""
    seconds_error: float | None
    """The estimate's, as a fraction of what was measured; positive: too much was estimated."""
    memory_error: float | None


def likeness(recipe: Recipe, *, device: str, parameters: int, threads: int, ranks: int | None = None) -> dict[str, Any]:
    """What decides how long a token takes: hardware, model, the size of a step and who shares it.

    `ranks` where other processes train than the recipe says, as one that somebody launched by hand.
    """
    names = (
        "mode",
        "optimizer",
        "dtype",
        "max_length",
        "rows_per_step",
        "rows_per_micro_batch",
        "gradient_checkpointing",
    )
    adapter = {} if recipe.mode == "full" else {"lora_rank": recipe.lora_rank, "lora_dropout": recipe.lora_dropout}
    here = {"device": device, "parameters": parameters, "threads": threads, "ranks": ranks or recipe.ranks}
    return here | {name: getattr(recipe, name) for name in names} | adapter


def measured_battles(battles: Path) -> Iterator[Measured]:
    """Of the newest MOST_BATTLES battles those that told what they took, the newest first."""
    for path in _newest_events(battles):
        measured = _measured(path)
        if measured:
            yield measured


def _newest_events(battles: Path) -> list[Path]:
    found = []
    for folder in battles.iterdir() if battles.is_dir() else ():
        try:
            found.append(((folder / EVENTS_FILE).stat().st_mtime_ns, folder / EVENTS_FILE))
        except OSError:
            continue  # not fought yet, or gone since
    return [path for _, path in sorted(found, reverse=True)[:MOST_BATTLES]]


def _measured(path: Path) -> Measured | None:
    for line in reversed(_last_lines(path)):
        try:
            event = json.loads(line)
            if event["kind"] == EventKind.BATTLE_COMPLETED:
                return Measured(**{"battle": path.parent.name} | event["data"]["measured"])
        except (ValueError, KeyError, TypeError):
            continue  # half a line, or what an older version wrote
    return None


def _last_lines(path: Path) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read().splitlines()
    except OSError:
        return []


def measured_like(battles: Path, like: Mapping[str, Any]) -> Measured | None:
    """The newest battle of this size on this device."""
    return next((one for one in measured_battles(battles) if one.like == like and one.tokens), None)


def seconds_of(measured: Measured, *, tokens: int, stops: int) -> float:
    """At the speed that was measured, with as long a stop for each checkpoint."""
    each_stop = max(0.0, measured.seconds - measured.step_seconds) / max(1, measured.stops)
    return tokens * measured.step_seconds / measured.tokens + stops * each_stop


def count_stops(recipe: Recipe, *, first_step: int, last_step: int) -> int:
    """Checkpoints after `first_step` up to `last_step`, where there always is one."""
    within = last_step // recipe.save_every - first_step // recipe.save_every
    return within + (last_step % recipe.save_every != 0)


def error_of(estimated: float | None, measured: float) -> float | None:
    return None if estimated is None or not measured > 0 else estimated / measured - 1
