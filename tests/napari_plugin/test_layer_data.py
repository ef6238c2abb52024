"""Layers as arguments of tasks, and results as layers."""

import numpy as np
import pytest

from pnncupy.napari_plugin.layer_data import hole_data, hole_of, pixels_of, result_data
from pnncupy.napari_plugin.operations import OPERATIONS, Choices, task_call

PLACED = {"scale": (2, 3), "translate": (5, 7), "rotate": 30, "shear": (0.1,)}
BY_TITLE = {operation.title: operation for operation in OPERATIONS}


@pytest.fixture
def layers(napari):
    import napari.layers

    return napari.layers


@pytest.fixture
def colours(random):
    return random.integers(0, 256, (20, 24, 3), np.uint8)


def made_like(layers, layer, image, keeps_position=True):
    return layers.Layer.create(*result_data(image, layer, "[x]", keeps_position, {"task": "x"}))


def test_a_result_is_placed_and_shown_as_its_source(layers, random):
    values = random.random((20, 24)).astype(np.float32)
    source = layers.Image(
        values, name="a", colormap="viridis", contrast_limits=(0.2, 0.7), gamma=0.5, opacity=0.6,
        units=("um", "um"), axis_labels=("row", "column"), metadata={"from": "here"}, **PLACED,
    )  # fmt: skip
    made = made_like(layers, source, values)
    for name in ("scale", "translate", "rotate", "shear", "contrast_limits"):
        np.testing.assert_allclose(getattr(made, name), getattr(source, name), err_msg=name)
    for name in ("units", "axis_labels", "gamma", "opacity", "blending", "rgb"):
        assert getattr(made, name) == getattr(source, name), name
    assert made.colormap.name == "viridis"
    assert made.name == "a [x]"
    assert made.metadata == {"from": "here", "pnncupy": {"task": "x"}}
    assert source.metadata == {"from": "here"}


def test_what_is_elsewhere_keeps_the_size_of_pixels_only(layers, random):
    values = random.random((20, 24))
    source = layers.Image(values, metadata={"from": "here"}, units=("um", "um"), **PLACED)
    made = made_like(layers, source, values[:10], keeps_position=False)
    np.testing.assert_allclose(made.scale, (2, 3))
    np.testing.assert_allclose(made.translate, (0, 0))
    np.testing.assert_allclose(made.rotate, np.eye(2))
    assert made.units == source.units
    assert made.metadata == {"pnncupy": {"task": "x"}}


def test_a_volume_from_an_image_has_cubes_where_pixels_are_squares(layers, random):
    volume = random.random((6, 7, 8))
    made = made_like(layers, layers.Image(volume[0], scale=(2, 2), units=("um", "um")), volume)
    np.testing.assert_allclose(made.scale, (2, 2, 2))
    assert len(set(made.units)) == 1
    assert str(made.units[0]) == "micrometer"
    made = made_like(layers, layers.Image(volume[0], scale=(2, 3)), volume)
    np.testing.assert_allclose(made.scale, (1, 1, 1))


def test_colours_stay_rgb(layers, colours):
    made = made_like(layers, layers.Image(colours, rgb=True, **PLACED), colours)
    assert made.rgb
    assert made.ndim == 2
    np.testing.assert_allclose(made.scale, (2, 3))


def test_labels_stay_labels(layers, colours):
    source = layers.Labels(colours[..., 0] // 64, opacity=0.3)
    made = made_like(layers, source, source.data)
    assert isinstance(made, layers.Labels)
    assert made.opacity == 0.3
    call = task_call(BY_TITLE["Generate"], Choices(source, size=(20, 24)))
    assert call.arguments["categorical"] is True
    assert call.arguments["channel_axis"] is None


def test_arrays_are_copies_at_full_resolution(layers, random):
    large = random.random((40, 48))
    pixels = pixels_of(layers.Image([large, large[::2, ::2]], multiscale=True))
    np.testing.assert_array_equal(pixels, large)
    assert not np.shares_memory(pixels, large)


@pytest.mark.parametrize(
    ("shape", "rgb", "axis"),
    [((20, 24), False, None), ((20, 24, 3), True, -1), ((6, 20, 24), False, None),
     ((20, 24, 3), False, None), ((6, 20, 24, 3), True, -1)],
)  # fmt: skip
def test_channels_are_those_of_napari(shape, rgb, axis, layers):
    layer = layers.Image(np.zeros(shape, np.uint8), rgb=rgb)
    call = task_call(BY_TITLE["Generate"], Choices(layer, size=shape[:2]))
    assert call.arguments["channel_axis"] == axis


def test_missing_pixels_are_named(layers):
    values = np.zeros((20, 24))
    assert "nodata" not in task_call(
        BY_TITLE["Generate"], Choices(layers.Image(values))
    ).arguments  # fmt: skip
    values[3, 4] = np.nan
    call = task_call(BY_TITLE["Generate"], Choices(layers.Image(values)))
    assert call.arguments["nodata"] == "nan"


def test_a_new_hole_is_above_its_layer(layers, colours):
    source = layers.Image(colours, rgb=True, units=("um", "um"), **PLACED)
    hole = layers.Layer.create(*hole_data(source))
    assert hole.data.shape == (20, 24)
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(hole, name), getattr(source, name))
    hole.paint((4, 5), 1)
    mask = hole_of(hole, source)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, hole.data != 0)


def test_what_does_not_fit_is_refused_with_a_remedy(layers, colours):
    grey = colours[..., 0]
    image, labels = layers.Image(grey), layers.Labels
    hole = grey > 100
    wrong = [
        ("Fill a hole", Choices(None), "choose a layer: open an image"),
        ("Fill a hole", Choices(image), "press 'New hole' to add one for"),
        ("Fill a hole", Choices(image, hole=labels(grey[1:])), r"\(20, 24\), got \(19, 24\)"),
        ("Fill a hole", Choices(image, hole=labels(hole, scale=(2, 2))), "must have the scale of"),
        ("Fill a hole", Choices(image, hole=labels(hole & False)), "paint what to fill"),
        ("Generate", Choices(layers.Image(np.zeros((2, 2, 9, 9)))), "split it first"),
        ("Generate", Choices(labels(np.arange(600).reshape(20, 30))), "at most 256 labels"),
        ("Rebuild another layer", Choices(image), "choose the structure"),
        ("Merge two layers", Choices(image, other=layers.Image(colours, rgb=True)), "must be RGB"),
        ("Merge two layers", Choices(image, other=labels(grey)), "must be a Labels layer or none"),
        ("Merge two layers", Choices(image, other=layers.Image(grey * 1.0)), "Convert data type"),
        ("Grow a volume", Choices(layers.Image(np.zeros((9, 9, 9)))), "choose a 2-D layer"),
    ]  # fmt: skip
    for title, choices, message in wrong:
        with pytest.raises(ValueError, match=message):
            task_call(BY_TITLE[title], choices)
