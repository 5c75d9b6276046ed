"""What the pages alone can count: questions to the oracle."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from realm.world import World
from tavern.models import Question
from watchtower.achievements import evaluation
from watchtower.achievements.catalogue import BY_KEY
from watchtower.achievements.evaluation import Standing
from watchtower.achievements.record import Proof, read

log = logging.getLogger(__name__)

ORACLES_FRIEND = "oracles_friend"


def note_questions(world: World, hero: str) -> None:
    """Unlock what the questions have earned. What goes wrong is logged: no answer is lost for it."""
    goal = int(BY_KEY[ORACLES_FRIEND].goal)
    try:
        if ORACLES_FRIEND in read(world, hero):
            return
        asked = Question.objects.order_by("asked_at", "pk")[goal - 1 : goal].first()
        if asked:
            proof = Proof(at=asked.asked_at.timestamp(), said=f"Question {goal}: {asked.text[:200]}")
            evaluation.reached(world, hero, ORACLES_FRIEND, value=goal, proof=proof)
    except (OSError, DatabaseError) as error:
        log.error("no achievement is noted: %s", error)


def standings(world: World, hero: str) -> list[Standing]:
    """Of all achievements of the hero, in the catalogue's order."""
    note_questions(world, hero)
    return evaluation.standings(world, hero, counted={ORACLES_FRIEND: float(Question.objects.count())})
