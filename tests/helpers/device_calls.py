"""Calls of every function that runs on a device: of an image, a mask, and options."""

import pnncupy as pnn

SMALL = {"iterations": 2, "patch_size": 3, "levels": 1}

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
}

# They have no engine of their own.
WITHOUT_ENGINE = ("resize", "pyramid")
