"""The exercises of the chapter `varma`: an ARMA from two units, an invertible twin, sizes, a capacity."""

import numpy as np

from rnnbook.check import Answer, Mistakes, exercise


def _one_by_one(answer: Answer, right: dict[str, tuple[float, Mistakes]], atol: float) -> None:
    """Each entry by its name, so that two mistakes at once are told one after the other; whole numbers will do."""
    values = answer.value(kind="array")
    answer.shape(values, (len(right),))
    for value, (name, (want, mistakes)) in zip(values, right.items(), strict=True):
        answer.equals(value, want, name=name, rtol=0, atol=atol, mistakes=mistakes)


@exercise(
    "varma-1",
    hints=(
        (
            "The characteristic polynomial of two units is z² − (trace) z + (determinant).",
            "两个单元的特征多项式是 z² − (迹) z + (行列式)。",
        ),
        (
            "c_1 = −trace, c_2 = determinant, and A_i = −c_i: mind the signs.",
            "c_1 = −迹，c_2 = 行列式，A_i = −c_i：当心正负号。",
        ),
        (
            "M_1 = C B_1 U with B_1 = W + c_1 I. Or: the echo after one step is C W U = A_1 + M_1.",
            "M_1 = C B_1 U，其中 B_1 = W + c_1 I。或者：一步之后的回声是 C W U = A_1 + M_1。",
        ),
    ),
)
def coefficients(answer: Answer) -> None:
    W, U, C = np.array([[0.5, -0.6], [0.4, 0.3]]), np.array([1.0, 0.0]), np.array([1.0, 0.5])
    trace, det = float(np.trace(W)), float(np.linalg.det(W))
    echo = float(C @ W @ U)
    M_1 = echo - trace
    other_side = (
        "That is c_1 or c_2; on the other side of the equation they change sign: A_i = −c_i.",
        "这是 c_1 或 c_2；移到等号另一边要变号：A_i = −c_i。",
    )
    entries: dict[str, tuple[float, Mistakes]] = {
        "A_1": (
            trace,
            [
                (-trace, other_side),
                (
                    -det,
                    ("That is A_2; the order is A_1, A_2, M_1.", "这是 A_2；次序是 A_1、A_2、M_1。"),
                ),
                (det, ("That is the determinant; A_1 is the trace.", "这是行列式；A_1 是迹。")),
            ],
        ),
        "A_2": (
            -det,
            [
                (
                    det,
                    (
                        "A_2 = −c_2, and c_2 is the determinant: the sign changes on the other side of the equation.",
                        "A_2 = −c_2，而 c_2 是行列式：移到等号另一边要变号。",
                    ),
                ),
                *(
                    (
                        wrong,
                        (
                            "The determinant is 0.5·0.3 − (−0.6)·0.4: two minus signs make a plus.",
                            "行列式是 0.5·0.3 − (−0.6)·0.4：两个负号成正。",
                        ),
                    )
                    for wrong in (0.09, -0.09)
                ),
            ],
        ),
        "M_1": (
            M_1,
            [
                (
                    echo,
                    (
                        "C W U is the echo after one step, A_1 + M_1; subtract A_1.",
                        "C W U 是一步之后的回声，等于 A_1 + M_1；还要减去 A_1。",
                    ),
                ),
                (
                    echo + trace,
                    (
                        "B_1 = W + c_1 I with c_1 = −0.8: subtract, not add.",
                        "B_1 = W + c_1 I，c_1 = −0.8：是减，不是加。",
                    ),
                ),
                (
                    float(C @ W.T @ U) - trace,
                    (
                        "You multiplied by the transpose of W: W U is the first column of W.",
                        "你乘的是 W 的转置：W U 是 W 的第一列。",
                    ),
                ),
                (-M_1, ("The sign of M_1: M_1 = C B_1 U, as it stands.", "M_1 的符号错了：M_1 = C B_1 U，不变号。")),
                (
                    0.0,
                    (
                        "M_1 is not zero: y reads both units, and the second hears x one step late.",
                        "M_1 不是零：y 读两个单元，而第二个单元晚一步才听到 x。",
                    ),
                ),
                (
                    W[0, 0] - trace,
                    (
                        "That is the first unit alone; y reads the second one too, with weight 0.5.",
                        "这只算了第一个单元；y 还以 0.5 的权重读第二个。",
                    ),
                ),
            ],
        ),
    }
    _one_by_one(answer, entries, atol=1e-4)


