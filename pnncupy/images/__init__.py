"""Arrays of images as what is computed with: planes, encodings, missing pixels, sizes.

Nothing here knows of patches, searches or files.
"""
