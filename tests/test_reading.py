"""What a file is taken for: tables as people have them, each with the one right answer, or the refusal that helps."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from tables import complaint, feather_file, parquet_file, text_file

A, B, C = 720575940600000011, 720575940600000012, 720575940600000013
ROOT_EDGES = [f"{B},{C},9", f"{A},{B},5"]


@dataclass(frozen=True)
class Case:
    """Files, a command, and either what stands on stdout below the header, or why it is refused."""

    files: dict[str, str | bytes]
    command: str
    rows: list[str] | None = None
    code: int = 0
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    arguments: list[str] = field(default_factory=list)


def edges(header: str, *rows: str) -> dict[str, str | bytes]:
    return {"t.csv": "\n".join([header, *rows]) + "\n"}


def roots(header: str, middle: str = "") -> dict[str, str | bytes]:
    return edges(header, f"{A},{B},{middle}5", f"{B},{C},{middle}9")


def refused(files: dict[str, str | bytes], *words: str, command: str = "connectivity t.csv", code: int = 3) -> Case:
    return Case(files, command, None, code, words)


ANNOTATED = {"a.csv": "root_id,cell_type\n1,ER2 \n 2,ER2\n3,\tEPG\n", **edges("pre,post,weight", "1,3,4", "2,3,6")}
DUMP = "1,10,20,5\n2,10,20,6\n3,20,30,7\n"

CASES: dict[str, Case] = {
    # pairs and weights
    "codex": Case(
        edges(
            "pre_pt_root_id,post_pt_root_id,neuropil,syn_count,nt_type",
            f"{A},{B},GNG,3,GABA",
            f"{A},{B},ME_R,4,GABA",
            f"{B},{C},GNG,5,ACH",
        ),
        "connectivity t.csv",
        [f"{A},{B},7", f"{B},{C},5"],
        notes=("GNG, ME_R", "weight = syn_count"),
    ),
    "codex threshold": Case(
        edges("pre_pt_root_id,post_pt_root_id,neuropil,syn_count", "1,2,GNG,3", "1,2,ME,4", "2,3,ME,6"),
        "connectivity t.csv -t 7",
        ["1,2,7"],
    ),
    "a weight of another spelling": Case(roots("pre_pt_root_id,post_pt_root_id,n"), "connectivity t.csv", ROOT_EDGES),
    "norm and totals go along": Case(
        edges("pre,post,count,norm,total_input", "1,2,4,0.4,10", "3,2,6,0.6,10"),
        "connectivity t.csv",
        ["3,2,6", "1,2,4"],
    ),
    "Presynaptic_ID": Case(
        edges(
            "Presynaptic_ID,Postsynaptic_ID,Presynaptic_Index,Connectivity,Excitatory x Connectivity",
            f"{A},{B},0,5,-5",
        ),
        "connectivity t.csv",
        [f"{A},{B},5"],
    ),
    "blanks around names": Case(
        edges(" Source,Target , Weight\t,Type", "AVA,AVB,3,chemical"), "connectivity t.csv", ["AVA,AVB,3"]
    ),
    "two pairs": Case(
        edges("from,to,weight,type.from,type.to,roi", "11,12,3,LC6,T2,FB", "11,12,2,LC6,T2,EB"),
        "connectivity t.csv",
        ["11,12,5"],
        notes=("type.from", "--pre-col"),
    ),
    "two pairs of numbers": refused(edges("pre,post,source,target,weight", "1,2,3,4,5"), "--pre-col", "source, target"),
    "digits in the name": Case(
        edges("pre_root_id_720575940,post_root_id_720575940,syn_count", "4112863,20466301,7"),
        "connectivity t.csv",
        ["720575940004112863,720575940020466301,7"],
    ),
    "two weights": refused(edges("pre,post,weight,syn_count", "1,2,30,3"), "weight", "syn_count", "--weight-col"),
    "two weights, settled": Case(
        edges("pre,post,weight,syn_count", "1,2,30,3"), "connectivity t.csv --weight-col syn_count", ["1,2,3"]
    ),
    "an unknown number": refused(edges("pre,post,contacts", "1,2,30"), "contacts", "--weight-col", "--kind synapses"),
    "an unknown number, settled": Case(
        edges("pre,post,contacts", "1,2,30"), "connectivity t.csv --weight-col contacts", ["1,2,30"]
    ),
    "an unknown number is no weight": Case(
        edges("pre,post,contacts", "1,2,30", "1,2,4"), "connectivity t.csv --kind synapses", ["1,2,2"]
    ),
    "columns by option": Case(
        edges("pre,post,up,down,score,syn", "LC2,T5,11,12,0.5,4", "LC2,T5,12,11,1.0,6"),
        "connectivity t.csv --pre-col up --post-col down --weight-col syn",
        ["12,11,6", "11,12,4"],
    ),
    "a column by option that is not there": refused(
        edges("pre,post,contacts", "1,2,3"), "contact", "contacts", command="connectivity t.csv --weight-col contact"
    ),
    "weight-col and kind": refused(
        edges("pre,post,weight", "1,2,3"),
        "--weight-col",
        "--kind",
        command="connectivity t.csv --weight-col weight --kind synapses",
        code=2,
    ),
    "sign and fraction": Case(
        edges("pre_pt_root_id,post_pt_root_id,syn_count,sign,fraction", "1,2,4,-1,0.4"), "connectivity t.csv", ["1,2,4"]
    ),
    "sum_size goes along": Case(
        edges("pre_pt_root_id,post_pt_root_id,n_syn,sum_size", "1,2,4,900"), "connectivity t.csv", ["1,2,4"]
    ),
    "Gephi numbers its edges": Case(
        edges("Source,Target,Type,Id,Label,timeset,Weight", "11,12,Directed,0,,,5.0", "12,13,Directed,1,,,7.0"),
        "connectivity t.csv",
        ["12,13,7", "11,12,5"],
    ),
    "an id where pairs repeat": refused(
        edges("id,pre,post,weight", "1,1,2,3", "2,1,2,3"), "weight", "id", "--kind edges"
    ),
    "undirected": refused(edges("source,target,type,weight", "A,B,Undirected,5"), "Undirected", "--undirected"),
    "undirected, settled": Case(
        edges("source,target,type,weight", "A,B,Undirected,5", "B,C,Directed,2", "C,C,Undirected,1"),
        "connectivity t.csv --undirected --no-clean",
        ["A,B,5", "B,A,5", "B,C,2", "C,C,1"],
    ),
    "a side in each row": refused(
        edges("bodyid,partner,prepost,weight", "1,2,0,5"),
        "prepost",
        "--where",
        command="connectivity t.csv --pre-col bodyid --post-col partner",
    ),
    "a side in each row, settled": Case(
        edges("bodyid,partner,prepost,weight", "1,2,0,5", "1,3,1,7"),
        "connectivity t.csv --pre-col bodyid --post-col partner",
        ["1,2,5"],
        arguments=["--where", "prepost = 0"],
    ),
    "repeats are named as in the file": refused(
        edges("source,target,weight", "A,B,1", "A,B,2"), "source A", "target B"
    ),
    # synapses
    "CAVE": Case(
        edges(
            "id,size,pre_pt_supervoxel_id,pre_pt_root_id,post_pt_supervoxel_id,post_pt_root_id,ctr_pt_position_x,"
            "ctr_pt_position_y,ctr_pt_position_z",
            "1,20,7,1,8,2,1,2,3",
            "2,30,7,1,8,2,4,5,6",
            "2,30,7,1,8,2,4,5,6",
        ),
        "connectivity t.csv",
        ["1,2,2"],
    ),
    "neuPrint": Case(
        edges(
            "bodyId_pre,bodyId_post,roi_pre,x_pre,y_pre,z_pre,confidence_pre", "1,2,EB,1,2,3,0.9", "1,2,EB,1,2,3,0.9"
        ),
        "connectivity t.csv",
        ["1,2,2"],
    ),
    "cleft scores": Case(
        edges("pre_pt_root_id,post_pt_root_id,cleft_score", "1,2,50", "1,2,60"), "connectivity t.csv", ["1,2,2"]
    ),
    "a connector is no identity": Case(
        edges("connector_id,pre,post", "9,1,2", "9,1,2"), "connectivity t.csv", ["1,2,2"]
    ),
    "a bare pair": Case(
        edges("pre,post", "1,2", "1,2"),
        "connectivity t.csv",
        ["1,2,2"],
    ),
    "a bare pair that never repeats": Case(
        edges("pre,post", "1,2", "2,3"), "connectivity t.csv", ["1,2,1", "2,3,1"], notes=("list of edges",)
    ),
    "a weight and a position": refused(edges("pre,post,weight,x,y,z", "1,2,5,7,8,9"), "weight", "x, y, z", "--kind"),
    "a weight and a position, settled": Case(
        edges("pre,post,weight,x,y,z", "1,2,5,7,8,9"), "connectivity t.csv --kind edges", ["1,2,5"]
    ),
    "points": refused(edges("x,y,z", "1,2,3"), "x, y, z", "--assignments-only"),
    "neurons and their counts": refused(
        edges("bodyId,type,pre,post,size", "1001,A,518,3907,991"), "bodyId", "pre and post"
    ),
    "root IDs and their counts": refused(edges("id,pre,post", f"{A},518,3907"), "id", "pre and post"),
    # headers
    "no header": refused({"t.csv": f"{A},{B},5\n{B},{C},9\n"}, "--header"),
    "no header, whatever the kind": refused(
        {"t.csv": f"{A},{B},5\n{B},{C},9\n"}, "--header", command="connectivity t.csv --kind adjacency"
    ),
    "no header, names": refused({"t.csv": "AVA,AVB,5\nAVB,AVC,9\n"}, "--header"),
    "names given": Case(
        {"t.csv": f"{A},{B},5\n{B},{C},9\n"}, "connectivity t.csv --header pre,post,weight", ROOT_EDGES
    ),
    "a name left out": Case(
        {"t.csv": "1,2,70,5\n2,3,71,9\n"}, "connectivity t.csv --header pre,post,,n", ["2,3,9", "1,2,5"]
    ),
    "names in a file": Case(
        {"t.csv": DUMP, "names.csv": "id,pre_pt_root_id,post_pt_root_id,size\n"},
        "connectivity t.csv --header @names.csv",
        ["10,20,2", "20,30,1"],
    ),
    "names in a file, one a line with types": Case(
        {"t.csv": DUMP, "names.csv": "id,bigint\npre_pt_root_id,bigint\npost_pt_root_id,bigint\nsize,real\n"},
        "connectivity t.csv --header @names.csv",
        ["10,20,2", "20,30,1"],
    ),
    "too few names": refused({"t.csv": DUMP}, "--header", "3", "4", command="connectivity t.csv --header a,b,c"),
    "names for Parquet": refused({}, "--header", command="connectivity e.parquet --header pre,post,weight", code=2),
    "the header again": refused(edges("pre,post", "1,2", "pre,post", "2,1"), "header", "row 2"),
    # indices
    "pandas' index": Case(
        edges(",body_pre,body_post,weight", "0,1,2,5", "1,2,3,9"), "connectivity t.csv", ["2,3,9", "1,2,5"]
    ),
    "R's row names": Case(
        edges('"","from","to","weight"', '"1",1,2,5', '"2",2,3,9'),
        "connectivity t.csv",
        ["2,3,9", "1,2,5"],
        notes=("dropped",),
    ),
    "two indices": Case(
        edges("Unnamed: 0.1,Unnamed: 0,pre,post,weight", "0,0,1,2,5", "1,1,2,3,9"),
        "connectivity t.csv",
        ["2,3,9", "1,2,5"],
    ),
    "an index is no weight": Case(edges(",pre,post", "0,1,2", "1,1,2"), "connectivity t.csv", ["1,2,2"]),
    "X may be a position": Case(edges("pre,post,X,Y,Z", "1,2,0,5,6", "1,2,1,5,6"), "connectivity t.csv", ["1,2,2"]),
    # matrices
    "an empty corner": Case(edges(",A,B", "A,0,2", "B,3,0"), "connectivity t.csv", ["B,A,3", "A,B,2"]),
    "rectangular": Case(edges(",M1,M2", "K1,0,2", "K2,3,0"), "connectivity t.csv", ["K2,M1,3", "K1,M2,2"]),
    "rectangular, an unknown corner": refused(edges("kenyon,M1,M2", "K1,0,2", "K2,3,0"), "M1", "--kind adjacency"),
    "rectangular, by option": Case(
        edges("kenyon,M1,M2", "K1,0,2", "K2,3,0"), "connectivity t.csv --kind adjacency", ["K2,M1,3", "K1,M2,2"]
    ),
    "rectangular, by annotations": Case(
        {**edges("kenyon,M1,M2", "K1,0,2", "K2,3,0"), "a.csv": "neuron_id,type\nM1,M\nM2,M\n"},
        "connectivity t.csv -a a.csv",
        ["K2,M1,3", "K1,M2,2"],
    ),
    "root IDs on both axes": Case(
        edges(f"cell,{A},{C}", f"{B},0,2", f"{C},3,0"), "connectivity t.csv", [f"{C},{A},3", f"{B},{C},2"]
    ),
    "the corner is a word": Case(
        edges(f"pre_pt_root_id,{A},{B}", f"{A},0.0,2.0", f"{B},3.0,"),
        "connectivity t.csv",
        [f"{B},{A},3", f"{A},{B},2"],
    ),
    "an unknown pair is no matrix": refused(
        edges("upstream,downstream,weight", "11,12,35", "12,13,63"), "downstream", "--pre-col"
    ),
    "an unknown pair and a number": refused(
        edges("neuron_a,neuron_b,contacts", "11,12,35", "12,13,63"), "neuron_a", "--kind"
    ),
    "measures": refused(edges("cell,soma_volume,path_length", "A,900,31", "B,901,41"), "soma_volume"),
    "measures of neurons": refused(edges("neuron_id,tips,soma_um", "A,9,3", "B,8,4"), "soma_um"),
    "numbered columns": refused(edges("neuron,1,2", "A,0,5", "B,1,0"), "1, 2", "A, B"),
    "row 0 is no index": Case(edges(",0,1", "0,0,5", "1,2,0"), "connectivity t.csv --no-clean", ["0,1,5", "1,0,2"]),
    "totals": refused(edges(",A,B,Total", "A,0,5,5", "B,1,0,1", "Total,1,5,6"), "Total", "--drop-totals"),
    "totals left out": Case(
        edges(",A,B,Total", "A,0,5,5", "B,1,0,1", "Total,1,5,6"),
        "connectivity t.csv --drop-totals",
        ["A,B,5", "B,A,1"],
        notes=("Total",),
    ),
    "a neuron called All": Case(edges(",A,All", "A,0,5", "All,1,0"), "connectivity t.csv", ["A,All,5", "All,A,1"]),
    "a label twice": refused(edges(",A,B", "A,0,5", "A,1,0"), "A"),
    # text
    "semicolons, commas in quotes": Case(
        {"t.csv": 'pre;post;weight;note\n1;2;3;"a, b"\n2;3;4;"c, d"\n'}, "connectivity t.csv", ["2,3,4", "1,2,3"]
    ),
    "tabs in .csv": Case({"t.csv": "pre\tpost\tweight\n1\t2\t3\n"}, "connectivity t.csv", ["1,2,3"]),
    "bars": Case({"t.txt": "pre|post|weight\n1|2|3\n"}, "connectivity t.txt", ["1,2,3"]),
    "blanks in .txt": Case(
        {"t.txt": "pre  post weight\n 1    2   3\n 10   20  30\n"}, "connectivity t.txt", ["10,20,30", "1,2,3"]
    ),
    "a matrix of blanks": Case({"m.txt": "name A B\nA 0 2\nB 3 0\n"}, "connectivity m.txt", ["B,A,3", "A,B,2"]),
    "a delimiter by option": Case({"t.csv": "pre:post:weight\n1:2:3\n"}, "connectivity t.csv --delimiter :", ["1,2,3"]),
    "two delimiters": refused({"t.csv": "a,b;c\n1,2;3\n4,5;6\n"}, "--delimiter"),
    "comments and blank lines first": Case(
        {"t.csv": "\n# made by hand\n\npre,post,weight\n1,2,3\n"}, "connectivity t.csv", ["1,2,3"], notes=("3 lines",)
    ),
    "a byte order mark": Case({"t.csv": b"\xef\xbb\xbfpre,post,weight\n1,2,3\n"}, "connectivity t.csv", ["1,2,3"]),
    "UTF-16": Case({"t.csv": "pre,post,weight\nÄ,B,3\n".encode("utf-16")}, "connectivity t.csv", ["Ä,B,3"]),
    "latin-1": refused({"t.csv": b"pre,post,weight\n1,2,3\n\xc4,B,3\n"}, "line 3", "UTF-8"),
    "R's row names without a header": refused(
        {"t.txt": "from to weight\n1 7 8 5\n2 8 9 6\n"}, "col.names", "--header", command="connectivity t.txt"
    ),
    "a quote that is never closed": refused({"t.csv": 'pre,"post,weight\n1,2,3\n'}, "t.csv"),
    "a list of names in .sif": refused({"t.txt": "11\tpp\t12\n12\tpp\t13\n"}, "--header", command="connectivity t.txt"),
    # blanks and missing values
    "blanks at the ends": Case(
        edges("pre,post,weight", "AVA ,AVB,4", "AVA,AVB\u00a0,4", "\u200bAVA,\ufeffAVC,1"),
        "connectivity t.csv --sum-duplicates",
        ["AVA,AVB,8", "AVA,AVC,1"],
        notes=("2 IDs", "blanks"),
    ),
    "line breaks in quotes": Case(edges("pre,post,weight", '"AVA\n",AVB,4'), "connectivity t.csv", ["AVA,AVB,4"]),
    "one word among numbers": Case(
        edges("pre,post,weight", "1 ,2,5", " 2,1,4", "3,orphan,2"),
        "connectivity t.csv",
        ["1,2,5", "2,1,4", "3,orphan,2"],
        notes=("orphan", "row 3"),
    ),
    "labels by type": Case(ANNOTATED, "connectivity t.csv -a a.csv --by type", ["ER2,EPG,10,2,1"]),
    "labels selected": Case(ANNOTATED, "connectivity t.csv -a a.csv -n cell_type=ER2", ["2,3,6", "1,3,4"]),
    "labels in an option": Case(
        ANNOTATED, "connectivity t.csv -a a.csv", ["2,3,6", "1,3,4"], arguments=["-n", "cell_type= ER2 "]
    ),
    "labels read as floats": Case(
        {**edges("pre,post,weight", "1,2,4"), "a.csv": "root_id,cluster\n1,10.0\n2,\n"},
        "connectivity t.csv -a a.csv --annotate cluster",
        ["1,2,4,10,"],
    ),
    "NA among names": refused(edges("pre,post,weight", "A,B,4", "NA,B,6"), "NA", "row 2", "--null-text"),
    "NA is a name": Case(
        edges("pre,post,weight", "A,B,4", "NA,B,6"),
        "connectivity t.csv",
        ["NA,B,6", "A,B,4"],
        arguments=["--null-text", ""],
    ),
    "NA is none": Case(
        edges("pre,post,weight", *["A,B,4", *(f"A,C{n},1" for n in range(10)), "NA,B,6"]),
        "connectivity t.csv -n B",
        ["A,B,4"],
        arguments=["--null-text", "NA"],
        notes=("1 null",),
    ),
    "NA among numbers": Case(
        edges("pre,post,weight", *[f"1,{n},{n}" for n in range(2, 13)], "NA,1,6"),
        "connectivity t.csv -t 12",
        ["1,12,12"],
        notes=("1 null",),
    ),
    "case is heeded": Case(edges("pre,post,weight", "ava,AVA,3"), "connectivity t.csv", ["ava,AVA,3"], notes=("case",)),
    "blanks that fill down": refused(edges("pre,post", "1,2", ",", ",3"), "column pre", "--fill-down", "--allow-null"),
    "filled down": Case(
        edges("pre,post", "1,2", ",", ",3", "4,5"), "connectivity t.csv --fill-down", ["1,2,2", "1,3,1", "4,5,1"]
    ),
    "blanks that are meant": Case(
        edges("pre,post", "1,2", ",", ",3"), "connectivity t.csv --allow-null", ["1,2,1"], notes=("2 null",)
    ),
    "neurons numbered from 0": Case(
        edges("pre,post,weight", "0,1,5", "1,2,3", "2,0,4"), "connectivity t.csv", ["1,2,3"], notes=("--no-clean",)
    ),
    "several IDs in a cell": refused(edges("pre,post,x,y,z", '11,"[12, 13]",1,2,3', '11,"[13]",4,5,6'), "[12, 13]"),
    "Excel's apostrophe": refused(edges("pre,post,weight", "'11,12,3", "'12,11,4"), "'11"),
    "thousands": refused({"t.csv": "pre;post;weight\n1,234,567;2;3\n1,234,568;2;3\n"}, "1,234,567"),
    "R's integers": refused(edges("pre,post,weight", "11L,12L,3"), "11L"),
    "a word before the ID": refused(edges("pre,post,weight", "root:72057,root:72058,3"), "root:72057"),
    # weights
    "fractions and a threshold of 1": Case(
        edges("pre,post,weight", "A,B,0.5", "B,C,1.0", "C,D,2.25"), "connectivity t.csv -t 1", ["C,D,2.25", "B,C,1.0"]
    ),
    "fractions, no threshold": Case(
        edges("pre,post,weight", "A,B,0.5", "C,D,2.25"),
        "connectivity t.csv",
        ["C,D,2.25", "A,B,0.5"],
        notes=("fractions",),
    ),
    "fractions are not counted": refused(edges("pre,post,weight", "A,B,0.5"), "fractions", command="counts t.csv"),
    "whole floats": Case(edges("pre,post,weight", "A,B,5.0"), "connectivity t.csv", ["A,B,5"]),
    "negative": refused(edges("pre,post,weight", "A,B,7", "B,A,-3"), "-3", "row 2", "--signed"),
    "negative, settled": Case(
        edges("pre,post,weight", "A,B,7", "B,A,-3"), "connectivity t.csv --signed", ["A,B,7", "B,A,-3"]
    ),
    "negative in a matrix": refused(edges(",A,B", "A,0,-2", "B,3,0"), "negative", "--signed"),
    "fractions of signed weights": Case(
        edges("pre,post,weight", "1,5,2", "1,4,-3", "2,5,1"),
        "connectivity t.csv --signed --normalize output",
        ["1,5,2,0.4", "2,5,1,1.0", "1,4,-3,-0.6"],
        notes=("absolute",),
    ),
    "infinite": refused(edges("pre,post,weight", "A,B,inf"), "weight", "inf"),
    "a sum beyond 64 bits": refused(
        edges("pre,post,weight", f"1,2,{2**62}", f"1,2,{2**62}"),
        "2^63 - 1",
        command="connectivity t.csv --sum-duplicates",
    ),
    # rows
    "where a number": Case(
        edges("id,pre,post,size", "1,1,2,4", "2,1,2,20", "3,2,3,30"),
        "connectivity t.csv",
        ["1,2,1", "2,3,1"],
        arguments=["--where", "size>=20"],
        notes=("1 where",),
    ),
    "where a word": Case(
        edges("pre,post,weight,nt_type", "1,2,3,gaba", "2,3,4, gaba ", "3,4,9,ach"),
        "connectivity t.csv",
        ["2,3,4", "1,2,3"],
        arguments=["--where", "nt_type = gaba"],
    ),
    "where, twice": Case(
        edges("pre,post,weight,side", "1,2,3,L", "2,3,4,", "3,4,9,L"),
        "connectivity t.csv",
        ["1,2,3"],
        arguments=["--where", "side in L,R", "--where", "weight < 9"],
    ),
    "where null": Case(
        edges("pre,post,weight,side", "1,2,3,L", "2,3,4,"),
        "connectivity t.csv",
        ["2,3,4"],
        arguments=["--where", "side is null"],
    ),
    "where nothing is left": Case(
        edges("pre,post,weight,side", "1,2,3,L"),
        "connectivity t.csv",
        [],
        arguments=["--where", "side=R"],
        notes=("side = R",),
    ),
    "where, of a matrix": Case(
        edges(",A,B", "A,0,2", "B,3,0"), "connectivity t.csv", ["B,A,3"], arguments=["--where", "weight>2"]
    ),
    "where no such column": refused(
        edges("pre,post,weight,nt_type", "1,2,3,gaba"),
        "nt_typ",
        "nt_type",
        command="connectivity t.csv --where nt_typ=gaba",
    ),
    "where, badly put": refused(
        edges("pre,post,weight", "1,2,3"), "--where", command="connectivity t.csv --where weight", code=2
    ),
    "where words have no order": refused(
        edges("pre,post,weight,side", "1,2,3,L"), "side", command="connectivity t.csv --where side<M"
    ),
    # files that are something else
    "gzip called .csv": Case(
        {"t.csv": gzip.compress(b"pre,post,weight\n1,2,3\n", mtime=0)}, "connectivity t.csv", ["1,2,3"], notes=("gzip",)
    ),
    "text called .csv.gz": Case(
        {"x": b"", "plain.csv.gz": b""}, "connectivity plain.csv.gz", None, 3, ("plain.csv.gz",)
    ),
    "Git LFS": refused({"t.csv": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"}, "git lfs pull"),
    "HTML": refused({"t.csv": "<!DOCTYPE html>\n<html><body>log in</body></html>\n"}, "HTML"),
    "JSON": refused({"t.csv": '[{"pre": 1, "post": 2}]\n'}, "JSON"),
    "an old Excel file": refused({"t.csv": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}, ".xlsx"),
    "SOURCE is empty": refused({}, "SOURCE", command="connectivity", code=2),
}
CASES["SOURCE is empty"] = Case({}, "connectivity", None, 2, ("SOURCE",), arguments=[""])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_table_is_read_right_or_refused(case: Case, crant: Crant) -> None:
    for name, content in case.files.items():
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    parquet_file("e.parquet", pre=[1], post=[2], weight=[3])
    outcome = crant(*case.command.split(), *case.arguments)
    if case.rows is None:
        complaint(outcome, case.code, *case.words)
        return
    assert outcome.code == 0, outcome.err
    assert outcome.text.splitlines()[1:] == case.rows
    missing = [word for word in case.notes if word not in outcome.err]
    assert not missing, f"{missing} not in {outcome.err}"


def rows(outcome: object) -> list[str]:
    assert outcome.code == 0, outcome.err  # type: ignore[attr-defined]
    return list(outcome.text.splitlines()[1:])  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", ["weight=9", "size=99", "pre=7"])
def test_names_of_folders_are_no_columns(folder: str, crant: Crant) -> None:
    parquet_file(f"e/{folder}/a.parquet", pre=[1, 2], post=[2, 3], weight=[3, 4])
    assert rows(crant("connectivity", "e")) == ["2,3,4", "1,2,3"]
    text_file(f"t/{folder}/a.csv", "pre,post,weight\n1,2,3\n2,3,4\n")
    assert rows(crant("connectivity", "t")) == ["2,3,4", "1,2,3"]


def test_a_folder_is_one_table(crant: Crant) -> None:
    text_file("e/a.csv", "pre,post,weight\n1,2,3\n")
    text_file("e/b.csv", "pre,post,syn_count\n2,3,4\n")
    complaint(crant("connectivity", "e"), 3, "b.csv", "syn_count", "weight")
    complaint(crant("connectivity", "e/*.csv"), 3, "b.csv", "syn_count")
    text_file("e/b.csv", "post,pre,weight\n3,2,4\n")
    text_file("e/README.txt", "notes\n")
    assert rows(crant("connectivity", "e")) == ["2,3,4", "1,2,3"]


def test_tables_of_other_columns_are_not_read_together(crant: Crant) -> None:
    text_file("a.csv", "id,pre,post,size\n1,1,2,30\n")
    text_file("b.csv", "id,pre,post\n2,1,2\n")
    complaint(crant("connectivity", "a.csv", "b.csv"), 3, "a.csv", "size", "b.csv")


def test_a_delta_table_is_read_by_its_log(crant: Crant) -> None:
    deltalake = pytest.importorskip("deltalake")
    table = pa.table({"pre": [1, 2], "post": [2, 3], "weight": [3, 4], "region": ["a", "b"]})
    deltalake.write_deltalake("plain", table.drop_columns(["region"]))
    deltalake.write_deltalake("plain", table.drop_columns(["region"]), mode="overwrite")
    outcome = crant("connectivity", "plain")
    assert rows(outcome) == ["2,3,4", "1,2,3"]
    assert "version 1" in outcome.err
    deltalake.write_deltalake("plain", table.drop_columns(["region"]).slice(0, 1), mode="overwrite")
    assert rows(crant("connectivity", "plain")) == ["1,2,3"]
    outcome = crant("connectivity", "plain", "--delta-version", 1)
    assert rows(outcome) == ["2,3,4", "1,2,3"]
    assert "version 1" in outcome.err
    shown = crant("connectivity", "plain", "--delta-version", 1, "-o", "edges.parquet")
    assert shown.code == 0, shown.err
    assert "delta_version = 1" in crant("info", "edges.parquet").text
    complaint(crant("connectivity", "plain", "--delta-version", 7), 3, "plain", "no version 7", "the latest is 2")
    complaint(crant("connectivity", "plain", "--delta-version", -1), 2, "from 0")
    (parquet,) = deltalake.DeltaTable("plain", version=0).file_uris()
    Path(parquet.removeprefix("file://")).unlink()
    assert rows(crant("connectivity", "plain", "--delta-version", 1)) == ["2,3,4", "1,2,3"]
    complaint(crant("connectivity", "plain", "--delta-version", 0), 3, "version 0", "not there any more")
    text_file("none.csv", "pre,post\n1,2\n")
    complaint(crant("connectivity", "none.csv", "--delta-version", 1), 2, "--delta-version", "Delta Lake")
    deltalake.write_deltalake("split", table, partition_by=["region"])
    assert rows(crant("connectivity", "split", "--by", "neuropil")) == ["2,3,b,4", "1,2,a,3"]
    complaint(crant("connectivity", "plain/*.parquet"), 3, "plain", "Delta")
    Path("above").mkdir()
    Path("plain").rename("above/plain")
    complaint(crant("connectivity", "above"), 3, "plain", "Delta")


def test_values_of_partitions_are_text_as_it_was(crant: Crant) -> None:
    """Whatever has to be written in another way in the name of a folder."""
    deltalake = pytest.importorskip("deltalake")
    regions = ["a b", "a%20b", "ä/x=1", None]
    table = pa.table({"pre": [1, 2, 3, 4], "post": [2, 3, 4, 5], "weight": [9, 8, 7, 6], "region": regions})
    deltalake.write_deltalake("lake", table, partition_by=["region"])
    found = rows(crant("connectivity", "lake", "--by", "neuropil"))
    assert found == ["1,2,a b,9", "2,3,a%20b,8", "3,4,ä/x=1,7", "4,5,,6"]


def test_nulls_of_rows_older_than_a_column_count(crant: Crant) -> None:
    """Files that lack a column have no number of nulls for it, and other files' numbers are not theirs."""
    deltalake = pytest.importorskip("deltalake")
    table = pa.table({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": [3, 4, 5]})
    deltalake.write_deltalake("grown", table.drop_columns(["pre"]))
    deltalake.write_deltalake("grown", table, mode="append", schema_mode="merge")
    complaint(crant("connectivity", "grown"), 3, "grown", "3 of 6 rows have no ID", "--allow-null")
    outcome = crant("connectivity", "grown", "-n", "1", "--allow-null", "--json")
    assert json.loads(outcome.out)["ledger"]["removed"]["null"] == 3, outcome.err


def test_without_the_package_a_delta_table_is_refused(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    parquet_file("e/a.parquet", pre=[1], post=[2], weight=[3])
    text_file("e/_delta_log/0.json", "{}")
    monkeypatch.setitem(sys.modules, "deltalake", None)
    complaint(crant("connectivity", "e"), 3, "crantcli[delta]")


def test_excel_sheets(crant: Crant) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["pre", "post", "weight"])
    book.active.append([str(A), str(B), 5])
    more = book.create_sheet("more")
    for row in (["pre", "post", "weight"], [1, 2, 7]):
        more.append(row)
    floats = book.create_sheet("floats")
    for row in (["pre", "post", "weight"], [A, B, 7]):
        floats.append(row)
    book.save("b.xlsx")
    outcome = crant("connectivity", "b.xlsx")
    assert rows(outcome) == [f"{A},{B},5"]
    assert "Sheet" in outcome.err
    assert rows(crant("connectivity", "b.xlsx:more")) == ["1,2,7"]
    complaint(crant("connectivity", "b.xlsx:floats"), 3, "column pre", "floating-point")
    complaint(crant("connectivity", "b.xlsx:mor"), 3, "mor", "more")
    Path("b.xlsx").rename("b.csv")
    assert rows(crant("connectivity", "b.csv")) == [f"{A},{B},5"]


def test_tables_under_another_ending(crant: Crant) -> None:
    parquet_file("a.parquet", pre=[1], post=[2], weight=[3]).rename("a.csv")
    feather_file("b.feather", pre=[1], post=[2], weight=[3]).rename("b.parquet")
    text_file("c.csv", "pre,post,weight\n1,2,3\n").rename("c.csv.gz")
    for name in ("a.csv", "b.parquet", "c.csv.gz"):
        outcome = crant("connectivity", name)
        assert rows(outcome) == ["1,2,3"]
        assert "first bytes" in outcome.err


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (pa.array([True, False]), "booleans"),
        (pa.array([1, 2], pa.date32()), "dates"),
        (pa.array([{"a": 1}, {"a": 2}]), "structs"),
        (pa.array([[1], [2]]), "lists"),
        (pa.array([b"1", b"2"]), "bytes"),
    ],
)
def test_types_that_hold_no_ids_are_named(values: pa.Array, word: str, crant: Crant) -> None:
    pq.write_table(pa.table({"pre_pt_root_id": values, "post_pt_root_id": [1, 2]}), "t.parquet")
    complaint(crant("connectivity", "t.parquet"), 3, "pre_pt_root_id", word)
    if word != "lists":
        pq.write_table(pa.table({"pre": [1, 2], "post": [2, 1], "weight": values}), "w.parquet")
        complaint(crant("connectivity", "w.parquet"), 3, "weight", word)


