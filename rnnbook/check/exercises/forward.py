"""The exercises of the chapter `forward`: one step, the parameters, the whole pass, a floor, a shape."""

from collections.abc import Callable

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise


def _states(x: Array, h_0: Array, W_x: Array, W_h: Array, b: Array, phi: Callable[[Array], Array] = np.tanh) -> Array:
    """h_t = φ(W_h h_{t-1} + W_x x_t + b). x: (T, B, I), h_0: (B, H) -> (T, B, H)."""
    h, states = h_0, []
    for x_t in x:
        h = phi(h @ W_h.T + x_t @ W_x.T + b)
        states.append(h)
    return np.stack(states)


def _softmax(z: Array, axis: int = -1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


@exercise(
    "forward-1",
    hints=(
        (
            "The pre-activation of step 1 is W_h·h_0 + W_x·x_1 + b. Take its tanh: that is h_1.",
            "第一步的预激活值是 W_h·h_0 + W_x·x_1 + b。取它的 tanh，就是 h_1。",
        ),
        (
            "Step 2 is the same with h_1 in place of h_0 and x_2 in place of x_1.",
            "第二步完全一样，只是 h_0 换成 h_1，x_1 换成 x_2。",
        ),
        ("h_1 = tanh(0.64) = 0.565.", "h_1 = tanh(0.64) = 0.565。"),
    ),
)
def by_hand(answer: Answer) -> None:
    W_x, W_h, b, h_0, x_1, x_2 = 0.5, -0.8, 0.3, 0.2, 1.0, -2.0
    h_1 = np.tanh(W_h * h_0 + W_x * x_1 + b)
    a_2 = W_h * h_1 + W_x * x_2 + b
    no_bias = np.tanh(W_h * np.tanh(W_h * h_0 + W_x * x_1) + W_x * x_2)
    no_tanh = W_h * (W_h * h_0 + W_x * x_1 + b) + W_x * x_2 + b
    from_zero = np.tanh(W_h * np.tanh(W_x * x_1 + b) + W_x * x_2 + b)
    swapped = np.tanh(W_x * np.tanh(W_x * h_0 + W_h * x_1 + b) + W_h * x_2 + b)
    lost_minus = np.tanh(W_h * h_1 - W_x * x_2 + b)
    plus = np.tanh(-W_h * np.tanh(-W_h * h_0 + W_x * x_1 + b) + W_x * x_2 + b)
    mistakes: list[tuple[float, Text]] = [
        (h_1, ("That is h_1; one more step.", "这是 h_1，还差一步。")),
        (
            np.tanh(W_h * h_0 + W_x * x_2 + b),
            ("In step 2 you used h_0 again; it must be h_1.", "第二步又用了 h_0，应该用 h_1。"),
        ),
        (no_bias, ("You forgot the bias b.", "你漏了偏置 b。")),
        (np.tanh(a_2 - b), ("You forgot the bias b in step 2.", "第二步漏了偏置 b。")),
        (
            a_2,
            ("That is the pre-activation of step 2; take its tanh.", "这是第二步的预激活值，还要取 tanh。"),
        ),
        (no_tanh, ("You left out tanh in both steps.", "两步都漏了 tanh。")),
        (np.tanh(no_tanh), ("You left out tanh in step 1.", "第一步漏了 tanh。")),
        (from_zero, ("You started from h_0 = 0; here h_0 = 0.2.", "你从 h_0 = 0 出发了，这里 h_0 = 0.2。")),
        (
            swapped,
            (
                "W_x and W_h are swapped: W_h multiplies the state.",
                "W_x 和 W_h 用反了：与状态相乘的是 W_h。",
            ),
        ),
        (lost_minus, ("You lost the minus sign of x_2.", "x_2 的负号丢了。")),
        (plus, ("You lost the minus sign of W_h.", "W_h 的负号丢了。")),
    ]
    answer.equals(answer.value(kind="number"), np.tanh(a_2), rtol=0, atol=6e-4, mistakes=mistakes)


@exercise(
    "forward-2",
    hints=(
        (
            "Three parts are trained: the embedding table, the recurrent layer, the read-out.",
            "要训练的有三部分：嵌入表、循环层、读出层。",
        ),
        (
            "The recurrent layer reads 32 numbers, so W_x is (128, 32), W_h is (128, 128), b is (128,).",
            "循环层每步读 32 个数，所以 W_x 是 (128, 32)，W_h 是 (128, 128)，b 是 (128,)。",
        ),
        ("The read-out has V: (5000, 128) and c: (5000,).", "读出层有 V：(5000, 128) 和 c：(5000,)。"),
    ),
)
def parameters(answer: Answer) -> None:
    words, I, H, T = 5000, 32, 128, 50
    table, layer, readout = words * I, H * (I + H + 1), words * (H + 1)
    right = table + layer + readout
    answer.equals(
        answer.value(kind="integer"),
        right,
        mistakes=[
            (right + H, ("One bias vector b, not two.", "偏置向量 b 只有一个，不是两个。")),
            (
                table + T * layer + readout,
                (
                    "The weights are the same at every step: do not multiply by T.",
                    "每一步用的是同一套权重，不要乘以 T。",
                ),
            ),
            (
                table + T * (layer + readout),
                (
                    "The weights are the same at every step: do not multiply by T.",
                    "每一步用的是同一套权重，不要乘以 T。",
                ),
            ),
            (T * right, ("Nothing is multiplied by T.", "没有哪一项要乘以 T。")),
            (layer + readout, ("The embedding table is trained too.", "嵌入表也要训练。")),
            (table + layer, ("The read-out is missing.", "漏了读出层。")),
            (right - H - words, ("You forgot both biases, b and c.", "b 和 c 两个偏置都漏了。")),
            (right - words, ("You forgot the bias c of the read-out.", "漏了读出层的偏置 c。")),
            (right - H, ("You forgot the bias b of the recurrent layer.", "漏了循环层的偏置 b。")),
            (right - H * H, ("You forgot W_h, state to state.", "漏了从状态到状态的 W_h。")),
            (right - H * I, ("You forgot W_x, input to state.", "漏了从输入到状态的 W_x。")),
            (
                H * (words + H + 1) + readout,
                (
                    "The recurrent layer reads the 32 numbers of the embedding, not 5000.",
                    "循环层读的是嵌入给出的 32 个数，不是 5000 个。",
                ),
            ),
        ],
    )


@exercise(
    "forward-3",
    arguments=("x", "h_0", "W_x", "W_h", "b", "V", "c"),
    hints=(
        (
            "Every sequence is a row: one step is np.tanh(h @ W_h.T + x_t @ W_x.T + b), starting from h = h_0.",
            "每个序列占一行：一步就是 np.tanh(h @ W_h.T + x_t @ W_x.T + b)，从 h = h_0 开始。",
        ),
        (
            "The logits of a step are h @ V.T + c, with the new h.",
            "一步的 logits 是 h @ V.T + c，用的是新的 h。",
        ),
        (
            "Before np.exp, subtract the largest logit of each row; sum over the last axis, keepdims=True.",
            "先减去每行最大的 logit，再取 np.exp；沿最后一个轴求和，加上 keepdims=True。",
        ),
    ),
)
def probabilities(answer: Answer) -> None:
    for T, B, I, H, O, scale in ((1, 2, 3, 4, 5, 1.0), (6, 5, 2, 3, 4, 1.0), (4, 3, 5, 2, 6, 1000.0)):
        rng = np.random.default_rng(T)
        x, h_0 = rng.standard_normal((T, B, I)), rng.standard_normal((B, H))
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        V, c = scale * rng.standard_normal((O, H)), rng.standard_normal(O)
        h = _states(x, h_0, W_x, W_h, b)
        before = np.concatenate([h_0[None], h[:-1]])
        linear = _states(x, h_0, W_x, W_h, b, phi=np.asarray)
        stuck = np.tanh(h_0 @ W_h.T + x @ W_x.T + b)
        given = f"T={T}, B={B}, I={I}, H={H}, O={O}" + (", |logits| ~ 1000" if scale > 1 else "")
        answer.equals(
            answer.call(x, h_0, W_x, W_h, b, V, c, given=given),
            _softmax(h @ V.T + c),
            given=given,
            mistakes=[
                (
                    h @ V.T + c,
                    ("These are the logits; the softmax is missing.", "这是 logits，还没有做 softmax。"),
                ),
                (h, ("These are the states; the read-out is missing.", "这是状态，还没有读出。")),
                (
                    _softmax(h[-1] @ V.T + c),
                    ("That is the last step alone; read out at every step.", "这只是最后一步，每一步都要读出。"),
                ),
                (
                    _softmax(before @ V.T + c),
                    (
                        "You read out the state before the step: h_{t-1} in place of h_t.",
                        "读出时用了这一步之前的状态：应该用 h_t，而不是 h_{t-1}。",
                    ),
                ),
                (
                    _softmax(stuck @ V.T + c),
                    (
                        "Every step starts from h_0: carry the new state on.",
                        "每一步都从 h_0 出发了：新状态要传下去。",
                    ),
                ),
                (
                    _softmax(_states(x, np.zeros_like(h_0), W_x, W_h, b) @ V.T + c),
                    ("You start from zeros and ignore h_0.", "你从零出发，没有用 h_0。"),
                ),
                (
                    _softmax(_states(x, h_0, W_x, W_h.T, b) @ V.T + c),
                    ("With rows it is h @ W_h.T, transposed.", "按行写时是 h @ W_h.T，要转置。"),
                ),
                (
                    _softmax(_states(x, h_0, W_x, W_h, np.zeros(H)) @ V.T + c),
                    ("You forgot the bias b.", "你漏了偏置 b。"),
                ),
                (
                    _softmax(linear @ V.T + c),
                    ("You left out tanh.", "你漏了 tanh。"),
                ),
                (_softmax(h @ V.T), ("You forgot the bias c of the read-out.", "你漏了读出层的偏置 c。")),
                (
                    _softmax((h @ V.T + c).reshape(-1)).reshape(T, B, O),
                    (
                        "The softmax sums over everything; each step and sequence has its own sum, over the classes.",
                        "softmax 对所有元素求和了；每一步、每个序列应各自沿类别求和。",
                    ),
                ),
                (
                    _softmax(h @ V.T + c, axis=1),
                    (
                        "The softmax sums over the batch; it must sum over the classes, the last axis.",
                        "softmax 沿批求和了；应该沿类别，也就是最后一个轴求和。",
                    ),
                ),
                (
                    _softmax(h @ V.T + c, axis=0),
                    (
                        "The softmax sums over time; it must sum over the classes, the last axis.",
                        "softmax 沿时间求和了；应该沿类别，也就是最后一个轴求和。",
                    ),
                ),
            ],
        )


@exercise(
    "forward-4",
    hints=(
        (
            "The floor of a step is the variance that is left in y_t when all tosses shown so far are known.",
            "一步的下限，就是把已经看到的硬币都当作已知之后，y_t 剩下的方差。",
        ),
        (
            "A coin that was never shown keeps its variance, 1. At which steps does y_t need such a coin?",
            "没给看过的硬币保留自己的方差 1。哪几步的 y_t 要用到这样的硬币？",
        ),
        (
            "Noise with standard deviation 0.2 has variance 0.04, and it is there at all ten steps.",
            "标准差 0.2 的噪声方差是 0.04，十步里每步都有。",
        ),
    ),
)
def coin_floor(answer: Answer) -> None:
    steps, unseen, deviation = 10, 2, 0.2
    floor = unseen / steps + deviation**2
    answer.equals(
        answer.value(kind="number"),
        floor,
        rtol=1e-6,
        mistakes=[
            (unseen / steps, ("You forgot the noise.", "你漏了噪声。")),
            (
                deviation**2,
                (
                    "That is the noise alone; two of the coins were never shown.",
                    "这只是噪声；有两枚硬币从没给看过。",
                ),
            ),
            (
                unseen / steps + deviation,
                (
                    "0.2 is the standard deviation; the error counts its square.",
                    "0.2 是标准差，误差里算的是它的平方。",
                ),
            ),
            (
                unseen + steps * deviation**2,
                ("That is the sum over the ten steps; take the mean.", "这是十步之和，要取平均。"),
            ),
            (
                unseen / steps + deviation**2 / steps,
                ("The noise is there at every step, not at one.", "噪声每一步都有，不是只有一步。"),
            ),
            (
                (unseen - 1) / steps + deviation**2,
                (
                    "Off by one: steps 1 and 2 both lack the coin of two steps before.",
                    "差了一步：第 1 步和第 2 步都缺两步之前的硬币。",
                ),
            ),
            (
                (unseen + 1) / steps + deviation**2,
                (
                    "Off by one: at step 3 the coin x_1 has been shown.",
                    "差了一步：到第 3 步，x_1 已经看过了。",
                ),
            ),
            (
                1 + deviation**2,
                (
                    "From step 3 on the coin of two steps before has been shown.",
                    "从第 3 步起，两步之前的硬币已经看过了。",
                ),
            ),
            (
                2 + deviation**2,
                (
                    "As if neither coin were ever known: x_t is always shown, x_{t-2} at eight of the ten steps.",
                    "这等于两枚硬币从来都不知道：x_t 总是看得到的，x_{t-2} 在十步里有八步看得到。",
                ),
            ),
            (
                np.sqrt(floor),
                ("No square root: the mean squared error is asked for.", "不要开方：要的是均方误差。"),
            ),
        ],
    )


@exercise(
    "forward-5",
    arguments=("o", "y"),
    hints=(
        (
            "Print (o - y).shape. Which axes should have met each other?",
            "打印 (o - y).shape 看看。本来应该是哪几个轴对上？",
        ),
        (
            "Before you subtract, both must be (T, B): drop the last axis of o, and transpose y.",
            "相减之前，两者都应是 (T, B)：去掉 o 的最后一个轴，把 y 转置。",
        ),
        ("Then the batch is axis 1: .mean(axis=1).", "这时批是第 1 个轴：.mean(axis=1)。"),
    ),
)
def error_per_step(answer: Answer) -> None:
    for T, B in ((7, 4), (2, 6), (5, 5), (3, 1), (1, 4)):
        rng = np.random.default_rng(10 * T + B)
        o, y = rng.standard_normal((T, B, 1)), rng.standard_normal((B, T))
        given = f"o: ({T}, {B}, 1), y: ({B}, {T})"
        answer.equals(
            answer.call(o, y, given=given),
            ((o[:, :, 0] - y.T) ** 2).mean(axis=1),
            given=given,
            mistakes=_shape_mistakes(o, y),
        )
    y = np.random.default_rng(1).standard_normal((4, 6))
    given = "o: (6, 4, 1), o[t, n, 0] = y[n, t]"
    answer.equals(answer.call(y.T[:, :, None], y, given=given), np.zeros(6), given=given)


def _shape_mistakes(o: Array, y: Array) -> list[tuple[Array, Text]]:
    T, B, _ = o.shape
    right = o[:, :, 0] - y.T
    mistakes = [
        (
            ((o - y) ** 2).mean(axis=(1, 2)),
            (
                "o - y still broadcasts to (T, B, T): every prediction meets the targets of all steps.",
                "o - y 仍然广播成了 (T, B, T)：每个预测碰上了所有步的目标。",
            ),
        ),
        (
            ((o[:, :, 0] - y.reshape(T, B)) ** 2).mean(axis=1),
            (
                "reshape changes the shape but leaves the numbers in their old order; transpose with y.T.",
                "reshape 只改形状，数的排列次序没变；要转置，用 y.T。",
            ),
        ),
        (
            (right**2).mean(axis=0),
            ("You averaged over time; average over the batch.", "你对时间取了平均；应该对批取平均。"),
        ),
        (
            (right**2).sum(axis=1),
            ("That is the sum over the batch; take the mean.", "这是对批求和，要取平均。"),
        ),
        (
            np.sqrt((right**2).mean(axis=1)),
            ("No square root: the mean of the squares is asked for.", "不要开方：要的是平方的平均。"),
        ),
        (
            (right**2).mean(),
            ("One error per step is wanted: average over the batch only.", "每一步要一个误差：只对批取平均。"),
        ),
        (np.abs(right).mean(axis=1), ("Square the differences.", "差要取平方。")),
        (right.mean(axis=1) ** 2, ("Square first, then take the mean.", "先平方，再取平均。")),
    ]
    if T == B:
        mistakes.insert(  # first: a reshape gives the same here, but is told of at an earlier case
            0,
            (
                ((o[:, :, 0] - y) ** 2).mean(axis=1),
                ("y is stored batch first; transpose it.", "y 是批在前存放的，要转置。"),
            ),
        )
    if B == 1:
        mistakes.append(
            (
                ((o.squeeze() - y.T) ** 2).mean(axis=1),
                (
                    "squeeze() without an axis also removes a batch axis of length 1; use o[:, :, 0].",
                    "不带参数的 squeeze() 会把长度为 1 的批轴也去掉；请用 o[:, :, 0]。",
                ),
            )
        )
    return mistakes
