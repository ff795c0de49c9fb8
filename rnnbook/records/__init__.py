"""What was recorded by the scripts of benchmarks/ and experiments/, one JSON file each: measurements, trainings.

A record names its machine and holds lists of rows: `{"machine": {…}, "cpu": [{…}, …]}`. A row may group values,
as in `{"shape": {"T": 128}}`. `python -m benchmarks.NAME` or `python -m experiments.NAME` writes the record NAME anew.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import torch

from rnnbook import _expect as expect

FOLDER = Path(__file__).parent
Row = Mapping[str, Any]


def names() -> list[str]:
    """The records at hand, in the order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    """One record. Raises ValueError, with the names there are, for a name that is not among them."""
    expect.choice("name", name, names())
    record: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf8"))
    return record


def save(name: str, record: Mapping[str, Any]) -> Path:
    """Write a record, and return where it lies. Raises ValueError for a name that is not a plain word."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"name must be a plain word such as 'lstm', got {name!r}")
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", "utf8")
    return path


def machine() -> dict[str, Any]:
    """What the numbers depend on, and nothing that says whose machine it is."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.machine()),
        "flags": [flag for flag in flags if flag.startswith(("avx2", "avx512", "fma"))],
        "vector_units": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def flat(row: Row) -> dict[str, Any]:
    """A row without groups: {"shape": {"T": 128}, "target": 0.9} → {"shape.T": 128, "target": 0.9}."""
    if not isinstance(row, Mapping):
        raise TypeError(f"a row must be a mapping from names to values, got {type(row).__name__}")
    values: dict[str, Any] = {}
    for key, value in row.items():
        inside = flat(value) if isinstance(value, Mapping) else None
        values |= {key: value} if inside is None else {f"{key}.{name}": part for name, part in inside.items()}
    return values


@dataclass(frozen=True)
class Table:
    """Headers and lines of text: an HTML table in a notebook, Markdown as a string."""

    headers: list[str]
    lines: list[list[str]]

    def __str__(self) -> str:
        rows = [self.headers, ["---:"] * len(self.headers), *self.lines]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _repr_html_(self) -> str:
        # Themes set the cells of a notebook's tables without room between them.
        style = 'style="padding: 0.1em 0.5em; text-align: right"'
        head = "".join(f'<th scope="col" {style}>{escape(header)}</th>' for header in self.headers)
        body = ("".join(f"<td {style}>{escape(value)}</td>" for value in line) for line in self.lines)
        rows = "\n".join(f"<tr>{line}</tr>" for line in body)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def table(rows: Sequence[Row], columns: Mapping[str, str] | None = None) -> Table:
    """The rows as a table: floats with three digits, nothing for None and for what a row does not have.

    columns: header → key of the flat row; by default every key that occurs, sizes by their letters.
    """
    if not isinstance(rows, Sequence):
        raise TypeError(f"rows must be a list of rows, got {type(rows).__name__}")
    if not isinstance(columns, Mapping | None):
        raise TypeError(f"columns must be a mapping from headers to keys, got {type(columns).__name__}")
    values = [flat(row) for row in rows]
    if columns is None:
        keys = dict.fromkeys(key for row in values for key in row)
        columns = {key.removeprefix("shape."): key for key in keys}
    return Table(list(columns), [[_written(row.get(key)) for key in columns.values()] for row in values])


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(str(part) for part in value)
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
