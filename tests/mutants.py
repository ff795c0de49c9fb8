"""Wrong answers made from a right one: each mutant changes one place of the source.

They are the slips that people make: a sign, an index, a transpose, a call or
a return forgotten, two names confused. A checker must reject all of them.
"""

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Div),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult, ast.Add),
}
COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
ARRAY_MAKERS = {"array", "asarray", "stack"}  # checks take a list of numbers or of arrays as well
NON_COMMUTATIVE = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)


@dataclass(frozen=True)
class Mutant:
    """A wrong answer: its source, and what was changed, `old line -> new line`."""

    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every different source that one change makes."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    seen = {original}
    names = _variables(tree)
    for parent in ast.walk(tree):
        for _, value in ast.iter_fields(parent):
            for place, child in _children(parent, value):
                for wrong in _alternatives(child, names):
                    place(wrong)
                    mutated = ast.unparse(ast.fix_missing_locations(tree))
                    place(child)
                    if mutated not in seen:
                        seen.add(mutated)
                        yield Mutant(_change(original, mutated), mutated)


def _children(parent: ast.AST, value: Any) -> Iterator[tuple[Any, ast.AST]]:
    """Each child of a node's field, with the function that puts another in its place."""
    if isinstance(value, list):
        for k, child in enumerate(value):
            if isinstance(child, ast.AST):
                yield lambda wrong, k=k: value.__setitem__(k, wrong), child
    elif isinstance(value, ast.AST):
        field = next(name for name, found in ast.iter_fields(parent) if found is value)
        yield lambda wrong: setattr(parent, field, wrong), value


def _alternatives(node: ast.AST, names: list[str]) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield from (ast.BinOp(left, other(), right) for other in ARITHMETIC.get(type(op), ()))
            if isinstance(op, NON_COMMUTATIVE):
                yield ast.BinOp(right, op, left)
            yield left
            yield right
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            yield from (ast.Compare(left, [other()], comparators) for other in COMPARISON.get(type(op), ()))
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Attribute(value=value, attr="T" | "mT"):
            yield value
        case ast.Call():
            yield from _wrong_calls(node)
        case ast.Subscript(value=value, slice=index):
            yield value
            if isinstance(index, ast.Name):
                yield from (
                    ast.Subscript(value, ast.BinOp(index, op, ast.Constant(1)), node.ctx)
                    for op in (ast.Add(), ast.Sub())
                    if isinstance(node.ctx, ast.Load)
                )
        case ast.Slice(lower=lower, upper=upper, step=step):
            yield ast.Slice(upper, lower, step)
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            k = names.index(name)
            yield from (ast.Name(other, ast.Load()) for other in (names[k - 1], names[(k + 1) % len(names)]))
        case ast.AugAssign(target=target, op=op, value=value):
            yield ast.Assign([target], value)
            yield ast.Pass()
            yield from (ast.AugAssign(target, other(), value) for other in ARITHMETIC.get(type(op), ()))
        case ast.Assign(value=value):
            yield ast.Expr(value)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value):
            yield ast.Expr(value)
            if isinstance(value, ast.Tuple) and len(value.elts) > 1:
                yield ast.Return(ast.Tuple([*value.elts[1:], value.elts[0]], ast.Load()))


def _wrong_calls(call: ast.Call) -> Iterator[ast.AST]:
    """The call dropped, its arguments swapped or left out, the bounds of a range moved."""
    if isinstance(call.func, ast.Attribute) and not call.args:  # x.sum() -> x
        yield call.func.value
    makes_array = isinstance(call.func, ast.Attribute) and call.func.attr in ARRAY_MAKERS
    if len(call.args) >= 1 and not isinstance(call.args[0], ast.Starred) and not makes_array:
        yield call.args[0]
    if len(call.args) >= 2:
        yield ast.Call(call.func, [call.args[1], call.args[0], *call.args[2:]], call.keywords)
    for k in range(len(call.keywords)):
        yield ast.Call(call.func, call.args, call.keywords[:k] + call.keywords[k + 1 :])
    if isinstance(call.func, ast.Name) and call.func.id == "range":
        for k, bound in enumerate(call.args):
            for op in (ast.Add(), ast.Sub()):
                moved = ast.BinOp(bound, op, ast.Constant(1))
                yield ast.Call(call.func, [*call.args[:k], moved, *call.args[k + 1 :]], [])
    if isinstance(call.func, ast.Name) and call.func.id == "reversed":
        yield call.args[0]


def _variables(tree: ast.AST) -> list[str]:
    """Parameters and assigned names: what one may confuse with one another."""
    found = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    found |= {node.id for node in stored if isinstance(node.ctx, ast.Store)}
    return sorted(found)


def _change(before: str, after: str) -> str:
    """`old line -> new line`, whatever lines stand around them."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    old, new = (" / ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return f"{old} -> {new or 'nothing'}"
