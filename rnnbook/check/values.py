"""From whatever the reader's code returns to plain numpy arrays, and back: copies of what it is given.

Tensors are known by their `detach` method, so that torch is never imported here.
"""

import copy
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
        array = np.asarray(_plain(raw, _Room()))
    except NotAnArray:
        raise
    except Exception:
        raise NotAnArray("ragged" if made_of_parts else "type") from None
    if array.nbytes > MOST_BYTES:
        raise NotAnArray("too-large", str(array.shape))
    if array.dtype == object and array.ndim > 0:
        raise NotAnArray("ragged") if made_of_parts else NotAnArray("dtype", "object")
    if array.dtype.kind not in "biufc":
        raise NotAnArray("type")
    return array.copy()


class _Room:
    """How many more entries lists may have; numpy would make them all, even those of a range, and then be asked."""

    def __init__(self) -> None:
        self.left = MOST_BYTES // 8

    def take(self, parts: Any) -> None:
        self.left -= len(parts)
        if self.left < 0:
            raise NotAnArray("too-large", f"({len(parts)},)")


def _plain(raw: object, room: _Room) -> object:
    """What numpy can make an array of: lists of arrays and of its own numbers, none of them too long."""
    if is_a(raw, np.ndarray) and raw.dtype == object and raw.ndim == 0:  # type: ignore[attr-defined]
        return _plain(raw.item(), room)  # type: ignore[attr-defined]
    if is_a(raw, np.ndarray, np.generic, str, bytes, bool, float, complex):
        return raw
    if is_a(raw, int):
        return raw if -(2**63) <= raw < 2**63 else float(raw)  # type: ignore[operator, arg-type]
    if hasattr(raw, "detach"):
        tensor: Any = raw.detach().cpu()
        return (tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy()
    if hasattr(raw, "__array__"):
        return raw
    if hasattr(type(raw), "__float__"):  # a number of another library: Fraction, Decimal, sympy's, mpmath's
        return _number(raw)
    if hasattr(type(raw), "__getitem__") and hasattr(type(raw), "__len__"):
        room.take(raw)
        if is_a(raw, list, tuple) and set(map(type, raw)) != {float}:  # type: ignore[call-overload]
            return [_plain(item, room) for item in raw]  # type: ignore[attr-defined]
    return raw


def _number(raw: Any) -> float | complex:
    try:
        return float(raw)
    except TypeError:
        return complex(raw)


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
