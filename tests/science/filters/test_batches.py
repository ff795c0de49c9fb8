"""Many series at once: values come back at their steps, and columns that are alike form one group."""

from dataclasses import dataclass

import pytest
import torch
from drawn import F64

from rnnbook.filters.batches import Steps, by_series, of_series, over_steps, patterns, runs


@pytest.mark.parametrize("keeps_gradient", [True, False])
def test_values_come_back_at_the_steps_that_they_were_given_for(keeps_gradient):
    X = torch.randn(5, 2, 3, dtype=F64)
    steps = Steps(5, X[0], keeps_gradient)
    steps.fill(4, 5, X[4])
    steps.fill_each(1, 4, X[1:4])
    steps.fill(0, 1, X[0])
    assert torch.equal(steps.tensor(), X)
    assert all(torch.equal(steps.at(t), X[t]) for t in range(5))
    steps.fill(1, 4, X[0])
    assert torch.equal(steps.tensor(), X[[0, 0, 0, 0, 4]])


def test_gradients_pass_where_they_are_kept():
    x = torch.ones(2, requires_grad=True)
    steps = Steps(3, x, keeps_gradient=True)
    steps.fill(0, 2, 2 * x)
    steps.fill(2, 3, x)
    steps.tensor().sum().backward()
    assert torch.equal(x.grad, torch.tensor([5.0, 5.0]))


@pytest.mark.parametrize(("K", "B"), [(1, 1), (3, 7), (9, 40), (17, 5)])
def test_a_pattern_stands_for_all_columns_like_it(K, B):
    seen = torch.rand(K, B, generator=torch.Generator().manual_seed(K)) < 0.5
    first, group = patterns(seen)
    assert torch.equal(seen[:, first][:, group], seen)
    distinct = {tuple(column.tolist()) for column in seen.T}
    assert len(first) == len(distinct) == int(group.max()) + 1


@dataclass
class Step:
    X: torch.Tensor


def test_what_is_used_again_is_used_in_one_run():
    a, b = Step(torch.zeros(2)), Step(torch.ones(2))
    steps = [a, a, b, a]
    assert runs(steps) == [(0, 2), (2, 3), (3, 4)]
    assert torch.equal(over_steps(steps, "X"), torch.stack([step.X for step in steps]))
    assert torch.equal(over_steps([a, b], "X"), torch.stack([a.X, b.X]))


def test_matrices_of_groups_become_those_of_series():
    T, n, G = 4, 2, 3
    X, group = torch.randn(T, n, n, G, dtype=F64), torch.tensor([2, 0, 0, 1, 2])
    of_all = by_series(X, group, 5)
    for b, g in enumerate(group):
        assert torch.equal(of_all[:, b], X[..., g])
        assert torch.equal(of_series(X[0], group)[..., b], X[0, ..., g])
    assert torch.equal(by_series(X, None, G), X.permute(0, 3, 1, 2))
    assert torch.equal(by_series(X[..., 0], group, 5), X[:, None, :, :, 0].expand(-1, 5, -1, -1))
    assert torch.equal(of_series(X[0, ..., 0], group), X[0, ..., 0])
