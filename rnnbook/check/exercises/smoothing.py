"""The exercises of the chapter `smoothing`: a filter with gaps, variances, units, a hidden Markov step, leaks."""

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise


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


@exercise(
    "smoothing-1",
    arguments=("y", "a", "q", "r", "m", "P"),
    hints=(
        (
            "Begin with kalman_filter from above. np.isnan(y_t) says whether the measurement is missing.",
            "从上面的 kalman_filter 改起。np.isnan(y_t) 告诉你这个观测是否缺失。",
        ),
        (
            "Where it is missing, m_f and P_f are the prediction itself, m and P.",
            "缺失时，m_f 和 P_f 就是预测 m 和 P 本身。",
        ),
        (
            "The prediction for the next step is made in both cases: m = a·m_f, P = a²·P_f + q.",
            "下一步的预测两种情形都要做：m = a·m_f，P = a²·P_f + q。",
        ),
    ),
)
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
        untouched = (
            "A NaN of `y` came into the estimate: at a gap leave y_t out. `y_t == np.nan` is never true; use "
            "np.isnan(y_t).",
            "`y` 里的 NaN 混进了估计：缺失处不要用 y_t。`y_t == np.nan` 永远不成立，请用 np.isnan(y_t)。",
        )
        at_gaps = bool(gaps) and any(np.array_equal(np.isnan(one), np.isnan(y)) for one in got)
        unwritten = (
            "The result itself is NaN at the gaps. There too an estimate exists: the prediction.",
            "结果在缺失处仍是 NaN。那里也有估计，就是预测值。",
        )
        answer.require(not at_gaps, unwritten, given=given)
        answer.require(not np.isnan(got[0]).any(), untouched, given=given)
        wrong: list[tuple[tuple[Array, Array], Text]] = [
            (
                _standing_still(y, *numbers),
                (
                    "At a gap you also skip the prediction of the next step: time goes on without a measurement.",
                    "遇到缺失，你把下一步的预测也跳过了：没有观测，时间照样走。",
                ),
            ),
            (
                _predicted(y, *numbers),
                (
                    "These are the predictions; return what holds after the measurement.",
                    "这是预测值；要返回用过观测之后的值。",
                ),
            ),
            (
                _filtered(y, *numbers, predict_first=True),
                (
                    "m and P are those of s_1: correct first, then predict.",
                    "m 和 P 已经是 s_1 的：先修正，再预测。",
                ),
            ),
            (
                _filtered(y, *numbers, square=False),
                ("The variance is multiplied by a², not by a.", "方差要乘 a²，不是 a。"),
            ),
            (
                _filtered(y, a, 0.0, r, m, P),
                ("You forgot q: every step in time adds it.", "你漏了 q：时间每走一步都要加上它。"),
            ),
            (
                _filtered(y, a, q**2, r, m, P),
                ("q is a variance already; do not square it.", "q 已经是方差，不要再平方。"),
            ),
            (
                _filtered(y, *numbers, gain_of_r=True),
                ("The gain is P/(P + r), not r/(P + r).", "增益是 P/(P + r)，不是 r/(P + r)。"),
            ),
            (want[::-1], ("m_f and P_f are exchanged: return the means first.", "m_f 和 P_f 写反了：先返回均值。")),
            (
                (want[0], np.sqrt(want[1])),
                ("These are standard deviations; variances are asked for.", "这是标准差，要的是方差。"),
            ),
        ]
        if gaps:
            wrong += [
                (
                    _filtered(np.nan_to_num(y), *numbers),
                    (
                        "You took 0 for what is missing. Nothing was measured there, not zero.",
                        "你把缺失的观测当成了 0。那里什么也没测到，不是测到零。",
                    ),
                ),
                (
                    _filtered(_repeated(y), *numbers),
                    (
                        "You repeated the last measurement. At a gap there is none to correct with.",
                        "你重复使用了上一个观测。缺失处没有观测可用来修正。",
                    ),
                ),
                (
                    _filtered(y, *numbers, surer=True),
                    (
                        "At a gap P_f is P itself: without a measurement nothing becomes surer.",
                        "缺失处 P_f 就是 P：没有观测，把握不会变大。",
                    ),
                ),
                (
                    _filtered(y[~np.isnan(y)], *numbers),
                    (
                        "You left the gaps out of the series. They count as steps: time goes on.",
                        "你把缺失的步从序列里删掉了。它们也算一步：时间照样走。",
                    ),
                ),
            ]
        for name, n in (("m_f", 0), ("P_f", 1)):
            # A mistake that shows in m_f has been told of there.
            mistakes = [
                (values[n], text)
                for values, text in wrong
                if not _near(values[n], want[n]) and all(_near(values[k], want[k]) for k in range(n))
            ]
            answer.equals(got[n], want[n], given=given, name=name, mistakes=mistakes)


