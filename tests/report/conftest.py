"""Results made by hand, one for each state of the decision; with hostile names."""

import io
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
import pytest
from PIL import Image

from vestige.decision.records import Bounds, Chance, CopiedShare, Copy, CopySearch, State, Unread
from vestige.result import AuditResult
from vestige.schema.records import (
    Calibration,
    Check,
    CurvePoint,
    DetectorTest,
    Estimate,
    Evidence,
    Finding,
    Manifest,
    Needed,
    PatientFinding,
    PlantedLevel,
    PreparationComparison,
    PreparationDifference,
    Problem,
    Question,
    Rate,
    ReleaseCurve,
    Role,
    RunHistory,
    SetMeasure,
    SetTest,
)

HOSTILE = (
    "<script>alert(1)</script>.png",
    'a" onmouseover="alert(2)/é&amp;.png',
    "{{ 7*7 }}{% raw %}/=1+1.png",
    "line\nbreak\x00and\u202egnp.exe",
    "javascript:alert(3)//" + "long" * 60 + ".png",
)
DETECTORS = ("matched_filter_pool", "nearest_distance", "density_ratio", "retrieval_count")
STATES = get_args(State)


@cache
def png(seed: int, side: int = 64) -> bytes:
    """A small grey picture."""
    grey = np.random.default_rng(seed).integers(0, 255, (side, side), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "png")
    return out.getvalue()


def make_result(
    state: State = "leak found",
    mode: Literal["release", "forensic"] = "release",
    n: int = 100,
    hostile: bool = True,
    calibrated: bool = True,
    thumbnails: bool = True,
    patient_ids: bool = True,
    seed: int = 0,
) -> AuditResult:
    """A whole result whose numbers agree with one another roughly, and whose evidence gives this
    state.
    """
    leak = state == "leak found"
    names = state in ("leak found", "individuals stand out")
    rng = np.random.default_rng(seed)
    role: Role = "used" if mode == "release" else "query"
    shift = np.where(np.arange(n) < 0.4 * n, 2.2, 0.0) if names else np.zeros(n)
    scores = rng.normal(0, 1, n) + shift
    unused = rng.normal(0, 1, n) if calibrated else np.zeros(0)
    p = (1 + (unused[None] >= scores[:, None]).sum(1)) / (1 + n)
    q = np.minimum(1, p * (4 if names else 30))
    vetoed = not calibrated or state == "undecided"
    copied = range(4 if state == "copies found" else 0)
    ids = [f"ward_07/patient_{i // 2:03d}/slice_{i:04d}.png" for i in range(n)]
    if hostile:
        ids[: len(HOSTILE)] = HOSTILE
    findings = tuple(
        Finding(
            id=ids[i],
            group=f"pat-{i // 2:03d}",
            role=role,
            score=float(scores[i]),
            p_value=float(p[i]) if calibrated else None,
            q_value=float(q[i]) if calibrated else None,
            verdict="used" if i in copied else "uncalibrated" if vetoed
            else "used" if q[i] <= 0.1 else "no evidence",
            stands_out=bool(p[i] <= 0.05) and not vetoed,
            copied=i in copied,
            columns={d: float(scores[i] + rng.normal(0, 0.7)) for d in DETECTORS},
            evidence=tuple(Evidence(f"fakes/gen_{i}_{k}.png", 0.97 - 0.1 * k) for k in range(2)),
        )
        for i in range(n)
    )  # fmt: skip
    auc = float((scores[:, None] > unused[None]).mean()) if calibrated else 0.5
    test = SetTest(
        candidates=role,
        auc=Estimate(auc, max(0.0, auc - 0.07), min(1.0, auc + 0.07), n),
        p_value=0.0001 if leak else 0.41,
        minimum_detectable_auc=0.601,
        tpr_at=(Rate(0.36, 0.27, 0.46, n, 0.1), Rate(0.28, 0.19, 0.37, n, 0.05),
                Rate(0.11, 0.05, 0.19, n, 0.01)) if leak
        else (Rate(0.11, 0.06, 0.19, n, 0.1), Rate(0.05, 0.02, 0.11, n, 0.05)),
        detectors=tuple(
            DetectorTest(d, auc - 0.02 * k, 0.0001 * 4**k if leak else 0.2 + 0.1 * k,
                         0.0003 * 6**k if leak else 0.5 + 0.1 * k)
            for k, d in enumerate(DETECTORS)
        ),
        needed=(Needed(0.55, 411, "groups"), Needed(0.6, 102, "groups"), Needed(0.7, 25, "groups")),
    )  # fmt: skip
    return AuditResult(
        question=Question(
            mode=mode,
            counts={"generated": 600, role: n, "unused": len(unused)},
            groups=n if patient_ids else n + len(unused),
            groups_from="near-duplicate clustering (no patient ids were given): "
            f"{2 * n} images in {n} groups",
            false_alarm_rate=0.05,
            patient_ids=patient_ids,
        ),
        findings=findings,
        set_test=test if calibrated else None,
        checks=_controls(state) if calibrated else (),
        problems=(
            Problem("ward_07/broken scan.png", "truncated file, left out", "error"),
            Problem(HOSTILE[0], "12 of 16 bits used? <b>" + HOSTILE[1], "warning"),
        ) if hostile else (),
        manifest=Manifest(
            vestige="0.1.0",
            python="3.11.2",
            dependencies={"numpy": "1.26.4", "scipy": "1.14.0"},
            seed=7,
            options={"generated": "/data/secret clinic/synthetic", "false_alarm_rate": 0.05,
                     "detectors": list(DETECTORS), "engine": "dask:tcp://node17.clinic:8786"},
            inputs_sha256={"generated": "ab" * 32, role: "cd" * 32},
            weights_sha256={"weights/clinic_net.safetensors": "ef" * 32},
            started="2026-11-22T15:53:00+00:00",
            seconds={"images": 3.2, "detectors": 11.0},
            peak_rss_bytes=734003200,
        ),
        calibration=Calibration(
            tuple(f"holdout/person_{i:03d}.png" for i in range(len(unused))),
            tuple(f"hold-{i:03d}" for i in range(len(unused))),
            tuple(map(float, unused)),
        ),
        set_measures=_measures() if calibrated else (),
        patients=_patients(findings),
        run_history=RunHistory(2, 3, 14, 0.0003 if leak else 0.79, 0.2),
        release_curve=_curve() if calibrated and mode == "release" else None,
        preparation=_preparation(role, state) if calibrated else (),
        copies=_copies(findings) if state == "copies found" else (),
        copy_search=CopySearch(0.71, 0.42, n, ("identity", "mirrored"), plain=1, duplicates=2),
        unread=(Unread("generated", 601, 1, "generated/broken scan.png"), Unread(role, n, 0, "")),
        chance=Chance(7 if names else 2, 4) if calibrated else None,
        bounds=BOUNDS if calibrated else None,
        thumbnails=_thumbnails(findings, state) if thumbnails else {},
    )  # fmt: skip


