"""The recorded measurements, which the book quotes: complete, and within the targets that the project set itself.

Nothing is timed here; `make bench` measures and writes the records.
"""

import json

import pytest

from benchmarks import kalman, recurrent, scan
from chapters import ROOT
from rnnbook import records

RECORD = records.load("recurrent")
SCAN = records.load("scan")
KALMAN = records.load("kalman")


def shapes(rows):
    return [tuple(row["shape"].values()) for row in rows]


def test_every_layer_was_measured_on_every_shape() -> None:
    measured = {(row["kind"], tuple(row["shape"].values())) for row in RECORD["cpu"]}
    assert measured == {(kind, shape) for kind in recurrent.KINDS for shape in recurrent.SHAPES}


def test_every_scan_was_measured_on_every_shape() -> None:
    assert shapes(SCAN["scan"]) == scan.SHAPES
    assert shapes(SCAN["dense"]) == scan.DENSE_SHAPES
    assert shapes(SCAN["mingru"]) == scan.MINGRU_SHAPES
    assert all(set(row["to_loop"]) == {*scan.RUN, "log"} for row in SCAN["scan"])
    assert all(set(row["to_loop"]) == set(scan.DENSE) for row in SCAN["dense"])


@pytest.mark.parametrize("name", records.names())
def test_the_machine_and_the_versions_are_named(name: str) -> None:
    machine = records.load(name)["machine"]
    assert {"cpu", "threads", "torch", "python"} <= set(machine)
    assert machine["threads"] == 1


def test_the_machine_is_described_by_the_records_names() -> None:
    assert records.machine().keys() == RECORD["machine"].keys()
    json.dumps(records.machine())


def test_the_targets_are_met() -> None:
    with_target = [row for row in RECORD["cpu"] if row["target"] is not None]
    assert len(with_target) == 15
    for row in with_target:
        assert row["to_torch_nn"] <= row["target"], row
        assert row["saved_to_torch_nn"] <= 1, row
        assert row["peak_to_torch_nn"] is None or row["peak_to_torch_nn"] <= 1, row


def test_the_targets_of_the_scans_are_met() -> None:
    with_target = [row for row in SCAN["mingru"] if row["target"] is not None]
    assert len(with_target) == 5
    assert all(row["to_torch_nn"] <= row["target"] for row in with_target)


def test_the_filter_was_measured_on_every_shape_against_everyone() -> None:
    wanted = {(*shape, B) for B, shapes in ((1, kalman.ONE_SERIES), (kalman.SERIES, kalman.SHAPES)) for shape in shapes}
    for missing in (False, True):
        assert set(shapes(row for row in KALMAN["rows"] if row["missing"] is missing)) == wanted
    assert not KALMAN["left_out"]
    # statsmodels stops its covariances before they have quite settled, and dynamax adds a little to them.
    near = {"statsmodels": 1e-8, "dynamax": 1e-7, "filterpy": 1e-13, "simdkalman": 1e-13}
    assert all(gap < near[name] for row in KALMAN["rows"] for name, gap in row["gap"].items())


@pytest.mark.parametrize("name", ["scan", "dense"])
def test_the_dispatch_takes_an_algorithm_near_the_best(name: str) -> None:
    for row in SCAN[name]:
        assert row["to_loop"]["auto"] < 0.6, row
        assert row["to_loop"]["auto"] <= 1.3 * min(row["to_loop"].values()), row


def test_no_record_without_its_script() -> None:
    for name in records.names():
        scripts = [ROOT / folder / f"{name}.py" for folder in ("benchmarks", "experiments")]
        assert sum(script.exists() for script in scripts) == 1, name


def test_a_table_has_a_line_for_every_row_and_a_column_for_every_value() -> None:
    rows = [{"shape": {"T": 8}, "ms": {"a": 0.12345, "b": 1234.5}}, {"shape": {"T": 9}, "target": None}]
    table = records.table(rows)
    assert str(table).split("\n") == [
        "| T | ms.a | ms.b | target |",
        "| ---: | ---: | ---: | ---: |",
        "| 8 | 0.123 | 1234 |  |",
        "| 9 |  |  |  |",
    ]
    assert table._repr_html_().count("</td>") == 8
    assert ">a &lt; b</td>" in records.table([{"x": "a < b"}])._repr_html_()
    assert str(records.table(rows, {"n": "shape.T"})).split("\n")[2:] == ["| 8 |", "| 9 |"]


def test_a_record_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"name must be one of .*'recurrent', .* got 'nothing'"):
        records.load("nothing")
