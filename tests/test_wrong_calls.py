"""Wrong calls: each raises an exception that names the parameter, the rule and what was given.

`SHARED` has wrong values of parameters that several functions have; they are tried with each of
these. `PICTURES` has arrays that are wrong wherever an image is taken. `OTHERS` has the rest.
"""

import inspect
import math
from concurrent.futures import Executor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import baselines, batch, metrics, plot, samples
from pnncupy.synthesis.voting import VOTES

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((20, 24, 3))
GREY = IMAGE[..., 0].copy()
BYTES = RANDOM.integers(0, 256, (20, 24, 3)).astype(np.uint8)
HOLE = np.zeros((20, 24), bool)
HOLE[4:8, 4:8] = True
MATCHES = np.zeros((14, 18, 2), int)
PHOTOGRAPHS = Path(pnn.__file__).parent / "photographs"
MAP = np.zeros((20, 24, 3), int)

# A right call of each function, all arguments by name.
CALLS = {
    pnn.generate: {"image": IMAGE},
    pnn.retarget: {"image": IMAGE, "shape": (20, 16)},
    pnn.inpaint: {"image": IMAGE, "mask": HOLE},
    pnn.analogy: {"source": IMAGE, "structure": IMAGE},
    pnn.collage: {"images": [IMAGE, IMAGE]},
    pnn.edit: {"source": IMAGE, "edited": IMAGE},
    pnn.pnn_step: {"query": IMAGE, "key": IMAGE, "value": IMAGE},
    pnn.nearest_patches: {"query": IMAGE, "key": IMAGE},
    pnn.key_minimum: {"query": IMAGE, "key": IMAGE},
    pnn.vote: {"value": IMAGE, "index": MATCHES},
    pnn.apply_index: {"sources": IMAGE, "index": MAP},
    pnn.resize: {"image": IMAGE, "scale": 0.5},
    pnn.pyramid: {"image": IMAGE, "levels": 2},
    baselines.bidirectional_similarity: {"image": IMAGE, "shape": (20, 16)},
    metrics.coherence: {"source": IMAGE, "result": IMAGE},
    metrics.completeness: {"source": IMAGE, "result": IMAGE},
    metrics.bidirectional_dissimilarity: {"source": IMAGE, "result": IMAGE},
    metrics.near_copy: {"source": IMAGE, "result": IMAGE},
    metrics.patch_swd: {"source": IMAGE, "result": IMAGE, "scales": 1},
    metrics.diversity: {"source": IMAGE, "result": [IMAGE, IMAGE]},
    metrics.sharpness_ratio: {"source": IMAGE, "result": IMAGE},
    metrics.translation_share: {"index": MAP},
    metrics.phase_fractions: {"source": HOLE},
    metrics.two_point_correlation: {"source": HOLE},
    metrics.psnr: {"source": IMAGE, "result": IMAGE, "data_range": (0, 1)},
    plot.compare: {"images": [IMAGE, IMAGE]},
    plot.samples: {"source": IMAGE, "result": [IMAGE, IMAGE]},
    plot.slices: {"volumes": [IMAGE]},
    plot.index_map: {"source": IMAGE, "index": MAP},
    batch.make_jobs: {"verb": "generate", "output": "picture", "image": IMAGE},
    batch.jobs_of_folder: {"folder": PHOTOGRAPHS, "count": 1, "seed": 0, "arguments": {}},
    batch.ProcessPool: {},
    samples.load_sample: {"name": "chelsea"},
}  # fmt: skip
TASKS = [pnn.generate, pnn.retarget, pnn.inpaint, pnn.analogy, pnn.collage, pnn.edit]


class Unprintable:
    """An object of somebody else's, with a long name."""

    def __repr__(self):
        return "an object" + " of no use" * 100


# As the NumPy at hand writes it.
NUMPY_TRUE = f"got {np.True_!r} of type {type(np.True_).__name__}"
AT_LEAST_2 = "must be an integer of at least 2"
AT_LEAST_1 = "must be an integer of at least 1"
AT_LEAST_0 = "must be an integer of at least 0"
REAL = "must be a real number"
ABOVE_0 = "must be a finite number above 0"
SIDES = "must be (height, width), two integers of at least 7"
FLAG = "must be True or False"
SEED = "must be None, a non-negative integer or a sequence of them, or a NumPy SeedSequence"
NEGATIVE_SEED = "must hold non-negative integers"
RANGE = "must be None or two numbers (low, high)"
AXIS = "must be an axis of a 3-D array (-3 to 2)"
EXECUTOR = "must be a concurrent.futures.Executor, such as pnncupy.batch.ProcessPool, or a"
HOWS = f"must be one of {', '.join(map(repr, VOTES))}"

