"""Where the bytes go: what is saved for the backward pass, counted and measured, and how to save less.

Derived in the chapter memory. Bytes are those of tensors, without the allocator's own share; B sequences of T
steps are B·T tokens.
"""

import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, UntypedStorage, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rnnbook import _expect as expect
from rnnbook.layers.bptt import CACHE_BYTES
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.recurrent import Recurrent

Storages = dict[int, tuple[Any, int]]  # by address: a weak reference and the size in bytes


def saved_bytes(forward: Callable[[], object], *, without: Iterable[Tensor] = ()) -> int:
    """Bytes of all storages that are kept for the backward pass of forward(), each counted once.

    What autograd saves, as PyTorch's hooks on saved tensors show it, as long as what forward() returns holds on to
    it; and what was made in forward() and is still there after it, such as the states in which gradient
    checkpointing begins again, except what forward() returns: tensors, or tuples, lists and dictionaries of
    tensors. A view counts with the whole storage behind it, since that is what stays alive. without: tensors whose
    storages are not counted, such as parameters and inputs, which exist anyway. Not seen is what is only alive for a
    moment, and what was there before forward() if only a checkpoint holds it, in a tuple.
    """
    if not callable(forward):
        raise TypeError(f"forward must be a function without arguments, got {type(forward).__name__}")
    if not isinstance(without, Iterable):
        raise TypeError(f"without must hold tensors, got {type(without).__name__}")
    known = set()
    for tensor in without:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"without must hold tensors, got {type(tensor).__name__}")
        known.add(_address(tensor))
    saved: Storages = {}

    def pack(tensor: Tensor) -> Tensor:
        _note(saved, tensor.untyped_storage())
        return tensor.detach()  # an output that is saved as it is would hold on to itself

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), _Made() as made:
        result = forward()
    gc.collect(1)  # what only a circle of references holds is gone; older ones would take a second
    kept = _alive(made.storages)
    for tensor in tree_leaves(result):
        if isinstance(tensor, Tensor):
            kept.pop(_address(tensor), None)
    kept |= _alive(saved)
    return sum(size for address, size in kept.items() if address not in known)


def peak_bytes(step: Callable[[], object]) -> int:
    """The most bytes that what operations make in step() takes at any one time, on a CPU.

    Storages of tensors, each counted once while it is alive; what was there before step(), such as parameters and
    inputs, is not counted, nor what the allocator adds, nor the scratch that one operation takes for itself.
    """
    if not callable(step):
        raise TypeError(f"step must be a function without arguments, got {type(step).__name__}")
    made = _Made()
    with made:
        step()
    return made.most


