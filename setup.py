"""The version of the package says from which commit it was built; all else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # pip builds without it

from booktools import repository  # noqa: E402

setup(version=repository.version(ROOT))
