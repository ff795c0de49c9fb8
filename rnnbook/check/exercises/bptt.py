"""The exercises of the chapter `bptt`: three steps back, the read-out, a cell with a shortcut, a table's reach."""

import numpy as np

from rnnbook.check import Answer, Array, exercise


@exercise("bptt-1")
def delta_1(answer: Answer) -> None:
    W_h, W_x, b, y_2, y_3 = -0.8, 0.5, 0.1, 0.5, -0.3
    h_1 = np.tanh(W_x * 1 + b)
    h_2 = np.tanh(W_h * h_1 + W_x * -1 + b)
    h_3 = np.tanh(W_h * h_2 + W_x * 2 + b)
    s_1, s_2, s_3 = 1 - h_1**2, 1 - h_2**2, 1 - h_3**2
    delta_3 = s_3 * (h_3 - y_3)
    delta_2 = s_2 * (h_2 - y_2 + W_h * delta_3)
    right = s_1 * W_h * delta_2
    flat = s_2 * (h_2 - y_2 + W_h * (h_3 - y_3))
    mistakes: list[tuple[float, str]] = [
        (delta_2, "stops-at-delta_2"),
        (delta_3, "stops-at-delta_3"),
        (W_h * delta_2, "no-last-slope"),
        (s_1 * W_h * s_2 * (h_2 - y_2), "no-step-3"),
        (s_1 * W_h * s_2 * W_h * delta_3, "no-target-2"),
        (s_1 * (h_1 + W_h * delta_2), "target-1"),
        (s_1 * W_h * flat, "no-slope-3"),
        (s_1 * W_h * (h_2 - y_2 + W_h * delta_3), "no-slope-2"),
        (W_h * (h_2 - y_2 + W_h * (h_3 - y_3)), "no-slopes"),
        (s_1 * delta_2, "no-last-W_h"),
        (right / W_h * W_x, "through-W_x"),
        (s_1 * W_h * s_2 * (h_2 - y_2 - W_h * delta_3), "subtracted"),
        (-s_1 * W_h * s_2 * (h_2 - y_2 - W_h * delta_3), "lost-sign-W_h"),
        (s_1 * W_h * s_2 * (h_2 - y_2 + W_h * s_3 * (h_3 + y_3)), "lost-sign-y_3"),
        ((1 - h_1) * W_h * (1 - h_2) * (h_2 - y_2 + W_h * (1 - h_3) * (h_3 - y_3)), "slope-1-minus-h"),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=1.5e-3, mistakes=mistakes)


def _outer(left: Array, right: Array) -> Array:
    """Σ over steps and sequences of left right'. (T, B, N), (T, B, M) -> (N, M)."""
    return np.asarray(np.einsum("tbn,tbm->nm", left, right))