class _Made(TorchDispatchMode):
    """The storages that operations make, and the most bytes that were alive at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: Storages = {}
        self.held = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_address(part) for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)}
        result = func(*args, **(kwargs or {}))
        for part in tree_leaves(result):
            if isinstance(part, Tensor) and _address(part) not in given:  # neither a view nor in place
                self._add(part.untyped_storage())
        return result

    def _add(self, storage: UntypedStorage) -> None:
        before = self.storages.get(storage.data_ptr())
        if before is not None:  # freed since: its address was given away again
            self.held -= before[1]
        _note(self.storages, storage)
        self.held += storage.nbytes()
        if self.held > self.most:  # only now does it matter which of them are gone
            self.storages = {key: value for key, value in self.storages.items() if not value[0].expired()}
            self.held = sum(size for _, size in self.storages.values())
            self.most = max(self.most, self.held)


def _note(storages: Storages, storage: UntypedStorage) -> None:
    """Remember a storage without keeping it alive."""
    storages[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()  # type: ignore[no-untyped-call]


def _alive(storages: Storages) -> dict[int, int]:
    """Addresses and sizes of those that are still there."""
    return {address: size for address, (storage, size) in storages.items() if not storage.expired()}


def layer_saved_bytes(layer: Recurrent, T: int, B: int, *, masked: bool = False) -> int:
    """What a `Recurrent` with backend="bptt" saves for x: (T, B, I), without parameters and x, by formula.

    In numbers, of which each takes 4 bytes in float32:
    Elman: (T+1)BH, the states. LSTM: 7TBH + 2BH, four gates, tanh c, and the states h and c. GRU with
    reset="after": 5TBH + BH, three gates, q = W_hn h + b_n, and the states; with reset="before": 4TBH + BH.
    `chunk` begins a new buffer of states with each piece, ⌈T/chunk⌉ times in all. keep="new" saves weights with
    negated z rows, 3H(I + H), and the signs, 3H, for each piece.
    masked: with `mask`, or lengths that differ, a copy of x without its pads, TBI, and the mask, TB, are saved
    as well, and the mask in bytes, TB.
    Raises ValueError for another backend or cell and for `segment`, which `plan` describes.
    """
    T, B, masked = expect.positive("T", T), expect.positive("B", B), expect.flag("masked", masked)
    cell = _counted(layer)
    H = cell.H
    pieces = -(-T // layer.chunk) if layer.chunk else 1
    numbers = per_token(cell) * T * B * H + _buffers_of_states(cell) * pieces * B * H
    if isinstance(cell, GRU) and cell.keep == "new":
        numbers += pieces * 3 * H * (cell.I + H + 1)
    size = cell.b.element_size()
    if masked:
        return size * (numbers + T * B * (cell.I + 1)) + T * B
    return size * numbers


def per_token(cell: Elman | LSTM | GRU) -> int:
    """Numbers that the book's backward pass saves for each token and unit: Elman 1, LSTM 7, GRU 5 or 4."""
    if isinstance(cell, LSTM):
        return 7
    if isinstance(cell, GRU):
        return 5 if cell.reset == "after" else 4
    if isinstance(cell, Elman):
        return 1
    raise ValueError(f"cell must be an Elman, LSTM or GRU, got {type(cell).__name__}; use saved_bytes")


def _buffers_of_states(cell: Elman | LSTM | GRU) -> int:
    return 2 if isinstance(cell, LSTM) else 1


def _counted(layer: Recurrent) -> Elman | LSTM | GRU:
    """The cell of a layer whose saved bytes are known by formula."""
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer must be a Recurrent, got {type(layer).__name__}")
    cell = cast(Elman | LSTM | GRU, layer.cell)
    if layer.backend != "bptt" or layer.segment is not None or type(cell) not in (Elman, LSTM, GRU):
        kind = type_before_parametrizations(cell).__name__
        raise ValueError(
            "the formula is known for Elman, LSTM and GRU with backend='bptt' and no segment, got "
            f"{kind} with backend={layer.backend!r} and segment={layer.segment}; use saved_bytes, or plan"
        )
    return cell


