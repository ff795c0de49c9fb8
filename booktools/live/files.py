"""The browser's Python: the files of one version of Pyodide and its NumPy, each known by its sha256.

They come from the folder that BOOK_PYODIDE names, else from a cache on this
machine, else from the official distribution, and then go into the cache. They
are never committed. Where they cannot be had the book is complete but for the
buttons that would need them.
"""

import functools
import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from booktools import ROOT

VERSION = "0.27.7"
RUNTIME = f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/"
PACKAGES = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"
NUMPY = "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl"
SHA256 = {
    NUMPY: "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08",
    "pyodide-lock.json": "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "pyodide.mjs": "04c052c815abb0bf2981fa38c2dfa58e3120ee5288c956df2b2a15e301782c5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
VARIABLE = "BOOK_PYODIDE"
PATIENCE = 5.0  # seconds for the official address to answer
PLACE = "python"  # the folder of the site
BROWSER = Path(__file__).with_name("browser")
CHECK = "check.zip"  # the part of rnnbook that checks
CHECKED = ("__init__.py", "_languages.py", "_lazy.py", "check/**/*.py", "check/**/*.toml")
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the same content makes the same archive


def cache() -> Path:
    """Where files that were fetched once are kept, outside the repository, so that every copy of it has them."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "memory-in-a-loop" / f"pyodide-{VERSION}"


def found() -> Path | None:
    """A folder of this machine that has every file; nothing is fetched. Raises ValueError for a wrong BOOK_PYODIDE."""
    named = os.environ.get(VARIABLE)
    if named:
        if wrong := [name for name in SHA256 if not _is_whole(Path(named, name))]:
            raise ValueError(f"{VARIABLE}={named}: not the files of Pyodide {VERSION}: {', '.join(wrong)}")
        return Path(named)
    return cache() if all(_is_whole(cache() / name) for name in SHA256) else None


def fetched() -> Path:
    """The folder that has every file, brought from the official distribution where need be.

    Raises OSError where that is not reached, ValueError for a file that is another than it should be.
    """
    if (folder := found()) is not None:
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    for name in SHA256:
        if not _is_whole(cache() / name):
            address = (PACKAGES if name == NUMPY else RUNTIME) + name
            with urlopen(address, timeout=PATIENCE) as answer:
                content = answer.read()
            if hashlib.sha256(content).hexdigest() != SHA256[name]:
                raise ValueError(f"{address} is not the file that was checked: another sha256")
            fresh = cache() / f"{name}.{os.getpid()}"
            fresh.write_bytes(content)
            fresh.replace(cache() / name)
    return cache()


_whole: dict[tuple[Path, int, int], bool] = {}


def _is_whole(path: Path) -> bool:
    """Whether a file is what it should be; asked once for each state of it."""
    if not path.is_file():
        return False
    state = path.stat()
    key = path, state.st_size, state.st_mtime_ns
    if key not in _whole:
        _whole[key] = hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[path.name]
    return _whole[key]


@functools.cache
def gap() -> str | None:
    """Bring the files if they can be had; where not, what the book will lack, in one line."""
    if found() is None:
        try:
            fetched()
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            return (
                f"No exercise can be written on its page: Pyodide {VERSION} could not be had ({reason}); "
                f"a folder that {VARIABLE} names will do."
            )
    return None


def write(site: Path) -> None:
    """Put the folder that a click loads into the site, if it is not there in this state."""
    folder, place = found(), site / PLACE
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    place.mkdir(parents=True, exist_ok=True)
    for name in SHA256:
        if not (place / name).exists() or (place / name).stat().st_size != (folder / name).stat().st_size:
            shutil.copyfile(folder / name, place / name)
    for path in BROWSER.iterdir():
        shutil.copyfile(path, place / path.name)
    pack(place / CHECK)
    (place / "NUMPY-LICENCE.txt").write_bytes(_numpy_licence(folder))
    loaded = {name: (place / name).stat().st_size for name in (*SHA256, CHECK)}
    (place / "files.json").write_text(json.dumps(loaded), "utf8")


def _numpy_licence(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / NUMPY) as wheel:
        return wheel.read(next(name for name in wheel.namelist() if name.endswith("dist-info/LICENSE.txt")))


def checked() -> Iterator[Path]:
    """The torch-free files of rnnbook: those that `check` needs."""
    package = ROOT / "rnnbook"
    for pattern in CHECKED:
        yield from sorted(package.glob(pattern))


def pack(archive: Path) -> None:
    """Write the part of rnnbook that checks as an archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in checked():
            entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), BEGINNING)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(entry, path.read_bytes())


def main() -> int:
    """`python -m booktools.live.files`: bring the files, for those who publish; fails where they cannot be had."""
    print(gap() or f"Pyodide {VERSION}: {found()}")
    return 0 if found() else 1


if __name__ == "__main__":
    sys.exit(main())