def test_decimals_and_factors(crant: Crant) -> None:
    from decimal import Decimal

    ids = pa.array([Decimal(A), Decimal(B)], pa.decimal128(38, 0))
    pq.write_table(pa.table({"pre": ids, "post": pa.array([C, A]), "weight": pa.array([5.0, 7.0])}), "d.parquet")
    assert rows(crant("connectivity", "d.parquet")) == [f"{B},{A},7", f"{A},{C},5"]
    factors = pa.array([str(A), str(B), None]).dictionary_encode()
    feather_file("f.feather", pre=factors, post=pa.array([str(C)] * 3), weight=pa.array([5.0, 7.0, 1.0]))
    complaint(crant("connectivity", "f.feather"), 3, "column pre", "--allow-null")
    outcome = crant("connectivity", "f.feather", "--allow-null")
    assert rows(outcome) == [f"{B},{C},7", f"{A},{C},5"]
    assert "1 null" in outcome.err


def test_what_a_file_of_ours_is_stands_in_it(crant: Crant) -> None:
    text_file("s.csv", "id,pre,post\n1,1,2\n2,1,3\n")
    text_file("a.csv", "root_id,weight\n1,7\n2,8\n3,9\n")
    assert crant("connectivity", "s.csv", "-a", "a.csv", "--annotate", "root_id,weight", "-o", "e.parquet").code == 0
    outcome = crant("counts", "e.parquet")
    assert rows(outcome) == ["1,2,0,2,0", "2,0,1,0,1", "3,0,1,0,1"]
    assert crant("counts", "s.csv", "-o", "c.parquet").code == 0
    complaint(crant("connectivity", "c.parquet"), 3, "c.parquet", "counts")


