"""One order of arguments, (source, result), and several results in all measures and figures."""

import inspect

import numpy as np
import pytest

from pnncupy import metrics, plot

RANDOM = np.random.default_rng(3)
COLOURS = RANDOM.integers(0, 256, (24, 26, 3)).astype(np.uint8)
MADE = RANDOM.integers(0, 256, (4, 22, 26, 3)).astype(np.uint8)
GREY, GREYS = COLOURS[..., 0], MADE[..., 0]
VOLUME = RANDOM.integers(0, 3, (9, 10, 11)).astype(np.uint8)
VOLUMES = RANDOM.integers(0, 3, (2, 9, 10, 11)).astype(np.uint8)
INDICES = np.stack([np.stack(np.mgrid[:1, :22, :26], axis=-1)[0]] * 4)

# Name: (source, results, options).
EACH = {
    "coherence": (COLOURS, MADE, {}),
    "completeness": (GREY, GREYS, {"channel_axis": -1}),
    "bidirectional_dissimilarity": (VOLUME, VOLUMES, {"patch_size": 3, "channel_axis": None}),
    "near_copy": (COLOURS, MADE, {}),
    "patch_swd": (COLOURS, MADE, {"scales": 2}),
    "psnr": (COLOURS[:22], MADE, {"data_range": (0, 255)}),
    "sharpness_ratio": (GREY, GREYS, {}),
    "sifid": (COLOURS, MADE, {"features": lambda image: image}),
    "phase_fractions": (GREY // 64, GREYS // 64, {}),
    "two_point_correlation": (VOLUME, VOLUMES, {"phase": 1}),
}


def same(one, other):
    np.testing.assert_equal(tuple(one) if isinstance(one, tuple) else one, other)


@pytest.mark.parametrize("name", EACH)
def test_a_measure_of_several_results_is_a_list_of_those_of_each(name):
    measure = getattr(metrics, name)
    source, results, options = EACH[name]
    expected = [measure(source, result, **options) for result in results]
    assert not isinstance(expected[0], list)
    for given in (results, list(results), tuple(results)):
        found = measure(source, given, **options)
        assert isinstance(found, list)
        assert len(found) == len(results)
        for mine, theirs in zip(found, expected, strict=True):
            same(mine, theirs)


@pytest.mark.parametrize("name", [*EACH, "diversity"])
def test_the_old_order_is_refused(name):
    source, results, options = EACH.get(name, (COLOURS, MADE, {}))
    measure = getattr(metrics, name)
    order = r"the order is \(source, result\)"
    with pytest.raises(ValueError, match=order):
        measure(results, source, **options)
    if name not in ("coherence", "completeness", "bidirectional_dissimilarity"):
        with pytest.raises(TypeError, match=order):
            measure(list(results), source, **options)


def test_measures_and_figures_take_the_source_first():
    functions = [*map(metrics.__dict__.get, [*EACH, "diversity"]), plot.samples]
    for function in functions:
        assert list(inspect.signature(function).parameters)[:2] == ["source", "result"], function
    assert list(inspect.signature(plot.index_map).parameters)[:3] == ["source", "index", "result"]


def test_a_failing_result_of_several_is_named():
    for name in set(EACH) - {"phase_fractions", "two_point_correlation"}:
        source, results, options = EACH[name]
        with pytest.raises(TypeError, match=r"`result\[1\]` must be a NumPy or CuPy array"):
            getattr(metrics, name)(source, [results[0], "file.png"], **options)
    with pytest.raises(ValueError, match="`result` must hold at least one image, got none"):
        metrics.coherence(COLOURS, [])


def test_slices_of_a_volume_are_several_results_of_an_image():
    slices = metrics.phase_fractions(VOLUME[0], VOLUME)
    assert len(slices) == 9
    assert slices[0].difference == (0, 0, 0)
    found = metrics.coherence(VOLUME[0], VOLUME, patch_size=3, channel_axis=None)
    assert found[0] == 0
    assert len(found) == 9


def test_one_channel_on_an_axis_is_no_stack():
    expected = metrics.coherence(GREY, GREYS[0])
    for result, axis in ((GREYS[0][..., None], "auto"), (GREYS[0][None], 0)):
        assert metrics.coherence(GREY, result, channel_axis=axis) == expected


def test_index_maps_of_several_results():
    found = metrics.near_copy(COLOURS, MADE, index=INDICES)
    same(found[2], metrics.near_copy(COLOURS, MADE[2], index=INDICES[2]))
    assert [each.region_share for each in found] == [1] * 4
    for given in (INDICES, list(INDICES)):
        assert metrics.translation_share(given) == [1.0] * 4
    with pytest.raises(ValueError, match="`index` must hold an index map for each of the 4"):
        metrics.near_copy(COLOURS, MADE, index=INDICES[0])


def test_directions_are_the_same_for_all_results():
    found = metrics.patch_swd(COLOURS, [MADE[0]] * 2, scales=1, rng=np.random.default_rng(2))
    assert found[0] == found[1]


def test_the_old_order_of_figures_is_refused():
    with pytest.raises(ValueError, match=r"the order is \(source, result\)"):
        plot.samples(MADE, COLOURS)
    with pytest.raises(TypeError, match=r"the order is \(source, result\)"):
        plot.samples(list(MADE), COLOURS)
    for source in (COLOURS, COLOURS / 255, [COLOURS, COLOURS], COLOURS[..., 0]):
        with pytest.raises((TypeError, ValueError), match=r"the order is \(source, index, result"):
            plot.index_map(INDICES[0], source)
