"""The laws of one time step."""

import pytest
import torch
from drawn import F64, gap
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize

from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormElman, LayerNormLSTM, Leaky, convert_gru
from rnnbook.layers.orthogonal import orthogonal

CONVENTIONS = [("after", "old"), ("after", "new"), ("before", "old"), ("before", "new")]


def every_cell(I=3, H=4, dtype=F64):
    yield from (Elman(I, H, phi, dtype=dtype) for phi in ("tanh", "relu", "identity"))
    yield LSTM(I, H, dtype=dtype)
    yield from (GRU(I, H, *convention, dtype=dtype) for convention in CONVENTIONS)
    yield Leaky(I, H, 0.9, dtype=dtype)
    yield LayerNormElman(I, H, dtype=dtype)
    yield LayerNormLSTM(I, H, dtype=dtype)


def test_each_cell_maps_a_step_to_a_step():
    for cell in every_cell():
        x, state = torch.randn(5, 3, dtype=F64), cell.initial_state(5)
        h, state = cell(x, state)
        assert h.shape == (5, 4)
        assert torch.equal(h, state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize("phi", ["tanh", "relu"])
def test_elman_is_the_step_of_torch(phi):
    cell, theirs = Elman(3, 4, phi, dtype=F64), nn.RNNCell(3, 4, nonlinearity=phi, dtype=F64)
    cell.load_state_dict(_from(theirs, "W_x", "W_h"))
    x, h = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64)
    assert gap(cell(x, h)[0], theirs(x, h)) < 1e-12


def test_lstm_is_the_step_of_torch():
    cell, theirs = LSTM(3, 4, dtype=F64), nn.LSTMCell(3, 4, dtype=F64)
    cell.load_state_dict(_from(theirs, "W_x", "W_h"))
    x, h, c = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64), torch.randn(5, 4, dtype=F64)
    _, (h_new, c_new) = cell(x, (h, c))
    assert gap(h_new, theirs(x, (h, c))[0]) < 1e-12
    assert gap(c_new, theirs(x, (h, c))[1]) < 1e-12


def test_default_gru_is_the_step_of_torch():
    cell, theirs = GRU(3, 4, dtype=F64), nn.GRUCell(3, 4, dtype=F64)
    weights = _from(theirs, "W_x", "W_h")
    weights["b"] = torch.cat((weights["b"][:8], theirs.bias_ih[8:]))
    cell.load_state_dict({**weights, "b_n": theirs.bias_hh[8:]})
    x, h = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64)
    assert gap(cell(x, h)[0], theirs(x, h)) < 1e-12


def _from(module, W_x, W_h):
    return {W_x: module.weight_ih, W_h: module.weight_hh, "b": module.bias_ih + module.bias_hh}


def test_gru_before_is_the_formula_of_chung():
    cell = GRU(1, 1, "before", "new", dtype=F64)
    (u_r, u_z, u_n), (w_r, w_z, w_n), (b_r, b_z, b_n) = (p.detach().flatten() for p in (cell.W_x, cell.W_h, cell.b))
    x, h = torch.tensor([[0.7]], dtype=F64), torch.tensor([[-0.4]], dtype=F64)
    r, z = torch.sigmoid(u_r * x + w_r * h + b_r), torch.sigmoid(u_z * x + w_z * h + b_z)
    n = torch.tanh(u_n * x + w_n * (r * h) + b_n)
    assert gap(cell(x, h)[0], (1 - z) * h + z * n) < 1e-15


@pytest.mark.parametrize("reset", ["after", "before"])
def test_z_conventions_convert_exactly(reset):
    old = GRU(3, 4, reset, "old", dtype=F64)
    new = convert_gru(old, keep="new")
    x, h = torch.randn(50, 3, dtype=F64), torch.randn(50, 4, dtype=F64)
    assert new.keep == "new"
    assert gap(old(x, h)[0], new(x, h)[0]) < 1e-15
    unflipped = GRU(3, 4, reset, "new", dtype=F64)
    unflipped.load_state_dict(old.state_dict())
    assert gap(old(x, h)[0], unflipped(x, h)[0]) > 0.1
    back = convert_gru(new, keep="old")
    assert all(torch.equal(p, q) for p, q in zip(back.parameters(), old.parameters(), strict=True))


