"""Warnings as a terminal shows them: one line each, and each once."""

import sys
import warnings
from typing import Any


def show_warnings_in_one_line() -> None:
    """Show warnings without the place in the code that they come from."""
    shown = set()

    def show(message: Any, *details: Any, **options: Any) -> None:
        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            print(f"Warning: {text}", file=sys.stderr, flush=True)

    warnings.showwarning = show