LEVELS = (PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("jpeg_75", 20, 20, 19),
          PlantedLevel("crop_80", 20, 3, 1))  # fmt: skip
BOUNDS = Bounds(0.61, 0.2, (CopiedShare("verbatim", 0.034), CopiedShare("jpeg_75", 0.041)), None)


def _copies(findings: tuple[Finding, ...]) -> tuple[Copy, ...]:
    pair = [(f.evidence[0].generated, f.id, f.role, f.group) for f in findings[:4]]
    return (
        Copy(*pair[0], 1.0, 0.0, "mirrored", False, "same pixels"),
        *(Copy(*p, 0.93, 6.5, "identity", k == 2, "near copy") for k, p in enumerate(pair[1:])),
    )


def _controls(state: State) -> tuple[Check, ...]:
    blind_ok = state != "undecided"
    auc = Estimate(0.53, 0.45, 0.61, 200) if blind_ok else Estimate(0.71, 0.63, 0.78, 200)
    return (
        Check("preparation", None, 0.62, True, "the sets were prepared alike"),
        Check("blind", auc, 0.31 if blind_ok else 0.0004, blind_ok,
                "nothing" if blind_ok else "a positive verdict: the sets differ by themselves"),
        Check("member_only", None, None, False, "nothing was found that it could qualify",
                "not needed"),
        Check("swapped", None, None, False, "not possible: too few groups", "not possible"),
        Check("planted", None, None, True, "nothing: copies are found",
                details={"verbatim": Estimate(1.0, 0.93, 1.0, 30),
                         "shifted by 2 pixels": Estimate(0.2, 0.01, 0.72, 5)}, levels=LEVELS),
    )  # fmt: skip


def _curve() -> ReleaseCurve:
    return ReleaseCurve(
        0.6,
        tuple(
            CurvePoint(n, Estimate(auc, auc - 0.06, auc + 0.06, 200), p)
            for n, auc, p in ((38, 0.51, 0.4), (75, 0.52, 0.3), (150, 0.58, 0.03), (600, 0.7, 1e-4))
        ),
        75,
    )


def _patients(findings: tuple[Finding, ...]) -> tuple[PatientFinding, ...]:
    names = sorted({f.group for f in findings})
    return tuple(
        PatientFinding(
            name, 2, min(2, k % 3), findings[k].p_value, findings[k].q_value, findings[k].verdict,
            "same patient used" if k % 7 == 1 else "unrelated",
            "best image" if k % 2 else "mean",
            findings[k].stands_out,
            findings[k].copied,
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def _measures() -> tuple[SetMeasure, ...]:
    return (
        SetMeasure("data_copying", -7.166, 0.001, "The generated images lie nearer to candidates."),
        SetMeasure("authenticity", None, None, "Not possible: all candidates are of one group."),
        SetMeasure("closest_share", 0.532, 0.211, "A share of .5 is no statement about privacy; "
                   "passing says nothing against membership inference (arXiv:2505.01524)."),
    )  # fmt: skip


def _preparation(role: str, state: State) -> tuple[PreparationComparison, ...]:
    alike = state != "undecided"
    cause = "JPEG compression, of this file or of one it was made from"
    trace = PreparationDifference(
        "blockiness", "1.31", "1.02", 0.8, 0.4 if alike else 0.0001, cause
    )
    return (
        PreparationComparison(role, "unused", "as stored", trace.p_adjusted, alike, (), (trace,)),
        PreparationComparison("generated", role, "as stored", None, True, ("size",),
                 (PreparationDifference("height", "64", "256", 1.0, None,
                                        "images of another size"),)),
    )  # fmt: skip


def _thumbnails(findings: tuple[Finding, ...], state: State) -> dict[str, bytes]:
    parts = ("real", "generated", "difference", "map")
    drawn = {
        f"named:{f.id}:{part}": png(1000 * k + i)
        for i, f in enumerate(findings[:200])
        for k, part in enumerate(parts)
    }
    kinds = ("real", "generated", "difference") if state == "copies found" else ()
    return drawn | {
        f"copy:{k}:{kind}": png(2000 + k) for k in range(min(4, len(findings))) for kind in kinds
    }


@pytest.fixture(name="make_result")
def _make_result() -> Any:
    return make_result
