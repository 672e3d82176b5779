//! Functions of templates: Go's own, and those that Docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::truth;
use super::print::{self, text};

/// Calls a function.
pub fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("json", [value]) => Ok(value.to_string().into()),
        ("lower", [value]) => Ok(string(name, value)?.to_lowercase().into()),
        ("upper", [value]) => Ok(string(name, value)?.to_uppercase().into()),
        ("title", [value]) => Ok(title(string(name, value)?).into()),
        ("split", [value, by]) => {
            let parts = string(name, value)?.split(string(name, by)?);
            Ok(parts.map(Value::from).collect())
        }
        ("join", [Value::Array(list), by]) => {
            Ok(list.iter().map(text).collect::<Vec<_>>().join(string(name, by)?).into())
        }
        ("join", [Value::Null, _]) => Ok("".into()),
        ("pad", [value, before, after]) => {
            let value = string(name, value)?;
            let blanks = |n| Ok::<_, String>(" ".repeat(number(name, n)?.min(print::WIDEST)));
            match value {
                "" => Ok("".into()),
                value => Ok(format!("{}{value}{}", blanks(before)?, blanks(after)?).into()),
            }
        }
        ("truncate", [value, length]) => {
            Ok(string(name, value)?.chars().take(number(name, length)?).collect::<String>().into())
        }
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |at, key| index(&at, key)),
        ("slice", [value, bounds @ ..]) if bounds.len() <= 2 => slice(value, bounds),
        ("print", values) => Ok(print::print(values).into()),
        ("println", values) => Ok((values.iter().map(text).collect::<Vec<_>>().join(" ") + "\n").into()),
        ("printf", [format, values @ ..]) => Ok(print::printf(string(name, format)?, values)?.into()),
        ("not", [value]) => Ok((!truth(value)).into()),
        ("eq", [value, others @ ..]) if !others.is_empty() => any_equal(value, others),
        ("ne", [one, two]) => Ok((!equal(one, two)?).into()),
        ("lt", [one, two]) => Ok((order(one, two)? == Ordering::Less).into()),
        ("le", [one, two]) => Ok((order(one, two)? != Ordering::Greater).into()),
        ("gt", [one, two]) => Ok((order(one, two)? == Ordering::Greater).into()),
        ("ge", [one, two]) => Ok((order(one, two)? != Ordering::Less).into()),
        _ if KNOWN.contains(&name) => Err(format!("'{name}' cannot take these arguments")),
        _ => Err(format!("there is no function '{name}'")),
    }
}

const KNOWN: &[&str] = &[
    "json", "lower", "upper", "title", "split", "join", "pad", "truncate", "len", "index", "slice", "printf",
    "not", "eq", "ne", "lt", "le", "gt", "ge",
];

/// `.Label "key"`: labels are a map, or `key=value` between commas.
pub fn label(labels: &Value, arguments: &[Value]) -> Result<Value, String> {
    let [Value::String(wanted)] = arguments else {
        return Err("'.Label' takes the name of a label".to_string());
    };
    match labels {
        Value::Object(map) => Ok(map.get(wanted).cloned().unwrap_or_default()),
        other => {
            let all = text(other);
            let mut pairs = all.split(',').filter_map(|pair| pair.split_once('='));
            Ok(pairs.find(|(key, _)| key == wanted).map_or("", |(_, value)| value).into())
        }
    }
}

fn string<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        other => Err(format!("'{name}' takes text, not '{}'", text(other))),
    }
}

fn number(name: &str, value: &Value) -> Result<usize, String> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("'{name}' takes a number, not '{}'", text(value)))
}

fn title(text: &str) -> String {
    let mut inside = false;
    let upper = |c: char| {
        let first = !std::mem::replace(&mut inside, c.is_alphanumeric());
        if first { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(upper).collect()
}

fn length(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(0.into()),
        Value::String(text) => Ok(text.len().into()),
        Value::Array(list) => Ok(list.len().into()),
        Value::Object(map) => Ok(map.len().into()),
        other => Err(format!("'{}' has no length", text(other))),
    }
}

/// A key that a map does not have gives nothing.
fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Object(map), Value::String(key)) => Ok(map.get(key).cloned().unwrap_or_default()),
        (Value::Null, Value::String(_)) => Ok(Value::Null),
        (Value::Array(list), key) => {
            let found = list.get(number("index", key)?).cloned();
            found.ok_or_else(|| format!("index {} is out of range: there are {}", text(key), list.len()))
        }
        (Value::Null, key) => Err(format!("index {} is out of range: there is nothing", text(key))),
        (value, key) => Err(format!("'index' finds no '{}' in '{}'", text(key), text(value))),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let bound = |at: usize, without: usize| bounds.get(at).map_or(Ok(without), |b| number("slice", b));
    let out = |from, to| format!("slice {from} to {to} is out of range");
    match value {
        Value::String(text) => {
            let (from, to) = (bound(0, 0)?, bound(1, text.len())?);
            Ok(text.get(from..to).ok_or_else(|| out(from, to))?.into())
        }
        Value::Array(list) => {
            let (from, to) = (bound(0, 0)?, bound(1, list.len())?);
            Ok(list.get(from..to).ok_or_else(|| out(from, to))?.to_vec().into())
        }
        other => Err(format!("'{}' cannot be sliced", text(other))),
    }
}

fn any_equal(value: &Value, others: &[Value]) -> Result<Value, String> {
    for other in others {
        if equal(value, other)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn equal(one: &Value, two: &Value) -> Result<bool, String> {
    match (one, two) {
        (Value::Null, _) | (_, Value::Null) | (Value::Bool(_), Value::Bool(_)) => Ok(one == two),
        _ => order(one, two).map(Ordering::is_eq),
    }
}

fn order(one: &Value, two: &Value) -> Result<Ordering, String> {
    let wrong = || format!("'{}' and '{}' cannot be compared", text(one), text(two));
    match (one, two) {
        (Value::String(one), Value::String(two)) => Ok(one.cmp(two)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()).ok_or_else(wrong),
        },
        _ => Err(wrong()),
    }
}
