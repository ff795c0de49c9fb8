"""The laws of the linear recurrence: any grouping gives the same states and gradients."""

import math

import pytest
import torch
from drawn import gap
from hypothesis import given, settings
from hypothesis import strategies as st
from scans import C128, F64, both_kinds, draw, starts, with_gradients

from rnnbook.layers.scan import RUN, chunked, compose, scan, scan_log, sequential

ALGORITHMS = list(RUN)


@both_kinds
@starts
@pytest.mark.parametrize("T", [1, 2, 3, 16, 31, 33, 48, 257, 513, 1000])
def test_every_algorithm_is_the_loop(T, dtype, start):
    inputs = draw(T, dtype=dtype, start=start)
    expected = with_gradients(lambda a, b, h: scan(a, b, h, "loop"), inputs)
    for algorithm in ALGORITHMS:
        got = with_gradients(lambda a, b, h, by=algorithm: scan(a, b, h, by), inputs)
        assert gap(got, expected) < 1e-12, algorithm


def test_the_size_decides_only_how_the_states_are_computed():
    for T, B, H in ((40, 1, 4), (40, 3, 10000)):
        a, b, h_0 = draw(T, B, H)
        assert gap([scan(a, b, h_0)], [scan(a, b, h_0, "loop")]) < 1e-12


@both_kinds
@starts
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradients_are_the_limits_of_differences(algorithm, dtype, start):
    inputs = [t for t in draw(37, 1, 2, dtype, start) if t is not None]
    for t in inputs:
        t.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b, h=None: scan(a, b, h, algorithm), inputs)


@starts
def test_log_space_gradients_are_the_limits_of_differences(start):
    inputs = [torch.randn_like(t).requires_grad_() for t in draw(37, 1, 2, F64, start) if t is not None]
    assert torch.autograd.gradcheck(scan_log, inputs)


numbers = st.floats(-2, 2, allow_nan=False)
elements = st.tuples(numbers, numbers).map(lambda pair: tuple(torch.tensor(x, dtype=F64) for x in pair))


@settings(max_examples=50, deadline=None)
@given(elements, elements, elements, numbers)
def test_composition_is_associative_and_means_one_step_after_the_other(third, second, first, h):
    left = compose(compose(third, second), first)
    right = compose(third, compose(second, first))
    assert gap(left, right) < 1e-14
    for a, b in (first, second, third):
        h = a * h + b
    assert gap([left[0] * 0 + h], [right[0] * 0 + h]) == 0
    one = torch.ones((), dtype=F64), torch.zeros((), dtype=F64)
    assert gap(compose(first, one), first) == gap(compose(one, first), first) == 0


def test_composed_elements_carry_any_state():
    (a_1, b_1), (a_2, b_2) = ((torch.randn(5, dtype=F64), torch.randn(5, dtype=F64)) for _ in range(2))
    a, b = compose((a_2, b_2), (a_1, b_1))
    h = torch.randn(5, dtype=F64)
    assert gap([a * h + b], [a_2 * (a_1 * h + b_1) + b_2]) < 1e-14


def test_known_values():
    T = 200
    ones, b = torch.ones(T, 1, 1, dtype=F64), torch.randn(T, 1, 1, dtype=F64)
    assert gap([scan(ones, b)], [b.cumsum(0)]) < 1e-13
    assert gap([scan(0 * ones, b)], [b]) == 0
    half = torch.full((1,), 0.5, dtype=F64)
    n = torch.arange(1, T + 1, dtype=F64)
    assert gap([scan(half, ones)[:, 0, 0]], [2 * (1 - 0.5**n)]) < 1e-15
    turn = torch.full((1,), 1j, dtype=C128)
    assert gap([scan(turn, 0 * ones.to(C128), torch.ones(1, 1, dtype=C128))[3]], [torch.ones(1, 1)]) < 1e-15


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "loop"])
def test_a_factor_that_does_not_change_may_be_given_once(algorithm):
    _, b, h_0 = draw(70)
    a = torch.rand(3, dtype=F64)
    expected = with_gradients(lambda a, b, h: scan(a.expand(70, 2, 3), b, h, "loop"), (a, b, h_0))
    assert gap(with_gradients(lambda a, b, h: scan(a, b, h, algorithm), (a, b, h_0)), expected) < 1e-12


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_halves_with_the_state_between_are_the_whole(algorithm):
    a, b, h_0 = draw(100)
    h = scan(a, b, h_0, algorithm)
    first = scan(a[:61], b[:61], h_0, algorithm)
    assert gap([h], [torch.cat((first, scan(a[61:], b[61:], first[-1], algorithm)))]) < 1e-14


