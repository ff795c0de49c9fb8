"""Laws of rnnbook.explore: what an explorable carries is what the function computed, in both languages, and no more."""

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from explorables import ALL, activation, activations, curves, heat_map, mixture, phase_portrait, two_units

from rnnbook.explore import Arrows, Axis, Choice, Explorer, Heat, Line, Points, Slider, Trajectories, assets, words
from rnnbook.explore.encode import ABOVE, BELOW, MISSING, STEPS, packed, quantise, restore, safe_json, unpacked
from rnnbook.explore.scale import scale


def small(function: Callable[..., Any] | None = None, **changes: Any) -> Explorer:
    """A small explorable, with some arguments changed."""
    x = np.arange(4.0)
    definition: dict[str, Any] = {
        "title": ("Title", "标题"),
        "alt": ("Alt", "替代文字"),
        "x": Axis("x", x),
        "y": Axis("y"),
        "controls": {"a": Slider("a", (0.0, 1.0, 2.0))},
        "series": {"line": Line("l")},
    }
    return Explorer(function or (lambda a: {"line": a * x}), **(definition | changes))


def decoded(html: str) -> list[dict[str, Any]]:
    """Each series of an output with its values at all grid points, read as the script reads them."""
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found
    spec = json.loads(found[1])
    codes = unpacked(spec["data"]).reshape(-1, spec["stride"])
    for s in spec["series"]:
        own = codes[:, s["offset"] : s["offset"] + s["size"]]
        n = len(s["ranges"])
        parts = [restore(own[:, k::n], *s["ranges"][k]) for k in range(n)]
        s["values"] = np.stack(parts, axis=-1).reshape(own.shape)
        s["quanta"] = np.tile([(high - low) / STEPS for low, high in s["ranges"]], own.shape[1] // n)
    return list(spec["series"])


@pytest.mark.parametrize("make", ALL)
def test_what_is_shown_is_what_the_function_computed(make: Callable[[], Explorer]) -> None:
    explorer = make()
    shown = decoded(explorer._repr_html_())
    for point, settings in enumerate(explorer.settings()):
        result = explorer.function(**settings)
        for s, name in zip(shown, explorer.series, strict=True):
            wanted = np.ravel(result[name])
            got = s["values"][point]
            finite = np.isfinite(got)
            assert np.all(np.abs(got[finite] - wanted[finite]) <= s["quanta"][finite])
            assert np.array_equal(np.isnan(got), np.isnan(wanted))
            if s["kind"] == "line":  # only lines leave their axes in these figures
                assert np.array_equal(got == np.inf, wanted > explorer.y.high)
                assert np.array_equal(got == -np.inf, wanted < explorer.y.low)
            elif s["kind"] != "heat":
                assert not np.isinf(got).any()


@pytest.mark.parametrize("make", ALL)
def test_numbers_are_those_of_the_package(make: Callable[[], Explorer]) -> None:
    explorer = make()
    readout = explorer.specification()["readout"]
    for point, settings in enumerate(explorer.settings()):
        result = explorer.function(**settings)
        for texts, name in zip(readout, explorer.readout, strict=True):
            assert texts[point] == words.number(result[name])


def test_a_logarithmic_axis_carries_logarithms() -> None:
    x = np.arange(1, 5)
    explorer = small(lambda a: {"line": 10.0 ** (-a * x)}, x=Axis("x", x), y=Axis(log=True))
    (line,) = decoded(explorer._repr_html_())
    assert np.allclose(line["values"], [-a * x for a in (0, 1, 2)], atol=8 / STEPS)
    assert np.array_equal(Axis(log=True).place([0, -1, 100]), [-np.inf, -np.inf, 2])


def test_ticks_and_marks_lie_on_the_axis() -> None:
    axis = Axis(limits=(-0.3, 1.1), marks=(0, 5))
    whole = scale(axis, [])
    assert [label for _, label in whole.ticks()] == ["0", "0.5", "1"]
    assert whole.marks() == [0]
    powers = scale(Axis(limits=(1e-6, 1), log=True), [])
    assert powers.ticks()[0] == (-6, "10⁻⁶")
    assert powers.ticks()[-1] == (0, "1")


def assert_ticks_are_a_ruler(axis: Axis) -> None:
    """The law of all ticks: a few on the axis, rising, each with words of its own that say where it stands."""
    whole = scale(axis, [])
    ticks = whole.ticks()
    positions = np.array([at for at, _ in ticks])
    reach = 1e-6 * (whole.high - whole.low)
    assert 2 <= len(ticks) <= 8, (axis, ticks)
    assert np.all(np.diff(positions) > reach), (axis, ticks)
    assert np.all((positions >= whole.low - reach) & (positions <= whole.high + reach)), (axis, ticks)
    said = axis.place([read(label) for _, label in ticks])
    assert np.all(np.abs(said - positions) <= reach), (axis, ticks)


def read(label: str) -> float:
    """The number that a label says: −2.5, 10⁻⁶ or 2×10⁵."""
    plain = label.translate(str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789"))
    power = re.fullmatch(r"(?:(.+)×)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", label)
    if not power:
        return float(plain)
    mantissa, exponent = plain[: power.end(1)] if power[1] else "1", plain[power.start(2) :]
    return float(f"{mantissa}e{exponent}")


@pytest.mark.parametrize("factor", [2.5, 3, 4, 9.9, 10, 20, 99, 100, 999, 1e5, 1e15])
def test_every_logarithmic_axis_has_ticks(factor: float) -> None:
    for low in 10.0 ** np.linspace(-7, 6, 131):
        assert_ticks_are_a_ruler(Axis(limits=(low, factor * low), log=True))


def test_a_decade_is_parted_by_two_and_five() -> None:
    labels = [label for _, label in scale(Axis(limits=(0.9, 11), log=True), []).ticks()]
    assert labels == ["1", "2", "5", "10"]
    whole_powers = [label for _, label in scale(Axis(limits=(1, 100), log=True), []).ticks()]
    assert whole_powers == ["1", "10", "100"]


@pytest.mark.parametrize("span", [4, 0.3, 5e-4])
@pytest.mark.parametrize("offset", [0, 1e-3, -1, 1e3, 999998, 1e6, -1e6])
def test_ticks_are_as_fine_as_the_axis_is_narrow(offset: float, span: float) -> None:
    assert_ticks_are_a_ruler(Axis(limits=(offset, offset + span)))


@pytest.mark.parametrize("offset", [0, 1e-3, -1, 1e3, 1e6, -1e6])
def test_positions_reach_the_script_as_fine_as_the_axis_is_narrow(offset: float) -> None:
    for span in (4, 0.3, 5e-4):
        values = offset + span * np.linspace(0, 1, 9)
        sent = scale(Axis(values=values, marks=values[1:-1].tolist()), []).specification()
        assert np.allclose(sent["at"], values, rtol=0, atol=1e-5 * span)
        assert np.allclose(sent["marks"], values[1:-1], rtol=0, atol=1e-5 * span)
        assert np.allclose(sent["ends"], values[[0, -1]], rtol=0, atol=1e-5 * span)


def test_codes_of_what_is_not_a_number() -> None:
    codes = quantise(np.array([0.0, 1.0, -0.1, 1.1, np.inf, -np.inf, np.nan]), 0.0, 1.0)
    assert codes.tolist() == [0, STEPS, BELOW, ABOVE, ABOVE, BELOW, MISSING]
    assert np.array_equal(unpacked(packed(codes)), codes)
    assert np.array_equal(restore(codes, 0, 1), [0, 1, -np.inf, np.inf, np.inf, -np.inf, np.nan], equal_nan=True)


def test_missing_and_clipped_values_are_visible_without_a_script() -> None:
    html = mixture()._repr_html_()
    still = html[: html.index("<script")]
    bars = re.search(r'class="ex-bars c0" d="([^"]+)"', still)
    assert bars
    assert bars[1].count("M") == 11  # of 12: one is missing
    edges = re.search(r'class="ex-edge c1" d="([^"]+)"', still)
    assert edges
    clipped = np.asarray(curves(0.8)["line"]) > 1.6
    assert edges[1].count("m-5 0") == 2  # the ends of one run
    assert clipped.sum() > 2
    assert "<b>–</b>" in still


def test_limits_say_by_how_much() -> None:
    x = np.arange(5000.0)
    with pytest.raises(ValueError, match=r"30,000 values .*a grid of 6, 5,000 values.*5,000 more than 25,000"):
        small(lambda a: {"line": x}, x=Axis("x", x), controls={"a": Slider("a", np.arange(6))})
    x = np.arange(4000.0)
    with pytest.raises(ValueError, match=r"takes [\d.]+ KB with its picture, ([\d.]+) KB more than 60 KB") as caught:
        small(lambda a: {"line": x}, x=Axis("x", x), controls={"a": Slider("a", np.arange(6))})
    total, over = map(float, re.findall(r"([\d.]+) KB", str(caught.value))[:2])
    assert total - over == pytest.approx(60, abs=0.11)


@pytest.mark.parametrize("make", ALL)
def test_every_explorable_stays_within_its_weight(make: Callable[[], Explorer]) -> None:
    explorer = make()
    assert len(explorer._body.encode()) == explorer.size <= 60 * 1024


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"function": lambda a: {"line": np.zeros(3)}}, r"'line' is a Line and needs shape \(4,\).*\(3,\)"),
        ({"function": lambda a: {"lime": np.zeros(4)}}, r"gave no 'line'; it gave 'lime'"),
        ({"readout": {"n": "n"}}, r"gave no 'n'"),
        ({"controls": {}}, r"at least one control"),
        ({"controls": {"a": Slider("a", (0, 1), play=True), "b": Slider("b", (0, 1), play=True)}}, r"only one Slider"),
        ({"title": ("one", "two", "three")}, r"the title must be a string or a pair"),
        ({"function": lambda a: {"line": np.full(4, np.nan)}}, r"no finite value"),
        (
            {
                "function": lambda a: {"line": np.zeros((1 + int(a), 2))},
                "series": {"line": Trajectories()},
                "x": Axis(),
            },
            r"one shape on the whole grid",
        ),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**change)


