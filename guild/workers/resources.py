"""What a worker offers of its machine, and the queue of each: `gpu0` of the host `box` is the queue `gpu:box:0`.

A queue's name is the lock of all its jobs, too: one at a time, whoever serves it.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Literal, Self

from guild.errors import GuildError
from realm import strict

Kind = Literal["gpu", "cpu"]
KINDS: tuple[Kind, ...] = ("gpu", "cpu")
ALLOWED = "allowed are cpu, gpu0, gpu1, …"
_RESOURCE = re.compile(r"(cpu)|gpu([0-9]{1,2})", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, order=True)
class Resource:
    kind: Kind
    number: int = 0
    """Of the GPU, as the driver counts them."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises GuildError."""
        found = _RESOURCE.fullmatch(text)
        if found is None:
            raise GuildError(f"{strict.shown(text)} is no resource of a worker; {ALLOWED}")
        return cls("cpu") if found[1] else cls("gpu", int(found[2]))

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"gpu{self.number}"

    def queue(self, host: str) -> str:
        return f"cpu:{host}" if self.kind == "cpu" else f"gpu:{host}:{self.number}"


def host_name(wished: str | None) -> str:
    """The host's name in queues: the wished one, or this machine's own. Raises GuildError."""
    name = wished or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().partition(".")[0]).lstrip("_-")[:40]
    if not _HOST.fullmatch(name):
        raise GuildError(f"{strict.shown(name)} is no name for a host; allowed are 40 letters, digits, '-' and '_'")
    return name
