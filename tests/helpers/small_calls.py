"""Hypothesis strategies: calls of all tasks with tiny images of any dtype and any axes."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import pnncupy as pnn
from pnncupy.synthesis import voting

TASKS = ("generate", "retarget", "inpaint", "analogy", "collage", "edit")
DTYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
VOTES = tuple(voting.VOTES)
# Kernels are compiled for each pair of patch size and channels, so each count has one patch size.
PATCH_SIZES = {1: 2, 2: 3, 3: 4, 4: 3, 5: 5}
SMALLEST, LARGEST = 7, 14
# Parameters that are images, or layers as large.
PICTURES = ("image", "images", "source", "structure", "edited", "fill", "mask")


@dataclass(frozen=True)
class Call:
    """A call of a task, its images with their channels on the axis that it names."""

    task: str
    given: dict[str, Any]
    options: dict[str, Any]

    def __call__(self, **changes):
        return getattr(pnn, self.task)(**{**self.given, **self.options, **changes})

    def with_pictures(self, change):
        """The same with other images, masks included."""
        return replace(self, given={name: self._changed(name, change) for name in self.given})

    def _changed(self, name, change):
        value = self.given[name]
        if name not in PICTURES or value is None or isinstance(value, str):
            return value
        return [change(each) for each in value] if isinstance(value, list) else change(value)

    @property
    def sources(self):
        """The images that patches are taken from."""
        first = next(iter(self.given.values()))
        return first if isinstance(first, list) else [first]

    @property
    def size(self):
        """Height and width of the result."""
        if self.given.get("shape") is not None:
            return self.given["shape"]
        picture = self.given.get("structure", self.sources[0])
        return channels_last(picture, self.options["channel_axis"]).shape[:2]


def channels_last(picture, axis):
    return picture if picture.ndim == 2 else np.moveaxis(picture, axis, -1)


def content(seed, shape, dtype, kind):
    """Numbers of a dtype: all there are, few different ones, one only, or a slope with noise."""
    random = np.random.default_rng(seed)
    numbers = _any_numbers(random, math.prod(shape), np.dtype(dtype))
    if kind == "few":
        numbers = random.choice(numbers[:3], numbers.size)
    elif kind == "one":
        numbers = np.full_like(numbers, numbers[0])
    elif kind == "slope":
        numbers = np.sort(numbers)
    return numbers.reshape(shape)


def _any_numbers(random, count, dtype):
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max) ** random.choice([0.1, 0.5, 1.0]) / 4
        return (random.uniform(-1, 1, count) * largest).astype(dtype)
    if dtype.kind == "b":
        return random.random(count) < 0.5
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, count, dtype, endpoint=True)


SELDOM = st.sampled_from([False, False, False, False, True])
SEEDS = st.integers(0, 2**32 - 1)
WRAPS = st.sampled_from([False, False, True, (True, False), (False, True)])


@st.composite
def calls(draw, task, dtypes=DTYPES, votes=VOTES, channels=(0, 1, 2, 3, 4, 5), largest=LARGEST):
    """A call of a task; no channels is a 2-D image."""
    sides = st.integers(SMALLEST, largest)
    sizes = st.tuples(sides, sides)
    count = draw(st.sampled_from(channels))
    axis = draw(st.integers(-3, 2)) if count else -1
    dtype = draw(st.sampled_from(dtypes))

    def picture(size, like=None):
        shape = (*size, count) if count else size
        if like is not None:  # others have to lie near the value range of the source
            made = np.random.default_rng(draw(SEEDS)).choice(like.ravel(), shape)
        else:
            kind = draw(st.sampled_from(["any", "few", "one", "slope"]))
            made = content(draw(SEEDS), shape, dtype, kind)
        return np.ascontiguousarray(np.moveaxis(made, -1, axis)) if count else made

    options = {
        "patch_size": PATCH_SIZES[max(count, 1)],
        "channel_axis": axis,
        "iterations": draw(st.integers(1, 2)),
        "coarse_iterations": draw(st.integers(1, 2)),
        "levels": draw(st.sampled_from([None, 0, 1])),
        "keys": draw(st.sampled_from(["blurred", "sharp", "both"])),
        "vote": draw(st.sampled_from(votes)),
        "alpha": draw(st.sampled_from([math.inf, 0.02, 1e-3])),
        "periodic": draw(WRAPS),
        "source_periodic": draw(WRAPS),
        "categorical": False,
    }
    if options["vote"] == "weighted_mean":
        options["vote_width"] = draw(st.sampled_from([1.7, 0.4, 0.15]))
    return Call(task, draw(_given(task, picture, sizes)), _fitting(task, options))


def any_call(**limits):
    """A call of any task."""
    return st.sampled_from(TASKS).flatmap(lambda task: calls(task, **limits))


def _fitting(task, options):
    """A hole may leave no known patch at a level that was asked for."""
    return {**options, "levels": None} if task == "inpaint" else options


@st.composite
def _given(draw, task, picture, sizes):
    """What a task is called with: images, masks and seeds; the sources come first."""
    size = draw(sizes)

    def several(least):
        others = draw(st.lists(sizes, min_size=least - 1, max_size=2))
        made = [picture(each) for each in [size, *others]]
        return made if len(made) > 1 or draw(st.booleans()) else made[0]

    if task == "generate":
        shape = draw(st.none() | sizes)
        std = draw(st.sampled_from([0.0, 0.75, 5.0]))
        return {"image": several(1), "shape": shape, "noise_std": std, "rng": draw(SEEDS)}
    if task == "retarget":
        return {"image": several(1), "shape": draw(sizes), "gradual": draw(SELDOM)}
    if task == "analogy":
        source = several(1)
        first = source[0] if isinstance(source, list) else source
        return {"source": source, "structure": picture(draw(sizes), first)}
    if task == "collage":
        shape = draw(st.none() | sizes)
        return {"images": several(2), "shape": shape, "gradual": draw(SELDOM)}
    image = picture(size)
    if task == "edit":
        mask = draw(st.sampled_from([None, _hole(draw, size, 1)]))
        return {"source": image, "edited": picture(size, image), "mask": mask}
    fill = draw(st.sampled_from([None, "mean", "noise", picture(size, image)]))
    return {"image": image, "mask": _hole(draw, size, 5), "fill": fill,
            "keep_known": draw(st.booleans()), "rng": draw(SEEDS)}  # fmt: skip


def _hole(draw, size, margin):
    """A rectangle of True pixels; `margin` rows above it are False."""
    mask = np.zeros(size, bool)
    top, left = draw(st.integers(margin, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    bottom, right = draw(st.integers(top + 1, size[0])), draw(st.integers(left + 1, size[1]))
    mask[top:bottom, left:right] = True
    return mask