@pytest.mark.parametrize("constant", [0.0, 3.0, -0.1, 1e-310, 1e17, -1e100, 1e150])
def test_a_constant_has_an_axis(constant: float) -> None:
    explorer = small(lambda a: {"line": np.full(4, constant)})
    assert explorer.y.low < constant < explorer.y.high
    (line,) = decoded(explorer._repr_html_())
    assert np.allclose(line["values"], constant, rtol=1e-12, atol=0)
    at = [position for position, _ in explorer.y.ticks()]
    assert len(at) >= 2
    assert np.all(np.diff(at) > 0)


def test_values_that_differ_by_rounding_are_one() -> None:
    explorer = small(lambda a: {"line": np.array([1, 1 + 2e-16, 1, 1])})
    assert (explorer.y.low, explorer.y.high) == pytest.approx((0.5, 1.5))


@pytest.mark.parametrize("far", [1.7e308, 1e300, -1e300, 2e150])
def test_numbers_that_no_figure_can_hold_are_named(far: float) -> None:
    row, pair = np.array([0, 1, -far, far]), np.array([(0, far), (far, -far)])
    ends = (-abs(far), abs(far))
    plane: dict[str, Any] = {"x": Axis(), "y": Axis()}
    matrix: dict[str, Any] = {"x": Axis("", (0, 1)), "y": Axis("", (0, 1))}
    for make in (
        lambda: small(lambda a: {"line": row}),
        lambda: small(lambda a: {"line": np.full(4, far)}),
        lambda: small(lambda a: {"h": pair}, series={"h": Heat()}, **matrix),
        lambda: small(lambda a: {"p": pair}, series={"p": Points()}, **plane),
        lambda: small(lambda a: {"p": pair}, series={"p": Trajectories()}, **plane),
        lambda: small(lambda a: {"p": pair}, series={"p": Arrows(at=((0, 0), (1, 1)))}, **plane),
        lambda: Axis(limits=ends),
        lambda: Axis(values=(ends[0], 0, ends[1])),
        lambda: Axis(marks=(far,)),
        lambda: Slider("a", ends),
        lambda: Arrows(at=((0, 0), (far, far))),
    ):
        with pytest.raises(ValueError, match=r"must lie within ±1e\+150, got [12.7e+]+\d+: change the unit"):
            make()


