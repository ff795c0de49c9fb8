"""Whatever is given to training in place of what it asks for, the answer names the argument."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnnbook.layers.cells import LSTM
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training import checkpoint, diagnosis, memory, tasks
from rnnbook.training.record import Record
from rnnbook.training.train import fit, one_cycle

NAN, INF = float("nan"), float("inf")
THINGS = ["x", [1, 2], 1j, object()]
COUNT = [*THINGS, None, 2.5, NAN, True, np.True_, 0, -1, np.int64(-1), torch.tensor(2.5), torch.ones(2)]
NUMBER = [*THINGS, None, NAN, INF, -INF]
NUMBERS = [*THINGS, None, np.ones(3), torch.ones(3, 2, 1).long(), torch.ones(3, 2, 1) + 1j]
FUNCTION = [*THINGS, None, 3]
OPTIONAL = [thing for thing in THINGS if thing is not None]
OTHER = [*THINGS, None]

DATA = {
    "B": COUNT,
    "T": COUNT,
    "generator": [*THINGS, 0, torch.Generator],
    "device": ["gpu", "cuda:99", [1], 2.5],
    "dtype": [*THINGS, None, torch.int64, torch.complex64, torch.bool, float],
}
LAYER = Recurrent(LSTM(3, 4))
LAYERS = [*OTHER, nn.LSTM(3, 4), LSTM(3, 4)]
MODEL, DECIDED = nn.Linear(1, 1), Record([1.0], [1.0], [(1, 1.0)], "steps")
X, Y = torch.ones(3, 2, 1), torch.zeros(3, 2).long()

# Each door: the function, arguments that are right, and for each argument what is wrong.
DOORS = {
    "adding": (tasks.adding, {"B": 3, "T": 25}, {**DATA, "T": [*COUNT, 1]}),
    "recall": (tasks.recall, {"B": 3, "T": 25}, {**DATA, "K": [*COUNT, 1]}),
    "copy": (tasks.copy, {"B": 3, "T": 25}, {**DATA, "K": [*COUNT, 1], "S": [*COUNT]}),
    "parity": (tasks.parity, {"B": 3, "T": 25}, DATA),
    "anbn": (tasks.anbn, {"B": 3, "T": 25}, {**DATA, "n_min": [*COUNT, 11], "n_max": COUNT}),
    "next_sine": (tasks.next_sine, {"B": 3, "T": 25}, {**DATA, "N": COUNT, "first": [*THINGS, 2.5, NAN, True, -1]}),
    "noisy_ar1": (
        tasks.noisy_ar1,
        {"B": 3, "T": 25},
        {**DATA, "a": [*NUMBER, 1.0, -1.5], "q": [*NUMBER, -1.0], "r": [*NUMBER, -1.0]},
    ),
    "batches": (
        tasks.batches,
        {"task": tasks.recall, "B": 3, "T": 5},
        {"task": FUNCTION, "B": COUNT, "T": COUNT, "seed": [*THINGS, None, 2.5, True, -1]},
    ),
    "a batch": (tasks.batches(tasks.recall, 3, 5), {"step": 0}, {"step": [*THINGS, None, 2.5, True, -1]}),
    "mse": (tasks.mse, {"o": X, "y": X}, {"o": [*NUMBERS, X[0]], "y": [*NUMBERS, X[0], X.to("meta")]}),
    "cross_entropy": (
        tasks.cross_entropy,
        {"o": torch.zeros(3, 2, 4), "y": Y},
        {"o": [*NUMBERS, X[0]], "y": [*THINGS, None, Y.float(), Y > 0, Y[0], Y - 100, Y - 1, Y + 4, Y.to("meta")]},
    ),
    "flow_ratio": (
        diagnosis.flow_ratio,
        {"norms": torch.ones(4)},
        {
            "norms": [
                *NUMBERS,
                torch.ones(2),
                torch.ones(3, 3, 3),
                NAN * torch.ones(4),
                INF * torch.ones(4),
                -X[:, :, 0],
            ]
        },
    ),
    "saturation": (
        diagnosis.saturation,
        {"h": X},
        {"h": [*NUMBERS, NAN * X, INF * X, X[:0]], "at": [*NUMBER, 1.0, -0.1]},
    ),
    "diagnose": (
        diagnosis.diagnose,
        {"record": DECIDED, "baseline": 1.0, "floor": 0.1, "ratio": 0.5},
        {"record": [*OTHER, Record()], "baseline": [*NUMBER, 0.1], "floor": [*NUMBER, -1.0], "ratio": [*NUMBER, -1.0]},
    ),
    "majority": (
        diagnosis.majority,
        {"diagnoses": [diagnosis.Diagnosis("healthy", 0, 0, 1, 0, 1)]},
        {"diagnoses": [None, 3, "x", [1, 2]]},
    ),
    "saved_bytes": (
        memory.saved_bytes,
        {"forward": X.exp},
        {"forward": FUNCTION, "without": [3, None, "x", [1, 2]]},
    ),
    "layer_saved_bytes": (
        memory.layer_saved_bytes,
        {"layer": LAYER, "T": 3, "B": 2},
        {"layer": LAYERS, "T": COUNT, "B": COUNT},
    ),
    "per_token": (memory.per_token, {"cell": LAYER.cell}, {"cell": OTHER}),
    "parameter_bytes": (memory.parameter_bytes, {"model": MODEL}, {"model": OTHER, "copies": COUNT}),
    "training_bytes": (
        memory.training_bytes,
        {"layer": LAYER, "T": 3, "B": 2},
        {"layer": LAYERS, "T": COUNT, "B": COUNT, "V": [*THINGS, None, 2.5, NAN, True, -1]},
    ),
    "longest": (
        memory.longest,
        {"memory": 10**6, "layer": LAYER, "B": 2},
        {"memory": [*COUNT, 10], "layer": LAYERS, "B": COUNT, "V": [*THINGS, None, 2.5, -1]},
    ),
    "token_budget": (
        memory.token_budget,
        {"memory": 10**6, "layer": LAYER},
        {"memory": [*COUNT, 10], "layer": LAYERS, "V": [*THINGS, None, 2.5, -1]},
    ),
    "plan": (memory.plan, {"T": 9}, {"T": COUNT, "s": [*NUMBER, 0.0, -1.0], "b": [*NUMBER, 0.0, -1.0]}),
    "one_cycle": (
        one_cycle,
        {"peak": 0.1, "steps": 9},
        {"peak": [*NUMBER, 0.0], "steps": COUNT, "warm": [*NUMBER, 0.0, 1.0]},
    ),
    "fit": (
        fit,
        {"model": MODEL, "batch": lambda _: (X, X), "loss": tasks.mse, "steps": 1},
        {
            "model": [*OTHER, nn.Tanh(), nn.Linear(1, 1).requires_grad_(False)],
            "batch": [*FUNCTION, lambda _: X, lambda _: None],
            "loss": [*FUNCTION, lambda o, y: 0.5, lambda o, y: o],
            "steps": COUNT,
            "optimiser": [*THINGS, torch.optim.Adam, torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)],
            "lr": [*THINGS, NAN, INF, -1.0, lambda _: None, lambda _: NAN],
            "clip_norm": [*THINGS, NAN, 0.0, -1.0],
            "clip_value": [*THINGS, NAN, 0.0, -1.0],
            "truncate": COUNT[:4] + COUNT[5:],
            "evaluate": [*THINGS, 3, lambda model: X, lambda model: "low", lambda model: None],
            "every": COUNT,
            "stop": [*THINGS, NAN, 0.5],
            "checkpoint": [*THINGS[1:], 3, "/nowhere/training.pt"],
            "generator": [*THINGS, 0],
        },
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_the_argument_is_named(door: str) -> None:
    function, right, wrong = DOORS[door]
    function(**right)
    faults = []
    for argument, values in wrong.items():
        # "a" and "o" are words, too.
        named = rf"\b{argument} (must|is|and)\b" if len(argument) == 1 else rf"\b{argument}\b"
        for value in values:
            try:
                function(**right | {argument: value})
                faults.append(f"{argument}={value!r} is taken")
            except (TypeError, ValueError) as error:
                if not re.search(named, str(error)):
                    faults.append(f"{argument}={value!r}: {error!r}")
    assert faults == []


SIZES = {
    "adding": partial(tasks.adding, np.int64(3), np.int64(10)),
    "recall": partial(tasks.recall, np.int64(3), np.int64(10), K=np.int64(5)),
    "copy": partial(tasks.copy, np.int64(3), np.int64(10), S=np.int64(2), K=np.int64(5)),
    "parity": partial(tasks.parity, np.int64(3), np.int64(10)),
    "anbn": partial(tasks.anbn, np.int64(3), np.int64(10), n_min=np.int64(2), n_max=np.int64(5)),
    "next_sine": partial(tasks.next_sine, np.int64(3), np.int64(10), N=np.int64(9), first=np.int64(2)),
    "noisy_ar1": partial(tasks.noisy_ar1, np.int64(3), np.int64(10), a=np.float64(0.5)),
    "batches": lambda: tasks.batches(tasks.adding, np.int64(3), np.int64(10), seed=np.int64(1))(np.int64(4)),
    "layer_saved_bytes": partial(memory.layer_saved_bytes, LAYER, np.int64(3), np.int32(2)),
    "parameter_bytes": partial(memory.parameter_bytes, MODEL, np.int64(2)),
    "training_bytes": partial(memory.training_bytes, LAYER, np.int64(3), np.int64(2), np.int64(5)),
    "longest": partial(memory.longest, np.int64(10**6), LAYER, np.int64(2), np.int64(5)),
    "token_budget": partial(memory.token_budget, np.int64(10**6), LAYER, np.int64(5)),
    "plan": partial(memory.plan, np.int64(9), np.float64(2), np.float32(7)),
    "one_cycle": lambda: one_cycle(np.float32(0.5), np.int64(9))(np.int64(3)),
    "fit": lambda: fit(
        nn.Linear(1, 1),
        lambda _: (X, X),
        tasks.mse,
        steps=np.int64(2),
        every=np.int64(1),
        lr=np.float32(0.1),
        clip_norm=np.float64(1),
    ),
}


@pytest.mark.parametrize("door", SIZES)
def test_whole_numbers_of_numpy_are_whole_numbers(door: str) -> None:
    SIZES[door]()


def test_a_count_in_small_integers_does_not_overflow() -> None:
    small = np.int8(100)
    assert memory.layer_saved_bytes(LAYER, small, small) == memory.layer_saved_bytes(LAYER, 100, 100)
    assert memory.training_bytes(LAYER, small, small, small) == memory.training_bytes(LAYER, 100, 100, 100)
    assert memory.parameter_bytes(MODEL, np.int8(127)) == 127 * memory.parameter_bytes(MODEL, 1)


def test_a_checkpoint_is_named_by_its_path(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "training.pt"):
        with pytest.raises(checkpoint.CheckpointError, match=r"checkpoint .* cannot be"):
            fit(nn.Linear(1, 1), lambda _: (X, X), tasks.mse, steps=1, checkpoint=path)
