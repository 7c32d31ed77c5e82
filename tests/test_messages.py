"""The exact words of errors: of command lines what stderr holds, of Python calls what is raised.

A block is a command line, its exit code, and stderr, line by line; a line that is continued is indented. Where words
change on purpose, so does this file. same.py compares much more, with another revision; this stays without one.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import same_cases
import tokens
from conftest import ROOT, Crant

import crantcli as cc
from crantcli.cli.app import run
from crantcli.errors import CrantError

pytestmark = pytest.mark.slow

#: What the commands below read of `made/`.
MADE = """
    synapses -d sample_data/sample.toml --pre cell_type=ER2 -o made/er2.parquet
    synapses made/er2.parquet --units pixels -o made/pixels.parquet
    counts synapses.parquet -o made/counts.parquet
    counts synapses.parquet --where "size > 100" -o made/where.parquet
    connectivity made/er2.parquet --top 3 -o made/top.parquet
    meshes meshes -o made/meshes
"""

COMMANDS = r"""
$ connectivity other.csv
3
crantcli connectivity: other.csv: no kind of table has the columns a, b, c (column b holds 'y', which is no number);
    name the ID columns with --pre-col and --post-col and the weight with --weight-col, or say --kind adjacency if rows
    and columns are neurons
$ connectivity unclear.csv
3
crantcli connectivity: unclear.csv: columns pre, post and source, target could each be the neuron IDs; say which
    with --pre-col and --post-col
$ connectivity good.csv --pre-col prre
3
crantcli connectivity: good.csv: --pre-col prre: there is no such column (near names: pre)
$ connectivity good.csv --post-col prre
3
crantcli connectivity: good.csv: --post-col prre: there is no such column (near names: pre)
$ connectivity good.csv --pre-col pre --post-col pre
3
crantcli connectivity: good.csv: --pre-col and --post-col both name column pre; name two
$ connectivity good.csv --kind edges
3
crantcli connectivity: good.csv: not an edge table: no column is known to be the weight among id, pre, post; name it
    with --weight-col
$ connectivity good.csv --kind nodes
2
crantcli connectivity: Invalid value for '--kind': Value error, 'nodes' is not one of 'synapses', 'edges',
    'adjacency', 'points' (see crantcli connectivity --help)
$ connectivity good.csv --weight-col nope
3
crantcli connectivity: good.csv: --weight-col nope: there is no such column (columns: id)
$ connectivity good.csv --weight-col pre
3
crantcli connectivity: good.csv: --weight-col pre: there is no such column (columns: id)
$ connectivity good.csv --weight-col id --kind synapses
2
crantcli connectivity: --weight-col goes with edges, and --kind says synapses; use one of them
$ connectivity points.csv
3
crantcli connectivity: points.csv: columns x, y, z are a position, and no pair of columns holds neuron IDs; points
    are read by neuropil --assignments-only alone. Name the ID columns with --pre-col and --post-col
$ connectivity points.csv --kind points
3
crantcli connectivity: points.csv: columns x, y, z are a position, and no pair of columns holds neuron IDs; points
    are read by neuropil --assignments-only alone. Name the ID columns with --pre-col and --post-col
$ connectivity somas.csv
3
crantcli connectivity: somas.csv: no kind of table has the columns neuron, somaVolume_um3, n (n is no neuron); name
    the ID columns with --pre-col and --post-col and the weight with --weight-col, or say --kind adjacency if rows and
    columns are neurons
$ connectivity both.csv
3
crantcli connectivity: both.csv: column weight says that a row is a pair with its weight, and id, size that it is
    one synapse; say which with --kind edges or --kind synapses
$ connectivity contacts.csv
3
crantcli connectivity: contacts.csv: columns pre, post hold neuron IDs, and contacts numbers: nothing tells whether
    a row is one synapse, or a pair whose weight is one of these. Say --weight-col contacts, or --kind synapses
$ connectivity weights.csv
3
crantcli connectivity: weights.csv: columns weight and n_syn could each be the weight; say which with --weight-col
$ connectivity counted.csv
3
crantcli connectivity: counted.csv: column root_id names a neuron, so pre and post seem to be its numbers of
    partners or sites and no neurons; give the synapses or edges that they were counted from, or say --kind, or
    --pre-col and --post-col
$ connectivity sides.csv
3
crantcli connectivity: sides.csv: no kind of table has the columns neuron, partner, side, weight (weight is no
    neuron); name the ID columns with --pre-col and --post-col and the weight with --weight-col, or say --kind adjacency
    if rows and columns are neurons
$ connectivity good.csv --min-size 5
3
crantcli connectivity: --min-size needs a size column, and this table has none; leave the option out, or use a table
    with one row per synapse and a column size
$ connectivity edges.csv --min-size 5
3
crantcli connectivity: --min-size needs a size column, and this table has none; leave the option out, or use a table
    with one row per synapse and a column size
$ connectivity good.csv --by neuropil
3
crantcli connectivity: --by neuropil needs a column neuropil or roi, and this table has neither
$ connectivity good.csv --by type
2
crantcli connectivity: --by type needs the neurons' types: --annotations FILE, or a data set that has annotations
$ connectivity good.csv -a other.csv
3
crantcli connectivity: other.csv: no column for neuron IDs (root_id, pt_root_id, bodyId, body, skeleton_id, skid,
    neuron_id, node_id, cell_id, id) among a, b, c; name it with --neuron-id-column
$ connectivity good.csv -a types.csv --by type --cell-type-column x
3
crantcli connectivity: --cell-type-column x: the annotations have no such column (columns: root_id, cell_type, side)
$ connectivity good.csv -a types.csv --neuron-id-column x
3
crantcli connectivity: --neuron-id-column x: the annotations have no such column (columns: root_id, cell_type, side)
$ connectivity good.csv -n cell_type=ER1
2
crantcli connectivity: cell_type=ER1: criteria need --annotations FILE, or a data set that has annotations
$ connectivity good.csv --annotate side
2
crantcli connectivity: --annotate needs --annotations FILE, or a data set that has annotations
$ connectivity good.csv -a types.csv --annotate cel_type
3
crantcli connectivity: --annotate cel_type: no such column in the annotations (near names: cell_type)
$ connectivity good.csv -a types.csv --by type --annotate side
2
crantcli connectivity: --annotate adds columns per neuron, and --by type has none; use one of them
$ connectivity floats.csv
3
crantcli connectivity: floats.csv, column pre, row 1: ID 5.76460752641834E+17 has gone through a floating-point
    number and may have lost digits; export the table again with this column as integers or text
