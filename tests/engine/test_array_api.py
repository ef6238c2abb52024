"""Arrays of other libraries of the array API standard: in and out of public functions."""

import numpy as np
import pytest

import pnncupy as pnn

strict = pytest.importorskip("array_api_strict")


def test_results_belong_to_the_library_of_the_arguments(random):
    image = random.random((12, 14)).astype(np.float32)
    other = strict.asarray(image)
    options = {"iterations": 1, "patch_size": 3, "rng": 1}
    made = pnn.generate(other, 2, return_index=True, **options)
    plain = pnn.generate(image, 2, return_index=True, **options)
    assert isinstance(made, pnn.Result)
    for found, expected in ((made.image, plain.image), (made.index, plain.index)):
        assert type(found) is type(other)
        np.testing.assert_array_equal(np.from_dlpack(found), expected)
    step = pnn.pnn_step(other, other, other, patch_size=3)
    assert type(step) is type(other)
    expected = pnn.pnn_step(image, image, image, patch_size=3)
    np.testing.assert_array_equal(np.from_dlpack(step), expected)
    np.testing.assert_array_equal(np.from_dlpack(other), image)


def test_libraries_are_not_mixed(random):
    image = random.random((12, 14))
    with pytest.raises(TypeError):
        pnn.pnn_step(image, strict.asarray(image), image, patch_size=3)
