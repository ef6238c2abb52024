"""The description of a TIFF file, checked before a reader builds what it tells of."""

import math
from xml.etree import ElementTree

from pnncupy.errors import ImageReadError

# Bytes of a description, and of one in XML.
LONGEST, LONGEST_XML = 1 << 20, 1 << 26
_MOST_XML_TAGS = 1 << 20
_MOST_PLANES = 1 << 20


def check_description(text: bytes, pages: int) -> None:
    """Refuse XML that expands, and what describes far more than a file of these pages holds."""
    description = _decoded(text)
    if "<!DOCTYPE" in description or "<!ENTITY" in description:
        raise ImageReadError(
            "its description is XML that defines entities, which may expand without bounds; save "
            "it without"
        )
    program = description.startswith(("ImageJ=", "SCIFIO=", "shape=", "{"))
    if len(text) > (LONGEST if program else LONGEST_XML) or description.count("<") > _MOST_XML_TAGS:
        raise ImageReadError("its description is too long to be one; save it without")
    if description.endswith("OME>"):
        _check_ome(description, pages)


def _decoded(text: bytes) -> str:
    try:
        return text.rstrip(b"\0").decode().strip()
    except UnicodeDecodeError:
        return text.rstrip(b"\0").decode("cp1252", "replace").strip()


def without_file_references(text: bytes) -> tuple[str | None, bool]:
    """Return OME-XML without the UUIDs that say which file a plane is in, and if there are several.

    A reader would look for files by these names. XML without any is returned as None: nothing has
    to be changed.
    """
    description = _decoded(text)
    if not description.endswith("OME>") or "UUID" not in description:
        return None, False
    try:
        root = ElementTree.fromstring(description)
    except (ElementTree.ParseError, ValueError):
        return None, False
    files = {root.get("UUID")} - {None}
    references = [
        (data, child)
        for data in root.iter()
        if data.tag.endswith("TiffData")
        for child in data
        if child.tag.endswith("UUID")
    ]
    files |= {child.text for _, child in references}
    for data, child in references:
        data.remove(child)
    return ElementTree.tostring(root, "unicode") if references else None, len(files) > 1


def _check_ome(description: str, pages: int) -> None:
    """Refuse OME-XML that makes a reader build lists or ranges far longer than the file's pages."""
    try:
        root = ElementTree.fromstring(description)
    except (ElementTree.ParseError, ValueError):
        return  # no reader understands it: pages are pages then
    planes = 0.0
    for element in root.iter():
        numbers = {name: _number_in(value) for name, value in element.attrib.items()}
        if element.tag.endswith("Pixels"):
            planes += math.prod(numbers.get(f"Size{axis}", 1.0) for axis in "ZCT")
        elif element.tag.endswith("TiffData"):
            told = numbers.get("PlaneCount", numbers.get("NumPlanes"))
            planes += (1 if "IFD" in numbers else pages) if told is None else told
        elif "Start" in numbers and "End" in numbers:
            step = numbers.get("Step", 1.0)
            planes += (numbers["Start"] + numbers["End"]) / step if step else math.inf
        if not planes <= _MOST_PLANES:
            raise ImageReadError(
                f"damaged TIFF file: its OME description tells of more than {_MOST_PLANES} planes, "
                f"and it holds {pages} pages"
            )


def _number_in(text: str) -> float:
    """The size of a number in an attribute, 0 without one."""
    try:
        return abs(float(text))
    except ValueError:
        return 0.0
