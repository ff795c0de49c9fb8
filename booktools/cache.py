"""Where executed chapters are kept.

jupyter-cache compares only the code of the cells, so the folder's name holds a
digest of all that the code depends on: every file of `rnnbook` (scripts and
styles go into outputs) and the pinned dependencies. Folders of older states
are removed, except a few recent ones, which a change of branch comes back to.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

KEPT = 3


def digest(paths: Iterable[Path], root: Path) -> str:
    """One short name for the contents of these files and for their places below `root`."""
    total = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).digest()
        total.update(Path(os.path.relpath(path, root)).as_posix().encode() + b"\0" + content)
    return total.hexdigest()[:12]


def sources(folder: Path) -> list[Path]:
    """The files of a package, without what Python writes beside them."""
    return [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]


def folder(root: Path) -> Path:
    """The cache for the present state of `rnnbook` and its pinned dependencies."""
    pins = [root / "constraints.txt"]
    return root / "_build" / ".jupyter_cache" / digest([*sources(root / "rnnbook"), *pins], root)


def prune(root: Path) -> None:
    """Forget all states but this one and the `KEPT` most recent others."""
    here = folder(root)
    others = [p for p in here.parent.glob("*") if p.is_dir() and p != here]
    for old in sorted(others, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old)
