"""`vestige.combine`: results of several sites become one answer, without any image."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vestige.decision.audited import Audited
from vestige.decision.combined import Because, Combined, SiteAnswer, SitePatient
from vestige.decision.decide import decide
from vestige.decision.records import Decision
from vestige.files.regular import read_text
from vestige.files.whole import write_together
from vestige.registry.entries import InputError
from vestige.report.combined import render_combined
from vestige.result import AuditResult
from vestige.schema.records import Q_LEVEL, WORDS, PatientFinding
from vestige.sites.agreeing import Given, refuse_unlike, same_names, untold_options
from vestige.sites.merging import (
    combine_tests,
    judge_patients,
    merge,
    own_names,
    patients_of,
    set_aside,
    site_p,
    target_copies,
    weight_of,
)

Place = str | os.PathLike[str]
Sites = Mapping[str, Audited | Place] | Sequence[Audited | Place]
"""Results, or their files, by the names of the sites; or a list of them."""


@dataclass(frozen=True)
class CombinedResult(Combined):
    """The answer of all sites; `save` writes combined.json and combined.html."""

    @classmethod
    def load(cls, path: Place) -> "CombinedResult":
        """Read a combined.json file."""
        return cls.from_json(read_text(path))

    def save(self, out: Place, *, overwrite: bool = False) -> Path:
        """Write combined.json and combined.html, both or none.

        Parameters
        ----------
        out : folder
            Made if it is missing. It may hold the answer of the same sites about the same
            generated images, which is replaced.
        overwrite : bool
            Replace another answer, too.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        InputError
            When `out` cannot be written, or holds another answer.
        """
        folder = Path(out)
        if not overwrite:
            self._refuse_other(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        page, record = folder / "combined.html", folder / "combined.json"
        write_together({page: render_combined(self), record: self.to_json()})
        return page

    def _refuse_other(self, folder: Path) -> None:
        if not (folder / "combined.json").exists():
            return
        try:
            known = CombinedResult.load(folder / "combined.json")
        except InputError:
            known = None
        if known is None or _asked(known) != _asked(self):
            raise InputError(
                f"{os.fspath(folder)} holds the answer of other sites: name another folder, or "
                "give --force to replace it."
            )


def combine(sites: Sites) -> CombinedResult:
    """Combine audits of one generated set by several sites with patients of their own.

    Only what the results hold is used: p-values, counts and names; no image. The test of all sites
    is exact if their patients are different people (`vestige.stats.sites.combined_p`).

    Parameters
    ----------
    sites : dict of name to result, or list of results
        `AuditResult`, or the path of a result.json. In a list, files are called by their folders
        and results "site 1", "site 2", ...

    Returns
    -------
    CombinedResult

    Raises
    ------
    InputError
        For results that cannot be combined; the message names the first reason.
    """
    return combine_named(_named(sites))


def combine_named(sites: Sequence[tuple[str, Audited | Place]]) -> CombinedResult:
    """As `combine`, of pairs of a name and a result; a name that stands twice is refused."""
    given = [_read(name, one) for name, one in sites]
    refuse_unlike(given)
    aside = {one.name: why for one in given if (why := set_aside(one))}
    counted = [one for one in given if one.name not in aside]
    test = combine_tests(counted)
    patients = judge_patients(given, aside)
    named = sum(
        p.q_value is not None and p.q_value <= Q_LEVEL
        for one in counted
        for p in patients[one.name]
    )
    together = decide(merge(given, counted, test, named))
    decision, because, site = _deciding(together, given, aside)
    first = given[0].result
    return CombinedResult(
        vestige=first.manifest.vestige,
        generated_sha256=first.manifest.inputs_sha256["generated"],
        mode=first.question.mode,
        kind=first.manifest.kind,
        false_alarm_rate=first.question.false_alarm_rate,
        max_auc=first.question.max_auc,
        sites=_answers(given, aside),
        test=test,
        unqualified="set_test" in together.codes and not _qualified(counted),
        patients=_strongest_first(patients),
        same_names=same_names(given),
        untold=untold_options(given),
        decision=decision,
        because=because,
        site=site,
    )


def _deciding(
    together: Decision, given: Sequence[Given], aside: Mapping[str, object]
) -> tuple[Decision, Because, str]:
    """What the answer rests on: a finding of all; a site set aside; one that finds alone; or all.

    The gate of the set is never more open than that of a site.
    """
    if together.gate == "closed":
        return together, "all sites", ""
    for one in given:
        if one.name in aside:
            return one.result.decision, "a site set aside", one.name
    for one in given:
        if one.result.decision.gate == "closed":
            return one.result.decision, "a site by itself", one.name
    return together, "all sites", ""


def _qualified(counted: Sequence[Given]) -> bool:
    """Whether a site has asked if another generator gives the same signal."""
    return any(
        check.name == "swapped" and check.state in ("passed", "failed")
        for one in counted
        for check in one.result.checks
    )


def _answers(given: Sequence[Given], aside: Mapping[str, object]) -> tuple[SiteAnswer, ...]:
    weights = {one.name: weight_of(one) for one in given if one.name not in aside}
    return tuple(
        _answer(one, weights.get(one.name, 0.0) / (sum(weights.values()) or 1.0)) for one in given
    )


def _answer(site: Given, share: float) -> SiteAnswer:
    result, copies = site.result, target_copies(site)
    targets, unused = patients_of(site)
    return SiteAnswer(
        name=site.name,
        result_sha256=site.sha256,
        redacted=site.redacted,
        started=result.manifest.started,
        counts=dict(result.question.counts),
        targets=targets,
        unused=unused,
        patient_ids=result.question.patient_ids,
        p_value=site_p(site),
        auc=site.test.auc,
        auc_upper=result.bounds.auc_upper if result.bounds else None,
        share=share,
        set_aside=set_aside(site),
        copies=len({copy.generated for copy in copies}),
        copied_patients=len({copy.group for copy in copies}),
        named=own_names(site),
        state=result.decision.state,
        gate=result.decision.gate,
        text=result.decision.text,
    )


def _strongest_first(
    patients: Mapping[str, Sequence[PatientFinding]],
) -> tuple[SitePatient, ...]:
    """The strongest word first, then small q and small p; then in the order of the sites."""

    def key(one: SitePatient) -> tuple[int, float, float]:
        q, p = (2.0 if v is None else v for v in (one.finding.q_value, one.finding.p_value))
        return WORDS.index(one.finding.word), q, p

    rows = (SitePatient(name, own) for name, found in patients.items() for own in found)
    return tuple(sorted(rows, key=key))


def _named(sites: Sites) -> list[tuple[str, Audited | Place]]:
    """Results with the names of their sites."""
    if isinstance(sites, str | os.PathLike | Audited):
        raise InputError(
            "a combination needs the results of two or more sites: give a list of them, or a dict "
            "of site to result."
        )
    if isinstance(sites, Mapping):
        return [(str(name), one) for name, one in sites.items()]
    return [
        (f"site {k}" if isinstance(one, Audited) else folder_name(one), one)
        for k, one in enumerate(sites, 1)
    ]


def folder_name(path: Place) -> str:
    """The name of a site whose result lies there: that of the folder."""
    return Path(os.path.realpath(path)).parent.name


def _read(name: str, given: Audited | Place) -> Given:
    if isinstance(given, Audited):
        return Given(name, given)
    text = read_text(given)
    try:
        return Given(name, AuditResult.from_json(text))
    except InputError as error:
        raise InputError(f"{os.fspath(given)}: {error.for_command}") from error


def _asked(one: Combined) -> tuple[str, frozenset[str]]:
    return one.generated_sha256, frozenset(site.name for site in one.sites)