@exercise(
    "varma-2",
    arguments=("m", "variance"),
    hints=(
        (
            "The twin must have the same (1 + m²)·variance and the same m·variance.",
            "孪生模型的 (1 + m²)·方差 和 m·方差 都要与原来相同。",
        ),
        (
            "Divide the two equations: m + 1/m must stay. So the new m is either m or 1/m.",
            "两式相除：m + 1/m 不能变，所以新的 m 不是 m 就是 1/m。",
        ),
        (
            "If |m| > 1 take 1/m; then m·variance stays the same only if the variance is multiplied by m².",
            "|m| > 1 时取 1/m；要让 m·方差 不变，方差就得乘以 m²。",
        ),
    ),
)
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
                (
                    inverse,
                    (
                        "This model is invertible already: return it as it is.",
                        "这个模型本来就可逆，原样返回即可。",
                    ),
                )
                if inside
                else (m, ("|m| > 1: this model is not invertible yet.", "|m| > 1，这个模型还不可逆。")),
                (abs(m) if inside else abs(inverse), ("m keeps its sign.", "m 的正负号要保留。")),
                (
                    variance if inside else m**2 * variance,
                    ("First m, then the variance.", "先返回 m，再返回方差。"),
                ),
            ],
        )
        answer.equals(
            got_variance,
            variance if inside else m**2 * variance,
            given=given,
            name="variance",
            mistakes=[
                (
                    wrong,
                    (
                        "This model is invertible already: its variance stays as it is.",
                        "这个模型本来就可逆，方差不变。",
                    ),
                )
                for wrong in (m**2 * variance, abs(m) * variance, variance / m**2 if m else np.nan)
            ]
            if inside
            else [
                (variance, ("The variance changes with m.", "m 变了，方差也要变。")),
                (
                    variance / m**2,
                    ("Multiply by m², do not divide: the innovations are larger.", "要乘以 m²，不是除：新息更大。"),
                ),
                (
                    abs(m) * variance,
                    (
                        "The factor is m², not m: m·variance must stay the same.",
                        "倍数是 m²，不是 m：m·方差 要保持不变。",
                    ),
                ),
            ],
        )


