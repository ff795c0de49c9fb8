"""How a chapter begins: its numbers come again, its figures are the same to the byte, its imports are lazy."""

import io
import random
import subprocess
import sys

import matplotlib
import nbclient
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import rnnbook
from chapters import ROOT
from rnnbook import figures


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_one_seed_gives_the_same_numbers_again() -> None:
    rnnbook.set_up(seed=3)
    first = draws()
    rnnbook.set_up(seed=3)
    assert draws() == first
    rnnbook.set_up(seed=4)
    assert all(new != old for new, old in zip(draws(), first, strict=True))


def test_a_chapter_computes_with_one_thread() -> None:
    torch.set_num_threads(2)
    rnnbook.set_up()
    assert torch.get_num_threads() == 1


def test_the_device_is_the_best_at_hand() -> None:
    assert rnnbook.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    torch.zeros(1, device=rnnbook.device())


def svg() -> str:
    with matplotlib.rc_context(figures.STYLE):
        figure = Figure()
        ax = figure.add_subplot()
        ax.plot([0, 1], label="state")
        ax.legend()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def test_figures_are_the_same_to_the_byte_and_their_words_stay_words() -> None:
    first = svg()
    assert first == svg()
    assert ">state</text>" in first
    assert "<dc:date>" not in first


def test_notebooks_show_such_figures() -> None:
    """In a kernel, `set_up` alone is enough: SVG, no date, words as text."""
    cell = nbformat.v4.new_code_cell(
        "import matplotlib.pyplot as plt\nimport rnnbook\nrnnbook.set_up()\nplt.ylabel('state')\nplt.show()"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    (output,) = notebook.cells[0].outputs
    assert ">state</text>" in output["data"]["image/svg+xml"]
    assert "<dc:date>" not in output["data"]["image/svg+xml"]


@pytest.mark.parametrize("background", ["#ffffff", "#121212"])
def test_lines_stand_out_on_both_grounds(background: str) -> None:
    """WCAG asks 3:1 of graphics; on dark pages the stylesheet inverts lightness and keeps hues."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for colour in figures.CYCLE:
        shown = colour if background == "#ffffff" else inverted(colour)
        lighter, darker = sorted([luminance(shown), luminance(background)], reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) > 3, colour


def inverted(colour: str) -> str:
    """invert(.93) hue-rotate(180deg), as book.css has it, by the matrices of the CSS filter specification."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    rgb = rgb * (1 - 2 * 0.93) + 0.93
    weights = np.array([0.213, 0.715, 0.072])
    turn = 2 * np.outer(np.ones(3), weights) - np.eye(3)  # cos 180° = -1, sin 180° = 0
    rgb = np.clip(turn @ rgb, 0, 1)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not {"torch", "numpy", "matplotlib"} & loaded_by("import rnnbook")


def test_layers_need_torch_and_no_more_than_that() -> None:
    loaded = loaded_by("from rnnbook.layers import recurrent, torch_nn; from rnnbook.training import train, tasks")
    assert "torch" in loaded
    assert not {"matplotlib", "scipy", "IPython", "sphinx"} & loaded


@pytest.mark.parametrize("package", ["layers", "dynamics", "linear", "filters", "training"])
def test_packages_show_their_modules_and_load_them_when_named(package: str) -> None:
    """In a fresh process, as a reader meets them: `import rnnbook`, a dot, and the tabulator."""
    folder = ROOT / "rnnbook" / package
    modules = {path.stem for path in folder.glob("[!_]*.py")}
    shown = f"import rnnbook; print(*dir(rnnbook.{package}), *dir(rnnbook))"
    listed = set(subprocess.check_output([sys.executable, "-c", shown], cwd=ROOT, text=True).split())
    assert modules | {package, "device", "set_up"} <= listed
    assert not {"TYPE_CHECKING", "import_module", "_lazy"} & listed
    assert not {"torch", "numpy"} & loaded_by(f"import rnnbook; dir(rnnbook.{package})")
    named = ", ".join(f"rnnbook.{package}.{module}" for module in sorted(modules))
    assert {f"rnnbook.{package}.{module}" for module in modules} <= loaded_by(f"import rnnbook; {named}")


def test_a_seed_that_is_none_is_named_before_anything_is_seeded() -> None:
    rnnbook.set_up(seed=3)
    first = draws()
    rnnbook.set_up(seed=3)
    for seed, error in (("3", TypeError), (-1, ValueError), (2**32, ValueError), (True, TypeError), (None, TypeError)):
        with pytest.raises(error, match="seed must be"):
            rnnbook.set_up(seed=seed)  # type: ignore[arg-type]
    assert draws() == first
    rnnbook.set_up(seed=np.int64(3))  # type: ignore[arg-type]
    assert draws() == first


def test_modules_load_when_they_are_named() -> None:
    assert rnnbook.layers.cells.__name__ == "rnnbook.layers.cells"
    with pytest.raises(AttributeError, match="no module or function 'nowhere'"):
        _ = rnnbook.nowhere
    with pytest.raises(AttributeError, match=r"rnnbook\.filters has no module or function 'nowhere'"):
        _ = rnnbook.filters.nowhere
