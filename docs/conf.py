"""Settings of the documentation site: `sphinx-build -n -W --keep-going docs docs/_build/html`."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pnncupy

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
sys.path.insert(0, str(HERE / "figures"))

from gallery_order import example_order  # noqa: E402
from gallery_pictures import scrape_figures  # noqa: E402

project = "pnncupy"
author = "the authors of pnncupy"
copyright = author
release = version = pnncupy.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "class_members",
    "gallery_pictures",
    "mathml",
    "names_in_backticks",
    "page_figures",
    "repository_links",
]
exclude_patterns = ["_build", "_extensions", "figures", "examples", "**/GALLERY_HEADER.rst"]
default_role = "name"
nitpicky = True
suppress_warnings = ["config.cache"]  # the scraper and the order of the gallery are functions

# Pages are Markdown; headings down to the third can be linked.
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have them, with shapes
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Other projects' names become links where their inventories can be read.
_INVENTORIES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "matplotlib": "https://matplotlib.org/stable/",
    "skimage": "https://scikit-image.org/docs/stable/",
    "distributed": "https://distributed.dask.org/en/stable/",
}


def _reachable(address: str) -> bool:
    """Test whether an address answers within three seconds."""
    try:
        urllib.request.urlopen(f"{address}objects.inv", timeout=3).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


# A build without a network has no such links, and no warning either.
_ONLINE = os.environ.get("PNNCUPY_DOCS_OFFLINE") != "1" and _reachable(_INVENTORIES["python"])
intersphinx_mapping = {name: (url, None) for name, url in _INVENTORIES.items()} if _ONLINE else {}
nitpick_ignore_regex = [("py:.*", r"(numpy|scipy|matplotlib|skimage|distributed|concurrent)\..*")]

# Examples, joined by "|", that are shown without being run, for a build in a hurry.
_LEFT_OUT = os.environ.get("PNNCUPY_DOCS_LEFT_OUT") or "none"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": rf"[/\\](?!(?:{_LEFT_OUT})\.py$)[a-z]\w*\.py$",
    "within_subsection_order": example_order,
    "image_scrapers": (scrape_figures,),
    "capture_repr": (),
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1,
    "doc_module": ("pnncupy",),
    "backreferences_dir": "gallery/backreferences",
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_title = f"pnncupy {version}"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme_options = {
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_show_sourcelink = False
