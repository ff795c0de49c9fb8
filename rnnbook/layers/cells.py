"""Cells: what one time step computes. Derived in the chapters forward, lstm, gru and craft.

A cell maps (x_t: (B, I), state) to (h_t: (B, H), state) and makes its own `initial_state(B)`; the state is
h: (B, H), or the pair (h, c) for an LSTM. Gates are stacked in W_x: (G·H, I), W_h: (G·H, H), b: (G·H,).
`rnnbook.layers.recurrent.Recurrent` unrolls a cell over a sequence.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from rnnbook import _expect as expect

State = Tensor | tuple[Tensor, ...]
Weights = tuple[nn.Parameter, nn.Parameter, nn.Parameter]
Phi = Literal["tanh", "relu", "identity"]
Reset = Literal["after", "before"]
Keep = Literal["old", "new"]
Device = torch.device | str | int | None

PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda a: a,
}


def _weights(I: int, H: int, G: int, device: Device, dtype: torch.dtype | None) -> Weights:
    """W_x: (G·H, I), W_h: (G·H, H), b: (G·H,), each entry uniform on (−1/√H, 1/√H) as in `torch.nn`."""
    place, bound = expect.device("device", device), H**-0.5
    kind = torch.get_default_dtype() if dtype is None else expect.floating("dtype", dtype)

    def draw(*shape: int) -> nn.Parameter:
        return nn.Parameter(torch.empty(shape, device=place, dtype=kind).uniform_(-bound, bound))

    return draw(G * H, I), draw(G * H, H), draw(G * H)


def _check(W_x: Tensor, W_h: Tensor, x_t: Tensor, **state: Tensor) -> None:
    expect.tensor("x_t", x_t, [("B", None), ("I", W_x.shape[1])], like=W_x)
    for letter, value in state.items():
        expect.tensor(letter, value, [("B", x_t.shape[0]), ("H", W_h.shape[1])], like=W_h)


def _pair(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(h, c), and no tensor that happens to have two rows."""
    if not (isinstance(state, tuple | list) and len(state) == 2):
        raise TypeError(f"state must be a pair of tensors (h, c), got {type(state).__name__}")
    return state


def kind(cell: object) -> type:
    """The class of a cell, a parametrised one too."""
    return type_before_parametrizations(cell) if isinstance(cell, nn.Module) else type(cell)


class Elman(nn.Module):
    """h_t = φ(W_h h_{t−1} + W_x x_t + b).

    W_x: (H, I), W_h: (H, H), b: (H,); state h: (B, H); phi is "tanh", "relu" or "identity".
    Raises ValueError or TypeError for sizes, dtypes or devices that do not fit.
    Source: Elman 1990, Finding structure in time; with relu and W_h = I, Le, Jaitly & Hinton 2015, A simple
    way to initialize recurrent networks of rectified linear units.
    """

    def __init__(
        self, I: int, H: int, phi: Phi = "tanh", *, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.phi = expect.choice("phi", phi, list(PHI))
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 1, device, dtype)

    @classmethod
    def from_weights(cls, W_x: Tensor, W_h: Tensor, b: Tensor | None = None, phi: Phi = "tanh") -> "Elman":
        """The cell with copies of these weights, to be trained: W_x: (H, I), W_h: (H, H), b: (H,), zero if not given.

        Its dtype and device are those of W_h. Raises ValueError or TypeError for what does not fit.
        """
        H = len(expect.tensor("W_h", W_h, [("H", None), ("H", None)], expect.real("W_h", W_h)))
        expect.tensor("W_h", W_h, [("H", H), ("H", H)], like=W_h)
        I = expect.tensor("W_x", W_x, [("H", H), ("I", None)], like=W_h, whose="W_h's").shape[1]
        if b is not None:
            expect.tensor("b", b, [("H", H)], like=W_h, whose="W_h's")
        cell = cls(I, H, phi, device=W_h.device, dtype=W_h.dtype)
        with torch.no_grad():
            cell.W_x.copy_(W_x)
            cell.W_h.copy_(W_h)
            cell.b.copy_(torch.zeros_like(cell.b) if b is None else b)
        return cell

    def initial_state(self, B: int) -> Tensor:
        """Zeros h_0: (B, H)."""
        return self.b.new_zeros(expect.whole("B", B), self.H)

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _check(self.W_x, self.W_h, x_t, h=h)
        h = PHI[self.phi](x_t @ self.W_x.T + h @ self.W_h.T + self.b)
        return h, h


