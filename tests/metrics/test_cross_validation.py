"""Cross-validation: scores against plain loops, and which pixels are hidden, seen and scored."""

import math

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics
from pnncupy.metrics import scores

FEW = {"iterations": 1, "levels": 1, "patch_size": 5}


def naive_crps(values, truth):
    """Fair CRPS of one value by loops over all pairs."""
    n = len(values)
    near = sum(abs(value - truth) for value in values) / n
    apart = sum(abs(one - other) for one in values for other in values)
    return near - apart / (2 * n * (n - 1))


def naive_interval(values, share):
    """The narrowest central interval between realisations that is expected to hold that share."""
    ordered = sorted(values)
    n = len(ordered)
    for rank in range(n // 2, 0, -1):
        inside = 1 - 2 * rank / (n + 1)
        if inside >= share - 1e-12 or rank == 1:
            return ordered[rank - 1], ordered[n - rank], inside
    raise AssertionError


def recorded(images, calls):
    """A task that returns these images one after the other, and keeps its arguments."""
    left = iter(images)

    def task(training, grid, *, rng, **options):
        calls.append((training, grid, rng, options))
        return next(left)

    return task


@pytest.mark.parametrize(("n", "shape"), [(2, (9, 8)), (7, (9, 8, 3)), (19, (9, 8)), (40, (5, 8))])
def test_scores_of_values_are_those_of_loops(n, shape, random):
    image = random.normal(5, 2, shape).astype(np.float32)
    # Also values that are those of the truth: ends of the intervals count.
    made = np.where(random.random((n, *shape)) < 0.2, image, random.normal(5, 2, (n, *shape)))
    hidden = random.random(shape[:2]) < 0.4
    found = metrics.cross_validate(image, hidden, n, task=recorded(made, []))
    truth = image[hidden].astype(np.float64).ravel().tolist()
    values = made[:, hidden].reshape(n, -1).T.tolist()
    errors = [math.fsum(own) / n - true for own, true in zip(values, truth, strict=True)]
    variances = [
        math.fsum((value - math.fsum(own) / n) ** 2 for value in own) / (n - 1) for own in values
    ]
    crps = [naive_crps(own, true) for own, true in zip(values, truth, strict=True)]
    size = len(truth)
    assert found.realisations == n
    assert found.pixels.tolist() == [int(hidden.sum())]
    np.testing.assert_array_equal(found.hidden, hidden[None])
    np.testing.assert_allclose(found.rmse, [math.sqrt(sum(e * e for e in errors) / size)])
    np.testing.assert_allclose(found.bias, [sum(errors) / size], atol=1e-12)
    np.testing.assert_allclose(found.spread, [math.sqrt(sum(variances) / size)])
    np.testing.assert_allclose(found.crps, [sum(crps) / size])
    for share, coverage, nominal in (
        (0.5, found.coverage_50, found.nominal_50), (0.9, found.coverage_90, found.nominal_90),
    ):  # fmt: skip
        ends = [naive_interval(own, share) for own in values]
        inside = [low <= true <= high for (low, high, _), true in zip(ends, truth, strict=True)]
        np.testing.assert_allclose(coverage, [sum(inside) / size])
        assert nominal == pytest.approx(ends[0][2])


def test_nineteen_and_thirty_nine_realisations_have_exact_intervals():
    for n in (19, 39):
        assert scores.nominal_coverage(n, 4) == pytest.approx(0.5)
        assert scores.nominal_coverage(n, 20) == pytest.approx(0.9)
    assert scores.nominal_coverage(5, 20) == pytest.approx(2 / 3)


def test_realisations_like_the_truth_are_calibrated(random):
    """What is expected of the intervals holds, whatever the number of realisations."""
    image = random.normal(0, 1, (200, 200))
    hidden = np.ones(image.shape, bool)
    hidden[0] = False
    for n in (4, 19, 24):
        made = random.normal(0, 1, (n, *image.shape))
        found = metrics.cross_validate(image, hidden, n, task=recorded(made, []))
        assert found.coverage_50[0] == pytest.approx(found.nominal_50, abs=0.012)
        assert found.coverage_90[0] == pytest.approx(found.nominal_90, abs=0.012)
        # The fair score has no bias: that of a standard normal distribution is 1 / sqrt(pi).
        assert found.crps[0] == pytest.approx(1 / math.sqrt(math.pi), abs=0.012)
        assert found.rmse[0] == pytest.approx(math.sqrt((n + 1) / n), abs=0.012)


def test_scores_of_labels_are_those_of_loops(random):
    image = (random.integers(0, 4, (9, 11)) * 2).astype(np.uint8)
    n, labels = 5, (0, 2, 4, 6, 7)  # 7 is of the realisations only
    made = random.choice(np.array([0, 2, 4, 7], np.uint8), (n, *image.shape))
    made = np.where(random.random(made.shape) < 0.4, image, made)
    hidden = random.random(image.shape) < 0.5
    hidden[image == 6] = True  # no longer in the training image
    hidden[0, :5], image[0, :5] = False, [0, 2, 4, 0, 2]
    found = metrics.cross_validate(image, hidden, n, task=recorded(made, []), categorical=True)
    assert found.labels == labels
    truth, values = image[hidden].tolist(), made[:, hidden].T.tolist()
    confusion = np.zeros((5, 5), int)
    bits = 0.0
    brier = np.zeros(5)
    for true, own in zip(truth, values, strict=True):
        counts = [own.count(label) for label in labels]
        likely = labels[counts.index(max(counts))]
        confusion[labels.index(true), labels.index(likely)] += 1
        bits -= math.log2((own.count(true) + 1) / (n + 5))
        for number, label in enumerate(labels):
            share = counts[number] / n
            brier[number] += (share - (true == label)) ** 2 - share * (1 - share) / (n - 1)
    np.testing.assert_array_equal(found.confusion, confusion[None])
    np.testing.assert_allclose(found.log_score, [bits / len(truth)])
    np.testing.assert_allclose(found.brier, [brier / len(truth)], atol=1e-15)
    for number in range(5):
        right, own, chosen = (
            confusion[number, number], confusion[number].sum(), confusion[:, number].sum(),
        )  # fmt: skip
        expected = [
            right / own if own else math.nan, right / chosen if chosen else math.nan,
            2 * right / (own + chosen) if own + chosen else math.nan,
        ]  # fmt: skip
        got = [each[0, number] for each in (found.recall, found.precision, found.f1)]
        np.testing.assert_allclose(got, expected)
    assert np.isnan(found.recall[0, 4])


@pytest.mark.parametrize("kind", ["nan", "masked", "nodata"])
def test_missing_pixels_are_never_hidden_scored_or_seen(kind, random):
    image = random.integers(1, 200, (20, 24, 2)).astype(np.float32)
    missing = random.random((20, 24)) < 0.2
    marked, nodata = image.copy(), None
    if kind == "nan":
        marked[missing, 1] = np.nan  # one channel is enough
    elif kind == "nodata":
        marked[missing], nodata = 0, 0
    else:
        marked = np.ma.MaskedArray(image, np.repeat(missing[..., None], 2, axis=2))
    calls = []
    made = random.normal(100, 50, (4, 20, 24, 2))
    given = {"task": recorded(made, calls), "nodata": nodata, "rng": 4, "repeats": 2}
    found = metrics.cross_validate(marked, 0.3, 2, options={"quiet": True}, **given)
    assert not found.hidden[:, missing].any()
    assert found.pixels.tolist() == [round(0.3 * (~missing).sum())] * 2
    for number, (training, grid, _, options) in enumerate(calls):
        blank = missing | found.hidden[number // 2]
        assert training is grid
        np.testing.assert_array_equal(grid.mask, np.repeat(blank[..., None], 2, axis=2))
        np.testing.assert_array_equal(grid.data[~blank], image[~blank])
        assert not grid.data[blank].any()  # nothing of the truth
        assert options == {"quiet": True}
    seeds = {(*each[2].spawn_key, each[2].entropy) for each in calls}
    assert len(seeds) == 4
    hidden = found.hidden[1]
    error = (made[2:, hidden].mean(axis=0) - image[hidden]).ravel()
    assert found.rmse[1] == pytest.approx(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("shape", [(60, 70), (20, 24, 22)])
def test_patterns(shape, random):
    image = random.random((*shape, 1))

    def hidden(share, pattern, width, rng=0):
        task = recorded([image] * 6, [])
        given = {"pattern": pattern, "width": width, "rng": rng, "repeats": 3}
        return metrics.cross_validate(image, share, 2, task=task, **given).hidden

    for pattern, width in (("pixels", 5), ("blocks", 6), ("stripes", 4)):
        masks = hidden(0.2, pattern, width)
        np.testing.assert_array_equal(masks, hidden(0.2, pattern, width))
        assert (masks != hidden(0.2, pattern, width, rng=1)).any()
        assert (masks[0] != masks[1]).any()
        share = masks.reshape(3, -1).mean(axis=1)
        if pattern == "pixels":
            assert (masks.reshape(3, -1).sum(axis=1) == round(0.2 * math.prod(shape))).all()
        elif pattern == "blocks":
            block = width ** len(shape) / math.prod(shape)
            assert (share >= 0.2).all()
            assert (share < 0.2 + block).all()
            # Every hidden pixel is in a hidden block.
            windows = np.lib.stride_tricks.sliding_window_view(masks[0], (width,) * len(shape))
            whole = windows.all(axis=tuple(range(len(shape), 2 * len(shape))))
            covered = np.zeros(shape, bool)
            for corner in np.argwhere(whole):
                covered[tuple(slice(first, first + width) for first in corner)] = True
            np.testing.assert_array_equal(covered, masks[0])
        else:
            assert (abs(share - 0.2) < 0.05).all()
            runs = masks[0].reshape(-1, shape[-1])
            steps = np.diff(np.pad(runs, ((0, 0), (1, 1))).astype(int), axis=1)
            lengths = [
                stop - start
                for row in steps
                for start, stop in zip(
                    np.flatnonzero(row == 1), np.flatnonzero(row == -1), strict=True
                )
                if start > 0 and stop < shape[-1]
            ]
            assert set(lengths) == {width}


def test_realisations_are_those_of_the_tasks(random):
    image = random.integers(0, 200, (24, 26)).astype(np.uint8)
    hidden = np.zeros(image.shape, bool)
    hidden[8:16, 9:18] = True
    for task in ("simulate", "inpaint"):
        calls = []

        def by_hand(training, grid, *, rng, task=task, calls=calls):
            own = {"rng": rng, "progress": False, **FEW}
            if task == "simulate":
                made = pnn.simulate(training, grid, **own)
            else:
                made = pnn.inpaint(grid, "nodata", fill="noise", **own)
            calls.append(made)
            return made

        found = metrics.cross_validate(image, hidden, 3, task=task, rng=5, options=FEW)
        expected = metrics.cross_validate(image, hidden, 3, task=by_hand, rng=5)
        np.testing.assert_equal(found, expected)
        assert (calls[0] != calls[1]).any()


def test_nothing_of_the_truth_is_used(random):
    image = random.integers(0, 200, (24, 26)).astype(np.uint8)
    hidden = np.zeros(image.shape, bool)
    hidden[8:16, 9:18] = True
    other = np.where(hidden, 255, image).astype(np.uint8)
    for task in ("simulate", "inpaint"):
        one, two = (
            metrics.cross_validate(each, hidden, 2, task=task, rng=5, options=FEW)
            for each in (image, other)
        )
        # The same realisations: their mean less another truth.
        assert one.spread == pytest.approx(two.spread)
        shift = (other.astype(float) - image)[hidden].mean()
        assert one.bias - two.bias == pytest.approx(shift)


def test_another_training_image_and_labels_by_the_tasks(random):
    image, training = random.random((2, 30, 30)) > 0.5
    options = {"training": training, "rng": 1, "options": FEW, "categorical": True}
    found = metrics.cross_validate(image, 0.8, 2, **options)
    assert found.labels == (False, True)
    assert found.confusion.sum() == found.pixels[0] == 720
    calls = []
    metrics.cross_validate(
        image, 0.8, 2, task=recorded([image] * 2, calls), training=training, categorical=True
    )
    assert calls[0][0] is training
    filled = metrics.cross_validate(
        image, 0.1, 2, task="inpaint", pattern="blocks", width=6, rng=1, options=FEW,
        categorical=True,
    )  # fmt: skip
    assert filled.labels == (False, True)


IMAGE = np.random.default_rng(0).random((20, 20))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n": 1}, ValueError, "`n` must be an integer of at least 2, got 1"),
        ({"hidden": 0}, ValueError, "`hidden` must be a finite number above 0"),
        ({"hidden": 1.0}, ValueError, "`hidden` must be a share between 0 and 1, or a bool mask"),
        ({"hidden": "x"}, TypeError, "`hidden` must be a real number"),
        ({"hidden": np.zeros((20, 20))}, TypeError, "`hidden` must be a share or a bool mask, got"),
        ({"hidden": np.zeros((20, 9), bool)}, ValueError, "`hidden` must have the shape of the im"),
        ({"hidden": np.zeros((20, 20), bool)}, ValueError, "`hidden` must hide at least one known"),
        ({"hidden": np.ones((20, 20), bool)}, ValueError, "`hidden` must leave known pixels, got"),
        ({"hidden": 1e-5}, ValueError, r"must hide at least one known pixel, got 1e-05 of 400"),
        ({"hidden": 0.999999}, ValueError, r"must leave known pixels, got 0.999999 of 400 known"),
        ({"hidden": IMAGE > 0.5, "repeats": 2}, ValueError, "`repeats` must be 1 with a mask"),
        ({"repeats": 0}, ValueError, "`repeats` must be an integer of at least 1"),
        ({"pattern": "rings"}, ValueError, "`pattern` must be one of 'pixels', 'blocks', 'stripes"),
        ({"width": 0}, ValueError, "`width` must be an integer of at least 1"),
        ({"width": 21, "pattern": "blocks"}, ValueError, "`width` must be at most the smallest si"),
        ({"task": "generate"}, ValueError, "`task` must be one of 'simulate', 'inpaint'"),
        ({"task": "inpaint", "training": IMAGE}, ValueError, "`training` must be None with"),
        ({"options": [1]}, TypeError, "`options` must be a dict"),
        ({"options": {"rng": 1}}, ValueError, "`options` must hold further .*, got `rng`"),
        ({"options": {"patchsize": 5}}, TypeError, "`simulate` has no parameter `patchsize`; use"),
        ({"categorical": True}, TypeError, "`image` must hold labels"),
        ({"image": np.full((20, 20), np.nan)}, ValueError, "`image` must have known pixels"),
        ({"task": lambda a, b, rng: IMAGE[:9]}, ValueError, "`task` must return images of the sha"),
        ({"task": lambda a, b, rng: IMAGE * np.nan}, ValueError, "`task` must return finite value"),
        (
            {"image": np.arange(400).reshape(20, 20), "categorical": True}, ValueError,
            "at most 256 labels, got 400",
        ),
        (
            {"image": np.zeros((20, 20, 3), np.uint8), "categorical": True}, ValueError,
            "`image` must have one channel of labels",
        ),
    ],
)  # fmt: skip
def test_bad_cross_validations(changes, error, message):
    with pytest.raises(error, match=message):
        metrics.cross_validate(**{"image": IMAGE, "hidden": 0.1, "rng": 0, **changes})


@pytest.mark.parametrize("task", ["simulate", "inpaint"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_tasks_with_missing_pixels_elsewhere(task, dtype, random):
    """The value that marks missing pixels is neither used nor scored."""
    image = random.integers(50, 200, (26, 28)).astype(dtype)
    image[2:5, 2:20] = 255 if dtype == np.uint8 else np.nan
    other = image.copy()
    options = {"pattern": "blocks", "width": 6, "rng": 2, "task": task, "options": FEW}
    found = metrics.cross_validate(image, 0.1, 2, nodata=255, **options)
    assert not found.hidden[0, 2:5, 2:20].any()
    assert found.rmse[0] < 150
    other[2:5, 2:20] = 0
    same = metrics.cross_validate(other, 0.1, 2, nodata=0, **options)
    np.testing.assert_equal(found, same)


def test_images_on_the_device_are_those_on_the_host(cupy, random):
    image = random.random((20, 22))
    hidden = random.random(image.shape) < 0.2
    made = random.random((3, *image.shape))
    expected = metrics.cross_validate(image, hidden, 3, task=recorded(made, []))
    given = (cupy.asarray(image), cupy.asarray(hidden), 3)
    found = metrics.cross_validate(*given, task=recorded(map(cupy.asarray, made), []))
    np.testing.assert_equal(found, expected)
