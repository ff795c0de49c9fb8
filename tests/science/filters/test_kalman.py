"""The laws of the filter: conditioning, statsmodels, missing data, sharing, gradients, float32, units."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch
from drawn import F64, gap
from state_space_models import (
    E1,
    GOOD,
    MISSING,
    NILE,
    PUBLISHED,
    conditioned,
    cut,
    data,
    hard_models,
    least_eigenvalues,
    nile,
    random_model,
    rescaled,
    trend,
    varying_model,
    with_statsmodels,
)

from rnnbook.filters import diffuse, kalman, steady
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import StateSpace, autoregression, local_level


@pytest.mark.parametrize("missing", [False, True])
def test_the_nile_is_filtered_as_by_statsmodels(missing):
    y = nile(missing)
    model = local_level(PUBLISHED["q"], PUBLISHED["r"], P=1e7)
    ours, theirs = kalman.filter(model, y), with_statsmodels(model, y[:, 0])
    m, P = theirs.filtered_state.T, theirs.filtered_state_cov.transpose(2, 0, 1)
    np.testing.assert_allclose(ours.m[:, 0], m, rtol=1e-9)
    np.testing.assert_allclose(ours.P[:, 0], P, rtol=1e-9)
    np.testing.assert_allclose(ours.P_pred[:, 0], theirs.predicted_state_cov.transpose(2, 0, 1)[:-1], rtol=1e-9)
    np.testing.assert_allclose(ours.log_likelihood, theirs.llf, rtol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 1), (4, 2), (5, 3)])
@pytest.mark.parametrize("missing", MISSING)
def test_random_models_are_filtered_as_by_statsmodels(n, p, missing):
    model, y = random_model(n, p), data(60, 4, p, missing)
    ours = kalman.filter(model, y)
    for b in range(4):
        theirs = with_statsmodels(model, y[:, b])
        assert gap(ours.m[:, b], torch.tensor(theirs.filtered_state.T)) < 1e-9
        assert gap(ours.P[:, b], torch.tensor(theirs.filtered_state_cov.transpose(2, 0, 1))) < 1e-9
        assert gap(ours.m_pred[:, b], torch.tensor(theirs.predicted_state.T[:-1])) < 1e-9
        assert abs(ours.log_likelihood[b].item() - theirs.llf) < 1e-9


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("kind", ["constant", "varying"])
def test_a_filter_conditions_on_the_past_and_the_present(kind, missing):
    T, B, n, p = 8, 4, 3, 2
    model = random_model(n, p) if kind == "constant" else varying_model(n, p, T, B)
    y = data(T, B, p, missing)
    ours = kalman.filter(model, y)
    for t in range(T):
        for b in range(B):
            m, P, *_ = conditioned(cut(model, t + 1), y[: t + 1, b], b)
            assert gap(ours.m[t, b], m[-1]) < 1e-10
            assert gap(ours.P[t, b], P[-1]) < 1e-10
    for b in range(B):
        assert abs(ours.log_likelihood[b] - conditioned(model, y[:, b], b)[3]) < 1e-10


@pytest.mark.parametrize("missing", MISSING)
def test_many_series_at_once_are_each_filtered_as_alone(missing):
    model, y = random_model(3, 2), data(30, 6, 2, missing)
    together = kalman.filter(model, y)
    for b in range(6):
        one = kalman.filter(model, y[:, b : b + 1])
        assert gap(together.m[:, b], one.m[:, 0]) < 1e-12
        assert gap(together.P[:, b], one.P[:, 0]) < 1e-12
        assert gap(together.K[:, b], one.K[:, 0]) < 1e-12
        assert abs(together.log_likelihood[b] - one.log_likelihood[0]) < 1e-10


def test_series_that_miss_the_same_share_one_recursion():
    model = random_model(3, 2)
    for missing, groups in (("none", 1), ("together", 1), ("in groups", 2), ("anywhere", 40)):
        found = kalman.filter(model, data(8, 40, 2, missing))
        P = found.gains[-1].P
        assert (1 if P.dim() == 2 else P.shape[2]) == groups, missing


def test_a_mask_says_what_nan_says():
    model, y = random_model(3, 2), data(12, 5, 2)
    steps = torch.rand(12, 5) < 0.7
    entries = torch.rand(12, 5, 2) < 0.7
    for mask, lost in ((steps, ~steps[:, :, None].expand(-1, -1, 2)), (entries, ~entries)):
        told = kalman.filter(model, y, mask)
        marked = kalman.filter(model, y.masked_fill(lost, torch.nan))
        assert gap(told.m, marked.m) == 0
        assert gap(told.log_likelihood, marked.log_likelihood) == 0
    kept = y.clone()
    kalman.filter(model, y, steps)
    assert torch.equal(y, kept)


def test_nothing_measured_leaves_the_prediction():
    model = random_model(2, 1)
    found = kalman.filter(model, torch.full((5, 3, 1), torch.nan, dtype=F64))
    assert gap(found.m, found.m_pred) < 1e-14
    assert gap(found.P, found.P_pred) < 1e-12
    assert gap(found.m[4, 0], torch.linalg.matrix_power(model.A, 4) @ model.m) < 1e-12
    assert found.log_likelihood.abs().max() == 0


def test_stopping_at_the_steady_state_changes_nothing():
    model, y = random_model(3, 1), data(400, 2, 1)
    y[250] = torch.nan  # and leaving it again
    short = kalman.filter(model, y)
    assert len({id(gain) for gain in short.gains}) < 300
    every_step = replace(model, A=model.A.expand(400, 3, 3))
    full = kalman.filter(every_step, y)
    assert len({id(gain) for gain in full.gains}) == 400
    assert gap(short.P, full.P) < 1e-13
    assert gap(short.m, full.m) < 1e-12


def test_a_slow_model_is_not_stopped_early():
    """P shrinks by 1e-15 of itself per step, which is rounding, and after 2000 steps by 2e-12, which is not."""
    model, T = autoregression(1.0, 0.0, 1.0, P=1e-15), 2000
    ok = [None] * T
    P = kalman._gains(model, ok, 1)[-1].P.item()
    every_step = kalman._gains(replace(model, A=model.A.expand(T, 1, 1)), ok, 1)[-1].P.item()
    assert abs(P / every_step - 1) < 1e-13
    assert abs(P / 1e-15 - 1) > 1e-12


@pytest.mark.parametrize("missing", ["none", "in groups"])
def test_gradients(missing):
    y = data(6, 3, 2, missing)
    model = random_model(2, 2)
    Q_root, R_root, P_root = (torch.linalg.cholesky(X) for X in (model.Q, model.R, model.P))

    def run(A, C, Q_root, R_root, m, P_root):
        made = StateSpace(A, C, Q_root @ Q_root.T, R_root @ R_root.T, m, P_root @ P_root.T)
        found = kalman.filter(made, y)
        return found.log_likelihood, found.m, found.P

    given = [X.clone().requires_grad_() for X in (model.A, model.C, Q_root, R_root, model.m, P_root)]
    assert torch.autograd.gradcheck(run, given)


@pytest.mark.parametrize(("a", "q", "T"), [(0.9, 1.0, 50), (1.0, 0.03, 400), (0.9, 0.0, 50)])
def test_gradients_from_a_start_at_the_steady_state(a, q, T):
    """The variances do not change from the first step on, and yet each step adds to their gradient."""
    y = data(T, 1, 1)
    P = steady.scalar(a, q**2, 1.0).P if q > 0 else 0.0

    def run(a, q, r):
        one = torch.eye(1, dtype=F64)
        made = StateSpace(a * one, one, q**2 * one, r * one, torch.zeros(1, dtype=F64), P * one)
        filtered = kalman.filter(made, y)
        return filtered.log_likelihood, filtered.P[:: T // 5], smooth(filtered).P[:: T // 5]

    given = [torch.tensor(X, dtype=F64, requires_grad=True) for X in (a, q, 1.0)]
    assert torch.autograd.gradcheck(run, given, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "scale"), [(torch.float32, 100.0), (F64, 1e6), (F64, 1e8)])
def test_a_state_in_small_units_is_filtered_as_if_alone(dtype, scale):
    def model(*states):
        A, Q, R, P = (torch.tensor(values, dtype=dtype).diag() for values in zip(*states, strict=True))
        return StateSpace(A, torch.eye(len(A), dtype=dtype), Q, R, torch.zeros(len(A), dtype=dtype), P)

    large, small = (0.5, scale**2, scale**2, scale**2), (0.95, 0.01, 1.0, 1.0)
    y = data(200, 1, 2).to(dtype)
    joint, alone = kalman.filter(model(large, small), y), kalman.filter(model(small), y[:, :, 1:])
    precision = 20 * torch.finfo(dtype).eps
    assert gap(joint.m[:, :, 1], alone.m[:, :, 0]) < precision
    assert gap(joint.P[:, :, 1, 1], alone.P[:, :, 0, 0]) < precision
    assert gap(smooth(joint).P[:, :, 1, 1], smooth(alone).P[:, :, 0, 0]) < precision


def test_the_gradient_with_respect_to_the_data():
    model = random_model(2, 1)
    y = data(12, 2, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: kalman.filter(model, y).log_likelihood, (y,))


def test_maximum_likelihood_finds_the_published_variances_of_the_nile():
    logs = torch.tensor([9.0, 9.0], dtype=F64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs], max_iter=25, line_search_fn="strong_wolfe", tolerance_change=1e-12)
    one, zero = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)

    def loss():
        optimiser.zero_grad()
        q, r = logs.exp()
        model = StateSpace(one, one, q.view(1, 1), r.view(1, 1), zero[0], zero)
        value = -diffuse.filter(model, NILE, one).log_likelihood[0]
        value.backward()
        return value

    optimiser.step(loss)
    q, r = logs.exp().tolist()
    assert abs(q / PUBLISHED["q"] - 1) < 0.005
    assert abs(r / PUBLISHED["r"] - 1) < 0.005


def test_float32_stays_positive_definite_over_1e5_steps():
    A = torch.tensor([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    Q, R = torch.diag(torch.tensor([0.0, 0.0, 1e-4])), torch.tensor([[1e-2]])
    model = StateSpace(A, torch.tensor([[1.0, 0.0, 0.0]]), Q, R, torch.zeros(3), 1e4 * torch.eye(3))
    # The gaps keep the recursion from settling: every one of the steps is computed.
    T = 100_000
    ok = [torch.tensor([t % 7 > 0]) for t in range(7)] * (T // 7)
    with torch.no_grad():
        gains = kalman._gains(model, ok, 1)
        exact = kalman._gains(StateSpace(*(getattr(model, name).double() for name in "ACQRmP")), ok[:700], 1)
    P = torch.stack([gain.P for gain in gains])
    assert len({id(gain) for gain in gains}) == len(ok)
    assert torch.linalg.eigvalsh(P.double()).min() > 0
    assert torch.linalg.cholesky_ex(P)[1].max() == 0
    for t in range(7):
        late, true = P[-7 + t].double(), exact[-7 + t].P
        assert ((late - true).abs() / true.abs()).max() < 1e-3


@pytest.mark.parametrize(
    ("y", "mask", "error", "words"),
    [
        (torch.zeros(5, 1, dtype=F64), None, ValueError, r"y must have shape \(T, B, p\) = \(T, B, 1\), got \(5, 1\)"),
        (torch.zeros(5, 2, 1), None, TypeError, "y must have the parameters' dtype torch.float64"),
        (torch.zeros(0, 2, 1, dtype=F64), None, ValueError, "y must have at least one step and one series"),
        (torch.zeros(5, 2, 1, dtype=F64), torch.ones(5, 2), TypeError, "mask must be a bool tensor.*torch.float32"),
        (torch.zeros(5, 2, 1, dtype=F64), torch.ones(2, 5).bool(), ValueError, r"mask must have shape \(5, 2\) or"),
    ],
)
def test_wrong_data_are_named(y, mask, error, words):
    with pytest.raises(error, match=words):
        kalman.filter(StateSpace(**GOOD), y, mask)


def test_an_axis_of_the_wrong_length_is_named():
    y = torch.zeros(5, 2, 1, dtype=F64)
    with pytest.raises(ValueError, match="A must have 1 or T = 5 along axis T, got 4"):
        kalman.filter(StateSpace(**(GOOD | {"A": E1.expand(4, 1, 1)})), y)
    with pytest.raises(ValueError, match="P must have 1 or B = 2 along axis B, got 3"):
        kalman.filter(StateSpace(**(GOOD | {"P": E1.expand(3, 1, 1)})), y)


def test_a_singular_innovation_is_named_with_its_step():
    model = StateSpace(**(GOOD | {"Q": 0 * E1, "R": 0 * E1}))
    with pytest.raises(ValueError, match="S_t = C P C' \\+ R is not positive definite at t=2"):
        kalman.filter(model, torch.zeros(5, 2, 1, dtype=F64))


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("kind", ["constant", "varying"])
def test_many_series_are_filtered_as_one_in_fifteen_lines(kind, missing):
    T, n, p = 20, 3, 2
    model = random_model(n, p) if kind == "constant" else varying_model(n, p, T, 1)
    y = data(T, 1, p, missing)
    m, P, log_p = kalman.filter_one(model, y[:, 0])
    found = kalman.filter(model, y)
    assert gap(found.m[:, 0], m) < 1e-11
    assert gap(found.P[:, 0], P) < 1e-11
    assert abs(found.log_likelihood[0] - log_p) < 1e-10


def test_what_is_asked_for_again_is_kept():
    found = kalman.filter(random_model(2, 1), data(30, 2, 1, "anywhere"))
    for name in ("P", "K", "S_inv", "m_pred", "P_pred"):
        assert getattr(found, name) is getattr(found, name), name


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e15, 1e30])
def test_variances_of_any_size_are_filtered(dtype, size):
    eye = torch.eye(2, dtype=dtype)
    model = StateSpace(eye, eye, size * eye, size * eye, torch.zeros(2, dtype=dtype), size * eye)
    found = kalman.filter(model, torch.full((1, 1, 2), 4.0, dtype=dtype))
    assert torch.equal(found.m, torch.full((1, 1, 2), 2.0, dtype=dtype))
    assert torch.allclose(found.P / size, eye / 2, rtol=1e-6)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf])
def test_an_infinite_measurement_is_refused_with_its_place(value):
    y = data(5, 2, 2)
    y[3, 1, 0] = value
    with pytest.raises(ValueError, match=r"y must be finite, or NaN where it is missing, got -?inf .*= \(3, 1, 0\)"):
        kalman.filter(random_model(2, 2), y)
    with pytest.raises(ValueError, match=r"at \(t, b, i\) = \(3, 0, 0\)"):
        kalman.filter_one(random_model(2, 2), y[:, 1])
    mask = torch.ones(5, 2, dtype=torch.bool)
    mask[3, 1] = False
    assert kalman.filter(random_model(2, 2), y, mask).m.isfinite().all()


@pytest.mark.parametrize(("dtype", "least"), [(F64, -1e-9), (torch.float32, -1e-4)])
@pytest.mark.parametrize(("n", "p"), [(2, 1), (3, 1), (4, 2)])
def test_no_variance_is_negative_whatever_the_prior(n, p, dtype, least):
    model, y = hard_models(n + p, 400, n, p, dtype)
    assert least_eigenvalues(kalman.filter(model, y).P).min() > least


def test_float32_is_float64_rounded():
    y = data(40, 2, 1, "anywhere")
    for P in (1.0, 1e4, 1e8):
        exact, found = (kalman.filter(trend(1.0, 0.01, P, dtype), y.to(dtype)) for dtype in (F64, torch.float32))
        assert ((found.P / exact.P).log().abs()[5:, :, 0, 0]).max() < 1e-6
        assert gap(found.m.double()[5:], exact.m[5:]) < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_units_do_not_matter(seed):
    model, y = random_model(3, 2, seed), data(40, 3, 2, "anywhere", seed)
    plain, draw = kalman.filter(model, y), torch.Generator().manual_seed(seed)
    for base, within in ((10.0, 1e-9), (2.0, 1e-15)):
        D, E = (base ** torch.randint(-6, 7, (k,), generator=draw).to(F64) for k in (3, 2))
        found = kalman.filter(*rescaled(model, y, D, E))
        sd = plain.P.diagonal(dim1=-2, dim2=-1).sqrt()
        assert ((found.m / D - plain.m).abs() / sd).max() <= within
        assert ((found.P / D[:, None] / D - plain.P).abs() / sd[..., None] / sd[..., None, :]).max() <= within
        change = (~y.isnan()).to(F64).sum(0) @ E.log()
        assert gap(found.log_likelihood + change, plain.log_likelihood) < 1e-8


@pytest.mark.parametrize("seed", range(12))
def test_two_channels_that_see_one_unknown_direction_leave_the_right_covariance(seed):
    """One step against 60 digits: what is off is rounding of the prior, not the condition of S = C P C' + R."""
    draw = torch.Generator().manual_seed(seed)
    n, size = 2 + seed % 3, 10.0 ** (1 + seed)
    w, B, C, y = (torch.randn(*shape, generator=draw, dtype=F64) for shape in ((n, 1), (2, 2), (2, n), (1, 1, 2)))
    P, R = size * w @ w.T, (B @ B.T + (B @ B.T).T) / 2 + torch.eye(2, dtype=F64)
    with mpmath.workdps(60):
        prior, noise, sees = (mpmath.matrix(X.tolist()) for X in (P, R, C))
        K = prior * sees.T * mpmath.inverse(sees * prior * sees.T + noise)
        left = prior - K * sees * prior
        right = torch.tensor([[float(left[i, j]) for j in range(n)] for i in range(n)], dtype=F64)
    eye = torch.eye(n, dtype=F64)
    found = kalman.filter(StateSpace(eye, C, eye, R, torch.zeros(n, dtype=F64), P), y).P[0, 0]
    assert gap(found, right) < 1e-12 * right.abs().max() + 1e3 * torch.finfo(F64).eps * size * right.abs().max()
