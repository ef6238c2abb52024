"""Results and sources that wrap around: against plain loops, rolled calls, and at the seams."""

import math
from concurrent.futures import ThreadPoolExecutor

import cupy_stand_in
import host_cuda
import naive
import numpy as np
import pytest

import pnncupy as pnn
import pnncupy.search.blocks
import pnncupy.search.method
from pnncupy.images.continuation import smooth_continuation
from pnncupy.images.pyramid import planes_pyramid
from pnncupy.samples import load_sample
from pnncupy.search.patch_grid import PatchGrid
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.tiled_guess import tiled_guess
from pnncupy.tasks.cost_estimate import estimate
from pnncupy.tasks.editing import near
from pnncupy.tasks.hole_starts import HoleWidths

AXES = [(True, True), (True, False), (False, True)]
CPU = pytest.mark.parametrize("engine", ["numpy", "numba"])
ROLLED = pytest.mark.parametrize("periodic", AXES, ids=["both", "rows", "columns"])
SHORT = {"patch_size": 3, "iterations": 3, "levels": 0}


@pytest.fixture
def approximate(monkeypatch):
    """Searches of any size are approximate where the method is."""
    monkeypatch.setattr(pnncupy.search.method, "EXACT_BELOW", 0)


def move(periodic):
    """A roll of images (H, W, ...) along the periodic axes."""
    shifts = tuple(5 * wraps for wraps in periodic)
    return lambda image: np.roll(image, shifts, axis=(0, 1))


def gradients(image, axis):
    """Mean absolute difference of neighbours along an axis: at the seam, and inside."""
    values = np.moveaxis(np.asarray(image, float), axis, 0)
    steps = np.abs(values - np.roll(values, 1, axis=0)).reshape(len(values), -1).mean(axis=1)
    return steps[0], steps[1:]


def has_seam(image, axis):
    seam, inside = gradients(image, axis)
    return seam > inside.max()


# Resizing


@pytest.mark.parametrize("periodic", AXES)
@pytest.mark.parametrize(
    ("shape", "scales", "new_shape"),
    [((9, 7), (0.75, 0.75), (7, 6)), ((5, 8), (2.0, 1.3), (11, 10)), ((12, 3), (0.2, 0.3), (3, 1)),
     ((2, 3), (1.0, 1.0), (2, 5))],
)  # fmt: skip
def test_periodic_resizing_equals_the_oracle(shape, scales, new_shape, periodic, random):
    image = random.random(shape)
    found = pnn.resize(image, scales, new_shape, periodic=periodic)
    np.testing.assert_allclose(
        found, naive.resize(image, scales, new_shape, periodic), atol=1e-5
    )  # fmt: skip


def test_samples_are_as_far_apart_at_the_seam_as_elsewhere():
    # 22 pixels at 3/4 are 17 samples: the nominal distance would shift a wave at the seam.
    wave = np.sin(2 * np.pi * np.arange(22) / 22)[:, None] * np.ones(5)
    centres = (np.arange(17) + 0.5) * 22 / 17 - 0.5
    expected = np.sin(2 * np.pi * centres / 22)
    (_, small) = pnn.pyramid(wave, 1, periodic=(True, False))
    np.testing.assert_allclose(small[:, 0], expected, atol=0.01)
    large = pnn.resize(small, 4 / 3, wave.shape, periodic=(True, False))
    np.testing.assert_allclose(large, wave, atol=0.02)
    assert np.abs(pnn.pyramid(wave, 1)[1][:, 0] - expected).max() > 0.02


def test_a_pyramid_with_a_mask_wraps_around(random):
    known = np.ones((16, 12), bool)
    known[[0, 1, 15]] = False
    image = random.random((16, 12))
    moved, lower = (
        pnn.inpaint(
            np.roll(image, shift, axis=0), ~np.roll(known, shift, axis=0), fill="smooth", rng=0,
            periodic=True, source_periodic=True, downscale=2, levels=1, patch_size=3, iterations=1,
        )
        for shift in (4, 0)
    )  # fmt: skip
    np.testing.assert_allclose(moved, np.roll(lower, 4, axis=0), atol=1e-5)


# PNN steps


