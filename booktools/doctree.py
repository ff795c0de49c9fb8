"""What becomes of a chapter after it is read: anchors, figure texts, exercises."""

import re
from collections.abc import Iterator, Sequence

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import exercise_enumerable_node, solution_node

from booktools import answers, evidence, exercises
from booktools.languages import SEPARATOR, localised, only_bar
from booktools.live import form as live
from booktools.pages import language
from booktools.words import words
from rnnbook.check import hints_of, pick, texts_of

LABEL = re.compile(r"[\w-]+:[\w.-]+")


class LabelsAsAnchors(SphinxTransform):
    """A heading's explicit label becomes its anchor, so that both editions have the same anchors.

    A heading's own words are among its names, too, and may hold a colon; a label holds no space.
    """

    default_priority = 860  # after targets were propagated to their sections

    def apply(self) -> None:
        for section in self.document.findall(nodes.section):
            labels = [self.document.nameids.get(name) for name in section["names"] if LABEL.fullmatch(name)]
            anchors = [anchor for anchor in labels if anchor in section["ids"]]
            section["ids"] = anchors + [other for other in section["ids"] if other not in anchors]


class ChineseBrackets(SphinxPostTransform):
    """sphinx-exercise puts an exercise's own title into half-width brackets."""

    default_priority = 30  # after it resolved the titles

    def run(self, **kwargs: object) -> None:
        if language(self.app.config) == "zh":
            for exercise in self.document.findall(exercise_enumerable_node):
                for title in exercise.findall(nodes.title):
                    for text in list(title.findall(nodes.Text)):
                        if text in (" (", ")"):
                            text.parent.replace(text, nodes.Text("（" if text == " (" else "）"))


class Kind(SphinxPostTransform):
    """Behind the title of an exercise stands its kind; after the titles are numbered, so that no reference has it."""

    default_priority = 40

    def run(self, **kwargs: object) -> None:
        kinds = words("kinds", language(self.app.config))
        for exercise in self.document.findall(exercise_enumerable_node):
            texts = texts_of(exercise["label"])
            for title in list(exercise.findall(nodes.title))[:1]:
                if texts is not None:
                    title += nodes.inline("", kinds[texts.kind], classes=["exercise-kind"])


class Fold(nodes.General, nodes.Element):  # type: ignore[misc]  # docutils has no types
    """Something folded away under a title: `<details>`, operable by keyboard and without a script."""


def visit_fold(self: nodes.NodeVisitor, node: Fold) -> None:
    self.body.append(f'<details class="fold fold-{node["kind"]}"><summary>{self.encode(node["title"])}</summary>')


def depart_fold(self: nodes.NodeVisitor, node: Fold) -> None:
    self.body.append("</details>\n")


# Cells that define nothing for the answers below them.
NOT_ABOVE = {"tag_checked", "tag_explorable", "tag_drawing"}
CLOSING = "，。；：、）？！”》,.;:)?!"
SHORT = 40  # characters of TeX; a longer formula may need to break inside itself


def hold_punctuation(app: Sphinx, doctree: nodes.document) -> None:
    """Keep what closes a clause on the line of the formula before it."""
    for formula in list(doctree.findall(nodes.math)):
        place = formula.parent.index(formula)
        follower = formula.parent[place + 1] if place + 1 < len(formula.parent) else None
        if isinstance(follower, nodes.Text) and follower[:1] in CLOSING and len(formula.astext()) <= SHORT:
            held = len(follower) - len(follower.lstrip(CLOSING))
            pair = nodes.inline("", "", formula.deepcopy(), nodes.Text(follower[:held]), classes=["unbroken"])
            formula.parent[place : place + 2] = [pair, nodes.Text(follower[held:])]


