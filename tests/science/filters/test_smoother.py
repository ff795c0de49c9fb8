"""The laws of the smoothers: three forms, one answer, which conditioning and statsmodels give too; and no prior."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import F64, gap
from hypothesis import given, settings
from hypothesis import strategies as some
from state_space_models import (
    MISSING,
    PUBLISHED,
    conditioned,
    data,
    exactly,
    hard_models,
    least_eigenvalues,
    model_of,
    nile,
    random_model,
    rescaled,
    trend,
    varying_model,
    with_statsmodels,
)

from rnnbook.filters import kalman, parallel
from rnnbook.filters.smoother import rts, smooth, two_filter
from rnnbook.filters.statespace import StateSpace, local_level


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("kind", ["constant", "varying"])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_every_smoother_conditions_on_all_data(kind, missing, p):
    T, B, n = 9, 4, 3
    model = random_model(n, p) if kind == "constant" else varying_model(n, p, T, B)
    y = data(T, B, p, missing)
    found = kalman.filter(model, y)
    for smoothed in (smooth(found, lag=True), rts(found), two_filter(found, y)):
        for b in range(B):
            m, P, lag, _ = conditioned(model, y[:, b], b)
            assert gap(smoothed.m[:, b], m) < 1e-10
            assert gap(smoothed.P[:, b], P) < 1e-10
            if smoothed.lag is not None:
                assert gap(smoothed.lag[:, b], lag) < 1e-10


@pytest.mark.parametrize("B", [1, 3, 100])
def test_a_long_series_through_the_steady_state(B):
    """Long enough that filter and smoother take their shortcuts; rts and two_filter have none."""
    model, y = random_model(3, 2), data(300, B, 2)
    y[150:155] = torch.nan
    found = kalman.filter(model, y)
    assert len({id(gain) for gain in found.gains}) < 250
    ours, longhand, joined = smooth(found, lag=True), rts(found), two_filter(found, y)
    assert gap(ours.m, longhand.m) < 1e-11
    assert gap(ours.P, longhand.P) < 1e-11
    assert gap(ours.lag, longhand.lag) < 1e-11
    assert gap(ours.m, joined.m) < 1e-10
    assert gap(ours.P, joined.P) < 1e-10


@pytest.mark.parametrize("missing", [False, True])
def test_the_nile_is_smoothed_as_by_statsmodels(missing):
    y = nile(missing)
    model = local_level(PUBLISHED["q"], PUBLISHED["r"])
    ours, theirs = smooth(kalman.filter(model, y), lag=True), with_statsmodels(model, y[:, 0])
    np.testing.assert_allclose(ours.m[:, 0], theirs.smoothed_state.T, rtol=1e-9)
    np.testing.assert_allclose(ours.P[:, 0], theirs.smoothed_state_cov.transpose(2, 0, 1), rtol=1e-9)


@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 1), (4, 2), (5, 3)])
@pytest.mark.parametrize("missing", MISSING)
def test_random_models_are_smoothed_as_by_statsmodels(n, p, missing):
    model, y = random_model(n, p), data(60, 3, p, missing)
    ours = smooth(kalman.filter(model, y), lag=True)
    for b in range(3):
        theirs = with_statsmodels(model, y[:, b])
        lag = theirs.smoothed_state_autocov.transpose(2, 0, 1)
        assert gap(ours.m[:, b], torch.tensor(theirs.smoothed_state.T)) < 1e-9
        assert gap(ours.P[:, b], torch.tensor(theirs.smoothed_state_cov.transpose(2, 0, 1))) < 1e-9
        assert min(gap(ours.lag[:, b], torch.tensor(lag[k : k + 59])) for k in (0, 1)) < 1e-9


def test_the_future_never_hurts_and_says_nothing_at_the_end():
    found = kalman.filter(random_model(3, 1), data(40, 2, 1))
    smoothed = smooth(found)
    assert torch.linalg.eigvalsh(found.P - smoothed.P).min() > -1e-12
    assert gap(smoothed.P[-1], found.P[-1]) == 0
    assert gap(smoothed.m[-1], found.m[-1]) == 0
    assert (found.P - smoothed.P)[:-1].diagonal(dim1=-2, dim2=-1).min() > 1e-6


def test_singular_noise_is_welcome_to_smooth():
    model = random_model(3, 1)
    model = replace(model, Q=torch.diag(torch.tensor([1.0, 0.0, 0.0], dtype=F64)), P=torch.zeros(3, 3, dtype=F64))
    y = data(7, 1, 1)
    m, P, _, _ = conditioned(model, y[:, 0], 0)
    smoothed = smooth(kalman.filter(model, y))
    assert gap(smoothed.m[:, 0], m) < 1e-10
    assert gap(smoothed.P[:, 0], P) < 1e-10


def test_one_step_has_no_lag():
    filtered = kalman.filter(random_model(2, 1), data(1, 3, 1))
    assert smooth(filtered, lag=True).lag.shape == rts(filtered).lag.shape == (0, 3, 2, 2)


def test_gradients():
    model, y = random_model(2, 1), data(5, 2, 1, "anywhere")
    root = torch.linalg.cholesky(model.Q)

    def run(A, C, root, m):
        made = replace(model, A=A, C=C, Q=root @ root.T, m=m)
        smoothed = smooth(kalman.filter(made, y), lag=True)
        return smoothed.m, smoothed.P, smoothed.lag

    given = [X.clone().requires_grad_() for X in (model.A, model.C, root, model.m)]
    assert torch.autograd.gradcheck(run, given)


def test_gradients_through_the_shortcuts():
    y = data(300, 1, 1)
    model = random_model(2, 1)

    def run(A):
        smoothed = smooth(kalman.filter(replace(model, A=A), y))
        return smoothed.m[::50], smoothed.P[::50]

    assert torch.autograd.gradcheck(run, (model.A.clone().requires_grad_(),))


def test_rounding_does_not_grow_where_the_state_does():
    """Random models, half of them expanding, some data missing: all three smoothers agree over 300 steps."""
    for seed in range(12):
        torch.manual_seed(seed)
        n = 2 + seed % 3
        A, C = 0.6 * torch.randn(n, n, dtype=F64), torch.randn(1, n, dtype=F64)
        eye = torch.eye(n, dtype=F64)
        model = StateSpace(A, C, eye, torch.ones(1, 1, dtype=F64), torch.zeros(n, dtype=F64), eye)
        y = torch.randn(300, 1, 1, dtype=F64)
        if seed % 2:
            y[torch.rand(300) < 0.2] = torch.nan
        filtered = kalman.filter(model, y)
        wanted, found, joined = rts(filtered), smooth(filtered, lag=True), two_filter(filtered, y)
        size = wanted.P.abs().max()
        assert gap(found.P, wanted.P) < 1e-9 * size
        assert gap(found.lag, wanted.lag) < 1e-9 * size
        assert gap(joined.P, wanted.P) < 1e-9 * size


def distance(found, m, P):
    """Of means and covariances, in units of the standard deviations of P: (T, n, n)."""
    sd = P.diagonal(dim1=-2, dim2=-1).sqrt()
    return max(((found.m[:, 0] - m).abs() / sd).max(), ((found.P[:, 0] - P).abs() / sd[..., None] / sd[:, None]).max())


@settings(max_examples=25, deadline=None)
@given(
    some.floats(0, 10),
    some.integers(0, 3),
    some.floats(-3, 1),
    some.floats(0.1, 3),
    some.integers(0, 1000),
    some.booleans(),
)
def test_all_forms_condition_exactly_however_large_the_prior(prior, silent, kick, step, seed, many):
    """In exact fractions; a prior 10^k times the noise may cost k digits, and not 2k."""
    model, y = trend(step, 10**kick, 10**prior), data(7, 1, 1, seed=seed)
    y[:silent] = torch.nan
    m, P = exactly(model, y[:, 0, 0])
    if many:  # each with a covariance of its own
        y = y.repeat(1, 3, 1)
        y[5, 1:] = y[4, 2] = torch.nan
    found = kalman.filter(model, y)
    within = 1e-9 + 1e-13 * 10**prior
    for smoothed in (smooth(found), rts(found), two_filter(found, y), parallel.smooth(model, y)):
        assert distance(smoothed, m, P) < within


def variances(P):
    return P.double().diagonal(dim1=-2, dim2=-1)


def of_those_that_rts_takes(model, y):
    """rts of single series; where it refuses, nothing."""
    for b in range(y.shape[1]):
        found = kalman.filter(model_of(model, b), y[:, b : b + 1])
        try:
            yield found, rts(found)
        except ValueError as error:
            assert "rounding has grown" in str(error)  # noqa: PT017


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 1), (3, 1), (3, 2), (4, 2)])
def test_smoothed_covariances_are_positive_semidefinite_and_below_the_filters(n, p, dtype):
    """1000 models each, with priors up to 1e12, singular Q and P among them, gaps anywhere and at the start."""
    model, y = hard_models(10 * n + p, 1000, n, p, dtype)
    found, eps = kalman.filter(model, y), torch.finfo(dtype).eps
    pairs = [(found, smooth(found)), (found, two_filter(found, y)), (None, parallel.smooth(model, y))]
    alone = [kalman.filter(model_of(model, b), y[:, b : b + 1]) for b in range(40)]
    pairs += [(one, smooth(one)) for one in alone]
    taken = list(of_those_that_rts_takes(model, y[:, :40]))
    assert len(taken) > 10
    for one, smoothed in pairs + taken:
        assert least_eigenvalues(smoothed.P).min() > -100 * eps
        if one is not None:
            largest = variances(one.P_pred).amax(0, keepdim=True)
            within = 1e-6 * variances(one.P) + 100 * eps * largest
            assert (variances(smoothed.P) <= variances(one.P) + within).all()


@settings(max_examples=25, deadline=None)
@given(some.floats(-0.9, 0.9), some.floats(0.1, 0.9), some.floats(0, 2), some.integers(0, 1000), some.booleans())
def test_where_no_noise_is_added_and_the_state_contracts(a, b, size, seed, many):
    """40 steps with Q = 0: a step back by A⁻¹ would multiply rounding by (1/a)² each time."""
    A = torch.tensor([[a, 0.3], [0.0, b]], dtype=F64)
    none = torch.zeros(2, 2, dtype=F64)
    prior = 10**size * torch.tensor([[1.0, 0.4], [0.4, 0.5]], dtype=F64)
    model = StateSpace(A, torch.ones(1, 2, dtype=F64), none, torch.ones(1, 1, dtype=F64), none[0], prior)
    y = data(40, 1, 1, "anywhere", seed)
    m, P, _, _ = conditioned(model, y[:, 0], 0)
    if many:
        y = y.repeat(1, 3, 1)
        y[5, 1:] = y[4, 2] = torch.nan
    found = kalman.filter(model, y)
    for smoothed in (smooth(found), two_filter(found, y), parallel.smooth(model, y)):
        assert (smoothed.m[0, 0] - m[0]).abs().max() < 1e-9 * variances(P)[0].max().sqrt()
        assert (smoothed.P[0, 0] - P[0]).abs().max() < 1e-9 * variances(P)[0].max()
        assert ((variances(smoothed.P[:, 0]) - variances(P)).abs() <= 1e-8 * variances(found.P[:, 0])).all()
    try:
        assert ((variances(rts(found).P[:, 0]) - variances(P)).abs() <= 1e-6 * variances(P)).all()
    except ValueError as error:
        assert "rounding has grown" in str(error)  # noqa: PT017


@pytest.mark.parametrize("seed", range(3))
def test_one_series_is_smoothed_as_among_many(seed):
    """Alone and among many the covariances take different ways."""
    model, y = random_model(3, 1, seed), data(50, 20, 1, "anywhere", seed)
    model = replace(model, P=10 ** (3.0 * seed) * model.P)
    many = smooth(kalman.filter(model, y), lag=True)
    for b in (0, 7):
        one = smooth(kalman.filter(model, y[:, b : b + 1]), lag=True)
        for name in ("m", "P", "lag"):
            assert gap(getattr(many, name)[:, b], getattr(one, name)[:, 0]) < 1e-9 * many.P.abs().max(), name


def test_float32_is_float64_rounded():
    y = data(40, 3, 1, "anywhere")
    for P in (1.0, 1e4, 1e8):
        exact, found = (kalman.filter(trend(1.0, 0.01, P, dtype), y.to(dtype)) for dtype in (F64, torch.float32))
        for run in (smooth, rts, lambda found: two_filter(found, y.to(found.m.dtype))):
            assert ((run(found).P - run(exact).P).abs() / run(exact).P[..., :1, :1]).max() < 1e-5
            assert gap(run(found).m.double(), run(exact).m) < 1e-4


def forms(model, y):
    found = kalman.filter(model, y)
    return smooth(found, lag=True), rts(found), two_filter(found, y), parallel.smooth(model, y)


@pytest.mark.parametrize("missing", ["none", "anywhere"])
@pytest.mark.parametrize("seed", range(3))
def test_units_do_not_matter(seed, missing):
    model, y = random_model(3, 2, seed), data(30, 3, 2, missing, seed)
    draw = torch.Generator().manual_seed(seed)
    for base, within in ((10.0, 1e-9), (2.0, 1e-12)):
        D, E = (base ** torch.randint(-6, 7, (k,), generator=draw).to(F64) for k in (3, 2))
        for plain, found in zip(forms(model, y), forms(*rescaled(model, y, D, E)), strict=True):
            sd = plain.P.diagonal(dim1=-2, dim2=-1).sqrt()
            assert ((found.m / D - plain.m).abs() / sd).max() < within
            assert ((found.P / D[:, None] / D - plain.P).abs() / sd[..., None] / sd[..., None, :]).max() < within


def test_two_filters_need_the_series_that_was_filtered():
    model, y = random_model(2, 2), data(9, 2, 2, "anywhere")
    found = kalman.filter(model, y)
    other, missed = y.clone(), y.clone()
    t, b, i = (~y.isnan()).nonzero()[5].tolist()
    other[t, b, i] += 1e-3
    missed[t, b, i] = torch.nan
    for wrong, words in (
        (y + 100, "y must be the one that was filtered, got another at"),
        (other, rf"y must be the one that was filtered, got another at .* = \({t}, {b}, {i}\)"),
        (y[:1], r"y must be the one that was filtered, of T, B = \(9, 2\), got \(1, 2\)"),
        (missed, rf"y and mask must miss what they missed when filtered, got another at .* = \({t}, {b}, {i}\)"),
    ):
        with pytest.raises(ValueError, match=words):
            two_filter(found, wrong)
    with pytest.raises(ValueError, match="y must be finite"):
        two_filter(found, y.masked_fill(~y.isnan(), torch.inf))


def test_noise_that_is_singular_up_to_rounding_is_named():
    R = torch.tensor([[1.0, 0.1], [0.1, 0.01]], dtype=F64)
    for scale in (1.0, 1e-6):
        E = torch.tensor([1.0, scale], dtype=F64)
        model = replace(random_model(2, 2), R=E[:, None] * R * E)
        y = data(30, 1, 2)
        with pytest.raises(ValueError, match="R must be positive definite, got a singular matrix at t=1: use smooth"):
            two_filter(kalman.filter(model, y), y)
    fine = replace(random_model(2, 2), R=torch.diag(torch.tensor([1e12, 1e-12], dtype=F64)))
    assert two_filter(kalman.filter(fine, y), y).P.isfinite().all()


def test_a_singular_prediction_is_welcome():
    model = random_model(3, 1)
    model = replace(model, Q=torch.diag(torch.tensor([1.0, 0.0, 0.0], dtype=F64)), P=torch.zeros(3, 3, dtype=F64))
    y = data(7, 1, 1)
    found = kalman.filter(model, y)
    m, P, lag, _ = conditioned(model, y[:, 0], 0)
    for smoothed in (smooth(found, lag=True), rts(found), two_filter(found, y), parallel.smooth(model, y)):
        assert gap(smoothed.m[:, 0], m) < 1e-10
        assert gap(smoothed.P[:, 0], P) < 1e-10
        assert smoothed.lag is None or gap(smoothed.lag[:, 0], lag) < 1e-10


@pytest.mark.parametrize("missing", ["none", "anywhere"])
@pytest.mark.parametrize("noisy", [True, False])
def test_measurements_without_noise(noisy, missing):
    """C Q C' is positive, or all is zero: there smooth conditions on s_{t+1}."""
    model = random_model(3, 1)
    q = torch.diag(torch.tensor([1.0, 0.0, 1.0] if noisy else [0.0, 0.0, 1.0], dtype=F64))
    model = replace(model, C=torch.tensor([[1.0, 0.5, 0.0]], dtype=F64), Q=q, R=torch.zeros(1, 1, dtype=F64))
    y = data(9, 2, 1, missing)
    smoothed = smooth(kalman.filter(model, y), lag=True)
    for b in range(2):
        m, P, lag, _ = conditioned(model, y[:, b], b)
        for ours, theirs in ((smoothed.m, m), (smoothed.P, P), (smoothed.lag, lag)):
            assert gap(ours[:, b], theirs) < 1e-8


def test_a_slope_that_is_learned_little_by_little_loses_no_digits():
    """No measurement takes away much of any variance, and all together leave a billionth of that of the slope."""
    A = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=F64)
    level, zero = torch.tensor([[1.0, 0.0]], dtype=F64), torch.zeros(2, dtype=F64)
    prior = torch.tensor([10.0, 1.0], dtype=F64).diag()
    model = StateSpace(A, level, torch.zeros_like(A), torch.eye(1, dtype=F64), zero, prior)
    y = torch.randn(2000, 3, 1, dtype=F64, generator=torch.Generator().manual_seed(0))
    y[5, 0] = y[7, 1] = torch.nan  # so that series have covariances of their own
    filtered = kalman.filter(model, y)
    assert not any(gain.steep for gain in filtered.gains)
    found, other = (P.diagonal(dim1=-2, dim2=-1) for P in (smooth(filtered).P, two_filter(filtered, y).P))
    assert ((found - other).abs() < 1e-8 * other).all()
