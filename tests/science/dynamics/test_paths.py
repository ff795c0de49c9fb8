"""The laws of the ways back through an LSTM: their sum is the gradient, and each can be cut by itself."""

import math

import pytest
import torch
from drawn import F64, gap, randn

from rnnbook.dynamics.flow import jacobians
from rnnbook.dynamics.paths import lstm_paths
from rnnbook.layers.cells import GRU, LSTM

B, I, H = 3, 2, 4


def drawn() -> tuple[LSTM, torch.Tensor, torch.Tensor, torch.Tensor]:
    cell = LSTM(I, H, dtype=F64)
    with torch.no_grad():
        cell.W_h.normal_(0, 1)
    return cell, randn(B, I), randn(B, H), torch.rand(B, H, dtype=F64)


def gradient(cell: LSTM, x_t: torch.Tensor, c: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
    """dc_t/dc_{t−1} by automatic differentiation through h_{t−1} as well: (B, H, H)."""
    c = c.clone().requires_grad_()
    _, (_, new) = cell(x_t, (o * c.tanh(), c))
    rows = [torch.autograd.grad(new[:, j].sum(), c, retain_graph=True)[0] for j in range(H)]
    return torch.stack(rows, 1)


def test_the_ways_together_are_the_gradient():
    cell, x_t, c, o = drawn()
    paths = lstm_paths(cell, x_t, c, o)
    assert gap(paths.total, gradient(cell, x_t, c, o)) < 1e-12
    assert gap(paths.total, paths.direct + paths.forget + paths.input + paths.candidate) < 1e-15
    assert paths.side.abs().max() > 0.1


@pytest.mark.parametrize(("way", "block"), [("input", 0), ("forget", 1), ("candidate", 2)])
def test_a_side_road_is_gone_when_its_block_is_zero(way, block):
    cell, x_t, c, o = drawn()
    with torch.no_grad():
        cell.W_h[block * H : (block + 1) * H] = 0
    paths = lstm_paths(cell, x_t, c, o)
    assert getattr(paths, way).abs().max() == 0
    assert gap(paths.total, gradient(cell, x_t, c, o)) < 1e-12
    assert all(getattr(paths, other).abs().max() > 0 for other in {"input", "forget", "candidate"} - {way})


def test_without_recurrent_weights_the_forget_gate_is_all():
    cell, x_t, c, o = drawn()
    with torch.no_grad():
        cell.W_h.zero_()
    paths = lstm_paths(cell, x_t, c, o)
    f = (x_t @ cell.W_x.T + cell.b).chunk(4, 1)[1].sigmoid()
    assert paths.side.abs().max() == 0
    assert gap(paths.total, torch.diag_embed(f)) < 1e-15


def test_it_is_the_jacobian_of_the_whole_state_with_h_made_of_c():
    cell, x_t, c, o = drawn()
    J = jacobians(cell, x_t[None], (o * c.tanh(), c))[0]
    S = torch.diag_embed(o * (1 - c.tanh() ** 2))
    paths = lstm_paths(cell, x_t, c, o)
    assert gap(paths.direct, J[:, H:, H:]) < 1e-12
    assert gap(paths.side, J[:, H:, :H] @ S) < 1e-12


def test_the_output_gate_has_no_share():
    cell, x_t, c, o = drawn()
    before = lstm_paths(cell, x_t, c, o).total
    with torch.no_grad():
        cell.W_h[3 * H :] += 1
        cell.b[3 * H :] += 1
    assert gap(lstm_paths(cell, x_t, c, o).total, before) == 0


def test_mistakes_are_named():
    cell, x_t, c, o = drawn()
    with pytest.raises(TypeError, match=r"cell must be a .*LSTM, got GRU"):
        lstm_paths(GRU(I, H, dtype=F64), x_t, c, o)
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, I\)"):
        lstm_paths(cell, x_t[0], c, o)
    with pytest.raises(ValueError, match=r"c must have shape \(B, H\)"):
        lstm_paths(cell, x_t, c[:1], o)
    with pytest.raises(TypeError, match="o must have the parameters' dtype"):
        lstm_paths(cell, x_t, c, o.float())
    for wrong in (1.5, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"o must be an output gate, within 0\.\.1"):
            lstm_paths(cell, x_t, c, torch.full_like(o, wrong))
