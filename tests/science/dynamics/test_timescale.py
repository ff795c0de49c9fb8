"""The laws of time constants: gates, leaks, chrono initialisation, and estimates from samples."""

import math

import pytest
import torch
from drawn import F64
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnbook.dynamics.timescale import (
    autocorrelation,
    chrono,
    chrono_mean,
    gate,
    gate_bias,
    gate_of_bias,
    gate_that_keeps,
    half_life,
    leaky_integrator,
    ornstein_uhlenbeck,
    steps_until,
    tau_of_autocorrelation,
    tau_of_sample,
    time_constant,
)
from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormLSTM
from rnnbook.layers.recurrent import Recurrent

shares = st.floats(1e-6, 1 - 1e-6)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_known_time_constants():
    tau = time_constant(0.95, 0.02)
    assert tau == pytest.approx(0.38991, abs=5e-6)
    assert half_life(tau) == pytest.approx(0.27027, abs=5e-6)
    assert pytest.approx(0.400) == 0.02 / (1 - 0.95)
    assert pytest.approx(tau, abs=1e-4) == 0.02 / (1 - 0.95) - 0.01
    assert time_constant(0.999, 0.010) == pytest.approx(9.995, abs=1e-4)
    assert time_constant(0.999, 0.020) == pytest.approx(19.99, abs=1e-3)
    assert gate(0.05, 0.01) == pytest.approx(0.8187, abs=5e-5)


@pytest.mark.parametrize(
    ("p", "f", "bias"),
    [
        (0.05, 0.95130, 2.97),
        (0.10, 0.96235, 3.24),
        (1 / math.e, 0.98347, 4.09),
        (0.5, 0.98851, 4.46),
        (0.9, 0.99825, 6.34),
    ],
)
def test_what_sixty_steps_ask_for_depends_on_the_criterion(p, f, bias):
    found = gate_that_keeps(p, 60)
    assert found == pytest.approx(f, abs=5e-6)
    assert found**60 == pytest.approx(p)
    assert gate_bias(found) == pytest.approx(bias, abs=5e-3)
    assert steps_until(p, found) == pytest.approx(60)


def test_the_gate_of_the_sources_keeps_a_tenth():
    assert pytest.approx(0.0978, abs=5e-5) == 0.962**60
    assert pytest.approx(0.046070, abs=5e-7) == 0.95**60


def test_an_autocorrelation_that_is_lost_after_twenty_steps():
    assert gate_that_keeps(0.05, 20) == pytest.approx(0.8609, abs=5e-5)
    assert time_constant(gate_that_keeps(0.05, 20), 10.0) == pytest.approx(66.8, abs=0.05)
    assert gate_that_keeps(0.01, 20) == pytest.approx(0.7943, abs=5e-5)


@given(f=shares, dt=st.floats(1e-3, 1e3))
def test_time_constants_and_gates_are_inverse(f, dt):
    assert gate(time_constant(f, dt), dt) == pytest.approx(f, rel=1e-9)
    assert gate_of_bias(gate_bias(f)) == pytest.approx(f, rel=1e-9)
    assert f ** (half_life(time_constant(f, dt)) / dt) == pytest.approx(0.5)
    assert f ** (time_constant(f, dt) / dt) == pytest.approx(1 / math.e)


@given(p=shares, f=shares)
def test_steps_until_a_share_is_left(p, f):
    assert steps_until(p, f) * math.log(f) == pytest.approx(math.log(p))
    assert gate_bias(1 - f) == pytest.approx(-gate_bias(f), abs=1e-6)


def test_tensors_and_numbers_agree():
    f = torch.tensor([0.1, 0.5, 0.962, 0.999], dtype=F64)
    for function in (
        lambda v: time_constant(v, 0.02),
        lambda v: gate(v, 0.3),
        half_life,
        lambda v: gate_that_keeps(v, 7),
        lambda v: steps_until(v, v.sqrt() if isinstance(v, torch.Tensor) else math.sqrt(v)),
        gate_bias,
        gate_of_bias,
        lambda v: gate_of_bias(-v),
    ):
        assert function(f).tolist() == pytest.approx([function(value) for value in f.tolist()])
    ends = torch.tensor([0.0, 1.0])
    assert time_constant(ends).tolist() == [time_constant(0.0), time_constant(1.0)] == [0.0, math.inf]
    assert gate_of_bias(-1000.0) == 0
    assert gate_of_bias(1000.0) == 1


