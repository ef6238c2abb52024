"""Which images a TIFF file holds, by tifffile's public functions of any version."""

import warnings

import numpy as np
import pytest
import tifffile

import pnncupy as pnn
from pnncupy.io import read_image, read_metadata, write_image

# What the formats of single vendors are recognised by: description, software, further tags.
VENDORS = {
    "svs": {"description": "Aperio Image Library v10.0.51"},
    "scn": {"description": "<?xml version='1.0'?><scn></scn>"},
    "qpi": {"software": "PerkinElmer-QPI", "description": "<PerkinElmer-QPI-ImageDescription/>"},
    "philips": {"software": "Philips DP v1.0", "description": "<DataObject></DataObject>"},
    "indica": {"software": "IndicaLabsImageWriter", "description": "<indica></indica>"},
    "scanimage": {"description": "state.configPath='x'", "software": "SI.LINE_FORMAT_VERSION = 1"},
    "ndpi": {"extratags": [(65420, 3, 1, 1, True)]},
    "fluoview": {"extratags": [(34361, 1, 8, bytes(8), True)]},
    "sis": {"extratags": [(33471, 1, 8, bytes(8), True)]},
    "mdgel": {"extratags": [(33445, 4, 1, 2, True)]},
    "nih": {"extratags": [(43314, 1, 8, bytes(8), True)]},
    "micromanager": {"extratags": [(51123, 2, 0, "{}", True)]},
    "trestle": {"description": "Trestle;x"},
    "motic": {"description": "MOTIC_IMAGE"},
    "flimage": {"description": "SPC.a=1"},
}


def write_pages(file, pages, **options):
    with tifffile.TiffWriter(file) as writer:
        for number, page in enumerate(pages):
            writer.write(page, metadata=None, **(options if number == 0 else {}))


@pytest.mark.parametrize("tile", [None, (16, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_formats_of_single_vendors_are_read_page_by_page(vendor, tile, tmp_path, random):
    pages = [random.integers(0, 256, size, np.uint8) for size in ((32, 48), (32, 48), (16, 24))]
    write_pages(tmp_path / "a.tif", pages, tile=tile, **VENDORS[vendor])
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif", page=number), page)
    with pytest.raises(pnn.ImageReadError, match="a stack of 3 images"):
        read_image(tmp_path / "a.tif")
    write_pages(tmp_path / "b.tif", pages[:1], tile=tile, **VENDORS[vendor])
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), pages[0])
    assert read_metadata(tmp_path / "b.tif").kind == "plain"


def test_an_ome_tiff_of_micro_manager_is_one(tmp_path, random):
    stack = random.integers(0, 9999, (3, 20, 30), np.uint16)
    for order in "<>":
        tifffile.imwrite(
            tmp_path / "a.ome.tif", stack, ome=True, photometric="minisblack", byteorder=order,
            metadata={"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
            extratags=[(51123, 2, 0, '{"Width": 30}', False)],
        )  # fmt: skip
        for number in range(3):
            np.testing.assert_array_equal(
                read_image(tmp_path / "a.ome.tif", page=number), stack[number]
            )
        found = read_metadata(tmp_path / "a.ome.tif", page=1)
        assert (found.kind, found.pixel_size, found.unit) == ("ome", (0.5, 0.5), "µm")
        assert found.other == ("MicroManagerMetadata",)


def ome_file(file, image, root="", inside="", **sizes):
    """An OME-TIFF whose only plane is in the file that `inside` names."""
    height, width = image.shape
    numbers = {"X": width, "Y": height, "Z": 1, "C": 1, "T": 1, **sizes}
    attributes = "".join(f' Size{axis}="{size}"' for axis, size in numbers.items())
    text = (
        f'<OME{root}><Image><Pixels DimensionOrder="XYZCT" Type="uint8" PhysicalSizeX="2"'
        f' PhysicalSizeY="2"{attributes}>{inside}</Pixels></Image></OME>'
    )
    tifffile.imwrite(file, image, description=text, metadata=None)


def plane(uuid, name, number=0):
    return (
        f'<TiffData IFD="0" FirstT="{number}" PlaneCount="1">'
        f'<UUID FileName="{name}">{uuid}</UUID></TiffData>'
    )


@pytest.mark.parametrize("name", ["other.tif", "../other.tif", "/other.tif", "a.tif"])
@pytest.mark.parametrize("root", ["", ' UUID="urn:uuid:1"'], ids=["no root", "root"])
def test_sets_of_several_files_read_no_other_file(root, name, tmp_path, random, monkeypatch):
    own, secret = random.integers(0, 256, (2, 20, 30), np.uint8)
    monkeypatch.chdir(tmp_path)
    write_image("other.tif", secret)
    inside = plane("urn:uuid:1", "a.tif") + plane("urn:uuid:2", name, 1)
    ome_file("a.tif", own, root, inside, T=2)
    np.testing.assert_array_equal(read_image("a.tif"), own)
    assert read_metadata("a.tif").kind == "plain"


@pytest.mark.parametrize("name", ["a.tif", "before it was renamed.tif"])
@pytest.mark.parametrize("root", ["", ' UUID="urn:uuid:1"'], ids=["no root", "root"])
def test_one_file_that_names_itself_may_be_renamed(root, name, tmp_path, random):
    own = random.integers(0, 256, (20, 30), np.uint8)
    ome_file(tmp_path / "a.tif", own, root, plane("urn:uuid:1", name))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), own)
    assert read_metadata(tmp_path / "a.tif").pixel_size == (2, 2)


def test_warnings_of_the_library_are_no_damage(tmp_path, monkeypatch):
    write_image(tmp_path / "a.tif", np.zeros((20, 30), np.uint8))
    original = tifffile.TiffPage.asarray

    def deprecated(self, *given, **named):
        warnings.warn("use something else", DeprecationWarning, stacklevel=2)
        return original(self, *given, **named)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", deprecated)
    with pytest.raises(DeprecationWarning, match="use something else"):  # warnings are errors here
        read_image(tmp_path / "a.tif")
    with pytest.warns(DeprecationWarning, match="use something else"):
        assert read_image(tmp_path / "a.tif").shape == (20, 30)


def test_nothing_private_of_tifffile_is_used(monkeypatch, tmp_path):
    write_image(tmp_path / "a.tif", np.zeros((20, 30), np.uint8))
    original, given = tifffile.TiffFile.__init__, []

    def watched(self, *args, **named):
        given.extend(named)
        original(self, *args, **named)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", watched)
    assert read_image(tmp_path / "a.tif").shape == (20, 30)
    assert given
    assert not [name for name in given if name.startswith(("_", "is_"))]
