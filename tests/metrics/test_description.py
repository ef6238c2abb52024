"""All descriptors of an image at once, and comparisons of a source with its realisations."""

import csv
import io
import json

import numpy as np
import pytest

from pnncupy import metrics


@pytest.fixture
def labels(random):
    return random.integers(0, 3, (14, 17)).astype(np.uint8)


def test_a_description_holds_what_the_functions_return(labels):
    options = {"largest_distance": 5, "periodic": (True, False)}
    found = metrics.describe(labels, connectivity=2, sizes=3, **options)
    assert [each.phase for each in found.phases] == [0, 1, 2]
    assert found.variogram is None
    own, inside = found.phases[1], labels == 1
    assert own.fraction == inside.mean()
    expected = {
        "two_point": metrics.two_point_correlation(inside, **options),
        "two_point_along": tuple(
            metrics.two_point_correlation(inside, axis=axis, **options) for axis in (0, 1)
        ),
        "cluster": metrics.cluster_correlation(inside, connectivity=2, **options),
        "lineal_path": metrics.lineal_path(inside, **options),
        "chord_lengths": metrics.chord_lengths(inside, periodic=(True, False)),
        "thickness": metrics.thickness_distribution(inside, periodic=(True, False), sizes=3),
        "surface": metrics.surface_area(inside, periodic=(True, False)),
        "euler_characteristic": metrics.euler_characteristic(
            inside, periodic=(True, False), connectivity=2
        ),
        "connectivity": metrics.connectivity_function(inside, connectivity=2, **options),
        "rev": metrics.rev_curve(inside, periodic=(True, False)),
    }
    for name, value in expected.items():
        np.testing.assert_equal(getattr(own, name), value)


def test_a_description_of_intensities(random):
    values = random.random((12, 13))
    found = metrics.describe(values, threshold=0.5)
    assert [each.phase for each in found.phases] == [False, True]
    np.testing.assert_equal(found.variogram, metrics.variogram(values))
    values[2, 3] = np.nan
    found = metrics.describe(values)
    assert found.phases == ()
    np.testing.assert_equal(found.variogram, metrics.variogram(values))
    assert [curve.descriptor for curve in found.curves()] == ["variogram"]


def test_curves_of_a_phase_by_hand():
    line = np.zeros((9, 12), bool)
    line[2:4, 1:9] = True
    found = metrics.describe(line, phases=[True], largest_distance=4).phases[0]
    curves = {curve.descriptor: curve for curve in found.curves()}
    # All of it is 2 thick; 8 vertical chords of 2, two of 8, longer than the curve.
    assert curves["share thicker than"].y.tolist() == [1, 1, 0, 0, 0]
    assert curves["chord lengths"].x.tolist() == [1, 2, 3, 4]
    assert curves["chord lengths"].y.tolist() == [0, 0.8, 0, 0]
    values = {value.descriptor: value.value for value in found.values()}
    assert values["clusters"] == values["Euler characteristic"] == 1
    assert values["mean chord length"] == pytest.approx(3.2)


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        (np.arange(64).reshape(8, 8), {}, ValueError, "at most 32 labels, got 64; name some by"),
        (np.eye(8), {"phases": [1]}, TypeError, "must hold labels, .* give a `threshold`"),
        (np.eye(8) > 0, {"phases": [1]}, TypeError, "`phase` must be True or False"),
        (np.eye(8) > 0, {"phases": []}, TypeError, "`phases` must be a list of one or more"),
        (np.eye(8) > 0, {"phases": True}, TypeError, "`phases` must be a list of one or more"),
        (np.ones((8, 8, 8), bool), {"connectivity": 2}, ValueError, "1 or the number of axes, 3"),
    ],
)
def test_bad_descriptions(image, options, error, message):
    with pytest.raises(error, match=message):
        metrics.describe(image, **options)


