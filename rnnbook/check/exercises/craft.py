"""The exercises of the chapter `craft`: clipping, Cayley's map, a residual's eigenvalue, truncation, a log."""

from typing import Any

import numpy as np

from rnnbook.check import Answer, Array, exercise


def _cosine(u: Array, v: Array) -> float:
    return float(u.ravel() @ v.ravel() / np.linalg.norm(u) / np.linalg.norm(v))


@exercise("craft-1")
def cosine_by_value(answer: Answer) -> None:
    g, c = np.array([6.0, 2.0, 3.0]), 2.5
    short = np.clip(g, -c, c)
    right = _cosine(g, short)
    mistakes: list[tuple[float, str]] = [
        (1.0, "by-norm"),
        (float(g @ short), "dot"),
        (float(g @ short / (g @ g)), "one-length"),
        (float(g @ short / np.linalg.norm(g) ** 2 / np.linalg.norm(short) ** 2), "squares"),
        (float(np.linalg.norm(short) / np.linalg.norm(g)), "lengths"),
        (float(np.degrees(np.arccos(right))), "angle"),
        (float(np.arccos(right)), "angle"),
        (_cosine(g, np.full(3, c)), "all-cut"),
        (_cosine(g, np.where(g > c, c, 0)), "small-lost"),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=6e-4, mistakes=mistakes)


def _norm(gradients: list[Array]) -> float:
    return float(np.sqrt(sum(float((g**2).sum()) for g in gradients)))


def _clipped(gradients: list[Array], c: float) -> list[Array]:
    norm = _norm(gradients)
    return [g * min(1.0, c / norm) if norm > 0 else g for g in gradients]


@exercise("craft-2", arguments=("dW_h", "dW_x", "db", "c"))
def clip(answer: Answer) -> None:
    rng = np.random.default_rng(0)
    shapes, names = ((3, 3), (3, 2), (3,)), ("dW_h", "dW_x", "db")
    random = [3 * rng.standard_normal(shape) for shape in shapes]
    zeros = [np.zeros(shape) for shape in shapes]
    cases = ((random, 1.0), ([100 * g for g in random], 0.5), (random, 90.0), (zeros, 1.0))
    for gradients, c in cases:
        given = f"|g|={_norm(gradients):.4g}, c={c:g}"
        got = answer.call(*gradients, c, given=given, returns=names)
        for k, (name, part, want) in enumerate(zip(names, got, _clipped(gradients, c), strict=True)):
            answer.equals(part, want, given=given, name=name, mistakes=_clip_mistakes(gradients, c, k))


def _clip_mistakes(gradients: list[Array], c: float, k: int) -> list[tuple[Array, str]]:
    """What entry k is where each array has its own norm, and so on."""
    norms = [float(np.linalg.norm(g)) for g in gradients]
    norm, summed, squared = float(np.sqrt(sum(n**2 for n in norms))), sum(norms), sum(n**2 for n in norms)
    g = gradients[k]
    if norm == 0:
        return [(np.full_like(g, np.nan), "zero")]
    return [
        (g * min(1, c / norms[k]) if norms[k] else g, "each-its-own"),
        (np.clip(g, -c, c), "by-value"),
        (g * c / norm, "always"),
        (g / norm, "to-one"),
        (g * min(1, c / summed), "sum-of-norms"),
        (g * min(1, c / squared), "no-root"),
        (g * max(1, c / norm), "lengthened"),
    ]


@exercise("craft-3", arguments=("theta",))
def turn(answer: Answer) -> None:
    for theta in (1.0, -0.7, 2.0, 0.0, 30.0):
        A = np.array([[0, -theta], [theta, 0]])
        one = np.eye(2)
        right = np.linalg.solve(one - A / 2, one + A / 2)
        mistakes: list[tuple[Array, str]] = [] if theta == 0 else _turn_mistakes(theta, right)
        answer.equals(answer.call(theta, given=f"theta={theta}"), right, given=f"theta={theta}", mistakes=mistakes)


def _rotation(omega: float) -> Array:
    return np.array([[np.cos(omega), -np.sin(omega)], [np.sin(omega), np.cos(omega)]])


