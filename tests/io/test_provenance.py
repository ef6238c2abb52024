"""Files say in every format that they were synthesised, from what and how."""

import io
import json
import random as random_module
import zlib
from dataclasses import replace
from xml.etree import ElementTree

import fuzz_images
import numpy as np
import pytest
import tifffile
from PIL import Image

from pnncupy import __version__
from pnncupy.errors import ImageReadError
from pnncupy.io import (
    Metadata,
    ProvenanceRecord,
    read_image,
    read_metadata,
    read_provenance,
    write_image,
)
from pnncupy.io.formats.png import png_chunks
from pnncupy.io.formats.xmp import COMPOSITE_SYNTHETIC, LONGEST, packet_of, record_in
from pnncupy.io.formats.xmp_carriers import put_into_jpeg, put_into_png

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DC = "{http://purl.org/dc/elements/1.1/}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
OWN = "{https://pypi.org/project/pnncupy/ns/1.0/}"
KEYWORD = "XML:com.adobe.xmp"
RECORD = ProvenanceRecord(
    "inpaint", ("a & <b>.png", "µ.tif"), {"alpha": 0.01, "shape": [3, 4], "nodata": None, "x": "é"},
    seed=2**70, sample=5, digital_source_type=COMPOSITE_SYNTHETIC, text="filled: <a> & “b”",
)  # fmt: skip
# Name of the file, kind of TIFF, dtype and channels.
FORMATS = [
    ("a.png", "plain", "u1", 3), ("a.png", "plain", "u2", 2), ("a.png", "plain", "?", 1),
    ("a.jpg", "plain", "u1", 3), ("a.JPEG", "plain", "u1", 1), ("a.tif", "plain", "f4", 5),
    ("a.tiff", "plain", "u1", 3), ("a.tif", "imagej", "u2", 2), ("a.tif", "imagej", "u1", 3),
    ("a.tif", "ome", "u2", 1), ("a.tif", "ome", "f8", 3),
]  # fmt: skip


@pytest.fixture
def image(random):
    return random.integers(0, 255, (24, 32, 3), np.uint8)


def seen_by_others(file):
    """The XMP packet of a file as Pillow and tifffile show it."""
    if file.suffix.lower().startswith(".tif"):
        with tifffile.TiffFile(file) as tiff:
            return bytes(tiff.pages[0].tags[700].value)
    with Image.open(file) as opened:
        return opened.info["xmp"] if file.suffix != ".png" else opened.info[KEYWORD].encode()


def rewritten(packet, *changes):
    text = packet.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


@pytest.mark.parametrize(("name", "kind", "dtype", "channels"), FORMATS)
def test_every_format_gives_the_record_back(name, kind, dtype, channels, tmp_path, random):
    file, bare = tmp_path / name, tmp_path / f"bare{name[1:]}"
    image = (random.random((24, 32, channels)) * 200).astype(dtype)
    options = {"metadata": Metadata(kind=kind), "description": RECORD.text}
    write_image(file, image, provenance=RECORD, **options)
    write_image(bare, image, **options)
    assert read_provenance(file) == RECORD
    assert read_provenance(bare) is None
    np.testing.assert_array_equal(read_image(file), read_image(bare))
    assert read_metadata(file) == read_metadata(bare)
    first = file.read_bytes()
    write_image(file, image, provenance=RECORD, overwrite=True, **options)
    assert file.read_bytes() == first


@pytest.mark.parametrize(("name", "kind", "dtype", "channels"), FORMATS)
def test_other_libraries_read_it(name, kind, dtype, channels, tmp_path):
    file = tmp_path / name
    image = np.ones((24, 32, channels), dtype)
    write_image(file, image, provenance=RECORD, metadata=Metadata(kind=kind))
    root = ElementTree.fromstring(seen_by_others(file).decode())
    found = root.find(f"{RDF}RDF/{RDF}Description")
    assert found.findtext(f"{DC}description/{RDF}Alt/{RDF}li") == RECORD.text
    assert found.findtext(f"{IPTC}DigitalSourceType") == COMPOSITE_SYNTHETIC
    tool = found.findtext("{http://ns.adobe.com/xap/1.0/}CreatorTool")
    assert tool == f"pnncupy {__version__}"
    assert found.findtext(f"{OWN}Task") == "inpaint"
    sources = found.findall(f"{OWN}Sources/{RDF}Seq/{RDF}li")
    assert [each.text for each in sources] == list(RECORD.sources)
    assert json.loads(found.findtext(f"{OWN}Arguments")) == RECORD.arguments


