"""The laws of innovations: Riccati equation, equal autocovariances, zeros moved inside, variances of prediction."""

import numpy as np
import pytest
import torch
from drawn import F64, gap, randn, random_rnn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_are
from statsmodels.tsa.arima_process import ArmaProcess
from statsmodels.tsa.innovations.arma_innovations import arma_innovations

from rnnbook.dynamics.modes import spectral_radius
from rnnbook.linear.innovations import autocovariance, dare, invertible_form, predictor, spectral_factor, zeros
from rnnbook.linear.realisation import LinearRNN
from rnnbook.linear.varma import VARMA, harvey, history, innovations_form, to_varma


def scalar(*numbers):
    return [torch.tensor([[x]], dtype=F64) for x in numbers]


# s_t = a s_{t−1} + w, y = s + v with variances q, r: a, q, r and then P, K and the closed loop a (1 − K).
CLOSED = [
    (1, 1, 1, 1.618034, 0.618034, 0.381966),
    (1, 0.1, 1, 0.370156, 0.270156, 0.729844),
    (1, 0.01, 1, 0.105125, 0.095125, 0.904875),
    (0.9, 0.19, 1, 0.435890, 0.303568, 0.626789),
    (0.95, 0.0975, 1, 0.312250, 0.237950, 0.723947),
    (0.95, 0.0975, 0.25, 0.196912, 0.440605, 0.531425),
    (0.99, 0.0199, 1, 0.141067, 0.123628, 0.867609),
    (0.5, 0.75, 1, 0.866025, 0.464102, 0.267949),
    (0.8, 1, 2, 1.561126, 0.438380, 0.449296),
]


@pytest.mark.parametrize(("a", "q", "r", "P", "K", "lam"), CLOSED)
def test_the_scalar_equation_has_its_closed_form(a, q, r, P, K, lam):
    found = dare(*scalar(a, 1, q, r)).item()
    B = q - r * (1 - a * a)
    assert found == pytest.approx((B + np.sqrt(B * B + 4 * q * r)) / 2, abs=1e-12)
    assert (found, found / (found + r), a * r / (found + r)) == pytest.approx((P, K, lam), abs=1e-6)


@pytest.mark.parametrize(("a", "q", "r", "P", "K", "lam"), [row for row in CLOSED if row[0] < 1])
def test_ar_1_and_noise_is_arma_1_1(a, q, r, P, K, lam):
    factor = spectral_factor(LinearRNN([[a]], [[1.0]], [[1.0]], [[0.0]]), q, r)
    model = factor.varma()
    assert model.A.item() == pytest.approx(a)
    assert model.M.item() == pytest.approx(-lam, abs=1e-6)
    assert model.variance.item() == pytest.approx(P + r, abs=1e-6)
    # P of the delayed form is the variance of s_{t−1} given y_1..y_{t−1}: K r.
    assert factor.P.item() == pytest.approx(K * r, abs=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 8),
    O=st.integers(1, 3),
    more=st.integers(0, 2),
    radius=st.floats(0.05, 1.6),
    seed=st.integers(0, 10**6),
)
def test_the_riccati_equation_agrees_with_scipy(n, O, more, radius, seed):
    torch.manual_seed(seed)
    rnn = random_rnn(n, O + more, O, radius)
    F, G, H, D = rnn.delayed().weights
    Q, R, S = G @ G.T, D @ D.T, G @ D.T
    assume(torch.linalg.cond(D) < 1e3)
    try:
        expected = torch.from_numpy(solve_discrete_are(F.T.numpy(), H.T.numpy(), Q.numpy(), R.numpy(), s=S.numpy()))
    except np.linalg.LinAlgError:
        assume(False)
    P = dare(F, H, Q, R, S)
    # Bound on conditioning: the closed loop is at least 1e-3 inside the circle.
    variance = H @ P @ H.T + R
    K = torch.linalg.solve(variance, (F @ P @ H.T + S).T).T
    assert spectral_radius(F - K @ H) < 1
    assume(spectral_radius(F - K @ H) < 0.999)
    size = max(P.abs().max().item(), Q.abs().max().item())
    assert gap(P, expected) < 1e-8 * size
    assert gap(P, F @ P @ F.T + Q - K @ variance @ K.T) < 1e-11 * size
    assert torch.equal(P, P.T)


