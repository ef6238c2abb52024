"""The command line as a user meets it."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from waiting import wait_until

from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.tasks.cost_estimate import Estimate

FAST = ["--iterations", "1", "--quiet"]


@pytest.fixture
def file(tmp_path, photograph):
    write_image(tmp_path / "cat.png", photograph)
    return tmp_path / "cat.png"


def arguments(*words):
    return [str(word) for word in words]


def test_several_pictures_and_a_contact_sheet(file, tmp_path, capsys, photograph):
    assert run(arguments("generate", file, "-o", tmp_path / "out", "-n", 3, "--seed", 5)) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"cat_generate_seed5_{end}.png" for end in ("000", "001", "002", "contact")]
    made = [read_image(tmp_path / "out" / name) for name in names[:3]]
    assert all(each.shape == photograph.shape for each in made)
    sheet = read_image(tmp_path / "out" / names[3])
    np.testing.assert_array_equal(sheet[4:44, 4:60], photograph)
    for each in made:
        assert any(
            np.array_equal(sheet[y : y + 40, x : x + 56], each)
            for y in (4, 48) for x in (4, 64, 124, 184)
        )  # fmt: skip
    out = capsys.readouterr()
    assert "wrote 3 images" in out.out
    assert names[3] in out.out
    assert "seed 5" in out.out
    assert "of 3 nearly a copy of the source (PSNR over 30 dB, moved by up to 8" in out.out
    assert out.err == ""


@pytest.mark.slow
def test_one_picture_to_a_named_file_with_every_option(file, tmp_path):
    target = tmp_path / "new.tif"
    options = [
        "--shape", 30, 50, "--noise-std", 0.5, "--alpha", 0.01, "--levels", 2, "--downscale", 1.5,
        "--patch-size", 5, "--iterations", 2, "--coarse-iterations", 2, "--keys", "both",
        "--vote", "median", "--data-range", 0, 200, "--engine", "numba", "--threads", 1,
        "--seed", 1,
    ]  # fmt: skip
    assert run(arguments("generate", file, "-o", target, *options)) == 0
    assert read_image(target).shape == (30, 50, 3)


def test_the_same_seed_makes_the_same_file(file, tmp_path):
    for name in ("a", "b"):
        assert run(arguments("generate", file, "-o", tmp_path / name, "--seed", 3, *FAST)) == 0
    first, second = (
        (tmp_path / name / "cat_generate_seed3_000.png").read_bytes() for name in ("a", "b")
    )
    assert first == second


def test_a_near_copy_is_reported(file, tmp_path, capsys):
    assert run(arguments("generate", file, "-o", tmp_path / "o", "--noise-std", 0, *FAST)) == 0
    assert "1 of 1 nearly a copy" in capsys.readouterr().out


def test_other_depths_keep_their_dtype(tmp_path, photograph):
    for dtype, suffix in (("u2", "png"), ("f4", "tif")):
        write_image(tmp_path / f"deep.{suffix}", photograph.astype(dtype) * 3)
        out = tmp_path / dtype
        assert run(arguments("generate", tmp_path / f"deep.{suffix}", "-o", out, *FAST)) == 0
        (made,) = out.iterdir()
        assert made.suffix == f".{suffix}"
        assert read_image(made).dtype == dtype


def test_a_page_of_a_stack(tmp_path, photograph, capsys):
    import tifffile

    stack = np.stack([photograph[..., 0]] * 2)
    tifffile.imwrite(tmp_path / "s.tif", stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    call = arguments("generate", tmp_path / "s.tif", "-o", tmp_path / "out", *FAST)
    assert run(call) == 1
    assert "--page N" in capsys.readouterr().err
    assert run([*call, "--page", "1"]) == 0


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (["none.png"], 2, "does not exist"),
        ([], 2, "give either IMAGE or --sample NAME"),
        (["{file}", "--sample", "rocket"], 2, "give either IMAGE or --sample NAME"),
        (["--sample", "dog"], 2, "'dog' is not one of"),
        (["{file}", "-n", 0], 2, "-n must be at least 1"),
        (["{file}", "--noise-std", -1], 2, "--noise-std must be a finite number of at least 0"),
        (["{file}", "--alpha", 0], 2, "--alpha must be a number above 0"),
        (["{file}", "--levels", 99], 2, "--levels must be at most"),
        (["{file}", "--shape", 0, 5], 2, "--shape must be (height, width)"),
        (["{file}", "--patch-size", 1], 2, "--patch-size must be an integer of at least 2, got 1"),
        (["{file}", "--patch-size", 60], 2, "IMAGE must be at least --patch-size = 60 pixels"),
        (["{file}", "--engine", "magic"], 2, "'magic' is not one of"),
        (["{file}", "--nothing"], 2, "No such option"),
        (
            ["{file}", "-o", "{out}.bmp"],
            2,
            "cannot write .bmp files; use one of .exr, .jp2, .jpeg",
        ),
        (["{file}", "-o", "{out}.jpg", "--save-index", "a.png"], 2, "must name a .tif file"),
        (["{text}"], 1, "not a PNG, JPEG or TIFF file"),
    ],
)
def test_wrong_calls(change, code, message, file, tmp_path, capsys):
    text = tmp_path / "text.png"
    text.write_text("hello")
    out = tmp_path / "out"
    words = [str(word).format(file=file, text=text, out=out) for word in change]
    if "-o" not in words:
        words += ["-o", str(out)]
    assert run(["generate", *words]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert {path.name for path in tmp_path.iterdir()} == {"cat.png", "text.png"}


def test_a_format_that_cannot_hold_the_picture_is_refused_before_the_work(tmp_path, capsys):
    write_image(tmp_path / "deep.png", np.zeros((300, 300), np.uint16))
    start = time.monotonic()
    assert run(arguments("generate", tmp_path / "deep.png", "-o", tmp_path / "a.jpg")) == 2
    assert time.monotonic() - start < 1
    assert "use .png or .tif" in capsys.readouterr().err


def test_existing_results_are_kept_unless_forced(file, tmp_path, capsys):
    call = arguments("generate", file, "-o", tmp_path / "out", "-n", 2, "--seed", 1, *FAST)
    assert run(call) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert run(call) == 2
    assert "--force" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert run([*call, "--force"]) == 0


def test_contact_sheets_of_other_seeds_are_no_hindrance(file, tmp_path):
    call = arguments("generate", file, "-o", tmp_path / "out", "-n", 2, *FAST)
    assert [run([*call, "--seed", seed]) for seed in ("1", "2")] == [0, 0]
    assert [run([*call, "--seed", seed]) for seed in ("1", "2")] == [2, 2]
    sheets = sorted(path.name for path in (tmp_path / "out").glob("*contact*"))
    assert sheets == [f"cat_generate_seed{seed}_contact.png" for seed in (1, 2)]


@pytest.fixture
def links(tmp_path):
    """Links to a file, to nothing in this and in another folder, and to themselves."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old.png").write_bytes(b"old")
    made = {"old": "there/old.png", "new": "there/new.png", "far": "nowhere/at/all.png"}
    for name, target in {
        **made,
        "again": "old.png",
        "loop": "loop2.png",
        "loop2": "loop.png",
    }.items():
        (tmp_path / f"{name}.png").symlink_to(target)
    return {name: tmp_path / target for name, target in made.items()}


