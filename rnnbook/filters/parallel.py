"""The filter and the smoother parallel in time: log₂ T rounds instead of T steps. Derived in the chapter smoothing.

Both are products of an associative operation, so the brackets may be set as one likes. On a machine with many
units this takes the time of the depth, about 2 log₂ T products; on one core `rnnbook.filters.kalman` is quicker for
long batches.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from rnnbook.filters.kalman import measurements
from rnnbook.filters.smoother import Smoothed, joined, with_measurement
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
    _, m, P, _, _ = associative_scan(_join, _elements(model, y, mask))
    return m[..., 0].to(y.dtype), P.expand(-1, y.shape[1], -1, -1).to(y.dtype)


def smooth(model: StateSpace, y: Tensor, mask: Tensor | None = None) -> Smoothed:
    """`smoother.smooth` by two scans over time: one from the past as in `filter`, and one from the future.

    The second gives what y_{t+1}..y_T tell of s_t, (η, J); then P_s = (I + PJ)⁻¹P and m_s = m + P_s (η − Jm).
    Arguments and errors are those of `filter`.
    Source: Särkkä & García-Fernández 2021, Temporal parallelization of Bayesian smoothers.
    """
    elements = _elements(model, y, mask)
    _, m, P, _, _ = associative_scan(_join, elements)
    from_the_end = tuple(part[1:].flip(0) for part in elements)
    told = associative_scan(lambda later, earlier: _join(earlier, later), from_the_end)
    # Nothing follows the last.
    eta, J = (
        torch.cat((part.flip(0), torch.zeros_like(whole[:1]))) for part, whole in zip(told[3:], (m, P), strict=True)
    )
    P_s = _both(P, J)
    m_s = m + P_s @ (eta - J @ m)
    return Smoothed(m_s[..., 0].to(y.dtype), P_s.expand(-1, y.shape[1], -1, -1).to(y.dtype))


def _elements(model: StateSpace, y: Tensor, mask: Tensor | None) -> Elements:
    y, seen = measurements(model, y, mask)
    T, B, _ = y.shape
    model.check_sizes(T, B)
    A, C, Q, R = (with_both_axes(X.double(), T) for X in (model.A, model.C, model.Q, model.R))
    first = (torch.arange(T, device=y.device) == 0)[:, None, None, None]
    # The first element begins from nothing: its A is 0 and its noise is the prior's.
    Q = torch.where(first, model.P.double(), Q)
    A = torch.where(first, 0.0, A)
    start = torch.where(first, model.m.double().expand(B, -1)[..., None], 0.0)
    found = with_measurement(A, C, Q, R, None if seen is None else seen.mT)
    if isinstance(found, int):
        raise ValueError(
            f"C Q C' + R (at t = 1: C P C' + R) is not positive definite at t={found + 1}: make R larger, or "
            "use rnnbook.filters.kalman.filter, which also takes measurements without noise"
        )
    gain, A, P, told, J = found
    v = y.double()[..., None] - C @ start
    axes = max(A.shape[1], P.shape[1], J.shape[1])
    A, P, J = (X.expand(T, axes, -1, -1) for X in (A, P, J))
    return A, start + gain @ v, P, told @ v, J


def _join(i: Elements, j: Elements) -> Elements:
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
    """(X⁻¹ + Y)⁻¹ for positive semidefinite X and Y: (T, B, n, n)."""
    X, Y = (Z.movedim((-2, -1), (0, 1)) for Z in (X, Y))
    return joined(X, Y, X[:, :0]).movedim((0, 1), (-2, -1))
