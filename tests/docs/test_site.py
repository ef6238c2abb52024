"""The built site: links, pictures, and pages in a real browser."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

PAGES = (
    "index", "getting-started/coming-from", "gallery/index", "gallery/generate_images",
    "gallery/materials_study", "guides/index", "quality", "explanation/how-it-works",
    "explanation/memory", "reference/metrics", "reference/generated/pnncupy.generate",
    "reference/generated/pnncupy.batch.ProcessPool", "project/changelog", "search", "genindex",
)  # fmt: skip
THEMES = ("light", "dark")


class Page(HTMLParser):
    """Targets of links and pictures of a page, its anchors, and pictures without a text."""

    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.silent = [], set(), []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        target = given.get("href") if tag in ("a", "link") else given.get("src")
        if target:
            self.targets.append(target)
        # The links over thumbnails have a text, so that these have none.
        if tag == "img" and not given.get("alt") and "_thumb." not in given.get("src", ""):
            self.silent.append(given.get("src"))


def parsed(file):
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="session")
def pages(site):
    """All pages of the site, by their file."""
    files = sorted(file for file in site.rglob("*.html") if "_static" not in file.parts)
    return {file: parsed(file) for file in files}


@pytest.mark.process
def test_internal_links_and_anchors_lead_somewhere(pages):
    """Those to other sites are not followed: the tests have no network."""
    broken = []
    for file, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            goal = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not goal.is_file():
                broken.append(f"{file.name}: {target}")
                continue
            anchor = unquote(parts.fragment)
            if anchor and goal in pages and anchor not in pages[goal].anchors | {"top"}:
                broken.append(f"{file.name}: {target}")
    assert len(pages) > 100
    assert broken == []


@pytest.mark.process
def test_every_picture_says_what_it_shows(pages):
    assert {str(file): page.silent for file, page in pages.items() if page.silent} == {}


@pytest.mark.process
def test_figures_come_for_both_themes(pages, site):
    for name in ("explanation/how-it-works", "gallery/generate_images"):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        light, dark = (len(re.findall(rf'class="[^"]*only-{theme}', text)) for theme in THEMES)
        assert light == dark >= 3, name


# Colours depend on the theme, what fits on the width: two windows try both, the others repeat it.
@pytest.fixture(
    params=[
        ("light", 1280),
        ("dark", 390),
        pytest.param(("light", 390), marks=pytest.mark.exhaustive),
        pytest.param(("dark", 1280), marks=pytest.mark.exhaustive),
    ],
    ids=str,
)
def window(request, browser):
    theme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_and_fit_the_window(site, window, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    errors = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.goto(f"{site.as_uri()}/{name}.html")
    found = axe.Axe().run(window).response["violations"]
    serious = [
        (each["id"], [node["html"] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
    beyond = window.evaluate(
        """() => [...document.querySelectorAll("main p, main dt, main dd, main h1, main img")]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1
                && !each.closest("pre, .pst-scrollable-table-container"))
            .map(each => each.outerHTML.slice(0, 80))"""
    )
    assert beyond == []
    assert errors == []
