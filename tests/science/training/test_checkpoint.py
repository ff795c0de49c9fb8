"""The file of a training: whole or not at all, checked before anything is changed, and never in a reader's way."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnnbook.training import checkpoint, generators, tasks
from rnnbook.training.checkpoint import CheckpointError
from rnnbook.training.record import Record
from rnnbook.training.train import fit

sines = tasks.batches(tasks.next_sine, 16, 10)


class Net(nn.Module):
    """A tanh RNN with a linear read-out."""

    def __init__(self, H: int = 8) -> None:
        super().__init__()
        self.rnn, self.V = nn.RNN(1, H), nn.Linear(H, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.V(self.rnn(x)[0])


def net(seed: int = 0, H: int = 8) -> Net:
    torch.manual_seed(seed)
    return Net(H)


def trained(path: Path, steps: int = 3) -> Net:
    model = net()
    fit(model, sines, tasks.mse, steps=steps, checkpoint=path)
    return model


def everything(model: nn.Module, optimiser: torch.optim.Optimizer) -> bytes:
    """All that a file could change: weights, the optimiser's state, the random numbers."""
    states = io.BytesIO()
    torch.save((model.state_dict(), optimiser.state_dict(), generators.states()), states)
    return states.getvalue()


def refused(path: Path, message: str | None = None, model: nn.Module | None = None, **arguments: object) -> None:
    """The file is refused with its path, what is wrong and what to do, and nothing at all is changed."""
    model = net(seed=1) if model is None else model
    optimiser = arguments.pop("optimiser", None) or torch.optim.Adam(model.parameters(), lr=1e-3)
    before = everything(model, optimiser)
    with pytest.raises(CheckpointError, match=message) as info:
        fit(model, sines, tasks.mse, steps=9, checkpoint=path, optimiser=optimiser, **arguments)
    assert str(info.value).startswith(f"checkpoint {path} ")
    assert "; " in str(info.value)
    assert everything(model, optimiser) == before


def written(path: Path, change: object = None) -> None:
    """A file as `save` writes it, checksum included, of contents that were changed by hand."""
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\n") + 1 :])
    contents = torch.load(path, weights_only=True)
    contents = change(contents) or contents
    torch.save(contents, path)
    body = path.read_bytes()
    path.write_bytes(checkpoint._head(memoryview(body)) + body)


