"""Calls of every function that runs on a device: of an image or a volume, a mask, and options."""

import cupy_stand_in
import numpy as np

import pnncupy as pnn
from pnncupy import arrays

SMALL = {"iterations": 2, "patch_size": 3, "levels": 1}


def grid_of(image, known):
    """Values where they are known, and NaN elsewhere."""
    xp = arrays.namespace(image)
    known = known if image.ndim == known.ndim else known[..., None]
    return xp.where(known, xp.astype(image, xp.float64), xp.asarray(xp.nan))


DIFFUSION = {"sampler": "diffusion", "patch_sizes": 3, "levels": 1, "steps": 3, "rng": 1}
CALLS = {
    "nearest": lambda i, m, **o: pnn.nearest_patches(i, i[:, ::-1], patch_size=3, **o),
    "nearest, masked": lambda i, m, **o: pnn.nearest_patches(
        i, i[::-1], patch_size=3, key_mask=~m, **o
    ),
    "nearest, alpha, sources": lambda i, m, **o: pnn.nearest_patches(
        i, [i[2:], i[:, 4:]], patch_size=3, alpha=100.0, **o
    ),
    "near": lambda i, m, **o: pnn.nearest_patches(
        i, [i[::-1], i[:, 2:]], patch_size=3, method="patchmatch", rounds=2, **o
    ),
    "near, masked, alpha": lambda i, m, **o: pnn.nearest_patches(
        i, i[::-1], patch_size=4, key_mask=~m, alpha=99.0, method="patchmatch", rounds=2, **o
    ),
    "key_minimum": lambda i, m, **o: pnn.key_minimum(i, i[2:], patch_size=3, **o),
    "pnn_step": lambda i, m, **o: pnn.pnn_step(i, i, i, patch_size=4, alpha=9.0, **o),
    "median": lambda i, m, **o: pnn.pnn_step(i, i, i[::-1], patch_size=3, vote="median", **o),
    "pnn_step, narrow vote": lambda i, m, **o: pnn.pnn_step(
        i, i, i[::-1], patch_size=4, vote_width=0.4, **o
    ),
    "resize": lambda i, m, **o: pnn.resize(i, 0.5),
    "pyramid": lambda i, m, **o: pnn.pyramid(i, 2),
    "generate": lambda i, m, **o: pnn.generate(i, 2, rng=1, return_index=True, **SMALL, **o),
    "generate, plain": lambda i, m, **o: pnn.generate(i, rng=1, incremental=False, **SMALL, **o),
    "generate, alpha": lambda i, m, **o: pnn.generate(
        i, rng=1, alpha=0.005, keys="both", **SMALL, **o
    ),
    "generate, copy": lambda i, m, **o: pnn.generate(
        i, rng=1, vote="copy", keys="sharp", **SMALL, **o
    ),
    "generate, grey": lambda i, m, **o: pnn.generate(i[..., 0], rng=1, **SMALL, **o),
    "generate, narrow vote": lambda i, m, **o: pnn.generate(
        i, rng=1, vote_width=0.25, **SMALL, **o
    ),
    "generate, diffusion": lambda i, m, **o: pnn.generate(
        i, 2, periodic=(True, False), **DIFFUSION, **o
    ),
    "inpaint, diffusion": lambda i, m, **o: pnn.inpaint(i, m, fill="noise", **DIFFUSION, **o),
    "edit, diffusion": lambda i, m, **o: pnn.edit(i, i[::-1], mask=m, **DIFFUSION, **o),
    "analogy, diffusion": lambda i, m, **o: pnn.analogy(i, i[::-1], **DIFFUSION, **o),
    "collage, diffusion": lambda i, m, **o: pnn.collage([i, i[:, ::-1]], **DIFFUSION, **o),
    "retarget": lambda i, m, **o: pnn.retarget(
        i, (14, 11), coarse_iterations=2, gradual=False, **SMALL, **o
    ),
    "inpaint": lambda i, m, **o: pnn.inpaint(i, m, fill="mean", **SMALL, **o),
    "inpaint, noise": lambda i, m, **o: pnn.inpaint(
        i, m, fill="noise", alpha=0.01, rng=1, **SMALL, **o
    ),
    "analogy": lambda i, m, **o: pnn.analogy(i, i[::-1], **SMALL, **o),
    "collage": lambda i, m, **o: pnn.collage([i, i[:, ::-1]], **SMALL, **o),
    "edit": lambda i, m, **o: pnn.edit(i, i[::-1], mask=m, **SMALL, **o),
    "simulate": lambda i, m, **o: pnn.simulate(
        i, grid_of(i[::-1], m), 2, rng=1, return_index=True, **SMALL, **o
    ),
    "simulate, labels, guide": lambda i, m, **o: pnn.simulate(
        i[..., 0] // 86,
        grid_of(i[::-1, :, 0] // 86, ~m),
        rng=1,
        categorical=True,
        keys="both",
        guides=[(i[..., 1], i[::-1, :, 1], 0.5)],
        **SMALL,
        **o,
    ),
}

GREY = {**SMALL, "coarse_iterations": 2, "channel_axis": None}

# Of a volume (Z, Y, X).
VOLUME_CALLS = {
    "nearest, alpha, sources": lambda v, m, **o: pnn.nearest_patches(
        v, [v[::-1], v[1:, :, 2:]], patch_size=(2, 3, 4), alpha=9.0, channel_axis=None, **o
    ),
    "nearest, masked": lambda v, m, **o: pnn.nearest_patches(
        v, v[:, ::-1], patch_size=3, key_mask=~m, channel_axis=None, **o
    ),
    "generate": lambda v, m, **o: pnn.generate(v, 2, rng=1, return_index=True, **GREY, **o),
    "generate, alpha": lambda v, m, **o: pnn.generate(v, rng=1, alpha=0.01, **GREY, **o),
    "generate, patchmatch": lambda v, m, **o: pnn.generate(
        v, rng=1, method="patchmatch", return_index=True, **GREY, **o
    ),
    "generate, patchmatch, alpha": lambda v, m, **o: pnn.generate(
        v, rng=1, alpha=0.01, method="patchmatch", **GREY, **o
    ),
    "generate, periodic": lambda v, m, **o: pnn.generate(
        v, rng=1, periodic=True, source_periodic=(True, False, True), **GREY, **o
    ),
    "generate, median": lambda v, m, **o: pnn.generate(
        v, rng=1, vote="median", **{**GREY, "patch_size": (1, 3, 4)}, **o
    ),
    "generate, labels": lambda v, m, **o: pnn.generate(
        v // 86, rng=1, categorical=True, **GREY, **o
    ),
    "generate, two sides": lambda v, m, **o: pnn.generate(
        v[0], rng=1, return_index=True, **{**SMALL, "patch_size": (3, 4)}, **o
    ),
    "generate, two sides, patchmatch": lambda v, m, **o: pnn.generate(
        v[0], rng=1, alpha=0.01, method="patchmatch", **{**SMALL, "patch_size": (2, 3)}, **o
    ),
    "inpaint": lambda v, m, **o: pnn.inpaint(
        v, m, return_index=True, **{**GREY, "levels": None}, **o
    ),
    "simulate": lambda v, m, **o: pnn.simulate(
        v, grid_of(v[:, ::-1], m), rng=1, periodic=True, **GREY, **o
    ),
    "retarget": lambda v, m, **o: pnn.retarget(
        v, (9, 14, 12), gradual=False, vote="trimmed_mean", **GREY, **o
    ),
    "grow_volume": lambda v, m, **o: pnn.grow_volume(
        [v[0], v[:, 0]], (7, 8, 6), axes=(0, 2), rng=1, **SMALL, **o
    ),
    "grow_volume, narrow vote": lambda v, m, **o: pnn.grow_volume(
        v[0], (6, 7, 8), rng=1, vote_width=0.3, **SMALL, **o
    ),
    "grow_volume, patchmatch": lambda v, m, **o: pnn.grow_volume(
        v[0], (6, 7, 8), rng=1, method="patchmatch", **SMALL, **o
    ),
}

# They have no engine of their own.
WITHOUT_ENGINE = ("resize", "pyramid")


def check_equal(host, device):
    """Check for the same results, on the device that the stand-in is."""
    if isinstance(host, (tuple, list)):
        assert len(host) == len(device)
        for mine, other in zip(host, device, strict=True):
            check_equal(mine, other)
    elif isinstance(host, np.ndarray):
        assert isinstance(device, cupy_stand_in.ndarray)
        assert device.dtype == host.dtype
        np.testing.assert_array_equal(device.host, host)
