"""The laws of gradient flow: norms, Jacobians and their products, bounds, Lyapunov exponents."""

import math

import numpy as np
import pytest
import torch
from drawn import F64

from rnnbook.dynamics.flow import (
    bounds,
    each_jacobian,
    gradient_norms,
    gradients,
    jacobians,
    lyapunov,
    norm_bound,
    products,
)
from rnnbook.dynamics.modes import spectral_radius
from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormElman, LayerNormLSTM, Leaky
from rnnbook.layers.orthogonal import orthogonal
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked

CELLS = {
    "elman": lambda I, H: Elman(I, H, dtype=F64),
    "relu": lambda I, H: Elman(I, H, "relu", dtype=F64),
    "lstm": lambda I, H: LSTM(I, H, dtype=F64),
    "gru after": lambda I, H: GRU(I, H, dtype=F64),
    "gru before": lambda I, H: GRU(I, H, "before", "new", dtype=F64),
    "leaky": lambda I, H: Leaky(I, H, 0.8, dtype=F64),
    "layer-normalised elman": lambda I, H: LayerNormElman(I, H, dtype=F64),
    "layer-normalised lstm": lambda I, H: LayerNormLSTM(I, H, dtype=F64),
    "orthogonal": lambda I, H: orthogonal(Elman(I, H, dtype=F64)),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def norm2(A):
    return torch.linalg.matrix_norm(A, 2)


def elman(W_h, b=0.0, phi="tanh", W_x=None):
    """A network of given weights, whose input is added where none is named."""
    W_h = torch.as_tensor(W_h, dtype=F64)
    b = torch.as_tensor(b, dtype=F64).expand(len(W_h))
    return Elman.from_weights(torch.eye(len(W_h), dtype=F64) if W_x is None else W_x, W_h, b, phi)


def whole(state):
    return torch.cat(state, 1) if isinstance(state, tuple) else state


@every_cell
def test_jacobians_are_those_of_autograd_for_each_sequence(name):
    cell = CELLS[name](3, 4)
    x = torch.randn(5, 3, 3, dtype=F64)
    found = jacobians(cell, x)
    state = cell.initial_state(3)
    for t, x_t in enumerate(x):
        for n in range(3):
            own = tuple(p[n : n + 1] for p in state) if isinstance(state, tuple) else (state[n : n + 1],)

            def step(*parts, x_n=x_t[n : n + 1]):
                return cell(x_n, parts if len(parts) > 1 else parts[0])[1]

            blocks = torch.autograd.functional.jacobian(step, own)
            blocks = blocks if isinstance(blocks[0], tuple) else (blocks,)
            dense = torch.cat([torch.cat([b[0, :, 0] for b in row], 1) for row in blocks], 0)
            assert (found[t, n] - dense).abs().max() < 1e-12
        state = cell(x_t, state)[1]


def test_jacobians_are_slope_times_weight():
    slopes = {"tanh": lambda h: 1 - h**2, "relu": lambda h: (h > 0).to(F64), "identity": torch.ones_like}
    for phi, slope in slopes.items():
        cell = Elman(2, 5, phi, dtype=F64)
        x = torch.randn(6, 3, 2, dtype=F64)
        h = Recurrent(cell)(x)[0]
        assert (jacobians(cell, x) - slope(h)[..., None] * cell.W_h).abs().max() < 1e-12
        leaky = Leaky(2, 5, 0.9, phi, dtype=F64)
        h, states = torch.zeros(3, 5, dtype=F64), []
        for x_t in x:
            a = x_t @ leaky.W_x.T + h @ leaky.W_h.T + leaky.b
            states.append({"tanh": torch.tanh, "relu": torch.relu, "identity": lambda a: a}[phi](a))
            h = leaky(x_t, h)[0]
        expected = 0.9 * torch.eye(5, dtype=F64) + 0.1 * slope(torch.stack(states))[..., None] * leaky.W_h
        assert (jacobians(leaky, x) - expected).abs().max() < 1e-12


def test_a_residual_channel_has_its_eigenvalues_in_between():
    cell = Leaky(1, 6, 0.9, "identity", dtype=F64)
    J = jacobians(cell, torch.zeros(1, 1, 1, dtype=F64))[0, 0]
    got, expected = torch.linalg.eigvals(J), 0.9 + 0.1 * torch.linalg.eigvals(cell.W_h)
    assert (got[:, None] - expected).abs().min(1).values.max() < 1e-12


@every_cell
def test_products_are_the_derivatives_of_the_last_state(name):
    cell = CELLS[name](3, 4)
    layer = Recurrent(cell, "loop")
    x = torch.randn(6, 2, 3, dtype=F64)
    P = products(jacobians(layer, x))
    assert P.shape == (7, 2, *jacobians(cell, x).shape[2:])
    assert torch.equal(P[-1], torch.eye(P.shape[-1], dtype=F64).expand_as(P[-1]))
    for t in range(6):
        state = cell.initial_state(2) if t == 0 else layer(x[:t])[1]
        parts = state if isinstance(state, tuple) else (state,)
        leaf = whole(parts).detach().requires_grad_()
        split = leaf.split(4, 1)
        end = whole(layer(x[t:], split if isinstance(state, tuple) else split[0])[1])
        for row in range(end.shape[1]):
            (d,) = torch.autograd.grad(end[:, row].sum(), leaf, retain_graph=True)
            assert (P[t, :, row] - d).abs().max() < 1e-12


def test_the_order_of_a_product_matters():
    J = torch.randn(4, 1, 3, 3, dtype=F64)
    first = products(J)[0, 0]
    assert (first - J[3, 0] @ J[2, 0] @ J[1, 0] @ J[0, 0]).abs().max() < 1e-12
    assert (first - J[0, 0] @ J[1, 0] @ J[2, 0] @ J[3, 0]).abs().max() > 0.1


@every_cell
def test_gradients_are_products_applied_to_the_error_at_the_end(name):
    cell = CELLS[name](3, 4)
    x, e = torch.randn(6, 2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    d = gradients(Recurrent(cell), x, lambda h: (h[-1] * e).sum())
    P = products(jacobians(cell, x))
    expected = torch.einsum("tbij,bi->tbj", P[:, :, :4], e)
    assert (d - expected).abs().max() < 1e-12
    norms = gradient_norms(cell, x, lambda h: (h[-1] * e).sum())
    assert norms.shape == (7, 2)
    assert (norms - d.square().sum(2).sqrt()).abs().max() < 1e-12


@every_cell
def test_gradients_of_losses_at_all_steps_add_up(name):
    cell = CELLS[name](3, 4)
    x = torch.randn(5, 2, 3, dtype=F64)
    weight = torch.randn(5, 2, 4, dtype=F64)
    d = gradients(cell, x, lambda h: (h * weight).sum())
    J = jacobians(cell, x)
    expected = torch.zeros_like(d[0])
    for t in range(5, 0, -1):
        expected[:, :4] += weight[t - 1]
        assert (d[t] - expected).abs().max() < 1e-12
        expected = torch.einsum("bij,bi->bj", J[t - 1], expected)
    assert (d[0] - expected).abs().max() < 1e-12


def test_gradients_begin_from_a_given_state_and_leave_everything_alone():
    cell = LSTM(3, 4, dtype=F64)
    x = torch.randn(5, 2, 3, dtype=F64, requires_grad=True)
    state = tuple(torch.randn(2, 4, dtype=F64, requires_grad=True) for _ in range(2))
    d = gradients(cell, x, lambda h: h.square().sum(), state)
    y, _ = Recurrent(cell, "loop")(x, state)
    parts = torch.autograd.grad(y.square().sum(), state)
    assert (d[0] - torch.cat(parts, 1)).abs().max() < 1e-12
    assert (jacobians(cell, x, state)[0] - jacobians(cell, x)[0]).abs().max() > 1e-3
    assert all(leaf.grad is None for leaf in (x, *state, *cell.parameters()))
    with torch.no_grad():
        assert torch.equal(gradients(cell, x, lambda h: h.square().sum(), state), d)


def test_a_step_function_is_enough():
    W = torch.randn(3, 3, dtype=F64)
    x, h_0 = torch.randn(5, 2, 3, dtype=F64), torch.randn(2, 3, dtype=F64)

    def step(x_t, h):
        h = torch.sin(h @ W.T) + x_t
        return h, h

    assert gradient_norms(step, x, lambda h: h[-1].sum(), h_0).shape == (6, 2)
    J = jacobians(step, x, h_0)
    assert (J[0] - torch.cos(h_0 @ W.T)[..., None] * W).abs().max() < 1e-12
    assert (jacobians(lambda x_t, h: (x_t, x_t), x, h_0) == 0).all()
    assert jacobians(step, x[:0], h_0).shape == (0, 2, 3, 3)


def test_the_lower_layer_of_a_stack_is_reached_through_the_loss():
    lower, upper = Recurrent(GRU(3, 4, dtype=F64)), Recurrent(LSTM(4, 5, dtype=F64))
    x = torch.randn(6, 2, 3, dtype=F64)
    d = gradients(lower, x, lambda h: upper(h)[0][-1].sum())
    h_0 = torch.zeros(2, 4, dtype=F64, requires_grad=True)
    (expected,) = torch.autograd.grad(upper(lower(x, h_0)[0])[0][-1].sum(), h_0)
    assert (d[0] - expected).abs().max() < 1e-12


def test_ninety_nine_factors_of_nine_tenths():
    x = torch.zeros(100, 1, 1, dtype=F64)
    found = {}
    for w in (0.9, 0.99):
        norms = gradient_norms(elman([[w]], phi="identity"), x, lambda h: h[-1].sum())
        found[w] = norms[1].item()
        assert abs(found[w] / w**99 - 1) < 1e-12
    assert found[0.9] == pytest.approx(2.9513e-5, abs=1e-9)
    assert found[0.99] == pytest.approx(0.36973, abs=1e-5)
    assert found[0.99] / found[0.9] == pytest.approx(12528, rel=1e-4)
    growing = gradient_norms(elman([[1.5]], phi="identity"), x[:20], lambda h: h[-1].sum())
    assert growing[1].item() == pytest.approx(2216.84, rel=1e-4)
    assert growing[0].item() == pytest.approx(3325.3, rel=1e-4)


def test_a_gradient_explodes_where_the_spectral_radius_is_zero():
    W, h = [[1.5, -1.5], [1.5, -1.5]], torch.tensor([[0.0, 1.0]], dtype=F64)
    cell = elman(W, [1.5, 21.5], W_x=torch.zeros(2, 1, dtype=F64))
    x = torch.zeros(20, 1, 1, dtype=F64)
    assert spectral_radius(cell.W_h) < 1e-7
    assert (cell.W_h @ cell.W_h).abs().max() == 0
    assert (Recurrent(cell)(x, h)[0][-1] - h).abs().max() < 1e-12
    norm = norm2(products(jacobians(cell, x, h))[0, 0]).item()
    assert norm == pytest.approx(math.sqrt(2) * 1.5**20, rel=1e-9)
    assert norm == pytest.approx(4702.6, abs=0.05)
    assert norm <= norm_bound(cell.W_h, 20) == pytest.approx(3**20)


@every_cell
def test_products_stay_within_the_bounds(name):
    J = jacobians(CELLS[name](3, 4), torch.randn(12, 3, 3, dtype=F64))
    lower, upper = bounds(J)
    P = products(J)
    sigma = torch.linalg.svdvals(P)
    assert (sigma[..., 0] <= upper * (1 + 1e-9)).all()
    assert (sigma[..., -1] >= lower * (1 - 1e-9) - 1e-15).all()
    assert (lower[-1] == 1).all()
    assert (upper[-1] == 1).all()
    assert upper.shape == (13, 3)


def test_the_bounds_are_exact_for_one_unit_and_far_off_for_rotated_directions():
    J = torch.randn(9, 2, 1, 1, dtype=F64)
    lower, upper = bounds(J)
    assert (lower - products(J)[..., 0, 0].abs()).abs().max() < 1e-12
    assert (upper - lower).abs().max() < 1e-12
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=F64) @ torch.diag(torch.tensor([10.0, 0.1], dtype=F64))
    lower, upper = bounds(turn.expand(10, 1, 2, 2))
    assert upper[0].item() == pytest.approx(1e10)
    assert lower[0].item() == pytest.approx(1e-10)
    assert norm2(products(turn.expand(10, 1, 2, 2))[0, 0]).item() == pytest.approx(1)


def test_the_norm_bound_holds_and_counts_the_slope():
    W = torch.randn(8, 8, dtype=F64) / 3
    for phi in ("tanh", "relu", "identity"):
        J = jacobians(elman(W, phi=phi), torch.randn(15, 4, 8, dtype=F64))
        assert (norm2(products(J)[0]) <= norm_bound(W, 15) * (1 + 1e-12)).all()
    assert norm_bound(W, 3, slope=0.25) == pytest.approx((norm2(W).item() / 4) ** 3)


def test_directions_vanish_and_explode_at_the_same_time():
    J = jacobians(elman([[1.2, 0.0], [0.0, 0.8]], phi="identity"), torch.zeros(30, 1, 2, dtype=F64))
    sigma = torch.linalg.svdvals(products(J)[0, 0])
    assert sigma.tolist() == pytest.approx([1.2**30, 0.8**30])


def test_an_orthogonal_network_keeps_gradients_only_while_it_is_linear():
    W = torch.linalg.qr(torch.randn(64, 64, dtype=F64))[0]
    W_x = torch.eye(64, dtype=F64)

    def norm(phi, std, T):
        x = std * torch.randn(T, 1, 64, dtype=F64)
        return norm2(products(jacobians(elman(W, phi=phi, W_x=W_x), x))[0, 0]).item()

    assert norm("identity", 1.0, 100) == pytest.approx(1, abs=1e-12)
    assert norm("tanh", 0.0, 100) == pytest.approx(1, abs=1e-12)
    assert 1e-4 < norm("tanh", 0.1, 100) < 0.1
    assert 1e-14 < norm("tanh", 0.5, 100) < 1e-9
    assert norm("tanh", 1.0, 100) < 1e-16


def test_an_lstm_does_not_cure_explosion():
    def norm(k):
        cell = LSTM(1, 64, dtype=F64)
        with torch.no_grad():
            cell.W_h.normal_(0, k / 8)
        x = torch.randn(100, 1, 1, dtype=F64)
        return gradient_norms(cell, x, lambda h: h[-1].sum())[0].item()

    small, large, huge = norm(1), norm(6), norm(10)
    assert small < 1e-8
    assert large > 1e4
    assert huge > 1e12


def test_the_product_of_forget_gates_is_the_whole_jacobian_only_for_small_recurrent_weights():
    H, T = 8, 60

    def gap(scale):
        cell = LSTM(3, H, dtype=F64)
        with torch.no_grad():
            cell.b.zero_()
            cell.b[H : 2 * H] = 3
            cell.W_h.normal_(0, scale)
        x = torch.randn(T, 1, 3, dtype=F64)
        state, direct = cell.initial_state(1), torch.ones(H, dtype=F64)
        J = jacobians(cell, x)
        for x_t in x:
            a = x_t @ cell.W_x.T + state[0] @ cell.W_h.T + cell.b
            direct = direct * a[0, H : 2 * H].sigmoid()
            state = cell(x_t, state)[1]
        full = products(J)[0, 0, H:, H:]
        return (norm2(full - direct.diag()) / direct.max()).item()

    assert gap(1e-5 / math.sqrt(H)) < 1e-3
    assert gap(1 / math.sqrt(H)) > 1


def test_lyapunov_exponents_of_one_matrix_are_the_logarithms_of_its_eigenvalues():
    W = torch.randn(5, 5, dtype=F64)
    W = W @ torch.diag(torch.tensor([2.0, 1.3, 0.9, 0.5, 0.1], dtype=F64)) @ torch.linalg.inv(W)
    expected = torch.tensor([2.0, 1.3, 0.9, 0.5, 0.1], dtype=F64).log()
    found = lyapunov(W.expand(2000, 2, 5, 5))
    assert (found - expected).abs().max() < 20 / 2000
    assert (lyapunov(W.expand(2000, 1, 5, 5), burn_in=500) - expected).abs().max() < 1e-10
    assert (lyapunov(W.expand(2000, 1, 5, 5), burn_in=500, count=2) - expected[:2]).abs().max() < 1e-10
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=F64) * 0.7
    assert (lyapunov(turn.expand(50, 1, 2, 2)) - math.log(0.7)).abs().max() < 1e-12