# Parameter, wrong value, exception, rule, what the message says was given.
SHARED = [
    ("patch_size", 0, ValueError, AT_LEAST_2, "got 0"),
    ("patch_size", 1, ValueError, AT_LEAST_2, "got 1"),
    ("patch_size", -7, ValueError, AT_LEAST_2, "got -7"),
    ("patch_size", -(2**70), ValueError, AT_LEAST_2, f"got {-(2**70)}"),
    ("patch_size", 7.0, TypeError, AT_LEAST_2, "got 7.0 of type float"),
    ("patch_size", math.nan, TypeError, AT_LEAST_2, "got nan of type float"),
    ("patch_size", np.float32(7), TypeError, AT_LEAST_2, "of type float32"),
    ("patch_size", True, TypeError, AT_LEAST_2, "got True of type bool"),
    (
        "patch_size",
        np.True_,
        TypeError,
        AT_LEAST_2,
        NUMPY_TRUE,
    ),
    ("patch_size", "7", TypeError, AT_LEAST_2, "got '7' of type str"),
    ("patch_size", None, TypeError, AT_LEAST_2, "got None of type NoneType"),
    ("patch_size", (7,) * 4, TypeError, AT_LEAST_2, "got (7, 7, 7, 7) of type tuple"),
    ("patch_size", np.array([7]), TypeError, AT_LEAST_2, "got array([7]) of type ndarray"),
    ("patch_size", 7j, TypeError, AT_LEAST_2, "got 7j of type complex"),
    ("patch_size", Unprintable(), TypeError, AT_LEAST_2, "... of type Unprintable"),
    ("alpha", 0, ValueError, "must be a number above 0 (infinity is allowed)", "got 0"),
    ("alpha", -0.1, ValueError, "must be a number above 0", "got -0.1"),
    ("alpha", -math.inf, ValueError, "must be a number above 0", "got -inf"),
    ("alpha", math.nan, ValueError, "must be a number above 0", "got nan"),
    ("alpha", 1e-42, ValueError, "must be between 1e-30 and 1e+30, or infinity", "got 1e-42"),
    ("alpha", 1e39, ValueError, "must be between 1e-30 and 1e+30, or infinity", "got 1e+39"),
    ("alpha", 10**400, TypeError, REAL, "of type int"),
    ("alpha", "small", TypeError, REAL, "got 'small' of type str"),
    ("alpha", None, TypeError, REAL, "got None of type NoneType"),
    ("alpha", True, TypeError, REAL, "got True of type bool"),
    ("alpha", np.True_, TypeError, REAL, NUMPY_TRUE),
    ("alpha", 1j, TypeError, REAL, "got 1j of type complex"),
    ("alpha", np.complex64(1), TypeError, REAL, "of type complex64"),
    ("alpha", np.array([0.1]), TypeError, REAL, "got array([0.1]) of type ndarray"),
    ("alpha", np.array([0.1, 1]), TypeError, REAL, "of type ndarray"),
    ("alpha", np.timedelta64(1, "s"), TypeError, REAL, "of type timedelta64"),
    ("noise_std", -1, ValueError, "must be a finite number of at least 0", "got -1"),
    ("noise_std", math.nan, ValueError, "must be a finite number of at least 0", "got nan"),
    ("noise_std", math.inf, ValueError, "must be a finite number of at least 0", "got inf"),
    ("noise_std", "1", TypeError, REAL, "got '1' of type str"),
    ("independent", "yes", ValueError, "must be one of", "got 'yes'"),
    ("distinct", 1, TypeError, "must be", "got 1"),
    ("noise_std", True, TypeError, REAL, "got True of type bool"),
    ("downscale", 1, ValueError, "must be at least 1.01", "got 1"),
    ("downscale", 0.5, ValueError, "must be at least 1.01", "got 0.5"),
    ("downscale", Fraction(1, 2), ValueError, "must be at least 1.01", "got Fraction(1, 2)"),
    ("downscale", 0, ValueError, ABOVE_0, "got 0"),
    ("downscale", -2, ValueError, ABOVE_0, "got -2"),
    ("downscale", math.inf, ValueError, ABOVE_0, "got inf"),
    ("downscale", math.nan, ValueError, ABOVE_0, "got nan"),
    ("downscale", "4/3", TypeError, REAL, "got '4/3' of type str"),
    ("levels", -1, ValueError, AT_LEAST_0, "got -1"),
    ("levels", 1.0, TypeError, AT_LEAST_0, "got 1.0 of type float"),
    ("levels", "2", TypeError, AT_LEAST_0, "got '2' of type str"),
    ("levels", False, TypeError, AT_LEAST_0, "got False of type bool"),
    ("levels", 9, ValueError, "must be at most", "got 9"),
    ("levels", 2**70, ValueError, "must be at most", f"got {2**70}"),
    ("iterations", 0, ValueError, AT_LEAST_1, "got 0"),
    ("iterations", -3, ValueError, AT_LEAST_1, "got -3"),
    ("iterations", 2.5, TypeError, AT_LEAST_1, "got 2.5 of type float"),
    ("iterations", True, TypeError, AT_LEAST_1, "got True of type bool"),
    ("coarse_iterations", 0, ValueError, AT_LEAST_1, "got 0"),
    ("coarse_iterations", None, TypeError, AT_LEAST_1, "got None of type NoneType"),
    ("keys", "soft", ValueError, "must be one of 'blurred', 'sharp', 'both'", "got 'soft'"),
    ("keys", None, ValueError, "must be one of 'blurred', 'sharp', 'both'", "got None"),
    ("keys", ["sharp"], ValueError, "must be one of 'blurred', 'sharp', 'both'", "got ['sharp']"),
    ("vote", "mode", ValueError, HOWS, "got 'mode'"),
    ("vote", b"mean", ValueError, HOWS, "got b'mean'"),
    ("vote_width", 0, ValueError, ABOVE_0, "got 0"),
    ("vote_width", -0.4, ValueError, ABOVE_0, "got -0.4"),
    ("vote_width", math.inf, ValueError, ABOVE_0, "got inf"),
    ("vote_width", math.nan, ValueError, ABOVE_0, "got nan"),
    ("vote_width", 0.1, ValueError, "must be at least 0.15", "got 0.1"),
    ("vote_width", "narrow", TypeError, REAL, "got 'narrow' of type str"),
    ("vote_width", None, TypeError, REAL, "got None of type NoneType"),
    ("vote_width", True, TypeError, REAL, "got True of type bool"),
    ("how", "best", ValueError, HOWS, "got 'best'"),
    ("how", None, ValueError, HOWS, "got None"),
    ("method", "fast", ValueError, "must be one of 'exact', 'patchmatch', 'auto'", "got 'fast'"),
    ("method", 1, ValueError, "must be one of 'exact', 'patchmatch', 'auto'", "got 1"),
    ("engine", "gpu", ValueError, "must be one of 'auto', 'numpy', 'numba'", "got 'gpu'"),
    ("engine", None, ValueError, "must be one of 'auto', 'numpy', 'numba'", "got None"),
    ("engine", np, ValueError, "must be one of 'auto', 'numpy', 'numba'", "got <module 'numpy'"),
    ("channel_axis", 3, ValueError, "must be an axis of", "got 3"),
    ("channel_axis", -4, ValueError, "must be an axis of", "got -4"),
    ("channel_axis", 2**70, ValueError, AXIS, f"got {2**70}"),
    ("channel_axis", "last", TypeError, AXIS, "got 'last' of type str"),
    ("channel_axis", 1.0, TypeError, AXIS, "got 1.0 of type float"),
    ("channel_axis", True, TypeError, AXIS, "got True of type bool"),
    ("data_range", (1, 1), ValueError, "must have low < high", "got (1.0, 1.0)"),
    ("data_range", (1, 0), ValueError, "must have low < high", "got (1.0, 0.0)"),
    ("data_range", (0, math.nan), ValueError, "must be a finite number", "got nan"),
    ("data_range", (-math.inf, 1), ValueError, "must be a finite number", "got -inf"),
    ("data_range", (-1e308, 1e308), ValueError, "must not span more than", "(-1e+308, 1e+308)"),
    ("data_range", (0, 1e39), ValueError, "must not span more than float32", "got (0.0, 1e+39)"),
    ("data_range", (-1e39, 0), ValueError, "must not span more than float32", "(-1e+39, 0.0)"),
    ("data_range", (-2e38, 2e38), ValueError, "its width up to 3.4e+38", "got (-2e+38, 2e+38)"),
    (
        "data_range",
        (0, 10**39),
        ValueError,
        "must not span more than float32",
        f"{10**39}); leave it out",
    ),
    ("data_range", (0, 1e-38), ValueError, "must be at least 1.18e-38 wide", "got (0.0, 1e-38)"),
    ("data_range", (0, 10**400), TypeError, REAL, "of type int"),
    ("data_range", {0, 1}, TypeError, RANGE, "got {0, 1}"),
    ("data_range", {0: 1, 1: 2}, TypeError, RANGE, "got {0: 1, 1: 2}"),
    ("data_range", iter((0, 1)), TypeError, RANGE, "tuple_iterator"),
    ("data_range", 255, TypeError, RANGE, "got 255"),
    ("data_range", (0, 1, 2), TypeError, RANGE, "got (0, 1, 2)"),
    ("data_range", "01", TypeError, RANGE, "got '01' of type str"),
    ("data_range", ("0", "1"), TypeError, REAL, "got '0' of type str"),
    ("data_range", b"01", TypeError, RANGE, "got b'01' of type bytes"),
    ("data_range", (0, None), TypeError, REAL, "got None of type NoneType"),
    ("data_range", np.ones((2, 2)), TypeError, RANGE, "of type ndarray"),
    ("n", 0, ValueError, AT_LEAST_1, "got 0"),
    ("n", 2.0, TypeError, AT_LEAST_1, "got 2.0 of type float"),
    ("n", True, TypeError, AT_LEAST_1, "got True of type bool"),
    ("first_sample", -1, ValueError, AT_LEAST_0, "got -1"),
    ("first_sample", None, TypeError, AT_LEAST_0, "got None of type NoneType"),
    ("first_sample", 0.0, TypeError, AT_LEAST_0, "got 0.0 of type float"),
    ("rng", -1, ValueError, NEGATIVE_SEED, "got -1"),
    ("rng", [1, -1], ValueError, NEGATIVE_SEED, "got [1, -1]"),
    ("rng", [0.5], ValueError, NEGATIVE_SEED, "got [0.5]"),
    ("rng", ["seed"], ValueError, NEGATIVE_SEED, "got ['seed']"),
    ("rng", np.array([np.nan]), ValueError, NEGATIVE_SEED, "got array([nan])"),
    ("rng", 0.5, TypeError, SEED, "got 0.5 of type float"),
    ("rng", "seed", TypeError, SEED, "got 'seed' of type str"),
    ("rng", True, TypeError, SEED, "got True of type bool"),
    ("rng", np.random.RandomState(0), TypeError, SEED, "of type RandomState"),
    ("rng", np.random, TypeError, SEED, "of type module"),
    ("threads", 0, ValueError, AT_LEAST_1, "got 0"),
    ("threads", -1, ValueError, AT_LEAST_1, "got -1"),
    ("threads", 1.5, TypeError, AT_LEAST_1, "got 1.5 of type float"),
    ("threads", True, TypeError, AT_LEAST_1, "got True of type bool"),
    ("threads", "all", TypeError, AT_LEAST_1, "got 'all' of type str"),
    ("threads", 2**40, ValueError, "must be an integer of at most 4096", f"got {2**40}"),
    ("incremental", "yes", TypeError, FLAG, "got 'yes' of type str"),
    ("incremental", None, TypeError, FLAG, "got None of type NoneType"),
    ("return_index", 1, TypeError, FLAG, "got 1 of type int"),
    ("return_info", np.array([True]), TypeError, FLAG, "got array([ True]) of type ndarray"),
    ("gradual", 0, TypeError, FLAG, "got 0 of type int"),
    ("keep_known", "no", TypeError, FLAG, "got 'no' of type str"),
    ("keep_grain", 1, TypeError, FLAG, "got 1 of type int"),
    ("callback", 3, TypeError, "must be callable or None", "got 3 of type int"),
    ("callback", "print", TypeError, "must be callable or None", "got 'print' of type str"),
    ("callback", [print], TypeError, "must be callable or None", "of type list"),
    ("progress", "yes", ValueError, 'must be True, False or "auto"', "got 'yes' of type str"),
    ("progress", 1, TypeError, 'must be True, False or "auto"', "got 1 of type int"),
    ("progress", None, TypeError, 'must be True, False or "auto"', "got None of type NoneType"),
    ("executor", "threads", TypeError, EXECUTOR, "got 'threads' of type str"),
    ("executor", 4, TypeError, EXECUTOR, "got 4 of type int"),
    ("executor", Executor, TypeError, EXECUTOR, "got <class 'concurrent.futures._base.Executor'>"),
    ("checkpoint", 3, TypeError, "must be a path or None", "got 3 of type int"),
    ("checkpoint", b"file", TypeError, "must be a path or None", "got b'file' of type bytes"),
    ("checkpoint", "/", pnn.CheckpointError, "no checkpoint of pnncupy", "/"),
    ("checkpoint", "/no/such/folder/file", ValueError, "in a folder that exists", "/no/such"),
    ("checkpoint", "", ValueError, "must not be empty", "got ''"),
    ("shape", (0, 20), ValueError, SIDES, "got (0, 20)"),
    ("shape", (20, 6), ValueError, SIDES, "got (20, 6)"),
    ("shape", (20, -20), ValueError, SIDES, "got (20, -20)"),
    ("shape", (20, 20, 3), ValueError, SIDES, "got (20, 20, 3)"),
    ("shape", (20,), ValueError, SIDES, "got (20,)"),
    ("shape", (2**70, 20), ValueError, "must be at most", f"got ({2**70}, 20)"),
    ("shape", (10**6, 10**6), ValueError, "must be at most", "got (1000000, 1000000)"),
    ("shape", 20, TypeError, SIDES, "got 20 of type int"),
    ("shape", (20.0, 20), TypeError, SIDES, "got (20.0, 20) of type tuple"),
    ("shape", (20, True), TypeError, SIDES, "got (20, True) of type tuple"),
    ("shape", "20", TypeError, SIDES, "got '20' of type str"),
    ("shape", np.ones((2, 2), int), TypeError, SIDES, "of type ndarray"),
    ("shape", np.array(20), TypeError, SIDES, "got array(20) of type ndarray"),
    ("shape", np.array([20.0, 16]), TypeError, SIDES, "of type ndarray"),
    ("shape", {20, 16}, TypeError, SIDES, "of type set"),
    ("shape", frozenset({20, 16}), TypeError, SIDES, "of type frozenset"),
    ("shape", {20: 1, 16: 2}, TypeError, SIDES, "got {20: 1, 16: 2} of type dict"),
    ("shape", {20: 1, 16: 2}.keys(), TypeError, SIDES, "of type dict_keys"),
    ("shape", {1: 20, 2: 16}.values(), TypeError, SIDES, "of type dict_values"),
    ("shape", iter((20, 16)), TypeError, SIDES, "of type tuple_iterator"),
    ("shape", map(int, (20, 16)), TypeError, SIDES, "of type map"),
    ("shape", b"ab", TypeError, SIDES, "got b'ab' of type bytes"),
    ("shape", bytearray(b"ab"), TypeError, SIDES, "of type bytearray"),
    ("shape", memoryview(b"ab"), TypeError, SIDES, "of type memoryview"),
    ("key_mask", GREY, TypeError, "must be bool", "got dtype float64; compare first, for example"),
    ("key_mask", HOLE.astype(np.uint8), TypeError, "must be bool", "got dtype uint8"),
    ("key_mask", HOLE.astype(object), TypeError, "must be bool", "got dtype object"),
    ("key_mask", HOLE[1:], ValueError, "must have the height and width of `key`", "(19, 24)"),
    ("key_mask", IMAGE > 2, ValueError, "must have the height and width of `key`", "(20, 24, 3)"),
    ("key_mask", HOLE[:0], ValueError, "must have the height and width of `key`", "got (0, 24)"),
    ("key_mask", HOLE, ValueError, "must leave at least one patch of 7 x 7 usable", "got none"),
    ("key_mask", HOLE.tolist(), TypeError, "must be a NumPy or CuPy array", "got list"),
    ("key_mask", "hole", TypeError, "must be a NumPy or CuPy array", "got str"),
    ("mask", GREY, TypeError, "must be bool", "got dtype float64; compare first, for example"),
    ("mask", HOLE.astype(np.int64), TypeError, "must be bool", "got dtype int64"),
    ("mask", HOLE[:, 1:], ValueError, "must have the height and width of the image", "(20, 23)"),
    ("mask", IMAGE > 2, ValueError, "must have the height and width of the image", "(20, 24, 3)"),
    ("mask", np.True_, ValueError, "must have the height and width of the image", "got ()"),
    ("mask", ~(HOLE | True), ValueError, "must be True somewhere", "got False everywhere"),
    ("mask", HOLE | True, ValueError, "must be False somewhere", "got True everywhere"),
    ("mask", [[True]], TypeError, "must be a NumPy or CuPy array", "got list"),
    ("mask", (4, 8), TypeError, "must be a NumPy or CuPy array", "got tuple"),
    ("initial_guess", [1], TypeError, "must be a NumPy or CuPy array", "got list"),
    ("initial_guess", "noise", TypeError, "must be a NumPy or CuPy array", "got str"),
    ("initial_guess", IMAGE[:3, :3], ValueError, "the coarsest level", "got 3 x 3 with 3"),
    ("initial_guess", IMAGE * np.nan, ValueError, "must be finite", "got 1440 NaN or infinite"),
    ("initial_guess", IMAGE * 1j, TypeError, "must hold bool, integer or fl", "dtype complex128"),
    ("nodata", "none", ValueError, 'must be a number, "nan" or None', "got 'none'"),
    ("nodata", "-9999", ValueError, 'must be a number, "nan" or None', "got '-9999'"),
    ("nodata", [0], TypeError, REAL, "got [0] of type list"),
    ("nodata", 1j, TypeError, REAL, "got 1j of type complex"),
    ("nodata", True, TypeError, REAL, "got True of type bool"),
    ("categorical", 1, TypeError, FLAG, "got 1 of type int"),
    ("channel_weights", "var", ValueError, 'must be None, "std" or one number', "got 'var'"),
    ("channel_weights", [1, 1], ValueError, "one number for each of the 3 channels", "got 2"),
    ("channel_weights", [1, 1, -1], ValueError, "must be a finite number of at least 0", "got -1"),
    ("channel_weights", [0, 0, 0], ValueError, "must not all be 0", "got [0, 0, 0]"),
    ("channel_weights", [1, 1, math.nan], ValueError, "finite", "nan"),
    ("channel_weights", {1, 2, 3}, TypeError, "one number for each of the 3", "got {1, 2, 3}"),
    ("channel_weights", 3, TypeError, '"std" or one number for each of the 3 channels', "got 3"),
    ("channel_weights", [1, 1, "2"], TypeError, REAL, "got '2' of type str"),
    ("guides", 3, TypeError, "must be a list of (source_guide, ", "got 3 of type int"),
    ("guides", [GREY], TypeError, "(source_guide, target_guide, weight)", "got ndarray at 0"),
    (
        "guides",
        [(GREY, GREY)],
        ValueError,
        "(source_guide, target_guide, weight)",
        "got 2 values at 0",
    ),
    ("max_memory", 0, ValueError, "must be a number of bytes of at least 1", "got 0"),
    ("max_memory", -5, ValueError, "must be a number of bytes of at least 1", "got -5"),
    ("max_memory", "lots", ValueError, "must be a number of bytes of at least 1", "got 'lots'"),
    ("max_memory", 1e9, TypeError, "must be a number of bytes of at least 1", "of type float"),
    ("max_memory", True, TypeError, "must be a number of bytes of at least 1", "of type bool"),
    ("columns", 0, ValueError, AT_LEAST_1, "got 0"),
    ("columns", 2.0, TypeError, AT_LEAST_1, "got 2.0 of type float"),
    ("size", 0, ValueError, ABOVE_0, "got 0"),
    ("size", math.inf, ValueError, ABOVE_0, "got inf"),
    ("size", "large", TypeError, REAL, "got 'large' of type str"),
]

