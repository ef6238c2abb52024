"""The bundled photographs as layers."""

from typing import Any

from pnncupy.samples import CREDITS, load_sample, sample_files

LayerData = tuple[Any, dict[str, Any], str]


def chelsea() -> list[LayerData]:
    """A cat, RGB."""
    return [_photograph("chelsea")]


def gravel() -> list[LayerData]:
    """Gravel, grey."""
    return [_photograph("gravel")]


def rocket() -> list[LayerData]:
    """A rocket, RGB."""
    return [_photograph("rocket")]


def rocket_mast() -> list[LayerData]:
    """A rocket, and labels that cover a mast beside it."""
    hole = (sample_files()["rocket_mast"].image > 0).astype("uint8")
    return [_photograph("rocket"), (hole, {"name": "hole"}, "labels")]


def _photograph(name: str) -> LayerData:
    image = load_sample(name)
    keywords = {"name": name, "rgb": image.ndim == 3, "metadata": {"credit": CREDITS[name]}}
    return image, keywords, "image"
