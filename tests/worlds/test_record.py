import json
from pathlib import Path

import pytest

from vestige.registry.entries import InputError
from vestige.worlds.build import build_world
from vestige.worlds.record import Recipe, load_world, read_truth


def test_a_record_is_read_strictly(recipe: Recipe, tmp_path: Path) -> None:
    build_world(recipe, tmp_path / "w")
    path = tmp_path / "w" / "world.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    for changed, says in (
        (raw | {"schema": 2}, "schema 2"),
        (raw | {"extra": 1}, "unknown key 'extra'"),
        ({k: v for k, v in raw.items() if k != "seed" and k != "sha256"}, "lacks 'sha256'"),
        (raw | {"recipe": raw["recipe"] | {"members": "30"}}, "members must be a whole number"),
        ([], "no record"),
    ):
        path.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(InputError, match=says):
            load_world(tmp_path / "w")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot read"):
        load_world(tmp_path / "w")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,role,used\n", "must begin with the columns"),
        ("id,role,group,used\nused/0.png,used,p,2\n", "row 2"),
        ("id,role,group,used\nused/0.png,trained,p,1\n", "row 2"),
        ("id,role,group,used\nused/0.png,used\n", "row 2"),
    ],
)
def test_truth_is_read_strictly(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_truth(tmp_path)
    (tmp_path / "truth.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_truth(tmp_path)