def test_lyapunov_exponents_of_triangular_matrices_are_the_means_of_the_diagonals():
    J = torch.randn(300, 3, 4, 4, dtype=F64).triu()
    expected = J.diagonal(dim1=2, dim2=3).abs().log().mean(0)
    assert (lyapunov(J) - expected.sort(descending=True).values).abs().max() < 1e-10


@every_cell
def test_lyapunov_exponents_add_up_to_the_mean_volume(name):
    J = jacobians(CELLS[name](3, 4), torch.randn(60, 2, 3, dtype=F64))
    if name in ("relu", "layer-normalised elman"):  # a silent unit, or the mean that is taken off: det J = 0
        assert (lyapunov(J)[:, -1] < -25).all()
        return
    for burn_in in (0, 20):
        volume = torch.linalg.slogdet(J[burn_in:]).logabsdet.mean(0)
        assert (lyapunov(J, burn_in=burn_in).sum(1) - volume).abs().max() < 1e-9


def test_the_lyapunov_exponent_of_one_unit_is_the_mean_logarithm_of_its_slope():
    cell = elman([[1.8]], 0.1)
    x = torch.randn(400, 2, 1, dtype=F64)
    h = Recurrent(cell)(x)[0][..., 0]
    expected = (1.8 * (1 - h**2)).log().mean(0)
    assert (lyapunov(each_jacobian(cell, x))[:, 0] - expected).abs().max() < 1e-12


