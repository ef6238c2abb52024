"""Sentences on a run for the methods section of a publication, and what they cite."""

from collections.abc import Mapping, Sequence
from typing import Any

from pnncupy import citation
from pnncupy.citation import Reference
from pnncupy.synthesis.noise_schedule import NoiseSchedule
from pnncupy.tasks.registry import TASKS, TaskSpec, verbs_by_function

_NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
_BASELINE = "bidirectional_similarity"
# How a task synthesises, and what its source is called.
_HOW = {
    "generate": ("by diverse generation", "image"),
    "retarget": ("by retargeting", "image"),
    "inpaint": ("by inpainting", "image"),
    "analogy": ("as a structural analogy", "image"),
    "collage": ("as a collage", "image"),
    "edit": ("by editing", "image"),
    "simulate": ("by conditional simulation", "training image"),
    "volume": ("by matching its slices", "image"),
    _BASELINE: ("by retargeting", "image"),
}
# Parameters that other sentences speak of.
_SAID = ("shape", "patch_size", "levels", "method", "sampler", "steps", "sigma_max", "sigma_min")


def methods_section(info: Mapping[str, Any]) -> str:
    """Return sentences on a run from its statistics, see `RunInfo`.

    Raises
    ------
    ValueError
        The task is unknown.
    """
    return _Run(info).text()


