"""What happened in a training, and the two ends that are errors and bring it along."""

import math
from dataclasses import dataclass, field, fields
from pathlib import Path

ENDS = ("running", "steps", "stop", "interrupted", "not finite", "not saved")


@dataclass
class Record:
    """What happened in a training.

    losses[n], norms[n]: the loss of step n = 0, 1, …, and the norm of its gradient before clipping.
    evaluations: pairs (steps done, value). stopped: why the training ended, "steps" (all were done), "stop"
    (what was asked for is reached), "interrupted", "not finite" or "not saved"; "running" until then.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    stopped: str = "running"

    @property
    def steps(self) -> int:
        """The number of steps done."""
        return len(self.losses)

    @classmethod
    def of(cls, saved: object) -> "Record":
        """The record whose fields are those of a dictionary, such as `dataclasses.asdict` gives.

        Raises ValueError for what cannot have been a record: other keys, other types, a loss that is not finite.
        """
        names = [part.name for part in fields(cls)]
        if not isinstance(saved, dict) or sorted(saved) != sorted(names):
            keys = list(saved) if isinstance(saved, dict) else type(saved).__name__
            raise ValueError(f"the record must have {', '.join(names)}, got {keys}")
        record = cls(**saved)
        for name in ("losses", "norms"):
            values = saved[name]
            if not isinstance(values, list) or not all(isinstance(v, float) and math.isfinite(v) for v in values):
                raise ValueError(f"the record's {name} must be a list of finite numbers")
        if len(record.norms) != record.steps:
            raise ValueError(f"the record must have as many norms as losses, got {len(record.norms)}, {record.steps}")
        pairs = record.evaluations
        if not isinstance(pairs, list) or not all(_is_evaluation(pair, record.steps) for pair in pairs):
            raise ValueError(f"the record's evaluations must be pairs (steps done, value) within {record.steps} steps")
        if record.stopped not in ENDS:
            raise ValueError(f"the record's end must be one of {', '.join(map(repr, ENDS))}, got {record.stopped!r}")
        return record


def _is_evaluation(pair: object, steps: int) -> bool:
    if not isinstance(pair, tuple) or len(pair) != 2:
        return False
    done, value = pair
    return type(done) is int and 0 < done <= steps and isinstance(value, float)


class NotFiniteError(FloatingPointError):
    """A loss, a gradient or an update is infinite or not a number.

    step: which one, counted from 0; where: in the loss, or in which parameter; record: of the steps before.
    The parameters are as they were before that step.
    """

    def __init__(self, step: int, where: str) -> None:
        super().__init__(
            f"step {step}: {where}; the parameters are as they were before this step "
            "(a smaller lr or a clip_norm may help)"
        )
        self.step, self.where, self.record = step, where, Record()


class Interrupted(KeyboardInterrupt):
    """The reader stopped the training. The model keeps what it has learned; record: of the steps done."""

    def __init__(self, record: Record, path: Path | None) -> None:
        again = "" if path is None else f"; call fit again to go on from {path}"
        super().__init__(f"interrupted after {record.steps} steps{again}")
        self.record = record
