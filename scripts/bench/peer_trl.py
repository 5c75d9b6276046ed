"""The peer of P1: TRL's SFTTrainer on the same model, data and recipe. Prints one JSON object."""

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

from arena.training.optimizer import learning_rate
from scripts.bench.hero_throughput import RECIPE, WARMUP_STEPS


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.counts: list[tuple[int, int]] = []

    def create_scheduler(self, *args: Any, **kwargs: Any) -> Any:
        """Our schedule: TRL's own begins with a step at learning rate 0."""
        optimizer = kwargs.get("optimizer") or self.optimizer
        share = [learning_rate(RECIPE, step + 1) / RECIPE.learning_rate for step in range(RECIPE.warmup_steps)]
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
    base, quest = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [json.loads(line) for line in Path(quest).read_text(encoding="utf-8").splitlines()]
    data = Dataset.from_list([{"messages": row["messages"]} for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            packing=True,
            packing_strategy="bfd",
            max_length=RECIPE.max_length,
            assistant_only_loss=True,
            per_device_train_batch_size=RECIPE.rows_per_step,
            gradient_checkpointing=False,
            num_train_epochs=1,
            learning_rate=RECIPE.learning_rate,
            weight_decay=RECIPE.weight_decay,
            adam_beta1=RECIPE.beta1,
            adam_beta2=RECIPE.beta2,
            max_grad_norm=RECIPE.clip_norm,
            optim="adamw_torch_fused",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            seed=RECIPE.seed,
        )
        watch = Watch()
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        trainer = Counted(model, settings, train_dataset=data, processing_class=tokenizer, callbacks=[watch])
        trainer.train()
    seconds = watch.times[-1] - watch.times[WARMUP_STEPS - 1]
    counted = trainer.counts[WARMUP_STEPS:]
    print(
        json.dumps(
            {
                "rate": sum(trained for trained, _ in counted) / seconds,
                "all_rate": sum(tokens for _, tokens in counted) / seconds,
                "first_loss": sum(watch.losses[:WARMUP_STEPS]) / WARMUP_STEPS,
                "final_loss": sum(watch.losses[-WARMUP_STEPS:]) / WARMUP_STEPS,
                "steps": len(watch.times),
            }
        )
    )


if __name__ == "__main__":
    main()
