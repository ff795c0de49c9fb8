"""Linear recurrent networks as time series: realisations, VARMA and innovations forms."""

from rnnbook import _lazy

__getattr__, __dir__ = _lazy.modules(__name__)
