"""The steady state: closed forms, reference numbers, the Riccati equation, units of any size."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from drawn import F64, gap
from scipy.linalg import solve_discrete_are
from state_space_models import data, in_units, integrator, one_state, random_model

from rnnbook.filters import kalman, networks
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import StateSpace, local_level
from rnnbook.filters.steady import scalar, steady
from rnnbook.linear.innovations import dare

# (a, q, r): P, K, λ, P_s, P_s / P_f
REFERENCE = {
    (1, 1, 1): (1.618034, 0.618034, 0.381966, 0.447214, 0.723607),
    (1, 0.1, 1): (0.370156, 0.270156, 0.729844, 0.156174, 0.578087),
    (1, 0.01, 1): (0.105125, 0.095125, 0.904875, 0.049938, 0.524969),
    (0.9, 0.19, 1): (0.435890, 0.303568, 0.626789, 0.217945, 0.717945),
    (0.95, 0.0975, 1): (0.312250, 0.237950, 0.723947, 0.156125, 0.656125),
    (0.95, 0.0975, 0.25): (0.196912, 0.440605, 0.531425, 0.076006, 0.690015),
    (0.99, 0.0199, 1): (0.141067, 0.123628, 0.867609, 0.070534, 0.570534),
    (0.5, 0.75, 1): (0.866025, 0.464102, 0.267949, 0.433013, 0.933013),
    (0.8, 1, 2): (1.561126, 0.438380, 0.449296, 0.703667, 0.802577),
}
every_reference = pytest.mark.parametrize("aqr", list(REFERENCE))


@every_reference
def test_the_reference_numbers(aqr):
    found = scalar(*aqr)
    assert (found.P, found.K, found.lam, found.P_s, found.ratio) == pytest.approx(REFERENCE[aqr], abs=5.1e-7)


@every_reference
def test_the_closed_forms_are_the_steady_state(aqr):
    closed, solved = scalar(*aqr), steady(one_state(*aqr))
    for letter in ("P", "K", "P_f", "P_s"):
        assert abs(getattr(closed, letter) - getattr(solved, letter).item()) < 1e-12
    assert abs(closed.lam - solved.closed.item()) < 1e-12


@every_reference
def test_the_closed_forms_are_where_filter_and_smoother_arrive(aqr):
    y = data(501, 1, 1)
    found = kalman.filter(one_state(*aqr), y)
    closed = scalar(*aqr)
    assert abs(found.P_pred[-1].item() - closed.P) < 1e-12
    assert abs(found.P[-1].item() - closed.P_f) < 1e-12
    assert abs(smooth(found).P[250].item() - closed.P_s) < 1e-12


@every_reference
def test_identities_of_one_state(aqr):
    a, q, _ = aqr
    found = scalar(*aqr)
    lam, P_f, J = found.lam, found.P_f, a * found.P_f / found.P
    assert lam == pytest.approx(a * (1 - found.K), rel=1e-12)
    assert abs((1 - found.K) * found.P - P_f) < 1e-12
    assert abs(J - lam) < 1e-12
    assert found.ratio == pytest.approx((1 - a * lam) / (1 - lam**2), rel=1e-12)
    assert found.P_s - J * found.P_s * J == pytest.approx(P_f - J * found.P * J, rel=1e-10)
    # Two filters: information from the past and from the future add up, less a prior that both have counted.
    if abs(a) < 1:
        prior = q / (1 - a * a)
        future = a * a * P_f + (1 - a * a) * prior
        assert 1 / found.P_s == pytest.approx(1 / P_f + 1 / future - 1 / prior, rel=1e-10)


def test_a_random_walk_depends_on_the_ratio_of_its_noises_alone():
    for k in (1e-4, 0.01, 0.3, 1.0, 20.0):
        found = scalar(1, 2 * k, 2)
        root = math.sqrt(k / (k + 4))
        assert abs(found.K - (math.sqrt(k * k + 4 * k) - k) / 2) < 1e-12
        assert found.P_s / 2 == pytest.approx(root, rel=1e-12)
        assert found.ratio == pytest.approx((1 + root) / 2, rel=1e-10)
        assert found.ratio == pytest.approx(1 / (1 + found.lam), rel=1e-10)
    assert abs(scalar(1, 1, 1).P - (1 + math.sqrt(5)) / 2) < 1e-15


def test_a_unit_variance_signal():
    for a in (0.5, 0.9, 0.99):
        q = 1 - a * a
        found = scalar(a, q, 1)
        assert abs(found.P - math.sqrt(q)) < 1e-12
        assert abs(found.P_s - math.sqrt(q) / 2) < 1e-12


@pytest.mark.parametrize("aqr", [(1.0, 1e-14, 1.0), (0.5, 1e-12, 1.0), (1.2, 1e-12, 1.0), (0.3, 1.0, 1e-12)])
def test_extreme_noise_loses_no_digits(aqr):
    a, q, r = aqr
    P = scalar(*aqr).P
    assert abs(a * a * P * r / (P + r) + q - P) <= 1e-14 * max(P, q)


def test_an_integrated_random_walk():
    reference = {1: 0.504721, 0.1: 0.372794, 0.01: 0.312835, 1e-4: 0.268325, 1e-6: 0.255653}
    for k, ratio in reference.items():
        found = steady(integrator(2, k))
        assert (found.P_s[0, 0] / found.P_f[0, 0]).item() == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_slow_noise_summed_n_times_leaves_one_part_in_2n(n):
    gaps = []
    for k in (1e-6, 1e-8):
        found = steady(integrator(n, k))
        gaps.append(abs((found.P_s[0, 0] / found.P_f[0, 0]).item() - 1 / (2 * n)))
    assert gaps[1] < gaps[0] < 0.1


@pytest.mark.parametrize(("n", "p"), [(1, 1), (3, 1), (4, 2), (8, 3)])
@pytest.mark.parametrize("radius", [0.9, 1.1])
def test_the_riccati_equation(n, p, radius):
    model = random_model(n, p, radius=radius)
    found = steady(model)
    A, C, Q, R, P = model.A, model.C, model.Q, model.R, found.P
    rest = A @ P @ A.T - A @ P @ C.T @ torch.linalg.solve(C @ P @ C.T + R, C @ P @ A.T) + Q - P
    assert rest.abs().max() < 1e-10 * P.abs().max()
    theirs = solve_discrete_are(A.T.numpy(), C.T.numpy(), Q.numpy(), R.numpy())
    np.testing.assert_allclose(P, theirs, rtol=1e-8, atol=1e-8 * float(P.abs().max()))
    assert torch.linalg.eigvals(found.closed).abs().max() < 1
    J = torch.linalg.solve(P, A @ found.P_f).T
    assert gap(found.P_s - J @ found.P_s @ J.T, found.P_f - J @ P @ J.T) < 1e-9 * P.abs().max()


def test_filter_and_smoother_of_many_states_arrive_there():
    model = random_model(3, 2)
    found, ran = steady(model), kalman.filter(model, data(401, 1, 2))
    assert gap(ran.P_pred[-1, 0], found.P) < 1e-11
    assert gap(ran.K[-1, 0], found.K) < 1e-11
    assert gap(smooth(ran).P[200, 0], found.P_s) < 1e-11


def test_the_steady_state_has_gradients():
    model = random_model(2, 1)

    def run(A, root):
        made = StateSpace(A, model.C, root @ root.T, model.R, model.m, model.P)
        found = steady(made)
        return found.P, found.K, found.P_s

    root = torch.linalg.cholesky(model.Q)
    assert torch.autograd.gradcheck(run, (model.A.clone().requires_grad_(), root.requires_grad_()))


@pytest.mark.parametrize(("q", "r", "words"), [(0.0, 1.0, "q must be a positive variance, got 0.0"), (1, -1, "r must")])
def test_a_variance_that_is_none_is_named(q, r, words):
    with pytest.raises(ValueError, match=words):
        scalar(1.0, q, r)


def test_no_steady_state_is_said():
    unseen = StateSpace(
        torch.diag(torch.tensor([0.5, 1.1], dtype=F64)),
        torch.tensor([[1.0, 0.0]], dtype=F64),
        torch.eye(2, dtype=F64),
        torch.eye(1, dtype=F64),
        torch.zeros(2, dtype=F64),
        torch.eye(2, dtype=F64),
    )
    with pytest.raises(ValueError, match="A, C and Q give no steady state"):
        steady(unseen)
    with pytest.raises(ValueError, match="A, C and Q give no steady state"):
        steady(local_level(0.0, 1.0))
    with pytest.raises(ValueError, match="A, C, Q and R must be constant"):
        steady(StateSpace(*(X for X in (unseen.A.expand(3, 2, 2), unseen.C, unseen.Q, unseen.R, unseen.m, unseen.P))))


def stack(X):
    return torch.tensor(X, dtype=F64)


@pytest.mark.parametrize("a", [2.0, 1.5, -1.5, 1.0])
def test_a_mode_that_grows_without_noise_is_named(a):
    # Later measurements tell such a state ever more exactly: what all of the future tells has no bound.
    one = stack([[1.0]])
    still = StateSpace(a * one, one, 0 * one, one, stack([0.0]), one)
    for build in (steady, networks.filter_network, networks.smoother_network, networks.units):
        with pytest.raises(ValueError, match=r"\|eigenvalue\| >= 1 must be seen by C and moved by Q"):
            build(still)
    if abs(a) > 1:
        # What the message sends to: the prediction alone has its steady state, P = (a² − 1) r.
        assert dare(still.A, still.C, still.Q, still.R).item() == pytest.approx(a * a - 1, rel=1e-12)
        predicted = kalman.filter(still, data(200, 1, 1)).P_pred[-1]
        assert predicted.item() == pytest.approx(a * a - 1, rel=1e-9)


@pytest.mark.parametrize("mu", [0.5, 0.9, 1.0, 1.2])
@pytest.mark.parametrize(("seen", "moved"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("first", [0.3, 1.3])
def test_a_steady_state_needs_large_modes_seen_and_moved_and_asks_nothing_of_small_ones(mu, seen, moved, first):
    A, C, Q = torch.diag(stack([first, mu])), stack([[1.0, float(seen)]]), torch.diag(stack([1.0, float(moved)]))
    # The change of basis is exact in floating point, and hides the modes from whoever reads single entries.
    T, inverse = stack([[1.0, 1.0], [0.0, 1.0]]), stack([[1.0, -1.0], [0.0, 1.0]])
    model = StateSpace(T @ A @ inverse, C @ inverse, T @ Q @ T.T, stack([[1.0]]), stack([0.0, 0.0]), torch.eye(2).to(A))
    if mu < 1 or (seen and moved):
        assert torch.linalg.eigvals(steady(model).closed).abs().max() < 1
    else:
        with pytest.raises(ValueError, match="A, C and Q give no steady state"):
            steady(model)


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("mu", [1.0, -1.0, 1.2, 2.0])
@pytest.mark.parametrize("first", [0.3, 1.3, 1.5, 2.0, -1.5])
def test_an_unseen_large_mode_is_named_however_rounding_ends(mu, moved, first):
    # In some of these bases, on each processor in others, I + P J or S comes out singular while P grows.
    for shear in range(1, 11):
        T, inverse = stack([[1.0, shear], [0.0, 1.0]]), stack([[1.0, -shear], [0.0, 1.0]])
        A, C, Q = torch.diag(stack([first, mu])), stack([[1.0, 0.0]]), torch.diag(stack([1.0, float(moved)]))
        A, C, Q = T @ A @ inverse, C @ inverse, T @ Q @ T.T
        with pytest.raises(ValueError, match="A, C and Q give no steady state"):
            steady(StateSpace(A, C, Q, stack([[1.0]]), stack([0.0, 0.0]), torch.eye(2).to(A)))


@pytest.mark.parametrize("name", ["inv_ex", "solve_ex"])
def test_nothing_is_computed_from_a_singular_matrix(name, monkeypatch):
    solver = getattr(torch.linalg, name)
    monkeypatch.setattr(torch.linalg, name, lambda *given: (solver(*given)[0], torch.tensor(1)))
    with pytest.raises(ValueError, match="grows without bound"):
        steady(local_level(1.0, 1.0))


@pytest.mark.parametrize("twice", [False, True])
def test_measurements_without_noise_are_named(twice):
    """With `twice` a noisy position is measured by two who report the same: S is singular, but none of its entries."""
    A, Q = stack([[1.0, 1.0], [0.0, 1.0]]), torch.diag(stack([0.3 if twice else 0.0, 1.0]))
    C = stack([[1.0, 0.0]]).repeat(1 + twice, 1) * stack([[1.0], [3.0]])[: 1 + twice]
    R = 0 * C @ C.T
    model = StateSpace(A, C, Q, R, stack([0.0, 0.0]), torch.eye(2).to(A))
    for build in (steady, networks.filter_network, networks.smoother_network, networks.units):
        with pytest.raises(ValueError, match=r"C Q C' \+ R must be positive definite.*make R larger"):
            build(model)
    if not twice:
        # What the message sends to, and where the filter settles.
        P = stack([[1.0, 1.0], [1.0, 2.0]])
        assert gap(dare(A, C, Q, R), P) < 1e-10
        assert gap(kalman.filter(model, data(100, 1, 1)).P_pred[-1, 0], P) < 1e-10
        # A little noise more, and there is a steady state next to it.
        assert gap(steady(StateSpace(A, C, Q, R + 1e-8, model.m, model.P)).P, P) < 1e-7


def test_the_units_of_measurement_do_not_make_a_noise_singular():
    model = random_model(3, 2)
    units = torch.diag(stack([1e-9, 1e9]))
    rescaled = StateSpace(model.A, units @ model.C, model.Q, units @ model.R @ units, model.m, model.P)
    assert gap(steady(rescaled).P, steady(model).P) < 1e-9


@pytest.mark.parametrize("a", [1 - 2.0**-27, 1 - 1e-8, -1 + 1e-8, 1 + 1e-8, 0.99999999])
@pytest.mark.parametrize(("q", "r"), [(1e-12, 1e6), (1e-9, 1.0), (1e-20, 1e3)])
def test_the_closed_form_keeps_its_digits_near_one(a, q, r):
    """Against whole numbers of any length: P² − γP − qr = 0 with γ = q − r(1 − a²)."""
    A, Q, R = Fraction(a), Fraction(q), Fraction(r)
    gamma = Q - R * (1 - A * A)
    size = 10**80
    root = Fraction(math.isqrt(int((gamma * gamma + 4 * Q * R) * size * size)), size)
    assert pytest.approx(float((gamma + root) / 2), rel=1e-14) == scalar(a, q, r).P


@pytest.mark.parametrize("seed", range(10))
def test_the_steady_state_does_not_depend_on_units(seed):
    model = random_model(4, 2, seed, radius=1.1 if seed % 2 else 0.9)
    expected = steady(model)
    states, outputs = (10 ** (12 * torch.rand(k, dtype=F64) - 6) for k in (4, 2))
    found = steady(in_units(model, states, outputs))
    for letter in ("P", "P_f", "P_s"):
        P = getattr(expected, letter)
        unit = P.diagonal().sqrt()
        other = getattr(found, letter) / states[:, None] / states
        assert gap(other / unit[:, None] / unit, P / unit[:, None] / unit) < 1e-10
    assert gap(found.K * outputs / states[:, None], expected.K) < 1e-10 * expected.K.abs().max()


def test_what_is_no_covariance_is_named():
    wrong, model = stack([[1.0, 2.0], [2.0, 1.0]]), random_model(2, 2)
    for letter in "QR":
        with pytest.raises(ValueError, match=f"{letter} must be positive semidefinite, got the eigenvalue -1"):
            steady(replace(model, **{letter: wrong}))
