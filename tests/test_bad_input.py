"""Wrong calls: each raises an exception that names the parameter, what was given and the rule."""

import math

import numpy as np
import pytest

import pnncupy as pnn

IMAGE = np.random.default_rng(0).random((20, 24, 3))
GREY = IMAGE[..., 0]


class Tensor:
    """Looks like an array of another library."""

    __module__ = "torch"

    def __dlpack__(self):
        raise AssertionError("must not be called")


class CupyLike:
    __module__ = "cupy"
    ndim = 2
    shape = (20, 24)


def spoiled(value, place=(3, 4, 1), dtype=float):
    image = IMAGE.astype(dtype)
    image[place] = value
    return image


GENERATE = [
    ([[1, 2], [3, 4]], {}, TypeError, r"`image\[0\]` must be a NumPy or CuPy array, got list"),
    (None, {}, TypeError, "`image` must be a NumPy or CuPy array, got NoneType"),
    ("photo.png", {}, TypeError, "`image` must be a NumPy or CuPy array, got str"),
    (Tensor(), {}, TypeError, r"got Tensor; convert it with `numpy\.from_dlpack`"),
    (CupyLike(), {}, TypeError, "must be a NumPy or CuPy array, got CupyLike"),
    (np.ma.masked_array(GREY), {}, TypeError, "plain array, got MaskedArray; use"),
    (IMAGE + 1j, {}, TypeError, "`image` must hold bool, integer or floating-point .*complex128"),
    (IMAGE.astype(object), {}, TypeError, "dtype object"),
    (IMAGE.astype(str), {}, TypeError, "dtype <U"),
    (IMAGE.astype("M8[s]"), {}, TypeError, "dtype datetime64"),
    (IMAGE.astype(np.longdouble), {}, TypeError, "64-bit floating point"),
    (np.float64(3), {}, ValueError, r"2-D array or a 3-D array .* shape \(\)"),
    (np.zeros(9), {}, ValueError, r"got shape \(9,\)"),
    (np.zeros((9, 9, 3, 1)), {}, ValueError, r"got shape \(9, 9, 3, 1\)"),
    (np.zeros((0, 9)), {}, ValueError, r"`image` must not be empty, got shape \(0, 9\)"),
    (np.zeros((9, 9, 0)), {}, ValueError, "must not be empty"),
    (spoiled(np.nan), {}, ValueError, r"got 1 NaN or infinite values, the first at .*\(3, 4, 1\)"),
    (spoiled(-np.inf, dtype="f2"), {}, ValueError, r"`image` must be finite"),
    (np.zeros((6, 40)), {}, ValueError, "at least `patch_size` = 7 pixels .* got 6 x 40"),
    (IMAGE, {"levels": 5}, ValueError, "`levels` must be at most 4, .* 7 x 7 pixels, got 5"),
    (IMAGE, {"levels": -1}, ValueError, "`levels` must be an integer of at least 0, got -1"),
    (IMAGE, {"levels": 1.0}, TypeError, "`levels` must be an integer"),
    (IMAGE, {"patch_size": 0}, ValueError, "`patch_size` must be an integer of at least 2, got 0"),
    (IMAGE, {"patch_size": 1}, ValueError, "`patch_size` must be an integer of at least 2, got 1"),
    (IMAGE, {"patch_size": -7}, ValueError, "`patch_size` .* got -7"),
    (IMAGE, {"patch_size": 7.0}, TypeError, "`patch_size` .* got 7.0 of type float"),
    (IMAGE, {"patch_size": True}, TypeError, "`patch_size` .* of type bool"),
    (IMAGE, {"patch_size": "7"}, TypeError, "`patch_size` .* of type str"),
    (IMAGE, {"alpha": 0}, ValueError, "`alpha` must be a number above 0"),
    (IMAGE, {"alpha": -0.1}, ValueError, "`alpha` .* got -0.1"),
    (IMAGE, {"alpha": math.nan}, ValueError, "`alpha` .* got nan"),
    (IMAGE, {"alpha": "small"}, TypeError, "`alpha` must be a real number"),
    (IMAGE, {"alpha": None}, TypeError, "`alpha` must be a real number"),
    (IMAGE, {"noise_std": -1}, ValueError, "`noise_std` must be a finite number of at least 0"),
    (IMAGE, {"noise_std": math.nan}, ValueError, "`noise_std`"),
    (IMAGE, {"noise_std": math.inf}, ValueError, "`noise_std`"),
    (IMAGE, {"noise_std": 1e19, "levels": 0}, ValueError, "span .* use a smaller `noise_std`"),
    (IMAGE, {"data_range": (0, 1e-30)}, ValueError, "another `data_range`"),
    (IMAGE, {"shape": (0, 20)}, ValueError, r"`shape` must be \(height, width\), .* at least 7"),
    (IMAGE, {"shape": (20, 6)}, ValueError, r"`shape` .* got \(20, 6\)"),
    (IMAGE, {"shape": (20, 20, 3)}, ValueError, "`shape`"),
    (IMAGE, {"shape": 20}, TypeError, "`shape`"),
    (IMAGE, {"shape": (20.0, 20)}, TypeError, "`shape`"),
    (IMAGE, {"shape": "20"}, TypeError, "`shape`"),
    (IMAGE, {"downscale": 1}, ValueError, "`downscale` must be at least 1.01, got 1"),
    (IMAGE, {"downscale": 0.5}, ValueError, "`downscale`"),
    (IMAGE, {"downscale": math.inf}, ValueError, "`downscale`"),
    (IMAGE, {"iterations": 0}, ValueError, "`iterations` must be an integer of at least 1"),
    (IMAGE, {"coarse_iterations": 0}, ValueError, "`coarse_iterations`"),
    (IMAGE, {"keys": "soft"}, ValueError, "`keys` must be one of 'blurred', 'sharp', 'both'"),
    (IMAGE, {"vote": "mode"}, ValueError, "`vote` must be one of .*'copy', got 'mode'"),
    (
        IMAGE,
        {"method": "fast"},
        ValueError,
        "`method` must be one of 'exact', 'patchmatch', 'auto', got 'fast'",
    ),
    (IMAGE, {"engine": "gpu"}, ValueError, "`engine` must be one of 'auto', .* got 'gpu'"),
    (IMAGE, {"engine": None}, ValueError, "`engine`"),
    (IMAGE, {"channel_axis": 3}, ValueError, "`channel_axis` must be an axis of a 3-D array"),
    (IMAGE, {"channel_axis": None}, TypeError, "`channel_axis`"),
    (IMAGE, {"data_range": (1, 1)}, ValueError, "`data_range` must have low < high"),
    (IMAGE, {"data_range": (0, math.nan)}, ValueError, "`data_range` must be a finite number"),
    (IMAGE, {"data_range": 255}, TypeError, "`data_range` must be None or two numbers"),
    (IMAGE, {"n": 0}, ValueError, "`n` must be an integer of at least 1, got 0"),
    (IMAGE, {"n": 2.0}, TypeError, "`n` must be an integer"),
    (IMAGE, {"rng": -1}, ValueError, "`rng` must hold non-negative integers"),
    (IMAGE, {"rng": 0.5}, TypeError, "`rng` must be None"),
    (IMAGE, {"rng": "seed"}, TypeError, "`rng` must be None"),
    (IMAGE, {"rng": np.random.RandomState(0)}, TypeError, "`rng` .* got RandomState"),
    (IMAGE, {"threads": 0}, ValueError, "`threads` must be an integer of at least 1"),
    (IMAGE, {"incremental": "yes"}, TypeError, "`incremental` must be True or False"),
    (IMAGE, {"return_index": 1}, TypeError, "`return_index` must be True or False"),
    (IMAGE, {"callback": 3}, TypeError, "`callback` must be callable"),
    (IMAGE, {"initial_guess": IMAGE}, ValueError, "`initial_guess` .* coarsest level, 15 x 18 "),
    (IMAGE, {"initial_guess": IMAGE[:15, :18, :2]}, ValueError, "3 channels, got .* with 2"),
    (IMAGE, {"initial_guess": IMAGE[:15, :18] * np.nan}, ValueError, "`initial_guess` .* finite"),
    (IMAGE, {"initial_guess": IMAGE[:15, :18], "n": 2}, ValueError, "`n` must be None or 1"),
    (IMAGE, {"initial_guess": [1]}, TypeError, "`initial_guess` must be a NumPy or CuPy array"),
]


