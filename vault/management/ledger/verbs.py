"""`manage.py ledger VERB`: each verb is a module beside this one with `add`, as the actions of `manage.py vault`."""

from __future__ import annotations

from vault.management.ledger import best, delete, list, promote, protect, show

VERBS = (list, show, best, protect, promote, delete)
