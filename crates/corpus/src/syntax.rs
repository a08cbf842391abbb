//! The grammars of programming languages, and which definitions a program consists of.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use text_splitter::CodeSplitter;
use tree_sitter::{Language, Node, ParseOptions, ParseState, Parser, Point};

use crate::sections::Section;

/// How the kinds of nodes end that define something, in all of the grammars.
const DEFINITIONS: [&str; 6] = ["_declaration", "_definition", "_item", "_module", "_spec", "_specifier"];
/// The splitter goes through a program once for every level it is nested: with 20,000 of them it does not return.
const DEEPEST: usize = 512;
/// How long the parsers may take over one document, and over each MiB of it. Ordinary programs take a hundredth of that;
/// six kilobytes of JavaScript's arrows, called C, took thirteen seconds.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_A_MIB: Duration = Duration::from_secs(2);
/// How deep a name in C may be wrapped: `int (*(*f)(void))[3]` is ordinary.
const DECLARATORS: usize = 16;

/// The grammar of a language, if it is one that is parsed.
pub(crate) fn grammar(language: &str) -> Option<Language> {
    let grammar = match language {
        "rust" => tree_sitter_rust::LANGUAGE,
        "python" => tree_sitter_python::LANGUAGE,
        "javascript" => tree_sitter_javascript::LANGUAGE,
        "typescript" => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        "tsx" => tree_sitter_typescript::LANGUAGE_TSX,
        "go" => tree_sitter_go::LANGUAGE,
        "java" => tree_sitter_java::LANGUAGE,
        "c" => tree_sitter_c::LANGUAGE,
        _ => return None,
    };
    Some(grammar.into())
}

/// When the parsers are to be done with a document.
pub(crate) struct Patience(Instant);

impl Patience {
    /// For a document of this length.
    pub fn with(text: &str) -> Self {
        let mib = text.len() as f64 / f64::from(1 << 20);
        Self(Instant::now() + PATIENCE + PATIENCE_A_MIB.mul_f64(mib))
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// The pieces of a program of at most so many characters, cut between definitions, then statements.
/// None if it is nested too deep for that, it takes too long, or the grammar is not one the splitter takes.
pub(crate) fn pieces<'a>(
    text: &'a str,
    grammar: &Language,
    chars: usize,
    patience: &Patience,
) -> Option<Vec<(usize, &'a str)>> {
    let mut deepest = 0;
    walk(text, grammar, patience, |_, depth| deepest = deepest.max(depth))?;
    if deepest > DEEPEST {
        return None;
    }
    let splitter = CodeSplitter::new(grammar.clone(), chars).ok()?;
    Some(splitter.chunk_indices(text).collect())
}

/// Everything that is defined in a program, in the order it begins in; nothing when parsing it takes too long.
pub(crate) fn definitions(text: &str, grammar: &Language, patience: &Patience) -> Vec<Section> {
    let mut definitions = Vec::new();
    let _ = walk(text, grammar, patience, |node, _| {
        if let Some(name) = name(node).and_then(|name| text.get(name.byte_range())) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            definitions.push(Section { start: node.start_byte(), end: node.end_byte(), name });
        }
    });
    definitions
}

/// Visits every node of a program's tree, parents before their children, with its depth. None when it is not parsed.
fn walk(text: &str, grammar: &Language, patience: &Patience, mut visit: impl FnMut(Node<'_>, usize)) -> Option<()> {
    let mut parser = Parser::new();
    parser.set_language(grammar).ok()?;
    let mut look = |_: &ParseState| if patience.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let options = ParseOptions::new().progress_callback(&mut look);
    let rest = &mut |at: usize, _: Point| text.as_bytes().get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(rest, None, Some(options))?;
    // Along a cursor rather than by calls: programs may be nested deeper than the stack.
    let mut cursor = tree.walk();
    // The cursor would count it afresh for every node.
    let mut depth = 0;
    loop {
        visit(cursor.node(), depth);
        if cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Some(());
            }
            depth -= 1;
        }
    }
}

