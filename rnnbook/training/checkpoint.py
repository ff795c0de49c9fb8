"""The file that a training resumes from: everything that decides what its next steps will be.

`rnnbook.training.train.fit(..., checkpoint=path)` writes and reads it. Its first line names the format and the
SHA-256 of all that follows; then come tensors and plain Python values as `torch.save` writes them, so that reading
one never runs code. A file of the first edition lacks that line: it is read as well, guarded by the checksums that
a zip file has of its parts. (Gradient checkpointing, which saves memory, is `segment` in
`rnnbook.layers.recurrent`.)
"""

import copy
import hashlib
import io
import os
import secrets
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rnnbook.training import generators
from rnnbook.training.record import Record

FORMAT = b"rnnbook training 2 "
FIRST_FORMAT = "rnnbook training 1"
Contents = dict[str, Any]


class CheckpointError(ValueError):
    """A checkpoint cannot be written, cannot be read or does not fit; the message says its path and what to do.

    The file of before, the model, the optimiser and all random numbers are as they were. record: of the steps
    done, where `fit` could not write.
    """

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(f"checkpoint {path} {what}; {remedy}")
        self.path, self.record = path, Record()


def save(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    record: Record,
    generator: torch.Generator | None = None,
) -> None:
    """Write the whole training to `path`, at once: whoever reads finds the old file or the new one.

    A link stays, and the file that it points to is replaced. Raises CheckpointError where that cannot be done.
    """
    body = io.BytesIO()
    contents = {
        "model": model.state_dict(),
        "optimiser": _plain(optimiser.state_dict()),
        "optimiser kind": type(optimiser).__name__,
        "record": _plain(asdict(record)),
        "random": generators.states(generator),
    }
    torch.save(contents, body)
    try:
        _replace(path.resolve(), _head(body.getbuffer()), body.getbuffer())
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        remedy = "make room, or give a path in a folder that exists and that you may write to"
        raise CheckpointError(path, f"cannot be written ({error})", remedy) from error


def load(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator | None = None,
) -> Record:
    """Set model, optimiser and random numbers to what `path` holds; return the record that was saved.

    Raises CheckpointError that says what does not fit, before anything is changed.
    """
    contents = _read(path)
    try:
        record = _checked(contents, model, optimiser, generator)
    except Exception as error:
        what = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        remedy = "give the model, the optimiser and the generator that wrote it, or another path"
        raise CheckpointError(path, f"does not fit: {what}", remedy) from error
    optimiser.load_state_dict(contents["optimiser"])
    model.load_state_dict(contents["model"])
    generators.set_states(contents["random"], generator)
    return record


