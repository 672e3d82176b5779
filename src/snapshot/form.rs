//! Which form of layers works on this machine, and why.

use std::path::Path;
use std::str::FromStr;

use lay_store::LayerForm;

use super::Via;
use crate::kernel::mount::Context;

/// The first Linux that mounts EROFS from a file (`CONFIG_EROFS_FS_BACKED_BY_FILE`).
const FILE_BACKED: (u32, u32) = (6, 12);

/// How layers are kept and mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An EROFS file, mounted from the file.
    File,
    /// An EROFS file, mounted through a loop device.
    Loop,
    /// A directory.
    Directory,
}

impl Form {
    /// What the store keeps.
    pub fn layer(self) -> LayerForm {
        match self {
            Form::File | Form::Loop => LayerForm::Erofs,
            Form::Directory => LayerForm::Directory,
        }
    }

    /// What [`super::Snapshot::via`] should be.
    pub fn via(self) -> Via {
        match self {
            Form::File => Via::File,
            Form::Loop => Via::Loop,
            Form::Directory => Via::Any,
        }
    }
}

/// What was asked for is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown layer form {0:?} (erofs, loop or directory)")]
pub struct UnknownForm(String);

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "erofs" => Ok(Form::File),
            "loop" => Ok(Form::Loop),
            "directory" => Ok(Form::Directory),
            _ => Err(UnknownForm(s.to_owned())),
        }
    }
}

/// The form to use here, and why in a few words. What the user forces is taken as it is.
pub fn preferred_form(forced: Option<Form>) -> (Form, String) {
    if let Some(form) = forced {
        return (form, "as asked for".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return (Form::Directory, "only root may mount EROFS".to_owned());
    }
    if crate::kernel::userns::nested() {
        return (Form::Directory, "a user namespace may not mount EROFS".to_owned());
    }
    if let Err(e) = Context::open("erofs") {
        return (Form::Directory, format!("the kernel has no EROFS: {}", e.errno()));
    }
    let release = crate::kernel::release::text();
    if crate::kernel::release::version().is_some_and(|version| version >= FILE_BACKED) {
        (Form::File, format!("Linux {release} mounts EROFS from a file"))
    } else if Path::new("/dev/loop-control").exists() {
        (Form::Loop, format!("Linux {release} mounts EROFS from block devices only"))
    } else {
        (
            Form::Directory,
            format!(
                "Linux {release} mounts EROFS from block devices only, and there is no /dev/loop-control"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_form_is_taken() {
        let forced = "loop".parse().unwrap();
        assert_eq!(preferred_form(Some(forced)), (Form::Loop, "as asked for".to_owned()));
        assert_eq!(
            "btrfs".parse::<Form>().unwrap_err().to_string(),
            "unknown layer form \"btrfs\" (erofs, loop or directory)"
        );
    }
}
