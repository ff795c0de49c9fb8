"""A student's notebook in JupyterLab: the explorables move, the checks answer, the hints help, in its language."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from booktools.exercises import has_solution
from chapters import ROOT, code_cells
from rnnbook._languages import pick
from rnnbook.check.messages import MESSAGES
from rnnbook.explore.guess import WORDS

NAME = "forward"
SECONDS = 120  # at most for any one thing; nothing waits longer than it needs
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR")
OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--ip=127.0.0.1",
    "--port=0",
    "--IdentityProvider.token=",
    "--LabApp.expose_app_in_browser=True",  # so that the kernel can be asked whether it listens
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=",
)
LISTENS = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = session?.session?.kernel;
    return session?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


def environment(folder: Path) -> dict[str, str]:
    """A student's surroundings: nothing of the book's but the package, and none of this user's settings."""
    own = {name: str(folder / name.lower()) for name in (*FOLDERS, "IPYTHONDIR", "XDG_STATE_HOME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "PYTHONPATH": str(ROOT)}
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    others = {name: value for name, value in os.environ.items() if not name.startswith(("RNNBOOK", "JUPYTER"))}
    return others | own


def choose(folder: Path, theme: str) -> None:
    """JupyterLab's settings: a theme, and no news."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    for name, chosen in (("themes", {"theme": theme}), ("notification", {"fetchNews": "false"})):
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(chosen))


def started(server: "subprocess.Popen[bytes]", folder: Path) -> str:
    """The address of a server that answers, from the file that it leaves for those who look for it."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        for file in (folder / "jupyter_runtime_dir").glob("jpserver-*.json"):
            if file.read_text().endswith("}"):
                return str(json.loads(file.read_text())["url"])
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text()[-4000:])


@pytest.fixture(scope="module")
def lab(site: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a JupyterLab with the students' notebooks, and its folder."""
    if importlib.util.find_spec("jupyterlab") is None:
        pytest.skip("jupyterlab is not installed")
    folder = tmp_path_factory.mktemp("lab")
    for lang in ("en", "zh"):
        shutil.copytree(ROOT / "_build" / "notebooks" / lang, folder / "root" / lang)
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder / 'root'}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
        try:
            yield started(server, folder), folder
        finally:
            server.terminate()  # it ends its kernels first
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


class Notebook:
    """A notebook that is open in JupyterLab. Its cells are those of the file, in order."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        cells = json.loads(path.read_text("utf8"))["cells"]
        self.sources = ["".join(cell["source"]) for cell in cells]
        self.last = max(k for k, cell in enumerate(cells) if cell["cell_type"] == "code" and not cell["metadata"])

    def cell(self, start: str) -> Any:
        """The only cell of the file whose text begins like this."""
        (index,) = [k for k, source in enumerate(self.sources) if source.startswith(start)]
        found = self.page.locator(f".jp-Notebook [data-windowed-list-index='{index}']")
        found.scroll_into_view_if_needed()
        return found

    def selected(self) -> list[str]:
        """The cells that are selected, which the arrow keys change where no slider has the focus."""
        cells = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-selected")
        return [cell.get_attribute("data-windowed-list-index") for cell in cells.all()]

    def run_all(self) -> None:
        self.page.wait_for_function(LISTENS)  # without a kernel, JupyterLab asks which one to take
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator("li[data-command='runmenu:run-all']").click()
        last = numbered(self.page.locator(f".jp-Notebook [data-windowed-list-index='{self.last}']"))
        self.until(last.count)

    def run(self, cell: Any, text: str | None = None) -> None:
        """Run a cell, with another text if one is given, as its reader does: Shift-Enter."""
        before = numbered(cell).text_content()
        cell.locator(".cm-content").click()
        if text is not None:
            self.page.keyboard.press("ControlOrMeta+A")
            self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Shift+Enter")
        self.until(numbered(cell).filter(has_not_text=before).count)

    def until(self, there: Callable[[], object]) -> None:
        """Wait for something, asking now and then: JupyterLab draws cells when it is idle."""
        end = time.monotonic() + SECONDS
        while not there():
            assert time.monotonic() < end, f"waited for {SECONDS} s"
            self.page.wait_for_timeout(200)


def numbered(cell: Any) -> Any:
    """The prompt of a cell that has been run, such as [12]:."""
    return cell.locator(".jp-InputPrompt").filter(has_text=re.compile("[0-9]"))


@pytest.fixture(params=[("en", "JupyterLab Light"), ("zh", "JupyterLab Dark")], ids=["en-light", "zh-dark"])
def opened(request: pytest.FixtureRequest, lab: tuple[str, Path], browser: Any) -> Iterator[tuple[str, Notebook]]:
    """A student's notebook with all cells run, which at the end has complained of nothing."""
    (address, folder), (lang, theme) = lab, request.param
    choose(folder, theme)
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}lab/tree/{lang}/{NAME}.ipynb?reset")
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        assert page.locator("body").get_attribute("data-jp-theme-light") == str("Light" in theme).lower()
        notebook = Notebook(page, folder / "root" / lang / f"{NAME}.ipynb")
        notebook.run_all()
        yield lang, notebook
    assert complaints == []


