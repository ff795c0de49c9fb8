"""All random numbers are put back to where they stood, and a trial leaves them there."""

import random

import numpy as np
import pytest
import torch

from rnnbook.training import generators


def drawn(generator: torch.Generator) -> list[float]:
    return [random.random(), np.random.rand(), torch.rand(()).item(), torch.rand((), generator=generator).item()]


def test_the_same_numbers_come_again() -> None:
    generator = torch.Generator().manual_seed(3)
    np.random.randn()  # so that NumPy holds half of a pair
    states = generators.states(generator)
    first = drawn(generator)
    assert drawn(generator) != first
    generators.set_states(states, generator)
    assert drawn(generator) == first


def test_a_trial_draws_from_nobody() -> None:
    generator = torch.Generator().manual_seed(3)
    states = generators.states(generator)
    first = drawn(generator)
    generators.set_states(states, generator)
    generators.try_states(generators.states(torch.Generator().manual_seed(4)), generator)
    assert drawn(generator) == first


def test_a_generator_more_or_less_is_named() -> None:
    with pytest.raises(ValueError, match="written without a generator"):
        generators.try_states(generators.states(), torch.Generator())
    with pytest.raises(ValueError, match="written with a generator"):
        generators.try_states(generators.states(torch.Generator()))
