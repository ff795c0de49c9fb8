"""Remedies against diseases of training, the clinic, truncation and thresholds: the trainings of the chapter craft.

`python -m experiments.craft` writes rnnbook/records/craft.json, anew after each training. One process, one thread.

`remedies`: four sick trainings, each with every remedy in turn, from five seeds. The learning rate of a cell of this
table is the better of two, chosen on a seed apart (`selected`). `way` says how far up the held-out loss ends between
the floor (0) and the baseline, the best answer without a memory (1), both on the same held-out set; it is None where
the numbers overflowed; `early` is the same at the update that a third set of sequences chose. `r` is
‖dL/dh_1‖/‖dL/dh_T‖ before training for the loss of the last step.
`control`: the exploding network with recurrent weights half as large, and no other remedy.
`clinic`: the logs of four sick runs, of the same with their treatment, and of a healthy one.
`rates`: the exploding patient without clipping, at smaller rates.
`lengths`: overfitting in sequences of four lengths.
`leak`: one linear unit learns to average over some twenty steps from gradients cut after `window` of them.
`delay`: to repeat the symbol before last but four, with truncated gradients in both forms.
`gains`: recall from orthogonal weights of several sizes, at three learning rates.
`thresholds`: how much a clip at which norm does, with SGD and with Adam.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, one_hot

from experiments.trainings import Net, Training, run
from rnnbook.dynamics.flow import gradient_norms
from rnnbook.layers.cells import LSTM, Elman, LayerNormElman, Leaky
from rnnbook.layers.orthogonal import orthogonal
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.diagnosis import diagnose, flow_ratio
from rnnbook.training.record import NotFiniteError, Record
from rnnbook.training.tasks import batches, cross_entropy, mse, noisy_ar1, recall
from rnnbook.training.train import fit, one_cycle

H, B, K, SEEDS, CHOOSING = 32, 32, 4, range(5), 99
NOISE = 0.2  # the share of false labels
AR1: dict[str, Any] = {"a": 0.95, "q": 0.0975, "r": 1.0}
REMEDIES = (
    "nothing",
    "clip norm",
    "clip value",
    "orthogonal start",
    "orthogonal always",
    "penalty",
    "residual",
    "layer norm",
    "layer norm, orthogonal",
    "ReLU, identity",
    "LSTM, bias 3",
    "standardised",
    "weight decay",
    "dropout",
)
CONTROL = "half the weights"  # of the exploding disease alone: what the other starts do to it besides
SAMPLES = 96  # of the disease overfitted


class Dropped(nn.Module):
    """A cell that sees its state through one random mask per sequence while it is trained."""

    def __init__(self, cell: Elman, p: float = 0.5) -> None:
        super().__init__()
        self.inner, self.p, self.I, self.H = cell, p, cell.I, cell.H

    def initial_state(self, B: int) -> Tensor:
        self.mask = dropout(torch.ones(B, self.H), self.p, self.training)
        return self.inner.initial_state(B)

    def forward(self, x_t: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        new: tuple[Tensor, Tensor] = self.inner(x_t, h * self.mask)
        return new


def random(*numbers: int) -> torch.Generator:
    """A generator of its own for every purpose."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def noisy(N: int, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Recall with a fifth of the labels false."""
    x, y = recall(N, T, K=K, generator=generator)
    false = torch.rand(N, generator=generator) < NOISE
    other = torch.randint(1, K, (N,), generator=generator)
    return x, torch.where(false, (y + other) % K, y)


