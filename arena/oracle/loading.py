"""From the verified files of a checkpoint to one immutable model in memory. Imports torch.

Whole weights lie in memory once: an adapter gets a tree of modules of its own, whose frozen parameters are the very
tensors of its base. So no adapter is ever switched on or off, models on one base answer at the same time, and what a
model computes does not depend on which others are loaded.

Weights are copied out of their file before they are used. safetensors maps files into memory, so a byte that changed in
the file later would change the answers of a model whose digest was right when it was loaded.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from arena import embedded
from arena.confined.asking import verdict_of
from arena.confined.mask import mask_of
from arena.confined.probe import Asked
from arena.hero import adapter
from arena.hero import origin as base
from arena.hero.device import best_device
from arena.hero.model import Hero, load_tokenizer, whole_model
from arena.hero.origin import IncompatibleCheckpoint, Origin, UnloadableHero
from arena.oracle.catalogue import Catalogue, Entry
from arena.oracle.trouble import NoRoom, OracleTrouble, UnfitCheckpoint
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import TOKENIZER_FILE
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World

log = logging.getLogger(__name__)

_ADAPTER_FILES = "adapter_model*.safetensors"
_CONTEXT_OF_UNTOLD = 2048
"""Tokens, of a model whose configuration names no limit."""
_FLOAT32_BYTES = 4
"""Adapters are computed in float32, as they are trained."""

Stamp = tuple[int, int, int, int]
BaseKey = tuple[str, str]
"""Folder of whole weights, and the digest of their files."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Base:
    """Whole weights in memory, which several models may stand on."""

    key: BaseKey
    model: PreTrainedModel
    memory_bytes: int


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedModel:
    """What answers, and all that a reply says of it: the two cannot come apart."""

    id: str
    hero: str
    step: int
    name: str
    model_path: str
    sha256: str
    """sidecar.answering_digest of a checkpoint; of a base model the digest of its weight files."""
    mode: str
    base: Base
    own_bytes: int
    """Of the weights that are not its base's."""
    context: int
    """Most tokens of prompt and answer together."""
    speaker: Hero
    made: TemporaryDirectory[str] | None = None
    """Holds the tokenizer's files where the model's own are of an older kind."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while its template and tokenizer run for one request: others wait in the event loop, not in threads."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A model whose files are proven, and what it takes to hold it."""

    entry: Entry
    origin: Origin
    mode: str
    sha256: str
    base_key: BaseKey
    base_bytes: int
    own_bytes: int
    relies_on_memory: bool = False
    """Its base was in memory, so the base's files were not read."""
    stamps: dict[Path, Stamp]
    """Of every file that was proven: what is loaded must be that."""


