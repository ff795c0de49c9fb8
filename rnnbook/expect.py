"""Checks at the door: a tensor of the wrong kind or size is named, with what it was and what it should be.

Every layer of `rnnbook` calls `tensor` once per input, so that a mistake is answered in the book's letters.
"""

from collections.abc import Sequence
from typing import TypeVar

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


def positive(name: str, value: object) -> int:
    """Return `value` if it is a whole number of at least 1, else raise TypeError or ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def choice(name: str, value: Word, choices: Sequence[str]) -> Word:
    """Return `value` if it is one of `choices`, else raise ValueError that lists them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value
