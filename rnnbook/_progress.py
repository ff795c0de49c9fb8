"""A progress bar where somebody watches: in a notebook or a terminal, and never in the book's own build."""

import os
import sys
from typing import Any


def bar(total: int, *, done: int = 0, shown: bool | None = None) -> Any:
    """A tqdm bar over `total` steps, of which `done` are done; its methods do nothing where it is not shown.

    shown: None for `watched()`.
    """
    if watched() if shown is None else shown:
        from tqdm.auto import tqdm

        return tqdm(total=total, initial=done, unit="step")
    # The plain class: the notebook's would look for widgets that the silent bar does not need.
    from tqdm import tqdm as plain

    return plain(total=total, initial=done, disable=True)


def watched() -> bool:
    """Whether there is a notebook or a terminal, and RNNBOOK_STRICT is not set."""
    if os.environ.get("RNNBOOK_STRICT", "0") not in ("", "0"):
        return False
    ipython = sys.modules.get("IPython")
    in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    return in_notebook or sys.stderr.isatty()
