"""What a page holds of exercises that are written on it, and where the browser's Python comes from."""

import hashlib
import json
import re
import subprocess
import sys
import threading
import zipfile
from http.server import HTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from written import Function, functions

from booktools import ROOT, offline
from booktools.live import files, form, serve
from booktools.live.world import NotOnPageError, world
from rnnbook.check.page import answered

ABOVE = (
    "import math\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom itertools import chain, count",
    "rate = 0.5\nW, (b, c) = np.eye(2), (1, 2)",
    "def decay(x):\n    # as it is written\n    return rate * scale(x)",
    "def scale(x):  return x",
    "def learned(x):\n    return torch.tanh(x)",
    "rate = 0.9",
)

SOLVED = "def direct_path(f, dc_T):\n    ### BEGIN SOLUTION\n    return torch.cumprod(f)\n    ### END SOLUTION"


def test_a_world_has_what_an_answer_needs_and_what_that_needs() -> None:
    found = world("def f(x):\n    return decay(x) + b", ABOVE)
    assert found.startswith("import numpy as np\n\n\n")
    assert "# as it is written" in found
    assert "def scale" in found
    assert "rate = 0.9" in found
    assert "rate = 0.5" not in found
    assert "torch" not in found
    assert "math" not in found
    space: dict[str, object] = {}
    exec(found, space)
    assert space["decay"](2.0) == 1.8  # type: ignore[operator]


def test_imports_are_narrowed_to_what_is_needed() -> None:
    assert world("y = count()", ABOVE) == "import numpy as np\nfrom itertools import count"


def test_what_a_task_speaks_of_is_there_if_it_runs_there() -> None:
    assert "def scale" in world("", ABOVE, ["scale(x)", "h_t", "learned(x)"])
    assert "torch" not in world("", ABOVE, ["learned", "nn"])
    assert world("", ABOVE, ["rate", "b"]) == "import numpy as np"  # rather arguments of the same name


@pytest.mark.parametrize("answer", ["torch.tanh(1)", "learned(1)", "nn.Linear(1, 1)"])
def test_an_answer_that_needs_torch_is_not_for_the_page(answer: str) -> None:
    with pytest.raises(NotOnPageError, match="torch"):
        world(answer, ABOVE)


def test_a_name_that_nothing_defines_is_an_error() -> None:
    with pytest.raises(ValueError, match="no cell before the exercise defines lost"):
        world("lost(1)", ABOVE)


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.id)
def test_each_solution_passes_in_the_world_of_its_page(function: Function) -> None:
    assert json.loads(answered(function.id, function.code, function.world))["passed"]


def test_the_files_of_a_named_folder_go_first_and_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "SHA256", {"a.js": hashlib.sha256(b"a").hexdigest()})
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"BOOK_PYODIDE=.*: not the files of Pyodide .*: a\.js"):
        files.found()
    (tmp_path / "a.js").write_bytes(b"b")
    with pytest.raises(ValueError, match=r"a\.js"):
        files.found()
    (tmp_path / "a.js").write_bytes(b"a")
    assert files.found() == files.fetched() == tmp_path


