"""Noise levels of a diffusion, from coarse to fine."""

from dataclasses import dataclass

import numpy as np

# Noise that makes up half of a mix with an image, in units of the value range: half of the range.
_HALF = 0.5
# Share of noise below the coarsest level over the largest share: what is coarser has been decided.
_FINER_SHARE = 1 / 3
_LEAST_STEPS = 4
# Steps at the smallest noise that follow without any: overlapping patches come to agree.
_SETTLING = 1


@dataclass(frozen=True)
class NoiseSchedule:
    """Noise levels of a diffusion, in units of the value range.

    They fall in equal steps of the share of noise, ``sigma / (sigma + 0.5)``: the schedule of flow
    matching (Lipman et al. 2022, doi:10.48550/arXiv.2210.02747) for images from -1 to 1.

    Attributes
    ----------
    steps : int
        At the coarsest level; a fifth as many below, four at least.
    sigma_max, sigma_min : float
        Largest noise at the coarsest level, and the smallest one; below the coarsest level shares
        begin with a third of the largest one.
    """

    steps: int
    sigma_max: float
    sigma_min: float

    def levels(self, *, coarsest: bool) -> list[float]:
        """Noise levels of a pyramid level, falling to the smallest one, which is repeated."""
        most, least = (sigma / (sigma + _HALF) for sigma in (self.sigma_max, self.sigma_min))
        count = self.steps
        if not coarsest:
            most = max(least, _FINER_SHARE * most)
            count = min(count, max(_LEAST_STEPS, count // 5))
        falling = [_HALF * share / (1 - share) for share in np.linspace(most, least, count)]
        return [float(sigma) for sigma in falling[:-1]] + [self.sigma_min] * (1 + _SETTLING)
