"""Whose ledger it is: this machine's where the trainer works here, the trainer's over HTTP elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm.hosts import Host, get_service_url, is_trainer_local, read_hosts
from realm.standalone import ensure_django
from vault.errors import Refused
from vault.ledger.remote import RemoteLedgerClient

if TYPE_CHECKING:
    from vault.ledger.local import Ledger

_SERVICE = "ledger"


def get_ledger_client(hero: str | None = None) -> Ledger | RemoteLedgerClient:
    """The ledger of `hero`, or of the active one; the trainer's machine is that of hosts.yaml, and its token too.

    Raises strict.BadConfig, UnknownHost where no machine serves a ledger, or Refused.
    """
    if not is_trainer_local():
        return RemoteLedgerClient(get_service_url(_SERVICE), hero=hero, token=_token(read_hosts().offering(_SERVICE)))
    ensure_django()
    # Needs Django, which other machines do without.
    from vault.ledger.local import get_ledger

    return get_ledger(hero)


def _token(host: Host) -> str | None:
    try:
        return host.token_file.read_text(encoding="ascii").strip() if host.token_file else None
    except (OSError, ValueError) as error:
        raise Refused(f"{host.id}: its token cannot be read from {host.token_file}: {error}") from error
