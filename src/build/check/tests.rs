//! Expected rules and places: those that BuildKit's tests of its checks expect for the same files. An empty line is
//! told by its own place rather than by the end of its instruction, and a variable with a default is no finding.

use std::collections::BTreeMap;

use super::{CheckError, Findings, Knowledge, OptionsError, Rule, check};
use crate::build::containerfile::Containerfile;
use crate::build::ignore::Ignore;

fn findings(text: &str, knowledge: &Knowledge) -> Findings {
    let file =
        Containerfile::parse("Containerfile", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    check(&file, knowledge).unwrap_or_else(|error| panic!("{error}"))
}

/// Rules and lines; the message of each must not be empty.
fn rules(text: &str) -> Vec<(String, usize)> {
    let found = findings(text, &Knowledge::default());
    found.list.iter().map(|finding| (finding.rule.to_string(), finding.position.line)).collect()
}

/// Checks that a file has these findings and no others.
fn expect(text: &str, expected: &[(Rule, usize)]) {
    let expected: Vec<_> = expected.iter().map(|(rule, line)| (rule.to_string(), *line)).collect();
    assert_eq!(rules(text), expected, "{text}");
}

fn messages(text: &str) -> Vec<String> {
    findings(text, &Knowledge::default()).list.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn names_of_stages() {
    expect(
        "FROM scratch AS BadStageName\nFROM scratch as base2\nFROM scratch AS base3\n",
        &[(Rule::StageNameCasing, 1), (Rule::FromAsCasing, 2)],
    );
    expect("from scratch AS base\nfrom scratch as base2\n", &[(Rule::FromAsCasing, 1)]);
    expect("FROM scratch AS b\nFROM scratch AS b\n", &[(Rule::DuplicateStageName, 2)]);
    expect(
        "FROM scratch AS b\nFROM scratch AS B\n",
        &[(Rule::StageNameCasing, 2), (Rule::DuplicateStageName, 2)],
    );
    expect(
        "FROM scratch AS scratch\nFROM scratch AS context\n",
        &[(Rule::ReservedStageName, 1), (Rule::ReservedStageName, 2)],
    );
    expect("FROM scratch\nFROM scratch AS a\n", &[]);
}

#[test]
fn case_of_instructions() {
    let rule = Rule::ConsistentInstructionCasing;
    expect("From scratch as base\nFROM scratch AS base2\n", &[(rule, 1)]);
    expect("frOM scratch as base\nfrom scratch as base2\n", &[(rule, 1)]);
    expect("FROM scratch\ncopy Dockerfile /foo\nCOPY Dockerfile /bar\n", &[(rule, 2)]);
    expect("from scratch\nCOPY Dockerfile /foo\ncopy Dockerfile /bar\n", &[(rule, 2)]);
    expect("from scratch\nCOPY a b\nCOPY a b\nCOPY a b\n", &[(rule, 1)]);
    expect("from scratch\ncopy a b\ncopy a b\n", &[]);
    expect("FROM scratch\nRUN <<'EOT'\nenv\nEOT\n", &[]);
    assert_eq!(messages("FROM a\ncopy a b"), ["copy is not uppercase like most instructions of the file"]);
}

#[test]
fn empty_lines() {
    expect("\nFROM scratch\nCOPY a \\\n\n.\nCOPY a \\\n# comment\n.\n", &[(Rule::NoEmptyContinuation, 4)]);
}

#[test]
fn commands_in_shell_form() {
    let rule = Rule::JSONArgsRecommended;
    expect("FROM scratch\nCMD mycommand\n", &[(rule, 2)]);
    expect("FROM scratch\nENTRYPOINT mycommand\n", &[(rule, 2)]);
    expect("FROM scratch\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\n", &[]);
    expect("FROM scratch\nSHELL [\"/usr/bin/customshell\"]\nCMD mycommand\n", &[]);
    expect("FROM scratch AS base\nSHELL [\"/x\"]\nFROM base\nENTRYPOINT mycommand\n", &[]);
    expect("FROM scratch AS base\nCMD [\"/x\"]\nFROM base\nHEALTHCHECK CMD x\nRUN y\n", &[]);
}

#[test]
fn old_forms() {
    expect("FROM scratch\nMAINTAINER me@example.org\n", &[(Rule::MaintainerDeprecated, 2)]);
    expect("FROM scratch\nLABEL org.opencontainers.image.authors=\"me@example.org\"\n", &[]);
    let rule = Rule::LegacyKeyValueFormat;
    expect("FROM scratch\nENV testkey value\nLABEL key value\n", &[(rule, 2), (rule, 3)]);
    expect("FROM scratch\nENV testkey=value\nLABEL key=value\n", &[]);
}

#[test]
fn arguments_in_from() {
    let rule = Rule::UndefinedArgInFrom;
    for text in [
        "ARG base=scratch\nFROM $base\n",
        "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM scratch\n",
        "FROM --platform=$BUILDPLATFORM scratch\n",
        "ARG DEBUG\nFROM scratch${DEBUG}\n",
        "ARG DEBUG\nFROM scra${DEBUG:-tch}\n",
        "ARG DEBUG=\"\"\nFROM scratch${DEBUG-@bogus}\n",
    ] {
        expect(text, &[]);
    }
    expect("FROM --platform=$BULIDPLATFORM scratch\n", &[(rule, 1)]);
    expect("ARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} busybox\n", &[(rule, 2)]);
    expect("ARG tag=latest\nFROM busybox:${tag}${version} AS b\n", &[(rule, 2)]);
    let message = "no ARG before the first FROM declares BULIDPLATFORM (did you mean BUILDPLATFORM?)";
    assert_eq!(messages("FROM --platform=$BULIDPLATFORM scratch\n"), [message]);
}

#[test]
fn defaults_of_arguments_in_from() {
    let rule = Rule::InvalidDefaultArgInFrom;
    for (text, given) in [
        ("ARG VERSION\nFROM busybox:$VERSION\n", ("VERSION", "latest")),
        ("ARG IMAGE\nFROM $IMAGE\n", ("IMAGE", "busybox:latest")),
        ("ARG SFX=\"box:\"\nFROM busy${SFX}\n", ("SFX", "box:latest")),
    ] {
        expect(text, &[(rule, 2)]);
        let mut knowledge = Knowledge::default();
        knowledge.request.args.insert(given.0.to_owned(), given.1.to_owned());
        assert_eq!(findings(text, &knowledge).list.len(), 1, "{text}");
    }
    expect("ARG VERSION=\"latest\"\nFROM busybox:${VERSION}\n", &[]);
    expect("ARG V=\"\"\nFROM busybox:stable${V}\n", &[]);
    expect("ARG V\nFROM busybox:stable${V}\n", &[]);
}

#[test]
fn platforms_in_from() {
    expect("FROM --platform=$TARGETPLATFORM scratch\n", &[(Rule::RedundantTargetPlatform, 1)]);
    expect("FROM --platform=${TARGETPLATFORM} scratch\n", &[(Rule::RedundantTargetPlatform, 1)]);
    expect("FROM --platform=linux/amd64 scratch\n", &[(Rule::FromPlatformFlagConstDisallowed, 1)]);
    expect("FROM --platform=linux/amd64 scratch AS my_amd64_stage\n", &[]);
    expect("FROM --platform=linux/amd64 scratch AS linux\n", &[]);
}

#[test]
fn working_directories() {
    let rule = Rule::WorkdirRelativePath;
    expect("FROM scratch\nWORKDIR app/\n", &[(rule, 2)]);
    expect("FROM scratch\nWORKDIR app\nWORKDIR /app\nWORKDIR sub\n", &[(rule, 2)]);
    expect("FROM scratch AS a\nWORKDIR /app\nFROM a AS b\nWORKDIR subdir/\n", &[]);
    expect("FROM scratch\nENV dir=/x\nWORKDIR $dir\nWORKDIR y\n", &[]);
}

#[test]
fn variables_that_nothing_sets() {
    let rule = Rule::UndefinedVar;
    expect("FROM scratch\nARG foo\nCOPY Dockerfile${foo} .\n", &[]);
    expect("FROM alpine AS base\nARG foo=Dockerfile\nFROM base\nCOPY $foo .\n", &[]);
    expect("FROM alpine\nRUN echo $PATH $x\nCMD [\"$x\"]\n", &[]);
    expect("FROM alpine\nCOPY $foo .\nARG foo=bar\nRUN echo $foo\n", &[(rule, 2)]);
    expect("ARG foo=x\nFROM alpine\nCOPY $foo .\n", &[(rule, 3)]);
    expect("FROM alpine\nENV PATH=$PATH:/tmp/bin\n", &[]);
    expect("FROM alpine\nENV a=1 b=$a\n", &[(rule, 2)]);
    expect("FROM alpine\nCOPY ${foo:-a} ${bar+b} /\n", &[]);
    expect("FROM alpine\nCOPY <<EOF <<'RAW' /\n$foo\nEOF\n$bar\nRAW\n", &[(rule, 2)]);
    let text = "FROM a\nARG DIR_BINARIES=b/\nARG DIR_ASSETS=a/\nARG DIR_CONFIG=c/\nCOPY $DIR_ASSET .\n";
    assert_eq!(messages(text), ["nothing sets $DIR_ASSET before (did you mean $DIR_ASSETS?)"]);
    assert_eq!(messages("FROM a\nENV PATH=$PAHT:/x"), ["nothing sets $PAHT before (did you mean $PATH?)"]);
    assert_eq!(messages("FROM a\nRUN --mount=target=$dir x"), ["nothing sets $dir before"]);
}

#[test]
fn variables_of_base_images_can_be_known() {
    let environment = BTreeMap::from([("JAVA_HOME".to_owned(), "/java".to_owned())]);
    let environments = BTreeMap::from([("jdk:21".to_owned(), environment)]);
    let knowledge = Knowledge { environments, ..Knowledge::default() };
    let text = "ARG v=21\nFROM jdk:$v\nWORKDIR $JAVA_HOME\nCOPY x $JAVA_HOME\n";
    assert_eq!(findings(text, &knowledge).list, []);
    expect(text, &[(Rule::UndefinedVar, 3), (Rule::UndefinedVar, 4)]);
}

#[test]
fn repeated_instructions() {
    let rule = Rule::MultipleInstructionsDisallowed;
    expect(
        "FROM scratch\nENTRYPOINT [\"/a\"]\nCMD [\"/a\"]\nHEALTHCHECK CMD [\"/a\"]\nCOPY <<EOF /a.txt\nHello\nEOF\n\
         ENTRYPOINT [\"/b\"]\nCMD [\"/b\"]\nHEALTHCHECK CMD [\"/b\"]\n",
        &[(rule, 2), (rule, 3), (rule, 4)],
    );
    expect("FROM scratch AS a\nCMD [\"/a\"]\nFROM a AS b\nCMD [\"/b\"]\n", &[]);
}

#[test]
fn secrets() {
    let rule = Rule::SecretsUsedInArgOrEnv;
    let text = "FROM scratch
ARG SECRET_PASSPHRASE
ENV SUPER_Secret=foo
ENV password=bar secret=baz
ARG super_duper_secret_token=foo auth=bar
ENV apikey=bar sunflower=foo
ENV git_key=
ENV PUBLIC_KEY=
ARG public_token
ENV monkey=1 KEYBOARD=2
";
    expect(text, &[(rule, 2), (rule, 3), (rule, 4), (rule, 4), (rule, 5), (rule, 5), (rule, 6), (rule, 7)]);
    expect("ARG token\nFROM scratch\n", &[(rule, 1)]);
}

#[test]
fn ports() {
    expect(
        "FROM alpine\nEXPOSE 80/TcP 8080/tcp\nEXPOSE 127.0.0.1:80:80\nEXPOSE 80:80 90\nARG p=80\nEXPOSE $p:80\n",
        &[
            (Rule::ExposeProtoCasing, 2),
            (Rule::ExposeInvalidFormat, 3),
            (Rule::ExposeInvalidFormat, 4),
            (Rule::ExposeInvalidFormat, 6),
        ],
    );
    expect("FROM alpine\nEXPOSE 80 53/udp 8000-8010\n", &[]);
}

#[test]
fn files_that_are_ignored() {
    let check = |ignore: &str, text: &str| -> Vec<usize> {
        let ignore = Ignore::parse(ignore).ok();
        let found = findings(text, &Knowledge { ignore, ..Knowledge::default() });
        assert!(found.list.iter().all(|finding| finding.rule == Rule::CopyIgnoredFile), "{found:?}");
        found.list.iter().map(|finding| finding.position.line).collect()
    };
    assert_eq!(check("Dockerfile\n", "FROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n"), [2, 3]);
    let text =
        "FROM scratch AS base\nCOPY Dockerfile /foobar\nFROM base\nCOPY --from=base /foobar /Dockerfile\n";
    assert_eq!(check("foobar\n", text), [0; 0]);
    assert_eq!(
        check("*\n!src\n", "FROM a\nCOPY . /\nCOPY src /\nCOPY *.c /\nADD https://a/b /\nCOPY x /\n"),
        [6]
    );
    // Something in it comes back.
    assert_eq!(check("src\n!src/a\n", "FROM a\nCOPY src /\nCOPY src/a /\nCOPY src/b /\n"), [4]);
    expect("FROM scratch\nCOPY Dockerfile .\n", &[]);
}

#[test]
fn the_directive_says_what_counts() {
    let text = "FROM scratch as base\ncopy Dockerfile .\n";
    let both = [(Rule::FromAsCasing, 2), (Rule::ConsistentInstructionCasing, 3)];
    expect(&format!("#check=skip=all\n{text}"), &[]);
    expect(&format!("# check=error=true\n{text}"), &both);
    expect(&format!("#check=skip=ConsistentInstructionCasing, FromAsCasing\n{text}"), &[]);
    expect(&format!("#check=skip=ConsistentInstructionCasing,Unknown;experimental=all\n{text}"), &both[..1]);
    // The case of names matters.
    expect(&format!("#check=skip=fromascasing\n{text}"), &both);
    let fatal =
        |directive: &str| findings(&format!("#check={directive}\n{text}"), &Knowledge::default()).fatal;
    assert!(fatal("error=true") && fatal("skip=FromAsCasing;error=true"));
    assert!(!fatal("skip=all;error=true") && !fatal("error=false") && !fatal("skip=FromAsCasing"));
    let wrong = |directive: &str| {
        let text = format!("#check={directive}\n{text}");
        let file =
            Containerfile::parse("Containerfile", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        check(&file, &Knowledge::default()).map(drop)
    };
    let error = |error| Err(CheckError::Options { line: 1, error });
    assert_eq!(wrong("error=maybe"), error(OptionsError::Bool("maybe".into())));
    assert_eq!(wrong("ignore=all"), error(OptionsError::Option("ignore=all".into())));
}

#[test]
fn rules_have_names_and_pages() {
    for rule in Rule::ALL {
        assert_eq!(rule.to_string().parse(), Ok(rule));
        assert!(!rule.description().is_empty());
    }
    let page = |rule: Rule| rule.url().replace("https://docs.docker.com/reference/build-checks/", "");
    assert_eq!(page(Rule::JSONArgsRecommended), "json-args-recommended/");
    assert_eq!(page(Rule::SecretsUsedInArgOrEnv), "secrets-used-in-arg-or-env/");
    assert_eq!(page(Rule::FromPlatformFlagConstDisallowed), "from-platform-flag-const-disallowed/");
}
