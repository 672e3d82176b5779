//! The other instructions.

use std::time::Duration;

use super::super::{CommandLine, Containerfile, Health, Kind, Pairs, Word};
use super::{one, read, wrong};

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(Word::as_str).collect()
}

#[test]
fn stages() {
    let file = read(
        "ARG v=12\nARG a b\nFROM --platform=$BUILDPLATFORM debian:$v AS Base-1.x_y\nRUN x\nFROM Base-1.x_y\n",
    );
    assert_eq!(file.globals.len(), 2);
    let from = &file.stages[0].from;
    assert_eq!(from.image.as_str(), "debian:$v");
    assert_eq!(from.platform.as_ref().map(Word::as_str), Some("$BUILDPLATFORM"));
    assert_eq!(from.name.as_deref(), Some("Base-1.x_y"));
    assert_eq!(file.stages[0].instructions.len(), 1);
    assert_eq!((file.stages[1].from.name.as_deref(), file.stages[1].from.platform.as_ref()), (None, None));
    let needs = "FROM needs an image, and AS and a name if the stage has one";
    for text in ["FROM", "FROM a b", "FROM a AS", "FROM a AS b c", "FROM a is b"] {
        assert_eq!(wrong(text).2, needs, "{text}");
    }
    assert_eq!(wrong("FROM a AS 1b"), (1, 11, "invalid stage name \"1b\"".into()));
    assert_eq!(wrong("FROM a AS b/c"), (1, 11, "invalid stage name \"b/c\"".into()));
    assert_eq!(wrong("FROM --platfrom=x a").2, "unknown flag --platfrom of FROM (did you mean platform?)");
}

