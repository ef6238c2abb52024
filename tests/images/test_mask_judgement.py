"""The hole that an image means as a mask: values, colours, alpha, brushes and labels."""

import numpy as np
import pytest

from pnncupy.images.mask_judgement import (
    MaskChoice,
    UnclearMaskError,
    hole_count,
    judge_mask,
    mask_choice,
)

HOLE = np.zeros((24, 32), bool)
HOLE[6:16, 8:20] = True
ROWS, COLUMNS = np.indices(HOLE.shape)
DISTANCE = np.hypot(ROWS - 11.5, COLUMNS - 15.5)


def two(low, high, dtype):
    return np.asarray([low, high]).astype(dtype)[HOLE.astype(int)]


def areas(values, dtype="u1"):
    """Areas of up to 48 labels, of 4 x 4 pixels at least."""
    block = ROWS // 4 * 8 + COLUMNS // 4
    return np.asarray(values, dtype)[block * len(values) // 48]


def pattern(values, dtype="u1"):
    """Labels that change at every pixel."""
    return np.resize(np.asarray(values, dtype), HOLE.shape)


def brush(top=255, radius=10.0, power=1, dtype="u1"):
    """A round brush, softer with a lower power."""
    return np.rint(top * np.clip((radius - DISTANCE) / 4, 0, 1) ** power).astype(dtype)


def gaussian(top=255, width=4.0, dtype="u1"):
    return np.rint(top * np.exp(-((DISTANCE / width) ** 2) / 2)).astype(dtype)


def antialiased(times, top=255, dtype="u1", radius=8.3):
    """A disc, averaged over `times` x `times` samples of each pixel."""
    fine = (np.arange(times) + 0.5) / times - 0.5
    rows = (np.arange(24)[:, None] + fine).ravel()
    columns = (np.arange(32)[:, None] + fine).ravel()
    disc = np.hypot(rows[:, None] - 11.3, columns[None] - 15.1) < radius
    share = disc.reshape(24, times, 32, times).mean(axis=(1, 3))
    return np.rint(top * share).astype(dtype)


def fractional_box():
    """A box whose edges are between pixels: few uneven values, only at its edges."""
    down = np.clip(np.minimum(ROWS - 5.3, 16.8 - ROWS), 0, 1)
    across = np.clip(np.minimum(COLUMNS - 8.6, 20.2 - COLUMNS), 0, 1)
    return np.rint(255 * down * across).astype("u1")


def colours(*paints, dtype="u1"):
    """The ground in the first colour, the hole in the second, others in stripes at the right."""
    number = HOLE.astype(int)
    for extra in range(2, len(paints)):
        number[:, 32 - 3 * (extra - 1) :] = extra
    return np.asarray(paints, dtype)[number]


def shades(paint, values):
    return np.rint(values[..., None] / 255 * np.asarray(paint)).astype("u1")


def with_alpha(image, alpha):
    wide = image if image.ndim == 3 else image[..., None]
    return np.concatenate([wide, np.asarray(alpha, image.dtype)[..., None]], axis=2)


def jpeg(image, level=90):
    import imagecodecs

    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image, level=level))


