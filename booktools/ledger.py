"""The claim ledger: the page `chapters/ledger.md` while it is read, from the data of `chapters/ledger.yml`.

The data file lists every checkable claim of the five texts: where it stands, what it says, what holds, the chapter's
place that shows it, and the numbers, each with the code that computes it. tests/text/test_ledger.py runs that code.
Claims of chapters that are still to come name no place. The page itself holds what is written once, and marks where
the count and the claims go; while the book is built, it gets them, and its filters.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain

from booktools import ROOT
from booktools.edits import replaced
from booktools.languages import LANGUAGES
from booktools.pages import language
from booktools.words import words

DATA = ROOT / "chapters" / "ledger.yml"
DOCNAME = "chapters/ledger"
COUNTED = "% the count, {}\n"  # the marks of the page: one of each language, and one of the claims
CLAIMS = "% the claims\n"

Claim = Mapping[str, Any]


def load() -> dict[str, Any]:
    """The data file: `texts`, each with its letter, and `topics`, each with its claims."""
    data: dict[str, Any] = yaml.safe_load(DATA.read_text("utf8"))
    return data


def claims(data: Mapping[str, Any]) -> list[Claim]:
    return [claim for topic in data["topics"] for claim in topic["claims"]]


def expanded(text: str) -> str:
    """The page with its claims, in both languages, and how many there are of each kind."""
    data = load()
    for lang in LANGUAGES:
        text = replaced(COUNTED.format(lang), _counted(claims(data), lang) + "\n", text)
    topics = (
        _cell(lang, f"(sec:ledger-{topic['name']})=\n## {topic['title'][lang]}", _list(topic["claims"], lang))
        for topic in data["topics"]
        for lang in LANGUAGES
    )
    return replaced(CLAIMS, "\n".join(topics), text)


def expand(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the page that is being read its claims."""
    if docname == DOCNAME:
        source[0] = expanded(source[0])
        app.env.note_dependency(str(DATA))


def _cell(lang: str, *blocks: str) -> str:
    return "\n\n".join((f'+++ {{"lang": "{lang}"}}', *(block.strip() for block in blocks))) + "\n"


def _counted(all_claims: Sequence[Claim], lang: str) -> str:
    numbers, said = Counter(claim["verdict"] for claim in all_claims), words("claims", lang)
    counts = (text.format(n=numbers[key]) for key, text in words("verdicts counted", lang).items() if numbers[key])
    return said["counted"].format(all=len(all_claims), counts=said["between"].join(counts))


def _list(topic: Sequence[Claim], lang: str) -> str:
    return "\n".join(" ".join(_entry(claim, lang).split()) for claim in topic)


def _entry(claim: Claim, lang: str) -> str:
    said = words("claims", lang)
    numbers = said["between numbers"].join(_number(number, lang) for number in claim.get("numbers", ()))
    return said["claim"].format(
        claim=claim["claim"][lang],
        texts=said["between texts"].join(claim["in"]),
        verdict=words("verdicts", lang)[claim["verdict"]],
        holds=claim["holds"][lang],
        numbers=said["numbers"].format(numbers=numbers) if numbers else "",
        where=said["shown"].format(label=claim["shown"]) if "shown" in claim else said["to come"],
    )


def _number(number: Mapping[str, Any], lang: str) -> str:
    """`of` is a formula, or words in each language: $0.9^{99} = 2.951 \\times 10^{-5}$, or: ten units: $10.000$."""
    of, value = number["of"], str(number["is"])
    if number["is"] is True:
        return str(of[lang])
    digits, _, power = value.partition("e")
    if power:
        value = f"{digits} \\times 10^{{{int(power)}}}"
    relation = "\\approx " if "factor" in number else ""
    if isinstance(of, Mapping):
        return f"{of[lang]}{words('claims', lang)['colon']}${relation}{value}$"
    return f"${of} {relation or '= '}{value}$"


FIRST_TOPIC = '<section id="sec-ledger-'


def add_filters(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Two menus above the claims, which the page's script brings to life; without it all claims are shown."""
    if pagename != DOCNAME or FIRST_TOPIC not in context["body"]:
        return
    lang = language(app.config)
    said, found = words("filters", lang), claims(load())
    labels = cast(StandardDomain, app.env.get_domain("std")).anonlabels
    chapters = [labels[claim["shown"]][0].split("/")[-1] if "shown" in claim else "to-come" for claim in found]
    titles = {
        docname.split("/")[-1]: re.split("[:：]", app.env.titles[docname].astext())[0]
        for docname in app.env.toctree_includes[app.config.root_doc]
    } | {"to-come": said["to come"]}
    menus = {
        "verdict": words("verdicts", lang),
        "chapter": {name: title for name, title in titles.items() if name in chapters},
    }
    form = "".join(
        f'<label>{said[name]}<select name="{name}"><option value="">{said["all"]}</option>'
        + "".join(f'<option value="{key}">{html.escape(text)}</option>' for key, text in menu.items())
        + "</select></label>"
        for name, menu in menus.items()
    )
    data = html.escape(json.dumps([[claim["verdict"], name] for claim, name in zip(found, chapters, strict=True)]))
    told = f'<output data-words="{said["filtered"].format(all=len(found))}"></output>'
    form = f'<form class="ledger-filter" data-claims="{data}" hidden>{form}{told}</form>'
    context["body"] = context["body"].replace(FIRST_TOPIC, form + FIRST_TOPIC, 1)
    app.add_js_file("ledger.js", loading_method="defer")
