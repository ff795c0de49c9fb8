"""Explorables for the tests: the two that the chapter on the forward pass shows, and one of every kind."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rnnbook.explore import (
    Arrows,
    Axis,
    Band,
    Bars,
    Choice,
    Explorer,
    Guess,
    Heat,
    Line,
    Points,
    Slider,
    Trajectories,
    Wiring,
    drawings,
)

z = np.linspace(-4, 4, 81)
Curves = dict[str, Callable[[Any], Any]]
PHI: Curves = {"tanh": np.tanh, "ReLU": lambda a: np.maximum(a, 0), "sigmoid": lambda a: 1 / (1 + np.exp(-a))}
SLOPE: Curves = {
    "tanh": lambda a: 1 - np.tanh(a) ** 2,
    "ReLU": lambda a: 1.0 * (a > 0),
    "sigmoid": lambda a: 1 / (2 + np.exp(a) + np.exp(-a)),
}


def activation(name: str, g: float) -> dict[str, Any]:
    slope = g * SLOPE[name](g * z)
    return {"phi": PHI[name](g * z), "slope": slope, "steepest": slope.max()}


def activations() -> Explorer:
    return Explorer(
        activation,
        title=("An activation and its slope", "激活函数及其斜率"),
        alt=("Curves of φ(gz) and of its derivative.", "φ(gz) 及其导数的曲线。"),
        x=Axis("z", z),
        y=Axis(limits=(-1.2, 3), marks=(0,)),
        controls={
            "name": Choice(("function φ", "函数 φ"), tuple(PHI)),
            "g": Slider(("gain g", "增益 g"), np.linspace(0.25, 3, 12), start=1, play=True),
        },
        series={"phi": Line("φ(gz)"), "slope": Line(("slope", "斜率"), dashed=True)},
        readout={"steepest": ("steepest slope", "最大斜率")},
    )


starts = np.array([(0.9, 0.1), (-0.5, -0.8), (0.05, 0.0)])
base = np.stack(np.meshgrid(*2 * [np.linspace(-0.9, 0.9, 5)]), axis=-1).reshape(-1, 2)


def two_units(r: float, theta: float, T: int = 60) -> dict[str, Any]:
    """h_t = tanh(W h_{t−1}) with W = r · rotation(θ)."""
    a = np.radians(theta)
    W = r * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    h = [starts]
    for _ in range(T):
        h.append(np.tanh(h[-1] @ W.T))
    length = np.linalg.norm(h[-1][0])
    return {"paths": np.stack(h, axis=1), "step": np.tanh(base @ W.T) - base, "length": length}


def phase_portrait() -> Explorer:
    return Explorer(
        two_units,
        title=("Two tanh units", "两个 tanh 单元"),
        alt=("Paths of the state from three starting points.", "状态从三个起点出发的轨迹。"),
        x=Axis("h₁", limits=(-1, 1)),
        y=Axis("h₂", limits=(-1, 1)),
        controls={
            "r": Slider(("scale r", "缩放 r"), np.linspace(0.5, 2, 7), start=1.25),
            "theta": Slider(("angle θ", "转角 θ"), np.linspace(0, 150, 6), start=30, unit="°", play=True),
        },
        series={"paths": Trajectories(("paths", "轨迹")), "step": Arrows(("one step", "一步"), at=base)},
        readout={"length": ("length after 60 steps", "60 步后的长度")},
    )


lags = np.arange(12)


def curves(rho: float) -> dict[str, Any]:
    wave = np.where(lags == 5, np.nan, np.cos(rho * lags))
    return {
        "line": 0.02 * np.exp(rho * lags),  # leaves the axis for large lags
        "points": rho**lags,
        "bars": wave,
        "band": np.stack([wave - 0.3, wave + 0.3]),
        "small": 1e-5 * rho,
        "none": np.nan,
    }


def mixture() -> Explorer:
    return Explorer(
        curves,
        title=("Four kinds", "四种图形"),
        alt=("A line, points, bars and a band.", "线、点、柱与带。"),
        x=Axis(("lag k", "滞后 k"), lags),
        y=Axis(("value", "值"), limits=(-1.4, 1.6), marks=(0,)),
        controls={"rho": Slider("ρ", np.linspace(0.5, 1, 11), start=0.8, unit=("units", "单位"))},
        series={
            "bars": Bars(("bars", "柱")),
            "band": Band(("band", "带")),
            "line": Line(("line", "线"), colour=1),
            "points": Points(("points", "点"), colour=2),
        },
        readout={"small": ("small", "小数"), "none": ("none", "无")},
    )


steps = np.arange(1, 13)


def contribution(w: float) -> dict[str, Any]:
    back = steps[:, None] - steps
    with np.errstate(divide="ignore"):
        return {"log": np.where(back >= 0, np.log10(w) * back, -np.inf), "far": w**11.0}


def heat_map() -> Explorer:
    return Explorer(
        contribution,
        title=("What the past contributes", "过去的贡献"),
        alt=("A triangle of colours.", "三角形的色块。"),
        x=Axis("s", steps),
        y=Axis("t", steps),
        controls={"w": Slider(("weight w", "权重 w"), np.linspace(0.5, 1.2, 8), start=0.9)},
        series={"log": Heat("log₁₀ |∂L_t/∂h_s|")},
        readout={"far": ("11 steps back", "往回 11 步")},
    )


def poles(rho: float, n: str) -> dict[str, Any]:
    angle = 2 * np.pi * np.arange(6) / 6 * int(n)
    return {"poles": rho * np.stack([np.cos(angle), np.sin(angle)], axis=-1)}


def pole_map() -> Explorer:
    return Explorer(
        poles,
        title=("Poles", "极点"),
        alt=("Points in the plane.", "平面上的点。"),
        x=Axis(("real part", "实部")),
        y=Axis(("imaginary part", "虚部")),
        controls={"rho": Slider("ρ", (0.5, 0.9, 0.99)), "n": Choice("n", {"1": ("one", "一"), "2": ("two", "二")})},
        series={"poles": Points(("poles", "极点"))},
    )


ALL = (activations, phase_portrait, mixture, heat_map, pole_map)

powers = np.arange(61)


def norms(rho: float, c: float) -> dict[str, Any]:
    """‖Wⁿ‖ of W = [[ρ, c], [0, ρ]], and ρⁿ."""
    W = np.array([[rho, c], [0, rho]])
    norm = np.array([np.linalg.norm(np.linalg.matrix_power(W, int(n)), 2) for n in powers])
    return {"norm": norm, "bound": np.linalg.norm(W, 2) ** powers, "largest": norm.max(), "when": int(norm.argmax())}


def guessed(guess: Guess | None) -> Explorer:
    return Explorer(
        norms,
        title=("Powers of a matrix", "矩阵的幂"),
        alt=("The norm rises to 1.96 and falls.", "范数升到 1.96，然后下降。"),
        x=Axis(("step n", "步 n"), powers),
        y=Axis(limits=(0.01, 100), log=True, marks=(1,)),
        controls={
            "rho": Slider(("radius ρ", "谱半径 ρ"), (0.9, 0.95, 1), play=True),
            "c": Slider(("corner c", "右上角 c"), (0, 0.25, 0.5)),
        },
        series={"norm": Line("‖Wⁿ‖"), "bound": Line("σⁿ", dashed=True)},
        readout={"largest": ("largest", "最大"), "when": ("reached at n", "出现在 n")},
        guess=guess,
    )


HIGH = Guess(
    ("How high does the norm rise?", "范数会升到多高？"),
    Slider(("height", "高度"), (1, 1.5, 2, 3, 5, 10), start=5),
    truth="largest",
    hides=("norm", "largest", "when"),
    mark="y",
)
LATE = Guess(
    ("After how many steps?", "多少步之后最大？"),
    Slider(("steps", "步数"), np.arange(0, 61, 5)),
    truth="when",
    hides=("norm", "largest", "when"),
    mark="x",
)
SHAPE = Guess(
    ("What do the powers do?", "这些幂会怎样？"),
    Choice(
        ("the powers", "这些幂"),
        {
            "fall": ("fall from the start", "一开始就下降"),
            "rise": ("rise, then fall", "先升后降"),
            "grow": ("grow for ever", "一直增大"),
        },
    ),
    truth="rise",
    hides=("norm", "largest", "when"),
)
GUESSES = (HIGH, LATE, SHAPE)


def lstm_numbers(f: float, i: float, g: float, o: float, s: float, way: str) -> dict[str, Any]:
    """One unit: c_{t−1} = 0.8, o_{t−1} = 0.9, W_h = s (1.5, 1.5, 2, 1.5) in the order i, f, g, o, no input.

    The biases make the gates f, i, o and the candidate g, whatever s is.
    """
    import torch

    from rnnbook.dynamics.paths import lstm_paths
    from rnnbook.layers.cells import LSTM

    F64 = torch.float64
    c_0, o_0, x = (torch.full((1, 1), value, dtype=F64) for value in (0.8, 0.9, 0.0))
    h_0, cell = o_0 * c_0.tanh(), LSTM(1, 1, dtype=F64)
    a_i, a_f, a_o = torch.tensor([i, f, o], dtype=F64).logit(eps=1e-16)
    with torch.no_grad():
        cell.W_x.zero_()
        cell.W_h.copy_(s * torch.tensor([[1.5], [1.5], [2.0], [1.5]]))
        cell.b.copy_(torch.stack([a_i, a_f, torch.tensor(g, dtype=F64).atanh(), a_o]))
        cell.b.sub_(cell.W_h[:, 0] * h_0.item())
        h, (_, c) = cell(x, (h_0, c_0))
    paths = lstm_paths(cell, x, c_0, o_0)
    forward = {"c0": 0.8, "o0": 0.9, "h0": h_0, "f": f, "i": i, "g": g, "o": o}
    forward |= {"kept": f * 0.8, "written": i * g, "c": c, "tanh": c.tanh(), "h": h}
    ways = ("direct", "forget", "input", "candidate", "side", "total")
    back = {"one": 1.0} | {name: getattr(paths, name) for name in ways}
    shown, rest = (forward, back) if way == "forward" else (back, forward)
    wires = {name: float(value) for name, value in shown.items()} | dict.fromkeys(rest, np.nan)
    return {"unit": wires, "direct": float(paths.direct), "total": float(paths.total)}


@cache
def lstm_wiring(asked: bool = False) -> Explorer:
    return Explorer(
        lstm_numbers,
        title=("One LSTM unit: forward, and the way back", "一个 LSTM 单元：正向，与回程"),
        alt=drawings.lstm_unit().alt,
        controls={
            "f": Slider(("forget gate f", "遗忘门 f"), (0, 0.5, 0.9, 1), start=0.9),
            "i": Slider(("input gate i", "输入门 i"), (0, 0.5, 1)),
            "g": Slider(("candidate g", "候选 g"), (-0.8, 0, 0.5), start=0.5),
            "o": Slider(("output gate o", "输出门 o"), (0, 0.5, 1)),
            "s": Slider(("size of W_h", "W_h 的大小"), (0, 0.5, 1), start=1),
            "way": Choice(("shown", "显示"), {"forward": ("forward", "正向"), "back": ("the way back", "回程")}),
        },
        series={"unit": Wiring(drawing=drawings.lstm_unit())},
        readout={"direct": ("direct path", "直接路径"), "total": ("whole gradient", "完整梯度")},
        guess=ROADS if asked else None,
    )


# dc_t/dc_{t−1} of the unit at its first settings.
ROADS = Guess(
    ("How much of a gradient of 1 at cₜ comes back to cₜ₋₁?", "cₜ 处的梯度若是 1，回到 cₜ₋₁ 处的有多少？"),
    Slider(("gradient", "梯度"), np.arange(0, 2.1, 0.1), start=0.9),
    truth="total",
    hides=("unit", "total"),
)
