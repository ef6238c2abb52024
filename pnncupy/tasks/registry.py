"""The table of tasks: what the command line, batches, reports and estimates know of each.

Nothing of a task is loaded before it is called.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast

# Words for axes that wrap around, and what they set.
PERIODIC_WORDS: dict[str, bool | tuple[bool, bool]] = {
    "rows": (True, False), "columns": (False, True), "both": (True, True), "all": True,
}  # fmt: skip


@dataclass(frozen=True)
class ImageParameter:
    """An argument of a task that is an image, or several.

    Attributes
    ----------
    name : str
    help : str
        Of the option of that name on the command line; the first image has none.
    several : {"no", "allowed", "required"}
        Whether it may be a list.
    mask : bool
        It is read as a mask.
    required : bool
    words : tuple of str
        What may be given instead of an image.
    in_name : bool
        Its name becomes part of the result's.
    positional : bool
        On the command line it is the last file, without an option.
    """

    name: str
    help: str = ""
    several: str = "no"
    mask: bool = False
    required: bool = True
    words: tuple[str, ...] = ()
    in_name: bool = False
    positional: bool = False


@dataclass(frozen=True)
class OwnOption:
    """An option on the command line for a parameter that only this task has.

    Attributes
    ----------
    flag : str
    parameter : str
        What it sets.
    help : str
    value : object
        What a flag without a value sets; None for an option that takes a number or a word.
    choices : mapping of str to object
        Words that it takes, and what they set.
    number : type
        Of the number that an option without words takes.
    """

    flag: str
    parameter: str
    help: str
    value: object = None
    choices: Mapping[str, object] = field(default_factory=dict)
    number: type[float] = float


@dataclass(frozen=True)
class TaskSpec:
    """One task.

    Attributes
    ----------
    module : str
        Where the function with the name of the task is.
    images : tuple of ImageParameter
        The source first.
    heading, introduction : str
        Of its section in a report.
    help : str
        What its command does, with examples.
    takes : tuple of str
        Which of the shared options it has: "guides", "rng", "shape".
    options : tuple of OwnOption
    realisations : bool
        It takes `n` and `first_sample`, and always draws random numbers.
    scalable : bool
        A size has to be given, which may be factors of the source's.
    keeps_origin : bool
        Pixels of the result have the positions of the source's: a georeference holds, and a mask
        says what changes.
    margin_patches : int
        Patches around the mask that change too.
    baseline : bool
        `baselines.bidirectional_similarity` can do the same.
    function : str
        Name of the function, where it is not that of the task.
    nan_missing : bool
        NaN marks missing pixels, whatever `nodata` is.
    volume : bool
        Results are volumes: it has a command of its own, and batches and reports do not have it.
    automatic_levels : bool
        `levels` may be "auto".
    """

    module: str
    images: tuple[ImageParameter, ...]
    heading: str = ""
    introduction: str = ""
    help: str = ""
    takes: tuple[str, ...] = ()
    options: tuple[OwnOption, ...] = ()
    realisations: bool = False
    scalable: bool = False
    keeps_origin: bool = False
    margin_patches: int = 0
    baseline: bool = False
    function: str = ""
    nan_missing: bool = False
    volume: bool = False
    automatic_levels: bool = False

    @property
    def image_names(self) -> tuple[str, ...]:
        """Names of all image parameters."""
        return tuple(image.name for image in self.images)

    def image(self, name: str) -> ImageParameter:
        """Return the image parameter of a name."""
        return next(image for image in self.images if image.name == name)

    def has_option(self, parameter: str) -> bool:
        """Test whether a parameter is one of its own options."""
        return any(option.parameter == parameter for option in self.options)

    @property
    def seeded(self) -> bool:
        """Test whether it takes a seed."""
        return "rng" in self.takes

    def seeded_by(self, arguments: Mapping[str, Any]) -> bool:
        """Test whether results of these arguments are those of a seed: it may draw numbers."""
        may_draw = self.realisations or any("noise" in image.words for image in self.images)
        return self.seeded and (may_draw or arguments.get("sampler") == "diffusion")

    @property
    def masked(self) -> bool:
        """Test whether it takes a mask."""
        return any(image.mask for image in self.images)

    def draws(self, arguments: Mapping[str, Any]) -> bool:
        """Test whether a call draws random numbers."""
        noisy = [image.name for image in self.images if "noise" in image.words]
        if arguments.get("sampler") == "diffusion":
            return True
        return self.realisations or any(
            isinstance(value := arguments.get(name), str) and value == "noise" for name in noisy
        )

    def changes_a_part(self, given: Collection[str], arguments: Mapping[str, Any]) -> bool:
        """Test whether a call with these images and arguments leaves pixels as they are."""
        masked = "mask" in given or "mask" in arguments
        return self.keeps_origin and masked and bool(arguments.get("keep_known", True))

    @property
    def changed(self) -> str:
        """Pixels that a call with a mask changes, in words."""
        return f"pixels of the mask {'and near it ' if self.margin_patches else ''}only"


_KEEP_GRAIN = OwnOption(
    "--keep-grain", "keep_grain",
    "Copy pixels in the last vote instead of averaging patches: as sharp as IMAGE.", value=True,
)  # fmt: skip

# Of the tasks that have another sampler.
_SAMPLER = (
    OwnOption("--sampler", "sampler", "Nearest patches, the default, or diffusion over all "
              "patches: more diverse, smoother in fine structure.",
              choices={"patches": "patches", "diffusion": "diffusion"}),
    OwnOption("--steps", "steps", "With diffusion: noise levels; default 20.", number=int),
    OwnOption("--sigma-max", "sigma_max", "With diffusion: largest noise, in units of the value "
              "range; default 8, or 0.5 where an image is given that noise is added to."),
    OwnOption("--sigma-min", "sigma_min", "With diffusion: smallest noise; default 0.0001."),
    OwnOption("--patch-sizes", "patch_sizes", "With diffusion: side of a patch; default 15 or 11.",
              number=int),
)  # fmt: skip

TASKS = {
    "generate": TaskSpec(
        "pnncupy.tasks.generation",
        (ImageParameter("image", several="allowed"),),
        "Diverse generation",
        "New pictures from the patches of one; noise at the coarsest level decides where they go.",
        """Make new images with the patches of IMAGE, arranged differently.

        \b
        pnncupy generate photo.png -o results -n 8
        pnncupy generate --sample rocket -o rocket.png --shape 165 400
        """,
        ("shape", "rng", "guides"),
        (OwnOption("--noise-std", "noise_std", "Noise at the coarsest level, in units of the value "
                   "range: more is more diverse; default 0.75."),
         OwnOption("--variety", "variety", "Instead of --noise-std: 0.75, 1.1 or 1.5.",
                   choices={"low": "low", "medium": "medium", "high": "high"}),
         OwnOption("--independent", "independent", "Start from random tiles of IMAGE, without its "
                   "layout; auto, the default: where it is a stationary texture.",
                   choices={"auto": "auto", "yes": True, "no": False}),
         OwnOption("--distinct", "distinct", "Synthesise results again that copy IMAGE; default: "
                   "yes for -n above 1.", choices={"yes": True, "no": False}),
         *_SAMPLER),
        realisations=True,
        automatic_levels=True,
    ),
    "inpaint": TaskSpec(
        "pnncupy.tasks.inpainting",
        (
            ImageParameter("image"),
            ImageParameter("mask", "Mask image of the same size; bright pixels are filled. "
                           "'nodata': fill missing pixels. 'alpha': fill transparent pixels.",
                           mask=True, words=("nodata", "alpha")),
            ImageParameter("fill", "Image that steers the result instead of the hole's values. "
                           "'smooth': continue what is around, to remove something.",
                           required=False, words=("smooth", "mean", "noise")),
        ),
        "Conditional inpainting",
        "A hole is filled with patches from elsewhere, steered by the colours painted into it.",
        """Fill holes of IMAGE with its patches.

        \b
        pnncupy inpaint photo.png --mask mask.png --fill smooth -o filled.png
        pnncupy inpaint painted.png --mask mask.png -o steered.png

        --fill smooth removes what the mask covers: objects, text, scratches, dust. Without --fill
        the colours in the holes steer what appears there.
        """,
        ("rng", "guides"),
        (OwnOption("--remake-known", "keep_known", "Synthesise the known pixels too, instead of "
                   "keeping them.", value=False),
         OwnOption("--average", "keep_grain", "Average overlapping patches in wide holes too: "
                   "smoother than the rest.", value=False),
         *_SAMPLER),
        keeps_origin=True,
    ),
    "analogy": TaskSpec(
        "pnncupy.tasks.analogies",
        (
            ImageParameter("source", several="allowed"),
            ImageParameter("structure", "Image that gives the layout and the size.",
                           in_name=True),
        ),
        "Structural analogies",
        "The patches of one image in the layout of another.",
        """Rebuild the layout of a structure image with the patches of IMAGE.

        \b
        pnncupy analogy snow.png --structure sand.png -o prints_in_snow.png
        """,
        ("rng", "guides"),
        (_KEEP_GRAIN, *_SAMPLER),
    ),
    "retarget": TaskSpec(
        "pnncupy.tasks.retargeting",
        (ImageParameter("image", several="allowed"),),
        "Retargeting",
        "Another size or aspect, in which objects keep theirs.",
        """Change the size or aspect of IMAGE while its objects keep theirs.

        \b
        pnncupy retarget photo.png -o narrow.png --scale 1 0.6
        """,
        ("shape", "rng", "guides"),
        (OwnOption("--gradual/--no-gradual", "gradual", "Change the size in several steps, which "
                   "keeps objects whole; default: for factors of 1.25 or more, 0.8 or less.",
                   value=True), *_SAMPLER),
        scalable=True,
        baseline=True,
    ),
    "collage": TaskSpec(
        "pnncupy.tasks.collages",
        (ImageParameter("images", several="required"),),
        "Collage",
        "Several images merged into one that has something of each.",
        """Merge two or more IMAGEs into one image that has something of each.

        \b
        pnncupy collage beach.png forest.png city.png -o merged.png
        """,
        ("shape", "rng"),
        (OwnOption("--gradual", "gradual", "Change the size in several steps (slower; better for "
                   "large changes).", value=True), *_SAMPLER),
        baseline=True,
    ),
    "edit": TaskSpec(
        "pnncupy.tasks.editing",
        (
            ImageParameter("source"),
            ImageParameter("edited", "IMAGE after a rough edit."),
            ImageParameter("mask", "Image that is bright where the edit was made; the rest is "
                           "kept.", mask=True, required=False),
        ),
        "Editing",
        "A rough edit, made seamless with patches of the unedited image.",
        """Make a rough edit of IMAGE seamless.

        \b
        pnncupy edit photo.png --edited rough.png -o seamless.png
        """,
        ("rng", "guides"),
        (_KEEP_GRAIN, *_SAMPLER),
        keeps_origin=True,
        margin_patches=2,
    ),
    "simulate": TaskSpec(
        "pnncupy.tasks.simulation",
        (
            ImageParameter("training", several="allowed"),
            ImageParameter("grid", "Image with the hard data, NaN (or --nodata) where values are "
                           "simulated.", in_name=True, positional=True),
        ),
        "Hard data",
        "Realisations of a training image that hold given values where they are known.",
        """Simulate realisations of a training IMAGE that honour the hard data of a grid.

        The last file is the grid: known values, and NaN or --nodata elsewhere. Its size is that of
        the results, which hold the known values as they are.

        \b
        pnncupy simulate training.tif wells.tif -o results -n 20 --categorical
        """,
        ("rng", "guides"),
        (OwnOption("--data-weight", "data_weight", "Weight of known pixels when patches are "
                   "compared, 1 to 100; default 20."),
         OwnOption("--training-share", "training_share", "Share of the training image that each "
                   "result knows, others for each; below 1 results vary more; default 1.")),
        realisations=True,
        nan_missing=True,
    ),
    "volume": TaskSpec(
        "pnncupy.tasks.volumes",
        (ImageParameter("images", several="allowed"),),
        "Volumes",
        "A volume whose slices look like given images.",
        """Make a volume whose slices along each axis look like IMAGE.

        Of three IMAGEs the first is for slices perpendicular to Z, the second to Y, the third to X;
        or one for each of --axes. FILE.tif is a stack for ImageJ, FILE.npy a NumPy array.

        \b
        pnncupy volume micrograph.tif -o volume.tif --shape 96 96 96
        pnncupy volume top.png front.png side.png -o volume.npy --shape 64 80 96
        """,
        ("shape", "rng"),
        function="grow_volume",
        volume=True,
    ),
}  # fmt: skip


def verbs_by_function() -> dict[str, str]:
    """Names of the tasks by those of their functions."""
    return {spec.function or verb: verb for verb, spec in TASKS.items()}


def task_function(verb: str) -> Callable[..., Any]:
    """Load the function of a task."""
    spec = TASKS[verb]
    return cast(Callable[..., Any], getattr(import_module(spec.module), spec.function or verb))
