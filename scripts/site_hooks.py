"""What the docs site adds to docs/: pages from elsewhere in the repository, and the command line.

Links in Markdown are written for the repository. The site holds only docs/, so README.md becomes
its first page, and each file outside docs/ that a page links to is copied to repository/.
"""

import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^)#\s]+)")
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")


def site_path(path: str) -> str:
    """Where a file of the repository lies in the site."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def repository_path(site: str) -> str:
    """The inverse of :func:`site_path`."""
    if site == "index.md":
        return "README.md"
    return site.removeprefix("repository/") if site.startswith("repository/") else f"docs/{site}"


def targets(page: str, text: str) -> set[str]:
    """Files of the repository to which a page links."""
    here = posixpath.dirname(page)
    found = {m[2] for m in LINK.finditer(text) if "://" not in m[2]}
    return {posixpath.normpath(posixpath.join(here, target)) for target in found}


def on_files(files: Any, config: Any) -> Any:
    """Add what lies outside docs/, also what only an added page links to, and commands.md."""
    waiting = {repository_path(file.src_uri) for file in files.documentation_pages()} | set(PAGES)
    seen = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        whole = ROOT / path
        if not path.startswith("docs/") and whole.is_file():
            files.append(File.generated(config, site_path(path), content=whole.read_bytes()))
        if path.endswith(".md") and whole.is_file():
            waiting |= targets(path, whole.read_text(encoding="utf-8")) - seen
    files.append(File.generated(config, "commands.md", content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site."""
    site = page.file.src_uri
    here, there = posixpath.dirname(repository_path(site)), posixpath.dirname(site)

    def turned(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(here, target))
        return match[1] + posixpath.relpath(site_path(path), there or ".")

    return LINK.sub(turned, markdown)


def commands() -> str:
    """The help of every command, as `vestige COMMAND --help` prints it."""
    code = (
        "import typer; from vestige.cli.main import app\n"
        "def walk(c, name):\n"
        "    below = getattr(c, 'commands', {})\n"
        "    if name != 'vestige' and not below: print(name)\n"
        "    for part, one in below.items(): walk(one, name + ' ' + part)\n"
        "walk(typer.main.get_command(app), 'vestige')\n"
    )
    names = _run("-c", code).split("\n")
    pages = ["# Command line", "What `vestige COMMAND --help` prints."]
    for name in filter(None, names):
        help_text = _run("-m", *name.split(), "--help").strip()
        pages.append(f"## {name}\n\n```text\n{help_text}\n```")
    return "\n\n".join(pages) + "\n"


def _run(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100", "NO_COLOR": "1"},
    )
    return done.stdout
