"""The ways by which a gradient returns through one step of an LSTM. Derived in the chapter lstm.

dc_t/dc_{t−1} has a direct path, the forget gate along the cell state, and side roads: c_{t−1} also makes h_{t−1},
which turns gates and candidate. The Jacobian of the whole state (h, c) is in `rnnbook.dynamics.flow`.
"""

from dataclasses import dataclass

from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.layers.cells import LSTM


@dataclass(frozen=True)
class Paths:
    """The shares of dc_t/dc_{t−1}, each (B, H, H): row j, column k is what c_t of unit j owes to c_{t−1} of unit k.

    direct: along the cell state; forget, input, candidate: by way of h_{t−1} and of that gate, or the candidate.
    The output gate has no share: it comes after c_t.
    """

    direct: Tensor
    forget: Tensor
    input: Tensor
    candidate: Tensor

    @property
    def side(self) -> Tensor:
        """All side roads together."""
        return self.forget + self.input + self.candidate

    @property
    def total(self) -> Tensor:
        """dc_t/dc_{t−1}."""
        return self.direct + self.side


def lstm_paths(cell: LSTM, x_t: Tensor, c: Tensor, o: Tensor) -> Paths:
    """dc_t/dc_{t−1} by its ways, where h_{t−1} = o_{t−1} ⊙ tanh c_{t−1} and o_{t−1} is held.

    direct = diag(f_t);  forget = diag(c_{t−1} f_t (1−f_t)) W_hf S,  input = diag(g_t i_t (1−i_t)) W_hi S,
    candidate = diag(i_t (1−g_t²)) W_hg S  with S = dh_{t−1}/dc_{t−1} = diag(o_{t−1} (1 − tanh² c_{t−1})).
    x_t: (B, I); c, o: (B, H), the cell state and the output gate of the step before, o within 0..1.
    Raises TypeError for what is not an LSTM cell, TypeError or ValueError for inputs that do not fit.
    Source: Hochreiter & Schmidhuber 1997, who cut the side roads; differentiation does not.
    """
    if not isinstance(cell, LSTM):
        raise TypeError(f"cell must be a rnnbook.layers.cells.LSTM, got {type(cell).__name__}")
    expect.tensor("x_t", x_t, [("B", None), ("I", cell.I)], like=cell.W_x)
    for name, value in (("c", c), ("o", o)):
        expect.tensor(name, value, [("B", x_t.shape[0]), ("H", cell.H)], like=cell.W_x)
    if not ((o >= 0) & (o <= 1)).all():
        raise ValueError("o must be an output gate, within 0..1")
    W_x, W_h, b = cell.W_x.detach(), cell.W_h.detach(), cell.b.detach()
    x_t, c, o = x_t.detach(), c.detach(), o.detach()
    a_i, a_f, a_g, _ = (x_t @ W_x.T + (o * c.tanh()) @ W_h.T + b).chunk(4, 1)
    i, f, g = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh()
    W_hi, W_hf, W_hg, _ = W_h.chunk(4)
    S = (o * (1 - c.tanh() ** 2))[:, None, :]
    return Paths(
        direct=f.diag_embed(),
        forget=(c * f * (1 - f))[:, :, None] * W_hf * S,
        input=(g * i * (1 - i))[:, :, None] * W_hi * S,
        candidate=(i * (1 - g**2))[:, :, None] * W_hg * S,
    )
