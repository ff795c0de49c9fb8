"""A test that waits for ever ends the run, so that a browser which stands still does not cost an hour of CI."""

import subprocess
import sys
from pathlib import Path

import pytest

from chapters import ROOT

WAITS = """
import threading


def test_that_waits():
    threading.Event().wait()
"""


def test_the_patience_ends_before_that_of_ci(pytestconfig: pytest.Config) -> None:
    assert 0 < float(pytestconfig.getini("faulthandler_timeout")) <= 45 * 60


def test_a_run_that_stands_still_ends_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "test_waits.py").write_text(WAITS)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *settings, "-o", "faulthandler_timeout=1", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode != 0, ran.stdout
    assert "passed" not in ran.stdout
    assert 'test_waits.py", line 6 in test_that_waits' in ran.stderr, ran.stderr
