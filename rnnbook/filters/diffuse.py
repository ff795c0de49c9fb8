"""An unknown start, treated exactly: filter, smoother and likelihood when nothing is known of part of s_1.

The start is s_1 = m + X δ + noise with no prior on δ at all. The filter is linear, so it is run for the data
and once more for each column of X as if that were a series; δ then follows by least squares. No large number
stands in for infinity.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.filters import kalman
from rnnbook.filters.kalman import Filtered
from rnnbook.filters.smoother import Smoothed, smooth
from rnnbook.filters.statespace import StateSpace


@dataclass(frozen=True)
class Diffuse:
    """The start that the data tell: delta: (B, d), its covariance delta_cov: (B, d, d), and log_likelihood: (B,).

    log_likelihood is the limit of log p(y) + (d/2) log κ where δ ~ N(0, κ I) and κ → ∞.
    """

    delta: Tensor
    delta_cov: Tensor
    log_likelihood: Tensor
    runs: Filtered
    information: Tensor
    told: Tensor

    def filtered(self) -> tuple[Tensor, Tensor]:
        """m: (T, B, n) and P: (T, B, n, n) given y_1..y_t; NaN and ∞ as long as those leave δ undetermined."""
        G, h = self.information.cumsum(0), self.told.cumsum(0)
        known = torch.linalg.matrix_rank(G.detach(), hermitian=True) == G.shape[-1]
        G = torch.where(known[..., None, None], G, torch.eye(G.shape[-1]).to(G))
        m, M = _split(self.runs.m, self.delta.shape[1])
        P = self.runs.P[:, : m.shape[1]]
        m = m + (M @ torch.linalg.solve(G, h)[..., None])[..., 0]
        P = P + M @ torch.linalg.solve(G, M.mT)
        return torch.where(known[..., None], m, torch.nan), torch.where(known[..., None, None], P, torch.inf)

    def smoothed(self, lag: bool = False) -> Smoothed:
        """What the whole series tells of every state, as `rnnbook.filters.smoother.smooth` gives it."""
        runs = smooth(self.runs, lag)
        m, M = _split(runs.m, self.delta.shape[1])
        B = m.shape[1]
        P = runs.P[:, :B] + M @ self.delta_cov @ M.mT
        lags = None if runs.lag is None else runs.lag[:, :B] + M[1:] @ self.delta_cov @ M[:-1].mT
        return Smoothed(m + (M @ self.delta[..., None])[..., 0], P, lags)


def filter(model: StateSpace, y: Tensor, X: Tensor, mask: Tensor | None = None) -> Diffuse:
    """Filter series whose start is s_1 = m + X δ + noise of covariance P, with δ entirely unknown.

    X: (n, d), one column for each unknown direction, such as `torch.eye(n)` with P = 0 where nothing of s_1
    is known. y: (T, B, p) and mask as for `rnnbook.filters.kalman.filter`.
    With v the innovations of the data and V those of the columns of X, of covariance S,
    G = Σ V'S⁻¹V,  h = −Σ V'S⁻¹v,  δ = G⁻¹h with covariance G⁻¹, and the logarithm of the likelihood gains
    h'G⁻¹h/2 − (log det G)/2. Raises ValueError where the data leave part of δ undetermined, and TypeError and
    ValueError as `rnnbook.filters.kalman.filter` does.
    Source: de Jong 1991, The diffuse Kalman filter.
    """
    expect.tensor("X", X, [("n", model.n), ("d", None)], like=model.A)
    # Checked here: an error of the filter of all 1 + d series would name sizes that nobody gave.
    y, seen = kalman.measurements(model, y, mask)
    (T, B, p), d = y.shape, X.shape[1]
    model.check_sizes(T, B)
    many = torch.cat((y, y.new_zeros(T, B * d, p)), 1)
    mask = None if seen is None else seen.mT.repeat(1, 1 + d, 1)
    starts = torch.cat((model.m.expand(B, -1), X.T.repeat_interleave(B, 0)))
    runs = kalman.filter(_tiled(model, starts, 1 + d), many, mask)
    v, V = _split(runs.v, d)
    S_inv = runs.S_inv[:, :B]
    information, told = V.mT @ S_inv @ V, -(V.mT @ S_inv @ v[..., None])[..., 0]
    G, h = information.sum(0), told.sum(0)
    rank = torch.linalg.matrix_rank(G.detach(), hermitian=True)
    if bool((rank < d).any()):
        b = int(rank.argmin())
        raise ValueError(f"y of series {b} determines {int(rank[b])} of the d = {d} unknown directions of X")
    delta, cov = torch.linalg.solve(G, h), torch.linalg.inv(G)
    gained = ((h * delta).sum(-1) - torch.logdet(G)) / 2
    return Diffuse(delta, cov, runs.log_likelihood[:B] + gained, runs, information, told)


def _tiled(model: StateSpace, m: Tensor, times: int) -> StateSpace:
    def tile(X: Tensor, axis: int) -> Tensor:
        return torch.cat([X] * times, axis) if X.shape[axis] > 1 else X

    matrices = {name: getattr(model, name) for name in "ACQR"}
    own = {name: tile(X, 1) for name, X in matrices.items() if X.dim() == 4}
    return replace(model, m=m, P=tile(model.P, 0) if model.P.dim() == 3 else model.P, **own)


def _split(X: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """The data's part (T, B, .) and the columns' (T, B, ., d) of (T, B (1 + d), .)."""
    data, *columns = X.chunk(1 + d, 1)
    return data, torch.stack(columns, -1)
