"""PyTorch's kernels behind the book's cells: the backend "torch" of `rnnbook.layers.recurrent`.

Whole layers of `torch.nn`, and weights to and from them, are in `rnnbook.layers.torch_nn`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnbook.layers.cells import GRU, LSTM, Elman, State, kind


def require(cell: object) -> None:
    """Raise ValueError, which says what to do instead, for a cell that `torch.nn` does not have."""
    own, phi, reset = kind(cell), getattr(cell, "phi", None), getattr(cell, "reset", None)
    if own is LSTM or (own is Elman and phi != "identity") or (own is GRU and reset == "after"):
        return
    details = ", ".join(f"{k}={v!r}" for k, v in {"phi": phi, "reset": reset}.items() if v is not None)
    raise ValueError(
        "torch.nn has Elman with tanh or relu, LSTM, and GRU with reset='after', but not "
        f"{own.__name__}({details}); use backend='bptt' or 'loop'"
    )


def weights(cell: Elman | LSTM | GRU) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """weight_ih, weight_hh, bias_ih, bias_hh of a cell, as functions of its parameters.

    b_hh is zero but for the last third of a GRU's, which is b_n. Raises ValueError as `require` does.
    """
    require(cell)
    b_hh = torch.zeros_like(cell.b)
    if not isinstance(cell, GRU):
        return cell.W_x, cell.W_h, cell.b, b_hh
    assert cell.b_n is not None
    b_hh = torch.cat((b_hh[: 2 * cell.H], cell.b_n))
    if cell.keep == "old":
        return cell.W_x, cell.W_h, cell.b, b_hh
    sign = torch.ones_like(cell.b)
    sign[cell.H : 2 * cell.H] = -1
    return cell.W_x * sign[:, None], cell.W_h * sign[:, None], cell.b * sign, b_hh


def run(cell: Elman | LSTM | GRU, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
    """x: (T, B, I), T and B at least 1, through PyTorch's kernel; mask: (T, B) bool, or None.

    A masked step leaves the state as it was, so the steps that count move together to the front, in their
    order, and are packed. What comes out at pads is for the caller to set.
    """
    start = tuple(part[None] for part in (state if isinstance(state, tuple) else (state,)))
    if mask is None:
        outcome = _kernel(cell, x, start)
        y, last = outcome[0], outcome[1:]
    else:
        y, last = _packed(cell, x, start, mask)
    end = tuple(part[0] for part in last)
    return y, end if isinstance(state, tuple) else end[0]


def _kernel(cell: Elman | LSTM | GRU, x: Tensor, start: tuple[Tensor, ...], batch_sizes: Tensor | None = None) -> Any:
    kernel: Any
    if isinstance(cell, Elman):
        kernel = torch.rnn_tanh if cell.phi == "tanh" else torch.rnn_relu
    else:
        kernel = torch.lstm if isinstance(cell, LSTM) else torch.gru
    hx: Any = start if isinstance(cell, LSTM) else start[0]
    # cuDNN keeps what its backward pass needs only when it is told that this is training.
    biases, layers, dropout, train, bidirectional = True, 1, 0.0, torch.is_grad_enabled(), False
    if batch_sizes is None:
        return kernel(x, hx, weights(cell), biases, layers, dropout, train, bidirectional, False)
    return kernel(x, batch_sizes, hx, weights(cell), biases, layers, dropout, train, bidirectional)


def _packed(
    cell: Elman | LSTM | GRU, x: Tensor, start: tuple[Tensor, ...], mask: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    T, B, _ = x.shape
    lengths = mask.sum(0)
    order = torch.argsort(~mask, dim=0, stable=True)
    front = x.gather(0, order[:, :, None].expand_as(x))
    # A packed sequence has at least one step: where none counts, one is run and its state is not used.
    packed = pack_padded_sequence(front, lengths.clamp(min=1).cpu(), enforce_sorted=False)
    assert packed.sorted_indices is not None
    assert packed.unsorted_indices is not None
    hx = tuple(part.index_select(1, packed.sorted_indices) for part in start)
    outcome = _kernel(cell, packed.data, hx, packed.batch_sizes)
    data, last = outcome[0], outcome[1:]
    unpacked, _ = pad_packed_sequence(PackedSequence(data, *packed[1:]), total_length=T)
    y = torch.zeros_like(unpacked).scatter(0, order[:, :, None].expand(T, B, cell.H), unpacked)
    ends = (part.index_select(1, packed.unsorted_indices) for part in last)
    still = (lengths == 0)[:, None]
    return y, tuple(torch.where(still, before, end) for before, end in zip(start, ends, strict=True))
