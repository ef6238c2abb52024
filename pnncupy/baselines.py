"""Classical methods that results are compared with."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.interface import combined
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.planes import ChannelAxis
from pnncupy.images.pyramid import enlarge, step_shapes
from pnncupy.images.resize import resize_planes
from pnncupy.parameter_hints import hint_at_names
from pnncupy.search.exact import NearestNeighborField, SearchSettings, search
from pnncupy.search.incremental import ReuseStatistics, incremental_search
from pnncupy.search.method import is_approximate
from pnncupy.search.patch_grid import Layout, PatchGrid
from pnncupy.search.patchmatch import PatchMatch
from pnncupy.synthesis.coarse_to_fine import Synthesised
from pnncupy.synthesis.progress import Event, ProgressReporter
from pnncupy.synthesis.voting import vote_planes
from pnncupy.tasks.collages import canvas_steps, side_by_side
from pnncupy.tasks.execute import execute
from pnncupy.tasks.level_count import Requirements
from pnncupy.tasks.options import Progress, TaskOptions
from pnncupy.tasks.prepare import PreparedTask, prepare_task
from pnncupy.tasks.run_info import recorded
from pnncupy.tasks.source_images import SourceImages

__all__ = ["bidirectional_similarity"]

# Patches along the smallest side at the coarsest level, as for retargeting by GPNN in the paper.
_PATCHES_AT_COARSEST = 4.0
# Values are rounded to multiples of this, so that sums of them are exact in float64 and do not
# depend on their order.
_GRAIN = 2.0**-24


@hint_at_names
@recorded
@on_engine_device
def bidirectional_similarity(
    image: Any,
    shape: tuple[int, int],
    *,
    step: float = 0.95,
    tolerance: float = 1e-3,
    iterations: int = 20,
    patch_size: int = 7,
    downscale: float = 4 / 3,
    levels: int | None = None,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: tuple[float, float] | None = None,
    return_index: bool = False,
    return_info: bool = False,
    callback: Callable[[Event], Any] | None = None,
    progress: Progress = "auto",
    threads: int | None = None,
) -> Any:
    """Retarget or merge images by Bidirectional Similarity, the method before GPNN.

    The result T is to hold nothing that is not in the source S (coherence) and to miss nothing
    that is (completeness). It is resized gradually at the coarsest level of a pyramid, and refined
    level by level. After each change of size, every pixel becomes the mean of what the patches say
    of it, again and again until that changes little: each patch of T votes for its nearest patch of
    S with the weight 1 / (patches of T), and each patch of S for itself at its nearest patch of T
    with the weight 1 / (patches of S).

    Parameters
    ----------
    image : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        The source. Of several (dtype and channels must agree) the result starts from all side by
        side, as in `pnncupy.collage`.
    shape : (int, int)
        Height and width of the result in pixels.
    step : float, default 0.95
        Between 0 and 1: how far one change of size goes when shrinking; when growing, 1/step.
    tolerance : float, default 0.001
        At least 0: a size is done when a step lowers the dissimilarity by less than this share.
    iterations : int, default 20
        Steps at each size, at most.
    patch_size
        As in `pnncupy.generate`.
    downscale : float, default 4/3
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size. Default: such that the smallest side is about four patches
        at the coarsest level.
    method, engine, channel_axis
        As in `pnncupy.generate`.
    data_range, return_index, return_info, callback, progress, threads
        As in `pnncupy.generate`.

    Returns
    -------
    array or Result
        (height, width[, C]) in the dtype of `image`. An index map is that of the coherence votes.

    Raises
    ------
    TypeError, ValueError, EngineUnavailable, Cancelled
        As `pnncupy.generate`.

    Notes
    -----
    Cost: two searches a step, from T to S and from S to T; twice `iterations` times H W h w pairs
    of patches for a result of h x w, if nothing converges earlier. Memory O(pixels). Simakov et al.
    2008, doi:10.1109/CVPR.2008.4587842.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy.baselines import bidirectional_similarity
    >>> image = np.random.default_rng(0).random((30, 40))
    >>> bidirectional_similarity(image, (30, 30), iterations=2).shape
    (30, 30)
    """
    patch_size = validation.integer("patch_size", patch_size, 2)
    options = TaskOptions(
        alpha=math.inf, patch_size=patch_size, downscale=downscale, levels=levels,
        iterations=iterations, coarse_iterations=1, keys="sharp", vote="mean", method=method,
        engine=engine, channel_axis=channel_axis, data_range=data_range,
        return_index=return_index, return_info=return_info, callback=callback,
        progress=progress, threads=threads, categorical=False,
    )  # fmt: skip
    shrinking = validation.positive("step", step)
    if shrinking >= 1:
        raise ValueError(f"`step` must be between 0 and 1, got {step!r}")
    limit = validation.non_negative("tolerance", tolerance)
    images = SourceImages.of("image", image, options)
    if images.axes > 2:
        raise ValueError(f"`image` must be an image, got a volume of shape {images.shapes[0]}")
    validation.shape("shape", shape, patch_size)
    between = None
    if len(images.planes) > 1:
        between = partial(canvas_steps, factors=(shrinking, 1 / shrinking))
    requirements = Requirements(_PATCHES_AT_COARSEST, between=between)
    task = prepare_task(images, shape, options, requirements)
    pyramids = [task.pyramid(planes) for planes in task.planes]

    def work(reporter: ProgressReporter) -> Synthesised:
        return _coarse_to_fine(task, pyramids, shrinking, limit, reporter)

    return execute(task, lambda numbers: work, {"task": "bidirectional_similarity"})


def _coarse_to_fine(
    task: PreparedTask,
    pyramids: Sequence[Sequence[Array]],
    shrinking: float,
    tolerance: float,
    reporter: ProgressReporter,
) -> Synthesised:
    """Gradual resizing at the coarsest level, then refinement."""
    coarsest = [pyramid[-1] for pyramid in pyramids]
    image = coarsest[0]
    if len(coarsest) > 1:
        image = side_by_side(coarsest, task.coarsest_shape[:1])
    sizes = step_shapes(image.shape[1:], task.coarsest_shape, shrinking, 1 / shrinking)
    steps = task.schedule.iterations
    schedule = replace(task.schedule, coarse_iterations=steps * len(sizes))
    settings = replace(task.settings, tick=reporter.tick)
    reporter.plan(schedule, _planned_pairs(task, pyramids, sizes))
    for level in range(schedule.levels, -1, -1):
        sources = [pyramid[level] for pyramid in pyramids]
        shapes = sizes if level == schedule.levels else [schedule.shape(task.shape, level)]
        for number, shape in enumerate(shapes):
            if level == schedule.levels:
                image = _resized(image, shape)
            else:
                image = enlarge(image, schedule.ratio, shape)
            numbers = range(number * steps, (number + 1) * steps)
            voting = _Voting(settings, sources, reporter.reuse)
            image, index = _converged(voting, image, tolerance, reporter, level, numbers)
    return Synthesised(image[None], index[None], voting.layout)


def _planned_pairs(
    task: PreparedTask, pyramids: Sequence[Sequence[Array]], sizes: Sequence[tuple[int, ...]]
) -> dict[tuple[int, int], int]:
    """Pairs of patches of all steps, by (level, step)."""
    size, steps, schedule = task.settings.patch_size, task.schedule.iterations, task.schedule
    planned = {}
    for level in range(schedule.levels, -1, -1):
        keys = sum(PatchGrid.of(pyramid[level], size).count for pyramid in pyramids)
        shapes = sizes if level == schedule.levels else [schedule.shape(task.shape, level)]
        for number, shape in enumerate(shapes):
            for step in range(number * steps, (number + 1) * steps):
                planned[level, step] = 2 * PatchGrid.of_shape(shape, size).count * keys
    return planned


def _resized(image: Array, shape: tuple[int, ...]) -> Array:
    """A planar image in another size."""
    scales = tuple(new / old for new, old in zip(shape, image.shape[1:], strict=True))
    return arrays.namespace(image).ascontiguousarray(resize_planes(image, scales, shape))


def _converged(
    voting: "_Voting",
    image: Array,
    tolerance: float,
    reporter: ProgressReporter,
    level: int,
    numbers: range,
) -> tuple[Array, Array]:
    """Vote until the dissimilarity nearly stops falling; the image and its coherence matches."""
    dissimilarity = math.inf
    for number in numbers:
        reporter.begin(level, number, image[None])
        image, index, last = voting.step(image, number), voting.index, dissimilarity
        dissimilarity = voting.dissimilarity
        reporter.end(image[None])
        if dissimilarity >= (1 - tolerance) * last or dissimilarity == 0:
            for skipped in range(number + 1, numbers.stop):
                reporter.skip(level, skipped)
            break
    return image, index


@dataclass
class _Voting:
    """Steps of the method for one size of the result.

    Attributes
    ----------
    settings, sources, reuse
        How to search, the planar sources at one level, and what counts saved searches.
    index : array or None
        Matches of the last step, from the result's patches to the sources' pixels in `layout`.
    dissimilarity : float
        Mean distances of both directions together, before the last step's votes.
    """

    settings: SearchSettings
    sources: Sequence[Array]
    reuse: ReuseStatistics = field(default_factory=ReuseStatistics)
    layout: Layout = field(init=False)
    index: Array = None
    dissimilarity: float = math.inf
    _reverse: list[Array] = field(default_factory=list)
    _follow: Callable[[Array], NearestNeighborField] = field(init=False)

    def __post_init__(self) -> None:
        self.layout = Layout.of(self.sources)
        # Sources stay while the result changes, so that most of its matches can be proven to.
        self._follow = incremental_search(
            self.settings, self.sources, self.layout, None, None, self.reuse
        )

    def step(self, image: Array, number: int) -> Array:
        """The image that all patches vote for."""
        xp = arrays.namespace(image)
        size, settings = self.settings.patch_size, self.settings
        if self._approximate(image, self.layout):
            coherence = self._near(image, self.sources, self.layout, self.index, number)
        else:
            coherence = self._follow(image)
        own = Layout.of([image])
        before = self._reverse or [None] * len(self.sources)
        completeness = [
            self._near(source, [image], own, start, number)
            if self._approximate(source, own)
            else search(settings, source, [image], own)
            for source, start in zip(self.sources, before, strict=True)
        ]
        self.index, self._reverse = coherence.index, [found.index for found in completeness]
        scores = xp.concat([found.score.ravel() for found in completeness])
        # Means in float64, whose last bits decide at most whether one step more is taken.
        self.dissimilarity = float(xp.mean(coherence.score, dtype=xp.float64)) + float(
            xp.mean(scores, dtype=xp.float64)
        )
        queries, keys = coherence.index.size, scores.size
        mean = vote_planes(
            settings.engine, self.layout.stack(self.sources), coherence.index, size, "mean",
            settings.threads,
        )  # fmt: skip
        assert isinstance(size, int)  # images only
        cover = _cover(xp, coherence.index.shape, size) / queries
        total = xp.astype(mean, xp.float64) * cover
        weight = cover[None]
        for source, found in zip(self.sources, completeness, strict=True):
            sums, counts = scattered(source, found.index, image.shape[1:], size)
            total, weight = total + sums / keys, weight + counts / keys
        return xp.ascontiguousarray(xp.astype(total / weight, xp.float32))

    def _approximate(self, query: Array, layout: Layout) -> bool:
        size = self.settings.patch_size
        pairs = PatchGrid.of(query, size).count * layout.patch_count(size)
        return is_approximate(self.settings.method, pairs, self.settings.patch_size)

    def _near(
        self, query: Array, keys: Sequence[Array], layout: Layout, start: Array, number: int
    ) -> NearestNeighborField:
        settings = replace(self.settings, stream=combined(self.settings.stream, number))
        if start is not None:
            start = start[..., None]
        return PatchMatch(settings, keys, layout, start=start).search(query)


def scattered(
    source: Array, index: Array, shape: tuple[int, ...], patch_size: int
) -> tuple[Array, Array]:
    """Sums of the patches of a source laid over an image, and how many cover each pixel.

    Parameters
    ----------
    source : (C, HS, WS) float32
    index : (HS-p+1, WS-p+1) int32
        For each patch the pixel number ``row * W + column`` where its first pixel is laid.
    shape : (int, int)
        Height and width of the image.
    patch_size : int

    Returns
    -------
    (C, H, W) and (1, H, W) float64
    """
    xp = arrays.namespace(source)
    height, width = shape
    rows, columns = index.shape
    grains = xp.round(xp.astype(source, xp.float64) / _GRAIN)
    sums = xp.zeros((len(source) + 1, height * width), dtype=xp.float64)
    for row in range(patch_size):
        for column in range(patch_size):
            places = (index + (row * width + column)).ravel()
            for channel, plane in enumerate(grains):
                values = plane[row : row + rows, column : column + columns].ravel()
                sums[channel] += xp.bincount(places, weights=values, minlength=height * width)
            sums[-1] += xp.bincount(places, minlength=height * width)
    sums = sums.reshape(-1, height, width)
    return sums[:-1] * _GRAIN, sums[-1:]


def _cover(xp: Any, patches_shape: Sequence[int], patch_size: int) -> Array:
    """Number of patches that cover each pixel of an image, (H, W) float64."""
    sides = [np.convolve(np.ones(count), np.ones(patch_size)) for count in patches_shape]
    return xp.asarray(np.outer(*sides))
