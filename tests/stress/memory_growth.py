"""Growth of a process in a call with a limit of memory: `python memory_growth.py CASE`.

CASE is JSON: the `task`, the `sides` of its images, the `share` (the limit over the least accepted
one), and whatever else `Case` has. The process of the call warms up on tiny images of the same
kind, so that all kernels are loaded, gives back freed memory, and waits; its parent reads its peak.
"""

import ctypes
import gc
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TINY = 26
AGAIN = "MEMORY_GROWTH_AGAIN"


@dataclass
class Case:
    """A call: `sides` of all images, `shape` of the result, and what they hold.

    Without a `share` there is no limit. `labels`, `guides` and `n` are counts; `missing` pixels
    have a nodata value, `hidden` ones a masked array; `mask` is for `edit`. Without `noise`, which
    is a share of the range, trees of the keys are walked.
    """

    task: str
    sides: list
    shape: tuple | None = None
    share: float | None = 1.0
    channels: int = 3
    dtype: str = "uint8"
    labels: int = 0
    guides: int = 0
    n: int | None = None
    missing: bool = False
    hidden: bool = False
    mask: bool = False
    noise: float = 0.2
    options: dict = field(default_factory=dict)

    def call(self, tiny=False):
        """The task's function, its arguments and its options."""
        import pnncupy as pnn

        random = np.random.default_rng(0)
        images = [self._image(random, self._sides(sides, tiny)) for sides in self.sides]
        target = self._sides(self.shape, tiny) if self.shape else images[0].shape[:2]
        options = {"channel_axis": -1, **self.options}
        if self.missing:
            options["nodata"] = 0
        if self.guides:
            options["guides"] = self._guides(random, images, target)
        if self.task in ("generate", "inpaint"):
            options["rng"] = 0
        one = images[0] if len(images) == 1 else images
        part = np.zeros(images[0].shape[:2], bool)
        part[len(part) // 4 : len(part) // 2, len(part) // 4 : len(part) // 2] = True
        if self.task == "generate":
            arguments = [one, self.n]
            options["shape"] = target
        elif self.task == "edit":
            arguments = [one, np.roll(one, 5, axis=0)]
            options["mask"] = part if self.mask else None
        else:
            arguments = {
                "retarget": [one, target],
                "collage": [images, target],
                "analogy": images,
                "inpaint": [one, part],
            }[self.task]
        return getattr(pnn, self.task), arguments, options

    def _sides(self, sides, tiny):
        """A long image stays one when it is tiny, so that there are as many levels and steps."""
        scale = TINY / min(sides) if tiny else 1
        return tuple(min(round(side * scale), round(side) if not tiny else 4 * TINY)
                     for side in sides)  # fmt: skip

    def _image(self, random, sides):
        """Waves with noise."""
        rows, columns = np.arange(sides[0])[:, None, None], np.arange(sides[1])[:, None]
        values = np.sin(rows / 9 + columns / 5 + np.arange(self.channels), dtype=np.float32)
        values = (values + 1) * 0.4 + random.random(values.shape, np.float32) * np.float32(
            self.noise
        )
        dtype = np.dtype(self.dtype)
        if self.labels:
            values = np.minimum(values * self.labels, self.labels - 1)
            values.ravel()[: self.labels] = range(self.labels)
        elif dtype.kind in "ui":
            values *= min(np.iinfo(dtype).max, 10_000)
        image = np.squeeze(values.astype(dtype))
        holes = random.random(sides) < 0.001
        holes[3:9, 4:10] = True
        if self.missing:
            image[holes] = 0
        if self.hidden:
            image = np.ma.MaskedArray(image, np.broadcast_to(holes.T, image.T.shape).T)
        return image

    def _guides(self, random, images, target):
        sources = images
        if self.task == "analogy":
            sources, target = images[:1], images[1].shape[:2]
        return [
            ([random.random(image.shape[:2]) for image in sources], random.random(target), 0.5)
            for _ in range(self.guides)
        ]


def warm_up(case):
    """Compile or load all kernels."""
    import pnncupy.search.method
    from pnncupy.search import pruned_search

    task, arguments, options = case.call(tiny=True)
    exact_below = pnncupy.search.method.EXACT_BELOW
    for least in (0, exact_below):
        pnncupy.search.method.EXACT_BELOW = least
        for incremental in (True, False):
            task(*arguments, **{**options, "incremental": incremental})
    # Trees too, which tiny images do without.
    names = ("LEAST_PAIRS", "_MOST_OF_SEARCH", "_MOST_LEFT")
    before = [getattr(pruned_search, name) for name in names]
    for name, value in zip(names, (0, np.inf, 1), strict=True):
        setattr(pruned_search, name, value)
    task(*arguments, **options)
    for name, value in zip(names, before, strict=True):
        setattr(pruned_search, name, value)
    search_sparse(case)


def search_sparse(case):
    """Search for single patches, which tiny images may do without."""
    from pnncupy.kernels.numba_cpu import engine as numba_cpu
    from pnncupy.kernels.protocol import SearchRequest

    planes = (case.labels or case.channels) + case.guides
    size = case.options.get("patch_size", 7)
    image = np.zeros((planes, TINY, TINY), np.float32)
    shape = (TINY - size + 1, TINY - size + 1, 1)
    active = np.arange(shape[0] ** 2).reshape(shape[:2]) == 0
    for weight in (None, np.ones(shape[:2], np.float32)):
        numba_cpu.update_nearest(
            SearchRequest(
                image, image, size, weight, np.full(shape, np.inf, np.float32),
                np.full(shape, -1, np.int32), first_index=0, index_stride=TINY, active=active,
            ),
            threads=1, tick=lambda pairs: None,
        )  # fmt: skip


def least_limit(task, arguments, options):
    """The limit that refusals name, in bytes."""
    from pnncupy.errors import Cancelled
    from pnncupy.memory_limit import parse_bytes

    limit = 1
    while True:
        try:
            task(*arguments, **options, max_memory=limit, callback=lambda event: False)
        except MemoryError as refused:
            named = re.search(r"at least ([\d.]+ \w+)", str(refused))[1]
            limit = parse_bytes("max_memory", named.removesuffix(" bytes"))
        except Cancelled:
            return limit


def wait_for_parent(told=None):
    print(json.dumps(told), flush=True)
    input()


def child(case):
    task, arguments, options = case.call()
    warm_up(case)
    least = least_limit(task, arguments, options)
    limit = None if case.share is None else round(case.share * least)
    if AGAIN not in os.environ:
        # Some kernels only work on large images. The compiler leaves a heap full of holes, so begin
        # again with all kernels in the cache.
        task(*arguments, **options, max_memory=limit)
        os.environ[AGAIN] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else the call could use freed memory again, unseen
    wait_for_parent({"least": least, "limit": limit})
    result = task(*arguments, **options, max_memory=limit)
    wait_for_parent()
    del result


def status(process, name):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def growth(case):
    """The least limit, the limit, and how much the process grew, in bytes."""
    process = subprocess.Popen(
        [sys.executable, __file__, "child", json.dumps(case)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        told = json.loads(process.stdout.readline())
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # forget the peak so far
        before = status(process, "VmRSS")
        process.stdin.write("\n")
        process.stdin.flush()
        json.loads(process.stdout.readline())
        return {**told, "growth": status(process, "VmHWM") - before}
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(Case(**json.loads(sys.argv[2])))
    else:
        print(json.dumps(growth(json.loads(sys.argv[1]))))