@pytest.mark.parametrize(("image", "options", "error", "message"), GENERATE)
def test_generate(image, options, error, message):
    with pytest.raises(error, match=message):
        pnn.generate(image, **options)


NEAREST = [
    ((IMAGE, GREY), {}, ValueError, "`key` must have the channels of `query`, 3, got 1"),
    ((IMAGE, IMAGE[:5]), {}, ValueError, "`key` must be at least `patch_size` = 7 .* got 5 x 24"),
    ((IMAGE[:, :5], IMAGE), {}, ValueError, "`query` must be at least"),
    ((IMAGE, [IMAGE, GREY]), {}, ValueError, r"`key\[1\]` must have the channels"),
    ((IMAGE, []), {}, ValueError, "`key` must hold at least one image"),
    ((IMAGE, None), {}, TypeError, "`key` must be a NumPy or CuPy array"),
    ((spoiled(np.nan), IMAGE), {}, ValueError, "`query` must be finite"),
    ((IMAGE, spoiled(np.inf)), {}, ValueError, "`key` must be finite"),
    ((IMAGE * 1e39, IMAGE), {}, ValueError, "`query` has values beyond the range of float32"),
    ((IMAGE * 1e30, IMAGE), {}, ValueError, "span 1e.30; .* scale `query` and `key`"),
    ((IMAGE * 1e-20, IMAGE * 1e-20), {}, ValueError, "span .* need 1e-15 to"),
    ((IMAGE, IMAGE), {"alpha": -1}, ValueError, "`alpha`"),
    ((IMAGE, IMAGE), {"alpha": 1e-42}, ValueError, "`alpha` must be between 1e-30 and 1e.30, or"),
    ((IMAGE, IMAGE), {"alpha": 1e39}, ValueError, "`alpha` must be between"),
    ((IMAGE, IMAGE), {"method": "patch"}, ValueError, "`method`"),
    ((IMAGE, IMAGE), {"patch_size": 30}, ValueError, "`query` must be at least `patch_size` = 30"),
    ((IMAGE, IMAGE), {"key_mask": GREY}, TypeError, "`key_mask` must be bool"),
    ((IMAGE, IMAGE), {"key_mask": GREY[1:] > 0}, ValueError, r"`key_mask` .* got \(19, 24\)"),
    ((IMAGE, IMAGE), {"key_mask": GREY < -1}, ValueError, "`key_mask` must leave at least one"),
    ((IMAGE, IMAGE), {"key_mask": [[True]]}, TypeError, "`key_mask` must be a NumPy or CuPy array"),
    ((IMAGE, [IMAGE]), {"key_mask": []}, ValueError, "1 images and 0 masks"),
]