PLAIN = "must be a NumPy or CuPy array"
NUMBERS = "must hold bool, integer or floating-point numbers"
AXES = "must be a 2-D array or a 3-D array with channels"


class Tensor:
    """Looks like an array of another library."""

    __module__ = "torch"

    def __dlpack__(self):
        raise AssertionError("must not be called")


class CupyLike:
    """Has the name of CuPy, and nothing of it."""

    __module__ = "cupy"
    ndim = 2
    shape = (20, 24)


def spoiled(value, dtype=float):
    image = IMAGE.astype(dtype)
    image[3, 4, 1] = value
    return image


# Wrong image, exception, rule, what the message says was given.
PICTURES = [
    (None, TypeError, PLAIN, "got NoneType"),
    (3.0, TypeError, PLAIN, "got float"),
    ("photo.png", TypeError, PLAIN, "got str; read the file with `pnncupy.io.read_image`"),
    ({"image": IMAGE}, TypeError, PLAIN, "got dict"),
    (Tensor(), TypeError, PLAIN, "got Tensor; convert it with `numpy.from_dlpack`"),
    (CupyLike(), TypeError, PLAIN, "got CupyLike"),
    (GREY.view(np.matrix), TypeError, "must be a plain array", "got matrix"),
    (memoryview(GREY), TypeError, PLAIN, "got memoryview; convert it with `numpy.asarray`"),
    (IMAGE + 1j, TypeError, NUMBERS, "got dtype complex128"),
    (IMAGE.astype(object), TypeError, NUMBERS, "got dtype object"),
    (IMAGE.astype(str), TypeError, NUMBERS, "got dtype <U32"),
    (IMAGE.astype("M8[s]"), TypeError, NUMBERS, "got dtype datetime64[s]"),
    (IMAGE.astype("m8[s]"), TypeError, NUMBERS, "got dtype timedelta64[s]"),
    (np.zeros((9, 9), "f4, i2"), TypeError, NUMBERS, "got dtype [('f0', '<f4'), ('f1', '<i2')]"),
    (IMAGE.astype(np.longdouble), TypeError, "at most 64-bit", "convert it with `.astype('float6"),
    (np.float64(3), ValueError, AXES, "got shape ()"),
    (np.zeros(9), ValueError, AXES, "got shape (9,)"),
    (np.zeros((9, 9, 3, 1, 1, 1)), ValueError, AXES, "got shape (9, 9, 3, 1, 1, 1)"),
    (np.zeros((0, 9)), ValueError, "must not be empty", "got shape (0, 9)"),
    (np.zeros((9, 9, 0)), ValueError, "must not be empty", "got shape (9, 9, 0)"),
    (spoiled(np.nan), ValueError, "must be finite", "got 1 NaN or infinite values, the first at"),
    (spoiled(np.inf), ValueError, "must be finite", "the first at index (3, 4, 1)"),
    (spoiled(-np.inf, "f2"), ValueError, "must be finite", "the first at index (3, 4, 1)"),
    (IMAGE[:1, :1], ValueError, "must be at least `patch_size` = 7 pixels", "got 1 x 1"),
    (IMAGE[:6], ValueError, "must be at least `patch_size` = 7 pixels", "got 6 x 24"),
]  # fmt: skip
PICTURE_PARAMETERS = [
    "image", "images", "source", "sources", "structure", "edited", "query", "key", "value",
    "result", "samples",
]  # fmt: skip
# These look at their images in another way.
OTHER_PICTURES = [pnn.apply_index, metrics.phase_fractions, metrics.two_point_correlation,
                  metrics.psnr, batch.make_jobs]  # fmt: skip
