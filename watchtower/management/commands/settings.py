"""`manage.py settings show|set|reset|backups|restore|calculate`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.calculator import reckoning
from arena.calculator.reckoning import Question
from arena.estimate import UnknownShape
from realm import config, strict
from realm.config import config_file
from realm.config_edit import ABSENT
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from watchtower.armory import backups, catalogue, changing, kinds
from watchtower.armory.backups import NoSuchBackup
from watchtower.armory.catalogue import NoSuchSetting, Setting
from watchtower.armory.changing import Changed, Locked
from watchtower.management.asking import asked


class Command(BaseCommand):
    help = "Every setting: what it is for, what it is and why; changes single ones in the world's config.yaml."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="all settings, or one with its help")
        show.add_argument("key", nargs="?", help="such as training.max_length")
        show.add_argument("--changed", action="store_true", help="those alone that this world says itself")
        put = actions.add_parser("set", help="write one into config.yaml; every comment there stays")
        put.add_argument("key")
        put.add_argument("value", help="as a settings file has it: 2e-4, true, [q_proj, v_proj], null")
        reset = actions.add_parser("reset", help="take one out of config.yaml")
        reset.add_argument("key")
        listed = actions.add_parser("backups", help="copies of config.yaml, made before critical changes")
        restore = actions.add_parser("restore", help="put such a copy back")
        restore.add_argument("name")
        for asking in (put, reset, restore):
            asking.add_argument("--yes", action="store_true", help="do what is critical without being asked")
        calculate = actions.add_parser("calculate", help="memory and time of a battle, here and on common cards")
        calculate.add_argument(
            "asked", nargs="*", metavar="KEY=VALUE", help="such as model=Qwen3-8B mode=lora rows=5000"
        )
        for action in (show, put, reset, listed, restore, calculate):
            add_json(action)

    def handle(self, *args: Any, **options: Any) -> None:
        self._options = options
        try:
            match options["action"]:
                case "show":
                    self._show()
                case "set":
                    self._tell(asked(self.stdout, self._options, self._set))
                case "reset":
                    self._tell(asked(self.stdout, self._options, lambda sure: self._put(options["key"], ABSENT, sure)))
                case "backups":
                    self._list_backups()
                case "restore":
                    self._restore()
                case "calculate":
                    self._calculate()
        except (BadConfig, NoSuchSetting, NoSuchBackup, Locked, UnknownShape) as error:
            raise CommandError(str(error)) from error

    def _show(self) -> None:
        found = catalogue.read_all(settings.WORLD)
        if self._options["key"]:
            found = [catalogue.find(found, self._options["key"])]
        if self._options["changed"]:
            found = [setting for setting in found if setting.is_changed]
        if self._options["json"]:
            write_json(self.stdout, {"settings": found})
        elif self._options["key"] and found:
            self._describe(found[0])
        else:
            width = max((len(setting.key) for setting in found), default=0)
            for setting in found:
                self.stdout.write(f"{setting.key:<{width}}  {_value(setting, setting.value)}  ({setting.source})")

    def _describe(self, setting: Setting) -> None:
        for label, text in (
            ("", setting.help), ("allowed", f"{setting.form.kind}{setting.allowed and ': '}{setting.allowed}"),
            ("value", f"{_value(setting, setting.value)}, from {setting.source}"),
            ("default", f"{_value(setting, setting.default)}, from {setting.default_source}"),
            ("takes effect", setting.effect), ("critical", "it is asked about, and config.yaml copied first"),
        ):  # fmt: skip
            if text and (label != "critical" or setting.critical):
                self.stdout.write(f"{label and label + ': '}{text}")

    def _set(self, sure: bool) -> Changed:
        setting = catalogue.find(catalogue.read_all(settings.WORLD), self._options["key"])
        return self._put(setting.key, kinds.read(setting.form, self._options["value"]), sure)

    def _put(self, key: str, value: Any, sure: bool) -> Changed:
        return changing.put(settings.WORLD, key, value, confirmed=sure)

    def _tell(self, changed: Changed) -> None:
        if self._options["json"]:
            write_json(self.stdout, changed)
            return
        self.stdout.write(
            f"{changed.key}: {kinds.written(changed.before)} -> {kinds.written(changed.after)} in "
            f"{config_file(settings.WORLD)}; it takes effect {changed.effect}."
        )
        if changed.backup:
            self.stdout.write(f"The file as it was: {changed.backup}; `manage.py settings restore {changed.backup}`")

    def _list_backups(self) -> None:
        found = backups.list_all(settings.WORLD)
        if self._options["json"]:
            write_json(self.stdout, {"backups": found})
            return
        for backup in found:
            self.stdout.write(f"{backup.name}  {backup.size_bytes} B")
        if not found:
            self.stdout.write("There is no copy yet; one is made before each critical change.")

    def _restore(self) -> None:
        name = self._options["name"]
        before = asked(self.stdout, self._options, lambda sure: changing.restore(settings.WORLD, name, confirmed=sure))
        if self._options["json"]:
            write_json(self.stdout, {"restored": name, "backup": before})
        else:
            self.stdout.write(f"{name} is in force again; what stood there before is {before}.")

    def _calculate(self) -> None:
        given = {key: str(value) for key, value in config.parse_pairs(self._options["asked"]).items()}
        unknown = [key for key in given if key not in Question.__dataclass_fields__]
        if unknown:
            raise CommandError(strict.unknown_key(unknown[0], Question.__dataclass_fields__))
        answer = reckoning.reckon(settings.WORLD, config.load(settings.WORLD), reckoning.asked(given))
        if self._options["json"]:
            write_json(self.stdout, answer)
            return
        self.stdout.write(f"{answer.parameters / 1e6:,.1f} M parameters, {answer.steps} steps, {answer.tokens} tokens")
        for name in ("weights", "gradients", "optimizer", "activations", "logits", "peak"):
            self.stdout.write(f"{name:<12}{getattr(answer.memory, name) / 1e9:10.2f} GB")
        if answer.exchange:
            self.stdout.write(answer.exchange.sentence)
        for place in (answer.here, *answer.cards):
            takes = "--" if place.seconds is None or place.verdict == "does not fit" else f"{place.seconds:,.0f} s"
            self.stdout.write(f"{place.name:<18}{place.share:7.1%} of {place.capacity_bytes / 1e9:6.1f} GB  "
                              f"{place.verdict:<13}{takes:>10}  {place.speed}")  # fmt: skip


def _value(setting: Setting, value: Any) -> str:
    return "(not shown)" if setting.secret else kinds.written(value)
