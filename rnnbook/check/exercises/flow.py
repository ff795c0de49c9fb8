"""The exercises of the chapter `flow`: steps to a thousandth, a bound, three fates, exponents, a step size."""

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise


@exercise(
    "flow-1",
    hints=(
        (
            "n steps back the gradient is 0.8ⁿ times that at h_T.",
            "往回退 n 步，梯度是 h_T 处的 0.8ⁿ 倍。",
        ),
        (
            "Take logarithms of 0.8ⁿ < 0.001; log 0.8 is negative, so dividing by it turns the inequality round.",
            "对 0.8ⁿ < 0.001 取对数；log 0.8 是负数，除以它时不等号要反过来。",
        ),
        ("n > 30.96. Which is the first whole number?", "n > 30.96。第一个满足的整数是几？"),
    ),
)
def steps(answer: Answer) -> None:
    right = int(np.ceil(np.log(1e-3) / np.log(0.8)))
    answer.equals(
        answer.value(kind="integer"),
        right,
        mistakes=[
            (right - 1, ("0.8³⁰ = 0.00124 is still above a thousandth.", "0.8³⁰ = 0.00124，还在千分之一以上。")),
            (
                right + 1,
                (
                    "n counts the steps between h_{T−n} and h_T, not the states.",
                    "n 数的是 h_{T−n} 与 h_T 之间的步，不是状态。",
                ),
            ),
            (
                int(np.ceil(np.log(1e-3) / np.log(0.9))),
                ("The factor is 0.8, not 0.9.", "因子是 0.8，不是 0.9。"),
            ),
            (
                int(np.ceil(np.log10(1e-3) / np.log(0.8))),
                ("Both logarithms must have the same base.", "两个对数的底要相同。"),
            ),
            (
                int(np.ceil(-1 / np.log(0.8))),
                (
                    "That is the horizon, where 1/e is left; a thousandth is asked for.",
                    "这是视界，剩下 1/e；要的是千分之一。",
                ),
            ),
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


@exercise(
    "flow-2",
    arguments=("W_h", "slopes"),
    hints=(
        (
            "J_t = diag(φ'(a_t)) W_h: each slope multiplies a row. In NumPy: slopes[t][:, None] * W_h.",
            "J_t = diag(φ'(a_t)) W_h：每个斜率乘一行。用 NumPy 写：slopes[t][:, None] * W_h。",
        ),
        (
            "The bound is a product of T numbers; the truth is one norm, of a product of T matrices.",
            "上界是 T 个数的乘积；真值是 T 个矩阵相乘之后的一个范数。",
        ),
        (
            "Begin with product = np.eye(H); for each step product = J @ product.",
            "从 product = np.eye(H) 开始，每一步 product = J @ product。",
        ),
    ),
)
def bound_and_truth(answer: Answer) -> None:
    for T, H in ((4, 3), (1, 2), (7, 5)):
        rng = np.random.default_rng(10 * T + H)
        W_h, slopes = rng.standard_normal((H, H)), rng.uniform(0.1, 1.0, (T, H))
        given = f"T={T}, H={H}"
        bound, truth = answer.call(W_h, slopes, given=given, returns=("bound", "truth"))
        J = [slope[:, None] * W_h for slope in slopes]
        columns = [W_h * slope for slope in slopes]
        reverse = ("The later Jacobian stands on the left: J @ product.", "后面的雅可比矩阵在左边：J @ product。")
        rows = (
            "diag(φ') W_h scales the rows of W_h; you scaled its columns, or transposed it.",
            "diag(φ') W_h 缩放的是 W_h 的行；你缩放的是列，或者把 W_h 转置了。",
        )
        missing = (
            "One step is missing: all T Jacobians count, the first and the last too.",
            "少了一步：T 个雅可比矩阵都要算，头尾都不能漏。",
        )
        largest: list[tuple[float, Text]] = [
            (float(np.prod([_norm(A) for A in columns])), rows),
            (
                _norm(W_h) ** T,
                ("That leaves the slopes out.", "这里没有用到斜率。"),
            ),
            (
                (float(slopes.max()) * _norm(W_h)) ** T,
                (
                    "That is the coarser bound (γ σ_max(W_h))^T; use the norm of each J_t.",
                    "这是更粗的上界 (γ σ_max(W_h))^T；要用每个 J_t 的范数。",
                ),
            ),
            (
                float(np.prod([np.abs(np.linalg.eigvals(A)).max() for A in J])),
                (
                    "These are spectral radii; they bound nothing. Use the norm.",
                    "这是谱半径，它不是上界。要用范数。",
                ),
            ),
            (
                float(np.prod([np.linalg.norm(A) for A in J])),
                (
                    "That is the Frobenius norm; give np.linalg.norm the second argument 2.",
                    "这是 Frobenius 范数；np.linalg.norm 的第二个参数要写 2。",
                ),
            ),
            (
                float(sum(_norm(A) for A in J)),
                ("The norms are multiplied, not added.", "范数要相乘，不是相加。"),
            ),
            (_norm(_product(J)), ("First the bound, then the truth.", "先返回上界，再返回真值。")),
            *((float(np.prod([_norm(A) for A in some])), missing) for some in (J[1:], J[:-1])),
        ]
        if T == 1:  # one step: order and products cannot be told apart
            largest = largest[:1]
        answer.equals(bound, np.asarray(np.prod([_norm(A) for A in J])), given=given, name="bound", mistakes=largest)
        exact: list[tuple[float, Text]] = [
            (_norm(_product(J[::-1])), reverse),
            (_norm(_product(columns)), rows),
            *(
                (
                    _norm(start * np.prod(J, axis=0)),
                    (
                        "`*` multiplies entry by entry; a product of matrices is `@`.",
                        "`*` 是逐元素相乘；矩阵相乘要用 `@`。",
                    ),
                )
                for start in (np.ones((H, H)), np.eye(H))
            ),
            (_norm(np.linalg.matrix_power(W_h, T)), ("That leaves the slopes out.", "这里没有用到斜率。")),
            (
                float(np.linalg.norm(_product(J))),
                (
                    "That is the Frobenius norm; give np.linalg.norm the second argument 2.",
                    "这是 Frobenius 范数；np.linalg.norm 的第二个参数要写 2。",
                ),
            ),
            (
                float(np.abs(np.linalg.eigvals(_product(J))).max()),
                ("That is the spectral radius of the product.", "这是乘积的谱半径。"),
            ),
        ]
        answer.equals(
            truth, np.asarray(_norm(_product(J))), given=given, name="truth", mistakes=exact if T > 1 else exact[1:2]
        )


def _with(rho: float, corner: float) -> Array:
    return np.array([[rho, corner], [0.0, rho]])


@exercise(
    "flow-3",
    arguments=("W",),
    hints=(
        (
            "The end is decided by the spectral radius: np.abs(np.linalg.eigvals(W)).max().",
            "结局由谱半径决定：np.abs(np.linalg.eigvals(W)).max()。",
        ),
        (
            "For ρ < 1: can ‖Wⁿ‖ exceed 1 if ‖W‖ ≤ 1? Remember ‖Wⁿ‖ ≤ ‖W‖ⁿ.",
            "ρ < 1 时：若 ‖W‖ ≤ 1，‖Wⁿ‖ 会不会超过 1？想想 ‖Wⁿ‖ ≤ ‖W‖ⁿ。",
        ),
        (
            "So with ρ < 1 it is transient exactly if np.linalg.norm(W, 2) > 1.",
            "所以 ρ < 1 时，先升后降当且仅当 np.linalg.norm(W, 2) > 1。",
        ),
    ),
)
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
                (
                    "explode" if right != "explode" else "",
                    (
                        f"The spectral radius is {rho:.3g}, below 1: in the end the powers go to 0.",
                        f"谱半径是 {rho:.3g}，小于 1：幂最终趋于 0。",
                    ),
                ),
                (
                    "vanish" if right == "transient" else "",
                    (
                        f"The norm of W itself is {sigma:.3g}, above 1: there is a rise before the fall.",
                        f"W 本身的范数是 {sigma:.3g}，大于 1：先升后降。",
                    ),
                ),
                (
                    "transient" if right == "vanish" else "",
                    (
                        f"The norm of W is {sigma:.3g}, so no power exceeds 1. Use the largest singular value.",
                        f"W 的范数是 {sigma:.3g}，所以没有哪个幂的范数超过 1。要用最大奇异值。",
                    ),
                ),
                (
                    got if right == "explode" else "",
                    (
                        f"The largest modulus of an eigenvalue is {rho:.3g}, above 1; an eigenvalue may be negative "
                        "or complex, and the largest need not be the first.",
                        f"特征值的模最大是 {rho:.3g}，大于 1；特征值可能是负数或复数，要取模；最大的也未必排在第一个。",
                    ),
                ),
            ],
        )