def test_files_are_fetched_once_and_only_as_they_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __init__(self, content: bytes) -> None:
            self.read = lambda: content

        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *error: object) -> None: ...

    asked: list[str] = []
    content = b"other"

    def answer(address: str, timeout: float) -> Answer:
        asked.append(address)
        return Answer(content)

    monkeypatch.delenv(files.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(files, "SHA256", {files.NUMPY: hashlib.sha256(b"wheel").hexdigest()})
    monkeypatch.setattr(files, "urlopen", answer)
    with pytest.raises(ValueError, match="is not the file that was checked"):
        files.fetched()
    assert files.found() is None
    content = b"wheel"
    assert (files.fetched() / files.NUMPY).read_bytes() == b"wheel"
    files.fetched()
    assert asked == [f"{files.PACKAGES}{files.NUMPY}"] * 2


def test_without_a_network_the_build_says_in_one_line_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(address: str, timeout: float) -> None:
        raise URLError("no network")

    monkeypatch.delenv(files.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(files, "urlopen", unreachable)
    files.gap.cache_clear()
    said = files.gap()
    files.gap.cache_clear()
    assert said is not None
    assert re.fullmatch(r"No exercise can be written on its page: Pyodide .* \(no network\); .*BOOK_PYODIDE.*", said)
    files.write(tmp_path)
    assert not (tmp_path / files.PLACE).exists()
    task = form.Task(
        "lstm-4", "def f():\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION", (), (), "chapters/lstm"
    )
    assert form.around(task, "en") is None


def test_the_archive_of_the_check_works_alone(tmp_path: Path) -> None:
    files.pack(tmp_path / "check.zip")
    before = (tmp_path / "check.zip").read_bytes()
    files.pack(tmp_path / "check.zip")
    assert (tmp_path / "check.zip").read_bytes() == before
    names = zipfile.ZipFile(tmp_path / "check.zip").namelist()
    assert not [name for name in names if not name.startswith(("rnnbook/check/", "rnnbook/_l", "rnnbook/__init__"))]
    code = """
import sys
sys.path.insert(0, "check.zip"); sys.modules["torch"] = None
from zipfile import ZipFile; ZipFile("check.zip").extractall("."); sys.path[0] = "."
from rnnbook.check.page import answered
import rnnbook; print(rnnbook.__file__, answered("flow-4", "x = 1", ""))
"""
    environment = {"PYTHONPATH": "", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code.replace('"."', repr(str(tmp_path)))],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(tmp_path) in done.stdout
    assert "is not written yet" in done.stdout


def test_an_answer_that_needs_more_is_sent_to_the_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "found", lambda: tmp_path)
    for lang, said in (("en", "needs torch"), ("zh", "要用 torch")):
        found = form.around(form.Task("lstm-4", SOLVED, ("import torch",), (), "chapters/lstm"), lang)
        assert found is not None
        assert "data" not in found
        assert said in found["said"]
    assert form.around(form.Task("lstm-1", "c_3 = ...", (), (), "chapters/lstm"), "en") is None  # a value has its box


def test_pages_offer_an_editor_for_each_function(site: Path) -> None:
    if files.found() is None:
        pytest.skip("the browser's Python is not on this machine")
    offered = re.compile(
        r'<div class="live" data-exercise="([\w-]+)">.*?<script type="application/json">(.*?)</script>', re.S
    )
    expected = sorted(function.id for function in functions())
    for edition in (site, site / "zh"):
        pages = {path: offered.findall(path.read_text("utf8")) for path in edition.glob("chapters/*.html")}
        assert sorted(id for found in pages.values() for id, _ in found) == expected
        for path, found in pages.items():
            for id, data in found:
                given = json.loads(data)
                assert (path.parent / given["python"] / "pyodide.mjs").is_file()
                assert (path.parent / given["notebook"]).is_file()
                assert "raise NotImplementedError" in given["stub"]
                assert "SOLUTION" not in given["stub"]
                notebook = json.loads((path.parent / given["notebook"]).read_text("utf8"))
                cells = [cell for cell in notebook["cells"] if cell["metadata"].get("exercise") == id]
                assert ["".join(cell["source"]).strip() for cell in cells] == [given["stub"].strip()]


def test_licences_stand_beside_the_files(site: Path) -> None:
    if files.found() is None:
        pytest.skip("the browser's Python is not on this machine")
    said = (site / files.PLACE / "LICENCES.txt").read_text("utf8")
    for path in (site / files.PLACE).iterdir():
        assert path.name in said or path.suffix == ".txt" or path.name == "files.json", path.name
    assert files.VERSION in said
    assert "Redistribution" in (site / files.PLACE / "NUMPY-LICENCE.txt").read_text("utf8")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_archive_has_the_python_of_its_pages_and_a_server(site: Path, tmp_path: Path, lang: str) -> None:
    with zipfile.ZipFile(offline.pack(site, lang, tmp_path)) as archive:
        archive.extractall(tmp_path)
    top = tmp_path / f"{offline.NAME}-{lang}"
    assert (top / "serve.py").is_file()
    if files.found() is not None:
        page = (top / "chapters" / "lstm.html").read_text("utf8")
        (place,) = set(re.findall(r'"python":"([^"]*)"', page))
        assert (top / "chapters" / place / "pyodide.asm.wasm").is_file()


def test_the_server_of_an_archive_names_kinds_of_files(tmp_path: Path) -> None:
    for name in ("a.mjs", "a.wasm", "a.html"):
        (tmp_path / name).write_text("x")

    class Quiet(serve.Handler):
        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), lambda *given: Quiet(*given, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kinds = []
        for name in ("a.mjs", "a.wasm", "a.html"):
            with urlopen(f"http://127.0.0.1:{server.server_address[1]}/{name}") as answer:
                kinds.append(answer.headers["Content-Type"])
        server.shutdown()
    assert kinds == ["text/javascript", "application/wasm", "text/html"]
    done = subprocess.run(
        [sys.executable, ROOT / "booktools" / "live" / "serve.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "python serve.py" in done.stdout
