"""Reports of volumes: slices, tables, commands, and the page in a real browser."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pnncupy import metrics
from pnncupy.batch.job import read_input
from pnncupy.cli import app
from pnncupy.io import Metadata, read_image, read_volume, write_image, write_volume
from pnncupy.report.builder import build_report
from pnncupy.report.commands import command_of
from pnncupy.report.phases import otsu_threshold
from pnncupy.report.spec import read_spec
from pnncupy.tasks import generate

FAST = "patch_size = 3\niterations = 1\nlevels = 0\n"
QUICK = {"patch_size": 3, "iterations": 1, "levels": 0}


@pytest.fixture
def volumes(random):
    grey = random.integers(0, 256, (7, 9, 11)).astype(np.uint8)
    hole = np.zeros(grey.shape, bool)
    hole[2:5, 3:6, 4:8] = True
    return {"grey": grey, "phases": grey // 86, "hole": hole}


@pytest.fixture
def report(tmp_path, volumes):
    """Write a spec and its volumes, make the report, and return the page as text."""
    size = Metadata(pixel_size=(0.5, 0.5), slice_size=2.0, unit="µm")
    for name, volume in volumes.items():
        write_volume(tmp_path / f"{name}.tif", volume, metadata=size)
    write_volume(tmp_path / "film.tif", volumes["grey"], metadata=Metadata(slice_axis="T"))
    write_image(tmp_path / "flat.png", volumes["grey"][0])
    np.save(tmp_path / "array.npy", volumes["grey"])

    def make(text):
        (tmp_path / "spec.toml").write_text(text)
        return build_report(tmp_path / "spec.toml", tmp_path / "out", threads=1).read_text()

    return make


def row(text, name):
    """Cells of a table's row."""
    found = re.search(rf'<tr><th scope="row">{re.escape(name)}[^<]*</th>(.*?)</tr>', text)
    return re.findall("<td>(.*?)</td>", found[1])


def sheets(text):
    """The panels of a page: their data, file and size, in order."""
    pattern = (
        r'<div class="panel" data-axis="(\d)" data-columns="(\d+)" data-rows="(\d+)" '
        r'[^>]*aspect-ratio: (\d+) / (\d+)"><img src="([^"]*)" alt="([^"]*)"'
    )
    found = re.findall(pattern, text)
    return [(*map(int, numbers), file, alt) for *numbers, file, alt in found]


def slices_of(page, sheet):
    """The slices in a sheet, and the empty ones behind them, without their borders."""
    axis, columns, rows, width, height, file, _ = sheet
    image = read_image(page / file)
    cells = image.reshape(rows, height + 2, columns, width + 2).swapaxes(1, 2)
    cells = cells.reshape(rows * columns, height + 2, width + 2)
    np.testing.assert_array_equal(cells, np.pad(cells[:, 1:-1, 1:-1], [(0, 0), *[(1, 1)] * 2],
                                                mode="edge"))  # fmt: skip
    return axis, cells[:, 1:-1, 1:-1]


# Orders of the axes of a volume that give the slices across each of them.
ORDERS = {0: (0, 1, 2), 1: (1, 0, 2), 2: (2, 1, 0)}


def test_a_page_holds_every_slice_along_each_axis(report, tmp_path, volumes):
    text = report(f"[[generate]]\nimage = 'grey.tif'\nshape = [5, 8, 10]\nseed = 3\n{FAST}")
    made = generate(
        volumes["grey"], channel_axis=None, shape=(5, 8, 10), rng=3, distinct=False, **QUICK
    )
    found = sheets(text)
    assert [sheet[0] for sheet in found] == [0, 2, 1] * 2
    for number, sheet in enumerate(found):
        volume = made if number > 2 else volumes["grey"]
        axis, slices = slices_of(tmp_path / "out", sheet)
        np.testing.assert_array_equal(slices[: volume.shape[axis]], volume.transpose(ORDERS[axis]))
    assert [sheet[-1] for sheet in found[:3]] == [
        f"Source, slice across {letter}: grey" for letter in "zxy"
    ]
    ranges = re.findall(r'<input type="range" min="0" max="(\d+)" step="1" value="(\d+)"', text)
    assert ranges == [("6", "2"), ("8", "4"), ("10", "5")]
    size = sum(file.stat().st_size for file in (tmp_path / "out/pictures").iterdir())
    assert f"The slices take {-(-size // 1000)} kB." in text
    assert "too large" not in text
    command = re.search("<code>(pnncupy generate.*?)</code>", text)[1]
    assert command == (
        "pnncupy generate grey.tif --volume -o results -n 1 --seed 3 --shape 8 10 --depth 5 "
        "--patch-size 3 --iterations 1 --levels 0"
    )


