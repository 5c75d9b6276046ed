"""W&B's offline files in OUT/wandb, which `wandb sync` sends when and where the player says; until then nothing is."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arena.bridges.battle import PROJECT, BattleRun, Point
from arena.bridges.contract import MissingTool

STEP = "hero_step"
_LONGEST_TAG = 64
"""As the package allows."""


class WeightsAndBiases:
    appends = False

    def __init__(self, out: Path) -> None:
        """Raises MissingTool."""
        os.environ["WANDB_MODE"] = "offline"
        try:
            import wandb
        except ImportError as error:
            raise MissingTool("wandb") from error
        self._package: Any = wandb
        self._out = out

    def writer(self, run: BattleRun) -> OfflineRun:
        return OfflineRun(self._package, self._out, run)

    def close(self) -> None:
        """The package's own process writes, and goes on with it after a run is finished."""
        self._package.teardown()


class OfflineRun:
    """Of a run that is written anew the older files go: they hold steps that may have been undone since."""

    def __init__(self, package: Any, out: Path, run: BattleRun) -> None:
        self._package, self._out, self._battle = package, out, run
        self._run: Any = None

    def begin(self, *, step: int) -> None:
        assert not step, "an offline file has no way back"
        self.close()
        for folder in (self._out / "wandb").glob(f"offline-run-*-{self._battle.battle}"):
            shutil.rmtree(folder)
        self._run = self._package.init(
            project=PROJECT,
            id=self._battle.battle,
            name=self._battle.battle,
            config=dict(self._battle.config),
            tags=[tag[:_LONGEST_TAG] for tag in self._battle.tags],
            dir=str(self._out),
            mode="offline",
            settings=self._package.Settings(
                console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True
            ),
        )

        for tags in ("train/*", "val/*", "checkpoint/*"):
            self._run.define_metric(tags, step_metric=STEP)

    def write(self, points: Sequence[Point]) -> None:
        """By a step of our own: the package's may not fall, and what a checkpoint scored comes after later steps."""
        steps: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for point in points:
            steps[point.step] |= {**point.values, STEP: point.step, "time": point.time}
        for values in steps.values():
            self._run.log(values)

    def flush(self) -> None:
        """The package writes by itself."""

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None
