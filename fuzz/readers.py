"""Coverage-guided fuzzing of the readers: `python fuzz/readers.py --minutes 30`.

One input is one file. It may become frames or `Unreadable`. Anything else, more than 10 s, or more
memory than the limit is a finding, kept as a file in the findings folder.
"""

import argparse
import contextlib
import hashlib
import importlib
import logging
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from corpus import FORMS, wrap, write_seeds

SECONDS = 10
"""Of the processor, because the machine may be busy; libFuzzer ends what takes 60 on the clock."""
MEMORY_MB, PROCESS_MB = 1024, 3072
"""What one input may add to the process, and where libFuzzer ends it. The process grows by itself:
pylibjpeg-libjpeg keeps about 24 kB for every JPEG frame that it cannot decode. So it is started
anew every few minutes."""
LONGEST = 16384
"""Bytes of one input; what they unfold to is not limited by this."""
MODULES = (
    *("PIL.BmpImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.TiffImagePlugin"),
    *("PIL.GifImagePlugin", "PIL.Jpeg2KImagePlugin", "PIL.PpmImagePlugin"),
    *("PIL.WebPImagePlugin", "pydicom.pixels.decoders", "pydicom.pixels.processing", "tifffile"),
    *("nibabel", "vestige.images.shards", "vestige.images.arrays", "vestige.images.dicom"),
    *("vestige.images.nifti", "vestige.images.raster", "vestige.images.tiff", "h5py"),
    *("vestige.images.nrrd", "vestige.images.metaimage", "vestige.images.mgh"),
    *("vestige.images.hdf5", "vestige.images.pairs"),
    *("vestige.images.dicom_file", "vestige.images.dicom_grey", "vestige.images.layouts"),
)
INSTRUMENTED = ["vestige.images", "pydicom", "tifffile", "nibabel", "PIL"]


def main() -> None:
    """Start the worker again and again (a crash ends it) until the time is up."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--work", type=Path, default=Path("fuzz-work"), help="corpus and findings")
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    corpus, findings = options.work / "corpus", options.work / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    if not corpus.exists():
        print(write_seeds(corpus), "seeds")
    end = time.monotonic() + 60 * options.minutes
    executions, spent = 0, 0.0
    while (left := int(end - time.monotonic())) > 5:
        begun = time.monotonic()
        log = options.work / f"log-{options.seed}.txt"
        command = [
            *(sys.executable, __file__, "worker", str(findings), str(corpus)),
            *(
                f"-max_total_time={min(left, 240)}",
                f"-timeout={6 * SECONDS}",
                f"-max_len={LONGEST}",
            ),
            *(f"-rss_limit_mb={PROCESS_MB}", f"-artifact_prefix={findings}/"),
            *(f"-seed={options.seed}", "-len_control=0"),
        ]
        with log.open("w") as told:
            done = subprocess.run(command, stderr=told, check=False)
        options.seed += 1
        spent += time.monotonic() - begun
        text = log.read_text(errors="replace")
        counts = re.findall(r"^#(\d+)\t", text, re.MULTILINE)
        executions += int(counts[-1]) if counts else 0
        kept = len(list(findings.iterdir()))
        print(
            f"worker ended with {done.returncode}; in all {executions} executions in "
            f"{spent / 60:.1f} min, {kept} files in {findings}; see {log}",
            flush=True,
        )


def work(findings: Path) -> None:
    """One process of libFuzzer, which goes on after an exception."""
    import atheris

    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=INSTRUMENTED):
        for module in MODULES:
            importlib.import_module(module)
    logging.disable()
    place = Path(tempfile.mkdtemp(prefix="vestige-fuzz-", dir="/dev/shm"))
    seen: set[str] = set()

    def one(data: bytes) -> None:
        told = examine(data, place)
        if told is not None and told not in seen:
            seen.add(told)
            name = hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]
            (findings / f"{name}.input").write_bytes(data)
            (findings / f"{name}.txt").write_text(told + "\n")

    atheris.Setup([sys.argv[0], *sys.argv[3:]], one)
    atheris.Fuzz()


def examine(data: bytes, place: Path) -> str | None:
    """What is wrong with how one input is read; None if nothing is."""
    from vestige.images.cage import caged
    from vestige.images.readers import Unreadable, peek_shape, read_file
    from vestige.images.shards import read_shard

    if not data:
        return None
    suffix, how = FORMS[data[0] % len(FORMS)]
    path = place / f"a.{suffix}"
    path.write_bytes(wrap(data[1:], how))
    begun, before = time.process_time(), _peak_mb()
    try:
        with contextlib.suppress(Exception):  # the caller does so too
            caged(peek_shape, path)
        with contextlib.suppress(Unreadable):
            frames = caged(read_file, path)
            shard = read_shard([("a", path)], 8)
            if len(shard.records) != len(frames):
                return f"{suffix}: {len(frames)} frames, {len(shard.records)} records"
            if not 0 <= shard.pixels.min() <= shard.pixels.max() <= 1:
                return f"{suffix}: pixels out of range"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{suffix}: {type(error).__name__} in {last.filename}:{last.lineno}: {error}"[:500]
    if time.process_time() - begun > SECONDS:
        return f"{suffix}: {time.process_time() - begun:.0f} s"
    if _peak_mb() - before > MEMORY_MB:
        return f"{suffix}: {_peak_mb() - before} MB"
    return None


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        work(Path(sys.argv[2]))
    else:
        main()
