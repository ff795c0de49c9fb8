"""What several tests share: the built site and a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from booktools.browser import CHROMIUM, chromium

pytest.register_assert_rewrite("hand_derived")

ROOT = Path(__file__).resolve().parent.parent


def pytest_runtest_setup() -> None:
    """Every test begins alike, whatever ran before it: same seed, one thread, single precision.

    Some execute chapters in this process, and a chapter may prefer double precision.
    """
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; built here, strictly, where it is out of date."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", "-W", "--keep-going", "--quiet", "."]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")}
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / ".building"):  # tests run side by side; whoever comes second finds nothing to do
        built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-8000:]
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The machine's own Chromium, headless; without one, the tests that look at pages are skipped."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with chromium() as browser:
        yield browser