def test_viewers_of_png_show_text(tmp_path, image):
    write_image(tmp_path / "a.png", image, provenance=RECORD)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.text["Description"] == RECORD.text
        assert opened.text["Software"] == f"pnncupy {__version__}"


@pytest.mark.parametrize("kind", ["plain", "imagej", "ome"])
def test_tiff_describes_itself_with_the_text_too(kind, tmp_path, image):
    source = Metadata(kind=kind, text="a map")
    write_image(tmp_path / "a.tif", image, provenance=RECORD, metadata=source)
    assert read_metadata(tmp_path / "a.tif") == replace(source, text=f"{RECORD.text}\na map")
    write_image(tmp_path / "b.tif", image, provenance=RECORD, description="mine")
    assert read_metadata(tmp_path / "b.tif").text == "mine"


def test_xmp_of_others_is_still_named(tmp_path, image):
    for packet, names in (
        (packet_of(RECORD), ()),
        (packet_of(RECORD).replace(b'xmptk="pnncupy', b'xmptk="Other'), ("XMP",)),
        (b"<x/>", ("XMP",)),
    ):
        tags = [(700, 1, len(packet), packet, True)]
        tifffile.imwrite(tmp_path / "a.tif", image, extratags=tags, metadata=None)
        assert read_metadata(tmp_path / "a.tif").other == names


# --------------------------------------------------------------------- saved again by others


