"""Smoothers: what the whole series tells of every state. Derived in the chapter smoothing.

Three forms of one estimate: `rts`, the recursion of the chapter; `two_filter`, a second filter from the future,
joined with the first; `smooth`, the same for any noise and soon.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.filters.batches import Steps, by_series, of_series, over_steps, patterns, stacked
from rnnbook.filters.kalman import FEW, LONG, Filtered, Gain, is_few, measurements
from rnnbook.filters.matrices import (
    apply,
    congruence,
    inverse,
    is_rounding,
    minus,
    plus_applied,
    predicted,
    product,
    root,
    root_above_one,
    solve,
    transpose,
)
from rnnbook.filters.statespace import StateSpace, over_time, with_both_axes
from rnnbook.layers.scan_dense import doubling

# So many steps are taken before it is asked whether digits were lost; if so, they are taken again in the other form.
TOGETHER = 8


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
    P is far above P_s. Where P⁺ is singular, J is zero for what the rest of s_{t+1} determines, and a gradient takes
    what is known exactly as exactly known. Where A contracts and little noise is added, J is nearly A⁻¹ and rounding
    grows at every step back: ValueError where it has grown to 1e-8 of a variance; `smooth` has no such models.
    Source: Rauch, Tung & Striebel 1965, Maximum likelihood estimates of linear dynamic systems.
    """
    m, P = filtered.m.double()[..., None], filtered.unrounded("P")
    A, Q = (with_both_axes(X.double(), len(m))[1:] for X in (filtered.model.A, filtered.model.Q))
    U = _first(root(*_last(P[:-1], P[:-1, ..., :0]))[0])
    AU = A @ U.mT
    P_pred = AU @ AU.mT + Q
    J = _first(solve(*_last(P_pred, AU @ U))).mT
    left = U.mT - J @ AU
    P_c = left @ left.mT + J @ Q @ J.mT
    means, covariances = [m[-1]], [P[-1]]
    rounding, eps = torch.zeros_like(P[-1]), torch.finfo(P.dtype).eps
    for t in range(len(m) - 2, -1, -1):
        means.append(m[t] + J[t] @ (means[-1] - A[t] @ m[t]))
        rounding = rounding + eps * torch.diag_embed(covariances[-1].detach().diagonal(dim1=-2, dim2=-1))
        rounding = J[t].detach() @ rounding @ J[t].detach().mT
        covariances.append(P_c[t] + J[t] @ covariances[-1] @ J[t].mT)
        grown, size = (X.detach().diagonal(dim1=-2, dim2=-1) for X in (rounding, covariances[-1]))
        if bool((grown > 1e-8 * size).any()):
            raise ValueError(
                f"rounding has grown to more than 1e-8 of a variance at t={t + 1}, where A contracts and Q is nearly "
                "singular: use smooth, with R above 0"
            )
    m_s, P_s = torch.stack(means[::-1])[..., 0], torch.stack(covariances[::-1])
    return Smoothed(*(X.to(filtered.m.dtype) for X in (m_s, P_s, P_s[1:] @ J.mT)))


def _last(*several: Tensor) -> list[Tensor]:
    """(a, b, ...) from the matrices (..., a, b)."""
    return [X.movedim((-2, -1), (0, 1)) for X in several]


def _first(X: Tensor) -> Tensor:
    """(..., a, b) from the matrices (a, b, ...)."""
    return X.movedim((0, 1), (-2, -1))


