"""Figures as Prometheus knows them; one that is unknown has no sample, never a 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

Labels = tuple[str, ...]
_LONGEST_LABEL = 80


def gauge(name: str, told: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(name, told)
    if value is not None:
        family.add_metric([], float(value))
    return family


def counter(name: str, told: str, value: float | None) -> Metric:
    """`name` without the `_total` that it gets."""
    family = CounterMetricFamily(name, told)
    if value is not None:
        family.add_metric([], float(value))
    return family


def by_label(name: str, told: str, label: str, values: Mapping[str, float | None]) -> Metric:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, told, labels=[label])
    for each, value in values.items():
        if value is not None:
            family.add_metric([shortened(each)], float(value))
    return family


def counters_by_label(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, told, labels=[label])
    for each, value in values.items():
        family.add_metric([shortened(each)], float(value))
    return family


def shortened(label: str) -> str:
    return label[:_LONGEST_LABEL]


@dataclass
class Table:
    """Gauges that share their labels: a row for each thing, such as a GPU."""

    labels: Labels
    _families: dict[str, GaugeMetricFamily | CounterMetricFamily] = field(default_factory=dict)

    def declare(self, name: str, told: str, *, counts: bool = False) -> None:
        kind = CounterMetricFamily if counts else GaugeMetricFamily
        self._families[name] = kind(name, told, labels=self.labels)

    def add(self, labels: Labels, values: Mapping[str, float | None]) -> None:
        for name, value in values.items():
            if value is not None:
                self._families[name].add_metric([shortened(label) for label in labels], float(value))

    def families(self) -> Iterable[Metric]:
        return self._families.values()
