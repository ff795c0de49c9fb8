"""Linear RNNs as input–output maps: Markov parameters, minimal realisations, and which weights do the same.

Two forms of one map: `LinearRNN`, h_t = W h_{t−1} + U x_t with y_t = C h_t + D x_t, and `Delayed`,
z_{t+1} = F z_t + G x_t with y_t = H z_t + D x_t. Derived in the chapter varma. Everything is a float64 torch
tensor: ranks and residuals of 1e-12 need double precision, and gradients pass wherever they exist.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import F64, Numbers, double, eigenvalues, spectral_radius
from rnnbook.layers.cells import Elman

# So many units of the last digit a change of basis of condition 100 moves what follows.
ROUNDING = 256 * torch.finfo(F64).eps


class _Linear:
    """What both forms share: matrices in the order state, input, read-out, skip."""

    letters: ClassVar[str]

    def __post_init__(self) -> None:
        for letter in self.letters:
            X = double(letter, getattr(self, letter))
            if X.dim() != 2:
                raise ValueError(f"{letter} must be a matrix, got shape {tuple(X.shape)}")
            object.__setattr__(self, letter, X)
        W, U, C, _ = self.weights
        n, I, O = len(W), U.shape[1], len(C)
        if I == 0 or O == 0:
            raise ValueError(f"a model must have at least one input and one output, got I={I} and O={O}")
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
        return eigenvalues(self.letters[0], self.weights[0])

    @property
    def stable(self) -> bool:
        """Whether every pole lies inside the unit circle."""
        return spectral_radius(self.weights[0], self.letters[0]) < 1

    def _start(self, x: Tensor, state: Tensor | None) -> Tensor:
        W, U, _, _ = self.weights
        expect.finite("x", expect.tensor("x", x, [("T", None), ("B", None), ("I", U.shape[1])], like=W))
        if state is None:
            return W.new_zeros(x.shape[1], self.n)
        return expect.finite("state", expect.tensor("state", state, [("B", x.shape[1]), ("n", self.n)], like=W))


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

    def rounding(self, count: int) -> Tensor:
        """How far rounding may have moved each entry of `markov(count)`: (count, O, I). See `_rounding`."""
        first = _rounding(self.W, self.U, self.C, count)
        first[:1] += ROUNDING * self.D.detach().abs()
        return first

    def delayed(self) -> "Delayed":
        """The same map read one step later, z_t = h_{t−1}: F = W, G = U, H = CW and the skip CU + D."""
        return Delayed(self.W, self.U, self.C @ self.W, self.C @ self.U + self.D)

    def changed(self, S: Tensor) -> "LinearRNN":
        """The same map in the state Sh: (SWS⁻¹, SU, CS⁻¹, D). S: (n, n); ValueError if it is singular."""
        S = expect.tensor("S", double("S", S), [("n", self.n), ("n", self.n)], like=self.W)
        s = torch.linalg.svdvals(S.detach())
        if not s[-1] > 1e-14 * s[0]:
            raise ValueError(f"S must be invertible, got singular values from {float(s[0]):.3g} to {float(s[-1]):.3g}")
        W, C = (torch.linalg.solve(S, X, left=False) for X in (S @ self.W, self.C))
        return LinearRNN(W, S @ self.U, C, self.D)


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
        for _ in range(expect.whole("count", count) - 1):
            psi.append(self.H @ X)
            X = self.F @ X
        return torch.stack(psi[:count]) if count > 0 else self.D.new_zeros(0, *self.D.shape)

    def rounding(self, count: int) -> Tensor:
        """How far rounding may have moved each entry of `markov(count)`: (count, O, I). See `_rounding`."""
        return torch.cat((ROUNDING * self.D.detach().abs()[None], _rounding(self.F, self.G, self.H, count)))[:count]

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
    if not isinstance(rnn, LinearRNN):
        raise TypeError(f"rnn must be a LinearRNN, got {type(rnn).__name__}")
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
    if not isinstance(cell, Elman):
        raise TypeError(f"cell must be an Elman, got {type(cell).__name__}")
    if cell.phi != "identity":
        raise ValueError(f"only a cell with phi='identity' is linear, got phi={cell.phi!r}")
    if bool(cell.b.any()):
        raise ValueError(
            f"b must be zero, got |b| up to {float(cell.b.detach().abs().max()):.3g}; subtract the mean of y and train "
            "without a bias"
        )
    expect.tensor("V", V, [("O", None), ("H", cell.H)], like=cell.W_h)
    W, U, C = (double(letter, M.detach()).clone() for letter, M in (("W_h", cell.W_h), ("W_x", cell.W_x), ("V", V)))
    return LinearRNN(W, U, C, C.new_zeros(len(C), cell.I))


def hankel(psi: Numbers, rows: int, columns: int) -> Tensor:
    """The block-Hankel matrix with psi[i + j] in block (i, j), counted from 0: (rows·O, columns·I).

    psi: (count, O, I). Raises ValueError unless count is at least rows + columns − 1.
    """
    psi = expect.tensor("psi", X := double("psi", psi), [("count", None), ("O", None), ("I", None)], like=X)
    rows, columns = expect.positive("rows", rows), expect.positive("columns", columns)
    if len(psi) < rows + columns - 1:
        raise ValueError(f"{rows} by {columns} blocks need {rows + columns - 1} parameters, got {len(psi)}")
    block = torch.arange(rows)[:, None] + torch.arange(columns)
    return psi[block].permute(0, 2, 1, 3).reshape(rows * psi.shape[1], columns * psi.shape[2])


def _rounding(F: Tensor, G: Tensor, H: Tensor, count: int) -> Tensor:
    """A bound on the rounding in H F^k G, k = 0..count−1, also that of the basis which F, G and H are given in.

    Exact results may cancel to nothing; their rounding does not: a change of F by a few units of its last digit
    moves H F^k G by the sum of |H F^a| |δF| |F^b G|, a + b = k − 1, and the largest of these stands for all.
    Each state, input and output may have its own unit: it scales both sides alike.
    """
    F, G, H = F.detach(), G.detach(), H.detach()
    reach, see = [G], [H]
    for _ in range(count - 1):
        reach.append(F @ reach[-1])
        see.append(see[-1] @ F)
    bound = G.new_zeros(count, len(H), G.shape[1])
    bound[:1] = H.abs() @ G.abs()
    later = torch.stack(reach).abs()
    for a, H_a in enumerate(see[:-1]):
        bound[a + 1 :] = torch.maximum(bound[a + 1 :], H_a.abs() @ F.abs() @ later[: count - 1 - a])
    return ROUNDING * bound


class _Spectrum(NamedTuple):
    """L diag(s) R' of a block-Hankel matrix whose outputs and inputs have units in which they are of one size.

    floor: singular values up to here may be rounding alone. outputs: (O,), inputs: (I,), those units.
    """

    L: Tensor
    s: Tensor
    Rt: Tensor
    floor: float
    outputs: Tensor
    inputs: Tensor

    def rank(self, tolerance: float) -> int:
        return _count(self.s, tolerance, self.floor)


def _count(s: Tensor, tolerance: float, floor: float) -> int:
    """How many singular values are neither rounding nor small beside the largest."""
    return int((s.detach() > max(tolerance * float(s[0]), floor)).sum()) if len(s) > 0 else 0


def _sizes(psi: Tensor, rounding: Tensor) -> tuple[Tensor, Tensor]:
    """Units of the outputs (O,) and the inputs (I,) in which the Markov parameters psi are of one size.

    Sinkhorn's scaling: rows and columns of the sizes get the norm 1. What is rounding alone keeps the unit of that
    which cancelled, or it would be taken for a signal.
    """
    size = psi.detach().abs().amax(0)
    alone = size <= rounding.amax(0)
    dead = alone.all(1)[:, None] | alone.all(0)
    size = torch.where(dead, rounding.amax(0) / (ROUNDING), torch.where(alone, 0, size))
    outputs, inputs = size.new_ones(len(size)), size.new_ones(size.shape[1])
    for _ in range(50):
        scaled = size / outputs[:, None] / inputs
        for unit, norm in ((outputs, scaled.norm(dim=1)), (inputs, scaled.norm(dim=0))):
            unit *= torch.where(norm > 0, norm, 1).sqrt()
    return outputs, inputs


def _spectrum(psi: Tensor, rounding: Tensor) -> _Spectrum:
    """Of the block-Hankel matrix with psi[i + j], i + j up to count − 2, so that the same one step later exists."""
    outputs, inputs = _sizes(psi, rounding)
    unit = outputs[:, None] * inputs
    L, s, Rt = torch.linalg.svd(_square_hankel(psi[:-1] / unit), full_matrices=False)
    floor = float(torch.linalg.matrix_norm(_square_hankel(rounding / unit)))
    return _Spectrum(L, s, Rt, floor, outputs, inputs)


def _square_hankel(psi: Tensor) -> Tensor:
    """The block-Hankel matrix of all of psi that has as many block rows as columns, or one fewer."""
    rows = (len(psi) + 1) // 2
    return hankel(psi, rows, len(psi) + 1 - rows)


def require_invertible(name: str, D: Tensor, rounding: Tensor) -> None:
    """ValueError unless D: (O, I) is square and has an inverse, whatever the units of its rows and columns.

    rounding: (O, I), how far that may have moved each entry.
    """
    D = D.detach()
    O, I = D.shape
    outputs, inputs = _sizes(D[None], rounding[None])
    unit = outputs[:, None] * inputs
    s = torch.linalg.svdvals(D / unit)
    if O != I or not s[-1] > max(1e-12 * float(s[0]), float(torch.linalg.matrix_norm(rounding / unit))):
        raise ValueError(
            f"{name} must be square and invertible, got {O} by {I} with the smallest singular value "
            f"{float(torch.linalg.svdvals(D)[-1]):.3g}; use innovations.spectral_factor"
        )


def covariance(name: str, value: Numbers, letter: str, n: int) -> Tensor:
    """`value` as a covariance (n, n) in float64, for n = 1 also from a number; ValueError unless it is one."""
    X = double(name, value)
    X = X.reshape(1, 1) if n == 1 and X.numel() == 1 else X
    return expect.semidefinite(name, expect.tensor(name, X, [(letter, n), (letter, n)], like=X))


def _share(name: str, tolerance: float) -> float:
    tolerance = expect.number(name, tolerance)
    if not 0 <= tolerance < 1:
        raise ValueError(f"{name} must be within 0 <= {name} < 1, got {tolerance}")
    return tolerance


def require_model(name: str, model: Model) -> None:
    if not isinstance(model, LinearRNN | Delayed):
        raise TypeError(f"{name} must be a LinearRNN or a Delayed, got {type(model).__name__}")


def degree(model: Model, tolerance: float = 1e-8) -> int:
    """The McMillan degree: the rank of the block-Hankel matrix [Ψ_{i+j−1}], i, j = 1..n.

    Singular values below tolerance times the largest count as zero, in units in which all inputs and all outputs
    are of one size, and so do those that rounding could have made. It is the number of units of the smallest
    `Delayed` with these Markov parameters; common factors of a VARMA lower it.
    Source: Ho & Kalman 1966, Effective construction of linear state-variable models from input/output functions.
    """
    require_model("model", model)
    tolerance = _share("tolerance", tolerance)
    return _reach(model).rank(tolerance) if model.n > 0 else 0


def _reach(model: Model) -> _Spectrum:
    """Of the block-Hankel matrix of Ψ_1..Ψ_2n−1."""
    count = 2 * model.n + 1
    return _spectrum(model.markov(count)[1:], model.rounding(count)[1:])


def units(model: Model, tolerance: float = 1e-8, *, skip: bool = True) -> int:
    """The number of units of the smallest `LinearRNN` with these Markov parameters.

    With a skip D x_t it is 2n − rank F, for F of a minimal `Delayed` of degree n: one more than the degree for
    each dimension that F loses. Without (D = 0) it is the rank of the block-Hankel matrix [Ψ_{i+j−2}].
    A moving average of order q has degree q and needs q + 1 units. tolerance as for `degree`.
    """
    require_model("model", model)
    tolerance, skip = _share("tolerance", tolerance), expect.flag("skip", skip)
    if not skip:
        count = 2 * model.n + 2
        return _spectrum(model.markov(count), model.rounding(count)).rank(tolerance)
    small, floor = _minimal(model, tolerance)
    return 2 * small.n - _count(torch.linalg.svdvals(small.F.detach()), tolerance, floor)


def realise(psi: Numbers, n: int | None = None, tolerance: float = 1e-8) -> Delayed:
    """The minimal `Delayed` whose Markov parameters are psi: (count, O, I), by Ho and Kalman's construction.

    The singular value decomposition H = L Σ R' of the block-Hankel matrix of Ψ_1, Ψ_2, … gives the balanced
    F = Σ^{−½} L' H⁺ R Σ^{−½}, with H⁺ the same matrix one step later, G and H from its first block column and row.
    Inputs and outputs are in units in which all are of one size.
    n: the number of units; without it the numerical rank at `tolerance`. Exact if count − 1 is at least twice
    the degree. Raises ValueError for fewer than three parameters or for an n beyond the rank.
    """
    psi = double("psi", psi)
    if psi.dim() != 3 or len(psi) < 3 or psi.numel() == 0:
        raise ValueError(f"psi must have shape (count, O, I) with count >= 3, got {tuple(psi.shape)}")
    tolerance = _share("tolerance", tolerance)
    found = _spectrum(psi[1:], torch.zeros_like(psi[1:]))
    rank, s = found.rank(tolerance), found.s.detach()
    n = rank if n is None else expect.whole("n", n)
    if n > rank:
        raise ValueError(
            f"n must be at most the Hankel rank {rank}, got {n}: singular value {n} is "
            f"{float(s[n - 1] / s[0]) if n <= len(s) and s[0] > 0 else 0:.3g} of the largest"
        )
    return Delayed(*_ho_kalman(psi[1:], n, found), psi[0])


def _ho_kalman(psi: Tensor, n: int, found: _Spectrum) -> tuple[Tensor, Tensor, Tensor]:
    """F, G, H with psi[j] = H F^j G."""
    O, I = psi.shape[1:]
    later = _square_hankel(psi[1:] / found.outputs[:, None] / found.inputs)
    L, Rt, half = found.L[:, :n], found.Rt[:n], found.s[:n].sqrt()
    F = (L.T @ later @ Rt.T) / (half[:, None] * half)
    return F, half[:, None] * Rt[:, :I] * found.inputs, found.outputs[:, None] * L[:O] * half


def minimal(model: Delayed, tolerance: float = 1e-8) -> Delayed:
    """A `Delayed` of the model's degree with the same Markov parameters; `smallest` is its like for RNNs."""
    require_model("model", model)
    return _minimal(model, _share("tolerance", tolerance))[0]


