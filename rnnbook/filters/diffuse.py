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
from rnnbook.filters.statespace import StateSpace, with_both_axes


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
    size: Tensor

    def filtered(self) -> tuple[Tensor, Tensor]:
        """m: (T, B, n) and P: (T, B, n, n) given y_1..y_t; NaN and ∞ as long as those leave δ undetermined."""
        G, h = self.information.cumsum(0), self.told.cumsum(0)
        known = _rank(G, self.size.cumsum(0)) == G.shape[-1]
        cov, _ = _inverse(torch.where(known[..., None, None], G, torch.eye(G.shape[-1]).to(G)))
        m, M = _split(self.runs.m, self.delta.shape[1])
        P = self.runs.P[:, : m.shape[1]]
        m = m + (M @ (cov @ h[..., None]).to(M))[..., 0]
        P = P + M @ cov.to(M) @ M.mT
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
    h'G⁻¹h/2 − (log det G)/2. Raises ValueError where the data leave part of δ undetermined, in whatever units, and
    where they tell two directions apart by less than 1e-5 of themselves: of the digits of δ twice as many are lost.
    TypeError and ValueError else as `rnnbook.filters.kalman.filter` does.
    Source: de Jong 1991, The diffuse Kalman filter.
    """
    expect.finite("X", expect.tensor("X", X, [("n", model.n), ("d", None)], like=model.A))
    # Checked here: an error of the filter of all 1 + d series would name sizes that nobody gave.
    y, seen = kalman.measurements(model, y, mask)
    (T, B, p), d = y.shape, X.shape[1]
    model.check_sizes(T, B)
    many = torch.cat((y, y.new_zeros(T, B * d, p)), 1)
    mask = None if seen is None else seen.mT.repeat(1, 1 + d, 1)
    starts = torch.cat((model.m.expand(B, -1), X.T.repeat_interleave(B, 0)))
    runs = kalman.filter(_tiled(model, starts, 1 + d), many, mask)
    S_inv = runs.unrounded("S_inv")[:, :B]
    v, V = (X.to(S_inv) for X in _split(runs.v, d))
    information, told = V.mT @ S_inv @ V, -(V.mT @ S_inv @ v[..., None])[..., 0]
    M = _split(runs.m_pred, d)[1]
    terms = with_both_axes(model.C.abs(), T).to(V) @ M.abs().to(V)
    size = (S_inv.diagonal(dim1=-2, dim2=-1)[..., None] * terms.square()).sum(-2).detach()
    G, h = information.sum(0), told.sum(0)
    rank = _rank(G, size.sum(0))
    if bool((rank < d).any()):
        b = int(rank.argmin())
        raise ValueError(
            f"y of series {b} determines {int(rank[b])} of the d = {d} unknown directions of X: give more data, "
            "or other directions where these are nearly the same"
        )
    cov, logdet = _inverse(G)
    delta = (cov @ h[..., None])[..., 0]
    gained = ((h * delta).sum(-1) - logdet) / 2
    delta, cov = delta.to(y.dtype), cov.to(y.dtype)
    return Diffuse(delta, cov, runs.log_likelihood[:B] + gained.to(y.dtype), runs, information, told, size)


def _rank(G: Tensor, size: Tensor) -> Tensor:
    """How many of d directions the information G: (..., d, d) determines, whatever their units: (...).

    size: (..., d), the diagonal of G had no terms cancelled in it: what is rounding beside it is nothing.
    """
    G = G.detach()
    variances = G.diagonal(dim1=-2, dim2=-1)
    seen = variances > 1e-24 * size
    scale = torch.where(seen, variances, 1.0).rsqrt() * seen
    rank: Tensor = (torch.linalg.eigvalsh(scale[..., None] * G * scale[..., None, :]) > 1e-10).sum(-1)
    return rank


def _inverse(G: Tensor) -> tuple[Tensor, Tensor]:
    """G⁻¹ and log det G of positive definite matrices (..., d, d)."""
    scale = G.detach().diagonal(dim1=-2, dim2=-1).rsqrt()[..., None]
    factor = torch.linalg.cholesky(G * scale * scale.mT)
    logdet = 2 * (factor.diagonal(dim1=-2, dim2=-1).log() - scale[..., 0].log()).sum(-1)
    return scale * torch.cholesky_inverse(factor) * scale.mT, logdet


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
