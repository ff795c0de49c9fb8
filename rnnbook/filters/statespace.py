"""Linear Gaussian state-space models: what a filter and a smoother are given. Derived in the chapter smoothing.

The products at the end know one habit of this package: a matrix is (a, b) where all series share it and
(a, b, G) where G series have their own. With the series last, a processor's vector unit works on many at once.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class StateSpace:
    """s_t = A_t s_{t−1} + w_t, w_t ~ N(0, Q_t);  y_t = C_t s_t + v_t, v_t ~ N(0, R_t);  s_1 ~ N(m, P).

    A, Q: (n, n), C: (p, n), R: (p, p). Each may vary in time, (T, ., .), or in time and by series,
    (T, B, ., .), where T or B may be 1. m: (n,) or (B, n) and P: (n, n) or (B, n, n) are the mean and the
    covariance of s_1 before y_1 is seen; A_1 and Q_1 are therefore never used.
    Raises TypeError and ValueError that name the argument, what it was and what it should be.
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
        for name in "QRP":
            _check_covariance(name, getattr(self, name))

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
    """s_t = a s_{t−1} + w_t, y_t = s_t + v_t, variances q and r; P = q / (1 − a²) where |a| < 1. float64."""
    if P is None:
        if abs(a) >= 1:
            raise ValueError(f"a must be within (-1, 1) for a stationary start, got {a}; give P as well")
        P = q / (1 - a * a)
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


def _check_covariance(name: str, X: Tensor) -> None:
    X = X.detach()
    if not bool(X.isfinite().all()):
        raise ValueError(f"{name} must be finite; for an unknown start see rnnbook.filters.diffuse")
    smallest = X.diagonal(dim1=-2, dim2=-1).min() if X.numel() > 0 else X.new_zeros(())
    if smallest < 0:
        raise ValueError(f"{name} must have no negative variance on its diagonal, got {smallest.item():.6g}")
    gap = (X - X.mT).abs().max()
    if gap > torch.finfo(X.dtype).eps ** 0.5 * X.abs().max():
        raise ValueError(f"{name} must be symmetric, got entries that differ from their mirror by {gap.item():.6g}")


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


def transpose(X: Tensor) -> Tensor:
    """X' of a matrix (a, b) or of matrices (a, b, G)."""
    return X.transpose(0, 1)


def product(X: Tensor, Y: Tensor) -> Tensor:
    """X Y of (a, b) or (a, b, G) with (b, c) or (b, c, G)."""
    if X.dim() == 2 and Y.dim() == 2:
        return torch.mm(X, Y)
    if X.dim() == 2:
        return torch.mm(X, Y.reshape(Y.shape[0], -1)).view(X.shape[0], *Y.shape[1:])
    if Y.dim() == 2:
        return torch.bmm(Y.T.expand(len(X), -1, -1), X)
    if len(X) == 1:
        return (X[0, :, None] * Y).sum(0, keepdim=True)
    XY = X[:, :1] * Y[:1]
    for j in range(1, len(Y)):
        XY.addcmul_(X[:, j : j + 1], Y[j : j + 1])
    return XY


def congruence(X: Tensor, P: Tensor) -> Tensor:
    """X P X' for a symmetric P."""
    return product(product(X, P), transpose(X))


def predicted(A: Tensor, P: Tensor, Q: Tensor) -> Tensor:
    """A P A' + Q for a symmetric P."""
    AP = product(A, P)
    if AP.dim() == 3 and A.dim() == Q.dim() == 2:
        return torch.baddbmm(Q[:, :, None], A.expand(len(A), -1, -1), AP)
    return plus(product(AP, transpose(A)), Q)


def minus(P: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """P − X Y for X of few columns."""
    if P.dim() == 2:
        return torch.addmm(P, X, Y, alpha=-1)
    P = torch.addcmul(P, X[:, :1], Y[:1], value=-1)
    for j in range(1, len(Y)):
        P.addcmul_(X[:, j : j + 1], Y[j : j + 1], value=-1)
    return P


def plus(X: Tensor, Y: Tensor) -> Tensor:
    """X + Y of matrices (a, b) or (a, b, G)."""
    if X.dim() == Y.dim():
        return X + Y
    return X + Y[:, :, None] if X.dim() > Y.dim() else X[:, :, None] + Y


def apply(X: Tensor, z: Tensor) -> Tensor:
    """X z for every series: (a, b) or (a, b, B) with z: (b, B)."""
    return torch.mm(X, z) if X.dim() == 2 else (X * z[None]).sum(1)


def plus_applied(y: Tensor, X: Tensor, z: Tensor, sign: int = 1) -> Tensor:
    """y + X z for every series, or y − X z; y: (a, B), X and z as for `apply`."""
    if X.dim() == 2:
        return torch.addmm(y, X, z, alpha=sign)
    return torch.add(y, apply(X, z), alpha=sign)


def inverse(S: Tensor) -> tuple[Tensor, Tensor]:
    """S⁻¹ and log det S of symmetric (p, p) or (p, p, G); NaN where S is not positive definite."""
    p = len(S)
    if p == 1:
        return 1 / S, S[0, 0].log()
    if p == 2:
        a, b, d = S[0, 0], S[0, 1], S[1, 1]
        rest = d - b * b / a
        det = a * rest
        entries = torch.stack((d, -b, -b, a)) / det
        return entries.view(S.shape), a.log() + rest.log()
    batch = S if S.dim() == 2 else S.permute(2, 0, 1)
    factor, failed = torch.linalg.cholesky_ex(batch)
    logdet = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    logdet = torch.where(failed > 0, torch.nan, logdet)
    inv = torch.cholesky_inverse(factor)
    return (inv if S.dim() == 2 else inv.permute(1, 2, 0)), logdet


def is_rounding(X: Tensor, before: Tensor) -> bool:
    """Whether a covariance X differs from what it was by no more than a few units of its last digit.

    Each entry is held to its own unit, √(X_ii X_jj): a state may be measured in thousandths and its neighbour
    in millions.
    """
    X, before = X.detach(), before.detach()
    few = 8 * torch.finfo(X.dtype).eps
    if torch.dist(X, before, p=torch.inf) > few * X.abs().max():  # most often, and quicker
        return False
    unit = X.diagonal().clamp(min=0).sqrt()
    return bool(((X - before).abs() <= few * unit[:, None] * unit).all())


class Steps:
    """Values at t = 1..T, to be one tensor (T, ...).

    Where no gradient will pass each goes straight to its place; nothing is gone through twice.
    """

    def __init__(self, T: int, like: Tensor, keeps_gradient: bool) -> None:
        self.buffer = None if keeps_gradient else like.new_empty(T, *like.shape)
        self.values = [like] * T

    def fill(self, start: int, stop: int, X: Tensor) -> None:
        """Let X be the value of the steps start..stop−1, counted from 0."""
        if self.buffer is None:
            self.values[start:stop] = [X] * (stop - start)
        else:
            self.buffer[start:stop] = X

    def fill_each(self, start: int, stop: int, X: Tensor) -> None:
        """Let X: (stop − start, ...) hold the values of the steps start..stop−1."""
        if self.buffer is None:
            self.values[start:stop] = X.unbind(0)
        else:
            self.buffer[start:stop] = X

    def tensor(self) -> Tensor:
        return torch.stack(self.values) if self.buffer is None else self.buffer


def patterns(seen: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct columns of a bool (K, B): one column index for each, (G,), and the group of each column, (B,)."""
    packed = np.packbits(seen.cpu().numpy(), axis=0).T.copy()
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    return torch.from_numpy(first).to(seen.device), torch.from_numpy(group).to(seen.device)
