//! One folder with every form a corpus comes in, read by the program: each is found, and its place leads back.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

fn mixed() -> Bench {
    let bench = Bench::new();
    bench.write("mixed/plain.txt", "The lamplighter overslept on the shortest day.");
    bench.write("mixed/guide.md", "# Guide\n\nIntro.\n\n## Kiln\n\nStoke the kiln with birch until the cones bend.\n");
    bench.write("mixed/manual.rst", "Manual\n======\n\nBoiler\n------\n\nBleed the radiator before the first frost.\n");
    bench.write(
        "mixed/page.html",
        "<html lang=\"en\"><head><title>Notice</title><style>p{}</style></head><body><h1>Ferry</h1>\
         <p>No &quot;crossings&quot; after <b>nine</b> on Sundays.</p><script>var hidden=1</script></body></html>",
    );
    bench.write("mixed/table.csv", "id,title,text,year\nrow-1,Ledger,\"Eleven barrels of herring, two spoilt\",1907\n");
    bench.write(
        "mixed/code.rs",
        "/// Counts the gulls.\nfn count_gulls(harbour: &Harbour) -> usize {\n    harbour.gulls.len()\n}\n",
    );
    // windows-1252, and UTF-16 with its mark.
    bench.write(
        "mixed/old.txt",
        b"Der Gie\xdfer pr\xfcfte die Glocke und fand den Sprung erst am Abend im Licht der Laterne.",
    );
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("The weathercock was regilt.".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    bench.write("mixed/wide.txt", wide);
    bench.write("mixed/.gitignore", "secret.txt\n");
    bench.write("mixed/secret.txt", "The combination is four nine two.");
    bench.write("mixed/blob.bin", b"\0\x01\x02");
    bench.run(&["--json", "index", "--no-handles", "mixed"]).exited(3);
    bench
}

fn first(bench: &Bench, query: &str) -> Value {
    bench.json(&["search", "--lanes", "body.bm25", query])["hits"][0].clone()
}

#[test]
fn every_form_is_read_and_leads_back_to_its_file() {
    let bench = mixed();
    let check = |query: &str, document: &str, words: [&str; 2]| {
        let hit = first(&bench, query);
        assert_eq!(hit["document"], document, "{query}");
        let place = &hit["place"];
        let path = bench.path("mixed").join(place["path"].as_str().expect("a path"));
        let bytes = fs::read(&path).expect("the file");
        let (start, end) = (place["start"].as_u64().expect("a start"), place["end"].as_u64().expect("an end"));
        let slice = match place["unit"].as_str() {
            Some("byte") => bytes[start as usize..end as usize].to_vec(),
            Some("line") => {
                let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
                lines[start as usize - 1..end as usize].concat()
            }
            unit => panic!("{unit:?}"),
        };
        // Only the ASCII words, so that the encoding does not matter; UTF-16's zeros are dropped.
        let text: String = slice.iter().filter(|byte| **byte != 0).map(|&byte| byte as char).collect();
        for word in words {
            assert!(text.contains(word), "{query}: {word} is not in {text:?}");
        }
    };
    check("lamplighter overslept", "plain.txt", ["lamplighter", "day."]);
    check("kiln birch", "guide.md", ["Stoke", "bend."]);
    check("bleed radiator", "manual.rst", ["Bleed", "frost."]);
    check("crossings sundays", "page.html", ["crossings", "Sundays."]);
    check("barrels herring", "row-1", ["Eleven", "spoilt"]);
    check("gulls", "code.rs", ["Counts", "len()"]);
    check("glocke laterne", "old.txt", ["Der", "Laterne."]);
    check("weathercock", "wide.txt", ["The", "regilt."]);
}

#[test]
fn what_a_form_knows_beside_the_text_is_kept() {
    let bench = mixed();
    assert_eq!(first(&bench, "herring")["metadata"]["year"], 1907.0);
    assert_eq!(first(&bench, "crossings")["title"], "Notice");
    assert_eq!(first(&bench, "glocke")["language"], "de");
    // Identifiers are found by their parts, and the ignored file is not found at all.
    assert_eq!(first(&bench, "count")["document"], "code.rs");
    bench.run(&["search", "--lanes", "body.bm25", "combination"]).exited(1);
    let old = bench.json(&["search", "--filter", "meta.year < 1910", "herring"]);
    assert_eq!(old["hits"].as_array().map(Vec::len), Some(1));
}
