"""Time constants: how long a gate, a leak or a signal remembers, in steps and in seconds.

Derived in the chapter timescale. A number f or τ may be a float or a tensor and gives back the same. τ and Δt
have one unit of time, with Δt = 1 that of a step.
"""

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.layers.cells import GRU, LSTM, LayerNormLSTM

Value = TypeVar("Value", float, Tensor)
Gated = TypeVar("Gated", LSTM, LayerNormLSTM, GRU)
Method = Literal["exact", "euler"]


def time_constant(f: Value, dt: float = 1.0) -> Value:
    """τ = −Δt/ln f: after a time τ the share 1/e is left of what a gate f keeps at each step Δt.

    Near f = 1, τ ≈ Δt/(1−f) − Δt/2. f = 1 gives ∞, f = 0 gives 0. f constant, without input.
    Raises ValueError for f outside 0..1 and dt not above 0.
    """
    _within("f", f, 0, 1)
    dt = expect.number("dt", dt, above=0)
    if isinstance(f, Tensor):
        return dt / f.log().abs()
    return math.inf if f == 1 else 0.0 if f == 0 else -dt / math.log(f)


def gate(tau: Value, dt: float = 1.0) -> Value:
    """f = exp(−Δt/τ), the gate that has the time constant τ; the inverse of `time_constant`."""
    _above_zero("tau", tau)
    dt = expect.number("dt", dt, above=0)
    if isinstance(tau, Tensor):
        return (-dt / tau).exp()
    return math.exp(-dt / tau)


def half_life(tau: Value) -> Value:
    """τ ln 2: the time after which one half is left, in the unit of τ."""
    _above_zero("tau", tau)
    return tau * math.log(2)


def gate_that_keeps(p: Value, n: int) -> Value:
    """f = p^{1/n}: the constant gate that leaves the share p after n steps.

    "f is enough for n steps" says nothing without p: for 60 steps and p = 5 %, 10 %, 1/e, 50 %, 90 % it takes
    f = .95130, .96235, .98347, .98851, .99825.
    """
    _within("p", p, 0, 1)
    expect.positive("n", n)
    return p.pow(1 / n) if isinstance(p, Tensor) else math.pow(p, 1 / n)


def steps_until(p: Value, f: Value) -> Value:
    """n = ln p/ln f: the steps after which a constant gate f has left the share p; the inverse in n of
    `gate_that_keeps`. p and f above 0, f below 1."""
    for name, value in (("p", p), ("f", f)):
        _within(name, value, 0, 1)
        _above_zero(name, value)
    _above_zero("1 - f", 1 - f)
    return _log(p) / _log(f)


def gate_bias(f: Value) -> Value:
    """b = logit f = ln(f/(1−f)): the bias at which σ(b) = f, where inputs and state add nothing.

    Raises ValueError unless 0 < f < 1. For a gate that keeps the old state: f of an LSTM, z of a GRU with
    keep="old"; with keep="new" z = 1 − f, so its bias is −b.
    """
    _above_zero("f", f)
    _above_zero("1 - f", 1 - f)
    return _log(f) - _log(1 - f)


def gate_of_bias(b: Value) -> Value:
    """f = σ(b) = 1/(1 + e^{−b}), the inverse of `gate_bias`."""
    _within("b", b, -math.inf, math.inf)
    if isinstance(b, Tensor):
        return b.sigmoid()
    e = math.exp(-abs(b))
    return 1 / (1 + e) if b >= 0 else e / (1 + e)


def leaky_integrator(
    x: Tensor, tau: float | Tensor, dt: float = 1.0, h_0: Tensor | None = None, method: Method = "exact"
) -> Tensor:
    """τ dh/dt = −h + x in steps Δt: h_t = f h_{t−1} + (1−f) x_t for t = 1..T.

    "exact": f = exp(−Δt/τ), the solution for an x that is constant within each step.
    "euler": f = 1 − Δt/τ, its first-order approximation; for Δt > 2τ it grows without bound.
    x: (T, …); tau: a number, or a tensor that broadcasts against x[0], such as one per unit; h_0: like x[0],
    zeros by default. Returns h_1..h_T, (T, …).
    """
    expect.choice("method", method, ["exact", "euler"])
    _above_zero("tau", tau)
    dt = expect.number("dt", dt, above=0)
    if not isinstance(x, Tensor) or x.dim() == 0:
        raise TypeError(f"x must be a tensor with time first, got {x!r}")
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"x must be of a floating-point dtype, got {x.dtype}; give x.double()")
    expect.finite("x", x)
    steps = dt / torch.as_tensor(tau, dtype=x.dtype, device=x.device)
    sizes = tuple(x.shape[1:])
    own = sizes[max(0, len(sizes) - steps.dim()) :]
    if steps.dim() > len(sizes) or any(size not in (1, H) for size, H in zip(steps.shape, own, strict=True)):
        raise ValueError(f"tau must broadcast against x[0] of shape {sizes}, got {tuple(steps.shape)}")
    kept, taken = ((-steps).exp(), -torch.expm1(-steps)) if method == "exact" else (1 - steps, steps)
    if h_0 is None:
        h = torch.zeros_like(x[0]) if len(x) > 0 else x.new_zeros(x.shape[1:])
    else:
        h = expect.finite("h_0", expect.tensor("h_0", h_0, [("…", size) for size in x.shape[1:]], like=x))
    states = []
    for x_t in x:
        h = kept * h + taken * x_t
        states.append(h)
    return torch.stack(states) if states else x.new_zeros(x.shape)


