"""One host: loads and unloads, answers, and tells what it holds. Lives in the event loop's thread.

torch is imported when a first model is loaded, in a thread: until then an idle host takes little memory, and starting
it costs a world that only trains nothing.
"""

from __future__ import annotations

import asyncio
import gc
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena.oracle.catalogue import Catalogue, Entry
from arena.oracle.loaded_models import Place, Shelf, described
from arena.oracle.rows import Row
from arena.oracle.scheduler import Ended, Scheduler
from arena.oracle.trouble import BadRequest, NotLoaded, TooLong
from arena.recipe import Recipe
from arena.rows.model import Message
from arena.rows.tokenized import MaskingError
from realm import strict
from realm.config import RealmConfig
from realm.health import HEALTHY
from realm.oracle.served import Served
from realm.oracle.wire import Selector
from realm.world import World

if TYPE_CHECKING:
    from arena.oracle.loading import LoadedModel, Loader

_GB = 10**9


class OracleHost:
    def __init__(self, world: World, settings: RealmConfig, served: Served) -> None:
        self._world = world
        self._dtype = strict.read(Recipe, settings.training, source="training").dtype
        self._loader: Loader | None = None
        self._starts, self._loads = asyncio.Lock(), asyncio.Lock()
        self._is_starting = False
        self._served = served
        self._coming: list[str] = []
        self.catalogue = Catalogue(world, settings)
        self.shelf = Shelf(int(settings.oracle_memory_gb * _GB))
        self.scheduler = Scheduler(_write)

    @property
    def home(self) -> Path:
        return self._world.home

    def health(self) -> dict[str, Any]:
        return {
            "status": "starting" if self._is_starting else HEALTHY,
            "service": "oracle",
            "host": platform.node(),
            "world": str(self._world.home),
            "device": str(self._loader.device) if self._loader else None,
            "loaded": len(self.shelf.places),
            "memory_bytes": self.shelf.memory_bytes,
            "budget_bytes": self.shelf.budget_bytes,
            "busy": self.shelf.busy or self._loads.locked(),
        }

    async def info(self) -> dict[str, Any]:
        entries = await asyncio.to_thread(self.catalogue.all)
        available = [
            {"id": each.id, "name": each.name, "hero": each.hero, "step": each.step, "model_path": each.source}
            for each in entries
        ]
        models = [described(place) for place in self.shelf.places]
        return {
            "models": models,
            "available": available,
            "memory_bytes": self.shelf.memory_bytes,
            "budget_bytes": self.shelf.budget_bytes,
        }

    async def load(self, wanted: Selector) -> Place:
        """The model in the table: verified and loaded now, unless it is there. Raises OracleTrouble.

        What lies there is examined before its turn, so that files which take long to refuse hold nobody up.
        """
        entry = await asyncio.to_thread(self.catalogue.find, wanted)
        if found := self.shelf.find(entry.id):
            return found
        loader = await self._ready()
        await asyncio.to_thread(loader.examine, entry)
        async with self._loads:
            found = self.shelf.find(entry.id)
            if found:
                return found
            self._coming = [entry.id]
            self._tell()  # before its files are read, so that nobody deletes them meanwhile
            try:
                return await self._load(loader, entry)
            finally:
                self._coming = []
                self._tell()

    async def _load(self, loader: Loader, entry: Entry) -> Place:
        plan = await asyncio.to_thread(loader.plan, entry, self.shelf.base_keys())
        self.shelf.make_room(plan)
        if plan.relies_on_memory and self.shelf.base(plan.base_key) is None:  # unloaded since
            plan = await asyncio.to_thread(loader.plan, entry, ())
        model = await asyncio.to_thread(loader.load, plan, self.shelf.base(plan.base_key))
        return self.shelf.put(model)

    def unload(self, wanted: Selector) -> Place:
        """Nobody gets the model any more; those who have it end with it. Raises NotLoaded."""
        hero = wanted.hero or self.catalogue.hero
        ids = [place.model.id for place in self.shelf.places if _is_meant(place.model, wanted, hero)]
        if len(ids) > 1:  # a step, which means the active branch
            ids = [each for each in ids if each == f"{hero}/{self.catalogue.name_at(hero, wanted.step)}"] or ids
        if not ids:
            steps = sorted((each.model.step for each in self.shelf.places if each.model.hero == hero), reverse=True)
            told = wanted.model or wanted.name or f"step {wanted.step}"
            raise NotLoaded(f"{told} is not loaded. Loaded: {steps}", available=steps)
        place = self.shelf.take(max(ids))
        self._tell()
        return place

    async def answer(self, model: LoadedModel, prompts: Sequence[str], *, max_new_tokens: int) -> list[Row]:
        """Greedy, one turn of the user's each. Raises OracleTrouble."""
        asked = [[Message("user", prompt)] for prompt in prompts]
        rows = await self._rows(model, asked, max_new_tokens)
        await self.scheduler.write(model, rows)
        return rows

    async def chat(
        self, model: LoadedModel, conversation: list[Message], *, max_new_tokens: int, **options: Any
    ) -> Row:
        """A row that waits to be written; `options` are fields of Row. Raises OracleTrouble."""
        (row,) = await self._rows(model, [conversation], max_new_tokens, **options)
        return row

    async def _rows(self, model: LoadedModel, *asked: Any, **options: Any) -> list[Row]:
        async with model.asking:
            return await asyncio.to_thread(_rows, model, *asked, **options)

    def _tell(self) -> None:
        """To those who delete checkpoints."""
        self._served.tell([place.model.id for place in self.shelf.places] + self._coming)

    async def _ready(self) -> Loader:
        async with self._starts:
            if self._loader is None:
                self._is_starting = True
                try:
                    self._loader = await asyncio.to_thread(self._imported)
                finally:
                    self._is_starting = False
            return self._loader

    def _imported(self) -> Loader:
        from arena.oracle.loading import Loader

        # What torch and transformers made when they were imported stays for ever. Without it a collection, of which
        # each unloading needs one, takes a few milliseconds and not some hundred, in which nobody is answered.
        gc.freeze()
        return Loader(self._world, self.catalogue, dtype=self._dtype)


