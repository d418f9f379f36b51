"""No module imports in a circle, at import time or inside a function."""

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports, but for those that only a type checker sees."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for below in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (deeper & known) | ({node.module} if deeper - known else set())
    return found & known


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Modules that cannot be put in an order: leaves are taken off until none is left."""
    left = dict(graph)
    while leaves := [name for name, below in left.items() if not below & left.keys()]:
        for name in leaves:
            del left[name]
    return sorted(left)


def graph() -> dict[str, set[str]]:
    files = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (SOURCE / "vestige").rglob("*.py")
    }
    return {name: imports(path, set(files)) - {name} for name, path in files.items()}


def test_no_circle() -> None:
    found = graph()
    assert len(found) > 300
    assert sum(map(len, found.values())) > 1000
    assert circles(found) == []


def test_a_circle_would_be_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
