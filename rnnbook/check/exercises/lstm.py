"""The exercises of the chapter `lstm`: the belt, a stuck gate, the direct path, a forget bias."""

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise

OPEN = ("i", "f", "o", "none")


def _sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def _states(x: Array, W_x: Array, W_h: Array, b: Array, stuck: str) -> tuple[Array, Array]:
    """h and c, each (T, B, H), of an LSTM that starts with zeros and has one gate stuck at 1."""
    H = W_h.shape[1]
    h = c = np.zeros((x.shape[1], H))
    hs, cs = [], []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W_x.T + h @ W_h.T + b, 4, axis=1)
        gate = {name: np.ones_like(a) if name == stuck else _sigmoid(a) for name, a in (("i", i), ("f", f), ("o", o))}
        c = gate["f"] * c + gate["i"] * np.tanh(g)
        h = gate["o"] * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack(hs), np.stack(cs)


@exercise(
    "lstm-1",
    hints=(
        (
            "One step of the belt: c_t = f_t·c_{t-1} + i_t·g_t. Begin with c_1 = 0.5·2 + 0.5·0.6.",
            "传送带走一步：c_t = f_t·c_{t-1} + i_t·g_t。先算 c_1 = 0.5·2 + 0.5·0.6。",
        ),
        (
            "The output gate is not needed: it decides what is shown, not what is kept.",
            "用不着输出门：它决定给人看什么，不决定留下什么。",
        ),
        ("c_1 = 1.3 and c_2 = 0.9·1.3 - 0.5·0.8.", "c_1 = 1.3，c_2 = 0.9·1.3 - 0.5·0.8。"),
    ),
)
def c_3(answer: Answer) -> None:
    f, i, g, o = (0.5, 0.9, 0.6), (0.5, 0.5, 0.25), (0.6, -0.8, 0.4), (0.9, 0.0, 0.5)
    c = [2.0]
    swapped = added = ungated = unsigned = tied = shown = 2.0
    for f_t, i_t, g_t, o_t in zip(f, i, g, o, strict=True):
        c.append(f_t * c[-1] + i_t * g_t)
        swapped = i_t * swapped + f_t * g_t
        added = added + i_t * g_t
        ungated = f_t * ungated + g_t
        unsigned = f_t * unsigned + i_t * abs(g_t)
        tied = f_t * tied + (1 - f_t) * g_t
        shown = o_t * np.tanh(f_t * shown + i_t * g_t)
    right = c[-1]
    from_zero = right - 2 * float(np.prod(f))
    mistakes: list[tuple[float, Text]] = [
        (
            c[1],
            (
                "1.3 is c_1, and also what step 3 would make of c_0; it has to start from c_2.",
                "1.3 是 c_1；从 c_0 直接走第 3 步，得到的也是 1.3。第 3 步要从 c_2 出发。",
            ),
        ),
        (c[2], ("That is c_2; one more step.", "这是 c_2，还差一步。")),
        (
            added,
            (
                "The forget gate is missing: every step multiplies the old cell state by f_t.",
                "漏了遗忘门：每一步都要把旧的细胞状态乘以 f_t。",
            ),
        ),
        (ungated, ("The input gate is missing: i_t multiplies g_t.", "漏了输入门：g_t 要乘以 i_t。")),
        (unsigned, ("g_2 is negative: step 2 takes away.", "g_2 是负数：第 2 步是往下减。")),
        (
            swapped,
            (
                "f_t and i_t are swapped: f_t multiplies the old cell state.",
                "f_t 和 i_t 用反了：乘在旧细胞状态上的是 f_t。",
            ),
        ),
        (
            tied,
            (
                "You used 1 - f_t in place of i_t; an LSTM has a gate of its own for the new.",
                "你用 1 - f_t 代替了 i_t；LSTM 给新内容单独配了一个门。",
            ),
        ),
        (from_zero, ("You started from c_0 = 0; here c_0 = 2.", "你从 c_0 = 0 出发了，这里 c_0 = 2。")),
        (
            o[2] * np.tanh(right),
            ("That is h_3, what is shown; c_3 is asked for.", "这是 h_3，是给人看的；问的是 c_3。"),
        ),
        (
            np.tanh(right),
            (
                "The tanh is for what is shown; the cell state goes on as it is.",
                "tanh 只用于给人看的；细胞状态原样往下传。",
            ),
        ),
        (
            o[2] * right,
            ("The output gate does not touch the cell state.", "输出门不动细胞状态。"),
        ),
        (
            shown,
            (
                "You carried h_t along the belt; it is c_t that goes on.",
                "你在传送带上传的是 h_t；往下传的应当是 c_t。",
            ),
        ),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=6e-4, mistakes=mistakes)


