"""Backpropagation through time by hand for the LSTM."""

import torch
from drawn import F64
from hand_derived import B, H, HandDerived, I, saved_floats

from rnnbook.layers.bptt_lstm import lstm
from rnnbook.layers.cells import LSTM
from rnnbook.layers.recurrent import Recurrent


class TestLSTM(HandDerived):
    def cells(self):
        return {"lstm": lambda: LSTM(I, H, dtype=F64)}

    def run(self, cell, *tensors, mask):
        return lstm(*tensors, mask=mask)


def test_what_is_stored_is_what_the_derivation_needs():
    layer = Recurrent(LSTM(I, H, dtype=F64))
    for steps, width in ((10, 3), (20, 3), (20, 6)):
        x = torch.randn(steps, width, I, dtype=F64)
        assert saved_floats(layer, x) == 7 * steps * width * H + 2 * width * H
    with torch.no_grad():
        assert saved_floats(layer, x) == 0


def test_segments_store_the_states_between_them_only():
    cell, x = LSTM(I, H, dtype=F64), torch.randn(100, B, I, dtype=F64)
    whole, pieces = saved_floats(Recurrent(cell), x), saved_floats(Recurrent(cell, segment=10), x)
    assert pieces <= 10 * 2 * B * H < whole / 30
