"""`manage.py preset list|show|save|use|delete`."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena import presets
from arena.presets import Preset, PresetError
from realm import config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from realm.yaml_files import read_yaml
from watchtower.armory import changing
from watchtower.armory.changing import Locked
from watchtower.management.asking import asked

EFFECT = "The next battle is fought by it; one that is under way keeps the recipe it began with."


class Command(BaseCommand):
    help = "Presets of a battle's recipe; shipped ones in configs/presets/, yours in the world's presets/."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="every preset, and which one is in force"))
        for action, what in (("show", "its keys"), ("use", "fight by it"), ("delete", "one of yours")):
            named = actions.add_parser(action, help=what)
            named.add_argument("name")
            add_json(named)
            if action == "use":
                named.add_argument("--yes", action="store_true", help="also where it makes the rows longer or shorter")
        save = actions.add_parser("save", help="keep the recipe in force, or the keys named here, as a preset of yours")
        save.add_argument("name")
        save.add_argument("keys", nargs="*", metavar="KEY=VALUE")
        save.add_argument("--about", default="Saved by manage.py preset save.", help="what it is for, in one line")
        add_json(save)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "list" if options["json"]:
                    listed = [_record(preset) for preset in presets.list_presets(settings.WORLD)]
                    write_json(self.stdout, {"presets": listed, "own_keys": config.own_training(settings.WORLD)})
                case "list":
                    self._list()
                case "show" if options["json"]:
                    preset = presets.find(settings.WORLD, options["name"])
                    write_json(self.stdout, _record(preset) | {"keys": read_yaml(preset.path)})
                case "show":
                    self.stdout.write(presets.find(settings.WORLD, options["name"]).path.read_text(encoding="utf-8"))
                case "save":
                    self._save(options)
                case "use":
                    self._use(options)
                case "delete":
                    presets.delete(settings.WORLD, options["name"])
                    self._tell(options, {"deleted": options["name"]}, f"{options['name']} is deleted.")
        except (PresetError, BadConfig, Locked) as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        for preset in presets.list_presets(settings.WORLD):
            mark = "*" if preset.name == settings.REALM.preset else " "
            owner = "" if preset.shipped else " (yours)"
            self.stdout.write(f"{mark} {preset.name}{owner}: {preset.about or 'it does not say what it is for'}")
        self._tell_winning_keys()

    def _save(self, options: dict[str, Any]) -> None:
        keys = presets.parse_keys(options["keys"]) if options["keys"] else settings.REALM.training
        path = presets.save(settings.WORLD, options["name"], keys, about=options["about"])
        said = f"{path} holds {', '.join(keys) or 'no key: the recipe as the code has it'}."
        self._tell(options, {"saved": options["name"], "path": path, "keys": keys}, said)

    def _use(self, options: dict[str, Any]) -> None:
        name = presets.find(settings.WORLD, options["name"]).name
        done = asked(
            self.stdout, options, lambda sure: changing.put(settings.WORLD, "preset", name, confirmed=sure)
        )  # fmt: skip
        file = config.config_file(settings.WORLD)
        own = config.own_training(settings.WORLD)
        said = f"{name} stands in {file}. {EFFECT}"
        self._tell(options, {"in_force": name, "file": file, "backup": done.backup, "own_keys": own}, said)
        if options["json"]:
            return
        if done.backup:
            self.stdout.write(f"The file as it was: {done.backup}")
        self._tell_winning_keys()

    def _tell(self, options: dict[str, Any], document: dict[str, Any], said: str) -> None:
        if options["json"]:
            write_json(self.stdout, document)
        else:
            self.stdout.write(said)

    def _tell_winning_keys(self) -> None:
        own = config.own_training(settings.WORLD)
        if own:
            told = yaml.safe_dump(own, default_flow_style=True, width=10_000).strip()
            self.stdout.write(f"Keys under training in the settings win over it: {told}")


def _record(preset: Preset) -> dict[str, Any]:
    return asdict(preset) | {"in_force": preset.name == settings.REALM.preset}
