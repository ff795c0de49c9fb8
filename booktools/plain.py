"""MyST Markdown as plain Markdown, for notebooks that open where MyST is not known (Colab, JupyterLab).

References become the numbers and titles that the site shows, with links to it.
Only the MyST that chapters may use is known here. What else only MyST understands, outside code
and formulas, is an error: a directive, label or numbered formula inside a list or a quotation, a
comment, a link to a file or to a label, a role in another form.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from docutils import nodes
from markdown_it.token import Token
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

from booktools.languages import BLOCKS, VERBATIM, localised
from booktools.words import words

ADMONITIONS = {"note", "tip", "warning", "important", "seealso", "admonition"}
_DIRECTIVE = re.compile(r"\{(?P<name>[\w-]+)\}[ ]*(?P<argument>.*)")
_OPTION = re.compile(r":([\w-]+):[ ]*(.*)")
_ROLE = r"\{(?P<role>\w+)\}`(?:(?P<title>[^`<]+?)\s*<(?P<to>[^`>]+)>|(?P<plain>[^`]+))`"
_PIECE = re.compile(f"{_ROLE}|{VERBATIM.pattern}", VERBATIM.flags)  # whichever begins first is not part of the other
_LABEL = re.compile(r"^\([\w:.-]+\)=[ \t]*(?:\n|\Z)", re.M)
# Its end: below the formula, or behind one that stands on a single line.
_NUMBERED = re.compile(r"(?:\n|^(?P<line>\$\$[^\n$]+))\$\$[ \t]*\((?P<label>[\w:.-]+)\)[ \t]*$", re.M)
_START = r"^[ \t>]*(?:(?:[-+*]|\d+[.)])[ \t]+)*"  # of a line, also in quotations and lists
_ONLY_MYST = re.compile(
    r"\{\w+\}`"  # a role
    r"|`{3}\{|:{3}\{"  # a directive
    rf"|{_START}\([\w:.-]+\)=[ \t]*$"  # a label
    r"|\$\$[ \t]*\([\w:.-]+\)[ \t]*$"  # of a formula
    r"|\]\((?!https?:)"  # a link that only the site can follow
    rf"|{_START}%",  # a comment
    re.M,
)


class PlainError(SphinxError):
    """A chapter uses MyST that has no plain form."""

    category = "notebook"


class References:
    """What each label is called and where it is, as this edition of the site resolved it."""

    def __init__(self, app: Sphinx, lang: str, base: str) -> None:
        self.app, self.words, self.base = app, words("markdown", lang), base
        self.env: Any = app.env  # extensions keep their registries on it
        self.standard: Any = app.env.get_domain("std")
        self.citations: Any = app.env.get_domain("cite")
        self.exercises: Any = getattr(app.env, "sphinx_exercise_registry", {})  # absent without exercises

    def address(self, doc: str, anchor: str = "") -> str:
        return self.base + self.app.builder.get_target_uri(doc) + (f"#{anchor}" if anchor else "")

    def place(self, text: str, number: int) -> str:
        """The chapter that holds `text`, and where its line `number`, counted from 0, is there; else empty."""
        for doc in sorted(self.env.found_docs):
            path = Path(self.env.doc2path(doc))
            before, found, _ = path.read_text("utf8").partition(text)
            if found:
                line = before.count("\n") + number + 1
                return f"{doc}{path.suffix}:{line}: "
        return ""

    def number(self, kind: str, doc: str, anchor: str) -> str:
        found = self.env.toc_fignumbers.get(doc, {}).get(kind, {}).get(anchor)
        if not found:
            raise PlainError(f"{doc}: {kind} {anchor!r} has no number")
        return ".".join(map(str, found))

    def equation_number(self, label: str) -> str:
        doc, _ = self.env.get_domain("math").equations[label]
        return self.number("displaymath", doc, nodes.make_id(f"equation-{label}"))

    def figure_number(self, label: str) -> str:
        doc, anchor, _ = self.standard.labels[label]
        return self.number("figure", doc, anchor)

    def exercise_number(self, label: str) -> str:
        entry = self.exercises[label]
        return self.number("exercise", entry["docname"], label)

    def link(self, role: str, target: str, title: str | None) -> str:
        """`{role}`target`` as a Markdown link to the site."""
        if role == "eq":
            if target not in self.env.get_domain("math").equations:
                raise PlainError(f"no formula of the book is labelled {target!r}")
            doc, _ = self.env.get_domain("math").equations[target]
            anchor = nodes.make_id(f"equation-{target}")
            return f"[({self.equation_number(target)})]({self.address(doc, anchor)})"
        if role in ("cite", "citep", "citet"):
            shown = ", ".join(self.cited(key.strip()) for key in target.split(","))
            return f"[{shown}]({self.address('chapters/references')})"
        if role == "doc":
            doc = target.lstrip("/") if target.startswith("/") else f"chapters/{target}"
            return f"[{title or self.env.titles[doc].astext()}]({self.address(doc)})"
        if role in ("ref", "numref"):
            return self.cross_reference(role, target, title)
        raise PlainError(f"the role {{{role}}} has no plain form; chapters use eq, ref, numref, cite and doc")

    def cited(self, key: str) -> str:
        if key not in self.citations.bibdata.data.entries:
            raise PlainError(f"references.bib has no entry {key!r}")
        entry = self.citations.bibdata.data.entries[key]
        people = entry.persons.get("author") or entry.persons["editor"]
        names = [" ".join(person.last_names) for person in people]
        shown = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{shown}, {entry.fields['year']}"

    def cross_reference(self, role: str, target: str, title: str | None) -> str:
        if target in self.exercises:
            doc, anchor = self.exercises[target]["docname"], target
            name = f"{self.words['exercise']} {self.exercise_number(target)}"
        elif role == "numref" and target.startswith("fig:"):
            doc, anchor, _ = self.standard.labels[target]
            name = f"{self.words['figure']} {self.figure_number(target)}"
        elif target in self.standard.labels:
            doc, anchor, name = self.standard.labels[target]
        else:
            raise PlainError(f"nothing in the book is labelled {target!r}")
        return f"[{title or name}]({self.address(doc, anchor)})"


def plain(text: str, references: References, lang: str, *, solutions: bool) -> str:
    """A prose cell in plain Markdown; without `solutions`, nothing of a solution remains."""
    lines, parts, at = text.splitlines(), [], 0
    for token, first, end in _fences(text):
        if first > at:
            parts.append(_inline("\n".join(lines[at:first]), references))
        info, whole = token.info.strip(), "\n".join(lines[first:end])
        found = _DIRECTIVE.fullmatch(info) if token.level == 0 else None
        if found is None and (info.startswith("{") or token.type == "colon_fence"):
            raise _refusal(text, first, references)
        parts.append(_directive(found, token, references, lang, solutions) if found else whole)
        at = end
    parts.append(_inline("\n".join(lines[at:]), references))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip()


def _fences(text: str) -> Iterator[tuple[Token, int, int]]:
    """Fences and indented code, also in lists and quotations, each with its first line and the one after its last."""
    for token in BLOCKS.parse(text):
        if token.type in ("fence", "colon_fence", "code_block"):
            assert token.map is not None
            first, end = token.map
            yield token, first, end


def _inline(text: str, references: References) -> str:
    """Prose without fences: labels go, roles become links, numbered formulas get their numbers."""
    unknown = _LABEL.sub("\n", _PIECE.sub(_hidden, text))  # as many lines as the text
    unknown = _NUMBERED.sub(lambda end: "$$" if end["line"] else "\n$$", unknown)
    if found := _ONLY_MYST.search(unknown):
        raise _refusal(text, unknown.count("\n", 0, found.end()), references)
    text = _LABEL.sub("", text)

    def numbered(end: re.Match[str]) -> str:
        tag = rf" \tag{{{references.equation_number(end['label'])}}}"
        return f"{end['line'].rstrip()}{tag} $$" if end["line"] else f"{tag}\n$$"

    text = _NUMBERED.sub(numbered, text)

    def known(piece: re.Match[str]) -> str:
        role = piece["role"]
        return references.link(role, piece["to"] or piece["plain"], piece["title"]) if role else piece[0]

    return _PIECE.sub(known, text)


def _hidden(piece: re.Match[str]) -> str:
    """Blanks instead of a role, of code or of a formula, of which the marks at both ends remain."""
    return re.sub(r"[^\n]" if piece["role"] else r"[^\n`$]", " ", piece[0])


def _refusal(text: str, number: int, references: References) -> PlainError:
    line = text.split("\n")[number].strip()
    return PlainError(f"{references.place(text, number)}only MyST understands what stands here: {line}")


def _directive(found: re.Match[str], token: Token, references: References, lang: str, solutions: bool) -> str:
    name, argument, known = found["name"], found["argument"].strip(), words("markdown", lang)
    options, body = _options(token.content)
    if name == "math":
        tag = rf" \tag{{{references.equation_number(options['label'])}}}" if "label" in options else ""
        return f"\n$$\n{body}{tag}\n$$\n"
    if name == "solution" and not solutions:
        return ""
    if name == "figure":
        first, gap, legend = body.partition("\n\n")
        body = localised(first, lang) + gap + legend
    body = plain(body, references, lang, solutions=solutions)
    if name in ADMONITIONS:
        quoted = "\n".join(f"> {line}".rstrip() for line in body.splitlines())
        return f"\n> **{_inline(argument, references) or known[name]}**\n>\n{quoted}\n"
    if name == "exercise":
        title = f" · {_inline(argument, references)}" if argument else ""
        return f"\n**{known['exercise']} {references.exercise_number(options['label'])}{title}**\n\n{body}\n"
    if name == "solution":
        number = references.exercise_number(argument)
        return f"\n**{known['solution']} · {known['exercise']} {number}**\n\n{body}\n"
    if name == "figure":
        alt, image = localised(options["alt"], lang), quote(PurePosixPath(argument).name)
        text = _caption(options["name"], body, references, lang)
        return f"\n![{alt}]({references.base}_images/{image})\n\n{text}\n"
    if name == "progress-table":
        return "\n"  # a notebook has `progress()`
    if name in ("bibliography", "chapter-map", "chapters-to-come", "reading-paths", "tableofcontents"):
        return f"\n<{references.base}>\n"
    raise PlainError(f"the directive {{{name}}} has no plain form")


def _options(content: str) -> tuple[dict[str, str], str]:
    options, lines = {}, content.split("\n")
    while lines and (found := _OPTION.fullmatch(lines[0])):
        options[found[1]] = found[2].strip()
        lines.pop(0)
    return options, "\n".join(lines).strip()


def _caption(label: str, text: str, references: References, lang: str) -> str:
    return f"*{words('markdown', lang)['figure']} {references.figure_number(label)}.* {text}"


def caption(figure: dict[str, str], references: References, lang: str) -> str:
    """The caption of a figure made by a code cell, from the cell's metadata."""
    text = _inline(localised(figure["caption"], lang), references)
    return _caption(figure["name"], text, references, lang)
