"""What stands above an exercise and its answer may use: imports, functions and values, found in the chapter's code.

Nothing is typed twice: the statements are taken from the cells before the
exercise, those that its stub or solution names and those that its task names,
with all that these need themselves.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

INSTALLED = {"numpy"}  # in the browser's Python, beside its standard library
ALWAYS = ("np",)
NAME = re.compile(r"[^\W\d]\w*")


class NotOnPageError(Exception):
    """An answer that needs what the browser's Python does not have."""


def world(answer: str, before: Sequence[str], named: Iterable[str] = ()) -> str:
    """The statements of the cells `before` that the answer needs, and the functions that its task names.

    named: the code that the task's text holds, such as `gates(x, h)`; what of it runs on a page is taken.
    Raises NotOnPageError where the answer itself needs a package that is not there, and ValueError for a name that
    no cell defines.
    """
    sources = [(cell, statement) for cell in before for statement in ast.parse(cell).body]
    statements = [statement for _, statement in sources]
    known = {name: place for place, statement in enumerate(statements) for name in _bound(statement)}
    needed = _with_needs(sorted(_free(ast.parse(answer))), statements, known)
    spoken_of = {found[0] for text in named if (found := NAME.match(text))}
    for name, place in known.items():
        # A value that the task names is rather an argument, called as one of the chapter's.
        if name in ALWAYS or (name in spoken_of and isinstance(statements[place], ast.FunctionDef)):
            try:
                needed = {**needed, **_with_needs([name], statements, known)}
            except (NotOnPageError, ValueError):
                continue  # the task speaks of it, and the answer does without it
    chosen: dict[int, set[str]] = {}
    for name, place in needed.items():
        chosen.setdefault(place, set()).add(name)
    imports = [
        _narrowed(statements[place], names) for place, names in sorted(chosen.items()) if _imports(statements[place])
    ]
    others = [_source(*sources[place]) for place in sorted(chosen) if not _imports(statements[place])]
    return "\n\n\n".join(filter(None, ["\n".join(imports), *others]))


def _with_needs(names: Sequence[str], statements: Sequence[ast.stmt], known: dict[str, int]) -> dict[str, int]:
    """Where each name is bound, and each that its statement needs, and so on."""
    found: dict[str, int] = {}
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name in found or hasattr(builtins, name):
            continue
        if name not in known:
            raise ValueError(f"no cell before the exercise defines {name}")
        found[name] = known[name]
        statement = statements[known[name]]
        if _imports(statement):
            _expect_there(statement)
        else:
            open_names += sorted(_free(statement))
    return found


def _expect_there(statement: ast.stmt) -> None:
    modules = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
    modules += [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
    for module in modules:
        if module.split(".")[0] not in sys.stdlib_module_names | INSTALLED:
            raise NotOnPageError(module)


def _imports(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _narrowed(statement: ast.stmt, names: set[str]) -> str:
    """An import of these names only."""
    assert isinstance(statement, ast.Import | ast.ImportFrom)
    kept = [alias for alias in statement.names if _local(alias) in names]
    narrowed = (
        ast.Import(names=kept)
        if isinstance(statement, ast.Import)
        else ast.ImportFrom(module=statement.module, names=kept, level=statement.level)
    )
    return ast.unparse(narrowed)


def _source(cell: str, statement: ast.stmt) -> str:
    """A statement as the chapter writes it, decorators included."""
    first = min([statement.lineno, *(node.lineno for node in getattr(statement, "decorator_list", []))])
    return "\n".join(cell.splitlines()[first - 1 : statement.end_lineno])


def _local(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a cell defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from map(_local, statement.names)
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for node in (node for target in targets for node in ast.walk(target)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _free(tree: ast.AST) -> set[str]:
    """The names that code uses and does not bind itself."""
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    return {node.id for node in names} - own - set(vars(builtins))
