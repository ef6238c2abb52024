"""Role of single backticks in docstrings: a link where they name something public."""

from typing import Any

from docutils import nodes
from reference_names import reference_names
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxRole

import pnncupy as pnn

_NAMES = frozenset(reference_names())
# Parameters that have the name of a function or a module.
_PARAMETERS = ("samples", "vote")


class NameRole(SphinxRole):
    """Link a public name; all other text, such as that of a parameter, is code.

    Names may be given without their module: ``nearest_patches``, ``metrics.psnr``, and ``compare``
    in the docstrings of `pnncupy.plot`.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the node of a link or of code."""
        module = self.env.ref_context.get("py:module") or pnn.__name__
        short = self.text not in _PARAMETERS
        prefixes = ["", f"{module}.", f"{pnn.__name__}."] if short else [""]
        target = next(
            (prefix + self.text for prefix in prefixes if prefix + self.text in _NAMES), ""
        )
        if not target:
            return [nodes.literal(self.rawtext, self.text)], []
        link = pending_xref(
            self.rawtext, refdomain="py", reftype="obj", reftarget=target, refexplicit=True,
            refwarn=True, refdoc=self.env.docname,
        )  # fmt: skip
        link += nodes.literal(self.rawtext, self.text, classes=["xref", "py", "py-obj"])
        return [link], []


def setup(app: Any) -> dict[str, bool]:
    """Register the role."""
    app.add_role("name", NameRole())
    return {"parallel_read_safe": True}
