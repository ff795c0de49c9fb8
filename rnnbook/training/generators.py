"""Where the sources of random numbers stand: read, tried and put back, all of them at once."""

import random
from typing import Any

import numpy as np
import torch

States = dict[str, Any]


def states(generator: torch.Generator | None = None) -> States:
    """Where Python, NumPy, PyTorch (CPU and CUDA) and `generator` stand, in tensors and plain Python values."""
    kind, keys, *position = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *position),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "generator": None if generator is None else generator.get_state(),
    }


def set_states(there: States, generator: torch.Generator | None = None) -> None:
    """Put every source back to where `states` found it; those of CUDA only where there are as many devices."""
    random.setstate(there["python"])
    np.random.set_state(_of_numpy(there))
    torch.set_rng_state(there["torch"])
    if len(there["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(there["cuda"])
    if generator is not None:
        generator.set_state(there["generator"])


def try_states(there: States, generator: torch.Generator | None = None) -> None:
    """Do as `set_states` does, with sources that nobody draws from; raises whatever a wrong state raises."""
    if there.keys() != states().keys():
        raise ValueError(f"the random numbers must be those of {', '.join(states())}, got {', '.join(there)}")
    if (there["generator"] is None) != (generator is None):
        raise ValueError(f"it was written {'with' if generator is None else 'without'} a generator")
    random.Random().setstate(there["python"])
    np.random.RandomState().set_state(_of_numpy(there))
    position = there["numpy"][2]
    if not 0 <= position <= 624:  # NumPy takes any, and reads beyond its keys
        raise ValueError(f"NumPy's random numbers must stand within 0..624, got {position}")
    torch.Generator().set_state(there["torch"])
    if len(there["cuda"]) == torch.cuda.device_count():
        for n, state in enumerate(there["cuda"]):
            torch.Generator(f"cuda:{n}").set_state(state)
    if generator is not None:
        torch.Generator(generator.device).set_state(there["generator"])


def _of_numpy(there: States) -> tuple[Any, ...]:
    kind, keys, *position = there["numpy"]
    return kind, keys.numpy().astype(np.uint32), *position
