"""Machine code of the exact search of engine `cupy`: instructions a pair, registers, shared memory.

Needs no GPU, but NVIDIA's compiler NVRTC and nvdisasm (`pip install nvidia-cuda-nvdisasm`). Counted
is the path on which no match is found, which nearly all pairs take, the loading of tiles included.
It raises where a count is above what is known to be possible.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pnncupy.kernels.cupy_raw import sources
from pnncupy.patch_shape import PatchSize

# Architectures, and of a device that has it the thread instructions a second that it can issue:
# multiprocessors x 128 x clock.
ARCHITECTURES = {
    80: ("A100", 108 * 128 * 1.41e9),
    89: ("RTX 4090", 128 * 128 * 2.52e9),
    90: ("H100", 132 * 128 * 1.755e9),
    120: ("RTX 5090", 170 * 128 * 2.41e9),
}


@dataclass(frozen=True)
class Case:
    """A search, and the most that its machine code may take.

    Attributes
    ----------
    patch, channels, weighted, length, reverse
        See `sources.nearest_options`.
    limit : float
        Instructions a pair.
    stack : int
        Bytes of a thread.
    registers : int
    """

    patch: PatchSize
    channels: int
    weighted: bool
    limit: float
    stack: int = 0
    registers: int = 255
    length: int = 1
    reverse: bool = False


CASES = (
    Case(3, 1, False, 14.5, registers=168),
    Case(5, 1, False, 15.5, registers=216),
    Case(5, 3, False, 26, registers=224),
    Case(7, 1, False, 18, stack=64),
    Case(7, 3, False, 30, stack=112),
    Case(7, 3, False, 31, stack=64, length=sources.STEP_LENGTH),
    Case(7, 3, True, 35, registers=232),
    Case(7, 3, True, 41, length=3, reverse=True),
    Case(7, 4, False, 37, stack=112),
    Case(11, 1, False, 26),
    Case(15, 1, False, 30),
    Case(15, 3, False, 55),
    Case(31, 1, False, 76),
    Case((3, 3, 3), 1, False, 24.5),
    Case((5, 5, 5), 1, False, 38.5),
)
_INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_BRANCH = re.compile(r"\bBRA\b.*?(\.L_x_\d+)")


def measure(threads: int) -> list[dict[str, Any]]:
    disassembler = nvdisasm()
    made = [
        (case, counts(disassembler, architecture, case))
        for architecture in ARCHITECTURES for case in CASES
    ]  # fmt: skip
    too_many = [
        row for case, row in made
        if row["a pair"] > case.limit or row["stack"] > case.stack
        or row["registers"] > case.registers
    ]  # fmt: skip
    if too_many:
        raise AssertionError(f"more instructions, stack or registers than need be: {too_many}")
    return [row for _, row in made]


def nvdisasm() -> str:
    """Path of NVIDIA's disassembler, of a toolkit or a wheel."""
    found = shutil.which("nvdisasm")
    package = find_spec("nvidia")
    for folder in () if package is None else package.submodule_search_locations or ():
        found = found or next(map(str, Path(folder).glob("cu*/bin/nvdisasm")), None)
    if found is None:
        raise SystemExit("nvdisasm is missing: `pip install nvidia-cuda-nvdisasm`")
    return found