@exercise(
    "lstm-2",
    arguments=("x", "h", "c", "W_x", "W_h", "b"),
    hints=(
        (
            "The record contains h_{t-1}: put zeros in front of h and drop its last entry. "
            "Then gates(x, h_old, W_x, W_h, b) gives all gates at once.",
            "记录里有 h_{t-1}：在 h 前面补一项零，去掉最后一项。然后 gates(x, h_old, W_x, W_h, b) 一次给出全部的门。",
        ),
        (
            "A stuck output gate: h is tanh c everywhere. np.allclose(h, np.tanh(c)) asks.",
            "输出门卡住：h 处处等于 tanh c。用 np.allclose(h, np.tanh(c)) 来判断。",
        ),
        (
            "A stuck forget gate: c_t = c_{t-1} + i_t·g_t. A stuck input gate: c_t = f_t·c_{t-1} + g_t.",
            "遗忘门卡住：c_t = c_{t-1} + i_t·g_t。输入门卡住：c_t = f_t·c_{t-1} + g_t。",
        ),
    ),
)
def stuck_gate(answer: Answer) -> None:
    for T, B, I, H in ((5, 3, 2, 4), (6, 1, 3, 2), (4, 2, 5, 3)):
        rng = np.random.default_rng(100 * T + H)
        x = rng.standard_normal((T, B, I))
        W_x, W_h, b = (rng.standard_normal(shape) for shape in ((4 * H, I), (4 * H, H), (4 * H,)))
        for stuck in OPEN:
            h, c = _states(x, W_x, W_h, b, stuck)
            given = f"T={T}, B={B}, I={I}, H={H}"
            got = answer.choose(x, h, c, W_x, W_h, b, options=OPEN, given=given)
            answer.equals(got, stuck, given=given, mistakes=_confusions(stuck))


def _confusions(stuck: str) -> list[tuple[str, Text]]:
    if stuck == "none":
        healthy = (
            "Here no gate is stuck, and yet you name one. Ask for equality at all steps and units.",
            "这里没有门卡住，你却报了一个。要所有时间步、所有单元都相等才算。",
        )
        return [(gate, healthy) for gate in "ifo"]
    before = (
        "The gates come in the order i, f, g, o, and those of step t from h_{t-1}, zeros at first.",
        "各门的次序是 i、f、g、o；第 t 步的门由 h_{t-1} 算出，起初是零。",
    )
    missed = {
        "i": (
            f"A stuck input gate was not found: then c_t = f_t·c_{{t-1}} + g_t. {before[0]}",
            f"没有找出卡住的输入门：这时 c_t = f_t·c_{{t-1}} + g_t。{before[1]}",
        ),
        "f": (
            f"A stuck forget gate was not found: then c_t = c_{{t-1}} + i_t·g_t. {before[0]}",
            f"没有找出卡住的遗忘门：这时 c_t = c_{{t-1}} + i_t·g_t。{before[1]}",
        ),
        "o": (
            "A stuck output gate was not found: then h_t = tanh c_t.",
            "没有找出卡住的输出门：这时 h_t = tanh c_t。",
        ),
    }
    wrong = (
        "You name the wrong gate. The blocks stand in the order i, f, g, o, and the gates of step t listen to h_{t-1}.",
        "报错了门。各块的次序是 i、f、g、o，而且第 t 步的门听的是 h_{t-1}。",
    )
    return [("none", missed[stuck])] + [(gate, wrong) for gate in "ifo" if gate != stuck]