@exercise(
    "smoothing-2",
    hints=(
        (
            "A random walk has a = 1, so γ = q. Put q and r into the formula for P.",
            "随机游走是 a = 1，所以 γ = q。把 q 和 r 代入 P 的公式。",
        ),
        (
            "Then K = P/(P + r) and P_f = K·r.",
            "然后 K = P/(P + r)，P_f = K·r。",
        ),
        (
            "λ = 1 − K, and P_s/P_f = 1/(1 + λ). Or: P_s/r = √(k/(k + 4)) with k = q/r.",
            "λ = 1 − K，P_s/P_f = 1/(1 + λ)。或者：P_s/r = √(k/(k + 4))，k = q/r。",
        ),
    ),
)
def variances(answer: Answer) -> None:
    P, P_f, P_s = 4.0, 2.0, 4 / 3
    exchanged = (4 + np.sqrt(16 + 32)) / 2
    K = exchanged / (exchanged + 2)
    got = answer.value(kind="array")
    answer.shape(got, (3,))
    near = [bool(one) for one in np.abs(got - [P, P_f, P_s]) < 0.01]
    first: Text = ("Begin with P: it is the positive root of P² = q·P + q·r.", "先看 P：它是 P² = q·P + q·r 的正根。")
    if near[:2] == [True, True]:
        first = (
            "P and P_f are right. P_s is P_f/(1 + λ), λ = 1 − K.",
            "P 和 P_f 对了。P_s 等于 P_f/(1 + λ)，λ = 1 − K。",
        )
    elif near[0]:
        first = ("P is right. P_f is K·r with K = P/(P + r).", "P 对了。P_f 等于 K·r，K = P/(P + r)。")
    answer.equals(
        got,
        np.array([P, P_f, P_s]),
        rtol=2e-3,
        mistakes=[
            *(
                (
                    order,
                    ("The three numbers are right; their order is P, P_f, P_s.", "三个数都对；次序应是 P、P_f、P_s。"),
                )
                for order in ([P_s, P_f, P], [P_f, P, P_s], [P_s, P, P_f], [P_f, P_s, P])
            ),
            (
                [P, P_s, P_f],
                (
                    "P_f and P_s are exchanged; the smoother's error is the smaller.",
                    "P_f 和 P_s 写反了，平滑器的误差更小。",
                ),
            ),
            (
                np.sqrt([P, P_f, P_s]),
                ("These are standard deviations; variances are asked for.", "这是标准差，要的是方差。"),
            ),
            (
                [1.0, 0.5, 1 / 3],
                ("These are in units of r; multiply by r = 4.", "这是以 r 为单位的值，还要乘以 r = 4。"),
            ),
            (
                [P, P_f, P_f / 2],
                (
                    "One half is the limit of a very slow walk; here k = 1/2.",
                    "一半是走得极慢时的极限，这里 k = 1/2。",
                ),
            ),
            (
                [P, P_f, 2 / 3],
                ("2/3 is the ratio P_s/P_f; multiply by P_f.", "2/3 是比值 P_s/P_f，还要乘以 P_f。"),
            ),
            (
                [P, 0.5, P_s],
                ("1/2 is the gain K; P_f is K·r.", "1/2 是增益 K，P_f 等于 K·r。"),
            ),
            (
                [P, P_f, 1 / 3],
                ("1/3 is P_s/r; multiply by r.", "1/3 是 P_s/r，还要乘以 r。"),
            ),
            (
                [exchanged, 2 * K, 2 * K / (2 - K)],
                (
                    "q and r are exchanged: q = 2 belongs to the steps of the walk.",
                    "q 和 r 用反了：q = 2 是游走每一步的方差。",
                ),
            ),
            *([] if all(near) else [(got, first)]),
        ],
    )


