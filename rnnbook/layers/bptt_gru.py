"""Backpropagation through time by hand for the GRU, its reset before or after, derived in the chapter gru.

What is common to all cells is in `rnnbook.layers.bptt`. The buffer of local derivatives is multiplied by the
arriving gradient in place and so becomes the gradient at the gates' arguments.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.layers.bptt import (
    HandDerived,
    InputSide,
    add_product,
    at_the_end,
    blocks,
    call,
    check_sequence,
    kept,
    states,
    times_dsigmoid,
    times_dtanh,
    window_sweep,
)


class _GRUAfter(HandDerived):
    """q = W_hn h_{t−1} + b_n, n = tanh(W_xn x + b + r ⊙ q), h_t = z ⊙ h_{t−1} + (1−z) ⊙ n.

    Backwards: da_n = dh (1−z)(1−n²), da_r = da_n q r(1−r), da_z = dh (h_{t−1}−n) z(1−z), dq = da_n r;
    dh_{t−1} = dL/dh_{t−1} + dh z + W_h' (da_r, da_z, dq).
    The four stand in one buffer as n, r, z, q: its first three are what reaches W_x, its last three W_h.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        W_x: Tensor,
        W_h: Tensor,
        b: Tensor,
        b_n: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor]:
        T, H = x.shape[0], h_0.shape[1]
        gates = nn.functional.linear(x, W_x, b)
        h = states(h_0, T)
        q = h.new_empty(T, *h_0.shape)
        W_rzT, W_nT = W_h[: 2 * H].T, W_h[2 * H :].T
        hs, qs, r_z = h.unbind(0), q.unbind(0), gates[..., : 2 * H].unbind(0)
        r, z, n = (gate.unbind(0) for gate in gates.chunk(3, 2))
        pads = None if mask is None else (mask == 0).unbind(0)
        for t in range(T):
            r_z[t].addmm_(hs[t], W_rzT).sigmoid_()
            torch.addmm(b_n, hs[t], W_nT, out=qs[t])
            n[t].addcmul_(r[t], qs[t]).tanh_()
            torch.lerp(n[t], hs[t], z[t], out=hs[t + 1])
            if pads is not None:
                torch.where(pads[t], hs[t], hs[t + 1], out=hs[t + 1])
        ctx.save_for_backward(x, gates, h, q, W_x, W_h, mask)
        ctx.window = window
        return h[1:], h[T].clone()

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        d_h, d_last = d_outputs
        x, gates, h, q, W_x, W_h, mask = ctx.saved_tensors
        H = d_h.shape[2]
        # The rows of da that reach x stand as n, r, z: rolling by H moves between that order and r, z, n.
        inputs = InputSide(x, W_x.roll(H, 0), ctx.needs_input_grad[0])
        dW_h, db_n, dh = torch.zeros_like(W_h), W_h.new_zeros(H), d_last.clone()
        for steps in blocks(gates, whole=ctx.window is not None):
            m, keep = kept(mask, steps)
            da = _gru_after_local(gates[steps], h[:-1][steps], q[steps])
            z = gates[steps].chunk(3, 2)[1]
            if m is not None and keep is not None:
                da *= m
                z = z * m + keep
            if ctx.window is None:
                _gru_after_back(da, z, d_h[steps], dh, W_h)
            else:
                da, dh = _gru_after_window(da, z, at_the_end(d_h, d_last), W_h, ctx.window)
            inputs.add(da[..., : 3 * H], steps)
            add_product(dW_h, da[..., H:], h[:-1][steps])
            db_n += da[..., 3 * H :].sum((0, 1))
        return inputs.dx, dh, inputs.dW_x.roll(-H, 0), dW_h, inputs.db.roll(-H, 0), db_n, None, None


def _gru_after_local(gates: Tensor, h_before: Tensor, q: Tensor) -> Tensor:
    """The factors by which dh becomes da_n, da_r, da_z, dq: (n, B, 4H)."""
    r, z, n = gates.chunk(3, 2)
    local = gates.new_empty(*q.shape[:2], 4 * q.shape[2])
    local_n, local_r, local_z, local_q = local.chunk(4, 2)
    times_dtanh(torch.sub(z.new_ones(()), z, out=local_n), n, local_n)
    times_dsigmoid(torch.mul(local_n, q, out=local_r), r, local_r)
    times_dsigmoid(torch.sub(h_before, n, out=local_z), z, local_z)
    torch.mul(local_n, r, out=local_q)
    return local


