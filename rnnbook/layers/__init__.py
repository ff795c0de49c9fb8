"""Recurrent layers: cells, what unrolls them, their backward passes derived by hand, and scans."""

from rnnbook import _lazy

__getattr__, __dir__ = _lazy.modules(__name__)
