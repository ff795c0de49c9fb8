"""Smoothers: what the whole series tells of every state. Derived in the chapter smoothing.

Three forms of one estimate: `rts`, the recursion of the chapter; `smooth`, the same for any covariance and soon;
`two_filter`, a second filter from the future, joined with the first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook.filters.batches import Steps, by_series, of_series, runs
from rnnbook.filters.kalman import FEW, Filtered, Gain, at_once, measurements
from rnnbook.filters.matrices import (
    apply,
    congruence,
    is_rounding,
    minus,
    plus,
    plus_applied,
    predicted,
    product,
    root,
    solve,
    transpose,
)
from rnnbook.filters.statespace import over_time, with_both_axes
from rnnbook.layers.scan_dense import doubling


@dataclass(frozen=True)
class Smoothed:
    """What y_1..y_T tell of s_t: mean m: (T, B, n) and covariance P: (T, B, n, n).

    lag: (T−1, B, n, n), Cov(s_{t+1}, s_t | y_1..y_T) at index t−1; None where it was not asked for.
    """

    m: Tensor
    P: Tensor
    lag: Tensor | None = None


def rts(filtered: Filtered) -> Smoothed:
    """The smoother as the chapter writes it, step for step; the same numbers as `smooth`.

    With the filter's m, P and its prediction m⁺ = A m, P⁺ = A P A' + Q for t+1:  J = P A' P⁺⁻¹,
    m_s = m + J (m_s⁺ − m⁺),  P_s = (I − JA) P (I − JA)' + J (Q + P_s⁺) J',  Cov(s_{t+1}, s_t) = P_s⁺ J'.
    This P_s is P + J (P_s⁺ − P⁺) J', written as a sum of what is positive: the difference would lose all digits where
    P is far above P_s. Raises ValueError where P⁺ is singular up to rounding: use `smooth` there.
    Source: Rauch, Tung & Striebel 1965, Maximum likelihood estimates of linear dynamic systems.
    """
    m, P = filtered.m.double()[..., None], filtered.unrounded("P")
    A, Q = (with_both_axes(X.double(), len(m))[1:] for X in (filtered.model.A, filtered.model.Q))
    AP = A @ P[:-1]
    J = _divided(AP @ A.mT + Q, AP, "A P A' + Q, the covariance of a prediction,", first=2).mT
    I_JA = torch.eye(filtered.model.n).to(P) - J @ A
    means, covariances = [m[-1]], [P[-1]]
    for t in range(len(m) - 2, -1, -1):
        means.append(m[t] + J[t] @ (means[-1] - A[t] @ m[t]))
        covariances.append(I_JA[t] @ P[t] @ I_JA[t].mT + J[t] @ (Q[t] + covariances[-1]) @ J[t].mT)
    m_s, P_s = torch.stack(means[::-1])[..., 0], torch.stack(covariances[::-1])
    return Smoothed(*(X.to(filtered.m.dtype) for X in (m_s, P_s, P_s[1:] @ J.mT)))


def _divided(S: Tensor, Y: Tensor, name: str, first: int) -> Tensor:
    """S⁻¹ Y for S: (T, B, n, n), where S[0] is that of t = first; ValueError unless all are positive definite."""
    scale = S.detach().diagonal(dim1=-2, dim2=-1).rsqrt()[..., None]
    factor, failed = torch.linalg.cholesky_ex(S * scale * scale.mT)
    pivots = factor.detach().diagonal(dim1=-2, dim2=-1).square()
    singular = (failed > 0) | ~(pivots > S.shape[-1] * torch.finfo(S.dtype).eps).all(-1)
    if bool(singular.any()):
        t = int(singular.any(1).nonzero()[0])
        raise ValueError(f"{name} must be positive definite, got a singular matrix at t={t + first}: use smooth")
    return scale * torch.cholesky_solve(scale * Y, factor)


def smooth(filtered: Filtered, lag: bool = False) -> Smoothed:
    """Smooth backwards from what `rnnbook.filters.kalman.filter` found; with lag=True the lag-one covariances as well.

    As `rts`, for any covariance: where A P A' + Q is singular, J is zero for what the rest of s_{t+1} determines.
    Where many series have covariances of their own, steps at which no digits are lost by it are taken in the form
    that is quickest there: from r = 0, N = 0 at t = T,  m_s = m + P r,  P_s = P − P N P,  Cov = (I − P⁺ N) A P;
    then the measurement, r ← r + C'(S⁻¹v − K'r), N ← (I − KC)' N (I − KC) + C'S⁻¹C, and the step, r ← A'r, N ← A'NA.
    A gradient takes what is known exactly, where A P A' + Q is singular, as exactly known.
    Source: Rauch, Tung & Striebel 1965, Maximum likelihood estimates of linear dynamic systems; for r and N, Durbin &
    Koopman 2012, Time series analysis by state space methods, sections 4.4 and 4.7.
    """
    T, B, _ = filtered.m.shape
    gains, group = filtered.gains, filtered.group
    P, m = gains[-1].P, filtered.m.mT
    means = Steps(T, m[0], filtered.m.requires_grad)
    covariances = Steps(T, P, P.requires_grad)
    means.fill(T - 1, T, m[-1])
    covariances.fill(T - 1, T, P)
    lags = Steps(T - 1, P, P.requires_grad) if lag and T > 1 else None
    left = T - 1 if P.dim() == 2 else _by_information(filtered, means, covariances, lags)
    _by_conditioning(filtered, left, means, covariances, lags)
    dtype = filtered.m.dtype
    P_s = by_series(covariances.tensor(), group, B).to(dtype)
    none = P_s.new_empty(0, *P_s.shape[1:]) if lag else None
    return Smoothed(means.tensor().mT, P_s, none if lags is None else by_series(lags.tensor(), group, B).to(dtype))


def _by_information(filtered: Filtered, means: Steps, covariances: Steps, lags: Steps | None) -> int:
    """Smooth from the end with r and N while no digits are lost, where series have their own; how many steps are left.

    N must be right to a unit of P⁻¹, however large the terms that it is a difference of: where P is far above P_s,
    they are too large.
    """
    gains, group, T = filtered.gains, filtered.group, len(filtered.m)
    A, C, Q = (over_time(X.double(), T) for X in (filtered.model.A, filtered.model.C, filtered.model.Q))
    v, m = filtered.v.double().mT, filtered.m.mT
    N, r = torch.zeros_like(gains[-1].P), v.new_zeros(m[0].shape)
    for t in range(T - 1, 0, -1):
        if gains[t].steep:
            return t
        P, N_pred = gains[t - 1].P, _measured(N, C[t], gains[t])
        lag = None if lags is None else _lag(P, N_pred, A[t], Q[t])
        N = congruence(transpose(A[t]), N_pred)
        P_s = minus(P, product(P, N), P)
        if _cancels(P, P_s, N_pred, A[t]):
            return t
        covariances.fill(t - 1, t, P_s)
        if lags is not None and lag is not None:
            lags.fill(t - 1, t, lag)
        K, S_inv, P = (of_series(X, group) for X in (gains[t].K, gains[t].S_inv, P))
        new = plus_applied(apply(S_inv, v[t]), transpose(K), r, sign=-1)
        r = apply(transpose(A[t]), plus_applied(r, transpose(C[t]), new))
        means.fill(t - 1, t, plus_applied(m[t - 1], P.to(m.dtype), r.to(m.dtype)))
    return 0


def _measured(N: Tensor, C: Tensor, gain: Gain) -> Tensor:
    """(I − KC)' N (I − KC) + C'S⁻¹C, written with the p rows of C.

    This form is right for a symmetric N alone: rounding that is not symmetric grows where A expands.
    """
    N = (N + transpose(N)) / 2
    KN = product(transpose(gain.K), N)
    twice = torch.sub(product(product(KN, gain.K) + gain.S_inv, C), KN, alpha=2)
    CD = product(transpose(C), twice)
    return torch.add(N, CD, alpha=0.5).add_(transpose(CD), alpha=0.5)


def _lag(P: Tensor, N: Tensor, A: Tensor, Q: Tensor) -> Tensor:
    """(I − P⁺ N) A P, with P⁺ = A P A' + Q the covariance of the prediction and N on its side of the step."""
    AP = product(A, P)
    P_pred = predicted(A, P, Q)
    return AP - product(P_pred, product(N, AP))