fn pairs(text: &str) -> (Vec<(String, String)>, bool) {
    match one(text) {
        Kind::Env(Pairs { pairs, legacy }) | Kind::Label(Pairs { pairs, legacy }) => {
            let texts =
                pairs.iter().map(|pair| (pair.name.as_str().to_owned(), pair.value.as_str().to_owned()));
            (texts.collect(), legacy)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn environment_and_labels() {
    let expected = |list: &[(&str, &str)], legacy| {
        (list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>(), legacy)
    };
    assert_eq!(
        pairs(
            r#"ENV MY_NAME="John Doe" MY_DOG=Rex\ The\ Dog \
            MY_CAT=fluffy"#
        ),
        expected(&[("MY_NAME", r#""John Doe""#), ("MY_DOG", r"Rex\ The\ Dog"), ("MY_CAT", "fluffy")], false)
    );
    assert_eq!(pairs("ENV a= b='x y'z c==d"), expected(&[("a", ""), ("b", "'x y'z"), ("c", "=d")], false));
    assert_eq!(pairs("ENV ONE TWO= THREE=world"), expected(&[("ONE", "TWO= THREE=world")], true));
    assert_eq!(pairs("LABEL \"com.example.a b\"=x"), expected(&[("\"com.example.a b\"", "x")], false));
    assert_eq!(pairs("LABEL a   b  c"), expected(&[("a", "b  c")], true));
    // An escape character at the end escapes nothing.
    assert_eq!(pairs("ENV a=b \\ \\\n\n"), expected(&[("a", "b")], false));
    assert_eq!(pairs("ENV a=b\\ \\\n\n"), expected(&[("a", "b")], false));
    assert_eq!(wrong("ENV"), (1, 1, "ENV needs name=value".into()));
    assert_eq!(wrong("ENV a"), (1, 5, "ENV needs name=value".into()));
    assert_eq!(wrong("ENV a=b c"), (1, 9, "\"c\" holds no =".into()));
    assert_eq!(wrong("LABEL =b"), (1, 7, "the name before = is empty".into()));
    assert_eq!(
        wrong("ENV a=b c=\"d e"),
        (1, 11, "unterminated quoted string: the closing \" is missing".into())
    );
    assert_eq!(wrong("ENV a=1 \\\n  b=${c"), (2, 5, "the closing } of ${ is missing".into()));
    assert_eq!(wrong("ENV a=${b!c}"), (1, 10, "unknown modifier \"!\" in ${…}".into()));
    assert_eq!(wrong("ENV --x a=b").2, "unknown flag --x of ENV");
}

#[test]
fn arguments() {
    let args = |text: &str| match one(text) {
        Kind::Arg(args) => args
            .into_iter()
            .map(|arg| (arg.name, arg.default.map(|word| word.as_str().to_owned())))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let value = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(args("ARG a"), [value("a", None)]);
    assert_eq!(
        args("ARG a b=c d=\"e f\" g= 'h'=i"),
        [
            value("a", None),
            value("b", Some("c")),
            value("d", Some("\"e f\"")),
            value("g", Some("")),
            value("h", Some("i"))
        ]
    );
    assert_eq!(wrong("ARG"), (1, 1, "ARG needs a name".into()));
    assert_eq!(wrong("ARG a =b"), (1, 7, "the name before = is empty".into()));
    assert_eq!(wrong("ARG $a=b"), (1, 5, "the name of an ARG cannot hold variables".into()));
}

#[test]
fn commands() {
    let exec = |arguments: &[&str]| CommandLine::Exec(arguments.iter().map(|&text| text.into()).collect());
    assert_eq!(one("CMD a b"), Kind::Cmd(CommandLine::Shell("a b".into())));
    assert_eq!(one("CMD [\"a\", \"$b\"]"), Kind::Cmd(exec(&["a", "$b"])));
    assert_eq!(one("CMD []"), Kind::Cmd(exec(&[])));
    assert_eq!(one("CMD"), Kind::Cmd(exec(&[])));
    assert_eq!(one("ENTRYPOINT [\"a\"]"), Kind::Entrypoint(exec(&["a"])));
    assert_eq!(one("ENTRYPOINT exec a"), Kind::Entrypoint(CommandLine::Shell("exec a".into())));
    assert_eq!(
        one("SHELL [\"powershell\", \"-command\"]"),
        Kind::Shell(vec!["powershell".into(), "-command".into()])
    );
    for text in ["SHELL", "SHELL a b", "SHELL []", "SHELL [\"a\""] {
        assert_eq!(wrong(text).2, "SHELL needs a JSON array such as [\"/bin/sh\", \"-c\"]", "{text}");
    }
    assert_eq!(wrong("CMD --x").2, "unknown flag --x of CMD");
}

#[test]
fn words_of_the_configuration() {
    let word = |kind| match kind {
        Kind::User(word) | Kind::Workdir(word) | Kind::Stopsignal(word) => word.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(word(one("USER $me:us")), "$me:us");
    assert_eq!(word(one("WORKDIR /a b")), "/a b");
    assert_eq!(word(one("STOPSIGNAL SIGTERM")), "SIGTERM");
    assert_eq!(one("MAINTAINER Me $x <me@example.org>"), Kind::Maintainer("Me $x <me@example.org>".into()));
    for (text, needs) in [
        ("USER", "USER needs a user"),
        ("WORKDIR", "WORKDIR needs a directory"),
        ("STOPSIGNAL", "STOPSIGNAL needs a signal"),
        ("MAINTAINER", "MAINTAINER needs a name"),
        ("VOLUME", "VOLUME needs a path that is not empty"),
        ("VOLUME [\"\"]", "VOLUME needs a path that is not empty"),
        ("EXPOSE", "EXPOSE needs a port"),
        ("ONBUILD", "ONBUILD needs an instruction"),
        ("HEALTHCHECK", "HEALTHCHECK needs NONE, or CMD and a command"),
    ] {
        assert_eq!(wrong(text).2, needs);
    }
}

#[test]
fn lists_of_the_configuration() {
    let list = |kind| match kind {
        Kind::Volume(words) | Kind::Expose(words) => texts(&words).join("|"),
        other => panic!("{other:?}"),
    };
    assert_eq!(list(one("VOLUME /a  $b")), "/a|$b");
    assert_eq!(list(one("VOLUME [\"/a b\", \"/c\"]")), "/a b|/c");
    assert_eq!(
        list(one("EXPOSE 80 443/tcp 53/udp 8000-8010 $port/tcp")),
        "80|443/tcp|53/udp|8000-8010|$port/tcp"
    );
    assert_eq!(
        wrong("EXPOSE 80 http"),
        (1, 11, "EXPOSE: \"http\" is neither a port nor a range of ports".into())
    );
    assert_eq!(wrong("EXPOSE 80/icmp").2, "EXPOSE: unknown protocol \"icmp\"");
}

#[test]
fn health_checks() {
    assert_eq!(one("HEALTHCHECK NONE"), Kind::Healthcheck(Health::None));
    let health = |text: &str| match one(text) {
        Kind::Healthcheck(Health::Command(command)) => command,
        other => panic!("{other:?}"),
    };
    let check = health(
        "HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --start-interval=500ms --retries=4 \\\n CMD curl -f x || exit 1",
    );
    assert_eq!(check.command, CommandLine::Shell("curl -f x || exit 1".into()));
    assert_eq!(check.interval, Some(Duration::from_secs(300)));
    assert_eq!(check.timeout, Some(Duration::from_secs(3)));
    assert_eq!(check.start_period, Some(Duration::from_secs(90)));
    assert_eq!(check.start_interval, Some(Duration::from_millis(500)));
    assert_eq!(check.retries, Some(4));
    let check = health("HEALTHCHECK --interval=0s --retries=0 cmd [\"a\", \"b\"]");
    assert_eq!(check.command, CommandLine::Exec(vec!["a".into(), "b".into()]));
    assert_eq!((check.interval, check.retries), (None, None));
    let time = "needs a duration of 1ms or more, such as 30s or 1m30s";
    assert_eq!(wrong("HEALTHCHECK --interval=1us CMD a").2, format!("--interval {time}"));
    assert_eq!(wrong("HEALTHCHECK --timeout=5 CMD a").2, format!("--timeout {time}"));
    assert_eq!(wrong("HEALTHCHECK --retries=-1 CMD a").2, "--retries needs a number, 0 or more");
    for text in ["HEALTHCHECK NONE x", "HEALTHCHECK curl x"] {
        assert_eq!(wrong(text), (1, 13, "HEALTHCHECK needs NONE, or CMD and a command".into()));
    }
    assert_eq!(wrong("HEALTHCHECK CMD").2, "HEALTHCHECK needs a command behind CMD");
}

#[test]
fn triggers() {
    let onbuild = |text: &str| match one(text) {
        Kind::Onbuild(onbuild) => (onbuild.text, onbuild.trigger.name()),
        other => panic!("{other:?}"),
    };
    assert_eq!(onbuild("ONBUILD RUN --mount=target=/a  x  y"), ("RUN --mount=target=/a  x  y".into(), "RUN"));
    assert_eq!(onbuild("onbuild copy --from=a b c"), ("copy --from=a b c".into(), "COPY"));
    let text = "COPY <<EOF /x\na\nEOF";
    assert_eq!(onbuild(&format!("ONBUILD {text}\n")), (text.into(), "COPY"));
    let trigger = Containerfile::parse_trigger(text).map(|instruction| instruction.kind.name());
    assert_eq!(trigger, Ok("COPY"));
    for name in ["ONBUILD", "FROM", "MAINTAINER"] {
        let message = format!("{name} cannot be a trigger of ONBUILD");
        assert_eq!(wrong(&format!("ONBUILD {name} RUN x")), (1, 9, message.clone()));
        let error = Containerfile::parse_trigger(&format!("{name} ADD")).map_err(|error| error.to_string());
        assert_eq!(
            error.map(drop),
            Err(if name == "ONBUILD" {
                "ONBUILD:1:9: ADD needs a source and a destination".into()
            } else {
                format!("ONBUILD:1:1: {message}")
            })
        );
    }
    assert_eq!(wrong("ONBUILD RUNN x"), (1, 9, "unknown instruction \"RUNN\" (did you mean RUN?)".into()));
    assert_eq!(wrong("ONBUILD CPY x").2, "unknown instruction \"CPY\" (did you mean COPY?)");
    let two = Containerfile::parse_trigger("RUN a\nRUN b").map_err(|error| error.to_string());
    assert_eq!(two.map(drop), Err("ONBUILD:2:1: ONBUILD needs one instruction".into()));
}
