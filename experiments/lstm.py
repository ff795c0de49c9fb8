"""What an LSTM learns that a tanh network does not, seed by seed: the long trainings of the chapter lstm.

`python -m experiments.lstm` trains on the adding problem until the mean squared error of a test set falls below
`solved`, and on recall for a fixed number of steps, for several cells and starts, and writes rnnbook/records/lstm.json,
anew after each training. One process, one thread. A factor is the geometric mean, over steps and test sequences, of
‖dL/dstate_{t−1}‖/‖dL/dstate_t‖: what one step back leaves of the gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from experiments.trainings import Net, Training, held_out, run
from rnnbook.dynamics.flow import gradient_norms
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.tasks import adding, batches, cross_entropy, mse, recall
from rnnbook.training.train import fit

ADDING: dict[str, Any] = {"T": 50, "H": 32, "B": 32, "lr": 0.01, "clip_norm": 1.0, "test": 1000, "solved": 0.01}
RECALL: dict[str, Any] = {"T": 40, "K": 4, "H": 32, "B": 32, "lr": 0.003, "clip_norm": 1.0, "test": 1000, "steps": 1200}
# Each start: the cell, and for a tanh network the factor of an orthogonal W_h, for an LSTM the forget bias.
ADDING_CASES: list[tuple[str, float | None, float, int]] = [
    ("LSTM", 1.0, 0.01, 2000),
    ("tanh RNN", None, 0.003, 2000),
    ("tanh RNN", 1.0, 0.003, 2000),
]
RECALL_CASES: list[tuple[str, float | None]] = [
    ("tanh RNN", 1.0),
    ("tanh RNN", 0.5),
    ("LSTM", 3.0),
    ("LSTM", 0.0),
    ("GRU", None),
]
ADDING_SEEDS, RECALL_SEEDS = 10, 5


def begin(kind: str, start: float | None, I: int, H: int, O: int) -> Net:
    """One layer with that start, and a read-out of its last state."""
    cell = {"LSTM": LSTM, "GRU": GRU, "tanh RNN": Elman}[kind](I, H)
    net = Net(Recurrent(cell), O)
    with torch.no_grad():
        if isinstance(cell, Elman) and start is not None:
            nn.init.orthogonal_(cell.W_h, gain=start)
        elif isinstance(cell, LSTM) and start is not None:
            cell.b[H : 2 * H] = start
    return net


def factor(net: Net, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """(‖dL/dstate_0‖/‖dL/dstate_T‖)^{1/T}, the geometric mean over the sequences of x: (T, B, I)."""
    norms = gradient_norms(net.layer, x, lambda h: loss(net.readout(h[-1]), y)).double()
    return float(((norms[0] / norms[-1]).log().mean() / len(x)).exp())


def add(kind: str, start: float | None, lr: float, steps: int, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    net = begin(kind, start, 2, ADDING["H"], 1)
    x, y = held_out(adding, ADDING["test"], ADDING["T"])
    before = factor(net, x, y, mse)
    record = fit(
        net,
        batches(adding, ADDING["B"], ADDING["T"], seed=seed),
        mse,
        steps=steps,
        lr=lr,
        clip_norm=ADDING["clip_norm"],
        evaluate=lambda model: mse(model(x), y),
        stop=ADDING["solved"],
        progress=False,
    )
    row = {"kind": kind, "start": start, "lr": lr, "seed": seed, "steps": record.steps}
    return row | {"mse": record.evaluations[-1][1], "before": before, "after": factor(net, x, y, mse)}


def remember(kind: str, start: float | None, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    net = begin(kind, start, RECALL["K"], RECALL["H"], RECALL["K"])
    x, y = held_out(recall, RECALL["test"], RECALL["T"], K=RECALL["K"])
    before = factor(net, x, y, cross_entropy)
    fit(
        net,
        batches(recall, RECALL["B"], RECALL["T"], seed=seed, K=RECALL["K"]),
        cross_entropy,
        steps=RECALL["steps"],
        lr=RECALL["lr"],
        clip_norm=RECALL["clip_norm"],
        progress=False,
    )
    with torch.no_grad():
        correct = (net(x).argmax(-1) == y).double().mean().item()
    return {"kind": kind, "start": start, "seed": seed, "before": before, "correct": correct}


def main() -> None:
    trainings: list[Training] = []
    trainings += [("recall", remember, (*case, seed)) for case in RECALL_CASES for seed in range(RECALL_SEEDS)]
    trainings += [("adding", add, (*case, seed)) for case in ADDING_CASES for seed in range(ADDING_SEEDS)]
    run("lstm", {"adding": ADDING, "recall": RECALL}, ["adding", "recall"], trainings)


if __name__ == "__main__":
    main()
