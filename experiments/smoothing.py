"""Recurrent networks against the exact filter and smoother: the long trainings of the chapter smoothing.

`python -m experiments.smoothing` trains every network in turn and writes rnnbook/records/smoothing.json, anew after
each. One process, one thread. The gap of a network is the mean of (o_t − E[s_t | …])²: as the optimum's error is
independent of everything that it has seen, the network's mean squared error is the optimum's plus this gap.
"""

from typing import Any

import torch
from torch import Tensor, nn

from experiments.trainings import held_out, run, size
from rnnbook.filters import kalman
from rnnbook.filters.hmm import forward_backward, noisy_chain, noisy_chain_model
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import autoregression
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.recurrent import Bidirectional, Recurrent
from rnnbook.training.tasks import batches, cross_entropy, mse, noisy_ar1
from rnnbook.training.train import fit, one_cycle

CELLS = {"GRU": GRU, "LSTM": LSTM, "Elman": Elman}
AR1: dict[str, Any] = {"a": 0.95, "q": 0.0975, "r": 1.0}
HMM: dict[str, Any] = {"stay": 0.9, "spread": 0.8}
SETTINGS: dict[str, Any] = {"T": 64, "H": 32, "B": 128, "steps": 1500, "peak": 6e-3, "clip_norm": 1.0, "test": 20_000}
# Task, cell, how the two directions are joined ("" for one direction), seed.
RUNS = [
    *(("AR(1)", "GRU", join, seed) for seed in range(3) for join in ("", "concatenate", "gate")),
    *(("HMM", "GRU", join, seed) for seed in range(2) for join in ("", "concatenate")),
    *(("AR(1)", "GRU", join, seed) for seed in range(2) for join in ("sum", "hidden layer")),
    *(("AR(1)", cell, join, seed) for seed in range(2) for cell in ("LSTM", "Elman") for join in ("", "concatenate")),
]


class Gate(nn.Module):
    """o_t = V (g ⊙ h→ + (1−g) ⊙ h←) + c with g = σ(G [h→; h←] + d)."""

    def __init__(self, H: int, O: int) -> None:
        super().__init__()
        self.gate, self.readout = nn.Linear(2 * H, H), nn.Linear(H, O)

    def forward(self, h: Tensor) -> Tensor:
        g = self.gate(h).sigmoid()
        ahead, back = h.chunk(2, -1)
        o: Tensor = self.readout(g * ahead + (1 - g) * back)
        return o


class Net(nn.Module):
    """A read-out of the states of one layer, or of two in opposite directions, joined in one of four ways."""

    def __init__(self, cell: str, join: str, O: int) -> None:
        super().__init__()
        H = SETTINGS["H"]
        self.layer: Recurrent | Bidirectional = Recurrent(CELLS[cell](1, H))
        if join:
            back = Recurrent(CELLS[cell](1, H))
            self.layer = Bidirectional(self.layer, back, "sum" if join == "sum" else "concatenate")
        self.readout: nn.Module = nn.Linear(self.layer.width, O)
        if join == "gate":
            self.readout = Gate(H, O)
        elif join == "hidden layer":
            self.readout = nn.Sequential(nn.Linear(2 * H, H), nn.Tanh(), nn.Linear(H, O))

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.layer(x)
        o: Tensor = self.readout(h)
        return o


def train(net: Net, task: str, seed: int) -> None:
    steps, B, T = SETTINGS["steps"], SETTINGS["B"], SETTINGS["T"]
    chain = task == "HMM"
    batch = batches(noisy_chain, B, T, seed=seed, **HMM) if chain else batches(noisy_ar1, B, T, seed=seed, **AR1)
    loss = cross_entropy if chain else mse
    rate = one_cycle(SETTINGS["peak"], steps)
    fit(net, batch, loss, steps=steps, lr=rate, clip_norm=SETTINGS["clip_norm"], progress=False)


@torch.no_grad()
def on_ar1(net: Net, both: bool) -> dict[str, Any]:
    x, s = held_out(noisy_ar1, SETTINGS["test"], SETTINGS["T"], **AR1)
    found = kalman.filter(autoregression(**AR1), x.double())
    best = (smooth(found) if both else found).m
    o = net(x).double()
    error, optimum, gap = (((u - v) ** 2).mean(1)[:, 0] for u, v in ((o, s), (best, s), (o, best)))
    return {
        "error": error.mean().item(),
        "optimum": optimum.mean().item(),
        "excess": (error.mean() / optimum.mean() - 1).item(),
        "gap": (gap.mean() / optimum.mean()).item(),
        "gap_per_step": [round(value, 6) for value in gap.tolist()],
        "gain_per_step": [round(value, 4) for value in own_gain(net, x[:, :256])],
    }


@torch.enable_grad()
def own_gain(net: Net, x: Tensor) -> list[float]:
    """The mean of ∂o_t/∂x_t over the sequences, for each t."""
    x = x.clone().requires_grad_()
    o = net(x)
    gains = []
    for t in range(len(x)):
        (g,) = torch.autograd.grad(o[t].sum(), x, retain_graph=True)
        gains.append(g[t].mean().item())
    return gains


@torch.no_grad()
def on_hmm(net: Net, both: bool) -> dict[str, Any]:
    x, s = held_out(noisy_chain, SETTINGS["test"], SETTINGS["T"], **HMM)
    chain, log_b = noisy_chain_model(x.double(), **HMM)
    found = forward_backward(chain, log_b)
    best = (found.smoothed if both else found.filtered).clamp_min(1e-300).log()
    o = net(x).double().log_softmax(-1)
    error, optimum = cross_entropy(o, s), cross_entropy(best, s)
    gap = (best.exp() * (best - o)).sum(-1).mean()
    excess = (error / optimum - 1).item()
    return {"error": error.item(), "optimum": optimum.item(), "excess": excess, "gap": (gap / optimum).item()}


def compare(task: str, cell: str, join: str, seed: int) -> dict[str, Any]:
    """One network, trained, against the filter or, where it reads both ways, the smoother."""
    torch.manual_seed(seed)
    net = Net(cell, join, 1 if task == "AR(1)" else 3)
    train(net, task, seed)
    result = on_ar1(net, bool(join)) if task == "AR(1)" else on_hmm(net, bool(join))
    return {"task": task, "cell": cell, "join": join, "seed": seed, "parameters": size(net), **result}


def main() -> None:
    settings = {**SETTINGS, "AR(1)": AR1, "HMM": HMM}
    run("smoothing", settings, ["runs"], [("runs", compare, training) for training in RUNS])


if __name__ == "__main__":
    main()
