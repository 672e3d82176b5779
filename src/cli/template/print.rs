//! Values as Go prints them.

use serde_json::Value;

/// Nothing is padded to more than this.
pub const WIDEST: usize = 10_000;

/// A value as `{{.Field}}` prints it: lists as `[a b]`, maps as `map[key:value]`, what is not there as nothing.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

/// `print`: blanks between neighbours neither of which is text.
pub fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 && !value.is_string() && !values[at - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&text(value));
    }
    out
}

/// `printf`, with the verbs that can be meant for what JSON has: `%s %v %d %q %t %f %x %%`.
pub fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec: String = chars.clone().take_while(|c| "-+ 0123456789.".contains(*c)).collect();
        let Some(verb) = chars.nth(spec.len()) else { return Err("a % of 'printf' has no verb".to_string()) };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            return Err(format!("'printf' has no value for %{verb}"));
        };
        out.push_str(&padded(&spec, verb, value)?);
    }
    match values.next() {
        None => Ok(out),
        Some(value) => Err(format!("'printf' has no verb for '{}'", text(value))),
    }
}

fn padded(spec: &str, verb: char, value: &Value) -> Result<String, String> {
    let (flags, sizes) = spec.split_at(spec.find(|c| !"-+ 0".contains(c)).unwrap_or(spec.len()));
    let (width, precision) = sizes.split_once('.').map_or((sizes, None), |(w, p)| (w, Some(p)));
    let size = |text: &str| text.parse().unwrap_or(0).min(WIDEST);
    let (width, precision) = (size(width), precision.map(size));
    let text = verbatim(verb, precision, value)?;
    let missing = width.saturating_sub(text.chars().count());
    Ok(match (flags.contains('-'), flags.contains('0') && value.is_number()) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (false, true) => match text.strip_prefix('-') {
            Some(digits) => format!("-{}{digits}", "0".repeat(missing)),
            None => format!("{}{text}", "0".repeat(missing)),
        },
        (false, false) => format!("{}{text}", " ".repeat(missing)),
    })
}

fn verbatim(verb: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    match (verb, value) {
        ('s' | 'v', value) => Ok(text(value).chars().take(precision.unwrap_or(usize::MAX)).collect()),
        ('q', value) => Ok(Value::String(text(value)).to_string()),
        ('d', Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        ('t', Value::Bool(bool)) => Ok(bool.to_string()),
        ('f', Value::Number(number)) => {
            Ok(format!("{:.*}", precision.unwrap_or(6), number.as_f64().unwrap_or_default()))
        }
        ('x', Value::Number(number)) if number.is_u64() => {
            Ok(format!("{:x}", number.as_u64().unwrap_or_default()))
        }
        ('x', Value::String(text)) => Ok(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        (verb, value) => Err(format!("%{verb} of 'printf' cannot take '{}'", text(value))),
    }
}
