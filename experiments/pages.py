"""Short trainings that pages run, from ten random starts each: how many pass the page's own assertions.

`python -m experiments.pages` executes each chapter up to the training, then that cell ten times with other seeds, and
writes rnnbook/records/pages.json. tests/test_experiments.py holds the record, and with it what the pages say. The
other chapters have scripts of their own, or try several seeds on the page.
"""

import os
import re
from pathlib import Path

import jupytext
import torch

from rnnbook import records

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
SEEDS = range(10)
ASIDE = {"exercise", "check", "explorable"}
# Chapter, and what stands only in the cell that trains.
TRAININGS = (
    ("flow", "(far, s_far), (near, s_near) = examine(tasks.recall)"),
    ("smoothing", "steps, layers = 400"),
)


def passes(chapter: str, mark: str) -> list[bool]:
    """Whether the marked cell of a chapter holds all that it asserts, for each seed."""
    notebook = jupytext.read(CHAPTERS / f"{chapter}.md")
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and not ASIDE & set(cell.metadata.get("tags", ()))
    ]
    names: dict[str, object] = {"display": lambda *shown: None}
    for cell in cells:
        if mark in cell.source:
            return [_holds(cell.source, seed, names) for seed in SEEDS]
        exec(cell.source, names)
    raise ValueError(f"no cell of {chapter} holds {mark!r}")


def _holds(code: str, seed: int, names: dict[str, object]) -> bool:
    torch.manual_seed(seed)
    try:
        exec(re.sub(r"manual_seed\([012]\)", f"manual_seed({seed})", code), names)
    except AssertionError:
        return False
    return True


def main() -> None:
    os.chdir(CHAPTERS)
    os.environ["MPLBACKEND"] = "Agg"
    torch.set_num_threads(1)
    runs = []
    for chapter, mark in TRAININGS:
        held = passes(chapter, mark)
        runs.append({"chapter": chapter, "seeds": len(held), "passed": sum(held)})
        print(runs[-1], flush=True)
    print(records.save("pages", {"machine": records.machine(), "trainings": runs}))


if __name__ == "__main__":
    main()
