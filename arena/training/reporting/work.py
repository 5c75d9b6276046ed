"""What the steps between two checkpoints took of this process: measured on the host, without asking the device."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

DATA, FORWARD_BACKWARD, UPDATE = "data_seconds", "forward_backward_seconds", "update_seconds"


class WorkMeter:
    """Marks set within each step; on CUDA the host only hands work over, and what it measures of that says nothing."""

    def __init__(self, device: torch.device) -> None:
        self._kinds = (DATA,) if device.type == "cuda" else (DATA, FORWARD_BACKWARD, UPDATE)
        self._marks: list[float] = []
        self._forget()

    def begin_step(self) -> None:
        self._marks = [time.perf_counter()]

    def mark(self) -> None:
        """The rows are together; later: the gradients are there."""
        self._marks.append(time.perf_counter())

    def marking(self, action: Callable[[], None]) -> Callable[[], None]:
        """`action`, which is done when the gradients are there."""

        def marked() -> None:
            self.mark()
            action()

        return marked

    def end_step(self) -> None:
        self.mark()
        self._steps += 1
        for kind, begun, ended in zip(self._kinds, self._marks, self._marks[1:], strict=False):
            self._seconds[kind] += ended - begun

    def take(self) -> dict[str, float]:
        """Sums since the last call: steps, their seconds by kind, CPU and wall time of the process."""
        now, cpu = time.perf_counter(), time.process_time()
        told = {"steps": self._steps, **self._seconds, "cpu_seconds": cpu - self._cpu, "wall_seconds": now - self._wall}
        self._forget()
        return {name: round(value, 4) for name, value in told.items()}

    def _forget(self) -> None:
        self._steps = 0
        self._seconds = dict.fromkeys(self._kinds, 0.0)
        self._wall, self._cpu = time.perf_counter(), time.process_time()
