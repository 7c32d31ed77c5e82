"""Questions about one table that both engines are asked, by what is particular about them."""

from __future__ import annotations

#: Matrices. `|` goes before the file that is written, where it is not out.npz.
ADJACENCY = {
    "matrix": "adjacency t.parquet",
    "matrix of all rows": "adjacency t.parquet --no-clean",
    "matrix as a table": "adjacency t.parquet -t 2|out.csv",
    "matrix as edges": "adjacency t.parquet --min-size 20|out.parquet",
    "matrix with a picture": "adjacency t.parquet --symmetric --plot plot.png",
    "symmetric of some": "adjacency t.parquet -a a.csv --pre cell_type=ER2 --symmetric --keep-unconnected",
    "matrix of strangers": "adjacency t.parquet --pre 5,576460752641833770 --keep-unconnected",
    "matrix of groups": "adjacency t.parquet -a a.csv --by cell_type,side",
    "matrix of all groups": "adjacency t.parquet -a a.csv --by side --symmetric --keep-unconnected",
    "matrix of sides": "adjacency t.parquet -a a.csv --by pre:cell_type,post:side",
    "matrix of sums": "adjacency t.parquet --weight sum:size --min-fraction 0.05",
    "matrix of means": "adjacency t.parquet -a a.csv --weight mean:size --by side",
    "matrix of signs": "adjacency t.parquet -a a.csv --sign nt --inhibitory gaba,glutamate --unsigned drop",
    "matrix of strong inputs": "adjacency t.parquet -a a.csv --post cell_type=ER2 --min-fraction 0.1",
    "matrix of fractions": "adjacency edges.parquet --sum-duplicates -t 2",
    "matrix of edges": "adjacency edges.parquet --sum-duplicates --min-fraction 0.1 --where neuropil=EB",
    "matrix of a folder": "adjacency folder --where size>=50",
}

#: Those of which nothing comes here before the end; the others take a fraction of the time.
THERE = {"matrix", "symmetric of some", "matrix of groups", "matrix of sums", "matrix of signs", "matrix of fractions"}

#: Matrices in blocks of types.
NESTED = {
    "blocks": "nested t.parquet -a a.csv --type-sum sums.csv --type-mean means.csv --order order.csv",
    "blocks of counts": "nested t.parquet -a a.csv --weight-mode count --neuron-order weight --relative relative.npz",
    "blocks of all": "nested t.parquet -a a.csv --annotation-scope all --weight-mode count --order order.csv",
    "blocks with a picture": "nested t.parquet -a a.csv --keep-unconnected --plot plot.png --relative-types types.csv",
    "fractions of all partners": "nested t.parquet -a a.csv --source-types ER2 --normalization-scope all -t 2",
    "fractions of input": "nested t.parquet -a a.csv --weight-mode relative_incoming --normalization-scope all",
    "some by some": "nested t.parquet -a a.csv --source-types ER2 --target-neurons 576460752641833773",
    "directed": "nested t.parquet -a a.csv --directed --type-order size --min-size 20 --order order.csv",
    "blocks of sides": "nested t.parquet -a a.csv --by side,cell_type --weight-mode count|out.csv",
    "blocks of sums": "nested t.parquet -a a.csv --weight-mode column --weight-column size --type-sum sums.parquet",
    "blocks of means": "nested t.parquet -a a.csv --weight mean:size --min-fraction 0.05",
    "blocks of signs": "nested t.parquet -a a.csv --sign nt --inhibitory gaba --unsigned positive",
    "blocks of edges": "nested edges.parquet -a small.csv --sum-duplicates --type-sum sums.csv",
    "fractions of edges": "nested edges.parquet -a small.csv --sum-duplicates --weight-mode relative_outgoing",
    "sums alone": "nested t.parquet -a a.csv --weight-mode count --type-sum out.csv",
    "sums alone, of values": "nested t.parquet -a a.csv --weight-mode column --weight-column id --type-sum out.csv",
    "sums alone, of some": "nested t.parquet -a a.csv --weight-mode count --source-types ER2 --type-sum out.parquet",
}

THERE |= {"blocks of all", "fractions of all partners", "blocks of sums", "blocks of signs", "fractions of edges"}
THERE |= {"sums alone", "some by some"}

#: Where synapses lie. Folders are written to `out`.
NEUROPIL = {
    "neuropils": "neuropil placed.parquet -a a.csv --meshes meshes --coordinates nm",
    "neuropils of strong pairs": "neuropil placed.parquet -a a.csv --meshes meshes --coordinates nm --no-plot "
    "-t 2 --min-size 20 --weight-mode count --directed --no-include-other --neuropils C.1",
    "neuropils with fractions": "neuropil placed.parquet -a a.csv --meshes meshes --coordinates nm --no-plot "
    "--normalization-scope all --source-types ER2 --relative --neuropils A,C.1",
    "neuropils with sums": "neuropil placed.parquet -a a.csv --meshes meshes --coordinates nm --no-plot --no-clean "
    "--weight-mode column --weight-column size --annotation-scope all",
    "assignments of lists": "neuropil listed.parquet --meshes meshes --coordinates nm --assignments-only "
    "--no-plot --neuropils A,C.1",
    "assignments of voxels": "neuropil placed.parquet --meshes meshes --coordinates pixels --voxel-size 2,1,0.5 "
    "--voxel-offset 1,-2,4.5 --assignments-only --exclude C.1 --no-include-other",
    "assignments in order": "neuropil ordered.parquet --meshes meshes --coordinates nm --assignments-only",
}

THERE |= {"neuropils of strong pairs", "assignments of lists"}
