"""The book's drawings of networks, each some lines of `rnnbook.explore.wiring`.

    from rnnbook.explore import drawings
    drawings.lstm()

A notebook and the page show a drawing where it is a cell's last expression. The letters are those of the notation
page; titles and what each drawing says to those who do not see it stand in drawings.toml.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from rnnbook.explore.wiring import Drawing, Role


def loop(T: int = 3) -> Drawing:
    """The recurrent network as a loop, and unrolled over T steps, 1 to 4."""
    if T not in range(1, 5):
        raise ValueError(f"the loop is unrolled over T = 1 to 4 steps, got {T!r}")
    d = _drawing("loop", 440, 306)
    top, fork, lane, low = 18, 78, 146, 234
    d.box("cell", 84, lane, "ϕ(Σ)", w=48)
    d.port("x", 84, low, "x_t", "input")
    d.port("o", 84, top, "o_t")
    d.dot("h", 84, fork, "state")
    d.box("delay", 32, 112, ("delay", "延迟"), "state", w=54, h=28)
    d.wire("x cell", "input")
    d.wire("cell h", "state")
    d.wire("h o")
    d.wire("h -| delay |- cell", "state")
    d.text(92, 104, "h_t", "state", anchor="start")
    d.text(92, 54, "V", "weight", anchor="start")
    d.text(92, 194, "W_x", "weight", anchor="start")
    d.text(42, 166, "W_h", "weight")
    d.text(138, 84, "=")
    d.port("h0", 152, lane, "h_0", "state")
    step, w = (78, 48) if T < 4 else (62, 40)
    for t in range(1, T + 1):
        x = 148 + step * t
        d.box(f"h{t}", x, lane, "ϕ(Σ)", w=w)
        d.port(f"x{t}", x, low, f"x_{t}", "input")
        d.port(f"o{t}", x, top, f"o_{t}")
        d.wire(f"x{t} h{t}", "input")
        d.wire(f"h{t} o{t}")
        d.wire(f"h{t - 1} h{t}", "state")
        d.text(x + 8, fork, "V", "weight", anchor="start")
        d.text(x + 8, 194, "W_x", "weight", anchor="start")
        middle = x - step / 2 if t > 1 else (165 + x - w / 2) / 2
        d.text(middle, lane - 26, "W_h", "weight")
        if t > 1:
            d.text(middle, lane + (16 if T < 4 else 26), f"h_{t - 1}", "state")
    end = x + w / 2 + (28 if T < 4 else 20)
    d.wire(f"h{T} {end},{lane}", "state")
    d.text(end - 14, lane + (16 if T < 4 else 26), f"h_{T}", "state")
    d.text((152 + end) / 2, 264, ("one set of weights for all steps", "各步共用一套权重"), "weight")
    d.wire(f"152,292 {end},292", "input")
    d.text(144, 292, ("time", "时间"), "input", anchor="end")
    return d


def kept() -> Drawing:
    """One linear unit, h_t = w h_{t−1} + x_t, unrolled over five steps, for a `Wiring`.

    Numbers: x1 to x5, h1 to h5, and kept2 to kept5, where kept_t = w h_{t−1}.
    """
    d = _drawing("kept", 440, 204)
    lane, low, step = 86, 152, 92
    for t in range(1, 6):
        x = 24 + step * (t - 1)
        d.plus(f"sum{t}", x, lane, "state")
        d.port(f"x_{t}", x, low, f"x_{t}", "input")
        d.wire(f"x_{t} sum{t}", "input", name=f"x{t}")
        d.text(x, low + 27, "", "input", number=f"x{t}")
        d.text(x + 4, lane - 58, f"h_{t}", "state")
        d.text(x + 4, lane - 32, "", "state", number=f"h{t}")
        if t > 1:
            d.box(f"w{t}", x - step / 2, lane, "w", "weight", w=30, weights=True)
            d.wire(f"sum{t - 1} w{t}", "state", name=f"h{t - 1}")
            d.wire(f"w{t} sum{t}", "state", name=f"kept{t}")
    d.wire(f"sum5 436,{lane}", "state", name="h5")
    return d


def switch() -> Drawing:
    """Parity: two ReLU units that hold or flip one bit, for a `Wiring`.

    Numbers: s0 and x, their sum a, h1 = ReLU(a), h2 = ReLU(a − 1), twice = −2 h2, s1 = h1 + twice.
    """
    d = _drawing("switch", 440, 236)
    up, lane, down, low = 46, 104, 162, 204
    d.port("s_0", 20, lane, "s_{t-1}", "state", w=36)
    d.plus("sum", 98, lane)
    d.port("x_t", 98, low, "x_t", "input")
    d.dot("a", 142, lane)
    d.box("one", 222, up, "ReLU(a)", "state", w=100)
    d.box("two", 222, down, "ReLU(a-1)", "state", w=100)
    d.box("factor", 326, down, "-2", "weight", w=36, weights=True)
    d.plus("add", 376, lane, "state")
    d.port("s_1", 424, lane, "s_t", "state", w=20)
    d.wire("s_0 sum", "state", name="s0")
    d.wire("x_t sum", "input", name="x")
    d.wire("sum a", name="a", head=False)
    d.wire("a |- one", name="a")
    d.wire("a |- two", name="a")
    d.wire("one -| add", "state", name="h1")
    d.wire("two factor", "state", name="h2")
    d.wire("factor -| add", "state", name="twice")
    d.wire("add s_1", "state", name="s1")
    d.text(44, lane - 30, "", "state", number="s0")
    d.text(120, low, "", "input", anchor="start", number="x")
    d.text(152, lane, "a", anchor="start")
    d.text(172, lane, "", anchor="start", number="a")
    d.text(306, up - 18, "", "state", number="h1")
    d.text(288, down - 30, "", "state", number="h2")
    d.text(368, down + 20, "", "state", number="twice")
    d.text(420, lane - 30, "", "state", number="s1")
    return d


def padded() -> Drawing:
    """A feed-forward network with six places, of which a sequence of three fills the first three."""
    d = _drawing("padded", 440, 246)
    lane, low = 146, 200
    d.box("W", 200, lane, "W", "weight", w=324, weights=True)
    for k in range(1, 7):
        x = 10 + 55 * k
        given = k < 4
        d.port(f"x{k}", x, low, f"x_{k}" if given else "0", "input" if given else "faint")
        d.wire(f"x{k} W", "input" if given else "faint")
    d.box("phi", 200, 90, "ϕ", w=40)
    d.box("V", 200, 36, "V", "weight", w=44, weights=True)
    d.port("o", 300, 36, "o")
    d.wire("W phi V o")
    d.text(120, 228, ("the sequence", "序列"), "input")
    d.text(285, 228, ("padding", "填充"))
    return d


def shapes() -> Drawing:
    """The five shapes of input and output."""
    d = _drawing("shapes", 440, 356)
    step, box = 44, 30
    kinds: list[tuple[str, int, float, tuple[int, ...], tuple[int, ...], int, tuple[str, str]]] = [
        ("a", 0, 46, (1,), (1,), 1, ("one to one", "一对一")),
        ("b", 0, 144, (1,), (1, 2, 3), 3, ("one to many", "一对多")),
        ("c", 0, 320, (1, 2, 3), (3,), 3, ("many to one", "多对一")),
        ("d", 1, 46, (1, 2, 3), (1, 2, 3), 3, ("step by step", "逐步对应")),
        ("e", 1, 222, (1, 2), (3, 4, 5), 5, ("two lengths", "长度不等")),
    ]
    for key, row, left, inputs, outputs, count, words in kinds:
        top = 18 + 180 * row
        for t in range(1, count + 1):
            x = left + step * (t - 1)
            own: Role = "ink" if key == "e" and t > 2 else "state"  # the decoder is another network
            d.box(f"{key}{t}", x, top + 54, "", own, w=box, h=30, weights=True)
            if t in inputs:
                d.port(f"{key}x{t}", x, top + 108, f"x_{t}" if count > 1 else "x", "input")
                d.wire(f"{key}x{t} {key}{t}", "input")
            if t in outputs:
                number = t - 2 if key == "e" else t
                d.port(f"{key}o{t}", x, top, f"o_{number}" if len(outputs) > 1 else "o")
                d.wire(f"{key}{t} {key}o{t}")
            if t > 1:
                d.wire(f"{key}{t - 1} {key}{t}", "state")
            if own == "ink":
                d.port(f"fed{t}", x, top + 108, "0" if t == 3 else f"o_{t - 3}")
                d.wire(f"fed{t} {key}{t}")
        d.text(left + step * (count - 1) / 2, top + 138, words)
    return d


def elman() -> Drawing:
    """One step of the simple recurrent network and its read-out, with all shapes."""
    d = _drawing("elman", 440, 340)
    lane, mid, out = 206, 190, 338
    d.port("h0", 26, lane, "h_{t-1}", "state", w=44)
    d.port("x", mid, 322, "x_t", "input")
    d.port("b", mid, 150, "b", "weight")
    d.port("h1", 416, lane, "h_t", "state")
    d.port("c", 272, 104, "c", "weight")
    d.port("o", out, 16, "o_t")
    d.box("W_h", 110, lane, "W_h", "weight", w=44, weights=True)
    d.box("W_x", mid, 264, "W_x", "weight", w=44, weights=True)
    d.box("V", out, 154, "V", "weight", w=44, weights=True)
    d.box("phi", 272, lane, "ϕ", w=40)
    d.box("softmax", out, 58, ("softmax", "softmax"), w=86, h=30)
    d.plus("sum", mid, lane)
    d.plus("add", out, 104)
    d.dot("h", out, lane, "state")
    d.wire("h0 W_h", "state")
    d.wire("x W_x", "input")
    d.wire("b sum", "weight")
    d.wire("c add", "weight")
    d.wire("W_h sum")
    d.wire("W_x sum")
    d.wire("sum phi")
    d.wire("phi h h1", "state")
    d.wire("h V", "state")
    d.wire("V add softmax o")
    d.text((mid + 272) / 2, lane - 16, "a_t")
    d.text(26, lane + 25, "(H,)", "state")
    d.text(416, lane + 25, "(H,)", "state")
    d.text(110, lane + 32, "(H, H)", "weight")
    d.text(mid + 28, 264, "(H, I)", "weight", anchor="start")
    d.text(out + 28, 154, "(O, H)", "weight", anchor="start")
    d.text(mid + 20, 322, "(I,)", "input", anchor="start")
    d.text(mid - 16, 150, "(H,)", "weight", anchor="end")
    d.text(256, 104, "(O,)", "weight", anchor="end")
    d.text(out + 20, 16, "(O,)", anchor="start")
    return d


def two_steps() -> Drawing:
    """One unit over two steps, with b = 0 and W_x = 1, for a `Wiring`.

    Numbers: h0, x1, x2; kept1 = W_h h_0, a1 = kept1 + x_1, h1 = tanh a_1; kept2, a2, h2 likewise.
    """
    d = _drawing("two-steps", 440, 236)
    lane, low = 82, 184
    d.port("h_0", 16, lane, "h_0", "state")
    d.port("end", 424, lane, "h_2", "state")
    for t, x in ((1, 70), (2, 252)):
        d.box(f"W{t}", x, lane, "W_h", "weight", w=40, weights=True)
        d.plus(f"sum{t}", x + 58, lane)
        d.box(f"tanh{t}", x + 116, lane, "\\tanh", w=46)
        d.port(f"x_{t}", x + 58, low, f"x_{t}", "input")
        d.wire(f"W{t} sum{t}", name=f"kept{t}")
        d.wire(f"x_{t} sum{t}", "input", name=f"x{t}")
        d.wire(f"sum{t} tanh{t}", name=f"a{t}")
        d.text(x + 28, lane + 34, "", number=f"kept{t}")
        d.text(x + 58, low + 27, "", "input", number=f"x{t}")
        d.text(x + 90, lane + 34, f"a_{t}")
        d.text(x + 90, lane + 58, "", number=f"a{t}")
    d.wire("h_0 W1", "state", name="h0")
    d.wire("tanh1 W2", "state", name="h1")
    d.wire("tanh2 end", "state", name="h2")
    d.text(16, lane - 34, "", "state", number="h0")
    d.text(220, lane + 34, "h_1", "state")
    d.text(220, lane - 34, "", "state", number="h1")
    d.text(418, lane - 34, "", "state", number="h2")
    return d


def last_word() -> Drawing:
    """Two sentences that differ in their last word, read by one network: which states are the same."""
    d = _drawing("last-word", 440, 262)
    lane, table, low = 88, 160, 214
    words = (("The", "他"), ("complex", "喜欢"), ("houses", "一个人"), ("students", "旅行"))
    d.frame(46, 14, 306, 244, "state")
    d.text(176, 34, ("the same for both", "两句都一样"), "state")
    d.port("h0", 20, lane, "h_0", "state")
    for t, word in enumerate(words, 1):
        x = 88 * t if t < 4 else 372
        d.box(f"h{t}", x, lane, f"h_{t}", "state", w=40, weights=True)
        d.box(f"E{t}", x, table, "E", "weight", w=40, weights=True)
        d.port(f"w{t}", x, low, word, w=60)
        d.wire(f"w{t} E{t}")
        d.wire(f"E{t} h{t}", "input")
        d.text(x + 8, 126, f"x_{t}", "input", anchor="start")
    d.text(372, low + 26, ("or: collapsed", "或：很久了"))
    d.wire("h0 h1 h2 h3 h4", "state")
    d.wire(f"h4 432,{lane}", "state")
    return d


def lstm() -> Drawing:
    """The LSTM cell, with the shapes of its weights."""
    d = _drawing("lstm", 440, 414)
    top, mix, gates, cut, low = 40, 108, 188, 238, 292
    f, i, g, o, out = 94, 152, 208, 304, 376
    mid = (i + g) / 2
    d.frame(54, 14, 404, 374)
    d.port("c0", 44, top, "c_{t-1}", "state", anchor="end")
    d.port("h0", 44, low, "h_{t-1}", "state", anchor="end")
    d.port("c1", 414, top, "c_t", "state", anchor="start")
    d.port("h1", 414, low, "h_t", "state", anchor="start")
    d.port("x", mid, 396, "x_t", "input")
    d.times("keep", f, top, "state")
    d.plus("add", mid, top, "state")
    d.dot("c", out, top, "state")
    d.times("write", mid, mix)
    d.box("f", f, gates, "σ", "gate")
    d.box("i", i, gates, "σ", "gate")
    d.box("g", g, gates, "\\tanh", w=48)
    d.box("o", o, gates, "σ", "gate")
    d.box("tanh", out, 88, "\\tanh", "state", w=46)
    d.times("show", out, 142, "state")
    d.bar("a", f, o, cut)
    d.plus("sum", mid, low)
    d.box("W_h", f, low, "W_h", "weight", w=44, weights=True)
    d.box("W_x", mid, 340, "W_x", "weight", w=44, weights=True)
    d.port("b", 244, low, "b", "weight", w=16)
    d.wire("c0 keep add c c1", "state")
    d.wire("c tanh show |- h1", "state")
    d.wire("f keep", "gate")
    d.wire("i |- write", "gate")
    d.wire("o |- show", "gate")
    d.wire("g |- write add")
    d.wire("h0 W_h", "state")
    d.wire("x W_x", "input")
    d.wire("b sum", "weight")
    d.wire("W_h sum")
    d.wire("W_x sum")
    d.wire("sum a", head=False)
    blocks: list[tuple[str, float, Role, tuple[str, str]]] = [
        ("f", f, "gate", ("forget", "遗忘")),
        ("i", i, "gate", ("input", "输入")),
        ("g", g, "ink", ("candidate", "候选状态")),
        ("o", o, "gate", ("output", "输出")),
    ]
    for key, x, role, word in blocks:
        d.wire(f"{x},{cut} {key}")
        d.text(x + 8, 222, word, role, anchor="start")
    d.text(f - 8, 128, "f_t", "gate", anchor="end")
    d.text(i - 8, 140, "i_t", "gate", anchor="end")
    d.text(g + 8, 140, "g_t", anchor="start")
    d.text(o - 8, 156, "o_t", "gate", anchor="end")
    d.text(mid + 9, 266, "a_t", anchor="start")
    d.text(mid + 34, 266, "(4H,)", anchor="start")
    d.text(42, low + 24, "(H,)", "state", anchor="end")
    d.text(42, top + 24, "(H,)", "state", anchor="end")
    d.text(f + 2, low + 29, "(4H, H)", "weight")
    d.text(mid + 30, 340, "(4H, I)", "weight", anchor="start")
    return d


def lstm_belt() -> Drawing:
    """Three steps of a cell state alone: what is kept, what is written, and the direct path back."""
    d = _drawing("lstm-belt", 440, 166)
    top, low, step = 50, 148, 116
    d.port("c0", 16, top, "c_0", "state")
    d.port("c3", 424, top, "c_3", "state")
    for t in range(1, 4):
        keep, add = 88 + step * (t - 1), 136 + step * (t - 1)
        d.times(f"keep{t}", keep, top, "state")
        d.plus(f"add{t}", add, top, "state")
        d.port(f"f{t}", keep, low, f"f_{t}", "gate")
        d.port(f"ig{t}", add, low, f"i_{t}g_{t}", w=40)
        d.wire(f"f{t} keep{t}", "gate")
        d.wire(f"ig{t} add{t}")
        if t < 3:
            d.text(add + 34, top - 20, f"c_{t}", "state")
    d.wire("c0 keep1 add1 keep2 add2 keep3 add3 c3", "state")
    d.wire("c3 add3 keep3 add2 keep2 add1 keep1 c0", "error", beside=-9, dashed=True)
    for x, label in ((402, "1"), (286, "f_3"), (170, "f_2f_3"), (40, "f_1f_2f_3")):
        d.text(x, top + 36, label, "error")
    return d


def lstm_unit() -> Drawing:
    """One LSTM unit with the end of the step before it, forward and back, for a `Wiring`.

    Forward: c0, o0, h0 (c_{t−1}, o_{t−1}, h_{t−1}), f, i, g, o, kept = f c_{t−1}, written = i g, c, tanh, h.
    Back, dc_t/dc_{t−1} split by its ways: one (at c_t), direct, forget, input, candidate, side (their sum), total.
    """
    d = _drawing("lstm-unit", 440, 356)
    top, mix, gates, cut, low = 40, 108, 184, 232, 286
    past, f, i, g, o, out = 44, 116, 174, 246, 328, 376
    mid = (i + g) / 2
    d.frame(70, 14, 404, 330)
    d.dot("c_0", past, top, "state", r=4.4)
    d.box("tanh_0", past, 96, "\\tanh", "state", w=44)
    d.times("h_0", past, 150, "state")
    d.times("keep", f, top, "state")
    d.plus("add", mid, top, "state")
    d.dot("c_t", out, top, "state", r=4.4)
    d.times("write", mid, mix)
    d.box("f", f, gates, "σ", "gate")
    d.box("i", i, gates, "σ", "gate")
    d.box("g", g, gates, "\\tanh", w=48)
    d.box("o", o, gates, "σ", "gate")
    d.box("tanh", out, 88, "\\tanh", "state", w=46)
    d.times("show", out, 142, "state")
    d.bar("a", f, o, cut)
    d.plus("sum", mid, low)
    d.box("W_h", f, low, "W_h", "weight", w=44, weights=True)
    d.port("c1", 412, top, "c_t", "state", anchor="start")
    d.port("h1", 412, low, "h_t", "state", anchor="start")
    d.port("x", 292, low, "W_xx_t+b", "input", w=76)
    d.wire("W_h sum", "faint")
    d.wire("x sum", "faint")
    d.wire("sum a", "faint", head=False)
    for key, x in (("f", f), ("i", i), ("g", g), ("o", o)):
        d.wire(f"{x},{cut} {key}", "faint")
    # Forward.
    d.wire(f"4,{top} c_0 keep", "state", name="c0")
    d.wire("c_0 tanh_0 h_0", "state", name="c0")
    d.wire("4,150 h_0", "gate", name="o0")
    d.wire("h_0 |- W_h", "state", name="h0")
    d.wire("keep add", "state", name="kept")
    d.wire("add c_t c1", "state", name="c")
    d.wire("c_t tanh", "state", name="c")
    d.wire("tanh show", "state", name="tanh")
    d.wire("show |- h1", "state", name="h")
    d.wire("f keep", "gate", name="f")
    d.wire("i |- write", "gate", name="i")
    d.wire("g |- write", name="g")
    d.wire("o |- show", "gate", name="o")
    d.wire("write add", name="written")
    # Back, beside the forward wires.
    d.wire("c1 add keep", "error", beside=-9, name="one")
    d.wire(f"keep {past + 9},{top}", "error", beside=-9, head=False, name="direct")
    d.wire(f"{past + 9},{top} 4,{top}", "error", beside=-9, name="total")
    d.wire(f"keep f {f},{cut - 3}", "error", beside=-9, name="forget")
    d.wire("add write", "error", beside=9, name="one")
    d.wire("write -| i", "error", beside=-9, name="input")
    d.wire(f"i {i},{cut - 3}", "error", beside=-9, name="input")
    d.wire("write -| g", "error", beside=9, name="candidate")
    d.wire(f"g {g},{cut - 3}", "error", beside=9, name="candidate")
    d.wire(f"{mid},{cut + 3} sum W_h -| h_0 tanh_0 {past},{top + 10}", "error", beside=9, name="side")
    # Letters, and the numbers beside them.
    d.text(20, 20, "c_{t-1}", "state")
    d.text(20, 62, "", "state", number="c0")
    d.text(20, 62, "", "error", number="total")
    d.text(18, 131, "o_{t-1}", "gate")
    d.text(18, 170, "", "gate", number="o0")
    d.text(36, 212, "h_{t-1}", "state", anchor="end")
    d.text(36, 232, "", "state", anchor="end", number="h0")
    d.text((f + mid) / 2, 22, "", "state", number="kept")
    d.text((mid + out) / 2, 22, "", "state", number="c")
    d.text(mid + 9, 76, "", anchor="start", number="written")
    d.text(out - 8, 118, "", "state", anchor="end", number="tanh")
    d.text(out - 8, 224, "", "state", anchor="end", number="h")
    d.text(f - 8, 112, "f_t", "gate", anchor="end")
    d.text(f - 8, 132, "", "gate", anchor="end", number="f")
    d.text(i - 8, 134, "i_t", "gate", anchor="end")
    d.text(i - 8, 154, "", "gate", anchor="end", number="i")
    d.text(g + 8, 130, "g_t", anchor="start")
    d.text(g + 8, 151, "", anchor="start", number="g")
    d.text(o - 8, 152, "o_t", "gate", anchor="end")
    d.text((o + out) / 2, 160, "", "gate", number="o")
    d.text((mid + out) / 2, 64, "", "error", number="one")
    d.text(92, 64, "", "error", number="direct")
    d.text(f + 14, 112, "", "error", anchor="start", number="forget")
    d.text(i + 13, 140, "", "error", anchor="start", number="input")
    d.text(g + 8, 151, "", "error", anchor="start", number="candidate")
    d.text((f + mid) / 2 + 8, low - 24, "", "error", number="side")
    return d


def gru(convention: Literal["torch", "sources"] = "torch") -> Drawing:
    """The GRU. In PyTorch the reset follows the product and z weights the old state; in the sources it is before the
    product, and z weights the candidate."""
    if convention not in ("torch", "sources"):
        raise ValueError(f'the convention of a GRU is "torch" or "sources", got {convention!r}')
    torch = convention == "torch"
    d = _drawing("gru" if torch else "gru-sources", 440, 388)
    top, mix, mid, lane, low, bus = 40, 104, 162, 216, 276, 324
    left, z, fork, n = 72, 128, 172, 364
    r, product = (298, 234) if torch else (224, 296)
    d.frame(54, 14, 404, 350)
    d.port("h0", 44, top, "h_{t-1}", "state", anchor="end")
    d.port("h1", 414, top, "h_t", "state", anchor="start")
    d.port("x", r, 372, "x_t", "input")
    d.dot("h", left, top, "state")
    d.dot("to_z", left, mid, "state")
    d.dot("to_r", fork, lane, "state")
    d.dot("z_t", z, mix, "gate")
    d.dot("x_t", r, bus, "input")
    d.times("keep", z, top, "state")
    d.plus("add", n, top, "state")
    d.times("write", n, mix)
    d.box("z", z, mid, "σ", "gate", weights=True)
    d.box("r", r, low, "σ", "gate", weights=True)
    d.times("reset", r, lane)
    d.box("W_hn", product, lane, "W_{hn}, b_n" if torch else "W_{hn}", "weight", w=76 if torch else 52, weights=True)
    d.plus("sum", n, lane)
    d.box("tanh", n, mid, "\\tanh", w=48)
    d.box("W_xn", n, low, "W_{xn}, b", "weight", w=66, weights=True)
    d.wire("x x_t r", "input")
    d.wire("x_t -| z", "input")
    d.wire("x_t -| W_xn", "input")
    d.wire("h0 h keep add h1", "state")
    d.wire("h to_z |- to_r", "state")
    d.wire("to_z z", "state")
    d.wire("to_r |- r", "state")
    if torch:
        d.wire("to_r W_hn", "state")
        d.wire("W_hn reset sum")
    else:
        d.wire("to_r reset W_hn", "state")
        d.wire("W_hn sum")
    d.wire("r reset", "gate")
    d.wire("W_xn sum tanh write add")
    d.wire("z z_t", "gate")
    if torch:
        d.box("other", 246, mix, "1-z_t", "gate", w=60)
        d.wire("z_t keep", "gate")
        d.wire("z_t other write", "gate")
    else:
        d.box("other", z, 74, "1-z_t", "gate", w=60, h=26)
        d.wire("z_t other keep", "gate")
        d.wire("z_t write", "gate")
    d.text(z - 8, 126, "z_t", "gate", anchor="end")
    d.text(z + 8, 126, ("update", "更新"), "gate", anchor="start")
    d.text(r + 8, 246, "r_t", "gate", anchor="start")
    d.text(r - 8, 245, ("reset", "重置"), "gate", anchor="end")
    d.text(n + 8, 130, "n_t", anchor="start")
    d.text(n - 8, 131, ("candidate", "候选"), anchor="end")
    return d


def mingru() -> Drawing:
    """The minGRU, whose gate and candidate do not read the state."""
    d = _drawing("mingru", 400, 264)
    top, mix, low, bus, z, n = 40, 118, 172, 216, 132, 272
    d.frame(54, 14, 346, 232)
    d.port("h0", 44, top, "h_{t-1}", "state", anchor="end")
    d.port("h1", 356, top, "h_t", "state", anchor="start")
    d.port("x", (z + n) / 2, 248, "x_t", "input")
    d.dot("x_t", (z + n) / 2, bus, "input")
    d.dot("z_t", z, mix, "gate")
    d.times("keep", z, top, "state")
    d.plus("add", n, top, "state")
    d.times("write", n, mix)
    d.box("other", z, 80, "1-z_t", "gate", w=60, h=26)
    d.box("z", z, low, "σ(W_zx_t+b_z)", "gate", w=124, weights=True)
    d.box("n", n, low, "W_nx_t+b_n", "weight", w=104, weights=True)
    d.wire("x x_t", "input")
    d.wire("x_t -| z", "input")
    d.wire("x_t -| n", "input")
    d.wire("h0 keep add h1", "state")
    d.wire("z z_t other keep", "gate")
    d.wire("z_t write", "gate")
    d.wire("n write add")
    d.text(z - 8, 138, "z_t", "gate", anchor="end")
    d.text(n + 8, 142, "n_t", anchor="start")
    return d


def bidirectional() -> Drawing:
    """Two readers: a layer that reads forwards and one that reads backwards."""
    d = _drawing("bidirectional", 440, 328)
    ahead, back = 222, 146
    d.port("f0", 16, ahead, "h^→_0", "state", w=32)
    d.port("b5", 424, back, "h^←_5", "state", w=32)
    for t in range(1, 5):
        x = 88 * t
        d.port(f"x{t}", x, 310, f"x_{t}", "input")
        d.dot(f"d{t}", x, 270, "input")
        d.port(f"o{t}", x, 18, f"o_{t}")
        d.box(f"f{t}", x - 20, ahead, f"h^→_{t}", "state", weights=True)
        d.box(f"b{t}", x + 20, back, f"h^←_{t}", "state", weights=True)
        d.box(f"V{t}", x, 74, "V", "weight", w=78, h=30, weights=True)
        d.wire(f"x{t} d{t} -| f{t}", "input")
        d.wire(f"d{t} -| b{t}", "input")
        d.wire(f"f{t} V{t}", "state")
        d.wire(f"b{t} V{t}", "state")
        d.wire(f"V{t} o{t}")
    d.wire("f0 f1 f2 f3 f4", "state")
    d.wire("b5 b4 b3 b2 b1", "state")
    return d


def bptt() -> Drawing:
    """The graph of backpropagation through time: forward, and the error's way back beside it."""
    d = _drawing("bptt", 440, 306)
    lane = 168
    d.port("n0", 16, lane, "h_0", "state")
    for t in range(1, 4):
        x = 134 * t - 26
        d.box(f"n{t}", x, lane, "ϕ(Σ)", w=50, h=46)
        d.box(f"L{t}", x, 36, f"L_{t}", w=50, h=34)
        d.port(f"x{t}", x, 286, f"x_{t}", "input")
        d.wire(f"x{t} n{t}", "input")
        d.wire(f"n{t} L{t}", "state", beside=-10)
        d.wire(f"L{t} n{t}", "error", beside=-10, dashed=True)
        d.wire(f"n{t - 1} n{t}", "state", beside=-9)
        d.wire(f"n{t} n{t - 1}", "error", beside=-9, dashed=True)
        d.text(x + 8, 234, "W_x", "weight", anchor="start")
        d.text(x - 18, 98, f"h_{t}", "state", anchor="end")
        d.text(x + 18, 98, f"V^⊤d_{t}", "error", anchor="start")
        middle = (d.nodes[f"n{t - 1}"].x + d.nodes[f"n{t - 1}"].w + x - 25) / 2
        d.text(middle, lane - 27, "W_h", "weight")
        d.text(middle, lane + 30, f"W_h^⊤δ_{t}", "error")
    return d


