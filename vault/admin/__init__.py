"""The vault's tables in Django's admin, in the order of the index page. Rows are indexes, so they are read there; what
changes something is an action that asks first and calls the function that pages and commands call.
"""

from vault.admin import checkpoints, ledger, assets, locations, zones, transfers, history, tokens  # isort: skip

__all__ = ["assets", "checkpoints", "history", "ledger", "locations", "tokens", "transfers", "zones"]
