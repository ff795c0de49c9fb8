"""Orthogonal recurrent weights: W'W = I at every step of training, by three smooth maps.

Derived in the chapter craft. Each map sends free parameters to an orthogonal matrix; `orthogonal(cell)` puts
one in the place of the cell's W_h, and `Recurrent` computes W once per sequence.
"""

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rnnbook import _expect as expect

Method = Literal["cayley", "exponential", "householder"]
CellType = TypeVar("CellType", bound=nn.Module)


def skew(P: Tensor) -> Tensor:
    """A = L − L' with L the part of P: (…, n, n) below the diagonal, so A' = −A. Raises TypeError or ValueError."""
    L = _matrices("P", P, square=True).tril(-1)
    return L - L.transpose(-1, -2)


def cayley(A: Tensor) -> Tensor:
    """(I + A/2)(I − A/2)^{-1}: (…, n, n), a rotation for skew A.

    An eigenvalue iθ of A becomes e^{iω}, ω = 2 atan(θ/2): every rotation without the eigenvalue −1 is
    reached. Source: Helfrich, Willmott & Ye 2018, Orthogonal recurrent neural networks with scaled Cayley
    transform. Raises TypeError or ValueError for an A that is not skew.
    """
    return _cayley(_skew("A", A))


def _cayley(A: Tensor) -> Tensor:
    half, one = A / 2, torch.eye(A.shape[-1], device=A.device, dtype=A.dtype)
    Q: Tensor = torch.linalg.solve(one - half, one + half)
    return Q


def exponential(A: Tensor) -> Tensor:
    """exp(A) = I + A + A²/2 + …: (…, n, n), a rotation for skew A; every rotation is reached.

    An eigenvalue iθ of A becomes e^{iθ}. Source: Lezcano-Casado & Martínez-Rubio 2019, Cheap orthogonal
    constraints in neural networks. Raises TypeError or ValueError for an A that is not skew.
    """
    return _exponential(_skew("A", A))


def _exponential(A: Tensor) -> Tensor:
    Q: Tensor = torch.linalg.matrix_exp(A)
    return Q


def householder(V: Tensor) -> Tensor:
    """H_1 H_2 … H_k with H_j = I − 2 v_j v_j'/v_j'v_j the reflection along row j of V: (…, k, n).

    Its determinant is (−1)^k; k = n reflections reach every orthogonal matrix of that determinant. All k are
    applied in one solve: H_1 … H_k = I − V' S^{-1} V with S = striu(V V') + diag(V V')/2.
    Source: Mhammedi et al. 2017, Efficient orthogonal parametrisation of recurrent neural networks using
    Householder reflections. Raises TypeError or ValueError for a row of zeros, which has no reflection.
    """
    if bool((expect.finite("V", _matrices("V", V)).detach() == 0).all(-1).any()):
        raise ValueError("V must have no row of zeros, which has no reflection")
    return _householder(V)


def _householder(V: Tensor) -> Tensor:
    V_t = V.transpose(-1, -2)
    gram = V @ V_t
    S = gram.triu(1) + torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1) / 2)
    one = torch.eye(V.shape[-1], device=V.device, dtype=V.dtype)
    Q: Tensor = one - V_t @ torch.linalg.solve_triangular(S, V, upper=True)
    return Q


def _matrices(name: str, value: object, square: bool = False) -> Tensor:
    """A tensor (…, k, n) in a precision that `torch.linalg` has, or (…, n, n)."""
    X = expect.real(name, value)
    if X.dim() < 2 or (square and X.shape[-1] != X.shape[-2]):
        raise ValueError(f"{name} must have shape (…, {'n' if square else 'k'}, n), got {tuple(X.shape)}")
    if X.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must have dtype torch.float32 or torch.float64, got {X.dtype}")
    return X