def test_results_are_written_through_links(file, links, tmp_path, capsys):
    call = arguments("generate", file, "--seed", 1, *FAST, "-o")
    assert run([*call, str(tmp_path / "plain.png")]) == 0
    expected = (tmp_path / "plain.png").read_bytes()
    assert run([*call, str(tmp_path / "old.png")]) == 2
    assert "--force" in capsys.readouterr().err
    assert links["old"].read_bytes() == b"old"
    for name, target in links.items():
        assert run([*call, str(tmp_path / f"{name}.png"), "--force"]) == 0
        assert (tmp_path / f"{name}.png").is_symlink()
        assert target.read_bytes() == expected
        assert not target.is_symlink()
    links["old"].write_bytes(b"old")
    assert run([*call, str(tmp_path / "again.png"), "--force"]) == 0
    assert str((tmp_path / "again.png").readlink()) == "old.png"
    assert links["old"].read_bytes() == expected
    assert not list(tmp_path.rglob(".*"))


def test_numbered_results_and_sheets_are_written_through_links(file, links, tmp_path):
    names = [f"cat_generate_seed1_{end}.png" for end in ("000", "001", "contact")]
    (tmp_path / "out").mkdir()
    for name, target in zip(names, links.values(), strict=True):
        (tmp_path / "out" / name).symlink_to(target)
    call = arguments("generate", file, "-n", 2, "--seed", 1, *FAST, "-o", tmp_path / "out")
    assert run([*call, "--force"]) == 0
    assert all((tmp_path / "out" / name).is_symlink() for name in names)
    assert all(read_image(target).ndim == 3 for target in links.values())


