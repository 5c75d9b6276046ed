"""How a battle trains: the recipe. Standard library only, as arena.protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from realm import strict
from realm.strict import Bounds

MOST_STEP_TOKENS = 2**31 - 1
"""A step record counts its tokens in 32 bits."""
_COUNT = 10**9
"""Beyond the bounds below lies a slip of the keyboard, or what torch refuses."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a battle trains. Written into each order as it was resolved."""

    mode: Literal["full", "lora", "qlora"] = "full"
    """`qlora` holds the frozen weights in 4 bits; it needs bitsandbytes and a CUDA device."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What is computed in. What is trained is kept in float32 in either case."""
    max_length: Annotated[int, Bounds(8, 2**20)] = 256
    """Tokens in a packed row; a longer example is refused, or cut if `over_long` says so."""
    over_long: Literal["refuse", "truncate"] = "refuse"
    """What becomes of a row that is longer than max_length."""
    rows_per_step: Annotated[int, Bounds(1, 2**16)] = 8
    """Packed rows in one optimizer step."""
    rows_per_micro_batch: Annotated[int, Bounds(1, 2**16)] = 8
    """Of these, how many are computed at once; their gradients are summed, so that it changes the memory alone."""
    rehearsal_share: Annotated[float, Bounds(0, 0.9)] = 0.2
    """Of all rows that a quest of the player's is trained with, those of won levels and of earlier quests; 0: none."""
    rehearsal_epochs: Annotated[int, Bounds(1, 100)] = 4
    """Times that the rehearsed rows are gone through in each epoch of the quest's own, while they are few: some
    hundred rows teach a hero too little to hold what it knows, and met again they do as well as new ones."""
    epochs: Annotated[int, Bounds(1, 10_000)] = 1
    """Times that a quest is gone through."""
    learning_rate: Annotated[float, Bounds(0, 10)] = 2e-3
    """Of AdamW; left out, that which suits the hero."""
    warmup_steps: Annotated[int, Bounds(0, _COUNT)] = 20
    """Over which the rate rises: at the hero's first steps, and whenever the optimizer's moments begin anew."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate goes on behind the warmup."""
    schedule_steps: Annotated[int, Bounds(1, _COUNT)] = 100_000
    """Hero steps over which linear and cosine fall to a tenth; the schedule goes on across quests."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` trains the matrices between embeddings and head, which take one moment less; AdamW trains the rest."""
    muon_ratio: Annotated[float, Bounds(0, 1000)] = 2.0
    """The matrices' rate over `learning_rate`: with 1 an update's root mean square is about AdamW's."""
    muon_momentum: Annotated[float, Bounds(0, 1)] = 0.95
    """Share of the last update that the next one keeps."""
    weight_average: Annotated[float, Bounds(0, 1)] = 0.0
    """The hero is an average of the weights that train, each step's share 1 - this; 0: it is those weights."""
    weight_decay: Annotated[float, Bounds(0, 100)] = 0.01
    """Share of a weight that is taken off it a step, times the rate."""
    beta1: Annotated[float, Bounds(0, 1)] = 0.9
    """Of AdamW: how long its mean of gradients remembers."""
    beta2: Annotated[float, Bounds(0, 1)] = 0.95
    """Of AdamW: how long its mean of squared gradients remembers."""
    clip_norm: Annotated[float, Bounds(0, 10**6)] = 1.0
    """Norm beyond which a gradient is scaled down; 0: never."""
    seed: Annotated[int, Bounds(0, 2**32 - 1)] = 0
    """Of the order of rows and of dropout."""
    save_every: Annotated[int, Bounds(1, _COUNT)] = 200
    """A checkpoint is saved at each hero step that this divides, and at the last step of a battle."""
    save_seconds: Annotated[int, Bounds(0, _COUNT)] = 600
    """A checkpoint is also saved when the last one is this old, for steps that take long; 0 means never for that."""
    compress_moments: bool = False
    """Moments are written as `optimizer.safetensors.zst`, about 7% smaller; a core takes 2 s a GB for it, while
    training goes on."""
    validate_every: Annotated[int, Bounds(0, _COUNT)] = 0
    """Validation sets are scored at each hero step that this divides and at the last; 0: with each checkpoint that can
    pay for it (training.scoring)."""
    early_stop_patience: Annotated[int, Bounds(0, _COUNT)] = 0
    """A battle ends when so many scores in a row did not lower the best loss over the rows held out of its quest, or
    where there are none over what the hero was taught; the hero then goes on from the best checkpoint. 0: never.
    What the guild makes ends when its level is won."""
    early_stop_least: Annotated[float, Bounds(0, 10**6)] = 0.0
    """By how much, in nats, a score must be lower to count as such."""
    most_faults: Annotated[int, Bounds(1, _COUNT)] = 3
    """Faults at one step (a loss that is not finite, a divergence) after which the battle pauses by itself."""
    threads: Annotated[int, Bounds(0, 1024)] = 0
    """CPU threads of torch; 0 leaves torch's own choice. Part of what makes a resume exact."""
    processes: Annotated[int, Bounds(1, 64)] = 1
    """That train the hero together on this machine, each on a GPU of its own where there are GPUs. The rows of a step
    are divided among them; its loss stays that of one process."""
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    """Of several processes: `ddp`, each holds all of the hero; `fsdp2`, each holds a part."""
    nodes: tuple[str, ...] = ()
    """Other machines that train with this one, each with as many processes: the names under which they join it
    (`manage.py node`), at `node_address`."""
    lora_rank: Annotated[int, Bounds(1, 2**16)] = 16
    """Width of the adapters in modes lora and qlora."""
    lora_alpha: Annotated[int, Bounds(1, 10**6)] = 32
    """Their output is scaled by this over the rank."""
    lora_dropout: Annotated[float, Bounds(0, 1)] = 0.0
    """Share of inputs that adapters drop while they train."""
    lora_targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters, such as q_proj; none named means every linear layer of the body."""
    gradient_checkpointing: bool = False
    """Activations are computed again in the backward pass rather than kept: slower, with far less memory."""

    @property
    def ranks(self) -> int:
        """Processes that train together, of all machines."""
        return self.processes * (1 + len(self.nodes))

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        for name in ("beta1", "beta2", "muon_momentum", "weight_average", "lora_dropout"):
            if not getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} must be below 1")
        if len(set(self.nodes)) < len(self.nodes) or not all(
            re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name) for name in self.nodes
        ):
            raise ValueError(
                f"nodes: {list(self.nodes)!r} is not allowed; allowed are different names of letters, digits, '.', '_' "
                "and '-', such as [gpubox]"
            )
        if not all(self.lora_targets):
            raise ValueError("lora_targets: an empty text names no layer")
        if self.rows_per_step * self.max_length > MOST_STEP_TOKENS:
            raise ValueError(
                f"rows_per_step: {self.rows_per_step} rows of max_length {self.max_length} are too large a step; "
                f"the most allowed is {MOST_STEP_TOKENS} tokens"
            )
        if self.schedule != "constant" and self.warmup_steps >= self.schedule_steps:
            raise ValueError(
                f"warmup_steps: {self.warmup_steps} must be below schedule_steps, which is {self.schedule_steps}: "
                f"the {self.schedule} schedule would be over before it begins"
            )
