"""Results in a notebook: a short text, and HTML with the images."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from imagecodecs import png_decode

import pnncupy as pnn
from pnncupy.display import preview

QUICK = {"iterations": 1, "levels": 0, "patch_size": 3, "rng": 1}
SCRIPT = "<script>alert(1)</script>\"'&"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    @property
    def images(self):
        return [attributes for tag, attributes in self.found if tag == "img"]


def pixels(element):
    kind, _, data = element["src"].partition(",")
    assert kind == "data:image/png;base64"
    return png_decode(base64.b64decode(data, validate=True))


@pytest.fixture
def colours(random):
    return random.integers(0, 256, (20, 24, 3), np.uint8)


def test_the_text_is_short(colours):
    made = pnn.generate(colours, 2, return_index=True, return_info=True, **QUICK)
    assert repr(made) == (
        "Result(image=<uint8 array of shape (2, 20, 24, 3)>, "
        "index=<int32 array of shape (2, 20, 24, 3)>, "
        f"info={{'task': 'generate', ... {len(made.info) - 1} more}})"
    )
    only = pnn.generate(colours, return_info=True, **QUICK)
    assert "index=None" in repr(only)
    assert repr(pnn.Result(1, None, None)) == "Result(image=1, index=None, info=None)"


def test_an_image_is_shown_pixel_by_pixel(colours):
    made = pnn.generate(colours, return_info=True, **QUICK)
    (element,) = Elements(made._repr_html_()).images
    gap = 4
    np.testing.assert_array_equal(pixels(element)[gap:-gap, gap:-gap], made.image)
    assert element["alt"] == "generate: image of 20 × 24, 3 channels, uint8, seed 1"
    assert int(element["width"]) % pixels(element).shape[1] == 0


def test_an_index_map_is_shown_beside_it(colours):
    made = pnn.retarget(colours, (20, 18), return_index=True, patch_size=3, iterations=1, levels=0)
    image, thumb = Elements(made._repr_html_()).images
    assert "index map" in thumb["alt"]
    assert int(thumb["width"]) <= 160
    assert pixels(thumb).shape == (28, 26, 3)
    assert "uint8" in image["alt"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_may_be_on_any_axis(axis, colours):
    moved = np.ascontiguousarray(np.moveaxis(colours, -1, axis))
    for n in (None, 1, 2):
        made = pnn.generate(moved, n, channel_axis=axis, return_info=True, **QUICK)
        (element,) = Elements(made._repr_html_()).images
        first = np.moveaxis(made.image if n is None else made.image[0], axis, -1)
        np.testing.assert_array_equal(pixels(element)[4:24, 4:28], first)


def test_several_results_are_a_sheet_of_limited_size(colours):
    made = pnn.generate(colours, 14, return_info=True, **QUICK)
    page = Elements(made._repr_html_())
    assert "14 images of 20 × 24" in page.text
    assert "the first 12 shown" in page.text
    large = np.zeros((3, 4000, 3000), np.uint8)
    info = {"shape": [4000, 3000], "samples": [{}] * 3}
    (element,) = Elements(pnn.Result(large, None, info)._repr_html_()).images
    assert max(pixels(element).shape) < 1000


def test_the_range_is_that_of_the_call(random):
    image = random.random((20, 24)) / 2
    made = pnn.generate(image, return_info=True, data_range=(0, 1), **QUICK)
    assert made.info["data_range"] == [0, 1]
    (element,) = Elements(made._repr_html_()).images
    np.testing.assert_array_equal(pixels(element)[4:-4, 4:-4], preview(made.image, (0, 1)))
    labels = (image > 0.25).astype(np.uint8)
    made = pnn.generate(labels, categorical=True, return_info=True, **QUICK)
    assert made.info["data_range"] is None
    (element,) = Elements(made._repr_html_()).images
    assert set(np.unique(pixels(element)[4:-4, 4:-4])) == {0, 255}


def test_volumes_are_three_slices(random):
    volume = random.random((6, 8, 10))
    made = pnn.generate(volume, channel_axis=None, return_index=True, return_info=True, **QUICK)
    image, thumb = Elements(made._repr_html_()).images
    low, high = made.info["data_range"]
    shown = pixels(image)[4:-4, 4:-4]
    assert shown.shape == pixels(thumb)[4:-4, 4:-4].shape == (8 + 4 + 6, 10 + 4 + 6, 3)
    np.testing.assert_array_equal(shown[:8, :10], preview(made.image[3], (low, high)))
    assert (shown[8:12] == 255).all()
    assert "volume of 6 × 8 × 10" in image["alt"]
    grown = pnn.grow_volume(volume[0], (7, 8, 9), return_info=True, patch_size=3, iterations=1)
    assert "grow_volume: volume of 7 × 8 × 9" in Elements(grown._repr_html_()).text


ODD = {
    "text": pnn.Result(SCRIPT, None, None),
    "index is text": pnn.Result(np.zeros((4, 4)), SCRIPT, None),
    "nothing known": pnn.Result(np.zeros((4, 4)), None, None),
    "info is text": pnn.Result(np.zeros((4, 4)), None, SCRIPT),
    "other shape": pnn.Result(np.zeros((4, 4)), None, {"shape": [5, 5], "samples": [{}]}),
    "shape is text": pnn.Result(np.zeros((4, 4)), None, {"shape": SCRIPT}),
    "objects": pnn.Result(np.full((4, 4), SCRIPT, object), None, {"shape": [4, 4]}),
    "complex": pnn.Result(np.zeros((4, 4), complex), None, {"shape": [4, 4]}),
    "empty": pnn.Result(np.zeros((0, 4)), None, {"shape": [0, 4]}),
    "index of floats": pnn.Result(np.zeros((4, 4)), np.zeros((4, 4, 3)), None),
    "one axis": pnn.Result(np.zeros(4), np.zeros(4, int), None),
    "too wide": pnn.Result(np.array([[-1e308, 1e308]] * 2), None, {"shape": [2, 2]}),
    "list": pnn.Result([[1]], None, {"shape": [1, 1]}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_image_is_left_to_the_text(name):
    assert ODD[name]._repr_html_() is None
    assert repr(ODD[name])


@pytest.mark.parametrize(
    "image",
    [np.full((4, 5), np.nan), np.full((4, 5), np.inf), np.zeros((4, 5)), np.zeros((4, 5), bool),
     np.array([[np.nan, 1, 2, 3, -np.inf]] * 4), np.full((4, 5), 2**63, np.uint64)],
)  # fmt: skip
def test_any_values_are_shown(image):
    info = {
        "task": SCRIPT,
        "seed": SCRIPT,
        "shape": [4, 5],
        "samples": SCRIPT,
        "data_range": [2, 1],
    }
    page = pnn.Result(image, None, info)._repr_html_()
    elements = Elements(page)
    assert [tag for tag, _ in elements.found] == ["figure", "div", "img", "figcaption"]
    assert elements.text.startswith(SCRIPT)
    assert elements.images[0]["alt"].startswith(SCRIPT)
    assert pixels(elements.images[0]).shape == (12, 13, 3)


def test_any_index_map_is_shown():
    index = np.full((4, 5, 3), -7, np.int32)
    index[1, 1] = [2**31 - 1, 2, 2**31 - 1]
    page = pnn.Result(np.zeros((4, 5), np.uint8), index, None)._repr_html_()
    assert len(Elements(page).images) == 2
    assert re.fullmatch(r"[\x20-\x7e×]+", page)


def test_results_are_named_tuples_as_before(colours):
    image, index, info = made = pnn.generate(colours, return_info=True, **QUICK)
    assert made == (image, index, info)
    assert made.image is image
    assert io.StringIO(repr(made)).readline()
