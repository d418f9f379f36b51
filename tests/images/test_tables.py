"""Tables and lists as people write them: each is understood, or refused in one line."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet, Record
from vestige.images.listing import list_files
from vestige.registry.entries import InputError

NFC, NFD = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))


def images(*ids: str, root: Path | None = None) -> ImageSet:
    """An image set of black pictures with these ids, in a folder or nowhere."""
    records = tuple(
        Record(i, str(root / i) if root else "", 0, f"digest of {i}", (8, 8), 8, "L") for i in ids
    )
    return ImageSet(np.zeros((len(ids), 8, 8), np.float32), records, root=root)


def groups(folder: Path, data: str | bytes, *ids: str, root: Path | None = None) -> list[str]:
    """Groups of images of the used set by a table."""
    table = folder / "g.csv"
    table.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(assign_groups({"used": images(*ids, root=root)}, csv=table).labels["used"])


def refused(folder: Path, data: str | bytes, *ids: str) -> str:
    with pytest.raises(InputError) as told:
        groups(folder, data, *ids)
    assert "\n" not in str(told.value)
    return str(told.value)


class TestDialects:
    """Separators, columns and encodings."""

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize(
        ("image", "patient"),
        [("id", "group"), ("image", "patient_id"), ("Filename", "Subject"), ("path", "Patient"),
         ("file", "case"), ("image", "Patient ID"), ("file", "participant_id")],
    )  # fmt: skip
    def test_columns_by_name(
        self, tmp_path: Path, separator: str, image: str, patient: str
    ) -> None:
        lines = [("sex", patient, image), ("F", "p1", "a.png"), ("M", "p2", "b.png")]
        text = "".join(separator.join(line) + "\r\n" for line in lines)
        assert groups(tmp_path, text, "a.png", "b.png") == ["p1", "p2"]

    @pytest.mark.parametrize(
        "data",
        [
            f"\ufeffid,group\n{NFC}.png,p1\n".encode(),
            f"id;group\r\n{NFD}.png;p1\r\n".encode("utf-16"),
            f"sep=;\r\nid;group\r\n{NFC}.png;p1\r\n".encode(),
            f'"id"\t"group"\n"{NFC}.png"\t"p1"\n'.encode(),
            f"id,group\r{NFC}.png,p1\r".encode(),
        ],
    )
    @pytest.mark.parametrize("name", [NFC, NFD])
    def test_encodings_and_line_ends(self, tmp_path: Path, data: bytes, name: str) -> None:
        assert groups(tmp_path, data, f"{name}.png") == ["p1"]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (f"id,group\n{NFC}.png,p1\n".encode("cp1252"), "line 2 is not written in UTF-8"),
            ("id,group\na.png,p1\n".encode("utf-16-le"), "holds zero bytes"),
            (b"PK\x03\x04 and so on", "it is an Excel file or an archive"),
            ('id,group\n"a.png,p1\n' + "x" * 200_000, "is not closed"),
            ("sep=|\nid|group\n", "names '|' as its separator"),
            ("file,filename,patient\n", "one column must be named"),
            ("patient,file,filename\na,b,c\n", "columns file and filename, which may mean"),
            ("a.png,x\n", "starts with a.png,x; one column must be named id, file"),
        ],
    )
    def test_what_is_no_table_is_told(
        self, tmp_path: Path, data: str | bytes, message: str
    ) -> None:
        if message == "one column must be named":
            assert groups(tmp_path, f"{data}a.png,b.png,p\n", "a.png") == ["p"]
        else:
            assert message in refused(tmp_path, data, "a.png")


class TestNames:
    """Ways to write one file."""

    @pytest.mark.parametrize(
        "row",
        ["p1/a.png", "p1\\a.png", "./p1/a.png", "used/p1/a", "p1/a", "train/p1/a.png",
         "data/train/p1/a.png", "{root}/p1/a.png", "{root}/p1/a", "C:\\old\\train\\p1\\a.png",
         "/elsewhere/used/p1/a.png", "/elsewhere/p1/a.png", "\\\\server\\share\\p1\\a"],
    )  # fmt: skip
    def test_every_way_is_understood(self, tmp_path: Path, row: str) -> None:
        root = tmp_path / "data" / "train"
        table = f"id,group\n{row.replace('{root}', str(root))},x\n"
        assert groups(tmp_path, table, "p1/a.png", root=root) == ["x"]

    def test_a_volume_has_one_row_or_one_a_slice(self, tmp_path: Path) -> None:
        slices = ("v.nii.gz#0", "v.nii.gz#1")
        assert groups(tmp_path, "id,group\nv,x\n", *slices) == ["x", "x"]
        assert groups(tmp_path, "id,group\nv#0,x\nv#1,y\n", *slices) == ["x", "y"]

    @pytest.mark.parametrize(
        ("table", "ids", "message"),
        [
            ("a,x", ("a.png", "a.jpg"), "one row 'a', but it fits used/a.png and used/a.jpg"),
            (f"{NFC},x", (f"{NFC}.png", f"{NFD}.png"), "but it fits"),
            ("/s/1/a.png,x\n/s/2/a.png,y", ("a.png",), "several rows that may mean used/a.png"),
            ("a.png,x\na.png,y", ("a.png",), "a.png is in group 'x' and in 'y'; keep one row"),
        ],
    )
    def test_what_may_mean_two_is_refused(
        self, tmp_path: Path, table: str, ids: tuple[str, ...], message: str
    ) -> None:
        assert message in refused(tmp_path, f"id,group\n{table}\n", *ids)

    def test_the_same_row_twice_is_no_fault(self, tmp_path: Path) -> None:
        table = "id,group\na.png,P1\na.png, P1 \n.\\a.png,p1\n/x/a.png,P1\n/y/a.png,P1\n"
        assert groups(tmp_path, table, "a.png") == ["P1"]

    @pytest.mark.parametrize(
        ("row", "cause"),
        [
            ("A.PNG", "upper and lower case differ: the table has A.PNG, the image is p/a.png"),
            ("p/a.dcm", "the suffixes differ: the table has p/a.dcm"),
            ("a.png", "the folders differ: the table has a.png, the image is p/a.png"),
            ("q/a.tif", "folders and suffixes differ: the table has q/a.tif"),
            ("z.png", "no row resembles it: the first is z.png"),
        ],
    )
    def test_the_cause_of_no_match_is_named(self, tmp_path: Path, row: str, cause: str) -> None:
        row = "P/A.PNG" if row == "A.PNG" else row
        told = refused(tmp_path, f"id,group\n{row},x\n", "p/a.png", "p/b.png")
        assert told.startswith("g.csv has no group for 2 of 2 images, the first is used/p/a.png")
        assert cause.replace("A.PNG", "P/A.PNG") in told

    def test_spellings_of_a_patient_are_one_and_told(self, tmp_path: Path) -> None:
        (tmp_path / "g.csv").write_text("id,group\na.png,P 1\nb.png,p  1 \nc.png,P2\n")
        found = assign_groups({"used": images("a.png", "b.png", "c.png")}, csv=tmp_path / "g.csv")
        assert found.labels["used"] == ("P 1", "P 1", "P2")
        [row] = found.problems
        assert row.what.startswith("1 patients are written in several ways (case or blanks")


class TestLists:
    """Lists of files: letters, slashes and suffixes as people write them."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / NFD).mkdir()
        for name in (f"{NFD}/{NFD}.png", "a.png", "b.png", "b.bmp"):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
        return tmp_path

    @pytest.mark.parametrize(
        ("row", "found"),
        [(f"{NFC}/{NFC}.png", f"{NFD}/{NFD}.png"), (f"{NFC}\\{NFC}", f"{NFD}/{NFD}.png"),
         ("a", "a.png"), ("{folder}/a.png", "a.png"), ("b.png", "b.png")],
    )  # fmt: skip
    @pytest.mark.parametrize("header", ["", "filename\n", "patient;image\n"])
    def test_the_file_is_found(self, folder: Path, header: str, row: str, found: str) -> None:
        cell = row.replace("{folder}", str(folder))
        line = f"p1;{cell}" if ";" in header else cell
        (folder / "list.csv").write_text(f"{header}{line}\n", encoding="utf-8")
        assert list(list_files(folder / "list.csv")) == [(found, folder / found)]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ("b\n", "names b, which may be b.bmp or b.png; write which"),
            ("a\na.png\n", "names a.png twice"),
            ("C:\\x\\y.png\nz.png\n", "none of its 2 files is there, the first is looked for at"),
        ],
    )
    def test_what_is_not_clear_is_refused(self, folder: Path, rows: str, message: str) -> None:
        (folder / "list.csv").write_text(rows)
        with pytest.raises(InputError, match=message):
            list_files(folder / "list.csv")
