"""A log record as one line of JSON: `time`, `level`, `event`, `message`, `logger`, `process`, fields, `exception`."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import LogData, merge_record_extra
from pythonjsonlogger.json import JsonFormatter

from realm.logs.bounded import bounded, harmless, text

LARGEST_LINE = 64 * 1024
_LONGEST_TRACE = 8000


class JsonLines(JsonFormatter):
    """What is given as `extra` stands beside the record's own fields; `extra={"event": …}` names what happened.

    Without it the event is named by module and function.
    """

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: LogData) -> None:
        extra: dict[str, Any] = merge_record_extra(record, {}, reserved=self.reserved_attrs)
        log_data |= {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": extra.pop("event", "") or f"{record.module}.{record.funcName}",
            "message": record.message,
            "logger": record.name,
            "process": record.process,
        }
        if record.exc_info and record.exc_info[1]:
            log_data["exception"] = _exception(record.exc_info[1])
        if record.stack_info:
            log_data["stack"] = record.stack_info
        log_data |= {name: value for name, value in extra.items() if name not in log_data}

    def jsonify_log_record(self, log_data: LogData) -> str:
        line = json.dumps(bounded(log_data), ensure_ascii=False)
        if len(line) <= LARGEST_LINE:
            return line
        kept = {name: log_data[name] for name in ("time", "level", "event", "message", "logger", "process")}
        return json.dumps(bounded(kept) | {"cut": len(line)}, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """For a console, which nothing that is logged may drive."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


def _exception(error: BaseException) -> dict[str, Any]:
    """Of a long trace the end, where it was raised."""
    trace = "".join(traceback.format_exception(error, chain=True))
    return {
        "type": type(error).__name__,
        "message": str(error),
        "trace": [text(line) for line in trace[-_LONGEST_TRACE:].splitlines()],
    }
