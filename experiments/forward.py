"""The next value of a sine, ten trainings: the errors of each step as the updates go by.

    python -m experiments.forward

takes some minutes and writes rnnbook/records/forward.json. Each training is that of the chapter, with its seed: 64 tanh
units of torch.nn.RNN and a linear read-out, 32 sequences of ten steps per update, Adam with its customary rate.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from experiments import trainings
from experiments.trainings import Training
from rnnbook.training.tasks import batches, mse, next_sine
from rnnbook.training.train import fit

H, T, B, SEEDS = 64, 10, 32, 10
UPDATES = (20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)
SETTINGS = {"H": H, "T": T, "B": B, "lr": 1e-3, "updates": UPDATES}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.readout = nn.RNN(1, H), nn.Linear(H, 1)

    def forward(self, x: Tensor) -> Tensor:
        o: Tensor = self.readout(self.rnn(x)[0])
        return o


def train(seed: int) -> dict[str, Any]:
    """The mean squared error of each step, on a thousand new phases, after so many updates."""
    torch.manual_seed(seed)
    net, test = Net(), next_sine(1000, T, first=1000)
    batch, adam = batches(next_sine, B, T, seed=seed), torch.optim.Adam(net.parameters())
    errors: list[list[float]] = []
    done = 0
    for until in UPDATES:
        fit(net, lambda step, first=done: batch(first + step), mse, steps=until - done, optimiser=adam, progress=False)
        done = until
        with torch.no_grad():
            of_steps = (net(test[0]) - test[1]).square().mean(dim=(1, 2))
        errors.append([round(error, 8) for error in of_steps.tolist()])
    return {"seed": seed, "errors": errors}


def plan() -> Iterator[Training]:
    for seed in range(SEEDS):
        yield "sine", train, (seed,)


if __name__ == "__main__":
    trainings.run("forward", SETTINGS, ["sine"], plan())