@pytest.mark.parametrize(
    ("periodic", "source_periodic"),
    [((True, True), (False, False)), ((True, False), (False, True)), ((False, False), (True, True)),
     ((True, True), (True, True))],
)  # fmt: skip
@pytest.mark.parametrize("alpha", [math.inf, 0.02])
def test_periodic_steps_equal_the_oracle(periodic, source_periodic, alpha, engine, random):
    query, key = random.random((2, 7, 6)), random.random((2, 6, 8))
    value, mask = random.random((2, 6, 8)), np.ones((6, 8), bool)
    mask[2, 3] = False
    given = {"alpha": alpha, "periodic": periodic, "source_periodic": source_periodic}
    found = pnn.pnn_step(
        query, key, value, patch_size=3, key_mask=mask, channel_axis=0, engine=engine, **given
    )
    np.testing.assert_allclose(
        found, naive.periodic_step(query, key, value, 3, mask=mask, **given), atol=1e-5
    )  # fmt: skip


@CPU
@ROLLED
@pytest.mark.parametrize("vote", ["weighted_mean", "trimmed_mean", "copy"])
@pytest.mark.parametrize("alpha", [math.inf, 0.01])
def test_a_rolled_query_gives_the_rolled_step(periodic, vote, alpha, engine, random):
    query, source = random.random((20, 17, 3)), random.random((16, 19, 3))
    roll = move(periodic)

    def step(image):
        return pnn.pnn_step(
            image, source, source, periodic=periodic, vote=vote, alpha=alpha, engine=engine,
            patch_size=5,
        )  # fmt: skip

    np.testing.assert_array_equal(step(roll(query)), roll(step(query)))


def test_a_patch_may_be_as_large_as_a_periodic_image(random):
    image = random.random((4, 5))
    made = pnn.pnn_step(image, image, image, patch_size=4, periodic=True, source_periodic=True)
    np.testing.assert_allclose(made, image, atol=1e-6)


# Tasks with everything rolled


def rolled_calls(random):
    """Calls by name, as functions of a roll: all that is on the result's pixels is rolled."""
    image, other = random.random((20, 23, 3)), random.random((18, 26, 3))
    guess, layer = random.random((20, 23, 3)), random.random((20, 23))
    labels = random.integers(0, 3, (20, 23)).astype(np.int16)
    hole = np.zeros((20, 23), bool)
    hole[[0, 1, 19], 4:9] = True
    edited = np.roll(image, 7, axis=1)
    wide = np.zeros((20, 23), bool)
    wide[:2, 20:] = True
    both = {"source_periodic": True, **SHORT}
    yield "guess", lambda roll, **given: pnn.generate(image, initial_guess=roll(guess), **given)
    yield (
        "alpha",
        lambda roll, **given: pnn.generate(
            image, initial_guess=roll(guess), alpha=0.01, keys="both", **given
        ),
    )
    yield (
        "sources",
        lambda roll, **given: pnn.generate(
            [image, other], initial_guess=roll(guess), source_periodic=(False, True), **given
        ),
    )
    yield (
        "weights",
        lambda roll, **given: pnn.generate(
            image, initial_guess=roll(guess), channel_weights="std", vote="median", **given
        ),
    )
    yield (
        "guides",
        lambda roll, **given: pnn.generate(
            image,
            initial_guess=roll(guess),
            guides=[(layer, roll(layer.T[:20, :20].repeat(2, 1)[:, :23]), 0.5)],
            **given,
        ),
    )
    yield (
        "labels",
        lambda roll, **given: pnn.analogy(labels, roll(labels[::-1]), categorical=True, **given),
    )
    yield (
        "plain search",
        lambda roll, **given: pnn.generate(
            image, initial_guess=roll(guess), incremental=False, **given
        ),
    )
    yield (
        "inpaint",
        lambda roll, **given: pnn.inpaint(
            roll(image), roll(hole), fill=roll(guess), **both, **given
        ),
    )
    yield (
        "edit",
        lambda roll, **given: pnn.edit(roll(image), roll(edited), mask=roll(wide), **both, **given),
    )
    yield (
        "retarget",
        lambda roll, **given: pnn.retarget(
            roll(image), image.shape[:2], gradual=False, coarse_iterations=2, **both, **given
        ),
    )