def test_noises_of_very_different_size_cost_no_digits():
    for _ in range(30):
        F, G, H, D = 0.5 * randn(5, 5), 1e-4 * randn(5, 2), randn(1, 5), randn(1, 2)
        Q, R, S = G @ G.T, D @ D.T, G @ D.T
        P = dare(F, H, Q, R, S)
        variance = H @ P @ H.T + R
        K = (F @ P @ H.T + S) / variance
        assert gap(P, F @ P @ F.T + Q - K @ variance @ K.T) < 5e-12 * P.abs().max()


def test_noise_free_outputs_are_no_obstacle():
    # y_t = e_{t−1}: R = 0, and yet the innovation is e_{t−1} itself.
    pure_delay = LinearRNN([[0.0, 0.0], [1.0, 0.0]], [[1.0], [0.0]], [[0.0, 1.0]], [[0.0]])
    factor = spectral_factor(pure_delay, 2.0)
    assert factor.variance.item() == pytest.approx(2)
    assert predictor(factor.model).markov(5).abs().max() < 1e-12
    F, H = torch.tensor([[1.2]]), torch.ones(1, 1)
    assert dare(F, H, torch.zeros(1, 1), torch.ones(1, 1)).item() == pytest.approx(0.44, abs=1e-6)


def test_a_moving_average_is_turned_inside():
    turned = invertible_form(VARMA([], [2.0]))
    assert turned.M.item() == pytest.approx(0.5, abs=1e-12)
    assert turned.variance.item() == pytest.approx(4, abs=1e-12)
    same = invertible_form(VARMA([0.3], [0.5], 4.0))
    assert (same.A.item(), same.M.item(), same.variance.item()) == pytest.approx((0.3, 0.5, 4), abs=1e-12)
    far = invertible_form(VARMA([], [1000.0]))
    assert (far.M.item(), far.variance.item()) == pytest.approx((1e-3, 1e6), rel=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from([(k, p, q) for k in (1, 2) for p in range(4) for q in range(1, 4)]),
    seed=st.integers(0, 10**6),
)
def test_an_invertible_form_keeps_the_autocovariances(shape, seed):
    torch.manual_seed(seed)
    k, p, q = shape
    A = randn(p, k, k)
    if p > 0:
        s = 0.9 / VARMA(A).poles.abs().max()
        A = A * s ** torch.arange(1, p + 1)[:, None, None]
    root = randn(k, k)
    model = VARMA(A, randn(q, k, k), root @ root.T + 0.1 * torch.eye(k))
    # Bound on conditioning: no zero within 0.01 of the unit circle.
    assume((model.zeros.abs() - 1).abs().min() > 0.01)
    turned = invertible_form(model)
    assert turned.invertible
    assert (len(turned.A), len(turned.M)) == (p, q)
    assert torch.equal(turned.A, model.A)
    before = autocovariance(harvey(model), 12, model.variance)
    assert gap(autocovariance(history(turned), 12, turned.variance), before) < 1e-10 * before.abs().max()
    # Each zero outside is reflected: the products of the moduli and the determinants of the variances say so.
    outside = model.zeros.abs().clamp(min=1).prod() ** 2
    ratio = torch.linalg.det(turned.variance) / torch.linalg.det(model.variance)
    assert ratio.item() == pytest.approx(outside.item(), rel=1e-7)
    if model.invertible:
        assert gap(turned.M, model.M) < 1e-9 * (1 + model.M.abs().max())
    assert predictor(turned).stable


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e9])
@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ([0.9] * 6, [2.0]),
        ([0.8] * 8, [1.5]),
        ([0.9] * 3, [2.0] * 3),
        ([], [2.0] * 6),
        ([0.99] * 3, [1.01]),
        ([0.5], [-3]),
    ],
)
def test_zeros_that_repeat_cost_no_digits(inside, outside, unit):
    """One outside beside many inside: each of those outside, and no other, is reflected."""
    model = VARMA([], np.poly(inside + outside)[1:].tolist(), unit**2)
    right = np.poly(inside + [1 / zero for zero in outside])[1:]
    turned = invertible_form(model)
    assert np.abs(turned.M.numpy().ravel() - right).max() < 1e-8
    assert turned.variance.item() == pytest.approx(np.prod(outside) ** 2 * unit**2, rel=1e-8)


