"""`manage.py hero list|show|create|branch|switch|retire|restore|match`."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.management import hero_tables
from arena.roster import creating, listing, retiring, switching
from arena.roster.creating import Created
from arena.roster.errors import HeroRefused
from guild.errors import GuildError
from guild.management import foreground
from guild.skills.registry import list_skills
from guild.work import matches, runs, trials
from realm import heroes
from realm.config import is_hero_name
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from vault.errors import VaultError
from vault.jobs import queue, waiting
from vault.models import Job

BY = "command line"
WAIT_SECONDS = 3600.0


class Command(BaseCommand):
    help = "The heroes of this world: who there are, a new one, who fights."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="who there is, who fights first"))
        show = actions.add_parser("show", help="all that is known of one")
        show.add_argument("name", nargs="?", help="default: who fights")
        create = actions.add_parser("create", help="a new hero, with no step yet")
        create.add_argument("name")
        create.add_argument(
            "--base-model", default=heroes.EMBEDDED,
            help="embedded, a hub id such as Qwen/Qwen3-0.6B, or the whole path of a folder (default: %(default)s)",
        )  # fmt: skip
        create.add_argument("--preset", help="of its recipe (default: standard; of a branch: its parent's)")
        create.add_argument(
            "--from", dest="checkpoint", metavar="CHECKPOINT", help="begin from a checkpoint instead; see branch"
        )
        create.add_argument("--of", metavar="HERO", help="whose checkpoint (default: who fights)")
        branch = actions.add_parser("branch", help="a new hero that begins from a checkpoint; `best` is New game +")
        branch.add_argument("name")
        branch.add_argument("checkpoint", help="a name, a step, newest, or best (the champion)")
        branch.add_argument("--of", metavar="HERO", help="whose checkpoint (default: who fights)")
        branch.add_argument("--preset", help="of its recipe (default: its parent's)")
        acts = {
            "switch": "let another hero fight; a battle under way is saved and waits",
            "retire": "set a hero aside, with all that it has",
            "restore": "bring a retired hero back",
        }
        for action, what in acts.items():
            actions.add_parser(action, help=what).add_argument("name")
        match = actions.add_parser("match", help="two heroes on the same evaluation sets")
        match.add_argument("first", help="HERO or HERO/CHECKPOINT (newest where none is named)")
        match.add_argument("second")
        match.add_argument("--skills", help="with commas (default: all)")
        match.add_argument("--levels", help="such as 3, 1-5 or 1,2,7 (default: all)")
        match.add_argument("--host", help="who answers (default: the first of the hosts)")
        match.add_argument("--background", action="store_true", help="leave it to the Task Master")
        for named in (show, create, branch, match, *(actions.choices[action] for action in acts)):
            add_json(named)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            said, record = getattr(self, f"_{options['action']}")(options)
        except (HeroRefused, GuildError, VaultError, BadConfig, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            write_json(self.stdout, record)
        else:
            self.stdout.write(said, ending="" if said.endswith("\n") else "\n")

    def _list(self, options: dict[str, Any]) -> tuple[str, Any]:
        found = listing.list_heroes(settings.WORLD)
        return hero_tables.table(found), {"heroes": found}

    def _show(self, options: dict[str, Any]) -> tuple[str, Any]:
        found = listing.find(settings.WORLD, options["name"] or settings.REALM.hero)
        return hero_tables.lines(found), found

    def _create(self, options: dict[str, Any]) -> tuple[str, Any]:
        if options["checkpoint"]:
            return self._branch(options)
        preset = options["preset"] or "standard"
        made = creating.create(
            settings.WORLD, name=options["name"], base_model=options["base_model"], preset=preset, by=BY
        )  # fmt: skip
        return f"{made.said}\n{made.reason}", made

    def _branch(self, options: dict[str, Any]) -> tuple[str, Any]:
        made = creating.branch(
            settings.WORLD, name=options["name"], hero=options["of"] or settings.REALM.hero,
            checkpoint=options["checkpoint"], preset=options["preset"], by=BY,
        )  # fmt: skip
        return self._finished(made), made

    def _finished(self, made: Created) -> str:
        """The model is written here, or by the vault's process; either way it is there when this returns."""
        job = waiting.finish(settings.WORLD, queue.get(made.job or 0), seconds=WAIT_SECONDS)
        if job.state != Job.State.DONE:
            raise HeroRefused(f"{made.hero} is here, and the model that it begins from is not: {job.message}")
        return f"{made.hero} begins from {job.asset_id}, with level 0 and a fresh optimizer."

    def _switch(self, options: dict[str, Any]) -> tuple[str, Any]:
        done = switching.switch(settings.WORLD, options["name"], by=BY)
        return done.said, asdict(done) | {"message": done.said}

    def _retire(self, options: dict[str, Any]) -> tuple[str, Any]:
        said = retiring.retire(settings.WORLD, options["name"], by=BY)
        return said, {"hero": options["name"], "message": said}

    def _restore(self, options: dict[str, Any]) -> tuple[str, Any]:
        said = retiring.restore(settings.WORLD, options["name"], by=BY)
        return said, {"hero": options["name"], "message": said}

    def _match(self, options: dict[str, Any]) -> tuple[str, Any]:
        skills = options["skills"].split(",") if options["skills"] else list_skills()
        order = matches.order(
            world=settings.WORLD,
            first=_named(options["first"]),
            second=_named(options["second"]),
            skills=[skill.strip() for skill in skills],
            levels=foreground.levels(options["levels"]) if options["levels"] else None,
            host=options["host"],
        )
        quiet = self.stderr if options["json"] else self.stdout
        run = trials.create(order, by=foreground.asker())
        done = foreground.begin(quiet, settings.WORLD, run, background=options["background"])
        if done is None:
            return "", {"run": run.pk, "score": None}
        score = matches.score(trials.read_result(runs.results(done)))
        return hero_tables.score(score), {"run": done.pk, "score": score, "verdict": score.verdict if score else None}


def _named(text: str) -> tuple[str, str]:
    hero, _, checkpoint = text.partition("/")
    if not is_hero_name(hero):
        raise HeroRefused(f"{text[:80]!r} is not understood: write HERO or HERO/CHECKPOINT")
    return hero, checkpoint or "newest"