# Their shapes are compared with those of another argument first.
SHAPES_FIRST = [(pnn.edit, "edited"), (pnn.inpaint, "image")]

# Where a parameter means something else, or is not looked at in the call of `CALLS`.
DIFFERENT = {
    ("levels", pnn.pyramid): "until one pixel is left, see below",
    ("shape", pnn.resize): "sides from 1, see below",
    ("shape", pnn.vote): "it must be that of the matches, see below",
    ("data_range", metrics.psnr): "it has no default, see below",
}

WHOLE = "must hold integers (row, column)"
INSIDE = "must lie inside of the images of"
SPAN = "span"

# Function, what replaces arguments of its right call, exception, parameter, rule, what was given.
OTHERS = [
    (pnn.generate, {"patch_size": 2**70}, ValueError, "patch_size", "must be at least", "20 x 24"),
    (pnn.generate, {"image": []}, ValueError, "image", "at least one image", "got an empty list"),
    (pnn.generate, {"image": [[1, 2], [3, 4]]}, TypeError, "image[0]", PLAIN, "got list"),
    (pnn.generate, {"image": [IMAGE, GREY]}, ValueError, "image[1]",
     "must have the channels of the source, 3", "got 1"),
    (pnn.generate, {"image": [IMAGE, BYTES]}, TypeError, "image[1]",
     "must have the dtype of the source, float64", "got uint8"),
    (pnn.generate, {"image": [IMAGE, IMAGE, IMAGE.astype("f4")]}, TypeError, "image[2]",
     "must have the dtype of the source, float64", "got float32"),
    (pnn.generate, {"image": [GREY, GREY[..., None]]}, ValueError, "image[1]",
     "must have as many axes as the source, 2", "got 3"),
    (pnn.generate, {"image": [IMAGE, IMAGE[:6]]}, ValueError, "image[1]",
     "must be at least `patch_size` = 7 pixels", "got 6 x 24"),
    (pnn.generate, {"noise_std": 1e19, "levels": 0}, ValueError, "noise_std", "a smaller", SPAN),
    (pnn.generate, {"data_range": (0, 1e-30)}, ValueError, "data_range", "or another", SPAN),
    (pnn.generate, {"data_range": (1e30, 1.1e30)}, ValueError, "data_range",
     "must lie nearer to the values", "got (1e+30, 1.1e+30); leave it out"),
    (pnn.generate, {"image": np.array([[-1.7e308] * 8, [1.7e308] * 8] * 4)}, ValueError,
     "data_range", "must not span more than float64 holds", "got -1.7e+308 to 1.7e+308"),
    (pnn.generate, {"levels": 5}, ValueError, "levels",
     "at most 4, so that the coarsest level still holds a patch of 7 x 7", "got 5"),
    (pnn.generate, {"initial_guess": IMAGE}, ValueError, "initial_guess",
     "coarsest level, 15 x 18 with 3", "got 20 x 24"),
    (pnn.generate, {"initial_guess": IMAGE[:15, :18, :2]}, ValueError, "initial_guess",
     "15 x 18 with 3 channels", "got 15 x 18 with 2"),
    (pnn.generate, {"initial_guess": IMAGE[:15, :18], "n": 2}, ValueError, "n",
     "must be None or 1 with an `initial_guess`", "got 2"),
    (pnn.generate, {"initial_guess": IMAGE[:15, :18] * 1e300}, ValueError, "initial_guess",
     "beyond the range of float32", "scale it"),
    (pnn.generate, {"guides": [(GREY, GREY[1:], 1)]}, ValueError, "guides[0]",
     "must have the height and width of what it guides, (20, 24)", "got (19, 24)"),
    (pnn.generate, {"guides": [(GREY, IMAGE, 1)]}, ValueError, "guides[0]",
     "must have one dtype and number of channels", "float64 with 3"),
    (pnn.generate, {"guides": [(GREY, GREY, -1)]}, ValueError, "guides[0]",
     "must be a finite number of at least 0", "got -1"),
    (pnn.generate, {"guides": [(GREY, "target", 1)]}, TypeError, "guides[0]", PLAIN, "got str"),
    (pnn.generate, {"guides": [([GREY, GREY], GREY, 1)]}, ValueError, "guides[0]",
     "a guide for each of the 1 sources", "got 2"),
    (pnn.generate, {"guides": [(GREY * np.nan, GREY, 1)]}, ValueError, "guides[0]",
     "must be finite", "got 480 NaN or infinite values"),
    (pnn.analogy, {"structure": GREY}, ValueError, "structure", "must have the channels", "got 1"),
    (pnn.analogy, {"structure": BYTES}, TypeError, "structure", "must have the dtype", "got uint8"),
    (pnn.collage, {"images": []}, ValueError, "images", "at least one image", "got an empty list"),
    (pnn.collage, {"images": [IMAGE]}, ValueError, "images", "at least 2 images", "got 1"),
    (pnn.collage, {"images": IMAGE}, ValueError, "images", "at least 2 images", "got 1"),
    (pnn.collage, {"images": [IMAGE, GREY]}, ValueError, "images[1]", "have the channels", "got 1"),
    (pnn.collage, {"images": [BYTES, IMAGE]}, TypeError, "images[1]", "have the dtype of the",
     "uint8, got float64"),
    (pnn.edit, {"edited": IMAGE[:9]}, ValueError, "edited",
     "must have the size of `source`, (20, 24)", "got (9, 24)"),
    (pnn.edit, {"edited": GREY}, ValueError, "edited", "must have the channels", "got 1"),
    (pnn.edit, {"edited": BYTES}, TypeError, "edited", "must have the dtype", "got uint8"),
    (pnn.inpaint, {"fill": "grey"}, ValueError, "fill", "must be one of 'mean', 'noise'",
     "got 'grey'"),
    (pnn.inpaint, {"fill": 0.5}, TypeError, "fill", PLAIN, "got float"),
    (pnn.inpaint, {"fill": GREY}, ValueError, "fill",
     "must have the shape of `image`, (20, 24, 3)", "got (20, 24)"),
    (pnn.inpaint, {"fill": BYTES}, TypeError, "fill",
     "must have the dtype of `image`, float64", "got uint8"),
    (pnn.inpaint, {"fill": IMAGE * np.nan}, ValueError, "image", "must be finite",
     "got 48 NaN or infinite values, the first at index (4, 4, 0)"),
    (pnn.inpaint, {"mask": GREY < 0.9}, ValueError, "mask",
     "must leave a patch of 7 x 7 known pixels", "no number of levels works"),
    (pnn.nearest_patches, {"key": []}, ValueError, "key", "must hold at least one image",
     "got 0 images"),
    (pnn.nearest_patches, {"key": [IMAGE, GREY]}, ValueError, "key[1]",
     "must have the channels of `query`, 3", "got 1"),
    (pnn.nearest_patches, {"key": GREY}, ValueError, "key",
     "must have the channels of `query`, 3", "got 1"),
    (pnn.nearest_patches, {"query": [IMAGE]}, TypeError, "query", PLAIN, "got list"),
    (pnn.nearest_patches, {"query": IMAGE * 1e39}, ValueError, "query",
     "values beyond the range of float32", "scale it first"),
    (pnn.nearest_patches, {"query": IMAGE * 1e30}, ValueError, "query", "scale", "span 1e+30;"),
    (pnn.nearest_patches, {"query": IMAGE * 1e-20, "key": IMAGE * 1e-20}, ValueError, "query",
     "need 1e-15 to", "span 9.99e-21;"),
    (pnn.nearest_patches, {"patch_size": 30}, ValueError, "query",
     "must be at least `patch_size` = 30 pixels", "got 20 x 24"),
    (pnn.nearest_patches, {"key": [IMAGE], "key_mask": []}, ValueError, "key_mask",
     "one mask for each", "got 1 images and 0 masks"),
    (pnn.nearest_patches, {"key": [IMAGE, IMAGE], "key_mask": HOLE}, TypeError, "key_mask",
     "must be a list with one mask for each of `key`", "got ndarray"),
    (pnn.nearest_patches, {"key_mask": 3}, TypeError, "key_mask", PLAIN, "got int"),
    (pnn.nearest_patches, {"rounds": 0}, ValueError, "rounds", AT_LEAST_1, "got 0"),
    (pnn.nearest_patches, {"rounds": 1.5}, TypeError, "rounds", AT_LEAST_1, "of type float"),
    (pnn.nearest_patches, {"initial": MATCHES[1:]}, ValueError, "initial",
     "must have one entry for each query patch, (14, 18)", "got shape (13, 18, 2)"),
    (pnn.nearest_patches, {"initial": MATCHES * 1.0}, TypeError, "initial", WHOLE, "float64"),
    (pnn.nearest_patches, {"initial": MATCHES + 14}, ValueError, "initial", INSIDE,
     "got [14, 14] at (0, 0)"),
    (pnn.nearest_patches, {"initial": MAP[:14, :18]}, ValueError, "initial",
     "must have shape (rows, columns, 2)", "got (14, 18, 3)"),
    (pnn.nearest_patches, {"initial": MATCHES.tolist()}, TypeError, "initial", PLAIN, "got list"),
    (pnn.nearest_patches, {"initial": np.int64(3)}, ValueError, "initial",
     "one entry for each query patch", "got shape ()"),
    (pnn.key_minimum, {"key": GREY}, ValueError, "key", "must have the channels", "got 1"),
    (pnn.key_minimum, {"key": [IMAGE]}, TypeError, "key", PLAIN, "got list"),
    (pnn.pnn_step, {"value": IMAGE[:9]}, ValueError, "value",
     "must have the shape of `key`, (20, 24, 3)", "got (9, 24, 3)"),
    (pnn.pnn_step, {"value": GREY}, ValueError, "value", "must have the channels", "got 1"),
    (pnn.vote, {"shape": (20, 25)}, ValueError, "shape",
     "must be that of `index` plus `patch_size` - 1, (20, 24)", "got (20, 25)"),
    (pnn.vote, {"shape": 20}, TypeError, "shape", SIDES, "got 20 of type int"),
    (pnn.vote, {"index": MATCHES * 1.0}, TypeError, "index", WHOLE, "got dtype float64"),
    (pnn.vote, {"index": MATCHES > 0}, TypeError, "index", WHOLE, "got dtype bool"),
    (pnn.vote, {"index": MATCHES.astype(object)}, TypeError, "index", WHOLE, "got dtype object"),
    (pnn.vote, {"index": MATCHES.tolist()}, TypeError, "index", PLAIN, "got list"),
    (pnn.vote, {"index": np.int32(3)}, ValueError, "index", "must have shape", "got ()"),
    (pnn.vote, {"index": MATCHES[..., 0]}, ValueError, "index",
     "must have shape (rows, columns, 2)", "got (14, 18)"),
    (pnn.vote, {"index": MATCHES[:0]}, ValueError, "index", "must have shape", "got (0, 18, 2)"),
    (pnn.vote, {"value": [IMAGE]}, ValueError, "index", "shape (rows, columns, 3)", "(14, 18, 2)"),
    (pnn.vote, {"index": MATCHES + 14}, ValueError, "index", INSIDE, "got [14, 14] at (0, 0)"),
    (pnn.vote, {"index": MATCHES - 1}, ValueError, "index", INSIDE, "got [-1, -1] at (0, 0)"),
    (pnn.vote, {"index": np.full((14, 18, 2), 2**63, np.uint64)}, ValueError, "index", INSIDE,
     f"got [{2**63}, {2**63}] at (0, 0)"),
    (pnn.vote, {"value": IMAGE * 0 + 3e38}, ValueError, "value", "whose sum over a patch overflows",
     "got up to 3e+38"),
    (pnn.vote, {"value": []}, ValueError, "value", "at least one image", "got an empty list"),
    (pnn.vote, {"value": [IMAGE, GREY]}, ValueError, "value[1]", "must have the channels", "got 1"),
    (pnn.apply_index, {"index": MAP + 20}, ValueError, "index", INSIDE, "got [20, 20, 20]"),
    (pnn.apply_index, {"index": MAP - 1}, ValueError, "index", INSIDE, "got [-1, -1, -1]"),
    (pnn.apply_index, {"index": MAP * np.nan}, TypeError, "index", "hold integers", "float64"),
    (pnn.apply_index, {"index": MAP[None]}, ValueError, "index", "of several, take `index[i]`",
     "got shape (1, 20, 24, 3)"),
    (pnn.apply_index, {"index": None}, TypeError, "index", PLAIN, "got NoneType"),
    (pnn.apply_index, {"sources": [GREY, GREY], "index": MATCHES}, ValueError, "index",
     "(source, row, column) with more than one source", "got shape (14, 18, 2)"),
    (pnn.apply_index, {"sources": []}, ValueError, "sources", "at least one", "got an empty list"),
    (pnn.apply_index, {"sources": "layer"}, TypeError, "sources[0]", PLAIN, "got str"),
    (pnn.apply_index, {"sources": [GREY, IMAGE]}, ValueError, "sources[1]",
     "(height, width, ...) with the trailing axes of `sources[0]`, ()", "got shape (20, 24, 3)"),
    (pnn.apply_index, {"sources": [GREY, GREY > 0]}, TypeError, "sources[1]",
     "must have the dtype of `sources[0]`, float64", "got bool"),
    (pnn.apply_index, {"sources": GREY[0]}, ValueError, "sources[0]", "must be (height", "(24,)"),
    (pnn.apply_index, {"sources": GREY[:0]}, ValueError, "index", INSIDE, "got [0, 0, 0]"),
    (pnn.apply_index, {"sources": np.ma.masked_array(GREY)}, TypeError, "sources[0]",
     "must be a plain array", "got MaskedArray; use `.filled(...)`"),
    (pnn.apply_index, {"index": np.ma.masked_array(MAP)}, TypeError, "index",
     "must be a plain array", "got MaskedArray; use `.filled(...)`"),
    (pnn.key_minimum, {"key": np.ma.masked_array(IMAGE)}, TypeError, "key",
     "must be a plain array", "got MaskedArray; use `.filled(...)`"),
    (pnn.resize, {"image": np.ma.masked_array(IMAGE)}, TypeError, "image",
     "must be a plain array", "got MaskedArray; use `.filled(...)`"),
    (pnn.resize, {"scale": 0}, ValueError, "scale", ABOVE_0, "got 0"),
    (pnn.resize, {"scale": -0.5}, ValueError, "scale", ABOVE_0, "got -0.5"),
    (pnn.resize, {"scale": math.inf}, ValueError, "scale", ABOVE_0, "got inf"),
    (pnn.resize, {"scale": math.nan}, ValueError, "scale", ABOVE_0, "got nan"),
    (pnn.resize, {"scale": 1e-9}, ValueError, "scale", "must be at least 0.0001", "got 1e-09"),
    (pnn.resize, {"scale": 1e9}, ValueError, "scale", "at most", "got 1000000000.0"),
    (pnn.resize, {"scale": (1, 2, 3)}, ValueError, "scale", "one number or one per axis (2)",
     "got (1, 2, 3)"),
    (pnn.resize, {"scale": []}, ValueError, "scale", "one number or one per axis (2)", "got []"),
    (pnn.resize, {"scale": [[1, 2], [3]]}, ValueError, "scale", "one number or one per axis (2)",
     "got [[1, 2], [3]]"),
    (pnn.resize, {"scale": "2"}, TypeError, "scale", REAL, "got '2' of type str"),
    (pnn.resize, {"scale": None}, TypeError, "scale", REAL, "got None of type NoneType"),
    (pnn.resize, {"scale": True}, TypeError, "scale", REAL, "got True of type bool"),
    (pnn.resize, {"scale": (1, "2")}, TypeError, "scale", REAL, "got '2' of type str"),
    (pnn.resize, {"shape": (0, 3)}, ValueError, "shape", "two integers of at least 1", "(0, 3)"),
    (pnn.resize, {"shape": "ab"}, TypeError, "shape", "two integers of at least 1", "got 'ab'"),
    (pnn.resize, {"shape": (2**70, 3)}, ValueError, "shape", "must be at most", f"({2**70}, 3)"),
    (pnn.resize, {"image": IMAGE * 1e300}, ValueError, "image", "beyond the range of float32",
     "got up to"),
    (pnn.pyramid, {"levels": -1}, ValueError, "levels", AT_LEAST_0, "got -1"),
    (pnn.pyramid, {"levels": 2.0}, TypeError, "levels", AT_LEAST_0, "got 2.0 of type float"),
    (pnn.pyramid, {"levels": 2**70}, ValueError, "levels",
     "must be at most 12, where one pixel is left of 20 x 24", f"got {2**70}"),
    (baselines.bidirectional_similarity, {"step": 1}, ValueError, "step", "between 0 and 1",
     "got 1"),
    (baselines.bidirectional_similarity, {"step": 0.0}, ValueError, "step", ABOVE_0, "got 0.0"),
    (baselines.bidirectional_similarity, {"step": math.nan}, ValueError, "step", ABOVE_0, "nan"),
    (baselines.bidirectional_similarity, {"step": "0.9"}, TypeError, "step", REAL, "got '0.9'"),
    (baselines.bidirectional_similarity, {"tolerance": -1}, ValueError, "tolerance",
     "must be a finite number of at least 0", "got -1"),
    (baselines.bidirectional_similarity, {"tolerance": None}, TypeError, "tolerance", REAL,
     "got None"),
    (metrics.coherence, {"source": []}, ValueError, "source", "at least one image",
     "got an empty list"),
    (metrics.coherence, {"result": GREY}, ValueError, "result", "must have the channels", "got 1"),
    (metrics.near_copy, {"largest_shift": -1}, ValueError, "largest_shift", AT_LEAST_0, "got -1"),
    (metrics.near_copy, {"largest_shift": 0.5}, TypeError, "largest_shift", AT_LEAST_0, "got 0.5"),
    (metrics.near_copy, {"index": MAP + 24}, ValueError, "index", INSIDE, "got [24, 24, 24]"),
    (metrics.near_copy, {"index": MAP[1:]}, ValueError, "index", "(20, 24)", "got"),
    (metrics.patch_swd, {"scales": 0}, ValueError, "scales", AT_LEAST_1, "got 0"),
    (metrics.patch_swd, {"scales": 9}, ValueError, "scales", "must be at most 2", "got 9"),
    (metrics.patch_swd, {"projections": 0}, ValueError, "projections", AT_LEAST_1, "got 0"),
    (metrics.diversity, {"result": [IMAGE]}, ValueError, "result", "at least 2 images",
     "got 1"),
    (metrics.diversity, {"result": 3}, TypeError, "result", PLAIN, "got int"),
    (metrics.diversity, {"result": [IMAGE, IMAGE[1:]]}, ValueError, "result",
     "must all have one shape", "[(19, 24, 3), (20, 24, 3)]"),
    (metrics.diversity, {"source": IMAGE * 0}, ValueError, "source", "must not be constant",
     "got a standard deviation of 0"),
    (metrics.sharpness_ratio, {"source": IMAGE * 0}, ValueError, "source",
     "must have a Laplacian other than 0", "got 0 everywhere"),
    (metrics.sharpness_ratio, {"result": IMAGE[:2]}, ValueError, "result", "at least 3 x 3",
     "got 2 x 24"),
    (metrics.phase_fractions, {"source": GREY}, TypeError, "source", "give a `threshold`",
     "got dtype float64"),
    (metrics.phase_fractions, {"source": BYTES}, ValueError, "source", "must be a 2-D array",
     "got shape (20, 24, 3)"),
    (metrics.phase_fractions, {"source": GREY, "threshold": math.nan}, ValueError, "threshold",
     "must be a finite number", "got nan"),
    (metrics.phase_fractions, {"source": GREY.astype(object)}, TypeError, "source", NUMBERS,
     "got dtype object"),
    (metrics.phase_fractions, {"result": GREY > 2, "source": BYTES[..., 0]}, TypeError, "result",
     "must hold labels like those of `source`, uint8", "got bool"),
    (metrics.two_point_correlation, {"phase": 1}, TypeError, "phase", FLAG, "got 1 of type int"),
    (metrics.two_point_correlation, {"source": BYTES[..., 0]}, ValueError, "phase",
     "must be given for labels", "uint8"),
    (metrics.two_point_correlation, {"largest_distance": 20}, ValueError, "largest_distance",
     "must be less than the smallest side, 20 pixels", "got 20"),
    (metrics.psnr, {"result": GREY}, ValueError, "result", "must have the shape of `source`",
     "got (20, 24)"),
    (metrics.psnr, {"result": [IMAGE.tolist()]}, TypeError, "result[0]", PLAIN, "got list"),
    (metrics.psnr, {"source": IMAGE.astype(object)}, TypeError, "source", NUMBERS, "dtype object"),
    (metrics.psnr, {"source": IMAGE + 1j}, TypeError, "source", NUMBERS, "got dtype complex128"),
    (metrics.psnr, {"result": spoiled(np.nan)}, ValueError, "result", "must be finite",
     "the first at index (3, 4, 1)"),
    (metrics.psnr, {"source": IMAGE[:0], "result": IMAGE[:0]}, ValueError, "source",
     "must not be empty", "got shape (0, 24, 3)"),
    (metrics.psnr, {"data_range": (0, 0)}, ValueError, "data_range", "must have low < high",
     "got (0"),
    (metrics.psnr, {"data_range": 255}, TypeError, "data_range", "two numbers (low, high)",
     "got 255"),
    (metrics.psnr, {"data_range": None}, TypeError, "data_range", "two numbers (low, high)",
     "got None"),
    (plot.compare, {"images": IMAGE}, TypeError, "images", "must be a list of arrays",
     "got ndarray; put a single image into a list"),
    (plot.compare, {"images": {}}, ValueError, "images", "at least one image", "got none"),
    (plot.compare, {"titles": ["one"]}, ValueError, "titles", "one for each of the 2", "got 1"),
    (plot.compare, {"titles": "one"}, TypeError, "titles", "must be a list of str", "got 'one'"),
    (plot.compare, {"images": {"a": IMAGE}, "titles": ["b"]}, ValueError, "titles",
     "must be None where `images` is a dict", "got ['b']"),
    (plot.samples, {"result": GREY}, ValueError, "result", "array of shape (n, H, W)",
     "got shape (20, 24)"),
    (plot.index_map, {"opacity": 2}, ValueError, "opacity", "a number from 0 to 1", "got 2"),
    (plot.index_map, {"opacity": "half"}, TypeError, "opacity", REAL, "got 'half'"),
    (plot.index_map, {"index": MAP + 30}, ValueError, "index", INSIDE, "got [30, 30, 30]"),
    (plot.index_map, {"result": IMAGE[1:]}, ValueError, "result",
     "must have the height and width of `index`, (20, 24)", "got (19, 24)"),
    (batch.make_jobs, {"verb": "paint"}, ValueError, "verb", "must be one of 'generate'",
     "got 'paint'"),
    (batch.make_jobs, {"n": 0}, ValueError, "n", AT_LEAST_1, "got 0"),
    (batch.make_jobs, {"verb": "retarget", "shape": (9, 9), "n": 2}, ValueError, "n",
     "must be 1 for retarget", "got 2"),
    (batch.make_jobs, {"image": 3.0}, TypeError, "image", PLAIN, "got float"),
    (batch.make_jobs, {"image": [IMAGE, Tensor()]}, TypeError, "image[1]", PLAIN, "got Tensor"),
    (batch.make_jobs, {"colour": 3}, ValueError, "colour", "generate has no argument", "colour"),
    (batch.jobs_of_folder, {"count": 0}, ValueError, "count", AT_LEAST_1, "got 0"),
    (batch.jobs_of_folder, {"seed": -1}, ValueError, "seed", AT_LEAST_0, "got -1"),
    (batch.jobs_of_folder, {"seed": None}, TypeError, "seed", AT_LEAST_0, "got None"),
    (batch.jobs_of_folder, {"arguments": {"colour": 3}}, ValueError, "colour",
     "generate has no argument", "colour"),
    (batch.jobs_of_folder, {"arguments": {"alpha": 0}}, ValueError, "alpha",
     "must be a number above 0", "got 0"),
    (batch.jobs_of_folder, {"verb": "collage"}, ValueError, "verb",
     "must be a task that makes an image of one", "got 'collage'"),
    (batch.jobs_of_folder, {"recursive": "yes"}, TypeError, "recursive", FLAG, "got 'yes'"),
    (batch.ProcessPool, {"workers": 0}, ValueError, "workers", AT_LEAST_1, "got 0"),
    (batch.ProcessPool, {"threads": "2"}, TypeError, "threads", AT_LEAST_1, "got '2'"),
    (samples.load_sample, {"name": "lena"}, ValueError, "name", "must be one of 'chelsea'",
     "got 'lena'"),
]  # fmt: skip


