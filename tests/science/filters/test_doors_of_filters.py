"""Steady states, networks and hidden Markov models name what is wrong with what they are given."""

import pytest
import torch
from doors import refuses

from rnnbook.filters import hmm, kalman, networks, steady
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import local_level

MODEL = local_level(1.0, 1.0)
HALF = torch.tensor([0.5, 0.5])
CHAIN = hmm.MarkovChain(HALF, torch.eye(2))
LOG_B = torch.zeros(3, 1, 2)

DOORS = [
    (steady.scalar, "a q r", {"a": 0.5, "q": 1.0, "r": 1.0}),
    (steady.steady, "model", {"model": MODEL}),
    (networks.filter_network, "model", {"model": MODEL}),
    (networks.smoother_network, "model skip", {"model": MODEL, "skip": True}),
    (smooth, "lag", {"filtered": kalman.filter(MODEL, LOG_B[:, :, :1].to(MODEL.A)), "lag": False}),
    (networks.units, "model tolerance", {"model": MODEL, "tolerance": 1e-8}),
    (hmm.MarkovChain, "prior transition", {"prior": HALF, "transition": torch.eye(2)}),
    (hmm.forward_backward, "chain log_b", {"chain": CHAIN, "log_b": LOG_B}),
    (hmm.viterbi, "chain log_b", {"chain": CHAIN, "log_b": LOG_B}),
    (hmm.noisy_chain, "B T K stay spread", {"B": 2, "T": 3, "K": 3, "stay": 0.9, "spread": 0.8}),
    (hmm.noisy_chain_model, "x K stay spread", {"x": LOG_B[:, :, :1], "K": 3, "stay": 0.9, "spread": 0.8}),
]


@pytest.mark.parametrize(
    ("door", "argument", "good"),
    [(door, argument, good) for door, names, good in DOORS for argument in names.split()],
    ids=lambda value: getattr(value, "__name__", value) if callable(value) or isinstance(value, str) else "",
)
def test_wrong_input_is_named(door, argument, good):
    refuses(door, good, argument)
