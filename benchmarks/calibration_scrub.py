"""Copier worlds: does scrubbing take the copies, leave the innocent, and end clean?

A part of benchmarks/calibration.py.
"""

from typing import Any

import numpy as np

EACH, GENERATED, SIDE = 60, 1000, 32
SHARES = (0.01, 0.05, 0.2)


def scrub(worlds: int = 1000) -> list[dict[str, Any]]:
    """Copies and innocent images withheld per share of copies; a hundredth of `worlds` each."""
    import vestige
    from vestige.worlds.embedded import embedded_world

    rows = []
    for share in SHARES:
        told = {"copies": 0, "copies_withheld": 0, "innocent": 0, "innocent_withheld": 0}
        most, clean, audits = 0.0, 0, max(1, worlds // 100)
        for seed in range(audits):
            world = embedded_world(
                True, 100 + seed, n_used=EACH, n_unused=EACH, n_generated=GENERATED, size=SIDE,
                share=share,
            )  # fmt: skip
            sets = (world.generated, world.used, world.unused)
            found = vestige.scrub(vestige.audit(*sets, seed=seed), *sets)
            gone = np.isin(np.arange(GENERATED), [int(image.generated) for image in found.withheld])
            guilty = world.truth.copied >= 0
            told["copies"] += int(guilty.sum())
            told["copies_withheld"] += int((gone & guilty).sum())
            told["innocent"] += int((~guilty).sum())
            told["innocent_withheld"] += int((gone & ~guilty).sum())
            most = max(most, float((gone & ~guilty).sum() / (~guilty).sum()))
            clean += found.outcome.gate == "open"
        rows.append(
            {
                "share": share,
                **told,
                "most_innocent_withheld": round(most, 4),
                "remainder_clean": clean,
                "worlds": audits,
            }
        )
        print(rows[-1], flush=True)
    return rows


def scrub_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about scrubbing."""
    lines = [
        "| copies in the generated set | copies withheld | innocent withheld | most in one world "
        "| remainder audits clean |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['share']:.0%} | {r['copies_withheld']} of {r['copies']} "
        f"| {r['innocent_withheld']} of {r['innocent']} | {r['most_innocent_withheld']:.1%} "
        f"| {r['remainder_clean']} of {r['worlds']} |"
        for r in rows
    ]
    return f"""## Scrub

Copier worlds: {GENERATED} generated phantoms of {SIDE} px, {EACH} used and {EACH} unused; near
copies of used images among them. Asked: the remainder audits clean, at most 5 % of the innocent
images are withheld.

{chr(10).join(lines)}
"""
