"""The exercises of the chapter `smoothing`: a filter with gaps, variances, units, a hidden Markov step, leaks."""

from typing import Any

import numpy as np

from rnnbook.check import Answer, Array, Mistakes, exercise


def _near(values: Array, want: Array) -> bool:
    return len(values) == len(want) and np.allclose(values, want, equal_nan=True)


def _filtered(
    y: Array,
    a: float,
    q: float,
    r: float,
    m: float,
    P: float,
    *,
    predict_first: bool = False,
    square: bool = True,
    surer: bool = False,
    gain_of_r: bool = False,
) -> tuple[Array, Array]:
    """m_f and P_f of s_t = a s_{t−1} + w_t, y_t = s_t + v_t, each (T,); NaN in y marks a gap.

    The keywords are mistakes: surer lowers P at a gap as well.
    """
    means, variances = [], []
    factor = a * a if square else a
    for y_t in y:
        if predict_first:
            m, P = a * m, factor * P + q
        K = (r if gain_of_r else P) / (P + r)
        if not np.isnan(y_t):
            m, P = m + K * (y_t - m), (1 - K) * P
        elif surer:
            P = (1 - K) * P
        means.append(m)
        variances.append(P)
        if not predict_first:
            m, P = a * m, factor * P + q
    return np.array(means), np.array(variances)


def _standing_still(y: Array, a: float, q: float, r: float, m: float, P: float) -> tuple[Array, Array]:
    """The mistake of one who skips the step in time together with the measurement."""
    means, variances = [], []
    for y_t in y:
        if not np.isnan(y_t):
            K = P / (P + r)
            m_f, P_f = m + K * (y_t - m), (1 - K) * P
            m, P = a * m_f, a * a * P_f + q
        else:
            m_f, P_f = m, P
        means.append(m_f)
        variances.append(P_f)
    return np.array(means), np.array(variances)


def _repeated(y: Array) -> Array:
    """y with each gap filled by the last measurement before it, 0 before the first."""
    filled = [0.0]
    for y_t in y:
        filled.append(filled[-1] if np.isnan(y_t) else float(y_t))
    return np.array(filled[1:])


def _predicted(y: Array, a: float, q: float, r: float, m: float, P: float) -> tuple[Array, Array]:
    """The predictions m_t and P_t, from before each measurement."""
    m_f, P_f = _filtered(y, a, q, r, m, P)
    return np.array([m, *(a * m_f[:-1])]), np.array([P, *(a * a * P_f[:-1] + q)])


@exercise("smoothing-1", arguments=("y", "a", "q", "r", "m", "P"))
def filter_with_gaps(answer: Answer) -> None:
    cases = (
        (7, (2, 3), (0.8, 0.5, 2.0, 0.3, 1.5)),
        (5, (0, 4), (1.0, 0.2, 0.7, -1.0, 3.0)),
        (6, (), (-0.5, 1.0, 0.4, 2.0, 0.6)),
    )
    for T, gaps, numbers in cases:
        y = np.random.default_rng(T).standard_normal(T)
        y[list(gaps)] = np.nan
        a, q, r, m, P = numbers
        given = f"T={T}, a={a}, q={q}, r={r}, m={m}, P={P}" + (f", NaN: t={[t + 1 for t in gaps]}" if gaps else "")
        got = answer.call(y, *numbers, given=given, returns=("m_f", "P_f"))
        want = _filtered(y, *numbers)
        at_gaps = bool(gaps) and any(np.array_equal(np.isnan(one), np.isnan(y)) for one in got)
        answer.require(not at_gaps, "nan-left", given=given)
        answer.require(not np.isnan(got[0]).any(), "nan-spreads", given=given)
        wrong: list[tuple[tuple[Array, Array], str]] = [
            (_standing_still(y, *numbers), "standing-still"),
            (_predicted(y, *numbers), "predictions"),
            (_filtered(y, *numbers, predict_first=True), "predicted-first"),
            (_filtered(y, *numbers, square=False), "a-not-squared"),
            (_filtered(y, a, 0.0, r, m, P), "no-q"),
            (_filtered(y, a, q**2, r, m, P), "q-squared"),
            (_filtered(y, *numbers, gain_of_r=True), "gain-of-r"),
            (want[::-1], "exchanged"),
            ((want[0], np.sqrt(want[1])), "deviations"),
        ]
        if gaps:
            wrong += [
                (_filtered(np.nan_to_num(y), *numbers), "zeros"),
                (_filtered(_repeated(y), *numbers), "repeated"),
                (_filtered(y, *numbers, surer=True), "surer"),
                (_filtered(y[~np.isnan(y)], *numbers), "left-out"),
            ]
        for name, n in (("m_f", 0), ("P_f", 1)):
            # A mistake that shows in m_f has been told of there.
            mistakes = [
                (values[n], text)
                for values, text in wrong
                if not _near(values[n], want[n]) and all(_near(values[k], want[k]) for k in range(n))
            ]
            answer.equals(got[n], want[n], given=given, name=name, mistakes=mistakes)


