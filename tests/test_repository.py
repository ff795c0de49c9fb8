"""Links follow the repository that builds."""

import pytest

from booktools import ROOT, repository


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/some-one/rnn.book",
        "https://github.com/some-one/rnn.book.git",
        "git@github.com:some-one/rnn.book.git",
        "ssh://git@github.com/some-one/rnn.book/",
    ],
)
def test_owner_and_name_of_a_remote(url: str) -> None:
    assert repository.slug_of(url) == "some-one/rnn.book"


def test_another_host_is_not_github() -> None:
    assert repository.slug_of("https://example.org/some-one/book.git") is None


def test_the_workflow_s_word_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    assert repository.slug(ROOT) == "someone/fork"
    assert repository.commit(ROOT) == "abc123"


def test_where_pages_are_served() -> None:
    assert repository.pages_url("Some/book") == "https://some.github.io/book/"
    assert repository.pages_url("some/Some.github.io") == "https://some.github.io/"


def test_launch_links_name_branch_language_and_notebook() -> None:
    links = repository.launch_links("someone/fork", "zh", "forward")
    assert links["Binder"] == "https://mybinder.org/v2/gh/someone/fork/notebooks?urlpath=lab/tree/zh/forward.ipynb"
    assert links["Colab"] == "https://colab.research.google.com/github/someone/fork/blob/notebooks/zh/forward.ipynb"
