"""Searches of engine `cupy` that follow each other on the device; see `cuda/steps.cu`."""

import cupy
import numpy as np

from pnncupy.kernels.cupy_raw.launch import Launches, image, numbers, pointer, run_flat
from pnncupy.kernels.cupy_raw.nearest import SearchPlan, planes_of, search_band
from pnncupy.kernels.cupy_raw.sources import STEP_LENGTH, step_options
from pnncupy.kernels.protocol import Array, SearchRequest, StepRequest, Tick
from pnncupy.patch_shape import patch_sides


def step_search(request: StepRequest, *, tick: Tick) -> "DeviceSteps":
    """Begin searches that follow each other; see `protocol.Engine.step_search`."""
    return DeviceSteps(request, tick)


class DeviceSteps:
    """Searches that follow each other on the device; see `protocol.StepSearch`."""

    def __init__(self, request: StepRequest, tick: Tick):
        self._request = request
        channels, axes = len(request.canvas), request.canvas.ndim - 1
        self._sides = patch_sides(request.patch_size, axes)
        self._plan = SearchPlan.of(
            request.patch_size, self._sides, channels, length=STEP_LENGTH, some_active=True
        )
        self._options = step_options(self._sides, channels)
        self._keys = [self._plan.key_planes(key) for key in request.keys]
        self._launches = Launches(tick)
        # Until the first query the number of its patches is not known.
        self._query: Array | None = None
        self._state: tuple[Array, ...] = ()
        self._active: Array = None
        self._busy: Array = None
        self._missing: Array = None

    def search(self, query: Array) -> Array:
        """Search what changed since the last query; see `protocol.StepSearch.search`."""
        if self._query is None:
            self._begin(query)
        request, count = self._request, self._active.size
        run_flat(
            "steps.cu", "begin_step", self._options,
            (*image(query), *image(request.canvas), pointer(self._query), pointer(request.needed),
             *self._state, self._active, self._busy,
             *numbers((self._plan.tiling.strip, self._plan.chunk))),
            count,
        )  # fmt: skip
        self._compare(query)
        index = cupy.empty(self._active.shape, np.int32)
        run_flat(
            "steps.cu", "end_step", self._options,
            (*self._state, self._active, index, self._missing, self._busy,
             np.int64(self._busy.size)),
            count,
        )  # fmt: skip
        self._query = query
        return index

    def missing(self) -> bool:
        """Test whether a key was missing; see `protocol.StepSearch.missing`."""
        self._launches.leave()
        return self._missing is not None and bool(self._missing[0])

    def _begin(self, query: Array) -> None:
        shape = tuple(
            pixels - side + 1 for pixels, side in zip(query.shape[1:], self._sides, strict=True)
        )
        kinds = np.int32, np.float32, np.float32
        self._state = (
            cupy.empty((*shape, STEP_LENGTH), np.uint64),
            *(cupy.empty(shape, kind) for kind in kinds),
        )
        self._active = cupy.empty(shape, np.uint8)
        self._busy = cupy.zeros(self._plan.parts_shape(shape), np.uint8)
        self._missing = cupy.zeros(1, np.int32)

    def _compare(self, query: Array) -> None:
        """Lower the lists of the active patches to the best keys of all images."""
        request, lists, planes = self._request, self._state[0], planes_of(query)
        band = self._plan.slabs_of_launch(self._active.shape)
        for key, key_planes, first_index in zip(
            request.keys, self._keys, request.first_indices, strict=True
        ):
            whole = SearchRequest(
                query, key, request.patch_size, None, lists, lists, request.index_stride,
                first_index, self._active, slice_stride=request.slice_stride,
            )  # fmt: skip
            for first in range(0, len(lists), band):
                here = slice(first, first + band)
                search_band(
                    whole, self._plan, (planes, key_planes), lists[here], first,
                    self._busy[here], self._launches,
                )  # fmt: skip