def test_the_command_of_a_volume_makes_the_same(report, tmp_path, volumes, monkeypatch):
    text = report(
        f"[[retarget]]\nimage = 'grey.tif'\nscale = [1.3, 1, 1]\nperiodic = true\n{FAST}"
        f"[[generate]]\nimage = 'grey.tif'\nperiodic = [false, true]\n{FAST}"
        "downscale = [1.0, 1.5, 1.5]\n"
    )
    commands = re.findall("<code>(pnncupy .*?)</code>", text)
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    expected = [
        slices_of(tmp_path / "out", sheet)[1] for sheet in sheets(text)
        if sheet[0] == 0 and sheet[-1].startswith("Result")
    ]  # fmt: skip
    for number, command in enumerate(commands):
        words = shlex.split(command)
        words[words.index("-o") + 1] = f"made{number}"
        assert app.run([*words[1:], "--quiet"]) == 0
        [file] = Path(f"made{number}").iterdir()
        made = read_volume(file)
        assert any(
            made.shape[1:] == each.shape[1:] and np.array_equal(made, each[: len(made)])
            for each in expected
        )


def test_measures_of_volumes(report, volumes):
    text = report(f"[[generate]]\nimage = 'grey.tif'\nn = 2\nseed = 1\ndistinct = false\n{FAST}")
    options = {"channel_axis": None, "rng": 1, "distinct": False}
    made = generate(volumes["grey"], 2, **options, **QUICK)
    measured = {"channel_axis": None, "patch_size": 3}
    for name in ("coherence", "completeness"):
        value = np.mean([getattr(metrics, name)(volumes["grey"], each, **measured)
                         for each in made])  # fmt: skip
        assert row(text, name) == [f"{1000 * value:.3f}"]
    value = metrics.diversity(volumes["grey"], made, channel_axis=None)
    assert row(text, "diversity") == [f"{value:.2f}"]
    copies = sum(metrics.near_copy(volumes["grey"], each, channel_axis=None).is_copy
                 for each in made)  # fmt: skip
    assert row(text, "nearly a copy") == [f"{copies} of 2"]
    assert row(text, "largest piece")[0].endswith("% of the volume")
    assert "sharpness" not in text
    limit = otsu_threshold(volumes["grey"])
    cells = row(text, f"above {limit:.4g}")
    share = np.mean(volumes["grey"] > limit), np.mean([each > limit for each in made])
    assert cells[:2] == [f"{part:.1%}" for part in share]
    for axis, cell in enumerate(cells[2:]):
        found = [
            metrics.two_point_correlation(
                volumes["grey"], each, threshold=limit, axis=axis
            ).difference
            for each in made
        ]
        assert cell == f"{np.mean(np.abs(found)):.4f}"


def test_phases_of_labels_and_thumbnails_of_middle_slices(report, tmp_path, volumes):
    text = report(
        f"[[generate]]\nimage = 'phases.tif'\ncategorical = true\nn = 2\nseed = 1\n{FAST}[study]\n"
    )
    shares = metrics.phase_fractions(volumes["phases"])
    for label, share in zip(shares.labels, shares.fractions, strict=True):
        assert row(text, str(label))[0] == f"{share:.1%}"
    made = generate(
        volumes["phases"], 2, channel_axis=None, categorical=True, rng=1, distinct=True, **QUICK
    )
    shown = read_image(tmp_path / "out/pictures/1_phases_sample_1.png")
    grey = np.rint(made[1] * 127.5)
    np.testing.assert_array_equal(shown[:9, :11, 0], grey[3])
    np.testing.assert_array_equal(shown[:9, -7:, 0], grey[:, :, 5].T)
    np.testing.assert_array_equal(shown[-7:, :11, 0], grey[:, 4])
    assert read_image(tmp_path / "out/pictures/study_01_a.png").shape == (9 + 4 + 7, 11 + 4 + 7, 3)