def says(notebook: Notebook, cell: Any) -> str:
    """What stands under a cell for its reader, who does not see the other language."""
    output = cell.locator(".rnn-check")
    output.scroll_into_view_if_needed()
    notebook.until(output.inner_text)
    return " ".join(output.inner_text().split())


def opening(code: str, lang: str) -> str:
    """A message of the checks up to its first field that only the check knows."""
    return re.split(r"[{]", pick(MESSAGES[code], lang).replace("`{name}`", "by_hand"))[0].strip()


def solutions() -> Iterator[str]:
    """The lines of code that only a solution has."""
    cells = [code for _, _, code in code_cells(ROOT / "chapters" / f"{NAME}.md")]
    elsewhere = "\n".join(code for code in cells if not has_solution(code))
    for code in filter(has_solution, cells):
        inside = code.partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
        lines = [line.strip() for line in inside.splitlines()]
        yield from (line for line in lines if len(line) > 15 and line not in elsewhere)


def test_a_student_explores_answers_and_is_told(opened: tuple[str, Notebook]) -> None:
    lang, notebook = opened
    they_explore(notebook, lang)
    they_are_told(notebook, lang)


def they_explore(notebook: Notebook, lang: str) -> None:
    """The arrow keys reach the slider, not the notebook; the mouse and the keys move it."""
    figures = notebook.page.locator(".explorer")
    assert figures.count() == sum("Explorer(\n" in source for source in notebook.sources)
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        notebook.until(figure.inner_text)
        assert bool(re.search("[\u4e00-\u9fff]", figure.inner_text())) == (lang == "zh")
        asked = figure.get_by_role("button", name=pick(WORDS[1], lang))
        if asked.count():  # a guess comes first, and then its slider rests
            asked.click()
        slider, picture = figure.locator("input[type=range]:enabled").first, figure.locator(".ex-figure svg")
        places, shown = [int(slider.input_value())], [picture.inner_html()]

        slider.focus()
        selected = notebook.selected()
        for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
            notebook.page.keyboard.press(key)
            places.append(int(slider.input_value()))
            shown.append(picture.inner_html())
        assert [place - places[0] for place in places] == [0, 1, 2, 1, 0, -1]
        assert shown[0] == shown[4]
        assert len(set(shown)) == 4
        assert slider.evaluate("slider => slider === document.activeElement")
        assert notebook.selected() == selected

        box = slider.bounding_box()
        notebook.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
        assert slider.input_value() == slider.get_attribute("max")
        assert picture.inner_html() != shown[-1]
        notebook.page.keyboard.press("ArrowLeft")  # the mouse left the focus on the slider
        assert int(slider.input_value()) == int(slider.get_attribute("max")) - 1


def they_are_told(notebook: Notebook, lang: str) -> None:
    """An open exercise, a wrong answer, a right one, a hint; and no solution but their own."""
    first, second = notebook.cell('check("forward-1"'), notebook.cell('check("forward-2"')
    assert opening("not-implemented", lang) in says(notebook, first)
    seen = notebook.page.locator(".jp-Notebook").text_content()
    assert [line for line in solutions() if line in seen] == []
    assert "### BEGIN SOLUTION" not in seen

    notebook.run(notebook.cell("after_one = ..."), "by_hand = 0.5649")
    notebook.run(first)
    assert {"en": "That is h_1; one more step.", "zh": "这是 h_1，还差一步。"}[lang] in says(notebook, first)
    notebook.run(notebook.cell("parameters = ..."), "parameters = 825_608")
    notebook.run(second)
    assert f"✓ forward-2 · {pick(MESSAGES['passed-one'], lang)}" in says(notebook, second)

    hint = notebook.cell('# hint("forward-1")')
    notebook.run(hint, 'hint("forward-1")')
    assert {"en": "Hint 1 of 2: ", "zh": "提示 1/2："}[lang] in says(notebook, hint)
    notebook.run(hint)
    assert {"en": "Hint 2 of 2: ", "zh": "提示 2/2："}[lang] in says(notebook, hint)