def _skew(name: str, value: object) -> Tensor:
    A = expect.finite(name, _matrices(name, value, square=True))
    gap, size = (A + A.mT).detach().abs(), A.detach().abs()
    if A.numel() > 0 and bool(gap.max() > 8 * torch.finfo(A.dtype).eps * size.max()):
        raise ValueError(
            f"{name} must be skew, {name}' = -{name}, such as skew(P); {name} + {name}' has {gap.max():.3g}"
        )
    return A


class Orthogonal(nn.Module):
    """A parametrisation W = Q(P) W_0 for each H × H block of W: (G·H, H), for `torch.nn.utils.parametrize`.

    Q is `cayley` or `exponential` of skew(P), or `householder` of the rows of P. W_0 is the orthogonal matrix
    that training starts from, where Q(P) = I; its determinant, +1 or −1, is kept for ever. Assigning to the
    weight starts anew from the nearest orthogonal matrix, its polar factor.
    Raises ValueError for a weight whose height is not a multiple of its width or that is singular.
    """

    W_0: Tensor

    def __init__(self, W: Tensor, method: Method = "cayley") -> None:
        super().__init__()
        self.method = expect.choice("method", method, ["cayley", "exponential", "householder"])
        self.register_buffer("W_0", _nearest(W))

    def forward(self, P: Tensor) -> Tensor:
        """W: (G·H, H) of the free parameters P: (G, H, H), or (G, 2⌊H/2⌋, H) for Householder."""
        G, H, _ = self.W_0.shape
        expect.tensor("P", P, [("G", G), ("k", None), ("H", H)], like=self.W_0)
        if self.method == "householder":
            Q = _householder(P)
        else:
            Q = _cayley(skew(P)) if self.method == "cayley" else _exponential(skew(P))
        return (Q @ self.W_0).flatten(0, 1)

    def right_inverse(self, W: Tensor) -> Tensor:
        """The free parameters at which the weight is the nearest orthogonal matrix to W: (G·H, H)."""
        self.W_0 = _nearest(W)
        G, H, _ = self.W_0.shape
        if self.method != "householder":
            return torch.zeros_like(self.W_0)
        # A reflection undoes itself: pairs of equal vectors begin at Q = I.
        once = torch.randn(G, H // 2, H, device=W.device, dtype=W.dtype)
        return once.repeat_interleave(2, dim=1)


def _nearest(W: Tensor) -> Tensor:
    """The nearest orthogonal matrix to each H × H block of W: (G·H, H), as (G, H, H): U V' of its U S V'."""
    W = _matrices("an orthogonal weight", W).detach()
    H = W.shape[-1]
    if W.dim() != 2 or H == 0 or len(W) % H != 0:
        raise ValueError(f"an orthogonal weight must have shape (G·H, H), got {tuple(W.shape)}")
    expect.finite("an orthogonal weight", W)
    U, S, Vh = torch.linalg.svd(W.reshape(-1, H, H))
    if bool((S[:, -1] <= torch.finfo(W.dtype).eps * S[:, 0]).any()):
        raise ValueError("a singular weight has no nearest orthogonal matrix; give it full rank first")
    polar: Tensor = U @ Vh
    return polar


def orthogonal(cell: CellType, method: Method = "cayley", name: str = "W_h") -> CellType:
    """Keep the weight `name` of a cell, (G·H, H), orthogonal in each of its H × H blocks; returns the cell.

    The weight becomes the nearest orthogonal matrix to what it was and stays orthogonal under any optimiser,
    since the free parameters, `cell.parametrizations.W_h.original`, are what is trained. Raises ValueError
    for an unknown method, a missing or already parametrised weight, or one of another shape.
    """
    if not isinstance(cell, nn.Module):
        raise TypeError(f"cell must be a torch.nn.Module, got {type(cell).__name__}")
    W = getattr(cell, name, None) if isinstance(name, str) else None
    if not isinstance(W, nn.Parameter):
        raise ValueError(f"name must be that of a parameter of {type(cell).__name__}, got {name!r}")
    parametrize.register_parametrization(cell, name, Orthogonal(W, method))
    return cell
