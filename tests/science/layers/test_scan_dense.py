"""The laws of the linear recurrence with a matrix: any grouping gives the same states and gradients."""

import pytest
import torch
from drawn import gap
from scans import F64, both_kinds, draw, starts, with_gradients

from rnnbook.layers.scan import scan
from rnnbook.layers.scan_dense import RUN, chunked, doubling, scan_dense, sequential

SOUND = torch.zeros(4, 2, 3)


@both_kinds
@starts
@pytest.mark.parametrize("T", [1, 2, 3, 33, 129, 300, 1000])
def test_every_algorithm_is_the_loop(T, dtype, start):
    _, b, h_0 = draw(T, dtype=dtype, start=start)
    A = torch.randn(3, 3, dtype=dtype)
    A = 0.98 * A / torch.linalg.eigvals(A).abs().max()
    expected = with_gradients(lambda A, b, h: scan_dense(A, b, h, "loop"), (A, b, h_0))
    scale = max(1.0, *(part.abs().max().item() for part in expected))
    for algorithm in RUN:
        got = with_gradients(lambda A, b, h, by=algorithm: scan_dense(A, b, h, by), (A, b, h_0))
        assert gap(got, expected) < 1e-12 * scale, algorithm


@both_kinds
@pytest.mark.parametrize("algorithm", RUN)
def test_gradients_are_the_limits_of_differences(algorithm, dtype):
    A = (torch.randn(2, 2, dtype=dtype) / 3).requires_grad_()
    _, b, h_0 = draw(37, 1, 2, dtype)
    assert torch.autograd.gradcheck(
        lambda A, b, h: scan_dense(A, b, h, algorithm), (A, b.requires_grad_(), h_0.requires_grad_())
    )


def test_a_diagonal_matrix_is_the_elementwise_recurrence():
    a, (_, b, h_0) = torch.rand(3, dtype=F64), draw(200)
    assert gap([scan_dense(a.diag(), b, h_0)], [scan(a, b, h_0)]) < 1e-13


def test_a_nilpotent_matrix_forgets_exactly():
    A = torch.tensor([[0.0, 5.0], [0.0, 0.0]], dtype=F64)
    _, b, _ = draw(200, 1, 2)
    for algorithm in RUN:
        h = scan_dense(A, b, algorithm=algorithm)
        assert gap([h[1:]], [b[1:] + b[:-1] @ A.T]) < 1e-13


@pytest.mark.parametrize("algorithm", [*RUN, "loop"])
@pytest.mark.parametrize(("T", "B"), [(0, 2), (200, 0), (0, 0)])
def test_nothing_in_nothing_out(algorithm, T, B):
    _, b, h_0 = draw(T, B)
    A = torch.eye(3, dtype=F64, requires_grad=True)
    h = scan_dense(A, b.requires_grad_(), h_0, algorithm)
    assert h.shape == (T, B, 3)
    torch.autograd.grad(h.sum(), (A, b), allow_unused=True)


def test_the_size_decides_only_how_the_states_are_computed():
    for T, B, H in ((140, 1, 4), (140, 150, 4), (20, 150, 4)):
        A, (_, b, h_0) = 0.1 * torch.randn(H, H, dtype=F64), draw(T, B, H)
        assert gap([scan_dense(A, b, h_0)], [scan_dense(A, b, h_0, "loop")]) < 1e-12


def test_nothing_of_the_readers_is_changed():
    _, b, h_0 = draw(64)
    before = [t.clone() for t in (b, h_0)]
    for algorithm in RUN:
        scan_dense(torch.eye(3, dtype=F64), b, h_0, algorithm).zero_()
        assert all(torch.equal(x, y) for x, y in zip(before, (b, h_0), strict=True))


def test_a_second_derivative_is_refused_except_by_the_loop():
    _, b, _ = draw(5)
    A = torch.eye(3, dtype=F64, requires_grad=True)
    (first,) = torch.autograd.grad(scan_dense(A, b).square().sum(), A, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        first.sum().backward()
    b = torch.rand(4, 1, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda A, b: scan_dense(A, b, algorithm="loop"), (A[:2, :2], b))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"A must have shape \(H, H\) = \(3, 3\), got \(2, 2\)"):
        scan_dense(torch.eye(2), SOUND)
    with pytest.raises(TypeError, match="b must be real or complex"):
        scan_dense(torch.eye(3).long(), SOUND.long())
    with pytest.raises(ValueError, match="algorithm must be one of"):
        scan_dense(torch.eye(3), SOUND, algorithm="odd-even")


@pytest.mark.parametrize("T", [1, 5, 9])
def test_chunks_of_one_step(T):
    b, M = torch.rand(T, 2, 3), torch.randn(3, 3)
    assert gap(chunked(M, b, C=1), sequential(M, b)) < 1e-4


@pytest.mark.parametrize("T", [0, 1, 2, 7, 100])
def test_doubling_is_the_recurrence_of_columns_too(T):
    L, u, z = torch.randn(3, 3, dtype=F64) / 3, torch.randn(T, 3, 2, dtype=F64), torch.randn(3, 2, dtype=F64)
    expected = [z]
    for u_t in u:
        expected.append(L @ expected[-1] + u_t)
    assert gap(doubling(L.mT, torch.cat((z[None], u)).mT).mT, torch.stack(expected)) < 1e-13
