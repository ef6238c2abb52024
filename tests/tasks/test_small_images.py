"""Images of a few patches: every call either gives its result or says what would fit."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import baselines

FEW = {"iterations": 1, "threads": 1}
ONCE = {**FEW, "coarse_iterations": 1}


def sides(random, patch_size, most=3):
    return tuple(random.integers(patch_size, most * patch_size + 1, 2))


def hidden_somewhere(random, image):
    mask = random.random(image.shape) < 0.02
    return np.ma.masked_array(image, mask) if mask.any() else image


def square(random, shape, side):
    mask = np.zeros(shape, bool)
    row, column = random.integers(0, shape)
    mask[row : row + side, column : column + side] = True
    return mask


def calls(random, size):
    """One call of each kind, of images from one to three patches a side."""
    shape, source = sides(random, size), random.random(sides(random, size))
    several = [random.random(sides(random, size, 6)) for _ in range(random.integers(1, 4))]
    hole = square(random, source.shape, size)
    options = {
        "patch_size": size, "method": random.choice(["exact", "patchmatch"]).item(),
        "downscale": random.choice([1.01, 1.25, 4 / 3, 2]),
        "levels": random.choice([None, None, 0, 1]),
    }  # fmt: skip
    more = {
        **options, **ONCE, "keys": random.choice(["blurred", "sharp", "both"]).item(),
        "alpha": random.choice([5e-3, np.inf]),
    }  # fmt: skip
    hidden = hidden_somewhere(random, source)
    return [
        lambda: pnn.generate(hidden, rng=0, **more),
        lambda: pnn.generate(several, rng=0, shape=shape, **more),
        lambda: pnn.retarget(hidden, shape, **more),
        lambda: pnn.retarget(several, shape, gradual=True, **more),
        lambda: pnn.inpaint(hidden, hole, fill="noise", rng=0, **more),
        lambda: pnn.analogy(several, hidden, **more),
        lambda: pnn.collage([hidden, *several], shape, **more),
        lambda: pnn.collage(several, shape, gradual=True, **more),
        lambda: pnn.edit(source, source[::-1].copy(), mask=hole, **more),
        lambda: baselines.bidirectional_similarity(several, shape, **options, **FEW),
    ]


@pytest.mark.parametrize("size", [2, 3, 4, 7])
@pytest.mark.slow
def test_small_images_give_a_result_or_a_message(size, random):
    made = 0
    for call in [call for _ in range(4) for call in calls(random, size)]:
        try:
            result = call()
        except ValueError as error:
            assert "must" in str(error)  # noqa: PT017 - which calls fail is not known
        else:
            assert np.isfinite(result).all()
            made += 1
    assert made > 20


STARTS = {
    "collage": pnn.collage,
    "gradual": lambda *images, **options: pnn.collage(*images, gradual=True, **options),
    "bidirectional_similarity": baselines.bidirectional_similarity,
}
# Where the images side by side are narrower than a patch: their shapes, that of the result, the
# side of a patch, and the least height that would do.
THIN = [
    ("collage", [(40, 8), (40, 8)], (8, 30), 7, 18),
    ("gradual", [(40, 8), (40, 8)], (8, 30), 7, 13),
    ("collage", [(12, 5), (12, 4)], (4, 19), 4, 5),
    ("gradual", [(25, 3), (31, 4)], (4, 9), 3, 12),
    ("bidirectional_similarity", [(30, 4), (40, 5)], (4, 9), 3, 12),
]


@pytest.mark.parametrize("method", ["exact", "patchmatch"])
@pytest.mark.parametrize(("start", "shapes", "shape", "size", "least"), THIN)
@pytest.mark.slow
def test_a_canvas_narrower_than_a_patch_is_refused(
    start, shapes, shape, size, least, method, random
):
    images = [random.random(each) for each in shapes]
    options = {"patch_size": size, "method": method, **FEW}
    for height in (shape[0], least - 1):
        with pytest.raises(ValueError, match=f"`shape` must be at least {least} pixels high"):
            STARTS[start](images, (height, shape[1]), **options)
    assert STARTS[start](images, (least, shape[1]), **options).shape == (least, shape[1])


@pytest.mark.parametrize("start", list(STARTS))
@pytest.mark.slow
def test_levels_are_fewer_where_the_canvas_is_thin(start, random):
    make, options = STARTS[start], {"patch_size": 3, **FEW}
    images = [random.random((220, 20))] * 2
    wide = [image.T for image in images]
    made, nominal = (
        make(each, (20, 30), return_info=True, **options).info["levels"] for each in (images, wide)
    )
    assert 0 <= made < nominal
    with pytest.raises(ValueError, match=f"`levels` must be at most {made}, so that the images"):
        make(images, (20, 30), levels=nominal, **options)


def test_a_given_guess_needs_no_canvas(random):
    images = [random.random((40, 8))] * 2
    guess = random.random((8, 30))
    assert pnn.collage(images, (8, 30), initial_guess=guess, levels=0, **FEW).shape == (8, 30)
