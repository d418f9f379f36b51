"""What audits of several sites say together: one record, which becomes combined.json."""

import json
from dataclasses import dataclass, field, fields
from importlib import resources
from typing import Any, Literal, Self

from vestige.decision.audited import plain
from vestige.decision.records import Code, Decision, Gate, Mode, State
from vestige.decision.sentences_sites import combined_text
from vestige.files.strict_json import parse_json
from vestige.images.kinds import Kind
from vestige.registry.entries import InputError
from vestige.schema.decode import decode
from vestige.schema.records import Estimate, PatientFinding, SetTest

SCHEMA = "combined 1"
"""What tells it from a result.json, whose schema is a number."""
Because = Literal["all sites", "a site set aside", "a site by itself"]
"""What the combined answer rests on: what counts of all sites; a site whose p-value does not count,
where the others find nothing; a site that finds something which all together do not."""


@dataclass(frozen=True)
class SiteAnswer:
    """What one site says by itself, and what it counts.

    result_sha256 : of its result.json
    redacted : whether the names of its patients are hashes
    targets, unused : patients a side
    p_value : of its set test, corrected for its earlier runs
    auc_upper : upper bound of its AUC; None without one
    share : what it counts in the test of all sites, 0..1; 0 if it is set aside
    set_aside : why its p-values do not count; () where they do
    copies, copied_patients : generated images that are copies of its targets, and of how many
    named : patients that it names by itself
    state, gate, text : its own decision
    """

    name: str
    result_sha256: str
    redacted: bool
    started: str
    counts: dict[str, int]
    targets: int
    unused: int
    patient_ids: bool
    p_value: float
    auc: Estimate
    auc_upper: float | None
    share: float
    set_aside: tuple[Code, ...]
    copies: int
    copied_patients: int
    named: int
    state: State
    gate: Gate
    text: str


@dataclass(frozen=True)
class SitePatient:
    """A patient by the name that their site gave, with the q-value among all sites."""

    site: str
    finding: PatientFinding


@dataclass(frozen=True)
class Combined:
    """The answer of all sites: what counts, the one decision, patients by their sites.

    vestige, generated_sha256, mode, kind, false_alarm_rate, max_auc : the same at all sites
    sites : in the order in which they were given
    test : of all sites that count; None where none does
    unqualified : it is significant, and no site asked whether another generator gives the same
        signal, since none found anything by itself
    patients : of all sites, the strongest word first
    same_names : names of patients that more than one site has; each may be somebody else
    untold : options that a redacted result does not tell, so that nobody compared them
    decision : of all that counts, or of `site` alone
    because : which of both
    state, gate, text : the one answer
    """

    vestige: str
    generated_sha256: str
    mode: Mode
    kind: Kind
    false_alarm_rate: float
    max_auc: float
    sites: tuple[SiteAnswer, ...]
    test: SetTest | None
    unqualified: bool
    patients: tuple[SitePatient, ...]
    same_names: int
    untold: tuple[str, ...]
    decision: Decision
    because: Because = "all sites"
    site: str = ""
    state: State = field(init=False)
    gate: Gate = field(init=False)
    text: str = field(init=False)

    def __post_init__(self) -> None:
        alone = self.because == "a site by itself"
        object.__setattr__(self, "state", "undecided" if alone else self.decision.state)
        object.__setattr__(self, "gate", "undecided" if alone else self.decision.gate)
        object.__setattr__(self, "text", combined_text(self))

    @property
    def exit_code(self) -> Literal[0, 3, 4]:
        """What `--gate` exits with."""
        return 4 if self.gate == "undecided" else self.decision.exit_code

    @property
    def aside(self) -> tuple[SiteAnswer, ...]:
        """Sites whose p-values do not count."""
        return tuple(one for one in self.sites if one.set_aside)

    def to_json(self) -> str:
        """Serialise to the text of combined.json."""
        made: dict[str, Any] = {"schema": SCHEMA}
        made |= {f.name: plain(getattr(self, f.name)) for f in fields(self)}
        return json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read combined.json; anything that is not one is an :class:`InputError`."""
        try:
            raw = parse_json(text)
        except ValueError as error:
            raise InputError(f"this is not a vestige combined.json: {error!s:.200}") from error
        if not isinstance(raw, dict) or raw.pop("schema", None) != SCHEMA:
            raise InputError(
                f"this is not a combined.json of the schema {SCHEMA!r}: combine the results again "
                "with this version."
            )
        told = {name: raw.pop(name, None) for name in ("state", "gate", "text")}
        found: Self = decode(cls, raw, "combined")
        if told != {name: getattr(found, name) for name in told}:
            raise InputError(
                "the answer in this combined.json is not the one that its sites give: the file "
                "was changed by hand, or written by another version. Combine the results again."
            )
        return found


def schema() -> dict[str, Any]:
    """The JSON Schema of combined.json, as shipped; it refers to that of result.json."""
    place = resources.files("vestige.schema").joinpath("combined.schema.json")
    loaded: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return loaded
