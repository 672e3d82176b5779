//! What a pull or a push tells while it runs.

use std::time::Duration;

use lay_store::Digest;

/// Receives the events of a pull or a push. Called from one thread, between pieces of work: it should be quick.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// For those who do not want to know.
impl Progress for () {
    fn event(&self, _: Event<'_>) {}
}

/// A step of a pull or a push. Layers are named by the digests of their blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// It is known what the reference points to.
    Resolved {
        /// The reference in its short form.
        reference: &'a str,
        /// The manifest or the index.
        digest: Digest,
        /// The registry or mirror that answered; `None` if nobody had to be asked.
        registry: Option<&'a str>,
    },
    /// A layer is on its way. Comes again, with another `resumed`, if it has to start over.
    LayerStart {
        /// The layer.
        digest: Digest,
        /// In bytes.
        size: u64,
        /// What was there from an earlier pull, in bytes.
        resumed: u64,
    },
    /// A piece of a layer arrived.
    LayerBytes {
        /// The layer.
        digest: Digest,
        /// Its size in bytes.
        delta: u64,
    },
    /// Another process fetches this layer; its result will be used.
    LayerWaiting {
        /// The layer.
        digest: Digest,
        /// In bytes.
        size: u64,
    },
    /// A layer is verified, unpacked and in the store.
    LayerDone {
        /// The layer.
        digest: Digest,
    },
    /// A layer was in the store already.
    LayerExists {
        /// The layer.
        digest: Digest,
        /// In bytes.
        size: u64,
    },
    /// The registry took a layer from another of its repositories.
    LayerMounted {
        /// The layer.
        digest: Digest,
        /// In bytes.
        size: u64,
        /// That repository.
        from: &'a str,
    },
    /// A layer that is to be pushed and is not kept is fetched first.
    LayerFetch {
        /// The layer.
        digest: Digest,
        /// The image that it belongs to.
        from: &'a str,
    },
    /// Something passing went wrong; it will be tried again.
    Retry {
        /// The layer; `None` for manifests.
        digest: Option<Digest>,
        /// Who was asked.
        registry: &'a str,
        /// What went wrong.
        reason: &'a str,
        /// How long until the next try.
        pause: Duration,
    },
}
