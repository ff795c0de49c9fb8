"""The Kalman filter, exact: plainly for one series, and below it for many at once. Derived in the chapter smoothing.

The error covariances do not depend on the data: series that share a model and miss the same measurements share
one covariance recursion, whatever their number. The smoothers are in `rnnbook.filters.smoother`, the steady state in
`rnnbook.filters.steady`, an unknown start in `rnnbook.filters.diffuse`, the form parallel in time in
`rnnbook.filters.parallel`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.filters.batches import Steps, by_series, of_series, over_steps, patterns, runs
from rnnbook.filters.matrices import (
    apply,
    inverse,
    is_rounding,
    minus,
    plus,
    plus_applied,
    predicted,
    product,
    root,
    root_above_one,
    transpose,
)
from rnnbook.filters.statespace import StateSpace, over_time, with_both_axes
from rnnbook.layers.scan_dense import doubling

_LOG_2_PI = math.log(2 * math.pi)
# How many times what is left a difference may take away: a covariance then stays one to all but two digits.
FEW = 16
# From how many equal steps on a run of them is worth `doubling`.
LONG = 4


def filter_one(model: StateSpace, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The filter of one series y: (T, p), step for step: m: (T, n), P: (T, n, n) and log p(y). NaN is not measured.

    Predict, m ← A m, P ← A P A' + Q; correct by v = y − C m, S = C P C' + R, K = P C' S⁻¹: m ← m + K v,
    P ← (I − KC) P (I − KC)' + K R K'. `filter` gives the same numbers, for many series and sooner.
    Source: Kalman 1960, A new approach to linear filtering and prediction problems.
    """
    measurements(model, y[:, None], None)
    model.check_sizes(len(y), 1)
    A, C, Q, R = (over_time(X, len(y)) for X in (model.A, model.C, model.Q, model.R))
    m, P, log_p = model.m.flatten(), model.P.reshape(model.n, model.n), y.new_zeros(())
    means, covariances = [], []
    for t in range(len(y)):
        if t > 0:
            m, P = A[t] @ m, A[t] @ P @ A[t].T + Q[t]
        seen = ~y[t].isnan()
        C_t, R_t, v = C[t][seen], R[t][seen][:, seen], (y[t] - C[t] @ m)[seen]
        S = C_t @ P @ C_t.T + R_t
        K = torch.linalg.solve(S, C_t @ P).T
        I_KC = torch.eye(model.n).to(P) - K @ C_t
        m, P = m + K @ v, I_KC @ P @ I_KC.T + K @ R_t @ K.T
        log_p = log_p - (v @ torch.linalg.solve(S, v) + torch.logdet(2 * torch.pi * S)) / 2
        means.append(m)
        covariances.append(P)
    return torch.stack(means), torch.stack(covariances), log_p


@dataclass(frozen=True)
class Gain:
    """What one step does to all data: K, S⁻¹ (zero where nothing was measured), log det S, and P after it.

    steep: whether it takes away nearly all of some variance, so that a difference would keep few digits of the rest.
    In float64 whatever the model's dtype: in float32 a prior of 1e7 would leave no digit of what is known afterwards.
    """

    K: Tensor
    S_inv: Tensor
    logdet: Tensor
    P: Tensor
    steep: bool


@dataclass(frozen=True)
class Filtered:
    """What y_1..y_t tell of s_t: mean m: (T, B, n) and covariance P: (T, B, n, n).

    m_pred, P_pred: what y_1..y_{t−1} tell of s_t, in the same shapes.
    v: (T, B, p), innovations y_t − C_t m_pred, zero where a measurement is missing; S_inv: (T, B, p, p), the
    inverse of their covariance, zero there too; K: (T, B, n, p), gains.
    log_likelihood: (B,), log p(y_1..y_T) of the measurements that are there.
    These are computed when first asked for and kept; where series share their covariances P, P_pred, S_inv and K are
    views of one. Copy before writing to them.
    """

    model: StateSpace
    m: Tensor
    v: Tensor
    log_likelihood: Tensor
    gains: list[Gain]
    group: Tensor | None

    @cached_property
    def P(self) -> Tensor:  # noqa: N802
        return self.unrounded("P").to(self.m.dtype)

    @cached_property
    def K(self) -> Tensor:  # noqa: N802
        return self.unrounded("K").to(self.m.dtype)

    @cached_property
    def S_inv(self) -> Tensor:  # noqa: N802
        return self.unrounded("S_inv").to(self.m.dtype)

    @cached_property
    def m_pred(self) -> Tensor:
        first = self.model.m.expand(1, *self.m.shape[1:])
        A = with_both_axes(self.model.A, len(self.m))[1:]
        return torch.cat((first, (A @ self.m[:-1, :, :, None])[..., 0]))

    @cached_property
    def P_pred(self) -> Tensor:  # noqa: N802
        P = self.unrounded("P")
        first = self.model.P.to(P.dtype).expand(1, *P.shape[1:])
        A, Q = (with_both_axes(X.to(P.dtype), len(P))[1:] for X in (self.model.A, self.model.Q))
        return torch.cat((first, A @ P[:-1] @ A.mT + Q)).to(self.m.dtype)

    def unrounded(self, name: str) -> Tensor:
        """One part of the gains, "P", "K" or "S_inv", for all steps and series: (T, B, ., .) in float64."""
        return by_series(over_steps(self.gains, name), self.group, self.m.shape[1])