@exercise(
    "lstm-3",
    arguments=("f", "dc_T"),
    hints=(
        (
            "Going back one step on the belt, from c_t to c_{t-1}, multiplies the gradient by f_t.",
            "沿传送带退一步，从 c_t 到 c_{t-1}，梯度乘以 f_t。",
        ),
        (
            "Start with the list [dc_T]; for f_t in f[::-1] append the last entry times f_t; turn the list round.",
            "从列表 [dc_T] 开始；对 f[::-1] 里的每个 f_t，把最后一项乘以 f_t 接在后面；最后把列表倒过来。",
        ),
        (
            "f_t is f[t - 1]: f[0] is met only on the way to c_0.",
            "f_t 就是 f[t - 1]：f[0] 只在退到 c_0 时才碰到。",
        ),
    ),
)
def direct_path(answer: Answer) -> None:
    for T, B, H in ((5, 3, 2), (8, 1, 4), (1, 2, 3)):
        rng = np.random.default_rng(T)
        f, dc_T = rng.uniform(0.2, 1, (T, B, H)), rng.standard_normal((B, H))
        given = f"T={T}, B={B}, H={H}"
        answer.equals(
            answer.call(f, dc_T, given=given),
            _back(f, dc_T),
            given=given,
            mistakes=_path_mistakes(f, dc_T),
        )


def _back(f: Array, dc_T: Array) -> Array:
    """∏_{s=t+1}^T f_s ⊙ dc_T for t = 0..T. f: (T, B, H) -> (T+1, B, H)."""
    after = np.cumprod(np.concatenate([np.ones_like(f[:1]), f[::-1]]), axis=0)[::-1]
    return np.asarray(after * dc_T)


def _path_mistakes(f: Array, dc_T: Array) -> list[tuple[Array, Text]]:
    right = _back(f, dc_T)
    ones = np.ones_like(f[:1])
    forwards = np.concatenate([ones, np.cumprod(f, axis=0)]) * dc_T
    mistakes: list[tuple[Array, Text]] = [
        (
            right[::-1],
            (
                "The order is turned round: entry 0 belongs to c_0, where all gates have been met.",
                "次序反了：第 0 项属于 c_0，那里所有的门都碰到过了。",
            ),
        ),
        (
            right[:-1],
            ("The last entry is missing: dc_T itself, t = T.", "少了最后一项：t = T 时就是 dc_T 本身。"),
        ),
        (right[1:], ("Entry 0 is missing: the share that reaches c_0.", "少了第 0 项：到达 c_0 的那一份。")),
        (right[0], ("That is the share of c_0 alone; give all t = 0..T.", "这只是 c_0 的那一份；t = 0..T 都要给出。")),
        (
            right / dc_T,
            ("These are the products of the gates; dc_T is missing.", "这只是门的连乘积，还要乘 dc_T。"),
        ),
    ]
    if len(f) > 1:
        early = np.concatenate([_back(f[:-1], dc_T), dc_T[None]])
        mistakes += [
            (
                forwards,
                (
                    "These products run over the gates before t; on the way back it is those after t, f_{t+1} to f_T.",
                    "这里连乘的是 t 之前的门；往回走碰到的是 t 之后的，f_{t+1} 到 f_T。",
                ),
            ),
            (
                forwards[::-1],
                (
                    "The gates are met in the wrong order: the way back begins with f_T.",
                    "门的次序错了：往回走，先碰到的是 f_T。",
                ),
            ),
            (
                np.concatenate([f, ones]) * dc_T,
                (
                    "Each entry has one gate only; the factors of all later steps accumulate.",
                    "每一项只乘了一个门；后面各步的因子要累积起来。",
                ),
            ),
            (
                np.concatenate([right[1:2], right[1:]]),
                ("The gate f_1 is left out: c_0 meets it.", "漏了 f_1：退到 c_0 时要碰到它。"),
            ),
            (
                early,
                ("The gate f_T is left out: c_{T-1} meets it.", "漏了 f_T：退到 c_{T-1} 时要碰到它。"),
            ),
            (
                np.concatenate([right[1:], dc_T[None]]),
                ("Off by one gate: from c_t to c_{t-1} it is f_t.", "差了一个门：从 c_t 退到 c_{t-1}，碰到的是 f_t。"),
            ),
        ]
    return mistakes


