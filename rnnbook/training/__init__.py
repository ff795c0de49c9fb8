"""Training: the loop, checkpoints, what a run tells, what it costs, tasks and data."""

from rnnbook import _lazy

__getattr__, __dir__ = _lazy.modules(__name__)
