"""How soon an explorable answers on a slow phone: a quarter of this machine's speed, 1.6 Mbit/s, 150 ms of delay."""

from statistics import median
from typing import Any

SCREEN = {"viewport": {"width": 412, "height": 823}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
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


def once(browser: Any, address: str) -> float | None:
    """Seconds from asking for the page to an explorable that answers; None where the page has none."""
    context = browser.new_context(**SCREEN)
    tab = context.new_page()
    tab.add_init_script(WATCH)
    session = context.new_cdp_session(tab)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    tab.goto(address, wait_until="load", timeout=120_000)
    tab.wait_for_timeout(100)
    milliseconds = tab.evaluate("window.usable ?? null")
    context.close()
    return None if milliseconds is None else milliseconds / 1000


def usable(browser: Any, address: str, runs: int = 3) -> float | None:
    """The median of some runs, since other work of the machine only ever adds."""
    times = [once(browser, address)]
    while times[0] is not None and len(times) < runs:
        times.append(once(browser, address))
    found = [time for time in times if time is not None]
    return median(found) if found else None
