//! `lay manifest`

use clap::{Args, Subcommand};
use lay_store::Store;
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::listing::ListFlags;
use super::output::line;
use super::pull::reference;
use super::push::How;
use crate::image::index::{Annotation, List, is_index};
use crate::image::{self, Error};

/// Make, change and push lists of images for several platforms
#[derive(Args, Debug)]
pub struct Manifest {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a list, of images in the store
    Create {
        /// Name of the list, such as registry.example.com/team/app:1.2
        list: String,
        /// Names or ids of images
        images: Vec<String>,
        /// Add to a list that is there
        #[arg(short, long)]
        amend: bool,
        /// Of images that are lists themselves, all images
        #[arg(long)]
        all: bool,
    },
    /// Add an image to a list
    Add {
        /// Name of the list
        list: String,
        /// Name or id of an image
        image: String,
        /// If it is a list itself, all of its images
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        said: Said,
    },
    /// Change what a list says of an image
    Annotate {
        /// Name of the list
        list: String,
        /// The image, by its name or its manifest's digest
        image: String,
        #[command(flatten)]
        said: Said,
    },
    /// Take an image off a list
    Remove {
        /// Name of the list
        list: String,
        /// The image, by its name or its manifest's digest
        image: String,
    },
    /// Show a list, as JSON
    Inspect {
        /// Name of the list
        list: String,
    },
    /// List the lists
    Ls(ListFlags),
    /// Upload a list's images, then the list
    Push(Box<PushList>),
    /// Remove lists; their images stay
    Rm {
        /// Names of lists
        #[arg(required = true)]
        lists: Vec<String>,
    },
}

/// What a list says of an image.
#[derive(Args, Debug)]
struct Said {
    /// Operating system, instead of what the image says
    #[arg(long)]
    os: Option<String>,
    /// Architecture
    #[arg(long)]
    arch: Option<String>,
    /// Variant of the architecture
    #[arg(long)]
    variant: Option<String>,
    /// Version of the operating system
    #[arg(long)]
    os_version: Option<String>,
    /// Features of the operating system that it needs
    #[arg(long, value_delimiter = ',', value_name = "FEATURE")]
    os_features: Vec<String>,
    /// Annotation of the image in the list
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
}

#[derive(Args, Debug)]
struct PushList {
    /// Name of the list
    list: String,
    /// Where to, if not to where its name says
    destination: Option<String>,
    /// Remove the list when it is pushed
    #[arg(short, long)]
    purge: bool,
    /// Accepted for Podman's sake: images that the registry does not have are always pushed too
    #[arg(long, hide = true)]
    all: bool,
    #[command(flatten)]
    how: How,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must be KEY=VALUE")?;
    Ok((key.to_string(), value.to_string()))
}

impl Said {
    fn annotation(&self) -> Annotation {
        Annotation {
            os: self.os.clone(),
            architecture: self.arch.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            annotations: self.annotation.clone(),
        }
    }
}

impl Manifest {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let store = context.store()?;
        let result = self.act(context, &store);
        store.flush_index();
        result.map(|()| 0)
    }

    fn act(&self, context: &Context, store: &Store) -> Result<(), Failure> {
        match &self.action {
            Action::Create { list, images, amend, all } => {
                let made = create(store, list, images, *amend, *all);
                let name = made.tried(|| format!("cannot make the list {list}"))?;
                line(format!("Created manifest list {}", reference(&name)?.canonical()))
            }
            Action::Add { list, image, all, said } => {
                let change = |list: &mut List| add(store, list, image, *all, &said.annotation());
                changed(store, list, change).tried(|| format!("cannot add {image} to {list}"))
            }
            Action::Annotate { list, image, said } => {
                let change = |list: &mut List| list.annotate(store, image, &said.annotation());
                changed(store, list, change).tried(|| format!("cannot annotate {image} in {list}"))
            }
            Action::Remove { list, image } => {
                let change = |list: &mut List| list.remove(store, image);
                changed(store, list, change).tried(|| format!("cannot take {image} off {list}"))
            }
            Action::Inspect { list } => {
                let found = existing(store, list).tried(|| format!("cannot show {list}"))?;
                line(format!("{:#}", found.document()))
            }
            Action::Ls(flags) => ls(store, flags),
            Action::Push(push) => push.run(context, store),
            Action::Rm { lists } => lists.iter().try_for_each(|list| remove(store, list)),
        }
    }
}

fn create(store: &Store, name: &str, images: &[String], amend: bool, all: bool) -> Result<String, Error> {
    let mut list = match List::read(store, name)? {
        Some(_) if !amend => return Err(Error::ListExists(name.to_string())),
        Some(list) => list,
        None => List::new(&reference_of(name)?),
    };
    for image in images {
        add(store, &mut list, image, all, &Annotation::default())?;
    }
    list.keep(store)?;
    Ok(list.name)
}

fn reference_of(name: &str) -> Result<String, Error> {
    let reference = crate::registry::Reference::parse(name);
    let reference = reference.map_err(|e| Error::Reference {
        reference: name.to_string(),
        reason: crate::error::chain(&e.problem),
    })?;
    Ok(reference.familiar())
}

fn add(store: &Store, list: &mut List, image: &str, all: bool, said: &Annotation) -> Result<(), Error> {
    if all && matches!(List::read(store, image), Ok(Some(_))) {
        return list.add_all(store, image).map(drop);
    }
    list.add(store, image, said).map(drop)
}

fn existing(store: &Store, name: &str) -> Result<List, Error> {
    List::read(store, name)?.ok_or_else(|| Error::NoList(name.to_string()))
}

/// Changes a list that is there, and prints its new digest.
fn changed(
    store: &Store,
    name: &str,
    change: impl FnOnce(&mut List) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut list = existing(store, name)?;
    change(&mut list)?;
    list.keep(store).map(drop)
}

fn ls(store: &Store, flags: &ListFlags) -> Result<(), Failure> {
    let columns = [("NAME", "Name"), ("DIGEST", "Digest"), ("PLATFORMS", "Platforms")];
    let mut objects = Vec::new();
    for entry in store.images().tried(|| "cannot list the lists".to_string())? {
        let Some(name) = entry.name.filter(|_| is_index(entry.descriptor.media_type())) else { continue };
        let list = existing(store, &name).tried(|| format!("cannot show {name}"))?;
        let platforms = list.platforms().join(", ");
        let digest = entry.descriptor.digest().to_string();
        objects.push(json!({"Name": name, "Digest": digest, "Platforms": platforms}));
    }
    objects.sort_by_key(|row: &Value| row["Name"].to_string());
    flags.print(&columns, objects)
}

fn remove(store: &Store, name: &str) -> Result<(), Failure> {
    let tried = || format!("cannot remove {name}");
    let list = existing(store, name).tried(tried)?;
    store.untag(&list.name).tried(tried)?;
    line(format!("Untagged: {}", list.name))
}

impl PushList {
    fn run(&self, context: &Context, store: &Store) -> Result<(), Failure> {
        let tried = || format!("cannot push {}", self.list);
        let list = existing(store, &self.list).tried(tried)?;
        let found = store.find(&list.name).tried(tried)?;
        let descriptor = found.ok_or_else(|| image::Error::NoList(list.name.clone())).tried(tried)?;
        let to = self.destination.as_deref().unwrap_or(&list.name);
        let destination = reference(to.strip_prefix("docker://").unwrap_or(to))?;
        self.how.announce(&destination)?;
        self.how.push(context, store, &descriptor, &destination, None)?;
        if self.purge { remove(store, &list.name) } else { Ok(()) }
    }
}
