"""The exercises of the chapter `why`: a leak, parameters, last states, a counter, copies of a weight, shapes."""

from collections.abc import Callable

import numpy as np

from rnnbook.check import Answer, Array, exercise


def _states(x: Array, W_x: Array, W_h: Array, b: Array, phi: Callable[[Array], Array] = np.tanh) -> Array:
    """h_t = φ(W_h h_{t-1} + W_x x_t + b) from zeros. x: (T, B, I) -> (T, B, H)."""
    h, states = np.zeros((x.shape[1], len(b))), []
    for x_t in x:
        h = phi(h @ W_h.T + x_t @ W_x.T + b)
        states.append(h)
    return np.stack(states)


def _relu(a: Array) -> Array:
    return np.maximum(a, 0)


@exercise("why-1")
def h_3(answer: Answer) -> None:
    w, x_1, x_2, x_3 = 0.5, 1.0, 0.0, 2.0
    right = w * (w * x_1 + x_2) + x_3
    mistakes: list[tuple[float, str]] = [
        (w * x_1 + x_2, "stops-at-h_2"),
        (w * right, "once-more"),
        (w * x_1 + x_3, "one-step-lost"),
        (x_1 + x_2 + x_3, "no-w"),
        (x_3, "no-memory"),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=1e-6, mistakes=mistakes)


@exercise("why-2")
def weights(answer: Answer) -> None:
    T, I, H, O = 50, 4, 32, 2
    out = O * (H + 1)
    padded, recurrent = H * (T * I + 1) + out, H * (I + H + 1) + out
    found = answer.values("padded", "recurrent")
    mistakes: list[tuple[int, str]] = [
        (recurrent, "swapped"),
        (padded - H - O, "no-biases"),
        (padded - H, "no-b"),
        (padded - O, "no-c"),
        (padded - out, "no-output"),
        (H * (I + 1) + out, "one-step-only"),
        (H * (T + 1) + out, "no-I"),
    ]
    answer.equals(found[0], padded, name="padded", rtol=0, mistakes=mistakes)
    mistakes = [
        (padded, "swapped"),
        (recurrent + H, "two-biases"),
        (T * (recurrent - out) + out, "times-T"),
        (T * recurrent, "times-T"),
        (recurrent - H - O, "no-biases"),
        (recurrent - H, "no-b"),
        (recurrent - O, "no-c"),
        (recurrent - out, "no-output"),
        (H * (I + 1) + out, "no-W_h"),
    ]
    answer.equals(found[1], recurrent, name="recurrent", rtol=0, mistakes=mistakes)


@exercise("why-3", arguments=("x", "lengths", "W_x", "W_h", "b"))
def final_states(answer: Answer) -> None:
    for I, H, lengths in ((2, 3, (5, 2, 7, 1)), (1, 4, (3, 3)), (3, 1, (1, 6, 4)), (2, 2, (4,))):
        rng, n = np.random.default_rng(10 * H + I), np.array(lengths)
        T, B = max(lengths), len(lengths)
        x = rng.standard_normal((T, B, I))
        for k, length in enumerate(lengths):
            x[length:, k] = 9.0
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        h = _states(x, W_x, W_h, b)
        cleared = np.where(np.arange(T)[:, None, None] < n[:, None], x, 0)
        rows, linear = np.arange(B), _states(x, W_x, W_h, b, phi=np.asarray)
        given = f"T={T}, lengths={list(lengths)}, I={I}, H={H}"
        answer.equals(
            answer.call(x, n, W_x, W_h, b, given=given),
            h[n - 1, rows],
            given=given,
            mistakes=[
                (h[-1], "batch-end"),
                (_states(cleared, W_x, W_h, b)[-1], "zeroed-padding"),
                (h[np.minimum(n, T - 1), rows], "one-too-late"),
                (np.concatenate([np.zeros((1, B, H)), h])[n - 1, rows], "one-too-early"),
                (h[0], "first-step"),
                (h, "all-states"),
                (_states(x, W_x, W_h.T, b)[n - 1, rows], "transposed"),
                (_states(x, W_x, W_h, np.zeros(H))[n - 1, rows], "no-b"),
                (linear[n - 1, rows], "no-tanh"),
                (np.tanh(x @ W_x.T + b)[n - 1, rows], "no-memory"),
            ],
        )


