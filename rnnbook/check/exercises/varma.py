"""The exercises of the chapter `varma`: an ARMA from two units, an invertible twin, sizes, a capacity."""

import numpy as np

from rnnbook.check import Answer, Mistakes, exercise


def _one_by_one(answer: Answer, right: dict[str, tuple[float, Mistakes]], atol: float) -> None:
    """Each entry by its name, so that two mistakes at once are told one after the other; whole numbers will do."""
    values = answer.values(*right)
    for value, (name, (want, mistakes)) in zip(values, right.items(), strict=True):
        answer.equals(value, want, name=name, rtol=0, atol=atol, mistakes=mistakes)


@exercise("varma-1")
def coefficients(answer: Answer) -> None:
    W, U, C = np.array([[0.5, -0.6], [0.4, 0.3]]), np.array([1.0, 0.0]), np.array([1.0, 0.5])
    trace, det = float(np.trace(W)), float(np.linalg.det(W))
    echo = float(C @ W @ U)
    M_1 = echo - trace
    entries: dict[str, tuple[float, Mistakes]] = {
        "A_1": (trace, [(-trace, "other-side"), (-det, "A_2-first"), (det, "determinant")]),
        "A_2": (-det, [(det, "sign-of-A_2"), *((wrong, "sign-in-determinant") for wrong in (0.09, -0.09))]),
        "M_1": (
            M_1,
            [
                (echo, "echo"),
                (echo + trace, "added"),
                (float(C @ W.T @ U) - trace, "transposed"),
                (-M_1, "sign-of-M_1"),
                (0.0, "zero"),
                (W[0, 0] - trace, "first-unit-only"),
            ],
        ),
    }
    _one_by_one(answer, entries, atol=1e-4)


@exercise("varma-2", arguments=("m", "variance"))
def twin_of(answer: Answer) -> None:
    for m, variance in ((2.0, 1.0), (0.5, 4.0), (-4.0, 0.25), (-0.3, 2.0), (1.25, 3.0), (0.0, 1.5), (-1.1, 1.0)):
        given = f"m={m:g}, variance={variance:g}"
        got_m, got_variance = answer.call(m, variance, given=given, returns=("m", "variance"))
        inside = abs(m) < 1
        inverse = 1 / m if m else 0.0
        answer.equals(
            got_m,
            m if inside else inverse,
            given=given,
            name="m",
            mistakes=[
                (inverse, "invertible") if inside else (m, "not-invertible"),
                (abs(m) if inside else abs(inverse), "sign"),
                (variance if inside else m**2 * variance, "variance-first"),
            ],
        )
        answer.equals(
            got_variance,
            variance if inside else m**2 * variance,
            given=given,
            name="variance",
            mistakes=[
                (wrong, "variance-stays")
                for wrong in (m**2 * variance, abs(m) * variance, variance / m**2 if m else np.nan)
            ]
            if inside
            else [(variance, "variance-unchanged"), (variance / m**2, "divided"), (abs(m) * variance, "factor-m")],
        )


@exercise("varma-3")
def sizes(answer: Answer) -> None:
    entries: dict[str, tuple[float, Mistakes]] = {
        "a": (1, [(2, "common-root"), (3, "history")]),
        "b": (2, [(1, "degree")]),
        "c": (1, [(2, "no-skip"), (0, "cancelled")]),
        "d": (2, [(1, "one-root")]),
    }
    _one_by_one(answer, entries, atol=1e-6)


@exercise("varma-4")
def capacities(answer: Answer) -> None:
    entries: dict[str, tuple[float, Mistakes]] = {
        "a": (4, [(6, "bound"), (2, "pairs-lost"), (3, "alternating")]),
        "b": (6, [(1, "unconnected"), (5, "no-delay-0")]),
        "c": (1, [(6, "one-mode"), (0, "faint")]),
    }
    _one_by_one(answer, entries, atol=1e-3)