def chrono(cell: Gated, T_max: float, *, generator: torch.Generator | None = None) -> Gated:
    """Set the biases of the gates that keep so that the time constants spread over 1..T_max; returns the cell.

    u ~ U(1, T_max − 1) for each unit, f = u/(1+u), so 1/(1−f) = 1 + u lies within 2..T_max.
    LSTM: b_f = ln u, b_i = −ln u. GRU: b_z = ln u with keep="old", −ln u with keep="new". All other parameters
    stay as they are. Raises TypeError for another cell, ValueError unless T_max ≥ 2 and finite.
    Source: Tallec & Ollivier 2018, Can recurrent neural networks warp time?
    """
    if not isinstance(cell, LSTM | LayerNormLSTM | GRU):
        raise TypeError(f"cell must have gates that keep, LSTM, LayerNormLSTM or GRU, got {type(cell).__name__}")
    H, b = cell.H, _bias(cell)
    _check_longest(T_max)
    u = 1 + (T_max - 2) * torch.rand(H, generator=generator, dtype=torch.float64)
    keep = u.log().to(b)
    with torch.no_grad():
        if isinstance(cell, GRU):
            b[H : 2 * H] = keep if cell.keep == "old" else -keep
        else:
            b[H : 2 * H], b[:H] = keep, -keep
    return cell


def chrono_mean(T_max: float) -> float:
    """E[ln u], u ~ U(1, M), M = T_max − 1, the mean bias of `chrono`: (M ln M − (M−1))/(M−1).

    3.6420 for T_max = 100, 5.9137 for 1000; 0 in the limit T_max = 2.
    """
    _check_longest(T_max)
    M = T_max - 1
    return (M * math.log(M) - (M - 1)) / (M - 1) if M > 1 else 0.0


def ornstein_uhlenbeck(
    T: int, B: int, tau: float, dt: float = 1.0, *, generator: torch.Generator | None = None
) -> Tensor:
    """A stationary Ornstein–Uhlenbeck process of variance 1 seen at steps Δt: (T, B), in float64.

    x_t = f x_{t−1} + √(1−f²) ξ_t, f = exp(−Δt/τ), ξ_t ~ N(0, 1): exact for any Δt. Its autocorrelation at lag
    k is f^k. Source: Uhlenbeck & Ornstein 1930, On the theory of the Brownian motion.
    """
    T, B = expect.positive("T", T), expect.positive("B", B)
    tau, dt = expect.number("tau", tau, above=0), expect.number("dt", dt, above=0)
    f = gate(tau, dt)
    noise = torch.randn(T, B, generator=generator, dtype=torch.float64)
    noise[1:] *= math.sqrt(-math.expm1(-2 * dt / tau))
    x = [noise[0]]
    for noise_t in noise[1:]:
        x.append(f * x[-1] + noise_t)
    return torch.stack(x)


def autocorrelation(x: Tensor, n: int, mean: float | None = None) -> Tensor:
    """r_k = Σ_t (x_t − m)(x_{t+k} − m)/Σ_t (x_t − m)² for k = 0..n, summed over all sequences: (n+1,).

    x: (T, B) or (T,), n < T; m: the mean where it is known, else that of each sequence. Either way the
    estimate at lag k is too small by about k/T, and with an estimated mean by some 2τ/(TΔt) more.
    """
    x, unit = _sample(x)
    mean = None if mean is None else expect.number("mean", mean) / unit
    n = expect.whole("n", n)
    if n >= len(x):
        raise ValueError(f"n must be below T={len(x)}, got {n}")
    x = x - (x.mean(0) if mean is None else mean)
    total = x.square().sum()
    if not total > x.numel() * (4 * torch.finfo(x.dtype).eps) ** 2:  # what centring leaves of a constant
        raise ValueError("x must vary: its autocorrelation is not defined for a constant")
    return torch.stack([(x[: len(x) - k] * x[k:]).sum() / total for k in range(n + 1)])


