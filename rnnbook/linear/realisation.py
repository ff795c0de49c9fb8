"""Linear RNNs as input–output maps: Markov parameters, minimal realisations, and which weights do the same.

Two forms of one map: `LinearRNN`, h_t = W h_{t−1} + U x_t with y_t = C h_t + D x_t, and `Delayed`,
z_{t+1} = F z_t + G x_t with y_t = H z_t + D x_t. Derived in the chapter varma. Everything is a float64 torch
tensor: ranks and residuals of 1e-12 need double precision, and gradients pass wherever they exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import F64, double, spectral_radius
from rnnbook.layers.cells import Elman


class _Linear:
    """What both forms share: matrices in the order state, input, read-out, skip."""

    letters: ClassVar[str]

    def __post_init__(self) -> None:
        for letter in self.letters:
            object.__setattr__(self, letter, double(getattr(self, letter)))
        W, U, C, _ = self.weights
        n, I, O = W.shape[-1], U.shape[-1], C.shape[0]
        sizes = ((("n", n), ("n", n)), (("n", n), ("I", I)), (("O", O), ("n", n)), (("O", O), ("I", I)))
        for letter, value, size in zip(self.letters, self.weights, sizes, strict=True):
            expect.tensor(letter, value, size, like=W)

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four matrices: (n, n), (n, I), (O, n), (O, I)."""
        W, U, C, D = (getattr(self, letter) for letter in self.letters)
        return W, U, C, D

    @property
    def n(self) -> int:
        """The number of units."""
        return len(self.weights[0])

    @property
    def poles(self) -> Tensor:
        """The eigenvalues of the state matrix, complex (n,)."""
        poles: Tensor = torch.linalg.eigvals(self.weights[0])
        return poles

    @property
    def stable(self) -> bool:
        """Whether every pole lies inside the unit circle."""
        return spectral_radius(self.weights[0]) < 1

    def _start(self, x: Tensor, state: Tensor | None) -> Tensor:
        W, U, _, _ = self.weights
        expect.tensor("x", x, [("T", None), ("B", None), ("I", U.shape[1])], like=W)
        if state is None:
            return W.new_zeros(x.shape[1], self.n)
        return expect.tensor("state", state, [("B", x.shape[1]), ("n", self.n)], like=W)


