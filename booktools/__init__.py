"""The build of the book: languages, formulas, exercises, launch links, notebooks.

Reads the chapters and imports of `rnnbook` only the torch-free `rnnbook.check`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
