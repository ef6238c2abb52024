"""Figures of the statistics of each pixel over realisations."""

import numpy as np
import pytest

from pnncupy import metrics, plot
from pnncupy.display import middle_slices, preview
from pnncupy.ensemble_maps import ensemble_maps

RESULTS = np.random.default_rng(5).normal(100, 20, (7, 12, 15))


def parts(figure):
    """Titles, images and words of the bars of a figure."""
    shown = [each for each in figure.axes if each.get_title(loc="left")]
    bars = [each for each in figure.axes if not each.get_title(loc="left")]
    return (
        [each.get_title(loc="left") for each in shown],
        [np.asarray(each.images[0].get_array()) for each in shown],
        [tuple(text.get_text() for text in each.texts) for each in bars],
    )


def test_intensities_have_moments_quantiles_and_their_range():
    found = metrics.ensemble(RESULTS, quantiles=[0.05, 0.5, 0.95])
    titles, images, words = parts(plot.ensemble(found, unit="HU", data_range=(0, 200)))
    assert titles == [
        "mean", "standard deviation", "5 % quantile", "50 % quantile", "95 % quantile",
        "range, 5 % to 95 %",
    ]  # fmt: skip
    spread = found.quantiles[0.95] - found.quantiles[0.05]
    expected = [
        (found.mean, 200), (found.std, found.std.max()),
        *((each, 200) for each in found.quantiles.values()), (spread, spread.max()),
    ]  # fmt: skip
    for image, bar, (values, white) in zip(images, words, expected, strict=True):
        np.testing.assert_array_equal(image, preview(values, (0, white)))
        assert bar == ("0" if white != 200 else "0 HU", f"{white:.4g} HU")


def test_the_mean_and_the_quantiles_share_one_range():
    found = metrics.ensemble(RESULTS, quantiles=[0.1, 0.9])
    mean, _, low, high, _ = ensemble_maps(found)
    assert mean.data_range == low.data_range == high.data_range
    assert mean.data_range == (found.quantiles[0.1].min(), found.quantiles[0.9].max())


def test_labels_have_a_most_probable_one_an_entropy_and_probabilities():
    results = np.random.default_rng(6).integers(0, 3, (5, 9, 11)) * 2
    found = metrics.ensemble(results, categorical=True)
    titles, images, words = parts(plot.ensemble(found))
    assert titles == [
        "most probable label", "entropy", "probability of 0", "probability of 2", "probability of 4"
    ]  # fmt: skip
    np.testing.assert_array_equal(images[0], preview(found.most_likely, (0, 4)))
    np.testing.assert_array_equal(images[1], preview(found.entropy, (0, found.entropy.max())))
    np.testing.assert_array_equal(images[3], preview(found.probability[1], (0, 1)))
    assert words[:3] == [("0", "2", "4"), ("0", f"{found.entropy.max():.4g} bits"), ("0", "1")]


def test_rare_labels_have_no_map_and_many_labels_are_named_by_the_ends():
    results = np.repeat(np.arange(12), np.arange(1, 13))[None]
    figure = plot.ensemble(metrics.ensemble(results[:, None], categorical=True))
    titles, _, words = parts(figure)
    assert titles[2:] == [f"probability of {label}" for label in range(4, 12)]
    assert words[0] == ("0", "11")


def test_volumes_are_shown_by_their_middle_slices():
    volumes = np.random.default_rng(7).random((3, 6, 8, 9))
    found = metrics.ensemble(volumes)
    _, (mean, std), _ = parts(plot.ensemble(found, data_range=(0, 1), channel_axis=None))
    np.testing.assert_array_equal(mean, preview(middle_slices(found.mean[None])[0], (0, 1)))
    assert std.shape == mean.shape
    labels = metrics.ensemble(volumes > 0.5, categorical=True)
    _, (likely, *_), words = parts(plot.ensemble(labels))
    np.testing.assert_array_equal(
        likely, preview(middle_slices(labels.most_likely[None])[0], (0, 1))
    )
    assert words[0] == ("False", "True")


def test_the_spread_of_channels_is_one_number():
    colours = np.random.default_rng(8).integers(0, 256, (4, 10, 12, 3)).astype(np.uint8)
    found = metrics.ensemble(colours, quantiles=[0, 1])
    mean, std, _, _, spread = ensemble_maps(found)
    np.testing.assert_array_equal(mean.image, found.mean)
    np.testing.assert_allclose(std.image, np.sqrt((found.std**2).mean(axis=-1)))
    np.testing.assert_allclose(spread.image, np.ptp(colours.astype(float), axis=0).mean(axis=-1))


@pytest.mark.parametrize("value", [5.0, np.nan])
def test_realisations_that_are_equal_or_unknown(value):
    found = metrics.ensemble(np.full((2, 6, 7), value))
    titles, (mean, std), _ = parts(plot.ensemble(found))
    assert titles == ["mean", "standard deviation"]
    assert (mean == (255 if np.isnan(value) else 0)).all()
    assert (std == (255 if np.isnan(value) else 0)).all()


def test_bars_and_words_are_inside_of_the_figure():
    figure = plot.ensemble(metrics.ensemble(RESULTS), size=2)
    figure.canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        for artist in (axes, *axes.texts):
            box = artist.get_window_extent()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= width
            assert box.y1 <= height


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"statistics": RESULTS}, TypeError, "`statistics` must be what `metrics.ensemble` return"),
        ({"statistics": None}, TypeError, "got NoneType"),
        ({"unit": 3}, TypeError, "`unit` must be a string"),
        ({"data_range": (1, 1)}, ValueError, "`data_range` must have low < high"),
        ({"columns": 0}, ValueError, "`columns` must be"),
    ],
)
def test_wrong_arguments(changes, error, message):
    given = {"statistics": metrics.ensemble(RESULTS)} | changes
    with pytest.raises(error, match=message):
        plot.ensemble(**given)
