"""Distance of the distributions of learned features (SIFID)."""

import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pnncupy import arrays, validation
from pnncupy.arrays import Array
from pnncupy.engine.transfer import on_engine_device
from pnncupy.images.intensity_encoding import intensity_encoding_of, value_range
from pnncupy.images.planes import ChannelAxis, as_planes, from_planes
from pnncupy.images.result_images import check_one_source, for_each_result
from pnncupy.metrics.common import pair_of_planes
from pnncupy.parameter_hints import hint_at_names

Features = Callable[[Any], Any]

_NOT_COMPARABLE = (
    "these are torchvision's weights, not those of the published SIFID figures, so values are not "
    "comparable with them"
)
_FETCH = "from torchvision.models import inception_v3; inception_v3(weights='DEFAULT')"
# Fewer pixels leave nothing after two strides and three convolutions without padding.
_SMALLEST_SIDE = 11


@hint_at_names
@on_engine_device
def sifid(
    source: Any,
    result: Any,
    features: Features | None = None,
    *,
    channel_axis: ChannelAxis = "auto",
) -> Any:
    """Fréchet distance of the local features of two images (single-image FID).

    Parameters
    ----------
    source : (HS, WS) or (HS, WS, C) array of any real dtype
    result : (H, W) or (H, W, C) array with the channels of `source`, or several
        In the units of `source`; sizes may differ. Several are a list or a stack.
    features : callable, optional
        Takes an image, (H, W) or (H, W, C) as it was given here but with its channels last, and
        returns (N, F) or (h, w, F) real numbers: F features at each of N >= 2 places. Default:
        `inception_features` with the value range of `source`.
    channel_axis : int, None or "auto", default "auto"
        Axis of the channels of 3-D arrays.

    Returns
    -------
    float, or list of float for several results
        ``|m1 - m2|**2 + trace(S1 + S2 - 2 (S1 S2)**(1/2))`` of the means and covariances of the
        features, in their squared units; at least 0, and 0 for equal images.

    Raises
    ------
    TypeError
        An argument has the wrong type, or the arrays belong to different libraries.
    ValueError
        Channels differ, or `features` does not return what it must.
    ImportError, FileNotFoundError
        Without `features`: see `inception_features`.

    Notes
    -----
    Rott Shaham et al. 2019, doi:10.1109/ICCV.2019.00467. The default features are not those of
    the published figures: see `inception_features`. The trace of the root is the sum of the
    singular values of ``S1**(1/2) S2**(1/2)``: symmetric roots stay real where covariances are
    singular. Cost of the features plus O(N F**2 + F**3); the distance is computed on the host.

    Examples
    --------
    >>> import numpy as np
    >>> from pnncupy import metrics
    >>> source = np.random.default_rng(0).random((20, 30, 3))
    >>> round(metrics.sifid(source, source + 0.5, features=lambda image: image), 6)
    0.75
    """
    validation.optional_callable("features", features)
    check_one_source(source)
    found: dict[str, Features] = {} if features is None else {"features": features}

    def measure(image: Any, name: str) -> float:
        pair = pair_of_planes(source, image, channel_axis, name=name)
        if not found:  # loaded once, after the images were checked
            found["features"] = inception_features(data_range=value_range(pair[:1], None))
        gaussians = [
            _gaussian(found["features"](from_planes(planes, each, -1)))
            for planes, each in zip(pair, (source, image), strict=True)
        ]
        if gaussians[0][0].shape != gaussians[1][0].shape:
            raise ValueError(
                "`features` must return as many features for both images, got "
                f"{gaussians[0][0].size} for `source` and {gaussians[1][0].size} for `{name}`"
            )
        return _frechet_distance(*gaussians)

    return for_each_result(measure, source, result, channel_axis)


def _gaussian(found: Any) -> tuple[Any, Any]:
    """Mean and covariance of what `features` returned."""
    arrays.library("features(...)", found)
    arrays.check_real("features(...)", found)
    values = np.asarray(arrays.on_host(found), dtype=np.float64)
    if values.ndim not in (2, 3) or 0 in values.shape or values[..., 0].size < 2:
        raise ValueError(
            "`features` must return (N, F) or (h, w, F) numbers at 2 or more places, got shape "
            f"{values.shape}"
        )
    arrays.check_finite("features(...)", values, np)
    vectors = values.reshape(-1, values.shape[-1])
    return vectors.mean(axis=0), np.atleast_2d(np.cov(vectors, rowvar=False))


def _frechet_distance(one: tuple[Any, Any], other: tuple[Any, Any]) -> float:
    """Squared Fréchet distance of two Gaussians, each (mean, covariance)."""
    from scipy.linalg import svdvals

    (mean, covariance), (other_mean, other_covariance) = one, other
    common = svdvals(_symmetric_root(covariance) @ _symmetric_root(other_covariance)).sum()
    traces = np.trace(covariance) + np.trace(other_covariance)
    return max(0.0, float(((mean - other_mean) ** 2).sum() + traces - 2 * common))


