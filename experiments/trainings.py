"""What the long trainings share: a layer with a read-out, a test set, and a record written anew after each training."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import records

Training = tuple[str, Callable[..., dict[str, Any]], tuple[Any, ...]]


def run(name: str, settings: Mapping[str, Any], tables: Sequence[str], trainings: Iterable[Training]) -> None:
    """Do every training (table, function, arguments) in turn, on one thread; its row goes to that table of the record.

    After each, rnnbook/records/NAME.json is written anew: {"machine": …, "settings": …, table: [row, …], …}.
    """
    torch.set_num_threads(1)
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in tables}
    for table, train, arguments in trainings:
        began = time.perf_counter()
        row = train(*arguments)
        rows[table].append(row)
        records.save(name, {"machine": records.machine(), "settings": settings, **rows})
        shown = (value for value in row.values() if not isinstance(value, list))
        print(table, *shown, f"{time.perf_counter() - began:.1f} s", flush=True)


def held_out(task: Callable[..., tuple[Tensor, Tensor]], B: int, T: int, **settings: Any) -> tuple[Tensor, Tensor]:
    """The test set (x, y) of a task, the same in every training."""
    return task(B, T, **settings, generator=torch.Generator().manual_seed(10**6))


def size(model: nn.Module) -> int:
    """The number of its parameters."""
    return sum(p.numel() for p in model.parameters())


class Net(nn.Module):
    """o = V h + c, at the last step or at every step."""

    def __init__(self, layer: Any, O: int, last: bool = True) -> None:
        super().__init__()
        self.layer, self.readout, self.last = layer, nn.Linear(layer.width, O), last

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.layer(x)
        o: Tensor = self.readout(h[-1] if self.last else h)
        return o
