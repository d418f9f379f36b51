"""Names that the shell completes; nothing is imported before a key is pressed."""

from collections.abc import Callable


def names_of(kind: str) -> Callable[[str], list[str]]:
    """The names that `vestige list KIND` lists, by their first letters."""

    def complete(incomplete: str) -> list[str]:
        from vestige.cli.choices import KINDS

        names = KINDS[kind].factory() if kind else KINDS
        return [name for name in names if name.startswith(incomplete)]

    return complete


def detector_names(incomplete: str) -> list[str]:
    """Names for --detector: `auto` stands for several."""
    return [name for name in ("auto",) if name.startswith(incomplete)] + names_of("detectors")(
        incomplete
    )


def run_formats(incomplete: str) -> list[str]:
    """Names of the formats that `vestige export` writes."""
    from vestige.imageclef.runfile import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]
