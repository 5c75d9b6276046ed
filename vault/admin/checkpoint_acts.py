"""What may be done with checkpoints: verified, protected, promoted, exported, copied, deleted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django import forms

from realm.world import World
from vault.admin.columns import size
from vault.admin.confirming import BY, Act, Done, Fate, Plan, one_by_one
from vault.admin.jobs import DestinationForm, ask_for, waiting
from vault.assets.ids import checkpoint_id
from vault.models import Checkpoint
from vault.treasury import champion, marks, safety, trash


def counted(rows: list[Checkpoint]) -> str:
    """`3 checkpoints, 1.2 GB`."""
    return (
        f"{len(rows)} {'checkpoint' if len(rows) == 1 else 'checkpoints'}, {size(sum(row.size_bytes for row in rows))}"
    )


def fates(rows: list[Checkpoint]) -> list[Fate]:
    return [Fate(name=row.name, size_bytes=row.size_bytes) for row in rows]


def asset_id(row: Checkpoint) -> str:
    return checkpoint_id(row.hero, row.name)


class Verify(Act):
    label = "Verify"
    help = "Read every byte and compare it with its digest."

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        return Plan(
            sentence=f"Every byte of {counted(rows)}, is read and compared with its digest, by the vault's process.",
            stays="Nothing is changed; what is found stands in the column Verified and in the history.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        return waiting(world, *one_by_one(rows, lambda row: ask_for("verify", asset_id(row))))


class NoteForm(forms.Form):
    note = forms.CharField(max_length=200, required=False, help_text="Why; it is shown beside the checkpoint.")


class Protect(Act):
    label = "Protect"
    help = "No rule and nobody deletes it until it is unprotected."
    form = NoteForm

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        fresh = [row for row in rows if not row.protected]
        return Plan(
            sentence=f"Deleted neither by a rule nor by hand until unprotected: {counted(fresh)}.",
            refusal="" if fresh else "All of this is protected already.",
            stays="Nothing is copied or moved.",
            fates=[_fate(row, stays="protected already" if row.protected else "") for row in rows],
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        done, refusals = one_by_one(
            [row for row in rows if not row.protected],
            lambda row: marks.protect(world, row.hero, row.name, by=BY, note=answers["note"]),
        )
        return Done(sentence=f"Protected: {_named(done)}." if done else "", rows=done, refusals=refusals)


class Unprotect(Act):
    label = "Unprotect"
    help = "Rules and people may delete it again."

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        marked = [row for row in rows if row.protected]
        return Plan(
            sentence=f"Deleted again by the rules of keeping or by hand: {counted(marked)}.",
            refusal="" if marked else "Nothing of this is protected.",
            stays="Nothing is deleted now.",
            fates=[_fate(row, stays="" if row.protected else "not protected") for row in rows],
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        marked = [row for row in rows if row.protected]
        done, refusals = one_by_one(marked, lambda row: marks.unprotect(world, row.hero, row.name, by=BY))
        return Done(sentence=f"Unprotected: {_named(done)}." if done else "", rows=done, refusals=refusals)


class Promote(Act):
    label = "Promote"
    help = "Pin it as its hero's champion and let the oracle load it."

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        if len(rows) != 1:
            return Plan(sentence="", refusal=f"One checkpoint can be champion, and {len(rows)} are chosen: choose one.")
        row = rows[0]
        return Plan(
            sentence=f"{row.name}, {size(row.size_bytes)}, becomes {row.hero}'s champion, and the oracle loads it.",
            stays="The automatic choice rests until the champion is unpinned. No checkpoint is deleted.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        if len(rows) != 1:
            return Done(refusals=["Choose one checkpoint to promote."])
        promoted = champion.promote(world, rows[0].hero, rows[0].name, by=BY)
        return Done(sentence=promoted.message, rows=rows)


class Unpin(Act):
    label = "Unpin champion"
    help = "Let the automatic choice decide again who is its hero's champion."

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        return Plan(
            sentence=f"The champion of {', '.join(_heroes(rows))} is chosen automatically again.",
            stays="All checkpoints stay.",
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        done, refusals = one_by_one(_heroes(rows), lambda hero: champion.unpin(world, hero, by=BY))
        said = f"Chosen automatically again: the champion of {', '.join(done)}." if done else ""
        return Done(sentence=said, rows=[row for row in rows if row.hero in done], refusals=refusals)


class ExportForm(forms.Form):
    adapter_only = forms.BooleanField(required=False, help_text="Of a LoRA checkpoint: the adapter without its base.")


class Export(Act):
    label = "Export"
    help = "Write a folder that transformers and vLLM load, with a model card."
    form = ExportForm

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        return Plan(
            sentence=f"Written as model folders by the vault's process: {counted(rows)}.",
            stays="The checkpoints stay as they are.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        options = {"adapter_only": answers["adapter_only"]}
        return waiting(world, *one_by_one(rows, lambda row: ask_for("export", asset_id(row), options=options)))


class CopyTo(Act):
    label = "Copy to…"
    help = "Copy it to a stronghold or zone, where every byte is read back."
    form = DestinationForm

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        return Plan(
            sentence=f"Copied, with every byte read back there: {counted(rows)}.",
            stays="All copies that there are stay.",
            fates=fates(rows),
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        where = answers["destination"]
        return waiting(world, *one_by_one(rows, lambda row: ask_for("push", asset_id(row), destination=where)))


class Delete(Act):
    label = "Delete"
    help = "Move it to the trash, from where it can be taken back until the trash is emptied."
    permission = "discard"
    is_destructive = True

    def plan(self, world: World, rows: list[Checkpoint]) -> Plan:
        kept = _kept(world, rows)
        doomed = [row for row in rows if row.pk not in kept]
        listed = [_fate(row, stays=", ".join(kept.get(row.pk, ()))) for row in rows]
        if not doomed:
            return Plan(sentence="", refusal="Nothing of this can be deleted.", fates=listed)
        stays = f" Stay, for the reasons below: {counted([row for row in rows if row.pk in kept])}." if kept else ""
        return Plan(
            sentence=f"To the trash: {counted(doomed)}.{stays}",
            stays="Copies in other places stay. `manage.py treasury undo` takes it back until the trash is emptied.",
            fates=listed,
        )

    def perform(self, world: World, rows: list[Checkpoint], answers: dict[str, Any]) -> Done:
        kept = _kept(world, rows)
        doomed = [row for row in rows if row.pk not in kept]
        names: dict[str, list[str]] = defaultdict(list)
        for row in doomed:
            names[row.hero].append(row.name)
        heroes, refusals = one_by_one(list(names), lambda hero: trash.delete(world, hero, names[hero], by=BY))
        done = [row for row in doomed if row.hero in heroes]
        return Done(sentence=f"In the trash: {counted(done)}." if done else "", rows=done, refusals=refusals)


def _kept(world: World, rows: list[Checkpoint]) -> dict[int, tuple[str, ...]]:
    """Why rows cannot be deleted, by primary key; absent: they can."""
    reasons = {hero: safety.reasons_to_keep(world, hero) for hero in _heroes(rows)}
    return {row.pk: reasons[row.hero][row.name] for row in rows if row.name in reasons[row.hero]}


def _heroes(rows: list[Checkpoint]) -> list[str]:
    return sorted({row.hero for row in rows})


def _fate(row: Checkpoint, *, stays: str) -> Fate:
    return Fate(name=row.name, size_bytes=row.size_bytes, stays=stays)


def _named(rows: list[Checkpoint]) -> str:
    return ", ".join(row.name for row in rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