$ connectivity damaged.csv
3
crantcli connectivity: damaged.csv, line 3: 1 columns instead of the 2 of the header; mend the row, or say what
    separates fields with --delimiter
$ connectivity rownames.csv
3
crantcli connectivity: rownames.csv, line 2: 4 columns instead of the 3 of the header; if R wrote row names there,
    write it again with col.names = NA, or give the names with --header
$ connectivity marks.csv
3
crantcli connectivity: marks.csv: no kind of table has the columns pre, post,x, y (y is a measure and no neuron);
    name the ID columns with --pre-col and --post-col and the weight with --weight-col, or say --kind adjacency if rows
    and columns are neurons
$ connectivity bare.csv
3
crantcli connectivity: bare.csv: its first line (10, 20, 2) is like the lines below it and no header; give the names
    of the columns with --header NAME,NAME,... or --header @FILE
$ connectivity bare.csv --header a,b
3
crantcli connectivity: --header names 2 columns, and bare.csv has 3; leave a name empty to leave a column out
$ connectivity bare.csv --header @nowhere
2
crantcli connectivity: --header @nowhere: there is no file nowhere
$ connectivity bare.csv --header ,
3
crantcli connectivity: --header names 2 columns, and bare.csv has 3; leave a name empty to leave a column out
$ connectivity raw.parquet --header a,b
2
crantcli connectivity: --header names the columns of text files, and there is none among the sources
$ connectivity good.csv --delimiter ab
2
crantcli connectivity: --delimiter 'ab': one mark, such as , ; | : or a word: tab, space
$ connectivity twice.csv
3
crantcli connectivity: the pair pre 1, post 2 stands in 2 rows; an edge table has one row per pair. Use
    --sum-duplicates to add them up, or --kind synapses if each row is one synapse
$ connectivity kinds.csv
3
crantcli connectivity: the pair pre 1, post 2 stands in 2 rows, which differ in nt (ach, gaba; --where 'nt = ach'
    takes one kind); an edge table has one row per pair. Use --sum-duplicates to add them up, or --kind synapses if each
    row is one synapse
$ connectivity neuropils.csv
3
crantcli connectivity: the pair pre 1, post 2 stands in 2 rows in one neuropil; an edge table has one row per pair.
    Use --sum-duplicates to add them up, or --kind synapses if each row is one synapse
$ connectivity gaps.csv
3
crantcli connectivity: gaps.csv, column pre: 2 of 3 rows have no ID. Say --fill-down if an empty ID is that of the
    row above, or --allow-null to leave these rows out
$ connectivity signed.csv
3
crantcli connectivity: signed.csv, column weight, row 1: the weight -2 is negative, which changes sums and orders;
    say --signed if that is meant
$ connectivity infinite.csv
3
crantcli connectivity: infinite.csv, column weight, row 2: no weight, or not a finite one (inf; 1 such row); leave
    such rows out with --where 'weight ...', or mend them
$ connectivity negative.csv
3
crantcli connectivity: negative.csv: 1 weights are negative, which changes sums and orders; say --signed if that is
    meant
$ connectivity sums.csv
3
crantcli connectivity: sums.csv: total is no neuron: its cells are the sums of the others, and everything would
    count twice; leave them out with --drop-totals
$ connectivity absent.csv
3
crantcli connectivity: absent.csv, column pre, row 2: NA is a missing name, or a neuron called so; say --null-text
    NA for the one, --null-text '' for the other
$ connectivity matrix.csv --fill-down
2
crantcli connectivity: --fill-down goes with tables that have a row per edge or synapse, and this is an adjacency
$ connectivity matrix.csv --undirected
2
crantcli connectivity: --undirected goes with tables that have a row per edge or synapse, and this is an adjacency
$ connectivity matrix.csv --where "sise > 3"
3
crantcli connectivity: --where sise > 3: there is no such column (columns: pre, post, weight)
$ connectivity good.csv --undirected
2
crantcli connectivity: --undirected goes with edges, and this is a table of single synapses
$ connectivity good.csv --where "sise > 3"
3
crantcli connectivity: --where sise > 3: there is no such column (columns: id, pre, post)
$ connectivity good.csv --where "id > x"
3
crantcli connectivity: --where id > x: 'x' is not a number, and good.csv, column id holds numbers
$ connectivity absent.csv --where "pre > 3"
3
crantcli connectivity: --where pre > 3: absent.csv, column pre holds no numbers, so nothing in it is more or less;
    use = or ~
$ connectivity good.csv --where "id ~ ("
2
crantcli connectivity: --where 'id ~ (': '(' is no regular expression (missing ), unterminated subpattern at
    position 0)
$ connectivity good.csv --where id
2
crantcli connectivity: --where 'id': write COLUMN OP VALUE, with =, !=, <, <=, >, >=, ~, in A,B, or COLUMN is null
$ connectivity good.csv --where "id ="
0
crantcli connectivity: good.csv: read as synapses (one row is one synapse): pre = pre, post = post, id = id
crantcli connectivity: good.csv: no row meets --where id =
crantcli connectivity: 5 synapses read, 5 where, 0 kept; 0 edges
$ connectivity good.csv --where "id = 99" --fail-empty
4
crantcli connectivity: nothing is left (5 synapses read, 5 where, 0 kept); no file is written
$ connectivity good.csv --totals good.csv
2
crantcli connectivity: --totals goes with --normalize input, --normalize output or --min-fraction
$ connectivity good.csv --normalize input --totals types.csv
3
crantcli connectivity: types.csv: no column neuron_id, post_synapses, pre_synapses; --totals is a table that counts
    made
$ connectivity good.csv --normalize input --totals totals.csv
3
crantcli connectivity: --totals has no row for neuron 20; make it with counts of the whole table
$ connectivity twice.csv --kind synapses --normalize input --totals totals.csv
3
crantcli connectivity: --totals has no row for neuron 2; make it with counts of the whole table
$ connectivity good.csv --normalize input --totals parts
3
crantcli connectivity: a.csv: no column neuron_id, post_synapses, pre_synapses; --totals is a table that counts made
$ connectivity signed.csv --signed --normalize input --totals totals.csv
2
crantcli connectivity: --totals holds sums, and fractions of signed weights are of absolute ones; leave it out
$ connectivity made/er2.parquet --normalize input
3
crantcli connectivity: fractions of input cannot be told: the input does not hold every input of 142 of 142 neurons,
    such as 576460752649953783; give --totals FILE, made by counts of the whole table with the same cleaning and size
