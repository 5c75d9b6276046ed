"""The release, as pyproject.toml says it."""

from __future__ import annotations

import functools
import tomllib

from realm.world import CHECKOUT


@functools.cache
def version() -> str:
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        return str(tomllib.load(file)["project"]["version"])