def residual() -> Drawing:
    """One step with a residual connection: the old state, less of it, and what the layer makes of it."""
    d = _drawing("residual", 440, 236)
    top, low = 70, 150
    d.port("h0", 20, top, "h_{t-1}", "state", w=44)
    d.dot("copy", 78, top, "state")
    d.times("keep", 220, top, "state")
    d.plus("add", 340, top, "state")
    d.port("h", 416, top, "h_t", "state")
    d.port("alpha", 220, 16, "α", "gate")
    d.box("phi", 150, low, "ϕ(Σ)", w=56, weights=True)
    d.times("new", 260, low)
    d.port("rest", 260, 216, "1-α", "gate", w=44)
    d.port("x", 150, 216, "x_t", "input")
    d.wire("h0 copy keep add h", "state")
    d.wire("copy |- phi", "state")
    d.wire("phi new -| add")
    d.wire("alpha keep", "gate")
    d.wire("rest new", "gate")
    d.wire("x phi", "input")
    d.wire("h add keep h0", "error", beside=-9, dashed=True)
    d.wire("add |- new phi -| copy", "error", beside=-9, dashed=True)
    d.text(292, top + 27, "α", "error")
    return d


def truncated() -> Drawing:
    """Backpropagation cut after three steps, by a window that moves along and in chunks."""
    d = _drawing("truncated", 440, 290)
    d.text(20, 14, ("window of 3", "窗口，长 3 步"), anchor="start")
    d.text(20, 154, ("chunks of 3", "分段，每段 3 步"), anchor="start")
    for name, y in (("window", 48), ("chunk", 198)):
        for t in range(1, 7):
            d.box(f"{name}{t}", 72 * t - 32, y, f"h_{t}", "state", w=40, weights=True)
        d.wire(" ".join(f"{name}{t}" for t in range(1, 7)), "state")
        for t in (4, 5, 6):
            first = t - 2 if name == "window" else 4
            lane = y + 36 + 18 * (t - 4)
            d.dot(f"{name}_error{t}", 72 * t - 32, lane, "error")
            if first < t:
                d.wire(f"{name}_error{t} {72 * first - 32},{lane}", "error", dashed=True)
            d.text(72 * t - 14, lane, f"L_{t}", "error", anchor="start")
    for left in (12, 228):
        d.frame(left, 170, left + 200, 222)
    return d


