"""Annotation tables: one view with one row per neuron, and the neurons that criteria select."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from crantcli.core.relation import Annotations, annotation_column
from crantcli.core.rows.labels import key, words
from crantcli.core.sql import quote, text, trimmed
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.ids import Criteria, Criterion
from crantcli.schema import ANNOTATION_IDS, ANNOTATION_TYPES, IdType, Names
from crantcli.sources.tables.inference import as_number, inspect_ids, numeric_types
from crantcli.sources.tables.part import Part, check_id_type, fits_int64
from crantcli.text import P, did_you_mean, join_names, plural


def open_annotations(
    engine: Engine,
    found: Sequence[Part],
    id_column: str | None = None,
    type_column: str | None = None,
    background: Sequence[int] = (),
    *,
    clean: bool = True,
) -> Annotations:
    """Open an annotation table.

    Parameters
    ----------
    engine : Engine
    found : sequence of Part
        One part.
    id_column, type_column : str, optional
        Override the columns for neuron IDs and cell types; they must exist. Of several columns for types, joined by
        commas, the first that is filled counts.
    background : sequence of int
        IDs that stand for no neuron: those of cells whose segment is missing.
    clean : bool
        Leave out rows with such an ID, as synapses are. Otherwise it may be a neuron's, where the table has it.

    Returns
    -------
    Annotations
        A neuron that is annotated twice has its first row that has a type, at the place of its first row.

    Raises
    ------
    DataError
        Where a column is missing, or IDs have gone through floats.
    """
    if len(found) != 1:
        raise UsageError("annotations are one table; give one file")
    part = found[0]
    names = list(part.columns)
    ids = _column(names, id_column, ANNOTATION_IDS, P.neuron_id_column)
    if ids is None:
        raise DataError(
            f"{part.name}: no column for neuron IDs ({', '.join(ANNOTATION_IDS)}) among {join_names(names)}; "
            f"name it with {P.neuron_id_column}"
        )
    labels = _type_columns(names, type_column)
    label = labels[0] if labels else None
    expression = id_expression(engine, part, ids)
    lists = {name for name in names if part.columns[name].endswith("]")}
    in_text = _lists_in_text(engine, part, [name for name in names if name not in lists]) if part.text else set()
    blanks, pointed = _looked_over(engine, part, [name for name in names if name not in lists | in_text])
    contents = {name: _elements(name) if name in in_text else quote(name) for name in names}
    contents |= {name: _numbered(name) for name in names if part.columns[name] in ("FLOAT", "DOUBLE")}
    contents |= {name: _label_text(name, name in blanks, name in pointed) for name in {*blanks, *pointed}}
    chosen = ", ".join(f"{content} AS {annotation_column(name)}" for name, content in contents.items())
    loaded = engine.table(
        "annotation_rows",
        f"SELECT {expression} AS id, row_number() OVER () AS row, {chosen} FROM {part.relation}",
    )
    opened = Annotations("", "", ids, tuple(names), label, frozenset(lists | in_text), tuple(part.records))
    plain = [name for name in names if name not in lists | in_text]
    opened = replace(opened, background=tuple(map(str, background)), numbers=lambda: _numbers(engine, part, plain))
    is_background = _background(opened)
    nulls, unknown = engine.execute(
        f"SELECT count(*) FILTER (id IS NULL), count(*) FILTER ({is_background}) FROM {loaded}"
    )[0]
    told: tuple[str, ...] = (f"left out: {plural(nulls, 'annotation row')} without a neuron ID",) if nulls else ()
    if clean and unknown:
        loaded = engine.view("neuron_rows", f"SELECT * FROM {loaded} WHERE NOT coalesce({is_background}, false)")
        what = f"the background (ID {' or '.join(opened.background)}), which is no neuron"
        told = (*told, f"left out: {plural(unknown, 'annotation row')} of {what}")
    if blanks:
        number = sum(blanks.values())
        told += (f"blanks at the ends of {plural(number, 'value')} of the annotations are left out",)
    if len(labels) > 1:
        opened, loaded, note = _first_filled(engine, opened, loaded, labels)
        told = (*told, note)
    return _with_rows(engine, opened, loaded, told)


def _type_columns(names: list[str], chosen: str | None) -> list[str]:
    """Columns for the type, of which the first that is filled counts."""
    if chosen is None or chosen in names or "," not in chosen:
        found = _column(names, chosen, ANNOTATION_TYPES, P.cell_type_column)
        return [] if found is None else [found]
    columns = [_column(names, name.strip(), (), P.cell_type_column) for name in chosen.split(",")]
    return list(dict.fromkeys(column for column in columns if column is not None))


def _first_filled(
    engine: Engine, annotations: Annotations, loaded: str, labels: Sequence[str]
) -> tuple[Annotations, str, str]:
    """Annotations with one column for the type made of several, its rows, and what to say of where types come from."""
    name = next(made for made in ("type", *(f"type_{n}" for n in range(2, 9))) if made not in annotations.columns)
    filled = [words(label, label in annotations.list_columns) for label in labels]
    first = f"coalesce({', '.join(filled)})"
    rows = engine.view("typed_rows", f"SELECT *, {first} AS {annotation_column(name)} FROM {loaded}")
    before, counts = list[str](), list[str]()
    for column in filled:
        taken = [*before, f"{column} IS NOT NULL"]
        counts.append(f"count(*) FILTER ({' AND '.join(taken)})")
        before.append(f"{column} IS NULL")
    numbers = engine.execute(f"SELECT {', '.join(counts)} FROM {loaded}")[0]
    told = [f"{label} in {number:,}" for label, number in zip(labels, numbers, strict=True)]
    note = f"the type is the first column that is filled: {', '.join(told)} rows"
    return replace(annotations, type_column=name), rows, note


def _background(annotations: Annotations) -> str:
    """A condition that holds for rows with an ID that stands for no neuron."""
    listed = ", ".join(map(text, annotations.background))
    return f"CAST(id AS VARCHAR) IN ({listed})" if listed else "FALSE"


def _with_rows(engine: Engine, annotations: Annotations, loaded: str, notes: tuple[str, ...]) -> Annotations:
    """Annotations with the rows of a table `id, row` and the columns, of which one counts for each neuron."""
    label = annotations.type_column
    typeless = f"({words(label, label in annotations.list_columns)} IS NULL)" if label else "false"
    repeated = engine.execute(
        f"SELECT count(*) FROM (SELECT id FROM {loaded} WHERE id IS NOT NULL AND NOT {_background(annotations)} "
        "GROUP BY id HAVING count(*) > 1)"
    )[0][0]
    relation = engine.view(
        "annotations",
        "SELECT * FROM (SELECT *, min(row) OVER (PARTITION BY id) AS place, "
        f"row_number() OVER (PARTITION BY id ORDER BY {typeless}, row) AS pick FROM {loaded} WHERE id IS NOT NULL) "
        "WHERE pick = 1",
    )
    if repeated:
        more = plural(repeated, "neuron", "are")
        notes = (*notes, f"{more} annotated more than once; the first row with a type counts")
    return replace(annotations, relation=relation, every_row=loaded, notes=notes)


def integer_ids(engine: Engine, annotations: Annotations) -> list[int]:
    """The annotated neurons, in the order of the table; IDs that are no integers are left out."""
    rows = engine.execute(
        f"SELECT id, min(row) AS place FROM (SELECT {key('BIGINT')} AS id, row FROM {annotations.every_row}) "
        "WHERE id IS NOT NULL GROUP BY id ORDER BY place"
    )
    return [int(row[0]) for row in rows]


def renamed(engine: Engine, annotations: Annotations, ids: Sequence[tuple[int, int]]) -> Annotations:
    """The same annotations with other IDs for some neurons.

    Parameters
    ----------
    engine : Engine
    annotations : Annotations
    ids : sequence of pairs of int
        Old and new ID.

    Returns
    -------
    Annotations
        Two neurons that become one are one that is annotated twice.
    """
    loaded = engine.table(
        "annotation_rows",
        f"SELECT a.* REPLACE (coalesce(m.new, CAST(a.id AS VARCHAR)) AS id) FROM {annotations.every_row} AS a "
        f"LEFT JOIN {_new_names(engine, ids)} AS m ON CAST(a.id AS VARCHAR) = m.old",
    )
    return _with_rows(engine, annotations, loaded, ())


def renamed_part(engine: Engine, part: Part, column: str, ids: Sequence[tuple[int, int]]) -> Part:
    """The same rows in their order, with other IDs for some neurons in one column."""
    name, row, known = quote(column), quote("crantcli row"), quote("crantcli id")  # no names of anybody's columns
    text = f"CAST({id_expression(engine, part, column)} AS VARCHAR)"
    new = f"CAST(coalesce(m.new, CAST(a.{name} AS VARCHAR)) AS {part.columns[column]})"
    relation = engine.table(
        "part",
        f"SELECT a.* EXCLUDE ({row}, {known}) REPLACE ({new} AS {name}) FROM (SELECT *, row_number() OVER () AS {row}, "
        f"{text} AS {known} FROM {part.relation}) AS a LEFT JOIN {_new_names(engine, ids)} AS m ON a.{known} = m.old "
        f"ORDER BY {row}",
    )
    return replace(part, relation=relation)


def _new_names(engine: Engine, ids: Sequence[tuple[int, int]]) -> str:
    """A view `old, new` of IDs as text."""
    old, new = (engine.id_table("ids", side, "BIGINT") for side in zip(*ids, strict=True))
    return engine.view(
        "new_names",
        f"SELECT CAST(o.id AS VARCHAR) AS old, CAST(n.id AS VARCHAR) AS new FROM {old} AS o "
        f"JOIN {new} AS n USING (position)",
    )


def _column(names: list[str], chosen: str | None, known: tuple[str, ...], option: str) -> str | None:
    if chosen is None:
        return Names(names).first(known)
    if chosen not in names:
        spelled = Names(names).get(chosen)
        if spelled is not None:
            return spelled
        raise DataError(f"{option} {chosen}: the annotations have no such column ({did_you_mean(chosen, names)})")
    return chosen


def id_expression(engine: Engine, part: Part, column: str) -> str:
    """A column of IDs as int64 where all of them are, else as text."""
    check_id_type(part, column)
    if part.rows == 0:
        return "CAST(NULL AS BIGINT)"
    if not part.columns[column].startswith(("VARCHAR", "ENUM")):
        return f"CAST({quote(column)} AS {'BIGINT' if fits_int64(engine, part, column) else 'VARCHAR'})"
    found = inspect_ids(engine, part, [column])[column]
    id_type: IdType = "BIGINT" if found.integer else "VARCHAR"
    return found.expression(quote(column), id_type)


def _lists_in_text(engine: Engine, part: Part, names: list[str]) -> set[str]:
    """Columns of a CSV whose values are all lists as Python writes them, and not positions."""
    if not names:
        return set()
    tests = ", ".join(
        f"coalesce(bool_and(regexp_full_match(trim({quote(name)}), '\\[.*\\]', 's')), false) AND "
        f"coalesce(bool_or(regexp_matches({quote(name)}, '[''\"A-Za-z]')), false)"
        for name in names
    )
    found = engine.execute(f"SELECT {tests} FROM {part.relation}")[0]
    return {name for name, is_list in zip(names, found, strict=True) if is_list}


def _looked_over(engine: Engine, part: Part, names: list[str]) -> tuple[dict[str, int], set[str]]:
    """Columns of text with blanks at the ends of values, with their number; and those in which each is like `10.0`."""
    texts = [name for name in names if part.columns[name].startswith("VARCHAR")]
    if not texts:
        return {}, set()
    tests = []
    for name in texts:
        column = quote(name)
        tests.append(f"count(*) FILTER ({trimmed(column)} <> {column})")
        tests.append(
            f"coalesce(bool_and(regexp_full_match({trimmed(column)}, '-?[0-9]+\\.0')) "
            f"FILTER ({trimmed(column)} <> ''), false)"
        )
    found = engine.execute(f"SELECT {', '.join(tests)} FROM {part.relation}")[0]
    blanks = {name: int(number) for name, number in zip(texts, found[::2], strict=True) if number}
    return blanks, {name for name, pointed in zip(texts, found[1::2], strict=True) if pointed}


def _label_text(name: str, blanks: bool, pointed: bool) -> str:
    """Labels without blanks at their ends, and 10 for 10.0 where all are written like that; nothing is null."""
    value = f"nullif({trimmed(quote(name))}, '')" if blanks else quote(name)
    return f"regexp_replace({value}, '\\.0$', '')" if pointed else value


def _numbered(name: str) -> str:
    """Labels that are numbers, as text: 1.0, which pandas makes of 1 in a column with gaps, is 1."""
    whole = f"{quote(name)} = trunc({quote(name)}) AND abs({quote(name)}) < 9e15"
    number = f"CASE WHEN {whole} THEN TRY_CAST({quote(name)} AS BIGINT) END"
    text = f"coalesce(CAST({number} AS VARCHAR), CAST({quote(name)} AS VARCHAR))"
    # Not with isnan, which the engine takes to be false where the statistics of a Parquet file have finite ends.
    return f"nullif({text}, 'nan')"


def _numbers(engine: Engine, part: Part, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Columns of numbers and truths that are labels in our views: query text of their values, and its type."""
    floats = [name for name in names if part.columns[name] in ("FLOAT", "DOUBLE")]
    found = {name: (f"CAST({annotation_column(name)} AS DOUBLE)", "DOUBLE") for name in floats}
    if not part.text:
        return found
    for name, kind in numeric_types(engine, part.relation, names).items():
        if kind != "VARCHAR":
            found[name] = (as_number(annotation_column(name), kind), kind)
    rest = [name for name in names if name not in found]
    if rest:
        values = [trimmed(quote(name)) for name in rest]
        tests = ", ".join(f"bool_and(lower({value}) IN ('true', 'false', ''))" for value in values)
        for name, truths in zip(rest, engine.execute(f"SELECT {tests} FROM {part.relation}")[0], strict=True):
            if truths:
                found[name] = (f"lower({annotation_column(name)}) = 'true'", "BOOLEAN")
    return found


