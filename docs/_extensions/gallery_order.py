"""Order of the examples of the gallery."""

from sphinx_gallery.sorting import FunctionSortKey

# The tasks first, then kinds of data, then ways to work, then studies.
EXAMPLES = (
    "generate_images.py",
    "retarget_image.py",
    "inpaint_hole.py",
    "make_analogy.py",
    "make_collage.py",
    "edit_image.py",
    "independent_realisations.py",
    "label_image.py",
    "missing_pixels.py",
    "periodic_tile.py",
    "volume_from_slices.py",
    "index_map.py",
    "choose_parameters.py",
    "measure_results.py",
    "batch_with_dask.py",
    "run_on_gpu.py",
    "materials_study.py",
    "remote_sensing_study.py",
)


def _position(name: str) -> tuple[int, str]:
    """Number of an example; those that are not listed come last, by name."""
    return (EXAMPLES.index(name) if name in EXAMPLES else len(EXAMPLES), name)


example_order = FunctionSortKey(_position)
