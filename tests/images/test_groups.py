"""Groups from CSV, expression, DICOM and likeness; always over all real roles together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_sets import as_read
from reference_worlds import population
from vestige.images.groups import Grouping, assign_groups
from vestige.images.imageset import ImageSet, Record
from vestige.registry.entries import InputError

from .test_duplicates import family


def images(ids: list[str], patients: list[str] | None = None, root: str | None = None) -> ImageSet:
    """An image set of black pictures with these ids."""
    owners = patients or [""] * len(ids)
    records = tuple(
        Record(i, i, 0, f"digest of {i}", (8, 8), 8, "L", patient=p)
        for i, p in zip(ids, owners, strict=True)
    )
    return ImageSet(
        np.zeros((len(ids), 8, 8), np.float32), records, root=Path(root) if root else None
    )


SETS = {
    "generated": images(["g.png"]),
    "used": images(["p1/a.png", "p1/b.png", "p2/a.png"], root="/data/train"),
    "unused": images(["p3/a.png", "v.nii#0", "v.nii#1"], root="/data/holdout"),
}
ROWS = "p1/a.png,x\np1/b.png,x\np2/a.png,y\np3/a.png,z\nv.nii,v\nother.png,o\n"


def test_a_mirrored_copy_is_of_its_patient() -> None:
    faces = population(3, np.random.default_rng(0))[0]
    sets = {
        "used": as_read(faces[:2], ["a", "b"]),
        "reference": as_read(faces[::-1, :, ::-1], "xyz"),
    }
    labels = assign_groups(sets).labels
    assert labels["used"] == labels["reference"][:0:-1]
    assert len({*labels["reference"]}) == 3


def test_patients_are_guessed_where_images_stand_together_unasked() -> None:
    for patients, labels, guessed in (
        (False, ("a", "a"), True), (False, ("a", "b"), False), (True, ("a", "a"), False)
    ):  # fmt: skip
        assert Grouping({"used": labels}, "", patients).guessed == guessed


class TestCsv:
    """A table of ids and groups."""

    @pytest.mark.parametrize("header", ["id,group", "File,person,kind", "path,patient"])
    def test_ids_relative_to_the_folder(self, tmp_path: Path, header: str) -> None:
        (tmp_path / "g.csv").write_text(f"{header}\n{ROWS}")
        grouping = assign_groups(SETS, csv=tmp_path / "g.csv")
        assert grouping.labels == {"used": ("x", "x", "y"), "unused": ("z", "v", "v")}
        assert grouping.source == "the CSV file g.csv: 6 images in 4 groups"

    def test_ids_with_role_or_folder(self, tmp_path: Path) -> None:
        rows = "used/p1/a.png,1\ntrain/p1/b.png,2\np2/a.png,3\nholdout/p3/a.png,4\n"
        rows += "v.nii#0,5\nunused/v.nii,6\n"
        (tmp_path / "g.csv").write_text(f"id,group\n{rows}")
        labels = assign_groups(SETS, csv=tmp_path / "g.csv").labels
        assert labels == {"used": ("1", "2", "3"), "unused": ("4", "5", "6")}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "starts with nothing"),
            ("a,b\nx,y\n", "starts with a,b; one column must be named id, file"),
            ("id,group\np1/a.png,x\n", "no group for 5 of 6 images, the first is used/p1/b.png"),
            ("id,group\np1/a.png,\n", "row 2 lacks an id or a group"),
            ("id,group\np1/a.png,x\np1/a.png,y\n", "in group 'x' and in 'y'"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "g.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            assign_groups(SETS, csv=tmp_path / "g.csv")

    def test_one_row_cannot_stand_for_two_roles(self, tmp_path: Path) -> None:
        sets = {"used": images(["1.png"]), "unused": images(["1.png"])}
        (tmp_path / "g.csv").write_text("id,group\n1.png,x\n")
        with pytest.raises(InputError, match=r"that id is in several roles; write used/1\.png"):
            assign_groups(sets, csv=tmp_path / "g.csv")
        (tmp_path / "g.csv").write_text("id,group\nused/1.png,x\nunused/1.png,y\n")
        labels = assign_groups(sets, csv=tmp_path / "g.csv").labels
        assert labels == {"used": ("x",), "unused": ("y",)}

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot read"):
            assign_groups(SETS, csv=tmp_path / "g.csv")


class TestRegex:
    """A pattern searched in the id."""

    def test_capture_group_or_whole_match(self) -> None:
        for regex in (r"^(p\d|v)", r"^(?:p\d|v)"):
            grouping = assign_groups(SETS, regex=regex)
            assert grouping.labels["used"] == ("p1", "p1", "p2")
            assert grouping.labels["unused"] == ("p3", "v", "v")
        assert grouping.source.endswith("on the ids: 6 images in 4 groups")

    def test_a_whole_match_is_told_with_an_example(self) -> None:
        assert assign_groups(SETS, regex=r"^(p\d|v)").problems == ()
        [row] = assign_groups(SETS, regex=r"^(?:p\d|v)").problems
        assert "has no group in parentheses" in row.what and "matches: 'p1' here" in row.what

    def test_what_is_wrong_is_said(self) -> None:
        with pytest.raises(InputError, match=r"finds no group in unused/v\.nii#0"):
            assign_groups(SETS, regex=r"^p\d")
        with pytest.raises(InputError, match="finds no group"):
            assign_groups(SETS, regex=r"^(x)?")
        with pytest.raises(InputError, match="not valid"):
            assign_groups(SETS, regex="(")
        with pytest.raises(InputError, match="given twice"):
            assign_groups(SETS, regex="a", csv="b.csv")


class TestPatients:
    """DICOM patient ids, if every image has one."""

    def test_labels_are_numbers_not_digests(self) -> None:
        sets = {
            "used": images(["10.dcm", "9.dcm", "8.dcm"], ["aa", "bb", "aa"]),
            "query": images(["7.dcm"], ["bb"]),
        }
        grouping = assign_groups(sets)
        assert grouping.labels["used"] == ("patient-0002", "patient-0001", "patient-0002")
        assert grouping.labels["query"] == ("patient-0001",)
        assert grouping.source == "DICOM patient ids: 4 images in 2 groups"

    def test_mostly_without_falls_back_to_likeness(self) -> None:
        sets = {"used": images(["1.dcm", "2.dcm", "3.dcm"], ["aa", "", ""])}
        grouping = assign_groups(sets)
        assert grouping.source.startswith("near-duplicate clustering (no patient ids were given)")
        labels = ("cluster-0001", "cluster-0002", "cluster-0002")
        assert grouping.labels["used"] == labels  # black images of nobody are one cluster


def split(order: list[int], cut: int) -> dict[str, ImageSet]:
    """The family of near copies in two roles."""
    pixels = family()
    parts = {"used": order[:cut], "unused": order[cut:]}
    return {
        role: replace(images([f"{k}.png" for k in part]), pixels=pixels[part])
        for role, part in parts.items()
    }


def test_clusters_reach_across_roles() -> None:
    grouping = assign_groups(split([0, 2, 4, 6, 7, 8, 1, 3, 5, 9, 10, 11], 6))
    assert grouping.labels["used"][:3] == grouping.labels["unused"][:3]
    assert len({*grouping.labels["used"], *grouping.labels["unused"]}) == 9
    assert grouping.source == (
        "near-duplicate clustering (no patient ids were given): 12 images in 9 groups; "
        "slices of one patient that look unlike count as several"
    )


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 11))
def test_an_image_keeps_its_cluster_in_any_order_and_role(order: list[int], cut: int) -> None:
    def label_of(sets: dict[str, ImageSet]) -> dict[str, str]:
        labels = assign_groups(sets).labels
        return {
            identifier: label
            for role in sets
            for identifier, label in zip(sets[role].ids, labels[role], strict=True)
        }

    assert label_of(split(order, cut)) == label_of(split(list(range(12)), 6))


def test_the_same_content_is_one_group_even_if_pixels_round_apart() -> None:
    sets = split(list(range(12)), 6)
    first, *others = sets["unused"].records
    first = replace(first, sha256=sets["used"].records[0].sha256)
    sets["unused"] = replace(sets["unused"], records=(first, *others))
    labels = assign_groups(sets).labels
    assert labels["unused"][0] == labels["used"][0]


def test_no_real_image_is_refused() -> None:
    with pytest.raises(InputError, match="no real image"):
        assign_groups({"generated": images(["g.png"])})
