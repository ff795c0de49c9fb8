"""What a check says, in both languages.

Fields in braces are filled in by the check; {name} is the reader's function
or variable, {where} an input such as " for T=2, H=3" or nothing, {part} one
of several results, {extra} a diagnosis or nothing.
"""

from typing import TypeGuard

from rnnbook._languages import Pair, chosen_language

NOTHING: Pair = ("", "")

MESSAGES: dict[str, Pair] = {
    "passed": ("Correct: all {count} checks passed.", "正确：{count} 项检查全部通过。"),
    "passed-one": ("Correct.", "正确。"),
    "not-implemented": (
        "`{name}` is not written yet. Replace {placeholder} in the cell above with your answer, "
        "run it, then run this cell again.",
        "`{name}` 还没有写。请把上面单元格中的 {placeholder} 换成你的答案，运行它，再运行本单元格。",
    ),
    # Said on a page, where the answer is written in place.
    "not-written": (
        "`{name}` is not written yet. Replace {placeholder} with your answer.",
        "`{name}` 还没有写。请把 {placeholder} 换成你的答案。",
    ),
    "nothing": (
        "`{name}` returned None{where}. Does it end with `return`?",
        "`{name}` 返回了 None{where}。是不是漏了 `return`？",
    ),
    "no-value": (
        "`{name}` is None. Some functions and methods, such as `print` or `list.append`, return None.",
        "`{name}` 是 None。有些函数和方法（如 `print`、`list.append`）返回的就是 None。",
    ),
    "not-a-function": (
        'Give the function itself, `check("{id}", {name})`, not its result or another value (this is of type {type}).',
        '请传入函数本身：`check("{id}", {name})`，而不是它的返回值或别的值（现在传入的类型是 {type}）。',
    ),
    "a-function": (
        'Give the value itself, `check("{id}", {name})`; this is of type {type}. Was it meant to be called?',
        '请传入数值本身：`check("{id}", {name})`；现在传入的类型是 {type}。是不是忘了调用它？',
    ),
    "signature": (
        "`{name}` must take {arguments}, in this order; yours takes {got}.",
        "`{name}` 的参数应依次为 {arguments}；你写的是 {got}。",
    ),
    "raised": (
        "`{name}` raised an error{where}: {error}. {extra}",
        "`{name}` 抛出了异常{where}：{error}。{extra}",
    ),
    "too-slow": (
        "`{name}` was stopped after {seconds:g} seconds{where}. Does a loop never end?",
        "`{name}` 运行 {seconds:g} 秒后被终止{where}。是不是有一个循环永远不会结束？",
    ),
    "too-large": (
        "{part} is far too large: its shape is {got}{where}.",
        "{part}太大了：形状为 {got}{where}。",
    ),
    "type": (
        "{part} is of type {type}, which is not a number or an array of numbers{where}.",
        "{part}的类型是 {type}，不是数，也不是由数组成的数组{where}。",
    ),
    "ragged": (
        "{part} is a list of things of different lengths or types; no array can be made of it{where}.",
        "{part}是一个列表，其中各项的长度或类型不一致，无法组成数组{where}。",
    ),
    "parts": (
        "`{name}` must return {count} results, ({names}); it returned {got}{where}.",
        "`{name}` 应返回 {count} 个结果（{names}）；实际返回的是 {got}{where}。",
    ),
    "dtype": (
        "{part} has dtype {got}, but {want} is needed{where}. {extra}",
        "{part}的 dtype 是 {got}，应为 {want}{where}。{extra}",
    ),
    "shape": (
        "{part} has shape {got}, expected {want}{where}. {extra}",
        "{part}的形状是 {got}，应为 {want}{where}。{extra}",
    ),
    "not-finite": (
        "{part} contains {got}{entry}{where}. Look for 0/0, the logarithm or root of what is not positive, "
        "or exp of a large number.",
        "{part}{entry}含有 {got}{where}。请检查 0/0、对非正数取对数或开方，或很大的数的 exp。",
    ),
    "mutated": (
        "`{name}` changed its argument `{argument}`{where}. Work on a copy, "
        "and write `a = a + …` rather than `a += …`.",
        "`{name}` 改动了参数 `{argument}`{where}。请先复制，并写 `a = a + …` 而不是 `a += …`。",
    ),
    "value": (
        "{part} is {got}{entry}, expected {want}{where}. {extra}",
        "{part}{entry}是 {got}，应为 {want}{where}。{extra}",
    ),
    "gradient": (
        "{part} is {got}{entry}; finite differences give {want}{where}. {extra}",
        "{part}{entry}是 {got}，而有限差分给出 {want}{where}。{extra}",
    ),
    # The answers to value exercises are not given away.
    "wrong": (
        "{part} is {got}{entry}, which is not right{where}. {extra}",
        "{part}{entry}是 {got}，不对{where}。{extra}",
    ),
    "options": (
        "`{name}` must be one of {options}{where}; it is {got}.",
        "`{name}` 应为 {options} 之一{where}；现在是 {got}。",
    ),
    # Said by an answer box on a page only.
    "no-number": (
        "Please write a number, such as 3.5, −2, 1/2 or 2e-3.",
        "请写一个数，例如 3.5、−2、1/2 或 2e-3。",
    ),
    "no-choice": ("Please choose an answer.", "请选择一个答案。"),
    "property": ("{extra}{where}", "{extra}{where}"),
    "unknown": ("There is no exercise “{id}”. {extra}", "没有编号为“{id}”的练习。{extra}"),
    "order": (
        'Write `check("{nearest}", your_answer)`: first the name, then the answer.',
        '请写 `check("{nearest}", 你的答案)`：先写编号，再写答案。',
    ),
    "broken": (
        "The check itself failed ({error}); this is not your mistake. Please report it.",
        "检查程序本身出错了（{error}），这不是你的问题。请告诉我们。",
    ),
}

