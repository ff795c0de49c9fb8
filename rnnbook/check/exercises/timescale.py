"""The exercises of the chapter `timescale`: a gate at another rate, a half-life, a gate from data, a mean bias."""

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise


@exercise(
    "timescale-1",
    hints=(
        (
            "τ = −Δt/log f with the old step: 0.020 s and 0.98.",
            "τ = −Δt/log f，用原来的步长：0.020 秒和 0.98。",
        ),
        (
            "τ = 0.98997 s. The new gate is e^{−Δt/τ} with the new Δt.",
            "τ = 0.98997 秒。新的门是 e^{−Δt/τ}，Δt 取新的。",
        ),
        (
            "Four new steps must keep what one old step kept: new_gate⁴ = 0.98.",
            "新的四步要与原来的一步保留得一样多：new_gate⁴ = 0.98。",
        ),
    ),
)
def new_gate(answer: Answer) -> None:
    f, old, new = 0.98, 0.020, 0.005
    tau = -old / np.log(f)
    got = answer.value(kind="number")
    units = (
        "Seconds and milliseconds are mixed: Δt and τ must have the same unit.",
        "秒与毫秒混用了：Δt 与 τ 要用同一单位。",
    )
    mistakes: list[tuple[float, Text]] = [
        (f, ("The gate is per step: with a shorter step it must change.", "门是按步计的：步长变了，门也要变。")),
        (
            f ** (old / new),
            (
                "You kept the gate for four times as long; the new step is shorter, so the new gate is nearer to 1.",
                "步长的比弄反了：新的一步更短，新的门应当更接近 1。",
            ),
        ),
        (tau, ("That is the time constant; now the gate.", "这是时间常数，还要求门。")),
        (tau / old, ("That is the time constant in steps; now the gate.", "这是以步计的时间常数，还要求门。")),
        (np.exp(-1000 * new / tau), units),
        (np.exp(-new / (1000 * tau)), units),
        (
            1 - new / tau,
            ("That is Euler's gate; use the exponential function.", "这是欧拉法的门；请用指数函数。"),
        ),
        (
            1 - (1 - f) * new / old,
            (
                "This is 1 − f divided by four, Euler's rule, or a right gate with too few decimals. Take the fourth "
                "root of f, to five decimals.",
                "这是把 1 − f 除以 4，即欧拉法；或者小数位数给少了。应当对 f 开四次方，给出五位小数。",
            ),
        ),
        (np.exp(new / tau), ("A gate is below 1: mind the sign of the logarithm.", "门小于 1：留意对数的正负号。")),
        (f * new / old, ("Shares are powers of f, not multiples.", "份额是 f 的幂，不是倍数。")),
        (np.exp(-new / (tau * np.log(2))), ("You used the half-life in place of τ.", "你用半衰期代替了 τ。")),
    ]
    right = f ** (new / old)
    if 0 < got < 1 and abs(got - right) > 6e-6:
        # All gates near 1 look alike: what four steps keep tells them apart.
        kept = f"{got**4:.5f}"
        mistakes.append(
            (
                got,
                (
                    f"Four new steps would keep {kept}, but one old step kept 0.98.",
                    f"新的四步会保留 {kept}，而原来的一步保留 0.98。",
                ),
            )
        )
    # Five decimals: 0.995 is Euler's answer and differs in the fifth.
    answer.equals(got, right, rtol=0, atol=6e-6, mistakes=mistakes)


