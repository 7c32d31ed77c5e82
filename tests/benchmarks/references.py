"""What we compare with, each run as a process of its own: `python references.py NAME ARGUMENT...`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

#: The threshold of the benchmarks, and the memory limit of a command that is given none.
THRESHOLD = 5
MEMORY = "2GB"


def _duckdb(statement: str) -> list[tuple[object, ...]]:
    import duckdb

    with tempfile.TemporaryDirectory() as spilled:
        config = {"threads": os.cpu_count() or 1, "memory_limit": MEMORY, "temp_directory": spilled}
        with duckdb.connect(config=config) as connection:
            return connection.execute(statement).fetchall()


def duckdb_edges(source: str, destination: str, background: str = "0") -> None:
    """The edge list as one bare statement."""
    _duckdb(
        f"COPY (SELECT pre_pt_root_id AS pre, post_pt_root_id AS post, count(*) AS weight FROM '{source}' "
        f"WHERE pre_pt_root_id <> {background} AND post_pt_root_id <> {background} "
        "AND pre_pt_root_id <> post_pt_root_id "
        f"GROUP BY ALL HAVING count(*) >= {THRESHOLD} ORDER BY weight DESC, pre, post) "
        f"TO '{destination}' (FORMAT parquet)"
    )


def pandas_edges(source: str, destination: str) -> None:
    """The edge list as one writes it in a notebook."""
    import pandas as pd

    rows = pd.read_parquet(source, columns=["pre_pt_root_id", "post_pt_root_id"]).set_axis(["pre", "post"], axis=1)
    rows = rows[(rows["pre"] != 0) & (rows["post"] != 0) & (rows["pre"] != rows["post"])]
    weights = rows.groupby(["pre", "post"]).size().rename("weight").reset_index()
    weights = weights[weights["weight"] >= THRESHOLD]
    weights.sort_values(["weight", "pre", "post"], ascending=[False, True, True]).to_parquet(destination, index=False)


def duckdb_lookup(source: str, neurons: str, side: str, destination: str) -> None:
    """The synapses of some neurons as one bare statement."""
    with open(neurons) as file:
        listed = ", ".join(file.read().split())
    _duckdb(
        f"COPY (SELECT * FROM '{source}' WHERE {side}_pt_root_id IN ({listed}) AND pre_pt_root_id <> 0 AND "
        "post_pt_root_id <> 0 AND pre_pt_root_id <> post_pt_root_id ORDER BY pre_pt_root_id, post_pt_root_id, id) "
        f"TO '{destination}' (FORMAT parquet)"
    )


def duckdb_sort(source: str, destination: str) -> None:
    """The sorted table as one bare statement."""
    _duckdb(
        f"COPY (SELECT * FROM '{source}' WHERE pre_pt_root_id <> 0 AND post_pt_root_id <> 0 AND pre_pt_root_id <> "
        "post_pt_root_id ORDER BY pre_pt_root_id, post_pt_root_id, id) "
        f"TO '{destination}' (FORMAT parquet, ROW_GROUP_SIZE 200000)"
    )


def duckdb_type_sums(source: str, annotations: str, destination: str) -> None:
    """Synapses per pair of types as one bare statement."""
    _duckdb(
        f"COPY (SELECT a.cell_type AS pre, b.cell_type AS post, count(*) AS weight FROM '{source}' AS s "
        f"JOIN '{annotations}' AS a ON s.pre_pt_root_id = a.root_id "
        f"JOIN '{annotations}' AS b ON s.post_pt_root_id = b.root_id "
        "WHERE pre_pt_root_id <> 0 AND post_pt_root_id <> 0 AND pre_pt_root_id <> post_pt_root_id "
        f"GROUP BY ALL ORDER BY pre, post) TO '{destination}' (FORMAT parquet)"
    )


def npz_contents(path: str, column: str, destination: str) -> None:
    """How many entries a sparse matrix has and what they add up to, as JSON."""
    import numpy as np

    with np.load(path) as arrays, open(destination, "w") as file:
        json.dump([len(arrays["data"]), str(arrays["data"].sum())], file)


def nearest(folder: str, rounds: str, destination: str) -> None:
    """Seconds, CPU seconds and 0 of building and asking bare trees, and of our way from the synapse table to a table of
    connectors, on the same arrays in memory and in turns. Start-up and the reading of text are in neither.
    """
    import time

    import numpy as np
    from scipy.spatial import cKDTree

    from crantcli.core.geometry.skeleton import Skeleton
    from crantcli.core.questions.attach import Attach, attach
    from crantcli.core.rows.filters import RowFilter
    from crantcli.engine.duckdb import Engine
    from crantcli.run.inputs import Opener
    from crantcli.run.skeletons import OpenSkeletons
    from crantcli.sources.tables.read_options import ReadOptions

    nodes, sites = np.load(f"{folder}/nodes.npy"), np.load(f"{folder}/sites.npy")
    neurons = sorted(int(name.removesuffix(".swc")) for name in os.listdir(f"{folder}/swc"))
    ids, parents = np.arange(nodes.shape[1]) + 1, np.arange(nodes.shape[1]) - 1
    skeletons = [Skeleton(ids, parents, xyz) for xyz in nodes]

    def bare() -> float:
        return sum(float(cKDTree(here).query(near)[0].sum()) for here, near in zip(nodes, sites, strict=True))

    def ours() -> float:
        with Engine(files=[f"{folder}/synapses.parquet"]) as engine:
            table = Opener(engine).table(
                [f"{folder}/synapses.parquet"], ReadOptions(coordinates="nm", carry="positions")
            )
            found = attach(engine, table, OpenSkeletons(neurons, None, skeletons.__getitem__), RowFilter(), Attach())
            return float(engine.execute(f"SELECT sum(distance) FROM {found.relation}")[0][0])

    figures: dict[str, list[float]] = {}
    for _ in range(int(rounds)):
        totals = []
        for way in (bare, ours):
            wall, cpu = time.perf_counter(), time.process_time()
            totals.append(way())
            took = [time.perf_counter() - wall, time.process_time() - cpu]
            figures[way.__name__] = [*map(min, took, figures.get(way.__name__, took)), 0.0]
        if abs(totals[0] - totals[1]) > 1e-9 * totals[0]:
            raise RuntimeError(f"the distances differ: {totals}")
    with open(destination, "w") as file:
        json.dump(figures, file)


def pandas_compare(first: str, second: str, destination: str) -> None:
    """What differs between two edge tables, as one writes it in a notebook."""
    import pandas as pd

    both = pd.read_parquet(first).merge(pd.read_parquet(second), on=["pre", "post"], how="outer", suffixes=("_a", "_b"))
    both = both[both["pre"] != both["post"]].fillna(0).astype("int64")
    both["difference"] = both["weight_b"] - both["weight_a"]
    changed = both[both["difference"] != 0]
    order = changed.assign(size=-changed["difference"].abs()).sort_values(["size", "pre", "post"])
    order.drop(columns="size").to_parquet(destination, index=False)


def scipy_paths(source: str, seeds: str, destination: str) -> None:
    """Input fractions from seeds, four steps back, as one writes it in a notebook: neurons with edges, then a CSR."""
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array

    edges = pd.read_parquet(source)
    edges = edges[(edges["pre"] != edges["post"]) & (edges["pre"] != 0) & (edges["post"] != 0)]
    ids = np.union1d(edges["pre"].to_numpy(), edges["post"].to_numpy())
    places = [np.searchsorted(ids, edges[side].to_numpy()) for side in ("post", "pre")]
    matrix = coo_array((edges["weight"].to_numpy(np.float64), tuple(places)), shape=(len(ids),) * 2).tocsr()
    inputs = matrix.sum(axis=1)
    matrix.data /= np.repeat(np.where(inputs > 0, inputs, 1), np.diff(matrix.indptr))
    with open(seeds) as file:
        share = np.isin(ids, [int(line) for line in file]).astype(float)
    found = []
    for hops in range(1, 5):
        share = matrix @ share
        found.append(pd.DataFrame({"to": ids, "hops": hops, "fraction": share, "root": share ** (1 / hops)}))
    table = pd.concat(found).sort_values(["hops", "fraction", "to"], ascending=[True, False, True])
    table.to_parquet(destination, index=False)


def scipy_influence(source: str, seeds: str, sets: str, number: str, destination: str, signs: str = "") -> None:
    """Steady states of some of so many sets of seeds, as one writes it in a notebook: a CSR, its eigenvalue, GMRES."""
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array, eye_array
    from scipy.sparse.linalg import eigs, gmres

    edges = pd.read_parquet(source)
    edges = edges[(edges["pre"] != edges["post"]) & (edges["pre"] != 0) & (edges["post"] != 0)]
    ids = np.union1d(edges["pre"].to_numpy(), edges["post"].to_numpy())
    post, pre = (np.searchsorted(ids, edges[side].to_numpy()) for side in ("post", "pre"))
    weight = edges["weight"].to_numpy(np.float64)
    if signs:
        cells = pd.read_parquet(signs)
        weight[np.isin(ids, cells["root_id"][cells["nt"] == "gaba"])[pre]] *= -1
    matrix = coo_array((weight, (post, pre)), shape=(len(ids),) * 2).tocsr()
    largest = eigs(matrix, k=1, which="LR", v0=np.ones(len(ids)), return_eigenvectors=False)[0].real
    system = eye_array(len(ids), format="csr") - matrix * (0.99 / largest)
    with open(seeds) as file:
        chosen = [int(line) for line in file]
    found = []
    for place in range(int(number)):
        seeded = np.isin(ids, chosen[place :: int(sets)])
        influence, reached = gmres(system, seeded.astype(float), rtol=1e-12, atol=0, restart=200, maxiter=20)
        if reached:
            raise RuntimeError(f"GMRES did not converge: {reached}")
        found.append(pd.DataFrame({"seed": place, "neuron_id": ids, "influence": influence, "is_seed": seeded}))
    table = pd.concat(found).sort_values(["seed", "influence", "neuron_id"], ascending=[True, False, True])
    table.to_parquet(destination, index=False)


def _write_strongest(ids: Any, cosines: Any, number: int, destination: str) -> None:
    """Write the largest cosines of each row, but for that with itself."""
    import numpy as np
    import pandas as pd

    np.fill_diagonal(cosines, 0)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :number]
    found = pd.DataFrame({
        "neuron_id": np.repeat(ids, best.shape[1]),
        "similar_id": ids[best.ravel()],
        "cosine": np.take_along_axis(cosines, best, axis=1).ravel(),
    })  # fmt: skip
    found[found["cosine"] > 0].to_parquet(destination, index=False)


def scipy_similar(source: str, number: str, destination: str) -> None:
    """The most similar neurons of each, as one writes it by hand: vectors of length 1, and all their products."""
    import numpy as np
    import pandas as pd
    from scipy import sparse

    edges = pd.read_parquet(source)
    edges = edges[edges["pre"] != edges["post"]]
    ids, places = np.unique(edges[["pre", "post"]].to_numpy(), return_inverse=True)
    pre, post = places.reshape(-1, 2).T
    weight = edges["weight"].to_numpy(dtype=np.float64)
    outputs = sparse.coo_array((weight, (pre, post)), shape=(len(ids), len(ids))).tocsr()
    vectors = sparse.hstack([outputs.T, outputs], format="csr")
    vectors = sparse.diags_array(1 / np.sqrt(vectors.multiply(vectors).sum(axis=1))) @ vectors
    cosines = (vectors @ vectors.T).toarray()
    _write_strongest(ids, cosines, int(number), destination)


def _dense(source: str) -> tuple[Any, Any]:
    """All neurons of an edge table, and the weight from each (a column) to each (a row)."""
    import numpy as np
    import pandas as pd

    edges = pd.read_parquet(source)
    edges = edges[edges["pre"] != edges["post"]]
    ids, places = np.unique(edges[["pre", "post"]].to_numpy(), return_inverse=True)
    pre, post = places.reshape(-1, 2).T
    matrix = np.zeros((len(ids), len(ids)))
    matrix[post, pre] = edges["weight"]
    return ids, matrix


def numpy_paths(source: str, seeds: str, destination: str) -> None:
    """Shares of four steps by a dense matrix."""
    import numpy as np
    import pandas as pd

    ids, matrix = _dense(source)
    inputs = matrix.sum(axis=1, keepdims=True)
    matrix /= np.where(inputs > 0, inputs, 1)
    with open(seeds) as file:
        share = np.isin(ids, [int(line) for line in file]).astype(float)
    found = []
    for hops in range(1, 5):
        share = matrix @ share
        found.append(pd.DataFrame({"to": ids, "hops": hops, "fraction": share}))
    pd.concat(found).to_parquet(destination, index=False)


def numpy_influence(source: str, seeds: str, destination: str) -> None:
    """The steady state by a dense matrix: all eigenvalues, and one solution."""
    import numpy as np
    import pandas as pd

    ids, matrix = _dense(source)
    largest = np.linalg.eigvals(matrix).real.max()
    with open(seeds) as file:
        seeded = np.isin(ids, [int(line) for line in file])
    influence = np.linalg.solve(np.eye(len(ids)) - matrix * (0.99 / largest), seeded.astype(float))
    pd.DataFrame({"neuron_id": ids, "influence": influence}).to_parquet(destination, index=False)


def numpy_similar(source: str, number: str, destination: str) -> None:
    """The most similar neurons of each by a dense matrix."""
    import numpy as np

    ids, matrix = _dense(source)
    vectors = np.hstack([matrix, matrix.T])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    _write_strongest(ids, cosines, int(number), destination)


def pandas_attach(source: str, folder: str, destination: str) -> None:
    """The connectors as one writes it in a notebook, neuron by neuron."""
    import pandas as pd
    from scipy.spatial import cKDTree

    rows = pd.read_parquet(source)
    rows = rows[(rows["pre_pt_root_id"] != 0) & (rows["post_pt_root_id"] != 0)]
    rows = rows[rows["pre_pt_root_id"] != rows["post_pt_root_id"]]
    position = [f"ctr_pt_position_{axis}" for axis in "xyz"]
    names = ["node_id", "label", "x", "y", "z", "radius", "parent_id"]
    sides = {side: dict(list(rows.groupby(f"{side}_pt_root_id"))) for side in ("pre", "post")}
    found = []
    for name in sorted(os.listdir(folder)):
        neuron, partner = int(name.removesuffix(".swc")), {"pre": "post_pt_root_id", "post": "pre_pt_root_id"}
        nodes = pd.read_csv(f"{folder}/{name}", sep=" ", comment="#", names=names)
        tree = cKDTree(nodes[["x", "y", "z"]].to_numpy())
        sites = [
            sides[side][neuron].assign(type=side, partner_id=lambda t, column=partner[side]: t[column])
            for side in sides
            if neuron in sides[side]
        ]
        table = pd.concat(sites).sort_values(["id", "type"])[["id", "type", "partner_id", *position]]
        distance, node = tree.query(table[position].to_numpy())
        table = table.assign(neuron_id=neuron, node_id=nodes["node_id"].to_numpy()[node], distance=distance)
        table = table[table["distance"] <= 10_000]
        found.append(table.assign(connector_id=range(len(table))))
    pd.concat(found).to_parquet(destination, index=False)


def caveclient_query(server: str, neurons: str, destination: str, positions: str = "split") -> None:
    """One query of caveclient for all synapses of some neurons, kept as a file; positions split, or as by default."""
    from caveclient import CAVEclient

    with open(neurons) as file:
        ids = [int(line) for line in file]
    client = CAVEclient("test_ant", server_address=server, auth_token="none", write_server_cache=False)
    frame = client.materialize.query_table(
        "synapses_v2",
        filter_in_dict={"pre_pt_root_id": ids},
        split_positions=positions == "split",
        materialization_version=3,
    )
    frame.to_parquet(destination)


def contents(path: str, column: str, destination: str) -> None:
    """How many rows a file has and what a column of it adds up to, as JSON."""
    found = _duckdb(f"SELECT count(*), CAST(sum({column}) AS VARCHAR) FROM '{path}'")[0]
    with open(destination, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    known = (
        duckdb_edges, pandas_edges, duckdb_lookup, duckdb_sort, duckdb_type_sums, nearest, pandas_attach,
        caveclient_query, contents, pandas_compare, scipy_similar,
        npz_contents, scipy_paths, scipy_influence, numpy_paths, numpy_influence, numpy_similar,
    )  # fmt: skip
    function = {f.__name__: f for f in known}[sys.argv[1]]
    function(*sys.argv[2:])
