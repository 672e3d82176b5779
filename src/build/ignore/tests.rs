//! Expected values: what `github.com/moby/patternmatcher`, which Docker and BuildKit use, says of the same patterns
//! when a walk from the root comes to the path.

use std::path::Path;

use super::{Ignore, IgnoreError};

fn parse(text: &str) -> Ignore {
    Ignore::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Checks paths that are ignored and paths that are not.
fn ignores(text: &str, ignored: &[&str], seen: &[&str]) {
    let ignore = parse(text);
    for path in ignored {
        assert!(ignore.is_ignored(Path::new(path)), "{text:?} must ignore {path}");
    }
    for path in seen {
        assert!(!ignore.is_ignored(Path::new(path)), "{text:?} must not ignore {path}");
    }
}

#[test]
fn plain_names_are_relative_to_the_root() {
    for text in ["a/b", "/a/b", "a/b/", "./a//b", "  a/b  ", "a/c/../b"] {
        ignores(text, &["a/b", "a/b/c", "a/b/c/d"], &["a", "b", "x/a/b", "a/bc"]);
    }
}

#[test]
fn wildcards_stay_within_a_name() {
    ignores("*/temp*", &["a/temp", "a/temporary.txt", "a/temp/x"], &["temp", "a/b/temp"]);
    ignores("temp?", &["tempa", "tempb/x"], &["temp", "tempab", "x/tempa"]);
    ignores("*", &["a", ".b", "a/b"], &[]);
    ignores("*.md", &["a.md"], &["b/a.md"]);
    ignores("a[b-d].[^x]", &["ab.y", "ad.z"], &["ae.y", "ab.x", "a.y"]);
    ignores("\\*a", &["*a"], &["ba"]);
    ignores("[\\]\\-]", &["]", "-"], &["a"]);
    ignores("ü?", &["üö"], &["ü"]);
}

#[test]
fn two_stars_span_directories() {
    ignores("**/*.go", &["a.go", "x/a.go", "x/y/a.go"], &["a.gox", "go"]);
    ignores("**/foo", &["foo", "a/foo", "a/b/foo", "foo/x"], &["xfoo", "a/foox"]);
    ignores("a/**", &["a/b", "a/b/c"], &["a", "b"]);
    ignores("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a", "b", "a/xb"]);
    ignores("**", &["a", "a/b"], &[]);
    ignores("**/a*/b", &["ax/b", "x/a/b"], &["ax/y/b"]);
    // Without a slash behind them they need no border of a name at plain text's side.
    ignores("**foo", &["foo", "xfoo", "a/xfoo"], &["foox"]);
    ignores("a**", &["a", "ab", "a/b"], &["ba"]);
}

#[test]
fn exceptions_take_back_in_order() {
    ignores("*.md\n!README.md", &["a.md"], &["README.md"]);
    ignores(
        "*.md\n!README*.md\nREADME-secret.md",
        &["a.md", "README-secret.md"],
        &["README.md", "README-x.md"],
    );
    ignores("*.md\nREADME-secret.md\n!README*.md", &["a.md"], &["README-secret.md"]);
    ignores("docs\n!docs/README.md", &["docs", "docs/a"], &["docs/README.md"]);
    ignores("a\n!a/b\na/b/c", &["a", "a/x", "a/b/c", "a/b/c/d"], &["a/b", "a/b/d"]);
    ignores("*\n! /src\n", &["a"], &["src", "src/x/y"]);
    ignores("a/b\n!a", &["a/b", "a/b/c"], &["a"]);
    ignores("!a", &[], &["a", "b"]);
}

#[test]
fn comments_and_blank_lines() {
    ignores("\u{feff}# a\n\n   \r\na\r\n # b\n#b", &["a", "# b"], &["b", "#b"]);
    assert!(parse("# only\n").is_empty());
}

#[test]
fn the_root_and_what_is_outside_are_never_ignored() {
    for text in ["**", "*", ".", "/", "..", "../a"] {
        ignores(text, &[], &["", ".", "./"]);
    }
    ignores("../a", &[], &["a"]);
    ignores("./", &[], &["a"]);
}

#[test]
fn names_are_compared_clean() {
    ignores("a/b", &["./a/b", "/a/b", "a//b/", "a/x/../b"], &["a/b/.."]);
}

#[test]
fn broken_patterns() {
    for pattern in ["[", "[a", "a[", "[]a]", "[-]", "[x-]", "[^", "a\\", "!", "!/"] {
        let error = IgnoreError { line: 2, pattern: pattern.to_owned() };
        assert_eq!(Ignore::parse(&format!("ok\n{pattern}\n")), Err(error));
    }
    let message = Ignore::parse("[a").map_err(|error| error.to_string());
    assert_eq!(message, Err("line 1: invalid pattern \"[a\"".to_owned()));
}

#[test]
fn directories_are_skipped_only_where_nothing_can_come_back() {
    let skip = |text: &str, directory: &str| parse(text).can_skip(Path::new(directory));
    assert!(skip("a", "a") && skip("a", "a/b"));
    assert!(!skip("a", "b"));
    assert!(!skip("a\n!a/b/c", "a") && !skip("a\n!a/b/c", "a/b"));
    assert!(skip("a\n!a/b/c", "a/x") && skip("a\nb\n!a/b/c", "b"));
    assert!(!skip("a\n!**/c", "a") && !skip("a\n!a*/[bc]", "a"));
    assert!(!skip("a\n!?/b", "a") && skip("ab\n!?/b", "ab"));
    assert!(!skip("a\n!a\na/b\n!a/b/c", "a/b"));
}

#[test]
fn long_patterns_and_paths_take_little_time() {
    let text = format!("{}b", "*a".repeat(500));
    ignores(&text, &[], &[&"a".repeat(500)]);
    ignores(&format!("{}x", "**/".repeat(100)), &[], &[&"a/".repeat(100)]);
}