@exercise(
    "lstm-4",
    arguments=("p", "n"),
    hints=(
        (
            "After n steps a constant gate leaves f**n. Which f leaves p?",
            "门不变时，n 步之后剩下 f**n。哪个 f 剩下 p？",
        ),
        (
            "f = p ** (1 / n). The bias is what the sigmoid turns into f: solve f = 1 / (1 + exp(-b)) for b.",
            "f = p ** (1 / n)。偏置经过 sigmoid 要得到 f：从 f = 1 / (1 + exp(-b)) 解出 b。",
        ),
        ("b = ln(f / (1 - f)), np.log in code.", "b = ln(f / (1 - f))，代码里用 np.log。"),
    ),
)
def forget_bias(answer: Answer) -> None:
    for p, n in ((0.1, 60), (0.5, 100), (0.9, 7), (0.25, 2), (0.3, 1)):
        f = p ** (1 / n)
        right = np.log(f / (1 - f))
        mistakes: list[tuple[float, Text]] = [
            (f, ("That is the gate f; its bias is asked for.", "这是门 f 本身；问的是它的偏置。")),
            (
                -right,
                (
                    "The sign is turned: a gate above 0.5 has a positive bias, one below 0.5 a negative one.",
                    "正负号反了：门大于 0.5，偏置为正；门小于 0.5，偏置为负。",
                ),
            ),
            (
                np.log(f),
                ("ln f is not yet the bias: divide f by 1 - f first.", "ln f 还不是偏置：先把 f 除以 1 - f。"),
            ),
            (
                np.log(p / (1 - p)),
                (
                    "This bias leaves p after one step; n of them are wanted.",
                    "这个偏置在一步之后剩下 p；要的是 n 步。",
                ),
            ),
            (
                np.log(p**n / (1 - p**n)),
                (
                    "f^n = p, so f is the n-th root of p, not its n-th power.",
                    "f^n = p，所以 f 是 p 的 n 次方根，不是 n 次方。",
                ),
            ),
            (
                np.log(p / (n - p)),
                ("f^n = p, so f is the n-th root of p, not p / n.", "f^n = p，所以 f 是 p 的 n 次方根，不是 p / n。"),
            ),
            (
                np.arctanh(f),
                ("A gate is a sigmoid; arctanh undoes a tanh.", "门用的是 sigmoid；arctanh 是 tanh 的反函数。"),
            ),
            (
                np.log(p / (1 - p)) / n,
                (
                    "Take the n-th root of p first; the bias is not proportional to 1/n.",
                    "先对 p 开 n 次方；偏置与 1/n 不成正比。",
                ),
            ),
            (
                n * np.log(p / (1 - p)),
                ("Take the n-th root of p first.", "先对 p 开 n 次方。"),
            ),
            (
                np.log10(f / (1 - f)),
                ("That is the logarithm to base 10; use np.log.", "这是以 10 为底的对数；请用 np.log。"),
            ),
            (
                np.log(n / -np.log(p)),
                (
                    "That is the approximation for long memories, 1 - f ≈ -ln(p)/n; the exact value is asked for.",
                    "这是长记忆时的近似，1 - f ≈ -ln(p)/n；这里要准确值。",
                ),
            ),
        ]
        if n == 1:
            mistakes = mistakes[:3]
        given = f"p={p}, n={n}"
        answer.equals(answer.call(p, n, given=given), np.asarray(right), given=given, mistakes=mistakes)
