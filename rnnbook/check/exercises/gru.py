"""The exercises of the chapter `gru`: a conversion, a count, a bound, a composition."""

from collections.abc import Sequence

import numpy as np

from rnnbook.check import Answer, Array, exercise


def _blocks(weights: Sequence[Array], order: str, signs: Sequence[int] = (1, 1, 1)) -> list[Array]:
    """The weights, blocks of rows z, r, n, in another order, each block with its sign: "rzn", (1, -1, 1)."""
    converted = []
    for weight in weights:
        block = dict(zip("zrn", np.split(weight, 3), strict=True))
        converted.append(np.concatenate([sign * block[name] for name, sign in zip(order, signs, strict=True)]))
    return converted


@exercise("gru-1", arguments=("W_x", "W_h", "b"))
def to_book(answer: Answer) -> None:
    names = ("W_x", "W_h", "b")
    for H, I in ((2, 3), (4, 1)):
        rng = np.random.default_rng(H)
        weights = [rng.standard_normal(shape) for shape in ((3 * H, I), (3 * H, H), (3 * H,))]
        given = f"H={H}, I={I}"
        got = answer.call(*weights, given=given, returns=names)
        same = _blocks(weights, "zrn")
        right = _blocks(weights, "rzn", (1, -1, 1))
        plain = _blocks(weights, "rzn")
        in_place = _blocks(weights, "zrn", (-1, 1, 1))
        first_flipped = _blocks(weights, "rzn", (-1, 1, 1))
        reset_too = _blocks(weights, "rzn", (-1, -1, 1))
        candidate_too = _blocks(weights, "rzn", (1, -1, -1))
        all_flipped = _blocks(weights, "rzn", (-1, -1, -1))
        from_one = [np.concatenate([w[H : 2 * H], 1 - w[:H], w[2 * H :]]) for w in weights]
        for k, name in enumerate(names):
            answer.equals(
                got[k],
                right[k],
                given=given,
                name=name,
                mistakes=[
                    (same[k], "unchanged"),
                    (plain[k], "old-sign"),
                    (in_place[k], "old-order"),
                    (first_flipped[k], "reset-instead"),
                    (reset_too[k], "reset-too"),
                    (candidate_too[k], "candidate-too"),
                    (all_flipped[k], "all-negated"),
                    (from_one[k], "from-one"),
                ],
            )


@exercise("gru-2", arguments=("I", "H", "cell", "library"))
def parameters(answer: Answer) -> None:
    blocks = {"Elman": 1, "GRU": 3, "LSTM": 4}
    for I, H in ((10, 20), (7, 3)):
        for cell, G in blocks.items():
            for library in ("textbook", "PyTorch", "Keras"):
                biases = 2 if library == "PyTorch" or (library, cell) == ("Keras", "GRU") else 1
                given = f'I={I}, H={H}, "{cell}", "{library}"'
                count = G * H * (I + H + biases)
                wrong_biases = "one-bias-too-few" if biases == 2 else "one-bias-too-many"
                answer.equals(
                    answer.call(I, H, cell, library, given=given),
                    count,
                    given=given,
                    mistakes=[
                        (G * H * (I + H + 3 - biases), wrong_biases),
                        (G * H * (I + H), "no-biases"),
                        (G * H * (I + H + 1) + H if cell == "GRU" else np.nan, "book-gru"),
                        (H * (I + H + biases), "one-block"),
                        (G * H * (I + H) + biases * H, "shared-biases"),
                        ((G - 1) * H * (I + H + biases), "no-candidate"),
                        (G * I * (I + H + biases), "rows-I"),
                    ],
                )


@exercise("gru-3")
def highest(answer: Answer) -> None:
    z, n, start = 0.9, 20, -0.5
    left = z**n
    answer.equals(
        answer.value(kind="number"),
        1 - (1 - start) * left,
        rtol=2e-3,
        mistakes=[
            (1 - left, "from-zero"),
            (1 - (1 + start) * left, "other-distance"),
            (start * left, "rest-of-h_0"),
            ((1 - start) * left, "distance"),
            (1.0, "any-gate"),
            (1 - (1 - start) * z, "first-step"),
            (1 - (1 - start) * z ** (n - 1), "off-by-one"),
            (1 - (1 - start) * z ** (n + 1), "off-by-one"),
        ],
    )


@exercise("gru-4", arguments=("a", "b"))
def fold(answer: Answer) -> None:
    for T, H in ((2, 3), (1, 2), (5, 4), (8, 2)):
        rng = np.random.default_rng(T)
        a, b = rng.standard_normal((T, H)), rng.standard_normal((T, H))
        given = f"T={T}, H={H}"
        A, B = answer.call(a, b, given=given, returns=("A", "B"))
        answer.equals(
            A,
            a.prod(axis=0),
            given=given,
            name="A",
            mistakes=[
                (a.sum(axis=0), "added"),
                (a[1:].prod(axis=0), "no-first"),
                (a[:-1].prod(axis=0), "no-last"),
                (a.cumprod(axis=0), "every-product"),
                (_applied(a, b, np.zeros(H)), "B-first"),
            ],
        )
        answer.equals(
            B,
            _applied(a, b, np.zeros(H)),
            given=given,
            name="B",
            mistakes=[
                (_applied(a[::-1], b[::-1], np.zeros(H)), "reversed"),
                (b.sum(axis=0), "earlier-not-multiplied"),
                (_applied(a, b, np.ones(H)), "starts-at-one"),
                (b[-1], "last-only"),
                (_applied(a.cumprod(axis=0), b, np.zeros(H)), "A-first"),
                ((a.prod(axis=0) * b).sum(axis=0), "all-factors"),
            ],
        )


def _applied(a: Array, b: Array, h: Array) -> Array:
    """h_T of h_t = a_t h_{t-1} + b_t from h. a, b: (T, H), h: (H,) -> (H,)."""
    for a_t, b_t in zip(a, b, strict=True):
        h = a_t * h + b_t
    return h
