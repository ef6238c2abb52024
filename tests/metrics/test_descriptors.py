"""Descriptors of microstructures against plain loops, other libraries and closed forms."""

import itertools
import math
from functools import partial

import naive
import numpy as np
import pytest
import scipy.ndimage
import skimage.measure

from pnncupy import metrics

WRAPS_2D = [(False, False), (True, True), (True, False), (False, True)]
SHAPES = [(7, 8), (6, 5), (1, 6), (4, 5, 6)]
DESCRIPTORS = (
    metrics.cluster_correlation, metrics.connectivity_function, metrics.lineal_path,
    metrics.chord_lengths, metrics.local_thickness, metrics.thickness_distribution,
    metrics.surface_area, metrics.euler_characteristic, metrics.rev_curve,
)  # fmt: skip


def random_phase(random, shape, share=0.55):
    return random.random(shape) < share


def cases():
    """Shape, axes that wrap around, axis."""
    for shape in SHAPES:
        for wraps in itertools.product((False, True), repeat=len(shape)):
            for axis in (None, *range(len(shape))):
                if len(shape) == 2 or len(set(wraps)) == 1 or axis in (None, 1):
                    yield shape, wraps, axis


def in_one_cluster(numbers, place, other):
    return numbers[place] > 0 and numbers[place] == numbers[other]


