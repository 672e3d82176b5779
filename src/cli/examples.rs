//! Examples for every command's help. They stand together so that one can see at a glance what is shown and what is not.

use clap::Command;

use super::walk::walk;

/// Adds them to commands that have none of their own.
pub fn add(command: Command) -> Command {
    walk(command, &add_to)
}

fn add_to(command: Command, path: &str) -> Command {
    if command.get_after_help().is_some() {
        return command;
    }
    match of(path) {
        Some(lines) => {
            let text = lines.lines().map(|line| format!("\n  lay {}", line.trim())).collect::<String>();
            command.after_help(format!("Examples:{text}"))
        }
        None => command,
    }
}

/// The examples of a command, without `lay` before them.
fn of(path: &str) -> Option<&'static str> {
    let all = IMAGES.iter().chain(CONTAINERS).chain(OTHERS);
    all.into_iter().find(|(name, _)| *name == path).map(|(_, lines)| *lines)
}

const IMAGES: &[(&str, &str)] = &[
    (
        "build",
        "build -t app .\nbuild -f Containerfile.test --build-arg VERSION=2 --target test .\nbuild --output out --explain https://example.com/app.git",
    ),
    ("pull", "pull centos:7\npull --platform linux/arm64 quay.io/team/app:1.2"),
    ("push", "push registry.example.com/app:1\npush --compression zstd app registry.example.com/app:1"),
    ("manifest", "manifest create app:1 app:amd64 app:arm64\nmanifest push app:1 registry.example.com/app:1"),
    ("manifest create", "manifest create app:1 app:amd64 app:arm64"),
    ("manifest add", "manifest add app:1 app:riscv64"),
    ("manifest annotate", "manifest annotate --arch arm64 --variant v8 app:1 app:arm64"),
    ("manifest remove", "manifest remove app:1 app:riscv64"),
    ("manifest inspect", "manifest inspect app:1"),
    ("manifest ls", "manifest ls\nmanifest ls --format json"),
    ("manifest push", "manifest push app:1 registry.example.com/app:1"),
    ("manifest rm", "manifest rm app:1"),
    (
        "images",
        "images\nimages --filter 'reference=centos*' --format '{{.Repository}}:{{.Tag}} {{.Size}}'\nimages -q --no-trunc",
    ),
    ("tag", "tag centos:7 registry.example.com/base:7"),
    ("rmi", "rmi centos:7\nrmi -f 8652b9f0cb4c"),
    ("history", "history centos:7\nhistory --no-trunc --format '{{.CreatedBy}}' app"),
    ("du", "du\ndu app\ndu --format json app"),
    (
        "diff",
        "diff web                          what a container has changed\ndiff app:1 app:2                  how images differ",
    ),
    ("commit", "commit web web:patched\ncommit -c 'CMD [\"/start\"]' -m 'with the patch' web web:2"),
    ("export", "export -o web.tar web\nexport web | tar -t"),
    ("import", "import rootfs.tar.gz base:1\nimport -c 'CMD [\"/bin/sh\"]' - base:2 <rootfs.tar"),
    ("save", "save -o app.tar app:1\nsave app:1 app:2 | zstd >apps.tar.zst"),
    ("load", "load -i app.tar\nload <apps.tar.zst"),
    ("login", "login registry.example.com\nlogin -u me --password-stdin registry.example.com <token"),
    ("logout", "logout registry.example.com"),
];

const CONTAINERS: &[(&str, &str)] = &[
    (
        "run",
        "run --rm -it centos:7\nrun -d --name web -p 8080:80 -v site:/srv --memory 256m --cpus 0.5 httpd\nrun --rm -v \"$PWD:/src\" -w /src --log-driver none gcc make",
    ),
    ("create", "create --name web -p 8080:80 httpd\ncreate -it centos:7 bash"),
    ("start", "start web\nstart -ai shell"),
    ("restart", "restart web\nrestart -t 2 web db"),
    ("stop", "stop web\nstop -t 30 web db"),
    ("kill", "kill web\nkill -s HUP web"),
    ("pause", "pause web"),
    ("unpause", "unpause web"),
    ("rename", "rename web old-web"),
    ("healthcheck", "healthcheck run web"),
    ("healthcheck run", "healthcheck run web && echo well"),
    ("attach", "attach shell\nattach --no-stdin web"),
    ("exec", "exec -it web sh\nexec -u alice -w /srv -e DEBUG=1 web ./check"),
    ("ps", "ps -a\nps --filter label=team=a --format 'table {{.Names}}\\t{{.Status}}'\nps -aq --no-trunc"),
    ("update", "update --cpus 2 -m 1g web\nupdate --restart unless-stopped web"),
    ("fork", "fork web --name web-copy"),
    ("snapshot", "snapshot create web before\nsnapshot rollback web before"),
    ("snapshot create", "snapshot create web before"),
    ("snapshot ls", "snapshot ls web\nsnapshot ls web --format json"),
    ("snapshot rollback", "snapshot rollback web before"),
    ("snapshot rm", "snapshot rm web before"),
    ("stats", "stats\nstats --no-stream --format json web"),
    ("rm", "rm web\nrm -f -v web db"),
    (
        "inspect",
        "inspect web\ninspect -f '{{.State.Status}} {{.NetworkSettings.IPAddress}}' web\ninspect --type image centos:7",
    ),
    ("prune", "prune --dry-run\nprune --containers --force\nprune --all --filter until=240h"),
];

const OTHERS: &[(&str, &str)] = &[
    ("", "pull centos:7\nrun --rm -it centos:7\nps -a"),
    ("volume", "volume create data\nrun --rm -v data:/data busybox ls /data"),
    ("volume create", "volume create data\nvolume create --label team=a"),
    ("volume ls", "volume ls\nvolume ls -q --filter dangling=true"),
    ("volume inspect", "volume inspect -f '{{.Mountpoint}}' data"),
    ("volume rm", "volume rm data"),
    ("volume prune", "volume prune\nvolume prune --all --filter label=team=a --force"),
    ("network", "network create --subnet 10.9.0.0/24 back\nrun -d --network back --name db postgres"),
    ("network create", "network create --subnet 10.9.0.0/24 --internal back"),
    ("network ls", "network ls\nnetwork ls -q --filter driver=bridge"),
    ("network inspect", "network inspect back"),
    ("network rm", "network rm back"),
    ("network connect", "network connect --alias database back db"),
    ("network disconnect", "network disconnect back db"),
    ("network prune", "network prune --force"),
    ("group", "group create batch --cpus 0.5 -m 100m\nrun --rm --group batch busybox true"),
    ("group create", "group create batch --cpus 0.5 -m 100m"),
    ("group update", "group update batch --cpus 1"),
    ("group ls", "group ls\ngroup ls --format json"),
    ("group inspect", "group inspect batch"),
    ("group rm", "group rm batch"),
    ("group apply", "group apply"),
    ("group import", "group import /etc/cgconfig.conf\ngroup import /etc/cgrules.conf"),
    ("group rule", "group rule --help"),
    ("group exec", "group exec batch make -j8"),
    ("group attach", "group attach batch 4711"),
    ("check", "check\ncheck --quick\ncheck --repair"),
    ("info", "info\ninfo --format json"),
    ("version", "version\nversion --format '{{.Client.Version}}'"),
    ("oci", "oci spec\noci run --bundle /bundles/web web"),
    (
        "completion",
        "completion bash >/etc/bash_completion.d/lay\ncompletion zsh >~/.zfunc/_lay\ncompletion fish >~/.config/fish/completions/lay.fish",
    ),
];
