"""State-space models and hidden Markov chains: filters, smoothers and the networks that they are."""

from rnnbook import _lazy

__getattr__, __dir__ = _lazy.modules(__name__)
