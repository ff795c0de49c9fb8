"""`make audit`: every page of the built site, weighed and examined, in both languages, light and dark.

Bytes are counted as a server sends them, compressed. "Usable" is the time after
which the first explorable answers on a slow phone, in seconds, the median of
three; whatever else this machine does at the time adds to it. Lighthouse, which comes
from npm, is asked where npm is there; nothing else needs the network. With
names of pages, such as `index forward`, only these are looked at.

A second table, where pages can run Python, says what an answer that is written
on its page costs: bytes, and seconds from the first click to the first checked
answer, with nothing cached and then again, and for each further answer.
"""

import argparse
import functools
import gzip
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

from booktools import ROOT
from booktools.browser import CHROMIUM, FLAGS, chromium

SITE = ROOT / "_build" / "html"
KB = 1024
BUDGET = {  # the one place for these numbers; tests read them
    "bytes": 300_000,  # of a page with all that it fetches, as a server sends them
    "requests": 15,
    "usable": 2.0,  # seconds until an explorable answers on a slow phone
    "performance": 95,  # of Lighthouse, as the next three
    "accessibility": 100,
    "best-practices": 100,
    "seo": 100,
    "interactive": 8 * KB,  # script and style of explorables, drawings, boxes and guesses, compressed
    "figure": 60 * KB,  # one that moves, encoded, with the picture that stands for it without a script
    "figures": 120 * KB,  # all of a page, compressed
    "drawing": 12 * KB,
    "first": 6.0,  # seconds from a click to the first checked answer, once the files are cached
    "further": 1.0,  # seconds for each further answer
}
SERIOUS = ("serious", "critical")
LIGHTHOUSE = "lighthouse@12.8.2"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TEXT = (".html", ".js", ".mjs", ".css", ".json", ".svg", ".xml", ".txt", ".ipynb")
COMPRESSED = (*TEXT, ".wasm")

# A slow phone: a quarter of this machine's speed, 1.6 Mbit/s, 150 ms of delay.
PHONE = {"viewport": {"width": 412, "height": 823}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
SLOWDOWN = 4
# The first moment at which the page would answer to the first slider: its controls are drawn, and nothing else runs.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".ex-control input, .ex-control select")) return;
  observer.disconnect();
  setTimeout(() => (window.usable = performance.now()));
}).observe(document, { childList: true, subtree: true });
"""


@functools.lru_cache
def compressed(body: bytes) -> bytes:
    """Kept, since megabytes of WebAssembly take half a second each time."""
    return gzip.compress(body, mtime=0)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files as GitHub Pages sends them: text compressed, and kept by the browser for ten minutes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        if path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = compressed(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", f"{self.guess_type(path)}{'; charset=utf-8' * (path.suffix in TEXT)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of the site on a server of this machine."""
    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@dataclass
class Visit:
    """What a browser met on a page."""

    requests: list[str] = field(default_factory=list)
    size: int = 0  # bytes of all answers, compressed
    foreign: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)  # of axe, serious and critical
    usable: float | None = None  # seconds until an explorable answers on a slow phone


def page_names(site: Path) -> list[str]:
    """The pages of the English edition; the Chinese has the same under `zh/`."""
    skipped = {"_static", "zh", "jupyter_execute"}
    found = (path.relative_to(site) for path in site.rglob("*.html"))
    return sorted(path.as_posix() for path in found if not skipped & set(path.parts) and path.name != "404.html")


def page_named(name: str, known: Sequence[str]) -> str:
    """The page of this name, whole (`chapters/lstm`) or short (`lstm`). Raises ValueError where there is none."""
    wanted = name.removesuffix(".html")
    short = {Path(page).stem: page for page in known}
    for page in (f"{wanted}.html", short.get(wanted)):
        if page in known:
            return str(page)
    near = get_close_matches(Path(wanted).name, short, n=1, cutoff=0.0)
    raise ValueError(f"there is no page {name!r}; the nearest is {near[0]!r}")


# Whether a page was read to its end: false where no frame came for so many milliseconds.
READ = """async (patience) => {
    const late = () => new Promise((passed) => setTimeout(() => passed(true), patience));
    const frame = () => new Promise((drawn) => requestAnimationFrame(() => drawn(false)));
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
        scrollTo(0, y);
        if (await Promise.race([frame(), late()])) return false;
    }
    scrollTo(0, 0);
    return true;
}"""
PATIENCE = 30_000


