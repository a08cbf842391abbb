#!/usr/bin/env python3
"""A language model that says what a script says: the worker's lines of crates/models/src/protocol.rs on stdin and stdout.

Every passage of the fault tests names itself (`e17v3`). What is asked is written to SCRIPTED_LOG, and is in that file before
the answer is given: an account of the calls that no crash of the program can touch. A passage may also hold a word that
makes this program misbehave (`!abort`, and the other keys of FAULTS).

Environment: SCRIPTED_LOG, the log; SCRIPTED_DELAY, seconds an answer takes; SCRIPTED_START, seconds before it is ready;
SCRIPTED_EXIT_AFTER, answers after which it ends.
"""

import json
import mmap
import os
import re
import sys
import time


def say(reply):
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def completion(text):
    return {"text": text, "finish": "stop", "prompt_tokens": 90, "prefill_tokens": 30, "answer_tokens": 12}


def answer(number, text):
    say({"answer": {"id": number, "result": {"Ok": completion(text)}}})


def abort(_):
    os.abort()


def hang(_):
    # Goes on reading, and says nothing.
    for _line in sys.stdin:
        pass
    time.sleep(3600)


def deaf(_):
    # Reads nothing any more: the pipe fills.
    time.sleep(3600)


def garbage(_):
    sys.stdout.buffer.write(b"\xff\xfe\x00 no reply at all\n")
    sys.stdout.flush()


def cut(number):
    sys.stdout.write('{"answer": {"id": %d, "result": {"Ok": {"text": "mood: half a\n' % number)
    sys.stdout.flush()


def huge(number):
    answer(number, "mood: " + "long " * 2_000_000)


def endless(_):
    # A line that never ends.
    while True:
        sys.stdout.write("x" * 65536)


def empty(number):
    answer(number, "")


def thinking(number):
    answer(number, "<think>\nmood: is it")


def stranger(number):
    answer(number + 1_000_000, "mood: somebody else's")
    hang(number)


def chatter(number):
    # Never silent, and never says what was asked.
    while True:
        answer(number + 1_000_000, "mood: somebody else's")
        time.sleep(0.05)


def memory(_):
    kept = []
    try:
        while True:
            # Mapped and never touched: it is the limit that is met, not the machine's memory.
            kept.append(mmap.mmap(-1, 1 << 26))
    except OSError:
        os._exit(137)


FAULTS = {
    f"!{fault.__name__}": fault
    for fault in (abort, hang, deaf, garbage, cut, huge, endless, empty, thinking, stranger, chatter, memory)
}


def respond(prompt):
    passage = prompt["messages"][-1]["content"]
    tag = re.search(r"\be\d+v\d+\b", passage)
    tag = tag.group(0) if tag else "unnamed"
    log = os.environ.get("SCRIPTED_LOG")
    if log:
        # One write to a file that is only appended to: whole, and in the kernel's hands before the answer is given.
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(handle, (tag + "\n").encode())
        os.close(handle)
    time.sleep(float(os.environ.get("SCRIPTED_DELAY", "0")))
    fault = next((FAULTS[word] for word in passage.split() if word in FAULTS), None)
    if fault:
        fault(prompt["id"])
    else:
        answer(prompt["id"], f"time: none\nmood: unease about {tag}\n")


def main():
    left = int(os.environ.get("SCRIPTED_EXIT_AFTER", "-1"))
    # Not `for line in sys.stdin`: that reads ahead.
    while line := sys.stdin.readline():
        request = json.loads(line)
        if "load" in request:
            time.sleep(float(os.environ.get("SCRIPTED_START", "0")))
            say({"ready": {"device": "a script", "kernels": "none", "note": None}})
        elif "generate" in request or "stream" in request:
            if left == 0:
                os._exit(1)
            left -= 1
            respond(request.get("generate") or request["stream"])
        elif "measure" in request:
            say({"size": {"id": request["measure"]["id"], "size": {"prompt_tokens": 90, "own_tokens": 30}}})


if __name__ == "__main__":
    main()
