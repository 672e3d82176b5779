//! Errors as text.

use std::error::Error;

/// An error and its causes in one line. A cause that the text before it ends with already is not said again.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        let words = this.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = this.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let cause = std::io::Error::other(std::io::Error::other("deep"));
        assert_eq!(chain(&Outer(cause)), "outer: deep");
    }
}