NAMES = [name for name, _ in rolled_calls(np.random.default_rng(0))]


@CPU
@pytest.mark.parametrize("name", NAMES)
def test_rolled_calls_give_the_rolled_result(name, engine, random):
    call = dict(rolled_calls(random))[name]
    own = {} if name in ("inpaint", "edit", "retarget") else SHORT
    for periodic in AXES[:1] if name not in ("guess", "alpha") else AXES:
        given = {"periodic": periodic, "engine": engine, **own}
        plain, rolled = (call(each, **given) for each in (lambda image: image, move(periodic)))
        np.testing.assert_array_equal(rolled, move(periodic)(plain))


@CPU
def test_index_maps_of_rolled_calls_are_rolled(engine, random):
    image, guess = random.random((15, 17)), random.random((15, 17))
    given = {**SHORT, "periodic": True, "return_index": True, "engine": engine, "vote": "copy"}
    roll = move((True, True))
    plain = pnn.generate(image, initial_guess=guess, **given)
    rolled = pnn.generate(image, initial_guess=roll(guess), **given)
    np.testing.assert_array_equal(rolled.index, roll(plain.index))
    np.testing.assert_array_equal(pnn.apply_index(image, rolled.index), rolled.image)
    assert has_neighbours_across_the_border(plain.index)


def has_neighbours_across_the_border(index):
    """Some patch passes over the border: neighbours there are neighbours in the source."""
    moves = index - np.roll(index, 1, axis=0)
    return bool((moves[0] == [0, 1, 0]).all(axis=-1).any())


# Index maps


@pytest.mark.parametrize("vote", ["weighted_mean", "copy"])
def test_index_maps_point_into_sources_that_wrap_around(vote, random):
    sources = [random.random((12, 14)), random.random((16, 11))]
    made = pnn.generate(
        sources, rng=2, periodic=True, source_periodic=True, return_index=True, return_info=True,
        vote=vote, patch_size=4, iterations=3,
    )  # fmt: skip
    for number, source in enumerate(sources):
        places = made.index[made.index[..., 0] == number][:, 1:]
        assert (places >= 0).all()
        assert (places < source.shape).all()
    assert made.info["periodic"] == made.info["source_periodic"] == [True, True]
    rendered = pnn.apply_index(sources, made.index)
    if vote == "copy":
        np.testing.assert_array_equal(rendered, made.image)
    steps = made.index - np.roll(made.index, 1, axis=1)
    # Somewhere the border of a source is passed.
    assert (np.abs(steps[..., 2]) == np.array([13, 10])[made.index[..., 0]]).any()


def test_a_tile_stays_what_it_is_where_its_borders_are_known(random):
    tile = random.integers(0, 256, (16, 18)).astype(np.uint8)
    given = {"patch_size": 4, "levels": 1, "iterations": 2, "vote": "copy", "downscale": 2}
    given["keys"] = "sharp"
    twice = pnn.retarget(
        tile, (16, 36), periodic=True, source_periodic=True, gradual=False, alpha=math.inf,
        initial_guess=pnn.pyramid(np.tile(tile, (1, 2)) / 255, 1, 2, periodic=True)[1], **given,
    )  # fmt: skip
    np.testing.assert_array_equal(twice, np.tile(tile, (1, 2)))
    moved = pnn.edit(
        tile, np.roll(tile, 8, axis=0), periodic=True, source_periodic=True, **given
    )  # fmt: skip
    np.testing.assert_array_equal(moved, np.roll(tile, 8, axis=0))


# Seams


def textures():
    """Small textures by name."""
    random = np.random.default_rng(8)
    rows, columns = np.indices((36, 40))
    noise = random.random((36, 40)).astype(np.float32)
    blurred = pnn.resize(random.random((12, 14)), 3, (36, 40))
    return {
        "gravel": load_sample("gravel")[:36, :40],
        "fur": load_sample("chelsea")[40:76, 150:190],
        "waves": np.sin(0.4 * rows + 0.3 * columns + 0.3 * noise).astype(np.float32),
        "blobs": (blurred > 0.5) + 0.2 * noise,
    }


