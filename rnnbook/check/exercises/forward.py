"""The exercises of the chapter `forward`: two steps, parameters, a Jacobian, the whole pass, a floor, a shape."""

from collections.abc import Callable

import numpy as np

from rnnbook.check import Answer, Array, exercise


def _states(x: Array, h_0: Array, W_x: Array, W_h: Array, b: Array, phi: Callable[[Array], Array] = np.tanh) -> Array:
    """h_t = φ(W_h h_{t-1} + W_x x_t + b). x: (T, B, I), h_0: (B, H) -> (T, B, H)."""
    h, states = h_0, []
    for x_t in x:
        h = phi(h @ W_h.T + x_t @ W_x.T + b)
        states.append(h)
    return np.stack(states)


def _softmax(z: Array, axis: int = -1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


@exercise("forward-1")
def by_hand(answer: Answer) -> None:
    W_x, W_h, b, h_0, x_1, x_2 = 0.5, -0.8, 0.3, 0.2, 1.0, -2.0
    h_1 = np.tanh(W_h * h_0 + W_x * x_1 + b)
    a_2 = W_h * h_1 + W_x * x_2 + b
    no_bias = np.tanh(W_h * np.tanh(W_h * h_0 + W_x * x_1) + W_x * x_2)
    no_tanh = W_h * (W_h * h_0 + W_x * x_1 + b) + W_x * x_2 + b
    from_zero = np.tanh(W_h * np.tanh(W_x * x_1 + b) + W_x * x_2 + b)
    swapped = np.tanh(W_x * np.tanh(W_x * h_0 + W_h * x_1 + b) + W_h * x_2 + b)
    lost_minus = np.tanh(W_h * h_1 - W_x * x_2 + b)
    plus = np.tanh(-W_h * np.tanh(-W_h * h_0 + W_x * x_1 + b) + W_x * x_2 + b)
    mistakes: list[tuple[float, str]] = [
        (h_1, "stops-at-h_1"),
        (np.tanh(W_h * h_0 + W_x * x_2 + b), "h_0-again"),
        (no_bias, "no-bias"),
        (np.tanh(a_2 - b), "no-bias-in-2"),
        (a_2, "no-last-tanh"),
        (no_tanh, "no-tanh"),
        (np.tanh(no_tanh), "no-tanh-in-1"),
        (from_zero, "from-zero"),
        (swapped, "swapped"),
        (lost_minus, "lost-sign-x_2"),
        (plus, "lost-sign-W_h"),
    ]
    answer.equals(answer.value(kind="number"), np.tanh(a_2), rtol=0, atol=6e-4, mistakes=mistakes)


@exercise("forward-2")
def parameters(answer: Answer) -> None:
    words, I, H, T = 5000, 32, 128, 50
    table, layer, readout = words * I, H * (I + H + 1), words * (H + 1)
    right = table + layer + readout
    answer.equals(
        answer.value(kind="integer"),
        right,
        mistakes=[
            (right + H, "two-biases"),
            (table + T * layer + readout, "times-T"),
            (table + T * (layer + readout), "times-T"),
            (T * right, "all-times-T"),
            (layer + readout, "no-table"),
            (table + layer, "no-readout"),
            (right - H - words, "no-biases"),
            (right - words, "no-c"),
            (right - H, "no-b"),
            (right - H * H, "no-W_h"),
            (right - H * I, "no-W_x"),
            (H * (words + H + 1) + readout, "no-embedding"),
        ],
    )


@exercise("forward-3", arguments=("x_1", "x_2", "h_0", "W_x", "W_h", "b"))
def slope_of_two(answer: Answer) -> None:
    """∂h_2/∂h_0 (H, H) by central differences: W_h is of the size 1, so that slopes are far from 1."""
    for I, H in ((2, 3), (1, 4), (3, 1)):
        rng = np.random.default_rng(10 * H + I)
        x, h_0 = rng.standard_normal((2, 1, I)), rng.standard_normal((1, H))
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        moved = 1e-5 * np.eye(H)
        ends = [_states(np.repeat(x, H, axis=1), h_0 + nudge, W_x, W_h, b)[-1] for nudge in (moved, -moved)]
        want = (ends[0] - ends[1]).T / 2e-5
        h_1, h_2 = _states(x, h_0, W_x, W_h, b)[:, 0]
        a_1, a_2 = W_h @ h_0[0] + W_x @ x[0, 0] + b, W_h @ h_1 + W_x @ x[1, 0] + b
        J_1, J_2 = ((1 - h**2)[:, None] * W_h for h in (h_1, h_2))
        given = f"I={I}, H={H}"
        answer.equals(
            answer.call(x[0, 0], x[1, 0], h_0[0], W_x, W_h, b, given=given),
            want,
            given=given,
            rtol=1e-6,
            atol=1e-8,
            mistakes=[
                (want.T, "transposed"),
                (J_1 @ J_2, "order"),
                ((W_h * (1 - h_2**2)) @ (W_h * (1 - h_1**2)), "columns"),
                (W_h @ W_h, "no-slopes"),
                (W_h @ J_1, "one-slope"),
                (J_2 @ W_h, "one-slope"),
                ((1 - a_2**2)[:, None] * W_h @ ((1 - a_1**2)[:, None] * W_h), "pre-activation"),
                (J_1, "one-step"),
                (J_2, "last-step"),
            ],
        )


@exercise("forward-4", arguments=("x", "h_0", "W_x", "W_h", "b", "V", "c"))
def probabilities(answer: Answer) -> None:
    for T, B, I, H, O, scale in ((1, 2, 3, 4, 5, 1.0), (6, 5, 2, 3, 4, 1.0), (4, 3, 5, 2, 6, 1000.0)):
        rng = np.random.default_rng(T)
        x, h_0 = rng.standard_normal((T, B, I)), rng.standard_normal((B, H))
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        V, c = scale * rng.standard_normal((O, H)), rng.standard_normal(O)
        h = _states(x, h_0, W_x, W_h, b)
        before = np.concatenate([h_0[None], h[:-1]])
        linear = _states(x, h_0, W_x, W_h, b, phi=np.asarray)
        stuck = np.tanh(h_0 @ W_h.T + x @ W_x.T + b)
        given = f"T={T}, B={B}, I={I}, H={H}, O={O}" + (", |logits| ~ 1000" if scale > 1 else "")
        answer.equals(
            answer.call(x, h_0, W_x, W_h, b, V, c, given=given),
            _softmax(h @ V.T + c),
            given=given,
            mistakes=[
                (h @ V.T + c, "logits"),
                (h, "states"),
                (_softmax(h[-1] @ V.T + c), "last-step-only"),
                (_softmax(before @ V.T + c), "state-before"),
                (_softmax(stuck @ V.T + c), "stuck-at-h_0"),
                (_softmax(_states(x, np.zeros_like(h_0), W_x, W_h, b) @ V.T + c), "from-zero"),
                (_softmax(_states(x, h_0, W_x, W_h.T, b) @ V.T + c), "transposed"),
                (_softmax(_states(x, h_0, W_x, W_h, np.zeros(H)) @ V.T + c), "no-b"),
                (_softmax(linear @ V.T + c), "no-tanh"),
                (_softmax(h @ V.T), "no-c"),
                (_softmax((h @ V.T + c).reshape(-1)).reshape(T, B, O), "softmax-over-all"),
                (_softmax(h @ V.T + c, axis=1), "softmax-over-batch"),
                (_softmax(h @ V.T + c, axis=0), "softmax-over-time"),
            ],
        )


@exercise("forward-5")
def coin_floor(answer: Answer) -> None:
    steps, unseen, deviation = 10, 2, 0.2
    floor = unseen / steps + deviation**2
    answer.equals(
        answer.value(kind="number"),
        floor,
        rtol=1e-6,
        mistakes=[
            (unseen / steps, "no-noise"),
            (deviation**2, "noise-only"),
            (unseen / steps + deviation, "deviation"),
            (unseen + steps * deviation**2, "sum"),
            (unseen / steps + deviation**2 / steps, "noise-once"),
            ((unseen - 1) / steps + deviation**2, "one-step-too-few"),
            ((unseen + 1) / steps + deviation**2, "one-step-too-many"),
            (1 + deviation**2, "one-coin-unknown"),
            (2 + deviation**2, "both-unknown"),
            (np.sqrt(floor), "root"),
        ],
    )


@exercise("forward-6", arguments=("o", "y"))
def error_per_step(answer: Answer) -> None:
    for T, B in ((7, 4), (2, 6), (5, 5), (3, 1), (1, 4)):
        rng = np.random.default_rng(10 * T + B)
        o, y = rng.standard_normal((T, B, 1)), rng.standard_normal((B, T))
        given = f"o: ({T}, {B}, 1), y: ({B}, {T})"
        answer.equals(
            answer.call(o, y, given=given),
            ((o[:, :, 0] - y.T) ** 2).mean(axis=1),
            given=given,
            mistakes=_shape_mistakes(o, y),
        )
    y = np.random.default_rng(1).standard_normal((4, 6))
    given = "o: (6, 4, 1), o[t, n, 0] = y[n, t]"
    answer.equals(answer.call(y.T[:, :, None], y, given=given), np.zeros(6), given=given)


def _shape_mistakes(o: Array, y: Array) -> list[tuple[Array, str]]:
    T, B, _ = o.shape
    right = o[:, :, 0] - y.T
    mistakes = [
        (((o - y) ** 2).mean(axis=(1, 2)), "broadcast"),
        (((o[:, :, 0] - y.reshape(T, B)) ** 2).mean(axis=1), "reshaped"),
        ((right**2).mean(axis=0), "mean-over-time"),
        ((right**2).sum(axis=1), "sum"),
        (np.sqrt((right**2).mean(axis=1)), "root"),
        ((right**2).mean(), "one-mean"),
        (np.abs(right).mean(axis=1), "absolute"),
        (right.mean(axis=1) ** 2, "mean-first"),
    ]
    if T == B:
        mistakes.insert(  # first: a reshape gives the same here, but is told of at an earlier case
            0, (((o[:, :, 0] - y) ** 2).mean(axis=1), "not-transposed")
        )
    if B == 1:
        mistakes.append((((o.squeeze() - y.T) ** 2).mean(axis=1), "squeezed"))
    return mistakes