def counts(disassembler: str, architecture: int, case: Case) -> dict[str, Any]:
    """What one search is compiled to."""
    kind = case.patch, case.channels, case.weighted
    options = sources.nearest_options(*kind, case.length, case.reverse)
    tiling = sources.nearest_tiling(*kind, case.reverse)
    assert tiling is not None
    depth, *_, columns = sources.sides_of(case.patch)
    code, log = compiled(options, architecture)
    search = log[log.index("Compiling entry function 'update_nearest'") :]
    trips = Trips(max(1, tiling.tile // rotation(columns)), depth * case.channels)
    tile = executed(instructions(disassembler, code), trips)
    a_pair = tile / (tiling.strip * tiling.tile)
    device, slots = ARCHITECTURES[architecture]
    return {
        "sm": architecture,
        "patch": str(case.patch),
        "channels": case.channels,
        "weighted": case.weighted,
        "length": case.length,
        "reverse": case.reverse,
        "strip": tiling.strip,
        "tile": tiling.tile,
        "a pair": round(a_pair, 1),
        "registers": _number(r"Used (\d+) registers", search),
        "shared": _number(r"(\d+) bytes smem", search),
        "stack": _number(r"(\d+) bytes stack frame", search),
        "device": device,
        "most pairs a second": float(f"{slots / a_pair:.3g}"),
    }


def rotation(patch_columns: int) -> int:
    """ROTATION of `nearest.cu`."""
    return 2 if patch_columns <= 3 else 4 if patch_columns <= 7 else 8


def _number(pattern: str, log: str) -> int:
    found = re.search(pattern, log)
    assert found is not None
    return int(found[1])


def compiled(options: tuple[str, ...], architecture: int) -> tuple[bytes, str]:
    """Machine code by NVRTC, and the compiler's log."""
    from cuda.bindings import nvrtc

    flags = [*options, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v"]
    _, program = nvrtc.nvrtcCreateProgram(sources.text("nearest.cu").encode(), b"", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(flags), [flag.encode() for flag in flags])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    _, size = nvrtc.nvrtcGetCUBINSize(program)
    code = b" " * size
    nvrtc.nvrtcGetCUBIN(program, code)
    return code, log.decode()


def instructions(disassembler: str, code: bytes) -> list[str]:
    """Instructions and labels of the search."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        text = subprocess.run(
            [disassembler, "-c", file.name], capture_output=True, text=True, check=True
        ).stdout
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip() == ".text.update_nearest:":
            break
    made = []
    for line in lines:
        if line.startswith(".text."):
            break
        if label := _LABEL.match(line):
            made.append(f"{label[1]}:")
        elif instruction := _INSTRUCTION.match(line):
            made.append(instruction[1])
    return made


@dataclass(frozen=True)
class Trips:
    """How often loops within the loop over tiles run: that over columns, and those over planes.

    The one over the columns of the ring runs once, but for the first tile.
    """

    columns: int
    planes: int

    def of(self, body: list[str], innermost: bool) -> int:
        """Return the turns of a loop, by what it does."""
        if any("FSETP" in line for line in body):
            return self.columns
        return self.planes if innermost else 1


def executed(code: list[str], trips: Trips) -> float:
    """Instructions that a thread executes for a tile, where no match is found."""
    places = {line[:-1]: number for number, line in enumerate(code) if line.endswith(":")}
    loops = list(_loops(code, places))
    # The loop over tiles has the barriers.
    first, last = max(
        (loop for loop in loops if any("BAR.SYNC" in line for line in code[slice(*loop)])),
        key=lambda loop: loop[1] - loop[0],
    )
    inner = [loop for loop in loops if first <= loop[0] and loop[1] < last]
    total = 0.0
    for number in _path(code, places, first, last):
        turns = 1
        for start, stop in inner:
            if start <= number <= stop:
                innermost = not any(start < other < stop for other, _ in inner)
                turns *= trips.of(code[start : stop + 1], innermost)
        total += turns
    return total


def _loops(code: list[str], places: dict[str, int]) -> Iterator[tuple[int, int]]:
    """First and last line of each loop: branches back."""
    for number, line in enumerate(code):
        target = _BRANCH.search(line)
        if target and places.get(target[1], number) < number:
            yield places[target[1]], number


def _path(code: list[str], places: dict[str, int], first: int, last: int) -> Iterator[int]:
    """The lines that are executed in turn where no branch to what lowers a match is taken."""
    number = first
    while number <= last:
        line = code[number]
        if not line.endswith(":"):
            yield number
        target = _BRANCH.search(line)
        there = places.get(target[1], 0) if target else 0
        if number < there <= last and (
            not line.startswith("@") or _lowers_a_match(code[number + 1 : there])
        ):
            number = there
        else:
            number += 1


def _lowers_a_match(code: list[str]) -> bool:
    """Whether code has atomic operations, and sums nothing."""
    text = " ".join(code)
    return bool(re.search("RED|ATOM", text)) and "FADD" not in text
