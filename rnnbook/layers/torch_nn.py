"""PyTorch's own recurrent layers: weights to and from `torch.nn`, and its kernels behind the book's cells.

`from_torch` and `to_torch`: what was trained here runs there, and the other way round. The book has one bias
where PyTorch has two that only ever act as their sum: b = b_ih + b_hh, and an export writes b_hh = 0. The
reset-after GRU alone keeps its second candidate bias, as b_n. Below them, the backend "torch" of
`rnnbook.layers.recurrent`. The names of `torch.nn` occur in this module alone.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnbook.layers.cells import GRU, LSTM, Elman, State
from rnnbook.layers.recurrent import Backend, Bidirectional, Recurrent, Stacked

Layer = Recurrent | Bidirectional | Stacked


def from_torch(module: nn.RNNBase, backend: Backend = "bptt") -> Stacked:
    """A `Stacked` of the book's layers that computes what an `nn.RNN`, `nn.LSTM` or `nn.GRU` computes.

    Any number of layers, one direction or two, with or without biases; dropout between layers is kept. The
    weights are copied. The book's layers are time first: a module with batch_first=True takes x: (B, T, I)
    where the result takes x.transpose(0, 1). Raises TypeError for other modules, ValueError for an LSTM with
    a projection.
    """
    if type(module) not in (nn.RNN, nn.LSTM, nn.GRU):
        raise TypeError(f"module must be an nn.RNN, nn.LSTM or nn.GRU, got {type(module).__name__}")
    if module.proj_size:
        raise ValueError(f"module must have proj_size = 0, got {module.proj_size}")
    layers: list[Recurrent | Bidirectional] = []
    for n in range(module.num_layers):
        ahead = Recurrent(_cell(module, f"l{n}"), backend)
        if module.bidirectional:
            layers.append(Bidirectional(ahead, Recurrent(_cell(module, f"l{n}_reverse"), backend)))
        else:
            layers.append(ahead)
    stack = Stacked(*layers, dropout=float(module.dropout))
    return stack.train(module.training)


def _cell(module: nn.RNNBase, suffix: str) -> Any:
    W_ih, W_hh = getattr(module, f"weight_ih_{suffix}"), getattr(module, f"weight_hh_{suffix}")
    I, H = W_ih.shape[1], W_hh.shape[1]
    none = W_ih.new_zeros(len(W_ih))
    b_ih: Tensor = getattr(module, f"bias_ih_{suffix}", none)
    b_hh: Tensor = getattr(module, f"bias_hh_{suffix}", none)
    options = {"device": W_ih.device, "dtype": W_ih.dtype}
    cell: Elman | LSTM | GRU
    if isinstance(module, nn.RNN):
        cell = Elman(I, H, module.nonlinearity, **options)
    else:
        cell = LSTM(I, H, **options) if isinstance(module, nn.LSTM) else GRU(I, H, **options)
    with torch.no_grad():
        cell.W_x.copy_(W_ih)
        cell.W_h.copy_(W_hh)
        cell.b.copy_(b_ih + b_hh)
        if isinstance(cell, GRU) and cell.b_n is not None:
            cell.b[2 * H :] = b_ih[2 * H :]
            cell.b_n.copy_(b_hh[2 * H :])
    return cell


def to_torch(layer: Layer, batch_first: bool = False) -> nn.RNNBase:
    """The `nn.RNN`, `nn.LSTM` or `nn.GRU` that computes what `layer` computes, with its weights copied.

    b_hh is zero, but for b_n in a GRU; a parametrised weight is written as its present value; truncation and
    checkpointing are not part of a `torch.nn` module and stay behind. Raises ValueError for a cell that
    `torch.nn` does not have, and for layers that are not of one kind, size and direction.
    """
    rows = [_directions(part) for part in (list(layer.layers) if isinstance(layer, Stacked) else [layer])]
    cells = [cell for row in rows for cell in row]
    for cell in cells:
        require(cell)
    kinds = {(type_before_parametrizations(cell), cell.H, getattr(cell, "phi", None)) for cell in cells}
    if len(kinds) > 1 or len({len(row) for row in rows}) > 1:
        raise ValueError("a torch.nn module has layers of one kind, one H and one number of directions")
    first = cells[0]
    options: dict[str, Any] = {
        "num_layers": len(rows),
        "bidirectional": len(rows[0]) == 2,
        "batch_first": batch_first,
        "dropout": layer.dropout if isinstance(layer, Stacked) and len(rows) > 1 else 0.0,
        "device": first.b.device,
        "dtype": first.b.dtype,
    }
    if isinstance(first, Elman):
        options["nonlinearity"] = first.phi
    kind: Any = {Elman: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}[type_before_parametrizations(first)]
    module: nn.RNNBase = kind(first.I, first.H, **options)
    suffixes = [f"l{n}{end}" for n in range(len(rows)) for end in ("", "_reverse")[: len(rows[0])]]
    with torch.no_grad():
        for suffix, cell in zip(suffixes, cells, strict=True):
            values = weights(cell)
            for name, value in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), values, strict=True):
                getattr(module, f"{name}_{suffix}").copy_(value)
    return module.train(layer.training)


def _directions(layer: Any) -> list[Any]:
    if isinstance(layer, Recurrent):
        return [layer.cell]
    if not isinstance(layer, Bidirectional):
        raise TypeError(f"layer must be a Recurrent, a Bidirectional or a Stacked of them, got {type(layer).__name__}")
    if layer.join != "concatenate":
        raise ValueError(f"torch.nn joins two directions by concatenation, not by {layer.join!r}")
    return [layer.ahead.cell, layer.back.cell]


def require(cell: object) -> None:
    """Raise ValueError, which says what to do instead, for a cell that `torch.nn` does not have."""
    kind = type_before_parametrizations(cell) if isinstance(cell, nn.Module) else type(cell)
    phi, reset = getattr(cell, "phi", None), getattr(cell, "reset", None)
    if kind is LSTM or (kind is Elman and phi != "identity") or (kind is GRU and reset == "after"):
        return
    details = ", ".join(f"{k}={v!r}" for k, v in {"phi": phi, "reset": reset}.items() if v is not None)
    raise ValueError(
        "torch.nn has Elman with tanh or relu, LSTM, and GRU with reset='after', but not "
        f"{kind.__name__}({details}); use backend='bptt' or 'loop'"
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


def _kernel(cell: Any, x: Tensor, start: tuple[Tensor, ...], batch_sizes: Tensor | None = None) -> Any:
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


def _packed(cell: Any, x: Tensor, start: tuple[Tensor, ...], mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
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
