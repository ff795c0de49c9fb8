"""Smoothers: what the whole series tells of every state. Derived in the chapter smoothing.

Three forms of one estimate: `smooth`, backwards with no inverse of a covariance; `rts`, the recursion of the
chapter; `two_filter`, a second filter from the future, joined with the first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook.filters.kalman import Filtered, Gain, at_once, by_series, doubling, measurements, of_series, runs
from rnnbook.filters.statespace import (
    Steps,
    apply,
    congruence,
    is_rounding,
    minus,
    over_time,
    plus_applied,
    predicted,
    product,
    transpose,
    with_both_axes,
)


@dataclass(frozen=True)
class Smoothed:
    """What y_1..y_T tell of s_t: mean m: (T, B, n) and covariance P: (T, B, n, n).

    lag: (T−1, B, n, n), Cov(s_{t+1}, s_t | y_1..y_T) at index t−1; None where it was not asked for.
    """

    m: Tensor
    P: Tensor
    lag: Tensor | None = None


def smooth(filtered: Filtered, lag: bool = False) -> Smoothed:
    """Smooth backwards from what `rnnbook.filters.kalman.filter` found; with lag=True the lag-one covariances as well.

    From r = 0, N = 0 at t = T:  m_s = m + P r,  P_s = P − P N P, with the filter's m and P; then the
    measurement, r ← r + C'(S⁻¹v − K'r), N ← (I − KC)' N (I − KC) + C'S⁻¹C, and the step, r ← A'r, N ← A'NA.
    Nothing of size n is inverted, so singular P and Q are welcome.
    Source: Durbin & Koopman 2012, Time series analysis by state space methods, sections 4.4 and 4.7.
    """
    m = _means(filtered)
    group, B = filtered.group, m.shape[1]
    covariances, lags = _covariances(filtered, lag)
    return Smoothed(m, by_series(covariances, group, B), None if lags is None else by_series(lags, group, B))


def _means(filtered: Filtered) -> Tensor:
    gains, group, T = filtered.gains, filtered.group, len(filtered.m)
    A, C = over_time(filtered.model.A, T), over_time(filtered.model.C, T)
    v, m = filtered.v.mT, filtered.m.mT
    means = Steps(T, m[0], m.requires_grad)
    # What the steps after t tell of s_t, in units of P; nothing at the end.
    r = torch.zeros_like(m[0])
    for start, stop in reversed(runs(gains)):
        P, K, S_inv = (of_series(X, group) for X in (gains[start].P, gains[start].K, gains[start].S_inv))
        if at_once(stop - start, r):
            # A run of equal gains is one linear recurrence, backwards; its last value is r before the run.
            CA = C[start] @ A[start]
            all_r = doubling((A[start] - K @ CA).T, (S_inv @ CA).T @ v[start:stop].flip(0), r).flip(0)
            means.fill_each(start, stop, m[start:stop] + P @ all_r[1:])
            r = all_r[0]
            continue
        for t in range(stop - 1, start - 1, -1):
            means.fill(t, t + 1, plus_applied(m[t], P, r))
            new = plus_applied(apply(S_inv, v[t]), transpose(K), r, sign=-1)
            r = apply(transpose(A[t]), plus_applied(r, transpose(C[t]), new))
    return means.tensor().mT


def _covariances(filtered: Filtered, lag: bool) -> tuple[Tensor, Tensor | None]:
    gains, T = filtered.gains, len(filtered.m)
    A, C, Q = (over_time(X, T) for X in (filtered.model.A, filtered.model.C, filtered.model.Q))
    N = torch.zeros_like(gains[-1].P)
    keeps_gradient = gains[-1].P.requires_grad
    covariances = Steps(T, N, keeps_gradient)
    covariances.fill(T - 1, T, gains[-1].P)
    lags = Steps(T - 1, N, keeps_gradient) if lag and T > 1 else None
    none = N.new_empty(0, *N.shape) if lag else None
    begins = {stop - 1: start for start, stop in runs(gains)}
    start = begins[T - 1]
    t = T - 2
    while t >= 0:
        start = begins.get(t, start)
        before, P = N, gains[t].P
        N = _measured(N, C[t + 1], gains[t + 1])
        first = t
        # Between equal gains changes of N shrink as those of P do in the filter, which settled there: the rest
        # of the run repeats this step.
        N_next = congruence(transpose(A[t + 1]), N)
        if t % 4 == 0 and N.dim() == 2 and t + 2 < T and gains[t] is gains[t + 2] and is_rounding(N_next, before):
            first = start
        if lags is not None:
            lags.fill(first, t + 1, _lag(P, N, A[t + 1], Q[t + 1]))
        N = N_next
        covariances.fill(first, t + 1, minus(P, product(P, N), P))
        t = first - 1
    return covariances.tensor(), none if lags is None else lags.tensor()


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


def rts(filtered: Filtered) -> Smoothed:
    """The smoother as the chapter writes it; the same numbers as `smooth`, with an inverse at every step.

    J_t = P_t A' P_{t+1|t}⁻¹,  m_s = m + J (m_s⁺ − m⁺),  P_s = P + J (P_s⁺ − P⁺) J',  Cov(s_{t+1}, s_t) = P_s⁺ J',
    where m⁺, P⁺ are the prediction for t+1 and m_s⁺, P_s⁺ the smoothed values there.
    Raises RuntimeError of torch.linalg where a prediction's covariance is singular: use `smooth` there.
    Source: Rauch, Tung & Striebel 1965, Maximum likelihood estimates of linear dynamic systems.
    """
    m, P, m_pred, P_pred = filtered.m, filtered.P, filtered.m_pred, filtered.P_pred
    A = with_both_axes(filtered.model.A, len(m))
    J = torch.linalg.solve(P_pred[1:], A[1:] @ P[:-1]).mT
    means, covariances = [m[-1]], [P[-1]]
    for t in range(len(m) - 2, -1, -1):
        means.append(m[t] + (J[t] @ (means[-1] - m_pred[t + 1])[..., None])[..., 0])
        covariances.append(P[t] + J[t] @ (covariances[-1] - P_pred[t + 1]) @ J[t].mT)
    P_s = torch.stack(covariances[::-1])
    return Smoothed(torch.stack(means[::-1]), P_s, P_s[1:] @ J.mT)


def two_filter(filtered: Filtered, y: Tensor, mask: Tensor | None = None) -> Smoothed:
    """The smoother as a filter from the past joined with one from the future, in information form.

    The future's filter carries what y_{t+1}..y_T tell of s_t with no prior: an information matrix Λ and vector
    λ, both 0 at t = T. A measurement adds: Λ ← Λ + C'R⁻¹C, λ ← λ + C'R⁻¹y. A step back blurs:
    Λ ← A'(I + ΛQ)⁻¹ΛA, λ ← A'(I + ΛQ)⁻¹λ. Then P_s = (I + PΛ)⁻¹P and m_s = (I + PΛ)⁻¹(m + Pλ).
    y and mask are those given to the filter. Raises RuntimeError of torch.linalg where R is singular.
    Source: Fraser & Potter 1969, The optimum linear smoother as a combination of two optimum linear filters.
    """
    y, seen = measurements(filtered.model, y, mask)
    T, _, n = filtered.m.shape
    A, C, Q, R = (
        with_both_axes(X, T) for X in (filtered.model.A, filtered.model.C, filtered.model.Q, filtered.model.R)
    )
    here = torch.ones_like(y) if seen is None else seen.mT.to(y)
    C_seen = here[..., None] * C
    R_seen = here[..., None] * R * here[..., None, :] + torch.diag_embed(1 - here)
    weighted = torch.linalg.solve(R_seen, C_seen).mT
    gained, told = weighted @ C_seen, weighted @ y[..., None]
    eye = torch.eye(n).to(y)
    info, vector = [torch.zeros_like(gained[0])], [torch.zeros_like(told[0])]
    for t in range(T - 1, 0, -1):
        L, l = (info[-1] + info[-1].mT) / 2 + gained[t], vector[-1] + told[t]  # as in _measured
        blur = torch.linalg.solve(eye + Q[t] @ L, A[t])
        info.append(blur.mT @ L @ A[t])
        vector.append(blur.mT @ l)
    L, l = torch.stack(info[::-1]), torch.stack(vector[::-1])
    P, m = filtered.P, filtered.m[..., None]
    joined = torch.linalg.solve(eye + P @ L, torch.cat((P, m + P @ l), -1))
    return Smoothed(joined[..., n], joined[..., :n])
