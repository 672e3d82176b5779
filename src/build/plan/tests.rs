//! Expected values: the Dockerfile reference on multi-stage builds, `ARG` and its scope, and what BuildKit does.

use std::collections::BTreeMap;

use super::{Named, Names, Origin, Plan, PlanError, PlanProblem, Request, Scope, Step, Warning};
use crate::build::containerfile::{Containerfile, Kind, Position};
use crate::build::expand::Variables;
use crate::registry::Platform;

fn read(text: &str) -> Containerfile {
    Containerfile::parse("Containerfile", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn request(target: &str, args: &[(&str, &str)]) -> Request {
    Request {
        target: Some(target.to_owned()),
        args: args.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        build_platform: Platform::new("linux", "amd64", None),
        target_platform: Platform::new("linux", "arm", Some("v7")),
        contexts: Names::default(),
    }
}

fn plan<'a>(file: &'a Containerfile, target: &str, args: &[(&str, &str)]) -> Plan<'a> {
    Plan::new(file, &request(target, args)).unwrap_or_else(|error| panic!("{error}"))
}

fn problem(text: &str, target: &str, args: &[(&str, &str)]) -> PlanError {
    match Plan::new(&read(text), &request(target, args)) {
        Ok(plan) => panic!("{plan:?}"),
        Err(error) => error,
    }
}

fn indices(text: &str, target: &str) -> Vec<usize> {
    plan(&read(text), target, &[]).stages.iter().map(|stage| stage.index).collect()
}

fn image(name: &str) -> Origin {
    Origin::Image(name.to_owned())
}

#[test]
fn only_needed_stages_are_built_in_order() {
    let text = "
FROM a AS one
FROM b AS two
RUN --mount=target=/x,from=one cp x y
FROM c AS unneeded
FROM two AS four
COPY --from=0 x y
FROM scratch
COPY --from=FOUR x y
";
    assert_eq!(indices(text, ""), [0, 1, 3, 4]);
    assert_eq!(indices(text, "Two"), [0, 1]);
    assert_eq!(indices(text, "unneeded"), [2]);
    assert_eq!(indices(text, "3"), [0, 1, 3]);
}

#[test]
fn references_go_back_only() {
    let file = read("FROM b AS a\nCOPY --from=b x y\nCOPY --from=a x y\nFROM a AS b\nFROM c AS c\n");
    let plan = plan(&file, "b", &[]);
    assert_eq!(plan.stages[0].base, image("b"));
    let origins: Vec<_> = plan.stages[0].steps.iter().map(|step| step.origins.clone()).collect();
    assert_eq!(origins, [[image("b")], [image("a")]]);
    assert_eq!(plan.stages[1].base, Origin::Stage(0));
    let later = |name: &str, line| Warning::LaterStage { name: name.into(), position: Position::line(line) };
    assert_eq!(plan.warnings, [later("b", 2), later("a", 3)]);
    assert_eq!(self::plan(&file, "c", &[]).stages[0].base, image("c"));
}

