"""No file of a user is ever unpickled or run, and no test reaches another machine."""

import ast
import socket
from pathlib import Path

import pytest

import vestige

HOME = Path(vestige.__file__).parent
FILES = sorted(HOME.rglob("*.py"))
RUNS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
"""Modules whose loading runs what a file says."""
PIPES = HOME / "engine" / "processes.py"
"""Unpickles what the processes that it started itself write on pipes; it opens no file."""

COPIES = {
    HOME / "testing" / "detectors.py",
    HOME / "testing" / "generators.py",
    HOME / "engine" / "shards.py",
}
"""Unpickle in one expression what they pickled; they open no file."""


def found(tree: ast.AST) -> list[str]:
    """What in a module could run the content of a file."""
    bad = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bad += [a.name for a in node.names if a.name.split(".")[0] in RUNS]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in RUNS:
            bad += [a.name for a in node.names if a.name != "UnpicklingError"]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        options = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name in ("eval", "exec", "__import__", "os.system", "pd.read_pickle", "yaml.load"):
            bad.append(name)
        elif name == "torch.load" and options.get("weights_only") != "True":
            bad.append("torch.load without weights_only=True")
        elif name.startswith(("np.", "numpy.")) and name.endswith((".load", ".read_array")):
            if options.get("allow_pickle") != "False":
                bad.append(f"{name} without allow_pickle=False")
        elif "allow_pickle" in options and options["allow_pickle"] != "False":
            bad.append(f"{name} with allow_pickle")
    return bad


def test_nothing_is_unpickled_or_run() -> None:
    assert len(FILES) > 100
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert found(tree) == (["pickle"] if file in {PIPES, *COPIES} else []), file
    for file in COPIES:
        text = file.read_text(encoding="utf-8")
        assert text.count("pickle.loads(") == text.count("pickle.loads(pickle.dumps(") == 1
        assert "open(" not in text
    opened = PIPES.read_text(encoding="utf-8").replace("fdopen(", "").replace("Popen(", "")
    assert "open(" not in opened


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "torch.load(path, map_location='cpu')",
        "torch.load(path, weights_only=False)",
        "eval(text)",
    ],
)
def test_the_check_can_fail(line: str) -> None:
    assert found(ast.parse(line))


def test_the_suite_reaches_no_other_machine(attempts: list[str]) -> None:
    for address in (("192.0.2.1", 9), ("2001:db8::1", 9), ("vestige.example", 9)):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        for reach in ("connect", "connect_ex"):
            with socket.socket(family) as s, pytest.raises(AssertionError, match="network"):
                getattr(s, reach)(address)
        with socket.socket(family, socket.SOCK_DGRAM) as s, pytest.raises(AssertionError):
            s.sendto(b"x", address)
    with pytest.raises(AssertionError, match="network"):
        socket.create_connection(("vestige.example", 443))
    with pytest.raises(AssertionError, match="network"):
        socket.gethostbyname("vestige.example")
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()[:2]).close()
    assert len(attempts) == 11
    attempts.clear()  # they were meant
