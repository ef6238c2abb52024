"""Links from pages to files of the repository that are no pages of the site."""

import re
from typing import Any

REPOSITORY = "https://github.com/pnncupy/pnncupy/blob/main/"
# [text](../bench/results/table.md), but not ![text](../bench/pictures/image.png).
_LINK = re.compile(r"(?<!!)(\[[^\]]*\])\(\.\./(bench/[^)\s]+)\)")


def link_to_repository(app: Any, name: str, source: list[str]) -> None:
    """Replace relative links that hold in a checkout by those of the repository's site."""
    source[0] = _LINK.sub(rf"\1({REPOSITORY}\2)", source[0])


def setup(app: Any) -> dict[str, bool]:
    """Connect to the events."""
    app.connect("source-read", link_to_repository)
    return {"parallel_read_safe": True}
