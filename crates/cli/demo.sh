#!/bin/sh
# The main job, from the corpus to a served and measured search. Everything it makes is in .demo; the one
# server it starts is ended before it ends. `make demo` builds the program and fetches the models first.
set -eu

cd "$(dirname "$0")/../.."
frontload=${CARGO_TARGET_DIR:-target}/release/frontload
corpus=corpora/ostrel topics=queries/ostrel
small=.demo/small large=.demo/large
# A line a request is for operators.
export FRONTLOAD_LOG=warn
say() { printf '\n== %s\n' "$*"; }

rm -rf .demo
mkdir .demo
server=
end() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; }
trap end EXIT
trap 'exit 130' INT TERM

say "1. Index: a 135M model reads every passage once and writes its handles"
"$frontload" --index "$small" index "$corpus"
"$frontload" --index "$small" inspect salt-12

say "2. Again: nothing has changed, so the model is not asked"
"$frontload" --index "$small" index "$corpus"

say "3. The same corpus with the handles that a large model wrote (corpora/ostrel/handles.jsonl)"
"$frontload" --index "$large" --quiet index --no-handles "$corpus"
"$frontload" --index "$large" --quiet handles import "$corpus/handles.jsonl"

say "4. Which kinds earn their place is measured on the dev topics; the others are switched off"
for index in "$small" "$large"; do
    printf '%s: ' "$index"
    "$frontload" --index "$index" --quiet tune --queries "$topics/queries.jsonl" --qrels "$topics/qrels/dev.tsv"
done

say "   What each kind is worth there, what it costs, and whether to keep it"
"$frontload" --index "$large" ablate --queries "$topics/queries.jsonl" --qrels "$topics/qrels/dev.tsv" --by type \
    --html

say "   And backwards: which kinds do the dev queries call for that the text alone does not answer?"
"$frontload" --index "$large" suggest --queries "$topics/queries.jsonl" --qrels "$topics/qrels/dev.tsv" --no-model \
    --about "the archive of an island town" --out .demo/suggested.toml

say "5. Three queries: by the text alone, with handles, and what found each hit"
while IFS= read -r query; do
    printf '\n"%s"\n' "$query"
    "$frontload" --index "$large" search -k 5 --compare "$query"
done <"$topics/demo.txt"

say "6. A question, answered in the passages' own words and cited"
question=$(cat "$topics/demo-question.txt")
printf '"%s"\n' "$question"
"$frontload" --index "$large" --config "$topics/frontload.toml" ask "$question"

say "7. The service, asked once by another process"
"$frontload" --index "$large" --json serve --listen 127.0.0.1:0 --no-model >.demo/serve.json &
server=$!
tries=0
until address=$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' .demo/serve.json) && [ -n "$address" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] && kill -0 "$server" 2>/dev/null || { echo "the service did not start" >&2; exit 4; }
    sleep 0.1
done
"$frontload" search -k 3 --server "http://$address" "$(head -n 1 "$topics/demo.txt")"
kill "$server"
wait "$server" || true
server=

say "8. Measured on the test topics, by what they ask for"
"$frontload" eval --queries "$topics/queries.jsonl" --qrels "$topics/qrels/test.tsv" --by type --measures "R@10 RR" \
    --system "text alone=$large@plain" --system "135M handles=$small" --system "large handles=$large"

say "To look around, with a page: frontload --index $large --config $topics/frontload.toml serve"