@pytest.mark.parametrize(("reset", "other"), [("after", "before"), ("before", "after")])
def test_reset_conventions_do_not_convert(reset, other):
    cell = GRU(3, 8, reset, dtype=F64)
    with pytest.raises(ValueError, match="has no equal with reset='" + other):
        convert_gru(cell, reset=other)
    with torch.no_grad():
        cell.W_x.mul_(5)
        cell.W_h.mul_(5)
    same_weights = GRU(3, 8, other, dtype=F64)
    same_weights.load_state_dict({"b_n": torch.zeros(8)} | cell.state_dict(), strict=False)
    if cell.b_n is not None:
        cell.b_n.data.zero_()
    x, h = torch.randn(200, 3, dtype=F64), torch.randn(200, 8, dtype=F64)
    assert gap(cell(x, h)[0], same_weights(x, h)[0]) > 0.1


def test_reset_conventions_convert_where_the_product_is_diagonal():
    cell = GRU(3, 4, "before", "new", dtype=F64)
    with torch.no_grad():
        cell.W_h[8:] = torch.diag(torch.randn(4, dtype=F64))
    x, h = torch.randn(50, 3, dtype=F64), torch.randn(50, 4, dtype=F64)
    after = convert_gru(cell, "after", "old")
    assert gap(cell(x, h)[0], after(x, h)[0]) < 1e-15
    assert gap(cell(x, h)[0], convert_gru(after, "before")(x, h)[0]) < 1e-15
    after.b_n.data.fill_(1.0)
    with pytest.raises(ValueError, match="b_n is zero"):
        convert_gru(after, "before")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gru_never_leaves_the_unit_box_and_lstm_counts(convention):
    gru, h = GRU(3, 4, *convention, dtype=F64), torch.zeros(50, 4, dtype=F64)
    for p in gru.parameters():
        p.data.mul_(20)
    for _ in range(100):
        h, _ = gru(torch.randn(50, 3, dtype=F64) * 10, h)
        assert h.abs().max() <= 1
    lstm = LSTM(3, 1, dtype=F64)
    state = lstm.initial_state(1)
    lstm.b.data.fill_(50)
    for _ in range(1000):
        _, state = lstm(torch.zeros(1, 3, dtype=F64), state)
    assert abs(state[1].item() - 1000) < 1e-9


def test_a_closed_output_gate_hides_the_cell_and_keeps_it():
    lstm = LSTM(3, 4, dtype=F64)
    lstm.b.data[12:] = -1000
    h, (_, c) = lstm(torch.randn(5, 3, dtype=F64), lstm.initial_state(5))
    assert h.abs().max() == 0
    assert c.abs().min() > 0


def test_leaky_jacobian_is_alpha_and_the_rest():
    alpha = torch.rand(4, dtype=F64)
    cell = Leaky(3, 4, alpha, dtype=F64)
    x, h = torch.randn(1, 3, dtype=F64), torch.randn(1, 4, dtype=F64)
    J = torch.autograd.functional.jacobian(lambda h: cell(x, h)[0], h)[0, :, 0]
    slope = 1 - torch.tanh(x @ cell.W_x.T + h @ cell.W_h.T + cell.b)[0] ** 2
    assert gap(J, torch.diag(alpha) + torch.diag((1 - alpha) * slope) @ cell.W_h) < 1e-12


def test_leaky_limits_are_elman_and_standing_still():
    x, h = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64)
    elman, none, full = Elman(3, 4, dtype=F64), Leaky(3, 4, 0.0, dtype=F64), Leaky(3, 4, 1.0, dtype=F64)
    none.load_state_dict(elman.state_dict(), strict=False)
    assert gap(none(x, h)[0], elman(x, h)[0]) == 0
    assert gap(full(x, h)[0], h) == 0


@pytest.mark.parametrize("Cell", [LayerNormElman, LayerNormLSTM])
def test_layer_normalised_cells_ignore_the_scale_of_their_weights(Cell):
    x = torch.randn(5, 3, dtype=F64)

    def change(eps):
        torch.manual_seed(1)
        cell = Cell(3, 4, eps=eps, dtype=F64)
        # From h_0 = 0 the product with h is zero, whose norm is not defined: begin after one step.
        _, state = Cell(3, 4, eps=1e-3, dtype=F64)(x, cell.initial_state(5))
        before = cell(x, state)[0]
        cell.W_x.data.mul_(100)
        cell.W_h.data.mul_(100)
        return gap(cell(x, state)[0], before)

    assert change(eps=0.0) < 1e-12
    assert change(eps=1.0) > 1e-2


