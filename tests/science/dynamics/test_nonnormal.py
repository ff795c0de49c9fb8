"""The laws of powers: Gelfand, Henrici, transient growth, the Kreiss constant, Euler's stability."""

import cmath
import math

import pytest
import torch
from drawn import F64

from rnnbook.dynamics.modes import spectral_radius
from rnnbook.dynamics.nonnormal import (
    euler_limit,
    gelfand,
    henrici,
    kreiss,
    power_norms,
    transient_peak,
)

STEEP = torch.tensor([[0.9, 5.0], [0.0, 0.9]], dtype=F64)
GENTLE = torch.tensor([[0.95, 1.0], [0.0, 0.95]], dtype=F64)


def orthogonal(n):
    return torch.linalg.qr(torch.randn(n, n, dtype=F64))[0]


def stable(n, rho=0.9):
    W = torch.randn(n, n, dtype=F64)
    return W * rho / spectral_radius(W)


@pytest.mark.parametrize(
    ("W", "norm", "n", "peak", "constant", "sixtieth"),
    [(STEEP, 5.157, 9, 19.379, 12.520, 0.5990), (GENTLE, 1.5737, 19, 7.5659, 5.05, 2.910)],
)
def test_known_transients(W, norm, n, peak, constant, sixtieth):
    norms = power_norms(W, 60)
    assert norms[0] == 1
    assert norms[1].item() == pytest.approx(norm, abs=5e-4)
    assert transient_peak(W) == (n, pytest.approx(peak, abs=5e-4))
    assert norms.argmax() == n
    assert norms[60].item() == pytest.approx(sixtieth, abs=5e-4)
    assert kreiss(W) == pytest.approx(constant, abs=1e-6)
    assert kreiss(W, tolerance=0.005) == pytest.approx(kreiss(W, tolerance=0.3), rel=1e-9)


def test_the_spectral_radius_says_nothing_about_the_sixtieth_power():
    assert pytest.approx(0.0018, abs=5e-5) == 0.9**60
    assert power_norms(STEEP, 60)[60] > 300 * 0.9**60
    assert pytest.approx(0.046070, abs=5e-7) == 0.95**60
    assert power_norms(GENTLE, 60)[60] > 60 * 0.95**60


def test_powers_are_those_of_the_matrix():
    W = torch.randn(5, 5, dtype=F64)
    expected = [torch.linalg.matrix_norm(torch.linalg.matrix_power(W, k), 2).item() for k in range(9)]
    assert power_norms(W, 8).tolist() == pytest.approx(expected)
    nilpotent = torch.tensor([[0.0, 2.0], [0.0, 0.0]], dtype=F64)
    assert power_norms(nilpotent, 3).tolist() == [1, 2, 0, 0]
    assert transient_peak(nilpotent) == (1, 2.0)
    assert gelfand(nilpotent, 3).tolist() == pytest.approx([2, 0, 0])


def test_gelfand_tends_to_the_spectral_radius_from_above():
    for W in (STEEP, GENTLE, torch.randn(6, 6, dtype=F64), 1e-3 * torch.randn(6, 6, dtype=F64)):
        rho, rates = spectral_radius(W), gelfand(W, 5000)
        assert (rates >= rho * (1 - 1e-9)).all()
        assert rates[-1].item() == pytest.approx(rho, rel=5e-3)
        assert abs(rates[-1] - rho) < abs(rates[99] - rho)
        assert rates[0].item() == pytest.approx(torch.linalg.matrix_norm(W, 2).item())


def test_normal_matrices_are_as_their_eigenvalues_say():
    Q = orthogonal(7)
    symmetric = Q @ torch.diag(torch.linspace(-0.9, 0.8, 7, dtype=F64)) @ Q.T
    for W in (symmetric, 0.97 * Q):
        rho = spectral_radius(W)
        assert power_norms(W, 30).tolist() == pytest.approx([rho**k for k in range(31)])
        assert henrici(W) < 1e-7 * 3
        assert transient_peak(W) == (0, 1.0)
        assert kreiss(W) == 1
    assert kreiss(Q) == 1


def test_henrici_is_the_upper_part_of_a_schur_form():
    assert henrici(STEEP) == pytest.approx(5)
    assert henrici(GENTLE) == pytest.approx(1)
    upper = torch.randn(6, 6, dtype=F64).triu()
    Q = orthogonal(6)
    expected = upper.triu(1).norm().item()
    assert henrici(upper) == pytest.approx(expected)
    assert henrici(Q @ upper @ Q.T) == pytest.approx(expected)
    assert henrici(3 * upper) == pytest.approx(3 * expected)
    assert henrici(upper + 2j * torch.eye(6)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 3, 6, 12])
def test_kreiss_holds_the_powers_from_both_sides(n):
    for W in (stable(n), stable(n, 0.99), stable(n, 0.5).triu() + 0.3 * torch.ones(n, n).triu(1)):
        W = W * 0.95 / spectral_radius(W)
        constant, (_, peak) = kreiss(W), transient_peak(W)
        assert 1 <= constant <= peak * (1 + 1e-12)
        assert peak <= math.e * n * constant


@pytest.mark.parametrize(("a", "b"), [(0.9, 5.0), (0.95, 1.0), (0.99, 0.1), (-0.8, 3.0), (0.2, 0.5)])
def test_kreiss_of_a_block_of_two_has_a_formula(a, b):
    W = torch.tensor([[a, b], [0.0, a]], dtype=F64)
    r = 1 + torch.logspace(-6, 3, 200_001, dtype=F64)
    d = r - abs(a)
    formula = ((r - 1) * (b + (b * b + 4 * d * d).sqrt()) / (2 * d * d)).max().item()
    assert kreiss(W) == pytest.approx(max(1.0, formula), rel=1e-6)