def encoder_decoder() -> Drawing:
    """An encoder that reads a sequence and a decoder that writes another, with one state between them."""
    d = _drawing("encoder-decoder", 440, 232)
    lane, low, high = 98, 178, 18
    d.frame(6, 58, 188, 138, "state")
    d.frame(252, 58, 434, 138, "state")
    for t in range(1, 4):
        x, u = 60 * t - 23, 60 * t + 223
        d.box(f"h{t}", x, lane, f"h_{t}", "state", w=40, weights=True)
        d.box(f"s{t}", u, lane, f"s_{t}", "state", w=40, weights=True)
        d.port(f"x{t}", x, low, f"x_{t}", "input")
        d.port(f"y{t}", u, low, f"o_{t - 1}", "input")
        d.port(f"o{t}", u, high, f"o_{t}")
        d.wire(f"x{t} h{t}", "input")
        d.wire(f"y{t} s{t}", "input")
        d.wire(f"s{t} o{t}")
    d.wire("h1 h2 h3 s1 s2 s3", "state")
    d.text(97, 218, ("encoder", "编码器"), "state")
    d.text(343, 218, ("decoder", "解码器"), "state")
    d.text(220, lane - 20, "h_3=s_0", "state")
    return d


def attention() -> Drawing:
    """A decoder's step that attends to all states of the encoder."""
    d = _drawing("attention", 440, 388)
    low, enc, fork, score, mix, top, dec = 370, 312, 262, 206, 112, 40, 398
    d.frame(8, 178, 282, 234, "gate")
    d.box("sum", 145, top, "Σ_jα_jh_j", w=274)
    for j in range(1, 5):
        x = 66 * j - 21
        d.port(f"x{j}", x, low, f"x_{j}", "input")
        d.box(f"h{j}", x, enc, f"h_{j}", "state", w=40, weights=True)
        d.dot(f"d{j}", x, fork, "state")
        d.box(f"e{j}", x - 16, score, "e", "gate", w=30, weights=True)
        d.times(f"m{j}", x + 16, mix)
        d.wire(f"x{j} h{j}", "input")
        d.wire(f"h{j} d{j} -| e{j}", "state")
        d.wire(f"d{j} -| m{j}", "state")
        d.wire(f"e{j} |- m{j}", "gate")
        d.wire(f"m{j} sum")
        d.text(x - 23, 144, f"α_{j}", "gate", anchor="end")
    d.wire("h1 h2 h3 h4", "state")
    d.port("s0", 328, score + 12, "s_{u-1}", "state", w=44)
    d.box("s", dec, score, "s_u", "state", w=40, h=52, weights=True)
    d.port("o", dec, top, "o_u")
    d.port("y", dec, enc, "o_{u-1}", "input")
    d.wire(f"s0 282,{score + 12}", "state")
    d.wire("s0 s", "state")
    d.wire(f"s 438,{score}", "state")
    d.wire("s o")
    d.wire("y s", "input")
    d.wire(f"sum -| 328,{score - 12} s")
    d.text(336, 112, ("context", "上下文"), anchor="start")
    d.text(290, 248, ("softmax", "softmax"), "gate", anchor="start")
    return d


