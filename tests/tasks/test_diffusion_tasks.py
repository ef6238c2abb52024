"""The tasks that begin with an image, with sampler="diffusion"."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import metrics

OPTIONS = {"sampler": "diffusion", "patch_sizes": 5, "levels": 1, "steps": 4, "rng": 1}
CALLS = {
    "retarget": lambda image, **more: pnn.retarget(image, (24, 18), **more),
    "edit": lambda image, **more: pnn.edit(image, image[:, ::-1].copy(), **more),
    "analogy": lambda image, **more: pnn.analogy(image, image[::-1, :20].copy(), **more),
    "collage": lambda image, **more: pnn.collage([image, image[::-1].copy()], (24, 30), **more),
    "inpaint": lambda image, **more: pnn.inpaint(image, hole_of(image), fill="noise", **more),
}
SHAPES = {
    "retarget": (24, 18), "edit": (24, 26), "analogy": (24, 20), "collage": (24, 30),
    "inpaint": (24, 26),
}  # fmt: skip


def hole_of(image):
    hole = np.zeros(image.shape[:2], bool)
    hole[8:14, 10:17] = True
    return hole


@pytest.mark.parametrize("task", CALLS)
def test_results_are_seeded_and_have_the_same_bits_everywhere(photograph, task):
    image = photograph[:24, :26]
    result = CALLS[task](image, return_info=True, **OPTIONS)
    assert result.image.shape == (*SHAPES[task], 3)
    assert result.image.dtype == np.uint8
    assert result.info["sampler"] == "diffusion"
    assert result.info["patch_sizes"] == [5, 5]
    for more in ({"engine": "numpy"}, {"threads": 1}, {"threads": 2}):
        np.testing.assert_array_equal(CALLS[task](image, **(OPTIONS | more)), result.image)
    assert np.any(CALLS[task](image, **(OPTIONS | {"rng": 2})) != result.image)


@pytest.mark.parametrize("task", CALLS)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alpha": 0.01}, "`alpha` must be"),
        ({"return_index": True}, "no pixel has one origin"),
        ({"vote": "copy"}, "averages patches"),
        ({"vote_width": 0.4}, "`vote_width` must be 1.7 with .* window of its own"),
        ({"sigma_max": 0}, "`sigma_max`"),
        ({"steps": 1}, "`steps`"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(photograph, task, given, words):
    with pytest.raises(ValueError, match=words):
        CALLS[task](photograph[:24, :26], **(OPTIONS | given))


@pytest.mark.parametrize("task", ["retarget", "collage"])
def test_a_gradual_change_is_refused(photograph, task):
    with pytest.raises(ValueError, match="`gradual` must be"):
        CALLS[task](photograph[:24, :26], gradual=True, **OPTIONS)


@pytest.mark.parametrize("task", CALLS)
def test_options_of_diffusion_are_refused_without_it(photograph, task):
    with pytest.raises(ValueError, match="with `sampler` 'patches'"):
        CALLS[task](photograph[:24, :26], steps=5)


@pytest.mark.parametrize("task", CALLS)
def test_progress_reaches_the_end(photograph, task):
    events = []
    CALLS[task](photograph[:24, :26], callback=events.append, **OPTIONS)
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


@pytest.mark.parametrize("fill", [None, "smooth", "mean", "noise"])
@pytest.mark.parametrize("periodic", [False, True])
def test_known_pixels_stay_and_holes_are_filled(photograph, fill, periodic):
    image = photograph[:28, :32].copy()
    hole = hole_of(image)
    image[hole] = 255
    made = pnn.inpaint(image, hole, fill=fill, periodic=periodic, **OPTIONS)
    np.testing.assert_array_equal(made[~hole], image[~hole])
    assert made[hole].max() < 255


def test_a_hole_in_stripes_is_continued_exactly():
    stripes = np.tile(np.repeat([40, 200], 4).astype(np.uint8), (40, 6))
    holed = stripes.copy()
    hole = np.zeros(stripes.shape, bool)
    hole[14:26, 18:31] = True
    holed[hole] = 120
    made = pnn.inpaint(
        holed, hole, fill="noise", sampler="diffusion", patch_sizes=9, levels=1, rng=0,
        categorical=False,
    )  # fmt: skip
    np.testing.assert_array_equal(made, stripes)


def test_without_keeping_the_known_pixels_all_are_made(photograph):
    image = photograph[:28, :32].copy()
    hole = hole_of(image)
    made = pnn.inpaint(image, hole, fill="smooth", keep_known=False, **OPTIONS)
    assert np.mean(made[~hole] != image[~hole]) > 0.3


def test_pixels_far_from_an_edit_stay(photograph):
    image = photograph
    edited = image.copy()
    edited[4:9, 4:9] = image[20:25, 30:35]
    mask = np.zeros(image.shape[:2], bool)
    mask[4:9, 4:9] = True
    made = pnn.edit(image, edited, mask=mask, **OPTIONS)
    np.testing.assert_array_equal(made[20:], edited[20:])
    assert np.any(made[:20] != edited[:20])


@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("task", ["retarget", "edit", "collage"])
def test_the_layout_is_kept(photograph, task, levels):
    image = photograph[:24, :26]
    made = CALLS[task](image, **(OPTIONS | {"levels": levels}))
    given = {
        "retarget": pnn.resize(image, (1, 18 / 26), (24, 18)), "edit": image[:, ::-1],
        "collage": pnn.resize(np.concatenate([image, image[::-1]], axis=1), (1, 30 / 52), (24, 30)),
    }[task]  # fmt: skip
    coarse = [pnn.pyramid(each.astype(float), 1, downscale=2)[1].ravel() for each in (made, given)]
    assert np.corrcoef(*coarse)[0, 1] > (0.9 if levels else 0.8)


def test_the_patches_of_the_structure_itself_give_it_back(photograph):
    image = photograph[:24, :26]
    own = pnn.analogy(image, image, sampler="diffusion", patch_sizes=5, levels=1, rng=0)
    noise_alone = pnn.generate(image, sampler="diffusion", patch_sizes=5, levels=1, rng=0)
    assert metrics.psnr(image, own, (0, 255)) > metrics.psnr(image, noise_alone, (0, 255)) + 5


def test_only_patches_with_unknown_pixels_are_denoised(photograph, monkeypatch):
    from pnncupy.synthesis import diffusion

    image = photograph
    hole = np.zeros(image.shape[:2], bool)
    hole[10:14, 20:26] = True
    made = pnn.inpaint(image, hole, fill="noise", **OPTIONS)
    sizes = []
    denoise = diffusion.Denoiser._denoise

    def noted(self, part, sigma):
        sizes.append(part.shape[1:])
        return denoise(self, part, sigma)

    monkeypatch.setattr(diffusion.Denoiser, "_denoise", noted)
    np.testing.assert_array_equal(pnn.inpaint(image, hole, fill="noise", **OPTIONS), made)
    assert sizes[-1] == (4 + 2 * 4, 6 + 2 * 4)
    monkeypatch.setattr(diffusion, "_unknown_region", lambda run, level: None)
    whole = pnn.inpaint(image, hole, fill="noise", **OPTIONS)
    assert metrics.psnr(whole, made, (0, 255)) > 50