def test_the_first_exponent_is_the_rate_of_the_gradient():
    cell = elman(torch.randn(20, 20, dtype=F64) * 1.5 / math.sqrt(20))
    x = 0.5 * torch.randn(1500, 1, 20, dtype=F64)
    norms = gradient_norms(cell, x, lambda h: h[-1].sum())
    rate = (norms[1] / norms[-1]).log().item() / 1499
    assert lyapunov(each_jacobian(cell, x), count=1).item() == pytest.approx(rate, abs=0.01)


@pytest.fixture(scope="module")
def gaussian():
    return torch.from_numpy(np.random.default_rng(1).standard_normal((100, 100)) / 10)


@pytest.mark.parametrize(
    ("g", "std", "expected", "tolerance"),
    [
        (0.8, 0.0, -0.127, 0.002),
        (1.0, 0.0, 0.0, 0.01),
        (1.5, 0.0, 0.0, 0.01),
        (2.0, 0.0, 0.115, 0.01),
        (3.0, 0.0, 0.281, 0.01),
        (1.5, 0.5, -0.030, 0.01),
        (1.5, 1.0, -0.159, 0.01),
        (1.5, 2.0, -0.365, 0.025),
    ],
)
def test_gain_makes_chaos_and_inputs_suppress_it(gaussian, g, std, expected, tolerance):
    x = std * torch.randn(1500, 1, 100, dtype=F64)
    h_0 = 0.5 * torch.randn(1, 100, dtype=F64)
    found = lyapunov(each_jacobian(elman(g * gaussian), x, h_0), burn_in=500, count=1).item()
    assert found == pytest.approx(expected, abs=tolerance)
    if g < 1:
        assert found == pytest.approx(math.log(spectral_radius(g * gaussian)), abs=1e-3)


