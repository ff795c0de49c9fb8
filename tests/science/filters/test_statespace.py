"""The laws of a model: what it refuses, by name, whatever the units; and its two short forms."""


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"A": [[1.0]]}, TypeError, "A must be a torch.Tensor, got list"),
        ({"A": torch.ones(1, 1, dtype=torch.int64)}, TypeError, "A must be a floating-point tensor, got torch.int64"),
        ({"Q": torch.eye(1)}, TypeError, "Q must have the dtype of A, torch.float64, got torch.float32"),
        ({"C": torch.ones(1, 2, dtype=F64)}, ValueError, r"C must have shape \(1, 1\) or .*, got \(1, 2\)"),
        ({"m": torch.zeros(2, dtype=F64)}, ValueError, r"m must have shape \(1\) or \(B, 1\), got \(2,\)"),
        ({"R": -E1}, ValueError, "R must have no negative variance on its diagonal, got -1"),
        ({"P": E1 * torch.inf}, ValueError, "P must be finite"),
    ],
)
def test_a_wrong_model_is_named(change, error, words):
    with pytest.raises(error, match=words):
        StateSpace(**(GOOD | change))


def test_an_asymmetric_covariance_is_named():
    model = random_model(2, 1)
    with pytest.raises(ValueError, match="Q must be symmetric, got entries that differ from their mirror by 1"):
        replace(model, Q=torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=F64))


def test_a_stationary_start_needs_a_stable_a():
    with pytest.raises(ValueError, match=r"a must be within \(-1, 1\) for a stationary start, got 1.0"):
        autoregression(1.0, 1.0, 1.0)
