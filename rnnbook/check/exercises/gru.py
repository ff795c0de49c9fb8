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


@exercise(
    "gru-1",
    arguments=("W_x", "W_h", "b"),
    hints=(
        (
            "np.split(W_x, 3) gives the three blocks of rows, here z, r, n. Put them together again as r, z, n.",
            "np.split(W_x, 3) 给出三块行，这里依次是 z、r、n。按 r、z、n 重新拼起来。",
        ),
        (
            "The gate that keeps is 1 - σ(a) = σ(-a): what must happen to the rows that make a?",
            "起保留作用的门是 1 - σ(a) = σ(-a)：算出 a 的那几行该怎么变？",
        ),
        (
            "np.concatenate([r, -z, n]), for each of the three arrays, the bias included.",
            "三个数组都做 np.concatenate([r, -z, n])，偏置也不例外。",
        ),
    ),
)
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
                    (same[k], ("These are the rows as they were given.", "这几行原样没动。")),
                    (
                        plain[k],
                        (
                            "The order is right; the rows of z still have their old sign.",
                            "次序对了；z 的各行还是原来的符号。",
                        ),
                    ),
                    (
                        in_place[k],
                        (
                            "The rows of z are negated; the order must become r, z, n.",
                            "z 的各行已变号；次序还要换成 r、z、n。",
                        ),
                    ),
                    (
                        first_flipped[k],
                        (
                            "You negated the first block after the exchange, which is r; z is the second now.",
                            "你把对调之后的第一块变了号，那是 r；z 现在是第二块。",
                        ),
                    ),
                    (
                        reset_too[k],
                        (
                            "The reset gate means the same in both: its rows keep their sign.",
                            "重置门在两种约定里意思相同，它的各行不变号。",
                        ),
                    ),
                    (
                        candidate_too[k],
                        (
                            "The candidate means the same in both: its rows keep their sign.",
                            "候选状态在两种约定里意思相同，它的各行不变号。",
                        ),
                    ),
                    (
                        all_flipped[k],
                        ("Negate the block of z only.", "只有 z 那一块变号。"),
                    ),
                    (
                        from_one[k],
                        (
                            "1 - σ(a) is not σ(1 - a): negate the rows, do not subtract them from 1.",
                            "1 - σ(a) 不等于 σ(1 - a)：各行是变号，不是用 1 去减。",
                        ),
                    ),
                ],
            )


@exercise(
    "gru-2",
    arguments=("I", "H", "cell", "library"),
    hints=(
        (
            "One block has W_x: (H, I), W_h: (H, H) and one or two bias vectors of H numbers.",
            "一块有 W_x：(H, I)，W_h：(H, H)，还有一个或两个长度为 H 的偏置向量。",
        ),
        (
            "Elman has 1 block, a GRU 3, an LSTM 4.",
            "Elman 有 1 块，GRU 有 3 块，LSTM 有 4 块。",
        ),
        (
            "Two bias vectors: always in PyTorch; in Keras only for the GRU.",
            "每块有两个偏置向量的：PyTorch 的全部单元，Keras 的 GRU。",
        ),
    ),
)
def parameters(answer: Answer) -> None:
    blocks = {"Elman": 1, "GRU": 3, "LSTM": 4}
    for I, H in ((10, 20), (7, 3)):
        for cell, G in blocks.items():
            for library in ("textbook", "PyTorch", "Keras"):
                biases = 2 if library == "PyTorch" or (library, cell) == ("Keras", "GRU") else 1
                given = f'I={I}, H={H}, "{cell}", "{library}"'
                count = G * H * (I + H + biases)
                wrong_biases = (
                    ("Here there are two bias vectors per block.", "这里每块有两个偏置向量。")
                    if biases == 2
                    else ("Here there is one bias vector per block.", "这里每块只有一个偏置向量。")
                )
                answer.equals(
                    answer.call(I, H, cell, library, given=given),
                    count,
                    given=given,
                    mistakes=[
                        (G * H * (I + H + 3 - biases), wrong_biases),
                        (G * H * (I + H), ("You forgot the biases.", "漏了偏置。")),
                        (
                            G * H * (I + H + 1) + H if cell == "GRU" else np.nan,
                            (
                                "That is this book's GRU, with b_n; all blocks have equally many biases here.",
                                "这是本书的 GRU，多一个 b_n；这里各块的偏置个数相同。",
                            ),
                        ),
                        (H * (I + H + biases), ("Multiply by the number of blocks.", "要乘以块数。")),
                        (
                            G * H * (I + H) + biases * H,
                            ("Every block has biases of its own.", "每一块都有自己的偏置。"),
                        ),
                        (
                            (G - 1) * H * (I + H + biases),
                            (
                                "The candidate has weights too: an LSTM has 4 blocks, a GRU 3, Elman 1.",
                                "候选状态也有权重：LSTM 有 4 块，GRU 有 3 块，Elman 有 1 块。",
                            ),
                        ),
                        (
                            G * I * (I + H + biases),
                            ("A block has H rows, not I.", "一块有 H 行，不是 I 行。"),
                        ),
                    ],
                )


