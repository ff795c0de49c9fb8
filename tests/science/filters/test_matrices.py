"""The laws of what is inverted, solved and taken the root of: identities, units, and what counts as singular."""

import pytest
import torch
from drawn import F64, gap, randn

from rnnbook.filters.matrices import inverse, root, solve


def covariances(n, G):
    X = randn(G, n, n + 2)
    return (X @ X.mT).permute(1, 2, 0).contiguous()


@pytest.mark.parametrize("p", [1, 2, 3, 5])
@pytest.mark.parametrize("unit", [1e-70, 1e-9, 1.0, 1e9, 1e70])
def test_an_inverse_in_any_units(p, unit):
    S = covariances(p, 7)
    D = unit ** torch.linspace(-1, 1, p, dtype=F64)
    plain, logdet = inverse(S)
    found, log_found = inverse(D[:, None, None] * S * D[:, None])
    assert (
        gap(D[:, None, None] * found * D[:, None] / plain.abs().amax((0, 1)), plain / plain.abs().amax((0, 1))) < 1e-9
    )
    assert gap(log_found - 2 * D.log().sum(), logdet) < 1e-9
    wanted = torch.linalg.inv(S.permute(2, 0, 1)).permute(1, 2, 0)
    assert gap(plain, wanted) < 1e-10 * wanted.abs().max()
    alone, log_alone = inverse(S[:, :, 0])
    assert gap(alone, plain[:, :, 0]) < 1e-10 * alone.abs().max()
    assert abs(log_alone - logdet[0]) < 1e-12


@pytest.mark.parametrize("p", [2, 3])
@pytest.mark.parametrize("unit", [1e-80, 1.0, 1e80])
def test_only_what_is_singular_is_refused(p, unit):
    D = torch.ones(p, dtype=F64)
    D[-1] = unit
    eye = torch.eye(p, dtype=F64)
    for correlation, refused in ((0.0, False), (1 - 1e-13, False), (1.0, True), (1.05, True)):
        S = eye.clone()
        S[0, -1] = S[-1, 0] = correlation
        assert bool(inverse(D[:, None] * S * D)[1].isnan()) is refused


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_a_root_of_any_rank_and_a_solution_in_its_range(rank):
    X, Y = randn(3, rank), randn(rank, 4)
    for D in (torch.ones(3, dtype=F64), torch.tensor([1e-8, 1.0, 1e8], dtype=F64)):
        S, told = D[:, None] * (X @ X.T) * D, D[:, None] * X @ Y
        U, Z = root(S, told)
        assert torch.equal(U, U.triu())
        assert gap((U.T @ U) / D / D[:, None], X @ X.T) < 1e-12
        assert gap((U.T @ Z) / D[:, None], X @ Y) < 1e-7
        assert gap(S @ solve(S, told) / D[:, None], X @ Y) < 1e-7
        many = solve(S[:, :, None].expand(3, 3, 2), told[:, :, None].expand(3, 4, 2))
        assert gap(D[:, None] * many[:, :, 1], D[:, None] * solve(S, told)) < 1e-7