def test_the_slope_of_what_is_reflected():
    """Two zeros outside and one inside: by finite differences, along models of this kind and away from them."""
    form = innovations_form(VARMA([], np.poly([2.0, -1.5, 0.4])[1:].tolist()))
    F, H, D = form.F, form.H, form.D

    def solution(F, G, H, D):
        return dare(F, H, G @ G.T, D @ D.T, G @ D.T)

    inputs = [weight.clone().requires_grad_() for weight in (F, form.G, H, D)]
    assert torch.autograd.gradcheck(solution, inputs, atol=1e-6)

    def noisier(more):
        return dare(F, H, form.G @ form.G.T + more * torch.eye(len(F), dtype=F64), D @ D.T, form.G @ D.T)[0, 0]

    more = torch.zeros((), dtype=F64, requires_grad=True)
    at = noisier(more)
    at.backward()
    step = 1e-6
    assert more.grad.item() == pytest.approx((noisier(torch.tensor(step)) - at).item() / step, rel=1e-4)


@pytest.mark.parametrize(("n", "I", "O"), [(1, 2, 1), (4, 3, 1), (4, 3, 2), (5, 2, 2)])
def test_more_noises_than_outputs_become_as_many(n, I, O):
    model = random_rnn(n, I, O)
    root = randn(I, I)
    variance, noise = root @ root.T, 0.3 * torch.eye(O, dtype=F64)
    factor = spectral_factor(model, variance, noise)
    gamma = autocovariance(model, 15, variance)
    gamma[0] += noise
    assert gap(autocovariance(factor.model, 15, factor.variance), gamma) < 1e-10 * gamma.abs().max()
    assert predictor(factor.model).stable
    assert zeros(factor.model).abs().max() < 1
    as_varma = factor.varma() if O == 1 else to_varma(factor.model.rnn(), factor.variance)
    found = autocovariance(innovations_form(as_varma), 15, as_varma.variance)
    assert gap(found, gamma) < 1e-9 * gamma.abs().max()


def test_the_spectra_agree():
    model = random_rnn(4, 3, 2)
    factor = spectral_factor(model)

    def spectrum(form, variance, omega):
        z = torch.exp(torch.tensor(1j * omega, dtype=torch.complex128))
        resolvent = torch.linalg.inv(z * torch.eye(form.n, dtype=F64) - form.F)
        transfer = form.H.to(z.dtype) @ resolvent @ form.G.to(z.dtype) + form.D
        return transfer @ variance.to(z.dtype) @ transfer.mH

    for omega in (0.0, 0.3, 1.0, 2.5, np.pi):
        ours = spectrum(factor.model, factor.variance, omega)
        assert gap(ours, spectrum(model.delayed(), torch.eye(3), omega)) < 1e-10 * ours.abs().max()


def test_the_predictor_attains_the_innovations_variance():
    model = random_rnn(3, 2, 1)
    factor = spectral_factor(model)
    y, _ = model(randn(400, 100, 2))
    error = (y[1:] - predictor(factor.model)(y)[0][:-1])[50:]
    assert error.square().mean().item() == pytest.approx(factor.variance.item(), rel=0.03)
    error = error - error.mean()
    for lag in (1, 2, 3):
        assert abs((error[lag:] * error[:-lag]).mean() / error.var()) < 0.02


def test_the_predictor_leaves_the_innovations():
    A, M = 0.2 * randn(3, 2, 2), 0.2 * randn(2, 2, 2)
    for model in (VARMA([0.7], [0.5]), VARMA([], [0.5, -0.2]), VARMA(A[:2], M[:1]), VARMA(A, M), VARMA(A), VARMA()):
        assert model.invertible
        e = randn(100, 2, model.k)
        y = model.simulate(e)
        predicted, _ = predictor(model)(y)
        assert gap(y[1:] - predicted[:-1], e[1:]) < 1e-10


@settings(max_examples=40, deadline=None, derandomize=True)
@given(theta=st.floats(-3, 3), phi=st.floats(-0.95, 0.95), other=st.floats(-0.9, 0.9))
def test_the_predictor_is_stable_just_where_the_model_is_invertible(theta, phi, other):
    model = VARMA([phi], [theta + other, theta * other])
    assume(abs(abs(theta) - 1) > 1e-6)
    assert model.invertible == (abs(theta) < 1)
    form = innovations_form(model)
    closed = spectral_radius(form.F - form.G @ form.H)
    assert closed == pytest.approx(max(abs(theta), abs(other)), abs=1e-6)
    if model.invertible:
        assert predictor(model).stable
    else:
        with pytest.raises(ValueError, match=r"not invertible: its zero -?\d.* has the modulus"):
            predictor(model)