def chosen(takers, number, first):
    """All that take a parameter for its first row, which proves that it is checked everywhere.

    The other rows prove the check itself, on one of them in turn.
    """
    return takers if first else takers[number % len(takers) :][:1]


def shared_calls():
    seen = set()
    for number, (parameter, value, error, rule, told) in enumerate(SHARED):
        takers = [
            function for function in CALLS
            if parameter in inspect.signature(function).parameters
            and (parameter, function) not in DIFFERENT
        ]  # fmt: skip
        first = parameter not in seen
        seen.add(parameter)
        for function in chosen(takers, number, first):
            right = CALLS[function]
            # Without an address: all processes that share the tests have to find the same names.
            shown = repr(value).partition(" at 0x")[0][:20]
            name = f"{function.__name__}-{parameter}-{shown}"
            yield pytest.param(
                function, {**right, parameter: value}, error, parameter, rule, told, id=name
            )


def check_refused(function, arguments, error, parameter, rule, told):
    with pytest.raises(error) as refused:
        function(**arguments)
    message = str(refused.value)
    assert type(refused.value) is error
    assert f"`{parameter}`" in message
    assert rule in message
    assert told in message
    assert "\n" not in message
    assert len(message) < 450


@pytest.mark.parametrize(
    ("function", "arguments", "error", "parameter", "rule", "told"), list(shared_calls())
)
def test_parameters_of_several_functions(function, arguments, error, parameter, rule, told):
    check_refused(function, arguments, error, parameter, rule, told)


