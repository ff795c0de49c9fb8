"""The laws of the filter and the smoother parallel in time: a scan, and the same numbers as in sequence."""

import pytest
import torch
from drawn import F64, gap
from state_space_models import MISSING, data, random_model, varying_model

from rnnbook.filters import kalman, parallel
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import StateSpace


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("T", [1, 2, 7, 64, 101])
def test_in_parallel_as_in_sequence(T, missing):
    model, y = random_model(3, 2), data(max(T, 7), 4, 2, missing)[:T]
    m, P = parallel.filter(model, y)
    found = kalman.filter(model, y)
    assert gap(m, found.m) < 1e-10
    assert gap(P, found.P) < 1e-10


def test_in_parallel_with_matrices_that_vary():
    model, y = varying_model(3, 2, 9, 4), data(9, 4, 2, "anywhere")
    m, P = parallel.filter(model, y)
    found = kalman.filter(model, y)
    assert gap(m, found.m) < 1e-10
    assert gap(P, found.P) < 1e-10


@pytest.mark.parametrize("T", [0, 1, 2, 3, 8, 13])
def test_a_scan_is_the_running_product_in_order(T):
    words = torch.eye(2, dtype=F64) + torch.rand(T, 2, 2, dtype=F64)
    (products,) = parallel.associative_scan(lambda i, j: (i[0] @ j[0],), (words,))
    running = torch.eye(2, dtype=F64)
    assert len(products) == T
    for word, product in zip(words, products, strict=True):
        running = running @ word
        assert gap(product / running, torch.ones(2, 2, dtype=F64)) < 1e-12


def test_in_parallel_an_innovation_without_noise_is_named():
    one, both = torch.eye(1, dtype=F64), torch.ones(2, 1, dtype=F64)
    singular = StateSpace(one, both, one, torch.ones(2, 2, dtype=F64), 0 * one[0], one)
    y = data(5, 1, 2)
    for run in (kalman.filter, parallel.filter):
        with pytest.raises(ValueError, match="not positive definite at t=1"):
            run(singular, y)
    A, Q = torch.tensor([[1.0, 1], [0, 1]], dtype=F64), torch.diag(torch.tensor([0.0, 1], dtype=F64))
    exact = StateSpace(A, A[1:].flip(1), Q, 0 * one, torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    assert kalman.filter(exact, y[:, :, :1]).m.isfinite().all()
    with pytest.raises(ValueError, match=r"not positive definite at t=2.*use rnnbook.filters.kalman.filter"):
        parallel.filter(exact, y[:, :, :1])


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("T", [1, 2, 64, 101])
def test_smoothed_in_parallel_as_in_sequence(T, missing):
    model, y = random_model(3, 2), data(max(T, 7), 4, 2, missing)[:T]
    found = kalman.filter(model, y)
    ours = parallel.smooth(model, y)
    assert gap(ours.m, smooth(found).m) < 1e-10
    assert gap(ours.P, smooth(found).P) < 1e-10


def test_smoothed_in_parallel_with_matrices_that_vary():
    model, y = varying_model(3, 2, 9, 4), data(9, 4, 2, "anywhere")
    ours = parallel.smooth(model, y)
    assert gap(ours.m, smooth(kalman.filter(model, y)).m) < 1e-10


def test_an_infinite_measurement_is_refused_with_its_place():
    y = data(5, 2, 1)
    y[3, 1] = torch.inf
    with pytest.raises(ValueError, match=r"y must be finite.*got inf at \(t, b, i\) = \(3, 1, 0\)"):
        parallel.filter(random_model(2, 1), y)


def test_a_singular_prediction_is_welcome():
    none = torch.zeros(2, 2, dtype=F64)
    A = torch.tensor([[0.5, 0.3], [1.0, 0.0]], dtype=F64)  # the second state is the first, one step ago
    Q, C = torch.diag(torch.tensor([1.0, 0.0], dtype=F64)), torch.tensor([[1.0, 0.5]], dtype=F64)
    model, y = StateSpace(A, C, Q, torch.ones(1, 1, dtype=F64), none[0], none), data(9, 2, 1)
    found, wanted = parallel.smooth(model, y), smooth(kalman.filter(model, y))
    assert gap(found.m, wanted.m) < 1e-12
    assert gap(found.P, wanted.P) < 1e-12


def test_the_gradient():
    model, y = random_model(2, 1), data(6, 2, 1, "anywhere")

    def run(A, C):
        made = StateSpace(A, C, model.Q, model.R, model.m, model.P)
        smoothed = parallel.smooth(made, y)
        return smoothed.m, smoothed.P

    assert torch.autograd.gradcheck(run, [X.clone().requires_grad_() for X in (model.A, model.C)])


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("prior", [1.0, 1e3, 1e6])
def test_what_follows_never_makes_a_state_less_certain(dtype, prior):
    """0 ≤ P_s ≤ P_f, as matrices, up to the rounding of P_f, however little is known at the start."""
    for seed in range(20):
        torch.manual_seed(seed)
        made, y = random_model(3, 1), data(40, 2, 1, "anywhere").to(dtype)
        start = prior * torch.eye(3, dtype=F64)
        model = StateSpace(*(X.to(dtype) for X in (made.A, made.C, made.Q, made.R, made.m, start)))
        P_f, P_s = parallel.filter(model, y)[1].double(), parallel.smooth(model, y).P.double()
        size = P_f.diagonal(dim1=-2, dim2=-1).amax(-1)
        rounding = 100 * torch.finfo(dtype).eps * size
        assert (torch.linalg.eigvalsh(P_s)[..., 0] >= -rounding).all()
        assert (torch.linalg.eigvalsh(P_f - P_s)[..., 0] >= -rounding).all()