def _minimal(model: Model, tolerance: float) -> tuple[Delayed, float]:
    """A minimal `Delayed`, and how large a singular value of its F rounding can make."""
    if model.n == 0:
        return model.delayed(), 0.0
    found, psi = _reach(model), model.markov(2 * model.n + 1)
    n = found.rank(tolerance)
    small = Delayed(*_ho_kalman(psi[1:], n, found), psi[0])
    return small, found.floor / float(found.s[n - 1]) if n > 0 else 0.0


def smallest(model: Model, tolerance: float = 1e-8, *, skip: bool = True) -> LinearRNN:
    """A `LinearRNN` with `units(model, skip=skip)` units and the same Markov parameters.

    With a skip, CU is free: the Hankel matrix of CU, Ψ_1, Ψ_2, … has its least rank at CU = H F⁺ G, with F⁺ the
    pseudo-inverse in a minimal `Delayed`. Ho and Kalman's construction then gives W, U and C.
    """
    require_model("model", model)
    tolerance, skip = _share("tolerance", tolerance), expect.flag("skip", skip)
    count = 2 * model.n + 2
    psi, rounding = model.markov(count), model.rounding(count)
    D = torch.zeros_like(psi[0])
    if skip:
        small, floor = _minimal(model, tolerance)
        L, s, Rt = torch.linalg.svd(small.F)
        rank = _count(s, tolerance, floor)
        CU = small.H @ Rt[:rank].T @ ((L[:, :rank] / s[:rank]).T @ small.G)
        D, psi = psi[0] - CU, torch.cat((CU[None], psi[1:]))
        n = 2 * small.n - rank
        return LinearRNN(*_ho_kalman(psi, n, _spectrum(psi, rounding)), D)
    found = _spectrum(psi, rounding)
    return LinearRNN(*_ho_kalman(psi, found.rank(tolerance), found), D)


