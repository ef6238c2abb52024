"""Sentences for the methods section, and the entries of `Result.info` that they are made of."""

import copy
import hashlib
import json
import pickle

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.baselines import bidirectional_similarity
from pnncupy.tasks.methods_section import methods_section, references
from pnncupy.tasks.registry import TASKS

QUICK = {"iterations": 1, "engine": "numpy", "return_info": True, "progress": False}
VERSION = pnn.__version__
ONE_PARAMETER = "The only other parameter that differed from its default was iterations = 1."
SAME_BITS = (
    "The result has the same bits on every compute engine and for any number of threads. SHA-256 "
    "digests cover shape, dtype and values."
)


def digest(array):
    """SHA-256 as the documentation says it, on one line."""
    return hashlib.sha256(f"{array.shape} {array.dtype.str}".encode() + array.tobytes()).hexdigest()


def words(array):
    return f"array of shape {array.shape}, {array.dtype}, SHA-256 {digest(array)}"


def patches(levels, size="7 × 7 pixels"):
    levels = "one level" if levels == 1 else f"{['no', '', 'two'][levels]} levels"
    return f"Patches had {size}, and the pyramid had {levels} below full size."


@pytest.fixture
def image(random):
    return random.integers(0, 255, (24, 32, 3), np.uint8)


@pytest.fixture
def grey(random):
    return random.random((24, 32))


@pytest.fixture
def mask():
    mask = np.zeros((24, 32), bool)
    mask[8:14, 9:15] = True
    return mask


def test_one_image_is_generated(image):
    made = pnn.generate(image, rng=1, levels=2, **QUICK)
    assert made.info.methods_text() == (
        "One image of 24 × 32 pixels was synthesised by diverse generation from one image "
        f"({words(image)}), with pnncupy {VERSION} (pnncupy.generate), which implements GPNN "
        "(Granot et al. 2022). The realisation began with the coarsest level of the source and "
        "Gaussian noise of standard deviation 0.75 (in units of the value range). "
        f"{patches(2)} Nearest patches were searched exactly. {ONE_PARAMETER} The random seed was "
        f"1 (realisation 0). {SAME_BITS}"
    )


def test_several_images_of_several_sources(image):
    sources = [image, image[:20]]
    text = pnn.generate(
        sources, 3, first_sample=4, rng=1, levels=1, alpha=0.01, method="patchmatch",
        variety="high", distinct=True, **QUICK,
    ).info.methods_text()  # fmt: skip
    assert text == (
        "Three images of 24 × 32 pixels were synthesised by diverse generation from two images "
        f"({words(image)}; {words(image[:20])}), with pnncupy {VERSION} (pnncupy.generate), which "
        "implements GPNN (Granot et al. 2022). Each realisation began with the coarsest level of "
        "the first source and Gaussian noise of standard deviation 1.5 (in units of the value "
        f"range). {patches(1)} Nearest patches were searched by PatchMatch (Barnes et al. 2009). "
        "The other parameters that differed from their defaults were alpha = 0.01, distinct = "
        'True, iterations = 1 and variety = "high". The random seed was 1 (realisations 4 to 6). '
        "The results have the same bits on every compute engine and for any number of threads. "
        "SHA-256 digests cover shape, dtype and values."
    )


def test_two_realisations_from_tiles_with_sizes_that_were_chosen(grey):
    text = pnn.generate(
        [grey, grey], 2, rng=[7], patch_size="auto", independent=True, **QUICK
    ).info.methods_text()
    assert "Each realisation began with random tiles of the sources." in text
    assert 'iterations = 1 and patch_size = "auto". The random seed was (7,)' in text
    assert "(realisations 0 and 1)" in text


def test_without_a_seed_the_text_says_how_to_have_the_same_again(image):
    made = pnn.generate(image, levels=0, **QUICK)
    drawn = made.info["seed"]
    assert (
        f"No random seed was given; the entropy drawn was {drawn} (realisation 0), and rng={drawn} "
        "reproduces the result."
    ) in made.info.methods_text()
    again = pnn.generate(image, levels=0, rng=drawn, **QUICK)
    np.testing.assert_array_equal(again.image, made.image)
    assert f"The random seed was {drawn} (realisation 0)." in again.info.methods_text()


