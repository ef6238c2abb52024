"""Solid textures: volumes whose slices look like given images."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pnncupy import validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.intensity_encoding import intensity_encoding_of
from pnncupy.images.label_encoding import LabelEncoding, label_encoding_of
from pnncupy.images.planes import ChannelAxis, channel_axis_of
from pnncupy.images.pyramid import (
    default_levels,
    fitting_levels,
    more_than_half,
    planes_pyramid,
    valid_shares,
)
from pnncupy.parallel.threads import thread_count
from pnncupy.parameter_hints import hint_at_names
from pnncupy.rng import describe, sample_generator, seed_sequence, stream
from pnncupy.search import blocks
from pnncupy.search.exact import SearchSettings
from pnncupy.search.method import chosen
from pnncupy.search.patch_grid import Layout
from pnncupy.search.patch_metric import PatchMetric, patch_metric
from pnncupy.search.pruned_search import expected_steps
from pnncupy.search.slice_batch import SliceBatch
from pnncupy.synthesis.masked_sources import MaskedPyramid, usable_levels
from pnncupy.synthesis.memory import MemoryPlan, Workload, within
from pnncupy.synthesis.problem import Source
from pnncupy.synthesis.progress import ProgressReporter
from pnncupy.synthesis.schedule import Schedule
from pnncupy.synthesis.volume_growth import VolumeProblem, VolumeRun, grow, random_volume
from pnncupy.tasks.labels_hint import FEWEST_GROWN
from pnncupy.tasks.options import Callback, Memory, Nodata, Progress, TaskOptions
from pnncupy.tasks.parameters import document_parameters
from pnncupy.tasks.prepare import Encoding, range_of, source_of
from pnncupy.tasks.progress_display import reported
from pnncupy.tasks.result import Result
from pnncupy.tasks.run_info import recorded, with_call
from pnncupy.tasks.source_images import SourceImages

# Smallest side of an image at the coarsest level, in patches. Deeper pyramids smooth boundaries: at
# 4 patches a volume of 96 voxels a side had 0.87 of the specific surface of its image, at 5.5 0.96.
_COARSEST_PATCHES = 5.5
_AXES = (0, 1, 2)


@document_parameters
@hint_at_names
@recorded
@on_engine_device
def grow_volume(
    images: Any,
    shape: Sequence[int],
    *,
    axes: Sequence[int] = _AXES,
    alpha: float = 0.003,
    rng: Any = None,
    patch_size: int = 7,
    downscale: float = 1.5,
    levels: int | None = None,
    iterations: int = 5,
    vote_width: float = 1.7,
    method: str = "exact",
    engine: str = "auto",
    channel_axis: ChannelAxis = "auto",
    data_range: tuple[float, float] | None = None,
    return_info: bool = False,
    callback: Callback | None = None,
    progress: Progress = "auto",
    threads: int | None = None,
    incremental: bool = True,
    nodata: Nodata | None = None,
    categorical: bool | None = None,
    max_memory: Memory | None = None,
) -> Any:
    """Make a volume whose slices along each axis look like given images.

    From random voxels at the coarsest level to full size, the patches of every slice are replaced
    by their nearest neighbours in the image of the slice's direction, and a voxel becomes the mean
    of what the patches of all directions say of it. The histogram of the images, and with it the
    volume fraction of each phase, is kept.

    Parameters
    ----------
    images : (H, W) or (H, W, C) array of bool, integers or floating point, or a list of them
        One image for all directions, or one for each of `axes`, at least one patch in size. Sizes
        may differ, dtype and channels may not. The images are never modified.
    shape : (int, int, int)
        Depth, height and width (Z, Y, X) of the result in voxels, at least one patch each. A voxel
        is as wide as a pixel of the images.
    axes : sequence of 1 to 3 different integers of 0 to 2, default (0, 1, 2)
        Axes of the volume whose perpendicular slices look like the images: rows and columns of an
        image are Y and X in slices perpendicular to axis 0 (Z), Z and X for axis 1 (Y), Z and Y for
        axis 2 (X). Slices of an axis that is not named are left to chance.
    alpha : float, default 0.003
        Completeness, as in `generate`. It counts here what all slices of an axis use, and keeps
        rare details and rough boundaries; infinity is about twice as fast and makes smoother ones.
    rng : None, int, SeedSequence, BitGenerator or Generator, optional
        Seed of the first voxels; an integer makes the call reproducible. A Generator is advanced.
    downscale : float, default 1.5
        Factor between the sides of neighbouring pyramid levels, at least 1.01.
    levels : int, optional
        Pyramid levels below full size. Default: such that the smallest side of the images is about
        5.5 patches at the coarsest level, as far as the volume has room for that.
    iterations : int, default 5
        PNN steps at each level.
    vote_width : float, default 1.7
        Width of the weights across a patch, at least 0.15; see `pnncupy.vote`.
    channel_axis : int or "auto", default "auto"
        Axis of the channels of 3-D images, the first or the last one; the result has them there.
        "auto" is the last one, of 1 to 4 channels.
    return_info : bool, default False
        Return a `Result` with statistics of the run; its `index` is None.
    callback : callable, optional
        As in `generate`; what ``event.render()`` returns is a volume.
    categorical : bool, optional
        True: values are labels (integers or bool, one channel): the distance of two patches is the
        share of their pixels whose labels differ, and the label with most votes wins, where votes
        are shifted so that each label keeps its share of the images. Each of C labels is one plane,
        so that memory and time are those of C channels. Default: False, with a `LabelsHint` as in
        `generate` from 3 values on: two keep their shares in any case.

    Returns
    -------
    array or Result
        (Z, Y, X), or (Z, Y, X, C), in the dtype of the images. Images of one channel give it no
        value that they do not have themselves (floating point: within float32); labels and values
        have their shares. With more channels the histogram is that of the mean of the channels and
        of their contrasts.

    Raises
    ------
    TypeError
        An argument has the wrong type.
    ValueError
        An argument has a wrong value or shape; the message says what would be right.
    MemoryError
        `max_memory` is too little.
    EngineUnavailable
        The named engine cannot run here.
    Cancelled
        The callback returned False.

    Notes
    -----
    Cost: for each axis about 14 searches of the volume's patches (Z Y X) among those of an image (H
    W) with the defaults; `engine="numba"` prunes most of the pairs of images with few grey levels
    or soft edges. Peak memory: about 0.6 kB a voxel for three axes. Both count margins of
    ``patch_size - 1`` voxels on every side, which are cut off in the end. The result has the same
    bits for each engine and number of threads.

    Every voxel is the mean of the patches over it, weighted by the root of the inverse distance
    (Kopf et al. 2007, doi:10.1145/1276377.1276380, who introduced these votes and the matching of
    histograms to solid textures). Slices are searched exactly and normalised by `alpha`, as in
    Granot et al. 2022, doi:10.48550/arXiv.2103.15545; Chen and Wang 2010,
    doi:10.1007/s00371-009-0408-3, count positions for a like purpose. What no volume can have, such
    as discs of one size in slices of every direction, comes out as near to it as patches allow.

    Examples
    --------
    >>> import numpy as np, pnncupy as pnn
    >>> image = np.random.default_rng(0).random((24, 24)) < 0.4
    >>> pnn.grow_volume(image, (10, 12, 14), rng=1, iterations=2).shape
    (10, 12, 14)
    """
    named = _checked_axes(axes)
    seed = seed_sequence(rng)
    size = validation.integer("patch_size", patch_size, 2)
    options = TaskOptions(
        alpha=alpha, patch_size=size, downscale=validation.positive("downscale", downscale),
        levels=levels,
        iterations=iterations, coarse_iterations=iterations, keys="sharp", vote="weighted_mean",
        vote_width=vote_width,
        method=method, engine=engine, channel_axis=channel_axis, data_range=data_range,
        return_index=False, return_info=return_info, callback=callback, progress=progress,
        threads=threads, incremental=incremental, nodata=nodata, categorical=categorical,
        max_memory=max_memory,
    )  # fmt: skip
    voxels = checked_volume_shape(shape, size)
    sources = SourceImages.of("images", images, options, FEWEST_GROWN)
    if sources.axes != 2:
        raise ValueError(
            "`images` must be 2-D, or 3-D with channels, got a volume: see `pnncupy.generate`"
        )
    if len(sources.planes) not in (1, len(named)):
        raise ValueError(
            f"`images` must hold one image, or one for each of `axes` ({len(named)}), got "
            f"{len(sources.planes)}"
        )
    return _VolumeTask.of(sources, voxels, size, named, options).execute(seed)


def _checked_axes(axes: Any) -> tuple[int, ...]:
    """Axes of a volume, each at most once."""
    rule = "`axes` must be 1 to 3 different integers of 0, 1 and 2"
    if not validation.is_sequence(axes):
        raise TypeError(f"{rule}, got {validation.described(axes)}")
    found = tuple(
        validation.integer("axes", axis, 0, rule.partition("must be ")[2]) for axis in axes
    )
    if not found or len(set(found)) < len(found) or max(found) > 2:
        raise ValueError(f"{rule}, got {validation.shortened(found)}")
    return found


def checked_volume_shape(shape: Any, patch_size: int) -> tuple[int, int, int]:
    """(depth, height, width) in voxels, each at least one patch."""
    rule = f"`shape` must be (depth, height, width), three integers of at least {patch_size}"
    if not validation.is_sequence(shape):
        raise TypeError(f"{rule}, got {validation.described(shape)}")
    if len(shape) != 3:
        raise ValueError(f"{rule}, got {validation.shortened(shape)}")
    part = f"three integers of at least `patch_size` = {patch_size}"
    depth, height, width = (validation.integer("shape", side, patch_size, part) for side in shape)
    # There are margins, and a row is added to each slice.
    more = 2 * patch_size - 1
    if (depth + more) * (height + more) * (width + more) > validation.MOST_PIXELS:
        raise ValueError(
            f"`shape` must be at most {validation.MOST_PIXELS} voxels, got "
            f"{validation.shortened(shape)}"
        )
    return depth, height, width


@dataclass(frozen=True)
class _VolumeTask:
    """A checked call."""

    options: TaskOptions
    encoding: Encoding
    problem: VolumeProblem
    schedule: Schedule
    engine_name: str
    settings: SearchSettings

    @classmethod
    def of(
        cls, images: SourceImages, shape: tuple[int, ...], size: int, axes: tuple[int, ...],
        options: TaskOptions,
    ) -> "_VolumeTask":  # fmt: skip
        """Prepare the sources; nothing large is allocated before the memory limit holds."""
        encoding = _encoding(images, options)
        schedule = options.schedule(_level_count(images, shape, size, options), 2)
        engine_name, engine = blocks.pick(options.engine, images.originals[0], None)
        threads = thread_count(options.threads)
        grown = tuple(side + 2 * (size - 1) for side in shape)
        largest = images.largest
        steps = partial(
            expected_steps, engine, images.planes[largest], size, threads,
            usable=images.known[largest],
        )  # fmt: skip
        queries = max(SliceBatch.of_shape(grown, axis, size).patches for axis in axes)
        keys = Layout((images.shapes[largest],)).patch_count(size)
        taken = chosen(
            options.method, engine_name, queries, keys,
            (lambda: math.inf) if options.categorical else steps,
        )  # fmt: skip
        labels = isinstance(encoding, LabelEncoding)
        channels = (
            len(encoding.labels) if isinstance(encoding, LabelEncoding) else len(images.planes[0])
        )
        work = _workload(images, (shape, grown), size, len(axes), schedule, channels, options)
        work = replace(work, approximate=taken == "patchmatch", plain=engine_name == "numpy")
        wanted = MemoryPlan(threads, schedule.incremental, engine.TREE_AXES)
        plan = within(options.memory_limit, work, wanted)
        schedule = replace(schedule, incremental=plan.incremental)
        sources = [
            _source(encoding.encode(planes, name), known, schedule)
            for name, planes, known in zip(images.names, images.planes, images.known, strict=True)
        ]
        metric = PatchMetric()
        if isinstance(encoding, LabelEncoding):
            metric = patch_metric(
                encoding.weights, [], channels, schedule.levels, schedule.ratio,
                images.originals[0],
            )  # fmt: skip
        problem = VolumeProblem(
            sources if len(sources) > 1 else sources * len(axes),
            axes,
            shape,
            size - 1,
            labels,
            metric,
        )
        settings = SearchSettings(
            engine=engine, patch_size=size, channels=channels, alpha=options.alpha,
            threads=plan.threads, method=taken, axes=plan.axes,
        )  # fmt: skip
        return cls(options, encoding, problem, schedule, engine_name, settings)

    def execute(self, seed: np.random.SeedSequence) -> Any:
        """Grow the volume, and return what was requested."""
        with reported(self.options.progress, self.options.callback) as callback:
            result = self._grown(seed, callback)
        return result if self.options.return_info else result.image

    def _grown(self, seed: np.random.SeedSequence, callback: Callback | None) -> Result:
        """Grow the volume and note what that took."""
        start = time.perf_counter()
        settings = replace(self.settings, stream=stream(seed))
        ratio, levels = self.schedule.ratio, self.schedule.levels

        def shown(planes: Array) -> Array:
            return self.encoding.decode(self.problem.without_margin(planes, ratio, levels))

        reporter = ProgressReporter(callback, shown, (self.engine_name, settings.method), 0, 1)
        run = VolumeRun(self.problem, self.schedule, settings, reporter)
        first = random_volume(self.problem, self.schedule, sample_generator(seed, 0))
        image = self.encoding.decode(grow(run, first))
        info = {
            "task": "grow_volume", "seed": describe(seed), "engine": self.engine_name,
            "method": settings.method, "threads": settings.threads,
            "patch_size": settings.patch_size, "levels": self.schedule.levels,
            "shape": list(self.problem.shape), "axes": list(self.problem.axes),
            "data_range": range_of(self.encoding),
            "samples": [
                {
                    "pairs": reporter.pairs_planned, "pairs_searched": reporter.pairs_searched,
                    "proofs_tried": reporter.reuse.tried, "proofs_held": reporter.reuse.held,
                    "pairs_again": reporter.reuse.pairs_again,
                    "seconds": time.perf_counter() - start,
                }
            ],
        }  # fmt: skip
        result = Result(image, None, with_call(info))
        reporter.complete(0, result)
        return result


def _encoding(images: SourceImages, options: TaskOptions) -> Encoding:
    """Choose the encoding, which is that of volumes: channels are on their first or last axis."""
    first = images.originals[0]
    if options.categorical:
        return label_encoding_of(images.names, images.planes, images.known, None, first.dtype)
    seen = [
        image if mask is None else image[:, mask][:, None]
        for image, mask in zip(images.planes, images.known, strict=True)
    ]
    axis = channel_axis_of(images.names[0], first.shape, options.channel_axis)
    if axis == 1:
        raise ValueError(
            f"`channel_axis` must be the first or the last axis, got {options.channel_axis}"
        )
    encoding = intensity_encoding_of(
        seen, images.originals, options.channel_axis, options.data_range
    )
    # Of volumes the last axis has another number.
    return replace(encoding, channel_axis=-1) if axis == 2 else encoding


def _level_count(
    images: SourceImages, shape: tuple[int, ...], size: int, options: TaskOptions
) -> int:
    """The number of levels: as given, if they fit, or as many of the preferred as fit."""
    ratio = options.ratio(2)
    most = fitting_levels([shape, *images.shapes], size, ratio)
    if options.levels is not None and options.levels > most:
        raise ValueError(
            f"`levels` must be at most {most}, so that the coarsest level still holds a patch of "
            f"{size} x {size} pixels, got {options.levels}"
        )
    preferred = default_levels(images.shapes, size, ratio, _COARSEST_PATCHES)
    levels = min(preferred, most) if options.levels is None else options.levels
    for name, mask in zip(images.names, images.known, strict=True):
        if mask is not None:
            usable = [more_than_half(share) for share in valid_shares(mask, levels, ratio)]
            what, given = f"missing pixels of `{name}`", options.levels is not None
            levels = usable_levels(what, [usable], size, levels, given=given)
    return levels


def _source(planes: Array, known: Array | None, schedule: Schedule) -> Source:
    """A source with its levels, of known pixels only."""
    levels, ratio = schedule.levels, schedule.ratio
    if known is None:
        return source_of(planes_pyramid(planes, levels, ratio), ratio)
    return MaskedPyramid.of(planes, known, levels, ratio).source(ratio, levels)


def _workload(
    images: SourceImages, shapes: tuple[tuple[int, ...], tuple[int, ...]], size: int,
    directions: int, schedule: Schedule, channels: int, options: TaskOptions,
) -> Workload:  # fmt: skip
    """Collect what the memory of a call depends on: that of an image of all slices."""
    first, (shape, grown) = images.planes[0], shapes
    return Workload(
        schedule=schedule,
        patch_size=size,
        result=(directions * grown[0] * grown[1], grown[2]),
        sources=images.shapes,
        channels=channels,
        masked=any(mask is not None for mask in images.known),
        weighted=options.holds_labels,
        normalised=not math.isinf(options.alpha),
        returned=math.prod(shape)
        * (1 if options.categorical else len(first))
        * int(first.dtype.itemsize),
        wide=not options.categorical and first.dtype.kind in "iu" and first.dtype.itemsize == 8,
    )
