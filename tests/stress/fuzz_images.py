"""Damaged image files by the thousand: `python tests/fuzz_images.py 20000 [--seed N]`.

Mutants of a corpus that the program makes itself go through `pnncupy.io` in worker processes with a
limited address space, each watched by a clock. A mutant is a function of the seed and its number.
"""

import argparse
import io
import os
import random
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SECONDS = 5
ADDRESS_SPACE = 4 << 30
LIMIT = 1 << 26
BOUNDARIES = (
    0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 32, 63, 64, 127, 128, 129, 254, 255, 256, 257, 1000, 4096,
    32767, 32768, 65500, 65534, 65535, 65536, 99999, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 2,
    2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
TIFF_TYPES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 129, 65535)
TIFF_CODES = (
    254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 284, 292, 317, 320, 322,
    323, 324, 325, 330, 338, 339, 347, 513, 514, 530, 532, 32997, 32998, 33550, 33628, 33629,
    33723, 34118, 34361, 34412, 34665, 34680, 34735, 34853, 42113, 43314, 50674, 50838, 50839,
    51123, 65426,
)  # fmt: skip
COMPRESSIONS = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    32773,
    32946,
    33003,
    34712,
    34887,
    34925,
    34933,
    50000,
    50001,
)


# ----------------------------------------------------------------------------- corpus
def corpus():
    """Small files of many kinds, by name."""
    files = {**pngs(), **jpegs()}
    for name, image, options in tiff_variants():
        files[f"{name}.tif"] = tiff(image, **options)
    import imagecodecs

    files["pages.tif"] = unequal_pages()
    if hasattr(imagecodecs, "ccittfax4_decode"):  # older codecs have none, and it is refused
        files["fax.tif"] = fax()
    files["tables.tif"] = with_tables()
    return files


