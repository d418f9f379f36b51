"""From the HTML of the annex to a PDF, by WeasyPrint (the extra ``pdf``)."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vestige.registry.entries import InputError

FONT_FACES = """
@font-face { font-family: Annex; font-weight: 400; src: url("font:DejaVuSans.ttf"); }
@font-face { font-family: Annex; font-weight: 700; src: url("font:DejaVuSans-Bold.ttf"); }
"""
"""The fonts that come with matplotlib, so that a PDF has the same pages on every machine; the
style of the annex names the family first.
"""
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")


def to_pdf(html: str) -> bytes:
    """A tagged PDF with embedded fonts and text that can be selected; nothing is loaded for it.

    Raises
    ------
    InputError
        Without WeasyPrint, the library Pango that it needs, or the fonts.
    """
    weasyprint, folder = _weasyprint(), _font_folder()
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OnlyFonts(URLFetcher):  # type: ignore[misc]
        """Answers for the two fonts and for nothing else, so that no page can load anything."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            return URLFetcherResponse(url, _font(folder, url), {"Content-Type": "font/ttf"})

    fonts, fetcher = FontConfiguration(), OnlyFonts()
    faces = weasyprint.CSS(string=FONT_FACES, font_config=fonts, url_fetcher=fetcher)
    page = weasyprint.HTML(string=html, url_fetcher=fetcher)
    made: bytes = page.write_pdf(stylesheets=[faces], font_config=fonts, pdf_tags=True)
    return made


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise InputError(
            "a PDF needs WeasyPrint: pip install 'vestige[pdf]', or name an .html file for --out "
            "and print it from a browser."
        ) from error
    except OSError as error:  # it loads Pango when it is imported
        raise InputError(
            "WeasyPrint finds no Pango: install it (Debian and Ubuntu: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0 libharfbuzz-subset0; macOS: brew install pango), or name an .html "
            "file for --out and print it from a browser."
        ) from error
    return weasyprint


def _font_folder() -> Path:
    """Where Matplotlib keeps its fonts; it is not imported, so no settings of it are read."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise InputError("a PDF needs the fonts of Matplotlib: pip install 'vestige[pdf]'.")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def _font(folder: Path, url: str) -> bytes:
    name = url.removeprefix("font:")
    if name not in FONTS:
        raise ValueError("a page of vestige loads nothing")
    return (folder / name).read_bytes()
