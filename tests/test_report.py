"""Reports: what a spec may say, what is written, and the page in a real browser."""

import csv
import html
import re
import shlex
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from pnncupy import cli
from pnncupy.io import read_image, write_image
from pnncupy.report import demo
from pnncupy.report.building import build_report
from pnncupy.report.pictures import PictureFiles
from pnncupy.report.spec import read_spec
from pnncupy.samples import load_sample

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip


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
        assert cli.run([*words[1:], "--quiet"]) == 0
        first = sorted(file for file in output.iterdir() if file.name != "contact.png")[0]
        picture = read_image(first)
        picture = np.dstack([picture] * 3) if picture.ndim == 2 else picture
        np.testing.assert_array_equal(picture, read_image(page.parent / shown[title]))


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


SPECS = [
    ("title = 3\n[[generate]]\nimage = 'a.png'", "line 1: `title` must be a string"),
    ("", "asks for nothing; add a table such as"),
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
]


@pytest.mark.parametrize(("text", "message"), SPECS)
def test_wrong_specs_are_refused_with_their_line(text, message, tmp_path, capsys):
    write_image(tmp_path / "a.png", np.zeros((20, 20), np.uint8))
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_spec(tmp_path / "spec.toml")
    arguments = ["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]
    assert cli.run(arguments) == 2
    assert "spec.toml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_is_named(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "spec.toml").write_text("[[generate]]\nimage = 'a.png'")
    assert cli.run(["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]) == 1
    assert "a.png: damaged or unsupported PNG file" in capsys.readouterr().err


def test_a_folder_in_use_needs_force(tmp_path, capsys):
    write_image(tmp_path / "a.png", np.zeros((20, 20), np.uint8))
    (tmp_path / "spec.toml").write_text("[[generate]]\nimage = 'a.png'\niterations = 1")
    arguments = ["report", str(tmp_path / "spec.toml"), "-o", str(tmp_path / "out")]
    assert cli.run(arguments) == 0
    assert cli.run(arguments) == 2
    assert "holds files; choose another -o or replace with --force" in capsys.readouterr().err
    (tmp_path / "out/mine.txt").write_text("kept")
    assert cli.run([*arguments, "--force"]) == 0
    assert (tmp_path / "out/mine.txt").read_text() == "kept"


def test_the_command_names_its_choices(tmp_path, capsys, monkeypatch):
    assert cli.run(["report", "-o", str(tmp_path / "out")]) == 2
    assert "give either SPEC.toml or --demo" in capsys.readouterr().err
    monkeypatch.setattr("pnncupy.cli_report.find_spec", lambda name: None)
    assert cli.run(["report", "--demo", "-o", str(tmp_path / "out")]) == 1
    assert "pip install 'pnncupy[report]'" in capsys.readouterr().err


def test_the_demo_itself_can_be_read(tmp_path):
    spec = read_spec(demo.write_demo(tmp_path))
    assert {entry.job.verb for entry in spec.entries} == {
        "generate", "inpaint", "analogy", "retarget", "collage", "edit"
    }  # fmt: skip
    pictures = demo.demo_pictures()
    assert pictures["rocket_hole"].any()
    assert (pictures["rocket"] != pictures["rocket_edited"]).any()


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=BROWSER_FLAGS)
        yield started
        started.close()


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
    viewer.query_selector(".flicker label").click()
    assert len(shown_in(viewer)) == 1


def test_enlarging_opens_moves_and_closes(window):
    dialog = window.query_selector("#enlarged")
    for opener in (".grid .thumbnail", ".stage", ".pair .thumbnail"):
        button = window.query_selector(opener)
        button.click()
        assert dialog.is_visible()
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
