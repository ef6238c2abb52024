"""The Python side of engine `cupy`, on a strict stand-in for CuPy that runs the kernels by g++."""

import gc
import math
import re
from concurrent.futures import ThreadPoolExecutor

import cupy_stand_in
import host_cuda
import numpy as np
import pytest
from device_calls import CALLS, SMALL, check_equal

import pnncupy as pnn
from pnncupy.engine import registry
from pnncupy.kernels.protocol import SearchRequest, StepRequest
from pnncupy.search.changed_patches import DeviceSearch
from pnncupy.search.exact import SearchSettings
from pnncupy.search.patch_grid import Layout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture
def image(random):
    return random.integers(0, 256, (14, 16, 3)).astype(np.uint8)


@pytest.fixture
def mask():
    mask = np.zeros((14, 16), bool)
    mask[4:8, 5:9] = True
    return mask


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_arrays_on_the_device_give_the_same_bits_there(call, cupy, image, mask):
    expected = call(image, mask)
    check_equal(expected, call(cupy.asarray(image), cupy.asarray(mask)))


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.01, "keys": "both"}, {"vote": "median", "keys": "sharp"}]
)
def test_approximate_tasks_give_the_same_bits_too(options, cupy, image, monkeypatch):
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    options = {**SMALL, **options, "rng": 1, "method": "patchmatch"}
    check_equal(pnn.generate(image, 2, **options), pnn.generate(cupy.asarray(image), 2, **options))


def test_a_named_engine_takes_numpy_arrays_there_and_back(cupy, image):
    options = {"rng": 1, "return_index": True, "return_info": True, **SMALL}
    seen = []

    def callback(event):
        seen.append((event.render(), event.result))

    here = pnn.generate(image, **options)
    there = pnn.generate(image, engine="cupy", callback=callback, **options)
    for mine, other in ((here.image, there.image), (here.index, there.index)):
        assert type(other) is np.ndarray
        np.testing.assert_array_equal(mine, other)
    assert there.info["engine"] == "cupy"
    assert type(seen[0][0]) is np.ndarray
    np.testing.assert_array_equal(seen[-1][1].image, here.image)
    matches = pnn.nearest_patches(image, [image, image], patch_size=3, engine="cupy")
    assert type(matches) is pnn.Matches
    assert type(matches.index) is np.ndarray


def test_workers_may_search_on_their_devices(cupy, image, monkeypatch):
    monkeypatch.setattr("pnncupy.search.blocks._FEWEST_PAIRS", 0)
    expected = pnn.nearest_patches(image, image[::-1], patch_size=4, alpha=9.0)
    with ThreadPoolExecutor(1) as executor:
        options = {"patch_size": 4, "alpha": 9.0, "engine": "cupy", "executor": executor}
        found = pnn.nearest_patches(image, image[::-1], **options)
        for mine, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(mine, other)
        with pytest.raises(TypeError, match="with an `executor` arrays must be NumPy arrays"):
            pnn.nearest_patches(cupy.asarray(image), cupy.asarray(image), executor=executor)


def test_libraries_are_not_mixed(cupy, image, mask):
    device = cupy.asarray(image)
    with pytest.raises(TypeError, match="engine 'numba' takes numpy arrays, got cupy"):
        pnn.generate(device, engine="numba")
    with pytest.raises(TypeError, match="`query` numpy, `key` cupy"):
        pnn.nearest_patches(image, device)
    with pytest.raises(TypeError, match="`query` numpy, `key` cupy"):
        pnn.nearest_patches(image, device, engine="cupy")
    with pytest.raises(TypeError, match="`mask` numpy, `image` cupy"):
        pnn.inpaint(device, mask)
    with pytest.raises(TypeError, match="not allowed"):
        np.asarray(device)


def test_arrays_of_other_gpu_libraries_are_told_how_to_become_cupy(image):
    class Tensor:
        __cuda_array_interface__ = None

    with pytest.raises(TypeError, match=r"convert it with `cupy\.from_dlpack`"):
        pnn.generate(Tensor())


def test_waiting_for_compilers_is_measured(cupy, image):
    pnn.nearest_patches(cupy.asarray(image), cupy.asarray(image[::-1]), patch_size=5)
    compiled = registry.compilation_seconds()
    assert compiled > 0
    pnn.nearest_patches(cupy.asarray(image), cupy.asarray(image[::-1]), patch_size=5)
    assert registry.compilation_seconds() == compiled


def test_large_searches_are_cut_into_launches(cupy, image, monkeypatch):
    from pnncupy.kernels.cupy_raw import launch

    query = image[..., 0].astype(np.float32)
    expected = pnn.nearest_patches(query, query[::-1], patch_size=4)
    for pairs in (1, 900, 20_000):
        monkeypatch.setattr(launch, "PAIRS_PER_LAUNCH", pairs)
        found = pnn.nearest_patches(query, query[::-1], patch_size=4, engine="cupy")
        np.testing.assert_array_equal(found.index, expected.index)
        np.testing.assert_array_equal(found.score, expected.score)


