"""Backpropagation through time by hand: what is common to all cells, and the Elman network.

Derived in the chapter bptt; the gated cells are in `rnnbook.layers.bptt_lstm` and `rnnbook.layers.bptt_gru`. A
hand-derived backward pass stores the activations that the derivation needs and goes back through time in blocks of
steps: the local derivatives of a block at once, then step by step with one product each, then one product for each
weight. A block is as long as a processor's cache allows, and on a GPU it is the whole sequence.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from rnnbook import _expect as expect

# Half of a 1 MiB second-level cache. At T = 1024, B = H = 64 an LSTM or a GRU takes about 0.8 of the time that
# it takes when the local derivatives of all T steps are written to memory before the walk.
CACHE_BYTES = 512 * 1024

Adjoint = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


class _NoSecondDerivative(torch.autograd.Function):
    """Pass gradients on unchanged, and say what to do when somebody differentiates them again."""

    @staticmethod
    def forward(ctx: Any, n: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient.view_as(gradient) for gradient in tensors[:n])

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(
            "the hand-derived backward pass has no second derivative: "
            "for double backward or Hessians use Recurrent(cell, backend='loop'), or scan(..., algorithm='loop')"
        )


class HandDerived(torch.autograd.Function):
    """Base of the backward passes of this book: `gradients(ctx, *d_outputs)` holds the derivation."""

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        raise NotImplementedError

    @classmethod
    def backward(cls, ctx: Any, *d_outputs: Tensor) -> Any:
        with torch.no_grad():
            gradients = cls.gradients(ctx, *d_outputs)
        if not torch.is_grad_enabled():
            return gradients
        # Tied to what they depend on, so that a second derivative arrives at the error and not at a zero.
        causes = [t for t in (*ctx.saved_tensors, *d_outputs) if t is not None and t.requires_grad]
        present = [g for g in gradients if g is not None]
        tied = iter(call(_NoSecondDerivative, len(present), *present, *causes))
        return tuple(None if g is None else next(tied) for g in gradients)


def call(function: type[torch.autograd.Function], *arguments: object) -> tuple[Tensor, ...]:
    """`function.apply`, with the types that it lacks."""
    return cast(tuple[Tensor, ...], function.apply(*arguments))  # type: ignore[no-untyped-call]


def check_sequence(
    G: int, x: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, mask: Tensor | None, window: int | None, **states: Tensor
) -> None:
    """Raise TypeError or ValueError for what does not fit into a cell of G gates; dtype and device are those of W_h."""
    expect.tensor("W_h", W_h, [("GH", None), ("H", None)], like=expect.real("W_h", W_h))
    H, rows = W_h.shape[1], "H" if G == 1 else f"{G}H"
    expect.tensor("W_h", W_h, [(rows, G * H), ("H", H)], like=W_h)
    T, B, I = expect.tensor("x", x, [("T", None), ("B", None), ("I", None)], like=W_h, whose="W_h's").shape
    expect.tensor("W_x", W_x, [(rows, G * H), ("I", I)], like=W_h, whose="W_h's")
    expect.tensor("b", b, [(rows, G * H)], like=W_h, whose="W_h's")
    for name, state in states.items():
        expect.tensor(name, state, [("B", B), ("H", H)], like=W_h, whose="W_h's")
    if mask is not None:
        expect.tensor("mask", mask, [("T", T), ("B", B), ("1", 1)], like=W_h, whose="W_h's")
    if window is not None:
        expect.positive("window", window)


def window_sweep(adjoint: Adjoint, d_states: tuple[Tensor, ...], window: int) -> tuple[Tensor, ...]:
    """The gradient at the initial state when every loss reaches back through `window` steps only.

    d_states: the direct gradients of the losses at the states after steps 1..T, each (T, B, H).
    adjoint: one step back for many steps at once. It adds the share of its argument (n, B, H), which
    belongs to steps 1..n, to the gradients of the weights, and returns the gradient at the states before.
    Lag j = 0, 1, … moves all T errors back together, so the cost is min(window, T) adjoints:
    dL = Σ_t Σ_{t−s<window} g_ts. Source: Williams & Peng 1990, An efficient gradient-based algorithm for
    on-line training of recurrent network trajectories.
    """
    first = tuple(torch.zeros_like(d[0]) for d in d_states)
    for _ in range(min(window, d_states[0].shape[0])):
        before = adjoint(d_states)
        first = tuple(total + d[0] for total, d in zip(first, before, strict=True))
        d_states = tuple(d[1:] for d in before)
    return first


def at_the_end(d_outputs: Tensor, d_last: Tensor) -> Tensor:
    """The direct gradients at the states: those of the outputs (T, B, H), and at step T of the last state."""
    d = d_outputs.clone()
    d[-1:] += d_last
    return d


def states(h_0: Tensor, T: int) -> Tensor:
    """A buffer (T+1, B, H) for the states h_0..h_T, of which the first is filled."""
    h = h_0.new_empty(T + 1, *h_0.shape)
    h[0] = h_0
    return h


def blocks(buffer: Tensor, whole: bool) -> list[slice]:
    """The steps of buffer: (T, B, ·), latest first, in blocks that stay in the cache; one if `whole`."""
    T = len(buffer)
    step_bytes = buffer[:1].numel() * buffer.element_size()
    length = T if whole or buffer.is_cuda else max(8, CACHE_BYTES // max(step_bytes, 1))
    return [slice(max(0, end - length), end) for end in range(T, 0, -max(length, 1))]


def add_product(total: Tensor, da: Tensor, x: Tensor) -> None:
    """total += Σ_t da_t' x_t, the gradient of a weight (H, I) that maps x: (T, B, I) to a: (T, B, H)."""
    total.addmm_(da.flatten(0, 1).T, x.flatten(0, 1))


