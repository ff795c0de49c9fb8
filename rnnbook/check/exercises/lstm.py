"""The exercises of the chapter `lstm`: the belt, a stuck gate, a peephole, the direct path, a bias, a switch."""

import numpy as np

from rnnbook.check import Answer, Array, exercise

OPEN = ("i", "f", "o", "none")


def _sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def _states(x: Array, W_x: Array, W_h: Array, b: Array, stuck: str) -> tuple[Array, Array]:
    """h and c, each (T, B, H), of an LSTM that starts with zeros and has one gate stuck at 1."""
    H = W_h.shape[1]
    h = c = np.zeros((x.shape[1], H))
    hs, cs = [], []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W_x.T + h @ W_h.T + b, 4, axis=1)
        gate = {name: np.ones_like(a) if name == stuck else _sigmoid(a) for name, a in (("i", i), ("f", f), ("o", o))}
        c = gate["f"] * c + gate["i"] * np.tanh(g)
        h = gate["o"] * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack(hs), np.stack(cs)


@exercise("lstm-1")
def c_3(answer: Answer) -> None:
    f, i, g, o = (0.5, 0.9, 0.6), (0.5, 0.5, 0.25), (0.6, -0.8, 0.4), (0.9, 0.0, 0.5)
    c = [2.0]
    swapped = added = ungated = unsigned = tied = shown = 2.0
    for f_t, i_t, g_t, o_t in zip(f, i, g, o, strict=True):
        c.append(f_t * c[-1] + i_t * g_t)
        swapped = i_t * swapped + f_t * g_t
        added = added + i_t * g_t
        ungated = f_t * ungated + g_t
        unsigned = f_t * unsigned + i_t * abs(g_t)
        tied = f_t * tied + (1 - f_t) * g_t
        shown = o_t * np.tanh(f_t * shown + i_t * g_t)
    right = c[-1]
    from_zero = right - 2 * float(np.prod(f))
    mistakes: list[tuple[float, str]] = [
        (c[1], "stops-at-c_1"),
        (c[2], "stops-at-c_2"),
        (added, "no-forget-gate"),
        (ungated, "no-input-gate"),
        (unsigned, "lost-sign"),
        (swapped, "swapped"),
        (tied, "tied"),
        (from_zero, "from-zero"),
        (o[2] * np.tanh(right), "h_3"),
        (np.tanh(right), "tanh"),
        (o[2] * right, "output-gate"),
        (shown, "carries-h"),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=6e-4, mistakes=mistakes)


@exercise("lstm-2", arguments=("x", "h", "c", "W_x", "W_h", "b"))
def stuck_gate(answer: Answer) -> None:
    for T, B, I, H in ((5, 3, 2, 4), (6, 1, 3, 2), (4, 2, 5, 3)):
        rng = np.random.default_rng(100 * T + H)
        x = rng.standard_normal((T, B, I))
        W_x, W_h, b = (rng.standard_normal(shape) for shape in ((4 * H, I), (4 * H, H), (4 * H,)))
        for stuck in OPEN:
            h, c = _states(x, W_x, W_h, b, stuck)
            given = f"T={T}, B={B}, I={I}, H={H}"
            got = answer.choose(x, h, c, W_x, W_h, b, options=OPEN, given=given)
            answer.equals(got, stuck, given=given, mistakes=_confusions(stuck))


def _confusions(stuck: str) -> list[tuple[str, str]]:
    if stuck == "none":
        return [(gate, "none-stuck") for gate in "ifo"]
    missed = {"i": "missed-i", "f": "missed-f", "o": "missed-o"}
    return [("none", missed[stuck])] + [(gate, "wrong-gate") for gate in "ifo" if gate != stuck]


def _peephole(a: Array, w: Array, c_0: Array, p: Array) -> tuple[Array, Array]:
    """c_0..c_T: (T+1, H) and f_1..f_T: (T, H) of c_t = f_t c_{t−1} + w_t, f_t = σ(a_t + p c_{t−1})."""
    c, f = [c_0], []
    for a_t, w_t in zip(a, w, strict=True):
        f.append(_sigmoid(a_t + p * c[-1]))
        c.append(f[-1] * c[-1] + w_t)
    return np.stack(c), np.stack(f)


@exercise("lstm-3", arguments=("a", "w", "c_0", "p"))
def gradient_p(answer: Answer) -> None:
    for T, H in ((6, 3), (1, 2), (4, 1)):
        rng = np.random.default_rng(10 * T + H)
        a, w = rng.standard_normal((2, T, H))
        c_0, p = rng.standard_normal((2, H))
        c, f = _peephole(a, w, c_0, p)
        given = f"T={T}, H={H}"
        got = answer.call(a, w, c_0, p, given=given)

        def loss(p: Array, a: Array = a, w: Array = w, c_0: Array = c_0) -> float:
            return float(_peephole(a, w, c_0, p)[0][-1].sum())

        answer.gradient(got, loss, p, given=given, mistakes=_peephole_mistakes(c, f, p))