def references(info: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return what is to be cited for a run, the method first.

    Raises
    ------
    ValueError
        The task is unknown.
    """
    return _Run(info).references()


class _Run:
    """A run, and the sentences on it."""

    def __init__(self, info: Mapping[str, Any]):
        self.info = info
        function = str(info["task"])
        self.verb = verbs_by_function().get(function, function)
        if self.verb not in _HOW:
            raise ValueError(f"no task is called {function!r} in this version of pnncupy")
        self.spec: TaskSpec | None = TASKS.get(self.verb)
        self.function = self.spec.function or self.verb if self.spec else function
        self.inputs: Mapping[str, Any] = info.get("inputs", {})
        self.arguments: Mapping[str, Any] = info.get("arguments", {})
        source = self.inputs.get(self.spec.image_names[0] if self.spec else "image", [])
        self.sources: Sequence[Any] = source if isinstance(source, list) else [source]
        self.several = len(self.sources) > 1
        self.count: int | None = len(info["samples"]) if "samples" in info else None
        self.results = "result" if self.count == 1 else "results"

    # -------------------------------------------------------------------------------- references

    @property
    def approximate(self) -> bool:
        """Test whether PatchMatch searched, or may have."""
        return self.info.get("method", self.arguments.get("method")) in ("patchmatch", "auto")

    @property
    def continued(self) -> bool:
        """Test whether a hole began with a biharmonic continuation."""
        fill = self.arguments.get("fill")
        without = isinstance(self.arguments.get("mask"), str) and "fill" not in self.inputs
        return self.verb == "inpaint" and (fill == "smooth" or (fill is None and without))

    def references(self) -> tuple[Reference, ...]:
        """References of the run, the method first."""
        found = [self.method]
        found += [citation.SOLID_TEXTURES] if self.verb == "volume" else []
        found += [citation.PATCHMATCH] if self.approximate else []
        return (*found, *([citation.BIHARMONIC] if self.continued else []))

    @property
    def method(self) -> Reference:
        """The method of the task."""
        if self.spec is None:
            return citation.BIDIRECTIONAL_SIMILARITY
        return citation.PATCH_DIFFUSION if self.diffusion else citation.GPNN

    @property
    def diffusion(self) -> bool:
        """Test whether all patches were averaged."""
        return "diffusion" in (self.info.get("sampler"), self.arguments.get("sampler"))

    # --------------------------------------------------------------------------------- sentences

    def text(self) -> str:
        """All sentences."""
        sentences = [
            self._what(), *self._images(), *self._start(), *self._settings(), *self._seed(),
            self._same_bits(),
        ]  # fmt: skip
        if _has_digest(self.inputs):
            sentences.append("SHA-256 digests cover shape, dtype and values.")
        return " ".join(sentences)

    def _what(self) -> str:
        """The sentence on results, their sources, the task and the method."""
        shape = self.info.get("shape")
        volume = self.verb == "volume" or bool(self.arguments.get("volume"))
        volume = len(shape) == 3 if shape else volume
        noun, unit = ("volume", "voxels") if volume else ("image", "pixels")
        size = f" of {' × '.join(map(str, shape))} {unit}" if shape else ""
        how, called = _HOW[self.verb]
        called = called.replace("image", noun) if self.verb != "volume" else called
        sources = self.sources
        origin = _counted(len(sources), called) + f" ({_listed(map(_image, sources), '; ')})"
        # Names of files may be those of the first few only.
        if sources and "name" in sources[0]:
            origin = ", ".join(map(_image, sources))
        origin = origin if sources else "sources without names"
        place = "pnncupy.baselines" if self.spec is None else "pnncupy"
        method = "Bidirectional Similarity" if self.spec is None else "GPNN"
        method = "closed-form diffusion over image patches" if self.diffusion else method
        votes = ""
        if self.verb == "volume":
            votes = f" with the votes of {citation.SOLID_TEXTURES.short}"
        subject = f"{noun.capitalize()}s" if self.count is None else _counted(self.count, noun)
        return (
            f"{subject[0].upper()}{subject[1:]}{size} {'was' if self.count == 1 else 'were'} "
            f"synthesised {how} from {origin}, with pnncupy {self.info['version']} "
            f"({place}.{self.function}), which implements {method} ({self.method.short}){votes}."
        )

    def _images(self) -> list[str]:
        """Sentences on images beside the sources."""
        found = []
        if self.verb == "inpaint":
            found += self._hole()
        if "structure" in self.inputs:
            found.append(f"The layout is that of {_an_image(self.inputs['structure'])}.")
        if "edited" in self.inputs:
            found.append(f"The rough edit was {_an_image(self.inputs['edited'])}.")
            if "mask" in self.inputs:
                mask = _image(self.inputs["mask"])
                patches = _NUMBERS[TASKS["edit"].margin_patches]
                found.append(
                    f"Pixels farther than {patches} patches from the mask ({mask}) are those of "
                    "the edit."
                )
        if "grid" in self.inputs:
            found.append(self._hard_data(_image(self.inputs["grid"])))
        if self.inputs.get("guides"):
            found.append(_guided(self.inputs["guides"]))
        if "initial_guess" in self.inputs:
            found.append(f"The coarsest level was given ({_image(self.inputs['initial_guess'])}).")
        return found

    def _hole(self) -> list[str]:
        """Sentences on a hole, and on the image that it is filled like."""
        word = {"nodata": "missing", "alpha": "transparent"}.get(
            str(self.arguments.get("mask")), "the"
        )
        mask = f"mask ({_image(self.inputs['mask'])})" if "mask" in self.inputs else ""
        pixels = f"the pixels of the {mask}" if mask else f"{word} pixels"
        found = [f"Only {pixels} were synthesised; all others are unchanged."]
        if self.arguments.get("keep_known") is False:
            found = [f"All pixels were synthesised, with {pixels} as the hole."]
        if "fill" in self.inputs:
            found.append(f"The hole began with the pixels of {_an_image(self.inputs['fill'])}.")
        return found

    def _hard_data(self, grid: str) -> str:
        count = self.info.get("hard_data")
        if count == 0:
            return f"The grid ({grid}) held no hard data."
        known = "known pixels" if count is None else _counted(count, "known pixel")
        are = "is" if count == 1 else "are"
        return (
            f"The hard data {are} the {known} of a grid ({grid}), unchanged in the {self.results}."
        )

    def _start(self) -> list[str]:
        """A sentence on the first guess of realisations, where it is known."""
        if "initial_guess" in self.inputs:
            return []
        began = f"{'The' if self.count == 1 else 'Each'} realisation began with"
        if self.verb == "simulate":
            return [f"{began} random tiles of the training image{'s' if self.several else ''}."]
        if self.diffusion:
            sources = f"source{'s' if self.several else ''}"
            began = f"{began} Gaussian noise alone; patches" if self._of_noise() else "Patches"
            return [
                f"{began} became means of all patches of the {sources}, weighted by their "
                f"distances{self._noise()}{self._near()}."
            ]
        if self.verb != "generate" or "independent" not in self.info:
            return []
        if self.info["independent"]:
            return [f"{began} random tiles of the source{'s' if self.several else ''}."]
        return [
            f"{began} the coarsest level of the {'first ' if self.several else ''}source and "
            f"Gaussian noise of standard deviation {self.info['noise_std']:g} (in units of the "
            "value range)."
        ]

    def _settings(self) -> list[str]:
        """Sentences on patches, levels, the search and all parameters that are no defaults."""
        found, said = [], ["volume"]
        if "patch_size" in self.info and "levels" in self.info:
            levels = self.info["levels"]
            found.append(
                f"Patches had {self._patch()}, and the pyramid had {_counted(levels, 'level')} "
                "below full size."
            )
            said += [name for name in _SAID if self.arguments.get(name) != "auto"]
        search = "exactly"
        if self.approximate:
            name = f"PatchMatch ({citation.PATCHMATCH.short})"
            known = self.info.get("method", self.arguments.get("method")) == "patchmatch"
            search = f"by {name}" if known else f"exactly, or by {name} where the search was large"
        if not self.diffusion:
            found.append(f"Nearest patches were searched {search}.")
        changed = {
            name: value for name, value in self.arguments.items()
            if name not in said and not (name == "mask" and self.verb == "inpaint")
        }  # fmt: skip
        listed = [f"{name} = {_value(value)}" for name, value in sorted(changed.items())]
        if not listed:
            return [*found, "All other parameters had their default values."]
        if len(listed) == 1:
            return [
                *found, f"The only other parameter that differed from its default was {listed[0]}."
            ]  # fmt: skip
        return [
            *found,
            f"The other parameters that differed from their defaults were {_listed(listed)}.",
        ]

    def _noise(self) -> str:
        """The noise levels of diffusion, where they are known."""
        if "steps" not in self.info:
            return ""
        noise = NoiseSchedule(*(self.info[name] for name in ("steps", "sigma_max", "sigma_min")))
        kept = self.info.get("coarsest_level_kept", False)
        sigmas = sorted(set(noise.levels(coarsest=not kept)))
        return (
            f", at {len(sigmas)} noise levels from {sigmas[-1]:.3g} to {sigmas[0]:.3g} at "
            f"{'each level below the coarsest one' if kept else 'the coarsest level'} (in units of "
            "the value range)"
        )

    def _of_noise(self) -> bool:
        """Test whether diffusion began with noise alone."""
        return self.verb == "generate" or self.arguments.get("fill") == "noise"

    def _near(self) -> str:
        """The clause on approximate means of diffusion."""
        if not self.approximate:
            return ""
        known = self.info.get("method", self.arguments.get("method")) == "patchmatch"
        return (
            f"; at levels of many patches {'' if known else 'perhaps '}only of the nearest ones "
            f"that PatchMatch ({citation.PATCHMATCH.short}) found"
        )

    def _same_bits(self) -> str:
        """The sentence on engines, of which "auto" may choose other methods."""
        the = "The"
        if self.arguments.get("method") == "auto":
            known = self.info.get("method")
            the = f'With method = "{known}" the' if known else "With one method of search the"
        return (
            f"{the} {self.results} {'has' if self.count == 1 else 'have'} the same bits on every "
            "compute engine and for any number of threads."
        )

    def _patch(self) -> str:
        size = self.info["patch_size"]
        axes = 2 if self.verb == "volume" else len(self.info["shape"])
        sides = [size] * axes if isinstance(size, int) else size
        return f"{' × '.join(map(str, sides))} {'voxels' if len(sides) == 3 else 'pixels'}"

    def _seed(self) -> list[str]:
        """The seed, where random numbers were drawn, and which realisations these are."""
        seed = self.info.get("seed")
        noisy = self.verb != "inpaint" or self.arguments.get("fill") == "noise"
        if seed is None or not noisy:
            return []
        which = ""
        if self.spec and self.spec.realisations and "first_sample" in self.info:
            first = self.info["first_sample"]
            which = f" (realisation {first})"
            if self.count and self.count > 1:
                to = "and" if self.count == 2 else "to"
                which = f" (realisations {first} {to} {first + self.count - 1})"
        told = _value(seed)
        if isinstance(seed, dict):
            told = ", ".join(f"{name}={_value(value)}" for name, value in seed.items())
            told = f"numpy.random.SeedSequence({told})"
        if not self.info.get("seed_drawn"):
            return [f"The random seed was {told}{which}."]
        return [
            f"No random seed was given; the entropy drawn was {told}{which}, and rng={told} "
            f"reproduces the {self.results}."
        ]


def _counted(number: int, noun: str) -> str:
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"


def _listed(texts: Any, separator: str = ", ") -> str:
    """Texts in a list, "and" before the last one where they are separated by commas."""
    words = list(texts)
    if separator != ", " or len(words) < 2:
        return separator.join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _an_image(image: Any) -> str:
    """An image as an object of a sentence."""
    return _image(image) if "name" in image else f"an image ({_image(image)})"


def _image(image: Any) -> str:
    """An image by its name, or by shape, dtype and digest."""
    if "name" in image:
        return str(image["name"])
    shape = ", ".join(map(str, image["shape"]))
    text = f"array of shape ({shape}), {image['dtype']}, SHA-256 {image['sha256']}"
    if "masked" in image:
        masked = _counted(image["masked"], "masked value")
        text += f", with {masked}, mask of SHA-256 {image['mask_sha256']}"
    return text


def _guided(guides: Sequence[Any]) -> str:
    """A sentence on layers that are compared but do not enter the result."""
    layers = []
    for source, target, weight in guides:
        several = source if isinstance(source, list) else [source]
        layers.append(
            f"source {_listed(map(_image, several), '; ')}; target {_image(target)}; "
            f"weight {weight}"
        )
    subject = _counted(len(guides), "guide")
    listed = _listed([f"({each})" for each in layers])
    return f"The comparison of patches included {subject} {listed}."


def _has_digest(value: Any) -> bool:
    """Test whether images are described by their digests."""
    if isinstance(value, Mapping):
        return "sha256" in value or any(map(_has_digest, value.values()))
    return isinstance(value, list) and any(map(_has_digest, value))


def _value(value: Any) -> str:
    """A value of a parameter as it is written in Python; infinity and NaN are no words here."""
    if isinstance(value, list):
        return f"({', '.join(map(_value, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_value(each)}' for name, each in value.items())}}}"
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        return f'"{value}"'
    return str(value)