def _elements(name: str) -> str:
    """The elements of a list that stands in text: quoted ones without their quotes, others as they are."""
    items = f"regexp_extract_all({quote(name)}, '''[^'']*''|\"[^\"]*\"|[^\\[\\],\\s][^\\[\\],]*')"
    return f"list_transform({items}, lambda item: trim(item, '''\" '))"


def matching(engine: Engine, annotations: Annotations, criteria: Criteria) -> tuple[list[int | str], list[str]]:
    """Neurons that meet all criteria, in the order of the annotation table, and what to say about it.

    Of a neuron that is annotated more than once, the row that counts decides: it has to say the same of its type.

    Raises
    ------
    DataError
        Where a column does not exist, or nothing matches.
    """
    conditions, notes, advice = [], [], []
    for criterion in criteria.criteria:
        condition, unmatched, near_labels = _condition(engine, annotations, criterion)
        conditions.append(condition)
        advice += near_labels
        if unmatched and len(criterion.values) > 1:
            notes.append(f"{criterion.column}: no neuron has {', '.join(unmatched)}")
    met = " AND ".join(conditions)
    rows = engine.execute(f"SELECT id FROM {annotations.relation} WHERE {met} ORDER BY place")
    apart = engine.execute(
        f"SELECT count(DISTINCT id), min_by(id, row) FROM {annotations.every_row} WHERE id IS NOT NULL AND {met} "
        f"AND id NOT IN (SELECT id FROM {annotations.relation} WHERE {met})"
    )[0]
    if apart[0]:
        advice.append(
            f"{plural(apart[0], 'neuron', 'meet')} it by another of its rows, such as {apart[1]}, and the first row "
            "with a type counts"
        )
        notes.append(f"{criteria}: {advice[-1]}; not selected")
    if not rows:
        told = "; ".join(advice) or "look at the values in the annotations"
        raise DataError(f"{criteria}: no neuron matches; {told} (comparison heeds case, patterns match from the start)")
    return [row[0] for row in rows], notes


