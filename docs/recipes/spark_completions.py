"""Answers exported prompts on a Spark cluster, at an OpenAI-compatible endpoint.

    frontload export prompts --model batch:NAME PATH -o prompts.jsonl --shards 256
    spark-submit --py-files complete.py spark_completions.py \\
        --url http://HOST:8000/v1 --out hdfs:///results --partitions 256 'hdfs:///prompts.*.jsonl'
    frontload import completions --model batch:NAME results PATH      # the folder, once it is copied here

Spark writes one file of lines a partition, and names a file only when it is whole. A partition that is computed twice is
asked twice: keep speculative execution off, as it is by default.
"""

import argparse
from typing import Iterable, Iterator

from pyspark.sql import SparkSession


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="the endpoint, up to and including /v1")
    parser.add_argument("--out", required=True, help="the folder of results, which is not there yet")
    parser.add_argument("--partitions", type=int, default=64, help="parts, of which executors take one a core")
    parser.add_argument("--at-once", type=int, default=64, help="prompts a part asks at a time")
    parser.add_argument("prompts", help="what `frontload export prompts` wrote: a path or a pattern")
    arguments = parser.parse_args()
    url, at_once = arguments.url, arguments.at_once

    def answer(lines: Iterable[str]) -> Iterator[str]:
        from complete import complete_all

        return complete_all(lines, url, at_once)

    spark = SparkSession.builder.appName("frontload completions").getOrCreate()
    prompts = spark.sparkContext.textFile(arguments.prompts).repartition(arguments.partitions)
    prompts.mapPartitions(answer).saveAsTextFile(arguments.out)
    spark.stop()


if __name__ == "__main__":
    main()