def reach_of(shape, wraps, axis):
    axes = range(len(shape)) if axis is None else [axis]
    return min(shape[each] // 2 if wraps[each] else shape[each] - 1 for each in axes)


@pytest.mark.parametrize(("shape", "wraps", "axis"), [*cases()])
def test_pairs_against_plain_loops(shape, wraps, axis, random):
    phase, reach = random_phase(random, shape), reach_of(shape, wraps, axis)
    options = {"periodic": wraps, "largest_distance": reach, "axis": axis}

    def both(place, other):
        return phase[place] and phase[other]

    expected = naive.pair_share(shape, wraps, reach, both, axis=axis)
    found = metrics.two_point_correlation(phase, **options).probability
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    for connectivity in range(1, len(shape) + 1):
        numbers, count = naive.clusters(phase, connectivity, wraps)
        together = partial(in_one_cluster, numbers)
        expected = naive.pair_share(shape, wraps, reach, together, axis=axis)
        found = metrics.cluster_correlation(phase, connectivity=connectivity, **options)
        np.testing.assert_allclose(found.probability, expected, rtol=1e-14)
        expected = naive.pair_share(shape, wraps, reach, together, both, axis)
        found = metrics.connectivity_function(phase, connectivity=connectivity, **options)
        np.testing.assert_allclose(found.probability, expected, rtol=1e-14)
        sizes = np.bincount(numbers.ravel())[1:]
        assert found.gamma == pytest.approx((sizes**2).sum() / sizes.sum() ** 2, rel=1e-14)
        assert found.clusters == count


@pytest.mark.parametrize(("shape", "wraps", "axis"), [*cases()])
def test_segments_against_plain_loops(shape, wraps, axis, random):
    phase = random_phase(random, shape, 0.75)
    phase[(0,) * (len(shape) - 1)] = True  # a line without an end
    axes = range(len(shape)) if axis is None else [axis]
    reach = min(shape[each] for each in axes) - 1
    options = {"axis": axis, "periodic": wraps}
    found = metrics.lineal_path(phase, largest_distance=reach, **options)
    expected = naive.lineal_path(phase, axes, wraps, reach)
    np.testing.assert_allclose(found.probability, expected, rtol=1e-14)
    for cut in (False, True):
        found = metrics.chord_lengths(phase, cut_chords=cut, **options)
        expected = naive.chord_lengths(phase, axes, wraps, cut)
        assert np.repeat(found.length, found.count).tolist() == expected
        if expected:
            assert found.mean == pytest.approx(np.mean(expected), rel=1e-14)
            np.testing.assert_allclose(found.probability, found.count / len(expected))


@pytest.mark.parametrize(("shape", "wraps", "axis"), [*cases()])
def test_variogram_against_plain_loops(shape, wraps, axis, random):
    values, reach = random.normal(50, 3, shape), reach_of(shape, wraps, axis)
    values[random.random(shape) < 0.3] = np.nan
    found = metrics.variogram(values, periodic=wraps, largest_distance=reach, axis=axis)
    semivariance, pairs = naive.variogram(values, wraps, reach, axis)
    np.testing.assert_allclose(found.semivariance, semivariance, rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(found.pairs, pairs)


def test_variogram_of_other_values(random):
    image = random.integers(0, 250, (9, 8)).astype(np.uint8)
    expected = naive.variogram(image, (False, False), 4)[0]
    np.testing.assert_allclose(metrics.variogram(image).semivariance, expected, rtol=1e-10)
    large = metrics.variogram(image * 1e150)
    np.testing.assert_allclose(large.semivariance, expected * 1e300, rtol=1e-10)
    np.testing.assert_array_equal(metrics.variogram(np.full((6, 6), 7)).semivariance, np.zeros(4))
    known = np.full((4, 4), np.nan)
    known[0, 0] = 3
    found = metrics.variogram(known)
    np.testing.assert_array_equal(found.semivariance, [0, np.nan, np.nan])
    np.testing.assert_array_equal(found.pairs, [1, 0, 0])
    with pytest.raises(ValueError, match="at least one known pixel"):
        metrics.variogram(known * np.nan)
    with pytest.raises(ValueError, match=r"`image` must be finite, .* index \(0, 0\)"):
        metrics.variogram(known * np.inf)


@pytest.mark.parametrize("shape", [(9, 11), (1, 7), (5, 6, 7)])
def test_local_thickness_against_plain_loops(shape, random):
    for wraps in itertools.product((False, True), repeat=len(shape)):
        phase = random_phase(random, shape, 0.9)
        phase.flat[0] = False
        expected = naive.local_thickness(phase, wraps)
        found = metrics.local_thickness(phase, periodic=wraps)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        table = metrics.thickness_distribution(phase, periodic=wraps)
        assert table.mean == pytest.approx(expected[phase].mean())
        assert table.std == pytest.approx(expected[phase].std())
        np.testing.assert_array_equal(table.thickness, np.unique(found[phase]))
        assert table.share.sum() == pytest.approx(1)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_ball_is_as_thick_as_its_diameter(axes):
    grid = np.indices((31,) * axes) - 15
    ball = (grid**2).sum(axis=0) <= 10**2
    found = metrics.local_thickness(ball)
    assert found.max() == pytest.approx(20, abs=0.2)
    assert (found[ball] > 0).all()
    assert (found[~ball] == 0).all()
    # Nearly all of it is in the largest ball.
    assert (found[ball] > 19).mean() > 0.95
    fewer = metrics.local_thickness(ball, sizes=5)
    assert fewer.max() == found.max()
    assert (fewer <= found + 1e-9).all()
    assert (fewer[ball] > 0).all()


def test_layers_are_as_thick_as_their_pixels():
    layers = np.zeros((30, 40), bool)
    layers[3:10] = layers[12:15] = layers[20] = True
    found = metrics.thickness_distribution(layers)
    np.testing.assert_array_equal(found.thickness, [2, 4, 8])
    np.testing.assert_allclose(found.share, [1 / 11, 3 / 11, 7 / 11])
    assert np.isnan(metrics.local_thickness(np.ones((4, 5), bool))).all()
    for nothing in (np.ones((4, 5), bool), np.zeros((4, 5), bool)):
        found = metrics.thickness_distribution(nothing)
        assert found.thickness.size == found.share.size == 0
        assert math.isnan(found.mean)
        assert math.isnan(found.std)


@pytest.mark.parametrize("shape", [(14, 17), (1, 9), (8, 9, 10)])
def test_euler_characteristic_is_that_of_scikit_image(shape, random):
    for share in (0.3, 0.5, 0.8):
        phase = random_phase(random, shape, share)
        for connectivity in (1, len(shape)):
            expected = skimage.measure.euler_number(phase, connectivity)
            found = metrics.euler_characteristic(phase, connectivity=connectivity)
            assert found == expected


@pytest.mark.parametrize("axes", [2, 3])
def test_euler_characteristic_of_a_torus(axes, random):
    """A periodic image that is full has none, and a phase and the rest share their boundary."""
    for connectivity in (1, axes):
        full = np.ones((4, 5, 6)[:axes], bool)
        options = {"periodic": True, "connectivity": connectivity}
        assert metrics.euler_characteristic(full, **options) == 0
        full[0] = False
        assert metrics.euler_characteristic(full, **options) == 0
    for wraps in itertools.product((False, True), repeat=axes):
        blob = np.zeros((6, 7, 8)[:axes], bool)
        blob[tuple(slice(2, 4) for _ in range(axes))] = True
        moved = np.roll(blob, [-3 if each else 0 for each in wraps], axis=range(axes))
        for connectivity in (1, axes):
            found = metrics.euler_characteristic(moved, periodic=wraps, connectivity=connectivity)
            assert found == 1


def test_euler_characteristic_by_hand():
    ball = (np.indices((9, 9, 9)) - 4).__pow__(2).sum(axis=0) <= 9
    shell = ball.copy()
    shell[4, 4, 4] = False
    ring = ball.copy()
    ring[:, 4, 4] = False
    for connectivity in (1, 3):
        found = [
            metrics.euler_characteristic(each, connectivity=connectivity)
            for each in (ball, shell, ring)
        ]
        assert found == [1, 2, 0]
    corners = np.eye(4, dtype=bool)
    assert metrics.euler_characteristic(corners) == 4
    assert metrics.euler_characteristic(corners, connectivity=2) == 1
    for connectivity in (2, 4):
        with pytest.raises(ValueError, match="`connectivity` must be 1 or the number of axes, 3"):
            metrics.euler_characteristic(ball, connectivity=connectivity)


def test_perimeter_is_that_of_scikit_image(random):
    for share in (0.2, 0.5):
        phase = np.pad(random_phase(random, (12, 15), share), 2)
        expected = skimage.measure.perimeter_crofton(phase, directions=4)
        found = metrics.surface_area(phase)
        assert found.area == pytest.approx(expected, rel=1e-12)
        assert metrics.surface_area(~phase) == found
        periodic = metrics.surface_area(np.roll(phase, (7, 9), (0, 1)), periodic=True)
        assert periodic.area == pytest.approx(expected, rel=1e-12)
        assert periodic.density == pytest.approx(expected / phase.size, rel=1e-12)


@pytest.mark.parametrize("radius", [10, 20.5])
def test_the_surface_of_a_ball(radius):
    grid = np.indices((47, 47, 47)) - 23
    ball = (grid**2).sum(axis=0) <= radius**2
    found = metrics.surface_area(ball)
    # Of the ball with as many voxels.
    expected = 4 * np.pi * (ball.sum() / (4 / 3 * np.pi)) ** (2 / 3)
    assert found.area == pytest.approx(expected, rel=0.01)
    disc = ball[23]
    perimeter = metrics.surface_area(disc).area
    assert perimeter == pytest.approx(2 * np.sqrt(np.pi * disc.sum()), rel=0.04)


def test_density_of_a_boundary_is_without_the_borders(random):
    """Of a checkerboard all edges are boundary, and no diagonal crosses one."""
    board = np.indices((7, 9)).sum(axis=0) % 2 == 1
    assert metrics.surface_area(board).density == pytest.approx(math.pi / 2 / 2)
    assert metrics.surface_area(board[:1]).density == pytest.approx(math.pi / 2 / 4)
    noise = random.random((200, 300)) < 0.5
    expected = math.pi / 2 * (0.25 * 2 * 0.5 + 0.25 * 2 * 0.5 / math.sqrt(2))
    assert metrics.surface_area(noise).density == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("shape", [(7, 8), (4, 5, 6)])
def test_windows_against_plain_loops(shape, random):
    phase = random_phase(random, shape)
    for wraps in itertools.product((False, True), repeat=len(shape)):
        found = metrics.rev_curve(phase, sizes=[3, 1, 4], periodic=wraps)
        np.testing.assert_array_equal(found.size, [1, 3, 4])
        for k, side in enumerate(found.size):
            shares = naive.window_shares(phase, int(side), wraps)
            assert found.windows[k] == shares.size
            expected = [shares.mean(), shares.var(), shares.min(), shares.max()]
            np.testing.assert_allclose([each[k] for each in found[1:5]], expected, atol=1e-14)


def test_windows_of_independent_pixels(random):
    """The variance falls with the volume of the windows."""
    found = metrics.rev_curve(random_phase(random, (600, 600), 0.3), sizes=(1, 2, 4, 8))
    np.testing.assert_allclose(found.variance * found.size**2, 0.21, rtol=0.06)
    default = metrics.rev_curve(random_phase(random, (40, 90)))
    assert default.size[0] == 1
    assert default.size[-1] == 20
    assert metrics.rev_curve(np.ones((1, 5), bool)).size.tolist() == [1]


# Closed forms


@pytest.fixture(scope="module")
def discs():
    """Overlapping discs at random positions, the Boolean model, and its intensity and radius."""
    random, side, radius, intensity = np.random.default_rng(7), 1200, 12.0, 1.5e-3
    image = np.zeros((side, side), bool)
    reach = int(radius) + 1
    grid = np.arange(-reach, reach + 1)
    for y, x in random.uniform(0, side, (random.poisson(intensity * side**2), 2)):
        row, column = round(y), round(x)
        inside = (grid[:, None] + row - y) ** 2 + (grid + column - x) ** 2 < radius**2
        image[np.ix_((grid + row) % side, (grid + column) % side)] |= inside
    return image, intensity, radius


def union_of_two_discs(distance, radius):
    half = np.minimum(distance / (2 * radius), 1)
    overlap = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    return 2 * np.pi * radius**2 - overlap


def test_the_boolean_model_of_discs(discs):
    """Torquato 2002, chapter 5: S2, lineal path, chords and boundary of what is free of discs."""
    image, intensity, radius = discs
    options = {"phase": False, "periodic": True, "largest_distance": 40}
    found = metrics.two_point_correlation(image, **options)
    expected = np.exp(-intensity * union_of_two_discs(found.distance, radius))
    np.testing.assert_allclose(found.probability, expected, atol=0.012)
    free = np.exp(-intensity * np.pi * radius**2)
    found = metrics.lineal_path(image, **options)
    expected = free * np.exp(-intensity * 2 * radius * found.distance)
    np.testing.assert_allclose(found.probability, expected, atol=0.012)
    chords = metrics.chord_lengths(image, phase=False, periodic=True)
    assert chords.mean == pytest.approx(1 / (2 * radius * intensity), rel=0.04)
    boundary = metrics.surface_area(image, periodic=True).density
    assert boundary == pytest.approx(2 * np.pi * radius * intensity * free, rel=0.04)


def test_a_checkerboard():
    board = np.indices((16, 16)).sum(axis=0) % 2 == 1
    found = metrics.two_point_correlation(board, axis=1, periodic=True)
    np.testing.assert_array_equal(found.probability, [0.5, 0] * 4 + [0.5])
    found = metrics.cluster_correlation(board, axis=1, periodic=True)
    np.testing.assert_array_equal(found.probability, [0.5, *[0] * 8])
    joined = metrics.connectivity_function(board, axis=1, periodic=True, connectivity=2)
    np.testing.assert_array_equal(joined.probability, [1, np.nan] * 4 + [1])
    assert joined.crosses == (True, True)
    assert metrics.connectivity_function(board).crosses == (False, False)
    assert metrics.lineal_path(board).probability.tolist() == [0.5, *[0] * 8]
    assert metrics.chord_lengths(board).count.tolist() == [16 * 14]
    assert metrics.euler_characteristic(board, periodic=True) == 128
    assert metrics.euler_characteristic(board, periodic=True, connectivity=2) == -128


def test_the_variogram_of_a_random_field():
    """White noise under a Gaussian filter has a Gaussian covariance."""
    random, width = np.random.default_rng(3), 3.0
    field = scipy.ndimage.gaussian_filter(random.normal(size=(900, 900)), width, mode="wrap")
    variance = 1 / (4 * np.pi * width**2)
    for axis in (None, 0, 1):
        found = metrics.variogram(field, axis=axis, periodic=True, largest_distance=20)
        expected = variance * (1 - np.exp(-(found.distance**2) / (4 * width**2)))
        np.testing.assert_allclose(found.semivariance, expected, atol=0.05 * variance)


@pytest.mark.parametrize("level", [-0.5, 0.5, 1.0])
def test_the_boundary_and_the_euler_characteristic_of_a_random_field(level):
    """Adler 1981: level sets of a Gaussian field."""
    random, width, side = np.random.default_rng(4), 5.0, 1200
    field = scipy.ndimage.gaussian_filter(random.normal(size=(side, side)), width, mode="wrap")
    options = {"threshold": level / math.sqrt(4 * np.pi * width**2), "periodic": True}
    moment, weight = 1 / (2 * width**2), math.exp(-(level**2) / 2)
    density = metrics.surface_area(field, **options).density
    assert density == pytest.approx(math.sqrt(moment) / 2 * weight, rel=0.03)
    found = [
        metrics.euler_characteristic(field, connectivity=each, **options) / side**2
        for each in (1, 2)
    ]
    expected = moment / (2 * np.pi) ** 1.5 * level * weight
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


def test_the_variogram_of_a_phase_is_that_of_its_correlation(random):
    phase = random_phase(random, (20, 23))
    pairs = metrics.two_point_correlation(phase, periodic=True).probability
    found = metrics.variogram(phase, periodic=True).semivariance
    np.testing.assert_allclose(found, phase.mean() - pairs, atol=1e-12)


# Arguments


@pytest.mark.parametrize("measure", DESCRIPTORS)
def test_phases_are_chosen_as_for_correlations(measure, random):
    labels = random.integers(0, 3, (12, 13)).astype(np.uint8)
    expected = measure(labels == 2)
    for found in (
        measure(labels, phase=2), measure(labels * 0.5, threshold=0.75),
        measure(labels != 2, phase=False), measure(labels.astype(">i4"), phase=2),
    ):  # fmt: skip
        np.testing.assert_equal(found, expected)
    measure(labels, phase=300)
    measure(labels >= 0)


@pytest.mark.parametrize("measure", [*DESCRIPTORS, metrics.two_point_correlation])
@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.eye(6), {}, TypeError, "`image` must hold labels, .* give a `threshold`"),
        (np.eye(6, dtype=int), {}, ValueError, "`phase` must be given for labels"),
        (np.eye(6) > 0, {"phase": 1}, TypeError, "`phase` must be True or False, got 1"),
        (np.eye(6) > 0, {"periodic": 1}, TypeError, "`periodic` must be True or False"),
        (np.eye(6) > 0, {"periodic": (True,) * 3}, ValueError, "`periodic` .* 2 axes"),
        (np.ones(5, bool), {}, ValueError, "`image` must be a 2-D or 3-D array"),
        ([[True]], {}, TypeError, "`image` must be a NumPy or CuPy array, got list"),
    ],
)
def test_bad_arguments(measure, image, options, error, message):
    # What others call the image is the source of a measure that compares.
    message = message.replace("`image`", "`(image|source)`")
    with pytest.raises(error, match=message):
        measure(image, **options)


