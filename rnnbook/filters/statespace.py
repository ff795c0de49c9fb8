"""Linear Gaussian state-space models: what a filter and a smoother are given. Derived in the chapter smoothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook import _expect as expect


@dataclass(frozen=True)
class StateSpace:
    """s_t = A_t s_{t−1} + w_t, w_t ~ N(0, Q_t);  y_t = C_t s_t + v_t, v_t ~ N(0, R_t);  s_1 ~ N(m, P).

    A, Q: (n, n), C: (p, n), R: (p, p). Each may vary in time, (T, ., .), or in time and by series,
    (T, B, ., .), where T or B may be 1. m: (n,) or (B, n) and P: (n, n) or (B, n, n) are the mean and the
    covariance of s_1 before y_1 is seen; A_1 and Q_1 are therefore never used.
    Raises TypeError and ValueError that name the argument, what it was and what it should be; among them, for NaN
    and inf, and for a Q, R or P that is not symmetric and positive semidefinite up to rounding, whatever its units.
    Source: Kalman 1960, A new approach to linear filtering and prediction problems.
    """

    A: Tensor
    C: Tensor
    Q: Tensor
    R: Tensor
    m: Tensor
    P: Tensor

    def __post_init__(self) -> None:
        for name in "ACQRmP":
            _check_tensor(name, getattr(self, name), self.A)
        n, p = self.n, self.p
        for name, size in {"A": (n, n), "C": (p, n), "Q": (n, n), "R": (p, p)}.items():
            _check_shape(name, getattr(self, name), size, axes=("T", "B"))
        _check_shape("m", self.m, (n,), axes=("B",))
        _check_shape("P", self.P, (n, n), axes=("B",))
        for name in "ACm":
            expect.finite(name, getattr(self, name))
        for name in "QR":
            expect.semidefinite(name, getattr(self, name))
        if not bool(self.P.detach().isfinite().all()):
            raise ValueError("P must be finite; for an unknown start see rnnbook.filters.diffuse")
        expect.semidefinite("P", self.P)

    @property
    def n(self) -> int:
        """Numbers in the state."""
        return self.A.shape[-1]

    @property
    def p(self) -> int:
        """Numbers in one measurement."""
        return self.C.shape[-2] if self.C.dim() > 1 else 0

    @property
    def constant(self) -> bool:
        """Whether A, C, Q and R are the same at all times and for all series."""
        return all(X.dim() == 2 for X in (self.A, self.C, self.Q, self.R))

    @property
    def shares_covariance(self) -> bool:
        """Whether the error covariances are the same for all series that miss the same measurements."""
        own = [X for X in (self.A, self.C, self.Q, self.R) if X.dim() == 4 and X.shape[1] > 1]
        return not own and (self.P.dim() == 2 or self.P.shape[0] == 1)

    def check_sizes(self, T: int, B: int) -> None:
        """Raise ValueError where an axis of time or of series has another length than T or B."""
        for name in "ACQR":
            X = getattr(self, name)
            for letter, got, want in zip("TB", X.shape[:-2], (T, B), strict=False):
                if got not in (1, want):
                    raise ValueError(f"{name} must have 1 or {letter} = {want} along axis {letter}, got {got}")
        for name, X, axes in (("m", self.m, 2), ("P", self.P, 3)):
            if X.dim() == axes and X.shape[0] not in (1, B):
                raise ValueError(f"{name} must have 1 or B = {B} along axis B, got {X.shape[0]}")


def local_level(q: float, r: float, m: float = 0.0, P: float = 1e7) -> StateSpace:
    """A random walk seen in noise: s_t = s_{t−1} + w_t, y_t = s_t + v_t, variances q and r. float64."""
    return autoregression(1.0, q, r, m, P)


def autoregression(a: float, q: float, r: float, m: float = 0.0, P: float | None = None) -> StateSpace:
    """s_t = a s_{t−1} + w_t, y_t = s_t + v_t, variances q and r; P = q / (1 − a²) where |a| < 1. float64.

    Raises TypeError and ValueError for what is not a finite number, for a variance below 0, and for |a| ≥ 1 without P.
    """
    given = {"a": a, "q": q, "r": r, "m": m} | ({} if P is None else {"P": P})
    for name, value in given.items():
        if expect.number(name, value) < 0 and name in "qrP":
            raise ValueError(f"{name} must be a variance, 0 or more, got {value}")
    if P is None:
        if abs(a) >= 1:
            raise ValueError(f"a must be within (-1, 1) for a stationary start, got {a}; give P as well")
        P = q / ((1 - a) * (1 + a))  # 1 − a² would lose the digits of an a near 1
    A, C, Q, R, prior = (torch.tensor([[value]], dtype=torch.float64) for value in (a, 1.0, q, r, P))
    return StateSpace(A, C, Q, R, torch.tensor([m], dtype=torch.float64), prior)


def _check_tensor(name: str, X: object, like: object) -> None:
    if not isinstance(X, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(X).__name__}")
    if not X.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {X.dtype}")
    assert isinstance(like, Tensor)
    if X.dtype != like.dtype:
        raise TypeError(f"{name} must have the dtype of A, {like.dtype}, got {X.dtype}")
    if X.device != like.device:
        raise ValueError(f"{name} must be on the device of A, {like.device}, got {X.device}")


def _check_shape(name: str, X: Tensor, size: tuple[int, ...], axes: tuple[str, ...]) -> None:
    extra = X.dim() - len(size)
    if not 0 <= extra <= len(axes) or X.shape[extra:] != size:
        wanted = ", ".join(map(str, size))
        also = " or ".join(f"({', '.join(axes[: k + 1])}, {wanted})" for k in range(len(axes)))
        raise ValueError(f"{name} must have shape ({wanted}) or {also}, got {tuple(X.shape)}")


def over_time(X: Tensor, T: int) -> list[Tensor]:
    """X_1..X_T of a model's matrix, each (a, b), or (a, b, B) where the series have their own."""
    if X.dim() == 2:
        return [X] * T
    if X.dim() == 4:
        X = X[:, 0] if X.shape[1] == 1 else X.permute(0, 2, 3, 1).contiguous()
    return [X[0]] * T if X.shape[0] == 1 else list(X.unbind(0))


def with_both_axes(X: Tensor, T: int) -> Tensor:
    """A model's matrix with both of its leading axes, (T, 1 or B, a, b)."""
    X = X[None, None] if X.dim() == 2 else X[:, None] if X.dim() == 3 else X
    return X.expand(T, *X.shape[1:])
