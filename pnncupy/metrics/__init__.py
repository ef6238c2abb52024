"""Measures of results: copies, likeness to the source, variety, materials.

| function | question |
|---|---|
| `psnr`, `near_copy` | how near is a result to its source, pixel by pixel |
| `translation_share` | how much of a result is its source, moved |
| `coherence`, `completeness`, `bidirectional_dissimilarity` | which patches are new, or missing |
| `patch_swd`, `sifid` | how far apart are the distributions of patches, or of learned features |
| `diversity`, `sharpness_ratio` | how much do samples differ; is a result blurred |
| `phase_fractions`, `two_point_correlation` | are a material's statistics those of its source |

All take `(source, result)`, `translation_share` an index map. `result` is one image, or several as
a list or as a stack along a first axis, such as tasks return; measures then return a list with one
value each, `diversity` one value for all.
"""

from pnncupy.metrics.bidirectional import bidirectional_dissimilarity, coherence, completeness
from pnncupy.metrics.copies import NEAR_COPY_DECIBELS, NearCopy, near_copy, translation_share
from pnncupy.metrics.distributions import patch_swd
from pnncupy.metrics.features import inception_features, sifid
from pnncupy.metrics.image_quality import diversity, psnr, sharpness_ratio
from pnncupy.metrics.materials import (
    PhaseFractions,
    TwoPointCorrelation,
    phase_fractions,
    two_point_correlation,
)

__all__ = [
    "NEAR_COPY_DECIBELS",
    "NearCopy",
    "PhaseFractions",
    "TwoPointCorrelation",
    "bidirectional_dissimilarity",
    "coherence",
    "completeness",
    "diversity",
    "inception_features",
    "near_copy",
    "patch_swd",
    "phase_fractions",
    "psnr",
    "sharpness_ratio",
    "sifid",
    "translation_share",
    "two_point_correlation",
]