def picture(shape, dtype, seed=0):
    """Half noise, half flat, so that every codec has something to do."""
    generator = np.random.default_rng(seed)
    image = generator.random(shape) * 120
    image[: shape[0] // 2] = 40
    return image > 60 if dtype == "?" else image.astype(dtype)


def pngs():
    import imagecodecs

    files = {}
    for channels, dtype in ((1, "u1"), (2, "u1"), (3, "u1"), (4, "u1"), (1, "u2"), (3, "u2")):
        shape = (13, 17) if channels == 1 else (13, 17, channels)
        files[f"{channels}{dtype}.png"] = bytes(imagecodecs.png_encode(picture(shape, dtype)))
    rows = b"".join(b"\0" + bytes([n, 255 - n]) for n in range(8))
    header = struct.pack(">IIBBBBB", 16, 8, 1, 0, 0, 0, 0)
    files["bits.png"] = png([(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])
    header = struct.pack(">IIBBBBB", 2, 8, 8, 3, 0, 0, 0)
    flat = np.zeros((1500, 1600), "u1")
    files["flat.png"] = bytes(imagecodecs.png_encode(flat))
    files["palette.png"] = png([
        (b"IHDR", header), (b"PLTE", bytes(range(90))), (b"tRNS", bytes(20)),
        (b"tEXt", b"Comment\0words"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"words" * 50)),
        (b"IDAT", zlib.compress(bytes(24))), (b"IEND", b""),
    ])  # fmt: skip
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    files["adam7.png"] = png([
        (b"IHDR", header), (b"gAMA", bytes(4)), (b"IDAT", zlib.compress(bytes(4))), (b"IEND", b""),
    ])  # fmt: skip
    return files


def jpegs():
    import imagecodecs
    from PIL import Image

    files = {}
    for name, shape in (("grey", (33, 41)), ("colour", (33, 41, 3))):
        files[f"{name}.jpg"] = bytes(imagecodecs.jpeg8_encode(picture(shape, "u1"), level=80))
        for progressive in (False, True):
            stream = io.BytesIO()
            Image.fromarray(picture(shape, "u1")).save(
                stream, "JPEG", progressive=progressive, restart_marker_rows=1
            )
            files[f"{name}{'-progressive' if progressive else '-restarts'}.jpg"] = stream.getvalue()
    return files


def tiff_variants():
    """Name, array and options of `tifffile.imwrite`."""
    grey, colour, big = (33, 41), (33, 41, 3), (3, 33, 41)
    stack = {"photometric": "minisblack"}
    for dtype in ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        yield f"plain-{dtype}", picture(grey, dtype), {}
    for codec in ("deflate", "lzw", "packbits", "zstd", "lzma", "lerc"):
        yield codec, picture(grey, "u2" if codec != "lerc" else "f4"), {"compression": codec}
        yield f"{codec}-rgb", picture(colour, "u1"), {"compression": codec, "rowsperstrip": 8}
        if codec != "lerc":
            yield f"{codec}-bits", picture(grey, "?"), {"compression": codec}
            options = {"compression": codec, "predictor": True, "tile": (16, 32)}
            yield f"{codec}-tiles", picture(grey, "u2"), options
            yield f"{codec}-floats", picture(grey, "f4"), options | {"byteorder": ">"}
    yield "jpeg", picture(grey, "u1"), {"compression": "jpeg"}
    yield "jpeg-rgb", picture(colour, "u1"), {"compression": "jpeg", "tile": (32, 32)}
    ycbcr = {"compression": "jpeg", "photometric": "rgb", "subsampling": (2, 2)}
    yield "jpeg-ycbcr", picture((32, 32, 3), "u1"), ycbcr
    yield "planar", picture(big, "u2"), {"photometric": "rgb", "planarconfig": "separate"}
    yield "planar-tiles", picture(big, "u1"), {
        "photometric": "rgb", "planarconfig": "separate", "tile": (16, 16), "compression": "lzw",
    }  # fmt: skip
    flat = np.zeros((1500, 1600), "u2")
    yield "flat", flat, {"compression": "deflate", "rowsperstrip": 1500}
    yield "flat-tiles", flat, {"compression": "zstd", "tile": (256, 256)}
    yield "negative", picture(grey, "u1"), {"photometric": "miniswhite"}
    yield "big", picture(grey, "u2"), {"bigtiff": True}
    yield "big-other", picture(big, "u2"), stack | {
        "bigtiff": True, "byteorder": ">", "tile": (16, 16),
    }  # fmt: skip
    yield "other", picture(colour, "u2"), {"byteorder": ">", "rowsperstrip": 4}
    yield "stack", picture(big, "u1"), stack | {"metadata": {"axes": "ZYX"}}
    yield "stack-shaped", picture((3, 9, 11), "u1"), stack | {"contiguous": True}
    yield "volume", picture((2, 16, 32, 32), "u1"), stack | {
        "tile": (16, 16, 16), "volumetric": True, "compression": "deflate",
    }  # fmt: skip
    yield "imagej", picture((2, 3, 9, 11), "u2"), {"imagej": True, "metadata": {"axes": "ZCYX"}}
    yield "imagej-labels", picture((3, 9, 11), "f4"), {
        "imagej": True, "metadata": {"axes": "CYX", "unit": "um", "Labels": ["a", "b", "c"]},
        "resolution": (2.0, 2.0),
    }  # fmt: skip
    names = {"axes": "CYX", "Channel": {"Name": ["a", "b", "c"]}, "PhysicalSizeX": 0.5}
    yield "ome", picture(big, "u2"), {"ome": True, "metadata": names, **stack}
    yield "ome-levels", picture((2, 32, 32), "u1"), {
        "ome": True, "metadata": {"axes": "TYX"}, "subifds": 1, "tile": (16, 16), **stack,
    }  # fmt: skip
    geo = [
        (33550, 12, 3, (1.0, 1.0, 0.0), True), (33922, 12, 6, (0.0,) * 6, True),
        (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True), (42113, 2, 6, "-9999", True),
    ]  # fmt: skip
    yield "geo", picture(grey, "f4"), {"extratags": geo, "tile": (16, 16), "metadata": None}


def tiff(image, **options):
    import tifffile

    stream = io.BytesIO()
    kinds = ("bigtiff", "byteorder", "imagej", "ome")
    of_file = {name: options.pop(name) for name in kinds if name in options}
    with tifffile.TiffWriter(stream, **of_file) as writer:
        writer.write(image, **options)
        if options.get("subifds"):
            writer.write(image[:, ::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")
    return stream.getvalue()


def with_tables():
    """JPEG strips whose tables are in a tag, as libtiff writes them."""
    import imagecodecs

    image = picture((32, 48), "u1")
    data = bytes(imagecodecs.jpeg8_encode(image, level=80))
    tables, strip, place = b"", b"", 2
    while data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] in (0xDB, 0xC4):
            tables += data[place:end]
        elif data[place + 1] == 0xC0:
            strip += data[place:end]
        place = end
    ends = b"\xff\xd8", b"\xff\xd9"
    return tiff(
        iter([ends[0] + strip + data[place:]]), shape=image.shape, dtype=image.dtype,
        compression="jpeg", jpegtables=ends[0] + tables + ends[1], rowsperstrip=32, metadata=None,
    )  # fmt: skip


def unequal_pages():
    import tifffile

    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for number in range(12):
            writer.write(picture((9 + number % 3, 11), "u1", number), metadata=None)
    return stream.getvalue()


def hand_made_tiff(tags, data=b"", order="<"):
    """One directory of (code, type, count, value) at byte 8, and data behind it."""
    packed = b"".join(
        struct.pack(order + "HHI", code, kind, count)
        + (struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value))
        for code, kind, count, value in tags
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "I", 8) + struct.pack(order + "H", len(tags))
    return head + packed + bytes(4) + data


def fax():
    """Fax group 4: a bit for each white row."""
    tags = [
        (256, 3, 1, 64), (257, 3, 1, 40), (258, 3, 1, 1), (259, 3, 1, 4), (262, 3, 1, 0),
        (273, 4, 1, 8 + 2 + 8 * 12 + 4), (277, 3, 1, 1), (279, 4, 1, 8),
    ]  # fmt: skip
    return hand_made_tiff(tags, b"\xff" * 5 + b"\0\x10\x01")


def png(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# ----------------------------------------------------------------------------- mutants
class Mutants:
    """Every mutant by its number."""

    def __init__(self, seed):
        self.seed = seed
        self.files = list(corpus().items())

    def __getitem__(self, number):
        """Name of the file it comes from, and its bytes."""
        chance = random.Random(self.seed * 1_000_003 + number)
        name, data = self.files[chance.randrange(len(self.files))]
        data = bytearray(data)
        own = {"png": change_png, "jpg": change_jpeg, "tif": change_tiff}[name[-3:]]
        for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
            change = own if chance.random() < 0.6 else chance.choice(CHANGES)
            data = change(data, chance, self.files) or data
        return name, bytes(data)


def flip_bits(data, chance, _):
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def change_bytes(data, chance, _):
    for _ in range(chance.choice((1, 1, 4, 16))):
        data[chance.randrange(len(data))] = chance.choice(
            (0, 1, 127, 128, 255, chance.randrange(256))
        )


def cut(data, chance, _):
    return data[: chance.randrange(1, len(data) + 1)]


def insert(data, chance, _):
    place = chance.randrange(len(data))
    data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 13, 300)))


