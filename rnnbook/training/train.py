"""Training: one loop for every chapter, with clipping, truncation, early stop, record and exact resume.

Derived in the chapters bptt (the gradient) and craft (what goes wrong, and the remedies). The data come from
`rnnbook.training.tasks`; a model is any `nn.Module`.
"""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook._progress import bar as progress_bar
from rnnbook.training import checkpoint as checkpoints
from rnnbook.training import generators
from rnnbook.training.checkpoint import CheckpointError
from rnnbook.training.record import Interrupted, NotFiniteError, Record

Batch = Callable[[int], tuple[Any, Any]]
Loss = Callable[[Any, Any], Tensor]
Rate = float | Callable[[int], float]
Parameters = Mapping[str, Tensor]
Stop = float | Callable[[Record], bool]


def fit(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    *,
    steps: int,
    optimiser: torch.optim.Optimizer | None = None,
    lr: Rate | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    truncate: int | None = None,
    evaluate: Callable[[nn.Module], float | Tensor] | None = None,
    every: int = 50,
    stop: Stop | None = None,
    checkpoint: str | Path | None = None,
    generator: torch.Generator | None = None,
    progress: bool | None = None,
) -> Record:
    """Minimise loss(o, y), o = model(x), over (x, y) = batch(step), step = 0..steps−1.

    o is the first of the two where the model returns a pair (o, state).
    optimiser: Adam where none is given. lr: its rate, a number or a function of the step such as
    `one_cycle`; where none is given that of the optimiser, 1e-3 for Adam.
    clip_norm: g ← g · min(1, clip_norm / ‖g‖), all gradients as one vector. clip_value: each entry of g is
    clamped to ±clip_value. At most one of the two.
    truncate: backpropagation in chunks of so many steps. x and y: (T, B, …) are cut along time,
    o, state = model(x[chunk], state) begins with state = None and goes on with the detached state of the chunk
    before, and the step is taken with the sum of the chunks' gradients, each weighted by its share of T. For a
    loss that is a mean over time this is the gradient of the whole loss but for what would have passed
    between chunks; only one chunk is in memory at a time.

    After every `every` steps, and after the last: evaluate(model), without gradients, in eval mode, leaving
    the random numbers of the training as they are; then stop, a function of the record that says whether to
    end, or the value below which the evaluation must fall; then the checkpoint is written.
    checkpoint: a file, as in `rnnbook.training.checkpoint`. Where it exists the training goes on from it, and its
    losses are bit by bit those of a training that was never interrupted, if batch depends on nothing but the
    step and random numbers of Python, NumPy, PyTorch or `generator`. A finished training is returned as it is,
    or goes on where `steps` is larger now.
    progress: a progress bar; by default in a notebook or terminal, unless RNNBOOK_STRICT is set.

    Raises NotFiniteError, Interrupted and CheckpointError, each with the record so far; TypeError and ValueError
    that name the argument, what it was and what it should be.
    """
    steps, every = expect.positive("steps", steps), expect.positive("every", every)
    truncate = None if truncate is None else expect.positive("truncate", truncate)
    progress = None if progress is None else expect.flag("progress", progress)
    _check_kinds(model, batch, loss, optimiser, lr, evaluate, stop, generator)
    _check_clips(clip_norm, clip_value)
    if optimiser is None:
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    parameters = _trained(model, optimiser)
    path = _path(checkpoint)

    record = Record()
    if path is not None and path.exists():
        record = checkpoints.load(path, model, optimiser, generator)
    elif path is not None:
        checkpoints.save(path, model, optimiser, record, generator)
    record.stopped = _reason(record, steps, stop) if record.steps > 0 else "running"

    modes = [(module, module.training) for module in model.modules()]
    model.train()
    bar = progress_bar(steps, done=record.steps, shown=progress)
    try:
        while record.stopped == "running":
            step = record.steps
            _set_rate(optimiser, lr, step)
            value = _backward(model, batch, loss, step, truncate)
            norm = _clip(parameters, step, clip_norm, clip_value)
            _update(parameters, optimiser, step)
            record.norms.append(norm)
            record.losses.append(value)
            bar.set_postfix_str(f"loss {value:.4g}", refresh=False)
            bar.update()
            if record.steps % every == 0 or record.steps == steps:
                if evaluate is not None:
                    record.evaluations.append((record.steps, _evaluation(model, evaluate, generator)))
                record.stopped = _reason(record, steps, stop)
                if path is not None:
                    checkpoints.save(path, model, optimiser, record, generator)
    except CheckpointError as error:
        record.stopped, error.record = "not saved", record
        raise
    except NotFiniteError as error:
        record.stopped, error.record = "not finite", record
        raise
    except KeyboardInterrupt:
        record.stopped = "interrupted"
        raise Interrupted(record, path) from None
    finally:
        for module, mode in modes:
            module.training = mode
        bar.close()
    return record