def _plain(value: Any) -> Any:
    """The same with Python's own numbers in place of NumPy's, which could be written and not be read."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(part) for part in value)
    return value


def _head(body: memoryview) -> bytes:
    return FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n"


def _replace(target: Path, *parts: bytes | memoryview) -> None:
    """Write a file beside the target and give it the target's name, once all of it is on the disk."""
    beside = target.with_name(f".rnnbook-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path) -> Any:
    """The contents of a file whose checksum is right."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error})", "give another path") from error
    first_edition = raw.startswith(b"PK")  # as every zip file does
    if not (first_edition or raw.startswith(FORMAT)):
        what = "is empty" if not raw else "was not written by rnnbook.training.train.fit, or its beginning is damaged"
        raise CheckpointError(path, what, "delete it or give another path")
    body = raw if first_edition else raw[raw.find(b"\n") + 1 :]
    if not first_edition and not raw.startswith(_head(memoryview(body))):
        what = "is damaged, for its checksum is another"
        raise CheckpointError(path, what, "delete it or bring back a copy of it")
    try:
        if first_edition and (bad := zipfile.ZipFile(io.BytesIO(raw)).testzip()) is not None:
            raise zipfile.BadZipFile(f"{bad} is damaged")
        contents = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        if first_edition and contents.pop("format") != FIRST_FORMAT:
            raise ValueError("of another format")
    except Exception as error:
        what = f"cannot be read ({type(error).__name__})"
        raise CheckpointError(path, what, "delete it or give another path") from error
    return contents


def _checked(
    contents: Any, model: nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator | None
) -> Record:
    """The record of contents that fit; whatever is raised says what does not."""
    parts = ("model", "optimiser", "optimiser kind", "record", "random")
    if not isinstance(contents, dict) or contents.keys() != set(parts):
        raise ValueError(f"it must hold {', '.join(parts)}, got {', '.join(map(str, contents))}")
    if contents["optimiser kind"] != type(optimiser).__name__:
        raise ValueError(f"it is of the optimiser {contents['optimiser kind']}, got {type(optimiser).__name__}")
    _same_form("of another model, ", contents["model"], model.state_dict())
    held = {id(p) for group in optimiser.param_groups for p in group["params"] if p.requires_grad}
    for name, p in model.named_parameters(remove_duplicate=False):
        if id(p) in held and not bool(contents["model"][name].isfinite().all()):
            raise ValueError(f"the numbers of {name} must be finite")
    _check_optimiser(contents["optimiser"], optimiser)
    generators.try_states(contents["random"], generator)
    return Record.of(contents["record"])


def _same_form(what: str, saved: dict[Any, Any], own: dict[Any, Any]) -> None:
    """Raise ValueError unless both have the same names, and under each a tensor of the same shape and dtype."""
    for name in sorted(saved.keys() | own.keys(), key=str):
        there, here = (_form(values[name]) if name in values else "missing" for values in (saved, own))
        if there != here:
            raise ValueError(f"{what}{name} is {there} there and {here} here")


def _form(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__


def _check_optimiser(saved: dict[str, Any], optimiser: torch.optim.Optimizer) -> None:
    own = optimiser.state_dict()
    _same_form("its optimiser: ", saved, own)
    groups = own["param_groups"]
    if len(saved["param_groups"]) != len(groups):
        raise ValueError(f"its optimiser has {len(saved['param_groups'])} groups of parameters, got {len(groups)}")
    for there, here in zip(saved["param_groups"], groups, strict=True):
        if there.keys() != here.keys() or there["params"] != here["params"]:
            raise ValueError("its optimiser has other groups of parameters or other settings")
        for name in there.keys() - {"params"}:
            if not _alike(there[name], here[name]):
                raise ValueError(f"its optimiser has {name} = {there[name]!r}, got {here[name]!r}")
    strangers = saved["state"].keys() - {index for group in groups for index in group["params"]}
    if strangers:
        raise ValueError(f"its optimiser has a state of parameters that are not there, {sorted(strangers, key=str)}")
    for index, state in saved["state"].items():
        for name, part in state.items():
            # inf may be: the square of a large gradient.
            if isinstance(part, Tensor) and bool(part.isnan().any()):
                raise ValueError(f"its optimiser has NaN in {name} of parameter {index}")
    # Of another class than PyTorch's, a copy may lack what a step needs.
    if type(optimiser).__module__.startswith("torch.optim"):
        fresh = _state_after_a_step(optimiser, saved["param_groups"])
        for index, state in saved["state"].items():
            _same_form(f"its optimiser, parameter {index}: ", state, fresh[index])


def _alike(there: object, here: object) -> bool:
    """Whether one setting of an optimiser can stand for another: a number for a number, a pair for a pair."""
    if isinstance(here, tuple | list):
        return isinstance(there, tuple | list) and len(there) == len(here) and all(map(_alike, there, here))
    if here is None or isinstance(here, bool):
        return there is None or isinstance(there, bool)
    if isinstance(here, int | float | Tensor):
        number = isinstance(there, int | float | Tensor) and not isinstance(there, bool)
        return number and torch.as_tensor(there).numel() == 1 and bool(torch.as_tensor(there).isfinite())
    return type(there) is type(here)


def _state_after_a_step(optimiser: torch.optim.Optimizer, groups: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The state that a copy of the optimiser, with these settings, makes of nothing in a step without a gradient."""
    trial = copy.deepcopy(optimiser)
    trial.load_state_dict({"state": {}, "param_groups": copy.deepcopy(groups)})
    for group in trial.param_groups:
        for p in group["params"]:
            p.grad = torch.zeros_like(p)
    trial.step()
    state: dict[int, dict[str, Any]] = trial.state_dict()["state"]
    return state
