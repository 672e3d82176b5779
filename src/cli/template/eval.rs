//! Fills a template.

use serde_json::Value;

use super::functions;
use super::parse::{Node, Operand, Pipeline};
use super::print::text;

/// Objects whose keys are data: what they do not hold has no value, which is no mistake.
const MAPS: &[&str] = &[
    "Annotations",
    "Attributes",
    "Containers",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Sysctls",
    "Volumes",
];
/// What Go prints for that.
const NO_VALUE: &str = "<no value>";

/// Fills a template from an object.
pub fn render(nodes: &[Node], root: &Value) -> Result<String, String> {
    let mut filling = Filling { out: String::new(), root, variables: vec![(String::new(), root.clone())] };
    filling.nodes(nodes, root)?;
    Ok(filling.out)
}

struct Filling<'a> {
    out: String,
    root: &'a Value,
    /// Those in force, the innermost last.
    variables: Vec<(String, Value)>,
}

impl Filling<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), String> {
        nodes.iter().try_for_each(|node| self.node(node, dot))
    }

    /// What is declared inside ends there.
    fn block(&mut self, nodes: &[Node], dot: &Value, named: &[(&String, Value)]) -> Result<(), String> {
        let before = self.variables.len();
        self.variables.extend(named.iter().map(|(name, value)| ((*name).clone(), value.clone())));
        let done = self.nodes(nodes, dot);
        self.variables.truncate(before);
        done
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<(), String> {
        let before = self.variables.len();
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variable.is_none() {
                    self.out.push_str(&text(&value));
                }
                // A variable stays until the end of what is around it.
                return Ok(());
            }
            Node::If(condition, then, otherwise) => match truth(&self.pipeline(condition, dot)?) {
                true => self.block(then, dot, &[])?,
                false => self.block(otherwise, dot, &[])?,
            },
            Node::With(pipeline, then, otherwise) => {
                let value = self.pipeline(pipeline, dot)?;
                match truth(&value) {
                    true => self.block(then, &value, &[])?,
                    false => self.block(otherwise, dot, &[])?,
                }
            }
            Node::Range { names, over, body, otherwise } => {
                let elements = elements(self.pipeline(over, dot)?)?;
                if elements.is_empty() {
                    self.block(otherwise, dot, &[])?;
                }
                for (index, element) in elements {
                    let named = match names.as_slice() {
                        [one] => vec![(one, element.clone())],
                        [one, two] => vec![(one, index), (two, element.clone())],
                        _ => Vec::new(),
                    };
                    self.block(body, &element, &named)?;
                }
            }
        }
        self.variables.truncate(before);
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or_default();
        match &pipeline.variable {
            None => {}
            Some((name, true)) => self.variables.push((name.clone(), value.clone())),
            Some((name, false)) => {
                let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                known.ok_or_else(|| format!("there is no variable '${name}'"))?.1 = value.clone();
            }
        }
        Ok(value)
    }

    fn command(&mut self, words: &[Operand], piped: Option<Value>, dot: &Value) -> Result<Value, String> {
        let Some((first, rest)) = words.split_first() else { return Ok(Value::Null) };
        match first {
            Operand::Function(name) if matches!(name.as_str(), "and" | "or") => {
                self.and_or(name == "or", rest, piped, dot)
            }
            Operand::Function(name) => {
                let mut arguments = self.values(rest, dot)?;
                arguments.extend(piped);
                functions::call(name, &arguments)
            }
            Operand::Field(path) if path == &["Label"] && dot.get("Label").is_none() => {
                let mut arguments = self.values(rest, dot)?;
                arguments.extend(piped);
                functions::label(&dot["Labels"], &arguments)
            }
            value if rest.is_empty() && piped.is_none() => self.operand(value, dot),
            _ => Err("what is no function takes no arguments".to_string()),
        }
    }

    fn values(&mut self, words: &[Operand], dot: &Value) -> Result<Vec<Value>, String> {
        words.iter().map(|word| self.operand(word, dot)).collect()
    }

    /// Looks at no more arguments than it needs.
    fn and_or(
        &mut self,
        until: bool,
        words: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, String> {
        let mut last = None;
        for word in words {
            let value = self.operand(word, dot)?;
            if truth(&value) == until {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| "'and' and 'or' take arguments".to_string())
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        match operand {
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Function(name) => functions::call(name, &[]),
            Operand::Field(path) => field(dot, path),
            Operand::Variable(name, path) if name.is_empty() => field(self.root, path),
            Operand::Variable(name, path) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                field(&known.ok_or_else(|| format!("there is no variable '${name}'"))?.1, path)
            }
            Operand::Group(pipeline, path) => {
                let value = self.pipeline(pipeline, dot)?;
                field(&value, path)
            }
        }
    }
}

/// A field's field; `Id` is found as `ID`, too, for Go's own names differ from those in JSON.
fn field(value: &Value, path: &[String]) -> Result<Value, String> {
    let (mut at, mut parent) = (value, "");
    for (depth, name) in path.iter().enumerate() {
        let found = at.as_object().and_then(|object| {
            object.get(name).or_else(|| {
                object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            })
        });
        at = match found {
            Some(found) => found,
            None if MAPS.contains(&parent) && depth + 1 == path.len() => return Ok(NO_VALUE.into()),
            None => return Err(format!("there is no field '{name}'")),
        };
        parent = name;
    }
    Ok(at.clone())
}

/// What `if` takes for true.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn elements(value: Value) -> Result<Vec<(Value, Value)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => Ok(list.into_iter().enumerate().map(|(i, v)| (i.into(), v)).collect()),
        Value::Object(map) => Ok(map.into_iter().map(|(k, v)| (k.into(), v)).collect()),
        other => Err(format!("range cannot go through '{}'", text(&other))),
    }
}
