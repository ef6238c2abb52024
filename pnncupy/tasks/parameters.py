"""Documentation of the parameters that the tasks share, written once."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

_SHARED = """
alpha : float, default infinity
    Completeness, above 0, in squared units of the value range; smaller values (about 0.005) use
    more of the source. Infinity compares plain distances.
patch_size : int, one per axis or "auto", default 7
    Side of a patch in pixels, at least 2; or its sides along the axes, as (3, 7, 7) for voxels or
    times that are farther apart along the first axis. "auto" chooses it from the source: 7 where
    details are sharp, up to 13 where the image is blurred or was enlarged; `Result.info` says
    which, and what was measured.
downscale : float or one per axis, default 4/3
    Factor between the sides of neighbouring pyramid levels, at least 1.01; or one for each axis, 1
    where it keeps its length, as (1, 4/3, 4/3) for a time series.
iterations : int, default 10
    PNN steps at each level but the coarsest.
coarse_iterations : int, default 1
    PNN steps at the coarsest level.
periodic : bool or one per axis, default False
    Axes along which the result wraps around: it can be repeated there without a seam. True is all
    axes, (False, True) the columns of an image only.
source_periodic : bool or one per axis, default False
    Axes along which the sources wrap around, such as those of a texture tile or of a periodic unit
    cell: patches are taken across their borders too.
sampler : {"patches", "diffusion"}
    How patches become an image. "patches": each patch is replaced by its nearest one, level by
    level. "diffusion": from noise that falls in steps, patches are replaced by means of all patches
    of the sources, weighted by their distances: more diverse on scenes, smoother on fine structure.
    It is for channels of one unit that are no labels, and takes the four options below in place of
    those that are about nearest patches.
steps : int, default 20
    With "diffusion": noise levels at the coarsest pyramid level, at least 2; below a fifth as many,
    at least four.
sigma_max : float, optional
    With "diffusion": largest noise, in units of the value range, above 0. Default: 8, but 0.5 in
    `analogy`, and in `inpaint` where something steers: less keeps more of it. Below the coarsest
    level it begins with a third of the share of noise, ``sigma / (sigma + 0.5)``.
sigma_min : float, default 0.0001
    With "diffusion": smallest noise, above 0 and at most `sigma_max`.
patch_sizes : int or one per level, optional
    With "diffusion": side of a patch in pixels, or one for each level from full size, at least 2.
    Default: 15, but 11 in `edit` and `analogy`. The default of `downscale` is 2 then, and that of
    `levels` such that the smallest side is about 1.5 patches at the coarsest level (`retarget`: 1,
    `analogy`: 2.5).
keys : {"blurred", "sharp", "both"}
    What query patches are compared with: the next coarser level enlarged, as blurred as the query;
    that in the first iteration of a level and then the level itself; or both together.
vote : {VOTES}
    How overlapping patches are combined; see `pnncupy.vote`. With "copy", every value of the result
    is a value of the source, bit for bit.
vote_width : float, default 1.7
    Width of the weights of ``vote="weighted_mean"`` across a patch, at least 0.15; see
    `pnncupy.vote`. With a smaller one, such as 0.4, samples of scenes are sharper and more diverse,
    with fewer copies of the source, and their patches are less like its own.
method : {"exact", "patchmatch", "auto"}
    Search for the nearest patches: exact; approximate, in time linear in the pixels; or "auto",
    approximate where a search has 1.5e10 pairs of patches or more (350 x 350 pixels), on a GPU 1e12
    (a megapixel), unless a sample of the source shows that `engine="numba"` searches exactly in
    about the same time. With `sampler="diffusion"`: means of all patches, or at levels of 1e8 pairs
    or more of the 16 nearest ones that PatchMatch finds; not on a GPU, where "auto" is exact.
engine : {"auto", "numpy", "numba", "cupy", "numba-cuda"}
    Compute engine; "auto" follows the array type ("numpy", with a warning, where Numba's compiler
    is switched off). "cupy" and "numba-cuda" run on a GPU and take CuPy arrays, or copy NumPy
    arrays there and the result back. All engines return the same bits.
channel_axis : int, None or "auto", default "auto"
    Axis of the channels; 2-D images have one channel. None: all axes are space, so that a 3-D array
    is a volume (Z, Y, X); a volume or a time series with channels has 4 axes. "auto" takes a last
    axis of 1 to 4 behind two or three others for channels, and refuses what could be two things.
    Volumes take the same parameters as images, with the depth in front of (height, width), and
    need `engine` "numpy" or "numba".
data_range : (float, float), optional
    Values that count as 0 and 1, within float32. Default: 0 to 255 for uint8, 0 to 1 for bool, else
    the smallest and the largest value of the sources.
return_index : bool, default False
    Return a `Result` with the source position of each pixel.
