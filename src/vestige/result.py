"""What an audit says: plain dataclasses that become result.json and come back from it."""

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from vestige.choices import InputError

SCHEMA_VERSION = 1
FINDING_VERDICTS = ("used", "no evidence", "uncalibrated")
Role = Literal["query", "used"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `n` is the number of images (or groups) behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Rate(Estimate):
    """True positive rate at a false positive rate `fpr`."""

    fpr: float


@dataclass(frozen=True)
class Evidence:
    """A generated image near a real one; similarity is a cosine, -1..1."""

    generated: str
    similarity: float


@dataclass(frozen=True)
class Finding:
    """What is said of one real image. Score: higher = more likely used."""

    id: str
    group: str
    role: Role
    score: float
    p_value: float | None
    q_value: float | None
    verdict: Literal["used", "no evidence", "uncalibrated"]
    columns: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class DetectorTest:
    """The set-level test of one column; `p_adjusted` pays for having looked at all (max-T)."""

    name: str
    auc: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class SetTest:
    """The answer for the whole set: suspects against controls, by group."""

    suspects: Role
    auc: Estimate
    p_value: float
    minimum_detectable_auc: float
    tpr_at: tuple[Rate, ...] = ()
    detectors: tuple[DetectorTest, ...] = ()


@dataclass(frozen=True)
class Control:
    """An experiment in which the right answer is known; a failed one may veto the verdict."""

    name: str
    auc: Estimate | None
    p_value: float | None
    passed: bool
    vetoes: str


@dataclass(frozen=True)
class Verdict:
    """`leak` found / not found / undecided, a reason word, and one sentence."""

    leak: Literal["found", "not found", "undecided"]
    reason: Literal[
        "found", "nothing found", "confounded", "insensitive", "uncalibrated", "underpowered"
    ]
    why: str


@dataclass(frozen=True)
class Problem:
    """Something the user must know about one input file or about the whole audit."""

    path: str
    what: str
    severity: Literal["error", "warning"]


@dataclass(frozen=True)
class Question:
    """What was asked: mode, number of images per role, groups, false-alarm rate."""

    mode: Literal["release", "forensic"]
    counts: dict[str, int]
    groups: int
    groups_from: str
    false_alarm_rate: float


@dataclass(frozen=True)
class Manifest:
    """Everything needed to repeat the audit."""

    vestige: str
    python: str
    dependencies: dict[str, str]
    seed: int
    options: dict[str, Any]
    inputs_sha256: dict[str, str]
    weights_sha256: dict[str, str]
    started: str
    seconds: dict[str, float]
    peak_rss_bytes: int


@dataclass(frozen=True)
class Calibration:
    """Scores of the unused controls, in the unit of `Finding.score`; what p-values compare with."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class AuditResult:
    """The whole answer. `save` writes result.json, findings.csv and report.html."""

    question: Question
    findings: tuple[Finding, ...]
    set_test: SetTest | None
    controls: tuple[Control, ...]
    verdict: Verdict
    problems: tuple[Problem, ...]
    manifest: Manifest
    calibration: Calibration = Calibration((), (), ())
    thumbnails: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """PNG bytes by "real:<id>" or "generated:<id>", for the report only; never in JSON."""

    def to_json(self) -> str:
        """Serialise to the text of result.json (schema 1)."""
        plain: dict[str, Any] = {"schema": SCHEMA_VERSION}
        plain |= {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.compare}
        return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "AuditResult":
        """Read result.json; anything that is not one is an :class:`InputError`."""
        try:
            raw = json.loads(text)
            if raw["schema"] != SCHEMA_VERSION:
                raise InputError(
                    f"result.json has schema {raw['schema']!r}, this version reads "
                    f"{SCHEMA_VERSION}. Use the vestige version that wrote it."
                )
            return _from_plain(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"this is not a vestige result.json: {error!r}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "AuditResult":
        """Read a result.json file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {os.fspath(path)}: {error}") from error
        return cls.from_json(text)

    def to_csv(self) -> str:
        """The text of findings.csv: one row per finding; safe to open in a spreadsheet."""
        columns = sorted({name for f in self.findings for name in f.columns})
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            ["id", "group", "role", "verdict", "score", "p_value", "q_value", *columns]
            + ["nearest_generated", "similarity"]
        )
        for f in self.findings:
            near = f.evidence[0] if f.evidence else None
            numbers = [f.score, f.p_value, f.q_value, *(f.columns.get(c) for c in columns)]
            writer.writerow(
                [_cell(f.id), _cell(f.group), f.role, f.verdict, *map(_number, numbers)]
                + ([_cell(near.generated), _number(near.similarity)] if near else ["", ""])
            )
        return out.getvalue()

    def to_frame(self) -> Any:
        """Findings as a pandas DataFrame (needs the extra ``table``)."""
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("to_frame needs pandas: pip install 'vestige[table]'") from error
        rows = [
            {k: v for k, v in asdict(f).items() if k not in ("columns", "evidence")} | f.columns
            for f in self.findings
        ]
        return pd.DataFrame(rows)

    def save(self, out: str | os.PathLike[str]) -> Path:
        """Write result.json, findings.csv and report.html; all or nothing.

        Returns
        -------
        Path
            The report.

        Raises
        ------
        InputError
            When `out` cannot be written.
        """
        from vestige.report import render_html  # the report imports this module

        texts = {
            "findings.csv": self.to_csv(),
            "report.html": render_html(self),
            "result.json": self.to_json(),  # last: its presence says that the rest is complete
        }
        folder = Path(out)
        partial = {name: folder / f".{name}.{os.getpid()}.tmp" for name in texts}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                partial[name].write_text(text, encoding="utf-8", newline="")
            for name in texts:
                partial[name].replace(folder / name)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        finally:
            for leftover in partial.values():
                if leftover.exists():
                    leftover.unlink()
        return folder / "report.html"


def schema() -> dict[str, Any]:
    """The JSON Schema of result.json, as shipped."""
    text = resources.files("vestige").joinpath("result.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result must not hold NaN or infinity")
    return value


def _from_plain(raw: dict[str, Any]) -> AuditResult:
    test = raw["set_test"]
    calibration = {name: tuple(values) for name, values in raw["calibration"].items()}
    return AuditResult(
        question=Question(**raw["question"]),
        findings=tuple(_findings(raw["findings"])),
        set_test=None if test is None else _set_test(test),
        controls=tuple(
            Control(**{**c, "auc": None if c["auc"] is None else Estimate(**c["auc"])})
            for c in raw["controls"]
        ),
        verdict=Verdict(**raw["verdict"]),
        problems=tuple(Problem(**p) for p in raw["problems"]),
        manifest=Manifest(**raw["manifest"]),
        calibration=Calibration(**calibration),
    )


def _findings(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in rows:
        evidence = tuple(Evidence(**e) for e in row["evidence"])
        yield Finding(**{**row, "evidence": evidence})


def _set_test(raw: dict[str, Any]) -> SetTest:
    return SetTest(
        **{
            **raw,
            "auc": Estimate(**raw["auc"]),
            "tpr_at": tuple(Rate(**r) for r in raw["tpr_at"]),
            "detectors": tuple(DetectorTest(**d) for d in raw["detectors"]),
        }
    )


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _cell(text: str) -> str:
    """Neutralise spreadsheet formulas: a text cell must not start like one."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
