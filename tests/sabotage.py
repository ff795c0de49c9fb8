"""Break what a chapter rests on, one line at a time, and see that the chapter's own assertions fail.

`python tests/sabotage.py [CHAPTER ...]` runs each chapter's code, solutions included, first against rnnbook as it is,
then against a copy with one line changed, for every change listed in tests/sabotages/CHAPTER.yml:

    - what: the transpose of W_h is lost on the way back
      file: rnnbook/layers/bptt.py
      line: g = g @ W_h
      to: g = g @ W_h.T

A change is caught when a cell of the chapter raises AssertionError. A chapter that runs through has believed a wrong
package; one that ends in another error was lucky, and that is told apart. `make sabotage` runs them all.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chapters import code_cells  # noqa: E402  (the line above finds it)

LISTS = ROOT / "tests" / "sabotages"


@dataclass(frozen=True)
class Sabotage:
    """One changed line of the package."""

    what: str
    file: str
    line: str
    to: str

    def apply(self, root: Path) -> None:
        """Change the line in the copy under `root`. Raises ValueError where it does not stand there exactly once."""
        path = root / self.file
        text = path.read_text("utf8")
        times = text.count(self.line)
        if times != 1:
            raise ValueError(f"{self.what}: {self.line!r} stands {times} times in {self.file}, not once")
        path.write_text(text.replace(self.line, self.to), "utf8")


@dataclass(frozen=True)
class Outcome:
    """How a run of a chapter ended: in which line of the chapter, with which error; none if it ran through."""

    seconds: float
    line: int = 0
    error: str = ""
    message: str = ""

    @property
    def caught(self) -> bool:
        return self.error == "AssertionError"

    def __str__(self) -> str:
        if not self.error:
            return "ran through"
        verdict = "caught" if self.caught else self.error
        return f"{verdict} in line {self.line}" + ("" if self.caught else f": {self.message}")


def sabotages(chapter: str) -> list[Sabotage]:
    """The changes listed for a chapter."""
    listed = yaml.safe_load((LISTS / f"{chapter}.yml").read_text("utf8"))
    return [Sabotage(**entry) for entry in listed]


def run(path: Path, sabotage: Sabotage | None = None, package: Path = ROOT / "rnnbook") -> Outcome:
    """Execute the code of a chapter against a copy of the package, changed or not. For a process of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(package, Path(folder, package.name), ignore=shutil.ignore_patterns("__pycache__"))
        if sabotage:
            sabotage.apply(Path(folder))
        for name in [name for name in sys.modules if name.split(".")[0] == package.name]:
            del sys.modules[name]
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        os.chdir(path.parent)
        os.environ |= {"RNNBOOK_STRICT": "1", "MPLBACKEND": "Agg"}
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (for the rest of this process)
        names: dict[str, object] = {"__name__": "__main__", "display": lambda *shown: None}
        for line, _, code in code_cells(path):
            try:
                exec(compile(code, f"{path.name}:{line}", "exec"), names)
            except Exception as error:
                said = " ".join(str(error).split())[:90]
                return Outcome(time.perf_counter() - began, line, type(error).__name__, said)
    return Outcome(time.perf_counter() - began)


def apart(processes: int) -> Pool:
    """A process of its own for every run: what one has imported, changed or seeded, no other sees."""
    return multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1)


def examine(chapters: Sequence[str], processes: int) -> bool:
    """Run every sabotage of the chapters and print what came of it; True if all were caught."""
    import matplotlib.pyplot  # noqa: F401  (here and the next: once, for all the processes to come)
    import torch

    torch.set_num_threads(1)  # threads do not survive a fork
    good = True
    with apart(processes) as pool:
        for chapter in chapters:
            path = ROOT / "chapters" / f"{chapter}.md"
            listed = sabotages(chapter)
            plain, *outcomes = pool.starmap(run, [(path, None), *((path, change) for change in listed)], chunksize=1)
            print(f"{chapter}: as it is, {plain} ({plain.seconds:.0f} s)")
            for change, outcome in zip(listed, outcomes, strict=True):
                print(f"  {outcome}: {change.what}", flush=True)
            good &= not plain.error and all(outcome.caught for outcome in outcomes)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description="Break the package under a chapter and see its assertions fail.")
    parser.add_argument("chapters", nargs="*", help="names of chapters; all of them by default")
    parser.add_argument("--processes", type=int, default=2, help="how many runs side by side")
    given = parser.parse_args()
    chapters = given.chapters or sorted(path.stem for path in LISTS.glob("*.yml"))
    if not examine(chapters, given.processes):
        sys.exit("not everything was caught by an assertion of its chapter")


if __name__ == "__main__":
    main()
