"""Provenance of images as XMP packets, which any program for photographs can read.

`xmp_carriers` puts packets into files and finds them there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from pnncupy import validation
from pnncupy._version import __version__
from pnncupy.errors import ImageReadError

# Bytes of a packet: of those written here, and of any that is read.
MOST_BYTES, LONGEST = 1 << 20, 1 << 24
_MOST_XML_TAGS = 1 << 20
# Terms of IPTC for the origin of pixels: all are synthesised, or some were kept.
_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ALGORITHMIC_MEDIA, COMPOSITE_SYNTHETIC = f"{_TERMS}algorithmicMedia", f"{_TERMS}compositeSynthetic"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_OWN = "https://pypi.org/project/pnncupy/ns/1.0/"
# Programs that rewrite a packet put their own names here.
_TOOLKIT = 'x:xmptk="pnncupy'
_PACKET = f"""\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" {_TOOLKIT} {__version__}">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:xmp="{_XMP}" xmlns:Iptc4xmpExt="{_IPTC}"
    xmlns:pnncupy="{_OWN}">
%s
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Characters of the values of arguments, where a packet has to become shorter, and sources.
_SHORTER_VALUES = (1000, 60)
_FEWEST_SOURCES = 3


@dataclass(frozen=True)
class ProvenanceRecord:
    """Provenance of a synthesised image, as its file carries it.

    Attributes
    ----------
    task : str
        Name of the task.
    sources : tuple of str
        Names of the sources, without folders.
    arguments : mapping
        Arguments of the call by name, in types that JSON has.
    seed : int or None
        Seed, if random numbers were drawn.
    sample : int or None
        Realisation of that seed; None for a file that shows several.
    version : str
        Version of pnncupy.
    digital_source_type : str
        IPTC's term: ".../algorithmicMedia", or ".../compositeSynthetic" where pixels were kept.
    text : str
        The same in words.

    Raises
    ------
    TypeError, ValueError
        An attribute is something else.

    Examples
    --------
    >>> record = ProvenanceRecord("generate", ("photo.png",), {"alpha": 0.01}, seed=3)
    >>> record.digital_source_type
    'http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia'
    """

    task: str
    sources: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    sample: int | None = 0
    version: str = __version__
    digital_source_type: str = ALGORITHMIC_MEDIA
    text: str = ""

    def __post_init__(self) -> None:
        for name in ("task", "version", "digital_source_type", "text"):
            _check_string(name, getattr(self, name))
        if not isinstance(self.sources, tuple):
            raise TypeError(
                f"`sources` must be a tuple of strings, got {validation.described(self.sources)}"
            )
        for source in self.sources:
            _check_string("sources", source)
        validation.optional_integer("seed", self.seed, 0)
        validation.optional_integer("sample", self.sample, 0)
        _json(self.arguments)


