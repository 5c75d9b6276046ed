"""The secret achievement of coming back to nothing."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from realm.world import World
from tavern import formatting
from tavern.away.report import Report
from watchtower.achievements import evaluation
from watchtower.achievements.record import Proof

log = logging.getLogger(__name__)

LEAST_SECONDS = 3600.0


def note_uneventful(world: World, hero: str, found: Report) -> None:
    """Unlock it after an hour without a change. What goes wrong is logged: the report comes nevertheless."""
    if found.seconds < LEAST_SECONDS or found.happened:
        return
    said = f"Nothing happened for {formatting.duration(found.seconds)}"
    proof = Proof(at=found.until.timestamp(), said=said)
    try:
        evaluation.reached(world, hero, "nothing_happened", value=1, proof=proof)
    except (OSError, DatabaseError) as error:
        log.error("no achievement is noted: %s", error)
