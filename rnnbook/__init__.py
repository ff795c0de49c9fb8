"""Readable recurrent networks, filters and smoothers: the code that the chapters of Memory in a Loop import.

Modules load when they are first used, so `import rnnbook` costs nothing and
`rnnbook.check` never needs torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnbook.runtime import device, set_up

__version__ = "0.1.0"
__all__ = ["device", "set_up"]

_HOME = {"device": "runtime", "set_up": "runtime"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"rnnbook.{_HOME[name]}"), name)
    try:
        return import_module(f"rnnbook.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"rnnbook.{name}":
            raise
        raise AttributeError(f"rnnbook has no module or function {name!r}") from None