def localise_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Alternative texts and captions that are written `English | 中文` keep one half."""
    lang = language(app.config)
    for image in doctree.findall(nodes.image):
        image["alt"] = localised(image.get("alt", ""), lang)
    for caption in doctree.findall(nodes.caption):
        _keep_half(caption, lang)


def _keep_half(caption: nodes.caption, lang: str) -> None:
    """Do to a parsed caption what `localised` does to its source."""
    texts = [text for text in caption.findall(nodes.Text) if not isinstance(text.parent, nodes.math | nodes.literal)]
    bar = only_bar(texts)
    if bar is None or (text := texts[bar[0]]).parent is not caption:
        return
    position = caption.index(text)
    before = [*caption.children[:position], nodes.Text(text[: bar[1]])]
    after = [nodes.Text(text[bar[1] + len(SEPARATOR) :]), *caption.children[position + 1 :]]
    caption.children = []
    caption.extend(before if lang == "en" else after)


def fold_exercises(app: Sphinx, doctree: nodes.document) -> None:
    """Show an exercise as its reader meets it: the stub, then hints and solution folded away.

    The chapter holds the solved cell and a cell that checks it. On the page the
    solution, the check's answer to it and the solution's text share one fold.
    Where the answer is a value there is a box to answer it in; stub and check,
    which need a kernel, are folded. Where it is a function a button lets the
    reader write it in their place. An exercise without a check has its folds
    where its solution stands.
    """
    lang = language(app.config)
    texts = {node["target_label"]: node for node in doctree.findall(solution_node)}
    tasks = {node["label"]: node for node in doctree.findall(exercise_enumerable_node)}
    open_solution: list[nodes.Node] = []
    stubs: list[nodes.Node] = []
    above: list[str] = []
    solved = ""
    for cell in list(_code_cells(doctree)):
        source = next(cell.findall(nodes.literal_block))
        if "tag_exercise" in cell["classes"]:
            solved = source.astext()
            open_solution.append(_retyped(source, exercises.solved(solved)))
            source.replace_self(_retyped(source, exercises.stub(solved)))
            stubs.append(cell)
        elif "tag_check" in cell["classes"] and (name := exercises.checked_id(source.astext())):
            answer = [block for block in cell.children if "cell_output" in block.get("classes", [])]
            for block in answer:
                cell.remove(block)
            text = texts.pop(name, None)
            inside = [*open_solution, *answer, *(text.children[1:] if text is not None else [])]
            cell.parent.insert(cell.parent.index(cell) + 1, _folds(lang, name, inside))
            if form := answers.box(name, lang):
                _answer_on_page(lang, form, [*stubs, cell])
            else:
                names = [text.astext() for text in tasks[name].findall(nodes.literal)]
                around = live.around(live.Task(name, solved, tuple(above), names, app.env.docname), lang)
                if around is not None:
                    _put([around], [*stubs, cell])
                    around.extend([*stubs, cell])
            if text is not None:
                text.parent.remove(text)
            open_solution, stubs = [], []
        elif not NOT_ABOVE & set(cell["classes"]):
            above.append(source.astext())
    for name, text in texts.items():
        if texts_of(name) is not None:
            text.replace_self(_folds(lang, name, text.children[1:]))


def _folds(lang: str, name: str, solution: Sequence[nodes.Node]) -> list[Fold]:
    texts = enumerate(hints_of(name), 1)
    hints = [_fold(lang, "hint", _paragraph(pick(text, lang)), number=k) for k, text in texts]
    return [*hints, _fold(lang, "solution", *solution)]


def _answer_on_page(lang: str, form: str, cells: list[nodes.Node]) -> None:
    """Put the form in place of the stub; stub and check stand folded behind it."""
    fold = Fold(kind="notebook", title=words("folds", lang)["notebook"])
    _put([nodes.raw("", form, format="html"), fold], cells)
    fold.extend(cells)


def _put(fresh: list[nodes.Node], cells: list[nodes.Node]) -> None:
    """Put what is fresh into the place of these cells."""
    parent = cells[0].parent
    place = parent.index(cells[0])
    for cell in cells:
        parent.remove(cell)
    parent.insert(place, fresh)


def fold_checked(app: Sphinx, doctree: nodes.document) -> None:
    """Fold the cells of assertions away under the number of statements that they check."""
    lang = language(app.config)
    for cell in list(_code_cells(doctree)):
        if "tag_checked" in cell["classes"]:
            source = next(cell.findall(nodes.literal_block))
            fold = Fold(kind="checked", title=evidence.title(source.astext(), lang))
            cell["hide_mode"] = ""  # it would be folded twice
            cell.replace_self(fold)
            fold.append(cell)


def unwrap_exercises(app: Sphinx, doctree: nodes.document) -> None:
    """sphinx-exercise wraps every exercise and solution in a section, all with the same id."""
    for section in list(doctree.findall(nodes.section)):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []  # else they would pass to the first paragraph
            section.replace_self(section.children)


NEED, TIME = ("You need", "预备知识"), ("Time", "用时")
QUESTION = re.compile(r"[:：] ?")


class Head(nodes.General, nodes.Element):  # type: ignore[misc]
    """What a reader weighs before a chapter: what it teaches, what it asks for, how long it takes."""


def visit_head(self: nodes.NodeVisitor, node: Head) -> None:
    self.body.append('<div class="chapter-head">')


def depart_head(self: nodes.NodeVisitor, node: Head) -> None:
    self.body.append("</div>\n")


def frame_head(app: Sphinx, doctree: nodes.document) -> None:
    """Put the list of aims and the lines on needs and time that open a chapter into a block of their own."""
    for need in doctree.findall(nodes.paragraph):
        chapter = need.parent
        place = chapter.index(need)
        if _opens_with(need, NEED) and place >= 2 and isinstance(chapter[place - 1], nodes.bullet_list):
            end = place + 1 + (place + 1 < len(chapter) and _opens_with(chapter[place + 1], TIME))
            framed = chapter[place - 2 : end]
            chapter[place - 2 : end] = [Head("", *framed)]
            return


def _opens_with(node: nodes.Node, words: tuple[str, ...]) -> bool:
    filled = (child for child in node.children if child.astext()) if isinstance(node, nodes.paragraph) else iter(())
    first = next(filled, None)
    return isinstance(first, nodes.strong) and first.astext() in words


class Question(SphinxPostTransform):
    """The title of a chapter is a name and a question; on its page the question stands on a line of its own.

    Written pages only, so that the contents and the search keep the title in one piece.
    """

    default_priority = 40

    def run(self, **kwargs: object) -> None:
        if next(iter(self.document.findall(Head)), None) is None:
            return
        title = next(iter(self.document.findall(nodes.title)))
        for text in title.children:
            if isinstance(text, nodes.Text) and (mark := QUESTION.search(text)):
                place = title.index(text)
                before, after = nodes.Text(text[: mark.start()]), nodes.Text(text[mark.end() :])
                rest = [after, *title.children[place + 1 :]]
                colon = nodes.inline("", mark[0], classes=["colon"])
                title.children = title.children[:place]
                title.extend([before, colon, nodes.inline("", "", *rest, classes=["question"])])
                return


def _code_cells(doctree: nodes.document) -> Iterator[nodes.container]:
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            yield cell


def _retyped(block: nodes.literal_block, code: str) -> nodes.literal_block:
    fresh = block.copy()
    fresh.rawsource = code
    fresh += nodes.Text(code)
    return fresh


def _paragraph(text: str) -> nodes.paragraph:
    """A hint: text in which `code` stands between backquotes."""
    paragraph = nodes.paragraph()
    for position, part in enumerate(text.split("`")):
        paragraph += nodes.literal(part, part) if position % 2 else nodes.Text(part)
    return paragraph


def _fold(lang: str, kind: str, *inside: nodes.Node, number: int | None = None) -> Fold:
    title = words("folds", lang)[kind] + (f" {number}" if number else "")
    fold = Fold(kind=kind, title=title)
    fold.extend(inside)
    return fold


def setup(app: Sphinx) -> None:
    app.add_node(Fold, html=(visit_fold, depart_fold))
    app.add_node(live.Live, html=(live.visit_live, live.depart_live))
    app.add_transform(LabelsAsAnchors)
    app.add_post_transform(ChineseBrackets)
    app.add_post_transform(Kind)
    app.add_node(Head, html=(visit_head, depart_head))
    app.add_post_transform(Question)
    app.connect("doctree-read", localise_figures)
    app.connect("doctree-read", unwrap_exercises)
    app.connect("doctree-read", fold_exercises)
    app.connect("doctree-read", fold_checked)
    app.connect("doctree-read", hold_punctuation)
    app.connect("doctree-read", frame_head)
