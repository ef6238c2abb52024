"""Directive for figures that are drawn when the site is built.

``{page-figure} module.function`` calls a function without parameters of a module in
``docs/figures``, which returns a matplotlib figure, and shows it for both themes. The content of
the directive is the caption; ``:alt:`` says in words what can be seen.
"""

import hashlib
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from themed_figure import save_themed

import pnncupy as pnn

FOLDER = "_drawn"


class PageFigure(SphinxDirective):
    """A figure for both themes, with a caption."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Draw the figure if there is none of this source; return its node."""
        module_name, _, function_name = self.arguments[0].rpartition(".")
        module = import_module(module_name)
        self.env.note_dependency(module.__file__)
        files = _drawn(Path(self.env.srcdir) / FOLDER, module, function_name)
        figure = nodes.figure()
        # The theme hides captions that are siblings of the image of the other theme.
        images = nodes.container()
        for theme, file in files.items():
            image = nodes.image(
                uri=f"/{FOLDER}/{file.name}", alt=self.options["alt"], classes=[f"only-{theme}"]
            )
            self.set_source_info(image)
            images += image
        figure += images
        caption = nodes.caption()
        text, messages = self.parse_inline(" ".join(self.content))
        caption.extend(text)
        figure += caption
        self.set_source_info(figure)
        return [figure, *messages]


def _drawn(folder: Path, module: Any, name: str) -> dict[str, Path]:
    """Files of a figure, which are named by its module's text and the version of the package."""
    folder.mkdir(exist_ok=True)
    text = inspect.getsource(module) + pnn.__version__
    stem = f"{module.__name__}_{name}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = folder / f"{stem}_{digest}.png"
    dark = path.with_name(f"{path.stem}_dark.png")
    if path.is_file() and dark.is_file():
        return {"light": path, "dark": dark}
    for old in folder.glob(f"{stem}_*.png"):
        old.unlink()
    return save_themed(getattr(module, name)(), path, dots_per_inch=160)


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("page-figure", PageFigure)
    return {"parallel_read_safe": True}
