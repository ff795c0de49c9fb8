"""Which repository this copy of the book is, and where its notebooks are launched."""

import os
import re
import subprocess
from pathlib import Path

BRANCH = "notebooks"  # the workflow publishes the generated notebooks on it
_GITHUB = re.compile(r"github\.com(?::\d+/|[:/])([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


def slug(root: Path) -> str | None:
    """`owner/name` of the workflow that builds, or of the GitHub remote `origin`; None without either."""
    if given := os.environ.get("GITHUB_REPOSITORY"):
        return given
    return slug_of(_git(root, "remote", "get-url", "origin"))


def slug_of(url: str) -> str | None:
    found = _GITHUB.search(url)
    return found[1] if found else None


def commit(root: Path) -> str:
    """The commit that is being built, `main` where git cannot tell."""
    if given := os.environ.get("GITHUB_SHA"):
        return given
    return _git(root, "rev-parse", "HEAD") or "main"


def _git(root: Path, *words: str) -> str:
    """What git answers; nothing where it is not installed, as where the book came as an archive, or cannot tell."""
    try:
        said = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


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
