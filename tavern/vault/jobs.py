"""Jobs of the vault as the pages show them: what is under way, how fast, and what came of the last ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from realm.world import World
from vault.assets.ids import parse_checkpoint_id
from vault.jobs import status
from vault.jobs.queue import OPEN
from vault.models import Job

MOST_ENDED = 6
MOST_OPEN = 20
TONES = {
    Job.State.WAITING: "plain",
    Job.State.RUNNING: "sky",
    Job.State.DONE: "moss",
    Job.State.FAILED: "blood",
    Job.State.CANCELLED: "plain",
}
_WORDS = {
    Job.Kind.FETCH: "fetch",
    Job.Kind.PUSH: "copy",
    Job.Kind.PULL: "pull",
    Job.Kind.VERIFY: "verify",
    Job.Kind.EXPORT: "export",
    Job.Kind.SCAN: "look at everything anew",
    Job.Kind.SNAPSHOT: "snapshot",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    job: Job
    folder: str = ""
    """Where an export lies."""
    load: str = ""
    """Lines of Python that load it."""
    serve: str = ""
    """The line by which vLLM serves it; empty for an adapter."""

    @property
    def title(self) -> str:
        meant = parse_checkpoint_id(self.job.asset_id)
        whom = f"step {meant.step:,}" if meant else self.job.asset_id
        goal = {Job.Kind.PUSH: f" to {self.job.destination}", Job.Kind.PULL: f" from {self.job.source}"}
        return f"{_WORDS[Job.Kind(self.job.kind)]} {whom}{goal.get(Job.Kind(self.job.kind), '')}".strip()

    @property
    def tone(self) -> str:
        return TONES[Job.State(self.job.state)]

    @property
    def is_open(self) -> bool:
        return self.job.state in OPEN

    @property
    def progress(self) -> float | None:
        done, total = self.job.bytes_done, self.job.bytes_total
        return min(1.0, done / total) if total else None

    @property
    def bytes_a_second(self) -> float | None:
        begun, beat = self.job.started_at, self.job.ended_at or self.job.beat_at
        seconds = (beat - begun).total_seconds() if begun and beat else 0.0
        return self.job.bytes_done / seconds if seconds > 0 and self.job.bytes_done else None

    @property
    def seconds_left(self) -> float | None:
        rate, total = self.bytes_a_second, self.job.bytes_total
        return (total - self.job.bytes_done) / rate if rate and total and total >= self.job.bytes_done else None


def jobs_context(world: World) -> dict[str, Any]:
    standing = Job.objects.filter(state__in=OPEN).order_by("pk")
    ended = Job.objects.exclude(state__in=OPEN).order_by("-ended_at", "-pk")[:MOST_ENDED]
    cards = [_card(job) for job in [*standing[:MOST_OPEN], *ended]]
    return {"jobs": cards, "jobs_open": standing.count(), "vault_alive": status.is_served(world)}


def _card(job: Job) -> Card:
    if job.kind != Job.Kind.EXPORT or job.state != Job.State.DONE:
        return Card(job=job)
    said = {key: str(value) for key, value in job.result.items()}
    folder = said.get("path", "")
    serve = f"vllm serve {folder}" if said.get("kind") == "merged" else ""
    return Card(job=job, folder=folder, load=said.get("load", ""), serve=serve)
