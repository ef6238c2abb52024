"""The built site: its folder, and the browser that opens it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Folder of the pages: PNNCUPY_SITE, or the site built for these tests (minutes)."""
    given = os.environ.get("PNNCUPY_SITE")
    if given:
        assert (Path(given) / "index.html").is_file(), f"PNNCUPY_SITE={given} has no index.html"
        return Path(given).resolve()
    for module in ("sphinx", "pydata_sphinx_theme", "sphinx_gallery", "myst_parser", "numpydoc"):
        pytest.importorskip(module, reason="the extra `docs` is not installed, and no PNNCUPY_SITE")
    if os.environ.get("PNNCUPY_BUILD_SITE") != "1":
        pytest.skip("no site: set PNNCUPY_SITE to its folder, or PNNCUPY_BUILD_SITE=1 to build it")
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable, "-P", "-m", "sphinx", "-W", "--keep-going", "-b", "html",
        str(ROOT / "docs"), str(folder),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = driver.chromium.launch(executable_path=BROWSER, args=flags)
        yield started
        started.close()