TEXTURES = textures()
SLOPE = np.add.outer(3.0 * np.arange(36), 2.0 * np.arange(40))
FAST = {"iterations": 3, "patch_size": 5, "rng": 3}


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("method", ["exact", "patchmatch"])
def test_periodic_results_have_no_seam(name, method, approximate):
    for periodic in AXES:
        made = pnn.generate(TEXTURES[name], periodic=periodic, method=method, **FAST)
        for axis in (0, 1):
            assert not (periodic[axis] and has_seam(made, axis)), (periodic, axis)


def test_axes_that_are_free_have_a_seam():
    made = [pnn.generate(image, **FAST) for image in TEXTURES.values()]
    assert sum(has_seam(each, axis) for each in made for axis in (0, 1)) >= 6
    one = pnn.generate(SLOPE, periodic=(True, False), **FAST)
    assert (has_seam(one, 0), has_seam(one, 1)) == (False, True)


def test_the_cross_of_a_cut_tile_is_not_in_the_spectrum():
    def cross(image):
        """Energy on the axes of the spectrum, away from its middle, over that beside them."""
        power = np.abs(np.fft.fft2(image.astype(float))) ** 2
        rows = slice(6, -6)
        return power[rows, 0].mean() / power[rows, 2:5].mean()

    image = SLOPE
    cut, periodic = (pnn.generate(image, periodic=each, **FAST) for each in (False, True))
    assert cross(cut) > 20
    assert cross(periodic) < 3


def test_approximate_results_are_deterministic(approximate, random):
    image = random.random((20, 22))
    given = {"periodic": True, "method": "patchmatch", "rng": 5, "patch_size": 3, "iterations": 3}
    for alpha in (math.inf, 0.02):
        made = [
            pnn.generate(image, alpha=alpha, engine=engine, threads=threads, **given)
            for engine, threads in (("numba", 1), ("numba", 2), ("numpy", 1))
        ]
        for other in made[1:]:
            np.testing.assert_array_equal(made[0], other)


def test_approximate_searches_ask_neighbours_across_the_border(approximate, random):
    image = random.random((40, 41))
    start = np.roll(image, (7, 11), axis=(0, 1))
    given = {"method": "patchmatch", "patch_size": 4, "levels": 0, "iterations": 1, "rng": 1}
    made = pnn.generate(
        image, initial_guess=start, periodic=True, source_periodic=True, return_index=True, **given
    )
    rows, columns = np.indices(image.shape)
    found = (made.index[..., 1] == (rows - 7) % 40) & (made.index[..., 2] == (columns - 11) % 41)
    assert found.mean() > 0.95


@pytest.mark.parametrize("independent", [True, False])
def test_realisations_of_a_batch_are_those_of_single_calls(independent):
    given = {"periodic": True, "independent": independent, **FAST}
    several = pnn.generate(TEXTURES["gravel"], 2, **given)
    single = pnn.generate(TEXTURES["gravel"], 1, first_sample=1, **given)
    np.testing.assert_array_equal(several[1], single[0])
    assert not any(has_seam(each, axis) for each in several for axis in (0, 1))


@pytest.mark.parametrize(
    "call",
    [
        lambda image, **given: pnn.retarget(image, (46, 36), gradual=True, **given),
        lambda image, **given: pnn.retarget(image, (46, 36), gradual=False, **given),
        lambda image, **given: pnn.collage([image, image[:40]], coarse_iterations=3, **given),
        lambda image, **given: pnn.collage([image, image], (40, 50), gradual=True, **given),
        lambda image, **given: pnn.analogy(image, image[::-1, :50].copy(), alpha=math.inf, **given),
        lambda image, **given: pnn.edit(image, np.roll(image, 9, axis=0), **given),
    ],
    ids=["gradual", "retarget", "collage", "gradual collage", "analogy", "edit"],
)
def test_results_of_other_tasks_wrap_around(call):
    made = call(TEXTURES["gravel"], periodic=True, patch_size=5, iterations=2)
    assert not has_seam(made, 0)
    assert not has_seam(made, 1)


# Holes


