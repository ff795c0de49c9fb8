"""Laws of rnnbook.explore.wiring: wires end where their nodes do, words are in two languages, and little is needed."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from explorables import lstm_numbers, lstm_wiring

from rnnbook.explore import Axis, Explorer, Line, Slider, Wiring, drawings
from rnnbook.explore.encode import STEPS, restore, unpacked
from rnnbook.explore.wiring import BEND, GAP, HEAD, KILOBYTES, RADIUS, WIDEST, Drawing, maths, written

NUMBERS = re.compile(r"-?[\d.]+")


def empty(**changes: object) -> Drawing:
    arguments = {"name": "d", "width": 200, "height": 100, "title": ("One", "一"), "alt": ("Wires.", "线。")}
    return Drawing(**(arguments | changes))  # type: ignore[arg-type]


def square() -> Drawing:
    """Two nodes in a row and two above them."""
    d = empty()
    d.box("a", 50, 80, "a", w=40, h=30)
    d.plus("b", 150, 80)
    d.dot("c", 50, 20, "state")
    d.times("d", 150, 20)
    return d


def test_wires_find_the_sides_of_their_nodes() -> None:
    d = square()
    d.wire("a b")
    d.wire("b a")
    d.wire("a c")
    d.wire("b d")
    d.wire("a |- d")
    d.wire("a -| d")
    found = [wire.points for wire in d.wires]
    assert found[0] == [(70, 80), (150 - RADIUS, 80)]
    assert found[1] == found[0][::-1]
    assert found[2] == [(50, 65), (50, 20)]
    assert found[3] == [(150, 80 - RADIUS), (150, 20 + RADIUS)]
    assert found[4] == [(50, 65), (50, 20), (150 - RADIUS, 20)]
    assert found[5] == [(70, 80), (150, 80), (150, 20 + RADIUS)]
    assert [wire.head for wire in d.wires] == [True, True, False, True, True, True]


def test_a_route_goes_from_node_to_node_and_round_corners() -> None:
    d = square()
    d.wire("c a b", "state")
    assert [wire.points for wire in d.wires] == [[(50, 20), (50, 65)], [(70, 80), (150 - RADIUS, 80)]]
    assert {wire.role for wire in d.wires} == {"state"}
    d.wire("a 100,80 -| d")
    assert d.wires[-1].points == [(70, 80), (100, 80), (150, 80), (150, 20 + RADIUS)]
    d.wire("a -| 100,50")
    assert d.wires[-1].points == [(70, 80), (100, 80), (100, 50)]


@pytest.mark.parametrize("beside", [-9.0, 5.0])
def test_a_wire_beside_another_keeps_its_distance_and_meets_the_edge(beside: float) -> None:
    d = square()
    d.wire("a b", beside=beside)
    d.wire("b a", beside=-beside)  # the way back, on the same side of the picture
    (start, end), back = (wire.points for wire in d.wires)
    assert start == (70, 80 + beside)
    assert math.dist(end, (150, 80)) == pytest.approx(RADIUS)
    assert end[1] == 80 + beside
    assert back == [end, start]
    d.wire("a -| d", beside=beside)
    corner = d.wires[-1].points[1]
    assert corner == (150 + beside, 80 + beside)


def test_a_crossing_leaves_a_gap_in_the_lower_wire_and_only_there() -> None:
    d = empty()
    d.wire("20,50 180,50")
    d.wire("100,10 100,90")
    lower, upper = re.findall(r'<path d="([^"]+)"', d.svg("x"))
    assert lower.count("M") == 2
    assert upper.count("M") == 1
    assert [float(x) for x in NUMBERS.findall(lower)][2:6] == [100 - GAP, 50, 100 + GAP, 50]
    d.wire("140,10 140,90", "error")  # an error cuts nobody
    assert re.findall(r'<path d="([^"]+)"', d.svg("x"))[0] == lower


def test_bends_are_round_and_heads_stand_at_the_end() -> None:
    d = square()
    d.wire("a -| d")
    line, head = re.search(r'<path d="([^"]+)"/><path class="a" d="([^"]+)"', d.svg("x")).groups()  # type: ignore[union-attr]
    assert f"L{150 - BEND:g} 80Q150 80 150 {80 - BEND:g}" in line
    assert head.startswith("M150 31L")
    assert line.endswith(f"L150 {31 + HEAD - 1:g}")


def test_formulas() -> None:
    assert maths("x") == '<tspan class="i">x</tspan>'
    assert maths("\\tanh") == "<tspan>tanh</tspan>"
    assert maths("Σ") == "<tspan>Σ</tspan>"
    assert (
        maths("h_{t-1}") == '<tspan class="i">h</tspan><tspan class="i s" dy="5">t</tspan><tspan class="s">−1</tspan>'
    )
    assert re.findall(r'dy="([^"]+)"', maths("W_h^⊤δ_t")) == ["5", "-11.5", "6.5", "5"]
    assert re.findall(r'dx="-', maths("W_h^⊤δ_t")) == ['dx="-']
    assert "<script" not in maths("<script>")


def test_numbers_beside_wires() -> None:
    assert [written(v) for v in (0.5, -0.25, -0.001, 1.2345, math.nan, math.inf)] == [
        "0.50", "−0.25", "0.00", "1.23", "", ""
    ]  # fmt: skip


def test_words_are_shown_in_both_languages_and_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNBOOK_LANG", raising=False)
    evil = '</svg><img src=x onerror=alert(1)>&"'
    d = empty(title=(evil, evil), alt=(evil, evil))
    d.text(10, 10, (evil, "字"))
    html = d._repr_html_()
    assert "<img" not in html
    assert '<tspan lang="zh">字</tspan>' in html
    assert 'lang="zh" role' not in html
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    assert '<figure class="drawing" lang="zh">' in d._repr_html_()
    assert "一" in repr(empty())


def test_two_equal_drawings_share_no_id() -> None:
    ids = [re.search(r'id="([^"]+)"', empty(name="twice")._repr_html_())[1] for _ in range(3)]  # type: ignore[index]
    assert len(set(ids)) == 3
    html = empty(name="twice")._repr_html_()
    assert set(re.findall(r' id="([^"]+)"', html)) == set(re.findall(r'aria-labelledby="([^"]+)"', html))


def crowded() -> None:
    d = empty()
    for k in range(400):
        d.text(k, k, "x")
    d.svg("x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: empty(alt=""), "alt text, .* of a drawing is a pair"),
        (lambda: empty(alt=("Wires.", " ")), "alt text, .* of a drawing is a pair"),
        (lambda: empty(alt="Wires."), "alt text, .* of a drawing is a pair"),
        (lambda: empty(width=WIDEST + 1), f"at most {WIDEST} units wide"),
        (lambda: empty(name="A b"), "small letters"),
        (lambda: empty(title=("one", "two", "three")), "pair"),
        (lambda: empty(title="One"), "title of a drawing is a pair"),
        (lambda: square().wire("a a"), r"cannot end where it begins, at \(50, 80\)"),
        (lambda: square().wire("a b", "blue"), "one of ink, state"),  # type: ignore[arg-type]
        (lambda: square().wire("a nobody"), "'nobody' is no node"),
        (lambda: square().wire("a 1,2,3"), "no place x,y"),
        (lambda: square().wire("a d"), "not in line"),
        (lambda: square().dot("a", 1, 2), "name of its own"),
        (lambda: square().dot("", 1, 2), "name of its own"),
        (lambda: square().dot("a b", 1, 2), "letters and digits, got 'a b'"),
        (lambda: square().wire("a b", name="a]"), "letters and digits"),
        (lambda: square().text(1, 2, "x", number="1"), "letters and digits"),
        (lambda: square().text(math.nan, 2, "x"), "two finite numbers"),
        (lambda: square().dot("e", 1, math.inf), "two finite numbers"),
        (lambda: square().box("e", 1, 2, "x", w=-1), "a size is positive"),
        (lambda: square().wire("a nan,80"), "two finite numbers"),
        (lambda: square().text(1, 2, "\ud800"), "lone surrogate"),
        (lambda: square().text(1, 2, ("one", "two", "three")), "a label must be"),  # type: ignore[arg-type]
        (lambda: square().text(1, 2, "forget"), "words stand in a pair"),
        (lambda: square().wire("a"), "at least two"),
        (crowded, rf"of {KILOBYTES} KB"),
    ],
)
def test_mistakes_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_alt_text_cannot_be_left_out() -> None:
    with pytest.raises(TypeError, match="alt"):
        Drawing("d", 200, 100, title="One")  # type: ignore[call-arg]


def one_wire(value: object = 0.5, **changes: object) -> Explorer:
    d = square()
    d.wire("a b", name="ab")
    d.text(100, 60, "", number="ab")
    arguments = {
        "title": ("One", "一"),
        "alt": ("A wire.", "一根线。"),
        "controls": {"v": Slider("v", (-1, 0, 1))},
        "series": {"w": Wiring(drawing=d)},
    }
    return Explorer(lambda v: {"w": {"ab": v} if value == 0.5 else value}, **(arguments | changes))  # type: ignore[arg-type]


def test_the_numbers_on_the_wires_are_those_of_the_function() -> None:
    explorer = lstm_wiring()
    spec = explorer.specification()
    (s,) = spec["series"]
    codes = unpacked(spec["data"]).reshape(-1, spec["stride"])
    assert s["names"] == drawings.lstm_unit().names
    for point, settings in list(enumerate(explorer.settings()))[::37]:
        wanted = lstm_numbers(**settings)["unit"]
        for k, name in enumerate(s["names"]):
            low, high = s["ranges"][k]
            got = restore(codes[point, k : k + 1], low, high)[0]
            assert np.isclose(got, wanted[name], rtol=0, atol=(high - low) / STEPS, equal_nan=True), name


def test_the_ways_back_through_the_unit() -> None:
    for f, i, g, o in itertools.product((0, 0.5, 1), (0, 0.5), (-0.8, 0.5), (0, 1)):
        back = lstm_numbers(f, i, g, o, 1.0, "back")["unit"]
        assert back["direct"] == pytest.approx(f, abs=1e-12)
        assert back["side"] == pytest.approx(back["forget"] + back["input"] + back["candidate"], abs=1e-12)
        assert back["total"] == pytest.approx(back["direct"] + back["side"], abs=1e-12)
        cut = lstm_numbers(f, i, g, o, 0.0, "back")["unit"]
        assert cut["side"] == 0
        assert cut["total"] == pytest.approx(f, abs=1e-12)
        ahead = lstm_numbers(f, i, g, o, 1.0, "forward")["unit"]
        assert ahead["c"] == pytest.approx(ahead["kept"] + ahead["written"], abs=1e-12)
        assert ahead["h"] == pytest.approx(o * math.tanh(ahead["c"]), abs=1e-12)
        assert {name for name, v in ahead.items() if math.isnan(v)} == {
            name for name, v in back.items() if not math.isnan(v)
        }


def test_the_still_picture_shows_the_numbers() -> None:
    html = one_wire(controls={"v": Slider("v", (-1, 0, 1), start=-1)})._body
    assert html.count('style="--v:1;stroke-dasharray:6 4"') == 2  # line and arrowhead
    assert 'data-n="ab">−1.00</text>' in html
    missing = one_wire({"ab": math.nan})._body
    assert missing.count('style="opacity:.12"') == 2
    assert 'data-n="ab"></text>' in missing


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Wiring(drawing=square()), "needs wires with names"),
        (lambda: one_wire(0.7), "needs a mapping from names to numbers, got 0.7"),
        (lambda: one_wire({}), "missing: ab, not in the drawing: none"),
        (lambda: one_wire({"ab": 1, "ba": 1}), "missing: none, not in the drawing: ba"),
        (lambda: one_wire({"ab": "x"}), "'w' must hold real numbers"),
        (
            lambda: one_wire(series={"w": Wiring(drawing=drawings.lstm_unit()), "l": Line()}, x=Axis("x", (0, 1))),
            "only",
        ),
    ],
)
def test_a_wrong_wiring_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_wiring_without_a_drawing_cannot_be() -> None:
    with pytest.raises(TypeError, match="drawing"):
        Wiring()  # type: ignore[call-arg]
