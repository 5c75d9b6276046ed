"""Where one can look at what an entry of the chronicle tells of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.urls import reverse

from arena.models import Battle, ChronicleEntry
from vault.models import Checkpoint


def addresses(entries: Sequence[ChronicleEntry]) -> dict[int, str]:
    """By id of each entry its medal, checkpoint, quest, replay or line in the log; two questions, however many."""
    heroes: dict[str, list[str]] = defaultdict(list)
    wanted = {name for entry in entries if (name := _checkpoint(entry))}
    for name, hero in Checkpoint.objects.filter(name__in=wanted).order_by("hero").values_list("name", "hero"):
        heroes[name].append(hero)
    battles = Battle.objects.filter(battle_id__in={_battle(entry) for entry in entries})
    known = {battle.battle_id: battle for battle in battles.only("battle_id", "quest_id", "hero")}
    return {entry.id: _address(entry, heroes[_checkpoint(entry)], known.get(_battle(entry))) for entry in entries}


def in_log(seq: int) -> str:
    """Address of the entry's line, however old it is."""
    return f"{reverse('tavern:log')}?before={seq + 1}#entry-{seq}"


def _checkpoint(entry: ChronicleEntry) -> str:
    return str(entry.data.get("name") or entry.data.get("checkpoint") or "")


def _battle(entry: ChronicleEntry) -> str:
    return str(entry.data.get("battle") or entry.source)


def _address(entry: ChronicleEntry, heroes: list[str], battle: Battle | None) -> str:
    """`heroes` are those with a checkpoint of the entry's name."""
    if entry.kind == "achievement":
        return f"{reverse('tavern:achievements')}#a-{entry.data.get('key', '')}"
    if heroes:
        meant = {str(entry.data.get("hero", "")), battle.hero if battle else ""}
        hero = next((one for one in heroes if one in meant), heroes[0])
        return reverse("tavern:vault_checkpoint", args=[hero, _checkpoint(entry)])
    if battle and entry.kind == "quest_completed":
        return reverse("tavern:quest", args=[battle.quest_id])
    if battle and entry.step:
        return f"{reverse('tavern:battle_replay', args=[battle.battle_id])}#step={entry.step}"
    return in_log(entry.id)
