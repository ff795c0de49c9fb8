"""What every backward pass derived by hand must obey: it is what autograd says, and truncation cuts exactly.

`class TestLSTM(HandDerived)` names the cells and the function, and so runs these laws on them.
"""

import pytest
import torch
from drawn import F64, gap

from rnnbook.layers import bptt
from rnnbook.layers.cells import LSTM, LayerNormLSTM
from rnnbook.layers.recurrent import Recurrent
from rnnbook.layers.torch_kernels import require

T, B, I, H = 10, 3, 4, 5


def leaves(state):
    return [leaf for part in state for leaf in leaves(part)] if isinstance(state, tuple) else [state]


def start(cell, draw=True):
    state = tuple(torch.randn(B, H, dtype=F64).requires_grad_(draw) for _ in leaves(cell.initial_state(B)))
    return state if isinstance(cell, LSTM | LayerNormLSTM) else state[0]


def everything(layer, x, state, lengths=None):
    """The outputs, the last state, and the gradients at x, the first state and every parameter."""
    torch.manual_seed(1)
    y, last = layer(x, state, lengths=lengths)
    loss = (y * torch.randn_like(y)).sum() + sum((p * torch.randn_like(p)).sum() for p in leaves(last))
    inputs = [x, *leaves(state), *layer.parameters()]
    return [y, *leaves(last), *torch.autograd.grad(loss, inputs)]


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


def skip_where_torch_has_none(cell, backend):
    if backend == "torch":
        try:
            require(cell)
        except ValueError as missing:
            pytest.skip(str(missing))


