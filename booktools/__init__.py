"""The build of the book: languages, formulas, exercises, launch links, notebooks.

Reads the chapters and imports of `rnnbook` only the torch-free `rnnbook.check`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# jsonschema takes it where it is there, for addresses beyond ASCII, which no settings file here has; importing it
# costs each of the build's two processes half a second.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
