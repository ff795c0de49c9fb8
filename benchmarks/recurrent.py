"""Recurrent layers, forward and backward, against `torch.nn` and against a loop with one layer per gate.

`python -m benchmarks.recurrent` prints a table and writes rnnbook/records/recurrent.json. One process, one
thread, CPU time, the contestants in turn (the slow ones in every third round), medians: what else the machine
does falls on all of them alike. Ratios are ours / theirs. Where there is a CUDA device it is measured too, eager
and as a graph.
"""

import argparse
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import records
from rnnbook.layers.torch_nn import from_torch
from rnnbook.training.memory import saved_bytes

KINDS: dict[str, Callable[..., nn.RNNBase]] = {"Elman": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
# (T, B, I, H). The targets hold for the first five.
SHAPES = [
    (128, 32, 32, 64),
    (128, 64, 64, 128),
    (128, 32, 64, 256),
    (512, 32, 64, 128),
    (1024, 64, 64, 64),
    (100, 32, 2, 64),
    (64, 16, 64, 512),
    (256, 1, 32, 64),
]
CUDA_SHAPES = [(128, 64, 128, 128), (256, 64, 256, 256), (128, 64, 768, 768)]


def target(kind: str, shape: tuple[int, ...]) -> float | None:
    """The largest ratio to `torch.nn` that this project allows itself, on this machine's vector units."""
    if shape not in SHAPES[:5]:
        return None
    _, B, _, H = shape
    if kind == "LSTM":
        wide = "AVX512" in torch.backends.cpu.get_cpu_capability()
        return (1.5 if wide else 1.1) if H >= 128 else (2.2 if wide else 1.4)
    if H == 64 and B == 32:
        return 0.70 if kind == "Elman" else 0.60
    return 0.90


class Naive(nn.Module):
    """The recurrence as one writes it first: two `nn.Linear` per gate, a loop, a list, a stack."""

    def __init__(self, kind: str, I: int, H: int) -> None:
        super().__init__()
        gates = {"Elman": 1, "LSTM": 4, "GRU": 3}[kind]
        self.kind, self.H = kind, H
        self.of_x = nn.ModuleList(nn.Linear(I, H) for _ in range(gates))
        self.of_h = nn.ModuleList(nn.Linear(H, H) for _ in range(gates))

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[1], self.H)
        outputs = []
        for x_t in x:
            a = [layer(x_t) for layer in self.of_x]
            u = [layer(h) for layer in self.of_h]
            if self.kind == "Elman":
                h = torch.tanh(a[0] + u[0])
            elif self.kind == "LSTM":
                i, f, o = (torch.sigmoid(a[n] + u[n]) for n in (0, 1, 3))
                c = f * c + i * torch.tanh(a[2] + u[2])
                h = o * torch.tanh(c)
            else:
                r, z = torch.sigmoid(a[0] + u[0]), torch.sigmoid(a[1] + u[1])
                h = z * h + (1 - z) * torch.tanh(a[2] + r * u[2])
            outputs.append(h)
        return torch.stack(outputs)


class OutputsOnly(nn.Module):
    """A layer without its last state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


def contestants(kind: str, shape: tuple[int, ...], device: str = "cpu") -> dict[str, nn.Module]:
    """The same layer four times, by name."""
    _, _, I, H = shape
    theirs = KINDS[kind](I, H)
    layers = {
        "torch.nn": OutputsOnly(theirs),
        "bptt": OutputsOnly(from_torch(theirs)),
        "loop": OutputsOnly(from_torch(theirs, "loop")),
        "naive": Naive(kind, I, H),
    }
    return {name: layer.to(device) for name, layer in layers.items()}


def peak_bytes(step: Callable[[], None]) -> int | None:
    """The most memory that a step holds above what was held before it; None where Linux does not tell."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not clear.exists():
        return None
    ctypes.CDLL(None).malloc_trim(0)
    try:
        clear.write_text("5")
    except OSError:
        return None

    def kilobytes(field: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(field))

    before = kilobytes("VmRSS")
    step()
    return 1024 * (kilobytes("VmHWM") - before)


def training_step(layer: nn.Module, x: Tensor, d_y: Tensor) -> Callable[[], None]:
    def step() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x).backward(d_y)

    return step


