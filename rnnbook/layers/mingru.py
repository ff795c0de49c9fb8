"""minGRU: a gated unit whose gates do not read the state, so that all steps are computed at once by a scan.

Derived in the chapter gru. `MinGRU` is one step, in the manner of `rnnbook.layers.cells`; `MinGRULayer` is all of them.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.layers.bptt import HandDerived, call, times_dsigmoid
from rnnbook.layers.cells import Device
from rnnbook.layers.recurrent import Lengths, as_mask, without_autocast
from rnnbook.layers.scan import RUN, Algorithm, scan, with_start

Candidate = Literal["linear", "positive"]


class MinGRU(nn.Module):
    """h_t = (1−z) ⊙ h_{t−1} + z ⊙ n with z = σ(W_z x_t + b_z), n = W_n x_t + b_n; rows in the order z, n.

    candidate: "linear" as above; "positive" bends n to positive values, x + 1/2 for x ≥ 0 and σ(x) below,
    as the recurrence in logarithms needs it. No weight touches the state: W_x: (2H, I), b: (2H,); state h: (B, H).
    Each h_t lies between the least and the largest of h_0 and the candidates so far.
    Raises ValueError or TypeError for sizes, dtypes or devices that do not fit.
    Source: Feng et al. 2024, Were RNNs all we needed?
    """

    def __init__(
        self,
        I: int,
        H: int,
        candidate: Candidate = "linear",
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.I, self.H = expect.positive("I", I), expect.positive("H", H)
        self.candidate = expect.choice("candidate", candidate, ["linear", "positive"])
        place, bound = expect.device("device", device), self.I**-0.5
        kind = torch.get_default_dtype() if dtype is None else expect.floating("dtype", dtype)
        W_x = torch.empty(2 * self.H, self.I, device=place, dtype=kind)
        self.W_x = nn.Parameter(W_x.uniform_(-bound, bound))
        self.b = nn.Parameter(W_x.new_empty(2 * self.H).uniform_(-bound, bound))

    def initial_state(self, B: int) -> Tensor:
        """Zeros h_0: (B, H)."""
        return self.b.new_zeros(expect.whole("B", B), self.H)

    def arguments(self, x: Tensor) -> Tensor:
        """What the gate and the candidate are computed from, (…, 2H), of inputs x: (…, I)."""
        expect.tensor("x", x, [("…", None), ("I", self.I)], like=self.W_x)
        return nn.functional.linear(x, self.W_x, self.b)

    def gates(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """(z, n), each (…, H), of the arguments a: (…, 2H)."""
        expect.tensor("a", a, [("…", None), ("2H", 2 * self.H)], like=self.W_x)
        a_z, n = a.chunk(2, -1)
        return a_z.sigmoid(), _positive(n) if self.candidate == "positive" else n

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        expect.tensor("x_t", x_t, [("B", None), ("I", self.I)], like=self.W_x)
        expect.tensor("h", h, [("B", x_t.shape[0]), ("H", self.H)], like=self.W_x)
        z, n = self.gates(self.arguments(x_t))
        h = (1 - z) * h + z * n
        return h, h


def _positive(n: Tensor) -> Tensor:
    return torch.where(n >= 0, n + 0.5, n.sigmoid())


class _MinGRU(HandDerived):
    """h_t = (1−z_t) ⊙ h_{t−1} + z_t ⊙ n_t over all steps, from the arguments a: (T, B, 2H) of z and n.

    Backwards, with g_t the whole gradient at h_t, by a scan from the end: g_t = dL/dh_t + (1−z_{t+1}) g_{t+1},
    dn_t = g_t z_t, dz_t = g_t (n_t − h_{t−1}).
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, h_0: Tensor | None, cell: MinGRU, run: Any) -> tuple[Tensor]:
        z, n = cell.gates(a)
        keep = 1 - z
        h: Tensor = run(*with_start(keep, z * n, h_0), False)
        ctx.starts, ctx.run, ctx.positive = h_0 is not None, run, cell.candidate == "positive"
        ctx.save_for_backward(a, z, n, h)
        return (h[1:] if ctx.starts else h,)

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (d_h,), (_, z, n, h) = d_outputs, ctx.saved_tensors
        keep = 1 - z
        if ctx.starts:
            d_h = torch.cat((torch.zeros_like(h[:1]), d_h))
        g = ctx.run(keep if ctx.starts else keep[1:], d_h, True)
        d_start, g = (g[0], g[1:]) if ctx.starts else (None, g)
        da = z.new_empty(*z.shape[:2], 2 * z.shape[2])
        da_z, dn = da.chunk(2, -1)
        if ctx.starts:
            torch.sub(n, h[:-1], out=da_z)
        else:
            da_z.copy_(n)
            da_z[1:] -= h[:-1]
        times_dsigmoid(da_z.mul_(g), z, da_z)
        torch.mul(g, z, out=dn)
        if ctx.positive:
            dn *= torch.where(n >= 0.5, 1, n * (1 - n))
        return da, d_start, None, None


class MinGRULayer(nn.Module):
    """A minGRU over (T, B, I) by a scan: what `Recurrent(cell)` computes in T steps.

    `layer(x, state=None, lengths=None, mask=None)` maps x: (T, B, I) to y: (T, B, H) and the last state (B, H);
    lengths, mask, padding and errors as in `rnnbook.layers.recurrent.Recurrent`. algorithm: as in
    `rnnbook.layers.scan.scan`.
    """

    def __init__(self, cell: MinGRU, algorithm: Algorithm = "auto") -> None:
        super().__init__()
        if not isinstance(cell, MinGRU):
            raise TypeError(f"cell must be a MinGRU, got {type(cell).__name__}")
        self.cell, self.I, self.width = cell, cell.I, cell.H
        self.algorithm = expect.choice("algorithm", algorithm, [*RUN, "loop"])

    def initial_state(self, B: int) -> Tensor:
        """The cell's initial state for B sequences."""
        return self.cell.initial_state(B)

    def forward(
        self,
        x: Tensor,
        state: Tensor | None = None,
        *,
        lengths: Lengths | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        like = self.cell.b
        T, B, _ = expect.tensor("x", x, [("T", None), ("B", None), ("I", self.I)], like).shape
        if state is not None:
            expect.tensor("state", state, [("B", B), ("H", self.width)], like)
        mask = as_mask(lengths, mask, x)
        pads = None if mask is None else ~mask[:, :, None]
        with without_autocast(x.device):
            a = self.cell.arguments(x if pads is None else x.masked_fill(pads, 0))
            if pads is not None:
                # σ(−∞) = 0: at a pad the update gate is shut and the state is carried through.
                a_z, n = a.chunk(2, -1)
                a = torch.cat((a_z.masked_fill(pads, -torch.inf), n), -1)
            if self.algorithm == "loop":
                z, n = self.cell.gates(a)
                h = scan(1 - z, z * n, state, "loop")
            else:
                h = call(_MinGRU, a, state, self.cell, RUN[self.algorithm])[0]
        last = h[-1] if T > 0 else (self.initial_state(B) if state is None else state)
        return (h if pads is None else h.masked_fill(pads, 0)), last

    def extra_repr(self) -> str:
        return f"algorithm={self.algorithm!r}"
