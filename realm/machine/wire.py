"""A machine as `machine` in `/health` of another host; of what that tells only what can be a machine is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from realm.machine.machine import Gpu, Machine, Sensor

KEY = "machine"
MOST_GPUS = 64
_MOST_CORES = 1024
_MOST_SENSORS = 64
_LONGEST_TEXT = 80
_LARGEST = 1e18


def told(machine: Machine) -> dict[str, Any]:
    """For JSON."""
    return asdict(machine)


def parse(value: Any, *, now: float) -> Machine | None:
    """None for what is no machine; figures of another kind are unknown. Its time is ours: clocks differ."""
    if not isinstance(value, Mapping):
        return None
    known = {field.name: value.get(field.name) for field in fields(Machine)}
    plain = {name: _number(known[name], name) for name in known if name not in _STRUCTURED}
    return Machine(
        **(plain | {"time": now, "name": _text(known["name"]) or ""}),
        core_percents=_numbers(known["core_percents"]),
        load_average=_load(known["load_average"]),
        temperatures_celsius=_sensors(known["temperatures_celsius"]),
        fans_rpm=_sensors(known["fans_rpm"]),
        gpus=_gpus(known["gpus"]),
    )


_STRUCTURED = frozenset({"time", "name", "core_percents", "load_average", "temperatures_celsius", "fans_rpm", "gpus"})


def _gpus(value: Any) -> tuple[Gpu, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(_gpu(each, index) for index, each in enumerate(value[:MOST_GPUS]) if isinstance(each, Mapping))


def _gpu(value: Mapping[Any, Any], index: int) -> Gpu:
    known = {field.name: value.get(field.name) for field in fields(Gpu)}
    name, uuid, reasons = (known.pop(key) for key in ("name", "uuid", "throttled_by"))
    numbers = {key: _number(each, key) for key, each in known.items()}
    given = numbers.pop("index")
    return Gpu(
        name=_text(name),
        uuid=_text(uuid),
        **numbers,
        index=index if given is None else int(given),
        throttled_by=tuple(filter(None, map(_text, reasons[:16]))) if isinstance(reasons, list) else None,
    )


def _sensors(value: Any) -> tuple[Sensor, ...] | None:
    if not isinstance(value, list):
        return None
    pairs = [(_text(each.get("name")), _number(each.get("value"))) for each in value if isinstance(each, Mapping)]
    found = [Sensor(name=name, value=number) for name, number in pairs if name and number is not None]
    return tuple(found[:_MOST_SENSORS]) or None


def _numbers(value: Any) -> tuple[float | None, ...] | None:
    return tuple(_number(each) for each in value[:_MOST_CORES]) if isinstance(value, list) else None


def _load(value: Any) -> tuple[float, float, float] | None:
    numbers = _numbers(value)
    if numbers is None or len(numbers) != 3:
        return None
    first, second, third = numbers
    return None if first is None or second is None or third is None else (first, second, third)


def _number(value: Any, name: str = "") -> Any:
    """Counts stay whole numbers."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_LARGEST < value < _LARGEST:
        return None
    return int(value) if name.endswith("_bytes") or name == "cores" else float(value)


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) and value.isprintable() else None
