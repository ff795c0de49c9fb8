"""What `check`, `hint` and `progress` return: something that shows itself in the reader's language.

In a page or a notebook it is HTML with both languages, of which the style
sheet shows the one of the surrounding page; elsewhere it is plain text.
"""

import html
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from rnnbook._languages import LANGUAGES, Pair, chosen_language, pick
from rnnbook.check.messages import EXTRA, MESSAGES, NOTHING, fill, language

# Colours come from the page's theme where there is one; the fallbacks are legible on white and on black.
STYLE = """<style>
.rnn-check{border-left:.25rem solid;padding:.4rem .8rem;margin:.3rem 0;max-width:48rem}
.rnn-check{color:inherit;overflow-wrap:anywhere}
.rnn-check.passed{border-color:var(--pst-color-success,#2a9d5c)}
.rnn-check.failed{border-color:var(--pst-color-warning,#d0612b)}
.rnn-check.neutral{border-color:var(--pst-color-info,#3f87c9)}
.rnn-check pre{background:none;color:inherit;margin:.3rem 0 0;padding:0;white-space:pre-wrap}
.rnn-check th,.rnn-check td{text-align:left;padding:.1rem .8rem .1rem 0}
.rnn-check:lang(zh) [lang|=en],.rnn-check:not(:lang(zh)) [lang|=zh]{display:none}
</style>"""


def bilingual(text: Pair) -> str:
    """Both halves as escaped HTML, `code` marked up; the style sheet shows one."""

    def half(lang: str) -> str:
        escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(pick(text, lang)))
        return f'<span lang="{lang}">{escaped}</span>'

    return "".join(half(lang) for lang in LANGUAGES)


def box(kind: str, content: str) -> str:
    """A status box. A language set by RNNBOOK_LANG wins over that of the page around it."""
    chosen = f' lang="{chosen_language()}"' if chosen_language() else ""
    return f'<div class="rnn-check {kind}" role="status"{chosen}>{STYLE}{content}</div>'


PLAINER = {"✓": "√+", "✗": "×x", "−": "-", "–": "-", "·": "-", "…": ".", "“": '"', "”": '"'}


def printable(text: str) -> str:
    """The text as standard output can write it: gbk lacks ✓ and −, cp1252 Greek letters, and `print` would raise."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def writable(some: str) -> bool:
        return some == some.encode(encoding, "ignore").decode(encoding)

    def plainer(letter: str) -> str:
        kind, *code = unicodedata.decomposition(letter).split() or [""]
        if kind in ("<super>", "<sub>"):
            return ("^" if kind == "<super>" else "_") + chr(int(code[0], 16))
        return next(filter(writable, PLAINER.get(letter, "")), letter.encode("ascii", "backslashreplace").decode())

    return text if writable(text) else "".join(letter if writable(letter) else plainer(letter) for letter in text)


@dataclass(frozen=True)
class Result:
    """The outcome of one check: true if the answer passed, and a message in both languages."""

    id: str
    code: str
    fields: Mapping[str, object] = field(default_factory=dict)
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.code == "passed"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def message(self) -> Pair:
        defaults = {"id": self.id, "where": NOTHING, "entry": NOTHING, "extra": NOTHING}
        key = "passed-one" if self.passed and self.fields.get("count") == 1 else self.code
        en, zh = fill(MESSAGES[key], **{**defaults, **self.fields})
        return en.strip(), zh.strip()

    def text(self, lang: str | None = None) -> str:
        """The message in one language, by default the reader's."""
        mark = "✓" if self.passed else "✗"
        lines = [f"{mark} {self.id} · {pick(self.message, lang or language())}"]
        if self.printed:
            lines += [pick(EXTRA["printed"], lang or language()), self.printed]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return printable(self.text())

    def _repr_html_(self) -> str:
        mark = "✓" if self.passed else "✗"
        content = f"<strong>{mark} {html.escape(self.id)}</strong> · {bilingual(self.message)}"
        if self.printed:
            content += f"<br>{bilingual(EXTRA['printed'])}<pre>{html.escape(self.printed)}</pre>"
        return box("passed" if self.passed else "failed", content)


@dataclass(frozen=True)
class Note:
    """A text in both languages that shows itself: a hint."""

    id: str
    message: Pair

    def __repr__(self) -> str:
        return printable(f"{self.id}: {pick(self.message, language())}")

    def _repr_html_(self) -> str:
        return box("neutral", f"<strong>{html.escape(self.id)}:</strong> {bilingual(self.message)}")


@dataclass(frozen=True)
class Progress:
    """Which exercises are solved on this computer, by topic."""

    exercises: Mapping[str, tuple[str, ...]]
    solved: frozenset[str]

    @property
    def message(self) -> Pair:
        count = sum(len(ids) for ids in self.exercises.values())
        done = sum(id in self.solved for ids in self.exercises.values() for id in ids)
        return fill(EXTRA["progress" if done else "no-progress"], done=done, count=count)

    def __repr__(self) -> str:
        lines = [pick(self.message, language())]
        for topic, ids in self.exercises.items():
            lines.append(f"{topic}: " + "  ".join(f"{'✓' if id in self.solved else '·'} {id}" for id in ids))
        return printable("\n".join(lines))

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{bilingual(EXTRA[key])}</th>' for key in ("topic", "solved", "open"))
        rows = []
        for topic, ids in self.exercises.items():
            done = ", ".join(id for id in ids if id in self.solved) or "–"
            left = ", ".join(id for id in ids if id not in self.solved) or "–"
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (done, left))
            rows.append(f'<tr><th scope="row">{html.escape(topic)}</th>{cells}</tr>')
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        return box("neutral", bilingual(self.message) + table)