def test_an_lstm_with_a_fixed_forget_gate_decays_with_its_time_constant():
    cell = LSTM(1, 1, dtype=F64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.b[0], cell.b[1] = -1000, gate_bias(0.95)
    c = torch.ones(1, 1, dtype=F64)
    values = []
    state = (torch.zeros_like(c), c)
    for _ in range(200):
        _, state = cell(torch.zeros(1, 1, dtype=F64), state)
        values.append(state[1].item())
    slope = torch.tensor(values).log().diff().mean().item() / 0.02
    assert -1 / slope == pytest.approx(time_constant(0.95, 0.02), rel=1e-6)


def test_a_leaky_integrator_is_exact_for_inputs_that_are_constant_within_a_step():
    tau, dt = 0.05, 0.01
    levels = torch.randn(30, 4, dtype=F64)
    coarse = leaky_integrator(levels, tau, dt)
    fine = leaky_integrator(levels.repeat_interleave(7, 0), tau, dt / 7)
    assert (fine[6::7] - coarse).abs().max() < 1e-13
    t = dt * torch.arange(1, 31, dtype=F64)
    step_response = leaky_integrator(torch.ones(30, dtype=F64), tau, dt)
    assert (step_response - (1 - (-t / tau).exp())).abs().max() < 1e-14


def test_euler_is_the_first_order_of_the_leaky_integrator():
    x, h_0 = torch.zeros(10, 1, dtype=F64), torch.ones(1, dtype=F64)
    assert leaky_integrator(x, 0.05, 0.01, h_0, "euler")[0].item() == pytest.approx(0.8)
    assert leaky_integrator(x, 0.05, 0.01, h_0)[0].item() == pytest.approx(0.8187, abs=5e-5)
    errors = []
    for parts in (10, 20, 40):
        still = torch.zeros(parts, 1, dtype=F64)
        errors.append(abs(leaky_integrator(still, 1.0, 1 / parts, h_0, "euler")[-1].item() - math.exp(-1)))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)
    long = torch.zeros(50, 1, dtype=F64)
    assert leaky_integrator(long, 1.0, 2.1, h_0, "euler")[-1].abs() > 10
    assert leaky_integrator(long, 1.0, 2.1, h_0)[-1].abs() < 1e-10
    assert leaky_integrator(long, 1.0, 1.9, h_0, "euler")[-1].abs() < 0.1


def test_a_leaky_integrator_may_have_a_time_constant_for_each_unit():
    x, tau = torch.randn(9, 2, 3, dtype=F64), torch.tensor([0.5, 2.0, 30.0], dtype=F64)
    together = leaky_integrator(x, tau)
    for unit in range(3):
        alone = leaky_integrator(x[..., unit], tau[unit].item())
        assert (together[..., unit] - alone).abs().max() < 1e-14
    assert leaky_integrator(x[:0], tau).shape == (0, 2, 3)


def test_known_means_of_chrono_biases():
    assert chrono_mean(100) == pytest.approx(3.6420, abs=5e-5)
    assert chrono_mean(1000) == pytest.approx(5.9137, abs=5e-5)
    assert chrono_mean(2) == 0
    assert chrono_mean(2.001) == pytest.approx(0.0005, rel=0.01)


CHRONO = {
    "lstm": lambda H: LSTM(2, H, dtype=F64),
    "layer-normalised lstm": lambda H: LayerNormLSTM(2, H, dtype=F64),
    "gru old": lambda H: GRU(2, H, dtype=F64),
    "gru new": lambda H: GRU(2, H, "before", "new", dtype=F64),
}


