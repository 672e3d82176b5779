//! Expected values: the Dockerfile reference, section "Environment replacement", and what Docker's builder and
//! bash give for the same words.

use std::collections::BTreeMap;

use super::{Expander, Expansion, MAX_DEPTH, Mode, Problem, Unset};

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn expand(word: &str, pairs: &[(&str, &str)]) -> Expansion {
    Expander::new('\\').expand(word, &variables(pairs)).unwrap_or_else(|error| panic!("{word}: {error}"))
}

fn text(word: &str, pairs: &[(&str, &str)]) -> String {
    expand(word, pairs).text
}

fn problem(word: &str, pairs: &[(&str, &str)]) -> Problem {
    match Expander::new('\\').expand(word, &variables(pairs)) {
        Ok(expansion) => panic!("{word} gave {expansion:?}"),
        Err(error) => error.problem,
    }
}

const HOME: [(&str, &str); 4] = [("PWD", "/home"), ("SHELL", "bash"), ("KOREAN", "한국어"), ("NULL", "")];

#[test]
fn plain_words_quotes_and_escapes() {
    for (word, expected) in [
        ("", ""),
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he'llo w'orld", "hello world"),
        (r"he\'llo", "he'llo"),
        (r"he\\llo", r"he\llo"),
        (r"he\llo", "hello"),
        (r"hello\", "hello"),
        (r"hello\\", r"hello\"),
        (r#"abc"def""#, "abcdef"),
        (r#""he'llo""#, "he'llo"),
        (r#""he\"llo""#, r#"he"llo"#),
        (r#""he\\llo""#, r"he\llo"),
        (r#""he\llo""#, r"he\llo"),
        (r"'he\\llo'", r"he\\llo"),
        (r"'he$PWD'", "he$PWD"),
        (r#"'he"llo'"#, r#"he"llo"#),
        ("한글", "한글"),
        (r#""한글"$KOREAN"#, "한글한국어"),
    ] {
        assert_eq!(text(word, &HOME), expected, "{word}");
    }
}

#[test]
fn variables_with_and_without_braces() {
    for (word, expected) in [
        ("$PWD", "/home"),
        ("${PWD}", "/home"),
        ("$PWD/x", "/home/x"),
        ("${PWD}x", "/homex"),
        ("$PWDx", ""),
        ("x$PWD$SHELL", "x/homebash"),
        (r"\$PWD", "$PWD"),
        (r"\${PWD}", "${PWD}"),
        (r#""\$PWD""#, "$PWD"),
        (r#""$PWD""#, "/home"),
        (r#""${PWD}/'x'""#, "/home/'x'"),
        (r"\\$PWD", r"\/home"),
        ("$", "$"),
        ("$.", "$."),
        ("a$ b", "a$ b"),
        ("$1", ""),
        ("$11x", "x"),
        ("$1x", "x"),
        ("$$PWD", "PWD"),
        ("$@x", "x"),
        ("$NULL.", "."),
    ] {
        assert_eq!(text(word, &HOME), expected, "{word}");
    }
}

#[test]
fn defaults_alternatives_and_requirements() {
    for (word, expected) in [
        ("${NONE:-a}", "a"),
        ("${NULL:-a}", "a"),
        ("${PWD:-a}", "/home"),
        ("${NONE-a}", "a"),
        ("${NULL-a}", ""),
        ("${PWD-a}", "/home"),
        ("${NONE:+a}", ""),
        ("${NULL:+a}", ""),
        ("${PWD:+a}", "a"),
        ("${NONE+a}", ""),
        ("${NULL+a}", "a"),
        ("${NONE:-}", ""),
        ("${NONE:-$PWD}", "/home"),
        ("${NONE:-${PWD}/${SHELL}}", "/home/bash"),
        ("${NONE:-${NULL:-${SHELL:+deep}}}", "deep"),
        ("${NONE:-'}'}", "}"),
        (r#"${NONE:-"}"}"#, "}"),
        (r"${NONE:-\}}", "}"),
        ("${NONE:-a b}", "a b"),
        ("${PWD:?gone}", "/home"),
        ("${NULL?gone}", ""),
    ] {
        assert_eq!(text(word, &HOME), expected, "{word}");
    }
    let required =
        |name: &str, message: &str| Problem::Required { name: name.into(), message: message.into() };
    assert_eq!(problem("${NONE:?say $PWD}", &HOME), required("NONE", "say /home"));
    assert_eq!(problem("${NULL:?no}", &HOME), required("NULL", "no"));
    assert_eq!(problem("${NONE?}", &HOME), required("NONE", "is not allowed to be unset"));
    assert_eq!(problem("${NULL:?}", &HOME), required("NULL", "is not allowed to be empty"));
}

#[test]
fn patterns_cut_and_replace() {
    let string = |word: &str, value: &str, expected: &str| {
        assert_eq!(text(word, &[("x", value), ("y", "b"), ("slash", "/")]), expected, "{word} of {value}");
    };
    // The examples of the reference.
    string("${x#f*b}", "foobarbaz", "arbaz");
    string("${x##f*b}", "foobarbaz", "az");
    string("${x%b*}", "foobarbaz", "foobar");
    string("${x%%b*}", "foobarbaz", "foo");
    string("${x/ba/fo}", "foobarbaz", "fooforbaz");
    string("${x//ba/fo}", "foobarbaz", "fooforfoz");
    // As bash has it.
    string("${x#nothing}", "foobarbaz", "foobarbaz");
    string("${x#}", "abc", "abc");
    string("${x#*}", "abc", "abc");
    string("${x##*}", "abc", "");
    string("${x##*/}", "/usr/lib/libc.so", "libc.so");
    string("${x%/*}", "/usr/lib/libc.so", "/usr/lib");
    string("${x%%.*}", "a.b.c", "a");
    string("${x%.*}", "a.b.c", "a.b");
    string("${x#?}", "한국어", "국어");
    string("${x%?}", "한국어", "한국");
    string(r"${x#\*}", "*a", "a");
    string(r"${x#\?}", "ab", "ab");
    string("${x#$y}", "bcd", "cd");
    string(r"${x#()[]{\}^$.\*\?|\\}", r"()[]{}^$.*?|\x", "x");
    string(r"${x%%\**\*}", "a***yy*", "a");
    string("${x/?/-}", "abc", "-bc");
    string("${x//?/-}", "abc", "---");
    string("${x//*/-}", "abc", "-");
    string(r"${x//\//.}", "/a/b", ".a.b");
    string("${x/$slash/}", "/a/b", "a/b");
    string("${x/b*d/-}", "abcdcd", "a-");
}

#[test]
fn broken_words() {
    for (word, expected) in [
        ("'abc", Problem::SingleQuote),
        ("\"abc", Problem::DoubleQuote),
        (r#""abc\""#, Problem::DoubleQuote),
        ("${", Problem::Brace),
        ("${PWD", Problem::Brace),
        ("${PWD:-x", Problem::Brace),
        ("${PWD:-${SHELL}", Problem::Brace),
        ("${}", Problem::Substitution),
        ("${:}", Problem::Substitution),
        ("${{PWD}}", Problem::Substitution),
        ("${PWD=x}", Problem::Modifier("=".into())),
        ("${PWD:=x}", Problem::Modifier(":=".into())),
        ("${PWD:x}", Problem::Modifier(":x".into())),
        ("${PWD/x}", Problem::Slash),
        ("${PWD//x}", Problem::Slash),
        (r"${PWD#\x}", Problem::PatternEscape("x".into())),
    ] {
        assert_eq!(problem(word, &HOME), expected, "{word}");
        assert_eq!(Expander::new('\\').check(word).map_err(|error| error.problem), Err(expected), "{word}");
    }
}

#[test]
fn an_error_says_where() {
    let error = Expander::new('\\').check("ab ${PWD:-'x}").unwrap_err();
    assert_eq!((error.offset, error.problem), (10, Problem::SingleQuote));
    let error = Expander::new('\\').check("ab ${PWD:-x").unwrap_err();
    assert_eq!((error.offset, error.problem), (3, Problem::Brace));
}

#[test]
fn a_check_does_not_ask_for_values() {
    assert_eq!(Expander::new('\\').check("${NONE:?message}"), Ok(()));
}

#[test]
fn words_split_at_unquoted_space_even_from_variables() {
    let pairs = [("two", "a b"), ("tabs", "\t c\td "), ("none", "")];
    for (word, expected) in [
        ("hello", vec!["hello"]),
        (" hello  world ", vec!["hello", "world"]),
        ("'hello world'", vec!["hello world"]),
        (r"hello\ world", vec!["hello world"]),
        ("x$two", vec!["xa", "b"]),
        (r#""$two""#, vec!["a b"]),
        ("$two$two", vec!["a", "ba", "b"]),
        ("${two}$tabs-", vec!["a", "b", "c", "d", "-"]),
        ("$none", vec![]),
        ("''", vec![]),
    ] {
        assert_eq!(expand(word, &pairs).words, expected, "{word}");
    }
}

#[test]
fn the_escape_character_can_be_another() {
    let pairs = variables(&[("dir", r"c:\x")]);
    let expander = Expander::new('`');
    let text = |word| expander.expand(word, &pairs).map(|expansion| expansion.text);
    assert_eq!(text(r"c:\a\$dir"), Ok(r"c:\a\c:\x".to_owned()));
    assert_eq!(text("`$dir"), Ok("$dir".to_owned()));
    assert_eq!(text("\"`\"a`b\""), Ok("\"a`b".to_owned()));
}

#[test]
fn text_mode_leaves_quotes_alone() {
    let expander = Expander::new('\\').mode(Mode::Text);
    let pairs = variables(&[("a", "1")]);
    let result = expander.expand("it's \"$a\" \\$a '${a}'\n", &pairs);
    assert_eq!(result.map(|expansion| expansion.text), Ok("it's \"1\" $a '1'\n".to_owned()));
}

#[test]
fn raw_mode_keeps_what_is_written() {
    let expander = Expander::new('\\').mode(Mode::Raw);
    for word in [r#"a 'b c' "d""#, "$x", "${x}", "${x:-y}", "${x/a/b}", r"a\ b", "${x#y}"] {
        assert_eq!(expander.expand(word, &Unset).map(|expansion| expansion.text), Ok(word.to_owned()));
    }
}

#[test]
fn variables_are_reported() {
    let pairs = [("FOO", "xxx"), ("BAR", "")];
    let names = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    let expansion = expand("${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc} $QUX", &pairs);
    assert_eq!(expansion.text, "xxx bbb ccc ");
    assert_eq!(names(&expansion.used), ["BAR", "FOO"]);
    assert_eq!(names(&expansion.undefined), ["BAZ", "QUX"]);
    assert_eq!(names(&expansion.missing), ["QUX"]);
    assert_eq!(names(&Expander::new('\\').mentions("$a '$b' ${c:-$d}")), ["a", "c", "d"]);
}

#[test]
fn nesting_and_growth_have_bounds() {
    let deep = |depth: usize| format!("{}x{}", "${a:-".repeat(depth), "}".repeat(depth));
    assert_eq!(text(&deep(MAX_DEPTH), &[]), "x");
    assert_eq!(problem(&deep(MAX_DEPTH + 1), &[]), Problem::Depth);
    assert_eq!(problem(&deep(100_000), &[]), Problem::Depth);
    let million = "y".repeat(1 << 20);
    assert_eq!(problem(&"$x".repeat(100), &[("x", &million)]), Problem::Length);
    assert_eq!(problem("${x//y/$x}", &[("x", &million)]), Problem::Length);
}
