"""The script and the stylesheet as an output carries them: without comments and needless blanks.

Every output carries both, because a notebook may show any of them alone. A page needs the
stylesheet and the definition once, and a build may drop the copies.
"""

import hashlib
import re
from collections import Counter
from functools import cache
from importlib.resources import files

# Strings and templates stay as they are; a line break can end a statement, so it stays too.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|[\w$]+|\n| +|.')


_shown: Counter[str] = Counter()


def unique(name: str) -> str:
    """The id of an element, numbered where this process has shown another of that name: one page may hold both."""
    _shown[name] += 1
    return name if _shown[name] == 1 else f"{name}-{_shown[name]}"


@cache
def stylesheet() -> str:
    text = re.sub(r"\s*([{};,])\s*", r"\1", _without_comments("explorer.css"))
    return text.replace(": ", ":").replace(";}", "}")


@cache
def definition() -> str:
    """Defines the code of the explorables, unless the page has it."""
    return f"{_name()}??=(()=>{{{_script()}\nreturn showExplorers}})()"


@cache
def call() -> str:
    """Brings the explorables to life that are on the page by now."""
    return f"{_name()}?.()"


def _name() -> str:
    # By content, so that two notebooks of different ages can share a page.
    return f'globalThis["explorer-{hashlib.sha256(_script().encode()).hexdigest()[:8]}"]'


def _script() -> str:
    tokens = _TOKEN.findall(_without_comments("explorer.js"))
    kept = []
    for before, token, after in zip(["\n", *tokens], tokens, [*tokens[1:], "\n"], strict=False):
        if token.strip(" "):
            kept.append(token)
        elif _kind(before[-1]) == _kind(after[0]) != "":
            kept.append(" ")
    return re.sub(r";?\n}", "}", re.sub(r"([;{,])\n", r"\1", "".join(kept)))  # where a line break ends nothing


def _kind(character: str) -> str:
    """What must not run together: two words, or two signs (a - -b is not a--b)."""
    if character.isalnum() or character in "_$":
        return "word"
    return "sign" if character in "+-" else ""


def _without_comments(name: str) -> str:
    lines = (line.strip() for line in files(__package__).joinpath(name).read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