def filter(model: StateSpace, y: Tensor, mask: Tensor | None = None) -> Filtered:
    """Estimate the state from the past and the present, and the likelihood of the data.

    y: (T, B, p); NaN marks a missing measurement, and so does False in mask: (T, B) or (T, B, p).
    With P = P_{t|t−1}:  S = C P C' + R,  K = P C' S⁻¹,  v = y − C m,  m ← m + K v,
    P ← (I − KC) P (I − KC)' + K R K',  then  m ← A m,  P ← A P A' + Q.
    This way of writing P (Joseph's) adds only what is positive. Covariances are computed in float64 and given in the
    dtype of y: they keep about 16 − log₁₀(P / P after) digits, so that a prior 1e12 times what is known afterwards
    leaves four. For a start of which nothing is known see `rnnbook.filters.diffuse`. Everything is differentiable.
    Raises TypeError and ValueError; among them, for an infinite y, and where S_t is not positive definite, with the
    step t.
    Source: Kalman 1960, A new approach to linear filtering and prediction problems; for Joseph's form, Anderson
    & Moore 1979, Optimal filtering.
    """
    y, seen = measurements(model, y, mask)
    T, B, _ = y.shape
    model.check_sizes(T, B)
    group = None
    ok: list[Tensor | None] = [None] * T
    ok_series = ok
    shared = model.shares_covariance
    if seen is not None:
        ok_series = list(seen.unbind(0))
        ok = ok_series
        if shared:
            first, group = patterns(seen.flatten(0, 1))
            shared = len(first) == 1
            if shared:
                ok, group = list(seen[:, :, 0].unbind(0)), None
                ok_series = ok
            elif len(first) <= B // 2:
                ok = list(seen[:, :, first].unbind(0))
            else:
                group = None
    gains = _gains(model, ok, 1 if shared else (B if group is None else int(group.max()) + 1))
    m, v, log_likelihood = _means(model, y, ok_series, gains, group)
    return Filtered(model, m, v, log_likelihood, gains, group)


def measurements(model: StateSpace, y: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """y with 0 for what is missing, and which are there: (T, p, B) bool, or None where all are."""
    expect.tensor("y", y, [("T", None), ("B", None), ("p", model.p)], like=model.A)
    if y.shape[0] == 0 or y.shape[1] == 0:
        raise ValueError(f"y must have at least one step and one series, got shape {tuple(y.shape)}")
    if mask is None and bool(y.isfinite().all()):
        return y, None
    seen = ~y.isnan()
    infinite = y.isinf()
    if mask is not None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"mask must be a bool tensor, True where a measurement is there, got {got}")
        if mask.shape not in (y.shape, y.shape[:2]):
            raise ValueError(f"mask must have shape {tuple(y.shape[:2])} or {tuple(y.shape)}, got {tuple(mask.shape)}")
        seen = seen & (mask if mask.dim() == 3 else mask[:, :, None])
        infinite = infinite & seen
    if bool(infinite.any()):
        t, b, i = infinite.nonzero()[0].tolist()
        raise ValueError(
            f"y must be finite, or NaN where it is missing, got {y[t, b, i].item()} at (t, b, i) = {t, b, i}"
        )
    if bool(seen.all()):
        return y, None
    return y.masked_fill(~seen, 0), seen.mT.contiguous()