def test_other_tasks_and_files(report, tmp_path, volumes):
    text = report(
        f"[[inpaint]]\nimage = 'grey.tif'\nmask = 'hole.tif'\nfill = 'smooth'\n{FAST}"
        f"[[generate]]\nimage = 'array.npy'\nothers = {{ Flipped = 'grey.tif' }}\n{FAST}"
        f"[[generate]]\nimage = 'film.tif'\ntitle = 'Film'\n{FAST}"
        f"[[retarget]]\nimage = 'grey.tif'\nshape = [7, 9, 14]\n{FAST}"
    )
    assert "Hole, slice across z: grey" in text
    assert "Flipped, slice across z: array" in text
    assert "Result, slice across t: Film" in text
    assert "<span>t</span>" in text
    assert "Resized, slice across x: grey" in text
    assert "14 × 9 × 7" in text
    assert len(row(text, "plain resizing")) == 2
    assert "Bidirectional" not in text


def test_large_volumes_are_shown_in_part_and_the_page_says_so(report, tmp_path, random):
    big = random.integers(0, 256, (270, 200, 120), dtype=np.uint8)
    np.save(tmp_path / "big.npy", big)
    text = report(f"[[generate]]\nimage = 'grey.tif'\nothers = {{ Big = 'big.npy' }}\n{FAST}")
    assert (
        "Big: too large to be shown whole, one of 2 voxels along z in each slice, one of 7 slices "
        "across z, one of 4 slices across y, one of 4 slices across x."
    ) in text
    found = [sheet for sheet in sheets(text) if sheet[-1].startswith("Big")]
    for sheet in found:
        axis, slices = slices_of(tmp_path / "out", sheet)
        assert slices.size <= 1_050_000
        step, every = (7, 4, 4)[axis], [1, 1]
        if axis:  # z is down in slices across y, to the right in those across x
            every[axis - 1] = 2
        expected = big.transpose(ORDERS[axis])[::step, :: every[0], :: every[1]]
        np.testing.assert_array_equal(slices[: len(expected)], expected)
    ranges = re.findall(r'type="range" min="0" max="(\d+)" step="(\d+)" value="(\d+)"', text)
    assert ranges == [("269", "1", "3"), ("199", "1", "4"), ("119", "1", "5")]
    assert 'data-sides="270 200 120" data-steps="7 4 4"' in text
    assert text.count('data-sides="7 9 11" data-steps="1 1 1"') == 2
    assert sum(file.stat().st_size for file in (tmp_path / "out/pictures").iterdir()) < 3_500_000


def test_volumes_with_channels_and_missing_voxels(report, tmp_path, random):
    colours = random.integers(0, 256, (5, 6, 7, 3)).astype(np.uint8)
    write_volume(tmp_path / "colours.tif", colours)
    gaps = random.random((5, 6, 7))
    gaps[2, 3, 4] = np.nan
    np.save(tmp_path / "gaps.npy", gaps)
    text = report(
        f"[[generate]]\nimage = 'colours.tif'\n{FAST}"
        f"[[generate]]\nimage = 'gaps.npy'\nnodata = nan\n{FAST}"
    )
    file = next(sheet for sheet in sheets(text) if sheet[0] == 0)[-2]
    assert read_image(tmp_path / "out" / file).shape[2] == 3
    assert "S2 along" not in text
    gap = next(sheet for sheet in sheets(text) if sheet[-1] == "Source, slice across z: gaps")
    assert slices_of(tmp_path / "out", gap)[1][2, 3, 4] == 255


