"""What is wrong with a model, asked of a confined child and remembered by the digest of what it was asked of."""

from __future__ import annotations

import logging
import stat
from dataclasses import asdict
from pathlib import Path

from arena.confined.model_files import MOST_ENTRIES, digest_of, digest_of_rows
from arena.confined.probe import ADAPTER_FILE, Asked, Verdict
from arena.confined.process import CHILDREN, Unavailable
from arena.confined.refusals import Refusals
from arena.confined.weights import WEIGHT_FILES, header_digest
from arena.rows.overrun import Overrun
from realm import strict

log = logging.getLogger(__name__)

_REFUSALS = Refusals()
_MOST_KNOWN = 256
_known: dict[tuple[object, ...], Verdict] = {}
"""Models that are fine, wherever they lie; the oldest first."""


def verdict_of(asked: Asked) -> Verdict:
    """Within seconds, whatever lies in the model's folders."""
    model, tokenizer = Path(asked.model), Path(asked.tokenizer)
    weights = tuple(f"{path.name} {header_digest(path)}" for path in sorted(model.glob(WEIGHT_FILES)))
    rows = digest_of_rows(tokenizer, model)
    digest = (rows, digest_of(model / ADAPTER_FILE), weights, _entries(model), _entries(tokenizer))
    what = (digest, asked.max_length, asked.memory_bytes, asked.bytes_a_number)
    if what in _known:
        return _known[what]
    try:
        _REFUSALS.check((asked, digest))
        verdict = _ask(asked, rows)
    except Unavailable as error:  # nobody can tell now; whoever uses the model meets what is wrong with it
        log.warning(error)
        return Verdict()
    except Overrun as error:
        _REFUSALS.note((asked, digest), error)
        return Verdict(refusal=str(error))
    if not verdict.refusal:
        _known[what] = verdict
        if len(_known) > _MOST_KNOWN:
            _known.pop(next(iter(_known)), None)
    return verdict


def _ask(asked: Asked, rows: str) -> Verdict:
    job = {"verb": "probe", "asked": asdict(asked)}
    reply = CHILDREN.child_of(rows).ask(job, about=f"the model {asked.tokenizer}")
    return strict.read(Verdict, reply, source="verdict")


def _entries(folder: Path) -> tuple[tuple[str, int], ...]:
    """Name and kind of all that lies in a folder: what was a file may be a device by now."""
    try:
        return tuple((path.name, _kind(path)) for path in sorted(folder.iterdir())[:MOST_ENTRIES])
    except OSError:
        return ()


def _kind(path: Path) -> int:
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return 0