class InputSide:
    """The gradients of x, W_x and b in a_t = W_x x_t + b + …, as they add up over blocks of steps."""

    def __init__(self, x: Tensor, W_x: Tensor, wants_dx: bool) -> None:
        self.x, self.W_x = x, W_x
        self.dW_x, self.db = torch.zeros_like(W_x), W_x.new_zeros(len(W_x))
        self.dx = x.new_empty(x.shape) if wants_dx else None

    def add(self, da: Tensor, steps: slice) -> None:
        """da: the gradients at a in these steps."""
        add_product(self.dW_x, da, self.x[steps])
        self.db += da.sum((0, 1))
        if self.dx is not None:
            torch.mm(da.flatten(0, 1), self.W_x, out=self.dx[steps].flatten(0, 1))


def kept(mask: Tensor | None, steps: slice) -> tuple[Tensor | None, Tensor | None]:
    """A mask's factors (·, B, 1) in these steps: 1 where a step counts and 0 at pads; the other way round."""
    if mask is None:
        return None, None
    m = (mask[steps] != 0).to(mask.dtype)
    return m, 1 - m


def times_dsigmoid(g: Tensor, y: Tensor, out: Tensor) -> None:
    """out = g ⊙ y(1−y), the derivative of y = σ(a), in one pass."""
    torch.ops.aten.sigmoid_backward.grad_input(g, y, grad_input=out)


def times_dtanh(g: Tensor, y: Tensor, out: Tensor) -> None:
    """out = g ⊙ (1−y²), the derivative of y = tanh(a), in one pass."""
    torch.ops.aten.tanh_backward.grad_input(g, y, grad_input=out)


