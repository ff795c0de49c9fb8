"""The second edition leaves with the first, however that ends; a page is read again when its source differs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from booktools import extension, fonts
from chapters import ROOT

SECOND = "import time; from booktools import editions; editions.wait_for_outputs(None, None, []); time.sleep(60)"
FIRST = f"""
import sys, time
from booktools import editions

editions.COMMAND = (sys.executable, "-c", {SECOND!r})
second = editions.SecondEdition()
second.say(editions.GO)
print(second.process.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked for its end is a zombie."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the state of a process")
def test_a_build_that_is_killed_leaves_nothing_behind() -> None:
    first = subprocess.Popen([sys.executable, "-c", FIRST], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert first.stdout
    second = int(first.stdout.readline())
    assert not gone(second)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    for _ in range(200):  # it may still be loading its modules
        if not gone(second):
            time.sleep(0.1)
    assert gone(second)


def environment(root: Path, source: Path) -> Any:
    return SimpleNamespace(
        docname="page",
        srcdir=root,
        found_docs={"page"},
        metadata={"page": {}},
        dependencies={"page": {"data.yml"}},
        doc2path=lambda name: str(source),
    )


@pytest.mark.parametrize("file", ["page.md", "data.yml"])
def test_a_source_whose_date_went_back_is_read_again(tmp_path: Path, file: str) -> None:
    for name in ("page.md", "data.yml"):
        (tmp_path / name).write_text("One.\n")
    env = environment(tmp_path, tmp_path / "page.md")
    app: Any = SimpleNamespace(env=env)
    extension.remember_sources(app, None)  # type: ignore[arg-type]
    assert extension.changed_sources(app, env, set(), set(), set()) == []
    os.utime(tmp_path / file, (0, 0))
    assert extension.changed_sources(app, env, set(), set(), set()) == []
    (tmp_path / file).write_text("Two.\n")
    os.utime(tmp_path / file, (0, 0))
    assert extension.changed_sources(app, env, set(), set(), set()) == ["page"]
    assert extension.changed_sources(app, env, set(), {"page"}, set()) == []  # Sphinx knows already


def test_a_font_whose_date_went_back_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(fonts, "reduced", lambda font, *rest, **more: made.append(font.name) or font.read_bytes())
    sources, place = tmp_path / "sources", tmp_path / "place"
    for folder in (sources, place):
        folder.mkdir()
    (sources / "a.woff2").write_bytes(b"one")
    for content in (b"one", b"one", b"two"):
        (sources / "a.woff2").write_bytes(content)
        os.utime(sources / "a.woff2", (0, 0))
        fonts.reduce_all(sources, "x", tmp_path / "kept", place)
    assert made == ["a.woff2", "a.woff2"]
    assert (place / "a.woff2").read_bytes() == b"two"