def _is_meant(model: LoadedModel, wanted: Selector, hero: str) -> bool:
    if wanted.model is not None:
        return model.id == wanted.model and wanted.hero in (None, model.hero)
    if model.hero != hero:
        return False
    return model.step == wanted.step if wanted.name is None else model.name == wanted.name


def _write(model: LoadedModel, rows: Sequence[Row], ended: Ended) -> None:
    from arena.oracle.generation import write  # with torch, which is there once a model is

    write(model.speaker, rows, ended)


def _rows(model: LoadedModel, asked: list[list[Message]], max_new_tokens: int, **options: Any) -> list[Row]:
    """An answer ends at the latest where the model's context does. Raises TooLong or BadRequest."""

    mask = model.speaker.mask
    # Counting the tokens of megabytes takes seconds and gigabytes.
    most_characters = model.context * mask.facts.longest_token
    try:
        prompts = mask.prompts(asked, most_characters=most_characters)
    except MaskingError as error:
        raise BadRequest(str(error)) from error
    rows = []
    for number, prompt_ids in enumerate(prompts, start=1):
        which = f"prompt {number}" if len(asked) > 1 else "the conversation"
        if isinstance(prompt_ids, int):
            raise TooLong(f"{which} has {prompt_ids} characters; {model.id} reads at most {model.context - 1} tokens")
        room = model.context - len(prompt_ids)
        if room < 1:
            raise TooLong(f"{which} has {len(prompt_ids)} tokens; {model.id} reads at most {model.context - 1}")
        rows.append(Row(prompt_ids=prompt_ids, max_new_tokens=min(max_new_tokens, room), **options))
    return rows
