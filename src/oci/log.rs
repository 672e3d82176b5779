//! Messages: on stderr, and in the file that the caller reads them from.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::command::LogFormat;

/// Where messages go.
pub struct Log {
    file: Option<File>,
    format: LogFormat,
}

impl Log {
    /// One that cannot be opened is done without: the command's own outcome matters more.
    pub fn new(path: Option<&Path>, format: LogFormat) -> Log {
        let file = path.and_then(|path| File::options().create(true).append(true).open(path).ok());
        Log { file, format }
    }

    /// Tells an error.
    pub fn error(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "{}: {message}", super::NAME);
        self.write("error", message);
    }

    /// Tells what is done without. In the file alone: stderr may be the container's.
    pub fn warning(&self, message: &str) {
        self.write("warning", message);
    }

    fn write(&self, level: &str, message: &str) {
        let Some(mut file) = self.file.as_ref() else { return };
        let time = jiff::Timestamp::now().to_string();
        let _ = match self.format {
            LogFormat::Json => writeln!(file, "{}", json!({"level": level, "msg": message, "time": time})),
            LogFormat::Text => writeln!(file, "time=\"{time}\" level={level} msg={message:?}"),
        };
    }
}
