//! Rules of how the file is written.

use super::{Finding, Rule, note};
use crate::build::containerfile::{Containerfile, Kind, Stage, Text};

pub(super) fn check(file: &Containerfile, list: &mut Vec<Finding>) {
    let stages = || file.stages.iter();
    let globals = file.globals.iter().map(|instruction| &instruction.text);
    let rest = stages().flat_map(|stage| {
        [&stage.text].into_iter().chain(stage.instructions.iter().map(|instruction| &instruction.text))
    });
    let texts: Vec<&Text> = globals.chain(rest).collect();
    casing(&texts, list);
    for text in &texts {
        if let Some(line) = text.empty_line {
            let position = crate::build::containerfile::Position::line(line);
            note(list, Rule::NoEmptyContinuation, position, "an empty line inside an instruction");
        }
    }
    for (index, stage) in stages().enumerate() {
        stage_name(&file.stages[..index], stage, list);
    }
    for instruction in stages().flat_map(|stage| &stage.instructions) {
        let start = instruction.text.span.start;
        let name = instruction.kind.name();
        match &instruction.kind {
            Kind::Maintainer(_) => {
                let message =
                    "MAINTAINER is out of use: LABEL org.opencontainers.image.authors=… takes its place";
                note(list, Rule::MaintainerDeprecated, start, message);
            }
            Kind::Env(pairs) | Kind::Label(pairs) if pairs.legacy => {
                let message = format!("\"{name} name value\" is an old form of \"{name} name=value\"");
                note(list, Rule::LegacyKeyValueFormat, start, message);
            }
            _ => {}
        }
    }
}

fn is_upper(text: &str) -> bool {
    !text.contains(|ch: char| ch.is_ascii_lowercase())
}

fn is_lower(text: &str) -> bool {
    !text.contains(|ch: char| ch.is_ascii_uppercase())
}

/// The case of most instructions is the case of all; capitals if there are as many of both.
fn casing(texts: &[&Text], list: &mut Vec<Finding>) {
    let count = |is: fn(&str) -> bool| texts.iter().filter(|text| is(&text.keyword)).count();
    let (fits, name): (fn(&str) -> bool, _) =
        if count(is_lower) > count(is_upper) { (is_lower, "lowercase") } else { (is_upper, "uppercase") };
    for text in texts.iter().filter(|text| !fits(&text.keyword)) {
        let message = format!("{} is not {name} like most instructions of the file", text.keyword);
        note(list, Rule::ConsistentInstructionCasing, text.span.start, message);
    }
}

fn stage_name(earlier: &[Stage], stage: &Stage, list: &mut Vec<Finding>) {
    let start = stage.text.span.start;
    let from = &stage.text.keyword;
    if let Some(keyword) = &stage.from.as_keyword {
        let differs = (is_upper(from) && !is_upper(keyword)) || (is_lower(from) && !is_lower(keyword));
        if differs {
            note(list, Rule::FromAsCasing, start, format!("{keyword} and {from} differ in case"));
        }
    }
    let Some(name) = &stage.from.name else { return };
    if !is_lower(name) {
        note(list, Rule::StageNameCasing, start, format!("the stage name {name} has capitals"));
    }
    let lower = name.to_lowercase();
    if matches!(lower.as_str(), "scratch" | "context") {
        let message = format!("{lower} has a meaning of its own and cannot name a stage well");
        note(list, Rule::ReservedStageName, start, message);
    }
    let taken =
        |other: &Stage| other.from.name.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(name));
    if earlier.iter().any(taken) {
        note(list, Rule::DuplicateStageName, start, format!("there is an earlier stage {lower}"));
    }
}
