"""Packages whose modules load when they are first named, and are listed before."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def modules(package: str, **homes: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """(__getattr__, __dir__) for the `__init__` of a package: `rnnbook.filters.kalman` without a further import.

    homes: name = the module that has it, for what the package offers beside its modules.
    """

    def get(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        try:
            return import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise
            raise AttributeError(f"{package} has no module or function {name!r}") from None

    def names() -> list[str]:
        here = import_module(package)
        found = [module.name for module in iter_modules(here.__path__) if not module.name.startswith("_")]
        return sorted({*found, *homes, *(name for name in vars(here) if name.startswith("__"))})

    return get, names
