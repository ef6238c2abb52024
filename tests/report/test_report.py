"""Reports: what a spec may say, what is written, and the page in a real browser."""

import csv
import html
import io
import json
import os
import re
import shlex
import subprocess
import types
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pnncupy.batch.job import Input, Job
from pnncupy.cli import app
from pnncupy.errors import EngineUnavailable
from pnncupy.io import read_image, write_image
from pnncupy.report import builder, demo, tables
from pnncupy.report.builder import build_report
from pnncupy.report.commands import command_of
from pnncupy.report.image_files import PictureFiles
from pnncupy.report.spec import Entry, read_spec
from pnncupy.samples import load_sample


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    """The demo's spec with pictures of a quarter of the width."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_sample", lambda name: load_sample(name)[::4, ::4].copy())
        spec = demo.write_demo(folder)
    text = spec.read_text().replace("n = 20", "n = 3").replace("n = 8", "n = 2")
    other = np.full((41, 30, 3), 90, np.uint8)
    write_image(folder / "other.png", other)
    text = text.replace(
        "scale = [1.0, 0.6]", 'scale = [1.0, 0.6]\nothers = { "Other <i>method</i>" = "other.png" }'
    )
    spec.write_text(text)
    return spec


@pytest.fixture(scope="module")
def page(small_demo, tmp_path_factory):
    seen = []
    made = build_report(
        small_demo, tmp_path_factory.mktemp("page") / "out", threads=2, callback=seen.append
    )
    fractions = [step.fraction for step in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    return made


class Links(HTMLParser):
    """Everything that a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [
            value
            for name, value in attributes
            if name in ("src", "href", "data-original") and value
        ]


def test_the_page_has_all_sections_and_every_file_it_refers_to(page):
    text = page.read_text()
    headings = re.findall(r"<h2 [^>]*>(.*?)</h2>", text)
    assert headings == [
        "1. Diverse generation", "2. Conditional inpainting", "3. Structural analogies",
        "4. Retargeting", "5. Collage", "6. Editing", "7. Study sheets", "8. Runtime and memory",
        "9. How each picture was made",
    ]  # fmt: skip
    for link in Links(text).found:
        assert "//" not in link, link
        if not link.startswith(("#", "data:")):
            assert (page.parent / link).is_file(), link
    assert not list(page.parent.glob(".report*"))


def test_every_picture_is_described(page):
    for tag in re.findall(r"<img [^>]*>", page.read_text()):
        assert 'id="enlarged-picture"' in tag or re.search(r'alt="[^"]+"', tag), tag


def test_words_are_escaped(page):
    text = page.read_text()
    assert "Other &lt;i&gt;method&lt;/i&gt;" in text
    assert "<i>" not in text


