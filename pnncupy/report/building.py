"""A whole report: read the spec, make the pictures, write the page."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pnncupy.report.making import Step, make_all
from pnncupy.report.page import write_page
from pnncupy.report.spec import read_spec


def build_report(
    spec_file: Path,
    folder: Path,
    *,
    threads: int | None = None,
    callback: Callable[[Step], Any] | None = None,
) -> Path:
    """Make what a spec asks for and write the page into a folder, made if missing.

    Files in the folder are replaced. Nothing is written there before all pictures are made.

    Returns
    -------
    path
        The page, index.html.
    """
    spec = read_spec(spec_file)
    made = make_all(spec, threads, callback)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".report.{secrets.token_hex(4)}"
    try:
        write_page(spec, made, temporary, spec_file.parent.resolve(), threads)
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                place = folder / file.relative_to(temporary)
                place.parent.mkdir(exist_ok=True)
                file.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / "index.html"