class LSTM(nn.Module):
    """Long short-term memory without peepholes; gates in the order i, f, g, o.

    (i, f, g, o) = (σ, σ, tanh, σ)(W_h h_{t−1} + W_x x_t + b),
    c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh c_t.
    W_x: (4H, I), W_h: (4H, H), b: (4H,); state (h, c), each (B, H). The forget biases are b[H:2H].
    Raises ValueError or TypeError for sizes, dtypes or devices that do not fit.
    Source: Hochreiter & Schmidhuber 1997, Long short-term memory; the forget gate is Gers, Schmidhuber &
    Cummins 2000, Learning to forget.
    """

    def __init__(self, I: int, H: int, *, device: Device = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 4, device, dtype)

    def initial_state(self, B: int) -> tuple[Tensor, Tensor]:
        """Zeros (h_0, c_0), each (B, H)."""
        B = expect.whole("B", B)
        return self.b.new_zeros(B, self.H), self.b.new_zeros(B, self.H)

    def forward(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = _pair(state)
        _check(self.W_x, self.W_h, x_t, h=h, c=c)
        i, f, g, o = (x_t @ self.W_x.T + h @ self.W_h.T + self.b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c)


class GRU(nn.Module):
    """Gated recurrent unit in its four conventions; gates in the order r, z, n.

    (r, z) = σ(W_h h_{t−1} + W_x x_t + b) in their rows, and the candidate n is
    reset="after":   n = tanh(W_xn x_t + b[2H:] + r ⊙ (W_hn h_{t−1} + b_n)),
    reset="before":  n = tanh(W_xn x_t + b[2H:] + W_hn (r ⊙ h_{t−1})).
    z weights the old state or the new one:
    keep="old":  h_t = z ⊙ h_{t−1} + (1−z) ⊙ n,    keep="new":  h_t = (1−z) ⊙ h_{t−1} + z ⊙ n.
    W_x: (3H, I), W_h: (3H, H), b: (3H,), and b_n: (H,) when reset="after", else None; state h: (B, H).
    The default, ("after", "old"), is PyTorch's. Raises ValueError or TypeError for what does not fit.
    Source: Cho et al. 2014, Learning phrase representations using RNN encoder–decoder ("before", "old");
    Chung et al. 2014, Empirical evaluation of gated recurrent neural networks ("before", "new").
    """

    def __init__(
        self,
        I: int,
        H: int,
        reset: Reset = "after",
        keep: Keep = "old",
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.reset = expect.choice("reset", reset, ["after", "before"])
        self.keep = expect.choice("keep", keep, ["old", "new"])
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 3, device, dtype)
        self.b_n = nn.Parameter(_weights(1, self.H, 1, device, dtype)[2].detach()) if reset == "after" else None

    def initial_state(self, B: int) -> Tensor:
        """Zeros h_0: (B, H)."""
        return self.b.new_zeros(expect.whole("B", B), self.H)

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _check(self.W_x, self.W_h, x_t, h=h)
        H, W_h = self.H, self.W_h
        a = x_t @ self.W_x.T + self.b
        r, z = (a[:, : 2 * H] + h @ W_h[: 2 * H].T).sigmoid().chunk(2, 1)
        if self.b_n is not None:
            n = torch.tanh(a[:, 2 * H :] + r * (h @ W_h[2 * H :].T + self.b_n))
        else:
            n = torch.tanh(a[:, 2 * H :] + (r * h) @ W_h[2 * H :].T)
        h = z * h + (1 - z) * n if self.keep == "old" else (1 - z) * h + z * n
        return h, h


def convert_gru(cell: GRU, reset: Reset | None = None, keep: Keep | None = None) -> GRU:
    """A copy of a GRU in another convention that computes exactly the same function; `cell` is left as it was.

    keep: since 1 − σ(a) = σ(−a), the two meanings of z differ by the sign of the z rows of W_x, W_h and b.
    reset: W_hn (r ⊙ h) = r ⊙ (W_hn h) for every r and h only if W_hn is diagonal, and then b_n must be 0;
    for any other weights no conversion exists and ValueError says so. None leaves a convention as it is.
    What is frozen, parametrised or in evaluation mode remains so; a b_n that is new trains where b does. Raises
    ValueError for a parametrisation that cannot express the weight with its z rows negated.
    """
    if not isinstance(cell, GRU):
        raise TypeError(f"cell must be a GRU, got {type(cell).__name__}")
    reset = expect.choice("reset", cell.reset if reset is None else reset, ["after", "before"])
    keep = expect.choice("keep", cell.keep if keep is None else keep, ["old", "new"])
    H, made = cell.H, deepcopy(cell)
    if reset != cell.reset:
        W_n = cell.W_h[2 * H :]
        if not torch.equal(W_n, W_n.diag().diag()) or (cell.b_n is not None and bool(cell.b_n.any())):
            raise ValueError(
                f"a GRU with reset={cell.reset!r} has no equal with reset={reset!r}: W_n (r * h) and "
                "r * (W_n h + b_n) agree only where W_n is diagonal and b_n is zero; train it anew instead"
            )
        zero = nn.Parameter(torch.zeros_like(cell.b[:H]), requires_grad=cell.b.requires_grad)
        made.b_n = zero if reset == "after" else None
    if keep != cell.keep:
        for name in ("W_x", "W_h", "b"):
            new = getattr(cell, name).detach().clone()
            new[H : 2 * H].neg_()
            _assign(made, name, new)
    made.reset, made.keep = reset, keep
    return made


def _assign(cell: nn.Module, name: str, value: Tensor) -> None:
    """Write a weight, through its parametrisation where it has one."""
    if not is_parametrized(cell, name):
        with torch.no_grad():
            getattr(cell, name).copy_(value)
        return
    setattr(cell, name, value)
    if not torch.allclose(getattr(cell, name), value):
        raise ValueError(
            f"the parametrisation of {name} cannot express it with its z rows negated; "
            "take it off first, with torch.nn.utils.parametrize.remove_parametrizations"
        )


class Leaky(nn.Module):
    """Leaky, or residual, unit: h_t = α ⊙ h_{t−1} + (1−α) ⊙ φ(W_h h_{t−1} + W_x x_t + b).

    alpha: the fixed share of the old state, a number or one per unit (H,), within 0..1; its Jacobian is
    diag(α) + diag((1−α) φ') W_h. A leak with time constant τ and step Δt has α = exp(−Δt/τ).
    W_x: (H, I), W_h: (H, H), b: (H,); state h: (B, H). Raises ValueError for an alpha outside 0..1.
    Source: Jaeger et al. 2007, Optimization and applications of echo state networks with
    leaky-integrator neurons.
    """

    alpha: Tensor

    def __init__(
        self,
        I: int,
        H: int,
        alpha: float | Tensor,
        phi: Phi = "tanh",
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.phi = expect.choice("phi", phi, list(PHI))
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 1, device, dtype)
        given = alpha if isinstance(alpha, Tensor) else torch.tensor(expect.number("alpha", alpha), dtype=torch.float64)
        if expect.real("alpha", given).requires_grad:
            raise ValueError("alpha is fixed and must not require a gradient, which would be lost; give alpha.detach()")
        if given.shape not in ((), (self.H,)):
            raise ValueError(f"alpha must be one number or have shape (H,) = ({self.H},), got {tuple(given.shape)}")
        if not given.is_meta and not bool(((given >= 0) & (given <= 1)).all()):
            raise ValueError(f"alpha must be within 0..1, got {alpha}")
        self.register_buffer("alpha", given.to(self.b).clone())

    def initial_state(self, B: int) -> Tensor:
        """Zeros h_0: (B, H)."""
        return self.b.new_zeros(expect.whole("B", B), self.H)

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _check(self.W_x, self.W_h, x_t, h=h)
        new = PHI[self.phi](x_t @ self.W_x.T + h @ self.W_h.T + self.b)
        h = self.alpha * h + (1 - self.alpha) * new
        return h, h


def _layer_norm(a: Tensor, gain: Tensor, eps: float) -> Tensor:
    """gain ⊙ (a − mean a) / √(var a + eps) over the last axis; var divides by the number of entries."""
    return nn.functional.layer_norm(a, a.shape[-1:], gain, eps=eps)


class LayerNormElman(nn.Module):
    """h_t = φ(LN(W_h h_{t−1} + W_x x_t; g) + b), LN(a; g) = g ⊙ (a − mean a)/√(var a + eps).

    W_x: (H, I), W_h: (H, H), g: (H,), b: (H,); state h: (B, H). At eps = 0 the step does not change when
    W_x and W_h are scaled by one positive number.
    Source: Ba, Kiros & Hinton 2016, Layer normalization.
    """

    def __init__(
        self,
        I: int,
        H: int,
        phi: Phi = "tanh",
        eps: float = 1e-5,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.eps = expect.number("eps", eps, least=0)
        self.phi = expect.choice("phi", phi, list(PHI))
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 1, device, dtype)
        self.g = nn.Parameter(torch.ones_like(self.b))

    def initial_state(self, B: int) -> Tensor:
        """Zeros h_0: (B, H)."""
        return self.b.new_zeros(expect.whole("B", B), self.H)

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _check(self.W_x, self.W_h, x_t, h=h)
        a = x_t @ self.W_x.T + h @ self.W_h.T
        h = PHI[self.phi](_layer_norm(a, self.g, self.eps) + self.b)
        return h, h


class LayerNormLSTM(nn.Module):
    """LSTM whose two products and cell state are normalised; gates in the order i, f, g, o.

    (i, f, g, o) = (σ, σ, tanh, σ)(LN(W_h h_{t−1}; g_h) + LN(W_x x_t; g_x) + b), each LN over all 4H entries,
    c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(LN(c_t; g_c) + b_c).
    W_x: (4H, I), W_h: (4H, H), g_x, g_h, b: (4H,), g_c, b_c: (H,); state (h, c), each (B, H).
    Source: Ba, Kiros & Hinton 2016, Layer normalization, whose two biases before the gates are one b here.
    """

    def __init__(
        self, I: int, H: int, eps: float = 1e-5, *, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.eps = expect.number("eps", eps, least=0)
        self.W_x, self.W_h, self.b = _weights(self.I, self.H, 4, device, dtype)
        self.g_x = nn.Parameter(torch.ones_like(self.b))
        self.g_h = nn.Parameter(torch.ones_like(self.b))
        self.g_c = nn.Parameter(torch.ones_like(self.b[: self.H]))
        self.b_c = nn.Parameter(torch.zeros_like(self.b[: self.H]))

    def initial_state(self, B: int) -> tuple[Tensor, Tensor]:
        """Zeros (h_0, c_0), each (B, H)."""
        B = expect.whole("B", B)
        return self.b.new_zeros(B, self.H), self.b.new_zeros(B, self.H)

    def forward(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = _pair(state)
        _check(self.W_x, self.W_h, x_t, h=h, c=c)
        a = _layer_norm(x_t @ self.W_x.T, self.g_x, self.eps) + _layer_norm(h @ self.W_h.T, self.g_h, self.eps)
        i, f, g, o = (a + self.b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * torch.tanh(_layer_norm(c, self.g_c, self.eps) + self.b_c)
        return h, (h, c)
