"""The laws of an unknown start: the limit of a vague one, statsmodels, and what the data leave open, in any unit."""


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
