"""`manage.py place [battles|checkpoints] [FOLDER|--home]`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena import placing
from arena.placing import Placed, PlacingRefused
from realm import placed_folders
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "Let the world's battles or checkpoints lie on another disk, such as a NAS; alone: where they lie."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", choices=placed_folders.NAMES)
        where = parser.add_mutually_exclusive_group()
        where.add_argument("folder", nargs="?", type=Path, help="a mounted folder; a folder of that name is made in it")
        where.add_argument("--home", action="store_true", help="copy them back into the world")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        name, folder, home = options["name"], options["folder"], options["home"]
        if bool(name) != bool(folder or home):
            raise CommandError("say what and where: `manage.py place checkpoints /mnt/nas/realm`, or `… --home`")
        if not name:
            self._show(as_json=options["json"])
            return
        try:
            world = settings.WORLD
            done = placing.bring_home(world, name) if home else placing.place(world, name, folder)
        except (PlacingRefused, OSError) as error:
            raise CommandError(f"{error}; nothing was changed") from error
        if options["json"]:
            write_json(self.stdout, done)
        else:
            self.stdout.write("\n".join(_sentences(done)))

    def _show(self, *, as_json: bool) -> None:
        found = {name: placed_folders.folder_of(settings.WORLD, name) for name in placed_folders.NAMES}
        if as_json:
            write_json(self.stdout, {name: folder.resolve() for name, folder in found.items()})
            return
        for name, folder in found.items():
            where = f"{folder.resolve()}, a link from {folder}" if folder.is_symlink() else f"{folder}, in this world"
            self.stdout.write(f"{name}: {where}")


def _sentences(done: Placed) -> list[str]:
    size = f"{done.files} files, {done.size_bytes / 1e6:,.1f} MB, each read back"
    kept = [f"What lay in {done.kept} stays there until you delete it."] if done.kept else []
    return [f"The {done.name} lie in {done.folder} now ({size}).", *(f"{each}." for each in done.told), *kept]