# Damage


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    whole = path.read_bytes()
    for n in range(64):
        path.write_bytes(whole[: n * len(whole) // 64])
        refused(path)


def test_a_file_with_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    whole = path.read_bytes()
    for n in range(64):
        damaged = bytearray(whole)
        damaged[n * (len(whole) - 1) // 63] ^= 1 << n % 8
        path.write_bytes(damaged)
        refused(path, "damaged")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    for raw, message in ((b"", "is empty"), (b"not a checkpoint", "was not written by"), (b"PK", "cannot be read")):
        path.write_bytes(raw)
        refused(path, message)
    torch.save({"something": "else"}, path)
    refused(path, "cannot be read")
    path.unlink()
    path.mkdir()
    refused(path, "cannot be read")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "training.pt"
    trained(path)
    written(path, lambda contents: {**contents, "model": Trap()})
    refused(path, "cannot be read")
    torch.save({"format": checkpoint.FIRST_FORMAT, "model": Trap()}, path)
    refused(path, "cannot be read")
    assert not (tmp_path / "sprung").exists()


# Wrong contents in a file that is whole


def nested(*keys: object, value: object):
    """A change of one place in the contents: `value`, or what it makes of what stands there."""

    def change(contents: dict) -> None:
        *way, last = keys
        for key in way:
            contents = contents[key]
        contents[last] = value(contents[last]) if callable(value) else value

    return change


WRONG = {
    "no dictionary": (lambda contents: [1, 2], "it must hold"),
    "a part is missing": (lambda contents: contents.pop("random") and None, "it must hold"),
    "a part too many": (nested("more", value=1), "it must hold"),
    "int64 weights": (nested("model", "V.weight", value=Tensor.long), r"V.weight is int64 \(1, 8\) there and float32"),
    "float64 weights": (nested("model", "V.weight", value=Tensor.double), "V.weight is float64"),
    "NaN weights": (nested("model", "V.weight", value=lambda w: w * torch.nan), "V.weight must be finite"),
    "weights of another shape": (nested("model", "V.weight", value=torch.ones(1, 9)), r"float32 \(1, 9\) there"),
    "no weights": (lambda contents: contents["model"].pop("V.bias") and None, "V.bias is missing there"),
    "weights too many": (nested("model", "U", value=torch.ones(2)), "missing here"),
    "a weight without a name": (nested("model", 3, value=torch.ones(2)), "missing here"),
    "weights that are a list": (nested("model", "V.bias", value=[1.0]), "V.bias is list there"),
    "moments of another shape": (
        nested("optimiser", "state", 0, "exp_avg", value=torch.zeros(1)),
        r"parameter 0: exp_avg is float32 \(1,\) there and float32 \(8, 1\) here",
    ),
    "moments of another dtype": (nested("optimiser", "state", 0, "exp_avg", value=Tensor.double), "exp_avg is float64"),
    "NaN moments": (nested("optimiser", "state", 0, "exp_avg", value=lambda m: m * torch.nan), "NaN in exp_avg"),
    "no moments": (nested("optimiser", "state", 0, value={}), "exp_avg is missing there"),
    "moments of nothing": (nested("optimiser", "state", 99, value={}), r"not there, \[99\]"),
    "no state of the optimiser": (nested("optimiser", value={}), "param_groups is missing there"),
    "no groups": (nested("optimiser", "param_groups", value=[]), "has 0 groups"),
    "a group without settings": (nested("optimiser", "param_groups", 0, value={"params": [0]}), "other groups"),
    "a rate that is a word": (nested("optimiser", "param_groups", 0, "lr", value="fast"), "lr = 'fast', got 0.001"),
    "a rate that is NaN": (nested("optimiser", "param_groups", 0, "lr", value=float("nan")), "lr = nan"),
    "one beta": (nested("optimiser", "param_groups", 0, "betas", value=(0.9,)), "betas"),
    "no record": (nested("record", value=None), "record must have"),
    "a record with other names": (nested("record", value={"losses": []}), "record must have"),
    "losses that are words": (nested("record", "losses", value=["low"] * 3), "losses must be a list of finite"),
    "a loss too many": (nested("record", "losses", value=lambda losses: [*losses, 1.0]), "as many norms as losses"),
    "an evaluation of the future": (nested("record", "evaluations", value=[(99, 1.0)]), "within 3 steps"),
    "an unknown end": (nested("record", "stopped", value="bored"), "'bored'"),
    "random numbers of nobody": (nested("random", value={}), "random numbers must be"),
    "another generator's state": (nested("random", "torch", value=torch.zeros(7, dtype=torch.uint8)), "RuntimeError"),
    "Python's state": (nested("random", "python", value=(3, (1, 2), None)), "ValueError|state"),
    "NumPy's position": (
        nested("random", "numpy", value=lambda state: (*state[:2], 10**6, *state[3:])),
        "within 0..624",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_contents_are_refused_before_anything_is_changed(tmp_path: Path, name: str) -> None:
    change, message = WRONG[name]
    path = tmp_path / "training.pt"
    trained(path)
    written(path, lambda contents: None)
    checkpoint.load(path, other := net(seed=2), torch.optim.Adam(other.parameters()))  # the way of writing is right
    written(path, change)
    refused(path, message)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    refused(path, r"V.weight is float32 \(1, 8\) there and float32 \(1, 9\) here", net(H=9))
    refused(path, "of another model", nn.Linear(1, 1))
    refused(path, "is float32 .* there and float64", net().double())
    model = net()
    refused(path, "of the optimiser Adam, got SGD", model, optimiser=torch.optim.SGD(model.parameters(), lr=1.0))
    half = torch.optim.Adam(model.V.parameters())
    refused(path, "other groups of parameters", model, optimiser=half)
    refused(path, "written without a generator", generator=torch.Generator())


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=1e-2),
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
        lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-3), amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=1e-3, foreach=True),
        lambda p: torch.optim.RMSprop(p, centered=True),
        lambda p: torch.optim.Adafactor(p),
        lambda p: torch.optim.NAdam(p),
        lambda p: torch.optim.Rprop(p),
        lambda p: torch.optim.Adagrad(p),
        lambda p: torch.optim.ASGD(p),
    ],
)
def test_what_every_optimiser_writes_is_read(tmp_path: Path, make) -> None:
    path = tmp_path / "training.pt"
    for steps in (0, 3):
        model = net()
        optimiser = make([{"params": model.rnn.parameters()}, {"params": model.V.parameters(), "lr": 1e-4}])
        if steps > 0:
            fit(model, sines, tasks.mse, steps=steps, optimiser=optimiser)
        checkpoint.save(path, model, optimiser, Record())
        other = net(seed=1)
        again = make([{"params": other.rnn.parameters()}, {"params": other.V.parameters()}])
        assert checkpoint.load(path, other, again) == Record()
        assert repr(again.state_dict()) == repr(optimiser.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_an_optimiser_of_ones_own_with_a_memory_of_its_own_resumes(tmp_path: Path) -> None:
    class Counting(torch.optim.SGD):
        def __init__(self, parameters: object) -> None:
            super().__init__(parameters, lr=1e-2)
            self.count = 0

        def step(self, closure: object = None) -> None:
            self.count += 1
            super().step()

    path = tmp_path / "training.pt"
    for steps in (3, 5):
        model = net()
        record = fit(model, sines, tasks.mse, steps=steps, optimiser=Counting(model.parameters()), checkpoint=path)
        assert record.steps == steps


def test_a_file_of_the_first_edition_is_read(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    model = trained(path)
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\n") + 1 :])
    contents = torch.load(path, weights_only=True)
    torch.save({"format": "rnnbook training 1", **contents}, path)
    other = net(seed=1)
    record = fit(other, sines, tasks.mse, steps=3, checkpoint=path)
    assert (record.steps, record.stopped) == (3, "steps")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    weights = contents["model"]["rnn.weight_hh_l0"].numpy().tobytes()
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(weights) + 2] ^= 1
    path.write_bytes(damaged)
    refused(path, "cannot be read")
    torch.save({"format": "rnnbook training 0", **contents}, path)
    refused(path, "cannot be read")


def test_an_infinite_mask_is_read(tmp_path: Path) -> None:
    def masked() -> nn.Module:
        model = net()
        model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        return model

    path = tmp_path / "training.pt"
    fit(masked(), sines, tasks.mse, steps=3, checkpoint=path)
    assert fit(masked(), sines, tasks.mse, steps=3, checkpoint=path).steps == 3


def test_numbers_of_numpy_are_read(tmp_path: Path) -> None:
    model, path = nn.Linear(2, 1), tmp_path / "training.pt"
    optimiser = torch.optim.Adam(model.parameters(), lr=np.float64(1e-3), betas=(np.float64(0.9), 0.99))
    checkpoint.save(path, model, optimiser, Record([np.float64(0.5)], [np.float64(1)]))
    assert checkpoint.load(path, model, optimiser) == Record([0.5], [1.0])
    assert optimiser.param_groups[0]["betas"] == (0.9, 0.99)


# Writing


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    old = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    model, whole = net(), net()
    with pytest.raises(CheckpointError, match=r"cannot be written .*No space left on device.*; make room") as info:
        fit(model, sines, tasks.mse, steps=6, checkpoint=path)
    assert str(path) in str(info.value)
    # What was learned is not lost.
    assert (info.value.record.steps, info.value.record.stopped) == (6, "not saved")
    fit(whole, sines, tasks.mse, steps=6)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole.parameters(), strict=True))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_may_not_grow_is_refused_by_the_system_and_by_us(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    resource = pytest.importorskip("resource")  # not on Windows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot be written"):
            trained(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "file.pt", tmp_path / "training.pt"
    link.symlink_to(target)
    for steps in (3, 6):
        trained(link, steps)
        assert link.is_symlink()
        assert not target.is_symlink()
        assert list((tmp_path / "disk").iterdir()) == [target]
    assert fit(net(), sines, tasks.mse, steps=6, checkpoint=target).steps == 6


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    path.symlink_to(path)
    model = net()
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoint.save(path, model, torch.optim.Adam(model.parameters()), Record())
    assert path.is_symlink()


def test_who_may_read_the_file_may_read_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    path.chmod(0o640)
    trained(path, steps=6)
    assert path.stat().st_mode & 0o777 == 0o640


def test_who_reads_while_a_checkpoint_is_written_reads_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    trained(path)
    old = path.read_bytes()
    with path.open("rb") as file:
        trained(path, steps=6)
        assert file.read() == old
    assert path.read_bytes() != old


def test_a_checkpoint_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be written .*; make room, or give a path in a folder"):
        trained(tmp_path / "missing" / "training.pt")
