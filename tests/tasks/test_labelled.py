"""DataArrays of xarray in and out of tasks."""

import numpy as np
import pytest

import pnncupy as pnn

xarray = pytest.importorskip("xarray")
FAST = {"iterations": 1, "patch_size": 3, "levels": 1}


@pytest.fixture
def scene(random):
    """Bands, rows and columns with a CRS; rows count down."""
    data = random.integers(1, 200, (3, 14, 16)).astype(np.uint8)
    array = xarray.DataArray(
        data,
        {"band": [1, 2, 3], "y": 90.0 - 10 * np.arange(14), "x": 5.0 * np.arange(16),
         "spatial_ref": 0},
        ("band", "y", "x"), "scene", {"long_name": "radiance"},
    )  # fmt: skip
    array.spatial_ref.attrs["crs_wkt"] = "LOCAL"
    return array


def test_new_positions_are_no_old_ones(scene):
    made = pnn.generate(scene, 2, first_sample=3, rng=1, **FAST)
    plain = pnn.generate(scene.values, 2, first_sample=3, rng=1, channel_axis=0, **FAST)
    np.testing.assert_array_equal(made.values, plain)
    assert made.dims == ("realisation", "band", "y", "x")
    assert set(made.coords) == {"realisation", "band"}
    assert made.realisation.values.tolist() == [3, 4]
    assert (made.name, made.attrs["long_name"]) == ("scene", "radiance")
    assert made.attrs["pixel_spacing"] == [10.0, 5.0]
    narrow = pnn.retarget(scene, (14, 12), **FAST)
    assert narrow.shape == (3, 14, 12)
    assert set(narrow.coords) == {"band"}
    merged = pnn.collage([scene, scene], **FAST)
    assert merged.dims == scene.dims


def test_pixels_that_stay_keep_all(scene):
    hole = (scene.isel(band=0) > 180).transpose("x", "y")
    filled = pnn.inpaint(scene, hole, fill="mean", **FAST)
    plain = pnn.inpaint(
        scene.values, hole.values.T, fill="mean", channel_axis=0, **FAST
    )  # fmt: skip
    np.testing.assert_array_equal(filled.values, plain)
    assert filled.coords.equals(scene.coords)
    assert filled.spatial_ref.attrs == scene.spatial_ref.attrs
    assert pnn.edit(scene, scene, **FAST).coords.equals(scene.coords)
    moved = scene.assign_coords(x=scene.x + 100)
    assert pnn.analogy(scene, moved, **FAST).coords.equals(moved.coords)
    with pytest.raises(ValueError, match="`mask` must have the coordinates of `image` along 'x'"):
        pnn.inpaint(scene, hole.assign_coords(x=scene.x + 1), **FAST)


def test_fill_values_are_missing_pixels(scene):
    data = scene.copy()
    data[:, 4:6, 4:6] = 0
    data.attrs["_FillValue"] = 0
    made = pnn.inpaint(data, "nodata", **FAST)
    assert made.attrs["_FillValue"] == 0
    assert int(made.min()) > 0
    decoded = scene.astype("f4").where(scene.x != 20)
    with pytest.raises(ValueError, match="must be finite"):
        pnn.generate(decoded, rng=1, **FAST)
    decoded.encoding["_FillValue"] = -9999.0
    assert bool(np.isfinite(pnn.generate(decoded, rng=1, **FAST)).all())
    with pytest.raises(ValueError, match="`nodata` must be given where arrays have several"):
        pnn.collage([data, data.assign_attrs(_FillValue=7)], **FAST)


def test_channels_are_found_by_name(scene):
    other = scene.rename(band="wavelength")
    with pytest.raises(ValueError, match="`channel_axis` must name the dimension of the channels"):
        pnn.generate(other, rng=1, **FAST)
    made = pnn.generate(other, rng=1, channel_axis="wavelength", **FAST)
    np.testing.assert_array_equal(made.values, pnn.generate(scene, rng=1, **FAST).values)
    with pytest.raises(ValueError, match="must be a dimension of"):
        pnn.generate(other, rng=1, channel_axis="band", **FAST)
    with pytest.raises(ValueError, match="must have dimensions of the source"):
        pnn.analogy(scene, other, **FAST)


def test_arrays_of_dask_are_loaded_or_refused(scene):
    pytest.importorskip("dask")
    lazy = scene.chunk({"y": 7})
    made = pnn.generate(lazy, rng=1, **FAST)
    np.testing.assert_array_equal(made.values, pnn.generate(scene, rng=1, **FAST).values)
    with pytest.raises(MemoryError, match="to load the arrays of Dask"):
        pnn.generate(lazy, rng=1, max_memory=100, **FAST)
