//! temp
use crate::{chunk_all, read_corpus};
use std::fs;
struct Rng(u64);
impl Rng {
    fn next(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}
#[test]
fn html() {
    let pieces = [
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "word",
        " ",
        "\r\n",
        "\n",
        "é",
        "&amp;",
        "&eacute;",
        "&lt",
        "&",
        "&#x20;",
        "<",
        "< ",
        "<!-- c -->",
        "<!",
        "</",
        "</>",
        "<h1>",
        "</h1>",
        "<h2 a='b'>",
        "<script>x</script>",
        "<title>t</title>",
        "<pre>",
        "</pre>",
        "#",
        "<br/>",
        "ö",
        "🐄",
        "<div",
        ">",
        "\"",
        "<style>",
        "</style>",
        "<textarea>",
        "</textarea>",
        "<![CDATA[x]]>",
        "&notit;",
        "&#0;",
        "?",
        "<?php",
        "<td>",
        "\t",
        "<head>",
        "</head>",
    ];
    let mut rng = Rng(88172645463325252);
    let folder = tempfile::tempdir().expect("x");
    let path = folder.path().join("a.html");
    let mut words = 0;
    for _ in 0..30000 {
        let html: String = (0..rng.next(30) + 1).map(|_| pieces[rng.next(pieces.len())]).collect();
        fs::write(&path, &html).expect("x");
        let Ok(corpus) = read_corpus(&[path.clone()]) else { continue };
        for chunk in chunk_all(&corpus.documents, Some(12)) {
            let place = chunk.place.expect("x");
            let (a, b) = (place.start as usize, place.end as usize);
            assert!(a <= b && b <= html.len(), "{html:?} {place:?}");
            let slice = html.get(a..b);
            assert!(slice.is_some(), "{html:?} {place:?} {:?}", chunk.text);
            let slice = slice.expect("x");
            for word in ["word", "ö", "🐄", "é"] {
                let n = chunk.text.matches(word).count();
                let m = slice.matches(word).count() + if word == "é" { slice.matches("&eacute;").count() } else { 0 };
                words += n;
                assert!(m >= n, "{word} {html:?} {slice:?} {:?}", chunk.text);
            }
        }
        // every visible char leads to itself or an entity
        let document = &corpus.documents[0];
        for (at, c) in document.text.char_indices() {
            if !(c.is_alphabetic()) {
                continue;
            }
            let place = crate::anchors::place_of(&document.origin, (at as u32, (at + c.len_utf8()) as u32)).expect("x");
            let rest = &html[place.start as usize..];
            assert!(rest.starts_with(c) || rest.starts_with('&'), "{html:?} {at} {c}");
        }
    }
    eprintln!("{words} words");
}
#[test]
fn big() {
    let folder = tempfile::tempdir().expect("x");
    let cases: Vec<(&str, String)> = vec![
        ("a.html", "<p>Fog &amp; salt <b>on</b> the bar.\n".repeat(200_000)),
        ("b.html", "&amp;".repeat(1_600_000)),
        ("c.html", "<h1>a".repeat(1_600_000)),
        ("a.rs", "fn f() { let x = 1; if x { y() } }\n".repeat(200_000)),
        ("b.rs", "{(".repeat(1_000_000)),
        ("a.py", "class A:\n  def f(self):\n    return 1\n".repeat(100_000)),
        ("a.md", "# h\n\ntext and more.\n\n".repeat(300_000)),
        ("b.md", "> ".repeat(500_000)),
        ("d.md", "[".repeat(1_000_000)),
        ("a.rst", "h\n=\n\ntext and more.\n\n".repeat(300_000)),
        ("a.txt", "Fog on the bar. ".repeat(500_000)),
        ("b.txt", "a".repeat(8_000_000)),
        ("c.txt", "a\n".repeat(4_000_000)),
        ("a.csv", format!("id,text\n{}", "1,\"a\nb\"\n".repeat(500_000))),
        ("a.json", format!("[{}{{}}]", "{\"text\":\"a\"},\n".repeat(400_000))),
        ("d.js", "a=>".repeat(500_000)),
        ("d.java", "class A{".repeat(900_000)),
        ("e.md", "# a\n".repeat(2_000_000)),
        ("a.c", "#if\n".repeat(500_000)),
    ];
    for (name, text) in cases {
        let path = folder.path().join(name);
        fs::write(&path, text.as_bytes()).expect("x");
        let t = std::time::Instant::now();
        let corpus = read_corpus(&[path]);
        let read = t.elapsed();
        let t = std::time::Instant::now();
        let chunks = corpus.map(|c| chunk_all(&c.documents, Some(1800)).len()).ok();
        eprintln!("{name} read {read:?} chunk {:?} {chunks:?}", t.elapsed());
    }
    let path = folder.path().join("u.txt");
    let text =
        encoding_rs::WINDOWS_1251.encode(&"Все счастливые семьи похожи друг на друга. ".repeat(190_000)).0.into_owned();
    fs::write(&path, text).expect("x");
    let t = std::time::Instant::now();
    let corpus = read_corpus(&[path]).expect("x");
    eprintln!("1251 {:?} {} anchors", t.elapsed(), corpus.documents[0].origin.anchors.len());
}

#[test]
fn deep() {
    for (lang, piece) in [
        ("javascript", "a=>"),
        ("javascript", "a=>{"),
        ("javascript", "{("),
        ("rust", "if a {"),
        ("rust", "&"),
        ("python", "-"),
        ("c", "(*"),
        ("java", "class A{"),
        ("go", "func(){"),
        ("typescript", "a<"),
        ("tsx", "<a>"),
        ("javascript", "`${"),
        ("python", "["),
    ] {
        for n in [100_000, 400_000] {
            let text = piece.repeat(n);
            let g = crate::syntax::grammar(lang).expect("x");
            let t = std::time::Instant::now();
            let mut parser = tree_sitter::Parser::new();
            parser.set_language(&g).expect("x");
            let tree = parser.parse(&text, None).expect("x");
            let parse = t.elapsed();
            let t = std::time::Instant::now();
            drop(tree);
            let dropped = t.elapsed();
            let t = std::time::Instant::now();
            let d = crate::syntax::definitions(&text, &g).len();
            let defs = t.elapsed();
            let t = std::time::Instant::now();
            let p = if text.len() < 65536 { crate::syntax::pieces(&text, &g, 1800).map(|p| p.len()) } else { None };
            eprintln!(
                "{lang} {piece} {n}: parse {parse:?} drop {dropped:?} defs {defs:?} ({d}) pieces {:?} {p:?}",
                t.elapsed()
            );
        }
    }
}
#[test]
fn ops() {
    let rs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/formats/html.rs")).expect("x");
    let mut cases: Vec<(&str, String)> =
        vec![("rust", rs.repeat(8)), ("rust", "fn f() { let x = 1; if x { y() } }\n".repeat(1800))];
    for n in [500, 1000, 2000, 4000] {
        cases.push(("javascript", format!("=>{}", "a=>".repeat(n))));
        cases.push(("javascript", format!(">{}", "a=>".repeat(n))));
    }
    for (lang, piece) in [
        ("javascript", "a=>"),
        ("javascript", "{("),
        ("rust", "if a {"),
        ("rust", "&"),
        ("python", "-"),
        ("c", "(*"),
        ("java", "class A{"),
        ("go", "func(){"),
        ("typescript", "a<"),
        ("tsx", "<a>"),
        ("javascript", "`${"),
        ("python", "["),
        ("c", "int a; #if\n"),
    ] {
        for cut in 1..piece.len() {
            cases.push((lang, format!("{}{}", &piece[cut..], piece.repeat(2000))));
        }
    }
    for (lang, text) in cases {
        let g = crate::syntax::grammar(lang).expect("x");
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&g).expect("x");
        let mut calls = 0;
        let mut progress = |_: &tree_sitter::ParseState| {
            calls += 1;
            std::ops::ControlFlow::Continue(())
        };
        let t = std::time::Instant::now();
        let options = tree_sitter::ParseOptions::new().progress_callback(&mut progress);
        let tree = parser
            .parse_with_options(&mut |at, _| text.as_bytes().get(at..).unwrap_or_default(), None, Some(options))
            .expect("x");
        let e = t.elapsed();
        let per = calls as f64 / text.len() as f64;
        eprintln!(
            "{lang} {} bytes {} : {e:?} {calls} calls, {per:.4}/byte, {:?}/call err {}",
            &text[..12].trim(),
            text.len(),
            e / calls.max(1),
            tree.root_node().has_error()
        );
    }
}
#[test]
fn hang() {
    for n in [100, 250, 500, 2_000] {
        let text = format!("{};", format!("{}a;\n", "a=>".repeat(n)).repeat(60_000 / n / 3));
        let g = crate::syntax::grammar("javascript").expect("x");
        for (at, w) in crate::windows::windows(&text, 65536) {
            let t = std::time::Instant::now();
            let p = crate::syntax::pieces(w, &g, 1800).map(|p| p.len());
            eprintln!("{n} {at} {} {p:?} {:?}", w.len(), t.elapsed());
        }
    }
}
