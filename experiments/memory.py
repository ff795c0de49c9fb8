"""What the chapter memory measures once: lengths of sentences, the curve of checkpoints, streams, budgets of tokens.

`python -m experiments.memory` writes rnnbook/records/memory.json, anew after each row. `lengths` are those of the
sentences of this book, in words of English and in Han characters, as the chapters stood when it was run: how many
sentences there are of 1, 2, 3, … words. `checkpoints` has, for segments of k steps, the bytes that are saved and the
most that a step holds, in units of a state of the whole batch, where the layer returns all its states (`peak`) and
where each segment returns its loss alone (`inside`), and the time of a step relative to that without checkpoints, both
measured in turn, medians. `padding` has the time of a pass over the same sequences in batches made in different ways,
relative to random batches that are padded, medians. `stream` trains on pieces of k steps of endless sequences, the
state handed over or set to zero, and `budget` on B sequences of k steps with B k fixed; the error is that of the
trained network on a long sequence, and in pieces of k steps that each begin at zero. One process, one thread.
"""

import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.trainings import Training, run
from rnnbook.layers.cells import GRU, LSTM, Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.memory import peak_bytes, saved_bytes
from rnnbook.training.tasks import mse, noisy_ar1
from rnnbook.training.train import one_cycle

CHAPTERS = Path(__file__).parents[1] / "chapters"
COUNTED = ("forward", "bptt", "varma", "flow", "lstm", "gru", "timescale", "smoothing")
CURVE: dict[str, Any] = {"T": 1000, "B": 16, "I": 8, "H": 64, "rounds": 7}
PIECES = (1000, 500, 250, 125, 64, 32, 28, 17, 14, 8, 4)
CELLS = {"Elman": Elman, "GRU": GRU, "LSTM": LSTM}
PADDED: dict[str, Any] = {"sequences": 1024, "B": 32, "I": 16, "H": 64, "median": 20, "sigma": 0.6, "rounds": 5}
STREAM: dict[str, Any] = {"a": 0.99, "q": 0.0199, "r": 1.0, "H": 16, "updates": 500, "lr": 0.005, "clip_norm": 1.0}
SEEDS = range(10)


def lengths(lang: str) -> dict[str, Any]:
    """How many sentences of each length the chapters have."""
    word = r"[A-Za-z][\w'’-]*" if lang == "en" else r"[\u3400-\u9fff]"
    counts: Counter[int] = Counter()
    for name in COUNTED:
        for sentence in sentences((CHAPTERS / f"{name}.md").read_text("utf8"), lang):
            counts[len(re.findall(word, sentence))] += 1
    return {"lang": lang, "counts": [counts[n] for n in range(1, max(counts) + 1)]}


def sentences(text: str, lang: str) -> Iterator[str]:
    """The sentences of the prose cells in one language, without code, formulas and directives."""
    for cell in re.split(r"^\+\+\+", text, flags=re.M):
        if cell.startswith(f' {{"lang": "{lang}"}}'):
            body = cell.split("\n", 1)[1]
            body = re.sub(r"^(`{3,}|:{3,}).*?^\1$|\$[^$]*\$|`[^`]*`|^\(.*\)=$|^[#|].*$", " ", body, flags=re.M | re.S)
            yield from re.split(r"[.!?]\s|[。！？]|\n\s*\n|^- ", body, flags=re.M)


def curve(kind: str, k: int) -> dict[str, Any]:
    T, B, I, H = (CURVE[size] for size in "TBIH")
    cell, x = CELLS[kind](I, H), torch.randn(T, B, I)
    whole, layer = Recurrent(cell), Recurrent(cell, segment=k if k < T else None)

    def step(layer: Recurrent) -> None:
        cell.zero_grad(set_to_none=True)
        layer(x)[0].square().mean().backward()

    def inside() -> None:
        cell.zero_grad(set_to_none=True)
        loss_by_pieces(whole, x, k).backward()

    for warm in (whole, layer):
        step(warm)
    unit = 4 * B * H
    times = [[seconds(step, one) for one in (whole, layer)] for _ in range(CURVE["rounds"])]
    return {
        "cell": kind,
        "k": k,
        "saved": saved_bytes(lambda: layer(x), without=[x, *cell.parameters()]) / unit,
        "peak": peak_bytes(lambda: step(layer)) / unit,
        "inside": peak_bytes(inside) / unit,
        "time": statistics.median(ours / theirs for theirs, ours in times),
    }


def loss_by_pieces(layer: Recurrent, x: Tensor, k: int) -> Tensor:
    """The mean square of all states, each piece of k steps computed again on the way back."""

    def part(piece: Tensor, state: Any) -> tuple[Tensor, Any]:
        y, state = layer(piece, state)
        return y.square().sum(), state

    state, total = layer.initial_state(x.shape[1]), torch.zeros(())
    for piece in x.split(k):
        loss, state = checkpoint(part, piece, state, use_reentrant=False)
        total = total + loss
    return total / (x.shape[0] * x.shape[1] * layer.width)


