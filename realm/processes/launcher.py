"""Variables by which a launcher of distributed training tells a process which rank it is.

A shell of a cluster, or a run that starts the realm, has them set for something else: a trainer that
inherited them would wait for ranks that never come.
"""

from __future__ import annotations

from collections.abc import Mapping

PARENT = "REALM_LAUNCHER_PID"
"""By which a rank knows whose death is its own."""
FSDP2 = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
"""What accelerate reads its strategy from; without it, DDP."""
NAMES = frozenset(
    {"WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT", PARENT}
)
PREFIXES = ("ACCELERATE_", "FSDP_", "TORCHELASTIC_", "PARALLELISM_CONFIG_")


def without_launcher(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is alone."""
    return {name: value for name, value in environment.items() if name not in NAMES and not name.startswith(PREFIXES)}