@exercise(
    "flow-4",
    arguments=("W_h",),
    hints=(
        (
            "Carry out one step of the QR method from Q = I: what is the R of a triangular matrix?",
            "从 Q = I 出发走一步 QR：三角矩阵的 R 是什么？",
        ),
        (
            "The exponents are log |diagonal entry|. Do not forget the modulus and the order.",
            "指数是 log |对角元|。别忘了取绝对值，也别忘了排序。",
        ),
        ("np.sort sorts upwards; [::-1] turns it round.", "np.sort 是从小到大；[::-1] 倒过来。"),
    ),
)
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
                (
                    np.log(np.linalg.svd(W_h, compute_uv=False)),
                    (
                        "These are logarithms of singular values: they are right for one step, not for the rate.",
                        "这是奇异值的对数：只管一步，不是变化率。",
                    ),
                ),
                (np.log(np.abs(diagonal)), ("Sort them, the largest first.", "要排序，从大到小。")),
                (right[::-1], ("The largest comes first.", "最大的放在最前面。")),
                (
                    np.sort(np.abs(right))[::-1],
                    (
                        "The modulus belongs inside the logarithm only: an exponent may be negative.",
                        "绝对值只取在对数里面：指数可以是负的。",
                    ),
                ),
                (
                    -right[::-1],
                    (
                        "Not minus the logarithm: a growing direction has a positive exponent.",
                        "对数前面没有负号：增长的方向，指数为正。",
                    ),
                ),
                (right / np.log(10), ("The logarithm is the natural one.", "要用自然对数。")),
                (
                    right[0],
                    ("All H exponents are wanted, not only the largest.", "要全部 H 个指数，不只是最大的一个。"),
                ),
                (
                    np.sort(np.abs(diagonal))[::-1],
                    ("These are the factors per step; take their logarithms.", "这是每步的因子，还要取对数。"),
                ),
                (
                    np.sort(diagonal)[::-1],
                    ("These are the eigenvalues; take the logarithms of their moduli.", "这是特征值，还要取模的对数。"),
                ),
            ],
        )


