"""`python -m booktools.card`: the picture that a shared link shows, drawn anew into `static/card.png`.

It is drawn by the machine's Chromium with its fonts, and committed, so that a
build needs neither.
"""

from pathlib import Path

from booktools.audit import CHROMIUM, FLAGS
from booktools.discovery import CARD_SIZE

PLACE = Path(__file__).parent / "static" / "card.png"
BLUE, RUST, GREY = "#0b62a8", "#b8420f", "#6b6b6b"  # of rnnbook.figures
STEPS = 24
LINE = "Recurrent networks, computed and checked · 循环神经网络：算出来，验过的"


def curve(weight: float, colour: str) -> str:
    """The state of one linear unit that was struck once: w^t."""
    points = " ".join(f"{80 + 44 * t},{540 - 130 * weight**t:.1f}" for t in range(STEPS) if weight**t < 2.6)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="5"/>' for x, y in (point.split(",") for point in points.split()))
    return f'<g fill="{colour}"><polyline points="{points}" fill="none" stroke="{colour}" stroke-width="4"/>{dots}</g>'


def drawing() -> str:
    width, height = CARD_SIZE
    curves = curve(0.8, BLUE) + curve(0.97, GREY) + curve(1.06, RUST)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" style="display:block"
      font-family="system-ui, 'Noto Sans CJK SC', sans-serif">
      <rect width="{width}" height="{height}" fill="#fff"/><rect width="{width}" height="12" fill="{BLUE}"/>
      <text x="76" y="128" font-size="76" font-weight="600" fill="#1d2229">Memory in a Loop</text>
      <text x="76" y="216" font-size="60" font-weight="600" fill="#1d2229" lang="zh-CN">循环中的记忆</text>
      <path d="M80 540H1120" stroke="#bbb" stroke-width="2"/>{curves}
      <text x="76" y="600" font-size="28" fill="#555">{LINE}</text>
    </svg>"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    width, height = CARD_SIZE
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_content(f"<style>body{{margin:0}}</style>{drawing()}")
        page.screenshot(path=PLACE)
        browser.close()


if __name__ == "__main__":
    main()
