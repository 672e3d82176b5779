//! Changes of an image's configuration, in the words of a Containerfile.

use serde_json::{Map, Value, json};

use super::Error;

/// Instructions such as `CMD ["sh"]` or `ENV A=b`, checked.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<(String, String)>);

impl Changes {
    /// Reads instructions.
    ///
    /// # Errors
    /// [`Error::Change`].
    pub fn parse(texts: &[String]) -> Result<Changes, Error> {
        let known = [
            "CMD",
            "ENTRYPOINT",
            "ENV",
            "EXPOSE",
            "LABEL",
            "ONBUILD",
            "STOPSIGNAL",
            "USER",
            "VOLUME",
            "WORKDIR",
        ];
        let parse = |text: &String| {
            let (name, value) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
            let (name, value) = (name.to_ascii_uppercase(), value.trim().to_string());
            match known.contains(&name.as_str()) && !value.is_empty() {
                true => Ok((name, value)),
                false => Err(Error::Change(text.clone())),
            }
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Changes)
    }

    /// Applies them to the `config` object of an image's configuration.
    pub fn apply(&self, config: &mut Map<String, Value>) {
        for (name, value) in &self.0 {
            match name.as_str() {
                "CMD" => drop(config.insert("Cmd".into(), command(value))),
                "ENTRYPOINT" => drop(config.insert("Entrypoint".into(), command(value))),
                "USER" => drop(config.insert("User".into(), json!(value))),
                "WORKDIR" => drop(config.insert("WorkingDir".into(), json!(value))),
                "STOPSIGNAL" => drop(config.insert("StopSignal".into(), json!(value))),
                "ENV" => environment(config, value),
                "LABEL" => {
                    pairs(value).iter().for_each(|(name, value)| set(config, "Labels", name, json!(value)));
                }
                "ONBUILD" => match config.entry("OnBuild").or_insert_with(|| json!([])) {
                    Value::Array(triggers) => triggers.push(json!(value)),
                    other => *other = json!([value]),
                },
                "EXPOSE" => value.split_whitespace().for_each(|port| {
                    let port = if port.contains('/') { port.to_string() } else { format!("{port}/tcp") };
                    set(config, "ExposedPorts", &port, json!({}));
                }),
                _ => list(value).into_iter().for_each(|path| set(config, "Volumes", &path, json!({}))),
            }
        }
    }
}

/// A JSON list, or words for a shell.
fn command(text: &str) -> Value {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => json!(words),
        Err(_) => json!(["/bin/sh", "-c", text]),
    }
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_string).collect())
}

/// `A=b C="d e"`, or `A b` in the old form.
fn pairs(text: &str) -> Vec<(String, String)> {
    if let Some((name, value)) = text.split_once(char::is_whitespace).filter(|(name, _)| !name.contains('='))
    {
        return vec![(name.to_string(), words(value.trim()).join(" "))];
    }
    let pair = |word: String| word.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
    words(text).into_iter().filter_map(pair).collect()
}

/// Words, without the quotes and backslashes that hold them together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (end, Some(begin)) if end == begin => quote = None,
            // Between apostrophes a backslash is one.
            ('\\', None | Some('"')) => {
                let next = chars.next();
                let kept = quote.is_some() && !matches!(next, Some('"' | '\\' | '$'));
                let word = word.get_or_insert_default();
                word.extend(kept.then_some('\\'));
                word.extend(next);
            }
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

fn environment(config: &mut Map<String, Value>, text: &str) {
    let entry = config.entry("Env").or_insert_with(|| json!([]));
    let mut all: Vec<String> = serde_json::from_value(entry.clone()).unwrap_or_default();
    for (name, value) in pairs(text) {
        all.retain(|e| e.split_once('=').is_none_or(|(n, _)| n != name.as_str()));
        all.push(format!("{name}={value}"));
    }
    *entry = json!(all);
}

fn set(config: &mut Map<String, Value>, field: &str, key: &str, value: Value) {
    let entry = config.entry(field).or_insert_with(|| json!({}));
    match entry.as_object_mut() {
        Some(object) => drop(object.insert(key.to_string(), value)),
        None => *entry = json!({ key: value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_change_what_they_name() {
        let texts = [
            "CMD [\"a\", \"b\"]",
            "entrypoint run it",
            "ENV A=1 B=2",
            "ENV A three words",
            r#"ENV C="d e" D='f "g' E=h\ i F="a\"b\c" G="#,
            r#"LABEL a.b="c d" e=f"#,
            "ONBUILD RUN make",
            "ONBUILD COPY . .",
            "EXPOSE 80 53/udp",
            "LABEL k=v",
            "VOLUME /data",
        ];
        let changes = Changes::parse(&texts.map(String::from)).unwrap();
        let mut config = json!({"Env": ["A=0", "PATH=/bin"]}).as_object().unwrap().clone();
        changes.apply(&mut config);
        let expected = json!({
            "Cmd": ["a", "b"], "Entrypoint": ["/bin/sh", "-c", "run it"],
            "Env": ["PATH=/bin", "B=2", "A=three words", "C=d e", "D=f \"g", "E=h i", "F=a\"b\\c", "G="],
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}},
            "Labels": {"a.b": "c d", "e": "f", "k": "v"}, "OnBuild": ["RUN make", "COPY . ."],
        });
        assert_eq!(Value::Object(config), expected);
        for bad in ["RUN x", "CMD", ""] {
            assert!(Changes::parse(&[bad.to_string()]).is_err(), "{bad}");
        }
    }
}
