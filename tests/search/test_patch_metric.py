"""Channel weights, guides and labels: what patches are compared by, against plain loops."""

import math

import cupy_stand_in
import host_cuda
import naive
import numpy as np
import pytest

import pnncupy as pnn

# One step at full size, whose index map is that of one search.
ONE_STEP = {
    "levels": 0, "coarse_iterations": 1, "vote": "copy", "return_index": True, "patch_size": 3,
    "data_range": (0, 1),
}  # fmt: skip
WEIGHTS = [0.5, 0.0, 2.0]


@pytest.fixture
def pair(random):
    """A source and a structure, (h, w, 3)."""
    return random.random((8, 9, 3)), random.random((9, 7, 3))


def planes(image):
    return np.moveaxis(np.atleast_3d(image), -1, 0)


def scaled(image, factors):
    """Planes whose mean of squared differences is a sum with these factors of channels."""
    return planes(image) * np.sqrt(np.array(factors))[:, None, None]


def expected_index(query, keys, p, alpha):
    """The index map of a copy vote of the nearest patches."""
    index, _ = naive.nearest(query, keys, p, alpha)
    rows, columns = query.shape[1:]
    made = np.zeros((rows, columns, 3), int)
    for y in range(rows):
        for x in range(columns):
            py = min(max(y - p // 2, 0), index.shape[0] - 1)
            px = min(max(x - p // 2, 0), index.shape[1] - 1)
            made[y, x] = index[py, px] + (0, y - py, x - px)
    return made


@pytest.mark.parametrize("alpha", [math.inf, 0.01])
def test_weights_scale_the_squared_differences(alpha, pair, engine):
    source, structure = pair
    made = pnn.analogy(
        source, structure, alpha=alpha, channel_weights=WEIGHTS, engine=engine, **ONE_STEP
    )
    expected = expected_index(scaled(structure, WEIGHTS), [scaled(source, WEIGHTS)], 3, alpha)
    np.testing.assert_array_equal(made.index, expected)


@pytest.mark.exhaustive
def test_equal_weights_change_nothing(pair):
    options = {"iterations": 2, "patch_size": 5}
    expected = pnn.analogy(*pair, **options)
    np.testing.assert_array_equal(
        pnn.analogy(*pair, channel_weights=[1, 1, 1], **options), expected
    )


def test_std_gives_every_channel_the_same_variance(pair):
    source, structure = pair
    spread = np.array([1, 0.1, 0.02])
    source, structure = source * spread, structure * spread
    variances = source.reshape(-1, 3).var(axis=0)
    made = pnn.analogy(source, structure, channel_weights="std", **ONE_STEP)
    weights = variances.mean() / variances
    np.testing.assert_array_equal(
        made.index, pnn.analogy(source, structure, channel_weights=weights, **ONE_STEP).index
    )
    plain = pnn.analogy(source, structure, **ONE_STEP)
    assert (made.index != plain.index).any()


@pytest.mark.slow
def test_a_constant_channel_does_not_break_std(pair):
    source, structure = (image.copy() for image in pair)
    source[..., 1] = structure[..., 1] = 0.5
    assert np.isfinite(pnn.analogy(source, structure, channel_weights="std", patch_size=4)).all()


@pytest.mark.parametrize("alpha", [math.inf, 0.02])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.slow
def test_guides_add_their_differences(alpha, channels, pair, random, engine):
    source, structure = pair
    guides = [random.random((*image.shape[:2], channels)) for image in pair]
    # Of a range of their own: this one's is exactly (0, 4).
    for guide in guides:
        guide *= 4
    guides[0][0, 0], guides[1][0, 0] = 0, 4
    given = [guide[..., 0] if channels == 1 else guide for guide in guides]
    weight = 0.7
    made = pnn.analogy(
        source, structure, alpha=alpha, guides=[(given[0], given[1], weight)], engine=engine,
        **ONE_STEP,
    )  # fmt: skip
    total = 3 + channels
    joined = [
        np.concatenate([
            scaled(image, [total / 3] * 3),
            scaled(guide / 4, [weight * total / channels] * channels),
        ])
        for image, guide in zip((structure, source), guides[::-1], strict=True)
    ]  # fmt: skip
    expected = expected_index(joined[0], joined[1:], 3, alpha)
    np.testing.assert_array_equal(made.index, expected)
    np.testing.assert_array_equal(made.image, pnn.apply_index(source, made.index))


def test_a_guide_leads_a_hole_to_what_lies_under_it(random):
    """Where the image says nothing, the other date decides."""
    guide = np.kron(random.integers(0, 2, (6, 6)), np.ones((6, 6))).astype(float)
    image = guide * 100 + random.random((36, 36))
    hole = np.zeros((36, 36), bool)
    hole[12:24, 12:24] = True
    spoiled = np.where(hole, np.nan, image)
    guided = pnn.inpaint(spoiled, "nodata", guides=[(guide, guide, 1.0)], levels=2)
    blind = pnn.inpaint(spoiled, "nodata", levels=2)
    apart = [np.abs(made - image)[hole].mean() for made in (guided, blind)]
    assert apart[0] < 0.3 * apart[1]


def test_guides_of_several_sources_and_samples(pair, random):
    sources = [random.random((24, 26)), random.random((22, 28))]
    guides = [(sources, sources[0], 2.0)]
    options = {"iterations": 2, "rng": 1, "noise_std": 0.5}
    made = pnn.generate(sources, 3, guides=guides, **options)
    assert made.shape == (3, 24, 26)
    alone = pnn.generate(sources, 1, first_sample=2, guides=guides, **options)
    np.testing.assert_array_equal(made[2], alone[0])
    plain = pnn.generate(sources, 3, **options)
    assert np.abs(made - sources[0]).mean() < np.abs(plain - sources[0]).mean()


@pytest.mark.slow
def test_the_same_picture_without_savings_and_on_engines(random):
    image = random.random((24, 26, 2))
    guide = random.random((24, 26))
    options = {
        "guides": [(guide, guide[::-1].copy(), 0.3)], "channel_weights": [1, 3], "iterations": 4,
        "rng": 5,
    }  # fmt: skip
    for alpha in (math.inf, 0.01):
        expected = pnn.generate(image, alpha=alpha, engine="numpy", **options)
        for more in ({}, {"incremental": False}, {"threads": 1}):
            made = pnn.generate(image, alpha=alpha, **options, **more)
            np.testing.assert_array_equal(made, expected)


@pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed")
def test_on_a_device_the_picture_is_the_same(random, monkeypatch):
    image, guide = random.random((16, 18, 2), dtype=np.float32), random.random((16, 18))
    labels = random.integers(3, 6, (16, 18))
    options = {"iterations": 1, "levels": 1, "rng": 2}

    def calls(image, guide, labels):
        return [
            pnn.generate(image, 2, channel_weights="std", guides=[(guide, guide, 0.5)], **options),
            pnn.generate(labels, 2, categorical=True, **options),
        ]

    expected = calls(image, guide, labels)
    cupy = cupy_stand_in.install(monkeypatch)
    try:
        made = calls(*(cupy.asarray(each) for each in (image, guide, labels)))
        for mine, other in zip(made, expected, strict=True):
            np.testing.assert_array_equal(mine.host, other)
    finally:
        cupy_stand_in.forget()


def test_a_checkpoint_depends_on_guides(random, tmp_path):
    image, guide = random.random((24, 26)), random.random((24, 26))
    file = tmp_path / "state.npz"

    def cancel(event):
        return event.level > 0

    with pytest.raises(pnn.Cancelled):
        pnn.generate(image, rng=0, callback=cancel, checkpoint=file, guides=[(guide, guide, 1.0)])
    assert file.exists()
    with pytest.raises(ValueError, match="belongs to another call"):
        pnn.generate(image, rng=0, checkpoint=file, guides=[(guide, guide[::-1].copy(), 1.0)])
    made = pnn.generate(image, rng=0, checkpoint=file, guides=[(guide, guide, 1.0)])
    expected = pnn.generate(image, rng=0, guides=[(guide, guide, 1.0)])
    np.testing.assert_array_equal(made, expected)


# Labels


@pytest.fixture
def labels(random):
    """Blobs of labels that are neither small nor neighbouring numbers."""
    values = pnn.resize(random.random((7, 8)), 3, (20, 24))
    return np.array([-5, 7, 300])[np.digitize(values, [0.4, 0.6])].astype(np.int16)


def test_the_distance_of_labels_is_the_share_that_differs(labels, engine):
    structure = labels[::-1, :15].copy()
    options = {name: value for name, value in ONE_STEP.items() if name != "data_range"}
    made = pnn.analogy(
        labels, structure, categorical=True, alpha=math.inf, engine=engine, **options
    )
    p = 3
    expected = np.zeros((18, 13, 2), int)
    for y in range(18):
        for x in range(13):
            patch = structure[y : y + p, x : x + p]
            differ = [
                (int((labels[row : row + p, column : column + p] != patch).sum()), row, column)
                for row in range(18)
                for column in range(22)
            ]
            expected[y, x] = min(differ)[1:]
    np.testing.assert_array_equal(made.index[1:-1, 1:-1, 1:], expected + 1)


@pytest.mark.exhaustive
def test_scores_of_labels_are_shares(labels):
    """With alpha, which is in units of the distance."""
    structure = labels[::-1].copy()
    options = {"levels": 0, "coarse_iterations": 1, "patch_size": 4, "return_index": True,
               "vote": "copy"}  # fmt: skip
    made = pnn.analogy(labels, structure, categorical=True, alpha=0.05, **options)
    one_hot = [
        np.stack([(image == value) for value in (-5, 7, 300)]).astype(float) * np.sqrt(3 / 2)
        for image in (structure, labels)
    ]
    expected = expected_index(one_hot[0], one_hot[1:], 4, 0.05)
    np.testing.assert_array_equal(made.index, expected)


def test_votes_of_labels_are_majorities(labels):
    options = {"levels": 0, "coarse_iterations": 1, "patch_size": 3, "alpha": math.inf}
    structure = labels[::-1, :12].copy()
    made = pnn.analogy(labels, structure, categorical=True, **options)
    index = pnn.analogy(
        labels, structure, categorical=True, vote="copy", return_index=True, **options
    ).index
    inner = index[1:-1, 1:-1] - (0, 1, 1)
    one_hot = np.stack([labels == value for value in (-5, 7, 300)]).astype(float)
    votes = naive.vote([one_hot], inner, 3, "weighted_mean")
    first, second = np.sort(votes, axis=0)[:-3:-1]
    clear = first - second > 1e-5
    expected = np.array([-5, 7, 300])[votes.argmax(axis=0)]
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(made[clear], expected[clear])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
@pytest.mark.parametrize("vote", ["weighted_mean", "mean", "copy"])
def test_labels_stay_in_the_set_of_the_source(dtype, vote, labels):
    given = labels > 0 if dtype is bool else labels.astype(dtype)
    made = pnn.generate(given, 2, rng=0, categorical=True, vote=vote, iterations=2, noise_std=3)
    assert made.dtype == dtype
    assert set(np.unique(made)) <= set(np.unique(given))
    assert (made != given).any()


def test_names_of_labels_do_not_matter(labels):
    options = {"rng": 3, "categorical": True, "iterations": 3}
    made = pnn.generate(labels, **options)
    renamed = np.select([labels == -5, labels == 7], [1000, 1001], 1002)
    other = pnn.generate(renamed, **options)
    np.testing.assert_array_equal(np.select([made == -5, made == 7], [1000, 1001], 1002), other)


@pytest.mark.parametrize("axis", [0, 2])
def test_labels_may_have_an_axis_of_one_channel(axis, labels):
    options = {"rng": 1, "categorical": True, "iterations": 2}
    made = pnn.generate(np.expand_dims(labels, axis), channel_axis=axis, **options)
    np.testing.assert_array_equal(np.squeeze(made, axis), pnn.generate(labels, **options))


def test_all_tasks_take_labels(labels):
    hole = np.zeros(labels.shape, bool)
    hole[6:12, 8:15] = True
    options = {"categorical": True, "iterations": 2}
    results = [
        pnn.retarget(labels, (20, 18), **options),
        pnn.retarget(labels, (20, 18), gradual=True, **options),
        pnn.collage([labels, labels[::-1]], **options),
        pnn.edit(labels, np.roll(labels, 5, axis=1), **options),
        pnn.inpaint(labels, hole, **options),
        pnn.inpaint(labels, hole, fill="mean", **options),
        pnn.inpaint(labels, hole, fill="noise", rng=1, **options),
        pnn.inpaint(np.where(hole, -1, labels).astype(np.int16), "nodata", nodata=-1, **options),
    ]
    for made in results:
        assert made.dtype == labels.dtype
        assert set(np.unique(made)) <= {-5, 7, 300}
    for made in results[4:]:
        np.testing.assert_array_equal(made[~hole], labels[~hole])


WRONG = [
    ({"channel_weights": [1, 2]}, ValueError, "`channel_weights` must have one number for each of"),
    ({"channel_weights": [1, 2, -1]}, ValueError, "`channel_weights` must be a finite number of"),
    ({"channel_weights": [0, 0, 0]}, ValueError, "`channel_weights` must not all be 0"),
    ({"channel_weights": "var"}, ValueError, "`channel_weights` must be None, \"std\" or one"),
    ({"channel_weights": 3}, TypeError, "`channel_weights` must be None, \"std\" or one"),
    ({"channel_weights": [1, None, 1]}, TypeError, "`channel_weights` must be a real number"),
    ({"guides": 3}, TypeError, r"`guides` must be a list of \(source_guide, target_guide, weight"),
    ({"guides": [np.zeros((8, 9))]}, TypeError, "`guides` must be a list of .* got ndarray at 0"),
    ({"guides": [(np.zeros((8, 9)), np.zeros((9, 7)), -1)]}, ValueError, r"`guides\[0\]` must be"),
    ({"guides": [(np.zeros((8, 9)), np.zeros((9, 8)), 1)]}, ValueError,
     r"`guides\[0\]` must have the height and width of what it guides, \(9, 7\), got \(9, 8\)"),
    ({"guides": [(np.full((8, 9), np.nan), np.zeros((9, 7)), 1)]}, ValueError, "must be finite"),
    ({"guides": [([np.zeros((8, 9))] * 2, np.zeros((9, 7)), 1)]}, ValueError,
     "must have a guide for each of the 1 sources, got 2"),
    ({"guides": [(np.zeros((8, 9)), np.zeros((9, 7), int), 1)]}, ValueError, "one dtype and"),
    ({"categorical": 1}, TypeError, "`categorical` must be True or False, got 1"),
    ({"categorical": True}, TypeError, "`source` must hold integers or bool with `categorical`"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "message"), WRONG)
def test_wrong_calls(options, error, message, pair):
    with pytest.raises(error, match=message):
        pnn.analogy(*pair, **options)


def test_wrong_calls_with_labels(labels):
    with pytest.raises(ValueError, match="`data_range` must be None with `categorical`"):
        pnn.generate(labels, categorical=True, data_range=(0, 1))
    with pytest.raises(ValueError, match="`channel_weights` must be None with `categorical`"):
        pnn.generate(labels, categorical=True, channel_weights=[1])
    with pytest.raises(ValueError, match="`vote` must not be 'median' with `categorical`"):
        pnn.generate(labels, categorical=True, vote="median")
    with pytest.raises(ValueError, match="`image` must have one channel with `categorical`, got 2"):
        pnn.generate(np.dstack([labels, labels]), categorical=True)
    with pytest.raises(ValueError, match=r"`edited` must hold labels of the source only, got 8,"):
        pnn.edit(labels, np.where(labels == 7, 8, labels).astype(np.int16), categorical=True)
    with pytest.raises(ValueError, match="`guides` must be None with `gradual`"):
        pnn.retarget(labels, (20, 20), gradual=True, guides=[])