def test_seeds_of_any_form_are_written_as_they_can_be_given(image):
    spawned = np.random.SeedSequence(5).spawn(2)[1]
    text = pnn.generate(image, levels=0, rng=spawned, **QUICK).info.methods_text()
    assert (
        "The random seed was numpy.random.SeedSequence(entropy=5, spawn_key=(1,)) (realisation 0)."
    ) in text
    made = pnn.generate(image, levels=0, rng=np.random.default_rng(3), **QUICK)
    listed = tuple(made.info["seed"])
    assert f"The random seed was {listed} (realisation 0)." in made.info.methods_text()
    again = pnn.generate(image, levels=0, rng=listed, **QUICK)
    np.testing.assert_array_equal(again.image, made.image)


def test_another_size(image):
    text = pnn.retarget(image, (24, 40), levels=1, **QUICK).info.methods_text()
    assert text == (
        "One image of 24 × 40 pixels was synthesised by retargeting from one image "
        f"({words(image)}), with pnncupy {VERSION} (pnncupy.retarget), which implements GPNN "
        f"(Granot et al. 2022). {patches(1)} Nearest patches were searched exactly. "
        f"{ONE_PARAMETER} {SAME_BITS}"
    )


@pytest.mark.parametrize(
    ("options", "hole", "more"),
    [
        ({}, "Only {mask} were synthesised; all others are unchanged.", ""),
        ({"fill": "smooth"}, "Only {mask} were synthesised; all others are unchanged.",
         'fill = "smooth" and iterations = 1'),
        ({"keep_known": False}, "All pixels were synthesised, with {mask} as the hole.",
         "iterations = 1 and keep_known = False"),
    ],
)  # fmt: skip
def test_a_hole(options, hole, more, image, mask):
    text = pnn.inpaint(image, mask, **options, **QUICK).info.methods_text()
    assert hole.format(mask=f"the pixels of the mask ({words(mask)})") in text
    assert "random seed" not in text
    assert more in text


def test_an_image_that_fills_a_hole(image, mask):
    other = image[::-1]
    text = pnn.inpaint(image, mask, fill=other, **QUICK).info.methods_text()
    assert (
        f"The hole began with the pixels of an image ({words(np.ascontiguousarray(other))})."
    ) in text
    assert ONE_PARAMETER in text


def test_noise_in_a_hole_has_a_seed(image, mask):
    text = pnn.inpaint(image, mask, fill="noise", rng=3, **QUICK).info.methods_text()
    assert "The random seed was 3. The result" in text


def test_missing_pixels(grey, mask):
    holed = np.where(mask, np.nan, grey)
    text = pnn.inpaint(holed, "nodata", **QUICK).info.methods_text()
    assert "Only missing pixels were synthesised; all others are unchanged." in text
    assert words(holed) in text
    masked = np.ma.array(grey, mask=mask)
    text = pnn.inpaint(masked, "nodata", **QUICK).info.methods_text()
    assert f"({words(grey)}, with 36 masked values, mask of SHA-256 {digest(mask)})" in text


def test_a_layout(image):
    text = pnn.analogy(image, image[:20], **QUICK).info.methods_text()
    assert text.startswith(
        "One image of 20 × 32 pixels was synthesised as a structural analogy from one image ("
    )
    assert f"The layout is that of an image ({words(image[:20])})." in text


def test_a_collage(image):
    # As many patches take long in plain NumPy.
    quick = QUICK | {"engine": "numba"}
    text = pnn.collage([image, image[:20]], **quick).info.methods_text()
    assert "was synthesised as a collage from two images (" in text
    # The defaults are those of the task.
    assert ONE_PARAMETER in text
    text = pnn.collage([image, image[:20]], alpha=np.inf, **quick).info.methods_text()
    assert "alpha = inf and iterations = 1." in text