def _peephole_mistakes(c: Array, f: Array, p: Array) -> list[tuple[Array, str]]:
    """What comes out where one factor of the derivation is left out. c: (T+1, H), f: (T, H)."""
    old, slope = c[:-1], f * (1 - f)

    def summed(back: Array, local: Array) -> Array:
        bars = [np.ones_like(p)]
        for factor in back[:0:-1]:
            bars.append(bars[-1] * factor)
        return np.asarray((np.stack(bars[::-1]) * local).sum(axis=0))

    whole = f + p * old * slope
    mistakes: list[tuple[Array, str]] = [
        (summed(whole, old * slope), "once"),
        (summed(whole, old**2), "no-slope"),
        (summed(whole, c[1:] ** 2 * slope), "new-state"),
    ]
    if len(f) > 1:
        mistakes += [
            (summed(f, old**2 * slope), "direct-only"),
            (summed(f + old * slope, old**2 * slope), "no-p"),
            (summed(np.ones_like(f), old**2 * slope), "no-way-back"),
            (old[-1] ** 2 * slope[-1], "last-step"),
        ]
    return mistakes


@exercise("lstm-4", arguments=("f", "dc_T"))
def direct_path(answer: Answer) -> None:
    for T, B, H in ((5, 3, 2), (8, 1, 4), (1, 2, 3)):
        rng = np.random.default_rng(T)
        f, dc_T = rng.uniform(0.2, 1, (T, B, H)), rng.standard_normal((B, H))
        given = f"T={T}, B={B}, H={H}"
        answer.equals(answer.call(f, dc_T, given=given), _back(f, dc_T), given=given, mistakes=_path_mistakes(f, dc_T))


def _back(f: Array, dc_T: Array) -> Array:
    """∏_{s=t+1}^T f_s ⊙ dc_T for t = 0..T. f: (T, B, H) -> (T+1, B, H)."""
    after = np.cumprod(np.concatenate([np.ones_like(f[:1]), f[::-1]]), axis=0)[::-1]
    return np.asarray(after * dc_T)


def _path_mistakes(f: Array, dc_T: Array) -> list[tuple[Array, str]]:
    right = _back(f, dc_T)
    ones = np.ones_like(f[:1])
    forwards = np.concatenate([ones, np.cumprod(f, axis=0)]) * dc_T
    mistakes: list[tuple[Array, str]] = [
        (right[::-1], "reversed"),
        (right[:-1], "no-last"),
        (right[1:], "no-first"),
        (right[0], "c_0-only"),
        (right / dc_T, "no-dc_T"),
    ]
    if len(f) > 1:
        early = np.concatenate([_back(f[:-1], dc_T), dc_T[None]])
        mistakes += [
            (forwards, "gates-before"),
            (forwards[::-1], "gates-reversed"),
            (np.concatenate([f, ones]) * dc_T, "one-gate-only"),
            (np.concatenate([right[1:2], right[1:]]), "no-f_1"),
            (early, "no-f_T"),
            (np.concatenate([right[1:], dc_T[None]]), "off-by-one"),
        ]
    return mistakes


@exercise("lstm-5")
def b_f(answer: Answer) -> None:
    p, n = 0.5, 100
    f = p ** (1 / n)
    mistakes: list[tuple[float, str]] = [
        (f, "gate"),
        (np.log(f), "log-f"),
        (0.0, "one-step"),
        (np.log((p / n) / (1 - p / n)), "quotient"),
        (np.arctanh(f), "arctanh"),
        (np.log10(f / (1 - f)), "base-10"),
        (-np.log(1 - f), "log-rest"),
    ]
    right = np.log(f / (1 - f))
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=6e-3, mistakes=mistakes)


def _relu_states(x: Array, W_x: Array, W_h: Array, b: Array) -> Array:
    """h_T: (B, 2) of a ReLU network that starts with zeros. x: (T, B, 2)."""
    h = np.zeros((x.shape[1], 2))
    for x_t in x:
        h = np.maximum(x_t @ W_x.T + h @ W_h.T + b, 0)
    return h


@exercise("lstm-6", arguments=())
def switch(answer: Answer) -> None:
    W_x, W_h, b, V = answer.call(given="-", returns=("W_x", "W_h", "b", "V"))
    for name, got, shape in (("W_x", W_x, (2, 2)), ("W_h", W_h, (2, 2)), ("b", b, (2,)), ("V", V, (1, 2))):
        answer.shape(got, shape, given="-", name=name)
    for T, B, marks in ((3, 20, 1), (30, 40, 4), (200, 10, 9)):
        rng = np.random.default_rng(T)
        u, m = rng.uniform(0, 1, (T, B)), np.zeros((T, B))
        for k in range(B):
            m[rng.choice(T, marks, replace=False), k] = 1
        columns, last = np.arange(B), T - 1 - m[::-1].argmax(axis=0)
        marked = u[last, columns]
        mistakes: list[tuple[Array, str]] = [((u * m).sum(axis=0), "adds"), (np.zeros(B), "nothing")]
        if marks > 1:
            mistakes += [(u[m.argmax(axis=0), columns], "first"), ((u * m).max(axis=0), "largest")]
        o = (_relu_states(np.stack([u, m], axis=2), W_x, W_h, b) @ V.T)[:, 0]
        answer.equals(o, marked, given=f"T={T}, B={B}", mistakes=[*mistakes, (u[-1], "passes")])
