"""Where a result is shown: as a card in a notebook, else as a page in a browser."""

import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this; IPython is asked only if somebody imported it."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


def has_screen() -> bool:
    """Whether a browser with a window can be opened; a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def display_card(result: Any) -> None:
    """Show the card of a result below the cell of a notebook."""
    sys.modules["IPython"].display.display(result)


def own_folder() -> Path:
    """A new folder for temporary files that its owner alone may read."""
    return Path(tempfile.mkdtemp(prefix="vestige-report-"))


def open_page(page: Path) -> None:
    """Open a page in the browser, where there is a screen."""
    if has_screen():
        webbrowser.open(page.resolve().as_uri())