def visit(browser: Any, base: str, page: str, dark: bool = False, axe: bool = False) -> Visit:
    """Load a page with an empty cache and read it to its end, so that late images are fetched too.

    Chromium, 156 at least, can stop drawing a page for good while it is scrolled through: it waits for a tile that
    it never paints, and neither a frame nor a screenshot comes any more; other pages go on. Seen a few times
    in a thousand visits on a busy machine; such a page is visited once more.
    Raises RuntimeError where it stands still again.
    """
    for _ in range(2):
        context = browser.new_context(color_scheme="dark" if dark else "light")
        found = _visit(context, base, page, axe)
        context.close()
        if found is not None:
            return found
    raise RuntimeError(f"{page} was scrolled through twice, and twice no frame was drawn for {PATIENCE / 1000:g} s")


def _visit(context: Any, base: str, page: str, axe: bool) -> Visit | None:
    """What was met on the page; None where it stood still."""
    result = Visit()
    tab = context.new_page()
    answers: list[Any] = []

    def heard(message: Any) -> None:
        if message.type in ("error", "warning"):
            result.said.append(message.text)

    tab.on("response", lambda answer: answers.append(answer))
    tab.on("requestfailed", lambda request: result.said.append(f"not loaded: {request.url}"))
    tab.on("console", heard)
    tab.on("pageerror", lambda error: result.said.append(str(error)))
    tab.goto(base + page)
    tab.wait_for_load_state("networkidle")
    if not tab.evaluate(READ, PATIENCE):
        return None
    tab.wait_for_load_state("networkidle")
    for answer in answers:
        if answer.url.startswith(base):
            result.requests.append(answer.url.removeprefix(base))
            # `request.sizes()` sometimes never returns: github.com/microsoft/playwright/issues/9350.
            result.size += int(answer.headers["content-length"])
        elif not answer.url.startswith(("data:", "blob:")):
            result.foreign.append(answer.url)
    if axe:
        result.violations = violations(tab)
    return result


def violations(tab: Any) -> list[str]:
    """What axe-core finds, as far as it is serious."""
    tab.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8"))
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{v['id']} ({len(v['nodes'])})" for v in found if v["impact"] in SERIOUS]


def usable(browser: Any, address: str, runs: int = 3) -> float | None:
    """Seconds from asking for the page to an explorable that answers, on a slow phone; None where the page has none.

    The median of some runs, since other work of the machine only ever adds.
    """
    times = [_usable(browser, address)]
    while times[0] is not None and len(times) < runs:
        times.append(_usable(browser, address))
    found = [time for time in times if time is not None]
    return median(found) if found else None


def _usable(browser: Any, address: str) -> float | None:
    context = browser.new_context(**PHONE)
    tab = context.new_page()
    tab.add_init_script(WATCH)
    slow_down(context, tab)
    tab.goto(address, wait_until="load", timeout=120_000)
    tab.wait_for_timeout(100)
    milliseconds = tab.evaluate("window.usable ?? null")
    context.close()
    return None if milliseconds is None else milliseconds / 1000


@dataclass
class Answering:
    """What answers that are written on a page cost their reader."""

    size: int  # bytes that the first click fetches
    cold: float  # seconds from the click to the first checked answer, nothing cached
    warm: float  # the same on a later visit
    further: float  # for each further answer


def answering(browser: Any, address: str, phone: bool) -> Answering:
    """Write on a page twice: a browser with a disk, since the one without keeps no file of many megabytes."""
    with tempfile.TemporaryDirectory() as profile:
        context = browser.browser_type.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(FLAGS), **(PHONE if phone else {})
        )
        tab = context.pages[0]
        fetched: list[int] = []
        tab.on("response", lambda answer: fetched.append(int(answer.headers.get("content-length", 0))))
        cold, _ = _first_answers(context, tab, address, phone)
        size = sum(fetched)
        warm, further = _first_answers(context, tab, address, phone)
        context.close()
    return Answering(size, cold, warm, further)


def _first_answers(context: Any, tab: Any, address: str, phone: bool) -> tuple[float, float]:
    """Seconds from the click that opens the editor to the first answer, and for the second."""
    tab.goto(address)
    tab.wait_for_load_state("networkidle")
    if phone:
        slow_down(context, tab)
    tab.locator(".live-offer button").first.scroll_into_view_if_needed()
    times = [time.monotonic()]
    tab.locator(".live-offer button").first.click()
    for _ in range(2):
        tab.locator(".live-check").click()
        tab.locator(".live-box:not([aria-busy]) .rnn-check").wait_for(timeout=600_000)
        times.append(time.monotonic())
    return times[1] - times[0], times[2] - times[1]


def slow_down(context: Any, tab: Any) -> None:
    """Let a tab be one on a slow phone."""
    session = context.new_cdp_session(tab)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})


