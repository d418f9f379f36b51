"""What was done or noticed while an image was read: one word each, and a sentence for the user."""

# A flag that the user should see has a sentence here; the others are only recorded.
COLOUR = "colour"
TRANSPARENT = "transparent"
CMYK = "cmyk"
ROTATED = "rotated by orientation tag"
TWELVE_OF_SIXTEEN = "12 of 16 bits used?"
CUT_TO_EIGHT = "16-bit colour cut to 8"
PERCENTILES = "scaled by percentiles"
NO_ORIENTATION = "no orientation"
BAD_WINDOW = "unusable window tags"
LUT_NOT_USED = "lookup table not used"
PADDED = "padding set to black"
NO_HOUNSFIELD = "CT without Hounsfield units"
OWN_SCALE = "scale of its own"
NO_NEGATIVE = "signed without negative levels"
NOT_SQUARE = "pixels not square"
NO_SPACING = "no spacing"
MOSAIC = "mosaic"
FEW_LEVELS = "few grey levels"
ONE_SCALE = "one scale for its series"
SEVERAL_WINDOWS = "several windows in one series"
DISPLAY_NOT_USED = "display range not used"
NAN_BACKGROUND = "NaN taken for background"
NO_PHOTOMETRIC = "no photometric interpretation"
FIRST_PICTURE = "first of several pictures"
TEXT_LEFT_OUT = "texts left out"
MINUS_ONE_TO_ONE = "floats from -1 to 1"
ROUNDED = "floats cut to 0..1"
FLAG_WARNINGS = {
    COLOUR: "colour images, turned to grey (Rec. 601 luma)",
    TRANSPARENT: "partly transparent images, put on black; in colour on the most frequent "
    "colour at the edges of the real images",
    CMYK: "CMYK images, read as RGB",
    TWELVE_OF_SIXTEEN: "16-bit files with no level above 4095, so perhaps 12-bit data; they were "
    "read on the 16-bit scale and look dark. If they are 12-bit, multiply by 16 and save again",
    CUT_TO_EIGHT: "16-bit colour or alpha files, of which the decoder keeps 8 bits",
    PERCENTILES: "images of files without a known grey scale, scaled from the 1 % to the 99 % "
    "level of their file. Give a window to put all sets on one scale",
    NO_ORIENTATION: "volumes whose header states no orientation, read as such files usually lie",
    NO_SPACING: "volumes of arrays, which state no spacing and no orientation; their voxels count "
    "as cubes, slices from feet to head, rows from front to back, columns from right to left",
    NOT_SQUARE: "images whose pixels are not square, shown as if they were",
    MOSAIC: "DICOM files that show many slices as the tiles of one picture; judged as one picture. "
    "Convert them to volumes, for example with dcm2niix",
    FEW_LEVELS: "images of 2 to 4 grey levels, which may be masks. Leave out what shows no patient",
    ONE_SCALE: "slices of DICOM series without a window whose slopes or levels differ, put on one "
    "scale for each series",
    SEVERAL_WINDOWS: "slices of DICOM series with several windows, so that equal tissue differs in "
    "grey. Give a window for one scale",
    BAD_WINDOW: "DICOM files whose window tags cannot be used; the default scale was taken",
    LUT_NOT_USED: "DICOM files with a lookup table that is empty or cannot be used; read without",
    NO_HOUNSFIELD: "CT files whose levels are not Hounsfield units (water near 0, air near -1000); "
    "read on the scale of their stored levels",
    OWN_SCALE: "DICOM files without a window whose levels are multiplied by a slope; each series, "
    "or a file without one, is scaled by itself. Give a window for one scale",
    NO_NEGATIVE: "signed DICOM files without a window and without a negative level; 0 is black",
    DISPLAY_NOT_USED: "volumes whose header names a display range that would cut off most of the "
    "body; it was not used",
    NAN_BACKGROUND: "volumes with voxels that are not numbers (NaN), which were taken for "
    "background",
    NO_PHOTOMETRIC: "TIFF files that do not say whether 0 is black or white; read as black",
    FIRST_PICTURE: "JPEG files with further pictures behind the first (previews, gain maps), of "
    "which only the first was read",
    TEXT_LEFT_OUT: "PNG files with texts that are too large to be unpacked; read without them",
    MINUS_ONE_TO_ONE: "float images from -1 to 1, put on 0 to 1. Save all sets by one rule",
    ROUNDED: "float images beyond 0 to 1 by rounding only; cut to that range",
}
GUESSED_SCALE = frozenset(
    [
        TWELVE_OF_SIXTEEN,
        PERCENTILES,
        BAD_WINDOW,
        LUT_NOT_USED,
        NO_HOUNSFIELD,
        OWN_SCALE,
        NO_NEGATIVE,
        ONE_SCALE,
        SEVERAL_WINDOWS,
        DISPLAY_NOT_USED,
        NO_PHOTOMETRIC,
        MINUS_ONE_TO_ONE,
    ]
)
"""Flags of images whose grey scale the file does not say, or not well."""
