"""Tasks: sequences whose best and whose memoryless answer are known in closed form.

Each `task(B, T, ...)` returns fresh data (x, y), time first, with x: (T, B, I). It draws on the CPU from
`generator` (PyTorch's own where none is given) and then moves the data to `device`: equal generators give
equal data on every device. `batches` makes of a task what `rnnbook.training.train.fit` asks for; `mse` and
`cross_entropy` are the losses in which the docstrings count. The baseline is the least loss without a
memory, the floor the least loss with a perfect one, both in expectation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as _cross_entropy
from torch.nn.functional import one_hot

from rnnbook import _expect as expect

Data = tuple[Tensor, Tensor]
Random = torch.Generator | None
Device = torch.device | str | None


def adding(
    B: int, T: int, *, generator: Random = None, device: Device = None, dtype: torch.dtype = torch.float32
) -> Data:
    """The adding problem: y is the sum of the two numbers that are marked.

    x: (T, B, 2), x[..., 0] uniform on [0, 1), x[..., 1] a mark that is 1 at one step of the first half
    (t < T // 2), at one step of the rest, and else 0; y: (B, 1).
    Baseline (mse): the constant answer 1 has Var y = 2/12 = 1/6; seeing the last step alone helps only where
    it is marked and gives 1/6 − 1/(12 (T − T // 2)). Floor: 0.
    Source: Hochreiter & Schmidhuber 1997, Long short-term memory, in the form of Arjovsky, Shah & Bengio
    2016, Unitary evolution recurrent neural networks.
    """
    B, T, device = _expected(B, T, generator, device, dtype, least=2)
    x = torch.zeros(T, B, 2, dtype=torch.float64)
    x[..., 0] = torch.rand(T, B, generator=generator, dtype=torch.float64)
    half, rows = T // 2, torch.arange(B)
    x[torch.randint(half, (B,), generator=generator), rows, 1] = 1
    x[torch.randint(half, T, (B,), generator=generator), rows, 1] = 1
    y = (x[..., 0] * x[..., 1]).sum(0)[:, None]
    return x.to(device, dtype), y.to(device, dtype)


def latest(
    B: int,
    T: int,
    *,
    K: int = 5,
    hold: int = 0,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """The latest of K marked numbers: each mark makes the number before it obsolete.

    x: (T, B, 2), x[..., 0] uniform on [0, 1), x[..., 1] a mark that is 1 at K distinct steps t < T − hold and else 0;
    y: (B, 1), the number at the last of them, which is to be held for at least `hold` steps.
    Baseline (mse): the constant answer 1/2 has Var y = 1/12; seeing the last step alone helps only where it is marked
    and gives (1 − K/T)/12 for hold = 0, 1/12 for a larger one. Who knows the marked numbers and not their order, as
    who can add and not erase, has (1 − 1/K)/12. Floor: 0.
    """
    K, hold = expect.positive("K", K), expect.whole("hold", hold)
    B, T, device = _expected(B, T, generator, device, dtype, least=K + hold, why="K + hold = ")
    x = torch.zeros(T, B, 2, dtype=torch.float64)
    x[..., 0] = torch.rand(T, B, generator=generator, dtype=torch.float64)
    marked = torch.rand(T - hold, B, generator=generator, dtype=torch.float64).topk(K, 0).indices
    x[..., 1].scatter_(0, marked, 1)
    y = x[marked.amax(0), torch.arange(B), 0][:, None]
    return x.to(device, dtype), y.to(device, dtype)


def recall(
    B: int,
    T: int,
    *,
    K: int = 4,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """Recall after T steps: y is the first of T independent symbols, each one of K; the others distract.

    x: (T, B, K) one-hot; y: (B,) whole numbers in 0..K−1.
    Baseline (cross-entropy): ln K for every T > 1. Floor: 0.
    """
    B, T, device = _expected(B, T, generator, device, dtype)
    K = _several("K", K)
    symbols = torch.randint(K, (T, B), generator=generator)
    return one_hot(symbols, K).to(device, dtype), symbols[0].to(device)


def copy(
    B: int,
    T: int,
    *,
    S: int = 10,
    K: int = 8,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """The copy task: S symbols, a delay of T − 2S steps, then the same symbols again in the same order.

    x: (T, B, K+2) one-hot: S independent symbols of K, then blanks (K), but at step T − S the signal (K+1)
    that the answer begins with the next step. y: (T, B): blanks (K), and the S symbols at the last S steps;
    so o has K+1 classes.
    Baseline (cross-entropy, mean over the T steps): (S / T) ln K, by counting steps. Floor: 0.
    Source: Arjovsky, Shah & Bengio 2016, Unitary evolution recurrent neural networks; their T is the delay.
    """
    S, K = expect.positive("S", S), _several("K", K)
    B, T, device = _expected(B, T, generator, device, dtype, least=2 * S + 1, why="2S + 1 = ")
    symbols = torch.randint(K, (S, B), generator=generator)
    read, y = torch.full((T, B), K), torch.full((T, B), K)
    read[:S], read[T - S - 1], y[T - S :] = symbols, K + 1, symbols
    return one_hot(read, K + 2).to(device, dtype), y.to(device)


def parity(
    B: int, T: int, *, generator: Random = None, device: Device = None, dtype: torch.dtype = torch.float32
) -> Data:
    """Running parity: y_t = x_1 + … + x_t mod 2 of fair bits.

    x, y: (T, B, 1), zeros and ones.
    Baseline (binary cross-entropy): ln 2 at every step but the first, where y_1 = x_1; a constant has ln 2.
    Floor: 0. One bit of memory is enough for every T.
    """
    B, T, device = _expected(B, T, generator, device, dtype)
    x = torch.randint(2, (T, B, 1), generator=generator)
    return x.to(device, dtype), (x.cumsum(0) % 2).to(device, dtype)


def anbn(
    B: int,
    T: int,
    *,
    n_min: int = 1,
    n_max: int = 10,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """Predict the next symbol of strings a^n b^n, one after the other, n uniform on n_min..n_max.

    x: (T, B, 2) one-hot, a = 0 and b = 1, each row begins with a new string; y: (T, B), y_t = x_{t+1}.
    Who counts knows every symbol after the first b, up to the a of the next string; only the end of the as
    is chance. For long T, with m = n_min + n_max the mean length of a string:
    Baseline (cross-entropy): H(2 / m), as either letter follows itself with probability 1 − 2/m, where
    H(p) = −p ln p − (1 − p) ln(1 − p). Floor: ln(n_max − n_min + 1) / m.
    Source: Gers & Schmidhuber 2001, LSTM recurrent networks learn simple context-free and context-sensitive
    languages, with single strings and an end mark.
    """
    B, T, device = _expected(B, T, generator, device, dtype)
    n_min, n_max = expect.positive("n_min", n_min), expect.positive("n_max", n_max)
    if n_min > n_max:
        raise ValueError(f"n_min and n_max must be 1 ≤ n_min ≤ n_max, got n_min={n_min}, n_max={n_max}")
    n = torch.randint(n_min, n_max + 1, (B, T // (2 * n_min) + 1), generator=generator)
    end = (2 * n).cumsum(1)
    t = torch.arange(T + 1).repeat(B, 1)
    string = torch.searchsorted(end, t, right=True)
    symbols = (t >= (end - n).gather(1, string)).long().T
    return one_hot(symbols[:-1], 2).to(device, dtype), symbols[1:].contiguous().to(device)


def next_sine(
    B: int,
    T: int,
    *,
    N: int = 1000,
    first: int | None = None,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """The next value of a sine: x_t = sin(n + t), y_t = sin(n + t + 1), t = 0..T−1.

    x, y: (T, B, 1). The phase n of a row is drawn uniformly from 0..N−1; or, where `first` is given, the
    rows have n = first, first + 1, … in this order.
    From the second step on two values determine the next, y_{t+1} = 2 cos 1 · y_t − y_{t−1}. At the first
    only x_0 is known, the best answer is cos 1 · x_0, and its error is sin²(1) E cos² n = sin²(1)/2.
    Baseline (mse): sin²(1)/2 = 0.354037. Floor: sin²(1)/(2T), for T = 10 0.035404; both for phases that are
    uniform on the circle, as whole numbers 0..N−1 are up to 1/N.
    """
    B, T, device = _expected(B, T, generator, device, dtype)
    N, first = expect.positive("N", N), None if first is None else expect.whole("first", first)
    n = torch.arange(B) + (first or 0)
    if first is None:
        n = torch.randint(N, (B,), generator=generator)
    # In float64 until the end: a float32 phase near 1000 would be wrong by up to 6e-5.
    wave = torch.sin((n + torch.arange(T + 1)[:, None]).double())[:, :, None]
    return wave[:-1].to(device, dtype), wave[1:].to(device, dtype)


def noisy_ar1(
    B: int,
    T: int,
    *,
    a: float = 0.95,
    q: float = 0.0975,
    r: float = 1.0,
    generator: Random = None,
    device: Device = None,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """A hidden first-order process in noise: s_t = a s_{t−1} + w_t is to be told from x_t = s_t + v_t.

    Returns (x, s), both (T, B, 1): the observation and the hidden state. w ~ N(0, q), v ~ N(0, r), |a| < 1,
    and the start is stationary, s_1 ~ N(0, S), S = q / (1 − a²).
    Baseline (mse): S r / (S + r), of the best multiple of x_t. Floors, in the steady state: the Kalman filter,
    which knows x_1..x_t, has P r / (P + r), P = (b + √(b² + 4qr)) / 2, b = q − r (1 − a²); the smoother,
    which knows all of x, has q r / √((q + r (1 + a²))² − 4 a² r²).
    Source: Kalman 1960, A new approach to linear filtering and prediction problems.
    """
    B, T, device = _expected(B, T, generator, device, dtype)
    a, q, r = (expect.number(name, value) for name, value in (("a", a), ("q", q), ("r", r)))
    if not -1 < a < 1:
        raise ValueError(f"a must be within −1 < a < 1, where a stationary start exists, got {a}")
    for name, variance in (("q", q), ("r", r)):
        if variance < 0:
            raise ValueError(f"{name} is a variance and must be at least 0, got {variance}")
    w = torch.randn(T, B, 1, generator=generator, dtype=torch.float64) * q**0.5
    v = torch.randn(T, B, 1, generator=generator, dtype=torch.float64) * r**0.5
    states = [w[0] / ((1 - a) * (1 + a)) ** 0.5]  # 1 − a² would lose the digits of an a near 1
    for w_t in w[1:]:
        states.append(a * states[-1] + w_t)
    s = torch.stack(states)
    return (s + v).to(device, dtype), s.to(device, dtype)


def batches(task: Callable[..., Data], B: int, T: int, *, seed: int = 0, **settings: Any) -> Callable[[int], Data]:
    """batch(step) -> (x, y): fresh data of a task for every step, the same for the same seed and step.

    `settings` go to the task: `batches(adding, 32, 100, seed=1, device="cuda")`. What a step draws depends
    on no other step, so a resumed training sees the data that it would have seen.
    """
    if not callable(task):
        raise TypeError(f"task must be a function such as adding, got {type(task).__name__}")
    B, T, seed = expect.positive("B", B), expect.positive("T", T), expect.whole("seed", seed)
    if "generator" in settings:
        raise ValueError("batches makes its own generator for each step; give seed instead of generator")

    def batch(step: int) -> Data:
        # A hash of both, because PyTorch's generator reads only 32 bits of its seed.
        mixed = int(np.random.SeedSequence((seed, expect.whole("step", step))).generate_state(1)[0])
        return task(B, T, generator=torch.Generator().manual_seed(mixed), **settings)

    return batch


def mse(o: Tensor, y: Tensor) -> Tensor:
    """The mean of (o − y)² over all entries; o and y of one shape, for nothing is broadcast.

    Raises TypeError for other than real floating-point numbers, ValueError for shapes or devices that differ.
    """
    expect.real("o", o), expect.real("y", y)
    if o.shape != y.shape:
        raise ValueError(f"o and y must have the same shape, got o {tuple(o.shape)} and y {tuple(y.shape)}")
    _on_one_device(o, y)
    return (o - y).square().mean()


def cross_entropy(o: Tensor, y: Tensor) -> Tensor:
    """The mean of −ln softmax(o)_y over all entries of y, in nats.

    o: (…, K), before the softmax; y: (…), whole numbers in 0..K−1. Raises TypeError for other numbers, ValueError
    for other shapes, for a y outside of 0..K−1 and where y is empty.
    """
    expect.real("o", o)
    if not isinstance(y, Tensor) or y.dtype not in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        got = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"y must be a torch.Tensor of whole numbers, got {got}")
    if o.dim() == 0 or o.shape[:-1] != y.shape:
        raise ValueError(f"o must have the shape of y and one more axis, got {tuple(o.shape)}, {tuple(y.shape)}")
    _on_one_device(o, y)
    K = o.shape[-1]
    if y.numel() == 0:
        raise ValueError(f"y must have at least one entry, got shape {tuple(y.shape)}")
    least, most = (int(end) for end in y.aminmax())
    if least < 0 or most >= K:
        raise ValueError(f"y must be within 0..K−1 = {K - 1}, got {least if least < 0 else most}")
    return _cross_entropy(o.reshape(-1, K), y.reshape(-1).long())


def _expected(
    B: int, T: int, generator: Random, device: Device, dtype: torch.dtype, *, least: int = 1, why: str = ""
) -> tuple[int, int, torch.device]:
    """What every task is given, checked; `why` a T must be at least `least`."""
    B, T = expect.positive("B", B), expect.positive("T", T)
    if least > T:
        raise ValueError(f"T must be at least {why}{least}, got {T}")
    if generator is not None and not (isinstance(generator, torch.Generator) and generator.device.type == "cpu"):
        kind = f"one on {generator.device}" if isinstance(generator, torch.Generator) else type(generator).__name__
        raise TypeError(f"generator must be a torch.Generator on the CPU, got {kind}")
    expect.floating("dtype", dtype)
    return B, T, expect.device("device", device)


def _several(name: str, K: int) -> int:
    K = expect.positive(name, K)
    if K < 2:
        raise ValueError(f"{name} must be at least 2, for one symbol carries no information, got {K}")
    return K


def _on_one_device(o: Tensor, y: Tensor) -> None:
    if o.device != y.device:
        raise ValueError(f"o and y must be on the same device, got {o.device} and {y.device}")