def test_layer_norm_is_applied_where_the_formula_says():
    cell = LayerNormElman(3, 4, "identity", eps=0.0, dtype=F64)
    with torch.no_grad():
        cell.b.zero_()
    h = cell(torch.randn(9, 3, dtype=F64), torch.randn(9, 4, dtype=F64))[0]
    assert h.mean(1).abs().max() < 1e-14
    assert gap(h.var(1, correction=0), torch.ones(9, dtype=F64)) < 1e-12


def test_layer_normalised_lstm_is_the_formula_of_its_paper():
    cell = LayerNormLSTM(3, 4, eps=0.3, dtype=F64)
    for p in cell.parameters():
        p.data.normal_()
    x, h, c = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64), torch.randn(5, 4, dtype=F64)

    def normalised(a, gain):
        centred = a - a.mean(1, keepdim=True)
        return gain * centred / (centred.square().mean(1, keepdim=True) + 0.3).sqrt()

    a = normalised(h @ cell.W_h.T, cell.g_h) + normalised(x @ cell.W_x.T, cell.g_x) + cell.b
    i, f, g, o = a[:, :4], a[:, 4:8], a[:, 8:12], a[:, 12:]
    c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h_new = o.sigmoid() * (normalised(c_new, cell.g_c) + cell.b_c).tanh()
    _, (h_ours, c_ours) = cell(x, (h, c))
    assert gap(h_ours, h_new) < 1e-14
    assert gap(c_ours, c_new) < 1e-14


def test_three_gates_to_four():
    def count(cell):
        return sum(p.numel() for p in cell.parameters())

    assert [count(cell) for cell in (Elman(10, 20), GRU(10, 20, "before"), LSTM(10, 20))] == [620, 1860, 2480]
    assert count(GRU(10, 20)) == 1860 + 20


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Elman(0, 4), ValueError, "I must be at least 1, got 0"),
        (lambda: LSTM(3, 4.0), TypeError, "H must be a whole number, got 4.0"),
        (lambda: Elman(3, 4, "sin"), ValueError, "phi must be one of 'tanh', 'relu', 'identity', got 'sin'"),
        (lambda: GRU(3, 4, "between"), ValueError, "reset must be one of"),
        (lambda: GRU(3, 4, keep="all"), ValueError, "keep must be one of"),
        (lambda: Leaky(3, 4, 1.5), ValueError, "alpha must be within 0..1, got 1.5"),
        (lambda: Leaky(3, 4, float("nan")), ValueError, "alpha must be a finite number, got nan"),
        (lambda: Leaky(3, 4, torch.ones(3)), ValueError, r"alpha must .* \(H,\) = \(4,\), got \(3,\)"),
    ],
)
def test_wrong_settings_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("x", "h", "error", "words"),
    [
        (torch.zeros(2, 5), torch.zeros(2, 4), ValueError, r"x_t must .* \(B, I\) = \(B, 3\), got \(2, 5\)"),
        (torch.zeros(3), torch.zeros(2, 4), ValueError, r"x_t must have shape"),
        (torch.zeros(2, 3), torch.zeros(1, 4), ValueError, r"h must .* \(B, H\) = \(2, 4\), got \(1, 4\)"),
        (torch.zeros(2, 3).long(), torch.zeros(2, 4), TypeError, r"x_t must .* torch.float32, got torch.int64"),
        (torch.zeros(2, 3), torch.zeros(2, 4).double(), TypeError, "h must .* torch.float32"),
        (torch.zeros(2, 3, device="meta"), torch.zeros(2, 4), ValueError, "x_t must be on .* cpu, got meta"),
        ([[0.0] * 3] * 2, torch.zeros(2, 4), TypeError, "x_t must be a torch.Tensor, got list"),
    ],
)
def test_wrong_inputs_are_named(x, h, error, words):
    for cell in (Elman(3, 4), GRU(3, 4), Leaky(3, 4, 0.5), LayerNormElman(3, 4)):
        with pytest.raises(error, match=words):
            cell(x, h)
    for cell in (LSTM(3, 4), LayerNormLSTM(3, 4)):
        with pytest.raises(error, match=words):
            cell(x, (h, torch.zeros(2, 4)))