def lighthouse(address: str, runs: int) -> dict[str, int] | None:
    """The median of Lighthouse's four scores for a phone; None where it does not run."""
    scores: dict[str, list[float]] = {name: [] for name in CATEGORIES}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as profile:
            flags = " ".join(["--headless=new", *FLAGS, "--no-first-run", f"--user-data-dir={profile}"])
            command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json", f"--chrome-flags={flags}"]
            environment = os.environ | {"CHROME_PATH": str(CHROMIUM)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"Lighthouse did not run: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        for name, category in json.loads(done.stdout)["categories"].items():
            scores[name].append(100 * (category["score"] or 0))
    return {name: round(median(found)) for name, found in scores.items()}


def audit(site: Path, names: list[str], runs: int) -> bool:
    """Print the table; whether all budgets are held."""
    asks_lighthouse = runs > 0 and shutil.which("npx") is not None
    if not asks_lighthouse:
        print("Lighthouse is left out: " + ("asked for no run." if runs < 1 else "npm is not on this machine."))
    print("| page | mode | bytes | requests | console | axe | usable | performance | accessibility | practices | SEO |")
    print("|---|---|--:|--:|---|---|--:|--:|--:|--:|--:|")
    complaints: list[str] = []
    with served(site) as base, chromium() as browser:
        for page in (edition + name for name in names for edition in ("", "zh/")):
            scores = lighthouse(base + page, runs) if asks_lighthouse else None
            for mode in ("light", "dark"):
                found = visit(browser, base, page, dark=mode == "dark", axe=True)
                shown = scores if mode == "light" else None
                found.usable = usable(browser, base + page) if mode == "light" else None
                cells = [f"{found.usable:.1f}" if found.usable else ""]
                cells += [str(shown[name]) if shown else "" for name in CATEGORIES]
                row = [page, mode, f"{found.size:,}", str(len(found.requests)), "; ".join(found.said) or "–"]
                print("| " + " | ".join([*row, ", ".join(found.violations) or "–", *cells]) + " |", flush=True)
                complaints += [f"{page} ({mode}): {text}" for text in over_budget(found, shown)]
    complaints += audit_answers(site, names)
    print(*(["", *complaints] if complaints else ["", "Every budget is held."]), sep="\n")
    return not complaints


def audit_answers(site: Path, names: list[str]) -> list[str]:
    """Print what answers cost that are written on a page, of the first page that has one; what is over the budget."""
    page = next((name for name in names if 'class="live-offer"' in (site / name).read_text("utf8")), None)
    if page is None:
        return []
    complaints = []
    print("\n| answers written on | on | bytes | first, s | first, files cached | further |\n|---|---|--:|--:|--:|--:|")
    with served(site) as base, chromium() as browser:
        for name in (page, f"zh/{page}"):
            for phone in (False, True):
                found = answering(browser, base + name, phone)
                times = [f"{seconds:.1f}" for seconds in (found.cold, found.warm, found.further)]
                row = [name, "slow phone" if phone else "desktop", f"{found.size:,}", *times]
                print("| " + " | ".join(row) + " |", flush=True)
                if not phone and found.warm > BUDGET["first"]:
                    complaints.append(f"{name}: the first answer comes after {found.warm:.1f} s")
                if not phone and found.further > BUDGET["further"]:
                    complaints.append(f"{name}: a further answer takes {found.further:.1f} s")
    return complaints


def over_budget(found: Visit, scores: dict[str, int] | None) -> Iterator[str]:
    if found.size > BUDGET["bytes"]:
        yield f"{found.size:,} bytes are more than {BUDGET['bytes']:,}"
    if len(found.requests) > BUDGET["requests"]:
        yield f"{len(found.requests)} requests are more than {BUDGET['requests']}"
    if found.usable is not None and found.usable > BUDGET["usable"]:
        yield f"an explorable can be used after {found.usable:.1f} s, later than {BUDGET['usable']} s"
    yield from (f"asks {url}" for url in found.foreign)
    yield from (f"console: {text}" for text in found.said)
    yield from (f"axe: {text}" for text in found.violations)
    for name, score in (scores or {}).items():
        if score < BUDGET[name]:
            yield f"Lighthouse {name} {score} is less than {BUDGET[name]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="pages, such as chapters/lstm or lstm; all of them if none is named")
    parser.add_argument("--site", type=Path, default=SITE, help="the folder of the built site")
    parser.add_argument("--runs", type=int, default=1, help="runs of Lighthouse per page; 0 leaves it out")
    given = parser.parse_args()
    known = page_names(given.site)
    if not known:
        parser.error(f"there is no site in {given.site}: make book")
    try:
        names = [page_named(page, known) for page in given.pages] or known
    except ValueError as error:
        parser.error(str(error))
    return 0 if audit(given.site, names, given.runs) else 1


if __name__ == "__main__":
    sys.exit(main())
