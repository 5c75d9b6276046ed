"""Rows of a model of Qwen3-0.6B's shape, on a GPU: needs torch, transformers, peft and accelerate, and no Django.

The model is made from a seed, its tokenizer is the embedded hero's: speed and memory do not depend on what is learned.
TRL stands beside it where it is installed. `tiny` on the CPU shows that the rows work; its figures mean nothing.
"""

from __future__ import annotations

import functools
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from arena import embedded
from arena.hero import model as heroes
from arena.hero.model import hero_tokenizer, load_tokenizer
from arena.protocol import EventKind
from arena.recipe import Recipe
from arena.rows.masking import ChatMask
from arena.training.data import load_quest
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from scripts.bench import runs
from scripts.bench.answering import beside_generate
from scripts.bench.estimates import errors_of
from scripts.bench.flops import Cost, context, shaped_rate, square_rate
from scripts.bench.runs import Battle, stalls_of, stalls_told

SHAPES: dict[str, dict[str, Any]] = {
    "qwen3-0.6b": {
        "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151_936, "max_position_embeddings": 40_960,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    },
    "tiny": {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
        "intermediate_size": 128, "vocab_size": 2048,
    },
}  # fmt: skip
ROW_LENGTH, LORA_ROW_LENGTH = 2048, 2048
ROWS_PER_STEP, LORA_ROWS_PER_STEP = 8, 2
"""16K tokens a step, and 4K."""
MEAN_CONTEXT = 466
"""ℓ of the chats, as the goals name it; lengths are log-normal."""
SPREAD = 0.8
PROMPTS, ANSWER_TOKENS = 100, 64
SEED = 20_261_121
TUNED = {"checkpointing": False}
DEFAULTS = {"checkpointing": True}


class Bench:
    """One folder, one model, its quests; runs that several rows read are made once."""

    def __init__(self, folder: Path, shape: str, device: str, *, repeats: int, quick: bool) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise SystemExit("no CUDA device here; `--shape tiny --device cpu` shows that the rows work")
        if device == "cpu" and torch.cuda.is_available():
            raise SystemExit("the trainer takes the CUDA device that is here; hide it: CUDA_VISIBLE_DEVICES= …")
        self.folder, self.device, self.repeats, self.steps = folder, device, repeats, 12 if quick else 60
        self.dtype = "bfloat16" if device == "cuda" else "float32"
        small = shape == "tiny"
        self.row_length = 256 if small else ROW_LENGTH
        self.base = make_base(folder / "base", SHAPES[shape])
        self.cost = Cost.of(json.loads((self.base / "config.json").read_bytes()))
        self.full_recipe = Recipe(
            dtype=self.dtype, max_length=self.row_length, rows_per_step=ROWS_PER_STEP,
            rows_per_micro_batch=ROWS_PER_STEP, learning_rate=1e-5, save_every=1_000_000, save_seconds=0,
            over_long="truncate", warmup_steps=5,
        )  # fmt: skip
        self.lora_recipe = replace(
            self.full_recipe, mode="lora", rows_per_step=LORA_ROWS_PER_STEP, rows_per_micro_batch=LORA_ROWS_PER_STEP
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

    @functools.cached_property
    def _sides(self) -> dict[str, list[Any]]:
        """Full fine-tuning on chats: ours, TRL by its defaults and tuned, one after the other, `repeats` times."""
        sides: dict[str, list[Any]] = {"ours": [], "defaults": [], "tuned": []}
        for turn in range(self.repeats):
            sides["ours"].append(self._fight(f"chat-{turn}", self.chat, self.full_recipe))
            if runs.has_trl():
                sides["defaults"].append(self._peer(**DEFAULTS))
                sides["tuned"].append(self._peer(**TUNED, attention=best_attention(self.device)))
        return sides

    def full(self) -> dict[str, Any]:
        sides = self._sides
        ours = runs.median([run.all_rate for run in sides["ours"]])
        theirs = {
            side: runs.median([run["all_rate"] for run in sides[side]]) for side in ("defaults", "tuned") if sides[side]
        }
        return self._row(
            "P2", round(ours), round(theirs["tuned"]) if theirs else None, "tokens/s, full fine-tuning, chats",
            trl_defaults=round(theirs["defaults"]) if theirs else None,
            ratio_to_defaults=round(ours / theirs["defaults"], 2) if theirs else None,
            first_loss=[_mean(sides["ours"][0].steps["loss"][:5]), *(run["first_loss"] for run in sides["tuned"][:1])],
            final_loss=[_mean(sides["ours"][0].steps["loss"][-5:]), *(run["final_loss"] for run in sides["tuned"][:1])],
        )  # fmt: skip

    def share(self) -> dict[str, Any]:
        """Model FLOPs of a second over the rate of the matrix product, measured in the same run."""
        dtype = getattr(torch, self.dtype)
        size = 8192 if self.device == "cuda" else 512
        cases = {
            "full, documents": (self.documents, self.full_recipe),
            "full, chats": (self.chat, self.full_recipe),
            "lora, chats": (self.chat, self.lora_recipe),
        }
        rates: dict[str, list[float]] = {case: [] for case in cases}
        square, shaped = [], []
        for turn in range(self.repeats):
            for case, (quest, recipe) in cases.items():
                rates[case].append(self._fight(f"{case}-{turn}", quest, recipe).all_rate)
            square.append(square_rate(size, dtype, self.device))
            shaped.append(shaped_rate(self.cost, ROWS_PER_STEP * self.row_length, dtype, self.device))
        wide, own = runs.median(square), runs.median(shaped)
        told = {}
        for case, (quest, recipe) in cases.items():
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
        ours, told, peer = list[float](), list[float](), list[float]()
        every = 3
        for turn in range(self.repeats):
            battle = self._fight(f"stall-{turn}", self.chat, replace(self.full_recipe, save_every=every))
            ours += stalls_of(battle)
            told += stalls_told(battle)
            shutil.rmtree(self.folder / f"stall-{turn}")
            if runs.has_trl():
                peer += self._peer(**TUNED, save_every=every)["stalls_ms"]
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
        return beside_generate("P9", hero, prompts, tokens, repeats=self.repeats)

    def memory(self) -> dict[str, Any]:
        full = self._sides["ours"][0]
        lora = self._fight("memory-lora", self.chat, self.lora_recipe)
        peer = self._sides["tuned"][:1]
        return self._row(
            "P15", _gigabytes(full), round(peer[0]["memory_bytes"] / 1e9, 2) if peer else None,
            "GB, peak, full, 16K tokens a step" + ("" if self.device == "cuda" else " (resident memory: no GPU)"),
            lower=True, lora_4k=_gigabytes(lora),
        )  # fmt: skip

    def estimate(self) -> dict[str, Any]:
        return errors_of([self._fight("estimate", self.chat, self.full_recipe)])

    def resume(self) -> dict[str, Any]:
        """Two runs without a break, and one that is terminated at its middle and goes on in a new process."""
        recipe = replace(self.full_recipe, save_every=max(2, self.steps // 4))
        whole, again = (self._fight(name, self.chat, recipe) for name in ("whole", "again"))
        broken = self._fight("broken", self.chat, recipe, stop_after=len(whole.steps) // 2)
        interrupted = any(event.kind == EventKind.BATTLE_PAUSED for event in broken.events)
        broken = self._fight("broken", self.chat, recipe)
        ends = [_digests(battle) for battle in (whole, again, broken)]
        return self._row(
            "resume", float(ends[0] == ends[2]), None, "1 if a resumed run ends bit for bit as an uninterrupted one",
            two_uninterrupted_runs_equal=ends[0] == ends[1], interrupted=interrupted, steps=len(whole.steps),
        )  # fmt: skip

    def _fight(self, name: str, quest: Path, recipe: Recipe, **more: Any) -> Battle:
        """Each with a hero of its own; what the run leaves is 7 GB at full size, so only its records are kept."""
        battle = runs.fight(self.folder / name, self.base, quest, recipe, **more)
        if name not in ("whole", "again", "broken") and not name.startswith("stall"):
            shutil.rmtree(self.folder / name)
        return battle

    def _peer(self, **settings: Any) -> dict[str, Any]:
        recipe = {name: getattr(self.full_recipe, name) for name in PEER_KEYS}
        return runs.peer(self.base, self.chat, recipe=recipe, device=self.device, dtype=self.dtype, **settings)

    def _facts(self, quest: Path) -> tuple[float, float]:
        """ℓ, and the share of tokens that are trained on."""
        examples = load_quest(quest, ChatMask(hero_tokenizer(self._tokenizer)), self.full_recipe).examples
        return context(examples.lengths), examples.trained_tokens / float(examples.lengths.sum())

    def _row(self, *rest: Any, **details: Any) -> dict[str, Any]:
        device = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        return runs.row(*rest, **details, device=device, repeats=self.repeats, versions=runs.versions())


PEER_KEYS = ("max_length", "rows_per_step", "rows_per_micro_batch", "learning_rate", "warmup_steps")


def make_base(folder: Path, shape: dict[str, Any]) -> Path:
    config = json.loads((embedded.SOURCE / "config.json").read_bytes()) | shape
    folder.mkdir(parents=True)
    for path in embedded.SOURCE.iterdir():
        shutil.copyfile(path, folder / path.name)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(embedded.weights(config, SEED), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_chat(path: Path, tokens: int, *, longest: int, tokenizer: Any) -> Path:
    """Conversations of mixed lengths, half of each the answer: in all about `tokens` tokens."""
    dice = np.random.default_rng(SEED)
    centre = np.log(min(MEAN_CONTEXT, longest / 4)) - 1.5 * SPREAD**2
    around = len(tokenizer.apply_chat_template(_conversation("", ""))["input_ids"])
    written = 0
    with open(path, "w", encoding="utf-8") as file:
        while written < tokens:
            length = int(np.clip(dice.lognormal(centre, SPREAD), 16, longest - around))
            halves = ("".join(dice.choice(_LETTERS, length // 2).tolist()) for _ in range(2))
            file.write(json.dumps({"messages": _conversation(*halves)}) + "\n")
            written += length + around
    return path


_LETTERS = np.array([chr(code) for code in range(0x30, 0x3A)])
"""Digits: a token each."""


def _conversation(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_documents(path: Path, count: int, length: int) -> Path:
    """Texts somewhat longer than a row, of which the recipe takes a row's length."""
    dice = np.random.default_rng(SEED + 1)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(json.dumps({"text": "".join(dice.choice(_LETTERS, length + 64).tolist())}) + "\n")
    return path


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


def _gigabytes(battle: Battle) -> float:
    return round(float(battle.steps["memory_bytes"].max()) / 1e9, 2)


def _mean(values: Any) -> float:
    return round(float(np.mean(values)), 4)
