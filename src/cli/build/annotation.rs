//! `--annotation`: what an image's manifest says of it.

use std::collections::BTreeMap;

use crate::cli::failure::Failure;
use crate::registry::Platform;

/// Reads `[PLACE[,PLACE]:]KEY=VALUE`, where a place is `manifest` or `manifest[PLATFORM]`. What Docker's builder would write
/// elsewhere has no place here: a build makes one image, and no list of images.
pub fn annotations(texts: &[String], platform: &Platform) -> Result<BTreeMap<String, String>, Failure> {
    texts.iter().map(|text| annotation(text, platform)).collect()
}

fn annotation(text: &str, platform: &Platform) -> Result<(String, String), Failure> {
    let bad = |reason: &str| Failure::new(format!("invalid value '{text}' for --annotation: {reason}"));
    let (name, value) = text.split_once('=').ok_or_else(|| bad("expected KEY=VALUE"))?;
    let (places, key) = name.split_once(':').unwrap_or(("", name));
    if key.is_empty() {
        return Err(bad("expected KEY=VALUE"));
    }
    for place in places.split(',') {
        check(place, platform).map_err(|reason| bad(&reason))?;
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Whether a place is the manifest of the image that is built.
fn check(place: &str, platform: &Platform) -> Result<(), String> {
    let (kind, wanted) = match place.strip_suffix(']').and_then(|place| place.split_once('[')) {
        Some((kind, wanted)) => (kind, Some(wanted)),
        None => (place, None),
    };
    match kind {
        "" | "manifest" => {}
        "index" | "index-descriptor" | "manifest-descriptor" => {
            let next = "'lay manifest annotate' annotates images of a list";
            return Err(format!("a build makes an image and no index, so there is no {kind}; {next}"));
        }
        _ => return Err(format!("\"{kind}\" is no place of annotations; leave it away, or say manifest")),
    }
    match wanted.map(str::parse::<Platform>) {
        None => Ok(()),
        Some(Ok(wanted)) if wanted == *platform => Ok(()),
        Some(_) => Err(format!("the image is for {platform}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String), String> {
        annotation(text, &Platform::new("linux", "amd64", None)).map_err(|failure| failure.message)
    }

    #[test]
    fn places_are_the_image_s_own_manifest() {
        for (text, key, value) in [
            ("org.example.a=b", "org.example.a", "b"),
            ("manifest:a=b=c", "a", "b=c"),
            ("manifest[linux/amd64]:a=", "a", ""),
            ("manifest,manifest[linux/amd64]:a=x:y", "a", "x:y"),
            ("a=manifest:b", "a", "manifest:b"),
        ] {
            assert_eq!(read(text), Ok((key.to_owned(), value.to_owned())), "{text}");
        }
        for (text, why) in [
            ("a", "expected KEY=VALUE"),
            ("=b", "expected KEY=VALUE"),
            ("manifest:=b", "expected KEY=VALUE"),
            ("index:a=b", "there is no index"),
            ("manifest,index:a=b", "there is no index"),
            ("manifest-descriptor:a=b", "there is no manifest-descriptor"),
            ("layer:a=b", "\"layer\" is no place"),
            ("manifest[linux/arm64]:a=b", "the image is for linux/amd64"),
        ] {
            assert!(read(text).is_err_and(|message| message.contains(why)), "{text}: {:?}", read(text));
        }
    }
}