@exercise(
    "timescale-2",
    arguments=("half_life", "dt"),
    hints=(
        ("How many steps does the half-life last? n = half_life / dt.", "半衰期是多少步？n = half_life / dt。"),
        (
            "After n steps fⁿ is left, and that is to be one half: f = 0.5 ** (1 / n).",
            "n 步之后剩 fⁿ，它应等于二分之一：f = 0.5 ** (1 / n)。",
        ),
        ("The bias with σ(b) = f is log(f / (1 − f)).", "使 σ(b) = f 的偏置是 log(f / (1 − f))。"),
    ),
)
def forget_bias(answer: Answer) -> None:
    for half_life, dt in ((0.5, 0.01), (1.0, 1.0), (0.02, 0.05), (30.0, 0.2)):
        f = 0.5 ** (dt / half_life)
        inverse, tau_gate, euler = 0.5 ** (half_life / dt), np.exp(-dt / half_life), 1 - dt * np.log(2) / half_life
        mistakes: list[tuple[float, Text]] = [
            (f, ("That is the gate f; the bias is log(f / (1 − f)).", "这是门 f；偏置是 log(f / (1 − f))。")),
            (
                _logit(tau_gate),
                (
                    "You took the half-life for the time constant: τ = half_life / log 2.",
                    "你把半衰期当成了时间常数：τ = half_life / log 2。",
                ),
            ),
            (
                _logit(np.exp(-dt / (half_life * np.log(2)))),
                (
                    "τ = half_life / log 2: you multiplied by log 2.",
                    "τ = half_life / log 2，你却乘了 log 2。",
                ),
            ),
            (
                _logit(inverse),
                (
                    "The exponent is upside down: half_life / dt steps keep one half.",
                    "指数颠倒了：half_life / dt 步剩一半。",
                ),
            ),
            (-_logit(f), ("The sign is wrong: that is the bias of 1 − f.", "正负号反了：这是 1 − f 的偏置。")),
            (
                float(np.log(f)),
                ("That is log f; the bias is log(f / (1 − f)).", "这是 log f；偏置是 log(f / (1 − f))。"),
            ),
            (f / (1 - f), ("The logarithm is missing.", "漏了取对数。")),
            (
                _logit(f) / float(np.log(10)),
                ("That is the logarithm to base 10; take the natural one.", "这是以 10 为底的对数；请用自然对数。"),
            ),
            (
                1 / (1 + float(np.exp(-f))),
                (
                    "That is σ(f); the bias goes the other way, b = log(f / (1 − f)).",
                    "这是 σ(f)；偏置要反过来求，b = log(f / (1 − f))。",
                ),
            ),
            (
                float(np.log(half_life / dt)),
                (
                    "With this bias the mean age is half_life; what is left after it must be one half.",
                    "用这个偏置，等于 half_life 的是平均年龄；要求的是过 half_life 之后剩一半。",
                ),
            ),
            (
                _logit(0.5 ** (1 / max(1, round(half_life / dt)))),
                (
                    "Do not round half_life / dt to whole steps or cut it off at one: below one step the bias is "
                    "negative.",
                    "不要把 half_life / dt 取整，也不要限制为至少一步；不到一步时偏置为负。",
                ),
            ),
        ]
        linear: Text = ("That is Euler's gate; use the exponential function.", "这是欧拉法的门；请用指数函数。")
        mistakes += [(_logit(gate), linear) for gate in (euler, 1 - dt / half_life) if 0 < gate < 1]
        given = f"half_life={half_life}, dt={dt}"
        told = [(wrong, text) for wrong, text in mistakes if abs(wrong - _logit(f)) > 1e-3]
        answer.equals(answer.call(half_life, dt, given=given), _logit(f), given=given, mistakes=told)


def _logit(f: float) -> float:
    return float(np.log(f) - np.log1p(-f))


@exercise(
    "timescale-3",
    arguments=("x",),
    hints=(
        ("The pairs one step apart are x[:-1] and x[1:].", "相隔一步的各对是 x[:-1] 和 x[1:]。"),
        (
            "γ_1 is np.mean(x[:-1] * x[1:]); γ_2 pairs x[:-2] with x[2:].",
            "γ_1 是 np.mean(x[:-1] * x[1:])；γ_2 把 x[:-2] 与 x[2:] 配对。",
        ),
        ("Return γ_2 / γ_1: γ_0 holds the noise and is not used.", "返回 γ_2 / γ_1：噪声在 γ_0 里，不用它。"),
    ),
)
def gate_from_noise(answer: Answer) -> None:
    for T, f, r, level in ((17, 0.8, 0.5, 0.0), (500, 0.95, 1.0, 0.3), (5000, 0.6, 2.0, 0.0), (30, 0.1, 2.0, 0.0)):
        x = _noisy(T, f, r) + level
        gamma = [float(np.mean(x[: T - k] * x[k:])) for k in range(4)]
        sums = [float(np.sum(x[: T - k] * x[k:])) for k in range(3)]
        centred = x - x.mean()
        without = [float(np.mean(centred[: T - k] * centred[k:])) for k in range(3)]
        mistakes: list[tuple[float, Text]] = [
            (
                gamma[1] / gamma[0],
                ("You divided by γ_0, which holds the noise.", "你除以了 γ_0，噪声就在它里面。"),
            ),
            (sums[1] / sums[0], ("You divided by γ_0, which holds the noise.", "你除以了 γ_0，噪声就在它里面。")),
            (
                sums[2] / sums[1],
                (
                    "You compared sums; there are T − 2 pairs two steps apart and T − 1 one step apart. Take means.",
                    "你比较的是和；相隔两步有 T − 2 对，相隔一步有 T − 1 对。请取平均。",
                ),
            ),
            (without[2] / without[1], ("Do not subtract the mean here.", "这里不要减均值。")),
            (gamma[1] / gamma[2], ("Upside down: γ_2 over γ_1.", "颠倒了：是 γ_2 比 γ_1。")),
            (gamma[3] / gamma[2], ("Lags 1 and 2, not 2 and 3.", "用滞后 1 和 2，不是 2 和 3。")),
            (gamma[2] / gamma[0], ("Divide by γ_1, not by γ_0.", "要除以 γ_1，不是 γ_0。")),
            (gamma[2], ("That is γ_2; divide it by γ_1.", "这是 γ_2，还要除以 γ_1。")),
            (
                float(np.sum(x * np.roll(x, 2)) / np.sum(x * np.roll(x, 1))),
                (
                    "`np.roll` pairs the end with the beginning; take x[:-1] with x[1:].",
                    "`np.roll` 把末尾与开头配成了对；请用 x[:-1] 与 x[1:]。",
                ),
            ),
            (
                _correlation(x, 2) / _correlation(x, 1),
                ("`np.corrcoef` subtracts means; do not subtract any here.", "`np.corrcoef` 会减去均值；这里不要减。"),
            ),
            (
                _correlation(x, 1),
                ("That is the correlation at lag 1, which the noise lowers.", "这是滞后 1 的相关，噪声使它变小。"),
            ),
            (
                float(np.mean(x[2:] / x[1:-1])),
                ("Take the ratio of the means, not the mean of ratios.", "要先取平均再相除，不是把比值平均。"),
            ),
        ]
        right = gamma[2] / gamma[1]
        if right < 0:
            beyond = (
                "An estimate may fall outside 0 to 1; return the ratio as it is.",
                "估计值可以落在 0 到 1 之外；比值是多少就返回多少。",
            )
            mistakes += [(-right, beyond), (0.0, beyond)]
        given = f"T={T}, f={f}, r={r}"
        answer.equals(answer.call(x, given=given), right, given=given, mistakes=mistakes)


