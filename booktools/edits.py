"""Changes to text that others made: themes, extensions, Chromium. What is not there to be changed is an error."""

import re
from collections.abc import Callable

from sphinx.errors import SphinxError


class ChangedError(SphinxError):
    """A text is no longer as an edit of it expects."""

    category = "an edit no longer fits"


def replaced(
    pattern: str | re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str, count: int | None = 1
) -> str:
    """The text with `count` places that match replaced, one or more where `count` is None.

    A `pattern` or `by` that is a string is taken as it stands, without the signs of regular expressions.
    Raises ChangedError where the text has more or fewer such places: a theme that was updated may say it otherwise.
    """
    sought = re.compile(re.escape(pattern)) if isinstance(pattern, str) else pattern
    made, found = sought.subn(by if callable(by) else lambda _: by, text)
    if found != count and not (count is None and found):
        wanted = "at least once" if count is None else f"{count} times"
        raise ChangedError(f"{sought.pattern!r} was looked for {wanted}, and found {found} times in: {text[:200]!r}…")
    return made