def test_a_predictor_needs_a_skip_that_can_be_undone():
    rnn = LinearRNN([[0.5]], [[1.0]], [[1.0]], [[-1.0]])
    with pytest.raises(ValueError, match=r"skip D must be square and invertible, got 1 by 1 with .* 0; use innov"):
        predictor(rnn.delayed())
    doubled = LinearRNN([[0.5]], [[1.0]], [[1.0]], [[1.0]]).delayed()
    e = randn(50, 1, 1)
    y = doubled(e)[0]
    assert gap(y[1:] - predictor(doubled)(y)[0][:-1], 2 * e[1:]) < 1e-12


def test_arma_agrees_with_statsmodels():
    for phi, theta in [(0.7, 0.4), (0.7, 2.0), (-0.5, -3.5)]:
        model = VARMA([phi], [theta], 1.5)
        theirs = ArmaProcess([1, -phi], [1, theta])
        gamma = autocovariance(harvey(model), 10, model.variance).flatten().numpy()
        # ArmaProcess.acovf takes a unit variance.
        assert np.abs(gamma - 1.5 * theirs.acovf(10)).max() < 1e-10
        # The innovations algorithm arrives there by growing the past; its v is in units of the model's variance.
        _, v = arma_innovations(np.zeros(200), [phi], [theta])
        assert invertible_form(model).variance.item() == pytest.approx(1.5 * v[-1], rel=1e-9)


def test_zeros_are_where_the_inverse_has_poles():
    model = VARMA([0.5], [2.0])
    assert sorted(zeros(innovations_form(model)).real.tolist()) == pytest.approx([-2])
    assert sorted(zeros(harvey(model)).real.tolist()) == pytest.approx([-2, 0])
    # (2 − 0.5 z) / (1 − 0.5 z): the skip is not 1.
    assert zeros(LinearRNN([[0.5]], [[1.0]], [[1.0]], [[1.0]])).real.tolist() == pytest.approx([0.25])
    with pytest.raises(ValueError, match="Psi_0 must be square and invertible, got 1 by 2"):
        zeros(random_rnn(2, 2, 1))
    with pytest.raises(ValueError, match="with the smallest singular value 0"):
        zeros(LinearRNN([[0.5]], [[1.0]], [[1.0]], [[-1.0]]))


def test_what_has_no_innovations_is_named():
    with pytest.raises(ValueError, match=r"the model must have a spectral radius below 1, got 1\.5 \(pole -1\.5\)"):
        spectral_factor(LinearRNN([[-1.5]], [[1.0]], [[1.0]], [[0.0]]))
    with pytest.raises(ValueError, match=r"the VARMA must be stable, got the pole 1\.25"):
        invertible_form(VARMA([1.25], [0.5]))
    with pytest.raises(ValueError, match="the model must have a spectral radius below 1, got 1 "):
        autocovariance(LinearRNN([[1.0]], [[1.0]], [[1.0]], [[0.0]]), 3)
    for theta in (1.0, -1.0):
        with pytest.raises(ValueError, match=rf"spectral radius .* \(zero {-theta:g}.* on the unit circle\)"):
            invertible_form(VARMA([0.5], [theta]))
    with pytest.raises(ValueError, match=r"F has the pole 1\.2 that H does not see"):
        dare(*scalar(1.2, 0, 1, 1))
    with pytest.raises(ValueError, match="some combination of the outputs is free of noise; drop an output"):
        spectral_factor(random_rnn(3, 1, 2))
    with pytest.raises(ValueError, match=r"varma\(\) needs one output, got 2"):
        spectral_factor(random_rnn(3, 2, 2)).varma()
    with pytest.raises(ValueError, match=r"S must have shape \(n, ·\) = \(2, 1\), got \(1, 2\)"):
        dare(torch.eye(2), torch.ones(1, 2), torch.eye(2), torch.eye(1), torch.ones(1, 2))


