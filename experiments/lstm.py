"""Which cell learns what, and from which start, seed by seed: the long trainings of the chapter lstm.

`python -m experiments.lstm` trains on adding and on the latest mark until the mean squared error of a test set falls
below `solved`, and on recall for a fixed number of steps, for several cells and starts; `selected` is adding for tanh
alone, also with the product of number and mark as its one input. It writes
rnnbook/records/lstm.json, anew after each training. One process, one thread. A factor is the geometric mean, over
steps and test sequences, of ‖dL/dstate_{t−1}‖/‖dL/dstate_t‖: what one step back leaves of the gradient; `long` is the
error on sequences ten times as long as those of the training. Of each LSTM that adds, `unit` is the one that keeps
most: its mean forget gate, its mean input gate at the marks and elsewhere, and the error of the best rule
y ≈ v h_T + c that reads this unit alone.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from experiments.trainings import Net, Training, held_out, run
from rnnbook.dynamics.flow import gradient_norms
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.tasks import adding, batches, cross_entropy, latest, mse, recall
from rnnbook.training.train import fit

SHARED: dict[str, Any] = {"T": 50, "H": 32, "B": 32, "clip_norm": 1.0, "test": 1000}
ADDING: dict[str, Any] = {**SHARED, "solved": 0.01}  # 6 % of the variance 1/6
LATEST: dict[str, Any] = {**SHARED, "K": 5, "solved": 0.005}  # 6 % of the variance 1/12
RECALL: dict[str, Any] = {**SHARED, "T": 40, "K": 4, "lr": 0.003, "steps": 1200}
# Each start: the cell, and for an LSTM the forget bias, for a tanh network the factor of an orthogonal W_h, for an
# IRNN, with ReLU or tanh, that of W_h = I with small W_x and no bias. Then the learning rate, and after how many steps
# to give up.
ADDING_CASES: list[tuple[str, float | None, float, int]] = [
    ("LSTM", 1.0, 0.01, 2000),
    ("LSTM", 0.0, 0.01, 2000),
    ("ReLU IRNN", 1.0, 0.003, 2000),
    ("tanh IRNN", 1.0, 0.003, 2000),
    ("tanh RNN", 1.0, 0.003, 6000),
    ("tanh RNN", None, 0.003, 2000),
]
# The control of the control: the same start and tanh, as it is and where only the product u m is shown.
SELECTED_CASES: list[tuple[bool, float]] = [(True, 0.001), (True, 0.003), (False, 0.001)]
LATEST_CASES: list[tuple[str, float, float, int]] = [
    ("LSTM", 1.0, 0.01, 3000),
    ("LSTM", 3.0, 0.01, 3000),
    ("ReLU IRNN", 1.0, 0.003, 3000),
    ("tanh RNN", 1.0, 0.003, 3000),
]
HOLDS = (0, 25)
RECALL_CASES: list[tuple[str, float | None]] = [
    ("LSTM", 3.0),
    ("LSTM", 1.0),
    ("LSTM", 0.0),
    ("GRU", None),
    ("ReLU IRNN", 1.0),
    ("tanh RNN", 1.0),
    ("tanh RNN", 0.5),
]
FORGET_BIASES = (1.5, 2.0, 2.5)  # between the two that fail and succeed: an exercise asks for them
SEEDS = range(10)


def begin(kind: str, start: float | None, I: int, H: int, O: int) -> Net:
    """One layer with that start, and a read-out of its last state."""
    gated = {"LSTM": LSTM, "GRU": GRU}.get(kind)
    cell = gated(I, H) if gated else Elman(I, H, "relu" if kind.startswith("ReLU") else "tanh")
    net = Net(Recurrent(cell), O)
    with torch.no_grad():
        if kind.endswith("IRNN"):
            nn.init.eye_(cell.W_h).mul_(start)
            cell.W_x.normal_(0, 0.1)
            cell.b.zero_()
        elif isinstance(cell, Elman) and start is not None:
            nn.init.orthogonal_(cell.W_h, gain=start)
        elif isinstance(cell, LSTM):
            cell.b[H : 2 * H] = start
    return net


def factor(net: Net, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """(‖dL/dstate_0‖/‖dL/dstate_T‖)^{1/T}, the geometric mean over the sequences of x: (T, B, I)."""
    norms = gradient_norms(net.layer, x, lambda h: loss(net.readout(h[-1]), y)).double()
    return float(((norms[0] / norms[-1]).log().mean() / len(x)).exp())


def keeper(net: Net, x: Tensor, y: Tensor) -> dict[str, float]:
    """The unit with the largest mean forget gate, and how much of y: (B, 1) it tells alone. x: (T, B, 2)."""
    cell: LSTM = net.layer.cell
    (h, c), seen = cell.initial_state(x.shape[1]), []
    with torch.no_grad():
        for x_t in x:
            i, f, _, _ = (x_t @ cell.W_x.T + h @ cell.W_h.T + cell.b).sigmoid().chunk(4, 1)
            seen.append(torch.stack((i, f)))
            h, (_, c) = cell(x_t, (h, c))
    i, f = torch.stack(seen, 1)
    unit = int(f.mean((0, 1)).argmax())
    marked = x[..., 1] == 1
    told = torch.stack((h[:, unit], torch.ones(len(h))), 1)
    alone = mse(told @ torch.linalg.lstsq(told, y).solution, y)
    gates = {"f": f[..., unit], "i_marked": i[marked][:, unit], "i_else": i[~marked][:, unit]}
    return {name: gate.mean().item() for name, gate in gates.items()} | {"alone": alone.item()}


def _number(
    task: Callable[..., tuple[Tensor, Tensor]],
    settings: dict[str, Any],
    kind: str,
    start: float | None,
    lr: float,
    steps: int,
    seed: int,
    **options: int,
) -> dict[str, Any]:
    """Train on a task whose answer is a number, until it is solved or given up."""
    torch.manual_seed(seed)
    x, y = held_out(task, settings["test"], settings["T"], **options)
    net = begin(kind, start, x.shape[-1], settings["H"], 1)
    x_long, y_long = held_out(task, settings["test"], 10 * settings["T"], **options)
    before = factor(net, x, y, mse)
    record = fit(
        net,
        batches(task, settings["B"], settings["T"], seed=seed, **options),
        mse,
        steps=steps,
        lr=lr,
        clip_norm=settings["clip_norm"],
        evaluate=lambda model: mse(model(x), y),
        stop=settings["solved"],
        progress=False,
    )
    with torch.no_grad():
        long = mse(net(x_long), y_long).item()
    row = {"kind": kind, "start": start, "lr": lr, "seed": seed, "steps": record.steps, **options}
    row |= {"mse": record.evaluations[-1][1], "before": before, "after": factor(net, x, y, mse), "long": long}
    return row | ({"unit": keeper(net, x, y)} if task is adding and kind == "LSTM" else {})


def add(*case: Any) -> dict[str, Any]:
    return _number(adding, ADDING, *case)


def selected(B: int, T: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """The adding problem with the product of number and mark as its only input: x: (T, B, 1), y: (B, 1)."""
    x, y = adding(B, T, generator=generator)
    return x[..., :1] * x[..., 1:], y


def select(product: bool, lr: float, seed: int) -> dict[str, Any]:
    row = _number(selected if product else adding, ADDING, "tanh IRNN", 1.0, lr, 2000, seed)
    return {"product": product, **row}


def overwrite(hold: int, *case: Any) -> dict[str, Any]:
    return _number(latest, LATEST, *case, hold=hold)


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
    trainings += [("adding", add, (*case, seed)) for case in ADDING_CASES for seed in SEEDS]
    trainings += [("selected", select, (*case, seed)) for case in SELECTED_CASES for seed in SEEDS]
    trainings += [
        ("latest", overwrite, (hold, *case, seed)) for hold in HOLDS for case in LATEST_CASES for seed in SEEDS
    ]
    trainings += [("recall", remember, (*case, seed)) for case in RECALL_CASES for seed in SEEDS]
    trainings += [("biases", remember, ("LSTM", b_f, seed)) for b_f in FORGET_BIASES for seed in SEEDS]
    settings = {"adding": ADDING, "latest": LATEST, "recall": RECALL}
    run("lstm", settings, [*settings, "selected", "biases"], trainings)


if __name__ == "__main__":
    main()
