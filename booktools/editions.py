"""The second edition: Chinese, built beside the English one from the same execution.

The English build starts this module as a second process, which loads its
modules meanwhile and waits. Once the English edition has read, and so executed,
every chapter, all outputs are in the cache, and both editions are written at
the same time. The pipe between the two stays open as long as the first lives: at
its end the second leaves, so that a build that was killed leaves nothing behind.
"""

import os
import shutil
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

from jupyter_book.sphinx import build_sphinx
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError

from booktools import ROOT
from booktools.languages import SPHINX_NAME

# Chinese not straight into the site: MyST-NB keeps the executed notebooks, solved, in the folder above.
OUTPUT = {"en": ROOT / "_build" / "html", "zh": ROOT / "_build" / "zh" / "html"}
COMMAND = (sys.executable, "-m", "booktools.editions")
GO = "go"
IN_SECOND = "BOOK_SECOND_EDITION"


class EditionError(SphinxError):
    """The Chinese edition did not build."""

    category = "Chinese edition"


class SecondEdition:
    """The process that builds the Chinese edition, as the English build sees it."""

    def __init__(self) -> None:
        environment = os.environ | {IN_SECOND: "1"}
        self.process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdin=subprocess.PIPE)

    def say(self, line: str) -> None:
        if self.process.stdin and self.process.poll() is None:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()

    def begin(self, app: Sphinx) -> None:
        """Let it load its settings, if this is a whole English site (not one page, not a PDF)."""
        if app.builder.name == "html" and Path(app.srcdir) == ROOT:
            options = {"fresh": app.fresh_env_used, "strict": app.warningiserror or app.keep_going}
            self.say(" ".join(["build", *(name for name, given in options.items() if given)]))
            app.connect("env-updated", lambda app, env: self.say(GO))
            app.connect("build-finished", self.finish, priority=900)

    def finish(self, app: Sphinx, exception: Exception | None) -> None:
        """Wait for it, then put it into the site. If the English build failed, the pipe ends, and it leaves."""
        if exception is not None and self.process.stdin:
            self.process.stdin.close()
        failed = self.process.wait() != 0
        if exception is None and failed:
            raise EditionError("the Chinese edition did not build; its messages stand above")
        if exception is None:
            place = Path(app.outdir, "zh")
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(OUTPUT["zh"], place)


def wait_for_outputs(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """In the second process: read nothing before every chapter is executed."""
    if sys.stdin.readline().strip() != GO:
        os._exit(1)  # the English build failed and has said why
    threading.Thread(target=leave_with_the_first, daemon=True).start()


def leave_with_the_first() -> None:
    """End this process when the pipe from the English build ends, by whatever death."""
    while os.read(0, 1024):  # not by sys.stdin, whose lock would be wanted at the end of this process
        pass
    os._exit(1)


def setup(app: Sphinx) -> None:
    if IN_SECOND in os.environ:
        app.connect("env-before-read-docs", wait_for_outputs)
    else:
        app.connect("builder-inited", SecondEdition().begin)


def build(lang: str, fresh: bool, strict: bool) -> int:
    """One edition as `jupyter-book build` makes it, without a word where nothing is wrong; English begins the other."""
    language = {"language": SPHINX_NAME[lang]} if lang != "en" else {}
    result = build_sphinx(
        ROOT,
        OUTPUT[lang],
        noconfig=True,
        path_config=ROOT / "_config.yml",
        quiet=True,
        freshenv=fresh,
        warningiserror=strict,
        keep_going=strict,
        confoverrides={
            **language,
            "external_toc_path": str(ROOT / "_toc.yml"),
            "latex_individualpages": False,
        },
    )
    return 0 if result == 0 else 1


def main() -> int:
    """The second process: load the modules, wait for the word, build."""
    for slow in ("myst_nb", "sphinx_book_theme", "booktools.extension"):
        import_module(slow)
    order, *options = sys.stdin.readline().split() or ["leave"]
    return build("zh", "fresh" in options, "strict" in options) if order == "build" else 0


if __name__ == "__main__":
    sys.exit(main())
