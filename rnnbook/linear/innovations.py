"""Innovations: which white noise a series is made of, whatever noise made it. Derived in the chapter varma.

A model may be driven by more noises than it has outputs, or have zeros outside the unit circle; then x_t cannot
be recovered from past y. The stabilising solution P of a Riccati equation gives the model with the same
autocovariances whose noise can: the innovations, the errors of the best one-step prediction. float64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import F64, Numbers, double, eigenvalues, largest, require_stable, spectral_radius
from rnnbook.linear.realisation import Delayed, LinearRNN, Model, covariance, require_invertible, require_model
from rnnbook.linear.varma import VARMA, innovations_form, leverrier_faddeev

# Doubling needs about log2(36 / −ln ρ²) rounds for a closed loop of radius ρ: 30 for 1 − ρ = 1e-8.
ROUNDS = 60
# Each run of doublings begins nearer; what a large start has cost returns at once, what growth has cost by and by.
RUNS = 8
# On the unit circle rounding moves a zero by about the square root of the machine precision.
CIRCLE = 1e-6
# A zero that repeats is moved further: only with this distance from the circle is it known to lie inside or outside.
SORTED = 1e-3
STEPS = 40_000  # of the iteration for the zeros outside: (1 − SORTED)/(1 + SORTED) to this power is below EPS
EPS = torch.finfo(F64).eps
FREE_OF_NOISE = "some combination of the outputs is free of noise; drop an output"


def _gain(P: Tensor, F: Tensor, H: Tensor, R: Tensor, S: Tensor) -> tuple[Tensor, Tensor]:
    """K = (FPH' + S) Sig⁻¹ and Sig = HPH' + R, whatever the units of the outputs."""
    variance = H @ P @ H.T + R
    variance = (variance + variance.T) / 2
    unit = variance.detach().diagonal().clamp(min=0).sqrt()
    unit = torch.where(unit > 0, unit, 1)
    scaled = variance / unit[:, None] / unit
    smallest = float(torch.linalg.eigvalsh(expect.finite("HPH' + R", scaled.detach()))[0])
    if not smallest > 1e-13:
        raise ValueError(
            f"the innovations' variance HPH' + R is singular (smallest eigenvalue {smallest:.3g} of its "
            f"correlations): {FREE_OF_NOISE}"
        )
    return torch.linalg.solve(scaled, ((F @ P @ H.T + S) / unit).T).T / unit, variance


def dare(F: Numbers, H: Numbers, Q: Numbers, R: Numbers, S: Numbers | None = None) -> Tensor:
    """The stabilising P = FPF' + Q − K Sig K' with Sig = HPH' + R and K = (FPH' + S) Sig⁻¹: (n, n).

    F: (n, n), H: (O, n); [[Q, S], [S', R]] is the covariance of the noises of z_{t+1} and y_t, S zero unless
    given. R may be singular and F unstable. P is the variance of z_t given all past y. Differentiable. States and
    outputs may have units of any size; rounding costs about Σ_k ‖(F − KH)^k‖² times the machine precision, less where
    y_t tells all noise of z_{t+1}, as it does for a VARMA.
    Raises TypeError and ValueError for shapes that do not fit, for what is not a covariance, for a pole on or outside
    the unit circle that H does not see, for a zero on the unit circle, and for outputs without noise.
    Source: the Riccati recursion of Anderson & Moore 1979, Optimal filtering, with 2^i steps in round i, as in
    Anderson 1978, Second-order convergent algorithms for the steady-state Riccati equation.
    """
    F, H, Q, R = expect.square("F", double("F", F)), double("H", H), double("Q", Q), double("R", R)
    n, O = len(F), H.shape[0] if H.dim() > 0 else 0
    S = F.new_zeros(n, O) if S is None else double("S", S)
    shapes = {"F": (F, n, n), "H": (H, O, n), "Q": (Q, n, n), "R": (R, O, O), "S": (S, n, O)}
    for letter, (value, rows, columns) in shapes.items():
        expect.tensor(letter, value, [("n" if rows == n else "O", rows), ("·", columns)], like=F)
    expect.semidefinite("Q", Q)
    expect.semidefinite("R", R)
    expect.semidefinite("[[Q, S], [S', R]]", torch.cat((torch.cat((Q, S), 1), torch.cat((S.T, R), 1))))
    if n == 0:
        return Q
    if not bool((Q.detach() != 0).any() or (R.detach() != 0).any()):
        raise ValueError(f"Q and R are zero: {FREE_OF_NOISE}")
    states = _state_units(F.detach(), H.detach(), Q.detach(), R.detach())
    outputs = _power_of_two(R.detach().diagonal() + (H.detach() * states).square().sum(1))
    F, Q, H = F * states / states[:, None], Q / states[:, None] / states, H * states / outputs[:, None]
    return (
        states[:, None] * _stabilising(F, H, Q, R / outputs[:, None] / outputs, S / states[:, None] / outputs) * states
    )


def _power_of_two(variances: Tensor) -> Tensor:
    """About the square root, and 1 where it is 0: a unit to divide by without rounding."""
    return torch.where(variances > 0, variances, 1).sqrt().log2().round().exp2()


def _state_units(F: Tensor, H: Tensor, Q: Tensor, R: Tensor) -> Tensor:
    """For each state a unit that is that of its noise, of what drives it, or of the noise in which it is seen."""
    size = Q.diagonal().clamp(min=0)
    for _ in range(len(F)):
        size = torch.where(size > 0, size, F.square() @ size)
    for _ in range(len(F)):
        noise = (R.diagonal()[:, None] / H.square()).nan_to_num(0, 0, 0)
        size = torch.where(size > 0, size, torch.where(noise > 0, noise, torch.inf).amin(0).nan_to_num(0, 0, 0))
        H = H @ F
    return _power_of_two(size)


def _stabilising(F: Tensor, H: Tensor, Q: Tensor, R: Tensor, S: Tensor) -> Tensor:
    """P, where every state and every output has a unit of the size of its noise."""
    hidden = _hidden(F.detach(), H.detach(), 1 - CIRCLE, torch.inf)
    if len(hidden) > 0:
        raise ValueError(f"F has the pole {largest(hidden)} that H does not see; no prediction error stays bounded")
    least = float(torch.linalg.eigvalsh(R.detach())[0])
    if least > 1e-8:
        # Without S: the noise of z_{t+1} that y_t does not tell. Its modes that nothing moves are zeros of the model.
        told = torch.linalg.solve(R, S.T).T
        own, rest = F - told @ H, Q - told @ S.T
        rounding = 64 * EPS / least * (1 + told.detach().square().sum(1))
        rest = torch.where(rest.detach().abs() <= (rounding[:, None] * rounding).sqrt(), rest - rest.detach(), rest)
        unmoved = _hidden(own.detach().T, rest.detach(), 1 - 1e-8, 1 + 1e-8)
        if len(unmoved) > 0:
            raise ValueError(_no_predictor(unmoved))
        if not bool(rest.detach().any()) and (P := _moved(own, H, R)) is not None:
            if rest.requires_grad:  # it is zero, but its derivative need not be
                P = P + _summed((F - _gain(P, F, H, R, S)[0] @ H).detach(), rest)
            return P
    P = torch.eye(len(F), dtype=F64)
    with torch.no_grad():
        # From P_0 = 0 a zero outside the unit circle would never be moved inside: that start may solve the equation.
        # From a positive P_0 the recursion ends at the stabilising solution, and Sig is invertible at once.
        for _ in range(RUNS):
            before, P = P, _doubled(P, F, H, Q, R, S)
            if _is_rounding(P - before, P):
                break
    P = _doubled(P, F, H, Q, R, S)
    closed = (F - _gain(P, F, H, R, S)[0] @ H).detach()
    if not spectral_radius(closed, "F − KH") < (1 if least > 1e-8 else 1 - CIRCLE):
        raise ValueError(_no_predictor(eigenvalues("F − KH", closed)))
    return P


def _moved(own: Tensor, H: Tensor, R: Tensor) -> Tensor | None:
    """P where y_t tells all noise of z_{t+1}; None where a zero is too near to the unit circle to be sorted.

    The zeros are the eigenvalues of `own`. P lives on those outside: with own V = V Λ and C = HV, P = V X⁻¹ V' with
    X = Λ⁻ᵀ(X + C'R⁻¹C)Λ⁻¹ moves each inside. Zeros inside that repeat cost no digits, as they do in the recursion.
    """
    n = len(own)
    size = eigenvalues("F − S R⁻¹ H", own.detach()).abs()
    if bool(((size - 1).abs() <= SORTED).any()):
        return None
    outside = int((size > 1).sum())
    basis = torch.eye(n, dtype=F64)
    with torch.no_grad():
        for _ in range(STEPS if outside else 0):
            basis = torch.linalg.qr(own @ basis).Q
            below = basis[:, outside:].T @ own @ basis[:, :outside]
            if bool((below.abs() <= 4 * EPS * own.abs().max()).all()):
                break
        else:
            if outside:
                return None
    V, rest = basis[:, :outside], basis[:, outside:]
    # Zero but for rounding: the step of the subspace that own V = V Λ asks for, and through it the derivative.
    A, D = V.T @ own @ V, rest.T @ own @ rest
    one, other = torch.eye(outside, dtype=F64), torch.eye(n - outside, dtype=F64)
    sylvester = torch.kron(other, A.T.contiguous()) - torch.kron(D.contiguous(), one)
    V = V + rest @ torch.linalg.solve(sylvester, (rest.T @ own @ V).flatten()).reshape(n - outside, outside)
    back = torch.linalg.inv(basis[:, :outside].T @ own @ V)
    C = H @ V
    seen = back.T @ C.T @ torch.linalg.solve(R, C) @ back
    root, failed = torch.linalg.cholesky_ex(_summed(back.T, seen))
    if int(failed) != 0:
        return None
    P: Tensor = V @ torch.cholesky_inverse(root) @ V.T
    return (P + P.T) / 2


def _no_predictor(zeros: Tensor) -> str:
    return (
        f"no predictor is stable: F − KH has the spectral radius {float(zeros.abs().max()):.9g} "
        f"(zero {largest(zeros)} on the unit circle)"
    )


def _is_rounding(step: Tensor, P: Tensor) -> bool:
    """Whether a change is none, in each entry in the unit √(P_ii P_jj) of its own."""
    unit = P.detach().diagonal().abs().sqrt()
    return bool((step.detach().abs() <= 1e-17 * unit[:, None] * unit).all())


def _summed(F: Tensor, Q: Tensor) -> Tensor:
    """Σ_k F^k Q F'^k for an F inside the unit circle, by doubling the number of terms."""
    for _ in range(ROUNDS):
        Q = Q + F @ Q @ F.T
        F = F @ F
        if not bool(F.any()):
            break
    return (Q + Q.T) / 2


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
        if _is_rounding(step, X + start):
            break
    return start + X


def _hidden(F: Tensor, H: Tensor, low: float, high: float) -> Tensor:
    """The eigenvalues μ of F with low ≤ |μ| ≤ high for which the rank of [μI − F; H] is below n.

    A pole with several eigenvectors has one that H does not see as soon as they outnumber the outputs; whichever
    eigenvectors a routine returns, the rank says so.
    """
    mu = eigenvalues("F", F)
    # Rounding scatters a pole that lacks eigenvectors by a root of the machine precision, but not the mean.
    near = ((mu[:, None] - mu).abs() <= 1e-3 * mu.abs()).to(mu.dtype)
    mu = torch.cat((mu, near.mv(mu) / near.sum(1)))
    mu = mu[(mu.abs() >= low) & (mu.abs() <= high)]
    # The unit of an output does not matter to what is seen: each row of H gets the scale of F.
    scale = max(float(F.abs().max()), 1.0)
    norm = torch.linalg.vector_norm(H, dim=1, keepdim=True)
    H = scale * H / torch.where(norm > 0, norm, 1)
    pencil = torch.cat((mu[:, None, None] * torch.eye(len(F)).to(F) - F, H.expand(len(mu), -1, -1)), 1)
    return mu[torch.linalg.svdvals(pencil)[:, -1] <= 1e-12 * scale]


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


def spectral_factor(model: Model, variance: Numbers | None = None, noise: Numbers | None = None) -> Innovations:
    """The innovations of a model's output, for white input of covariance `variance`: (I, I).

    variance is the identity unless given; noise: (O, O) is the covariance of white noise added to y_t, zero
    unless given. In the delayed form (F, G, H, D): Q = G·variance·G', S = G·variance·D',
    R = D·variance·D' + noise. Output and innovations model have the same autocovariances.
    Raises ValueError for an unstable model, a zero on the unit circle, more outputs than noises, or a variance that
    is none.
    """
    require_model("model", model)
    form = model.delayed()
    O, I = form.D.shape
    require_stable("the model", form.F)
    variance = torch.eye(I, dtype=F64) if variance is None else covariance("variance", variance, "I", I)
    noise = form.D.new_zeros(O, O) if noise is None else covariance("noise", noise, "O", O)
    Q, S = form.G @ variance @ form.G.T, form.G @ variance @ form.D.T
    R = form.D @ variance @ form.D.T + noise
    P = dare(form.F, form.H, Q, R, S)
    K, innovation = _gain(P, form.F, form.H, R, S)
    return Innovations(form.F, K, form.H, innovation, P)


def invertible_form(model: VARMA) -> VARMA:
    """The VARMA with the same autocovariances, the same A, and all zeros inside the unit circle.

    The companion F and H = [I, 0, …] of the innovations form stay; the gain K gives M_j = K_j − A_j.
    M = 2 with variance 1 becomes M = 1/2 with variance 4; a model that is invertible is the answer itself.
    Raises ValueError as `spectral_factor` does.
    """
    if not isinstance(model, VARMA):
        raise TypeError(f"model must be a VARMA, got {type(model).__name__}")
    if not model.stable:
        raise ValueError(f"the VARMA must be stable, got the pole {largest(model.poles)}")
    # Nearer to the circle rounding may have moved a repeated zero inside; there the equation decides.
    if bool((model.zeros.abs() < 1 - 1e-3).all()):
        return model
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
    if not isinstance(model, VARMA | Delayed):
        raise TypeError(f"model must be a VARMA or a Delayed, got {type(model).__name__}; see LinearRNN.delayed")
    form = innovations_form(model) if isinstance(model, VARMA) else model
    require_invertible("the skip D", form.D, form.rounding(1)[0])
    K = form.G @ torch.linalg.inv(form.D)
    closed = form.F - K @ form.H
    radius = spectral_radius(closed)
    if not radius < 1:
        raise ValueError(
            f"the model is not invertible: its zero {largest(eigenvalues('F − KH', closed.detach()))} has the modulus "
            f"{radius:.6g}; use invertible_form or spectral_factor"
        )
    return LinearRNN(closed, K, form.H, torch.zeros_like(form.D))


def zeros(model: Model) -> Tensor:
    """The eigenvalues of F − G D⁻¹ H, complex (n,), with D = Ψ_0: the poles of the map from y back to x.

    A model is invertible if they all lie inside the unit circle. Units that the input does not reach, or the
    output does not see, appear as zeros on top of their poles.
    Raises ValueError for a Ψ_0 that is not square or is singular.
    """
    require_model("model", model)
    form = model.delayed()
    require_invertible("Psi_0", form.D, model.rounding(1)[0])
    return eigenvalues("F − G D⁻¹ H", form.F - form.G @ torch.linalg.solve(form.D, form.H))


def autocovariance(model: Model, lags: int, variance: Numbers | None = None) -> Tensor:
    """Γ_j = E[y_{t+j} y_t'] for j = 0..lags−1, for white input of covariance `variance`: (lags, O, O).

    With Π = FΠF' + G·variance·G', the variance of the state: Γ_0 = HΠH' + D·variance·D' and
    Γ_j = H F^{j−1} (FΠH' + G·variance·D'). Raises ValueError for an unstable model.
    """
    require_model("model", model)
    lags = expect.positive("lags", lags)
    form = model.delayed()
    require_stable("the model", form.F)
    I = form.G.shape[1]
    variance = torch.eye(I, dtype=F64) if variance is None else covariance("variance", variance, "I", I)
    state = _summed(form.F, form.G @ variance @ form.G.T)
    gamma = [form.H @ state @ form.H.T + form.D @ variance @ form.D.T]
    X = form.F @ state @ form.H.T + form.G @ variance @ form.D.T
    for _ in range(lags - 1):
        gamma.append(form.H @ X)
        X = form.F @ X
    return torch.stack(gamma)