def smooth(filtered: Filtered, lag: bool = False) -> Smoothed:
    """Smooth backwards from what `rnnbook.filters.kalman.filter` found; with lag=True the lag-one covariances as well.

    With y_{t+1} taken into the step to it (`with_measurement`), Λ is what y_{t+1}..y_T tell of s_t and ρ = λ − Λm how
    far from the filter's m; both 0 at t = T. A step back:  Λ ← Ã'(I + ΛQ̃)⁻¹ΛÃ + H,
    ρ ← Ã'(I + ΛQ̃)⁻¹(ρ + Λ(K − K̃)v) + A'C'S̃⁻¹v. With P = U'U:  P_s = U'(I + UΛU')⁻¹U,  m_s = m + P_s ρ.
    These are sums of squares, and what rounding leaves shrinks on the way back. Where series have covariances of their
    own, steps at which no digits are lost by it are taken in the form that is quickest there (`_by_differences`).
    Where C Q C' + R is singular, `rts` is run, with its limits. A gradient takes what P knows exactly as exactly known.
    Source: Fraser & Potter 1969, The optimum linear smoother as a combination of two optimum linear filters.
    """
    expect.flag("lag", lag)
    T, B, _ = filtered.m.shape
    gains, group = filtered.gains, filtered.group
    P, m = gains[-1].P, filtered.m.mT
    means = Steps(T, m[0], filtered.m.requires_grad)
    covariances = Steps(T, P, P.requires_grad)
    means.fill(T - 1, T, m[-1])
    covariances.fill(T - 1, T, P)
    lags = Steps(T - 1, P, P.requires_grad) if lag and T > 1 else None
    info, vector, left = torch.zeros_like(P), torch.zeros_like(m[0], dtype=P.dtype), T - 1
    if P.dim() == 3:
        info, vector, left = _by_differences(filtered, info, vector, means, covariances, lags)
    if not _by_information(filtered, info, vector, left, means, covariances, lags):
        found = rts(filtered)
        return found if lag else Smoothed(found.m, found.P)
    dtype = filtered.m.dtype
    P_s = by_series(covariances.tensor(), group, B).to(dtype)
    none = P_s.new_empty(0, *P_s.shape[1:]) if lag else None
    return Smoothed(means.tensor().mT, P_s, none if lags is None else by_series(lags.tensor(), group, B).to(dtype))


def with_measurement(A: Tensor, C: Tensor, Q: Tensor, R: Tensor, seen: Tensor | None) -> tuple[Tensor, ...] | int:
    """Steps s = A s⁻ + w and what is measured after them, y = C s + v, as one: K̃, Ã, Q̃, A'C'S̃⁻¹ and H.

    Given s⁻, y has the covariance S̃ = C Q C' + R; given y as well, s is N(Ã s⁻ + K̃ y, Q̃) with K̃ = Q C'S̃⁻¹,
    Ã = (I − K̃C) A, Q̃ = (I − K̃C) Q (I − K̃C)' + K̃ R K̃'; and y tells H = A'C'S̃⁻¹C A of s⁻.
    All (T, B, ., .), T or B may be 1; seen: (T, B, p). The index of the first step where S̃ is singular, if one is.
    Source: Särkkä & García-Fernández 2021, Temporal parallelization of Bayesian smoothers.
    """
    if seen is not None:
        here = seen.to(A)
        C = here[..., None] * C
        R = here[..., None] * R * here[..., None, :] + torch.diag_embed(1 - here)
    S = C @ Q @ C.mT + R
    S_inv, logdet = inverse(S.movedim((-2, -1), (0, 1)).flatten(2))
    failed = (~logdet.detach().isfinite()).view(S.shape[:2]).any(1).nonzero()
    if len(failed) > 0:
        return int(failed[0])
    S_inv = S_inv.permute(2, 0, 1).view(S.shape)
    gain, CA = Q @ C.mT @ S_inv, C @ A
    I_KC = torch.eye(A.shape[-1]).to(A) - gain @ C
    U = _first(root(*_last(Q, Q[..., :0]))[0])
    left = U.mT - gain @ (C @ U.mT)
    told = CA.mT @ S_inv
    return gain, I_KC @ A, left @ left.mT + gain @ R @ gain.mT, told, told @ CA


