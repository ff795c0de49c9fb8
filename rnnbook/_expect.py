"""Checks at the door: an argument of the wrong kind, size or value is named, with what it was and what it should be.

Every public function of `rnnbook` asks here once per input, so that a mistake is answered in the book's letters.
"""

import math
import operator
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

Size = tuple[str, int | None]
Word = TypeVar("Word", bound=str)


def tensor(name: str, value: object, sizes: Sequence[Size], like: Tensor) -> Tensor:
    """Return `value` if it is a tensor of these sizes with the dtype and the device of `like`.

    sizes: pairs (letter, size), the size None where any will do: `[("T", None), ("B", None), ("I", 10)]`.
    Raises TypeError for what is not a tensor or has another dtype, ValueError for a wrong rank, size
    or device.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    fits = value.dim() == len(sizes) and all(
        want is None or got == want for got, (_, want) in zip(value.shape, sizes, strict=True)
    )
    if not fits:
        letters = ", ".join(letter for letter, _ in sizes)
        wanted = ", ".join(letter if size is None else str(size) for letter, size in sizes)
        raise ValueError(f"{name} must have shape ({letters}) = ({wanted}), got {tuple(value.shape)}")
    if value.dtype != like.dtype:
        raise TypeError(
            f"{name} must have the parameters' dtype {like.dtype}, got {value.dtype}; "
            f"convert it with {name}.to({like.dtype})"
        )
    if value.device != like.device:
        raise ValueError(f"{name} must be on the parameters' device {like.device}, got {value.device}")
    return value


def real(name: str, value: Tensor) -> Tensor:
    """Return `value` if it holds real floating-point numbers, else raise TypeError."""
    if not value.is_floating_point():
        kind = "complex numbers" if value.is_complex() else str(value.dtype)
        raise TypeError(f"{name} must hold real floating-point numbers, got {kind}")
    return value


def finite(name: str, value: Tensor) -> Tensor:
    """Return `value` if it has neither NaN nor inf, else raise ValueError that says where the first one stands."""
    good = value.detach().isfinite()
    if not bool(good.all()):
        place = tuple((~good).nonzero()[0].tolist())
        where = f" at {place[0] if len(place) == 1 else place}" if place else ""
        raise ValueError(f"{name} must be finite, got {value.detach()[place].item()}{where}")
    return value


def square(name: str, value: Tensor, letter: str = "n") -> Tensor:
    """Return `value` if it is a square matrix (n, n) of finite real numbers, else raise TypeError or ValueError."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dim() != 2 or value.shape[0] != value.shape[1]:
        raise ValueError(f"{name} must have shape ({letter}, {letter}), got {tuple(value.shape)}")
    return finite(name, real(name, value))


def semidefinite(name: str, value: Tensor) -> Tensor:
    """Return `value`: (..., n, n) if each matrix is symmetric and positive semidefinite up to rounding.

    Rows and columns are first scaled to a unit diagonal, so that the verdict does not depend on units. Raises
    ValueError that names the smallest eigenvalue, of the matrix as it was given.
    """
    X = finite(name, real(name, value)).detach()
    if X.numel() == 0:
        return value
    n, eps = X.shape[-1], torch.finfo(X.dtype).eps
    variances = X.diagonal(dim1=-2, dim2=-1)
    if bool((variances < 0).any()):
        raise ValueError(f"{name} must have no negative variance on its diagonal, got {variances.min().item():.6g}")
    X = X.double()  # the square roots of the smallest float32 numbers, too
    size = X.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = torch.where(size > 0, size, 1)
    unit = X / scale[..., :, None] / scale[..., None, :]
    gap = (unit - unit.mT).abs().amax((-2, -1))
    if bool((gap > eps**0.5).any()):
        worst = (X - X.mT).abs().max().item()
        raise ValueError(f"{name} must be symmetric, got entries that differ from their mirror by {worst:.6g}")
    least = torch.linalg.eigvalsh((unit + unit.mT) / 2)[..., 0]
    # What a product in this dtype leaves where the exact eigenvalue is zero, with room for a few products in a row.
    if bool((least < -64 * n * eps).any()):
        place = tuple((least == least.min()).nonzero()[0].tolist())
        smallest = torch.linalg.eigvalsh(X[place])[0].item()
        where = f" at {place[0] if len(place) == 1 else place}" if place else ""
        raise ValueError(f"{name} must be positive semidefinite, got the eigenvalue {smallest:.6g}{where}")
    return value


def whole(name: str, value: object, least: int = 0) -> int:
    """Return `value` as an int if it is a whole number (NumPy's too) of at least `least`.

    Raises TypeError for other types, True and False among them, and ValueError for a smaller number.
    """
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def positive(name: str, value: object) -> int:
    """Return `value` as an int if it is a whole number of at least 1, else raise TypeError or ValueError."""
    return whole(name, value, least=1)


def number(name: str, value: float, above: float = -math.inf) -> float:
    """Return `value` as a float if it is a finite real number greater than `above`.

    Raises TypeError for what is no number, ValueError for NaN, inf and what is not above.
    """
    try:
        x = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not (math.isfinite(x) and x > above):
        wanted = "a finite number" if above == -math.inf else f"a finite number above {above:g}"
        raise ValueError(f"{name} must be {wanted}, got {value}")
    return x


def choice(name: str, value: Word, choices: Sequence[str]) -> Word:
    """Return `value` if it is one of `choices`, else raise ValueError that lists them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value
