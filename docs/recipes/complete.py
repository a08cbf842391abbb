"""Answers exported prompts at an OpenAI-compatible endpoint: for each file of prompts a file of results in OUT.

    frontload export prompts --model batch:NAME PATH -o prompts.jsonl --shards 64
    python3 complete.py --url http://HOST:8000/v1 --out results prompts.*.jsonl
    frontload import completions --model batch:NAME results PATH

A file that is there already is left alone, and one that is not whole is never there under its name, so the same command
goes on after a crash. A key for the endpoint stands in FRONTLOAD_API_KEY. Only Python's own library is used; the
recipes for Ray and Spark import it.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable, Iterator, Optional

# What may go better a moment later, and how often it is tried.
PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
TRIES = 5
# These say nothing about a prompt: the key, the model's name or the address is wrong.
FATAL = {401, 402, 403, 404}


def complete(line: str, url: str, patience: float = 300.0) -> Optional[str]:
    """One prompt's result, as a line; None when the endpoint was never fit to answer: the call stays missing."""
    asked = json.loads(line)
    headers = {"content-type": "application/json"}
    if os.environ.get("FRONTLOAD_API_KEY"):
        headers["authorization"] = "Bearer " + os.environ["FRONTLOAD_API_KEY"]
    body = json.dumps(asked["body"]).encode()
    for tried in range(TRIES):
        wait = 0.5 * 2**tried
        try:
            request = urllib.request.Request(url.rstrip("/") + "/chat/completions", body, headers)
            with urllib.request.urlopen(request, timeout=patience) as reply:
                return result(asked, reply.status, json.load(reply))
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")[:1000]
            if error.code in FATAL:
                raise RuntimeError(f"{url} answers {error.code}: {told}") from error
            if error.code not in PASSING:
                return result(asked, error.code, {"error": told})
            after = error.headers.get("retry-after", "")
            wait = float(after) if after.isdigit() else wait
        except (OSError, ValueError, http.client.HTTPException) as error:
            print(f"{asked['custom_id'][:12]}: {error}", file=sys.stderr)
        if tried + 1 < TRIES:
            time.sleep(min(wait, 30.0))
    return None


def result(asked: dict, status: int, body: dict) -> str:
    response = {"status_code": status, "body": body}
    return json.dumps({"custom_id": asked["custom_id"], "response": response, "error": None})


def complete_all(lines: Iterable[str], url: str, at_once: int = 64) -> Iterator[str]:
    """The results of many prompts, so many asked at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        answers = pool.map(lambda line: complete(line, url), (line for line in lines if line.strip()))
        yield from (answer for answer in answers if answer is not None)


def complete_file(prompts: Path, out: Path, url: str, at_once: int = 64) -> int:
    """Answers a file of prompts, unless its results are there; gives back how many were answered now."""
    results = out / prompts.name
    if results.exists():
        return 0
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / f".{prompts.name}.unfinished"
    answered = 0
    with prompts.open(encoding="utf-8") as lines, unfinished.open("w", encoding="utf-8") as file:
        for line in complete_all(lines, url, at_once):
            file.write(line + "\n")
            answered += 1
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(results)
    return answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="the endpoint, up to and including /v1")
    parser.add_argument("--out", type=Path, required=True, help="the folder of results")
    parser.add_argument("--at-once", type=int, default=64, help="prompts asked at a time")
    parser.add_argument("prompts", type=Path, nargs="+", help="what `frontload export prompts` wrote")
    arguments = parser.parse_args()
    for prompts in arguments.prompts:
        answered = complete_file(prompts, arguments.out, arguments.url, arguments.at_once)
        print(f"{prompts}: {answered} answered", file=sys.stderr)


if __name__ == "__main__":
    main()
