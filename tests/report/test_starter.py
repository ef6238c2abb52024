"""Reports of images without a spec, and specs that are written to be edited."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pnncupy import samples
from pnncupy.cli.app import run
from pnncupy.io import read_image, write_image
from pnncupy.report.spec import read_spec, spec_of_text
from pnncupy.report.starter import FEWEST_IMAGES, commented_spec_text, quoted, spec_text
from pnncupy.tasks.registry import TASKS

SMALL = samples.load_sample("gravel")[::6, ::6].copy()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with images of 32 x 32 pixels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(samples, "load_sample", lambda name: SMALL)
    for name in ("a", "b", 'c "d" é'):
        write_image(tmp_path / f"{name}.png", SMALL)
    return tmp_path


def test_a_page_of_images(folder, capsys):
    words = "report a.png b.png --task generate --task collage -n 2 --seed 7 -o page --quiet"
    assert run(words.split()) == 0
    assert capsys.readouterr().out == f"wrote {Path('page', 'index.html')}\n"
    text = (folder / "page/index.html").read_text(encoding="utf-8")
    for command in ("generate a.png", "generate b.png", "collage a.png b.png"):
        assert re.search(rf"pnncupy {command}", text), command
    assert "-n 2" in text
    assert "--seed 7" in text
    assert not list(folder.glob("*.toml"))
    # A spec that says the same makes the same pictures.
    (folder / "s.toml").write_text(spec_text(["a.png", "b.png"], ["generate", "collage"], 2, 7))
    assert run(["report", "s.toml", "-o", "again", "--quiet"]) == 0
    pictures = sorted(file.name for file in (folder / "page/pictures").iterdir())
    assert pictures == sorted(file.name for file in (folder / "again/pictures").iterdir())
    for name in pictures:
        one, other = (folder / each / "pictures" / name for each in ("page", "again"))
        assert one.read_bytes() == other.read_bytes(), name


def test_a_written_spec_works_unchanged(folder, capsys):
    assert run(["report", "--init"]) == 0
    assert "edit it, then: pnncupy report report.toml -o page" in capsys.readouterr().out
    np.testing.assert_array_equal(read_image(folder / "report_images/gravel.png"), SMALL)
    assert "`pnncupy report report.toml -o page`" in (folder / "report.toml").read_text("utf-8")
    assert run(["report", "report.toml", "-o", "page", "--quiet"]) == 0
    assert (folder / "page/index.html").is_file()
    assert run(["report", "--init"]) == 2
    assert "report.toml exists; choose another, or replace with --force" in capsys.readouterr().err
    (folder / "report.toml").write_text("mine")
    assert run(["report", "--init", "--force"]) == 0
    assert (folder / "report.toml").read_text("utf-8").startswith("# A report.")


def test_a_written_spec_of_images_in_another_folder(folder):
    words = ["report", "a.png", 'c "d" é.png', "--task", "analogy", "--init", "sub/my.toml"]
    assert run(words) == 0
    (entry,) = read_spec(folder / "sub/my.toml").entries
    assert entry.job.verb == "analogy"
    files = [Path(entry.job.inputs[name].path) for name in ("source", "structure")]
    assert all(file.is_file() for file in files)
    assert [file.name for file in files] == ["a.png", 'c "d" é.png']


def test_every_comment_of_a_written_spec_is_a_setting(folder):
    """Without its "#" each line is one that a spec may have."""
    names, all_tasks = ["a.png", "b.png"], list(FEWEST_IMAGES)
    text = commented_spec_text("x.toml", names, all_tasks, 3, 5)
    plain = {entry.job.verb for entry in spec_of_text(text, folder).entries}
    assert plain == set(all_tasks)
    for name in ("photo.png", "mask.png", "rough.png"):
        mask = np.where(np.indices(SMALL.shape)[0] < 5, 255, 0).astype(np.uint8)
        write_image(folder / name, mask if name == "mask.png" else SMALL)
    grid = np.full(SMALL.shape[:2], np.nan)
    grid[3, 4] = SMALL.max()
    write_image(folder / "grid.tif", grid)
    lines = [line for line in text.splitlines() if re.match(r"# (\w+ = |\[)", line)]
    assert len(lines) > 15
    opened = re.sub(r"(?m)^# (?=\w+ = |\[)", "", text)
    for instead in ("scale = [1.0, 1.4]\n", 'title = "A report"\n'):
        opened = opened.replace(instead, "", 1)
    # What cannot be together is tried one by one.
    opened = opened.replace('variety = "medium"', "").replace("categorical = true", "")
    spec = spec_of_text(opened, folder)
    assert {entry.job.verb for entry in spec.entries} == set(TASKS) - {"volume"}
    assert spec.study.pairs == 2
    for line in ('variety = "medium"', "categorical = true"):
        spec_of_text(f'[[generate]]\nimage = "a.png"\n{line}', folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("report", "give one SPEC.toml, or IMAGEs, or --demo"),
        ("report a.png --demo -o x", "give one SPEC.toml, or IMAGEs, or --demo"),
        ("report s.toml a.png -o x", "give one SPEC.toml, or IMAGEs, or --demo"),
        ("report a.png", "Missing option '-o' / '--output'"),
        ("report s.toml -n 3 -o x", "--task, -n and --seed are for IMAGEs"),
        ("report --demo --seed 0 -o x", "--task, -n and --seed are for IMAGEs"),
        ("report --init x.toml -o x", "--init takes IMAGEs only"),
        ("report s.toml --init x.toml", "--init takes IMAGEs only"),
        ("report --init a.png", "--init must name a .toml file, got a.png; put IMAGEs first"),
        ("report a.png --task collage -o x", "collage needs at least 2 images, got 1"),
        ("report a.png a.png b.png --task analogy -o x", "analogy takes two images"),
        ("report a.png --task inpaint -o x", "'inpaint' is not one of"),
        ("report a.png -n 51 -o x", "51 is not in the range 1<=x<=50"),
        ("report none.png -o x", "does not exist"),
    ],
)
def test_wrong_words(words, message, folder, capsys):
    (folder / "s.toml").write_text('[[generate]]\nimage = "a.png"\n')
    assert run(words.split()) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (folder / "x").exists()
    assert not (folder / "x.toml").exists()


def test_names_are_quoted_as_toml_reads_them():
    for name in ('a"b', "c\\d", "e\x7ff", "g\nh", "日本 é", "'"):
        assert tomllib.loads(f"x = {quoted(name)}")["x"] == name


def test_a_name_that_is_not_utf8(folder, capsys):
    write_image(folder / "z.png", SMALL)
    (folder / "z.png").rename(folder / "z\udcff.png")
    assert run(["report", "z\udcff.png", "--init", "x.toml"]) == 2
    assert "is not UTF-8; rename the file" in capsys.readouterr().err
    assert not (folder / "x.toml").exists()
