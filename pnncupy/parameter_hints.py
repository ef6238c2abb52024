"""Hints for calls with the names of other libraries: `seed` is `rng` here."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

# Parameters by words that others have for them; the first that a function has is named.
_MEANINGS = {
    ("rng", "seed"): "rng seed random_state random_seed generator random rand prng",
    ("shape", "scale"): "size output_size output_shape out_shape target_shape target_size "
                        "new_shape height width dsize resolution",
    ("n", "count"): "n count num num_samples n_samples num_images n_images number_of_samples "
                    "samples num_results batch_size",
    ("patch_size",): "window_size block_size kernel_size patch psize size",
    ("levels", "scales"): "levels num_levels n_levels max_layer max_level pyramid_levels octaves",
    ("iterations",): "n_iter num_iters num_iterations max_iter steps num_steps epochs",
    ("scale", "shape"): "scale zoom",
    ("scale", "downscale"): "factor scale_factor",
    ("downscale",): "ratio pyr_factor pyramid_ratio pyramid_factor",
    ("alpha",): "completeness alpha_completeness",
    ("noise_std",): "noise sigma noise_sigma noise_level std noise_scale",
    ("engine",): "device backend gpu cuda use_gpu",
    ("threads", "workers"): "n_jobs num_threads n_threads workers num_workers cpus",
    ("method",): "search algorithm approximate nn_method",
    ("vote",): "reduction aggregate how",
    ("channel_axis",): "multichannel channels axis channel_last",
    ("data_range",): "value_range vmin vmax clim intensity_range range",
    ("nodata",): "missing nan fill_value no_data",
    ("categorical",): "labels label is_labels",
    ("channel_weights",): "weights band_weights",
    ("max_memory",): "memory memory_limit mem_limit ram",
    ("callback",): "progress on_step progress_callback verbose",
    ("periodic",): "tileable seamless wrap circular tiling",
    ("initial_guess",): "init initial start x0",
    ("return_index",): "return_indices return_nnf return_map index_map",
    ("return_info",): "return_stats full_output info",
    ("mask",): "mask hole holes mask_image inpaint_mask region",
    ("result",): "samples image other generated output synthesised synthesized target predicted "
                 "image_test test",
    ("source", "image", "images", "sources", "volumes"):
        "image images source sources input img src exemplar example reference reference_image ref "
        "texture image_true true original volume",
    ("structure", "edited"): "target layout guide content",
    ("query",): "queries target_image",
    ("key",): "keys",
    ("largest_shift",): "max_shift",
    ("largest_distance",): "max_distance",
    ("columns",): "ncols cols",
    ("size",): "figsize",
}  # fmt: skip


def hint_at_names(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Let a public function name the right parameter where a call has a wrong one.

    A call that is right costs nothing more; the signature is looked at after it has failed only.
    """

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            hint = _hint(function, arguments, options, error)
            if hint:
                raise TypeError(hint) from None
            raise

    return call


def _hint(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
    error: TypeError,
) -> str:
    """Reason why these arguments do not fit the signature; "" if they do."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
    except TypeError:
        wrong = next((name for name in options if name not in signature.parameters), None)
        if wrong is None:
            return f"{error}; the order is {_order(signature)}"
        start = f"`{function.__name__}` has no parameter `{wrong}`"
        if name := right_name(wrong, signature.parameters, options):
            return f"{start}; use `{name}`"
        return f"{start}; it has {', '.join(f'`{name}`' for name in signature.parameters)}"
    return ""


def right_name(wrong: str, names: Collection[str], given: Collection[str] = ()) -> str:
    """Return the name among these that a wrong one is meant for, and that is not given; or ""."""
    word = wrong.lower()
    for meant, words in _MEANINGS.items():
        if word in words.split():
            for name in meant:
                if name in names and name not in given:
                    return name
    by_letters = {name.replace("_", ""): name for name in names if name not in given}
    near = difflib.get_close_matches(word.replace("_", ""), by_letters, 1, 0.7)
    return by_letters[near[0]] if near else ""


def _order(signature: inspect.Signature) -> str:
    """Parameters by position, those without a default first."""
    positional = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    rest = ", all others by name" if len(positional) < len(signature.parameters) else ""
    return f"({', '.join(positional)}){rest}"
