"""Backpropagation through time by hand for the GRU in its four conventions."""

import pytest
import torch
from drawn import F64
from hand_derived import H, HandDerived, I, saved_floats

from rnnbook.layers.bptt_gru import gru
from rnnbook.layers.cells import GRU
from rnnbook.layers.recurrent import Recurrent


class TestGRU(HandDerived):
    def cells(self):
        return {
            "after old": lambda: GRU(I, H, dtype=F64),
            "after new": lambda: GRU(I, H, keep="new", dtype=F64),
            "before old": lambda: GRU(I, H, "before", dtype=F64),
            "before new": lambda: GRU(I, H, "before", "new", dtype=F64),
        }

    def run(self, cell, *tensors, mask):
        return gru(*tensors, keep=cell.keep, mask=mask)


@pytest.mark.parametrize(("reset", "per_step"), [("after", 5), ("before", 4)])
def test_what_is_stored_is_what_the_derivation_needs(reset, per_step):
    layer = Recurrent(GRU(I, H, reset, dtype=F64))
    for steps, width in ((10, 3), (20, 3), (20, 6)):
        x = torch.randn(steps, width, I, dtype=F64)
        assert saved_floats(layer, x) == per_step * steps * width * H + width * H
    with torch.no_grad():
        assert saved_floats(layer, x) == 0