def medians(
    steps: dict[str, Callable[[], None]], seconds: float, seldom: tuple[str, ...] = ()
) -> tuple[dict[str, float], int]:
    """(milliseconds of CPU time by name, rounds): all in turn; those named in `seldom` in every third round."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    began = time.process_time()
    rounds = 0
    while rounds < 7 or time.process_time() - began < seconds:
        for name, step in steps.items():
            if name in seldom and rounds % 3 > 0:
                continue
            start = time.process_time()
            step()
            times[name].append(time.process_time() - start)
        rounds += 1
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}, rounds


def measure(kind: str, shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Milliseconds, bytes and ratios of one kind of layer at one shape."""
    T, B, I, H = shape
    torch.manual_seed(0)
    layers = contestants(kind, shape)
    x, d_y = torch.randn(T, B, I, requires_grad=True), torch.randn(T, B, H)
    steps = {name: training_step(layer, x, d_y) for name, layer in layers.items()}
    for step in steps.values():
        step()
    peaks = {name: peak_bytes(steps[name]) for name in ("torch.nn", "bptt")}
    median, rounds = medians(steps, seconds, seldom=("loop", "naive"))
    saved = {
        name: saved_bytes(partial(layers[name], x), without=[x, *layers[name].parameters()])
        for name in ("torch.nn", "bptt")
    }
    return {
        "kind": kind,
        "shape": {"T": T, "B": B, "I": I, "H": H},
        "rounds": rounds,
        "milliseconds": {name: round(value, 3) for name, value in median.items()},
        "to_torch_nn": round(median["bptt"] / median["torch.nn"], 3),
        "target": target(kind, shape),
        "faster_than_naive": round(median["naive"] / median["bptt"], 2),
        "saved_to_torch_nn": round(saved["bptt"] / saved["torch.nn"], 3),
        "peak_to_torch_nn": (
            round(peaks["bptt"] / peaks["torch.nn"], 2) if peaks["bptt"] and peaks["torch.nn"] else None
        ),
    }


def measure_cuda(shape: tuple[int, ...]) -> dict[str, Any]:
    """Milliseconds of an LSTM at one shape: cuDNN, ours eager, ours as a CUDA graph; all in full float32."""
    T, B, I, H = shape
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    layers = contestants("LSTM", shape, "cuda")
    x, d_y = torch.randn(T, B, I, device="cuda", requires_grad=True), torch.randn(T, B, H, device="cuda")
    graphed: Any = torch.cuda.make_graphed_callables(
        OutputsOnly(from_torch(KINDS["LSTM"](I, H)).cuda()), (x.detach().requires_grad_(),)
    )
    layers = {"cudnn": layers["torch.nn"], "bptt": layers["bptt"], "bptt in a graph": graphed}
    steps = {name: training_step(layer, x, d_y) for name, layer in layers.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for count in range(25):
        for name, step in steps.items():
            event: Any = torch.cuda.Event
            start, end = event(enable_timing=True), event(enable_timing=True)
            start.record()
            step()
            end.record()
            torch.cuda.synchronize()
            if count >= 5:
                times[name].append(start.elapsed_time(end))
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "kind": "LSTM",
        "shape": {"T": T, "B": B, "I": I, "H": H},
        "milliseconds": {name: round(value, 3) for name, value in median.items()},
        "eager_to_cudnn": round(median["bptt"] / median["cudnn"], 2),
        "graph_to_cudnn": round(median["bptt in a graph"] / median["cudnn"], 2),
    }


HEADER = ("kind", "T,B,I,H", "nn ms", "bptt/nn", "target", "loop/nn", "naive/bptt", "saved/nn", "peak/nn")


def row(result: dict[str, Any]) -> str:
    ms = result["milliseconds"]
    values = [
        result["kind"],
        ",".join(str(size) for size in result["shape"].values()),
        f"{ms['torch.nn']:.1f}",
        f"{result['to_torch_nn']:.2f}",
        "" if result["target"] is None else f"{result['target']:.2f}",
        f"{ms['loop'] / ms['torch.nn']:.2f}",
        f"{result['faster_than_naive']:.1f}",
        f"{result['saved_to_torch_nn']:.2f}",
        "" if result["peak_to_torch_nn"] is None else f"{result['peak_to_torch_nn']:.2f}",
    ]
    return aligned(values)


def aligned(values: list[str] | tuple[str, ...]) -> str:
    return f"{values[0]:<6}{values[1]:<16}" + "".join(f"{value:>11}" for value in values[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU time for each kind at each shape")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about = records.machine()
    print(json.dumps(about, indent=1))
    print(aligned(HEADER))
    results = []
    for shape in SHAPES:
        for kind in KINDS:
            results.append(measure(kind, shape, options.seconds))
            print(row(results[-1]), flush=True)
    cuda = [measure_cuda(shape) for shape in CUDA_SHAPES] if torch.cuda.is_available() else []
    for result in cuda:
        print(json.dumps(result))
    print(records.save("recurrent", {"machine": about, "cpu": results, "cuda": cuda}))
    missed = [r for r in results if r["target"] is not None and r["to_torch_nn"] > r["target"]]
    for result in missed:
        print("over its target:", row(result), file=sys.stderr)


if __name__ == "__main__":
    main()
