"""Backpropagation through time by hand for the LSTM, derived in the chapter lstm.

What is common to all cells is in `rnnbook.layers.bptt`. The buffer of local derivatives is multiplied by the
arriving gradient in place and so becomes the gradient at the gates' arguments.
"""

from typing import Any

import torch
from torch import Tensor, nn

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


class _LSTM(HandDerived):
    """Gates i, f, g, o; the buffer of the products with x becomes the gates in place.

    Backwards: dc += dh o(1−tanh²c);  da_i = dc g i(1−i), da_f = dc c_{t−1} f(1−f), da_g = dc i(1−g²),
    da_o = dh tanh c o(1−o);  then dh_{t−1} = dL/dh_{t−1} + W_h' da and dc_{t−1} = dc f.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        W_x: Tensor,
        W_h: Tensor,
        b: Tensor,
        mask: Tensor | None,
        window: int | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        T, H = x.shape[0], h_0.shape[1]
        gates = nn.functional.linear(x, W_x, b)
        h, c = states(h_0, T), states(c_0, T)
        tanh_c = h.new_empty(T, *h_0.shape)
        W_hT = W_h.T
        hs, cs, tanh_cs, all_gates = h.unbind(0), c.unbind(0), tanh_c.unbind(0), gates.unbind(0)
        i_f = gates[..., : 2 * H].unbind(0)
        i, f, g, o = (gate.unbind(0) for gate in gates.chunk(4, 2))
        pads = None if mask is None else (mask == 0).unbind(0)
        for t in range(T):
            all_gates[t].addmm_(hs[t], W_hT)
            i_f[t].sigmoid_()
            g[t].tanh_()
            o[t].sigmoid_()
            torch.mul(f[t], cs[t], out=cs[t + 1]).addcmul_(i[t], g[t])
            torch.tanh(cs[t + 1], out=tanh_cs[t])
            torch.mul(o[t], tanh_cs[t], out=hs[t + 1])
            if pads is not None:
                torch.where(pads[t], hs[t], hs[t + 1], out=hs[t + 1])
                torch.where(pads[t], cs[t], cs[t + 1], out=cs[t + 1])
        ctx.save_for_backward(x, gates, h, c, tanh_c, W_x, W_h, mask)
        ctx.window = window
        return h[1:], h[T].clone(), c[T].clone()

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        d_h, d_last, d_cell = d_outputs
        x, gates, h, c, tanh_c, W_x, W_h, mask = ctx.saved_tensors
        inputs, dW_h = InputSide(x, W_x, ctx.needs_input_grad[0]), torch.zeros_like(W_h)
        dh, dc = d_last.clone(), d_cell.clone()
        for steps in blocks(gates, whole=ctx.window is not None):
            m, keep = kept(mask, steps)
            da, dh_to_dc = _lstm_local(gates[steps], c[:-1][steps], tanh_c[steps])
            f = gates[steps].chunk(4, 2)[1]
            if m is not None and keep is not None:
                da *= m
                dh_to_dc *= m
                f = f * m + keep
            if ctx.window is None:
                _lstm_back(da, dh_to_dc, f, d_h[steps], dh, dc, W_h, keep)
            else:
                direct = at_the_end(d_h, d_last), at_the_end(torch.zeros_like(d_h), d_cell)
                da, dh, dc = _lstm_window(da, dh_to_dc, f, direct, W_h, keep, ctx.window)
            inputs.add(da, steps)
            add_product(dW_h, da, h[:-1][steps])
        return inputs.dx, dh, dc, inputs.dW_x, dW_h, inputs.db, None, None


def _lstm_local(gates: Tensor, c_before: Tensor, tanh_c: Tensor) -> tuple[Tensor, Tensor]:
    """The factors by which dc, dc, dc, dh become da for i, f, g, o: (n, B, 4H), and by which dh becomes dc."""
    i, f, g, o = gates.chunk(4, 2)
    local, dh_to_dc = torch.empty_like(gates), torch.empty_like(tanh_c)
    local_i, local_f, local_g, local_o = local.chunk(4, 2)
    times_dsigmoid(g, i, local_i)
    times_dsigmoid(c_before, f, local_f)
    times_dtanh(i, g, local_g)
    times_dsigmoid(tanh_c, o, local_o)
    times_dtanh(o, tanh_c, dh_to_dc)
    return local, dh_to_dc


def _lstm_back(
    da: Tensor,
    dh_to_dc: Tensor,
    f: Tensor,
    d_h: Tensor,
    dh: Tensor,
    dc: Tensor,
    W_h: Tensor,
    keep: Tensor | None,
) -> None:
    """In place: the local derivatives da: (n, B, 4H) become the gradients at the gates' arguments, and dh, dc,
    the gradients at the last state of the block, become those at the state before it."""
    n, B, H = d_h.shape
    spare, dc_thrice = torch.empty_like(dh), dc[:, None]
    da_ifg = da.view(n, B, 4, H)[:, :, :3].unbind(0)
    da_o, das = da[..., 3 * H :].unbind(0), da.unbind(0)
    d_hs, dh_to_dcs, fs = d_h.unbind(0), dh_to_dc.unbind(0), f.unbind(0)
    keeps = None if keep is None else keep.unbind(0)
    for t in reversed(range(n)):
        dh += d_hs[t]
        da_o[t].mul_(dh)
        dc.addcmul_(dh, dh_to_dcs[t])
        da_ifg[t].mul_(dc_thrice)
        dc *= fs[t]
        if keeps is None:
            torch.mm(das[t], W_h, out=dh)
        else:
            torch.mm(das[t], W_h, out=spare)
            dh.mul_(keeps[t]).add_(spare)


def _lstm_window(
    local: Tensor,
    dh_to_dc: Tensor,
    f: Tensor,
    direct: tuple[Tensor, Tensor],
    W_h: Tensor,
    keep: Tensor | None,
    window: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """(gradients at the gates' arguments, at h_0, at c_0) when each loss reaches back `window` steps."""
    da = torch.zeros_like(local)

    def adjoint(d: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        n = len(d[0])
        dc_n = torch.addcmul(d[1], d[0], dh_to_dc[:n])
        da_n = local[:n] * torch.cat((dc_n, dc_n, dc_n, d[0]), 2)
        da[:n] += da_n
        dh_n = da_n @ W_h
        return dh_n if keep is None else dh_n.addcmul_(keep[:n], d[0]), dc_n * f[:n]

    dh, dc = window_sweep(adjoint, direct, window)
    return da, dh, dc


def lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    W_x: Tensor,
    W_h: Tensor,
    b: Tensor,
    *,
    mask: Tensor | None = None,
    window: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM over x: (T, B, I), gates in the order i, f, g, o, with the backward pass of the chapter lstm.

    h_0, c_0: (B, H), W_x: (4H, I), W_h: (4H, H), b: (4H,); mask, window and errors as in `bptt.elman`.
    Returns the states h (T, B, H), and the last h and c (B, H). The equations are those of `cells.LSTM`.
    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; the full, untruncated gradient.
    """
    check_sequence(4, x, W_x, W_h, b, mask, window, h_0=h_0, c_0=c_0)
    h, h_last, c_last = call(_LSTM, x, h_0, c_0, W_x, W_h, b, mask, window)
    return h, h_last, c_last
