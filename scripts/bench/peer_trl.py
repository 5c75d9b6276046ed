"""The peer: TRL's SFTTrainer on the same model, data and recipe. Prints one JSON object.

The third argument is a JSON object of settings: `recipe` (keys of ours), `device`, `dtype`, `checkpointing`, `packing`,
`attention`, `save_every`, `own` (TRL's own defaults where ours would stand).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from arena.recipe import Recipe
from arena.training.optimizer import learning_rate
from scripts.bench.runs import WARMUP_STEPS, stalls_ms


class Watch(TrainerCallback):
    """Time at the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.times.append(time.perf_counter())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


class Counted(SFTTrainer):
    """Counts tokens where they enter the step; counting costs it a few microseconds."""

    def __init__(self, recipe: Recipe, *args: Any, **kwargs: Any) -> None:
        self.recipe = recipe
        super().__init__(*args, **kwargs)
        self.counts: list[tuple[int, int]] = []

    def create_scheduler(self, *args: Any, **kwargs: Any) -> Any:
        """Our schedule: TRL's own begins with a step at learning rate 0."""
        optimizer, recipe = kwargs.get("optimizer") or self.optimizer, self.recipe
        share = [learning_rate(recipe, step + 1) / recipe.learning_rate for step in range(recipe.warmup_steps)]
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: share[step] if step < len(share) else 1.0
        )
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        labels = inputs["labels"]
        self.counts.append((int((labels != -100).sum()), labels.numel()))
        step: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        return step


def main() -> None:
    base, quest, said = sys.argv[1:]
    asked = json.loads(said)
    recipe = Recipe(**asked.get("recipe", {}))
    device, dtype = asked.get("device", "cpu"), asked.get("dtype", "float32")
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [json.loads(line) for line in Path(quest).read_text(encoding="utf-8").splitlines()]
    chat = "messages" in rows[0]
    data = Dataset.from_list([{key: row[key] for key in ("messages", "text") if key in row} for row in rows])
    save_every = asked.get("save_every", 0)
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            use_cpu=device == "cpu",
            bf16=dtype == "bfloat16",
            packing=True,
            packing_strategy="bfd",
            max_length=recipe.max_length,
            assistant_only_loss=chat,
            per_device_train_batch_size=recipe.rows_per_micro_batch,
            gradient_accumulation_steps=recipe.rows_per_step // recipe.rows_per_micro_batch,
            gradient_checkpointing=bool(asked.get("checkpointing", False)),
            num_train_epochs=1,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            adam_beta1=recipe.beta1,
            adam_beta2=recipe.beta2,
            max_grad_norm=recipe.clip_norm,
            optim="adamw_torch_fused",
            logging_steps=1,
            save_strategy="steps" if save_every else "no",
            save_steps=save_every or 500,
            save_total_limit=2,
            report_to=[],
            seed=recipe.seed,
        )
        watch, options = Watch(), {"attn_implementation": asked["attention"]} if asked.get("attention") else {}
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **options)
        trainer = Counted(recipe, model, settings, train_dataset=data, processing_class=tokenizer, callbacks=[watch])
        trainer.train()
    print(json.dumps(_told(watch, trainer.counts, device, save_every)))


def _told(watch: Watch, counts: list[tuple[int, int]], device: str, save_every: int) -> dict[str, Any]:
    micro_batches = len(counts) // len(watch.times)
    counted = counts[WARMUP_STEPS * micro_batches :]
    seconds = watch.times[-1] - watch.times[WARMUP_STEPS - 1]
    told: dict[str, Any] = {
        "rate": sum(trained for trained, _ in counted) / seconds,
        "all_rate": sum(tokens for _, tokens in counted) / seconds,
        "first_loss": sum(watch.losses[:WARMUP_STEPS]) / WARMUP_STEPS,
        "final_loss": sum(watch.losses[-WARMUP_STEPS:]) / WARMUP_STEPS,
        "steps": len(watch.times),
        "memory_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
    }
    if save_every:
        told["stalls_ms"] = stalls_ms(watch.times, list(range(save_every, len(watch.times), save_every)))
    return told


if __name__ == "__main__":
    main()
