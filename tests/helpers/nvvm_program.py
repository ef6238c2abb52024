"""Compiles the kernels of engine `numba-cuda` without a device; run by test_numba_cuda.py.

Numba asks the device for its architecture when it compiles a function that a kernel calls.
"""

from types import SimpleNamespace

from numba import cuda, types
from numba.cuda import dispatcher

from pnncupy.kernels.numba_cuda import nearest, patchmatch, vote

images, table = types.Array(types.float32, 3, "C"), types.Array(types.float32, 2, "C")
flags, matches = types.Array(types.boolean, 2, "C"), types.Array(types.uint64, 2, "C")
field, number = types.Array(types.int32, 2, "C"), types.int64
searches = [
    (
        nearest.nearest_kernel(p, channels, weighted, masked),
        (images, images, table, flags if masked else table, matches, *[number] * 5),
    )
    for p, channels, weighted, masked in ((7, 3, True, True), (2, 1, False, False))
]
votes = [
    (vote._vote_mean, (images, field, table, flags, types.boolean, images)),
    (vote._ranked_kernel(7, False), (images, field, flags, types.boolean, images)),
    (vote._ranked_kernel(7, True), (images, field, flags, types.boolean, images)),
]
words, masks = types.Array(types.uint64, 2, "C"), types.Array(types.boolean, 2, "C")
flat = types.Array(types.int32, 1, "C")
numbers, sums = types.Array(types.int32, 2, "C"), types.Array(types.float32, 2, "C")
searches += [
    (
        patchmatch.patchmatch_kernel(7, normalised),
        (
            images,
            images,
            masks,
            numbers,
            sums,
            numbers,
            sums,
            *[number] * 4,
            sums,
            types.float32,
            types.float32,
            words,
            masks,
            types.boolean,
        ),
    )
    for normalised in (True, False)
]
votes += [
    (
        patchmatch._sum_pairs,
        (images, images, number, flat, flat, types.Array(types.float32, 1, "C")),
    ),
    (
        patchmatch._lower_words,
        (types.Array(types.uint64, 1, "C"), flat, types.Array(types.uint64, 1, "C")),
    ),
]
for capability in ((7, 5), (9, 0)):
    device = SimpleNamespace(compute_capability=capability)
    dispatcher.get_current_device = lambda device=device: device
    for kernel, signature in searches + votes:
        code, _ = cuda.compile(kernel.py_func, signature, cc=capability, device=False, abi="numba")
        # Products and sums are rounded one by one, divisions as on the CPU.
        # (But for the limit of a normalised search, which is widened.)
        if "pass_over" not in kernel.py_func.__name__:
            assert "fma.rn.f32" not in code
        assert "div.full" not in code
        assert "div.approx" not in code
        print(kernel.py_func.__name__, capability, "compiled")
