"""The exercises of the chapter `flow`: steps to a thousandth, a bound, three fates, exponents, a step size."""

import numpy as np

from rnnbook.check import Answer, Array, exercise


@exercise("flow-1")
def steps(answer: Answer) -> None:
    right = int(np.ceil(np.log(1e-3) / np.log(0.8)))
    answer.equals(
        answer.value(kind="integer"),
        right,
        mistakes=[
            (right - 1, "one-too-few"),
            (right + 1, "counts-states"),
            (int(np.ceil(np.log(1e-3) / np.log(0.9))), "other-factor"),
            (int(np.ceil(np.log10(1e-3) / np.log(0.8))), "mixed-bases"),
            (int(np.ceil(-1 / np.log(0.8))), "horizon"),
        ],
    )


def _norm(A: Array) -> float:
    return float(np.linalg.norm(A, 2))


def _product(factors: list[Array]) -> Array:
    """Later factors on the left."""
    found = np.eye(len(factors[0]))
    for factor in factors:
        found = factor @ found
    return np.asarray(found)


@exercise("flow-2", arguments=("W_h", "slopes"))
def bound_and_truth(answer: Answer) -> None:
    for T, H in ((4, 3), (1, 2), (7, 5)):
        rng = np.random.default_rng(10 * T + H)
        W_h, slopes = rng.standard_normal((H, H)), rng.uniform(0.1, 1.0, (T, H))
        given = f"T={T}, H={H}"
        bound, truth = answer.call(W_h, slopes, given=given, returns=("bound", "truth"))
        J = [slope[:, None] * W_h for slope in slopes]
        columns = [W_h * slope for slope in slopes]
        largest: list[tuple[float, str]] = [
            (float(np.prod([_norm(A) for A in columns])), "columns"),
            (_norm(W_h) ** T, "no-slopes"),
            ((float(slopes.max()) * _norm(W_h)) ** T, "coarser"),
            (float(np.prod([np.abs(np.linalg.eigvals(A)).max() for A in J])), "spectral-radii"),
            (float(np.prod([np.linalg.norm(A) for A in J])), "frobenius"),
            (float(sum(_norm(A) for A in J)), "added"),
            (_norm(_product(J)), "truth-first"),
            *((float(np.prod([_norm(A) for A in some])), "missing-step") for some in (J[1:], J[:-1])),
        ]
        if T == 1:  # one step: order and products cannot be told apart
            largest = largest[:1]
        answer.equals(bound, np.asarray(np.prod([_norm(A) for A in J])), given=given, name="bound", mistakes=largest)
        exact: list[tuple[float, str]] = [
            (_norm(_product(J[::-1])), "reversed"),
            (_norm(_product(columns)), "columns"),
            *((_norm(start * np.prod(J, axis=0)), "elementwise") for start in (np.ones((H, H)), np.eye(H))),
            (_norm(np.linalg.matrix_power(W_h, T)), "no-slopes"),
            (float(np.linalg.norm(_product(J))), "frobenius"),
            (float(np.abs(np.linalg.eigvals(_product(J))).max()), "spectral-radius"),
        ]
        answer.equals(
            truth, np.asarray(_norm(_product(J))), given=given, name="truth", mistakes=exact if T > 1 else exact[1:2]
        )


def _with(rho: float, corner: float) -> Array:
    return np.array([[rho, corner], [0.0, rho]])


@exercise("flow-3", arguments=("W",))
def fate(answer: Answer) -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    cases: list[tuple[str, Array, str]] = [
        ("W = 0.9 I", 0.9 * np.eye(3), "vanish"),
        ("W = [[0.95, 1], [0, 0.95]]", _with(0.95, 1.0), "transient"),
        ("W = [[0.95, 0.01], [0, 0.95]]", _with(0.95, 0.01), "vanish"),
        ("W = [[1.5, -1.5], [1.5, -1.5]]", np.array([[1.5, -1.5], [1.5, -1.5]]), "transient"),
        ("W = [[0, 2], [0, 0]]", np.array([[0.0, 2.0], [0.0, 0.0]]), "transient"),
        ("W = [[0, 1], [0, 0]]", np.array([[0.0, 1.0], [0.0, 0.0]]), "vanish"),
        ("W = -1.2", np.array([[-1.2]]), "explode"),
        ("W = 1.1 [[0, -1], [1, 0]]", 1.1 * turn, "explode"),
        ("W = 0.8 [[0, -1], [1, 0]]", 0.8 * turn, "vanish"),
        ("W = diag(0.1, 1.01, 0.1)", np.diag([0.1, 1.01, 0.1]), "explode"),
        ("W = [[0.2, 5], [0, 1.1]]", np.array([[0.2, 5.0], [0.0, 1.1]]), "explode"),
        # Frobenius norm above 1, largest entry and singular value below.
        ("W = 0.7 [[1, -1], [1, 1]]", 0.7 * np.array([[1, -1], [1, 1]]), "vanish"),
        # All entries below 1, norm above.
        ("W = 0.45 np.triu(np.ones((4, 4)), 1)", 0.45 * np.triu(np.ones((4, 4)), 1), "transient"),
        ("W = 0.4 np.ones((3, 3))", 0.4 * np.ones((3, 3)), "explode"),
    ]
    for given, W, right in cases:
        got = answer.choose(W, options=("vanish", "transient", "explode"), given=given)
        rho, sigma = np.abs(np.linalg.eigvals(W)).max(), _norm(W)
        answer.equals(
            got,
            right,
            given=given,
            mistakes=[
                ("explode" if right != "explode" else "", "says-explode", {"rho": rho}),
                ("vanish" if right == "transient" else "", "says-vanish", {"sigma": sigma}),
                ("transient" if right == "vanish" else "", "says-transient", {"sigma": sigma}),
                (got if right == "explode" else "", "explodes", {"rho": rho}),
            ],
        )


@exercise("flow-4", arguments=("W_h",))
def spectrum(answer: Answer) -> None:
    for H in (4, 2, 6):
        rng = np.random.default_rng(H)
        diagonal = rng.uniform(0.2, 2.0, H) * np.where(np.arange(H) % 2, -1.0, 1.0)
        W_h = np.triu(3 * rng.standard_normal((H, H)), 1) + np.diag(diagonal)
        given = f"H={H}"
        right = np.sort(np.log(np.abs(diagonal)))[::-1]
        answer.equals(
            answer.call(W_h, given=given),
            right,
            given=given,
            mistakes=[
                (np.log(np.linalg.svd(W_h, compute_uv=False)), "singular-values"),
                (np.log(np.abs(diagonal)), "unsorted"),
                (right[::-1], "ascending"),
                (np.sort(np.abs(right))[::-1], "modulus-outside"),
                (-right[::-1], "negated"),
                (right / np.log(10), "base-10"),
                (right[0], "largest-only"),
                (np.sort(np.abs(diagonal))[::-1], "factors"),
                (np.sort(diagonal)[::-1], "eigenvalues"),
            ],
        )


@exercise("flow-5")
def limit_dt(answer: Answer) -> None:
    oscillation, fast = 2 / 37, 2 / 30
    answer.equals(
        answer.value(kind="number"),
        oscillation,
        rtol=2e-3,
        mistakes=[
            (fast, "fast"),
            (2 / 37**0.5, "not-squared"),
            (2 / 36, "no-real-part"),
            (2 / 35, "subtracted"),
            (1 / 37, "no-factor-2"),
            (2.0, "real-part-only"),
        ],
    )
