"""The trainings that pages run pass their assertions with every seed that was tried."""

from experiments import pages
from rnnbook import records

RECORD = records.load("pages")


def test_every_training_of_the_list_was_run_with_ten_seeds() -> None:
    assert [row["chapter"] for row in RECORD["trainings"]] == [chapter for chapter, _ in pages.TRAININGS]
    assert all(row["seeds"] == 10 for row in RECORD["trainings"])


def test_all_seeds_pass_as_the_pages_say() -> None:
    for row in RECORD["trainings"]:
        assert row["passed"] == row["seeds"], row
        text = (pages.CHAPTERS / f"{row['chapter']}.md").read_text("utf8")
        for said in ("each of ten random starts (`experiments/pages.py`)", "十个随机起点"):
            assert text.count(said) == 1, f"{row['chapter']}.md does not say {said!r}"


def test_each_mark_stands_in_its_chapter_once() -> None:
    for chapter, mark in pages.TRAININGS:
        assert (pages.CHAPTERS / f"{chapter}.md").read_text("utf8").count(mark) == 1