def test_an_edit(image, mask):
    edited = image[::-1].copy()
    text = pnn.edit(image, edited, mask=mask, **QUICK).info.methods_text()
    assert f"The rough edit was an image ({words(edited)})." in text
    assert (
        f"Pixels farther than two patches from the mask ({words(mask)}) are those of the edit."
    ) in text
    assert "from the mask" not in pnn.edit(image, edited, **QUICK).info.methods_text()


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (0, "The grid ({}) held no hard data."),
        (1, "The hard data is the one known pixel of a grid ({}), unchanged in the results."),
        (14, "The hard data are the 14 known pixels of a grid ({}), unchanged in the results."),
    ],
)
def test_hard_data(known, sentence, grey):
    grid = np.full((20, 22), np.nan)
    grid.flat[: 2 * known : 2] = 0.5
    text = pnn.simulate(grey, grid, 2, rng=5, **QUICK).info.methods_text()
    assert text.startswith(
        "Two images of 20 × 22 pixels were synthesised by conditional simulation from one training "
        f"image ({words(grey)}), with pnncupy"
    )
    assert sentence.format(words(grid)) in text
    assert "Each realisation began with random tiles of the training image." in text
    assert "The random seed was 5 (realisations 0 and 1)." in text


def test_labels_and_what_confusing_them_costs(grey):
    labels = (grey > 0.5).astype(np.uint8)
    text = pnn.generate(
        labels, rng=1, categorical=True, label_costs={0: 1, 1: 2.5}, keep_fractions=True, **QUICK
    ).info.methods_text()
    assert (
        "were categorical = True, iterations = 1, keep_fractions = True and label_costs = {0: 1, "
        "1: 2.5}."
    ) in text
    costs = np.array([[0, 1], [1, 0]])
    text = pnn.generate(
        labels, rng=1, categorical=True, label_costs=costs, **QUICK
    ).info.methods_text()
    assert "label_costs = ((0, 1), (1, 0))." in text


def test_guides_and_a_guess(grey):
    guide = grey[::-1].copy()
    text = pnn.generate(grey, rng=1, guides=[(guide, grey, 0.5)], **QUICK).info.methods_text()
    assert (
        "The comparison of patches included one guide (source "
        f"{words(guide)}; target {words(grey)}; weight 0.5)."
    ) in text
    several = pnn.generate(
        [grey, grey], rng=1, guides=[([grey, guide], grey, 2), ([grey, grey], guide, 1)], **QUICK
    ).info.methods_text()
    assert f"included two guides (source {words(grey)}; {words(guide)}; target" in several
    guess = np.zeros((24, 32))
    text = pnn.generate(grey, levels=0, initial_guess=guess, **QUICK).info.methods_text()
    assert f"The coarsest level was given ({words(guess)})." in text
    assert "began with" not in text


def test_a_guess_instead_of_tiles(grey):
    grid = np.full((24, 32), np.nan)
    guess = np.zeros((24, 32))
    text = pnn.simulate(
        grey, grid, rng=1, levels=0, initial_guess=guess, **QUICK
    ).info.methods_text()
    assert f"The coarsest level was given ({words(guess)})." in text
    assert "began with" not in text


def test_the_method_that_auto_chose(grey):
    text = pnn.retarget(grey, (24, 30), method="auto", **QUICK).info.methods_text()
    assert "Nearest patches were searched exactly." in text
    assert 'were iterations = 1 and method = "auto".' in text
    assert 'With method = "exact" the result has the same bits on every compute engine' in text
    info = {"task": "generate", "version": "1", "arguments": {"method": "auto"}}
    assert (
        "searched exactly, or by PatchMatch (Barnes et al. 2009) where the search was large. The "
        'only other parameter that differed from its default was method = "auto". With one method '
        "of search the results have the same bits"
    ) in methods_section(info)
    assert references(info)[1].key == "barnes2009patchmatch"


def test_volumes(random):
    volume = random.random((8, 9, 10))
    text = pnn.generate(
        volume, channel_axis=None, rng=1, patch_size=(2, 3, 3), periodic=(True, False, False),
        **QUICK,
    ).info.methods_text()  # fmt: skip
    assert text.startswith(
        "One volume of 8 × 9 × 10 voxels was synthesised by diverse generation from one volume "
        f"({words(volume)}), with pnncupy"
    )
    assert "Patches had 2 × 3 × 3 voxels, and" in text
    assert "were iterations = 1 and periodic = (True, False, False)." in text