def cone() -> Drawing:
    """What one output of a causal dilated convolution reads."""
    d = _drawing("cone", 440, 256)
    levels, gaps = (194, 138, 82, 26), (1, 2, 4)
    seen = [{8}]
    for gap in reversed(gaps):
        seen.insert(0, seen[0] | {k - gap for k in seen[0]})
    for row, y in enumerate(levels):
        for k in range(9):
            role: Role = "faint" if k not in seen[row] else "state" if row else "input"
            d.dot(f"p{row}{k}", 20 + 39 * k, y, role, r=5)
    for inside in (False, True):  # what is seen lies above what is not
        for row, gap in enumerate(gaps):
            for k in range(9):
                for back in (k, k - gap):
                    if back >= 0 and (k in seen[row + 1] and back in seen[row]) == inside:
                        d.wire(f"p{row}{back} p{row + 1}{k}", "state" if inside else "faint")
    for k in range(9):
        d.text(20 + 39 * k, 224, f"x_{k + 1}", "input")
    for row, gap in enumerate(gaps):
        d.text(350, (levels[row] + levels[row + 1]) / 2, (f"dilation {gap}", f"扩张 {gap}"), anchor="start")
    d.text(346, 26, "y_9", "state", anchor="start")
    return d


def kalman() -> Drawing:
    """The Kalman filter as a recurrent network."""
    d = _drawing("kalman", 440, 226)
    top, low = 52, 178
    d.port("y", 20, top, "y_t", "input")
    d.plus("v", 84, top)
    d.box("K", 172, top, "K_t", "gate", w=44)
    d.plus("add", 248, top, "state")
    d.dot("m", 348, top, "state")
    d.port("out", 396, top, "m_{f,t}", "state", anchor="start")
    d.box("C", 84, 116, "C", "weight", w=40, weights=True)
    d.box("A", 348, 116, "A", "weight", w=40, weights=True)
    d.dot("m_t", 248, low, "state")
    d.box("delay", 300, low, ("delay", "延迟"), "state", w=54, h=28)
    d.wire("y v", "input")
    d.wire("v K")
    d.wire("K add", "gate")
    d.wire("add m out", "state")
    d.wire("m A |- delay m_t add", "state")
    d.wire("m_t -| C", "state")
    d.wire("C v")
    d.text(128, top - 16, "e_t")
    d.text(68, 80, "-")
    d.text(170, low - 15, "m_t", "state")
    return d


