"""Groups where users stand: lost ids, volumes without ids, one image under two names."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_sets import as_read, with_tags
from vestige.images.frame import NOBODY
from vestige.images.groups import Grouping, assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.reading import read_images
from vestige.registry.entries import InputError
from vestige.types import Images

from .picture import dicom
from .test_duplicates import textures


def rows(grouping: Grouping) -> list[str]:
    return [f"{problem.path} {problem.what}" for problem in grouping.problems]


def recompressed(image: Images) -> Images:
    """The image as JPEG of quality 90."""
    file = BytesIO()
    Image.fromarray(np.uint8(np.round(image * 255))).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


class TestSharedImages:
    """A6: one image under two patients makes them one."""

    @staticmethod
    def sets(second: Images) -> dict[str, ImageSet]:
        """Patients a, b in used and c, d in unused; the first image of c is `second`."""
        pictures = textures(8)
        pictures[4] = second
        ids = ["p2-0", "p2-1", "p10-0", "p10-1"]
        others = ["p30-0", "p30-1", "p4-0", "p4-1"]
        return {"used": as_read(pictures[:4], ids), "unused": as_read(pictures[4:], others)}

    @pytest.mark.parametrize("copy", ["equal", "near"])
    def test_patients_that_share_an_image_are_one(self, copy: str) -> None:
        first = textures(8)[2]
        sets = self.sets(first if copy == "equal" else recompressed(first))
        grouping = assign_groups(sets, regex=r"^(p\d+)-")
        assert grouping.labels == {
            "used": ("p2", "p2", "p10", "p10"),
            "unused": ("p10", "p10", "p4", "p4"),  # 10 before 30
        }
        assert grouping.source.endswith("8 images in 4 groups; near copies joined them to 3")
        [told] = rows(grouping)
        assert told.startswith("used/p10-0 2 patients share images with others")
        assert told.endswith("they count as 1")

    def test_blank_images_join_nobody(self) -> None:
        blank = np.zeros((64, 64), np.float32)
        sets = self.sets(blank)
        pixels = sets["used"].pixels.copy()
        pixels[0] = blank
        sets["used"] = as_read(pixels, sets["used"].ids)
        grouping = assign_groups(sets, regex=r"^(p\d+)-")
        assert grouping.labels["unused"] == ("p30", "p30", "p4", "p4")
        assert grouping.problems == ()

    def test_tagged_patients_too(self) -> None:
        sets = self.sets(textures(8)[2])
        tagged = {
            role: with_tags(images, patients, [""] * 4)
            for (role, images), patients in zip(
                sets.items(), (["a", "a", "b", "b"], ["c", "c", "d", "d"]), strict=True
            )
        }
        labels = assign_groups(tagged).labels
        assert [label[-1] for label in labels["used"]] == ["1", "1", "3", "3"]
        assert [label[-1] for label in labels["unused"]] == ["3", "3", "2", "2"]


class TestVolumes:
    """A7: without ids a file or a study is one group at least."""

    def test_slices_of_one_file_are_one_group(self) -> None:
        pictures = textures(6)
        ids = [f"v{k // 2}.nii#{k % 2}" for k in range(6)]
        sets = {"used": as_read(pictures, ids, [i.partition("#")[0] for i in ids])}
        grouping = assign_groups(sets)
        assert grouping.labels["used"] == tuple(f"cluster-000{k // 2 + 1}" for k in range(6))
        assert grouping.source.startswith(
            "files, DICOM studies and near-duplicate clustering (no patient ids were given): "
            "6 images in 3 groups"
        )
        assert not grouping.patients

    def test_a_likeness_joins_files(self) -> None:
        pictures = textures(4)
        pictures[3] = recompressed(pictures[0])
        ids = [f"v{k // 2}.tif#{k % 2}" for k in range(4)]
        sets = {"used": as_read(pictures, ids, [i.partition("#")[0] for i in ids])}
        assert set(assign_groups(sets).labels["used"]) == {"cluster-0001"}

    def test_a_set_in_one_array_file_is_no_volume(self, tmp_path: Path) -> None:
        np.save(tmp_path / "used.npy", textures(5))
        images = read_images(tmp_path / "used.npy", role="used", size=64)
        grouping = assign_groups({"used": images})
        assert len(set(grouping.labels["used"])) == 5
        [told] = rows(grouping)
        assert told.startswith("used/used.npy holds 5 images of which nothing says the patients")

    def test_a_study_is_one_group(self, tmp_path: Path) -> None:
        pictures = np.round(textures(6) * 1000).astype(np.int16)
        for k, picture in enumerate(pictures):
            uid = f"1.2.{k // 3}"
            dicom(tmp_path / f"{k}.dcm", picture, SeriesInstanceUID=f"{uid}.{k % 3}",
                  StudyInstanceUID=uid)  # fmt: skip
        images = read_images(tmp_path, role="used", size=64)
        assert assign_groups({"used": images}).labels["used"] == (
            *["cluster-0001"] * 3,
            *["cluster-0002"] * 3,
        )
        assert "1.2." not in repr(images.records)
        with pytest.raises(InputError, match="all 3 real images are of one DICOM study"):
            assign_groups({"used": images.subset([0, 1, 2])})

    def test_frames_of_one_file_are_one_group(self, tmp_path: Path) -> None:
        pictures = np.round(textures(4) * 1000).astype(np.int16)
        dicom(tmp_path / "a.dcm", pictures[:2])
        dicom(tmp_path / "b.dcm", pictures[2:])
        images = read_images(tmp_path, role="used", size=64)
        labels = assign_groups({"used": images}).labels["used"]
        assert labels == ("cluster-0001", "cluster-0001", "cluster-0002", "cluster-0002")


class TestLostIds:
    """A8: a lost id costs that file alone; an id that says nothing is told."""

    @staticmethod
    def tagged(patients: list[str], studies: list[str] | None = None) -> dict[str, ImageSet]:
        ids = [f"{k}.dcm" for k in range(len(patients))]
        images = as_read(textures(len(patients)), ids)
        return {"used": with_tags(images, patients, studies or [""] * len(ids))}

    def test_the_others_keep_theirs(self) -> None:
        grouping = assign_groups(self.tagged(["a", "a", "", "b", "b"]))
        numbers = [int(label[-1]) for label in grouping.labels["used"]]
        assert numbers == [1, 1, 2, 3, 3]
        assert grouping.patients
        assert grouping.source == (
            "DICOM patient ids (missing in 1 of 5 images): 5 images in 3 groups"
        )
        [told] = rows(grouping)
        assert told.startswith("used/2.dcm 1 of 5 images have no DICOM patient id")

    def test_a_study_gives_the_id_back(self) -> None:
        grouping = assign_groups(self.tagged(["a", "a", "", "b"], ["s", "s", "s", "t"]))
        numbers = [int(label[-1]) for label in grouping.labels["used"]]
        assert numbers == [1, 1, 1, 2]

    def test_lost_ids_of_one_study_stay_together(self) -> None:
        grouping = assign_groups(self.tagged(["a", "b", "", ""], ["s", "t", "u", "u"]))
        numbers = [int(label[-1]) for label in grouping.labels["used"]]
        assert numbers == [1, 2, 3, 3]

    def test_one_id_everywhere_is_none(self) -> None:
        grouping = assign_groups(self.tagged(["a"] * 4))
        assert len(set(grouping.labels["used"])) == 4
        assert not grouping.patients
        assert "no patient ids were given" in grouping.source
        [told] = rows(grouping)
        assert told.startswith("used/0.dcm 4 images have the same DICOM patient id")

    def test_a_placeholder_is_no_id(self, tmp_path: Path) -> None:
        pictures = np.round(textures(4) * 1000).astype(np.int16)
        for k, (picture, name) in enumerate(
            zip(pictures, ("p1", "p2", "Anonymous", "UNKNOWN"), strict=True)
        ):
            dicom(tmp_path / f"{k}.dcm", picture, PatientID=name)
        images = read_images(tmp_path, role="used", size=64)
        assert [p == NOBODY for p in images.patients] == [False, False, True, True]
        [told] = rows(assign_groups({"used": images}))
        assert told.startswith(
            "used/2.dcm 2 of 4 images have no DICOM patient id, or a placeholder"
        )
        assert "(2: the placeholder ANONYMOUS or UNKNOWN)" in told
        grouping = assign_groups({"used": images.subset([2, 3])})
        assert not grouping.patients
        [told] = rows(grouping)
        assert told.startswith("used/2.dcm 2 images have the placeholder ANONYMOUS or UNKNOWN as")
        assert told.endswith("the ids are not used. Give --groups or --group-regex")
        assert "all patient ids are the placeholder ANONYMOUS or UNKNOWN" in grouping.source

    def test_case_and_blanks_make_no_second_patient(self, tmp_path: Path) -> None:
        pictures = np.round(textures(4) * 1000).astype(np.int16)
        for k, name in enumerate(("P1", " p1 ", "P2", "P3")):
            dicom(tmp_path / f"{k}.dcm", pictures[k], PatientID=name)
        grouping = assign_groups({"used": read_images(tmp_path, role="used", size=64)})
        assert grouping.labels["used"] == (
            "patient-0001", "patient-0001", "patient-0002", "patient-0003",
        )  # fmt: skip
        assert rows(grouping) == [
            "used/0.dcm 1 DICOM patient ids are written in several ways (case or blanks): each "
            "counts as one patient"
        ]

    def test_two_issuers_of_one_id_are_told(self, tmp_path: Path) -> None:
        pictures = np.round(textures(4) * 1000).astype(np.int16)
        for k, issuer in enumerate(("North", "South", "North", "")):
            patient = "P1" if k < 2 else f"P{k}"
            dicom(tmp_path / f"{k}.dcm", pictures[k], PatientID=patient, IssuerOfPatientID=issuer)
        grouping = assign_groups({"used": read_images(tmp_path, role="used", size=64)})
        assert len({*grouping.labels["used"]}) == 3
        [told] = rows(grouping)
        assert told.startswith("used/0.dcm 1 DICOM patient ids come from several issuers each")


def test_names_are_the_same_in_another_audit() -> None:
    pictures = textures(4)
    told = assign_groups({"used": as_read(pictures[:2], ["a-1", "b-1"])}, regex="^(.)")
    again = assign_groups({"query": as_read(pictures[2:], ["b-2", "c-1"])}, regex="^(.)")
    assert len(told.names_in("used") & again.names_in("query")) == 1
    assert told.names_in("unused") == frozenset()
    nobody = assign_groups({"query": as_read(pictures[2:], ["b-2", "c-1"])})
    assert nobody.names_in("query") == frozenset()


def test_order_and_role_change_no_group() -> None:
    pictures = textures(12)
    pictures[7], pictures[9] = recompressed(pictures[0]), recompressed(pictures[2])
    paths = [f"{k // 3}.tif" for k in range(12)]
    ids = [f"{k // 3}.tif#{k % 3}" for k in range(12)]
    whole = as_read(pictures, ids, paths)

    def labels(order: np.ndarray, cut: int) -> dict[str, str]:
        sets = {"used": whole.subset(order[:cut]), "unused": whole.subset(order[cut:])}
        found = assign_groups(sets).labels
        return {
            id_: label
            for role, images in sets.items()
            for id_, label in zip(images.ids, found[role], strict=True)
        }

    first = labels(np.arange(12), 6)
    assert first["0.tif#0"] == first["2.tif#1"] and len(set(first.values())) == 2
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(12)
        # a file stands in one role
        order = order[np.argsort([paths[k] > "1.tif" for k in order], kind="stable")]
        assert labels(order, 6) == first