class Loader:
    def __init__(self, world: World, catalogue: Catalogue, *, dtype: str, device: torch.device | None = None) -> None:
        self._world = world
        self._catalogue = catalogue
        self._dtype = getattr(torch, dtype)
        self.device = device or best_device()

    def examine(self, entry: Entry) -> None:
        """Within seconds, whatever lies there: raises UnfitCheckpoint for files that are not to be loaded."""
        with _told(entry):
            if entry.folder is None:
                self._catalogue.check_base(entry.source)
                folder = model = self._folder(entry.source)
            else:
                folder, model = str(entry.folder), self._whole(entry.folder)
            refusal = verdict_of(Asked(model=model, tokenizer=folder)).refusal
            if refusal:
                raise UnfitCheckpoint(refusal)

    def plan(self, entry: Entry, in_memory: Collection[BaseKey]) -> Plan:
        """Verify every byte that will be read; bases that are in memory are proven already. Raises UnfitCheckpoint."""
        with _told(entry):
            if entry.folder is None:
                return self._plan_base(entry)
            stamps = _stamps(entry.folder)
            saved = sidecar.verify(entry.folder)
            if saved.hero != entry.hero:
                raise UnfitCheckpoint(f"{entry.name} lies with {entry.hero}, but its sidecar says {saved.hero}")
            origin = base.origin_of(self._own_source(entry.folder, saved.base_model), entry.folder)
            if origin.adapter is None:
                sha256 = sidecar.answering_digest(saved)
                return self._planned(entry, origin, saved.mode, sha256, (origin.source, sha256), stamps)
            source = self._folder(origin.source)
            files = {name: proof.sha256 for name, proof in saved.files.items() if sidecar.is_weight_file(name)}
            if origin.sha256 and (source, origin.sha256) in in_memory:
                sha256 = sidecar.weights_digest(files, origin.sha256)
                plan = self._planned(entry, origin, saved.mode, sha256, (source, origin.sha256), stamps)
                return replace(plan, relies_on_memory=True)
            stamps |= _stamps(Path(source))
            proven = base.prove(origin, afresh=True)
            sha256 = sidecar.weights_digest(files, proven)
            return self._planned(entry, origin, saved.mode, sha256, (source, proven), stamps)

    def load(self, plan: Plan, shared: Base | None) -> LoadedModel:
        """`shared` is the base in memory that the plan names, if it is there. Raises UnfitCheckpoint or NoRoom."""
        with _told(plan.entry):
            whole = shared or self._base(plan.base_key)
            model: PreTrainedModel | PeftModel = whole.model
            if plan.origin.adapter is not None:
                model = adapter.load(_twin(whole.model), plan.origin.adapter, device=self.device)
                _detach(model, keep=set(map(id, _tensors(whole.model))))
            model.requires_grad_(False).eval()
            tokenizer = load_tokenizer(plan.origin.newest)
            folder = base.folder_of(plan.origin.newest)
            made = None if (folder / TOKENIZER_FILE).exists() else _saved(tokenizer)
            speaker = Hero(
                model=model,
                tokenizer=tokenizer,
                mask=mask_of(Path(made.name) if made else folder, model=Path(plan.base_key[0])),
                device=self.device,
                compute_dtype=self._dtype,
            )
            for path, stamp in plan.stamps.items():
                if _stamp(path) != stamp:
                    raise UnfitCheckpoint(f"{path.parent.name}: {path.name} has changed while it was loaded; try again")
        return LoadedModel(
            id=plan.entry.id,
            hero=plan.entry.hero,
            step=plan.entry.step,
            name=plan.entry.name,
            model_path=plan.entry.source,
            sha256=plan.sha256,
            mode=plan.mode,
            base=whole,
            own_bytes=_bytes_of(model, besides=whole.model),
            context=_context(whole.model),
            speaker=speaker,
            made=made,
        )

    def _plan_base(self, entry: Entry) -> Plan:
        self._catalogue.check_base(entry.source)
        source = self._folder(entry.source)
        stamps = _stamps(Path(source))
        sha256 = base.weights_digest(source, afresh=True)
        return self._planned(entry, Origin(source=source), "full", sha256, (source, sha256), stamps)

    def _planned(
        self, entry: Entry, origin: Origin, mode: str, sha256: str, key: BaseKey, stamps: dict[Path, Stamp]
    ) -> Plan:
        own = sorted(origin.adapter.glob(_ADAPTER_FILES)) if origin.adapter else []
        return Plan(
            entry=entry,
            origin=origin,
            mode=mode,
            sha256=sha256,
            base_key=key,
            base_bytes=_numbers(sorted(Path(key[0]).glob(base.WEIGHT_FILES))) * self._dtype.itemsize,
            own_bytes=_numbers(own) * _FLOAT32_BYTES,
            stamps=stamps,
        )

    def _whole(self, checkpoint: Path) -> str:
        """The folder of the whole model that a checkpoint is, or sits on."""
        saved = sidecar.verify(checkpoint, quick=True)
        if not base.is_adapter(saved.mode):
            return str(checkpoint)
        if saved.adapter_base is not None:
            return str(base.adapter_base_of(checkpoint, saved.adapter_base))
        return self._folder(self._own_source(checkpoint, saved.base_model))

    def _own_source(self, checkpoint: Path, told: str) -> str:
        source = self._catalogue.base_of(checkpoint, told)
        self._catalogue.check_base(source)
        return source

    def _folder(self, source: str) -> str:
        """Of a model's files; the embedded hero's are made where they are missing. Raises UnfitCheckpoint."""
        if Path(source) == embedded.folder(self._world.models.resolve()):
            embedded.ensure(self._world.models)
        try:
            return str(base.folder_of(source))
        except (OSError, ValueError) as error:
            raise UnfitCheckpoint(f"the base model {source} is not on this machine") from error

    def _base(self, key: BaseKey) -> Base:
        model = whole_model(key[0], dtype=self._dtype)
        model.to(self.device)  # type: ignore[arg-type]  # transformers' wrapper names another type
        _detach(model, keep=())
        model.requires_grad_(False).eval()
        return Base(key=key, model=model, memory_bytes=_bytes_of(model))


def _twin(model: PreTrainedModel) -> PreTrainedModel:
    """Modules of its own over the same tensors."""
    return copy.deepcopy(model, memo={id(tensor): tensor for tensor in _tensors(model)})


def _detach(model: nn.Module, *, keep: Collection[int]) -> None:
    """Copy every tensor but those of `keep` (by id) out of the file that it is mapped from."""
    for tensor in _tensors(model):
        if id(tensor) not in keep:
            tensor.data = tensor.data.clone()


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Each once, tied ones too."""
    return itertools.chain(model.parameters(), model.buffers())


def _bytes_of(model: nn.Module, *, besides: nn.Module | None = None) -> int:
    left_out = set(map(id, _tensors(besides))) if besides is not None else set()
    return sum(tensor.nbytes for tensor in _tensors(model) if id(tensor) not in left_out)


def _numbers(files: list[Path]) -> int:
    """How many numbers the tensors of these files hold."""
    count = 0
    for path in files:
        with safe_open(path, framework="pt") as file:
            count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return count


def _context(model: PreTrainedModel) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or _CONTEXT_OF_UNTOLD)


def _stamps(folder: Path) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@contextmanager
def _told(entry: Entry) -> Iterator[None]:
    """Every way in which a checkpoint can be unfit, as one error."""
    try:
        yield
    except OracleTrouble:
        raise
    except (DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero, MaskingError, Overrun) as error:
        raise UnfitCheckpoint(str(error)) from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise NoRoom(f"{entry.id} does not fit into the device's memory") from error
    except Exception as error:  # files of a stranger's break a library in every way
        log.exception("%s cannot be loaded", entry.id)
        raise UnfitCheckpoint(f"{entry.id} cannot be loaded: {base.in_short(error)}") from error


def _saved(tokenizer: PreTrainedTokenizerBase) -> TemporaryDirectory[str]:
    """The tokenizer as all others read it."""
    folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="realm-tokenizer-", ignore_cleanup_errors=True)
    tokenizer.save_pretrained(folder.name)
    return folder
