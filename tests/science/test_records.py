"""Records are read and shown as they were written, and what is none is named."""

import pytest

from rnnbook import records


def test_a_record_comes_back_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    record = {"machine": {"name": "a"}, "cpu": [{"shape": {"T": 128}, "ratio": 0.9}]}
    assert records.save("layers", record) == tmp_path / "layers.json"
    assert records.names() == ["layers"]
    assert records.load("layers") == record
    assert str(records.table(record["cpu"])) == "| T | ratio |\n| ---: | ---: |\n| 128 | 0.9 |"


@pytest.mark.parametrize("name", ["../layers", "", "a.json", None, 3])
def test_a_name_that_would_lie_elsewhere_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="name must be"):
        records.save(name, {})
    with pytest.raises(ValueError, match="name must be one of"):
        records.load(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: records.table(None), "rows must be a list of rows, got NoneType"),
        (lambda: records.table({"a": 1}), "rows must be a list of rows, got dict"),
        (lambda: records.table(["ab"]), "a row must be a mapping from names to values, got str"),
        (lambda: records.table([{"a": 1}], ["a"]), "columns must be a mapping from headers to keys, got list"),
    ],
)
def test_what_is_no_table_is_named(call, words):
    with pytest.raises(TypeError, match=words):
        call()