def delete(data, chance, _):
    place = chance.randrange(len(data))
    left = data[:place] + data[place + chance.choice((1, 2, 4, 13, 300)) :]
    return left or data


def repeat(data, chance, _):
    place = chance.randrange(len(data))
    data[place:place] = data[place : place + chance.choice((4, 12, 100))] * chance.choice(
        (1, 2, 50)
    )


def splice(data, chance, files):
    other = chance.choice(files)[1]
    return data[: chance.randrange(1, len(data) + 1)] + other[chance.randrange(len(other)) :]


def boundary(data, chance, _):
    size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
    if len(data) > size:
        put(data, chance.randrange(len(data) - size), size, chance, order)


def put(data, place, size, chance, order, values=BOUNDARIES):
    data[place : place + size] = (chance.choice(values) % 256**size).to_bytes(size, order)


CHANGES = (flip_bits, change_bytes, cut, insert, delete, repeat, splice, boundary)


def change_png(data, chance, _):
    """Change a chunk, or the order of chunks, and repair the checksums."""
    chunks, place = [], 8
    while place + 12 <= len(data) and len(chunks) < 100:
        size = int.from_bytes(data[place : place + 4], "big")
        chunks.append(
            [bytes(data[place + 4 : place + 8]), bytearray(data[place + 8 : place + 8 + size])]
        )
        place += 12 + size
    if not chunks:
        return None
    kind, inside = chunk = chance.choice(chunks)
    what = chance.randrange(6)
    if what == 0:
        chunks.insert(chance.randrange(len(chunks) + 1), chunk)
    elif what == 1:
        chunks.remove(chunk)
    elif what == 2:
        chunk[0] = chance.choice(
            (b"IDAT", b"tRNS", b"PLTE", b"iCCP", b"acTL", b"fcTL", b"fdAT", b"IEND")
        )
    elif what == 3 and kind == b"IDAT":
        try:
            rows = bytearray(zlib.decompress(bytes(inside)))
        except zlib.error:
            return None
        chance.choice((flip_bits, change_bytes))(rows, chance, None)
        chunk[1] = zlib.compress(bytes(rows[: chance.randrange(1, len(rows) * 2)]))
    elif inside:
        place = chance.randrange(len(inside))
        put(
            inside,
            place // 4 * 4 if kind == b"IHDR" else place,
            chance.choice((1, 2, 4)),
            chance,
            "big",
        )
    return bytearray(png(chunks))


