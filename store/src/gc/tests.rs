use super::*;
use crate::LayerForm;
use oci_spec::image::{Descriptor, DescriptorBuilder, MediaType};

const NOW: PruneOptions<'_> = PruneOptions {
    dry_run: false,
    images: &[],
    refetchable_blobs: false,
    ingest_older_than: Duration::ZERO,
    build_cache: None,
};

fn store() -> (tempfile::TempDir, Store) {
    let tmp = tempfile::tempdir().unwrap();
    let store = Store::open(&tmp.path().join("s")).unwrap();
    (tmp, store)
}

fn prune(store: &Store, roots: &[Digest]) -> Pruned {
    let options = PruneOptions { images: &nameless(store), ..NOW };
    store.prune::<Error>(&options, || Ok(roots.to_vec())).unwrap()
}

fn nameless(store: &Store) -> Vec<Unwanted> {
    let all = store.images().unwrap().into_iter().filter(|image| image.name.is_none());
    all.map(|image| (None, image.descriptor.digest().to_string().parse().unwrap())).collect()
}

/// An image of one layer: descriptor, manifest, configuration, blob, diff id.
fn image(store: &Store, seed: &str) -> (Descriptor, [Digest; 4]) {
    let diff_id = Digest::of(format!("diff {seed}").as_bytes());
    let made = store.layer_ingest(&diff_id, LayerForm::Directory).unwrap();
    fs::write(made.path().join(seed), seed).unwrap();
    made.commit().unwrap();
    let blob = store.put_blob(format!("blob {seed}").as_bytes(), "").unwrap();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let config = store.put_blob(config.as_bytes(), "").unwrap();
    let entry =
        |media: &str, digest: Digest| format!(r#"{{"mediaType":"{media}","digest":"{digest}","size":1}}"#);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        entry("application/vnd.oci.image.config.v1+json", config),
        entry("application/vnd.oci.image.layer.v1.tar+gzip", blob)
    );
    let size = manifest.len() as u64;
    let manifest = store.put_blob(manifest.as_bytes(), "").unwrap();
    let digest: oci_spec::image::Digest = manifest.to_string().parse().unwrap();
    let descriptor =
        DescriptorBuilder::default().media_type(MediaType::ImageManifest).digest(digest).size(size);
    (descriptor.build().unwrap(), [manifest, config, blob, diff_id])
}

fn all_there(store: &Store, [manifest, config, blob, diff_id]: [Digest; 4]) -> bool {
    store.has_blob(&manifest)
        && store.has_blob(&config)
        && store.has_blob(&blob)
        && store.layer(&diff_id).is_some()
}

#[test]
fn named_images_stay_and_others_go() {
    let (_tmp, store) = store();
    let (kept, kept_parts) = image(&store, "kept");
    let (_, unnamed_parts) = image(&store, "unnamed");
    store.tag("kept:1", kept).unwrap();
    let dry = PruneOptions { dry_run: true, ..NOW };
    let said = store.prune::<Error>(&dry, || Ok(vec![])).unwrap();
    assert!(all_there(&store, unnamed_parts), "a dry run removes nothing");
    let pruned = prune(&store, &[]);
    assert_eq!((said.blobs.len(), said.layers.len()), (3, 1));
    assert_eq!((pruned.blobs.len(), pruned.layers.len(), pruned.bytes), (3, 1, said.bytes));
    assert!(all_there(&store, kept_parts));
    assert!(
        unnamed_parts[..3].iter().all(|d| !store.has_blob(d)) && store.layer(&unnamed_parts[3]).is_none()
    );
    assert!(fsutil::entries(&store.path("trash")).unwrap().is_empty());
}