@exercise("bptt-2", arguments=("h", "o", "y", "m"))
def readout_gradients(answer: Answer) -> None:
    for T, B, H, O in ((5, 3, 4, 3), (2, 6, 3, 5), (1, 4, 2, 2)):
        rng = np.random.default_rng(T)
        h, z = np.tanh(rng.standard_normal((T, B, H))), rng.standard_normal((T, B, O))
        o = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        y = np.eye(O)[rng.integers(O, size=(T, B))]
        m = np.ones((T, B, 1))
        m[-1, : B // 2] = 0
        given = f"T={T}, B={B}, H={H}, O={O}"
        dV, dc = answer.call(h, o, y, m, given=given, returns=("dV", "dc"))
        d = m * (o - y) / m.sum()
        unmasked, whole = (o - y) / m.sum(), (o - y) / (T * B)
        one_step = d[-1]
        answer.equals(
            dV,
            _outer(d, h),
            given=given,
            name="dV",
            mistakes=[
                (_outer(d * m.sum(), h), "not-divided"),
                (_outer(d * m.sum() / (T * B), h), "divided-by-all"),
                (_outer(d * m.sum() / T, h), "divided-by-T"),
                (_outer(d * m.sum() / m.sum(axis=0), h), "per-sequence"),
                (_outer(unmasked, h), "unmasked"),
                (_outer(whole, h), "no-mask"),
                (one_step.T @ h[-1], "last-step-only"),
                (d.sum(axis=(0, 1)), "dc-first"),
                (_outer(d[1:], h[:-1]), "partner-before"),
            ],
        )
        answer.equals(
            dc,
            d.sum(axis=(0, 1)),
            given=given,
            name="dc",
            mistakes=[
                (d.sum(axis=0), "over-steps-only"),
                (d.sum(axis=1), "over-sequences-only"),
                (d.sum(axis=(0, 1)) * m.sum(), "not-divided"),
                (unmasked.sum(axis=(0, 1)), "unmasked"),
            ],
        )


def _shortcut_states(x: Array, h_0: Array, W_x: Array, W_h: Array, b: Array, alpha: float) -> tuple[Array, Array]:
    """h_t = h_{t-1} + α tanh(W_h h_{t-1} + W_x x_t + b): the states h_0..h_T, and tanh(a_1)..tanh(a_T)."""
    h, bends = [h_0], []
    for x_t in x:
        bends.append(np.tanh(h[-1] @ W_h.T + x_t @ W_x.T + b))
        h.append(h[-1] + alpha * bends[-1])
    return np.stack(h), np.stack(bends)


def _shortcut_gradient(
    h: Array, bends: Array, d: Array, W_h: Array, alpha: float, straight: float = 1.0, later: float = 1.0
) -> Array:
    """dL/dW_h. straight and later weight the two ways back from h_t to h_{t-1}; 1 is right."""
    dW_h, back = np.zeros_like(W_h), np.zeros_like(h[0])
    for t in range(len(d), 0, -1):
        g = d[t - 1] + back
        delta = alpha * (1 - bends[t - 1] ** 2) * g
        dW_h += delta.T @ h[t - 1]
        back = straight * g + later * delta @ W_h
    return dW_h


def _shortcut_mistakes(h: Array, bends: Array, d: Array, W_h: Array, alpha: float) -> list[tuple[Array, str]]:
    T = len(d)
    transposed, shifted = np.zeros_like(W_h), np.zeros_like(W_h)
    back_T, back = np.zeros_like(h[0]), np.zeros_like(h[0])
    for t in range(T, 0, -1):
        g_T, g = d[t - 1] + back_T, d[t - 1] + back
        delta_T = alpha * (1 - bends[t - 1] ** 2) * g_T
        delta = alpha * (1 - bends[t - 1] ** 2) * g
        transposed += delta_T.T @ h[t - 1]
        shifted += delta.T @ h[t]
        back_T, back = g_T + delta_T @ W_h.T, g + delta @ W_h
    right = _shortcut_gradient(h, bends, d, W_h, alpha)
    return [
        (_shortcut_gradient(h, bends, d, W_h, alpha, straight=0), "no-straight-arrow"),
        (_shortcut_gradient(h, bends, d, W_h, alpha, later=0), "straight-arrow-only"),
        (_shortcut_gradient(h, bends, d, W_h, alpha, straight=0, later=0), "nothing-back"),
        (_shortcut_gradient(h, bends, d, W_h, alpha, straight=alpha), "straight-alpha"),
        (right / alpha, "no-alpha"),
        (_shortcut_gradient(h, np.diff(h, axis=0), d, W_h, alpha), "alpha-squared"),
        (_shortcut_gradient(h, h[1:], d, W_h, alpha), "slope-at-state"),
        (transposed, "transposed"),
        (shifted, "partner-after"),
        (right / h.shape[1], "mean"),
    ]


@exercise("bptt-3", arguments=("x", "h_0", "d", "W_x", "W_h", "b", "alpha"))
def shortcut_gradient(answer: Answer) -> None:
    for T, B, I, H, alpha in ((1, 2, 3, 4, 0.7), (4, 3, 2, 5, 0.3), (7, 1, 4, 3, 1.5)):
        rng = np.random.default_rng(T)
        x, h_0, d = rng.standard_normal((T, B, I)), rng.standard_normal((B, H)), rng.standard_normal((T, B, H))
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        given = f"T={T}, B={B}, I={I}, H={H}, alpha={alpha}"
        h, bends = _shortcut_states(x, h_0, W_x, W_h, b, alpha)
        got = answer.call(x, h_0, d, W_x, W_h, b, alpha, given=given)
        answer.equals(
            got,
            _shortcut_gradient(h, bends, d, W_h, alpha),
            given=given,
            mistakes=_shortcut_mistakes(h, bends, d, W_h, alpha),
        )


def _reach(C: Array, share: float) -> Array:
    counts = []
    for t in range(len(C)):
        s = t
        while s >= 0 and C[t, s] >= share * C[t, t]:
            s -= 1
        counts.append(t - s)
    return np.array(counts)


@exercise("bptt-4", arguments=("C", "share"))
def reach(answer: Answer) -> None:
    waves = np.array(
        [
            [3.5, 0, 0, 0, 0],
            [1.8, 4.0, 0, 0, 0],
            [3.0, 0.1, 3.0, 0, 0],
            [0.3, 0.5, 1.0, 1.0, 0],
            [2.0, 2.0, 2.0, 0.7, 1.5],
        ]
    )
    steps = np.arange(12)
    fading = np.where(steps[:, None] >= steps, 3.0 * 0.8 ** (steps[:, None] - steps), 0)
    growing = np.where(steps[:, None] >= steps, 1.5 ** (steps[:, None] - steps), 0)
    entries = f"C={waves.tolist()}"
    tables = (
        (entries, waves, 0.5),
        (entries, waves, 0.25),
        ("C[t, s] = 3 · 0.8^(t−s), T=12", fading, 0.1),
        ("C[t, s] = 1.5^(t−s), T=12", growing, 0.5),
    )
    for name, C, share in tables:
        T = len(C)
        given = f"{name}, share={share}"
        want = _reach(C, share)
        lower = np.tril(np.ones_like(C))
        diagonal = np.diag(C)[:, None]
        largest = C.max(axis=1, keepdims=True)
        from_largest = np.array([_run(C[t, : t + 1], share * largest[t, 0]) for t in range(T)])
        by_column = np.array([_run(C[s:, s][::-1], share * C[s, s]) for s in range(T)])
        with np.errstate(divide="ignore", invalid="ignore"):
            stepwise = [_run(np.append(C[t, :t] / C[t, 1 : t + 1], 1.0), share) for t in range(T)]
        answer.equals(
            answer.call(C, share, given=given),
            want,
            given=given,
            mistakes=[
                (((share * diagonal <= C) & (lower > 0)).sum(axis=1), "counts-beyond"),
                (want - 1, "not-own-step"),
                (np.minimum(want, np.arange(T)), "not-first-state"),
                (np.array([_run(C[t, : t + 1] / np.diag(C)[: t + 1], share) for t in range(T)]), "other-diagonals"),
                (
                    np.array([max(_run(C[t, : s + 1], share * C[t, t]) for s in range(t + 1)) for t in range(T)]),
                    "longer-run-elsewhere",
                ),
                (np.array([_run(C[t, : t + 1], share) for t in range(T)]), "no-diagonal"),
                (from_largest, "from-largest"),
                (np.array(stepwise), "neighbours"),
                (want[-1], "last-row-only"),
                (by_column, "by-column"),
                (
                    np.array([_run(C[t, : t + 1], np.nextafter(share * C[t, t], np.inf)) for t in range(T)]),
                    "strictly-more",
                ),
            ],
        )


def _run(row: Array, threshold: float) -> int:
    """How many entries from the end of the row are at least the threshold, without a gap."""
    small = np.flatnonzero(row[::-1] < threshold)
    return int(small[0]) if len(small) else len(row)
