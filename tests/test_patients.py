"""Patients in an audit: told apart by what is known of them, tested once, in both modes."""

from pathlib import Path
from typing import Any

import numpy as np

import vestige
from reference_worlds import population
from vestige.decision.audited import strongest_first
from vestige.report import redact, render_html
from vestige.result import AuditResult
from vestige.types import Images

N = 24  # patients a side; 24 unused reach p = .04
DETECTORS = ["nearest_distance", "nearest_distance_contrast"]


def slices(patients: int, seed: int) -> tuple[Images, list[str]]:
    """Patients p0, p1, ... of 1 to 5 slices that are nearly alike."""
    rng = np.random.default_rng(seed)
    faces = population(patients, rng)[0]
    index = np.repeat(np.arange(patients), rng.integers(1, 6, patients))
    noise = rng.normal(0, 0.02, (len(index), 32, 32)).astype(np.float32)
    return np.clip(faces[index] + noise, 0, 1), [f"s{seed}p{k}" for k in index]


def audit(tmp_path: Path, roles: dict[str, tuple[Images, list[str]]], **asked: Any) -> AuditResult:
    rows = [
        f"{role}/{i:06d},{name}"
        for role, (_, names) in roles.items()
        for i, name in enumerate(names)
    ]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["id,group", *rows]) + "\n")
    images: dict[str, Any] = {role: given[0] for role, given in roles.items()}
    source = images["used"] if "used" in images else images["query"]
    noise = np.random.default_rng(9).normal(0, 0.01, source.shape).astype(np.float32)
    generated = np.clip(source + noise, 0, 1)
    return vestige.audit(generated, **images, groups=table, detectors=DETECTORS, **asked)


def test_release_mode_names_patients(tmp_path: Path) -> None:
    used, unused = slices(N, 1), slices(N, 2)
    result = audit(tmp_path, {"used": used, "unused": unused})
    # the patient with the strongest image first
    strongest = [f.group for f in strongest_first(result.findings)]
    assert [p.patient for p in result.patients] == list(dict.fromkeys(strongest))
    assert sum(p.images for p in result.patients) == len(used[0])
    for patient in result.patients:
        own = [f for f in result.findings if f.group == patient.patient]
        assert patient.images == len(own)
        assert patient.called_used == sum(f.verdict == "used" for f in own)
        assert patient.relation == ""
        assert patient.p_value is not None
        assert patient.stands_out == (patient.p_value <= 0.05)
        assert patient.copied == any(f.copied for f in own)
        assert (patient.q_value is None) == patient.copied  # a copy names its patient by itself
        assert (patient.verdict == "used") == (
            patient.copied or (patient.q_value is not None and patient.q_value <= 0.1)
        )
        assert {f.q_value for f in own} == {patient.q_value}
        assert patient.carried_by in ("best image", "mean")
    # every patient was copied; a slice tells by far
    assert sum(p.verdict == "used" for p in result.patients) >= N - 4
    again = AuditResult.from_json(result.to_json())
    assert again == result


def test_queries_of_used_patients_are_told_apart(tmp_path: Path) -> None:
    used, unused, fresh = slices(N, 1), slices(N, 2), slices(8, 3)
    held = [i for i, name in enumerate(used[1]) if used[1].index(name) < i]  # not a patient's first
    others, names = used[0][held], [used[1][i] for i in held]
    first = [i for i in range(len(used[1])) if i not in held]
    roles = {
        "used": (used[0][first], [used[1][i] for i in first]),
        "query": (np.concatenate([others, fresh[0]]), names + fresh[1]),
        "unused": unused,
    }
    result = audit(tmp_path, roles)
    told = {f.group: f.relation for f in result.findings}
    assert {name for name, what in told.items() if what == "same patient used"} == set(names)
    assert {name for name, what in told.items() if what == "unrelated"} == set(fresh[1])
    by_name = {p.patient: p for p in result.patients}
    assert {n: p.relation for n, p in by_name.items()} == told
    # other slices of used patients look used: that is what the field is there to say
    assert sum(by_name[n].verdict == "used" for n in set(names)) >= len(set(names)) - 4
    # eight innocent patients at 5 %: P(more than 5) < 1e-5
    assert sum(by_name[n].stands_out for n in set(fresh[1])) <= 5
    assert not any(by_name[n].copied for n in set(fresh[1]))
    assert "same patient used" in result.to_csv() and "unrelated" in result.to_csv()
    page = render_html(result)
    assert "patient by patient</h2>" in page and "(same patient used)" in page
    hidden = redact(result)
    assert not {p.patient for p in hidden.patients} & set(told)
    told_p = [sorted(p.p_value or 2 for p in each.patients) for each in (hidden, result)]
    assert told_p[0] == told_p[1]  # in an order that no name decides
    assert {p.patient for p in hidden.patients} == {f.group for f in hidden.findings}


def test_without_patients_nothing_is_said_of_them(tmp_path: Path) -> None:
    used, unused = slices(N, 1)[0], slices(N, 2)[0]
    result = vestige.audit(used, used=used[::2], query=used[1::2], unused=unused,
                           detectors=DETECTORS)  # fmt: skip
    assert result.patients == ()
    assert {f.relation for f in result.findings} == {""}
    assert "patient by patient</h2>" not in render_html(result)


def test_one_image_per_patient_needs_no_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    sides = {role: population(N, rng)[0] for role in ("used", "unused")}
    roles = {role: (x, [f"{role}{i}" for i in range(N)]) for role, x in sides.items()}
    assert audit(tmp_path, roles).patients == ()
