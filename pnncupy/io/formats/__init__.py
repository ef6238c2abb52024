"""What is known of image file formats beyond pixels: structure, limits, and metadata."""
