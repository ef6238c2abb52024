"""Names that the reference documents: everything public, read from the package itself."""

from types import ModuleType

import pnncupy as pnn


def public_names(module: ModuleType) -> list[str]:
    """Names of a module: its ``__all__``, or what it defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def reference_names() -> list[str]:
    """Full names of all functions, classes and constants of the package."""
    modules = [pnn, *(getattr(pnn, name) for name in pnn._PUBLIC_MODULES)]
    return [f"{module.__name__}.{name}" for module in modules for name in public_names(module)]
