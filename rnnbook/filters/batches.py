"""Many series at once: which of them share their matrices, and how values at t = 1..T become one tensor."""

import itertools
import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Steps:
    """Values at t = 1..T, to be one tensor (T, ...).

    Where no gradient will pass each goes straight to its place; nothing is gone through twice.
    """

    def __init__(self, T: int, like: Tensor, keeps_gradient: bool) -> None:
        self.buffer = None if keeps_gradient else like.new_empty(T, *like.shape)
        self.values = [like] * T

    def fill(self, start: int, stop: int, X: Tensor) -> None:
        """Let X be the value of the steps start..stop−1, counted from 0."""
        if self.buffer is None:
            self.values[start:stop] = [X] * (stop - start)
        else:
            self.buffer[start:stop] = X

    def fill_each(self, start: int, stop: int, X: Tensor) -> None:
        """Let X: (stop − start, ...) hold the values of the steps start..stop−1."""
        if self.buffer is None:
            self.values[start:stop] = X.unbind(0)
        else:
            self.buffer[start:stop] = X

    def at(self, t: int) -> Tensor:
        """The value of the step t, counted from 0."""
        return self.values[t] if self.buffer is None else self.buffer[t]

    def tensor(self) -> Tensor:
        return torch.stack(self.values) if self.buffer is None else self.buffer


def patterns(seen: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct columns of a bool (K, B): one column index for each, (G,), and the group of each column, (B,)."""
    packed = np.packbits(seen.cpu().numpy(), axis=0).T.copy()
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    return torch.from_numpy(first).to(seen.device), torch.from_numpy(group).to(seen.device)


def runs(steps: Sequence[object]) -> list[tuple[int, int]]:
    """Where the same object is used without a break: pairs (start, stop)."""
    changes = map(operator.is_not, itertools.islice(steps, 1, None), steps)
    starts = [0, *itertools.compress(itertools.count(1), changes)] if len(steps) > 0 else []
    return list(zip(starts, [*starts[1:], len(steps)], strict=True))


def over_steps(steps: Sequence[object], name: str) -> Tensor:
    """One part of what is used at t = 1..T as a tensor, time first."""
    pieces = runs(steps)
    return _repeated([getattr(steps[start], name) for start, _ in pieces], pieces)


def stacked(values: Sequence[Tensor]) -> Tensor:
    """What is used at t = 1..T, time first; the same tensor without a break is gone through once."""
    pieces = runs(values)
    return _repeated([values[start] for start, _ in pieces], pieces)


def _repeated(values: Sequence[Tensor], pieces: Sequence[tuple[int, int]]) -> Tensor:
    """Each value at the steps of its piece: (T, ...)."""
    distinct = torch.stack(list(values))
    if len(pieces) == pieces[-1][1]:
        return distinct
    lengths = torch.tensor([stop - start for start, stop in pieces], device=distinct.device)
    return distinct.repeat_interleave(lengths, 0)


def of_series(X: Tensor, group: Tensor | None) -> Tensor:
    """(a, b, B) from the matrices (a, b, G) of the groups; what all share stays (a, b)."""
    return X if group is None or X.dim() == 2 else X[:, :, group]


def by_series(X: Tensor, group: Tensor | None, B: int) -> Tensor:
    """(T, B, a, b) from what all series share, (T, a, b), or from the groups' (T, a, b, G)."""
    if X.dim() == 3:
        return X[:, None].expand(-1, B, -1, -1)
    return (X if group is None else X[..., group]).permute(0, 3, 1, 2)
