"""The recorded measurements, which the book quotes: complete, and within the targets that the project set itself.

Nothing is timed here; `make bench` measures and writes the record.
"""

import json

from benchmarks.recurrent import KINDS, RESULTS, SHAPES
from chapters import ROOT

RECORD = json.loads(RESULTS.read_text("utf8"))


def test_every_layer_was_measured_on_every_shape() -> None:
    measured = {(row["kind"], tuple(row["shape"].values())) for row in RECORD["cpu"]}
    assert measured == {(kind, shape) for kind in KINDS for shape in SHAPES}


def test_the_machine_and_the_versions_are_named() -> None:
    assert {"cpu", "vector_units", "threads", "torch", "python", "gpu"} <= set(RECORD["machine"])
    assert RECORD["machine"]["threads"] == 1


def test_the_targets_are_met() -> None:
    with_target = [row for row in RECORD["cpu"] if row["target"] is not None]
    assert len(with_target) == 15
    for row in with_target:
        assert row["to_torch_nn"] <= row["target"], row
        assert row["saved_to_torch_nn"] <= 1, row
        assert row["peak_to_torch_nn"] is None or row["peak_to_torch_nn"] <= 1, row


def test_no_record_without_its_script() -> None:
    for record in (ROOT / "benchmarks" / "results").glob("*.json"):
        assert (ROOT / "benchmarks" / f"{record.stem}.py").exists()
