"""Interface of the kernels for the packages above: protocol, requests, random numbers."""

from pnncupy.kernels.exp2 import exp2
from pnncupy.kernels.match_words import pack, unpack
from pnncupy.kernels.protocol import (
    Engine,
    ListRequest,
    MeanRequest,
    PassRequest,
    SearchRequest,
    StepRequest,
    Tick,
    refuse_lists,
)
from pnncupy.kernels.random_bits import combined, drawn

__all__ = [
    "Engine", "ListRequest", "MeanRequest", "PassRequest", "SearchRequest", "StepRequest", "Tick",
    "combined", "drawn", "exp2", "pack", "refuse_lists", "unpack",
]  # fmt: skip
