"""The built site, as the tests read it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

from chapters import ROOT

# What a browser fetches by itself when it shows a page.
LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "link": ("href",),
    "use": ("href", "xlink:href"),
    "image": ("href", "xlink:href"),
}
LINK_KINDS_THAT_LOAD = {
    "stylesheet",
    "preload",
    "prefetch",
    "modulepreload",
    "icon",
    "preconnect",
    "dns-prefetch",
}

# Through twenty frames, which take longer on a busy machine, nothing scrolls.
AT_REST = """async () => {
  for (let frames = 0, y = NaN; frames < 20; frames++) {
    await new Promise(requestAnimationFrame);
    if (scrollY !== y) [frames, y] = [0, scrollY];
  }
}"""


def until(page: Any, expression: str, arg: object = None) -> None:
    """Wait until it is true on the page, whose security policy lets Playwright's `wait_for_function` evaluate nothing.

    Raises TimeoutError after half a minute.
    """
    for _ in range(600):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(50)
    raise TimeoutError(f"not true within 30 s: {expression}")


class Page(HTMLParser):
    """What a page links to, loads, and names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(path.read_text("utf8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        for name in LOADS.get(tag, ()):
            if name in values and (tag != "link" or set(values.get("rel", "").split()) & LINK_KINDS_THAT_LOAD):
                self.loaded.append(values[name])
        if "style" in values:
            self.loaded += re.findall(r"url\(([^)]+)\)", values["style"])

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def names_in_toc() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    return [entry["file"] for part in toc["parts"] for entry in part["chapters"]]


def expected_pages() -> Iterator[str]:
    for edition in ("", "zh/"):
        yield f"{edition}index.html"
        for name in names_in_toc():
            yield f"{edition}{name}.html"
