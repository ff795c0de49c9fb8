"""The laws of a model: what it refuses, by name, whatever the units; and its two short forms."""

from dataclasses import replace

import pytest
import torch
from drawn import F64
from state_space_models import E1, GOOD, random_model

from rnnbook.filters.statespace import StateSpace, autoregression, local_level


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"A": [[1.0]]}, TypeError, "A must be a torch.Tensor, got list"),
        ({"A": torch.ones(1, 1, dtype=torch.int64)}, TypeError, "A must be a floating-point tensor, got torch.int64"),
        ({"Q": torch.eye(1)}, TypeError, "Q must have the dtype of A, torch.float64, got torch.float32"),
        ({"C": torch.ones(1, 2, dtype=F64)}, ValueError, r"C must have shape \(1, 1\) or .*, got \(1, 2\)"),
        ({"m": torch.zeros(2, dtype=F64)}, ValueError, r"m must have shape \(1\) or \(B, 1\), got \(2,\)"),
        ({"R": -E1}, ValueError, "R must have no negative variance on its diagonal, got -1"),
        ({"P": E1 * torch.inf}, ValueError, "P must be finite; for an unknown start see rnnbook.filters.diffuse"),
        ({"A": E1 * torch.nan}, ValueError, r"A must be finite, got nan at \(0, 0\)"),
        ({"C": E1 * torch.inf}, ValueError, r"C must be finite, got inf at \(0, 0\)"),
        ({"m": E1[0] * torch.nan}, ValueError, "m must be finite, got nan at 0"),
    ],
)
def test_a_wrong_model_is_named(change, error, words):
    with pytest.raises(error, match=words):
        StateSpace(**(GOOD | change))


def test_an_asymmetric_covariance_is_named():
    model = random_model(2, 1)
    with pytest.raises(ValueError, match=r"Q must be symmetric, got 1 at .0, 1. and 0 in its mirror"):
        replace(model, Q=torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=F64))


def test_a_stationary_start_needs_a_stable_a():
    with pytest.raises(ValueError, match=r"a must be within \(-1, 1\) for a stationary start, got 1.0"):
        autoregression(1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", ["Q", "R", "P"])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("where", ["alone", "at one time", "of one series"])
def test_a_correlation_above_one_is_named(name, unit, where):
    """The diagonal is positive and the matrix symmetric: only its eigenvalues tell."""
    model = random_model(2, 2)
    wrong = torch.tensor([[1.0, 1.05], [1.05, 1.0]], dtype=F64)
    wrong = wrong * torch.tensor([1, unit]) * torch.tensor([[1], [unit]])
    if where != "alone":
        wrong = torch.stack([model.Q * 0, wrong, model.Q * 0])
    if where == "of one series" and name != "P":
        wrong = wrong[None]
    with pytest.raises(ValueError, match=f"{name} must be positive semidefinite, got the eigenvalue -"):
        replace(model, **{name: wrong})


def test_singular_covariances_are_welcome():
    b = torch.tensor([[1.0], [1e-3], [1e4]], dtype=F64)
    model = random_model(3, 1)
    replace(model, Q=b @ b.T, P=torch.zeros(3, 3, dtype=F64), R=torch.zeros(1, 1, dtype=F64))
    replace(model, Q=(b @ b.T).expand(5, 2, 3, 3))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"q": -1.0}, "q must be a variance, 0 or more, got -1.0"),
        ({"r": -0.5}, "r must be a variance, 0 or more, got -0.5"),
        ({"P": -2.0}, "P must be a variance, 0 or more, got -2.0"),
        ({"q": float("nan")}, "q must be a finite number, got nan"),
        ({"m": float("inf")}, "m must be a finite number, got inf"),
    ],
)
def test_a_wrong_variance_is_named(given, words):
    for make in (local_level, lambda **rest: autoregression(0.5, **rest)):
        with pytest.raises(ValueError, match=words):
            make(**({"q": 1.0, "r": 1.0} | given))


def test_a_stationary_variance_keeps_its_digits():
    """1 − a² of a = 1 − 2⁻⁴⁰ is 2⁻³⁹ − 2⁻⁸⁰ exactly."""
    P = autoregression(1 - 2**-40, 1.0, 1.0).P.item()
    assert abs(P * (2**-39 - 2**-80) - 1) < 1e-15