def test_ticks_add_up_and_may_interrupt(cupy, image, monkeypatch):
    from pnncupy.kernels.cupy_raw import engine as cupy_raw
    from pnncupy.kernels.cupy_raw import launch

    monkeypatch.setattr(launch, "PAIRS_PER_LAUNCH", 900)
    pixels = cupy.asarray(image[None, ..., 0].astype(np.float32))
    lists = cupy.full((11, 13, 1), math.inf, np.float32), cupy.zeros((11, 13, 1), np.int32)

    def search(tick):
        cupy_raw.update_nearest(
            SearchRequest(
                pixels, pixels, 4, None, *lists, first_index=0, index_stride=16, active=None,
            ),
            threads=1, tick=tick,
        )  # fmt: skip

    ticks = []
    search(ticks.append)
    assert len(ticks) > 3
    assert sum(ticks) == (11 * 13) ** 2

    def interrupt(pairs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(interrupt)


@pytest.mark.parametrize("volumes", [False, True])
def test_steps_find_what_searches_find(volumes, cupy, random, monkeypatch):
    from pnncupy.kernels import reference
    from pnncupy.kernels.cupy_raw import engine as cupy_raw
    from pnncupy.kernels.cupy_raw import launch, nearest

    monkeypatch.setattr(nearest, "_CHUNK_COLUMNS_ACTIVE", 3)
    monkeypatch.setattr(launch, "PAIRS_PER_LAUNCH", 4_000)
    depth, size = ((6,), (2, 3, 4)) if volumes else ((), 4)
    sides = (2, 3, 4) if volumes else (4, 4)
    query = random.integers(0, 3, (2, *depth, 9, 11)).astype(np.float32)
    keys = [random.integers(0, 3, (2, *depth, *rest)).astype(np.float32)
            for rest in ((8, 12), (10, 7))]  # fmt: skip
    layout = Layout.of(keys)
    grid = tuple(pixels - side + 1 for pixels, side in zip(query.shape[1:], sides, strict=True))
    needed = random.random(grid) < 0.8
    ticks = []
    steps = cupy_raw.step_search(
        StepRequest(
            [cupy.asarray(key) for key in keys], cupy.asarray(layout.stack(keys)),
            layout.first_indices, layout.width, layout.slice_stride, size, cupy.asarray(needed),
        ),
        tick=ticks.append,
    )  # fmt: skip
    for _ in range(3):
        score, index = np.full((*grid, 1), np.inf, np.float32), np.full((*grid, 1), -1, np.int32)
        for key, first in zip(keys, layout.first_indices, strict=True):
            reference.update_nearest(
                SearchRequest(
                    query, key, size, None, score, index, layout.width, first, needed,
                    slice_stride=layout.slice_stride,
                ),
                threads=1, tick=lambda pairs: None,
            )  # fmt: skip
        found = steps.search(cupy.asarray(query))
        np.testing.assert_array_equal(found.host, np.where(needed, index[..., 0], 0))
        query = query.copy()
        query[..., 5, 6] = 2 - query[..., 5, 6]
        query[:, ..., 0, 0] = -0.0
    assert not steps.missing()
    assert sum(ticks) == 3 * np.prod(grid) * layout.patch_count(size)


def test_steps_say_where_a_key_is_missing(cupy, image):
    from pnncupy.kernels.cupy_raw import engine as cupy_raw

    query = cupy.asarray(image[None, ..., 0].astype(np.float32))
    nothing = cupy.full((1, 14, 16), np.inf, np.float32)
    steps = cupy_raw.step_search(
        StepRequest([nothing], nothing, [0], 16, 0, 3), tick=lambda pairs: None
    )
    assert not steps.search(query).host.any()
    assert steps.missing()
    settings = SearchSettings(cupy_raw, 3, 1, math.inf, 1)
    search = DeviceSearch(settings, [nothing], Layout.of([nothing]), None)
    search.search(query)
    with pytest.raises(ValueError, match="no finite patch distance"):
        search.check()


def test_every_search_of_a_level_is_checked(cupy, image, monkeypatch):
    made, checked = [], []
    begin, check = DeviceSearch.__init__, DeviceSearch.check
    monkeypatch.setattr(
        DeviceSearch, "__init__", lambda *given: (made.append(given[0]), begin(*given))[1]
    )
    monkeypatch.setattr(DeviceSearch, "check", lambda own: (checked.append(own), check(own))[1])
    # Below the coarsest level the first step has blurred keys, and the others sharp ones.
    pnn.generate(cupy.asarray(image), rng=1, patch_size=3, levels=1, iterations=3, keys="sharp")
    assert len(made) == 3
    assert checked == made


@pytest.mark.parametrize("p", [2, 7, 15])
def test_sizes_beyond_a_device_are_refused_with_the_limit(p, cupy):
    from pnncupy.kernels.cupy_raw import sources

    image = np.zeros((p, p + 1, 900), np.float32)
    with pytest.raises(ValueError, match=r"at most [0-9]+ channels with `patch_size`") as refused:
        pnn.nearest_patches(image, image, patch_size=p, engine="cupy", channel_axis=-1)
    most = int(re.search(r"at most (\d+)", str(refused.value))[1])
    assert most >= 64
    sources.check_limits(p, most)
    with pytest.raises(ValueError, match=f"at most {most} channels"):
        sources.check_limits(p, most + 1)


def test_patches_beyond_a_device_are_refused_with_the_limit(cupy):
    image = np.zeros((40, 40), np.float32)
    for method in ("exact", "patchmatch"):
        with pytest.raises(ValueError, match="`patch_size` must be at most 31, got 32"):
            pnn.nearest_patches(image, image, patch_size=32, engine="cupy", method=method)


@pytest.fixture
def memory(cupy, monkeypatch):
    """The device's memory; limits hold for one test."""
    registry.check("cupy")
    memory = cupy_stand_in.memory
    monkeypatch.setattr(memory, "limit", math.inf)
    monkeypatch.setattr(memory, "failing", None)
    return memory


def needed(memory, call):
    """Result of a call, and the most memory that it took beyond what was taken before."""
    gc.collect()
    memory.peak = before = memory.used
    result = call()
    return result, memory.peak - before


@pytest.mark.exhaustive
def test_memory_grows_with_the_number_of_pixels(cupy, memory, random):
    per_pixel = []
    for height, width in ((24, 32), (48, 64)):
        image = cupy.asarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8))
        _, search = needed(memory, lambda i=image: pnn.nearest_patches(i, i, alpha=0.1))
        _, task = needed(memory, lambda i=image: pnn.generate(i, iterations=1, levels=1))
        per_pixel.append((search / (height * width), task / (height * width)))
    (small_search, small_task), (search, task) = per_pixel
    assert search < 1.2 * small_search < 80
    assert task < 1.2 * small_task < 240