def raw(N: int, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Recall whose inputs come in large units with an offset."""
    x, y = recall(N, T, K=K, generator=generator)
    return 30 * x + 50, y


def of_process(N: int, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return noisy_ar1(N, T, **AR1, generator=generator)


def memory(N: int, T: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return recall(N, T, K=K, generator=generator)


TASKS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "vanishing": memory,
    "exploding": of_process,
    "saturated": raw,
    "overfitted": noisy,
}


def false_floor() -> float:
    """The cross-entropy of the true rule on the held-out set: its share of false labels is not quite a fifth."""
    x, y = noisy(1000, 10, random(10**6))
    false = (x[0].argmax(-1) != y).double().mean().item()
    return -(1 - false) * math.log(1 - NOISE) - false * math.log(NOISE / (K - 1))


def signal_frame() -> tuple[float, float]:
    """The errors on the held-out set of the Kalman filter, and of half the newest value."""
    x, y = of_process(1000, 60, random(10**6))
    P, m, errors = AR1["q"] / (1 - AR1["a"] ** 2), torch.zeros_like(x[0]), []
    for x_t, y_t in zip(x, y, strict=True):
        gain = P / (P + AR1["r"])
        m = m + gain * (x_t - m)
        errors.append((m - y_t).square().mean().item())
        m, P = AR1["a"] * m, AR1["a"] ** 2 * (1 - gain) * P + AR1["q"]
    return sum(errors) / len(errors), (x / 2 - y).square().mean().item()


FILTER, HALF = signal_frame()
# Each disease: its length and number of updates, its two learning rates, its floor and baseline on the held-out set.
DISEASES: dict[str, dict[str, Any]] = {
    "vanishing": {"T": 40, "steps": 600, "lrs": [0.002, 0.01], "floor": 0.0, "baseline": math.log(K)},
    "exploding": {"T": 60, "steps": 300, "lrs": [0.001, 0.01], "floor": FILTER, "baseline": HALF},
    "saturated": {"T": 10, "steps": 400, "lrs": [0.002, 0.01], "floor": 0.0, "baseline": math.log(K)},
    "overfitted": {"T": 10, "steps": 400, "lrs": [0.002, 0.01], "floor": false_floor(), "baseline": math.log(K)},
}


def sick(disease: str, I: int) -> Elman:
    """The cell without a remedy: tanh by default, or ReLU with large weights."""
    cell = Elman(I, H, "relu" if disease == "exploding" else "tanh")
    if disease == "exploding":
        nn.init.normal_(cell.W_h, 0, 2 / H**0.5)
    return cell


def treated(disease: str, remedy: str, I: int) -> nn.Module:
    """The cell with its remedy, where the remedy is one for the cell."""
    cell = sick(disease, I)
    phi = cell.phi
    if remedy.startswith("layer norm"):
        normed = LayerNormElman(I, H, phi)
        normed.W_h.data.copy_(cell.W_h.data)
        if remedy.endswith("orthogonal"):
            nn.init.orthogonal_(normed.W_h)
        return normed
    if remedy == "residual":
        leaky = Leaky(I, H, 1 - 1 / DISEASES[disease]["T"], phi)
        leaky.W_h.data.copy_(cell.W_h.data)
        return leaky
    if remedy == "LSTM, bias 3":
        gated = LSTM(I, H)
        gated.b.data[H : 2 * H] = 3
        return gated
    if remedy == "ReLU, identity":
        return integrator(I)
    if remedy == "dropout":
        return Dropped(cell)
    if remedy.startswith("orthogonal"):
        nn.init.orthogonal_(cell.W_h)
    if remedy == CONTROL:
        nn.init.normal_(cell.W_h, 0, H**-0.5)
    return orthogonal(cell) if remedy == "orthogonal always" else cell


def integrator(I: int) -> Elman:
    """ReLU with the identity, small W_x and no bias."""
    cell = Elman(I, H, "relu")
    with torch.no_grad():
        nn.init.eye_(cell.W_h)
        cell.W_x.normal_(0, 0.1)
        cell.b.zero_()
    return cell


def ratio(net: Net, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """‖dL/dh_1‖/‖dL/dh_T‖ for the loss of the last step."""
    net.eval()
    target = y if net.last else y[-1]
    norms = gradient_norms(net.layer, x, lambda h: loss(net.readout(h[-1]), target))
    return flow_ratio(norms)[0] if bool(norms.isfinite().all()) else math.inf


def treat(disease: str, remedy: str, lr: float, seed: int) -> dict[str, Any]:
    """One training of a sick network with a remedy."""
    torch.manual_seed(seed)
    about, task = DISEASES[disease], TASKS[disease]
    T, floor, baseline, steps = about["T"], about["floor"], about["baseline"], about["steps"]
    (x, y), (x_stop, y_stop) = (task(1000, T, random(10**6 + k)) for k in (0, 1))
    few, sequence = task(SAMPLES, T, random(seed, 7)), disease == "exploding"
    # The mean and spread come from what is trained on: the few sequences, or fresh ones apart from the held-out set.
    seen = few[0] if disease == "overfitted" else task(1000, T, random(seed, 6))[0]
    shift, scale = (seen.mean((0, 1)), seen.std((0, 1))) if remedy == "standardised" else (0.0, 1.0)
    x, x_stop = (x - shift) / scale, (x_stop - shift) / scale

    def batch(step: int) -> tuple[Tensor, Tensor]:
        if disease == "overfitted":
            chosen = torch.randint(SAMPLES, (B,), generator=random(seed, 8, step))
            return (few[0][:, chosen] - shift) / scale, few[1][chosen]
        x_new, y_new = task(B, T, random(seed, 9, step))
        return (x_new - shift) / scale, y_new

    cell = treated(disease, remedy, x.shape[-1])
    net = Net(Recurrent(cell), 1 if sequence else K, last=not sequence)
    plain = mse if sequence else cross_entropy
    one = torch.eye(H)

    def loss(o: Tensor, y: Tensor) -> Tensor:
        extra = 0.1 * (cell.W_h.T @ cell.W_h - one).square().sum() if remedy == "penalty" else 0.0
        return plain(o, y) + extra

    decay = {"weight_decay": 1.0 if not sequence else 0.1} if remedy == "weight decay" else {}
    optimiser: torch.optim.Optimizer
    if sequence:
        optimiser = torch.optim.SGD(net.parameters(), lr, momentum=0.9, **decay)
    else:
        optimiser = torch.optim.AdamW(net.parameters(), lr, **{"weight_decay": 0.0, **decay})
    clips = {"clip norm": {"clip_norm": 1.0}, "clip value": {"clip_value": 0.1}}.get(remedy, {})
    r, stops = ratio(net, x[:, :200], y[:200] if net.last else y[:, :200], plain), []

    def evaluate(model: nn.Module) -> Tensor:
        stops.append(plain(model(x_stop), y_stop).item())
        return plain(model(x), y)

    try:
        rates = lr if sequence else one_cycle(lr, steps)
        watch = {"evaluate": evaluate, "every": steps // 20, "progress": False}
        record = fit(net, batch, loss, steps=steps, optimiser=optimiser, lr=rates, **clips, **watch)
        found = [(value - floor) / (baseline - floor) for _, value in record.evaluations]
        way, early = found[-1], found[min(range(len(found)), key=stops.__getitem__)]
        finite = all(map(math.isfinite, found))
    except NotFiniteError as error:
        record, finite = error.record, False
    row = {"disease": disease, "remedy": remedy, "lr": lr, "seed": seed, "steps": record.steps, "r": r}
    row |= {"way": way, "early": early} if finite else {"way": None, "early": None}
    return row | {"largest": max(record.norms, default=math.inf)}


def choose(disease: str, remedy: str, chosen: dict[tuple[str, str], float]) -> dict[str, Any]:
    """Both learning rates on a seed apart; the better one is kept in `chosen`."""
    rows = [treat(disease, remedy, lr, CHOOSING) for lr in DISEASES[disease]["lrs"]]
    ways = [math.inf if row["way"] is None else row["way"] for row in rows]
    best = rows[ways.index(min(ways))]["lr"]
    chosen[disease, remedy] = best
    return {"disease": disease, "remedy": remedy, "lr": best, "ways": [row["way"] for row in rows]}


# The clinic


def last_but_one(N: int, T: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """y is the last symbol but one: what stands at the start does not matter."""
    symbols = torch.randint(K, (T, N), generator=generator)
    return one_hot(symbols, K).float(), symbols[-2]


def patient(case: str, cured: bool, seed: int, peak: float = 0.3) -> dict[str, Any]:
    """One run of the clinic and its log. peak: the highest rate of the exploding one."""
    torch.manual_seed(seed)
    T, floor, baseline, steps = 40, 0.0, math.log(K), 400
    loss, how, task = cross_entropy, {"lr": 0.003, "clip_norm": 1.0}, memory
    cell: nn.Module = Elman(K, H)
    if case == "vanishing" and cured:
        cell = LayerNormElman(K, H)
        nn.init.orthogonal_(cell.W_h)
    elif case == "exploding":
        T, floor, baseline, steps, loss, task = 60, FILTER, HALF, 300, mse, of_process
        cell, how = Elman(1, H, "relu"), {"lr": peak, "clip_norm": 1.0 if cured else None}
        nn.init.normal_(cell.W_h, 0, H**-0.5)
    elif case == "overfitted":
        T, floor, task, how["lr"] = 10, DISEASES["overfitted"]["floor"], noisy, 0.01
        cell = Dropped(Elman(K, H)) if cured else cell
    elif case == "slow":
        cell = LSTM(K, H)
        cell.b.data[H : 2 * H] = 3
        how["lr"] = 0.003 if cured else 1e-5
    elif case == "healthy":
        task = last_but_one
    sequence = case == "exploding"
    net = Net(Recurrent(cell), 1 if sequence else K, last=not sequence)
    x, y = task(1000, T, generator=random(10**6))
    few = task(SAMPLES, T, generator=random(seed, 7))

    def batch(step: int) -> tuple[Tensor, Tensor]:
        if case == "overfitted":
            chosen = torch.randint(SAMPLES, (B,), generator=random(seed, 8, step))
            return few[0][:, chosen], few[1][chosen]
        return task(B, T, generator=random(seed, 9, step))

    rule: Any = torch.optim.SGD(net.parameters(), momentum=0.9) if sequence else torch.optim.Adam(net.parameters())
    r = ratio(net, x[:, :200], y[:200] if net.last else y[:, :200], loss)
    rates = {"lr": one_cycle(how["lr"], steps) if sequence else how["lr"], "clip_norm": how["clip_norm"]}
    watch = {"evaluate": lambda model: loss(model(x), y), "every": 20, "progress": False}
    try:
        record = fit(net, batch, loss, steps=steps, optimiser=rule, **rates, **watch)
    except NotFiniteError as error:
        record = error.record
    told = diagnose(record, baseline=baseline, floor=floor, ratio=r)
    row = {"case": case, "cured": cured, "seed": seed, "verdict": told.verdict, "r": r, "T": T, "lr": how["lr"]}
    row |= {"floor": floor, "baseline": baseline, "steps": record.steps, "largest": max(record.norms, default=0.0)}
    losses = {"train": smooth(record), "held": [value for _, value in record.evaluations]}
    # What has left the picture is not worth its digits.
    return row | {name: [value if value < 1e6 else None for value in values] for name, values in losses.items()}


def slower(peak: float, seed: int) -> dict[str, Any]:
    """The exploding patient without clipping at a smaller rate: how far up does it end between floor and baseline?"""
    row = patient("exploding", False, seed, peak)
    way = (row["held"][-1] - FILTER) / (HALF - FILTER)
    return {"lr": peak, "seed": seed, "way": way, "verdict": row["verdict"], "steps": row["steps"]}


def longer(T: int, seed: int) -> dict[str, Any]:
    """The overfitted network of the clinic with sequences of another length; the first symbol is still the answer."""
    torch.manual_seed(seed)
    net = Net(Recurrent(integrator(K)), K)
    few, (x, y) = noisy(SAMPLES, T, random(seed, 7)), noisy(1000, T, random(10**6))

    def batch(step: int) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(SAMPLES, (B,), generator=random(seed, 8, step))
        return few[0][:, chosen], few[1][chosen]

    fit(net, batch, cross_entropy, steps=800, lr=0.003, clip_norm=1.0, progress=False)
    with torch.no_grad():
        train, held = cross_entropy(net(few[0]), few[1]).item(), cross_entropy(net(x), y).item()
    return {"T": T, "seed": seed, "train": train, "held": held}


def smooth(record: Record) -> list[float]:
    """The training loss, averaged over twenty updates at a time."""
    pieces = [record.losses[n : n + 20] for n in range(0, record.steps, 20)]
    return [sum(piece) / len(piece) for piece in pieces]


# Truncation


def leak(window: int | None, steps: int, seed: int) -> dict[str, Any]:
    """One linear unit is to follow y_t = .95 y_{t−1} + .05 x_t; where does its weight end?"""
    torch.manual_seed(seed)
    cell = Elman(1, 1, "identity")
    with torch.no_grad():
        cell.W_h.fill_(0.5)
        cell.W_x.fill_(0.5)
        cell.b.zero_()

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(100, 16, 1, generator=random(seed, step))
        y = [0.05 * x[0]]
        for x_t in x[1:]:
            y.append(0.95 * y[-1] + 0.05 * x_t)
        return x, torch.stack(y)

    fit(Recurrent(cell, window=window), batch, mse, steps=steps, lr=0.02, clip_norm=1.0, progress=False)
    return {"window": window, "steps": steps, "seed": seed, "weight": cell.W_h.item()}


def delayed(N: int, T: int, generator: torch.Generator, d: int = 5) -> tuple[Tensor, Tensor]:
    """y_t is the symbol d steps ago, for t > d: x: (T, N, K), y: (T − d, N)."""
    symbols = torch.randint(K, (T, N), generator=generator)
    return one_hot(symbols, K).float(), symbols[:-d]


def delay(form: str, length: int | None, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    cell, d = LSTM(K, H), 5
    cell.b.data[H : 2 * H] = 1
    net = Net(Recurrent(cell, **({form: length} if length else {})), K, last=False)
    x, y = delayed(500, 20, random(10**6))

    def loss(o: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(o[d:], y)

    fit(net, lambda step: delayed(B, 20, random(seed, step)), loss, steps=300, lr=0.01, clip_norm=1.0, progress=False)
    with torch.no_grad():
        correct = (net(x)[d:].argmax(-1) == y).double().mean().item()
    return {"form": form, "length": length, "seed": seed, "correct": correct}


def gain(size: float | None, lr: float, seed: int) -> dict[str, Any]:
    """Recall at T = 20 from an orthogonal W_h of this size, or PyTorch's default; is it solved in 400 updates?"""
    torch.manual_seed(seed)
    cell = Elman(K, H)
    if size is not None:
        nn.init.orthogonal_(cell.W_h, gain=size)
    net = Net(Recurrent(cell), K)
    x, y = memory(500, 20, random(10**6))
    data = batches(recall, B, 20, seed=seed, K=K)
    fit(net, data, cross_entropy, steps=400, lr=lr, clip_norm=1.0, progress=False)
    with torch.no_grad():
        correct = (net(x).argmax(-1) == y).double().mean().item()
    return {"gain": size, "lr": lr, "seed": seed, "correct": correct}


def threshold(rule: str, clip: float | None, seed: int) -> dict[str, Any]:
    """Recall at T = 20 from an orthogonal start; how far does the loss fall in 300 updates?"""
    torch.manual_seed(seed)
    cell = Elman(K, H)
    nn.init.orthogonal_(cell.W_h)
    net = Net(Recurrent(cell), K)
    x, y = memory(500, 20, random(10**6))
    rules: dict[str, Any] = {"Adam": (torch.optim.Adam, 0.003), "SGD": (torch.optim.SGD, 0.1)}
    make, lr = rules[rule]
    optimiser = make(net.parameters(), lr)
    data = batches(recall, B, 20, seed=seed, K=K)
    fit(net, data, cross_entropy, steps=300, optimiser=optimiser, clip_norm=clip, progress=False)
    with torch.no_grad():
        return {"rule": rule, "clip": clip, "seed": seed, "loss": cross_entropy(net(x), y).item()}


def main() -> None:
    chosen: dict[tuple[str, str], float] = {}
    cells = [(disease, remedy) for disease in DISEASES for remedy in REMEDIES]
    trainings: list[Training] = []
    sicknesses = ("vanishing", "exploding", "overfitted", "slow")
    trainings += [
        ("clinic", patient, (case, cured, seed)) for case in sicknesses for cured in (False, True) for seed in SEEDS
    ]
    trainings += [("clinic", patient, ("healthy", False, seed)) for seed in SEEDS]
    trainings += [("rates", slower, (peak, seed)) for peak in (0.1, 0.03, 0.01) for seed in SEEDS]
    trainings += [("lengths", longer, (T, seed)) for T in (5, 10, 20, 40) for seed in SEEDS]
    trainings += [("leak", leak, (*case, seed)) for case in ((1, 250), (1, 1000), (2, 250), (5, 250)) for seed in SEEDS]
    forms = (("window", 5), ("window", 6), ("chunk", 6), ("chunk", 10), ("full", None))
    trainings += [("delay", delay, (*form, seed)) for form in forms for seed in SEEDS]
    sizes, rates = (None, 0.5, 0.9, 1.0, 1.1, 1.5), (0.001, 0.003, 0.01)
    trainings += [("gains", gain, (size, lr, seed)) for size in sizes for lr in rates for seed in SEEDS]
    clips = (None, 1.0, 0.01, 0.0001)
    trainings += [
        ("thresholds", threshold, (rule, clip, seed)) for rule in ("SGD", "Adam") for clip in clips for seed in SEEDS
    ]
    trainings += [("selected", choose, (*cell, chosen)) for cell in cells]
    trainings += [
        ("remedies", lambda d, m, seed: treat(d, m, chosen[d, m], seed), (*cell, seed))
        for cell in cells
        for seed in SEEDS
    ]
    trainings += [("selected", choose, ("exploding", CONTROL, chosen))]
    trainings += [
        ("control", lambda seed: treat("exploding", CONTROL, chosen["exploding", CONTROL], seed), (seed,))
        for seed in SEEDS
    ]
    settings = {"H": H, "B": B, "K": K, "samples": SAMPLES, "noise": NOISE, "diseases": DISEASES}
    run(
        "craft",
        settings,
        ["selected", "remedies", "control", "clinic", "rates", "lengths", "leak", "delay", "gains", "thresholds"],
        trainings,
    )


if __name__ == "__main__":
    main()
