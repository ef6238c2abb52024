"""Measures of results: copies, likeness to the source, variety, materials.

| function | question |
|---|---|
| `psnr`, `near_copy` | how near is a result to its source, pixel by pixel |
| `translation_share` | how much of a result is its source, moved |
| `coherence`, `completeness`, `bidirectional_dissimilarity` | which patches are new, or missing |
| `patch_swd`, `sifid` | how far apart are the distributions of patches, or of learned features |
| `diversity`, `sharpness_ratio` | how much do samples differ; is a result blurred |
| `phase_fractions`, `two_point_correlation` | are a material's statistics those of its source |
| `cluster_correlation`, `connectivity_function` | how far do clusters of a phase reach |
| `lineal_path`, `chord_lengths` | how long are straight pieces of a phase |
| `local_thickness`, `thickness_distribution` | how thick is a phase, how large are pores |
| `surface_area`, `euler_characteristic` | how much boundary has a phase, and is it connected |
| `variogram` | how do values differ with their distance |
| `rev_curve` | how large must an image be |
| `ensemble` | how do realisations differ, pixel by pixel |
| `cross_validate` | how near are realisations to known pixels that were hidden |
| `describe`, `compare` | all of these, of one image or of a source and its realisations |

All take `(source, result)`, `translation_share` an index map. `result` is one image, or several as
a list or as a stack along a first axis, such as tasks return; measures then return a list with one
value each, `diversity` one value for all.
"""

from pnncupy.metrics.bidirectional import bidirectional_dissimilarity, coherence, completeness
from pnncupy.metrics.clusters import (
    ClusterCorrelation,
    ConnectivityFunction,
    cluster_correlation,
    connectivity_function,
)
from pnncupy.metrics.comparison import Comparison, DescriptorComparison, compare
from pnncupy.metrics.copies import NEAR_COPY_DECIBELS, NearCopy, near_copy, translation_share
from pnncupy.metrics.cross_validation import (
    CrossValidation,
    LabelCrossValidation,
    cross_validate,
)
from pnncupy.metrics.description import Curve, Description, PhaseDescription, Value, describe
from pnncupy.metrics.distributions import patch_swd
from pnncupy.metrics.ensembles import Ensemble, LabelEnsemble, ensemble
from pnncupy.metrics.features import inception_features, sifid
from pnncupy.metrics.image_quality import diversity, psnr, sharpness_ratio
from pnncupy.metrics.line_segments import ChordLengths, LinealPath, chord_lengths, lineal_path
from pnncupy.metrics.materials import (
    PhaseFractions,
    TwoPointCorrelation,
    phase_fractions,
    two_point_correlation,
)
from pnncupy.metrics.minkowski import SurfaceArea, euler_characteristic, surface_area
from pnncupy.metrics.representative_size import RevCurve, rev_curve
from pnncupy.metrics.thickness import (
    ThicknessDistribution,
    local_thickness,
    thickness_distribution,
)
from pnncupy.metrics.variograms import Variogram, variogram

__all__ = [
    "NEAR_COPY_DECIBELS",
    "ChordLengths",
    "ClusterCorrelation",
    "Comparison",
    "ConnectivityFunction",
    "CrossValidation",
    "Curve",
    "Description",
    "DescriptorComparison",
    "Ensemble",
    "LabelCrossValidation",
    "LabelEnsemble",
    "LinealPath",
    "NearCopy",
    "PhaseDescription",
    "PhaseFractions",
    "RevCurve",
    "SurfaceArea",
    "ThicknessDistribution",
    "TwoPointCorrelation",
    "Value",
    "Variogram",
    "bidirectional_dissimilarity",
    "chord_lengths",
    "cluster_correlation",
    "coherence",
    "compare",
    "completeness",
    "connectivity_function",
    "cross_validate",
    "describe",
    "diversity",
    "ensemble",
    "euler_characteristic",
    "inception_features",
    "lineal_path",
    "local_thickness",
    "near_copy",
    "patch_swd",
    "phase_fractions",
    "psnr",
    "rev_curve",
    "sharpness_ratio",
    "sifid",
    "surface_area",
    "thickness_distribution",
    "translation_share",
    "two_point_correlation",
    "variogram",
]
