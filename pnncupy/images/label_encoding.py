"""Label images: one plane for each label inside, labels outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pnncupy import arrays
from pnncupy.arrays import Array
from pnncupy.images.label_costs import LabelCosts, Rows, label_embedding


@dataclass(frozen=True)
class LabelEncoding:
    """Encoding of the label images of a call as planes, and of results back.

    A label is a plane that is 1 at its pixels and 0 elsewhere, so that means of planes are shares
    of votes, and the label of the largest share wins, of equal ones the lowest.

    Attributes
    ----------
    labels : (K,) array
        The labels of all sources, rising.
    dtype : dtype of the images
    channel_axis : int or None
        Axis of the one channel, if there is such an axis.
    embedding : R rows of K floats, or None
        Combinations that replace the planes where labels are compared, if costs differ.
    """

    labels: Array
    dtype: Any
    channel_axis: int | None
    embedding: Rows | None = None

    def encode(self, image_planes: Array, name: str = "") -> Array:
        """(1, H, W) labels to (K, H, W) float32; `name` is not needed."""
        xp = arrays.namespace(image_planes)
        labels = xp.reshape(xp.asarray(self.labels), (-1, *(1,) * (image_planes.ndim - 1)))
        return xp.ascontiguousarray(xp.astype(image_planes == labels, xp.float32))

    def decode(self, working: Array) -> Array:
        """(K, h, w) shares to labels with the caller's dtype and axes."""
        xp = arrays.namespace(working)
        best = xp.argmax(working, axis=0)
        labels = xp.asarray(self.labels)[best]
        if self.channel_axis is not None:
            labels = xp.expand_dims(labels, axis=self.channel_axis)
        return xp.ascontiguousarray(labels.astype(self.dtype))

    @property
    def compared(self) -> int:
        """Number of planes that are compared."""
        return len(self.labels) if self.embedding is None else len(self.embedding)

    @property
    def weights(self) -> Array:
        """Weights of the compared planes that make a distance the mean cost of a pixel.

        Without costs that is the share of pixels whose labels differ.
        """
        factor = 0.5 if self.embedding is None else 1
        return np.full(self.compared, self.compared * factor)


def label_encoding_of(
    names: Sequence[str],
    planes: Sequence[Array],
    known: Sequence[Array | None],
    channel_axis: int | None,
    dtype: Any,
    label_costs: LabelCosts | None = None,
) -> LabelEncoding:
    """The form for the labels of some sources, of which only known pixels count."""
    found = []
    for name, image, mask in zip(names, planes, known, strict=True):
        if image.dtype.kind not in "biu":
            raise TypeError(
                f"`{name}` must hold integers or bool with `categorical`, got dtype {image.dtype}; "
                "number the labels first, for example with `numpy.unique(..., return_inverse=True)`"
            )
        if image.shape[0] != 1:
            raise ValueError(
                f"`{name}` must have one channel with `categorical`, got {image.shape[0]}"
            )
        found.append(np.unique(arrays.on_host(image[0] if mask is None else image[0][mask])))
    labels = np.unique(np.concatenate(found))
    embedding = label_embedding(label_costs, labels.tolist())
    return LabelEncoding(arrays.like(labels, planes[0]), dtype, channel_axis, embedding)


def check_labels(name: str, image: Array, form: LabelEncoding) -> None:
    """Refuse labels that no source has: nothing could be compared with them."""
    known = arrays.on_host(form.labels)
    foreign = np.setdiff1d(arrays.on_host(image), known)
    if foreign.size:
        raise ValueError(
            f"`{name}` must hold labels of the source only, got {foreign[0]}, which is not among "
            f"{known.tolist() if len(known) <= 10 else f'its {len(known)}'}"
        )
