#!/bin/sh
# What the retrieval bench needs and nothing else does: real text (the Linux kernel's documentation, GPL-2, out of a
# Debian package) and the peers (hnswlib, LanceDB, Chroma and Qdrant Edge Apache-2.0, numpy BSD-3-Clause).
# Prints the folder of the text.
#
# usage: fetch.sh TOOLS_DIR
set -eu

tools=${1:?usage: fetch.sh TOOLS_DIR}
mkdir -p "$tools"
[ -x "$tools/peers/bin/python" ] || python3 -m venv "$tools/peers"
"$tools/peers/bin/pip" install --quiet --disable-pip-version-check \
    hnswlib==0.8.0 lancedb==0.40.0 chromadb==1.5.9 qdrant-edge-py==0.9.0 numpy pyarrow >&2
if [ ! -d "$tools/linux-doc" ]; then
    work=$(mktemp -d "$tools/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get download linux-doc-6.1 >&2 && dpkg-deb -x linux-doc-6.1_*.deb root)
    mkdir "$work/text"
    (cd "$work/root/usr/share/doc/linux-doc-6.1/Documentation" &&
        find . -type f \( -name '*.rst' -o -name '*.rst.gz' -o -name '*.txt' -o -name '*.txt.gz' \)) |
        while IFS= read -r file; do
            mkdir -p "$work/text/$(dirname "$file")"
            zcat -f "$work/root/usr/share/doc/linux-doc-6.1/Documentation/$file" >"$work/text/${file%.gz}"
        done
    mv "$work/text" "$tools/linux-doc"
fi
printf '%s\n' "$tools/linux-doc"
