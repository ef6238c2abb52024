"""Interface of the kernels for the packages above: protocol, requests, random numbers."""

from pnncupy.kernels.match_words import pack, unpack
from pnncupy.kernels.protocol import (
    Engine,
    MeanRequest,
    PassRequest,
    SearchRequest,
    StepRequest,
    Tick,
    refuse_lists,
)
from pnncupy.kernels.random_bits import combined, drawn

__all__ = [
    "Engine", "MeanRequest", "PassRequest", "SearchRequest", "StepRequest", "Tick", "combined",
    "drawn", "pack", "refuse_lists", "unpack",
]  # fmt: skip
