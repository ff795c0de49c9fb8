"""LSTM, GRU and minGRU on one budget: the long trainings of the chapter gru.

`python -m experiments.gru` trains every network in turn and writes rnnbook/records/gru.json, anew after each. One
process, one thread; seconds are CPU time. Two tasks: the adding problem until it is solved, and the next symbol of
a^n b^n for a fixed number of steps, after which every n up to `longest` is asked for.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from experiments.trainings import Net, Training, held_out, run, size
from rnnbook.dynamics.timescale import chrono
from rnnbook.layers.cells import GRU, LSTM
from rnnbook.layers.mingru import MinGRU, MinGRULayer
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.tasks import adding, anbn, batches, cross_entropy, mse
from rnnbook.training.train import fit, one_cycle

ADDING: dict[str, Any] = {"T": 100, "B": 32, "lr": 1e-2, "clip_norm": 1.0, "steps": 2000, "every": 50, "solved": 0.01}
COUNTING: dict[str, Any] = {
    "T": 100,
    "B": 32,
    "peak": 1e-2,
    "clip_norm": 1.0,
    "steps": 1500,
    "n_max": 20,
    "longest": 60,
}
ADDING_SEEDS, COUNTING_SEEDS = range(10), range(5)


def min_gru(H: int, T_max: int) -> MinGRULayer:
    """A minGRU with chrono biases: z = 1/(1+u), u ~ U(1, T_max − 1)."""
    cell = MinGRU(2, H)
    u = 1 + (T_max - 2) * torch.rand(H)
    with torch.no_grad():
        cell.b[:H] = -u.log()
    return MinGRULayer(cell)


# The widths give the LSTM and the GRU the same number of weights within 1 %; the minGRU has the LSTM's width.
ON_ADDING: dict[str, Callable[[], Recurrent | MinGRULayer]] = {
    "LSTM, chrono": lambda: Recurrent(chrono(LSTM(2, 64), ADDING["T"])),
    "GRU": lambda: Recurrent(GRU(2, 74)),
    "GRU, chrono": lambda: Recurrent(chrono(GRU(2, 74), ADDING["T"])),
    "minGRU, chrono": lambda: min_gru(64, ADDING["T"]),
}
ON_COUNTING: dict[str, Callable[[], Recurrent | MinGRULayer]] = {
    "LSTM": lambda: Recurrent(LSTM(2, 10)),
    "GRU": lambda: Recurrent(GRU(2, 12)),
}


def solve_adding(name: str, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    s, net = ADDING, Net(ON_ADDING[name](), 1)
    x, y = held_out(adding, 1000, s["T"])
    began = time.process_time()
    record = fit(
        net,
        batches(adding, s["B"], s["T"], seed=seed),
        mse,
        steps=s["steps"],
        lr=s["lr"],
        clip_norm=s["clip_norm"],
        every=s["every"],
        evaluate=lambda model: mse(model(x), y),
        stop=s["solved"],
        progress=False,
    )
    return {
        "cell": name,
        "seed": seed,
        "parameters": size(net.layer),
        "solved": record.stopped == "stop",
        "steps": record.steps,
        "error": record.evaluations[-1][1],
        "seconds": round(time.process_time() - began, 2),
    }


def solve_counting(name: str, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    s, net = COUNTING, Net(ON_COUNTING[name](), 2, last=False)
    batch = batches(anbn, s["B"], s["T"], seed=seed, n_max=s["n_max"])
    rate = one_cycle(s["peak"], s["steps"])
    record = fit(net, batch, cross_entropy, steps=s["steps"], lr=rate, clip_norm=s["clip_norm"], progress=False)
    return {
        "cell": name,
        "seed": seed,
        "parameters": size(net.layer),
        "loss": sum(record.losses[-50:]) / 50,
        "counted": [n for n in range(1, s["longest"] + 1) if counts(net, n)],
    }


@torch.no_grad()
def counts(net: Net, n: int) -> bool:
    """Whether the net foretells every symbol after the first b of a^n b^n: n − 1 times b, then a."""
    symbols = torch.tensor([0] * n + [1] * n)
    told = net(torch.eye(2)[symbols][:, None]).argmax(-1)[n:, 0]
    return torch.equal(told, torch.tensor([1] * (n - 1) + [0]))


def main() -> None:
    trainings: list[Training] = []
    trainings += [("adding", solve_adding, (name, seed)) for seed in ADDING_SEEDS for name in ON_ADDING]
    trainings += [("counting", solve_counting, (name, seed)) for seed in COUNTING_SEEDS for name in ON_COUNTING]
    run("gru", {"adding": ADDING, "counting": COUNTING}, ["adding", "counting"], trainings)


if __name__ == "__main__":
    main()