EXTRA: dict[str, Pair] = {
    "sign": ("The sign is wrong.", "符号反了。"),
    "signs": ("The sign is wrong everywhere.", "所有元素的符号都反了。"),
    "transposed": ("It is the transpose of what is wanted.", "结果是所求矩阵的转置。"),
    "reversed": ("It is right, but reversed along the first axis.", "数值是对的，但沿第一个轴的顺序反了。"),
    "late": (
        "The entries along the first axis stand one place too late.",
        "沿第一个轴，每个元素都晚了一步。",
    ),
    "early": (
        "The entries along the first axis stand one place too early.",
        "沿第一个轴，每个元素都早了一步。",
    ),
    "factor": (
        "All entries are {factor:.4g} times what they should be.",
        "所有元素都是正确值的 {factor:.4g} 倍。",
    ),
    "offset": ("All entries are off by {offset:.4g}.", "所有元素都相差 {offset:.4g}。"),
    "zeros": ("All entries are zero.", "所有元素都是 0。"),
    "one-number": ("A single number is wanted.", "应当只是一个数。"),
    "axes-swapped": ("Two axes are swapped.", "有两个轴的位置颠倒了。"),
    "axis-missing": ("An axis of size 1 is missing.", "少了一个长度为 1 的轴。"),
    "axis-too-many": ("There is an axis of size 1 too many.", "多了一个长度为 1 的轴。"),
    "broadcast": (
        "An array (N, 1) combined with one (N,) gives (N, N): look at the shapes before you add or subtract.",
        "形状 (N, 1) 的数组与 (N,) 运算会得到 (N, N)：相加减之前请先看形状。",
    ),
    "integers": (
        "An array of integers cuts off what is behind the point: make it with `dtype=float`.",
        "整数数组会丢掉小数部分：创建时请写 `dtype=float`。",
    ),
    "complex": ("A real part, `.real`, may be missing.", "可能少取了实部 `.real`。"),
    "too-large": ("It is too large.", "偏大。"),
    "too-small": ("It is too small.", "偏小。"),
    "digits": ("Very near: give more digits.", "已经很接近：请多给几位数字。"),
    "precision": (
        "Very near, as if part of it were computed in lower precision: use float64 throughout.",
        "已经很接近，像是有一部分用了较低的精度：请全程使用 float64。",
    ),
    "nearest": ("Did you mean “{nearest}”?", "你要找的是不是“{nearest}”？"),
    "whole": ("A whole number is needed.", "应为整数。"),
    "line": ("The line is `{line}`.", "出错的一行是 `{line}`。"),
    "result": ("The result", "结果"),
    "where": (" for {given}", "（输入：{given}）"),
    "entry": (" at entry {index}", "的元素 {index} "),
    "printed": ("It printed:", "它打印了："),
    "hint": ("Hint {number} of {count}: {hint}", "提示 {number}/{count}：{hint}"),
    "no-progress": ("No exercise is solved yet on this computer.", "这台电脑上还没有完成任何练习。"),
    "progress": (
        "{done} of {count} exercises solved on this computer.",
        "这台电脑上已完成 {done}/{count} 个练习。",
    ),
    "topic": ("Topic", "主题"),
    "solved": ("Solved", "已完成"),
    "open": ("Open", "未完成"),
}


def language() -> str:
    """The reader's language where text has no page around it: RNNBOOK_LANG, else English."""
    return chosen_language() or "en"


def _is_pair(value: object) -> TypeGuard[Pair]:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(half, str) for half in value)


def fill(text: Pair, **fields: object) -> Pair:
    """Fill the fields of both halves; a field that is itself a pair gives each half its own."""

    def half(k: int) -> str:
        own = {key: value[k] if _is_pair(value) else value for key, value in fields.items()}
        return text[k].format(**own)

    return half(0), half(1)