#[test]
fn images_go_by_the_name_that_is_said() {
    let (_tmp, store) = store();
    let (first, parts) = image(&store, "first");
    for name in ["one:1", "two:1"] {
        store.tag(name, first.clone()).unwrap();
    }
    let gone =
        [(Some("one:1".to_string()), parts[0]), (Some("other:1".to_string()), parts[0]), (None, parts[0])];
    let run = |images: &[Unwanted], dry_run| {
        store.prune::<Error>(&PruneOptions { images, dry_run, ..NOW }, || Ok(vec![])).unwrap()
    };
    run(&gone, false);
    let left: Vec<_> = store.images().unwrap().into_iter().map(|image| image.name).collect();
    assert_eq!(left, [Some("two:1".to_string())]);
    assert!(all_there(&store, parts), "another name still stands for it");
    let last = [(Some("two:1".to_string()), parts[0])];
    let said = run(&last, true);
    assert_eq!((said.images.as_slice(), said.layers.len()), (&last[..], 1));
    assert!(all_there(&store, parts) && store.find("two:1").is_ok(), "a dry run removes nothing");
    let lease = store.lease().unwrap();
    lease.protect(parts).unwrap();
    assert!(run(&last, false).images.is_empty(), "somebody is about to use it");
    drop(lease);
    run(&last, false);
    assert!(store.images().unwrap().is_empty() && !all_there(&store, parts));
}

#[test]
fn what_a_container_or_a_lease_uses_stays() {
    let (_tmp, store) = store();
    let (first, parts) = image(&store, "first");
    let (second, other) = image(&store, "second");
    store.tag("x:1", first).unwrap();
    store.tag("x:1", second).unwrap();
    prune(&store, &parts);
    assert!(all_there(&store, parts), "a container's image without a name");
    let lease = store.lease().unwrap();
    lease.protect(parts).unwrap();
    assert!(prune(&store, &[]).blobs.is_empty());
    drop(lease);
    prune(&store, &[]);
    assert!(!all_there(&store, parts) && all_there(&store, other));
}

#[test]
fn a_failing_question_removes_nothing() {
    let (_tmp, store) = store();
    let (_, parts) = image(&store, "x");
    let refused = store.prune::<Error>(&NOW, || Err(Error::NotFound { digest: parts[0] }));
    assert!(refused.is_err() && all_there(&store, parts));
}

#[test]
fn a_blob_that_arrives_is_not_taken_and_an_abandoned_one_is() {
    let (_tmp, store) = store();
    let mut arriving = store.ingest(&Digest::of(b"abc"), None).unwrap();
    arriving.write(b"ab").unwrap();
    let layer = store.layer_ingest(&Digest::of(b"l"), LayerForm::Directory).unwrap();
    assert!(prune(&store, &[]).ingests.is_empty());
    assert!(layer.path().exists());
    drop(arriving);
    assert_eq!(prune(&store, &[]).ingests, [(Digest::of(b"abc"), 2)]);
    drop(layer);
    assert!(fsutil::entries(&store.path("layers")).unwrap().is_empty());
}

#[test]
fn only_layers_that_a_registry_has_can_be_dropped() {
    let (_tmp, store) = store();
    let (mut pulled, parts) = image(&store, "pulled");
    let (made, made_parts) = image(&store, "made");
    let annotations = [(crate::PULLED_DIGEST.to_string(), parts[0].to_string())];
    pulled.set_annotations(Some(annotations.into()));
    store.tag("pulled:1", pulled.clone()).unwrap();
    store.tag("made:1", made).unwrap();
    let options = PruneOptions { refetchable_blobs: true, ..NOW };
    let gone = store.prune::<Error>(&options, || Ok(vec![])).unwrap().blobs;
    assert_eq!(gone.into_iter().map(|(digest, _)| digest).collect::<Vec<_>>(), [parts[2]]);
    assert!(all_there(&store, made_parts), "what was made here is nowhere else");
    assert!(store.layer(&parts[3]).is_some());
    let report = store.check(true).unwrap();
    assert_eq!((report.dropped, report.problems), (1, vec![]));
    // With the mountable form gone too, it is a loss.
    fs::remove_dir_all(store.layer(&parts[3]).unwrap().path).unwrap();
    assert_eq!(store.check(true).unwrap().problems.len(), 2);
    // An image made here that shares the layer keeps it.
    let (mut again, parts) = image(&store, "shared");
    again.set_annotations(Some([(crate::PULLED_DIGEST.to_string(), parts[0].to_string())].into()));
    store.tag("shared:1", again.clone()).unwrap();
    again.set_annotations(None);
    store.tag("own:1", again).unwrap();
    assert_eq!(store.prune::<Error>(&options, || Ok(vec![])).unwrap().blobs, []);
}
