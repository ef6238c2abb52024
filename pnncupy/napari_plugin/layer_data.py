"""Layers of napari as arrays, and results as layers like their source."""

from typing import Any

import numpy as np

from pnncupy.arrays import Array

Layer = Any

# Properties of a layer that hold for every result, those that hold where pixels stay where they
# are, and those of the values.
_PIXELS = ("scale", "units", "axis_labels")
_POSITION = ("translate", "rotate", "shear", "affine")
_VALUES = {
    "image": (
        "rgb", "colormap", "contrast_limits", "gamma", "interpolation2d", "interpolation3d",
        "rendering", "blending", "opacity",
    ),
    "labels": ("colormap", "blending", "opacity"),
}  # fmt: skip
_OF_COLOURS = ("colormap", "contrast_limits")
# Their cost grows with the number of labels.
_MOST_LABELS = 256


def is_labels(layer: Layer) -> bool:
    """Test for a Labels layer, whose values are categories."""
    from napari.layers import Labels

    return isinstance(layer, Labels)


def spatial_shape(layer: Layer) -> tuple[int, ...]:
    """Sides of a layer at full resolution, without the channels of RGB."""
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return tuple(int(side) for side in shape[: layer.ndim])


def pixels_of(layer: Layer) -> Array:
    """A NumPy copy of a layer's values at full resolution.

    Raises
    ------
    ValueError
        The layer is neither an image nor a volume, or has too many labels.
    """
    if layer.ndim not in (2, 3):
        raise ValueError(
            f"layer {layer.name!r} must be 2-D or 3-D, got {layer.ndim}-D; split it first, by "
            "'Split Stack' in its context menu"
        )
    image = np.array(layer.data[0] if layer.multiscale else layer.data)
    if is_labels(layer) and (count := len(np.unique(image))) > _MOST_LABELS:
        raise ValueError(
            f"layer {layer.name!r} must have at most {_MOST_LABELS} labels, got {count}; merge "
            "objects of one kind into one label"
        )
    return image


def check_same_kind(layer: Layer, other: Layer) -> None:
    """Refuse a second layer whose values mean something else."""
    for what, kind in (("a Labels layer", is_labels), ("RGB", _is_rgb)):
        if kind(layer) != kind(other):
            has, lacks = (layer, other) if kind(layer) else (other, layer)
            raise ValueError(
                f"both layers must be {what} or none: {has.name!r} is, {lacks.name!r} is not; "
                "choose or convert another"
            )
    types = np.dtype(layer.dtype), np.dtype(other.dtype)
    if types[0] != types[1]:
        raise ValueError(
            f"both layers must have one dtype, got {types[0]} and {types[1]}; convert one of them "
            "by 'Convert data type' in its context menu"
        )


def _is_rgb(layer: Layer) -> bool:
    return bool(getattr(layer, "rgb", False))


def hole_of(hole: Layer | None, layer: Layer) -> Array:
    """Painted pixels of a Labels layer, as a mask of another layer.

    Raises
    ------
    ValueError
        The hole is missing or empty, or not above the layer pixel by pixel.
    """
    remedy = f"press 'New hole' to add one for {layer.name!r}, and paint"
    if hole is None:
        raise ValueError(f"choose the Labels layer that is the hole; {remedy}")
    shape, wanted = spatial_shape(hole), spatial_shape(layer)
    if shape != wanted:
        raise ValueError(
            f"layer {hole.name!r} must have the shape of {layer.name!r}, {wanted}, got {shape}; "
            f"{remedy}"
        )
    for name in ("scale", "translate"):
        if not np.allclose(getattr(hole, name), getattr(layer, name)):
            raise ValueError(
                f"layer {hole.name!r} must have the {name} of {layer.name!r}, as it is shown "
                f"elsewhere; {remedy}"
            )
    mask = pixels_of(hole) != 0
    if not mask.any():
        raise ValueError(f"layer {hole.name!r} has no painted pixel; paint what to fill")
    return mask


def hole_data(layer: Layer) -> tuple[Array, dict[str, Any], str]:
    """An empty Labels layer above a layer."""
    own = layer.as_layer_data_tuple()[1]
    keywords = {name: own[name] for name in (*_PIXELS, *_POSITION) if name in own}
    return np.zeros(spatial_shape(layer), np.uint8), {**keywords, "name": "hole"}, "labels"


def result_data(
    image: Array, layer: Layer, suffix: str, keeps_position: bool, record: dict[str, Any]
) -> tuple[Array, dict[str, Any], str]:
    """A result as a layer like its source.

    Parameters
    ----------
    image : array
    layer : Image or Labels layer
        The source.
    suffix : str
        Behind the layer's name.
    keeps_position : bool
        Pixels are where those of the layer are: its place and metadata hold for them.
    record : dict
        How it was synthesised, for the metadata.
    """
    kind = "labels" if is_labels(layer) else "image"
    own = layer.as_layer_data_tuple()[1]
    names = list(_VALUES[kind])
    if _is_rgb(layer):
        names = [name for name in names if name not in _OF_COLOURS]
    keywords: dict[str, Any] = {name: own[name] for name in names if name in own}
    if image.ndim - _is_rgb(layer) == layer.ndim:
        kept = (*_PIXELS, *_POSITION) if keeps_position else _PIXELS
        keywords |= {name: own[name] for name in kept if name in own}
    elif len({float(step) for step in layer.scale}) == 1:  # a volume from an image
        keywords["scale"] = [float(layer.scale[0])] * 3
        if len(set(own.get("units", ()))) == 1:
            keywords["units"] = (own["units"][0],) * 3
    keywords["name"] = f"{layer.name} {suffix}"
    keywords["metadata"] = {**(layer.metadata if keeps_position else {}), "pnncupy": record}
    return image, keywords, kind
