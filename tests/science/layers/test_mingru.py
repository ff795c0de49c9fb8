"""The laws of minGRU: the scan over all steps is the cell step by step."""

import pytest
import torch
from drawn import F64, gap
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnbook.layers.mingru import MinGRU, MinGRULayer
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked
from rnnbook.layers.scan import RUN, scan_log

ALGORITHMS = [*RUN, "loop"]
candidates = pytest.mark.parametrize("candidate", ["linear", "positive"])
LENGTHS = [40, 2, 17, 40, 1]


def outputs_and_gradients(layer, x, state=None, **padding):
    """y, the last state, and the gradients of a random linear function of both at x, state and the weights."""
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    state = None if state is None else state.clone().requires_grad_()
    y, last = layer(x, state, **padding)
    loss = (y * torch.randn_like(y)).sum() + (last * torch.randn_like(last)).sum()
    asked = [x, *layer.parameters(), *([] if state is None else [state])]
    return [y, last, *torch.autograd.grad(loss, asked)]


@candidates
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("T", [1, 2, 40, 513])
@pytest.mark.parametrize("start", [False, True], ids=["from zero", "from h_0"])
def test_the_scan_is_the_loop(candidate, algorithm, T, start):
    cell = MinGRU(3, 4, candidate, dtype=F64)
    x, state = torch.randn(T, 5, 3, dtype=F64), torch.randn(5, 4, dtype=F64) if start else None
    expected = outputs_and_gradients(Recurrent(cell, "loop"), x, state)
    got = outputs_and_gradients(MinGRULayer(cell, algorithm), x, state)
    assert gap(got[:2], expected[:2]) < 1e-12
    assert gap(got[2:], expected[2:]) < 1e-12 * T


@candidates
@pytest.mark.parametrize("algorithm", ["auto", "loop"])
def test_gradients_are_the_limits_of_differences(candidate, algorithm):
    layer = MinGRULayer(MinGRU(2, 2, candidate, dtype=F64), algorithm)
    inputs = torch.randn(35, 1, 2, dtype=F64, requires_grad=True), torch.randn(1, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, h, *_: layer(x, h), (*inputs, *layer.parameters()))


@candidates
@pytest.mark.parametrize("algorithm", ["auto", "chunked", "loop"])
def test_a_padded_batch_is_its_sequences_one_by_one(candidate, algorithm):
    layer = MinGRULayer(MinGRU(3, 4, candidate, dtype=F64), algorithm)
    x, state = torch.randn(40, 5, 3, dtype=F64), torch.randn(5, 4, dtype=F64)
    pads = torch.arange(40)[:, None] >= torch.tensor(LENGTHS)
    runs = [
        outputs_and_gradients(layer, x.masked_fill(pads[:, :, None], padding), state, lengths=LENGTHS)
        for padding in (0.0, 1e30, float("nan"))
    ]
    assert gap(runs[0], runs[1]) == gap(runs[0], runs[2]) == 0
    y, last, dx = runs[0][:3]
    assert y[pads].abs().max() == dx[pads].abs().max() == 0
    for b, n in enumerate(LENGTHS):
        y_b, last_b = layer(x[:n, b : b + 1], state[b : b + 1])
        assert gap([y_b[:, 0], last_b[0]], [y[:n, b], last[b]]) < 1e-14
    expected = outputs_and_gradients(Recurrent(layer.cell, "loop"), x, state, lengths=LENGTHS)
    assert gap(runs[0], expected) < 1e-11


