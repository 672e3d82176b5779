//! `RUN` and its mounts.

use super::super::{CommandLine, Kind, Mount, MountKind, Network, Run, Security, Sharing};
use super::{one, wrong};

fn run(text: &str) -> Run {
    match one(text) {
        Kind::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

fn mount(options: &str) -> Mount {
    let run = run(&format!("RUN --mount={options} x"));
    assert_eq!(run.mounts.len(), 1);
    run.mounts[0].resolve(|word| word.as_str().to_owned()).unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn shell_and_exec_form() {
    assert_eq!(run("RUN a \"b\"  c").command, CommandLine::Shell("a \"b\"  c".into()));
    let exec = |arguments: &[&str]| CommandLine::Exec(arguments.iter().map(|&text| text.into()).collect());
    assert_eq!(run(r#"RUN [ "a" , "b c" ] "#).command, exec(&["a", "b c"]));
    assert_eq!(run(r#"RUN ["\u00fc\n"]"#).command, exec(&["ü\n"]));
    // What is no JSON is for the shell.
    assert_eq!(run("RUN ['a', 'b']").command, CommandLine::Shell("['a', 'b']".into()));
    assert_eq!(run("RUN [ -f x ] && y").command, CommandLine::Shell("[ -f x ] && y".into()));
}

#[test]
fn flags_come_first() {
    let run = run(
        "RUN --network=none --security=insecure --mount=target=/a --mount=type=tmpfs,target=/b ls --mount=x",
    );
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!(run.mounts.len(), 2);
    assert_eq!(run.command, CommandLine::Shell("ls --mount=x".into()));
    let plain = super::runs::run("RUN ls");
    assert_eq!((plain.network, plain.security), (Network::Default, Security::Sandbox));
}

#[test]
fn mounts_of_every_type() {
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        mount("target=/a,from=base,src=/b"),
        Mount {
            target: text("/a"),
            source: text("/b"),
            from: text("base"),
            read_only: true,
            ..Mount::default()
        }
    );
    assert!(!mount("type=bind,dst=/a,rw").read_only);
    assert!(!mount("type=bind,dst=/a,readonly=false").read_only);
    assert_eq!(
        mount("type=cache,id=x,target=/c,sharing=locked,mode=0700,uid=1,gid=2"),
        Mount {
            kind: MountKind::Cache,
            id: text("x"),
            target: text("/c"),
            sharing: Sharing::Locked,
            mode: Some(0o700),
            uid: Some(1),
            gid: Some(2),
            ..Mount::default()
        }
    );
    assert!(mount("type=cache,target=/c,ro").read_only);
    assert_eq!(mount("type=tmpfs,target=/t,size=64m").size, Some(64 << 20));
    assert_eq!(mount("type=tmpfs,target=/t,size=1.5GiB").size, Some(3 << 29));
    assert_eq!(
        mount("type=secret,id=s,env=TOKEN,required"),
        Mount {
            kind: MountKind::Secret,
            id: text("s"),
            env: text("TOKEN"),
            required: true,
            ..Mount::default()
        }
    );
    assert_eq!(mount("type=secret,source=s,target=/x").id, text("s"));
    assert_eq!(mount("type=ssh").kind, MountKind::Ssh);
    // Quoting as in CSV; the file's own quotes are gone before.
    assert_eq!(mount(r#"target=/a,\"source=b,c\""#).source, text("b,c"));
    assert_eq!(mount("\"target=/a b\"").target, text("/a b"));
}

#[test]
fn mounts_wait_for_their_variables() {
    let run = run("RUN --mount=type=cache,target=$dir,from=base x");
    assert_eq!(run.mounts[0].from(), Some("base"));
    let mount = run.mounts[0].resolve(|word| word.as_str().replace("$dir", "/x"));
    assert_eq!(mount.map(|mount| mount.target), Ok(Some("/x".to_owned())));
}

#[test]
fn what_mounts_refuse() {
    for (options, message) in [
        ("type=volume,target=/a", "unknown type \"volume\": bind, cache, tmpfs, secret or ssh"),
        ("target=/a,form=b", "unknown option \"form\" (did you mean from?)"),
        ("type=bind", "a mount of type bind needs a target"),
        ("type=cache,target=", "a mount of type cache needs a target"),
        ("type=cache,target=/a,sharing=some", "sharing needs shared, private or locked"),
        ("type=cache,target=/a,mode=9", "mode needs an octal number such as 0755"),
        ("type=cache,target=/a,uid=me", "uid needs a number"),
        ("type=cache,target", "target needs a value"),
        ("target=/a,rw=maybe", "rw needs true or false"),
        ("type=tmpfs,target=/a,size=big", "size needs a size such as 64m"),
        ("type=tmpfs,target=/a,from=x", "a mount of type tmpfs has no option \"from\""),
        ("target=/a,mode=0700", "a mount of type bind has no option \"mode\""),
        ("target=/a,required", "a mount of type bind has no option \"required\""),
        ("type=secret", "a mount of type secret needs an id or a target"),
        ("type=secret,id=a,source=b", "a mount of type secret needs either id or source, not both"),
        ("target=/a,from=$x", "from cannot hold variables"),
        (r#"target=/a,sou\"rce=b"#, "a quote is out of place"),
    ] {
        assert_eq!(wrong(&format!("RUN --mount={options} x")), (1, 5, format!("--mount: {message}")));
    }
    let broken = "no variable name after ${";
    assert_eq!(wrong("RUN --mount=target=/a,source=${} x"), (1, 5, broken.into()));
}

#[test]
fn what_run_refuses() {
    assert_eq!(wrong("RUN"), (1, 1, "RUN needs a command".into()));
    assert_eq!(wrong("RUN []"), (1, 5, "RUN needs a command".into()));
    assert_eq!(wrong("RUN [1]"), (1, 5, "a JSON array of arguments may hold strings only".into()));
    assert_eq!(wrong("RUN --network=some x"), (1, 5, "--network needs default, none or host".into()));
    assert_eq!(wrong("RUN --security=no x"), (1, 5, "--security needs sandbox or insecure".into()));
    assert_eq!(wrong("RUN --mout=x y"), (1, 5, "unknown flag --mout of RUN (did you mean mount?)".into()));
}