@exercise("smoothing-2")
def variances(answer: Answer) -> None:
    P, P_f, P_s = 4.0, 2.0, 4 / 3
    exchanged = (4 + np.sqrt(16 + 32)) / 2
    K = exchanged / (exchanged + 2)
    answer.equals(
        answer.values("P", "P_f", "P_s"),
        np.array([P, P_f, P_s]),
        rtol=2e-3,
        mistakes=[
            *((order, "order") for order in ([P_s, P_f, P], [P_f, P, P_s], [P_s, P, P_f], [P_f, P_s, P])),
            ([P, P_s, P_f], "exchanged"),
            (np.sqrt([P, P_f, P_s]), "deviations"),
            ([1.0, 0.5, 1 / 3], "units-of-r"),
            ([P, P_f, P_f / 2], "one-half"),
            ([P, P_f, 2 / 3], "ratio"),
            ([P, 0.5, P_s], "gain"),
            ([P, P_f, 1 / 3], "P_s-over-r"),
            ([exchanged, 2 * K, 2 * K / (2 - K)], "q-and-r-exchanged"),
            ([P, P_f, ...], "P-and-P_f-right"),
            ([P, ..., ...], "P-right"),
            (..., "begin-with-P"),
        ],
    )


@exercise("smoothing-3")
def sizes(answer: Answer) -> None:
    # The first that is wrong is told of.
    mistakes: Mistakes = [
        ([3, 6, 1], "temperature"),
        ([3, 6, 2], "temperature"),
        *(([few, ..., ...], "velocity") for few in (0, 1)),
        ([3, ..., ...], "temperature"),
        ([2, 4, ...], "position"),
        ([2, 2, ...], "one-direction"),
        ([2, 5, ...], "skip"),
        *(([2, many, ...], "without-skip") for many in (6, 8)),
        ([2, ..., ...], "halves"),
        (..., "enough"),
    ]
    answer.equals(answer.values("a", "b", "c"), np.array([2.0, 4.0, 1.0]), rtol=1e-6, mistakes=mistakes)


@exercise("smoothing-4", arguments=("p", "A", "b_t"))
def hmm_step(answer: Answer) -> None:
    for n in (3, 5, 2):
        rng = np.random.default_rng(n)
        p, b_t = rng.dirichlet(np.ones(n)), rng.uniform(0.1, 2.0, n)
        A = rng.dirichlet(np.ones(n), n)
        joint = b_t * (A.T @ p)
        given = f"n={n}"

        def normal(x: Array) -> Array:
            return np.asarray(x / x.sum())

        answer.equals(
            answer.call(p, A, b_t, given=given),
            normal(joint),
            given=given,
            mistakes=[
                (joint, "not-normalised"),
                (normal(b_t * (A @ p)), "transposed"),
                (b_t * (A @ p), "transposed"),
                (normal(A.T @ (b_t * p)), "corrected-first"),
                (normal(b_t * p), "no-prediction"),
                (normal(A @ (b_t * p)), "backward"),
                (normal(b_t + A.T @ p), "added"),
                (normal(b_t * (p[:, None] * A).max(axis=0)), "largest"),
                *((pairs, "pairs") for pairs in (b_t * p[:, None] * A, normal(b_t * p[:, None] * A))),
                *(
                    (wrong, "elementwise")
                    for pairs in (b_t * (p * A), b_t * (A.T * p))
                    for wrong in (pairs, normal(pairs))
                ),
                (joint.sum(), "sum"),
                (np.log(normal(joint)), "logarithms"),
                (A.T @ p, "prediction-only"),
                (joint / np.linalg.norm(joint), "euclidean"),
                (np.exp(joint) / np.exp(joint).sum(), "softmax"),
            ],
        )


@exercise("smoothing-5")
def leaks(answer: Answer) -> None:
    right = (0, 1, 0, 1, 0)
    mistakes: list[tuple[Any, str]] = [([1 - one for one in right], "inverted")]
    # The first that is wrong is told of: those before it are right, those behind it are anything.
    mistakes += [([*right[:n], 1 - right[n], *[...] * (4 - n)], name) for n, name in enumerate("abcde")]
    answer.equals(answer.values("a", "b", "c", "d", "e", among=(0, 1)), right, mistakes=mistakes)
