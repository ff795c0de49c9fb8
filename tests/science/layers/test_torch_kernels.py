"""PyTorch's kernels behind the book's cells: the weights that they get, and steps that do not count."""

import pytest
import torch
from drawn import F64, gap
from hand_derived import leaves
from torch import nn

from rnnbook.layers.cells import GRU, LSTM, Elman, Leaky
from rnnbook.layers.orthogonal import orthogonal
from rnnbook.layers.recurrent import Recurrent
from rnnbook.layers.torch_kernels import require, run, weights

CELLS = {
    "tanh": (lambda: Elman(3, 4, dtype=F64), nn.RNN),
    "relu": (
        lambda: Elman(3, 4, "relu", dtype=F64),
        lambda *sizes, **rest: nn.RNN(*sizes, nonlinearity="relu", **rest),
    ),
    "lstm": (lambda: LSTM(3, 4, dtype=F64), nn.LSTM),
    "gru": (lambda: GRU(3, 4, dtype=F64), nn.GRU),
    "gru that keeps the new": (lambda: GRU(3, 4, keep="new", dtype=F64), nn.GRU),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_weights_are_those_of_the_module_that_computes_the_same(name):
    make, Module = CELLS[name]
    cell, theirs, x = make(), Module(3, 4, dtype=F64), torch.randn(7, 5, 3, dtype=F64)
    for p, value in zip(theirs.parameters(), weights(cell), strict=True):
        p.data.copy_(value)
    assert gap([theirs(x)[0]], [Recurrent(cell, "loop")(x)[0]]) < 1e-14


@pytest.mark.parametrize("name", CELLS)
def test_a_step_that_does_not_count_leaves_the_state_as_it_was(name):
    cell = CELLS[name][0]()
    x, mask = torch.randn(9, 4, 3, dtype=F64), torch.rand(9, 4) < 0.5
    mask[:, 0], mask[:, 1] = False, True
    start = cell.initial_state(4)
    start = tuple(torch.randn_like(part) for part in start) if isinstance(start, tuple) else torch.randn_like(start)
    y, last = run(cell, x, start, mask)
    expected, end = Recurrent(cell, "loop")(x, start, mask=mask)
    assert gap([y[mask]], [expected[mask]]) < 1e-14
    assert gap(leaves(last), leaves(end)) < 1e-14
    assert gap([leaf[0] for leaf in leaves(last)], [leaf[0] for leaf in leaves(start)]) == 0


def test_what_they_do_not_have_is_named():
    require(orthogonal(Elman(3, 4)))
    for cell, words in (
        (Elman(3, 4, "identity"), r"not Elman\(phi='identity'\)"),
        (GRU(3, 4, "before"), r"not GRU\(reset='before'\)"),
        (Leaky(3, 4, 0.5), "not Leaky"),
        ("lstm", "not str"),
    ):
        with pytest.raises(ValueError, match=words):
            require(cell)
