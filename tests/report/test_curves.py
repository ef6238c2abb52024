"""Statistics over the results, and their descriptors, on the page of a report."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pnncupy import metrics
from pnncupy.display import preview
from pnncupy.io import read_image, write_image, write_volume
from pnncupy.report import curves
from pnncupy.report.builder import build_report
from pnncupy.report.ensembles import Scale
from pnncupy.report.phases import otsu_threshold, phases_of

FAST = "iterations = 1\nlevels = 1\ncoarse_iterations = 1\n"
LABELS = f"[[generate]]\nimage = 'labels.png'\ncategorical = true\nn = 3\n{FAST}"


@pytest.fixture
def report(tmp_path, random):
    write_image(tmp_path / "labels.png", random.integers(0, 3, (24, 28)).astype(np.uint8))
    write_image(tmp_path / "grey.png", random.integers(0, 256, (24, 28)).astype(np.uint8))
    write_image(tmp_path / "rgb.png", random.integers(0, 256, (24, 28, 3)).astype(np.uint8))
    write_volume(tmp_path / "volume.tif", random.integers(0, 3, (8, 9, 10)).astype(np.uint8))

    def make(text):
        (tmp_path / "spec.toml").write_text(text)
        return build_report(tmp_path / "spec.toml", tmp_path / "out", threads=1)

    return make


def pictures(page, part):
    """Names and pixels of the pictures in a part of the page."""
    found = re.search(rf'<div class="{part}".*?</div>', page.read_text(), re.S)
    files = re.findall(r'<img src="([^"]+)"', found[0]) if found else []
    return {file.removeprefix("pictures/"): read_image(page.parent / file) for file in files}


def samples(page, title, count):
    return [
        read_image(page.parent / f"pictures/1_{title}_sample_{k}.png")[..., 0]
        for k in range(count)
    ]  # fmt: skip


def test_results_of_labels_have_curves_and_two_maps(report):
    page = report(LABELS)
    shown = pictures(page, "curves")
    assert list(shown) == [
        f"1_labels_{name}_phase_{phase}.png"
        for name in ("two_point_correlation", "lineal_path", "share_thicker_than",
                     "connectivity_function")
        for phase in range(3)
    ]  # fmt: skip
    for picture in shown.values():  # curves are red and blue
        assert (np.ptp(picture.astype(int), axis=2) > 100).any()
    maps = pictures(page, "maps")
    assert list(maps) == ["1_labels_most_probable_label.png", "1_labels_entropy.png"]
    found = metrics.ensemble(samples(page, "labels", 3), categorical=True)
    likely, entropy = (picture.reshape(24, 28, -1)[..., 0] for picture in maps.values())
    np.testing.assert_array_equal(likely, found.most_likely)
    expected = preview(found.entropy, (0, found.entropy.max()))[..., 0]
    np.testing.assert_allclose(entropy.astype(int), expected, atol=1)
    assert f"<b>{found.entropy.max():.4g} bits</b>" in page.read_text()
    stated = re.findall(r"<figcaption>(\d+%) within", page.read_text())
    compared = metrics.compare(
        read_image(page.parent.parent / "labels.png"),
        [np.rint(each / 127.5).astype(np.uint8) for each in samples(page, "labels", 3)],
        largest_distance=12, sizes=12,
    )  # fmt: skip
    curve = next(each for each in compared.curves if each.descriptor == "two-point correlation")
    assert stated[0] == f"{curve.inside:.0%}"


def test_intensities_have_moments_and_one_phase_above_a_threshold(report):
    page = report(f"[[generate]]\nimage = 'grey.png'\nn = 5\n{FAST}")
    threshold = otsu_threshold(read_image(page.parent.parent / "grey.png"))
    assert f"above {threshold:.4g}, by Otsu&#39;s method" in page.read_text()
    assert list(pictures(page, "curves")) == [
        "1_grey_two_point_correlation_phase_true.png", "1_grey_lineal_path_phase_true.png",
        "1_grey_share_thicker_than_phase_true.png", "1_grey_connectivity_function_phase_true.png",
        "1_grey_variogram.png",
    ]  # fmt: skip
    results = samples(page, "grey", 5)
    found = metrics.ensemble(results, quantiles=[0.05, 0.95])
    spread = found.quantiles[0.95] - found.quantiles[0.05]
    expected = [(found.mean, 255), (found.std, found.std.max()), (spread, spread.max())]
    maps = pictures(page, "maps")
    assert list(maps) == [
        "1_grey_mean.png", "1_grey_standard_deviation.png", "1_grey_range_5_to_95.png"
    ]  # fmt: skip
    for picture, (values, white) in zip(maps.values(), expected, strict=True):
        shown = preview(values, (0, white))[..., 0].astype(int)
        np.testing.assert_allclose(picture.reshape(24, 28, -1)[..., 0], shown, atol=1)


def test_few_results_have_no_quantiles_and_colours_no_curves(report):
    page = report(f"[[generate]]\nimage = 'rgb.png'\nn = 2\n{FAST}")
    assert list(pictures(page, "maps")) == ["1_rgb_mean.png", "1_rgb_standard_deviation.png"]
    assert not pictures(page, "curves")


@pytest.mark.parametrize("categorical", ["true", "false"])
def test_volumes_have_layers_of_statistics_and_curves(report, categorical):
    page = report(
        f"[[generate]]\nimage = 'volume.tif'\nvolume = true\ncategorical = {categorical}\nn = 2\n"
        "patch_size = 3\niterations = 1\nlevels = 0\n"
    )
    text = page.read_text()
    titles = re.findall(r"<figcaption>([^<]+) <small>10 × 9 × 8 voxels", text)
    statistics = {
        "true": ["Most probable label", "Entropy"], "false": ["Mean", "Standard deviation"]
    }  # fmt: skip
    assert titles == ["Source", "Result", *statistics[categorical]]
    assert text.count('class="scale"') == 2
    assert len(pictures(page, "curves")) == {"true": 12, "false": 5}[categorical]


@pytest.mark.parametrize("changes", ["categorical = true\n", ""])
def test_single_results_have_neither(report, changes):
    page = report(f"[[generate]]\nimage = 'labels.png'\nn = 1\n{changes}{FAST}")
    assert not pictures(page, "curves")
    assert not pictures(page, "maps")


def test_large_images_are_measured_in_their_middle(report, monkeypatch):
    monkeypatch.setattr(curves, "_MOST_PIXELS", 4 * 24 * 28 // 4)
    page = report(LABELS)
    assert "Measured in the middle 14 × 12 of 28 × 24 pixels of the source" in page.read_text()
    assert len(pictures(page, "curves")) == 12
    given = np.arange(24 * 28).reshape(24, 28)
    np.testing.assert_array_equal(curves._middle(given, 0.5), given[6:18, 7:21])


def test_otsu_splits_as_scikit_image_does(random):
    filters = pytest.importorskip("skimage.filters")
    levels = np.where(random.random((80, 80)) < 0.3, 60, 170) + random.normal(0, 25, (80, 80))
    image = np.clip(levels, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(
        image > otsu_threshold(image), image > filters.threshold_otsu(image)
    )


@pytest.mark.parametrize(
    ("values", "threshold"),
    [([0, 255], 127.5), ([3, 3], None), ([-1.0, 0.0, 100.0], 50.0), ([1.0, 1 + 1e-15], None)],
)
def test_thresholds(values, threshold):
    found = otsu_threshold(np.array([values]))
    if values[1] == 1 + 1e-15:
        assert 1 <= found <= 1 + 1e-15
    else:
        assert found == threshold


@pytest.mark.parametrize(
    "source", [np.zeros((9, 9)), np.zeros((9, 9, 3)), np.full((9, 9), np.nan), np.eye(9, 9) * 7]
)
def test_images_without_phases(source):
    made = SimpleNamespace(
        sources=[source], images=[], nodata=7.0, volume=False,
        entry=SimpleNamespace(job=SimpleNamespace(arguments={})),
    )  # fmt: skip
    assert phases_of(made, 4) is None


def test_scales():
    assert Scale(("#000", "#fff"), ("0", "1")).gradient == "#000, #fff"
    stepped = Scale(("#000", "#777", "#fff"), ("0", "1", "2"))
    assert stepped.is_stepped
    assert stepped.gradient == "#000 0% 33.33%, #777 33.33% 66.67%, #fff 66.67% 100%"