VISIBLE = np.where(HOLE, 255, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
NEAR_WHITE = two(0, 255, "u1")
NEAR_WHITE[8, 9] = 254
ONE_PIXEL = np.full(HOLE.shape, 255)
ONE_PIXEL[0, 0] = 254

# Two values, the higher one is the hole; likewise two colours, and paint that is visible.
RIGHT = {
    **{
        f"{dtype} {low} and {high}": two(low, high, dtype)
        for dtype, low, high in [
            ("u1", 0, 255), ("u1", 0, 1), ("u1", 0, 2), ("u1", 7, 9), ("u1", 254, 255),
            ("u1", 0, 128), ("i1", -1, 1), ("i1", -128, 127), ("u2", 0, 1), ("u2", 0, 65535),
            ("u2", 300, 301), ("i2", -1, 1), ("i2", -32768, 0), ("i4", -5, 7), ("u4", 0, 2**32 - 1),
            ("i8", -(2**62), 2**62), ("u8", 2**63, 2**63 + 1), ("f2", 0, 0.5), ("f4", 0, 1),
            ("f4", -1, 1), ("f8", 0.1, 0.2), ("f8", 0, 255), ("f4", 0, np.inf), ("?", 0, 1),
            (">u2", 0, 5), (">f4", 0, 1),
        ]
    },
    "grey as RGB": two(0, 255, "u1")[..., None].repeat(3, 2),
    "grey as RGB, 16 bits": two(0, 9, "u2")[..., None].repeat(3, 2),
    "bool as RGB": HOLE[..., None].repeat(3, 2),
    "red on black": colours(BLACK, RED),
    "blue on black": colours(BLACK, BLUE),
    "blue on black, 16 bits": colours(BLACK, (0, 0, 65535), dtype="u2"),
    "white on blue": colours((0, 0, 200), WHITE),
    "yellow on dark red": colours((90, 0, 0), (255, 255, 0)),
    "red on black, floats": colours(BLACK, (1.0, 0, 0), dtype="f4"),
    "near white": NEAR_WHITE,
}  # fmt: skip
ALPHA = {
    "opaque": with_alpha(two(0, 255, "u1"), np.full(HOLE.shape, 255)),
    "opaque but for one pixel": with_alpha(colours(BLACK, WHITE), ONE_PIXEL),
    "half opaque everywhere": with_alpha(colours(BLACK, WHITE), np.full(HOLE.shape, 128)),
    "white paint": with_alpha(colours(WHITE, WHITE), VISIBLE),
    "red paint": with_alpha(colours(BLACK, RED), VISIBLE),
    "red paint, white where invisible": with_alpha(colours(WHITE, RED), VISIBLE),
    "grey paint": with_alpha(two(0, 90, "u1"), VISIBLE),
    "paint, 16 bits": with_alpha(two(0, 900, "u2"), np.where(HOLE, 65535, 0)),
    "paint with soft edges": with_alpha(
        np.full(HOLE.shape, 200, "u1"), np.where(HOLE, 255, np.where(DISTANCE < 12, 100, 0))
    ),
    "half opaque paint": with_alpha(colours(RED, RED), np.where(HOLE, 128, 127)),
    "white beside black": with_alpha(colours(BLACK, WHITE), np.where(ROWS < 20, 255, 0)),
    "red beside black": with_alpha(colours(BLACK, RED), np.where(ROWS < 20, 255, 0)),
    "invisible white is no hole": with_alpha(
        colours(BLACK, WHITE, WHITE), np.where(COLUMNS >= 29, 0, 255)
    ),
}
BRUSHES = {
    "round brush": brush(),
    "weak brush": brush(180),
    "brush of half opacity": brush(128),
    "gaussian": gaussian(),
    "weak gaussian": gaussian(100),
    "wide gaussian": gaussian(255, 12.0),
    "disc, 2 x 2 samples": antialiased(2),
    "disc, 4 x 4 samples": antialiased(4),
    "disc, 16 x 16 samples": antialiased(16),
    "box between pixels": fractional_box(),
    "2 bits": areas([0, 85, 170, 255]),
    "4 bits": areas(np.arange(16) * 17),
    "4 bits, half of the levels": antialiased(4) // 17 * 17,
    "three levels": areas([0, 128, 255]),
    "three levels, darker": areas([0, 127, 255]),
    "all values": np.resize(np.arange(256, dtype="u1"), HOLE.shape),
    "16 bits from 8": brush(dtype="u2") * np.uint16(257),
    "16 bits": gaussian(65535, dtype="u2"),
    "16 bits, antialiased": antialiased(4, 65535, "u2"),
    "signed 16 bits": gaussian(32767, dtype="i2"),
    "red brush": shades(RED, brush()),
    "orange brush": shades((255, 128, 0), gaussian()),
    "grey as RGB": brush()[..., None].repeat(3, 2),
    "brush on a visible ground": with_alpha(brush(), np.full(HOLE.shape, 255)),
}
JPEG = {
    "black and white": (two(0, 255, "u1"), 80),
    "black and white as RGB": (colours(BLACK, WHITE), 80),
    "worst quality": (two(0, 255, "u1"), 10),
    "grey": (two(0, 180, "u1"), 90),
    "brush": (brush(), 90),
    "red on black": (colours(BLACK, RED), 95),
}
# Labels in no order.
UNEVEN = [0, 201, 21, 122, 40, 222, 71, 9, 93, 190, 36, 137, 150, 58, 177, 104, 75, 161]
# Image and what the message says.
UNCLEAR = {
    "labels, 16 bits": (areas([0, 1, 5], "u2"), "labels 0, 1, 5;"),
    "labels, 8 bits": (areas([0, 40, 200]), "labels 0, 40, 200;"),
    "labels up to white": (areas([0, 40, 255]), "labels 0, 40, 255;"),
    "labels with one to ignore": (areas([0, 1, 255]), "labels 0, 1, 255;"),
    "labels in a pattern": (pattern([0, 40, 255]), "labels 0, 40, 255;"),
    "even labels": (areas([0, 100, 200]), "labels 0, 100, 200;"),
    "2-bit labels": (areas([0, 85, 170]), "labels 0, 85, 170;"),
    "0 to 3": (areas(range(4)), "labels 0, 1, 2, 3;"),
    "1 to 3": (pattern([1, 2, 3]), "labels 1, 2, 3;"),
    "0 to 30": (areas(range(31)), "(31 in all)"),
    "0 to 30 in a pattern": (pattern(range(31)), "0, 1, 2, 3, 4, 5, ..., 30 (31 in all)"),
    "0 to 30 but 7": (pattern(sorted({*range(31)} - {7})), "(30 in all)"),
    "0 to 100": (pattern(range(101)), "(101 in all)"),
    "numbers of classes": (areas([0, 15, 255]), "labels 0, 15, 255;"),
    "many uneven labels": (areas(UNEVEN), "(18 in all)"),
    "many uneven labels in a pattern": (pattern(UNEVEN), "(18 in all)"),
    "small cells on a ground": (
        np.where((ROWS % 4 < 3) & (COLUMNS % 8 < 3), areas(np.arange(48) * 5), 0).astype("u1"),
        "(24 in all)",
    ),
    "a label for each of many cells": (
        np.where((np.arange(80)[:, None] % 5 < 3) & (np.arange(80) % 5 < 3),
                 np.arange(80)[:, None] // 5 * 16 + np.arange(80) // 5, 0).astype("u1"),
        "(256 in all)",
    ),
    "signed": (areas([-1, 0, 1], "i1"), "labels -1, 0, 1;"),
    "signed, 16 bits": (areas([-5, 0, 7], "i2"), "labels -5, 0, 7;"),
    "32 bits": (areas([0, 3, 70000], "u4"), "labels 0, 3, 70000;"),
    "8 bits in 16": (gaussian(dtype="u2"), "labels 0, 1, 2"),
    "12 bits in 16": (gaussian(4095, dtype="u2"), "in all)"),
    "16 bits up to white": (areas([0, 1, 65535], "u2"), "labels 0, 1, 65535;"),
    "floats": (areas([0, 0.5, 1], "f4"), "values 0.0, 0.5, 1.0;"),
    "floats of a brush": (gaussian().astype("f4") / 255, "values 0.0"),
    "NaN": (np.where(HOLE, np.nan, np.where(ROWS < 3, 1.0, 0)), "NaN in it; choose"),
    "NaN and one value": (np.where(HOLE, np.nan, 0), "NaN in it"),
    "black": (np.zeros(HOLE.shape, "u1"), "one value, 0, in all pixels"),
    "white": (np.full(HOLE.shape, 255, "u1"), "one value, 255, in all pixels"),
    "constant floats": (np.full(HOLE.shape, 0.5), "one value, 0.5"),
    "False": (np.zeros(HOLE.shape, bool), "one value, False"),
    "constant colour": (colours(RED, RED), "one value, 255"),
    "bright everywhere": (gaussian(105, 9.0) + 150, "all above half of the highest"),
    "red and green": (colours(RED, GREEN), "neither clearly the brighter"),
    "red and white": (colours(WHITE, RED), "neither clearly the brighter"),
    "equal to the eye": (colours((76, 76, 76), RED), "neither clearly the brighter"),
    "grey and red": (colours((100, 100, 100), RED), "neither clearly the brighter"),
    "three colours": (colours(RED, GREEN, BLUE), "the colours (0, 0, 255), (0, 255, 0), (255"),
    "two paints on black": (colours(BLACK, RED, BLUE), "in black and white, or as one channel"),
    "paints of two levels": (colours(BLACK, RED, (0, 0, 90)), "--mask-values 90,255"),
    "red and green, floats": (colours(RED, GREEN, BLUE, dtype="f4"), "the colours"),
    "only black paint": (with_alpha(colours(BLACK, BLACK), VISIBLE), "only black paint"),
    "nothing visible": (with_alpha(colours(BLACK, WHITE), VISIBLE * 0 + 127), "no visible pixel"),
    "one colour, visible": (with_alpha(colours(WHITE, WHITE), ONE_PIXEL), "one value, 255"),
    "two paints": (with_alpha(two(100, 200, "u1"), np.where(ROWS < 20, 255, 0)),
                   "labels 0, 100, 200;"),
    "four bands": (with_alpha(colours(BLACK, WHITE), VISIBLE).astype("f4"), "4 channels"),
    "five bands": (np.zeros((*HOLE.shape, 5), "u1"), "5 channels"),
    "missing pixels": (np.ma.masked_equal(areas([0, 1, 2]), 2), "missing pixels in it"),
}  # fmt: skip


def has_alpha(image):
    return image.ndim == 3 and image.shape[2] in (2, 4) and image.dtype.kind == "u"


def judged(image, **options):
    before = image.copy()
    found = judge_mask(image, has_alpha=has_alpha(image), **options)
    np.testing.assert_array_equal(image, before)
    assert found.hole.dtype == bool
    return found


@pytest.mark.parametrize("image", RIGHT.values(), ids=RIGHT)
def test_the_higher_one_of_two_values_is_the_hole(image):
    np.testing.assert_array_equal(judged(image).hole, HOLE)


@pytest.mark.parametrize("image", ALPHA.values(), ids=ALPHA)
def test_paint_is_the_hole_where_it_is_visible_and_bright(image):
    np.testing.assert_array_equal(judged(image).hole, HOLE)


@pytest.mark.parametrize("image", BRUSHES.values(), ids=BRUSHES)
def test_soft_brushes_are_cut_at_half_of_their_maximum(image):
    found = judged(image)
    values = image if image.ndim == 2 else image[..., 0]
    np.testing.assert_array_equal(found.hole, values > values.max() / 2)
    assert f"a soft brush: those above half of its maximum, {values.max()}" in found.note


@pytest.mark.parametrize(("image", "level"), JPEG.values(), ids=JPEG)
def test_jpeg_spreads_values_of_masks(image, level):
    found = judged(jpeg(image, level), is_lossy=True)
    values = image.max(axis=2) if image.ndim == 3 else image
    wrong = found.hole != (values > values.max() / 2)
    assert wrong.mean() < 0.01
    assert "those above half of its maximum" in found.note


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(HOLE.shape, "u1"), "one value, 0"),
        (two(0, 2, "u1") + pattern([0, 1, 3]), "labels"),
        (colours(RED, GREEN), "the colours"),
        (colours(WHITE, RED), "the colours"),
        (two(200, 255, "u1"), "all above half"),
    ],
)
def test_unclear_jpeg_is_refused(image, message):
    with pytest.raises(UnclearMaskError) as error:
        judged(jpeg(image), is_lossy=True)
    assert message in str(error.value)