$ connectivity made/er2.parquet --normalize input --totals made/counts.parquet --min-size 5
3
crantcli connectivity: counts.parquet: made with min_size = None, and the edges with 5; make it again with the same
$ connectivity made/er2.parquet --normalize input --totals made/top.parquet
3
crantcli connectivity: top.parquet: no column neuron_id, post_synapses, pre_synapses; --totals is a table that
    counts made
$ connectivity made/er2.parquet --normalize input --totals made/where.parquet
3
crantcli connectivity: where.parquet: made with --where size > 100, and the edges with another; make it again with
    the same
$ connectivity sized.csv --assignments types.csv --neuropil EB
3
crantcli connectivity: types.csv: no column id, neuropil; --assignments is the assignments.parquet that crantcli
    neuropil makes
$ connectivity sized.csv --assignments members.csv --neuropil PB
3
crantcli connectivity: --neuropil PB: no synapse lies in it (near names: FB, EB)
$ connectivity sized.csv --assignments parts --neuropil PB
3
crantcli connectivity: a.csv: no column id, neuropil; --assignments is the assignments.parquet that crantcli
    neuropil makes
$ connectivity sized.csv --assignments members.csv
2
crantcli connectivity: --assignments FILE and --neuropil NAME go together; give both or none
$ connectivity sized.csv --neuropil EB
2
crantcli connectivity: --assignments FILE and --neuropil NAME go together; give both or none
$ connectivity good.csv --max-memory lots
2
crantcli connectivity: --max-memory lots: write it like 2GB or 500MB
$ connectivity good.csv --max-memory 1MB
2
crantcli connectivity: --max-memory 1MB is too little; give at least 100MB
$ connectivity good.csv --threads 0
2
crantcli connectivity: Invalid value for '--threads': Input should be greater than or equal to 1 (see crantcli
    connectivity --help)
$ connectivity good.csv --threads 100000
2
crantcli connectivity: --threads 100000: from 1 to 1024
$ connectivity good.csv --tmp-dir nowhere
2
crantcli connectivity: --tmp-dir nowhere: there is no such folder
$ connectivity good.csv --no-upstream --no-downstream
2
crantcli connectivity: without upstream and without downstream partners nothing is left; drop one of the two
$ connectivity good.csv --treshold 5
2
crantcli connectivity: No such option: --treshold (Possible options: --refresh, --threads, --threshold) (see
    crantcli connectivity --help)
$ connectivity good.csv -t 0
2
crantcli connectivity: --threshold 0: integers from 1, joined by commas
$ connectivity good.csv -t 99 --fail-empty
4
crantcli connectivity: nothing is left (5 synapses read, 1 background, 1 autapse, 3 threshold, 0 kept); no file is
    written
$ connectivity good.csv -o - --json
2
crantcli connectivity: --output - and --json both write to stdout; use one of them
$ connectivity good.csv -o good.csv
2
crantcli connectivity: good.csv is an input of this command; write to another file
$ counts good.csv -o out.xyz
2
crantcli counts: out.xyz: unknown suffix; write to .parquet, .feather, .csv, .csv.gz, .tsv, .tsv.gz
$ connectivity good.csv -o nowhere/out.csv
2
crantcli connectivity: nowhere/out.csv: there is no folder nowhere; make it first
$ connectivity nowhere.csv
2
crantcli connectivity: nowhere.csv: there is no such file or folder
$ connectivity cut.parquet
3
crantcli connectivity: cut.parquet: is truncated or damaged (it has no footer, so it is cut off, or no Parquet
    file); make it or fetch it again
$ connectivity -d nowhere
2
crantcli connectivity: --dataset nowhere: unknown (known names: latest, crantb, sandbox); a file must end in .toml,
    names stand in <config>/crantcli/datasets.toml
$ connectivity -d nowhere.toml
2
crantcli connectivity: --dataset nowhere.toml: there is no such file
$ connectivity -d broken.toml
3
crantcli connectivity: broken.toml: cannot be read as TOML (Expected ']' at the end of a table declaration (at line
    1, column 7))
$ connectivity -d latest
2
crantcli connectivity: data set latest is on a server, and is not fetched as a whole; name neurons with --neurons,
    or give a file
$ connectivity
2
crantcli connectivity: nothing to read: give a file (crantcli COMMAND synapses.parquet) or a data set (--dataset
    NAME, or CRANT_DEFAULT_DATASET)
$ connectivty good.csv
2
crantcli: No such command 'connectivty'. Did you mean 'connectivity'? (see crantcli --help)
$ connectivity good.csv --lock nowhere.lock
2
crantcli connectivity: --lock nowhere.lock: there is no such file; make it with crantcli lock
$ connectivity good.csv --strict-ids --no-update-ids
2
crantcli connectivity: --strict-ids and --no-update-ids contradict each other
$ connectivity good.csv --retries 0 --timeout 0
2
crantcli connectivity: --retries is 0 or more, and --timeout more than 0 seconds
$ synapses edges.csv
3
crantcli synapses: this is an edges table; synapses needs one row per synapse
$ synapses good.csv --columns id,sise
3
crantcli synapses: --columns sise: the table has no such column (columns: id, pre, post)
$ synapses good.csv --units nm
3
crantcli synapses: --units nm: the table has no positions
$ synapses sized.csv --units nm
2
crantcli synapses: --units nm: the unit of the positions is not recorded; say --coordinates nm or --coordinates
    pixels
$ synapses sized.csv --coordinates pixels --units nm
2
crantcli synapses: --units nm: the voxel size is not recorded; say --voxel-size X,Y,Z in nm
$ synapses sized.csv --voxel-size 8,8
2
crantcli synapses: --voxel-size 8,8: three positive numbers in nm, such as 8,8,42
$ synapses made/er2.parquet --coordinates pixels
3
crantcli synapses: --coordinates pixels: the file records that its positions are in nm
$ synapses made/er2.parquet --voxel-size 4,4,40
3
crantcli synapses: --voxel-size 4,4,40: the file records 8,8,42 nm
$ synapses made/er2.parquet made/pixels.feather
2
crantcli synapses: made/pixels.feather: there is no such file or folder
$ synapses good.csv --min-size 5
3
crantcli synapses: --min-size needs a size column, and this table has none; leave the option out, or use a table
    with one row per synapse and a column size