def equivalent(a: Model, b: Model, tolerance: float = 1e-9) -> bool:
    """Whether two models compute the same map from h_0 = 0, whatever their forms, sizes and weights.

    Ψ_0 … Ψ_{n_a+n_b} decide: by Cayley and Hamilton all the later ones follow. They are compared to
    `tolerance` times the largest of them, in units in which all inputs and all outputs are of one size.
    """
    return _first_difference(a, b, _share("tolerance", tolerance)) is None


def _first_difference(a: Model, b: Model, tolerance: float) -> tuple[int, float] | None:
    require_model("a", a)
    require_model("b", b)
    count = a.n + b.n + 1
    first, second = a.markov(count).detach(), b.markov(count).detach()
    if first.shape != second.shape:
        raise ValueError(f"the models must have the same (O, I), got {(*first.shape[1:],)} and {(*second.shape[1:],)}")
    rounding = a.rounding(count) + b.rounding(count)
    outputs, inputs = _sizes(torch.cat((first, second)), torch.cat((rounding, rounding)))
    gap = (first - second).abs()
    wrong = (gap > tolerance * outputs[:, None] * inputs + rounding).flatten(1).any(1).nonzero()
    return (int(wrong[0]), float(gap[wrong[0]].max())) if len(wrong) > 0 else None


