"""PyTorch's own recurrent layers: weights to and from `torch.nn`.

`from_torch` and `to_torch`: what was trained here runs there, and the other way round. The book has one bias
where PyTorch has two that only ever act as their sum: b = b_ih + b_hh, and an export writes b_hh = 0. The
reset-after GRU alone keeps its second candidate bias, as b_n. What is frozen stays frozen: a weight trains where
the one it is a copy of does, and b where b_ih or b_hh does; a constant zero (the b of a module without biases,
the b_hh of an export) is frozen, so that training there is training here. The names of `torch.nn`'s parameters
occur in this module alone; PyTorch's kernels behind the book's layers are in `rnnbook.layers.torch_kernels`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.layers.cells import GRU, LSTM, Elman, kind
from rnnbook.layers.recurrent import Backend, Bidirectional, Layer, Recurrent, Stacked
from rnnbook.layers.torch_kernels import require, weights

Cell = Elman | LSTM | GRU


def from_torch(module: nn.RNNBase, backend: Backend = "bptt") -> Stacked:
    """A `Stacked` of the book's layers that computes what an `nn.RNN`, `nn.LSTM` or `nn.GRU` computes.

    Any number of layers, one direction or two, with or without biases; dropout between layers is kept. The
    weights are copied. The book's layers are time first: a module with batch_first=True takes x: (B, T, I)
    where the result takes x.transpose(0, 1). Raises TypeError for other modules, ValueError for an LSTM with
    a projection and for a GRU that trains b_hh and not b_ih, since one b holds a sum of both.
    """
    if type(module) not in (nn.RNN, nn.LSTM, nn.GRU):
        raise TypeError(f"module must be an nn.RNN, nn.LSTM or nn.GRU, got {type(module).__name__}")
    if module.proj_size:
        raise ValueError(f"module must have proj_size = 0, got {module.proj_size}")
    layers: list[Layer] = []
    for n in range(module.num_layers):
        ahead = Recurrent(_cell(module, f"l{n}"), backend)
        if module.bidirectional:
            layers.append(Bidirectional(ahead, Recurrent(_cell(module, f"l{n}_reverse"), backend)))
        else:
            layers.append(ahead)
    stack = Stacked(*layers, dropout=float(module.dropout))
    return stack.train(module.training)


def _cell(module: nn.RNNBase, suffix: str) -> Cell:
    W_ih, W_hh = getattr(module, f"weight_ih_{suffix}"), getattr(module, f"weight_hh_{suffix}")
    I, H = W_ih.shape[1], W_hh.shape[1]
    none = W_ih.new_zeros(len(W_ih))
    b_ih: Tensor = getattr(module, f"bias_ih_{suffix}", none)
    b_hh: Tensor = getattr(module, f"bias_hh_{suffix}", none)
    options = {"device": W_ih.device, "dtype": W_ih.dtype}
    cell: Cell
    if isinstance(module, nn.RNN):
        cell = Elman(I, H, expect.choice("module.nonlinearity", module.nonlinearity, ["tanh", "relu"]), **options)
    else:
        cell = LSTM(I, H, **options) if isinstance(module, nn.LSTM) else GRU(I, H, **options)
    with torch.no_grad():
        cell.W_x.copy_(W_ih)
        cell.W_h.copy_(W_hh)
        cell.b.copy_(b_ih + b_hh)
        if isinstance(cell, GRU) and cell.b_n is not None:
            cell.b[2 * H :] = b_ih[2 * H :]
            cell.b_n.copy_(b_hh[2 * H :])
    cell.W_x.requires_grad_(W_ih.requires_grad)
    cell.W_h.requires_grad_(W_hh.requires_grad)
    cell.b.requires_grad_(b_ih.requires_grad or b_hh.requires_grad)
    if isinstance(cell, GRU) and cell.b_n is not None:
        cell.b_n.requires_grad_(b_hh.requires_grad)
        if b_hh.requires_grad and not b_ih.requires_grad:
            raise ValueError(
                f"bias_ih_{suffix} of a GRU must train where bias_hh_{suffix} does, since b holds their sum "
                "for r and z, and bias_ih alone for n; freeze both or neither"
            )
    return cell


def to_torch(layer: Recurrent | Bidirectional | Stacked, batch_first: bool = False) -> nn.RNNBase:
    """The `nn.RNN`, `nn.LSTM` or `nn.GRU` that computes what `layer` computes, with its weights copied.

    b_hh is zero, but for b_n in a GRU; a parametrised weight is written as its present value; truncation and
    checkpointing are not part of a `torch.nn` module and stay behind. Raises ValueError for a cell that
    `torch.nn` does not have, for layers that are not of one kind, size, dtype, device and direction, and for a
    GRU that trains b_n and not b, since one b_hh holds what belongs to both.
    """
    expect.flag("batch_first", batch_first)
    rows = [_directions(part) for part in (list(layer.layers) if isinstance(layer, Stacked) else [layer])]
    cells = [cell for row in rows for cell in row]
    kinds = {(kind(cell), cell.H, getattr(cell, "phi", None), cell.b.dtype, cell.b.device) for cell in cells}
    if len(kinds) > 1 or len({len(row) for row in rows}) > 1:
        raise ValueError(
            "a torch.nn module has layers of one kind, one H, one dtype, one device and one number of directions"
        )
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
    theirs: Any = {Elman: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}[kind(first)]
    module: nn.RNNBase = theirs(first.I, first.H, **options)
    suffixes = [f"l{n}{end}" for n in range(len(rows)) for end in ("", "_reverse")[: len(rows[0])]]
    for suffix, cell in zip(suffixes, cells, strict=True):
        b_n = cell.b_n if isinstance(cell, GRU) else None
        trains = [cell.W_x.requires_grad, cell.W_h.requires_grad, cell.b.requires_grad]
        trains.append(b_n is not None and b_n.requires_grad)
        if trains[3] and not trains[2]:
            raise ValueError("b of a GRU must train where b_n does, since b_hh holds both; freeze both or neither")
        names = [f"{name}_{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        for name, value, trained in zip(names, weights(cell), trains, strict=True):
            p = getattr(module, name).requires_grad_(trained)
            with torch.no_grad():
                p.copy_(value)
    return module.train(layer.training)


def _directions(layer: object) -> list[Cell]:
    if isinstance(layer, Bidirectional):
        if layer.join != "concatenate":
            raise ValueError(f"torch.nn joins two directions by concatenation, not by {layer.join!r}")
        parts: list[object] = [layer.ahead, layer.back]
    else:
        parts = [layer]
    return [_own(part) for part in parts]


def _own(layer: object) -> Cell:
    """The cell of a `Recurrent`, if `torch.nn` has it."""
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer must be a Recurrent, a Bidirectional or a Stacked of them, got {type(layer).__name__}")
    require(layer.cell)
    assert isinstance(layer.cell, Cell)
    return layer.cell