$ synapses good.csv --pre 99 --fail-empty
4
crantcli synapses: nothing is left (5 synapses read, 5 unselected, 0 kept); no file is written
$ counts good.csv -n 10.5
3
crantcli counts: neuron ID 10.5 has gone through a floating-point number and may have lost digits; use the original
    ID, written as an integer
$ counts good.csv -n @nowhere
2
crantcli counts: @nowhere: there is no such file
$ counts cut.parquet
3
crantcli counts: cut.parquet: is truncated or damaged (it has no footer, so it is cut off, or no Parquet file); make
    it or fetch it again
$ adjacency good.csv --plot out.jpg
2
crantcli adjacency: out.jpg: unknown suffix; a picture ends in .png, .pdf, .svg
$ adjacency cut.npz
3
crantcli adjacency: cut.npz: cannot be read as .npz (File is not a zip file); is it damaged? Make it again
$ adjacency wide.csv -o out.csv
2
crantcli adjacency: out.csv: a wide table with 5,008 columns is slow everywhere; write to a .npz file, or use the
    edge list of `crantcli connectivity`; --force-wide writes it all the same
$ adjacency good.csv --pre 99 --fail-empty
4
crantcli adjacency: nothing is left (5 synapses read, 5 unselected, 0 kept); no file is written
$ nested good.csv
2
crantcli nested: a nested matrix needs the neurons' types: --annotations FILE, or a data set that has annotations
$ nested good.csv -a types.csv --weight-mode column
2
crantcli nested: a weight column and the weight mode 'column' go together: give both or none
$ nested good.csv -a types.csv --weight-column size
2
crantcli nested: a weight column and the weight mode 'column' go together: give both or none
$ nested good.csv -a types.csv --source-types ER9
3
crantcli nested: type ER9: no neuron is annotated with it (near names: ER1)
$ nested edges.csv -a types.csv --weight-mode relative_outgoing --normalization-scope all --totals types.csv
3
crantcli nested: types.csv: no column neuron_id, post_synapses, pre_synapses; --totals is a table that counts made
$ nested edges.csv -a types.csv --plot out.png --cmap rainbows
2
crantcli nested: --cmap rainbows: no colour map of matplotlib; near names: rainbow, rainbow_r, gist_rainbow,
    gist_rainbow_r
$ nested edges.csv -a types.csv --plot out.png --vmin-percentile 90 --vmax-percentile 10
2
crantcli nested: --vmin-percentile 90 is not below --vmax-percentile 10
$ nested edges.csv -a types.csv --plot out.png --vmin-percentile 150
2
crantcli nested: --vmin-percentile 150: a percentile lies between 0 and 100
$ nested edges.csv -a types.csv --plot out.png --linewidth-scale 0
2
crantcli nested: --linewidth-scale 0: must be above 0, and at most 1,000
$ nested edges.csv -a types.csv --plot out.png --dpi 0
2
crantcli nested: Invalid value for '--dpi': Input should be greater than or equal to 10 (see crantcli nested --help)
$ nested edges.csv -a types.csv --plot out.png --figsize 1,1
2
crantcli nested: --figsize 1,1: a picture needs at least 2 inches each way
$ nested edges.csv -a types.csv --plot out.png --figsize 0,1
2
crantcli nested: --figsize 0,1: width and height in inches must be above 0
$ nested edges.csv -a types.csv --plot out.png --figsize 500,500
2
crantcli nested: --figsize 500,500 at 200 dpi: too large a picture; at most 250,000,000 pixels, and 65,535 a side
$ nested edges.csv -a types.csv --plot out.png --figsize 5
2
crantcli nested: --figsize 5: two numbers in inches, such as 8,7
$ nested edges.csv -a types.csv --plot out.png --dpi 100000
2
crantcli nested: --dpi at 100000 dpi: too large a picture; at most 250,000,000 pixels, and 65,535 a side
$ neuropil sized.csv -a types.csv -o out
2
crantcli neuropil: no meshes: give --meshes FOLDER, or a data set whose TOML has [files] meshes = ... or [neuropils]
$ neuropil sized.csv -a types.csv --meshes meshes -o out
2
crantcli neuropil: the unit of the positions is not recorded; say --coordinates nm or --coordinates pixels, or use a
    data set that says it
$ neuropil sized.csv -a types.csv --meshes meshes --coordinates pixels -o out
2
crantcli neuropil: the positions are in pixels, and the voxel size is not recorded; say --voxel-size X,Y,Z in nm
$ neuropil sized.csv -a types.csv --meshes meshes --coordinates nm -o out
3
crantcli neuropil: no position lies in the box of any mesh: positions have x 8 to 160, y 8 to 80, z 42 to 84 nm, and
    meshes x 145,528 to 247,472, y 131,000 to 152,474, z 118,000 to 149,498 nm (as the files are taken to be); are the
    units right? --mesh-scale says how many nm a unit of the meshes is, --coordinates what positions are in
$ neuropil voxels.csv -a types.csv --meshes meshes --coordinates nm --mesh-scale 100000 -o out
3
crantcli neuropil: no position lies in the box of any mesh: positions have x 1 to 10, y 1 to 10, z 1 to 2 nm, and
    meshes x 14,552,800,000 to 24,747,200,000, y 13,100,000,000 to 15,247,400,000, z 11,800,000,000 to 14,949,800,000 nm
    (as --mesh-scale makes them); are the units right? --mesh-scale says how many nm a unit of the meshes is,
    --coordinates what positions are in