def test_a_comparison_is_the_envelope_of_the_realisations(labels, random):
    results = [random.permuted(labels.ravel()).reshape(labels.shape) for _ in range(7)]
    found = metrics.compare(labels, (each for each in results), largest_distance=4)
    assert found.realisations == 7
    descriptions = [metrics.describe(each, largest_distance=4) for each in results]
    own = metrics.describe(labels, largest_distance=4)
    for part, kind in ((found.curves, "curves"), (found.values, "values")):
        assert len(part) == len(getattr(own, kind)())
        for k, each in enumerate(part):
            expected = getattr(own, kind)()[k]
            others = np.array([getattr(one, kind)()[k][-1] for one in descriptions])
            others = others.reshape(7, -1)
            assert (each.descriptor, each.phase) == expected[:2]
            np.testing.assert_array_equal(each.source, np.ravel(expected[-1]))
            np.testing.assert_allclose(each.mean, others.mean(axis=0), rtol=1e-12)
            np.testing.assert_array_equal(each.minimum, others.min(axis=0))
            np.testing.assert_array_equal(each.maximum, others.max(axis=0))
            np.testing.assert_allclose(each.low, np.quantile(others, 0.05, axis=0))
            np.testing.assert_allclose(each.high, np.quantile(others, 0.95, axis=0))
    assert found.values[0].inside == 1  # the fraction of a permutation is the same
    itself = metrics.compare(labels, [labels])
    assert {each.inside for each in (*itself.curves, *itself.values)} <= {1.0}


def test_a_comparison_as_text_and_numbers(labels, random):
    source, result = labels > 0, np.zeros((14, 17), bool)
    found = metrics.compare(source, [result], phases=[True], largest_distance=4)
    lines = str(found).splitlines()
    assert lines[0] == "1 realisation"
    assert lines[1].split() == [
        "descriptor", "phase", "at", "source", "mean", "low", "high", "minimum", "maximum"
    ]  # fmt: skip
    assert lines[2].split()[:2] == ["fraction", "True"]
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["realisations"] == 1
    names = [each["descriptor"] for each in plain["values"]]
    assert plain["values"][names.index("mean thickness")]["mean"] == [None]
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    points = [row for row in rows if row["descriptor"] == "lineal path"]
    assert [row["distance"] for row in points] == ["0", "1", "2", "3", "4"]
    assert float(points[0]["source"]) == source.mean()
    assert [float(row["mean"]) for row in points] == [0] * 5


def test_comparisons_of_other_sizes_and_intensities(random):
    source, results = random.random((12, 13)), random.random((3, 20, 16))
    found = metrics.compare(source, results)
    assert [each.descriptor for each in found.curves] == ["variogram"]
    assert found.curves[0].x.tolist() == list(range(7))
    found = metrics.compare(source, results, threshold=0.5)
    assert len(found.curves) == 2 * 9 + 1
    periodic = metrics.compare(source, results, threshold=0.5, source_periodic=True)
    assert str(periodic) != str(found)


@pytest.mark.parametrize(
    ("results", "options", "error", "message"),
    [
        ([], {}, ValueError, "`results` must hold at least one image, got none"),
        (7, {}, TypeError, "`results` must be a list of arrays, got int"),
        ("file", {}, TypeError, "`results` must be a list of arrays, got str"),
        ([np.eye(12)], {}, TypeError, "hold labels"),
        ([np.eye(12, dtype=int)], {}, TypeError, r"`results\[0\]` must hold labels like those of"),
        ([np.ones((9, 9, 9), bool)], {}, ValueError, r"`results\[0\]` must have as many axes"),
        ([np.eye(5) > 0], {}, ValueError, "`largest_distance` must be less than the smallest"),
    ],
)
def test_bad_comparisons(results, options, error, message):
    with pytest.raises(error, match=message):
        metrics.compare(np.eye(12) > 0, results, **options)


def test_descriptions_on_the_device(cupy, labels):
    found = metrics.describe(cupy.asarray(labels))
    expected = metrics.describe(labels)
    for one, other in zip(found.curves(), expected.curves(), strict=True):
        np.testing.assert_equal(one, other)
    compared = metrics.compare(cupy.asarray(labels), [cupy.asarray(labels)])
    assert str(compared) == str(metrics.compare(labels, [labels]))


def test_the_pairs_of_clusters_are_counted_once_a_phase(labels, monkeypatch):
    from pnncupy.metrics import clusters

    counted, count = [], clusters._pairs_in_clusters
    monkeypatch.setattr(
        clusters, "_pairs_in_clusters", lambda *given: counted.append(1) or count(*given)
    )
    metrics.describe(labels)
    assert len(counted) == 3