def with_text(file, keyword, text, **options):
    """A PNG file with a text as Pillow writes it."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    (texts.add_itxt if options.pop("international", True) else texts.add_text)(
        keyword, text, **options
    )
    Image.new("L", (5, 4)).save(file, pnginfo=texts)


@pytest.mark.parametrize("zip", [False, True])
def test_png_saved_again_by_pillow(zip, tmp_path):
    file = tmp_path / "a.png"
    with_text(file, KEYWORD, packet_of(RECORD).decode(), zip=zip, lang="de", tkey="hinweis")
    assert read_provenance(file) == RECORD


@pytest.mark.parametrize("zip", [False, True])
def test_png_with_a_raw_profile(zip, tmp_path):
    digits = packet_of(RECORD).hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = f"\nxmp\n{len(digits) // 2:8d}\n{lines}\n"
    with_text(tmp_path / "a.png", "Raw profile type xmp", text, international=False, zip=zip)
    assert read_provenance(tmp_path / "a.png") == RECORD
    with_text(tmp_path / "b.png", "Raw profile type xmp", "\nxmp\n 3\nabcd", international=False)
    with pytest.raises(ImageReadError, match=r"b\.png: its XMP is damaged"):
        read_provenance(tmp_path / "b.png")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_jpeg_and_tiff_saved_again_by_pillow(suffix, tmp_path, image):
    file, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(file, image, provenance=RECORD)
    with Image.open(file) as opened:
        xmp = opened.info["xmp"]
        kept = {"xmp": xmp} if suffix == ".jpg" else {"tiffinfo": {700: xmp}}
        opened.rotate(90, expand=True).save(again, exif=Image.Exif(), **kept)
    assert read_image(again).shape == (32, 24, 3)
    assert read_provenance(again) == RECORD


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 2, 7])
def test_tiff_saved_again_by_tifffile(kind, order, tmp_path, image):
    packet = packet_of(RECORD)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=kind == 7, byteorder=order) as writer:
        writer.write(image)
        writer.write(image, extratags=[(700, kind, len(packet), packet, True)])
    assert read_provenance(tmp_path / "a.tif") == RECORD


REWRITTEN = {
    "attributes": [
        ("<pnncupy:Task>inpaint</pnncupy:Task>", ""), ("<pnncupy:Sample>5</pnncupy:Sample>", ""),
        ('rdf:about=""', 'rdf:about="" pnncupy:Task="inpaint" pnncupy:Sample="5"'),
    ],
    "prefix": [
        ("xmlns:pnncupy=", "xmlns:a="), ("pnncupy:", "a:"), ("xmlns:rdf=", "xmlns:r="),
        ("rdf:", "r:"), ("xmlns:Iptc4xmpExt=", "xmlns:i="), ("Iptc4xmpExt:", "i:"),
    ],
    "unordered": [("rdf:Seq", "rdf:Bag")],
    "two descriptions": [
        ("<pnncupy:Task>", '</rdf:Description><rdf:Description rdf:about=""><pnncupy:Task>'),
        ('<rdf:RDF ', f'<rdf:RDF xmlns:pnncupy="{OWN[1:-1]}" '),
    ],
    "no wrapper": [
        ('<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="pnncupy ' + __version__ + '">', ""),
        ("</x:xmpmeta>", ""), ('<?xpacket end="w"?>', ""),
    ],
    "padding": [('<?xpacket end="w"?>', " " * 3000 + '\n<?xpacket end="w"?>\n\0\0')],
    "properties of others": [
        ("<pnncupy:Task>", "<dc:creator><rdf:Seq><rdf:li>me</rdf:li></rdf:Seq></dc:creator>"
         "<dc:rights/><dc:history><rdf:Seq><rdf:li rdf:parseType='Resource'><xmp:Task>no</xmp:Task>"
         "</rdf:li></rdf:Seq></dc:history><pnncupy:Task>"),
    ],
    "declaration": [('<?xpacket begin="\ufeff" id', '<?xml version="1.0"?><?xpacket begin="" id')],
}  # fmt: skip


@pytest.mark.parametrize("name", REWRITTEN)
def test_packets_rewritten_by_other_programs(name):
    assert record_in(rewritten(packet_of(RECORD), *REWRITTEN[name])) == RECORD


def test_a_packet_behind_one_of_others(tmp_path):
    image = Image.new("L", (5, 4))
    stream = io.BytesIO()
    image.save(stream, "JPEG", xmp=b"<x/>", exif=Image.Exif().tobytes())
    (tmp_path / "a.jpg").write_bytes(stream.getvalue())
    assert read_provenance(tmp_path / "a.jpg") is None
    (tmp_path / "a.jpg").write_bytes(put_into_jpeg(stream.getvalue(), RECORD))
    assert read_provenance(tmp_path / "a.jpg") == RECORD
    assert read_image(tmp_path / "a.jpg").shape == (4, 5)


# ------------------------------------------------------------------------------- what is long


@pytest.mark.parametrize(
    "more",
    [
        {"arguments": {"alpha": 1, "weights": [0.5] * 20000}},
        {"arguments": {"alpha": 1, "word": "\U0001f5bc" * 20000, "other": "b" * 40000}},
        {"sources": tuple(f"{number:0200}.png" for number in range(400))},
        {"arguments": {f"{number}": "a" * 59 for number in range(5000)}},
    ],
)
def test_what_is_too_long_for_jpeg_is_shortened(more, tmp_path, image):
    record = replace(RECORD, **more)
    write_image(tmp_path / "a.png", image, provenance=record)
    assert read_provenance(tmp_path / "a.png") == record
    write_image(tmp_path / "a.jpg", image, provenance=record)
    found = read_provenance(tmp_path / "a.jpg")
    assert found.arguments.keys() <= record.arguments.keys()
    assert found.arguments.get("alpha") == record.arguments.get("alpha")
    assert found.sources[:3] == record.sources[:3]
    kept = {"task", "seed", "sample", "version", "digital_source_type", "text"}
    assert all(getattr(found, name) == getattr(record, name) for name in kept)
    if "sources" in more:
        assert found.sources[3:] == ("and 397 more",)
    read_image(tmp_path / "a.jpg")


def test_a_text_that_does_not_fit_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match="`provenance` must take at most 65502 bytes in this"):
        write_image(tmp_path / "a.jpg", image, provenance=replace(RECORD, text="a" * 65502))
    assert not (tmp_path / "a.jpg").exists()


def test_characters_that_xml_cannot_hold(tmp_path, image):
    record = replace(RECORD, text="a\0\x1b\udc9b\uffff\r\nb", sources=("\x07\ud800.png",))
    for name in ("a.png", "a.jpg", "a.tif"):
        write_image(tmp_path / name, image, provenance=record, description="plain")
        found = read_provenance(tmp_path / name)
        assert (found.text, found.sources) == ("a?????\nb", ("??.png",))


# ---------------------------------------------------------------------------- wrong and damaged


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"task": 3}, TypeError, "`task` must be a string, got 3 of type int"),
        ({"sources": "a.png"}, TypeError, "`sources` must be a tuple of strings"),
        ({"sources": ("a", 1)}, TypeError, "`sources` must be a string, got 1"),
        ({"seed": -1}, ValueError, "`seed` must be an integer of at least 0"),
        ({"sample": True}, TypeError, "`sample` must be an integer"),
        ({"arguments": [1]}, TypeError, "`arguments` must be a mapping of names"),
        ({"arguments": {1: 1}}, TypeError, "`arguments` must be a mapping of names"),
        ({"arguments": {"a": np.zeros(2)}}, TypeError, "`arguments` must be .*ndarray"),
        ({"arguments": {"a": float("nan")}}, ValueError, "`arguments` must be .* JSON"),
    ],
)
def test_wrong_records_are_refused(wrong, kind, message):
    with pytest.raises(kind, match=message):
        replace(RECORD, **wrong)


def test_a_wrong_provenance_is_refused(tmp_path, image):
    with pytest.raises(TypeError, match="`provenance` must be a ProvenanceRecord or None, got str"):
        write_image(tmp_path / "a.png", image, provenance="by me")
    assert not (tmp_path / "a.png").exists()


DAMAGED = {
    "no XML": b"words",
    "empty": b"",
    "not UTF-8": b"<x>\xff</x>",
    "cut short": packet_of(RECORD)[:-100],
    "entities": b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
    "unknown entity": b"<x>&a;</x>",
    "seed": rewritten(packet_of(RECORD), (f"{2**70}", "many")),
    "negative": rewritten(packet_of(RECORD), (f"{2**70}", "-1")),
    "long seed": rewritten(packet_of(RECORD), (f"{2**70}", "1" * 10000)),
    "arguments": rewritten(packet_of(RECORD), ('{"alpha"', '{"alpha')),
    "list": rewritten(packet_of(RECORD), ('{"alpha"', '[{"alpha"'), ("é\"}", "é\"}]")),
    "not a number": rewritten(packet_of(RECORD), ("0.01", "NaN")),
    "nested": rewritten(packet_of(RECORD), ("[3, 4]", "[" * 200000)),
    "many tags": b"<x>" + b"<y/>" * (1 << 20) + b"</x>",
    "long": b"<x>" + b" " * LONGEST + b"</x>",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_packets_raise_an_error_of_their_own(name, tmp_path):
    with pytest.raises(ImageReadError, match=r"its (XMP|provenance) "):
        record_in(DAMAGED[name])


def test_deep_xml_is_no_danger():
    assert record_in(b"<x>" * 200_000 + b"</x>" * 200_000) is None


def test_damaged_files(tmp_path, image):
    for name in ("a.png", "a.jpg", "a.tif"):
        file = tmp_path / name
        write_image(file, image, provenance=RECORD)
        data = file.read_bytes()
        place = data.index(b"<pnncupy:Task>")
        for broken in (data[:place], data[:9], data[:place] + b"<&\xff" + data[place + 3 :]):
            file.write_bytes(broken)
            with pytest.raises(ImageReadError, match=f"{name}: "):
                read_provenance(file)
    (tmp_path / "a.png").write_bytes(b"words")
    with pytest.raises(ImageReadError, match="not a PNG, JPEG or TIFF file"):
        read_provenance(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        read_provenance(tmp_path / "none.png")


def test_compressed_packets_are_bounded(tmp_path, image):
    write_image(tmp_path / "a.png", image)
    data = (tmp_path / "a.png").read_bytes()
    bomb = KEYWORD.encode() + b"\0\1\0\0\0" + zlib.compress(bytes(LONGEST + 1))
    chunk = fuzz_images.png([(b"iTXt", bomb)])[8:]
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    with pytest.raises(ImageReadError, match="its XMP is too long"):
        read_provenance(tmp_path / "a.png")


def test_mutants_raise_nothing_else(tmp_path, image):
    chance = random_module.Random(1)
    files = []
    for name in ("a.png", "a.jpg", "a.tif"):
        write_image(tmp_path / name, image[:8, :9], provenance=RECORD)
        files.append((name, (tmp_path / name).read_bytes()))
    own = (fuzz_images.change_png, fuzz_images.change_jpeg, fuzz_images.change_tiff)
    outcomes = set()
    for number in range(300):
        name, data = files[number % 3]
        change = chance.choice((own[number % 3], *fuzz_images.CHANGES))
        mutant = bytearray(data)
        (tmp_path / name).write_bytes(change(mutant, chance, files) or mutant)
        try:
            outcomes.add(type(read_provenance(tmp_path / name)))
        except ImageReadError:
            outcomes.add(ImageReadError)
    assert outcomes == {ProvenanceRecord, type(None), ImageReadError}


def test_chunks_of_png_are_whole():
    stream = io.BytesIO()
    Image.new("L", (5, 4)).save(stream, "PNG")
    file = put_into_png(stream.getvalue(), RECORD)
    assert all(chunk.is_whole for chunk in png_chunks(file))
    with Image.open(io.BytesIO(file)) as opened:
        opened.verify()