def _symmetric_root(covariance: Any) -> Any:
    from scipy.linalg import eigh

    values, vectors = eigh(covariance)
    # Eigenvalues that should be 0 may be rounded below.
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@hint_at_names
def inception_features(
    weights: Any = None, device: str = "cpu", *, data_range: Any = None
) -> Features:
    """Features of Inception v3 up to its first pooling, for `sifid`.

    Nothing is downloaded: the weights must be there. They are torchvision's, not those of the
    published SIFID figures (a port of another training to PyTorch), so that values are not
    comparable with published ones; compare values of this function with each other only.

    Parameters
    ----------
    weights : path, optional
        File with the state of ``torchvision.models.inception_v3``. Default: where torchvision
        keeps it, ``torch.hub.get_dir()/checkpoints``.
    device : str, default "cpu"
        Where torch computes, such as "cuda".
    data_range : (float, float), optional
        What becomes 0 and 1. Default, for each image: 0 to 255 for uint8, 0 to 1 for bool, else
        its smallest and largest value; give it to compare images of other dtypes.

    Returns
    -------
    callable
        Takes an image (H, W), (H, W, 1) or (H, W, 3) of at least 11 x 11 pixels and returns its
        features, (h, w, 64) float32, NumPy; h and w are about a quarter of H and W.

    Raises
    ------
    ImportError
        torch or torchvision is not installed: ``pip install 'pnncupy[fid]'``.
    FileNotFoundError
        There are no weights; the message says which file is missing, and what fetches it.
    ValueError
        `weights` is not the state of torchvision's Inception v3; or, when called, the image
        has another number of channels or is too small.

    Notes
    -----
    Grey images become three equal channels, and images are not resized. Values in [0, 1]
    become ``2 v - 1``, which torchvision's normalisation and its ``transform_input`` come to.
    Szegedy et al. 2016, doi:10.1109/CVPR.2016.308; the layer is that of Rott Shaham et al. 2019,
    doi:10.1109/ICCV.2019.00467. Memory O(64 pixels), about 1 KB a pixel.

    Examples
    --------
    >>> from pnncupy import metrics
    >>> try:
    ...     features = metrics.inception_features(weights="missing.pth")
    ... except (ImportError, FileNotFoundError) as error:
    ...     print(type(error).__name__ in ("ImportError", "FileNotFoundError"))
    True
    """
    validation.optional_path("weights", weights)
    validation.text("device", device)
    try:
        import torch
        import torchvision
    except ImportError as error:
        raise ImportError(
            f"`inception_features` needs torch and torchvision ({error}); install them with "
            "`pip install 'pnncupy[fid]'`, or pass another callable as `features`"
        ) from error
    state = _loaded(_weights_file(weights, torch, torchvision), torch)
    network = torchvision.models.inception_v3(weights=None, init_weights=False)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            "`weights` must be the state of torchvision's inception_v3, got a file of something "
            f"else: {str(error)[:200]}"
        ) from error
    stem = torch.nn.Sequential(
        network.Conv2d_1a_3x3, network.Conv2d_2a_3x3, network.Conv2d_2b_3x3, network.maxpool1
    )
    return partial(_run, stem.to(device).eval(), device, data_range)


def _weights_file(weights: Any, torch: Any, torchvision: Any) -> Path:
    """The file, which is there."""
    if weights is not None:
        if not Path(weights).is_file():
            raise FileNotFoundError(f"`weights` must be a file, got {os.fspath(weights)!r}")
        return Path(weights)
    url = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.url
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not file.is_file():
        raise FileNotFoundError(
            f"the weights of Inception v3 are missing: {file}; fetch them (104 MB) with "
            f'`python -c "{_FETCH}"`, or pass a file as `weights`. Note that {_NOT_COMPARABLE}.'
        )
    return file


def _loaded(file: Path, torch: Any) -> Any:
    """Content of a file of tensors; code in it is not run."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(
            f"`weights` must be a file that torch has saved, got {str(file)!r}: {str(error)[:200]}"
        ) from error


def _run(stem: Any, device: str, data_range: Any, image: Array) -> Any:
    """Features of one image."""
    import torch

    planes = as_planes("image", image)
    channels, height, width = planes.shape
    if channels not in (1, 3):
        raise ValueError(
            f"`image` must be grey or have 3 channels, got {channels}; leave out an alpha channel, "
            "or pass other `features`"
        )
    if min(height, width) < _SMALLEST_SIDE:
        raise ValueError(
            f"`image` must be at least {_SMALLEST_SIDE} pixels on either side, got "
            f"{height} x {width}"
        )
    form = intensity_encoding_of([planes], [image], -1, data_range)
    values = np.repeat(arrays.on_host(form.encode(planes)), 3 // channels, axis=0)
    with torch.no_grad():
        found = stem(torch.from_numpy(2 * values - 1)[None].to(device))[0]
    return found.permute(1, 2, 0).cpu().numpy()
