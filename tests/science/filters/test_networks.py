"""Networks that are filters and smoothers: in the steady state they compute the same, with as few units as can be."""

import pytest
import torch
from drawn import F64, gap
from state_space_models import data, in_units, integrator, one_state, random_model

from rnnbook.filters import kalman, networks
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import StateSpace, local_level
from rnnbook.filters.steady import scalar


def test_the_filter_is_one_linear_unit():
    a, q, r = 0.95, 0.0975, 1.0
    model, closed = one_state(a, q, r), scalar(a, q, r)
    network = networks.filter_network(model)
    assert network.width == 1
    assert network.cell.W_h.item() == pytest.approx(closed.lam, rel=1e-12)
    assert network.cell.W_x.item() == pytest.approx(closed.K, rel=1e-12)
    y = data(300, 4, 1)
    h, _ = network(y)
    exact = kalman.filter(model, y)
    assert gap(h[150:], exact.m[150:]) < 1e-12
    assert gap(h[:5], exact.m[:5]) > 1e-3  # a constant gain is not the best at the start


def test_the_smoother_is_two_linear_units_and_a_skip():
    a, q, r = 0.95, 0.0975, 1.0
    model, closed = one_state(a, q, r), scalar(a, q, r)
    y = data(301, 4, 1)
    exact = smooth(kalman.filter(model, y)).m
    for skip, width in ((True, 2), (False, 4)):
        network = networks.smoother_network(model, skip)
        assert network.layers.width == width
        assert bool(network.D.any()) is skip
        assert gap(network(y)[100:200], exact[100:200]) < 1e-12
    pulse = torch.zeros(301, 1, 1, dtype=F64)
    pulse[150] = 1
    weights = networks.smoother_network(model)(pulse)[100:201, 0, 0]
    distance = torch.arange(-50, 51).abs()
    assert gap(weights, closed.P_s / r * torch.tensor(closed.lam, dtype=F64) ** distance) < 1e-13


@pytest.mark.parametrize(("n", "p"), [(2, 1), (3, 2), (4, 2)])
def test_networks_of_many_states(n, p):
    model, y = random_model(n, p), data(401, 2, p)
    found = kalman.filter(model, y)
    h, _ = networks.filter_network(model)(y)
    assert gap(h[250:], found.m[250:]) < 1e-10
    for skip in (True, False):
        assert gap(networks.smoother_network(model, skip)(y)[150:250], smooth(found).m[150:250]) < 1e-10


def test_units_that_are_needed():
    assert networks.units(local_level(1.0, 1.0)) == 1
    for n in (1, 2, 3):
        assert networks.units(integrator(n, 0.1)) == n
    for n, p in ((3, 1), (4, 2)):
        assert networks.units(random_model(n, p)) == n
    # Twins in parallel are one; a part that no noise moves, or that nobody sees, is none.
    m, P = torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64)
    one, eye = torch.ones(1, 1, dtype=F64), torch.eye(2, dtype=F64)
    both = torch.ones(1, 2, dtype=F64)
    assert networks.units(StateSpace(0.9 * eye, both, eye, one, m, P)) == 1
    poles = torch.diag(torch.tensor([0.9, 0.5], dtype=F64))
    assert networks.units(StateSpace(poles, both, eye, one, m, P)) == 2
    still = torch.diag(torch.tensor([1.0, 0.0], dtype=F64))
    assert networks.units(StateSpace(poles, both, still, one, m, P)) == 1
    unseen = torch.tensor([[1.0, 0.0]], dtype=F64)
    assert networks.units(StateSpace(poles, unseen, eye, one, m, P)) == 1


NOT_INVERTIBLE = [[[1.0, 0.1], [0.1, 0.01]], [[0.09, 0.03], [0.03, 0.01]], [[1e-8, 0.7e-4], [0.7e-4, 0.49]]]


@pytest.mark.parametrize("R", NOT_INVERTIBLE)
def test_a_singular_noise_that_rounding_hides_is_named(R):
    """The determinant of these is not 0 in floating point: nothing but their correlations of 1 tells."""
    R, model = torch.tensor(R, dtype=F64), random_model(2, 2)
    units = torch.tensor([1e6, 1e-6], dtype=F64)
    for noise in (R, R.flip(0, 1), 1e-12 * R, units[:, None] * R * units):
        singular = StateSpace(model.A, model.C, model.Q, noise, model.m, model.P)
        with pytest.raises(
            ValueError, match=r"R must be positive definite, got the smallest eigenvalue .* correlation"
        ):
            networks.smoother_network(singular)
    with pytest.raises(ValueError, match="R must be positive definite"):
        networks.smoother_network(local_level(1.0, 0.0))


@pytest.mark.parametrize("seed", range(6))
def test_networks_do_not_depend_on_units(seed):
    n, p = 4, 2
    model = random_model(n, p, seed, radius=1.1 if seed % 2 else 0.9)
    states, outputs = (10 ** (12 * torch.rand(size, dtype=F64) - 6) for size in (n, p))
    other, y = in_units(model, states, outputs), data(150, 2, p)
    assert networks.units(other) == networks.units(model) == n
    for build in (networks.filter_network, networks.smoother_network):
        with torch.no_grad():
            first, second = build(model)(y), build(other)(y * outputs)
        if isinstance(first, tuple):
            first, second = first[0], second[0]
        assert gap(second / states, first) < 1e-9 * first.abs().max()


@pytest.mark.parametrize("seed", range(10))
def test_the_units_that_are_needed_do_not_depend_on_the_basis(seed):
    """Twins, a still part and a part that nobody sees, mixed: rounding alone must not be counted."""
    torch.manual_seed(seed)
    A = torch.diag(torch.tensor([0.9, 0.9, 0.5, 0.3], dtype=F64))
    C = torch.tensor([[1.0, 1.0, 1.0, 0.0]], dtype=F64)
    Q = torch.diag(torch.tensor([1.0, 2.0, 0.0, 1.0], dtype=F64))
    S, one = torch.linalg.qr(torch.randn(4, 4, dtype=F64)).Q, torch.ones(1, 1, dtype=F64)
    Q = S @ Q @ S.T
    model = StateSpace(S @ A @ S.T, C @ S.T, (Q + Q.T) / 2, one, torch.zeros(4, dtype=F64), torch.eye(4, dtype=F64))
    assert networks.units(model) == 1
