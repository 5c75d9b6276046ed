"""How many threads compute is part of what a resume must repeat; a warm process must not remember another battle's."""

from dataclasses import replace

import torch

from arena.training.start import OWN_THREADS, make_repeatable
from tests.support import tiny_hero


def test_a_recipe_that_leaves_the_choice_to_torch_gets_torchs_choice() -> None:
    before = torch.get_num_threads()
    try:
        make_repeatable(replace(tiny_hero.RECIPE, threads=OWN_THREADS + 1))
        assert torch.get_num_threads() == OWN_THREADS + 1
        make_repeatable(replace(tiny_hero.RECIPE, threads=0))
        assert torch.get_num_threads() == OWN_THREADS
    finally:
        torch.set_num_threads(before)
