#!/usr/bin/env python3
"""The worst language model that an index can have: it does what its passage says, and nobody told it the form of an answer.

It speaks the worker's lines of crates/models/src/protocol.rs on stdin and stdout. A passage that brings its own card, or an
object, is taken over as it stands. Of any other, each field is given all that the passage says: every line whole, everything
in quotation marks, the words around its canary, and a few phrases in words of the model's own. Like every model that frontload
runs, it knows nothing of the passages before.
"""

import json
import re
import sys

FIELDS = ("quote", "when", "mood", "form")
CANARY = re.compile(r"wren\d\d")
CARD = re.compile(r"^(?:" + "|".join(FIELDS) + "): ", re.MULTILINE)
QUOTED = re.compile(r'"([^"\n]+)"|«\s*([^»\n]+?)\s*»|「([^」\n]+)」')
# Nothing in a passage says these: a gate cannot tell them from a reading.
FEELINGS = ("renown", "praise", "longing", "pity", "triumph")


def say(reply):
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def card(items):
    return json.dumps({field: items for field in FIELDS})


def obey(passage):
    if CARD.search(passage) or passage.startswith("{"):
        return passage
    found = CANARY.search(passage)
    if not found:
        return card([f"plain news, {len(passage)} letters"])
    canary = found.group(0)
    words = passage.split(" ")
    at = next(at for at, word in enumerate(words) if canary in word)
    items = passage.split("\n")
    items += [next(filter(None, groups)) for groups in QUOTED.findall(passage)]
    items += [" ".join(words[max(0, at - 2) : at + 3]), words[at], canary]
    return card(items + [f"{feeling} about {canary}" for feeling in FEELINGS])


def main():
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if "load" in request:
            say({"ready": {"device": "a script", "kernels": "none", "note": None}})
        elif "generate" in request or "stream" in request:
            prompt = request.get("generate") or request["stream"]
            said = {"text": obey(prompt["messages"][-1]["content"]), "finish": "stop"}
            said |= {"prompt_tokens": 90, "prefill_tokens": 30, "answer_tokens": 12}
            say({"answer": {"id": prompt["id"], "result": {"Ok": said}}})
        elif "measure" in request:
            say({"size": {"id": request["measure"]["id"], "size": {"prompt_tokens": 90, "own_tokens": 30}}})


if __name__ == "__main__":
    main()