#[test]
fn of_two_stages_with_one_name_the_nearest_before_counts() {
    let file = read("FROM x AS a\nFROM y AS A\nFROM a\nCOPY --from=a b c\n");
    let plan = plan(&file, "", &[]);
    assert_eq!(plan.stages.iter().map(|stage| stage.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(plan.stages[1].base, Origin::Stage(1));
}

#[test]
fn origins_of_files() {
    let text = "FROM scratch AS a\nFROM scratch\nCOPY x y\nADD x y\nCOPY --from=debian:12 x y\nCOPY --from=scratch x y
RUN --mount=target=/1 --mount=type=cache,target=/2 --mount=type=cache,target=/3,from=a --mount=type=secret,id=s x
RUN x
";
    let file = read(text);
    let plan = plan(&file, "", &[]);
    let origins: Vec<_> = plan.stages[1].steps.iter().map(|step| step.origins.clone()).collect();
    assert_eq!(
        origins,
        [
            vec![Origin::Context],
            vec![Origin::Context],
            vec![image("debian:12")],
            vec![Origin::Scratch],
            vec![Origin::Context, Origin::None, Origin::Stage(0), Origin::None],
            vec![]
        ]
    );
    assert_eq!(plan.stages[1].base, Origin::Scratch);
}

#[test]
fn triggers_of_a_stage_come_first_and_count_as_needs() {
    let text = "FROM a AS tools\nFROM b AS base\nONBUILD COPY --from=tools x y\nRUN 1\nFROM base AS child\nRUN 2\nFROM child\nRUN 3\n";
    let file = read(text);
    let plan = plan(&file, "", &[]);
    assert_eq!(plan.stages.iter().map(|stage| stage.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let steps = |index: usize| -> Vec<_> {
        plan.stages[index].steps.iter().map(|step: &Step<'_>| (step.kind.name(), step.trigger)).collect()
    };
    assert_eq!(steps(1), [("ONBUILD", false), ("RUN", false)]);
    assert_eq!(steps(2), [("COPY", true), ("RUN", false)]);
    assert_eq!(plan.stages[2].steps[0].origins, [Origin::Stage(0)]);
    assert_eq!(steps(3), [("RUN", false)]);
}

#[test]
fn what_is_not_there() {
    let text = "FROM a AS build\nFROM b AS test\nCOPY --from=1 x y\n";
    let error = problem(text, "biuld", &[]);
    assert_eq!(error.to_string(), "there is no stage \"biuld\" (did you mean build?)");
    assert!(
        matches!(problem(text, "2", &[]).problem, PlanProblem::Target { known, .. } if known == ["build", "test"])
    );
    assert_eq!(problem(text, "test", &[]).to_string(), "line 3: there is no stage 1 before stage 1");
    assert_eq!(indices(text, "build"), [0], "what nobody needs does no harm");
}

#[test]
fn from_sees_global_arguments() {
    let file =
        read("ARG v=12\nARG image=debian:$v\nFROM --platform=$BUILDPLATFORM $image AS a\nFROM ${image}-x\n");
    let bases = |args: &[(&str, &str)]| -> Vec<_> {
        let names = ["a", ""];
        names
            .map(|name| {
                plan(&file, name, args).target().map(|stage| (stage.base.clone(), stage.platform.to_string()))
            })
            .into_iter()
            .flatten()
            .collect()
    };
    assert_eq!(
        bases(&[]),
        [(image("debian:12"), "linux/amd64".into()), (image("debian:12-x"), "linux/arm/v7".into())]
    );
    assert_eq!(bases(&[("v", "13")])[0].0, image("debian:13"));
    assert_eq!(bases(&[("image", "x"), ("BUILDPLATFORM", "linux/386")])[0], (image("x"), "linux/386".into()));
}

#[test]
fn from_needs_an_image_and_a_platform() {
    let error = problem("ARG IMAGE\nFROM $IMGAE\n", "", &[]);
    assert_eq!(error.to_string(), "line 2: the image $IMGAE is empty (did you mean IMAGE?)");
    let error = problem("FROM --platform=$BULIDPLATFORM a", "", &[]);
    assert_eq!(
        error.to_string(),
        "line 1: \"\" is no platform such as linux/amd64 (did you mean BUILDPLATFORM?)"
    );
    let error = problem("FROM ${v:?wanted}", "", &[]);
    assert_eq!(error.to_string(), "line 1: cannot expand \"${v:?wanted}\": v: wanted");
    let error = problem("\nARG a=${b?}\nFROM a", "", &[]);
    assert_eq!(error.to_string(), "line 2: cannot expand \"${b?}\": b: is not allowed to be unset");
}

/// Carries out the `ARG`s and `ENV`s of the target.
fn scope<'a>(plan: &'a Plan<'_>, env: &[(&str, &str)]) -> Scope<'a> {
    let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut scope = Scope::new(&plan.globals, env);
    let steps = plan.target().map(|stage| &stage.steps[..]).unwrap_or_default();
    for step in steps {
        match step.kind {
            Kind::Arg(args) => scope.declare(args, '\\').unwrap_or_else(|error| panic!("{error}")),
            Kind::Env(pairs) => {
                let text = |word: &crate::build::containerfile::Word| {
                    word.expand('\\', &scope)
                        .map(|expansion| expansion.text)
                        .unwrap_or_else(|error| panic!("{error}"))
                };
                let values: Vec<_> =
                    pairs.pairs.iter().map(|pair| (text(&pair.name), text(&pair.value))).collect();
                for (name, value) in values {
                    scope.set_env(name, value);
                }
            }
            _ => {}
        }
    }
    scope
}

fn environment(text: &str, args: &[(&str, &str)]) -> BTreeMap<String, String> {
    let file = read(text);
    scope(&plan(&file, "", args), &[("PATH", "/bin")]).environment()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn stages_see_global_arguments_only_when_they_declare_them() {
    let text =
        "ARG v=1\nARG w=2\nFROM a\nARG v\nARG TARGETARCH TARGETVARIANT BUILDOS\nARG TARGETSTAGE\nARG none";
    let expected = [
        ("BUILDOS", "linux"),
        ("PATH", "/bin"),
        ("TARGETARCH", "arm"),
        ("TARGETSTAGE", "default"),
        ("TARGETVARIANT", "v7"),
        ("v", "1"),
    ];
    assert_eq!(environment(text, &[]), map(&expected));
}

#[test]
fn given_values_go_before_defaults_and_those_before_global_values() {
    let text = "ARG a=global\nARG b=global\nFROM x\nARG a=stage\nARG b\nARG c=$a-$b\nARG d=1 e=$d";
    assert_eq!(
        environment(text, &[]),
        map(&[
            ("PATH", "/bin"),
            ("a", "stage"),
            ("b", "global"),
            ("c", "stage-global"),
            ("d", "1"),
            ("e", "")
        ])
    );
    assert_eq!(
        environment(text, &[("a", "given"), ("b", "")]),
        map(&[("PATH", "/bin"), ("a", "given"), ("b", ""), ("c", "given-"), ("d", "1"), ("e", "")])
    );
}

#[test]
fn the_environment_goes_before_arguments() {
    let text = "FROM x\nENV a=env\nARG a=arg\nARG b=arg\nENV b=$b-env PATH=$PATH:/x\nENV c=$a d=$c";
    assert_eq!(
        environment(text, &[("a", "given")]),
        map(&[("PATH", "/bin:/x"), ("a", "env"), ("b", "arg-env"), ("c", "env"), ("d", "")])
    );
}

#[test]
fn proxies_need_no_declaration() {
    let file = read("FROM x\nARG NO_PROXY");
    let plan = plan(&file, "", &[("http_proxy", "p"), ("NO_PROXY", "n")]);
    let scope = scope(&plan, &[]);
    assert_eq!(scope.proxies(), map(&[("http_proxy", "p")]));
    assert_eq!(scope.environment(), map(&[("NO_PROXY", "n")]));
    assert_eq!(scope.get("http_proxy"), None);
    assert_eq!(plan.warnings, []);
}

#[test]
fn declarations_without_value_are_known() {
    let file = read("FROM x\nARG name");
    let plan = plan(&file, "", &[]);
    let scope = scope(&plan, &[]);
    assert!(scope.is_declared("name") && !scope.is_declared("nmae"));
    assert_eq!(scope.get("name"), None);
    assert_eq!(scope.nearest("nmae").as_deref(), Some("name"));
}

#[test]
fn arguments_given_for_nothing_are_told() {
    let file = read("ARG g\nFROM x AS a\nARG s\nONBUILD ARG t\nFROM y\n");
    let given = [
        ("g", ""),
        ("s", ""),
        ("t", ""),
        ("no", ""),
        ("HTTP_PROXY", ""),
        ("TARGETOS", "linux"),
        ("BUILDKIT_INLINE_CACHE", "1"),
        ("SOURCE_DATE_EPOCH", "0"),
    ];
    let warnings = plan(&file, "", &given).warnings;
    assert_eq!(warnings, [Warning::UnusedArg("no".into())]);
    assert_eq!(warnings[0].to_string(), "the build argument no is not used: no ARG declares it");
}

#[test]
fn names_that_the_user_has_come_first() {
    let text = "FROM a AS Tools\nRUN 1\nFROM tools AS child\nRUN 2\nFROM base:latest
COPY --from=TOOLS x y\nCOPY --from=0 x y\nCOPY --from=base x y\nCOPY --from=base:2 x y\nRUN --mount=from=tools,target=/x 1
";
    let file = read(text);
    let mut wanted = request("", &[]);
    wanted.contexts.insert("tools", Named::Directory("dir".into())).unwrap();
    wanted.contexts.insert("docker.io/library/base", Named::Image("other:1".into())).unwrap();
    let plan = Plan::new(&file, &wanted).unwrap();
    assert_eq!(plan.stages.len(), 1, "no stage is needed");
    let tools = || Origin::Named("tools".to_owned());
    let origins: Vec<_> = plan.stages[0].steps.iter().flat_map(|step| step.origins.clone()).collect();
    assert_eq!(plan.stages[0].base, image("other:1"));
    assert_eq!(origins, [tools(), tools(), image("other:1"), image("base:2"), tools()]);
    // What begins with files begins with nothing, and copies them.
    for (target, steps) in [("tools", &["COPY"][..]), ("child", &["COPY", "RUN"])] {
        wanted.target = Some(target.to_owned());
        let plan = Plan::new(&file, &wanted).unwrap();
        let stage = plan.target().unwrap();
        assert_eq!((plan.stages.len(), &stage.base), (1, &Origin::Scratch), "{target}");
        assert_eq!(stage.steps[0].origins, [tools()]);
        assert_eq!(stage.steps.iter().map(|step| step.kind.name()).collect::<Vec<_>>(), steps);
    }
}