$ neuropil sized.csv -a types.csv --meshes meshes --coordinates nm --voxel-offset 1,1,1 -o out
2
crantcli neuropil: an offset in voxels goes with positions in pixels only (--coordinates pixels)
$ neuropil sized.csv -a types.csv --meshes cut_meshes --coordinates nm -o out
3
crantcli neuropil: bulb.ply: has no end_header; is it cut?; repair it, or leave it out with --exclude bulb
$ neuropil sized.csv -a types.csv --meshes meshes --coordinates nm --neuropils EB -o out
3
crantcli neuropil: --neuropils EB: there is no such mesh in meshes (neuropils: nodulus_right, protocerebral_bridge)
$ neuropil sized.csv -a types.csv --meshes meshes --coordinates nm --exclude EB -o out
3
crantcli neuropil: --exclude EB: there is no such mesh in meshes (neuropils: nodulus_right, protocerebral_bridge)
$ neuropil good.csv -a types.csv --meshes meshes --coordinates nm -o out
3
crantcli neuropil: the table has no position ctr_pt_position (it has no positions); name it with --position-column
$ neuropil made/er2.parquet -a types.csv --meshes meshes --position-column nope -o out
3
crantcli neuropil: the table has no position nope (positions: ctr_pt_position, pre_pt_position, post_pt_position);
    name it with --position-column
$ attach good.csv
2
crantcli attach: nothing to attach to: give --skeletons PATH (SWC files, a folder or a .zip of them), or a data set
    whose TOML has [files] skeletons = "..."
$ attach sized.csv --skeletons skeletons
2
crantcli attach: the unit of the positions is not recorded; say --coordinates nm or --coordinates pixels, or use a
    data set that says it
$ attach sized.csv --skeletons cut_skeletons --coordinates nm
3
crantcli attach: cut_skeletons/576460752748033503.swc, line 2: '2 0 x 0 0 1 1' is not a node (id label x y z radius
    parent)
$ attach sized.csv --skeletons nowhere --coordinates nm
2
crantcli attach: nowhere: there is no such file or folder
$ attach sized.csv --skeletons skeletons --coordinates nm --id-map named.csv
3
crantcli attach: --id-map names none of the skeletons, which are called 576460752686255055, 576460752688823771,
    576460752748033503
$ attach sized.csv --skeletons skeletons --coordinates nm --id-map types.csv
3
crantcli attach: types.csv: no column name among root_id, cell_type, side; --id-map has name, neuron_id
$ attach sized.csv --skeletons skeletons --coordinates nm --id-map parts
3
crantcli attach: a.csv: no column name among pre, post; --id-map has name, neuron_id
$ attach absent.csv --kind synapses --skeletons skeletons --coordinates nm
3
crantcli attach: absent.csv, column pre, row 2: NA is a missing name, or a neuron called so; say --null-text NA for
    the one, --null-text '' for the other
$ attach sized.csv --skeletons skeletons --coordinates nm --skeleton-units pixels
2
crantcli attach: --skeleton-units pixels: the voxel size is not known; say --voxel-size X,Y,Z in nm
$ meshes cut_meshes -o out
3
crantcli meshes: bulb.ply: has no end_header; is it cut?; repair it, or leave it out with --exclude bulb
$ meshes meshes -o out --neuropils EB
3
crantcli meshes: --neuropils EB: there is no such mesh in meshes (neuropils: nodulus_right, protocerebral_bridge)
$ meshes meshes -o out --mesh-scale 0
2
crantcli meshes: --mesh-scale 0: one positive factor, or three, of nm per unit, such as 8,8,42
$ meshes made/meshes -o out --mesh-scale 2
2
crantcli meshes: nodulus_right.ply: the file records that it is in nm, which --mesh-scale contradicts; leave that
    out
$ meshes -o out
2
crantcli meshes: no meshes: give --meshes FOLDER, or a data set whose TOML has [files] meshes = ... or [neuropils]
$ annotations -o out.csv
2
crantcli annotations: whose annotations? Give a data set with -d NAME, or CRANT_DEFAULT_DATASET
$ annotations -d misspelt.toml
2
crantcli annotations: data set misspelt has no annotations; its TOML needs [annotations]
$ ids 5 -d brain.toml
2
crantcli ids: this needs a data set on a CAVE server: --dataset crantb, or a TOML file with [cave]
$ ids
2
crantcli ids: Missing argument 'NEURONS' (see crantcli ids --help)
$ cache empty
2
crantcli cache: Invalid value for 'info|clear': Value error, 'empty' is not one of 'info', 'clear' (see crantcli
    cache --help)
$ info
2
crantcli info: Missing argument 'FILE' (see crantcli info --help)
$ info nowhere.parquet
2
crantcli info: nowhere.parquet: there is no such file or folder
$ info empty
2
crantcli info: empty is a folder without a manifest.json of crantcli; give one file
$ info cut.parquet
3
crantcli info: cut.parquet: is truncated or damaged (it has no footer, so it is cut off, or no Parquet file); make
    it or fetch it again
$ info sample_data/demo.sh
2
crantcli info: sample_data/demo.sh: unknown kind of file; tables end in .parquet, .pq, .feather, .arrow, .ipc, .csv,
    .tsv, .csv.gz, .tsv.gz, .npz, .txt, .txt.gz, .edges, .edgelist, .xlsx
$ --verbose
2
crantcli: No such option: --verbose (Possible options: --version) (see crantcli --help)
"""

#: On servers.
LIVE = r"""
$ connectivity -d live.toml
2
crantcli connectivity: data set live is on a server, and is not fetched as a whole; name neurons with --neurons, or
    give a file
$ adjacency -d live.toml
2
crantcli adjacency: data set live is on a server, and is not fetched as a whole; name neurons with --pre or --post,
    or give a file
$ connectivity -d live.toml -n 576460752641833779 --materialization 2
2
crantcli connectivity: --materialization 2: this version of 2026-05-29T20:26:40.250000+00:00 has expired; there are
    1, 3, 4; or ask for its time
$ connectivity -d live.toml -n 576460752641833779 --materialization 9
2
crantcli connectivity: --materialization 9: data stack test_ant has no such version; there are 1, 3, 4
$ connectivity -d live.toml -n 576460752641833779 --materialization soon
2
crantcli connectivity: --materialization soon: latest, live, the number of a version, or a time such as
    2026-03-01T12:00:00
$ connectivity -d live.toml -n 576460752641833779 --materialization 2999-01-01
2
crantcli connectivity: --materialization 2999-01-01: this time is yet to come
$ connectivity -d live.toml -n 576460752641833779 --lock made/live.lock --materialization 3
2
crantcli connectivity: --lock says which materialization it is; leave --materialization out
$ connectivity -d live.toml -n 576460752641833779 --lock old.lock
3
crantcli connectivity: --lock old.lock: was made by an older crantcli, and does not say which annotations and
    meshes; make it anew with crantcli lock --materialization 3
