"""Masks in files: what they mean for inpaint, edit, batches and reports, and what is said."""

from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
import tifffile

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli.app import run
from pnncupy.errors import ImageReadError
from pnncupy.images.mask_judgement import MaskChoice
from pnncupy.io import read_image, write_image
from pnncupy.io.masks import read_mask, read_transparent
from pnncupy.report.builder import build_report

FAST = ["--iterations", "1", "--coarse-iterations", "1", "--levels", "1", "--quiet"]
HOLE = np.zeros((24, 32), bool)
HOLE[8:14, 10:20] = True
SAID = "60 of 768 pixels are the hole"


def labels():
    """Labels 0, 1 and 5; the latter two are the hole."""
    values = np.where(HOLE, 1, 0)
    values[8:11, 10:20] = 5
    return values.astype("u2")


def opacity(image, alpha):
    return np.concatenate([image, np.asarray(alpha, image.dtype)[..., None]], axis=2)


@pytest.fixture
def folder(tmp_path, photograph, monkeypatch):
    """An image of 24 x 32 pixels, the same with a hole erased, and masks."""
    image = np.ascontiguousarray(photograph[8:32, 8:40])
    write_image(tmp_path / "image.png", image)
    write_image(tmp_path / "erased.png", opacity(image, np.where(HOLE, 0, 255)))
    write_image(tmp_path / "opaque.png", opacity(image, np.full(HOLE.shape, 255)))
    write_image(tmp_path / "nearly.png", opacity(image, np.where(HOLE, 128, 255)))
    write_image(tmp_path / "empty.png", opacity(image, np.full(HOLE.shape, 127)))
    write_image(tmp_path / "zero.png", np.where(HOLE[..., None], 0, np.maximum(image, 1)))
    write_image(tmp_path / "hole.png", HOLE.astype("u1") * 255)
    write_image(tmp_path / "dim.png", HOLE.astype("u1") * 2)
    write_image(tmp_path / "labels.tif", labels())
    write_image(tmp_path / "small.png", HOLE[2:, 3:].astype("u1") * 255)
    soft = np.rint(255 * np.clip((9 - np.hypot(*(np.indices(HOLE.shape) - 12))) / 4, 0, 1))
    write_image(tmp_path / "soft.png", soft.astype("u1"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(folder, **options):
    image = read_image(folder / "image.png")
    return pnn.inpaint(image, HOLE, iterations=1, coarse_iterations=1, levels=1, **options)


def call(*words):
    return run([*map(str, words), *FAST])


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        ("hole.png", []),
        ("dim.png", []),
        ("labels.tif", ["--mask-values", "1,5"]),
        ("labels.tif", ["--mask-above", 0]),
        ("labels.tif", ["--mask-above", "0.5"]),
    ],
)
def test_inpaint_fills_what_a_mask_means(folder, mask, options, capsys):
    assert call("inpaint", "image.png", "--mask", mask, *options, "-o", "made.png") == 0
    np.testing.assert_array_equal(read_image(folder / "made.png"), expected(folder))
    assert capsys.readouterr().err == f"{mask}: {SAID}\n"


def test_a_soft_brush_is_reported_once(folder, capsys):
    assert call("inpaint", "image.png", "--mask", "soft.png", "-o", "made.png") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("soft.png: ")
    assert line.endswith("(a soft brush: those above half of its maximum, 255)")


def test_the_transparent_pixels_of_an_image_are_the_hole(folder, capsys):
    words = ["--mask", "alpha", "-o", "made.png", "--save-mask", "which.png"]
    assert call("inpaint", "erased.png", *words) == 0
    np.testing.assert_array_equal(read_image(folder / "made.png"), expected(folder, fill="smooth"))
    np.testing.assert_array_equal(read_image(folder / "which.png") == 255, HOLE)
    assert f"erased.png: {SAID} (less than half opaque)\n" in capsys.readouterr().err


def test_grey_images_have_transparent_pixels_too(folder):
    grey = read_image(folder / "image.png")[..., :1]
    write_image(folder / "grey.png", opacity(grey, np.where(HOLE, 127, 128)))
    assert call("inpaint", "grey.png", "--mask", "alpha", "-o", "made.png") == 0
    image = grey[..., 0]
    filled = pnn.inpaint(image, HOLE, fill="smooth", iterations=1, levels=1)
    np.testing.assert_array_equal(read_image(folder / "made.png"), filled)


def test_missing_pixels_are_counted(folder, capsys):
    words = ["--mask", "nodata", "--nodata", 0, "-o", "made.png"]
    assert call("inpaint", "zero.png", *words) == 0
    assert capsys.readouterr().err == f"zero.png: {SAID}\n"


