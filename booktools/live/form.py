"""What a page holds of an exercise that can be written on it: a button, and what a click needs to know."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from docutils import nodes

from booktools import exercises
from booktools.answers import embedded
from booktools.live import files
from booktools.live.world import NotOnPageError, world
from booktools.words import words
from rnnbook.check import pick
from rnnbook.check.messages import MESSAGES
from rnnbook.check.registry import find

PARENT = {"en": "", "zh": "../"}  # from an edition to the site, whose folder both share


class Live(nodes.General, nodes.Element):  # type: ignore[misc]  # docutils has no types
    """Around stub and check of an exercise whose answer is a function: a button, or why there is none."""


def visit_live(self: nodes.NodeVisitor, node: Live) -> None:
    self.body.append(f'<div class="live" data-exercise="{node["exercise"]}">')


def depart_live(self: nodes.NodeVisitor, node: Live) -> None:
    if "data" in node:
        # Nothing moves when the script arrives: it only enables the button.
        self.body.append(
            f'<p class="live-offer"><button type="button" disabled>{self.encode(node["said"])}</button></p>'
            f'<script type="application/json">{node["data"]}</script>'
        )
    else:
        self.body.append(f'<p class="live-elsewhere">{self.encode(node["said"])}</p>')
    self.body.append("</div>\n")


class Task(NamedTuple):
    """An exercise as it stands in its chapter."""

    id: str
    code: str  # the cell with its solution
    above: Sequence[str]  # the code of the cells before it
    names: Iterable[str]  # what it speaks of
    docname: str


def around(task: Task, lang: str) -> Live | None:
    """What stub and check are to stand in, so that the answer can be written on the page.

    An answer that needs what the browser's Python lacks is sent to the notebook, in words. None where the answer is
    a value, and where the build has no Python for browsers.
    """
    exercise = find(task.id)
    if exercise is None or exercise.arguments is None or files.found() is None:
        return None
    said = words("live", lang)
    try:
        above = world(exercises.solved(task.code), task.above, task.names)
    except NotOnPageError as error:
        return Live(exercise=task.id, said=said["elsewhere"].format(module=error))
    up = "../" * task.docname.count("/")
    data = {
        "name": exercise.name,
        "stub": exercises.stub(task.code).strip() + "\n",
        "world": above,
        "seconds": exercise.seconds,
        "python": f"{up}{PARENT[lang]}{files.PLACE}/",
        "notebook": f"{up}notebooks/{task.docname.rpartition('/')[2]}.ipynb",
        "slow": pick(MESSAGES["too-slow"], lang).format(name=exercise.name, seconds=exercise.seconds, where=""),
        "words": {name: text for name, text in said.items() if name not in ("write", "elsewhere")},
    }
    return Live(exercise=task.id, said=said["write"], data=embedded(data))
