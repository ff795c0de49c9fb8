"""Every public function of rnnbook.dynamics names what is wrong with what it is given."""

import math

import numpy as np
import pytest
import torch
from doors import refuses
from drawn import F64

from rnnbook.dynamics import flow, modes, nonnormal, timescale
from rnnbook.layers.cells import LSTM, Elman

W = torch.tensor([[0.5, 0.1], [0.0, 0.3]], dtype=F64)
J = W.expand(3, 1, 2, 2)
RUN = {"model": Elman(1, 2, dtype=F64), "x": torch.zeros(4, 2, 1, dtype=F64)}
SIGNAL = torch.sin(torch.arange(60.0, dtype=F64)).cumsum(0)[:, None].repeat(1, 2)


def total(h):
    return h.sum()


# The arguments that are looked at, those that are not wrong as None or as inf, and a call that is right.
DOORS = [
    (flow.gradients, "model x", (), RUN | {"loss": total}),
    (flow.gradient_norms, "model x", (), RUN | {"loss": total}),
    (flow.each_jacobian, "model x", (), RUN),
    (flow.jacobians, "model x", (), RUN),
    (flow.products, "J", (), {"J": J}),
    (flow.bounds, "J", (), {"J": J}),
    (flow.norm_bound, "W_h n slope", (), {"W_h": W, "n": 3, "slope": 1.0}),
    (flow.lyapunov, "J burn_in", (), {"J": J, "burn_in": 1}),
    (modes.eigenvalues, "W", ("complex",), {"name": "W", "W": W}),
    (modes.spectral_radius, "W", ("complex",), {"W": W}),
    (modes.require_stable, "W", ("complex",), {"letter": "W", "W": W}),
    (modes.modes, "W dt", (), {"W": W, "dt": 1.0}),
    (modes.memory_capacity, "W U delays", (), {"W": W, "U": [[1.0], [1.0]], "delays": 3}),
    (nonnormal.power_norms, "W n", ("complex",), {"W": W, "n": 3}),
    (nonnormal.gelfand, "W n", ("complex",), {"W": W, "n": 3}),
    (nonnormal.transient_peak, "W", ("complex",), {"W": W}),
    (nonnormal.henrici, "W", ("complex",), {"W": W}),
    (nonnormal.kreiss, "W tolerance", ("complex",), {"W": W, "tolerance": 0.05}),
    (nonnormal.euler_limit, "A", ("complex",), {"A": -W}),
    (timescale.time_constant, "f dt", (), {"f": 0.5, "dt": 1.0}),
    (timescale.gate, "tau dt", (), {"tau": 2.0, "dt": 1.0}),
    (timescale.half_life, "tau", (), {"tau": 2.0}),
    (timescale.gate_that_keeps, "p n", (), {"p": 0.5, "n": 3}),
    (timescale.steps_until, "p f", (), {"p": 0.5, "f": 0.5}),
    (timescale.gate_bias, "f", (), {"f": 0.5}),
    (timescale.gate_of_bias, "b", ("-inf",), {"b": 0.5}),
    (timescale.leaky_integrator, "tau dt method", (), {"x": SIGNAL, "tau": 2.0, "dt": 1.0, "method": "exact"}),
    (timescale.chrono, "cell T_max", (), {"cell": LSTM(1, 2), "T_max": 10.0}),
    (timescale.chrono_mean, "T_max", (), {"T_max": 10.0}),
    (timescale.ornstein_uhlenbeck, "T B tau dt", (), {"T": 3, "B": 2, "tau": 3.0, "dt": 1.0}),
    (timescale.autocorrelation, "x n", (), {"x": SIGNAL, "n": 3}),
    (timescale.tau_of_autocorrelation, "r dt", (), {"r": torch.tensor([1.0, 0.5, 0.25]), "dt": 1.0}),
    (timescale.tau_of_sample, "x dt mean", (), {"x": SIGNAL, "dt": 1.0, "mean": 0.0}),
]


@pytest.mark.parametrize(
    ("door", "argument", "takes", "good"),
    [(door, argument, takes, good) for door, names, takes, good in DOORS for argument in names.split()],
    ids=lambda value: getattr(value, "__name__", value) if callable(value) or isinstance(value, str) else "",
)
def test_wrong_input_is_named(door, argument, takes, good):
    refuses(door, good, argument, takes)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0)])
def test_no_eigenvalue_is_asked_of_what_is_not_finite(bad, place):
    hole = W.clone()
    hole[place] = bad
    asked = (modes.spectral_radius, modes.modes, nonnormal.henrici, nonnormal.kreiss, nonnormal.transient_peak)
    for ask in (*asked, lambda W: modes.require_stable("W", W), lambda W: modes.memory_capacity(W, [[1.0], [1.0]], 2)):
        with pytest.raises(ValueError, match=rf"W must be finite, got -?(nan|inf) at \({place[0]}, {place[1]}\)"):
            ask(hole)
    with pytest.raises(ValueError, match="J must be finite"):
        flow.bounds(hole.expand(3, 1, 2, 2))
    with pytest.raises(ValueError, match="J_1 must be finite"):
        flow.lyapunov(hole.expand(3, 1, 2, 2))


def test_an_imaginary_part_is_used_or_refused_but_not_lost():
    for refuse in (modes.modes, lambda W: modes.memory_capacity(W, [[1.0], [1.0]], 2)):
        with pytest.raises(TypeError, match=r"W must hold real numbers, got torch\.complex128"):
            refuse(1j * W)
    with pytest.raises(TypeError, match="x must hold real floating-point numbers, got complex"):
        timescale.autocorrelation(1j * SIGNAL, 3)
    assert modes.spectral_radius(2j * W) == pytest.approx(2 * modes.spectral_radius(W), rel=1e-14)


def test_sizes_of_numpy_do():
    three = np.int64(3)
    assert modes.memory_capacity(W, [[1.0], [1.0]], three).shape == (3,)
    assert nonnormal.power_norms(W, three).shape == (4,)
    assert flow.norm_bound(W, three) == flow.norm_bound(W, 3)
    assert timescale.ornstein_uhlenbeck(three, three, 2.0).shape == (3, 3)
    assert timescale.autocorrelation(SIGNAL, three).shape == (4,)


def test_a_norm_bound_is_of_a_square_matrix():
    with pytest.raises(ValueError, match=r"W_h must have shape \(H, H\), got \(2, 3\)"):
        flow.norm_bound(torch.zeros(2, 3), 4)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2), (1, 60, 2)])
def test_a_time_constant_of_another_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"tau must broadcast against x\[0\] of shape \(2,\), got"):
        timescale.leaky_integrator(SIGNAL, torch.ones(shape, dtype=F64))