def checkpoints() -> Drawing:
    """Nine steps in three segments: the states that are kept, and the last two segments computed again."""
    d = _drawing("checkpoints", 440, 262)
    rows = {1: 42, 2: 132, 3: 222}
    place = [22 + 44 * t for t in range(10)]
    for t, x in enumerate(place):
        d.dot(f"a{t}", x, rows[1], "state" if t % 3 == 0 and t < 9 else "faint", r=6 if t % 3 == 0 and t < 9 else 3.2)
    for t in range(9):
        d.wire(f"a{t} a{t + 1}", "faint")
    for t in (0, 3, 6):
        d.text(place[t], rows[1] - 24, f"h_{t}", "state")
    for row, start in ((2, 6), (3, 3)):
        y = rows[row]
        for t in range(start, start + 4):
            d.dot(f"r{row}{t}", place[t], y, "state", r=6)
        for t in range(start, start + 3):
            d.wire(f"r{row}{t} r{row}{t + 1}", "state")
        d.wire(f"{place[start + 3]},{y + 17} {place[start]},{y + 17}", "error", dashed=True)
        d.wire(f"{place[start]},{rows[1] + 12} {place[start]},{y - 12}", "state", dashed=True)
    d.wire(f"{place[6]},{rows[2] + 28} {place[6]},{rows[3] - 12}", "error", dashed=True)
    d.port("L", place[9], rows[2] - 44, "L", "error")
    d.wire(f"L {place[9]},{rows[2] - 12}", "error", dashed=True)
    d.text(8, rows[1] + 34, ("forward", "前向"), anchor="start")
    d.text(8, rows[2], ("steps 7–9 again", "再算第 7–9 步"), anchor="start")
    d.text(8, rows[3], ("steps 4–6 again", "再算第 4–6 步"), anchor="start")
    return d


