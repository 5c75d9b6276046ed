"""Whose a row is that a worker works on: a job of the queue, and how often it was begun before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from django.db.models import Q


class ClaimLost(Exception):
    """The job was given to another worker meanwhile, or is over; what this one found out counts no longer."""


@dataclass(frozen=True)
class Claim:
    job: int
    attempt: int
    """0 at first. A worker that was taken for dead and lives has an older one than who has its job now."""

    @classmethod
    def read(cls, text: str) -> Self:
        """What `str` wrote. Raises ValueError."""
        job, attempt = text.split(".")
        return cls(int(job), int(attempt))

    def __str__(self) -> str:
        return f"{self.job}.{self.attempt}"

    def mine_by_now(self, *, working: str) -> Q:
        """Rows in the state `working` that an earlier attempt of the same job left."""
        return Q(state=working, claim__startswith=f"{self.job}.")
