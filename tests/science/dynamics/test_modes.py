"""The laws of modes: time scales and frequencies, what a linear state remembers, and no eigenvalue of a NaN."""

import math

import pytest
import torch
from drawn import F64, gap, randn, random_rnn
from scipy.linalg import solve_discrete_lyapunov

from rnnbook.dynamics.modes import memory_capacity, modes, spectral_radius
from rnnbook.linear.realisation import LinearRNN


def test_modes_have_time_scales_and_frequencies():
    dt, tau, frequency = 0.01, 0.25, 7.0
    mu, angle = math.exp(-dt / tau), 2 * math.pi * frequency * dt
    turn = mu * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=F64)
    W = torch.block_diag(turn, torch.tensor([[math.exp(-dt / 2.0)]]), torch.tensor([[0.0]]), torch.tensor([[1.0]]))
    found = modes(W, dt)
    assert gap(found.tau[1:4], torch.tensor([2.0, tau, tau])) < 1e-5
    assert found.tau[0] == math.inf
    assert found.tau[4] == 0
    assert gap(found.frequency, torch.tensor([0, 0, frequency, frequency, 0])) < 1e-6
    assert modes(torch.tensor([[math.e]])).tau.item() == pytest.approx(-1, 1e-6)
    assert modes(torch.tensor([[-0.5]]), 0.1).frequency.item() == pytest.approx(5)
    with pytest.raises(ValueError, match="dt must be a finite number above 0, got 0"):
        modes(W, 0)


def test_a_mode_is_what_its_numbers_say():
    W = random_rnn(4).W
    mu, tau, frequency = modes(W, 0.5)
    values, vectors = torch.linalg.eig(W)
    for i in range(4):
        v = vectors[:, (values - mu[i]).abs().argmin()]
        after = torch.linalg.matrix_power(W, 6).to(v.dtype) @ v
        decay = torch.exp(-3.0 / tau[i]) * torch.exp(
            2j * torch.pi * 3.0 * frequency[i] * (1 if mu[i].imag >= 0 else -1)
        )
        assert gap(after, decay * v) < 1e-12


@pytest.mark.parametrize("n", [1, 10, 20])
@pytest.mark.parametrize("radius", [0.5, 0.9])
def test_memory_capacity_adds_up_to_the_number_of_units(n, radius):
    rnn = random_rnn(n, radius=radius)
    capacity = memory_capacity(rnn.W, rnn.U, 400)
    assert capacity.min() >= 0
    assert capacity.max() <= 1 + 1e-12
    assert capacity.sum().item() == pytest.approx(n, abs=1e-9)


def test_memory_capacity_by_definition():
    rnn = random_rnn(3, I=2)
    S = torch.from_numpy(solve_discrete_lyapunov(rnn.W.numpy(), (rnn.U @ rnn.U.T).numpy()))
    expected = [
        torch.trace((X := torch.linalg.matrix_power(rnn.W, k) @ rnn.U).T @ torch.linalg.solve(S, X)).item()
        for k in range(6)
    ]
    assert memory_capacity(rnn.W, rnn.U, 6).tolist() == pytest.approx(expected, abs=1e-12)
    assert memory_capacity(rnn.W, rnn.U, 300).sum().item() == pytest.approx(3)
    leak = memory_capacity(torch.tensor([[0.8]]), torch.tensor([[3.0]]), 4)
    assert leak.tolist() == pytest.approx([0.36 * 0.64**k for k in range(4)], rel=1e-6)


def test_memory_capacity_is_what_regression_finds():
    rnn, x = random_rnn(3, radius=0.7), randn(20000, 1, 1)
    states = _states(rnn, x)[50:]
    for k, expected in enumerate(memory_capacity(rnn.W, rnn.U, 4).tolist()):
        target = x[50 - k : len(x) - k, 0]
        rest = target - states @ torch.linalg.lstsq(states, target).solution
        assert 1 - (rest.var() / target.var()).item() == pytest.approx(expected, abs=0.02)


def _states(rnn, x):
    identity = LinearRNN(rnn.W, rnn.U, torch.eye(rnn.n), torch.zeros(rnn.n, 1))
    return identity(x)[0][:, 0]


def test_what_the_input_does_not_reach_remembers_nothing():
    W = torch.diag(torch.tensor([0.5, 0.5, 0.9], dtype=F64))
    assert memory_capacity(W, [[1.0], [2.0], [0.0]], 500).sum().item() == pytest.approx(1)
    copies = memory_capacity(0.99 * torch.eye(6), randn(6, 1), 3000)
    assert copies.sum().item() == pytest.approx(1)
    with pytest.raises(ValueError, match=r"W must have a spectral radius below 1, got 1\.02 \(pole -1\.02\)"):
        memory_capacity(torch.diag(torch.tensor([-1.02, 0.5])), [[1.0], [1.0]], 5)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_memory_does_not_depend_on_the_units_of_the_states(n):
    rnn = random_rnn(n, I=2)
    expected = memory_capacity(rnn.W, rnn.U, 200)
    for _ in range(5):
        other = rnn.changed(torch.diag(10 ** (12 * torch.rand(n, dtype=F64) - 6)))
        assert gap(memory_capacity(other.W, other.U, 200), expected) < 1e-7
        assert memory_capacity(other.W, other.U, 400).sum().item() == pytest.approx(n, abs=1e-7)


def test_an_empty_matrix_has_the_radius_zero():
    assert spectral_radius(torch.zeros(0, 0)) == 0
    assert spectral_radius(torch.tensor([[0.0, 2.0], [-2.0, 0.0]])) == pytest.approx(2)