@exercise(
    "gru-3",
    hints=(
        (
            "Look at the distance to 1. By which factor can one step shrink it at most?",
            "看它到 1 的距离。走一步，这个距离至少还剩原来的几倍？",
        ),
        (
            "1 - h_t = z(1 - h_{t-1}) + (1 - z)(1 - n), and n is at most 1, so 1 - h_t ≥ z(1 - h_{t-1}).",
            "1 - h_t = z(1 - h_{t-1}) + (1 - z)(1 - n)，而 n 不超过 1，所以 1 - h_t ≥ z(1 - h_{t-1})。",
        ),
        (
            "The distance is 1.5 at first, and at least the share 0.9 of it stays at every step. And after twenty?",
            "距离起初是 1.5，每走一步至少还剩 0.9 倍。二十步之后呢？",
        ),
    ),
)
def highest(answer: Answer) -> None:
    z, n, start = 0.9, 20, -0.5
    left = z**n
    answer.equals(
        answer.value(kind="number"),
        1 - (1 - start) * left,
        rtol=2e-3,
        mistakes=[
            (
                1 - left,
                ("That is the bound from h_0 = 0; here h_0 = -0.5.", "这是从 0 出发的界；这里 h_0 = -0.5。"),
            ),
            (
                1 - (1 + start) * left,
                ("The distance from -0.5 to 1 is 1.5, not 0.5.", "从 -0.5 到 1 的距离是 1.5，不是 0.5。"),
            ),
            (
                start * left,
                (
                    "That is what is left of h_0; the candidate may have pulled the state up meanwhile.",
                    "这只是 h_0 剩下的部分；其间候选状态可以把状态往上拉。",
                ),
            ),
            (
                (1 - start) * left,
                (
                    "That is the distance to 1 that must remain; subtract it from 1.",
                    "这是到 1 至少还剩的距离，要用 1 减去它。",
                ),
            ),
            (
                1.0,
                (
                    "1 holds for any gate; with z at least 0.9 and twenty steps there is a lower one.",
                    "1 对任何门都成立；z 不低于 0.9、只走二十步，还有更低的界。",
                ),
            ),
            (
                1 - (1 - start) * z,
                ("That is the bound for h_1; nineteen more steps.", "这是 h_1 的界，还差十九步。"),
            ),
            (
                1 - (1 - start) * z ** (n - 1),
                ("Off by one: from h_0 to h_20 there are twenty steps.", "差了一步：从 h_0 到 h_20 是二十步。"),
            ),
            (
                1 - (1 - start) * z ** (n + 1),
                ("Off by one: from h_0 to h_20 there are twenty steps.", "差了一步：从 h_0 到 h_20 是二十步。"),
            ),
        ],
    )


@exercise(
    "gru-4",
    arguments=("a", "b"),
    hints=(
        (
            "Try T = 2 on paper: h_2 = a_2 (a_1 h_0 + b_1) + b_2. What are A and B?",
            "在纸上试 T = 2：h_2 = a_2 (a_1 h_0 + b_1) + b_2。A 和 B 各是什么？",
        ),
        (
            "Begin with the map that does nothing, (1, 0), and compose one step after the other onto it.",
            "从什么都不做的映射 (1, 0) 开始，一步一步复合上去。",
        ),
        (
            "One step later: A becomes a_t * A, and B becomes a_t * B + b_t.",
            "多走一步：A 变成 a_t * A，B 变成 a_t * B + b_t。",
        ),
    ),
)
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
                (a.sum(axis=0), ("The factors multiply, they do not add.", "各步的因子是相乘，不是相加。")),
                (a[1:].prod(axis=0), ("The first step is missing.", "漏了第一步。")),
                (a[:-1].prod(axis=0), ("The last step is missing.", "漏了最后一步。")),
                (
                    a.cumprod(axis=0),
                    (
                        "These are the products up to every step; give that of all steps.",
                        "这是到每一步为止的乘积；只要全部各步的乘积。",
                    ),
                ),
                (
                    _applied(a, b, np.zeros(H)),
                    ("You return (B, A); the factor A comes first.", "你返回的是 (B, A)；因子 A 在前。"),
                ),
            ],
        )
        answer.equals(
            B,
            _applied(a, b, np.zeros(H)),
            given=given,
            name="B",
            mistakes=[
                (
                    _applied(a[::-1], b[::-1], np.zeros(H)),
                    (
                        "The order is reversed: the later step stands on the left and multiplies what came before.",
                        "次序反了：后一步在左边，乘的是前面得到的结果。",
                    ),
                ),
                (
                    b.sum(axis=0),
                    ("What came earlier must be multiplied by the later a.", "先到的 b 要乘上后面各步的 a。"),
                ),
                (
                    _applied(a, b, np.ones(H)),
                    ("B belongs to the start h_0 = 0; begin with B = 0.", "B 对应 h_0 = 0：从 B = 0 开始。"),
                ),
                (b[-1], ("The earlier steps are missing.", "漏了前面各步。")),
                (
                    _applied(a.cumprod(axis=0), b, np.zeros(H)),
                    (
                        "B is multiplied by a_t, not by the whole product A: compute B before A, or both at once.",
                        "乘在 B 上的是 a_t，不是整个乘积 A：先算 B 再算 A，或者两个一起算。",
                    ),
                ),
                (
                    (a.prod(axis=0) * b).sum(axis=0),
                    (
                        "b_t is multiplied by the later a only, not by all of them.",
                        "b_t 只乘它后面的那些 a，不是全部。",
                    ),
                ),
            ],
        )


def _applied(a: Array, b: Array, h: Array) -> Array:
    """h_T of h_t = a_t h_{t-1} + b_t from h. a, b: (T, H), h: (H,) -> (H,)."""
    for a_t, b_t in zip(a, b, strict=True):
        h = a_t * h + b_t
    return h
