"""Width of the weights of a vote: on every engine against the oracle, and where it is refused."""

from inspect import signature

import naive
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.synthesis import voting
from pnncupy.tasks.registry import TASKS, task_function

WIDTHS = (0.15, 0.4, 3.0)
WITHOUT = [how for how, vote in voting.VOTES.items() if not vote.has_width]


def random_matches(random, shapes, sides, counts):
    """(source, place...) of the patches of a grid, each inside of its source."""
    index = np.empty((*counts, len(sides) + 1), int)
    for place in np.ndindex(*counts):
        source = random.integers(len(shapes))
        limits = [pixels - side + 1 for pixels, side in zip(shapes[source], sides, strict=True)]
        index[place] = source, *(random.integers(limit) for limit in limits)
    return index


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("sides", "channels", "counts"),
    [((7, 7), 3, (3, 9)), ((4, 4), 5, (6, 2)), ((2, 5), 1, (5, 5)), ((2, 3, 4), 2, (3, 2, 4))],
)
def test_a_vote_is_that_of_the_oracle(width, sides, channels, counts, engine, random):
    shapes = [tuple(side + 3 for side in sides), tuple(side + n for n, side in enumerate(sides))]
    values = [random.random((*shape, channels), np.float32) for shape in shapes]
    index = random_matches(random, shapes, sides, counts)
    found = pnn.vote(
        values, index, patch_size=sides, vote_width=width, engine=engine, channel_axis=-1
    )
    planes = [np.moveaxis(value, -1, 0) for value in values]
    expected = naive.vote_of_patches(planes, index, sides, "weighted_mean", width)
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), expected, rtol=5e-6)


@pytest.mark.parametrize("width", WIDTHS)
def test_engines_and_threads_vote_the_same_bits(width, random):
    value = random.random((20, 25, 3), np.float32)
    index = random_matches(random, [(20, 25)], (5, 5), (30, 33))[..., 1:]
    plain, fast, threaded = (
        pnn.vote(
            value, index, patch_size=5, vote_width=width, engine=name, threads=threads,
            channel_axis=-1,
        )
        for name, threads in (("numpy", 1), ("numba", 1), ("numba", 3))
    )  # fmt: skip
    np.testing.assert_array_equal(plain, fast)
    np.testing.assert_array_equal(plain, threaded)


def test_the_narrowest_weights_hold_at_the_corners_of_a_volume(engine, random):
    """A corner is covered by one patch, with the smallest weight that there is."""
    volume = random.random((6, 7, 8), np.float32) * 1e-6
    index = np.stack(np.meshgrid(*map(np.arange, (4, 5, 6)), indexing="ij"), axis=-1)
    found = pnn.vote(volume, index, patch_size=3, vote_width=0.15, engine=engine, channel_axis=None)
    np.testing.assert_allclose(found, volume, rtol=1e-6)


def test_a_narrow_vote_is_that_of_the_centre_and_a_wide_one_the_mean(engine, random):
    value = random.random((15, 16), np.float32)
    index = random_matches(random, [(15, 16)], (5, 5), (9, 10))[..., 1:]
    given = {"patch_size": 5, "engine": engine}
    narrow = pnn.vote(value, index, vote_width=0.15, **given)
    inside = (slice(2, -2), slice(2, -2))
    copied = pnn.vote(value, index, how="copy", **given)
    np.testing.assert_allclose(narrow[inside], copied[inside], atol=0.03)
    wide = pnn.vote(value, index, vote_width=1e200, **given)
    np.testing.assert_array_equal(wide, pnn.vote(value, index, how="mean", **given))


def test_a_step_votes_with_its_width(engine, random):
    query, key, value = (random.random((14, 15, 2), np.float32) for _ in range(3))
    given = {"patch_size": 4, "engine": engine}
    index = pnn.nearest_patches(query, key, **given).index
    found = pnn.pnn_step(query, key, value, vote_width=0.3, **given)
    np.testing.assert_array_equal(found, pnn.vote(value, index, vote_width=0.3, **given))
    assert np.any(found != pnn.pnn_step(query, key, value, **given))


@pytest.mark.parametrize("how", WITHOUT)
def test_votes_without_a_width_refuse_it(how, random):
    image = random.random((12, 13))
    index = pnn.nearest_patches(image, image).index
    rule = "`vote_width` must be 1.7 with `{}` '" + how + "', whose weights have no width, got 0.4"
    with pytest.raises(ValueError, match=rule.format("how")):
        pnn.vote(image, index, how=how, vote_width=0.4)
    for call in (
        lambda: pnn.pnn_step(image, image, image, vote=how, vote_width=0.4),
        lambda: pnn.generate(image, vote=how, vote_width=0.4),
    ):
        with pytest.raises(ValueError, match=rule.format("vote")):
            call()
    assert pnn.vote(image, index, how=how, vote_width=1.7).shape == image.shape


def test_every_default_is_the_width_of_the_release():
    assert set(WITHOUT) == {"mean", "median", "trimmed_mean", "copy"}
    assert voting.side_weights(3)[0] == pytest.approx(np.exp(-1 / (2 * 1.7**2)))
    for function in (pnn.vote, pnn.pnn_step, *map(task_function, TASKS)):
        assert signature(function).parameters["vote_width"].default == voting.VOTE_WIDTH
