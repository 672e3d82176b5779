//! What a refusal means to somebody who pushes.

use reqwest::StatusCode;

use crate::registry::http::{Fault, RequestError};

/// The same error in words that say what to do about it. `first` tells that the repository was asked for the first time.
pub(super) fn explained(error: RequestError, first: bool) -> RequestError {
    let fault = match error.fault {
        Fault::LoginNeeded(detail) => Fault::LoginToPush { registry: error.registry.clone(), detail },
        Fault::Denied(detail) if is_immutable(&detail) => Fault::Immutable(detail),
        Fault::Denied(detail) => Fault::MayNotPush(detail),
        Fault::NotFound(detail) if first => Fault::NoRepository(detail),
        Fault::Status { code, detail, .. } if code == "DIGEST_INVALID" => Fault::Arrived(detail),
        Fault::Status { detail, .. } if is_immutable(&detail) => Fault::Immutable(detail),
        fault => fault,
    };
    RequestError { fault, ..error }
}

/// Registries have no common code for it.
fn is_immutable(detail: &str) -> bool {
    detail.to_ascii_lowercase().contains("immutable")
}

/// Whether the registry no longer knows the upload, or counts other bytes than we do.
pub(super) fn is_lost(fault: &Fault) -> bool {
    match fault {
        Fault::NotFound(_) | Fault::NoRepository(_) => true,
        Fault::Status { status, code, .. } => {
            code.starts_with("BLOB_UPLOAD") || *status == StatusCode::RANGE_NOT_SATISFIABLE
        }
        _ => false,
    }
}

/// Whether less at a time may get through.
pub(super) fn is_too_much(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { status, .. } if *status == StatusCode::PAYLOAD_TOO_LARGE)
}

/// Whether the registry knows no uploads in pieces.
pub(super) fn is_unsupported(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { status, .. } if matches!(status.as_u16(), 405 | 501))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fault: Fault, first: bool) -> String {
        let error = RequestError { registry: "r:5000".to_owned(), what: "blob".to_owned(), fault };
        explained(error, first).fault.to_string()
    }

    fn status(status: u16, code: &str, detail: &str) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        Fault::Status { status, code: code.to_owned(), wait: None, detail: detail.to_owned() }
    }

    #[test]
    fn refusals_say_what_to_do() {
        assert!(told(Fault::LoginNeeded(String::new()), true).contains("lay login r:5000"));
        assert!(told(Fault::Denied("no".to_owned()), true).contains("may not push there (no)"));
        assert!(told(Fault::NotFound(String::new()), true).contains("no such repository"));
        assert!(told(Fault::NotFound(String::new()), false).contains("not found"));
        assert!(told(status(400, "DIGEST_INVALID", ""), false).contains("lay check"));
        assert!(
            told(status(412, "PRECONDITION", "is configured as immutable"), false).contains("another one")
        );
        assert!(
            told(status(507, "", "quota exceeded"), false)
                .contains("507 Insufficient Storage (quota exceeded)")
        );
    }
}
