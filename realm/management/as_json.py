"""`--json` of the commands that list or show something: one document on stdout, for programs."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import OutputWrapper
from django.db.models import Model


def add_json(parser: ArgumentParser, *, goes_with: str = "") -> None:
    """`goes_with`: the option that shows something, where others of the command do something."""
    parser.add_argument(
        "--json", action="store_true", help=f"one JSON document, for programs{goes_with and f'; with {goes_with}'}"
    )


def write_json(stdout: OutputWrapper, value: Any) -> None:
    """Lists become arrays, dataclasses and models objects by their fields' names; times are ISO 8601, NaN is null."""
    stdout.write(json.dumps(plain(value), indent=2))


def plain(value: Any) -> Any:
    """The value as JSON has it. Raises TypeError."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path | UUID):
        return str(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Model):
        return {field.attname: plain(getattr(value, field.attname)) for field in value._meta.concrete_fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")
