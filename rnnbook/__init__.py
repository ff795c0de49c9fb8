"""Readable recurrent networks, filters and smoothers: the code that the chapters of Memory in a Loop import.

Modules load when they are first used, so `import rnnbook` costs nothing and
`rnnbook.check` never needs torch.
"""

from typing import TYPE_CHECKING

from rnnbook import _lazy

if TYPE_CHECKING:
    __version__: str
    from rnnbook.runtime import device, set_up

__all__ = ["device", "set_up"]
__getattr__, __dir__ = _lazy.modules(__name__, device="runtime", set_up="runtime", __version__="_version")