$ connectivity -d live.toml -n 576460752641833779 --lock future.lock
3
crantcli connectivity: --lock future.lock: is of format 99, and this crantcli <version> reads 2
$ connectivity -d live.toml -n 576460752641833779 --lock good.csv
3
crantcli connectivity: --lock good.csv: is no lock file of crantcli, or damaged; make it with crantcli lock
$ connectivity -d small.toml -n 576460752641833779 --lock made/live.lock
3
crantcli connectivity: --lock made/live.lock: locks data stack test_ant, table synapses_v2 on http://<server>, and
    not those of data set small
$ connectivity -d live.toml -n 576460752641833771 --no-update-ids --materialization 2026-06-03T00:00:00
3
crantcli connectivity: no neurons of 2026-06-03T00:00:00+00:00 have these IDs: 576460752641833771; leave
    --no-update-ids out to bring them to that time, or see what became of them with crantcli ids
$ connectivity -d lacking.toml -n 576460752641833779 --materialization 2026-05-31T00:00:00
6
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/query: There are 3 annotations that
    need supervoxel lookups, wait till new annotation ingest is done or pick an less recent timestamp; ask for a version
    (--materialization latest) or an earlier time, or go on without them with --allow-missing; nothing is written
$ connectivity -d closed.toml -n 576460752641833779 --retries 0
6
crantcli connectivity: http://<server>/info/version: no connection (HTTPConnection(host='127.0.0.1', port=<port>):
    Failed to establish a new connection: [Errno 111] Connection refused), 1 time; nothing is written; try again
    later, with more --retries or a longer --timeout
$ connectivity -d failing.toml -n 576460752641833779 --retries 0
6
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/version/4/table/synapses_v2/query: the
    server answers 503, 1 time; nothing is written; try again later, with more --retries or a longer --timeout
$ connectivity -d faulty.toml -n 576460752641833779 --retries 0
6
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/version/4/table/synapses_v2/query: the
    server fails with 500 (bad day), 1 time; nothing is written; try again later, with more --retries or a longer
    --timeout
$ connectivity -d busy.toml -n 576460752641833779 --retries 0
6
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/version/4/table/synapses_v2/query: the
    server answers 429 (5 per 1 minute), 1 time; nothing is written; try again later, with more --retries or a
    longer --timeout
$ connectivity -d page.toml -n 576460752641833779 --retries 0
6
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/version/4/table/synapses_v2/query: a
    web page came in place of data, as a proxy or a login sends it, 1 time; nothing is written; open the address in
    a browser to see what it is
$ connectivity -d forbidden.toml -n 576460752641833779
5
crantcli connectivity: http://<server>/info/version: this token has no right to read this (Missing permission:
    view); ask the data set's owners
$ connectivity -d terms.toml -n 576460752641833779
5
crantcli connectivity: http://<server>/info/version: the terms of service are not accepted yet; open
    http://<server>/tos/1/accept in a browser and accept them
$ connectivity -d private.toml -n 576460752641833779
5
crantcli connectivity: http://<server>/materialize/api/v3/datastack/test_ant/version/4/table/synapses_v2/query: the
    server does not let you read this (Unauthorized: The table can only be read by its owner); your token is good: ask
    the owner of the table for leave to read it
$ connectivity -d refusing.toml -n cell_type=ER1
5
crantcli connectivity: CRANTb/CRANTb_meta at http://<server>: SeaTable does not accept the token in CRANTTABLE_TOKEN
    (Permission denied for ***.); it may have expired, or be for another base; make a new one in SeaTable, or give a
    table with --annotations FILE
$ connectivity -d paged.toml -n cell_type=ER1 --retries 0
6
crantcli connectivity: http://<server>/api-gateway/api/v2/dtables/650d8a0d-7e27-46a8-8b18-6cc6f384aa11/sql: a web
    page came in place of data, as a proxy or a login sends it, 1 time; nothing is written; open the address in a
    browser to see what it is
$ annotations -d closed.toml --retries 0
6
crantcli annotations: http://<server>/api/v2.1/workspace/62919/dtable/CRANTb/temp-api-token/: no connection
    (HTTPConnection(host='127.0.0.1', port=<port>): Failed to establish a new connection: [Errno 111] Connection
    refused), 1 time; nothing is written; try again later, with more --retries or a longer --timeout
$ annotations -d refusing.toml
5
crantcli annotations: CRANTb/CRANTb_meta at http://<server>: SeaTable does not accept the token in CRANTTABLE_TOKEN
    (Permission denied for ***.); it may have expired, or be for another base; make a new one in SeaTable, or give a
    table with --annotations FILE
$ annotations -d paged.toml --retries 0
6
crantcli annotations: http://<server>/api-gateway/api/v2/dtables/650d8a0d-7e27-46a8-8b18-6cc6f384aa11/sql: a web
    page came in place of data, as a proxy or a login sends it, 1 time; nothing is written; open the address in a
    browser to see what it is
$ annotations -d paged.toml --retries 0 --lock made/live.lock
3
crantcli annotations: --lock made/live.lock: locks the annotations in CRANTb/CRANTb_meta at http://<server>, and not
    those in CRANTb/CRANTb_meta at http://<server>
$ ids 5 -d live.toml --strict-ids
3
crantcli ids: 1 of 1 IDs cannot be found at materialization 4 of 2026-06-02T20:26:40.250000+00:00: 5 (no such
    neuron); leave --strict-ids out to go on with the others
$ ids 5 -d closed.toml --retries 0
6
crantcli ids: http://<server>/info/version: no connection (HTTPConnection(host='127.0.0.1', port=<port>): Failed to
    establish a new connection: [Errno 111] Connection refused), 1 time; nothing is written; try again later, with
    more --retries or a longer --timeout
$ lock -d closed.toml -o out.lock --retries 0
6
crantcli lock: http://<server>/info/version: no connection (HTTPConnection(host='127.0.0.1', port=<port>): Failed to
    establish a new connection: [Errno 111] Connection refused), 1 time; nothing is written; try again later, with
    more --retries or a longer --timeout
$ meshes -d live.toml --mesh-scale 2 -o out
2
crantcli meshes: --mesh-scale is for folders of mesh files; http://<server> is a precomputed source, whose transform
    makes nm of its meshes (or that of [neuropils] in a data set)