/// What a node defines.
fn name(node: Node<'_>) -> Option<Node<'_>> {
    let kind = node.kind();
    if kind == "impl_item" {
        return node.child_by_field_name("type");
    }
    // `const quay = () => …` is how JavaScript often defines functions.
    let holds_function = || {
        let value = node.child_by_field_name("value").map(|value| value.kind());
        value.is_some_and(|kind| matches!(kind, "arrow_function" | "function_expression" | "class"))
    };
    let defines =
        DEFINITIONS.iter().any(|end| kind.ends_with(end)) || kind == "variable_declarator" && holds_function();
    if !defines {
        return None;
    }
    let named = node.child_by_field_name("name");
    // C wraps a function's name in what the function gives.
    if named.is_none() && kind == "function_definition" { declared(node) } else { named }
}

fn declared(function: Node<'_>) -> Option<Node<'_>> {
    let mut node = function.child_by_field_name("declarator")?;
    for _ in 0..DECLARATORS {
        // The grammar gives what stands in parentheses no name of its own.
        let inner = if node.kind() == "parenthesized_declarator" { node.named_child(0) } else { None };
        match inner.or_else(|| node.child_by_field_name("declarator")) {
            Some(inner) => node = inner,
            None => return Some(node),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::Around;

    /// What the first `x` in a program is defined in.
    fn check(language: &str, text: &str, expected: &[&str]) {
        let definitions = definitions(text, &grammar(language).expect(language), &Patience::with(text));
        let at = text.find('x').expect("an x");
        assert_eq!(Around::new(&definitions).names(at, at + 1), expected, "{text}");
    }

    #[test]
    fn definitions_are_named() {
        check("rust", "mod quay { impl<T> Bar for Fog<T> { fn salt() { x } } }", &["quay", "Fog<T>", "salt"]);
        check("rust", "fn quay() {}\nfn bar() { if a { x } }", &["bar"]);
        check("python", "class Quay:\n    @property\n    def bar(self):\n        x\n", &["Quay", "bar"]);
        check("javascript", "class Quay { bar() { x } }", &["Quay", "bar"]);
        check("javascript", "const quay = () => { function bar() { x } }", &["quay", "bar"]);
        check("typescript", "namespace quay { interface Bar { x: number } }", &["quay", "Bar"]);
        check("tsx", "function Quay() { return <p>{x}</p> }", &["Quay"]);
        check("go", "package p\nfunc (q Quay) Bar() { x() }", &["Bar"]);
        check("java", "class Quay { void bar() { x(); } }", &["Quay", "bar"]);
        check("c", "static char *(*quay(int a))(void) { x(); }", &["quay"]);
    }

    #[test]
    fn whatever_it_is_fed_it_returns() {
        for language in ["rust", "python", "javascript", "c"] {
            let grammar = grammar(language).expect(language);
            let patience = Patience::with("");
            definitions("fn ) class {{ \u{0} é def", &grammar, &patience);
            definitions(&"{(".repeat(50_000), &grammar, &patience);
            pieces("fn ) class {{ \u{0} é def", &grammar, 4, &patience);
        }
        assert!(grammar("shell").is_none());
        let grammar = grammar("javascript").expect("it is parsed");
        let is_cut = |levels| {
            let text = format!("{}a", "a=>".repeat(levels));
            pieces(&text, &grammar, 1800, &Patience::with(&text)).is_some()
        };
        assert!(is_cut(100) && !is_cut(20_000));
    }

    #[test]
    fn what_takes_the_parser_too_long_is_not_parsed() {
        let text = "a=>".repeat(2000);
        let grammar = grammar("c").expect("it is parsed");
        // To its end it takes fifty times as long.
        let patience = Patience(Instant::now() + Duration::from_millis(50));
        assert!(pieces(&text, &grammar, 24, &patience).is_none());
        let more = "int bar(void) { return 0; }\n".repeat(100);
        assert!(definitions(&more, &grammar, &patience).is_empty(), "there is time left");
        assert!(!definitions(&more, &grammar, &Patience::with(&more)).is_empty());
    }
}