return_info : bool, default False
    Return a `Result` with statistics of the run.
callback : callable, optional
    Called with an `Event` after every PNN step and about ten times a second within long ones.
    Returning False ends the run with `Cancelled`; an exception ends it with that exception.
progress : bool or "auto", default "auto"
    Show a progress bar, on standard error if that is a terminal, or below the cell of a notebook.
    "auto" shows it in interactive sessions (the prompts of Python and IPython, notebooks) for calls
    that last more than 2 seconds; never in scripts, workers and threads.
threads : int, optional
    CPU threads; default: all cores that this process may use. The result does not depend on it.
incremental : bool, default True
    Skip searches whose outcome cannot have changed; False only costs time.
executor : concurrent.futures.Executor or distributed.Client, optional
    Workers that share the exact searches of large images, block by block; see
    `pnncupy.batch.ProcessPool`. For NumPy arrays; `engine` is the engine of the workers.
checkpoint : path, optional
    File with the state after each PNN step (after each level, if approximate). If the file exists,
    the same call continues from it; at the end it is removed. For one image.
nodata : float, "nan" or None, optional
    Value of missing pixels, in any channel. No patch that contains one is used, and the value range
    is that of the other pixels. Masked pixels of a `numpy.ma.MaskedArray` are missing too. Results
    are plain arrays without missing pixels. NaN is refused unless this is "nan".
categorical : bool, optional
    True: values are labels (integers or bool, one channel): the distance of two patches is the
    share of their pixels whose labels differ, votes are majorities, and results contain labels of
    the source only. Each of C labels is one plane, so that memory and time are those of C channels.
    False: values are intensities. Default: False, with a `LabelsHint` where a source of integers
    has one channel with 2 to 16 different values.
label_costs : mapping of labels to weights, or (K, K) array, optional
    What confusing labels costs, with `categorical`: the mean of the weights of the two labels (1
    where none is given), or the entry of a matrix with the K labels of the sources in rising order,
    such as ``abs(a - b)`` for ordered labels. Matrices have to be squared distances of points.
    Default: 1 for each pair.
keep_fractions : bool, default False
    Give the result the fractions of labels that the sources have, to a pixel or few, fixed pixels
    included; with `categorical`. Without it rare labels become rarer.
channel_weights : sequence of C floats or "std", optional
    Factors of the squared differences of the channels. "std" divides each channel by its variance
    over the sources and multiplies all by the mean variance, so that channels of different spread
    count the same. Default: 1 each, in units of the one value range.
guides : list of (source_guide, target_guide, weight), optional
    Layers that are compared but never enter the result, such as a band of another date or sensor:
    `source_guide` (H, W[, G]), of volumes (Z, Y, X[, G]), is aligned with the source (a list of
    them with several sources), `target_guide` with the result; both without missing pixels.
    ``weight`` times their mean squared difference is added to a distance, in units of their own
    value range.
max_memory : int or str, optional
    Bytes that the call may use beside its inputs, also as "500M" or "2G". Fewer threads and less
    reuse keep within it, with the same result; what cannot fit is refused before work starts.
    Results count; memory that a `callback` uses does not, nor do Python, the libraries and the
    compiled kernels: about 170 MB for a process that loads them, 240 MB where the first call
    compiles. Default: the environment variable PNNCUPY_MAX_MEMORY, or no limit.
"""

_SECTION = re.compile(r"(\nParameters\n-+\n)(.*?)(?=\n\n\w[\w ]*\n-+\n|\Z)", re.S)


def document_parameters[**Parameters, Returned](
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Returned]:
    """Complete a docstring by the shared parameters that it does not describe itself.

    All parameters then stand in the order of the signature.
    """
    if function.__doc__ is None:  # python -OO
        return function
    text = inspect.cleandoc(function.__doc__)
    section = _SECTION.search(text)
    assert section is not None
    entries = _entries(_shared()) | _entries(section[2])
    ordered = "\n".join(entries[name] for name in inspect.signature(function).parameters)
    function.__doc__ = text[: section.start(2)] + ordered + text[section.end(2) :]
    return function


def _shared() -> str:
    from pnncupy.synthesis.voting import VOTES

    return _SHARED.strip().replace("{VOTES}", "{" + ", ".join(f'"{name}"' for name in VOTES) + "}")


def _entries(section: str) -> dict[str, Any]:
    """The entries of a section of parameters, by name."""
    found = re.findall(r"^(\w+) : .*\n(?: +.*(?:\n|\Z))+", section + "\n", re.M)
    texts = re.findall(r"^\w+ : .*\n(?: +.*(?:\n|\Z))+", section + "\n", re.M)
    return {name: textwrap.dedent(text).rstrip() for name, text in zip(found, texts, strict=True)}
