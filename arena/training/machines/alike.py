"""What two machines must have alike before they train one hero together: the same code and the same libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from realm.world import CHECKOUT

_ROOMS = ("realm", "arena")
"""What a trainer is made of."""


def own() -> dict[str, str]:
    """Of this machine, by name."""
    from arena.training.saving.checkpoint import versions  # torch takes seconds

    packages = versions()
    del packages["python"]  # its releases compute alike
    return packages | {"code of the realm": _code_digest()[:12]}


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """In words; empty where there is none."""
    names = [name for name in ours if ours[name] != theirs.get(name)]
    return ", ".join(f"{name} is {theirs.get(name, 'missing')} there and {ours[name]} here" for name in names)


def _code_digest() -> str:
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            digest.update(f"{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