@dataclass(frozen=True, eq=False)
class LinearRNN(_Linear):
    """h_t = W h_{t−1} + U x_t, y_t = C h_t + D x_t.

    W: (n, n), U: (n, I), C: (O, n), D: (O, I). Calling it with x: (T, B, I) and h_0: (B, n), zero unless
    given, returns y: (T, B, O) and h_T: (B, n). Raises ValueError or TypeError for what does not fit.
    """

    letters = "WUCD"
    W: Tensor
    U: Tensor
    C: Tensor
    D: Tensor

    def __call__(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self._start(x, h)
        states = []
        for x_t in x:
            h = h @ self.W.T + x_t @ self.U.T
            states.append(h)
        hs = torch.stack(states) if states else x.new_zeros(0, x.shape[1], self.n)
        return hs @ self.C.T + x @ self.D.T, h

    def markov(self, count: int) -> Tensor:
        """Ψ_0 = CU + D and Ψ_j = C W^j U for j = 1..count−1: (count, O, I)."""
        return self.delayed().markov(count)

    def delayed(self) -> "Delayed":
        """The same map read one step later, z_t = h_{t−1}: F = W, G = U, H = CW and the skip CU + D."""
        return Delayed(self.W, self.U, self.C @ self.W, self.C @ self.U + self.D)

    def changed(self, S: Tensor) -> "LinearRNN":
        """The same map in the state Sh: (SWS⁻¹, SU, CS⁻¹, D). S: (n, n); ValueError if it is singular."""
        S = expect.tensor("S", double(S), [("n", self.n), ("n", self.n)], like=self.W)
        s = torch.linalg.svdvals(S.detach())
        if not s[-1] > 1e-14 * s[0]:
            raise ValueError(f"S must be invertible, got singular values from {float(s[0]):.3g} to {float(s[-1]):.3g}")
        inverse = torch.linalg.inv(S)
        return LinearRNN(S @ self.W @ inverse, S @ self.U, self.C @ inverse, self.D)


@dataclass(frozen=True, eq=False)
class Delayed(_Linear):
    """z_{t+1} = F z_t + G x_t, y_t = H z_t + D x_t: the read-out sees the state from before x_t.

    F: (n, n), G: (n, I), H: (O, n), D: (O, I). Calling it with x: (T, B, I) and z_1: (B, n), zero unless
    given, returns y: (T, B, O) and z_{T+1}: (B, n). Raises ValueError or TypeError for what does not fit.
    """

    letters = "FGHD"
    F: Tensor
    G: Tensor
    H: Tensor
    D: Tensor

    def __call__(self, x: Tensor, z: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = self._start(x, z)
        states = []
        for x_t in x:
            states.append(z)
            z = z @ self.F.T + x_t @ self.G.T
        zs = torch.stack(states) if states else x.new_zeros(0, x.shape[1], self.n)
        return zs @ self.H.T + x @ self.D.T, z

    def markov(self, count: int) -> Tensor:
        """Ψ_0 = D and Ψ_j = H F^{j−1} G for j = 1..count−1: (count, O, I)."""
        psi, X = [self.D], self.G
        for _ in range(count - 1):
            psi.append(self.H @ X)
            X = self.F @ X
        return torch.stack(psi[:count]) if count > 0 else self.D.new_zeros(0, *self.D.shape)

    def delayed(self) -> "Delayed":
        """Itself."""
        return self

    def rnn(self) -> LinearRNN:
        """An RNN that always exists: h_t = [z_t; x_t] holds the input for one step, n + I units, no skip."""
        n, (O, I) = self.n, self.D.shape
        W = torch.cat((torch.cat((self.F, self.G), 1), self.F.new_zeros(I, n + I)))
        U = torch.cat((self.F.new_zeros(n, I), torch.eye(I, dtype=F64)))
        return LinearRNN(W, U, torch.cat((self.H, self.D), 1), self.D.new_zeros(O, I))

    def rnn_of_same_size(self) -> LinearRNN:
        """An RNN with the same n units, h_t = z_{t+1}: W = F, U = G, CF = H and the skip D − CG.

        Raises ValueError where no C solves CF = H, as for every moving average: F must not lose what H reads.
        """
        C = self.H @ torch.linalg.pinv(self.F)
        rest = float((C @ self.F - self.H).detach().abs().max()) if self.n > 0 else 0.0
        if rest > 1e-9 * float(self.H.detach().abs().max() if self.n > 0 else 0):
            rank = int(torch.linalg.matrix_rank(self.F))
            raise ValueError(
                f"no C solves CF = H (residual {rest:.3g}): F is singular, rank {rank} of {self.n}; "
                f"take rnn() with {self.n + self.G.shape[1]} units, or smallest(model)"
            )
        return LinearRNN(self.F, self.G, C, self.D - C @ self.G)


Model = LinearRNN | Delayed


def to_elman(rnn: LinearRNN) -> tuple[Elman, Tensor]:
    """The book's cell and its read-out V: h_t = W_h h_{t−1} + W_x x_t, y_t = V h_t, bias zero.

    W_h = W, W_x = U, V = C where D = 0. An Elman network has no skip: where D ≠ 0, I more units hold x_t.
    """
    I = rnn.D.shape[1]
    W_h, W_x, V = rnn.W, rnn.U, rnn.C
    if bool(rnn.D.any()):
        W_h = torch.nn.functional.pad(rnn.W, (0, I, 0, I))
        W_x, V = torch.cat((rnn.U, torch.eye(I, dtype=F64))), torch.cat((rnn.C, rnn.D), 1)
    return Elman.from_weights(W_x, W_h, phi="identity"), V.detach().clone()


def from_elman(cell: Elman, V: Tensor) -> LinearRNN:
    """The linear RNN of a cell with φ = identity and of its read-out V: (O, H), as float64 copies.

    Raises ValueError for another φ or for a bias that is not zero, which adds a constant to every y_t.
    """
    if cell.phi != "identity":
        raise ValueError(f"only a cell with phi='identity' is linear, got phi={cell.phi!r}")
    if bool(cell.b.any()):
        raise ValueError(
            f"b must be zero, got |b| up to {float(cell.b.detach().abs().max()):.3g}; subtract the mean of y and train "
            "without a bias"
        )
    W, U, C = (double(M.detach()).clone() for M in (cell.W_h, cell.W_x, V))
    return LinearRNN(W, U, C, C.new_zeros(len(C), cell.I))


def hankel(psi: Tensor, rows: int, columns: int) -> Tensor:
    """The block-Hankel matrix with psi[i + j] in block (i, j), counted from 0: (rows·O, columns·I).

    psi: (count, O, I). Raises ValueError unless count is at least rows + columns − 1.
    """
    if len(psi) < rows + columns - 1:
        raise ValueError(f"{rows} by {columns} blocks need {rows + columns - 1} parameters, got {len(psi)}")
    block = torch.arange(rows)[:, None] + torch.arange(columns)
    return psi[block].permute(0, 2, 1, 3).reshape(rows * psi.shape[1], columns * psi.shape[2])


def _rank(M: Tensor, tolerance: float) -> int:
    s = torch.linalg.svdvals(M.detach())
    return int((s > tolerance * s[0]).sum()) if len(s) > 0 and s[0] > 0 else 0


def degree(model: Model, tolerance: float = 1e-8) -> int:
    """The McMillan degree: the rank of the block-Hankel matrix [Ψ_{i+j−1}], i, j = 1..n.

    Singular values below tolerance times the largest count as zero. It is the number of units of the smallest
    `Delayed` with these Markov parameters; common factors of a VARMA lower it.
    Source: Ho & Kalman 1966, Effective construction of linear state-variable models from input/output functions.
    """
    n = model.n
    return _rank(hankel(model.markov(2 * n)[1:], n, n), tolerance) if n > 0 else 0


def units(model: Model, tolerance: float = 1e-8, *, skip: bool = True) -> int:
    """The number of units of the smallest `LinearRNN` with these Markov parameters.

    With a skip D x_t it is 2n − rank F, for F of a minimal `Delayed` of degree n: one more than the degree for
    each dimension that F loses. Without (D = 0) it is the rank of the block-Hankel matrix [Ψ_{i+j−2}].
    A moving average of order q has degree q and needs q + 1 units.
    """
    if not skip:
        rows = model.n + 1
        return _rank(hankel(model.markov(2 * rows - 1), rows, rows), tolerance)
    small = minimal(model.delayed(), tolerance)
    return 2 * small.n - _rank(small.F, tolerance)


def realise(psi: Tensor | Sequence[Any], n: int | None = None, tolerance: float = 1e-8) -> Delayed:
    """The minimal `Delayed` whose Markov parameters are psi: (count, O, I), by Ho and Kalman's construction.

    The singular value decomposition H = L Σ R' of the block-Hankel matrix of Ψ_1, Ψ_2, … gives the balanced
    F = Σ^{−½} L' H⁺ R Σ^{−½}, with H⁺ the same matrix one step later, G and H from its first block column and row.
    n: the number of units; without it the numerical rank at `tolerance`. Exact if count − 1 is at least twice
    the degree. Raises ValueError for fewer than three parameters or for an n beyond the rank.
    """
    psi = double(psi)
    if psi.dim() != 3 or len(psi) < 3:
        raise ValueError(f"psi must have shape (count, O, I) with count >= 3, got {tuple(psi.shape)}")
    F, G, H = _ho_kalman(psi[1:], n, tolerance)
    return Delayed(F, G, H, psi[0])


def _ho_kalman(psi: Tensor, n: int | None, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
    """F, G, H with psi[j] = H F^j G."""
    O, I = psi.shape[1:]
    rows, columns = len(psi) // 2, len(psi) - len(psi) // 2
    first = hankel(psi[:-1], rows, columns)
    later = hankel(psi[1:], rows, columns)
    L, s, Rt = torch.linalg.svd(first, full_matrices=False)
    rank = int((s > tolerance * s[0]).sum()) if s[0] > 0 else 0
    n = rank if n is None else n
    if n > rank:
        raise ValueError(
            f"n must be at most the Hankel rank {rank}, got {n}: singular value {n} is "
            f"{float(s[n - 1] / s[0]) if n <= len(s) and s[0] > 0 else 0:.3g} of the largest"
        )
    half = s[:n].sqrt()
    observe, reach = L[:, :n] * half, half[:, None] * Rt[:n]
    F = (L[:, :n].T @ later @ Rt[:n].T) / (half[:, None] * half)
    return F, reach[:, :I], observe[:O]


def minimal(model: Delayed, tolerance: float = 1e-8) -> Delayed:
    """A `Delayed` of the model's degree with the same Markov parameters; `smallest` is its like for RNNs."""
    if model.n == 0:
        return model
    return realise(model.markov(2 * model.n + 1), None, tolerance)


def smallest(model: Model, tolerance: float = 1e-8, *, skip: bool = True) -> LinearRNN:
    """A `LinearRNN` with `units(model, skip=skip)` units and the same Markov parameters.

    With a skip, CU is free: the Hankel matrix of CU, Ψ_1, Ψ_2, … has its least rank at CU = H F⁺ G, with F⁺ the
    pseudo-inverse in a minimal `Delayed`. Ho and Kalman's construction then gives W, U and C.
    """
    rows = 2 * model.n + model.weights[1].shape[1]
    psi = model.markov(2 * rows)
    D = torch.zeros_like(psi[0])
    if skip:
        small = minimal(model.delayed(), tolerance)
        CU = small.H @ torch.linalg.pinv(small.F, rtol=tolerance) @ small.G
        D, psi = psi[0] - CU, torch.cat((CU[None], psi[1:]))
    return LinearRNN(*_ho_kalman(psi, None, tolerance), D)


def equivalent(a: Model, b: Model, tolerance: float = 1e-9) -> bool:
    """Whether two models compute the same map from h_0 = 0, whatever their forms, sizes and weights.

    Ψ_0 … Ψ_{n_a+n_b} decide: by Cayley and Hamilton all the later ones follow. They are compared to
    `tolerance` times the largest of them.
    """
    return _first_difference(a, b, tolerance) is None


def _first_difference(a: Model, b: Model, tolerance: float) -> tuple[int, float] | None:
    count = a.n + b.n + 1
    first, second = a.markov(count).detach(), b.markov(count).detach()
    if first.shape != second.shape:
        raise ValueError(f"the models must have the same (O, I), got {(*first.shape[1:],)} and {(*second.shape[1:],)}")
    gap = (first - second).abs().flatten(1).amax(1)
    wrong = (gap > tolerance * torch.maximum(first.abs().max(), second.abs().max())).nonzero()
    return (int(wrong[0]), float(gap[wrong[0]])) if len(wrong) > 0 else None


def similarity(a: LinearRNN, b: LinearRNN, tolerance: float = 1e-9) -> Tensor:
    """The S: (n, n) with b = (S W S⁻¹, S U, C S⁻¹, D) of a = (W, U, C, D), unique for minimal a and b.

    Raises ValueError where none exists and says why: another number of units, another D, a Markov parameter
    that differs, or units that the input does not reach or the output does not see.
    """
    if a.n != b.n:
        raise ValueError(f"models of {a.n} and {b.n} units are not similar; compare them with equivalent(a, b)")
    different = _first_difference(a, b, tolerance)
    if different is not None:
        raise ValueError(f"the models differ: Psi_{different[0]} by {different[1]:.3g}")
    skips = float((a.D - b.D).detach().abs().max())
    if skips > tolerance * max(1.0, float(a.D.detach().abs().max())):
        raise ValueError(f"the models compute the same but are not similar: D differs by {skips:.3g}")
    for letter, model in (("a", a), ("b", b)):
        seen = units(LinearRNN(model.W, model.U, model.C, torch.zeros_like(model.D)), skip=False)
        if seen < model.n:
            raise ValueError(f"{letter} is not minimal: {model.n} units, Hankel rank {seen}; take smallest(model)")
    S: Tensor = torch.linalg.pinv(_observability(b)) @ _observability(a)
    return S


def _observability(rnn: LinearRNN) -> Tensor:
    """[C; CW; …; CW^{n−1}]: (n·O, n)."""
    blocks = [rnn.C]
    for _ in range(rnn.n - 1):
        blocks.append(blocks[-1] @ rnn.W)
    return torch.cat(blocks)
