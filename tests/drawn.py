"""Matrices and linear maps drawn at random, and how far two results lie apart."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnbook.dynamics.modes import spectral_radius
from rnnbook.linear.realisation import LinearRNN

F64 = torch.float64


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=F64)


def random_rnn(n: int, I: int = 1, O: int = 1, radius: float = 0.9, skip: bool = True) -> LinearRNN:
    """A linear RNN of n units whose W has this spectral radius."""
    W = randn(n, n)
    D = randn(O, I) if skip else torch.zeros(O, I, dtype=F64)
    return LinearRNN(W * radius / spectral_radius(W), randn(n, I), randn(O, n), D)


def gap(first: Tensor | Sequence[Tensor], second: Tensor | Sequence[Tensor]) -> float:
    """The largest difference between two tensors, or two lists of them; NaN where there is a NaN."""
    first, second = ([x] if isinstance(x, Tensor) else x for x in (first, second))
    gaps = [(a - b).abs().max() for a, b in zip(first, second, strict=True) if a.numel() > 0]
    return torch.stack(gaps).max().item()