@pytest.mark.parametrize("n", [3, 8])
def test_kreiss_is_the_largest_of_a_fine_grid(n):
    for W in (stable(n, 0.95) + 0j, torch.complex(stable(n), stable(n)) * 0.6):
        constant = kreiss(W, tolerance=0.01)
        theta = torch.linspace(0, 2 * math.pi, 361, dtype=F64)
        r = 1 + torch.logspace(-4, 2, 120, dtype=F64)
        z = torch.polar(*torch.meshgrid(r, theta, indexing="ij")).flatten()[:, None, None]
        sigma = torch.linalg.svdvals(z * torch.eye(n) - W)[:, -1]
        largest = ((z[:, 0, 0].abs() - 1) / sigma).max().item()
        assert constant >= largest * 0.99
        assert constant <= max(1.0, largest) * 1.01


def test_kreiss_does_not_change_under_rotations():
    W, Q = stable(6), orthogonal(6)
    assert kreiss(Q @ W @ Q.T) == pytest.approx(kreiss(W), rel=1e-8)
    assert kreiss(-W) == pytest.approx(kreiss(W), rel=1e-8)
    assert kreiss(W.T) == pytest.approx(kreiss(W), rel=1e-8)
    for angle in (1.5, 3.0, -1.5, -0.5):
        assert kreiss(STEEP * cmath.exp(1j * angle)) == pytest.approx(12.52, rel=1e-8)
    assert kreiss(W.float()) == pytest.approx(kreiss(W), rel=1e-5)


def test_kreiss_of_an_unstable_matrix_is_infinite():
    assert kreiss(torch.tensor([[1.01, 1.0], [0.0, 0.3]], dtype=F64)) == math.inf


def test_a_gaussian_matrix_has_twice_the_norm_of_its_spectral_radius():
    norms, radii = [], []
    for _ in range(20):
        W = 0.95 * torch.randn(64, 64, dtype=F64) / 8
        norms.append(torch.linalg.matrix_norm(W, 2).item())
        radii.append(spectral_radius(W))
    assert sum(norms) / 20 == pytest.approx(1.905, abs=0.1)
    assert sum(radii) / 20 == pytest.approx(0.969, abs=0.06)
    assert henrici(W) == pytest.approx(math.sqrt(0.5) * 0.95 * 8, rel=0.05)


@pytest.mark.parametrize(
    ("eigenvalue", "limit"), [(-1, 2.0), (-2 + 3j, 0.3077), (-0.1 + 2j, 0.0499), (2j, 0.0), (0, 0.0), (0.5, 0.0)]
)
def test_known_limits_of_the_step(eigenvalue, limit):
    assert euler_limit(eigenvalue) == pytest.approx(limit, abs=5e-5)


def test_euler_is_stable_below_its_limit_and_not_above():
    for _ in range(20):
        A = torch.randn(5, 5, dtype=F64)
        A = A - (torch.linalg.eigvals(A).real.max() + 0.1) * torch.eye(5)
        limit = euler_limit(A)
        eigenvalues = torch.linalg.eigvals(A).tolist()
        assert limit == pytest.approx(min(euler_limit(value) for value in eigenvalues))
        assert spectral_radius(torch.eye(5) + 0.999 * limit * A) < 1
        assert spectral_radius(torch.eye(5) + 1.001 * limit * A) > 1
        assert euler_limit(A.T) == pytest.approx(limit)
        assert euler_limit(10 * A) == pytest.approx(limit / 10)


def test_bad_input_is_named():
    for function in (spectral_radius, henrici, kreiss, transient_peak, euler_limit):
        with pytest.raises(ValueError, match=r"[WA] must have shape \(n, n\), got \(2, 3\)"):
            function(torch.zeros(2, 3))
        with pytest.raises(ValueError, match=r"[WA] must be finite, got nan at"):
            function(torch.tensor([[math.nan]]))
        if function is not spectral_radius:
            with pytest.raises(ValueError, match=r"[WA] must have at least one row"):
                function(torch.zeros(0, 0))
    with pytest.raises(TypeError, match=r"W must be a torch\.Tensor, got list"):
        henrici([[1.0]])
    with pytest.raises(ValueError, match="n must be at least 0, got -1"):
        power_norms(STEEP, -1)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        gelfand(STEEP, 0)
    with pytest.raises(ValueError, match="tolerance must be within 0 < tolerance < 1, got 0"):
        kreiss(STEEP, tolerance=0)
    with pytest.raises(ValueError, match=r"spectral radius below 1 for its powers to have a peak, got 1"):
        transient_peak(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="too close to an unstable matrix"):
        kreiss(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))


@pytest.mark.parametrize("rate", [-0.3, -1e-30, -1e-50])
def test_the_limit_of_one_number_has_all_its_digits(rate):
    assert euler_limit(rate) == pytest.approx(2 / -rate, rel=1e-15)


@pytest.mark.parametrize("unit", [1e-200, 1e-150, 1e150, 1e200])
def test_very_small_and_very_large_matrices_have_the_same_powers_but_for_the_unit(unit):
    n = 5
    assert gelfand(unit * STEEP, n).tolist() == pytest.approx((unit * gelfand(STEEP, n)).tolist(), rel=1e-12)
    assert henrici(unit * STEEP) == pytest.approx(5 * unit, rel=1e-12)
    decay = -torch.tensor([[0.5, 0.1], [0.0, 0.3]], dtype=F64)
    assert euler_limit(unit * decay) == pytest.approx(euler_limit(decay) / unit, rel=1e-12)


def test_a_power_beyond_all_numbers_is_named():
    with pytest.raises(ValueError, match="the power of W must be finite"):
        transient_peak(torch.diag(torch.full((4,), 1e200, dtype=F64), 1))