def test_holes_are_connected_across_periodic_borders():
    hole = np.zeros((14, 16), bool)
    hole[[0, 1, 12, 13], :3] = hole[[0, 1, 12, 13], 14:] = True
    hole[6, 6:9] = True
    assert HoleWidths.of(hole, 7, 0.75).squares == (2, 2, 1, 2, 2)
    for periodic in AXES:
        widths = HoleWidths.of(hole, 7, 0.75, periodic)
        assert widths.squares == {(True, True): (4, 1), (True, False): (3, 2, 1)}.get(
            periodic, (2, 1, 2)
        )
        moved = HoleWidths.of(np.roll(hole, (5, 5), axis=(0, 1)), 7, 0.75, (True, True))
        assert sorted(moved.squares) == [1, 4]
        rolled = np.roll(widths.labels > 0, (5, 5), axis=(0, 1))
        np.testing.assert_array_equal(rolled, moved.labels > 0)
    inner = HoleWidths.of(hole, 4, 0.75, (True, True)).interior(1)
    middle = HoleWidths.of(np.roll(hole, (5, 5), axis=(0, 1)), 4, 0.75).interior(1)
    np.testing.assert_array_equal(np.roll(inner, (5, 5), axis=(0, 1)), middle)
    np.testing.assert_array_equal(
        np.roll(near(hole, [3, 3], (True, True)), (5, 5), axis=(0, 1)),
        near(np.roll(hole, (5, 5), axis=(0, 1)), [3, 3], (True, True)),
    )


def test_a_smooth_continuation_passes_over_periodic_borders():
    rows, columns = np.indices((24, 20))
    wave = (np.sin(2 * np.pi * rows / 24) + np.cos(2 * np.pi * columns / 20))[None]
    hole = np.zeros((24, 20), bool)
    hole[[22, 23, 0, 1, 2], :4] = hole[[22, 23, 0, 1, 2], 17:] = True
    image = np.where(hole, 0, wave).astype(np.float32)
    across = smooth_continuation(image, hole, (True, True))
    assert np.abs(across - wave).max() < 0.05
    assert np.abs(smooth_continuation(image, hole) - wave).max() > 0.1
    moved = smooth_continuation(
        np.roll(image, (9, 8), axis=(1, 2)), np.roll(hole, (9, 8), axis=(0, 1))
    )
    np.testing.assert_allclose(np.roll(across, (9, 8), axis=(1, 2)), moved, atol=1e-5)


@pytest.mark.parametrize("fill", ["smooth", "mean", "noise"])
@pytest.mark.parametrize("source_periodic", [False, True])
def test_a_hole_at_the_border_is_filled_across_it(fill, source_periodic):
    tile = pnn.generate(TEXTURES["gravel"], periodic=True, **FAST)
    hole = np.zeros(tile.shape, bool)
    hole[:8, 20:40] = hole[-8:, 20:40] = True
    made = pnn.inpaint(
        np.where(hole, 0, tile).astype(np.uint8), hole, fill=fill, periodic=True, rng=0,
        source_periodic=source_periodic, iterations=3, patch_size=5, return_index=True,
    )  # fmt: skip
    np.testing.assert_array_equal(made.image[~hole], tile[~hole])
    rows, columns = np.indices(tile.shape)
    itself = np.stack([0 * rows, rows, columns], axis=-1)
    np.testing.assert_array_equal(made.index[~hole], itself[~hole])
    assert not hole[*np.moveaxis(made.index, -1, 0)[1:]].any()
    seam, inside = gradients(made.image[:, 20:40], 0)
    assert seam < 1.5 * inside.max()
    assert not has_seam(made.image, 0)


# Random tiles


def test_tiles_pass_over_periodic_borders(random):
    source = np.arange(1, 15 * 17 + 1, dtype=np.float32).reshape(1, 15, 17)
    for seed in range(5):
        made = tiled_guess(
            [Source([source], [])], (31, 28), 5, np.random.default_rng(seed), (True, True),
            (True, True),
        )  # fmt: skip
        rows, columns = np.divmod(made[0].astype(int) - 1, 17)
        # Of a uniform grid of tiles of 8 x 8, cut once along each axis: so many begin in a line.
        for axis, places, period in ((0, rows, 15), (1, columns, 17)):
            steps = (places - np.roll(places, 1, axis=axis)) % period
            begun = (steps != 1).any(axis=1 - axis).sum()
            assert begun <= 4
    plain = [
        tiled_guess([Source([source], [])], (31, 28), 5, np.random.default_rng(2), periodic)
        for periodic in ((), (False, False))
    ]
    np.testing.assert_array_equal(*plain)