@pytest.mark.parametrize("name", CHRONO)
@pytest.mark.parametrize("T_max", [100, 1000])
def test_chrono_spreads_the_gates_that_keep(name, T_max):
    H = 20_000
    cell = CHRONO[name](4)
    cell.H, cell.b = H, torch.nn.Parameter(torch.zeros(len(cell.b) // 4 * H, dtype=F64))
    assert chrono(cell, T_max, generator=seeded(1)) is cell
    b = cell.b.detach()
    keep = -b[H : 2 * H] if name == "gru new" else b[H : 2 * H]
    f = keep.sigmoid()
    assert f.min() >= 0.5
    assert f.max() <= (T_max - 1) / T_max + 1e-12
    steps = 1 / (1 - f)
    assert steps.min() >= 2 - 1e-9
    assert steps.max() <= T_max + 1e-6
    assert steps.mean().item() == pytest.approx(1 + T_max / 2, rel=0.02)
    assert keep.mean().item() == pytest.approx(chrono_mean(T_max), abs=4 * keep.std().item() / math.sqrt(H))
    if "lstm" in name:
        assert torch.equal(b[:H], -keep)
        assert b[2 * H :].abs().max() == 0
    else:
        assert b[:H].abs().max() == b[2 * H :].abs().max() == 0


@pytest.mark.parametrize("name", CHRONO)
def test_chrono_changes_nothing_else_and_is_repeatable(name):
    cell = CHRONO[name](6)
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    chrono(cell, 50, generator=seeded(3))
    first = cell.b.detach().clone()
    assert all(torch.equal(value, before[key]) for key, value in cell.state_dict().items() if key != "b")
    assert torch.equal(chrono(cell, 50, generator=seeded(3)).b, first)
    assert not torch.equal(chrono(cell, 50, generator=seeded(4)).b, first)
    assert cell.b.requires_grad
    Recurrent(cell)(torch.randn(3, 2, 2, dtype=F64))[0].sum().backward()


@pytest.mark.parametrize("name", ["gru old", "gru new"])
def test_chrono_means_memory_in_both_conventions_of_z(name):
    cell = CHRONO[name](50)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    chrono(cell, 1000)
    _, last = Recurrent(cell)(torch.zeros(10, 1, 2, dtype=F64), torch.ones(1, 50, dtype=F64))
    assert last.median() > 0.9


def test_an_ornstein_uhlenbeck_process_is_stationary_with_its_autocorrelation():
    x = ornstein_uhlenbeck(400, 4000, tau=5.0, generator=seeded(0))
    assert x[0].var().item() == pytest.approx(1, rel=0.08)
    assert x[-1].var().item() == pytest.approx(1, rel=0.08)
    for k in (1, 3, 10):
        lagged = (x[:-k] * x[k:]).mean().item()
        assert lagged == pytest.approx(math.exp(-k / 5), abs=0.01)


def test_tau_is_found_again_in_a_sample():
    tau = 66.8
    x = ornstein_uhlenbeck(20_000, 20, tau, dt=10.0, generator=seeded(2))
    found, error = tau_of_sample(x, dt=10.0)
    assert found == pytest.approx(tau, rel=0.05)
    assert abs(found - tau) < 4 * error
    r = autocorrelation(x, 40)
    assert r[0] == 1
    assert tau_of_autocorrelation(r, dt=10.0) == pytest.approx(tau, rel=0.05)


def test_the_standard_error_is_that_of_many_samples():
    x = ornstein_uhlenbeck(2000, 400, tau=10.0, generator=seeded(5))
    found = [tau_of_sample(x[:, n]) for n in range(400)]
    spread = torch.tensor([tau for tau, _ in found]).std().item()
    claimed = torch.tensor([error for _, error in found]).mean().item()
    assert spread == pytest.approx(claimed, rel=0.2)


@given(tau=st.floats(1.0, 500), dt=st.floats(0.01, 1.0))
@settings(max_examples=50)
def test_tau_of_an_exact_exponential(tau, dt):
    r = (-dt * torch.arange(60, dtype=F64) / tau).exp()
    assert tau_of_autocorrelation(r, dt) == pytest.approx(tau, rel=1e-9)


def test_what_is_below_the_noise_is_left_out():
    r = (-torch.arange(60, dtype=F64) / 5).exp()
    r[20:] = 0.09
    r[30] = -0.5
    assert tau_of_autocorrelation(r, down_to=0.1) == pytest.approx(5, rel=1e-9)
    assert tau_of_autocorrelation(torch.ones(5)) == math.inf


def test_an_autocorrelation_does_not_depend_on_level_and_scale():
    x = ornstein_uhlenbeck(200, 3, tau=5.0)
    assert (autocorrelation(3 * x + 7, 10) - autocorrelation(x, 10)).abs().max() < 1e-12
    assert (autocorrelation(x, 10).abs() <= 1).all()
    known = autocorrelation(x[:, 0], 5, mean=0.0)
    assert known[2].item() == pytest.approx(((x[:-2, 0] * x[2:, 0]).sum() / x[:, 0].square().sum()).item())


BAD = [
    (lambda: time_constant(1.5), r"f must be within 0\.\.1, got 1\.5"),
    (lambda: time_constant(torch.tensor([0.5, math.nan])), r"f must be within 0\.\.1"),
    (lambda: time_constant(0.5, 0), "dt must be a finite number above 0, got 0"),
    (lambda: gate(-1.0), r"tau must be greater than 0, got -1\.0"),
    (lambda: half_life(0.0), "tau must be greater than 0"),
    (lambda: gate_that_keeps(1.2, 3), r"p must be within 0\.\.1"),
    (lambda: gate_that_keeps(0.5, 0), "n must be at least 1, got 0"),
    (lambda: steps_until(0.5, 1.0), "1 - f must be greater than 0"),
    (lambda: gate_bias(1.0), "1 - f must be greater than 0"),
    (lambda: gate_bias(0.0), "f must be greater than 0"),
    (lambda: leaky_integrator(torch.zeros(3), 1.0, method="midpoint"), "method must be one of 'exact', 'euler'"),
    (lambda: leaky_integrator(torch.zeros(3, 2), 1.0, h_0=torch.zeros(3)), r"h_0 must have shape .* = \(2\)"),
    (lambda: chrono(LSTM(1, 2), 1.5), r"T_max must be at least 2 and finite, got 1\.5"),
    (lambda: chrono_mean(math.inf), "T_max must be at least 2 and finite, got inf"),
    (lambda: autocorrelation(torch.randn(5), 5), "n must be below T=5, got 5"),
    (lambda: autocorrelation(torch.ones(5), 2), "x must vary"),
    (lambda: tau_of_autocorrelation(torch.tensor([1.0, 0.05])), r"at least down_to=0\.1, got \[1\.0, 0\.05"),
    (lambda: tau_of_sample(torch.tensor([1.0, -1.0, 1.0])), "x must decay"),
    (lambda: tau_of_sample(torch.tensor([1.0])), "at least T=2 steps, got 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bad_kinds_are_named():
    with pytest.raises(TypeError, match="gates that keep, LSTM, LayerNormLSTM or GRU, got Elman"):
        chrono(Elman(1, 2), 10)
    with pytest.raises(TypeError, match="x must be a tensor with time first"):
        leaky_integrator([1.0, 2.0], 1.0)
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, got list"):
        autocorrelation([1.0, 2.0], 1)


def test_whole_numbers_do_not_cut_the_time_constant():
    with pytest.raises(TypeError, match=r"x must be of a floating-point dtype, got torch.int64; give x.double\(\)"):
        leaky_integrator(torch.tensor([0, 4, 0, 0]), 2.5)


def test_numbers_are_checked_with_all_their_digits():
    with pytest.raises(ValueError, match=r"got 1.00000001"):
        time_constant(1 + 1e-8)
    assert gate_bias(1e-60) == pytest.approx(-60 * math.log(10), rel=1e-12)
    assert steps_until(1e-60, 0.5) == pytest.approx(60 * math.log2(10), rel=1e-12)


@pytest.mark.parametrize("T", [3, 7, 101])
@pytest.mark.parametrize("value", [0.1, 0.3, -7.7, 1e6, 1e-9])
def test_a_constant_has_no_autocorrelation(T, value):
    with pytest.raises(ValueError, match="x must vary"):
        autocorrelation(torch.full((T,), value, dtype=F64), 1)
    autocorrelation(1e6 + 1e-7 * torch.randn(100, dtype=F64), 1)


def test_a_hole_in_an_autocorrelation_is_named():
    with pytest.raises(ValueError, match="r must be finite, got nan at 1"):
        tau_of_autocorrelation(torch.tensor([1.0, torch.nan, 0.5]))


@pytest.mark.parametrize("unit", [1e-250, 1e-160, 1e160, 1e250])
def test_samples_of_any_unit_have_one_autocorrelation(unit):
    x = ornstein_uhlenbeck(200, 3, tau=5.0)
    assert (autocorrelation(unit * x, 10) - autocorrelation(x, 10)).abs().max() < 1e-12
    assert tau_of_sample(unit * x) == pytest.approx(tau_of_sample(x), rel=1e-12)
    assert (autocorrelation(unit * x, 3, unit) - autocorrelation(x, 3, 1.0)).abs().max() < 1e-12


def test_a_hole_in_a_sample_is_named_and_is_no_constant():
    for bad in (math.nan, math.inf):
        x = torch.arange(6.0)
        x[2] = bad
        for ask in (lambda x: autocorrelation(x, 2), tau_of_sample):
            with pytest.raises(ValueError, match=rf"x must be finite, got {bad} at \(2, 0\)"):
                ask(x)


def test_the_error_of_a_very_long_time_constant_keeps_its_digits():
    """x_t = f^t without noise has f̂ = f; 1 − f² has eight digits left at f = 1 − 1e-8, and (1 − f)(1 + f) them all."""
    d = 2.0**-30
    f = 1 - d
    x = torch.tensor([1.0, f], dtype=F64)
    tau, error = tau_of_sample(x)
    assert error == pytest.approx(math.sqrt(2 * d - d * d) / (f * math.log1p(-d) ** 2), rel=1e-14)
    assert tau == pytest.approx(-1 / math.log1p(-d), rel=1e-14)