def parameter_bytes(model: nn.Module, copies: int = 4) -> int:
    """Bytes of the trained parameters with what training adds to them, independent of B and T.

    copies: 4 with Adam, the weight, its gradient and two moments, which in float32 makes 16 bytes each; 3 for
    SGD with momentum, 2 for SGD, 1 for the weights alone.
    Source: Kingma & Ba 2015, Adam: a method for stochastic optimization.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    copies = expect.positive("copies", copies)
    return sum(copies * p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)


def training_bytes(layer: Recurrent, T: int, B: int, V: int = 0) -> int:
    """The most bytes that a training step of `fit` with Adam holds at once, on a CPU: the largest of three moments.

    At all of them the P parameters are there with Adam's two moments, 12P bytes in float32, and the data: the inputs
    TBI and 8TB bytes of labels.
    Loss: all that the layer has saved, and the logits TBV three times: their log-softmax, which alone is saved, its
    gradient and theirs; or once, with the gradient of the states, TBH. There are no gradients of parameters yet.
    Walk back: what the layer has saved, the gradients of parameters, 4P, of the states, TBH, and the gates' gradients
    of two blocks of steps, the one in work and the one before it (`rnnbook.layers.bptt`).
    Update: the gradients, 4P, the copy from which `fit` takes back a failed update, 4P, and twice the largest parameter
    for what Adam computes. Nothing of the sequence is left but its data.
    V: the size of the read-out o_t = V h_t + c, with (H + 1)V parameters, and of a cross-entropy; 0 for neither, as if
    the loss took nothing. (A fourth copy of the logits in a loop that keeps o; `fit` does not.)
    Errors as in `layer_saved_bytes`.
    """
    cell = _counted(layer)
    T, B, V = expect.positive("T", T), expect.positive("B", B), expect.whole("V", V)
    H, size = cell.H, cell.b.element_size()
    P = sum(p.numel() for p in layer.parameters() if p.requires_grad) + (H + 1) * V
    largest = max(H * V, *(p.numel() for p in layer.parameters()))
    data = size * T * B * cell.I + (8 * T * B if V > 0 else 0)
    saved = data + layer_saved_bytes(layer, T, B)
    block = gate_gradients(cell) * min(T, 2 * block_steps(cell, B)) * B * H
    loss = size * (3 * P + T * B * max(3 * V, V + H)) + saved
    walk = size * (4 * P + T * B * H + block) + saved
    update = size * (5 * P + 2 * largest) + data
    return max(loss, walk, update)


def gate_gradients(cell: Elman | LSTM | GRU) -> int:
    """Numbers for each token and unit that the walk back makes: Elman 1, LSTM 5, GRU 4 or 3."""
    if isinstance(cell, LSTM):
        return 5
    if isinstance(cell, GRU):
        return 4 if cell.reset == "after" else 3
    return 1


def block_steps(cell: Elman | LSTM | GRU, B: int) -> int:
    """The steps of a block of the walk back on a CPU: those whose gates, GBH numbers each, fit into the cache, or 8."""
    step = cell.W_h.shape[0] * B * cell.b.element_size()
    return max(8, CACHE_BYTES // step)


def longest(memory: int, layer: Recurrent, B: int, V: int = 0) -> int:
    """The largest T with training_bytes(layer, T, B, V) ≤ memory, in bytes. At 2B it is about one half of that
    at B: what is limited is the number of tokens B·T.

    Raises ValueError where not even one step fits.
    """
    memory = expect.positive("memory", memory)
    if training_bytes(layer, 1, B, V) > memory:
        needed = training_bytes(layer, 1, B, V)
        raise ValueError(f"memory must be at least {needed} bytes for one step of B={B}, got {memory}")
    T, above = 1, 2
    while training_bytes(layer, above, B, V) <= memory:
        T, above = above, 2 * above
    while above - T > 1:
        middle = (T + above) // 2
        T, above = (middle, above) if training_bytes(layer, middle, B, V) <= memory else (T, middle)
    return T


def token_budget(memory: int, layer: Recurrent, V: int = 0) -> int:
    """The largest number of tokens B·T of one training step in `memory` bytes, however they are divided.

    That is B·T for the longest single sequence; a larger B costs BH for each initial state on top of it.
    """
    return longest(memory, layer, 1, V)


@dataclass(frozen=True)
class Plan:
    """Gradient checkpoints: a state kept every `segment` steps, of `segments` segments; `peak` as in `plan`.

    extra: the share of forward steps that are computed a second time.
    """

    segment: int
    segments: int
    peak: float
    extra: float


def plan(T: int, s: float = 1.0, b: float = 1.0) -> Plan:
    """The segment g that makes s⌈T/g⌉ + b g least: one state for each segment, one segment recomputed at a time.

    s: size of a state, b: what a step saves, in one unit, such as BH numbers: s = 2, b = 7 for an LSTM, s = 1,
    b = 5 for a GRU. Exact over all whole g, the smallest where several are equal; near g* ≈ √(sT/b), with
    peak ≈ 2√(sbT) instead of bT. Give it to `Recurrent(cell, segment=plan(T, s, b).segment)`.
    Every segment runs forward twice, so a step costs about one third more. At g = T nothing is gained, and
    nothing is computed twice: that is the plan where b T + s is least.
    Source: Chen, Xu, Zhang & Guestrin 2016, Training deep nets with sublinear memory cost.
    """
    T, s, b = expect.positive("T", T), expect.number("s", s, above=0), expect.number("b", b, above=0)
    # For each number of segments the shortest segment will do, so these are all the candidates.
    shortest = {-(-T // count) for count in range(1, T + 1)}
    g = min(sorted(shortest), key=lambda length: s * -(-T // length) + b * length)
    segments = -(-T // g)
    return Plan(g, segments, s * segments + b * g, 0.0 if segments == 1 else 1.0)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