@pytest.mark.parametrize("limits", [(0, np.inf), (-np.inf, 0), (np.nan, 1), (1, 1 + 2e-16)])
def test_limits_are_two_numbers_apart(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="low < high"):
        Axis(limits=limits)


@pytest.mark.parametrize("value", [np.array([1, 2, 3, 4j]), ["one"] * 4, [None, {}, 1, 2]])
def test_what_is_no_real_number_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="'line' must hold real numbers"):
        small(lambda a: {"line": value})


@pytest.mark.parametrize("half", ["\ud800", "a\udc00b"])
def test_half_of_a_character_is_named(half: str) -> None:
    for change in (
        lambda: small(title=half),
        lambda: small(alt=("one", half)),
        lambda: small(readout={"line": half}),
        lambda: Line(half),
        lambda: Axis((half, "x")),
        lambda: Slider(half, (0, 1)),
        lambda: Slider("a", (0, 1), unit=half),
        lambda: Choice("a", (half, "b")),
    ):
        with pytest.raises(ValueError, match="lone surrogate"):
            change()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slider("a", (1.0,)), "at least two finite values"),
        (lambda: Slider("a", (1.0, 1.0)), "must differ"),
        (lambda: Choice("a", ("one",)), "at least two options"),
        (lambda: Choice("a", ("one", "two"), start="three"), "none of the options one, two"),
        (lambda: Axis(limits=(1, 0)), "low < high"),
        (lambda: Axis(values=(0, 2, 1)), "rising"),
        (lambda: Axis(limits=(0, 10), log=True), r"limits.*above 0, got 0\b.*log=True"),
        (lambda: Axis(limits=(-3, 10), log=True), r"limits.*above 0, got -3\b.*log=True"),
        (lambda: Axis(values=(0, 1, 2), log=True), r"values.*above 0, got 0\b.*log=True"),
        (lambda: Axis(values=(2, 1, -1), log=True), r"values.*above 0, got -1\b.*log=True"),
        (lambda: Arrows(at=np.zeros(3)), r"shape \(M, 2\)"),
        (lambda: Heat().shape(Axis(values=(0, 1, 3)), Axis(values=(0, 1))), "evenly spaced"),
    ],
)
def test_mistakes_in_the_parts_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_slider_starts_at_the_nearest_grid_point() -> None:
    assert Slider("a", (0, 1, 4), start=2.4).first == 1
    assert Slider("a", (0, 1, 4)).first == 1
    assert Choice("a", ("x", "y"), start="y").first == 1