@exercise("why-4", arguments=())
def counter(answer: Answer) -> None:
    """The weights are tried on inputs, so that every right set of weights passes."""
    W_x, W_h, b, V = answer.call(given="-", returns=("W_x", "W_h", "b", "V"))
    for name, array, shape in (("W_x", W_x, (2, 1)), ("W_h", W_h, (2, 2)), ("b", b, (2,)), ("V", V, (1, 2))):
        answer.shape(array, shape, name=name, given="-")
    rng = np.random.default_rng(3)
    cases = [np.ones(9), np.array([1.0, 0, 0, 1, 0, 1, 1]), rng.integers(2, size=60).astype(float)]
    for x in cases:
        total = x.cumsum()
        with np.errstate(all="ignore"):
            says = (_states(x[:, None, None], W_x, W_h, b, phi=_relu) @ V.T)[:, 0, 0]
        told = " ".join(f"{bit:g}" for bit in x[:9]) + (" …" if len(x) > 9 else "")
        answer.equals(
            says,
            total % 3,
            given=f"x = {told}",
            name="V h_t",
            rtol=0,
            atol=1e-6,
            mistakes=[
                (total % 2, "parity"),
                (total, "never-back"),
                (x, "no-memory"),
                (total % 4, "four"),
                (np.minimum(total, 2), "stays-at-2"),
                (np.minimum(total, 3), "stays-at-3"),
            ],
        )


@exercise("why-6", arguments=("x", "w"))
def copies(answer: Answer) -> None:
    """∂h_T/∂w_s by central differences, one copy at a time."""
    for T, w in ((5, -0.8), (7, 1.1), (2, 0.5), (1, 0.7), (4, 0.0)):
        rng, e = np.random.default_rng(T), 1e-5
        x = rng.standard_normal(T)
        want = np.array([_last(x, w, s, e) - _last(x, w, s, -e) for s in range(T)]) / (2 * e)
        h = [0.0]
        for x_t in x:
            h.append(w * h[-1] + x_t)
        before, after, left = np.array(h[:-1]), np.array(h[1:]), np.arange(T - 1, -1, -1)
        power = np.array([w**n for n in left.tolist()])
        mistakes: list[tuple[Array | float, str]] = [
            (power * after, "own-state"),
            (power * x, "input"),
            (power, "no-state"),
            (before, "no-power"),
            (w * power * before, "power-too-high"),
            (power[::-1] * before, "power-of-the-past"),
            ((power * before)[::-1], "backwards"),
            ((power * before).sum(), "sum"),
        ]
        given = f"T={T}, w={w}"
        answer.equals(
            answer.call(x, w, given=given),
            want,
            given=given,
            rtol=1e-6,
            atol=1e-8,
            mistakes=mistakes if T > 4 else (),
        )


def _last(x: Array, w: float, s: int, nudge: float) -> float:
    h = 0.0
    for t, x_t in enumerate(x.tolist()):
        h = (w + nudge * (t == s)) * h + x_t
    return h


@exercise("why-7")
def numbers(answer: Answer) -> None:
    T, B, I, kinds = 30, 8, 5, 3
    a, b = T * B * kinds, B
    found = answer.values("a", "b")
    mistakes: list[tuple[int, str]] = [
        (b, "swapped"),
        (T * kinds, "no-batch"),
        (B * kinds, "a-once"),
        (T * B, "one-score-a"),
        (T * B * I, "as-input"),
        (T * B * I * kinds, "times-input"),
    ]
    answer.equals(found[0], a, name="a", rtol=0, mistakes=mistakes)
    mistakes = [
        (a, "swapped"),
        (1, "no-batch"),
        (T * B, "every-day-b"),
        (B * kinds, "three-scores-b"),
        (B * I, "times-input"),
    ]
    answer.equals(found[1], b, name="b", rtol=0, mistakes=mistakes)