@exercise(
    "flow-5",
    hints=(
        (
            "Each eigenvalue has its own limit, −2 Re λ / |λ|². All must be respected.",
            "每个特征值有自己的上限 −2 Re λ / |λ|²，全都要满足。",
        ),
        ("|−1 ± 6i|² = 1 + 36 = 37.", "|−1 ± 6i|² = 1 + 36 = 37。"),
        ("The limits are 2/37 and 2/30.", "两个上限是 2/37 和 2/30。"),
    ),
)
def limit_dt(answer: Answer) -> None:
    oscillation, fast = 2 / 37, 2 / 30
    answer.equals(
        answer.value(kind="number"),
        oscillation,
        rtol=2e-3,
        mistakes=[
            (
                fast,
                (
                    "That is the limit of λ = −30; the oscillating pair has a smaller one.",
                    "这是 λ = −30 的上限；振荡的那一对更小。",
                ),
            ),
            (
                2 / 37**0.5,
                ("Divide by |λ|², not by |λ|.", "要除以 |λ|²，不是 |λ|。"),
            ),
            (2 / 36, ("|λ|² has the real part too: 1 + 36.", "|λ|² 里也有实部：1 + 36。")),
            (2 / 35, ("|λ|² is 1 + 36: squares of both parts, added.", "|λ|² 是 1 + 36：两部分的平方相加。")),
            (1 / 37, ("The 2 of −2 Re λ is missing.", "漏了 −2 Re λ 里的 2。")),
            (2.0, ("That is 2/|Re λ|; the imaginary part counts as well.", "这是 2/|Re λ|；虚部也要算。")),
        ],
    )