class HandDerived:
    """cells(): name → a function that makes one; run(cell, x, *states, *weights, mask): the hand-derived function."""

    def pytest_generate_tests(self, metafunc):
        if "make" in metafunc.fixturenames:
            cells = self.cells()
            metafunc.parametrize("make", cells.values(), ids=cells)

    @pytest.mark.parametrize("lengths", [None, [10, 1, 6]])
    @pytest.mark.parametrize("window", [None, 1, 4, 10, 99])
    def test_by_hand_is_autograd(self, make, lengths, window):
        cell = make()
        x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
        hand = everything(Recurrent(cell, "bptt", window=window), x, state, lengths)
        loop = everything(Recurrent(cell, "loop", window=window), x, state, lengths)
        assert gap(hand, loop) < 1e-12

    @pytest.mark.parametrize("lengths", [None, [19, 1, 11]])
    @pytest.mark.parametrize("window", [None, 4])
    def test_the_way_back_in_blocks_is_the_way_back(self, make, lengths, window, monkeypatch):
        cell = make()
        x, state = torch.randn(19, B, I, dtype=F64, requires_grad=True), start(cell)
        monkeypatch.setattr(bptt, "CACHE_BYTES", 0)
        assert bptt.blocks(x, whole=False) == [slice(11, 19), slice(3, 11), slice(0, 3)]
        in_blocks = everything(Recurrent(cell, window=window), x, state, lengths)
        assert gap(in_blocks, everything(Recurrent(cell, "loop", window=window), x, state, lengths)) < 1e-12

    def test_by_hand_is_finite_differences(self, make):
        cell = make()
        weights = [p.detach().requires_grad_() for p in cell.parameters()]
        states = [torch.randn(2, H, dtype=F64, requires_grad=True) for _ in leaves(cell.initial_state(1))]
        x = torch.randn(4, 2, I, dtype=F64, requires_grad=True)
        mask = torch.ones(4, 2, 1, dtype=F64)
        mask[2:, 1] = 0
        for m in (None, mask):
            assert torch.autograd.gradcheck(
                lambda *tensors, m=m: self.run(cell, *tensors, mask=m), (x, *states, *weights)
            )

    def test_the_gradient_of_shared_weights_is_the_sum_over_their_copies(self, make):
        cell = make()
        copies = [make() for _ in range(T)]
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

    @pytest.mark.parametrize("backend", ["bptt", "loop"])
    @pytest.mark.parametrize("k", [1, 3, 10])
    def test_a_window_cuts_exactly(self, make, backend, k):
        cell = make()
        x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
        y, _ = Recurrent(cell, backend, window=k)(x)
        for t in range(T):
            (dx,) = torch.autograd.grad(y[t].sum(), x, retain_graph=True)
            reached = [dx[s].abs().max().item() for s in range(T)]
            assert all(reached[s] == 0.0 for s in range(T) if not 0 <= t - s < k)
            assert all(reached[s] > 0.0 for s in range(T) if 0 <= t - s < k)

    @pytest.mark.parametrize("backend", ["bptt", "loop"])
    def test_a_window_of_all_steps_is_the_full_gradient(self, make, backend):
        cell = make()
        x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
        full = everything(Recurrent(cell, backend), x, state)
        assert gap(everything(Recurrent(cell, backend, window=T), x, state), full) < 1e-13
        assert gap(everything(Recurrent(cell, backend, window=T - 1), x, state), full) > 1e-6

    @pytest.mark.parametrize("backend", ["bptt", "loop", "torch"])
    def test_a_chunk_cuts_at_its_boundary(self, make, backend):
        skip_where_torch_has_none(make(), backend)
        k = 4
        layer = Recurrent(make(), backend, chunk=k)
        x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
        y, _ = layer(x)
        assert gap([y], [Recurrent(layer.cell)(x)[0]]) < 1e-13
        for t in range(T):
            (dx,) = torch.autograd.grad(y[t].sum(), x, retain_graph=True)
            reached = [dx[s].abs().max().item() > 0 for s in range(T)]
            assert reached == [t // k * k <= s <= t for s in range(T)]

    @pytest.mark.parametrize("backend", ["bptt", "loop", "torch"])
    @pytest.mark.parametrize("segment", [1, 4, 10, 50])
    def test_recomputed_segments_change_nothing(self, make, backend, segment):
        cell = make()
        skip_where_torch_has_none(cell, backend)
        x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
        whole = everything(Recurrent(cell, backend), x, state, [10, 2, 7])
        assert gap(everything(Recurrent(cell, backend, segment=segment), x, state, [10, 2, 7]), whole) < 1e-13

    def test_a_second_derivative_names_the_backend_that_has_one(self, make):
        cell = make()
        x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
        (dx,) = torch.autograd.grad(Recurrent(cell)(x)[0].sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="backend='loop'"):
            torch.autograd.grad(dx.square().sum(), x)
        with pytest.raises(RuntimeError, match="backend='loop'"):
            dx.sum().backward()
        layer = Recurrent(cell, "loop")
        assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], torch.randn(2, 2, I, dtype=F64, requires_grad=True))

    def test_writing_into_the_outputs_cannot_spoil_the_gradient(self, make):
        y, _ = Recurrent(make())(torch.randn(T, B, I, dtype=F64))
        with pytest.raises(RuntimeError, match="modified inplace"):
            y.mul_(2)

    def test_a_loss_on_the_last_state_alone(self, make):
        cell = make()
        x = torch.randn(T, B, I, dtype=F64, requires_grad=True)
        grads = []
        for backend in ("bptt", "loop"):
            _, last = Recurrent(cell, backend)(x)
            grads.append(torch.autograd.grad(leaves(last)[-1].square().sum(), x)[0])
        assert gap(grads[:1], grads[1:]) < 1e-12

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_by_hand_on_the_gpu_is_by_hand_on_the_cpu(self, make):
        cell = make()
        x, state = torch.randn(T, B, I, dtype=F64, requires_grad=True), start(cell)
        here = everything(Recurrent(cell), x, state, [10, 2, 7])
        there_x = x.detach().cuda().requires_grad_()
        there_state = tuple(p.detach().cuda().requires_grad_() for p in leaves(state))
        layer = Recurrent(cell.cuda())
        y, last = layer(there_x, there_state if isinstance(state, tuple) else there_state[0], lengths=[10, 2, 7])
        torch.manual_seed(1)
        random = [torch.randn(p.shape, dtype=F64).cuda() for p in (y, *leaves(last))]
        loss = sum((p * r).sum() for p, r in zip((y, *leaves(last)), random, strict=True))
        grads = torch.autograd.grad(loss, [there_x, *there_state, *layer.parameters()])
        assert gap([t.cpu() for t in (y, *leaves(last), *grads)], here) < 1e-11