@pytest.mark.parametrize("option", ["-o", "--save-mask", "--save-index"])
def test_links_in_a_loop_are_refused_before_the_work(option, file, links, tmp_path, capsys):
    mask = np.zeros(read_image(file).shape[:2], bool)
    mask[8:14, 8:14] = True
    write_image(tmp_path / "mask.png", mask)
    for name in ("loop", "loop2"):
        (tmp_path / f"{name}.tif").symlink_to("loop2.tif" if name == "loop" else "loop.tif")
    suffix = "tif" if option == "--save-index" else "png"
    words = ["inpaint", file, "--mask", tmp_path / "mask.png", "--force", "--quiet"]
    if option != "-o":
        words += ["-o", tmp_path / "made.png"]
    assert run(arguments(*words, option, tmp_path / f"loop.{suffix}")) == 1
    error = capsys.readouterr().err
    assert "symbolic links form a loop; remove one of them" in error
    assert f"loop.{suffix}" in error
    assert not (tmp_path / "made.png").exists()
    assert (tmp_path / "loop.png").is_symlink()


def test_an_input_behind_a_link_is_not_lost(file, tmp_path, capsys):
    (tmp_path / "link.png").symlink_to("cat.png")
    before = file.read_bytes()
    call = arguments("generate", file, "-o", tmp_path / "link.png", "--force", *FAST)
    assert run(call) == 2
    assert "is an input and would be lost" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_an_unwritable_folder(file, tmp_path, capsys, monkeypatch):
    # Modes would not stop a superuser, as whom tests may run.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert run(arguments("generate", file, "-o", tmp_path / "out", *FAST)) == 1
    assert f"permission denied for {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be(file, tmp_path, capsys):
    assert run(arguments("generate", file, "-o", file / "out", *FAST)) == 1
    assert "Error: " in capsys.readouterr().err