@pytest.mark.parametrize(("image", "message"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_doubtful_is_refused_with_its_values(image, message):
    with pytest.raises(UnclearMaskError) as error:
        judged(image)
    words = str(error.value).replace("`mask_values`", "--mask-values")
    assert message in words
    assert len(words) < 300


@pytest.mark.parametrize(
    ("image", "choice", "hole"),
    [
        (areas([0, 1, 5], "u2"), MaskChoice((1, 5)), areas([0, 1, 1]) > 0),
        (areas([0, 1, 5], "u2"), MaskChoice((5,)), areas([0, 0, 1]) > 0),
        (areas([0, 1, 5], "u2"), MaskChoice(above=1), areas([0, 0, 1]) > 0),
        (areas([0, 1, 5], "u2"), MaskChoice((0,)), areas([1, 0, 0]) > 0),
        (two(0, 255, "u1"), MaskChoice((0,)), ~HOLE),
        (areas([-1, 0, 1], "i2"), MaskChoice((-1.0,)), areas([1, 0, 0]) > 0),
        (areas([0.1, 0.2, 0.3], "f4"), MaskChoice((0.1, 0.3)), areas([1, 0, 1]) > 0),
        (np.where(HOLE, 3.0, np.nan), MaskChoice((3,)), HOLE),
        (np.where(HOLE, 3.0, np.nan), MaskChoice(above=0), HOLE),
        (areas([0, 2**60, 2**60 + 1], "i8"), MaskChoice((2**60 + 1,)), areas([0, 0, 1]) > 0),
        (colours(BLACK, RED, (0, 0, 90)), MaskChoice((255,)), HOLE & (COLUMNS < 29)),
        (with_alpha(areas([9, 7, 5]), np.where(ROWS < 9, 255, 0)), MaskChoice((7,)),
         (areas([9, 7, 5]) == 7) & (ROWS < 9)),
        (brush(), MaskChoice(above=30), brush() > 30),
    ],
)  # fmt: skip
def test_the_user_chooses_values(image, choice, hole):
    np.testing.assert_array_equal(judged(image, choice=choice).hole, hole)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (MaskChoice((7,)), "no pixel among `mask_values`: it holds 0, 1, 5"),
        (MaskChoice((0, 1, 5)), "every pixel among `mask_values`"),
        (MaskChoice(above=5), "no pixel above `mask_above`"),
        (MaskChoice(above=-1), "every pixel above `mask_above`"),
    ],
)
def test_a_choice_without_a_hole_is_refused(choice, message):
    with pytest.raises(UnclearMaskError) as error:
        judged(areas([0, 1, 5], "u2"), choice=choice)
    assert message in str(error.value)


def test_choices_are_checked():
    assert mask_choice([1, 5], None) == MaskChoice((1, 5))
    assert mask_choice(None, 0.5) == MaskChoice(above=0.5)
    assert not mask_choice(None, None).is_given
    for values, above, message in [
        ([1], 2, "must not be given both"),
        ([], None, "must be a list of at least one number"),
        (3, None, "must be a list of at least one number"),
        (["a"], None, "`mask_values` must be a real number"),
        ([np.nan], None, "`mask_values` must be a finite number"),
        (None, True, "`mask_above` must be a real number"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            mask_choice(values, above)


def test_the_line_with_the_number_of_pixels():
    assert hole_count("m.png", judged(two(0, 2, "u1"))) == "m.png: 120 of 768 pixels are the hole"
    assert hole_count("m.png", judged(areas([0, 128, 255]))) == (
        "m.png: 512 of 768 pixels are the hole (a soft brush: those above half of its maximum, 255)"
    )