@exercise(
    "varma-3",
    hints=(
        (
            "Write the polynomials z^p − A_1 z^(p−1) − … and z^q + M_1 z^(q−1) + …, and look for a common root.",
            "写出两个多项式 z^p − A_1 z^(p−1) − … 和 z^q + M_1 z^(q−1) + …，看有没有公共的根。",
        ),
        (
            "A common root cancels: that mode is never heard. (a) is really an AR(1).",
            "公共的根会约掉：那个模态听不见。（a）其实是 AR(1)。",
        ),
        (
            "With a skip and no common root, ARMA(p, q) needs p units if p ≥ q, and q + 1 if q > p.",
            "有直通项、没有公共根时，ARMA(p, q) 在 p ≥ q 时需要 p 个单元，q > p 时需要 q + 1 个。",
        ),
    ),
)
def sizes(answer: Answer) -> None:
    entries: dict[str, tuple[float, Mistakes]] = {
        "a": (
            1,
            [
                (
                    2,
                    (
                        "z² − 0.9z + 0.2 = (z − 0.5)(z − 0.4), and z − 0.4 stands on the other side too.",
                        "z² − 0.9z + 0.2 = (z − 0.5)(z − 0.4)，而 z − 0.4 在另一边也有。",
                    ),
                ),
                (
                    3,
                    (
                        "That is the history form, the largest of the three.",
                        "这是历史形式的大小，三种形式里最大的一种。",
                    ),
                ),
            ],
        ),
        "b": (
            2,
            [
                (
                    1,
                    (
                        "The degree is 1, but a unit with μ = 0 forgets e at once, before it can be heard a step "
                        "later; one more unit must hold it.",
                        "次数是 1，但 μ = 0 的单元立刻忘掉 e，等不到下一步；要再加一个单元把它留住。",
                    ),
                ),
            ],
        ),
        "c": (
            1,
            [
                (
                    2,
                    (
                        "With a skip one unit is enough: C = (a + m)/a, D = −m/a.",
                        "有直通项时一个单元就够：C = (a + m)/a，D = −m/a。",
                    ),
                ),
                (
                    0,
                    (
                        "The pole is 0.5, the zero −0.5: they differ, and nothing cancels.",
                        "极点是 0.5，零点是 −0.5：并不相同，约不掉。",
                    ),
                ),
            ],
        ),
        "d": (
            2,
            [
                (
                    1,
                    (
                        "z² − 0.5 has two different roots, and both are heard.",
                        "z² − 0.5 有两个不同的根，两个都听得见。",
                    ),
                ),
            ],
        ),
    }
    _one_by_one(answer, entries, atol=1e-6)


@exercise(
    "varma-4",
    hints=(
        (
            "The sum is the number of independent directions that the input reaches, at most 6.",
            "总和等于输入能到达的独立方向的个数，至多 6。",
        ),
        (
            "Two unconnected units with the same μ always hold the same number, up to a factor.",
            "互不相连的两个单元若 μ 相同，装的就是同一个数，至多差一个倍数。",
        ),
        (
            "So count the different μ in (a) and in (c). In (b) write down what each unit holds.",
            "所以（a）和（c）只要数有几个不同的 μ；（b）把每个单元装着什么写出来。",
        ),
    ),
)
def capacities(answer: Answer) -> None:
    entries: dict[str, tuple[float, Mistakes]] = {
        "a": (
            4,
            [
                (
                    6,
                    (
                        "Six is the bound, but units 1 and 2 are copies of each other, and so are 3 and 4.",
                        "6 是上界；但单元 1 和 2 互为副本，3 和 4 也是。",
                    ),
                ),
                (
                    2,
                    (
                        "A unit that shares its μ is not lost altogether; each pair counts once.",
                        "与别人共用 μ 的单元并没有全丢；每一对还算一个。",
                    ),
                ),
                (
                    3,
                    (
                        "−0.2 counts too; a mode that alternates is a mode.",
                        "−0.2 也算，正负交替的模态也是模态。",
                    ),
                ),
            ],
        ),
        "b": (
            6,
            [
                (
                    1,
                    (
                        "All μ are 0 here, but the units are connected; unit i holds the input of i − 1 steps before.",
                        "这里 μ 全是 0，但单元是相连的；单元 i 装着 i − 1 步之前的输入。",
                    ),
                ),
                (5, ("The delay k = 0 counts too.", "延迟 k = 0 也算。")),
            ],
        ),
        "c": (
            1,
            [
                (
                    6,
                    (
                        "With one μ for all, every unit holds the same number times its weight in U.",
                        "μ 全都一样，每个单元装的是同一个数乘上自己在 U 里的权重。",
                    ),
                ),
                (
                    0,
                    (
                        "A long memory is faint, but summed over all delays it is a whole number of inputs: how many "
                        "different numbers do the units hold?",
                        "记得久，每一步就记得模糊，可是把所有延迟加起来，恰好是整数个输入：这些单元装着几个不同的数？",
                    ),
                ),
            ],
        ),
    }
    _one_by_one(answer, entries, atol=1e-3)
