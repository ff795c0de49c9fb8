"""Linear recurrences by every algorithm against a loop under autograd, and minGRU against `nn.GRU`.

`python -m benchmarks.scan` prints tables and writes rnnbook/records/scan.json. Forward and backward together;
one process, one thread, CPU time, the contestants in turn, medians, as in benchmarks/recurrent.py.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.recurrent import OutputsOnly, medians, training_step
from rnnbook import records
from rnnbook.layers.mingru import MinGRU, MinGRULayer
from rnnbook.layers.recurrent import Recurrent
from rnnbook.layers.scan import RUN, scan, scan_log
from rnnbook.layers.scan_dense import RUN as DENSE
from rnnbook.layers.scan_dense import scan_dense

# (T, B, H). The recurrence with one matrix, and the elementwise one.
SHAPES = [(512, 32, 64), (1024, 8, 64), (4096, 8, 64), (4096, 1, 64), (1024, 1, 64), (512, 64, 128), (48, 32, 64)]
DENSE_SHAPES = [(4096, 1, 64), (1024, 1, 16), (1024, 8, 64), (256, 32, 16), (512, 32, 64), (128, 1, 64)]
# (T, B, I, H)
MINGRU_SHAPES = [
    (128, 32, 32, 64),
    (512, 32, 64, 128),
    (1024, 32, 64, 64),
    (1024, 1, 32, 64),
    (4096, 1, 32, 64),
    (256, 1, 32, 64),
]


def mingru_target(T: int, B: int) -> float | None:
    """The largest ratio of minGRU to `nn.GRU` that this project allows itself."""
    if B == 32:
        return 0.25
    return 0.03 if B == 1 and T >= 1024 else None


def step(run: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[[], None]:
    """Forward and backward of one contestant."""
    inputs = tuple(t.clone().requires_grad_() for t in inputs)
    with torch.no_grad():
        d_h = torch.randn_like(run(*inputs))

    def once() -> None:
        torch.autograd.grad(run(*inputs), inputs, d_h)

    return once


def race(
    contestants: dict[str, Callable[..., Tensor]], inputs: tuple[Tensor, ...], shape: tuple[int, ...], seconds: float
) -> dict[str, Any]:
    """Milliseconds of every contestant, and ratios to the one called "loop"."""
    steps = {name: step(run, inputs) for name, run in contestants.items()}
    for once in steps.values():
        once()
    median, rounds = medians(steps, seconds, seldom=("loop", "log", "hillis-steele", "doubling"))
    return {
        "shape": dict(zip("TBH", shape, strict=True)),
        "rounds": rounds,
        "milliseconds": {name: round(value, 3) for name, value in median.items()},
        "to_loop": {name: round(value / median["loop"], 3) for name, value in median.items() if name != "loop"},
    }


def measure_scan(shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    torch.manual_seed(0)
    a, b = torch.rand(shape), torch.rand(shape)
    contestants: dict[str, Callable[..., Tensor]] = {
        name: (lambda a, b, by=name: scan(a, b, algorithm=by)) for name in ("loop", *RUN)
    }
    contestants["log"] = lambda a, b: scan_log(a.log(), b.log()).exp()
    return race(contestants, (a, b), shape, seconds)


def measure_dense(shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    torch.manual_seed(0)
    H = shape[-1]
    A, b = 0.9 * torch.randn(H, H) / H**0.5, torch.randn(shape)
    contestants: dict[str, Callable[..., Tensor]] = {
        name: (lambda A, b, by=name: scan_dense(A, b, algorithm=by)) for name in ("loop", *DENSE)
    }
    return race(contestants, (A, b), shape, seconds)


def measure_mingru(shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    T, B, I, H = shape
    torch.manual_seed(0)
    cell = MinGRU(I, H)
    layers = {"torch.nn": nn.GRU(I, H), "minGRU": MinGRULayer(cell), "loop": Recurrent(cell, "loop")}
    x, d_y = torch.randn(T, B, I, requires_grad=True), torch.randn(T, B, H)
    steps = {name: training_step(OutputsOnly(layer), x, d_y) for name, layer in layers.items()}
    for once in steps.values():
        once()
    median, rounds = medians(steps, seconds, seldom=("loop",))
    return {
        "shape": dict(zip("TBIH", shape, strict=True)),
        "rounds": rounds,
        "milliseconds": {name: round(value, 3) for name, value in median.items()},
        "to_torch_nn": round(median["minGRU"] / median["torch.nn"], 4),
        "target": mingru_target(T, B),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU time for each shape")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    record: dict[str, Any] = {"machine": records.machine()}
    print(json.dumps(record["machine"], indent=1))
    jobs: dict[str, tuple[Callable[..., dict[str, Any]], Sequence[tuple[int, ...]]]] = {
        "scan": (measure_scan, SHAPES),
        "dense": (measure_dense, DENSE_SHAPES),
        "mingru": (measure_mingru, MINGRU_SHAPES),
    }
    for name, (measure, shapes) in jobs.items():
        record[name] = [measure(shape, seconds) for shape in shapes]
        print(name, records.table(record[name]), sep="\n", flush=True)
    print(records.save("scan", record))
    for row in record["mingru"]:
        if row["target"] is not None and row["to_torch_nn"] > row["target"]:
            print("over its target:", row, file=sys.stderr)


if __name__ == "__main__":
    main()
