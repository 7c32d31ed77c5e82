#!/bin/sh
# From raw tables to figures, on both sample brains: sh sample_data/demo.sh [FOLDER]
# Every line is a command that you could type. Running it again gives the same files, byte for byte.
set -eu
cd "$(dirname "$0")/.."
out=${1:-demo}
mkdir -p "$out"
unset CRANT_DEFAULT_DATASET

brain=sample_data/sample.toml
worm=sample_data/celegans_edges.csv
cells=sample_data/celegans_cells.csv

echo "== Invented brain: 40,000 synapses"
# The synapses that ring neurons of type ER2 make, and where they sit.
crantcli synapses -d $brain --pre cell_type=ER2 -o "$out/er2_synapses.parquet"
# The whole table in the order of its neurons: questions about a few of them read little of it.
crantcli sort sample_data/synapses.parquet -o "$out/sorted.parquet"
# The same in two parts, for two machines, and their edges put together.
crantcli partition sample_data/synapses.parquet --parts 2 -o "$out/parts"
for part in 01 02; do
    crantcli connectivity "$out/parts/part-$part.parquet" -o "$out/part_$part.parquet"
done
crantcli merge "$out/part_01.parquet" "$out/part_02.parquet" -o "$out/merged.parquet"
# Who talks to whom with at least five synapses, and of which type they are.
crantcli connectivity -d $brain -t 5 --annotate cell_type,side -o "$out/edges.csv"
# The same by cell type, as fractions of each type's whole input.
crantcli connectivity -d $brain --by type --normalize input -o "$out/types.csv"
# Partners and synapses of every neuron.
crantcli counts -d $brain -o "$out/counts.parquet"
# Ring neurons onto compass neurons: a matrix for Python, a table for a spreadsheet, a figure.
crantcli adjacency -d $brain --pre cell_class=ER --post cell_type=EPG/PEG -o "$out/ring_to_compass.npz" --plot "$out/ring_to_compass.png"
crantcli adjacency -d $brain --pre cell_class=ER --post cell_type=EPG/PEG -o "$out/ring_to_compass.csv"
# Where those synapses sit on ten skeletons, and a picture of it.
crantcli attach -d $brain -o "$out/connectors.parquet" --summary "$out/skeletons.csv" --plot "$out/skeletons.pdf"

# The whole brain, neurons grouped by cell type: matrix, sums and means per pair of types, order of the axes, figures.
crantcli nested -d $brain --weight-mode count -o "$out/nested.npz" --type-sum "$out/type_sums.csv" --type-mean "$out/type_means.csv" --order "$out/nested_order.csv" --plot "$out/nested.png"
crantcli nested -d $brain --level type_mean --plot "$out/type_fractions.pdf"
# Neuropils of all synapses from meshes, and a matrix for each; what compass neurons receive in the ellipsoid body.
crantcli neuropil -d $brain --weight-mode count -o "$out/neuropils"
crantcli connectivity -d $brain -n cell_type=EPG/PEG --no-downstream --by type --assignments "$out/neuropils/assignments.parquet" --neuropil ellipsoid_body -o "$out/compass_inputs.csv"