def _gains(model: StateSpace, ok: list[Tensor | None], G: int) -> list[Gain]:
    """The covariance recursion; ok[t]: None, (p,) or (p, G)."""
    T = len(ok)
    A, C, Q, R = (over_time(X.double(), T) for X in (model.A, model.C, model.Q, model.R))
    P = model.P.double()
    P = P if P.dim() == 2 else P.permute(1, 2, 0).contiguous()
    if P.dim() == 3 and P.shape[2] == 1:
        P = P[:, :, 0]
    if G > 1 and P.dim() == 2:
        P = P[:, :, None].expand(-1, -1, G).contiguous()
    may_settle = G == 1 and model.constant
    learns = torch.is_grad_enabled() and any(X.requires_grad for X in (model.A, model.C, model.Q, model.R, model.P))
    gains: list[Gain] = []
    same, part = _same_as_before(ok), _incomplete(ok)
    settled = False
    for t in range(T):
        if settled and same[t]:
            gains.append(gains[-1])
            continue
        gains.append(_measure(P, C[t], R[t], part[t]))
        if t + 1 < T:
            before, P = P, predicted(A[t + 1], gains[-1].P, Q[t + 1])
            settled = (
                may_settle and t % 4 == 0 and _is_settled(P, before, gains[-1].K, model, t + 1 if learns else None)
            )
    return gains


def _same_as_before(ok: list[Tensor | None]) -> list[bool]:
    """Whether the same is measured as the step before; False at the first."""
    seen = [here for here in ok if here is not None]
    if not seen:
        return [False] + [True] * (len(ok) - 1)
    stacked = torch.stack(seen).flatten(1)
    return [False, *(stacked[1:] == stacked[:-1]).all(1).tolist()]


def _incomplete(ok: list[Tensor | None]) -> list[Tensor | None]:
    """None for a step at which all is measured, too."""
    seen = [here for here in ok if here is not None]
    if not seen:
        return ok
    complete = torch.stack(seen).flatten(1).all(1).tolist()
    return [None if whole else here for here, whole in zip(seen, complete, strict=True)]


def _is_settled(P: Tensor, before: Tensor, K: Tensor, model: StateSpace, steps: int | None) -> bool:
    """Whether P changed by no more than rounding, and what is left to come is no more than that either.

    The distance to the steady state shrinks by ρ(A (I − KC))² per step, so what is left is the last change over
    one minus that. Where gradients are wanted, `steps` have been made: the gradient of P gathers one term from each
    step, smaller by the same factor, and a P that began at the steady state has settled long before its gradient.
    """
    if not is_rounding(P, before):
        return False
    A, C = model.A.double(), model.C.double()
    closed = A - A @ K @ C
    left = float(torch.linalg.eigvals(closed.detach()).abs().max() ** 2)
    return left < 0.99 and (steps is None or steps * left**steps < torch.finfo(P.dtype).eps)


def _measure(P: Tensor, C: Tensor, R: Tensor, ok: Tensor | None) -> Gain:
    CP = product(C, P)
    S = plus(product(CP, transpose(C)), R)
    if ok is None:
        S_inv, logdet = inverse(S)
    else:  # what is missing is nothing of the state, in noise of its own
        both = ok[:, None] & ok
        S_inv, logdet = inverse(torch.where(both, S, 1.0 if len(S) == 1 else _eye_like(S)))
        S_inv = torch.where(both, S_inv, 0.0)
    K, after, steep = _corrected(P, transpose(product(S_inv, CP)), CP, C, R, ok)
    return Gain(K, S_inv, logdet, after, steep)


def _eye_like(X: Tensor) -> Tensor:
    eye = torch.eye(len(X), dtype=X.dtype, device=X.device)
    return eye if X.dim() == 2 else eye[:, :, None]


def _corrected(
    P: Tensor, K: Tensor, CP: Tensor, C: Tensor, R: Tensor, ok: Tensor | None
) -> tuple[Tensor, Tensor, bool]:
    """K and (I − KC) P (I − KC)' + K R K', by the p columns of K, and whether that is far below P.

    There S may be so much larger in one direction than in another that its inverse has few digits left, and rounding
    of P could make what is left negative. With P = U'U it is the square U'(I + U C'R⁻¹C U')⁻¹U, and K is this
    times C'R⁻¹; where R is singular, Joseph's form with a root of P. The gradients are those of Joseph's form and its
    gain, which have one for every P.
    """
    once = minus(P, K, CP)
    joseph = minus(once, product(once, transpose(C)) - product(K, R), transpose(K))
    if not _far_below(joseph, P):
        return K, joseph, False
    with torch.no_grad():
        if ok is not None:
            if ok.dim() == 2:
                C, R = (X if X.dim() == 3 else X[:, :, None] for X in (C, R))
            C, R = torch.where(ok[:, None], C, 0.0), torch.where(ok[:, None] & ok, R, _eye_like(R))
        U, _ = root(P, P[:, :0])
        UC = product(U, transpose(C))
        R_inv, logdet = inverse(R)
        gain = K
        if bool(logdet.isfinite().all()):
            seen = product(product(UC, R_inv), transpose(UC))
            Z = root_above_one(seen, U)
            value = product(transpose(Z), Z)
            gain = product(product(value, transpose(C)), R_inv)
        else:
            rest = minus(transpose(U), K, transpose(UC))
            value = product(rest, transpose(rest)) + product(product(K, R), transpose(K))
    if not joseph.requires_grad:
        return gain, value, True
    return K + (gain - K).detach(), joseph + (value - joseph).detach(), True


