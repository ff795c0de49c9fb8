"""Parity at lengths that were never trained: padded networks, a window, recurrent networks; ten trainings of each.

    python -m experiments.why

takes some minutes and writes rnnbook/records/why.json. All see the same kind of examples, bits with the right answer
after each of them: 64 sequences per update. A padded network reads every beginning of a sequence in the first of its
40 places, bits as ±1 and zeros behind them; a window reads the last 8 bits, with zeros before the first; a recurrent
network reads bit by bit. Kept are the share of right answers at the lengths 1 to 40, and of recurrent networks the
share of right answers of all steps of long sequences.

Three controls stand in a table of their own: recurrent networks that are told the answer after the last bit alone
(`last`), recurrent networks at the lowest rate with four times the updates (`patient`), and padded networks that see
512 of the 1024 rows of ten bits and are tried on the other 512 (`half`: the share of right answers there at the
lengths 1 to 10).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as loss

from experiments import trainings
from experiments.trainings import Net, Training
from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.tasks import batches, parity
from rnnbook.training.train import fit, one_cycle

SEEDS, FEW, B, H, PLACES, WINDOW, WIDE = 10, 5, 64, 16, 40, 8, 128
RATES = (1e-3, 3e-3, 1e-2)
UPDATES, PATIENT = 3000, 12_000
LONG = ((1000, 64), (10_000, 16), (100_000, 16))
SETTINGS = {
    "H": H,
    "places": PLACES,
    "window": WINDOW,
    "rates": RATES,
    "updates": UPDATES,
    "patient": PATIENT,
    "sizes": {"padded": PLACES * WIDE + WIDE + WIDE * WIDE + WIDE + WIDE + 1, "recurrent": H * (1 + H + 1) + H + 1},
}


def padded(x: Tensor) -> Tensor:
    """Every beginning of every sequence in the first of PLACES places. x: (T, B, 1) -> (T, B, PLACES)."""
    signs, T = 2 * x[..., 0] - 1, len(x)
    seen = torch.ones(T, T).tril()
    return nn.functional.pad(torch.einsum("tk,kb->tbk", seen, signs), (0, PLACES - T))


def windowed(x: Tensor) -> Tensor:
    """The last WINDOW bits up to each step, the latest last. x: (T, B, 1) -> (T, B, WINDOW)."""
    signs = nn.functional.pad(2 * x[..., 0] - 1, (0, 0, WINDOW - 1, 0))
    return signs.unfold(0, WINDOW, 1)


class Feedforward(nn.Module):
    def __init__(self, arrange: Callable[[Tensor], Tensor], I: int) -> None:
        super().__init__()
        self.arrange = arrange
        self.layers = nn.Sequential(nn.Linear(I, WIDE), nn.ReLU(), nn.Linear(WIDE, WIDE), nn.ReLU(), nn.Linear(WIDE, 1))

    def forward(self, x: Tensor) -> Tensor:
        o: Tensor = self.layers(self.arrange(x))
        return o


def right(net: nn.Module, T: int, B: int) -> Tensor:
    """The share of right answers at each of T steps, on new sequences."""
    x, y = trainings.held_out(parity, B, T)
    with torch.no_grad():
        return ((net(x) > 0) == (y > 0.5)).double().mean(dim=(1, 2))


def short(net: nn.Module) -> list[float]:
    return [round(share, 4) for share in right(net, PLACES, 4000).tolist()]


def long(net: nn.Module) -> list[float]:
    return [round(right(net, T, B).mean().item(), 7) for T, B in LONG]


def feedforward(kind: str, T: int, lr: float, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    net = Feedforward(*((padded, PLACES) if kind == "padded" else (windowed, WINDOW)))
    rate = one_cycle(lr, UPDATES)
    record = fit(net, batches(parity, B, T, seed=seed), loss, steps=UPDATES, lr=rate, clip_norm=1.0, progress=False)
    return {"kind": kind, "T": T, "lr": lr, "seed": seed, "loss": round(record.losses[-1], 5), "right": short(net)}


def recurrent(T: int, lr: float, seed: int, kind: str = "recurrent") -> dict[str, Any]:
    """`kind` is "last" where only the answer after the last bit counts, "patient" with PATIENT updates."""
    torch.manual_seed(seed)
    net = Net(Recurrent(Elman(1, H)), 1, last=False)
    steps = PATIENT if kind == "patient" else UPDATES
    error = last if kind == "last" else loss
    rate = one_cycle(lr, steps)
    record = fit(net, batches(parity, B, T, seed=seed), error, steps=steps, lr=rate, clip_norm=1.0, progress=False)
    found = {"kind": kind, "T": T, "lr": lr, "seed": seed, "loss": round(record.losses[-1], 5)}
    return found | {"right": short(net), "long": long(net)}


def last(o: Tensor, y: Tensor) -> Tensor:
    return loss(o[-1], y[-1])


def half(T: int, lr: float, seed: int) -> dict[str, Any]:
    """A padded network that sees half of the rows of T bits; `right` is counted on the other half."""
    torch.manual_seed(seed)
    net = Feedforward(padded, PLACES)
    drawn = torch.Generator().manual_seed(seed)
    rows = torch.cartesian_prod(*T * [torch.arange(2.0)])[torch.randperm(2**T, generator=drawn)].T[:, :, None]
    seen, kept = rows.chunk(2, dim=1)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x = seen[:, torch.randint(2 ** (T - 1), (B,), generator=drawn)]
        return x, x.cumsum(0) % 2

    record = fit(net, batch, loss, steps=UPDATES, lr=one_cycle(lr, UPDATES), clip_norm=1.0, progress=False)
    with torch.no_grad():
        shares = ((net(kept) > 0) == (kept.cumsum(0) % 2 > 0.5)).double().mean(dim=(1, 2))
    found = {"kind": "half", "T": T, "lr": lr, "seed": seed, "loss": round(record.losses[-1], 5)}
    return found | {"right": [round(share, 4) for share in shares.tolist()]}


def plan() -> Iterator[Training]:
    for seed in range(SEEDS):
        for lr in RATES:
            yield "parity", recurrent, (10, lr, seed)
            yield "parity", feedforward, ("padded", 10, lr, seed)
        yield "parity", feedforward, ("window", 10, 3e-3, seed)
        yield "parity", feedforward, ("padded", 20, 3e-3, seed)
    for seed in range(SEEDS):
        yield "controls", recurrent, (10, 3e-3, seed, "last")
    for seed in range(FEW):
        yield "controls", half, (10, 3e-3, seed)
    for seed in range(FEW):
        yield "controls", recurrent, (10, 1e-3, seed, "patient")


if __name__ == "__main__":
    trainings.run("why", SETTINGS, ["parity", "controls"], plan())
