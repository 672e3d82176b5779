//! Flags of `lay build` that Docker's users know.

use std::path::PathBuf;

use crate::support::Lay;
use crate::support::lay::Out;

/// A context with this Containerfile.
fn context(lay: &Lay, file: &str) -> PathBuf {
    let dir = lay.dir().join("context");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("Containerfile"), file).unwrap();
    dir
}

fn build(lay: &Lay, file: &str, more: &[&str]) -> Out {
    let dir = context(lay, file);
    lay.run(&[&["build", "--progress", "plain"], more, &[dir.to_str().unwrap()]].concat())
}

#[test]
fn stages_are_built_without_the_cache_by_name() {
    let lay = Lay::new();
    let file = "FROM busybox AS one
RUN echo one > /one
COPY Containerfile /file
FROM busybox AS Two
RUN echo two > /two
FROM busybox
RUN echo three > /three
COPY --from=one /one /
COPY --from=two /two /
";
    let counts = |more: &[&str]| {
        let told = build(&lay, file, more).expect(0).stderr;
        (told.matches("CACHED").count(), told.matches("DONE").count(), told)
    };
    assert_eq!(counts(&[]).0, 0);
    assert_eq!(counts(&[]).0, 6);
    // What a stage makes again is the same, so those that stand on it go on.
    let (cached, done, told) = counts(&["--no-cache-filter", "one", "--explain"]);
    assert_eq!((cached, done), (4, 2), "{told}");
    assert_eq!(told.matches("carried out: --no-cache-filter").count(), 2, "{told}");
    assert_eq!(counts(&["--no-cache-filter", "one,two"]).1, 3, "names are alike whatever their case");
    assert_eq!(counts(&["--no-cache-filter=two", "--no-cache-filter=2"]).1, 4);
    assert_eq!(counts(&["--no-cache-filter", "one", "--no-cache"]).0, 0);
    let (cached, _, told) = counts(&["--no-cache-filter", "tow"]);
    assert_eq!(cached, 6, "Docker takes no offence at one that is not there");
    assert!(told.contains("--no-cache-filter: there is no stage \"tow\" (did you mean Two?)"), "{told}");
    lay.assert_clean();
}
