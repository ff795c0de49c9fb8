"""`python -m booktools`, for `make book`: both editions, strictly; where they are and how long it took.

`jupyter-book build .` makes the same site.
"""

import sys
import time

from booktools import ROOT, editions, repository
from booktools.languages import LANGUAGES, NAME
from booktools.live import files


def main() -> int:
    began = time.monotonic()
    if editions.build("en", fresh=False, strict=True) != 0:
        return 1
    for gap in [*repository.gaps(ROOT), *filter(None, [files.gap()])]:
        print(gap)
    for lang in LANGUAGES:
        page = ROOT / "_build" / "html" / {"en": "", "zh": "zh"}[lang] / "index.html"
        print(f"{NAME[lang]}: {page}")
    print(f"Built in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
