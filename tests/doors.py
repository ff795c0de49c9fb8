"""Wrong input for every public function: what a reader may give by mistake, and how it must be answered."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


def wrong(value: Any) -> Iterator[Any]:
    """Things that are not what `value` is, whatever that is."""
    yield from (None, "words", [1.0, "a"], {}, object(), math.nan, np.float64("nan"), -math.inf, 1j)
    if isinstance(value, Tensor):
        yield from (value + 1j, value[None], torch.full_like(value, math.nan), value > 0, torch.zeros(0))
    elif isinstance(value, list):
        yield from (torch.ones(3, 3, 3, 3), [[math.nan]], [["a"]], [[1.0], [2.0, 3.0]], [[1j]])


def _complex(value: Any) -> str:
    return "complex" if isinstance(value, complex) or (isinstance(value, Tensor) and value.is_complex()) else ""


def refuses(door: Callable[..., Any], good: dict[str, Any], argument: str, takes: tuple[str, ...] = ()) -> None:
    """The call with `good` works, and with something wrong for `argument` the error stands at a door.

    takes: which kinds the function knows what to do with, of "None", "complex" and "-inf".
    """
    door(**good)
    for value in wrong(good[argument]):
        if (str(value) if value is None or isinstance(value, float) else _complex(value)) in takes:
            continue
        with pytest.raises((TypeError, ValueError)) as caught:
            door(**{**good, argument: value})
        where = caught.traceback[-1].path
        assert "rnnbook" in str(where), f"{argument}={value!r}: {caught.value} in {where}"
        assert any(word in str(caught.value) for word in (argument, "must")), str(caught.value)
