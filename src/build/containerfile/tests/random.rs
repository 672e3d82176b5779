//! Whatever comes in, an answer comes out: never a crash, and places that are in the file.

use proptest::prelude::*;

use super::super::Containerfile;
use crate::build::check::{Knowledge, check};
use crate::build::plan::{Plan, Request};

/// Text made of what means something in the language.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "FROM ",
        "FROM a AS b\n",
        "ARG ",
        "ENV ",
        "RUN ",
        "COPY ",
        "ADD ",
        "LABEL ",
        "ONBUILD ",
        "EXPOSE ",
        "VOLUME ",
        "HEALTHCHECK ",
        "SHELL ",
        "USER ",
        "WORKDIR ",
        "CMD ",
        "--from=",
        "--mount=",
        "--platform=",
        "--link ",
        "--",
        "type=cache,",
        "target=/x",
        "from=b",
        "<<EOF ",
        "<<-\"E\" ",
        "\nEOF\n",
        "\nE\n",
        "# ",
        "#check=",
        "#escape=`\n",
        "a",
        "b=c",
        "=",
        "$x",
        "${",
        "}",
        ":-",
        "##*",
        "%%?",
        "//",
        "/",
        "\\",
        "`",
        "\\\n",
        "'",
        "\"",
        "[",
        "]",
        ",",
        "\"a\"",
        "\n",
        "\r\n",
        "\t",
        " ",
        " ",
        "ü",
        "\u{feff}",
        "80/tcp",
        "80-90",
        "0",
        "b",
        "*",
        "\u{7f}",
        "\u{2028}",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn text_is_read_or_refused(text in text(), from in any::<bool>()) {
        let text = if from { format!("FROM x\n{text}") } else { text };
        match Containerfile::parse("f", text.as_bytes()) {
            Ok(file) => {
                let request = Request::default();
                if let Ok(plan) = Plan::new(&file, &request) {
                    prop_assert_eq!(plan.target().map(|stage| stage.index), Some(file.stages.len() - 1));
                }
                let lines = text.split('\n').count();
                for instruction in file.stages.iter().flat_map(|stage| &stage.instructions) {
                    prop_assert!(instruction.text.span.start <= instruction.text.span.end);
                    prop_assert!(instruction.text.span.end.line <= lines);
                }
                if let Ok(found) = check(&file, &Knowledge::default()) {
                    prop_assert!(found.list.iter().all(|finding| finding.position.line <= lines));
                }
            }
            Err(error) => {
                let line = text.split('\n').nth(error.position.line - 1).map(|line| line.chars().count());
                prop_assert!(line.is_some_and(|length| error.position.column <= length + 1), "{}", error);
                prop_assert!(error.report(text.as_bytes()).starts_with("f:"));
            }
        }
    }

    #[test]
    fn bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Containerfile::parse("f", &bytes) {
            prop_assert!(error.report(&bytes).starts_with("f:"));
        }
    }
}
