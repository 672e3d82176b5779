//! `--mount`: the long form.

use std::path::PathBuf;

use super::parse::{container_path, parse_tmpfs, volume_source};
use super::{ImageSource, MountKind, MountRequest};
use crate::container::error::Error;

/// Parses `--mount type=TYPE,source=…,target=…[,…]`, as Docker has it.
///
/// # Errors
/// [`Error::Flag`] with what is wrong.
pub fn parse_mount(text: &str) -> Result<MountRequest, Error> {
    let bad = |reason: String| Error::Flag { flag: "--mount", value: text.to_string(), reason };
    let mut fields = Fields::default();
    for field in text.split(',') {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        fields.set(key, value).map_err(bad)?;
    }
    fields.request().map_err(bad)
}

#[derive(Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<String>,
    no_copy: bool,
    non_recursive: bool,
    tmpfs: Vec<String>,
    subpath: Option<PathBuf>,
}

impl Fields {
    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let text =
            || value.filter(|v| !v.is_empty()).map(str::to_string).ok_or(format!("{key} needs a value"));
        let switch = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(value) => Err(format!("'{value}' for {key} is neither true nor false")),
        };
        match key {
            "type" => self.kind = Some(text()?),
            "source" | "src" => self.source = Some(text()?),
            "target" | "dst" | "destination" => self.target = Some(text()?),
            "readonly" | "ro" => self.read_only = switch()?,
            "bind-propagation" => self.propagation = Some(propagation(&text()?)?),
            "bind-nonrecursive" => self.non_recursive = switch()?,
            "volume-nocopy" => self.no_copy = switch()?,
            "tmpfs-size" => self.tmpfs.push(format!("size={}", text()?)),
            "tmpfs-mode" => self.tmpfs.push(format!("mode={}", text()?)),
            "subpath" | "image-subpath" => self.subpath = Some(text()?.into()),
            "consistency" => {}
            _ => return Err(format!("'{key}' is not known")),
        }
        Ok(())
    }

    fn request(self) -> Result<MountRequest, String> {
        let target = self.target.ok_or("target is missing")?;
        let kind = match (self.kind.as_deref().unwrap_or("volume"), self.source) {
            ("bind", Some(source)) if source.starts_with('/') => MountKind::Bind(PathBuf::from(source)),
            ("bind", Some(source)) => {
                MountKind::Bind(std::path::absolute(source).map_err(|e| e.to_string())?)
            }
            ("bind", None) => return Err("a bind mount needs a source".to_string()),
            ("volume", None) => MountKind::Volume(String::new()),
            ("volume", Some(source)) => match volume_source(&source)? {
                MountKind::Volume(name) => MountKind::Volume(name),
                _ => return Err(format!("'{source}' is no volume name; a path needs type=bind")),
            },
            ("tmpfs", None) => {
                let options = self.tmpfs.join(",");
                let mount = parse_tmpfs(&format!("{target}:{options}")).map_err(|e| e.to_string())?;
                return Ok(MountRequest { read_only: self.read_only, ..mount });
            }
            ("tmpfs", Some(_)) => return Err("a tmpfs has no source".to_string()),
            ("image", Some(name)) => MountKind::Image(ImageSource {
                name,
                subpath: self.subpath.clone(),
                ..ImageSource::default()
            }),
            ("image", None) => return Err("an image mount needs a source".to_string()),
            (kind, _) => {
                return Err(format!("type '{kind}' is not known: it is bind, volume, tmpfs or image"));
            }
        };
        if !self.tmpfs.is_empty() {
            return Err("tmpfs-size and tmpfs-mode are for type=tmpfs".to_string());
        }
        let image = matches!(kind, MountKind::Image(_));
        if self.subpath.is_some() && !image {
            return Err("subpath is for type=image".to_string());
        }
        Ok(MountRequest {
            read_only: self.read_only || image,
            propagation: self.propagation,
            no_copy: self.no_copy,
            non_recursive: self.non_recursive,
            ..MountRequest::new(kind, container_path(&target)?)
        })
    }
}

fn propagation(text: &str) -> Result<String, String> {
    match text {
        "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => Ok(text.to_string()),
        _ => Err(format!("'{text}' is no propagation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_form_is_read_as_docker_s() {
        let bind = parse_mount("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave").unwrap();
        assert_eq!((bind.kind, bind.read_only), (MountKind::Bind("/a".into()), true));
        assert_eq!(bind.propagation.as_deref(), Some("rslave"));
        let volume = parse_mount("source=data,target=/b,volume-nocopy").unwrap();
        assert_eq!((volume.kind, volume.no_copy), (MountKind::Volume("data".into()), true));
        assert_eq!(parse_mount("target=/b").unwrap().kind, MountKind::Volume(String::new()));
        let tmpfs = parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700").unwrap();
        assert_eq!(tmpfs.kind, MountKind::Tmpfs(vec!["size=1m".into(), "mode=700".into()]));
        let image = parse_mount("type=image,source=tools:1,target=/t,subpath=bin").unwrap();
        let source =
            ImageSource { name: "tools:1".into(), subpath: Some("bin".into()), ..ImageSource::default() };
        assert_eq!((image.kind, image.read_only), (MountKind::Image(source), true));
        for bad in [
            "type=image,target=/t",
            "source=data,target=/t,subpath=x",
            "type=bind,target=/b",
            "type=bind,source=/a",
            "type=moon,source=/a,target=/b",
            "source=/a,target=/b",
            "target=rel",
            "target=/b,colour=red",
            "target=/b,readonly=maybe",
            "type=tmpfs,source=/a,target=/b",
            "source=data,target=/b,tmpfs-size=1",
        ] {
            assert!(parse_mount(bad).is_err(), "{bad}");
        }
    }
}
