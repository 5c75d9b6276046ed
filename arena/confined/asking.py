"""What is wrong with a model, asked of a confined child and remembered by the digest of what it was asked of."""

from __future__ import annotations

import functools
from dataclasses import asdict
from pathlib import Path

from arena.confined.model_files import digest_of, digest_of_rows
from arena.confined.probe import ADAPTER_FILE, Asked, Verdict
from arena.confined.process import CHILDREN
from arena.confined.refusals import Refusals
from arena.confined.weights import WEIGHT_FILES, header_digest
from arena.rows.overrun import Overrun
from arena.rows.tokenizer import UnusableTokenizer
from realm import strict

_REFUSALS = Refusals()


def verdict_of(asked: Asked) -> Verdict:
    """Within seconds, whatever lies in the model's folders."""
    model, tokenizer = Path(asked.model), Path(asked.tokenizer)
    weights = tuple(f"{path.name} {header_digest(path)}" for path in sorted(model.glob(WEIGHT_FILES)))
    digest = digest_of_rows(tokenizer, model), digest_of(model / ADAPTER_FILE), *weights
    try:
        _REFUSALS.check((asked, digest))
        return _verdict(asked, digest)
    except (Overrun, UnusableTokenizer) as error:
        return Verdict(refusal=str(error))


@functools.lru_cache(maxsize=64)
def _verdict(asked: Asked, digest: tuple[str, ...]) -> Verdict:
    job = {"verb": "probe", "asked": asdict(asked)}
    try:
        reply = CHILDREN.child_of(digest[0]).ask(job, about=f"the model {asked.tokenizer}")
    except Overrun as error:
        _REFUSALS.note((asked, digest), error)
        raise
    return strict.read(Verdict, reply, source="verdict")
