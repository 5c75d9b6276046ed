"""The locks, read: which packages at which versions, with which hashes and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parent.parent
RUNTIME, TORCH = "requirements.lock", "requirements-torch.lock"
LOCKS = (RUNTIME, TORCH, "requirements-test.lock", "requirements-release.lock")


@dataclass(frozen=True, kw_only=True)
class Pin:
    lock: str
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As packaging.utils.canonicalize_name gives it."""
        return self.requirement.name

    @property
    def version(self) -> str:
        return next(iter(self.requirement.specifier)).version


def pins(*locks: str) -> Iterator[Pin]:
    """Of these locks, or of all."""
    for lock in locks or LOCKS:
        for line in (CHECKOUT / lock).read_text().replace("\\\n", " ").splitlines():
            if line and not line.startswith(("#", "-r ")):
                pin, *hashes = line.split(" --hash=")
                yield Pin(lock=lock, requirement=Requirement(pin), hashes=tuple(each.strip() for each in hashes))