def test_the_reading_is_recorded_and_reported(crant: Crant) -> None:
    import json

    text_file("e.csv", "body_pre,body_post,n_syn\n1,2,3\n")
    outcome = crant("connectivity", "e.csv", "-o", "o.parquet", "--json")
    told = "e.csv: read as edges: pre = body_pre, post = body_post, weight = n_syn"
    assert json.loads(outcome.out)["read_as"][0] == told
    assert told in outcome.err
    found = json.loads(pq.read_schema("o.parquet").metadata[b"crantcli"])
    assert found["read_as"] == told.removeprefix("e.csv: ")


def test_totals_are_of_the_rows_that_the_edges_are_of(crant: Crant) -> None:
    text_file("s.csv", "id,pre,post,size\n1,1,2,9\n2,1,2,1\n3,3,2,9\n")
    assert crant("counts", "s.csv", "-o", "all.parquet").code == 0
    assert crant("counts", "s.csv", "--where", "size > 5", "-o", "large.parquet").code == 0
    words = ("connectivity", "s.csv", "--where", "size > 5", "--normalize", "input", "--totals")
    complaint(crant(*words, "all.parquet"), 3, "all.parquet", "--where")
    assert rows(crant(*words, "large.parquet")) == ["1,2,1,0.5", "3,2,1,0.5"]


