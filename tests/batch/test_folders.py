"""Batches of folders: which images are sources, what their results are called, which options."""

import json
import os
from pathlib import Path

import click
import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.batch import manifest
from pnncupy.batch.job_arguments import arguments_of_jobs
from pnncupy.cli.app import commands, run
from pnncupy.cli.task_commands import task_command
from pnncupy.io import read_image, write_image, write_volume
from pnncupy.tasks.registry import TASKS

FAST = {"iterations": 1, "levels": 1}
QUICK = ["--iterations", "1", "--levels", "1"]

pytestmark = pytest.mark.usefixtures("jobs_in_a_thread")


@pytest.fixture
def image(random):
    return random.integers(0, 256, (24, 32, 3), np.uint8)


@pytest.fixture
def folder(image, tmp_path, monkeypatch):
    """The current folder has a folder `in` with two images."""
    monkeypatch.chdir(tmp_path)
    put(image, "a.png", "b.tif")
    return Path("in")


def put(image, *names):
    for number, name in enumerate(names):
        file = Path("in") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_image(file, np.roll(image, number + len(name), 0))


def put_mask(file):
    mask = np.zeros((24, 32), np.uint8)
    mask[4:9, 5:11] = 255
    write_image(file, mask)


def made_in(folder):
    return sorted(
        str(file.relative_to(folder)) for file in Path(folder).rglob("*")
        if file.is_file() and file.name != manifest.NAME
    )  # fmt: skip


# Entries that are no images


def add_bad_entries(folder):
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "text.jpg").write_text("text")
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    write_image(folder / "tiny.png", np.zeros((3, 4), np.uint8))
    return ["damaged", "dangling", "empty", "folder", "loop", "pipe", "text", "tiny"]


def failed(told):
    lines = [line for line in told.splitlines() if line.startswith("failed: ")]
    return [line.removeprefix("failed: ").partition("_")[0] for line in lines]


def test_bad_entries_fail_alone_and_a_dry_run_says_so(folder, capsys):
    bad = add_bad_entries(folder)
    words = ["batch", "in", "-o", "out", "--seed", "1", *QUICK]
    assert run([*words, "--dry-run"]) == 1
    before = capsys.readouterr()
    assert before.out == "2 images to make in out, 0 are there already\n"
    assert "8 of 10 would fail" in before.err
    assert not Path("out").exists()
    assert run(words) == 1
    told = capsys.readouterr()
    assert "made 2 images in out" in told.out
    assert "8 of 10 failed; the same command tries them again" in told.err
    assert failed(before.err) == failed(told.err) == bad
    assert [line for line in before.err.splitlines() if "failed: " in line] == [
        line for line in told.err.splitlines() if "failed: " in line
    ]
    assert made_in("out") == ["a_generate_seed1_000.png", "b_generate_seed1_000.png"]
    assert run([*words, "-n", "3", "--dry-run"]) == 1
    told = capsys.readouterr()
    assert told.out == "4 images to make in out, 2 are there already\n"
    assert "damaged_generate_seed1_000.png and 2 more: " in told.err
    assert "24 of 30 would fail" in told.err


def test_what_fails_for_an_option_is_known_before_the_work(folder, image, capsys):
    write_image(folder / "small.png", image[:14, :14])
    put_mask("mask.png")
    words = ["batch", "in", "-o", "out", "--verb", "inpaint", "--mask", "mask.png", "--dry-run"]
    assert run(words) == 1
    assert failed(capsys.readouterr().err) == ["small"]


def test_unreadable_files_and_subfolders_fail_alone(folder, image, monkeypatch):
    put(image, "closed/c.png", "shut.png")
    denied = PermissionError(13, "Permission denied")

    def closed(method):
        def call(self, *arguments, **options):
            if self.name in ("closed", "shut.png"):
                raise denied
            return method(self, *arguments, **options)

        return call

    for name in ("iterdir", "open"):
        monkeypatch.setattr(Path, name, closed(getattr(Path, name)))
    jobs = batch.jobs_of_folder(folder, 1, 0, FAST, recursive=True)
    report = batch.run(jobs, "out")
    assert report.made == 2
    assert {job.output for job, _ in report.failures} == {
        "closed_generate_seed0_000.png", "shut_generate_seed0_000.png"
    }  # fmt: skip
    assert all("Permission denied" in error for _, error in report.failures)
    with pytest.raises(PermissionError):
        batch.jobs_of_folder(folder / "closed", 1, 0, FAST)