def one_cycle(peak: float, steps: int, *, warm: float = 0.3) -> Callable[[int], float]:
    """The rate of each step: up from peak/25 to peak in the first `warm` of the steps, then down to peak/250000.

    Both ways are half a cosine. Source: Smith & Topin 2019, Super-convergence: very fast training of neural
    networks using large learning rates; the form is that of PyTorch's OneCycleLR.
    """
    peak, steps = expect.number("peak", peak, above=0), expect.positive("steps", steps)
    if not 0 < expect.number("warm", warm) < 1:
        raise ValueError(f"warm must be within 0 < warm < 1, got {warm}")
    top, last = warm * steps - 1, steps - 1

    def rate(step: int) -> float:
        if step < top:
            start, end, share = peak / 25, peak, step / top
        else:
            start, end, share = peak, peak / 250_000, min(1.0, (step - top) / (last - top))
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

    return rate


# What comes in


def _check_kinds(
    model: object,
    batch: object,
    loss: object,
    optimiser: object,
    lr: Rate | None,
    evaluate: object,
    stop: Stop | None,
    generator: object,
) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("model must have parameters that require a gradient, got none")
    for name, called in (("batch", batch), ("loss", loss), ("evaluate", evaluate)):
        if not (callable(called) or (called is None and name == "evaluate")):
            raise TypeError(f"{name} must be a function, got {type(called).__name__}")
    if not isinstance(optimiser, torch.optim.Optimizer | None):
        raise TypeError(f"optimiser must be a torch.optim.Optimizer, got {type(optimiser).__name__}")
    if not isinstance(generator, torch.Generator | None):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if lr is not None and not callable(lr):
        expect.number("lr", lr)
    if stop is not None and not callable(stop):
        expect.number("stop", stop)
        if evaluate is None:
            raise ValueError(f"stop={stop} is a bound on the evaluation and needs evaluate")


def _check_clips(clip_norm: float | None, clip_value: float | None) -> None:
    if clip_norm is not None and clip_value is not None:
        raise ValueError("clip_norm and clip_value exclude each other, got both")
    for name, size in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if size is not None and size != math.inf:  # inf clips nothing
            expect.number(name, size, above=0)


def _path(checkpoint: str | Path | None) -> Path | None:
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise TypeError(f"checkpoint must be a path, got {type(checkpoint).__name__}")
    return None if checkpoint is None else Path(checkpoint)


def _trained(model: nn.Module, optimiser: torch.optim.Optimizer) -> Parameters:
    """The parameters of the model that the optimiser changes, by name."""
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    own = {name: p for name, p in model.named_parameters() if id(p) in held}
    if len(own) < len(held):
        strangers = len(held) - len(own)
        raise ValueError(f"optimiser must hold parameters of the model alone, got {strangers} of something else")
    trained = {name: p for name, p in own.items() if p.requires_grad}
    if not trained:
        raise ValueError("optimiser must hold parameters that require a gradient, got none")
    return trained


# A step, and what comes between steps


def _reason(record: Record, steps: int, stop: Stop | None) -> str:
    """Why the training should end after the steps of the record, or "running"."""
    if callable(stop):
        reached = bool(stop(record))
    else:
        reached = stop is not None and bool(record.evaluations) and record.evaluations[-1][1] < stop
    if reached:
        return "stop"
    return "steps" if record.steps >= steps else "running"


