"""Which achievements there are: what each asks for, in words and as a number to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Achievement:
    key: str
    title: str
    requirement: str
    icon: str
    """Of the game's glyphs."""
    goal: float = 1
    unit: str = ""
    """Of what is counted; empty where it either happened or did not."""
    secret: bool = False
    """What it asks for is told once it is reached."""


def _one(key: str, title: str, requirement: str, icon: str, goal: float = 1, unit: str = "") -> Achievement:
    return Achievement(key=key, title=title, requirement=requirement, icon=icon, goal=goal, unit=unit)


ACHIEVEMENTS = (
    _one("first_blood", "First Blood", "Train the first step", "crossed-swords", 1, "steps"),
    _one("squire", "Squire", "Reach level 1", "visored-helm", 1000, "XP"),
    _one("knight", "Knight", "Reach level 5", "barbute", 5000, "XP"),
    _one("paladin", "Paladin", "Reach level 10", "checked-shield", 10_000, "XP"),
    _one("legend", "Legend", "Reach level 50", "castle", 50_000, "XP"),
    _one("marathon", "Marathon", "Train 10,000 steps in one quest", "stone-tower", 10_000, "steps"),
    _one("night_watch", "Night Watch", "Train between midnight and 05:00", "night-sleep"),
    _one("sharpened", "Sharpened", "Bring ATK to 50", "broadsword", 50, "ATK"),
    _one("razor", "Razor", "Bring ATK to 100", "sword-clash", 100, "ATK"),
    _one("bulwark", "Bulwark", "Bring DEF to 50", "rock-golem", 50, "DEF"),
    _one("sharpshooter", "Sharpshooter", "Bring ACC to 80%", "bullseye", 80, "% ACC"),
    _one("flawless_eval", "Flawless Eval", "Answer all of a set of 20 or more right", "star-swirl", 100, "% right"),
    _one("champion", "Champion", "Crown the first new champion", "laurel-crown"),
    _one("dynasty", "Dynasty", "Crown 5 champions", "crown", 5, "champions"),
    _one("hoarder", "Hoarder", "Save 10 checkpoints", "locked-chest", 10, "checkpoints"),
    _one("tidy_vault", "Tidy Vault", "Delete 5 checkpoints by your own word", "chest", 5, "deleted"),
    _one("exorcist", "Exorcist", "Save a checkpoint after a loss that was NaN", "cursed-star"),
    _one("phoenix", "Phoenix", "Go on after the trainer died", "heart-plus"),
    _one("patient", "Patient", "Complete a quest of more than 6 hours", "hourglass", 6, "hours"),
    _one("sprinter", "Sprinter", "Complete a quest in less than 5 minutes", "lightning-storm"),
    _one("rich", "Rich", "Hold 1,000 gold", "two-coins", 1000, "gold"),
    _one("oracles_friend", "Oracle's Friend", "Ask the oracle 50 questions", "crystal-ball", 50, "questions"),
    _one("scholar", "Scholar", "Complete quests of 5 data sets of your own", "spell-book", 5, "data sets"),
    _one("quartermaster", "Quartermaster", "Fight a battle whose memory was foreseen within 5%", "microchip"),
    _one("early_bird", "Early Bird", "Let the Task Master forge or spar by itself", "calendar"),
    Achievement(
        key="nothing_happened",
        title="Nothing Happened",
        requirement="Come back after an hour in which nothing changed",
        icon="bed",
        secret=True,
    ),
    _one("tinkerer", "Tinkerer", "Train with 3 learning rates", "gears", 3, "rates"),
    _one("minimalist", "Minimalist", "Beat the champion with a LoRA of rank 4 or less", "magic-swirl"),
    _one("graduate", "Graduate", "Win a level of a skill", "trophy-cup"),
    _one("comeback", "Comeback", "Win back a level that was lost", "upgrade"),
    _one("centurion", "Centurion", "Complete 100 quests", "knight-banner", 100, "quests"),
)
BY_KEY = {one.key: one for one in ACHIEVEMENTS}
NUMBERS = {one.key: number for number, one in enumerate(ACHIEVEMENTS, start=1)}
"""Of their chronicle entries, so that one is told once; a new achievement is added at the end."""
