"""Whether the driver of the GPUs answers, and whether one is too hot or has memory errors."""

from __future__ import annotations

from collections.abc import Iterator

from realm.machine.gpus import ALARMING, of_this_machine
from realm.machine.machine import Gpu
from sentinels import vitals
from sentinels.inspector.finding import Finding, Patrolled, ok, trouble, warning


def look(patrolled: Patrolled) -> Iterator[Finding]:
    if sentence := vitals.gpus():
        yield trouble("gpus", sentence, "`nvidia-smi`")
        return
    for gpu in of_this_machine().read() or ():
        yield _gpu(gpu)


def _gpu(gpu: Gpu) -> Finding:
    what = f"gpu {gpu.index}"
    heat = "unknown" if gpu.temperature_celsius is None else f"{gpu.temperature_celsius:.0f} °C"
    if gpu.memory_errors:
        sentence = (
            f"{gpu.name}: {gpu.memory_errors:.0f} errors of its memory could not be corrected since it was started"
        )
        return trouble(what, sentence, "`nvidia-smi -q -d ECC,ROW_REMAPPER` says where; restart the machine")
    alarming = [why for why in gpu.throttled_by or () if why in ALARMING]
    sentence = f"{gpu.name}: {', '.join([heat, *(f'slowed down: {why}' for why in alarming)])}"
    return warning(what, sentence, "look after its cooling and power") if alarming else ok(what, sentence)
