"""How an answer differs from what is wanted, and which well-known mistake explains it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnbook._languages import Pair
from rnnbook.check.messages import EXTRA, NOTHING, fill
from rnnbook.check.values import Array

# A reader who computes in single or half precision is not wrong.
PRECISION = {"float32": (1e-4, 1e-5), "complex64": (1e-4, 1e-5), "float16": (2e-3, 2e-4)}


def narrowed(got: Array) -> Array:
    """The answer in the precision in which it was computed: lists, `float` and `.double()` hide single precision.

    Such numbers have 24 binary digits. Where 12 are enough for all, as for 0, 1 and 0.5, nothing was hidden.
    """
    if got.dtype not in (np.float64, np.complex128):
        return got
    with np.errstate(over="ignore"):
        single = got.astype(np.float32 if got.dtype == np.float64 else np.complex64)
    long = np.atleast_1d(single).view(np.uint32) & 0xFFF
    return single if long.any() and np.array_equal(single, got) else got


def close(got: Array, want: Array, rtol: float, atol: float) -> Array:
    """|got − want| ≤ atol + rtol |want|, entry by entry; equal infinities are close."""
    least_rtol, least_atol = PRECISION.get(got.dtype.name, (0.0, 0.0))
    return np.asarray(np.isclose(got, want, max(rtol, least_rtol), max(atol, least_atol)))


def nearly(got: Array, want: Array) -> bool:
    """Whether lower precision somewhere on the way may have made the difference."""
    rtol, atol = (2e-2, 1e-3) if got.dtype == np.float16 else PRECISION["float32"]
    return got.dtype.kind in "fc" and bool(np.isclose(got, want, rtol, atol).all())


def same(got: Array, want: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether a mistake explains the answer: same shape and values, by default to five digits."""
    other = np.asarray(want)
    return got.shape == other.shape and bool(close(got, other, rtol, atol).all())


def wild(wrong: Any) -> bool:
    """Whether a mistake holds any number: `...`, or [4, ...]."""
    return wrong is ... or (isinstance(wrong, list | tuple) and any(entry is ... for entry in wrong))


def explains(wrong: Any, got: Array, rtol: float, atol: float) -> bool:
    """Whether a mistake explains the answer. `...` in it stands for any number, [4, ...], and alone for any answer."""
    if wrong is ...:
        return True
    if wild(wrong):
        pairs = zip(got, wrong, strict=False)
        return got.shape == (len(wrong),) and all(entry is ... or same(one, entry, rtol, atol) for one, entry in pairs)
    return same(got, wrong, rtol, atol)


def digits(got: object, want: object) -> tuple[str, str]:
    """Both numbers with as many digits as it takes to tell them apart."""
    if isinstance(got, bool | int) and isinstance(want, bool | int):
        return str(got), str(want)
    for precision in (4, 6, 9, 12, 17):
        pair = (f"{got:.{precision}g}", f"{want:.{precision}g}")
        if pair[0] != pair[1]:
            break
    return pair


def shape_mistake(got: tuple[int, ...], want: tuple[int, ...]) -> Pair:
    """What probably went wrong when the shapes differ."""
    if len(got) == 2 and got[0] == got[1] > 1 and want in ((got[0],), (got[0], 1), (1, got[0])):
        return EXTRA["broadcast"]
    if want == ():
        return EXTRA["one-number"]
    if sorted(got) == sorted(want):
        return EXTRA["axes-swapped"]
    if [n for n in got if n != 1] == [n for n in want if n != 1]:
        return EXTRA["axis-missing" if len(got) < len(want) else "axis-too-many"]
    return NOTHING


def value_mistake(got: Array, want: Array, rtol: float = 1e-5, atol: float = 1e-8) -> Pair:
    """A well-known mistake that turns `want` into `got`, or nothing. A rounded answer has a sign too: rtol, atol."""
    if got.dtype == bool or not np.isfinite(got).all() or not want.any():
        return NOTHING
    if not got.any():
        return EXTRA["zeros"] if got.ndim else NOTHING
    if same(got, -want, rtol, atol):
        return EXTRA["signs" if want.size > 1 else "sign"]
    if want.size < 2:
        return NOTHING
    explained = {
        "transposed": want.ndim == 2 and same(got, want.T),
        "reversed": same(got, want[::-1]),
        "late": len(want) > 2 and same(got[1:], want[:-1]),
        "early": len(want) > 2 and same(got[:-1], want[1:]),
    }
    for mistake, explains in explained.items():
        if explains:
            return EXTRA[mistake]
    factor = float(np.real(np.vdot(want, got) / np.vdot(want, want)))
    if same(got, factor * want):
        return fill(EXTRA["factor"], factor=factor)
    offset = float(np.real(np.mean(got - want)))
    return fill(EXTRA["offset"], offset=offset) if same(got, want + offset) else NOTHING


def central_differences(f: Callable[[Array], float], at: Array) -> Array:
    """∂f/∂at, entry by entry: (f(a + ε) − f(a − ε)) / 2ε with ε = 1e-5 max(1, |a|)."""
    at = np.asarray(at, dtype=float)
    slope = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        step = 1e-5 * max(1.0, abs(float(at[index])))
        above, below = at.copy(), at.copy()
        above[index] += step
        below[index] -= step
        slope[index] = (float(f(above)) - float(f(below))) / (above[index] - below[index])
    return slope