echo "== C. elegans: 4,879 measured connections"
# The strongest connections, and each one's share of what its target receives.
crantcli connectivity $worm -a $cells -t 10 --annotate cell_class --normalize input -o "$out/worm_edges.csv"
crantcli connectivity $worm -a $cells --by type -o "$out/worm_classes.parquet"
crantcli counts $worm -o "$out/worm_counts.parquet"
# Excitatory motor neurons of the nerve cord onto the muscles of the body wall.
crantcli adjacency $worm -a $cells --pre cell_type=DA,DB,VA,VB --post cell_type=dBWM,vBWM -o "$out/worm_motor.npz" --plot "$out/worm_motor.png"
crantcli adjacency $worm -o "$out/worm.parquet"
# Are its two sides wired alike?
crantcli compare $worm -a $cells --a side=L --b side=R --by cell_class --test score -o "$out/worm_sides.csv" --summary "$out/worm_sides.json" --plot "$out/worm_sides.png"
# Which classes are connected more strongly than their numbers of partners would have it?
crantcli compare $worm -a $cells --by cell_class --against configuration --samples 500 -o "$out/worm_chance.csv"
# What the worm's olfactory neurons drive, and what others of its senses do.
crantcli influence $worm -a $cells --seeds smell=cell_type=AWC --seeds salt=cell_type=ASE --seeds warmth=cell_type=AFD --seeds pain=cell_type=ASH --seeds touch=cell_type=ALM --by cell_type -t 5 -o "$out/worm_driven.csv" --plot "$out/worm_driven.png"
# How what they smell gets to the muscles: over which classes, step by step, and over which single cells.
crantcli paths $worm -a $cells --from smell=cell_type=AWC --to cell_class=muscle --by cell_class --hops 5 -o "$out/worm_smell.csv" --layers "$out/worm_layers.csv" --plot "$out/worm_smell.png"
crantcli paths $worm -a $cells --from cell_type=AWC --to cell_class=muscle --hops 5 --list 20 -o "$out/worm_paths.csv"
# Which of its sensory neurons are alike in the types of their partners, and where the right AWC stands for the left one.
crantcli similar $worm -a $cells --neurons cell_class=sensory --by cell_type --cut 0.5 -o "$out/worm_similar.npz" --clusters "$out/worm_clusters.csv" --order "$out/worm_order.csv" --plot "$out/worm_similar.png"
crantcli similar $worm -a $cells --neurons cell_type=AFD,ASE,ASH,AWA,AWB,AWC --match side=L,R --pair cell_type --by cell_type -o "$out/worm_homologues.csv"
# What is left out where only strong connections count: the same neurons, two tables.
crantcli compare $worm "$out/worm_edges.csv" -o "$out/worm_weak.csv" --summary "$out/worm_weak.json"
# The whole worm by cell class.
crantcli nested $worm -a $cells --cell-type-column cell_class --type-order sensory,interneuron,motor --title "C. elegans, chemical connections" -o "$out/worm_nested.npz" --type-sum "$out/worm_class_sums.csv" --plot "$out/worm_nested.png"

# The worm as a page for a browser: zoom, search, select.
crantcli view $worm -a $cells --cell-type-column cell_class --title "C. elegans, chemical connections" -o "$out/worm.html"

# What a data set has, as files: its annotations, here the proofread ones, and its meshes.
crantcli annotations -d $brain --proofread-only -o "$out/proofread.parquet"
crantcli meshes -d $brain --neuropils ellipsoid_body,fan_shaped_body -o "$out/meshes"

# For other programs: edges with what is known of their neurons, and neurons with some of their synapses in Neuroglancer.
crantcli export "$out/worm_edges.csv" -a $cells -o "$out/worm.graphml"
crantcli adjacency $worm -a $cells -o "$out/worm.mtx"
crantcli link cell_type=ER2,EPG/PEG -d $brain --synapses sample_data/synapses.parquet --coordinates nm -o "$out/compass.json"

# The page of a night that made all this, and the figures that it leaves for the nights to come.
crantcli report "$out" --night 2026-11-29 -o "$out/report.html" --history "$out/history.parquet" --expect nested.npz,neuropils

echo "== What was made"
printf '%-32s %-10s %8s  %s\n' file kind rows "made by"
for file in "$out"/* "$out"/neuropils/ellipsoid_body.*; do
    [ -f "$file" ] || continue
    case $file in *.graphml | *.mtx | *.html | "$out/worm.rows.csv" | "$out/worm.columns.csv" | */compass.json) continue ;; esac
    crantcli info --quiet "$file" | awk -v file="$file" '
        $1 == "kind" { kind = $2 }
        $1 == "rows" { rows = $2 }
        $1 == "made" { $1 = $2 = $3 = ""; made = $0 }
        END { sub(/^ +/, "", made); printf "%-32s %-10s %8s  %s\n", file, kind, rows, made }'
done