def test_white_noise_stays_white_noise():
    assert invertible_form(VARMA([], [], 3.0)).variance.item() == 3
    assert autocovariance(innovations_form(VARMA([], [], 3.0)), 3, 3.0).flatten().tolist() == [3, 0, 0]


def test_a_zero_next_to_the_circle_is_still_turned():
    turned = invertible_form(VARMA([0.5], [1.0001]))
    assert (turned.M.item(), turned.variance.item()) == pytest.approx((1 / 1.0001, 1.0001**2), rel=1e-9)


def test_gradients_reach_the_noises():
    F, H = 0.5 * randn(3, 3), randn(2, 3)
    root = randn(5, 5).requires_grad_()

    def solution(F, H, root):
        joint = root @ root.T
        return dare(F, H, joint[:3, :3], joint[3:, 3:], joint[:3, 3:])

    assert torch.autograd.gradcheck(solution, (F.requires_grad_(), H.requires_grad_(), root), atol=1e-6)


def hidden_pole(blocks, seen):
    """F = T J T⁻¹ and H = h T⁻¹ for Jordan blocks (pole, size) in an exact basis T; seen: h, one row for an output."""
    J = torch.block_diag(
        *(mu * torch.eye(n, dtype=F64) + torch.diag(torch.ones(n - 1, dtype=F64), 1) for mu, n in blocks)
    )
    # A triangle of ones, and its inverse, have whole entries.
    T = torch.ones(J.shape, dtype=F64).triu()
    return T @ J @ torch.linalg.inv(T), torch.tensor(seen, dtype=F64) @ torch.linalg.inv(T)


@pytest.mark.parametrize(
    ("blocks", "seen", "pole"),
    [
        ([(1.0, 1), (1.0, 1)], [[1.0, 2.0]], "1"),
        ([(2.0, 1), (2.0, 1)], [[1.0, 3.0]], "2"),
        ([(1.0, 1), (1.0, 1), (0.5, 1)], [[1.0, 1.0, 1.0]], "1"),
        ([(-1.5, 1), (-1.5, 1), (-1.5, 1)], [[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]], "-1.5"),
        ([(1.5, 2)], [[0.0, 1.0]], "1.5"),
        ([(1.5, 3), (0.2, 1)], [[0.0, 1.0, 1.0, 1.0]], "1.5"),
        ([(1.25, 2), (1.25, 1)], [[1.0, 0.0, 1.0]], "1.25"),
    ],
)
def test_a_repeated_pole_needs_as_many_outputs_as_eigenvectors(blocks, seen, pole):
    F, H = hidden_pole(blocks, seen)
    n, O = len(F), len(H)
    for units in (1.0, 1e-9, 1e9):
        with pytest.raises(ValueError, match=rf"F has the pole {pole}(\d|e|\+|-|j)* that H does not see"):
            dare(F, units * H, torch.eye(n), torch.eye(O))


@pytest.mark.parametrize(
    ("blocks", "seen"),
    [
        ([(1.5, 3)], [[1.0, 0.0, 0.0]]),
        ([(1.0, 1), (1.0, 1)], [[1.0, 0.0], [0.0, 1.0]]),
        ([(2.0, 2), (0.5, 2)], [[1.0, 0.0, 0.0, 0.0]]),
        ([(0.5, 1), (0.5, 1)], [[1.0, 1.0]]),
    ],
)
def test_a_repeated_pole_that_is_seen_or_decays_is_no_obstacle(blocks, seen):
    F, H = hidden_pole(blocks, seen)
    for units in (1.0, 1e-3, 1e3):
        R = units**2 * torch.eye(len(H), dtype=F64)
        P = dare(F, units * H, torch.eye(len(F)), R)
        K = torch.linalg.solve(units**2 * H @ P @ H.T + R, (F @ P @ H.T * units).T).T
        assert spectral_radius(F - units * K @ H) < 1


def test_a_repeated_pole_on_the_diagonal_needs_an_output_each():
    for poles in ([1.0, 1.0], [2.0, 2.0], [1.0, 1.0, 0.5], [0.3, -1.5, -1.5, -1.5]):
        F, H = torch.diag(torch.tensor(poles, dtype=F64)), torch.ones(1, len(poles), dtype=F64)
        with pytest.raises(ValueError, match=rf"F has the pole {poles[1]:g} that H does not see"):
            dare(F, H, torch.eye(len(F)), torch.eye(1))


