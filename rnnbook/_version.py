"""The version that is installed; it names the commit that it was built from (setup.py)."""

from importlib.metadata import version

__version__ = version("rnnbook")