class _Elman(HandDerived):
    """a_t = W_h h_{t−1} + W_x x_t + b, h_t = φ(a_t); at a pad h_t = h_{t−1}.

    Backwards, with g_t the whole gradient at h_t: da_t = φ'(a_t) ⊙ g_t, g_{t−1} = dL/dh_{t−1} + W_h' da_t.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        W_x: Tensor,
        W_h: Tensor,
        b: Tensor,
        phi: str,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor]:
        T = x.shape[0]
        h = states(h_0, T)
        # The products with x go where the states will be: each step then works in place.
        torch.addmm(b, x.flatten(0, 1), W_x.T, out=h[1:].flatten(0, 1))
        old, W_hT = h[0], W_h.T
        pads = None if mask is None else (mask == 0).unbind(0)
        for t, h_t in enumerate(h[1:].unbind(0)):
            h_t.addmm_(old, W_hT)
            if phi != "identity":
                h_t.tanh_() if phi == "tanh" else h_t.relu_()
            if pads is not None:
                torch.where(pads[t], old, h_t, out=h_t)
            old = h_t
        ctx.save_for_backward(x, h, W_x, W_h, mask)
        ctx.phi, ctx.window = phi, window
        return h[1:], h[T].clone()

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        d_h, d_last = d_outputs
        x, h, W_x, W_h, mask = ctx.saved_tensors
        inputs, dW_h, g = InputSide(x, W_x, ctx.needs_input_grad[0]), torch.zeros_like(W_h), d_last.clone()
        for steps in blocks(h[1:], whole=ctx.window is not None):
            m, keep = kept(mask, steps)
            da = _slope(h[1:][steps], ctx.phi)
            if m is not None:
                da *= m
            if ctx.window is None:
                _elman_back(da, d_h[steps], g, W_h, keep)
            else:
                da, g = _elman_window(da, at_the_end(d_h, d_last), W_h, keep, ctx.window)
            inputs.add(da, steps)
            add_product(dW_h, da, h[:-1][steps])
        return inputs.dx, g, inputs.dW_x, dW_h, inputs.db, None, None, None


def _slope(h: Tensor, phi: str) -> Tensor:
    """φ'(a) where φ(a) = h."""
    if phi == "relu":
        return (h > 0).to(h.dtype)
    slope = torch.ones_like(h)
    if phi == "tanh":
        times_dtanh(slope, h, slope)
    return slope


def _elman_back(da: Tensor, d_h: Tensor, g: Tensor, W_h: Tensor, keep: Tensor | None) -> None:
    """In place: the local derivatives da: (n, B, H) become the gradients at a, and g: (B, H), the gradient
    at the last state of the block, becomes that at the state before it."""
    spare = torch.empty_like(g)
    das, d_hs = da.unbind(0), d_h.unbind(0)
    keeps = None if keep is None else keep.unbind(0)
    for t in reversed(range(len(das))):
        g += d_hs[t]
        das[t].mul_(g)
        if keeps is None:
            torch.mm(das[t], W_h, out=g)
        else:
            torch.mm(das[t], W_h, out=spare)
            g.mul_(keeps[t]).add_(spare)


def _elman_window(slope: Tensor, d_h: Tensor, W_h: Tensor, keep: Tensor | None, window: int) -> tuple[Tensor, Tensor]:
    """(gradients at a: (T, B, H), gradient at h_0) when each loss reaches back through `window` steps."""
    da = torch.zeros_like(slope)

    def adjoint(g: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        n = len(g[0])
        da_n = slope[:n] * g[0]
        da[:n] += da_n
        before = da_n @ W_h
        return (before if keep is None else before.addcmul_(keep[:n], g[0]),)

    return da, window_sweep(adjoint, (d_h,), window)[0]


def elman(
    x: Tensor,
    h_0: Tensor,
    W_x: Tensor,
    W_h: Tensor,
    b: Tensor,
    phi: str = "tanh",
    *,
    mask: Tensor | None = None,
    window: int | None = None,
) -> tuple[Tensor, Tensor]:
    """h_t = φ(W_h h_{t−1} + W_x x_t + b) for t = 1..T, with the backward pass of the chapter bptt.

    x: (T, B, I), h_0: (B, H), W_x: (H, I), W_h: (H, H), b: (H,); phi is "tanh", "relu" or "identity".
    mask: (T, B, 1) in the dtype of x; where it is 0 the state is carried through unchanged.
    window: each loss reaches back through this many steps, t − s < window; None for all of them.
    Returns the states (T, B, H) and the last one (B, H). Differentiable once: a second derivative raises
    RuntimeError and names the backend "loop". Raises TypeError and ValueError that name the argument.
    Source: Werbos 1990, Backpropagation through time: what it does and how to do it.
    """
    check_sequence(1, x, W_x, W_h, b, mask, window, h_0=h_0)
    expect.choice("phi", phi, ["tanh", "relu", "identity"])
    h, last = call(_Elman, x, h_0, W_x, W_h, b, phi, mask, window)
    return h, last
