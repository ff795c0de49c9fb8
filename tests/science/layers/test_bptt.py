"""The laws of backpropagation through time: by hand it is what autograd says, and truncation cuts exactly."""

import numpy as np
import pytest
import torch
from drawn import F64, gap

from rnnbook.layers import bptt
from rnnbook.layers.bptt import elman
from rnnbook.layers.bptt_gru import gru
from rnnbook.layers.bptt_lstm import lstm
from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormLSTM
from rnnbook.layers.recurrent import Recurrent

T, B, I, H = 10, 3, 4, 5
CELLS = {
    "elman tanh": lambda: Elman(I, H, dtype=F64),
    "elman relu": lambda: Elman(I, H, "relu", dtype=F64),
    "elman identity": lambda: Elman(I, H, "identity", dtype=F64),
    "lstm": lambda: LSTM(I, H, dtype=F64),
    "gru after old": lambda: GRU(I, H, dtype=F64),
    "gru after new": lambda: GRU(I, H, keep="new", dtype=F64),
    "gru before old": lambda: GRU(I, H, "before", dtype=F64),
    "gru before new": lambda: GRU(I, H, "before", "new", dtype=F64),
}
every_cell = pytest.mark.parametrize("name", CELLS)
four_kinds = pytest.mark.parametrize("name", ["elman tanh", "lstm", "gru after old", "gru before old"])


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def start(cell, draw=True):
    state = tuple(torch.randn(B, H, dtype=F64).requires_grad_(draw) for _ in parts(cell.initial_state(B)))
    return state if isinstance(cell, LSTM | LayerNormLSTM) else state[0]


def everything(layer, x, state, lengths=None):
    """The outputs, the last state, and the gradients at x, the first state and every parameter."""
    torch.manual_seed(1)
    y, last = layer(x, state, lengths=lengths)
    loss = (y * torch.randn_like(y)).sum() + sum((p * torch.randn_like(p)).sum() for p in parts(last))
    inputs = [x, *parts(state), *layer.parameters()]
    return [y, *parts(last), *torch.autograd.grad(loss, inputs)]


@every_cell
@pytest.mark.parametrize("lengths", [None, [10, 1, 6]])
@pytest.mark.parametrize("window", [None, 1, 4, 10, 99])
def test_by_hand_is_autograd(name, lengths, window):
    cell = CELLS[name]()
    x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
    hand = everything(Recurrent(cell, "bptt", window=window), x, state, lengths)
    loop = everything(Recurrent(cell, "loop", window=window), x, state, lengths)
    assert gap(hand, loop) < 1e-12


@every_cell
@pytest.mark.parametrize("lengths", [None, [19, 1, 11]])
@pytest.mark.parametrize("window", [None, 4])
def test_the_way_back_in_blocks_is_the_way_back(name, lengths, window, monkeypatch):
    cell = CELLS[name]()
    x, state = torch.randn(19, B, I, dtype=F64, requires_grad=True), start(cell)
    monkeypatch.setattr(bptt, "CACHE_BYTES", 0)
    assert bptt.blocks(x, whole=False) == [slice(11, 19), slice(3, 11), slice(0, 3)]
    in_blocks = everything(Recurrent(cell, window=window), x, state, lengths)
    assert gap(in_blocks, everything(Recurrent(cell, "loop", window=window), x, state, lengths)) < 1e-12


@four_kinds
def test_by_hand_is_finite_differences(name):
    cell = CELLS[name]()
    weights = [p.detach().requires_grad_() for p in cell.parameters()]
    call = {"elman tanh": elman, "lstm": lstm}.get(name, gru)
    states = [torch.randn(2, H, dtype=F64, requires_grad=True) for _ in parts(cell.initial_state(1))]
    x = torch.randn(4, 2, I, dtype=F64, requires_grad=True)
    mask = torch.ones(4, 2, 1, dtype=F64)
    mask[2:, 1] = 0
    for m in (None, mask):
        assert torch.autograd.gradcheck(lambda *tensors, m=m: call(*tensors, mask=m), (x, *states, *weights))


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


@every_cell
def test_the_gradient_of_shared_weights_is_the_sum_over_their_copies(name):
    cell = CELLS[name]()
    copies = [CELLS[name]() for _ in range(T)]
    for copy in copies:
        copy.load_state_dict(cell.state_dict())
    x, state = torch.randn(T, B, I, dtype=F64), start(cell, draw=False)
    Recurrent(cell)(x, state)[0].square().sum().backward()
    loss = 0.0
    for copy, x_t in zip(copies, x, strict=True):
        h, state = copy(x_t, state)
        loss = loss + h.square().sum()
    loss.backward()
    for shared, *own in zip(cell.parameters(), *(copy.parameters() for copy in copies), strict=True):
        assert (shared.grad - sum(p.grad for p in own)).abs().max() < 1e-12


@every_cell
@pytest.mark.parametrize("backend", ["bptt", "loop"])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_window_cuts_exactly(name, backend, k):
    cell = CELLS[name]()
    x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
    y, _ = Recurrent(cell, backend, window=k)(x)
    for t in range(T):
        (dx,) = torch.autograd.grad(y[t].sum(), x, retain_graph=True)
        reached = [dx[s].abs().max().item() for s in range(T)]
        assert all(reached[s] == 0.0 for s in range(T) if not 0 <= t - s < k)
        assert all(reached[s] > 0.0 for s in range(T) if 0 <= t - s < k)