class Tags(HTMLParser):
    """Collects the elements and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.raw = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.raw = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self.raw else data


def test_every_word_is_shown_as_text() -> None:
    evil = "</script><img src=x onerror=alert(1)>&\"'\u2028"
    explorer = small(
        lambda a, b: {"line": np.zeros(4), "n": 1.0},
        title=(evil, evil),
        alt=evil,
        x=Axis(evil, np.arange(4.0)),
        y=Axis((evil, evil)),
        controls={"a": Slider(evil, (0, 1), unit=evil), "b": Choice((evil, evil), {"x": evil, "y": (evil, evil)})},
        series={"line": Line(evil)},
        readout={"n": evil},
    )
    html = explorer._repr_html_()
    parsed = Tags(html)
    assert "img" not in parsed.tags
    assert not any(name.startswith("on") for name in parsed.attributes)
    assert parsed.text.count(evil) >= 10
    data = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert data
    assert json.loads(data[1])["controls"][0]["label"] == evil
    assert not set("<>&\u2028") & set(safe_json(evil))


@pytest.mark.parametrize("make", ALL)
def test_output_is_deterministic_and_named_by_its_content(make: Callable[[], Explorer]) -> None:
    first, second = make(), make()
    one, other = first._repr_html_(), second._repr_html_()
    ids = [re.search(rf'id="({first.name}[-\d]*)" ', html)[1] for html in (one, other)]  # type: ignore[index]
    assert ids[0] != ids[1]
    assert one.replace(ids[0], ids[1]) == other
    assert len({other().name for other in ALL}) == len(ALL)
    assert small().name != small(title=("Another", "标题")).name


@pytest.mark.parametrize("make", ALL)
def test_every_word_is_there_in_both_languages(make: Callable[[], Explorer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNBOOK_LANG", raising=False)
    explorer = make()
    html = explorer._repr_html_()
    texts = [explorer.title, explorer.alt, *explorer.readout.values()]
    texts += [s.label for s in explorer.series.values()] + [explorer.x.axis.label, explorer.y.axis.label]
    for text in texts:
        if not isinstance(text, str):
            for language, half in zip(words.LANGUAGES, text, strict=True):
                assert re.search(rf'<t?span lang="{language}">{re.escape(half)}</t?span>', html)
    name = rf"{explorer.name}[-\d]*"  # numbered, if it was shown before
    assert re.search(f'aria-labelledby="{name}-alt"', html)
    assert re.search(f'role="group" aria-labelledby="{name}-title"', html)
    assert 'role="status" aria-live="polite"' in html
    assert re.search(f'id="{name}" role', html)  # the page's language decides
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    assert re.search(f'id="{name}" lang="zh"', explorer._repr_html_())
    assert words.pick(explorer.title, "zh") in repr(explorer)


def test_script_and_stylesheet_keep_to_their_share_of_eight_kilobytes() -> None:
    """Compressed together with the answer boxes, which add 1.75 KB to it."""
    together = (assets.stylesheet() + assets.definition() + assets.call()).encode()
    assert len(gzip.compress(together, 9, mtime=0)) <= 6.25 * 1024


def test_shortening_keeps_strings_and_words_apart() -> None:
    script = assets.definition()
    assert '"prefers-reduced-motion: reduce' in script.replace("(prefers", "prefers")
    assert "const point=()=>" in script
    assert "return value" not in assets.stylesheet()
    assert "//" not in script.replace("http://www.w3.org", "")  # a comment would swallow what comes after it
    assert ".explorer :focus-visible{" in assets.stylesheet()


def test_numbers_for_readers() -> None:
    shown = {0.0: "0", 0.9051: "0.905", -1.5: "−1.5", 12345.0: "12300", 2.951e-5: "2.95×10⁻⁵", -4e7: "−4×10⁷"}
    assert {value: words.number(value) for value in shown} == shown
    assert {words.number(value) for value in (np.nan, np.inf, -np.inf)} == {"–"}
    assert words.distinct_numbers([0.999, 1.0, 1.001]) == ["0.999", "1", "1.001"]


def test_results_are_copied() -> None:
    buffer = np.zeros(4)

    def function(a: float) -> dict[str, Any]:
        buffer[:] = a
        return {"line": buffer}

    assert small(function).values["line"][:, 0].tolist() == [0, 1, 2]


def test_paths_and_points_in_the_plane() -> None:
    explorer = phase_portrait()
    (paths, arrows) = decoded(explorer._repr_html_())
    T, K = 61, 3
    assert paths["size"] == K * T * 2
    assert paths["paths"] == K
    longest = np.linalg.norm(explorer.values["step"], axis=-1).max()
    assert arrows["scale"] * longest == pytest.approx(0.45, rel=1e-3)  # the gap between base points
    single = small(
        lambda a: {"p": np.array([(0, 0), (a, 1)])}, series={"p": Points()}, x=Axis(limits=(-1, 1)), y=Axis(marks=(0,))
    )
    assert np.isinf(decoded(single._repr_html_())[0]["values"]).any()  # a = 2 lies outside


def test_rows_of_a_heat_map_run_down() -> None:
    explorer = heat_map()
    assert explorer.y.start > explorer.y.end
    assert (explorer.y.low, explorer.y.high) == (0.5, 12.5)


def test_live_computes_where_the_widgets_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNBOOK_LANG", "zh")
    live = phase_portrait().live()
    live.widgets["r"].value = 1.1  # between two grid points
    live.widgets["theta"].value = 45.0
    wanted = two_units(1.1, 45.0)
    assert np.array_equal(live.drawn["paths"], wanted["paths"])
    assert live.numbers["length"] == wanted["length"]
    assert f"<b>{words.number(wanted['length'])}</b>" in live.view.value
    assert live.widgets["r"].description == "缩放 r"
    assert "1.25" not in Tags(live.view.value).text  # where the figure of the page starts
    assert 'lang="zh"' in live.view.value

    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    live._ipython_display_()
    assert shown == [live.box]

    choice = activations().live()
    choice.widgets["name"].value = "sigmoid"
    assert np.array_equal(choice.drawn["slope"], activation("sigmoid", choice.widgets["g"].value)["slope"])


def test_live_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        small().live()


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules)"
    code = f"import sys, rnnbook.explore.drawings; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