def test_other_kinds_are_listed_in_one_line_and_hidden_files_left_out(folder, image, capsys):
    put(image, ".x.png", "._a.png", ".cache/c.png", "sub/d.png")
    for name in ("1.txt", "2.csv", "3.psd", "4.npy", ".DS_Store"):
        (folder / name).write_text("")
    (folder / "link").symlink_to("sub")
    assert run(["batch", "in", "-o", "out", "--dry-run", "--seed", "1"]) == 0
    out, error = capsys.readouterr()
    assert out == "2 images to make in out, 0 are there already\n"
    assert error.splitlines() == [
        "passed over in in: 4 files of other kinds (1.txt, 2.csv, 3.psd and 1 more), 2 subfolders "
        "without recursive=True (--recursive) (link, sub)"
    ]
    jobs = batch.jobs_of_folder(folder, 1, 0, FAST, recursive=True)
    assert [job.output for job in jobs][2:] == [f"sub{os.sep}d_generate_seed0_000.png"]
    assert jobs.notes == (
        "passed over in in: 4 files of other kinds (1.txt, 2.csv, 3.psd and 1 more), 1 link to a "
        "folder (link)",
    )
    assert batch.run(jobs, "out").notes == list(jobs.notes)
    assert (jobs + jobs).notes == jobs.notes * 2


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), r"in holds no images \(.avif, .bmp, .*.tif, .tiff, .webp, .zarr\)"),
        (("a.txt",), r"in holds no images \(.*\); passed over: 1 file of another kind \(a.txt\)"),
        ((".a.png",), r"in holds no images but those passed over: 1 hidden image \(.a.png\)"),
        (("sub/a.png",), r"in holds no images but those .*1 subfolder without recursive=True \(--"),
        (("mask.png",), r"in holds no images but .*1 image given as an argument \(mask.png\)"),
    ],
)
def test_folders_without_sources_say_so(names, message, image, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    put(image, *(name for name in names if name.endswith("png")))
    for name in names:
        if name.endswith("txt"):
            (Path("in") / name).write_text("")
    mask = ["--verb", "inpaint", "--mask", "in/mask.png"] if names == ("mask.png",) else []
    assert run(["batch", "in", "-o", "out", *mask]) == 2
    told = capsys.readouterr().err
    assert click.unstyle(told).count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(told)


# Names of results


def test_results_of_the_same_stem_are_named_apart(folder, image, capsys):
    put(image, "x.png", "x.jpg", "x.PNG", "x_png.tif", "y.tif", "sub/x.png")
    words = ["batch", "in", "-o", "out", "--seed", "1", "--recursive", *QUICK]
    assert run(words) == 0
    stems = ["a", "b", "sub/x", "x_PNG", "x_jpg", "x_png", "x_png_tif", "y"]
    assert made_in("out") == [f"{stem}_generate_seed1_000.png" for stem in stems]
    assert run([*words, "--dry-run"]) == 0
    assert "0 images to make in out, 8 are there" in capsys.readouterr().out
    jobs = batch.jobs_of_folder(folder, 1, 1, FAST, recursive=True)
    for job in jobs:
        source = read_image(job.inputs["image"].path)
        expected = pnn.generate(source, rng=1, **FAST)
        np.testing.assert_array_equal(read_image(Path("out") / job.output), expected)


def test_subfolders_keep_their_layout(folder, image):
    put(image, "sub/a.png", "sub/deep/c.jpg", "d.png/e.png")
    jobs = batch.jobs_of_folder(folder, 1, 1, {"scale": (1, 0.5)} | FAST, verb="retarget",
                                recursive=True)  # fmt: skip
    assert batch.run(jobs, "out").failures == []
    assert made_in("out") == [
        "a_retarget.png", "b_retarget.png", "d.png/e_retarget.png", "sub/a_retarget.png",
        "sub/deep/c_retarget.png",
    ]  # fmt: skip
    assert {read_image(Path("out") / name).shape for name in made_in("out")} == {(24, 16, 3)}
    assert batch.run(jobs, "out").kept == 5


# Results are no sources


@pytest.mark.parametrize("output", ["in", "in/results", "in/deep/er", ".", "in/x.png", "link"])
@pytest.mark.parametrize("recursive", [False, True])
def test_results_of_the_same_manifest_are_no_sources(output, recursive, folder, image, capsys):
    put(image, "sub/c.png")
    Path("link").symlink_to("in")
    words = ["batch", "in", "-o", output, *QUICK, *(["--recursive"] if recursive else [])]
    count = 3 if recursive else 2
    for more in (["--seed", "1"], ["--seed", "2", "--alpha", "1"], ["--seed", "1", "-n", "2"]):
        assert run([*words, *more]) == 0
        assert f"made {count} images" in capsys.readouterr().out
    assert len(made_in(output)) == 3 * count + (0 if output.startswith("in/") else 3)
    assert run([*words, "--verb", "retarget", "--scale", "1", "0.5"]) == 0
    assert f"made {count} images" in capsys.readouterr().out
    assert run([*words, "--seed", "2", "--alpha", "1", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert f"0 images to make in {output}, {count} are there already" in told.out
    assert "generate" not in told.err


def test_results_that_no_manifest_notes_are_no_sources(folder, capsys):
    put(read_image("in/a.png"), "c_generate.png", "a_1.png")
    words = ["batch", "in", "-o", "in", "--seed", "1", "-n", "2", *QUICK]
    assert run(words) == 0
    (folder / manifest.NAME).unlink()
    capsys.readouterr()
    assert run([*words[:4], "--dry-run", "--seed", "5"]) == 0
    told = capsys.readouterr()
    assert "4 images to make" in told.out
    assert "8 images named like results (a_1_generate_seed1_000.png, " in told.err
    assert run(["batch", "in", "-o", "out", "--dry-run", "--seed", "5"]) == 0  # cannot be replaced
    assert "12 images to make" in capsys.readouterr().out


@pytest.mark.parametrize("is_old", [False, True])
def test_results_of_other_batches_are_sources_only_without_theirs(is_old, folder, capsys):
    def absolute(record):
        record["files"] = {"image": [str((folder / "a.png").resolve())]}

    assert run(["batch", "in", "-o", "in", "--seed", "1", *QUICK]) == 0
    assert run(["batch", "in", "-o", "in/sub", "--seed", "2", *QUICK]) == 0
    if is_old:
        rewrite(folder / manifest.NAME, absolute)
    capsys.readouterr()
    assert run(["batch", "in", "-o", "out", "--recursive", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "2 images to make" in told.out
    assert "passed over in in: 4 results of other batches on this folder (a_gen" in told.err
    assert run(["batch", "in/sub", "-o", "out", "--dry-run", "--seed", "1"]) == 0
    told = capsys.readouterr()
    assert "2 images to make" in told.out
    assert told.err == ""


# The manifest


def rewrite(file, change):
    """Change the records of a manifest as an older version would have written them."""
    lines = []
    for line in file.read_text().splitlines():
        record = json.loads(line)
        del record["checksum"]
        change(record)
        lines.append(json.dumps(record | {"checksum": manifest._digest(record)}))
    file.write_text("\n".join(lines) + "\n")


def test_a_folder_can_be_moved(folder, tmp_path, capsys, monkeypatch):
    put_mask("mask.png")
    Path("link").symlink_to("in")
    inpaint = ["--verb", "inpaint", "--mask", "mask.png", "--fill", "mean"]
    for words in (["in", "-o", "in/out"], ["in", "-o", "out"], ["link", "-o", "out2", *inpaint]):
        assert run(["batch", *words, *QUICK]) == 0
    texts = [(Path(name) / manifest.NAME).read_text() for name in ("in/out", "out", "out2")]
    assert not any(str(tmp_path) in text or '"/' in text for text in texts)
    files = [json.loads(text.splitlines()[0])["files"] for text in texts]
    assert files == [
        {"image": ["../a.png"]}, {"image": ["../in/a.png"]},
        {"image": ["../in/a.png"], "mask": ["../mask.png"]},
    ]  # fmt: skip
    capsys.readouterr()
    for name in ("in", "out", "out2", "mask.png", "link"):
        Path("new").mkdir(exist_ok=True)
        Path(name).rename(Path("new") / name)
    monkeypatch.chdir("new")
    for words in (["in", "-o", "in/out"], ["in", "-o", "out"], ["link", "-o", "out2", *inpaint]):
        assert run(["batch", *words, *QUICK, "--dry-run"]) == 0
        assert "0 images to make" in capsys.readouterr().out


def test_old_manifests_with_absolute_paths_are_understood(folder):
    jobs = batch.jobs_of_folder(folder, 2, 3, FAST)
    assert batch.run(jobs, "out").made == 4
    rewrite(Path("out") / manifest.NAME, lambda record: record.update(
        files={"image": [f"/elsewhere/{record['output']}"]}))  # fmt: skip
    assert batch.run(jobs, "out").kept == 4
    assert manifest.Manifest(Path("out")).seed() == 3


# Options


@pytest.mark.parametrize("verb", TASKS)
def test_options_are_those_of_the_command(verb):
    context = click.Context(commands.get_command(None, "batch"))
    context.meta["pnncupy.batch.verb"] = verb
    of_batch = {each.name: each for each in context.command.get_params(context)}
    of_command = {each.name: each for each in task_command(verb).params}
    shared = arguments_of_jobs(verb) & of_command.keys() - {TASKS[verb].images[0].name}
    assert shared >= {"alpha", "levels", "patch_size", "method", "engine", "nodata", "categorical"}
    for name in shared:
        ours, theirs = of_batch[name], of_command[name]
        assert (ours.opts, ours.help, ours.required, ours.nargs) == (
            theirs.opts, theirs.help, theirs.required, theirs.nargs
        )  # fmt: skip
    assert ("count" in of_batch) == TASKS[verb].realisations
    assert ("seed" in of_batch) == TASKS[verb].seeded


def test_help_shows_the_options_of_the_verb(capsys):
    assert run(["batch", "--help"]) == 0
    told = capsys.readouterr().out
    assert "Options of generate:" in told
    assert "--noise-std" in told
    assert run(["batch", "--verb", "retarget", "--help"]) == 0
    told = capsys.readouterr().out
    assert "Options of retarget:" in told
    assert "--scale" in told
    assert "--noise-std" not in told


CALLS = [
    ("generate", ["--alpha", "0.5", "--patch-size", "5", "--noise-std", "1.5", "--shape", "20",
                  "30", "--method", "patchmatch", "--vote", "median", "--seed", "4"]),
    ("generate", ["--vote", "copy", "--engine", "numpy", "--seed", "4", "--nodata", "none"]),
    ("generate", ["--channel-weights", "1,2,0.5", "--data-range", "0", "200", "--keys", "sharp",
                  "--max-memory", "1G", "--downscale", "1.5", "--coarse-iterations", "2",
                  "--nodata", "nan", "--seed", "4"]),
    ("generate", ["--vote-width", "0.3", "--seed", "4"]),
    ("retarget", ["--scale", "0.5", "1", "--gradual"]),
    ("inpaint", ["--mask", "hole.png", "--fill", "noise", "--seed", "2", "--remake-known"]),
    ("inpaint", ["--mask", "nodata", "--nodata", "7", "--seed", "2"]),
    ("analogy", ["--structure", "mask.png"]),
    ("edit", ["--edited", "mask.png"]),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "options"), CALLS)
def test_results_are_those_of_the_command(verb, options, folder, image):
    holed = image.copy()
    holed[4:9, 5:11] = 7
    write_image("in/a.png", holed, overwrite=True)
    (folder / "b.tif").unlink()
    write_image("mask.png", image[::-1] // 2 + (image[:, ::-1] > 200) * np.uint8(100))
    put_mask("hole.png")
    assert run(["batch", "in", "-o", "out", "--verb", verb, *options, *QUICK]) == 0
    assert run([verb, "in/a.png", "-o", "single.png", *options, *QUICK]) == 0
    (name,) = made_in("out")
    np.testing.assert_array_equal(read_image(Path("out") / name), read_image("single.png"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--scale 1 0.5", 2, "No such option '--scale'. Did you mean '--shape'?"),
        ("--verb retarget --scale 1 1 --noise-std 1", 2, "retarget has no option --noise-std; it"),
        ("--verb retarget --scale 1 1 -n 3", 2, "retarget has no option -n; it has"),
        ("--checkpoint x.npz", 2, "generate has no option --checkpoint; it has"),
        ("--alhpa 1", 2, "No such option '--alhpa'. Did you mean '--alpha'?"),
        ("--verb=paint", 2, "--verb must be one of generate, inpaint, analogy, retarget, coll"),
        ("--verb", 2, "--verb must be one of generate, "),
        ("--verb collage", 2, "--verb must be a task that makes an image of one, got 'collage'; "
         "list the images of each job in a TOML file"),
        ("--verb retarget", 2, "retarget needs either --shape or --scale"),
        ("--verb retarget --scale 1 -1", 2, "--scale must be a finite number above 0, got -1"),
        ("--verb inpaint", 2, "Missing option '--mask'"),
        ("--verb inpaint --mask none.png", 2, "--mask must name a file, or be nodata or alpha: "),
        ("--verb inpaint --mask nodata --fill no.png", 2, "--fill: there is no file"),
        ("--verb analogy", 2, "Missing option '--structure'"),
        ("--verb analogy --structure no.png", 2, "'no.png' does not exist"),
        ("--alpha -1", 2, "--alpha must be a number above 0"),
        ("--levels -1", 2, "--levels must be an integer of at least 0, got -1"),
        ("--patch-size 1", 2, "--patch-size must be an integer of at least 2, got 1"),
        ("--iterations 0", 2, "--iterations must be an integer of at least 1, got 0"),
        ("--noise-std -1", 2, "--noise-std must be a finite number of at least 0, got -1"),
        ("--shape 0 5", 2, "--shape must be (height, width)"),
        ("--data-range 5 1", 2, "--data-range must have low < high"),
        ("--categorical --vote median", 2, "--vote must not be 'median' with --categorical"),
        ("--max-memory much", 2, "--max-memory must be"),
        ("--method slow", 2, "'slow' is not one of 'exact', 'patchmatch', 'auto'"),
        ("--nodata some", 2, '--nodata must be a number, "nan" or "none", got'),
        ("--channel-weights 1,x", 2, "--channel-weights must be std or numbers with commas"),
        ("--threads 2 --scheduler tcp://x:1", 2, "--threads is for processes here"),
    ],
)  # fmt: skip
def test_wrong_options(words, code, message, folder, capsys):
    assert run(["batch", "in", "-o", "out", *words.split()]) == code
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not Path("out").exists()


def test_options_of_folders_are_refused_for_lists(folder, capsys):
    Path("jobs.toml").write_text('[[job]]\nimage = "in/a.png"\n')
    words = ["batch", "jobs.toml", "-o", "out", "--alpha", "1", "-n", "1", "--recursive"]
    assert run(words) == 2
    told = capsys.readouterr().err
    assert "these options are for folders; set them in the list: -n, --recursive, --alpha" in told


@pytest.mark.parametrize("name", ["photo.png", "my photo.TIF", "x.gif"])
@pytest.mark.parametrize("more", [[], ["-o", "out"], ["other.png", "-o", "out"]])
def test_an_image_is_neither_a_folder_nor_a_list(name, more, folder, capsys):
    Path(name).write_bytes((folder / "a.png").read_bytes())
    assert run(["batch", name, *more]) == 2
    told = capsys.readouterr().err
    assert f"SOURCE must be a folder or a TOML list of jobs, got the image {name}" in told
    assert f"use pnncupy generate {name if ' ' not in name else repr(name)}" in told
    assert run(["batch", name, "--verb", "retarget"]) == 2
    assert "use pnncupy retarget " in capsys.readouterr().err


def test_images_that_all_jobs_share_are_no_sources(folder, image, capsys):
    put_mask("in/mask.png")
    words = ["batch", "in", "-o", "out", "--verb", "inpaint", "--mask", "in/mask.png", *QUICK]
    assert run([*words, "--seed", "1"]) == 0
    assert "1 image given as an argument (mask.png)" in capsys.readouterr().err
    assert made_in("out") == ["a_inpaint_seed1.png", "b_inpaint_seed1.png"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"verb": "paint"}, ValueError, "`verb` must be one of 'generate'"),
        ({"verb": "collage"}, ValueError, "`verb` must be a task that makes an image of one"),
        ({"verb": "retarget", "count": 2, "arguments": {"scale": [1, 1]}}, ValueError,
         "`count` must be 1 for retarget, got 2"),
        ({"verb": "inpaint"}, ValueError, "inpaint needs `mask`"),
        ({"recursive": 1}, TypeError, "`recursive` must be True or False"),
        ({"output": 3}, TypeError, "`output` must be"),
        ({"arguments": {"image": "x.png"}}, ValueError, "`image` must be left out"),
        ({"arguments": {"patch_size": 1}}, ValueError, "`patch_size` must be an integer of at"),
        ({"arguments": {"guides": []}}, ValueError, "generate has no argument `guides`"),
    ],
)  # fmt: skip
def test_wrong_calls(given, error, message, folder):
    call = {"folder": folder, "count": 1, "seed": 0, "arguments": {}} | given
    with pytest.raises(error, match=message):
        batch.jobs_of_folder(**call)


@pytest.mark.process
def test_processes_have_the_threads_of_the_command(folder, monkeypatch):
    place = Path.cwd()
    monkeypatch.undo()
    monkeypatch.chdir(place)
    seen = []

    class Pool(batch.ProcessPool):
        def __init__(self, workers, threads):
            super().__init__(workers, threads)
            seen.append((self.workers, self.threads))

    monkeypatch.setattr("pnncupy.batch.runner.ProcessPool", Pool)
    words = ["batch", "in", "-o", "out", "--workers", "1", "--threads", "3", *QUICK]
    assert run(words) == 0
    assert seen == [(1, 3)]
    assert len(made_in("out")) == 2


@pytest.mark.parametrize("recursive", [False, True])
def test_folders_of_zarr_are_images(image, folder, recursive, capsys):
    pytest.importorskip("zarr")
    write_image(Path("in/stored.zarr"), image[..., 0])
    words = ["--recursive"] if recursive else []
    assert run(["batch", "in", "-o", "out", "--seed", "1", *words, *QUICK, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert "made 3 images in out" in captured.out
    assert "passed over" not in captured.err
    [made] = Path("out").glob("stored_generate_seed1*")
    np.testing.assert_array_equal(read_image(made), pnn.generate(image[..., 0], rng=1, **FAST))


def test_volumes_of_zarr_are_listed(random, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write_volume(Path("in/cells.zarr"), random.integers(0, 256, (6, 9, 10)).astype(np.uint8))
    for volume in (None, True):
        [job] = batch.jobs_of_folder("in", 1, 1, {}, volume=volume)
        assert (job.volume, Path(job.inputs["image"].path).name) == (True, "cells.zarr")
