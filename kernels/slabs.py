"""Volumes as stacks of slabs: images whose planes are those of a patch's depth.

A patch of pz x py x px voxels of C channels is a patch of py x px pixels of pz * C channels. With
the channels of a slice side by side, (Z, C, Y, X), each slab is a part of the volume that needs no
copy: an image of pz * C planes. What searches images so searches volumes, one pair of slabs after
the other, with the same distances in the same order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pnncupy.kernels.protocol import Array, PassRequest, SearchRequest, Tick
from pnncupy.kernels.tiling import run
from pnncupy.patch_shape import PatchSize, patch_sides

Search = Callable[..., None]


def is_volume(image: Array, patch_size: PatchSize) -> bool:
    """Test whether an image is searched slab by slab, as are those with patches of two sides."""
    return image.ndim == 4 or not isinstance(patch_size, int)


def in_slabs(request: SearchRequest) -> bool:
    """Test whether a search is one of volumes."""
    return bool(request.query.ndim == 4)


def volume_of(image: Array) -> Array:
    """Image (C, H, W) as a volume of one slice; volumes as they are."""
    return image[:, None] if image.ndim == 3 else image


def volume_sides(patch_size: PatchSize, axes: int) -> tuple[int, int, int]:
    """Sides of a patch in a volume; of images they are one slice deep."""
    sides = patch_sides(patch_size, axes)
    depth, rows, columns = (1, *sides) if len(sides) == 2 else sides
    return depth, rows, columns


def interleaved(volume: Array) -> Array:
    """Planes (Z * C, Y, X) of a volume (C, Z, Y, X): a view of volumes with one channel."""
    return volume.transpose(1, 0, 2, 3).reshape(-1, *volume.shape[2:])


def addresses(numbers: Array, volume: Array) -> Array:
    """Places of flat indices of voxels among the values of the interleaved planes, int64."""
    channels, _, height, width = volume.shape
    wide = numbers.astype(np.int64)
    return wide + wide // (height * width) * ((channels - 1) * height * width)


def lifted_pass(request: PassRequest) -> PassRequest:
    """Return a pass over an image with patches of two sides as one over a volume of one slice."""
    if isinstance(request.patch_size, int) or request.query.ndim == 4:
        return request

    def lifted(field: Array | None) -> Array | None:
        return None if field is None else field[None]

    return replace(
        request,
        query=volume_of(request.query), key=volume_of(request.key),
        patch_size=volume_sides(request.patch_size, 2), usable=request.usable[None],
        index=request.index[None], sums=request.sums[None], out_index=request.out_index[None],
        out_sums=request.out_sums[None], bound=lifted(request.bound),
        key_words=lifted(request.key_words), active=lifted(request.active),
    )  # fmt: skip


def search_slabs(search: Search, request: SearchRequest, threads: int, tick: Tick) -> None:
    """Search each slab of the query among all slabs of the key, with a search of images.

    Slabs of the query are searched at the same time, unless the keys learn their nearest query too.
    """
    slabs = _Slabs(request)
    depth = request.shape[0]
    if request.key_score is not None or depth < threads:
        for z in range(depth):
            for key_z in range(request.key_shape[0]):
                slabs.search(search, z, key_z, threads, tick)
        return

    def slab(z: int) -> Iterator[int]:
        pairs: list[int] = []
        for key_z in range(request.key_shape[0]):
            slabs.search(search, z, key_z, 1, pairs.append)
            yield sum(pairs)
            pairs.clear()

    run(map(slab, range(depth)), threads, tick)


class _Slabs:
    """The searches of a volume's slabs."""

    def __init__(self, request: SearchRequest):
        self._request = request
        self._query, self._key = interleaved(request.query), interleaved(request.key)
        (self._depth, *rest), self._channels = request.sides, len(request.query)
        self._rest: PatchSize = rest[0] if rest[0] == rest[1] else tuple(rest)

    def search(self, search: Search, z: int, key_z: int, threads: int, tick: Tick) -> None:
        """Search one slab of the query in one of the key."""
        own, request = self._request, self._of(z, key_z)
        if request.active is not None and not bool(request.active.any()):
            return
        before = None if request.key_score is None else request.key_score.copy()
        search(request, threads=threads, tick=tick)
        if before is not None and request.key_index is not None:
            height, width = own.query.shape[2:]
            request.key_index[request.key_score != before] += np.int32(z * height * width)

    def _of(self, z: int, key_z: int) -> SearchRequest:
        """Return the search of one slab in another."""
        own = self._request
        _, height, _ = own.key.shape[1:]
        # Rows of the next slice follow those of a slice in the layout of the indices.
        slice_stride = own.slice_stride or height * own.index_stride

        def at(field: Array | None, place: int) -> Array | None:
            return None if field is None else field[place]

        return SearchRequest(
            self._slab(self._query, z), self._slab(self._key, key_z), self._rest,
            at(own.weight, key_z), own.score[z], own.index[z], own.index_stride,
            own.first_index + key_z * slice_stride, at(own.active, z), at(own.key_score, key_z),
            at(own.key_index, key_z),
        )  # fmt: skip

    def _slab(self, planes: Array, z: int) -> Array:
        return planes[z * self._channels : (z + self._depth) * self._channels]


def weight_table(weight: Sequence[float] | Sequence[Sequence[float]] | None, sides: Any) -> Array:
    """Weights of all pixels of a patch, from one side of them or one for each axis; float32."""
    assert weight is not None
    each = [weight] * len(sides) if np.ndim(weight[0]) == 0 else weight
    table: Array = np.ones((), np.float32)
    for values in each:
        table = table[..., None] * np.asarray(values, np.float32)
    return table