@exercise(
    "smoothing-3",
    hints=(
        (
            "Which numbers must be known today to predict tomorrow's measurement?",
            "要预测明天的观测，今天必须知道哪几个数？",
        ),
        (
            "What no measurement sees and nothing that is measured depends on can be left out.",
            "没有观测看得到、被观测的量也不依赖的东西，可以省去。",
        ),
        (
            "With a skip, a bidirectional network needs as many units backwards as forwards.",
            "有跳跃连接时，双向网络往回走的单元与往前走的一样多。",
        ),
    ),
)
def sizes(answer: Answer) -> None:
    temperature = (
        "The temperature is not seen and acts on nothing: it needs no unit.",
        "温度看不见，也不起作用，不需要单元。",
    )
    velocity = (
        "Without the velocity the next position cannot be predicted: it must be remembered.",
        "不知道速度就预测不了下一个位置，所以速度也要记住。",
    )
    without_skip = (
        "That is without a skip; with it each half needs two units.",
        "那是没有跳跃连接的情形；有了它，每一半只要两个。",
    )
    both = ("Two units go ahead and two go back: count both in (b).", "往前两个，往回还有两个：（b）要都算上。")
    halves = (
        "In (b) each half remembers what the network of (a) remembers: position and velocity.",
        "（b）的每一半，都要记住（a）的网络所记的东西：位置和速度。",
    )
    enough = ("Position and velocity are enough for (a).", "（a）只需位置和速度。")
    position = (
        "In (c) there is no velocity: a random walk needs its position only.",
        "（c）没有速度：随机游走只需记住位置。",
    )
    known: list[dict[float, Text]] = [
        {1: velocity, 3: temperature},
        {
            2: both,
            5: ("The skip is a weight, not a unit.", "跳跃连接是权重，不是单元。"),
            6: without_skip,
            8: without_skip,
        },
        {},
    ]
    right = np.array([2.0, 4.0, 1.0])
    got = answer.value(kind="array")
    answer.shape(got, (3,))
    mistakes: list[tuple[list[float] | Array, Text]] = [([3.0, 6.0, 1.0], temperature), ([3.0, 6.0, 2.0], temperature)]
    wrong = np.flatnonzero(got != right)
    if len(wrong):
        first = int(wrong[0])
        guess = float(np.real(got[first]))
        text = known[first].get(guess, (velocity if guess < 2 else enough, halves, position)[first])
        mistakes.append((got, text))
    answer.equals(got, right, rtol=1e-6, mistakes=mistakes)


