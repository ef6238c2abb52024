"""Searches that follow each other and keep the matches of patches that stay as they are.

They are for GPUs, where an engine itself proves what it can of patches that moved.
"""

import math
from collections.abc import Sequence

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.engine.interface import StepRequest
from pnncupy.search.candidate_lists import Keys
from pnncupy.search.exact import (
    NO_FINITE_DISTANCE,
    NearestNeighborField,
    SearchSettings,
    search,
)
from pnncupy.search.patch_grid import Layout


class ChangedPatchSearch:
    """Searches without lists: with plain distances, of changed patches only."""

    def __init__(self, settings: SearchSettings, keys: Keys, needed: Array | None):
        self._settings = settings
        self._keys = keys
        self._needed = needed
        self._query: Array | None = None
        self._found: NearestNeighborField

    def search(self, query: Array) -> NearestNeighborField:
        """Best key of every query patch."""
        keys, active = self._keys, self._needed
        following = self._query is not None and math.isinf(self._settings.alpha)
        if following:
            active = self._settings.grid(query).changed(query, self._query)
            active = active if self._needed is None else active & self._needed
        found = search(self._settings, query, keys.images, keys.layout, active)
        if following:
            xp = arrays.namespace(query)
            found = NearestNeighborField(
                xp.where(active, found.index, self._found.index),
                xp.where(active, found.score, self._found.score),
            )
        self._query, self._found = query, found
        return found


class DeviceSearch:
    """Searches with plain distances that an engine makes without a word to the host."""

    def __init__(
        self,
        settings: SearchSettings,
        images: Sequence[Array],
        layout: Layout,
        needed: Array | None,
    ):
        self._steps = settings.engine.step_search(
            StepRequest(
                tuple(images), layout.stack(images), layout.first_indices, layout.width,
                layout.slice_stride, settings.patch_size, needed,
            ),
            tick=settings.tick,
        )  # fmt: skip

    def search(self, query: Array) -> NearestNeighborField:
        """Best key of every query patch, without scores; `check` afterwards."""
        return NearestNeighborField(self._steps.search(query), None)

    def check(self) -> None:
        """Raise as `exact.finished` does where a key was not found; waits for the device."""
        if self._steps.missing():
            raise ValueError(NO_FINITE_DISTANCE)
