"""The filter and the smoother parallel in time: log₂ T rounds instead of T steps. Derived in the chapter smoothing.

Both are products of an associative operation, so the brackets may be set as one likes. On a machine with many
units this takes the time of the depth, about 2 log₂ T products; on one core `rnnbook.filters.kalman` is quicker for
long batches.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from rnnbook.filters.kalman import measurements
from rnnbook.filters.matrices import inverse, root, solve
from rnnbook.filters.smoother import Smoothed
from rnnbook.filters.statespace import StateSpace, with_both_axes

Elements = tuple[Tensor, ...]


def associative_scan(combine: Callable[[Elements, Elements], Elements], elements: Elements) -> Elements:
    """All running products a_1, a_1 ∘ a_2, …, a_1 ∘ … ∘ a_T of T elements, each part with time first.

    combine(earlier, later) joins many pairs at once. Neighbours are joined, the half as many are scanned, and
    the rest is filled in: fewer than 2T combinations in about 2 log₂ T rounds.
    Source: Blelloch 1990, Prefix sums and their applications.
    """
    T = len(elements[0])
    if T < 2:
        return elements
    even, odd = (tuple(part[k : T - T % 2 : 2] for part in elements) for k in (0, 1))
    joined = associative_scan(combine, combine(even, odd))
    later = tuple(part[2::2] for part in elements)
    n = len(later[0])
    filled = combine(tuple(part[:n] for part in joined), later) if n > 0 else later
    result = []
    for part, ends, between in zip(elements, joined, filled, strict=True):
        starts = torch.cat((part[:1], between))
        whole = torch.stack((starts[: len(ends)], ends), 1).flatten(0, 1)
        result.append(torch.cat((whole, starts[len(ends) :])))
    return tuple(result)


def filter(model: StateSpace, y: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """m: (T, B, n) and P: (T, B, n, n) of `rnnbook.filters.kalman.filter`, by a scan over time.

    An element (A, b, P, η, J) holds what a stretch of time does: the state after it, given the one before, is
    N(A s + b, P), and the information that its measurements give about the one before is (η, J). Computed in float64.
    Arguments and errors are those of `rnnbook.filters.kalman.filter`, but that C Q C' + R must be positive definite
    here.
    Source: Särkkä & García-Fernández 2021, Temporal parallelization of Bayesian smoothers.
    """
    y, seen = measurements(model, y, mask)
    T, B, _ = y.shape
    model.check_sizes(T, B)
    A, C, Q, R = (with_both_axes(X.double(), T) for X in (model.A, model.C, model.Q, model.R))
    if seen is not None:
        here = seen.mT.to(A)
        C = here[..., None] * C
        R = here[..., None] * R * here[..., None, :] + torch.diag_embed(1 - here)
    axes = max(X.shape[1] for X in (A, C, Q, R, model.P[None] if model.P.dim() == 3 else A))
    first = (torch.arange(T, device=y.device) == 0)[:, None, None, None]
    # The first element begins from nothing: its A is 0 and its noise is the prior's.
    Q = torch.where(first, model.P.double(), Q)
    A = torch.where(first, 0.0, A)
    start = torch.where(first, model.m.double().expand(B, -1)[..., None], 0.0)
    v = y.double()[..., None] - C @ start
    S = C @ Q @ C.mT + R
    S_inv, logdet = inverse(S.movedim((-2, -1), (0, 1)).flatten(2))
    S_inv, logdet = S_inv.permute(2, 0, 1).view(S.shape), logdet.view(S.shape[:2])
    failed = (~logdet.detach().isfinite()).any(1).nonzero()
    if len(failed) > 0:
        raise ValueError(
            f"C Q C' + R (at t = 1: C P C' + R) is not positive definite at t={int(failed[0]) + 1}: make R larger, or "
            "use rnnbook.filters.kalman.filter, which also takes measurements without noise"
        )
    gain = Q @ C.mT @ S_inv
    told = S_inv @ C @ A
    I_KC = torch.eye(model.n).to(A) - gain @ C
    P = I_KC @ Q @ I_KC.mT + gain @ R @ gain.mT
    matrices = [X.expand(T, axes, -1, -1) for X in (I_KC @ A, P, A.mT @ C.mT @ told)]
    parts = (matrices[0], start + gain @ v, matrices[1], told.mT @ (v + C @ start), matrices[2])
    _, b, P, _, _ = associative_scan(_join_filters, parts)
    return b[..., 0].to(y.dtype), P.expand(-1, B, -1, -1).to(y.dtype)


def _join_filters(i: Elements, j: Elements) -> Elements:
    """Two stretches as one, with W = (P_i⁻¹ + J_j)⁻¹ and V = (J_j⁻¹ + P_i)⁻¹; neither P_i nor J_j is inverted."""
    A_i, b_i, P_i, eta_i, J_i = i
    A_j, b_j, P_j, eta_j, J_j = j
    W, V = _both(P_i, J_j), _both(J_j, P_i)
    D = A_j - A_j @ W @ J_j
    news = eta_j - J_j @ b_i
    return (
        D @ A_i,
        A_j @ (b_i + W @ news) + b_j,
        A_j @ W @ A_j.mT + P_j,
        A_i.mT @ (news - J_j @ (W @ news)) + eta_i,
        A_i.mT @ V @ A_i + J_i,
    )


def _both(X: Tensor, Y: Tensor) -> Tensor:
    """(X⁻¹ + Y)⁻¹ = L (I + L'YL)⁻¹ L' with X = LL', for positive semidefinite X and Y: (T, B, n, n)."""
    L = _root(X)
    factor = torch.linalg.cholesky(torch.eye(L.shape[-1]).to(L) + L.mT @ Y @ L)
    Z: Tensor = torch.linalg.solve_triangular(factor, L.mT, upper=False)
    return Z.mT @ Z


def _root(X: Tensor) -> Tensor:
    """L with X = LL', for positive semidefinite X: (T, B, n, n)."""
    X = X.movedim((-2, -1), (0, 1))
    return root(X, X[:, :0])[0].movedim((0, 1), (-1, -2))


def smooth(model: StateSpace, m: Tensor, P: Tensor) -> Smoothed:
    """`smoother.smooth` by a scan over time, backwards, from the filter's m: (T, B, n) and P: (T, B, n, n).

    An element (E, g, L) says that the state at its start, given the one after its end, is N(E s + g, L).
    A P rounded to float32 has lost what is 1e-7 of it: where the prior is that far above the noise, use float64.
    Source: Särkkä & García-Fernández 2021, Temporal parallelization of Bayesian smoothers.
    """
    T = len(m)
    A, Q = (with_both_axes(X.double(), T)[1:] for X in (model.A, model.Q))
    shared = P.stride(1) == 0 and A.shape[1] == Q.shape[1] == 1
    B, dtype = P.shape[1], m.dtype
    P, m = P.double()[:, :1] if shared else P.double(), m.double()[..., None]
    before = _root(P[:-1])
    AU = A @ before
    S, AP = (X.movedim((-2, -1), (0, 1)) for X in (AU @ AU.mT + Q, AU @ before.mT))
    E = solve(S, AP).movedim((0, 1), (-1, -2))
    g = m[:-1] - E @ A @ m[:-1]
    left = before - E @ AU
    L = left @ left.mT + E @ Q @ E.mT
    last = torch.zeros_like(P[:1])
    E, g, L = (torch.cat(pair).flip(0) for pair in ((E, last), (g, m[-1:]), (L, P[-1:])))
    E, g, L = (part.flip(0) for part in associative_scan(_join_smoothers, (E, g, L)))
    return Smoothed(g[..., 0].to(dtype), L.expand(-1, B, -1, -1).to(dtype))


def _join_smoothers(j: Elements, i: Elements) -> Elements:
    """j is later in time than i: the scan runs backwards."""
    E_i, g_i, L_i = i
    E_j, g_j, L_j = j
    return E_i @ E_j, E_i @ g_j + g_i, E_i @ L_j @ E_i.mT + L_i