@pytest.mark.parametrize(("images", "options", "error", "message"), NEAREST)
def test_nearest_patches(images, options, error, message):
    with pytest.raises(error, match=message):
        pnn.nearest_patches(*images, **options)


INDEX = np.zeros((14, 18, 2), int)
VOTE = [
    ((IMAGE, INDEX, (20, 25)), {}, ValueError, r"`shape` must be .* \(20, 24\), got \(20, 25\)"),
    ((IMAGE, INDEX), {"how": "best"}, ValueError, "`how` must be one of"),
    ((IMAGE, INDEX * 1.0), {}, TypeError, "`index` must hold integers"),
    ((IMAGE, INDEX[..., 0]), {}, ValueError, r"`index` must have shape \(rows, columns, 2\)"),
    (([IMAGE], INDEX), {}, ValueError, r"shape \(rows, columns, 3\)"),
    ((IMAGE, INDEX + 14), {}, ValueError, r"`index` must lie inside .* \[14, 14\] at \(0, 0\)"),
    ((IMAGE, INDEX - 1), {}, ValueError, "`index` must lie inside"),
    ((IMAGE * 0 + 3e38, INDEX), {}, ValueError, "`value` has values whose sum"),
    (([], INDEX), {}, ValueError, "`value` must hold at least one image"),
    (([IMAGE, GREY], INDEX), {}, ValueError, r"`value\[1\]` must have the channels"),
]