def test_a_grown_volume(grey):
    quick = QUICK | {"engine": "numba"}
    made = pnn.grow_volume(grey, (8, 9, 10), rng=2, patch_size=3, **quick)
    assert made.info.methods_text() == (
        "One volume of 8 × 9 × 10 voxels was synthesised by matching its slices from one image "
        f"({words(grey)}), with pnncupy {VERSION} (pnncupy.grow_volume), which implements GPNN "
        f"(Granot et al. 2022) with the votes of Kopf et al. 2007. {patches(1, '3 × 3 pixels')} "
        f"Nearest patches were searched exactly. {ONE_PARAMETER} The random seed was 2. {SAME_BITS}"
    )
    drawn = pnn.grow_volume(grey, (4, 5, 6), patch_size=3, **quick).info
    assert f"the entropy drawn was {drawn['seed']}, and" in drawn.methods_text()


def test_the_baseline_is_no_gpnn(grey):
    info = bidirectional_similarity(grey, (24, 20), **QUICK).info
    assert (
        f"with pnncupy {VERSION} (pnncupy.baselines.bidirectional_similarity), which implements "
        "Bidirectional Similarity (Simakov et al. 2008)."
    ) in info.methods_text()
    assert [each.key for each in references(info)] == ["simakov2008summarizing"]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []), ({"method": "patchmatch"}, ["barnes2009patchmatch"]),
        ({"task": "grow_volume"}, ["kopf2007solid"]),
        ({"task": "inpaint", "arguments": {"fill": "smooth"}}, ["damelin2018surface"]),
        ({"task": "inpaint", "arguments": {"mask": "nodata"}}, ["damelin2018surface"]),
        ({"task": "inpaint", "arguments": {"mask": "nodata", "fill": "mean"}}, []),
        ({"task": "inpaint", "arguments": {"mask": "nodata"}, "inputs": {"fill": {}}}, []),
        ({"task": "inpaint", "inputs": {"mask": {}}}, []),
    ],
)  # fmt: skip
def test_only_what_was_used_is_cited(changes, keys):
    info = {"task": "generate", "method": "exact", **changes}
    assert [each.key for each in references(info)] == ["granot2022drop", *keys]


def test_every_task_has_a_text():
    for verb in TASKS:
        info = {"task": verb, "version": "1", "samples": [{}], "shape": [3, 4]}
        assert "implements GPNN" in methods_section(info)
    with pytest.raises(ValueError, match="no task is called 'paint' in this version of pnncupy"):
        methods_section({"task": "paint"})


# ------------------------------------------------------------------------------------ the entries


def test_one_image_has_one_digest(image):
    made = pnn.generate(image, rng=1, levels=0, **QUICK)
    described = made.info["inputs"]["image"]
    assert described == {"shape": [24, 32, 3], "dtype": "uint8", "sha256": digest(image)}
    _, arrays = batch.make_jobs("generate", output="a", image=image)
    assert list(arrays) == [described["sha256"]]
    # The order in memory is none of the image.
    for other in (np.asfortranarray(image), image[::-1].copy()[::-1]):
        info = pnn.generate(other, rng=1, levels=0, **QUICK).info
        assert info["inputs"]["image"] == described


def test_the_digest_is_that_of_the_image_before_the_call(grey):
    image = grey.copy()
    made = pnn.generate(image, rng=1, levels=0, **QUICK)
    image[:] = 0
    assert words(grey) in made.info.methods_text()