def similarity(a: LinearRNN, b: LinearRNN, tolerance: float = 1e-9) -> Tensor:
    """The S: (n, n) with b = (S W S⁻¹, S U, C S⁻¹, D) of a = (W, U, C, D), unique for minimal a and b.

    Raises ValueError where none exists and says why: another number of units, another D, a Markov parameter
    that differs, or units that the input does not reach or the output does not see.
    """
    for name, model in (("a", a), ("b", b)):
        if not isinstance(model, LinearRNN):
            raise TypeError(f"{name} must be a LinearRNN, got {type(model).__name__}")
    tolerance = _share("tolerance", tolerance)
    if a.n != b.n:
        raise ValueError(f"models of {a.n} and {b.n} units are not similar; compare them with equivalent(a, b)")
    different = _first_difference(a, b, tolerance)
    if different is not None:
        raise ValueError(f"the models differ: Psi_{different[0]} by {different[1]:.3g}")
    first, second = (LinearRNN(model.W, model.U, model.C, torch.zeros_like(model.D)) for model in (a, b))
    skips = _first_difference(first, second, tolerance)
    if skips is not None:
        raise ValueError(f"the models compute the same but are not similar: D differs by {skips[1]:.3g}")
    for letter, model in (("a", first), ("b", second)):
        seen = units(model, skip=False)
        if seen < model.n:
            raise ValueError(f"{letter} is not minimal: {model.n} units, Hankel rank {seen}; take smallest(model)")
    # Units of the outputs, the same for both, and of the states of b: the least squares are those of one size.
    seen_in_a, seen_in_b = _observability(a), _observability(b)
    outputs = seen_in_b.detach().view(b.n, *b.C.shape).norm(dim=(0, 2)).repeat(b.n)[:, None]
    outputs = torch.where(outputs > 0, outputs, 1)
    states = (seen_in_b.detach() / outputs).norm(dim=0)
    S: Tensor = torch.linalg.pinv(seen_in_b / outputs / states) @ (seen_in_a / outputs) / states[:, None]
    return S


def _observability(rnn: LinearRNN) -> Tensor:
    """[C; CW; …; CW^{n−1}]: (n·O, n)."""
    blocks = [rnn.C]
    for _ in range(rnn.n - 1):
        blocks.append(blocks[-1] @ rnn.W)
    return torch.cat(blocks)
