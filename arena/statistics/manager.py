"""The statistics of a battle under the names that one would look for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from arena.statistics import curves, exporting, picture
from arena.statistics.anomalies import Anomaly
from arena.statistics.battle import BattleStatistics, document, of_source
from arena.statistics.source import Source


class StatisticsManager:
    """Of one battle, as its files were when they were first asked; `refresh` reads them again."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the battle's, `battles/<id>` of its world."""
        self.folder = folder

    def refresh(self) -> None:
        for name in ("_source", "statistics"):
            self.__dict__.pop(name, None)

    @cached_property
    def _source(self) -> Source:
        return Source.open(self.folder)

    @cached_property
    def statistics(self) -> BattleStatistics:
        """All of them, as a dataclass. Raises NoBattle, as every other method."""
        return of_source(self._source)

    def get_statistics(self) -> dict[str, Any]:
        """All of them as JSON has them."""
        return document(self.statistics)

    def get_convergence_metrics(self) -> dict[str, Any]:
        """`loss_avg`, `loss_variance`, `stagnation_detected`, … and `update_coverage`."""
        told = self.get_statistics()
        return {**told["convergence"], "update_coverage": told["update_coverage"]}

    def get_memory_report(self) -> dict[str, Any]:
        """Megabytes by component, measured beside estimated."""
        return document(self.statistics.memory)

    def get_eta(self) -> float | None:
        """Seconds that are left at the speed of the last minute."""
        return self.statistics.eta_seconds

    def get_error_summary(self) -> dict[str, Any]:
        return document(self.statistics.errors)

    def detect_anomalies(self) -> list[Anomaly]:
        return list(self.statistics.anomalies)

    def export_json(self, path: Path) -> None:
        """Write statistics and curves, every step, as one document."""
        exporting.write(path, curves.as_json(self._source, statistics=self.get_statistics()))

    def export_csv(self, path: Path) -> None:
        """Write the curves, a line a step."""
        exporting.write(path, curves.as_csv(self._source))

    def export_png(self, path: Path) -> None:
        """Write the curves as a picture."""
        exporting.write(path, [picture.as_png(self._source)])
