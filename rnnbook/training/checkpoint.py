"""The file that a training resumes from: everything that decides what its next steps will be.

`rnnbook.training.train.fit(..., checkpoint=path)` writes and reads it. It holds tensors and plain Python values
only, so that reading one never runs code. (Gradient checkpointing, which saves memory, is `segment` in
`rnnbook.layers.recurrent`.)
"""

import os
import pickle
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FORMAT = "rnnbook training 1"
Contents = dict[str, Any]


def save(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    record: Contents,
    generator: torch.Generator | None = None,
) -> None:
    """Write the whole training to `path`, at once: whoever reads finds the old file or the new one.

    Raises FileNotFoundError where the folder of `path` does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"checkpoint must lie in a folder that exists, got {path}")
    contents = {
        "format": FORMAT,
        "model": model.state_dict(),
        "optimiser": _plain(optimiser.state_dict()),
        "optimiser kind": type(optimiser).__name__,
        "record": _plain(record),
        "random": random_states(generator),
    }
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(contents, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """The same with Python's own numbers in place of NumPy's, which could be written and not be read."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(part) for part in value)
    return value


def load(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator | None = None,
) -> Contents:
    """Set model, optimiser and random numbers to what `path` holds; return the record that was saved.

    Raises ValueError that says what does not fit, before anything is changed.
    """
    contents = _read(path)
    saved, own = _shapes(contents["model"]), _shapes(model.state_dict())
    if saved != own:
        odd = sorted(name for name in saved.keys() | own.keys() if saved.get(name) != own.get(name))
        raise ValueError(
            f"checkpoint {path} is of another model: {odd[0]} has shape {saved.get(odd[0])} there and "
            f"{own.get(odd[0])} here; give that model or another path"
        )
    if contents["optimiser kind"] != type(optimiser).__name__:
        raise ValueError(
            f"checkpoint {path} is of the optimiser {contents['optimiser kind']}, got "
            f"{type(optimiser).__name__}; give that optimiser or another path"
        )
    if (contents["random"]["generator"] is None) != (generator is None):
        raise ValueError(
            f"checkpoint {path} was written {'with' if generator is None else 'without'} a generator; "
            "call fit as it was called then, or give another path"
        )
    optimiser.load_state_dict(contents["optimiser"])
    model.load_state_dict(contents["model"])
    set_random_states(contents["random"], generator)
    record: Contents = contents["record"]
    return record


def random_states(generator: torch.Generator | None = None) -> Contents:
    """Where every source of random numbers stands: Python, NumPy, PyTorch (CPU and CUDA), `generator`."""
    kind, keys, *position = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *position),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "generator": None if generator is None else generator.get_state(),
    }


def set_random_states(states: Contents, generator: torch.Generator | None = None) -> None:
    """Put every source of random numbers back to where `random_states` found it."""
    kind, keys, *position = states["numpy"]
    random.setstate(states["python"])
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *position))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    if generator is not None:
        generator.set_state(states["generator"])


def _read(path: Path) -> Contents:
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"checkpoint {path} cannot be read ({type(error).__name__}); delete it or give another path"
        ) from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ValueError(f"checkpoint {path} was not written by rnnbook.training.train.fit; give another path")
    return contents


def _shapes(state: Contents) -> dict[str, tuple[int, ...]]:
    return {name: tuple(part.shape) for name, part in state.items() if isinstance(part, torch.Tensor)}
