"""The laws of the doors: a verdict does not depend on units, and what is refused is named."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnbook import _expect as expect

F32, F64, HALF, BRAIN = torch.float32, torch.float64, torch.float16, torch.bfloat16


def verdict(X):
    try:
        return expect.semidefinite("P", X) is X
    except ValueError:
        return False


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 12),
    rank=st.integers(0, 15),
    dtype=st.sampled_from([F32, F64]),
    batch=st.sampled_from([(), (3,), (2, 1)]),
    seed=st.integers(0, 1000),
)
def test_a_product_of_a_matrix_with_itself_passes_whatever_its_rank_and_units(n, rank, dtype, batch, seed):
    torch.manual_seed(seed)
    A = torch.randn(*batch, n, rank, dtype=dtype) * 10.0 ** torch.randint(-8, 8, (n, 1))
    assert verdict(A @ A.mT)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 6), seed=st.integers(0, 1000), dtype=st.sampled_from([F32, F64]))
def test_the_verdict_does_not_depend_on_units(n, seed, dtype):
    torch.manual_seed(seed)
    A = torch.randn(n, n, dtype=dtype)
    X = A @ A.T - torch.rand(()) ** 4 * torch.randn(n, n, dtype=dtype).square().mean() * torch.eye(n, dtype=dtype)
    X = (X + X.T) / 2
    X[0] *= seed % 3 > 0  # a variance of zero, alone or beside other entries
    X[:, 0] *= seed % 2
    units = 2.0 ** torch.randint(-30, 30, (n,))
    assert verdict(X) == verdict(X * units[:, None] * units)


@pytest.mark.parametrize("dtype", [F32, F64, HALF, BRAIN])
@pytest.mark.parametrize("unit", [2.0**-6, 1.0, 2.0**6])
def test_a_correlation_of_more_than_one_never_passes(dtype, unit):
    X = torch.tensor([[1, 1.05 * unit, 0], [1.05 * unit, unit**2, 0], [0, 0, 1]], dtype=dtype)
    with pytest.raises(ValueError, match="P must be positive semidefinite, got the eigenvalue -"):
        expect.semidefinite("P", X)
    X[0, 1] = X[1, 0] = unit
    assert verdict(X)


def test_the_eigenvalue_and_the_place_are_named():
    X = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match=r"P must be positive semidefinite, got the eigenvalue -1$"):
        expect.semidefinite("P", X.requires_grad_())
    batch = torch.stack((torch.eye(2), X.detach()))
    with pytest.raises(ValueError, match=r"got the eigenvalue -1 at 1$"):
        expect.semidefinite("P", batch)
    hidden = torch.block_diag(torch.tensor([[1e20]]), X.detach())  # whose rounding is larger than the 1
    with pytest.raises(ValueError, match=r"got the eigenvalue -1 of the matrix scaled to a unit diagonal"):
        expect.semidefinite("P", hidden)
    with pytest.raises(ValueError, match=r"no negative variance on its diagonal, got -0.5"):
        expect.semidefinite("P", torch.diag(torch.tensor([1.0, -0.5])))
    with pytest.raises(ValueError, match=r"got 1e-12 at \(0, 1\) beside a variance of zero, and the eigenvalue -1e-24"):
        expect.semidefinite("P", torch.tensor([[0, 1e-12], [1e-12, 1]], dtype=F64))
    with pytest.raises(ValueError, match=r"P must be symmetric, got 0.5 at \(0, 1\) and 0.25 in its mirror"):
        expect.semidefinite("P", torch.tensor([[1, 0.5, 0], [0.25, 1, 0], [0, 0, 1e9]], dtype=F64))
    large, small = 1e12, torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=F64)
    with pytest.raises(ValueError, match=r"got 0.5 at \(1, 0, 1\) and 0 in its mirror"):
        expect.semidefinite("P", torch.stack((large * torch.eye(2, dtype=F64), small)))


def test_nothing_and_zero_are_semidefinite():
    for X in (torch.zeros(0, 0), torch.zeros(3, 3), torch.zeros(0, 2, 2), torch.ones(1, 1)):
        assert verdict(X)


@pytest.mark.parametrize(
    ("door", "value", "error", "words"),
    [
        (expect.real, [1.0], TypeError, "X must be a torch.Tensor, got list"),
        (expect.real, torch.ones(2, dtype=torch.long), TypeError, "real floating-point numbers, got torch.int64"),
        (expect.real, torch.ones(2, dtype=torch.complex64), TypeError, "got complex numbers"),
        (expect.finite, torch.tensor(math.nan), ValueError, "X must be finite, got nan$"),
        (expect.finite, torch.tensor([0, math.inf], dtype=HALF), ValueError, "X must be finite, got inf at 1$"),
        (expect.finite, torch.tensor([[0, -math.inf]]).requires_grad_(), ValueError, r"got -inf at \(0, 1\)$"),
        (
            expect.finite,
            torch.ones(2, device="meta"),
            ValueError,
            "X must hold numbers, got a tensor on the device meta",
        ),
        (expect.square, "W", TypeError, "X must be a torch.Tensor, got str"),
        (expect.square, torch.ones(()), ValueError, r"X must have shape \(n, n\), got \(\)"),
        (expect.square, torch.ones(2, 3), ValueError, r"X must have shape \(n, n\), got \(2, 3\)"),
        (expect.square, torch.ones(1, 2, 2), ValueError, r"got \(1, 2, 2\)"),
        (expect.square, torch.full((1, 1), math.nan), ValueError, r"got nan at \(0, 0\)"),
        (expect.semidefinite, None, TypeError, "X must be a torch.Tensor, got NoneType"),
        (expect.semidefinite, torch.ones(()), ValueError, r"X must have shape \(…, n, n\), got \(\)"),
        (expect.semidefinite, torch.ones(3), ValueError, r"got \(3,\)"),
        (expect.semidefinite, torch.ones(2, 3), ValueError, r"got \(2, 3\)"),
        (expect.semidefinite, torch.eye(2, device="meta"), ValueError, "X must hold numbers"),
        (expect.semidefinite, torch.eye(2).long(), TypeError, "X must hold real floating-point numbers"),
        (expect.whole, 2.0, TypeError, "X must be a whole number, got 2.0"),
        (expect.whole, "2", TypeError, "got '2'"),
        (expect.whole, True, TypeError, "got True"),
        (expect.whole, np.bool_(True), TypeError, "X must be a whole number"),
        (expect.whole, torch.tensor(True), TypeError, "X must be a whole number"),
        (expect.whole, torch.tensor(2, device="meta"), TypeError, "X must be a whole number"),
        (expect.whole, torch.tensor([1, 2]), TypeError, "X must be a whole number"),
        (expect.whole, -1, ValueError, "X must be at least 0, got -1"),
        (expect.whole, 2**63, ValueError, "X must be less than 2"),
        (expect.positive, 0, ValueError, "X must be at least 1, got 0"),
        (expect.number, "1.5", TypeError, "X must be a real number, got '1.5'"),
        (expect.number, b"1", TypeError, "X must be a real number"),
        (expect.number, True, TypeError, "X must be a real number, got True"),
        (expect.number, np.bool_(True), TypeError, "X must be a real number"),
        (expect.number, 1j, TypeError, "X must be a real number, got 1j"),
        (expect.number, np.complex64(1 + 2j), TypeError, "X must be a real number"),
        (expect.number, torch.tensor(1j), TypeError, "X must be a real number"),
        (expect.number, torch.ones(2), TypeError, "X must be a real number"),
        (expect.number, torch.ones((), device="meta"), TypeError, "X must be a real number"),
        (expect.number, torch.ones((), requires_grad=True), TypeError, r"without a gradient, .* give X.detach\(\)"),
        (expect.number, 10**400, TypeError, "X must be a real number"),
        (expect.number, math.nan, ValueError, "X must be a finite number, got nan"),
        (expect.floating, torch.int32, TypeError, "X must be a real floating-point dtype .* got torch.int32"),
        (expect.floating, "float32", TypeError, "got 'float32'"),
        (expect.device, "gpu", ValueError, "X must be a device that is there, .* got 'gpu'"),
        (expect.device, 1.5, ValueError, "got 1.5"),
    ],
)
def test_what_does_not_fit_is_named(door, value, error, words):
    with pytest.raises(error, match=words):
        door("X", value)


@pytest.mark.parametrize("dtype", [F32, F64, HALF, BRAIN])
def test_what_fits_comes_back_as_it_was(dtype):
    for X in (
        torch.eye(3, dtype=dtype, requires_grad=True),
        torch.ones(1, 1, dtype=dtype),
        torch.zeros(0, 0, dtype=dtype),
    ):
        assert all(door("X", X) is X for door in (expect.real, expect.finite, expect.square, expect.semidefinite))
    assert expect.finite("X", torch.ones((), dtype=dtype)) == 1
    assert expect.floating("X", dtype) is dtype
    assert expect.device("X", None) == torch.empty(0).device


def test_numbers_of_every_library_come_back_as_pythons():
    for three in (3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)):
        assert expect.whole("X", three) == 3
        assert type(expect.whole("X", three)) is int
    for half in (0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), Fraction(1, 2), Decimal("0.5")):
        assert expect.number("X", half) == 0.5
        assert type(expect.number("X", half)) is float
    assert expect.number("X", 0, least=0) == 0
    with pytest.raises(ValueError, match="X must be a finite number of at least 0, got -1"):
        expect.number("X", -1, least=0)
    with pytest.raises(ValueError, match="X must be a finite number above 0, got 0"):
        expect.number("X", 0, above=0)


def test_any_number_of_axes_may_stand_before():
    like = torch.empty(0)
    for shape in ((3,), (2, 3), (4, 2, 3)):
        assert expect.tensor("x", torch.ones(shape), [("…", None), ("I", 3)], like).shape == shape
    for shape in ((), (2,), (3, 2)):
        with pytest.raises(ValueError, match=r"x must have shape \(…, I\) = \(…, 3\), got"):
            expect.tensor("x", torch.ones(shape), [("…", None), ("I", 3)], like)
    with pytest.raises(TypeError, match=r"x must have b's dtype torch\.float32, got torch\.float64"):
        expect.tensor("x", torch.ones(3, dtype=F64), [("I", 3)], like, whose="b's")


@pytest.mark.parametrize("value", [["a"], None, np.array(["a", "b"]), torch.ones(2), b"a", "c"])
def test_a_choice_is_a_word_of_the_list(value):
    assert expect.choice("X", "a", ["a", "b"]) == "a"
    with pytest.raises(ValueError, match="X must be one of 'a', 'b', got"):
        expect.choice("X", value, ["a", "b"])


def test_a_flag_is_true_or_false_and_nothing_that_counts_as_one():
    for value in (True, np.True_, torch.tensor(True), np.array(True)):
        assert expect.flag("X", value) is True
    for value in (1, 0, "no", None, [False], np.array([True]), torch.ones(2) > 0, 1.0, np.bool_):
        with pytest.raises(TypeError, match="X must be True or False, got"):
            expect.flag("X", value)