def test_options_settle_in_python_too() -> None:
    import pandas as pd

    import crantcli as cc

    frame = pd.DataFrame(
        {"pre": ["a", "b"], "post": ["c", "d"], "up": [1, 2], "down": [2, 3], "w": [4, 5], "k": [6, 7]}
    )
    with pytest.raises(cc.DataError, match="weight_col"):
        cc.get_connectivity(source=frame)
    found = cc.get_connectivity(source=frame, pre_col="up", post_col="down", weight_col="k")
    assert found.to_numpy().tolist() == [[2, 3, 7], [1, 2, 6]]
    assert found.attrs["crantcli"]["read_as"][0].endswith("pre = up, post = down, weight = k")
    where = cc.get_connectivity(source=frame, pre_col="up", post_col="down", weight_col="k", where="w = 4")
    assert where.to_numpy().tolist() == [[1, 2, 6]]
    with pytest.raises(TypeError, match="wieght_col"):
        cc.get_connectivity(source=frame, wieght_col="k")  # type: ignore[call-arg]


@pytest.mark.parametrize("nothing", ["", " ", "\t", "\u00a0", "\u3000 "], ids=ascii)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_text_of_nothing_is_no_id(crant: Crant, tmp_path: Path, nothing: str, suffix: str) -> None:
    """Among names as among numbers, on either side, and as the ID of a synapse, which would make two synapses one."""
    columns: dict[str, list[object]] = {
        "id": ["s1", nothing, nothing, *(f"s{k}" for k in range(4, 24))],
        "pre": ["a", "a", "a", nothing, *["b"] * 19],
        "post": ["b", "b", "b", "b", nothing, *["c"] * 18],
    }
    if suffix == "csv":
        rows = zip(*columns.values(), strict=True)
        text_file("t.csv", "id,pre,post\n" + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows))
    else:
        {"parquet": parquet_file, "feather": feather_file}[suffix](f"t.{suffix}", **columns)
    done = crant("connectivity", f"t.{suffix}")
    assert (done.code, done.text) == (0, "pre,post,weight\nb,c,18\na,b,3\n"), done.err
    assert "2 null" in done.err