WRONG = [
    ("[[volume]]\nimages = 'flat.png'\nshape = [5, 5, 5]", "`verb` must be a task that makes ima"),
    ("[[retarget]]\nimage = 'grey.tif'\nscale = [1, 2]\nbaseline = true", "`baseline` must be fal"),
    ("[[generate]]\nimage = 'grey.tif'\nperiodic = [true, false, true]", "`periodic` of a volume"),
    ("[[retarget]]\nimage = 'grey.tif'\nscale = 2", "`scale` must be factors of"),
    ("[[generate]]\nimage = 'grey.tif'\nvolume = 'yes'", "`volume` must be True or False"),
    (
        "[[analogy]]\nsource = 'grey.tif'\nstructure = 'flat.png'",
        "`structure`: flat.png does not say that it is a volume",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_specs_of_volumes(text, message, report, tmp_path):
    with pytest.raises(ValueError, match=rf"spec.toml, line \d: .*{message}"):
        report(text)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_volumes_are_named(report):
    for text, message in (
        ("volume = true\nimage = 'flat.png'", "flat.png: one image; a volume is a TIFF stack"),
        ("image = 'grey.tif'\nvolume = false", "grey.tif: a stack of 7 images"),
        ("image = 'grey.tif'\nothers = { B = 'flat.png' }", "`others`: .*flat.png: one image"),
    ):
        with pytest.raises(Exception, match=rf"line \d: generate '.*': .*{message}"):
            report(f"[[generate]]\n{text}\n{FAST}")


def test_masks_of_volumes_are_read_as_volumes(report, tmp_path, volumes):
    report(f"[[inpaint]]\nimage = 'grey.tif'\nmask = 'hole.tif'\n{FAST}")
    [entry] = read_spec(tmp_path / "spec.toml").entries
    assert entry.job.volume
    np.testing.assert_array_equal(read_input(entry.job.inputs["mask"]), volumes["hole"])
    assert "--volume --mask hole.tif" in command_of(entry, tmp_path)


@pytest.fixture(scope="module")
def slices_page(tmp_path_factory):
    """A page with volumes of two sizes, samples, and a periodic image."""
    folder = tmp_path_factory.mktemp("slices")
    z, y, x = np.mgrid[:20, :24, :28]
    write_volume(folder / "steps.tif", (z * 10 + y % 2 * 3 + x % 2 * 5).astype(np.uint8))
    rows, columns = np.mgrid[:32, :40] * 2 * np.pi
    wave = 127.5 + 60 * np.sin(rows / 32) + 60 * np.cos(columns / 40)
    write_image(folder / "wave.png", np.rint(wave).astype(np.uint8))
    (folder / "spec.toml").write_text(
        f"[[generate]]\nimage = 'steps.tif'\nshape = [16, 30, 22]\nn = 2\n{FAST}"
        f"[[inpaint]]\nimage = 'steps.tif'\nmask = 'steps.tif'\nmask_above = 150\n{FAST}"
        "[[generate]]\nimage = 'wave.png'\nperiodic = true\nsource_periodic = true\n"
        "noise_std = 0\niterations = 1\n[[generate]]\nimage = 'wave.png'\n"
        "periodic = [false, true]\nsource_periodic = true\nnoise_std = 0\niterations = 1\n"
    )
    return build_report(folder / "spec.toml", folder / "out", threads=2)


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def window(request, browser, slices_page):
    """The page, opened from the disk in a wide and in a narrow window, light and dark."""
    width, scheme = request.param
    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    problems, requests = [], []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("requestfailed", lambda asked: problems.append(asked.url))
    opened.on("request", lambda asked: requests.append(asked.url))
    opened.goto(slices_page.as_uri())
    opened.wait_for_load_state("load")
    yield opened
    assert problems == []
    assert all(url.startswith(("file:", "data:")) for url in requests)
    opened.close()


def pixels_of(element):
    """What a browser shows of an element, as an array."""
    import io

    from matplotlib.image import imread

    return imread(io.BytesIO(element.screenshot()), format="png")[..., :3]


def shown_slice(panel):
    """The voxels that a panel shows, from the centres of its cells, as grey values."""
    width, height = panel.evaluate("p => getComputedStyle(p).aspectRatio.split('/').map(Number)")
    seen = pixels_of(panel)[..., 0]
    rows = ((np.arange(height) + 0.5) * seen.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * seen.shape[1] / width).astype(int)
    return np.rint(seen[np.ix_(rows, columns)] * 255)


def test_sliders_move_source_and_result_together(window, slices_page):
    steps = read_volume(slices_page.parent.parent / "steps.tif")
    article = window.query_selector("article.volume")
    article.query_selector("input[type=checkbox]").uncheck()
    sliders = article.query_selector_all("input[type=range]")
    source, result, *_ = article.query_selector_all(".volumes figure")
    sheet = read_image(slices_page.parent / result.query_selector("img").get_attribute("src"))
    assert sheet.ndim == 2
    for slider, key, presses in zip(sliders, ("Home", "End", "ArrowRight"), (1, 1, 3), strict=True):
        slider.focus()
        for _ in range(presses):
            window.keyboard.press(key)
    z, y, x = (int(slider.input_value()) for slider in sliders)
    assert (z, y, x) == (0, 29, 14)
    assert source.query_selector(".at").inner_text() == "z = 0, y = 23, x = 14"
    assert result.query_selector(".at").inner_text() == "z = 0, y = 29, x = 14"
    assert sliders[1].get_attribute("aria-valuetext") == "29 of 0 to 29"
    panels = source.query_selector_all(".panel")
    for panel, expected in zip(panels, (steps[0], steps[:, :, 14].T, steps[:, 23]), strict=True):
        np.testing.assert_allclose(shown_slice(panel), expected, atol=1)


def test_lines_meet_in_the_point(window):
    article = window.query_selector("article.volume")
    where = (
        "p => { const b = p.getBoundingClientRect(), a = p.querySelector('.across')"
        ".getBoundingClientRect(), d = p.querySelector('.down').getBoundingClientRect();"
        " return [(a.top - b.top) / b.height, (d.left - b.left) / b.width] }"
    )
    result = article.query_selector_all(".volumes figure")[1]
    z, y, x = (8.5 / 16, 15.5 / 30, 11.5 / 22)
    for panel, expected in zip(
        result.query_selector_all(".panel"), ((y, x), (y, z), (z, x)), strict=True
    ):
        assert panel.evaluate(where) == pytest.approx(expected, abs=0.01)
    line = result.query_selector("i")
    assert line.is_visible()
    article.query_selector("input[type=checkbox]").click()
    assert not line.is_visible()


def test_nothing_overflows_and_everything_has_a_name(window):
    assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
    too_wide = window.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, pre, .panel') &&"
        " e.getBoundingClientRect().right > innerWidth + 1 &&"
        " getComputedStyle(e).position !== 'absolute').map(e => e.outerHTML.slice(0, 80))"
    )
    assert too_wide == []
    unnamed = window.evaluate(
        "[...document.querySelectorAll('button, input, a, img:not(#enlarged-picture)')].filter("
        "e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.alt ||"
        " e.closest('label'))).map(e => e.outerHTML)"
    )
    assert unnamed == []
    broken = "[...document.images].filter(i => i.id !== 'enlarged-picture' && !i.naturalWidth)"
    assert window.evaluate(f"{broken}.length") == 0


def test_volumes_of_a_figure_have_one_scale(window):
    for article in window.query_selector_all("article.volume"):
        scales = [
            panel.evaluate(
                "p => p.getBoundingClientRect().width /"
                " Number(getComputedStyle(p).aspectRatio.split('/')[0])"
            )
            for panel in article.query_selector_all(".panel")
        ]
        assert max(scales) - min(scales) < 0.05 * max(scales)


def test_samples_of_volumes_are_enlarged(window):
    window.click("article.volume .thumbnail")
    assert window.query_selector("#enlarged").is_visible()
    assert window.inner_text("#enlarged-caption") == "Sample 1 of 2, middle slices: steps"
    window.keyboard.press("ArrowRight")
    assert window.inner_text("#enlarged-caption") == "Sample 2 of 2, middle slices: steps"
    window.keyboard.press("Escape")


def test_repeated_results_are_whole_and_without_a_seam(window):
    tiled = window.query_selector_all(".tiled")
    assert len(tiled) == 2
    for details, (down, across) in zip(tiled, ((3, 3), (1, 3)), strict=True):
        details.query_selector("summary").focus()
        window.keyboard.press("Enter")
        picture = details.query_selector("[role=img]")
        assert picture.get_attribute("aria-label").startswith("Repeated: Result: wave")
        seen = pixels_of(picture)[..., 0]
        height, width = seen.shape
        assert width / height == pytest.approx(40 * across / (32 * down), rel=0.02)
        # Equal a period later, and no jump where one copy ends.
        moved = round(width / across)
        assert np.abs(seen[:, moved:] - seen[:, :-moved]).max() < 0.1
        slope = np.abs(np.diff(seen[1:-1, 1:-1], axis=1)).max()
        assert slope < 0.12
        if down > 1:
            assert np.abs(np.diff(seen[1:-1, 1:-1], axis=0)).max() < 0.12


def test_the_keyboard_reaches_the_sliders_in_order(window):
    window.focus("article.volume input[type=range]")
    names = []
    for _ in range(4):
        names.append(
            window.evaluate("document.activeElement.ariaLabel || document.activeElement.type")
        )
        window.keyboard.press("Tab")
    assert names == [*(f"Slice across {letter}" for letter in "zyx"), "checkbox"]
