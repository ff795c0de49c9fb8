"""What a recurrent network does with its state and with a gradient: modes, flow, growth, time scales."""

from rnnbook import _lazy

__getattr__, __dir__ = _lazy.modules(__name__)
