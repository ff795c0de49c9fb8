"""VARMA models as linear RNNs and back: the Harvey, history and innovations forms, and Leverrier–Faddeev.

y_t = Σ_i A_i y_{t−i} + e_t + Σ_j M_j e_{t−j}, with k outputs and white e_t. A linear RNN that reads e_t and writes
y_t has these Markov parameters; its weights are one choice of many. Derived in the chapter varma. float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import F64, Numbers, double, eigenvalues, spectral_radius
from rnnbook.linear.realisation import Delayed, LinearRNN, covariance, require_invertible


def _stack(name: str, coefficients: Numbers) -> Tensor:
    """(count, k, k) of a tensor, an array, or a sequence of numbers or matrices."""
    if isinstance(coefficients, Sequence) and not isinstance(coefficients, str) and len(coefficients) > 0:
        each = [double(name, one) for one in coefficients]
        if len({X.shape for X in each}) > 1:
            raise ValueError(f"{name} must hold matrices of one shape, got {[tuple(X.shape) for X in each]}")
        stacked = torch.stack(each)
    else:
        stacked = double(name, coefficients)
    if stacked.dim() == 0:
        raise ValueError(f"{name} must be a sequence of coefficients, got one number; write [{stacked.item():g}]")
    return stacked[:, None, None] if stacked.dim() == 1 and len(stacked) > 0 else stacked


@dataclass(frozen=True, eq=False, init=False)
class VARMA:
    """y_t = Σ_{i=1}^p A_i y_{t−i} + e_t + Σ_{j=1}^q M_j e_{t−j}, with white e_t of covariance `variance`.

    A: (p, k, k), M: (q, k, k), variance: (k, k), the identity unless given; for one output plain numbers do:
    `VARMA([0.5, -0.3], [0.4])`. Signs as in the equation: libraries that write 1 − Σ a_i z^i negate A.
    Raises TypeError and ValueError for shapes that do not fit, for what is not finite, or a variance that is not
    symmetric and positive semidefinite.
    """

    A: Tensor
    M: Tensor
    variance: Tensor

    def __init__(self, A: Numbers = (), M: Numbers = (), variance: Numbers | None = None) -> None:
        A, M = _stack("A", A), _stack("M", M)
        given = None if variance is None else double("variance", variance)
        known = [X.shape[-1] for X in (A, M) if X.dim() == 3] + (
            [] if given is None or given.dim() == 0 else [len(given)]
        )
        k = known[0] if known else 1
        A, M = (X.reshape(0, k, k) if X.numel() == 0 else X for X in (A, M))
        noise = torch.eye(k, dtype=F64) if given is None else covariance("variance", given, "k", k)
        expect.tensor("A", A, [("p", None), ("k", k), ("k", k)], like=noise)
        expect.tensor("M", M, [("q", None), ("k", k), ("k", k)], like=noise)
        for letter, value in (("A", A), ("M", M), ("variance", noise)):
            object.__setattr__(self, letter, value)

    @property
    def k(self) -> int:
        """The number of outputs."""
        return len(self.variance)

    @property
    def poles(self) -> Tensor:
        """The roots z of det(z^p − Σ A_i z^{p−i}), complex (pk,); inside the unit circle if stable."""
        return eigenvalues("the companion of A", _companion(self.A, len(self.A)))

    @property
    def zeros(self) -> Tensor:
        """The roots z of det(z^q + Σ M_j z^{q−j}), complex (qk,); inside the unit circle if invertible."""
        return eigenvalues("the companion of M", _companion(-self.M, len(self.M)))

    @property
    def stable(self) -> bool:
        """Whether every pole lies inside the unit circle."""
        return spectral_radius(_companion(self.A, len(self.A))) < 1

    @property
    def invertible(self) -> bool:
        """Whether every zero lies inside the unit circle: then e_t is the innovation of y_t."""
        return spectral_radius(_companion(-self.M, len(self.M))) < 1

    def simulate(self, e: Tensor) -> Tensor:
        """y: (T, B, k) from e: (T, B, k) by the equation itself, with zeros before the start."""
        expect.finite("e", expect.tensor("e", e, [("T", None), ("B", None), ("k", self.k)], like=self.variance))
        ys: list[Tensor] = []
        for t, e_t in enumerate(e):
            y_t = e_t
            for i, A_i in enumerate(self.A[:t], start=1):
                y_t = y_t + ys[t - i] @ A_i.T
            for j, M_j in enumerate(self.M[:t], start=1):
                y_t = y_t + e[t - j] @ M_j.T
            ys.append(y_t)
        return torch.stack(ys) if ys else e


def _require(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")


def _companion(A: Tensor, r: int) -> Tensor:
    """[[A_1, I, 0, …], [A_2, 0, I, …], …, [A_r, 0, …]]: (rk, rk), with zeros for what A lacks."""
    k = A.shape[-1]
    if r == 0:
        return A.new_zeros(0, 0)
    right = torch.cat((torch.eye((r - 1) * k, dtype=F64), A.new_zeros(k, (r - 1) * k)))
    return torch.cat((_padded(A, r).reshape(r * k, k), right), 1)


def _padded(A: Tensor, r: int) -> Tensor:
    """A with zero matrices behind it: (r, k, k)."""
    return torch.cat((A, A.new_zeros(r - len(A), *A.shape[1:])))


def _first(k: int, n: int) -> Tensor:
    """[I, 0, …]: (k, n), which reads the first block."""
    return torch.eye(k, n, dtype=F64)


def harvey(model: VARMA) -> LinearRNN:
    """The Harvey form, n = k·max(p, q+1) units, D = 0.

    W is the companion of A_1..A_r, U = [I; M_1; …; M_{r−1}] and C = [I, 0, …], r = max(p, q+1). Block i > 1 of
    h_t collects the terms of y_{t+i−1} in e_t, y_{t−1} and what is older.
    Source: Harvey 1990, Forecasting, structural time series models and the Kalman filter.
    """
    _require("model", model, VARMA)
    k, r = model.k, max(len(model.A), len(model.M) + 1)
    U = torch.cat((torch.eye(k, dtype=F64), _padded(model.M, r - 1).reshape((r - 1) * k, k)))
    return LinearRNN(_companion(model.A, r), U, _first(k, r * k), U.new_zeros(k, k))


def history(model: VARMA) -> LinearRNN:
    """The history form, n = k·(max(p, 1) + q) units, D = 0: h_t = [y_t … y_{t−p+1}, e_t … e_{t−q+1}].

    The first block row of W holds A_1..A_p, M_1..M_q, the others shift; U feeds e_t to the blocks of y_t and e_t.
    """
    _require("model", model, VARMA)
    k, p, q = model.k, max(len(model.A), 1), len(model.M)
    n = (p + q) * k
    rows = [torch.cat((*_padded(model.A, p), *model.M), 1)]
    shift = torch.eye(n - k, n, dtype=F64)
    # The oldest y_t would move into the first block of the innovations, which e_t fills instead.
    rows += [shift[: (p - 1) * k], shift.new_zeros(k if q > 0 else 0, n), shift[p * k :]]
    U = torch.zeros(n, k, dtype=F64)
    for block in {0, p} if q > 0 else {0}:
        U[block * k : (block + 1) * k] = torch.eye(k, dtype=F64)
    return LinearRNN(torch.cat(rows), U, _first(k, n), U.new_zeros(k, k))


def innovations_form(model: VARMA) -> Delayed:
    """z_{t+1} = F z_t + G e_t, y_t = H z_t + e_t with n = k·max(p, q): G_i = A_i + M_i, H = [I, 0, …].

    F is the companion of A_1..A_r, r = max(p, q); H z_t is the part of y_t that the past fixes. Its method
    `rnn_of_same_size` is the current-state form with a skip, where F is not singular: for ARMA(1,1) with
    φ = A_1 and θ = M_1, CU = (φ + θ)/φ and D = −θ/φ.
    """
    _require("model", model, VARMA)
    k, r = model.k, max(len(model.A), len(model.M))
    G = (_padded(model.A, r) + _padded(model.M, r)).reshape(r * k, k)
    return Delayed(_companion(model.A, r), G, _first(k, r * k), torch.eye(k, dtype=F64))


def leverrier_faddeev(W: Numbers) -> tuple[Tensor, Tensor]:
    """The characteristic polynomial z^n + c_1 z^{n−1} + … + c_n of W: (n, n), and its adjugate.

    B_0 = I, c_k = −tr(W B_{k−1})/k, B_k = W B_{k−1} + c_k I, and B_n = 0 (Cayley and Hamilton).
    Returns c: (n+1,) with c_0 = 1, and B_0..B_{n−1}: (n, n, n), where adj(zI − W) = Σ_k B_k z^{n−1−k}.
    Rounding grows with n: about ten digits are left at n = 20 for a spectral radius near 1.
    """
    W = expect.square("W", double("W", W))
    n = len(W)
    identity = torch.eye(n, dtype=F64)
    c, B = [W.new_ones(())], [identity]
    for k in range(1, n + 1):
        WB = W @ B[-1]
        c.append(-WB.trace() / k)
        B.append(WB + c[-1] * identity)
    return torch.stack(c), torch.stack(B)[:n]


class FinalForm(NamedTuple):
    """Σ_{i=0}^n c_i y_{t−i} = Σ_{j=0}^n N_j x_{t−j} + s_t, with s_t = 0 for t > n and nothing before t = 1.

    c: (n+1,), N: (n+1, O, I), s: (n, B, O), the trace that h_0 leaves in the first n steps.
    """

    c: Tensor
    N: Tensor
    s: Tensor

    def simulate(self, x: Tensor) -> Tensor:
        """y: (T, B, O) from x: (T, B, I) by the equation itself."""
        sizes = [("T", None), ("B", self.s.shape[1]), ("I", self.N.shape[2])]
        expect.finite("x", expect.tensor("x", x, sizes, like=self.c))
        ys: list[Tensor] = []
        for t in range(len(x)):
            y_t = self.s[t] if t < len(self.s) else x.new_zeros(x.shape[1], self.N.shape[1])
            for j, N_j in enumerate(self.N[: t + 1]):
                y_t = y_t + x[t - j] @ N_j.T
            for i, c_i in enumerate(self.c[1 : t + 1], start=1):
                y_t = y_t - c_i * ys[t - i]
            ys.append(y_t)
        return torch.stack(ys) if ys else x.new_zeros(0, x.shape[1], self.N.shape[1])


def final_form(rnn: LinearRNN, h: Tensor | None = None, B: int = 1) -> FinalForm:
    """The linear RNN without its state: N_j = C B_j U + c_j D with c and B of Leverrier–Faddeev, B_n = 0.

    h: the initial state (B, n); None is zero for B sequences. s_t = C W B_{t−1} h_0 for t = 1..n; it is zero
    from t = n + 1 on, and there the equation holds for any h_0.
    """
    _require("rnn", rnn, LinearRNN)
    B = expect.positive("B", B)
    h = rnn.W.new_zeros(B, rnn.n) if h is None else h
    expect.finite("h", expect.tensor("h", h, [("B", None), ("n", rnn.n)], like=rnn.W))
    c, adjugate = leverrier_faddeev(rnn.W)
    N = rnn.C @ adjugate @ rnn.U + c[:-1, None, None] * rnn.D
    N = torch.cat((N, (c[-1] * rnn.D)[None]))
    return FinalForm(c, N, h @ (rnn.C @ rnn.W @ adjugate).mT)


def to_varma(rnn: LinearRNN, variance: Numbers | None = None) -> VARMA:
    """The VARMA with scalar A_i = −c_i I whose e_t is Θ_0 x_t, Θ_0 = CU + D: M_j = N_j Θ_0⁻¹.

    variance: the covariance (I, I) of x_t, the identity unless given. Of order (n, n), or (n, n−1) where D = 0.
    It has the output of the RNN; e_t is the innovation of y_t only if the VARMA is also invertible.
    Raises ValueError for a Θ_0 that is not square or is singular: then see
    `rnnbook.linear.innovations.spectral_factor`.
    """
    form = final_form(rnn)
    Theta = form.N[0]
    require_invertible("CU + D", Theta, rnn.rounding(1)[0])
    I = len(Theta)
    variance = torch.eye(I, dtype=F64) if variance is None else covariance("variance", variance, "I", I)
    M = form.N[1:] @ torch.linalg.inv(Theta)
    if len(M) > 0 and not bool(M[-1].any()):
        M = M[:-1]
    A = -form.c[1:, None, None] * torch.eye(I, dtype=F64)
    return VARMA(A, M, Theta @ variance @ Theta.T)
