"""The command line verbs beside `generate`."""

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.batch.job_arguments import check_values
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.tasks.registry import TASKS

FAST = ["--iterations", "1", "--coarse-iterations", "1", "--quiet"]


@pytest.fixture
def folder(tmp_path, photograph):
    """Images that the verbs take."""
    hole = np.zeros(photograph.shape[:2], np.uint8)
    hole[10:20, 10:25] = 255
    opaque = np.full_like(photograph[..., :1], 255)
    write_image(tmp_path / "cat.png", photograph)
    write_image(tmp_path / "small.png", photograph[:30, :30])
    write_image(tmp_path / "rgba.png", np.concatenate([photograph, opaque], axis=2))
    write_image(tmp_path / "edited.png", np.ascontiguousarray(photograph[:, ::-1]))
    write_image(tmp_path / "hole.png", hole)
    write_image(tmp_path / "small_hole.png", hole[:30, :30])
    return tmp_path


def call(folder, *words):
    return run([str(word).format(folder=folder) for word in [*words, *FAST]])


DIFFUSED = ["--sampler", "diffusion", "--patch-sizes", 7, "--levels", 1, "--steps", 3, "--seed", 6]


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["retarget", "{folder}/cat.png", "--scale", 1, 0.6],
         lambda cat, other, **how: pnn.retarget(cat, (40, 34), **how)),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png", "--fill", "smooth"],
         lambda cat, other, **how: pnn.inpaint(cat, hole_of(cat), fill="smooth", **how)),
        (["analogy", "{folder}/cat.png", "--structure", "{folder}/small.png"],
         lambda cat, other, **how: pnn.analogy(cat, cat[:30, :30], **how)),
        (["edit", "{folder}/cat.png", "--edited", "{folder}/edited.png"],
         lambda cat, other, **how: pnn.edit(cat, other, **how)),
        (["collage", "{folder}/cat.png", "{folder}/edited.png"],
         lambda cat, other, **how: pnn.collage([cat, other], **how)),
    ],
)  # fmt: skip
def test_diffusion_of_every_verb(words, made, folder, photograph, capsys):
    words = [*words, *DIFFUSED, "--quiet", "-o", folder / "out.png"]
    assert run([str(word).format(folder=folder) for word in words]) == 0
    expected = made(
        photograph, np.ascontiguousarray(photograph[:, ::-1]), sampler="diffusion", patch_sizes=7,
        levels=1, steps=3, rng=6,
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(folder / "out.png"), expected)
    assert "seed 6" in capsys.readouterr().out


def hole_of(image):
    hole = np.zeros(image.shape[:2], bool)
    hole[10:20, 10:25] = True
    return hole


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (["retarget", "{folder}/cat.png", "--scale", 1, 0.6], (40, 34, 3)),
        (["retarget", "{folder}/cat.png", "--scale", 0.75], (30, 42, 3)),
        (["retarget", "--scale", "1.1", "{folder}/cat.png"], (44, 62, 3)),
        (["retarget", "--scale=1.1", "{folder}/cat.png"], (44, 62, 3)),
        (["retarget", "--scale=1", "0.6", "{folder}/cat.png"], (40, 34, 3)),
        (["retarget", "{folder}/cat.png", "--shape", 30, 70, "--gradual"], (30, 70, 3)),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png"], (40, 56, 3)),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png", "--fill", "noise",
          "--seed", 4], (40, 56, 3)),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png", "--fill",
          "{folder}/edited.png", "--remake-known"], (40, 56, 3)),
        (["analogy", "{folder}/cat.png", "--structure", "{folder}/small.png"], (30, 30, 3)),
        (["collage", "{folder}/cat.png", "{folder}/small.png"], (40, 56, 3)),
        (["collage", "{folder}/cat.png", "{folder}/small.png", "--shape", 20, 44], (20, 44, 3)),
        (["edit", "{folder}/rgba.png", "--edited", "{folder}/edited.png"], (40, 56, 3)),
        (["edit", "{folder}/cat.png", "--edited", "{folder}/edited.png", "--mask",
          "{folder}/hole.png"], (40, 56, 3)),
        (["generate", "{folder}/cat.png", "{folder}/small.png"], (40, 56, 3)),
    ],
)  # fmt: skip
def test_every_verb(words, shape, folder, capsys):
    assert call(folder, *words, "-o", "{folder}/out.png", "--save-index", "{folder}/i.tif") == 0
    assert read_image(folder / "out.png").shape == shape
    index = read_image(folder / "i.tif")
    assert index.shape == (*shape[:2], 3)
    assert index.dtype == np.int32
    out = capsys.readouterr().out
    assert "wrote" in out
    assert "levels below full size" in out


def test_the_index_file_renders_the_copied_picture(folder, photograph):
    words = ["edit", "{folder}/cat.png", "--edited", "{folder}/edited.png", "--vote", "copy"]
    assert call(folder, *words, "-o", "{folder}/out.png", "--save-index", "{folder}/i.tif") == 0
    rendered = pnn.apply_index(photograph, read_image(folder / "i.tif"))
    np.testing.assert_array_equal(rendered, read_image(folder / "out.png"))


def test_a_scale_needs_a_value(capsys):
    assert run(["retarget", "--scale"]) == 2
    assert "Option '--scale' requires an argument" in capsys.readouterr().err


