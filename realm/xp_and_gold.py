"""What the hero earns: a point of experience (XP) a training step, a level per thousand, gold per completed quest."""

XP_PER_LEVEL = 1000
GOLD_PER_QUEST = 100


def level_at(xp: int) -> int:
    """The hero's level after so many training steps."""
    return xp // XP_PER_LEVEL
