"""Which repository and commit this copy of the book is, and where its notebooks are launched.

Nothing but the standard library: setup.py asks for the version while the package is built, too.
"""

import os
import re
import subprocess
from pathlib import Path

BRANCH = "notebooks"  # the workflow publishes the generated notebooks on it
UNPINNED = "main"  # the branch that is installed where no commit is known
ARCHIVED = ".git_archival.txt"  # where git writes the commit into an archive, such as GitHub's zip
_GITHUB = re.compile(
    r"(?:(?:https?|ssh|git)://)?(?:[^/@]+@)?(?:www\.|ssh\.)?github\.com(?::\d+/|[:/])([\w.-]+/[\w.-]+?)(?:\.git)?/?",
    re.IGNORECASE,
)
_HASH = re.compile(r"\b[0-9a-f]{40}\b")


def slug(root: Path) -> str | None:
    """`owner/name` of the workflow that builds, or of the GitHub remote `origin`; None without either."""
    if given := os.environ.get("GITHUB_REPOSITORY"):
        return given
    return slug_of(_git(root, "remote", "get-url", "origin"))


def slug_of(url: str) -> str | None:
    found = _GITHUB.fullmatch(url)
    return found[1] if found else None


def commit(root: Path) -> str | None:
    """The commit that is being built; None where neither the workflow, git nor an archive of git's tells."""
    return os.environ.get("GITHUB_SHA") or _checked_out(root)


def _checked_out(root: Path) -> str | None:
    if said := _git(root, "rev-parse", "HEAD"):
        return said
    archived = root / ARCHIVED
    found = _HASH.search(archived.read_text("utf8")) if archived.exists() else None
    return found[0] if found else None


def gaps(root: Path) -> list[str]:
    """What this copy does not tell of itself, and what is taken instead."""
    found = []
    if slug(root) is None:
        found.append("No GitHub remote: links go to repository.url of _config.yml.")
    if commit(root) is None:
        found.append(
            "No commit: this copy is neither a git repository (or git is not installed) nor an archive of one. "
            f"Launched notebooks install the branch {UNPINNED}, whatever it is then."
        )
    return found


def version(root: Path) -> str:
    """The release with the commit, as `0.1.0+g0123456789ab`; `.changed` where the package differs from its commit."""
    if (root / "PKG-INFO").exists():  # a source distribution, which knows no git any more
        return _line("Version", root / "PKG-INFO")
    # Not what a workflow says: it may be another project's, which installs this package.
    release, built_from = _line("version", root / "CITATION.cff"), _checked_out(root)
    if built_from is None:
        return release
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "rnnbook", "pyproject.toml")
    return f"{release}+g{built_from[:12]}{'.changed' if changed else ''}"


def _line(key: str, path: Path) -> str:
    found = re.search(rf"^{key}: (\S+)$", path.read_text("utf8"), re.M)
    if found is None:
        raise ValueError(f"{path} has no line {key!r}")
    return found[1]


def _git(root: Path, *words: str) -> str:
    """What git answers of a repository whose top is `root`, whoever owns it.

    Nothing where git is not installed, as where the book came as an archive, or cannot tell.
    """
    command = ["git", "-c", f"safe.directory={root.resolve()}", "-C", str(root)]
    try:
        top, said = (
            subprocess.run([*command, *asked], capture_output=True, text=True, check=False)
            for asked in (("rev-parse", "--show-toplevel"), words)
        )
    except FileNotFoundError:
        return ""
    inside = top.returncode == 0 and Path(top.stdout.strip()).resolve() == root.resolve()
    return said.stdout.strip() if inside and said.returncode == 0 else ""


def pages_url(slug: str) -> str:
    """Where GitHub Pages serves this repository's site."""
    owner, name = slug.split("/")
    host = f"https://{owner.lower()}.github.io"
    return f"{host}/" if name.lower() == f"{owner.lower()}.github.io" else f"{host}/{name}/"


def launch_links(slug: str, lang: str, name: str) -> dict[str, str]:
    """Service → the address that opens this page's notebook in this language."""
    path = f"{lang}/{name}.ipynb"
    return {
        "Binder": f"https://mybinder.org/v2/gh/{slug}/{BRANCH}?urlpath=lab/tree/{path}",
        "Colab": f"https://colab.research.google.com/github/{slug}/blob/{BRANCH}/{path}",
    }
