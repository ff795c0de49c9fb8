"""Checks at the door: an argument of the wrong kind, size or value is named, with what it was and what it should be.

Every public function of `rnnbook` asks here once per input, so that a mistake is answered in the book's letters.
"""

import math
import operator
from collections.abc import Sequence
from typing import SupportsFloat, TypeVar, cast

import torch
from torch import Tensor

Size = tuple[str, int | None]
Word = TypeVar("Word", bound=str)


def tensor(name: str, value: object, sizes: Sequence[Size], like: Tensor, whose: str = "the parameters'") -> Tensor:
    """Return `value` if it is a tensor of these sizes with the dtype and the device of `like`.

    sizes: pairs (letter, size), the size None where any will do: `[("T", None), ("B", None), ("I", 10)]`; a first
    pair ("…", None) stands for any number of axes. whose: the owner of dtype and device, for the messages.
    Raises TypeError for what is not a tensor or has another dtype, ValueError for a wrong rank, size
    or device.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    wants, shape = sizes, value.shape
    if sizes and sizes[0] == ("…", None) and len(shape) >= len(sizes) - 1:
        wants, shape = sizes[1:], shape[len(shape) - len(sizes) + 1 :]
    fits = len(shape) == len(wants) and all(
        want is None or got == want for got, (_, want) in zip(shape, wants, strict=True)
    )
    if not fits:
        letters = ", ".join(letter for letter, _ in sizes)
        wanted = ", ".join(letter if size is None else str(size) for letter, size in sizes)
        raise ValueError(f"{name} must have shape ({letters}) = ({wanted}), got {tuple(value.shape)}")
    if value.dtype != like.dtype:
        raise TypeError(
            f"{name} must have {whose} dtype {like.dtype}, got {value.dtype}; convert it with {name}.to({like.dtype})"
        )
    if value.device != like.device:
        raise ValueError(f"{name} must be on {whose} device {like.device}, got {value.device}")
    return value


def real(name: str, value: object) -> Tensor:
    """Return `value` if it is a tensor of real floating-point numbers, else raise TypeError."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        kind = "complex numbers" if value.is_complex() else str(value.dtype)
        raise TypeError(f"{name} must hold real floating-point numbers, got {kind}")
    return value


