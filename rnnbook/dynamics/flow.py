"""How gradients flow through time: their norms step by step, the Jacobians behind them, bounds and exponents.

Derived in the chapter flow. A model is a `Recurrent`, a cell, or any function step(x_t, state) → (h_t,
state); for an LSTM the state is one vector (h, c) of n = 2H coordinates. What one matrix does to its own
powers is in `rnnbook.dynamics.nonnormal`, the reading of a training run in `rnnbook.training.diagnosis`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.layers.cells import State
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
Model = Recurrent | Step
Loss = Callable[[Tensor], Tensor]


def gradients(model: Model, x: Tensor, loss: Loss, state: State | None = None) -> Tensor:
    """dL/dstate_t for t = 0..T: (T+1, B, n), with L = loss(h) a function of the states h: (T, B, H).

    dL/dstate_t = ∂L/∂state_t + J_{t+1}' dL/dstate_{t+1}: the direct share and all that comes back through
    the later steps. The parts of a state count as independent, so for an LSTM [..., :H] is dL/dh_t and
    [..., H:] is dL/dc_t without the way through h_t.
    x: (T, B, I); loss returns one number, and whatever follows the layer, such as a read-out, belongs in
    it; state: that to begin with, by default the cell's own. Parameters, x and state receive no gradient.
    Raises TypeError or ValueError for a model, a state or a loss of another form.
    """
    step, start = _begin(model, x, state)
    if len(x) == 0:
        raise ValueError("x must have at least one step, got T=0")
    with torch.enable_grad():
        states = [tuple(part.clone().requires_grad_() for part in start)]
        for x_t in x.detach():
            new = _advance(step, x_t, states[-1])
            # Views of their own: what h_t owes to c_t inside of the step is not to be counted at c_t.
            states.append(tuple(part.view_as(part) for part in new))
        value = loss(torch.stack([parts[0] for parts in states[1:]]))
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"loss must return a tensor that holds one number, got {got}")
    if not value.requires_grad:
        raise TypeError("loss must return a tensor with a gradient, got one that does not depend on the states")
    flat = [part for parts in states for part in parts]
    d = torch.autograd.grad(value, flat, allow_unused=True, materialize_grads=True)
    return torch.stack([torch.cat(d[k : k + len(start)], 1) for k in range(0, len(d), len(start))])


def gradient_norms(model: Model, x: Tensor, loss: Loss, state: State | None = None) -> Tensor:
    """‖dL/dstate_t‖ for t = 0..T and each sequence: (T+1, B). Arguments and errors are those of `gradients`.

    Source: Bengio, Simard & Frasconi 1994, Learning long-term dependencies with gradient descent is difficult.
    """
    norms: Tensor = torch.linalg.vector_norm(gradients(model, x, loss, state), dim=2)
    return norms


def each_jacobian(model: Model, x: Tensor, state: State | None = None) -> Iterator[Tensor]:
    """One after the other J_t = ∂state_t/∂state_{t−1}, t = 1..T, each (B, n, n), exact; memory for one only.

    For h_t = φ(a_t), a_t = W_h h_{t−1} + W_x x_t + b this is diag(φ'(a_t)) W_h. The sequences of a batch must
    not act on one another. x: (T, B, I); state and errors as in `gradients`.
    """
    step, start = _begin(model, x, state)
    return _walk(step, x.detach(), start)


def jacobians(model: Model, x: Tensor, state: State | None = None) -> Tensor:
    """All J_t, t = 1..T, at once: (T, B, n, n); `each_jacobian` in one tensor."""
    n = sum(part.shape[1] for part in _begin(model, x, state)[1])
    found = list(each_jacobian(model, x, state))
    return torch.stack(found) if found else x.new_zeros(0, x.shape[1], n, n)


def products(J: Tensor) -> Tensor:
    """dstate_T/dstate_t = J_T J_{T−1} … J_{t+1} for t = 0..T: (T+1, B, n, n), the last of them I.

    J: (T, B, n, n), J_t at J[t−1]. The later step stands on the left; the order matters.
    """
    _check_jacobians(J)
    one = torch.eye(J.shape[-1], dtype=J.dtype, device=J.device).expand(J.shape[1:])
    found = [one]
    for J_t in J.flip(0):
        found.append(found[-1] @ J_t)
    return torch.stack(found[::-1])


def bounds(J: Tensor) -> tuple[Tensor, Tensor]:
    """(Π σ_min(J_s), Π σ_max(J_s)) over s = t+1..T, for t = 0..T: each (T+1, B).

    Every vector v has lower ‖v‖ ≤ ‖J_T … J_{t+1} v‖ ≤ upper ‖v‖. What the bounds miss is that the directions
    which one step stretches most need not be those which the next one stretches: for normal J_t that share
    their eigenvectors, and for n = 1, they are exact; else they can be wrong by any factor.
    Source: Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.
    """
    _check_jacobians(J)
    sigma = torch.linalg.svdvals(J)
    least, most = (
        torch.cat((s.new_ones(1, s.shape[1]), s.flip(0))).cumprod(0).flip(0) for s in (sigma[..., -1], sigma[..., 0])
    )
    return least, most


def norm_bound(W_h: Tensor, n: int, slope: float = 1.0) -> float:
    """(γ σ_max(W_h))^n, which no product of n Jacobians diag(φ') W_h exceeds in norm, with γ = `slope` ≥ |φ'|.

    γ is 1 for tanh, relu and identity, 1/4 for the logistic function. With the spectral radius in the place of
    σ_max this would be neither a bound nor a rate: W_h = [[1.5, −1.5], [1.5, −1.5]] has W_h² = 0, and at the
    fixed point h = (0, 1) of the tanh network with b = (1.5, 21.5) the product of 20 Jacobians has norm 4702.6.
    """
    expect.square("W_h", W_h, "H")
    n, slope = expect.positive("n", n), expect.number("slope", slope)
    if slope < 0:
        raise ValueError(f"slope must be at least 0, got {slope}")
    return float((slope * torch.linalg.matrix_norm(W_h.detach().double(), 2)) ** n)  # ∞ rather than an overflow


def lyapunov(J: Iterable[Tensor], *, burn_in: int = 0, count: int | None = None) -> Tensor:
    """The largest `count` Lyapunov exponents of a sequence of Jacobians, per step, largest first: (B, count).

    λ_i = lim 1/T Σ_t log |R_t,ii|, Q_t R_t = J_t Q_{t−1}, Q_0 = I, with the diagonal of R_t positive.
    J: (T, B, n, n), or J_t: (B, n, n) one by one as from `each_jacobian`. burn_in: the first steps, which
    turn Q and are not counted. count: n where none is given; then Σ λ_i is the mean of log |det J_t|. Small
    perturbations grow or shrink as e^{λ_1 t}: λ_1 > 0 is chaos, and gradients explode; λ_1 < 0, they vanish.
    A direction that is lost altogether has λ = −∞. The estimate errs by O(1/T) where J is constant and by
    O(1/√T) along a chaotic trajectory. Raises ValueError for fewer than burn_in + 1 steps.
    Source: Benettin, Galgani, Giorgilli & Strelcyn 1980, Lyapunov characteristic exponents for smooth dynamical
    systems and for Hamiltonian systems; a method for computing all of them. Part 2: numerical application.
    """
    burn_in = expect.whole("burn_in", burn_in)
    if not isinstance(J, Iterable):
        raise TypeError(f"J must be a tensor or one matrix after the other, got {type(J).__name__}")
    Q: Tensor | None = None
    total, steps = torch.zeros(()), 0
    for steps, J_t in enumerate(J, start=1):
        if Q is None:
            Q = _frame(J_t, count)
            total = torch.zeros_like(Q[:, 0])
        B, n = Q.shape[:2]
        expect.finite(f"J_{steps}", expect.tensor(f"J_{steps}", J_t, [("B", B), ("n", n), ("n", n)], like=Q))
        Q, R = torch.linalg.qr(J_t @ Q)
        diagonal = R.diagonal(dim1=-2, dim2=-1)
        Q = Q * torch.where(diagonal < 0, -1.0, 1.0)[:, None, :]
        if steps > burn_in:
            total = total + diagonal.abs().log()
    if steps <= burn_in:
        raise ValueError(f"J must have more than burn_in={burn_in} steps, got {steps}")
    return (total / (steps - burn_in)).sort(dim=1, descending=True).values


def _frame(J_t: Tensor, count: int | None) -> Tensor:
    """The first `count` unit vectors for each sequence: (B, n, count)."""
    expect.real("J_1", expect.tensor("J_1", J_t, [("B", None), ("n", None), ("n", None)], like=J_t))
    B, n = J_t.shape[:2]
    if count is not None and expect.positive("count", count) > n:
        raise ValueError(f"count must be within 1..n={n}, got {count}")
    return torch.eye(n, count or n, dtype=J_t.dtype, device=J_t.device).repeat(B, 1, 1)


def _check_jacobians(J: Tensor) -> None:
    expect.tensor("J", J, [("T", None), ("B", None), ("n", None), ("n", None)], like=J)
    T, B, n, _ = J.shape
    expect.tensor("J", J, [("T", T), ("B", B), ("n", n), ("n", n)], like=J)
    expect.finite("J", expect.real("J", J))


def _begin(model: Model, x: Tensor, state: State | None) -> tuple[Step, tuple[Tensor, ...]]:
    """The step function of a model and the parts of the state that it begins with."""
    if isinstance(model, Stacked | Bidirectional):
        raise TypeError(f"model must be one layer, got {type(model).__name__}; give one of its layers")
    step: Any = model.cell if isinstance(model, Recurrent) else model
    if not callable(step):
        raise TypeError(f"model must be a Recurrent, a cell or a step function, got {type(model).__name__}")
    expect.finite("x", expect.real("x", expect.tensor("x", x, [("T", None), ("B", None), ("I", None)], like=x)))
    own = isinstance(step, nn.Module) and hasattr(step, "initial_state")
    if state is None and not own:
        raise ValueError("state must be given: a step function has none of its own to begin with")
    like: Any = step.initial_state(x.shape[1]) if own else state
    start: Any = like if state is None else state
    if isinstance(like, tuple) and not (isinstance(start, tuple) and len(start) == len(like)):
        raise TypeError(f"state must be a tuple of {len(like)} tensors, got {type(start).__name__}")
    if not isinstance(like, tuple):
        like, start = (like,), (start,)
    return step, tuple(_checked_part(part, wanted, x) for part, wanted in zip(start, like, strict=True))


def _checked_part(part: Tensor, like: Tensor, x: Tensor) -> Tensor:
    width = like.shape[1] if isinstance(like, Tensor) and like.dim() == 2 else None
    return expect.tensor("state", part, [("B", x.shape[1]), ("H", width)], like=like).detach()


def _parts(state: Any) -> tuple[Tensor, ...]:
    return tuple(state) if isinstance(state, tuple) else (state,)


def _advance(step: Step, x_t: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The parts of the next state."""
    pair = step(x_t, parts if len(parts) > 1 else parts[0])
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(f"step must return (h_t, state), got {type(pair).__name__}")
    h_t, new = pair[0], _parts(pair[1])
    if len(new) != len(parts) or any(a.shape != b.shape for a, b in zip(new, parts, strict=True)):
        shapes = [tuple(part.shape) for part in parts], [tuple(part.shape) for part in new]
        raise ValueError(f"step must return a state of the shapes {shapes[0]} that it was given, got {shapes[1]}")
    if h_t is not new[0] and not (h_t.shape == new[0].shape and torch.equal(h_t, new[0])):
        raise ValueError("step must return h_t, the first part of its state, as its output; a read-out is for the loss")
    return new


def _walk(step: Step, x: Tensor, parts: tuple[Tensor, ...]) -> Iterator[Tensor]:
    for x_t in x:
        J, parts = _jacobian(step, x_t, parts)
        yield J


def _jacobian(step: Step, x_t: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(J_t, state_t). Each sequence stands n times in one batch, so that one backward pass gives all n rows."""
    sizes = [part.shape[1] for part in parts]
    B, n = len(x_t), sum(sizes)
    old = torch.cat(parts, 1).repeat_interleave(n, 0)
    with torch.enable_grad():
        old.requires_grad_()
        new = torch.cat(_advance(step, x_t.repeat_interleave(n, 0), torch.split(old, sizes, 1)), 1)
    state = torch.split(new.detach().view(B, n, n)[:, 0], sizes, 1)
    if not new.requires_grad:
        return new.new_zeros(B, n, n), state
    rows = torch.eye(n, dtype=new.dtype, device=new.device).repeat(B, 1)
    (J,) = torch.autograd.grad(new, old, rows, allow_unused=True, materialize_grads=True)
    return J.view(B, n, n), state