def seconds(f: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - began


def padding() -> dict[str, Any]:
    """Book's layer with a mask, and torch.nn.LSTM, padded and packed: one pass, forward and back."""
    rng, B = np.random.default_rng(0), PADDED["B"]
    spread = np.exp(rng.normal(np.log(PADDED["median"]), PADDED["sigma"], PADDED["sequences"]))
    sizes = np.clip(spread.round(), 1, 200).astype(int)
    mixed = rng.permutation(len(sizes))
    pools = [pool[np.argsort(sizes[pool], kind="stable")] for pool in np.split(mixed, len(mixed) // (8 * B))]
    orders = {"random": mixed, "pools of 8": np.concatenate(pools), "sorted": np.argsort(sizes, kind="stable")}
    layer, theirs = Recurrent(LSTM(PADDED["I"], PADDED["H"])), nn.LSTM(PADDED["I"], PADDED["H"])

    def packed(x: Tensor, lengths: Tensor) -> Tensor:
        y: Tensor = theirs(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))[0].data
        return y

    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mask": lambda x, lengths: layer(x, lengths=lengths)[0],
        "torch padded": lambda x, lengths: theirs(x)[0],
        "torch packed": packed,
    }

    def once(order: Sequence[int], way: Callable[[Tensor, Tensor], Tensor]) -> None:
        for batch in np.split(np.asarray(order), len(order) // B):
            lengths = torch.from_numpy(sizes[batch])
            way(torch.randn(int(lengths.max()), B, PADDED["I"]), lengths).sum().backward()

    pairs = [(name, way) for name in orders for way in ways]
    times = [{pair: seconds(once, orders[pair[0]], ways[pair[1]]) for pair in pairs} for _ in range(PADDED["rounds"])]
    base = ("random", "torch padded")
    ratios = {f"{name}, {way}": statistics.median(row[name, way] / row[base] for row in times) for name, way in pairs}
    return {"ratios": ratios}


class Filter(nn.Module):
    """A GRU and its read-out, which also return the state."""

    def __init__(self, H: int) -> None:
        super().__init__()
        self.layer, self.readout = Recurrent(GRU(1, H)), nn.Linear(H, 1)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        y, state = self.layer(x, state)
        return self.readout(y), state


def train(B: int, k: int, carried: bool, seed: int) -> dict[str, Any]:
    """Updates on consecutive pieces of k steps of B endless sequences."""
    torch.manual_seed(seed)
    process = {name: STREAM[name] for name in "aqr"}
    net, updates = Filter(STREAM["H"]), STREAM["updates"]
    optimiser, rate = torch.optim.Adam(net.parameters()), one_cycle(STREAM["lr"], updates)
    x, y = noisy_ar1(B, k * updates, **process, generator=torch.Generator().manual_seed(seed))
    state = None
    for step, (piece, target) in enumerate(zip(x.split(k), y.split(k), strict=True)):
        optimiser.param_groups[0]["lr"] = rate(step)
        o, state = net(piece, state.detach() if carried and state is not None else None)
        optimiser.zero_grad()
        mse(o, target).backward()
        nn.utils.clip_grad_norm_(net.parameters(), STREAM["clip_norm"])
        optimiser.step()
    x, y = noisy_ar1(200, 1200, **process, generator=torch.Generator().manual_seed(10**6))
    with torch.no_grad():
        on = float(mse(net(x)[0][200:], y[200:]))
        starts = range(200, 1200 - k + 1, k)
        off = statistics.mean(float(mse(net(x[t : t + k])[0], y[t : t + k])) for t in starts)
    return {"B": B, "k": k, "carried": carried, "seed": seed, "mse": on, "mse from zero": off}


def trainings() -> Iterator[Training]:
    for lang in ("en", "zh"):
        yield "lengths", lengths, (lang,)
    for kind in CELLS:
        for k in PIECES:
            yield "checkpoints", curve, (kind, k)
    yield "padding", padding, ()
    for k in (5, 20):
        for carried in (True, False):
            for seed in SEEDS:
                yield "stream", train, (32, k, carried, seed)
    for B, k in ((64, 5), (16, 20), (4, 80), (1, 320)):
        for seed in SEEDS:
            yield "budget", train, (B, k, False, seed)


if __name__ == "__main__":
    settings = {"curve": CURVE, "padding": PADDED, "stream": STREAM, "seeds": len(SEEDS), "chapters": COUNTED}
    run("memory", settings, ["lengths", "checkpoints", "padding", "stream", "budget"], trainings())