def finite(name: str, value: Tensor) -> Tensor:
    """Return `value` if it has neither NaN nor inf, else raise ValueError that says where the first one stands.

    A tensor on the device meta has no numbers, and ValueError says so.
    """
    if value.is_meta:
        raise ValueError(f"{name} must hold numbers, got a tensor on the device meta, which has shapes only")
    good = value.detach().isfinite()
    if not bool(good.all()):
        place = tuple((~good).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {value.detach()[place].item()}{_at(place)}")
    return value


def _at(place: tuple[int, ...]) -> str:
    """Where in a tensor, for a message: nothing for a single number, " at 3" and " at (0, 3)" for others."""
    return f" at {place[0] if len(place) == 1 else place}" if place else ""


def square(name: str, value: object, letter: str = "n") -> Tensor:
    """Return `value` if it is a square matrix (n, n) of finite real numbers, else raise TypeError or ValueError."""
    X = real(name, value)
    if X.dim() != 2 or X.shape[0] != X.shape[1]:
        raise ValueError(f"{name} must have shape ({letter}, {letter}), got {tuple(X.shape)}")
    return finite(name, X)


def semidefinite(name: str, value: object) -> Tensor:
    """Return `value`: (..., n, n) if each matrix is symmetric and positive semidefinite up to rounding.

    Rows and columns are first scaled to a unit diagonal, so that the verdict does not depend on units; where a
    variance is zero, the rest of its row must be zero too. Raises TypeError for what holds no real numbers, and
    ValueError that names the smallest eigenvalue: of the matrix as it was given, or of the scaled one where
    rounding hides the former.
    """
    given = real(name, value)
    if given.dim() < 2 or given.shape[-1] != given.shape[-2]:
        raise ValueError(f"{name} must have shape (…, n, n), got {tuple(given.shape)}")
    n, eps = given.shape[-1], torch.finfo(given.dtype).eps
    X = finite(name, given).detach().double()  # the square roots of the smallest float32 numbers, too
    if X.numel() == 0:
        return given
    variances = X.diagonal(dim1=-2, dim2=-1)
    if bool((variances < 0).any()):
        raise ValueError(f"{name} must have no negative variance on its diagonal, got {variances.min().item():.6g}")
    size = variances.sqrt()
    # An entry beside a variance of zero has no scale of its own: by inf it stays in sight in any units.
    unit = torch.where(X == 0, 0, X / size[..., :, None] / size[..., None, :])
    gap = (unit - unit.mT).nan_to_num(0).abs()
    if bool((gap > eps**0.5).any()):
        *batch, i, j = (int(k[0]) for k in (gap == gap.max()).nonzero(as_tuple=True))
        pair = f"{X[(*batch, i, j)].item():.6g} at {(*batch, i, j)} and {X[(*batch, j, i)].item():.6g} in its mirror"
        raise ValueError(f"{name} must be symmetric, got {pair}")
    if bool(unit.isinf().any()):
        place = tuple(unit.isinf().nonzero()[0].tolist())
        raise ValueError(
            f"{name} must be positive semidefinite, got {X[place].item():.6g} at {place} beside a variance of zero, "
            f"and the eigenvalue {torch.linalg.eigvalsh(X[place[:-2]])[0].item():.6g}"
        )
    least = torch.linalg.eigvalsh((unit + unit.mT) / 2)[..., 0]
    # What a product in this dtype leaves where the exact eigenvalue is zero, with room for a few products in a row,
    # and in no dtype a correlation of 1.05, whose eigenvalue is -0.05.
    if bool((least < -min(64 * n * eps, 0.04)).any()):
        place = tuple((least == least.min()).nonzero()[0].tolist())
        smallest, scaled = torch.linalg.eigvalsh(X[place])[0].item(), ""
        if smallest > -n * torch.finfo(X.dtype).eps * X[place].abs().max().item():
            smallest, scaled = least[place].item(), " of the matrix scaled to a unit diagonal"
        raise ValueError(f"{name} must be positive semidefinite, got the eigenvalue {smallest:.6g}{scaled}{_at(place)}")
    return given


def floating(name: str, value: object) -> torch.dtype:
    """Return `value` if it is a dtype of real floating-point numbers, else raise TypeError."""
    if not (isinstance(value, torch.dtype) and value.is_floating_point):
        raise TypeError(f"{name} must be a real floating-point dtype such as torch.float32, got {value!r}")
    return value


def device(name: str, value: torch.device | str | int | None) -> torch.device:
    """Return the device that `value` names, PyTorch's default for None, or raise ValueError where it is not there."""
    try:
        return torch.empty(0, device=value).device
    except (RuntimeError, AssertionError, TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} must be a device that is there, such as 'cpu', got {value!r} ({reason})") from None


def _kind(value: object) -> str:
    """ "bool" or "complex" for such a number, NumPy's and torch's too; "" for any other."""
    if isinstance(value, bool | complex):
        return type(value).__name__
    dtype = str(getattr(value, "dtype", ""))
    return next((kind for kind in ("bool", "complex") if kind in dtype), "")


def whole(name: str, value: object, least: int = 0) -> int:
    """Return `value` as an int if it is a whole number (NumPy's too) of at least `least`.

    Raises TypeError for other types, True and False among them, ValueError for a smaller number and for one that
    no tensor can hold.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except (TypeError, RuntimeError):
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if _kind(value):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    if number >= 2**63:  # which neither torch nor NumPy can hold
        raise ValueError(f"{name} must be less than 2**63, got {number}")
    return number


def positive(name: str, value: object) -> int:
    """Return `value` as an int if it is a whole number of at least 1, else raise TypeError or ValueError."""
    return whole(name, value, least=1)


def number(name: str, value: object, above: float = -math.inf, least: float = -math.inf) -> float:
    """Return `value` as a float if it is a finite real number greater than `above` and of at least `least`.

    Raises TypeError for what is no single real number (text, True and False, complex numbers) and for a tensor
    that requires a gradient, which a float would lose; ValueError for NaN, inf and what is too small.
    """
    if isinstance(value, str | bytes | bytearray) or _kind(value):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(f"{name} must be a number without a gradient, got {value!r}; give {name}.detach()")
    try:
        x = float(cast(SupportsFloat, value))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not (math.isfinite(x) and x > above and x >= least):
        bounds = f" above {above:g}" if above > -math.inf else f" of at least {least:g}" if least > -math.inf else ""
        raise ValueError(f"{name} must be a finite number{bounds}, got {value}")
    return x


def choice(name: str, value: Word, choices: Sequence[str]) -> Word:
    """Return `value` if it is one of `choices`, else raise ValueError that lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False, NumPy's too, else raise TypeError: "no" is true, and so is [False]."""
    if _kind(value) != "bool" or getattr(value, "shape", ()) != ():
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
