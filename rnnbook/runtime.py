"""Where and how a chapter computes: the device, the seed, the number of threads, the figures."""

import random

import numpy as np
import torch

from rnnbook import _expect as expect
from rnnbook import figures


def device() -> torch.device:
    """The best device at hand: a CUDA GPU where there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_up(seed: int = 0) -> None:
    """Begin a chapter: the same random numbers, one thread, the book's figure style.

    At the sizes of this book one thread is faster than two, and `orthogonal_`
    differs in its last bits between one thread and several; so every chapter
    computes with one. Raises TypeError or ValueError for a seed that is not a whole number within 0..2**32 − 1.
    """
    seed = expect.whole("seed", seed)
    if seed >= 2**32:
        raise ValueError(f"seed must be within 0..2**32 - 1, which NumPy can hold, got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    figures.use_house_style()
