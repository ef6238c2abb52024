"""Figures: which pixels and titles they hold, and that they are rendered as they are."""

import io
import pickle
import sys

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics, plot
from pnncupy.display import index_colours, preview
from pnncupy.panel_figure import figure_class

DTYPES = ["?", "u1", "u2", "i2", "u8", ">i4", "f2", "f4", "f8"]


@pytest.fixture
def image(random):
    return random.integers(0, 256, (14, 16, 3)).astype(np.uint8)


@pytest.fixture
def index(random):
    """A map of (source, row, column) into one source of 14 x 16 pixels."""
    places = random.integers(0, (1, 14, 16), (9, 11, 3))
    return places.astype(np.int32)


def shown(figure):
    """The images of a figure."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def rendered(figure):
    """The pixels of each image as they come out, without the rest of the figure."""
    stream = io.BytesIO()
    figure.savefig(stream, format="rgba")
    width, height = (round(side) for side in figure.get_size_inches() * figure.dpi)
    pixels = np.frombuffer(stream.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]
    boxes = [axes.get_position().bounds for axes in figure.axes]
    return [
        pixels[
            round((1 - bottom - tall) * height) : round((1 - bottom) * height),
            round(left * width) : round((left + wide) * width),
        ]
        for left, bottom, wide, tall in boxes
    ]


def over(picture, colours, opacity):
    grey = picture.astype(float).mean(axis=2, keepdims=True)
    return np.rint(grey * (1 - opacity) + colours * opacity)


def test_descriptors_shows_the_source_and_its_envelope(random):
    source, *results = random.random((4, 16, 16)) < 0.5
    compared = metrics.compare(source, results, phases=[True], largest_distance=5)
    figure = plot.descriptors(compared, ["lineal path", "two-point correlation"])
    assert titles(figure) == ["two-point correlation, phase True", "lineal path, phase True"]
    curves = {curve.descriptor: curve for curve in compared.curves}
    for axes, name in zip(figure.axes, ["two-point correlation", "lineal path"], strict=True):
        mean, own = axes.lines
        np.testing.assert_array_equal(mean.get_ydata(), curves[name].mean)
        np.testing.assert_array_equal(own.get_ydata(), curves[name].source)
        extremes, inner = (each.get_paths()[0].vertices[:, 1] for each in axes.collections)
        assert (extremes.min(), extremes.max()) == (
            curves[name].minimum.min(), curves[name].maximum.max()
        )  # fmt: skip
        assert (inner.min(), inner.max()) == (curves[name].low.min(), curves[name].high.max())
    every = plot.descriptors(compared, columns=3, size=2)
    assert len(every.axes) == len(compared.curves) - 2  # without those along an axis
    assert every._repr_png_()[:4] == b"\x89PNG"
    assert tuple(every.get_size_inches()) == pytest.approx((6, 2 * 0.8 * 3))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"comparison": 3}, TypeError, "`comparison` must be what `metrics.compare` returns"),
        ({"descriptor": "nothing"}, ValueError, "`descriptor` must be one of .*'lineal path'"),
        ({"columns": 0}, ValueError, "`columns` must be an integer of at least 1"),
        ({"size": 0}, ValueError, "`size` must be a finite number above 0"),
    ],
)
def test_bad_descriptors(changes, error, message, random):
    image = random.random((16, 16)) < 0.5
    call = {"comparison": metrics.compare(image, [image])}
    with pytest.raises(error, match=message):
        plot.descriptors(**call | changes)


def test_compare_shows_the_pictures_as_they_are(image):
    small = image[:5, :7]
    figure = plot.compare([image, small], ["a", "b"])
    np.testing.assert_array_equal(shown(figure)[0], image)
    np.testing.assert_array_equal(shown(figure)[1], small)
    assert titles(figure) == ["a", "b"]


def test_every_pixel_is_a_square_of_one_size(image):
    for picture, pixels in zip(
        (image, image[:5, :7]),
        rendered(plot.compare({"a": image, "b": image[:5, :7]}, size=0.6)),
        strict=True,
    ):
        np.testing.assert_array_equal(pixels, picture.repeat(3, axis=0).repeat(3, axis=1))


def test_pictures_at_one_dot_a_pixel_are_rendered_as_they_are(image):
    (pixels,) = rendered(plot.compare([image], size=0.16))
    np.testing.assert_array_equal(pixels, image)


def test_large_pictures_are_made_smaller():
    flat = np.full((900, 1200, 3), (10, 100, 200), np.uint8)
    figure = plot.compare([flat, flat[:300]], size=2)
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert [round(box.width) for box in boxes] == [200, 200]
    assert [round(box.height) for box in boxes] == [150, 50]
    assert (rendered(figure)[0][2:-2, 2:-2] == (10, 100, 200)).all()


def test_a_dict_names_its_pictures(image):
    figure = plot.compare({"first": image, 2: image[..., 0]})
    assert titles(figure) == ["first", "2"]
    np.testing.assert_array_equal(shown(figure)[1], image[..., [0, 0, 0]])


def test_titles_are_plain_text(image):
    given = ["price $x_1$ and $\\broken", "a_b^c", ""]
    figure = plot.compare([image] * 3, given, size=6)
    assert titles(figure) == given
    assert not any(axes._left_title.get_parse_math() for axes in figure.axes)
    rendered(figure)


def test_long_titles_are_broken_into_lines_and_stay_inside(image):
    figure = plot.compare({"word " * 20: image, "short": image}, size=1)
    assert titles(figure)[0].count("\n") > 3
    rendered(figure)
    assert max(axes._left_title.get_window_extent().y1 for axes in figure.axes) <= figure.bbox.y1


def test_rows_and_columns(image):
    figure = plot.compare([image] * 6)
    lefts = [round(axes.get_position().x0, 6) for axes in figure.axes]
    assert lefts[:2] == lefts[4:]
    assert len(set(lefts)) == 4
    assert len({axes.get_position().x0 for axes in plot.compare([image] * 6, columns=6).axes}) == 6
    assert len({axes.get_position().x0 for axes in plot.compare([image], columns=6).axes}) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 7])
def test_every_dtype_and_number_of_channels(dtype, channels, random):
    shape = (9, 11) if channels is None else (9, 11, channels)
    picture = (random.random(shape) * 100).astype(dtype)
    limits = {"b": (0, 1), "u1": (0, 255)}.get("b" if dtype == "?" else dtype)
    limits = limits or (float(picture.min()), float(picture.max()))
    for figure in (
        plot.compare([picture], channel_axis=-1),
        plot.samples(None, [picture], channel_axis=-1),
        plot.samples(picture, [picture], channel_axis=-1),
    ):
        np.testing.assert_array_equal(shown(figure)[0], preview(picture, limits))


def test_the_first_picture_gives_the_range_unless_one_is_given():
    first, second = np.array([[2.0, 4.0]]), np.array([[3.0, 9.0]])
    values = [picture[0, :, 0].tolist() for picture in shown(plot.compare([first, second]))]
    assert values == [[0, 255], [128, 255]]
    figure = plot.compare([first, second], data_range=(0, 10))
    assert [picture[0, :, 0].tolist() for picture in shown(figure)] == [[51, 102], [76, 230]]


def test_channels_may_come_first(image):
    planes = np.moveaxis(image, -1, 0)
    np.testing.assert_array_equal(shown(plot.compare([planes], channel_axis=0))[0], image)
    stack = np.stack([planes, planes])
    np.testing.assert_array_equal(shown(plot.samples(None, stack, channel_axis=0))[1], image)


@pytest.mark.parametrize("grey", [False, True])
def test_samples_come_after_their_source(grey, image, random):
    source = image[..., 0] if grey else image
    made = random.integers(0, 256, (5, *source.shape)).astype(np.uint8)
    for given in (made, list(made)):
        figure = plot.samples(source, given)
        assert titles(figure) == ["source", *(f"sample {number}" for number in range(5))]
        for picture, pixels in zip([source, *made], shown(figure), strict=True):
            np.testing.assert_array_equal(pixels, preview(picture, (0, 255)))
    assert len(plot.samples(None, made).axes) == 5


def test_samples_fill_a_screen(random):
    made = random.random((50, 10, 10))
    width, height = plot.samples(None, made).get_size_inches()
    assert 1.3 < width / height < 2.2
    width, height = plot.samples(None, made, columns=2).get_size_inches()
    assert width < height / 5


def test_an_index_map_is_shown_in_the_colours_of_its_source(image, index):
    figure = plot.index_map(image, index, opacity=1)
    colours, key = shown(figure)
    assert titles(figure) == ["where pixels come from", "source"]
    np.testing.assert_array_equal(colours, index_colours(index, [(14, 16)]))
    np.testing.assert_array_equal(colours, pnn.apply_index(key, index))


def test_an_index_map_lies_over_its_picture(image, index):
    made = pnn.apply_index(image, index)
    colours, key = shown(plot.index_map(image, index, made, opacity=0.25))
    everywhere = np.stack([np.zeros((14, 16), int), *np.indices((14, 16))], axis=-1)
    np.testing.assert_array_equal(colours, over(made, index_colours(index, [(14, 16)]), 0.25))
    np.testing.assert_array_equal(key, over(image, index_colours(everywhere, [(14, 16)]), 0.25))
    grey, _ = shown(plot.index_map(image, index, made, opacity=0))
    np.testing.assert_array_equal(grey[..., 0], np.rint(made.mean(axis=2)))


def test_an_index_map_of_several_sources(image, index):
    sources = [image, image[:, :, :1].repeat(2, axis=1)]
    index[..., 0] = np.arange(11) % 2
    figure = plot.index_map(sources, index, opacity=1)
    colours, *keys = shown(figure)
    assert titles(figure)[1:] == ["source 0", "source 1"]
    assert [key.shape for key in keys] == [(14, 16, 3), (14, 32, 3)]
    np.testing.assert_array_equal(colours, pnn.apply_index(keys, index))


def test_an_index_map_without_source_numbers(image, index):
    with_source, without = (plot.index_map(image, each) for each in (index, index[..., 1:]))
    np.testing.assert_array_equal(shown(with_source)[0], shown(without)[0])


def test_arrays_on_a_device(cupy, image, index):
    device = cupy.asarray
    np.testing.assert_array_equal(shown(plot.compare([device(image), image]))[0], image)
    figure = plot.samples(device(image), device(np.stack([image, image])))
    assert [np.array_equal(picture, image) for picture in shown(figure)] == [True] * 3
    made = pnn.apply_index(image, index)
    for mine, other in zip(
        shown(plot.index_map(image, index, made)),
        shown(plot.index_map(device(image), device(index), device(made))),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, other)


def test_nothing_is_modified(image, index):
    before = image.copy(), index.copy()
    for array in (image, index):
        array.flags.writeable = False
    plot.compare([image])
    plot.samples(image, image[None])
    plot.index_map(image, index, image[:9, :11])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(index, before[1])


def test_a_figure_shows_itself_without_pyplot(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    figure = plot.samples(None, [image])
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()


def test_a_missing_matplotlib_is_named(image, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'pnncupy\[report\]'"):
        plot.compare([image])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": (0, 14, 0)}, r"`index` must lie inside of the images of \[\(14, 16\)\]"),
        ({"index": (0, 0, -1)}, "`index` must lie inside"),
        ({"index": (1, 0, 0)}, "`index` must lie inside"),
        ({"result": (9, 12, 3)}, r"`result` must have the height and width of `index`, \(9, 11\)"),
        ({"opacity": 1.5}, "`opacity` must be a number from 0 to 1"),
        ({"opacity": -1}, "`opacity` must be"),
        ({"source": []}, "`source` must hold at least one image"),
        ({"size": 0}, "`size` must be"),
        ({"columns": 0}, "`columns` must be"),
    ],
)
def test_wrong_index_maps(change, message, image, index):
    arguments = {"source": image, **change}
    if "index" in change:
        index[3, 4] = arguments.pop("index")
    if "result" in change:
        arguments["result"] = np.zeros(change["result"], np.uint8)
    with pytest.raises(ValueError, match=message):
        plot.index_map(index=index, **arguments)


def test_an_index_map_must_be_an_array_of_integers(image, index):
    with pytest.raises(TypeError, match="`index` must hold integers"):
        plot.index_map(image, index.astype(float))
    with pytest.raises(TypeError, match=r"got a list; the order is \(source, index, result\)"):
        plot.index_map(image, index.tolist())
    with pytest.raises(ValueError, match=r"`index` must have shape \(rows, columns, 3\)"):
        plot.index_map([image, image], index[..., 1:])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "`images` must hold at least one image"),
        (({},), ValueError, "`images` must hold at least one image"),
        ((np.zeros((9, 9)),), TypeError, "put a single image into a list"),
        (("a.png",), TypeError, "`images` must be a list"),
        ((["a.png"],), TypeError, r"`images\[0\]` must be a NumPy or CuPy array"),
        (([np.zeros(9)],), ValueError, r"`images\[0\]` must be a 2-D array or a 3-D array"),
        (([np.full((9, 9), np.nan)],), ValueError, r"`images\[0\]` must be finite"),
        (([np.zeros((9, 9), complex)],), TypeError, r"`images\[0\]` must hold"),
        (([np.zeros((9, 9))], ["a", "b"]), ValueError, "`titles` must hold one for each of the 1"),
        (([np.zeros((9, 9))], "a"), TypeError, "`titles` must be a list of strings"),
        (({"a": np.zeros((9, 9))}, ["a"]), ValueError, "`titles` must be None"),
    ],
)
def test_wrong_pictures(arguments, error, message):
    with pytest.raises(error, match=message):
        plot.compare(*arguments)


def test_wrong_samples(image):
    with pytest.raises(ValueError, match=r"an array of shape \(n, H, W\) or \(n, H, W, C\)"):
        plot.samples(None, image[..., 0])
    with pytest.raises(ValueError, match=r"got shape \(0, 14, 16, 3\)"):
        plot.samples(None, np.zeros((0, 14, 16, 3)))
    with pytest.raises(TypeError, match="`source` must be a NumPy or CuPy array"):
        plot.samples("a.png", [image])
    with pytest.raises(ValueError, match="`data_range` must have low < high"):
        plot.samples(None, [image], data_range=(1, 0))


@pytest.fixture
def volume(random):
    return random.integers(0, 256, (5, 7, 9)).astype(np.uint8)


def panel(volume, point):
    """Three slices through a point, put together by hand."""
    z, y, x = point
    depth, height, width = volume.shape
    picture = np.full((height + 4 + depth, width + 4 + depth), 255)
    picture[:height, :width] = volume[z]
    picture[:height, width + 4 :] = volume[:, :, x].T
    picture[height + 4 :, :width] = volume[:, y]
    return np.dstack([picture] * 3)


def test_slices_are_shown_at_a_position(volume):
    figure = plot.slices({"all": volume, "less": volume[:2]}, position=(3, 0, 8))
    assert titles(figure) == ["all", "less"]
    assert figure.sliders == []
    np.testing.assert_array_equal(shown(figure)[0], panel(volume, (3, 0, 8)))
    np.testing.assert_array_equal(shown(figure)[1], panel(volume[:2], (1, 0, 8)))
    np.testing.assert_array_equal(shown(plot.slices([volume]))[0], panel(volume, (2, 3, 4)))


def test_sliders_move_the_slices_of_all_volumes(volume):
    figure = plot.slices([volume, 255 - volume], sliders=True, data_range=(0, 255))
    assert [slider.label.get_text() for slider in figure.sliders] == ["z", "y", "x"]
    assert [slider.valmax for slider in figure.sliders] == [4, 6, 8]
    for slider, place in zip(figure.sliders, (4, 1, 6), strict=True):
        slider.set_val(place)
    pictures = [np.asarray(axes.images[0].get_array()) for axes in figure.axes[:2]]
    np.testing.assert_array_equal(pictures[0], panel(volume, (4, 1, 6)))
    np.testing.assert_array_equal(pictures[1], panel(255 - volume, (4, 1, 6)))
    # Sliders are below the images and inside of the figure.
    lowest = min(axes.get_position().y0 for axes in figure.axes[:2])
    for axes in figure.axes[2:]:
        box = axes.get_position()
        assert 0 < box.y0 < box.y1 <= lowest
        assert 0 < box.x0 < box.x1 < 1


def test_sliders_come_where_the_backend_is_interactive(volume, monkeypatch):
    made = []

    def figure(**given):
        made.append(given)
        return figure_class()(**given)

    monkeypatch.setattr(plot, "managed_figure", figure)
    still = ("agg", "module://matplotlib_inline.backend_inline", "svg")
    moving = ("QtAgg", "module://ipympl.backend_nbagg")
    for backend, count in (*((name, 0) for name in still), *((name, 3) for name in moving)):
        monkeypatch.setattr("matplotlib.get_backend", lambda backend=backend: backend)
        made.clear()
        assert len(plot.slices([volume]).sliders) == count
        assert len(made) == (count > 0)


def test_volumes_with_channels_and_realisations(volume, random):
    colours = random.integers(0, 256, (4, 6, 8, 3)).astype(np.uint8)
    (picture,) = shown(plot.slices([colours], position=(1, 2, 3)))
    np.testing.assert_array_equal(picture[:6, :8], colours[1])
    made = np.stack([volume, volume[::-1]])
    figure = plot.samples(volume, made, channel_axis=None)
    assert titles(figure) == ["source", "sample 0", "sample 1"]
    for picture, each in zip(shown(figure), (volume, *made), strict=True):
        np.testing.assert_array_equal(picture, panel(each, (2, 3, 4)))
    figure = plot.samples(None, np.stack([colours] * 2))
    np.testing.assert_array_equal(shown(figure)[1][:6, :8], colours[2])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"position": (5, 0, 0)},
            ValueError,
            r"`position` must be inside of the volumes, of \(5, ",
        ),
        ({"position": (0, 0)}, ValueError, r"`position` must be \(slice, row, column\)"),
        ({"position": (0, -1, 0)}, ValueError, r"`position` must be \(slice, row, column\)"),
        ({"position": 3}, ValueError, "`position` must be"),
        ({"sliders": 1}, TypeError, "`sliders` must be"),
        ({"volumes": [np.eye(4)]}, ValueError, r"`volumes\[0\]` must be a volume, got an image"),
        ({"volumes": np.zeros((4, 4, 4))}, TypeError, "`volumes` must be a list of arrays"),
    ],
)
def test_wrong_slices(options, error, message, volume):
    with pytest.raises(error, match=message):
        plot.slices(**{"volumes": [volume], **options})