def _far_below(left: Tensor, P: Tensor) -> bool:
    """Whether some variance of `left` is so far below that of P that a difference would keep few of its digits."""
    if P.dim() == 2:  # a handful of numbers
        variances = zip(P.diagonal().tolist(), left.diagonal().tolist(), strict=True)
        return any(before > FEW * after for before, after in variances)
    before, after = (X.detach().diagonal(dim1=0, dim2=1).mT for X in (P, left))
    return bool((before > FEW * after).any())


def _means(
    model: StateSpace, y: Tensor, ok: list[Tensor | None], gains: list[Gain], group: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    T, B, _ = y.shape
    A, C = over_time(model.A, T), over_time(model.C, T)
    m = model.m[:, None].expand(-1, B) if model.m.dim() == 1 else model.m.expand(B, -1).T
    y = y.mT
    keeps_gradient = torch.is_grad_enabled() and any(X.requires_grad for X in (y, *vars(model).values()))
    means, innovations = Steps(T, m, keeps_gradient), Steps(T, y[0], keeps_gradient)
    part = _incomplete(ok)
    for start, stop in runs(gains):
        K = of_series(gains[start].K.to(m.dtype), group)
        if stop - start >= LONG and is_few(m):
            AK = A[start] @ K
            inputs = torch.cat((m.T[None], (AK @ y[start : stop - 1]).mT))
            before = doubling((A[start] - AK @ C[start]).T, inputs).mT
            v = _where_seen(y[start:stop] - C[start] @ before, part[start])
            after = before + K @ v
            innovations.fill_each(start, stop, v)
            means.fill_each(start, stop, after)
            m = A[start] @ after[-1]
            continue
        for t in range(start, stop):
            v = _where_seen(plus_applied(y[t], C[t], m, sign=-1), part[t])
            m = plus_applied(m, K, v)
            innovations.fill(t, t + 1, v)
            means.fill(t, t + 1, m)
            if t + 1 < T:
                m = apply(A[t + 1], m)
    v = innovations.tensor()
    return means.tensor().mT, v.mT, _log_likelihood(v, ok, gains, group)


def _where_seen(v: Tensor, ok: Tensor | None) -> Tensor:
    """v: (..., p, B) with 0 where nothing was measured; ok: (p,) or (p, B)."""
    if ok is None:
        return v
    return torch.where(ok if ok.dim() == 2 else ok[:, None], v, 0.0)


def _log_likelihood(v: Tensor, ok: list[Tensor | None], gains: list[Gain], group: Tensor | None) -> Tensor:
    logdet = over_steps(gains, "logdet")
    wrong = (~logdet.detach().isfinite()).reshape(len(v), -1).any(1).nonzero()
    if len(wrong) > 0:
        raise ValueError(
            f"S_t = C P C' + R is not positive definite at t={int(wrong[0]) + 1}: make R larger, or P larger where it "
            "is 0; if P is so far above R that only rounding is left, see rnnbook.filters.diffuse"
        )
    S_inv = over_steps(gains, "S_inv").to(v.dtype)
    if S_inv.dim() == 3:
        squares = (v * (S_inv @ v)).sum((0, 1))
    else:
        squares = (v[:, :, None] * (S_inv if group is None else S_inv[..., group]) * v[:, None]).sum((0, 1, 2))
    logdet = logdet.sum(0).to(v.dtype)
    seen = [here for here in ok if here is not None]
    count = torch.stack(seen).sum((0, 1)).to(v) if seen else v.shape[0] * v.shape[1]
    return -0.5 * (squares + (logdet if group is None or logdet.dim() == 0 else logdet[group]) + _LOG_2_PI * count)


def is_few(z: Tensor) -> bool:
    """Whether z is a handful of numbers, of which many steps are made in the time of one."""
    return z.numel() <= 64