$ meshes -d live.toml --lock made/bare.lock -o out
3
crantcli meshes: --lock made/bare.lock: holds no meshes; make a new lock with crantcli lock, or give --meshes FOLDER
$ annotations -d live.toml --lock made/bare.lock
3
crantcli annotations: --lock made/bare.lock: holds no annotations; make a new lock with crantcli lock, or give a
    table with --annotations FILE
$ neuropil -d live.toml --lock made/live.lock --mesh-scale 2 --meshes meshes --source-neurons 576460752641833779
    -o out
3
crantcli neuropil: no position lies in the box of any mesh: positions have x 4,920 to 309,808, y 5,520 to 319,744, z
    163,548 to 1,660,512 nm, and meshes x 291,056 to 494,944, y 262,000 to 304,948, z 236,000 to 298,996 nm (as
    --mesh-scale makes them); are the units right? --mesh-scale says how many nm a unit of the meshes is, --coordinates
    what positions are in
$ neuropil -d live.toml --source-neurons 576460752641833779 --neuropils EB -o out
3
crantcli neuropil: --neuropils EB: there is no such mesh in http://<server> (neuropils: left, right, nodulus_right)
$ meshes -d live.toml --lock made/live.lock --neuropils EB -o out
3
crantcli meshes: --neuropils EB: there is no such mesh in --lock made/live.lock (neuropils: left, right,
    nodulus_right)
$ connectivity -d live.toml -n 576460752641833779 --lock made/bare.lock --by type
3
crantcli connectivity: --lock made/bare.lock: holds no annotations; make a new lock with crantcli lock, or give a
    table with --annotations FILE
"""

#: Python calls, the kind of error that each raises, and its text.
CALLS = r"""
$ cc.get_connectivity(source='good.csv', min_size=5)
DataError
min_size needs a size column, and this table has none; leave the option out, or use a table with one row per synapse
    and a column size
$ cc.get_connectivity(source='good.csv', by='neuropil')
DataError
by="neuropil" needs a column neuropil or roi, and this table has neither
$ cc.get_connectivity(source='good.csv', by='type')
UsageError
by="type" needs the neurons' types: annotations, or a data set that has annotations
$ cc.get_connectivity(source='good.csv', by='layer')
UsageError
by="layer": the table has no such column, and there are no annotations; annotations gives some
$ cc.get_connectivity(source='good.csv', annotate=['side'])
UsageError
annotate needs annotations, or a data set that has annotations
$ cc.get_connectivity(source='good.csv', upstream=False, downstream=False)
UsageError
without upstream and without downstream partners nothing is left; drop one of the two
$ cc.get_connectivity(source='good.csv', normalize='both')
UsageError
normalize='both': 'input' or 'output'
$ cc.get_connectivity(source='good.csv', pre_col='prre')
DataError
good.csv: pre_col prre: there is no such column (near names: pre)
$ cc.get_connectivity(source='good.csv', kind='edges')
DataError
good.csv: not an edge table: no column is known to be the weight among id, pre, post; name it with weight_col
$ cc.get_connectivity(source='good.csv', where='sise > 3')
DataError
where sise > 3: there is no such column (columns: id, pre, post)
$ cc.get_connectivity(source='good.csv', max_memory='lots')
UsageError
max_memory lots: write it like 2GB or 500MB
$ cc.get_connectivity(source='good.csv', nonsense=3)
ArgumentTypeError
there is no parameter 'nonsense'
$ cc.get_connectivity(cc.NeuronCriteria(cell_type='ER1'), source='good.csv')
UsageError
cell_type=ER1: criteria need annotations, or a data set that has annotations
$ cc.get_connectivity(source='twice.csv')
DataError
the pair pre 1, post 2 stands in 2 rows; an edge table has one row per pair. Use sum_duplicates=True to add them up,
    or kind="synapses" if each row is one synapse
$ cc.get_connectivity(source='signed.csv')
DataError
signed.csv, column weight, row 1: the weight -2 is negative, which changes sums and orders; say signed=True if that
    is meant
$ cc.get_connectivity(source='gaps.csv')
DataError
gaps.csv, column pre: 2 of 3 rows have no ID. Say fill_down=True if an empty ID is that of the row above, or
    allow_null=True to leave these rows out
$ cc.get_connectivity(source='unclear.csv')
DataError
unclear.csv: columns pre, post and source, target could each be the neuron IDs; say which with pre_col and post_col
$ cc.get_connectivity(source='contacts.csv')
DataError
contacts.csv: columns pre, post hold neuron IDs, and contacts numbers: nothing tells whether a row is one synapse,
    or a pair whose weight is one of these. Say weight_col="contacts", or kind="synapses"
$ cc.get_connectivity(source='sums.csv')
DataError
sums.csv: total is no neuron: its cells are the sums of the others, and everything would count twice; leave them out
    with drop_totals=True
$ cc.get_connectivity(source='bare.csv')
DataError
bare.csv: its first line (10, 20, 2) is like the lines below it and no header; give the names of the columns with
    header
$ cc.get_connectivity(source='made/er2.parquet', normalize='input')
DataError
fractions of input cannot be told: the input does not hold every input of 142 of 142 neurons, such as
    576460752649953783; give totals, made by counts of the whole table with the same cleaning and size
$ cc.get_connectivity(source='sized.csv', assignments='members.csv', neuropil='PB')
DataError
neuropil PB: no synapse lies in it (near names: FB, EB)
$ cc.get_connectivity(source='sized.csv', assignments='members.csv')
UsageError
assignments and neuropil go together; give both or none
$ cc.get_connectivity(5, dataset='nowhere')
UsageError
dataset nowhere: unknown (known names: latest, crantb, sandbox); a file must end in .toml, names stand in
    <config>/crantcli/datasets.toml
