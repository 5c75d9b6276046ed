"""Where everything of one world lies. Standard library only, so that the trainer may use it too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

PRIORITIES = ("high", "normal", "low")


@dataclass(frozen=True)
class World:
    """The folder that holds all state; copying it moves the game."""

    home: Path

    @classmethod
    def from_environment(cls) -> World:
        """The world of `REALM_HOME`, or `world/` in the checkout."""
        home = os.environ.get("REALM_HOME", "").strip()
        return cls(Path(home).expanduser().resolve() if home else CHECKOUT / "world")

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def queue(self) -> Path:
        return self.home / "queue"

    @property
    def processing(self) -> Path:
        return self.queue / "processing"

    @property
    def failed(self) -> Path:
        return self.queue / "failed"

    @property
    def recently_completed(self) -> Path:
        return self.queue / "recently_completed"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def current_model(self) -> Path:
        """Relative link to the active hero's folder, where its checkpoints lie."""
        return self.models / "current_model"

    @property
    def heroes(self) -> Path:
        return self.models / "heroes"

    @property
    def battles(self) -> Path:
        return self.home / "battles"

    @property
    def status(self) -> Path:
        """Heartbeats and views that their writer makes anew: nothing is lost with them."""
        return self.home / "status"

    @property
    def arena_status(self) -> Path:
        """What the arena daemon said of itself last."""
        return self.status / "arena.json"

    @property
    def control(self) -> Path:
        """Command files for the daemon, its locks, and what the player wished last."""
        return self.home / "control"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def presets(self) -> Path:
        """The player's own presets of the recipe, beside the checkout's `configs/presets/`."""
        return self.home / "presets"

    @property
    def skills(self) -> Path:
        """The player's own skills, laid over the checkout's `configs/skills/`."""
        return self.home / "skills"

    @property
    def vault(self) -> Path:
        """The vault's own records: its chronicle, transfers on their way."""
        return self.home / "vault"

    @property
    def strongholds_file(self) -> Path:
        """Where copies may lie beside this machine, as the player named it."""
        return self.home / "strongholds.yaml"

    @property
    def derived(self) -> Path:
        """What was made of checkpoints for engines, each with its record; made anew at any time."""
        return self.home / "derived"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def bridges(self) -> Path:
        """Curves of battles in the files of other tools, made from `battles/` at any time."""
        return self.home / "bridges"

    @property
    def uploads(self) -> Path:
        """Files on their way from a browser; what has lain here for a day is nobody's."""
        return self.home / "uploads"

    @property
    def openai_files(self) -> Path:
        """What clients of the fine-tuning API uploaded, and results made for them."""
        return self.home / "openai" / "files"

    @property
    def openai_jobs(self) -> Path:
        return self.home / "openai" / "jobs"

    @property
    def validation(self) -> Path:
        return self.home / "data" / "validation"

    @property
    def validation_levels(self) -> Path:
        """Fixed problems of each skill level."""
        return self.validation / "levels"

    @property
    def validation_quests(self) -> Path:
        """Rows held out of the player's quests."""
        return self.validation / "quests"

    @property
    def rehearsal(self) -> Path:
        """Rows of the player's quests that later ones rehearse."""
        return self.home / "data" / "rehearsal"

    @property
    def evaluation(self) -> Path:
        return self.home / "data" / "evaluation"

    @property
    def flagged_examples(self) -> Path:
        return self.home / "data" / "flagged_examples"

    @property
    def source_reports(self) -> Path:
        """What the gatekeepers found in files of the player's own folders, which they leave as they are."""
        return self.home / "data" / "sources"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def database(self) -> Path:
        return self.home / "realm.sqlite3"

    def lane(self, priority: str) -> Path:
        """The queue folder of `high`, `normal` or `low`."""
        if priority not in PRIORITIES:
            raise ValueError(f"priority {priority!r} is none of {', '.join(PRIORITIES)}")
        return self.queue / priority

    def create(self) -> None:
        """Make every folder that is missing; what exists is left as it is, and so is a link that leads nowhere."""
        folders = (
            self.inbox,
            *(self.lane(priority) for priority in PRIORITIES),
            self.processing,
            self.failed,
            self.recently_completed,
            self.heroes,
            self.battles,
            self.status,
            self.control,
            self.logs,
            self.presets,
            self.skills,
            self.vault,
            self.backups,
            self.uploads,
            self.openai_files,
            self.openai_jobs,
            self.validation,
            self.validation_levels,
            self.validation_quests,
            self.rehearsal,
            self.evaluation,
            self.flagged_examples,
            self.source_reports,
        )
        for folder in folders:
            if not folder.is_symlink():
                folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
