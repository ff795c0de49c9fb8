"""The laws of linear maps: two forms of one map, Hankel rank, minimal realisations, similarity."""

import numpy as np
import pytest
import torch
from drawn import F64, gap, randn, random_rnn
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.linear.realisation import (
    Delayed,
    LinearRNN,
    degree,
    equivalent,
    from_elman,
    hankel,
    minimal,
    realise,
    similarity,
    smallest,
    to_elman,
    units,
)


def moving_average(*theta):
    """The shift register that computes e_t + θ_1 e_{t−1} + …"""
    q = len(theta)
    W = torch.eye(q + 1, dtype=F64).roll(1, 0)
    W[0, -1] = 0
    return LinearRNN(W, torch.eye(q + 1, 1), torch.tensor([[1.0, *theta]]), torch.zeros(1, 1))


def test_an_impulse_comes_out_as_the_markov_parameters():
    rnn = random_rnn(5, I=2, O=3)
    x = torch.zeros(9, 2, 2, dtype=F64)
    x[0] = torch.eye(2)
    y, h = rnn(x)
    psi = rnn.markov(9)
    assert psi.shape == (9, 3, 2)
    assert gap(y.mT, psi) < 1e-12
    assert gap(psi[0], rnn.C @ rnn.U + rnn.D) < 1e-14
    assert gap(psi[4], rnn.C @ torch.linalg.matrix_power(rnn.W, 4) @ rnn.U) < 1e-12
    assert gap(h.T, torch.linalg.matrix_power(rnn.W, 8) @ rnn.U) < 1e-12


