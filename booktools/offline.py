"""`make offline`: each edition as one archive that opens from a disk, without a server or a connection.

Answers that are functions can be written on its pages where they are served: `python serve.py`, which lies in it.

An archive holds one language, so its link to the other leads to the published
site. `python -m booktools.offline publish` also puts the archives, and PDFs if
they were printed, into the site and names them on its home pages.
"""

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from booktools import ROOT
from booktools.edits import replaced
from booktools.languages import LANGUAGES, TAG
from booktools.live import files as python
from booktools.live import form as live
from booktools.words import words

NAME = "memory-in-a-loop"
PLACE = ROOT / "_build" / "offline"
SWITCH = re.compile(r'(<a class="btn btn-sm language-switch" href=")[^"]*("[^>]* data-published="([^"]+)")')
SERVER = ROOT / "booktools" / "live" / "serve.py"
OFFERED = "offline"  # the folder of an edition that holds its archive and PDF
OFFER = re.compile(r'<p class="take-along">.*?</p>\n', re.S)
USE = re.compile(r'<section id="sec-index-use">.*?(?=</section>)', re.S)
KINDS = ("zip", "pdf")
ONLY_PUBLISHED = ("404.html", "robots.txt", "sitemap.xml", "objects.inv")
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the same content makes the same archive


def files(site: Path, lang: str) -> Iterator[tuple[Path, str]]:
    """The files of an edition and their names within it."""
    folder = site / {"en": "", "zh": "zh"}[lang]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        elsewhere = name.startswith(("zh/", "jupyter_execute/", f"{OFFERED}/", ".")) or name in ONLY_PUBLISHED
        if path.is_file() and not elsewhere:
            yield path, name
    if folder != site:
        for path in sorted((site / python.PLACE).glob("*")):
            yield path, f"{python.PLACE}/{path.name}"
    yield SERVER, SERVER.name  # a page that was opened as a file may not load the browser's Python


def detached(page: str, lang: str) -> str:
    """The page with its language link to the published site, where the other language is, and without the offer.

    The browser's Python, which the editions share in the site, stands within the archive.
    """
    page = page.replace(f'"python":"{live.PARENT[lang]}', '"python":"')
    return replaced(SWITCH, lambda link: link[1] + link[3] + link[2], OFFER.sub("", page))


def publish(site: Path, lang: str, place: Path) -> None:
    """Put what `place` holds of an edition into the site, and name it on the home page."""
    edition = site / {"en": "", "zh": "zh"}[lang]
    (edition / OFFERED).mkdir(exist_ok=True)
    offers, said = [], words("offline", lang)
    for kind in KINDS:
        file = place / f"{NAME}-{lang}.{kind}"
        if file.exists():
            shutil.copyfile(file, edition / OFFERED / file.name)
            offers.append(said[kind].format(f"{OFFERED}/{file.name}", f"{file.stat().st_size / 1e6:.1f} MB"))
    offer = f'<p class="take-along">{said["sentence"].format(said["between"].join(offers))}</p>\n'
    home = edition / "index.html"
    home.write_text(replaced(USE, lambda use: use[0] + offer, OFFER.sub("", home.read_text("utf8"))), "utf8")


def pack(site: Path, lang: str, place: Path) -> Path:
    """Write the archive of one edition into the folder `place`."""
    place.mkdir(parents=True, exist_ok=True)
    top = f"{NAME}-{lang}"
    archive = place / f"{top}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path, name in files(site, lang):
            content = detached(path.read_text("utf8"), lang).encode() if path.suffix == ".html" else path.read_bytes()
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
        archive = pack(site, lang, PLACE)
        print(f"{TAG[lang]}: {archive} ({archive.stat().st_size / 1e6:.1f} MB)")
        if "publish" in sys.argv[1:]:
            publish(site, lang, PLACE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
