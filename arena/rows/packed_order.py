"""In which packed rows a quest is trained on, and in which order: a function of seed, quest, lengths and epoch alone.

The trainer and the preview ask here, so that what is shown is what is trained on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arena.rows.packing import Rows, pack_best_fit_decreasing


@dataclass(frozen=True, slots=True)
class PackedOrder:
    seed: int
    quest_sha256: str

    def rows(self, lengths: npt.NDArray[np.integer], max_length: int) -> Rows:
        """The packed rows of examples of these lengths, int, shape (examples,), in the file's order.

        Shuffled before packing: best fit keeps file order among equals, and files are often sorted by kind.
        """
        order = shuffled(len(lengths), self._key)
        packed = pack_best_fit_decreasing(lengths[order], max_length)
        return Rows(order[packed.order], packed.starts)

    def of_epoch(self, rows: int, epoch: int) -> npt.NDArray[np.int64]:
        """The numbers of the packed rows in the order in which an epoch goes through them."""
        return shuffled(rows, f"{self._key}:{epoch}")

    @property
    def _key(self) -> str:
        return f"{self.seed}:{self.quest_sha256}"


def shuffled(count: int, key: str) -> npt.NDArray[np.int64]:
    """The numbers below `count` in an order that `key` decides.

    NumPy promises that a bit generator's stream stays the same in every release; of its shuffles it does not.
    """
    digest = hashlib.sha256(key.encode()).digest()
    noise = np.random.Philox(key=np.frombuffer(digest[:16], "<u8")).random_raw(count)
    return np.argsort(noise, kind="stable")
