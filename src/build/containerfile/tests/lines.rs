//! Lines, comments, directives, here-documents.

use std::time::{Duration, Instant};

use super::super::{CommandLine, Directive, Kind, Position, Run, Script};
use super::{fail, one, read, stage, wrong};

fn command(text: &str) -> String {
    match one(text) {
        Kind::Run(Run { command: CommandLine::Shell(line), .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn comments_go_and_hashes_in_arguments_stay() {
    let text = "# top\n\n   # indented\nRUN echo 'a # b' # c\n#RUN x\n";
    assert_eq!(command(text), "echo 'a # b' # c");
}

#[test]
fn lines_are_joined_at_the_escape_character() {
    assert_eq!(command("RUN echo hello \\\nworld"), "echo hello world");
    assert_eq!(command("RUN echo hello \\ \t\nworld"), "echo hello world");
    assert_eq!(command("RUN echo hello \\\n# comment\n  # another\nworld"), "echo hello world");
    assert_eq!(command("RUN echo \"\\\n     hello\\\n     world\""), "echo \"     hello     world\"");
    assert_eq!(command("RUN a \\\n\n  \n b"), "a  b");
    assert_eq!(command("RUN a\\"), "a");
    assert_eq!(command("\\\nRUN a"), "a");
    assert_eq!(command("RU\\\nN a"), "a");
    // A doubled escape character does not continue.
    assert_eq!(stage("RUN a \\\\\nRUN b").len(), 2);
    assert_eq!(command("   RUN   a  b  "), "a  b");
}

#[test]
fn the_escape_character_may_be_a_backtick() {
    let text = "# escape=`\nFROM scratch\nCOPY a c:\\\nRUN dir `\n c:\\\n";
    let file = read(text);
    assert_eq!(file.directives.escape, '`');
    let lines: Vec<_> = file.stages[0].instructions.iter().map(|i| i.text.line.as_str()).collect();
    assert_eq!(lines, ["COPY a c:\\", "RUN dir  c:\\"]);
}

#[test]
fn directives_stand_at_the_top_only() {
    let file =
        read("#syntax = docker/dockerfile:1\n# CHECK=skip=all;error=true \n#\tescape=\\\nFROM scratch\n");
    let directive = |value: &str, line| Some(Directive { value: value.into(), line });
    assert_eq!(file.directives.syntax, directive("docker/dockerfile:1", 1));
    assert_eq!(file.directives.check, directive("skip=all;error=true", 2));
    for before in ["# about\n", "\n", "# unknown=x\n", "ARG x\n"] {
        let file = read(&format!("{before}# escape=`\nFROM scratch\n"));
        assert_eq!(file.directives.escape, '\\', "{before:?}");
    }
    let error = fail("# escape=\\\n# escape=`\nFROM scratch");
    assert_eq!(error.to_string(), "Containerfile:2:1: the directive \"escape\" appears twice");
    let error = fail("# escape=x\nFROM scratch");
    assert_eq!(error.to_string(), "Containerfile:1:1: \"x\" cannot be the escape character");
}

#[test]
fn byte_order_marks_and_line_endings_of_other_systems() {
    let file = read("\u{feff}# escape=`\r\nFROM scratch\r\nRUN a `\r\n  b\r\n");
    assert_eq!(file.directives.escape, '`');
    assert_eq!(file.stages[0].instructions[0].text.line, "RUN a   b");
    match one("RUN <<EOF\r\na\r\nEOF\r\n") {
        Kind::Run(run) => assert_eq!(run.heredocs[0].content, "a\r\n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_of_instructions_may_have_any_case() {
    let file = read("from scratch As Base\nrUn x\n");
    assert_eq!(file.stages[0].text.keyword, "from");
    assert_eq!(file.stages[0].from.as_keyword.as_deref(), Some("As"));
    assert_eq!(file.stages[0].instructions[0].text.keyword, "rUn");
}

#[test]
fn instructions_know_their_places() {
    let file = read("FROM scratch\n  RUN a \\\n# c\n  bc\nRUN <<E\nx\nE\nUSER ü\n");
    let spans: Vec<_> = file.stages[0].instructions.iter().map(|i| i.text.span).collect();
    let at = |line, column| Position { line, column };
    assert_eq!((spans[0].start, spans[0].end), (at(2, 3), at(4, 5)));
    assert_eq!((spans[1].start, spans[1].end), (at(5, 1), at(7, 2)));
    assert_eq!((spans[2].start, spans[2].end), (at(8, 1), at(8, 7)));
}

#[test]
fn empty_lines_in_joined_lines_are_told() {
    let file = read("FROM scratch\nRUN a \\\n# fine\n\n b\nRUN c \\\n d\n");
    let lines: Vec<_> = file.stages[0].instructions.iter().map(|i| i.text.empty_line).collect();
    assert_eq!(lines, [Some(4), None]);
}

fn heredocs(text: &str) -> Vec<(String, bool, bool, String)> {
    match one(text) {
        Kind::Run(run) => {
            let fields = |d: super::super::Heredoc| (d.name, d.expand, d.chomp, d.content);
            run.heredocs.into_iter().map(fields).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn here_documents() {
    let document =
        |name: &str, expand, chomp, content: &str| (name.to_owned(), expand, chomp, content.to_owned());
    assert_eq!(
        heredocs("RUN cat <<EOF\n# no comment\nRUN \\\n\n\tEOF\nEOF\n"),
        [document("EOF", true, false, "# no comment\nRUN \\\n\n\tEOF\n")]
    );
    assert_eq!(heredocs("RUN cat <<-EOF\n\ta\n\t\tEOF"), [document("EOF", true, true, "\ta\n")]);
    assert_eq!(heredocs("RUN cat <<'E F'\nE F"), [document("E F", false, false, "")]);
    assert_eq!(heredocs("RUN cat <<\"E\"\nx\nE"), [document("E", false, false, "x\n")]);
    assert_eq!(heredocs("RUN cat <<E\"O\"F\nEOF"), [document("EOF", false, false, "")]);
    assert_eq!(
        heredocs("RUN a <<A 5<<B \\\n c\n1\nA\n2\nB\n"),
        [document("A", true, false, "1\n"), document("B", true, false, "2\n")]
    );
    assert_eq!(heredocs("RUN cat <<$X\n$X"), [document("$X", true, false, "")]);
    // None of these is one.
    for text in ["RUN echo '<<EOF'", "RUN a=$((1<<2))", "RUN cat <<<EOF", "RUN cat << EOF", "RUN echo a<<EOF"]
    {
        assert_eq!(heredocs(text), [], "{text}");
    }
    assert_eq!(heredocs("RUN [\"cat\", \"<<EOF\"]"), []);
    assert_eq!(
        wrong("RUN cat <<EOF\nx\n EOF"),
        (1, 9, "unterminated here-document: no line \"EOF\" ends it".into())
    );
}

#[test]
fn here_documents_become_scripts() {
    let script = |text: &str| match one(text) {
        Kind::Run(run) => run.script(),
        other => panic!("{other:?}"),
    };
    assert_eq!(script("RUN <<EOF\na\nb\nEOF"), Script::Shell("a\nb\n".into()));
    assert_eq!(script("RUN <<-EOF\n\ta\n\tEOF"), Script::Shell("a\n".into()));
    let content = "#!/usr/bin/env python3\nprint(1)\n".to_owned();
    assert_eq!(script(&format!("RUN <<EOF\n{content}EOF")), Script::File { name: "EOF".into(), content });
    assert_eq!(
        script("RUN cat <<A <<B > x\n1\nA\n2\nB"),
        Script::Shell("cat <<A <<B > x\n1\nA\n2\nB".into())
    );
    assert_eq!(script("RUN python3 <<EOF\n1\nEOF"), Script::Shell("python3 <<EOF\n1\nEOF".into()));
    assert_eq!(script("RUN [\"a\", \"b\"]"), Script::Exec(vec!["a".into(), "b".into()]));
}

#[test]
fn long_files_take_linear_time() {
    let run = "RUN echo one \\\n # comment\n two\nENV a=b c=\"d e\"\nCOPY a b c/\n";
    let text = format!("FROM scratch\n{}", run.repeat(20_000));
    let start = Instant::now();
    assert_eq!(read(&text).stages[0].instructions.len(), 60_000);
    // One line with as many words, and one instruction with as many lines.
    assert_eq!(stage(&format!("VOLUME {}", "/a ".repeat(100_000))).len(), 1);
    assert_eq!(stage(&format!("RUN a{}", " \\\n a".repeat(100_000))).len(), 1);
    // Debug builds on a busy machine need 2 s; a quadratic reader would need minutes.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
