"""The skills of the realm, as others ask for them."""

from guild.skills.registry import get_skill, get_trainer, list_skills

__all__ = ["get_skill", "get_trainer", "list_skills"]
