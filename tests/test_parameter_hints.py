"""Calls with names of other libraries: the right parameter is named."""

import inspect
import types

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import baselines, batch, io, metrics, plot, samples
from pnncupy.parameter_hints import hint_at_names, right_name

IMAGE = np.zeros((12, 12))


def public_functions():
    found = {pnn.baselines.bidirectional_similarity, samples.load_sample}
    for module in (pnn, metrics, io, plot):
        names = getattr(module, "__all__", ["compare", "samples", "slices", "index_map"])
        found |= {each for name in names if inspect.isfunction(each := getattr(module, name))}
    return sorted(found - {pnn.engines}, key=lambda each: each.__name__)


@pytest.mark.parametrize("function", public_functions(), ids=lambda function: function.__name__)
def test_every_public_function_names_its_parameters(function):
    names = list(inspect.signature(function).parameters)
    with pytest.raises(TypeError) as refused:
        function(unheard_of=1)
    message = str(refused.value)
    assert f"`{function.__name__}` has no parameter `unheard_of`; it has `{names[0]}`" in message
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    if "rng" in names:
        with pytest.raises(TypeError, match=f"`{function.__name__}` has no .* `seed`; use `rng`"):
            function(seed=1)


@pytest.mark.parametrize(
    ("function", "wrong", "right"),
    [
        (pnn.generate, "random_state", "rng"),
        (pnn.generate, "patchsize", "patch_size"),
        (pnn.generate, "patchSize", "patch_size"),
        (pnn.generate, "size", "shape"),
        (pnn.generate, "num_samples", "n"),
        (pnn.generate, "n_samples", "n"),
        (pnn.generate, "device", "engine"),
        (pnn.generate, "n_jobs", "threads"),
        (pnn.generate, "num_levels", "levels"),
        (pnn.generate, "noise", "noise_std"),
        (pnn.generate, "tileable", "periodic"),
        (pnn.generate, "input", "image"),
        (pnn.inpaint, "hole", "mask"),
        (pnn.inpaint, "multichannel", "channel_axis"),
        (pnn.collage, "sources", "images"),
        (pnn.analogy, "image", "source"),
        (pnn.analogy, "target", "structure"),
        (pnn.retarget, "output_shape", "shape"),
        (pnn.resize, "factor", "scale"),
        (pnn.retarget, "scale", "shape"),
        (pnn.generate, "pyramid_ratio", "downscale"),
        (pnn.nearest_patches, "queries", "query"),
        (pnn.grow_volume, "image", "images"),
        (baselines.bidirectional_similarity, "source", "image"),
        (metrics.diversity, "samples", "result"),
        (metrics.psnr, "other", "result"),
        (metrics.phase_fractions, "image", "result"),
        (metrics.patch_swd, "levels", "scales"),
        (metrics.near_copy, "max_shift", "largest_shift"),
        (plot.samples, "samples", "result"),
        (plot.index_map, "sources", "source"),
        (plot.compare, "ncols", "columns"),
        (plot.compare, "figsize", "size"),
        (io.write_image, "imag", "image"),
    ],
)
def test_the_right_name(function, wrong, right):
    with pytest.raises(TypeError, match=f"has no parameter `{wrong}`; use `{right}`$"):
        function(**{wrong: 1})


def test_a_name_that_is_given_already_is_not_named():
    with pytest.raises(TypeError, match="has no parameter `image`; use `result`"):
        metrics.phase_fractions(image=IMAGE, source=IMAGE)
    assert right_name("size", ["patch_size", "shape"], ["shape"]) == "patch_size"
    assert right_name("quux", ["shape"]) == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pnn.generate(IMAGE, 2, 3), r"3 were given; the order is \(image, n\), all others"),
        (lambda: pnn.generate(), r"missing 1 .* 'image'; the order is \(image, n\), all others"),
        (lambda: metrics.two_point_correlation(IMAGE, source=IMAGE), r"is \(source, result\)"),
        (lambda: plot.samples([IMAGE]), r"missing 1 .* 'result'; the order is \(source, result\)"),
        (lambda: metrics.psnr(IMAGE), r"the order is \(source, result, data_range\)$"),
    ],
)
def test_the_order_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_errors_of_the_function_itself_are_its_own():
    @hint_at_names
    def failing(value, *, rng=0):
        raise TypeError("inside") from ValueError(str(rng))

    with pytest.raises(TypeError, match=r"^inside$") as refused:
        failing(1, rng=3)
    assert str(refused.value.__cause__) == "3"
    assert isinstance(failing.__wrapped__, types.FunctionType)
    assert list(inspect.signature(failing).parameters) == ["value", "rng"]


def test_arguments_of_jobs_are_hinted_at():
    with pytest.raises(ValueError, match="generate has no argument `patchsize`; use `patch_size`"):
        batch.make_jobs("generate", output="a", image=IMAGE, patchsize=5)
    with pytest.raises(ValueError, match="generate has no argument `quux`; it has alpha"):
        batch.make_jobs("generate", output="a", image=IMAGE, quux=5)
