//! `lay build`: where results go, one layer of many, files of ids, checks.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Lay, output, with_docker};

const FILE: &str = "FROM layers AS base
RUN echo deep > /root/deep && chmod 600 /root/deep && ln /root/deep /root/twin && ln -s deep /root/link
RUN rm /etc/motd && mkdir /etc/motd && echo inside > /etc/motd/file && rm -rf /tmp
FROM base AS last
COPY --chown=5:6 own /own
RUN rm /own/gone && touch /root/late && rm /root/late
CMD [\"cat\", \"/root/deep\"]
";

fn context(lay: &Lay) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(dir.join("own")).unwrap();
    std::fs::write(dir.join("Containerfile"), FILE).unwrap();
    std::fs::write(dir.join("Dockerfile"), FILE).unwrap();
    std::fs::write(dir.join("own/kept"), "kept\n").unwrap();
    std::fs::write(dir.join("own/gone"), "gone\n").unwrap();
    dir
}

/// Paths with kind, mode and content; times and owners are no matter here.
fn listing(dir: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, at: &Path, all: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = at.join(path.file_name().unwrap());
            let meta = path.symlink_metadata().unwrap();
            let content = match meta.file_type() {
                kind if kind.is_file() => format!("{:x?}", md5ish(&std::fs::read(&path).unwrap())),
                kind if kind.is_symlink() => std::fs::read_link(&path).unwrap().display().to_string(),
                _ => String::new(),
            };
            let links = if meta.is_file() { meta.nlink() } else { 0 };
            all.insert(name.clone(), format!("{:o} {links} {content}", meta.mode()));
            if meta.is_dir() {
                walk(&path, &name, all);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(dir, Path::new(""), &mut all);
    all
}

/// Any digest will do to compare.
fn md5ish(bytes: &[u8]) -> String {
    crate::support::image::digest(bytes)
}

#[test]
fn results_go_where_they_are_wanted() {
    let lay = Lay::new();
    let dir = context(&lay);
    let dir = dir.to_str().unwrap();
    let path = |name: &str| lay.dir().join(name).display().to_string();
    lay.ok(&["build", "-q", "-t", "kept", dir]);
    // What docker has for a container's whole tree is what GNU tar makes of it.
    let tree = path("tree");
    std::fs::create_dir(&tree).unwrap();
    lay.ok(&["build", "-q", "-o", &format!("type=tar,dest={}", path("files.tar")), dir]);
    output("tar", &["-C", &tree, "-xpf", &path("files.tar")]);
    let expected = listing(Path::new(&tree));
    assert!(expected.contains_key(Path::new("own/kept")) && !expected.contains_key(Path::new("own/gone")));
    assert!(expected[Path::new("root/twin")].starts_with("100600 2 "), "{expected:?}");
    assert_eq!(std::fs::metadata(format!("{tree}/own/kept")).unwrap().uid(), 5);
    // On stdout it is the same; nothing else is printed there.
    let mut child = lay.command(&["build", "-o", "-", dir]);
    let out = child.stderr(Stdio::null()).output().unwrap();
    assert!(out.status.success() && out.stdout == std::fs::read(path("files.tar")).unwrap());
    // As files they belong to whoever builds; twice is no more than once, and what else is there stays.
    std::fs::create_dir(path("out")).unwrap();
    std::fs::write(path("out/mine"), "stays").unwrap();
    for _ in 0..2 {
        lay.ok(&["build", "-q", "-o", &path("out"), dir]);
    }
    let mut found = listing(Path::new(&path("out")));
    assert!(found.remove(Path::new("mine")).is_some());
    assert_eq!(found, expected);
    assert_eq!(std::fs::metadata(path("out/own/kept")).unwrap().uid(), 0);
    // Archives and layouts hold the image that the store would have.
    let id = lay.ok(&["inspect", "-f", "{{.Id}}", "kept"]);
    let names = ["-t", "elsewhere:1", "-t", "elsewhere:2"];
    let to = |text: String| lay.ok(&[&["build", "-o", &text][..], &names, &[dir]].concat());
    to(format!("type=oci,dest={}", path("oci.tar")));
    to(format!("type=docker,dest={}", path("docker.tar")));
    to(format!("type=oci,tar=false,dest={}", path("layout")));
    assert_ne!(lay.run(&["inspect", "elsewhere:1"]).code, 0, "it is not in the store");
    for place in [
        format!("oci-archive:{}:elsewhere:1", path("oci.tar")),
        format!("docker-archive:{}:elsewhere:2", path("docker.tar")),
        format!("oci:{}:elsewhere:2", path("layout")),
    ] {
        let config: Value =
            serde_json::from_str(&output("skopeo", &["inspect", "--config", &place])).unwrap();
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["cat", "/root/deep"]), "{place}");
    }
    let other = Lay::new();
    other.ok(&["load", "-i", &path("oci.tar")]);
    assert_eq!(other.ok(&["inspect", "-f", "{{.Id}}", "elsewhere:2"]), id);
    assert_eq!(other.ok(&["run", "--rm", "--network", "none", "elsewhere:1"]), "deep");
    // Wrong values are told before anything is built.
    for (value, why) in [
        ("type=zip", "local, tar, oci, docker, image or registry"),
        ("type=registry", "needs a name to be pushed"),
        ("type=local", "dest="),
        ("type=tar,dest=/nowhere/x.tar", "no directory /nowhere"),
    ] {
        lay.run(&["build", "-o", value, dir]).fails(1, why);
    }
    lay.assert_clean();
}

