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


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("T", [1, 2, 64, 101])
def test_in_parallel_as_in_sequence(T, missing):
    model, y = random_model(3, 2), data(max(T, 7), 4, 2, missing)[:T]
    found = kalman.filter(model, y)
    ours = parallel.smooth(model, *parallel.filter(model, y))
    assert gap(ours.m, smooth(found).m) < 1e-10
    assert gap(ours.P, smooth(found).P) < 1e-10


def test_in_parallel_with_matrices_that_vary():
    model, y = varying_model(3, 2, 9, 4), data(9, 4, 2, "anywhere")
    ours = parallel.smooth(model, *parallel.filter(model, y))
    assert gap(ours.m, smooth(kalman.filter(model, y)).m) < 1e-10


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


def unknown_start(model):
    n = model.n
    return replace(model, m=torch.zeros(n, dtype=F64), P=torch.zeros(n, n, dtype=F64))


def test_an_unknown_start_is_the_limit_of_a_vague_one():
    """The gap to a prior of variance κ shrinks as 1/κ."""
    model, y = unknown_start(random_model(2, 1)), data(30, 3, 1, "in groups")
    exact = diffuse.filter(model, y, torch.eye(2, dtype=F64))
    smoothed, (m, P) = exact.smoothed(lag=True), exact.filtered()
    gaps = []
    for kappa in (1e3, 1e4):
        vague = kalman.filter(replace(model, P=kappa * torch.eye(2, dtype=F64)), y)
        after = rts(vague)
        shift = np.log(kappa)
        gaps.append(
            (
                gap(after.m, smoothed.m),
                gap(after.P, smoothed.P),
                gap(after.lag, smoothed.lag),
                gap(vague.log_likelihood + shift, exact.log_likelihood),
                gap(vague.m[1:3], m[1:3]),
                gap(vague.P[1:3], P[1:3]),
            )
        )
    for first, second in zip(*gaps, strict=True):
        assert 8 < first / second < 12


def test_an_unknown_start_of_the_nile_as_by_statsmodels():
    model = unknown_start(local_level(PUBLISHED["q"], PUBLISHED["r"]))
    exact = diffuse.filter(model, NILE, torch.ones(1, 1, dtype=F64))
    theirs = KalmanSmoother(k_endog=1, k_states=1, k_posdef=1, tolerance=0)
    theirs["design", 0, 0] = theirs["transition", 0, 0] = theirs["selection", 0, 0] = 1
    theirs["obs_cov", 0, 0], theirs["state_cov", 0, 0] = PUBLISHED["r"], PUBLISHED["q"]
    theirs.initialize_diffuse()
    theirs.bind(NILE[:, 0].numpy().copy())
    result = theirs.smooth()
    smoothed = exact.smoothed()
    np.testing.assert_allclose(smoothed.m[:, 0], result.smoothed_state.T, rtol=1e-9)
    np.testing.assert_allclose(smoothed.P[:, 0], result.smoothed_state_cov.transpose(2, 0, 1), rtol=1e-9)
    # Durbin & Koopman's constant has no (d/2) log 2π; the published value is -632.54 with this convention.
    assert abs(exact.log_likelihood.item() - result.llf) < 1e-9 + 0.5 * np.log(2 * np.pi)
    m, P = exact.filtered()
    np.testing.assert_allclose(m[:, 0], result.filtered_state.T, rtol=1e-9)
    np.testing.assert_allclose(P[0, 0, 0, 0], PUBLISHED["r"], rtol=1e-12)


def test_what_the_data_leave_open_is_named():
    model, y = unknown_start(random_model(2, 1)), data(3, 2, 1)
    y[1:, 1] = torch.nan
    with pytest.raises(ValueError, match="y of series 1 determines 1 of the d = 2 unknown directions of X"):
        diffuse.filter(model, y, torch.eye(2, dtype=F64))
    start = diffuse.filter(model, y[:, :1], torch.eye(2, dtype=F64))
    m, P = start.filtered()
    assert m[0].isnan().all()
    assert P[0].isinf().all()
    assert m[1:].isfinite().all()


def test_a_wrong_direction_is_named():
    with pytest.raises(ValueError, match=r"X must have shape \(n, d\) = \(2, d\), got \(3, 1\)"):
        diffuse.filter(random_model(2, 1), data(3, 2, 1), torch.ones(3, 1, dtype=F64))
    assert isinstance(random_model(2, 1), StateSpace)


@pytest.mark.parametrize(
    ("changed", "mask", "words"),
    [
        ({}, torch.ones(5, 3).bool(), r"mask must have shape \(5, 2\) or \(5, 2, 1\), got \(5, 3\)"),
        ({"Q": (1, 3, 1, 1)}, None, "Q must have 1 or B = 2 along axis B, got 3"),
        ({"A": (4, 1, 1)}, None, "A must have 1 or T = 5 along axis T, got 4"),
        ({"P": (3, 1, 1)}, None, "P must have 1 or B = 2 along axis B, got 3"),
        ({"m": (3, 1)}, None, "m must have 1 or B = 2 along axis B, got 3"),
    ],
)
def test_an_unknown_start_names_the_sizes_that_were_given(changed, mask, words):
    parts = {name: torch.ones(1, 1, dtype=F64) for name in "ACQRP"} | {"m": torch.zeros(1, dtype=F64)}
    model = StateSpace(**(parts | {name: torch.ones(shape, dtype=F64) for name, shape in changed.items()}))
    y = data(5, 2, 1)
    for run in (
        lambda: kalman.filter(model, y, mask),
        lambda: diffuse.filter(model, y, torch.ones(1, 1, dtype=F64), mask),
    ):
        with pytest.raises(ValueError, match=words):
            run()


def test_an_unknown_start_reads_a_mask_as_it_reads_nan():
    model, y = unknown_start(random_model(2, 2)), data(12, 3, 2)
    seen = torch.rand(12, 3, 2) < 0.7
    gone = y.masked_fill(~seen, torch.nan)
    masked, nan = (
        diffuse.filter(model, *given) for given in ((y, torch.eye(2, dtype=F64), seen), (gone, torch.eye(2, dtype=F64)))
    )
    assert gap(masked.smoothed().m, nan.smoothed().m) < 1e-12
    assert gap(masked.log_likelihood, nan.log_likelihood) < 1e-12
    whole = seen[:, :, 0]
    by_step = diffuse.filter(model, y, torch.eye(2, dtype=F64), whole)
    by_entry = diffuse.filter(model, y, torch.eye(2, dtype=F64), whole[:, :, None].expand(-1, -1, 2))
    assert gap(by_step.smoothed().m, by_entry.smoothed().m) < 1e-12


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
