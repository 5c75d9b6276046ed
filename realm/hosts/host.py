"""A machine of `hosts.yaml`, as everything that asks it knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from realm import strict
from realm.host_services import Service
from realm.strict import Range

Kind = Literal["realm", "vllm", "llamacpp", "ollama", "openai"]
Role = Literal["trainer", "inference", "storage"]
TensorType = Literal["f32", "f16"]
ENGINES = ("vllm", "llamacpp", "ollama")
"""Kinds whose servers tell which file or digest they serve, by which the checkpoint is proven."""
STARTED = ("vllm", "llamacpp")
"""Kinds that the weaver can start; Ollama is a service of the machine."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How the weaver starts an engine."""

    checkpoint: str = "newest"
    """`newest`, `best` (the champion), a step or a name."""
    context_length: Annotated[int, Range(0, 1_000_000, "is no length of a context")] = 0
    """Of each conversation, in tokens; 0 is the model's own."""
    parallel: Annotated[int, Range(1, 64, "is no number of conversations")] = 4
    """Conversations answered at the same time."""
    tensor_type: TensorType = "f32"
    """Of the GGUF file; float32 answers as the realm's own oracle."""
    threads: Annotated[int, Range(0, 512, "is no number of threads")] = 0
    """0 lets the engine choose."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if not self.checkpoint.strip():
            raise ValueError("checkpoint: there is nothing in it")


@dataclass(frozen=True, kw_only=True)
class Host:
    id: str
    """What files, requests and commands call it."""
    name: str
    """What the player reads; its id where the file has none."""
    url: str
    """Root of its inference server, without a slash at its end and without `/v1`; empty where it has none."""
    kind: Kind
    role: Role | None = None
    models_dir: Path | None = None
    """Where its models lie, on that machine."""
    services: dict[str, Service] = field(default_factory=dict)
    here: bool = False
    """Whether it is this machine."""
    device: str = ""
    trainer_local: bool = False
    evaluates: bool = False
    timeout_seconds: float = 120.0
    """The longest that a whole answer may take, and a stream's silence."""
    connect_seconds: float = 3.0
    load_seconds: float = 600.0
    models: dict[int, str] = field(default_factory=dict)
    """Of a host that knows no checkpoints by their own names: step to model name."""
    hero: str = ""
    """Whose steps those are."""
    token_file: Path | None = None
    start: Start | None = None
    """How the weaver starts it, where it does."""
    wish_file: Path | None = None
    """Where another checkpoint is wished for of one that the weaver starts."""
    derived: Path | None = None
    """Where this world keeps the records of files that it made for engines."""

    @property
    def infers(self) -> bool:
        """Whether it is an inference host."""
        return bool(self.url)

    @property
    def is_realm(self) -> bool:
        return self.kind == "realm"

    @property
    def is_engine(self) -> bool:
        """Whether it is somebody else's server that serves checkpoints of this world under their own names, proven."""
        return self.kind in ENGINES
