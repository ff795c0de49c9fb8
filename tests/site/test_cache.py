"""The execution cache has a folder for each state of what the outputs depend on."""

import os
from pathlib import Path

from booktools import cache


def book(root: Path) -> Path:
    (root / "rnnbook" / "layers").mkdir(parents=True)
    (root / "rnnbook" / "layers" / "cells.py").write_text("x = 1\n")
    (root / "rnnbook" / "explorer.js").write_text("1;\n")
    (root / "constraints.txt").write_text("torch==2.13.0\n")
    return root


def test_the_folder_follows_every_file_of_the_package_and_the_pins(tmp_path: Path) -> None:
    root = book(tmp_path)
    seen = {cache.folder(root)}
    for name in ("rnnbook/layers/cells.py", "rnnbook/explorer.js", "constraints.txt"):
        with (root / name).open("a") as file:
            file.write("\n")
        seen.add(cache.folder(root))
    (root / "rnnbook" / "layers" / "cells.py").rename(root / "rnnbook" / "layers" / "gates.py")
    seen.add(cache.folder(root))
    assert len(seen) == 5


def test_the_folder_ignores_times_and_compiled_files(tmp_path: Path) -> None:
    root = book(tmp_path)
    before = cache.folder(root)
    (root / "rnnbook" / "__pycache__").mkdir()
    (root / "rnnbook" / "__pycache__" / "cells.pyc").write_bytes(b"\0")
    os.utime(root / "rnnbook" / "layers" / "cells.py", (0, 0))
    assert cache.folder(root) == before


def test_old_states_are_forgotten_but_not_this_one(tmp_path: Path) -> None:
    root = book(tmp_path)
    here = cache.folder(root)
    here.mkdir(parents=True)
    os.utime(here, (0, 0))  # however old this state is
    for age in range(cache.KEPT + 2):
        old = here.parent / f"state{age}"
        old.mkdir()
        os.utime(old, (1000 - age, 1000 - age))
    cache.prune(root)
    assert {path.name for path in here.parent.iterdir()} == {
        here.name,
        *(f"state{a}" for a in range(cache.KEPT)),
    }