def test_complex_diagonal_units_are_rotations_of_pairs():
    """y = Re(C h) with h_t = λ h_{t−1} + x_t equals real pairs that are turned and shrunk."""
    T, H = 300, 4
    radius, angle = torch.rand(H, dtype=F64) * 0.2 + 0.8, torch.rand(H, dtype=F64) * torch.pi
    lam = torch.polar(radius, angle)
    B_x, C = torch.randn(T, 1, H, dtype=C128), torch.randn(2, H, dtype=C128)
    y = (scan(lam, B_x) @ C.T).real
    pair, expected = torch.zeros(H, 2, dtype=F64), []
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), 1).view(H, 2, 2) * radius[:, None, None]
    for x_t in torch.view_as_real(B_x[:, 0]):
        pair = (turn @ pair[:, :, None])[:, :, 0] + x_t
        expected.append(C.real @ pair[:, 0] - C.imag @ pair[:, 1])
    assert gap([y[:, 0]], [torch.stack(expected)]) < 1e-12


def test_log_space_is_the_scan_to_the_rounding_of_the_running_sum():
    T = 1000
    log_a, log_b = torch.rand(T, 4, 8, dtype=F64).log(), torch.randn(T, 4, 8, dtype=F64)
    log_h_0 = torch.randn(4, 8, dtype=F64)
    h = scan(log_a.exp(), log_b.exp(), log_h_0.exp(), "loop")
    assert ((scan_log(log_a, log_b, log_h_0).exp() - h) / h).abs().max() < 1e-12
    short = [part.float() for part in (log_a, log_b, log_h_0)]
    error = ((scan_log(*short).exp() - h) / h).abs().max()
    assert 1e-6 < error < 1e-3
    loop = scan(short[0].exp(), short[1].exp(), short[2].exp(), "loop")
    assert ((scan(short[0].exp(), short[1].exp(), short[2].exp()) - loop) / loop).abs().max() < 1e-5 < error


def test_log_space_gradients_are_those_of_the_scan():
    logs = tuple(t.log() for t in (torch.rand(100, 2, 3, dtype=F64), torch.rand(100, 2, 3, dtype=F64)))
    expected = with_gradients(lambda a, b: scan(a.exp(), b.exp(), algorithm="loop").log(), logs)
    assert gap(with_gradients(scan_log, logs), expected) < 1e-12


def test_log_space_neither_overflows_nor_vanishes():
    T = 5000
    for rate in (-2.0, 2.0):
        log_a = torch.full((T, 1, 1), rate)
        log_h = scan_log(log_a, torch.full((T, 1, 1), -1000.0), torch.zeros(1, 1))
        assert log_h.isfinite().all()
        expected = rate * T if rate > 0 else -1000 - torch.log1p(-torch.exp(torch.tensor(rate))).item()
        assert abs(log_h[-1].item() / expected - 1) < 1e-4


def test_an_increment_of_zero_is_minus_infinity_in_log_space():
    log_b = torch.zeros(4, 1, 1, dtype=F64)
    log_b[1] = -torch.inf
    h = scan(torch.full((1,), 0.5, dtype=F64), log_b.exp())
    assert gap([scan_log(torch.full((1,), 0.5, dtype=F64).log(), log_b).exp()], [h]) < 1e-15


def test_dividing_by_the_running_product_breaks_where_the_scan_does_not():
    """h_t = P_t Σ_{s≤t} b_s / P_s with P_t = a_1 ⋯ a_t: exact on paper; 1/P_t leaves float32 at 2^128."""
    T = 513
    a, b = torch.full((T, 1, 1), 2**-0.25), torch.ones(T, 1, 1)
    P = a.cumprod(0)
    by_division = P * (b / P).cumsum(0)
    limit = 1 / (1 - 2**-0.25)
    assert abs(by_division[399].item() / limit - 1) < 1e-3
    assert not by_division[T - 1].isfinite()
    for h in [*(scan(a, b, algorithm=by) for by in ALGORITHMS), scan_log(a.log(), b.log()).exp()]:
        assert (h[399:] / limit - 1).abs().max() < 1e-4


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "loop"])
@pytest.mark.parametrize(("T", "B"), [(0, 2), (40, 0), (1, 0), (0, 0)])
@starts
def test_nothing_in_nothing_out(algorithm, T, B, start):
    inputs = [t.requires_grad_() for t in draw(T, B, start=start) if t is not None]
    h = scan(*inputs, algorithm=algorithm)
    assert h.shape == (T, B, 3)
    torch.autograd.grad(h.sum(), inputs, allow_unused=True)


