"""A hero small enough for tests: the embedded one's tokenizer and shape, with fewer and narrower layers."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from arena import embedded
from arena.protocol import Order, ValidationSet
from arena.recipe import Recipe
from realm.checkpoints import sidecar

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "initializer_range": 0.1,
}
RECIPE = Recipe(
    max_length=64, rows_per_step=4, rows_per_micro_batch=2, save_every=5, threads=1, warmup_steps=3, learning_rate=0.01
)


def make_base(folder: Path, **overrides: Any) -> Path:
    """A saved model folder as transformers loads it."""
    config = json.loads((embedded.SOURCE / "config.json").read_bytes()) | SHAPE | overrides
    folder.mkdir(parents=True)
    for path in embedded.SOURCE.iterdir():
        shutil.copyfile(path, folder / path.name)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(embedded.weights(config, seed=7), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_quest(path: Path, rows: int, *, seed: int = 0) -> Path:
    """Sums of two numbers in words that differ in length, so that packing has something to do."""
    source = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(rows):
            a, b = source.randrange(10 ** source.randint(1, 6)), source.randrange(1000)
            messages = [{"role": "user", "content": f"{a}+{b}"}, {"role": "assistant", "content": str(a + b)}]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def validation(folder: Path, rows: int, *, seed: int = 5, name: str = "sum/1") -> tuple[ValidationSet, ...]:
    """One set of that name, in a file of its own."""
    path = write_quest(folder / f"{name.replace('/', '-')}.validation.jsonl", rows, seed=seed)
    return (ValidationSet(name=name, path=str(path)),)


def row_of(order: Order, line: int) -> Any:
    """The row of the order's quest file in that line, counted from 1."""
    return json.loads(Path(order.quest_file).read_bytes().splitlines()[line - 1])


def make_order(folder: Path, *, rows: int = 80, recipe: Recipe = RECIPE, **overrides: Any) -> Order:
    """An order for a fresh tiny hero in `folder`, written to its battle folder."""
    base = folder / "base"
    if not base.exists():
        make_base(base)
    quest = write_quest(folder / "quest.jsonl", rows)
    battle = folder / "battle"
    battle.mkdir()
    fields: dict[str, Any] = {
        "battle": "battle",
        "battle_folder": str(battle),
        "quest": "quest",
        "quest_file": str(quest),
        "quest_sha256": sidecar.digest(quest),
        "hero": "DIO",
        "hero_folder": str(folder / "hero"),
        "base_model": str(base),
        "recipe": recipe,
    }
    order = Order(**(fields | overrides))
    order.write()
    return order
