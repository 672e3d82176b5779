//! `lay network`

use std::io::{self, BufRead, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::{Args, Subcommand};
use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::filter::{Filters, fits, has_label};
use super::flags::pairs;
use super::network_view as view;
use super::output::{Format, line, rows};
use crate::container::{self, Driver, Environment, Join, NetworkRequest, Networks};
use crate::kernel::userns;
use crate::network::Mac;

/// Manage networks that containers join
///
/// Containers on one network reach each other by name; networks do not reach each other.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lay network create web\n  lay run -d --network web --name db postgres\n  \
    lay run --rm --network web busybox ping -c 1 db"
)]
pub struct Network {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a network
    Create(Box<Create>),
    /// List networks
    Ls {
        /// name=PATTERN, id=ID, driver=DRIVER, type=custom|builtin, dangling=true|false or label=KEY[=VALUE]
        #[arg(short, long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
        /// Only ids
        #[arg(short, long)]
        quiet: bool,
        /// Do not shorten ids
        #[arg(long)]
        no_trunc: bool,
        /// table, json, or a template such as '{{.Name}}'
        #[arg(long)]
        format: Option<String>,
    },
    /// Show all about networks, as JSON
    Inspect {
        #[arg(required = true)]
        networks: Vec<String>,
        /// A template such as '{{.Driver}}'
        #[arg(short, long)]
        format: Option<String>,
        /// Accepted for Docker's sake: all is shown
        #[arg(short, long, hide = true)]
        verbose: bool,
    },
    /// Remove networks that no running container is on
    Rm {
        #[arg(required = true)]
        networks: Vec<String>,
        /// Those that do not exist are no error
        #[arg(short, long)]
        force: bool,
    },
    /// Remove all networks that no running container is on
    Prune {
        /// label=KEY[=VALUE]
        #[arg(long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
    /// Put a container on a network, also while it runs
    Connect {
        network: String,
        container: String,
        /// Fixed address
        #[arg(long, value_name = "ADDRESS")]
        ip: Option<Ipv4Addr>,
        /// Fixed IPv6 address
        #[arg(long, value_name = "ADDRESS")]
        ip6: Option<Ipv6Addr>,
        /// Hardware address
        #[arg(long, value_name = "ADDRESS")]
        mac_address: Option<Mac>,
        /// Further name on the network
        #[arg(long, value_name = "NAME")]
        alias: Vec<String>,
    },
    /// Take a container off a network, also while it runs
    Disconnect {
        network: String,
        container: String,
        /// A container that is not on it is no error
        #[arg(short, long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// Its name
    name: String,
    /// bridge; ptp: two containers joined by one pair of links; macvlan: links on top of one of this host's
    #[arg(short, long, default_value = "bridge", value_name = "DRIVER")]
    driver: String,
    /// Its addresses; a free subnet without. One of IPv6 may be given beside
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<IpNet>,
    /// Its gateway's address; the first of the subnet without
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<IpAddr>,
    /// Give addresses out of this part of the subnet
    #[arg(long, value_name = "CIDR")]
    ip_range: Option<Ipv4Net>,
    /// Nothing leads out of it, and nothing to this host
    #[arg(long)]
    internal: bool,
    /// IPv6 beside IPv4
    #[arg(long)]
    ipv6: bool,
    /// Accepted for Docker's sake: there always is IPv4
    #[arg(long, hide = true)]
    ipv4: bool,
    /// Accepted for Docker's sake: every container can join every network
    #[arg(long)]
    attachable: bool,
    /// mtu=BYTES, bridge.name=LINK, bridge.direct=false (packets between containers pass the bridge); for macvlan parent=LINK and mode=bridge|private|vepa|passthru
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Accepted for Docker's sake: there is one, default
    #[arg(long, value_name = "DRIVER", default_value = "default", hide = true, value_parser = ["default"])]
    ipam_driver: String,
    /// Accepted for Docker's sake: there is one, local
    #[arg(long, value_name = "SCOPE", default_value = "local", hide = true, value_parser = ["local"])]
    scope: String,
    /// Add a label
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
}

const COLUMNS: [super::output::Column; 4] =
    [("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope")];

impl Network {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let networks = Networks::new(&env);
        let reads = matches!(self.action, Action::Ls { .. } | Action::Inspect { .. });
        if !reads && (userns::nested() || !rustix::process::geteuid().is_root()) {
            return Err(Failure::new(
                "networks need root; an ordinary user's containers have slirp4netns or pasta",
            ));
        }
        match &self.action {
            Action::Create(create) => {
                let request = create.request()?;
                let made = networks.create(request, context.config.network.pool);
                line(made.tried(|| format!("cannot create network {}", create.name))?.id)?;
            }
            Action::Ls { filter, quiet, no_trunc, format } => {
                list(&networks, filter, *quiet, *no_trunc, format.as_deref())?;
            }
            Action::Inspect { networks: names, format, .. } => {
                return inspect(&networks, names, format.as_deref());
            }
            Action::Rm { networks: names, force } => {
                container::sweep(&env).tried(|| "cannot look after the containers".to_string())?;
                return remove(&networks, names, *force);
            }
            Action::Prune { filter, force } => prune(&env, &networks, filter, *force)?,
            Action::Connect { network, container, ip, ip6, mac_address, alias } => {
                let tried = || format!("cannot connect {container} to network {network}");
                let found = env.containers.find(container).tried(tried)?;
                let join = Join {
                    network: network.clone(),
                    ipv4: *ip,
                    ipv6: *ip6,
                    mac: *mac_address,
                    aliases: alias.clone(),
                };
                join.check().tried(tried)?;
                container::connect_network(&env, &found, join).tried(tried)?;
            }
            Action::Disconnect { network, container, force } => {
                let tried = || format!("cannot disconnect {container} from network {network}");
                let found = env.containers.find(container).tried(tried)?;
                match container::disconnect_network(&env, &found, network) {
                    Err(container::Error::NotConnected { .. }) if *force => {}
                    result => result.tried(tried)?,
                }
            }
        }
        Ok(0)
    }
}

impl Create {
    fn request(&self) -> Result<NetworkRequest, Failure> {
        let driver = Driver::parse(&self.driver).ok_or_else(|| {
            Failure::new(format!(
                "invalid value '{}' for --driver: it is bridge, ptp or macvlan",
                self.driver
            ))
        })?;
        Ok(NetworkRequest {
            name: self.name.clone(),
            driver,
            subnets: self.subnet.clone(),
            gateways: self.gateway.clone(),
            range: self.ip_range,
            internal: self.internal,
            ipv6: self.ipv6,
            attachable: self.attachable,
            options: pairs(&self.opt),
            labels: pairs(&self.label),
        })
    }
}

fn list(
    networks: &Networks<'_>,
    filter: &[String],
    quiet: bool,
    no_trunc: bool,
    format: Option<&str>,
) -> Result<(), Failure> {
    let tried = || "cannot list the networks".to_string();
    let filters = Filters::parse(filter, &["name", "id", "driver", "type", "dangling", "label"])?;
    let asks_use = filter.iter().any(|text| text.starts_with("dangling="));
    let mut values = Vec::new();
    for network in networks.list().tried(tried)? {
        let used = asks_use && !networks.users(&network).tried(tried)?.is_empty();
        let wanted = filters.fit(|key, value| match key {
            "name" => network.name.contains(value) || fits(value, &network.name),
            "id" => network.id.starts_with(value),
            "driver" => network.driver.to_string() == value,
            "type" => (value == "builtin") == network.is_predefined(),
            "dangling" => !network.is_predefined() && (value == "true") != used,
            _ => has_label(network.labels.iter(), value),
        });
        if !wanted {
            continue;
        }
        if quiet {
            line(if no_trunc { &network.id } else { network.short_id() })?;
            continue;
        }
        let mut value = view::network(&network, None);
        if no_trunc {
            value["ID"] = Value::from(network.id.clone());
        }
        values.push(value);
    }
    if quiet { Ok(()) } else { rows(&Format::parse(format)?, &COLUMNS, &values) }
}

fn inspect(networks: &Networks<'_>, names: &[String], format: Option<&str>) -> Result<u8, Failure> {
    let mut all = Vec::new();
    let mut code = 0;
    for name in names {
        let found = networks.find(name).and_then(|network| {
            let users = networks.users(&network)?;
            Ok(view::network(&network, Some(&users)))
        });
        match found {
            Ok(value) => all.push(value),
            Err(error) => {
                eprintln!("lay: {}", Failure::of(&format!("cannot inspect network {name}"), &error).message);
                code = 1;
            }
        }
    }
    match format {
        Some(format) => rows(&Format::parse(Some(format))?, &COLUMNS, &all)?,
        None => line(format!("{:#}", Value::from(all)))?,
    }
    Ok(code)
}

fn remove(networks: &Networks<'_>, names: &[String], force: bool) -> Result<u8, Failure> {
    let mut code = 0;
    for name in names {
        match networks.remove(name) {
            Ok(_) => line(name)?,
            Err(container::Error::NoNetwork(_)) if force => {}
            Err(error) => {
                eprintln!("lay: {}", Failure::of(&format!("cannot remove network {name}"), &error).message);
                code = 1;
            }
        }
    }
    Ok(code)
}

fn prune(env: &Environment, networks: &Networks<'_>, filter: &[String], force: bool) -> Result<(), Failure> {
    let filters = Filters::parse(filter, &["label"])?;
    if !force && io::stdin().is_terminal() && !agreed()? {
        return Ok(());
    }
    container::sweep(env).tried(|| "cannot look after the containers".to_string())?;
    let removed =
        networks.prune(false, |network| filters.fit(|_, value| has_label(network.labels.iter(), value)));
    let removed = removed.tried(|| "cannot prune the networks".to_string())?;
    if !removed.is_empty() {
        line("Deleted Networks:")?;
        removed.iter().try_for_each(|network| line(&network.name))?;
        line("")?;
    }
    Ok(())
}

fn agreed() -> Result<bool, Failure> {
    eprint!(
        "This removes all networks that no running container is on. Are you sure you want to continue? [y/N] "
    );
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).tried(|| "cannot read the answer".to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
