"""Every public function of rnnbook.linear names what is wrong with what it is given."""

import math

import numpy as np
import pytest
import torch
from doors import refuses
from drawn import F64

from rnnbook.layers.cells import Elman
from rnnbook.linear import innovations, realisation, varma
from rnnbook.linear.realisation import Delayed, LinearRNN
from rnnbook.linear.varma import VARMA

W = torch.tensor([[0.5, 0.1], [0.0, 0.3]], dtype=F64)
RNN = LinearRNN(W, [[1.0], [1.0]], [[1.0, 0.0]], [[0.0]])
MODEL = VARMA([0.5], [0.4])
CELL = realisation.to_elman(RNN)[0]
x = torch.zeros(4, 2, 1, dtype=F64)
h = torch.zeros(2, 2, dtype=F64)

# The arguments that are looked at, whether None is one of their values, and a call that is right.
DOORS = [
    (LinearRNN, "W U C D", False, {"W": W, "U": [[1.0], [1.0]], "C": [[1.0, 0.0]], "D": [[0.0]]}),
    (Delayed, "F G H D", False, {"F": W, "G": [[1.0], [1.0]], "H": [[1.0, 0.0]], "D": [[0.0]]}),
    (RNN.__call__, "x", False, {"x": x}),
    (RNN.__call__, "h", True, {"x": x, "h": h}),
    (RNN.delayed().__call__, "z", True, {"x": x, "z": h}),
    (RNN.markov, "count", False, {"count": 3}),
    (RNN.changed, "S", False, {"S": W}),
    (realisation.to_elman, "rnn", False, {"rnn": RNN}),
    (realisation.from_elman, "cell V", False, {"cell": CELL, "V": torch.ones(1, 2, dtype=F64)}),
    (realisation.hankel, "psi rows columns", False, {"psi": RNN.markov(5), "rows": 2, "columns": 2}),
    (realisation.degree, "model tolerance", False, {"model": RNN, "tolerance": 1e-8}),
    (realisation.units, "model tolerance", False, {"model": RNN, "tolerance": 1e-8}),
    (realisation.minimal, "model tolerance", False, {"model": RNN.delayed(), "tolerance": 1e-8}),
    (realisation.smallest, "model tolerance", False, {"model": RNN, "tolerance": 1e-8}),
    (realisation.realise, "psi tolerance", False, {"psi": RNN.markov(7), "n": 1, "tolerance": 1e-8}),
    (realisation.realise, "n", True, {"psi": RNN.markov(7), "n": 1}),
    (realisation.equivalent, "a b tolerance", False, {"a": RNN, "b": RNN, "tolerance": 1e-9}),
    (realisation.similarity, "a b tolerance", False, {"a": RNN, "b": RNN, "tolerance": 1e-9}),
    (VARMA, "A M", False, {"A": [0.5], "M": [0.4], "variance": 1.0}),
    (VARMA, "variance", True, {"A": [0.5], "M": [0.4], "variance": 1.0}),
    (MODEL.simulate, "e", False, {"e": x}),
    (varma.harvey, "model", False, {"model": MODEL}),
    (varma.history, "model", False, {"model": MODEL}),
    (varma.innovations_form, "model", False, {"model": MODEL}),
    (varma.leverrier_faddeev, "W", False, {"W": W}),
    (varma.final_form, "rnn B", False, {"rnn": RNN, "B": 1}),
    (varma.final_form, "h", True, {"rnn": RNN, "h": h}),
    (varma.final_form(RNN).simulate, "x", False, {"x": x[:, :1]}),
    (varma.to_varma, "rnn", False, {"rnn": RNN, "variance": 1.0}),
    (varma.to_varma, "variance", True, {"rnn": RNN, "variance": 1.0}),
    (innovations.dare, "F H Q R", False, {"F": W, "H": [[1.0, 0.0]], "Q": W @ W.T, "R": [[1.0]]}),
    (innovations.dare, "S", True, {"F": W, "H": [[1.0, 0.0]], "Q": W @ W.T, "R": [[1.0]], "S": [[0.0], [0.0]]}),
    (innovations.spectral_factor, "model", False, {"model": RNN}),
    (innovations.spectral_factor, "variance noise", True, {"model": RNN, "variance": 1.0, "noise": 1.0}),
    (innovations.invertible_form, "model", False, {"model": MODEL}),
    (innovations.predictor, "model", False, {"model": MODEL}),
    (innovations.zeros, "model", False, {"model": RNN}),
    (innovations.autocovariance, "model lags", False, {"model": RNN, "lags": 3}),
    (innovations.autocovariance, "variance", True, {"model": RNN, "lags": 3, "variance": 1.0}),
]


@pytest.mark.parametrize(
    ("door", "argument", "none", "good"),
    [(door, argument, none, good) for door, names, none, good in DOORS for argument in names.split()],
    ids=lambda value: getattr(value, "__qualname__", value) if callable(value) or isinstance(value, str) else "",
)
def test_wrong_input_is_named(door, argument, none, good):
    refuses(door, good, argument, ("None",) if none else ())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_named_before_an_eigenvalue_is_asked(bad):
    hole = [[bad, 0.0], [1.0, 0.5]]
    with pytest.raises(ValueError, match=rf"W must be finite, got {bad} at \(0, 0\)"):
        LinearRNN(hole, [[1.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    for letter in "AM":
        with pytest.raises(ValueError, match=rf"{letter} must be finite, got {bad}"):
            VARMA(**{letter: [0.5, bad]})
    with pytest.raises(ValueError, match="variance must be finite"):
        VARMA([0.5], [], bad)
    with pytest.raises(TypeError, match=r"W must hold real numbers, got torch\.complex128"):
        LinearRNN(1j * W, RNN.U, RNN.C, RNN.D)


def test_sizes_and_tolerances_that_are_none_are_named():
    for tolerance in (math.nan, -1e-8, 1.0, math.inf):
        for door in (realisation.degree, realisation.units, realisation.smallest):
            with pytest.raises(ValueError, match="tolerance must be"):
                door(RNN, tolerance)
    with pytest.raises(ValueError, match="n must be at least 0, got -1"):
        realisation.realise(RNN.markov(7), -1)
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        RNN.markov(-1)
    with pytest.raises(ValueError, match="lags must be at least 1, got 0"):
        innovations.autocovariance(RNN, 0)
    with pytest.raises(ValueError, match=r"V must have shape \(O, H\) = \(O, 2\), got \(1, 3\)"):
        realisation.from_elman(CELL, torch.ones(1, 3, dtype=F64))
    with pytest.raises(TypeError, match=r"V must have the parameters' dtype torch\.float64, got torch\.float32"):
        realisation.from_elman(CELL, torch.ones(1, 2))
    with pytest.raises(ValueError, match="at least one input and one output, got I=0 and O=1"):
        LinearRNN(W, torch.zeros(2, 0), [[1.0, 0.0]], torch.zeros(1, 0))
    assert RNN.markov(np.int64(3)).shape == (3, 1, 1)
    assert realisation.realise(RNN.markov(7), np.int64(1)).n == 1
    assert isinstance(CELL, Elman)
