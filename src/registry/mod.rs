//! References, authentication, mirrors and pulls. The only place with async code.
