//! What a build is given from outside: agents, archives, addresses, base images of any making, and flags of any habit.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::support::lay::Out;
use crate::support::{Lay, output};

/// A context with this Containerfile.
fn context(lay: &Lay, file: &str) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    dir
}

fn build(lay: &Lay, file: &str, more: &[&str]) -> Out {
    let dir = context(lay, file);
    lay.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
}

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
    let dir = context(&lay, "");
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
    build(&lay, file, &flags).expect(0);
    let seen = lay.sh(&["--network", "none"], "asked", "cat /tmp/root /tmp/alice /tmp/denied; ls /tmp");
    let expected = "0:0 600 it is you\n0:0 600 it is you\n1000:1001 640 it is you\nalice\ndenied\nroot";
    assert_eq!(seen, expected);
    lay.assert_clean();
}
