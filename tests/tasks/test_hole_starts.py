"""Holes that begin with a smooth continuation, each at the level of its own width."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.images.continuation import smooth_continuation
from pnncupy.samples import load_sample
from pnncupy.tasks.hole_starts import HoleWidths


@pytest.fixture(scope="module")
def photograph():
    return load_sample("chelsea")[30:126, 40:168].copy()


def scratches(shape, width=3):
    """Slanted lines of some pixels."""
    mask = np.zeros(shape, bool)
    for start, end in ((10, 40), (60, 50), (80, 120)):
        columns = np.linspace(start, end, shape[0]).astype(int)
        for step in range(width):
            mask[np.arange(shape[0]), columns + step] = True
    return mask


def plain_continuation(image, hole):
    """Minimum of the sum of squared Laplacians, by dense least squares; an image (H, W)."""
    height, width = image.shape
    rows = []
    for y in range(height):
        for x in range(width):
            row = np.zeros((height, width))
            for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                if 0 <= y + down < height and 0 <= x + right < width:
                    row[y + down, x + right] += 1
                    row[y, x] -= 1
            rows.append(row.ravel())
    matrix, inside = np.array(rows), hole.ravel()
    right = -matrix[:, ~inside] @ image.ravel()[~inside]
    made = image.copy()
    made[hole] = np.linalg.lstsq(matrix[:, inside], right, rcond=None)[0]
    return made


@pytest.mark.parametrize("place", [np.s_[4:7, 3:9], np.s_[0:3, 0:4], np.s_[:, 5:7]])
def test_continuation_is_that_of_plain_loops(place, random):
    image = random.random((12, 14))
    hole = np.zeros((12, 14), bool)
    hole[place] = True
    made = smooth_continuation(image[None].astype(np.float32), hole)[0]
    expected = np.clip(plain_continuation(image, hole), image[~hole].min(), image[~hole].max())
    np.testing.assert_allclose(made, expected, atol=1e-5)
    spoilt = np.where(hole, 7, image)[None].astype(np.float32)
    np.testing.assert_array_equal(smooth_continuation(spoilt, hole)[0], made)


def test_a_ramp_is_continued_exactly():
    ramp = np.add.outer(np.arange(20), 2 * np.arange(30))[None].astype(np.float32) / 100
    hole = np.zeros((20, 30), bool)
    hole[5:15, 8:20] = True
    made = smooth_continuation(np.where(hole, 0, ramp), hole)
    np.testing.assert_allclose(made, ramp, atol=1e-5)


def test_widths_are_those_of_connected_holes():
    mask = np.zeros((40, 50), bool)
    mask[2:5, :] = True
    mask[20:32, 10:30] = True
    mask[35, 40] = mask[36, 41] = True
    widths = HoleWidths.of(mask, 7, 3 / 4)
    assert widths.squares == (3, 12, 1)
    assert widths.levels() == [0, 2, 0]
    assert HoleWidths.of(mask, 4, 3 / 4).narrower_than_a_patch().sum() == 152


@pytest.mark.parametrize("fill", ["smooth", "mean"])
def test_scratches_disappear(photograph, fill):
    mask = scratches(photograph.shape[:2])
    spoilt = np.where(mask[..., None], np.uint8(255), photograph)
    made = pnn.inpaint(spoilt, mask, fill=fill)
    error = (made.astype(float) - photograph)[mask]
    assert 10 * np.log10(255**2 / (error**2).mean()) > 25
    assert (made == photograph)[~mask].all()


def test_engines_agree(photograph):
    image, mask = photograph[:40, :48].copy(), np.zeros((40, 48), bool)
    mask[:, 10:12] = mask[5:20, 25:40] = True
    options = {"fill": "smooth", "iterations": 1}
    np.testing.assert_array_equal(
        pnn.inpaint(image, mask, **options), pnn.inpaint(image, mask, engine="numpy", **options)
    )


def test_holes_without_content_are_continued(photograph):
    mask = scratches(photograph.shape[:2])
    missing = np.where(mask[..., None], np.nan, photograph)
    made = pnn.inpaint(missing, "nodata")
    np.testing.assert_array_equal(made, pnn.inpaint(missing, "nodata", fill="smooth"))
    expected = pnn.inpaint(photograph, mask, fill="smooth", data_range=(
        photograph[~mask].min(), photograph[~mask].max()))  # fmt: skip
    assert np.abs(made - expected).max() < 1


def test_a_narrow_hole_does_not_care_for_a_wide_one(photograph):
    shape = photograph.shape[:2]
    narrow, wide = np.zeros(shape, bool), np.zeros(shape, bool)
    narrow[:, 100:103] = True
    wide[30:60, 20:60] = True
    both = pnn.inpaint(photograph, narrow | wide, fill="smooth", return_info=True)
    assert both.info["levels"] > 3
    alone = pnn.inpaint(photograph, narrow, fill="smooth")
    error = [
        ((each.astype(float) - photograph)[narrow] ** 2).mean() for each in (both.image, alone)
    ]
    assert error[0] < 1.3 * error[1]
    coarse = pnn.inpaint(photograph, narrow, fill="smooth", levels=both.info["levels"])
    assert ((coarse.astype(float) - photograph)[narrow] ** 2).mean() > error[0]


def test_wide_holes_begin_with_their_mean_as_ever(photograph):
    mask = np.zeros(photograph.shape[:2], bool)
    mask[30:60, 20:60] = True
    colour = np.rint(photograph[~mask].mean(axis=0)).astype(np.uint8)
    painted = np.where(mask[..., None], colour, photograph)
    np.testing.assert_array_equal(
        pnn.inpaint(photograph, mask, fill="mean"), pnn.inpaint(painted, mask)
    )


@pytest.mark.parametrize("fill", [None, "smooth", "mean"])
def test_wide_holes_have_the_grain_of_the_rest(fill):
    image = load_sample("gravel")[:100, :100].copy()
    mask = np.zeros(image.shape, bool)
    mask[30:60, 35:70] = True
    made = pnn.inpaint(image, mask, fill=fill, return_index=True)
    averaged = pnn.inpaint(image, mask, fill=fill, keep_grain=False)
    inner, border = np.zeros_like(mask), mask.copy()
    inner[32:58, 37:68] = True
    border[inner] = False
    np.testing.assert_array_equal(made.image[~inner], averaged[~inner])
    copied = pnn.apply_index(image, made.index)
    np.testing.assert_array_equal(made.image[inner], copied[inner])

    def grain(picture):
        grey = picture.astype(float)
        laplacian = grey[1:-1, 2:] + grey[1:-1, :-2] + grey[2:, 1:-1] + grey[:-2, 1:-1]
        laplacian -= 4 * grey[1:-1, 1:-1]
        return np.sqrt((laplacian[inner[1:-1, 1:-1]] ** 2).mean() / (
            laplacian[~mask[1:-1, 1:-1]] ** 2).mean())  # fmt: skip

    assert 0.9 < grain(made.image) < 1.15
    assert grain(made.image) > grain(averaged) + 0.05


def test_narrow_holes_and_other_votes_are_averaged(photograph):
    mask = scratches(photograph.shape[:2])
    np.testing.assert_array_equal(
        pnn.inpaint(photograph, mask, fill="smooth"),
        pnn.inpaint(photograph, mask, fill="smooth", keep_grain=False),
    )
    mask[30:60, 20:60] = True
    np.testing.assert_array_equal(
        pnn.inpaint(photograph, mask, vote="mean", iterations=1),
        pnn.inpaint(photograph, mask, vote="mean", iterations=1, keep_grain=False),
    )


def test_interiors_end_beside_known_pixels_only():
    mask = np.zeros((30, 40), bool)
    mask[:12, 10:30] = True
    inner = HoleWidths.of(mask, 7, 3 / 4).interior(2)
    expected = np.zeros_like(mask)
    expected[:10, 12:28] = True
    np.testing.assert_array_equal(inner, expected)


def test_labels_are_continued(photograph):
    labels = (photograph[..., 0] // 86).astype(np.uint8)
    mask = scratches(labels.shape)
    made = pnn.inpaint(labels, mask, fill="smooth", categorical=True, iterations=2)
    assert set(np.unique(made)) <= set(np.unique(labels))
    assert (made == labels)[mask].mean() > 0.7


def test_everything_may_be_synthesised(photograph):
    mask = scratches(photograph.shape[:2])
    made = pnn.inpaint(
        photograph, mask, fill="smooth", keep_known=False, levels=0, iterations=1
    )  # fmt: skip
    assert metrics.psnr(photograph, made, data_range=(0, 255)) > 25


def test_a_killed_run_continues_with_the_same_holes(photograph, tmp_path):
    shape = photograph.shape[:2]
    mask = np.zeros(shape, bool)
    mask[:, 100:103] = True
    mask[30:60, 20:60] = True
    expected = pnn.inpaint(photograph, mask, fill="smooth", iterations=2)
    for steps in (1, 3, 6):
        seen = []

        def stop(event, seen=seen, steps=steps):
            seen.append(event.finished)
            return sum(seen) < steps

        options = {"fill": "smooth", "iterations": 2, "checkpoint": tmp_path / "state"}
        with pytest.raises(pnn.Cancelled):
            pnn.inpaint(photograph, mask, callback=stop, **options)
        np.testing.assert_array_equal(pnn.inpaint(photograph, mask, **options), expected)