def test_a_file_may_be_called_as_a_number(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "3").write_bytes((folder / "cat.png").read_bytes())
    assert call(folder, "retarget", "--scale", 1, 0.6, 3, "-o", "out.png") == 0
    assert run(["retarget", *FAST, "-o", "other.png", "--scale", "0.6", "--", "3"]) == 0
    assert read_image(folder / "out.png").shape == (40, 34, 3)
    assert read_image(folder / "other.png").shape == (24, 34, 3)


def test_known_pixels_stay(folder, photograph):
    words = ["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png", "-o", "{folder}/o.png"]
    assert call(folder, *words) == 0
    known = read_image(folder / "hole.png") == 0
    np.testing.assert_array_equal(read_image(folder / "o.png")[known], photograph[known])


def test_an_opaque_alpha_channel_is_dropped_with_a_notice(folder, capsys):
    assert call(folder, "generate", "{folder}/rgba.png", "-o", "{folder}/o.png") == 0
    assert "rgba.png: dropped its alpha channel, which is opaque" in capsys.readouterr().err
    assert read_image(folder / "o.png").shape[2] == 3


def test_several_pictures_have_several_index_files(folder):
    words = ["generate", "{folder}/cat.png", "-n", 2, "--seed", 1, "-o", "{folder}/out"]
    assert call(folder, *words, "--save-index", "{folder}/maps/i.tif") == 0
    assert sorted(path.name for path in (folder / "maps").iterdir()) == ["i_000.tif", "i_001.tif"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["retarget", "{folder}/cat.png"], 2, "give either --shape H W or --scale Y [X]"),
        (["retarget", "{folder}/cat.png", "--scale"], 2, "and the width, got '-o'"),
        (["retarget", "{folder}/cat.png", "--scale", "a"], 2,
         "--scale must be one factor, or two of the height and the width, got 'a'"),
        (["retarget", "{folder}/cat.png", "--scale", "1,2"], 2, "got '1,2'"),
        (["retarget", "{folder}/cat.png", "--scale", 1, 2, 3], 2,
         "--scale must be one factor, or two of the height and the width, got 3: 1 2 3"),
        (["retarget", "{folder}/cat.png", "--scale", 1, "--gradual", 2], 2, "'2' does not"),
        *((["retarget", "{folder}/cat.png", "--scale", *words], 2,
           "--scale must be a finite number above 0, got")
          for words in ([0], [-1], [1, -2], ["nan"], ["inf"], [1, "inf"])),
        (["retarget", "{folder}/cat.png", "--shape", 3, 3], 2, "--shape must be (height, width)"),
        (["inpaint", "{folder}/cat.png"], 2, "Missing option '--mask'"),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/small_hole.png"], 2,
         "--mask must have the height and width of IMAGE, 40 x 56, got 30 x 30 in "),
        (["inpaint", "{folder}/cat.png", "--mask", "{folder}/hole.png", "--fill", "no.png"], 1,
         "no.png"),
        (["inpaint", "{folder}/cat.png", "{folder}/cat.png", "--mask", "{folder}/hole.png"], 2,
         "takes one IMAGE, got 2"),
        (["analogy", "{folder}/cat.png", "--structure", "{folder}/hole.png"], 2,
         "--structure must have the channels of the source, 3, got 1"),
        (["collage"], 2, "give either IMAGE or --sample NAME"),
        (["collage", "{folder}/cat.png"], 2, "at least 2 IMAGEs, got 1; use pnncupy generate"),
        (["collage", "--sample", "rocket"], 2, "takes at least 2 IMAGEs, got 1"),
        (["collage", "{folder}/cat.png", "{folder}/hole.png"], 2, "IMAGE[1] must have"),
        (["edit", "{folder}/cat.png", "--edited", "{folder}/small.png"], 2,
         "--edited must have the size"),
        (["generate", "{folder}/cat.png", "-o", "{folder}/cat.png", "--force"], 2,
         "is an input and would be lost"),
        (["edit", "{folder}/cat.png", "--edited", "{folder}/edited.png", "-o",
          "{folder}/edited.png", "--force"], 2, "is an input and would be lost"),
        (["generate", "--sample", "rocket", "--page", 1], 2, "--page is for TIFF stacks"),
    ],
)  # fmt: skip
def test_wrong_calls(words, code, message, folder, capsys):
    if "-o" not in words:
        words = [*words, "-o", "{folder}/out.png"]
    assert call(folder, *words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (folder / "out.png").exists()


def test_what_was_chosen_is_said(tmp_path, capsys):
    words = ["generate", "--sample", "chelsea", "--seed", "1", "--iterations", "1", "--quiet"]
    automatic = ["--levels", "auto", "--patch-size", "auto"]
    assert run([*words, *automatic, "-o", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr().out
    assert "patch size 7, chosen by finest details of 0.89 pixels" in said
    assert "levels, chosen as the noise leaves" in said
    assert run([*words, "-o", str(tmp_path / "b.png")]) == 0
    assert ", chosen" not in capsys.readouterr().out


@pytest.mark.parametrize("verb", TASKS)
def test_levels_are_automatic_in_generate_only(verb, tmp_path, capsys):
    assert run([verb, "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    told = words.partition("--levels ")[2].partition(" --")[0]
    assert "Pyramid levels below full size" in told
    assert ("auto" in told) is (verb == "generate")
    if verb != "generate":
        assert run([verb, "--sample", "rocket", "--levels", "auto", "-o", str(tmp_path)]) == 2
        assert "'--levels'" in capsys.readouterr().err


def test_lists_of_jobs_have_automatic_levels_in_generate_only():
    check_values("generate", {"levels": "auto"})
    with pytest.raises(ValueError, match="'auto', which only `generate` takes"):
        check_values("simulate", {"levels": "auto"})