def test_superscripts_are_powers_and_not_transposes():
    rnn = LinearRNN([[0.0, 1.0], [0.0, 0.0]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    assert rnn.markov(3).flatten().tolist() == [0, 1, 0]


def test_all_forms_compute_one_map():
    rnn, x = random_rnn(4, I=2, O=2), randn(20, 3, 2)
    y, _ = rnn(x)
    delayed = rnn.delayed()
    for other in (delayed, delayed.rnn(), delayed.rnn_of_same_size(), smallest(rnn), minimal(delayed)):
        assert gap(other(x)[0], y) < 1e-12
        assert equivalent(other, rnn)
    h_0 = randn(3, 4)
    assert gap(delayed(x, h_0)[0], rnn(x, h_0)[0]) < 1e-12
    assert gap(delayed(x, h_0)[1], rnn(x, h_0)[1]) < 1e-12


def test_two_halves_with_the_state_between_are_the_whole():
    for model in (random_rnn(3), random_rnn(3).delayed()):
        x = randn(8, 2, 1)
        first, state = model(x[:3])
        assert gap(torch.cat((first, model(x[3:], state)[0])), model(x)[0]) < 1e-14
        assert model(x[:0])[0].shape == (0, 2, 1)


def test_a_moving_average_has_degree_q_and_needs_one_unit_more():
    for theta in ([0.5], [2.0], [0.4, 0.3], [0.4, 0.3, -0.2]):
        model, q = moving_average(*theta), len(theta)
        assert degree(model) == q
        assert units(model) == units(model, skip=False) == smallest(model).n == q + 1
        with pytest.raises(ValueError, match=rf"no C solves CF = H .* rank {q - 1} of {q}; take rnn\(\) with {q + 1}"):
            minimal(model.delayed()).rnn_of_same_size()


def test_a_skip_saves_a_unit():
    # The accumulator's past, y_t = Σ_{s<t} 0.5^{t−s} x_s, plus x_t itself: one unit with a skip, two without.
    model = LinearRNN([[0.5]], [[1.0]], [[1.0]], [[3.0]])
    assert (degree(model), units(model), units(model, skip=False)) == (1, 1, 2)
    assert smallest(model).n == 1
    assert smallest(model, skip=False).n == 2
    assert not smallest(model, skip=False).D.any()
    assert gap(smallest(model, skip=False).markov(6), model.markov(6)) < 1e-12


def test_common_factors_and_idle_units_lower_the_degree():
    # (1 − 0.5 z)(1 − 0.2 z) y = (1 − 0.5 z) x: the factor at 0.5 cancels.
    W = [[0.7, 1.0], [-0.1, 0.0]]
    model = LinearRNN(W, [[1.0], [-0.5]], [[1.0, 0.0]], [[0.0]])
    assert degree(model) == units(model) == 1
    assert gap(minimal(model.delayed()).poles.abs(), torch.tensor([0.2], dtype=F64)) < 1e-12
    unreached = LinearRNN(torch.diag(torch.tensor([0.5, 0.3])), [[1.0], [0.0]], [[1.0, 1.0]], [[0.0]])
    unseen = LinearRNN(torch.diag(torch.tensor([0.5, 0.3])), [[1.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    assert degree(unreached) == degree(unseen) == 1
    assert equivalent(unreached, unseen)
    assert degree(LinearRNN([[0.5]], [[0.0]], [[1.0]], [[2.0]])) == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 8),
    I=st.integers(1, 2),
    O=st.integers(1, 2),
    radius=st.floats(0.3, 0.97),
    seed=st.integers(0, 10**6),
)
def test_a_minimal_realisation_keeps_the_markov_parameters(n, I, O, radius, seed):
    # Bound on conditioning: the Hankel singular values of the n modes span at most six orders of magnitude.
    torch.manual_seed(seed)
    rnn = random_rnn(n, I, O, radius)
    s = torch.linalg.svdvals(hankel(rnn.markov(2 * n)[1:], n, n))
    assume(s[n - 1] > 1e-6 * s[0])
    idle = torch.block_diag(rnn.W, torch.tensor([[0.5]], dtype=F64))
    padded = LinearRNN(idle, torch.cat((rnn.U, randn(1, I))), torch.cat((rnn.C, torch.zeros(O, 1)), 1), rnn.D)
    padded = padded.changed(torch.linalg.qr(randn(n + 1, n + 1)).Q)
    assert degree(padded) == n
    found = realise(padded.markov(2 * n + 1))
    assert found.n == n
    assert gap(found.markov(3 * n + 3), rnn.markov(3 * n + 3)) < 1e-10 * rnn.markov(3 * n).abs().max()


def test_a_given_order_is_kept_and_an_impossible_one_refused():
    psi = random_rnn(3).markov(9)
    assert realise(psi, 2).n == 2
    with pytest.raises(ValueError, match=r"n must be at most the Hankel rank 3, got 4: singular value 4 is \d"):
        realise(psi, 4)
    with pytest.raises(ValueError, match=r"count >= 3, got \(2, 1, 1\)"):
        realise(psi[:2])
    with pytest.raises(ValueError, match="3 by 2 blocks need 4 parameters, got 3"):
        hankel(psi[:3], 3, 2)


def test_a_change_of_state_changes_weights_and_not_the_map():
    rnn, S = random_rnn(5, 2, 2), randn(5, 5)
    other = rnn.changed(S)
    assert gap(other.W, rnn.W) > 0.1
    assert gap(other.markov(20), rnn.markov(20)) < 1e-12
    assert gap(other.poles.abs().sort().values, rnn.poles.abs().sort().values) < 1e-12
    assert equivalent(rnn, other)
    assert gap(similarity(rnn, other), S) < 1e-10
    found = similarity(rnn, smallest(rnn).changed(S))
    assert found.shape == (5, 5)
    assert gap(found @ rnn.W, smallest(rnn).changed(S).W @ found) < 1e-9


def test_a_singular_change_of_state_is_refused():
    with pytest.raises(ValueError, match="S must be invertible, got singular values from 2 to "):
        random_rnn(2).changed(torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"S must have shape \(n, n\) = \(2, 2\), got \(3, 3\)"):
        random_rnn(2).changed(torch.eye(3))


def test_what_differs_is_said():
    rnn = random_rnn(3)
    other = LinearRNN(rnn.W, rnn.U, rnn.C, rnn.D + 0.25)
    assert not equivalent(rnn, other)
    with pytest.raises(ValueError, match=r"the models differ: Psi_0 by 0\.25"):
        similarity(rnn, other)
    # The first Markov parameter in which they differ is the second, and by half.
    late = LinearRNN(rnn.W, rnn.U, rnn.C + 0.5 * torch.linalg.pinv(rnn.W @ rnn.U), rnn.D)
    late = LinearRNN(late.W, late.U, late.C, rnn.markov(1)[0] - late.C @ late.U)
    with pytest.raises(ValueError, match=r"the models differ: Psi_1 by 0\.5"):
        similarity(rnn, late)
    with pytest.raises(ValueError, match="models of 3 and 4 units are not similar; compare them with equivalent"):
        similarity(rnn, rnn.delayed().rnn())
    assert equivalent(rnn, rnn.delayed().rnn())
    idle = LinearRNN(torch.diag(torch.tensor([0.5, 0.3])), [[1.0], [0.0]], [[1.0, 1.0]], [[0.0]])
    with pytest.raises(ValueError, match="a is not minimal: 2 units, Hankel rank 1; take smallest"):
        similarity(idle, idle)
    with pytest.raises(ValueError, match=r"same \(O, I\), got \(1, 1\) and \(2, 1\)"):
        equivalent(rnn, random_rnn(3, 1, 2))


def test_least_moving_averages_are_not_all_similar():
    # CU is free when the pole is at 0: e_t + 0.5 e_{t−1} with C = [1, 0.5] and D = 0, or C = [0, 0.5] and D = 1.
    first = moving_average(0.5)
    second = LinearRNN(first.W, first.U, torch.tensor([[0.0, 0.5]]), torch.ones(1, 1))
    assert equivalent(first, second)
    with pytest.raises(ValueError, match="compute the same but are not similar: D differs by 1"):
        similarity(first, second)


@pytest.mark.parametrize(("skip", "extra"), [(False, 0), (True, 2)])
def test_the_cell_of_the_book_computes_the_same(skip, extra):
    rnn, x = random_rnn(4, 2, 3, skip=skip), randn(12, 5, 2)
    cell, V = to_elman(rnn)
    assert (cell.H, cell.phi) == (4 + extra, "identity")
    assert gap(Recurrent(cell)(x)[0] @ V.T, rnn(x)[0]) < 1e-12
    again = from_elman(cell, V)
    assert gap(again(x)[0], rnn(x)[0]) < 1e-12
    again.W.zero_()
    assert cell.W_h.any()


def test_only_linear_cells_without_a_bias_are_linear():
    with pytest.raises(ValueError, match="got phi='tanh'"):
        from_elman(Elman(1, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"b must be zero, got \|b\| up to 0\."):
        from_elman(Elman(1, 2, "identity"), torch.ones(1, 2))


def test_shapes_are_named():
    with pytest.raises(ValueError, match=r"U must have shape \(n, I\) = \(2, 1\), got \(3, 1\)"):
        LinearRNN(torch.eye(2), torch.ones(3, 1), torch.ones(1, 2), torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"H must have shape \(O, n\) = \(1, 2\), got \(1, 3\)"):
        Delayed(torch.eye(2), torch.ones(2, 1), torch.ones(1, 3), torch.ones(1, 1))
    rnn = random_rnn(2)
    with pytest.raises(ValueError, match=r"x must have shape \(T, B, I\) = \(T, B, 1\)"):
        rnn(randn(5, 3, 2))
    with pytest.raises(TypeError, match="x must have the parameters' dtype"):
        rnn(torch.zeros(5, 3, 1))
    with pytest.raises(ValueError, match=r"state must have shape \(B, n\) = \(3, 2\)"):
        rnn(randn(5, 3, 1), randn(2, 2))


def test_gradients_reach_the_weights():
    rnn = random_rnn(3, 2, 2)
    x = randn(4, 2, 2)
    weights = [M.clone().requires_grad_() for M in rnn.weights]
    assert torch.autograd.gradcheck(lambda *w: LinearRNN(*w).markov(4), weights)
    assert torch.autograd.gradcheck(lambda *w: LinearRNN(*w)(x)[0], weights)
    assert torch.autograd.gradcheck(lambda *w: LinearRNN(*w).delayed().rnn_of_same_size().markov(4), weights)


def test_poles_are_eigenvalues():
    rnn = random_rnn(4, radius=0.8)
    assert sorted(rnn.poles.abs().tolist()) == pytest.approx(sorted(np.abs(np.linalg.eigvals(rnn.W.numpy()))))
    assert rnn.stable
    assert not LinearRNN(rnn.W * 1.3, rnn.U, rnn.C, rnn.D).stable


def decisions(model):
    return (
        degree(model),
        units(model),
        units(model, skip=False),
        minimal(model.delayed()).n,
        smallest(model).n,
        smallest(model, skip=False).n,
    )


half = 0.5 * torch.eye(2, dtype=F64)
third = torch.diag(torch.tensor([0.5, 0.3, 0.2], dtype=F64))
EVERY_BASIS = {
    "e_t + 0.7 e_{t−1}": (moving_average(0.7), (1, 2, 2, 1, 2, 2)),
    "an average of three": (moving_average(0.4, 0.3, -0.2), (3, 4, 4, 3, 4, 4)),
    "nothing but a skip": (LinearRNN(half, [[1.0], [1.0]], [[1.0, -1.0]], [[1.0]]), (0, 0, 1, 0, 0, 1)),
    "nothing at all": (LinearRNN(half, [[1.0], [1.0]], [[1.0, -1.0]], [[0.0]]), (0, 0, 0, 0, 0, 0)),
    "a common factor": (LinearRNN([[0.7, 1], [-0.1, 0]], [[1.0], [-0.5]], [[1.0, 0]], [[0.0]]), (1, 1, 1, 1, 1, 1)),
    "two steps late": (
        LinearRNN([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1.0], [0], [0]], [[0.0, 0, 1]], [[0.0]]),
        (2, 3, 3, 2, 3, 3),
    ),
    "an output that sees nothing": (
        LinearRNN(third, [[1.0, 0], [0, 1], [0, 0]], [[1.0, 1, 0], [0, 0, 1]], torch.zeros(2, 2)),
        (2, 2, 2, 2, 2, 2),
    ),
    "a part that grows and is not seen": (
        LinearRNN(torch.diag(torch.tensor([0.5, 0.3, 3.0])), [[1.0], [1], [1]], [[1.0, 1, 0]], [[0.0]]),
        (2, 2, 2, 2, 2, 2),
    ),
}


@pytest.mark.parametrize("name", EVERY_BASIS)
@pytest.mark.parametrize("scaled", [False, True])
def test_ranks_and_least_models_are_the_same_in_every_basis_and_in_all_units(name, scaled):
    """Where the exact result is a zero, every basis leaves another rounding in its place."""
    model, expected = EVERY_BASIS[name]
    assert decisions(model) == expected
    n, (O, I) = model.n, model.D.shape
    size = model.markov(3 * n).abs().max().clamp(min=1)
    for _ in range(12):
        left, right = (torch.linalg.qr(randn(n, n)).Q for _ in range(2))
        other = model.changed(left @ torch.diag(10 ** torch.rand(n, dtype=F64)) @ right)
        h, x, y = (10 ** (12 * torch.rand(k, dtype=F64) - 6) if scaled else torch.ones(k, dtype=F64) for k in (n, I, O))
        W, U, C, D = other.weights
        other = LinearRNN(h[:, None] * W / h, h[:, None] * U * x, y[:, None] * C / h, y[:, None] * D * x)
        assert decisions(other) == expected
        for found in (minimal(other.delayed()), smallest(other), smallest(other, skip=False)):
            assert equivalent(found, other)
            assert gap(found.markov(3 * n) / y[:, None] / x, model.markov(3 * n)) < 1e-9 * size


def test_equivalence_holds_each_channel_to_its_own_size():
    rnn = random_rnn(3, 2, 2)
    small = torch.tensor([[1.0], [1e-12]], dtype=F64)
    first = LinearRNN(rnn.W, rnn.U, small * rnn.C, small * rnn.D)
    assert equivalent(first, first.changed(randn(3, 3)))
    other = torch.tensor([[1.0], [1.01e-12]], dtype=F64)
    assert not equivalent(first, LinearRNN(rnn.W, rnn.U, small * rnn.C, other * rnn.D))


def test_similar_models_are_found_similar_in_all_units():
    rnn, S = random_rnn(4, 2, 2), torch.linalg.qr(randn(4, 4)).Q
    for _ in range(10):
        h, y = (10 ** (12 * torch.rand(k, dtype=F64) - 6) for k in (4, 2))
        a = LinearRNN(rnn.W, rnn.U, y[:, None] * rnn.C, y[:, None] * rnn.D)
        found = similarity(a, a.changed(h[:, None] * S)) / h[:, None]
        assert gap(found, S) < 1e-8
