//! Source code, told by a file's ending.

/// The name of the language that files with this ending, in lower case, are written in.
pub(crate) fn language(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "rs" => "rust",
        "py" | "pyi" => "python",
        "js" | "mjs" | "cjs" | "jsx" => "javascript",
        "ts" | "mts" | "cts" => "typescript",
        "tsx" => "tsx",
        "go" => "go",
        "java" => "java",
        "c" | "h" => "c",
        "sh" | "bash" => "shell",
        "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" => "c++",
        "cs" => "c#",
        "rb" => "ruby",
        "php" => "php",
        "swift" => "swift",
        "kt" | "kts" => "kotlin",
        "scala" => "scala",
        "sql" => "sql",
        "lua" => "lua",
        _ => return None,
    })
}
