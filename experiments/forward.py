"""A task that cannot be learned, and the next value of a sine: ten trainings of each.

    python -m experiments.forward

takes some minutes and writes rnnbook/records/forward.json. The trainings are those of the chapter, each with its seed:
64 tanh units and a linear read-out, 32 sequences of ten steps per update, Adam with its customary rate. Of the first
task the errors on the training set and on the test set are kept, epoch by epoch; of the second the errors of each step
on a thousand new phases, as the updates go by.
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
EPOCHS = 100
SETTINGS = {"H": H, "T": T, "B": B, "lr": 1e-3, "updates": UPDATES, "epochs": EPOCHS}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.readout = nn.RNN(1, H), nn.Linear(H, 1)

    def forward(self, x: Tensor) -> Tensor:
        o: Tensor = self.readout(self.rnn(x)[0])
        return o


def memorise(seed: int) -> dict[str, Any]:
    """The mean squared errors (train, test) after each epoch, for targets that do not depend on the inputs."""
    torch.manual_seed(seed)
    t, n = torch.arange(float(T))[:, None, None], torch.arange(1000.0)[:, None]
    y, y_test = torch.sin(n + t), torch.sin(n[:100] + t)
    x, x_test = torch.randn_like(y), torch.randn_like(y_test)
    net = Net()
    with torch.no_grad():
        for weights in (net.rnn.weight_ih_l0, net.readout.weight):
            nn.init.xavier_uniform_(weights)
        nn.init.orthogonal_(net.rnn.weight_hh_l0)
        for bias in (net.rnn.bias_ih_l0, net.rnn.bias_hh_l0, net.readout.bias):
            bias.zero_()
    net.rnn.bias_hh_l0.requires_grad_(False)  # one bias, as in the chapter
    adam, errors = torch.optim.Adam(net.parameters()), []
    for _ in range(EPOCHS):
        rows = torch.randperm(1000).split(B)
        fit(
            net,
            lambda k, rows=rows: (x[:, rows[k]], y[:, rows[k]]),
            mse,
            steps=len(rows),
            optimiser=adam,
            progress=False,
        )
        with torch.no_grad():
            errors.append([round(mse(net(x), y).item(), 5), round(mse(net(x_test), y_test).item(), 5)])
    return {"seed": seed, "errors": errors}


def sine(seed: int) -> dict[str, Any]:
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
        yield "memorise", memorise, (seed,)
    for seed in range(SEEDS):
        yield "sine", sine, (seed,)


if __name__ == "__main__":
    trainings.run("forward", SETTINGS, ["memorise", "sine"], plan())