def test_nothing_of_the_readers_is_changed_and_any_layout_will_do():
    a, b, h_0 = draw(64)
    before = [t.clone() for t in (a, b, h_0)]
    for algorithm in ALGORITHMS:
        h = scan(a, b, h_0, algorithm)
        h.zero_()
        assert all(torch.equal(x, y) for x, y in zip(before, (a, b, h_0), strict=True))
        turned = scan(a.mT.contiguous().mT, b.transpose(0, 1).contiguous().transpose(0, 1), h_0, algorithm)
        assert gap([turned], [scan(a, b, h_0, "loop")]) < 1e-13


def test_a_gradient_is_computed_for_what_asks_for_one():
    a, b, h_0 = draw(64)
    assert not scan(a, b, h_0).requires_grad
    scan(a, b.requires_grad_(), h_0).sum().backward()
    assert a.grad is None
    assert b.grad is not None


def test_a_second_derivative_is_refused_except_by_the_loop():
    for run in (scan, scan_log):
        a, b, h_0 = (torch.rand_like(t).requires_grad_() for t in draw(5))
        (first,) = torch.autograd.grad(run(a, b, h_0).square().sum(), a, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative"):
            first.sum().backward()
    small = [torch.rand(4, 1, 2, dtype=F64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradgradcheck(lambda a, b: scan(a, b, algorithm="loop"), small)


SOUND = torch.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"b": torch.zeros(4, 3)}, ValueError, r"b must have shape \(T, B, H\) = \(T, B, H\), got \(4, 3\)"),
        ({"b": SOUND.long()}, TypeError, r"b must be real or complex, got torch.int64; convert it with b.float"),
        ({"b": SOUND.numpy()}, TypeError, "b must be a torch.Tensor, got ndarray"),
        ({"a": SOUND[:3]}, ValueError, r"a must have shape \(T, B, H\) = \(4, 2, 3\), got \(3, 2, 3\)"),
        ({"a": torch.zeros(2)}, ValueError, r"a must have shape \(H\) = \(3\), got \(2,\)"),
        ({"a": SOUND.double()}, TypeError, "a must .* got torch.float64"),
        ({"a": 0.5}, TypeError, "a must be a torch.Tensor, got float"),
        ({"a": SOUND.to("meta")}, ValueError, "a must be on .* device cpu, got meta"),
        ({"h_0": torch.zeros(3)}, ValueError, r"h_0 must have shape \(B, H\) = \(2, 3\), got \(3,\)"),
        ({"algorithm": "fast"}, ValueError, "algorithm must be one of 'auto', .* got 'fast'"),
    ],
)
def test_what_does_not_fit_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        scan(**{"a": SOUND, "b": SOUND, "h_0": None, **arguments})


def test_what_does_not_fit_is_named_in_logarithms():
    with pytest.raises(ValueError, match=r"log_a must have shape \(T, B, H\)"):
        scan_log(SOUND[:2], SOUND)
    with pytest.raises(TypeError, match="log_b must be real"):
        scan_log(SOUND.to(C128), SOUND.to(C128))


@pytest.mark.parametrize("algorithm", sorted(RUN))
@pytest.mark.parametrize("T", [1, 2])
def test_the_result_is_not_the_input(algorithm, T):
    b = torch.randn(T, 2, 3)
    before = b.clone()
    scan(torch.rand(T, 2, 3), b, algorithm=algorithm).mul_(2)
    assert torch.equal(b, before)


@pytest.mark.parametrize("T", [1, 5, 9])
def test_chunks_of_one_step(T):
    c, b = torch.rand(T - 1, 2, 3), torch.rand(T, 2, 3)
    assert gap(chunked(c, b, C=1), sequential(c, b)) < 1e-6


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("a", [0.5, 0.999, 0.99999])
def test_rounding_grows_with_the_memory_and_no_further(algorithm, a):
    """With positive a and b each factor and each sum that a number of age k meets adds at most eps/2: the bound."""
    T, factors = 20_000, torch.tensor([a])
    for b in (torch.ones(T, 1, 1), torch.rand(T, 1, 1)):
        exact = scan(factors.double(), b.double())
        error = (scan(factors, b, algorithm=algorithm) / exact - 1).abs().max()
        assert error < torch.finfo(torch.float32).eps * (min(T, 1 / (1 - a)) + math.log2(T))
