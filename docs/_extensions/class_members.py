"""Members of classes in the reference: those that the section of attributes does not describe."""

from typing import Any


def skip_fields(
    app: Any, kind: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the fields of named tuples; everything else is decided as usual."""
    is_field = (getattr(value, "__doc__", None) or "").startswith("Alias for field")
    return True if is_field else None


def setup(app: Any) -> dict[str, bool]:
    """Connect to the event."""
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True}
