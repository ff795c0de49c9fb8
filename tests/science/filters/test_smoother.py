"""The laws of the smoothers: three forms, one answer, which conditioning and statsmodels give too; and no prior."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import F64, gap
from state_space_models import conditioned, data, random_model, varying_model
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother
from test_kalman import MISSING, NILE, PUBLISHED, nile, with_statsmodels

from rnnbook.filters import diffuse, kalman, parallel
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
