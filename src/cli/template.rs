//! The part of Go's templates that people use with `--format`: `{{.Field.Sub}}` and `{{json .Field}}`.

use serde_json::Value;

/// A parsed template.
#[derive(Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { path: Vec<String>, json: bool },
}

impl Template {
    /// Reads a template; `\t` and `\n` stand for tab and line end.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(text: &str) -> Result<Template, String> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_string()));
            }
            let Some((action, after)) = after.split_once("}}") else {
                return Err(format!("template '{text}' has a {{{{ without }}}}"));
            };
            parts.push(field(action)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_string()));
        }
        Ok(Template(parts))
    }

    /// Fills the template from an object.
    ///
    /// # Errors
    /// When it has no such field.
    pub fn render(&self, value: &Value) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field { path, json } => {
                    let found = lookup(value, path)?;
                    if *json {
                        out.push_str(&found.to_string())
                    } else {
                        out.push_str(&super::output::text(found))
                    }
                }
            }
        }
        Ok(out)
    }

    /// The template with the names of its fields in their place.
    pub fn headings(&self, name: impl Fn(&str) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Field { path, .. } => path.last().map(|field| name(field)).unwrap_or_default(),
        };
        self.0.iter().map(part).collect()
    }
}

fn field(action: &str) -> Result<Part, String> {
    let action = action.trim();
    let (json, path) = match action.strip_prefix("json ") {
        Some(path) => (true, path.trim()),
        None => (false, action),
    };
    let Some(path) = path.strip_prefix('.') else {
        return Err(format!(
            "'{{{{{action}}}}}' is not understood; use {{{{.Field}}}} or {{{{json .Field}}}}"
        ));
    };
    let path = path.split('.').filter(|p| !p.is_empty()).map(str::to_string).collect();
    Ok(Part::Field { path, json })
}

fn lookup<'a>(value: &'a Value, path: &[String]) -> Result<&'a Value, String> {
    let mut at = value;
    for name in path {
        let next = at.as_object().and_then(|object| object.get(name));
        at = next.ok_or_else(|| format!("there is no field '{name}'"))?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_and_json_are_filled_in() {
        let value = json!({"Name": "a", "State": {"Pid": 7, "Args": ["x"]}});
        let render = |text: &str| Template::parse(text).and_then(|t| t.render(&value));
        assert_eq!(render("{{.Name}}\\t{{ .State.Pid }}!"), Ok("a\t7!".to_string()));
        assert_eq!(render("{{json .State.Args}}"), Ok("[\"x\"]".to_string()));
        assert!(
            render("{{.Nope}}").is_err() && render("{{.Name").is_err() && render("{{range .x}}").is_err()
        );
    }
}