@exercise(
    "smoothing-4",
    arguments=("p", "A", "b_t"),
    hints=(
        (
            "Predict: the probability of arriving in j is Σ_i p[i]·A[i, j].",
            "预测：到达 j 的概率是 Σ_i p[i]·A[i, j]。",
        ),
        ("Correct: multiply element by element with b_t.", "修正：与 b_t 逐元素相乘。"),
        ("Divide by the sum, so that the result sums to 1.", "除以总和，使结果之和为 1。"),
    ),
)
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
                (
                    joint,
                    ("Divide by the sum: these do not add up to 1.", "还要除以总和：现在加起来不等于 1。"),
                ),
                (
                    normal(b_t * (A @ p)),
                    (
                        "A is the wrong way round: it is p @ A, or A.T @ p.",
                        "A 的方向反了：应是 p @ A，也就是 A.T @ p。",
                    ),
                ),
                (
                    b_t * (A @ p),
                    (
                        "A is the wrong way round: it is p @ A, or A.T @ p.",
                        "A 的方向反了：应是 p @ A，也就是 A.T @ p。",
                    ),
                ),
                (
                    normal(A.T @ (b_t * p)),
                    ("Predict first, then correct with b_t.", "先预测，再用 b_t 修正。"),
                ),
                (
                    normal(b_t * p),
                    (
                        "The prediction with A is missing, or you summed over j, which gives p back: sum over i.",
                        "漏了用 A 预测这一步，或者对 j 求了和（那样又得到 p）：应对 i 求和。",
                    ),
                ),
                (
                    normal(A @ (b_t * p)),
                    (
                        "That is a step of the backward half; the filter predicts first, with A.T, then corrects.",
                        "这是往回走那一半的一步；滤波器先用 A.T 预测，再修正。",
                    ),
                ),
                (
                    normal(b_t + A.T @ p),
                    ("Probabilities are multiplied by b_t, not added to it.", "概率要与 b_t 相乘，不是相加。"),
                ),
                (
                    normal(b_t * (p[:, None] * A).max(axis=0)),
                    (
                        "Sum over all tags i that lead to j; do not take the largest.",
                        "对通往 j 的所有标签 i 求和，不是取最大的一个。",
                    ),
                ),
                *(
                    (
                        pairs,
                        (
                            "These are the pairs (i, j); sum over i, the tag before.",
                            "这是各对 (i, j)；还要对前一个标签 i 求和。",
                        ),
                    )
                    for pairs in (b_t * p[:, None] * A, normal(b_t * p[:, None] * A))
                ),
                *(
                    (
                        wrong,
                        (
                            "`*` multiplies element by element; the prediction is a matrix product, p @ A.",
                            "`*` 是逐元素相乘；预测是矩阵乘法 p @ A。",
                        ),
                    )
                    for pairs in (b_t * (p * A), b_t * (A.T * p))
                    for wrong in (pairs, normal(pairs))
                ),
                (
                    joint.sum(),
                    ("That is the sum to divide by; the answer is a vector.", "这是用来除的总和；答案应是向量。"),
                ),
                (
                    np.log(normal(joint)),
                    ("Return the probabilities, not their logarithms.", "要返回概率，不是它们的对数。"),
                ),
                (
                    A.T @ p,
                    ("That is the prediction; the measurement b_t is missing.", "这是预测，还没有用观测 b_t。"),
                ),
                (
                    joint / np.linalg.norm(joint),
                    ("Divide by the sum, not by the Euclidean length.", "要除以总和，不是除以欧氏长度。"),
                ),
                (
                    np.exp(joint) / np.exp(joint).sum(),
                    (
                        "No softmax: these are probabilities already, divide by the sum.",
                        "不要 softmax：它们已经是概率，除以总和即可。",
                    ),
                ),
            ],
        )


@exercise(
    "smoothing-5",
    hints=(
        (
            "Ask of each: when the answer is wanted, is the rest of the record there?",
            "对每一项都问：要答案的时候，记录的其余部分在不在手边？",
        ),
        (
            "A test on recorded data may let a network read what it will not have in use.",
            "用录下的数据测试，网络可能读到使用时还没有的东西。",
        ),
    ),
)
def leaks(answer: Answer) -> None:
    right = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    got = answer.value(kind="array")
    answer.shape(got, (5,))
    values = np.asarray(got, float)
    answer.require(
        bool(np.isin(values, (0.0, 1.0)).all()), ("Write 1 for a leak and 0 for none.", "泄漏写 1，没有泄漏写 0。")
    )

    texts: tuple[Text, ...] = (
        (
            "(a) The sentence is finished before it is tagged: all of it may be read.",
            "（a）标注时句子已经写完，全句都可以读。",
        ),
        (
            "(b) The backward half has read the price that is to be forecast.",
            "（b）往回走的一半已经读过要预测的那个价格。",
        ),
        ("(c) The experiment is over: this is offline analysis.", "（c）实验已经做完，这是离线分析。"),
        (
            "(d) A live machine has no future to read, whatever the recorded test says.",
            "（d）运转中的机器没有未来可读，在录下的数据上测得再好也没用。",
        ),
        ("(e) The recording is finished before the question is asked.", "（e）提问时录音已经录完。"),
    )
    mistakes: list[tuple[Array, Text]] = [(1 - right, ("1 stands for a leak.", "1 表示泄漏。"))]
    mistakes += [(values, texts[int(n)]) for n in np.flatnonzero(values != right)[:1]]
    answer.equals(values, right, mistakes=mistakes)
