"""Recurrent layers: unroll any cell over a padded batch, in both directions, in a stack.

Time is first: x is (T, B, I). Derived in the chapters forward, memory and smoothing; weights to and from
`torch.nn` are in `rnnbook.layers.torch_nn`, the hand-derived backward passes in `rnnbook.layers.bptt`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from rnnbook import _expect as expect
from rnnbook.layers import torch_kernels
from rnnbook.layers.bptt import elman
from rnnbook.layers.bptt_gru import gru
from rnnbook.layers.bptt_lstm import lstm
from rnnbook.layers.cells import GRU, LSTM, Elman, State, kind

Backend = Literal["bptt", "loop", "torch"]
Join = Literal["concatenate", "sum", "mean"]
Lengths = Tensor | Sequence[int]


@runtime_checkable
class Cell(Protocol):
    """What `Recurrent` asks of a cell: one step, its sizes, and the state to begin with."""

    I: int
    H: int

    def initial_state(self, B: int) -> State: ...

    def __call__(self, x_t: Tensor, state: State) -> tuple[Tensor, State]: ...


@runtime_checkable
class Layer(Protocol):
    """What `Bidirectional` and `Stacked` ask of a layer, and are: `Recurrent` and `MinGRULayer` are two more."""

    I: int
    width: int

    def initial_state(self, B: int) -> Any: ...

    def __call__(
        self, x: Tensor, state: Any = None, *, lengths: Lengths | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Any]: ...


class Recurrent(nn.Module):
    """A cell unrolled over time: (h_t, state_t) = cell(x_t, state_{t−1}) for t = 1..T.

    `layer(x, state=None, lengths=None, mask=None)` maps x: (T, B, I) to y: (T, B, H) and the last state.

    backend: "bptt" uses the hand-derived backward pass of Elman, LSTM and GRU, and the loop for any other
    cell; "loop" calls the cell T times under autograd, which also gives second derivatives, `torch.func`
    transforms and Jacobians; "torch" delegates to PyTorch's kernels (Elman with tanh or relu, LSTM, GRU with
    reset="after").
    At most one of the following:
    window: truncated BPTT; the loss at t reaches the steps s with t − s < window, and no others.
    chunk: truncated BPTT; the state is detached after every `chunk` steps.
    segment: exact gradients with less memory; segments of this length are recomputed in the backward pass,
    unless the sequence is a single one.

    lengths: (B,), the number of steps of each sequence, within 1..T; or mask: (T, B) bool, True where a step
    counts. At pads the output is zero and the state is carried through, so the last state is that of each
    sequence's own end, and neither values nor gradients depend on what stands in the padding.
    Raises TypeError and ValueError that name the argument, what it was and what it should be.
    """

    cell: Cell

    def __init__(
        self,
        cell: Cell,
        backend: Backend = "bptt",
        *,
        window: int | None = None,
        chunk: int | None = None,
        segment: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(cell, type | Tensor) or not isinstance(cell, Cell):
            raise TypeError(f"cell must be a cell such as Elman(I, H), with I, H and initial_state, got {_named(cell)}")
        self.backend = expect.choice("backend", backend, ["bptt", "loop", "torch"])
        pieces = {"window": window, "chunk": chunk, "segment": segment}
        given = {name: expect.positive(name, size) for name, size in pieces.items() if size is not None}
        if len(given) > 1:
            raise ValueError(f"window, chunk and segment exclude each other, got {given}")
        if backend == "torch":
            torch_kernels.require(cell)
            if window is not None:
                raise ValueError("PyTorch's kernels have no window; use backend='bptt' or 'loop', or chunk")
        self.cell, self.I, self.width = cell, cell.I, cell.H
        self.window, self.chunk, self.segment = (given.get(name) for name in pieces)

    def initial_state(self, B: int) -> State:
        """The cell's initial state for B sequences."""
        return self.cell.initial_state(B)

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        *,
        lengths: Lengths | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        like = _parts(self.initial_state(1))[0]
        expect.tensor("x", x, [("T", None), ("B", None), ("I", self.I)], like)
        mask = as_mask(lengths, mask, x)
        state = _check_state(state, self.initial_state(x.shape[1]))
        if mask is None:
            return self._in_pieces(x, state, None)
        pads = ~mask[:, :, None]
        # Whatever stands in the padding, even a NaN, must not reach a product.
        y, state = self._in_pieces(x.masked_fill(pads, 0), state, mask)
        return y.masked_fill(pads, 0), state

    def _in_pieces(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        size = self.chunk or self.segment
        if size is None or len(x) <= size:
            return self._run(x, state, mask)
        outputs = []
        for start in range(0, len(x), size):
            piece = slice(start, start + size)
            piece_mask = None if mask is None else mask[piece]
            if self.segment is not None:
                y, state = checkpoint(self._run, x[piece], state, piece_mask, use_reentrant=False)
            else:
                state = state if start == 0 else _map(torch.detach, state)
                y, state = self._run(x[piece], state, piece_mask)
            outputs.append(y)
        return torch.cat(outputs), state

    def _run(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
        # A parametrised weight, such as an orthogonal one, is computed once here and not at every step.
        with parametrize.cached():
            if self.backend == "torch" and x.shape[0] > 0 and x.shape[1] > 0:
                assert isinstance(self.cell, Elman | LSTM | GRU)
                return torch_kernels.run(self.cell, x, state, mask)
            if self.backend == "bptt" and kind(self.cell) in (Elman, LSTM, GRU):
                return _by_hand(self.cell, x, state, mask, self.window)
            if self.window is not None:
                return _loop_in_window(self.cell, x, state, mask, self.window)
            return _loop(self.cell, x, state, mask)

    def extra_repr(self) -> str:
        pieces = {"window": self.window, "chunk": self.chunk, "segment": self.segment}
        named = [f"{name}={size}" for name, size in pieces.items() if size is not None]
        return ", ".join([f"backend={self.backend!r}", *named])


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """No autocast on a device that has it; meta, for one, has none."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def _by_hand(cell: Cell, x: Tensor, state: State, mask: Tensor | None, window: int | None) -> tuple[Tensor, State]:
    m = None if mask is None else mask[:, :, None].to(x.dtype)
    # Autocast would change the dtype of some of the products and not of the buffers that they go to.
    with without_autocast(x.device):
        if isinstance(cell, LSTM):
            h, c = state
            y, h, c = lstm(x, h, c, cell.W_x, cell.W_h, cell.b, mask=m, window=window)
            return y, (h, c)
        assert isinstance(cell, Elman | GRU)
        assert isinstance(state, Tensor)
        if isinstance(cell, Elman):
            return elman(x, state, cell.W_x, cell.W_h, cell.b, cell.phi, mask=m, window=window)
        weights = cell.W_x, cell.W_h, cell.b, cell.b_n
        return gru(x, state, *weights, keep=cell.keep, mask=m, window=window)


def _step(cell: Cell, x_t: Tensor, state: State, mask_t: Tensor | None) -> tuple[Tensor, State]:
    """One step of the cell; sequences whose mask is False keep the state that they have."""
    h, new = cell(x_t, state)
    if mask_t is not None:
        parts = zip(_parts(new), _parts(state), strict=True)
        held = tuple(torch.where(_along(mask_t, after), after, before) for after, before in parts)
        new = held if isinstance(state, tuple) else held[0]
    return h, new


def _along(mask_t: Tensor, part: Tensor) -> Tensor:
    """mask_t: (B,) with as many axes as the part of a state, (B, …)."""
    return mask_t.view(-1, *[1] * (part.dim() - 1))


def _loop(cell: Cell, x: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
    outputs = []
    for t, x_t in enumerate(x):
        h, state = _step(cell, x_t, state, None if mask is None else mask[t])
        outputs.append(h)
    return torch.stack(outputs) if outputs else x.new_zeros(0, x.shape[1], cell.H), state


def _loop_in_window(cell: Cell, x: Tensor, state: State, mask: Tensor | None, window: int) -> tuple[Tensor, State]:
    """Each output begins again from the detached state `window` steps before: T · window steps in all."""
    if len(x) <= window:
        return _loop(cell, x, state, mask)
    outputs, befores, last = [], [state], state
    for t in range(len(x)):
        start = max(0, t + 1 - window)
        steps = slice(start, t + 1)
        y, last = _loop(cell, x[steps], befores[start], None if mask is None else mask[steps])
        befores.append(_map(torch.detach, last))
        outputs.append(y[-1])
    return torch.stack(outputs), last


class Bidirectional(nn.Module):
    """Two layers over the same x: one ahead in time, one back from each sequence's own end.

    y_t joins the states h→_t, which has read x_1..x_t, and h←_t, which has read x_T..x_t:
    "concatenate" gives (T, B, 2H), "sum" and "mean" give (T, B, H). The state is the pair of both layers'.
    Arguments and errors of the call are those of `Recurrent`.
    Source: Schuster & Paliwal 1997, Bidirectional recurrent neural networks.
    """

    ahead: Layer
    back: Layer

    def __init__(self, ahead: Layer, back: Layer, join: Join = "concatenate") -> None:
        super().__init__()
        _require_layer("ahead", ahead)
        _require_layer("back", back)
        if ahead.I != back.I or ahead.width != back.width:
            raise ValueError(
                "ahead and back must have the same sizes, got "
                f"(I, H) = ({ahead.I}, {ahead.width}) and ({back.I}, {back.width})"
            )
        self.ahead, self.back = ahead, back
        self.join = expect.choice("join", join, ["concatenate", "sum", "mean"])
        self.I, self.width = ahead.I, 2 * ahead.width if join == "concatenate" else ahead.width

    def initial_state(self, B: int) -> tuple[Any, Any]:
        """The initial states of both layers for B sequences."""
        return self.ahead.initial_state(B), self.back.initial_state(B)

    def forward(
        self,
        x: Tensor,
        state: tuple[Any, Any] | None = None,
        *,
        lengths: Lengths | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Any, Any]]:
        _check_layers("state", state, 2)
        expect.tensor("x", x, [("T", None), ("B", None), ("I", self.I)], like=x)
        mask = as_mask(lengths, mask, x)
        first, second = (None, None) if state is None else state
        y, state_ahead = self.ahead(x, first, mask=mask)
        # Read backwards the pads come first; the state is carried through them to each sequence's end.
        y_back, state_back = self.back(x.flip(0), second, mask=None if mask is None else mask.flip(0))
        y_back = y_back.flip(0)
        if self.join == "concatenate":
            joined = torch.cat((y, y_back), 2)
        else:
            joined = y + y_back if self.join == "sum" else (y + y_back) / 2
        return joined, (state_ahead, state_back)


class Stacked(nn.Module):
    """Layers on top of each other: the outputs (T, B, ·) of one are the inputs of the next.

    layers: `Recurrent`, `Bidirectional` or another `Layer`. dropout: the share of the outputs between layers
    that is dropped in training. The state is the tuple of the layers' states. Arguments and errors of the
    call are those of `Recurrent`; ValueError where a layer's input size is not the width of the layer below.
    """

    def __init__(self, *layers: Layer, dropout: float = 0.0) -> None:
        super().__init__()
        if not layers:
            raise ValueError("Stacked needs at least one layer, got none")
        for n, layer in enumerate(layers):
            _require_layer(f"layer {n}", layer)
        for n, (below, above) in enumerate(pairwise(layers), start=1):
            if below.width != above.I:
                raise ValueError(f"layer {n} must have I = {below.width}, the width below it, got {above.I}")
        self.dropout = expect.number("dropout", dropout)
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout must be within 0..1, got {dropout}")
        self.layers = nn.ModuleList(cast(Sequence[nn.Module], layers))
        self.I, self.width = layers[0].I, layers[-1].width

    def initial_state(self, B: int) -> tuple[Any, ...]:
        """The initial states of all layers for B sequences."""
        return tuple(layer.initial_state(B) for layer in self._each())

    def _each(self) -> list[Layer]:
        return cast(list[Layer], list(self.layers))

    def forward(
        self,
        x: Tensor,
        state: tuple[Any, ...] | None = None,
        *,
        lengths: Lengths | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Any, ...]]:
        _check_layers("state", state, len(self.layers))
        expect.tensor("x", x, [("T", None), ("B", None), ("I", self.I)], like=x)
        mask = as_mask(lengths, mask, x)
        starts = [None] * len(self.layers) if state is None else state
        last = []
        for n, (layer, start) in enumerate(zip(self._each(), starts, strict=True)):
            if n > 0:
                x = nn.functional.dropout(x, self.dropout, self.training)
            x, end = layer(x, start, mask=mask)
            last.append(end)
        return x, tuple(last)


def as_mask(lengths: Lengths | None, mask: Tensor | None, x: Tensor) -> Tensor | None:
    """The mask (T, B) of either description of the steps that count; None where all do.

    x: (T, B, ·). Raises TypeError and ValueError as `Recurrent` says.
    """
    T, B, _ = expect.tensor("x", x, [("T", None), ("B", None), ("I", None)], like=x).shape
    if mask is not None:
        if lengths is not None:
            raise ValueError("give lengths or mask, not both")
        boolean = torch.empty(0, dtype=torch.bool, device=x.device)
        if isinstance(mask, Tensor) and mask.dtype != torch.bool:
            raise TypeError(f"mask must have dtype torch.bool, True where a step counts, got {mask.dtype}")
        return expect.tensor("mask", mask, [("T", T), ("B", B)], like=boolean)
    if lengths is None:
        return None
    try:
        given = torch.as_tensor(lengths)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"lengths must be whole numbers, one for each of the B sequences, got {lengths!r}") from None
    if given.is_meta:
        raise ValueError("lengths must hold numbers, got a tensor on the device meta, which has shapes only")
    # An empty list has no dtype of its own.
    if given.numel() > 0 and (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool):
        raise TypeError(f"lengths must be whole numbers, got dtype {given.dtype}; a mask goes to mask=")
    given = given.long()  # T may be more than a smaller type can hold
    if given.shape != (B,):
        raise ValueError(f"lengths must have shape (B,) = ({B},), got {tuple(given.shape)}")
    wrong = given[(given < 1) | (given > T)]
    if len(wrong) > 0:
        raise ValueError(f"lengths must be within 1..T={T}, got {int(wrong[0])}")
    if bool((given == T).all()):
        return None
    return torch.arange(T, device=x.device)[:, None] < given.to(x.device)


def _parts(state: State) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _map(f: Callable[[Tensor], Tensor], state: State) -> State:
    return tuple(f(part) for part in state) if isinstance(state, tuple) else f(state)


def _check_state(state: State | None, start: State) -> State:
    """The state to begin with: `start`, or `state` if it has the form, the sizes and the kind of `start`."""
    if state is None:
        return start
    if not isinstance(start, tuple):
        return _check_part("state", state, start)
    if not (isinstance(state, tuple | list) and len(state) == len(start)):
        raise TypeError(f"state must be a tuple of {len(start)} tensors, got {type(state).__name__}")
    parts = enumerate(zip(state, start, strict=True))
    return tuple(_check_part(f"state[{n}]", part, like) for n, (part, like) in parts)


def _check_part(name: str, part: object, like: Tensor) -> Tensor:
    letters = ("B", "H", *("…" for _ in like.shape[2:]))
    return expect.tensor(name, part, list(zip(letters, like.shape, strict=True)), like)


def _named(value: object) -> str:
    """What a wrong argument was: its type, or the class that was given for one of its instances."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _require_layer(name: str, value: object) -> None:
    if isinstance(value, type | Tensor) or not isinstance(value, Layer):
        raise TypeError(f"{name} must be a layer such as Recurrent(cell), with I and width, got {_named(value)}")


def _check_layers(name: str, state: object, n: int) -> None:
    if state is not None and not (isinstance(state, tuple | list) and len(state) == n):
        got = f"{len(state)} of them" if isinstance(state, tuple | list) else type(state).__name__
        raise TypeError(f"{name} must be a tuple of the states of the {n} layers, got {got}")