def test_the_study_key_tells_which_picture_is_real(page, small_demo):
    with (page.parent / "study_key.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["sample"] for row in rows} <= {"1", "2", "3"}
    names = {"Rocket": "rocket", "Cat": "chelsea", "Gravel": "gravel"}
    answers = set()
    for row in rows:
        real = row["real"].lower()
        answers.add(real)
        source = read_image(small_demo.parent / "inputs" / f"{names[row['picture']]}.png")
        source = np.dstack([source] * 3) if source.ndim == 2 else source
        for letter in "ab":
            shown = read_image(page.parent / f"pictures/study_{int(row['pair']):02}_{letter}.png")
            assert np.array_equal(shown, source) == (letter == real)
    assert answers == {"a", "b"}
    sheet = (page.parent / "study.html").read_text()
    assert all(name not in sheet for name in names)


FORMULAS = [
    "=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", " =1", "＝1", "＋1", "－1", "＠1", "\t=1",
    "\r=1", '=HYPERLINK("http://x","y")', "a;=1", "a; @1", 'a",=1', 'a"\n=1', "a\n=1", "a\x1b]0;=1",
]  # fmt: skip
HARMLESS = ["50 % off", "a-b", "x = y", "a, -1; 2", "'quoted'", '"quoted"', "a\\b", "日本語", "1e5"]


def test_no_cell_of_the_study_key_is_a_formula(report, tmp_path):
    titles = [*FORMULAS, *HARMLESS]
    report(
        "[study]\n" + "".join(
            f"[[generate]]\nimage = 'a.png'\ntitle = {json.dumps(title)}\n{FAST}"
            for title in titles
        )
    )  # fmt: skip
    text = (tmp_path / "out/study_key.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    found = {row["picture"].removeprefix("'") for row in rows}
    assert set(HARMLESS) <= {row["picture"] for row in rows}
    assert len(found) == len(rows) == len(titles)
    for row in rows:
        assert row["pair"].isdecimal()
        assert row["sample"] == "1"
    for separator in ",;\t":
        for cells in csv.reader(io.StringIO(text), delimiter=separator):
            for cell in cells:
                assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠")), (separator, cells)
    assert text.count("\n") == 1 + len(titles)


def test_words_act_nowhere_on_the_page(report, tmp_path):
    words = "</script><script>x</script>\" onload='x' {{ 1 }} &amp; \x1b[2J \u202e \x00 # ? %20"
    text = report(
        f"title = {json.dumps(words)}\n[[generate]]\nimage = 'a.png'\nn = 2\n{FAST}"
        f"title = {json.dumps(words)}\ncaption = {json.dumps(words)}\n"
        f"others = {{ {json.dumps(words)} = 'b.png' }}\n[study]\n"
    )
    escaped = (
        "&lt;/script&gt;&lt;script&gt;x&lt;/script&gt;&#34; onload=&#39;x&#39; {{ 1 }} &amp;amp; "
        r"\x1b[2J \u202e \x00 # ? %20"
    )
    assert text.count(escaped) > 10
    assert text.count("<script>") == text.count("</script>") == 1
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    links = Links(text).found
    assert len(links) > 10
    for link in links:
        if not link.startswith(("#", "data:")):
            assert re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+\.(png|tif)|study(_key\.csv|\.html)", link)
            assert (tmp_path / "out" / link).is_file(), link


NAMES = [
    "a b", "a'b", 'a"b', "a#b?c%20", "-x", "--alpha", "a\nb", "a\x1b[2Jb", "a\u202eb", "a\\b\x9bc",
    "$(x)`x`", "a\udcffb\udc9b",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_commands_name_any_file(name, tmp_path, monkeypatch):
    file = tmp_path / f"{name}.png"
    given = {"image": Input(str(file), "")}
    entry = Entry(Job("generate", given, {}, output="", seed=0), "t", table=None)
    text = command_of(entry, tmp_path)
    assert text.isprintable()
    shown = subprocess.run(
        ["bash", "-c", f"pnncupy() {{ printf '%s\\0' \"$@\"; }}; {text}"],
        capture_output=True, check=True,
    )  # fmt: skip
    verb, named, *_ = map(os.fsdecode, shown.stdout.split(b"\0"))
    assert verb == "generate"
    assert not named.startswith("-")
    assert (tmp_path / named) == file


def test_a_page_from_files_with_undecodable_names(tmp_path, random):
    folder = tmp_path / "a\udcff\x1b"
    folder.mkdir()
    write_image(folder / "real\udc9b.png", random.integers(0, 256, (20, 24), dtype=np.uint8))
    (folder / "link.png").symlink_to("real\udc9b.png")
    spec = folder / "spec\udcff.toml"
    spec.write_text(f"[[generate]]\nimage = 'link.png'\n{FAST}[study]\n")
    page = build_report(spec, tmp_path / "out", threads=1)
    assert r"<title>spec\udcff</title>" in page.read_text()
    assert r"$&#39;real\x9b.png&#39;" in page.read_text()
    assert r"real\udc9b" in (tmp_path / "out/study_key.csv").read_text()


@pytest.mark.exhaustive
def test_the_commands_make_the_same_pictures(page, small_demo, tmp_path, monkeypatch):
    text = page.read_text()
    shown = dict(
        re.findall(
            r'<article class="figure".*?<h3[^>]*>(.*?)</h3>'
            r'.*?src="([^"]*)"[^>]*data-label="Result"',
            text, re.DOTALL,
        )
    )  # fmt: skip
    commands = dict(
        re.findall(r"<h3>([^<]*) <small>.*?<code>(pnncupy [a-z].*?)</code>", text, re.DOTALL)
    )
    assert commands.keys() == shown.keys()
    assert len(commands) == 9
    monkeypatch.chdir(small_demo.parent)
    for title, command in commands.items():
        words = shlex.split(html.unescape(command))
        output = tmp_path / title
        words[words.index("-o") + 1] = str(output)
        assert app.run([*words[1:], "--quiet"]) == 0
        first = sorted(file for file in output.iterdir() if "contact" not in file.name)[0]
        picture = read_image(first)
        picture = np.dstack([picture] * 3) if picture.ndim == 2 else picture
        np.testing.assert_array_equal(picture, read_image(page.parent / shown[title]))


@pytest.mark.slow
def test_a_large_picture_is_shown_scaled_and_the_original_linked(tmp_path, random):
    image = random.integers(0, 256, (4000, 5000), dtype=np.uint8)
    image[:2000] = 0
    shown = PictureFiles(tmp_path).add("Large / one", image, (0, 255), "words")
    small = read_image(tmp_path / shown.file)
    assert shown.file == "pictures/large_one.png"
    assert small.shape[0] * small.shape[1] <= 2_000_000
    assert shown.width / shown.height == pytest.approx(5 / 4, rel=0.01)
    assert small[: small.shape[0] // 2 - 5].max() <= 3
    assert abs(float(small[small.shape[0] // 2 + 5 :].mean()) - 127.5) < 3
    np.testing.assert_array_equal(read_image(tmp_path / shown.original), image)
    assert shown.note == "5000 × 4000 pixels, 1 channel, uint8"


@pytest.mark.parametrize(
    "image",
    [
        np.linspace(0, 60000, 800).reshape(20, 40).astype(np.uint16),
        np.linspace(-1, 1, 4000).reshape(20, 40, 5).astype(np.float32),
        np.eye(30, dtype=bool),
    ],
)
def test_other_dtypes_are_shown_and_kept(image, tmp_path):
    limits = (float(image.min()), float(image.max()))
    shown = PictureFiles(tmp_path).add("a", image, limits, "words")
    preview = read_image(tmp_path / shown.file)
    assert preview.dtype == np.uint8
    assert (preview.min(), preview.max()) == (0, 255)
    original = read_image(tmp_path / shown.original)
    np.testing.assert_array_equal(original, image * 255 if image.dtype == bool else image)


@pytest.mark.exhaustive
def test_other_kinds_of_pictures_in_a_whole_report(tmp_path, random):
    bands = random.random((30, 34, 5)).astype(np.float32)
    write_image(tmp_path / "bands.tif", bands)
    write_image(tmp_path / "grey.png", random.integers(0, 65536, (31, 33)).astype(np.uint16))
    (tmp_path / "spec.toml").write_text(
        '[[generate]]\nimage = "bands.tif"\nshape = [20, 24]\niterations = 2\n'
        '[[retarget]]\nimage = "grey.png"\nshape = [30, 24]\niterations = 2\n'
    )
    page = build_report(tmp_path / "spec.toml", tmp_path / "out", threads=1)
    text = page.read_text()
    assert "5 channels, float32" in text
    assert "uint16" in text
    assert read_image(next((tmp_path / "out/originals").glob("*result*.tif"))).shape == (20, 24, 5)
    assert not (tmp_path / "out/study.html").exists()


FAST = "iterations = 1\nlevels = 1\ncoarse_iterations = 1\n"


@pytest.fixture
def report(tmp_path, random):
    """Write a spec and its pictures, make the report, and return the page as text."""
    write_image(tmp_path / "a.png", random.integers(0, 256, (20, 24, 3)).astype(np.uint8))
    write_image(tmp_path / "hole.png", np.eye(9, dtype=np.uint8))
    write_image(tmp_path / "b.png", random.integers(0, 256, (22, 20, 3)).astype(np.uint8))

    def make(text, folder="out", **pictures):
        for name, picture in pictures.items():
            write_image(tmp_path / f"{name}.tif", picture, overwrite=True)
        (tmp_path / "spec.toml").write_text(text)
        return build_report(tmp_path / "spec.toml", tmp_path / folder, threads=1).read_text()

    return make


def row(text, name):
    """Cells of a table's row."""
    found = re.search(rf'<tr><th scope="row">{re.escape(name)}[^<]*</th>(.*?)</tr>', text)
    return re.findall("<td>(.*?)</td>", found[1])


RAMP = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (20, 1))
RED_BLUE = np.zeros((20, 24, 3), np.uint8)
RED_BLUE[..., 0], RED_BLUE[..., 2] = RAMP, 240 - RAMP


@pytest.mark.parametrize("image", [RAMP, RED_BLUE])
def test_measures_that_do_not_apply_are_not_defined(report, image):
    text = report(
        f"[[generate]]\nimage = 'x.tif'\nn = 2\n{FAST}[[edit]]\nsource = 'x.tif'\n"
        f"edited = 'x.tif'\n{FAST}",
        x=image,
    )
    assert row(text, "sharpness") == ["not defined"]
    assert (row(text, "diversity") == ["not defined"]) == (image is RED_BLUE)
    assert row(text, "pnncupy")[2] == "not defined"


def test_samples_that_hardly_overlap_are_not_compared(report):
    shape = "shape = [7, 60]\niterations = 1\n"
    text = report(f"[[generate]]\nimage = 'x.tif'\n{shape}", x=RAMP.T[:, :7].copy())
    assert row(text, "nearly a copy") == ["not comparable"]
    assert row(text, "largest piece")[0].endswith("% of the picture")


def test_others_that_cannot_be_measured_are_shown(report, random):
    values = random.random((20, 24)).astype(np.float32)
    hole = values.copy()
    hole[3, 4] = np.nan
    text = report(
        "[[edit]]\nsource = 'x.tif'\nedited = 'x.tif'\n"
        f"others = {{ Small = 'small.tif', Gap = 'hole.tif', Wide = 'wide.tif' }}\n{FAST}",
        x=values, small=values[:4, :5], hole=hole, wide=values.astype(np.float64),
    )  # fmt: skip
    assert row(text, "Small")[:2] == ["not defined"] * 2
    assert row(text, "Gap") == ["not defined"] * 3
    assert row(text, "Wide")[0] == "other dtype"


def test_measures_of_several_sources_say_which(report):
    text = report(
        "[[generate]]\nimage = ['a.png', 'b.png']\nnoise_std = 0\nn = 2\ndistinct = false\n" + FAST
    )
    assert "by that of the first source" in text
    assert row(text, "nearly a copy of one of the sources") == ["2 of 2"]


def test_results_by_diffusion_have_no_index_map(report):
    options = "sampler = 'diffusion'\npatch_sizes = 5\nlevels = 1\nsteps = 4\n"
    text = report(f"[[generate]]\nimage = 'a.png'\nn = 2\n{options}")
    assert "Where each pixel comes from" not in text
    assert 'class="overlay"' not in text
    assert "largest piece" not in text
    assert row(text, "nearly a copy of the source") == ["0 of 2"]
    assert "--sampler diffusion" in text


def test_the_nearest_source_counts(random):
    one, two = random.integers(0, 256, (2, 12, 14), dtype=np.uint8)
    made = types.SimpleNamespace(
        sources=[one, two], images=[two, one, 255 - one], is_not_measurable=False,
        data_range=(0, 255), channel_axis=-1,
        info={"periodic": [False, False], "source_periodic": [False, False]},
    )  # fmt: skip
    assert tables._near_copies(made) == "2 of 3"


def test_copies_around_the_border_of_a_periodic_result_are_counted(random):
    source = random.integers(0, 256, (30, 34), dtype=np.uint8)
    rolled = np.roll(source, (13, -15), axis=(0, 1))
    info = {"periodic": [False, False], "source_periodic": [False, False]}
    made = types.SimpleNamespace(
        sources=[source], images=[rolled, 255 - source], is_not_measurable=False,
        data_range=(0, 255), channel_axis=-1, info=info,
        entry=types.SimpleNamespace(job=Job("generate", {}, {}, "")),
    )  # fmt: skip
    assert tables._near_copies(made) == "0 of 2"
    for name in info:
        made.info = info | {name: [True, True]}
        assert tables._near_copies(made) == "1 of 2"


def test_missing_pixels_are_white_and_not_measured(report, tmp_path, random):
    for name, value in (("nan", np.nan), ("-5", -5)):
        image = random.random((20, 24))
        image[3:5, 4:6] = value
        text = report(
            f"[[retarget]]\nimage = 'x.tif'\nshape = [20, 20]\nnodata = {name}\n{FAST}", name,
            x=image,
        )  # fmt: skip
        shown = read_image(tmp_path / name / "pictures/1_x_source.png")
        assert (shown[3:5, 4:6] == 255).all()
        assert (shown != 255).any(axis=2).mean() > 0.9
        assert row(text, "pnncupy") == ["not defined"] * 3
        assert "Bidirectional" not in text
        assert f"--nodata {name} " in text


def test_commands_of_new_keywords(report):
    text = report(
        f"[[generate]]\nimage = 'a.png'\nchannel_weights = [1, 0.5, 2]\nmax_memory = '2G'\n{FAST}"
    )
    assert "--channel-weights 1,0.5,2 --max-memory 2G" in text


def test_results_that_wrap_around_are_repeated(report):
    one = f"[[generate]]\nimage = 'a.png'\n{FAST}"
    text = report(f"{one}periodic = [false, true]\n{one}periodic = true\ntitle = 'both'\n{one}")
    assert re.findall("<summary>Repeated (.*?)</summary>", text) == ["1 × 3", "3 × 3"]
    # 24 x 20 pixels, enlarged to 11 of 23 times.
    style = "background-size: calc(100% / 3) calc(100% / 1); width: 792px; aspect-ratio: 72 / 20"
    assert f"url(pictures/1_a_result.png); {style}" in text
    assert "--periodic columns" in text


@pytest.mark.slow
def test_baseline_calls_of_lists(report):
    text = report(f"[[retarget]]\nimage = ['a.png', 'b.png']\nscale = [1, 0.5]\n{FAST}")
    assert "bidirectional_similarity([image, ...], (20, 12))" in text


def test_long_titles_make_short_names(tmp_path):
    files = PictureFiles(tmp_path)
    picture = np.zeros((4, 4, 3), np.uint8)
    names = [files.add("x" * 300 + end, picture, (0, 255), "words").file for end in "ab"]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 100


def test_very_wide_pictures_are_scaled_too(tmp_path):
    shown = PictureFiles(tmp_path).add("a", np.zeros((2, 100_000), np.uint8), (0, 255), "words")
    assert (shown.height, shown.width) == (1, 8192)


@pytest.mark.slow
def test_a_large_other_does_not_shrink_the_result(report, random):
    huge = np.zeros((100, 9000, 3), np.uint8)
    text = report(
        f"[[edit]]\nsource = 'a.png'\nedited = 'a.png'\nothers = {{ Huge = 'huge.tif' }}\n{FAST}",
        huge=huge,
    )
    widths = dict(re.findall(r'--width: (\d+)px[^>]*data-label="([^"]*)"', text))
    assert set(widths) == {"552"}


def test_a_study_without_pairs_says_so(report, tmp_path):
    text = report(f"[[generate]]\nimage = 'a.png'\nshape = [20, 20]\n{FAST}[study]")
    assert "No pair: no generated sample has the size of its source." in text
    assert not (tmp_path / "out/study_key.csv").exists()


def test_tables_have_the_order_of_the_sections(report):
    text = report(
        f"[[retarget]]\nimage = 'a.png'\ntitle = 'Second'\nshape = [20, 20]\n{FAST}"
        f"[[analogy]]\nsource = 'a.png'\nstructure = 'b.png'\ntitle = 'First'\n{FAST}"
    )
    for pattern in ("<h3>(First|Second) <small>", '<th scope="row">(First|Second)</th><td>'):
        assert list(dict.fromkeys(re.findall(pattern, text))) == ["First", "Second"]


def test_files_of_an_earlier_page_are_removed(report, tmp_path):
    report(f"[[generate]]\nimage = 'a.png'\n{FAST}[study]")
    out = tmp_path / "out"
    earlier = {file for file in out.rglob("*") if file.is_file()}
    assert out / "study_key.csv" in earlier
    (out / "pictures/mine.png").write_text("kept")
    listed = out / "report_files.txt"
    listed.write_text(listed.read_text() + "pictures/mine.png\n../spec.toml\n")
    report(f"[[edit]]\nsource = 'b.png'\nedited = 'b.png'\n{FAST}")
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert "pictures/mine.png" in files
    assert (tmp_path / "spec.toml").is_file()
    assert files - {"pictures/mine.png", "report_files.txt"} == set(listed.read_text().split())
    assert "study_key.csv" not in files


@pytest.mark.parametrize("name", ["index.html", "pictures/1_x.png"])
def test_folders_in_the_way_are_found_before_the_work(name, report, tmp_path, monkeypatch):
    (tmp_path / "out" / name).mkdir(parents=True)
    monkeypatch.setattr(builder, "make_all", None)
    with pytest.raises(IsADirectoryError, match=f"{name} is a folder"):
        report("[[generate]]\nimage = 'a.png'")
    assert len(list((tmp_path / "out").rglob("*"))) == name.count("/") + 1


def test_files_in_the_way_are_found_before_the_work(report, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "make_all", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/originals").write_text("")
    with pytest.raises(NotADirectoryError, match="originals is a file"):
        report("[[generate]]\nimage = 'a.png'")
    with pytest.raises(OSError, match=r"a\.png"):
        report("[[generate]]\nimage = 'a.png'", "a.png/out")


def test_the_page_itself_is_moved_last(report, tmp_path, monkeypatch):
    moved = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, place: (moved.append(Path(place).name), replace(self, place))
    )
    report(f"[[generate]]\nimage = 'a.png'\n{FAST}[study]")
    assert moved[-4:] == ["study.html", "study_key.csv", "index.html", "report_files.txt"]


def test_inputs_are_never_replaced(report, tmp_path):
    (tmp_path / "pictures").mkdir()
    write_image(tmp_path / "pictures/1_a.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(ValueError, match=r"line 2: `image`: .*1_a\.png may be replaced"):
        report("[[generate]]\nimage = 'pictures/1_a.png'", ".")
    with pytest.raises(ValueError, match=r"line 3: `others`: .*1_a\.png may be replaced"):
        report("[[generate]]\nimage = 'a.png'\nothers = { X = 'pictures/1_a.png' }", ".")
    report(f"[[generate]]\nimage = 'a.png'\n{FAST}", ".")
    assert read_image(tmp_path / "pictures/1_a.png").shape == (20, 20)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("full")])
def test_an_interrupted_demo_leaves_nothing(error, tmp_path, monkeypatch):
    def stop(*arguments):
        raise error

    monkeypatch.setattr(builder, "make_all", stop)
    monkeypatch.setattr(builder, "try_all", lambda *arguments: None)
    with pytest.raises((KeyboardInterrupt, OSError)):
        builder.build_demo(tmp_path / "some/where")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_is_written_with_its_inputs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "load_sample", lambda name: load_sample(name)[::6, ::6].copy())
    short = "[[analogy]]\nsource = 'inputs/gravel.png'\nstructure = 'inputs/chelsea_grey.png'\n"
    monkeypatch.setattr(demo, "_SPEC", short + FAST)
    out = tmp_path / "out"
    assert app.run(["report", "--demo", "-o", str(out), "--quiet"]) == 0
    assert f"wrote {out}/index.html" in capsys.readouterr().out
    text = (out / "index.html").read_text()
    assert "pnncupy analogy inputs/gravel.png --structure inputs/chelsea_grey.png -o" in text
    assert "inputs" not in (out / "report_files.txt").read_text()
    assert read_spec(out / "demo.toml").entries


WRONG_CALLS = [
    ("alpha = -1", "line 6: edit 'b': `alpha` must be a number above 0"),
    ("patch_size = 99", "line .*: edit 'b': .*`patch_size` = 99"),
    ("mask = 'hole.png'", "line 6: edit 'b': `mask` must have the height and width"),
    ("engine = 'cupy'", "line .*: edit 'b': "),
    ("others = { X = 'spec.toml' }", "line 6: edit 'b': `others`: .*spec.toml"),
]


@pytest.mark.parametrize(("line", "message"), WRONG_CALLS)
def test_wrong_calls_are_found_before_the_first_is_made(line, message, report, monkeypatch):
    monkeypatch.setattr(builder, "make_all", lambda *arguments: pytest.fail("work began"))
    with pytest.raises((ValueError, EngineUnavailable), match=message):
        report(
            f"[[generate]]\nimage = 'a.png'\n[[edit]]\nsource = 'b.png'\nedited = 'b.png'\n{line}\n"
        )


SPECS = [
    ("title = 3\n[[generate]]\nimage = 'a.png'", "line 1: `title` must be a string"),
    ("", "defines no entries; add a table such as"),
    ("[[generate]]\nimage = 'a.png'\n\n[[paint]]\n", r"line 4: unknown section `paint`; there are"),
    ("[generate]\nimage = 'a.png'", r"line 1: write \[\[generate\]\]"),
    ("\n[[generate]]\nimage = 'none.png'", "line 3: `image`: there is no file"),
    ("[[generate]]\nimage = 'a.png'\nn = 51", "line 3: `n` must be at most 50 in a report, got 51"),
    ("[[generate]]\nimage = 'a.png'\nlevel = 1", "line 3: generate has no argument `level`"),
    ("[[generate]]\nimage = 'a.png'\nchannel_axis = 0", "line 3: `channel_axis` cannot be set"),
    ("[[generate]]\nimage = 'a.png'\nbaseline = true", "line 3: `baseline` is for retarget and"),
    ("[[generate]]\nimage = 'a.png'\nothers = 'b'", "line 3: `others` must be a table like"),
    ("[[generate]]\nimage = 'a.png'\nothers = {a = 'b.png'}", "line 3: `others`: there is no file"),
    (
        "[[edit]]\nsource = 'a.png'\nedited = 'a.png'\nseed = 1",
        "line 4: `seed` is for",
    ),
    ("[[retarget]]\nimage = 'a.png'", "line 1: retarget needs either `shape` or `scale`"),
    ("[[generate]]\nimage = 'a.png'\n[study]\npair = 1", r"line .*\[study\] has no `pair`"),
    ("[[generate]]\nimage = 'a.png'\n[study]\npairs = 0", "line 4: `pairs` must be an integer"),
    ("[[generate]\n", "Expected"),
    ("[[generate]]\nimage = 'a.png'\nshape = 50", r"line 3: `shape` must be \(height, width\)"),
    ("[[generate]]\nimage = 'a.png'\ndata_range = 5", "line 3: `data_range` must be None or two"),
    (
        "[[retarget]]\nimage = 'a.png'\nscale = 0",
        "line 3: `scale` must be a finite number above 0, got 0",
    ),
    (
        "[[retarget]]\nimage = 'a.png'\nscale = [1]",
        "line 3: `scale` must be one factor, or factors",
    ),
    ("[[retarget]]\nimage = 'a.png'\nscale = ['a', 'b']", "line 3: `scale` must be a real number"),
    ("[[collage]]\nimages = 'a.png'", "line 2: `images` must be a list of files"),
    (
        "[[inpaint]]\nmask = 'a.png'\nimage = ['a.png']",
        "line 3: `image` of inpaint must be one file",
    ),
    ("[[generate]]\nimage = 'a.png'\n[image]", "line 3: unknown section `image`"),
    ("[[generate]]\nimage = 'a.png'\n['my section']", "line 3: unknown section `my section`"),
    ('"title" = ""\n[[generate]]\nimage = "a.png"', "line 1: `title` must not be empty"),
    ("title = ''\n[[generate]]\nimage = 'a.png'", "line 1: `title` must not be empty"),
    ("[[generate]]\nimage = 'a.png'\nothers = { '' = 'a.png' }", "line 3: `others` must name each"),
    (
        "[[generate]]\nimage = 'a.png'\nothers = { result = 'a.png' }",
        "line 3: `others` must not be called 'result'",
    ),
    ("[[generate]]\nimage = 'a.png'\nguides = []", "line 3: generate has no argument `guides`"),
    (
        "[[retarget]]\nimage = 'a.png'\nscale = [1, 1]\nnodata = 0\nbaseline = true",
        "line .*: `baseline` must be false with `nodata`",
    ),
]


@pytest.mark.parametrize(("text", "message"), SPECS)
def test_wrong_specs_are_refused_with_their_line(text, message, tmp_path, capsys):
    write_image(tmp_path / "a.png", np.zeros((20, 20), np.uint8))
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_spec(tmp_path / "spec.toml")
    arguments = ["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]
    assert app.run(arguments) == 2
    assert "spec.toml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_is_named(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "spec.toml").write_text("[[generate]]\nimage = 'a.png'")
    assert app.run(["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]) == 1
    assert re.search("line 2: generate 'a': `image`: .*a.png: damaged ", capsys.readouterr().err)


def test_a_folder_in_use_needs_force(tmp_path, capsys):
    write_image(tmp_path / "a.png", np.zeros((20, 20), np.uint8))
    (tmp_path / "spec.toml").write_text("[[generate]]\nimage = 'a.png'\niterations = 1")
    arguments = ["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]
    assert app.run(arguments) == 0
    assert app.run(arguments) == 2
    assert "holds files; choose another -o or replace with --force" in capsys.readouterr().err
    (tmp_path / "out/mine.txt").write_text("kept")
    assert app.run([*arguments, "--force"]) == 0
    assert (tmp_path / "out/mine.txt").read_text() == "kept"


def test_the_command_names_its_choices(tmp_path, capsys, monkeypatch):
    assert app.run(["report", "-o", str(tmp_path / "out")]) == 2
    assert "give one SPEC.toml, or IMAGEs, or --demo" in capsys.readouterr().err
    monkeypatch.setattr("pnncupy.cli.report_command.find_spec", lambda name: None)
    assert app.run(["report", "--demo", "-o", str(tmp_path / "out")]) == 1
    assert "pip install 'pnncupy[report]'" in capsys.readouterr().err


def test_the_demo_itself_can_be_read(tmp_path):
    spec = read_spec(demo.write_demo(tmp_path))
    assert {entry.job.verb for entry in spec.entries} == {
        "generate", "inpaint", "analogy", "retarget", "collage", "edit"
    }  # fmt: skip
    pictures = demo.demo_pictures()
    assert pictures["rocket_hole"].any()
    assert (pictures["rocket"] != pictures["rocket_edited"]).any()


@pytest.fixture(params=[1280, 400])
def window(request, browser, page):
    """The page, opened from the disk in a wide and in a narrow window."""
    opened = browser.new_page(viewport={"width": request.param, "height": 800})
    opened.problems = []
    opened.on("console", lambda message: opened.problems.append(message.text))
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on("requestfailed", lambda asked: opened.problems.append(asked.url))
    opened.requests = []
    opened.on("request", lambda asked: opened.requests.append(asked.url))
    opened.goto(page.as_uri())
    opened.wait_for_load_state("load")
    yield opened
    assert opened.problems == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
    opened.close()


KIND = "[document.activeElement].map(e => e.tagName + (e.type || ''))[0]"


def shown_in(viewer):
    """Files of the pictures that are visible in a viewer."""
    return viewer.evaluate(
        "v => [...v.querySelectorAll('.stage img')]"
        ".filter(i => getComputedStyle(i).visibility === 'visible')"
        ".map(i => i.getAttribute('src'))"
    )


def test_every_picture_loads_and_nothing_overflows(window):
    broken = "[...document.images].filter(i => i.id !== 'enlarged-picture' && !i.naturalWidth)"
    assert window.evaluate(f"{broken}.length") == 0
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What is wider than the window scrolls by itself.
    too_wide = window.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, pre') &&"
        " e.getBoundingClientRect().right > innerWidth + 1 &&"
        " getComputedStyle(e).position !== 'absolute').map(e => e.outerHTML.slice(0, 80))"
    )
    assert too_wide == []


def test_flicker_buttons_swap_pictures(window):
    viewers = window.query_selector_all(".viewer")
    assert len(viewers) == 9
    for viewer in viewers:
        seen = []
        for label in viewer.query_selector_all(".flicker label"):
            label.click()
            seen += shown_in(viewer)
        layers = viewer.query_selector_all(".layer")
        assert seen == [layer.get_attribute("src") for layer in layers]
        assert len(set(seen)) == len(seen) >= 2


def test_arrow_keys_swap_pictures(window):
    viewer = window.query_selector(".viewer")
    before = shown_in(viewer)
    viewer.query_selector(".flicker input:checked").focus()
    window.keyboard.press("ArrowLeft")
    after = shown_in(viewer)
    assert after != before
    # On the picture itself too, where its description follows.
    stage = viewer.query_selector(".stage")
    stage.focus()
    window.keyboard.press("ArrowRight")
    assert shown_in(viewer) == before
    assert stage.get_attribute("aria-label") == "Enlarge: Sample 1 of 3: Rocket"


def test_the_slider_goes_through_the_pyramid(window):
    viewer = window.query_selector(".viewer")
    slider = viewer.query_selector("input[type=range]")
    levels = [each.get_attribute("src") for each in viewer.query_selector_all(".level")]
    assert len(levels) >= 3
    seen = []
    slider.focus()
    window.keyboard.press("Home")
    for _ in levels:
        seen += shown_in(viewer)
        assert "pixels" in slider.get_attribute("aria-valuetext")
        window.keyboard.press("ArrowRight")
    assert seen == levels
    assert "full size" in viewer.query_selector("output").inner_text()
    # The slider brings the result back when another picture was chosen.
    viewer.query_selector(".flicker label").click()
    slider.focus()
    window.keyboard.press("Home")
    assert shown_in(viewer) == levels[:1]


def test_the_index_map_lies_over_the_result(window):
    viewer = window.query_selector(".viewer")
    viewer.query_selector(".flicker label").click()
    viewer.query_selector(".index").click()
    assert len(shown_in(viewer)) == 2
    assert "index" in shown_in(viewer)[1]
    checkbox = viewer.query_selector(".index input")
    assert checkbox.is_checked()
    viewer.query_selector(".flicker label").click()
    assert len(shown_in(viewer)) == 1
    # The box tells what is seen.
    assert not checkbox.is_checked()
    viewer.query_selector("input[type=range]").focus()
    window.keyboard.press("Home")
    assert not checkbox.is_checked()
    window.keyboard.press("End")
    assert checkbox.is_checked()
    assert len(shown_in(viewer)) == 2


def test_enlarging_opens_moves_and_closes(window):
    dialog = window.query_selector("#enlarged")
    for opener in (".grid .thumbnail", ".stage", ".pair .thumbnail"):
        button = window.query_selector(opener)
        button.click()
        assert dialog.is_visible()
        # On a phone too there is one line of buttons, even with a link to the original.
        tops = dialog.evaluate(
            "d => { document.getElementById('enlarged-original').hidden = false;"
            " return [...d.querySelectorAll('button')].map(b => b.getBoundingClientRect().top) }"
        )
        assert len(set(tops)) == 1
        picture = window.query_selector("#enlarged-picture")
        first = picture.get_attribute("src")
        assert picture.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
        window.keyboard.press("ArrowRight")
        second = picture.get_attribute("src")
        assert second != first
        window.click("#enlarged-previous")
        assert picture.get_attribute("src") == first
        assert picture.get_attribute("alt") == window.inner_text("#enlarged-caption")
        window.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert window.evaluate("document.activeElement.className") == button.get_attribute("class")
    window.click(".stage")
    window.click("#enlarged-close")
    assert not dialog.is_visible()


def test_the_keyboard_reaches_everything_in_order(window):
    window.keyboard.press("Tab")
    assert window.evaluate("document.activeElement.textContent") == "To the pictures"
    kinds = []
    for _ in range(16):
        window.keyboard.press("Tab")
        kinds.append(window.evaluate(KIND))
    assert kinds[:9] == ["A"] * 9
    assert kinds[9:13] == ["INPUTradio", "BUTTONbutton", "INPUTrange", "INPUTcheckbox"]
    unnamed = window.evaluate(
        "[...document.querySelectorAll('button, input, a')].filter(e => !(e.textContent.trim()"
        " || e.getAttribute('aria-label') || e.closest('label'))).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_the_sheet_to_print_opens(browser, page):
    opened = browser.new_page()
    problems = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.goto((page.parent / "study.html").as_uri())
    assert opened.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert opened.evaluate("document.images.length") == 12
    assert problems == []
