"""The trainings that pages run pass their assertions with every seed that was tried."""

import json

import torch

from experiments import pages, trainings
from rnnbook import records
from rnnbook.training.tasks import recall

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


def test_a_record_is_written_anew_after_each_training(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    seen = []

    def train(seed: int) -> dict[str, object]:
        path = tmp_path / "short.json"
        seen.append(json.loads(path.read_text("utf8")) if path.exists() else None)
        return {"seed": seed, "gains": [0.5]}

    trainings.run("short", {"T": 3}, ["first", "second"], [("second", train, (7,)), ("first", train, (8,))])
    assert seen[0] is None
    assert (seen[1]["first"], seen[1]["second"]) == ([], [{"seed": 7, "gains": [0.5]}])
    record = records.load("short")
    assert list(record) == ["machine", "settings", "first", "second"]
    assert (record["settings"], record["first"]) == ({"T": 3}, [{"seed": 8, "gains": [0.5]}])
    assert capsys.readouterr().out.startswith("second 7 ")


def test_every_training_has_the_same_test_set_and_leaves_the_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    (x, y), (again, _) = trainings.held_out(recall, 5, 4, K=3), trainings.held_out(recall, 5, 4, K=3)
    assert torch.equal(x, again)
    assert torch.equal(x[0].argmax(-1), y)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_net_reads_its_last_state_or_all() -> None:
    layer = torch.nn.GRU(2, 3)
    layer.width = 3
    last, whole = trainings.Net(layer, 1), trainings.Net(layer, 1, last=False)
    whole.readout = last.readout
    x = torch.randn(5, 4, 2)
    assert torch.equal(last(x), whole(x)[-1])
    assert trainings.size(last.readout) == 4
