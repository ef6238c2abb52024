"""Formats of image files, by their first bytes."""

import re

# PNG, JPEG and TIFF are decoded here; what is below them in a process of its own.
_SIGNATURES = {
    "png": rb"\x89PNG\r\n\x1a\n",
    "jpeg": rb"\xff\xd8\xff",
    "tiff": rb"II[*+]\0|MM\0[*+]",
    "npy": rb"\x93NUMPY",
    "npz": rb"PK\x03\x04|PK\x05\x06",
    "webp": rb"RIFF....WEBP",
    "bmp": rb"BM.{12}",
    "gif": rb"GIF8[79]a",
    "exr": rb"v/1\x01",
    "hdr": rb"#\?(RADIANCE|RGBE)\n",
    "jxl": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "jp2": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    # A major brand, or a general one with the other among the compatible ones.
    "avif": rb"....ftyp(avi[fs]|m[is]f1.{0,40}avi[fs])",
    "heic": rb"....ftyp(hei[cxms]|hev[cx]|m[is]f1)",
}
_PATTERNS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _SIGNATURES.items()}
_TITLES = {
    "webp": "WebP", "hdr": "Radiance HDR", "jxl": "JPEG XL", "jp2": "JPEG 2000", "npy": ".npy",
    "npz": ".npz", "exr": "OpenEXR", "zarr": "OME-Zarr",
}  # fmt: skip
# Bytes that tell the format.
HEAD = 64
BUILT_IN = ("png", "jpeg", "tiff")
ARRAYS = ("npy", "npz")
UNKNOWN = (
    "not a PNG, JPEG or TIFF file, nor WebP, BMP, GIF, OpenEXR, Radiance HDR, JPEG XL, JPEG 2000, "
    "AVIF, HEIC, .npy, .npz or OME-Zarr"
)


def kind_of(head: bytes) -> str | None:
    """Return the format of a file by its first bytes; None for an unknown one."""
    found = (kind for kind, pattern in _PATTERNS.items() if pattern.match(head))
    return next(found, None)


def title_of(kind: str) -> str:
    """Return the name of a format for messages.

    Examples
    --------
    >>> title_of("jxl"), title_of("png")
    ('JPEG XL', 'PNG')
    """
    return _TITLES.get(kind, kind.upper())
