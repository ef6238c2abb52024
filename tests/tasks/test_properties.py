"""What holds for every call: forms, ranges, inputs, the same bits, index maps, engines."""

import cupy_stand_in
import host_cuda
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_calls import any_call, calls, channels_last
from tilings import TILINGS, tiled

import pnncupy as pnn
from pnncupy.kernels.numba_cpu import engine as numba_cpu

pytestmark = pytest.mark.slow

EXAMPLES = settings(
    deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
MEANS = ("weighted_mean", "mean")
# Float32 holds all values of these between any two of them.
NARROW = ("?", "u1", "u2", "i1", "i2")


def assert_same(one, other):
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@EXAMPLES
@given(data=st.data())
def test_results_have_the_form_of_their_sources(data):
    call = data.draw(any_call())
    result = call()
    source = call.sources[0]
    assert type(result) is np.ndarray
    assert result.dtype == source.dtype
    assert result.ndim == source.ndim
    last = channels_last(result, call.options["channel_axis"])
    assert last.shape[:2] == tuple(call.size)
    assert last.shape[2:] == channels_last(source, call.options["channel_axis"]).shape[2:]
    assert result.flags.c_contiguous
    assert result.flags.writeable


def known_values(call):
    """All pixels that a result may consist of, (N, channels)."""
    axis = call.options["channel_axis"]
    pictures = [channels_last(source, axis) for source in call.sources]
    if call.given.get("mask") is not None:
        mask = call.given["mask"]
        if call.task == "inpaint":
            return pictures[0][~mask].reshape(np.count_nonzero(~mask), -1)
        pictures.append(channels_last(call.given["edited"], axis))
    return np.concatenate([
        picture.reshape(picture.shape[0] * picture.shape[1], -1) for picture in pictures
    ])  # fmt: skip


@EXAMPLES
@given(data=st.data())
def test_means_stay_in_the_range_of_the_source(data):
    call = data.draw(any_call(votes=MEANS))
    result, known = call(), known_values(call)
    made = channels_last(result, call.options["channel_axis"])
    made = made.reshape(-1, known.shape[1])
    assert np.isfinite(made).all()
    if np.dtype(result.dtype).str[1:] in NARROW or result.dtype == bool:
        assert (made >= known.min(axis=0)).all()
        assert (made <= known.max(axis=0)).all()
    else:
        low, high = known.min(axis=0).astype(float), known.max(axis=0).astype(float)
        # Sums of float32 numbers, and of 64-bit integers in float64, are rounded.
        slack = 1e-6 * (float(known.max()) - float(known.min()))
        assert (made.astype(float) >= low - slack).all()
        assert (made.astype(float) <= high + slack).all()


@EXAMPLES
@given(data=st.data())
def test_medians_are_values_of_the_source(data):
    call = data.draw(any_call(votes=("median",), dtypes=NARROW))
    made = channels_last(call(), call.options["channel_axis"])
    known = known_values(call)
    made = made.reshape(-1, known.shape[1])
    for channel in range(known.shape[1]):
        assert np.isin(made[:, channel], known[:, channel]).all()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def with_gaps(array):
    wide = np.zeros([2 * side for side in array.shape], array.dtype)
    wide[(slice(None, None, 2),) * array.ndim] = array
    return wide[(slice(None, None, 2),) * array.ndim]


LAYOUTS = {
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "backwards": lambda array: np.flip(np.flip(array).copy()),
    "gaps": with_gaps,
    "a larger array's rows": lambda array: np.concatenate([array, array])[: len(array)],
    "the other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
}


@EXAMPLES
@given(data=st.data())
def test_inputs_are_not_modified_whatever_their_layout(data):
    call = data.draw(any_call())
    change = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    laid_out = call.with_pictures(change)
    before = contents(laid_out)
    expected, found = call(), laid_out()
    assert contents(laid_out) == before
    np.testing.assert_array_equal(found, expected)


def contents(call):
    """The bytes of all images of a call, also those between them."""
    found = []

    def look(array):
        owner = array if array.base is None else array.base
        found.append((array.tobytes(), owner.tobytes()))
        return array

    call.with_pictures(look)
    return found


@EXAMPLES
@given(data=st.data())
def test_a_seed_means_the_same_bits_with_any_tiles_and_threads(data):
    call = data.draw(any_call())
    expected = call(threads=1)
    assert_same(call(threads=data.draw(st.integers(2, 5))), expected)
    for name in TILINGS:
        with tiled(name):
            assert_same(call(threads=data.draw(st.integers(1, 3))), expected)


def far_from_the_edit(call):
    """Pixels more than two patches from the rectangle of the mask."""
    mask, margin = call.given["mask"], 2 * call.options["patch_size"]
    near = []
    for axis, wraps in enumerate(np.broadcast_to(call.options["periodic"], 2)):
        side = mask.shape[axis]
        distances = np.abs(np.arange(side)[:, None] - np.flatnonzero(mask.any(axis=1 - axis)))
        if wraps:
            distances = np.minimum(distances, side - distances)
        near.append((distances <= margin).any(axis=1))
    return ~np.outer(*near)


@EXAMPLES
@given(data=st.data())
def test_copied_pixels_are_where_the_index_map_says(data):
    call = data.draw(any_call(votes=("copy",)))
    made = call(return_index=True)
    axis = call.options["channel_axis"]
    picture, known = channels_last(made.image, axis), known_values(call)
    again = pnn.apply_index([channels_last(source, axis) for source in call.sources], made.index)
    if call.task == "edit" and call.given["mask"] is not None:
        # What was kept has its own place, but the values of the edited image.
        kept = far_from_the_edit(call)
        assert (made.index[kept] == np.argwhere(kept) @ ((0, 1, 0), (0, 0, 1))).all()
        again[kept] = channels_last(call.given["edited"], axis)[kept]
    np.testing.assert_array_equal(picture, again)
    pixels = {pixel.tobytes() for pixel in known}
    assert {pixel.tobytes() for pixel in picture.reshape(-1, known.shape[1])} <= pixels


@EXAMPLES
@given(data=st.data())
def test_samples_are_the_same_alone_and_with_others(data):
    call = data.draw(calls("generate"))
    count, first = data.draw(st.integers(2, 4)), data.draw(st.integers(0, 5))
    number = data.draw(st.integers(0, count - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_cpu, "QUERIES_PER_SEARCH", data.draw(st.sampled_from([1, 10**6])))
        several = call(n=count, first_sample=first, return_index=True)
    alone = call(first_sample=first + number, return_index=True)
    assert len(several.image) == count
    assert_same(several.image[number], alone.image)
    assert_same(several.index[number], alone.index)


@EXAMPLES
@given(data=st.data())
def test_engines_numpy_and_numba_agree(data):
    call = data.draw(any_call(largest=9))
    one, other = (call(engine=engine, return_index=True) for engine in ("numba", "numpy"))
    assert_same(one.image, other.image)
    assert_same(one.index, other.index)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
def test_arrays_stay_in_their_library(monkeypatch):
    cupy = cupy_stand_in.install(monkeypatch)

    @EXAMPLES
    @given(data=st.data())
    def check(data):
        call = data.draw(any_call(channels=(0, 3), largest=9))
        result = call.with_pictures(cupy.asarray)()
        assert type(result) is cupy_stand_in.ndarray
        assert_same(result.host, call())

    try:
        check()
    finally:
        cupy_stand_in.forget()
