"""TensorBoard's event files: a folder a battle, read by `tensorboard --logdir OUT`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arena.bridges.battle import BattleRun, Point
from arena.bridges.contract import MissingTool


class TensorBoard:
    appends = True

    def __init__(self, out: Path) -> None:
        """Raises MissingTool."""
        try:
            from tensorboard.compat.proto import event_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise MissingTool("tensorboard") from error
        self._out = out
        self.event: Any = event_pb2
        self._files: Any = EventFileWriter

    def writer(self, run: BattleRun) -> EventFile:
        return EventFile(self.event, self._files(str(self._out / run.battle)), run)

    def close(self) -> None: ...


class EventFile:
    def __init__(self, proto: Any, file: Any, run: BattleRun) -> None:
        self._proto, self._file, self._run = proto, file, run

    def begin(self, *, step: int) -> None:
        """A start of the session at a step makes TensorBoard drop what earlier files have from that step on."""
        log = self._proto.SessionLog(status=self._proto.SessionLog.START)
        self._file.add_event(self._proto.Event(step=step + 1, session_log=log))
        if not step:
            self._configuration()

    def write(self, points: Sequence[Point]) -> None:
        for point in points:
            event = self._proto.Event(step=point.step, wall_time=point.time)
            for tag, value in point.values.items():
                event.summary.value.add(tag=tag, simple_value=value)
            self._file.add_event(event)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _configuration(self) -> None:
        """The recipe as a text, and as hyperparameters to compare battles by."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.plugins.text.metadata import create_summary_metadata

        shown = {
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in self._run.config.items()
            if value is not None
        }
        event = self._proto.Event(summary=hparams_pb(shown, trial_id=self._run.battle))
        table = "".join(f"| {name} | {value} |\n" for name, value in shown.items())
        text = event.summary.value.add(
            tag="recipe", metadata=create_summary_metadata(display_name="recipe", description="")
        )
        text.tensor.dtype = 7  # DT_STRING
        text.tensor.string_val.append(f"| key | value |\n|---|---|\n{table}".encode())
        self._file.add_event(event)