def test_bad_input_is_named():
    cell = LSTM(3, 4, dtype=F64)
    x = torch.zeros(5, 2, 3, dtype=F64)
    J = jacobians(cell, x)
    for model in (Stacked(Recurrent(cell)), Bidirectional(Recurrent(cell), Recurrent(LSTM(3, 4, dtype=F64)))):
        with pytest.raises(TypeError, match=f"model must be one layer, got {type(model).__name__}"):
            jacobians(model, x)
    with pytest.raises(TypeError, match="model must be a Recurrent, a cell or a step function, got str"):
        jacobians("lstm", x)
    with pytest.raises(ValueError, match="state must be given"):
        jacobians(lambda x_t, h: (h, h), x)
    with pytest.raises(ValueError, match=r"x must have shape \(T, B, I\)"):
        each_jacobian(cell, x[0])
    with pytest.raises(TypeError, match="state must be a tuple of 2 tensors, got Tensor"):
        jacobians(cell, x, torch.zeros(2, 4, dtype=F64))
    with pytest.raises(TypeError, match=r"state must be a torch\.Tensor, got tuple"):
        jacobians(GRU(3, 4, dtype=F64), x, (torch.zeros(2, 4, dtype=F64),))
    with pytest.raises(ValueError, match=r"state must have shape \(B, H\) = \(2, 4\), got \(3, 4\)"):
        jacobians(cell, x, (torch.zeros(3, 4, dtype=F64),) * 2)
    with pytest.raises(TypeError, match="loss must return a tensor that holds one number, got shape"):
        gradients(cell, x, lambda h: h)
    with pytest.raises(TypeError, match="one that does not depend on the states"):
        gradients(cell, x, lambda h: torch.zeros(()))
    with pytest.raises(ValueError, match="x must have at least one step, got T=0"):
        gradients(cell, x[:0], lambda h: h.sum())
    h_0 = torch.zeros(2, 3, dtype=F64)
    with pytest.raises(TypeError, match=r"step must return \(h_t, state\), got Tensor"):
        jacobians(lambda x_t, h: h, x, h_0)
    with pytest.raises(ValueError, match="step must return a state of the shapes"):
        jacobians(lambda x_t, h: (h[:, :1], h[:, :1]), x, h_0)
    with pytest.raises(ValueError, match="a read-out is for the loss"):
        gradients(lambda x_t, h: (2 * h + 1, h), x, lambda h: h.sum(), h_0)
    with pytest.raises(ValueError, match=r"J must have shape \(T, B, n, n\)"):
        products(J[0])
    with pytest.raises(ValueError, match=r"J must have shape \(T, B, n, n\) = \(5, 2, 8, 8\), got \(5, 2, 8, 3\)"):
        bounds(J[..., :3])
    with pytest.raises(ValueError, match="J must have more than burn_in=5 steps, got 5"):
        lyapunov(J, burn_in=5)
    with pytest.raises(ValueError, match="burn_in must be at least 0, got -1"):
        lyapunov(J, burn_in=-1)
    with pytest.raises(ValueError, match=r"count must be within 1\.\.n=8, got 9"):
        lyapunov(J, count=9)
    with pytest.raises(ValueError, match="slope must be a finite number, got nan"):
        norm_bound(J[0, 0], 3, math.nan)


def test_a_bound_beyond_all_numbers_is_infinite():
    assert norm_bound(2 * torch.eye(3), 1025) == math.inf


def test_no_steps_are_bounded_by_one():
    assert [tuple(bound.shape) for bound in bounds(torch.zeros(0, 2, 3, 3))] == [(1, 2), (1, 2)]
