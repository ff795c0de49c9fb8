"""Backpropagation through time by hand for the Elman network, and what truncation costs."""

import numpy as np
import torch
from drawn import F64, gap
from hand_derived import B, H, HandDerived, I, T, saved_floats

from rnnbook.layers.bptt import elman
from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Recurrent


class TestElman(HandDerived):
    def cells(self):
        return {
            "tanh": lambda: Elman(I, H, dtype=F64),
            "relu": lambda: Elman(I, H, "relu", dtype=F64),
            "identity": lambda: Elman(I, H, "identity", dtype=F64),
        }

    def run(self, cell, *tensors, mask):
        return elman(*tensors, cell.phi, mask=mask)


def test_elman_is_the_derivation_of_the_chapter():
    cell = Elman(I, H, dtype=F64)
    x, h_0, d = (np.random.default_rng(0).normal(size=size) for size in ((T, I), H, (T, H)))
    W_x, W_h, b = (p.detach().numpy() for p in (cell.W_x, cell.W_h, cell.b))
    h = [h_0]
    for t in range(T):
        h.append(np.tanh(W_h @ h[-1] + W_x @ x[t] + b))
    dW_x, dW_h, db, da = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b), np.zeros(H)
    for t in reversed(range(T)):
        da = (1 - h[t + 1] ** 2) * (d[t] + W_h.T @ da)
        dW_x, dW_h, db = dW_x + np.outer(da, x[t]), dW_h + np.outer(da, h[t]), db + da
    y, _ = Recurrent(cell)(torch.tensor(x)[:, None], torch.tensor(h_0)[None])
    y.backward(torch.tensor(d)[:, None])
    ours, theirs = [cell.W_x.grad, cell.W_h.grad, cell.b.grad], [dW_x, dW_h, db]
    assert gap(ours, [torch.tensor(g) for g in theirs]) < 1e-12


def test_truncation_bias_shrinks_geometrically_in_a_contraction():
    eta = 0.7
    cell = Elman(I, H, dtype=F64)
    cell.W_h.data.copy_(eta * torch.linalg.qr(torch.randn(H, H, dtype=F64))[0])
    x = torch.randn(40, B, I, dtype=F64)

    def gradient(window):
        cell.zero_grad()
        Recurrent(cell, window=window)(x)[0].square().sum().backward()
        return cell.W_h.grad.clone()

    full = gradient(None)
    bias = [(gradient(k) - full).norm().item() for k in (1, 5, 10, 20)]
    # Each of the 40·B·H summands of the loss pulls with at most 2, and |h| ≤ √H: C ≤ 40·B·2√H·√H.
    bound = [40 * B * 2 * H * eta**k / (1 - eta) for k in (1, 5, 10, 20)]
    assert all(b <= c for b, c in zip(bias, bound, strict=True))
    assert bias == sorted(bias, reverse=True)
    cosines = [torch.cosine_similarity(gradient(k).flatten(), full.flatten(), dim=0) for k in (1, 3, 9)]
    assert cosines == sorted(cosines)


def test_what_is_stored_is_what_the_derivation_needs():
    layer = Recurrent(Elman(I, H, dtype=F64))
    for steps, width in ((10, 3), (20, 3), (20, 6)):
        x = torch.randn(steps, width, I, dtype=F64)
        assert saved_floats(layer, x) == steps * width * H + width * H
    with torch.no_grad():
        assert saved_floats(layer, x) == 0