# Checkpoints, memory, estimates, executors


def test_checkpoints_know_the_periodic_axes(tmp_path, random):
    image, file = random.random((16, 18)), tmp_path / "state"
    given = {"rng": 1, "patch_size": 3, "iterations": 2, "checkpoint": file, "levels": 2}

    def stop(event):
        return not (event.finished and event.level == 1)

    whole = pnn.generate(image, periodic=(True, False), **{**given, "checkpoint": None})
    with pytest.raises(pnn.Cancelled):
        pnn.generate(image, periodic=(True, False), callback=stop, **given)
    for other in (
        {}, {"periodic": True}, {"periodic": (True, False), "source_periodic": (False, True)},
    ):  # fmt: skip
        with pytest.raises(pnn.CheckpointError, match="does not fit"):
            pnn.generate(image, **other, **given)
    again = pnn.generate(image, periodic=(True, False), **given)
    np.testing.assert_array_equal(again, whole)


def test_memory_and_estimates_count_what_is_wrapped(random):
    image = random.random((24, 26))
    given = {"iterations": 1, "patch_size": 7, "rng": 0}
    needed = []
    for wraps in (False, True):
        with pytest.raises(MemoryError, match="must be at least") as refused:
            pnn.generate(image, periodic=wraps, source_periodic=wraps, max_memory="1K", **given)
        needed.append(refused.value.args[0])
    assert needed[0] != needed[1]
    for periodic in (True, (True, False)):
        cost = estimate(pnn.generate, {"image": image, "periodic": periodic, **given})
        assert cost.pairs > estimate(pnn.generate, {"image": image, **given}).pairs


def test_workers_share_periodic_searches(monkeypatch, random):
    monkeypatch.setattr(pnncupy.search.blocks, "_FEWEST_PAIRS", 0)
    image = random.random((18, 20))
    given = {"periodic": True, "rng": 4, "patch_size": 3, "iterations": 2, "source_periodic": True}
    with ThreadPoolExecutor(2) as executor:
        shared = pnn.generate(image, executor=executor, engine="numba", **given)
    np.testing.assert_array_equal(shared, pnn.generate(image, engine="numba", **given))


# Wrong calls


@pytest.mark.parametrize("name", ["periodic", "source_periodic"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1, TypeError, "must be True or False, or one of these for each axis, got 1 of type int"),
        ("rows", TypeError, "must be True or False, or one of these for each axis, got 'rows'"),
        (None, TypeError, "or one of these for each axis, got None"),
        ([1, 0], TypeError, "must be True or False, got 1"),
        ((True,), ValueError, r"for each of the 2 axes of the image, got \(True,\)"),
        ((True, False, True), ValueError, "for each of the 2 axes .* channels do not count"),
        (np.ones((2, 2), bool), TypeError, "or one of these for each axis"),
    ],
)
def test_wrong_axes_are_refused(name, value, error, message, random):
    image = random.random((12, 13))
    calls = [
        lambda **given: pnn.generate(image, **given),
        lambda **given: pnn.pnn_step(image, image, image, **given),
    ]
    for call in calls:
        with pytest.raises(error, match=f"`{name}` {message}" if message[0] == "m" else message):
            call(**{name: value})


def test_sides_smaller_than_a_patch_are_refused(random):
    image = random.random((12, 13))
    with pytest.raises(ValueError, match=r"`shape` must be \(height, width\), .* at least 7"):
        pnn.generate(image, shape=(5, 20), periodic=True)
    with pytest.raises(ValueError, match="`image` must be at least `patch_size` = 7 pixels"):
        pnn.generate(image[:5], shape=(20, 20), source_periodic=True)


def test_arrays_of_flags_and_numbers_of_numpy_are_taken(random):
    image = random.random((12, 13))
    given = {"rng": 0, "patch_size": 3, "iterations": 1}
    expected = pnn.generate(image, periodic=(True, False), **given)
    for same in (np.array([True, False]), [True, np.False_]):
        np.testing.assert_array_equal(pnn.generate(image, periodic=same, **given), expected)


