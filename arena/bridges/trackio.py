"""trackio's own database in the folder OUT, which `TRACKIO_DIR=OUT trackio show` opens; nothing is sent anywhere."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arena.bridges.battle import PROJECT, BattleRun, Point
from arena.bridges.contract import MissingTool


class Trackio:
    appends = True

    def __init__(self, out: Path) -> None:
        """The package takes its folder from the environment when it is imported. Raises MissingTool."""
        os.environ["TRACKIO_DIR"] = str(out)
        os.environ["HF_HUB_OFFLINE"] = "1"
        try:
            from trackio.sqlite_storage import SQLiteStorage
        except ImportError as error:
            raise MissingTool("trackio") from error
        self._storage: Any = SQLiteStorage

    def writer(self, run: BattleRun) -> TrackioRun:
        return TrackioRun(self._storage, run)

    def close(self) -> None: ...


class TrackioRun:
    """Written where the package's own import of other tools' files writes: without the server that `init` starts."""

    def __init__(self, storage: Any, run: BattleRun) -> None:
        self._storage, self._run = storage, run

    def begin(self, *, step: int) -> None:
        with closing(sqlite3.connect(self._storage.init_db(PROJECT), timeout=30)) as database, database:
            database.execute("DELETE FROM metrics WHERE run_id = ? AND step > ?", (self._run.battle, step))

    def write(self, points: Sequence[Point]) -> None:
        self._storage.bulk_log(
            project=PROJECT,
            run=self._run.battle,
            run_id=self._run.battle,
            metrics_list=[dict(point.values) for point in points],
            steps=[point.step for point in points],
            timestamps=[datetime.fromtimestamp(point.time, UTC).isoformat() for point in points],
            config={**self._run.config, "tags": list(self._run.tags)},
        )

    def flush(self) -> None:
        """Each write is a transaction."""

    def close(self) -> None: ...