def picture_calls():
    takers = [
        (function, parameter)
        for function, right in CALLS.items() if function not in OTHER_PICTURES
        for parameter in sorted(set(right) & set(PICTURE_PARAMETERS))
        if (function, parameter) != (plot.samples, "source")  # None: without
    ]  # fmt: skip
    for number, (picture, error, rule, told) in enumerate(PICTURES):
        able = [
            (function, parameter) for function, parameter in takers
            if "`patch_size`" not in rule
            or ("patch_size" in inspect.signature(function).parameters
                and (function, parameter) not in SHAPES_FIRST)
        ]  # fmt: skip
        for function, parameter in chosen(able, number, first=number == 0):
            right = CALLS[function]
            given, name = picture, parameter
            if isinstance(right[parameter], list):
                given, name = [picture, picture], f"{parameter}[0]"
            yield pytest.param(
                function, {**right, parameter: given}, error, name, rule, told,
                id=f"{function.__name__}-{name}-{number}",
            )  # fmt: skip


@pytest.mark.parametrize(
    ("function", "arguments", "error", "parameter", "rule", "told"), list(picture_calls())
)
def test_pictures(function, arguments, error, parameter, rule, told):
    check_refused(function, arguments, error, parameter, rule, told)


@pytest.mark.parametrize(
    ("function", "changes", "error", "parameter", "rule", "told"), OTHERS,
    ids=[f"{call[0].__name__}-{call[3]}-{number}" for number, call in enumerate(OTHERS)],
)  # fmt: skip
def test_what_one_function_refuses(function, changes, error, parameter, rule, told):
    check_refused(function, {**CALLS[function], **changes}, error, parameter, rule, told)


