"""Digests of what the public calls return, and of the files they write.

`python tests/helpers/digests.py` prints the table in `digests.txt`, of every engine that runs
on a CPU. A change of the code that changes a line has changed a result.
"""

import hashlib
import logging
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from device_calls import CALLS, WITHOUT_ENGINE

import pnncupy as pnn
import pnncupy.search.method
from pnncupy import baselines, batch, io, metrics
from pnncupy.cli import app
from pnncupy.samples import load_sample

TABLE = Path(__file__).with_suffix(".txt")
ENGINES = ("numpy", "numba")
SHORT = {"iterations": 2, "rng": 7}


def digest(value):
    """Hexadecimal digits of a result: arrays, numbers, text, and what holds them."""
    total = hashlib.sha256()

    def add(value):
        if isinstance(value, np.ndarray):
            total.update(f"{value.dtype.str}{value.shape}".encode())
            total.update(np.ascontiguousarray(value).tobytes())
        elif is_dataclass(value) and not isinstance(value, type):
            add([getattr(value, field.name) for field in fields(value)])
        elif isinstance(value, dict):
            add(sorted(value.items()))
        elif isinstance(value, (list, tuple)):
            for each in value:
                add(each)
        else:
            total.update(value if isinstance(value, bytes) else repr(value).encode())

    add(value)
    return total.hexdigest()[:20]


def small():
    """An image of 15 x 17 pixels of noise, and a mask of a hole."""
    image = np.random.default_rng(3).integers(0, 256, (15, 17, 3)).astype(np.uint8)
    mask = np.zeros((15, 17), bool)
    mask[6:10, 5:11] = True
    return image, mask


def of_engine(engine):
    """Calls of the building blocks and the tasks with small images."""
    image, mask = small()
    for name, call in CALLS.items():
        if name not in WITHOUT_ENGINE:
            yield f"{engine}: {name}", call(image, mask, engine=engine)
    matches = pnn.nearest_patches(image[2:], image, patch_size=4, engine=engine)
    for how in ("weighted_mean", "mean", "median", "copy"):
        voted = pnn.vote(image, matches.index, patch_size=4, how=how, engine=engine)
        yield f"{engine}: vote, {how}", voted
    exact_below, pnncupy.search.method.EXACT_BELOW = pnncupy.search.method.EXACT_BELOW, 0
    try:
        for alpha in (0.01, float("inf")):
            made = pnn.generate(
                image, method="patchmatch", alpha=alpha, patch_size=3, engine=engine, **SHORT
            )
            yield f"{engine}: generate, patchmatch, {alpha}", made
    finally:
        pnncupy.search.method.EXACT_BELOW = exact_below


def of_photographs():
    """Calls with photographs, some large enough for trees and for PatchMatch."""
    colours, texture = load_sample("chelsea")[40:140, 60:180], load_sample("gravel")[:90, :100]
    half = load_sample("rocket")[::2, ::2].copy()
    mask = np.zeros(colours.shape[:2], bool)
    mask[40:60, 50:80] = True
    yield "generate", pnn.generate(half, 2, return_index=True, **SHORT)
    yield "generate, large", pnn.generate(load_sample("rocket"), rng=2)
    yield "generate, alpha", pnn.generate(half, alpha=0.005, keys="both", **SHORT)
    yield (
        "generate, noise",
        pnn.generate(texture, alpha=0.005, shape=(70, 130), independent=False, **SHORT),
    )
    yield (
        "generate, patchmatch",
        pnn.generate(
            load_sample("gravel")[:200, :200], method="patchmatch", independent=False, **SHORT
        ),
    )
    yield (
        "generate, patch of 5",
        pnn.generate(half, patch_size=5, downscale=1.5, vote="median", keys="sharp", **SHORT),
    )
    yield "retarget", pnn.retarget(half, (82, 70), iterations=2, return_index=True, gradual=False)
    yield "retarget, gradual", pnn.retarget(half, (60, 180), iterations=1, gradual=True)
    for fill in (None, "mean", "noise"):
        yield (
            f"inpaint, {fill}",
            pnn.inpaint(colours, mask, fill=fill, keep_grain=False, **SHORT),
        )
    yield "inpaint, copy", pnn.inpaint(colours, mask, vote="copy", keep_known=False, **SHORT)
    yield "analogy", pnn.analogy(colours, half, iterations=1)
    yield "collage", pnn.collage([colours, half], (80, 160), iterations=1, return_index=True)
    yield "collage, gradual", pnn.collage([half, colours], iterations=1, gradual=True)
    edited = colours.copy()
    edited[20:50, 20:50] = colours[50:80, 70:100]
    yield "edit", pnn.edit(colours, edited, iterations=2)
    yield "edit, mask", pnn.edit(colours, edited, mask=mask, iterations=2)
    yield (
        "bidirectional_similarity",
        baselines.bidirectional_similarity(half, (70, 100), iterations=2),
    )


