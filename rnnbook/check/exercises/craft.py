"""The exercises of the chapter `craft`: what a leak keeps, and its gradients."""

import numpy as np

from rnnbook.check import Answer, Array, exercise


def _leak(x: Array, a: float) -> Array:
    h, states = 0.0, []
    for x_t in x:
        h = a * h + float(x_t)
        states.append(h)
    return np.array(states)


@exercise("craft-1")
def left(answer: Answer) -> None:
    answer.equals(answer.value("number"), 0.81, rtol=1e-3, mistakes=[(0.729, "three"), (0.9, "one")])


@exercise("craft-2", arguments=("x", "a"))
def leak(answer: Answer) -> None:
    for T, a in ((1, 0.9), (5, 0.5), (8, 0.95)):
        rng, given = np.random.default_rng(T), f"T={T}, a={a}"
        x = rng.standard_normal(T)
        answer.equals(answer.call(x, a, given=given), _leak(x, a), given=given, mistakes=[(np.cumsum(x), "no-leak")])


@exercise("craft-3")
def steps(answer: Answer) -> None:
    answer.equals(answer.value("integer"), 4, mistakes=[(3, "before")])


@exercise("craft-4", arguments=("T", "a"))
def gradient_x(answer: Answer) -> None:
    for T, a in ((3, 0.9), (6, 0.5)):
        want, given = a ** np.arange(T - 1.0, -1.0, -1.0), f"T={T}, a={a}"
        answer.equals(answer.call(T, a, given=given), want, given=given, mistakes=[(a * want, "too-far")])


@exercise("craft-5", arguments=("x", "a"))
def gradient_a(answer: Answer) -> None:
    for T, a in ((1, 0.9), (4, 0.5), (7, 0.8)):
        rng, given, e = np.random.default_rng(T), f"T={T}, a={a}", 1e-6
        x = rng.standard_normal(T)
        want = (_leak(x, a + e)[-1] - _leak(x, a - e)[-1]) / (2 * e)
        answer.equals(answer.call(x, a, given=given), want, given=given, rtol=1e-6, atol=1e-6)
