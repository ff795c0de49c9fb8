"""The training loop: its laws of clipping and truncation, exact resume, and what stops it."""

import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnnbook import _progress as progress
from rnnbook.training import tasks
from rnnbook.training.record import Interrupted, NotFiniteError, Record
from rnnbook.training.train import fit, one_cycle


class Reader(nn.Module):
    """A tanh RNN with a linear read-out, dropout in between; returns (o, state)."""

    def __init__(self, H: int = 8, dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.rnn = nn.RNN(1, H, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.V = nn.Linear(H, 1, dtype=dtype)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h, state = self.rnn(x, state)
        return self.V(self.dropout(h)), state


def reader(seed: int = 0, **settings) -> Reader:
    torch.manual_seed(seed)
    return Reader(**settings)


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(one: list[Tensor], two: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


sines = tasks.batches(tasks.next_sine, 16, 10)


def test_it_is_the_ordinary_loop() -> None:
    model, other = reader(), reader()
    record = fit(model, sines, tasks.mse, steps=20, lr=1e-2)
    adam, losses, norms = torch.optim.Adam(other.parameters(), lr=1e-2), [], []
    for step in range(20):
        x, y = sines(step)
        loss = tasks.mse(other(x)[0], y)
        adam.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append(math.sqrt(sum(float(p.grad.double().square().sum()) for p in other.parameters())))
        adam.step()
    assert record.losses == losses
    assert record.norms == pytest.approx(norms, rel=1e-12)
    assert same(weights(model), weights(other))
    assert (record.stopped, record.steps, record.evaluations) == ("steps", 20, [])


def test_it_learns_the_next_sine() -> None:
    model = reader(H=64)
    batch = tasks.batches(tasks.next_sine, 32, 10, seed=0)
    x, y = tasks.next_sine(1000, 10, first=1000)
    record = fit(model, batch, tasks.mse, steps=400, lr=3e-3, clip_norm=1.0, evaluate=lambda m: tasks.mse(m(x)[0], y))
    assert 0.0354 < record.evaluations[-1][1] < 0.045
    assert [steps for steps, _ in record.evaluations] == list(range(50, 401, 50))


# Clipping


class Line(nn.Module):
    """o = x · w, with the gradient of the sum of o equal to the sum of x."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


def moved(gradient: list[float], **clip: float) -> tuple[Tensor, Record]:
    """The clipped gradient, as the move of one SGD step with rate 1, and the record."""
    model, g = Line(len(gradient)), torch.tensor(gradient, dtype=torch.float64)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    record = fit(model, lambda _: (g, None), lambda o, _: o, steps=1, optimiser=sgd, **clip)
    return -model.w.detach(), record


@pytest.mark.parametrize("gradient", [[3.0, -4.0], [0.3, 0.4], [1e30, 1e-30], [0.0, 0.0], [1e150, 1e150]])
def test_clip_norm_bounds_the_norm_and_keeps_the_direction(gradient: list[float]) -> None:
    g = torch.tensor(gradient, dtype=torch.float64)
    clipped, record = moved(gradient, clip_norm=2.0)
    assert record.norms == pytest.approx([math.hypot(*gradient)])
    assert clipped.norm() <= 2.0 * (1 + 1e-12)
    assert clipped.norm() == pytest.approx(min(2.0, math.hypot(*gradient)))
    assert torch.allclose(clipped * record.norms[0], g * clipped.norm())


def test_clip_norm_takes_all_gradients_as_one_vector() -> None:
    model = reader()
    before = weights(model)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, sines, tasks.mse, steps=1, optimiser=sgd, clip_norm=1e-2)
    moves = torch.cat([(a - b).flatten() for a, b in zip(weights(model), before, strict=True)])
    assert moves.norm() == pytest.approx(1e-2, rel=1e-4)


def test_clip_value_clamps_each_entry() -> None:
    clipped, record = moved([3.0, -0.5, -7.0], clip_value=1.0)
    assert clipped.tolist() == [1.0, -0.5, -1.0]
    assert record.norms == pytest.approx([math.sqrt(9 + 0.25 + 49)])


def test_the_norm_of_large_single_precision_gradients_does_not_overflow() -> None:
    model = nn.Linear(1, 1, bias=False)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    data = torch.tensor([[1e30]])
    before = weights(model)[0]
    record = fit(model, lambda _: (data, None), lambda o, _: o.sum(), steps=1, optimiser=sgd, clip_norm=0.5)
    assert record.norms == pytest.approx([1e30])
    assert (before - weights(model)[0]).item() == pytest.approx(0.5, rel=1e-5)


def test_complex_parameters_are_trained_and_clipped() -> None:
    class Turn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.z = nn.Parameter(torch.tensor([3 + 4j]))

        def forward(self, x: Tensor) -> Tensor:
            return (self.z * self.z.conj()).real.sum() * x

    model = Turn()
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    record = fit(model, lambda _: (torch.ones(()), None), lambda o, _: o, steps=1, optimiser=sgd, clip_norm=5.0)
    assert record.norms == pytest.approx([10.0])
    assert model.z.item() == pytest.approx(0)


# Truncation


def one_step(truncate: int | None) -> tuple[list[Tensor], Record]:
    model = reader(dtype=torch.float64)
    batch = tasks.batches(tasks.next_sine, 4, 10, dtype=torch.float64)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    record = fit(model, batch, tasks.mse, steps=1, optimiser=sgd, truncate=truncate)
    return weights(model), record


@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_truncation_is_detaching_by_hand(k: int) -> None:
    truncated, record = one_step(k)
    model = reader(dtype=torch.float64)
    x, y = tasks.batches(tasks.next_sine, 4, 10, dtype=torch.float64)(0)
    outputs, state = [], None
    for t in range(10):
        if t % k == 0 and state is not None:
            state = state.detach()
        o, state = model(x[t : t + 1], state)
        outputs.append(o)
    loss = tasks.mse(torch.cat(outputs), y)
    loss.backward()
    for w, p in zip(truncated, model.parameters(), strict=True):
        assert torch.allclose(w, p.detach() - p.grad, rtol=0, atol=1e-14)
    assert record.losses == pytest.approx([loss.item()], rel=1e-13)
    full, _ = one_step(None)
    assert not torch.allclose(truncated[1], full[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("k", [10, 11])
def test_one_chunk_is_the_whole_gradient(k: int) -> None:
    (truncated, record), (full, whole) = one_step(k), one_step(None)
    assert same(truncated, full)
    assert record == whole


def test_truncation_carries_the_state_of_an_lstm() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(1, 1)
    with torch.no_grad():
        whole = tasks.mse(lstm(sines(0)[0])[0], sines(0)[1]).item()
    assert fit(lstm, sines, tasks.mse, steps=1, truncate=3).losses == pytest.approx([whole], rel=1e-6)


def test_truncation_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match=r"returns \(o, state\), got Tensor"):
        fit(Batchwise(), sines, tasks.mse, steps=1, truncate=3)
    answer_at_the_end = tasks.batches(tasks.adding, 4, 10)
    with pytest.raises(ValueError, match="x has 10 steps and y has 4"):
        fit(nn.RNN(2, 1), answer_at_the_end, tasks.mse, steps=1, truncate=3)


class Batchwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.V = nn.Linear(1, 1)

    def forward(self, x: Tensor, state: object = None) -> Tensor:
        return self.V(x)


# Early stop, evaluation, rates


def test_stop_at_a_bound_on_the_evaluation() -> None:
    values = iter([0.5, 0.2, 0.1, 0.05])
    record = fit(reader(), sines, tasks.mse, steps=100, every=7, evaluate=lambda _: next(values), stop=0.2)
    assert record.evaluations == [(7, 0.5), (14, 0.2), (21, 0.1)]
    assert (record.stopped, record.steps) == ("stop", 21)


def test_stop_by_a_function_of_the_record() -> None:
    record = fit(reader(), sines, tasks.mse, steps=100, every=10, stop=lambda record: record.steps > 25)
    assert (record.stopped, record.steps) == ("stop", 30)


def test_evaluation_is_in_eval_mode_without_gradients_and_leaves_the_training_alone() -> None:
    generator = torch.Generator().manual_seed(5)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        return tasks.next_sine(16, 10, N=1 + random.randint(5, 9) + np.random.randint(5), generator=generator)

    def evaluate(model: nn.Module) -> float:
        assert not model.training
        assert not torch.is_grad_enabled()
        random.random(), np.random.rand(), torch.rand(3), torch.rand(3, generator=generator)
        return 1.0

    records = []
    for evaluation in (None, evaluate):
        random.seed(0), np.random.seed(0), generator.manual_seed(5)
        model = reader(dropout=0.5)
        arguments = {"evaluate": evaluation, "every": 3, "generator": generator}
        records.append(fit(model, batch, tasks.mse, steps=10, **arguments))
    assert records[0].losses == records[1].losses
    assert [steps for steps, _ in records[1].evaluations] == [3, 6, 9, 10]


def test_modes_are_given_back() -> None:
    model = reader(dropout=0.5)
    model.eval()
    model.V.train()
    fit(model, sines, tasks.mse, steps=2)
    assert [model.training, model.dropout.training, model.V.training] == [False, False, True]


def test_one_cycle_is_that_of_pytorch() -> None:
    for steps, warm in ((100, 0.3), (37, 0.5), (10, 0.25)):
        sgd = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            sgd, max_lr=6e-3, total_steps=steps, pct_start=warm, cycle_momentum=False
        )
        expected = []
        for _ in range(steps):
            expected.append(sgd.param_groups[0]["lr"])
            sgd.step()
            schedule.step() if len(expected) < steps else None
        rate = one_cycle(6e-3, steps, warm=warm)
        assert [rate(step) for step in range(steps)] == pytest.approx(expected, rel=1e-9)
    assert one_cycle(2.0, 4, warm=0.25)(0) == 2.0


def test_the_rate_of_each_step_is_used() -> None:
    model = Line(1)
    sgd = torch.optim.SGD(model.parameters(), lr=9.0)
    one = torch.ones(1, dtype=torch.float64)
    fit(model, lambda _: (one, None), lambda o, _: o, steps=4, optimiser=sgd, lr=lambda step: 10.0**-step)
    assert model.w.item() == pytest.approx(-1.111)


# Exact resume


class KilledError(Exception):
    pass


def noisy(generator: torch.Generator, kill_at: int | None = None):
    """Data that use every source of random numbers; may raise in the middle of the training."""

    def batch(step: int) -> tuple[Tensor, Tensor]:
        if step == kill_at:
            raise KilledError
        x, y = tasks.next_sine(8, 10, generator=generator)
        return x + 0.1 * torch.randn_like(x), y + random.random() / 10 + np.random.randn() / 10

    return batch


OPTIMISERS = {
    "Adam": lambda model: None,
    "momentum": lambda model: torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9),
    "RMSprop": lambda model: torch.optim.RMSprop(model.parameters(), lr=1e-3),
}


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize("kill_at", [3, 20, 37])
def test_a_killed_training_resumes_bit_by_bit(tmp_path: Path, kind: str, kill_at: int) -> None:
    def begin(seed: int, kill_at: int | None, path: Path | None) -> tuple[list[Tensor], Record]:
        random.seed(seed), np.random.seed(seed)
        model, generator = reader(seed, dropout=0.3), torch.Generator().manual_seed(seed)
        record = fit(
            model,
            noisy(generator, kill_at),
            tasks.mse,
            steps=45,
            optimiser=OPTIMISERS[kind](model),
            lr=one_cycle(1e-2, 45),
            clip_norm=0.5,
            every=10,
            evaluate=lambda m: m(torch.ones(3, 2, 1))[0].mean(),
            checkpoint=path,
            generator=generator,
        )
        return weights(model), record

    path = tmp_path / "training.pt"
    uninterrupted, record = begin(0, None, None)
    with pytest.raises(KilledError):
        begin(0, kill_at, path)
    # Another seed: all that matters must come from the file.
    resumed, again = begin(1, None, path)
    assert again == record
    assert again.steps == 45
    assert same(resumed, uninterrupted)
    assert [file.name for file in tmp_path.iterdir()] == ["training.pt"]


def test_a_finished_training_comes_back_and_can_be_extended(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    first, whole = reader(), reader()
    done = fit(first, sines, tasks.mse, steps=25, every=10, checkpoint=path)
    other = reader(seed=7)
    assert fit(other, sines, tasks.mse, steps=25, every=10, checkpoint=path) == done
    assert same(weights(other), weights(first))
    extended = fit(other, sines, tasks.mse, steps=40, every=10, checkpoint=path)
    assert extended.losses == fit(whole, sines, tasks.mse, steps=40).losses
    assert same(weights(other), weights(whole))


def test_a_target_once_reached_is_not_trained_beyond(tmp_path: Path) -> None:
    arguments = {"steps": 50, "every": 5, "evaluate": lambda _: 0.1, "checkpoint": tmp_path / "training.pt"}
    record = fit(reader(), sines, tasks.mse, stop=0.2, **arguments)
    assert (record.stopped, record.steps) == ("stop", 5)
    assert fit(reader(), sines, tasks.mse, stop=0.2, **arguments) == record
    assert fit(reader(), sines, tasks.mse, stop=0.01, **arguments).stopped == "steps"


def test_an_interrupt_keeps_model_and_record_and_loses_at_most_one_interval(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    model, whole = reader(), reader()

    def batch(step: int) -> tuple[Tensor, Tensor]:
        if step == 17:
            raise KeyboardInterrupt
        return sines(step)

    with pytest.raises(Interrupted, match=r"interrupted after 17 steps; call fit again .*training\.pt") as info:
        fit(model, batch, tasks.mse, steps=30, every=5, checkpoint=path)
    record = info.value.record
    assert (record.stopped, record.steps) == ("interrupted", 17)
    fit(whole, sines, tasks.mse, steps=17)
    assert same(weights(model), weights(whole))

    asked = []
    fit(model, lambda step: asked.append(step) or sines(step), tasks.mse, steps=30, checkpoint=path)
    assert asked == list(range(15, 30))


def test_an_interrupt_within_the_update_leaves_no_half_of_it() -> None:
    class Half(torch.optim.SGD):
        def step(self, closure: object = None) -> None:
            with torch.no_grad():
                next(iter(self.param_groups[0]["params"])).add_(1)
            raise KeyboardInterrupt

    model = reader()
    before = weights(model)
    with pytest.raises(Interrupted):
        fit(model, sines, tasks.mse, steps=3, optimiser=Half(model.parameters(), lr=1.0))
    assert same(weights(model), before)


# What is not finite


def poisoned(at: int, value: float):
    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, y = sines(step)
        return x, y if step != at else torch.full_like(y, value)

    return batch


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("truncate", [None, 4])
def test_a_loss_that_is_not_finite_stops_the_training(value: float, truncate: int | None) -> None:
    model, whole = reader(), reader()
    with pytest.raises(NotFiniteError, match=rf"step 5: the loss is {value}; the parameters are as") as info:
        fit(model, poisoned(5, value), tasks.mse, steps=9, truncate=truncate)
    assert info.value.step == 5
    assert (info.value.record.stopped, info.value.record.steps) == ("not finite", 5)
    fit(whole, sines, tasks.mse, steps=5, truncate=truncate)
    assert same(weights(model), weights(whole))


def test_an_input_that_is_not_finite_is_named() -> None:
    x, y = sines(0)
    with pytest.raises(NotFiniteError, match="step 0: the loss is nan, for x is not finite"):
        fit(reader(), lambda _: (torch.full_like(x, math.nan), y), tasks.mse, steps=9)


class Root(nn.Module):
    """sqrt(|a|) + b: at a = 0 the loss is finite and the gradient is not."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.ones(3))
        self.a = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.a.sqrt().sum() + self.b.sum()


def test_a_gradient_that_is_not_finite_is_named() -> None:
    model = Root()
    before = weights(model)
    with pytest.raises(NotFiniteError, match="step 0: the gradient of a is not finite in 1 of 2 entries") as info:
        fit(model, lambda _: (None, None), lambda o, _: o, steps=9, clip_norm=1.0)
    assert "gradient of a " in info.value.where
    assert same(weights(model), before)


def test_an_update_that_is_not_finite_is_taken_back() -> None:
    model = nn.Linear(1, 1)
    before = weights(model)
    sgd = torch.optim.SGD(model.parameters(), lr=1e30)
    data = torch.full((1, 1), 1e20)
    with pytest.raises(NotFiniteError, match="step 0: the update of weight is not finite in 1 of 1 entries"):
        fit(model, lambda _: (data, None), lambda o, _: o.sum(), steps=9, optimiser=sgd)
    assert same(weights(model), before)


def test_a_norm_that_overflows_is_not_clipped_to_zero() -> None:
    with pytest.raises(NotFiniteError, match="the norm of the gradient overflows"):
        moved([1e200, 1e200], clip_norm=1.0)


# Progress and arguments


def test_the_bar_is_shown_to_who_watches(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("RNNBOOK_STRICT", raising=False)
    assert progress.watched()
    fit(reader(), sines, tasks.mse, steps=3)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "loss" in shown
    monkeypatch.setenv("RNNBOOK_STRICT", "1")
    assert not progress.watched()
    fit(reader(), sines, tasks.mse, steps=3)
    assert capsys.readouterr() == ("", "")
    fit(reader(), sines, tasks.mse, steps=3, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_a_script_is_silent() -> None:
    script = (
        "from rnnbook.training import tasks, train; from torch import nn;"
        "train.fit(nn.RNN(1, 1), tasks.batches(tasks.next_sine, 2, 3), tasks.mse, steps=2)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "RNNBOOK_STRICT"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_notebook_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        kernel = object()

    class IPython:
        get_ipython = staticmethod(Shell)

    monkeypatch.delenv("RNNBOOK_STRICT", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert progress.watched()
    monkeypatch.setattr(IPython, "get_ipython", staticmethod(lambda: None))
    assert not progress.watched()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number, got 2.5"),
        ({"every": 0}, ValueError, "every must be at least 1"),
        ({"truncate": 0}, ValueError, "truncate must be at least 1"),
        ({"clip_norm": 0.0}, ValueError, "clip_norm must be a finite number above 0, got 0.0"),
        ({"clip_value": math.nan}, ValueError, "clip_value must be a finite number above 0, got nan"),
        ({"clip_norm": 1.0, "clip_value": 1.0}, ValueError, "exclude each other"),
        ({"stop": 0.1}, ValueError, "needs evaluate"),
        ({"lr": -1.0}, ValueError, "lr must be at least 0, got -1.0 at step 0"),
        ({"loss": lambda o, y: (o - y) ** 2}, TypeError, r"one number, got shape \(10, 16, 1\)"),
        ({"loss": lambda o, y: 0.5}, TypeError, "one number, got float"),
        ({"loss": lambda o, y: o.detach().sum()}, TypeError, "detached from the model"),
        ({"optimiser": torch.optim.Adam(nn.Linear(1, 1).parameters())}, ValueError, "got 2 of something else"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        fit(**{"model": reader(), "batch": sines, "loss": tasks.mse, "steps": 3} | arguments)


def test_a_model_without_anything_to_train_is_refused() -> None:
    with pytest.raises(ValueError, match="must have parameters that require a gradient"):
        fit(reader().requires_grad_(False), sines, tasks.mse, steps=3)


def test_frozen_parameters_stay() -> None:
    model = reader()
    model.rnn.requires_grad_(False)
    before = weights(model.rnn)
    fit(model, sines, tasks.mse, steps=3)
    assert same(weights(model.rnn), before)


@pytest.mark.parametrize("rate", [np.float64(1e-3), lambda step: 1e-3 * np.cos(step / 10)])
def test_a_rate_of_numpy_resumes(tmp_path: Path, rate: object) -> None:
    path = tmp_path / "training.pt"
    for steps in (4, 6):
        torch.manual_seed(0)
        record = fit(reader(), sines, tasks.mse, steps=steps, every=2, checkpoint=path, lr=rate, progress=False)
        assert record.steps == steps