def of_kinds_of_data():
    """Calls with other dtypes, axes, missing pixels, labels, weights and guides."""
    colours, texture = load_sample("chelsea")[40:90, 60:120], load_sample("gravel")[:50, :60]
    for dtype in ("?", "u2", "i4", "f2", "f8"):
        image = texture > 100 if dtype == "?" else (texture * 3.0).astype(dtype)
        yield f"generate, {dtype}", pnn.generate(image, **SHORT)
    yield (
        "generate, channels first",
        pnn.generate(np.moveaxis(colours, -1, 0), channel_axis=0, **SHORT),
    )
    yield (
        "generate, five channels",
        pnn.generate(
            np.concatenate([colours, colours[..., :2]], axis=2),
            channel_weights="std",
            channel_axis=-1,
            **SHORT,
        ),
    )
    missing = texture.astype(float)
    missing[10:15, 20:30] = np.nan
    yield "generate, nan", pnn.generate(missing, nodata="nan", **SHORT)
    mean = np.full_like(missing, missing[~np.isnan(missing)].mean())
    yield "inpaint, nodata", pnn.inpaint(missing, "nodata", fill=mean, nodata="nan", **SHORT)
    labels = (texture // 64).astype(np.int16)
    yield "generate, labels", pnn.generate(labels, categorical=True, **SHORT)
    yield "generate, weights", pnn.generate(colours, channel_weights=[1, 2, 0.5], **SHORT)
    yield (
        "generate, guides",
        pnn.generate(colours, guides=[(texture, texture[::-1], 0.3)], alpha=0.01, **SHORT),
    )
    yield (
        "generate, guess",
        pnn.generate(colours, levels=1, initial_guess=np.full((38, 45, 3), 0.4), iterations=2),
    )
    for scale in (0.5, 1.7):
        yield f"resize, {scale}", pnn.resize(colours, scale)
    yield "pyramid", pnn.pyramid(colours, 3)


def of_metrics():
    """Calls of the metrics."""
    one, other = load_sample("chelsea")[:60, :80], load_sample("chelsea")[30:90, 40:120]
    grey, texture = one[..., 1], load_sample("gravel")[:60, :80]
    yield "coherence", metrics.coherence(one, other)
    yield "completeness", metrics.completeness(one, other)
    yield "bidirectional_dissimilarity", metrics.bidirectional_dissimilarity(one, other)
    yield "patch_swd", [f"{value:.5g}" for value in metrics.patch_swd(one, other)]
    yield "diversity", f"{metrics.diversity(one, np.stack([one, other])):.6g}"
    yield "sharpness_ratio", f"{metrics.sharpness_ratio(one, other):.6g}"
    yield "near_copy", metrics.near_copy(one, other).shift
    yield "phase_fractions", metrics.phase_fractions(texture, threshold=100)
    yield "psnr", f"{metrics.psnr(grey, texture, (0, 255)):.8g}"


def of_files(folder):
    """Files of the library, a batch and the command line, read again; uncompressed ones whole."""
    colours, texture = load_sample("chelsea")[40:90, 60:120], load_sample("gravel")[:50, :60]
    io.write_image(folder / "in.png", colours)
    io.write_image(folder / "in.tif", (texture * 200.0).astype(np.float32))
    for name in ("in.png", "in.tif"):
        yield f"read_image, {name}", io.read_image(folder / name)
    yield "load_sample", [load_sample(name) for name in ("chelsea", "gravel", "rocket")]
    jobs, arrays = batch.make_jobs(
        "generate", 2, output="new", seed=3, image=colours, iterations=1, alpha=0.01
    )
    batch.run(jobs, folder / "batch", arrays=arrays, workers=1)
    names = sorted(each.name for each in (folder / "batch").glob("*.png"))
    yield "batch", [(name, io.read_image(folder / "batch" / name)) for name in names]
    for verb, words in {
        "generate": ["in.png", "-n", "2", "--seed", "5", "--iterations", "1", "--distinct", "no"],
        "retarget": ["in.tif", "--shape", "40", "70", "--iterations", "1", "--no-gradual"],
        "analogy": ["in.png", "--structure", "in.png", "--iterations", "1"],
        "collage": ["in.png", "in.png", "--iterations", "1"],
    }.items():
        given = [str(folder / word) if word.startswith("in.") else word for word in words]
        out = folder / verb
        with redirect_stdout(StringIO()):
            code = app.run([verb, *given, "-o", str(out), "--quiet"])
        if code != 0:
            raise AssertionError(f"{verb} failed")
        files = {
            "contact.png" if each.name.endswith("_contact.png") else each.name: each
            for each in out.iterdir() if each.suffix in (".png", ".tif")
        }  # fmt: skip
        found = [(name, io.read_image(files[name])) for name in sorted(files)]
        yield f"command {verb}", found


def groups(folder):
    """Groups of calls by name; files are written to a folder."""
    return {
        **{f"engine {engine}": of_engine(engine) for engine in ENGINES},
        "photographs": of_photographs(),
        "kinds of data": of_kinds_of_data(),
        "metrics": of_metrics(),
        "files": of_files(folder),
    }


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory() as made:
        for title, calls in groups(Path(made)).items():
            print(f"# {title}")
            sys.stdout.writelines(f"{name}\t{digest(result)}\n" for name, result in calls)