$ cc.get_connectivity(dataset='latest')
UsageError
from a data set, give neuron_ids; only a source= can be taken whole
$ cc.get_connectivity(5, dataset='latest', materialization='soon')
UsageError
materialization soon: latest, live, the number of a version, or a time such as 2026-03-01T12:00:00
$ cc.get_synapses(source='edges.csv')
DataError
source is an edges table; get_synapses needs one row per synapse
$ cc.get_synapses(source='made/er2.parquet', coordinates='pixels')
DataError
coordinates pixels: the file records that its positions are in nm
$ cc.get_synapses(source='sized.csv', coordinates='pixels', return_pixels=False)
UsageError
units nm: the voxel size is not recorded; say voxel_size in nm
$ cc.get_synapses([1.5], source='good.csv')
ArgumentTypeError
1.5 (float) is not a neuron ID; give an int or text, never a float
$ cc.get_synapse_counts(source='nowhere.csv')
UsageError
nowhere.csv: there is no such file or folder
$ cc.get_adjacency(source='cut.parquet')
DataError
cut.parquet: is truncated or damaged (it has no footer, so it is cut off, or no Parquet file); make it or fetch it
    again
$ cc.get_adjacency(10, source='good.csv', live=cc.LiveOptions(strict_ids=True, update_ids=False))
UsageError
strict_ids=True and update_ids=False contradict each other
$ cc.get_adjacency(10, source='good.csv', keep_unconnected=True, keep_silent=False)
UsageError
keep_unconnected=True and keep_silent=False: two names of one parameter; give one
$ cc.update_ids(5, dataset='brain.toml')
UsageError
this needs a data set on a CAVE server: dataset="crantb", or a TOML file with [cave]
$ cc.NestedMatrix.from_connectivity('edges.csv', 'other.csv')
DataError
neuron_id_column root_id: the annotations have no such column (columns: a, b, c)
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv', 'cel_type')
DataError
cell_type_column cel_type: the annotations have no such column (near names: cell_type)
$ cc.NestedMatrix.from_connectivity('good.csv', 'types.csv')
DataError
connections_df has one row per synapse; use from_synapses, or give a weight column
$ cc.NestedMatrix.from_synapses('good.csv', 'types.csv', 'pre', 'post', 'column')
UsageError
a weight column and the weight mode 'column' go together: give both or none
$ cc.NestedMatrix.from_synapses('good.csv', 'types.csv')
DataError
good.csv: pre_col pre_pt_root_id: there is no such column (columns: id, pre, post)
$ cc.NestedMatrix.from_synapses_by_neuropil('made/er2.parquet', 'annotations.csv', ['EB'], meshes='meshes')
DataError
neuropil_names EB: there is no such mesh in meshes (neuropils: nodulus_right, protocerebral_bridge)
$ cc.NestedMatrix.from_synapses_by_neuropil('made/er2.parquet', 'annotations.csv')
UsageError
no meshes: give meshes, or a data set whose TOML has [files] meshes = ... or [neuropils]
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot(cmap='rainbows')
UsageError
cmap rainbows: no colour map of matplotlib; near names: rainbow, rainbow_r, gist_rainbow, gist_rainbow_r
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot(vmin_percentile=90, vmax_percentile=10)
UsageError
vmin_percentile 90 is not below vmax_percentile 10
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot(linewidth_scale=0)
UsageError
linewidth_scale 0: must be above 0, and at most 1,000
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot(dpi=0)
UsageError
dpi 0: must be above 0
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot(figsize=(1, 1))
UsageError
figsize 1,1: a picture needs at least 2 inches each way
$ cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv').plot('out.xyz')
UsageError
out.xyz: unknown suffix; a picture ends in .png, .pdf, .svg
"""


def blocks(text: str) -> list[Any]:
    """What each block holds: the line, its exit code or kind of error, and the text."""
    found = []
    for block in text.split("\n$ ")[1:]:
        head, *lines = block.replace("\n    ", " ").strip().split("\n")
        found.append(pytest.param(head, lines[0], "\n".join(lines[1:]), id=head))
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with all that is read, and the servers that its data sets are on."""
    folder = tmp_path_factory.mktemp("messages") / "inputs"
    same_cases.write_inputs(folder, ROOT / "sample_data")
    (folder / "made").mkdir()
    with pytest.MonkeyPatch.context() as patch, same_cases.servers(folder):
        patch.chdir(folder)
        for line in MADE.strip().splitlines():
            assert run([*shlex.split(line), "--quiet"]) == 0, line
        for name, more in (("live", []), ("bare", ["--no-annotations", "--no-meshes"])):
            patch.setenv("CRANTCLI_CAVE_TOKEN", tokens.CAVE_TOKEN)
            patch.setenv("CRANTTABLE_TOKEN", tokens.ACCOUNT_TOKEN)
            patch.setenv("CRANTCLI_CACHE_DIR", str(folder.parent / "cache"))
            assert run(["lock", "-d", "live.toml", "-o", f"made/{name}.lock", *more, "--quiet"]) == 0
        tokens.arrived.clear()
        yield folder


@pytest.fixture
def folder(inputs: Path, crant: Crant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, in which nothing may be left behind."""
    monkeypatch.chdir(inputs)
    before = sorted(inputs.rglob("*"))
    yield inputs
    assert sorted(inputs.rglob("*")) == before


def filtered(text: str, folder: Path) -> str:
    """A text without what differs from run to run: the folder, the version, the ports of servers."""
    text = text.replace(str(folder), "<folder>").replace(os.environ["XDG_CONFIG_HOME"], "<config>")
    text = re.sub(r"127\.0\.0\.1:\d+", "<server>", text.replace(cc.__version__, "<version>"))
    return re.sub(r"port=\d+", "port=<port>", text).strip()


@pytest.mark.parametrize(("line", "code", "said"), blocks(COMMANDS))
def test_what_a_command_says(line: str, code: str, said: str, crant: Crant, folder: Path) -> None:
    done = crant(*shlex.split(line))
    assert (done.code, filtered(done.err, folder)) == (int(code), said)


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize(("line", "code", "said"), blocks(LIVE))
def test_what_a_command_says_of_a_server(line: str, code: str, said: str, crant: Crant, folder: Path) -> None:
    done = crant(*shlex.split(line))
    assert (done.code, filtered(done.err, folder)) == (int(code), said)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("call", "kind", "said"), blocks(CALLS))
def test_what_a_function_raises(call: str, kind: str, said: str, folder: Path) -> None:
    with pytest.raises((CrantError, TypeError)) as caught:
        eval(call, {"cc": cc})
    assert (caught.type.__name__, filtered(str(caught.value), folder)) == (kind, said)
    assert not re.search(r"(?<![\w-])(--[a-z]|-[A-Za-z](?![\w-]))", said), "an option of the command line"