def test_conditions_compare_single_values(crant: Crant) -> None:
    parquet_file("s.parquet", pre=[1, 2, 2], post=[2, 3, 4], tags=[["a"], None, ["b"]], at=[[1.5], [2.0], None])
    question = ("connectivity", "s.parquet", "--kind", "synapses")
    for condition in ("tags=[a]", "tags~a", "at>1", "at in [1.5],[2.0]"):
        complaint(crant(*question, "--where", condition), 3, f"--where {condition[:2]}", "compares single ones")
    done = crant(*question, "--where", "tags is null", "--where", "at is not null")
    assert rows(done) == ["2,3,1"]


#: Numbers in text that a double does not hold, beside others: no sum of them would be right.
INEXACT = {
    "beyond 64 bits": ["1", "9223372036854775808"],
    "many digits beside a fraction": ["1.5", "9007199254740993"],
    "a fraction with many digits": ["1", "9007199254740993.5"],
}


@pytest.mark.parametrize("name", INEXACT)
def test_numbers_that_cannot_be_added_up_exactly_are_refused(crant: Crant, name: str) -> None:
    one, other = INEXACT[name]
    text_file("edges.csv", f"pre,post,weight\n1,2,{one}\n2,3,{other}\n")
    complaint(crant("connectivity", "edges.csv"), 3, "edges.csv, column weight, row 2", other, "exactly")
    text_file("synapses.csv", f"id,pre,post,size\n1,1,2,{one}\n2,2,3,{other}\n")
    for words in (("connectivity", "--weight", "sum:size"), ("synapses", "--min-size", "1")):
        complaint(crant(words[0], "synapses.csv", *words[1:]), 3, "synapses.csv, column size, row 2", other, "exactly")


def test_numbers_that_a_double_holds_are_read(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,0.5\n2,3,1e17\n3,4,007\n4,5,9007199254740991\n")
    assert rows(crant("connectivity", "edges.csv")) == ["2,3,1e+17", "4,5,9007199254740991.0", "3,4,7.0", "1,2,0.5"]
