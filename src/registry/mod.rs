//! References, authentication, mirrors, pull and push. The only place with async code.

mod again;
mod config;
mod credentials;
mod download;
mod endpoint;
mod error;
mod http;
mod login;
mod manifest;
mod platform;
mod progress;
mod pull;
mod push;
mod reference;
mod retry;
mod tail;

pub use config::{Mirror, MirrorError, Registries, Registry};
pub use credentials::{Credential, CredentialError, Credentials, Kept, Secret};
pub use download::{Downloaded, download};
pub use endpoint::EndpointError;
pub use error::Error;
pub use http::{Cause, Fault, RequestError, ResolveError, Timeouts};
pub use login::{login, logout};
pub use manifest::ManifestError;
pub use platform::{Platform, PlatformError};
pub use progress::{Event, Progress};
pub use pull::{Access, PullOptions, Pulled, documents, layers, pull};
pub use push::{PushOptions, Pushed, push};
pub use reference::{Reference, ReferenceError, ReferenceProblem};
pub use retry::RetryPolicy;
