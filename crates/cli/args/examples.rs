//! What stands below a command's help.

pub const PROGRAM: &str = "\
Examples:
  frontload init --starter letters               begin here
  frontload index letters/                       read, write the handles, publish
  frontload search \"somebody furious about a cow\"
  frontload ask \"What did the mace cost?\"
  frontload serve                                the page, JSON and gRPC on 127.0.0.1:7080

Flags win over the environment (FRONTLOAD_INDEX, FRONTLOAD_MODEL, …), that over ./frontload.toml, and that over the
user's own settings; `frontload config show` says where each value comes from.";

pub const INDEX: &str = "\
Examples:
  frontload index letters/ --dry-run             what it would cost
  frontload index letters/ --budget-minutes 60   an hour now; the same command goes on later
  frontload index letters/ --plan --within 2     how many machines for two hours, from what is in the ledger
  frontload index letters/ --model http://127.0.0.1:8000/v1#qwen
  frontload index letters/ --model 'http://a:8000/v1#qwen,http://b:8000/v1#qwen*3'
  frontload index letters/ --no-handles          the text alone";

pub const SEARCH: &str = "\
Examples:
  frontload search \"somebody furious about a cow\"
  frontload search --compare \"a hushed discovery\"          with and without handles
  frontload search --filter 'meta.year >= 1900' --group \"storm\"
  frontload search --server http://127.0.0.1:7080 \"storm\"   ask a running service";

pub const ASK: &str = "\
Examples:
  frontload ask \"What did the mace cost?\"
  frontload ask --mode extract \"What did the mace cost?\"    without a language model";

pub const SERVE: &str = "\
Examples:
  frontload serve                                 on 127.0.0.1:7080, with the language model
  frontload serve --no-model                      answers are extracted
  frontload key reader --keys keys.toml           then, for others than this machine:
  frontload serve --listen 0.0.0.0:7080 --keys keys.toml --tls-cert cert.pem --tls-key key.pem";

pub const MEASURE: &str = "\
Examples:
  frontload eval --queries q.jsonl --qrels qrels/test.tsv --by type
  frontload ablate --queries q.jsonl --qrels qrels/dev.tsv --html
  frontload tune --queries q.jsonl --qrels qrels/dev.tsv     choose on dev, report on test";
