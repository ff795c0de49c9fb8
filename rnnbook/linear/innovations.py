"""Innovations: which white noise a series is made of, whatever noise made it. Derived in the chapter varma.

A model may be driven by more noises than it has outputs, or have zeros outside the unit circle; then x_t cannot
be recovered from past y. The stabilising solution P of a Riccati equation gives the model with the same
autocovariances whose noise can: the innovations, the errors of the best one-step prediction. float64.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import F64, double, largest, require_stable, spectral_radius
from rnnbook.linear.realisation import Delayed, LinearRNN, Model
from rnnbook.linear.varma import VARMA, innovations_form, leverrier_faddeev

# Doubling needs about log2(36 / −ln ρ²) rounds for a closed loop of radius ρ: 30 for 1 − ρ = 1e-8.
ROUNDS = 60
# On the unit circle rounding moves a zero by about the square root of the machine precision.
CIRCLE = 1 - 1e-6
FREE_OF_NOISE = "some combination of the outputs is free of noise; drop an output"


def _gain(P: Tensor, F: Tensor, H: Tensor, R: Tensor, S: Tensor) -> tuple[Tensor, Tensor]:
    """K = (FPH' + S) Sig⁻¹ and Sig = HPH' + R."""
    variance = H @ P @ H.T + R
    variance = (variance + variance.T) / 2
    eigenvalues = torch.linalg.eigvalsh(variance.detach())
    if not eigenvalues[0] > 1e-13 * eigenvalues[-1]:
        raise ValueError(
            f"the innovations' variance HPH' + R is singular (smallest eigenvalue {float(eigenvalues[0]):.3g}, "
            f"largest {float(eigenvalues[-1]):.3g}): {FREE_OF_NOISE}"
        )
    return torch.linalg.solve(variance, (F @ P @ H.T + S).T).T, variance


def dare(F: Tensor, H: Tensor, Q: Tensor, R: Tensor, S: Tensor | None = None) -> Tensor:
    """The stabilising P = FPF' + Q − K Sig K' with Sig = HPH' + R and K = (FPH' + S) Sig⁻¹: (n, n).

    F: (n, n), H: (O, n); [[Q, S], [S', R]] is the covariance of the noises of z_{t+1} and y_t, S zero unless
    given. R may be singular and F unstable. P is the variance of z_t given all past y. Differentiable.
    Raises ValueError for shapes that do not fit, for a pole on or outside the unit circle that H does not see,
    for a zero on the unit circle, and for outputs without noise.
    Source: the Riccati recursion of Anderson & Moore 1979, Optimal filtering, with 2^i steps in round i, as in
    Anderson 1978, Second-order convergent algorithms for the steady-state Riccati equation.
    """
    F, H, Q, R = double(F), double(H), double(Q), double(R)
    n, O = F.shape[-1], H.shape[0]
    S = F.new_zeros(n, O) if S is None else double(S)
    shapes = {"F": (F, n, n), "H": (H, O, n), "Q": (Q, n, n), "R": (R, O, O), "S": (S, n, O)}
    for letter, (value, rows, columns) in shapes.items():
        expect.tensor(letter, value, [("n" if rows == n else "O", rows), ("·", columns)], like=F)
    if n == 0:
        return Q
    _require_seen(F, H)
    if not bool((Q.detach() != 0).any() or (R.detach() != 0).any()):
        raise ValueError(f"Q and R are zero: {FREE_OF_NOISE}")
    # From P_0 = 0 a zero outside the unit circle would never be moved inside: that start may solve the equation.
    # From a positive P_0 the recursion ends at the stabilising solution, and Sig is invertible at once.
    scale = float(torch.linalg.matrix_norm(Q.detach(), 2))
    P = _doubled(torch.eye(n, dtype=F64) * (scale if scale > 0 else 1), F, H, Q, R, S)
    # A second run from so near restores the digits that the large P_0 has cost.
    P = _doubled(P, F, H, Q, R, S)
    closed = (F - _gain(P, F, H, R, S)[0] @ H).detach()
    radius = spectral_radius(closed)
    if not radius < CIRCLE:
        raise ValueError(
            f"no predictor is stable: F − KH has the spectral radius {radius:.9g} "
            f"(zero {largest(torch.linalg.eigvals(closed))} on the unit circle)"
        )
    return P


def _doubled(start: Tensor, F: Tensor, H: Tensor, Q: Tensor, R: Tensor, S: Tensor) -> Tensor:
    """P after 2^i steps of the Riccati recursion from P_0 = `start`, i = 1, 2, … until nothing changes."""
    identity = torch.eye(len(F), dtype=F64)
    K, variance = _gain(start, F, H, R, S)
    # X_i = P_{2^i} − P_0 obeys a Riccati recursion without cross term, in the closed loop F − KH.
    A = (F - K @ H).T
    G = H.T @ torch.linalg.solve(variance, H)
    X = F @ start @ F.T + Q - K @ variance @ K.T - start
    X = (X + X.T) / 2
    for _ in range(ROUNDS):
        both, failed = torch.linalg.solve_ex(identity + G @ X, torch.cat((A, G), 1))
        if int(failed) != 0:
            # det(I + GX) is that of the variance of 2^i outputs together over what it would be from P_0.
            raise ValueError(f"the innovations' variance HPH' + R becomes singular: {FREE_OF_NOISE}")
        A_next, G_next = both[:, : len(F)], both[:, len(F) :]
        step = A.T @ X @ A_next
        X = X + (step + step.T) / 2
        G = G + A @ G_next @ A.T
        A = A @ A_next
        if float(step.detach().abs().max()) <= 1e-17 * float((X + start).detach().abs().max()):
            break
    return start + X


def _require_seen(F: Tensor, H: Tensor) -> None:
    """ValueError where [μI − F; H] has a rank below n for a pole μ of F on or outside the unit circle.

    A pole with several eigenvectors has one that H does not see as soon as they outnumber the outputs; whichever
    eigenvectors a routine returns, the rank says so.
    """
    F, H = F.detach(), H.detach()
    mu = torch.linalg.eigvals(F)
    # Rounding scatters a pole that lacks eigenvectors by a root of the machine precision, but not the mean.
    near = ((mu[:, None] - mu).abs() <= 1e-3 * mu.abs()).to(mu.dtype)
    mu = torch.cat((mu, near.mv(mu) / near.sum(1)))
    mu = mu[mu.abs() >= CIRCLE]
    # The unit of the outputs does not matter to what is seen: H gets the scale of F.
    scale = max(float(F.abs().max()), 1.0)
    H = H * (scale / max(float(H.abs().max()), 1e-300))
    pencil = torch.cat((mu[:, None, None] * torch.eye(len(F)).to(F) - F, H.expand(len(mu), -1, -1)), 1)
    hidden = mu[torch.linalg.svdvals(pencil)[:, -1] <= 1e-12 * scale]
    if len(hidden) > 0:
        raise ValueError(f"F has the pole {largest(hidden)} that H does not see; no prediction error stays bounded")


@dataclass(frozen=True, eq=False)
class Innovations:
    """z_{t+1} = F z_t + K e_t, y_t = H z_t + e_t with white e_t of covariance `variance`, and |eig(F − KH)| < 1.

    F: (n, n), K: (n, O), H: (O, n), variance: (O, O); P: (n, n) is the variance of the state it replaces.
    """

    F: Tensor
    K: Tensor
    H: Tensor
    variance: Tensor
    P: Tensor

    @property
    def model(self) -> Delayed:
        """The map from e to y; `predictor(model)` is the map from y_1..y_t to the prediction of y_{t+1}."""
        return Delayed(self.F, self.K, self.H, torch.eye(len(self.H), dtype=F64))

    def varma(self) -> VARMA:
        """One output as ARMA(n, n): A from det(zI − F), M from det(zI − (F − KH)), and the variance.

        Raises ValueError for more outputs: `to_varma(model.rnn(), variance)` does those.
        """
        if len(self.H) != 1:
            raise ValueError(f"varma() needs one output, got {len(self.H)}; use to_varma(innovations.model.rnn(), …)")
        A, M = leverrier_faddeev(self.F)[0], leverrier_faddeev(self.F - self.K @ self.H)[0]
        return VARMA(-A[1:, None, None], M[1:, None, None], self.variance)


def spectral_factor(model: Model, variance: Any = None, noise: Any = None) -> Innovations:
    """The innovations of a model's output, for white input of covariance `variance`: (I, I).

    variance is the identity unless given; noise: (O, O) is the covariance of white noise added to y_t, zero
    unless given. In the delayed form (F, G, H, D): Q = G·variance·G', S = G·variance·D',
    R = D·variance·D' + noise. Output and innovations model have the same autocovariances.
    Raises ValueError for an unstable model, a zero on the unit circle, or more outputs than noises.
    """
    form = model.delayed()
    O, I = form.D.shape
    require_stable("the model", form.F)
    variance = torch.eye(I, dtype=F64) if variance is None else double(variance).reshape(I, I)
    noise = form.D.new_zeros(O, O) if noise is None else double(noise).reshape(O, O)
    Q, S = form.G @ variance @ form.G.T, form.G @ variance @ form.D.T
    R = form.D @ variance @ form.D.T + noise
    P = dare(form.F, form.H, Q, R, S)
    K, innovation = _gain(P, form.F, form.H, R, S)
    return Innovations(form.F, K, form.H, innovation, P)


def invertible_form(model: VARMA) -> VARMA:
    """The VARMA with the same autocovariances, the same A, and all zeros inside the unit circle.

    The companion F and H = [I, 0, …] of the innovations form stay; the gain K gives M_j = K_j − A_j.
    M = 2 with variance 1 becomes M = 1/2 with variance 4. Raises ValueError as `spectral_factor` does.
    """
    if not model.stable:
        raise ValueError(f"the VARMA must be stable, got the pole {largest(model.poles)}")
    factor = spectral_factor(innovations_form(model), model.variance)
    q, k = len(model.M), model.k
    K = factor.K.reshape(-1, k, k)[:q]
    padded = torch.cat((model.A, model.A.new_zeros(max(0, q - len(model.A)), k, k)))[:q]
    return VARMA(model.A, K - padded, factor.variance)


def predictor(model: VARMA | Delayed) -> LinearRNN:
    """The RNN that reads y_t and writes the best linear prediction of y_{t+1}: W = F − KH, U = K, C = H.

    model: a VARMA, or a `Delayed` with an invertible skip D, K = G D⁻¹. With z_{t+1} = (F − KH) z_t + K y_t,
    the prediction of y_t is H z_t. Training a linear RNN on one-step prediction leads here.
    Raises ValueError for a zero on or outside the unit circle, an eigenvalue of F − KH, where past errors would
    grow: take the model through `invertible_form` or `spectral_factor` first.
    """
    form = innovations_form(model) if isinstance(model, VARMA) else model
    O, I = form.D.shape
    s = torch.linalg.svdvals(form.D.detach())
    if O != I or not s[-1] > 1e-12 * s[0]:
        raise ValueError(
            f"the skip D must be square and invertible, got {O} by {I} with the smallest singular value "
            f"{float(s[-1]):.3g}; use spectral_factor"
        )
    K = form.G @ torch.linalg.inv(form.D)
    closed = form.F - K @ form.H
    radius = spectral_radius(closed)
    if not radius < 1:
        raise ValueError(
            f"the model is not invertible: its zero {largest(torch.linalg.eigvals(closed.detach()))} has the modulus "
            f"{radius:.6g}; use invertible_form or spectral_factor"
        )
    return LinearRNN(closed, K, form.H, torch.zeros_like(form.D))


def zeros(model: Model) -> Tensor:
    """The eigenvalues of F − G D⁻¹ H, complex (n,), with D = Ψ_0: the poles of the map from y back to x.

    A model is invertible if they all lie inside the unit circle. Units that the input does not reach, or the
    output does not see, appear as zeros on top of their poles.
    Raises ValueError for a Ψ_0 that is not square or is singular.
    """
    form = model.delayed()
    O, I = form.D.shape
    s = torch.linalg.svdvals(form.D.detach())
    if O != I or not s[-1] > 1e-12 * max(float(s[0]), 1e-300):
        raise ValueError(
            f"Psi_0 must be square and invertible, got {O} by {I} with the smallest singular value {float(s[-1]):.3g}"
        )
    roots: Tensor = torch.linalg.eigvals(form.F - form.G @ torch.linalg.solve(form.D, form.H))
    return roots


def autocovariance(model: Model, lags: int, variance: Any = None) -> Tensor:
    """Γ_j = E[y_{t+j} y_t'] for j = 0..lags−1, for white input of covariance `variance`: (lags, O, O).

    With Π = FΠF' + G·variance·G', the variance of the state: Γ_0 = HΠH' + D·variance·D' and
    Γ_j = H F^{j−1} (FΠH' + G·variance·D'). Raises ValueError for an unstable model.
    """
    form = model.delayed()
    require_stable("the model", form.F)
    I = form.G.shape[1]
    variance = torch.eye(I, dtype=F64) if variance is None else double(variance).reshape(I, I)
    state, power = form.G @ variance @ form.G.T, form.F
    while power.numel() > 0 and float(power.detach().abs().max()) > 1e-20:
        state = state + power @ state @ power.T
        power = power @ power
    gamma = [form.H @ state @ form.H.T + form.D @ variance @ form.D.T]
    X = form.F @ state @ form.H.T + form.G @ variance @ form.D.T
    for _ in range(lags - 1):
        gamma.append(form.H @ X)
        X = form.F @ X
    return torch.stack(gamma[:lags])
