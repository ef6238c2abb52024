"""Formulas as MathML, which browsers show and screen readers read without a script."""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _formula(translator: Any, node: nodes.Element, inline: bool) -> None:
    """Append the formula of a node and leave the node."""
    formula = tex2mathml(node.astext(), as_block=not inline)
    translator.body.append(
        formula if inline else f'<div class="formula" tabindex="0">{formula}</div>'
    )
    raise nodes.SkipNode


def _inline(translator: Any, node: nodes.Element) -> None:
    _formula(translator, node, inline=True)


def _block(translator: Any, node: nodes.Element) -> None:
    _formula(translator, node, inline=False)


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}