def test_a_pair_of_complex_poles_needs_an_output_each():
    turn = 1.1 * torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=F64)
    both = torch.block_diag(turn, turn)
    with pytest.raises(ValueError, match=r"F has the pole 0\.66[+-]0\.88j that H does not see"):
        dare(both, torch.tensor([[1.0, 0.0, 0.0, 1.0]]), torch.eye(4), torch.eye(1))
    seen = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=F64)
    P = dare(both, seen, torch.eye(4), torch.eye(2))
    K = torch.linalg.solve(seen @ P @ seen.T + torch.eye(2), (both @ P @ seen.T).T).T
    assert spectral_radius(both - K @ seen) < 1


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("half", [False, True])
def test_outputs_without_noise_are_named(n, half):
    """Nothing moves the state and nothing disturbs the output, or, with `half`, the first of two."""
    F, H = torch.diag(torch.linspace(0.5, 0.2, n, dtype=F64)), torch.ones(1, n, dtype=F64)
    R = torch.zeros(1, 1, dtype=F64)
    if half:
        H, R = torch.cat((H, H)), torch.diag(torch.tensor([0.0, 1.0], dtype=F64))
    with pytest.raises(ValueError, match="some combination of the outputs is free of noise; drop an output"):
        dare(F, H, torch.zeros(n, n), R)


def in_units(F, H, Q, R, states, outputs):
    """The same noises and states, state i counted in units of 1/states[i] and output j in those of 1/outputs[j]."""
    x, y = states[:, None], outputs[:, None]
    return x * F / states, y * H / states, x * Q * states, y * R * outputs


@pytest.mark.parametrize("loud", [1.0, 1e6, 1e10, 1e13])
def test_a_loud_channel_takes_no_digits_from_a_quiet_one(loud):
    """Two channels that have nothing to do with each other: each has the closed form of one state."""
    F, Q = torch.diag(torch.tensor([0.5, 0.9999])), torch.diag(torch.tensor([loud, 1e-8], dtype=F64))
    R = torch.diag(torch.tensor([loud, 1.0], dtype=F64))
    P = dare(F.double(), torch.eye(2), Q, R)
    for i in range(2):
        a, q, r = F[i, i].double().item(), Q[i, i].item(), R[i, i].item()
        B = q - r * (1 - a) * (1 + a)
        root = np.hypot(B, 2 * np.sqrt(q * r))
        closed = (B + root) / 2 if B > 0 else 2 * q * r / (root - B)
        assert P[i, i].item() == pytest.approx(closed, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_riccati_solution_does_not_depend_on_units(seed):
    torch.manual_seed(seed)
    n, O = 4, 2
    F, H, root, noise = random_rnn(n, radius=[0.9, 1.3][seed % 2]).W, randn(O, n), randn(n, n), randn(O, O)
    Q, R = root @ root.T, noise @ noise.T + 0.1 * torch.eye(O)
    P = dare(F, H, Q, R)
    unit = P.diagonal().sqrt()
    for _ in range(3):
        states, outputs = (10 ** (12 * torch.rand(k, dtype=F64) - 6) for k in (n, O))
        other = dare(*in_units(F, H, Q, R, states, outputs)) / states[:, None] / states
        assert gap(other / unit[:, None] / unit, P / unit[:, None] / unit) < 1e-9


@pytest.mark.parametrize("q", [1e-6, 1e-9, 1e-12, 1e-16, 1e-24])
def test_a_state_that_hardly_moves_has_its_closed_form(q):
    P = dare([[1.0]], [[1.0]], [[q]], [[1.0]]).item()
    assert pytest.approx((q + np.sqrt(q * q + 4 * q)) / 2, rel=1e-8) == P


@pytest.mark.parametrize(("zero", "times"), [(0.9, 6), (0.8, 8), (0.95, 4), (-0.7, 9), (0.5, 1), (0.99, 2)])
def test_what_is_invertible_already_is_its_own_invertible_form(zero, times):
    for size in (1.0, 1e-8, 1e8):
        model = VARMA([0.5], np.poly([zero] * times)[1:].tolist(), size)
        assert model.invertible
        turned = invertible_form(model)
        assert gap(turned.M, model.M) < 1e-13 * model.M.abs().max()
        assert turned.variance.item() == pytest.approx(size, rel=1e-13)
        # Also where only the equation is asked: nothing is left to be predicted but e_t.
        assert spectral_factor(innovations_form(model), size).variance.item() == pytest.approx(size, rel=1e-13)


@pytest.mark.parametrize("zeros_", [[1.0, 1.0], [-1.0, -1.0, 0.3], [1.0, -1.0], [2.0, 1.0]])
def test_zeros_on_the_circle_are_named_also_where_they_meet(zeros_):
    with pytest.raises(ValueError, match=r"no predictor is stable: .* on the unit circle"):
        invertible_form(VARMA([0.5], np.poly(zeros_)[1:].tolist()))


def test_the_slope_of_a_solution_that_is_zero():
    """At P = 0 the equation is linear in what moves the state: P = Σ_k F_s^k Q_s F_s'^k with F_s = F − GH."""
    form = innovations_form(VARMA([0.5, -0.2], [0.4, 0.1]))
    zero = torch.zeros(2, 2, dtype=F64, requires_grad=True)
    P = dare(form.F, form.H, form.G @ form.G.T + zero, torch.eye(1), form.G)
    assert not P.any()
    (slope,) = torch.autograd.grad(P.trace(), zero)
    own = form.F - form.G @ form.H
    powers = torch.stack([torch.linalg.matrix_power(own, k) for k in range(200)])
    assert gap(slope, (powers.mT @ powers).sum(0)) < 1e-12


def test_a_skip_is_invertible_in_all_units_and_singular_where_rounding_hides_it():
    rnn = LinearRNN(torch.diag(torch.tensor([0.5, 0.3])), torch.eye(2), torch.eye(2), torch.zeros(2, 2))
    units = torch.diag(torch.tensor([1e-9, 1e9], dtype=F64))
    loud = LinearRNN(rnn.W, rnn.U, units @ rnn.C, rnn.D)
    assert gap(zeros(loud).real, zeros(rnn).real) < 1e-12
    assert to_varma(loud).k == 2
    assert predictor(loud.delayed()).stable
    hidden = LinearRNN(0.5 * torch.eye(2), [[1.0], [1.0]], [[1.0, -1.0]], [[0.0]])
    turned = hidden.changed(torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=F64))
    for refuse in (zeros, to_varma):
        with pytest.raises(ValueError, match="must be square and invertible"):
            refuse(turned)


