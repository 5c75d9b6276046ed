"""`battle note`, `tag`, `repeat`, `delete`, `restore` and `stop-all`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from arena import history_orders, orders
from arena import status as arena_status
from arena.history import deleting, finding, notes, repeating
from arena.history.repeating import UnconfirmedRate
from arena.history_orders import Act
from arena.orders import Wish
from realm import config as realm_config
from realm.management.as_json import write_json
from tavern import formatting
from tavern.management.battles.under_way import BY, LATER


def note(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle, BadNotes."""
    battle = finding.get(options["battle"])
    if options["text"] is None and options["label"] is None:
        found = notes.read(settings.WORLD, battle.battle_id)
    else:
        found = notes.change(settings.WORLD, battle, label=options["label"], note=options["text"])
    if options["json"]:
        write_json(stdout, {"battle": battle.battle_id} | vars(found))
        return
    stdout.write(f"label    {found.label or '--'}")
    stdout.write(f"tags     {' '.join(f'#{tag}' for tag in found.tags) or '--'}")
    stdout.write(f"note     {found.note or '--'}")


def tag(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle, BadNotes."""
    battle = finding.get(options["battle"])
    words = notes.split(" ".join(options["tags"]))
    found = notes.change(
        settings.WORLD, battle, add=() if options["remove"] else words, remove=words if options["remove"] else ()
    )
    if options["json"]:
        write_json(stdout, {"battle": battle.battle_id} | vars(found))
    else:
        stdout.write(f"{battle.battle_id}: {' '.join(f'#{one}' for one in found.tags) or 'no tag'}")


def repeat(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle, CannotRepeat, CommandError for a rate that needs the player's word."""
    key, mark, value = options["change"].partition("=")
    if not mark:
        raise CommandError("name one key of the recipe and its value, as learning_rate=5e-4")
    try:
        done = repeating.repeat(
            settings.WORLD, realm_config.load(settings.WORLD), finding.get(options["battle"]),
            key=key.strip(), value=value.strip(), confirmed=options["yes"], by=BY,
        )  # fmt: skip
    except UnconfirmedRate as error:
        raise CommandError(f"{error}; add --yes if that is what you want") from error
    if options["json"]:
        write_json(stdout, done)
        return
    stdout.write(f"{done.job.name} goes to the gatekeepers, with {done.key} {done.before} → {done.after}")
    _say_if_late(stdout)


def delete(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Without --yes only what would go is shown. Raises NoSuchBattle, ValueError."""
    if options["battles"]:
        rows = [finding.get(name) for name in dict.fromkeys(options["battles"])]
    else:
        rows = deleting.old(older_than_days=options["older_than"], keep_newest=options["keep"])
    preview = deleting.preview(settings.WORLD, rows)
    names = [one.battle for one in preview.going]
    asked = bool(names) and options["yes"]
    if asked:
        history_orders.send(settings.WORLD, act=Act.DELETE, battles=names, by=BY)
    if options["json"]:
        write_json(stdout, {"asked": asked, "going": preview.going, "staying": preview.staying})
        return
    for staying in preview.staying:
        stdout.write(f"{staying.battle} stays: {staying.why}")
    for going in preview.going:
        stdout.write(f"{going.battle} {'goes' if asked else 'would go'}, {formatting.size(going.size_bytes)}")
    if not names:
        stdout.write("Nothing is deleted.")
    elif asked:
        stdout.write(f"The arena deletes {len(names)}; `battle restore` puts them back for {deleting.TRASH_DAYS} days.")
        _say_if_late(stdout)
    else:
        stdout.write(f"{formatting.size(preview.size_bytes)} in all; --yes deletes them. XP, gold and levels stay.")


def restore(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle."""
    rows = [finding.get(name) for name in options["battles"]]
    gone = [row.battle_id for row in rows if not deleting.can_be_restored(settings.WORLD, row)]
    if gone:
        raise CommandError(f"{', '.join(gone)}: nothing of it lies in the trash")
    history_orders.send(settings.WORLD, act=Act.RESTORE, battles=[row.battle_id for row in rows], by=BY)
    if options["json"]:
        write_json(stdout, {"asked": [row.battle_id for row in rows]})
        return
    stdout.write("restore: told the arena")
    _say_if_late(stdout)


def stop_all(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    orders.send(settings.WORLD, wish=Wish.STOP, by=BY)
    if options["json"]:
        write_json(stdout, {"asked": "stop", "arena_is_running": arena_status.daemon_alive(settings.WORLD)})
        return
    stdout.write("The battle under way ends with a checkpoint; the arena then rests until `battle resume`.")
    _say_if_late(stdout)


def _say_if_late(stdout: OutputWrapper) -> None:
    if not arena_status.daemon_alive(settings.WORLD):
        stdout.write(LATER)
