"""One peer engine in a process of its own, on the texts and vectors that the bench wrote.

usage: peers.py ENGINE FOLDER

Prints a JSON line when it is built; then, for every line "go" on stdin, asks every query once, one after the other,
and prints the milliseconds and the ids found. Threads are limited by the caller's environment.
"""

import json
import os
import shutil
import sys
import tempfile
import time

import numpy as np

HITS = 10


class Data:
    def __init__(self, folder):
        shape = json.load(open(os.path.join(folder, "shape.json")))
        read = lambda name: np.fromfile(os.path.join(folder, name), dtype="<f4").reshape(-1, shape["dimension"])
        self.vectors, self.queries = read("vectors.f32"), read("queries.f32")
        self.texts = [json.loads(line) for line in open(os.path.join(folder, "texts.jsonl"))]
        self.words = [json.loads(line) for line in open(os.path.join(folder, "queries.jsonl"))]
        self.depth = shape["depth"]


def lancedb(data, folder):
    import lancedb as engine
    import pyarrow as pa

    rows = pa.table(
        {
            "id": pa.array(range(len(data.texts)), pa.int64()),
            "text": data.texts,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(data.vectors.ravel()), data.vectors.shape[1]),
        }
    )
    table = engine.connect(folder).create_table("bench", data=rows)
    table.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ", num_partitions=1)
    table.create_fts_index("text", use_tantivy=False, stem=True, remove_stop_words=False)

    def ask(at):
        # The words alone, without what a query language might read in them.
        words = " ".join("".join(c if c.isalnum() else " " for c in data.words[at]).split())
        if not words:
            # It refuses a hybrid search without a word.
            query = table.search(data.queries[at], vector_column_name="vector")
            return [row["id"] for row in query.limit(HITS).select(["id"]).to_list()]
        query = table.search(query_type="hybrid", vector_column_name="vector", fts_columns="text")
        return [row["id"] for row in query.vector(data.queries[at]).text(words).limit(HITS).select(["id"]).to_list()]

    return ask


def chroma(data, folder):
    import chromadb

    client = chromadb.PersistentClient(path=folder, settings=chromadb.Settings(anonymized_telemetry=False))
    configuration = {"hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 24, "ef_search": 128}}
    collection = client.create_collection("bench", configuration=configuration, embedding_function=None)
    for start in range(0, len(data.texts), 5000):
        end = min(start + 5000, len(data.texts))
        ids = [str(at) for at in range(start, end)]
        collection.add(ids=ids, embeddings=data.vectors[start:end], documents=data.texts[start:end])

    def ask(at):
        # Locally it has no ranking of words: this is its vectors alone.
        found = collection.query(query_embeddings=[data.queries[at]], n_results=HITS, include=["distances"])
        return [int(one) for one in found["ids"][0]]

    return ask


def qdrant_edge(data, folder):
    import qdrant_edge as engine

    # Its hybrid search: words as a sparse vector that BM25 weighs, vectors along a graph, both lists joined by rank.
    # Words are stemmed and stop words kept, as by the others; a graph is built however few there are.
    average = float(np.mean([len(text.split()) for text in data.texts]))
    words = engine.Bm25(engine.Bm25Config(language="english", stopwords=engine.StopwordsSet(), avg_len=average))
    config = engine.EdgeConfig(
        vectors={"dense": engine.EdgeVectorParams(size=data.vectors.shape[1], distance=engine.Distance.Cosine)},
        sparse_vectors={"words": engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
        hnsw_config=engine.HnswIndexConfig(m=24, ef_construct=200, full_scan_threshold=10),
        optimizers=engine.EdgeOptimizersConfig(indexing_threshold=1),
    )
    shard = engine.EdgeShard.create(folder, config)
    for start in range(0, len(data.texts), 5000):
        points = [
            engine.Point(
                at,
                {"dense": data.vectors[at].tolist(), "words": words.embed_document(data.texts[at])},
                {"text": data.texts[at]},
            )
            for at in range(start, min(start + 5000, len(data.texts)))
        ]
        shard.update(engine.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()

    def ask(at):
        near = engine.Query.Nearest(data.queries[at].tolist(), using="dense")
        said = engine.Query.Nearest(words.embed_query(data.words[at]), using="words")
        lists = [
            engine.Prefetch(limit=data.depth, query=near, params=engine.SearchParams(hnsw_ef=128)),
            engine.Prefetch(limit=data.depth, query=said),
        ]
        found = shard.query(engine.QueryRequest(limit=HITS, query=engine.Fusion.Rrf(k=60), prefetches=lists))
        return [point.id for point in found]

    return ask


def hnswlib(data, folder):
    import hnswlib as engine

    index = engine.Index(space="ip", dim=data.vectors.shape[1])
    index.init_index(max_elements=len(data.vectors), M=24, ef_construction=200, random_seed=7)
    index.add_items(data.vectors, np.arange(len(data.vectors)), num_threads=int(os.environ.get("THREADS", "1")))
    index.set_num_threads(1)
    index.set_ef(int(os.environ.get("EF", "128")))
    index.save_index(os.path.join(folder, "index"))
    return lambda at: index.knn_query(data.queries[at], k=data.depth)[0][0].tolist()


ENGINES = {"lancedb": lancedb, "chroma": chroma, "qdrant-edge": qdrant_edge, "hnswlib": hnswlib}


def size(folder):
    # What is taken, not what files are long: some engines make theirs longer than what is in them.
    stats = (os.stat(os.path.join(root, name)) for root, _, names in os.walk(folder) for name in names)
    return sum(stat.st_blocks * 512 for stat in stats)


def main():
    name, folder = sys.argv[1:]
    data = Data(folder)
    place = tempfile.mkdtemp()
    try:
        started = time.perf_counter()
        ask = ENGINES[name](data, place)
        print(json.dumps({"built": time.perf_counter() - started, "bytes": size(place)}), flush=True)
        for line in sys.stdin:
            if line.strip() != "go":
                break
            times, found = [], []
            for at in range(len(data.words)):
                started = time.perf_counter()
                found.append(ask(at))
                times.append((time.perf_counter() - started) * 1e3)
            print(json.dumps({"ms": times, "ids": found}), flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


main()
