"""docs/scale.md and its figures, from the results alone.

    python benchmarks/scale_page.py

Reads scale.json, peers.json and speed.json of benchmarks/results; writes docs/scale.md and
docs/figures/scale-*.svg.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "vestige"  # the same bytes from the same figures
matplotlib.rcParams["font.size"] = 9

import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
OURS, BASE, THIRD = "#2b6ca3", "#777777", "#b5443c"

# assumptions of the page on paper, not measured here
CORES, MEMORY, NETWORK = 32, 128e9, 1.2e9  # of one machine: cores, bytes; storage, bytes/s in all
FILE_BYTES = 45e3  # a 256 x 256 CT slice as 8-bit PNG
SHARD_FILES = 64
WORKING_BYTES = 4 * 64 * 64
# of the code: `engine.cluster.MAX_BATCH`, `images.spool.BLOCK`, `engine.kept.MERGED`
MAX_BATCH, BLOCK, MERGED = 4, 1024, 8
# counted with a Dask cluster of two workers: passes of a default audit with all checks, and bytes
# that come to the process that judges, for one image more (docs/cluster.md)
PASSES, HOME_BYTES = 23, 650


def figure_search(scale: dict[str, Any]) -> None:
    """Cost per pair, and memory, against the number of generated images."""
    shown = {
        "exact": ("vestige, exact", OURS, "o-"),
        "bare in 64 MiB": ("bare product + argpartition", BASE, "s--"),
        "product": ("bare product alone", BASE, "^:"),
        "flat": ("FAISS flat", THIRD, "o-"),
        "ivf": ("FAISS ivf", THIRD, "s--"),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
    for work, (label, colour, line) in shown.items():
        rows = [r for r in scale["rows"] if r["work"] == work and r.get("kind") != "clusters"]
        if work == "bare in 64 MiB":  # the faster of the two block sizes
            tiles = [r for r in scale["rows"] if r["work"] == "bare in tiles"]
            pairs = zip(rows, tiles, strict=True)
            rows = [min(pair, key=lambda r: r["seconds"]) for pair in pairs]
        x = [r["generated"] for r in rows]
        left.plot(x, [r["ns_per_pair"] for r in rows], line, color=colour, label=label)
        right.plot(x, [r["peak_gib"] for r in rows], line, color=colour, label=label)
    right.axhline(1.5, color="black", lw=0.8)
    right.annotate("allowed", (1.1e4, 1.46), va="top")
    left.set_ylabel("ns per generated image and query")
    right.set_ylabel("peak memory of the process, GiB")
    left.set_ylim(bottom=0)
    right.set_ylim(0, 1.6)
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xlabel("generated images")
        axis.spines[["top", "right"]].set_visible(False)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    save(figure, "scale-search.svg")


def figure_peers(peers: dict[str, Any]) -> None:
    """How many times faster and smaller, on a logarithmic axis."""
    sizes = sorted({row["generated"] for row in peers["rows"]})
    rows = [r for r in peers["rows"] if r["generated"] == sizes[0]]
    names = [f"{r['task']}\n{r['peer']}" for r in rows]
    figure, axis = plt.subplots(figsize=(8, 0.5 * len(rows) + 1), layout="constrained")
    for shift, key, colour in (
        (-0.18, "times_faster", OURS),
        (0.18, "times_smaller", THIRD),
    ):
        values = [r.get(key, 1) for r in rows]
        at = [k + shift for k in range(len(rows))]
        axis.barh(at, [v - 1 for v in values], 0.34, left=1, color=colour, label=key[6:])
        for y, value in zip(at, values, strict=True):
            left = value < 1
            axis.annotate(
                f" {value:.1f} x ", (value, y), va="center", ha="right" if left else "left",
                fontsize=7,
            )  # fmt: skip
    axis.set_xscale("log")
    axis.axvline(1, color="black", lw=0.8)
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.invert_yaxis()
    axis.set_xlim(0.2, 300)
    axis.set_xlabel(f"vestige against the peer, {sizes[0]:,} generated images")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="center right")
    save(figure, "scale-peers.svg")


def save(figure: Any, name: str) -> None:
    """One SVG, the same bytes for the same figures."""
    figure.savefig(DOCS / "figures" / name, metadata={"Date": None})
    plt.close(figure)


def search_table(scale: dict[str, Any]) -> list[str]:
    """One row per kind of search and size."""
    lines = [
        "| search | generated | seconds | ns per image and query | peak GiB | found |",
        "|---|---|---|---|---|---|",
    ]
    for row in scale["rows"]:
        name = row["work"] + (f", {row['kind']}" if row["work"] in ("flat", "ivf") else "")
        if "not_measured" in row:
            lines.append(f"| {name} | {row['generated']:,} | | | | {row['not_measured']} |")
            continue
        found = f"{row['recall']:.1%}" if "recall" in row else ""
        lines.append(
            f"| {name} | {row['generated']:,} | {row['seconds']:.2f} | {row['ns_per_pair']:.2f} "
            f"| {row['peak_gib']:.2f} | {found} |"
        )
    return lines


def peers_table(peers: dict[str, Any]) -> list[str]:
    """One row per peer and size."""
    lines = [
        "| task | peer | generated | peer | ours | faster | smaller | answers differ by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in peers["rows"]:
        head = f"| {row['task']} | {row['peer']} | {row['generated']:,} |"
        if "not_measured" in row:
            lines.append(f"{head} {row['not_measured']} | | | | |")
            continue
        lines.append(
            f"{head} {row['peer_seconds']:.2f} s, {row['peer_peak_mib']:.0f} MiB "
            f"| {row['ours_seconds']:.2f} s, {row['ours_peak_mib']:.0f} MiB "
            f"| {row['times_faster']:.1f} x | {row['times_smaller']:.1f} x "
            f"| {row['largest_difference']:.0e} |"
        )
    return lines


def unit_costs(scale: dict[str, Any], speed: dict[str, Any]) -> dict[str, float]:
    """Seconds of one core per generated image, and seconds per task and merge."""
    default = [row for row in speed["audits"] if row["audit"] == "default"]
    audit = max(default, key=lambda row: row["generated"])
    images, cores = audit["generated"] + audit["reals"], audit["cores"]
    exact = [row for row in scale["rows"] if row["work"] == "exact"][-1]
    return {
        "decode": audit["decode"] * cores / images,
        "audit": audit["first"] * cores / images,
        "search": exact["seconds"] / exact["generated"],
        "task": 1e-3 * (scale["dask_task_ms"] or 1.0),
        "record": scale["record_bytes"],
    }


def tasks(images: int) -> tuple[float, float]:
    """Tasks of a Dask scheduler for so many images: to read them, and to make all passes."""
    read = 2 * images / (SHARD_FILES * MAX_BATCH) + images / BLOCK
    return read, PASSES * images / BLOCK * (1 + 1 / (MERGED - 1))


def on_paper(costs: dict[str, float]) -> list[str]:
    """What 10^7 to 10^9 images need, in rows of a table."""
    sizes = [10**7, 10**8, 10**9]
    lines = [
        "| | " + " | ".join(f"10^{len(str(m)) - 1}" for m in sizes) + " | limit |",
        "|---|---|---|---|---|",
    ]

    def row(name: str, values: list[str], limit: str = "") -> None:
        lines.append(f"| {name} | " + " | ".join(values) + f" | {limit} |")

    per_image = costs["audit"]
    row("reading and scoring, core-hours", [f"{m * per_image / 3600:,.0f}" for m in sizes],
        f"{CORES} cores a machine")  # fmt: skip
    row("of which bare decoding", [f"{m * costs['decode'] / 3600:,.0f}" for m in sizes])
    for machines in (1, 10, 100):
        hours = [m * per_image / 3600 / CORES / machines for m in sizes]
        row(f"hours of work on {machines} machines", [f"{h:,.2f}" for h in hours])
    row("hours to read the files once", [f"{m * FILE_BYTES / NETWORK / 3600:,.2f}"
        for m in sizes], f"{NETWORK / 1e9:.1f} GB/s for all machines")  # fmt: skip
    row("bytes of files", [size(m * FILE_BYTES) for m in sizes])
    row("blocks that the workers hold, 64 px, float32", [size(m * WORKING_BYTES) for m in sizes],
        f"{size(MEMORY)} of memory a machine, then its disk")  # fmt: skip
    row("machines whose memory holds them", [f"{m * WORKING_BYTES / MEMORY:,.0f}" for m in sizes])
    row("what comes home: records, small rows", [size(m * HOME_BYTES) for m in sizes],
        "the scheduler passes it on")  # fmt: skip
    row("records in memory at home", [size(m * costs["record"]) for m in sizes],
        f"{size(MEMORY)} of memory")  # fmt: skip
    row("tasks to read", [f"{tasks(m)[0]:,.0f}" for m in sizes], "about 10^6 for one scheduler")
    row(f"tasks of {PASSES} passes", [f"{tasks(m)[1]:,.0f}" for m in sizes], "the same")
    row("scheduler, hours", [f"{sum(tasks(m)) * costs['task'] / 3600:,.2f}" for m in sizes],
        "one core")  # fmt: skip
    return lines


def size(bytes_: float) -> str:
    """In the largest unit that keeps a whole number."""
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000:
            return f"{bytes_:.3g} {unit}"
        bytes_ /= 1000
    return f"{bytes_:,.3g} TB"


def page(scale: dict[str, Any], peers: dict[str, Any], speed: dict[str, Any]) -> str:
    """docs/scale.md."""
    costs = unit_costs(scale, speed)
    told = scale["machine"]
    exact = [row for row in scale["rows"] if row["work"] == "exact"]
    fits = {
        "records": MEMORY / costs["record"],
    }
    reads = NETWORK / FILE_BYTES * costs["audit"]  # cores that the storage can feed
    text = (HERE / "scale_page.md").read_text(encoding="utf-8")
    filled = {
        "processor": f"{told['processor']}, numpy {told['numpy']}, {told['date']}",
        "queries": f"{scale['queries']:,}",
        "largest": f"{exact[-1]['generated']:,}",
        "peak": f"{scale['peak_gib']:.2f}",
        "ratio": f"{scale['ratio']:.2f}",
        "to_product": f"{exact[-1]['ratio_to_product']:.2f}",
        "spread": f"{scale['spread']:.2f}",
        "growth": f"{scale['growth']:.2f}",
        "search_table": "\n".join(search_table(scale)),
        "peers_table": "\n".join(peers_table(peers)),
        "relabellings": str(peers["relabellings"]),
        "reals": f"{peers['rows'][0]['reals']:,}",
        "paper_table": "\n".join(on_paper(costs)),
        "decode_ms": f"{1e3 * costs['decode']:.2f}",
        "audit_ms": f"{1e3 * costs['audit']:.2f}",
        "search_us": f"{1e6 * costs['search']:.1f}",
        "pair_ns": f"{exact[-1]['ns_per_pair']:.2f}",
        "task_ms": f"{1e3 * costs['task']:.1f}",
        "record_bytes": f"{costs['record']:,.0f}",
        "cores": str(CORES),
        "memory": size(MEMORY),
        "network": f"{NETWORK / 1e9:.1f} GB/s",
        "file": size(FILE_BYTES),
        "most_records": f"{fits['records']:.0e}".replace("e+0", " x 10^"),
        "passes": str(PASSES),
        "block": f"{BLOCK:,}",
        "home_bytes": str(HOME_BYTES),
        "fed_cores": f"{reads:.0f}",
        "shard": str(SHARD_FILES),
        "search_share": f"{costs['search'] / costs['audit']:.1%}",
    }
    for name, value in filled.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def main() -> None:
    """Write the page and its figures."""
    scale, peers = (
        json.loads((HERE / "results" / f"{name}.json").read_text()) for name in ("scale", "peers")
    )
    speed = json.loads((HERE / "results" / "speed.json").read_text())
    figure_search(scale)
    figure_peers(peers)
    (DOCS / "scale.md").write_text(page(scale, peers, speed), encoding="utf-8")


if __name__ == "__main__":
    main()
