"""`manage.py ledger compare`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import OutputWrapper
from rich.markup import escape
from rich.table import Table

from guild.management.tables import as_text
from realm.management.as_json import write_json
from vault.ledger.comparing import Comparison, changed_weights, compare
from vault.ledger.moves import Move, WeightChange
from vault.management.ledger.choosing import add_checkpoint, add_common, chosen, ledger_of
from vault.management.ledger.list import loss

SHOWN = 20


def add(verbs: Any) -> None:
    parser = verbs.add_parser("compare", help="which tensors moved and by how much; recipe, losses, answers, lineage")
    add_checkpoint(parser, "a")
    add_checkpoint(parser, "b")
    parser.add_argument("--tensor", help="the single weights of this one that moved most")
    parser.add_argument(
        "--limit", type=int, default=SHOWN, help=f"tensors or weights to show; 0: all (default {SHOWN})"
    )
    add_common(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    a, b = chosen(options, "a"), chosen(options, "b")
    world, limit = ledger_of(options).world, options["limit"]
    if options["tensor"]:
        names = (a.canonical_name, b.canonical_name)
        weights = changed_weights(world, a.hero, *names, options["tensor"], count=limit or None)
        write_json(stdout, weights) if options["json"] else stdout.write(_weights(weights))
        return
    found = compare(world, a.hero, a.canonical_name, b.canonical_name)
    write_json(stdout, found) if options["json"] else stdout.write("\n".join(_told(found, limit or None)))


def _told(found: Comparison, limit: int | None) -> Iterator[str]:
    yield f"{found.a.name} -> {found.b.name}, of {found.hero}"
    yield f"common ancestor: {found.common_ancestor or _roots(found)}"
    apart = f"{len(found.only_in_a)} only in the first, {len(found.only_in_b)} only in the second"
    yield f"{len(found.moves)} tensors moved, {found.same} did not; {apart}"
    if found.moves:
        yield _moves(found.moves[:limit])
    for one in found.sudden:
        yield f"sudden: {one.name}: {'; '.join(one.flags)}"
    if found.sudden:
        yield f"(flagged is {found.rule})"
    for shaped in found.reshaped:
        yield f"reshaped: {shaped.name}: {shaped.a} -> {shaped.b}"
    for name in found.unread:
        yield f"differs, in a type whose numbers cannot be read: {name}"
    yield from _rest(found)


def _roots(found: Comparison) -> str:
    return f"the base model {found.base_model}" if found.base_model else "none: they began from different models"


def _rest(found: Comparison) -> Iterator[str]:
    for pair in found.losses:
        yield f"loss over {pair.name} ({pair.rows} rows): {loss(pair.a)} -> {loss(pair.b)}"
    if found.losses_apart:
        yield f"not scored over the same rows: {', '.join(found.losses_apart)}"
    for answer in found.answers:
        yield f"answers {answer.skill} level {answer.level}: {answer.a or '--'} -> {answer.b or '--'}"
    for setting in found.settings:
        yield f"setting {setting.key}: {setting.a} -> {setting.b}"


def _moves(moves: tuple[Move, ...]) -> str:
    table = Table("", "tensor", "shape", "moved by", "relative", "changed", "largest single change")
    for one in moves:
        relative = "--" if one.relative is None else f"{one.relative:.2%}"
        largest = _spelled(one.largest) if one.largest else "--"
        share = f"{one.changed} of {one.count}"
        table.add_row(
            "!" if one.flags else "", escape(one.name), f"{one.shape}", f"{one.distance:.4g}", relative, share, largest
        )
    return as_text(table)


def _weights(changes: list[WeightChange]) -> str:
    return "\n".join(_spelled(change) for change in changes) or "no weight differs"


def _spelled(change: WeightChange) -> str:
    return f"{list(change.index)} {change.before:.6g} -> {change.after:.6g}"
