"""From whatever the reader's code returns to plain numpy arrays, and back: copies of what it is given.

Tensors are known by their `detach` method, so that torch is never imported here.
"""

import copy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnbook.check.guard import is_a

Array = NDArray[Any]

MOST_BYTES = 64 * 2**20


class NotAnArray(Exception):  # noqa: N818 (an outcome)
    """The reason, as a code of messages.py, why a value is not an array of numbers."""

    def __init__(self, code: str, got: str = "") -> None:
        super().__init__(code)
        self.code, self.got = code, got


def as_array(raw: object) -> Array:
    """A copy of raw as an array of numbers, dtype kept. Raises NotAnArray."""
    made_of_parts = is_a(raw, list, tuple)
    try:
        array = np.asarray(_without_tensors(raw))
        if array.dtype == object and isinstance(raw, int):  # beyond 64 bits
            array = np.asarray(float(raw))
    except Exception:
        raise NotAnArray("ragged" if made_of_parts else "type") from None
    if array.nbytes > MOST_BYTES:
        raise NotAnArray("too-large", str(array.shape))
    if array.dtype == object and array.ndim > 0:
        raise NotAnArray("ragged") if made_of_parts else NotAnArray("dtype", "object")
    if array.dtype.kind not in "biufc":
        raise NotAnArray("type")
    return array.copy()


def _without_tensors(raw: object) -> object:
    if isinstance(raw, list | tuple):
        return [_without_tensors(item) for item in raw]
    if is_a(raw, Fraction, Decimal):
        return float(raw)  # type: ignore[arg-type]
    if isinstance(raw, np.ndarray) or not hasattr(raw, "detach"):
        return raw
    tensor: Any = raw.detach().cpu()
    return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()


def copied(value: object) -> object:
    """A copy that the reader's code may spoil."""
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if hasattr(value, "detach"):
        tensor: Any = value
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    return value if callable(value) else copy.deepcopy(value)


def unchanged(before: object, after: object) -> bool:
    """Whether arrays, tensors, lists, tuples and dictionaries are bit for bit what they were."""
    if isinstance(before, list | tuple):
        return (
            isinstance(after, list | tuple)
            and len(before) == len(after)
            and all(unchanged(old, new) for old, new in zip(before, after, strict=True))
        )
    if isinstance(before, dict):
        return (
            isinstance(after, dict)
            and before.keys() == after.keys()
            and all(unchanged(before[key], after[key]) for key in before)
        )
    if isinstance(before, np.ndarray | float | int) or hasattr(before, "detach"):
        old, new = as_array(before), as_array(after)
        return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()
    return True
