"""Whether the trainers of all skills give problems. Remote ones are asked, unless they failed a short while ago."""

from __future__ import annotations

from collections.abc import Iterator

from guild.skills import check as skill_check
from guild.skills import health
from sentinels.inspector.finding import Finding, Patrolled, ok, warning


def look(patrolled: Patrolled) -> Iterator[Finding]:
    for skill, why in sorted(skill_check.check_remote(patrolled.world).items()):
        if why is None:
            yield ok(f"trainer {skill}", "it gives problems and judges them")
    for skill, entry in sorted(health.down(patrolled.world).items()):
        yield warning(f"trainer {skill}", entry.reason, f"`manage.py skill check {skill}` tries it again")