def test_an_edit_has_a_mask_of_labels(folder, capsys):
    words = ["edit", "image.png", "--edited", "zero.png", "--mask", "labels.tif"]
    options = ["--patch-size", 3, "-o", "made.png"]
    assert call(*words, *options) == 2
    assert "labels 0, 1, 5" in capsys.readouterr().err
    assert call(*words, "--mask-values", 5, *options) == 0
    assert "labels.tif: 30 of 768 pixels are the hole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["image.png", "--mask", "labels.tif"],
         "labels.tif: --mask must be an image of two values or a soft brush, got the labels 0, 1, "
         "5; choose the hole by --mask-values 1,5 (these values) or --mask-above 0"),
        (["image.png", "--mask", "labels.tif", "--mask-values", "7"],
         "no pixel among --mask-values: it holds 0, 1, 5"),
        (["image.png", "--mask", "labels.tif", "--mask-values", "one"],
         "--mask-values must be numbers with commas, such as 1,5, got 'one'"),
        (["image.png", "--mask", "labels.tif", "--mask-values", "nan"],
         "--mask-values must be a finite number"),
        (["image.png", "--mask", "labels.tif", "--mask-values", "1", "--mask-above", "0"],
         "must not be given both"),
        (["image.png", "--mask", "nodata", "--mask-values", "1"], "need --mask FILE"),
        (["erased.png", "--mask", "alpha", "--mask-above", "1"], "need --mask FILE"),
        (["image.png", "--mask", "small.png"],
         "--mask must have the height and width of IMAGE, 24 x 32, got 22 x 29 in small.png"),
        (["image.png", "--mask", "alpha"], "image.png: IMAGE must have an alpha channel for --mask"
         ' "alpha", got no alpha channel'),
        (["opaque.png", "--mask", "alpha"], "got one that is opaque"),
        (["nearly.png", "--mask", "alpha"], "got one that is opaque"),
        (["empty.png", "--mask", "alpha"], "transparent everywhere"),
        (["--sample", "rocket", "--mask", "alpha"], "a --sample has no alpha channel"),
        (["image.png", "--mask", "image.png"], "the colours"),
    ],
)  # fmt: skip
def test_wrong_masks(folder, words, message, capsys):
    assert call("inpaint", *words, "-o", "made.png") == 2
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert not (folder / "made.png").exists()


JOBS = """
[defaults]
verb = "inpaint"
iterations = 1
coarse_iterations = 1
levels = 1
image = "image.png"
[[job]]
mask = "labels.tif"
mask_values = [1, 5]
output = "values.png"
[[job]]
mask = "labels.tif"
mask_above = 0
output = "above.png"
[[job]]
image = "erased.png"
mask = "alpha"
output = "alpha.png"
[[job]]
image = "zero.png"
mask = "nodata"
nodata = 0
fill = "mean"
output = "nodata.png"
"""


def run_jobs(folder, text):
    """Report of a list of jobs that a thread works on."""
    (folder / "jobs.toml").write_text(text)
    with ThreadPoolExecutor(1) as executor:
        jobs = batch.jobs_of_toml(folder / "jobs.toml")
        return batch.run(jobs, folder / "out", executor=executor)


def test_jobs_choose_values_and_take_transparent_pixels(folder):
    report = run_jobs(folder, JOBS)
    assert report.failures == []
    for name, options in (("values", {}), ("above", {}), ("alpha", {"fill": "smooth"})):
        made = read_image(folder / f"out/{name}.png")
        np.testing.assert_array_equal(made, expected(folder, **options))
    assert report.notes == [
        f"labels.tif: {SAID}", f"erased.png: {SAID} (less than half opaque)", f"zero.png: {SAID}",
    ]  # fmt: skip
    report = run_jobs(folder, JOBS.replace("[1, 5]", "[5]"))
    assert (report.made, report.kept) == (1, 3)
    assert report.notes == ["labels.tif: 30 of 768 pixels are the hole"]


