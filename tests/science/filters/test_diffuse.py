"""The laws of an unknown start: the limit of a vague one, statsmodels, and what the data leave open, in any unit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import F64, gap
from state_space_models import NILE, PUBLISHED, data, random_model, rescaled, trend
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

from rnnbook.filters import diffuse, kalman
from rnnbook.filters.smoother import rts
from rnnbook.filters.statespace import StateSpace, local_level


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


@pytest.mark.parametrize("seed", range(3))
def test_units_do_not_matter(seed):
    model, y = unknown_start(random_model(3, 2, seed)), data(30, 3, 2, "anywhere", seed)
    draw = torch.Generator().manual_seed(seed)
    X = torch.randn(3, 2, generator=draw, dtype=F64)
    plain = diffuse.filter(model, y, X)
    m, P = plain.filtered()
    for base, within in ((10.0, 1e-9), (2.0, 1e-12)):
        D, E, F = (base ** torch.randint(-6, 7, (k,), generator=draw).to(F64) for k in (3, 2, 2))
        found = diffuse.filter(*rescaled(model, y, D, E), D[:, None] * X / F)
        sd = plain.delta_cov.diagonal(dim1=-2, dim2=-1).sqrt()
        assert ((found.delta / F - plain.delta).abs() / sd).max() < within
        sd = plain.smoothed().P.diagonal(dim1=-2, dim2=-1).sqrt()
        assert ((found.smoothed().m / D - plain.smoothed().m).abs() / sd).max() < within
        known, of = m.isfinite(), found.filtered()
        assert torch.equal(of[0].isfinite(), known)
        assert ((of[0] / D - m).abs() / P.diagonal(dim1=-2, dim2=-1).sqrt())[known].max() < within


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("step", [1e-9, 1.0, 1000.0])
def test_a_straight_line_is_found_whatever_the_unit_of_time(step, dtype):
    line = 2 + 0.5 * torch.arange(3000.0, dtype=F64)[:, None, None]
    found = diffuse.filter(trend(step, 0.0, 0.0, dtype), line.to(dtype), torch.eye(2, dtype=dtype))
    assert gap(found.delta.double() * torch.tensor([1, step]), torch.tensor([[2.0, 0.5]], dtype=F64)) < 5e-3
    m, P = found.filtered()
    assert m[0].isnan().all()
    assert m[1:].isfinite().all()
    assert P[1:].isfinite().all()


def test_a_parabola_over_ten_thousand_steps():
    A = torch.tensor([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], dtype=F64)
    eye, none = torch.eye(3, dtype=F64), torch.zeros(3, 3, dtype=F64)
    t = torch.arange(10_000.0, dtype=F64)
    model = StateSpace(A, eye[:1], none, eye[:1, :1], none[0], none)
    found = diffuse.filter(model, (2 + 0.5 * t + 0.01 * t * t)[:, None, None], eye)
    assert gap(found.delta, torch.tensor([[2.0, 0.5, 0.02]], dtype=F64)) < 1e-6


def test_directions_that_are_nearly_the_same_are_right_or_refused():
    y, eye, none = data(30, 1, 1), torch.eye(2, dtype=F64), torch.zeros(2, 2, dtype=F64)

    def found(apart):
        A = torch.diag(torch.tensor([0.9, 0.9 * (1 - apart)], dtype=F64))
        return diffuse.filter(StateSpace(A, eye[:1] + eye[1:], none, eye[:1, :1], none[0], none), y, eye)

    for apart in (1e-2, 1e-4):
        t = np.arange(30)
        V = np.stack([0.9**t, (0.9 * (1 - apart)) ** t], 1)
        wanted = np.linalg.lstsq(V, y[:, 0, 0].numpy(), rcond=None)[0]
        assert np.abs(found(apart).delta[0].numpy() / wanted - 1).max() < 1e-4
    for apart in (1e-6, 1e-9, 0.0):
        with pytest.raises(ValueError, match=r"y of series 0 determines 1 of the d = 2 unknown.*nearly the same"):
            found(apart)


def test_a_direction_seen_by_rounding_alone_is_not_seen():
    """C sees the sum of two states that differ by rounding: what it says of their difference is 0.1 + 0.2 − 0.3."""
    C = torch.tensor([[0.1, 0.2, -0.3]], dtype=F64)
    eye, none = torch.eye(3, dtype=F64), torch.zeros(3, 3, dtype=F64)
    model = StateSpace(eye, C, none, eye[:1, :1], none[0], none)
    with pytest.raises(ValueError, match="determines 0 of the d = 1"):
        diffuse.filter(model, data(5, 1, 1), torch.ones(3, 1, dtype=F64))


def test_an_infinite_measurement_is_refused_with_its_place():
    y = data(5, 2, 1)
    y[3, 1] = torch.inf
    with pytest.raises(ValueError, match=r"y must be finite.*got inf at \(t, b, i\) = \(3, 1, 0\)"):
        diffuse.filter(unknown_start(random_model(2, 1)), y, torch.eye(2, dtype=F64))
    with pytest.raises(ValueError, match="X must be finite, got nan at"):
        diffuse.filter(unknown_start(random_model(2, 1)), data(5, 2, 1), torch.full((2, 1), torch.nan, dtype=F64))
