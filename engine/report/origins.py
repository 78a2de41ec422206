"""What made the runs: the section of a study with runs of several environments, or of other code of the engine."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..errors import counted
from ..store import provenance
from ..store.run_table import RunTable
from .phrases import joined
from .sections import Section, SectionTable
from .summary import Summary

_MOST_NAMED = 5
_CAPTION = "Launches that agree in everything on which the bits of a run depend share a row."
_HEADER = ["launches", "runs", "from", "to", "device", "in what it differs from the first row"]


def make_section(table: RunTable, summary: Summary) -> Section | None:
    """Makes the section; `None` where one environment and the present code made every run."""
    launches, num_runs = summary.document["launches"], Counter(table.launches)
    environments: dict[str, list[int]] = {}
    for index in sorted(index for index in num_runs if index is not None):
        environments.setdefault(provenance.environment_digest(launches[index]), []).append(index)
    groups = list(environments.values())
    num_unknown = num_runs[None]
    if len(groups) + bool(num_unknown) < 2 and not table.num_looked_at:
        return None
    lines = []
    if len(groups) > 1:
        lines.append(
            f"The runs were made in {len(groups)} environments, and everything above pools them. In another one the "
            "same seed may give other bits; `verify` tells how far it goes."
        )
    if table.num_looked_at:
        lines.append(_say_looked_at(table))
    rows = [_row([launches[index] for index in group], group, num_runs, launches[groups[0][0]]) for group in groups]
    if num_unknown:
        rows.append(["unknown", f"{num_unknown:,}", "–", "–", "–", "–"])
    document = {
        "environments": [{"launches": group, "num_runs": sum(num_runs[i] for i in group)} for group in groups],
        "num_runs_of_unknown_launches": num_unknown,
        "num_looked_at_again": table.num_looked_at,
        "num_changed": len(table.changed),
    }
    tables = [SectionTable(_CAPTION, _HEADER, rows, is_of_words=True)]
    return Section("origins", "What made the runs", lines, tables, {}, document)


def _say_looked_at(table: RunTable) -> str:
    outcomes = counted(table.num_looked_at, "run that other code", "runs that other code")
    found = f"The outcomes of {outcomes} of the engine made were found again from the stored curves, as it detects now"
    if not table.changed:
        return f"{found}: none changed."
    named = table.outcomes.take(table.changed[:_MOST_NAMED]).select(["arm", "seed", "status"]).to_pylist()
    words = [f"“{row['arm']}” seed {row['seed']}, now {row['status'].replace('_', ' ')}" for row in named]
    more = len(table.changed) - len(named)
    if more:
        words.append(f"{more:,} more")
    return f"{found}, and {counted(len(table.changed), 'is', 'are')} not what was stored: {joined(words)}."


def _row(group: Sequence[dict[str, Any]], indices: Sequence[int], num_runs: Counter[Any], first: Any) -> list[str]:
    device = group[0].get("devices", {}).get("kind") or group[0]["hardware"]["machine"]
    differences = provenance.describe_differences(first, group[0])
    return [
        ", ".join(str(index + 1) for index in indices[:_MOST_NAMED]) + (", …" if len(indices) > _MOST_NAMED else ""),
        f"{sum(num_runs[index] for index in indices):,}",
        group[0]["started"],
        group[-1]["started"],
        str(device),
        differences or "–",
    ]
