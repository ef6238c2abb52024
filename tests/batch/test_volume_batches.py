"""Batches of volumes: folders of stacks, lists, and what cannot be together."""

import json

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.cli import app
from pnncupy.io import Metadata, read_image, read_metadata, read_volume, write_image, write_volume
from pnncupy.io.volume_files import named_slice_axis

QUICK = {"patch_size": 3, "iterations": 1, "levels": 0}
WORDS = ["--patch-size", "3", "--iterations", "1", "--levels", "0"]
SIZE = Metadata(pixel_size=(0.5, 0.5), slice_size=2.0, unit="µm")


@pytest.fixture(autouse=True)
def in_a_thread(request):
    """Jobs are done here, but for those of a test that starts processes."""
    if request.node.get_closest_marker("process") is None:
        request.getfixturevalue("jobs_in_a_thread")


@pytest.fixture
def volumes(random):
    return {
        "a": random.integers(0, 256, (6, 8, 9)).astype(np.uint8),
        "b": random.integers(0, 256, (7, 8, 9)).astype(np.uint16),
    }


@pytest.fixture
def stacks(volumes, tmp_path, monkeypatch):
    """A folder with two stacks of ImageJ, in which commands run."""
    (tmp_path / "in").mkdir()
    for name, volume in volumes.items():
        write_volume(tmp_path / f"in/{name}.tif", volume, metadata=SIZE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def run(*words):
    return app.run(["batch", *map(str, words), "--quiet", "--workers", "1"])


@pytest.mark.process
def test_a_folder_of_stacks_gives_stacks(stacks, volumes, capsys):
    words = ["in", "-o", "out", "-n", 2, "--seed", 3, *WORDS]
    assert run(*words) == 0
    for name, volume in volumes.items():
        expected = pnn.generate(volume, 2, channel_axis=None, rng=3, **QUICK)
        for sample in range(2):
            file = f"out/{name}_generate_seed3_00{sample}.tif"
            np.testing.assert_array_equal(read_volume(file), expected[sample])
            found = read_metadata(file, page=0)
            assert found.pixel_size == pytest.approx((0.5, 0.5))
            assert (found.slice_size, found.unit) == (2.0, "µm")
    text = (stacks.parent / "out/manifest.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["volume"] for line in lines] == [True] * 4
    capsys.readouterr()
    (stacks.parent / "out/a_generate_seed3_001.tif").unlink()
    assert run(*words) == 0
    assert "made 1 images in out, 3 were there already" in capsys.readouterr().out


def test_results_in_the_folder_of_stacks_are_no_sources(stacks, capsys):
    words = ["in", "-o", "in", "--seed", 3, *WORDS]
    assert run(*words) == 0
    assert run(*words) == 0
    assert "made 0 images in in, 2 were there already" in capsys.readouterr().out


def test_results_of_a_series_in_time_are_series_in_time(volumes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    write_volume("in/film.tif", volumes["a"], metadata=Metadata(slice_axis="T"))
    assert run("in", "-o", "out", "--seed", 3, *WORDS) == 0
    assert app.run(["generate", "in/film.tif", "--volume", "-o", "one.tif", *WORDS]) == 0
    for file in ("out/film_generate_seed3_000.tif", "one.tif"):
        assert named_slice_axis(file) == "T"


@pytest.mark.parametrize(
    ("words", "keywords"),
    [
        (["--shape", 6, 7, "--depth", 5], {"shape": (5, 6, 7)}),
        (["--shape", 6, 7], {"shape": (6, 6, 7)}),
        (["--periodic", "both"], {"periodic": (False, True, True)}),
    ],
)
def test_options_of_volumes(words, keywords, stacks, volumes):
    (stacks / "b.tif").unlink()
    np.save(stacks / "c.npy", volumes["a"])
    assert run("in", "-o", "out", "--volume", "--seed", 3, *words, *WORDS) == 0
    expected = pnn.generate(volumes["a"], channel_axis=None, rng=3, **keywords, **QUICK)
    for name in "ac":
        np.testing.assert_array_equal(read_volume(f"out/{name}_generate_seed3_000.tif"), expected)


def test_pages_that_nothing_names_need_the_word(volumes, tmp_path, capsys):
    import tifffile

    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/a.tif", volumes["a"], photometric="minisblack")
    words = [tmp_path / "in", "-o", tmp_path / "out", "--seed", 1, *WORDS]
    assert run(*words) == 1
    assert "a stack of 6 images" in capsys.readouterr().err
    assert run(*words, "--volume") == 0
    assert read_volume(tmp_path / "out/a_generate_seed1_000.tif").shape == (6, 8, 9)


def test_a_stack_that_is_damaged_stops_no_other(stacks, capsys):
    (stacks / "c.tif").write_bytes((stacks / "a.tif").read_bytes()[:300])
    assert run("in", "-o", "out", "--seed", 1, *WORDS) == 1
    captured = capsys.readouterr()
    assert "made 2 images" in captured.out
    assert "failed: c_generate_seed1_000.tif" in captured.err


def test_a_list_may_hold_images_and_volumes(stacks, volumes):
    write_image(stacks / "flat.png", volumes["a"][0])
    np.save(stacks / "film.npy", volumes["a"])
    hole = np.zeros(volumes["a"].shape, bool)
    hole[2:4, 3:5, 4:6] = True
    write_volume(stacks / "hole.tif", hole)
    (stacks / "jobs.toml").write_text(
        "[defaults]\npatch_size = 3\niterations = 1\nlevels = 0\n"
        "[[job]]\nimage = 'a.tif'\nseed = 1\n"
        "[[job]]\nimage = 'film.npy'\noutput = 'film.npy'\nseed = 1\n"
        "[[job]]\nimage = 'flat.png'\nseed = 1\n"
        "[[job]]\nverb = 'retarget'\nimage = 'a.tif'\nscale = [1.5, 1, 1]\n"
        "[[job]]\nverb = 'retarget'\nimage = 'a.tif'\nscale = [1, 0.75]\noutput = 'narrow'\n"
        "[[job]]\nverb = 'inpaint'\nimage = 'a.tif'\nmask = 'hole.tif'\nfill = 'smooth'\n"
    )
    report = batch.run(batch.jobs_of_toml(stacks / "jobs.toml"), stacks / "out", workers=1)
    assert report.failures == []
    expected = pnn.generate(volumes["a"], channel_axis=None, rng=1, **QUICK)
    for name in ("a_generate_seed1.tif", "film.npy"):
        np.testing.assert_array_equal(read_volume(stacks / "out" / name), expected)
    assert read_image(stacks / "out/flat_generate_seed1.png").shape == (8, 9)
    assert read_volume(stacks / "out/a_retarget.tif").shape == (9, 8, 9)
    assert read_volume(stacks / "out/narrow.tif").shape == (6, 8, 7)
    filled = read_volume(stacks / "out/a_inpaint_seed0.tif")
    np.testing.assert_array_equal(filled[~hole], volumes["a"][~hole])
    np.testing.assert_array_equal(
        filled, pnn.inpaint(volumes["a"], hole, channel_axis=None, fill="smooth", **QUICK)
    )
    assert any("hole.tif: 8 of 432 pixels" in note for note in report.notes), report.notes


def test_arrays_may_be_volumes(volumes, tmp_path):
    colours = np.stack([volumes["a"], volumes["a"][::-1]], axis=-1)
    for name, volume, axis in (("grey", volumes["a"], None), ("two", colours, -1)):
        jobs, arrays = batch.make_jobs(
            "generate", image=volume, output=name, seed=2, volume=True, **QUICK
        )
        assert batch.run(jobs, tmp_path, arrays=arrays, workers=1).failures == []
        np.testing.assert_array_equal(
            read_volume(tmp_path / f"{name}.tif"),
            pnn.generate(volume, channel_axis=axis, rng=2, **QUICK),
        )


def test_images_and_volumes_in_one_folder_are_refused(stacks, volumes, capsys):
    write_image(stacks / "flat.png", volumes["a"][0])
    assert run("in", "-o", "out", *WORDS) != 0
    message = capsys.readouterr().err
    assert "in holds images (flat.png) and volumes (a.tif), 1 and 2; move them into" in message
    assert "(--volume or --no-volume)" in message
    assert run("in", "-o", "out", "--volume", *WORDS) != 0
    assert "holds images (flat.png) and volumes (a.tif)" in capsys.readouterr().err


def test_numpy_files_alone_need_the_word(volumes, tmp_path):
    np.save(tmp_path / "a.npy", volumes["a"])
    with pytest.raises(ValueError, match=r"holds no images .*; .npy files are volumes: set `volum"):
        batch.jobs_of_folder(tmp_path, 1, 0, QUICK)
    jobs = batch.jobs_of_folder(tmp_path, 1, 0, QUICK, volume=True)
    assert [job.output for job in jobs] == ["a_generate_seed0_000.tif"]


WRONG = [
    ("image = 'a.tif'\nverb = 'volume'\nshape = [5, 5, 5]", "`verb` must be a task that makes im"),
    ("image = 'a.tif'\nvolume = 1", "`volume` must be True or False"),
    ("image = 'a.tif'\nshape = [3, 4, 5, 6]", r"`shape` must be \(height, width\)"),
    (
        "image = 'a.tif'\noutput = 'x.png'",
        "`output` of a volume must end with .npy, .npz, .tif, .tiff",
    ),
    ("image = 'flat.png'\nshape = [9, 9, 9]", r"`shape` must be \(height, width\), two integers"),
    ("verb = 'retarget'\nimage = 'a.tif'\nscale = 2", r"`scale` must be factors of \(height, wid"),
    ("verb = 'retarget'\nimage = 'flat.png'\nscale = [2, 1, 1]", "`scale` must be one factor"),
    ("verb = 'inpaint'\nimage = 'a.tif'\nmask = 'alpha'", "volumes have no alpha channel"),
    (
        "verb = 'analogy'\nsource = 'a.tif'\nstructure = 'flat.png'",
        "`structure`: flat.png does not say that it is a volume, as a.tif of `source` does",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_jobs_of_volumes(text, message, stacks, volumes):
    write_image(stacks / "flat.png", volumes["a"][0])
    (stacks / "jobs.toml").write_text(f"[[job]]\n{text}\n")
    with pytest.raises(ValueError, match=rf"line \d: .*{message}"):
        batch.jobs_of_toml(stacks / "jobs.toml")


def test_an_array_with_a_depth_needs_the_word(volumes):
    with pytest.raises(ValueError, match=r"`image` is a volume of shape .*; set `volume=True`"):
        batch.make_jobs("generate", image=volumes["a"][..., None], output="x")
    with pytest.raises(ValueError, match="`suffix` of a volume must end with"):
        batch.make_jobs("generate", image=volumes["a"], output="x", suffix=".png", volume=True)
    with pytest.raises(ValueError, match="volumes have `volume = true` there"):
        batch.make_jobs("generate", image=volumes["a"], output="x", channel_axis=None)


def test_volumes_of_images_have_their_own_command(stacks, capsys):
    assert run("in", "-o", "out", "--verb", "volume") == 2
    assert "got 'volume'; use pnncupy volume" in capsys.readouterr().err


def test_depth_needs_a_volume(stacks, capsys):
    assert run("in", "-o", "out", "--depth", 5, *WORDS) == 2
    assert "--depth needs --volume and --shape" in capsys.readouterr().err
