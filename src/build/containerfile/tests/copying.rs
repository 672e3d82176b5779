//! `COPY` and `ADD`.

use super::super::{Add, Copy, Kind, Source, Transfer};
use super::{one, wrong};

fn copy(text: &str) -> Copy {
    match one(text) {
        Kind::Copy(copy) => copy,
        other => panic!("{other:?}"),
    }
}

fn add(text: &str) -> Add {
    match one(text) {
        Kind::Add(add) => add,
        other => panic!("{other:?}"),
    }
}

fn paths(transfer: &Transfer) -> (Vec<String>, String) {
    let path = |source: &Source| match source {
        Source::Path(word) => word.as_str().to_owned(),
        Source::Inline(document) => format!("<<{}", document.name),
    };
    (transfer.sources.iter().map(path).collect(), transfer.destination.as_str().to_owned())
}

fn sources_and_destination(text: &str) -> (Vec<String>, String) {
    paths(&copy(text).transfer)
}

#[test]
fn paths_stay_as_written() {
    assert_eq!(sources_and_destination("COPY a b"), (vec!["a".into()], "b".into()));
    assert_eq!(
        sources_and_destination("COPY a*  $b\t'c' \\\n /d/"),
        (vec!["a*".into(), "$b".into(), "'c'".into()], "/d/".into())
    );
    assert_eq!(
        sources_and_destination(r#"COPY ["a b", "${x}", "/with space/"]"#),
        (vec!["a b".into(), "${x}".into()], "/with space/".into())
    );
    // No JSON, so words.
    assert_eq!(sources_and_destination("COPY [ab] c"), (vec!["[ab]".into()], "c".into()));
}

#[test]
fn flags_of_copy() {
    let copy = copy(
        "COPY --from=base --chown=\"me:us\" --chmod=u=rwX,go=rX --link --parents=true --exclude=*.o --exclude=$x a b",
    );
    assert_eq!(copy.from.as_deref(), Some("base"));
    assert!(copy.parents && copy.transfer.link);
    assert_eq!(copy.transfer.chown.as_ref().map(|word| word.as_str()), Some("me:us"));
    assert_eq!(copy.transfer.chmod.as_ref().map(|word| word.as_str()), Some("u=rwX,go=rX"));
    let exclude: Vec<_> = copy.transfer.exclude.iter().map(|word| word.as_str()).collect();
    assert_eq!(exclude, ["*.o", "$x"]);
    let plain = super::copying::copy("COPY --link=false -- --odd b");
    assert!(!plain.transfer.link && !plain.parents && plain.from.is_none());
    assert_eq!(paths(&plain.transfer).0, ["--odd"]);
}

#[test]
fn flags_of_add() {
    let add = add("ADD --checksum=sha256:$sum --keep-git-dir --unpack=false --chown=1 https://a/b /c");
    assert_eq!(add.checksum.as_ref().map(|word| word.as_str()), Some("sha256:$sum"));
    assert!(add.keep_git_dir);
    assert_eq!(add.unpack, Some(false));
    assert_eq!(super::copying::add("ADD a b").unpack, None);
}

#[test]
fn here_documents_are_sources() {
    let copy = copy("COPY <<a.txt file <<-\"b.txt\" /to/\none $x\na.txt\n\ttwo $x\n\tb.txt\n");
    assert_eq!(
        paths(&copy.transfer),
        (vec!["<<a.txt".into(), "file".into(), "<<b.txt".into()], "/to/".into())
    );
    let variables = std::collections::BTreeMap::from([("x".to_owned(), "1".to_owned())]);
    let text = |source: &Source| match source {
        Source::Inline(document) => document.expanded(&variables).unwrap_or_default(),
        Source::Path(_) => String::new(),
    };
    let texts: Vec<_> = copy.transfer.sources.iter().map(text).collect();
    assert_eq!(texts, ["one 1\n", "", "two $x\n"]);
    assert_eq!(wrong("COPY a <<EOF\nEOF"), (1, 6, "a here-document cannot be the destination".into()));
}

#[test]
fn what_copy_and_add_refuse() {
    let needs = |name: &str| format!("{name} needs a source and a destination");
    assert_eq!(wrong("COPY"), (1, 1, needs("COPY")));
    assert_eq!(wrong("COPY a"), (1, 6, needs("COPY")));
    assert_eq!(wrong("ADD [\"a\"]"), (1, 5, needs("ADD")));
    assert_eq!(wrong("COPY [\"a\", 1]"), (1, 6, "a JSON array of arguments may hold strings only".into()));
    assert_eq!(wrong("COPY --from=$x a b"), (1, 6, "--from cannot hold variables".into()));
    assert_eq!(wrong("COPY --from a b"), (1, 6, "--from needs a value".into()));
    assert_eq!(wrong("COPY --from= a b"), (1, 6, "--from needs a value".into()));
    assert_eq!(wrong("COPY --link=maybe a b"), (1, 6, "--link needs true or false".into()));
    assert_eq!(wrong("COPY --link --link a b"), (1, 13, "the flag --link appears twice".into()));
    assert_eq!(
        wrong("COPY --chmd=1 a b"),
        (1, 6, "unknown flag --chmd of COPY (did you mean chmod?)".into())
    );
    assert_eq!(wrong("ADD --from=a b c"), (1, 5, "unknown flag --from of ADD".into()));
    assert_eq!(
        wrong("COPY \"a b\" c"),
        (1, 6, "unterminated quoted string: the closing \" is missing".into())
    );
}
