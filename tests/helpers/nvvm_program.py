"""Compiles the kernels of engine `numba-cuda` without a device; run by test_numba_cuda.py.

Numba asks the device for its architecture when it compiles a function that a kernel calls.
"""

import sys
import warnings
from types import ModuleType, SimpleNamespace

from numba import cuda, types
from numba.cuda import dispatcher

from pnncupy.kernels.numba_cuda import device as launches
from pnncupy.kernels.numba_cuda import mean_kernels, nearest, patchmatch, vote, weighted_mean

number, truth, real = types.int64, types.boolean, types.float32


def arrays(axes, *dtypes):
    return [types.Array(dtype, axes, "C") for dtype in dtypes]


planes, words, flags = arrays(3, real, types.uint64, truth)
(weights, key_words), (lists,), missing = (
    arrays(2, real, types.uint64),
    arrays(4, types.uint64),
    planes,
)
# Images are volumes of one slice.
images = arrays(4, real)[0]
numbers, sums = arrays(3, types.int32, real)
flat, flat_sums, flat_words = arrays(1, types.int32, real, types.uint64)
kernels = [
    (
        nearest.nearest_kernel(*sides, weighted, masked, reverse),
        (
            planes,
            number,
            planes,
            weights,
            flags if masked else missing,
            lists,
            key_words,
            *[number] * 5,
        ),
    )
    for *sides, weighted, masked, reverse in (
        (7, 7, True, True, False),
        (2, 5, False, False, True),
        (1, 3, True, False, True),
    )
]
kernels += [
    (
        patchmatch.patchmatch_kernel(axes, *sides, normalised),
        (images, images, flags, numbers, sums, numbers, sums, *[number] * 4, sums, real, real,
         words, flags, truth),
    )
    for axes, *sides, normalised in ((2, 1, 7, 7, True), (3, 2, 5, 4, False))
]  # fmt: skip
kernels += [
    (vote._vote_mean, (images, numbers, sums, flags, truth, images)),
    (vote._ranked_kernel(1, 7, 7, False), (images, numbers, flags, truth, images)),
    (vote._ranked_kernel(3, 4, 5, True), (images, numbers, flags, truth, images)),
    (patchmatch._sum_pairs, (images, images, *[number] * 3, flat, flat, flat_sums)),
    (patchmatch._lower_words, (flat_words, flat, flat_words)),
]
(field, places), (notes,) = arrays(2, real, types.int32), arrays(3, types.uint8)
(bits_of_field,), (side,) = arrays(2, types.int32), arrays(1, real)
tiles = [weighted_mean._tile(15, valued) for valued in (False, True)]
searched = (planes, planes, field, field, real, notes, *[number] * 3)
kernels += [
    (mean_kernels.least_kernel(15, tiles[0], 2),
     (planes, planes, bits_of_field, field, notes, *[number] * 3)),
    (mean_kernels.total_kernel(15, tiles[0], 2), (*searched, number, number, field, places)),
    (mean_kernels.value_kernel(15, tiles[1], 2), (*searched, field, planes, side, planes)),
]  # fmt: skip
for capability in ((7, 5), (9, 0)):
    device = SimpleNamespace(compute_capability=capability)
    dispatcher.get_current_device = lambda device=device: device
    for kernel, signature in kernels:
        code, _ = cuda.compile(kernel.py_func, signature, cc=capability, device=False, abi="numba")
        # Products and sums are rounded one by one, divisions as on the CPU.
        # (But for the limit of a normalised search, which is widened.)
        if "pass_over" not in kernel.py_func.__name__:
            assert "fma.rn.f32" not in code
        assert "div.full" not in code
        assert "div.approx" not in code
        print(kernel.py_func.__name__, capability, "compiled")

# Small grids are no reason for a warning of ours, and others keep theirs.
warnings.filterwarnings("error", "Grid size")
search, _ = kernels[0]
launches._configured(search, (3, 1, 1), 0, 64)
try:
    search[(4, 1, 1), 64]
except Warning:
    print("no warning")

# Launches on the device of the first argument and CuPy's current stream there, as nested contexts.
entered = []


class Recorded:
    """A device, as CuPy and Numba have them."""

    def __init__(self, name):
        self.name, self.id = name, 1

    def __enter__(self):
        entered.append(self.name)

    def __exit__(self, *error):
        entered.remove(self.name)


class Kernel:
    def __getitem__(self, configuration):
        *grid, stream = configuration
        return lambda *given: launched.append((grid, stream.pointer, list(entered), given))


launched, waits = [], []
cupy = sys.modules["cupy"] = ModuleType("cupy")
cupy.cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=77))
cuda.gpus = [None, Recorded("numba")]
cuda.external_stream = lambda pointer: SimpleNamespace(
    pointer=pointer, synchronize=lambda: waits.append(pointer)
)
array = SimpleNamespace(device=Recorded("cupy"))
launches.launch(Kernel(), 5, array, 3)
launches.launch(Kernel(), (6, 2), array, wait=True)
assert launched == [
    ([5, launches.THREADS], 77, ["cupy", "numba"], (array, 3)),
    ([(6, 2), launches.THREADS], 77, ["cupy", "numba"], (array,)),
]
assert waits == [77]
assert not entered
print("on its device and stream")
