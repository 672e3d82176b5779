//! What a build is given from outside: agents, archives, addresses, base images of any making, and flags of any habit.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use crate::support::{Lay, output};

/// Asks the agent, says who the socket belongs to, and what it has heard.
const ASK: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat stat_of;
    char answer[100] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, getenv("SSH_AUTH_SOCK"), sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) || stat(address.sun_path, &stat_of)) {
        perror("cannot ask");
        return 3;
    }
    write(fd, "who\n", 4);
    read(fd, answer, sizeof answer - 1);
    printf("%u:%u %o %s", stat_of.st_uid, stat_of.st_gid, stat_of.st_mode & 0777, answer);
    return answer[0] == 0;
}
"#;

/// An agent as ssh-agent is: whoever is not of its own user is turned away.
fn agent(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let peer = rustix::net::sockopt::socket_peercred(&stream).unwrap();
            let mut question = [0; 4];
            if peer.uid == rustix::process::geteuid() && stream.read_exact(&mut question).is_ok() {
                let _ = stream.write_all(b"it is you\n");
            }
        }
    });
}

#[test]
fn an_agent_answers_a_command_whoever_it_runs_as() {
    let lay = Lay::new();
    let socket = lay.dir().join("agent");
    agent(&socket);
    let dir = lay.build_context("");
    let (source, program) = (lay.dir().join("ask.c"), dir.join("ask"));
    std::fs::write(&source, ASK).unwrap();
    output("cc", &["-static", "-o", program.to_str().unwrap(), source.to_str().unwrap()]);
    let file = "FROM busybox
COPY ask /bin/ask
RUN --mount=type=ssh ask > /tmp/root && ask >> /tmp/root && chmod 777 /tmp
USER alice
RUN --mount=type=ssh,id=mine,uid=1000,gid=1001,target=/tmp/mine,mode=0640 ask > /tmp/alice
RUN --mount=type=ssh ask > /tmp/denied || true
";
    let ssh = [format!("default={}", socket.display()), format!("mine={}", socket.display())];
    let flags = ["-t", "asked", "--ssh", &ssh[0], "--ssh", &ssh[1]];
    lay.build(file, &flags).expect(0);
    let seen = lay.sh(&["--network", "none"], "asked", "cat /tmp/root /tmp/alice /tmp/denied; ls /tmp");
    let expected = "0:0 600 it is you\n0:0 600 it is you\n1000:1001 640 it is you\nalice\ndenied\nroot";
    assert_eq!(seen, expected);
    lay.assert_clean();
}

#[test]
fn archives_may_be_compressed_in_any_way_that_docker_knows() {
    let lay = Lay::new();
    let dir = lay.build_context("");
    let files = lay.dir().join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("content"), "the same\n".repeat(50_000)).unwrap();
    let tar = |flag: &str, name: &str| {
        let (to, from) = (dir.join(name), files.to_str().unwrap());
        output("tar", &["-C", from, flag, "-cf", to.to_str().unwrap(), "."]);
    };
    for (flag, name) in [("-j", "bzip2"), ("-J", "xz"), ("-z", "gzip")] {
        tar(flag, name);
    }
    // No archive is in it, so it stays what it is.
    let script = format!(
        "xz -c {0}/content > {1}/plain.xz; tail -c +3 {1}/xz > {1}/cut",
        files.display(),
        dir.display()
    );
    output("sh", &["-c", &script]);
    let file = "FROM busybox
ADD bzip2 /bzip2/
ADD xz /xz/
ADD gzip plain.xz cut /gzip/
";
    lay.build(file, &["-t", "added"]).expect(0);
    let size = 9 * 50_000;
    let seen = lay.sh(&["--network", "none"], "added", "cd /; wc -c bzip2/* xz/* gzip/content; ls gzip");
    let line = |name: &str| format!("{size:>9} {name}/content\n");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let expected =
        format!("{}{}{}{} total\ncontent\ncut\nplain.xz", line("bzip2"), line("xz"), line("gzip"), 3 * size);
    assert_eq!(words(&seen), words(&expected));
    // Cut short it is an error, not half of the files.
    std::fs::write(dir.join("half"), &std::fs::read(dir.join("xz")).unwrap()[..60]).unwrap();
    let half = lay.build("FROM busybox\nADD half /half/\n", &["-t", "half"]);
    assert!(
        half.code == 1 || lay.sh(&["--network", "none"], "half", "ls /half") == "half",
        "{}",
        half.stderr
    );
    // The context itself, images and trees too.
    std::fs::write(dir.join("Containerfile"), "FROM busybox\nCOPY bzip2 /b\n").unwrap();
    for flag in ["-j", "-J"] {
        let script = format!("tar -C {} {flag} -c . | exec \"$@\"", dir.display());
        let command = lay.command(&["build", "-q", "-t", "piped", "-"]);
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
        sh.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
        let out = sh.output().unwrap();
        assert!(out.status.success(), "{flag}: {}", String::from_utf8_lossy(&out.stderr));
    }
    lay.ok(&["import", dir.join("xz").to_str().unwrap(), "imported"]);
    lay.ok(&["tag", "piped", "saved:1"]);
    let saved = lay.dir().join("saved.tar").display().to_string();
    lay.ok(&["save", "-o", &saved, "saved:1"]);
    output("xz", &["-1", &saved]);
    lay.ok(&["rmi", "saved:1"]);
    assert_eq!(lay.ok(&["load", "-i", &format!("{saved}.xz")]), "Loaded image: saved:1");
}

