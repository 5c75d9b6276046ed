"""When a changed setting holds: who reads it, and when."""

from __future__ import annotations

AT_ONCE = "at once"
SWITCHED = "within seconds, once the battle under way is saved"
NEXT_BATTLE = "with the next battle"
NEXT_FILE = "for the next file that the gatekeepers look at"
NEXT_QUEST = "with the next forged quest"
ALL = "after a restart: scripts/stop_all.sh, then scripts/start_all.sh"
_RESTARTED = {
    "oracle_memory_gb": "oracle", "keep_forged_quests": "arena", "keep_checkpoints": "arena",
    "checkpoint_budget_gb": "arena", "sparring_quotes_mistakes": "tavern", "copies": "vault", "archivist": "vault",
    "price_per_kwh": "tavern",
}  # fmt: skip
"""The service that keeps to what it began with."""
_READ_ANEW = {
    "hero": SWITCHED, "show_all_places": AT_ONCE,
    "autoplay": AT_ONCE, "champion_metric": AT_ONCE, "notices": AT_ONCE, "tasks": AT_ONCE, "curriculum": NEXT_QUEST,
    "training": NEXT_BATTLE, "preset": NEXT_BATTLE, "base_model": NEXT_BATTLE, "memory_budget_gb": NEXT_BATTLE,
    "treasury": NEXT_BATTLE, "gatekeeper": NEXT_FILE,
}  # fmt: skip


def of(path: tuple[str, ...]) -> str:
    name = path[0]
    if name in _READ_ANEW:
        return _READ_ANEW[name]
    if name in _RESTARTED:
        return f"after `manage.py weave --restart {_RESTARTED[name]}`"
    return ALL