def change_jpeg(data, chance, _):
    """Change a number in a segment, its length, its marker, or drop or repeat the segment."""
    places, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        places.append((place, size))
        place += 2 + max(size, 2)
    if not places:
        return None
    place, size = chance.choice(places)
    what = chance.randrange(8)
    if what == 0:
        data[place + 1] = chance.choice(
            (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDA, 0xDD, 0xD9, 0xEE)
        )
    elif what == 1:
        put(data, place + 2, 2, chance, "big")
    elif what == 2:
        data[place:place] = data[place : place + 2 + size] * chance.choice((1, 2, 200))
    elif what == 3:
        del data[place : place + 2 + size]
    else:
        put(
            data,
            place + 4 + chance.randrange(max(1, min(size, 20))),
            chance.choice((1, 2)),
            chance,
            "big",
        )
    return None


def change_tiff(data, chance, _):
    """Change a field of a directory, a value it points to, or the chain of directories."""
    if len(data) < 16:
        return None
    order, big = ("little" if data[:2] == b"II" else "big"), b"+" in data[2:4]
    directories = tiff_directories(data, order, big)
    if not directories:
        return None
    start, count = chance.choice(directories)
    width, inline = (20, 8) if big else (12, 4)
    entry = start + (8 if big else 2) + width * chance.randrange(max(count, 1))
    following = start + (8 if big else 2) + width * count
    what = chance.randrange(10)
    if what == 0:
        put(data, entry, 2, chance, order, TIFF_CODES)
    elif what == 1:
        put(data, entry + 2, 2, chance, order, TIFF_TYPES)
    elif what == 2:
        put(data, entry + 4, inline, chance, order)
    elif what in (3, 4, 5):
        size = 2 if int.from_bytes(data[entry + 2 : entry + 4], order) == 3 else inline
        code = int.from_bytes(data[entry : entry + 2], order)
        values = COMPRESSIONS if code == 259 else BOUNDARIES
        put(data, entry + width - inline, size, chance, order, values)
    elif what == 6:
        place = int.from_bytes(data[entry + width - inline : entry + width], order)
        if place < len(data) - 8:
            put(data, place + chance.randrange(8), chance.choice((1, 2, 4)), chance, order)
    elif what == 7:
        put(
            data,
            following,
            inline,
            chance,
            order,
            [start for start, _ in directories] + [8, len(data)],
        )
    elif what == 8:
        put(data, start, 8 if big else 2, chance, order)
    else:
        other = start + (8 if big else 2) + width * chance.randrange(max(count, 1))
        data[entry : entry + width], data[other : other + width] = (
            data[other : other + width], data[entry : entry + width],
        )  # fmt: skip
    return None