def _cancels(P: Tensor, P_s: Tensor, N: Tensor, A: Tensor) -> bool:
    """Whether P_s = P − P A'NA P is far below P for some state of some series, or A'NA far below its terms."""
    P, P_s, N = (X.detach().diagonal(dim1=0, dim2=1).mT for X in (P, P_s, N))
    terms = apply(transpose(A.detach()).abs(), N.clamp(min=0).sqrt())
    return bool(((FEW * P_s < P) | (P * terms.square() > FEW)).any())


def _by_conditioning(filtered: Filtered, left: int, means: Steps, covariances: Steps, lags: Steps | None) -> None:
    """The first `left` steps of `smooth`, backwards: s_t given s_{t+1} and the past, averaged over what s_{t+1} may be.

    The gains J and what they leave of P are found for many steps at once, which costs no more than for one.
    """
    gains, group, m = filtered.gains, filtered.group, filtered.m
    A, Q = (over_time(X.double(), len(m)) for X in (filtered.model.A, filtered.model.Q))
    pieces = [(start, min(stop, left)) for start, stop in runs(gains) if start < left]
    keeps_gradient = covariances.buffer is None
    P_s, m_s = covariances.at(left), means.at(left)
    width = max(1, 1024 // (P_s.shape[2] if P_s.dim() == 3 else 1))
    for first in reversed(range(0, len(pieces), width)):
        chunk = pieces[first : first + width]
        after = [start + 1 for start, _ in chunk]
        found = _conditionals([gains[t - 1].P for t in after], [A[t] for t in after], [Q[t] for t in after])
        for (start, stop), J, P_c in reversed(list(zip(chunk, *found, strict=True))):
            A_t, J_t = A[start + 1].to(m.dtype), of_series(J.to(m.dtype), group)
            if at_once(stop - start, m_s):
                alone = m[start:stop] - m[start:stop] @ A_t.T @ J_t.T
                run = doubling(J_t.T, torch.cat((alone, m_s.T[None])), back=True)[:-1].mT
                means.fill_each(start, stop, run)
                m_s = run[0]
            else:
                for t in reversed(range(start, stop)):
                    m_s = plus_applied(m[t].T, J_t, m_s - apply(A_t, m[t].T))
                    means.fill(t, t + 1, m_s)
            t = stop - 1
            while t >= start:
                lag = None if lags is None else product(P_s, transpose(J))
                before = P_s
                if P_s.dim() == 3:
                    JU = product(J, transpose(root(P_s, P_s[:, :0])[0]))
                    P_s = P_c + product(JU, transpose(JU))
                else:
                    P_s = predicted(J, P_s, P_c)
                # Between equal gains changes shrink as in the filter, which settled there: the rest of the run
                # repeats this step. Its gradient has more to gather.
                settled = P_s.dim() == 2 and (stop - t) % 4 == 0 and not keeps_gradient and is_rounding(P_s, before)
                to = start if settled else t
                covariances.fill(to, t + 1, P_s)
                if lags is not None and lag is not None:
                    lags.fill(to, t + 1, lag)
                t = to - 1


def _conditionals(P: list[Tensor], A: list[Tensor], Q: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """J = P A' (A P A' + Q)⁻¹ and (I − JA) P (I − JA)' + J Q J', the covariance of s_t given s_{t+1}, step by step."""
    G = P[0].shape[2] if P[0].dim() == 3 else 1

    def columns(X: list[Tensor]) -> Tensor:
        return torch.stack([x if x.dim() == 3 else x[:, :, None].expand(-1, -1, G) for x in X], 2).flatten(2)

    all_P = columns(P)
    all_A, all_Q = (X[0] if X[0].dim() == 2 and all(x is X[0] for x in X) else columns(X) for X in (A, Q))
    # With a root of P even what rounding leaves is a sum of squares.
    U, _ = root(all_P, all_P[:, :0])
    AU = product(all_A, transpose(U))
    J = transpose(solve(plus(product(AU, transpose(AU)), all_Q), product(AU, U)))
    left = transpose(U) - product(J, AU)
    P_c = product(left, transpose(left)) + congruence(J, all_Q)
    parts = (X.view(len(J), len(J), len(P), G) for X in (J.contiguous(), (P_c + transpose(P_c)) / 2))
    if P[0].dim() == 3:
        J_t, P_t = (list(X.unbind(2)) for X in parts)
    else:
        J_t, P_t = (list(X[..., 0].permute(2, 0, 1).contiguous().unbind(0)) for X in parts)
    return J_t, P_t


def two_filter(filtered: Filtered, y: Tensor, mask: Tensor | None = None) -> Smoothed:
    """The smoother as a filter from the past joined with one from the future, in information form.

    The future's filter carries what y_{t+1}..y_T tell of s_t with no prior: an information matrix Λ and vector
    λ, both 0 at t = T. A measurement adds: Λ ← Λ + C'R⁻¹C, λ ← λ + C'R⁻¹y. A step back blurs:
    Λ ← A'(I + ΛQ)⁻¹ΛA, λ ← A'(I + ΛQ)⁻¹λ. Then P_s = (I + PΛ)⁻¹P and m_s = m + P_s (λ − Λm).
    With Λ = U'U each step is a square: Λ ← A'U'(I + UQU')⁻¹UA; and so is P_s, with the root of P.
    y and mask are those given to the filter. Raises ValueError where they are not, and where R is singular up to
    rounding.
    Source: Fraser & Potter 1969, The optimum linear smoother as a combination of two optimum linear filters.
    """
    model, (T, B, n) = filtered.model, filtered.m.shape
    y, seen = measurements(model, y, mask)
    _require_same(filtered, y, seen)
    C, R = (with_both_axes(X.double(), T) for X in (model.C, model.R))
    y = y.double()
    here = torch.ones_like(y) if seen is None else seen.mT.to(y)
    shared = seen is None and model.shares_covariance
    width = 1 if shared else B  # how many information matrices there are
    here = here[:, :width]
    C = here[..., None] * C
    R = here[..., None] * R * here[..., None, :] + torch.diag_embed(1 - here)
    weighted = _divided(R, C, "R", first=1).mT
    gained = (weighted @ C).permute(0, 2, 3, 1)
    told = (weighted @ y[..., None])[..., 0].mT.reshape(T, n, B // width, width)
    A, Q = (over_time(X.double(), T) for X in (model.A, model.Q))
    eye = torch.eye(n).to(y)[:, :, None]
    info, vector = [torch.zeros_like(gained[0])], [torch.zeros_like(told[0])]
    for t in range(T - 1, 0, -1):
        U, u = root(info[-1] + gained[t], vector[-1] + told[t])
        _, Z = root(eye + congruence(U, Q[t]), torch.cat((product(U, A[t]), u), 1))
        info.append(product(transpose(Z[:, :n]), Z[:, :n]))
        vector.append(product(transpose(Z[:, :n]), Z[:, n:]))
    L, l = (torch.stack(X[::-1], 2) for X in (info, vector))
    P = filtered.unrounded("P")[:, :width].permute(2, 3, 0, 1)
    U, _ = root(P, P[:, :0])
    L, U = L.flatten(2), U.flatten(2)
    _, Z = root(eye + congruence(U, L), U)
    P_s = product(transpose(Z), Z)
    m = filtered.m.double().permute(2, 1, 0).reshape(n, B // width, width, T).transpose(2, 3).flatten(2)
    m_s = m + product(P_s, l.flatten(2) - product(L, m))
    m_s = m_s.view(n, B // width, T, width).permute(2, 1, 3, 0).reshape(T, B, n)
    P_s = P_s.view(n, n, T, width).permute(2, 3, 0, 1).expand(-1, B, -1, -1)
    return Smoothed(m_s.to(filtered.m.dtype), P_s.to(filtered.m.dtype))


def _require_same(filtered: Filtered, y: Tensor, seen: Tensor | None) -> None:
    """ValueError unless y and what is seen of it are what `filtered` was made from, up to rounding."""
    if y.shape[:2] != filtered.m.shape[:2]:
        raise ValueError(
            f"y must be the one that was filtered, of T, B = {tuple(filtered.m.shape[:2])}, got {tuple(y.shape[:2])}"
        )
    there = torch.ones_like(y, dtype=torch.bool) if seen is None else seen.mT
    known = filtered.S_inv.detach().diagonal(dim1=-2, dim2=-1) != 0
    if not torch.equal(there.expand_as(known), known):
        t, b, i = (there != known).nonzero()[0].tolist()
        raise ValueError(f"y and mask must miss what they missed when filtered, got another at (t, b, i) = {t, b, i}")
    C = with_both_axes(filtered.model.C, len(y))
    m = filtered.m_pred.detach()[..., None]
    gap = torch.where(there, (y - (C @ m)[..., 0] - filtered.v).abs(), 0.0).detach()
    size = (y.abs() + (C.abs() @ m.abs())[..., 0]).detach().amax(0)
    if bool((gap > torch.finfo(y.dtype).eps ** 0.5 * size).any()):
        t, b, i = (gap > torch.finfo(y.dtype).eps ** 0.5 * size).nonzero()[0].tolist()
        raise ValueError(f"y must be the one that was filtered, got another at (t, b, i) = {t, b, i}")