def _correlation(x: Array, k: int) -> float:
    return float(np.corrcoef(x[:-k], x[k:])[0, 1])


def _noisy(T: int, f: float, r: float) -> Array:
    """An Ornstein–Uhlenbeck process of variance 1 in white noise of variance r: (T,)."""
    rng = np.random.default_rng(T)
    signal = [rng.standard_normal()]
    for xi in rng.standard_normal(T - 1):
        signal.append(f * signal[-1] + np.sqrt(1 - f**2) * xi)
    return np.asarray(np.array(signal) + np.sqrt(r) * rng.standard_normal(T))


@exercise(
    "timescale-4",
    arguments=("T_max", "convention"),
    hints=(
        (
            "With M = T_max − 1 the mean of log u is (M log M − (M − 1))/(M − 1).",
            "记 M = T_max − 1，log u 的均值是 (M log M − (M − 1))/(M − 1)。",
        ),
        (
            "Where z multiplies the new state, the share kept is 1 − z = σ(−a): every bias changes its sign.",
            "z 乘新状态时，保留的份额是 1 − z = σ(−a)：每个偏置都变号。",
        ),
    ),
)
def mean_bias(answer: Answer) -> None:
    for T_max, convention in ((100, "old"), (100, "new"), (1000, "old"), (12.5, "new"), (3, "old")):
        sign, M = (1.0 if convention == "old" else -1.0), T_max - 1.0
        wants = {name: sign * value for name, value in _means(M, T_max).items()}
        right = wants.pop("right")
        wants["one minus"] = 1 - abs(right)
        texts: dict[str, Text] = {
            "range": ("u ends at T_max − 1, not at T_max.", "u 到 T_max − 1 为止，不是 T_max。"),
            "whole": ("Divide by the length of the interval, M − 1.", "要除以区间的长度 M − 1。"),
            "middle": (
                "That is the logarithm of the mean of u; the mean of the logarithm is asked for.",
                "这是 u 的均值的对数；要求的是对数的均值。",
            ),
            "integral": ("That is the integral; divide by M − 1.", "这是积分，还要除以 M − 1。"),
            "no end": (
                "The integral begins at 1: M − 1 is taken away, not M.",
                "积分从 1 开始：减去的是 M − 1，不是 M。",
            ),
            "log M": ("That is the largest bias, not the mean.", "这是最大的偏置，不是均值。"),
            "from 0": ("The integral begins at 1, not at 0.", "积分从 1 开始，不是从 0 开始。"),
            "one minus": (
                "1 − z is a share, not a bias: with 1 − σ(a) = σ(−a) the bias changes its sign.",
                "1 − z 是份额，不是偏置：由 1 − σ(a) = σ(−a)，偏置要变号。",
            ),
            "left": ("The term −(M − 1) is missing.", "漏了 −(M − 1) 这一项。"),
        }
        told: list[tuple[float, Text]] = [(wants[name], text) for name, text in texts.items()]
        told.append(
            (
                -right,
                (
                    "The sign is wrong: 'old' keeps the share z, 'new' keeps 1 − z.",
                    "正负号反了：'old' 保留的份额是 z，'new' 保留的是 1 − z。",
                ),
            )
        )
        given = f"T_max={T_max}, convention={convention!r}"
        told = [(wrong, text) for wrong, text in told if abs(wrong - right) > 1e-3]
        answer.equals(answer.call(T_max, convention, given=given), right, given=given, mistakes=told)


def _means(M: float, T_max: float) -> dict[str, float]:
    """The mean of log u for u even from 1 to M, and what slips make of it."""
    log = float(np.log(M))
    return {
        "right": (M * log - (M - 1)) / (M - 1),
        "range": (T_max * float(np.log(T_max)) - (T_max - 1)) / (T_max - 1),
        "whole": (M * log - (M - 1)) / M,
        "middle": float(np.log((1 + M) / 2)),
        "integral": M * log - (M - 1),
        "no end": (M * log - M) / (M - 1),
        "log M": log,
        "from 0": log - 1,
        "left": M * log / (M - 1),
    }