@pytest.mark.parametrize(("values", "options", "error", "message"), VOTE)
def test_vote(values, options, error, message):
    with pytest.raises(error, match=message):
        pnn.vote(*values, **options)


OTHERS = [
    (pnn.apply_index, (GREY, INDEX + 20), {}, ValueError, "`index` must lie inside"),
    (pnn.apply_index, ([GREY, GREY], INDEX), {}, ValueError, r"\(source, row, column\)"),
    (pnn.apply_index, ([], INDEX), {}, ValueError, "`sources` must hold at least one"),
    (pnn.apply_index, ([GREY, IMAGE], INDEX), {}, ValueError, r"`sources\[1\]` must be"),
    (pnn.apply_index, ([GREY, GREY > 0], INDEX), {}, TypeError, "must have the dtype"),
    (pnn.apply_index, (GREY[0], INDEX), {}, ValueError, r"`sources\[0\]` must be \(height"),
    (pnn.pnn_step, (IMAGE, IMAGE, IMAGE[:9]), {}, ValueError, "`value` must have the shape of"),
    (pnn.pnn_step, (IMAGE, IMAGE, IMAGE), {"vote": "x"}, ValueError, "`vote` must be one of"),
    (pnn.resize, (IMAGE, 0), {}, ValueError, "`scale` must be a finite number above 0"),
    (pnn.resize, (IMAGE, (1, 2, 3)), {}, ValueError, "`scale` must be one number or one per axis"),
    (pnn.resize, (IMAGE, 1e-9), {}, ValueError, "`scale` must be at least 0.0001"),
    (pnn.resize, (IMAGE, "2"), {}, TypeError, "`scale` must be a real number"),
    (pnn.resize, (IMAGE, 2, (0, 3)), {}, ValueError, "`shape` must be"),
    (pnn.resize, (spoiled(np.nan), 2), {}, ValueError, "`image` must be finite"),
    (pnn.pyramid, (IMAGE, -1), {}, ValueError, "`levels` must be an integer of at least 0"),
    (pnn.pyramid, (IMAGE, 1, 1.0), {}, ValueError, "`downscale` must be at least 1.01"),
    (pnn.key_minimum, (IMAGE, GREY), {}, ValueError, "`key` must have the channels"),
]


@pytest.mark.parametrize(("function", "arguments", "options", "error", "message"), OTHERS)
def test_the_other_functions(function, arguments, options, error, message):
    with pytest.raises(error, match=message):
        function(*arguments, **options)


def test_arrays_of_two_libraries_do_not_mix():
    with pytest.raises(TypeError, match="`key`"):
        pnn.nearest_patches(GREY, CupyLike())


def test_an_engine_that_cannot_be_loaded_says_why(monkeypatch):
    from pnncupy import engine_table

    monkeypatch.setitem(engine_table._MODULES, "numba", "pnncupy.kernels.missing")
    engine_table._failure.cache_clear()
    try:
        with pytest.raises(pnn.EngineUnavailable, match="'numba' cannot run here: No module"):
            pnn.generate(IMAGE)
        states = {engine.name: engine.available for engine in pnn.engines()}
        assert states["numpy"]
        assert not states["numba"]
    finally:
        engine_table._failure.cache_clear()


def test_an_engine_with_wrong_answers_is_found_out(monkeypatch):
    from pnncupy import engine_table
    from pnncupy.kernels import reference

    monkeypatch.setattr(reference, "lower_nearest", lambda *arguments, **options: None)
    assert "wrong answer" in {engine.name: engine for engine in pnn.engines()}["numpy"].detail
    assert engine_table.pick("numba", GREY)[0] == "numba"
