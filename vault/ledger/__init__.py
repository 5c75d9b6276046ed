"""The hero's checkpoints as other code reads them: `get_ledger().get_best().canonical_name`.

Names are imported when they are asked for: a machine that only asks another one's ledger needs no Django.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from realm.standalone import ensure_django

if TYPE_CHECKING:
    from vault.ledger.client import get_ledger_client
    from vault.ledger.entries import LedgerEntry, extract_step
    from vault.ledger.local import Ledger, get_ledger
    from vault.ledger.recording import record_checkpoint
    from vault.ledger.remote import RemoteLedgerClient

_HOMES = {
    "LedgerEntry": "vault.ledger.entries",
    "RemoteLedgerClient": "vault.ledger.remote",
    "extract_step": "vault.ledger.entries",
    "get_ledger_client": "vault.ledger.client",
}
_HOMES_WITH_ROWS = {
    "Ledger": "vault.ledger.local",
    "get_ledger": "vault.ledger.local",
    "record_checkpoint": "vault.ledger.recording",
}
__all__ = [
    "Ledger",
    "LedgerEntry",
    "RemoteLedgerClient",
    "extract_step",
    "get_ledger",
    "get_ledger_client",
    "record_checkpoint",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES_WITH_ROWS:
        ensure_django()
    elif name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module((_HOMES | _HOMES_WITH_ROWS)[name]), name)