def pairs_of_arrays():
    for function, right in CALLS.items():
        names = [
            name for name, value in right.items()
            if isinstance(value, np.ndarray) or (isinstance(value, list) and len(value) > 1)
        ]  # fmt: skip
        several = sum(len(right[name]) if isinstance(right[name], list) else 1 for name in names)
        for name in names if several > 1 else ():
            yield function, name


@pytest.mark.parametrize(("function", "name"), list(pairs_of_arrays()))
def test_arrays_of_two_libraries_do_not_mix(function, name, cupy):
    right = CALLS[function]
    given = right[name]
    moved = [cupy.asarray(given[0]), *given[1:]] if isinstance(given, list) else cupy.asarray(given)
    if function.__module__ == "pnncupy.plot":
        assert function(**{**right, name: moved})
        return
    with pytest.raises(TypeError, match="all arrays of a call must belong to one array library"):
        function(**{**right, name: moved})


# Numbers of NumPy that are as good as those of Python.
SCALARS = {
    "patch_size": (5, np.int8(5)),
    "alpha": (0.5, np.float16(0.5)),
    "noise_std": (0.25, np.array(0.25)),
    "downscale": (1.5, np.longdouble(1.5)),
    "vote_width": (0.5, np.float16(0.5)),
    "levels": (1, np.uint64(1)),
    "iterations": (1, np.int32(1)),
    "coarse_iterations": (1, np.uint8(1)),
    "channel_axis": (2, np.array(2)),
    "data_range": ((0, 2), np.array([0, 2], np.uint8)),
    "first_sample": (3, np.int64(3)),
    "rng": (7, np.uint32(7)),
    "threads": (2, np.int16(2)),
    "incremental": (True, np.True_),
    "gradual": (False, np.False_),
    "keep_known": (False, np.array(False)),
    "keys": ("sharp", np.str_("sharp")),
    "shape": ((20, 16), np.array([20, 16], np.int8)),
    "scale": (0.5, np.float32(0.5)),
    "step": (0.75, np.float32(0.75)),
    "tolerance": (0, np.int8(0)),
    "largest_shift": (2, np.uint8(2)),
    "scales": (1, np.int64(1)),
    "projections": (3, np.int64(3)),
    "opacity": (1, np.True_ + 0),
}


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
@pytest.mark.slow
def test_numbers_of_numpy_are_numbers(function):
    names = set(inspect.signature(function).parameters) & set(SCALARS)
    if function is pnn.vote:
        names.remove("shape")
    if function is plot.slices:  # of a volume without channels
        names.remove("channel_axis")
    plain, numpy = (
        {**CALLS[function], **{name: SCALARS[name][kind] for name in names}} for kind in (0, 1)
    )
    assert picked(function(**plain)) == picked(function(**numpy))


def picked(result):
    """What can be compared by `==`."""
    if isinstance(result, batch.ProcessPool):
        result.shutdown()
        return result.threads
    if isinstance(result, (tuple, list)):
        return [picked(part) for part in result]
    if hasattr(result, "savefig"):
        return [axes.images[0].get_array().tolist() for axes in result.axes]
    return result.tolist() if isinstance(result, np.ndarray) else str(result)