#[test]
fn many_layers_become_one_as_docker_squashes_them() {
    let lay = Lay::new();
    let dir = context(&lay);
    let dir = dir.to_str().unwrap();
    lay.ok(&["build", "-q", "-t", "plain", dir]);
    lay.ok(&["build", "-q", "-t", "squashed", "--squash", dir]);
    assert_eq!(lay.ok(&["diff", "plain", "squashed"]), "");
    let layers = |image: &str| -> Vec<Value> {
        serde_json::from_str(&lay.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", image])).unwrap()
    };
    // One layer stands for all after the last FROM.
    lay.ok(&["build", "-q", "-t", "base", "--target", "base", dir]);
    let (base, ours) = (layers("base"), layers("squashed"));
    assert_eq!(ours.len(), base.len() + 1);
    assert_eq!(ours[..base.len()], base[..]);
    lay.ok(&["build", "-q", "-t", "again", "--squash", "--no-cache", dir]);
    assert_eq!(lay.ok(&["diff", "again", "squashed"]), "");
    let archive = lay.dir().join("layers.tar").display().to_string();
    lay.ok(&["save", "-o", &archive, "layers"]);
    let tree = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /etc/host* -o -path /etc/resolv.conf \\) \
                -prune -o -print | sort";
    let run = ["run", "--rm", "--network", "none", "--entrypoint", "busybox"];
    with_docker(&["--experimental"], |docker| {
        docker.ok(&["load", "-q", "-i", &archive]);
        let group = docker.cgroup();
        docker.ok(&[
            "build",
            "-q",
            "--squash",
            "--network",
            "none",
            "--cgroup-parent",
            &group,
            "-t",
            "theirs",
            dir,
        ]);
        let theirs: Vec<Value> =
            serde_json::from_str(&docker.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", "theirs"]))
                .unwrap();
        assert_eq!(theirs.len(), ours.len());
        // What lay builds runs there as well.
        let built = lay.dir().join("built.tar").display().to_string();
        lay.ok(&["build", "-q", "-t", "built:1", "-o", &format!("type=docker,dest={built}"), dir]);
        docker.ok(&["load", "-q", "-i", &built]);
        assert_eq!(
            docker.ok(&["run", "--rm", "--network", "none", "--cgroup-parent", &group, "built:1"]),
            "deep"
        );
        let script = |image: &'static str| [&run[..], &[image, "sh", "-c", tree]].concat();
        let files = |text: String| -> Vec<String> {
            // What either engine has put there for the container.
            let own = |line: &&str| !["/.dockerenv", "/dev", "/proc", "/sys"].contains(line);
            text.lines().filter(own).map(str::to_owned).collect()
        };
        assert_eq!(files(lay.ok(&script("squashed"))), files(docker.ok(&script("theirs"))));
    });
    lay.assert_clean();
}

#[test]
fn ids_in_files_checks_and_other_flags() {
    let lay = Lay::new();
    let dir = context(&lay);
    let dir = dir.to_str().unwrap();
    let file = lay.dir().join("iid");
    std::fs::write(&file, "old").unwrap();
    let iid = file.to_str().unwrap();
    let id = lay.ok(&["build", "-q", "--iidfile", iid, "--target", "base", "-t", "base", dir]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
    assert_eq!(lay.ok(&["inspect", "-f", "{{.Id}}", "base"]), id);
    lay.run(&["build", "--iidfile", iid, "--target", "bass", dir]).fails(1, "did you mean base?");
    assert!(!file.exists(), "no id of another build");
    // An argument that is predefined needs no ARG, and stays out of the image and of the key (Dockerfile reference).
    let text = "FROM busybox\nARG TARGETARCH\nRUN echo $http_proxy $TARGETARCH > /seen\n";
    let proxied = |proxy: &str| {
        let flag = format!("http_proxy=http://{proxy}");
        let out = lay.run_with(
            &[
                "build",
                "--progress",
                "plain",
                "--build-arg",
                &flag,
                "--label",
                "a=b",
                "--label",
                "c",
                "-t",
                "p",
                "-",
            ],
            text,
        );
        out.expect(0).stderr
    };
    assert!(!proxied("one").contains("CACHED"));
    assert!(proxied("two").contains("CACHED"));
    assert_eq!(lay.sh(&["--network", "none"], "p", "cat /seen; env | wc -l"), "http://one amd64\n5");
    assert_eq!(lay.ok(&["inspect", "-f", "{{json .Config.Labels}}", "p"]), r#"{"a":"b","c":""}"#);
    // A context as an archive, compressed or not.
    for flags in ["-c", "-cz"] {
        let script = format!("tar -C {dir} {flags} . | exec \"$@\"");
        let lay_args = lay.command(&["build", "-q", "--target", "base", "-"]);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(lay_args.get_program()).args(lay_args.get_args());
        command.envs(lay_args.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let out = command.output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim_end(),
            id,
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    // On a terminal the view is live, and at its end all steps stand there.
    let shell = lay.command(&["build", "--no-cache", "--target", "base", dir]);
    let words: Vec<_> = [shell.get_program()].into_iter().chain(shell.get_args()).collect();
    let words = words.join(std::ffi::OsStr::new(" "));
    let mut script = Command::new("script");
    script.args(["-qec".as_ref(), words.as_os_str(), "/dev/null".as_ref()]).stdin(Stdio::null());
    let out = script.envs(shell.get_envs().filter_map(|(k, v)| Some((k, v?)))).output().unwrap();
    let seen = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && seen.contains("+ [base 2/2] RUN rm /etc/motd"), "{seen}");
    assert_eq!(lay.ok(&["build", "--check", dir]), "Check complete, no warnings found.");
    let found = lay.run_with(&["build", "--check", "-"], "FROM busybox AS Base\nCMD ls\n").expect(1).stdout;
    assert!(found.contains("-:1:1: StageNameCasing") && found.contains("2 | CMD ls"), "{found}");
    assert!(found.ends_with("Check complete, 2 warnings have been found!\n"), "{found}");
    let strict = "# check=error=true\nFROM busybox\nCMD ls\n";
    lay.run_with(&["build", "-"], strict).fails(1, "JSONArgsRecommended");
    lay.assert_clean();
}
