"""What does not fit is named with what it should be: every door of the layers, by one wrong argument at a time."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from rnnbook.layers.bptt import elman
from rnnbook.layers.bptt_gru import gru
from rnnbook.layers.bptt_lstm import lstm
from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormElman, LayerNormLSTM, Leaky, convert_gru
from rnnbook.layers.mingru import MinGRU, MinGRULayer
from rnnbook.layers.orthogonal import Orthogonal, cayley, exponential, householder, orthogonal, skew
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked, as_mask
from rnnbook.layers.scan import chunked, compose, hillis_steele, odd_even, scan, scan_log, sequential
from rnnbook.layers.scan_dense import chunked as dense_chunked
from rnnbook.layers.scan_dense import doubling, scan_dense
from rnnbook.layers.scan_dense import sequential as dense_sequential
from rnnbook.layers.torch_nn import from_torch, to_torch

T, B, I, H = 4, 2, 3, 5
R = torch.randn
X, S, C = R(T, B, I), R(B, H), torch.rand(T - 1, B, H)
LAYER, SECOND = Recurrent(GRU(I, H)), Recurrent(GRU(H, H))
MASK = torch.ones(T, B, 1)
SIZES = {"I": I, "H": H, "device": None, "dtype": None}
DOORS = {
    "Elman": (Elman, {**SIZES, "phi": "tanh"}),
    "LSTM": (LSTM, SIZES),
    "GRU": (GRU, {**SIZES, "reset": "after", "keep": "old"}),
    "Leaky": (Leaky, {**SIZES, "alpha": 0.5, "phi": "tanh"}),
    "LayerNormElman": (LayerNormElman, {**SIZES, "phi": "tanh", "eps": 1e-5}),
    "LayerNormLSTM": (LayerNormLSTM, {**SIZES, "eps": 1e-5}),
    "MinGRU": (MinGRU, {**SIZES, "candidate": "linear"}),
    "from_weights": (Elman.from_weights, {"W_x": R(H, I), "W_h": R(H, H), "b": R(H), "phi": "tanh"}),
    "convert_gru": (convert_gru, {"cell": GRU(I, H), "reset": "after", "keep": "new"}),
    "a cell": (Elman(I, H), {"x_t": X[0], "h": S}),
    "an LSTM": (LSTM(I, H), {"x_t": X[0], "state": (S, S)}),
    "a layer-normalised LSTM": (LayerNormLSTM(I, H), {"x_t": X[0], "state": (S, S)}),
    "initial_state": (Elman(I, H).initial_state, {"B": B}),
    "initial_state of an LSTM": (LSTM(I, H).initial_state, {"B": B}),
    "gates": (MinGRU(I, H).gates, {"a": R(B, 2 * H)}),
    "arguments": (MinGRU(I, H).arguments, {"x": X}),
    "Recurrent": (Recurrent, {"cell": GRU(I, H), "backend": "torch", "chunk": 2}),
    "Recurrent, window": (Recurrent, {"cell": GRU(I, H), "window": 2}),
    "Recurrent, segment": (Recurrent, {"cell": GRU(I, H), "segment": 2}),
    "Bidirectional": (Bidirectional, {"ahead": LAYER, "back": LAYER, "join": "sum"}),
    "Stacked": (partial(Stacked, LAYER), {"dropout": 0.5}),
    "MinGRULayer": (MinGRULayer, {"cell": MinGRU(I, H), "algorithm": "auto"}),
    "a layer": (LAYER, {"x": X, "state": S, "lengths": [4, 2]}),
    "a layer of LSTM": (Recurrent(LSTM(I, H)), {"x": X, "state": (S, S), "mask": MASK[..., 0] > 0}),
    "a layer of PyTorch's": (Recurrent(GRU(I, H), "torch"), {"x": X, "state": S, "mask": MASK[..., 0] > 0}),
    "two directions": (Bidirectional(LAYER, LAYER), {"x": X, "state": (S, S), "lengths": [4, 2]}),
    "a stack": (Stacked(LAYER, SECOND), {"x": X, "state": (S, S), "lengths": [4, 2]}),
    "a layer of minGRU": (MinGRULayer(MinGRU(I, H)), {"x": X, "state": S, "lengths": [4, 2]}),
    "as_mask": (partial(as_mask, None, x=X), {"mask": MASK[..., 0] > 0}),
    "elman": (
        elman,
        {"x": X, "h_0": S, "W_x": R(H, I), "W_h": R(H, H), "b": R(H), "phi": "tanh", "mask": MASK, "window": 2},
    ),
    "lstm": (
        lstm,
        {"x": X, "h_0": S, "c_0": S, "W_x": R(4 * H, I), "W_h": R(4 * H, H), "b": R(4 * H), "mask": MASK, "window": 2},
    ),
    "gru": (
        gru,
        {
            **{"x": X, "h_0": S, "W_x": R(3 * H, I), "W_h": R(3 * H, H), "b": R(3 * H), "b_n": R(H), "keep": "old"},
            **{"mask": MASK, "window": 2},
        },
    ),
    "skew": (skew, {"P": R(H, H)}),
    "cayley": (cayley, {"A": skew(R(H, H))}),
    "exponential": (exponential, {"A": skew(R(H, H))}),
    "householder": (householder, {"V": R(2, H)}),
    "Orthogonal": (Orthogonal, {"W": R(H, H), "method": "cayley"}),
    "an orthogonal map": (Orthogonal(R(H, H)), {"P": R(1, H, H)}),
    "orthogonal": (partial(orthogonal, Elman(I, H)), {"method": "cayley", "name": "W_h"}),
    "compose": (compose, {"later": (S, S), "earlier": (S, S)}),
    "sequential": (sequential, {"c": C, "b": R(T, B, H)}),
    "chunked": (chunked, {"c": C, "b": R(T, B, H), "C": 4}),
    "odd_even": (odd_even, {"c": C, "b": R(T, B, H)}),
    "hillis_steele": (hillis_steele, {"c": C, "b": R(T, B, H)}),
    "scan": (scan, {"a": R(T, B, H), "b": R(T, B, H), "h_0": S, "algorithm": "auto"}),
    "scan_log": (scan_log, {"log_a": R(T, B, H), "log_b": R(T, B, H), "log_h_0": S}),
    "scan_dense": (scan_dense, {"A": R(H, H), "b": R(T, B, H), "h_0": S, "algorithm": "auto"}),
    "sequential of rows": (dense_sequential, {"M": R(H, H), "b": R(T, B, H)}),
    "doubling": (doubling, {"M": R(H, H), "b": R(T, B, H)}),
    "chunked of rows": (dense_chunked, {"M": R(H, H), "b": R(T, B, H), "C": 4}),
    "from_torch": (from_torch, {"module": nn.GRU(I, H), "backend": "bptt"}),
    "to_torch": (to_torch, {"layer": LAYER}),
}
# What every argument refuses, whatever it is; None is left out, which many take for "not given".
NEVER = {
    "text": "nonsense",
    "a dictionary": {"a": 1},
    "a class": dict,
    "NaN": math.nan,
    "a negative number": -1,
    "a fraction": 2.5,
    "True": True,
    "a complex number": 1j,
    "an array": np.ones((2, 3)),
    "words": np.array(["a", "b"]),
    "a huge number": 10**30,
    "a truth value": torch.tensor(True),
    "a number without a value": torch.tensor(3, device="meta"),
    "a module": nn.Linear(2, 2),
    "integers": torch.ones(4, 2, 3, dtype=torch.long),
    "complex numbers": torch.ones(4, 2, 3, dtype=torch.complex64),
}
TAKES = {("eps", "a fraction"), ("eps", "a huge number")}
NAMED = r"^[\w\[\] ]+ must "  # "x must have shape (T, B, I) = …"; torch's own say "linear(): argument …"


def wrong_tensors(X):
    """The tensor with another rank, size, kind or device."""
    yield X[None]
    yield torch.empty(0)
    yield X.to(torch.int64)
    yield X.to(torch.complex64)
    yield X.half()
    yield X.to("meta")
    yield torch.cat((X, X[..., -1:]), -1)


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_argument_is_named(door):
    call, sound = DOORS[door]
    call(**sound)
    for name in sound:
        for what, value in NEVER.items():
            if (name, what) not in TAKES:
                with pytest.raises((TypeError, ValueError), match=NAMED):
                    call(**{**sound, name: value})


SHAPES = {
    "a cell": ["x_t", "h"],
    "from_weights": ["W_h", "b"],
    "elman": ["x", "h_0", "W_x", "W_h", "b", "mask"],
    "lstm": ["h_0", "c_0", "W_x", "W_h", "b", "mask"],
    "gru": ["h_0", "W_x", "W_h", "b", "b_n", "mask"],
    "a layer": ["x", "state"],
    "a layer of minGRU": ["x", "state"],
    "gates": ["a"],
    "arguments": ["x"],
    "cayley": ["A"],
    "exponential": ["A"],
    "an orthogonal map": ["P"],
    "sequential": ["c", "b"],
    "chunked": ["c", "b"],
    "odd_even": ["c", "b"],
    "hillis_steele": ["c", "b"],
    "scan": ["a", "b", "h_0"],
    "scan_log": ["log_a", "log_b", "log_h_0"],
    "scan_dense": ["A", "b", "h_0"],
    "doubling": ["M", "b"],
}
LEADING = {("gates", "a"), ("arguments", "x"), ("cayley", "A"), ("exponential", "A")}  # any number of axes before


@pytest.mark.parametrize(("door", "name"), [(door, name) for door, names in SHAPES.items() for name in names])
def test_a_tensor_that_does_not_fit_is_named(door, name):
    call, sound = DOORS[door]
    for n, value in enumerate(wrong_tensors(sound[name])):
        if n > 0 or (door, name) not in LEADING:
            with pytest.raises((TypeError, ValueError), match=NAMED):
                call(**{**sound, name: value})


def test_a_state_of_one_sequence_is_not_spread_over_two():
    with pytest.raises(ValueError, match=r"h_0 must have shape \(B, H\) = \(2, 5\), got \(1, 5\)"):
        elman(**{**DOORS["elman"][1], "h_0": S[:1]})
    with pytest.raises(ValueError, match="phi must be one of 'tanh', 'relu', 'identity', got 'sigmoid'"):
        elman(**{**DOORS["elman"][1], "phi": "sigmoid"})


def test_a_matrix_that_is_not_skew_and_a_row_without_a_reflection_are_named():
    for to_rotation in (cayley, exponential):
        with pytest.raises(ValueError, match="A must be skew"):
            to_rotation(R(H, H))
        to_rotation(skew(R(3, H, H)) * 1e-30)
    with pytest.raises(ValueError, match="V must have no row of zeros"):
        householder(torch.cat((R(2, H), torch.zeros(1, H))))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, torch.tensor])
def test_a_size_may_be_any_whole_number_and_is_kept_as_an_int(kind):
    three, two = kind(3), kind(2)
    for cell in (
        *(Cell(three, two) for Cell in (Elman, LSTM, GRU, LayerNormElman, LayerNormLSTM, MinGRU)),
        Leaky(three, two, 0.5),
    ):
        assert type(cell.I) is type(cell.H) is int
        assert (cell.I, cell.H) == (3, 2)
        for piece in ("window", "chunk", "segment"):
            layer = Recurrent(cell, **{piece: two})
            assert type(getattr(layer, piece)) is int
            assert layer(R(5, 2, 3))[0].shape == (5, 2, 2)
        assert Recurrent(cell).initial_state(two) is not None
    assert scan(torch.rand(T, B, H), R(T, B, H)).shape == chunked(C, R(T, B, H), C=two).shape


def test_a_mask_counts_by_being_zero_or_not():
    """Half a step would be one on the way there and a half on the way back."""
    sound = {**DOORS["elman"][1], "window": None, "x": X.clone().requires_grad_()}
    half = MASK.clone()
    half[2] = 0.5
    (whole,), (halved,) = (
        torch.autograd.grad(elman(**{**sound, "mask": m})[0].sum(), sound["x"]) for m in (MASK, half)
    )
    assert torch.equal(whole, halved)


def test_numbers_that_are_not_finite_pass_through_a_network():
    x = X.clone()
    x[1, 0, 0] = math.nan
    for layer in (LAYER, Recurrent(LSTM(I, H)), Recurrent(Elman(I, H), "loop"), MinGRULayer(MinGRU(I, H))):
        y = layer(x)[0]
        assert y[1:, 0].isnan().any()
        assert y[:, 1].isfinite().all()
