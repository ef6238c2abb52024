"""What the host asks of a device: few operations, copies and waits, whatever the image's size."""

import cupy_stand_in
import host_cuda
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.kernels.match_words import pack, unpack
from pnncupy.kernels.numba_cpu import engine as numba_cpu
from pnncupy.kernels.protocol import SearchRequest
from pnncupy.samples import load_sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]


@pytest.fixture
def quick_searches(cupy, monkeypatch):
    """Launches of the exact search are done by engine `numba`: the host takes hours for them."""
    function_of = cupy_stand_in.RawModule.get_function

    def get_function(module, name):
        if name != "update_nearest":
            return function_of(module, name)
        return lambda grid, block, arguments: _search(module.options, arguments)

    monkeypatch.setattr(cupy_stand_in.RawModule, "get_function", get_function)


def _search(options, arguments):
    cupy_stand_in.note("operation", "update_nearest")
    query, _, _, key, _, _, weight, active, _, best, key_best, first_index, stride = (
        getattr(value, "host", value) for value in arguments[:13]
    )
    sizes = dict(option[2:].split("=") for option in options if option.startswith("-D"))
    score, index = _unpacked(best[0])
    learnt = _unpacked(key_best) if np.ndim(key_best) else (None, None)
    numba_cpu.update_nearest(
        SearchRequest(
            query, key, int(sizes["PY"]), weight if np.ndim(weight) else None, score, index,
            int(stride), int(first_index), active.astype(bool) if np.ndim(active) else None,
            *learnt,
        ),
        threads=2, tick=lambda pairs: None,
    )  # fmt: skip
    best[0] = pack(score, index + np.int32(1))
    if np.ndim(key_best):
        key_best[...] = pack(learnt[0], learnt[1] + np.int32(1))


def _unpacked(words):
    score, index = unpack(words)
    return np.ascontiguousarray(score), np.ascontiguousarray(index - np.int32(1))


@pytest.fixture
def image():
    image = load_sample("rocket")
    shape = (186, 248)
    scales = tuple(new / old for new, old in zip(shape, image.shape, strict=False))
    return np.clip(np.round(pnn.resize(image, scales, shape)), 0, 255).astype(np.uint8)


def counted(call):
    cupy_stand_in.counts.clear()
    cupy_stand_in.places.clear()
    return call(), dict(cupy_stand_in.counts), cupy_stand_in.places.most_common(20)


@pytest.mark.parametrize(
    ("n", "operations", "uploads", "waits"),
    [
        (None, 700, 30, 30),
        pytest.param(4, 900, 34, 34, marks=pytest.mark.exhaustive),
    ],
)
def test_generate_asks_little_of_a_device(
    n, operations, uploads, waits, cupy, quick_searches, image
):
    source = cupy.asarray(image)
    made, counts, places = counted(lambda: pnn.generate(source, n, rng=1))
    np.testing.assert_array_equal(made.host, pnn.generate(image, n, rng=1))
    assert counts["operation"] < operations, places
    assert counts["upload"] < uploads, places
    assert counts["synchronisation"] < waits, places


def test_the_size_of_an_image_does_not_matter(cupy, quick_searches, image):
    # The first call tries the engine too.
    parts = [cupy.asarray(image[:side, :side]) for side in (32, 48, 96)]
    counts = [counted(lambda part=part: pnn.generate(part, rng=1, levels=2))[1] for part in parts]
    assert counts[1]["operation"] == counts[2]["operation"]
    # Tables of weights stay on the device: what is copied again is the noise.
    assert counted(lambda: pnn.generate(parts[-1], rng=2, levels=2))[1]["upload"] == 1