def stream() -> Drawing:
    """A stream in pieces of three steps: the state is handed over, the error is not."""
    d = _drawing("stream", 440, 216)
    lane, low, top = 112, 190, 40
    for n in range(3):
        left = 10 + 145 * n
        d.frame(left, 14, left + 130, 154)
        for k in range(3):
            t, x = 3 * n + k + 1, left + 22 + 43 * k
            d.box(f"h{t}", x, lane, f"h_{t}", "state", w=29, weights=True)
            d.port(f"x{t}", x, low, f"x_{t}", "input")
            d.wire(f"x{t} h{t}", "input")
            if k:
                d.wire(f"h{t - 1} h{t}", "state", beside=-9)
                d.wire(f"h{t} h{t - 1}", "error", beside=-9, dashed=True)
        d.port(f"L{n}", left + 108, top, f"L^{n + 1}", "error", w=30)
        d.wire(f"L{n} h{3 * n + 3}", "error", dashed=True)
        d.text(left + 44, top, (f"update {n + 1}", f"更新 {n + 1}"))
        if n:
            d.wire(f"h{3 * n} h{3 * n + 1}", "state")
    d.wire(f"h9 438,{lane}", "state")
    return d


def legend() -> Drawing:
    """What the lines, boxes and signs of all these drawings mean."""
    d = _drawing("legend", 440, 342)
    y = [28 + 47 * k for k in range(7)]
    lines: list[tuple[Role, tuple[str, str]]] = [
        ("state", ("state", "状态")),
        ("input", ("input", "输入")),
        ("gate", ("gate", "门")),
        ("error", ("error, going back", "误差的回程")),
        ("ink", ("any other signal", "其他信号")),
    ]
    for k, (role, word) in enumerate(lines):
        d.wire(f"8,{y[k]} 72,{y[k]}", role, dashed=role == "error")
        d.text(84, y[k], word, role, anchor="start")
    d.dot("copy", 34, y[5], "state")
    d.wire(f"8,{y[5]} copy 72,{y[5]}", "state")
    d.wire(f"copy |- 72,{y[5] - 19}", "state")
    d.text(84, y[5], ("copied", "复制"), anchor="start")
    d.wire(f"40,{y[6] + 20} 40,{y[6] - 18}", "input")
    d.wire(f"8,{y[6]} 72,{y[6]}", "state")
    d.text(84, y[6], ("passes under", "从下面穿过"), anchor="start")
    d.times("times", 252, y[0])
    d.plus("plus", 252, y[1])
    d.box("function", 252, y[2], "\\tanh", w=48)
    d.box("weights", 252, y[3], "W_x", "weight", w=48, weights=True)
    d.bar("bar", 228, 276, y[4] + 12)
    for x in (232, 252, 272):
        d.wire(f"{x},{y[4] + 12} {x},{y[4] - 18}")
    d.box("delay", 252, y[5], ("delay", "延迟"), "state", w=56, h=28)
    d.frame(226, y[6] - 18, 278, y[6] + 18)
    for k, word in enumerate(
        (
            ("product ⊙", "逐元素乘积 ⊙"),
            ("sum", "和"),
            ("fixed function", "固定的函数"),
            ("own weights", "自有权重"),
            ("cut into blocks", "切成几块"),
            ("held for one step", "留到下一步"),
            ("one whole", "一个整体"),
        )
    ):
        d.text(296, y[k], word, anchor="start")
    return d


def _drawing(name: str, width: float, height: float) -> Drawing:
    """An empty drawing with its words."""
    said = _table()[name]
    title, alt = ((said[key]["en"], said[key]["zh"]) for key in ("title", "alt"))
    return Drawing(name, width, height, title=title, alt=alt)


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads(files(__package__).joinpath("drawings.toml").read_text("utf8"))
