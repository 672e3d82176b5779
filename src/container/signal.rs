//! Signal names and numbers, as Docker reads them.

use nix::sys::signal::Signal;

use super::error::Error;

/// Parses `TERM`, `SIGTERM`, `15` or a real-time signal such as `RTMIN+3` into a signal number.
///
/// # Errors
/// [`Error::Flag`] when it is none of these.
pub fn parse_signal(text: &str) -> Result<i32, Error> {
    let upper = text.trim().to_ascii_uppercase();
    if let Ok(number) = upper.parse::<i32>() {
        return if (1..=64).contains(&number) { Ok(number) } else { Err(unknown(text)) };
    }
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(number) = real_time(name) {
        return Ok(number);
    }
    format!("SIG{name}").parse::<Signal>().map(|s| s as i32).map_err(|_| unknown(text))
}

/// A signal's name, such as `SIGTERM` or `SIGRTMIN+3`.
pub fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_string(),
        Err(_) => format!("SIGRTMIN+{}", number - 34),
    }
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n` (signal(7), with glibc's bounds of 34 and 64).
fn real_time(name: &str) -> Option<i32> {
    let (base, offset) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => (34, rest.strip_prefix('+').map_or(Some(0), |n| n.parse::<i32>().ok())?),
        (_, Some(rest)) => (64, -rest.strip_prefix('-').map_or(Some(0), |n| n.parse::<i32>().ok())?),
        _ => return None,
    };
    (34..=64).contains(&(base + offset)).then_some(base + offset)
}

fn unknown(text: &str) -> Error {
    Error::Flag { flag: "signal", value: text.to_string(), reason: "no such signal".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in
            [("KILL", 9), ("sigterm", 15), ("SIGWINCH", 28), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63)]
        {
            assert_eq!(parse_signal(text).unwrap(), number, "{text}");
            assert_eq!(parse_signal(&signal_name(number)).unwrap(), number, "{text}");
        }
        for bad in ["", "0", "65", "SIGNOPE", "RTMIN+99"] {
            assert!(parse_signal(bad).is_err(), "{bad}");
        }
    }
}
