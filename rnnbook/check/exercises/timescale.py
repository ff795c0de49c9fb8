"""The exercises of the chapter `timescale`: a gate at another rate, a half-life, a gate from data, a mean bias."""

import numpy as np

from rnnbook.check import Answer, Array, Mistakes, exercise


@exercise("timescale-1")
def new_gate(answer: Answer) -> None:
    f, old, new = 0.98, 0.020, 0.005
    tau = -old / np.log(f)
    mistakes: Mistakes = [
        (f, "unchanged"),
        (f ** (old / new), "upside-down"),
        (tau, "tau"),
        (tau / old, "tau-in-steps"),
        (np.exp(-1000 * new / tau), "units"),
        (np.exp(-new / (1000 * tau)), "units"),
        (1 - new / tau, "euler"),
        (1 - (1 - f) * new / old, "divided"),
        (np.exp(new / tau), "sign"),
        (f * new / old, "multiple"),
        (np.exp(-new / (tau * np.log(2))), "half-life"),
        (..., "fourth-power"),  # all gates near 1 look alike
    ]
    # Five decimals: 0.995 is Euler's answer and differs in the fifth.
    answer.equals(answer.value(kind="number"), f ** (new / old), rtol=0, atol=6e-6, mistakes=mistakes)


@exercise("timescale-2", arguments=("half_life", "dt"))
def forget_bias(answer: Answer) -> None:
    for half_life, dt in ((0.5, 0.01), (1.0, 1.0), (0.02, 0.05), (30.0, 0.2)):
        f = 0.5 ** (dt / half_life)
        inverse, tau_gate, euler = 0.5 ** (half_life / dt), np.exp(-dt / half_life), 1 - dt * np.log(2) / half_life
        mistakes: list[tuple[float, str]] = [
            (f, "gate"),
            (_logit(tau_gate), "tau-is-half-life"),
            (_logit(np.exp(-dt / (half_life * np.log(2)))), "times-log-2"),
            (_logit(inverse), "upside-down"),
            (-_logit(f), "sign"),
            (float(np.log(f)), "log-f"),
            (f / (1 - f), "no-log"),
            (_logit(f) / float(np.log(10)), "base-10"),
            (1 / (1 + float(np.exp(-f))), "sigmoid"),
            (float(np.log(half_life / dt)), "mean-age"),
            (_logit(0.5 ** (1 / max(1, round(half_life / dt)))), "rounded"),
        ]
        mistakes += [(_logit(gate), "euler") for gate in (euler, 1 - dt / half_life) if 0 < gate < 1]
        given = f"half_life={half_life}, dt={dt}"
        told = [(wrong, text) for wrong, text in mistakes if abs(wrong - _logit(f)) > 1e-3]
        answer.equals(answer.call(half_life, dt, given=given), _logit(f), given=given, mistakes=told)


def _logit(f: float) -> float:
    return float(np.log(f) - np.log1p(-f))


@exercise("timescale-3", arguments=("x",))
def gate_from_noise(answer: Answer) -> None:
    for T, f, r, level in ((17, 0.8, 0.5, 0.0), (500, 0.95, 1.0, 0.3), (5000, 0.6, 2.0, 0.0), (30, 0.1, 2.0, 0.0)):
        x = _noisy(T, f, r) + level
        gamma = [float(np.mean(x[: T - k] * x[k:])) for k in range(4)]
        sums = [float(np.sum(x[: T - k] * x[k:])) for k in range(3)]
        centred = x - x.mean()
        without = [float(np.mean(centred[: T - k] * centred[k:])) for k in range(3)]
        mistakes: list[tuple[float, str]] = [
            (gamma[1] / gamma[0], "gamma_0"),
            (sums[1] / sums[0], "gamma_0"),
            (sums[2] / sums[1], "sums"),
            (without[2] / without[1], "centred"),
            (gamma[1] / gamma[2], "upside-down"),
            (gamma[3] / gamma[2], "lags-2-3"),
            (gamma[2] / gamma[0], "gamma_2-by-gamma_0"),
            (gamma[2], "gamma_2"),
            (float(np.sum(x * np.roll(x, 2)) / np.sum(x * np.roll(x, 1))), "roll"),
            (_correlation(x, 2) / _correlation(x, 1), "corrcoef"),
            (_correlation(x, 1), "correlation"),
            (float(np.mean(x[2:] / x[1:-1])), "mean-of-ratios"),
        ]
        right = gamma[2] / gamma[1]
        if right < 0:
            mistakes += [(-right, "outside"), (0.0, "outside")]
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


@exercise("timescale-4", arguments=("T_max", "convention"))
def mean_bias(answer: Answer) -> None:
    for T_max, convention in ((100, "old"), (100, "new"), (1000, "old"), (12.5, "new"), (3, "old")):
        sign, M = (1.0 if convention == "old" else -1.0), T_max - 1.0
        right = sign * _mean(M)
        mistakes = [(sign * wrong, key) for wrong, key in _slips(M, T_max)]
        mistakes += [(1 - abs(right), "one-minus"), (sign * M * np.log(M) / (M - 1), "left"), (-right, "sign")]
        given = f"T_max={T_max}, convention={convention!r}"
        told = [(wrong, key) for wrong, key in mistakes if abs(wrong - right) > 1e-3]
        answer.equals(answer.call(T_max, convention, given=given), right, given=given, mistakes=told)


def _mean(M: float) -> float:
    """The mean of log u for u even from 1 to M."""
    return float((M * np.log(M) - (M - 1)) / (M - 1))


def _slips(M: float, T_max: float) -> list[tuple[float, str]]:
    """What slips make of that mean."""
    log = float(np.log(M))
    return [
        (_mean(T_max), "range"),
        ((M * log - (M - 1)) / M, "whole"),
        (float(np.log((1 + M) / 2)), "middle"),
        (M * log - (M - 1), "integral"),
        ((M * log - M) / (M - 1), "no-end"),
        (log, "largest"),
        (log - 1, "from-0"),
    ]
