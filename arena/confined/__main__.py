"""`python -m arena.confined`: the confined child. Jobs come on standard input, replies go to standard output.

It ends when its input does. Masks that it was asked for stay in memory, so that a later job takes about a millisecond.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from arena.confined import messages
from arena.confined.model_files import digest_of_rows
from arena.confined.probe import Asked, probe
from arena.rows.mask import Mask
from arena.rows.masking import ChatMask
from arena.rows.model_ends import model_ends
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.tokenizer import HeroTokenizer, UnusableTokenizer
from realm import strict
from realm.processes.memory_limit import limit_memory

MOST_MASKS = 4
MOST_BYTES = 1536 * 2**20
"""The largest tokenizers in use, of 262,144 tokens, take a third of it while they are read."""


def answer(job: dict[str, Any]) -> Any:
    """The reply's value. Raises MaskingError, UnusableTokenizer or Overrun."""
    if job["verb"] == "probe":
        return asdict(probe(strict.read(Asked, job["asked"], source="job")))
    mask = _mask(job["folder"], job["ends"], job["digest"])
    return _of_mask(mask, job["verb"], job.get("on"))


def _of_mask(mask: Mask, verb: str, on: Any) -> Any:
    match verb:
        case "facts":
            return messages.plain_facts(mask.facts)
        case "tokenize":
            contents = [messages.content_of(value) for value in on]
            return [_plain(result) for result in mask.tokenize_many(contents)]
        case "prompts":
            conversations, most_characters = on
            return mask.prompts(
                [messages.conversation_of(each) for each in conversations], most_characters=most_characters
            )
        case "render":
            return mask.rendered(messages.content_of(on))
        case "encode":
            return mask.encode(on)
        case "texts":
            return mask.texts(on)
        case "pieces":
            return [[piece.text, piece.ids, piece.trained, piece.special] for piece in mask.pieces(*on)]
    raise ValueError(f"no such job: {verb}")


def _plain(result: Tokenized | MaskingError) -> Any:
    if isinstance(result, MaskingError):
        return str(result)
    return [result.input_ids, result.trained, result.ends, result.lost_thoughts]


@functools.lru_cache(maxsize=MOST_MASKS)
def _mask(folder: str, ends: str, digest: str) -> Mask:
    """`digest` is that of the files, which may have changed since. Raises UnusableTokenizer or MaskingError."""
    if digest_of_rows(Path(folder), Path(ends)) != digest:
        raise UnusableTokenizer(f"the model {folder} has changed since it was loaded; load it again")
    tokenizer = HeroTokenizer.load(Path(folder))
    return ChatMask(replace(tokenizer, model_ends=model_ends(Path(ends))), day=None)


def serve(jobs: BinaryIO, out: BinaryIO) -> None:
    def say(line: bytes) -> None:
        out.write(line)
        out.flush()

    say(messages.READY)
    for line in jobs:
        try:
            reply = {"value": answer(messages.from_line(line))}
        except MemoryError:
            reply = messages.refused(Overrun("it needed too much memory"))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever it is, a panic of Rust's too, it is the model's
            reply = messages.refused(error)
        say(messages.to_line(reply))


def main() -> None:
    limit_memory(MOST_BYTES)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand among the replies
    serve(sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
