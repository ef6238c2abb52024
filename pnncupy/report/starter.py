"""Specs of reports that are written for a user: of images that were named, to run or to edit."""

import json
from collections.abc import Callable, Sequence

# Images of one call of generate that a page shows.
MOST_SAMPLES = 50
# Tasks that need nothing but images, and how many of them.
FEWEST_IMAGES = {"generate": 1, "retarget": 1, "collage": 2, "analogy": 2}

_HEAD = """\
# A report. `pnncupy report {name} -o page` makes it: page/index.html.
# Files are relative to this one. Every table is one call of a task; all arguments of the task can
# be set, by the names that they have in Python: `pnncupy TASK --help` describes them.
# Remove the "#" in front of a setting to use it.
"""
_COMMENTS = {
    "generate": """\
# title = "Above the figure"
# caption = "Below it"
# levels = 3             # fewer: more variety, less of the layout of the image
# alpha = 0.005          # completeness: smaller values use more of the image
# variety = "medium"     # or "high": differ more from the image
# periodic = true        # tiles that can be repeated without seams
# categorical = true     # values are labels
""",
    "retarget": """\
# shape = [120, 160]     # instead of scale: height and width in pixels
# gradual = true         # in small steps: better for large changes
""",
    "collage": "# gradual = true         # in small steps: better for large changes\n",
    "analogy": "# levels = 1             # fewer: more like the structure\n",
}
_MORE = """\
# Other tasks, which need files of their own:

# [[inpaint]]
# image = "photo.png"
# mask = "mask.png"      # bright pixels are filled
# fill = "smooth"        # removes what the mask covers

# [[edit]]
# source = "photo.png"
# edited = "rough.png"

# [[simulate]]
# training = "photo.png"
# grid = "grid.tif"      # known values, and NaN where values are simulated
# n = 4

# Pairs of a real and a generated image, for a user study:

# [study]
# pairs = 2
"""


def spec_text(images: Sequence[str], tasks: Sequence[str], count: int, seed: int) -> str:
    """Write the spec of a report of images.

    Parameters
    ----------
    images : sequence of str
        Their files, relative to the spec.
    tasks : sequence of str
        Of `FEWEST_IMAGES`; tasks that take one image are called for each of them.
    count : int
        Images that "generate" makes of each.
    seed : int

    Returns
    -------
    str

    Raises
    ------
    ValueError
        A task needs more images, or takes no more than two.
    """
    return "\n".join(_tables(images, tasks, count, seed, lambda verb: ""))


def commented_spec_text(
    name: str, images: Sequence[str], tasks: Sequence[str], count: int, seed: int
) -> str:
    """Write the same spec to be edited: `name` is its file."""
    tables = _tables(images, tasks, count, seed, lambda verb: _COMMENTS[verb])
    return "\n".join([_HEAD.format(name=name), 'title = "A report"\n', *tables, _MORE])


def _tables(
    images: Sequence[str],
    tasks: Sequence[str],
    count: int,
    seed: int,
    comments: Callable[[str], str],
) -> list[str]:
    """Tables of all calls; the comments of a task are in its first one."""
    tables = []
    for verb in dict.fromkeys(tasks):
        if len(images) < FEWEST_IMAGES[verb]:
            raise ValueError(
                f"{verb} needs at least {FEWEST_IMAGES[verb]} images, got {len(images)}"
            )
        for number, settings in enumerate(_settings(verb, images, count, seed)):
            tables.append(f"[[{verb}]]\n{settings}{comments(verb) if number == 0 else ''}")
    return tables


def _settings(verb: str, images: Sequence[str], count: int, seed: int) -> list[str]:
    """Settings of each call of a task."""
    names = [quoted(image) for image in images]
    if verb == "generate":
        return [f"image = {name}\nn = {count}\nseed = {seed}\n" for name in names]
    if verb == "retarget":
        return [f"image = {name}\nscale = [1.0, 1.4]\nbaseline = false\n" for name in names]
    if verb == "collage":
        return [f"images = [{', '.join(names)}]\nbaseline = false\n"]
    if len(names) > 2:
        raise ValueError(
            f"analogy takes two images, one for the patches and one for the layout, got "
            f"{len(names)}"
        )
    return [f"source = {names[0]}\nstructure = {names[1]}\n"]


def quoted(text: str) -> str:
    """Return a text as a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