def tiff_directories(data, order, big):
    """Place and number of entries of each directory."""
    size, width = (8, 20) if big else (2, 12)
    inline = 8 if big else 4
    found, place = [], int.from_bytes(data[8:16] if big else data[4:8], order)
    while 8 <= place < len(data) - size and len(found) < 50 and place not in dict(found):
        count = int.from_bytes(data[place : place + size], order)
        if count > 200:
            break
        found.append((place, count))
        end = place + size + count * width
        place = int.from_bytes(data[end : end + inline], order)
    return found


# ----------------------------------------------------------------------------- workers
def work(seed, first, last, step, report, folder):
    """Read the mutants of a range, and tell the parent before and after each one."""
    import pnncupy.io as reading

    file = Path(folder) / f"mutant-{first}"
    mutants = Mutants(seed)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(first, last, step):
        name, data = mutants[number]
        file.write_bytes(data)
        os.write(report, f"begin {number}\n".encode())
        outcome, size = read(reading, file, number)
        printed = os.fstat(2).st_size
        if printed:
            words = os.pread(2, 200, 0).decode(errors="replace").replace("\n", " ")
            os.ftruncate(2, 0)
            outcome = f"printed:{outcome}:{words}"
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        os.write(report, f"end {number} {size} {growth} {name} {outcome}\n".encode())
    file.unlink()


def read(reading, file, number):
    """What becomes of a file: "read", "refused", or the name of an exception."""
    from pnncupy.errors import ImageReadError

    size = 0
    try:
        try:
            image = reading.read_image(file, max_bytes=LIMIT)
        except ImageReadError as error:
            if "choose one with page" not in str(error):
                raise
            image = reading.read_image(file, page=number % 4, max_bytes=LIMIT)
        size = image.nbytes
        reading.read_metadata(file, page=0)
    except ImageReadError as error:
        if not str(error).startswith(f"{file}: "):
            return f"unnamed:{' '.join(str(error).split())[:80]}", size
        return "read" if size else "refused", size
    except BaseException as error:
        return f"{type(error).__name__}:{' '.join(str(error).split())[:80]}", size
    return "read", size


@dataclass
class Report:
    """What became of all mutants."""

    outcomes: Counter = field(default_factory=Counter)
    foreign: list = field(default_factory=list)
    crashes: list = field(default_factory=list)
    hangs: list = field(default_factory=list)
    largest_array: int = 0
    growth: int = 0
    slowest: tuple = (0.0, -1)

    def __str__(self):
        lines = [
            f"{sum(self.outcomes.values())} mutants: {self.outcomes['read']} read, "
            f"{self.outcomes['refused']} refused by ImageReadError",
            f"crashes {len(self.crashes)}, foreign exceptions {len(self.foreign)}, hangs over "
            f"{SECONDS} s {len(self.hangs)}; slowest {self.slowest[0]:.2f} s (mutant "
            f"{self.slowest[1]})",
            f"largest array {self.largest_array / 1e6:.1f} MB of {LIMIT / 1e6:.1f} MB allowed; a "
            f"process grew by {self.growth / 1e6:.1f} MB at most",
        ]
        for what in ("crashes", "foreign", "hangs"):
            lines += [
                f"{what}: mutant {n} of {name}: {detail}" for n, name, detail in getattr(self, what)
            ]
        return "\n".join(lines)


