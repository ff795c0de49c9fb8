"""The laws of orthogonal weights."""

import math

import pytest
import torch
from drawn import F64

from rnnbook.layers import orthogonal as module
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.orthogonal import cayley, exponential, householder, orthogonal, skew
from rnnbook.layers.recurrent import Recurrent

METHODS = ["cayley", "exponential", "householder"]
MAPS = [cayley, exponential]


def deviation(Q):
    return (Q.mT @ Q - torch.eye(Q.shape[-1], dtype=Q.dtype)).abs().max().item()


@pytest.mark.parametrize(("to_rotation", "angle"), [(cayley, lambda t: 2 * math.atan(t / 2)), (exponential, float)])
def test_angle_of_the_rotation(to_rotation, angle):
    for theta in (-3.0, -0.5, 0.1, 1.0, 2.5):
        A = torch.tensor([[0.0, -theta], [theta, 0.0]], dtype=F64)
        w = angle(theta)
        rotation = torch.tensor([[math.cos(w), -math.sin(w)], [math.sin(w), math.cos(w)]], dtype=F64)
        assert (to_rotation(A) - rotation).abs().max() < 1e-14


@pytest.mark.parametrize("to_rotation", MAPS)
def test_skew_matrices_become_rotations(to_rotation):
    for size in (1, 2, 7, 32):
        Q = to_rotation(skew(torch.randn(3, size, size, dtype=F64)))
        assert deviation(Q) < 1e-12
        assert torch.allclose(torch.linalg.det(Q), torch.ones(3, dtype=F64))


def test_cayley_never_reaches_the_eigenvalue_minus_one():
    Q = cayley(skew(torch.randn(6, 6, dtype=F64) * 100))
    assert (torch.linalg.eigvals(Q) + 1).abs().min() > 1e-4
    half_turn = exponential(torch.tensor([[0, -math.pi], [math.pi, 0]], dtype=F64))
    assert (half_turn + torch.eye(2, dtype=F64)).abs().max() < 1e-12


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_householder_is_the_product_of_its_reflections(k):
    V = torch.randn(k, 6, dtype=F64)
    product = torch.eye(6, dtype=F64)
    for v in V:
        product = product @ (torch.eye(6, dtype=F64) - 2 * torch.outer(v, v) / (v @ v))
    Q = householder(V)
    assert (Q - product).abs().max() < 1e-13
    assert deviation(Q) < 1e-12
    assert abs(torch.linalg.det(Q).item() - (-1) ** k) < 1e-12


def test_maps_have_right_gradients():
    P = torch.randn(4, 4, dtype=F64, requires_grad=True)
    for to_rotation in MAPS:
        assert torch.autograd.gradcheck(lambda P, f=to_rotation: f(skew(P)), P)
    assert torch.autograd.gradcheck(householder, torch.randn(3, 4, dtype=F64, requires_grad=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_weights_stay_orthogonal_through_fifty_steps(method, dtype, tolerance):
    for cell in (Elman(2, 9, dtype=dtype), LSTM(2, 6, dtype=dtype), GRU(2, 6, dtype=dtype)):
        layer = Recurrent(orthogonal(cell, method))
        blocks = cell.W_h.unflatten(0, (-1, cell.H)).detach()
        assert deviation(blocks) < tolerance
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        x = torch.randn(5, 4, 2, dtype=dtype)
        for _ in range(50):
            optimiser.zero_grad()
            (layer(x)[0] - 0.5).square().mean().backward()
            optimiser.step()
        after = cell.W_h.unflatten(0, (-1, cell.H)).detach()
        assert deviation(after) < tolerance
        assert (after - blocks).abs().max() > 0.1
        assert torch.allclose(torch.linalg.det(after), torch.linalg.det(blocks), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_orthogonal_network_keeps_norms_for_a_thousand_steps(method):
    cell = orthogonal(Elman(1, 16, "identity", dtype=F64), method)
    cell.b.data.zero_()
    h_0 = torch.randn(3, 16, dtype=F64, requires_grad=True)
    y, _ = Recurrent(cell)(torch.zeros(1000, 3, 1, dtype=F64), h_0)
    assert (y[-1].norm(dim=1) / h_0.norm(dim=1) - 1).abs().max() < 1e-10
    direction = torch.randn(3, 16, dtype=F64)
    (back,) = torch.autograd.grad(y[-1], h_0, direction)
    assert (back.norm(dim=1) / direction.norm(dim=1) - 1).abs().max() < 1e-10


@pytest.mark.parametrize("method", METHODS)
def test_an_orthogonal_start_is_kept_and_can_be_assigned_anew(method):
    Q = torch.linalg.qr(torch.randn(5, 5, dtype=F64))[0]
    cell = Elman(2, 5, dtype=F64)
    cell.W_h.data.copy_(Q)
    assert (orthogonal(cell, method).W_h - Q).abs().max() < 1e-12
    mirrored = Q.clone()
    mirrored[0] *= -1
    cell.W_h = mirrored
    assert (cell.W_h - mirrored).abs().max() < 1e-12


@pytest.mark.parametrize("backend", ["bptt", "loop"])
def test_the_weight_is_computed_once_per_sequence(monkeypatch, backend):
    calls, by_formula = [], module._cayley
    monkeypatch.setattr(module, "_cayley", lambda A: calls.append(1) or by_formula(A))
    layer = Recurrent(orthogonal(Elman(2, 5)), backend)
    calls.clear()
    layer(torch.randn(30, 4, 2))[0].sum().backward()
    assert len(calls) == 1


@pytest.mark.parametrize("method", METHODS)
def test_one_unit_is_plus_or_minus_one(method):
    assert abs(orthogonal(Elman(2, 1, dtype=F64), method).W_h.item()) == 1


def test_what_cannot_be_orthogonal_is_named():
    with pytest.raises(ValueError, match=r"shape \(G·H, H\), got \(5, 2\)"):
        orthogonal(Elman(2, 5), name="W_x")
    with pytest.raises(ValueError, match="name must be that of a parameter of Elman, got 'W'"):
        orthogonal(Elman(2, 5), name="W")
    with pytest.raises(ValueError, match="method must be one of"):
        orthogonal(Elman(2, 5), "svd")
    cell = Elman(2, 5)
    cell.W_h.data.zero_()
    with pytest.raises(ValueError, match="singular"):
        orthogonal(cell)
    with pytest.raises(ValueError, match="name must be"):
        orthogonal(orthogonal(Elman(2, 5)))


def test_a_frozen_weight_stays_frozen():
    cell = Elman(2, 5)
    cell.W_h.requires_grad_(False)
    assert not any(p.requires_grad for p in orthogonal(cell).parametrizations.parameters())