def test_it_is_the_dictionary_that_it_was(image):
    info = pnn.generate(image, 2, rng=1, levels=0, alpha=0.01, **QUICK).info
    assert isinstance(info, dict)
    assert info["arguments"] == {"levels": 0, "alpha": 0.01, "iterations": 1}
    assert json.loads(json.dumps(info, allow_nan=False)) == info
    for other in (pickle.loads(pickle.dumps(info)), copy.copy(info), copy.deepcopy(info)):
        assert (type(other), other) == (pnn.RunInfo, info)
        assert other.methods_text() == info.methods_text()
    shallow = info.copy()
    assert (type(shallow), shallow, shallow is info) == (pnn.RunInfo, info, False)


def test_defaults_that_are_given_are_no_arguments(image):
    made = pnn.generate(
        image, rng=1, alpha=float("inf"), vote="weighted_mean", periodic=False, **QUICK
    )
    assert made.info["arguments"] == {"iterations": 1}


def test_results_of_events_say_the_same(image):
    events = []
    made = pnn.generate(image, 2, first_sample=3, rng=1, levels=0, callback=events.append, **QUICK)
    texts = [event.result.info.methods_text() for event in events if event.result is not None]
    assert "was 1 (realisation 3)." in texts[0]
    assert "was 1 (realisation 4)." in texts[1]
    assert texts[0].startswith("One image of 24 × 32 pixels was synthesised by diverse generation")
    assert made.info["inputs"] == events[-1].result.info["inputs"]


def test_images_are_read_for_their_digests_where_these_are_seen(image, monkeypatch):
    read = []
    monkeypatch.setattr("pnncupy.arrays.array_digest", lambda array: read.append(array) or "0")
    quick = {"iterations": 1, "levels": 0, "engine": "numpy"}
    pnn.generate(image, rng=1, **quick)
    assert read == []
    pnn.generate(image, 2, rng=1, callback=lambda event: True, **quick)
    assert len(read) == 1


def test_a_call_within_a_callback_is_one_of_its_own(image, grey):
    inner = []

    def callback(event):
        if not inner:
            inner.append(pnn.retarget(grey, (24, 30), levels=0, **QUICK).info)

    outer = pnn.generate(image, rng=1, levels=0, callback=callback, **QUICK).info
    assert (inner[0]["task"], outer["task"]) == ("retarget", "generate")
    assert inner[0]["inputs"]["image"]["sha256"] == digest(grey)
    assert outer["inputs"]["image"]["sha256"] == digest(image)


def test_arrays_of_xarray(grey):
    xarray = pytest.importorskip("xarray")
    labelled = xarray.DataArray(grey, dims=("y", "x"), attrs={"nodata": -1.0})
    text = pnn.generate(labelled, rng=1, levels=0, **QUICK).info.methods_text()
    assert words(grey) in text
    assert "iterations = 1 and nodata = -1.0." in text


def test_arrays_of_the_standard(grey):
    strict = pytest.importorskip("array_api_strict")
    made = pnn.generate(strict.asarray(grey), rng=1, levels=0, **QUICK)
    assert words(grey) in made.info.methods_text()


def test_diffusion_from_an_image_says_where_noise_was(image):
    call = {"sampler": "diffusion", "steps": 4, "patch_sizes": 5, "levels": 1, "rng": 3}
    made = pnn.retarget(image, (len(image), 20), return_info=True, progress=False, **call)
    text = made.info.methods_text()
    assert "alone" not in text
    assert (
        "Patches became means of all patches of the source, weighted by their distances, at 4 "
        "noise levels from 0.229 to 0.0001 at each level below the coarsest one (in units of the "
        "value range)."
    ) in text


def test_diffusion_is_told_from_nearest_patches(image):
    made = pnn.generate(
        image, rng=3, sampler="diffusion", steps=4, patch_sizes=5, levels=1, return_info=True,
        progress=False,
    )  # fmt: skip
    text = made.info.methods_text()
    assert "which implements closed-form diffusion over image patches (Qiu et al. 2026)" in (text)
    assert (
        "The realisation began with Gaussian noise alone; patches became means of all patches of "
        "the source, weighted by their distances, at 4 noise levels from 8 to 0.0001 at the "
        "coarsest level (in units of the value range)."
    ) in text
    assert "earest" not in text
    assert "5 × 5 pixels" in text
    assert [each.short for each in references(made.info)] == ["Qiu et al. 2026"]
