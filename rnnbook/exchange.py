"""Weights to and from `torch.nn`: what was trained here runs there, and the other way round.

The book has one bias where PyTorch has two that only ever act as their sum: b = b_ih + b_hh, and an export
writes b_hh = 0. The reset-after GRU alone keeps its second candidate bias, as b_n.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from rnnbook import delegate
from rnnbook.cells import GRU, LSTM, Elman
from rnnbook.recurrent import Backend, Bidirectional, Recurrent, Stacked

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
        delegate.require(cell)
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
            values = delegate.weights(cell)
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
