"""A second machine, as far as a network knows: a namespace of its own behind a virtual cable."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HERE, THERE, ALSO_THERE = "10.213.77.1", "10.213.77.2", "10.213.77.3"
"""This machine's address on the cable, and two of the other one."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    address: str
    namespace: str = ""
    """Empty: on loopback, without the right to make a namespace."""
    cable: str = ""
    """This machine's end of it."""
    far_end: str = ""

    def command(self, *arguments: str) -> list[str]:
        return [*(["ip", "netns", "exec", self.namespace] if self.namespace else []), *arguments]

    def unplug(self) -> None:
        ip("link", "set", self.cable, "down")

    def unplug_far(self) -> None:
        """So that this machine's kernel knows nothing of it: what is sent is lost."""
        ip("-n", self.namespace, "link", "set", self.far_end, "down")

    def plug_far(self) -> None:
        ip("-n", self.namespace, "link", "set", self.far_end, "up")

    def plug(self) -> None:
        ip("link", "set", self.cable, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def other_machine() -> Iterator[Machine]:
    name = f"realm{os.getpid()}"
    inner, outer = f"rz{os.getpid()}"[:15], f"rh{os.getpid()}"[:15]
    try:
        ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        yield Machine(address="127.0.0.1")
        return
    try:
        ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        ip("addr", "add", f"{HERE}/29", "dev", outer)
        ip("link", "set", outer, "up")
        for address in (THERE, ALSO_THERE):
            ip("-n", name, "addr", "add", f"{address}/29", "dev", inner)
        for end in (inner, "lo"):
            ip("-n", name, "link", "set", end, "up")
        yield Machine(address=THERE, namespace=name, cable=outer, far_end=inner)
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("netns", "del", name)  # and with it both ends of the link