def _turn_mistakes(theta: float, right: Array) -> list[tuple[Array, str]]:
    one, A, k = np.eye(2), np.array([[0, -theta], [theta, 0]]), theta / 2
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    return [
        (right.T, "other-way"),
        (_rotation(theta), "exponential"),
        (_rotation(float(np.arctan(k))), "half"),
        (_rotation(2 * float(np.arctan(theta))), "no-half"),
        (one + A / 2, "no-inverse"),
        ((1 - k**2) * one + 2 * k * J, "no-divisor"),
        (((1 + k**2) * one + 2 * k * J) / (1 + k**2), "sign"),
        (((1 - k**2) * one + k * J) / (1 + k**2), "single-k"),
    ]


@exercise("craft-4")
def left(answer: Answer) -> None:
    alpha, mu, n = 0.9, 0.5j, 50
    right = abs(alpha + (1 - alpha) * mu) ** n
    mistakes: list[tuple[float, str]] = [
        (alpha**n, "lane-alone"),
        (abs(alpha + (1 - alpha) * abs(mu)) ** n, "added-lengths"),
        (abs(alpha + (1 - alpha) * mu), "one-step"),
        (abs(mu) ** n, "layer-alone"),
        (abs(alpha + mu) ** n, "no-share"),
        (abs(alpha + (1 - alpha) * mu) ** (2 * n), "no-root"),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0.01, atol=0, mistakes=mistakes)


def _cuts(g: Array, k: int) -> tuple[Array, Array, Array]:
    """The whole gradient, that of a window and that of chunks; g: (T, T, P)."""
    t, s = np.indices(g.shape[:2])
    return g.sum(axis=(0, 1)), g[t - s < k].sum(axis=0), g[t // k == s // k].sum(axis=0)


@exercise("craft-5", arguments=("g", "k"))
def cut_cosines(answer: Answer) -> None:
    for T, P, k in ((6, 4, 2), (7, 3, 3), (5, 5, 1), (4, 2, 4)):
        rng = np.random.default_rng(10 * T + k)
        g = rng.standard_normal((T, T, P)) * np.tril(np.ones((T, T)))[..., None]
        whole, window, chunks = _cuts(g, k)
        right = np.array([_cosine(whole, window), _cosine(whole, chunks)])
        given = f"T={T}, P={P}, k={k}"
        answer.equals(answer.call(g, k, given=given), right, given=given, mistakes=_cut_mistakes(g, k, right))


def _cut_mistakes(g: Array, k: int, right: Array) -> list[tuple[Array, str]]:
    t, s = np.indices(g.shape[:2])
    whole, window, chunks = _cuts(g, k)
    longer = g[t - s <= k].sum(axis=0)
    shifted = g[(t + 1) // k == (s + 1) // k].sum(axis=0)
    dots = np.array([whole @ window, whole @ chunks])
    found: list[tuple[Array, str]] = [
        (np.array([_cosine(whole, longer), right[1]]), "window-too-long"),
        (np.array([right[0], _cosine(whole, shifted)]), "chunks-shifted"),
        (right[::-1].copy(), "swapped"),
        (dots, "no-lengths"),
        (dots / (whole @ whole), "one-length"),
        (np.array([right[0], right[0]]), "window-twice"),
    ]
    if k > 1:
        found.append((np.array([_cosine(whole, g[t - s < k - 1].sum(axis=0)), right[1]]), "window-too-short"))
    return found


@exercise("craft-6")
def remedies(answer: Answer) -> None:
    right = (2, 3, 4)
    wrong = {"P": {1: "p-clip", 3: "p-dropout", 4: "p-standardise"}}
    wrong["Q"] = {1: "q-clip", 2: "q-orthogonal", 4: "q-standardise"}
    wrong["R"] = {1: "r-clip", 2: "r-orthogonal", 3: "r-dropout"}
    # The first that is wrong is told of: those before it are right, those behind it are anything.
    mistakes: list[tuple[Any, str]] = [
        ([*right[:k], number, *[...] * (2 - k)], said)
        for k, told in enumerate(wrong.values())
        for number, said in told.items()
    ]
    answer.equals(answer.values("P", "Q", "R", among=(1, 2, 3, 4)), right, mistakes=mistakes)
