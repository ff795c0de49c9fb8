"""Where the bytes go: formulas against what autograd keeps, budgets and checkpoint plans."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from rnnbook.layers.bptt import CACHE_BYTES
from rnnbook.layers.cells import GRU, LSTM, Elman, Leaky
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training import memory
from rnnbook.training.memory import (
    layer_saved_bytes,
    longest,
    parameter_bytes,
    peak_bytes,
    per_token,
    plan,
    saved_bytes,
    token_budget,
    training_bytes,
)
from rnnbook.training.tasks import cross_entropy
from rnnbook.training.train import fit

CELLS = {
    "elman": lambda I, H, dtype: Elman(I, H, dtype=dtype),
    "relu": lambda I, H, dtype: Elman(I, H, "relu", dtype=dtype),
    "lstm": lambda I, H, dtype: LSTM(I, H, dtype=dtype),
    "gru after": lambda I, H, dtype: GRU(I, H, dtype=dtype),
    "gru after new": lambda I, H, dtype: GRU(I, H, keep="new", dtype=dtype),
    "gru before": lambda I, H, dtype: GRU(I, H, "before", dtype=dtype),
    "gru before new": lambda I, H, dtype: GRU(I, H, "before", "new", dtype=dtype),
}


def measured(layer, T, B, lengths=None):
    x = torch.randn(T, B, layer.I, dtype=layer.cell.b.dtype)
    return saved_bytes(lambda: layer(x, lengths=lengths), without=[*layer.parameters(), x])


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [None, 4])
def test_the_formula_is_what_autograd_keeps(name, dtype, chunk):
    for T, B, I, H in ((10, 5, 3, 8), (1, 2, 4, 3), (17, 4, 2, 6)):
        layer = Recurrent(CELLS[name](I, H, dtype), chunk=chunk)
        assert measured(layer, T, B) == layer_saved_bytes(layer, T, B)
        if T > 1:
            lengths = [T, *[1] * (B - 1)]
            assert measured(layer, T, B, lengths) == layer_saved_bytes(layer, T, B, masked=True)


@pytest.mark.parametrize(("name", "count"), [("elman", 1), ("lstm", 7), ("gru after", 5), ("gru before", 4)])
def test_numbers_per_token_and_unit(name, count):
    layer = Recurrent(CELLS[name](3, 8, torch.float32))
    assert per_token(layer.cell) == count
    slope = (layer_saved_bytes(layer, 30, 5) - layer_saved_bytes(layer, 20, 5)) / (4 * 10 * 5 * 8)
    assert slope == count


@pytest.mark.parametrize("name", ["elman", "lstm", "gru after", "gru before"])
@pytest.mark.parametrize("backend", ["bptt", "torch", "loop"])
def test_what_is_saved_doubles_with_the_time_and_with_the_batch(name, backend):
    if (name, backend) == ("gru before", "torch"):
        pytest.skip("torch.nn has no reset before")
    layer = Recurrent(CELLS[name](3, 8, torch.float32), backend)
    once = measured(layer, 64, 16)
    assert measured(layer, 128, 16) / once == pytest.approx(2, abs=0.03)
    assert measured(layer, 64, 32) / once == pytest.approx(2, abs=0.03)


@pytest.mark.parametrize(("name", "share"), [("elman", 1), ("lstm", 1), ("gru after", 0.9), ("gru before", 0.7)])
def test_the_hand_derived_pass_keeps_no_more_than_autograd(name, share):
    cell = CELLS[name](3, 8, torch.float32)
    first_states = 4 * 2 * 16 * 8
    assert measured(Recurrent(cell), 64, 16) <= share * measured(Recurrent(cell, "loop"), 64, 16) + first_states


@pytest.mark.parametrize(("name", "s"), [("elman", 1), ("lstm", 2), ("gru after", 1), ("gru before", 1)])
@pytest.mark.parametrize("segment", [8, 7])
def test_segments_keep_one_state_each(name, s, segment):
    layer = Recurrent(CELLS[name](3, 8, torch.float32), segment=segment)
    assert measured(layer, 64, 16) == 4 * s * 16 * 8 * math.ceil(64 / segment)


def test_what_a_checkpoint_holds_in_a_tuple_or_outside_of_autograd_counts():
    w, x = torch.randn(10, requires_grad=True), torch.randn(10)

    def squares(pair):
        return (pair[0] * w).square() + pair[1]

    def forward():
        return checkpoint(squares, (x.exp(), x.sin()), use_reentrant=False)

    assert saved_bytes(forward) == 80
    assert saved_bytes(lambda: {"o": [w.detach().exp()]}) == 0
    held = []
    assert saved_bytes(lambda: held.append(x.exp())) == 40


def test_a_storage_counts_once_and_as_a_whole():
    w = torch.randn(10, requires_grad=True)
    assert saved_bytes(lambda: w.exp()) == 40
    assert saved_bytes(lambda: w * w) == 40
    assert saved_bytes(lambda: w.exp()[:2] * w[:2]) == 80
    assert saved_bytes(lambda: w * w, without=[w]) == 0
    with torch.no_grad():
        assert saved_bytes(lambda: w.exp()) == 40


def test_adam_takes_sixteen_bytes_for_each_parameter():
    model = nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 3))
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 10)).sum().backward()
    optimiser.step()
    held = 0
    for p in model.parameters():
        moments = optimiser.state[p]
        tensors = (p, p.grad, moments["exp_avg"], moments["exp_avg_sq"])
        held += sum(tensor.untyped_storage().nbytes() for tensor in tensors)
    count = 10 * 20 + 20 + 20 * 3 + 3
    assert parameter_bytes(model) == held == 16 * count
    assert parameter_bytes(model, copies=1) == 4 * count
    assert parameter_bytes(model.double()) == 32 * count
    model[0].requires_grad_(False)
    assert parameter_bytes(model.float()) == 16 * 63


def peak(layer, T, B, V):
    """The most bytes of a training step by `fit`, and those of the gradients of the parameters."""
    torch.manual_seed(0)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.read_out = layer, nn.Linear(layer.width, V)

        def forward(self, x):
            return self.read_out(self.layer(x)[0])

    model, x = Model(), torch.randn(T, B, layer.I)
    y = torch.randint(V, (T, B))
    once = {"steps": 1, "optimiser": torch.optim.SGD(model.parameters(), lr=1e-3)}
    most = peak_bytes(lambda: fit(model, lambda _: (x, y), cross_entropy, **once))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return most + 3 * weights + x.nbytes + y.nbytes, weights


@pytest.mark.parametrize("name", ["elman", "lstm", "gru after", "gru before"])
@pytest.mark.parametrize("V", [200, 1000])
def test_training_bytes_are_the_most_that_a_step_holds(name, V):
    layer = Recurrent(CELLS[name](16, 32, torch.float32))
    measured, gradients = peak(layer, 50, 8, V)
    # Adam's gradients and moments count from the first step to the last, and here the gradients come later.
    assert measured - 16 <= training_bytes(layer, 50, 8, V) <= measured + gradients


@pytest.mark.parametrize("name", ["elman", "lstm", "gru after", "gru before"])
@pytest.mark.parametrize("V", [1, 5])
def test_where_the_loss_takes_little_a_step_holds_what_the_walk_back_has_at_hand_besides(name, V):
    layer = Recurrent(CELLS[name](16, 64, torch.float32))
    measured, gradients = peak(layer, 400, 32, V)
    assert -gradients <= measured - training_bytes(layer, 400, 32, V) < 4 * CACHE_BYTES


@pytest.mark.parametrize("name", ["elman", "lstm", "gru after", "gru before new"])
@pytest.mark.parametrize("memory_bytes", [10**5, 10**6, 3 * 10**8])
def test_the_longest_sequence_fits_and_one_step_more_does_not(name, memory_bytes):
    layer = Recurrent(CELLS[name](3, 16, torch.float32))
    for B, V in ((1, 0), (8, 50)):
        T = longest(memory_bytes, layer, B, V)
        assert training_bytes(layer, T, B, V) <= memory_bytes < training_bytes(layer, T + 1, B, V)


def test_the_budget_is_one_of_tokens():
    layer = Recurrent(GRU(10, 64))
    budget = token_budget(10**8, layer, V=100)
    for B in (2, 8, 32):
        assert longest(10**8, layer, B, V=100) * B == pytest.approx(budget, rel=0.01)


def test_known_plans():
    assert (plan(1000).segment, plan(1000).peak) == (28, 64)
    assert (plan(1000, 2, 7).segment, plan(1000, 2, 7).peak) == (17, 237)
    assert plan(1000, 2, 7).segments == 59
    assert plan(1000).extra == 1
    assert plan(100).peak == 20
    assert plan(100).segment == 10
    assert (plan(5, 10, 1).segment, plan(5, 10, 1).extra) == (5, 0)
    assert plan(1).peak == 2


@settings(max_examples=60, deadline=None)
@given(T=st.integers(1, 400), s=st.integers(1, 30), b=st.integers(1, 30))
def test_a_plan_is_the_best_of_all(T, s, b):
    found = plan(T, s, b)
    peaks = {g: s * math.ceil(T / g) + b * g for g in range(1, T + 1)}
    assert found.peak == min(peaks.values()) == peaks[found.segment]
    assert found.segment == min(g for g, peak in peaks.items() if peak == found.peak)
    assert found.segments == math.ceil(T / found.segment)
    assert found.peak >= 2 * math.sqrt(s * b * T) - 1e-9
    if s <= b * T and b <= s * T:  # the real-valued optimum √(sT/b) lies within 1..T
        assert found.peak <= 2 * math.sqrt(s * b * T) + s + b
    else:
        assert found.segment in (1, T)


def test_a_plan_is_near_the_square_root_for_long_sequences():
    for T in (10_000, 123_457):
        assert plan(T, 2, 7).segment == pytest.approx(math.sqrt(2 * T / 7), rel=0.1)
        assert plan(T, 2, 7).peak == pytest.approx(2 * math.sqrt(14 * T), rel=0.01)


def test_bad_input_is_named():
    layer = Recurrent(Elman(3, 4))
    with pytest.raises(ValueError, match="T must be at least 1, got 0"):
        plan(0)
    with pytest.raises(ValueError, match="s must be a finite number above 0, got 0"):
        plan(10, 0)
    with pytest.raises(ValueError, match="b must be a finite number above 0, got inf"):
        plan(10, 1, math.inf)
    with pytest.raises(TypeError, match=r"B must be a whole number, got 2\.5"):
        layer_saved_bytes(layer, 3, 2.5)
    for other in (Recurrent(Elman(3, 4), "loop"), Recurrent(Leaky(3, 4, 0.5)), Recurrent(Elman(3, 4), segment=2)):
        with pytest.raises(ValueError, match="the formula is known for Elman, LSTM and GRU"):
            layer_saved_bytes(other, 3, 2)
    with pytest.raises(ValueError, match=r"got Leaky; use saved_bytes"):
        memory.per_token(Leaky(3, 4, 0.5))
    with pytest.raises(ValueError, match=r"bytes for one step of B=2, got 100"):
        longest(100, layer, 2)
    with pytest.raises(ValueError, match="V must be at least 0, got -1"):
        training_bytes(layer, 3, 2, -1)
    with pytest.raises(ValueError, match="copies must be at least 1"):
        parameter_bytes(layer, 0)


class Counted(Elman):
    """An Elman cell that counts its steps."""

    steps = 0

    def forward(self, x_t, h):
        self.steps += 1
        return super().forward(x_t, h)


@pytest.mark.parametrize(("T", "s", "b"), [(4, 10.0, 1.0), (9, 1.0, 1.0), (16, 1.0, 5.0), (1, 1.0, 1.0)])
def test_a_plan_says_how_much_is_computed_twice(T, s, b):
    plan = memory.plan(T, s, b)
    layer = Recurrent(Counted(2, 3), "loop", segment=plan.segment)
    layer(torch.randn(T, 1, 2))[0].sum().backward()
    assert layer.cell.steps == (1 + plan.extra) * T


def test_the_peak_is_what_is_alive_at_once():
    x = torch.randn(1000)
    assert peak_bytes(lambda: x.exp()) == 4000
    assert peak_bytes(lambda: [x.exp() for _ in range(3)]) == 12000
    assert peak_bytes(lambda: [float(x.exp()[0]) for _ in range(50)]) < 2 * 4000
    assert peak_bytes(lambda: x.exp().add_(1)[:10]) == 4000
    assert peak_bytes(lambda: None) == 0
    with pytest.raises(TypeError, match="step must be a function without arguments, got Tensor"):
        peak_bytes(x)


def test_what_was_saved_and_let_go_again_is_not_kept():
    """A stream in pieces: with its history everything is held, detached only the last state."""
    layer = Recurrent(GRU(3, 8))
    x = torch.randn(40, 2, 3)

    def read(detach):
        state = None
        for piece in x.split(5):
            _, state = layer(piece, state)
            state = state.detach() if detach else state
        return state

    known = [x, *layer.parameters()]
    assert saved_bytes(lambda: read(False), without=known) == 8 * layer_saved_bytes(layer, 5, 2)
    assert saved_bytes(lambda: read(True), without=known) == 0
    w = torch.randn(10, requires_grad=True)
    assert saved_bytes(lambda: w.exp().sum().item()) == 0


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpointed_lstm_of_torch_keeps_its_states(reentrant):
    net, x = nn.LSTM(3, 8), torch.randn(64, 16, 3)

    def piece(x, h, c):
        y, (h, c) = net(x, (h, c))
        return y, h, c

    def forward():
        h, c = torch.zeros(1, 16, 8, requires_grad=True), torch.zeros(1, 16, 8)
        outputs = []
        for part in x.split(8):
            y, h, c = checkpoint(piece, part, h, c, use_reentrant=reentrant)
            outputs.append(y)
        return torch.cat(outputs), h, c

    assert saved_bytes(forward, without=[x, *net.parameters()]) == 4 * 2 * 16 * 8 * 8