def test_a_job_with_labels_alone_fails(folder):
    ((job, error),) = run_jobs(folder, JOBS.replace("mask_above = 0\n", "")).failures
    assert job.output == "above.png"
    assert "the labels 0, 1, 5; choose the hole by `mask_values` 1,5" in error
    assert not (folder / "out/above.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("mask_above = 0", "mask_above = 'a'"), "line 14: `mask_above` must be a real number"),
        (("[1, 5]", "[]"), "line 10: `mask_values` must be a list of at least one number"),
        (("[1, 5]", "1"), "line 10: `mask_values` must be a list of at least one number"),
        (("mask_above = 0", "mask_above = 0\nmask_values = [1]"), "must not be given both"),
        (('mask = "alpha"', 'mask = "alpha"\nmask_above = 0'),
         "`mask_above` needs `mask`, the name of a file"),
        (('verb = "inpaint"', 'verb = "analogy"\nsource = "image.png"\nstructure = "image.png"'),
         "analogy has no argument"),
    ],
)  # fmt: skip
def test_wrong_choices_in_a_list_name_their_line(folder, change, message):
    (folder / "jobs.toml").write_text(JOBS.replace(*change))
    with pytest.raises(ValueError, match=message):
        batch.jobs_of_toml(folder / "jobs.toml")


def test_jobs_of_arrays_have_bool_masks():
    image = np.zeros((*HOLE.shape, 4), np.uint8)
    with pytest.raises(ValueError, match=r"`mask` \"alpha\" is for files; give an array"):
        batch.make_jobs("inpaint", image=image, mask="alpha", output="a")
    with pytest.raises(ValueError, match="has no argument `mask_values`"):
        batch.make_jobs("inpaint", image=image, mask=HOLE, mask_values=[1], output="a")


@pytest.mark.slow
def test_reports_choose_values_and_take_transparent_pixels(folder):
    (folder / "spec.toml").write_text(
        "[[inpaint]]\nimage = 'image.png'\nmask = 'labels.tif'\nmask_values = [1, 5]\nlevels = 1\n"
        "[[inpaint]]\nimage = 'erased.png'\nmask = 'alpha'\nlevels = 1\n"
    )
    said = []
    page = build_report(folder / "spec.toml", folder / "page", note=said.append)
    assert said == [f"labels.tif: {SAID}", f"erased.png: {SAID} (less than half opaque)"]
    text = page.read_text(encoding="utf-8")
    assert "--mask-values 1,5" in text
    assert "--mask alpha" in text


def test_a_report_refuses_labels_with_the_line(folder):
    (folder / "spec.toml").write_text("[[inpaint]]\nimage = 'image.png'\nmask = 'labels.tif'\n")
    with pytest.raises(ValueError, match=r"line 3: inpaint 'image': .*the labels 0, 1, 5; choose"):
        build_report(folder / "spec.toml", folder / "page")


def test_files_say_what_their_values_are(folder):
    """JPEG spreads values; palettes become colours; files of 1, 2 and 4 bits fill the range."""
    blurred = imagecodecs.jpeg8_encode(HOLE.astype("u1") * 255, level=60)
    (folder / "hole.jpg").write_bytes(blurred)
    assert abs(int(read_mask(folder / "hole.jpg").hole.sum()) - 60) <= 3
    image = pytest.importorskip("PIL.Image")
    number = labels().astype("u1")
    number[number == 5] = 2
    for name, palette, right in [
        ("ramp", [0, 0, 0, 128, 128, 128, 255, 255, 255], 60),
        ("bright", [0, 0, 0, 127, 127, 127, 255, 255, 255], 30),
        ("colours", [0, 0, 0, 255, 0, 0, 0, 0, 255], None),
        ("unclear", [255, 0, 0, 0, 255, 0, 0, 0, 255], None),
    ]:
        file = folder / f"{name}.png"
        picture = image.fromarray(number)
        picture.putpalette(palette)
        picture.save(file)
        if right is None:
            with pytest.raises(ValueError, match=r"the colours .*black and white"):
                read_mask(file)
        else:
            assert read_mask(file).hole.sum() == right
    image.fromarray(HOLE).save(folder / "bit.png")
    np.testing.assert_array_equal(read_mask(folder / "bit.png").hole, HOLE)


def test_stacks_are_refused_and_channels_that_are_no_alpha(folder):
    tifffile.imwrite(folder / "stack.tif", np.stack([labels()] * 3), photometric="minisblack")
    with pytest.raises(ImageReadError, match="a stack of 3 images"):
        read_mask(folder / "stack.tif")
    assert read_mask(folder / "labels.tif", MaskChoice((5,))).hole.sum() == 30


def test_a_fourth_channel_that_is_no_alpha(folder):
    bands = np.zeros((24, 32, 4), np.uint8)
    bands[5:9, 5:9] = 255
    tifffile.imwrite(folder / "bands.tif", bands, photometric="rgb", extrasamples=[0])
    with pytest.raises(ValueError, match="got no alpha channel"):
        read_transparent(folder / "bands.tif")
    with pytest.raises(ValueError, match="4 channels, which are neither grey nor RGB"):
        read_mask(folder / "bands.tif")
