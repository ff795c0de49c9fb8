"""Matrices that all series share, (a, b), or that G series have each for themselves, (a, b, G).

With the series last, a processor's vector unit works on many at once. What is inverted or solved here is a
covariance: every decision about it compares an entry with √(S_ii S_jj), so that none depends on a unit.
"""

import torch
from torch import Tensor


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
    """S⁻¹ and log det S of symmetric (p, p) or (p, p, G); log det is NaN where S is not positive definite.

    With its rows and columns scaled to a unit diagonal, S counts as singular where a pivot is no more than rounding.
    """
    p = len(S)
    if p == 1:
        return 1 / S, S[0, 0].log()
    # A constant for the gradient: the inverse is the same whatever the scale.
    scale = _variances(S).rsqrt()
    by = scale[:, None] * scale
    unit, logs = S * by, 2 * scale.log().sum(0)
    least = p * torch.finfo(S.dtype).eps
    if p == 2:
        a, b, d = unit[0, 0], unit[0, 1], unit[1, 1]
        rest = d - b * b / a
        det = a * torch.where(rest > least, rest, torch.nan)
        return (torch.stack((d, -b, -b, a)) / det).view(S.shape) * by, det.log() - logs
    batch = unit if S.dim() == 2 else unit.permute(2, 0, 1)
    factor, failed = torch.linalg.cholesky_ex(batch)
    pivots = factor.diagonal(dim1=-2, dim2=-1)
    singular = (failed > 0) | ~(pivots.detach().square() > least).all(-1)
    logdet = torch.where(singular, torch.nan, 2 * pivots.log().sum(-1))
    inv = torch.cholesky_inverse(torch.where(singular[..., None, None], torch.eye(p).to(S), factor))
    return (inv if S.dim() == 2 else inv.permute(1, 2, 0)) * by, logdet - logs


def root(S: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """U, upper triangular, and Z with S = U'U and Y = U'Z, for positive semidefinite S: (n, n, ...), Y: (n, m, ...).

    A row of S that follows from the rows above it, as all do where S is singular, leaves a row of zeros in U and Z;
    Y must then follow in the same way. No order of elimination loses digits for such an S, so none is looked for.
    """
    n = len(S)
    rounding = 4 * n * torch.finfo(S.dtype).eps
    if S.dim() == 2:
        U, failed = torch.linalg.cholesky_ex(S, upper=True)
        roots, variances = U.diagonal().tolist(), S.diagonal().tolist()
        if int(failed) == 0 and all(u * u > rounding * s for u, s in zip(roots, variances, strict=True)):
            return U, torch.linalg.solve_triangular(U.mT, Y, upper=False)
    least = rounding * _variances(S)
    rest = torch.cat((S, Y), 1)
    rows = []
    for k in range(n):
        pivot = rest[0, 0]
        independent = pivot > least[k]
        row = rest[0] * torch.where(independent, torch.where(independent, pivot, 1.0).rsqrt(), 0.0)
        rows.append(torch.cat((row.new_zeros(k, *row.shape[1:]), row)))
        rest = torch.addcmul(rest[1:, 1:], row[1 : n - k, None], row[None, 1:], value=-1)
    UZ = torch.stack(rows)
    return UZ[:, :n], UZ[:, n:]


def root_above_one(S: Tensor, Y: Tensor) -> Tensor:
    """Z with I + S = U'U and Y = U'Z, for positive semidefinite S: (n, n, ...). No pivot is below 1."""
    n = len(S)
    eye = torch.eye(n, dtype=S.dtype, device=S.device)
    if S.dim() == 2:
        U, _ = torch.linalg.cholesky_ex(S + eye, upper=True)
        Z: Tensor = torch.linalg.solve_triangular(U.mT, Y, upper=False)
        return Z
    return root(S + eye.view(n, n, *[1] * (S.dim() - 2)), Y)[1]


def solve(S: Tensor, Y: Tensor) -> Tensor:
    """X with S X = Y for positive semidefinite S: (n, n, ...) and Y: (n, m, ...) in its range; zero where `root` is."""
    U, Z = root(S, Y)
    diagonal = U.diagonal(dim1=0, dim2=1).movedim(-1, 0)
    rows: list[Tensor] = []
    for k in range(len(S) - 1, -1, -1):
        X_k = Z[k]
        for j, X_j in enumerate(reversed(rows), k + 1):
            X_k = torch.addcmul(X_k, U[k, j, None], X_j, value=-1)
        dependent = diagonal[k] == 0
        rows.append(torch.where(dependent, 0.0, X_k / torch.where(dependent, 1.0, diagonal[k])))
    return torch.stack(rows[::-1])


def _variances(S: Tensor) -> Tensor:
    """The diagonal of (n, n, ...) as constants: (n, ...)."""
    return S.detach().diagonal(dim1=0, dim2=1).movedim(-1, 0)


def is_rounding(X: Tensor, before: Tensor) -> bool:
    """Whether a covariance X differs from what it was by no more than a few units of its last digit.

    Each entry is held to its own unit, √(X_ii X_jj): a state may be measured in thousandths and its neighbour
    in millions.
    """
    X, before = X.detach(), before.detach()
    unit = X.diagonal().clamp(min=0).sqrt()
    few = 8 * torch.finfo(X.dtype).eps
    return bool(((X - before).abs() <= few * unit[:, None] * unit).all())