def tau_of_autocorrelation(r: Tensor, dt: float = 1.0, *, down_to: float = 0.1) -> float:
    """τ of an exponential r_k = e^{−kΔt/τ}: the least-squares line through 0 of ln r_k against kΔt.

    r: (n+1,) with r_0 = 1, used from lag 1 up to the last lag before it first falls below `down_to`; what is
    below is noise in a sample. Raises ValueError where not even r_1 reaches it.
    """
    dt = expect.number("dt", dt, above=0)
    _within("down_to", down_to, 0, 1)
    expect.finite("r", expect.real("r", expect.tensor("r", r, [("n+1", None)], like=r)))
    low = (r < max(down_to, torch.finfo(torch.float64).tiny)).nonzero()
    last = int(low[0]) if len(low) > 0 else len(r)
    if last < 2:
        raise ValueError(f"r must hold at least r_0 and r_1 of at least down_to={down_to}, got {r[:2].tolist()}")
    k = torch.arange(1, last, dtype=torch.float64)
    slope = (k * r[1:last].double().cpu().log()).sum() / k.square().sum()
    return float(dt / -slope) if slope < 0 else math.inf


def tau_of_sample(x: Tensor, dt: float = 1.0, mean: float = 0.0) -> tuple[float, float]:
    """(τ, standard error) of an Ornstein–Uhlenbeck process from a sample x: (T, B) or (T,) of steps Δt.

    f̂ = Σ x_t x_{t−1}/Σ x_{t−1}² is the maximum-likelihood estimate given the first step, τ = −Δt/ln f̂. Its
    variance (1−f²)/N, N the number of pairs, makes the error of τ: Δt √((1−f²)/N)/(f ln² f).
    x must have the mean `mean` and no noise of observation, which would lower f̂. Raises ValueError where f̂ is not
    within 0 < f̂ < 1.
    """
    dt = expect.number("dt", dt, above=0)
    x, unit = _sample(x)
    x = x - expect.number("mean", mean) / unit
    if len(x) < 2:
        raise ValueError(f"x must have at least T=2 steps, got {len(x)}")
    f = float((x[1:] * x[:-1]).sum() / x[:-1].square().sum())
    if not 0 < f < 1:
        raise ValueError(f"x must decay, its estimated factor per step must be within 0 < f < 1, got {f:.6g}")
    # (1−f)(1+f) keeps the digits that 1 − f² loses near f = 1.
    error = dt * math.sqrt((1 - f) * (1 + f) / x[1:].numel()) / (f * math.log(f) ** 2)
    return time_constant(f, dt), error


def _bias(cell: nn.Module) -> Tensor:
    b = cell.b
    assert isinstance(b, Tensor)
    return b


def _sample(x: Tensor) -> tuple[Tensor, float]:
    """x as (T, B) in float64 and in units of its largest entry, so that no square under- or overflows; that unit."""
    if isinstance(x, Tensor) and x.dim() == 1:
        x = x[:, None]
    x = expect.finite("x", expect.real("x", expect.tensor("x", x, [("T", None), ("B", None)], like=x))).double()
    if x.numel() == 0:
        raise ValueError(f"x must have at least one step and one sequence, got shape {tuple(x.shape)}")
    unit = float(x.abs().max()) or 1.0
    return x / unit, unit


def _log(value: Value) -> Value:
    return value.log() if isinstance(value, Tensor) else math.log(value)


def _exact(name: str, value: float | Tensor) -> Tensor:
    """The value as a tensor; a number keeps all its digits, which float32 would not."""
    if isinstance(value, Tensor) and not (value.is_complex() or value.dtype == torch.bool):
        return value
    if isinstance(value, Tensor | bool | str | bytes):
        raise TypeError(f"{name} must be a real number, got {value!r:.60}")
    try:
        return torch.tensor(float(value), dtype=torch.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number or a tensor, got {value!r:.60}") from None


def _within(name: str, value: float | Tensor, low: float, high: float) -> None:
    exact = _exact(name, value)
    if not bool(((exact >= low) & (exact <= high)).all()):
        raise ValueError(f"{name} must be within {low}..{high}, got {value}")


def _above_zero(name: str, value: float | Tensor) -> None:
    if not bool((_exact(name, value) > 0).all()):
        raise ValueError(f"{name} must be greater than 0, got {value}")


def _check_longest(T_max: float) -> None:
    if not 2 <= float(_exact("T_max", T_max)) < math.inf:
        raise ValueError(f"T_max must be at least 2 and finite, got {T_max}")
