"""The answer box of an exercise: a form whose script (static/answers.js) says what `check` says."""

import html
import json
from typing import Any

from booktools.words import words
from rnnbook.check import pick
from rnnbook.check.recording import Recording, recording_of


def box(id: str, lang: str) -> str:
    """The form of an exercise, or "" if its answer is a function."""
    found = recording_of(id)
    if found is None:
        return ""
    fields = "".join(_field(found, k, lang) for k in range(len(found.names)))
    data = embedded(found.data(lang))
    said = words("answers", lang)
    kind = "options" if found.options else "several" if len(found.names) > 1 else "whole" if found.whole else "number"
    # Nothing moves when the script arrives: it only enables the fields.
    return (
        f'<form class="answer" data-exercise="{id}" aria-label="{said["label"]} ({id})" autocomplete="off" novalidate>'
        f"<fieldset disabled>{fields}<button>{said['check']}</button></fieldset>"
        f'<p id="answer-{id}" role="status">{said[kind]}</p><script type="application/json">{data}</script></form>\n'
    )


def _field(found: Recording, k: int, lang: str) -> str:
    described = f'aria-describedby="answer-{found.id}"'
    if found.options:
        options = "".join(
            f'<option value="{html.escape(str(value))}">{html.escape(_option(value, pick(text, lang)))}</option>'
            for value, text in found.options
        )
        control = f'<select {described}><option value="">–</option>{options}</select>'
    else:
        control = f'<input type="text" spellcheck="false" autocapitalize="off" {described}>'
    return f"<label><code>{html.escape(found.names[k])}</code><span>=</span>{control}</label>"


def _option(value: float | str, text: str) -> str:
    return text if isinstance(value, str) else f"{value:g}: {text}"


def embedded(data: Any) -> str:
    """JSON that may stand within a <script>."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
