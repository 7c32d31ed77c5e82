"""`crantcli info`: what a file is and how it came about."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LOOK, OUTPUT
from crantcli.cli.options import Debug, Quiet
from crantcli.core.rows.steps import STEPS
from crantcli.text import plural

EPILOG = """Example: crantcli info er2.parquet"""


@command("info", section=LOOK, epilog=EPILOG)
def info(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A table, matrix or picture, or a folder of neuropil.", show_default=False),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what a file is and how it came about. Kind, columns, rows, provenance, and what it is complete for."""
    from crantcli.cli.console import Console, printable
    from crantcli.sources.inspection import describe
    from crantcli.text import flags_in

    console = Console("crantcli info", quiet)
    found = flags_in(describe(file))
    if json:
        console.json(found)
        return
    for line in _lines(found):
        print(printable(line))
    if found["provenance"] is None:
        console.note("the file carries no provenance of crantcli")


def _lines(found: dict[str, Any]) -> list[str]:
    columns = found.get("columns") or []
    shown = ", ".join(columns[:20]) + (f", ... ({len(columns):,} columns)" if len(columns) > 20 else "")
    lines = [f"{'file':12}{found['file']}", f"{'kind':12}{found['kind']}"]
    if found.get("rows") is not None:
        lines.append(f"{'rows':12}{found['rows']:,}")
    if columns:
        lines.append(f"{'columns':12}{shown}")
    if "files" in found:
        lines.append(f"{'files':12}{len(found['files']):,}")
    if found["kind"] == "synapses" or found["units"] != "unknown":
        lines.append(f"{'units':12}{found['units']}")
    lines += [f"{'column':12}{role} = {column}" for role, column in found.get("roles", {}).items()]
    lines += [f"{'because':12}{reason}" for reason in found.get("reasons", [])]
    lines += [f"{'note':12}{note}" for note in [*found.get("notes", []), *found.get("decision_notes", [])]]
    lines += [f"{'refused':12}{found['refused']}"] if "refused" in found else []
    try:
        return lines + _history(found["provenance"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return [*lines, f"{'made by':12}unknown: the provenance of the file is damaged"]


def _history(record: dict[str, Any] | None) -> list[str]:
    """How the file came about."""
    if record is None:
        return []
    lines = [f"{'made by':12}crantcli {record['crantcli']} {record['command']}"]
    lines += [f"{'option':12}{name} = {_short(value)}" for name, value in record["options"].items()]
    for source in record["inputs"]:
        size = f"{source['bytes']:,} bytes, " if "bytes" in source else ""
        told = source.get("sha256", "")[:24]
        if "materialization" in source:
            told = f"materialization {source['materialization']}, {source['time']}"
        lines.append(f"{'input':12}{source['name']} ({size}{told})")
    for name, selection in record.get("selection", {}).items():
        lines.append(f"{'selection':12}{name}: {', '.join(selection['named'])} ({selection['neurons']:,} neurons)")
    if "sorted_by" in record:
        lines.append(f"{'sorted by':12}{', '.join(record['sorted_by'])}")
    if record["command"] == "report":  # it tells of files, and of no rows
        return lines
    ledger = record["ledger"]
    lines.append(f"{'ledger':12}{ledger['read']:,} {ledger['unit']} read")
    removed = ledger["removed"]
    lines += [f"{'':12}{removed[step]:>14,}  {step}" for step in STEPS if removed.get(step)]
    lines += [f"{'':12}{ledger['merged']:>14,}  merged"] if ledger.get("merged") else []
    lines.append(f"{'':12}{ledger['kept']:>14,}  kept")
    lines += _completeness(record["complete_for"]) if "complete_for" in record else []
    for side, neurons in record.get("totals", {}).items():
        lines.append(f"{'totals':12}all {side} of {plural(len(neurons), 'neuron')} in the table it was made of")
    return lines


def _completeness(complete: dict[str, Any]) -> list[str]:
    relative = "" if complete["origin"] == "known" else ", if the input was whole"
    if complete["thinned_by"]:
        return [f"{'complete':12}for no neuron's totals: thinned by {complete['thinned_by']}"]
    lines = []
    if "part" in complete:
        part = complete["part"]
        numbers = ", ".join(map(str, part["numbers"]))
        lines.append(f"{'part':12}{numbers} of {part['of']} of partition {part['partition']}")
        for first, end in part["outputs_between"]:
            bounds = [f"from {first}"] if first is not None else []
            bounds += [f"below {end}"] if end is not None else []
            lines.append(f"{'complete':12}outputs of neurons {' and '.join(bounds)}{relative}")
        return [*lines, f"{'complete':12}inputs of no neuron: they are spread over all parts"]
    for side in ("inputs_of", "outputs_of"):
        neurons = complete[side]
        number = "all" if neurons == "all" else f"{len(neurons):,}" if neurons else "no"
        which = f"{number} neuron{'' if number in ('1', 'no') else 's'}"
        lines.append(f"{'complete':12}{side.replace('_', ' ')} {which}{relative}")
    return lines


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
