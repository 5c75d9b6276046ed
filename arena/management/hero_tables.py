"""Heroes as `manage.py hero` prints them."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from arena.roster.listing import Hero
from guild.management.tables import as_text, comparison_table
from guild.work.matches import Score


def table(found: list[Hero]) -> str:
    shown = Table("hero", "title", "level", "steps", "skills won", "checkpoints", "MB", "base model", "trained")
    for hero in found:
        mark = "* " if hero.active else "  "
        shown.add_row(
            f"{mark}{hero.name}{' (retired)' if hero.retired_at else ''}", hero.title, str(hero.level),
            f"{hero.xp:,}", _skills(hero), str(hero.checkpoints), f"{hero.size_bytes / 1e6:,.0f}",
            escape(hero.base_model), f"{hero.trained_at:%Y-%m-%d %H:%M}" if hero.trained_at else "never",
        )  # fmt: skip
    return as_text(shown)


def lines(hero: Hero) -> str:
    parent = f"step {hero.parent.step:,} of {hero.parent.hero} ({hero.parent.checkpoint})" if hero.parent else "--"
    told = {
        "hero": f"{hero.name}, {hero.title}{', fights' if hero.active else ''}{', retired' if hero.retired_at else ''}",
        "level": f"{hero.level}, {hero.xp_in_level:,} of 1,000 steps to the next one",
        "steps": f"{hero.xp:,}",
        "gold": f"{hero.gold:,} ({hero.quests_completed:,} quests completed)",
        "skills": _skills(hero),
        "battles": f"{hero.battles:,}{f'; {hero.waiting_quest} waits for it' if hero.waiting_quest else ''}",
        "checkpoints": f"{hero.checkpoints:,}, {hero.size_bytes / 1e6:,.1f} MB, newest {hero.newest or '--'}",
        "champion": hero.champion or "--",
        "base model": f"{hero.base_model}, preset {hero.preset or '--'}",
        "branched off": parent,
        "branched from it": ", ".join(hero.branched) or "--",
    }
    if hero.trouble:
        told["trouble"] = hero.trouble
    return "".join(f"{name:<17}{value}\n" for name, value in told.items())


def _skills(hero: Hero) -> str:
    return ", ".join(f"{skill} {level}" for skill, level in hero.skills.items()) or "--"


def score(found: Score | None) -> str:
    if found is None:
        return "No level was answered by both.\n"
    points = f"{found.low * 100:+.1f} to {found.high * 100:+.1f}"
    return (
        f"{comparison_table(list(found.levels), sides=(found.first, found.second))}"
        f"{found.first}: {found.first_correct} of {found.total}. {found.second}: {found.second_correct} of "
        f"{found.total}. Difference in points, 95% sure: {points}: {found.verdict}.\n"
    )