def test_searches_go_on_with_fewer_rows_where_memory_is_short(cupy, memory, image, monkeypatch):
    from pnncupy.kernels.cupy_raw import nearest

    query = image.astype(np.float32)
    mask = random_mask(image)
    monkeypatch.setattr(nearest, "_CHUNK_COLUMNS", 5)
    bands = []
    run = nearest.run_flat
    monkeypatch.setattr(
        nearest, "run_flat", lambda *given: (bands.append(given[-1] // 14), run(*given))
    )
    expected, _ = pnn.nearest_patches(query, query[::-1], patch_size=3, key_mask=mask)

    class OneRow:
        """Refuses words for more than `rows` rows of patches."""

        def __init__(self, rows):
            self.rows = rows

        def __call__(self, shape, dtype):
            if shape[0] > self.rows:
                raise cupy_stand_in.OutOfMemoryError("Out of memory allocating 1 bytes")
            return cupy_stand_in.wrapped(np.empty(shape, dtype))

    for rows, largest in ((100, 12), (11, 6), (2, 1), (1, 1)):
        bands.clear()
        monkeypatch.setattr(cupy, "empty", OneRow(rows), raising=False)
        found, _ = pnn.nearest_patches(
            query, query[::-1], patch_size=3, key_mask=mask, engine="cupy"
        )
        np.testing.assert_array_equal(found, expected)
        assert max(bands) == largest
    monkeypatch.setattr(cupy, "empty", OneRow(0), raising=False)
    with pytest.raises(MemoryError, match=r"about 0\.\d+ MB are needed .*engine='numba'"):
        pnn.nearest_patches(query, query[::-1], patch_size=3, engine="cupy")


def random_mask(image):
    return np.random.default_rng(3).random(image.shape[:2]) > 0.02


def test_fewer_samples_are_made_together_where_memory_is_short(cupy, memory, image):
    device = cupy.asarray(image)

    def samples(count):
        return pnn.generate(device, count, rng=1, return_index=True, **SMALL)

    expected, all_together = needed(memory, lambda: samples(5))
    _, one = needed(memory, lambda: samples(1))
    assert all_together > 1.5 * one
    gc.collect()
    memory.limit = memory.used + all_together - 1
    made = samples(5)
    for mine, other in ((made.image, expected.image), (made.index, expected.index)):
        np.testing.assert_array_equal(mine.host, other.host)
    memory.limit = memory.used + one // 2
    with pytest.raises(MemoryError, match=r"the device has too little memory.*MB are needed"):
        samples(5)


def test_a_limit_of_memory_is_refused_where_it_would_not_hold(cupy, memory, image, monkeypatch):
    device = cupy.asarray(image)
    pnn.generate(device, rng=1, max_memory="1 GB", **SMALL)
    monkeypatch.setattr(cupy.cuda, "get_allocator", lambda: lambda size: None)
    pnn.generate(device, rng=1, **SMALL)
    for given, options in ((device, {}), (image, {"engine": "cupy"})):
        with pytest.raises(ValueError, match=r"`max_memory` must be None.*set_allocator"):
            pnn.generate(given, rng=1, max_memory="1 GB", **SMALL, **options)


TINY = {"patch_size": 3, "iterations": 1, "coarse_iterations": 1, "levels": 1}
NEAR = {"patch_size": 3, "method": "patchmatch", "rounds": 1}
TINY_CALLS = {
    "generate": lambda i, m: pnn.generate(i, 2, rng=1, return_index=True, **TINY),
    "generate, alpha": lambda i, m: pnn.generate(i, rng=1, alpha=0.01, return_index=True, **TINY),
    "retarget": lambda i, m: pnn.retarget(i, (7, 6), return_index=True, **TINY),
    "inpaint": lambda i, m: pnn.inpaint(i, m, fill="mean", return_index=True, **TINY),
    "near": lambda i, m: pnn.nearest_patches(i, i[::-1], **NEAR),
    "near, alpha": lambda i, m: pnn.nearest_patches(i, i[::-1], alpha=9.0, **NEAR),
    "near, moved": lambda i, m: pnn.nearest_patches(i.host, i.host[::-1], engine="cupy", **NEAR),
}


@pytest.mark.parametrize("call", TINY_CALLS.values(), ids=TINY_CALLS)
@pytest.mark.exhaustive
def test_each_allocation_may_fail_once(call, cupy, memory, random):
    image = cupy.asarray(random.integers(0, 256, (7, 8)).astype(np.uint8))
    mask = cupy.asarray(np.pad(np.ones((2, 2), bool), ((4, 1), (3, 3))))
    expected = on_the_host(call(image, mask))
    memory.allocations = 0
    call(image, mask)
    count = memory.allocations
    survived, messages = 0, []
    for number in range(1, count + 1):
        memory.allocations, memory.failing = 0, number
        try:
            found = call(image, mask)
            survived += 1
        except (MemoryError, pnn.EngineUnavailable) as error:
            messages.append(str(error))
            memory.failing = None
            found = call(image, mask)
        assert memory.allocations >= number
        for mine, other in zip(expected, on_the_host(found), strict=True):
            np.testing.assert_array_equal(mine, other)
    if call is TINY_CALLS["generate"]:  # samples that are made together can be made one by one
        assert survived > 100
    assert len(messages) > 30
    assert all("the device has too little memory" in message for message in messages)
    assert all("MB are needed" in message for message in messages)


def on_the_host(results):
    """The arrays of a result or of matches, as NumPy arrays."""
    return [
        each.host.copy() if isinstance(each, cupy_stand_in.ndarray) else each for each in results
    ]


def test_what_a_callback_sees_of_samples_made_together(cupy, image):
    device = cupy.asarray(image)
    expected = pnn.generate(image, 3, rng=1, **SMALL)
    seen = []
    pnn.generate(device, 3, rng=1, callback=seen.append, **SMALL)
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    finished = [event for event in seen if event.result is not None]
    assert [event.sample for event in finished] == [0, 1, 2]
    for event, picture in zip(finished, expected, strict=True):
        np.testing.assert_array_equal(event.result.image.host, picture)
        np.testing.assert_array_equal(event.render().host, picture)


@pytest.mark.parametrize("kernel", ["update_nearest", "pack_matches", "vote_mean"])
def test_failed_launches_are_explained(kernel, cupy, image, monkeypatch):
    device = cupy.asarray(image)
    registry.check("cupy")
    monkeypatch.setattr(cupy_stand_in.RawModule, "failing", kernel)
    for given, options in ((device, {}), (image, {"engine": "cupy"})):
        with pytest.raises(pnn.EngineUnavailable, match="CUDA error: cudaErrorLaunchFailure"):
            pnn.pnn_step(given, given, given, **options)


def test_arrays_stay_on_their_device(cupy, image):
    first, second = cupy.asarray(image), cupy.asarray(image)
    second.device = cupy_stand_in.Device(1)
    with pytest.raises(ValueError, match=r"must lie on one device, got devices \[0, 1\]"):
        pnn.nearest_patches(first, second)
    assert pnn.nearest_patches(second, second).index.device.id == 1
    assert cupy_stand_in.Device.current == 0