def test_what_is_no_covariance_is_named():
    wrong = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=F64)
    F, H, two = 0.5 * torch.eye(2), torch.eye(2), torch.eye(2)
    with pytest.raises(ValueError, match="Q must be positive semidefinite, got the eigenvalue -1"):
        dare(F, H, wrong, two)
    with pytest.raises(ValueError, match="R must be positive semidefinite, got the eigenvalue -1"):
        dare(F, H, two, wrong)
    with pytest.raises(ValueError, match=r"\[\[Q, S\], \[S', R\]\] must be positive semidefinite"):
        dare(F, H, two, two, 1.5 * two)
    rnn = random_rnn(2, 2, 2)
    for call in (spectral_factor, lambda rnn, wrong: autocovariance(rnn, 3, wrong), to_varma):
        with pytest.raises(ValueError, match="variance must be positive semidefinite, got the eigenvalue -1"):
            call(rnn, wrong)
    with pytest.raises(ValueError, match="noise must be positive semidefinite, got the eigenvalue -1"):
        spectral_factor(rnn, noise=wrong)
    with pytest.raises(ValueError, match=r"variance must have no negative variance on its diagonal, got -1"):
        VARMA([0.5], [], -1.0)
    with pytest.raises(ValueError, match="variance must be positive semidefinite, got the eigenvalue -1"):
        VARMA([], [], wrong)


@pytest.mark.parametrize("seed", range(6))
def test_autocovariances_do_not_depend_on_the_units_of_the_states(seed):
    torch.manual_seed(seed)
    rnn, states = random_rnn(4, 2, 2, radius=0.97), 10 ** (12 * torch.rand(4, dtype=F64) - 6)
    other = rnn.changed(torch.diag(states))
    assert gap(autocovariance(other, 8), autocovariance(rnn, 8)) < 1e-9 * autocovariance(rnn, 1).abs().max()
