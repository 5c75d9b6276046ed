"""What the hero earns: a point of experience (XP) a training step, a level per thousand, gold per completed quest."""

XP_PER_LEVEL = 1000
GOLD_PER_QUEST = 100


def level_at(xp: int) -> int:
    """The hero's level after so many training steps."""
    return xp // XP_PER_LEVEL


TITLES = ((50, "Legend"), (10, "Paladin"), (5, "Knight"), (1, "Squire"), (0, "Recruit"))
"""From which level on a hero bears which title, the highest first."""


def title_at(level: int) -> str:
    return next(title for least, title in TITLES if level >= least)
