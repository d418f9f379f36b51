"""The sentences about several sites together; what was found is worded as of a single audit."""

from typing import TYPE_CHECKING

from vestige.decision.sentences import GATES, HEADINGS, plural

if TYPE_CHECKING:
    from vestige.decision.combined import Combined

UNQUALIFIED = (
    "No site found this by itself, so none asked whether another generator gives the same signal."
)
RELEASE = "The gate of the set is not open: mend what {site} is told to mend, and combine again."
ALONE = (
    "Decide beforehand whether each site counts or all together, and report that answer; the gate "
    "of the set is not open."
)


def combined_text(combined: "Combined") -> str:
    """The answer of all sites: what they say together, who does not count, what to do next."""
    counted = len(combined.sites) - len(combined.aside)
    who = f"{plural(len(combined.sites), 'site')} together"
    if combined.because == "all sites":
        told = [f"{who}: {combined.decision.text}"]
        if combined.unqualified:
            told.append(UNQUALIFIED)
        if combined.aside and counted:
            told.append(f"T{_not_counted(combined)[1:]}.")
        return " ".join(told)
    site = combined.site
    if combined.because == "a site set aside":
        rest = f", and the other sites find nothing ({_p(combined)})" if counted else ""
        return (
            f"{who}: {HEADINGS['undecided']}: {_not_counted(combined)}{rest}. What {site} "
            f"says: {combined.decision.text} {RELEASE.format(site=site)}"
        )
    found = HEADINGS[combined.decision.state].lower()
    return (
        f"{who}: {HEADINGS['undecided']}: all sites together find nothing ({_p(combined)}), and "
        f"{site} by itself does ({found}). {ALONE}"
    )


def combined_gate_line(combined: "Combined") -> str:
    """What `--gate` prints: the way of the gate, its exit code, and the answer."""
    return f"{GATES[combined.gate]} (exit {combined.exit_code}): {combined.text}"


def _not_counted(combined: "Combined") -> str:
    names = [one.name for one in combined.aside]
    if len(names) == 1:
        return f"the p-values of {names[0]} do not count, as its own audit is undecided"
    told = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"the p-values of {told} do not count, as their own audits are undecided"


def _p(combined: "Combined") -> str:
    p = combined.test.p_value if combined.test else 1.0
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