def _check_string(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, got {validation.described(value)}")


def _json(arguments: Any) -> str:
    """Arguments as JSON; their order does not matter."""
    rule = "`arguments` must be a mapping of names to values that JSON has"
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise TypeError(f"{rule}, got {validation.described(arguments)}")
    try:
        return json.dumps(dict(arguments), sort_keys=True, ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise TypeError(f"{rule}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{rule}: {error}") from None


# ------------------------------------------------------------------------------------ building


def packet_of(record: ProvenanceRecord, most_bytes: int = MOST_BYTES) -> bytes:
    """A packet with a record, the values of its arguments shortened until it fits.

    Raises
    ------
    ValueError
        Not even the rest fits.
    """
    size = 0
    for shorter in _ever_shorter(record):
        packet = _PACKET % "\n".join(f"   {line}" for line in _properties(shorter))
        data = packet.encode()
        if len(data) <= most_bytes:
            return data
        size = len(data)
    raise ValueError(
        f"`provenance` must take at most {most_bytes} bytes in this format, got {size} without its "
        "arguments; shorten its text or the names of its sources"
    )


def _ever_shorter(record: ProvenanceRecord) -> Iterator[ProvenanceRecord]:
    yield record
    for most in _SHORTER_VALUES:
        cut = {name: _excerpt(value, most) for name, value in record.arguments.items()}
        record = replace(record, arguments=cut)
        yield record
    more = len(record.sources) - _FEWEST_SOURCES
    if more > 0:
        record = replace(record, sources=(*record.sources[:_FEWEST_SOURCES], f"and {more} more"))
        yield record
    yield replace(record, arguments={})


def _excerpt(value: Any, most: int) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= most else f"{text[:most]} ..."


def _properties(record: ProvenanceRecord) -> Iterator[str]:
    """XML of each property, in the order of the record's attributes."""
    text = f'<rdf:Alt><rdf:li xml:lang="x-default">{_escaped(record.text)}</rdf:li></rdf:Alt>'
    sources = "".join(f"<rdf:li>{_escaped(source)}</rdf:li>" for source in record.sources)
    yield f"<dc:description>{text}</dc:description>"
    yield f"<xmp:CreatorTool>pnncupy {_escaped(record.version)}</xmp:CreatorTool>"
    term = _escaped(record.digital_source_type)
    yield f"<Iptc4xmpExt:DigitalSourceType>{term}</Iptc4xmpExt:DigitalSourceType>"
    yield _own("Task", _escaped(record.task))
    yield _own("Version", _escaped(record.version))
    yield _own("Sources", f"<rdf:Seq>{sources}</rdf:Seq>")
    yield _own("Arguments", _escaped(_json(record.arguments)))
    if record.seed is not None:
        yield _own("Seed", f"{record.seed:d}")
    if record.sample is not None:
        yield _own("Sample", f"{record.sample:d}")


def _own(name: str, content: str) -> str:
    return f"<pnncupy:{name}>{content}</pnncupy:{name}>"


def _escaped(text: str) -> str:
    return escape(in_xml(text))


def in_xml(text: str) -> str:
    """Text with a question mark for each character that XML cannot hold."""
    return _NOT_IN_XML.sub("?", text)


# ------------------------------------------------------------------------------------- parsing


def is_own(packet: Any) -> bool:
    """Test whether a packet is as pnncupy wrote it, so that nothing else is in it."""
    return isinstance(packet, bytes) and _TOOLKIT.encode() in packet


def record_in(packet: bytes) -> ProvenanceRecord | None:
    """The record in a packet, also where another program has rewritten it; None without one.

    Raises
    ------
    ImageReadError
        The packet is damaged, or XML that may expand without bounds.
    """
    found = _values(_root(packet))
    task = found.get(f"{{{_OWN}}}Task")
    if not task:
        return None
    try:
        return ProvenanceRecord(
            task[0],
            tuple(found.get(f"{{{_OWN}}}Sources", ())),
            json.loads(_first(found, _OWN, "Arguments") or "{}", parse_constant=_refused),
            _integer(_first(found, _OWN, "Seed")),
            _integer(_first(found, _OWN, "Sample")),
            _first(found, _OWN, "Version"),
            _first(found, _IPTC, "DigitalSourceType"),
            _first(found, _DC, "description"),
        )
    except (TypeError, ValueError, RecursionError) as error:
        reason = " ".join(f"{error}".split())[:200]
        raise ImageReadError(f"its provenance is damaged: {reason}") from None


def _root(packet: bytes) -> ElementTree.Element:
    if len(packet) > LONGEST or packet.count(b"<") > _MOST_XML_TAGS:
        raise ImageReadError("its XMP is too long to be some; save it without")
    try:
        text = packet.decode("utf-8-sig").strip("\0 \t\r\n")
    except UnicodeDecodeError:
        raise ImageReadError("its XMP is damaged: not UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ImageReadError(
            "its XMP defines entities, which may expand without bounds; save it without"
        )
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ImageReadError(f"its XMP is damaged: {error}") from None


def _values(root: ElementTree.Element) -> dict[str, list[str]]:
    """Values of all properties: elements or attributes, single ones or items of a list."""
    found: dict[str, list[str]] = {}
    for rdf in root.iter(f"{{{_RDF}}}RDF"):
        for description in rdf.iterfind(f"{{{_RDF}}}Description"):
            found |= {name: [value] for name, value in description.attrib.items()}
            for element in description:
                items = list(element.iter(f"{{{_RDF}}}li"))
                if items or not len(element):
                    found[element.tag] = [item.text or "" for item in items or [element]]
                else:  # an empty list
                    found[element.tag] = []
    return found


def _first(found: Mapping[str, list[str]], namespace: str, name: str) -> str:
    return next(iter(found.get(f"{{{namespace}}}{name}", ())), "")


def _integer(text: str) -> int | None:
    return int(text) if text else None


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no value of JSON")