def _gru_after_back(da: Tensor, z: Tensor, d_h: Tensor, dh: Tensor, W_h: Tensor) -> None:
    """In place: the local derivatives da: (n, B, 4H) become gradients, and dh, the gradient at the last state
    of the block, becomes that at the state before it."""
    n, B, H = d_h.shape
    dh_four_times = dh[:, None]
    das, da_h = da.view(n, B, 4, H).unbind(0), da[..., H:].unbind(0)
    d_hs, zs = d_h.unbind(0), z.unbind(0)
    for t in reversed(range(n)):
        dh += d_hs[t]
        das[t].mul_(dh_four_times)
        dh.mul_(zs[t]).addmm_(da_h[t], W_h)


def _gru_after_window(local: Tensor, z: Tensor, d_h: Tensor, W_h: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """(gradients as n, r, z, q, gradient at h_0) when each loss reaches back through `window` steps."""
    da, H = torch.zeros_like(local), d_h.shape[2]

    def adjoint(d: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        k = len(d[0])
        da_k = local[:k] * d[0].repeat(1, 1, 4)
        da[:k] += da_k
        return ((da_k[..., H:] @ W_h).addcmul_(d[0], z[:k]),)

    return da, window_sweep(adjoint, (d_h,), window)[0]


class _GRUBefore(HandDerived):
    """n = tanh(W_xn x + b + W_hn (r ⊙ h_{t−1})), h_t = z ⊙ h_{t−1} + (1−z) ⊙ n.

    Backwards: da_n = dh (1−z)(1−n²), s = W_hn' da_n, da_r = s h_{t−1} r(1−r), da_z = dh (h_{t−1}−n) z(1−z);
    dh_{t−1} = dL/dh_{t−1} + dh z + s r + W_hr' da_r + W_hz' da_z.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        W_x: Tensor,
        W_h: Tensor,
        b: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor]:
        T, H = x.shape[0], h_0.shape[1]
        gates = nn.functional.linear(x, W_x, b)
        h = states(h_0, T)
        W_rzT, W_nT = W_h[: 2 * H].T, W_h[2 * H :].T
        hs, r_z = h.unbind(0), gates[..., : 2 * H].unbind(0)
        r, z, n = (gate.unbind(0) for gate in gates.chunk(3, 2))
        pads = None if mask is None else (mask == 0).unbind(0)
        for t in range(T):
            r_z[t].addmm_(hs[t], W_rzT).sigmoid_()
            n[t].addmm_(r[t] * hs[t], W_nT).tanh_()
            torch.lerp(n[t], hs[t], z[t], out=hs[t + 1])
            if pads is not None:
                torch.where(pads[t], hs[t], hs[t + 1], out=hs[t + 1])
        ctx.save_for_backward(x, gates, h, W_x, W_h, mask)
        ctx.window = window
        return h[1:], h[T].clone()

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        d_h, d_last = d_outputs
        x, gates, h, W_x, W_h, mask = ctx.saved_tensors
        H = d_h.shape[2]
        inputs, dW_h = InputSide(x, W_x, ctx.needs_input_grad[0]), torch.zeros_like(W_h)
        dh = d_last.clone()
        for steps in blocks(gates, whole=ctx.window is not None):
            m, keep = kept(mask, steps)
            h_before = h[:-1][steps]
            da = _gru_before_local(gates[steps], h_before)
            r, z, _ = gates[steps].chunk(3, 2)
            if m is not None and keep is not None:
                da *= m
                z = z * m + keep
            if ctx.window is None:
                _gru_before_back(da, r, z, d_h[steps], dh, W_h)
            else:
                da, dh = _gru_before_window(da, r, z, at_the_end(d_h, d_last), W_h, ctx.window)
            inputs.add(da, steps)
            add_product(dW_h[: 2 * H], da[..., : 2 * H], h_before)
            add_product(dW_h[2 * H :], da[..., 2 * H :], r * h_before)
        return inputs.dx, dh, inputs.dW_x, dW_h, inputs.db, None, None


def _gru_before_local(gates: Tensor, h_before: Tensor) -> Tensor:
    """The factors by which s, dh, dh become da_r, da_z, da_n: (n, B, 3H)."""
    r, z, n = gates.chunk(3, 2)
    local = torch.empty_like(gates)
    local_r, local_z, local_n = local.chunk(3, 2)
    times_dsigmoid(h_before, r, local_r)
    times_dsigmoid(torch.sub(h_before, n, out=local_z), z, local_z)
    times_dtanh(torch.sub(z.new_ones(()), z, out=local_n), n, local_n)
    return local


def _gru_before_back(da: Tensor, r: Tensor, z: Tensor, d_h: Tensor, dh: Tensor, W_h: Tensor) -> None:
    """In place: the local derivatives da: (n, B, 3H) become gradients, and dh, the gradient at the last state
    of the block, becomes that at the state before it."""
    s, H = torch.empty_like(dh), dh.shape[1]
    W_rz, W_n = W_h[: 2 * H], W_h[2 * H :]
    da_rz = da[..., : 2 * H].unbind(0)
    da_r, da_z, da_n = (gate.unbind(0) for gate in da.chunk(3, 2))
    d_hs, rs, zs = d_h.unbind(0), r.unbind(0), z.unbind(0)
    for t in reversed(range(len(d_hs))):
        dh += d_hs[t]
        da_n[t].mul_(dh)
        torch.mm(da_n[t], W_n, out=s)
        da_r[t].mul_(s)
        da_z[t].mul_(dh)
        dh.mul_(zs[t]).addcmul_(s, rs[t]).addmm_(da_rz[t], W_rz)


def _gru_before_window(
    local: Tensor, r: Tensor, z: Tensor, d_h: Tensor, W_h: Tensor, window: int
) -> tuple[Tensor, Tensor]:
    """(gradients as r, z, n, gradient at h_0) when each loss reaches back through `window` steps."""
    da, H = torch.zeros_like(local), d_h.shape[2]
    W_rz, W_n = W_h[: 2 * H], W_h[2 * H :]

    def adjoint(d: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        k = len(d[0])
        da_n = local[:k, :, 2 * H :] * d[0]
        s = da_n @ W_n
        da_rz = local[:k, :, : 2 * H] * torch.cat((s, d[0]), 2)
        da[:k] += torch.cat((da_rz, da_n), 2)
        return ((da_rz @ W_rz).addcmul_(d[0], z[:k]).addcmul_(s, r[:k]),)

    return da, window_sweep(adjoint, (d_h,), window)[0]


def gru(
    x: Tensor,
    h_0: Tensor,
    W_x: Tensor,
    W_h: Tensor,
    b: Tensor,
    b_n: Tensor | None = None,
    *,
    keep: str = "old",
    mask: Tensor | None = None,
    window: int | None = None,
) -> tuple[Tensor, Tensor]:
    """A GRU over x: (T, B, I), gates in the order r, z, n, with the backward passes of the chapter gru.

    h_0: (B, H), W_x: (3H, I), W_h: (3H, H), b: (3H,); b_n: (H,) puts the reset after the product, None
    before it. keep="new" is computed with the z rows negated, since 1 − σ(a) = σ(−a).
    mask, window and errors as in `bptt.elman`; the equations are those of `cells.GRU`.
    Returns the states (T, B, H) and the last one (B, H).
    Source: Cho et al. 2014; Chung et al. 2014.
    """
    check_sequence(3, x, W_x, W_h, b, mask, window, h_0=h_0)
    if b_n is not None:
        expect.tensor("b_n", b_n, [("H", W_h.shape[1])], like=W_h, whose="W_h's")
    if expect.choice("keep", keep, ["old", "new"]) == "new":
        H = h_0.shape[1]
        sign = b.new_ones(3 * H)
        sign[H : 2 * H] = -1
        W_x, W_h, b = W_x * sign[:, None], W_h * sign[:, None], b * sign
    if b_n is None:
        h, last = call(_GRUBefore, x, h_0, W_x, W_h, b, mask, window)
    else:
        h, last = call(_GRUAfter, x, h_0, W_x, W_h, b, b_n, mask, window)
    return h, last
