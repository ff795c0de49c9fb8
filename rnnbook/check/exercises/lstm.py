"""The exercises of the chapter `lstm`: the belt, a stuck gate, the direct path, a forget bias."""

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


@exercise("lstm-3", arguments=("f", "dc_T"))
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


@exercise("lstm-4", arguments=("p", "n"))
def forget_bias(answer: Answer) -> None:
    for p, n in ((0.1, 60), (0.5, 100), (0.9, 7), (0.25, 2), (0.3, 1)):
        f = p ** (1 / n)
        right = np.log(f / (1 - f))
        mistakes: list[tuple[float, str]] = [
            (f, "gate"),
            (-right, "sign"),
            (np.log(f), "log-f"),
            (np.log(p / (1 - p)), "one-step"),
            (np.log(p**n / (1 - p**n)), "power"),
            (np.log(p / (n - p)), "quotient"),
            (np.arctanh(f), "arctanh"),
            (np.log(p / (1 - p)) / n, "bias-divided"),
            (n * np.log(p / (1 - p)), "bias-multiplied"),
            (np.log10(f / (1 - f)), "base-10"),
            (np.log(n / -np.log(p)), "approximation"),
        ]
        if n == 1:
            mistakes = mistakes[:3]
        given = f"p={p}, n={n}"
        answer.equals(answer.call(p, n, given=given), np.asarray(right), given=given, mistakes=mistakes)
