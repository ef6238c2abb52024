"""Image file formats beyond pixels: structure, limits and metadata."""