def test_engines_says_what_runs(capsys):
    assert run(["engines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = dict(line.split()[:2] for line in lines)
    assert list(said) == ["numpy", "numba", "cupy", "numba-cuda"]
    assert said["numpy"] == said["numba"] == "runs"


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(tmp_path):
    write_image(tmp_path / "big.png", np.random.default_rng(0).integers(0, 256, (700, 700), "u1"))
    process = subprocess.Popen(
        [sys.executable, "-c", "from pnncupy.cli.app import main; main()", "generate",
         tmp_path / "big.png", "-o", tmp_path / "out", "--checkpoint", tmp_path / "state.npz"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until((tmp_path / "state.npz").exists)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - start < 5
    assert process.returncode == 130
    assert "Interrupted" in error
    assert "Traceback" not in error
    names = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")}
    assert names == {"big.png", "state.npz"}


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(file, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert run(arguments("generate", file, "--dry-run", "-n", 3, "-o", tmp_path / "out")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "method exact, engine numba"
    assert lines[1].startswith("pairs of patches: ")
    assert lines[1].endswith(" an image")
    assert "an image" in lines[2]
    assert "in all" in lines[2]
    assert lines[-1].startswith("peak memory: about ")
    assert sorted(tmp_path.rglob("*")) == before
    # Without -o too, for other verbs, and with what the method would do.
    words = ["--scale", 1, 2, "--dry-run", "--method", "auto", "--scheduler", "tcp://127.0.0.1:9"]
    state = tmp_path / "state.npz"
    assert run(arguments("retarget", file, *words, "--checkpoint", state)) == 0
    assert run(["generate", "--sample", "rocket", "--dry-run", "--noise-std", "-1"]) == 2
    assert "--noise-std must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "method", "remedy"),
    [(500, "exact", False), (700, "exact", True), (700, "patchmatch", False)],
)
def test_an_estimate_names_the_faster_search(seconds, method, remedy, file, capsys, monkeypatch):
    cost = Estimate(method, "numba", 1, 1e9, seconds, 1.0, 9.0, 10.0, 1.0)
    monkeypatch.setattr("pnncupy.tasks.cost_estimate.estimate", lambda task, given: cost)
    assert run(arguments("generate", file, "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"time: about .* for the command, .* of them for the synthesis", lines[2])
    assert lines[3].startswith("compiling: 9.0 s more in a first run; later runs load")
    assert ("--method patchmatch" in lines[-1]) == remedy


def test_the_end_of_a_file_is_no_ctrl_c(file, tmp_path, capsys, monkeypatch):
    def fail(*given, **options):
        raise EOFError("Ran out of input")

    monkeypatch.setattr("pnncupy.cli.inputs.read_sources", fail)
    assert run(arguments("generate", file, "-o", tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert "EOFError: Ran out of input" in error
    assert "Interrupted" not in error
    monkeypatch.setattr("pnncupy.engine.registry.engines", fail)
    assert run(["engines"]) == 1


def test_without_an_output_nothing_is_made(file, capsys):
    assert run(arguments("generate", file)) == 2
    assert "Missing option '-o' / '--output'" in capsys.readouterr().err


def test_the_method_is_an_option(file, tmp_path, monkeypatch):
    monkeypatch.setattr("pnncupy.search.method.EXACT_BELOW", 0)
    made = []
    for method in ("exact", "patchmatch"):
        target = tmp_path / f"{method}.png"
        options = ["--seed", 1, "--method", method, *FAST]
        assert run(arguments("generate", file, "-o", target, *options)) == 0
        made.append(read_image(target))
    assert (made[0] != made[1]).any()


@pytest.mark.process
def test_a_killed_command_goes_on_where_it_was(file, tmp_path):
    words = arguments(
        "generate",
        file,
        "--seed",
        1,
        "--alpha",
        0.005,
        "--shape",
        110,
        150,
        "--checkpoint",
        tmp_path / "state.npz",
    )
    program = "from pnncupy.cli.app import main; main()"
    command = [sys.executable, "-c", program, *words, "--iterations"]
    options = ["30", "-o", str(tmp_path / "made.png")]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    state = tmp_path / "state.npz"
    wait_until(state.exists)
    first = state.stat().st_mtime_ns
    wait_until(lambda: state.stat().st_mtime_ns != first)
    process.kill()
    process.wait()
    assert not (tmp_path / "made.png").exists()
    assert run([*words, "--iterations", *options]) == 0
    assert not (tmp_path / "state.npz").exists()
    assert run([*words[:-2], "--iterations", "30", "-o", str(tmp_path / "whole.png")]) == 0
    np.testing.assert_array_equal(
        read_image(tmp_path / "made.png"), read_image(tmp_path / "whole.png")
    )