def test_an_image_that_does_not_wrap_has_the_same_pyramid(random):
    planes = random.random((2, 13, 17)).astype(np.float32)
    for one, other in zip(
        planes_pyramid(planes, 3, 0.75), planes_pyramid(planes, 3, 0.75, (False, False)),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_wide_fields_and_images_of_a_grid(random):
    grid = PatchGrid((6, 7), (3, 3), (True, False))
    image = random.random((2, 6, 7))
    assert grid.wrapped(image, 4).shape[1:] == grid.wrapped_shape(4) == (6 + 2 + 8, 7)
    field = random.integers(0, 9, grid.shape)
    assert grid.widened(field, 4).shape == (14, 5)
    np.testing.assert_array_equal(grid.narrowed(grid.widened(field, 4), 4), field)
    np.testing.assert_array_equal(grid.inner(grid.outer(image)), image)
    assert grid.covering(field).shape == (8, 5)


# Other programs


def test_a_periodic_cell_of_labels_opens_in_damask(tmp_path, random):
    damask = pytest.importorskip("damask", reason="damask is not installed")
    phases = np.digitize(TEXTURES["gravel"], [90, 130])
    cell = pnn.generate(phases, periodic=True, categorical=True, **FAST)
    size = (40e-6, 36e-6, 1e-6)
    damask.GeomGrid(cell.T[:, :, np.newaxis], size=size).save(tmp_path / "cell")
    found = damask.GeomGrid.load(tmp_path / "cell.vti")
    np.testing.assert_array_equal(found.material[:, :, 0].T, cell)
    np.testing.assert_allclose(found.size, size)


def test_rolled_copies_are_synthesised_again(random, monkeypatch):
    image = random.integers(0, 256, (30, 33)).astype(np.uint8)
    rolled = np.roll(image, (13, 15), axis=(0, 1)) / 255
    given = {"return_info": True, "distinct": True, "levels": 0, "iterations": 1, "rng": 0}
    given |= {"independent": False, "noise_std": 0, "patch_size": 4}
    for source_periodic in (False, True):
        made = pnn.generate(
            image, periodic=True, source_periodic=source_periodic, initial_guess=rolled, **given
        )
        assert "remade" in made.info["samples"][0]
    # By their values too, where an index map that jumps between equal pixels does not tell.
    monkeypatch.setattr("pnncupy.tasks.realisations.translation_share", lambda index: 0.0)
    wraps = {"periodic": True, "source_periodic": True}
    made = pnn.generate(image, **wraps, initial_guess=rolled, **given)
    assert "remade" in made.info["samples"][0]
    other = {**given, "initial_guess": random.random((30, 33))}
    assert "remade" not in pnn.generate(image, periodic=True, **other).info["samples"][0]


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
@pytest.mark.slow
def test_on_a_device_axes_wrap_around_in_the_same_way(monkeypatch, random):
    image, hole = TEXTURES["gravel"][:16, :18].copy(), np.zeros((16, 18), bool)
    hole[[0, 1, 15], 14:] = hole[[0, 1, 15], :2] = True
    both = {"periodic": True, "source_periodic": (True, False), "patch_size": 3, "iterations": 2}
    calls = [
        lambda image, hole, **given: pnn.generate(image, rng=1, independent=True, **given),
        lambda image, hole, **given: pnn.generate(image, rng=1, alpha=0.01, vote="copy", **given),
        lambda image, hole, **given: pnn.inpaint(image, hole, fill="smooth", **given),
        lambda image, hole, **given: pnn.edit(image, image[::-1].copy(), mask=hole, **given),
        lambda image, hole, **given: pnn.retarget(image, (20, 14), gradual=True, **given),
    ]
    expected = [call(image, hole, return_index=True, **both) for call in calls]
    cupy = cupy_stand_in.install(monkeypatch)
    try:
        for call, wanted in zip(calls, expected, strict=True):
            made = call(cupy.asarray(image), cupy.asarray(hole), return_index=True, **both)
            np.testing.assert_array_equal(made.image.host, wanted.image)
            np.testing.assert_array_equal(made.index.host, wanted.index)
    finally:
        cupy_stand_in.forget()
