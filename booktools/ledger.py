"""`python -m booktools.ledger`: the page `chapters/ledger.md`, written anew from `chapters/ledger.yml`.

The data file lists every checkable claim of the five texts: where it stands, what it says, what holds, the chapter's
place that shows it, and the numbers, each with the code that computes it. tests/test_ledger.py runs that code, and
holds the page to the file. Claims of chapters that are still to come name no place. While the book is built, the page
gets its filters.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain

from booktools.languages import LANGUAGES
from booktools.pages import language

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
DATA, PAGE = CHAPTERS / "ledger.yml", CHAPTERS / "ledger.md"

VERDICTS = {
    "true": {"en": "True", "zh": "对"},
    "conditional": {"en": "True with conditions", "zh": "有条件"},
    "misleading": {"en": "Misleading", "zh": "易误解"},
    "wrong": {"en": "Wrong", "zh": "不对"},
    "outdated": {"en": "It was so", "zh": "已过时"},
}
COUNT = {
    "true": {"en": "{n} are true", "zh": "{n} 条对"},
    "conditional": {"en": "{n} are true with conditions", "zh": "{n} 条有条件"},
    "misleading": {"en": "{n} are misleading", "zh": "{n} 条易误解"},
    "wrong": {"en": "{n} are wrong", "zh": "{n} 条不对"},
    "outdated": {"en": "{n} were so once", "zh": "{n} 条已过时"},
}
COUNTED = {"en": "Of {all} claims {counts}.", "zh": "{all} 条论断中，{counts}。"}
BETWEEN = {"en": ", ", "zh": "，"}
CLAIM = {
    "en": "- *{claim}* ({texts}) **{verdict}.** {holds} {numbers}{where}",
    "zh": "- “{claim}”（{texts}）**{verdict}**。{holds}{numbers}{where}",
}
TEXTS_BETWEEN = {"en": ", ", "zh": "、"}
NUMBERS_BETWEEN = {"en": "; ", "zh": "；"}
COLON = {"en": ": ", "zh": "："}
NUMBERS = {"en": "Computed: {numbers}. ", "zh": "算得：{numbers}。"}
SHOWN = {"en": "Shown in {{ref}}`{label}`.", "zh": "见{{ref}}`{label}`。"}
TO_COME = {"en": "Its chapter is still to come.", "zh": "相应的章待写。"}

Claim = Mapping[str, Any]


def load() -> dict[str, Any]:
    """The data file: `about` (front matter of the page), `texts`, and `topics`, each with its claims."""
    data: dict[str, Any] = yaml.safe_load(DATA.read_text("utf8"))
    return data


def claims(data: Mapping[str, Any]) -> list[Claim]:
    return [claim for topic in data["topics"] for claim in topic["claims"]]


def page(data: Mapping[str, Any]) -> str:
    """The whole page, in both languages."""
    parts = [HEADER]
    for lang in LANGUAGES:
        texts = "\n".join(f"- **{key}** {text[lang]}" for key, text in data["texts"].items())
        counted = _counted(claims(data), lang)
        parts.append(_cell(lang, f"(ch:ledger)=\n# {data['title'][lang]}", data["opening"][lang], texts, counted))
    for topic in data["topics"]:
        for lang in LANGUAGES:
            heading = f"(sec:ledger-{topic['name']})=\n## {topic['title'][lang]}"
            parts.append(_cell(lang, heading, _list(topic["claims"], lang)))
    return "\n".join(parts)


def _cell(lang: str, *blocks: str) -> str:
    return "\n\n".join((f'+++ {{"lang": "{lang}"}}', *(block.strip() for block in blocks))) + "\n"


def _counted(all_claims: Sequence[Claim], lang: str) -> str:
    numbers = Counter(claim["verdict"] for claim in all_claims)
    counts = (text[lang].format(n=numbers[key]) for key, text in COUNT.items() if numbers[key])
    return COUNTED[lang].format(all=len(all_claims), counts=BETWEEN[lang].join(counts))


def _list(topic: Sequence[Claim], lang: str) -> str:
    return "\n".join(" ".join(_entry(claim, lang).split()) for claim in topic)


def _entry(claim: Claim, lang: str) -> str:
    numbers = NUMBERS_BETWEEN[lang].join(_number(number, lang) for number in claim.get("numbers", ()))
    return CLAIM[lang].format(
        claim=claim["claim"][lang],
        texts=TEXTS_BETWEEN[lang].join(claim["in"]),
        verdict=VERDICTS[claim["verdict"]][lang],
        holds=claim["holds"][lang],
        numbers=NUMBERS[lang].format(numbers=numbers) if numbers else "",
        where=SHOWN[lang].format(label=claim["shown"]) if "shown" in claim else TO_COME[lang],
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
        return f"{of[lang]}{COLON[lang]}${relation}{value}$"
    return f"${of} {relation or '= '}{value}$"


HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""


FILTERS = {
    "en": {"verdict": "Verdict", "chapter": "Chapter", "all": "all", "to come": "still to come"},
    "zh": {"verdict": "判定", "chapter": "章", "all": "全部", "to come": "待写"},
}
FILTERED = {"en": "{{n}} of {all} claims", "zh": "{all} 条中的 {{n}} 条"}
FIRST_TOPIC = '<section id="sec-ledger-'


def add_filters(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Two menus above the claims, which the page's script brings to life; without it all claims are shown."""
    if pagename != "chapters/ledger" or FIRST_TOPIC not in context["body"]:
        return
    lang = language(app.config)
    words, found = FILTERS[lang], claims(load())
    labels = cast(StandardDomain, app.env.get_domain("std")).anonlabels
    chapters = [labels[claim["shown"]][0].split("/")[-1] if "shown" in claim else "to-come" for claim in found]
    titles = {
        docname.split("/")[-1]: re.split("[:：]", app.env.titles[docname].astext())[0]
        for docname in app.env.toctree_includes[app.config.root_doc]
    } | {"to-come": words["to come"]}
    menus = {
        "verdict": {key: verdict[lang] for key, verdict in VERDICTS.items()},
        "chapter": {name: title for name, title in titles.items() if name in chapters},
    }
    form = "".join(
        f'<label>{words[name]}<select name="{name}"><option value="">{words["all"]}</option>'
        + "".join(f'<option value="{key}">{html.escape(text)}</option>' for key, text in menu.items())
        + "</select></label>"
        for name, menu in menus.items()
    )
    data = html.escape(json.dumps([[claim["verdict"], name] for claim, name in zip(found, chapters, strict=True)]))
    told = f'<output data-words="{FILTERED[lang].format(all=len(found))}"></output>'
    form = f'<form class="ledger-filter" data-claims="{data}" hidden>{form}{told}</form>'
    context["body"] = context["body"].replace(FIRST_TOPIC, form + FIRST_TOPIC, 1)
    app.add_js_file("ledger.js", loading_method="defer")


def main() -> None:
    PAGE.write_text(page(load()), "utf8")
    print(PAGE)


if __name__ == "__main__":
    main()
