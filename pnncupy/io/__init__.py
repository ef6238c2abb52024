"""Image files in and out: PNG, JPEG and TIFF, in the dtype that they are stored in.

What is done with the images is no business of these modules.
"""

from pnncupy.io.formats.tiff_metadata import Metadata
from pnncupy.io.reading import read_image, read_metadata
from pnncupy.io.writing import write_image

__all__ = ["Metadata", "read_image", "read_metadata", "write_image"]
