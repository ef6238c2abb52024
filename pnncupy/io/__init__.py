"""Image files in and out, in the dtype that they are stored in.

What is done with the images is no business of these modules.
"""

from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.formats.xmp import ProvenanceRecord
from pnncupy.io.reading import read_image, read_metadata, read_provenance
from pnncupy.io.volume_files import read_volume, write_volume
from pnncupy.io.writing import write_image

__all__ = [
    "Metadata", "ProvenanceRecord", "read_image", "read_metadata", "read_provenance", "read_volume",
    "write_image", "write_volume",
]  # fmt: skip