def _set_rate(optimiser: torch.optim.Optimizer, lr: Rate | None, step: int) -> None:
    if lr is None:
        return
    rate = expect.number(f"lr at step {step}", lr(step) if callable(lr) else lr)
    if rate < 0:
        raise ValueError(f"lr must be at least 0, got {rate} at step {step}")
    for group in optimiser.param_groups:
        group["lr"] = rate


def _backward(model: nn.Module, batch: Batch, loss: Loss, step: int, truncate: int | None) -> float:
    """Leave the gradients of a step in the parameters and return its loss."""
    data = batch(step)
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise TypeError(f"batch must return a pair (x, y), got {type(data).__name__} at step {step}")
    x, y = data
    model.zero_grad()
    if truncate is None:
        # No name for the outputs: they would be held through the backward pass, which has no use for them.
        value = _finite_loss(loss(_outputs(model(x)), y), step, x)
        torch.autograd.backward(value)
        return value.item()
    if len(x) != len(y):
        raise ValueError(f"truncate cuts x and y along time, but x has {len(x)} steps and y has {len(y)}")
    total, state = 0.0, None
    for start in range(0, len(x), truncate):
        chunk = x[start : start + truncate]
        pair = model(chunk, state)
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise TypeError(f"truncate needs a model that returns (o, state), got {type(pair).__name__}")
        state = _detached(pair[1])
        value = _finite_loss(loss(pair[0], y[start : start + truncate]), step, x) * (len(chunk) / len(x))
        del pair  # which holds the outputs
        torch.autograd.backward(value)
        total += value.item()
    return total


def _outputs(o: Any) -> Any:
    """o of what a model returns, o or (o, state)."""
    return o[0] if isinstance(o, tuple) and len(o) == 2 else o


def _finite_loss(value: Tensor, step: int, x: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"loss must return a tensor that holds one number, got {got}")
    if not value.requires_grad:
        raise TypeError("loss must return a tensor with a gradient, got one that is detached from the model")
    if not torch.isfinite(value).all():
        cause = isinstance(x, Tensor) and not torch.isfinite(x).all()
        raise NotFiniteError(step, f"the loss is {value.item()}{', for x is not finite' if cause else ''}")
    return value


def _detached(state: Any) -> Any:
    if isinstance(state, tuple | list):
        return tuple(_detached(part) for part in state)
    return state.detach()


def _clip(parameters: Parameters, step: int, clip_norm: float | None, clip_value: float | None) -> float:
    """Clip the gradients in place and return their norm before that."""
    gradients = {name: _real(p.grad) for name, p in parameters.items() if p.grad is not None}
    # In float64, because the squares of large float32 numbers overflow.
    parts = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients.values()]
    norm = torch.linalg.vector_norm(torch.stack(parts)).item() if parts else 0.0
    if not math.isfinite(norm):
        _require_finite(gradients, step, "the gradient of {}")
        raise NotFiniteError(step, "the norm of the gradient overflows")
    for g in gradients.values():
        if clip_norm is not None and norm > clip_norm:
            g.mul_(clip_norm / norm)
        if clip_value is not None:
            g.clamp_(-clip_value, clip_value)
    return norm


def _real(g: Tensor) -> Tensor:
    return torch.view_as_real(g) if g.is_complex() else g


def _update(parameters: Parameters, optimiser: torch.optim.Optimizer, step: int) -> None:
    """Take the optimiser's step; where it fails or is interrupted, put the parameters back."""
    before = {name: p.detach().clone() for name, p in parameters.items()}
    try:
        optimiser.step()
        _require_finite(parameters, step, "the update of {}")
    except BaseException:
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(before[name])
        raise


def _require_finite(tensors: Parameters, step: int, what: str) -> None:
    if torch.stack([torch.isfinite(tensor).all() for tensor in tensors.values()]).all():
        return
    for name, tensor in tensors.items():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad > 0:
            raise NotFiniteError(step, f"{what.format(name)} is not finite in {bad} of {tensor.numel()} entries")


def _evaluation(
    model: nn.Module, evaluate: Callable[[nn.Module], float | Tensor], generator: torch.Generator | None
) -> float:
    states = generators.states(generator)
    model.eval()
    try:
        with torch.no_grad():
            value = evaluate(model)
    finally:
        model.train()
        generators.set_states(states, generator)
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise TypeError(f"evaluate must return one number, got {got}") from None
