"""What one battle, or several beside each other, have come to: a sentence that only says what was measured.

Losses over different rows are never ranked, and where battles began apart nothing is laid on the recipe alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arena.models import Battle
from watchtower.battles.deeds import Deeds
from watchtower.battles.figures import Figures, SetLoss

MOST_NAMED = 4
_NOT_ALONE = "so no difference is the recipe's alone"
_HOW = {
    Battle.State.TRAINING: "Is being fought",
    Battle.State.PAUSED: "Rests",
    Battle.State.STOPPED: "Was stopped",
    Battle.State.COMPLETED: "Completed",
    Battle.State.FAILED: "Failed",
}


def of_one(battle: Battle, of: Figures | None, did: Deeds) -> str:
    """Ends with a full stop; says so where nothing was measured."""
    how = _HOW[Battle.State(battle.state)]
    if of is None or not of.steps:
        return f"{how}; no step of it was measured."
    return f"{how} after {_counted(of.steps, 'step')}: {'; '.join([*_of_losses(of), *_of_deeds(did)])}."


def _of_losses(of: Figures) -> Iterator[str]:
    if of.first_loss is not None and of.train_loss is not None and of.steps > 1:
        yield f"training loss {of.first_loss:.4g} → {of.train_loss:.4g}"
    over = of.headline_loss
    if over is not None and over.first != over.last:
        way = "fell" if over.last < over.first else "rose"
        same = "the same " if over.sha256 else ""
        yield f"over {same}{rows_said(over)} the loss {way} from {over.first:.4g} to {over.last:.4g}"
    elif over is not None:
        yield f"over {rows_said(over)} the loss is {over.last:.4g}"


def _of_deeds(did: Deeds) -> Iterator[str]:
    if did.won:
        yield f"{_named(did.won)} won"
    if did.regained:
        yield f"{_named(did.regained)} regained"
    yield f"{_named(did.lost)} lost" if did.lost else "no level lost"


def rows_said(over: SetLoss) -> str:
    return f"{_counted(over.rows, 'row')} of {over.name}" if over.rows else f"rows of {over.name}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def of_several(
    titles: Sequence[str],
    all_figures: Sequence[Figures | None],
    all_deeds: Sequence[Deeds],
    *,
    changed: Sequence[str],
    same_data: bool | None,
    same_beginning: bool | None,
    recipe_known: bool = True,
) -> str:
    """`changed` are the recipe's keys that differ; None: nobody knows. One sentence, whose parts stand between
    semicolons."""
    parts = [_losses_said(titles, all_figures), _levels_said(titles, all_deeds)]
    parts.append(_why(changed, same_data=same_data, same_beginning=same_beginning, recipe_known=recipe_known))
    said = "; ".join(part for part in parts if part)
    return f"{said[0].upper()}{said[1:]}."


def common_sets(all_figures: Sequence[Figures | None]) -> list[tuple[str, int | None, str | None]]:
    """Sets of rows that every battle was scored over, those first that measure what most of their quests teach.

    One without a digest could be any rows of that name, and is common to none.
    """
    sets = [{one.key for one in of.validation} if of else set() for of in all_figures]
    common = set.intersection(*sets) if sets else set()
    own = [name for of in all_figures if of for name in of.own_sets]
    return sorted((key for key in common if key[2]), key=lambda key: (-own.count(key[0]), key[0]))


def last_over(of: Figures | None, key: tuple[str, int | None, str | None]) -> float | None:
    found = [one.last for one in of.validation if one.key == key] if of else []
    return found[0] if found else None


def _losses_said(titles: Sequence[str], all_figures: Sequence[Figures | None]) -> str:
    common = common_sets(all_figures)
    if not common:
        return "no set of rows was scored by all of them, so their losses are not ranked"
    key = common[0]
    last = _last(all_figures, key)
    rows = f"{_counted(key[1], 'row')} of {key[0]}" if key[1] else f"rows of {key[0]}"
    ranked = sorted(zip(last, titles, strict=True), key=lambda pair: pair[0])
    (lowest, best), (second, runner) = ranked[0], ranked[1]
    if lowest == second:
        return f"over the same {rows} {best} and {runner} end alike, at {lowest:.4g}"
    place = last.index(lowest)
    others = [_last(all_figures, other) for other in common[1:]]
    also = sum(values[place] == min(values) for values in others)
    rest = f" (and over {also} of the {len(others)} other sets that all were scored over)" if others else ""
    return f"over the same {rows} {best} ends lowest, {lowest:.4g} against {second:.4g} of {runner}{rest}"


def _last(all_figures: Sequence[Figures | None], key: tuple[str, int | None, str | None]) -> list[float]:
    """Of a set that all were scored over."""
    return [value for of in all_figures if (value := last_over(of, key)) is not None]


def _levels_said(titles: Sequence[str], all_deeds: Sequence[Deeds]) -> str:
    told = []
    for title, did in zip(titles, all_deeds, strict=True):
        parts = [f"won {_named(did.won)}"] if did.won else []
        parts += [f"lost {_named(did.lost)}"] if did.lost else []
        if parts:
            told.append(f"{title} {' and '.join(parts)}")
    return "; ".join(told) if told else "no level was won or lost"


def _why(changed: Sequence[str], *, same_data: bool | None, same_beginning: bool | None, recipe_known: bool) -> str:
    if same_beginning is False:
        return f"they began from different checkpoints, {_NOT_ALONE}"
    if same_data is False:
        return f"they trained on different rows, {_NOT_ALONE}"
    if not (same_beginning and same_data and recipe_known):
        unknown = "recipe" if same_beginning and same_data else "rows" if same_beginning else "beginning"
        return f"of one of them the {unknown} cannot be told any more, {_NOT_ALONE}"
    if not changed:
        return "recipe, rows and beginning are the same"
    if len(changed) == 1:
        return f"rows and beginning are the same, and of the recipe only {changed[0]} differs"
    return f"rows and beginning are the same; {len(changed)} keys of the recipe differ"
