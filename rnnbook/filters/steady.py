"""The steady state: error variances and gains once the start is forgotten. Derived in the chapter smoothing.

Closed forms for one state, doubling for many; and the networks that these gains are the weights of are in
`rnnbook.filters.networks`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import spectral_radius
from rnnbook.filters.statespace import StateSpace

NOT_STEADY = (
    "A, C and Q give no steady state: every mode of A with |eigenvalue| >= 1 must be seen by C and moved by Q ({}); "
    "where only the noise is missing off the unit circle, give Q some, or take P alone from "
    "rnnbook.linear.innovations.dare"
)


@dataclass(frozen=True)
class Scalar:
    """Steady state of s_t = a s_{t−1} + w_t, y_t = s_t + v_t: variances of prediction P, filter P_f, smoother P_s.

    K: gain; lam: what the filter keeps of its last estimate, and what a smoother's weights shrink by per step;
    ratio: P_s / P_f, what the future leaves of the error.
    """

    P: float
    K: float
    lam: float
    P_f: float
    P_s: float

    @property
    def ratio(self) -> float:
        return self.P_s / self.P_f


def scalar(a: float, q: float, r: float) -> Scalar:
    """The closed forms for one state with noise variances q and r, both above 0.

    P = (γ + √(γ² + 4qr))/2 with γ = q − r(1 − a²),  K = P/(P + r),  λ = a(1 − K),  P_f = K r,
    P_s = qr/√((q + r(1 + a²))² − 4a²r²),  P_s/P_f = (1 − aλ)/(1 − λ²).
    A random walk, a = 1, has P_s/P_f = (1 + √(k/(k + 4)))/2 with k = q/r; at k = 1, P is the golden ratio.
    Raises ValueError for q or r that is not positive.
    Source: the scalar Riccati equation of Kalman 1960, A new approach to linear filtering and prediction problems.
    """
    a, q, r = expect.number("a", a), expect.number("q", q), expect.number("r", r)
    for name, value in (("q", q), ("r", r)):
        if not value > 0:
            raise ValueError(f"{name} must be a positive variance, got {value}")
    gamma = q - r * (1 - a) * (1 + a)  # 1 − a² would lose the digits of an a near 1
    root = math.hypot(gamma, 2 * math.sqrt(q * r))
    # Of the two ways of writing the positive root, the one that adds loses no digits.
    P = (gamma + root) / 2 if gamma >= 0 else 2 * q * r / (root - gamma)
    K = P / (P + r)
    P_s = q * r / math.sqrt((q + r * (1 - a) ** 2) * (q + r * (1 + a) ** 2))
    return Scalar(P, K, a * r / (P + r), K * r, P_s)


@dataclass(frozen=True)
class Steady:
    """Steady state of a model: covariances P, P_f, P_s: (n, n), the gain K: (n, p), S: (p, p).

    closed: (n, n), A (I − KC), what a prediction keeps of the last one; its spectral radius is below 1.
    information: (n, n), what all of the future tells of s_t, in units of an inverse covariance.
    """

    P: Tensor
    P_f: Tensor
    P_s: Tensor
    K: Tensor
    S: Tensor
    closed: Tensor
    information: Tensor


def steady(model: StateSpace) -> Steady:
    """The stabilising solution of P = A P A' − A P C'(C P C' + R)⁻¹C P A' + Q, and what follows from it.

    One step of filtering is an element (F, P, J) as in `rnnbook.filters.parallel`; joined with itself it does two
    steps, then four, and after k rounds 2ᵏ. P tends to P_f and J to the information from the future.
    States and measurements may have units of any size.
    Raises TypeError for what is no StateSpace and ValueError where A, C, Q or R varies, where Q or R is no covariance,
    where C Q C' + R is singular, and where A has a mode with |μ| ≥ 1 that C does not see or that no noise moves.
    A mode that C does not see leaves P without bound. Without the noise the future tells a part of s_t exactly, which
    leaves J without bound; P may exist even so, as P = (a² − 1) r does for one state with q = 0 and |a| > 1, and
    `rnnbook.linear.innovations.dare` then gives it. In a basis that mixes the states rounding moves such a mode as
    very little noise would, and it is not refused: P_s is nearly 0 along it. Rounding may also let C see a mode that
    it does not: about 1 in 200 random models passes so, with a P many orders above Q.
    Source: Chu, Fan, Lin & Wang 2004, Structure-preserving algorithms for periodic discrete-time algebraic Riccati
    equations.
    """
    if not isinstance(model, StateSpace):
        raise TypeError(f"model must be a StateSpace, got {type(model).__name__}")
    if not model.constant:
        raise ValueError("A, C, Q and R must be constant, (n, n) and (p, n) and (p, p), for a steady state to exist")
    expect.semidefinite("Q", model.Q)
    expect.semidefinite("R", model.R)
    A, C, Q, R = model.A, model.C, model.Q, model.R
    eye = torch.eye(model.n).to(A)
    S = C @ Q @ C.T + R
    require_definite(
        "C Q C' + R",
        S,
        "some combination of the measurements has no noise and tells a part of the state exactly; make R larger, or "
        "take P alone from rnnbook.linear.innovations.dare",
    )
    told = torch.linalg.solve(S, C @ A).T
    keep = eye - torch.linalg.solve(S, C @ Q).T @ C
    F, P_f, J = keep @ A, keep @ Q, told @ C @ A
    for _ in range(64):
        before = P_f, J
        W, failed = torch.linalg.inv_ex(eye + P_f @ J)
        if int(failed) != 0:
            # Exactly, no eigenvalue is below 1; where P_f or J has no bound, the rounding error of P_f J has none.
            raise ValueError(NOT_STEADY.format("P or the information from the future grows without bound"))
        F, P_f, J = F @ W @ F, F @ W @ P_f @ F.T + P_f, F.T @ J @ W @ F + J
        if all(_is_rounding(X, Y) for X, Y in zip(before, (P_f, J), strict=True)):
            break
    P_f, J = (P_f + P_f.T) / 2, (J + J.T) / 2
    P = A @ P_f @ A.T + Q
    S = C @ P @ C.T + R
    K, failed = torch.linalg.solve_ex(S, C @ P)
    if int(failed) != 0:
        raise ValueError(NOT_STEADY.format("P grows without bound"))
    K = K.T
    closed = A - A @ K @ C
    radius = spectral_radius(closed) if bool(closed.isfinite().all()) else math.inf
    if not radius < 1 - 1e-9:
        raise ValueError(NOT_STEADY.format(f"the filter's own radius is {radius:.6g}, should be below 1"))
    return Steady(P, P_f, torch.linalg.solve(eye + P_f @ J, P_f), K, S, closed, J)


def require_definite(name: str, S: Tensor, advice: str) -> None:
    """ValueError unless a covariance (p, p) is positive definite beyond rounding, whatever the units of its entries."""
    size = S.detach().diagonal().clamp(min=0).sqrt()
    correlation = (S.detach() / size[:, None] / size).nan_to_num(0.0, 0.0, 0.0)
    smallest = torch.linalg.eigvalsh(correlation)[:1]
    if bool((smallest <= 4 * len(S) * torch.finfo(S.dtype).eps).any()):
        raise ValueError(
            f"{name} must be positive definite, got the smallest eigenvalue {float(smallest):.3g} of its correlations: "
            f"{advice}"
        )


def _is_rounding(X: Tensor, Y: Tensor) -> bool:
    """Whether two covariances, or informations, differ by rounding alone, in each entry in its own unit √(Y_ii Y_jj).

    An information whose diagonal is 0 is 0, but for what rounding left of it.
    """
    X, Y = X.detach(), Y.detach()
    unit = Y.diagonal().clamp(min=0).sqrt()
    return bool(((X - Y).abs() <= 4 * torch.finfo(Y.dtype).eps * unit[:, None] * unit).all())