@settings(max_examples=60, deadline=None)
@given(
    x=st.lists(st.integers(0, 4), min_size=0, max_size=3),
    h=st.lists(st.integers(0, 4), min_size=0, max_size=3),
    kind=st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64]),
)
def test_any_input_works_or_is_named(x, h, kind):
    for cell in every_cell(2, 3, torch.float32):
        state = torch.zeros(h)
        state = (state, state) if isinstance(cell.initial_state(1), tuple) else state
        fits = len(x) == 2 and x[1] == 2 and h == [x[0], 3] and kind == torch.float32
        if fits:
            assert cell(torch.zeros(x, dtype=kind), state)[0].shape == (x[0], 3)
        else:
            with pytest.raises((ValueError, TypeError), match=r"^(x_t|h) must"):
                cell(torch.zeros(x, dtype=kind), state)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_converted_gru_keeps_what_is_frozen_and_its_mode(convention):
    cell = GRU(3, 4, *convention, dtype=F64).eval()
    cell.W_h.requires_grad_(False)
    cell.b.requires_grad_(False)
    for keep in ("old", "new"):
        made = convert_gru(cell, keep=keep)
        assert not made.training
        assert [p.requires_grad for p in made.parameters()] == [p.requires_grad for p in cell.parameters()]
        assert all(p is not q for p, q in zip(made.parameters(), cell.parameters(), strict=True))
    with torch.no_grad():
        cell.W_h[8:] = torch.eye(4)
        if cell.b_n is not None:
            cell.b_n.zero_()
    other = convert_gru(cell, reset="before" if cell.reset == "after" else "after")
    assert other.b_n is None or not other.b_n.requires_grad


@pytest.mark.parametrize("method", ["cayley", "exponential", "householder"])
def test_a_converted_gru_stays_orthogonal(method):
    cell = orthogonal(GRU(3, 4, dtype=F64), method)
    made = convert_gru(cell, keep="new")
    x, h = torch.randn(50, 3, dtype=F64), torch.randn(50, 4, dtype=F64)
    assert gap(cell(x, h)[0], made(x, h)[0]) < 1e-14
    made(x, h)[0].square().sum().backward()
    for p in made.parameters():
        p.data -= p.grad
    for Q in made.W_h.unflatten(0, (3, 4)):
        assert gap(Q.T @ Q, torch.eye(4, dtype=F64)) < 1e-12


def test_a_parametrisation_that_cannot_turn_z_round_is_named():
    class Positive(nn.Module):
        def forward(self, W):
            return W.exp()

        def right_inverse(self, W):
            return W.log()

    cell = GRU(3, 4)
    cell.W_x.data.abs_()
    parametrize.register_parametrization(cell, "W_x", Positive())
    with pytest.raises(ValueError, match="the parametrisation of W_x cannot express it"):
        convert_gru(cell, keep="new")
    assert convert_gru(cell).W_x.min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_cell_of_given_weights_has_copies_of_them(dtype):
    W_x, W_h, b = (torch.randn(*size, dtype=dtype) for size in ((4, 3), (4, 4), (4,)))
    cell = Elman.from_weights(W_x, W_h, b, "relu")
    x, h = torch.randn(5, 3, dtype=dtype), torch.randn(5, 4, dtype=dtype)
    assert gap(cell(x, h)[0], torch.relu(x @ W_x.T + h @ W_h.T + b)) < 1e-5
    assert all(p.requires_grad and p.dtype == dtype for p in cell.parameters())
    cell.W_h.data.zero_()
    assert W_h.abs().min() > 0
    assert not Elman.from_weights(W_x, W_h).b.any()
    with pytest.raises(TypeError, match="W_x must have W_h's dtype"):
        Elman.from_weights(W_x.half(), W_h)


def test_a_leak_that_requires_a_gradient_is_refused():
    with pytest.raises(ValueError, match="alpha is fixed and must not require a gradient"):
        Leaky(3, 4, torch.tensor(0.5, requires_grad=True))
    assert Leaky(3, 4, 0.5, device="meta")(torch.zeros(2, 3, device="meta"), torch.zeros(2, 4, device="meta"))


def test_a_convention_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="reset must be one of"):
        convert_gru(GRU(2, 3), reset="behind")
    with pytest.raises(ValueError, match="keep must be one of"):
        convert_gru(GRU(2, 3), keep="both")
