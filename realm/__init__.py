"""Project package: settings, world paths, durable writes, the guard. Importing it imports nothing else.

`from realm import Realm` is the whole realm for a script or a notebook; see realm.facade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realm.facade import Realm

__all__ = ["Realm"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from realm.facade import Realm  # only here: every process imports this package

    return Realm
