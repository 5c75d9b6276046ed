"""What a player may set of snapshots: the keys under `archivist` in the settings. No Django."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from realm import strict
from realm.strict import Range
from vault.errors import Refused

Count = Annotated[int, Range(0, 1000)]
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Rules:
    engine: Literal["folder", "restic", "borg"] = "folder"
    """Whether a snapshot is also handed to a program that keeps it elsewhere."""
    repository: str = ""
    """As restic or borg write it, such as `sftp:me@nas:/backups/realm`."""
    password_file: str = ""
    """Whole path of the file that holds the repository's password; restic needs one."""
    environment: dict[str, str] = field(default_factory=dict)
    """More variables for that program, such as AWS_PROFILE."""
    timeout_seconds: Annotated[float, Range(1, 7 * 24 * 3600)] = 6 * 3600.0
    """A run of that program that takes longer is ended."""
    keep_daily: Count = 7
    """The newest of each of so many days."""
    keep_weekly: Count = 4
    """The newest of each week before those."""
    keep_risky: Count = 10
    """Those taken before something risky. What the player took stays until it is deleted by hand."""
    floor_gb: float = 1.0
    """GB (10^9 bytes) to leave free: no snapshot is begun that would take them, and the oldest daily ones make room."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if not 0 <= self.floor_gb < math.inf:
            raise ValueError(f"floor_gb: {self.floor_gb} is no size; allowed is 0 or more")
        if self.repository.startswith("-"):
            raise ValueError(f"repository: {strict.shown(self.repository)} is an option, not a place")
        if self.password_file and not Path(self.password_file).is_absolute():
            raise ValueError(f"password_file: {strict.shown(self.password_file)} is relative; write its whole path")
        for name in self.environment:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"environment: {strict.shown(name)} is no variable's name")

    @property
    def floor_bytes(self) -> int:
        return int(self.floor_gb * 1e9)


def read_rules(settings: Mapping[str, Any], *, source: str = "archivist") -> Rules:
    """Raises Refused for rules that cannot be, each alone or together."""
    try:
        rules = strict.read(Rules, settings, source=source)
    except strict.BadConfig as error:
        raise Refused(str(error)) from error
    if rules.engine != "folder" and not rules.repository:
        raise Refused(f"{source}: repository: is missing; {rules.engine} keeps snapshots there")
    if rules.engine == "restic" and not rules.password_file:
        raise Refused(f"{source}: password_file: is missing; restic encrypts with what it holds")
    return rules
