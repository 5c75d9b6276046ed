"""All figures of one scrape. Each part stands for itself: what one cannot tell, the others do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from realm.config import RealmConfig
from realm.version import version
from realm.world import World
from watchtower.prometheus import of_database, of_files, of_machines
from watchtower.prometheus.families import by_label, gauge

log = logging.getLogger(__name__)

PARTS: dict[str, Callable[[World, RealmConfig], Iterable[Metric]]] = {
    "training": of_files.training,
    "services": of_files.services,
    "machines": of_machines.figures,
    "database": of_database.figures,
}


class RealmCollector(Collector):
    def __init__(self, world: World, config: RealmConfig) -> None:
        self._world, self._config = world, config

    def collect(self) -> Iterator[Metric]:
        began = time.perf_counter()
        told: dict[str, float | None] = {}
        yield InfoMetricFamily("realm_build", "Release of the realm.", value={"version": version()})
        for name, part in PARTS.items():
            families = self._of(name, part)
            told[name] = float(families is not None)
            yield from families or ()
        yield by_label("realm_scrape_part_up", "1 where this part of the figures could be read.", "part", told)
        yield gauge("realm_scrape_seconds", "How long reading all figures took.", time.perf_counter() - began)

    def _of(self, name: str, part: Callable[[World, RealmConfig], Iterable[Metric]]) -> list[Metric] | None:
        """None where it cannot be read: a scrape tells what is known and never fails as a whole."""
        try:
            return list(part(self._world, self._config))
        except Exception as error:
            log.warning("/metrics without its part %s: %s: %s", name, type(error).__name__, error)
            return None
