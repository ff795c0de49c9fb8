"""Explorables for the tests: the two that the chapter on the forward pass shows, and one of every kind."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnbook.explore import (
    Arrows,
    Axis,
    Band,
    Bars,
    Choice,
    Explorer,
    Heat,
    Line,
    Points,
    Slider,
    Trajectories,
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