def test_a_mask_with_gaps_skips_its_steps():
    layer = MinGRULayer(MinGRU(3, 4, dtype=F64))
    x, mask = torch.randn(50, 2, 3, dtype=F64), torch.rand(50, 2) < 0.5
    mask[:, 1] = False
    y, last = layer(x, mask=mask)
    short, end = layer(x[mask[:, 0], :1])
    assert gap([y[mask[:, 0], 0], last[0]], [short[:, 0], end[0]]) < 1e-14
    assert last[1].abs().max() == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_a_state_lies_between_what_it_averages(seed):
    """With z within 0..1 a state is a weighted mean of h_0 and the candidates so far."""
    torch.manual_seed(seed)
    cell = MinGRU(3, 4, dtype=F64)
    x, h_0 = 5 * torch.randn(60, 2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    y, _ = MinGRULayer(cell)(x, h_0)
    n = torch.cat((h_0[None], cell.gates(cell.arguments(x))[1]))
    assert (y <= n.cummax(0).values[1:] + 1e-12).all()
    assert (y >= n.cummin(0).values[1:] - 1e-12).all()


def test_shut_and_open_gates():
    cell = MinGRU(3, 4, dtype=F64)
    x, h_0 = torch.randn(70, 2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    with torch.no_grad():
        cell.b[:4] = -1e4
        assert gap([MinGRULayer(cell)(x, h_0)[0]], [h_0.expand(70, 2, 4)]) == 0
        cell.b[:4] = 1e4
        assert gap([MinGRULayer(cell)(x, h_0)[0]], [cell.gates(cell.arguments(x))[1]]) == 0


def test_positive_candidates_make_positive_states_that_logarithms_give_too():
    cell = MinGRU(3, 4, "positive", dtype=F64)
    x = 4 * torch.randn(300, 2, 3, dtype=F64)
    y, _ = MinGRULayer(cell)(x)
    a_z, _ = cell.arguments(x).chunk(2, -1)
    _, n = cell.gates(cell.arguments(x))
    logsigmoid = torch.nn.functional.logsigmoid
    log_h = scan_log(logsigmoid(-a_z), logsigmoid(a_z) + n.log())
    assert y.min() > 0
    assert gap([log_h.exp() / y], [torch.ones_like(y)]) < 1e-11


def test_the_positive_candidate_is_continuous_and_rises():
    cell = MinGRU(1, 1, "positive", dtype=F64)
    arguments = torch.linspace(-5, 5, 1001, dtype=F64)
    _, n = cell.gates(torch.stack((arguments, arguments), 1))
    assert (n.diff(dim=0) > 0).all()
    assert n.diff(dim=0).max() < 0.0101
    assert abs(n[500].item() - 0.5) < 1e-15


def test_it_stacks_and_runs_in_both_directions():
    def layer(I):
        return MinGRULayer(MinGRU(I, 4, dtype=F64))

    both = Stacked(Bidirectional(layer(3), layer(3)), layer(8))
    loop = Stacked(
        Bidirectional(Recurrent(both.layers[0].ahead.cell), Recurrent(both.layers[0].back.cell)),
        Recurrent(both.layers[1].cell),
    )
    x = torch.randn(40, 5, 3, dtype=F64)
    assert gap([both(x, lengths=LENGTHS)[0]], [loop(x, lengths=LENGTHS)[0]]) < 1e-12


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("T", "B"), [(0, 5), (40, 0), (0, 0)])
def test_nothing_in_nothing_out(algorithm, T, B):
    layer = MinGRULayer(MinGRU(3, 4), algorithm)
    for state in (None, torch.ones(B, 4)):
        y, last = layer(torch.zeros(T, B, 3), state)
        assert y.shape == (T, B, 4)
        assert last.shape == (B, 4)
        (y.sum() + sum(p.sum() for p in layer.parameters())).backward()


def test_second_derivatives_autocast_and_frozen_weights():
    layer, x = MinGRULayer(MinGRU(3, 4)), torch.randn(40, 2, 3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x)[0], MinGRULayer(layer.cell)(x)[0])
    (first,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        first.sum().backward()
    (first,) = torch.autograd.grad(MinGRULayer(layer.cell, "loop")(x)[0].square().sum(), x, create_graph=True)
    first.sum().backward()
    layer.requires_grad_(False)
    assert not layer(x.detach())[0].requires_grad


def test_the_number_of_weights_is_that_of_two_linear_maps():
    assert sum(p.numel() for p in MinGRU(5, 7).parameters()) == 2 * 7 * (5 + 1)


SOUND = torch.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MinGRU(0, 4), ValueError, "I must be at least 1, got 0"),
        (lambda: MinGRU(3, 4.0), TypeError, "H must be a whole number"),
        (lambda: MinGRU(3, 4, "tanh"), ValueError, "candidate must be one of 'linear', 'positive', got 'tanh'"),
        (lambda: MinGRU(3, 4)(torch.zeros(2, 5), torch.zeros(2, 4)), ValueError, r"x_t must .* got \(2, 5\)"),
        (lambda: MinGRU(3, 4)(torch.zeros(2, 3), torch.zeros(1, 4)), ValueError, r"h must .* got \(1, 4\)"),
        (lambda: MinGRULayer(MinGRU(3, 4), "fast"), ValueError, "algorithm must be one of"),
        (lambda: MinGRULayer(MinGRU(3, 4))(SOUND[0]), ValueError, r"x must have shape \(T, B, I\) = \(T, B, 3\)"),
        (lambda: MinGRULayer(MinGRU(3, 4))(SOUND.double()), TypeError, "x must .* got torch.float64"),
        (lambda: MinGRULayer(MinGRU(3, 4))(SOUND, torch.zeros(4)), ValueError, r"state must have shape \(B, H\)"),
        (lambda: MinGRULayer(MinGRU(3, 4))(SOUND, lengths=[5, 1]), ValueError, r"lengths must be within 1\.\.T=4"),
        (lambda: MinGRULayer(MinGRU(3, 4))(SOUND, mask=torch.ones(4, 2)), TypeError, "mask must have dtype"),
    ],
)
def test_what_does_not_fit_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_shapes_are_known_without_numbers():
    y, _ = MinGRULayer(MinGRU(3, 4)).to("meta")(torch.zeros(5, 2, 3, device="meta"))
    assert y.shape == (5, 2, 4)
