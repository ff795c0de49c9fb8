"""`make offline`: each edition as one archive that opens from a disk, without a server or a connection.

An archive holds one language, so its link to the other leads to the published site.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from booktools import ROOT
from booktools.languages import LANGUAGES, TAG

NAME = "memory-in-a-loop"
SWITCH = re.compile(r'(<a class="btn btn-sm language-switch" href=")[^"]*(" lang="([\w-]+)")')
ALTERNATE = re.compile(r'<link rel="alternate" hreflang="([\w-]+)" href="([^"]+)">')
ONLY_PUBLISHED = ("404.html", "robots.txt", "sitemap.xml", "objects.inv")
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the same content makes the same archive


def files(site: Path, lang: str) -> Iterator[tuple[Path, str]]:
    """The files of an edition and their names within it."""
    folder = site / {"en": "", "zh": "zh"}[lang]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        elsewhere = name.startswith(("zh/", "jupyter_execute/", ".")) or name in ONLY_PUBLISHED
        if path.is_file() and not elsewhere:
            yield path, name


def detached(page: str) -> str:
    """The page with its language link to the published site, where the other language is."""
    published = dict(ALTERNATE.findall(page))
    home = published.get("x-default", "")

    def elsewhere(link: re.Match[str]) -> str:
        return f"{link[1]}{published.get(link[3], home)}{link[2]}"

    return SWITCH.sub(elsewhere, page)


def pack(site: Path, lang: str, place: Path) -> Path:
    """Write the archive of one edition into the folder `place`."""
    place.mkdir(parents=True, exist_ok=True)
    top = f"{NAME}-{lang}"
    archive = place / f"{top}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path, name in files(site, lang):
            content = detached(path.read_text("utf8")).encode() if path.suffix == ".html" else path.read_bytes()
            entry = zipfile.ZipInfo(f"{top}/{name}", BEGINNING)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(entry, content)
    return archive


def main() -> int:
    site = ROOT / "_build" / "html"
    if not (site / "index.html").exists():
        print("There is no site yet: make book", file=sys.stderr)
        return 1
    for lang in LANGUAGES:
        archive = pack(site, lang, ROOT / "_build" / "offline")
        print(f"{TAG[lang]}: {archive} ({archive.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
