"""Memory that runs short in one of several ranks: each of them has to begin again, with smaller micro-batches.

The others are at work on their parts of the step, and would wait for this one for ever. So it leaves word in the
battle's folder and ends, and the group with it; the next run goes on from the newest checkpoint.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NoReturn

from arena.protocol import SHORTAGE_FILE, Order
from arena.training.ranks import Ranks
from arena.training.reporting import announcements
from arena.training.reporting.battle_log import BattleLog
from realm.disk import durable

_log = logging.getLogger(__name__)

SHORT_BESIDE_STEPS = (
    "out of memory while the hero was loaded, certified, validated or asked: lower max_length or rows_per_micro_batch, "
    "set mode lora, or free memory ({})"
)
SHORT_WITH_ONE_ROW = (
    "out of memory with a single row of up to {} tokens: lower max_length, "
    "or set gradient_checkpointing or mode lora ({})"
)


class ShortOfMemory(Exception):
    """This rank was; it has left word of it."""


def leave(order: Order, ranks: Ranks, *, rows: int, step: int, quest_step: int, said: str) -> NoReturn:
    """Raises ShortOfMemory, for which the process is to end. `rows` were computed at once, 0 outside of a step."""
    where = f"rank {ranks.index} of {ranks.count}: {said.splitlines()[0]}"
    told = {"step": step, "quest_step": quest_step, "rows": rows, "said": where}
    durable.write_json(Path(order.battle_folder) / SHORTAGE_FILE, told)
    raise ShortOfMemory(f"out of memory in {where}")


def take_up(order: Order, log: BattleLog) -> str:
    """By rank 0: what the last run left is told, and halves the micro-batch from that step on.

    Returns why it cannot be halved; empty where it was, and where nothing was left.
    """
    path = Path(order.battle_folder) / SHORTAGE_FILE
    try:
        left: dict[str, Any] = json.loads(path.read_bytes())
        rows, said = int(left["rows"]), str(left["said"])
        at = {"step": int(left["step"]), "quest_step": int(left["quest_step"])}
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError) as error:  # the quest is not to blame; who is short again says so again
        _log.warning("%s: %s", path, error)
        path.unlink()
        return ""
    if rows > 1:
        announcements.shrunk(log, **at, was=rows, rows=rows // 2, shortage=said)
    path.unlink()
    durable.sync_folder(path.parent)
    if rows > 1:
        return ""
    return SHORT_WITH_ONE_ROW.format(order.recipe.max_length, said) if rows else SHORT_BESIDE_STEPS.format(said)
