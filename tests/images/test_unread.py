"""What was not read is counted by role, whatever its name, and stands in problems."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from permissions import modes_count
from vestige.images.formats import format_of_bytes
from vestige.images.imageset import ImageSet
from vestige.images.listing import list_files
from vestige.images.other_formats import other_format
from vestige.images.reading import read_images
from vestige.images.unread import Ledger

from .picture import dicom, grey, save


def read(folder: Path) -> ImageSet:
    return read_images(folder, role="used", size=16)


def packed(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey()).save(out, kind)
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("series/IM0001", content)
    return out.getvalue()


def test_a_set_that_was_read_whole_has_nothing_unread(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path, f"{k}.png", grey(seed=k))
    (tmp_path / "README").write_text("words")
    (tmp_path / "index.csv").write_text("id,group\n")
    (tmp_path / ".DS_Store").write_bytes(bytes(100))
    images = read(tmp_path)
    assert images.files == Ledger(3, 0, ignored=(("document", 2), ("hidden", 1)))
    assert (images.files.entries, images.files.read, images.files.share) == (6, 3, 0)
    assert images.problems == ()
    assert images.subset([0, 2]).files == images.files


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.heic", b"\x00\x00\x00\x18ftypheic" + bytes(400), "HEIC"),
        ("a.fits", b"SIMPLE  =                    T" + bytes(400), "FITS"),
        ("a.mat", b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600), "MATLAB"),
        ("study.zip", zipped(b"not read"), "ZIP archive"),
        ("a.hdr", struct.pack("<i", 348) + bytes(344), "Analyze"),
        ("a.png.gz", gzip.compress(packed("PNG"), mtime=0), "gzip archive"),
        ("a", gzip.compress(b"words", mtime=0), "gzip archive"),
    ],
)
def test_a_format_that_is_not_read_is_an_unread_file(tmp_path, name, content, told) -> None:
    (tmp_path / name).write_bytes(content)
    save(tmp_path, "good.png", grey())
    images = read(tmp_path)
    assert images.files == Ledger(2, 1, name, (("format not read", 1),), 1)
    (problem,) = images.problems
    assert (problem.path, problem.severity) == (f"used/{name}", "error")
    assert told in problem.what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nrrd", b"NRRD0004\ntype: uint8\n" + bytes(400)),
        ("a.mha", b"ObjectType = Image\nNDims = 3\n" + bytes(400)),
        ("a.mhd", b"NDims = 3\nDimSize = 4 4 4\n" + bytes(400)),
        ("a.mgh", struct.pack(">6i", 1, 8, 8, 8, 1, 3) + bytes(400)),
        ("a.mgz", gzip.compress(struct.pack(">6i", 1, 8, 8, 8, 1, 3) + bytes(400), mtime=0)),
    ],
)
def test_a_damaged_volume_is_an_unread_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    save(tmp_path, "good.png", grey())
    images = read(tmp_path)
    assert images.files == Ledger(2, 1, name, (("damaged", 1),))
    (problem,) = images.problems
    assert (problem.path, problem.severity) == (f"used/{name}", "error")


def test_a_directory_of_a_study_and_a_packed_one_are_named(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    directory = b"\0" * 128 + b"DICM" + b"\x02\0\x02\0UI\x14\x001.2.840.10008.1.3.10\x02\0\x03\0"
    (tmp_path / "index.dcm").write_bytes(directory + bytes(300))
    (tmp_path / "study.dcm.zip").write_bytes(zipped(b"x"))
    rows = {problem.path: problem for problem in read(tmp_path).problems}
    assert {row.severity for row in rows.values()} == {"error"}
    assert "directory" in rows["used/index.dcm"].what
    assert rows["used/study.dcm.zip"].what == "is a ZIP archive that holds no array; unpack it"


def test_content_that_promises_nothing_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"words")
    save(tmp_path, "good.png", grey())
    images = read(tmp_path)
    assert images.files == Ledger(2, 1, "a.xyz", (("no image", 1),))
    assert [p.severity for p in images.problems] == ["error"]


def test_damaged_files_are_unread_and_the_first_is_named(tmp_path: Path) -> None:
    for k in range(12):
        path = save(tmp_path, f"img_{k}.png", grey(seed=k))
        if k > 8:
            path.write_bytes(path.read_bytes()[:60])
    (tmp_path / "z.fits").write_bytes(b"SIMPLE  = T")
    images = read(tmp_path)
    kinds = (("format not read", 1), ("damaged", 3))
    assert images.files == Ledger(13, 4, "img_9.png", kinds, 1)
    assert len(images.problems) == 4


def test_images_that_a_folder_hides_or_calls_documents_are_unread(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    png = packed("PNG")
    (tmp_path / ".train" / "deep").mkdir(parents=True)
    (tmp_path / "__MACOSX").mkdir()
    for k in range(5):
        (tmp_path / ".train" / "deep" / f"{k}.png").write_bytes(png)
        (tmp_path / f"{k}.pdf").write_bytes(png)
    (tmp_path / ".secret").write_bytes(packed("GIF"))
    (tmp_path / "__MACOSX" / "x.png").write_bytes(png)
    (tmp_path / "__MACOSX" / "._y.png").write_bytes(b"\x00\x05\x16\x07" + bytes(90))
    dicom(tmp_path / "report.html", grey())
    assert [identifier for identifier, _ in list_files(tmp_path)] == ["good.png"]
    images = read(tmp_path)
    kinds = (("hidden", 6), ("named as a document", 7))
    assert images.files == Ledger(14, 13, "0.pdf", kinds, 13, (("hidden", 1),))
    hidden, named = images.problems
    assert (hidden.path, hidden.severity) == ("used/.secret", "error")
    assert hidden.what.startswith("6 hidden file(s)")
    assert (named.path, named.severity) == ("used/0.pdf", "error")
    assert named.what.startswith("7 file(s) named as documents")


def test_documents_stay_documents(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "words")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "notes.txt").write_text("P1 and P2 are the same person")
    (tmp_path / "short.md").write_text("BM")
    (tmp_path / "empty.log").touch()
    (tmp_path / "cut.docx").write_bytes(b"PK\x03\x04")
    directory = b"\0" * 128 + b"DICM" + b"\x02\0\x02\0UI\x14\x001.2.840.10008.1.3.10\x02\0\x03\0"
    (tmp_path / "DICOMDIR").write_bytes(directory + bytes(300))
    images = read(tmp_path)
    assert images.files == Ledger(1, 0, ignored=(("document", 7),))
    assert images.problems == ()


def test_arrays_hidden_in_an_archive_are_found(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    with open(tmp_path / "numbers.db", "wb") as file:
        np.savez(file, images=np.zeros((2, 9, 9), np.uint8))
    assert read(tmp_path).files.kinds == (("named as a document", 1),)


def test_a_list_counts_what_it_names(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "other.fits").write_bytes(b"SIMPLE  = T")
    table = tmp_path / "lists" / "used.csv"
    table.parent.mkdir()
    table.write_text("id\n../good.png\n../notes.txt\n../other.fits\n../gone.png\n")
    images = read(table)
    kinds = (("format not read", 1), ("not reached", 1))
    assert images.files == Ledger(3, 2, "../gone.png", kinds, 2, (("document", 1),))
    severities = {problem.path: problem.severity for problem in images.problems}
    assert severities == {
        "used/../notes.txt": "warning",
        "used/../other.fits": "error",
        "used/../gone.png": "error",
    }


def test_the_cache_counts_alike(tmp_path: Path) -> None:
    folder, cache = tmp_path / "images", tmp_path / "cache"
    folder.mkdir()
    save(folder, "good.png", grey())
    (folder / "a.fits").write_bytes(b"SIMPLE  = T")
    found = [
        read_images(folder, role="used", size=16, cache=kept).files for kept in (None, cache, cache)
    ]
    assert found == [Ledger(2, 1, "a.fits", (("format not read", 1),), 1)] * 3


def test_an_array_has_no_files() -> None:
    images = read_images(np.stack([grey()] * 2), role="used", size=16)
    assert images.files == Ledger()
    assert images.files.share == 0


def test_what_may_not_be_looked_at_is_unread(tmp_path: Path) -> None:
    save(tmp_path, "good.png", grey())
    save(tmp_path, "shut.png", grey()).rename(tmp_path / "shut.pdf").chmod(0)
    (tmp_path / ".trash").mkdir(mode=0)
    with modes_count():
        images = read(tmp_path)
    (tmp_path / ".trash").chmod(0o700)
    kinds = (("hidden", 1), ("named as a document", 1))
    assert images.files == Ledger(3, 2, ".trash", kinds, 2)
    told = [(p.path, p.severity, p.what) for p in images.problems[:2]]
    what = "cannot be looked at: Permission denied"
    assert told == [("used/.trash", "error", what), ("used/shut.pdf", "error", what)]


def test_only_the_first_bytes_of_an_image_look_like_one() -> None:
    assert format_of_bytes(b"P5\n# by hand\n16 16\n255\n") == "pnm"
    assert format_of_bytes(b"P1 and P2 are the same person") == ""
    assert format_of_bytes(b"\x08\x00 words of a document that begins oddly") == ""
    assert other_format(b"words = 3") == ""
    assert other_format(b"\0\0\0\1" + bytes(400)) == ""
    assert other_format(b"") == format_of_bytes(b"") == ""
