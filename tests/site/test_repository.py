"""Links follow the repository that builds."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from gettext import NullTranslations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sphinx.locale import translators

from booktools import ROOT, pages, repository


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/some-one/rnn.book",
        "https://github.com/some-one/rnn.book.git",
        "git@github.com:some-one/rnn.book.git",
        "ssh://git@github.com/some-one/rnn.book/",
        "ssh://git@ssh.github.com:443/some-one/rnn.book.git",
        "https://x-access-token:abc@github.com/some-one/rnn.book",
    ],
)
def test_owner_and_name_of_a_remote(url: str) -> None:
    assert repository.slug_of(url) == "some-one/rnn.book"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/some-one/book.git",
        "https://evilgithub.com/a/b",
        "git@evilgithub.com:a/b.git",
        "https://example.org/github.com/a/b",
        "https://github.com.example.org/a/b",
        "https://example.org/?github.com/a/b",
        "https://github.com/a/b/c",
        "",
    ],
)
def test_another_host_is_not_github(url: str) -> None:
    assert repository.slug_of(url) is None


def test_the_workflow_s_word_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    assert repository.slug(ROOT) == "someone/fork"
    assert repository.commit(ROOT) == "abc123"


def test_a_copy_without_git_is_built_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert repository.slug(ROOT) is None
    assert repository.commit(ROOT) is None
    said = " ".join(repository.gaps(ROOT))
    assert "repository.url of _config.yml" in said
    assert "install the branch main" in said


GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed copy of what decides the version."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "copy"
    for name in ("setup.py", "pyproject.toml", "README.md", "CITATION.cff", "LICENSE", "MANIFEST.in"):
        place.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, place)
    for name in (".gitattributes", repository.ARCHIVED):
        shutil.copy(ROOT / name, place)
    for name in ("booktools/__init__.py", "booktools/repository.py", "rnnbook/__init__.py"):
        (place / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "One")):
        subprocess.run([*GIT, *words], cwd=place, check=True)
    return place


def head(copy: Path) -> str:
    return subprocess.check_output([*GIT, "rev-parse", "HEAD"], cwd=copy, text=True).strip()


def version(copy: Path) -> str:
    """As pip asks for it."""
    return subprocess.check_output([sys.executable, "setup.py", "--version"], cwd=copy, text=True).split()[-1]


def test_each_commit_has_its_version(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", 40 * "f")  # of a project that installs this one
    assert version(copy) == f"0.1.0+g{head(copy)[:12]}"
    (copy / "rnnbook" / "__init__.py").write_text("x = 1\n")
    assert version(copy) == f"0.1.0+g{head(copy)[:12]}.changed"
    before = head(copy)
    subprocess.run([*GIT, "commit", "--quiet", "-am", "Two"], cwd=copy, check=True)
    assert version(copy) == f"0.1.0+g{head(copy)[:12]}"
    assert head(copy) != before


def test_an_archive_and_a_source_distribution_know_their_commit(copy: Path, tmp_path: Path) -> None:
    commit = head(copy)
    place = tmp_path / "archive"
    place.mkdir()
    packed = subprocess.run([*GIT, "archive", "HEAD"], cwd=copy, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(place, filter="data")
    assert repository.commit(place) == commit
    assert version(place) == f"0.1.0+g{commit[:12]}"
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist"], cwd=copy, check=True, capture_output=True)
    with tarfile.open(next((copy / "dist").iterdir())) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    assert version(next((tmp_path / "sdist").iterdir())) == f"0.1.0+g{commit[:12]}"


def test_a_folder_within_another_repository_has_not_its_commit(copy: Path) -> None:
    inside = copy / "inside"
    inside.mkdir()
    assert repository.commit(copy) == head(copy)
    assert repository.commit(inside) is None


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_git_of_another_owner_is_asked_all_the_same(copy: Path) -> None:
    """As in a container that mounts a checkout; git alone refuses."""
    commit = head(copy)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, 12345, 12345)
    assert subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=copy, capture_output=True, check=False).returncode != 0
    assert repository.commit(copy) == commit


class Settings(dict[str, Any]):
    """As much of Sphinx's configuration as `pages.configure` touches."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__  # type: ignore[assignment]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("given", "slug", "site"),
    [
        ("", "me/memory-in-a-loop-zh", "https://me.github.io/memory-in-a-loop-zh/"),
        ("", "me/zh", "https://me.github.io/zh/"),
        ("https://x.org/book", "me/book", "https://x.org/book/"),
        ("https://x.org/zh/", "me/book", "https://x.org/zh/"),
    ],
)
def test_each_edition_knows_where_both_are_published(
    monkeypatch: pytest.MonkeyPatch, lang: str, given: str, slug: str, site: str
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", slug)
    config = Settings(language=lang, html_baseurl=given, html_title="A | 甲", html_theme_options={"extra_footer": "©"})
    config |= {name: [] for name in ("templates_path", "html_static_path", "html_css_files", "html_js_files")}
    config |= {"html_context": {}}
    monkeypatch.setitem(translators, ("general", "sphinx"), NullTranslations())
    pages.configure(SimpleNamespace(), config)
    assert pages.site_address(config) == site
    assert config.html_baseurl == site + {"en": "", "zh": "zh/"}[lang]


def test_where_pages_are_served() -> None:
    assert repository.pages_url("Some/book") == "https://some.github.io/book/"
    assert repository.pages_url("some/Some.github.io") == "https://some.github.io/"


def test_launch_links_name_branch_language_and_notebook() -> None:
    links = repository.launch_links("someone/fork", "zh", "forward")
    assert links["Binder"] == "https://mybinder.org/v2/gh/someone/fork/notebooks?urlpath=lab/tree/zh/forward.ipynb"
    assert links["Colab"] == "https://colab.research.google.com/github/someone/fork/blob/notebooks/zh/forward.ipynb"
