"""Schedule of the pyramid levels."""

from collections.abc import Sequence
from dataclasses import dataclass

from pnncupy.images.pyramid import Ratio, level_shape
from pnncupy.synthesis.voting import VOTE_WIDTH

KEYS = ("blurred", "sharp", "both")
_FINEST_LEVELS = 2


@dataclass(frozen=True)
class Schedule:
    """Schedule of the pyramid levels; level 0 is full size.

    Attributes
    ----------
    ratio : float, or one for each axis
        Side of a level over the side of the next finer one, below 1.
    levels : int
        The coarsest level.
    iterations, coarse_iterations : int
        PNN steps at each level, and at the coarsest.
    keys : {"blurred", "sharp", "both"}
        What queries are compared with below the coarsest level: the next coarser level enlarged;
        that in the first iteration and then the level itself; or both together.
    vote : str
        How the patches make an image.
    incremental : bool
        Skip the work that cannot change the result.
    quick_iterations : int, optional
        PNN steps instead at levels coarser than the two finest.
    vote_width : float
        Width of the weights of the vote, where they have one.
    """

    ratio: Ratio
    levels: int
    iterations: int
    coarse_iterations: int
    keys: str
    vote: str
    incremental: bool
    quick_iterations: int | None = None
    vote_width: float = VOTE_WIDTH

    def steps(self, level: int) -> int:
        """PNN steps at a level."""
        if level == self.levels:
            return self.coarse_iterations
        if self.quick_iterations is not None and level >= _FINEST_LEVELS:
            return self.quick_iterations
        return self.iterations

    def shape(self, shape: Sequence[int], level: int) -> tuple[int, ...]:
        """Pixels at a level of what has `shape` at full size."""
        return level_shape(shape, level, self.ratio)

    def key_kinds(self, level: int, step: int) -> tuple[str, ...]:
        """The key sets of a PNN step, the one that wins ties first."""
        if level == self.levels:
            return ("sharp",)
        if self.keys == "both":
            return ("blurred", "sharp")
        return ("sharp",) if self.keys == "sharp" and step > 0 else ("blurred",)