#[test]
fn a_base_without_path_gets_docker_s() {
    let lay = Lay::new();
    let tree = lay.dir().join("tree.tar").display().to_string();
    lay.ok(&["create", "--name", "source", "busybox"]);
    lay.ok(&["export", "-o", &tree, "source"]);
    lay.ok(&["import", &tree, "bare"]);
    let file = "FROM bare\nENV PATH=/more:$PATH\nRUN echo $PATH > /path\n";
    lay.build(file, &["-t", "led"]).expect(0);
    let whole = "/more:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lay.ok(&["run", "--rm", "--network", "none", "led", "cat", "/path"]), whole);
    assert_eq!(lay.ok(&["inspect", "-f", "{{json .Config.Env}}", "led"]), format!("[\"PATH={whole}\"]"));
}

#[test]
fn a_list_of_images_is_a_base_for_each_of_its_platforms() {
    let lay = Lay::new();
    // Nobody listens there, so it has to come from the store.
    let name = |tag: &str| format!("127.0.0.1:1/list:{tag}");
    for arch in ["amd64", "arm64"] {
        let file = format!("FROM scratch\nLABEL made.for={arch}\nCOPY Containerfile /\n");
        lay.build(&file, &["-t", &name(arch), "--platform", &format!("linux/{arch}")]).expect(0);
    }
    lay.ok(&["manifest", "create", &name("all"), &name("amd64"), &name("arm64")]);
    let file = format!("FROM {}\nENV built=1\n", name("all"));
    for arch in ["arm64", "amd64"] {
        lay.build(&file, &["-t", "built", "--platform", &format!("linux/{arch}")]).expect(0);
        let about = "{{.Architecture}} {{json .Config.Labels}}";
        assert_eq!(lay.ok(&["inspect", "-f", about, "built"]), format!("{arch} {{\"made.for\":\"{arch}\"}}"));
    }
    let list = lay.ok(&["manifest", "inspect", &name("all")]);
    assert_eq!(list.matches("\"architecture\"").count(), 2, "the list is what it was: {list}");
    lay.build(&file, &["--platform", "linux/riscv64"]).fails(1, "127.0.0.1:1");
}

#[test]
fn what_cannot_be_had_is_told_as_it_is() {
    let lay = Lay::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in server.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let page = "<html>not here</html>";
            let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
        }
    });
    let file = format!("FROM busybox\nADD http://{address}/file /\n");
    lay.build(&file, &[]).fails(1, "/file: the server answered 404 Not Found");
    // A link among others that leads nowhere would be missed by nobody.
    let dir = lay.build_context("");
    std::fs::create_dir_all(dir.join("app")).unwrap();
    std::fs::write(dir.join("app/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("app/link")).unwrap();
    let words =
        "Containerfile:2:1: \"app/link\" is not in the build context (the symlink leads to nothing in there)";
    lay.build("FROM busybox\nCOPY app/* /app/\n", &[]).fails(1, words);
    lay.build("FROM busybox\nCOPY app/link /app/\n", &[]).fails(1, words);
    // As a part of a directory it is a symlink, and one that is ignored is none of our business.
    lay.build("FROM busybox\nCOPY app /app/\n", &[]).expect(0);
    std::fs::write(dir.join(".dockerignore"), "app/link\n").unwrap();
    lay.build("FROM busybox\nCOPY app/* /app/\n", &[]).expect(0);
}

#[test]
fn flags_of_docker_s_users_are_understood() {
    let lay = Lay::new();
    let file = "FROM busybox AS first\nRUN echo first > /it\nFROM first\nRUN echo second > /it\n";
    // The last one counts.
    let twice = [
        "--progress",
        "tty",
        "--progress",
        "plain",
        "--target",
        "nothing",
        "--target",
        "first",
        "-t",
        "a",
        "-t",
        "b",
    ];
    lay.build(file, &twice).expect(0);
    for name in ["a", "b"] {
        let run =
            ["run", "--rm", "--network", "none", "--user", "alice", "--user", "root", name, "cat", "/it"];
        assert_eq!(lay.ok(&run), "first");
    }
    lay.build(file, &["--load", "--compress", "--provenance=false", "--sbom=false", "-t", "c"]).expect(0);
    assert_eq!(lay.sh(&["--network", "none"], "c", "cat /it"), "second");
    // A shell's pipe as Containerfile.
    let command = lay.command(&["build", "-q", "-f"]);
    let mut bash = std::process::Command::new("bash");
    let script = "exec \"$@\" <(printf 'FROM busybox\\nCOPY Containerfile /it\\n') -t piped .";
    bash.args(["-c", script, "bash"]).arg(command.get_program()).args(command.get_args());
    bash.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let out = bash.current_dir(lay.dir().join("context")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(lay.sh(&["--network", "none"], "piped", "cat /it"), file.trim_end());
}
