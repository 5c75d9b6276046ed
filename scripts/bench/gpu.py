"""Rows of a model of Qwen3-0.6B's shape, on a GPU: needs torch, transformers, peft and accelerate, and no Django.

The model is made from a seed, its tokenizer is the embedded hero's: speed and memory do not depend on what is learned.
TRL stands beside it where it is installed. `tiny` on the CPU shows that the rows work; its figures mean nothing.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arena.hero import model as heroes
from arena.hero.model import hero_tokenizer, load_tokenizer
from arena.protocol import ORDER_FILE, EventKind, Order
from arena.recipe import Recipe
from arena.rows.masking import ChatMask
from arena.training.control import Control
from arena.training.data import load_quest
from arena.training.service import run_order
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from scripts.bench import runs
from scripts.bench.answering import beside_generate
from scripts.bench.estimates import errors_of
from scripts.bench.flops import Cost, context, shaped_rate, square_rate
from scripts.bench.gpu_quests import SEED, SHAPES, make_base, write_chat, write_documents
from scripts.bench.runs import Battle, stalls_of, stalls_told

ROW_LENGTH = 2048
ROWS_PER_STEP, LORA_ROWS_PER_STEP = 8, 2
"""16K tokens a step, and 4K."""
ROWS_AT_ONCE, LORA_ROWS_AT_ONCE = 4, 1
"""In a micro-batch: the most that stays below the memory of the goals."""
PROMPTS, ANSWER_TOKENS = 100, 64
TUNED: dict[str, Any] = {"checkpointing": False}
DEFAULTS: dict[str, Any] = {"checkpointing": True}
DIGESTS_FILE = "digests.json"
TROUBLE_CHARACTERS = 300


class NotHere(Exception):
    """This machine cannot show the row; the text says why."""


class Bench:
    """One folder, one model, its quests. What a run told is kept there: rows that read the same run make it once."""

    def __init__(
        self, folder: Path, shape: str, device: str, *, repeats: int, quick: bool, in_this_process: bool = False
    ) -> None:
        """`in_this_process` battles start no trainer: to see that the rows work, not to measure."""
        if device == "cuda" and not torch.cuda.is_available():
            raise SystemExit("no CUDA device here; `--shape tiny --device cpu` shows that the rows work")
        if device == "cpu" and torch.cuda.is_available():
            raise SystemExit("the trainer takes the CUDA device that is here; hide it: CUDA_VISIBLE_DEVICES= …")
        self.folder, self.device, self.repeats, self.steps = folder, device, repeats, 12 if quick else 60
        self._one_by_one = 10 if quick else None
        self.dtype = "bfloat16" if device == "cuda" else "float32"
        self._train, self._train_until_killed = runs.by_its_command, runs.killed_after_a_checkpoint
        if in_this_process:
            self._train, self._train_until_killed = train_here, functools.partial(train_here, pause_at=self.steps // 2)
        self._peer_troubles: list[str] = []
        small = shape == "tiny"
        self.row_length = 256 if small else ROW_LENGTH
        self.base = make_base(folder / "base", SHAPES[shape])
        self.cost = Cost.of(json.loads((self.base / "config.json").read_bytes()))
        self.full_recipe = Recipe(
            dtype=self.dtype, max_length=self.row_length, rows_per_step=ROWS_PER_STEP,
            rows_per_micro_batch=ROWS_AT_ONCE, learning_rate=1e-5, save_every=1_000_000, save_seconds=0,
            over_long="truncate", warmup_steps=5,
        )  # fmt: skip
        self.lora_recipe = replace(
            self.full_recipe, mode="lora", rows_per_step=LORA_ROWS_PER_STEP, rows_per_micro_batch=LORA_ROWS_AT_ONCE
        )

    @functools.cached_property
    def chat(self) -> Path:
        tokens = self.steps * ROWS_PER_STEP * self.row_length
        return write_chat(self.folder / "chat.jsonl", tokens, longest=self.row_length, tokenizer=self._tokenizer)

    @functools.cached_property
    def documents(self) -> Path:
        return write_documents(self.folder / "documents.jsonl", self.steps * ROWS_PER_STEP, self.row_length)

    @functools.cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(str(self.base))

    def full(self) -> dict[str, Any]:
        """Full fine-tuning on chats: ours, TRL by its defaults and tuned, one after the other, `repeats` times."""
        ours, peers = list[Battle](), {"defaults": list[dict[str, Any]](), "tuned": list[dict[str, Any]]()}
        for turn in range(self.repeats):
            ours.append(self._on_chats(turn))
            for side, runs_of_side in peers.items():
                runs_of_side += self._peer(f"{side}-{turn}", **self._peer_settings(side))
        rate = runs.median([run.all_rate for run in ours])
        theirs = {
            side: runs.median([run["all_rate"] for run in peers[side]]) if peers[side] else None for side in peers
        }
        return self._row(
            "P2", round(rate), theirs["tuned"] and round(theirs["tuned"]), "tokens/s, full fine-tuning, chats",
            trl_defaults=theirs["defaults"] and round(theirs["defaults"]),
            ratio_to_defaults=theirs["defaults"] and round(rate / theirs["defaults"], 2),
            first_loss=[_mean(ours[0].steps["loss"][:5]), *(run["first_loss"] for run in peers["tuned"][:1])],
            final_loss=[_mean(ours[0].steps["loss"][-5:]), *(run["final_loss"] for run in peers["tuned"][:1])],
        )  # fmt: skip

    def share(self) -> dict[str, Any]:
        """Model FLOPs of a second over the rate of the matrix product, measured in the same run."""
        dtype = getattr(torch, self.dtype)
        size = 8192 if self.device == "cuda" else 512
        cases: dict[str, tuple[Path, Recipe, Callable[[int], Battle]]] = {
            "full, documents": (self.documents, self.full_recipe, self._on_documents),
            "full, chats": (self.chat, self.full_recipe, self._on_chats),
            "lora, chats": (self.chat, self.lora_recipe, self._adapter_on_chats),
        }
        rates: dict[str, list[float]] = {case: [] for case in cases}
        square, shaped = [], []
        for turn in range(self.repeats):
            for case, (_, _, fight) in cases.items():
                rates[case].append(fight(turn).all_rate)
            square.append(square_rate(size, dtype, self.device))
            shaped.append(shaped_rate(self.cost, ROWS_AT_ONCE * self.row_length, dtype, self.device))
        wide, own = runs.median(square), runs.median(shaped)
        told = {}
        for case, (quest, recipe, _) in cases.items():
            length, trained = self._facts(quest)
            rate = runs.median(rates[case])
            flops = rate * self.cost.per_token(length, trained, adapter=recipe.mode == "lora")
            told[case] = {
                "tokens_per_second": round(rate), "share": round(flops / wide, 3),
                "share_of_its_shapes": round(flops / own, 3), "context": round(length, 1),
                "trained_share": round(trained, 3),
            }  # fmt: skip
        return self._row(
            "P3", told["full, documents"]["share"], None, "model FLOPs / the matrix product's rate, full, documents",
            cases=told, matmul_tflops=round(wide / 1e12, 3), matmul_tflops_of_its_shapes=round(own / 1e12, 3),
        )  # fmt: skip

    def stall(self) -> dict[str, Any]:
        """One checkpoint a battle, in its middle: a second one would wait until the first is written."""
        ours, told, peer = list[float](), list[float](), list[float]()
        every = self.steps // 2 + 1
        for turn in range(self.repeats):
            battle = self._fight(f"stall-{turn}", self.chat, replace(self.full_recipe, save_every=every))
            ours += stalls_of(battle)
            told += stalls_told(battle)[:1]
            for run in self._peer(f"stall-{turn}", **self._peer_settings("tuned"), save_every=every):
                peer += run["stalls_ms"]
        theirs = runs.percentiles(peer) if peer else None
        return self._row(
            "P6", runs.percentiles(ours)["p99"], theirs["p99"] if theirs else None,
            "ms of training lost by a checkpoint, p99", lower=True, stall_ms=[runs.percentiles(ours), theirs],
            saves=len(ours), copying_alone_ms=runs.percentiles(told),
        )  # fmt: skip

    def answers(self) -> dict[str, Any]:
        hero = heroes.load(str(self.base), self.full_recipe, checkpoint=None, device=torch.device(self.device))
        dice = random.Random(SEED)
        prompts = [f"{dice.randrange(10**6)}+{dice.randrange(10**6)}" for _ in range(PROMPTS)]
        tokens = ANSWER_TOKENS if self.device == "cuda" else 8
        return beside_generate("P9", hero, prompts, tokens, repeats=self.repeats, one_by_one=self._one_by_one)

    def memory(self) -> dict[str, Any]:
        full, lora = self._on_chats(0), self._adapter_on_chats(0)
        peer = self._peer("tuned-0", **self._peer_settings("tuned"))
        return self._row(
            "P15", _gigabytes(full), round(peer[0]["memory_bytes"] / 1e9, 2) if peer else None,
            "GB, peak, full, 16K tokens a step" + ("" if self.device == "cuda" else " (resident memory: no GPU)"),
            lower=True, lora_4k=_gigabytes(lora), shrunk=_shrunk(full, lora),
        )  # fmt: skip

    def estimate(self) -> dict[str, Any]:
        """Two battles of the same size, since the first has no time to go by, and one of an adapter."""
        return errors_of([self._on_chats(0), self._on_chats(1), self._adapter_on_chats(0)])

    def resume(self) -> dict[str, Any]:
        """A run without a break, and one that is killed and goes on in a new process: digests of all that was saved."""
        recipe = replace(self.full_recipe, save_every=max(2, self.steps // (2 if self.device == "cuda" else 4)))
        whole = self._fight("whole", self.chat, recipe, digests=True)
        broken = runs.fight(self.folder / "broken", self.base, self.chat, recipe, train=self._train_until_killed)
        interrupted = broken.first(EventKind.BATTLE_COMPLETED) is None
        broken = self._fight("broken", self.chat, recipe, digests=True)
        ends = [self._digests(battle) for battle in (whole, broken)]
        equal = ends[0] == ends[1]
        more = {} if equal else {"two_uninterrupted_runs_equal": self._repeats_itself(recipe, ends[0])}
        return self._row(
            "resume", float(equal), None, "1 if a killed and resumed run ends bit for bit as an uninterrupted one",
            interrupted=interrupted, steps=len(whole.steps), sha256=ends[1], **more,
        )  # fmt: skip

    def ranks(self) -> dict[str, Any]:
        """Two processes under torchrun on two cards, beside one: the same losses, and the rate of the two."""
        if self.device == "cuda" and torch.cuda.device_count() < 2:
            raise NotHere(f"two CUDA devices are needed, {torch.cuda.device_count()} here")
        if self.device == "cpu":
            os.environ["ACCELERATE_USE_CPU"] = "true"
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
        alone = self._on_chats(0)
        both = self._fight(
            "ranks", self.chat, self.full_recipe, train=lambda order: runs.by_its_command(order, *launcher)
        )
        losses = [battle.steps["loss"].astype(np.float64) for battle in (both, alone)]
        return self._row(
            "ranks", round(both.all_rate / alone.all_rate, 2), None, "rate of two processes / of one, full, chats",
            largest_loss_difference=round(float(np.abs(losses[0] / losses[1] - 1).max()), 6),
            tokens_per_second=[round(both.all_rate), round(alone.all_rate)],
        )  # fmt: skip

    def _on_chats(self, turn: int) -> Battle:
        return self._fight(f"chats-{turn}", self.chat, self.full_recipe)

    def _on_documents(self, turn: int) -> Battle:
        return self._fight(f"documents-{turn}", self.documents, self.full_recipe)

    def _adapter_on_chats(self, turn: int) -> Battle:
        return self._fight(f"lora-{turn}", self.chat, self.lora_recipe)

    def _fight(
        self,
        name: str,
        quest: Path,
        recipe: Recipe,
        *,
        digests: bool = False,
        train: Callable[[Order], None] | None = None,
    ) -> Battle:
        """Each with a hero of its own, which is 7 GB at full size: of it the `digests` are kept, or nothing."""
        folder = self.folder / name
        order = folder / ORDER_FILE
        if order.exists() and (kept := runs.read(Order.read(order))).first(EventKind.BATTLE_COMPLETED):
            return kept
        battle = runs.fight(folder, self.base, quest, recipe, train=train or self._train)
        if digests:
            (folder / DIGESTS_FILE).write_text(json.dumps(_digests(battle)))
        shutil.rmtree(battle.order.hero_folder)
        return battle

    def _digests(self, battle: Battle) -> dict[str, str]:
        told: dict[str, str] = json.loads((Path(battle.order.battle_folder) / DIGESTS_FILE).read_bytes())
        return told

    def _repeats_itself(self, recipe: Recipe, digests: dict[str, str]) -> bool:
        """Where that does not hold it is no wonder that a resumed run differs."""
        return self._digests(self._fight("again", self.chat, recipe, digests=True)) == digests

    def _peer_settings(self, side: str) -> dict[str, Any]:
        return DEFAULTS if side == "defaults" else TUNED | {"attention": best_attention(self.device)}

    def _peer(self, name: str, **settings: Any) -> list[dict[str, Any]]:
        """What the peer measured; nothing where it is not installed, or fails, which the row then tells."""
        kept = self.folder / f"peer-{name}.json"
        if not runs.has_trl():
            self._peer_troubles.append("TRL is not installed")
            return []
        if not kept.exists():
            recipe = {name: getattr(self.full_recipe, name) for name in PEER_KEYS}
            try:
                told = runs.peer(self.base, self.chat, recipe=recipe, device=self.device, dtype=self.dtype, **settings)
            except RuntimeError as error:
                self._peer_troubles.append(str(error)[-TROUBLE_CHARACTERS:])
                return []
            kept.write_text(json.dumps(told))
        return [json.loads(kept.read_bytes())]

    def _facts(self, quest: Path) -> tuple[float, float]:
        """ℓ, and the share of tokens that are trained on."""
        examples = load_quest(quest, ChatMask(hero_tokenizer(self._tokenizer)), self.full_recipe).examples
        return context(examples.lengths), examples.trained_tokens / float(examples.lengths.sum())

    def _row(self, *rest: Any, **details: Any) -> dict[str, Any]:
        device = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        if self._peer_troubles:
            details["no_peer"] = self._peer_troubles[-1]
            self._peer_troubles.clear()
        return runs.row(*rest, **details, device=device, repeats=self.repeats, versions=runs.versions())


def train_here(order: Order, *, pause_at: int | None = None) -> None:
    """One battle without a process of its own; with `pause_at` it saves and ends after that step."""
    control = Control()
    if pause_at is not None:
        control.pause_at(pause_at)
    order.write()
    if run_order(order, control, None, on_event=lambda event: None) is None:
        raise RuntimeError(runs.read(order).events[-1].message)


PEER_KEYS = ("max_length", "rows_per_step", "rows_per_micro_batch", "learning_rate", "warmup_steps")


def best_attention(device: str) -> str:
    """The fastest that is installed: packed rows need one that knows where an example ends."""
    try:
        import flash_attn  # type: ignore[import-not-found] # noqa: F401
    except ImportError:
        return "sdpa"
    return "flash_attention_2" if device == "cuda" else "sdpa"


def _digests(battle: Battle) -> dict[str, str]:
    files = sidecar.verify(checkpoint_folders(Path(battle.order.hero_folder))[0]).files
    return {name: proof.sha256 for name, proof in files.items() if name.endswith(".safetensors")}


def _shrunk(*battles: Battle) -> list[str]:
    """Why battles had to take fewer rows at once than asked for."""
    return [
        event.message for battle in battles for event in battle.events if event.data.get("fault") == "out_of_memory"
    ]


def _gigabytes(battle: Battle) -> float:
    return round(float(battle.steps["memory_bytes"].max()) / 1e9, 2)


def _mean(values: Any) -> float:
    return round(float(np.mean(values)), 4)