class Worker:
    """A process that goes through every `step`-th mutant, and is replaced where it dies."""

    def __init__(self, seed, first, last, step, folder):
        self.seed, self.next, self.last, self.step, self.folder = seed, first, last, step, folder
        self.start()

    def start(self):
        self.current, self.since, self.rest = None, time.monotonic(), b""
        self.pipe, end = os.pipe()
        self.output = Path(self.folder, f"output-{self.next}").open("w+b", buffering=0)  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *map(str, (
                self.seed, self.next, self.last, self.step, end, self.folder))],
            pass_fds=(end,), stdout=self.output, stderr=self.output,
        )  # fmt: skip
        os.close(end)

    def step_on(self, report):
        """Take in what the process says; False if there is nothing left to do."""
        data = os.read(self.pipe, 1 << 16)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.take(line.decode().split(" ", 5), report)
        if data:
            return True
        os.close(self.pipe)
        code = self.process.wait()
        self.output.close()
        said = Path(self.output.name).read_text(errors="replace")
        # An error of this script itself would end one process after the other.
        if code and (self.current is None or "Traceback" in said):
            raise RuntimeError(said)
        if self.current is not None:
            report.crashes.append((self.current, "", f"exit status {code}"))
            report.outcomes["crash"] += 1
        return self.go_on()

    def take(self, words, report):
        number, now = int(words[1]), time.monotonic()
        report.slowest = (
            max(report.slowest, (now - self.since, number)) if words[0] == "end" else report.slowest
        )
        self.current, self.since = (number if words[0] == "begin" else None), now
        self.next = number + self.step
        if words[0] == "end":
            _, _, size, growth, name, outcome = words
            report.outcomes[outcome.partition(":")[0]] += 1
            report.largest_array = max(report.largest_array, int(size))
            report.growth = max(report.growth, int(growth))
            if outcome not in ("read", "refused"):
                report.foreign.append((number, name, outcome))

    def watch(self, report):
        """Kill the process if its mutant takes too long."""
        if self.current is not None and time.monotonic() - self.since > SECONDS:
            report.hangs.append((self.current, "", ""))
            report.outcomes["hang"] += 1
            self.process.kill()
            self.process.wait()
            os.close(self.pipe)
            self.output.close()
            return self.go_on()
        return True

    def go_on(self):
        if self.next >= self.last:
            return False
        self.start()
        return True

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run(count, seed=0, workers=2, progress=False):
    """Read so many mutants; returns the report."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        active = [
            Worker(seed, first, count, workers, folder) for first in range(min(workers, count))
        ]
        every = list(active)
        try:
            while active:
                by_pipe = {worker.pipe: worker for worker in active}
                ready, _, _ = select.select(list(by_pipe), [], [], 0.5)
                ended = [by_pipe[pipe] for pipe in ready if not by_pipe[pipe].step_on(report)]
                ended += [
                    worker for pipe, worker in by_pipe.items()
                    if pipe not in ready and not worker.watch(report)
                ]  # fmt: skip
                active = [worker for worker in active if worker not in ended]
                if progress:
                    print(f"\r{sum(report.outcomes.values())}", end="", file=sys.stderr, flush=True)
        finally:
            for worker in every:
                worker.stop()
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=2000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--save", type=int, metavar="NUMBER", help="write one mutant instead")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        *numbers, folder = options.worker
        work(*map(int, numbers), folder)
    elif options.save is not None:
        name, data = Mutants(options.seed)[options.save]
        file = Path(f"mutant-{options.seed}-{options.save}-{name}")
        file.write_bytes(data)
        print(file)
    else:
        began = time.monotonic()
        report = run(options.count, options.seed, options.workers, progress=True)
        print(f"\r{report}\n{time.monotonic() - began:.0f} s")
        sys.exit(bool(report.foreign or report.crashes or report.hangs))


if __name__ == "__main__":
    main()