def _by_information(
    filtered: Filtered, info: Tensor, vector: Tensor, left: int, means: Steps, covariances: Steps, lags: Steps | None
) -> bool:
    """The first `left` steps of `smooth`, from Λ and ρ after them; False where C Q C' + R is singular."""
    gains, group = filtered.gains, filtered.group
    model, own, constant = filtered.model, info.dim() == 3, filtered.model.constant
    v, m = filtered.v.double().mT, filtered.m.double().mT
    eye = torch.eye(model.n).to(info)
    eye = eye[:, :, None].expand_as(info) if own else eye
    groups = info[0, 0].numel()
    for stop in range(left, 0, -(width := max(1, 4096 // groups))):
        first = max(stop - width, 0)
        steps = slice(first + 1, stop + 1)
        S_inv = over_steps(gains[steps], "S_inv")
        seen = (S_inv if own else S_inv[..., None]).detach().diagonal(dim1=1, dim2=2) != 0  # (steps, G, p)
        found = _with_each_measurement(model, len(m), steps, seen)
        if isinstance(found, int):
            return False
        K, A_y, Q_y, told, H = (X.permute(0, 2, 3, 1).contiguous() if own else X[:, 0] for X in found)
        gap = over_steps(gains[steps], "K") - K
        length = stop - first
        changes = (seen[1:] != seen[:-1]).flatten(1).any(1).nonzero().flatten().tolist() if constant else range(length)
        begins = [0, *(k + 1 for k in changes)]  # of the steps that are the same
        infos, by, alike = [info] * (length + 1), [info] * length, []  # Λ, F, and from where to where F stays the same
        k = length - 1
        while k >= 0:
            U, inverted = root(info, eye)
            Z = root_above_one(congruence(U, Q_y[k]), torch.cat((product(U, A_y[k]), inverted), 1))
            back = transpose(Z[:, : model.n])
            by[k] = product(back, Z[:, model.n :])
            before, info = info, product(back, transpose(back)) + H[k]
            infos[k] = info
            alike.append((k, k + 1))
            # Between equal steps changes shrink as in the filter: once they are rounding, the rest of these steps
            # repeats the last. Its gradient has more to gather.
            start = begins[bisect_right(begins, k) - 1]
            if not own and start < k and k % 4 == 0 and not info.requires_grad and is_rounding(info, before):
                infos[start:k], by[start:k] = [info] * (k - start), [by[k]] * (k - start)
                alike.append((start, k))
                k = start
            k -= 1
        P, L, F = (stacked(X).movedim(0, 2) for X in ([gain.P for gain in gains[first:stop]], infos, by))
        P_s = joined(P, L[:, :, :-1], P[:, :0]).movedim(2, 0)
        covariances.fill_each(first, stop, P_s)
        # ρ ← F (ρ + Λ (K − K̃) v) + A'C'S̃⁻¹v
        gap, told = (X.movedim(0, 2) for X in (gap, told))
        rest = product(product(F.flatten(2), L[:, :, 1:].flatten(2)), gap.flatten(2)).view(told.shape)
        D, v_y, m_f = (told + rest).movedim(2, 0).contiguous(), v[steps], m[first:stop]
        if not own and is_few(vector):
            new, vectors = D @ v_y, []  # ρ at these steps, backwards
            for start, end in alike:
                if end - start >= LONG:
                    inputs = torch.cat((new[start:end].mT, vector.T[None]))
                    vectors.append(doubling(by[start].T, inputs, back=True)[:-1].mT)
                    vector = vectors[-1][0]
                else:
                    for t in reversed(range(start, end)):
                        vector = torch.addmm(new[t], by[t], vector)
                        vectors.append(vector[None])
            m_s = m_f + P_s @ torch.cat(vectors[::-1])
            means.fill_each(first, stop, m_s.to(filtered.m.dtype))
        else:
            for t in reversed(range(length)):
                D_t, F_t, P_t = (of_series(X[t], group) for X in (D, by, P_s))
                vector = plus_applied(apply(D_t, v_y[t]), F_t, vector)
                m_s = plus_applied(m_f[t], P_t, vector)
                means.fill(first + t, first + t + 1, m_s.to(filtered.m.dtype))
        if lags is not None:
            A_y, Q_y, H = (X.movedim(0, 2).flatten(2) for X in (A_y, Q_y, H))
            P_y = joined(P, H.view(P.shape), P[:, :0]).flatten(2)  # s_t, of which y_{t+1} has told
            AP = product(A_y, P_y).view(P.shape)
            P_pred = predicted(A_y, P_y, Q_y).view(P.shape)
            lags.fill_each(first, stop, joined(P_pred, torch.stack(infos[1:], 2), AP)[:, model.n :].movedim(2, 0))
    return True


def _with_each_measurement(model: StateSpace, T: int, steps: slice, seen: Tensor) -> tuple[Tensor, ...] | int:
    """`with_measurement` at these steps, (steps, G, ., .), for what is seen there: (steps, G, p)."""
    if not model.constant:
        A, C, Q, R = (with_both_axes(X.double(), T)[steps] for X in (model.A, model.C, model.Q, model.R))
        found = with_measurement(A, C, Q, R, seen)
        return found if isinstance(found, int) else tuple(X.expand(*seen.shape[:2], -1, -1) for X in found)
    one, which = patterns(seen.flatten(0, 1).T)  # of few measurements there are few selections
    A, C, Q, R = (X.double()[None, None] for X in (model.A, model.C, model.Q, model.R))
    found = with_measurement(A, C, Q, R, seen.flatten(0, 1)[one][:, None])
    if isinstance(found, int):
        return int((which == found).view(seen.shape[:2]).any(1).nonzero()[0])
    return tuple(X.expand(len(one), -1, -1, -1)[which, 0].view(*seen.shape[:2], *X.shape[2:]) for X in found)


def joined(P: Tensor, info: Tensor, Y: Tensor) -> Tensor:
    """(I + PΛ)⁻¹ [P, Y] = U'(I + UΛU')⁻¹ [U, Z] with P = U'U, Y = U'Z; all (n, ., ...)."""
    shape = (len(P), -1, *P.shape[2:])
    P, info, Y = (X.flatten(2) if X.dim() > 2 else X for X in (P, info, Y))
    UZ = torch.cat(root(P, Y), 1)
    U = UZ[:, : len(P)]
    UZ = root_above_one(congruence(U, info), UZ)
    return product(transpose(UZ[:, : len(P)]), UZ).reshape(len(P), UZ.shape[1], *shape[2:])


def _by_differences(
    filtered: Filtered, N: Tensor, r: Tensor, means: Steps, covariances: Steps, lags: Steps | None
) -> tuple[Tensor, Tensor, int]:
    """Smooth from the end while no digits are lost; Λ and ρ after the steps that are left, and how many these are.

    From r = 0, N = 0 at t = T:  m_s = m + P r,  P_s = P − P N P,  Cov = (I − P⁺ N) A P; then the measurement,
    r ← r + C'(S⁻¹v − K'r), N ← (I − KC)' N (I − KC) + C'S⁻¹C, and the step, r ← A'r, N ← A'NA.
    N must be right to a unit of P⁻¹, however large the terms that it is a difference of: where P is far above P_s,
    they are too large.
    Source: Durbin & Koopman 2012, Time series analysis by state space methods, sections 4.4 and 4.7.
    """
    gains, group, T = filtered.gains, filtered.group, len(filtered.m)
    A, C, Q = (over_time(X.double(), T) for X in (filtered.model.A, filtered.model.C, filtered.model.Q))
    v, m = filtered.v.double().mT, filtered.m.mT
    for last in range(T - 1, 0, -TOGETHER):
        tried: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []  # N and r before each step, P, P_s, N⁺
        steps = range(last, max(last - TOGETHER, 0), -1)
        for t in steps:
            if gains[t].steep:
                break
            P, N_pred = gains[t - 1].P, _measured(N, C[t], gains[t])
            N_next = congruence(transpose(A[t]), N_pred)
            P_s = minus(P, product(P, N_next), P)
            tried.append((N, r, P, P_s, N_pred))
            covariances.fill(t - 1, t, P_s)
            if lags is not None:
                AP = product(A[t], P)
                lags.fill(t - 1, t, AP - product(predicted(A[t], P, Q[t]), product(N_pred, AP)))
            K, S_inv, P = (of_series(X, group) for X in (gains[t].K, gains[t].S_inv, P))
            new = plus_applied(apply(S_inv, v[t]), transpose(K), r, sign=-1)
            N, r = N_next, apply(transpose(A[t]), plus_applied(r, transpose(C[t]), new))
            means.fill(t - 1, t, plus_applied(m[t - 1], P.to(m.dtype), r.to(m.dtype)))
        good = _good([X[2:] for X in tried], A[steps[-1] : last + 1][::-1])
        if good < len(steps):
            t = last - good
            N, r = tried[good][:2] if good < len(tried) else (N, r)
            # The same as Λ = (N⁻¹ − P)⁻¹ and ρ = (I + ΛP) r, with P = U'U.
            P = gains[t].P
            U, _ = root(P, P[:, :0])
            UN, eye = product(U, N), torch.eye(len(P)).to(P)[:, :, None]
            _, Z = root(eye - product(UN, transpose(U)), torch.cat((UN, U), 1))
            back = transpose(Z[:, : len(P)])
            more = product(back, Z)
            return N + more[:, : len(P)], plus_applied(r, of_series(more[:, len(P) :], group), r), t
    return N, r, 0


def _measured(N: Tensor, C: Tensor, gain: Gain) -> Tensor:
    """(I − KC)' N (I − KC) + C'S⁻¹C, written with the p rows of C.

    This form is right for a symmetric N alone: rounding that is not symmetric grows where A expands.
    """
    N = (N + transpose(N)) / 2
    KN = product(transpose(gain.K), N)
    twice = torch.sub(product(product(KN, gain.K) + gain.S_inv, C), KN, alpha=2)
    CD = product(transpose(C), twice)
    return torch.add(N, CD, alpha=0.5).add_(transpose(CD), alpha=0.5)


def _good(tried: Sequence[tuple[Tensor, Tensor, Tensor]], A: Sequence[Tensor]) -> int:
    """How many of these steps, from the first on, lose no digits: P, P_s = P − P A'NA P and N of each, (n, n, G).

    One loses some where P_s is far below P for some state of some series, or A'NA far below its terms.
    """
    if not tried:
        return 0
    P, P_s, N = (
        torch.stack([X.detach().diagonal(dim1=0, dim2=1).mT for X in part]) for part in zip(*tried, strict=True)
    )
    sizes, weights = N.clamp_(min=0).sqrt_(), torch.stack(list(A[: len(tried)])).detach().abs()
    terms = weights.mT @ sizes if weights.dim() == 3 else (weights * sizes[:, :, None]).sum(1)
    lost = ((FEW * P_s < P) | (P * terms.square() > FEW)).flatten(1).any(1).tolist()
    return [*lost, True].index(True)


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
    width = 1 if seen is None and model.shares_covariance else B  # how many information matrices there are
    here = torch.ones_like(y, dtype=torch.float64) if seen is None else seen.mT.double()
    here = here[:, :width]
    C, R = (here[..., None] * with_both_axes(X.double(), T) for X in (model.C, model.R))
    R = R * here[..., None, :] + torch.diag_embed(1 - here)
    y = y.double().view(T, B // width, width, -1).permute(3, 1, 0, 2)
    U, H = root(R.permute(2, 3, 0, 1), torch.cat((C.permute(2, 3, 0, 1), y), 1))
    singular = (U.detach().diagonal() == 0).any(-1).any(1).nonzero()
    if len(singular) > 0:
        t = int(singular[0]) + 1
        raise ValueError(f"R must be positive definite, got a singular matrix at t={t}: use smooth")
    A, Q = (over_time(X.double(), T) for X in (model.A, model.Q))
    both = [y.new_zeros(n, n + B // width, width)]  # Λ and λ
    for t in range(T - 1, 0, -1):
        both_t = both[-1] + product(transpose(H[:, :n, t]), H[:, :, t])
        U, u = root(both_t[:, :n], both_t[:, n:])
        Z = root_above_one(congruence(U, Q[t]), torch.cat((product(U, A[t]), u), 1))
        both.append(product(transpose(Z[:, :n]), Z))
    all_t = torch.stack(both[::-1], 2)
    L, l = all_t[:, :n], all_t[:, n:]
    P = filtered.unrounded("P")[:, :width].permute(2, 3, 0, 1)
    P_s, L = (X.permute(2, 3, 0, 1) for X in (joined(P, L, P[:, :0]), L))
    m = filtered.m.double()[..., None]
    m_s = m + P_s @ (l.permute(2, 1, 3, 0).reshape(T, B, n, 1) - L @ m)
    return Smoothed(m_s[..., 0].to(filtered.m.dtype), P_s.expand(-1, B, -1, -1).to(filtered.m.dtype))


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
