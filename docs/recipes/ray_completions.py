"""Answers exported prompts on a Ray cluster, a file a task: at endpoints, or by vLLM on each task's own GPU.

    frontload export prompts --model batch:NAME PATH -o prompts.jsonl --shards 256
    python3 ray_completions.py --out /shared/results --url http://HOST:8000/v1 --tasks 16 /shared/prompts.*.jsonl
    python3 ray_completions.py --out /shared/results --vllm ORG/MODEL --tasks 16 /shared/prompts.*.jsonl
    frontload import completions --model batch:NAME /shared/results PATH

Prompts and results stand on storage that every node sees under the same path. Files whose results are there are passed
over, so the same command goes on after a node was lost.
"""

import argparse
import subprocess
from pathlib import Path

import ray


def by_vllm(prompts: Path, out: Path, model: str) -> None:
    """vLLM's own batch runner reads and writes the same lines."""
    results = out / prompts.name
    if results.exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / f".{prompts.name}.unfinished"
    subprocess.run(["vllm", "run-batch", "-i", prompts, "-o", unfinished, "--model", model], check=True)
    unfinished.rename(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder of results")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="an endpoint, up to and including /v1")
    where.add_argument("--vllm", metavar="MODEL", help="run this model by vLLM, one GPU a task")
    parser.add_argument("--tasks", type=int, default=8, help="files answered at a time")
    parser.add_argument("--at-once", type=int, default=64, help="prompts a task asks an endpoint at a time")
    parser.add_argument("prompts", type=Path, nargs="+", help="what `frontload export prompts` wrote")
    arguments = parser.parse_args()

    def answer(row: dict) -> dict:
        prompts = Path(row["prompts"])
        if arguments.vllm:
            by_vllm(prompts, arguments.out, arguments.vllm)
        else:
            from complete import complete_file

            complete_file(prompts, arguments.out, arguments.url, arguments.at_once)
        return row

    # Every node gets complete.py, which stands beside this file.
    ray.init(runtime_env={"working_dir": str(Path(__file__).resolve().parent)})
    files = ray.data.from_items([{"prompts": str(path.resolve())} for path in arguments.prompts])
    files = files.repartition(len(arguments.prompts))
    answered = files.map(answer, concurrency=arguments.tasks, num_gpus=1 if arguments.vllm else 0)
    print(f"{answered.count()} files answered")


if __name__ == "__main__":
    main()
