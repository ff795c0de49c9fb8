"""Chrono initialisation against others on recall, ten seeds each: the long trainings of the chapter timescale.

`python -m experiments.timescale` trains an LSTM to name the first of T symbols, for each start of its biases in turn,
and writes rnnbook/records/timescale.json, anew after each. One process, one thread. A training ends when less than
0.5 % of a test set is named wrongly, or after all its steps.
"""

from typing import Any

import torch

from experiments.trainings import Net, held_out, run
from rnnbook.dynamics.timescale import chrono
from rnnbook.layers.cells import LSTM
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.tasks import batches, cross_entropy, recall
from rnnbook.training.train import fit

SETTINGS: dict[str, Any] = {
    "T": 40,
    "K": 4,
    "H": 32,
    "B": 32,
    "lr": 0.01,
    "clip_norm": 1.0,
    "steps": 1000,
    "test": 1000,
    "wrong": 0.005,
}
SEEDS = 10
# The start: "default" is uniform on ±1/√H, "b_f = 1" changes the forget bias alone; and T_max for chrono.
CASES: list[tuple[str, int | None]] = [
    ("chrono", 40),
    ("default", None),
    ("b_f = 1", None),
    ("chrono", 400),
    ("chrono", 4),
]


def begin(start: str, T_max: int | None) -> Net:
    """One LSTM layer with that start, and a read-out of its last state."""
    cell = LSTM(SETTINGS["K"], SETTINGS["H"])
    net = Net(Recurrent(cell), SETTINGS["K"])
    if T_max is not None:
        chrono(cell, T_max)
    elif start == "b_f = 1":
        with torch.no_grad():
            cell.b[cell.H : 2 * cell.H] = 1
    return net


def remember(start: str, T_max: int | None, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    net = begin(start, T_max)
    x, y = held_out(recall, SETTINGS["test"], SETTINGS["T"])
    batch = batches(recall, SETTINGS["B"], SETTINGS["T"], seed=seed)
    record = fit(
        net,
        batch,
        cross_entropy,
        steps=SETTINGS["steps"],
        lr=SETTINGS["lr"],
        clip_norm=SETTINGS["clip_norm"],
        evaluate=lambda model: (model(x).argmax(-1) != y).double().mean(),
        stop=SETTINGS["wrong"],
        progress=False,
    )
    wrong = record.evaluations[-1][1]
    return {"start": start, "T_max": T_max, "seed": seed, "steps": record.steps, "correct": 1 - wrong}


def main() -> None:
    trainings = [("runs", remember, (*case, seed)) for case in CASES for seed in range(SEEDS)]
    run("timescale", SETTINGS, ["runs"], trainings)


if __name__ == "__main__":
    main()
