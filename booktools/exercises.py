"""An exercise is written once, with its solution; the stub and the solved code come from it."""

import ast
import re
import textwrap

_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
_SOLUTION = re.compile(rf"^([ \t]*){_BEGIN}[ \t]*\n(.*?)^[ \t]*{_END}[ \t]*$", re.M | re.S)
_CHECK = re.compile(r"""\bcheck\(\s*["']([\w-]+)["']""")


def has_solution(code: str) -> bool:
    return _BEGIN in code


def stub(code: str) -> str:
    """What the reader starts from.

    Inside a function the solution becomes `raise NotImplementedError`; at the
    top of a cell each name that it assigns becomes `name = ...`, so that a
    notebook with open exercises still runs from top to bottom.
    """
    return _SOLUTION.sub(lambda found: _gap(found[1], found[2]), code)


def _gap(indent: str, solution: str) -> str:
    if indent:
        return f"{indent}raise NotImplementedError"
    names = []
    for statement in ast.parse(textwrap.dedent(solution)).body:
        if not (isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets)):
            raise ValueError(
                "a solution at the top of a cell may only assign names (put the rest into a function): "
                f"{ast.unparse(statement)}"
            )
        names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return "\n".join(f"{name} = ..." for name in names)


def solved(code: str) -> str:
    """The cell with its solution in place and without the markers."""
    return re.sub(rf"^[ \t]*({_BEGIN}|{_END})[ \t]*\n?", "", code, flags=re.M)


def checked_id(code: str) -> str | None:
    """The id of the exercise that this cell checks, if it checks one."""
    found = _CHECK.search(code)
    return found[1] if found else None
