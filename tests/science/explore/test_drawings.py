"""Every drawing of the book: its size, its words, its letters."""

import html
import re
from collections.abc import Callable

import pytest
from drawings import ALL

from rnnbook.explore import drawings
from rnnbook.explore.wiring import KILOBYTES, WIDEST, Drawing

Make = Callable[[], Drawing]
HAN = re.compile(r"[\u3400-\u9fff]")
SAME = {"softmax"}  # in both languages


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_drawing_is_light_and_narrow(make: Make) -> None:
    d = make()
    assert len(d.svg("x").encode()) <= KILOBYTES * 1024
    assert d.width <= WIDEST
    assert d.svg("x") == make().svg("x")


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_every_word_has_its_chinese(make: Make) -> None:
    d = make()
    said = [d.title, d.alt]
    for text in re.findall(r"<text[^>]*>(.*?)</text>", d.svg("x")):
        halves = re.findall(r'<tspan lang="(?:en|zh)">([^<]*)</tspan>', text)
        if halves:
            said.append(tuple(map(html.unescape, halves)))
    for english, chinese in said:
        assert english
        assert not HAN.search(english)
        assert HAN.search(chinese) or chinese in SAME, chinese


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_the_alternative_text_speaks_of_every_letter_at_the_ports(make: Make) -> None:
    """Letters with and without their index: x_t where the picture has x_1, x_2."""
    d = make()
    for half in d.alt:
        for name in re.findall(r"[a-zα-ω](?=_)", half):
            assert re.search(rf">{name}<", d.svg("x")) or name in ("e",), name


def test_each_drawing_is_named_once_and_tells_its_wiring() -> None:
    names = [make().name for make in ALL.values()]
    assert len(set(names)) == len(names)
    alts = {make().alt for make in ALL.values()}
    assert len(alts) == len(names)
    assert set(drawings._table()) == set(names)
    for english, chinese in alts:
        assert len(english) > 150
        assert len(chinese) > 40


@pytest.mark.parametrize("T", [1, 2, 3, 4])
def test_the_loop_has_one_box_for_each_step(T: int) -> None:
    d = drawings.loop(T)
    assert sum(name.startswith("h") and name[1:].isdigit() for name in d.nodes) == T + 1  # and h_0
    assert f">{T}</tspan>" in d.svg("x")
    assert max(node.x + node.w for node in d.nodes.values()) < d.width


@pytest.mark.parametrize("T", [0, 5, 2.5, None])
def test_the_loop_says_how_many_steps_it_can_show(T: int) -> None:
    with pytest.raises(ValueError, match="T = 1 to 4 steps"):
        drawings.loop(T)


def test_the_conventions_of_the_gru_differ_where_they_should() -> None:
    torch, sources = drawings.gru(), drawings.gru("sources")
    assert torch.nodes["W_hn"].x < torch.nodes["reset"].x
    assert sources.nodes["reset"].x < sources.nodes["W_hn"].x
    ends = {(wire.role, wire.points[-1]) for wire in torch.wires} ^ {(w.role, w.points[-1]) for w in sources.wires}
    assert ends
    with pytest.raises(ValueError, match=r'"torch" or "sources"'):
        drawings.gru("keras")  # type: ignore[arg-type]