def _condition(engine: Engine, annotations: Annotations, criterion: Criterion) -> tuple[str, list[str], list[str]]:
    """The criterion as query text, the values that no label matches, and labels that are like these."""
    if criterion.column not in annotations.columns:
        raise DataError(
            f"{criterion.column}: the annotations have no such column "
            f"({did_you_mean(criterion.column, annotations.columns)})"
        )
    column = annotation_column(criterion.column)
    if criterion.column == annotations.id_column:
        column = "id"
    is_list = criterion.column in annotations.list_columns
    element = f"unnest({column})" if is_list else column
    labels = [
        str(row[0])
        for row in engine.execute(
            f"SELECT DISTINCT CAST(label AS VARCHAR) FROM (SELECT {element} AS label FROM {annotations.every_row}) "
            "WHERE label IS NOT NULL"
        )
    ]
    if {label.lower() for label in labels} <= {"true", "false"}:
        # The engine writes true, Python True.
        criterion = replace(criterion, ignore_case=True)
    matched = {
        value: [label for label in labels if criterion.value_matches(value, label)] for value in criterion.values
    }
    unmatched = [value for value, found in matched.items() if not found]

    def among(found: list[str]) -> str:
        listed = ", ".join("'" + label.replace("'", "''") + "'" for label in found)
        if is_list:
            return f"coalesce(list_has_any(CAST({column} AS VARCHAR[]), CAST([{listed}] AS VARCHAR[])), false)"
        return f"(CAST({column} AS VARCHAR) IN ({listed}))" if listed else "false"

    if criterion.match_all and is_list:
        condition = "(" + " AND ".join(among(found) for found in matched.values()) + ")"
    else:
        condition = among(sorted({label for found in matched.values() for label in found}))
    if criterion.negate:
        return f"NOT coalesce({condition}, false)", [], []
    return f"coalesce({condition}, false)", unmatched, _near_labels(criterion.column, unmatched, labels)


def _near_labels(column: str, values: list[str], labels: list[str]) -> list[str]:
    lower = {label.lower(): label for label in labels}
    close = [match for value in values for match in difflib.get_close_matches(value.lower(), lower, n=4)]
    return [f"{column} has {', '.join(lower[match] for match in dict.fromkeys(close))}"] if close else []