@pytest.mark.parametrize(
    ("measure", "options", "error", "message"),
    [
        (metrics.lineal_path, {"axis": 2}, ValueError, "`axis` must be an axis of the image"),
        (metrics.lineal_path, {"largest_distance": 6}, ValueError, "smallest side, 6 pixels"),
        (metrics.chord_lengths, {"cut_chords": 1}, TypeError, "`cut_chords` must be True or"),
        (metrics.local_thickness, {"sizes": 1}, ValueError, "`sizes` must be an integer of at"),
        (metrics.cluster_correlation, {"connectivity": 3}, ValueError, "from 1 to the number of"),
        (metrics.connectivity_function, {"connectivity": True}, TypeError, "`connectivity` must"),
        (metrics.rev_curve, {"sizes": [7]}, ValueError, "`sizes` must be .* smallest side .* 6"),
        (metrics.rev_curve, {"sizes": []}, ValueError, "`sizes` must be a list of integers"),
        (metrics.rev_curve, {"sizes": [1.5]}, TypeError, "`sizes` must be a list of integers"),
        (
            metrics.two_point_correlation, {"largest_distance": 4, "periodic": (False, True)},
            ValueError, "at most half of the smallest periodic side, 3 pixels, got 4",
        ),
    ],
)  # fmt: skip
def test_bad_options(measure, options, error, message):
    with pytest.raises(error, match=message):
        measure(np.eye(6) > 0, **options)


def test_a_phase_that_does_not_occur():
    nothing = np.zeros((6, 7), bool)
    assert metrics.cluster_correlation(nothing, periodic=True).probability.tolist() == [0] * 4
    found = metrics.connectivity_function(nothing)
    assert np.isnan(found.probability).all()
    assert math.isnan(found.gamma)
    assert found.clusters == 0
    assert metrics.chord_lengths(nothing).length.size == 0
    assert math.isnan(metrics.chord_lengths(nothing).mean)
    assert not metrics.local_thickness(nothing).any()
    assert metrics.surface_area(nothing) == (0, 0)
    full = metrics.connectivity_function(~nothing, periodic=True)
    assert (full.clusters, full.gamma, full.crosses) == (1, 1, (True, True))


@pytest.mark.parametrize("measure", [*DESCRIPTORS, metrics.variogram])
def test_arrays_on_the_device_give_the_same_numbers(measure, cupy, random):
    phase = random_phase(random, (15, 17))
    np.testing.assert_equal(measure(cupy.asarray(phase)), measure(phase))