@every_cell
@pytest.mark.parametrize("backend", ["bptt", "loop"])
def test_a_window_of_all_steps_is_the_full_gradient(name, backend):
    cell = CELLS[name]()
    x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
    full = everything(Recurrent(cell, backend), x, state)
    assert gap(everything(Recurrent(cell, backend, window=T), x, state), full) < 1e-13
    assert gap(everything(Recurrent(cell, backend, window=T - 1), x, state), full) > 1e-6


@every_cell
@pytest.mark.parametrize("backend", ["bptt", "loop", "torch"])
def test_a_chunk_cuts_at_its_boundary(name, backend):
    if backend == "torch" and ("identity" in name or "before" in name):
        pytest.skip("torch.nn has no such cell")
    k = 4
    layer = Recurrent(CELLS[name](), backend, chunk=k)
    x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
    y, _ = layer(x)
    assert gap([y], [Recurrent(layer.cell)(x)[0]]) < 1e-13
    for t in range(T):
        (dx,) = torch.autograd.grad(y[t].sum(), x, retain_graph=True)
        reached = [dx[s].abs().max().item() > 0 for s in range(T)]
        assert reached == [t // k * k <= s <= t for s in range(T)]


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


@pytest.mark.parametrize("backend", ["bptt", "loop", "torch"])
@pytest.mark.parametrize("name", ["elman tanh", "lstm", "gru after new"])
@pytest.mark.parametrize("segment", [1, 4, 10, 50])
def test_recomputed_segments_change_nothing(name, backend, segment):
    cell = CELLS[name]()
    x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
    whole = everything(Recurrent(cell, backend), x, state, [10, 2, 7])
    assert gap(everything(Recurrent(cell, backend, segment=segment), x, state, [10, 2, 7]), whole) < 1e-13


def saved_floats(layer, x):
    """The numbers that are kept for the backward pass, those of x and of the parameters not counted."""
    storages = {}

    def pack(t):
        storages[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes() // t.element_size()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        outcome = layer(x)
    for known in (x, *layer.parameters()):
        storages.pop(known.untyped_storage().data_ptr(), None)
    del outcome
    return sum(storages.values())


@pytest.mark.parametrize(
    ("name", "per_step", "once"),
    [("elman tanh", 1, 1), ("lstm", 7, 2), ("gru after old", 5, 1), ("gru before old", 4, 1)],
)
def test_what_is_stored_is_what_the_derivation_needs(name, per_step, once):
    layer = Recurrent(CELLS[name]())
    for steps, width in ((10, 3), (20, 3), (20, 6)):
        x = torch.randn(steps, width, I, dtype=F64)
        assert saved_floats(layer, x) == per_step * steps * width * H + once * width * H
    with torch.no_grad():
        assert saved_floats(layer, x) == 0


def test_segments_store_the_states_between_them_only():
    cell, x = LSTM(I, H, dtype=F64), torch.randn(100, B, I, dtype=F64)
    whole, pieces = saved_floats(Recurrent(cell), x), saved_floats(Recurrent(cell, segment=10), x)
    assert pieces <= 10 * 2 * B * H < whole / 30


@four_kinds
def test_a_second_derivative_names_the_backend_that_has_one(name):
    cell = CELLS[name]()
    x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
    (dx,) = torch.autograd.grad(Recurrent(cell)(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='loop'"):
        torch.autograd.grad(dx.square().sum(), x)
    with pytest.raises(RuntimeError, match="backend='loop'"):
        dx.sum().backward()
    layer = Recurrent(cell, "loop")
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], torch.randn(2, 2, I, dtype=F64, requires_grad=True))


@four_kinds
def test_writing_into_the_outputs_cannot_spoil_the_gradient(name):
    y, _ = Recurrent(CELLS[name]())(torch.randn(T, B, I, dtype=F64))
    with pytest.raises(RuntimeError, match="modified inplace"):
        y.mul_(2)


@every_cell
def test_a_loss_on_the_last_state_alone(name):
    cell = CELLS[name]()
    x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
    grads = []
    for backend in ("bptt", "loop"):
        _, last = Recurrent(cell, backend)(x)
        grads.append(torch.autograd.grad(parts(last)[-1].square().sum(), x)[0])
    assert gap(grads[:1], grads[1:]) < 1e-12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_cell
def test_by_hand_on_the_gpu_is_by_hand_on_the_cpu(name):
    cell = CELLS[name]()
    x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
    here = everything(Recurrent(cell), x, state, [10, 2, 7])
    there_x = x.detach().cuda().requires_grad_()
    there_state = tuple(p.detach().cuda().requires_grad_() for p in parts(state))
    layer = Recurrent(cell.cuda())
    y, last = layer(there_x, there_state if isinstance(state, tuple) else there_state[0], lengths=[10, 2, 7])
    torch.manual_seed(1)
    random = [torch.randn(p.shape, dtype=F64).cuda() for p in (y, *parts(last))]
    loss = sum((p * r).sum() for p, r in zip((y, *parts(last)), random, strict=True))
    grads = torch.autograd.grad(loss, [there_x, *there_state, *layer.parameters()])
    assert gap([t.cpu() for t in (y, *parts(last), *grads)], here) < 1e-11
